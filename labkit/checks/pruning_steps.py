"""Checks of notebook 03: a step that keeps zeros, units taken out, a bitmap's worth."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Verdict, Wrong, answer, numbers, verdict

_RATE, _MOMENTUM, _DECAY = 0.1, 0.9, 0.01
_NAMES = ("w1", "b1", "w2")


def check_masked_step(fn: Callable) -> Verdict:
    """Check `fn(w, mask, velocity, gradient, rate, momentum, decay) -> (w, velocity)`.

    One step of momentum with weight decay, velocity = momentum * velocity - rate *
    (gradient + decay * w), then w = w + velocity, after which every removed weight is 0
    still. What the velocity of removed weights is, is free.
    """
    cases = [_step_case(*setting) for setting in _step_settings()]
    return verdict("check_masked_step", fn, cases)


def _step_settings() -> list[tuple]:
    """w, mask, velocity, the gradients of some steps, rate, momentum, decay."""
    rng = np.random.default_rng(7)
    mask = np.array([True, False, True, False])
    w = np.array([0.5, 0.0, -1.0, 0.0])
    slopes = np.array([[1.0, 2.0, -1.0, 0.0]])
    many = rng.random((3, 4)) < 0.5
    return [
        (w, mask, np.zeros(4), slopes, _RATE, 0.0, 0.0),
        (w, mask, np.array([0.2, 0.3, 0.0, -0.4]), slopes, _RATE, _MOMENTUM, 0.0),
        (w, mask, np.zeros(4), slopes, _RATE, _MOMENTUM, 0.5),
        (
            rng.normal(0, 1, (3, 4)) * many,
            many,
            rng.normal(0, 1, (3, 4)),
            rng.normal(0, 1, (5, 3, 4)),
            _RATE,
            _MOMENTUM,
            _DECAY,
        ),
    ]


def _step_case(w, mask, velocity, slopes, rate, momentum, decay) -> Callable:
    def case(fn):
        mine, moving = w, velocity
        right, pushed = w, velocity
        for number, gradient in enumerate(slopes, 1):
            call = f"in step {number}, momentum = {momentum}, decay = {decay}"
            before = (mine, moving, gradient)
            result = answer(fn, mine, mask, moving, gradient, rate, momentum, decay)
            mine, moving = _pair(result, w.shape)
            pushed = momentum * pushed - rate * (gradient + decay * right)
            right = np.where(mask, right + pushed, 0.0)
            if mine[~mask].any():
                raise Wrong(_zero_mistake(mine, mask, before, momentum, rate, call))
            if not np.allclose(mine[mask], right[mask], atol=1e-9):
                raise Wrong(_kept_mistake(mine, mask, before, rate, momentum, call))
            if not np.allclose(moving[mask], pushed[mask], atol=1e-9):
                raise Wrong(
                    "The velocity of the kept weights is not that of the step: return "
                    f"the new one, which the next step goes on from ({call})."
                )

    return case


def _pair(result, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return the weights and the velocity: `return w, velocity`.")
    found = tuple(numbers(part, "weights and velocity") for part in result)
    for part in found:
        if part.shape != shape:
            raise Wrong(f"Weights and velocity keep the shape {shape}: {part.shape}.")
    return found


def _zero_mistake(mine, mask, before, momentum: float, rate: float, call: str) -> str:
    _, velocity, gradient = before
    only_velocity = momentum * velocity[~mask]
    if np.allclose(mine[~mask], only_velocity, atol=1e-9) and velocity[~mask].any():
        return (
            "The gradient is masked, but the velocity from before the pruning still "
            f"pushes removed weights off 0: mask w after the step ({call})."
        )
    if np.allclose(mine[~mask], (only_velocity - rate * gradient[~mask]), atol=1e-9):
        return (
            "A removed weight came back: mask the weights after the step, not only "
            f"before it ({call})."
        )
    return f"A removed weight is not 0 after the step ({call})."


def _kept_mistake(mine, mask, before, rate: float, momentum: float, call: str) -> str:
    w, velocity, gradient = before
    if np.array_equal(mine[mask], w[mask]):
        return f"The kept weights do not move: is the mask turned round? ({call})"
    without = momentum * velocity - rate * gradient
    if np.allclose(mine[mask], (w + without)[mask], atol=1e-9):
        return f"The weight decay is missing: add decay * w to the gradient ({call})."
    if np.allclose(mine[mask], (w - without)[mask], atol=1e-9):
        return f"The sign: a step goes against the gradient ({call})."
    return (
        "The kept weights must move as without a mask: velocity = momentum * velocity "
        f"- rate * (gradient + decay * w), then w + velocity ({call})."
    )


def check_removed_units(fn: Callable) -> Verdict:
    """Check `fn(w1, b1, w2, units) -> (w1, b1, w2)`: units out of a dense layer.

    w1 (hidden, in) and b1 (hidden,) are the layer with the units, w2 (out, hidden) is
    the one that reads them. It passes if the smaller layers compute what the large ones
    do with these units at 0; the order of those that stay is free.
    """
    rng = np.random.default_rng(8)
    settings = [
        (5, 3, 4, [2]),
        (4, 4, 4, [0]),  # square: the wrong axis fits as well
        (6, 2, 3, [5, 1]),
        (5, 5, 5, [1, 2, 4]),
    ]
    cases = [_removal_case(rng, *setting) for setting in settings]
    return verdict("check_removed_units", fn, cases)


def _removal_case(rng, hidden: int, inputs: int, outputs: int, units) -> Callable:
    w1 = rng.normal(0, 1, (hidden, inputs)).round(2)
    b1 = rng.normal(1, 0.3, hidden).round(2)
    w2 = rng.normal(0, 1, (outputs, hidden)).round(2)
    x = rng.normal(0, 1, (50, inputs))
    stay = np.setdiff1d(np.arange(hidden), units)

    def case(fn):
        call = f"for {hidden} units without {units}"
        result = answer(fn, w1, b1, w2, list(units))
        if not isinstance(result, tuple | list) or len(result) != 3:
            raise Wrong("Return three arrays: `return w1, b1, w2`.")
        found = [numbers(part, "three arrays") for part in result]
        large, right = (w1, b1, w2), (w1[stay], b1[stay], w2[:, stay])
        for name, mine, its, old in zip(_NAMES, found, right, large, strict=True):
            if mine.shape != its.shape:
                raise Wrong(_shape_mistake(name, mine, its, old, call))
        wanted = np.maximum(x @ right[0].T + right[1], 0) @ right[2].T
        computed = np.maximum(x @ found[0].T + found[1], 0) @ found[2].T
        if not np.allclose(wanted, computed, atol=1e-9):
            raise Wrong(_removal_mistake(found, right, call))

    return case


def _shape_mistake(name: str, mine, its, old, call: str) -> str:
    if mine.shape == old.shape and not np.array_equal(mine, old):
        return (
            f"{name} keeps its shape {mine.shape}: a unit set to 0 is masked, and it "
            f"costs its bytes still; take it out, to {its.shape} ({call})."
        )
    why = {
        "w1": "a unit is a row of w1",
        "b1": "each unit has a bias, which goes with it",
        "w2": "the next layer reads a unit with a column of w2, which has to go too",
    }[name]
    return f"{name} should be {its.shape}, yours is {mine.shape}: {why} ({call})."


def _removal_mistake(found, right, call: str) -> str:
    same = [np.array_equal(mine, its) for mine, its in zip(found, right, strict=True)]
    if same[0] and not same[1]:
        return f"Other entries of b1 are gone than rows of w1 ({call})."
    if same[0] and not same[2]:
        return f"Other columns of w2 are gone than rows of w1 ({call})."
    return (
        "Your layers compute something else than the large ones with these units at 0. "
        "Are other units gone? After each deletion the later ones move up, so take all "
        f"out at once ({call})."
    )


def check_bitmap_break_even(fn: Callable) -> Verdict:
    """Check `fn(bits) -> sparsity`, above which a bitmap and the values are shorter.

    A dense tensor takes `bits` bits a weight; with a bitmap it takes one bit for each
    weight and `bits` for each that is not 0.
    """
    cases = [_break_even_case(bits) for bits in (32, 8, 4, 16, 2)]
    return verdict("check_bitmap_break_even", fn, cases)


def _break_even_case(bits: int) -> Callable:
    def case(fn):
        given = numbers(answer(fn, bits), "one sparsity")
        if given.size != 1:
            raise Wrong(f"Return one sparsity, not {given.size} numbers.")
        found = float(given.reshape(-1)[0])
        if not np.isclose(found, 1 / bits, rtol=1e-6):
            raise Wrong(_break_even_mistake(found, bits))

    return case


def _break_even_mistake(found: float, bits: int) -> str:
    call = f"for bits = {bits}"
    known = {
        1 - 1 / bits: "That is the fraction that may stay: sparsity is what goes",
        100 / bits: "That is in percent: sparsity is a fraction from 0 to 1",
        1 / (bits + 1): "A stored weight takes bits, and its bit of the map is there "
        "for every weight, stored or not: 1 + bits * (1 - sparsity) = bits",
        8 / bits: "The map has a bit for each weight, not a byte",
        0.5: "Half is where 32-bit indices pay for 32-bit values; a map costs 1 bit",
        32
        / (32 + bits): "That is CSR, with a 32-bit index for each value: a map costs "
        "1 bit for each weight",
    }
    for wrong, sentence in known.items():
        if np.isclose(found, wrong, rtol=1e-6):
            return f"{sentence} ({call})."
    saved = found * bits
    return (
        f"At a sparsity of {found:g} the zeros save {saved:.3g} bits a weight and the "
        f"map costs 1: they are equal elsewhere ({call})."
    )
