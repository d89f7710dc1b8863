# %% [markdown]
r"""
# Pass on more than answers

**What you'll do.** Repeat the experiment that made distillation known, on a student
that never sees a 3. Pass on slopes, attention and distances instead of answers, mend
damaged networks with their own soft targets, and distill on photographs.

**What you'll learn**
- to say what a student can learn of a class that it never sees;
- to compare two networks of different shapes, and what not to compare;
- to compute a network's slope by its input, and an attention map, by hand;
- to test a repair against the plain one, since a hint may harm;
- to read a gap closed, with its interval.

**What you'll need.** Notebook 04: temperature, soft loss, who is trained. About 50
minutes of yours, less than one of two cores. Two exercises, 8 points. Nothing is
trained here: the long runs are committed, each with the command that rebuilds it.

**Three beliefs that this notebook tests**
1. "A student can't know a digit that it has never seen."
2. "To pass on how a network learned, compare the gradients of its weights." So says the
   article that this lab grew out of.
3. "What helps a float student helps a damaged one."
"""

# %%
import json

import numpy as np
import pandas as pd

from labkit import distill, zoo
from labkit.checks import Predictions
from labkit.measure import Accuracy, compare, gap_closed, mean_over_seeds
from labkit.plots import (
    Curve,
    Look,
    draw_bars,
    draw_curves,
    draw_weight_pictures,
    figure,
)
from labkit.zoo import DATA_FOLDER

guesses = Predictions()
results = DATA_FOLDER / "results"
mlp, lenet5 = zoo.load("mlp"), zoo.load("lenet5")
digits = zoo.dataset("mlp")
few = digits.validation.take(200)

# %% [markdown]
r"""
## 1. Hinton's experiment

Hinton, Vinyals and Dean 2015 (arXiv:1503.02531, Sec. 3) trained a teacher of two layers
of 1,200 units with dropout, weight constraints and digits jittered by two pixels. Their
students of two layers of 800 units saw none of these, only the plain digits: alone, or
with soft targets at $T = 20$. Two more students had *holes* in what they saw. One never
saw a 3, and one saw only 7s and 8s.

What can be missing then? A class that never comes is a class whose *bias* learns that
it never comes. Take a student's logits for three images, of classes 0, 1 and 2, by a
student that has seen no 2:
"""

# %%
z = np.array([[4.0, 0.0, -2.0], [0.5, 3.0, -1.0], [1.0, 0.5, 0.0]])
for offset in (0, 1.5, 5):
    print(f"bias of class 2 raised by {offset}: {(z + [0, 0, offset]).argmax(axis=1)}")
assert (z + [0, 0, 1.5]).argmax(axis=1).tolist() == [0, 1, 2]

# %% [markdown]
r"""
The third image has more to say for a 2 than the others do, only not enough, and one
number brings it out. Raised too far, every image is a 2. The paper moved the bias by
what was best on test images; here it is moved by what is best on validation images.

**Predict 1.** Of the threes among the 10,000 test images, what fraction does the
student that never saw a 3 get right, once the bias of class 3 is moved? From 0 to 1.
"""

# %%
guesses.guess("1. fraction of threes right, no 3 ever seen", None)  # 0 to 1

# %%
hinton = json.loads((results / "hinton.json").read_text())
rows = pd.DataFrame(hinton["rows"])
cases = rows.groupby("case", sort=False)
ours = cases["errors"].agg(["mean", "min", "max", "count"])

# %%
moved = cases["errors_moved"].agg(["mean", "min", "max", "count"]).dropna()
moved.index = [
    f"{case}, {'bias' if case == 'no 3s' else 'biases'} moved" for case in moved.index
]

# %%
table = pd.concat([ours, moved])
table["published"] = pd.Series(hinton["published"])
table.rename(columns={"mean": "errors, mean", "count": "seeds"}).round(1)

# %%
threes = np.sum(digits.test.labels == 3)
missed = rows[rows.case == "no 3s"]["errors_moved_on_classes"].mean()
print(guesses.settle("1. fraction of threes right, no 3 ever seen",
                     float(1 - missed / threes), 0.03))  # fmt: skip

# %%
before = rows[rows.case == "no 3s"]["errors_on_classes"].mean()
print(f"{threes} threes: {before:.1f} missed, {missed:.1f} with the bias moved")
print("published: 133 and 14")
print("biases raised by", cases["offset"].mean().dropna().round(2).to_dict())
assert missed < threes / 4 and missed < before
assert moved["mean"].iloc[-1] < ours["mean"]["only 7s and 8s"]

# %% [markdown]
r"""
Errors of 10,000 images. Belief 1 fails: the student never saw a 3, but it was told of
8s and 5s that they look a little like one. Only *how often* a 3 comes it could not
know, and one number, the bias, mends that. The student of 7s and 8s has never seen
eight of the ten digits. Its last row says how much of them came through by what its
soft 7s and 8s say of the other digits. (Students with holes learn from the teacher
alone, α = 1; for *distilled* α is 0.9.)

Why do ours differ from theirs? Our teacher and students train on 55,000 images, since
5,000 are kept for choices, theirs on 60,000; each of our students had sixty epochs, and
the learning rate of its kind; and their table is one run, where ours shows how far
seeds spread. In the rows *all images* nothing is left to choose, and the 5,000 join the
training: the teacher goes on with them, students begin anew. The rows *jittered* are
not in the paper. There the student sees the moved digits, too, so that the teacher
speaks about more of them.

How much of the way from the student alone to its teacher does distilling go?

$$ \frac{e_{alone} - e_{distilled}}{e_{alone} - e_{teacher}} $$
"""

# %%
published = hinton["published"]
for case in ("teacher", "distilled", "teacher, all images", "distilled, all images"):
    errors, its = ours.loc[case, "mean"], published[case]
    word = "reached" if errors <= its else "not reached"
    print(f"{case}: {errors:.1f} errors, the paper's {its}: {word}")
print(f"the paper's own figures close {(146 - 74) / (146 - 67):.0%} of the gap")

# %%
wrong = {case: list(part["wrong"]) for case, part in cases}
for on in ("", ", all images"):
    its, alone, taught = (wrong[f"{k}{on}"] for k in ("teacher", "alone", "distilled"))
    found = gap_closed(its[0], alone, taught)
    print(
        f"distilled{on}: {found[0]:.0%} of the gap ({found[1]:.0%} to {found[2]:.0%})"
    )

# %%
holes = "no 3s", "only 7s and 8s"
bars = {case: n for case, n in ours["mean"].items() if case not in holes}
assert bars["teacher"] < bars["alone, jittered"] < bars["distilled"] < bars["alone"]
draw_bars(figure(7, 2.2), bars, "test errors of 10,000, mean of the seeds")

# %% [markdown]
r"""
The interval draws test images and seeds anew, with replacement. A hundred percent is a
student as good as its teacher; more would be a better one. All bars but the teachers'
are networks of one size, without dropout: what differs is what they were told, on how
many images, and whether digits were moved. Compare *alone, jittered* with *distilled*:
a student that sees moved digits itself needs no teacher to come as far. Hinton's paper
takes it that soft targets pass on what the teacher knows of moved digits, without
showing a single one. The bars allow it. To *test* it, one would need a teacher that
never saw a moved digit either.

## 2. What two networks have in common

The article's *gradient transfer* asks a small network to have the big one's gradients:
$\frac12\|\nabla L^{big} - \nabla L^{small}\|^2$, over the parameters. Of two shapes
they have different lengths. And of equal shapes? Take `mlp`, and `mlp` with the hidden
units of its first layer in another order. Both compute the same.
"""

# %%
kernels = list(mlp.kernels.values())
biases = [mlp.weights[f"{name}/bias"] for name in mlp.kernels]
order = np.random.default_rng(0).permutation(300)
same_kernels = [kernels[0][order], kernels[1][:, order], kernels[2]]
same_biases = [biases[0][order], *biases[1:]]
x = few.images.reshape(len(few), -1).astype(np.float32) / 255


# %%
def logits_and_first_gradient(kernels, biases):
    """Logits, and the gradient of the labels' cross-entropy by the first kernel."""
    h1 = np.maximum(x @ kernels[0].T + biases[0], 0)
    h2 = np.maximum(h1 @ kernels[1].T + biases[1], 0)
    z = h2 @ kernels[2].T + biases[2]
    slope = distill.hard_gradient(z, few.labels) @ kernels[2] * (h2 > 0)
    return z, (slope @ kernels[1] * (h1 > 0)).T @ x


one, its = logits_and_first_gradient(kernels, biases)
other, mine = logits_and_first_gradient(same_kernels, same_biases)
np.testing.assert_allclose(one, other, atol=1e-3)
apart = np.linalg.norm(its - mine) / np.linalg.norm(its)
print(f"equal outputs, gradients by the weights differ by {apart:.0%} of their length")
assert apart > 0.5

# %% [markdown]
r"""
Two networks that agree on every image disagree about these gradients, so a loss that
compares them is large where there is nothing to learn. Belief 2 fails. What *can* be
compared lives where both networks have the same thing: on the **input**. Slopes by the
784 pixels have 784 numbers in every network, and the order of hidden units is not in
them.

Two inputs, two hidden units, one class, by hand:
"""

# %%
w1, w2 = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0, 100.0]])
for image in ([1.0, 1.0], [1.0, -0.6]):
    h = w1 @ image
    slope = (w2[0] * (h > 0)) @ w1
    print(f"input {image}, hidden sums {h.round(1)}, slope of the logit {slope}")
    both = [w1, w2], [np.zeros(2), np.zeros(1)]
    same = distill.input_slopes(*both, np.array([image]), np.array([0]))
    np.testing.assert_allclose(slope, same[0])

# %% [markdown]
r"""
Through a unit that is off nothing passes. So the slope is the label's row of the last
layer, at the units that are on, times the first layer.

**Exercise 1** (10 minutes, 5 points). Write `label_slopes(w1, b1, w2, x, labels)`: for
each image the slope of its label's logit by its input, (n, inputs). The logits are
`w2 @ relu(w1 @ image + b1)`, and `x` has an image in each row.
"""


# %%
def label_slopes(w1, b1, w2, x, labels):
    raise NotImplementedError


# %%
from labkit.checks import check_label_slopes

check_label_slopes(label_slopes)

# %% [markdown]
r"""
<details><summary>Hint</summary>

`x @ w1.T + b1` has the sums of all images, (n, hidden). `w2[labels]` has the right row
of `w2` for each image, of the same shape. Multiply by where the sums are above 0.

</details>
<details><summary>Solution</summary>

```python
def label_slopes(w1, b1, w2, x, labels):
    on = x @ w1.T + b1 > 0
    return (w2[labels] * on) @ w1
```

</details>

Now for real ones. Beside `mlp` and its reordered double stand `mlp` with 92 % of its
weights removed, trained (notebook 03b), and one that is not trained at all.
"""

# %%
sparse = zoo.load_pruned("mlp-0.92")
rng = np.random.default_rng(1)
untrained = [rng.normal(0, w.std(), w.shape) for w in kernels]

# %%
networks = {
    "mlp": (kernels, biases),
    "reordered": (same_kernels, same_biases),
    "92 % zeros, trained": (
        list(sparse.kernels.values()),
        [sparse.weights[f"{name}/bias"] for name in sparse.kernels],
    ),
    "not trained": (untrained, [0 * bias for bias in biases]),
}

# %%
slopes = {
    name: distill.input_slopes(*network, x, few.labels)
    for name, network in networks.items()
}

# %%
alike = {
    name: distill.cosines(slopes["mlp"], found).mean() for name, found in slopes.items()
}

# %%
for name, cosine in alike.items():
    print(f"{name:>20}: cosine {cosine:.3f} with the slopes of mlp")
assert alike["reordered"] > 0.999 > 0.9 > alike["92 % zeros, trained"] > 0.2
assert abs(alike["not trained"]) < 0.1

# %%
first = [np.flatnonzero(few.labels == digit)[0] for digit in (0, 2, 3, 4, 7, 9)]
pictures = {}
for name in ("mlp", "92 % zeros, trained"):
    found = slopes[name][first]
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    pictures[name] = unit.reshape(-1, 28, 28)
draw_weight_pictures(figure(8.6, 3.1), pictures)

# %% [markdown]
r"""
A 0, 2, 3, 4, 7 and 9: where it is red, more ink would raise the logit of the label, and
where it is blue, lower it. The reordered double has the very same slopes, the
trained sparse network partly the same, and a network without training has nothing in
common with them. To match them, brought to length 1, is **Jacobian matching**
(Srinivas, Fleuret 2018, arXiv:1803.00443).

The gradient of the *loss* by the input could be compared, too. But it is
$J^T(q - \text{label})$, with $J$ the slopes of all ten logits by the 784 pixels (the
Jacobian) and the label as a vector of 0s and one 1. Where the teacher is sure, $q$ *is*
that vector:
"""

# %%
answers = lenet5.predict(digits.validation.images)

# %%
off = distill.softmax(answers) - distill.one_hot(digits.validation.labels, 10)
size = np.linalg.norm(off, axis=1)
print(
    f"|q - label|: median {np.median(size):.1e}, above 0.1 on {np.mean(size > 0.1):.1%}"
)
assert np.median(size) < 1e-3

# %% [markdown]
r"""
On nearly all images the teacher's loss has no slope left to teach; its logits have.

Three more things can be compared:

- **features**: a layer's outputs, the student's through a learned projection to the
  teacher's width, thrown away in the end (FitNets, Romero et al. 2015,
  arXiv:1412.6550);
- **attention**: where in the picture a layer is active, the squares summed over the
  channels, as a map of length 1 (Zagoruyko, Komodakis 2017, arXiv:1612.03928);
- **relations**: the distances of all pairs of images in a batch, over their mean (Park
  et al. 2019, arXiv:1904.05068).

**Exercise 2** (5 minutes, 3 points). Write `attention_maps(features)`: from (n, height,
width, channels) to (n, height · width), each map of length 1.
"""


# %%
def attention_maps(features):
    raise NotImplementedError


# %%
from labkit.checks import check_attention_maps

check_attention_maps(attention_maps)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Squares first, then the sum over the last axis. `reshape(len(features), -1)` makes a row
of each map, and `np.linalg.norm(maps, axis=1, keepdims=True)` has their lengths.

</details>
<details><summary>Solution</summary>

```python
def attention_maps(features):
    maps = (features**2).sum(axis=-1).reshape(len(features), -1)
    return maps / np.linalg.norm(maps, axis=1, keepdims=True)
```

</details>

Two networks of different widths, `lenet5` with its 50 channels and one in which half of
the filters went at random, have maps of equal size. So have their relations: one
number for each pair of images.
"""

# %%
from labkit.compress import prune_units

narrow = prune_units("lenet5", "random", 0.5, seed=0).network
seen = [network.activations(few.images, "flatten") for network in (lenet5, narrow)]

# %%
maps = [distill.attention_maps(features) for features in seen]
relations = [distill.relative_distances(features) for features in seen]
print("features", [f.shape for f in seen], "maps", [m.shape for m in maps])
print(f"cosine of the maps {distill.cosines(*maps).mean():.2f}")
pairs = np.triu_indices(len(few), 1)
related = np.corrcoef(*(relation[pairs] for relation in relations))[0, 1]
print(f"correlation of the distances {related:.2f}")

# %%
squares = (seen[0] ** 2).sum(axis=-1).reshape(len(few), -1)
by_hand = squares / np.linalg.norm(squares, axis=1, keepdims=True)
np.testing.assert_allclose(by_hand, maps[0], atol=1e-6)
assert seen[0].shape != seen[1].shape and maps[0].shape == maps[1].shape

# %% [markdown]
r"""
**Predict 2.** A LeNet-5 of few filters learns from 2,000 digits, five seeds. Beside the
labels it is told one thing of `lenet5` (or two: *features* come with soft targets, as
in FitNets). Which has the best accuracy?
"""

# %%
KINDS = "soft targets", "features, projected", "jacobian", "attention", "relations"
guesses.guess("2. best thing to be told beside labels", None)  # one of KINDS


# %%
def words(found, unit):
    """A mean difference, its 95 % interval, and what that allows to say of accuracy."""
    return f"{found:+.2f} {unit}: {found.says()}"


# %%
run = json.loads((results / "transfers.json").read_text())
told = pd.DataFrame(run["rows"])
per_seed = 100 * told.pivot(index="seed", columns="kind", values="test_accuracy")
by_kind = per_seed.mean().sort_values(ascending=False)

# %%
print(f"alone: {by_kind['alone']:.2f} % of the test images")
for kind in by_kind.index.drop("alone"):
    against = mean_over_seeds(per_seed[kind] - per_seed["alone"])
    print(f"{kind:>20} {by_kind[kind]:.2f} %, {words(against, 'points')}")
further = mean_over_seeds(per_seed["jacobian"] - per_seed["soft targets"])
print(f"jacobian against soft targets: {words(further, 'points')}")

# %%
print("weights", told.groupby("kind").weight.first().dropna().to_dict())
validated = told.groupby("kind").validation_accuracy.mean()[list(KINDS)].idxmax()
print(guesses.settle("2. best thing to be told beside labels", validated))

# %% [markdown]
r"""
*better* and *worse* are said against the same student told labels alone, where five
seeds decide, and *undecided* where they don't. Same first weights, same moved digits,
same steps for all: `python -m experiments.distill.transfers`. The best one is chosen on
validation images. Compare the line of *features* with *soft targets*, not with *alone*.
How much each likeness weighs was chosen among three weights, ten times apart, on
validation images of one more seed. Some chosen weights are the smallest or largest of
the three, and the soft targets were not tuned at all: a wider search may change the
order, and so may another student, teacher or layer. What is undecided here is not
refuted.

A surprise: the *loss gradient*, of which the teacher has none left, helps too. To match
a slope of nearly 0 is to make one's own loss flat around the training images, which is
known to help without any teacher (double backpropagation, Drucker and Le Cun 1992). So
a gain in such a table does not prove that the *teacher* taught something. Did it with
the Jacobian? A control would say: the slopes of a network that is not trained, matched
in the same way.

## 3. Distillation as repair

A network is damaged: weights are removed, rounded to few bits, or each matrix replaced
by a product of two thin ones (*low rank*, notebook 05). Then it is trained further,
with the zeros, the rounding or the factors in place (notebooks 02b, 03b). A teacher
that costs nothing is at hand: the same network before the damage. Should the training
listen to it?

That it may harm has been seen. The makers of the tool Distiller taught a ResNet-20 by
a ResNet-44 on photographs, in float and with weights of 3 bits:
"""

# %%
run = json.loads((results / "distilled_repair.json").read_text())
theirs = pd.DataFrame(run["published"]["rows"]).set_index("student")
print(run["published"]["network"])
theirs.sub(theirs["alone"], axis=0).round(2)

# %% [markdown]
r"""
Points against the same student alone; W3A8 has 3-bit weights and 8-bit activations
(from the comments of their `preact_resnet_cifar_dorefa.yaml`). The higher the
temperature, the more the float student gains, and the more the 3-bit student loses.
Why? At a high temperature the student is to match *all* logits, notebook 04 said. One
of few bits cannot, and what it gives for the small ones it lacks for the large ones.
That is a guess, from one network. Here is what `mlp` says of one of its digits at
$T = 20$. Its double of few bits would have to say the same.
"""

# %%
from labkit.panels import temperature_panel

temperature_panel("mlp", temperature=20, digit=8)

# %% [markdown]
r"""
1. How high is the label's bar, and how high are the nine others together?
2. Go down to $T = 4$ and to 1. Which bars are left to match?
3. Take the twentieth image. What is its nearest wrong class, and at which temperature
   is most told?

At 20 no bar reaches a fourth, and the loss asks for the small differences between all
ten. At 1 it asks for little but one bar.

Ours: `mlp`'s shape, trained from five seeds, each damaged in five ways or not at all
(*none*), and then trained for the same steps on the same images in the same order
(`python -m experiments.distill.repair`): on labels alone, or nine tenths of the loss
by its own soft targets.

**Predict 3.** 2-bit weights, $T = 20$, against labels alone: *better*, *worse* or
*undecided*?
"""

# %%
guesses.guess("3. 2 bits, T = 20 against labels", None)  # better, worse, undecided

# %%
repair = pd.DataFrame(run["rows"])
errors = repair.pivot(index=["damage", "seed"], columns="told", values="test_errors")
damages = list(repair["damage"].unique())
columns = ["nothing", "labels", "T = 1", "T = 4", "T = 20"]
means = errors[columns].groupby(level="damage").mean()
means.loc[damages].round(1)

# %%
saved = {}  # errors fewer than with labels alone: above 0 is better
for damage in damages:
    print(damage)
    for column in columns[2:]:
        part = errors.loc[damage]
        found = mean_over_seeds(part["labels"] - part[column])
        saved[damage, column] = found
        print(f"  {column:>6} against labels: {words(found, 'errors saved')}")

# %%
plots = {}
for damage in damages:
    found = [saved[damage, column] for column in columns[2:]]
    ends = [[getattr(f, end) for f in found] for end in ("mean", "low", "high")]
    plots[damage] = {"own soft targets": Curve((1, 4, 20), *ends)}
axes = "temperature T", "errors saved of 10,000"
look = Look(*axes, "log", xticks=(1, 4, 20), columns=3, level=0)
draw_curves(figure(9, 4.4), plots, look)

# %%
for damage in damages:
    worse = saved[damage, "T = 20"].says() == "worse"
    assert worse == (damage in ("98.4 % zeros", "low rank"))
    assert saved[damage, "T = 1"].says() == "undecided"
assert all(saved["none", T].says() == "undecided" for T in columns[2:])
found = saved["2 bits", "T = 20"]
print(guesses.settle("3. 2 bits, T = 20 against labels", found.says()))

# %%
validation = repair[repair["told"].isin(columns[2:])]
validation = validation.groupby(["damage", "told"], sort=False).validation_errors.mean()
for damage in damages:
    best = validation[damage].idxmin()
    print(f"{damage:>12}: {best} has fewest validation errors; on test images "
          f"{words(saved[damage, best], 'errors saved')}")  # fmt: skip

# %% [markdown]
r"""
Above 0, the dotted line, the teacher helped, below it did harm; bands are 95 %
intervals over the paired seeds. Mind that each plot has its own scale.

First look at what the training did by itself, from *nothing* to *labels* in the table:
that is the repair, and the soft targets are a difference within it. Then follow the
lines from left to right. At $T = 1$ the sure teacher says hardly more than the labels,
and every band lies on the dotted line. The undamaged network, *none*, stays on that
line at every temperature. At $T = 20$ the two with the fewest numbers left, in zeros
and in factors, end *worse* than by labels alone: belief 3 fails. That fits the guess
that they lack for the first logit what they spend on matching all ten; it is no proof.
The 2-bit network leans the same way, and five seeds don't decide it; at 3 and 4 bits
they see no harm. So Distiller's warning is about more than bits: mind the temperature
wherever little is left of a network. The last lines of text choose a temperature on
validation images, as you would, and say what it brought.

Ours differs in more than size from theirs: digits, not photographs; activations in
float; a teacher of the same shape. And one learning rate served all temperatures.
Notebook 04 says why that is no fair comparison *of temperatures*. It is one of repairs,
as somebody would do them who tunes nothing.

## 4. Photographs

`resnet20` teaches `resnet8` (`python -m labkit distill resnet8 --teacher resnet20`):
$T = 4$, α = 0.9, chosen before the first training and not tuned. The student alone
begins with the same weights and sees the same batches, for as many epochs. These are
fewer than those of the `resnet8` that the lab carries.

**Predict 4.** By how many points is the distilled `resnet8` better on the 10,000 test
images, as the mean of three seeds? (Below 0: worse.)
"""

# %%
guesses.guess("4. points gained by resnet8", None)  # percentage points


# %%
def right(record):
    """Which test images a recorded student gets right, and its accuracy."""
    correct = np.ones(len(zoo.dataset("resnet8").test), bool)
    correct[record["wrong"]] = False
    return Accuracy(correct)


# %%
SEEDS = 0, 1, 2
students = {
    (how, seed): json.loads(
        (results / "distilled" / f"resnet8-{how}-seed{seed}.json").read_text()
    )
    for how in ("alone", "from-resnet20")
    for seed in SEEDS
}

# %%
rows = {}
for seed in SEEDS:
    alone, taught = (right(students[how, seed]) for how in ("alone", "from-resnet20"))
    pair = compare(alone, taught)
    low, high = (100 * end for end in pair.interval)
    rows[f"seed {seed}"] = {
        "alone %": 100 * alone.value,
        "distilled %": 100 * taught.value,
        "points": 100 * pair.difference,
        "95 % interval": f"{low:+.2f} to {high:+.2f}",
        "newly right": pair.newly_right,
        "newly wrong": pair.newly_wrong,
        "p (McNemar)": f"{pair.p_value:.2g}",
    }
photographs = pd.DataFrame(rows).T
photographs

# %%
gains = mean_over_seeds(photographs["points"])
print("over seeds:", words(gains, "points"))
print(guesses.settle("4. points gained by resnet8", gains.mean, 0.3))

# %%
for record in students.values():
    assert abs(right(record).value - record["test_accuracy"]) < 1e-3
(epochs,) = {record["epochs"] for record in students.values()}
own = zoo.record("resnet8")
print(f"each {epochs} epochs; the lab's own resnet8, alone, {own['epochs']} epochs: "
      f"{own['test_accuracy']:.2%}")  # fmt: skip

# %%
its = 100 * zoo.record("resnet20")["test_accuracy"]
gap = its - photographs["alone %"].mean()
print(f"teacher {its:.2f} %, the students alone {gap:.2f} points below")
print(f"distilling closed {gains.mean / gap:.0%} of that gap")
print(f"the lab's own resnet8, alone: {its - 100 * own['test_accuracy']:.2f} below")

# %%
gained = theirs.loc["float"] - theirs.loc["float", "alone"]
print(f"published, ResNet-20 from ResNet-44: up to {gained.max():+.2f} points")

# %% [markdown]
r"""
Each row is a paired comparison on the same images, and speaks of two networks. The line
over seeds speaks of the method. With three seeds its interval is wide: *undecided*
would only mean that too few were trained. Both students have the same bytes, and take
the same time to run. The teacher is more than three times as large. Mind the lines of
the lab's own `resnet8`: most of the gap is training time. Longer training alone is a
rival of distillation, and one that needs no teacher. Whether distilling still helps
after as many epochs is not measured here.

## Recap

- A student learns of a class that it never sees from how much others look like it; only
  the bias must be given to it.
- Parameters and their gradients can't be compared between networks. Slopes by the
  input, attention maps, distances between images and projected features can.
- A sure teacher's loss has no slope left; its logits have.
- Distilling is one more difference to measure: against the same training without it,
  same seeds, same steps.
- As a repair it must beat the plain repair, and a temperature that suits a float
  student may not suit one with few numbers left.

**Where this stops being true.** Each transfer reads one layer here, each teacher has
one student, and temperatures were tuned in notebook 04 only. Three and five seeds see
large effects only. The damaged networks were taught by what they were
themselves; a larger teacher may say more, or too much.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** You prune a LeNet-5 for a postal scanner to few weights. There
are 300 labelled and 20,000 unlabelled digits, and the dense network is at hand. A
colleague wants to match its gradients by the weights, another its attention maps, a
third wants $T = 20$ "as in the paper". What do you train on, and how do you find out
who is right?

<details><summary>One answer</summary>

The first can't be refused for the order of hidden units, which is the same here. But
the dense network is sure of nearly every digit, so its loss has hardly a slope left
(section 2), by the weights as by the pixels: to match that says "be flat", and not what
the network knows. It answers all 20,300 digits softly, with α = 1 where there is no
label. Attention maps and $T = 20$ are questions for a measurement: the same steps on
the same digits with the masks on, several seeds, soft targets at two or three
temperatures, each with its own learning rate, with and without the maps, beside the
plain training on labels alone. Of the 300, train on 100, choose on 100, and report on
the last.

</details>
"""
