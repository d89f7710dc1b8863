"""JupyterLab takes the place of the command that starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.common import start
from labkit.common.installation import ROOT, Installation, InstallationError

BECOME = """
import sys
from pathlib import Path
from labkit.common.start import become
become([sys.executable, "-c", sys.argv[2]], Path(sys.argv[3]), sys.argv[1])
"""
WAITS = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print(os.getcwd(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)  # JupyterLab asks whether to stop
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("system", ["posix", "nt"])
def test_ctrl_c_is_answered_by_jupyterlab(tmp_path, system):
    with subprocess.Popen(
        [sys.executable, "-c", BECOME, system, WAITS, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stdout.readline().strip() == str(tmp_path)
        os.killpg(child.pid, signal.SIGINT)
        child.communicate()
    assert child.returncode == 7


def test_root_is_allowed_where_it_is_root():
    python = Path("python")
    words = start.lab_command(python, ["--no-browser", "--port=1"], is_root=True)
    assert words[4] == "--allow-root" and words[-2:] == ["--no-browser", "--port=1"]
    assert words[5] == "--LabApp.default_url=/lab/tree/notebooks/00_the_bench.ipynb"
    assert (ROOT / start.FIRST).exists()


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt, 130, "stopped: the same command begins the installation"),
        (InstallationError("pip could not"), 1, "pip could not"),
    ],
)
def test_an_installation_that_stops_opens_nothing(
    monkeypatch, capsys, error, code, sentence
):
    def stops(lab, dev):
        raise error

    monkeypatch.setattr(Installation, "ensure", stops)
    monkeypatch.setattr(start, "become", lambda *given: pytest.fail("it was opened"))
    with pytest.raises(SystemExit) as end:
        start.main(["lab"])
    assert end.value.code == code
    assert sentence in capsys.readouterr().err


def test_setup_installs_and_opens_nothing(monkeypatch):
    installed, opened = [], []
    monkeypatch.setattr(Installation, "ensure", lambda lab, dev: installed.append(dev))
    monkeypatch.setattr(start, "become", lambda *given: opened.append(given))
    start.main(["setup", "--dev"])
    start.main(["setup"])
    assert (installed, opened) == ([True, False], [])
    start.main(["lab", "--no-browser"])
    assert installed[2:] == [False]
    ((command, folder),) = opened
    assert command[-1] == "--no-browser" and folder == ROOT
