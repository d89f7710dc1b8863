"""Curves over ranks and budgets, with marks: small pictures of notebooks."""

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.plots.base import BLACK, BLUE, SKY, TEXT_SIZE, VERMILLION, tidy


@dataclass(frozen=True, eq=False)
class RankCurve:
    """Something measured over the rank. name: of the curve. values: one for each rank;
    low, high: its interval, or None.
    """

    name: str
    ranks: Sequence[float]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


STYLES = ((BLUE, "o-"), (VERMILLION, "s--"), (BLACK, "^:"), (SKY, "D-."))


def draw_rank_curves(
    axes, curves: Sequence[RankCurve], marks: dict[str, float], label: str
) -> None:
    """Curves over the rank, and named ranks as upright lines.

    marks: name -> rank, such as {"break-even": 217}. label: of the y axis.
    """
    axes.figure.set_layout_engine("constrained")
    tidy(axes, grid="y")
    for curve, (colour, style) in zip(curves, STYLES, strict=False):
        axes.plot(
            curve.ranks, curve.values, style, color=colour, ms=4, label=curve.name
        )
        if curve.low is not None:
            band = {"color": colour, "alpha": 0.15, "lw": 0}
            axes.fill_between(curve.ranks, curve.low, curve.high, **band)
    for k, (name, rank) in enumerate(marks.items()):
        axes.axvline(rank, color=BLACK, linewidth=1, dashes=(4, 2 + 2 * k))
        on_the_right = rank > sum(axes.get_xlim()) / 2
        axes.text(
            rank,
            0.03 + 0.09 * k,
            f" {name} {rank:.3g} ",
            transform=axes.get_xaxis_transform(),
            fontsize=TEXT_SIZE - 2,
            ha="right" if on_the_right else "left",
            bbox={"color": "white", "pad": 0.5},
        )
    axes.set_xlabel("rank", fontsize=TEXT_SIZE)
    axes.set_ylabel(label, fontsize=TEXT_SIZE)
    axes.legend(frameon=False, fontsize=TEXT_SIZE - 1)


def curves_text(curves: Sequence[RankCurve], marks: dict[str, float]) -> str:
    """The ends of curves, for an alt text.

    >>> curves_text([RankCurve("energy", [1, 9], [0.25, 1.0])], {"break-even": 4.5})
    'energy: 0.25 at rank 1, 1 at rank 9. break-even at rank 4.5'
    """
    parts = [
        f"{c.name}: {c.values[0]:.4g} at rank {c.ranks[0]:g}, "
        f"{c.values[-1]:.4g} at rank {c.ranks[-1]:g}"
        for c in curves
    ]
    parts += [f"{name} at rank {rank:.4g}" for name, rank in marks.items()]
    return ". ".join(parts)
