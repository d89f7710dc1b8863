"""Distillation with Keras: its losses are ours, and the teacher stays as it was."""

import numpy as np
import pytest
from long import quick

from labkit import distill
from labkit.zoo import datasets

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
import tensorflow as tf  # noqa: E402
from keras.distillation import LogitsDistillation  # noqa: E402

from labkit.model.inputs import as_inputs  # noqa: E402
from labkit.train import distilling, fit, transfers  # noqa: E402
from labkit.train.recipes import Recipe  # noqa: E402

SHORT = Recipe("mnist", 1, "adam", 1e-3, batch_size=50, shift=1, warmup_epochs=0)
CPU = {"rtol": 1e-4, "atol": 1e-6}


def logits(seed, scale, n=8):
    return np.random.default_rng(seed).normal(0, scale, (n, 10)).astype(np.float32)


def value_and_slopes(loss, teacher, student):
    z = tf.Variable(student)
    with tf.GradientTape() as tape:
        value = loss.compute_loss(teacher, z)
    return float(value), tape.gradient(value, z).numpy()


@pytest.fixture
def batch():
    split = datasets.load_images("mnist").train.take(50)
    return as_inputs(split.images, (784,)), split.labels.astype(np.int32)


@pytest.fixture
def pair():
    keras.utils.set_random_seed(0)
    widths = {"fc1": 20, "fc2": 12}
    return fit.build("mlp"), fit.build("mlp", widths=widths)


@pytest.mark.parametrize("temperature", [1.0, 2.5, 20.0])
@pytest.mark.parametrize("scale", [0.5, 3])
def test_keras_soft_loss_is_ours(temperature, scale):
    teacher, student = logits(1, scale), logits(2, scale)
    loss = distilling.softened(temperature)
    value, slopes = value_and_slopes(loss, teacher, student)
    ours = distill.soft_loss(teacher, student, temperature)
    assert value == pytest.approx(ours, rel=1e-4)
    wanted = distill.soft_gradient(teacher, student, temperature)
    np.testing.assert_allclose(slopes, wanted, **CPU)


def test_keras_default_loss_compares_clipped_logits():
    """The trap in LogitsDistillation(T): no softmax, no T squared."""
    teacher, student = logits(1, 3), logits(2, 3)
    value, _ = value_and_slopes(LogitsDistillation(2.0), teacher, student)
    t, s = (np.clip(x / 2, 1e-7, 1) for x in (teacher, student))
    assert value == pytest.approx(np.mean(np.sum(t * np.log(t / s), axis=1)), rel=1e-4)
    assert value > 2 * distill.soft_loss(teacher, student, 2)


def test_keras_forgets_what_is_below_its_epsilon():
    """Where the student is sure and wrong by far, ours still pulls; Keras' does not."""
    teacher, student = np.array([[30.0, 0, -30]]), np.array([[-30.0, 0, 30]])
    teacher, student = teacher.astype(np.float32), student.astype(np.float32)
    value, slopes = value_and_slopes(distilling.softened(1.0), teacher, student)
    assert value == pytest.approx(-np.log(1e-7), rel=1e-3)
    assert np.abs(slopes).max() < 1e-6
    ours = distill.soft_gradient(teacher, student, 1)
    np.testing.assert_allclose(ours, [[-1, 0, 1]], atol=1e-9)
    assert distill.soft_loss(teacher, student, 1) == pytest.approx(60)


@pytest.mark.parametrize("alpha", [0, 0.4, 1])
def test_a_step_s_whole_loss_is_ours(eager, pair, batch, alpha):
    teacher, student = pair
    model = distilling.soft_targets(teacher, student, 4.0, alpha)
    fit.compile_by(SHORT, model, 10)
    t, s = (network(batch[0]).numpy() for network in pair)
    found = model.train_on_batch(*batch, return_dict=True)
    assert found["loss"] == pytest.approx(
        distill.loss(t, s, batch[1], 4, alpha), rel=1e-4
    )


def test_the_teacher_is_bit_identical_after_training(eager, pair):
    teacher, student = pair
    before = [w.tobytes() for w in teacher.get_weights()]
    start = student.get_weights()[0].copy()
    split = datasets.load_images("mnist").train.take(200)
    model = distilling.soft_targets(teacher, student, 4.0, 0.9)
    fit.compile_by(SHORT, model, 4)
    model.fit(fit.Batches(split, SHORT, (784,), 0, 0), verbose=0)
    assert [w.tobytes() for w in teacher.get_weights()] == before
    assert (student.get_weights()[0] != start).any()


def test_a_student_that_is_its_teacher_has_nothing_to_learn(eager, batch):
    keras.utils.set_random_seed(0)
    teacher = fit.build("mlp")
    student = fit.with_weights_of(teacher, fit.build("mlp"))
    model = distilling.soft_targets(teacher, student, 4.0, 1.0)
    fit.compile_by(SHORT, model, 10)
    assert model.train_on_batch(*batch, return_dict=True)["loss"] < 1e-6


def test_the_teacher_sees_the_augmented_batch(pair):
    """A teacher that says what it was asked about."""
    teacher, student = pair
    seen = []
    spy = keras.layers.Lambda(
        lambda x: (tf.py_function(lambda y: seen.append(y.numpy()), [x], []), x)[1],
        output_shape=(784,),
    )
    watched = keras.Model(teacher.input, teacher(spy(teacher.input)))
    model = distilling.soft_targets(watched, student, 4.0, 0.9)
    fit.compile_by(SHORT, model, 2)
    model.run_eagerly = True
    split = datasets.load_images("mnist").train.take(50)
    batches = fit.Batches(split, SHORT, (784,), 3, 0)
    inputs, labels = batches[0]
    model.train_on_batch(inputs, labels)
    plain = as_inputs(split.images[batches.order], (784,))
    assert any(np.array_equal(one, inputs) for one in seen)
    assert not np.array_equal(inputs, plain)


def test_hints_train_the_student_and_a_projection(pair, batch):
    teacher, student = pair
    before = [w.tobytes() for w in teacher.get_weights()]
    model = distilling.hints(teacher, student, ("fc1", "fc1"), 4.0, 0.9, weight=0.5)
    distilling.compile_hints(model, keras.optimizers.Adam(1e-3))
    projection = model.student.get_layer("projection")
    start = projection.get_weights()[0].copy(), student.get_weights()[0].copy()
    (t, its), (s, mine) = (net(batch[0]) for net in (model.teacher, model.student))
    expected = distill.loss(t.numpy(), s.numpy(), batch[1], 4, 0.9)
    expected += 0.9 * 0.5 * np.mean((its - mine) ** 2)
    x, labels = batch
    found = model.train_on_batch(x, (labels, labels), return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    for _ in range(20):
        last = model.train_on_batch(x, (labels, labels), return_dict=True)
    assert last["loss"] < 0.9 * found["loss"]
    assert (projection.get_weights()[0] != start[0]).any()
    assert (student.get_weights()[0] != start[1]).any()
    assert projection.name not in [layer.name for layer in student.layers]
    assert [w.tobytes() for w in teacher.get_weights()] == before


def test_input_slopes_of_a_linear_network_are_its_rows():
    x = keras.Input((3,))
    network = keras.Model(x, keras.layers.Dense(2)(x))
    w = np.array([[1.0, 2], [3, 4], [5, 6]], np.float32)
    network.set_weights([w, np.zeros(2)])
    inputs, labels = tf.ones((2, 3)), np.array([1, 0])
    found, slopes = transfers.input_slopes(network, inputs, labels)
    assert slopes.numpy().tolist() == [[2, 4, 6], [1, 3, 5]]
    assert found.numpy().tolist() == [[9, 12]] * 2
    _, slopes = transfers.input_slopes(network, inputs, labels, of_loss=True)
    wanted = distill.hard_gradient(found.numpy(), labels) * 2 @ w.T
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5)


def test_attention_by_hand():
    its = np.zeros((1, 1, 2, 3), np.float32)
    its[0, 0, 0] = 1, 1, 1  # looks left
    mine = np.zeros((1, 1, 2, 1), np.float32)
    mine[0, 0, 1] = 7  # looks right
    assert transfers.attention_distance(its, mine).numpy() == pytest.approx(2)
    assert transfers.attention_distance(its, its[..., :1] * 5).numpy() == 0


def test_relations_by_hand():
    line = np.array([[0.0], [1], [3]])  # distances 1, 2, 3; mean 2
    even = np.array([[0.0, 0], [2, 0], [1, np.sqrt(3)]])  # all 2
    found = transfers.relation_distance(tf.constant(line), tf.constant(even)).numpy()
    assert found == pytest.approx(2 * (0.5**2 + 0 + 0.5**2) / 2 / 9)
    same = transfers.relation_distance(tf.constant(line), tf.constant(7 * line))
    assert same.numpy() == pytest.approx(0)


def transfer(kind, pair):
    teacher, student = pair
    if kind in ("jacobian", "loss gradient"):
        of_loss = kind == "loss gradient"
        return transfers.GradientTransfer(teacher, student, 5.0, of_loss)
    if kind == "relations":
        distance, layers = transfers.relation_distance, ("fc2", "fc2")
    else:
        distance, layers = transfers.attention_distance, ("pool2", "pool2")
    return transfers.FeatureTransfer(teacher, student, 5.0, layers, distance)


@pytest.mark.parametrize(
    "kind", quick(["jacobian", "loss gradient", "relations"], "jacobian")
)
def test_a_transfer_makes_the_student_more_alike(eager, kind, pair, batch):
    assert_more_alike(transfer(kind, pair), *batch)


@pytest.mark.long
def test_attention_is_transferred_between_convolutions(eager, batch):
    keras.utils.set_random_seed(0)
    widths = {"conv1": 5, "conv2": 6, "fc1": 20}
    networks = fit.build("lenet5"), fit.build("lenet5", widths=widths)
    images = batch[0].reshape(-1, 28, 28, 1)
    assert_more_alike(transfer("attention", networks), images, batch[1])


def assert_more_alike(model, inputs, labels):
    before = [w.tobytes() for w in model.teacher.get_weights()]
    fit.compile_by(SHORT, model, 30)
    inputs = tf.constant(inputs)  # a tape watches no array of NumPy's
    rows = [model.train_on_batch(inputs, labels, return_dict=True) for _ in range(20)]
    assert rows[-1]["unlike"] < 0.95 * rows[0]["unlike"]
    assert rows[-1]["hard"] < rows[0]["hard"]
    assert rows[0]["loss"] == pytest.approx(rows[0]["hard"] + 5 * rows[0]["unlike"])
    assert [w.tobytes() for w in model.teacher.get_weights()] == before


def test_parameter_gradients_of_the_same_function_differ(batch):
    """The order of hidden units is arbitrary; gradients by the input do not see it."""
    keras.utils.set_random_seed(0)
    one = fit.build("mlp")
    order = np.random.default_rng(0).permutation(300)
    w1, b1, w2, *rest = one.get_weights()
    other = fit.build("mlp")
    other.set_weights([w1[:, order], b1[order], w2[order], *rest])
    x, labels = tf.constant(batch[0]), batch[1]
    found = []
    for network in (one, other):
        with tf.GradientTape() as tape:
            hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(x))
        by_parameters = tape.gradient(hard, network.trainable_variables[0].value)
        found.append((transfers.input_slopes(network, x, labels)[1], by_parameters))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)
    assert np.linalg.norm(found[0][1] - found[1][1]) > 0.5 * np.linalg.norm(found[0][1])
