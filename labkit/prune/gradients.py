"""Gradients of a network's loss on calibration images, as a file that holds them.

They take TensorFlow to compute (`python -m labkit gradients`) and none to read: what
ranks weights by the loss reads them from here.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# float16 goes from 6e-5 to 65,504 at full precision: each array is scaled to use that.
LARGEST = 2.0**15
_KINDS = "mean", "rms"


@dataclass(frozen=True, eq=False)
class Gradients:
    """What the cross-entropy of n images says of each weight and each unit.

    mean: layer name -> the gradient of the mean loss by the kernel, in the file's
    layout (out, …), float32. squared: likewise the mean over images of each image's
    squared gradient: the diagonal of the (empirical) Fisher information. units: layer
    name -> a score for each output unit, float32 (out,): the mean over images of
    |sum of w g over the weights and the bias of the unit|. As the unit's output before
    its activation function is linear in them, that is |sum of z dL/dz over its places|:
    Molchanov et al. 2017, arXiv:1611.06440, eq. 8 (for a ReLU, before or after it).
    network_digest: the sha256 of the network's file. images: n.
    """

    mean: Mapping[str, np.ndarray]
    squared: Mapping[str, np.ndarray]
    units: Mapping[str, np.ndarray]
    network_digest: str
    images: int

    def to_bytes(self) -> bytes:
        """An .npz file: float16 with a scale for each array, the root of `squared`."""
        arrays = {"digest": np.array(self.network_digest)}
        arrays["images"] = np.array(self.images)
        for layer, mean in self.mean.items():
            values = {"mean": mean, "rms": np.sqrt(self.squared[layer])}
            for kind in _KINDS:
                scale, halves = _halves(values[kind])
                arrays |= {f"{layer}/{kind}": halves, f"{layer}/{kind}/scale": scale}
            arrays[f"{layer}/units"] = np.asarray(self.units[layer], np.float32)
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Gradients":
        """The gradients in the arrays of such a file, to the precision of float16.

        Raises KeyError where an array is missing.
        """
        layers = [
            name.removesuffix("/units") for name in arrays if name.endswith("/units")
        ]
        mean, rms = (
            {layer: _whole(arrays, f"{layer}/{kind}") for layer in layers}
            for kind in _KINDS
        )
        return cls(
            mean,
            {layer: np.square(array) for layer, array in rms.items()},
            {layer: arrays[f"{layer}/units"] for layer in layers},
            str(arrays["digest"]),
            int(arrays["images"]),
        )


def _halves(array: np.ndarray) -> tuple[np.float32, np.ndarray]:
    """A scale and float16 numbers whose product is the array."""
    largest = float(np.abs(array).max(initial=0.0))
    scale = np.float32(largest / LARGEST if largest else 1.0)
    return scale, (array / scale).astype(np.float16)


def _whole(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    return arrays[name].astype(np.float32) * arrays[f"{name}/scale"]
