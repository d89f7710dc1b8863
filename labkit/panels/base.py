"""The one Panel class: controls, a picture, a ledger, and nothing that computes.

A `PanelSpec` gives `compute(settings, cancelled)`, which yields better and better
results, and `draw(figure, result, marks)`. Only this file, `fields` and `page` know
widgets. JupyterLab runs a widget's callback in a thread of its own, at the same time as
a cell, so a callback does no more than wake the panel's worker.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock, Thread

import ipywidgets as widgets
from IPython.display import DisplayHandle, display

from labkit.common.files import write_all
from labkit.panels import fields, measuring, page
from labkit.panels.controls import Settings, complete
from labkit.panels.explained import explanations
from labkit.panels.pacing import throttled
from labkit.panels.spec import PanelSpec
from labkit.panels.worker import CancelToken, LatestWins, never
from labkit.plots.base import figure
from labkit.plots.plane import Marks, Point
from labkit.plots.showing import LOCK, bundle

READOUT_HEIGHT = "5.9em"
TRAIL = 300
SAVED = Path("saved_models")


class Panel:
    """A `PanelSpec` on the page.

    settings: where it stands now. result: what it shows, None before the first.
    guess: an accuracy from 0 to 1 that the reader predicts, drawn beside the
    measurement. Raises ValueError for settings that do not fit.
    """

    def __init__(self, spec: PanelSpec, guess: float | None = None, **settings):
        self.spec = spec
        self.result = None
        self._guess = _checked_guess(guess, spec)
        self._start = complete(spec.controls, settings, {})
        self.settings = self._start
        if spec.prepare:
            Thread(target=self._prepare, daemon=True).start()
        self._visited: dict[tuple, Point] = {}
        self._pinned: tuple[Point, ...] = ()
        self._lines: Sequence[str] = ()
        self._error: Exception | None = None
        self._drawn_for = 0
        self._worker = LatestWins(f"panel {spec.title}")
        self._figure = figure(*spec.size)
        self._picture, self._table = DisplayHandle(), DisplayHandle()
        self._shown = False
        self._writing = False
        self._touch = RLock()
        self._build()

    def _prepare(self) -> None:
        """Read data while the main thread imports matplotlib and makes widgets."""
        with suppress(Exception):  # `compute` raises it again, where it is shown
            self.spec.prepare(self._start)

    # The settings

    def set(self, **settings):
        """Go to a setting, wait for its exact result, show it, and return it.

        Settings left out stay as they are. Raises what `compute` raises, and ValueError
        for a setting that does not exist or a value that its control does not take.
        """
        claim = self._worker.claim()
        try:
            self._adopt(complete(self.spec.controls, settings, self.settings))
            return self._settle(claim)
        except Exception as error:
            self._fail(error, {**self.settings, **settings}, claim)
            raise

    def wait(self, timeout: float | None = None):
        """Wait for what the widgets asked for; return its result or raise its error."""
        self._worker.wait(timeout)
        if self._error is not None:
            raise self._error
        return self.result

    @property
    def guess(self) -> float | None:
        """The accuracy that the reader predicts, 0 to 1, or None."""
        return self._guess

    @guess.setter
    def guess(self, accuracy: float | None) -> None:
        self._guess = _checked_guess(accuracy, self.spec)
        self._redraw()

    # What a driver without a mouse reads and turns

    def control(self, name: str):
        """The field of a setting: `value` is to be read and set, as a reader does.

        It has `options`, or `min` and `max`, too: what can be chosen now. Setting
        `value` starts the worker; `wait` returns what comes of it. Raises ValueError
        for a setting that does not exist.
        """
        if name not in self._fields:
            raise ValueError(
                f"there is no setting {name!r}: {', '.join(self._fields)} can be set"
            )
        return self._fields[name]

    def button(self, text: str):
        """The button of that text; `click()` presses it, "Code" has a `value`.

        Raises ValueError for a button that does not exist.
        """
        if text not in self._buttons:
            raise ValueError(
                f"there is no button {text!r}: {', '.join(self._buttons)} can be used"
            )
        return self._buttons[text]

    @property
    def readout(self) -> str:
        """The HTML above the picture: how far the panel is, and the result's lines."""
        return self._report.value

    @property
    def figure(self):
        """The picture that `draw` draws on, a `labkit.plots.base.Picture`."""
        return self._figure

    @property
    def alt(self) -> str:
        """What the picture says, for those who do not see it."""
        return self._figure.alt

    @property
    def code(self) -> str:
        """Python text that reproduces the result; empty before the first one."""
        return self._code.value

    @property
    def words(self) -> str:
        """HTML: the panel's terms and choices, each with one line."""
        return self._words.value

    @property
    def marks(self) -> Marks:
        """What is drawn beside the present position; there has to be a result."""
        points = self._present()
        group = self.spec.points(self.result)[0].group
        trail = tuple(self._visited.values())
        return Marks(
            trail=tuple(p for p in trail if p.group == group and p not in points),
            pinned=tuple(p for p in self._pinned if p.group == group),
            guess=self._guess,
        )

    def _settle(self, claim: CancelToken):
        """Compute to the end in this thread, and show the last result.

        What may take long shows how far it is, too.
        """
        self._error = None
        settings = self.settings
        on_the_way = self._shown and bool(self.spec.cancel)
        for result in throttled(self.spec.compute(settings, never)):
            if on_the_way:
                self._show(result, settings, claim)
        if not on_the_way:
            self._show(result, settings, claim)
        return result

    # What the buttons do

    def pin(self) -> None:
        """Keep the present position on the plane; unpin it if it is pinned."""
        points = self._present()
        self._pinned = () if points == self._pinned else points
        self._redraw()

    def measure_again(self):
        """Forget every latency, measure this position's anew, and return its result.

        For when the machine was busy, or short of memory for a file: a file that could
        not be made is tried again, too.
        """
        measuring.forget_latencies()
        return self.set()

    def reset(self):
        """Back to the first setting, without trail and pin; returns its result."""
        self._forget()
        return self.set(**self._start)

    def save(self, folder: str | os.PathLike = SAVED) -> list[Path]:
        """Write the model files of the present position, all of them or none."""
        if self.result is None:
            raise ValueError("there is nothing to save yet: show the panel first")
        files = self.spec.files(self.result)
        return write_all({Path(folder) / name: files[name] for name in files})

    def _present(self) -> tuple[Point, ...]:
        if self.result is None:
            return ()
        return tuple(p for p in self.spec.points(self.result) if p.kind != "float")

    def _visit(self, point: Point) -> None:
        """Put a point at the end of the trail; the oldest goes where it is too long."""
        key = point.group, point.kind, point.name
        self._visited.pop(key, None)
        self._visited[key] = point
        if len(self._visited) > TRAIL:
            del self._visited[next(iter(self._visited))]

    def _forget(self) -> None:
        self._visited = {}
        self._pinned = ()

    # The worker

    def _changed(self, _event) -> None:
        """A widget changed: read them all, and let the worker go there."""
        with self._touch:
            if self._writing:
                return
            now = {
                control.name: fields.read(self._fields[control.name], control)
                for control in self.spec.controls
            }
            try:
                self._adopt(complete(self.spec.controls, {}, now))
                self._go()
            except Exception as error:
                self._error = error
                self._fail(error, now, self._worker.claim())

    def _go(self) -> None:
        settings = self.settings
        self._say("computing…")
        self._worker.submit(lambda claim: self._work(settings, claim))

    def _work(self, settings: Settings, claim: CancelToken) -> None:
        """Compute and show every result that is worth a picture (in the worker)."""
        try:
            self._error = None
            self._refine(settings, claim)
        except Exception as error:
            self._error = error
            self._fail(error, settings, claim)

    def _refine(self, settings: Settings, claim: CancelToken) -> None:
        """A first picture always comes, so that one moves while a slider is dragged."""
        first = True

        def cancelled() -> bool:
            return not first and claim()

        for result in throttled(self.spec.compute(settings, cancelled)):
            if cancelled():
                return
            self._show(result, settings, claim)
            first = False

    # The page

    def _build(self) -> None:
        self._fields = {}
        for control in self.spec.controls:
            value = self.settings[control.name]
            field = fields.field_of(control, self.settings, value)
            field.observe(self._changed, "value")
            self._fields[control.name] = field
        self._report = widgets.HTML()
        self._say("")
        self._code = page.code_box()
        self._top = widgets.VBox(
            [self._row(advanced=False), *self._row_of_buttons(), self._report]
        )

    def _row(self, advanced: bool) -> widgets.Box:
        chosen = [c for c in self.spec.controls if c.advanced is advanced]
        row = [fields.widget_of(self._fields[control.name]) for control in chosen]
        layout = {"width": "100%", "max_width": page.WIDTH, "grid_gap": "0 20px"}
        return widgets.HBox(row, layout={**layout, "flex_flow": "row wrap"})

    def _row_of_buttons(self) -> list[widgets.Widget]:
        """The row of buttons, and what three of them unfold."""
        advanced = self._row(advanced=True)
        words = explanations(self.spec.terms, self.spec.controls)
        self._words = widgets.HTML(page.words_html(words))
        press = self._press
        row = [
            page.button("Pin", "thumb-tack", "mark this position", press(self.pin)),
            page.button("Reset", "undo", "to the first one", press(self._restart)),
            *self._cancel_button(),
            page.button(
                "Measure again", "clock-o", "latency, anew", press(self._measure_again)
            ),
            page.button("Save files", "save", "the model files", press(self._save)),
            page.fold("Advanced", "sliders", advanced),
            page.fold("Code", "code", self._code),
            page.fold("Words", "question", self._words),
        ]
        self._buttons = {button.description: button for button in row}
        layout = {"margin": "6px 0", "flex_flow": "row wrap"}
        return [widgets.HBox(row, layout=layout), advanced, self._code, self._words]

    def _cancel_button(self) -> list[widgets.Widget]:
        if not self.spec.cancel:
            return []
        press = self._press(lambda: self._move(self.spec.cancel))
        return [page.button("Cancel", "stop", "end what takes long", press)]

    def _press(self, action: Callable[[], object]) -> Callable:
        """A button's callback: no cell shows an error, so the state line does."""

        def pressed(_button) -> None:
            try:
                action()
            except Exception as error:
                self._say(_sentence(error), failed=True)

        return pressed

    def _measure_again(self) -> None:
        measuring.forget_latencies()
        self._move(self.settings)

    def _restart(self) -> None:
        self._forget()
        self._move(self._start)

    def _move(self, wanted: Settings) -> None:
        """Go to some settings as if the reader had, in the worker."""
        with self._touch:
            self._adopt(complete(self.spec.controls, wanted, self.settings))
            self._go()

    def _save(self) -> None:
        paths = self.save()
        named = [f"{path.name} ({path.stat().st_size:,} bytes)" for path in paths]
        text = f"saved in {paths[0].parent}: {', '.join(named)}"
        self._say(text)

    def _adopt(self, settings: Settings) -> None:
        """Make these the settings, and have the widgets say so without an event."""
        with self._touch:
            self.settings = settings
            self._writing = True
            try:
                for control in self.spec.controls:
                    value = settings[control.name]
                    fields.write(self._fields[control.name], control, settings, value)
            finally:
                self._writing = False

    def _show(self, result, settings: Settings, claim: CancelToken) -> None:
        """Draw a result and put it on the page, unless a newer one is there."""
        with LOCK:
            if claim.number < self._drawn_for:
                return
            self._drawn_for = claim.number
            self.result = result
            for point in self._present():
                self._visit(point)
            self._draw()
            self._lines = self.spec.lines(result)
            self._say(self.spec.state(result))
            self._code.value = self.spec.code(settings)

    def _say(self, state: str, failed: bool = False) -> None:
        """Put a new state above the readout; both at once, so that they agree."""
        text = page.state_html(state, failed)
        self._report.value = text + page.lines_html(self._lines, READOUT_HEIGHT)

    def _redraw(self) -> None:
        if self.result is not None:
            with LOCK:
                self._draw()

    def _draw(self) -> None:
        self.spec.draw(self._figure, self.result, self.marks)
        if self._shown:
            data, metadata = bundle(self._figure.png(), self._figure.alt)
            self._picture.update(data, metadata=metadata, raw=True)
            self._table.update(self._ledger(), raw=True)

    def _ledger(self) -> dict[str, str]:
        rows, notes = self.spec.ledger(self.result)
        text = "; ".join(
            row[0] if isinstance(row, tuple) else row.stage for row in rows
        )
        html = page.ledger_html(rows, notes)
        return {"text/html": html, "text/plain": f"ledger of {text}"}

    def _fail(self, error: Exception, settings: Settings, claim: CancelToken) -> None:
        with LOCK:
            if claim.number >= self._drawn_for:
                self._drawn_for = claim.number
                text = f"{_sentence(error)} — at {_spelled(settings)}"
                self._say(text, failed=True)

    def _ipython_display_(self) -> None:
        self.show()

    def show(self) -> None:
        """Put the panel on the page at its first estimate; end with every figure.

        As the last line of a cell does. Raises what `compute` raises.
        """
        claim, settings = self._worker.claim(), self.settings
        on_page = False
        try:
            for result in throttled(self.spec.compute(settings, never)):
                self._show(result, settings, claim)
                if not on_page:
                    self._put_on_page()
                on_page = True
        except Exception as error:
            self._fail(error, settings, claim)
            raise

    def _put_on_page(self) -> None:
        display(self._top)
        data, metadata = bundle(self._figure.png(), self._figure.alt)
        self._picture.display(data, metadata=metadata, raw=True)
        self._table.display(self._ledger(), raw=True)
        self._shown = True


def constructor(spec: PanelSpec) -> Callable[..., Panel]:
    """The function that makes a lesson's panel, to stand as the last line of a cell.

    It is called by its module's folder, such as `clipping_panel`, and takes the first
    setting (the network) by position or by name.
    """
    first = spec.controls[0]

    def make(
        network: str | None = None, guess: float | None = None, **settings
    ) -> Panel:
        chosen = {} if network is None else {first.name: network}
        return Panel(spec, guess, **chosen, **settings)

    make.__module__ = spec.compute.__module__
    make.__name__ = make.__qualname__ = f"{make.__module__.split('.')[-2]}_panel"
    names = ", ".join(control.name for control in spec.controls[1:])
    make.__doc__ = (
        f"The panel of {spec.title}, to stand as the last line of a cell.\n\n"
        f"network: a name of the zoo, {first.initial({})!r} if left out. guess: the "
        "accuracy that the reader predicts,\n0 to 1. settings: by name; those "
        f"left out begin at their defaults:\n{names}.\n"
    )
    return make


def _checked_guess(accuracy: float | None, spec: PanelSpec) -> float | None:
    if accuracy is not None and not spec.guessed:
        raise ValueError(f"the {spec.title} panel measures nothing to guess")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ValueError(f"the guess is {accuracy}: give an accuracy from 0 to 1")
    return accuracy


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _spelled(settings: Settings) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
