"""The lab's words: one table of terms, from which pages and explanations are made.

Code, messages, panels and lessons use these terms in this sense. `make results` writes
the table into CONTRIBUTING.md and, as the lessons' glossary, into notebooks/README.md;
panels show the lines of their own terms.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term of the field, and what it means here.

    line: one sentence for a second-year student. symbol: as formulas write it. unit:
    of its values. source: where it is defined. instead: words not to use for it.
    """

    name: str
    line: str
    symbol: str = ""
    unit: str = ""
    source: str = ""
    instead: tuple[str, ...] = ()


NAGEL = "Nagel et al. 2021, arXiv:2106.08295"
JACOB = "Jacob et al. 2018, arXiv:1712.05877"
HINTON = "Hinton et al. 2015, arXiv:1503.02531"

WORDS = (
    # Measuring
    Term(
        "accuracy",
        "The fraction of images whose largest output is the label's.",
        unit="0 to 1, shown in %",
    ),
    Term(
        "interval",
        "The values that the data leave plausible: in 95 of 100 repetitions of the "
        "experiment such a range holds the true one.",
        unit="as its value's",
        source="Wilson 1927; Newcombe 1998, method 10",
    ),
    Term(
        "paired difference",
        "The change of accuracy counted on the same images: newly right minus newly "
        "wrong, by their number.",
        unit="percentage points",
        source="McNemar 1947",
    ),
    Term(
        "latency",
        "The time from one image in to its outputs out, on a named processor.",
        unit="µs",
        instead=("speed",),
    ),
    Term(
        "MACs",
        "Multiply-accumulates: the products that one image needs, each added to a sum.",
        unit="an image",
    ),
    Term(
        "payload",
        "The bytes that the weights need by themselves: codes, scales, zero points, "
        "masks, codebooks, factors.",
        unit="bytes",
    ),
    Term(
        "packed file",
        "The lab's own file: the graph and the weights in few bits, which decodes to a "
        "float32 file.",
    ),
    Term(
        "deployable file",
        "A .tflite file that the runtime runs as it is, in integers where it can.",
    ),
    # Quantization
    Term(
        "bits",
        "How many binary digits a code has: b bits have 2^b codes.",
        symbol="b",
        instead=("width", "bitwidth"),
    ),
    Term(
        "scale",
        "The distance of two neighbouring levels of an even grid.",
        symbol="S",
        unit="as the weights'",
        source=f"{JACOB}, eq. 1",
        instead=("step size",),
    ),
    Term(
        "zero point",
        "The code that stands for the real number 0.",
        symbol="Z",
        source=f"{JACOB}, eq. 1",
    ),
    Term("code", "The integer that is stored for a number.", symbol="q"),
    Term(
        "symmetric",
        "A grid whose zero point is 0: as many levels below as above.",
        source=f"{NAGEL}, sec. 2.2",
    ),
    Term(
        "granularity",
        "How many numbers share a scale: a tensor, a channel or a block.",
        source=f"{NAGEL}, sec. 2.2",
        instead=("groups",),
    ),
    Term(
        "range rule",
        "How the ends of a grid are chosen from the numbers: by their largest, by a "
        "percentile, by the squared error, by KL divergence, or from a distribution.",
        source=f"{NAGEL}, sec. 3.1",
    ),
    Term(
        "clipping error",
        "What numbers beyond the ends of the grid lose by being moved to its ends.",
        source=f"{NAGEL}, sec. 2.2",
    ),
    Term(
        "rounding error",
        "What numbers within the grid lose by being moved to the nearest level.",
        source=f"{NAGEL}, sec. 2.2",
    ),
    Term(
        "SQNR",
        "Signal to quantization noise: the energy of the numbers by that of the error.",
        unit="dB",
    ),
    Term(
        "codebook",
        "A list of levels at any distances; a weight is stored as a position in it.",
        source="Han et al. 2016, arXiv:1510.00149, sec. 3",
    ),
    Term(
        "calibration",
        "Running some training images to choose the ranges of activations.",
        source=f"{NAGEL}, sec. 3.1",
    ),
    Term(
        "dynamic quantization",
        "Integer weights; activations are put on a grid anew for each image.",
    ),
    Term(
        "static quantization",
        "Integer weights and activations, whose ranges were calibrated before.",
    ),
    Term(
        "weight-only quantization",
        "Integer weights in the file, turned into floats before they are used.",
    ),
    Term(
        "fake quantization",
        "Rounding to a grid and back in floats, to see what integers would give.",
        source=f"{JACOB}, sec. 3",
    ),
    Term(
        "straight-through estimator",
        "Taking the slope of rounding for 1 within the range, so that training goes "
        "through it.",
        source="Bengio et al. 2013, arXiv:1308.3432",
    ),
    Term(
        "quantization-aware training",
        "Training with rounded weights or activations in the forward pass.",
        source=f"{JACOB}, sec. 3",
    ),
    Term(
        "mixed precision",
        "Layers with different bits within one budget of bytes.",
    ),
    Term(
        "sensitivity",
        "What a network loses when one layer alone is compressed.",
        unit="loss or percentage points",
    ),
    Term(
        "cross-layer equalization",
        "Rescaling neighbouring layers so that their channels have equal ranges, "
        "without changing an answer.",
        source="Nagel et al. 2019, arXiv:1906.04721",
    ),
    # Pruning
    Term(
        "sparsity",
        "The fraction of weights that are 0.",
        unit="0 to 1",
        instead=("density",),
    ),
    Term("mask", "True where a weight is kept, False where it is 0."),
    Term(
        "score",
        "A number for each weight or unit; those with the lowest are removed.",
    ),
    Term(
        "criterion",
        "The rule that scores: magnitude, Taylor, Fisher, activations, random.",
    ),
    Term(
        "magnitude pruning",
        "Removing the weights closest to 0.",
        source="Han et al. 2015, arXiv:1506.02626",
    ),
    Term(
        "optimal brain surgeon",
        "Scores by the loss's second derivatives; the weights that stay are moved to "
        "make up for the one that goes.",
        source="Hassibi and Stork 1993",
    ),
    Term(
        "structured pruning",
        "Removing whole units, so that the rest is a smaller dense network.",
        source="Li et al. 2017, arXiv:1608.08710",
    ),
    Term("unit", "A neuron of a dense layer, or a filter of a convolution."),
    Term(
        "coupled channels",
        "Channels of several layers that are added to each other, and so must be "
        "removed together.",
        source="Fang et al. 2023, arXiv:2301.12900",
        instead=("linked units", "bundle"),
    ),
    Term(
        "fine-tuning",
        "Training a compressed network further, with its zeros or grids kept.",
        instead=("healing",),
    ),
    Term(
        "schedule",
        "The sparsity at each step of a training.",
        source="Zhu and Gupta 2017, arXiv:1710.01878, eq. 1",
    ),
    Term(
        "lottery ticket",
        "A mask found by training that can be trained from the first weights to the "
        "full accuracy.",
        source="Frankle and Carbin 2019, arXiv:1803.03635",
    ),
    Term(
        "break-even point",
        "The sparsity or rank from which the smaller form has fewer bytes.",
    ),
    # Distillation
    Term("logits", "A network's last outputs, before softmax.", symbol="z"),
    Term(
        "temperature",
        "What logits are divided by before softmax; a higher one shows more of the "
        "small probabilities.",
        symbol="T",
        source=f"{HINTON}, eq. 1",
    ),
    Term(
        "soft targets",
        "The teacher's probabilities at a temperature, for the student to match.",
        source=f"{HINTON}, sec. 2",
    ),
    Term(
        "dark knowledge",
        "What the teacher's probabilities say beside the label.",
        source="Hinton et al. 2014, talk",
    ),
    Term(
        "alpha",
        "The weight of the soft loss; the loss on labels has 1 − alpha.",
        symbol="α",
        unit="0 to 1",
    ),
    Term("teacher", "The trained network whose outputs are the targets."),
    Term("student", "The network that is trained on a teacher's outputs."),
    # Low rank
    Term(
        "rank", "The number of products of a column and a row that add up to a matrix."
    ),
    Term(
        "singular values",
        "The sizes of a matrix's parts of rank 1, the largest first.",
        symbol="s",
        source="Eckart and Young 1936",
    ),
    Term("energy", "The sum of the squares of a matrix's entries."),
    Term(
        "factor layers",
        "The smaller layers that run one after the other in place of one.",
        instead=("taken apart",),
    ),
    Term(
        "parameter ratio",
        "Parameters of the factors by those of the layer.",
        unit="0 to 1",
        instead=("share",),
    ),
    Term(
        "Tucker decomposition",
        "A small kernel between two 1 × 1 convolutions, which reduce the channels.",
        source="Kim et al. 2016, arXiv:1511.06530",
    ),
    Term(
        "CP decomposition",
        "A sum of products of four vectors: four thin convolutions.",
        source="Lebedev et al. 2015, arXiv:1412.6553",
    ),
)
TERMS = {term.name: term for term in WORDS}
