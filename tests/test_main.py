"""`python -m labkit` says what the lab holds, and starts a training."""

import ast
import json
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

import labkit.train.commands
from labkit import __main__, zoo
from labkit.common import start
from labkit.common.file_errors import FileError
from labkit.compress.post_training import Setting
from labkit.model.graph import NetworkError
from labkit.train.commands import command_line as command


def test_overview_names_lessons_networks_and_data():
    done = subprocess.run(
        [sys.executable, "-m", "labkit"], capture_output=True, text=True, check=True
    )
    for path in command.NOTEBOOKS.glob("*.ipynb"):
        assert re.search(rf"{path.stem} +\S", done.stdout)
    for name in zoo.NAMES:
        record = zoo.record(name)
        size_bytes = (zoo.FOLDER / f"{name}.tflite").stat().st_size
        facts = rf"{record['dataset']} +{record['test_accuracy']:.2%} +{size_bytes:,}"
        assert re.search(rf"{name} +{facts} bytes", done.stdout)
    assert "Krizhevsky 2009" in done.stdout and "LeCun" in done.stdout


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 14), (4, 0)])
def test_another_python_gets_one_sentence(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", (*version, 1))
    with pytest.raises(SystemExit) as end:
        __main__.main(["lab"])
    named = f"{sys.executable} is {version[0]}.{version[1]}: name another one"
    assert named in end.value.code and "\n" not in end.value.code


def test_an_old_python_can_read_that_sentence():
    for file in ("__init__.py", "__main__.py"):
        source = (zoo.ROOT / "labkit" / file).read_text("utf-8")
        ast.parse(source, feature_version=(3, 6))


def bare(*arguments: str) -> subprocess.CompletedProcess:
    """`python -m labkit` of a Python that has nothing installed."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "labkit", *arguments],
        cwd=zoo.ROOT,
        capture_output=True,
        text=True,
    )


def test_without_packages_one_can_install_and_is_told_so():
    assert "--dev" in bare("setup", "--help").stdout
    done = bare("train", "mlp")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no numpy: `python -m labkit setup` installs everything" in done.stderr


def test_installing_is_listed_beside_the_trainings(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["--help"])
    listed = capsys.readouterr().out
    for name, line in start.COMMANDS.items():
        assert re.search(rf"^    {name} +{line[:20]}", listed, re.MULTILINE)


def test_train_passes_name_and_seed_on(monkeypatch):
    calls = []
    training = SimpleNamespace(main=lambda name, seed: calls.append((name, seed)))
    monkeypatch.setattr(labkit.train.commands, "training", training, raising=False)
    command.main(["train", "lenet5", "--seed", "3"])
    command.main(["train", "mlp"])
    assert calls == [("lenet5", 3), ("mlp", None)]


@pytest.mark.parametrize(
    ("line", "name", "given"),
    [
        ("prune mlp 0.92 --seed 3", "prune", ("mlp", 0.92, 3)),
        ("prune resnet20 0.69", "prune", ("resnet20", 0.69, 0)),
        ("filters resnet20 0.27", "remove_filters", ("resnet20", 0.27, 0)),
        ("gradients resnet8", "keep_gradients", ("resnet8",)),
    ],
)
def test_the_commands_of_pruning_pass_on_what_they_are_given(
    monkeypatch, line, name, given
):
    calls = []
    pruning = SimpleNamespace(**{name: lambda *arguments: calls.append(arguments)})
    monkeypatch.setattr(labkit.train.commands, "pruning", pruning, raising=False)
    command.main(line.split())
    assert calls == [given]


def test_lowrank_reads_millions_of_macs_or_refuses_them(monkeypatch, capsys):
    calls = []
    training = SimpleNamespace(main=lambda *given: calls.append(given))
    monkeypatch.setattr(labkit.train.commands, "low_rank", training, raising=False)
    command.main(["lowrank", "resnet20", "22.7M", "--seed", "1"])
    assert calls == [("resnet20", 22_700_000, 1)]
    for wrong in ("26", "M", "0M", "manyM"):
        with pytest.raises(SystemExit):
            command.main(["lowrank", "resnet8", wrong])
        assert "is no number of MACs, like 26M" in capsys.readouterr().err


def test_qat_reads_a_setting_or_refuses_it(monkeypatch, capsys):
    calls = []
    training = SimpleNamespace(main_qat=lambda *given: calls.append(given))
    monkeypatch.setattr(labkit.train.commands, "training", training, raising=False)
    command.main(["qat", "mlp", "W4A8"])
    assert calls == [("mlp", Setting(4, 8), 0)]
    with pytest.raises(SystemExit):
        command.main(["qat", "mlp", "W1A8"])
    assert "no setting: write W4A8" in capsys.readouterr().err


@pytest.mark.parametrize("sparsity", ["92", "1", "-0.1", "nan", "12x"])
def test_prune_refuses_what_is_no_fraction(sparsity, capsys):
    with pytest.raises(SystemExit):
        command.main(["prune", "mlp", sparsity])
    assert "is no fraction from 0 to below 1" in capsys.readouterr().err


def test_train_without_keras_says_what_to_install(monkeypatch, capsys):
    monkeypatch.delattr(labkit.train.commands, "training", raising=False)
    monkeypatch.setitem(sys.modules, "labkit.train.commands.training", None)
    with pytest.raises(SystemExit):
        command.main(["train", "mlp"])
    assert "pip install -e '.[train]'" in capsys.readouterr().err


def test_train_refuses_an_unknown_network(capsys):
    with pytest.raises(SystemExit):
        command.main(["train", "vgg"])
    assert "invalid choice: 'vgg'" in capsys.readouterr().err


def test_ctrl_c_ends_in_a_sentence_and_its_exit_code(monkeypatch, capsys):
    def interrupted(*given):
        raise KeyboardInterrupt

    training = SimpleNamespace(main=interrupted, keep_gradients=interrupted)
    monkeypatch.setattr(labkit.train.commands, "training", training, raising=False)
    monkeypatch.setattr(labkit.train.commands, "pruning", training, raising=False)
    for line, words in (
        ("train mlp --seed 3", "`python -m labkit train mlp --seed 3` goes on after"),
        ("gradients mlp", "nothing is kept: `python -m labkit gradients mlp` begins"),
    ):
        with pytest.raises(SystemExit) as end:
            command.main(line.split())
        assert end.value.code == 130
        assert words in capsys.readouterr().err


TRAINING = """
import signal, sys
from pathlib import Path
from labkit import __main__
from labkit.train import fit
from labkit.train.commands import training

class Said(fit.keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("trains", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
train, training.RUNS = fit.train, Path(sys.argv[1])
fit.train = lambda *given: train(*given, callbacks=[Said()])
__main__.main(["train", "mlp"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_in_a_real_training_shows_no_frames(tmp_path):
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        while "trains" not in child.stdout.readline():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert child.returncode == 130
    assert "Traceback" not in said and "goes on after the last whole epoch" in said


@pytest.mark.parametrize("error", [FileError("a: do this"), NetworkError("b: do this")])
def test_a_file_that_cannot_be_had_is_one_sentence(monkeypatch, capsys, error):
    def failing(*given):
        raise error

    training = SimpleNamespace(main=failing)
    monkeypatch.setattr(labkit.train.commands, "training", training, raising=False)
    with pytest.raises(SystemExit) as end:
        command.main(["train", "mlp"])
    assert end.value.code == 1
    assert capsys.readouterr().err == f"\n{error}\n"


def test_a_damaged_notebook_is_named(tmp_path):
    (tmp_path / "09_x.ipynb").write_text("{")
    with pytest.raises(FileError, match=r"09_x\.ipynb is damaged .*git checkout"):
        command.lessons(tmp_path)


def test_a_notebook_without_heading_is_named(tmp_path):
    path = tmp_path / "09_x.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["# no"]}]}))
    with pytest.raises(ValueError, match="09_x.ipynb has no heading"):
        command.heading(path)


def test_distill_passes_its_options_on(monkeypatch):
    calls = []
    distilling = SimpleNamespace(main=lambda *given: calls.append(given))
    monkeypatch.setattr(
        labkit.train.commands, "distillation", distilling, raising=False
    )
    command.main(["distill", "resnet8", "--teacher", "resnet20", "--seed", "2"])
    command.main(
        ["distill", "resnet20", "--teacher", "resnet20", "--alone", "--epochs", "3"]
    )
    assert calls == [
        ("resnet8", "resnet20", 2, False, None),
        ("resnet20", "resnet20", 0, True, 3),
    ]
    with pytest.raises(SystemExit):
        command.main(["distill", "mlp"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--teacher", "lenet5"], "take a teacher that reads what the student reads"),
        (["--teacher", "mlp", "--seed", "-1"], "no seed: give a whole number"),
    ],
)
def test_distill_refuses_in_one_sentence(options, sentence, capsys):
    with pytest.raises(SystemExit):
        command.main(["distill", "mlp", *options])
    assert sentence in capsys.readouterr().err
