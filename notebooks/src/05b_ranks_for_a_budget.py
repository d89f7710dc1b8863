# %% [markdown]
r"""
# Take whole networks apart

**What you'll do.** Split convolutions in four ways, share one budget of multiplications
out over a network's layers, read what training the factors gives, and put low rank
beside pruning, quantization, a small network and LoRA.

**What you'll learn**
- to take a convolution apart by channels, by height and width, by Tucker and by CP;
- to say where multiplications and microseconds part;
- to share one budget out over the layers;
- to say what low rank is worth beside the other methods, at equal bytes.

**What you'll need.** Notebook 05: factors, the break-even rank, PCA of responses. About
60 minutes of yours, one and a half of two cores. One exercise, 4 points.

**Three beliefs that this notebook tests**
1. "Half of the multiplications take half of the time."
2. "It is fair if every layer gives up the same share."
3. "Low rank saves computation, not storage." So says the article that this lab grew out
   of, in its FAQ.
"""

# %%
import json

import numpy as np
import pandas as pd

from labkit import compress, lowrank, measure, zoo
from labkit.checks import Predictions, shown
from labkit.compress import observe
from labkit.lowrank import reconstruct_kernel
from labkit.measure import accuracy, compare
from labkit.plots import figure
from labkit.zoo import DATA_FOLDER

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
data = {name: zoo.dataset(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in measure.machine().items()))

# %% [markdown]
r"""
## 1. Convolutions

A kernel has four axes, (out, height, width, in). Make a matrix of it, and the SVD gives
two convolutions. Which axes are rows decides what they are:

- **channel**: out × (height·width·in). A $k \times k$ onto few channels, then
  $1 \times 1$ (Zhang et al. 2016, arXiv:1505.06798).
- **spatial**: (height·in) × (width·out). A $k \times 1$, then a $1 \times k$ (Jaderberg
  et al. 2014, arXiv:1405.3866).
- **Tucker-2**: a projection of the inputs' channels, a small $k \times k$, a projection
  of the outputs' (Kim et al. 2016, arXiv:1511.06530).
- **CP**: a sum of products of four vectors: $1 \times 1$, $k \times 1$ and
  $1 \times k$ on each channel alone, $1 \times 1$ (Lebedev et al. 2015,
  arXiv:1412.6553).

The smallest example is Sobel's filter. It finds upright edges, and has rank 1:
"""

# %%
from labkit.lowrank import spatial

sobel = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0])
down, across = spatial(sobel.reshape(1, 3, 3, 1)).parts(1)
print(sobel, down.kernel.ravel().round(3), across.kernel.ravel().round(3), sep="\n")
assert np.allclose(reconstruct_kernel([down, across]).reshape(3, 3), sobel, atol=1e-6)

# %% [markdown]
r"""
Nine multiplications a pixel became six. A stride and a padding have to be shared out:
down for the column, across for the row.

**Exercise 1** (12 minutes, 4 points). Write `separable_convolution(image, down,
across)`: the picture after a $k \times k$ filter `np.outer(down, across)`, computed in
two steps, in the picture's size ("same" padding with zeros). A layer does not turn the
filter round.
"""


# %%
def separable_convolution(image, down, across):
    raise NotImplementedError


# %%
from labkit.checks import check_separable_convolution

check_separable_convolution(separable_convolution)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`k // 2` zeros before and behind, in the direction that the filter runs along, and only
there. Then a sum of k shifted pictures.

</details>
<details><summary>Solution</summary>

```python
def separable_convolution(image, down, across):
    def along_rows(image, weights):
        k = len(weights)
        padded = np.pad(image, ((k // 2, k // 2), (0, 0)))
        return sum(x * padded[i : i + len(image)] for i, x in enumerate(weights))

    return along_rows(along_rows(image, down).T, across).T
```

</details>

Each way has its own break-even rank, for each needs other weights for one rank more.
Tucker has two ranks, which go up together. Here is one layer of `resnet20` by every
method, at half of its weights:
"""

# %%
from labkit.compress import break_even, rank_for

resnet20, layer, rows = networks["resnet20"], "stage2_block2_conv1", {}
shape = resnet20.layer(layer).kernel_shape
for method in ("svd", "spatial", "tucker", "cp"):
    rank = rank_for(resnet20, layer, method, 0.5)
    parts = compress.factorize_layer(resnet20, layer, rank, method)
    shapes = " → ".join("×".join(map(str, part.kernel.shape)) for part in parts)
    rows[method] = rank, shapes
print(layer, shape, f"break-even: channel {break_even(shape, 'svd'):.1f},")
print(f"spatial {break_even(shape, 'spatial'):.1f}, CP {break_even(shape, 'cp'):.1f}")
pd.DataFrame(rows, index=["rank", "kernels (out, height, width, in)"]).T

# %% [markdown]
r"""
CP can afford the highest rank, since a term of it has only four short vectors. Whether
its terms are the right ones no SVD says: they are searched for from a random start.

**Predict 1.** Half of the weights of every layer of `resnet20`, by channel. What part
of the time is left, from 0 to 1?
"""

# %%
guesses.guess("1. time left at half of the weights", None)  # 0 to 1
accuracy_guess = None  # of resnet8 by CP, from 0 to 1

# %%
from labkit.panels import rank_panel

panel = rank_panel("resnet8", guess=accuracy_guess, method="cp", parameter_ratio=0.5)
panel

# %% [markdown]
r"""
Nothing is trained here: the accuracy shows it. Go through the methods at the same
share, and look at the three bars on the left: bytes, MACs and latency.

1. For which methods is the latency bar as short as the MACs bar?
2. Which method leaves the most accuracy at half of the weights? And at 90 %?
3. Watch the first layer's filters: they read colours, and are drawn as colours, grey
   for 0. Which methods blur them, and how?
"""

# %%
spatial_half, cp_half = (panel.set(method=m) for m in ("spatial", "cp"))
print({m.settings["method"]: m.accuracy.value for m in (spatial_half, cp_half)})
assert cp_half.accuracy.value > spatial_half.accuracy.value

# %% [markdown]
r"""
### Where MACs and microseconds part

The same question for all networks and methods, at half of the weights, timed in turns
on the machine that wrote the lab's results (`python -m experiments.lowrank.files` does
it on yours):
"""

# %%
run = json.loads((DATA_FOLDER / "results" / "lowrank_files.json").read_text())
files = pd.DataFrame(run["rows"]).set_index(["network", "method"])
whole = files.xs("whole", level="method").reindex(files.index, level="network")
files["MACs left"] = files["macs"] / whole["macs"]
files["time left"] = files["latency_us"] / whole["latency_us"]
columns = ["size_bytes", "MACs left", "time left", "validation_accuracy"]
files[columns].round(3)

# %%
cut = files.drop("whole", level="method")
left = cut.loc["resnet20", "svd"]["time left"]
print(guesses.settle("1. time left at half of the weights", round(left, 2), 0.1))

# %%
picture = figure(6, 3.8)
axes = picture.add_subplot(xlabel="MACs left", ylabel="time left")
axes.axline((0.45, 0.45), slope=1, color="black", lw=1, ls=":")
for marker, (name, part) in zip("osD^", cut.groupby(level=0), strict=True):
    axes.plot(part["MACs left"], part["time left"], marker, label=name)
for method, row in cut.loc["resnet20"].iterrows():
    x, y = row["MACs left"], row["time left"]
    side = "right" if x < 0.5 else "left"
    axes.text(x, y, f"  {method}  ", fontsize=8, ha=side, va="center")
axes.legend(frameon=False)
picture.alt = cut[["MACs left", "time left"]].round(2).to_string()
picture

# %%
parting = (cut["time left"] / cut["MACs left"]).unstack("network")
ratio = parting.loc["svd"]
relations = {
    "both ResNets keep 1.3 times their MACs' time, or more":
        ratio[["resnet8", "resnet20"]].min() > 1.3,
    "mlp is nearer to its MACs than lenet5, lenet5 than resnet20":
        ratio["mlp"] < ratio["lenet5"] < ratio["resnet20"],
}  # fmt: skip
print(shown(relations))
parting.round(2)

# %% [markdown]
r"""
On the dotted line time would be what MACs say; the names are of `resnet20`'s files. The
dense `mlp` lies nearest to the line; the ResNets by channel lie far above: belief 1
fails. Each part writes its result out and the next one reads it in again, and how well
a kernel fills the processor depends on the shape of its layer. At the same MACs the
ways differ, too: compare the names. MACs are what a paper counts; microseconds are what
a user waits.

## 2. One budget

The same ratio for every layer was a first guess. Three others spend the same MACs:

- **energy**: the same fraction of the energy from each layer;
- **product**: greedily, the layer that loses the least of its energy for a MAC goes one
  rank down, so that the product of the energies stays large (Zhang et al. 2016);
- **loss**: measure each layer alone at some ranks on validation images, and let the
  search of notebook 01b share out.

The greedy way in small, for two layers. Every rank of the first costs 6 MACs, of the
second 2, and the budget is 20:
"""

# %%
energies = {"a": np.array([8.0, 4.0, 2.0, 1.0]), "b": np.array([5.0, 4.0, 3.0])}
costs, ranks = {"a": 6, "b": 2}, {"a": 4, "b": 3}


def loss_per_mac(layer):
    kept = np.cumsum(energies[layer])[ranks[layer] - 2 : ranks[layer]]
    return np.log(kept[1] / kept[0]) / costs[layer]


# %%
while sum(costs[layer] * rank for layer, rank in ranks.items()) > 20:
    layer = min((name for name in ranks if ranks[name] > 1), key=loss_per_mac)
    print(f"{ranks}: {layer} loses least, {loss_per_mac(layer):.4f} a MAC")
    ranks[layer] -= 1
print(ranks)
assert ranks == {"a": 2, "b": 3}

# %% [markdown]
r"""
The loss is the logarithm of the fraction of the energy that stays, and the budget is in
MACs; so a cheap layer keeps its terms. `labkit.compress.plan_ranks` does the same with
the terms of a whole network.

**Predict 2.** Which way is best for `lenet5` by PCA of responses, at 30 % of the
weights' MACs?
"""

# %%
guesses.guess("2. best way for lenet5", None)  # "same", "energy", "product", "loss"

# %%
from labkit.compress import rank_losses

lenet5, few = networks["lenet5"], data["lenet5"].validation
observed = observe(lenet5, data["lenet5"].calibration.images[:500])
losses = rank_losses(lenet5, few.take(500), "responses", observed=observed)

# %%
rows, settings = {}, {"observed": observed, "loss": losses.layers}
for by in compress.RANK_CHOICES:
    ranks = compress.plan_ranks(lenet5, "responses", 0.3, by, **settings)
    cut = compress.factorize_network(lenet5, ranks, "responses", observed)
    rows[by] = *map(str, ranks.values()), cut.macs, accuracy(cut, few.take(3000)).value
choices = pd.DataFrame(rows, index=[*lenet5.kernels, "MACs", "accuracy"]).T
choices

# %%
shared = choices["accuracy"].astype(float)
print(guesses.settle("2. best way for lenet5", shared.idxmax()))
assert shared.drop("same").min() > shared["same"]

# %% [markdown]
r"""
None of the three ways treats all layers alike, and all beat the one that does: belief 2
fails here. "None" is a layer that stays whole, since it costs little and loses much.

For the ResNets measuring every layer at every rank takes minutes, so the losses are
committed (`python -m experiments.lowrank.rank_sensitivity`). Both ResNets at the same
share of their MACs, without any training:
"""

# %%
from labkit.compress import committed_rank_losses

rows, share = {}, 0.64
for name in ("resnet8", "resnet20"):
    network, few = networks[name], data[name].validation.take(500)
    seen = observe(network, data[name].calibration.images[:200])
    settings = {
        "observed": seen,
        "loss": committed_rank_losses(network, "responses").layers,
    }
    for by in compress.RANK_CHOICES:
        ranks = compress.plan_ranks(network, "responses", share, by, **settings)
        cut = compress.factorize_network(network, ranks, "responses", seen)
        rows[name, by] = cut.macs / network.macs, accuracy(cut, few).value

# %%
ways = pd.DataFrame(rows, index=["MACs left", "accuracy"]).T
assert (ways["accuracy"].unstack().idxmax(axis=1) == "loss").all()
ways.unstack(0).loc[list(compress.RANK_CHOICES)].round(3)

# %% [markdown]
r"""
Measured losses do best on both. Energies need not even beat the same ratio for every
layer, as `resnet8` shows. The energy of a layer's responses says what that layer loses,
and nothing of what the layers behind it make of it.

## 3. Train the factors

Nothing was trained so far, and the ResNets are no use as they are. Both factors are
layers with weights, so train them on: each chain of convolutions stands before its
batch normalization, and the ranks stay. `python -m labkit lowrank resnet20 26M` does it
for `resnet20`, by PCA of responses, with the ranks by the product of energies. The
published curve beside it (Idelbayev and Carreira-Perpiñán 2020, CVPR, fig. 2) is read
off a figure, to about two tenths of a point; its ranks are chosen while it trains.
"""

# %%
records = [zoo.lowrank_record(title) for title in zoo.lowrank_names()]
base = zoo.record("resnet20")
ours = pd.DataFrame([r for r in [base, *records] if r["name"] == "resnet20"])
ours = ours.assign(M=ours["macs"] / 1e6, error=100 * (1 - ours["test_accuracy"]))
ours = ours.sort_values("M", ascending=False).set_index("M")
ours["above float"] = ours["error"] - 100 * (1 - base["test_accuracy"])
ours[["size_bytes", "error", "above float", "epochs"]].round(2)

# %%
from labkit.plots import RankCurve, draw_rank_curves

published = {40.5: 8.35, 26.0: 8.75, 22.7: 9.2, 17.4: 9.5, 13.5: 9.9, 10.6: 11.0}
read_off = np.array(list(published.values()))
curves = [
    RankCurve("published", list(published), read_off, read_off - 0.2, read_off + 0.2),
    RankCurve("ours", list(ours.index), list(ours["error"])),
]

# %%
as_text = ours["error"].round(2).to_dict()
picture = figure(6.8, 3.2, alt=f"published: {published}; ours: {as_text}")
axes = picture.add_subplot()
draw_rank_curves(axes, curves, {}, "test error, %")
axes.set_xlabel("million MACs")
picture

# %% [markdown]
r"""
The two float networks are not the same network, so compare each with its own: the
column *above float* is ours, and the published points lie as far above their first one
as the print below says. Each of ours is one training from one seed.
"""

# %%
print({m: f"+{error - published[40.5]:.2f}" for m, error in published.items()})
for record in records:
    kept = [layer for layer, rank in record["ranks"].items() if rank is None]
    print(f"{record['name']}, {record['macs']:,} MACs: {len(kept)} layers whole")
assert all(record["macs"] <= record["budget"] for record in records)

# %% [markdown]
r"""
## 4. With the others

**What is left over.** $W - W_k$ is small, and can be stored cheaply: its largest
entries as a sparse matrix, or all of it in few bits. Here are `fc1` of `mlp` and a
budget of 8 bits a weight, for low rank, sparsity and bits alone and for two pairs.
"""

# %%
from labkit import prune
from labkit.packed import payload_bytes, sparse
from labkit.quantize import quantize

mlp, kernel = networks["mlp"], networks["mlp"].kernels["fc1"]
validation, budget = data["mlp"].validation, kernel.size  # 8 bits a weight
bytes_a_rank = 4 * sum(kernel.shape)


# %%
def zeroed(w, sparsity):
    return np.where(prune.mask(np.abs(w), sparsity), w, 0).astype(np.float32)


def sparse_of(w, size_bytes):
    low, high = 0.0, 1.0
    for _ in range(20):  # the sparsity whose bytes just fit
        middle = (low + high) / 2
        fits = payload_bytes(sparse(zeroed(w, middle), "bitmap")) <= size_bytes
        low, high = (low, middle) if fits else (middle, high)
    return zeroed(w, high)


# %%
def low_of(w, rank):
    return lowrank.svd(w.astype(float)).matrix(rank).astype(np.float32)


alone = budget // bytes_a_rank
some = alone // 2
near, rest = low_of(kernel, some), kernel - low_of(kernel, some)
four = quantize(rest, 4, "channel").decode()
print(f"rank {alone} alone, or rank {some} and what is left over")

# %%
mixed = {
    "low rank alone": low_of(kernel, alone),
    "sparse alone": sparse_of(kernel, budget),
    "low rank + sparse": near + sparse_of(rest, budget - some * bytes_a_rank),
    "low rank + 4-bit rest": near + four,
    "8 bits alone": quantize(kernel, 8, "channel").decode(),
}
rows, right = {}, {}
for title, w_hat in mixed.items():
    error = np.square(kernel - w_hat).sum() / np.square(kernel).sum()
    right[title] = accuracy(mlp.with_weights({"fc1/kernel": w_hat}), validation)
    rows[title] = error, right[title].value
table = pd.DataFrame(rows, index=["error of W", "accuracy"]).T
table.round(4)

# %%
error = table["error of W"]
assert error["low rank + sparse"] < error["low rank alone"]
assert error["sparse alone"] < error["low rank alone"]
assert error["8 bits alone"] < error.drop("8 bits alone").min()
paired = compare(right["sparse alone"], right["low rank alone"])
print(f"low rank against sparse: {100 * paired.difference:+.2f} points,", end=" ")
print(f"p = {paired.p_value:.1g}")
assert paired.difference > 0 and paired.p_value < 0.001
assert table["accuracy"].nlargest(2).index.isin(error.nsmallest(2).index).all()

# %% [markdown]
r"""
Few bits win: 8 bits alone, or a low rank with its residual in 4, have the smallest
errors and the best accuracies. Low rank alone has the largest error, and yet it is
right about more images than the sparse matrix is, whose error is smaller. Again the
error of the weights is not the accuracy.

**Rank after pruning.** Is a pruned matrix of lower rank?

**Predict 3.** Set 90 % of the weights of `fc1` to zero, the smallest ones. Its rank was
300; what is it now?
"""

# %%
guesses.guess("3. rank of fc1 with 90 % zeros", None)  # 1 to 300

# %%
rows = {}
for sparsity in (0.0, 0.5, 0.9, 0.98):
    s = lowrank.spectrum(zeroed(kernel, sparsity))
    rows[sparsity] = np.sum(s > 1e-5 * s[0]), lowrank.rank_for_energy(s, 0.9)

# %%
pruned = pd.DataFrame(rows, index=["rank", "terms for 90 %"]).T
print(guesses.settle("3. rank of fc1 with 90 % zeros", int(pruned["rank"][0.9]), 15))
assert pruned["rank"][0.9] > 250
pruned

# %% [markdown]
r"""
Hardly: zeros strewn over a matrix do not make its rows alike. To prune and then to
factorize fills the zeros again. A pruned *unit* is another thing: a row of zeros takes
one from the rank, and is better taken out whole (notebook 03c).

**A small dense network of the same bytes.** Two layers without an activation between
them, or one layer with fewer units? Notebook 03c trained small networks of `mlp`'s kind
over five seeds. The same trained networks were factorized into as many bytes, and
their factors trained for as many steps, on the same images in the same order (`python
-m experiments.lowrank.smaller`). Each seed has all of them, so they can be paired.

**Predict 4.** At the middle one of three sizes, that of 92 % zeros: how many points of
test accuracy has the factorized network more than the small one? (Below 0: fewer.)
"""

# %%
guesses.guess("4. points, factorized over small", None)  # percentage points

# %%
runs = {
    name: json.loads((DATA_FOLDER / "results" / f"{name}.json").read_text())["rows"]
    for name in ("smaller", "lowrank_smaller")
}
rows = pd.DataFrame(runs["smaller"] + runs["lowrank_smaller"])
rows["kind"] = rows["kind"].fillna("factorized")
kinds = ["factorized", "small", "pruned"]
rows = rows[rows["kind"].isin(kinds)].assign(points=lambda r: 100 * r["accuracy"])
groups = rows.groupby(["sparsity", "kind"])
groups[["size_bytes", "macs", "points"]].mean().unstack("kind").T.round(2)

# %%
from labkit.measure import mean_over_seeds

paired = rows.pivot(index=["sparsity", "seed"], columns="kind", values="points")
paired = paired.dropna()
for sparsity, part in paired.groupby(level="sparsity"):
    for kind in ("small", "pruned"):
        found = mean_over_seeds(part["factorized"] - part[kind])
        against = f"as small as {sparsity:.1%} zeros: against {kind}"
        print(f"{against} {found:+.2f} points: {found.says()}")

# %%
won = (paired["factorized"] - paired["small"]).loc[0.92].mean()
print(guesses.settle("4. points, factorized over small", won, 0.3))
sizes = rows.pivot(index=["sparsity", "seed"], columns="kind", values="size_bytes")
assert (sizes["factorized"] / sizes["small"]).dropna().between(0.9, 1).all()
assert rows["steps"].nunique() == 1

# %%
gains = (paired["factorized"] - paired["small"]).unstack("sparsity")
assert (gains[[0.8, 0.92]] > 0).all(axis=None) and (gains[0.984] < -10).all()
factors = pd.DataFrame(runs["lowrank_smaller"]).set_index(["sparsity", "seed"])
assert all(ranks["fc1"] < 10 for ranks in factors["ranks"].loc[0.984])
factors["ranks"].unstack("seed")[0]

# %% [markdown]
r"""
*better* and *worse* are said where the seeds decide, and no more. At the two larger
sizes the factorized network beats the small one for every seed: it keeps all its units,
and gives up directions. At the smallest size it loses by far. There `fc1` has fewer
terms than there are classes, so that everything the network knows of a digit passes
through a few numbers without an activation; the small network bends its few at every
layer. Steps are equal, and bytes nearly. MACs are not: the pruned network, run as
dense, saves none.

So, "can low rank replace the others?" The article's FAQ says that low rank saves
computation and not storage. Both factors are stored instead of the layer, so it does
save storage: belief 3 fails. Can it replace them? Untrained, at equal bytes for one
layer, bits did better and zeros worse; trained, at equal bytes for the whole network,
the lines just printed say it. What low rank has and they have not: its saved MACs are
real in any runtime, without a kernel for zeros or for bits. And it goes *with* them: a
factor can be quantized like any layer.

**What LoRA has to do with it.** LoRA (Hu et al. 2021, arXiv:2106.09685) freezes $W$ and
trains a low-rank *change*, $W + BA$. That makes the training small, not the network: in
use either both run, which is more than before, or $BA$ is added to $W$, which is as
before.
"""

# %%
m, n, rank = 300, 784, 8
trained, together = rank * (m + n), m * n + rank * (m + n)
print(f"W {m * n:,}; trained {trained:,}; run side by side {together:,}")
change = np.random.default_rng(0).normal(size=(m, rank)) @ np.ones((rank, n))
merged = mlp.with_weights({"fc1/kernel": kernel + 1e-6 * change.astype(np.float32)})
assert trained < 0.04 * m * n and together > m * n and len(merged) == len(mlp)

# %% [markdown]
r"""
## Recap

- Convolutions can be cut in four ways, each with a break-even rank of its own.
- Fewer MACs are not in proportion fewer microseconds, least of all for thin
  convolutions.
- The layers share a budget badly if each gets the same; energies or measured losses
  know better.
- The factors are layers: train them. For the ResNets low rank begins there.
- At equal bytes and untrained, few bits do best, and the error of the weights ranks low
  rank below zeros where accuracy does not. A low-rank network needs no special kernel.
- Factorized beats simply smaller as long as the rank is not tiny.
- LoRA is low rank of a change. It saves training, not bytes.

**Where this stops being true.** The times are of this machine, one image, one thread,
and of layers that fit into its caches. CP was searched for from one random start. And
one learning rate served all trainings, tuned for none.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A camera runs a network of nine 3×3 convolutions with 128
channels each, in 8 bits, on a processor with fast dense kernels for 3×3 and 1×1. It
must become a third faster, and you can train for a night. Which way do you take the
convolutions apart, how do you choose the ranks, and what would make you give up low
rank?

<details><summary>One answer</summary>

By channel or Tucker-2, since the processor has kernels for 3×3 and 1×1 and may have
none for 3×1. Time one layer at a few ranks first: the rank where time breaks even is
what counts, not the one where MACs do. Choose the ranks at a budget of *time* by
measured losses, train the factors for the night, quantize after that. If even a rank at
a quarter of the channels is no faster than the whole layer, take filters out instead:
the layers become narrower and no call is added.

</details>
"""
