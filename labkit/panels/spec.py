"""What a panel is made from: functions and descriptions, no widgets, no threads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from labkit.measure.ledger import Row
from labkit.panels import words
from labkit.panels.controls import Control, Settings, complete
from labkit.panels.explained import MEASURED
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point


@dataclass(frozen=True)
class PanelSpec:
    """What a panel shows. Nothing in it knows widgets or threads.

    title: the panel's name. controls: what can be set, in the order they depend on each
    other. compute: (settings, cancelled) -> an iterator of results, the last one exact;
    settings: one value for each control, by name, as `controls.complete` gives them;
    it asks `cancelled()` often, and ends once that says True. draw: (figure, result,
    marks) -> alt text. The other functions take a result: points -> what is on the
    plane; lines -> the readout, at most three lines; state -> how far it is; ledger ->
    rows (a Row, or a file's name and why it is missing) and notes; files -> name ->
    bytes, what "Save" writes. code: settings -> Python text that reproduces them.
    prepare: settings -> anything; it reads what `compute` will need (and keep), in a
    thread beside the panel's own start. cancel: settings that end what takes long; with
    them the panel has a button "Cancel". terms: words that the panel explains, names in
    the lab's table. size: of the picture, in inches. guessed:
    whether there is an accuracy to guess.
    """

    title: str
    controls: tuple[Control, ...]
    compute: Callable[..., Iterator]
    draw: Callable[..., str]
    points: Callable[[object], tuple[Point, ...]]
    lines: Callable[[object], Sequence[str]]
    state: Callable[[object], str]
    ledger: Callable[[object], tuple[Sequence[Row | tuple[str, str]], Sequence[str]]]
    files: Callable[[object], dict[str, bytes]]
    code: Callable[[Settings], str]
    prepare: Callable[[Settings], object] | None = None
    cancel: Settings = field(default_factory=dict)
    terms: tuple[str, ...] = MEASURED
    size: tuple[float, float] = (8.6, 3.4)
    guessed: bool = True

    def positions(self, cancelled: Cancelled = never, **wanted) -> Iterator:
        """What `compute` yields at a setting; what is left out is at its default.

        Raises ValueError for a setting that does not fit, and what `compute` raises.
        """
        return self.compute(complete(self.controls, wanted, {}), cancelled)


def told_by(report) -> dict[str, Callable]:
    """The functions of a PanelSpec that its report module has, by their names there.

    A report without a `state` of its own has the one of `words`.
    """
    return {
        "lines": report.lines,
        "state": getattr(report, "state", words.state),
        "ledger": report.rows,
        "files": report.files,
        "code": report.code,
    }
