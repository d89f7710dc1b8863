# %% [markdown]
r"""
# Train a network for its grid

**What you'll do.** Round the weights and the activations of trained networks until
they break. Then send gradients through the rounding, by hand, and train a network
back to life while you watch.

**What you'll learn**
- to say where rounding after the training ends, and why;
- to compute the straight-through gradient, and the gradient to a scale;
- to say what such a training learns: weights, scales, ranges;
- to read what it gains and what it does not: bytes, speed, parameters;
- to copy a network without losing what it learned.

**What you'll need.** Notebook 01: fake quantization, scales, least squares. About 60
minutes of yours, and less than two of two cores. Two exercises, 10 points. The
trainings need TensorFlow. They run in processes of their own, so this notebook never
imports it.

**Three beliefs that this notebook tests**
1. "Training ends where quantization begins: what is left is to round well."
2. "Rounding has slope zero, so nothing can be learned through it."
3. "Quantization to 8 bits cuts the number of parameters to a tenth." So says the
   article that this lab grew out of.
"""

# %%
import json

import numpy as np
import pandas as pd

from labkit import quantize as lab
from labkit import zoo
from labkit.checks import Predictions, shown
from labkit.compress import Setting, round_network
from labkit.measure import accuracy, machine
from labkit.packed import unpack
from labkit.plots import figure

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. Where rounding alone ends

W4A8 stands for weights of 4 bits and activations of 8. Activations are what flows
between the layers. Their ranges depend on the pictures, so they come from 100
calibration images. `round_network` does all of it as well as rounding can without
training: a scale for each output channel, and least squares for weights and activations
(for what these rules do see notebook 01). The first and the last layer keep 8 bits, as
in most papers: in these two networks they are small, and notebook 02 measures what the
first is worth.

No kernel multiplies numbers of 4 bits with numbers of 4 bits here. So the rounding of
activations stands *in the graph*: an operator `FAKE_QUANT` rounds to the grid, and
floats flow on. This shows the accuracy that such a chip would have, and saves no time.
"""


# %%
def rounded(name, setting):
    images = zoo.dataset(name).calibration.images[:100]
    return round_network(networks[name], images, Setting.named(setting))


print([layer.name for layer in rounded("lenet5", "W4A4").network.layers])

# %% [markdown]
r"""
**Predict 1.** `resnet8` sorts photographs into ten classes and is right on nearly nine
of ten. What accuracy, from 0 to 1, is left with W4A4? And with W2A4, weights of 2 bits?
"""

# %%
guesses.guess("1a. accuracy of resnet8, W4A4", None)  # 0 to 1
guesses.guess("1b. accuracy of resnet8, W2A4", None)  # 0 to 1

# %%
N, SETTINGS = 1000, ("W8A8", "W4A8", "W4A4", "W2A4")
table = {}
for name in ("lenet5", "resnet8"):
    split = zoo.dataset(name).validation
    table[name] = {"float32": accuracy(networks[name], split, N).value}
    for setting in SETTINGS:
        network = rounded(name, setting).network
        table[name][setting] = accuracy(network, split, N).value
alone = pd.DataFrame(table).T
alone

# %%
print(guesses.settle("1a. accuracy of resnet8, W4A4", alone["W4A4"]["resnet8"], 0.03))
print(guesses.settle("1b. accuracy of resnet8, W2A4", alone["W2A4"]["resnet8"], 0.1))
lost = alone["float32"] - alone["W2A4"]
assert lost["lenet5"] < 0.02 and alone["W2A4"]["resnet8"] < 1 / 3
assert (alone["float32"] - alone["W8A8"]).abs().max() < 0.01

# %% [markdown]
r"""
On 1,000 validation images 8 bits cost nothing that could be seen. At 2 bits the digit
reader still reads, and the photograph network has fallen below one in three. The
repairs of notebook 01b win much of it back, as section 6 will show, and not all: the
weights were found by a training that never saw a grid. So let it see one.

## 2. A slope to learn by

Training follows slopes: move a weight a little, and see how the loss moves. Between the
two now stands the rounding,

$$ \hat x = S \cdot \mathrm{round}(\mathrm{clip}(x / S,\ \mathit{low},\
   \mathit{high})). $$

Here are twelve numbers and a grid with the seven codes $-3$ to $3$.
"""

# %%
x = np.array([-0.95, -0.6, -0.38, -0.22, -0.1, 0, 0.06, 0.17, 0.29, 0.44, 0.71, 1.15])
scale, low, high = 0.25, -3, 3


def fake(x, scale):
    return scale * np.clip(np.rint(x / scale), low, high)


print(x)
print(fake(x, scale))

# %% [markdown]
r"""
**Predict 2.** Move each of the twelve by a millionth up and down, and measure the slope
of $\hat x$. How many of the twelve slopes are *not* 0?
"""

# %%
guesses.guess("2. slopes that are not zero", None)  # 0 to 12

# %%
step = 1e-6
slopes = (fake(x + step, scale) - fake(x - step, scale)) / (2 * step)
print(slopes)
print(guesses.settle("2. slopes that are not zero", int(np.count_nonzero(slopes))))
assert not slopes.any()

# %% [markdown]
r"""
None. A staircase is flat nearly everywhere, and at a step it has no slope at all. By
the chain rule the loss is flat in every weight: belief 2 is right about the slope.

The way out is to use another slope. Over many steps the staircase climbs as the line
$\hat x = x$ does. The **straight-through estimator** (Bengio et al. 2013,
arXiv:1308.3432) rounds on the way forward and takes the slope of that line on the way
back: 1 inside the grid. Outside, $\hat x$ stays at the grid's end, and the slope is 0.

The scale can be learned, too. Inside the grid write $\hat x = x + S r$ with
$r = \mathrm{round}(x/S) - x/S$, and hold $r$ fixed, as straight-through does: the slope
in $S$ is $r$. Outside, $\hat x$ is $S$ times the last code, and the slope is that code.
This is learned step size quantization, LSQ (Esser et al. 2019, arXiv:1902.08153, eq.
3):

$$ \frac{\partial \hat x}{\partial S} = \begin{cases}
   \mathrm{round}(x/S) - x/S & \text{inside} \\
   \mathit{low} \text{ or } \mathit{high} & \text{outside.} \end{cases} $$
"""

# %%
inside = (x / scale > low) & (x / scale < high)
q = np.clip(np.rint(x / scale), low, high)
to_x = inside * 1.0
to_scale = q - inside * x / scale
rows = {"x": x, "q": q, "x_hat": scale * q, "to x": to_x, "to scale": to_scale}
pd.DataFrame(rows).T.map("{:.3g}".format)

# %%
r = np.rint(x / scale) - x / scale


def smooth(scale):
    return np.where(inside, x + scale * r, scale * np.clip(q, low, high))


slope = (smooth(scale + step) - smooth(scale - step)) / (2 * step)
np.testing.assert_allclose(to_scale, slope, atol=1e-6)

# %% [markdown]
r"""
The assert compares with a measured slope, $r$ and the codes outside held fixed. Look at
the two ends of the table: clipped numbers cannot move themselves, and they alone pull
hard at the scale.
"""

# %%
from labkit.plots import draw_functions

line = np.linspace(-1.2, 1.2, 2001)
codes = np.clip(np.rint(line / scale), low, high)
within = (line / scale > low) & (line / scale < high)
plots = {
    "rounded": {"x_hat": scale * codes, "x": line},
    "slope in x": {"straight-through": within * 1.0, "true": 0 * line},
    "slope in the scale": {"LSQ": codes - within * line / scale},
}
draw_functions(figure(8.6, 2.8), line, plots)

# %% [markdown]
r"""
Left: the staircase beside the line whose slope it borrows. Middle: the borrowed slope,
1 inside the grid, and the true one, 0. Right: inside, the slope in the scale is a saw
between $-1/2$ and $1/2$, at 0 on every tick. Outside it is the last code. A loss that
suffers from clipping therefore widens the grid, and one that suffers from coarse steps
narrows it.

**Exercise 1** (10 minutes, 6 points). Write the way back. `x` is an array of any shape;
`scale`, `low` and `high` are numbers. `upstream`, an array like `x`, is the slope of
the loss in each $\hat x$. Return `to_x`, an array like `x`, and `to_scale`, one number,
because all of `x` share the scale: the sum of `upstream` times each number's slope.
"""


# %%
def rounding_gradients(x, scale, low, high, upstream):
    raise NotImplementedError


# %%
from labkit.checks import check_rounding_gradients

check_rounding_gradients(rounding_gradients)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Three lines from above give `inside` and `q`. `to_x` is `upstream` where `inside` is
true. For the scale, `q - inside * x / scale` holds both cases.

</details>
<details><summary>Solution</summary>

```python
def rounding_gradients(x, scale, low, high, upstream):
    inside = (x / scale > low) & (x / scale < high)
    q = np.clip(np.rint(x / scale), low, high)
    to_scale = np.sum(upstream * (q - inside * x / scale))
    return upstream * inside, to_scale
```

</details>

## 3. Two weights look for their place

A network small enough to draw: two weights $w$, and six points that they must sort. The
points are already multiplied by their labels, so a point is sorted rightly when its
product with $w$ is above 0. The loss asks for a little more, a margin of 0.05, and is 0
when every point has it (the hinge loss). First it trains in floats.
"""

# %%
first = np.array([0.9, 0.4, -0.3, 0.6, 0.8, -0.2])
second = np.array([0.2, 0.7, 0.9, -0.9, -0.3, 0.7])
z = np.column_stack([first, second])
MARGIN, RATE, STEP = 0.05, 0.2, 0.5


def slope_of_loss(w):
    short = z @ w < MARGIN
    return -z[short].sum(axis=0) / len(z)


w = np.zeros(2)
for _ in range(300):
    w = w - RATE * slope_of_loss(w)
print(w.round(3), "sorts", (z @ w > 0).sum(), "of 6")

# %% [markdown]
r"""
**Predict 3.** The grid has a step of 0.5 and the codes $-3$ to $3$. Round both weights
to the nearest tick. How many of the six points are then sorted rightly?
"""

# %%
guesses.guess("3. points that the nearest weights sort", None)  # 0 to 6


# %%
def to_grid(w):
    return STEP * np.clip(np.rint(w / STEP), -3, 3)


nearest = to_grid(w)
right = int((z @ nearest > 0).sum())
print(nearest, guesses.settle("3. points that the nearest weights sort", right))

# %% [markdown]
r"""
Rounding moved each weight by less than half a step, and turned the *direction* of $w$
too far. Now train with the rounding: the loss sees `to_grid(w)`, the straight-through
slope moves `w`.
"""

# %%
path = [w]
while slope_of_loss(to_grid(path[-1])).any():
    path.append(path[-1] - RATE * slope_of_loss(to_grid(path[-1])))
path = np.array(path)
print(len(path) - 1, "steps, from", path[0].round(2), "to", path[-1].round(2))
print(to_grid(path[-1]), "sorts", (z @ to_grid(path[-1]) > 0).sum(), "of 6")

# %%
from labkit.plots import Search, draw_search

draw_search(figure(8.6, 3.6), z, Search(path, STEP, top=3))

# %%
assert (z @ path[0] > 0).all() and right < 6
assert (z @ to_grid(path[-1]) >= MARGIN).all()
cells = {tuple(to_grid(w)) for w in path}
assert len(cells) > 2 and tuple(to_grid(path[-1])) in cells

# %% [markdown]
r"""
At the left, each circle is a point of the grid, and its number says how many points it
sorts; those that sort all six are filled. Faint lines are the borders: between them,
all weights round to one circle. The
purple path starts at the float weights. It hovers at a border, to and fro, since each
side sends it back to the other, and drifts along it until it rounds to a circle that
sorts all six. There the loss is 0, and it rests. At the right are the lines that the
three weights draw through the points.

So belief 2 fails. The slope that was followed is not the loss's own. It is right on
average, and that was enough. The hovering is real, too: networks of few bits do it at
the end of their training (Nagel et al. 2022, arXiv:2203.11086). A smaller learning rate
makes the swings smaller, not rarer: a weight at a border still rounds now to one side,
now to the other.

### The scale finds the balance of notebook 01

Does the slope in the scale lead anywhere sensible? Take `fc1` of `mlp` at 4 bits, start
from min–max, and let the loss be the squared error of the weights.
"""

# %%
kernel = networks["mlp"].kernels["fc1"]
top, share = 7, 1 / np.abs(kernel).max()
scales = [np.abs(kernel).max() / top]
for _ in range(30):
    codes = np.clip(np.rint(kernel / scales[-1]), -top, top)
    within = np.abs(kernel / scales[-1]) < top
    upstream = 2 * (scales[-1] * codes - kernel) / kernel.size
    to_scale = np.sum(upstream * (codes - within * kernel / scales[-1]))
    scales.append(scales[-1] - 0.8 * to_scale)
searched = float(lab.quantize(kernel, bits=4, rule="least_squares").scale[0])

# %%
from labkit.plots import Curve, Look, draw_curves

ends = [searched * top * share] * 2
curves = {
    "learned": Curve(range(len(scales)), np.array(scales) * top * share),
    "least squares": Curve([0, len(scales) - 1], ends),
}
look = Look("step", "range, share of the largest", whole=True)
draw_curves(figure(7, 2.6), {"": curves}, look)

# %%
assert abs(scales[-1] / searched - 1) < 0.05 < scales[0] / searched - 1

# %% [markdown]
r"""
The range walks from min–max down to what the least squares search of notebook 01 finds,
within the 5 % that the assert allows. Clipped weights push the scale up, the saw of all
others pushes it down, and it stops where both are equal: round-off against clipping,
found by a slope. In a network the loss is not the squared error of one layer but that
of the whole, and the scales balance what *it* suffers from.

## 4. What can be folded away

During the training, batch normalization stays a layer of its own: it divides each
channel by its spread and multiplies by a learned number. In the file there is no such
layer, its factor was multiplied into the kernel. Does that not spoil the codes? Here
are the codes of three inputs and two channels, and a factor for each channel.
"""

# %%
codes = np.array([[1, -2], [0, 3], [-3, 1]])
factor = np.array([0.5, -2.0])
per_channel = np.array([0.1, 0.3])
folded = per_channel * codes * factor
new_scale, new_codes = per_channel * np.abs(factor), codes * np.sign(factor)
np.testing.assert_allclose(folded, new_scale * new_codes)
print(new_scale, new_codes.tolist())

# %%
one_scale = np.abs(0.1 * codes * factor).max() / 3
forced = np.rint(0.1 * codes * factor / one_scale)
print(forced.tolist())
assert (forced != codes * np.sign(factor)).any()

# %% [markdown]
r"""
With a scale for each channel the fold multiplies scales, turns the codes of a negative
factor round, and changes none. The symmetric grid is what allows the turning. With one
scale for the kernel both channels must fit one grid after the fold, and codes change:
then batch normalization has to be folded *while* training (Jacob et al. 2018,
arXiv:1712.05877, sec. 3.2). The lab trains with a scale for each channel.

## 5. Train it, now

The panel shows what section 1 measured, on the test images. With **Train for** at some
steps it starts a training from the rounded network: batches of 128 images, as many as
the panel says or, on a slow machine, as many as fit into 20 seconds. The readout tells.
The right half shows the loss falling, **Cancel** ends it. In a running cell the
kernel's stop button does.

**Predict 4.** `resnet8`, W2A4, 80 steps: what accuracy, from 0 to 1?
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.5
guesses.guess("4. accuracy of resnet8, W2A4, 80 steps", accuracy_guess)

# %%
from labkit.panels import qat_panel

panel = qat_panel("resnet8", guess=accuracy_guess, weights=2, activations=4)
panel

# %% [markdown]
r"""
Drive it, and answer before you read on.

1. At W4A4, what do 20 steps gain? And 80?
2. Which is harder to mend: few bits in the weights, or few in the activations?
3. Try `lenet5`. Is there anything left to gain?
"""

# %%
start = panel.set(network="resnet8", weights=2, activations=4, steps=0)
result = panel.set(steps=80)
value = result.trained_accuracy.value
print(guesses.settle("4. accuracy of resnet8, W2A4, 80 steps", value, 0.08))
print(f"rounded {start.accuracy.value:.3f}, float32 {start.base_accuracy.value:.3f}")
losses = [loss for _, loss in result.course.losses]
relations = {
    "the training won 30 points": value > start.accuracy.value + 0.3,
    "its loss fell by a third": np.mean(losses[-3:]) < losses[0] / 1.5,
    "it began at half of what rounding left":
        losses[0] < start.course.levels["rounded"] / 2,
}  # fmt: skip
print(f"of this run of {result.course.steps} steps:")
print(shown(relations))

# %% [markdown]
r"""
The triangle stands above the dot, at almost the same bytes. How far is this machine's
figure: another one adds in another order and ends with another network, a slow one has
time for fewer steps; the cell above says what this run shows. The loss falls towards
the dotted line of the float network. It does not get there with eighty batches, drawn
from the 5,000 training images that the lab carries.

Why does it begin so far below the dashed line, after so few steps? While it trains,
batch normalization takes mean and spread from the batch, so they fit the rounded
network. The rounded file still has those of the float network. This part of the gain
needs no slope at all: it is notebook 01b's re-estimation. Section 6 measures it, and
its table also answers question 2: compare W4A8 with W4A4 and with W2A4.

The rest is learned. First the codes. Here is the share that changed, in the layers of 2
bits, and by how much the farthest moved.
"""

# %%
moved = {}
for layer, before in result.rounded.quantized.items():
    if before.bits == 2:
        step = result.trained.quantized[layer].q.astype(int) - before.q
        moved[layer] = np.mean(step != 0), np.abs(step).max()
moved = pd.DataFrame(moved, index=["share that moved", "farthest"]).T
moved.round(3)

# %%
relations = {
    "most codes of each layer stay": moved["share that moved"].max() < 0.5,
    "no code moved by more than 2": moved["farthest"].max() <= 2,
}
print(shown(relations))

# %% [markdown]
r"""
Where most 2-bit codes are where rounding had put them, what the training learned lies
in a minority that crossed to a neighbour, as the two weights did above, and in the
scales. (This machine's training again: another one moves other codes.)

Then the ranges. A float layer's largest input differs from batch to batch. One way is
to follow it with a **moving average** while the training runs (Jacob et al. 2018, sec.
3.1): $m \leftarrow 0.9\, m + 0.1 \max$. The lab **learns** the ranges instead, with the
slope of section 2. Compare both, and the least squares of section 1: where does each
range end in `resnet8` at W4A4? The learned ones are from a long run of section 6.
"""

# %%
long_run = unpack(zoo.load_packed("resnet8", "W4A4"))
before = rounded("resnet8", "W4A4").network
images = zoo.dataset("resnet8").calibration.images[:500]


def moving_average(layer):
    reads = networks["resnet8"].activations(images, layer).reshape(10, -1).max(axis=1)
    average = reads[0]
    for largest in reads[1:]:
        average = 0.9 * average + 0.1 * largest
    return average


# %%
ends = {}
for layer in list(networks["resnet8"].kernels)[1:-1]:
    searched = before.activations(images, layer).max()
    learned = long_run.activations(images, layer).max()
    clipped = np.mean(long_run.activations(images, f"{layer}_grid") > learned)
    ends[layer] = moving_average(layer), searched, learned, 100 * clipped
columns = ["moving average", "least squares", "learned", "clipped, %"]
ends = pd.DataFrame(ends, index=columns).T
ends.round(2)

# %%
assert (ends["learned"] < ends["least squares"]).all()
assert (ends["least squares"] < 0.75 * ends["moving average"]).all()
assert ends["clipped, %"].max() < 2

# %% [markdown]
r"""
The moving average covers nearly all, and spends its 16 ticks on a range that is mostly
empty. Least squares ends well below it. In every layer of the table the training went
further down, and clips less than two in a hundred. It is notebook 01's lesson again:
few bits need narrow ranges. Here the loss of the whole network said how narrow.

**Predict 5.** The packed file of `resnet8` at W2A4 has 2 bits where the float file has
32, except in two small layers. How many times smaller is it? And on this machine, is it
faster than the float file, "yes" or "no"?
"""

# %%
guesses.guess("5a. times smaller, W2A4", None)  # a number
guesses.guess("5b. faster", None)  # "yes" or "no"

# %%
from dataclasses import replace

from labkit.measure import compressed_row, explain, network_row

costs = {
    "float32": network_row(result.network),
    "rounded": compressed_row(result.rounded, "W2A4, rounded"),
    "trained": compressed_row(result.trained, "W2A4, trained"),
}
measured = {"deflated_bytes": result.deflated, "latency": result.latency}
ledger = [
    replace(row, **{column: found[name] for column, found in measured.items()})
    for name, row in costs.items()
]
times = {row.stage: row.latency.median_us for row in ledger}
frame = pd.DataFrame(map(vars, ledger)).set_index("stage").T
frame.loc[["parameters", "bits", "payload_bytes", "size_bytes", "macs", "arithmetic"]]

# %%
floats, _, trained = ledger
smaller = floats.size_bytes / trained.size_bytes
faster = trained.latency.median_us < floats.latency.median_us
print(guesses.settle("5a. times smaller, W2A4", smaller, 1))
print(guesses.settle("5b. faster", "yes" if faster else "no"))
print("\n".join(explain([floats, trained])))
print(shown({"the trained file is not faster": not faster}))
assert smaller < 32 / trained.bits

# %% [markdown]
r"""
The file is many times smaller, and not as many as 32 divided by the bits: scales,
biases and the graph do not shrink. And nothing makes it faster: it is decoded to
floats, and the `FAKE_QUANT` operators are work on top. (Times are this machine's; if it
was busy, the line may say another thing.) W8A8 is another matter: its integers have
kernels, and notebook 02 measures them.

## 6. The long runs

Eighty steps are a taste. The lab carries networks that were trained for their grid
on all training images, for the epochs that the table names. `python -m labkit qat
resnet8 W4A4` trains one again, `python -m experiments.quantize.qat` measures all of
them.
"""

# %%
from labkit.zoo import DATA_FOLDER

runs = json.loads((DATA_FOLDER / "results" / "qat.json").read_text())["rows"]
runs.sort(key=lambda row: SETTINGS.index(row["setting"]))
runs.sort(key=lambda row: zoo.NAMES.index(row["network"]))
long = pd.DataFrame(runs).set_index(["network", "setting"])
long["points"] = [
    "{:+.2f} to {:+.2f}".format(*(100 * end for end in ends))
    for ends in long["difference_interval"]
]
for column in ("float", "rounded", "trained"):
    long[column] = long[f"{column}_accuracy"].map("{:.2%}".format)
long["times smaller"] = (long["float_bytes"] / long["size_bytes"]).round(1)
columns = ["float", "rounded", "trained", "points", "size_bytes", "times smaller"]
long[[*columns, "epochs", "kept_at_8_bits"]]

# %%
from labkit.plots import Gain, draw_gains

gains = [
    Gain(f"{row['network']} {row['setting']}", row["float_accuracy"],
         row["rounded_accuracy"], row["trained_accuracy"])
    for row in runs
]  # fmt: skip
draw_gains(figure(7.5, 3.8), gains)

# %%
gained = long["trained_accuracy"] - long["rounded_accuracy"]
below = long["float_accuracy"] - long["trained_accuracy"]
assert gained["resnet8", "W2A4"] > 0.3 and gained["resnet8", "W4A4"] > 0.03
assert gained["resnet20", "W4A4"] > 0 and gained["lenet5", "W2A4"] > 0
assert below["resnet20", "W4A4"] <= 0.004 and below.max() < 0.15
eights = [row for row in runs if row["setting"] == "W8A8"]
assert all(row["p_value"] > 0.05 for row in eights) and gained["resnet8", "W8A8"] < 0

# %% [markdown]
r"""
On all 10,000 test images. `points` is the paired 95 % interval against the float
network. At W8A8 there was nothing to mend: after the training the test sees no
difference to float32 either, and in `resnet8` rounding alone has the higher figure. So
training is no safe improvement. With 4 bits, and more so with 2, the line that it
climbs is long.

But is rounding alone the right rival? Section 5 saw that part of the gain is batch
normalization's. Here is that part alone: the rounded `resnet8`, each channel given its
mean and spread back on 200 calibration images (notebook 01b), no slope taken.
"""

# %%
from labkit.compress import reestimate_batch_norm

photos, repaired = zoo.dataset("resnet8"), {}
for setting in ("W4A4", "W2A4"):
    images = photos.calibration.images[:200]
    before = rounded("resnet8", setting)
    mended = reestimate_batch_norm(networks["resnet8"], before, images)
    repaired[setting] = accuracy(mended.network, photos.test).value
table = long.loc["resnet8"].loc[
    list(repaired), ["rounded_accuracy", "trained_accuracy"]
]
table.insert(1, "re-estimated", repaired)
table

# %%
assert 0.005 < (table["trained_accuracy"] - table["re-estimated"])["W4A4"] < 0.04
assert (table["re-estimated"] - table["rounded_accuracy"])["W2A4"] > 0.2
assert (table["trained_accuracy"] - table["re-estimated"])["W2A4"] > 0.1

# %% [markdown]
r"""
At 4 bits the repair comes within a few points of the training, in seconds instead of
the minutes that `qat.json` records. At 2 bits it wins back a great deal, and still ends
more than 10 points below. So belief 1 holds at 8 bits, nearly holds at 4 for who
repairs, and fails at 2. Nagel et al. 2021 (arXiv:2106.08295) advise just that: round
and repair first, then train if it is not enough.

Mind one unfairness. The trained networks saw more epochs than the float ones, and a
float network might gain from these, too. Where a trained network stands *above* its
float network, that is the likely reason, not the grid.

How does this compare? PACT (Choi et al. 2018, arXiv:1805.06085, table 1) trained the
same `resnet20` on the same data, with weights and activations of equal bits.
"""

# %%
pact = {"float": 91.6, "W2A2": 89.7, "W3A3": 91.1, "W4A4": 91.3, "W5A5": 91.7}
ours = long.loc[("resnet20", "W4A4")]
print("PACT, per cent:", pact)
print("ours, W4A4:", ours["trained"], "from float", ours["float"])
print("kept at 8 bits:", ours["kept_at_8_bits"])

# %% [markdown]
r"""
PACT leaves the first and the last layer in float, ours keep 8 bits there. One training
each: differences of a few tenths are within what another seed moves.

A record is worth what its file does. Open the smallest one and run it.
"""

# %%
name, setting = long["size_bytes"].idxmin()
packed = zoo.load_packed(name, setting)
found = accuracy(unpack(packed), zoo.dataset(name).test)
print(name, setting, f"{len(packed):,} bytes, {found.value:.2%}")
np.testing.assert_allclose(
    found.value, long.loc[(name, setting), "trained_accuracy"], atol=1e-3
)

# %% [markdown]
r"""
## 7. A training loop that forgets

The article ends with a program that quantizes a network. It calls `clone_model`, then
sets rounded kernels with `set_weights([w])`, evaluates a model that was never compiled,
and looks a layer up by its name in a list. The last one fails at once:
"""

# %%
try:
    networks["mlp"].layers["fc1"]
except TypeError as error:
    print("TypeError:", error)
print(networks["mlp"].layer("fc1"))

# %% [markdown]
r"""
So do an uncompiled `evaluate`, and `set_weights` with one array for a layer that has
two, a kernel and a bias. Keras says so, and a reader mends these lines in a minute. Two
mistakes say nothing. `clone_model` copies the *layers* and draws *new random weights*:
what is rounded afterwards never was trained. And whoever makes `set_weights([w])` run
by leaving the biases out has lost them.

**Predict 6.** Take `resnet8`. What accuracy has its clone with new weights? And the
trained network without its biases, nothing else changed?
"""

# %%
guesses.guess("6a. a clone of resnet8", None)  # 0 to 1
guesses.guess("6b. resnet8 without biases", None)  # 0 to 1


# %%
def cloned(network, rng):
    """Keras' own start: kernels even in ±sqrt(6 / (inputs + outputs)), biases 0."""
    new = {}
    for name, w in network.weights.items():
        ends = w[0].size + w.size // w.shape[-1] if w.ndim > 1 else np.inf
        new[name] = rng.uniform(-1, 1, w.shape) * np.sqrt(6 / ends)
    return network.with_weights(new)


def without_biases(network):
    biases = {k: 0 * w for k, w in network.weights.items() if k.endswith("/bias")}
    return network.with_weights(biases)


# %%
rng = np.random.default_rng(0)
broken = {"trained": {}, "clone": {}, "without biases": {}}
for name, network in networks.items():
    split = zoo.dataset(name).validation
    broken["trained"][name] = accuracy(network, split, N).value
    broken["clone"][name] = accuracy(cloned(network, rng), split, N).value
    broken["without biases"][name] = accuracy(without_biases(network), split, N).value
broken = pd.DataFrame(broken)
broken

# %%
clone, without = broken["clone"], broken["without biases"]
print(guesses.settle("6a. a clone of resnet8", clone["resnet8"], 0.05))
print(guesses.settle("6b. resnet8 without biases", without["resnet8"], 0.05))
assert clone.max() < 0.25 and without[["resnet8", "resnet20"]].max() < 0.2
assert without["mlp"] > broken["trained"]["mlp"] - 0.02

# %% [markdown]
r"""
A clone guesses: one in ten. Without biases `mlp` hardly suffers, and the two residual
networks guess, since their biases hold what batch normalization subtracted. A mistake
that looks harmless on the smallest network destroys the next.

**Exercise 2** (5 minutes, 4 points). Mend it. `weights` is a dictionary of arrays such
as `network.weights`, with names like `fc1/kernel` and `fc1/bias`; `quantize` is a
function that takes an array and returns one of the same shape. Return a new dictionary
in which every kernel went through `quantize` and every bias is kept.
"""


# %%
def quantized_copy(weights, quantize):
    raise NotImplementedError


# %%
from labkit.checks import check_quantized_copy

check_quantized_copy(quantized_copy)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`name.endswith("/kernel")` tells the two apart. A dictionary comprehension over
`weights.items()` needs no second pass.

</details>
<details><summary>Solution</summary>

```python
def quantized_copy(weights, quantize):
    return {
        name: quantize(w) if name.endswith("/kernel") else w
        for name, w in weights.items()
    }
```

</details>

Belief 3 is the article's, too: 8 bits cut the number of parameters to a tenth. The
ledger of `lenet5`, float and at W8A8 and W2A4, settles it.
"""

# %%
from labkit.measure import compressed_row, network_row
from labkit.packed import read_packed

rows = [network_row(networks["lenet5"])]
for setting in ("W8A8", "W2A4"):
    file = read_packed(zoo.load_packed("lenet5", setting))
    rows.append(compressed_row(file, setting))
counts = pd.DataFrame(map(vars, rows)).set_index("stage")
counts["times smaller"] = counts["size_bytes"]["float32"] / counts["size_bytes"]
assert counts["parameters"].nunique() == 1
assert (
    3.5 < counts["times smaller"]["W8A8"] < 4 and counts["times smaller"]["W2A4"] > 10
)
counts[["parameters", "bits", "size_bytes", "times smaller"]].round(2)

# %% [markdown]
r"""
The parameters are the same in all three. At 8 bits each takes a quarter of the bits,
and the file a little more than a quarter of the bytes. A tenth of the *bytes* can be
had, with 2 bits and a training for them. A tenth of the *parameters* cannot be had from
quantization at all. That is the business of pruning and low rank.

## Recap

- Rounding after the training holds at 8 bits, and breaks at a place that depends on
  the network.
- A staircase has slope 0. The straight-through estimator takes 1 inside the grid and 0
  outside, and the scale has a slope as well.
- The training moves a minority of codes to a neighbour, and learns scales and ranges
  that clip.
- With a scale for each channel, batch normalization folds without touching a code.
- Fewer bits make smaller files. They make faster ones only where a kernel exists.
- A copy must carry the trained weights and the biases.

**Where this stops being true.** The live training reuses the images that the network
was trained on. If yours are gone, rounding and repair are left. At 2 bits even the long
run of `resnet8` ends points below float. And every figure here is one training: another
seed moves it.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A camera must run a network of 50 layers. At 8 bits, rounding
alone loses a fifth of a point. At 4 bits it loses six, and the chip runs 4-bit layers
twice as fast. You have the training images and one day. What do you do first, what
next, and which layers do you treat differently?

<details><summary>One answer</summary>

First ship 8 bits: rounding alone, no training, nearly free. Then try 4 bits with the
repairs of notebook 01b, which take minutes. If they lose too much, use the day. Start
from the trained network and its rounded scales, learn weights and scales
with a scale for each channel, a small and falling learning rate, and keep the first
and the last layer at 8 bits. Compare with 8 bits on validation images in pairs. If the
interval of the loss still lies below what you can accept, give 8 bits to the layers
that are most sensitive (notebook 01b) and train once more.

</details>
"""
