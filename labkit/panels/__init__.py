"""Panels: controls that re-run real compression. The only user of widgets."""

from labkit.panels.quantization import quantization_panel

__all__ = ["quantization_panel"]
