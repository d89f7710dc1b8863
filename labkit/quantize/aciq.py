"""ACIQ: the clip that is best for Laplace's or Gauss's density, in closed form.

Numbers of density f with mean 0 are clipped at -clip and clip and rounded in
`intervals` equal steps between. With round-off taken as uniform within a step, the
expected squared error is

    2 * integral of (x - clip)**2 f(x) from clip to infinity  +  step**2 / 12,
    step = 2 clip / intervals,

for Laplace 2 b**2 exp(-clip / b) + clip**2 / (3 intervals**2). The functions solve for
the clip at which its derivative is 0, in units of b = E|x| or of sigma. The paper has
2**bits intervals; the symmetric grid of `labkit.quantize.symmetric` has 2 qmax of them.
Source: Banner et al. 2018, arXiv:1810.05723, sec. 3.

`labkit.quantize.clipping` has the true optimum: round-off is not uniform where steps
are few.
"""

import math
from functools import lru_cache

from labkit.common.arguments import whole


@lru_cache(typed=True)
def laplace_clip(intervals: int) -> float:
    """The best clip / b: z exp(z) = 3 intervals**2, so z is Lambert's W of that.

    intervals: a positive integer (else ValueError).

    >>> [round(laplace_clip(2**bits), 2) for bits in (2, 3, 4, 8)]
    [2.83, 3.9, 5.03, 9.9]
    """
    c = math.log(3) + 2 * math.log(whole("intervals", intervals, 1))
    z = 1.0
    while True:  # Newton for z + log(z) = c, which is concave: from below, then up
        step = (c - z - math.log(z)) * z / (z + 1)
        z += step
        if abs(step) < 1e-14 * z:
            return z


@lru_cache(typed=True)
def gauss_clip(intervals: int) -> float:
    """The best clip / sigma: phi(z) - z Q(z) = z / (6 intervals**2).

    phi is the density of the normal distribution, Q(z) the probability beyond z; the
    left side falls and the right rises, so they meet once. intervals: a positive
    integer (else ValueError).

    >>> [round(gauss_clip(2**bits), 2) for bits in (2, 3, 4, 8)]
    [1.71, 2.15, 2.56, 3.92]
    """
    slope = 1 / (6 * whole("intervals", intervals, 1) ** 2)
    low, high = 0.0, 40.0
    while low < (middle := (low + high) / 2) < high:
        density = math.exp(-(middle**2) / 2) / math.sqrt(2 * math.pi)
        beyond = math.erfc(middle / math.sqrt(2)) / 2
        if density - middle * beyond > slope * middle:
            low = middle
        else:
            high = middle
    return middle
