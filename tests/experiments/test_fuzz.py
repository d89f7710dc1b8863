"""Damaged files of both formats: they open and are consistent, or one sentence.

`python -m experiments.fuzz` runs as many as wanted.
"""

from experiments import fuzz


def test_two_hundred_damaged_files(capsys):
    assert fuzz.main(["--inputs", "200", "--seed", "0"]) == 0
    table = capsys.readouterr().out.splitlines()
    found = {tuple(line.rsplit(None, 1)[0].split()): line for line in table}
    counts = {kind: int(line.split()[-1]) for kind, line in found.items()}
    assert sum(counts.values()) == 200
    # Neither all refused nor all let through, in either format.
    for kind in ("packed", "tflite"):
        assert counts[kind, "opened"] > 3 and counts[kind, "not", "read"] > 20


def test_the_same_files_for_a_seed():
    assert list(fuzz.inputs(10, 3)) == list(fuzz.inputs(10, 3))
    assert list(fuzz.inputs(10, 3)) != list(fuzz.inputs(10, 4))


def test_good_files_open():
    for name, content in fuzz.seeds().items():
        assert fuzz.outcome(content, None) == "opened", name
