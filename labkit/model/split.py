"""A network cut in two where a single array crosses, so that a part can run alone.

What comes before a layer is the same whatever is done to the layer: it needs to run
once only.
"""

from labkit.model import flatbuffer
from labkit.model.network import Network


def split_before(network: Network, layer: str) -> tuple[Network | None, Network]:
    """The network up to, and from, the last cut before `layer`: (head, tail).

    A cut is a place where one array alone goes on: not inside a residual block, whose
    input is added behind it. tail.predict(head.predict(images)) is
    network.predict(images); the layers of the tail keep their names and their weights.
    head is None where the only cut is the network's input. Raises NetworkError for a
    layer that is not there.
    """
    model = _named(network)
    position = network.layers.index(network.layer(layer))
    while len(_crossing(model, position)) != 1:
        position -= 1
    (index,) = _crossing(model, position)
    if index in [int(i) for i in model.subgraphs[0].inputs]:
        return None, network
    head, tail = model, _named(network)
    head.subgraphs[0].operators = head.subgraphs[0].operators[:position]
    head.subgraphs[0].outputs = [index]
    tail.subgraphs[0].operators = tail.subgraphs[0].operators[position:]
    tail.subgraphs[0].inputs = [index]
    return _network(head), _network(tail)


def _named(network: Network):
    """The model file as a tree in which each array has its layer's name, to keep it."""
    model = flatbuffer.unpack(network.to_bytes())
    graph = model.subgraphs[0]
    for operator, layer in zip(graph.operators, network.layers, strict=True):
        graph.tensors[operator.outputs[0]].name = layer.name.encode()
    return model


def _network(model) -> Network:
    model.signatureDefs = []  # they name arrays that may be gone
    return Network.from_bytes(flatbuffer.pack(model))


def _crossing(model, position: int) -> set[int]:
    """The computed arrays that are there before operator `position` and needed by it or
    behind it."""
    graph = model.subgraphs[0]
    there = {int(i) for i in graph.inputs}
    for operator in graph.operators[:position]:
        there |= {int(i) for i in operator.outputs}
    needed = {int(i) for i in graph.outputs}
    for operator in graph.operators[position:]:
        needed |= {int(i) for i in operator.inputs}
    return there & needed
