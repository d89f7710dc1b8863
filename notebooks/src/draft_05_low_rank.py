# %% [markdown]
r"""
# Run a layer as two smaller ones

**What you'll do.** Take the layers of four trained networks apart, into factors that
run one after the other, and measure bytes, MACs, microseconds and accuracy of each
file.

**What you'll learn**
- to cut a matrix to a rank, and to say the error before you compute it;
- to find the rank where two factors begin to pay, in bytes, MACs and in time;
- to use inputs or responses instead of weights alone, and why no inverse is needed;
- to take convolutions apart by channels, by height and width, by Tucker and by CP;
- to share one budget out over the layers.

**What you'll need.** Notebook 00: the ledger, paired comparison, a panel. About 80
minutes of yours, one and a half of two cores. Five exercises, 20 points.

**Three beliefs that this notebook tests**
1. "A matrix of low rank is smaller." So says the article that this lab grew out of.
2. "Keep 90 % of the energy, and you keep 90 % of the accuracy."
3. "Half of the multiplications take half of the time."

*Rank* is how many products of a column and a row a matrix is the sum of. *Energy* is
the sum of the squares of its entries.
"""

# %%
import numpy as np
import pandas as pd

from labkit import factorized, latency, rank_choice, zoo
from labkit.checks import Predictions
from labkit.lowrank import svd
from labkit.measure import accuracy, compare
from labkit.plots.base import figure
from labkit.responses import observe

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
data = {name: zoo.dataset(name) for name in zoo.NAMES}
mlp, validation = networks["mlp"], data["mlp"].validation
print(" · ".join(f"{key} {value}" for key, value in latency.machine().items()))

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
one = s[0] * np.outer(u[:, 0], vt[0])
print(s.round(3), one.round(2), sep="\n")
lost = np.square(w - one).sum()
assert np.isclose(lost, np.sum(s[1:] ** 2)) and np.isclose(lost, svd.error(s, 1))

# %% [markdown]
r"""
Note the `vt`: numpy hands out $V^T$ already, its *rows* are the directions. That is the
first of two traps. Twelve numbers became one column, one row and a number: eight.

A picture is a matrix too. Here are digits, each by its first terms alone.
"""

# %%
from labkit.plots.pictures import draw_rows

digits = data["mlp"].validation.images[:6] / 255
ranks = (1, 3, 6, 12)
rows = {"28 terms": digits}
rows |= {f"{k} of 28": [svd.svd(d).matrix(k) for d in digits] for k in ranks}
pictures = {title: np.array(images) for title, images in rows.items()}
draw_rows(figure(6.4, 5.2), pictures)

# %%
for k in ranks:
    errors = [svd.error(svd.spectrum(d), k) / np.square(d).sum() for d in digits]
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
from labkit.plots.lowrank import Curve, curves_text, draw_curves

energies = {layer: svd.energy(svd.spectrum(k)) for layer, k in mlp.kernels.items()}
rank_90 = svd.rank_for_energy(svd.spectrum(mlp.kernels["fc1"]), 0.9)
print(guesses.settle("1. terms for 90 % of fc1's energy", rank_90, 15))
curves = [
    Curve(layer, np.arange(1, len(e) + 1) / len(e), e) for layer, e in energies.items()
]
picture = figure(6.4, 3.2, alt=curves_text(curves, {}))
axes = picture.add_subplot()
draw_curves(axes, curves, {}, "energy kept")
axes.set_xlabel("fraction of the terms")
picture

# %% [markdown]
r"""
Trained layers are not like digits: their energy is spread over many terms. The curves
bend, but no layer has a corner where the rest is nothing.

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
Not a byte and not a multiplication is saved. The product of the factors has the old
shape. What is smaller is the *factors*, as long as nobody multiplies them. So run the
layer as two: $V_k^T$ first, which makes $k$ numbers of $n$, then $U_k$, which makes $m$
of $k$, with the singular values in one of them, or their roots in both. The bias and
the activation belong to the second.
"""

# %%
found = svd.svd(mlp.kernels["fc1"].astype(float))
first, second = svd.factors(found, 50)
low = mlp.replace_layer("fc1", [(first, None), (second, mlp.weights["fc1/bias"])])
print([layer.name for layer in low.layers], f"{len(low):,} bytes, {low.macs:,} MACs")
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

A table of a well-known notebook shows factors of rank 800 and 700 for a layer of
2048×1000, as a compression. Its break-even rank is 671: both are *larger* than the
layer. Ours:
"""

# %%
rows = {}
for layer, kernel in mlp.kernels.items():
    m, n = kernel.shape
    s = svd.spectrum(kernel)
    pays = svd.largest_paying_rank(m, n)
    rows[layer] = m, n, min(m, n), svd.break_even(m, n), svd.energy(s)[pays - 1]
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

panel = rank_panel("mlp", guess=accuracy_guess, share=0.8)
panel

# %% [markdown]
r"""
The diamond is the factorized file. A share of 100 % is the break-even rank of every
layer: beyond it the mark is a cross, for a file that is larger than before. Answer
before you read on.

1. Where does the accuracy break? Is it there that the spectrum falls?
2. Go to 110 %. What do the bars say, and what does the accuracy?
3. Watch the first layer's filters as you go down. What goes first?
4. Choose the ranks by *energy*. What changes at the same MACs?
"""

# %%
half = panel.set(share=0.5)
question = "2. accuracy of mlp with half of its weights"
print(guesses.settle(question, half.accuracy.value, 0.03))
above = panel.set(share=1.1)
assert len(above.low.network) > len(mlp) and above.low.network.macs > mlp.macs
by_energy = panel.set(share=0.5, by="energy")
assert by_energy.low.network.macs <= half.low.network.macs
assert by_energy.accuracy.value > half.accuracy.value

# %% [markdown]
r"""
At the same share for every layer the small last layer lost half of its ten terms, and
with them classes. By energy it keeps more, and the big first layer pays.

### Energy is not accuracy

One layer at a time, the others whole, over the rank:
"""

# %%
split = validation.take(2000)
layer, every = "fc1", np.array([5, 10, 20, 40, 70, 110, 160, 217, 260])
cuts = [factorized.at_ranks(mlp, {layer: int(k)}) for k in every]
right = [accuracy(cut, split) for cut in cuts]
low_end, high_end = zip(*(a.interval for a in right), strict=True)
kept = Curve("energy kept", every, energies[layer][every - 1])
share = Curve("accuracy", every, [a.value for a in right], low_end, high_end)
even = svd.break_even(*mlp.kernels[layer].shape)
marks = {"break-even": even}
picture = figure(6.8, 3.4, alt=curves_text([share, kept], marks))
draw_curves(picture.add_subplot(), [share, kept], marks, "fraction")
picture

# %%
at_half = int(np.abs(energies[layer] - 0.5).argmin()) + 1
middle = accuracy(factorized.at_ranks(mlp, {layer: at_half}), split).value
print(f"rank {at_half}: {energies[layer][at_half - 1]:.0%} of the energy, {middle:.2%}")
assert middle > 0.8

# %%
rows = {}
for name, network in networks.items():
    few, ranks = data[name].validation.take(500), {}
    for each in factorized.layers(network):
        terms = factorized.decomposition(network, each).energies
        ranks[each] = svd.rank_for_energy(np.sqrt(terms), 0.9)
    cut = factorized.at_ranks(network, ranks)
    rows[name] = (
        *(accuracy(n, few).value for n in (network, cut)),
        cut.macs / network.macs,
    )
columns = ["whole", "90 % of the energy", "of the MACs"]
ninety = pd.DataFrame(rows, index=columns).T
assert ninety["90 % of the energy"]["mlp"] > 0.97 > 0.5 > ninety.iloc[:, 1]["resnet8"]
ninety.round(3)

# %% [markdown]
r"""
One layer with half of its energy keeps most of the accuracy. But with nine tenths of
the energy in *every* layer, `mlp` and `lenet5` lose next to nothing, and the ResNets
nearly all. Belief 2 fails in both directions. Energy counts every direction of the
weights alike, also those that no input ever points in, and errors grow from layer to
layer.

### And time is not MACs

The third break-even is one that no formula gives. Time the layer at every rank, in
turns with the whole one:
"""

# %%
timed = {str(k): cut for k, cut in zip(every, cuts, strict=True)}
times = latency.latency({"whole": mlp, **timed})
whole_us = times["whole"].median_us
us = np.array([times[str(k)].median_us for k in every])
slower = every[us > whole_us]
marks = {"break-even (MACs)": even}
if slower.size:
    marks["break-even (time)"] = float(np.interp(whole_us, us, every))
curve = Curve("two layers", every, us)
line = Curve("one layer", every, np.full(len(every), whole_us))
picture = figure(6.8, 3.2, alt=curves_text([curve, line], marks))
draw_curves(picture.add_subplot(), [curve, line], marks, "µs an image")
picture

# %% [markdown]
r"""
Where the curve crosses the line is the rank at which *time* breaks even, on this
machine, for this layer. It lies elsewhere than the formula's: a second layer costs a
call of its own, and a layer that fits into a nearer cache runs faster than its MACs
say. A rank must be timed to be called fast.

### Thousands of rows: the random way

The SVD of an $m \times n$ matrix takes about $mn\min(m,n)$ steps. For a few terms of a
large matrix there is a shorter way: multiply by a few random columns, and what comes
out spans nearly the same as the first terms do (Halko et al. 2011, arXiv:0909.4061,
algorithm 5.1).
"""

# %%
from labkit.lowrank.randomized import randomized_svd

kernel = mlp.kernels["fc1"].astype(float)
best = svd.error(svd.spectrum(kernel), 50)
for powers in (0, 1, 2, 4):
    sketch = randomized_svd(kernel, 50, powers=powers)
    error = np.square(kernel - sketch.matrix(50)).sum()
    print(f"{powers} power iterations: {error / best - 1:.2%} above the least error")
assert error < 1.02 * best

# %% [markdown]
r"""
Each power iteration applies $WW^T$ once more, so that large terms stand out further. A
flat spectrum, such as this one, needs them.

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
x = mlp.activations(validation.images[:2000], "fc1").astype(float)
w, b = mlp.kernels["fc1"].astype(float), mlp.weights["fc1/bias"]

# %%
from labkit.lowrank.data_aware import output_error
from labkit.lowrank.parts import multiplied_back

rows = {}
for method in ("svd", "inputs", "responses"):
    parts = factorized.parts(mlp, "fc1", 40, method, seen[method])
    change = np.square(w - multiplied_back(parts)).sum() / np.square(w).sum()
    cut = factorized.factorize(mlp, {"fc1": parts})
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
w2 = mlp.kernels["fc2"].astype(float)
values, vectors = np.linalg.eigh(moments.covariance)
occurs = values > 1e-9 * values[-1]
scales, vectors = np.sqrt(values[occurs]), vectors[:, occurs]
u, s, vt = np.linalg.svd(w2 @ (vectors * scales), full_matrices=False)
rank = 20
whitened = (u[:, :rank] * s[:rank]) @ vt[:rank] @ (vectors / scales).T
y_moments = moments.through(w2, mlp.weights["fc2/bias"])
u = np.linalg.eigh(y_moments.covariance)[1][:, ::-1][:, :rank]
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

**Predict 3.** How many calibration images does the response form need until more of
them no longer help, at rank 40 of `fc1`?
"""

# %%
guesses.guess("3. images that are enough", None)

# %%
counts = (20, 50, 100, 200, 500, 1000, 2000, 5000)
errors = []
for count in counts:
    few = observe(mlp, calibration[:count], "responses")
    parts = factorized.parts(mlp, "fc1", 40, "responses", few)
    errors.append(output_error(w, parts, b, x))
enough = next(c for c, e in zip(counts, errors, strict=True) if e < 1.1 * errors[-1])
print(guesses.settle("3. images that are enough", enough, 200))
plain = output_error(w, factorized.parts(mlp, "fc1", 40, "svd"), b, x)
print({c: round(e / plain, 3) for c, e in zip(counts, errors, strict=True)})
assert errors[0] > plain > errors[1]

# %% [markdown]
r"""
The figures are errors of the answers on held-out images, as a fraction of plain SVD's.
Twenty images are worse than none: they span twenty directions, and the rank is forty.
Fifty beat plain SVD already. Then each doubling brings less, as the print says.

Is it better where it counts? Over the ranks, both files, the same images, paired:
"""

# %%
rows = {}
for k in (5, 10, 20, 40, 80):
    cuts = {
        method: factorized.at_ranks(mlp, {"fc1": k}, method, seen[method])
        for method in ("svd", "responses")
    }
    scores = {method: accuracy(cut, validation) for method, cut in cuts.items()}
    paired = compare(scores["svd"], scores["responses"])
    rows[k] = *(a.value for a in scores.values()), paired.difference, paired.p_value
columns = ["svd", "responses", "difference", "p"]
by_rank = pd.DataFrame(rows, index=columns).T
assert not ((by_rank["difference"] < 0) & (by_rank["p"] < 0.05)).any()
hurt = by_rank[by_rank["svd"] < 0.98]
assert (hurt["difference"] > 0).all() and (hurt["p"] < 0.05).all()
by_rank.round(4)

# %% [markdown]
r"""
Never significantly worse here, and significantly better wherever plain SVD hurts. A
smaller error of the answers is not a promise, though: which of them the next layer
listens to, neither method asks.

## 4. Convolutions

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
from labkit.lowrank.convolution import spatial

sobel = np.outer([1.0, 2.0, 1.0], [1.0, 0.0, -1.0]).reshape(1, 3, 3, 1)
down, across = spatial(sobel).parts(1)
print(down.kernel.ravel().round(3), across.kernel.ravel().round(3))
assert np.allclose(multiplied_back([down, across]), sobel, atol=1e-6)

# %% [markdown]
r"""
Nine multiplications a pixel became six. A stride and a padding have to be shared out:
down for the column, across for the row.

**Exercise 5** (12 minutes, 4 points). Write `separable(image, down, across)`: the
picture after a $k \times k$ filter `np.outer(down, across)`, computed in two steps, in
the picture's size ("same" padding with zeros). A layer does not turn the filter round.
"""


# %%
def separable(image, down, across):
    raise NotImplementedError


# %%
from labkit.checks import check_separable_convolution

check_separable_convolution(separable)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`k // 2` zeros before and behind, in the direction that the filter runs along, and only
there. Then a sum of k shifted pictures.

</details>
<details><summary>Solution</summary>

```python
def along_rows(image, weights):
    k = len(weights)
    padded = np.pad(image, ((k // 2, k // 2), (0, 0)))
    return sum(x * padded[i : i + len(image)] for i, x in enumerate(weights))


def separable(image, down, across):
    return along_rows(along_rows(image, down).T, across).T
```

</details>

Now the networks. The same share of the weights for each layer, every method, real
files:
"""

# %%
share, rows = 0.6, {}
N = 500
for name in ("lenet5", "resnet8"):
    network, few = networks[name], data[name].validation.take(N)
    pixels = data[name].calibration.images[:100]
    files = {"whole": network}
    for method in factorized.METHODS:
        aware = method in factorized.DATA_AWARE
        observed = observe(network, pixels, method) if aware else None
        ranks = rank_choice.plan(network, method, share, observed=observed)
        files[method] = factorized.at_ranks(network, ranks, method, observed)
    times = latency.latency(files)
    for method, file in files.items():
        right = accuracy(file, few).value
        rows[name, method] = len(file), file.macs, times[method].median_us, right
columns = ["bytes", "MACs", "µs", "accuracy"]
files = pd.DataFrame(rows, index=columns).T
files.astype({"bytes": int, "MACs": int}).round({"µs": 1, "accuracy": 3})

# %%
parting = files.groupby(level=0).apply(
    lambda f: f[["MACs", "µs"]] / f.iloc[0][["MACs", "µs"]]
)
parting.round(2)

# %% [markdown]
r"""
Read the two columns side by side: where they part, belief 3 fails. A thin convolution
does not fill the processor's registers as a full one does, each part writes its result
out and reads it in again, and a depthwise convolution multiplies few numbers for each
one that it loads. MACs are what a paper counts; microseconds are what a user waits.

No file here was trained after it was taken apart, and the accuracies say so. For the
ResNets, low rank begins with the fine-tuning.

## 5. One budget

The same share for every layer was a first guess. Three others spend the same MACs:

- **energy**: the same fraction of the energy from each layer;
- **product**: greedily, the layer that loses the least of its energy for a MAC goes one
  rank down, so that the product of the energies stays large (Zhang et al. 2016);
- **loss**: measure each layer alone at some ranks on validation images, and let the
  search of notebook 01b share out.

**Predict 4.** Which is best for `lenet5` by PCA of responses, at 30 % of the weights'
MACs?
"""

# %%
guesses.guess("4. best choice for lenet5", None)  # "same", "energy", "product", "loss"

# %%
from labkit.rank_sensitivity import rank_losses

lenet5, few = networks["lenet5"], data["lenet5"].validation
observed = observe(lenet5, data["lenet5"].calibration.images[:500])
losses = rank_losses(lenet5, few.take(500), "responses", observed=observed)
unseen = data["lenet5"].validation.take(3000)
rows = {}
for by in rank_choice.BY:
    ranks = rank_choice.plan(
        lenet5, "responses", 0.3, by, observed=observed, loss=losses.layers
    )
    cut = factorized.at_ranks(lenet5, ranks, "responses", observed)
    rows[by] = *map(str, ranks.values()), cut.macs, accuracy(cut, unseen).value
choices = pd.DataFrame(rows, index=[*lenet5.kernels, "MACs", "accuracy"]).T
print(
    guesses.settle(
        "4. best choice for lenet5", choices["accuracy"].astype(float).idxmax()
    )
)
choices

# %%
shared = choices["accuracy"].astype(float)
assert shared.drop("same").min() > shared["same"]

# %% [markdown]
r"""
None of the three ways treats all layers alike, and all beat the one that does. "None"
is a layer that stays whole, since it costs little and loses much.

## 6. With the others

**What is left over.** $W - W_k$ is small, and can be stored cheaply: its largest
entries as a sparse matrix, or all of it in few bits. Here at equal bytes for `fc1`,
against low rank, sparsity and bits alone.
"""

# %%
from labkit.codec import payload_bytes
from labkit.prune import masking
from labkit.quantize import quantize
from labkit.sparse.storage import sparse

kernel = mlp.kernels["fc1"]
budget = kernel.size  # 8 bits a weight


def sparse_of(w, budget_bytes):
    low_end, high_end = 0.0, 1.0
    for _ in range(20):  # the sparsity whose file just fits
        middle = (low_end + high_end) / 2
        cut = np.where(masking.mask(np.abs(w), middle), w, 0).astype(np.float32)
        fits = payload_bytes(sparse(cut, "bitmap")) <= budget_bytes
        low_end, high_end = (low_end, middle) if fits else (middle, high_end)
    return np.where(masking.mask(np.abs(w), high_end), w, 0).astype(np.float32)


def low_of(w, rank):
    return svd.svd(w.astype(float)).matrix(rank).astype(np.float32)


def bytes_of(rank):
    return 4 * rank * sum(kernel.shape)


alone = budget // (4 * sum(kernel.shape))
some = alone // 2
rest = kernel - low_of(kernel, some)
four = quantize(kernel - low_of(kernel, some), 4, "channel")
mixed = {
    "low rank alone": low_of(kernel, alone),
    "sparse alone": sparse_of(kernel, budget),
    "low rank + sparse": low_of(kernel, some)
    + sparse_of(rest, budget - bytes_of(some)),
    "low rank + 4-bit rest": low_of(kernel, some) + four.decode(),
    "8 bits alone": quantize(kernel, 8, "channel").decode(),
}
rows = {}
for title, w_hat in mixed.items():
    cut = mlp.with_weights({"fc1/kernel": w_hat})
    error = np.square(kernel - w_hat).sum() / np.square(kernel).sum()
    rows[title] = error, accuracy(cut, validation).value
pd.DataFrame(rows, index=["error of W", "accuracy"]).T.round(4)

# %%
errors = pd.DataFrame(rows, index=["error", "accuracy"]).T["error"]
assert errors["low rank + sparse"] < errors["low rank alone"]
assert errors["sparse alone"] < errors["low rank alone"]
assert errors["8 bits alone"] < errors.drop("8 bits alone").min()

# %% [markdown]
r"""
The residual helps low rank much, and 8 bits alone beat them all at these bytes. That
answers a question of the article's FAQ, "can low rank replace the others?" It says that
low rank saves computation and not storage. Both factors are stored, so it does save
storage. But at equal bytes it is the weakest of the three on this layer. What it has
and they have not: the saved MACs are real in any runtime, without a kernel for bits or
for zeros. And it goes *with* them: the factors of a layer can be quantized like any.

**Rank after pruning.** Is a pruned matrix of lower rank?
"""

# %%
rows = {}
for sparsity in (0.0, 0.5, 0.9, 0.98):
    cut = np.where(masking.mask(np.abs(kernel), sparsity), kernel, 0)
    s = svd.spectrum(cut)
    rows[sparsity] = np.sum(s > 1e-5 * s[0]), svd.rank_for_energy(s, 0.9)
pd.DataFrame(rows, index=["rank", "terms for 90 %"]).T

# %% [markdown]
r"""
Hardly: zeros strewn over a matrix do not make its rows alike. To prune and then to
factorize fills the zeros again. A pruned *unit* is another thing: a row of zeros takes
one from the rank, and is better taken out whole (notebook 03c).

**A small dense network of the same bytes.** Two layers $V_k^T, U_k$ without an
activation between them, or a layer with fewer units and one? Remove units of `mlp` by
their norm until it has the bytes of the factorized file:
"""

# %%
from labkit.panels.lowrank_choice import low
from labkit.unit_choice import smaller

factored = low("mlp", "responses", 0.5, "product", images=1000).network
fractions = np.arange(0.2, 0.9, 0.05)
made = [smaller("mlp", "taylor", float(f), "global").network for f in fractions]
dense = next(network for network in made if len(network) <= len(factored))
for title, network in (("factorized", factored), ("fewer units", dense)):
    print(f"{title}: {len(network):,} bytes, {accuracy(network, validation).value:.2%}")

# %% [markdown]
r"""
Neither was trained after it was cut, so this compares two ways to start. Notebook 04
trains a small dense network by the large one's answers.

**What LoRA has to do with it.** LoRA (Hu et al. 2021, arXiv:2106.09685) freezes $W$ and
trains a low-rank *change*, $W + BA$. That makes the training small, not the network: in
use either both run, which is more than before, or $BA$ is added to $W$, which is as
before.
"""

# %%
m, n, rank = 300, 784, 8
print(
    f"W {m * n:,}, A and B {rank * (m + n):,}, run together {m * n + rank * (m + n):,}"
)
print(f"multiplied into W: {m * n:,}, as before")

# %% [markdown]
r"""
## Recap

- The error of rank $k$ is the energy that was left out, known before you cut.
- Keep the factors apart. They pay below $mn/(m+n)$, in bytes and MACs. In time,
  measure.
- SVD minimises the error of the weights, PCA of inputs that of $x$, PCA of responses
  that of $y$. The last one is data-aware SVD, and needs no inverse.
- Convolutions can be cut in four ways. Fewer MACs are not in proportion fewer
  microseconds.
- The layers share a budget badly if each gets the same.

**Where this stops being true.** Nothing was trained after the cut; with training the
gaps shrink, and the ResNets become usable. The layers are small: in a large language
model a spectrum may fall steeper, and a matrix too large for the cache gains more from
a cut. And the images that were observed must look like those that will come.
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
both files on the phone: at a rank just below 512 two layers are likely slower than one.

</details>
"""
