"""The losses of distillation: gradients, limits, what is zero, what a target tells."""

import numpy as np
import pytest

from labkit import distill
from labkit.distill import dark_knowledge
from labkit.measure.teacher_gap import gap_closed

LABELS = np.array([0, 2, 1, 3])


def logits(seed, scale=3.0, shape=(4, 5)):
    return np.random.default_rng(seed).normal(0, scale, shape)


TEACHER, STUDENT = logits(1), logits(2)


@pytest.mark.parametrize("temperature", [0.5, 1, 4, 100])
def test_a_softmax_by_its_definition(temperature):
    found = distill.softmax(TEACHER, temperature)
    powers = np.exp(TEACHER / temperature)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.log(found), distill.log_softmax(TEACHER, temperature))


def test_large_logits_overflow_nothing():
    row = np.array([[1e6, 0.0, -1e6]])
    assert distill.softmax(row).tolist() == [[1, 0, 0]]
    assert distill.divergence(row, -row).tolist() == [2e6]
    assert np.isfinite(distill.gradient(row, -row, np.array([1]), 2, 0.5)).all()


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_a_temperature_that_is_none(temperature):
    with pytest.raises(
        ValueError, match="the temperature is .*: give a finite number above 0"
    ):
        distill.softmax(TEACHER, temperature)


def test_softer_is_more_even():
    spread = [distill.entropy(distill.softmax(TEACHER, t)) for t in (1, 2, 8, 1e6)]
    assert (np.diff(spread, axis=0) > 0).all()
    np.testing.assert_allclose(spread[-1], np.log(5), atol=1e-9)


@pytest.mark.parametrize("temperature", [1, 3, 20])
@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_the_gradient_by_finite_differences(temperature, alpha):
    found = distill.gradient(TEACHER, STUDENT, LABELS, temperature, alpha)
    step, slopes = 1e-5, np.zeros_like(STUDENT)
    for place in np.ndindex(STUDENT.shape):
        ends = []
        for sign in (1, -1):
            moved = STUDENT.copy()
            moved[place] += sign * step
            ends.append(distill.loss(TEACHER, moved, LABELS, temperature, alpha))
        slopes[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(found, slopes, atol=1e-8)


@pytest.mark.parametrize("temperature", [1, 3, 20])
def test_the_gradient_by_automatic_differentiation(temperature):
    tf = pytest.importorskip("tensorflow", reason="the extra `train` is not installed")
    z = tf.Variable(STUDENT)
    with tf.GradientTape() as tape:
        p = tf.nn.softmax(TEACHER / temperature)
        soft = tf.nn.softmax_cross_entropy_with_logits(p, z / temperature)
        hard = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, z)
        value = tf.reduce_mean(0.7 * temperature**2 * soft + 0.3 * hard)
    found = distill.gradient(TEACHER, STUDENT, LABELS, temperature, 0.7)
    np.testing.assert_allclose(found, tape.gradient(value, z).numpy(), atol=1e-12)


def test_nothing_to_learn_from_a_teacher_that_says_the_same():
    for temperature in (1, 7):
        same = STUDENT + np.arange(4)[:, None]  # a softmax sees no constant
        assert distill.soft_loss(same, STUDENT, temperature) == pytest.approx(0)
        np.testing.assert_allclose(
            distill.soft_gradient(same, STUDENT, temperature), 0, atol=1e-12
        )
        assert distill.soft_loss(TEACHER, STUDENT, temperature) > 0.1


def test_divergence_is_cross_entropy_less_entropy():
    p = distill.softmax(TEACHER, 3)
    expected = distill.cross_entropy(p, STUDENT, 3) - distill.entropy(p)
    np.testing.assert_allclose(distill.divergence(TEACHER, STUDENT, 3), expected)
    scipy = pytest.importorskip("scipy.stats")
    entropies = scipy.entropy(p, distill.softmax(STUDENT, 3), axis=1)
    np.testing.assert_allclose(distill.divergence(TEACHER, STUDENT, 3), entropies)


def test_t_squared_keeps_the_size_of_the_gradient():
    def size(temperature, squared):
        found = distill.soft_gradient(TEACHER, STUDENT, temperature, squared)
        return np.linalg.norm(found)

    with_it = [size(t, True) for t in (50, 100, 200)]
    without = [size(t, False) for t in (50, 100, 200)]
    np.testing.assert_allclose(with_it, with_it[-1], rtol=0.05)
    np.testing.assert_allclose(np.divide(without[:-1], without[1:]), 4, rtol=0.05)


def test_high_temperatures_match_logits():
    limit = distill.matching_gradient(TEACHER, STUDENT)
    off = [
        np.abs(distill.soft_gradient(TEACHER, STUDENT, t) - limit).max()
        for t in (10, 100, 1000)
    ]
    assert off[0] > 5 * off[1] > 25 * off[2] and off[2] < 1e-2 * np.abs(limit).max()
    one = [a - a.mean(axis=1, keepdims=True) for a in (TEACHER, STUDENT)]
    np.testing.assert_allclose(limit, (one[1] - one[0]) / (5 * 4))


def test_the_nearest_wrong_class():
    found = dark_knowledge.nearest_wrong(TEACHER, LABELS)
    for row, label, wrong in zip(TEACHER, LABELS, found, strict=True):
        others = [k for k in range(5) if k != label]
        assert wrong == max(others, key=lambda k: row[k])


def test_what_is_told_beyond_a_smoothed_label():
    p = distill.softmax(TEACHER, 2)
    rows = np.arange(4)
    smooth = np.repeat((1 - p[rows, LABELS])[:, None] / 4, 5, axis=1)
    smooth[rows, LABELS] = p[rows, LABELS]
    expected = np.sum(p * np.log(p / smooth), axis=1)
    np.testing.assert_allclose(
        dark_knowledge.information_beyond_label(TEACHER, LABELS, 2), expected
    )
    even = np.zeros((1, 5))
    even[0, 3] = 9
    assert dark_knowledge.information_beyond_label(even, np.array([3]))[
        0
    ] == pytest.approx(0)


def test_the_gap():
    teacher, alone = list(range(60)), [list(range(140)), list(range(130))]
    share, low, high = gap_closed(teacher, alone, [list(range(75))] * 2)
    assert share == pytest.approx((135 - 75) / (135 - 60))
    assert 0.6 < low < share < high < 1
    assert gap_closed(teacher, alone, [teacher], draws=5)[0] == 1
    with pytest.raises(ValueError, match="there is no gap"):
        gap_closed(teacher, [teacher], alone)


def test_a_gap_without_an_interval_or_of_other_images_is_refused():
    with pytest.raises(ValueError, match="too small for an interval"):
        gap_closed([1], [[1, 2]], [[1, 2]], draws=50)
    for wrong in ([-2], [10_000]):
        with pytest.raises(ValueError, match="numbers from 0 to 9999"):
            gap_closed(wrong, [[1, 2]], [[1]])


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.zeros((4, 1), int), "give one whole number an image"),
        (np.full(4, 0.9), "give one whole number an image"),
        (np.full(4, -1), "labels are -1 to -1: give 0 to 4"),
        (np.full(4, 5), "labels are 5 to 5: give 0 to 4"),
    ],
)
def test_labels_that_are_none(labels, sentence):
    logits = np.zeros((4, 5))
    for function in (distill.hard_loss, distill.hard_gradient):
        with pytest.raises(ValueError, match=sentence):
            function(logits, labels)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, np.nan])
def test_an_alpha_that_is_none(alpha):
    logits, labels = np.zeros((2, 3)), np.array([0, 1])
    for function in (distill.loss, distill.gradient):
        with pytest.raises(ValueError, match="alpha is"):
            function(logits, logits, labels, 4.0, alpha)


ONE_HOT = np.where(np.eye(3)[:2] == 1, 0.0, -np.inf)  # two labels as a teacher's logits
SMALL = np.log([[1.0, 2.0, 5.0], [4.0, 1.0, 3.0]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_teacher_that_says_labels_is_their_cross_entropy(temperature):
    """-inf is the logarithm of a probability of 0, and 0 log 0 counts 0."""
    found = distill.divergence(ONE_HOT, SMALL, temperature)
    expected = distill.cross_entropy(np.eye(3)[:2], SMALL, temperature)
    np.testing.assert_allclose(found, expected)
    loss = distill.loss(ONE_HOT, SMALL, np.array([0, 1]), temperature, 0.3)
    hard = distill.hard_loss(SMALL, np.array([0, 1]))
    assert loss == pytest.approx(0.3 * temperature**2 * expected.mean() + 0.7 * hard)
    slopes = distill.soft_gradient(ONE_HOT, SMALL, temperature)
    targets = np.eye(3)[:2]
    np.testing.assert_allclose(
        slopes, temperature * (distill.softmax(SMALL, temperature) - targets) / 2
    )
    np.testing.assert_allclose(
        distill.soft_gradient(ONE_HOT, SMALL, 1),
        distill.hard_gradient(SMALL, np.array([0, 1])),
    )


def test_one_class_that_is_ruled_out():
    teacher = np.array([[np.log(3.0), 0.0, -np.inf]])
    np.testing.assert_allclose(distill.softmax(teacher), [[0.75, 0.25, 0]])
    assert distill.log_softmax(teacher)[0, 2] == -np.inf
    found = distill.divergence(teacher, np.zeros((1, 3)))
    expected = 0.75 * np.log(0.75 * 3) + 0.25 * np.log(0.25 * 3)
    np.testing.assert_allclose(found, [expected])


def test_what_labels_tell_beyond_themselves_is_nothing():
    labels = np.array([0, 1])
    assert dark_knowledge.information_beyond_label(ONE_HOT, labels, 2.0).tolist() == [
        0.0,
        0.0,
    ]
    with pytest.raises(ValueError, match="logits beside the label"):
        dark_knowledge.nearest_wrong(ONE_HOT, labels)


def test_a_tiny_temperature_is_a_maximum():
    found = distill.softmax(np.array([[1.0, 2.0, 2.0]]), 5e-324)
    np.testing.assert_allclose(found, [[0, 0.5, 0.5]])
