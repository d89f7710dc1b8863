"""The picture of one soft target: the image, the bars at T, its entropy over T."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labkit import distill
from labkit.distill import dark_knowledge
from labkit.plots.base import BLACK, BLUE, GREY, TEXT_SIZE, VERMILLION, tidy
from labkit.plots.plane import NO_MARKS, Marks

TEMPERATURES = np.geomspace(1, 40, 60)
ROOM = 1.2  # for the figures above the bars


@dataclass(frozen=True, eq=False)
class Softened:
    """A teacher's answer to one image at a temperature.

    pixels: uint8 (28, 28). number: of the image in its data set. label: what is right.
    logits: float (classes,).
    """

    pixels: np.ndarray
    number: int
    label: int
    logits: np.ndarray
    temperature: float

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The softened outputs, (classes,)."""
        return distill.softmax(self.logits, self.temperature)

    @property
    def nearest(self) -> int:
        """The wrong class with the largest output, at every temperature."""
        label = np.array([self.label])
        return int(dark_knowledge.nearest_wrong(self.logits[None], label)[0])

    def entropy(self, temperature: float | None = None) -> float:
        """In nats, at the present temperature or another one."""
        now = self.temperature if temperature is None else temperature
        return float(distill.entropy(distill.softmax(self.logits, now)))

    def information_beyond_label(self, temperature: float | None = None) -> float:
        """What the target says beyond the label and a confidence, in nats."""
        now = self.temperature if temperature is None else temperature
        label = np.array([self.label])
        return float(
            dark_knowledge.information_beyond_label(self.logits[None], label, now)[0]
        )


def draw(figure, result, _marks: Marks = NO_MARKS) -> str:
    """Draw a position of the temperature panel and return the alt text.

    figure: a `Picture`, whose frame is kept for the next drawing. result: has `soft`, a
    `Softened`.
    """
    soft = result.soft
    key = (soft.number, soft.logits.tobytes())
    figure.frame(key, lambda: _frame(figure, soft))
    _, bars, curves = figure.axes
    draw_bars(bars, soft)
    for value, colour in (
        (soft.entropy(), BLACK),
        (soft.information_beyond_label(), VERMILLION),
    ):
        curves.plot([soft.temperature], [value], "o", color=colour, ms=8)
    figure.alt = alt_text(soft)
    return figure.alt


def alt_text(soft: Softened) -> str:
    """What the picture says, for those who do not see it."""
    bars = ", ".join(f"{k}: {_per_cent(p)}" for k, p in enumerate(soft.probabilities))
    return (
        f"Image {soft.number}, a {soft.label}. Softened outputs at T = "
        f"{soft.temperature:g}: {bars}. Nearest wrong class {soft.nearest}. Entropy "
        f"{soft.entropy():.3f} nats of at most {np.log(len(soft.logits)):.3f}; told "
        f"beyond a smoothed label: {soft.information_beyond_label():.3f}."
    )


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 5e-4 else f"{100 * share:.0e} %"


def _frame(figure, soft: Softened) -> None:
    picture = figure.add_axes((0.01, 0.2, 0.21, 0.6))
    picture.imshow(soft.pixels, cmap="gray_r", vmin=0, vmax=255)
    picture.set_axis_off()
    title = f"image {soft.number}, a {soft.label}"
    picture.set_title(title, fontsize=TEXT_SIZE)
    bars = figure.add_axes((0.28, 0.15, 0.36, 0.68))
    tidy(bars, grid="y")
    bars.set_xlim(-0.6, len(soft.logits) - 0.4)
    bars.set_ylim(0, ROOM)
    bars.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    bars.set_xticks(range(len(soft.logits)))
    bars.set_xlabel(
        "class; blue: the label, orange: the nearest wrong", fontsize=TEXT_SIZE
    )
    _curves_frame(figure.add_axes((0.725, 0.15, 0.265, 0.68)), soft)


def _curves_frame(axes, soft: Softened) -> None:
    tidy(axes, grid="both")
    axes.set_xscale("log")
    ticks = (1, 2, 4, 10, 20, 40)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    lines = {
        "entropy": (soft.entropy, BLACK),
        "told": (soft.information_beyond_label, VERMILLION),
    }
    for name, (measure, colour) in lines.items():
        values = [measure(t) for t in TEMPERATURES]
        axes.plot(TEMPERATURES, values, color=colour, label=name)
    axes.axhline(np.log(len(soft.logits)), color=BLACK, lw=0.8, dashes=(1, 3))
    axes.set_ylim(0, 1.12 * np.log(len(soft.logits)))
    axes.set_xlabel("temperature T", fontsize=TEXT_SIZE)
    axes.set_ylabel("nats", fontsize=TEXT_SIZE)
    options = {"loc": "lower left", "bbox_to_anchor": (-0.1, 1), "ncols": 2}
    axes.legend(frameon=False, fontsize=TEXT_SIZE - 1, **options)


def draw_bars(axes, soft: Softened) -> None:
    """Draw the softened outputs as bars, each with its figure."""
    colours = [GREY] * len(soft.probabilities)
    colours[soft.nearest], colours[soft.label] = VERMILLION, BLUE
    columns = range(len(colours))
    axes.bar(columns, soft.probabilities, color=colours, width=0.75)
    for column, p in zip(columns, soft.probabilities, strict=True):
        text = f"{100 * p:.1f}"
        axes.text(column, p + 0.02, text, ha="center", fontsize=TEXT_SIZE - 2)
    options = {"transform": axes.transAxes, "fontsize": TEXT_SIZE, "va": "bottom"}
    axes.text(0, 1.03, f"T = {soft.temperature:g}", **options)
