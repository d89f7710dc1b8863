"""Check of notebook 01: choosing a clip."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict
from labkit.clipping import Optimum, measured, noise, optimum

TOLERANCE = 1.05  # of the least squared error: 0.2 dB
CLOSE = 0.04  # of a clip, to tell which mistake leads there
TINY = 0.06  # of the best clip: hardly anything but clipping is left


def check_best_clip(fn: Callable) -> Verdict:
    """Check `fn(w, bits) -> clip`: the end of the symmetric grid with the least error.

    The grid has 2**bits - 1 values, 0 and (2**(bits - 1) - 1) steps on both sides. A
    clip passes whose squared error is at most 5 % above the least one.
    """
    rng = np.random.default_rng(5)
    bell = rng.normal(0, 1, 4000).astype(np.float32)
    peaked = rng.laplace(0, 0.05, (50, 60)).astype(np.float32)
    lopsided = np.append(bell[:1500] - 0.5, [-14.0, -9.0]).astype(np.float32)
    flat = rng.uniform(-300, 300, 3000).astype(np.float32)
    settings = [
        (bell, 3),
        (bell, 2),
        (peaked, 4),
        (lopsided, 3),
        (flat, 4),
        (0.001 * bell, 8),
    ]
    return verdict("check_best_clip", fn, [_clip_case(*s) for s in settings])


def _clip_case(w: np.ndarray, bits: int) -> Callable:
    source, best = measured(w), optimum(measured(w), 2**bits - 1)
    least = noise(source, best.end, 2**bits - 1).total

    def case(fn):
        call = f"for w of shape {w.shape}, bits = {bits}"
        clip = numbers(answer(fn, w, bits), "the clip, one number")
        if clip.size != 1:
            raise Wrong(f"Return one clip for all of w, not {clip.size} ({call}).")
        clip = float(clip.reshape(-1)[0])
        if not clip > 0:
            raise Wrong(f"Your clip is {clip:g}: the grid ends above 0 ({call}).")
        error = noise(source, clip, 2**bits - 1).total
        if error > TOLERANCE * least:
            raise Wrong(_mistake(clip, w, bits, best, error / least, call))

    return case


def _mistake(
    clip: float, w: np.ndarray, bits: int, best: Optimum, times: float, call: str
) -> str:
    peak, top = float(np.abs(w).max()), 2 ** (bits - 1) - 1
    what = f"{clip:.4g} gives {times:.3g} times the least squared error"
    if clip > 0.98 * peak:
        return (
            f"{what}: it clips nothing. max|w|, and the least clipping alone, leave "
            f"the round-off out: add the two errors ({call})."
        )
    if top > 1 and _near(clip, best.end / top):
        return f"That is the scale: return the clip, {top} scales away ({call})."
    if clip < TINY * best.end:
        return (
            f"{what}: nearly all weights are clipped. Round-off alone is least on the "
            f"narrowest grid: add the two errors ({call})."
        )
    for intervals in (2**bits, 2**bits - 1):
        if _near(clip, optimum(measured(w), intervals + 1).end):
            return (
                f"{what}. It is best for a grid of {intervals} intervals; yours, 0 and "
                f"{top} steps on both sides, has 2 * {top} ({call})."
            )
    if _near(clip, _least_absolute(w, top)):
        return f"{what}: you minimise |error|; square it first ({call})."
    side = "wide" if clip > best.end else "narrow"
    return (
        f"{what}: it is too {side}. Try many clips up to max|w|, round w on each grid "
        f"and keep the one with the least sum of squared errors ({call})."
    )


def _near(clip: float, other: float) -> bool:
    return abs(clip - other) <= CLOSE * other


def _least_absolute(w: np.ndarray, top: int) -> float:
    """The clip with the least sum of |error|, to 1 per cent of max|w|."""

    def error(clip: float) -> float:
        scale = clip / top
        w_hat = scale * np.clip(np.rint(w / scale), -top, top)
        return float(np.abs(w - w_hat).sum())

    return min(np.abs(w).max() * np.linspace(0.01, 1, 100), key=error)
