"""Settings of all tests: a property holds on a slow machine as on a fast one.

And two ways to train in less time than TensorFlow takes to start and to compile.
"""

import importlib
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import HealthCheck, settings
from long import quick


def _own_cores() -> None:
    """Each worker keeps to its share of the cores: threads that wait for one spin."""
    worker, count = (os.environ.get(f"PYTEST_XDIST_WORKER{k}") for k in ("", "_COUNT"))
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        mine = cores[int(worker.removeprefix("gw")) % len(cores) :: int(count)]
        os.sched_setaffinity(0, mine)


_own_cores()
# A live training of a lesson or a panel; none of them asserts how good it is.
os.environ.setdefault("LABKIT_SECONDS", "2")
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(params=quick([True, False], True), ids=["eager", "compiled"])
def eager(request):
    """Keras computes step by step: a few steps take less time than compiling them.

    `make check` runs the same test compiled.
    """
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    tf.config.run_functions_eagerly(request.param)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def in_this_process(monkeypatch):
    """`labkit.train.child` runs its command here, where TensorFlow is imported already.

    What the command prints comes at its end, so that it cannot be cancelled.
    """
    pytest.importorskip("keras", reason="the extra `train` is not installed")
    from labkit.train import child

    def lines(command, cancelled):
        _, _, module, *arguments = command
        said, complaints, code = io.StringIO(), io.StringIO(), None
        with (
            monkeypatch.context() as patch,
            redirect_stdout(said),
            redirect_stderr(complaints),
        ):
            patch.setattr(sys, "argv", [module, *arguments])
            try:
                importlib.import_module(module).main()
            except SystemExit as end:
                code = end.code
        if code:
            last = complaints.getvalue().strip().splitlines()[-1]
            raise child.TrainingError(child._why(code, last))
        return said.getvalue().splitlines()

    monkeypatch.setattr(child, "_lines", lines)
