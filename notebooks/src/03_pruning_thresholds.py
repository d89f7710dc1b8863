# %% [markdown]
r"""
# Remove the weights that nobody misses

**What you'll do.** Set weights of four trained networks to zero, by six rules, and
measure what each rule costs. Nothing is trained again here: that is notebook 03b.

**What you'll learn**
- to cut a mask with an exact count, and to keep it beside the weights;
- to choose a threshold, and to say why one threshold does not fit two layers;
- to rank weights by size, by the inputs they meet, by slope and by curvature;
- to let the remaining weights make up for the removed ones;
- to find the layers that suffer most, and to share out a budget of bytes.

**What you'll need.** Notebook 00: the ledger, paired comparison, a panel. About 80
minutes of yours, one and a half of two cores. Three exercises, 12 points.

**Three beliefs that this notebook tests**
1. "The threshold is the maximum minus the mean." So says the article that this lab grew
   out of.
2. "The smallest weights of the whole network matter least."
3. "The slope of the loss says which weights can go."

*Sparsity* is the fraction of weights that is removed, from 0 to 1. A *mask* is a bool
array in the shape of the weights, True where a weight is kept.
"""

# %%
import numpy as np
import pandas as pd

from labkit import compress, prune, zoo
from labkit.checks import Predictions
from labkit.measure import accuracy, machine
from labkit.plots import figure

guesses = Predictions()
N = 1000  # validation images
networks = {name: zoo.load(name) for name in zoo.NAMES}
data = {name: zoo.dataset(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. A mask, and a rule that leaves nothing

The simplest rule is old and hard to beat: a weight with a small magnitude changes its
sum little, so set it to 0 (Han et al. 2015, arXiv:1506.02626). The mask remembers which
ones.
"""

# %%
w = np.array([0.31, -0.05, 0.02, -0.47, 0.11, 0.0, -0.22, 0.6, 0.07, -0.9, 0.16, -0.12])
mask = np.abs(w) >= 0.15
np.testing.assert_array_equal(mask, prune.above_threshold(w, 0.15))
print("sparsity", prune.sparsity({"w": mask}))
pd.DataFrame({"w": w, "kept": mask, "after": np.where(mask, w, 0)}).T

# %% [markdown]
r"""
Half of the twelve are gone, and each that is left stands where it stood.

The article does something else. Its threshold is the largest weight minus the mean, and
its function returns the weights that pass:
"""


# %%
def article_prune(w):
    threshold = w.max() - w.mean()
    return w[np.abs(w) > threshold]


print(article_prune(w))

# %% [markdown]
r"""
**Predict 1.** Use the article's threshold on every kernel of `mlp`. How many per cent
of the 266,200 weights survive? And what accuracy is left, in per cent?
"""

# %%
guesses.guess("1a. weights that survive, per cent", None)  # 0 to 100
guesses.guess("1b. accuracy left, per cent", None)  # 0 to 100

# %%
from labkit.model import NetworkError

mlp, validation = networks["mlp"], data["mlp"].validation
flat = article_prune(mlp.kernels["fc1"])
print(mlp.kernels["fc1"].shape, "->", flat.shape)
try:
    mlp.with_weights({"fc1/kernel": flat})
except NetworkError as error:
    print("NetworkError:", error)


# %%
def article_masks(kernels):
    return {name: np.abs(w) > w.max() - w.mean() for name, w in kernels.items()}


article = article_masks(mlp.kernels)
left = 1 - prune.sparsity(article)
off = accuracy(compress.apply_masks(mlp, article), validation, N).value
print(guesses.settle("1a. weights that survive, per cent", 100 * left, 1))
print(guesses.settle("1b. accuracy left, per cent", 100 * off, 3))
assert left < 0.02 and off < 0.2

# %% [markdown]
r"""
Two faults. The function returns a flat array that fits nowhere. It cannot be set back,
and no mask is left to hold the zeros later. That is mended above: keep the shape, keep
the mask. The threshold is the other. Weights of a trained layer have a mean near 0, so
the maximum minus the mean is about the maximum, and next to nothing is above it. Belief
1 fails: the rule asks for the largest weight, not for the small ones.

Which threshold, then? Ask for a *fraction*: with $n$ weights and a sparsity $s$, remove
the $sn$ smallest. Rank them, and look up the magnitude at the place $sn$. Here is that
line from a well-known library, and ten weights that are all different:
"""


# %%
def one_too_many(w, sparsity):
    magnitudes = np.sort(np.abs(w).ravel())
    threshold = magnitudes[int(sparsity * w.size)]
    return np.abs(w) > threshold


ten = np.arange(1, 11) / 10
for sparsity in (0.2, 0.5, 1.0):
    try:
        print(sparsity, "removes", np.sum(~one_too_many(ten, sparsity)))
    except IndexError as error:
        print(sparsity, "IndexError:", error)
assert np.sum(~one_too_many(ten, 0.2)) == 3

# %% [markdown]
r"""
Place $sn$, counted from 0, is the first weight that should *stay*, and `>` throws it
out. One weight too many among ten thousand is no harm; at a sparsity of 1 there is no
such place. And where many weights are equal, no threshold counts right at all.

**Exercise 1** (10 minutes, 4 points). Write `magnitude_mask(w, sparsity)`. It removes
exactly `round(sparsity * w.size)` weights, the smallest by magnitude, whatever the
shape. Of equal magnitudes any may go, but only as many as asked for.
"""


# %%
def magnitude_mask(w, sparsity):
    raise NotImplementedError


# %%
from labkit.checks import check_magnitude_mask

check_magnitude_mask(magnitude_mask)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Don't compare with a threshold: count. `np.argsort(np.abs(w), axis=None)` lists the
places from the smallest to the largest magnitude. Begin with a mask of ones and set the
first few of these places to False, through `mask.flat[…]`.

</details>
<details><summary>Solution</summary>

```python
def magnitude_mask(w, sparsity):
    order = np.argsort(np.abs(w), axis=None, kind="stable")
    mask = np.ones(w.shape, dtype=bool)
    mask.flat[order[: round(sparsity * w.size)]] = False
    return mask
```

</details>

The lab's `prune.mask` does the same for any score. Of equal scores the first ones go,
as a stable sort would have it.
"""

# %%
for scored in (ten, np.abs(w), np.array([0.5, 0.2, 0.2, 0.2, 0.9])):
    for sparsity in (0.0, 0.2, 0.4, 1.0):
        order = np.argsort(scored, kind="stable")
        kept = np.argsort(order) >= round(sparsity * scored.size)
        np.testing.assert_array_equal(kept, prune.mask(scored, sparsity))

# %% [markdown]
r"""
Three ways to say how much goes are in use. An **absolute** threshold, the same for all
layers. A **percentile**, the fraction above. And a **multiple of the standard
deviation** of the layer's weights (Han et al. 2015, sec. 3.1), so that one number fits
layers of different spread. What do they remove?
"""

# %%
rows = {}
for name in ("mlp", "resnet8"):
    for layer, kernel in networks[name].kernels.items():
        cuts = 0.1, prune.deviation_threshold(kernel, 1.0)
        gone = [np.mean(~prune.above_threshold(kernel, cut)) for cut in cuts]
        at_80 = prune.percentile_threshold(kernel, 0.8)
        rows[name, layer] = *gone, at_80, kernel.std()
columns = ["|w| < 0.1", "below 1 deviation", "threshold for 0.8", "deviation"]
removed = pd.DataFrame(rows, index=columns).T
assert removed["below 1 deviation"].between(0.55, 0.9).all()
assert removed["|w| < 0.1"].max() > 0.9 > 0.2 > removed["|w| < 0.1"].min()
removed.round(3)

# %% [markdown]
r"""
A threshold of 0.1 takes more than nine tenths of one layer and less than a fifth of
another, because layers differ in spread. One deviation takes a bit more than half to
nine tenths of each: normally distributed weights would lose 68 in 100. The percentile
takes what it is told, and its threshold follows. Only the last one lets you say
beforehand how many weights will be left, so from here on we count.

## 2. Slide

**Predict 2.** Remove 80 % of each layer of `mlp`, by magnitude. What accuracy is left,
from 0 to 1? Your guess is drawn into the panel as a dashed line.
"""

# %%
accuracy_guess = None  # a number from 0 to 1, such as 0.9
guesses.guess("2. accuracy of mlp at 80 %", accuracy_guess)

# %%
from labkit.panels import pruning_panel

panel = pruning_panel("mlp", guess=accuracy_guess, sparsity=0.5)
panel

# %% [markdown]
r"""
The blue dot is the packed file, which leaves the zeros out. The diamond is the same
network as a runtime takes it, zeros and all. At the right are the weights of one layer,
the removed ones pale. The lines at both sides of 0 are the threshold, and the slider
moves them. Below is what is left of each of the 28×28 pixels. Answer before you read
on.

1. Go from 50 to 95 %. Where does the accuracy break? Does the diamond ever move left?
2. Which pixels keep weights, which lose all of them? Why those?
3. Rank by *random* at 50 %. How far does the accuracy fall, at the same bytes?
4. In *Advanced*, look at `fc2` and `fc3`. Where does their threshold stand? And where
   if weights are ranked *global*?
"""

# %%
at_80 = panel.set(sparsity=0.8)
print(guesses.settle("2. accuracy of mlp at 80 %", at_80.accuracy.value, 0.05))
rolled = panel.set(sparsity=0.5, criterion="random").accuracy.value
half = panel.set(sparsity=0.5, criterion="magnitude")
base = half.base_accuracy.value
assert half.accuracy.value > base - 0.01 > base - 0.1 > rolled
zeros, packed = half.points[2].size_bytes, half.points[1].size_bytes
assert zeros == len(mlp) and packed < 0.55 * zeros

# %% [markdown]
r"""
Half of the weights can go for less than a point, if they are the small ones; half of
them at random cost more than ten points. Beyond, there is a plateau and a cliff, as
with bits. The diamond never moves: a float file stores a zero in 32 bits like any other
number, and the ledger below the panel says so. What zeros are worth, and where, is the
business of notebook 03c.

Then the border. Nobody told the mask where the picture ends:
"""

# %%
from labkit.plots import draw_weight_pictures

kernel = mlp.kernels["fc1"]
kept = prune.mask(np.abs(kernel), 0.9)
units = [3, 57, 102, 160, 211, 290]
rows = {"trained": kernel[units], "10 % kept": np.where(kept, kernel, 0)[units]}
pictures = {title: w.reshape(-1, 28, 28) for title, w in rows.items()}
draw_weight_pictures(figure(8.6, 3.1), pictures)

# %%
pixels = kept.mean(axis=0)
dark = data["mlp"].calibration.images.reshape(5000, -1).max(axis=0) == 0
ink, none = pixels[~dark].mean(), pixels[dark].mean()
print(f"kept: {none:.1%} where 5,000 images have no ink, {ink:.1%} elsewhere")

# %%
CORNERS = [0, 27, -28, -1]
start = np.sqrt(6 / (784 + 300))  # Keras drew the first weights from below this size
assert np.abs(kernel[:, CORNERS]).max() < start < np.abs(kernel[kept]).min()
assert none < ink / 3 and pixels[CORNERS].max() == 0

# %% [markdown]
r"""
Above: six units of the first layer, their 784 weights as a picture, red where ink
raises the unit, blue where it lowers it, as in every picture of weights here. Below:
the tenth of all weights that is left. The corners are white. Digits have no ink there,
so a weight on such a pixel hardly ever got a slope from the data. It is still as small
as the random start had it, as the assert says, while those that read ink grew beyond.
Magnitude knows about the data because the training did.

## 3. One threshold for every layer?

So far each layer lost the same fraction. Why not rank all weights of the network
together, and let the layers lose what they can spare? That is the *global* scope, with
one threshold for all.

**Predict 3.** Remove by magnitude, *per layer* or *global*. Which keeps more accuracy:
a) for `lenet5` at 80 %, b) for `resnet8` at 50 %?
"""

# %%
guesses.guess("3a. better for lenet5", None)  # "layer" or "global"
guesses.guess("3b. better for resnet8", None)  # "layer" or "global"

# %% [markdown]
r"""
**Exercise 2** (10 minutes, 4 points). Write `global_masks(weights, sparsity)`: weights
is a dictionary, layer name → array, and so is the answer, layer name → mask. Over all
layers together exactly `round(sparsity * total)` weights go.
"""


# %%
def global_masks(weights, sparsity):
    raise NotImplementedError


# %%
from labkit.checks import check_global_masks

check_global_masks(global_masks)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Put all magnitudes into one row with `np.concatenate`, mask the row by counting, then
cut it up again: `np.split(row, ends)` with the running sum of the sizes, the last one
left out. Each part gets its layer's shape back with `reshape`.

</details>
<details><summary>Solution</summary>

```python
def global_masks(weights, sparsity):
    row = np.concatenate([np.abs(w).ravel() for w in weights.values()])
    kept = np.ones(row.size, dtype=bool)
    kept[np.argsort(row, kind="stable")[: round(sparsity * row.size)]] = False
    ends = np.cumsum([w.size for w in weights.values()])[:-1]
    parts = np.split(kept, ends)
    return {
        name: part.reshape(w.shape)
        for (name, w), part in zip(weights.items(), parts)
    }
```

</details>
"""

# %%
SPARSITY = {"mlp": 0.8, "lenet5": 0.8, "resnet8": 0.5, "resnet20": 0.5}


def by_magnitude(network, sparsity, scope):
    magnitudes = {name: np.abs(w) for name, w in network.kernels.items()}
    return prune.masks(magnitudes, sparsity, scope)


rows, masks = {}, {}
for name, network in networks.items():
    found = {"float32": accuracy(network, data[name].validation, N).value}
    for scope in ("layer", "global"):
        masks[name, scope] = by_magnitude(network, SPARSITY[name], scope)
        file = compress.apply_masks(network, masks[name, scope])
        found[scope] = accuracy(file, data[name].validation, N).value
    rows[name, SPARSITY[name]] = found
scopes = pd.DataFrame(rows).T
scopes

# %%
better = scopes[["layer", "global"]].idxmax(axis=1).droplevel(1)
print(guesses.settle("3a. better for lenet5", better["lenet5"]))
print(guesses.settle("3b. better for resnet8", better["resnet8"]))
assert list(better) == ["global", "global", "layer", "layer"]

# %% [markdown]
r"""
Twice yes, twice no, and by far. Where did the global ranking take its weights?
"""

# %%
lost = {
    name: {layer: np.mean(~kept) for layer, kept in masks[name, "global"].items()}
    for name in ("lenet5", "resnet8")
}
pd.concat({name: pd.Series(gone) for name, gone in lost.items()}).to_frame(
    "lost"
).round(2)

# %%
shares = pd.Series(lost["lenet5"]), pd.Series(lost["resnet8"])
assert shares[0]["fc1"] > 0.8 > 0.5 > shares[0]["conv1"]
assert shares[1]["stage3_block1_conv1"] > 0.9 > 0.3 > shares[1]["stage3_block1_conv2"]

# %% [markdown]
r"""
In `lenet5` the ranking spares the first and the last layer and takes from the large
ones, which have weights to spare. In `resnet8` it empties one layer nearly whole and
goes easy on the next. Are small weights unimportant there? The next cell moves a factor
of ten from one layer of `mlp` into the next. ReLU lets it pass, $\max(10z, 0) = 10
\max(z, 0)$, so the network computes what it did.
"""

# %%
moved = mlp.with_weights(
    {
        "fc1/kernel": 10 * mlp.kernels["fc1"],
        "fc1/bias": 10 * mlp.weights["fc1/bias"],
        "fc2/kernel": mlp.kernels["fc2"] / 10,
    }
)
images = validation.images[:200]
np.testing.assert_allclose(moved.predict(images), mlp.predict(images), atol=1e-3)
for title, network in {"as trained": mlp, "factor moved": moved}.items():
    kept = by_magnitude(network, 0.5, "global")
    gone = {layer: round(float(np.mean(~m)), 2) for layer, m in kept.items()}
    value = accuracy(compress.apply_masks(network, kept), validation, N).value
    print(f"{title}: {value:.1%}, lost {gone}")
assert gone["fc2"] == 1 and value < 0.2

# %% [markdown]
r"""
The same function, and the global ranking now removes all of `fc2`. A magnitude has a
unit, and each layer has its own. Ranking within a layer doesn't feel such a factor,
ranking over all layers does. `mlp` and `lenet5` were trained with layers of like units.
In the two residual networks batch normalization set the units, and was folded into the
kernels. Belief 2 is true of some networks, by luck of their units. What would be a unit
that all weights share? The change of the loss.

## 4. Six ways to rank

Let weight $w$ become 0, a step of $-w$. The loss then changes by about

$$ \Delta L \approx -g\,w + \tfrac12 h\,w^2, $$

with the slope $g$ and the curvature $h$ in that weight (LeCun, Denker, Solla 1990).
The criteria take their part of it, or of what stands behind it:

| criterion | score | source, arXiv |
|---|---|---|
| random | a random number | the baseline of every paper |
| magnitude | $\lvert w \rvert$ | Han et al. 2015, 1506.02626 |
| activation-aware | $\lvert w \rvert\ \Vert x \Vert$ | Sun et al. 2023, 2306.11695 |
| Taylor | $\lvert g\,w \rvert$ | Molchanov et al. 2017, 1611.06440 |
| Fisher | $\tfrac12 w^2\, \mathrm{E}[g^2]$ | Theis et al. 2018, 1801.05787 |

Here $x$ are the inputs that the weight meets, and $\mathrm{E}[g^2]$ is the mean of each
image's own squared slope, which stands for the curvature near a minimum.
The sixth one, below, also asks what the *other* weights can do. First a network of four
weights and three images, small enough to remove each weight and look.
"""

# %%
x = np.array([[1.0, 0.2, 4.0, -0.5], [0.8, -0.1, -5.0, 0.4], [-1.2, 0.3, 3.0, 0.6]])
label, w4 = np.array([1, 0, 1]), np.array([0.9, 1.5, 0.25, 0.3])


def loss_of(w):
    return np.mean(np.log1p(np.exp(-(2 * label - 1) * (x @ w))))


slopes = (1 / (1 + np.exp(-x @ w4)) - label)[:, None] * x  # of each image, (3, 4)
without = [loss_of(np.where(np.arange(4) == k, 0, w4)) - loss_of(w4) for k in range(4)]
rows = {
    "w": w4,
    "magnitude": prune.magnitude(w4),
    "activation-aware": prune.activation_aware(w4[None], np.linalg.norm(x, axis=0))[0],
    "Taylor": prune.taylor(w4, slopes.mean(axis=0)),
    "Fisher": prune.fisher(w4, np.square(slopes).mean(axis=0)),
    "true change of the loss": without,
}
pd.DataFrame(rows).T.round(3)

# %%
order = {title: list(np.argsort(row)) for title, row in rows.items() if title != "w"}
print({title: int(places[-1]) for title, places in order.items()})
assert order["magnitude"][-1] != order["true change of the loss"][-1]
assert order["activation-aware"][-1] == order["true change of the loss"][-1] == 2

# %% [markdown]
r"""
Columns are weights. The third weight is the smallest and matters most by far, since its
input is large: magnitude does not see inputs. The second is the largest and matters
far less. Without the first one this little network would even be better. Compare the
rows yourself. No criterion is exact, for each one is an approximation near $w$, and 0
may be far away.

**Exercise 3** (5 minutes, 4 points). Write `taylor_scores(w, gradient)`: by how much
the loss changes for each weight, to first order and in size.
"""


# %%
def taylor_scores(w, gradient):
    raise NotImplementedError


# %%
from labkit.checks import check_taylor_scores

check_taylor_scores(taylor_scores)

# %% [markdown]
r"""
<details><summary>Hint</summary>

A step of $-w$ along a slope $g$ changes the loss by $-g\,w$. Both signs count: a weight
whose removal would *lower* the loss by much is no safe choice, since the line is only
good for small steps.

</details>
<details><summary>Solution</summary>

```python
def taylor_scores(w, gradient):
    return np.abs(w * gradient)
```

</details>

**Predict 4.** Now all criteria on the trained networks, ranked globally. Which of the
five keeps most of `mlp` at 90 %? And which of `resnet8` at 40 %?
"""

# %%
guesses.guess("4a. best for mlp at 90 %", None)  # "magnitude", "Taylor", …
guesses.guess("4b. best for resnet8 at 40 %", None)

# %%
from labkit.compress import input_norms


def scored(name, criterion, seed):
    """Layer -> scores. Slopes are committed: 5,000 calibration images, once."""
    kernels, slopes = networks[name].kernels, zoo.gradients(name)
    rng = np.random.default_rng(seed)
    if criterion == "activation-aware":
        images = data[name].calibration.images[50 * seed : 50 * seed + 50]
        norms = input_norms(networks[name], images)
        return {k: prune.activation_aware(w, norms[k]) for k, w in kernels.items()}
    score = {
        "random": lambda k, w: prune.random(w, rng),
        "magnitude": lambda k, w: prune.magnitude(w),
        "Taylor": lambda k, w: prune.taylor(w, slopes.mean[k]),
        "Fisher": lambda k, w: prune.fisher(w, slopes.squared[k]),
    }[criterion]
    return {k: score(k, w) for k, w in kernels.items()}


# %%
SEEDS = {"random": 3, "activation-aware": 3, "magnitude": 1, "Taylor": 1, "Fisher": 1}
GRIDS = {"mlp": (0.5, 0.7, 0.8, 0.9, 0.95), "resnet8": (0.2, 0.4, 0.5, 0.6)}
GRIDS |= {"lenet5": GRIDS["mlp"], "resnet20": GRIDS["resnet8"]}


def sweep(name):
    """(network, criterion, sparsity) -> accuracies, one for each draw."""
    found = {}
    for criterion, seeds in SEEDS.items():
        for seed in range(seeds):
            ranked = scored(name, criterion, seed)
            for s in GRIDS[name]:
                file = compress.apply_masks(
                    networks[name], prune.masks(ranked, s, "global")
                )
                value = accuracy(file, data[name].validation, N // 2).value
                found.setdefault((name, criterion, s), []).append(value)
    return found


swept = sweep("mlp") | sweep("lenet5")

# %%
swept |= sweep("resnet8")

# %%
swept |= sweep("resnet20")

# %%
from labkit.plots import Curve, Look, draw_curves

plots = {name: {} for name in zoo.NAMES}
for name in zoo.NAMES:
    for criterion in SEEDS:
        found = [swept[name, criterion, s] for s in GRIDS[name]]
        mean, low, high = (np.array([f(v) for v in found]) for f in (np.mean, min, max))
        plots[name][criterion] = Curve(GRIDS[name], mean, low, high)
look = Look("sparsity", "accuracy, 500 validation images", percent=True)
base = {
    n: accuracy(network, data[n].validation, N // 2).value
    for n, network in networks.items()
}
draw_curves(figure(8.6, 6), plots, look, base)

# %%
mean = pd.Series({key: np.mean(values) for key, values in swept.items()}).unstack(1)
best = {key: mean.loc[key].idxmax() for key in (("mlp", 0.9), ("resnet8", 0.4))}
print(guesses.settle("4a. best for mlp at 90 %", best["mlp", 0.9]))
print(guesses.settle("4b. best for resnet8 at 40 %", best["resnet8", 0.4]))
size, aware, slope = mean["magnitude"], mean["activation-aware"], mean["Taylor"]
assert (mean["random"] <= mean.drop(columns="random").max(axis=1)).all()
assert all(slope["mlp", s] < size["mlp", s] - 0.05 for s in (0.7, 0.8, 0.9))

# %%
assert aware["mlp", 0.9] > size["mlp", 0.9] + 0.05
assert aware["lenet5", 0.95] > size["lenet5", 0.8]
assert mean["Fisher"]["resnet8", 0.4] > size["resnet8", 0.4] + 0.2
assert mean.loc["resnet20", 0.6].idxmax() == "activation-aware"

# %% [markdown]
r"""
One plot, five rankings of the same weights. The band around random and activation-aware
is the range over three draws, of numbers and of images; the other criteria have nothing
to draw. Random is the baseline, and every other curve should stay above it.

- `mlp` and `lenet5`: with few weights left, who takes the inputs into account stands
  above magnitude. In `lenet5` a quarter of the weights then does for what magnitude
  needs four times as many.
- `resnet8`: Fisher, whose unit is the loss, keeps what magnitude in alien units
  destroys. In `resnet20` the inputs win again, by far.
- Taylor is *worse* than magnitude on `mlp`, up to nine tenths. Where a training ends,
  the slopes are nearly 0, of important weights as well: the first-order part of the
  formula is what the training has removed. Belief 3 fails where it is applied most.
  During a training, when slopes are large, it is another matter.

No criterion wins everywhere. So whoever proposes one should draw random and both scopes
of magnitude beside it, as a survey of 81 papers asks (Blalock et al. 2020,
arXiv:2003.03033). And all of this is *without* training. With it most gaps shrink, see
notebook 03b.

## 5. Let the others make up for it

Two inputs that are always equal, weights 3 and 4. Each criterion so far sees two
important weights. But remove one, make the other 7, and nothing has changed. That is
the idea of the **optimal brain surgeon** (Hassibi, Stork 1993). For one output of a
layer with inputs $x$, $H = 2 x^\top x$ holds how inputs go together. Removing weight
$p$ costs, after the others have moved in the best way,

$$ \frac{w_p^2}{2\,[H^{-1}]_{pp}}, \qquad
   \text{and they move by } -\frac{w_p}{[H^{-1}]_{pp}}\,[H^{-1}]_{:,p}. $$
"""

# %%
from labkit.prune import hessian, obs_scores, obs_update

twins = np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]])
pair, h = np.array([3.0, 4.0]), hessian(twins, damping=1e-6)
inverse = np.linalg.inv(h)
cost = pair[0] ** 2 / (2 * inverse[0, 0])
step = -pair[0] / inverse[0, 0] * inverse[:, 0]
print(f"cost {cost:.5f}, new weights {(pair + step).round(3)}")
assert cost < 1e-3
np.testing.assert_allclose(
    obs_update(pair[None], h, np.array([[False, True]]))[0], pair + step, atol=1e-6
)

# %% [markdown]
r"""
The removed weight is 0, the other one took its part over, and the cost is nearly 0. On
a layer the surgeon removes weight after weight, and updates $H^{-1}$ each time
(Frantar et al. 2022, arXiv:2208.11580). The same least squares can serve the mask of
any other criterion.

**Predict 5.** Take `fc2` of `mlp` alone, 95 % removed by magnitude, all other layers
whole. How many points of accuracy does the compensation win back?
"""

# %%
guesses.guess("5. points won back by compensation", None)  # percentage points

# %%
from labkit.compress import layer_hessian

fc2, calibration = mlp.kernels["fc2"], data["mlp"].calibration.images
parts = np.random.default_rng(0).permutation(calibration)[:1500].reshape(3, 500, 28, 28)
hessians = [layer_hessian(mlp, images, "fc2") for images in parts]
reads = mlp.activations(validation.images[:N], "fc2")


# %%
def judged(kernel):
    error = np.sum((reads @ (kernel - fc2).T) ** 2) / np.sum((reads @ fc2.T) ** 2)
    file = mlp.with_weights({"fc2/kernel": kernel})
    return error, accuracy(file, validation, N).value


# %%
SHARES, AS_IT_IS, BETTER, rows = (0.8, 0.9, 0.95, 0.98), "as it is", "compensated", []
for draw, h in enumerate(hessians):
    ranked = {name: scored("mlp", name, draw)["fc2"] for name in SEEDS}
    for name, score in (ranked | {"surgeon": obs_scores(fc2, h)}).items():
        for share in SHARES:
            kept = prune.mask(score, share)
            rows.append((AS_IT_IS, name, share, *judged(np.where(kept, fc2, 0))))
            rows.append((BETTER, name, share, *judged(obs_update(fc2, h, kept))))

# %%
columns = ["kernel", "criterion", "share", "error", "accuracy"]
made_up = pd.DataFrame(rows, columns=columns).groupby(columns[:3], sort=False)
spread, plots = made_up["accuracy"].agg(["mean", "min", "max"]), {}
for (kernel, name), part in spread.groupby(level=[0, 1], sort=False):
    plots.setdefault(kernel, {})[name] = Curve(SHARES, *part.to_numpy().T)

# %%
look = Look("removed of fc2", "accuracy of mlp", percent=True, one_scale=True)
draw_curves(figure(8.6, 3.4), plots, look)

# %%
at_95 = made_up.mean().xs(0.95, level="share").unstack("kernel")
at_95.round(3)

# %%
won = at_95["accuracy"][BETTER] - at_95["accuracy"][AS_IT_IS]
print(guesses.settle("5. points won back by compensation", 100 * won["magnitude"], 2))
error = made_up["error"].mean().unstack("kernel")
assert (error[BETTER] < error[AS_IT_IS]).all() and won.min() > 0
assert at_95["error"][BETTER].idxmin() == "surgeon"

# %% [markdown]
r"""
Six rankings of one layer at the same sparsities, left as it is and right compensated.
The bands are the range of three draws: of random numbers, and of the images from which
norms and $H$ come. In the table, `error` is the squared error of the layer's output, as
a share of its energy, on validation images. Compensation lowers it for every mask,
brings even the random one back a long way, and the surgeon's own mask, chosen with it
in mind, has the least. No slope was taken and nothing trained. The price is
$H$: its inverse grows with the square of the inputs, so the method goes layer by layer.
The panel of section 2 has it for all dense layers and convolutions: rank by *surgeon,
compensated*. It ranks each layer once, which takes seconds, then every sparsity is
quick.

## 6. Which layer can spare it?

Before a budget is shared out, ask each layer alone: remove 30 to 95 % of *it*, keep all
others, and look at the accuracy on validation images.

**Predict 6.** Which layer of `resnet8` loses most accuracy when half of it is removed?
Its layers: `conv1`, `stage1_block1_conv1` to `stage3_block1_shortcut`, `fc`.
"""

# %%
guesses.guess("6. most sensitive layer at 50 %", None)  # a layer's name

# %%
from labkit.compress import score

LEVELS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
resnet, scan_images = networks["resnet8"], data["resnet8"].validation.take(500)
float_score, scan = score(resnet, scan_images), {}
for layer, kernel in resnet.kernels.items():
    for sparsity in LEVELS:
        kept = prune.mask(np.abs(kernel), sparsity)
        scan[layer, sparsity] = score(
            compress.apply_masks(resnet, {layer: kept}), scan_images
        )

# %%
from labkit.plots import LossMap, draw_loss_maps


def table(field):
    values = {key: getattr(found, field) for key, found in scan.items()}
    return pd.Series(values).unstack()[list(LEVELS)].loc[list(resnet.kernels)]


lost = 100 * (float_score.accuracy - table("accuracy")[list(LEVELS[1:])]).clip(lower=0)
percents = [round(100 * s) for s in LEVELS[1:]]
shown = LossMap(list(lost.index), percents, lost.to_numpy())
draw_loss_maps(figure(6.4, 4), {"resnet8, points lost": shown}, "% removed")

# %%
worst = table("accuracy")[0.5].idxmin()
print(guesses.settle("6. most sensitive layer at 50 %", worst))
assert worst == "conv1" and lost[0.5]["conv1"] > 2 * lost[0.5].drop("conv1").max()
assert set(lost[0.95].nsmallest(2).index) == {k for k in lost.index if "shortcut" in k}

# %% [markdown]
r"""
Rows are layers, columns are sparsities, figures are points lost. With half of its
weights gone the first layer loses more than twice what any other does. It was the most
sensitive one in AlexNet, too (Han et al. 2015, fig. 6): all else is computed from it.
The two shortcuts can lose nearly all their weights almost for free.

Now share out a budget. Each layer at each sparsity has a price, the bytes of a bitmap
and of the values left, and a loss from the scan. If losses add up, the best choice for
*every* budget comes from the same search that gave out bits in notebook 01b.
"""

# %%
from labkit.common import exact
from labkit.packed import payload_bytes, sparse


def price(kernel, sparsity):
    left = np.where(prune.mask(np.abs(kernel), sparsity), kernel, 0)
    return payload_bytes(sparse(left, "bitmap"))


prices = np.array([[price(w, s) for s in LEVELS] for w in resnet.kernels.values()])
increase = table("loss").to_numpy() - float_score.loss
frontier = exact(increase, prices)
print(f"{len(frontier):,} choices that none beats, of {len(LEVELS) ** len(prices):,}")

# %%
unseen = data["resnet8"].validation.take(2000)
rows = {}
magnitudes = {layer: np.abs(kernel) for layer, kernel in resnet.kernels.items()}
for budget in (0.6, 0.5, 0.4):
    choice = frontier.choice[frontier.within(budget * 4 * resnet.parameters)]
    shares = {k: LEVELS[c] for k, c in zip(magnitudes, choice, strict=True)}
    chosen = prune.masks(magnitudes, shares)
    same = prune.sparsity(chosen)
    masks_by = {"shared out": chosen}
    for scope in ("layer", "global"):
        masks_by[scope] = prune.masks(magnitudes, same, scope)
    for title, kept in masks_by.items():
        file = compress.prune_network(resnet, kept)
        found = accuracy(file.network, unseen).value
        rows[budget, title] = same, file.size_bytes, found
columns = ["sparsity", "bytes", "accuracy"]
shared = pd.DataFrame(rows, index=columns).T
chosen = shared.xs("shared out", level=1)
shared["accuracy"].unstack().join(chosen[["sparsity", "bytes"]])

# %%
by = shared["accuracy"].unstack()
weights = 4 * resnet.parameters
graph = len(resnet) - weights
assert (chosen["bytes"] < chosen.index * weights + graph).all()
assert (by["shared out"] > by["layer"]).all() and (by["layer"] > by["global"]).all()

# %% [markdown]
r"""
Each row is one budget, a fraction of the float weights' bytes, and all three files in
it have as many zeros. The scan chose on 500 validation images; these are 2,000, the 500
among them. Sharing out by sensitivity beats the same fraction everywhere, which here
beats one threshold for all. The sum of single losses is only a guide: with several
layers pruned their errors meet, and the file may lose more than the sum.

And yet the accuracies are poor. More cannot be had from ranking: the remaining weights
have to *learn* to live without the others. That is notebook 03b.

## Recap

- A mask has the shape of the weights and an exact count. The maximum minus the mean
  leaves nothing, and place $n$ of a sorted list removes $n + 1$.
- Small weights go cheaply up to a cliff that must be measured. The picture's border
  goes first.
- Magnitudes of two layers have two units; a global ranking is right only where the
  units agree.
- Inputs, slopes and curvature can rank better, and none does so everywhere. At the end
  of a training slopes say little.
- The other weights can take over: least squares on the layer's inputs.
- Layers differ in what they can spare: ask each of them, then share out.

**Where this stops being true.** Every figure is for networks that were not trained
after pruning. With training the order of the criteria can change and most gaps shrink.
The committed slopes are those of one trained network. And what was counted is zeros:
not one kernel here ran faster.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A trained language model has a dense layer in which one input in
a hundred is about fifty times larger than the others. You may remove half of the
weights, have 128 texts and no time to train. Which criterion, which scope, and what do
you do with the weights that are left?

<details><summary>One answer</summary>

Activation-aware: the weights on the large inputs may be small and matter most, and
magnitude would remove just them. Its authors rank within each *output*, so that no
output loses all its inputs; that is safe where layers and outputs have units of their
own. The 128 texts also give $H$, so let least squares move the weights that are left.
First measure on texts that played no part, against magnitude and against random.

</details>
"""
