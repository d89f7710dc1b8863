"""Damaged files of the lab are told in one sentence, whatever the damage."""

import ast
import io
import json
from pathlib import Path

import numpy as np
import pytest
from damage import damaged

import labkit
from labkit.common.file_errors import FileError
from labkit.common.reading import read_arrays, read_json

ROOT = Path(labkit.__file__).resolve().parent.parent
SHAPE = {"name": str, "accuracy": float, "rows": [{"n": int}], "ranks": {str: list}}
WHOLE = {"name": "mlp", "accuracy": 1, "rows": [{"n": 2}], "ranks": {"fc1": [3]}}


def one_sentence(error: Exception, path: Path) -> bool:
    text = str(error)
    return str(path) in text and "do this" in text and "\n" not in text


def written(path: Path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_whole_file_is_read(tmp_path):
    assert read_json(written(tmp_path / "a", WHOLE), SHAPE, "do this") == WHOLE


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 3}, "name is 3, not a text"),
        ({"accuracy": True}, "accuracy is True, not a number"),
        ({"accuracy": None}, "accuracy is None, not a number"),
        ({"rows": {}}, "rows is {}, not a list"),
        ({"rows": [{"n": 1}, {"m": 1}]}, "rows[1] has no 'n'"),
        ({"rows": [{"n": 1.5}]}, "rows[0].n is 1.5, not a whole number"),
        ({"ranks": {"fc1": 3}}, "ranks.fc1 is 3, not a list"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, sentence):
    path = written(tmp_path / "a", WHOLE | change)
    with pytest.raises(FileError) as error:
        read_json(path, SHAPE, "do this")
    assert str(error.value) == f"{path} is damaged ({sentence}): do this"


def test_a_key_that_is_looked_up_later_is_named_too(tmp_path):
    path = written(tmp_path / "a", WHOLE)
    (row,) = read_json(path, SHAPE, "do this")["rows"]
    with pytest.raises(FileError, match="it has no 'm' where one is needed") as error:
        row["m"]
    assert one_sentence(error.value, path)
    assert row.get("m") is None and "m" not in row


@pytest.mark.parametrize(
    "content", [b"", b"[", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b"{}"]
)
def test_what_is_no_such_file_is_told(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(FileError, match="is damaged") as error:
        read_json(path, SHAPE, "do this")
    assert one_sentence(error.value, path)


@pytest.mark.parametrize("read", [read_arrays, lambda p, r: read_json(p, dict, r)])
def test_a_missing_file_and_a_folder_are_told(tmp_path, read):
    for path, words in ((tmp_path / "no", "is missing"), (tmp_path, "cannot be read")):
        with pytest.raises(FileError, match=words) as error:
            read(path, "do this")
        assert one_sentence(error.value, path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_arrays_are_read_right_or_told(tmp_path, save):
    whole = {"a": np.arange(30).reshape(5, 6), "b/c": np.ones(4, np.float32)}
    file, told = io.BytesIO(), 0
    save(file, **whole)
    path, rng = tmp_path / "arrays.npz", np.random.default_rng(0)
    for _ in range(300):
        path.write_bytes(damaged(file.getvalue(), rng))
        try:
            found = read_arrays(path, "do this")
        except FileError as error:
            assert one_sentence(error, path)
            told += 1
        else:  # the byte was one that says nothing of the arrays
            for name, array in found.items():
                np.testing.assert_array_equal(array, whole[name])
    assert told > 200


def test_an_array_without_a_name_is_told(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(FileError, match="one array without a name"):
        read_arrays(tmp_path / "a.npy", "do this")


def reads_json(source: str) -> list[int]:
    """The lines where a file is read as JSON."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = {call: ast.unparse(call.func) for call in calls}
    return [
        call.lineno
        for call, name in named.items()
        if name == "json.load"
        or (name == "json.loads" and "read_" in ast.unparse(call.args[0]))
    ]


def test_json_files_are_read_here_alone():
    assert reads_json("json.load(f)\njson.loads(path.read_text('utf-8'))") == [1, 2]
    assert reads_json("json.loads(line)") == []
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("labkit", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for line in reads_json(path.read_text("utf-8"))
    }
    assert {place.partition(":")[0] for place in found} == {"labkit/common/reading.py"}
