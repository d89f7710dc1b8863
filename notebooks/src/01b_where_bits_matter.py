# %% [markdown]
r"""
# Put the bits where they matter

**What you'll do.** Spend the same bytes better: on other levels, on repairs that need
no training, and on the layers that need them most.

**What you'll learn**
- to choose levels that are not evenly spaced, and to count what they cost in the file;
- to train a codebook: one gradient for each centroid;
- to repair a rounded network without labels, in its biases, scales or codes;
- to measure which layers need their bits;
- to share out a budget of bytes, greedily and exactly, and to say when the sum lies.

**What you'll need.** Notebook 01: scales, granularity, SQNR, the cliff. About 75
minutes of yours, a minute and a half of two cores. Two exercises, 12 points.

**Three beliefs that this notebook tests**
1. "A codebook is so small that its bytes can be ignored."
2. "The best rounded weights are those nearest to the trained ones."
3. "All layers of a network should have the same number of bits."

Every choice below is made on *validation* images, 1,000 of them where it is quick. The
repairs look at *calibration* images, without their labels. Test images come last.
"""

# %%
import numpy as np
import pandas as pd

from labkit import quantize as lab
from labkit import zoo
from labkit.checks import Predictions
from labkit.measure import accuracy, compare, machine
from labkit.plots import Curve, Look, draw_curves, figure

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
data = {name: zoo.dataset(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %%
N = 1000
validation = {name: data[name].validation.take(N) for name in zoo.NAMES}
base = {name: accuracy(networks[name], validation[name]) for name in zoo.NAMES}
print({name: result.value for name, result in base.items()})

# %% [markdown]
r"""
## 1. Granularity at equal bytes

Notebook 01 ended with a warning: a scale is 32 bits, so "4-bit blocks of 32" cost 5
bits a weight. With $g$ weights to a scale,

$$ \text{bits a weight} = b + 32 / g. $$

So compare granularities at equal *bytes*: put what all costs on the $x$ axis, and look
which line is on top. A block may also have 64 weights.
"""

# %%
from labkit.packed import payload_bytes

fc1 = networks["mlp"].kernels["fc1"]
largest = max(networks["resnet8"].kernels.values(), key=np.size)


def cost_and_quality(w, granularity, block=32):
    made = [lab.quantize(w, bits, granularity, block=block) for bits in range(2, 9)]
    bits_a_weight = [8 * payload_bytes(q) / w.size for q in made]
    return Curve(bits_a_weight, [lab.sqnr_db(w, q.decode()) for q in made])


# %%
finer = {"tensor": {}, "channel": {}, "block of 64": {"block": 64}, "block of 32": {}}
plots = {
    title: {n: cost_and_quality(w, n.split()[0], **more) for n, more in finer.items()}
    for title, w in (("fc1 of mlp", fc1), ("largest of resnet8", largest))
}
look = Look("bits a weight, all counted", "SQNR, dB", whole=True)
draw_curves(figure(8.5, 3.4), plots, look)

# %%
at_4 = {
    title: {name: np.interp(4, curve.x, curve.y) for name, curve in lines.items()}
    for title, lines in plots.items()
}
dense, conv = at_4.values()
assert max(dense, key=dense.get) == "block of 64"
assert max(conv, key=conv.get) == "channel"
pd.DataFrame(at_4).round(2)

# %% [markdown]
r"""
Read both plots along a vertical line, for instance at 4 bits a weight (the table). One
scale a tensor is always beaten. Blocks of 32 never win: their scales eat what their
fineness gains. Between channels and blocks of 64 the *layer* decides. In `fc1` pixels
of the margin have smaller weights than those of the middle, so a channel is uneven
inside; the convolution's channels are less so. "Finer is better" holds at equal bits
and fails at equal bytes.

## 2. Levels that are not evenly spaced

A code need not be *multiplied* by the scale. It can look a level up:

$$ \hat w = S \cdot \ell[q], \qquad q = \arg\min_k |w / S - \ell[k]|. $$

On the uniform grid $\ell[q] = q$. Others put their levels elsewhere: powers of two
(products become shifts; Zhou et al. 2017, arXiv:1702.03044), the centroids of k-means
(Han et al. 2016, arXiv:1510.00149), only $-1, 0, 1$ (Li et al. 2016, arXiv:1605.04711)
or only $-1, 1$ (Rastegari et al. 2016, arXiv:1603.05279).

Floats are grids too: evenly spaced between two powers of two, and twice as wide above
each. `float4_e2m1` has 2 bits of exponent and 1 of fraction; `float8_e4m3` and
`float8_e5m2` (Micikevicius et al. 2022, arXiv:2209.05433) share 7 bits differently. The
twelve numbers of notebook 01 on eight grids, as they are stored:
"""

# %%
from labkit.plots import draw_number_lines
from labkit.quantize import quantize_to_levels


def on_grid(w, kind, bits, granularity="tensor"):
    if kind == "uniform":
        return lab.quantize(w, bits, granularity)
    return quantize_to_levels(w, kind, bits, granularity)


x = np.array([-0.95, -0.6, -0.38, -0.22, -0.1, 0, 0.06, 0.17, 0.29, 0.44, 0.71, 1.15])
kinds = [("uniform", 3), ("power_of_two", 3), ("kmeans", 3), ("ternary", 2)]
kinds += [("binary", 1), ("float4_e2m1", 4), ("float8_e4m3", 8), ("float8_e5m2", 8)]
coded = {f"{kind}, {bits} bits": on_grid(x, kind, bits) for kind, bits in kinds}

# %%
rms = {title: np.sqrt(np.mean((x - q.decode()) ** 2)) for title, q in coded.items()}
assert min(list(rms)[:5], key=rms.get) == "kmeans, 3 bits"
draw_number_lines(figure(8, 8.4), x, {title: q.grid() for title, q in coded.items()})

# %% [markdown]
r"""
Powers of two crowd around 0 and leave wide gaps outside. K-means goes where the numbers
are, and has the smallest error of the first five. Ternary keeps a level at 0, binary
has none: even the number 0 must become plus or minus the mean magnitude. The 8-bit
floats pile most levels up at 0, where the ticks flow together: a float errs in
proportion to the number, an integer by the same amount everywhere. So floats suit
tensors whose magnitudes spread widely. Are weights such tensors?

**Predict 1.** `fc1` of `mlp`, one scale a channel, on powers of two. How many decibels
of SQNR do 8 bits gain over 4 bits?
"""

# %%
guesses.guess("1. dB that powers of two gain from 4 to 8 bits", None)  # such as 24

# %%
kinds = [(kind, 4) for kind in ("uniform", "power_of_two", "kmeans", "float4_e2m1")]
kinds += [(k, 8) for k in ("uniform", "power_of_two", "float8_e4m3", "float8_e5m2")]
quality = {
    (bits, kind): lab.sqnr_db(fc1, on_grid(fc1, kind, bits, "channel").decode())
    for kind, bits in kinds
}
gain = quality[8, "power_of_two"] - quality[4, "power_of_two"]
print(guesses.settle("1. dB that powers of two gain from 4 to 8 bits", gain, 0.5))
assert gain < 0.1
assert quality[4, "kmeans"] > quality[4, "float4_e2m1"] > quality[4, "uniform"]
assert quality[8, "uniform"] > quality[8, "float8_e4m3"] > quality[8, "float8_e5m2"]
pd.Series(quality, name="SQNR of fc1, dB").round(2)

# %% [markdown]
r"""
Nothing. All the new levels of a power-of-two grid are still smaller fractions near 0,
and its error is made at the large weights, where a gap stays a gap. With 4 bits,
k-means has the least noise, and `float4` less than the even grid: its levels are denser
where most weights are. With 8 bits it is the other way round: weights within a channel
don't span enough magnitudes to need a float.

### The file, and the accuracy

Now whole networks, one scale a layer. A codebook also lies in the file: $2^b$ centroids
of 32 bits for each layer.

**Predict 2.** `resnet8` with 8-bit codebooks: by how many per cent is its file larger
than with 8-bit even steps?
"""

# %%
guesses.guess("2. per cent that 8-bit codebooks add to the file", None)  # such as 1

# %%
from labkit.compress import quantize_network
from labkit.plots import File, draw_files

short = {"power_of_two": "pow2", "kmeans": "k-means", "float4_e2m1": "float4"}
short |= {"float8_e4m3": "e4m3", "float8_e5m2": "e5m2"}
tried = [("binary", 1), ("kmeans", 1), ("uniform", 2), ("ternary", 2), ("kmeans", 2)]
tried += [(kind, 3) for kind in ("uniform", "power_of_two", "kmeans")]
tried += [*kinds, ("kmeans", 8)]
tried.remove(("power_of_two", 8))
results = {}
for name in ("mlp", "resnet8"):
    for kind, bits in tried:
        made = quantize_network(networks[name], bits, grid=kind)
        results[name, kind, bits] = made, accuracy(made.network, validation[name])

# %%
files = {name: [] for name in ("mlp", "resnet8")}
for (name, kind, bits), (made, result) in results.items():
    title = f"{short.get(kind, kind)} {bits}"
    files[name].append(File(title, made.size_bytes, result.value))
draw_files(figure(8.6, 6.6), files, {name: base[name].value for name in files})

# %%
even, evenly_right = results["resnet8", "uniform", 8]
book, book_right = results["resnet8", "kmeans", 8]
more = 100 * (book.size_bytes / even.size_bytes - 1)
print(guesses.settle("2. per cent that 8-bit codebooks add to the file", more, 3))
assert more > 10 and compare(evenly_right, book_right).p_value > 0.05
conv1 = book.quantized["conv1"]
assert 8 * payload_bytes(conv1) / conv1.q.size > 16
at = {key: result.value for key, (_, result) in results.items()}
assert at["resnet8", "kmeans", 4] > at["resnet8", "float4_e2m1", 4]
assert at["resnet8", "float4_e2m1", 4] > at["resnet8", "uniform", 4] + 0.1
assert at["mlp", "ternary", 2] > at["mlp", "uniform", 2] + 0.5
assert at["resnet8", "float8_e5m2", 8] < at["resnet8", "uniform", 8] - 0.02

# %% [markdown]
r"""
Look at one column of names after the other. With 4 bits on `resnet8` the choice of
levels decides everything: k-means first, `float4` next, the even grid far below. With
8 bits the choice hardly matters, but for `e5m2`: its 2 bits of fraction are too coarse
for `resnet8`. `uniform 2` and `ternary` of `mlp` have the *same* levels, $-S, 0, S$, in
files of the same size but for the name of the grid; only the scale differs: the largest
weight here, the least squares there.

And belief 1 fails: the 8-bit codebooks make the file of `resnet8` more than a tenth
larger, for no accuracy that the paired test could see. A well-known lab course leaves
them out ("storage for codebooks is ignored", MIT 6.5940, lab 2). The cost a weight is
$b + 32 \cdot 2^b / n$ for a layer of $n$ weights: nothing to speak of where $n$ is
large. In the first layer of `resnet8` an 8-bit codebook costs more than 16-bit floats
would, as an assert says. A codebook belongs to large layers and few bits.

### Train the centroids

K-means puts centroids where the *weights* are. What counts is what the layer computes.
Its codes can stay and its levels can learn: $\hat w_i = \ell[q_i]$, so by the chain
rule the gradient of a centroid is the sum over its members (Han et al. 2016, eq. 3):

$$ \frac{\partial L}{\partial \ell_k} =
   \sum_{i:\, q_i = k} \frac{\partial L}{\partial \hat w_i}. $$

By hand, with eight weights on four centroids:
"""

# %%
from labkit.quantize import level_gradient, with_levels

eight = np.array([-0.9, -0.8, -0.2, 0.1, 0.2, 0.3, 0.9, 1.1])
coded = quantize_to_levels(eight, "kmeans", 2)
gradient = np.array([0.5, 0.25, -1.0, 1.0, 0.5, 0.5, -2.0, 1.0])
table = pd.DataFrame({"w": eight, "q": coded.q, "gradient": gradient})
sums = table.groupby("q")["gradient"].sum()
np.testing.assert_allclose(sums, level_gradient(coded, gradient))
print(f"levels {coded.levels}, their gradients {sums.tolist()}")
table.T

# %% [markdown]
r"""
**Exercise 1** (10 minutes, 4 points). Write `centroid_gradients(q, gradient, count)`.
`q` holds codes from 0 to `count - 1`, `gradient` floats; both have the same shape, any
one. Return an array of `count` sums, with 0 for a centroid without members.
"""


# %%
def centroid_gradients(q, gradient, count):
    raise NotImplementedError


# %%
from labkit.checks import check_centroid_gradients

check_centroid_gradients(centroid_gradients)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`g[q] += gradient` adds only once where an index repeats. `np.bincount` takes `weights`
and a `minlength`, and wants flat arrays.

</details>
<details><summary>Solution</summary>

```python
def centroid_gradients(q, gradient, count):
    return np.bincount(q.ravel(), weights=gradient.ravel(), minlength=count)
```

</details>

Now a loss that needs no labels: let layer by layer compute what it computed before. For
inputs $x$ of some calibration images, $L = \|x (\hat w - w)^\top\|^2 / 2$, with the
gradient $(\hat w - w)\, x^\top x$. It is a parabola in the levels, so each step can go
to the lowest point along the gradient.
"""


# %%
def train_levels(coded, w, x, steps=15):
    h = x.T @ x
    for _ in range(steps):
        gradient = level_gradient(coded, (coded.decode() - w) @ h)
        along = with_levels(coded, gradient).decode()
        step = gradient @ gradient / np.sum(along @ h * along)
        coded = with_levels(coded, coded.levels - step * gradient)
    return coded


# %%
mlp, calibration = networks["mlp"], data["mlp"].calibration.images[:500]
start = quantize_network(mlp, 2, "channel", grid="kmeans")
now, errors = start.network, {}
for layer, coded in start.quantized.items():
    w = mlp.kernels[layer]
    inputs = now.activations(calibration, layer).reshape(len(calibration), -1)
    trained = train_levels(coded, w, inputs).decode()
    now = now.with_weights({f"{layer}/kernel": trained})
    for name, w_hat in (("k-means", coded.decode()), ("trained", trained)):
        wrong = w_hat - w
        errors[layer, name] = np.linalg.norm(inputs @ wrong.T), np.linalg.norm(wrong)

# %%
before, after = (accuracy(n, validation["mlp"]) for n in (start.network, now))
paired = compare(before, after)
print(f"{before.value:.3f} -> {after.value:.3f}, p = {paired.p_value:.2g}")
table = pd.DataFrame(errors, index=["error of outputs", "error of weights"]).T
table.round(2)

# %%
ratio = table.xs("trained", level=1) / table.xs("k-means", level=1)
assert (ratio["error of outputs"] < 1).all() and (ratio["error of weights"] > 1).all()
assert paired.newly_right > paired.newly_wrong

# %% [markdown]
r"""
Compare two rows of a layer: the error of the *outputs* falls, that of the *weights*
rises. K-means looks for the four levels with the smallest weight error, and that was
not what the network needed. Belief 2 begins to shake. The codes, and so the bytes, have
stayed.

## 3. Repair without training

Where does `resnet8` stand at 3 bits, one scale a channel, least-squares range?

**Predict 3.** What accuracy is left, on validation images? And what will it be after
only biases and scales were set right, no weight's code touched?
"""

# %%
guesses.guess("3a. resnet8 at 3 bits", None)  # from 0 to 1
guesses.guess("3b. after the repair", None)  # from 0 to 1

# %%
resnet8, images = networks["resnet8"], data["resnet8"].calibration.images[:200]
rounded = quantize_network(resnet8, 3, "channel", "least_squares")
plain = accuracy(rounded.network, validation["resnet8"])
print(guesses.settle("3a. resnet8 at 3 bits", plain.value, 0.1))

# %% [markdown]
r"""
### Means and deviations

Rounding makes an error $e = \hat w - w$ that is the same for all images. Inputs behind
a ReLU are not negative, so a neuron's output is off by $e \cdot x$, and on average not
by 0 but by $e \cdot \mathrm E[x]$: a constant, which a bias can take away. That is
*bias correction* (Nagel et al. 2019, arXiv:1906.04721, sec. 4.2). Measure it for one
layer: mean output on calibration images, rounded minus float.
"""

# %%
from labkit.compress import channel_statistics, correct_biases

corrected = correct_biases(resnet8, rounded, images)
layer = "stage2_block1_conv1"
right = channel_statistics(resnet8, images, layer)
found = {
    name: channel_statistics(network, images, layer)
    for name, network in (
        ("rounded", rounded.network),
        ("corrected", corrected.network),
    )
}
shifts = {n: (s.mean - right.mean) / right.deviation for n, s in found.items()}
largest = {name: np.abs(values).max() for name, values in shifts.items()}
assert largest["corrected"] < 0.01 < 0.5 < largest["rounded"]

# %%
curves = {name: Curve(range(len(y)), y) for name, y in shifts.items()}
look = Look("output channel", "mean error / deviation", whole=True)
draw_curves(figure(7.5, 3), {"": curves}, look)

# %% [markdown]
r"""
The means of the rounded layer are off by large parts of a deviation; corrected, they
lie on 0. *Batch-norm re-estimation* goes one step further and restores the deviation
too. In a .tflite file batch norm is folded away, but its work can be redone on any
layer (here $m, d$ are a channel's mean and deviation before the activation, with a hat
in the rounded network):

$$ y = g\,(\hat w x + \hat b - \hat m) + m, \qquad g = d / \hat d. $$

The gain $g$ goes into the channel's scale, the rest into its bias: no code changes, no
byte is added. The core, written out for the first layer, against `labkit`:
"""

# %%
from labkit.compress import reestimate_batch_norm

normed = reestimate_batch_norm(resnet8, rounded, images)
want, got = (channel_statistics(n, images, "conv1") for n in (resnet8, rounded.network))
g = want.deviation / got.deviation
bias = g * (rounded.network.weights["conv1/bias"] - got.mean) + want.mean
np.testing.assert_allclose(normed.network.weights["conv1/bias"], bias, atol=1e-5)
scale = rounded.quantized["conv1"].scale * g
np.testing.assert_allclose(normed.quantized["conv1"].scale, scale, rtol=1e-5)
assert normed.size_bytes == rounded.size_bytes

# %% [markdown]
r"""
### Ranges

ReLU lets a positive factor through: $\mathrm{relu}(s x) = s\,\mathrm{relu}(x)$. So
channel $i$ of one layer may be divided by $s_i$, if the next layer's weights for it are
multiplied by $s_i$. *Cross-layer equalization* (Nagel et al. 2019, sec. 4.1) picks
$s_i = \sqrt{r_i / r_i'}$, from the channel's ranges in the two layers; then both are
equal, and one scale for the whole tensor wastes less.
"""

# %%
first, second = np.array([[8.0, -4.0], [0.5, 1.0]]), np.array([[2.0, 4.0]])
s = np.sqrt(np.abs(first).max(axis=1) / np.abs(second).max(axis=0))
before = second @ np.maximum(first, 0)  # for the inputs (1, 0) and (0, 1)
np.testing.assert_allclose(second * s @ np.maximum(first / s[:, None], 0), before)
print(f"{s = }\n{first / s[:, None]}\n{second * s}")

# %% [markdown]
r"""
The two layers compute the same, and each channel has one range in both. `resnet8` has
only three such pairs: elsewhere an addition reads the same channels and would need the
same factors.

Now all repairs on two settings: 3 bits a channel, and 4 bits with one scale a tensor.
Each is compared with the unrepaired file on the same images.
"""

# %%
from labkit.compress import equalize

equal = equalize(resnet8)
assert np.abs(equal.predict(images) - resnet8.predict(images)).max() < 1e-3
coarse, from_equal = (quantize_network(network, 4) for network in (resnet8, equal))
repaired = {
    ("3 bits, channel", "none"): rounded,
    ("3 bits, channel", "bias correction"): corrected,
    ("3 bits, channel", "batch norm"): normed,
    ("4 bits, tensor", "none"): coarse,
    ("4 bits, tensor", "batch norm"): reestimate_batch_norm(resnet8, coarse, images),
    ("4 bits, tensor", "equalization"): from_equal,
    ("4 bits, tensor", "both"): reestimate_batch_norm(equal, from_equal, images),
}
right = {k: accuracy(m.network, validation["resnet8"]) for k, m in repaired.items()}

# %%
rows = {}
for (setting, repair), result in right.items():
    paired = compare(right[setting, "none"], result)
    low, high = (100 * end for end in paired.interval)
    points = f"{low:+.1f} to {high:+.1f}"
    size = repaired[setting, repair].size_bytes
    rows[setting, repair] = (size, result.value, points, f"{paired.p_value:.1g}")
    assert repair == "none" or (low > 0 and paired.p_value < 1e-6)

# %%
value = right["3 bits, channel", "batch norm"].value
print(guesses.settle("3b. after the repair", value, 0.1))
pd.DataFrame(rows, index=["bytes", "accuracy", "points", "p"]).T

# %% [markdown]
r"""
`points` is the paired 95 % interval of the gain, and all lie far above 0. Two hundred
pictures without labels lift `resnet8` from near ruin to a useful network, in the same
bytes (a tensor's one scale becomes one a channel: 4 bytes each). So most of the damage
was not noise. It was a few systematic shifts, layer upon layer.

The same for the other networks, from `python -m experiments.quantize.repair`, on all
5,000 validation images:
"""

# %%
import json

from labkit.zoo import DATA_FOLDER

repair = json.loads((DATA_FOLDER / "results" / "repair.json").read_text())
all_rows = pd.DataFrame(repair["repairs"])
chosen = all_rows.query("granularity == 'channel' and rule == 'least_squares'")
by = chosen.pivot_table("validation_accuracy", ["network", "bits"], "method")
three = by.xs(3, level="bits")
assert (three["batch_norm"] >= three["none"] - 0.002).all()
assert three.loc["resnet8", "batch_norm"] > by.loc[("resnet8", 4), "none"] + 0.1
assert abs(three.loc["resnet20", "batch_norm"] - by.loc[("resnet20", 4), "none"]) < 0.02
assert three.loc["resnet20", "bias_correction"] < three.loc["resnet20", "none"] - 0.2
assert by.loc[("lenet5", 2), "bias_correction"] < by.loc[("lenet5", 2), "none"] - 0.01
methods = ["none", "bias_correction", "batch_norm", "equalization + batch_norm"]
plots = {
    name: {m: Curve(by.loc[name].index, by.loc[name][m].to_numpy()) for m in methods}
    for name in zoo.NAMES
}
look = Look("bits", "validation accuracy", percent=True, whole=True)
draw_curves(figure(8.5, 6), plots, look, {n: base[n].value for n in plots})

# %% [markdown]
r"""
`mlp` and `lenet5` have little to mend at 3 bits. The residual networks have a cliff
there, and re-estimation moves it by a bit: in `resnet20` 3 repaired bits are about as
good as 4 as they are, in `resnet8` far better. Bias correction alone is no safe repair:
it makes `lenet5` worse at 2 bits, and `resnet20` at 3 bits much worse. It sets the
means right and leaves the deviations wrong. With one scale a channel, equalization adds
next to nothing: each channel has its own range already.

### Codes: error feedback

So far every code was the nearest. Yet where two inputs rise and fall together, an error
in the weight of one can be undone by the weight of the other. Take $w = (0.5, 0.5)$ and
inputs that are always equal: rounded to nearest (half to even), both become 0 and the
sum is gone. Round the first to 0, *then* hand its error to the second, which becomes 1:
the sum is whole.

In general: let $H = 2 x^\top x$ for the inputs $x$ of a dense layer. When weight $k$ is
rounded from $w_k$ to $\hat w_k$, it is best made up for if the later weights change by

$$ \delta = -\frac{w_k - \hat w_k}{[H^{-1}]_{kk}}\,[H^{-1}]_{k,\text{later}}, $$

where $H$ is that of the weights not yet rounded (Frantar et al. 2022,
arXiv:2208.11580; in this order for all rows at once, as GPTQ: Frantar et al. 2022,
arXiv:2210.17323). Removing a weight from $H^{-1}$ is one step of Gaussian elimination.
"""


# %%
from labkit.compress import round_with_feedback
from labkit.prune import hessian


def feed_back(w, x, scale, top):
    w, q = np.array(w, np.float64), np.zeros(w.shape)
    inverse = np.linalg.inv(hessian(x))
    for k in range(w.shape[1]):
        q[:, k] = np.clip(np.rint(w[:, k] / scale), -top, top)
        error = (w[:, k] - scale * q[:, k]) / inverse[0, 0]
        w[:, k + 1 :] -= np.outer(error, inverse[0, 1:])
        inverse -= np.outer(inverse[:, 0], inverse[0]) / inverse[0, 0]
        inverse = inverse[1:, 1:]
    return q


# %%
inputs = mlp.activations(calibration, "fc2").reshape(len(calibration), -1)
nearest = lab.quantize(mlp.kernels["fc2"], 2, "channel")
fed = round_with_feedback(mlp.kernels["fc2"], inputs, nearest)
mine = feed_back(mlp.kernels["fc2"], inputs, nearest.scale.astype(np.float64), 1)
np.testing.assert_array_equal(mine, fed.q)

# %% [markdown]
r"""
**Predict 4.** All three layers of `mlp` at 2 bits, min–max range, one scale a channel.
Rounded to nearest the network is ruined. What accuracy has it with error feedback, on
the very same grid?
"""

# %%
guesses.guess("4. mlp at 2 bits with error feedback", None)  # from 0 to 1

# %%
from labkit.compress import feed_back_errors, output_error

ruined = quantize_network(mlp, 2, "channel")
fed = feed_back_errors(mlp, ruined, calibration)
result = {
    name: accuracy(made.network, validation["mlp"])
    for name, made in (("nearest", ruined), ("fed back", fed))
}
paired = compare(result["nearest"], result["fed back"])
value = result["fed back"].value
print(f"nearest {result['nearest'].value:.3f}, p = {paired.p_value:.1g}")
print(guesses.settle("4. mlp at 2 bits with error feedback", value, 0.03))

# %%
errors = {}
for layer, w in mlp.kernels.items():
    new = mlp.activations(validation["mlp"].images, layer).reshape(N, -1)
    for name, made in (("nearest", ruined), ("fed back", fed)):
        w_hat = made.quantized[layer].decode()
        weights = np.sum((w - w_hat) ** 2) / np.sum(w**2)
        errors[layer, name] = weights, output_error(w, w_hat, new)
table = pd.DataFrame(errors, index=["error of weights", "error of outputs"]).T
table.round(3)

# %%
ratio = table.xs("fed back", level=1) / table.xs("nearest", level=1)
assert (ratio["error of weights"] > 1.3).all()
assert (ratio["error of outputs"] < 0.5).all() and value > 0.95
assert table.xs("fed back", level=1)["error of weights"][["fc1", "fc2"]].min() > 1
assert fed.size_bytes == ruined.size_bytes

# %% [markdown]
r"""
Belief 2 fails for good. On images that the rounding never saw, the layers' outputs
(squared error by squared signal) err less than half as much, and the network is nearly
whole again; its weights are *further* from the trained ones than before, those of `fc1`
and `fc2` further than if all were set to 0. Nearest is the best rounding for someone
who looks at weights one by one. Nobody asks a network for its weights.

`ai_edge_quantizer` writes *deployable* files, and has algorithms of its own
(`labkit.compress.deploy_recipes` says what each does). Beside ours, from the same
command:
"""

# %%
theirs = pd.DataFrame(repair["algorithms"])
theirs = theirs.pivot_table("validation_accuracy", ["network", "bits"], "algorithm")
ours = pd.DataFrame(repair["feedback_networks"]).query("rule == 'minmax'")
ours = ours.pivot_table("validation_accuracy", ["network", "bits"], "method")
two, fed_2 = theirs.loc["mlp", 2], ours.loc[("mlp", 2), "error_feedback"]
assert two["min_max"] < two["gptq"] < two["octav"] < fed_2
assert theirs.loc[("resnet8", 4), "mse"] < theirs.loc[("resnet8", 4), "min_max"]
theirs.join(ours["error_feedback"].rename("ours: error feedback")).round(4)

# %% [markdown]
r"""
An empty cell does not exist or was not measured: 2 bits for convolutions, `mse` at 2
bits, error feedback where a network is not all dense, ours at 8 bits. At 8 bits nothing
is left to win. At 2 bits its `gptq` repairs much, but not all: version 0.10 feeds
errors back with rows of the *whole* inverse, where the method needs that of the weights
not yet rounded, which our loop shrinks in its last two lines. A better range alone,
`octav`, does more for `mlp`. Not every better range is one, though: `mse`, made for a
small error of the weights, is worse than min-max on `resnet8`.

## 4. Which layer needs its bits?

Quantize *one* layer at a time, leave the others float32, and measure. That is the
*sensitivity map*: layers by bits.

**Predict 5.** Which layer of `resnet8` loses most at 2 bits, one scale a channel, least
squares? Loss is the cross-entropy on validation images. Its layers and their numbers of
weights are printed with your guess.
"""

# %%
print({name: w.size for name, w in resnet8.kernels.items()})
guesses.guess("5. the most sensitive layer of resnet8", None)  # a name, such as "fc"

# %%
from labkit.compress import committed_sensitivity
from labkit.plots import draw_maps

maps = {
    name: committed_sensitivity(networks[name], "least_squares") for name in zoo.NAMES
}
draw_maps(figure(8.6, 7), maps)

# %%
found = maps["resnet8"]
two_bits = dict(zip(found.layers, found.table("loss_increase")[:, 0], strict=True))
most = max(two_bits, key=two_bits.get)
print(guesses.settle("5. the most sensitive layer of resnet8", most))
assert two_bits["stage3_block1_conv2"] < two_bits["conv1"] / 10

# %% [markdown]
r"""
Percentage points lost, on 5,000 validation images
(`python -m experiments.quantize.sensitivity`, one scale a channel, least squares). Most
of each map is yellow: a layer alone may have few bits. The dark cells lie at the left,
and not in every row: *some* layers need bits. In `resnet8` they are the early ones and
`fc`, and these are small; the largest layer, with nearly half of all weights, loses
little even at 2 bits. So the bits that matter are few, and cheap.

Such a map takes layers × widths runs. A quick one on 300 images finds nearly the same
order.
"""

# %%
from labkit.compress import sensitivity

quick = sensitivity(
    resnet8, validation["resnet8"].take(300), bits=(2, 3), rule="least_squares"
)
few, many = quick.table("loss_increase"), found.table("loss_increase")[:, :2]
ranks = [np.argsort(np.argsort(values.ravel())) for values in (few, many)]
correlation = np.corrcoef(*ranks)[0, 1]
print(f"rank correlation of the quick map with the committed one: {correlation:.3f}")
assert correlation > 0.8

# %% [markdown]
r"""
### Do the losses add up?

To plan with such a map we shall *add*: the loss of a mixed network is taken as the sum
of its layers' increases. (The loss is the cross-entropy, which moves smoothly where the
accuracy moves in steps.) That is an assumption. The same command ran files with the
same bits everywhere, planned ones and random ones, and compared.
"""

# %%
from labkit.compress import committed_runs
from labkit.plots import draw_additivity

runs = {name: committed_runs(networks[name]) for name in zoo.NAMES}
losses = {
    name: [(run.predicted_loss_increase, run.loss_increase) for run in rows]
    for name, rows in runs.items()
}
for name, rows in losses.items():
    ranks = [np.argsort(np.argsort(values)) for values in np.unique(rows, axis=0).T]
    print(f"{name}: rank correlation {np.corrcoef(*ranks)[0, 1]:.3f}")
draw_additivity(figure(5.4, 4.6), losses)

# %% [markdown]
r"""
The points follow the dotted line over orders of magnitude, so the sum *ranks* files
well; it does not say their loss to the digit. Most files of the residual networks lie
above the line: every layer errs a little, and the errors meet. Points at the left edge
are files for which the map promises no loss at all, some of them in vain: there the
layers' increases are no larger than the luck of the images. Far to the right a sum
means little, since a network cannot be much more wrong than wrong. And in `mlp` errors
of one layer can undo those of another: some of its points lie below the line.

## 5. A budget of bytes

Layer $i$ at width $k$ takes $s_{ik}$ bytes and costs $c_{ik}$ of loss. Choose a width
for each layer:

$$ \min \sum_i c_{i k_i} \quad\text{so that}\quad \sum_i s_{i k_i} \le B. $$

This is a knapsack into which one item of each group must go, a width for each layer
(Hubara et al. 2020, arXiv:2006.10518, solve it by integer programming).
*Greedy*: begin with the widest, and narrow the step that costs least for each byte it
saves, until all fits. *Exact*: go through the layers and keep every partial choice that
no other beats in both bytes and loss. A case where the two differ:
"""

# %%
from labkit.common import exact, greedy

costs = np.array([[0.1, 0.0], [0.6, 0.0]])  # narrow, wide
sizes = np.array([[10, 20], [40, 80]])
for method in (greedy, exact):
    path = method(costs, sizes)
    place = path.within(60)
    print(
        f"{method.__name__}: widths {path.choice[place]}, loss {path.loss[place]:.2f}"
    )
    assert path.loss[place] == (0.7 if method is greedy else 0.6)

# %% [markdown]
r"""
The budget asks for 40 bytes less. The first layer is cheaper for each byte, so greedy
narrows it, is not there yet, narrows the second one too, and never looks back. Exact
sees that the second alone would have done.

**Exercise 2** (20 minutes, 8 points). Write `assign_bits(costs, sizes, budget)`. The
arrays `costs` and `sizes` are (layers, bit widths), the narrowest first; `budget` is
a number of bytes that the narrowest fit into. Return an array (layers,) with the
column of each layer's width, so that the bytes fit and the loss is as small as you can
make it. Any method counts: greedy is enough for the check, trying everything is fine
too.
"""


# %%
def assign_bits(costs, sizes, budget):
    raise NotImplementedError


# %%
from labkit.checks import check_assign_bits

check_assign_bits(assign_bits)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Begin with the last column everywhere. While the bytes are above the budget, compute for
each layer that can still be narrowed (loss added) / (bytes saved) of its next step, and
take the smallest.

</details>
<details><summary>Solution</summary>

```python
def assign_bits(costs, sizes, budget):
    layers = np.arange(len(costs))
    choice = np.full(len(costs), costs.shape[1] - 1)
    while sizes[layers, choice].sum() > budget:
        narrower = np.maximum(choice - 1, 0)
        lost = costs[layers, narrower] - costs[layers, choice]
        saved = sizes[layers, choice] - sizes[layers, narrower]
        price = np.where(choice > 0, lost / np.maximum(saved, 1), np.inf)
        choice[price.argmin()] -= 1
    return choice
```

</details>

### The slider

The panel takes a budget for the *file*, in per cent of the float32 file: graph, header
and biases included. Its lower plot is the frontier of all budgets, instantly, from the
committed map. The file at your budget is then made and measured, beside the files with
the same bits everywhere (grey, with their bits).

**Predict 6.** With 3 bits in every layer `resnet8` had the accuracy of question 3a.
What has a file of the same bytes whose layers share them out by sensitivity?
"""

# %%
mixed_guess = None  # a number from 0 to 1
guesses.guess("6. resnet8, mixed bits at the bytes of 3", mixed_guess)

# %%
from labkit.panels import budget_panel

panel = budget_panel("resnet8", guess=mixed_guess, budget=12)
panel

# %% [markdown]
r"""
1. Move the budget from right to left. Which layers lose bits first, and which last?
   Look at their numbers of weights.
2. At which budget does the measured loss (orange) leave the predicted one?
3. Switch *Bits by* between greedy and exact. How often does a bar change?
4. *Advanced*: take the first layer out of the choice, so that it keeps 8 bits. Does it
   matter? Then try `mlp`, whose largest layer is the sensitive one.

### At equal bytes, measured

Files of at most the bytes of 3 and of 4 bits everywhere, planned on the committed map,
compared on validation images. Then all of them repaired, as in section 3.
"""

# %%
from labkit.compress import bit_options, mixed_precision

offered = bit_options(resnet8, maps["resnet8"], "exact")
made = {}
for bits in (3, 4):
    same = quantize_network(resnet8, bits, "channel", "least_squares")
    shared = mixed_precision(resnet8, offered, same.size_bytes).compressed
    for kind, file in (("same bits", same), ("mixed bits", shared)):
        made[bits, kind, "as it is"] = file
        made[bits, kind, "batch norm"] = reestimate_batch_norm(resnet8, file, images)

# %%
right = {key: accuracy(m.network, validation["resnet8"]) for key, m in made.items()}
value = right[3, "mixed bits", "as it is"].value
print(guesses.settle("6. resnet8, mixed bits at the bytes of 3", value, 0.1))
table = {key: (made[key].size_bytes, right[key].value) for key in made}
pd.DataFrame(table, index=["bytes", "accuracy"]).T.astype({"bytes": int})

# %%
for bits, kind, state in made:
    paired = compare(right[bits, "same bits", state], right[bits, kind, state])
    if kind == "mixed bits":
        print(f"{bits} bits, {state}: {paired.difference:+.3f}, p {paired.p_value:.1g}")
        assert paired.p_value < 0.001 or (bits, state) == (4, "batch norm")

# %%
by_method = {
    method: {
        run.budget_bytes or run.payload_bytes: run.test_accuracy
        for run in runs["resnet20"]
        if run.method == method
    }
    for method in ("uniform", "exact")
}
whole_network = pd.DataFrame(by_method).dropna()
gains = (whole_network["exact"] - whole_network["uniform"]).to_numpy()
assert gains[0] > 0.2 and gains[1:].max() < 0.005
whole_network.rename_axis("bytes of all kernels, resnet20")

# %% [markdown]
r"""
Belief 3 fails for `resnet8`: in no more bytes mixed bits are better, at 3 bits by a
very wide margin. And the two cures add up: what sensitivity can't buy, the repair
mends. Only with 4 bits *and* the repair is too little left to mend for the paired test
to be sure.

The last table is a warning. It shows `resnet20` on the test images, at the bytes of 3,
4, 5 and 6 bits everywhere. The plan wins at 3 bits. From 4 bits on it wins nothing, or
loses. There the increases in the map are tiny, some even below 0: a layer was rounded,
and the loss fell by luck. The planner believes in luck, and leaves bytes unspent. So
compare the plan with the same bits everywhere before you ship it.

The choices were made on validation images; here is the report for `resnet8` on the
10,000 test images, which had no part in them.
"""

# %%
test = data["resnet8"].test
whole = accuracy(resnet8, test)
rows = {}
for key in [(3, "same bits", "as it is"), (3, "mixed bits", "batch norm")]:
    result = accuracy(made[key].network, test)
    low, high = (100 * end for end in compare(whole, result).interval)
    smaller = len(resnet8) / made[key].size_bytes
    rows[key] = (smaller, result.value, f"{low:+.1f} to {high:+.1f}")
pd.DataFrame(rows, index=["times_smaller", "test accuracy", "points to float32"]).T

# %% [markdown]
r"""
The same bytes, the same trained weights, no training, no labels beyond those of the
validation images that the map was measured with. What is still missing to float32 is in
the last column, and has to come from training with the rounding in place (notebook
02b).

## Recap

- Compare at equal bytes: scales and codebooks are part of the file.
- Levels matter with few bits; with 8, even steps are as good as any, and cheapest.
- A centroid's gradient is the sum over its members.
- The nearest codes are not the best ones: outputs count. Restore means and deviations,
  feed errors back.
- Sensitivity differs by orders of magnitude between layers: measure it, then spend
  bytes by loss for a byte.

**Where this stops being true.** The map is measured around the float network: where
many layers are rounded hard, the sum of their losses misleads, and where all losses are
tiny, luck does. Repairs need images like those that will come. Error feedback was shown
for dense layers only. And no runtime here has kernels for 3 or 5 bits: mixed files are
smaller to send and to store, and run as float32. Hardware that is faster at 4 bits than
at 8 would put *time* in the place of bytes, in the same knapsack.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A keyword spotter has a first convolution with 500 weights, two
middle layers of 40,000 weights each, and a last dense layer of 1,000. Its file must
shrink to a tenth. You have 300 recordings without labels and 200 with. What do you do
first, second and third, and what would you not bother with?

<details><summary>One answer</summary>

Measure a map with the 200 labelled recordings, by loss and not by accuracy, since 200
answers move in steps of half a point. Leave the two small layers at 8 bits whatever the
map says: together they are 2 % of the weights, so their bits cost nothing. The middle
layers get about 3 bits, one scale a channel; share between them by loss for a byte.
Then re-estimate means and deviations with the 300 recordings: no labels, no bytes.
Don't bother with codebooks for the small layers, where the centroids cost more than
they save, nor with exact optimization of two layers and a handful of widths:
that is a table to look at.

</details>
"""
