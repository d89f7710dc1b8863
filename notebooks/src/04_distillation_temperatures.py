# %% [markdown]
r"""
# Teach a small network what a large one knows

**What you'll do.** Soften a teacher's answers, look at what they say beyond the label,
write the loss that passes it on, and train a small student with it while you watch,
beside the same student trained alone. Then ask 180 trainings which temperature is
best, and how much the teacher should weigh.

**What you'll learn**
- to read a soft target: its entropy, its nearest wrong class, what it tells;
- to write $T^2\,\mathrm{KL}$ and its gradient, and to say what $T^2$ is for;
- to train the student, and only the student;
- to compare temperatures fairly: each with its own learning rate, over seeds.

**What you'll need.** Notebook 00: the plane, paired comparison, a panel. About 75
minutes of yours, less than one of two cores. Six exercises, 20 points. The
trainings need TensorFlow. They run in processes of their own, so this notebook never
imports it.

**Three beliefs that this notebook tests**
1. "A higher temperature always teaches more."
2. "To make a small network like a big one, move its weights towards the big one's." So
   says the article that this lab grew out of.
3. "A teacher that is sure of the label has nothing else to say."
"""

# %%
import json
import subprocess
import sys

import numpy as np
import pandas as pd

from labkit import distill, zoo
from labkit.checks import Predictions, shown
from labkit.measure import compare, machine, mean_over_seeds
from labkit.plots import Curve, Look, draw_curves, draw_rows, figure
from labkit.zoo import DATA_FOLDER

guesses = Predictions()
teacher = zoo.load("lenet5")
validation = zoo.dataset("lenet5").validation
logits = teacher.predict(validation.images)
labels = validation.labels
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
## 1. What the wrong answers say

A network's outputs are *logits* $z_i$. A softmax at a temperature $T$ makes
probabilities of them (Hinton, Vinyals, Dean 2015, arXiv:1503.02531, eq. 1):

$$ q_i = \frac{e^{z_i/T}}{\sum_j e^{z_j/T}}. $$

At $T = 1$ this is the softmax that the network was trained with. A larger $T$ divides
the differences of the logits, so the answer is softer. Three logits, three
temperatures:
"""

# %%
z = np.array([6.0, 3.0, -1.0])
rows = {}
for T in (1, 3, 30):
    powers = np.exp(z / T - np.max(z / T))
    rows[T] = powers / powers.sum()
    np.testing.assert_allclose(rows[T], distill.softmax(z, T))
pd.DataFrame(rows, index=["z = 6", "z = 3", "z = -1"]).T.round(4)

# %% [markdown]
r"""
At 1 the second class has 5 %, the third next to nothing. At 3 the second has a fourth.
At 30 all three are nearly alike, though their order is the same at every temperature: a
temperature never changes which class is first, and so it changes no accuracy.

**Exercise 1** (5 minutes, 3 points). Write `softmax(logits, temperature)` for logits of
many images, (n, classes). Large logits must not overflow.
"""


# %%
def softmax(logits, temperature):
    raise NotImplementedError


# %%
from labkit.checks import check_softmax

check_softmax(softmax)

# %% [markdown]
r"""
<details><summary>Hint</summary>

A constant added to all logits of a row changes nothing: subtract the row's maximum.
`axis=-1, keepdims=True` keeps the shapes together.

</details>
<details><summary>Solution</summary>

```python
def softmax(logits, temperature):
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
```

</details>

How uncertain an answer is, its *entropy* says: $-\sum_i q_i \log q_i$, 0 for a sure one
and $\log 10 = 2.30$ nats where all ten classes are alike.

**Predict 1.** The teacher is `lenet5`, on 5,000 digits that it was not trained on. On
what fraction of them, from 0 to 1, has it less than 0.01 nats of entropy at $T = 1$?
"""

# %%
guesses.guess("1. answers below 0.01 nats at T = 1", None)  # 0 to 1

# %%
spread = {T: distill.entropy(distill.softmax(logits, T)) for T in (1, 2, 4, 8, 20)}
sure = float(np.mean(spread[1] < 0.01))
print(guesses.settle("1. answers below 0.01 nats at T = 1", sure, 0.05))
assert sure > 0.8 and (np.diff([np.median(e) for e in spread.values()]) > 0).all()
pd.DataFrame({f"T = {T}": pd.Series(e).describe() for T, e in spread.items()}).round(3)

# %% [markdown]
r"""
At $T = 1$ nearly every answer is a label again: a student would learn next to nothing
from it that the labels don't say. The knowledge is in the small probabilities, and a
higher temperature brings it out.

Move the temperature. The images are ordered: the first ones tell most.
"""

# %%
from labkit.panels import temperature_panel

temperature_panel(temperature=4, digit=4, place=2)

# %% [markdown]
r"""
The orange bar is the nearest wrong class. The orange curve is what the target *tells
beyond the label*: how far, in nats, it is from a target that is as sure and spreads the
rest evenly over the wrong classes (label smoothing). The black curve is the entropy.
Entropy climbs all the way to 2.30. What is told climbs and falls: at very high
temperatures the wrong classes become alike, too.

**Exercise 2** (5 minutes, 3 points). Write `nearest_wrong(logits, labels)`: for each
image the class with the largest output beside its label. Mind the images that the
teacher gets wrong.
"""


# %%
def nearest_wrong(logits, labels):
    raise NotImplementedError


# %%
from labkit.checks import check_nearest_wrong

check_nearest_wrong(nearest_wrong)

# %% [markdown]
r"""
<details><summary>Hint</summary>

The second largest logit is not it where the teacher errs. Copy the logits and write
minus infinity over each label's.

</details>
<details><summary>Solution</summary>

```python
def nearest_wrong(logits, labels):
    others = logits.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return others.argmax(axis=1)
```

</details>

Count them over all images, and a map of what looks alike appears.
"""

# %%
pairs = pd.crosstab(labels, distill.nearest_wrong(logits, labels))
pairs.index.name, pairs.columns.name = "label", "nearest wrong"
pairs

# %%
commonest = pairs.idxmax(axis=1)
print(", ".join(f"{digit} looks like {wrong}" for digit, wrong in commonest.items()))
assert commonest[4] == 9 and commonest[9] == 4

# %% [markdown]
r"""
A label says "4". The soft target says "4, and rather a 9 than a 0", for each image
anew. That is what Hinton called dark knowledge.

Which images have most of it? Here are images that the teacher gets right, in the order
of what their targets tell at $T = 4$: the first ten of all, the first ten of those of
which it is *sure* at $T = 1$ (below 0.01 nats), and the last ten.
"""

# %%
right = logits.argmax(axis=1) == labels
told = distill.information_beyond_label(logits, labels, 4.0)
order = np.argsort(-np.where(right, told, 0))
order = order[: right.sum()]
certain = order[spread[1][order] < 0.01]
nearest = distill.nearest_wrong(logits, labels)
rows = {"most": order[:10], "most, sure": certain[:10], "least": order[-10:]}
assert told[order[:10]].min() > 2 * told[certain[:10]].max()
assert told[certain[:10]].min() > 50 * told[order[-10:]].max()

# %%
for title, ten in rows.items():
    pairs = [f"{labels[k]} ({nearest[k]})" for k in ten]
    print(f"{title:>10}: {' '.join(pairs)}, told {told[ten].mean():.3f} nats")
pictures = {title: validation.images[ten] for title, ten in rows.items()}
draw_rows(figure(8.6, 2.4), pictures)

# %% [markdown]
r"""
In brackets is the nearest wrong class. Some of the upper row you might have read so
yourself: the teacher hesitates, too. In the middle row it does not, and belief 3 fails:
sure of the label, and right, it still says far more than about the digits of a school
book in the last row.

## 2. The loss

The article's soft-target loss, in its symbols, is

$$ L = \mathrm{softmax}^{-1}(y^{big}) \cdot (y^{small} - y^{target}). $$

There is no inverse of softmax (a constant is lost), so read it as the teacher's logits.
A loss has a smallest value. Has this one?

**Predict 2.** Scale the student's outputs by −1, −10, −100. Does the article's loss go
up, go down, or stay?
"""

# %%
guesses.guess("2. the article's loss, outputs times -1, -10, -100", None)
# "up", "down" or "stay"

# %%
v, target = np.array([4.0, 1.0, -2.0]), np.array([1.0, 0.0, 0.0])
student = np.array([2.0, 1.5, 0.5])
article = {k: float(v @ (k * student - target)) for k in (1, -1, -10, -100)}
print(
    article,
    guesses.settle("2. the article's loss, outputs times -1, -10, -100", "down"),
)
assert article[-100] < article[-10] < article[-1]
print("sure of one class each:", [float(v @ (sure - target)) for sure in np.eye(3)])

# %% [markdown]
r"""
Down, without end: it is *linear* in the student. Gradient descent would run away with
logits. The article's outputs are probabilities, which end at 0 and 1. For these the
last line has the loss of a student that is sure of one class. It is smallest where it
is sure of the class that the teacher finds *least* likely. No temperature is in it
either.

A loss that is 0 exactly where both say the same is the Kullback-Leibler divergence.
With $p$ the teacher's and $q$ the student's softened outputs,

$$ L_{soft} = T^2 \sum_i p_i \log\frac{p_i}{q_i}, \qquad
   L = \alpha\,L_{soft} + (1 - \alpha)\,L_{labels}, $$

where $L_{labels}$ is the ordinary cross-entropy at $T = 1$ (Hinton et al. 2015, Sec. 2;
they write the cross-entropy with $p$, larger by the entropy of $p$, which no student
changes).
"""

# %%
T, t_logits, s_logits = 4.0, np.array([[4.0, 1.0, -2.0]]), np.array([[2.0, 1.5, 0.5]])
p, q = distill.softmax(t_logits, T), distill.softmax(s_logits, T)
kl = np.sum(p * np.log(p / q), axis=1)
by_hand = T**2 * kl.mean()
assert np.isclose(by_hand, distill.soft_loss(t_logits, s_logits, T))
assert distill.soft_loss(t_logits, t_logits + 5, T) < 1e-12
print(p.round(3), q.round(3), f"T² KL = {by_hand:.4f}")

# %% [markdown]
r"""
**Exercise 3** (10 minutes, 4 points). Write `soft_loss(teacher, student, temperature)`
for logits of many images, the mean over them.
"""


# %%
def soft_loss(teacher, student, temperature):
    raise NotImplementedError


# %%
from labkit.checks import check_soft_loss

check_soft_loss(soft_loss)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Both sides at $T$, each from its own logits. The teacher's probabilities are the
weights. Sum over the classes, mean over the images, times $T^2$.

</details>
<details><summary>Solution</summary>

```python
from labkit import distill


def soft_loss(teacher, student, temperature):
    p = distill.softmax(teacher, temperature)
    log_p = distill.log_softmax(teacher, temperature)
    log_q = distill.log_softmax(student, temperature)
    return temperature**2 * np.mean(np.sum(p * (log_p - log_q), axis=-1))
```

</details>

**Exercise 4** (5 minutes, 3 points). Now the whole loss, with labels and α.
"""


# %%
def distillation_loss(teacher, student, labels, temperature, alpha):
    raise NotImplementedError


# %%
from labkit.checks import check_distillation_loss

check_distillation_loss(distillation_loss)

# %% [markdown]
r"""
<details><summary>Hint</summary>

The labels' part is at $T = 1$: `distill.hard_loss(student, labels)`.

</details>
<details><summary>Solution</summary>

```python
from labkit import distill


def distillation_loss(teacher, student, labels, temperature, alpha):
    soft = distill.soft_loss(teacher, student, temperature)
    return alpha * soft + (1 - alpha) * distill.hard_loss(student, labels)
```

</details>

## 3. What pulls at the student

Let $v$ be the teacher's logits from here on, $z$ the student's, of $n$ images, and the
loss the mean over these, as in exercise 3. Its gradient by the student's logits is as
simple as that of the cross-entropy:

$$ \frac{\partial L_{soft}}{\partial z_i} = \frac{T}{n}\,(q_i - p_i). $$

One $T$ of $T^2$ is spent on the derivative of $z/T$.

**Exercise 5** (5 minutes, 4 points). Write `soft_gradient(teacher, student,
temperature)`: this gradient for each image and class, (n, classes).
"""


# %%
def soft_gradient(teacher, student, temperature):
    raise NotImplementedError


# %%
from labkit.checks import check_soft_gradient

check_soft_gradient(soft_gradient)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Soften both at $T$. Take the teacher's away from the student's. The mean over the images
divides by their number.

</details>
<details><summary>Solution</summary>

```python
from labkit import distill


def soft_gradient(teacher, student, temperature):
    q = distill.softmax(student, temperature)
    p = distill.softmax(teacher, temperature)
    return temperature * (q - p) / len(student)
```

</details>

Moving one logit a little up and a little down must give the same slope:
"""

# %%
step = 1e-5 * np.eye(3)
ends = [
    [distill.soft_loss(t_logits, s_logits + sign * h, T) for h in step]
    for sign in (1, -1)
]
slopes = (np.array(ends[0]) - ends[1]) / 2e-5
print("differences", slopes.round(5), "T (q - p)", (T * (q - p)[0]).round(5))
np.testing.assert_allclose(slopes, distill.soft_gradient(t_logits, s_logits, T)[0])

# %% [markdown]
r"""
**Predict 3.** Without $T^2$ in the loss: by which factor is the gradient smaller at
$T = 20$ than with it?
"""

# %%
guesses.guess("3. smaller gradient at T = 20 without T squared", None)  # a factor

# %%
some = zoo.load("mlp").predict(validation.images)  # another network's answers
temps = (1, 2, 4, 8, 16, 32, 64)
sizes = {
    name: [
        np.linalg.norm(distill.soft_gradient(logits, some, T, squared)) for T in temps
    ]
    for name, squared in (("with T²", True), ("without", False))
}
hard = np.linalg.norm(distill.hard_gradient(some, labels))
sizes["labels"] = [hard] * len(temps)
look = Look("temperature T", "length of the gradient", "log", "log", xticks=temps)
draw_curves(figure(7, 3), {"": {k: Curve(temps, y) for k, y in sizes.items()}}, look)

# %%
at_20 = [distill.soft_gradient(logits, some, 20, flag) for flag in (True, False)]
factor = np.linalg.norm(at_20[0]) / np.linalg.norm(at_20[1])
print(guesses.settle("3. smaller gradient at T = 20 without T squared", factor, 1))
assert np.isclose(factor, 20**2)
assert 0.9 < sizes["with T²"][-1] / sizes["with T²"][-2] < 1.1

# %% [markdown]
r"""
With $T^2$ the length settles, so α means the same at every *high* temperature; at low
ones the pull still grows with $T$. Without it, the teacher's pull fades like $1/T^2$
where the other line is flat, and at $T = 20$ next to nothing is left of it beside the
labels' pull.

What does it settle *to*? For large $T$, $e^{z/T} \approx 1 + z/T$, and with the means
of the logits taken away (Hinton et al. 2015, Sec. 2.1), for each image

$$ T\,(q_i - p_i) \;\to\; \frac{1}{N}(z_i - v_i), $$

the gradient of half the squared difference of the logits, over $N$ classes.
"""

# %%
limit = distill.matching_gradient(logits, some)
off = [
    np.linalg.norm(distill.soft_gradient(logits, some, T) - limit)
    / np.linalg.norm(limit)
    for T in temps
]
assert off[-1] < 0.2 and (np.diff(off[2:]) < 0).all()
look = Look("temperature T", "off the limit", "log", percent=True, xticks=temps)
draw_curves(figure(7, 2.6), {"": {"": Curve(temps, off)}}, look)

# %% [markdown]
r"""
At high temperatures the student matches *all* logits, the very negative ones too, which
the teacher's own training hardly fixed. At low ones it cares for the top few. A
small student cannot match everything, so for it a middle temperature should be best:
that is section 6.

## 4. Who is trained

The article's program builds a large network, `model`, and a small one, and means to
train the small one. These are its lines from there on, one after the other, each mended
before the next, in a process of its own:
"""

# %%
BUILD = """
import tensorflow as tf
keras = tf.keras
def dense(units, *how): return keras.layers.Dense(units, *how)
x = keras.layers.Input(shape=(784,))
model = keras.Model(x, dense(10, 'softmax')(dense(256, 'relu')(x)))
"""
ARTICLE = """
small = keras.Sequential([
    keras.layers.Dense(128, activation='relu', input_shape=(784,)),
    dense(10, 'softmax')])
small_output = dense(10, 'softmax')(small.output)
"""

# %%
MENDED_ONCE = """
small_output = dense(10, 'softmax')(dense(10, 'softmax')(dense(128, 'relu')(x)))
loss = keras.layers.KLDivergence()(model.output, small_output)
"""
MENDED_TWICE = """
loss = keras.losses.KLDivergence()(model.output, small_output)
model.compile(optimizer='adam', loss=[loss, 'categorical_crossentropy'])
"""
ITS_LOOP = """
for layer in model.layers[1:]:
    big_weights = model.layers[layer.name].get_weights()[0]
"""
MENDED_LOOP = """
big, both = model.layers[1].get_weights()[0], model.layers[1].get_weights()
both += 0.1 * (big - both)
"""


# %%
def run(*parts):
    """What each part of a program prints, or what Python complains of in it."""
    program = f"""
scope = {{}}
for part in {parts!r}:
    try:
        exec(part, scope)
    except Exception as error:
        said = ' '.join(str(error).split()[:13])
        print(f'{{type(error).__name__}}: {{said}}')
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    return done.stdout.strip().splitlines()


complaints = run(BUILD, ARTICLE, MENDED_ONCE, MENDED_TWICE, ITS_LOOP, MENDED_LOOP)
print(*complaints, sep="\n")
kinds = [text.partition(":")[0] for text in complaints]
assert kinds == ["AttributeError"] * 2 + ["ValueError", "TypeError", "ValueError"]

# %% [markdown]
r"""
1. The small network has no output yet where its output is asked for.
2. Mend that, and the layer named next does not exist.
3. Mend that: Keras computes no loss of symbols, and a number computed once would be no
   loss function. And had all this run, it would be wrong still, twice. The student ends
   in a softmax *of a softmax*, and `model.compile` with `model.fit` trains the *big*
   network.
4. Its other program, a loop that moves weights, looks a layer up by name in a list.
5. Mend that, and it mixes a kernel with the list of a kernel and a bias. (Its "small"
   network is a `clone_model` besides, with new random weights: notebook 02b.)

What is trained must be the student, the teacher frozen. Keras has a class for it,
`keras.distillation.Distiller`. Ours, from `distilling.soft_targets`, is one of these:
"""

# %%
RIGHT = """
import keras, numpy as np
from labkit import train, zoo
teacher, student = zoo.keras_model('mlp'), train.build('mlp', widths={'fc1': 30})
before = [w.tobytes() for w in teacher.get_weights()]
start = student.get_weights()[0].copy()
model = train.soft_targets(teacher, student, temperature=4, alpha=0.9)
model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
split = zoo.dataset('mlp').calibration.take(1000)
model.fit(split.images.reshape(-1, 784) / 255, split.labels, verbose=0)
same = [w.tobytes() for w in teacher.get_weights()] == before
moved = bool((student.get_weights()[0] != start).any())
print(f'teacher bit for bit the same: {same}, student trained: {moved}')
"""

# %%
TRAP = """
from keras.distillation import LogitsDistillation
v, z = np.array([[4.0, 1.0, -2.0]], 'f4'), np.array([[2.0, 1.5, 0.5]], 'f4')
losses = LogitsDistillation(4.0), LogitsDistillation(4.0, keras.losses.KLDivergence())
print(*(round(float(loss.compute_loss(v, z)), 4) for loss in losses))
"""
AUTOMATIC = """
import tensorflow as tf
z = tf.constant(z)
with tf.GradientTape() as tape:
    tape.watch(z)
    loss = losses[1].compute_loss(v, z)
print(*tape.gradient(loss, z).numpy()[0])
"""
said, compared, slope = run(RIGHT, TRAP, AUTOMATIC)
print(said)
assert said == "teacher bit for bit the same: True, student trained: True"

# %% [markdown]
r"""
That line is what this section is about. `Distiller` freezes with one line, `trainable =
False`; without it the teacher is pulled towards the student, too, and forgets what it
was to teach.

**A trap in Keras 3.15.** `LogitsDistillation(temperature)` alone does not compute this
loss: its default loss, given by name, is found as a function and not as the class that
it looks for, and then neither softmax nor $T^2$ is applied. Give it
`keras.losses.KLDivergence()`, as `labkit.train.distilling` does, and it is ours. How
would you have noticed? By two numbers computed by hand. And its gradient, found by
automatic differentiation, is the formula's:
"""

# %%
default, given = map(float, compared.split())
print(f"by name {default}, by class {given}, ours {by_hand:.4f}")
assert abs(given - by_hand) < 1e-3 < abs(default - by_hand)
print("automatic", slope, "ours", distill.soft_gradient(t_logits, s_logits, T)[0])
np.testing.assert_allclose(
    np.array(slope.split(), float),
    distill.soft_gradient(t_logits, s_logits, T)[0],
    atol=1e-5,
)

# %% [markdown]
r"""
**Exercise 6** (10 minutes, 3 points). Two networks of a single layer: `teacher` and
`student` are now *weights*, (inputs, classes), and the logits of the images `x` are
`x @ teacher` and `x @ student`. Write one step of gradient descent on exercise 3's
loss, of length `rate` times the gradient, without labels. Return both, teacher first.
"""


# %%
def distillation_step(teacher, student, x, temperature, rate):
    raise NotImplementedError


# %%
from labkit.checks import check_distillation_step

check_distillation_step(distillation_step)

# %% [markdown]
r"""
<details><summary>Hint</summary>

Exercise 5 gives the slope by each of the student's logits, (n, classes). By its weights
it is `x.T @` that. A step goes against the slope.

</details>
<details><summary>Solution</summary>

```python
from labkit import distill


def distillation_step(teacher, student, x, temperature, rate):
    slopes = distill.soft_gradient(x @ teacher, x @ student, temperature)
    return teacher, student - rate * x.T @ slopes
```

</details>

The article's other distillation blends *weights*: the small network's move a tenth
towards the big one's. Take a network with three hidden units, and the same network with
its units in another order. Both compute the same, at every input.
"""

# %%
rng = np.random.default_rng(0)
w1, w2, x = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(50, 4))
order = [2, 0, 1]


def computes(w1, w2):
    return np.maximum(x @ w1, 0) @ w2


big, small = (w1, w2), (w1[:, order], w2[order])
blended = [s + 0.1 * (b - s) for s, b in zip(small, big, strict=True)]
np.testing.assert_allclose(computes(*big), computes(*small))
off = np.abs(computes(*blended) - computes(*big)).max()
print(f"off by {off:.2f}, where the outputs reach {np.abs(computes(*big)).max():.2f}")
assert off > 0.1
try:
    zoo.load("mlp").kernels["fc1"] + 0.1 * zoo.load("lenet5").kernels["fc1"]
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
r"""
Two networks that were alike are no longer: the order of hidden units is arbitrary, so
their weights can't be compared one by one. And of two architectures the shapes differ
to begin with. Belief 2 fails. (Where the small network is pruned, blending refills its
zeros, too: notebook 03b.)

The same holds for the article's *gradient transfer*, which compares gradients by the
parameters. What two networks can be compared by is notebook 04b.

## 5. Train one

Two students begin with the same weights and see the same digits, moved by up to a
pixel, in the same order. One is told the labels, the other also what `lenet5` says of
the same moved digits. Both have one learning rate, which was chosen for the distilled
one: section 6 says why that is not quite fair.

**Predict 4.** 30 units a layer, $T = 4$, α = 0.9. By how many percentage points is the
distilled student better than the one alone, on the test images, with 500 training
images? And with 100?
"""

# %%
guesses.guess("4a. points gained with 500 images", None)
guesses.guess("4b. points gained with 100 images", None)

# %%
from labkit.panels import distillation_panel

panel = distillation_panel(width=30, images=500)
panel


# %%
def gain(images):
    """Train on so many images in the panel; the comparison on the test images."""
    now = panel.set(images=images)
    found = now.accuracies
    paired = compare(found["alone"], found["distilled"])
    print({name: f"{one.value:.2%}" for name, one in found.items()})
    low, high = (100 * end for end in paired.interval)
    print(f"  distilled against alone {low:+.2f} to {high:+.2f} points")
    last = {name: rows[-1][1] for name, rows in now.course.losses.items()}
    print(f"  of this run of {now.course.steps} steps each:")
    relations = {
        "the distilled student is better by more than chance":
            paired.difference > 0 and paired.p_value < 0.05,
        "its loss on validation images is lower": last["distilled"] < last["alone"],
    }  # fmt: skip
    print(shown(relations))
    return 100 * paired.difference


print(guesses.settle("4a. points gained with 500 images", gain(500), 1))
print(guesses.settle("4b. points gained with 100 images", gain(100), 1))

# %% [markdown]
r"""
Both students have the same file size: distillation costs nothing at the end. Where the
loss on validation images ends lower, too: who learns 100 digits by heart from their
labels grows sure of mistakes, and softer targets hold that back.

The figures are this machine's. Another one adds in another order, and a slow one takes
only the steps that fit into 20 seconds. And these are two *networks* each: another seed
begins elsewhere and ends elsewhere. Try
one in the advanced fold. Then try 100 units, $T = 1$ and $T = 20$, more images: what
happens to the gain? A move of the slider while it trains ends that training, and the
latest setting wins.

## 6. Which temperature?

One training each says nothing about a temperature.
`python -m experiments.distill.temperatures` has trained 7 temperatures, and at one of
them 5 more α, each with 3 widths and 5 seeds, on all training images, by Hinton's
teacher 784-1200-1200-10. Students of one seed begin alike and see the same images in
the same order.

First a question that a careless sweep gets wrong: at which *learning rate*? $T$ changes
the loss, so it changes which steps are good ones. Four rates were tried for each width
and temperature, and the one with the fewest errors on validation images was taken.
"""

# %%
results = DATA_FOLDER / "results"
rates = pd.DataFrame(
    json.loads((results / "distillation_rates.json").read_text())["rows"]
)
taught = rates[rates.alpha == 0.9]
tried = taught.pivot_table(
    "validation_errors", ["width", "temperature"], "learning_rate"
)
tried.unstack("width").swaplevel(axis=1).sort_index(axis=1).round(1)

# %%
plots = {}
for width, part in tried.groupby(level="width"):
    plots[f"{width} units"] = {
        f"rate {rate:g}": Curve(list(tried.loc[width].index), part[rate].to_numpy())
        for rate in part
    }
TICKS = (1, 2.5, 4, 8, 20, 40)
words = "temperature T", "validation errors of 5,000"
draw_curves(figure(9, 3.2), plots, Look(*words, "log", xticks=TICKS, columns=3))

# %%
best_at = tried.groupby(level="width").idxmin().map(lambda place: place[1])
best_at = best_at.add_prefix("best T at rate ")
own = tried.min(axis=1).groupby(level="width").idxmin()
best_at["best T, each at its own"] = own.map(lambda place: place[1])
print(best_at.to_string())
worst = (tried.max(axis=1) - tried.min(axis=1)).max()
apart = tried.min(axis=1).groupby(level="width").agg(lambda e: e.max() - e.min())
print(f"the rate alone moves the errors by up to {worst:.0f}")
print("temperatures, each at its own rate, by", apart.round(1).to_dict())

# %%
sweep = json.loads((results / "distillation.json").read_text())
runs = pd.DataFrame(sweep["rows"])
over_t = runs[runs.alpha == 0.9]
taken = over_t.drop_duplicates(["width", "temperature"])
for row in taken.itertuples():
    errors = tried.loc[row.width, row.temperature]
    assert errors[row.learning_rate] == errors.min()
print(len(runs), "trainings,", runs.seed.nunique(), "seeds")
assert len(runs) == 180

# %% [markdown]
r"""
Read the last table by its rows. Each of the first columns is what a sweep at *one* rate
would have reported as the best temperature. Where the columns of a row disagree, such a
sweep would have measured how well its rate suits each temperature, and called that the
temperature's doing. Each number is the mean of three more seeds, which are not compared
later: a handful of errors means little here, so look at the wide gaps. From here on
each width and temperature has its own rate, the one that the assert checks.

**Predict 5.** Which of the seven temperatures is best for 30 units, and which for 300?
Best is chosen on validation images, and what follows is on test images.
"""

# %%
guesses.guess("5a. best temperature, 30 units", None)  # 1, 2.5, 4, 8, 12, 20, 40
guesses.guess("5b. best temperature, 300 units", None)


def band(errors, by):
    """The mean over seeds with its 95 % interval, for each value of `by`."""
    found = {x: mean_over_seeds(part) for x, part in errors.groupby(by).test_errors}
    values = [(paired.mean, paired.low, paired.high) for paired in found.values()]
    return Curve(list(found), *np.array(values).T)


# %%
plots = {}
for width in (30, 100, 300):
    curve = band(over_t[over_t.width == width], "temperature")
    alone = band(runs[(runs.width == width) & (runs.alpha == 0)], "width")
    flat = [np.repeat(end, len(curve.x)) for end in (alone.y, alone.low, alone.high)]
    plots[f"{width} units"] = {"distilled": curve, "alone": Curve(curve.x, *flat)}
words = "temperature T", "test errors of 10,000"
draw_curves(figure(9, 3.2), plots, Look(*words, "log", xticks=TICKS, columns=3))

# %%
means = over_t.groupby(["width", "temperature"]).validation_errors.mean()
best = {width: float(means[width].idxmin()) for width in (30, 100, 300)}
print("best on validation images", best)
print(guesses.settle("5a. best temperature, 30 units", best[30], 1.5))
print(guesses.settle("5b. best temperature, 300 units", best[300], 4))

# %% [markdown]
r"""
Bands are 95 % intervals over the seeds; read them before the lines. Two bands that
overlap may still hide a difference, since the seeds are paired: the same start, the
same order. So take differences seed by seed, and ask what Hinton asked (Sec. 3). With
300 units or more, "all temperatures above 8" did about the same. With 30, temperatures
from 2.5 to 4 did "significantly better" than lower or higher ones.
"""

# %%
by_seed = over_t.pivot_table("test_errors", ["width", "seed"], "temperature")


def says(difference):
    """The mean difference in errors, its 95 % interval, and what that allows to say."""
    found = mean_over_seeds(difference)
    return f"{found:+.1f} errors: {found.says('worse', 'better')}"


wide, narrow = by_seed.loc[300], by_seed.loc[30]
for T in (20, 40):
    print(f"300 units, T = {T} against 12: {says(wide[T] - wide[12])}")
for middle in (2.5, 4):
    for T in (1, 8, 12, 20, 40):
        found = says(narrow[T] - narrow[middle])
        print(f" 30 units, T = {T} against {middle:g}: {found}")
        assert T == 1 or "worse" in found
assert all("undecided" in says(wide[T] - wide[12]) for T in (20, 40))

# %%
for width, T in best.items():
    mine = by_seed.loc[width]
    print(
        f"{width:>3} units, T = 40 against the best, {T:g}: {says(mine[40] - mine[T])}"
    )
    alone = runs[(runs.width == width) & (runs.alpha == 0)].set_index("seed")
    for each in (T, 40):
        print(f"{width:>3} units, T = {each:g} against alone: "
              f"{says(mine[each] - alone.test_errors)}")  # fmt: skip

# %% [markdown]
r"""
*better* and *worse* are said where the seeds decide, and *undecided* where they do not:
then the two do alike as far as five seeds can see, and the interval says how large an
effect they could have missed. (Of twenty intervals one leaves 0 out by chance.) What
Hinton found is found here: with 300 units the high temperatures do alike, and with 30
all from 8 on are worse than 2.5, and worse than 4. Belief 1 fails in the last lines: at
$T = 40$ the student of 30 units is *worse* than without a teacher, and the wide ones
are better. Who has little room should not be asked to match every logit.

The other knob is α, the weight of the teacher beside the labels, here at $T = 4$:
"""

# %%
at_4 = runs[runs.temperature == 4]
plots = {
    f"{width} units": {"": band(at_4[at_4.width == width], "alpha")}
    for width in (30, 100, 300)
}
words = "α, weight of the teacher", "test errors of 10,000"
look = Look(*words, xticks=(0, 0.25, 0.5, 0.75, 1), columns=3)
draw_curves(figure(9, 2.9), plots, look)

# %%
by_alpha = at_4.pivot_table("test_errors", ["width", "seed"], "alpha")
for width, mine in by_alpha.groupby(level="width"):
    found = says(mine[1] - mine[0])
    print(f"{width:>3} units, the teacher alone against labels alone: {found}")
    assert width == 30 or "better" in found

# %% [markdown]
r"""
At the left end only the labels speak, at the right end only the teacher. α = 1 needs no
labels at all, and for both wider students it is better than labels; with 30 units five
seeds don't decide. So a student could learn from images that nobody has labelled, as
long as a teacher looks at them. (Here the teacher had learned these very images with
their labels. On new ones it errs more.) The student alone has its own learning rate,
all others that of their temperature.

## Recap

- A soft target says which wrong classes are nearly right; at $T = 1$ a good teacher
  hides it.
- The loss is $T^2\,\mathrm{KL}$(teacher ‖ student): 0 where both say the same. $T^2$
  keeps the pull of the teacher from fading at high $T$, where it matches logits.
- The student is compiled and moves; the teacher is frozen and sees the same augmented
  images.
- Weights of two networks can't be compared one by one. What they say can.
- A temperature is compared at its own learning rate, over seeds, chosen on validation
  images.

**Where this stops being true.** How much there is to gain depends on the teacher, the
data and the time of training. A teacher that errs is believed. All this was on digits,
which are easy, with students of two hidden layers. What else a teacher can pass on,
what Hinton's experiment gives here, and where distillation fails, is notebook 04b.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** You have a LeNet-5 that is right nearly always, 300 labelled and
20,000 unlabelled digits, and a student of 30 units. What do you train on, at which
temperature, with which α, and what do you keep fixed?

<details><summary>One answer</summary>

The LeNet-5 answers all 20,300 digits softly. With α = 1 the unlabelled ones need no
labels, and the labelled ones can have α < 1. Keep 100 of these aside for choosing, and
others for what you report. Try some temperatures, from 2 to 20, each with some learning
rates. The teacher is frozen, and sees the same moved digits as the student. Compare
with the same training on the labels alone, from several seeds, before you believe any
of it.

</details>
"""
