"""The quantization panel's figures, recomputed."""

from labkit import compress, measure, zoo
from labkit.compress import deploy
from labkit.packed.compressed import pack


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    network = zoo.load(settings["network"])
    test = zoo.dataset(settings["network"]).test
    names = ("bits", "granularity", "layers", "grid", "block")
    chosen = {k: settings[k] for k in names}
    if settings["grid"] == "uniform":
        chosen["rule"] = settings["rule"]
    compressed = compress.quantize_network(network, **chosen)
    files = {"float": network, "packed": compressed.network}
    sizes = {
        "float": len(network),
        "packed": len(pack(network, compressed.quantized)),
    }
    of_64 = settings["granularity"] == "block" and settings["block"] == 64
    even = settings["grid"] == "uniform" and not of_64
    if settings["layers"] is None and even:
        how = {k: settings[k] for k in ("bits", "mode", "granularity")}
        deployed = deploy.deployable(network, **how)
        if isinstance(deployed, deploy.Deployed):
            files["deployable"] = deployed
            sizes["deployable"] = len(deployed.to_bytes())
    return {k: (measure.accuracy(f, test).value, sizes[k]) for k, f in files.items()}
