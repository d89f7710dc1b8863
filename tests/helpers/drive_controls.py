"""What the tests of all panels do: turn every control, on few images."""

from contextlib import contextmanager

from long import quick
from small_data import Few

from labkit import zoo
from labkit.common.cache import CACHE
from labkit.plots.plane import height

WAIT = 300  # seconds
# Networks whose every control is turned. resnet20 is resnet8 with more of the same
# blocks and ten times as slow: the tests of one position have it.
TURNED = quick(["mlp", "lenet5", "resnet8"], "mlp")


@contextmanager
def nothing_kept():
    """What is made inside is nobody else's, and nothing from outside is seen."""
    CACHE.clear()
    yield
    CACHE.clear()


def few_images(monkeypatch, n: int, *parts: str) -> None:
    """Cut parts of the zoo's data sets, such as "test": 10,000 images take seconds."""
    whole = zoo.dataset
    monkeypatch.setattr(
        "labkit.zoo.networks.dataset", lambda name: Few(whole(name), n, parts)
    )


def ends(control, before):
    """The least and the greatest value of a control, but the one that it has."""
    choices = control.choices(before)
    if control.several:
        found = [(), None, tuple(choices[:1])] if choices else []
    else:
        found = dict.fromkeys((choices[0], choices[-1]))
    return [value for value in found if value != before[control.name]]


def turn(panel, control, value) -> None:
    """Do what a reader does: change the widget."""
    if control.several and value is None:
        value = tuple(control.choices(panel.settings))
    panel.control(control.name).value = value


def turns(panel):
    """Turn every control but the network to its ends; yields each result.

    Each is put back before the next.
    """
    for control in panel.spec.controls[1:]:
        before = dict(panel.settings)
        for value in ends(control, before):
            turn(panel, control, value)
            result = panel.wait(WAIT)
            assert result.settings[control.name] == value
            assert_in_sight(panel, result)
            yield result
        panel.set(**before)


def all_at_an_end(panel, end: int):
    """Turn every control but the network to its first (0) or last (-1) value."""
    for control in panel.spec.controls[1:]:
        found = ends(control, dict(panel.settings))
        if found:
            turn(panel, control, found[end])
    result = panel.wait(WAIT)
    assert_in_sight(panel, result)
    return result


def assert_in_sight(panel, result) -> None:
    """Every file is inside the plane that is drawn, where there is one.

    But one without an error on the few images of a test: log 0 is nowhere.
    """
    for axes in panel.figure.axes:
        of_bytes = axes.get_xlabel().startswith("size of the file")
        if of_bytes and axes.get_ylabel().startswith("accuracy"):
            (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
            for point in panel.spec.points(result):
                assert left < point.size_bytes < right, point
                assert low < height(point.accuracy) < high or point.accuracy == 1, point
