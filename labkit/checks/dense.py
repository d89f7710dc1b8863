"""An int8 dense layer for notebook 02's exercise: what it computes, and what not.

Each mistake has a sentence for the learner and the codes that it leads to.
"""

from dataclasses import dataclass

import numpy as np

from labkit.integer.fixed_point import rescale, round_half_away

INT8 = np.iinfo(np.int8)

FORGOT_ZERO_IN = (
    "Subtract the input's zero point from every code first: a code of zero_in means 0"
)
FORGOT_BIAS = "Add the bias to the sums, before they are rescaled"
FORGOT_ZERO_OUT = "Add zero_out after rescaling: it is the code of the real 0"
NO_SATURATION = (
    "Your codes wrap around: what lies outside -128 … 127 must saturate, so clip "
    "before you turn the numbers into int8"
)
OUTSIDE = "Some codes lie outside -128 … 127: clip them, after zero_out was added"
SATURATED_EARLY = "Add zero_out first and clip then: you clip too early"
NARROW_SUMS = (
    "You sum in int8, which overflows at 128: turn the codes into int32 before you "
    "multiply"
)
NARROW_STEPS = (
    "q - zero_in needs more than 8 bits (127 - (-128) is 255): turn q into int32 first"
)
NARROW_PRODUCT = (
    "An accumulator times m0 has up to 62 bits and overflows in int32: use int64"
)
CUT_OFF = (
    "You cut the digits off with a shift: to round, add half of what the shift divides "
    "by first"
)
CUT_OFF_LAST = "The last shift cuts digits off: it must round, halves away from zero"
HALF_UP = (
    "A negative half goes the wrong way: LiteRT rounds it away from zero, -2.5 to -3. "
    "Shift the absolute value and put the sign back"
)
HALF_EVEN = (
    "You round halves to the even number, as np.rint and round() do: LiteRT rounds "
    "them away from zero, 2.5 to 3 and -2.5 to -3"
)
ONCE = (
    "You round once, after both shifts. LiteRT's kernels round twice: the product / "
    "2**31 first, then that / 2**n"
)
ONCE_AWAY = (
    "You round once, halves away from zero. LiteRT's kernels round twice: the product "
    "/ 2**31 first, halves up, then that / 2**n, halves away from zero"
)
ONCE_IN_FLOAT = (
    "You round once, and halves to the even number: that is the float product. Use "
    "integers and round twice, / 2**31 first, then / 2**n, halves away from zero"
)
FLOATS = (
    "There is a float in your integer path: a chip without floats cannot run it. Use "
    "astype only to integer types, and >> in place of / and np.rint"
)


@dataclass(frozen=True, eq=False)
class Dense:
    """The arguments of one call, and what went into making them."""

    q: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    zero_in: int
    m0: np.ndarray
    n: np.ndarray
    zero_out: int

    @property
    def arguments(self) -> tuple:
        """What the learner's function is called with."""
        return tuple(vars(self).values())

    def sums(self) -> np.ndarray:
        """The sums of products, without the bias, int64 (images, outputs)."""
        return (self.q.astype(np.int64) - self.zero_in) @ self._columns

    @property
    def _columns(self) -> np.ndarray:
        return self.kernel.T.astype(np.int64)

    def codes(self, rescaled: np.ndarray) -> np.ndarray:
        """Rescaled accumulators as codes."""
        shifted = rescaled + self.zero_out
        return np.clip(shifted, INT8.min, INT8.max).astype(np.int8)

    def real(self) -> np.ndarray:
        """The accumulators times their multipliers, as real numbers."""
        return (self.sums() + self.bias) * (self.m0 * 2.0 ** (-31.0 - self.n))

    def right(self) -> np.ndarray:
        """The codes of the layer."""
        return self.codes(self._rescaled(self.sums() + self.bias))

    def _rescaled(self, sums: np.ndarray, rounding: str = "double") -> np.ndarray:
        return rescale(sums, self.m0, self.n, rounding)

    def mistakes(self) -> dict[str, np.ndarray]:
        """What is wrong -> the codes that it leads to."""
        sums = self.sums() + self.bias
        narrow = np.multiply(sums, self.m0, dtype=np.int64).astype(np.int32)
        high = (np.multiply(sums, self.m0, dtype=np.int64) + (1 << 30)) >> 31
        half = (np.int64(1) << self.n) >> 1
        rescaled = self._rescaled(sums)
        unshifted = self.q.astype(np.int64) @ self._columns + self.bias
        return {
            FORGOT_ZERO_IN: self.codes(self._rescaled(unshifted)),
            FORGOT_BIAS: self.codes(self._rescaled(self.sums())),
            FORGOT_ZERO_OUT: self.codes(rescaled - self.zero_out),
            NO_SATURATION: (rescaled + self.zero_out).astype(np.int8),
            SATURATED_EARLY: np.clip(
                np.clip(rescaled, INT8.min, INT8.max) + self.zero_out,
                INT8.min,
                INT8.max,
            ).astype(np.int8),
            NARROW_SUMS: self.codes(self._rescaled(self._narrow_sums() + self.bias)),
            NARROW_STEPS: self.codes(self._rescaled(self._narrow_steps() + self.bias)),
            NARROW_PRODUCT: self.codes(narrow.astype(np.int64) >> 31 >> self.n),
            CUT_OFF_LAST: self.codes(high >> self.n),
            CUT_OFF: self.codes(np.multiply(sums, self.m0) >> (31 + self.n)),
            HALF_UP: self.codes((high + half) >> self.n),
            HALF_EVEN: self.codes(np.rint(high * 2.0**-self.n).astype(np.int64)),
            ONCE: self.codes(self._rescaled(sums, "single")),
            ONCE_AWAY: self.codes(round_half_away(self.real()).astype(np.int64)),
            ONCE_IN_FLOAT: self.codes(np.rint(self.real()).astype(np.int64)),
        }

    def _narrow_sums(self) -> np.ndarray:
        return self.sums().astype(np.int8).astype(np.int64)

    def _narrow_steps(self) -> np.ndarray:
        steps = (self.q.astype(np.int64) - self.zero_in).astype(np.int8)
        return steps.astype(np.int64) @ self._columns
