"""Exercise of notebook 01: choosing a clip."""

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise
from labkit.quantize.clipping import measured, noise, optimum

TOLERANCE = 1.05  # of the least squared error: 0.2 dB
CLOSE = 0.04  # of a clip: how near a wrong one is to that of a known mistake


def _best(w: np.ndarray, bits: int) -> float:
    return optimum(measured(w), 2**bits - 1).end


def _top(bits: int) -> int:
    return 2 ** (bits - 1) - 1


def _error(w: np.ndarray, clip: float, bits: int) -> float:
    return noise(measured(w), clip, 2**bits - 1).total


def _tried(w: np.ndarray) -> np.ndarray:
    return np.abs(w).max() * np.linspace(0.01, 1, 100)


def _on_grid(w: np.ndarray, clip: float, bits: int) -> np.ndarray:
    scale = clip / _top(bits)
    return scale * np.clip(np.rint(w / scale), -_top(bits), _top(bits))


def _least(error):
    """The clip with the least `error(w, clip, bits)`, to 1 per cent of max|w|."""
    return lambda w, bits: min(_tried(w), key=lambda clip: error(w, clip, bits))


def _round_off(w, clip, bits):
    inside = np.clip(w, -clip, clip)
    return np.square(inside - _on_grid(inside, clip, bits)).sum()


def _absolute(w, clip, bits):
    return np.abs(w - _on_grid(w, clip, bits)).sum()


def _one_clip(result, *_) -> np.ndarray:
    found = numbers(result, "the clip, one number")
    if found.size != 1:
        raise Wrong(f"Return one clip for all of w, not {found.size}")
    if not found > 0:
        raise Wrong(f"Your clip is {found.item():g}: the grid ends above 0")
    return found.reshape(())


def _is_close_to_best(clip: np.ndarray, w: np.ndarray, bits: int) -> bool:
    """Whether its squared error is at most 5 % above the least one."""
    return _error(w, float(clip), bits) <= TOLERANCE * _error(w, _best(w, bits), bits)


def _calls() -> list[tuple[np.ndarray, int]]:
    rng = np.random.default_rng(5)
    bell = rng.normal(0, 1, 4000).astype(np.float32)
    peaked = rng.laplace(0, 0.05, (50, 60)).astype(np.float32)
    lopsided = np.append(bell[:1500] - 0.5, [-14.0, -9.0]).astype(np.float32)
    flat = rng.uniform(-300, 300, 3000).astype(np.float32)
    return [
        (bell, 3),
        (bell, 2),
        (peaked, 4),
        (lopsided, 3),
        (flat, 4),
        (0.001 * bell, 8),
    ]


check_best_clip = Exercise(
    name="best_clip",
    asks="""`fn(w, bits) -> clip`: the end of the symmetric grid with the least error.

    The grid has 2**bits - 1 values, 0 and (2**(bits - 1) - 1) steps on both sides. A
    clip is right whose squared error is at most 5 % above the least one.
    """,
    reference=_best,
    calls=_calls(),
    form=_one_clip,
    accepts=_is_close_to_best,
    rtol=CLOSE,
    mistakes={
        "Your grid clips nothing. max|w|, and the least clipping alone, leave the "
        "rounding error out: add the two errors": lambda w, bits: np.abs(w).max(),
        "That is the scale: return the clip, 2**(bits - 1) - 1 scales away": (
            lambda w, bits: _best(w, bits) / _top(bits)
        ),
        "Nearly all weights are clipped. The rounding error alone is least on the "
        "narrowest grid: add the two errors": _least(_round_off),
        "Your clip is best for a grid of 2**bits intervals; this one, 0 and "
        "2**(bits - 1) - 1 steps on both sides, has 2 * (2**(bits - 1) - 1)": (
            lambda w, bits: optimum(measured(w), 2**bits + 1).end
        ),
        "Your clip is best for a grid of 2**bits - 1 intervals; this one, 0 and "
        "2**(bits - 1) - 1 steps on both sides, has 2 * (2**(bits - 1) - 1)": (
            lambda w, bits: optimum(measured(w), 2**bits).end
        ),
        "You minimise |error|: square it first": _least(_absolute),
    },
)
