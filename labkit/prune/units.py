"""Which units (neurons, filters) of a layer to remove: scores and the choice.

A unit is a row of a dense kernel or a filter of a convolution: everything along the
first axis. The scores of units that must go together (`labkit.compress.units`) are
added.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labkit.common import arguments
from labkit.common.arguments import finite, shaped
from labkit.common.registries import Row, registry
from labkit.prune.masking import masks


def unit_norms(kernel: np.ndarray, order: int = 1) -> np.ndarray:
    """The norm of each unit's weights, float64 (units,).

    >>> unit_norms(np.array([[3.0, -4.0], [1.0, 1.0]])).tolist()
    [7.0, 2.0]
    >>> unit_norms(np.array([[3.0, -4.0]]), order=2).tolist()
    [5.0]

    kernel: (units, …). order: 1, the sum of magnitudes, or 2, the Euclidean norm.
    Source: Li et al. 2017, arXiv:1608.08710, sec. 3.1, with order 1. Raises ValueError
    for another order.
    """
    if order not in (1, 2):
        raise ValueError(f"order is {order}: choose 1 or 2")
    rows = np.asarray(finite("kernel", kernel), np.float64).reshape(len(kernel), -1)
    return np.linalg.norm(rows, order, axis=1)


def unit_activations(outputs: np.ndarray) -> np.ndarray:
    """The mean size of each unit's output over images and places, float64 (units,).

    >>> unit_activations(np.array([[1.0, 0.0], [-3.0, 1.0]])).tolist()
    [2.0, 0.5]

    outputs: of one layer, (n, …, units), at least one image (else ValueError).
    """
    rows = np.abs(finite("outputs", outputs)).reshape(-1, np.shape(outputs)[-1])
    return rows.mean(axis=0, dtype=np.float64)


def unit_taylor(
    kernel: np.ndarray,
    gradient: np.ndarray,
    bias: np.ndarray | None = None,
    bias_gradient: np.ndarray | None = None,
) -> np.ndarray:
    """|sum of w g| over each unit: its effect on the loss, to first order.

    The sum comes before the magnitude, so that weights whose changes cancel count
    little together, which |w g| of each would not see.

    >>> unit_taylor(np.array([[2.0, 1.0]]), np.array([[1.0, -3.0]])).tolist()  # |2 - 3|
    [1.0]

    kernel, gradient: (units, …), one shape; bias, bias_gradient: (units,), both or
    neither (else ValueError). Source: Molchanov et al. 2019, arXiv:1906.10771.
    """
    named = {"kernel": kernel, "gradient": gradient}
    if (bias is None) != (bias_gradient is None):
        raise ValueError("give both bias and bias_gradient, or none of them")
    if bias is not None:
        named |= {"bias": bias, "bias_gradient": bias_gradient}
    arrays = [finite(name, array) for name, array in named.items()]
    pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
    for name, (values, slopes) in zip(list(named)[1::2], pairs, strict=True):
        if values.shape != slopes.shape:
            raise ValueError(
                f"{name} is {slopes.shape} for weights of {values.shape}: give one "
                "number for each weight"
            )
    changes = [
        np.multiply(values, slopes, dtype=np.float64).reshape(len(kernel), -1)
        for values, slopes in pairs
    ]
    return np.abs(np.concatenate(changes, axis=1).sum(axis=1))


def unit_random(kernel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Numbers that have nothing to do with the units, float64 (units,) in [0, 1).

    >>> unit_random(np.zeros((2, 3)), np.random.default_rng(0)).shape
    (2,)
    """
    return rng.random(len(kernel))


@dataclass(frozen=True)
class UnitCriterion(Row):
    """A criterion of units.

    needs: "" for the kernel alone, units on its first axis; "outputs" for the layer's
    outputs in place of the kernel; "rng" for the kernel and a random generator;
    "changes" for what `Gradients.units` has of the layer. one_loss: whether the scores
    are changes of one loss, which layers have in common: otherwise they are divided by
    their length before layers are ranked together.
    """

    one_loss: bool = False


UNIT_CRITERIA = registry(
    UnitCriterion(
        "norm", "weight norm", "The sum of the magnitudes of its weights.", unit_norms
    ),
    UnitCriterion(
        "activation",
        "activation",
        "The mean size of its output on calibration images.",
        unit_activations,
        needs="outputs",
    ),
    UnitCriterion(
        "taylor",
        "Taylor",
        "The change of the loss without it, to first order, a mean over images.",
        np.asarray,
        needs="changes",
        one_loss=True,
    ),
    UnitCriterion(
        "random", "random", "Chance: uniform in [0, 1).", unit_random, needs="rng"
    ),
)


def normalized(scores: np.ndarray) -> np.ndarray:
    """Scores divided by their Euclidean norm, so that layers can be ranked together.

    Scores that are 0 all over stay so. Source: Molchanov et al. 2017,
    arXiv:1611.06440, sec. 2.2, which found it necessary for several criteria.

    >>> normalized(np.array([3.0, 4.0])).tolist()
    [0.6, 0.8]
    """
    scores = np.asarray(finite("scores", scores, may_be_empty=True), np.float64)
    length = np.linalg.norm(scores)
    return scores / length if length > 0 else scores


def choose(
    scores: Mapping[str, np.ndarray], fraction: float, scope: str = "layer"
) -> dict[str, np.ndarray]:
    """Which units stay: name -> bool (units,), True = kept.

    The best unit of each always stays, since a layer without units computes nothing: so
    fewer are removed than asked for where only the best ones are left.

    >>> found = choose({"fc1": np.array([1.0, 3.0]), "fc2": np.array([9.0, 0.5])}, 1.0)
    >>> {name: kept.tolist() for name, kept in found.items()}
    {'fc1': [False, True], 'fc2': [True, False]}

    scores: name -> (units,), of layers or of channel groups. fraction: of units to
    remove, 0 to 1. scope: "layer" or "global", as for `labkit.prune.masks`. Raises
    ValueError outside these.
    """
    if scope == "output":
        raise ValueError("scope is 'output': units are ranked by 'layer' or 'global'")
    for name, array in scores.items():
        shaped(f"scores[{name!r}]", array, "(units,)")
    arguments.fraction("fraction", fraction)
    # Above all others, so that a global ranking takes another layer's unit instead.
    top = np.nextafter(max((np.max(s) for s in scores.values()), default=0.0), np.inf)
    raised = {name: np.array(s, np.float64) for name, s in scores.items()}
    for s in raised.values():
        s[s.argmax()] = top
    found = masks(raised, fraction, scope)
    for name, kept in found.items():
        kept[raised[name].argmax()] = True
    return found
