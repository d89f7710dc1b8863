"""What training gives back: float, rounded and trained accuracy, a row a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.plots.base import BLACK, BLUE, GREY, PURPLE, TEXT_SIZE, percent, tidy
from labkit.plots.picture import Picture
from labkit.plots.plane import ACCURACY_LABEL, accuracy_ticks, height

MARKS = {
    "float32": (BLACK, "|", 13),
    "rounded": (BLUE, "o", 7),
    "trained with rounding": (PURPLE, "^", 8),
}


@dataclass(frozen=True)
class Gain:
    """A network at one setting; accuracies from 0 to 1."""

    name: str
    float_accuracy: float
    rounded: float
    trained: float


def draw_gains(figure: Picture, gains: Sequence[Gain]) -> Picture:
    """Draw each network's three accuracies on one line, by `plane.height`.

    Returns the figure, with its alt text.
    """
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    rows = range(len(gains))[::-1]
    for row, gain in zip(rows, gains, strict=True):
        values = (gain.float_accuracy, gain.rounded, gain.trained)
        ends = [height(gain.rounded), height(gain.trained)]
        axes.plot(ends, [row, row], "-", color=GREY, linewidth=1)
        for value, (colour, marker, size) in zip(values, MARKS.values(), strict=True):
            axes.plot(
                height(value), row, marker, color=colour, ms=size, mew=2, mfc="none"
            )
    for name, (colour, marker, size) in MARKS.items():
        axes.plot([], [], marker, color=colour, ms=size, mew=2, mfc="none", label=name)
    axes.set_yticks(list(rows), [gain.name for gain in gains])
    seen = [v for g in gains for v in (g.float_accuracy, g.rounded, g.trained)]
    _accuracy_axis(axes, min(seen), max(seen))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    tidy(axes, grid="x")
    told = (
        f"{gain.name}: float32 {percent(gain.float_accuracy)}, rounded "
        f"{percent(gain.rounded)}, trained {percent(gain.trained)}"
        for gain in gains
    )
    figure.alt = "; ".join(told)
    return figure


def _accuracy_axis(axes, low: float, high: float) -> None:
    left, right = height(low) - 0.08, height(high) + 0.08
    axes.set_xlim(left, right)
    accuracy_ticks(axes.xaxis, left, right)
    axes.set_xlabel(ACCURACY_LABEL, fontsize=TEXT_SIZE)
