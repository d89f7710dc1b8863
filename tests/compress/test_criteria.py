"""Scores by a Hessian: of the chosen layers alone, a few outputs at a time, kept."""

from dataclasses import replace

import numpy as np

from labkit import zoo
from labkit.compress.criteria import SURGEON, criterion_scores, surgeon_steps
from labkit.prune.brain_surgeon import obs_scores
from labkit.prune.scores import CRITERIA


def test_the_surgeon_is_asked_for_the_chosen_layers_alone(monkeypatch):
    asked = []

    def observed(w, h):
        asked.append(w.shape)
        return obs_scores(w, h)

    row = replace(CRITERIA[SURGEON], compute=observed)
    monkeypatch.setitem(CRITERIA, SURGEON, row)
    found = criterion_scores("lenet5", SURGEON, layers=("conv1", "fc2"))
    assert list(found) == ["conv1", "fc2"] and found["conv1"].shape == (20, 5, 5, 1)
    assert set(asked) == {(20, 25), (10, 500)}
    asked.clear()
    assert criterion_scores("lenet5", SURGEON, layers=("fc2",))["fc2"] is found["fc2"]
    assert not asked  # kept


def test_the_surgeon_scores_a_few_outputs_a_step(monkeypatch):
    calls = []

    def ones(w, h):
        calls.append(len(w))
        return np.ones(w.shape)

    monkeypatch.setitem(CRITERIA, SURGEON, replace(CRITERIA[SURGEON], compute=ones))
    steps = surgeon_steps("mlp", ("fc2",))
    next(steps), next(steps)
    assert calls == [25, 25]
    assert len(list(steps)) == len(zoo.load("mlp").kernels["fc2"]) // 25 - 2
