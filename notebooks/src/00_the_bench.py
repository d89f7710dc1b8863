# %% [markdown]
r"""
# Weigh a network before you shrink it

**What you'll do.** Put four trained networks on the scales, one scale after another:
bits, parameters, work, accuracy, bytes, time.

**What you'll learn**
- to read a weight bit by bit, and to say what "8 bits" changes and what it doesn't;
- to tell parameters, multiplications, bytes and microseconds apart;
- to say how sure an accuracy is, and to compare two networks on the same images;
- to read the cost ledger and to drive a panel, which every later lesson uses.

**What you'll need.** NumPy, and what a dense and a convolutional layer are. About 30
minutes of yours, one minute of two cores. No TensorFlow, no download. One exercise,
4 points.

**Three beliefs that this notebook tests**
1. "8 bits cut the number of parameters to a tenth." An article that this lab grew out
   of says so.
2. "A smaller file is a faster network."
3. "The accuracy is 98 %": one number, exact.
"""

# %%
import numpy as np
import pandas as pd

from labkit import zoo
from labkit.checks import Predictions, shown
from labkit.measure import machine

guesses = Predictions()
networks = {name: zoo.load(name) for name in zoo.NAMES}
print(" · ".join(f"{key} {value}" for key, value in machine().items()))

# %% [markdown]
r"""
The line above names your machine, because every time in this notebook is *its* time.
Run the cells in order with Shift-Enter. When a cell asks for a guess, replace `None`
by your guess before you go on: the last section scores them. A guess of `None` is fine
too, only less fun.

## 1. The bits of a weight

A trained network is a list of numbers. Here are twelve of them: the weights that
connect a dozen pixels near the middle of the picture to the first hidden unit of `mlp`.
"""

# %%
w = networks["mlp"].weights["fc1/kernel"]
twelve = w[0, 400:412]
print(f"{w.shape} {w.dtype}")
print(twelve)

# %% [markdown]
r"""
Each is a *float32*, 32 bits: a sign $s$, an exponent $e$ of 8 bits and a fraction $f$
of 23 bits. Together they mean (IEEE 754-2019, binary32, normal numbers)

$$ r = (-1)^s \; 2^{\,e-127} \; (1 + f / 2^{23}). $$

The function below does this with shifts and masks. The assert compares it with NumPy,
bit for bit.
"""


# %%
def decode_float32(word):
    sign, exponent, fraction = word >> 31, (word >> 23) & 255, word & (2**23 - 1)
    return (-1) ** sign * 2.0 ** (exponent - 127) * (1 + fraction / 2**23)


words = [int(word) for word in twelve.view(np.uint32)]
np.testing.assert_array_equal([decode_float32(word) for word in words], twelve)

# %%
from labkit.plots import draw_float32_bits, figure

draw_float32_bits(figure(9, 1.7), [0.15625, *twelve[:2]])

# %% [markdown]
r"""
The first row, $0.15625 = 1.25 \times 2^{-3}$, sets one bit of its fraction. The two
trained weights set many, in no order that you could guess. Is that so for all weights?
Count the ones among the lowest 16 bits, and the exponents that occur.
"""

# %%
bits_of_w = w.view(np.uint32)
ones = np.bitwise_count(bits_of_w & 0xFFFF).mean() / 16
exponents = np.bincount((bits_of_w >> 23 & 255).ravel(), minlength=256)
eight = np.sort(exponents)[-8:].sum() / w.size
print(f"{ones:.1%} of the low bits are 1, 8 exponents serve {eight:.1%} of the weights")
assert 0.49 < ones < 0.51 and eight > 0.9

# %% [markdown]
r"""
Half of the low bits are 1, as with a tossed coin, and a handful of the 256 exponents do
nearly all the work. So 32 bits are far more than these weights use: fine detail that
looks like noise, and a range from $10^{-38}$ to $10^{38}$ of which they fill a sliver.
That is the room that quantization works in. Remember it for section 4.

## 2. Parameters are not work

A dense layer from $n$ to $m$ units has $nm + m$ parameters and does $nm$
multiply-accumulates (MACs) an image: each weight is used once. A $k \times k$
convolution from $c$ to $d$ channels has $k^2cd + d$ parameters, but uses each weight at
every one of its $H \times W$ output positions: $H W k^2 c d$ MACs.
"""


# %%
def layer_table(network):
    rows = [
        (layer.name, layer.kind, layer.kernel_shape, layer.parameters, layer.macs)
        for layer in network.layers
        if layer.kernel_shape
    ]
    columns = ["layer", "kind", "kernel", "parameters", "MACs"]
    return pd.DataFrame(rows, columns=columns).set_index("layer")


lenet5 = layer_table(networks["lenet5"])
lenet5

# %% [markdown]
r"""
`lenet5` reads 28 × 28 digits. Its first convolution, 5 × 5 from 1 to 20 channels, has
24 × 24 output positions. Do the arithmetic by hand and let the cell below confirm it.
"""

# %%
by_hand = {"parameters": 5 * 5 * 1 * 20 + 20, "MACs": 24 * 24 * 5 * 5 * 1 * 20}
assert dict(lenet5.loc["conv1", list(by_hand)]) == by_hand
share = lenet5[["parameters", "MACs"]] / lenet5[["parameters", "MACs"]].sum()
share.round(3)

# %%
dense = share.filter(like="fc", axis=0).sum()
assert dense["parameters"] > 0.9 and dense["MACs"] < 0.25

# %% [markdown]
r"""
The two kinds of layer split the costs between them. Dense layers hold more than nine
tenths of the parameters, so they make the *file*. Convolutions do more than three
quarters of the multiplications, so they make the *time*. Which layer you compress
depends on which of the two you must save.

**Predict 1.** `mlp` classifies digits with three dense layers. `resnet20` classifies
32 × 32 photographs with nineteen convolutions and one dense layer. The two have almost
equally many parameters. How many times the MACs of `mlp` does `resnet20` need?
"""

# %%
guesses.guess("1. MACs of resnet20 / MACs of mlp", None)  # a number, such as 5

# %%
sizes = pd.DataFrame(
    {
        name: [network.parameters, network.macs, len(network.to_bytes())]
        for name, network in networks.items()
    },
    index=["parameters", "MACs", "bytes"],
).T
sizes

# %%
ratio = sizes.loc["resnet20"] / sizes.loc["mlp"]
assert 0.9 < ratio["parameters"] < 1.15 and ratio["MACs"] > 100
print(guesses.settle("1. MACs of resnet20 / MACs of mlp", ratio["MACs"], within=40))

# %% [markdown]
r"""
The same number of parameters, and more than a hundred times the work. "Small" has at
least two meanings, and later methods move them apart on purpose.

The `bytes` column is close to 4 times the parameters: 32 bits each, and a little for
the description of the graph. Here belief 1 can be settled. Storing every weight in 8
bits divides the *bits per parameter* by 4. The number of parameters stays what it is;
section 6 shows it in a ledger.

## 3. How sure is an accuracy?

The lab's test images come in one fixed shuffled order, so the first $n$ are a fair
sample of all 10,000. Here are the first twelve for `mlp`: which ones does it get right?
"""

# %%
from labkit.measure import accuracy

test = {name: zoo.dataset(name).test for name in zoo.NAMES}
first = accuracy(networks["mlp"], test["mlp"], n=12)
print(first.correct.astype(int), f"{first.value:.3f}")

# %% [markdown]
r"""
Twelve images can't say much. *How* much, Wilson's interval tells: all the true
accuracies $p$ for which a result like ours lies within $z = 1.96$ standard errors,
which is 95 % confidence (Wilson 1927, doi 10.1080/01621459.1927.10502953):

$$ \frac{1}{1 + z^2/n} \left( \hat p + \frac{z^2}{2n} \pm
   z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4n^2}} \right). $$
"""

# %%
from labkit.measure import wilson


def my_wilson(correct, n, z=1.96):
    p = correct / n
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = (p + z**2 / (2 * n) + np.array([-half, half])) / (1 + z**2 / n)
    return tuple(ends.clip(0, 1))


np.testing.assert_allclose(my_wilson(11, 12), wilson(11, 12))
print("12 images: {:.3f} to {:.3f}".format(*first.interval))

# %% [markdown]
r"""
**Predict 2.** On 10,000 images, how wide is the interval of `mlp`, in percentage points
from end to end?
"""

# %%
guesses.guess("2. width on 10,000 images, points", None)  # a number, such as 2

# %%
from labkit.measure import Accuracy
from labkit.plots import Curve, Look, draw_curves

full = {name: accuracy(networks[name], test[name]) for name in zoo.NAMES}
ns = [12, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]
prefixes = [Accuracy(full["mlp"].correct[:n]) for n in ns]
low, high = np.transpose([prefix.interval for prefix in prefixes])
curve = Curve(ns, [prefix.value for prefix in prefixes], low, high)
look = Look("first n test images", "accuracy of mlp", xscale="log", percent=True)
draw_curves(figure(7, 3), {"mlp": {"mlp": curve}}, look)

# %%
width = dict(zip(ns, high - low, strict=True))
assert 1.6 < width[2500] / width[10_000] < 2.5
print(guesses.settle("2. width on 10,000 images, points", 100 * width[10_000], 0.15))

# %% [markdown]
r"""
The line wanders, the band narrows, and slowly: for half the width you need four times
the images, as the assert says of 2,500 and 10,000. So belief 3 fails. "98 %" is a
position and a width. A difference smaller than the width needs a better argument, and
"Compare in pairs" below has one.

A panel uses this. It shows the first few hundred images at once, with their wide band,
and then refines to all 10,000.
"""

# %%
shares = pd.DataFrame(
    [(result.value, *result.interval) for result in full.values()],
    columns=["accuracy", "low", "high"],
    index=list(full),
)
sizes.map("{:,}".format).join(shares.map("{:.2%}".format))

# %% [markdown]
r"""
### Compare in pairs

Does rounding all weights of `mlp` to 4 bits cost accuracy? (How that is done is the
next notebook; here it is just a second network.) Two intervals that overlap seem to say
"can't tell". But both networks saw the *same* images, so look only at those where they
disagree. If both were equally good, each disagreement would be a fair coin: McNemar's
test (1947), in its exact form, asks how unusual the observed split of coins is.
"""

# %%
from labkit.compress import quantize_network
from labkit.measure import compare

four = quantize_network(networks["mlp"], bits=4, granularity="tensor")
rounded = accuracy(four.network, test["mlp"])
paired = compare(full["mlp"], rounded)
print(f"{paired.newly_wrong} newly wrong, {paired.newly_right} newly right")
print(f"difference {paired.difference:+.4f}, p = {paired.p_value:.3f}")

# %%
from math import comb

wrong, right = paired.newly_wrong, paired.newly_right
coins = wrong + right
tail = sum(comb(coins, k) for k in range(min(wrong, right) + 1)) / 2**coins
np.testing.assert_allclose(min(1, 2 * tail), paired.p_value)

# %%
alone = sum(high - low for low, high in (full["mlp"].interval, rounded.interval))
together = paired.interval[1] - paired.interval[0]
print(f"intervals added: {100 * alone:.2f} points, paired: {100 * together:.2f} points")
assert together < alone and coins < paired.n / 20

# %% [markdown]
r"""
The two networks disagree about a small share of the images, so the paired interval of
the *difference* is narrower than the two single intervals together. From here on, every
comparison in this lab is paired: newly wrong, newly right, and how surprising that
split would be.

## 4. Bytes are files

A size, in this lab, is the length of a file that can be read back. Where do the bytes
of `mlp` sit?
"""

# %%
from labkit.plots import draw_bars

mlp_bytes = len(networks["mlp"].to_bytes())
bars = {layer.name: 4 * layer.parameters for layer in networks["mlp"].layers}
bars["graph and names"] = mlp_bytes - sum(bars.values())
draw_bars(figure(7, 2.2), bars, "bytes of mlp.tflite")

# %%
assert bars["fc1"] > 0.8 * mlp_bytes and bars["graph and names"] < 0.02 * mlp_bytes

# %% [markdown]
r"""
One layer, `fc1`, makes more than four fifths of the file, and everything that isn't a
weight less than a fiftieth. A method that spares `fc1` can't make `mlp` small.

**Predict 3.** Why not just zip it? Deflate, the method in zip, gzip and PNG, finds
repeats. What share of the file is left, in per cent?
"""

# %%
guesses.guess("3. bytes left by deflate, per cent", None)  # a number, 0 to 100

# %%
from labkit.measure import deflated_bytes

deflated = pd.Series(
    {name: deflated_bytes(net.to_bytes()) / len(net) for name, net in networks.items()}
)
print(guesses.settle("3. bytes left by deflate, per cent", 100 * deflated["mlp"], 5))
assert deflated.min() > 0.8
deflated.map("{:.1%}".format)

# %% [markdown]
r"""
Lossless compression hardly helps, on any of the four. Section 1 says why. To see it,
deflate the four bytes of the weights separately: the top byte of each weight (sign and
most of the exponent), the second, the third, the lowest.
"""

# %%
planes = np.ascontiguousarray(w).view(np.uint8).reshape(-1, 4).T[::-1]
names = ["sign, exponent", "exponent, fraction", "fraction", "lowest fraction"]
left = {
    f"{name}": deflated_bytes(plane.tobytes()) / plane.size * 100
    for name, plane in zip(names, planes, strict=True)
}
draw_bars(figure(7, 2.2), left, "per cent left of each byte of fc1's weights", " %")

# %%
assert left["sign, exponent"] < 60 and left["lowest fraction"] > 98

# %% [markdown]
r"""
The byte with the exponent shrinks, since few exponents occur. The fraction bytes don't
shrink at all: to deflate they are noise. To get a small file you must *throw bits
away*, and then measure what it costs. That is what the lessons after this one do, each
in its own way.

## 5. Microseconds are measured

Latency is the time of one call on one image. A clock on a shared machine is noisy, so
the networks take turns, 30 rounds, and we report the median and the quartiles: half of
the rounds lie between `q1` and `q3`.

**Predict 4.** `lenet5` has the largest file of the four. Which network is slowest?
"""

# %%
guesses.guess("4. slowest network", None)  # a name in quotes, such as "lenet5"

# %%
from labkit.measure import latency

times = latency(networks)
table = pd.DataFrame(map(vars, times.values()), index=list(times))
table[["median_us", "q1_us", "q3_us"]] = table.filter(like="_us").round(1)
table

# %%
slowest = table["median_us"].idxmax()
print(guesses.settle("4. slowest network", slowest))
order = table["median_us"].rank()
follows = {key: sizes[key].rank().corr(order) for key in ("MACs", "bytes")}
print(follows)

# %%
relations = {
    "the largest file is not the slowest network": slowest != sizes["bytes"].idxmax(),
    "time follows MACs more than bytes": follows["MACs"] > follows["bytes"],
}
print(shown(relations))

# %% [markdown]
r"""
Times are this machine's, and of this run: where a relation is not shown, measure again
while nothing else runs. Where the largest file is not the slowest network, belief 2
fails between networks. The printed rank correlations say what time follows: 1 means the
same order and 0 no relation. Belief 2 *within* one network is for the ledger of the
next section.

## 6. The plane, the ledger, a panel

Each method in this lab moves a point on one plane: accuracy against the bytes of the
file. Better is up, smaller is left. The vertical axis is stretched so that halving the
*error* is always the same step.
"""

# %%
from labkit.plots import Point, draw_networks

points = [
    Point(name, name, "float", result.value, *result.interval, result.n,
          len(networks[name]), exact=True)
    for name, result in full.items()
]  # fmt: skip
draw_networks(figure(7.5, 4), points)

# %% [markdown]
r"""
Networks for different data must not be compared up and down: digits are easier than
photographs. What you may compare is a network with its own compressed forms. For `mlp`
we make two. The *packed* file keeps 8-bit codes and scales, and is decoded to floats to
run: it is counted for its bytes. The *deployable* file is what a phone loads: LiteRT
runs its 8-bit weights as they are.
"""

# %%
from labkit.compress import deployable

mlp = networks["mlp"]
packed = quantize_network(mlp, bits=8, granularity="channel")
deployed = deployable(mlp, bits=8, mode="dynamic", granularity="channel")
models = {"float32": mlp, "packed 8 bit": packed.network, "deployable 8 bit": deployed}
times = latency(models)

# %%
from dataclasses import replace

from labkit.measure import compressed_row, deployed_row, network_row

rows = [
    network_row(mlp, "float32"),
    compressed_row(packed, "packed 8 bit"),
    deployed_row(deployed, mlp, "deployable 8 bit"),
]
files = [mlp.to_bytes(), packed.packed, deployed.to_bytes()]

# %%
rows = [
    replace(row, deflated_bytes=deflated_bytes(file), latency=times[row.stage])
    for row, file in zip(rows, files, strict=True)
]
ledger = pd.DataFrame(map(vars, rows)).set_index("stage").T
ledger.loc["latency"] = [f"{row.latency.median_us:.1f} µs" for row in rows]
ledger

# %%
from labkit.measure import explain

assert len({row.parameters for row in rows}) == 1
assert rows[1].size_bytes < rows[0].size_bytes / 3.5
print("\n\n".join(explain(rows)))

# %% [markdown]
r"""
Read it column by column.

- **parameters** agree in all three: belief 1 counted the wrong thing.
- **bits** fall from 32 to 8, and **bytes** by a little less than 4: scales,
  biases and the graph don't shrink with the weights.
- **MACs** stay, because the layers have the same shapes. What changes is
  the *arithmetic*: the packed file multiplies floats, the deployable one integers.
- **latency** is therefore the float network's for the packed file, since it *is* a
  float network when it runs. It is smaller and not faster: belief 2 again. Only the
  deployable file has a chance, and how much it gains depends on the processor.

**Exercise 1** (5 minutes, 4 points). Write the rule behind the payload: how many whole
bytes take `weights` codes of `bits` bits, packed without gaps, and `scales` float32
scales?
"""


# %%
def packed_bytes(weights, scales, bits):
    raise NotImplementedError


# %%
from labkit.checks import check_packed_bytes

check_packed_bytes(packed_bytes)

# %% [markdown]
r"""
<details><summary>Hint</summary>

A byte has 8 bits, and a file has whole bytes: round up. In Python, `-(-a // b)` divides
and rounds up. A float32 has 32 bits.

</details>
<details><summary>Solution</summary>

```python
def packed_bytes(weights, scales, bits):
    return -(-weights * bits // 8) + 4 * scales
```

</details>

Now a panel. It compresses `mlp` anew at each position, runs the file on test images and
draws the point on the plane. Open it, click on *bits*, and press the left arrow key.
Each position that you visit leaves a dot. At how few bits does the point fall?
"""

# %%
from labkit.panels import quantization_panel

panel = quantization_panel("mlp")
panel

# %% [markdown]
r"""
A panel does nothing that code can't do. `panel.set` moves it, waits for all 10,000
images and returns the result, and the panel shows the code that reproduces a position.
Here the panel and a direct call give the same network, byte for byte.
"""

# %%
result = panel.set(bits=4, granularity="tensor")
point = next(point for point in result.points if point.kind == "packed")
assert point.accuracy == rounded.value and point.size_bytes == len(four.packed)
print(point)

# %% [markdown]
r"""
## Recap

- A float32 weight has 32 bits, of which a trained network uses few: deflate
  finds order in the exponents and none in the fractions.
- Parameters, MACs, bytes and microseconds are four scales. They agree only when
  the kind of layer and of arithmetic stays the same.
- An accuracy has an interval, and two networks are compared on the same images.
- The ledger puts all of it in one row per stage, and says why columns disagree.

**Where this stops being true.** The intervals speak of *new images like these test
images*, not of photographs from another camera, nor of another training run: a second
seed moves the accuracy too. MACs predict time among layers of the same kind on the same
kernels; memory traffic, thread counts and tiny layers break the rule. And deflate is
one lossless method: better ones gain a little more, not a factor.
"""

# %%
print(guesses.table())

# %% [markdown]
r"""
**Transfer question.** A weather station must receive new weights for its 1.7 MB digit
reader over a slow radio link, once a day, and has all night to read one digit. A
colleague offers you two versions: (a) half the parameters in the dense layers, (b) half
the MACs in the convolutions. Which one do you send, and which figure of the ledger
decides it?

<details><summary>One answer</summary>

(a). The bytes cross the radio, and dense layers hold nearly all the bytes of such a
network, while time does not matter here. The column that decides is bytes on disk, or
deflated bytes if the link compresses. Version (b) would be right for a camera that must
answer 30 times a second and is flashed once.

</details>

Next: `01_quantization_error`, what rounding costs.
"""
