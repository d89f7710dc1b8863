"""Panels: controls that re-run real compression. The only user of widgets.

Each is imported when it is first asked for: a lesson waits for its own panel alone.
"""

from importlib import import_module

_MODULES = {
    "activations_panel": "activations",
    "budget_panel": "budget",
    "clipping_panel": "clipping",
    "distillation_panel": "distillation",
    "pruning_panel": "pruning",
    "qat_panel": "training",
    "quantization_panel": "quantization",
    "rank_panel": "lowrank",
    "temperature_panel": "temperature",
    "units_panel": "units",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
