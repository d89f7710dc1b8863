"""Pairs of layers between which a positive factor per channel can be moved."""

from dataclasses import dataclass

from labkit.model.flatbuffer import array, consumers, kind, unpack
from labkit.model.graph import KERNEL_KINDS, NetworkError
from labkit.model.network import Network

# f(s x) = s f(x) for a factor s > 0 for each channel.
_PASSING = {
    "AVERAGE_POOL_2D", "LEAKY_RELU", "MAX_POOL_2D", "MEAN", "PAD", "RELU", "RESHAPE",
}  # fmt: skip
_CLIPPING = {"RELU6": 6, "RELU_N1_TO_1": 1}
_FUSED = {0: "no activation", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}


@dataclass(frozen=True)
class Pair:
    """Two layers with kernels; only `second` reads the channels of `first`."""

    first: str
    second: str


def pairs(network: Network) -> tuple[Pair, ...]:
    """Every pair of the network, in the order the first layers run.

    Between the two may stand ReLU, pooling, zero padding and a flatten. A residual
    addition is in the way: all that is added there would need the same factors.
    """
    blocked = obstacles(network)
    firsts = [layer for layer in network.kernels if layer not in blocked]
    return tuple(Pair(layer, partner(network, layer)) for layer in firsts)


def obstacles(network: Network) -> dict[str, str]:
    """Layer that is first in no pair -> what is in the way, in a sentence."""
    found = {}
    for layer in network.kernels:
        try:
            partner(network, layer)
        except NetworkError as error:
            found[layer] = str(error)
    return found


def partner(network: Network, layer: str) -> str:
    """The layer that alone reads `layer`'s channels, so that factors can be moved.

    Raises NetworkError with what is in the way: an activation function that is not
    scaled with its input (RELU6 clips at 6), an addition, a second reader, the end of
    the network.
    """
    if network.layer(layer).kernel_shape is None:
        raise NetworkError(f"layer {layer} has no weights to scale")
    model = unpack(network.to_bytes())
    operators = model.subgraphs[0].operators
    operator = operators[network.layers.index(network.layer(layer))]
    channels = _channels(model, operator)
    while True:
        _check_activation(operator, layer)
        operator = _only_reader(model, operator, layer)
        if kind(model, operator) in KERNEL_KINDS:
            return network.layers[operators.index(operator)].name
        _check_passing(model, operator, channels, layer)


def _channels(model, operator) -> int:
    return int(model.subgraphs[0].tensors[operator.outputs[0]].shape[-1])


def _check_activation(operator, layer: str) -> None:
    code = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    if code not in (0, 1):
        _refuse_activation(_FUSED.get(code, f"activation {code}"), layer)


def _refuse_activation(name: str, layer: str) -> None:
    if name in _CLIPPING:
        why = f"which clips at {_CLIPPING[name]}: a scaled channel is clipped elsewhere"
    else:
        why = "which does not let a factor pass"
    raise NetworkError(
        f"behind {layer} stands {name}, {why}; only ReLU and no activation do"
    )


def _only_reader(model, operator, layer: str):
    """The one operator that reads the output (SHAPE reads no numbers of it)."""
    graph, output = model.subgraphs[0], int(operator.outputs[0])
    if output in [int(index) for index in graph.outputs]:
        raise NetworkError(f"{layer} leads to the network's output, which stays as is")
    readers = [op for op in consumers(model, output) if kind(model, op) != "SHAPE"]
    if len(readers) != 1:
        kinds = ", ".join(kind(model, reader) for reader in readers)
        raise NetworkError(
            f"the output of {layer} is read {len(readers)} times ({kinds}): factors "
            "for one reader would change the others"
        )
    return readers[0]


def _check_passing(model, operator, channels: int, layer: str) -> None:
    """The operator must let factors pass, and keep the channels where they are."""
    name = kind(model, operator)
    if name in _CLIPPING:
        _refuse_activation(name, layer)
    if name not in _PASSING:
        raise NetworkError(
            f"behind {layer} stands {name}, which does not let a factor for each "
            "channel pass"
        )
    before, after = (
        model.subgraphs[0].tensors[index]
        for index in (operator.inputs[0], operator.outputs[0])
    )
    moved = after.shape[-1] != before.shape[-1]
    if name == "RESHAPE":  # a flatten lists the channels again and again
        moved = after.shape[-1] % channels
    if name == "MEAN":
        axes = array(model, operator.inputs[1]).ravel() % len(before.shape)
        moved = len(before.shape) - 1 in axes
    if moved:
        raise NetworkError(f"behind {layer} stands {name}, which mixes the channels")
