"""Panels: controls that re-run real compression. The only user of widgets.

One folder a panel: `panel` computes, `report` puts into words, `plot` draws. Each is
imported when it is first asked for: a lesson waits for its own panel alone.
"""

from labkit.common.door import door

_FILES = {
    "activations.panel": "activations_panel",
    "base": "Panel",
    "budget.panel": "budget_panel",
    "clipping.panel": "clipping_panel",
    "distillation.panel": "distillation_panel",
    "pruning.panel": "pruning_panel",
    "qat.panel": "qat_panel",
    "quantization.panel": "quantization_panel",
    "rank.panel": "rank_panel",
    "temperature.panel": "temperature_panel",
    "units.panel": "units_panel",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
