"""The layers that stand in place of one: what they cost, what they multiply back to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class FactorLayer(NamedTuple):
    """One of the layers that run in place of a layer.

    kernel: dense (out, in), convolution (out, height, width, in), or, if depthwise,
    (1, height, width, channels). bias: (out,), None for none.
    """

    kernel: np.ndarray
    bias: np.ndarray | None = None
    depthwise: bool = False

    @property
    def inputs(self) -> int:
        """How many channels it reads."""
        return self.kernel.shape[-1]

    @property
    def outputs(self) -> int:
        """How many channels it writes."""
        return self.kernel.shape[-1 if self.depthwise else 0]


def outline(*shape: int, depthwise: bool = False) -> FactorLayer:
    """A layer of this kernel shape, to be counted: zeros that take no memory.

    >>> part = outline(16, 1, 3, 4)
    >>> part.kernel.size, part.outputs, part.kernel.strides
    (192, 16, (0, 0, 0, 0))
    """
    return FactorLayer(np.broadcast_to(np.float32(0), shape), None, depthwise)


class ConvGeometry(NamedTuple):
    """A convolution's picture and how it is walked over; of a dense layer, none.

    height, width: of the input. strides: down and across. same: the padding, "same"
    (zeros at the edges) or "valid" (none).
    """

    height: int
    width: int
    strides: tuple[int, int] = (1, 1)
    same: bool = True


def parameters(parts: Sequence[FactorLayer]) -> int:
    """Kernels and biases, counted in numbers.

    >>> down = FactorLayer(np.zeros((2, 6)))
    >>> parameters([down, FactorLayer(np.zeros((4, 2)), np.zeros(4))])
    24
    """
    return sum(
        part.kernel.size + (0 if part.bias is None else part.bias.size)
        for part in parts
    )


def macs(parts: Sequence[FactorLayer], sides: ConvGeometry | None = None) -> int:
    """Multiply-accumulates for one image.

    >>> macs([FactorLayer(np.zeros((2, 6))), FactorLayer(np.zeros((4, 2)))])
    20
    >>> down = FactorLayer(np.zeros((2, 3, 1, 5)))
    >>> across = FactorLayer(np.zeros((4, 1, 3, 2)))
    >>> macs([down, across], ConvGeometry(8, 8))    # 64 positions, 30 + 24 weights
    3456

    sides: of the layer that the parts replace; None for a dense one.
    """
    if sides is None:
        return sum(part.kernel.size for part in parts)
    height, width = sides.height, sides.width
    whole = composed_sides(parts)
    total = 0
    shared = assign_strides(whole, sides.strides, parts)
    for part, strides in zip(parts, shared, strict=True):
        window = part.kernel.shape[1:3]
        height = output_length(height, window[0], strides[0], sides.same)
        width = output_length(width, window[1], strides[1], sides.same)
        total += height * width * part.kernel.size
    return total


def output_length(length: int, window: int, stride: int, same: bool) -> int:
    """How many windows there are along `length` pixels.

    >>> output_length(8, 3, 2, same=True), output_length(8, 3, 2, same=False)
    (4, 3)
    """
    return -(-(length if same else length - window + 1) // stride)


def assign_strides(
    window: tuple[int, int], strides: tuple[int, int], parts: Sequence[FactorLayer]
) -> list[tuple[int, int]]:
    """Each part's strides, down and across: the product of all is the old layer's.

    >>> parts = FactorLayer(np.zeros((2, 3, 1, 5))), FactorLayer(np.zeros((4, 1, 3, 2)))
    >>> assign_strides((3, 3), (2, 2), parts)
    [(2, 1), (1, 2)]

    window: the old kernel's height and width. strides: its own. A stride goes to the
    first part that is as high (wide) as the old kernel. Raises ValueError where
    there is none.
    """
    found = []
    for axis, (side, stride) in enumerate(zip(window, strides, strict=True)):
        spans = [part.kernel.shape[1 + axis] == side for part in parts]
        if not any(spans):
            raise ValueError(f"no part spans the kernel's side of {side}")
        found.append(
            [stride if k == spans.index(True) else 1 for k in range(len(parts))]
        )
    return list(zip(*found, strict=True))


def composed_sides(parts: Sequence[FactorLayer]) -> tuple[int, int]:
    """Height and width of the kernel that convolutions one after the other make."""
    reach = [sum(part.kernel.shape[axis] - 1 for part in parts) for axis in (1, 2)]
    return reach[0] + 1, reach[1] + 1


def reconstruct_kernel(parts: Sequence[FactorLayer]) -> np.ndarray:
    """The one kernel that computes what the parts do, float64: to compare with.

    It has the size of the layer that was factorized. Biases are not looked at. Dense
    (out, in), convolution (out, height, width, in).

    >>> first = FactorLayer(np.array([[1.0, 2.0]]))
    >>> second = FactorLayer(np.array([[3.0], [0.0]]))
    >>> reconstruct_kernel([first, second]).tolist()
    [[3.0, 6.0], [0.0, 0.0]]
    """
    kernel = _full(parts[0])
    for part in parts[1:]:
        kernel = _composed(kernel, _full(part))
    return kernel


def _full(part: FactorLayer) -> np.ndarray:
    """A depthwise kernel as a convolution's, with zeros between the channels."""
    kernel = np.asarray(part.kernel, np.float64)
    if not part.depthwise:
        return kernel
    return np.eye(part.outputs)[:, None, None, :] * kernel


def _composed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.ndim == 2:
        return second @ first
    (middle, h1, w1, inputs), (outputs, h2, w2, _) = first.shape, second.shape
    kernel = np.zeros((outputs, h1 + h2 - 1, w1 + w2 - 1, inputs))
    for i in range(h2):
        for j in range(w2):
            tap = second[:, i, j] @ first.reshape(middle, -1)
            kernel[:, i : i + h1, j : j + w1] += tap.reshape(outputs, h1, w1, inputs)
    return kernel
