# %% [markdown]
r"""
# Run a network on integers only

**What you'll do.** Round what flows between the layers too, then run whole networks
without a single float, and compare every number with LiteRT's.

**What you'll learn**
- to choose ranges for numbers that depend on the picture, and to say how many pictures
  that takes;
- to tell static from dynamic quantization, and a network that is computed in the graph
  from one that has a kernel;
- to derive integer arithmetic from $r = S(q - Z)$, and to write a layer of it that
  equals LiteRT's kernel code for code;
- to say where two correct implementations differ by one, how often, and why;
- to read from the ledger why a file is not as small or as fast as its bits promise.

**What you'll need.** Notebooks 00 and 01: paired comparison, the ledger, scale and zero
point. About 75 minutes of yours, a minute and a half of two cores. Two exercises, 12
points.

**Three beliefs that this notebook tests**
1. "The more calibration images, the better."
2. "Integer arithmetic is exact, so every runtime computes the same codes."
3. "Half the bits: half the file, twice the speed."
"""

# %%
from itertools import product

import numpy as np
import pandas as pd

from labkit import zoo
from labkit.checks import Predictions, shown
from labkit.measure import accuracy, compare, machine
from labkit.plots import figure
from labkit.quantize import affine_params, fake_quantize

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
validation = {name: zoo.dataset(name).validation for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. What a layer reads depends on the picture

The weights of a trained network are known when its file is written. What a layer
*reads*, its activations, is known only once a picture arrives. Here are twelve such
numbers: what `fc`, the last layer of `resnet8`, reads from four channels, for three
pictures. A ReLU came before, so none is negative.

To round them to 4 bits we need a range. Take it from the first picture alone.
"""

# %%
network = networks["resnet8"]
calibration = zoo.dataset("resnet8").calibration.images
x = network.activations(calibration[:3], "fc")[:, 12:16]
scale, zero_point = affine_params(0, x[0].max(), bits=4)
x_hat = fake_quantize(x, scale, zero_point, bits=4)
assert np.abs(x - x_hat)[0].max() <= 0.501 * scale < (x - x_hat)[1:].max()


def side_by_side(first, second, names):
    rows = [f"picture {k}" for k in (1, 2, 3)]
    columns = pd.MultiIndex.from_product([names, ["12", "13", "14", "15"]])
    return pd.DataFrame(np.hstack([first, second]), rows, columns).round(2)


side_by_side(x, x_hat, ["before", "after"])

# %% [markdown]
r"""
In the first picture no number moves by more than half a step. The other two contain
larger numbers, and these are clipped to the end of a range that knew nothing of them.
So ranges are *calibrated*: observed on some pictures beforehand and then kept. (Jacob
et al. 2018, arXiv:1712.05877, sec. 3.1, observe them during the training; we do it
after.) We use training images, never test images.

How much does the range vary? At the left all numbers that one layer reads from three
pictures, at the right the largest number of each of 500.
"""

# %%
from labkit.plots import draw_readings

layer = "stage1_block1_conv1"
read = network.activations(calibration[:500], layer).reshape(500, -1)
draw_readings(figure(8.5, 3.2), read[:3], read.max(axis=1), counts=(1, 10, 100))

# %% [markdown]
r"""
The shapes are alike: most numbers are small, a few are large. But how large the largest
one is differs much from picture to picture, and the range that covers $n$ pictures, a
line at the right, can only climb as $n$ grows.

A line tells how far the *calibration* pictures reach. What about new ones? Suppose that
all pictures are drawn at random. Of $n$ calibration pictures and one new picture each
is equally likely to hold the largest number, so the new one exceeds the others with
probability

$$ P(\text{the new picture is clipped}) = \frac{1}{n + 1}, $$

whatever the network and the layer.

**Predict 1.** Calibrate on 9 pictures. How many per cent of 500 new pictures hold a
number beyond the range?
"""

# %%
guesses.guess("1. new pictures beyond the range of 9, per cent", None)  # 0 to 100

# %%
peaks = read.max(axis=1)
unseen = network.activations(validation["resnet8"].images[:500], layer)


def beyond(n):
    ranges = peaks[: 500 // n * n].reshape(-1, n).max(axis=1)
    return np.mean(unseen.max(axis=(1, 2, 3))[:, None] > ranges)


# %%
ns = [1, 4, 9, 49, 99]
law = pd.DataFrame({"measured": map(beyond, ns), "1 / (n + 1)": 1 / (np.array(ns) + 1)})
law.index = pd.Index(ns, name="calibration pictures")
share = np.mean(unseen > peaks[:9].max())
nine = 100 * law.loc[9, "measured"]
print(guesses.settle("1. new pictures beyond the range of 9, per cent", nine, 3))
print(f"of all their numbers {share:.4%} lie beyond")
assert (law["measured"] - law["1 / (n + 1)"]).abs().max() < 0.05 and share < 0.001
law.map("{:.1%}".format)

# %% [markdown]
r"""
The shares follow the law, up to the luck of 500 pictures (try another layer): to have
one new picture in a hundred clipped takes 99 calibration pictures. That sounds like a
lot. But look at the line above the table: it is a picture that is clipped *somewhere*,
and of its numbers hardly any.

## 2. How many pictures are enough?

So is it good to cover everything? Notebook 01 asked this of weights, and few bits
wanted narrow ranges. Three rules for what was observed:

- **min-max** covers all of it;
- **percentile** leaves out one number in a thousand at each end;
- **least squares** shrinks the range until the squared error is least.
"""

# %%
from labkit.compress import RULES, calibrate

values = network.activations(calibration[:100], "fc")


def my_least_squares(values, bits):
    errors = {}
    for hi in values.max() * np.linspace(0.1, 1, 91):
        step = hi / (2**bits - 1)
        rounded = step * np.rint(values.clip(0, hi) / step)
        errors[hi] = np.sum(np.square(values - rounded))
    return min(errors, key=errors.get)


tops = {rule: calibrate(network, calibration[:100], 3, rule)["fc"].hi for rule in RULES}
assert tops["minmax"] == values.max()
np.testing.assert_allclose(tops["percentile"], np.percentile(values, 99.9), rtol=1e-6)
assert abs(tops["least_squares"] - my_least_squares(values, 3)) < 0.03 * values.max()
print({rule: round(top, 2) for rule, top in tops.items()})

# %% [markdown]
r"""
Now the whole of `resnet8`, with float32 weights: only what its layers read is rounded.
LiteRT has kernels for activations of 8 and 16 bits. Fewer bits we compute **in the
graph**: FAKE_QUANT operators in front of the layers move each number to its grid, and
the layers multiply floats. That shows the accuracy that such hardware would reach. It
has no kernel, so it has no latency, and it is marked so wherever it appears.

**Predict 2.** Activations of 3 bits, min-max range. Which calibration gives the better
network: 1 picture, or 300?
"""

# %%
guesses.guess("2. better at 3 bits: 1 or 300 pictures", None)  # 1 or 300

# %%
from labkit.compress import fake_quantize_activations

counts, draws = (1, 10, 100, 300), 2
split = validation["resnet8"].take(500)
before = accuracy(network, split)


def swept(bits, rule, n):
    """The accuracy after calibration on n pictures, for each of some draws."""
    found = []
    for k in range(draws):
        images = calibration[500 * k : 500 * k + n]
        rounded = fake_quantize_activations(network, images, bits, rule)
        found.append(accuracy(rounded, split).value)
    return found


# %%
sweep = {
    (bits, rule): np.array([swept(bits, rule, n) for n in counts])
    for bits in (8, 4, 3)
    for rule in RULES
}

# %%
from labkit.plots import Curve, Look, draw_curves

plots = {f"{bits} bits, in the graph": {} for bits in (8, 4, 3)}
for (bits, rule), found in sweep.items():
    curve = Curve(counts, found.mean(axis=1), found.min(axis=1), found.max(axis=1))
    plots[f"{bits} bits, in the graph"][rule] = curve
at = {key: found.mean(axis=1) for key, found in sweep.items()}
better = 1 if at[3, "minmax"][0] > at[3, "minmax"][-1] else 300
print(guesses.settle("2. better at 3 bits: 1 or 300 pictures", better))
assert at[3, "minmax"][-1] < at[3, "minmax"][0] - 0.1
robust = [at[3, rule] for rule in RULES if rule != "minmax"]
assert all(found.min() > 0.7 and np.ptp(found) < 0.05 for found in robust)
assert all(abs(at[8, rule] - before.value).max() < 0.02 for rule in RULES)
look = Look(
    "calibration pictures", "accuracy, 500 images", "log",
    percent=True, columns=3, one_scale=True,
)  # fmt: skip
draw_curves(figure(8.5, 3.6), plots, look, dict.fromkeys(plots, before.value))

# %% [markdown]
r"""
The bands show the spread between two draws of pictures, the dotted line the float
network. Three readings.

- At **8 bits** rule and number hardly matter: all points lie within 2 percentage points
  of the float network, as the last assert says. A handful of pictures is enough.
- At **3 bits** belief 1 fails, and dearly. With min-max, more pictures are *worse*:
  each rare large number stretches the range for good, and all steps with it. Clipping
  it would have cost almost nothing.
- **Percentile** and **least squares** don't follow the rare number. For them more
  pictures change little, in either direction: less than 5 points.

The panel does the same to any network, with weights of any bits, and on test images.
The histogram shows what a layer reads from pictures that were not used for calibration.

**Predict 3.** `resnet8` with 8-bit weights and 3-bit activations, min-max range of 50
pictures: what accuracy, from 0 to 1?
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.85
guesses.guess("3. accuracy of resnet8, W8A3", accuracy_guess)

# %%
from labkit.panels import activations_panel

panel = activations_panel("resnet8", guess=accuracy_guess, activation_bits=3)
panel

# %% [markdown]
r"""
W8A3 is short for 8-bit weights and 3-bit activations. Drive the panel and answer before
you read on:

1. Move *calibration images* from 1 to 500. What happens to the range in the histogram,
   to the distance of its ticks, to the point?
2. Set *activation bits* to 8. Which two points join, and what do they have that the
   blue one has not?
3. Under *Advanced*, change the *range* at 3 bits. Which rule ends where?
"""

# %%
from labkit.compress import kept_layers, round_in_graph

minmax = panel.set(activation_bits=3, images=50, rule="minmax").accuracies["graph"]
print(guesses.settle("3. accuracy of resnet8, W8A3", minmax.value, within=0.05))
mended = panel.set(rule="least_squares")
pair = compare(minmax, mended.accuracies["graph"])
print(
    f"least squares: {pair.newly_right:,} newly right, {pair.newly_wrong} newly wrong"
)
direct = round_in_graph(network, calibration[:50], 8, 3, rule="least_squares")
assert pair.difference > 0.1 and direct.packed == mended.graph.packed

# %% [markdown]
r"""
On all 10,000 test images the better range wins by more than 10 points. The panel's file
is, byte for byte, what the library call gives.

What you should have seen: with min-max every picture more can only move the end of the
range outwards, and with 8 levels the ticks move apart with it. At 8 bits the *static*
and the *dynamic* file join the plane. These have kernels, so the ledger gives their
time. The blue point never has one.

## 3. Static, dynamic, and the two ends

*Static* quantization fixes the ranges beforehand. *Dynamic* quantization looks at each
picture while the network runs, finds its least and greatest number, and makes a scale
for it. On our twelve numbers, one row a picture, at 4 bits:
"""

# %%
static = x.max() / 15 * np.rint(x / (x.max() / 15))
scales = x.max(axis=1, keepdims=True) / 15
dynamic = scales * np.rint(x / scales)
assert np.square(x - dynamic).sum() < np.square(x - static).sum()
side_by_side(x - static, x - dynamic, ["static, error", "dynamic, error"])

# %% [markdown]
r"""
The table shows errors. With a scale of its own no picture pays for another's large
number, and the squared error is smaller. It has a price: the runtime must find the
extremes of every layer's input, for each picture, before it can multiply, and it needs
floats to turn them into scales. What flows from layer to layer stays float32. A chip
without floats can't run it.

LiteRT runs both, with weights of 8 and 4 bits, and static files also with 16-bit
activations. Here they are, beside W4A4, which exists in the graph only.
"""

# %%
from labkit.compress import deployable

SETTINGS = {
    "W8A8 static": {"bits": 8, "mode": "static"},
    "W8A8 dynamic": {"bits": 8, "mode": "dynamic"},
    "W8A16 static": {"bits": 8, "mode": "static", "activation_bits": 16},
    "W4A8 static": {"bits": 4, "mode": "static"},
    "W4A8 dynamic": {"bits": 4, "mode": "dynamic"},
}
SMALL = ("mlp", "lenet5", "resnet8")
files = {
    name: {key: deployable(networks[name], **how) for key, how in SETTINGS.items()}
    for name in SMALL
}

GRAPH = "W4A4 in the graph"
images = {name: zoo.dataset(name).calibration.images[:100] for name in SMALL}
in_graph = {name: round_in_graph(networks[name], images[name], 4, 4) for name in SMALL}
slow = {"mlp": 1000, "lenet5": 250, "resnet8": 125}  # 16-bit activations take long
base = {name: accuracy(networks[name], validation[name], 1000) for name in SMALL}

# %%
results = []
for name in SMALL:
    models = files[name] | {GRAPH: in_graph[name].network}
    for key, model in models.items():
        n = slow[name] if "A16" in key else 1000
        pair = compare(base[name], accuracy(model, validation[name], n))
        kernel = "none" if key == GRAPH else "LiteRT"
        results.append((name, key, kernel, n, 100 * pair.difference, pair.p_value))
columns = ["network", "setting", "kernel", "images", "points", "p"]
report = pd.DataFrame(results, columns=columns).set_index(["network", "setting"])
assert report.xs("W8A8 static", level=1)["points"].abs().max() < 1.5
assert report.loc[("resnet8", "W4A8 static"), "points"] < -5
report.assign(p=report["p"].map("{:.1g}".format)).round({"points": 2})

# %% [markdown]
r"""
`points` is the difference from the float32 network on the same validation images, in
percentage points. `p` is the chance of a difference at least as large if both networks
were equally good. Eight bits for both are nearly free on all three networks. With
activations of 16 bits only the weights' rounding is left, but there is little to win.
What hurts `resnet8` is the 4-bit *weights*.

Four bits everywhere? Two layers are often spared: the *first*, which reads the pixels,
and the *last*, which makes the answer.

**Predict 4.** `resnet8` at W4A4, least squares for weights and activations. You may
keep *one* layer at 8 bits. Which one: "first" or "last"?
"""

# %%
guesses.guess("4. keep first or last", None)  # "first" or "last"

# %%
kept = {}
for name in SMALL:
    first, last = kept_layers(networks[name])
    choices = {"none": (), "first": (first,), "last": (last,), "both": (first, last)}
    rules = ("least_squares", "least_squares")
    for who, layers in choices.items():
        made = round_in_graph(networks[name], images[name], 4, 4, *rules, layers)
        result = accuracy(made.network, validation[name], 1000)
        kept[name, who] = made.size_bytes, result.value
ends = pd.DataFrame(kept, index=["bytes", "accuracy"]).T
gain = ends["accuracy"].unstack().loc["resnet8"] - ends.loc[("resnet8", "none")].iloc[1]
size = ends["bytes"].unstack()
print(guesses.settle("4. keep first or last", gain[["first", "last"]].idxmax()))
assert gain["first"] > 0.1 > 0.05 > gain["last"]
assert size.loc["resnet8", "first"] < 1.01 * size.loc["resnet8", "none"]
assert size.loc["mlp", "first"] > 1.5 * size.loc["mlp", "none"]
minmax = base["resnet8"].value + report.loc[("resnet8", GRAPH), "points"] / 100
assert minmax > ends.loc[("resnet8", "none"), "accuracy"] + 0.05
ends.assign(bytes=ends["bytes"].map("{:,.0f}".format)).round(4)

# %% [markdown]
r"""
All of it in the graph, no kernel. In `resnet8` the first layer is small, and keeping it
saves more than ten points for less than one per cent of the bytes. The last layer saves
next to nothing. In `mlp` the *first layer is* the file: keeping it costs more than half
the file again, and there was nothing to save. A rule of thumb like "keep both ends" is
worth a measurement.

So is "least squares is better". The row *none* of `resnet8` lies more than 5 points
below the W4A4 of the table before, which took min-max for everything. A range with the
least squared error makes the *weights* err least. The network's answers are another
matter, and notebook 01b looks into it.

## 4. Sums without floats

So far floats did the work: numbers on a grid, but computed as floats. Now without. Take
one output of a dense layer with three inputs: six numbers, a bias, and the output.
Give all their grids first: affine for activations, symmetric ($Z_w = 0$) for weights.
"""

# %%
x = np.array([0.5, 1.25, 2.0])
w = np.array([0.6, -0.9, 0.33])
b = -0.1
s_x, z_x = affine_params(0, 2, bits=8)
s_w = 0.9 / 127
s_y, z_y = affine_params(-1, 1.5, bits=8)
q_x, q_w = np.rint(x / s_x) + z_x, np.rint(w / s_w)
q_x, q_w = q_x.astype(np.int8), q_w.astype(np.int8)
print("before:", x, w, b, "->", f"{w @ x + b:.4f}")
print("after: ", q_x, q_w)

# %% [markdown]
r"""
Put $r = S(q - Z)$ in place of each real number of $y = \sum_i w_i x_i + b$:

$$ S_y (q_y - Z_y) = S_w S_x \sum_i q_{w,i}\,(q_{x,i} - Z_x) + b. $$

Everything under the sum is an integer. Let the bias be one too, and count it in the
sum's own unit: $q_b = b / (S_w S_x)$, rounded. Then (Jacob et al. 2018, eq. 4 and 5;
the bias: sec. 2.4)

$$ q_y = Z_y + M \Big( q_b + \sum_i q_{w,i}\,(q_{x,i} - Z_x) \Big),
   \qquad M = \frac{S_w S_x}{S_y}. $$

The bracket is the *accumulator*. It has 32 bits: a product has up to 16, and they add
up.
"""

# %%
q_b = np.int32(np.rint(b / (s_w * s_x)))
accumulator = q_w.astype(np.int32) @ (q_x.astype(np.int32) - z_x) + q_b
M = s_w * s_x / s_y
q_y = z_y + round(M * accumulator)
print(f"q_b = {q_b}, accumulator = {accumulator}, {M = :.6f}, {q_y = }")
print(f"{s_y * (q_y - z_y):.4f} for {w @ x + b:.4f}")
assert abs(s_y * (q_y - z_y) - (w @ x + b)) < 2 * s_y
most = 255 * 127
print(f"{2**31 // most:,} products fit into an int32, even the largest ones")

# %% [markdown]
r"""
The output is off by about a step: its own rounding is at most half of one, the rest
came in with the inputs, the weights and the bias. Only one number here is not an
integer, $M$, and it is known when the file is written. Write it as an integer times a
power of two (eq. 6):

$$ M = 2^{-n}\, \frac{m_0}{2^{31}}, \qquad 2^{30} \le m_0 < 2^{31}. $$

The condition makes $m_0$ use all of an int32's bits. `np.frexp` splits a number in this
way: a fraction from 0.5 to 1, and an exponent.
"""

# %%
from labkit import integer

fraction, exponent = np.frexp(M)
m0, n = round(fraction * 2**31), -int(exponent)
assert (m0, n) == tuple(integer.quantize_multiplier(M))
print(f"{m0 = :,}, {n = }: off by {m0 / 2**31 / 2**n - M:.1e}")

# %% [markdown]
r"""
**Exercise 1** (10 minutes, 4 points). Write `quantize_multiplier(multiplier)` for
any multiplier above 0: return the integers `m0` and `n`. Two cases need care.
From 1.0 on $n$ is negative. And just below a power of two the fraction is
rounded up to $2^{31}$, one more than an int32 can hold.
"""


# %%
def quantize_multiplier(multiplier):
    raise NotImplementedError


# %%
from labkit.checks import check_quantize_multiplier

check_quantize_multiplier(quantize_multiplier)

# %% [markdown]
r"""
<details><summary>Hint</summary>

The three lines above are nearly all of it. If `m0` came out as `2**31`, then
$2^{31}\, 2^{-n} = 2^{30}\, 2^{-(n-1)}$.

</details>
<details><summary>Solution</summary>

```python
def quantize_multiplier(multiplier):
    fraction, exponent = np.frexp(multiplier)
    m0, n = round(fraction * 2**31), -int(exponent)
    if m0 == 2**31:
        m0, n = 2**30, n - 1
    return m0, n
```

</details>

### Two shifts, and how they round

Now $M \cdot$ accumulator is one product of integers and a shift by $31 + n$ bits. A
shift to the right cuts digits off, so half of what it divides by is added first: that
rounds. LiteRT's reference kernels do it in two steps, because 32-bit hardware has an
instruction for the first: $/\,2^{31}$, halves up, then $/\,2^n$, halves away from zero.
You can also shift once. Both end within about half a code of the true quotient. So do
they agree?
"""

# %%
acc, m0, n = 7984, 1_583_594_044, 9
high = (acc * m0 + 2**30) >> 31
twice = (high + 2 ** (n - 1)) >> n
once = (acc * m0 + 2 ** (30 + n)) >> (31 + n)
print(f"{acc * m0 / 2 ** (31 + n):.4f} -> {high / 2**n} -> {twice = }, {once = }")

# %% [markdown]
r"""
Not always (these numbers are from tensorflow issue 25087). The first rounding lifts
11.4991 exactly onto 11.5, the second lifts that to 12. How often does it happen? After
the first shift one number in $2^n$ ends in exactly a half, and half of these came from
below: one in $2^{n+1}$.
"""

# %%
rng = np.random.default_rng(0)
many, multipliers = rng.integers(-(2**16), 2**16, (2, 10**6))
multipliers += 2**30 + 2**29


def differing(n):
    ways = (integer.rescale(many, multipliers, n, how) for how in ("double", "single"))
    return np.mean(np.not_equal(*ways))


rounding = {n: (differing(n), 2.0 ** -(n + 1)) for n in (5, 7, 9)}
assert all(abs(found / law - 1) < 0.1 for found, law in rounding.values())
pd.DataFrame(rounding, index=["measured", "one in 2^(n+1)"]).map("{:.3%}".format)

# %% [markdown]
r"""
Remember that share: a layer of our networks mostly has an $n$ of 8 to 11 (section 5
prints some), so about one code in a thousand will depend on *how* a shift rounds. Last,
the ends. $Z_y$ is added, and what does not
fit into int8 *saturates*. A ReLU costs nothing: it is a narrower end, since the real 0
has the code $Z_y$.
"""

# %%
rescaled, z = np.array([-300, -40, -3, 0, 25, 500]), -3
plain = integer.saturate(rescaled, z)
relu = integer.saturate(rescaled, z, lo=z)
assert (relu == np.maximum(plain, z)).all()
pd.DataFrame({"rescaled": rescaled, "code": plain, "with ReLU": relu}).T

# %% [markdown]
r"""
**Exercise 2** (20 minutes, 8 points). Write `integer_dense(q, kernel, bias, zero_in,
m0, n, zero_out)`: a whole dense layer in integers. `q` is int8 (images, inputs),
`kernel` int8 (outputs, inputs), `bias` int32 and `m0`, `n` int64 (outputs,), one for
each output channel, $0 \le n \le 31$. `zero_in` and `zero_out` are two integers. Return
int8 codes (images, outputs). Round twice, as above; in the second shift a negative half
goes away from zero, $-2.5$ to $-3$, while `>>` sends it up.
"""


# %%
def integer_dense(q, kernel, bias, zero_in, m0, n, zero_out):
    raise NotImplementedError


# %%
from labkit.checks import check_integer_dense

check_integer_dense(integer_dense)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Five lines: subtract `zero_in` in int32, multiply and add the bias; the first shift in
int64; the second on `np.abs`, with `np.sign` to put the sign back; add `zero_out`; clip
and only then `astype(np.int8)`. Half of $2^n$ is `(1 << n) >> 1`, which is 0 for
$n = 0$.

</details>
<details><summary>Solution</summary>

```python
def integer_dense(q, kernel, bias, zero_in, m0, n, zero_out):
    steps = q.astype(np.int32) - zero_in
    sums = steps @ kernel.T.astype(np.int32) + bias
    high = (sums.astype(np.int64) * m0 + 2**30) >> 31
    half = (1 << n) >> 1
    rescaled = np.sign(high) * ((np.abs(high) + half) >> n)
    return np.clip(rescaled + zero_out, -128, 127).astype(np.int8)
```

</details>

## 5. Two layers by hand, and LiteRT's own

The real test is a real file. `LiteRTNetwork` runs it with LiteRT and keeps what every
layer puts out; we ask for its *reference kernels*, plain loops that are the definition
of right. `IntegerNetwork` reads the same file and runs it in numpy. First `fc1` of
`mlp`, from the codes of the pixels.
"""

# %%
file = files["mlp"]["W8A8 static"].to_bytes()
pictures = zoo.dataset("mlp").test.images[:200]
codes = integer.LiteRTNetwork.from_bytes(file, "reference").run(pictures)
fc1 = integer.IntegerNetwork.from_bytes(file).layer("fc1")
m = fc1.multipliers[0]
print(fc1, fc1.kernel.dtype, fc1.bias.dtype, fc1.activation)
print(f"{m.m0[:3]}, {m.n[:3]}, …: one M for each of {len(m.n)} outputs")

# %%
q = codes["quantize1"].reshape(200, -1).astype(np.int32) + 128
sums = q @ fc1.kernel.T.astype(np.int32) + fc1.bias
ends = {"zero_point": fc1.zero_point, "lo": fc1.zero_point}  # a ReLU is fused
shifted = integer.saturate(integer.rescale(sums, m.m0, m.n), **ends)
double = integer.IntegerNetwork.from_bytes(file, "double").run(pictures)
np.testing.assert_array_equal(shifted, double["fc1"])
apart = np.count_nonzero(shifted != codes["fc1"])
assert np.abs(shifted.astype(int) - codes["fc1"]).max() == 1
print(f"{apart} of {shifted.size:,} codes differ from LiteRT's")

# %% [markdown]
r"""
Equal to `labkit.integer`. And LiteRT? Nearly, but a few of its codes differ by one, and
that is not our mistake. For this one operator LiteRT's reference kernel does *not*
shift: it multiplies by $M$ as a float and rounds once (LiteRT issue 8567). Do the same,
in float64, and every code agrees.
"""

# %%
rounded = integer.round_half_away(sums * m.real).astype(int)
multiplied = integer.saturate(rounded, **ends)
np.testing.assert_array_equal(multiplied, codes["fc1"])
reference = integer.IntegerNetwork.from_bytes(file, "reference").run(pictures)
np.testing.assert_array_equal(multiplied, reference["fc1"])

# %% [markdown]
r"""
Next a convolution, `conv2` of `lenet5`: 5 × 5 windows slide over 20 channels. A
convolution is a dense layer on windows, and this operator does shift twice.
`sliding_window_view` makes the windows, and `tensordot` sums over their rows, columns
and channels.
"""

# %%
from numpy.lib.stride_tricks import sliding_window_view

file = files["lenet5"]["W8A8 static"].to_bytes()
theirs = integer.LiteRTNetwork.from_bytes(file, "reference").run(pictures[:20])
ours = integer.IntegerNetwork.from_bytes(file)
pool1, conv2 = ours.layer("pool1"), ours.layer("conv2")
q = theirs["pool1"].astype(np.int32) - pool1.zero_point
windows = sliding_window_view(q, (5, 5), axis=(1, 2))
print(q.shape, "->", windows.shape, "with kernel", conv2.kernel.shape)

# %%
m, kernel = conv2.multipliers[0], conv2.kernel.astype(np.int32)
sums = np.tensordot(windows, kernel, [(4, 5, 3), (1, 2, 3)]) + conv2.bias
codes = integer.saturate(integer.rescale(sums, m.m0, m.n), conv2.zero_point)
np.testing.assert_array_equal(codes, theirs["conv2"])
np.testing.assert_array_equal(codes, ours.run(pictures[:20])["conv2"])

# %% [markdown]
r"""
## 6. Exact, and yet not the same

Whole networks now, every layer of them: additions, pooling and all. The table
counts, over all layers, the codes in which two ways differ: our integers against
LiteRT's reference kernels, and LiteRT's *default* kernels, from the library XNNPACK,
against its reference kernels.

**Predict 5.** In `resnet8`, how many per cent of all codes differ between LiteRT's
default and its reference kernels?
"""

# %%
guesses.guess("5. codes of resnet8 that differ, %", None)  # 0 to 100

# %%
int8 = {name: deployable(net, 8, "static") for name, net in networks.items()}
pictures = {name: zoo.dataset(name).test.images[:200] for name in networks}
pairs = {
    "ours, reference": ("reference", "litert-reference"),
    "XNNPACK, reference": ("litert-reference", "litert-xnnpack"),
}
counts = {}
for name, pair in product(networks, pairs):
    found = integer.compare(int8[name].to_bytes(), pictures[name], *pairs[pair])
    codes = sum(layer.codes for layer in found)
    counts[name, pair] = codes, sum(layer.differing for layer in found)

# %%
apart = pd.DataFrame(counts, index=["codes", "differing"]).T
share = 100 * apart["differing"] / apart["codes"]
print(guesses.settle("5. codes of resnet8 that differ, %", share["resnet8"].iloc[1], 1))
assert apart["differing"].xs("ours, reference", level=1).max() == 0
apart.assign(per_cent=share.round(4))

# %% [markdown]
r"""
Not one code of ours differs from the reference kernels, on all four networks, over
millions of codes. But LiteRT differs from *itself*, and belief 2 fails: integers are
exact, and a file still does not say how its shifts round. XNNPACK multiplies the
accumulator by $M$ in float32 and rounds halves to the even number (tensorflow issue
102943). In nearly all cases that is the same as shifting *once*; the issue has numbers
for which it differs from both:
"""

# %%
s_x, s_w, s_y = np.float32([0.052961245, 0.024093779, 0.11484328])
M = s_x * s_w / s_y
m0, n = integer.quantize_multiplier(M)
twice, once = (int(integer.rescale(585, m0, n, how)) for how in ("double", "single"))
print(f"{585 * float(M):.7f} -> {twice = }, {once = }")
print("float32, halves to even:", int(integer.rescale_in_float32(585, M)))

# %% [markdown]
r"""
In section 4 one code in a thousand depended on how a shift rounds. In `resnet8` it is
several in a hundred. Where do the others come from? Two measurements, layer by layer:
each layer *alone*, reading the same codes in both ways, and the layers *one after
another*, as in the network.
"""

# %%
file, some = int8["resnet8"].to_bytes(), pictures["resnet8"][:100]
ways = ("double", "single")
layers = {
    "one after another": integer.compare(file, some, *ways),
    "alone": integer.compare(file, some, *ways, alone=True),
}
shares = {
    label: {found.layer: found.differing / found.codes for found in counted}
    for label, counted in layers.items()
}
pool = integer.IntegerNetwork.from_bytes(file).layer("pool").multipliers[0]
n_pool = int(pool.n) + 6  # the mean of 64 = 2**6 pixels shifts by 6 more
print(f"pool alone: {shares['alone']['pool']:.1%}, law {2.0 ** -(n_pool + 1):.1%}")
assert max(found.largest for found in layers["alone"]) == 1
assert abs(shares["alone"]["pool"] * 2.0 ** (n_pool + 1) - 1) < 0.2
assert share["resnet8"].iloc[1] > 1  # "several in a hundred"

# %%
from labkit.plots import draw_layers

name = "stage3_block1_conv2"
assert shares["one after another"][name] > 20 * shares["alone"][name]
assert sorted(shares["alone"].values())[-2] < 0.005
draw_layers(figure(8.5, 3.8), shares, "codes that differ by rounding")

# %% [markdown]
r"""
Alone, a convolution differs in a few codes of a thousand, or fewer, as section 4
foretold, and none is off by more than one. `pool` is no exception: its $M$ is large, so
it shifts by $n = 2$ only, and the law says one code in $2^3$. (Layers without
any difference have no point.) One after another, a code that is off by one enters
hundreds of sums of the next layer, and tips those that were near a half. In
`stage3_block1_conv2` more than 20 times as many codes differ as its own rounding
explains.

Does the *answer* change? Compare in pairs, on validation images: this file with double
rounding, and with LiteRT's default kernels.
"""

# %%
split = validation["resnet8"].take(1000)
double = accuracy(integer.IntegerNetwork.from_bytes(file, "double"), split)
pair = compare(double, accuracy(int8["resnet8"], split))
print(pair.newly_wrong, "newly wrong,", pair.newly_right, "newly right")
assert pair.p_value > 0.05 and pair.newly_wrong + pair.newly_right < 30

# %% [markdown]
r"""
A few answers at the border change, about as many for the better as for the worse: no
difference that the test can see. So a product may use any of these kernels. But whoever
checks a chip against a simulator must know which rounding the other side does, or will
hunt a fault that is none.

The next table is committed evidence: all 10,000 test images, every layer's codes, our
integers against LiteRT's two kinds of kernels. The line above it names the command that
rebuilds it, and the minutes that it took.
"""

# %%
import json

from labkit.zoo import DATA_FOLDER

evidence = json.loads((DATA_FOLDER / "results" / "integers.json").read_text())
print(evidence["command"], f"({evidence['seconds'] / 60:.0f} minutes)")
table = pd.json_normalize(evidence["rows"], "pairs", ["network", "granularity"])
table = table[(table["first"] == "reference") & (table["images"] == 10_000)]
exact = table[table["second"] == "litert-reference"]
assert exact["differing"].max() == 0 and exact["codes"].sum() > 10**9
columns = ["second", "codes", "differing", "largest", "predictions_changed"]
table.set_index(["network", "granularity"])[columns]

# %% [markdown]
r"""
## 7. What is deployed

Back to files that a phone would load. Belief 3 has two halves, bytes and speed.

**Predict 6.** `resnet8` with 8-bit weights and activations (static): how many times
smaller is its file than the float32 file?
"""

# %%
guesses.guess("6. resnet8 W8A8, times smaller", None)  # a number, such as 4

# %%
from labkit.measure import latency

MORE = {
    "W8 weight-only": {"bits": 8, "mode": "weight_only"},
    "W4 weight-only": {"bits": 4, "mode": "weight_only"},
    "W2A8 dynamic": {"bits": 2, "mode": "dynamic"},
}
deployed, times = {}, {}
for name in SMALL:
    made = {key: deployable(networks[name], **how) for key, how in MORE.items()}
    reasons = [file.reason for file in made.values() if hasattr(file, "reason")]
    print(f"{name}:", *reasons or ["every file could be made"])
    made = {key: file for key, file in made.items() if not hasattr(file, "reason")}
    deployed[name] = {"float32": networks[name]} | files[name] | made
    times[name] = latency(deployed[name])

# %%
rows = {
    (name, key): (len(file.to_bytes()), times[name][key].median_us)
    for name in SMALL
    for key, file in deployed[name].items()
}
ledger = pd.DataFrame(rows, index=["bytes", "µs an image"]).T
base = ledger.xs("float32", level=1).reindex(ledger.index, level=0)
ledger[["times smaller", "times faster"]] = base / ledger
smaller = ledger["times smaller"].unstack()
eight_bits = smaller.loc["resnet8", "W8A8 static"]
print(guesses.settle("6. resnet8 W8A8, times smaller", eight_bits, within=0.2))
assert smaller["W8A8 static"].idxmin() == "resnet8"
assert smaller.filter(like="W8").max(axis=None) < 4
assert smaller.filter(like="W4").max(axis=None) < 8
faster = ledger["times faster"].unstack()
relations = {
    "W8A8 is faster than float32, on each": (faster["W8A8 static"] > 1).all(),
    "W8A16 takes twice as long, on each": (faster["W8A16 static"] < 0.5).all(),
}
print(shown(relations))
ledger.round(2).astype({"bytes": int})

# %% [markdown]
r"""
No file reaches the factor that its bits promise, 4 for 8 bits and 8 for 4, and the
smallest network is furthest from it. All times are this machine's, of this one run, the
files in turns; another processor, or a busy one, need not show what these lines say.
"Times faster" below 1 means *slower than float32*. Where does `resnet8` leave its
bytes?
"""

# %%
from labkit.measure import byte_parts
from labkit.plots import draw_bars

parts = byte_parts(files["resnet8"]["W8A8 static"].to_bytes())
assert parts["kernels"] < 0.9 * sum(parts.values())
draw_bars(figure(7.5, 2.4), parts, "bytes of resnet8, W8A8 static")

# %% [markdown]
r"""
Kernels shrank to a quarter; the rest did not shrink with them. Each output channel has
a scale of 4 bytes for its kernel and one for its bias, and to each the format adds a
*zero point* of 8 bytes, although it is 0 for every channel. A bias stays at 32 bits,
because it is added to sums of 32 bits. And the graph is described as before, with more
operators. In a large network all this is lost beside the kernels. In a small one it is
a tenth of the file or more.

The ledger says the rest, from what was measured.
"""

# %%
from dataclasses import replace

from labkit.measure import deployed_row, explain, network_row

network = networks["resnet8"]
stages = [network_row(network)]
chosen = ("W8A8 static", "W8A16 static", "W8 weight-only", "W4A8 static")
stages += [deployed_row(deployed["resnet8"][key], network, key) for key in chosen]
stages = [replace(row, latency=times["resnet8"][row.stage]) for row in stages]
print("\n\n".join(explain(stages)))

# %% [markdown]
r"""
Read the sentences beside the table.

- **Weight-only** files keep integers and multiply floats: each layer's weights are
  decoded first. They are as small as the others and no faster by design. Where the
  runtime decodes them anew for each image, they are slower.
- **16-bit activations** have no fast kernels in LiteRT on most processors: plain loops
  do the work; where that is so, the table shows a time far above float32's. They are a
  format for accelerators that have the arithmetic.
- **W4A8** halves the weights of W8A8 and not the time: before 4-bit weights meet 8-bit
  activations somebody must unpack them. How much that costs depends on the processor
  and on the layer; compare its rows for `mlp` and `resnet8`.
- **W8A8** is where kernels and format meet. If it is the fastest row of your table,
  that is why.

So belief 3 fails in both halves: bytes, because only the kernels shrink; speed, because
it is a property of kernels and not of bits.

## Recap

- Activations depend on the picture. With min-max, $n$ calibration pictures leave
  one in $n + 1$ new ones clipped somewhere; at few bits min-max is spoiled by the rare
  number, and more pictures make it worse.
- Dynamic ranges fit each picture, and cost work and floats while the network runs.
- $q_y = Z_y + M\,(q_b + \sum q_w (q_x - Z_x))$, with $M = 2^{-n} m_0 / 2^{31}$: int8
  products, int32 sums, one wide product, a rounding shift, saturation.
- Two correct roundings differ in one code of $2^{n+1}$, and a deep network multiplies
  these differences. The accuracy doesn't notice, a test for equality does.
- Bytes are scales, zero points, biases and graphs, too. Speed is kernels.

**Where this stops being true.** The law $1/(n+1)$ assumes that calibration and use see
the same kind of pictures. Networks with outlier channels, such as large language
models, lose accuracy already with 8-bit activations per tensor (Dettmers et al. 2022,
arXiv:2208.07339). Which kernels are fast
differs from processor to processor and from one version of LiteRT to the next. And
networks that are *trained* with rounding do well at bits where these have fallen:
notebook `02b_train_for_it`.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A bird feeder has a camera and a chip with int8 multipliers and
no floats. You calibrated `resnet8` with W8A8 on 20 pictures from one sunny afternoon,
min-max. At dusk its accuracy drops. A colleague proposes: (a) dynamic quantization, (b)
20 more pictures of that afternoon, (c) 16-bit activations, (d) 20 pictures of all times
of the day, with the percentile rule. What do you try first, and why not the others?

<details><summary>One answer</summary>

(d). The ranges come from the wrong pictures: at dusk the numbers that flow are others.
(b) brings more of the same, and the law of section 1 needs pictures of the kind that
will come. (a) would fit each picture, but makes its scales with floats, which the chip
has not. (c) only refines the steps inside a range that does not fit: what is clipped
stays clipped. Whether percentile or min-max matters little at 8 bits. Before all this,
check with the float network whether quantization is to blame at all.

</details>
"""
