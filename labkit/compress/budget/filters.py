"""Which filters to take out of the blocks of a ResNet of the zoo.

Only the first convolution of each block loses filters: its outputs are read by the
second one alone, so that the residual additions keep their shape (Li et al. 2017,
arXiv:1608.08710, sec. 3.3). Which ones is decided by the loss on calibration images:
each filter's first-order Taylor score (summed by `labkit.train.weight_gradients`, read
by `zoo.gradients`) per MAC that it costs. On validation images, before any further
training, that keeps more of resnet20's accuracy than eight other choices, norms and
chance among them; on resnet8 a fixed share of each layer keeps more, ranked by the same
score (`python -m experiments.prune.filters`).
"""

from labkit import zoo
from labkit.model.network import Network
from labkit.prune.unit_budget import choose_units

NAMES = ("resnet8", "resnet20")


def inner_layers(network: Network) -> list[str]:
    """The first convolutions of the residual blocks, in the order they run."""
    return [name for name in network.kernels if name.endswith("_conv1")]


def reader(layer: str) -> str:
    """The one layer that reads a block's first convolution."""
    return layer.removesuffix("1") + "2"


def unit_macs(network: Network, layer: str) -> float:
    """The MACs that end with one filter of a block's first convolution."""
    macs = network.layer(layer).macs + network.layer(reader(layer)).macs
    return macs / len(network.kernels[layer])


def filters_to_remove(name: str, saving: float) -> dict[str, list[int]]:
    """Layer -> the filters of `name` to remove, to save that fraction of its MACs."""
    network, scores = zoo.load(name), zoo.gradients(name).units
    layers = inner_layers(network)
    return choose_units(
        {layer: scores[layer] for layer in layers},
        {layer: unit_macs(network, layer) for layer in layers},
        saving * network.macs,
    )
