"""The scale of nearly the least squared error: a search among many minima.

While no code changes, the error sum((w - scale * q)**2) is a parabola in the scale,
least at scale = sum(w q) / sum(q q), where its derivative is 0. But the codes
q = round(w / scale) do change with the scale, one weight after another, and each change
begins another parabola. So the error goes up and down, and to walk downhill ends in the
nearest minimum. The weights 2 and 3 with codes up to 3 have minima at 1 (codes 2, 3),
1.25 (codes 2, 2) and 1.6 (codes 1, 2), and the last one is better than the one before:

>>> weights = np.array([[[2, 3]]], np.float32)
>>> for scale in 1, 1.2, 1.25, 4 / 3, 1.6, 2:
...     error = squared_error(weights, np.array([[scale]]), qmax=3)
...     print(f"{scale:.2f} {error.item():.2f}")
1.00 0.00
1.20 0.52
1.25 0.50
1.33 0.56
1.60 0.20
2.00 1.00

So scales all over the range are tried first, then finer ones around the best of them.
`labkit.quantize.optima` finds the least error of all, in much longer.
"""

import numpy as np

from labkit.quantize.group_rules import group_rule, squared_error

_WIDER, _COARSE, _FINE, _REFINEMENTS = 3, 40, 12, 4


@group_rule
def least_squares_scale(groups: np.ndarray, qmax: int) -> np.ndarray:
    """A scale of nearly the least squared error, sum((w - scale * q)**2), a group.

    >>> group = np.array([[[1.0, 1.25, 1.0, 1.25, 1.75]]], np.float32)
    >>> least_squares_scale(group, 1).tolist()    # every code is 1: the mean fits best
    [[1.25]]

    Ranges from a little beyond the full one down to 1 / (2 sqrt(members)) of it are
    tried, then finer ones around the best. Each try rounds the weights to codes q and
    takes the scale that is best for those codes, scale = sum(w q) / sum(q q).
    Rounding and fitting then alternate a few times more (Lloyd 1982, IEEE Trans. Inf.
    Theory 28(2), method I, on a grid with equal steps). Never worse than min-max.

    `labkit.quantize.scales` has the least error. In the kernels of mlp, lenet5 and
    resnet8, one scale a channel, a kernel's error is at most 0.3 % above it at 2 to 4
    bits. At 8 bits, where minima are many and narrow, it is in kernels of up to 40,000
    weights at most 3 % above it (0.13 dB) where a channel has 50 weights or more and
    13 % where it has fewer; that of a single small channel or block of 32 up to 70 %.
    """
    widest = _widest(groups, qmax)
    end = widest * np.float32(qmax)
    unit = groups / end[:, :, None]  # in -1 .. 1: no overflow
    scale = _searched(unit, qmax)
    for _ in range(_REFINEMENTS):
        scale, _ = _fit(unit, scale, qmax)
    found = np.where(scale * end > 0, scale * end, np.float32(1))
    worse = squared_error(groups, found, qmax) > squared_error(groups, widest, qmax)
    return np.where(worse, widest, found)


@group_rule
def _widest(groups: np.ndarray, qmax: int) -> np.ndarray:
    """The scale of the full range, min-max."""
    return np.abs(groups).max(axis=2) / np.float32(qmax)


def _searched(unit: np.ndarray, qmax: int) -> np.ndarray:
    """The best fit of all ranges tried: 43 over the whole, then 12 around the best."""
    step = np.float32((0.5 / np.sqrt(unit.shape[2])) ** (1 / (_COARSE - 1)))
    best = np.ones(unit.shape[:2], np.float32)  # the range, 1 for the full one
    fitted, error = _fit(unit, best / np.float32(qmax), qmax)
    for exponents in (np.arange(-_WIDER, _COARSE), np.linspace(-1, 1, _FINE)):
        centre = best
        for exponent in exponents:
            tried = centre * step ** np.float32(exponent)
            its_fit, its_error = _fit(unit, tried / np.float32(qmax), qmax)
            better = its_error < error
            best = np.where(better, tried, best)
            fitted = np.where(better, its_fit, fitted)
            error = np.where(better, its_error, error)
    return fitted


def _fit(
    unit: np.ndarray, scale: np.ndarray, qmax: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best scale for the codes that `scale` gives, and its squared error."""
    q = unit * (1 / scale)[:, :, None]
    np.rint(q, out=q)
    np.clip(q, -qmax, qmax, out=q)
    wq, qq = np.einsum("rbm,rbm->rb", unit, q), np.einsum("rbm,rbm->rb", q, q)
    fit = np.divide(wq, qq, out=scale.copy(), where=qq > 0)
    q *= fit[:, :, None]
    q -= unit
    return fit, np.einsum("rbm,rbm->rb", q, q)
