"""Panels: controls that re-run real compression. The only user of widgets."""

from labkit.panels.activations import activations_panel
from labkit.panels.budget import budget_panel
from labkit.panels.clipping import clipping_panel
from labkit.panels.quantization import quantization_panel
from labkit.panels.training import qat_panel

__all__ = [
    "activations_panel",
    "budget_panel",
    "clipping_panel",
    "qat_panel",
    "quantization_panel",
]
