"""The clip panel's figures, recomputed."""

from labkit import measure, zoo
from labkit.compress.clipped import clip_network
from labkit.packed.compressed import pack


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    network = zoo.load(settings["network"])
    test = zoo.dataset(settings["network"]).test
    layers = None if settings["scope"] == "all" else (settings["layer"],)
    compressed = clip_network(network, settings["bits"], settings["clip"] / 100, layers)
    return {
        "float": (measure.accuracy(network, test).value, len(network)),
        "packed": (
            measure.accuracy(compressed.network, test).value,
            len(pack(network, compressed.quantized)),
        ),
    }
