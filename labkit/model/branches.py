"""Taking a whole residual branch out: the addition becomes its shortcut.

Bytes in, bytes out. Of the two activations that a residual block adds, the branch is
the one that costs more multiply-accumulates since they last were one; the other one is
the shortcut: the block's input, that subsampled and padded, or a 1x1 convolution of it.
"""

from math import prod

from labkit.model.flatbuffer import NO_ACTIVATION, array, consumers, kind, pack, unpack
from labkit.model.graph import NetworkError

_RELU = 1
# Their outputs are at least 0 where their inputs are.
_KEEP_SIGN = set("MAX_POOL_2D AVERAGE_POOL_2D PAD MEAN RESHAPE".split())


def remove_branch(content: bytes, position: int) -> bytes:
    """Take the branch of one residual addition out, and what only the branch needs.

    Where the branch's output is masked to zero, the smaller network computes the same:
    the addition's ReLU goes to the shortcut's last layer, or away where the shortcut is
    never negative. Raises NetworkError for an operator that is no addition of two
    activations, or an activation that has nowhere to go.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    add = graph.operators[position]
    if kind(model, add) != "ADD" or any(
        array(model, i) is not None for i in add.inputs
    ):
        raise NetworkError(
            f"{kind(model, add)} adds no two activations: name a residual block's "
            "addition"
        )
    shortcut = _shortcut(model, add)
    _hand_on_activation(model, add, shortcut)
    output = int(add.outputs[0])
    for operator in graph.operators:
        operator.inputs = [shortcut if i == output else int(i) for i in operator.inputs]
    graph.outputs = [shortcut if i == output else int(i) for i in graph.outputs]
    needed = _behind(model, {int(i) for i in graph.outputs})
    graph.operators = [op for op in graph.operators if int(op.outputs[0]) in needed]
    for definition in model.signatureDefs or []:
        for entry in definition.outputs:
            if entry.tensorIndex == output:
                entry.tensorIndex = shortcut
    return pack(model)


def _shortcut(model, add) -> int:
    """The cheaper one of the two activations."""
    one, other = map(int, add.inputs)
    behind_one, behind_other = _behind(model, {one}), _behind(model, {other})
    branch_first = _macs(model, behind_one - behind_other) > _macs(
        model, behind_other - behind_one
    )
    return other if branch_first else one


def _behind(model, tensors: set[int]) -> set[int]:
    """These tensors and all that they are computed from."""
    found = set(tensors)
    for operator in reversed(model.subgraphs[0].operators):
        if int(operator.outputs[0]) in found:
            found |= {int(i) for i in operator.inputs}
    return found


def _macs(model, tensors: set[int]) -> int:
    """Multiply-accumulates of the convolutions and dense layers that write these."""
    total = 0
    for operator in model.subgraphs[0].operators:
        if int(operator.outputs[0]) in tensors and len(operator.inputs) > 1:
            kernel = array(model, operator.inputs[1])
            if kind(model, operator) in ("CONV_2D", "FULLY_CONNECTED"):
                shape = model.subgraphs[0].tensors[operator.outputs[0]].shape
                total += prod(shape[1:-1]) * kernel.size
    return total


def _hand_on_activation(model, add, shortcut: int) -> None:
    """Move the addition's activation to the shortcut, where it changes anything."""
    activation = add.builtinOptions.fusedActivationFunction
    if activation == NO_ACTIVATION or (
        activation == _RELU and _never_negative(model, shortcut)
    ):
        return
    producer = _producer(model, shortcut)
    free = (
        kind(model, producer) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        and producer.builtinOptions.fusedActivationFunction == NO_ACTIVATION
        and len(consumers(model, shortcut)) == 1
    )
    if not free:
        raise NetworkError(
            "the addition's activation function has no layer of the shortcut to go to: "
            "mask the branch to zero instead"
        )
    producer.builtinOptions.fusedActivationFunction = activation


def _never_negative(model, tensor: int) -> bool:
    producer = _producer(model, tensor)
    if producer is None:  # the network's input
        return False
    if kind(model, producer) in _KEEP_SIGN:
        return _never_negative(model, int(producer.inputs[0]))
    options = producer.builtinOptions
    fused = getattr(options, "fusedActivationFunction", NO_ACTIVATION)
    return fused == _RELU or kind(model, producer) == "RELU"


def _producer(model, tensor: int):
    """The operator that writes a tensor; None for the network's input."""
    for operator in model.subgraphs[0].operators:
        if tensor in [int(i) for i in operator.outputs]:
            return operator
    return None
