"""The widgets that set controls.

JupyterLab takes arrow keys and letters for itself where a menu has the focus. So a
choice is a row of buttons (Tab and Space) or, where there are many, a slider (arrows).
"""

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from labkit.panels.controls import Control, Settings

MOST_BUTTONS = 4
LETTER = 7.5  # pixels
LABEL = {"description_width": "initial"}


class Several:
    """Buttons that are on or off, one for each of the options; `box` is the widget."""

    def __init__(self, label: str, options: list[tuple], value: tuple):
        self._label = widgets.Label(label)
        self._callback = _ignore
        self.box = widgets.HBox(layout={"flex_flow": "row wrap", "width": "100%"})
        self._fill(options)
        self.value = value

    @property
    def options(self) -> list[tuple]:
        """Pairs of text and value."""
        return self._options

    @options.setter
    def options(self, options: list[tuple]) -> None:
        self._fill(options)

    @property
    def value(self) -> tuple:
        """The values whose buttons are on."""
        pairs = zip(self._options, self._buttons, strict=True)
        return tuple(value for (_, value), button in pairs if button.value)

    @value.setter
    def value(self, chosen: tuple) -> None:
        for (_, value), button in zip(self._options, self._buttons, strict=True):
            button.value = value in chosen

    def observe(self, callback: Callable, _name: str) -> None:
        """Call back when a button turns."""
        self._callback = callback

    def _fill(self, options: list[tuple]) -> None:
        self._options = options
        width = _width(text for text, _ in options)
        self._buttons = [
            widgets.ToggleButton(description=text, value=True, layout={"width": width})
            for text, _ in options
        ]
        for button in self._buttons:
            button.observe(lambda event: self._callback(event), "value")
        self.box.children = [self._label, *self._buttons]


def _ignore(_event) -> None:
    """What happens on an event that nobody observes."""


def field_of(control: Control, before: Settings, value):
    """What sets a control: a widget, or `Several`."""
    choices = control.choices(before)
    options = _options(control, choices)
    if isinstance(choices, range):
        layout = {"width": "280px", "align_self": "flex-end"}
        return widgets.IntSlider(
            value,
            choices[0],
            choices[-1],
            description=control.label,
            style=LABEL,
            layout=layout,
        )
    if control.several:
        return Several(control.label, options, choices if value is None else value)
    if callable(control.values) or len(choices) > MOST_BUTTONS:
        width = f"{round(len(control.label) * LETTER) + 280}px"
        slider = widgets.SelectionSlider(
            options=options,
            value=value,
            description=control.label,
            style=LABEL,
            layout={"width": width, "align_self": "flex-end"},
        )
        slider.add_class("labkit-choice")
        return slider
    style = {**LABEL, "button_width": _width(text for text, _ in options)}
    return widgets.ToggleButtons(
        options=options,
        value=value,
        description=control.label,
        style=style,
        layout={"width": "max-content"},
    )


def widget_of(field) -> widgets.Widget:
    """The widget of a field."""
    return field.box if isinstance(field, Several) else field


def _options(control: Control, choices: Sequence) -> list[tuple]:
    return [(control.text(choice), choice) for choice in choices]


def _width(texts) -> str:
    return f"{round(max(map(len, texts), default=0) * LETTER) + 22}px"


def write(field, control: Control, before: Settings, value) -> None:
    """Show a value in a control's field, and what can be chosen now."""
    choices = control.choices(before)
    if isinstance(choices, range):
        _fit(field, choices, value)
    else:
        options = _options(control, choices)
        if list(field.options) != options:
            field.options = options
        if control.several and value is None:
            value = tuple(choices)
    field.value = value


def _fit(slider: widgets.IntSlider, choices: range, value: int) -> None:
    """Give a slider new ends; the old ones give way before the value moves."""
    slider.min = min(slider.min, choices[0])
    slider.max = max(slider.max, choices[-1])
    slider.value = value
    slider.min, slider.max = choices[0], choices[-1]


def read(field, control: Control):
    """The value in a control's field, as the control's `checked` takes it."""
    if not control.several:
        return field.value
    return None if len(field.value) == len(field.options) else field.value
