# %% [markdown]
r"""
# Train under a mask

**What you'll do.** Prune networks until they break, then bring them back: first without
a single step of training, then with some hundred steps that you watch, while the zeros
stay zeros. At the end stand the networks that were pruned through long trainings.

**What you'll learn**
- to keep a removed weight at zero through momentum and weight decay;
- to give each channel its mean and deviation back, by hand;
- to say what a schedule does, and to compare two fairly;
- to test a claim about lottery tickets over seeds;
- to read a pruning result: zeros, error, and the dense network beside it.

**What you'll need.** Notebook 03: masks, criteria, the cliff. About 60 minutes of
yours, less than two of two cores. One exercise, 4 points. The trainings need
TensorFlow. They run in processes of their own, so this notebook never imports it.

**Three beliefs that this notebook tests**
1. "Whoever masks the gradients keeps the zeros."
2. "To teach a pruned network, move its weights a little towards the big one's." So says
   the article that this lab grew out of.
3. "After training it doesn't matter which weights were removed."
"""

# %%
import numpy as np
import pandas as pd

from labkit import compress, prune, train, zoo
from labkit.checks import Predictions, shown
from labkit.measure import accuracy, machine
from labkit.packed import unpack
from labkit.plots import Curve, Look, draw_curves, figure

guesses = Predictions()
N = 1000  # validation images
networks = {name: zoo.load(name) for name in zoo.NAMES}
validation = {name: zoo.dataset(name).validation for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. A zero that comes back

An optimizer with momentum $\mu$ and weight decay $\lambda$ steps along a velocity:

$$ v \leftarrow \mu v - \eta\,(g + \lambda w), \qquad w \leftarrow w + v. $$

Four weights, two of them just removed. The obvious idea is to mask the *gradient*: no
slope, no motion.
"""

# %%
w = np.array([0.5, 0.0, -1.0, 0.0])
mask = w != 0
velocity = np.array([0.02, 0.05, -0.01, -0.03])  # from before the pruning
gradient = np.array([0.1, -0.2, 0.3, 0.4])


# %%
def step(w, velocity, gradient, rate=0.1, momentum=0.9, decay=0.01):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return w + velocity, velocity


# %% [markdown]
r"""
**Predict 1.** Mask the gradient and take one step. How many of the two removed weights
are still 0?
"""

# %%
guesses.guess("1. removed weights still 0", None)  # 0, 1 or 2

# %%
moved, _ = step(w, velocity, gradient * mask)
zeros = int(np.sum(moved[~mask] == 0))
print(moved.round(4), guesses.settle("1. removed weights still 0", zeros))
assert zeros == 0

# %% [markdown]
r"""
None: the velocity remembers the slopes from before the pruning. Belief 1 fails with the
first optimizer that has a memory, as Adam and momentum have. Mask the *weights*, after
each step, and nothing can bring them back.

**Exercise 1** (10 minutes, 4 points). Write `masked_step`. It makes the step above and
returns the new weights, with every removed weight at 0, and the new velocity. `mask` is
True where a weight is kept.
"""


# %%
def masked_step(w, mask, velocity, gradient, rate, momentum, decay):
    raise NotImplementedError


# %%
from labkit.checks import check_masked_step

check_masked_step(masked_step)

# %% [markdown]
r"""
<details><summary>Hint</summary>

The step is the one above; the mask comes last. `np.where(mask, w + velocity, 0)` keeps
the kept weights as they are and makes clean zeros of the others.

</details>
<details><summary>Solution</summary>

```python
def masked_step(w, mask, velocity, gradient, rate, momentum, decay):
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return np.where(mask, w + velocity, 0), velocity
```

</details>

The lab's trainings do it as a constraint on each kernel, which Keras applies after
every step, decay included (`labkit.train.masked`).

The article brings zeros back in another way. Its *distillation* moves each weight of
the small network a tenth of the way to the big one's. Take `mlp` with 90 % zeros as the
small network and the float one as the big one, since there the shapes agree at least:
"""

# %%
mlp = networks["mlp"]
sizes = {layer: np.abs(kernel) for layer, kernel in mlp.kernels.items()}
masks = prune.masks(sizes, 0.9, "global")
small = compress.apply_masks(mlp, masks)


def article_distill(small, big):
    return small + 0.1 * (big - small)


def zeros_in(kernels):
    return np.mean(np.concatenate([w.ravel() == 0 for w in kernels.values()]))


# %%
refilled = {k: article_distill(w, mlp.kernels[k]) for k, w in small.kernels.items()}
kept = {k: np.where(masks[k], w, 0) for k, w in refilled.items()}
print(f"zeros: before {zeros_in(small.kernels):.1%}, after {zeros_in(refilled):.1%}")
print(f"masked afterwards {zeros_in(kept):.1%}")
for layer, kernel in kept.items():
    np.testing.assert_allclose(kernel, small.kernels[layer], atol=1e-7)
assert zeros_in(refilled) < 0.01

# %% [markdown]
r"""
Every zero is gone: a pruned weight of 0 and its old value are a tenth apart again.
Belief 2 fails twice. It undoes the pruning. And with the mask put back nothing at all
has happened, as the assert says: the kept weights of both are the same. What a pruned
network must learn is to do *without* the removed weights, and only the data can tell.

## 2. What can be had without training

Look at one unit's sum before the activation function, over some images. Removing
weights shifts its mean and shrinks its spread, and the next layer was made for the old
ones. So give them back: with the mean $m$ and the deviation $d$ of the float network,
and $\hat m$, $\hat d$ of the pruned one,

$$ y = g\,(\hat w x + \hat b - \hat m) + m, \qquad g = d / \hat d. $$

The gain goes into the unit's weights, the rest into its bias. Zeros stay zeros. For
networks that had batch normalization, which is folded in these files, this re-estimates
it (Hubara et al. 2020, arXiv:2006.10518). Here is the first layer of `mlp` by hand.
"""

# %%
from labkit.compress import reestimate_channels

images = zoo.dataset("mlp").calibration.images[:200]
x = images.reshape(200, -1).astype(np.float32) / 255
kernel, bias = small.kernels["fc1"], small.weights["fc1/bias"]
before = x @ mlp.kernels["fc1"].T + mlp.weights["fc1/bias"]
after = x @ kernel.T + bias
gain = before.std(axis=0) / after.std(axis=0)
new_kernel = gain[:, None] * kernel
new_bias = gain * (bias - after.mean(axis=0)) + before.mean(axis=0)

# %%
repaired = reestimate_channels(mlp, small, images)
np.testing.assert_allclose(repaired.kernels["fc1"], new_kernel, rtol=2e-3, atol=1e-5)
np.testing.assert_allclose(repaired.weights["fc1/bias"], new_bias, atol=2e-3)
spread = np.median(after.std(axis=0) / before.std(axis=0))
print(f"median spread left after pruning: {spread:.0%}")
assert spread < 0.9

# %% [markdown]
r"""
**Predict 2.** `resnet8` with half of each layer removed by magnitude is right on little
more than half of the images, see notebook 03. What accuracy has it, from 0 to 1, after
each channel got its mean and deviation back? Your guess is drawn into the panel.
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.6
guesses.guess("2. accuracy of resnet8, re-estimated", accuracy_guess)

# %%
from labkit.panels import pruning_panel

panel = pruning_panel("resnet8", guess=accuracy_guess, sparsity=0.5)
panel

# %% [markdown]
r"""
1. In *Advanced*, turn *Channels' mean and deviation* to *re-estimated*. Do the bytes
   change?
2. Go up to 70 %. How far does the repair carry?
3. Rank by *Fisher*. Does it still have as much to gain?
"""

# %%
mended = panel.set(channels="re-estimated")
print(guesses.settle("2. accuracy of resnet8, re-estimated",
                     mended.accuracy.value, 0.05))  # fmt: skip
before = panel.set(channels="as they are")
sizes = [now.points[1].size_bytes for now in (before, mended)]
assert before.accuracy.value < 0.6 and sizes[0] == sizes[1]

# %%
SPARSITY = {"mlp": 0.8, "lenet5": 0.8, "resnet8": 0.5, "resnet20": 0.5}
calibration = {name: zoo.dataset(name).calibration.images[:100] for name in zoo.NAMES}

# %%
rows = {}
for name, network in networks.items():
    sizes = {layer: np.abs(kernel) for layer, kernel in network.kernels.items()}
    kept = prune.masks(sizes, SPARSITY[name])
    file = compress.apply_masks(network, kept)
    fixed = reestimate_channels(network, file, calibration[name])
    steps = {"float32": network, "pruned": file, "re-estimated": fixed}
    found = {k: accuracy(n, validation[name], N).value for k, n in steps.items()}
    rows[name, SPARSITY[name]] = found
repair = pd.DataFrame(rows).T
repair

# %%
won = repair["re-estimated"] - repair["pruned"]
assert 0.5 < repair["pruned"]["resnet8", 0.5] < 0.6
assert (won > 0.03).all() and won.max() > 0.4
assert (repair["re-estimated"] < repair["float32"] + 0.005).all()

# %% [markdown]
r"""
A hundred images, no slope, and every network gains, `lenet5` most of all. Whoever
compares a training with a broken network should compare it with *this* one.

## 3. How fast to prune

Now train. Not all weights have to go at once. Three schedules say how much is gone at
each step:

- **one-shot**: all before the first step;
- **iterative**: prune, train, prune; each time the same fraction of what is left (Han
  et al. 2015, arXiv:1506.02626);
- **cubic**: $s_t = s\,(1 - (1 - t/T)^3)$, fast at first and gently at the end (Zhu,
  Gupta 2017, arXiv:1710.01878, eq. 1).

In the lab the pruning takes the first half of the steps. The second half repairs.
"""

# %%
from labkit.prune import SCHEDULES

STEPS, SPARSE = 400, 0.95
at = np.arange(STEPS + 1)
lines = {
    name: Curve(at[::20], [schedule(t, STEPS // 2, SPARSE, 50) for t in at[::20]])
    for name, schedule in SCHEDULES.items()
}
draw_curves(figure(7, 2.6), {"": lines}, Look("step", "sparsity", percent=True))

# %%
t = STEPS // 4
by_hand = SPARSE * (1 - (1 - t / (STEPS // 2)) ** 3)
assert np.isclose(by_hand, SCHEDULES["cubic"](t, STEPS // 2, SPARSE, 50))
assert all(schedule(STEPS, STEPS // 2, SPARSE, 50) == SPARSE
           for schedule in SCHEDULES.values())  # fmt: skip

# %% [markdown]
r"""
One-shot is a flat line. Iterative climbs in equal fractions of what is left. Cubic
climbs steeply while there is much to spare, and then ever more gently, so that the last
weights, which matter most, go a few at a time, each time with some steps of
training to let the others take over.

**Predict 3.** `mlp`, 95 % zeros, global magnitude, 400 steps of 128 images. Without
training most images are wrong. What accuracy has the cubic schedule, from 0 to 1? And
how many points does one-shot, with the same 400 steps, stay behind?
"""

# %%
guesses.guess("3a. mlp, 95 % zeros, cubic, 400 steps", None)  # 0 to 1
guesses.guess("3b. points that one-shot stays behind", None)  # percentage points

# %% [markdown]
r"""
The next cells train while you watch. A slow machine takes as many steps as fit into 20
seconds, the same for all; the cell says how many. The kernel's stop button ends it,
child process and all.
"""

# %%
losses = {}


def watched(name):
    """A progress function: keeps each loss, prints a bar whenever it grows."""
    losses[name], bars = [], [""]

    def show(now):
        losses[name].append((now.step, now.loss))
        bars.append("#" * (10 * now.step // now.steps))
        if bars[-1] != bars[-2]:
            print(f"{name:>10} {bars[-1]:<10} step {now.step}, loss {now.loss:.3f}")

    return show


# %%
seen = train.pruning("mlp", SPARSE, STEPS, seconds=train.SECONDS)
trained = {"cubic": train.result(seen, watched("cubic"))}
TAKEN = losses["cubic"][-1][0]
print(f"{TAKEN} of {STEPS} steps, as all that follow")

# %%
seen = train.pruning("mlp", SPARSE, TAKEN, schedule="iterative")
trained["iterative"] = train.result(seen, watched("iterative"))

# %%
seen = train.pruning("mlp", SPARSE, TAKEN, schedule="one-shot")
trained["one-shot"] = train.result(seen, watched("one-shot"))

# %%
lines = {name: Curve(*zip(*losses[name], strict=True)) for name in SCHEDULES}
look = Look("step", "loss, training images", yscale="log")
draw_curves(figure(7.5, 3), {"": lines}, look)

# %% [markdown]
r"""
The loss of one-shot starts high, that of the others rises while weights go, and with
enough steps all three end near each other. These are training images, each batch
another one. So judge on the validation images:
"""

# %%
sizes = {layer: np.abs(kernel) for layer, kernel in mlp.kernels.items()}
untrained = compress.apply_masks(mlp, prune.masks(sizes, SPARSE, "global"))
files = {name: unpack(packed) for name, packed in trained.items()}
split = validation["mlp"]

# %%
judged = {
    name: (accuracy(file, split).value, zeros_in(file.kernels))
    for name, file in {"untrained": untrained, **files}.items()
}
table = pd.DataFrame(judged, index=["accuracy", "zeros"]).T
table

# %%
from labkit.measure import compare

slow, at_once = (accuracy(files[name], split) for name in ("cubic", "one-shot"))
pair = compare(at_once, slow)
print(f"on the same {pair.n:,} images: p = {pair.p_value:.2g}")
behind = 100 * pair.difference

# %%
print(guesses.settle("3a. mlp, 95 % zeros, cubic, 400 steps", slow.value, 0.01))
print(guesses.settle("3b. points that one-shot stays behind", behind, 0.5))
assert accuracy(untrained, split).value < 0.5
print(shown({f"{TAKEN} steps bring one-shot above 0.9": at_once.value > 0.9}))

# %%
weights = sum(w.size for w in mlp.kernels.values())
for file in files.values():
    left = sum(np.count_nonzero(w) for w in file.kernels.values())
    assert weights - left == round(SPARSE * weights)

# %% [markdown]
r"""
Four hundred steps bring all of them within a few points of the dense network. How many
points is this machine's figure: another one adds in another order, a slow one takes
fewer steps. The last assert counts, and holds on all: after the steps, with momentum,
each network has exactly as many zeros as were asked for.

The comparison is paired, on the same images. A small p says that these two *networks*
differ; that the *schedule* is the reason takes several seeds.

**Predict 4.** Belief 3: does it matter then *which* weights go? Remove 95 % at random,
and train the same steps. What accuracy, from 0 to 1?
"""

# %%
guesses.guess("4. mlp, 95 % removed at random, trained", None)  # 0 to 1

# %%
rng = np.random.default_rng(0)
rolled = {layer: rng.random(w.shape) for layer, w in mlp.kernels.items()}
seen = train.fine_tuning("mlp", prune.masks(rolled, SPARSE, "global"), TAKEN)
packed = train.result(seen, watched("random"))

# %%
rolled = accuracy(unpack(packed), split)
pair = compare(rolled, at_once)
print(guesses.settle("4. mlp, 95 % removed at random, trained", rolled.value, 0.03))
print(f"magnitude, all at once as well: {at_once.value:.2%}, p = {pair.p_value:.2g}")
print(shown({"random stays 3 points behind, or more": pair.interval[0] > 0.03}))

# %% [markdown]
r"""
With enough steps training brings both far back. Where the random mask stays points
behind the one-shot mask by magnitude, which had the same steps, belief 3 fails at 95 %.
How far behind depends on the sparsity and on the time: try 80 %, or more steps. One
training each, so tenths of a point mean nothing here.

For tenths it takes seeds. `python -m experiments.prune.schedules` has trained networks
of the same shape, pruned each in these ways, and trained all for the same steps, on the
same images in the same order. Each seed gives a difference from one-shot. Is their mean
certainly not 0? Student's 95 % interval says.
"""

# %%
import json

from labkit.measure import mean_over_seeds
from labkit.zoo import DATA_FOLDER


def over_seeds(difference):
    """The mean, the ends of its 95 % interval, and what that allows to say."""
    found = mean_over_seeds(difference)
    return f"{found:+.2f}: {found.says('more', 'less')}"


# %%
run = json.loads((DATA_FOLDER / "results" / "schedules.json").read_text())
rows = pd.DataFrame(run["rows"]).assign(points=lambda rows: 100 * rows["accuracy"])
trials = rows.pivot(index=["sparsity", "seed"], columns="kind", values="points")
print(run["settings"]["second_steps"], "steps,", rows["seed"].nunique(), "seeds")
for sparsity, part in trials.groupby(level="sparsity"):
    for kind in ("iterative", "cubic", "random"):
        points = over_seeds(part[kind] - part["one-shot"])
        print(f"{sparsity:.1%} zeros, points of {kind} over one-shot: {points}")

# %% [markdown]
r"""
*more* and *less* are said where the seeds agree well enough, *undecided* where they do
not: then the schedules are as good as each other, as far as this run can see.

## 4. The long runs

The lab carries networks that were pruned while they trained on all images, for the
epochs that the table names. `python -m labkit prune mlp 0.92` trains one again, which
takes minutes. Errors are per cent of all 10,000 test images.
"""

# %%
rows = {}
for title in zoo.pruned_names():
    record = zoo.pruned_record(title)
    dense = zoo.record(record["name"])
    zeros = record.get("sparsity", np.nan)
    rows[title] = {
        "network": record["name"],
        "zeros": zeros,
        "times fewer": 1 / (1 - zeros),
        "error": 100 * (1 - record["test_accuracy"]),
        "dense error": 100 * (1 - dense["test_accuracy"]),
        "bytes": record["size_bytes"],
        "times smaller": dense["size_bytes"] / record["size_bytes"],
        "epochs": record["epochs"],
    }
long = pd.DataFrame(rows).T.infer_objects()
long.drop(columns="network").round(3)

# %%
at_12 = long.loc[["mlp-0.92", "lenet5-0.92"]]
assert (at_12["error"] <= at_12["dense error"]).all()
sparse = long[long["zeros"].notna()].sort_values("zeros")
assert (sparse["times smaller"] < sparse["times fewer"]).all()
for _, of_one in sparse.groupby("network"):
    assert of_one["error"].is_monotonic_increasing

# %% [markdown]
r"""
With twelve times fewer weights `mlp` and `lenet5` make no more errors than their dense
networks; with more zeros the same network makes more. A packed file shrinks
less than the count of its weights, for places must be said (notebook 03c). Where a name
says *macs*, there are no zeros: filters were taken out, and the file is a smaller one
that runs as it is.

What has been published? Errors in per cent, dense and pruned, beside ours:
"""

# %%
PAPERS = {
    "mlp-0.92": ("Han et al. 2015, 12 times fewer", 1.64, 1.59),
    "mlp-0.984": ("Guo et al. 2016, 56 times fewer", np.nan, 1.99),
    "lenet5-0.92": ("Han et al. 2015, 12 times fewer", 0.80, 0.77),
    "lenet5-0.992": ("Guo et al. 2016, 111 times fewer", np.nan, 0.91),
    "resnet20-0.69": ("Distiller's network surgery, 69 % zeros", 8.22, 8.57),
    "resnet20-macs-0.27": ("Li et al. 2017, ResNet-56, 28 % fewer", 6.96, 6.94),
}
columns = ["paper", "their dense", "theirs"]
papers = pd.DataFrame(PAPERS, index=columns).T.infer_objects()
ours = long[["dense error", "error"]].set_axis(["our dense", "ours"], axis=1)
both = papers.join(ours, how="inner")
both["their change"] = both["theirs"] - both["their dense"]
both["our change"] = both["ours"] - both["our dense"]
both.round(2)

# %% [markdown]
r"""
Our digit networks err less to begin with: they saw shifted copies of the digits and
dropout. So compare the *changes* where both are known, not the errors.
Sources: arXiv:1506.02626, table 1; arXiv:1608.04493, as quoted beside later methods;
the examples of the tool Distiller; arXiv:1608.08710, table 1, a deeper network of the
same family. Choices of ours were made on validation images.

A record is worth what its file does. Open one, count and run it, and look at what it
kept of the picture.
"""

# %%
file = zoo.load_pruned("mlp-0.92")
found = accuracy(file, zoo.dataset("mlp").test)
left = {layer: int(np.count_nonzero(w)) for layer, w in file.kernels.items()}
print(f"{found.value:.2%}, left {left}")
record = zoo.pruned_record("mlp-0.92")
np.testing.assert_allclose(found.value, record["test_accuracy"], atol=1e-3)
assert left == record["kept"]

# %%
from labkit.plots import draw_weight_pictures

kernel = file.kernels["fc1"]
counts = (kernel != 0).sum(axis=1)
busy = np.argsort(-counts)[[0, 20, 60, 120, 200, 299]]
rows = {"dense": mlp.kernels["fc1"][busy], "pruned, trained": kernel[busy]}
pictures = {title: w.reshape(-1, 28, 28) for title, w in rows.items()}
draw_weight_pictures(figure(8.6, 3.1), pictures)

# %%
print(
    f"weights a unit: {counts.min()} to {counts.max()}, median {np.median(counts):.0f}"
)
unread = np.sum((kernel != 0).sum(axis=0) == 0)
print(f"pixels that no unit reads: {unread} of 784")
stronger = np.abs(kernel[kernel != 0]).mean() / np.abs(mlp.kernels["fc1"]).mean()
assert unread > 50 and counts.min() > 0 and stronger > 1.5

# %% [markdown]
r"""
The units from the busiest to the emptiest, above as they were, below after pruning and
training. Each reads a few dozen pixels where it read 784, and what is left is stronger.
Around the digits are pixels that no unit reads any more. No unit is empty: single
weights went everywhere, so there is no row or column of the layer to take out. For
that, whole units must go together. That is notebook 03c.

## 5. Lottery tickets

So far the kept weights went on from their *trained* values. Give them back their
*initial* values instead, and train the sparse network from there. Frankle and Carbin
2019 (arXiv:1803.03635) found such networks that learn faster and better than the dense
one they came from, and called them winning tickets. The control is the same mask with
*new* initial values: if it does as well, the start does not matter.

The lab has run it. A network of `mlp`'s shape is trained, a fifth of each layer's
weights goes (a tenth of the last layer's), the rest is rewound to its start, and so on.
Batches have 60 images and Adam takes steps of 1.2e-3, as in the paper. Each accuracy is
that of the iteration at which the validation loss is smallest: there one would stop.
"""

# %%
lottery = json.loads((DATA_FOLDER / "results" / "lottery.json").read_text())
runs = pd.DataFrame(lottery["rows"])
print(lottery["settings"]["iterations"], "iterations; the paper has 50,000")
print(len(runs), "trainings,", runs["seed"].nunique(), "seeds")

# %%
stops = pd.DataFrame(runs["stop"].tolist())
runs["left"] *= 100
runs["accuracy"], runs["iterations"] = 100 * stops["test_accuracy"], stops["iteration"]
table = runs.set_index(["kind", "round", "seed"]).sort_index()
NEW = "reinitialized"

# %% [markdown]
r"""
**Predict 5.** With 21 % of the weights left: how many points of test accuracy does the
rewound network have more than the one with a new start? And after which share of the
dense network's iterations does it stop, in per cent?
"""

# %%
guesses.guess("5a. points of rewinding at 21 %", None)  # percentage points
guesses.guess("5b. iterations to its stop, % of dense", None)  # 100: as many


# %%
def lines_of(value):
    """Label -> the mean over seeds, and the range, against the weights left."""
    lines = {}
    for kind, label in (("rewound", "rewound"), (NEW, "new start")):
        rounds = table.loc[kind].groupby(level="round")
        spread = rounds[value].agg(["mean", "min", "max"]).to_numpy().T
        lines[label] = Curve(rounds["left"].mean().to_numpy(), *spread)
    return lines


# %%
axis = {"xlabel": "% of weights left", "xscale": "log"}
axis |= {"xticks": (3.6, 7, 13.5, 21, 51, 100)}
look = Look(ylabel="test accuracy at the stop, %", **axis)
draw_curves(figure(7.5, 3.2), {"": lines_of("accuracy")}, look)

# %%
look = Look(ylabel="iterations to the stop", **axis)
draw_curves(figure(7.5, 3), {"": lines_of("iterations")}, look)

# %% [markdown]
r"""
At the right is the dense network, to the left go the rounds of pruning. Bands are the
range of the seeds, as the paper draws them. Where bands overlap, look at differences:
each seed has a dense, a rewound and a newly started network, so they can be paired.
The interval is Student's again, for the mean difference over the seeds.
"""

# %%
PAPER = {
    3: "51.3 %: faster and more accurate than dense",
    7: "21.1 %: stops 38 % earlier than dense; new start 2.51 times slower, 0.5 less",
    9: "13.5 %: more than 0.3 points above dense",
    15: "3.6 %: back to the dense network's accuracy and speed",
}
dense = table.loc["rewound", 0]
for number, said in PAPER.items():
    won, new = table.loc["rewound", number], table.loc[NEW, number]
    more = 100 * (won["iterations"] / dense["iterations"] - 1)
    print("paper,", said)
    print(
        "  ours: points over dense      ",
        over_seeds(won["accuracy"] - dense["accuracy"]),
    )
    print(
        "        points over new start  ", over_seeds(won["accuracy"] - new["accuracy"])
    )
    print("        % of iterations, dense ", over_seeds(more))

# %%
won, new = table.loc["rewound", 7], table.loc[NEW, 7]
points = (won["accuracy"] - new["accuracy"]).mean()
share = 100 * (won["iterations"] / dense["iterations"]).mean()
print(guesses.settle("5a. points of rewinding at 21 %", points, 0.2))
print(guesses.settle("5b. iterations to its stop, % of dense", share, 10))

# %% [markdown]
r"""
Read the last word of each line. The last line of each block is how many iterations the
rewound network took to its stop, beside the dense one: less is faster.

The paper's figures are from section 2, where a training has five times as many
iterations. A dense network that needs longer has been given less here, and so has every
other one; whoever stops where the validation loss is smallest may stop before the end
in both. So compare the signs before you compare the sizes. Why these levels? They are
the ones the paper names: where tickets are fastest, where they are most accurate, and
where they end.

What is a ticket good for? It costs all the trainings that found it, so it saves none.
But where rewinding beats a new start, what pruning found was a mask *and* a start, and
where it does not, only a mask. On deeper networks it took more: not the very start of
the training but some iterations later was the place to rewind to (Frankle et al. 2019,
arXiv:1903.01611).

## Recap

- Mask the weights after each step. Masking gradients forgets momentum and decay.
- Moving towards the unpruned network refills zeros, and teaches nothing.
- Each channel's mean and deviation can be given back from a hundred images.
- A schedule says when weights go; the second half of the time belongs to the repair.
- Masks by magnitude stay ahead of random ones, training included.
- Twelve times fewer weights cost these two digit networks nothing.
- A ticket is a mask and its initial weights; only paired seeds tell whether it won.

**Where this stops being true.** Digits are easy: the photograph networks have far less
to spare. The live trainings are one seed each. A pruned network that was trained longer
than its dense one has an advantage that is not the pruning's. And a sparse file is not
yet a fast one.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** You inherit a pruned network with 90 % zeros, its masks, and no
training images but 500 unlabelled ones. It lost six points when it was pruned. A
colleague wants to fine-tune it "towards" the dense network's weights; another wants to
prune again, less. What do you do?

<details><summary>One answer</summary>

First re-estimate each channel's mean and deviation from the 500 images: it needs the
dense network and no labels. Then let least squares move the remaining weights (notebook
03), which needs no labels either. Moving weights towards the dense ones refills zeros
or does nothing. If points are still missing, the dense network can label the images,
its *outputs* are what the small one can learn from, and pruning less is the last
resort. Measure each step on images with labels, and keep the masks on.

</details>
"""
