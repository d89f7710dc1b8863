"""Zeros of a kernel stay zeros, in every order of calls and with every optimizer."""

import numpy as np
import pytest
from long import quick

keras = pytest.importorskip("keras", reason="the extra `train` is not installed")
from labkit.train import masked  # noqa: E402

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9),
    "lion": lambda: keras.optimizers.Lion(0.01, weight_decay=0.1),
    "accumulating": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((4, 4, 1)),
            keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="fc"),
        ]
    )


def compiled(model, optimizer, **settings):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[optimizer](), loss, **settings)


def fit(model):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 4, 4, 1)), rng.integers(0, 3, 32)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)


def halves(model) -> dict:
    """Masks that keep the larger half of each kernel."""
    return {
        name: w > np.median(w) if w.size % 2 else w >= np.median(w)
        for name, w in masked.magnitudes(model).items()
    }


def pruned(model) -> dict:
    found = halves(model)
    masked.prune(model, found)
    return found


# What is called before the last training; each returns the masks that must hold.
ORDERS = {
    "keep, compile, prune": "keep compile prune",
    "compile, keep, prune": "compile keep prune",
    "trained before it": "compile fit keep prune",
    "trained in between": "compile keep fit prune",
    "trained before and in between": "compile fit keep fit prune",
    "kept twice": "compile keep fit keep prune",
    "compiled again": "compile keep fit prune compile",
    "zeros that were there": "compile fit prune_by_hand keep",
    "kept again behind it": "compile keep prune fit keep",
}
ONE_FAULT_EACH = [
    order for name, order in ORDERS.items() if name != "trained before and in between"
]


HARDEST = "compile keep fit prune"


@pytest.mark.parametrize("order", quick(ORDERS.values(), *ONE_FAULT_EACH))
def test_a_zero_stays_a_zero(order):
    assert_zeros_stay(order, "sgd")


@pytest.mark.parametrize(
    "optimizer",
    quick([name for name in OPTIMIZERS if name != "sgd"], "adam", "rmsprop"),
)
def test_whatever_the_optimizer_does(eager, optimizer):
    assert_zeros_stay(HARDEST, optimizer)


def assert_zeros_stay(order, optimizer):
    model = small()
    kept = {}
    for step in order.split():
        if step == "compile":
            compiled(model, optimizer)
        elif step == "fit":
            fit(model)
        elif step == "keep":
            masked.keep_zeros(model)
        elif step == "prune":
            kept = pruned(model)
        else:
            kept = halves(model)
            for name, kernel in masked.kernels(model).items():
                kernel.assign(np.asarray(kernel) * kept[name])
    before = {name: np.asarray(w) for name, w in masked.kernels(model).items()}
    fit(model)
    for name, kernel in masked.kernels(model).items():
        assert not np.asarray(kernel)[~kept[name]].any(), name
        assert (np.asarray(kernel) != before[name]).sum() > 0.9 * kept[name].sum()


def test_steps_one_by_one_keep_them_too():
    model = small()
    compiled(model, "sgd")
    x, y = np.ones((4, 4, 4, 1)), np.array([0, 1, 2, 0])
    model.train_on_batch(x, y)
    masked.keep_zeros(model)
    kept = pruned(model)
    model.train_on_batch(x, y)
    assert masked.kept(model) == {name: mask.sum() for name, mask in kept.items()}


@pytest.mark.parametrize(
    "settings",
    quick([{"run_eagerly": True}, {"jit_compile": True}], {"run_eagerly": True}),
)
def test_however_the_step_is_run(settings):
    model = small()
    compiled(model, "sgd", **settings)
    fit(model)
    masked.keep_zeros(model)
    kept = pruned(model)
    fit(model)
    assert masked.kept(model) == {name: mask.sum() for name, mask in kept.items()}


def test_a_constraint_that_a_kernel_has_goes_on_to_hold():
    model = small()
    fc = model.get_layer("fc").kernel
    fc.constraint = keras.constraints.MaxNorm(0.1, axis=0)
    compiled(model, "sgd")
    masked.keep_zeros(model)
    masked.keep_zeros(model)
    kept = pruned(model)
    fit(model)
    assert np.linalg.norm(np.asarray(fc), axis=0).max() < 0.1001
    assert not np.asarray(fc)[~kept["fc"]].any()


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("first", ["compile", "keep"])
def test_averages_of_weights_are_refused_before_a_step(first, scaled):
    optimizer = keras.optimizers.Adam(0.01, use_ema=True)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = small()
    if first == "keep":
        masked.keep_zeros(model)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(True))
    before = np.asarray(model.get_layer("fc").kernel)
    with pytest.raises(ValueError, match=r"averages the weights \(use_ema\)"):
        masked.keep_zeros(model) if first == "compile" else fit(model)
    np.testing.assert_array_equal(np.asarray(model.get_layer("fc").kernel), before)


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ({"fc9": np.ones((12, 3), bool)}, "no layer 'fc9'"),
        (
            {"fc": np.ones((3,), bool)},
            r"mask of fc is bool \(3,\): give bool \(12, 3\)",
        ),
        ({"fc": np.ones((12, 3))}, "mask of fc is float64"),
    ],
)
def test_masks_that_do_not_fit(masks, words):
    model = small()
    masked.keep_zeros(model)
    before = masked.kept(model)
    with pytest.raises(ValueError, match=words):
        masked.prune(model, {"conv": np.zeros((3, 3, 1, 3), bool)} | masks)
    assert masked.kept(model) == before


def test_without_keep_zeros_nothing_is_pruned():
    model = small()
    with pytest.raises(ValueError, match=r"call keep_zeros\(model\) first"):
        masked.prune(model, halves(model))
