"""Exercises of notebooks 03b, 03c: a step that keeps zeros, units out, a bitmap."""

from collections.abc import Callable

import numpy as np

from labkit.checks.base import Wrong, numbers
from labkit.checks.exercise import Exercise


def _step(w, velocity, gradient, rate, momentum, decay):
    """One step of SGD with momentum and weight decay, without a mask."""
    velocity = momentum * velocity - rate * (gradient + decay * w)
    return w + velocity, velocity


def _masked_step(w, mask, velocity, gradient, rate, momentum, decay):
    w, velocity = _step(w, velocity, gradient, rate, momentum, decay)
    return np.where(mask, w, 0), velocity


def _other_step(step: Callable) -> Callable:
    """`step(w, velocity, gradient, rate, momentum, decay)`, and the mask after it."""

    def masked(w, mask, *arguments):
        w, velocity = step(w, *arguments)
        return np.where(mask, w, 0), velocity

    return masked


def _other_settings(change: Callable) -> Callable:
    """The right step with `change(rate, momentum, decay)` for these three."""
    return _other_step(lambda w, v, g, *settings: _step(w, v, g, *change(*settings)))


def _other_velocity(velocity: Callable) -> Callable:
    """The right weights, and `velocity(old, new)`."""

    def step(w, mask, old, *arguments):
        w, new = _masked_step(w, mask, old, *arguments)
        return w, velocity(old, new)

    return step


def _inverted(w, mask, *arguments):
    return _masked_step(w, ~mask, *arguments)


def _inverted_velocity(w, mask, *arguments):
    _, velocity = _step(w, *arguments)
    return w + velocity * ~mask, velocity * ~mask


def _without_mask(w, mask, *arguments):
    return _step(w, *arguments)


def _masked_before(w, mask, *arguments):
    return _step(w * mask, *arguments)


def _masked_gradient(w, mask, velocity, gradient, *settings):
    return _step(w, velocity, gradient * mask, *settings)


def _masked_slope(w, mask, velocity, gradient, rate, momentum, decay):
    """The gradient is masked with its decay."""
    velocity = momentum * velocity - rate * (gradient + decay * w) * mask
    return w + velocity, velocity


def _masked_velocity(w, mask, *arguments):
    _, velocity = _step(w, *arguments)
    return w + velocity * mask, velocity * mask


def _kept_do_not_move(w, mask, velocity, *_):
    return w * mask, velocity


def _rate_times_velocity(w, velocity, gradient, rate, momentum, decay):
    """PyTorch's velocity."""
    velocity = momentum * velocity + gradient + decay * w
    return w - rate * velocity, velocity


def _decoupled(w, velocity, gradient, rate, momentum, decay):
    """AdamW's decay."""
    velocity = momentum * velocity - rate * gradient
    return w + velocity - rate * decay * w, velocity


def _subtracted(w, velocity, *arguments):
    _, velocity = _step(w, velocity, *arguments)
    return w - velocity, velocity


def _weights_and_velocity(result, w, mask, *_) -> tuple[np.ndarray, np.ndarray]:
    """The weights, and the velocity of the kept ones: that of the others is free."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Return the weights and the velocity: `return w, velocity`")
    found, velocity = (numbers(part, "weights and velocity") for part in result)
    for part in (found, velocity):
        if part.shape != w.shape:
            raise Wrong(f"Weights and velocity keep the shape {w.shape}: {part.shape}")
    return found, velocity[mask]


def _is_step(value, *call) -> bool:
    right = _weights_and_velocity(_masked_step(*call), *call)
    return all(
        np.allclose(mine, its, atol=1e-9)
        for mine, its in zip(value, right, strict=True)
    ) and not np.any(value[0][~call[1]])


def _step_calls() -> list[tuple]:
    """In the last two the removed weights are not 0 yet."""
    rng = np.random.default_rng(7)
    mask = np.array([True, False, True, False])
    w = np.array([0.5, 0.0, -1.0, 0.0])
    slope = np.array([1.0, 2.0, -1.0, 0.0])
    moving = np.array([0.2, 0.3, 0.0, -0.4])
    many = rng.random((3, 4)) < 0.5
    weights, pushed, slopes = rng.normal(0, 1, (3, 3, 4))
    return [
        (w, mask, np.zeros(4), slope, 0.1, 0.0, 0.0),
        (w, mask, moving, slope, 0.1, 0.9, 0.0),
        (w, mask, np.zeros(4), slope, 0.1, 0.9, 0.5),
        (weights * many, many, pushed, slopes, 0.1, 0.9, 0.01),
        (np.array([0.5, 0.25, -1.0, -0.125]), mask, moving, slope, 0.05, 0.5, 0.1),
        (weights, many, slopes, pushed, 0.2, 0.8, 0.02),
    ]


check_masked_step = Exercise(
    name="masked_step",
    asks="""`fn(w, mask, velocity, gradient, rate, momentum, decay) -> (w, velocity)`.

    One step of momentum with weight decay, velocity = momentum * velocity - rate *
    (gradient + decay * w), then w = w + velocity, after which every removed weight is
    0. What the velocity of removed weights is, is free.
    """,
    reference=_masked_step,
    calls=_step_calls(),
    form=_weights_and_velocity,
    accepts=_is_step,
    mistakes={
        "A removed weight came back: mask the weights after the step, not only before "
        "it": (_without_mask, _masked_before),
        "The gradient is masked, but the velocity from before the pruning still pushes "
        "removed weights off 0: mask w after the step": (
            _masked_gradient,
            _masked_slope,
        ),
        "Removed weights stay at their old value: what is not 0 before the step must "
        "be 0 after it, so mask the weights, not what moves them": _masked_velocity,
        "The mask is the wrong way round: True means kept": (
            _inverted,
            _inverted_velocity,
        ),
        "The kept weights do not move: add the velocity to them": _kept_do_not_move,
        "The weight decay is missing: add decay * w to the gradient": (
            _other_settings(lambda rate, momentum, decay: (rate, momentum, 0.0))
        ),
        "The sign of the weight decay is wrong: add decay * w to the gradient": (
            _other_settings(lambda rate, momentum, decay: (rate, momentum, -decay))
        ),
        "The momentum is missing: what is left of the old velocity is momentum * "
        "velocity": _other_settings(lambda rate, momentum, decay: (rate, 0.0, decay)),
        "The old velocity counts in full: multiply it by the momentum": (
            _other_settings(lambda rate, momentum, decay: (rate, 1.0, decay))
        ),
        "The sign of the gradient is wrong: a step goes against it": (
            _other_settings(lambda rate, momentum, decay: (-rate, momentum, decay))
        ),
        "The sign of the velocity is wrong: it is added to w": (
            _other_step(_subtracted)
        ),
        "Your velocity is one that the rate multiplies at the end, as in PyTorch: here "
        "the rate multiplies the gradient, before the old velocity is added": (
            _other_step(_rate_times_velocity)
        ),
        "Your weight decay acts on w beside the velocity, as in AdamW: here decay * w "
        "is part of the gradient": _other_step(_decoupled),
        "You return the old velocity: return the new one, which the next step goes on "
        "from": _other_velocity(lambda old, new: old),
        "The velocity that you return is 0: return that of the step, which the next "
        "step goes on from": _other_velocity(lambda old, new: np.zeros_like(new)),
    },
)

_NAMES = ("w1", "b1", "w2")


def _removed(w1, b1, w2, units):
    return np.delete(w1, units, 0), np.delete(b1, units), np.delete(w2, units, 1)


def _other(name: str, remove: Callable) -> Callable:
    """The right arrays, but for one: `remove(array, units)`."""

    def removed(w1, b1, w2, units):
        arrays = dict(zip(_NAMES, _removed(w1, b1, w2, units), strict=True))
        array = {"w1": w1, "b1": b1, "w2": w2}[name]
        return tuple((arrays | {name: remove(array, units)}).values())

    return removed


def _zeroed(names: str) -> Callable:
    """All three arrays with the units' numbers at 0 in those named."""

    def masked(w1, b1, w2, units):
        keep = ~np.isin(np.arange(len(b1)), units)
        zeros = {"w1": w1 * keep[:, None], "b1": b1 * keep, "w2": w2 * keep}
        arrays = {"w1": w1, "b1": b1, "w2": w2}
        return tuple((zeros if k in names.split() else arrays)[k] for k in _NAMES)

    return masked


def _one_by_one(unit_of: Callable) -> Callable:
    """One deletion after the other. unit_of: (unit, how many are left) -> the unit."""

    def removed(w1, b1, w2, units):
        for unit in units:
            w1, b1, w2 = _removed(w1, b1, w2, unit_of(unit, len(b1)))
        return w1, b1, w2

    return removed


def _only(w1, b1, w2, units):
    return w1[units], b1[units], w2[:, units]


def _first(w1, b1, w2, units):
    left = len(b1) - len(units)
    return w1[:left], b1[:left], w2[:, :left]


def _last(w1, b1, w2, units):
    gone = len(units)
    return w1[gone:], b1[gone:], w2[:, gone:]


_WHY = {
    "w1": "a unit is a row of w1",
    "b1": "each unit has a bias, which goes with it",
    "w2": "the next layer reads a unit with a column of w2, which has to go too",
}


def _outputs(result, w1, b1, w2, units) -> np.ndarray:
    """What the layers compute for 50 inputs: the order of the units is free."""
    if not isinstance(result, tuple | list) or len(result) != 3:
        raise Wrong("Return three arrays: `return w1, b1, w2`")
    found = [numbers(part, "three arrays") for part in result]
    right = _removed(w1, b1, w2, units)
    for name, mine, its in zip(_NAMES, found, right, strict=True):
        if mine.shape != its.shape:
            raise Wrong(
                f"{name} should be {its.shape}, yours is {mine.shape}: {_WHY[name]}"
            )
    x = np.random.default_rng(0).normal(0, 1, (50, w1.shape[1]))
    return np.maximum(x @ found[0].T + found[1], 0) @ found[2].T


def _is_outputs(value, *call) -> bool:
    return np.allclose(value, _outputs(_removed(*call), *call), atol=1e-9)


def _removal_calls() -> list[tuple]:
    """Of two square layers, the wrong axis fits as well."""
    rng = np.random.default_rng(8)

    def layers(hidden, inputs, outputs):
        return (
            rng.normal(0, 1, (hidden, inputs)).round(2),
            rng.normal(1, 0.3, hidden).round(2),
            rng.normal(0, 1, (outputs, hidden)).round(2),
        )

    return [
        (*layers(5, 3, 4), [2]),
        (*layers(4, 4, 4), [0]),
        (*layers(6, 2, 3), [5, 1]),
        (*layers(6, 4, 4), [0, 3]),
        (*layers(5, 5, 5), [1, 2, 4]),
    ]


check_removed_units = Exercise(
    name="removed_units",
    asks="""`fn(w1, b1, w2, units) -> (w1, b1, w2)`: units out of a dense layer.

    w1 (hidden, in) and b1 (hidden,) are the layer with the units, w2 (out, hidden) is
    the one that reads them. It passes if the smaller layers compute what the large ones
    do with these units at 0; the order of those that stay is free.
    """,
    reference=_removed,
    calls=_removal_calls(),
    form=_outputs,
    accepts=_is_outputs,
    mistakes={
        "The arrays keep their shapes: a unit set to 0 is masked, and it costs its "
        "bytes still; remove it": (
            _zeroed("w1"),
            _zeroed("w1 b1"),
            _zeroed("w2"),
            _zeroed("w1 b1 w2"),
        ),
        "The biases of the removed units are left: each unit has a bias, which goes "
        "with it": _other("b1", lambda b1, units: b1),
        "The columns of w2 are left: the next layer reads a unit with a column of w2, "
        "which has to go too": _other("w2", lambda w2, units: w2),
        "You remove rows of w2: the units are its columns, since the next layer reads "
        "a unit with a column of w2": (
            _other("w2", lambda w2, units: np.delete(w2, units, 0))
        ),
        "You remove columns of w1, which are its inputs: a unit is a row of w1": (
            _other("w1", lambda w1, units: np.delete(w1, units, 1))
        ),
        "Other entries of b1 are gone than rows of w1": (
            _other("b1", lambda b1, units: b1[len(units) :]),
            _other("b1", lambda b1, units: b1[: len(b1) - len(units)]),
        ),
        "Other columns of w2 are gone than rows of w1": (
            _other("w2", lambda w2, units: w2[:, len(units) :]),
            _other("w2", lambda w2, units: w2[:, : w2.shape[1] - len(units)]),
        ),
        "You keep the units that should go": _only,
        "You remove as many units as asked for, but not those of the list": (
            _first,
            _last,
        ),
        "After each deletion the later units move up, so remove all at once": (
            _one_by_one(lambda unit, left: unit),
            _one_by_one(lambda unit, left: min(unit, left - 1)),
        ),
    },
)


def _one_sparsity(result, bits) -> np.ndarray:
    found = numbers(result, "one sparsity")
    if found.size != 1:
        raise Wrong(f"Return one sparsity, not {found.size} numbers")
    return found.reshape(())


check_bitmap_break_even = Exercise(
    name="bitmap_break_even",
    asks="""`fn(bits) -> sparsity`, from which a bitmap and the values are shorter.

    A dense tensor takes `bits` bits a weight; with a bitmap it takes one bit for each
    weight and `bits` for each that is not 0.
    """,
    reference=lambda bits: 1 / bits,
    calls=[(32,), (8,), (4,), (16,), (2,)],
    form=_one_sparsity,
    rtol=1e-6,
    mistakes={
        "That is the fraction that may stay: sparsity is what goes": (
            lambda bits: 1 - 1 / bits
        ),
        "That is in percent: sparsity is a fraction from 0 to 1": (
            lambda bits: 100 / bits
        ),
        "A stored weight takes bits, and its bit of the map is there for every weight, "
        "stored or not: 1 + bits * (1 - sparsity) = bits": lambda bits: 1 / (bits + 1),
        "The map has a bit for each weight, not a byte": lambda bits: 8 / bits,
        "Half is where 32-bit indices pay for 32-bit values; a map costs 1 bit for "
        "each weight": lambda bits: 0.5,
        "That is CSR, with a 32-bit index for each value: a map costs 1 bit for each "
        "weight": lambda bits: 32 / (32 + bits),
        "That holds for 32-bit values only: with fewer bits, a zero saves less": (
            lambda bits: 1 / 32
        ),
    },
)
