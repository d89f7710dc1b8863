# %% [markdown]
r"""
# Measure what rounding costs

**What you'll do.** Round the weights of four trained networks to a few bits, and
measure each step: on twelve numbers, on a layer, on the network.

**What you'll learn**
- to map reals to integers and back with a scale and a zero point;
- to tell round-off from clipping, and to choose a range between them;
- to predict the error of a layer from its bits and its shape, with the 6.02 dB rule;
- to say what a finer granularity gains and what it costs;
- to choose a setting on validation images and report it on test images.

**What you'll need.** Notebook 00: the ledger, paired comparison, a panel. About 60
minutes of yours, one minute of two cores. Three exercises, 12 points.

**Three beliefs that this notebook tests**
1. "To quantize, multiply by the quantization factor and round." So says the article
   that this lab grew out of.
2. "A good range covers all the weights, so that nothing is clipped."
3. "4 bits a weight means 4 bits a weight."

Here only *weights* are rounded. What layers compute stays float32.
"""

# %%
import numpy as np
import pandas as pd

from labkit import quantize as lab
from labkit import zoo
from labkit.checks import Predictions
from labkit.latency import machine
from labkit.plots.base import figure

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. Twelve numbers and four ticks

An integer of $b$ bits has $2^b$ values. Quantization lays $2^b$ evenly spaced ticks on
the number line and stores, for each real $r$, the number $q$ of the nearest tick. Two
constants say where the ticks are: the *scale* $S$, the distance between two ticks, and
the *zero point* $Z$, the code of the real number 0 (Jacob et al. 2018,
arXiv:1712.05877, eq. 1):

$$ r = S\,(q - Z). $$

On a signed grid $q$ runs from $-2^{b-1}$ to $2^{b-1} - 1$. Between $2^b$ ticks lie
$2^b - 1$ steps. So the range `lo` to `hi` of our numbers fixes both constants.
"""

# %%
x = np.array([-0.95, -0.6, -0.38, -0.22, -0.1, 0, 0.06, 0.17, 0.29, 0.44, 0.71, 1.15])
bits = 3
scale = (x.max() - x.min()) / (2**bits - 1)
zero_point = round(-(2 ** (bits - 1)) - x.min() / scale)
print(f"{scale = :.3f}  {zero_point = }")

# %%
assert (scale, zero_point) == lab.affine_params(x.min(), x.max(), bits)
q = np.clip(np.rint(x / scale) + zero_point, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
x_hat = scale * (q - zero_point)
np.testing.assert_allclose(x_hat, lab.fake_quantize(x, scale, zero_point, bits))
table = pd.DataFrame({"x": x, "q": q, "x_hat": x_hat, "error": x - x_hat})
table.T.map("{:.3g}".format)

# %% [markdown]
r"""
Read the table from top to bottom: the real number, the code that is stored, the number
that comes back, what was lost. The number 0 comes back as exactly 0. That is on
purpose: $Z$ is rounded to an integer, which shifts the whole grid a little, because
zero padding and the zeros of ReLU must not turn into small errors everywhere (sec. 2.1
of the paper).

**Predict 1.** With 2 bits there are four ticks. How many *different* values do the
twelve numbers become? And how large can an error be, counted in steps $S$, if nothing
is clipped?
"""

# %%
guesses.guess("1a. different values at 2 bits", None)  # a whole number
guesses.guess("1b. largest error in steps", None)  # a number, such as 1.5

# %%
from labkit.plots.numbers import draw_number_lines


def grid(bits):
    return lab.affine_grid(*lab.affine_params(x.min(), x.max(), bits), bits)


grids = {f"{b} bits, {2**b} ticks": grid(b) for b in (2, 3, 4)}
draw_number_lines(figure(8, 4.2), x, grids)

# %%
scale, zero_point = lab.affine_params(x.min(), x.max(), 2)
error = lab.roundoff_error(x, scale, zero_point, 2)
values = len(np.unique(lab.quantize_affine(x, scale, zero_point, 2)))
print(guesses.settle("1a. different values at 2 bits", values))
print(guesses.settle("1b. largest error in steps", np.abs(error).max() / scale, 0.15))
assert np.abs(error).max() <= scale / 2

# %% [markdown]
r"""
Each dot falls to its nearest tick, and every picture has a tick at the green triangle,
0. One bit more doubles the ticks and halves the gaps. Inside the grid no error is
larger than half a step, as the assert says. Change the 2 in the last cell, or the
numbers in `x`, and run it again.

**Exercise 1** (10 minutes, 4 points). Write `scale_zero_point(lo, hi, bits)` for any
range. If `lo` to `hi` does not contain 0, widen it first: 0 needs a tick. Return the
scale, and the zero point as an integer.
"""


# %%
def scale_zero_point(lo, hi, bits):
    raise NotImplementedError


# %%
from labkit.checks import check_scale_zero_point

check_scale_zero_point(scale_zero_point)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`min(lo, 0)` and `max(hi, 0)` widen the range. The lowest code, $-2^{b-1}$, belongs to
`lo`: put both into $r = S(q - Z)$ and solve for $Z$.

</details>
<details><summary>Solution</summary>

```python
def scale_zero_point(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (2**bits - 1)
    return scale, round(-(2 ** (bits - 1)) - lo / scale)
```

</details>

## 2. A recipe that turns a network off

Belief 1 comes with code. This is the article's function, its syntax mended and nothing
else. It computes the same factor, $(\max - \min) / (2^b - 1)$, then multiplies by it.
"""


# %%
def article_quantize(parameter, max_value, min_value, bit_width):
    factor = (max_value - min_value) / (2**bit_width - 1)
    quantized = np.round(parameter * factor)
    return quantized / factor


article_quantize(x, x.max(), x.min(), 8)

# %% [markdown]
r"""
**Predict 2.** Apply it to every kernel of `mlp`, at 8 bits. What share of the weights
is still not zero, in per cent? And what accuracy is left?
"""

# %%
guesses.guess("2a. weights left, per cent", None)  # 0 to 100
guesses.guess("2b. accuracy left, per cent", None)  # 0 to 100

# %%
from labkit.measure import accuracy, compare

test = {name: zoo.dataset(name).test for name in zoo.NAMES}


def with_kernels(network, function):
    changed = {f"{name}/kernel": function(w) for name, w in network.kernels.items()}
    return network.with_weights(changed)


article = with_kernels(
    networks["mlp"], lambda w: article_quantize(w, w.max(), w.min(), 8)
)
left = np.mean([np.mean(w != 0) for w in article.kernels.values()])
off = accuracy(article, test["mlp"])

# %%
print(guesses.settle("2a. weights left, per cent", 100 * left, 1))
print(guesses.settle("2b. accuracy left, per cent", 100 * off.value, 3))
assert left == 0 and off.value < 0.15

# %% [markdown]
r"""
Every weight became 0. The network answers the same digit for each picture, and is right
as often as that digit occurs. The factor is a *step*, real units a tick, so a number of
ticks is $x$ divided by it. The article's own example, $0.8 \times 2/255$, rounds to 0;
divided, $0.8 / (2/255)$ is 102 ticks.

Mend one operation and measure again.
"""


# %%
def mended(w, bits=8):
    step = (w.max() - w.min()) / (2**bits - 1)
    return step * np.round(w / step)


before = accuracy(networks["mlp"], test["mlp"])
after = accuracy(with_kernels(networks["mlp"], mended), test["mlp"])
paired = compare(before, after)
print(f"{paired.newly_wrong} newly wrong, {paired.newly_right} newly right")
assert paired.newly_wrong + paired.newly_right < 50

# %% [markdown]
r"""
Of 10,000 images fewer than 50 change sides. Yet two faults are left. Nothing is
*smaller*: the function returns floats. And nothing keeps the codes inside 8 bits. Store
them as `int8` and a number outside the range doesn't saturate, it wraps around.
"""

# %%
w = networks["mlp"].kernels["fc1"]
print(f"float32 {w.nbytes:,} B, mended {mended(w).nbytes:,} B")
step = 2 / 255  # for a range of -1 to 1
outside = np.array([0.5, 0.99, 1.01, 1.5])
wrapped = np.round(outside / step).astype(np.int64).astype(np.int8)
print(outside, "->", (step * wrapped).round(2))

# %%
assert mended(w).nbytes == w.nbytes
assert wrapped[1] > 0 > wrapped[2]

# %% [markdown]
r"""
A weight of 1.01 comes back as about $-1$: clipping to the integer range is not a
detail.

**Exercise 2** (10 minutes, 4 points). Write `fake_quantize(x, scale, zero_point,
bits)`: divide, round (`np.rint`, halves to the even code), shift, clip, and come back.
It is called *fake* because the result is float again: it shows the error that the
stored codes would make (Jacob et al. 2018, eq. 12).
"""


# %%
def fake_quantize(x, scale, zero_point, bits):
    raise NotImplementedError


# %%
from labkit.checks import check_fake_quantize

check_fake_quantize(fake_quantize)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Clip the *codes*, after the zero point was added: `np.clip(q, qmin, qmax)` with
`qmin = -(2 ** (bits - 1))` and `qmax = 2 ** (bits - 1) - 1`.

</details>
<details><summary>Solution</summary>

```python
def fake_quantize(x, scale, zero_point, bits):
    qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    q = np.clip(np.rint(x / scale) + zero_point, qmin, qmax)
    return scale * (q - zero_point)
```

</details>

## 3. Two errors pull at the range

For weights the lab uses the *symmetric* grid: $Z = 0$ and codes from $-(2^{b-1} - 1)$
to $2^{b-1} - 1$, the same on both sides (LiteRT's 8-bit specification). One number is
left to choose, the scale. A range that covers all weights clips nothing, and belief 2
says that is best. Look at its price when one number is far out.
"""

# %%
far = np.append(x[:-1], 3.0)
wide, narrow = far.max() / 3, 0.9 / 3
lines = {
    "3 bits, the range covers all": wide * np.arange(-3, 4),
    "3 bits, the range ends at 0.9": narrow * np.arange(-3, 4),
}
draw_number_lines(figure(8, 3), far, lines)

# %%
errors = {
    title: np.square(far - ticks[np.abs(far[:, None] - ticks).argmin(1)])
    for title, ticks in lines.items()
}
table = pd.DataFrame(errors, index=far).T
table.round(3)

# %%
inner = table.iloc[:, :-1].sum(axis=1)
assert inner.iloc[1] < inner.iloc[0] / 2

# %% [markdown]
r"""
With the wide range one number is exact and most others crowd on the middle ticks. With
the narrow one the orange diamond is *clipped*, and the eleven others together err less
than half as much. Every range trades the two errors:

- **round-off**, of numbers inside: at most $S/2$ each, it grows with the range;
- **clipping**, of numbers outside: it grows as the range shrinks.

A layer has many small weights and few large ones, so which of the two wins depends on
how many of each. The function splits the mean squared error of a whole layer.
"""


# %%
def split_error(w, scale, bits):
    top = 2 ** (bits - 1) - 1
    inside = np.clip(w, -top * scale, top * scale)
    roundoff = inside - scale * np.rint(inside / scale)
    return np.mean(np.square(roundoff)), np.mean(np.square(w - inside))


w = networks["mlp"].kernels["fc1"]
peak = float(np.abs(w).max())
minmax = lab.quantize(w, bits=4)
total = np.mean(np.square(w - minmax.decode()))
np.testing.assert_allclose(sum(split_error(w, peak / 7, 4)), total, rtol=1e-3)

# %% [markdown]
r"""
**Predict 3.** Take `fc1` of `mlp` at 4 bits. At which share of the largest weight
should the range end, so that the total error is smallest? 1 means "cover all".
"""

# %%
guesses.guess("3. best range at 4 bits, share of the peak", None)  # 0 to 1

# %%
from labkit.plots.curves import Curve, Look, draw_curves

shares = np.linspace(0.1, 1, 37)
plots, best = {}, {}
for bits in (4, 8):
    top = 2 ** (bits - 1) - 1
    parts = np.array([split_error(w, share * peak / top, bits) for share in shares])
    lines = {"round-off": parts[:, 0], "clipping": parts[:, 1], "sum": parts.sum(1)}
    best[bits] = shares[lines["sum"].argmin()]
    plots[f"{bits} bits"] = {
        name: Curve(shares[y > 0], y[y > 0]) for name, y in lines.items()
    }

# %%
look = Look("range, share of the largest weight", "mean squared error", yscale="log")
draw_curves(figure(8, 3.2), plots, look)

# %%
print(guesses.settle("3. best range at 4 bits, share of the peak", best[4], 0.1))
assert 0.1 < best[4] < best[8] <= 1

# %% [markdown]
r"""
Round-off rises with the range, clipping falls, and their sum has a minimum in between.
At 4 bits it lies well inside: belief 2 fails, clipping the largest weights *helps*. At
8 bits the steps are fine and the best range moves out, as the assert says. Few bits
need narrow ranges.

The lab's `least_squares` rule searches that minimum for every scale. Its scale agrees
with our sweep.
"""

# %%
searched = lab.quantize(w, bits=4, rule="least_squares")
found = float(searched.scale[0]) * 7 / peak
gain = lab.sqnr_db(w, searched.decode()) - lab.sqnr_db(w, minmax.decode())
print(f"range at {found:.3f} of the peak, {gain:.1f} dB better than min-max")
assert abs(found - best[4]) < 0.05 and gain > 0

# %% [markdown]
r"""
## 4. Six decibels a bit

The last cell spoke of decibels. The *signal to quantization noise ratio* compares the
energy of the weights with that of their error:

$$ \mathrm{SQNR} = 10 \log_{10} \frac{\sum w^2}{\sum (w - \hat w)^2}\ \mathrm{dB}. $$

If errors are spread evenly over a step, $-S/2$ to $S/2$, their mean square is $S^2/12$
(Bennett 1948). One bit more halves $S$, divides the noise by 4, and adds
$10\log_{10} 4 = 6.02$ dB. For a grid that covers $-p$ to $p$, this gives

$$ \mathrm{SQNR} \approx 6.02\, b + 4.77 - 20 \log_{10} (p / \mathrm{rms}). $$

Evenly spread numbers have $p/\mathrm{rms} = \sqrt 3$, and the last two terms cancel.
"""

# %%
uniform = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
ideal = {b: lab.sqnr_db(uniform, lab.quantize(uniform, b).decode()) for b in (6, 7, 8)}
print({b: round(db, 2) for b, db in ideal.items()}, "rule:", 8 * 6.02)
assert abs(ideal[8] - ideal[7] - 6.02) < 0.15

# %% [markdown]
r"""
Weights are not evenly spread: most are small, and the peak is many times the rms. By
the formula a layer with a larger $p/\mathrm{rms}$ loses a constant number of decibels
at *every* bit width. Here is that ratio for the largest layer of each network.
"""

# %%
largest = {
    name: max(network.kernels.values(), key=np.size)
    for name, network in networks.items()
}


def peak_to_rms(w):
    return float(np.abs(w).max() / np.sqrt(np.mean(np.square(w))))


print({name: round(peak_to_rms(w), 2) for name, w in largest.items()})

# %% [markdown]
r"""
**Predict 4.** How many *bits* does its ratio cost the layer of `mlp`, compared with
evenly spread numbers, whose ratio is $\sqrt 3$?
"""

# %%
guesses.guess("4. bits lost by the shape of fc1", None)  # a number, such as 0.5

# %%
lost = np.log2(peak_to_rms(largest["mlp"]) / np.sqrt(3))
print(guesses.settle("4. bits lost by the shape of fc1", lost, 0.3))

# %%
widths = range(2, 13)
sources = {"evenly spread": uniform} | largest
measured = {
    name: [lab.sqnr_db(w, lab.quantize(w, b).decode()) for b in widths]
    for name, w in sources.items()
}
curves = {name: Curve(widths, values) for name, values in measured.items()}
look = Look("bits", "SQNR, dB (largest layer)", whole=True)
draw_curves(figure(7.5, 4), {"": curves}, look)

# %%
rule = pd.DataFrame(
    {
        "peak / rms": {name: peak_to_rms(w) for name, w in sources.items()},
        "rule, 8 bits": {
            name: lab.six_db_rule(8, peak_to_rms(w)) for name, w in sources.items()
        },
        "measured, 8 bits": {name: db[6] for name, db in measured.items()},
    }
)
assert (rule["rule, 8 bits"] - rule["measured, 8 bits"]).abs().max() < 0.5
rule.round(2)

# %%
steps = np.diff(list(measured.values()), axis=1)
assert np.abs(steps[:, 4:] - 6.02).max() < 0.5

# %% [markdown]
r"""
From 6 bits up all lines rise in parallel by 6 dB a bit, within the half decibel that
the assert allows. They differ in height, and that height is `peak / rms` alone: one
number of a layer predicts its error before anything is quantized.

The rule needs fine steps and no clipping. At 2 bits the symmetric grid has only the
values $-S, 0, S$, and the lines leave the rule. And with the best range at each bit
width, clipping included, the noise is lower but the slope flatter:
"""

# %%
searched = [
    lab.sqnr_db(w, lab.quantize(w, b, rule="least_squares").decode()) for b in widths
]
pair = {"min-max": measured["mlp"], "least squares": searched}
slopes = {name: (db[6] - db[1]) / 5 for name, db in pair.items()}
print("dB a bit from 3 to 8 bits:", {k: round(v, 2) for k, v in slopes.items()})
assert slopes["least squares"] < 5.6 < slopes["min-max"]
assert all(new >= old for old, new in zip(*pair.values(), strict=True))

# %% [markdown]
r"""
## 5. One scale, or many?

A scale must fit the largest weight that it serves. One large weight makes the steps
coarse for all that share its scale. So let fewer share. *Per channel* gives each output
channel its own scale (Krishnamoorthi 2018, arXiv:1806.08342); *per block* gives one to
each 32 weights. Which kernel of the zoo has the most unequal channels?
"""

# %%
spread = {}
for name, network in networks.items():
    for layer, w in network.kernels.items():
        peaks = np.abs(w.reshape(len(w), -1)).max(axis=1)
        spread[name, layer] = peaks.max() / peaks.min()
worst = max(spread, key=spread.get)
print(worst, f"{spread[worst]:.1f}")
assert spread[worst] > 3

# %%
from labkit.plots.numbers import draw_channel_ranges

draw_channel_ranges(figure(8, 3), networks[worst[0]].kernels[worst[1]])

# %% [markdown]
r"""
Each blue line is the range of one output channel. The dashed lines are the range that
all of them must share when there is one scale. The channel at the left uses less than a
third of it, as the assert above says: of $b$ bits, more than one and a half are wasted
there.

**Exercise 3** (10 minutes, 4 points). Write `channel_scales(w, bits, axis)`: the
symmetric scale of every slice of `w` along `axis`. A channel may be all zeros, and
later you divide by its scale.
"""


# %%
def channel_scales(w, bits, axis):
    raise NotImplementedError


# %%
from labkit.checks import check_channel_scales

check_channel_scales(channel_scales)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Take the maximum of `np.abs(w)` over *all the other* axes: `np.max` accepts a tuple of
axes. The largest code is $2^{b-1} - 1$. `np.where(peak > 0, …, 1.0)` serves dead
channels.

</details>
<details><summary>Solution</summary>

```python
def channel_scales(w, bits, axis):
    others = tuple(a for a in range(w.ndim) if a != axis)
    peak = np.abs(w).max(axis=others)
    return np.where(peak > 0, peak / (2 ** (bits - 1) - 1), 1.0)
```

</details>

The lab does the same. Here is the core of `quantize` for a dense kernel, written out:
"""

# %%
w = networks["mlp"].kernels["fc1"]
scales = np.abs(w).max(axis=1) / np.float32(7)
q = np.clip(np.rint(w / scales[:, None]), -7, 7)
by_channel = lab.quantize(w, bits=4, granularity="channel")
np.testing.assert_array_equal(q, by_channel.q)
np.testing.assert_array_equal(scales, by_channel.scale)

# %% [markdown]
r"""
**Predict 5.** A block of 32 weights at 4 bits has one float32 scale. How many bits does
the file spend a weight, all counted?
"""

# %%
guesses.guess("5. bits a weight, 4-bit blocks of 32", None)  # a number

# %%
from labkit.codec import payload_bytes


def price_and_quality(w, bits, granularity):
    quantized = lab.quantize(w, bits, granularity)
    price = 8 * payload_bytes(quantized) / w.size
    return price, lab.sqnr_db(w, quantized.decode())


settings = [(4, "tensor"), (4, "channel"), (5, "channel"), (4, "block")]
rows = {
    (name, *setting): price_and_quality(w, *setting)
    for name, w in largest.items()
    for setting in settings
}
columns = ["bits a weight, all counted", "SQNR, dB"]
costs = pd.DataFrame(rows, index=columns).T
costs.round(2)

# %%
price = costs.loc[("mlp", 4, "block"), "bits a weight, all counted"]
print(guesses.settle("5. bits a weight, 4-bit blocks of 32", price, 0.1))
quality = costs["SQNR, dB"].unstack([1, 2])
assert (quality[4, "tensor"] < quality[4, "channel"]).all()
assert (quality[4, "channel"] < quality[4, "block"]).all()
assert (quality[4, "block"] < quality[5, "channel"]).all() and price >= 5

# %% [markdown]
r"""
At equal bits, finer is better on all four layers: block over channel over tensor. But
belief 3 fails: a float32 scale for 32 weights is one bit more for each of them, so
"4-bit blocks" cost 5 bits. At that price 5 bits per channel have *less* noise on all
four layers. Granularity must be compared at equal bytes. (Formats that use blocks
therefore store their scales in 8 or 16 bits.)

## 6. From noise to wrong answers

Decibels are not accuracy. A network forgives noise, up to a point, and only measuring
says where. The panel compresses `mlp` at each position and runs the files.

**Predict 6.** `mlp` at 2 bits, one scale a channel, min-max range: what accuracy,
from 0 to 1? Your guess is drawn into the panel as a dashed line.
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.9
guesses.guess("6. accuracy of mlp at 2 bits", accuracy_guess)

# %%
from labkit.panels import quantization_panel

panel = quantization_panel("mlp", guess=accuracy_guess, bits=3, granularity="channel")
panel

# %% [markdown]
r"""
Drive it by mouse or keyboard, and answer three questions before you read on.

1. At 2 bits, change the *range* from min–max to least squares. What happens to the
   point, and to the ticks in the histogram?
2. At 2 bits, which is worth more: a finer granularity, or a better range? Watch both
   directions of the plane.
3. Choose `resnet8`. Is it as forgiving as `mlp`?
"""

# %%
two = panel.set(network="mlp", bits=2, granularity="channel", rule="minmax")
mended_range = panel.set(rule="least_squares")
value = two.accuracy.value
print(guesses.settle("6. accuracy of mlp at 2 bits", value, 0.05))
print(f"with least squares: {mended_range.accuracy.value:.4f}")

# %%
size = {two.compressed.size_bytes, mended_range.compressed.size_bytes}
assert mended_range.accuracy.value > value and max(size) < 1.02 * min(size)

# %% [markdown]
r"""
The panel above has moved, look at it again. The better range lifts the accuracy at 2
bits and costs no bytes: the same number of scales is stored, only their values differ.

### Sweep: bits × granularity × networks

Now the same function over a grid: 7 bit widths, 3 granularities, 4 networks. Each
position is a real file, run on the first 1,000 *validation* images, because we are
about to choose from it, and choices are never made on test images. The band is the 95 %
interval.
"""

# %%
from labkit.compress import quantize_network

N = 1000
widths = range(2, 9)
validation = {name: zoo.dataset(name).validation for name in zoo.NAMES}
base = {name: accuracy(networks[name], validation[name], N) for name in zoo.NAMES}
sweep = {}
for name, network in networks.items():
    for granularity in lab.GRANULARITIES:
        for bits in widths:
            file = quantize_network(network, bits, granularity)
            result = accuracy(file.network, validation[name], N)
            sweep[name, granularity, bits] = result, file.size_bytes

# %%
plots = {name: {} for name in zoo.NAMES}
for name in zoo.NAMES:
    for granularity in lab.GRANULARITIES:
        results = [sweep[name, granularity, bits][0] for bits in widths]
        low, high = np.transpose([result.interval for result in results])
        values = [result.value for result in results]
        plots[name][granularity] = Curve(widths, values, low, high)
look = Look("bits", "accuracy, 1,000 validation images", percent=True, whole=True)
draw_curves(figure(8.5, 6), plots, look, {n: base[n].value for n in zoo.NAMES})

# %%
at = {key: result.value for key, (result, _) in sweep.items()}
for name in zoo.NAMES:
    assert at[name, "tensor", 2] < base[name].value - 0.2
    assert abs(at[name, "channel", 8] - base[name].value) < 0.01
gain = np.mean([at[n, "block", 2] - at[n, "tensor", 2] for n in zoo.NAMES])
assert gain > 0
print(f"2 bits: blocks keep {100 * gain:.0f} points more than one scale, on average")

# %% [markdown]
r"""
All four networks share a shape: a plateau, then a cliff. With 8 bits per channel each
is within one point of its float32 line (dotted). With 2 bits and one scale each has
fallen by more than 20 points; averaged over the networks, blocks keep more there, as
the last line says. Where the cliff stands differs from network to network, so no table
can replace the measurement.

### Choose on validation, report on test

A fair choice has a rule that is fixed beforehand: the *smallest packed file* that loses
at most half a point on the validation images. Bytes, not bits, so blocks pay for their
scales.
"""


# %%
def choose(name):
    allowed = [
        (size, granularity, bits)
        for (who, granularity, bits), (result, size) in sweep.items()
        if who == name and result.value >= base[name].value - 0.005
    ]
    return min(allowed)


chosen = {name: choose(name) for name in zoo.NAMES}

# %%
rows = []
for name, (size, granularity, bits) in chosen.items():
    file = quantize_network(networks[name], bits, granularity)
    before, after = (accuracy(n, test[name]) for n in (networks[name], file.network))
    paired = compare(before, after)
    low, high = (100 * end for end in paired.interval)
    rows.append(
        (name, bits, granularity, size, len(networks[name]) / size, before.value,
         after.value, f"{low:+.2f} to {high:+.2f}", paired.p_value)
    )  # fmt: skip

# %%
columns = ["network", "bits", "granularity", "bytes", "times_smaller"]
columns += ["float32", "chosen", "points", "p"]
report = pd.DataFrame(rows, columns=columns).set_index("network")
assert (report["times_smaller"] > 4).all()
report.round(4)

# %% [markdown]
r"""
Every network is now more than 4 times smaller than its float32 file. `points` is the
paired 95 % interval of the change in percentage points, on all 10,000 test images,
which had no part in the choice. Where the interval lies below 0, the loss is real, and
on 1,000 validation images it could not be seen: a small sample picks a winner that is
partly lucky. Which networks are so in your table? What would you change in the rule?

## Recap

- $r = S(q - Z)$: divide by the scale, round, shift, clip; multiply to come back.
- A range trades round-off against clipping; with few bits, clip.
- SQNR grows by 6.02 dB a bit while steps are fine, from a height that
  peak / rms decides.
- Finer granularity helps at equal bits, and has a price in bytes.
- Accuracy has a plateau and a cliff, at a place that must be measured.

**Where this stops being true.** Only weights were rounded here: an integer network also
rounds activations, whose ranges depend on the pictures. The 6.02 dB rule fails at 2 and
3 bits. Least squares on weights ignores which weights matter to the output. And
networks that are *trained* with rounding stand at places where these fall.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A speech network has a dense layer with 512 outputs. Three of its
output channels have weights 100 times larger than all others. You may spend 4 bits a
weight and a few scales. Which do you choose: one scale with least squares, one
scale per channel with min-max, or blocks of 32 with min-max? Why?

<details><summary>One answer</summary>

One scale per channel. The three channels then spoil no one else, and 512 scales are
little beside the weights, if the layer has more than a few hundred inputs. One scale
with least squares must either clip the three channels, and with them large outputs, or
round all others to zero. Blocks cure the problem too, but cost one bit a weight more,
and their extra fineness is not needed: the trouble lies between channels, not within.

</details>
"""
