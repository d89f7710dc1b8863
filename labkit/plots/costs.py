"""Bytes, MACs and latency beside the float network's, as bars."""

from dataclasses import dataclass

from labkit.plots.base import BLACK, BLUE, TEXT_SIZE, tidy

COSTS = ("bytes", "MACs", "µs")


@dataclass(frozen=True)
class Costs:
    """What a network costs, as fractions of the float network: one for each of COSTS.

    latency: None until it is measured.
    """

    size: float
    macs: float
    latency: float | None

    @property
    def values(self) -> tuple[float | None, ...]:
        """In the order of COSTS."""
        return self.size, self.macs, self.latency


def share_text(value: float | None) -> str:
    return "…" if value is None else f"{100 * value:.3g} %"


def costs_frame(axes, reach: float = 1.25) -> None:
    """Pale bars as long as the float32 file's costs. reach: where the axis ends."""
    tidy(axes)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.set_xlim(0, reach)
    axes.set_ylim(len(COSTS) - 0.4, -0.6)
    axes.set_yticks(range(len(COSTS)), COSTS)
    axes.tick_params(axis="y", length=0)
    axes.barh(range(len(COSTS)), 1, height=0.66, color="#E4D9CF")
    axes.set_title("of the float32 file's", fontsize=TEXT_SIZE - 1, loc="left", pad=2)


def draw_costs(axes, costs: Costs) -> None:
    """A bar each; the pale one behind it is the float network's."""
    for row, value in enumerate(costs.values):
        if value is not None:
            axes.barh(row, min(value, axes.get_xlim()[1]), height=0.66, color=BLUE)
        end = min(max(value or 0, 1), axes.get_xlim()[1])
        put_text(axes, end + 0.02, row, share_text(value), TEXT_SIZE - 1)


def put_text(axes, x: float, y: float, text: str, size: float) -> None:
    axes.text(x, y, text, va="center", fontsize=size, color=BLACK)
