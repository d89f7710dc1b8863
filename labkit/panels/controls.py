"""What a reader can set: described without widgets, checked in one place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Control:
    """One setting of a panel.

    name: the setting's. label: what the reader sees. values: a range of whole numbers
    (a slider), a tuple (a menu), a registry (a menu of its names), or a function from
    the settings of the controls before it to one of these. default: the first value, or
    a function like `values`; left out, the first of the values. several: any number of
    the values, as a tuple; None stands for all of them. advanced: in the fold. texts:
    value -> what the menu calls it, a text or a row of a registry.
    """

    name: str
    label: str
    values: range | tuple | Mapping[Any, Any] | Callable[[Settings], tuple]
    default: Any = None
    several: bool = False
    advanced: bool = False
    texts: Mapping[Any, Any] = field(default_factory=dict)

    def choices(self, before: Settings) -> range | tuple:
        """The values that can be chosen, given the controls before this one.

        >>> Control("scope", "Ranked", {"layer": "one", "global": "all"}).choices({})
        ('layer', 'global')
        """
        found = self.values(before) if callable(self.values) else self.values
        return tuple(found) if isinstance(found, Mapping) else found

    def initial(self, before: Settings) -> Any:
        """The value to begin with."""
        if self.several:
            return None
        start = self.default(before) if callable(self.default) else self.default
        return self.choices(before)[0] if start is None else start

    def text(self, value: Any) -> str:
        """What a menu calls a value."""
        return str(self.texts.get(value, value))

    def checked(self, value: Any, before: Settings) -> Any:
        """The value as `compute` takes it; ValueError, in one sentence, if unfit.

        >>> Control("bits", "Bits", range(2, 17)).checked(40, {})
        Traceback (most recent call last):
        ValueError: bits is 40: give a whole number from 2 to 16
        """
        choices = self.choices(before)
        if self.several:
            return self._checked_several(value, choices)
        known = isinstance(value, int) if isinstance(choices, range) else True
        if known and value in choices and not isinstance(value, bool):
            return value
        raise ValueError(f"{self.name} is {value!r}: {_advice(choices)}")

    def _checked_several(self, value: Any, choices: tuple) -> tuple | None:
        if value is None:
            return None
        if isinstance(value, str) or not all(one in choices for one in value):
            raise ValueError(
                f"{self.name} is {value!r}: give a tuple of {_listed(choices)}, "
                "or None for all"
            )
        chosen = tuple(one for one in choices if one in value)
        return None if chosen == tuple(choices) else chosen


def _advice(choices: range | tuple) -> str:
    if isinstance(choices, range):
        return f"give a whole number from {choices[0]} to {choices[-1]}"
    return f"choose one of {_listed(choices)}"


def _listed(choices: tuple) -> str:
    return ", ".join(repr(choice) for choice in choices)


def complete(
    controls: tuple[Control, ...], wanted: Settings, now: Settings
) -> Settings:
    """Every setting checked: `wanted` first, then what holds `now`, then the default.

    Nobody can change what is returned.

    >>> bits = Control("bits", "Bits", range(2, 9), default=4)
    >>> dict(complete((bits,), {}, {})), dict(complete((bits,), {"bits": 3}, {}))
    ({'bits': 4}, {'bits': 3})

    What holds now is kept only where it can still be chosen (another network has other
    layers). Raises ValueError for a setting that no control has, or a value that its
    control does not take.
    """
    names = [control.name for control in controls]
    for name in wanted:
        if name not in names:
            raise ValueError(
                f"there is no setting {name!r}: {', '.join(names)} can be set"
            )
    settings: dict[str, Any] = {}
    for control in controls:
        settings[control.name] = _value(control, wanted, now, settings)
    return MappingProxyType(settings)


def _value(control: Control, wanted: Settings, now: Settings, before: Settings) -> Any:
    if control.name in wanted:
        return control.checked(wanted[control.name], before)
    if control.name in now:
        try:
            return control.checked(now[control.name], before)
        except ValueError:
            pass
    return control.initial(before)
