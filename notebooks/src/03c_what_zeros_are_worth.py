# %% [markdown]
r"""
# Cash in on zeros, or take the units out

**What you'll do.** Store the same pruned weights in six ways and count bytes, run them
in three ways and count microseconds. Then take whole neurons and filters out of a model
file, so that it *is* smaller.

**What you'll learn**
- to say from which sparsity on a storage pays, by formula and by measurement;
- to say why a runtime does not skip zeros, and what can;
- to remove a unit with everything that depends on it, also across a residual addition;
- to rank units, and to prove that removing equals masking;
- to read a 2:4 mask.

**What you'll need.** Notebook 03: masks, criteria. About 70 minutes of yours, one and a
half of two cores. Three exercises, 12 points.

**Three beliefs that this notebook tests**
1. "A network with 90 % zeros is ten times smaller."
2. "And ten times faster."
3. "Structured pruning builds a smaller network." So does the article that this lab grew
   out of: a fresh one.
"""

# %%
import numpy as np
import pandas as pd

from labkit import compress, prune, zoo
from labkit.checks import Predictions, shown
from labkit.measure import accuracy, machine
from labkit.packed import STORAGES, encode_sparse
from labkit.plots import Curve, Look, draw_curves, figure

guesses = Predictions()
N = 1000  # validation images
networks = {name: zoo.load(name) for name in zoo.NAMES}
validation = {name: zoo.dataset(name).validation for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. Where are the zeros?

A file that leaves zeros out must say where they were. Here are two rows of six weights.
"""

# %%
w = np.zeros((2, 6), np.float32)
w[0, 1], w[0, 4], w[1, 3] = 0.5, -1.25, 2.0
values = w[w != 0]
bitmap = (w != 0).astype(int)
row_ends, columns = np.cumsum(bitmap.sum(axis=1)), np.nonzero(w)[1]
gaps = np.diff(np.flatnonzero(w), prepend=-1) - 1
print("values", values, "in all storages but the dense one")
print("bitmap", bitmap.ravel(), "· CSR row ends", row_ends, "columns", columns)
print("relative index: zeros skipped before each value", gaps)

# %% [markdown]
r"""
- **dense**: all twelve values, 32 bits each, zeros included;
- **bitmap**: one bit for each place, and the values;
- **CSR**, compressed sparse rows: a column for each value, and where each row ends;
- **relative index**: the gap to the next value, in few bits; a longer gap is bridged by
  storing a zero (Deep Compression, Han et al. 2016, arXiv:1510.00149, fig. 2);
- **Rice code**: the same gaps, short ones in fewer bits, near the entropy;
- **deflated**: the dense bytes through zlib.

**Predict 1.** Values have 32 bits. From which sparsity on is a bitmap shorter than the
dense storage? And CSR, with 32 bits a column?
"""

# %%
guesses.guess("1a. bitmap pays from a sparsity of", None)  # 0 to 1
guesses.guess("1b. CSR pays from a sparsity of", None)  # 0 to 1

# %% [markdown]
r"""
**Exercise 1** (5 minutes, 4 points). Write `bitmap_break_even(bits)`: the sparsity from
which a bitmap with values of `bits` bits takes no more than the dense storage.
"""


# %%
def bitmap_break_even(bits):
    raise NotImplementedError


# %%
from labkit.checks import check_bitmap_break_even

check_bitmap_break_even(bitmap_break_even)

# %% [markdown]
r"""
<details><summary>Hint</summary>

With a sparsity $s$, a weight takes $1 + b\,(1 - s)$ bits on average with a bitmap, and
$b$ without. Where are the two equal?

</details>
<details><summary>Solution</summary>

```python
def bitmap_break_even(bits):
    return 1 / bits
```

</details>
"""

# %%
from labkit.packed import break_even

rows = {}
for bits in (32, 8, 4):
    rows[f"{bits}-bit values"] = {
        storage: break_even(storage, bits=bits)
        for storage in ("bitmap", "csr", "relative", "rice")
    }
at = pd.DataFrame(rows).T
print(guesses.settle("1a. bitmap pays from a sparsity of", at["bitmap"].iloc[0], 0.02))
print(guesses.settle("1b. CSR pays from a sparsity of", at["csr"].iloc[0], 0.05))
at.round(3)

# %% [markdown]
r"""
A bitmap pays from $1/b$ on, next to nothing with 32-bit values, a quarter with 4-bit
ones. CSR needs half of the weights to go, and with 4-bit values nearly nine in ten: its
index is then longer than the value. The formulas take zeros at random places. Trained
masks are not random. Here are the real bytes of `fc1` of `mlp`, pruned globally, once
with float values and once with 4-bit codes, as a codebook would have them.
"""

# %%
SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 0.87, 0.92, 0.95, 0.98, 0.99)
mlp = networks["mlp"]
magnitudes = {layer: np.abs(w) for layer, w in mlp.kernels.items()}
masks = {s: prune.masks(magnitudes, s, "global") for s in SPARSITIES}
left = [np.where(masks[s]["fc1"], mlp.kernels["fc1"], 0) for s in SPARSITIES]
zeros = [np.mean(w == 0) for w in left]


# %%
def sizes_of(w):
    """(bits, storage) -> bytes. Codes of 4 bits: -7 to 7, 0 for a removed weight."""
    codes = (np.sign(w) * np.ceil(7 * np.abs(w) / np.abs(w).max())).astype(int)
    tensors = {32: w, 4: codes}
    return {
        (b, s): len(encode_sparse(x, s, b))
        for b, x in tensors.items()
        for s in STORAGES
    }


sizes = pd.concat([pd.Series(sizes_of(w)) for w in left], axis=1, keys=zeros).T
ratio = pd.concat({b: sizes[b].div(sizes[b]["dense"], axis=0) for b in (32, 4)}, axis=1)


# %%
def pays_from(ratio):
    """The x from which on a series stays below 1, between two of its points."""
    x, over = ratio.index, np.flatnonzero(ratio >= 1)
    if not len(over):
        return x[0]
    near = slice(over[-1], over[-1] + 2)
    return float(np.interp(0, 1 - ratio.iloc[near], x[near]))


begins = {key: pays_from(ratio[key]) for key in ratio if key[1] != "dense"}
pd.Series(begins).unstack(0).round(3)

# %%
plots = {}
for bits, name in ratio:
    ring = (begins[bits, name], 100) if name != "dense" else None
    line = Curve(zeros, 100 * ratio[bits, name].to_numpy(), ring=ring)
    plots.setdefault(f"{bits}-bit values", {})[name] = line
words = "sparsity of fc1", "bytes, % of the dense ones"
draw_curves(figure(8.6, 4), plots, Look(*words, yscale="log", one_scale=True))

# %%
for bits, storage in ((32, "bitmap"), (32, "csr"), (4, "bitmap"), (4, "csr")):
    assert abs(begins[bits, storage] - break_even(storage, bits=bits)) < 0.01
last = ratio.iloc[-1]
assert last[32]["bitmap"] > 2 * last[32]["csr"] > 2 * last[32]["rice"]
assert (ratio[4]["csr"] > ratio[4]["relative"]).all() and ratio[4]["deflated"][0] < 0.6
assert 7 < 1 / np.interp(0.9, zeros, ratio[32]["bitmap"]) < 10

# %% [markdown]
r"""
Each ring is a break-even point, where a storage crosses the dense line for good. The
bitmap and CSR cross it where their formulas say. With float values all but CSR pay
nearly from the start, and lie close together until few weights are left. There the
bitmap cannot fall below its one bit a place, and the codes of gaps go on. With 4-bit
codes the index weighs more, and CSR stays above the relative index to the end. Deflate
halves them before a single weight is gone, since small codes are more frequent than
large ones.

And the picture in the mask, its empty border? Scatter the same values over the layer,
and store them again.
"""

# %%
trained, rng = left[-4], np.random.default_rng(0)
mixed = rng.permutation(trained.ravel()).reshape(trained.shape)
share = pd.Series(sizes_of(trained))[32] / pd.Series(sizes_of(mixed))[32]
print(share.round(3).to_dict())
assert share["deflated"] < 0.97 < share["rice"]

# %% [markdown]
r"""
The trained mask takes about as many bytes as the scattered one: the picture is hardly
worth a byte to codes of gaps. Only deflate, which looks for repeats, finds some of it.

Belief 1 is nearly true, for a file of our own: at nine tenths it is seven to ten times
smaller, as places must be said. It is false for a file that a runtime takes as it is,
as next.

## 2. Do zeros run faster?

**Predict 2.** `mlp` through LiteRT, one image, one thread. How many times faster is the
file with 99 % zeros than the float file?
"""

# %%
guesses.guess("2. times faster with 99 % zeros", None)  # a number

# %%
from labkit.measure import latency

files = {
    f"{s:.0%} zeros": compress.apply_masks(mlp, masks[s])
    for s in (0.0, 0.5, 0.92, 0.99)
}
times = latency(files)
for title, found in times.items():
    size = len(files[title].to_bytes())
    print(f"{title:>9}: {found.median_us:6.1f} µs, {size:,} bytes, {mlp.macs:,} MACs")
faster = times["0% zeros"].median_us / times["99% zeros"].median_us
print(guesses.settle("2. times faster with 99 % zeros", faster, 0.3))

# %% [markdown]
r"""
Not at all, as far as a quiet machine can tell; a busy one adds noise to each of the
four. The kernel multiplies eight or sixteen numbers at once, in a loop that never looks
at them. Asking each weight whether it is 0 would take longer than multiplying. Belief 2
fails, here and in most runtimes.

LiteRT's kernels do have a sparse kind (Elsen et al. 2019, arXiv:1911.09723, measured
1.3 to 2.4 times the dense speed on a phone). It serves only $1 \times 1$ convolutions
with more than two thirds of zeros, in float networks that begin with a $3 \times 3$
convolution of stride 2 on three channels. So say XNNPACK's source and its manual. None
of our networks is one of these.

What else can skip zeros? A kernel that walks through CSR pays an index and a jump for
each value. Or a smaller network, whose units are gone. Here are all in one run, in
turns, for the same fraction of the weights of `mlp`: numpy as the dense kernel beside
scipy's CSR, and LiteRT with zeros beside LiteRT with fewer units.
"""

# %%
pixels = zoo.dataset("mlp").test.images[:1]


def forward(kernels):
    """The network by hand: ReLU comes before each layer, pixels are at least 0."""
    h = pixels.reshape(-1).astype(np.float32) / 255
    for layer, w in kernels.items():
        h = w @ np.maximum(h, 0) + mlp.weights[f"{layer}/bias"]
    return h


np.testing.assert_allclose(forward(mlp.kernels), mlp.predict(pixels)[0], atol=1e-4)


# %%
def without_units(share):
    norms = compress.weight_norms(mlp)
    keep = {layer: prune.mask(norms[layer], share) for layer in ("fc1", "fc2")}
    return compress.remove_units(mlp, keep)


# %%
from scipy.sparse import csr_matrix

from labkit.model import Runner

calls, fewer = {}, []
for s in SPARSITIES:
    masked, small = compress.apply_masks(mlp, masks[s]), without_units(s)
    csr = {layer: csr_matrix(w) for layer, w in masked.kernels.items()}
    calls["numpy, zeros", s] = lambda kernels=masked.kernels: forward(kernels)
    calls["scipy CSR", s] = lambda kernels=csr: forward(kernels)
    calls["LiteRT, zeros", s] = Runner(masked.to_bytes(), 1, threads=1).invoke
    calls["LiteRT, fewer units", s] = Runner(small.to_bytes(), 1, threads=1).invoke
    fewer.append(1 - small.macs / mlp.macs)

# %%
import time


def in_turns(calls, rounds=40, repeats=10):
    """Name -> microseconds a call, in its best round: other programs only add."""
    samples = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            samples[name].append((time.perf_counter() - start) / repeats * 1e6)
    return {name: min(found) for name, found in samples.items()}


took = pd.Series(in_turns(calls)).unstack(0)
level = took.median()

# %%
RIVALS = {"scipy CSR": "numpy, zeros", "LiteRT, fewer units": "LiteRT, zeros"}
lines = {name: Curve(SPARSITIES, took[name].to_numpy()) for name in RIVALS.values()}
for name, rival in RIVALS.items():
    removed = fewer if name == "LiteRT, fewer units" else SPARSITIES
    times = pd.Series(took[name].to_numpy(), removed)
    ring = pays_from(times / level[rival]), level[rival]
    lines[name] = Curve(removed, times.to_numpy(), ring=ring)
    print(f"{name} pays from {ring[0]:.0%} of the weights removed, on this machine")

# %%
look = Look("weights removed", "µs, one image", yscale="log")
draw_curves(figure(7.6, 3.6), {"": lines}, look)

# %%
dense, litert = level["numpy, zeros"], level["LiteRT, zeros"]
relations = {
    "CSR without zeros takes twice the dense time": took["scipy CSR"][0.0] > 2 * dense,
    "2 % of the units take less than half of the time":
        took["LiteRT, fewer units"][0.98] < litert / 2,
    "99 % zeros still take a third of the time, or more":
        took["LiteRT, zeros"][0.99] > litert / 3,
}  # fmt: skip
print(shown(relations))

# %% [markdown]
r"""
On a quiet machine the two lines with zeros are flat. CSR begins far above its rival and
crosses it, at the ring, only where many weights are gone. Deep Compression (sec. 6.3)
measured a threefold gain on a processor, one image at a time, for dense layers far
larger than these. Fewer units pay as soon as the saving is larger than the noise, for
it is the same kernel with less to do. That is *structured* pruning.

## 3. Take a unit out

A unit is a neuron, or a filter. It is a row of its own layer's kernel, an entry of the
bias, *and* a column of the layer that reads it.
"""

# %%
rng = np.random.default_rng(1)
w1, b1, w2 = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4))
image = rng.normal(size=3)


def two_layers(w1, b1, w2):
    return w2 @ np.maximum(w1 @ image + b1, 0)


keep = np.array([True, True, False, True])
masked = two_layers(w1 * keep[:, None], b1 * keep, w2)
removed = two_layers(w1[keep], b1[keep], w2[:, keep])
print(masked, removed)
np.testing.assert_allclose(masked, removed)

# %% [markdown]
r"""
Masked and removed compute the same. Forget the bias, and they do not: a unit with
zero weights still says its bias.

**Exercise 2** (10 minutes, 4 points). Write `removed_units(w1, b1, w2, units)`, which
returns the three smaller arrays. `units` lists the numbers of the units that go.
"""


# %%
def removed_units(w1, b1, w2, units):
    raise NotImplementedError


# %%
from labkit.checks import check_removed_units

check_removed_units(removed_units)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`np.delete(w1, units, axis=0)` takes rows out, all at once. Which axis of `w2` do the
units stand on?

</details>
<details><summary>Solution</summary>

```python
def removed_units(w1, b1, w2, units):
    stay = np.setdiff1d(np.arange(len(w1)), units)
    return w1[stay], b1[stay], w2[:, stay]
```

</details>

The article's "structured pruning" creates a smaller network with new random weights,
and goes on with that. What its units had learned is gone:
"""

# %%
half = without_units(0.5)
fresh = {name: rng.normal(0, a.std(), a.shape) for name, a in half.weights.items()}
for title, network in {"fresh": half.with_weights(fresh), "removed": half}.items():
    found = accuracy(network, validation["mlp"], N).value
    print(f"{title:>8}: {found:.1%}, {len(network):,} bytes, {network.macs:,} MACs")
assert found > 0.9

# %% [markdown]
r"""
Equal bytes, equal MACs, and one of them reads digits. Belief 3 mixes up the *shape* of
a network and the network. Whether a fresh one, *trained* as long, would do as well is a
fair question, and section 6's.

**Predict 3.** Which half? Rank the units of `lenet5` by the sum of their weights'
magnitudes and take a quarter of each layer's out. What accuracy is left, from 0 to 1?
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.9
guesses.guess("3. accuracy of lenet5 without a quarter", accuracy_guess)

# %%
from labkit.panels import units_panel

panel = units_panel("lenet5", guess=accuracy_guess, fraction=0.1)
panel

# %% [markdown]
r"""
Every position is a .tflite file that is smaller, drawn to scale at the right: a bar a
layer, as long as it has units. Below the plane are its bytes, MACs and measured time.

1. Go up to 50 %. Which of the three costs falls fastest? Which lags behind?
2. Rank by *random*. How much is the norm worth?
3. Choose *global*. Which layers lose, which stay?
4. Choose `resnet8` at 10 %, and in *Advanced* give the channels their mean and
   deviation back.
"""

# %%
quarter = panel.set(fraction=0.25)
value = quarter.accuracy.value
print(guesses.settle("3. accuracy of lenet5 without a quarter", value, 0.05))
by_chance = panel.set(criterion="random").accuracy.value
print(f"by norm {value:.1%}, by chance {by_chance:.1%}")

# %%
broken = panel.set(network="resnet8", criterion="norm", fraction=0.1).accuracy.value
mended = panel.set(channels="re-estimated").accuracy.value
print(f"resnet8 without a tenth: {broken:.1%}, channels re-estimated {mended:.1%}")
assert mended > broken + 0.2 and by_chance > value

# %% [markdown]
r"""
Units are coarse: without training far fewer of them can go than single weights. And did
you see what chance can do? Of `lenet5` a random quarter costs *less* than the quarter
with the smallest norms. Section 4 looks closer. In the residual network a tenth wrecks
everything, until each channel that is left gets the mean and deviation that it had
(notebook 03b).

### What hangs together

In `resnet20` a block adds its output to its input, channel by channel. So channel 5 of
one layer is channel 5 of all layers that add to it. The lab follows the graph, and
calls the filters that must go together a *channel group*.
"""

# %%
for name, group in compress.channel_groups(networks["resnet20"]).items():
    print(f"{len(group):3} channels, {len(group.layers):2} layers: {name}")

# %% [markdown]
r"""
The first group has ten layers: to narrow that stream by one channel, ten filters go.
The inner layer of a block has a group to itself. Many papers prune only those.

Is a removed unit really the same as a masked one, through additions, pooling and
flattening? Within a ten-thousandth of the largest logit:
"""

# %%
rows = {}
for name, network in networks.items():
    channel_groups = compress.channel_groups(network)
    scored = compress.group_scores(channel_groups, compress.weight_norms(network))
    keep = {k: prune.mask(s, 0.25) for k, s in scored.items()}
    masked = compress.mask_units(network, keep)
    small = compress.remove_units(network, keep)
    images = validation[name].images[:100]
    wanted = masked.predict(images)
    error = np.abs(small.predict(images) - wanted).max() / np.abs(wanted).max()
    took = latency({"masked": masked, "removed": small})
    speed = took["masked"].median_us / took["removed"].median_us
    rows[name] = error, len(masked) / len(small), masked.macs / small.macs, speed
columns = ["largest difference", "bytes, times fewer", "MACs", "µs"]
cost = pd.DataFrame(rows, index=columns).T
assert (cost["largest difference"] < 1e-4).all()
assert (cost[["bytes, times fewer", "MACs"]] > 4 / 3).all().all()
cost.map("{:.2g}".format)

# %% [markdown]
r"""
A quarter of the units of every layer: bytes and MACs fall by more than a quarter, since
a layer shrinks on both of its sides, to three quarters of three quarters. (`mlp` keeps
all its 784 inputs.) The time, this machine's, rarely falls as much as the MACs: a layer
also costs its call, and kernels like widths that are multiples of eight.

**Predict 4.** Instead of filters, whole residual branches can go: the addition hands
its shortcut on. `resnet20` has nine. How many points of accuracy does it lose with the
*least* important one taken out, nothing trained?
"""

# %%
guesses.guess("4. points lost without one branch", None)  # percentage points

# %%
resnet20 = networks["resnet20"]
base = accuracy(resnet20, validation["resnet20"], N).value
blocks = {}
for layer in resnet20.layers:
    if layer.kind == "ADD":
        short = resnet20.remove_branch(layer.name)
        found = accuracy(short, validation["resnet20"], N).value
        blocks[layer.name] = 100 * (base - found), short.macs / resnet20.macs
lost = pd.DataFrame(blocks, index=["points lost", "MACs left"]).T
lost.round(2)

# %%
least = lost["points lost"].min()
print(guesses.settle("4. points lost without one branch", least, 2))
assert lost["points lost"].idxmax() == "stage1_block1_add" and least < 10
assert base - lost["points lost"].max() / 100 < 1 / 3

# %% [markdown]
r"""
Residual networks forgive: a branch adds a correction, and some corrections are small
(Veit et al. 2016, arXiv:1605.06431, removed layers at test time). Not all are: without
its first branch the network falls below one in three.

Who could have said so beforehand? Score a branch by the units of its last layer: sum
their weights' norms, their mean outputs, or the changes of the loss without them, to
first order. The next section has the formulas; the gradients are committed.
"""

# %%
images = zoo.dataset("resnet20").calibration.images[:100]
unit_scores = {
    "norm": compress.weight_norms(resnet20),
    "activation": compress.mean_activations(resnet20, images),
    "taylor": zoo.gradients("resnet20").units,
}
last = [name.replace("add", "conv2") for name in lost.index]
for name, scores in unit_scores.items():
    lost[name] = [np.sum(scores[layer]) for layer in last]
agree = lost.rank().corr()["points lost"][list(unit_scores)]
agree.round(2)

# %%
assert agree["taylor"] > 0.5 and agree["norm"] < 0 and agree.idxmax() == "taylor"

# %% [markdown]
r"""
Spearman's rank correlation with the points lost, over nine branches: 1 would be the
true order, 0 none. Later branches have more filters, so their norms sum up to more, and
they are the ones that can go: the norm has the order nearly upside down. Taylor asks
the loss, whose unit all branches share, and comes nearest.

## 4. Which unit?

A norm looks at a unit's own weights. Its mean output looks at data, as the article
wanted. The Taylor score asks the loss: if the unit went, all its weights would go to 0
at once, and to first order the loss would change by

$$ \Big| \sum_{w\ \text{of the unit}} g\, w \Big| $$

(Molchanov et al. 2019, arXiv:1906.10771). The lab's committed scores take the magnitude
for each image and then the mean (Molchanov et al. 2017, arXiv:1611.06440, eq. 8).

**Exercise 3** (5 minutes, 4 points). Write `taylor_units(kernel, gradient)`, one score
for each unit. The units are on the first axis of the kernel, whatever axes follow.
"""


# %%
def taylor_units(kernel, gradient):
    raise NotImplementedError


# %%
from labkit.checks import check_taylor_units

check_taylor_units(taylor_units)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`reshape(len(kernel), -1)` makes a row of each unit. Sum before you take the magnitude:
within a unit the changes may cancel, since all of them happen.

</details>
<details><summary>Solution</summary>

```python
def taylor_units(kernel, gradient):
    rows = (kernel * gradient).reshape(len(kernel), -1)
    return np.abs(rows.sum(axis=1))
```

</details>

**Predict 5.** Which criterion keeps most of `lenet5` when 40 % of each layer's units
go: `norm`, `activation`, `taylor` or `random`?
"""

# %%
guesses.guess("5. best for lenet5 at 40 %", None)  # one of the four words

# %%
from labkit.compress import UNIT_CRITERIA, prune_units

FRACTIONS, DRAWS = (0.1, 0.2, 0.3, 0.4), {"random": 3}


def sweep(name):
    """(network, criterion, fraction) -> accuracies, one for each draw."""
    found = {}
    for criterion in UNIT_CRITERIA:
        for f in FRACTIONS:
            for seed in range(DRAWS.get(criterion, 1)):
                choice = {"repaired": name == "resnet8", "seed": seed}
                file = prune_units(name, criterion, f, **choice).network
                value = accuracy(file, validation[name], N // 2).value
                found.setdefault((name, criterion, f), []).append(value)
    return found


curves = sweep("mlp") | sweep("lenet5")

# %%
curves |= sweep("resnet8")

# %%
plots, whole = {}, {}
for name in ("mlp", "lenet5", "resnet8"):
    title = f"{name}, re-estimated" if name == "resnet8" else name
    plots[title] = {}
    whole[title] = accuracy(networks[name], validation[name], N // 2).value
    for criterion in UNIT_CRITERIA:
        found = [curves[name, criterion, f] for f in FRACTIONS]
        mean, low, high = (list(map(f, found)) for f in (np.mean, min, max))
        gone = [100 * f for f in FRACTIONS]
        plots[title][criterion] = Curve(gone, mean, low, high)
look = Look("units removed, %", "accuracy", percent=True, whole=True, columns=3)
draw_curves(figure(8.6, 3), plots, look, whole)

# %%
at = pd.Series({key: np.mean(found) for key, found in curves.items()}).unstack(1)
print(guesses.settle("5. best for lenet5 at 40 %", at.loc["lenet5", 0.4].idxmax()))
print(at.loc["lenet5", 0.4].round(3).to_dict())

# %%
draws = curves["lenet5", "random", 0.4]
assert at["taylor"]["lenet5", 0.4] > max(draws)
assert max(at[c]["lenet5", 0.4] for c in ("norm", "activation")) < min(draws)
assert abs(at["random"] - at["norm"])["mlp", 0.3] < 0.02
assert at.loc["mlp", 0.4].idxmin() == at.loc["mlp", 0.3].idxmin() == "taylor"

# %%
lead = at["norm"] - at["random"]
assert lead["resnet8", 0.1] > 0 > lead["resnet8", 0.2]

# %% [markdown]
r"""
The band around random is the range of three draws. On `lenet5` Taylor stands above all
of them at the end, and norm and mean activation *below* all of them. On `mlp` chance is
as good as the norm, and Taylor is the worst. In `resnet8` the norm beats chance at a
tenth and falls behind it at a fifth. Why? A norm is high where many inputs are served a
little; it doesn't say whether another unit serves them as well. Random units are at
least spread evenly. Mittal et al. 2018 (arXiv:1801.10447) removed filters of large
networks at random, trained on, and came out as well as with the best criteria. So no
claim for a criterion without the random line.

## 5. Two of four

Between single weights and whole units lies a pattern that hardware can skip. With
**2:4** masks two of every four neighbouring weights stay, so each output loses just
half of its inputs, and 2 bits say where each one stood (Mishra et al. 2021,
arXiv:2104.08378). What does the pattern cost, against half of the weights chosen
freely?
"""

# %%
from labkit.prune import n_of_m

rows = {}
for name, network in networks.items():
    sizes = {k: np.abs(w) for k, w in network.kernels.items() if w.shape[-1] % 4 == 0}
    options = {
        "2:4": {k: n_of_m(s) for k, s in sizes.items()},
        "half of each output": prune.masks(sizes, 0.5, "output"),
        "half of each layer": prune.masks(sizes, 0.5, "layer"),
    }
    found = {"float32": accuracy(network, validation[name], N).value}
    for title, kept in options.items():
        file = compress.apply_masks(network, kept)
        found[title] = accuracy(file, validation[name], N).value
    rows[name] = found
patterns = pd.DataFrame(rows).T
patterns

# %%
assert (patterns["2:4"] <= patterns["half of each output"] + 0.005).all()
kept = n_of_m(np.abs(mlp.kernels["fc1"]))
assert (kept.reshape(-1, 4).sum(axis=1) == 2).all()
print({f"{b}-bit values": f"{(b + 2) / 2:g} bits a weight" for b in (32, 8, 4)})

# %% [markdown]
r"""
The pattern has a price beside the free choice of half of each output's weights, small
on the digits and large on the photographs, as long as nothing is trained afterwards. In
exchange the index shrinks to 2 bits a value, and some GPUs multiply such layers twice
as fast. No kernel on this machine does, so no latency is shown. Layers whose inputs are
no multiple of four stay dense here.

## 6. Pruned or simply smaller?

Why train a large network and prune it? Train a small one from the start. Liu et al.
2019 (arXiv:1810.05270) asked this of many published methods, and found that for removed
*units* the small network, trained as long, does as well or better. The lab asked it of
`mlp`'s shape, over seeds. Three networks at a time, all with the same number of steps
on the same images, and files of the same size:

- **pruned**: trained, pruned by magnitude while it trains on, and packed without zeros;
- **neurons removed**: the same trained network, cut to the next one's shape by weight
  norm, and trained on;
- **small**: as wide as fits in the bytes of the pruned one, trained from the start.

**Predict 6.** The pruned network has 92 % zeros. How many points of test accuracy does
it have more than the small one? (Below 0: fewer.)
"""

# %%
guesses.guess("6. points, pruned over small", None)  # percentage points

# %%
import json

from labkit.zoo import DATA_FOLDER

run = json.loads((DATA_FOLDER / "results" / "smaller.json").read_text())
rows = pd.DataFrame(run["rows"]).assign(points=lambda rows: 100 * rows["accuracy"])
begun = rows[rows["kind"] == "dense"]["points"]

# %%
trios = rows[rows["kind"] != "dense"].groupby(["kind", "sparsity"])
columns = ["size_bytes", "parameters", "macs", "points"]
trios[columns].mean().unstack("kind").T.round(2)

# %%
lines = {}
for kind in ("pruned", "neurons removed", "small"):
    found = trios["points"].agg(["mean", "min", "max"]).loc[kind].to_numpy().T
    lines[kind] = Curve(trios["size_bytes"].mean()[kind].to_numpy() / 1000, *found)
ticks = [round(x) for x in lines["pruned"].x]
words = "kB of the file", "test accuracy, %"
look = Look(*words, xscale="log", xticks=ticks)
draw_curves(figure(7.5, 3.2), {"": lines}, look, {"": begun.mean()})

# %% [markdown]
r"""
Bands are the range of the seeds. The dotted line is the mean of the dense networks
before they were pruned, after half of the steps. Each seed has all three networks, so
that differences can be paired. The interval is Student's, for their mean.
"""

# %%
from labkit.measure import mean_over_seeds

paired = rows.pivot(index=["sparsity", "seed"], columns="kind", values="points")
paired = paired.drop(columns="dense").dropna()
for sparsity, part in paired.groupby(level="sparsity"):
    for kind in ("pruned", "neurons removed"):
        found = mean_over_seeds(part[kind] - part["small"])
        against = f"{sparsity:.1%} zeros: {kind} against small"
        print(f"{against} {found:+.2f} points: {found.says()}")

# %%
won = (paired["pruned"] - paired["small"]).loc[0.92].mean()
print(guesses.settle("6. points, pruned over small", won, 0.2))
sizes = rows.pivot(index=["sparsity", "seed"], columns="kind", values="size_bytes")
assert (sizes["small"] / sizes["pruned"]).dropna().between(0.9, 1).all()
assert rows[rows["kind"] != "dense"]["steps"].nunique() == 1

# %% [markdown]
r"""
*better* and *worse* are said where the seeds decide, and no more. Mind what is equal
and what is not. Bytes and steps are. The small network also takes fewer MACs and runs
on any dense kernel, where the pruned one must be unpacked first and runs at the dense
speed. One learning rate served all and was tuned for none.

## Recap

- Zeros must be said where they are. A bitmap pays from $1/b$, CSR with 32-bit values
  from a half; codes of gaps go on where a bitmap stops.
- A dense kernel runs zeros at the dense speed. CSR pays only where most is zero, fewer
  units much earlier.
- A unit leaves with its row, its bias and the columns that read it, and in a residual
  network with all units of its channel. Then masking and removing agree.
- Bytes and MACs fall with both sides of a layer, the time less.
- The more regular a mask, the more accuracy it costs and the more it is worth.
- Chance is a criterion, too, and hard to beat for units: always draw its line.
- A pruned network has a rival of equal bytes: the small one, trained as long.

**Where this stops being true.** The times are of this machine, one image, one thread,
and small layers that stay in the cache. On large ones memory decides, and CSR can pay
earlier. Nothing was trained here: after fine-tuning far more units can go.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A doorbell camera has flash for a fifth of your network, a small
processor with dense 8-bit kernels, and must answer within a twentieth of a second. Your
network fits neither. You may remove 85 % of the weights one by one, or 40 % of the
filters, with equal accuracy after training. Which do you ship, and how do you store it?

<details><summary>One answer</summary>

The filters, for the time: the dense kernels run 85 % zeros as slowly as none, and only
fewer filters mean fewer MACs: with 40 % gone on both sides of a layer about a third of
them is left. If the file is still too large, store its 8-bit weights deflated and
unpack them at the start, if the memory has room. Were only the flash short and the time
fine, the 85 % in Rice code would be the better choice.

</details>
"""
