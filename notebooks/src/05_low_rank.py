# %% [markdown]
r"""
# Run a layer as two smaller ones

**What you'll do.** Take dense layers apart into two factors that run one after the
other, and measure bytes, MACs, microseconds and accuracy of each file.

**What you'll learn**
- to cut a matrix to a rank, and to say the error before you compute it;
- to find the rank below which two factors pay, in bytes, in MACs and in time;
- to use inputs or responses instead of weights alone, and why no inverse is needed;
- to say what each of these minimises, and that accuracy is none of it.

**What you'll need.** Notebook 00: the ledger, paired comparison, a panel. About 70
minutes of yours, one and a half of two cores. Four exercises, 16 points. Notebook 05b
goes on with convolutions and whole networks.

**Three beliefs that this notebook tests**
1. "A matrix of low rank is smaller." So says the article that this lab grew out of.
2. "Keep 90 % of the energy, and you keep 90 % of the accuracy."
3. "What has the smaller error has the better accuracy."

*Rank* is how many products of a column and a row a matrix is the sum of. *Energy* is
the sum of the squares of its entries.
"""

# %%
import numpy as np
import pandas as pd

from labkit import compress, lowrank, measure, zoo
from labkit.checks import Predictions
from labkit.compress import observe
from labkit.measure import accuracy
from labkit.plots import figure

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
data = {name: zoo.dataset(name) for name in zoo.NAMES}
mlp, validation = networks["mlp"], data["mlp"].validation
print(" · ".join(f"{key} {value}" for key, value in measure.machine().items()))

# %% [markdown]
r"""
## 1. A picture of few terms

Any matrix is a sum of products, each of a column $u_i$, a row $v_i^T$ and a number
$s_i$, the largest number first. That is its singular value decomposition:

$$W = U\,\mathrm{diag}(s)\,V^T = \sum_i s_i\,u_i v_i^T$$

Keep the first $k$ terms, and you have the closest matrix of rank $k$ (Eckart and Young
1936). What is lost is what you left out:

$$\|W - W_k\|_F^2 = \sum_{i>k} s_i^2$$
"""

# %%
w = np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [2.0, 2.0, 2.0], [0.0, 1.0, 1.0]])
u, s, vt = np.linalg.svd(w, full_matrices=False)
print("s:", s.round(3))

# %%
one = s[0] * np.outer(u[:, 0], vt[0])
print(w, one.round(2), sep="\n")
lost = np.square(w - one).sum()
assert np.isclose(lost, np.sum(s[1:] ** 2)) and np.isclose(lost, lowrank.error(s, 1))

# %% [markdown]
r"""
Note the `vt`: numpy hands out $V^T$ already, its *rows* are the directions. That is the
first of two traps. Twelve numbers became one column, one row and a number: eight.

A picture is a matrix too. Here are digits, each by its first terms alone.
"""

# %%
from labkit.plots import draw_rows

digits = data["mlp"].validation.images[:6] / 255
ranks = (1, 3, 6, 12)
rows = {"28 terms": digits}
rows |= {f"{k} of 28": [lowrank.svd(d).matrix(k) for d in digits] for k in ranks}
pictures = {title: np.array(images) for title, images in rows.items()}
draw_rows(figure(6.4, 5.2), pictures)

# %%
for k in ranks:
    errors = [
        lowrank.error(lowrank.spectrum(d), k) / np.square(d).sum() for d in digits
    ]
    print(f"{k:2} terms: {np.mean(errors):.1%} of the energy left out")

# %% [markdown]
r"""
A dozen of 28 terms draw a digit that you could not tell from the whole one. Whether a
*layer* is like that is a question to its singular values.

**Predict 1.** Of the layers `fc1` (300×784), `fc2` (100×300) and `fc3` (10×100) of
`mlp`: how many terms hold 90 % of the energy of `fc1`?
"""

# %%
guesses.guess("1. terms for 90 % of fc1's energy", None)  # 1 to 300

# %%
from labkit.plots import RankCurve, curves_text, draw_rank_curves

energies = {
    layer: lowrank.energy(lowrank.spectrum(k)) for layer, k in mlp.kernels.items()
}
rank_90 = lowrank.rank_for_energy(lowrank.spectrum(mlp.kernels["fc1"]), 0.9)
print(guesses.settle("1. terms for 90 % of fc1's energy", rank_90, 15))
assert rank_90 > 100

# %%
curves, marks = [], {}
for layer, e in energies.items():
    curves.append(RankCurve(layer, np.arange(1, len(e) + 1) / len(e), e))
    marks[f"{layer} pays below"] = lowrank.break_even(*mlp.kernels[layer].shape) / len(
        e
    )
picture = figure(7, 3.4, alt=curves_text(curves, marks))
axes = picture.add_subplot()
draw_rank_curves(axes, curves, marks, "energy kept")
axes.set_xlabel("fraction of the terms")
picture

# %% [markdown]
r"""
Trained layers are not like digits: their energy is spread over many terms, and `fc1`
needs more than a hundred of them for nine tenths of it. The dashed lines are the ranks
where two factors stop paying. Section 2 says why they are there.

**Exercise 1** (8 minutes, 4 points). Write `rank_for_energy(s, kept)`: the smallest
rank that keeps at least the fraction `kept` of the energy.
"""


# %%
def rank_for_energy(s, kept):
    raise NotImplementedError


# %%
from labkit.checks import check_rank_for_energy

check_rank_for_energy(rank_for_energy)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`np.cumsum(s**2)` has the energy of rank 1 at place 0. Divide by the last one, find the
first place that is large enough, and mind that place and rank differ by one.

</details>
<details><summary>Solution</summary>

```python
def rank_for_energy(s, kept):
    shares = np.cumsum(s**2) / np.sum(s**2)
    return int((shares >= kept - 1e-12).argmax()) + 1
```

</details>

## 2. Two factors, and the rank where they pay

The article computes $W_k$, puts it back into the layer, and calls the network
compressed. Here is its code, mended only so far that it runs (it indexes a list by a
string, and drops the bias):
"""


# %%
def article_low_rank(network, layer, rank):
    u, s, vt = np.linalg.svd(network.kernels[layer], full_matrices=False)
    w_k = u[:, :rank] @ np.diag(s[:rank]) @ vt[:rank]
    return network.with_weights({f"{layer}/kernel": w_k})


multiplied = article_low_rank(mlp, "fc1", 50)
print(f"{len(mlp):,} -> {len(multiplied):,} bytes, {multiplied.macs:,} MACs")
assert (len(multiplied), multiplied.macs) == (len(mlp), mlp.macs)

# %% [markdown]
r"""
Not a byte and not a multiplication is saved: belief 1 fails. The product of the factors
has the old shape. What is smaller is the *factors*, as long as nobody multiplies them.
So run the layer as two: $V_k^T$ first, which makes $k$ numbers of $n$, then $U_k$,
which makes $m$ of $k$, with the singular values in one of them, or their roots in both.
The bias and the activation belong to the second.
"""

# %%
found = lowrank.svd(mlp.kernels["fc1"].astype(float))
first, second = lowrank.factors(found, 50)
low = mlp.replace_layer("fc1", [(first, None), (second, mlp.weights["fc1/bias"])])
print([layer.name for layer in low.layers], f"{len(low):,} bytes, {low.macs:,} MACs")

# %%
x = validation.images[:200]
gap = np.abs(low.predict(x) - multiplied.predict(x)).max()
assert gap < 1e-4 * np.abs(multiplied.predict(x)).max()
assert len(low) < len(mlp) / 2.5

# %% [markdown]
r"""
The same logits, to rounding, from less than half of the bytes. The factors take
$k(m+n)$ weights instead of $mn$. They pay below the **break-even rank**

$$k < \frac{mn}{m + n}$$

and not at half of the full rank, nor at any rank. The same formula holds for MACs.

**Exercise 2** (8 minutes, 4 points). Write `low_rank_factors(w, rank)`: the two
factors of the nearest matrix.
"""


# %%
def low_rank_factors(w, rank):
    raise NotImplementedError


# %%
from labkit.checks import check_low_rank_factors

check_low_rank_factors(low_rank_factors)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Rows of `vt`, columns of `u`. The singular values belong in once.

</details>
<details><summary>Solution</summary>

```python
def low_rank_factors(w, rank):
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return vt[:rank], u[:, :rank] * s[:rank]
```

</details>

**Exercise 3** (5 minutes, 4 points). Write `largest_paying_rank(m, n)`: the largest
whole rank at which two factors have *fewer* weights than the matrix.
"""


# %%
def largest_paying_rank(m, n):
    raise NotImplementedError


# %%
from labkit.checks import check_largest_paying_rank

check_largest_paying_rank(largest_paying_rank)

# %% [markdown]
r"""
<details><summary>Hint</summary>

At $mn/(m+n)$ exactly, both have as many. Where that is a whole number, go one below.

</details>
<details><summary>Solution</summary>

```python
def largest_paying_rank(m, n):
    return (m * n - 1) // (m + n)
```

</details>

Where our layers stand:
"""

# %%
rows = {}
for layer, kernel in mlp.kernels.items():
    m, n = kernel.shape
    s = lowrank.spectrum(kernel)
    pays = lowrank.largest_paying_rank(m, n)
    rows[layer] = m, n, min(m, n), lowrank.break_even(m, n), lowrank.energy(s)[pays - 1]
columns = ["out", "in", "full rank", "break-even", "energy just below it"]
table = pd.DataFrame(rows, index=columns).T
assert (table["break-even"] < table["full rank"]).all()
table.round(3)

# %% [markdown]
r"""
**Predict 2.** Give each layer of `mlp` half of its weights, by plain SVD. What accuracy
is left, from 0 to 1? Your guess is drawn into the panel.
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.9
guesses.guess("2. accuracy of mlp with half of its weights", accuracy_guess)

# %%
from labkit.panels import rank_panel

panel = rank_panel("mlp", guess=accuracy_guess, parameter_ratio=0.8)
panel

# %% [markdown]
r"""
The diamond is the factorized file. A ratio of 100 % is the break-even rank of every
layer: beyond it the mark is a cross, for a file that is larger than before. Answer
before you read on.

1. Where does the accuracy break? Is it there that the spectrum falls?
2. Go to 110 %. What do the bars say, and what does the accuracy?
3. Watch the first layer's filters as you go down, red for weights above 0 and blue for
   those below, as in notebook 03. What goes first?
4. Choose the ranks by *energy*. What changes at the same MACs?
"""

# %%
half = panel.set(parameter_ratio=0.5)
value = half.accuracy.value
print(guesses.settle("2. accuracy of mlp with half of its weights", value, 0.03))

# %%
above = panel.set(parameter_ratio=1.1)
assert len(above.low.network) > len(mlp) and above.low.network.macs > mlp.macs
by_energy = panel.set(parameter_ratio=0.5, by="energy")
assert by_energy.low.network.macs <= half.low.network.macs
assert by_energy.accuracy.value > half.accuracy.value

# %% [markdown]
r"""
At the same ratio for every layer the small last layer lost half of its ten terms, and
with them classes. By energy it keeps more, and the big first layer pays.

### Energy is not accuracy

One layer at a time, the others whole, over the rank:
"""

# %%
split = validation.take(2000)
layer, every = "fc1", np.array([5, 10, 20, 40, 70, 110, 160, 217, 260])
cuts = [compress.factorize_network(mlp, {layer: int(k)}) for k in every]

# %%
right = [accuracy(cut, split) for cut in cuts]
low_end, high_end = zip(*(a.interval for a in right), strict=True)
kept = RankCurve("energy kept", every, energies[layer][every - 1])
share = RankCurve("accuracy", every, [a.value for a in right], low_end, high_end)
even = lowrank.break_even(*mlp.kernels[layer].shape)
marks = {"break-even": even}

# %%
picture = figure(6.8, 3.4, alt=curves_text([share, kept], marks))
draw_rank_curves(picture.add_subplot(), [share, kept], marks, "fraction")
picture

# %%
at_half = int(np.abs(energies[layer] - 0.5).argmin()) + 1
middle = accuracy(compress.factorize_network(mlp, {layer: at_half}), split).value
print(f"rank {at_half}: {energies[layer][at_half - 1]:.0%} of the energy, {middle:.2%}")
assert middle > 0.8

# %%
rows = {}
for name, network in networks.items():
    few, ranks = data[name].validation.take(500), {}
    for each in compress.factorizable_layers(network):
        terms = compress.decomposition(network, each).energies
        ranks[each] = lowrank.rank_for_energy(np.sqrt(terms), 0.9)
    cut = compress.factorize_network(network, ranks)
    rows[name] = (
        *(accuracy(n, few).value for n in (network, cut)),
        cut.macs / network.macs,
    )
columns = ["whole", "90 % of the energy", "of the MACs"]
ninety = pd.DataFrame(rows, index=columns).T
left = ninety["90 % of the energy"] / ninety["whole"]
assert left[["mlp", "lenet5"]].min() > 0.97 > 0.5 > left[["resnet8", "resnet20"]].max()
ninety.round(3)

# %% [markdown]
r"""
One layer with half of its energy keeps most of the accuracy. But with nine tenths of
the energy in *every* layer, `mlp` and `lenet5` lose next to nothing, and the ResNets
nearly all. Belief 2 fails in both directions. Energy counts every direction of the
weights alike, also those that no input ever points in, and errors grow from layer to
layer.

### And time is not MACs

There is another break-even that no formula gives. Time `mlp` with `fc1` at every rank,
in turns with the whole one.

**Predict 3.** From which rank of `fc1` on is the file with two layers slower? By MACs
it would be the dashed line above.
"""

# %%
guesses.guess("3. rank where time breaks even", None)  # 1 to 300

# %%
from labkit.compress import measured_break_even

timed = {str(k): cut for k, cut in zip(every, cuts, strict=True)}
times = measure.latency({"whole": mlp, **timed}, runs=60)

# %%
whole_us = times["whole"].median_us
us = np.array([times[str(k)].median_us for k in every])
in_time = measured_break_even(every, us, whole_us) or float(every[-1])
print(guesses.settle("3. rank where time breaks even", round(in_time), 20))

# %%
marks = {"break-even (MACs)": even, "break-even (time)": in_time}
curve = RankCurve("two layers", every, us)
line = RankCurve("one layer", every, np.full(len(every), whole_us))
picture = figure(6.8, 3.2, alt=curves_text([curve, line], marks))
draw_rank_curves(picture.add_subplot(), [curve, line], marks, "µs an image")
picture

# %%
shares = [cut.macs / mlp.macs for cut in cuts], us / whole_us
rows = ["MACs, of the whole", "time, of the whole"]
pd.DataFrame(shares, index=rows, columns=every).round(2)

# %% [markdown]
r"""
Where the curve crosses the line is the rank at which *time* breaks even, on this
machine, for this layer. The formula knows nothing of it: a second layer costs a call of
its own, and how fast a multiplication is depends on the shape and on the cache. Compare
the two rows of the table at each rank. A rank must be timed to be called fast.

### Thousands of rows: the random way

The SVD of an $m \times n$ matrix takes about $mn\min(m,n)$ steps. For a few terms of a
large matrix there is a shorter way: multiply by a few random columns, and what comes
out spans nearly the same as the first terms do (Halko et al. 2011, arXiv:0909.4061,
algorithm 5.1).
"""

# %%
from labkit.lowrank import randomized_svd

kernel = mlp.kernels["fc1"].astype(float)
best = lowrank.error(lowrank.spectrum(kernel), 50)
for powers in (0, 1, 2, 4):
    sketch = randomized_svd(kernel, 50, powers=powers)
    error = np.square(kernel - sketch.matrix(50)).sum()
    print(f"{powers} power iterations: {error / best - 1:.2%} above the least error")
assert error < 1.02 * best

# %% [markdown]
r"""
Each power iteration applies $WW^T$ once more, so that large terms stand out further. A
spectrum that falls slowly, such as this one, needs them.

## 3. PCA, twice

Plain SVD looks at the weights. Two others look at data.

**PCA of the inputs.** Project $x$ on the directions of its largest variance,
$x \approx \bar x + V_k V_k^T (x - \bar x)$. The layer becomes $V_k^T$, then $W V_k$;
the mean goes into the bias: $b + W(I - V_kV_k^T)\bar x$. It minimises the error of
*$x$*.

**PCA of the responses.** Project $y = Wx + b$ on the directions of *its* largest
variance: $U_k^T W$, then $U_k$. It minimises the error of *$y$*, over all layers of
rank $k$.

Three things to keep apart:
"""

# %%
calibration = data["mlp"].calibration.images
seen = {what: observe(mlp, calibration, what) for what in ("inputs", "responses")}
seen["svd"] = None

# %%
x = mlp.activations(validation.images[:2000], "fc1").astype(float)
w, b = mlp.kernels["fc1"].astype(float), mlp.weights["fc1/bias"]

# %%
from labkit.lowrank import output_error, reconstruct_kernel

rows = {}
for method in ("svd", "inputs", "responses"):
    parts = compress.factorize_layer(mlp, "fc1", 40, method, seen[method])
    change = np.square(w - reconstruct_kernel(parts)).sum() / np.square(w).sum()
    cut = compress.factorize(mlp, {"fc1": parts})
    rows[method] = change, output_error(w, parts, b, x), accuracy(cut, split).value
columns = ["error of W", "error of y, held out", "accuracy"]
twice = pd.DataFrame(rows, index=columns).T
assert twice["error of W"].idxmin() == "svd"
assert twice["error of y, held out"].idxmin() == "responses"
twice.round(4)

# %% [markdown]
r"""
Each is best at what it minimises. SVD has the smallest error of the weights and not of
the answers.

The literature calls the second one *data-aware SVD* and writes it with the covariance
$C$ of the inputs: take the SVD of $W C^{1/2}$, truncate, and multiply by $C^{-1/2}$
again. That is the same, for $U_k$ are the eigenvectors of $WCW^T$, which is the
covariance of $y$:

$$W C^{1/2} = U S V^T \;\Rightarrow\; U_k S_k V_k^T C^{-1/2} = U_k U_k^T W$$

But look at $C$ on MNIST:
"""

# %%
moments = seen["inputs"].moments["fc1"]
never = np.sum(np.diag(moments.covariance) == 0)
print(f"{never} of 784 pixels never change")
try:
    np.linalg.inv(moments.covariance)
except np.linalg.LinAlgError as error:
    print("LinAlgError:", error)
assert never > 0

# %% [markdown]
r"""
Corners are always black, so $C$ has rows of zeros and no inverse. Libraries add a
little to the diagonal, and the answer depends on how much. The response form never
inverts: it projects what *came out*. To compare both, use the second layer's inputs,
and only the directions that occur:
"""

# %%
moments = seen["inputs"].moments["fc2"]
values, vectors = np.linalg.eigh(moments.covariance)
occurs = values > 1e-9 * values[-1]
scales, vectors = np.sqrt(values[occurs]), vectors[:, occurs]

# %%
w2, rank = mlp.kernels["fc2"].astype(float), 20
u, s, vt = np.linalg.svd(w2 @ (vectors * scales), full_matrices=False)
whitened = (u[:, :rank] * s[:rank]) @ vt[:rank] @ (vectors / scales).T
y_moments = moments.through(w2, mlp.weights["fc2/bias"])
u = np.linalg.eigh(y_moments.covariance)[1][:, ::-1][:, :rank]

# %%
x2 = mlp.activations(validation.images[:500], "fc2")
difference = np.abs(x2 @ whitened.T - x2 @ (u @ u.T @ w2).T).max()
largest = np.abs(x2 @ w2.T).max()
print(f"largest difference of an answer: {difference:.1e}, of {largest:.1f}")
assert difference < 1e-6 * largest

# %% [markdown]
r"""
Equal to rounding error. **Exercise 4** (12 minutes, 4 points). Write
`data_aware_factors(w, x, rank)`, the factors with the least mean
$\|Wx - W_kx\|^2$ over the rows of `x`. Leave the mean alone. Some columns of `x` may be
0 all over.
"""


# %%
def data_aware_factors(w, x, rank):
    raise NotImplementedError


# %%
from labkit.checks import check_data_aware_factors

check_data_aware_factors(data_aware_factors)

# %% [markdown]
r"""
<details><summary>Hint</summary>

The responses are the columns of `w @ x.T`. Their main directions are the first columns
of its `u`.

</details>
<details><summary>Solution</summary>

```python
def data_aware_factors(w, x, rank):
    u = np.linalg.svd(w @ x.T, full_matrices=False)[0][:, :rank]
    return u.T @ w, u
```

</details>

**Predict 4.** At rank 40 of `fc1`, how many calibration images does the response form
need to come within a tenth of the error that 5,000 of them give?
"""

# %%
guesses.guess("4. images that are enough", None)

# %%
counts = (20, 50, 100, 200, 500, 1000, 2000, 5000)
errors = []
for count in counts:
    few = observe(mlp, calibration[:count], "responses")
    parts = compress.factorize_layer(mlp, "fc1", 40, "responses", few)
    errors.append(output_error(w, parts, b, x))

# %%
enough = next(c for c, e in zip(counts, errors, strict=True) if e < 1.1 * errors[-1])
print(guesses.settle("4. images that are enough", enough, 200))
plain = output_error(w, compress.factorize_layer(mlp, "fc1", 40, "svd"), b, x)
print({c: round(e / plain, 3) for c, e in zip(counts, errors, strict=True)})
assert errors[0] > plain > errors[1]

# %% [markdown]
r"""
The figures are errors of the answers on held-out images, as a fraction of plain SVD's.
Twenty images are worse than none: they span twenty directions, and the rank is forty.
Fifty beat plain SVD already. Then each doubling brings less, as the print says.

## 4. Is it better where it counts?

A smaller error of the answers is what PCA of responses promises. Accuracy is what you
want. The lab measured both, as files: each layer alone at many ranks, then all layers
at the same share of their weights, each beside plain SVD on the same 10,000 test images
(`python -m experiments.lowrank.ranks`).

**Predict 5.** Of these files, at how many does plain SVD have the higher accuracy, so
that the paired test sees it (p < 0.05)?
"""

# %%
guesses.guess("5. files where plain SVD is better", None)

# %%
import json

from labkit.zoo import DATA_FOLDER

run = json.loads((DATA_FOLDER / "results" / "lowrank.json").read_text())
rows = pd.DataFrame(run["rows"])
rows["rank"] = [next(iter(ranks.values())) for ranks in rows["ranks"]]
rows = rows.set_index(["method", "scope", "rank"])
found = {method: rows.loc[method] for method in ("svd", "responses", "inputs")}
plain, aware = found["svd"], found["responses"]

# %%
picture = figure(9.5, 3.4)
for axes, layer in zip(picture.subplots(1, 3), mlp.kernels, strict=True):
    curves = [
        RankCurve(what, *part.loc[layer, "test_accuracy"].reset_index().to_numpy().T)
        for what, part in found.items()
    ]
    marks = {"break-even": lowrank.break_even(*mlp.kernels[layer].shape)}
    draw_rank_curves(axes, curves, marks, f"test accuracy, {layer} cut")
    axes.set_xscale("log")
    picture.alt += curves_text(curves, {}) + ". "
picture

# %%
smaller = aware["output_error"] < plain["output_error"]
sure, gain = aware["test_p_value"] < 0.05, aware["test_difference"]
better, worse = sure & (gain > 0), sure & (gain < 0)
hurt = plain["test_accuracy"] <= run["test_accuracy"] - 0.01
print(f"{len(aware)} files: smaller error in {smaller.sum()}, significantly better in")
print(f"{better.sum()}, worse in {worse.sum()}; plain SVD loses a point or more in")
print(f"{hurt.sum()}, of which the data-aware file is better in {better[hurt].sum()}")
print(guesses.settle("5. files where plain SVD is better", int(worse.sum()), 2))

# %%
both = pd.DataFrame({"svd": plain["test_accuracy"]})
both["responses"] = aware["test_accuracy"]
both["p"] = aware["test_p_value"]
both["error beside SVD's"] = aware["output_error"] / plain["output_error"]
both[worse]

# %%
assert smaller.all() and better[hurt].mean() > 0.9
corrected = worse & (aware["test_p_value"] < 0.05 / len(aware))
assert 0 < corrected.sum() <= worse.sum() < 0.1 * len(aware)
assert plain["test_accuracy"][corrected].max() < 0.5

# %% [markdown]
r"""
In every file the error of the answers is smaller on images that nobody looked at, and
wherever plain SVD hurts, data nearly always help. *Nearly*: the table lists the files
where the smaller error has the lower accuracy, and belief 3 falls with them. In so many
tests a p-value just below 0.05 can be chance. One that stays below after the
correction for their number (Bonferroni: 0.05 divided by the number of files) is not.

Those files keep one or two of the hundred outputs' directions, and both methods are
wrong about most images. The error counts all outputs alike. The next layer does not: it
listens to some directions more than to others, and neither method asks it.
"""

# %%
inputs = found["inputs"]
above = inputs[inputs["output_error"] > plain["output_error"]]
print(f"PCA of inputs: a larger error than plain SVD's in {len(above)} files, of")
print(", ".join(f"{scope} {n}" for scope, n in above.groupby(level=0).size().items()))
assert len(above) > 0

# %% [markdown]
r"""
PCA of inputs promises less. It keeps what is large in $x$, whatever the layer does with
it, and so can be worse than plain SVD even in the error of the answers.

## Recap

- The error of rank $k$ is the energy that was left out, known before you cut.
- Keep the factors apart. They pay below $mn/(m+n)$, in bytes and MACs. In time,
  measure.
- Energy is not accuracy: half of one layer's energy can do, nine tenths of every
  layer's may not.
- SVD minimises the error of the weights, PCA of inputs that of $x$, PCA of responses
  that of $y$. The last one is data-aware SVD, and needs no inverse.
- Fewer images than ranks are worse than none.
- The best error of a layer is no promise of the network's accuracy.

**Where this stops being true.** Nothing was trained after the cut; with training the
gaps shrink. The layers are small: in a large language model a spectrum may fall
steeper, and a matrix too large for the cache gains more from a cut. And the images that
were observed must look like those that will come.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A recurrent network for a phone has a dense layer of 1024×1024
and a runtime that multiplies in float32 only. You have 200 recordings and no time to
train. Which method, which rank at most, and what do you measure before you ship it?

<details><summary>One answer</summary>

PCA of responses, on the recordings' hidden states: 200 recordings of many time steps
are plenty. The rank must be below 512, where two factors weigh what the layer did; the
energy of the responses says where to begin, and the accuracy where to stop. Measure
the error at the *end* of a long recording, since it is fed back at every step, and time
both files on the phone: the rank where time breaks even may lie on either side of 512.

</details>
"""
