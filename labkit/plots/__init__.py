"""Pictures: functions that draw a result on a matplotlib Figure, without pyplot.

What lessons draw, and the plane of accuracy against cost that all panels share; a
picture that one panel alone draws is in that panel's folder.
"""

from labkit.common.door import door

_FILES = {
    "base": "figure",
    "calibration": "draw_readings",
    "codes": "draw_layers",
    "curves": "Curve Look draw_bars draw_curves",
    "functions": "Search draw_functions draw_search",
    "gains": "Gain draw_gains",
    "labelled": "File draw_files",
    "networks": "draw_networks",
    "numbers": "draw_channel_ranges draw_float32_bits draw_number_lines",
    "pictures": "draw_rows",
    "plane": "Marks Point",
    "rank_curves": "RankCurve curves_text draw_rank_curves",
    "sensitivity": "LossMap draw_additivity draw_loss_maps draw_maps",
    "weights": "draw_weight_pictures",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
