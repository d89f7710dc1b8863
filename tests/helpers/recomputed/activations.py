"""The activations panel's figures, recomputed."""

from labkit import measure, zoo
from labkit.compress import deploy, post_training
from labkit.measure.timing import MIN_RUNS

SLOW = MIN_RUNS  # images of a file that runs one by one, where it may cost nothing


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    name = settings["network"]
    network, data = zoo.load(name), zoo.dataset(name)
    images = data.calibration.images[: settings["images"]]
    graph = post_training.round_in_graph(
        network,
        images,
        None if settings["bits"] == 32 else settings["bits"],
        settings["activation_bits"],
        settings["rule"],
        kept=post_training.kept_layers(network) if settings["ends"] == "kept" else (),
    )
    found = {"float": (network, None), "graph": (graph.network, None)}
    sizes = {"float": len(network), "graph": len(graph.packed)}
    rounded = settings["ends"] == "rounded"
    same = rounded or settings["bits"] == settings["activation_bits"] == 8
    for mode in ("static", "dynamic") if same else ():
        widths = {"activation_bits": settings["activation_bits"]}
        bits, count = settings["bits"], settings["images"]
        made = deploy.deployable(
            network, bits, mode, "channel", data.calibration.images, count, **widths
        )
        if isinstance(made, deploy.Deployed):
            slow = widths["activation_bits"] == 16 and name != "mlp"
            found[mode] = made, SLOW if slow else None
            sizes[mode] = made.size_bytes
    return {
        kind: (measure.accuracy(model, data.test, n).value, sizes[kind])
        for kind, (model, n) in found.items()
    }
