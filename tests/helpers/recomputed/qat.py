"""The figures of the panel of training with rounding, recomputed."""

from labkit import measure, zoo
from labkit.compress.post_training import Setting, round_network
from labkit.packed import compressed
from labkit.train import child

CALIBRATION = 20  # images, in place of the panel's


def direct(settings):
    """The figures of a setting without the panel: kind -> (accuracy, bytes)."""
    name, data = settings["network"], zoo.dataset(settings["network"])
    images = data.calibration.images[:CALIBRATION]
    setting = Setting(settings["weights"], settings["activations"])
    network = zoo.load(name)
    rounded = round_network(network, images, setting)
    files = {
        "float": (network, len(network.to_bytes())),
        "packed": (compressed.unpack(rounded.packed), len(rounded.packed)),
    }
    if settings["steps"]:
        packed = child.train_quantized(
            name, str(setting), settings["steps"], settings["seed"]
        )
        files["trained"] = compressed.unpack(packed), len(packed)
    return {k: (measure.accuracy(n, data.test).value, b) for k, (n, b) in files.items()}
