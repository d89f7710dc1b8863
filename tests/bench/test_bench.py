"""`make bench`: every part runs, and its limit is that of the same runs."""

import re

import numpy as np
import pytest
from chromium import need_chromium
from drive_controls import few_images
from long import quick

from bench import bench, browser, limit
from bench.panel_times import PANELS, with_steps
from labkit import measure, zoo
from labkit.model.runtime import BATCHES, Runner

ROWS = {"panels": len(PANELS), "ranks": 4, "usual": 2, "kernels": 5, "training": 2}
IMAGES = 260  # more than the first estimate


def table(text: str) -> list[list[str]]:
    """The cells of a Markdown table, row by row, without its header."""
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize("part", quick(bench.PARTS, "limits", "ranks"))
def test_every_part_runs_at_its_smallest_size(part, monkeypatch, capsys):
    if part == "browser":
        need_chromium()
        # A measurement may take longer than a test of a panel waits.
        monkeypatch.setattr(browser, "WAIT_MS", 100)
    if part in ("usual", "training", "kernels"):
        pytest.importorskip("keras", reason="the extra `train` is not installed")
    few_images(monkeypatch, IMAGES, "test", "validation")
    bench.main(["--smallest", part])
    written = capsys.readouterr().out
    rows = table(written)
    header = next(line for line in written.splitlines() if line.startswith("|"))
    assert len(rows) == ROWS.get(part, 1)
    assert "limit" in header + "".join(row[0] for row in rows)
    for row in rows:
        assert any(float(cell.replace(",", "")) > 0 for cell in row[1:] if cell)
    if part == "kernels":
        assert re.search(r"first panel: \d+ MB resident, no TensorFlow", written)


def test_a_part_that_there_is_not_is_told(capsys):
    with pytest.raises(SystemExit):
        bench.main(["positions", "postions"])
    assert "there is no part ['postions']: choose limits," in capsys.readouterr().err


def test_without_chromium_the_other_parts_still_run(monkeypatch):
    monkeypatch.setattr(browser, "chromium", lambda: None)
    assert "install it" in bench.browser(bench.SMALLEST)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_the_lab_counts_what_the_bare_interpreter_counts(name):
    network, test = zoo.load(name), zoo.dataset(name).test.take(390)
    right = limit.bare(network.to_bytes(), test.images, test.labels, 125, 2)
    assert right == measure.accuracy(network, test).correct.sum()


@pytest.mark.parametrize("name", zoo.NAMES)
def test_logits_are_those_of_the_bare_interpreter_whatever_the_batch(name):
    content, images = zoo.load(name).to_bytes(), zoo.dataset(name).test.images[:125]
    expected = limit.Bare(content, 125, 1).run(images).copy()
    for batch in (None, *BATCHES[:3]):
        runner = Runner(content, batch)
        step = runner.batch_size
        found = [runner.run(images[k : k + step]) for k in range(0, 125, step)]
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_what_is_replayed_is_what_the_lab_has_run(monkeypatch):
    network, test = zoo.load("lenet5"), zoo.dataset("lenet5").test.take(60)
    with limit.recorded() as files:
        found = measure.accuracy(network, test)
        before = limit.so_far(files)
        Runner(network.to_bytes(), 3, threads=1).invoke()
    (file,), last = before, files[-1]
    assert (file.content, file.threads) == (network.to_bytes(), measure.THREADS)
    np.testing.assert_array_equal(np.concatenate(file.images), test.images)
    assert [len(images) for images in file.images] == [file.batch] * 2 + [10]
    assert (last.batch, last.images, last.invokes) == (3, [], [()])

    ran, invoked = [], []

    class Noting(limit.Bare):
        def __init__(self, content, batch, threads):
            super().__init__(content, batch, threads)
            bare = self.invoke
            self.invoke = lambda: (invoked.append(batch), bare())

        def run(self, images):
            ran.extend(super().run(images).argmax(axis=1))

    monkeypatch.setattr(limit, "Bare", Noting)
    limit.replay(files)
    np.testing.assert_array_equal(np.array(ran) == test.labels, found.correct)
    assert invoked == [file.batch] * 3 + [3]


def test_a_ratio_is_the_median_of_the_rounds():
    assert limit.cells([(30, 20), (12, 10), (11, 10)]) == ["12", "10", "1.20"]
    assert limit.cells([(1.25, 0)], digits=1) == ["1.2", "0.0", ""]  # nothing ran


def test_a_row_that_trains_gets_its_steps():
    assert with_steps({"steps": ..., "seed": 1}, 20) == {"steps": 20, "seed": 1}
    trains = [title for title, (_, s) in PANELS.items() if "steps" in s[0]]
    assert trains == [title for title in PANELS if "{}" in title] != []


def test_nothing_is_noted_after_recording():
    with limit.recorded() as files:
        pass
    measure.accuracy(zoo.load("mlp"), zoo.dataset("mlp").test.take(5))
    assert files == []
