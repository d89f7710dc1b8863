"""The pictures of low rank: the plane, costs, a spectrum, filters rebuilt; curves."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from labkit.plots.base import (
    BLACK,
    BLUE,
    SIGNS,
    SKY,
    TEXT_SIZE,
    VERMILLION,
    percent,
    signed_colours,
    tidy,
)
from labkit.plots.costs import COSTS, costs_frame, draw_costs
from labkit.plots.plane import (
    NO_MARKS,
    Marks,
    Point,
    baseline,
    draw_frame,
    draw_points,
    plane_text,
)

KINDS = ("float", "deployable", "larger")
SMALLEST = 50  # times smaller than the float32 file: the left end of the plane
COST_REACH = 1.75
FILTER_BOX = (3.1, 0.56)  # inches that a row of filters may fill
FLOOR = 1e-3  # of the largest value: the spectrum ends there
COLOURS = (BLUE, SKY)


@dataclass(frozen=True, eq=False)
class Line:
    """A spectrum: values (terms,), descending, and two ranks.

    name: which one it is, "" where there is one alone. rank: how many terms are kept,
    None for all. break_even: the rank that saves nothing.
    """

    name: str
    values: np.ndarray
    rank: int | None
    break_even: float


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A layer's spectra. text: what the values are."""

    layer: str
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, eq=False)
class Filters:
    """Filters as pictures, (n, height, width, channels): 1 channel, or 3 colours.

    rank: of the layer, None where it is whole.
    """

    layer: str
    before: np.ndarray
    now: np.ndarray
    rank: Hashable

    @property
    def shades(self) -> str:
        """What the colours are: of one channel signs, of three the channels."""
        three = self.before.shape[-1] == 3
        return "as red, green, blue; 0 is grey" if three else SIGNS

    @property
    def error(self) -> float:
        """||before - now||^2 / ||before||^2, of the filters shown."""
        change = np.square(self.before - self.now).sum()
        return float(change / np.square(self.before).sum())


def draw(figure, result, marks: Marks = NO_MARKS) -> str:
    """Draw a result of the rank panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `points`
    (for the plane), `best` (the accuracy at the plane's top), `costs` (a
    `labkit.plots.costs.Costs`), `spectrum` and `filters`.
    """
    base, spectrum, filters = baseline(result.points), result.spectrum, result.filters
    values = tuple(line.values.tobytes() for line in spectrum.lines)
    key = (base.size_bytes, result.best, spectrum.layer, spectrum.text, values)
    key += (filters.layer, filters.before.tobytes())
    figure.frame(key, lambda: _frame(figure, base, result))
    plane, costs, lines, before, now = figure.axes
    draw_points(plane, result.points, marks)
    draw_costs(costs, result.costs)
    draw_ranks(lines, spectrum)
    draw_filters(now, filters.now, filters.before)
    title = f"the same at {rank_text(filters.rank)}, error {percent(filters.error)}"
    _title(now, title)
    figure.alt = alt_text(result, marks)
    return figure.alt


def rank_text(rank: Hashable) -> str:
    """A layer's rank in words.

    >>> rank_text(12), rank_text((4, 3)), rank_text(None)
    ('rank 12', 'ranks 4 and 3', 'full rank')
    """
    if rank is None:
        return "full rank"
    return (
        f"ranks {rank[0]} and {rank[1]}" if isinstance(rank, tuple) else f"rank {rank}"
    )


def alt_text(result, marks: Marks = NO_MARKS) -> str:
    """What the picture says, for those who do not see it."""
    costs = ", ".join(
        f"{name} {'…' if value is None else f'{100 * value:.3g} %'}"
        for name, value in zip(COSTS, result.costs.values, strict=True)
    )
    filters = result.filters
    text = (
        f"Of float32: {costs}. {spectrum_text(result.spectrum)}. Filters of "
        f"{filters.layer}, {filters.shades}, at {rank_text(filters.rank)}: error "
        f"{percent(filters.error)}."
    )
    return plane_text(result.points, text, marks)


def spectrum_text(spectrum: Spectrum) -> str:
    """A layer's ranks in words.

    >>> line = Line("", np.ones(9), 4, 4.5)
    >>> spectrum_text(Spectrum("fc1", "singular values", (line,)))
    'fc1, singular values: 4 of 9 kept, break-even 4.5'
    """
    parts = []
    for line in spectrum.lines:
        kept = len(line.values) if line.rank is None else line.rank
        name = f"{line.name} " if line.name else ""
        parts.append(
            f"{name}{kept} of {max(kept, len(line.values))} kept, break-even "
            f"{line.break_even:.4g}"
        )
    return f"{spectrum.layer}, {spectrum.text}: {'; '.join(parts)}"


def _frame(figure, base: Point, result) -> None:
    plane = figure.add_axes((0.09, 0.37, 0.42, 0.515))
    draw_frame(plane, base.size_bytes, result.best, KINDS, SMALLEST)
    costs_frame(figure.add_axes((0.09, 0.035, 0.42, 0.185)), COST_REACH)
    spectrum_frame(figure.add_axes((0.635, 0.545, 0.355, 0.315)), result.spectrum)
    width, height = FILTER_BOX[0] / 8.6, FILTER_BOX[1] / 4.8
    boxes = (0.63, 0.235, width, height), (0.63, 0.03, width, height)
    before, now = (figure.add_axes(box) for box in boxes)
    filters = result.filters
    filters_frame(before)
    filters_frame(now)
    draw_filters(before, filters.before, filters.before)
    _title(before, f"{filters.layer}, float32: {filters.shades}")


def spectrum_frame(axes, spectrum: Spectrum) -> None:
    """Draw a layer's spectra on a log axis, the largest value first."""
    tidy(axes, grid="y")
    largest = max(float(line.values.max()) for line in spectrum.lines) or 1.0
    for line, colour in zip(spectrum.lines, COLOURS, strict=False):
        ranks = np.arange(1, len(line.values) + 1)
        shown = np.maximum(line.values, FLOOR * largest)
        label = line.name or None
        axes.plot(ranks, shown, ".-", ms=3, lw=1, color=colour, label=label)
    axes.set_yscale("log")
    axes.set_ylim(FLOOR * largest * 0.8, largest * 1.6)
    most = max(len(line.values) for line in spectrum.lines)
    most = max(most, *(line.break_even for line in spectrum.lines))
    axes.set_xlim(0, most * 1.04 + 0.5)
    axes.set_xlabel("rank", fontsize=TEXT_SIZE)
    for line, colour in zip(spectrum.lines, COLOURS, strict=False):
        even = VERMILLION if len(spectrum.lines) == 1 else colour
        axes.axvline(line.break_even, color=even, linewidth=1.2, dashes=(4, 2))
    if spectrum.lines[0].name:
        axes.legend(frameon=False, fontsize=TEXT_SIZE - 2, loc="lower left")


def draw_ranks(axes, spectrum: Spectrum) -> None:
    """Draw how many terms are kept, and say it."""
    for line, colour in zip(spectrum.lines, COLOURS, strict=False):
        if line.rank is not None:
            axes.axvspan(0, line.rank + 0.5, color=colour, alpha=0.15, lw=0)
    place = {"transform": axes.transAxes, "fontsize": TEXT_SIZE - 1, "color": BLACK}
    line = spectrum.lines[0]
    kept = ", ".join(
        "all" if one.rank is None else str(one.rank) for one in spectrum.lines
    )
    evens = ", ".join(f"{one.break_even:.4g}" for one in spectrum.lines)
    above = line.rank is not None and line.rank >= line.break_even
    note = "; above it" if above else ""
    text = (
        f"{spectrum.layer}, {spectrum.text}\nkept: {kept}; break-even (dashed): {evens}"
    )
    axes.text(-0.04, 1.03, text + note, va="bottom", linespacing=1.3, **place)


def filters_frame(axes) -> None:
    """An axes in inches, without an edge: a row of filters fits in."""
    axes.set_axis_off()
    axes.set_xlim(0, FILTER_BOX[0])
    axes.set_ylim(0, FILTER_BOX[1])


def draw_filters(axes, filters: np.ndarray, scaled_as: np.ndarray) -> None:
    """Filters side by side on a `filters_frame`, in the colours of their signs.

    Three channels are drawn as red, green and blue instead, grey for 0. filters,
    scaled_as: (n, height, width, channels), of 1 or 3 channels; each filter of the
    first is divided by the largest weight of the same one of the second.
    """
    n, height, width, channels = filters.shape
    reach = np.abs(scaled_as).reshape(n, -1).max(axis=1)
    values = filters / np.where(reach > 0, reach, 1.0)[:, None, None, None]
    colours = 0.5 + values / 2 if channels == 3 else signed_colours(values[..., 0])
    gap = max(1, width // 12)
    row = np.ones((height, n * (width + gap) - gap, 3))
    for k, picture in enumerate(np.clip(colours, 0, 1)):
        row[:, k * (width + gap) : k * (width + gap) + width] = picture
    pixel = min(FILTER_BOX[0] / row.shape[1], FILTER_BOX[1] / height)
    top = FILTER_BOX[1]
    extent = (0, pixel * row.shape[1], top - pixel * height, top)
    axes.imshow(row, extent=extent, aspect="auto", interpolation="nearest")


def _title(axes, text: str) -> None:
    place = {"transform": axes.transAxes, "fontsize": TEXT_SIZE - 1, "color": BLACK}
    axes.text(0, 1.06, text, va="bottom", **place)
