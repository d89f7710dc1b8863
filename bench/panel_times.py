"""The panels of the lessons, timed position by position."""

import time
from importlib import import_module

from bench.limit import limit_milliseconds, recorded, so_far

SPARSITIES, FRACTIONS = (0.3, 0.4, 0.5, 0.56), (0.1, 0.2, 0.3, 0.4)
RANK_SHARES = (0.25, 0.35, 0.45, 0.55)
# Row -> a panel's module and positions that no cache knows; the first warms up. A row
# that trains has {} and ... where its steps belong (`with_steps`).
PANELS = {
    "clipping, mlp": ("clipping", [{"clip": clip} for clip in (90, 80, 70, 60)]),
    "activations, resnet8, W8A8": (
        "activations",
        [{"images": images} for images in (10, 20, 50, 100)],
    ),
    "budget, resnet8": ("budget", [{"budget": share} for share in (13, 14, 15, 16)]),
    "training, resnet8, no step": (
        "qat",
        [{"activations": bits} for bits in (8, 7, 6, 5)],
    ),
    "training, resnet8, {} steps": (
        "qat",
        [{"steps": ..., "seed": seed} for seed in range(4)],
    ),
    "pruning, resnet8, by magnitude": (
        "pruning",
        [{"network": "resnet8", "sparsity": s} for s in SPARSITIES],
    ),
    "pruning, resnet8, by Fisher": (
        "pruning",
        [
            {"network": "resnet8", "criterion": "fisher", "sparsity": s}
            for s in SPARSITIES
        ],
    ),
    "units, resnet8, by norm": (
        "units",
        [{"network": "resnet8", "fraction": f} for f in FRACTIONS],
    ),
    "units, resnet8, by Taylor": (
        "units",
        [
            {"network": "resnet8", "criterion": "taylor", "fraction": f}
            for f in FRACTIONS
        ],
    ),
    "rank, mlp, by SVD": (
        "rank",
        [{"parameter_ratio": ratio} for ratio in RANK_SHARES],
    ),
    "rank, mlp, by PCA of responses": (
        "rank",
        [{"method": "responses", "parameter_ratio": ratio} for ratio in RANK_SHARES],
    ),
    "rank, resnet8, by SVD": (
        "rank",
        [{"network": "resnet8", "parameter_ratio": ratio} for ratio in RANK_SHARES],
    ),
    "rank, resnet8, by k x 1 and 1 x k": (
        "rank",
        [
            {"network": "resnet8", "method": "spatial", "parameter_ratio": ratio}
            for ratio in RANK_SHARES
        ],
    ),
    "temperature, lenet5": (
        "temperature",
        [{"temperature": temperature} for temperature in (1, 4, 8, 20)],
    ),
    "distillation, 30 units, 500 images": (
        "distillation",
        [{"images": 500, "seed": seed} for seed in range(4)],
    ),
}


def with_steps(settings: dict, steps: int) -> dict:
    """The settings with that many steps in place of `...`.

    >>> with_steps({"steps": ..., "seed": 1}, 20)
    {'steps': 20, 'seed': 1}
    """
    return {name: steps if value is ... else value for name, value in settings.items()}


def panel_times(
    module: str, positions: list[dict]
) -> list[tuple[tuple[float, float], ...]]:
    """`timed` for each position: first picture, exact accuracy, last figure."""
    from labkit.plots.base import figure

    spec = import_module(f"labkit.panels.{module}.panel").SPEC
    picture = figure(*spec.size)
    return [timed(spec, position, picture) for position in positions]


def timed(spec, settings: dict, picture) -> tuple[tuple[float, float], ...]:
    """From a setting to the first picture, the exact accuracy and the last figure.

    Each as (milliseconds, those of the bare interpreter on what has run until then).
    """
    from labkit.panels.controls import complete
    from labkit.panels.worker import never
    from labkit.plots.plane import Marks

    others = {name: value for name, value in settings.items() if name != "steps"}
    # A measurement may take fewer steps than the panel offers.
    asked = dict(complete(spec.controls, others, {})) | settings
    first, exact = None, None
    with recorded() as files:
        start = time.perf_counter()
        for result in spec.compute(asked, never):
            if first is None:
                spec.draw(picture, result, Marks())
                picture.png()
                first = time.perf_counter(), so_far(files)
            if exact is None and spec.state(result).startswith("exact"):
                exact = time.perf_counter(), so_far(files)
        last = time.perf_counter(), so_far(files)
    return tuple(
        (1000 * (end - start), limit_milliseconds(ran))
        for end, ran in (first, exact, last)
    )
