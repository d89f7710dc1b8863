"""Accuracy on a growing prefix, and the paired comparison."""

import numpy as np
import pytest
from long import quick

from labkit import measure, zoo
from labkit.common.split import Split
from labkit.measure import correctness
from labkit.measure.correctness import Accuracy, accuracy, compare, refine
from labkit.model.graph import NetworkError

# Before all four are trained, the ones that are.
NETWORKS = [name for name in zoo.NAMES if (zoo.FOLDER / f"{name}.tflite").exists()]


class Oracle:
    """Answers an image with its first pixel, and keeps the sizes it was asked for."""

    def __init__(self):
        self.sizes = []

    def predict(self, images):
        self.sizes.append(len(images))
        return np.eye(10, dtype=np.float32)[images[:, 0, 0]]


def split_of(n, wrong=()):
    """n images that Oracle gets right, but for the ones at the places `wrong`."""
    labels = np.arange(n, dtype=np.uint8) % 10
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 0, 0] = labels
    images[list(wrong), 0, 0] = (labels[list(wrong)] + 1) % 10
    return Split(images, labels, np.arange(n))


def test_accuracy_counts_right_answers():
    found = accuracy(Oracle(), split_of(10, wrong=(2, 7)))
    assert found.correct.tolist() == [k not in (2, 7) for k in range(10)]
    assert (found.value, found.n) == (0.8, 10)
    assert found.interval == pytest.approx((0.4902, 0.9433), abs=5e-5)


def test_accuracy_of_a_prefix():
    split = split_of(300, wrong=(0, 200))
    assert accuracy(Oracle(), split, 150).value == 149 / 150
    for n in (0, 301):
        with pytest.raises(ValueError, match="give 1 to 300"):
            accuracy(Oracle(), split, n)


def test_refine_runs_each_image_once_and_only_when_asked():
    oracle = Oracle()
    stages = refine(oracle, split_of(1300, wrong=(1, 260, 1299)))
    assert oracle.sizes == []
    assert (next(stages).value, sum(oracle.sizes)) == (249 / 250, 250)
    assert (next(stages).value, sum(oracle.sizes)) == (998 / 1000, 1000)
    assert (next(stages).value, sum(oracle.sizes)) == (1297 / 1300, 1300)
    assert list(stages) == []
    assert max(oracle.sizes) == correctness.BATCH


def test_refine_keeps_the_first_stage_in_the_next():
    first, second = refine(Oracle(), split_of(40, wrong=(3, 30)), stages=(20, None))
    np.testing.assert_array_equal(second.correct[:20], first.correct)
    np.testing.assert_array_equal(second.index, np.arange(40))


def test_refine_cuts_its_stages_to_the_split():
    assert [a.n for a in refine(Oracle(), split_of(600))] == [250, 600]
    assert [a.n for a in refine(Oracle(), split_of(100))] == [100]


@pytest.mark.parametrize("stages", [(), (0,), (250, 100), (None, 250)])
def test_refine_refuses_stages_that_do_not_grow(stages):
    with pytest.raises(ValueError, match="growing numbers"):
        next(refine(Oracle(), split_of(300), stages))


def test_refine_refuses_an_empty_split():
    with pytest.raises(ValueError, match="no images"):
        next(refine(Oracle(), split_of(3).take(0)))


def test_refine_stops_between_two_batches_when_cancelled():
    oracle = Oracle()

    def cancelled():
        return len(oracle.sizes) == 3

    stages = list(refine(oracle, split_of(1000), (250, None), cancelled))
    assert [a.n for a in stages] == [250]
    assert oracle.sizes == [correctness.BATCH] * 3


def test_outputs_that_are_not_finite_are_an_error_not_an_answer():
    class Overflown:
        def predict(self, images):
            return np.full((len(images), 10), np.nan, np.float32)

    with pytest.raises(NetworkError, match="images 0 to 124 are not finite"):
        next(refine(Overflown(), split_of(300)))


def test_a_model_file_is_opened_once(monkeypatch):
    opened = []

    class Counting(correctness.Runner):
        def __init__(self, *arguments):
            opened.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr("labkit.measure.correctness.Runner", Counting)
    network = zoo.load("mlp")
    assert len(list(refine(network, zoo.dataset("mlp").test.take(1500)))) == 3
    assert opened == [(network.to_bytes(), None, correctness.THREADS)]


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5", "resnet8"))
def test_a_file_is_asked_about_a_cancel_before_each_batch_that_suits_it(name):
    asked = []

    def cancelled():
        asked.append(())
        return False

    list(refine(zoo.load(name), zoo.dataset(name).test.take(260), (250,), cancelled))
    assert len(asked) == (2 if name == "mlp" else 10)


@pytest.mark.parametrize("name", quick(NETWORKS, "mlp", "lenet5", "resnet8"))
def test_the_last_stage_equals_a_direct_run(name):
    network, test = zoo.load(name), zoo.dataset(name).test.take(1100)
    direct = network.predict(test.images).argmax(axis=1) == test.labels
    *_, last = refine(network, test)
    np.testing.assert_array_equal(last.correct, direct)
    np.testing.assert_array_equal(last.index, test.index)


def test_the_exact_accuracy_is_the_one_in_the_record():
    found = accuracy(zoo.load("mlp"), zoo.dataset("mlp").test)
    assert found.n == 10_000
    assert found.value == pytest.approx(zoo.record("mlp")["test_accuracy"], abs=5e-4)


def test_an_accuracy_cannot_be_changed():
    correct = np.array([True, False])
    found = Accuracy(correct)
    correct[1] = True
    assert found.value == 0.5
    with pytest.raises(ValueError, match="read-only"):
        found.correct[1] = True


@pytest.mark.parametrize(
    ("correct", "index"), [([], None), ([[True]], None), ([True], [1, 2])]
)
def test_an_accuracy_needs_one_answer_an_image(correct, index):
    with pytest.raises(ValueError, match="one dimension"):
        Accuracy(correct, index)


def test_compare_counts_what_changed():
    base = Accuracy([True] * 6 + [False] * 4)
    other = Accuracy([True] * 3 + [False] * 3 + [True] + [False] * 3)
    paired = compare(base, other)
    assert (paired.n, paired.newly_wrong, paired.newly_right) == (10, 3, 1)
    assert paired.difference == pytest.approx(other.value - base.value)
    assert paired.p_value == 2 * (1 + 4) / 2**4
    assert paired.interval == measure.newcombe(3, 1, 3, 3)


def test_compare_with_itself_finds_nothing():
    paired = compare(Accuracy([True, False]), Accuracy([True, False]))
    assert (paired.newly_wrong, paired.newly_right) == (0, 0)
    assert (paired.difference, paired.p_value) == (0, 1)
    assert paired.interval[0] < 0 < paired.interval[1]


def test_compare_takes_the_shorter_prefix():
    long, short = Accuracy([True, True, False, True]), Accuracy([False, True])
    assert compare(long, short).n == compare(short, long).n == 2
    assert compare(long, short).newly_wrong == 1
    assert compare(short, long).newly_right == 1


def test_compare_refuses_different_images():
    test, validation = (Accuracy([True, True], index) for index in ([4, 9], [0, 1]))
    with pytest.raises(ValueError, match="different images"):
        compare(test, validation)
