"""Bad arguments of the numpy functions: one sentence that names the argument, each."""

import inspect
import math

import numpy as np
import pytest

from labkit import distill, quantize
from labkit.compress import clipped
from labkit.distill import dark_knowledge, similarity
from labkit.lowrank import (
    convolution,
    cp_als,
    data_aware,
    randomized,
    ranks,
    truncated_svd,
    tucker2,
)
from labkit.lowrank.covariance import moments
from labkit.packed import bit_packing
from labkit.prune import (
    brain_surgeon,
    curvature,
    masking,
    patterns,
    schedules,
    scores,
    thresholds,
    unit_budget,
    units,
)
from labkit.quantize import (
    aciq,
    affine,
    clipping,
    codebook,
    float_formats,
    group_rules,
    kl_calibration,
    kmeans,
    level_grids,
    optima,
    range_rules,
    rounding,
)

NAN, INF = math.nan, math.inf
ROW = np.array([0.5, -1.0, 2.0, 0.25])
MATRIX = np.arange(1.0, 13).reshape(3, 4) / 7
KERNEL = np.arange(1.0, 37).reshape(2, 3, 3, 2) % 5
GROUPS = np.float32(MATRIX)[:, None, :]
LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, -1.0]])
LABELS = np.array([0, 1])
H = curvature.hessian(np.random.default_rng(0).normal(size=(9, 4)))
CODES = codebook.quantize_to_levels(MATRIX, "kmeans", 2)
KEPT = MATRIX > 0.5
DECOMPOSED = truncated_svd.svd(MATRIX)
CHOICES = {"fc1": ranks.rank_options([1, 2], [10, 20], [0.5, 0.9], whole=30)}
UNITS = {"fc1": np.array([3.0, 1.0, 2.0])}


def spoiled(good: np.ndarray, value) -> np.ndarray:
    """The same numbers but for the last."""
    found = np.array(good, np.result_type(np.asarray(good).dtype, type(value)))
    found.reshape(-1)[-1] = value
    return found


def arrays(good) -> list:
    """What no array of finite numbers is, of the shape of a good one."""
    numbers = [spoiled(good, NAN), spoiled(good, INF), spoiled(good, -INF)]
    return [*numbers, np.asarray(good) * 1j, np.full(np.shape(good), "a"), None]


def filled(good) -> list:
    """The same, and what is empty."""
    return [*arrays(good), np.empty(0), np.empty((0, *np.shape(good)[1:]))]


def codes(good) -> list:
    return [*arrays(good), np.asarray(good) + 0.5]


BITS = [0, -1, 33, 2.5, True, NAN, INF, "8", None]
POSITIVE = [0, -1.0, NAN, INF, "1", None, np.ones(2)]
FRACTION = [-0.1, 1.5, NAN, INF, "1", None]
COUNT = [0, -1, 2.5, NAN, INF, True, "2", None]
WHOLE = [0.5, NAN, INF, "2", None]
WORD = ["", "another", None, 3]
NOT_NEGATIVE = [-1, 2.5, NAN, INF, True, "2", None]

# function -> its good arguments, and the bad values of each that is tried.
AFFINE = {"scale": 0.5, "zero_point": 1, "bits": 4}
BAD_AFFINE = {"scale": POSITIVE, "zero_point": WHOLE, "bits": BITS}
TEACHING = {"teacher": LOGITS, "student": LOGITS[::-1]}
ONE_ROW = [LOGITS[:1], LOGITS[:, :2], LOGITS[0]]
LABELLED = [LABELS[:1], LABELS + 0.5, np.array([0, 3]), np.array([-1, 0]), LABELS[None]]
BAD_TEACHING = {
    "teacher": [
        *[spoiled(LOGITS, v) for v in (NAN, INF)],
        np.full((2, 3), -INF),
        *ONE_ROW,
        LOGITS * 1j,
    ],
    "student": [*arrays(LOGITS), *ONE_ROW],
}
BAD_ALONE = [*arrays(LOGITS), LOGITS[:1], LOGITS[0]]
TEMPERATURE = {"temperature": POSITIVE}
CASES = [
    (affine.affine_params, {"lo": -1.0, "hi": 2.0, "bits": 4}, {"bits": BITS}),
    (affine.quantize_affine, {"x": ROW} | AFFINE, BAD_AFFINE | {"x": arrays(ROW)}),
    (affine.fake_quantize, {"x": ROW} | AFFINE, BAD_AFFINE | {"x": arrays(ROW)}),
    (affine.clip_error, {"x": ROW} | AFFINE, BAD_AFFINE | {"x": arrays(ROW)}),
    (affine.roundoff_error, {"x": ROW} | AFFINE, BAD_AFFINE | {"x": arrays(ROW)}),
    (affine.affine_grid, AFFINE, BAD_AFFINE),
    (
        affine.dequantize_affine,
        {"q": np.array([1, 2]), "scale": 0.5, "zero_point": 1},
        {"q": arrays([1, 2]), "scale": POSITIVE, "zero_point": WHOLE},
    ),
    (
        affine.sqnr_db,
        {"w": ROW, "w_hat": ROW / 2},
        {"w": [*filled(ROW), ROW[:3]], "w_hat": [*filled(ROW), ROW[:3]]},
    ),
    (
        affine.six_db_rule,
        {"bits": 4, "peak_to_rms": 2.0},
        {"bits": BITS, "peak_to_rms": [0.5, NAN, INF, None]},
    ),
    (affine.largest_code, {"bits": 8}, {"bits": BITS}),
    (
        quantize.quantize,
        {"w": MATRIX, "bits": 4, "granularity": "channel", "rule": "minmax"},
        {"w": filled(MATRIX), "bits": BITS, "granularity": WORD, "rule": WORD},
    ),
    (
        clipped.quantize_clipped,
        {"w": MATRIX, "bits": 4, "share": 0.5},
        {"w": filled(MATRIX), "bits": BITS, "share": [0, -1, 1.5, NAN, INF, None]},
    ),
    (
        codebook.quantize_to_levels,
        {"w": MATRIX, "kind": "kmeans", "bits": 2},
        {"w": filled(MATRIX), "bits": BITS},
    ),
    (
        codebook.level_gradient,
        {"coded": CODES, "gradient": MATRIX},
        {"gradient": [*filled(MATRIX), MATRIX[:2]]},
    ),
    (
        codebook.with_levels,
        {"coded": CODES, "levels": CODES.levels},
        {"levels": [*filled(CODES.levels), CODES.levels[:3]]},
    ),
    (
        kmeans.lloyd,
        {"x": ROW, "count": 2, "start": "linear", "rounds": 5},
        {"x": filled(ROW), "count": COUNT, "start": WORD, "rounds": NOT_NEGATIVE},
    ),
    (optima.centroids, {"x": ROW, "count": 2}, {"x": filled(ROW), "count": COUNT}),
    (
        kmeans.linear_start,
        {"x": np.sort(ROW), "count": 2},
        {"x": filled(ROW), "count": COUNT},
    ),
    (
        kmeans.cube_root_start,
        {"x": np.sort(ROW), "count": 2},
        {"x": filled(ROW), "count": COUNT},
    ),
    (
        kmeans.middles,
        {"levels": np.sort(ROW)},
        {"levels": [*filled(np.sort(ROW)), np.array([1.0, 0.0])]},
    ),
    (
        kmeans.nearest,
        {"x": ROW, "levels": np.sort(ROW)},
        {"x": arrays(ROW), "levels": [*filled(np.sort(ROW)), np.arange(257.0)]},
    ),
    (
        optima.scales,
        {"groups": GROUPS, "qmax": 7},
        {"groups": filled(GROUPS), "qmax": COUNT},
    ),
    *(
        (rule, {"groups": GROUPS, "qmax": 7}, {"groups": filled(GROUPS), "qmax": COUNT})
        for rule in map(range_rules.range_rule, range_rules.RANGES)
    ),
    (
        group_rules.squared_error,
        {"groups": GROUPS, "scale": np.ones((3, 1)), "qmax": 7},
        {
            "groups": filled(GROUPS),
            "scale": [*arrays(np.ones((3, 1))), np.zeros((3, 1)), np.ones((2, 1))],
            "qmax": COUNT,
        },
    ),
    (
        kl_calibration.kl_clip,
        {"groups": GROUPS, "qmax": 7},
        {"groups": filled(GROUPS), "qmax": COUNT},
    ),
    (aciq.laplace_clip, {"intervals": 4}, {"intervals": COUNT}),
    (aciq.gauss_clip, {"intervals": 4}, {"intervals": COUNT}),
    (clipping.measured, {"w": ROW}, {"w": filled(ROW)}),
    (
        clipping.noise,
        {"source": clipping.gauss, "end": 2.0, "levels": 15},
        {"end": POSITIVE, "levels": [1, *COUNT]},
    ),
    (
        clipping.expected_clip_error,
        {"source": clipping.gauss, "end": 2.0},
        {"end": POSITIVE},
    ),
    (
        clipping.grid_sqnr_db,
        {"source": clipping.gauss, "end": 2.0, "levels": 15},
        {"end": POSITIVE, "levels": [1, *COUNT]},
    ),
    (
        clipping.optimum,
        {"source": clipping.gauss, "levels": 15},
        {"levels": [1, *COUNT]},
    ),
    (
        rounding.bias_and_variance,
        {"x": ROW, "rounding": "floor"},
        {"x": filled(ROW), "rounding": WORD},
    ),
    (
        float_formats.to_bits,
        {"x": ROW, "name": "float4_e2m1"},
        {"x": arrays(ROW), "name": WORD},
    ),
    (level_grids.ternary_scale, {"groups": GROUPS, "bits": 2}, {}),
    (
        bit_packing.pack_bits,
        {"q": np.array([1, -2]), "bits": 4},
        {"q": [*codes([1, -2]), np.array([1, 8])], "bits": BITS},
    ),
    (
        curvature.hessian,
        {"x": MATRIX, "damping": 0.01},
        {"x": [*filled(MATRIX), ROW, np.zeros((3, 4))], "damping": POSITIVE},
    ),
    (
        curvature.damped,
        {"h": H, "damping": 0.01},
        {"h": [*filled(H), MATRIX], "damping": POSITIVE},
    ),
    (
        masking.removed_count,
        {"sparsity": 0.5, "n": 4},
        {"sparsity": FRACTION, "n": NOT_NEGATIVE},
    ),
    (
        masking.mask,
        {"scores": MATRIX, "sparsity": 0.5},
        {"scores": arrays(MATRIX), "sparsity": FRACTION},
    ),
    (
        patterns.n_of_m,
        {"scores": MATRIX, "n": 2, "m": 4},
        {"scores": [*arrays(MATRIX), MATRIX[:, :3]], "n": [*COUNT, 5], "m": COUNT},
    ),
    *(
        (
            schedule.compute,
            {"step": 3, "steps": 10, "sparsity": 0.5, "prunings": 2},
            {
                "step": NOT_NEGATIVE,
                "steps": COUNT,
                "sparsity": FRACTION,
                "prunings": COUNT,
            },
        )
        for schedule in schedules.SCHEDULES.values()
    ),
    (
        scores.activation_aware,
        {"w": MATRIX, "norms": MATRIX[0]},
        {"w": filled(MATRIX), "norms": [*arrays(MATRIX[0]), -MATRIX[0], MATRIX]},
    ),
    (scores.magnitude, {"w": MATRIX}, {"w": arrays(MATRIX)}),
    (
        scores.taylor,
        {"w": MATRIX, "gradient": MATRIX},
        {"w": filled(MATRIX), "gradient": [*filled(MATRIX), MATRIX[:1]]},
    ),
    (
        scores.fisher,
        {"w": MATRIX, "squared_gradient": MATRIX},
        {
            "w": filled(MATRIX),
            "squared_gradient": [*filled(MATRIX), MATRIX[:1], -MATRIX],
        },
    ),
    (
        brain_surgeon.obs_scores,
        {"w": MATRIX, "h": H},
        {"w": [*arrays(MATRIX), ROW], "h": [*filled(H), np.zeros((4, 4)), -H]},
    ),
    (
        brain_surgeon.obs_update,
        {"w": MATRIX, "h": H, "kept": KEPT},
        {"w": [*arrays(MATRIX), ROW], "h": filled(H), "kept": [KEPT[:1], MATRIX]},
    ),
    (
        thresholds.above_threshold,
        {"w": MATRIX, "threshold": 0.5},
        {"w": arrays(MATRIX), "threshold": [-1, NAN, None]},
    ),
    (
        thresholds.deviation_threshold,
        {"w": MATRIX, "multiple": 0.5},
        {"w": filled(MATRIX), "multiple": [-1, NAN, INF, None]},
    ),
    (
        thresholds.percentile_threshold,
        {"w": MATRIX, "sparsity": 0.5},
        {"w": arrays(MATRIX), "sparsity": FRACTION},
    ),
    (
        thresholds.threshold_of,
        {"scores": MATRIX, "kept": KEPT},
        {"scores": arrays(MATRIX), "kept": [KEPT[:1], MATRIX]},
    ),
    (
        unit_budget.choose_units,
        {"scores": UNITS, "costs": {"fc1": 2.0}, "saving": 2.0, "least": 0.25},
        {
            "scores": [{"fc1": v} for v in filled(UNITS["fc1"])],
            "costs": [{}, *({"fc1": v} for v in POSITIVE)],
            "saving": [NAN, INF, 100.0, "2", None],
            "least": FRACTION,
        },
    ),
    (
        units.unit_norms,
        {"kernel": MATRIX, "order": 1},
        {"kernel": filled(MATRIX), "order": [0, 3, INF, None]},
    ),
    (units.unit_activations, {"outputs": MATRIX}, {"outputs": filled(MATRIX)}),
    (units.normalized, {"scores": ROW}, {"scores": arrays(ROW)}),
    (
        units.unit_taylor,
        {
            "kernel": MATRIX,
            "gradient": MATRIX,
            "bias": ROW[:3],
            "bias_gradient": ROW[:3],
        },
        {
            "kernel": filled(MATRIX),
            "gradient": [*filled(MATRIX), MATRIX[:1]],
            "bias": arrays(ROW[:3]),
            "bias_gradient": [*arrays(ROW[:3]), ROW],
        },
    ),
    (
        units.choose,
        {"scores": UNITS, "fraction": 0.5, "scope": "layer"},
        {
            "scores": [{"fc1": v} for v in filled(UNITS["fc1"])],
            "fraction": FRACTION,
            "scope": [*WORD, "output"],
        },
    ),
    (truncated_svd.svd, {"w": MATRIX}, {"w": [*filled(MATRIX), ROW, KERNEL]}),
    (truncated_svd.spectrum, {"w": MATRIX}, {"w": [*filled(MATRIX), ROW, KERNEL]}),
    (
        truncated_svd.factors,
        {"found": DECOMPOSED, "rank": 1, "values": "split"},
        {"rank": [*COUNT, 4], "values": WORD},
    ),
    (
        truncated_svd.error,
        {"s": ROW, "rank": 1},
        {"s": filled(ROW), "rank": [*NOT_NEGATIVE, 5]},
    ),
    (truncated_svd.energy, {"s": ROW}, {"s": filled(ROW)}),
    (
        truncated_svd.rank_for_energy,
        {"s": ROW, "kept": 0.5},
        {"s": filled(ROW), "kept": FRACTION},
    ),
    (truncated_svd.break_even, {"m": 3, "n": 4}, {"m": COUNT, "n": COUNT}),
    (truncated_svd.largest_paying_rank, {"m": 3, "n": 4}, {"m": COUNT, "n": COUNT}),
    (
        randomized.randomized_svd,
        {"w": MATRIX, "rank": 1, "oversampling": 2, "powers": 1},
        {
            "w": filled(MATRIX),
            "rank": [*COUNT, 4],
            "oversampling": NOT_NEGATIVE,
            "powers": NOT_NEGATIVE,
        },
    ),
    *(
        (form, {"kernel": KERNEL}, {"kernel": [*filled(KERNEL), MATRIX]})
        for form in (convolution.channel, convolution.spatial, tucker2.mode_energies)
    ),
    (
        tucker2.tucker,
        {"kernel": KERNEL, "ranks": (1, 2), "rounds": 2},
        {
            "kernel": [*filled(KERNEL), MATRIX],
            "ranks": [*((bad, 1) for bad in COUNT), (1, 3), (1,), 1, None],
            "rounds": NOT_NEGATIVE,
        },
    ),
    (
        cp_als.cp,
        {"kernel": KERNEL, "rank": 1, "rounds": 2},
        {"kernel": [*filled(KERNEL), MATRIX], "rank": COUNT, "rounds": COUNT},
    ),
    (moments, {"rows": MATRIX}, {"rows": filled(MATRIX)}),
    (
        data_aware.principal_directions,
        {"covariance": H},
        {"covariance": [*filled(H), MATRIX]},
    ),
    (
        data_aware.pca_of_responses,
        {"w": MATRIX, "bias": ROW[:3], "responses": moments(MATRIX.T)},
        {"w": filled(MATRIX), "bias": [*arrays(ROW[:3])[:-1], ROW]},
    ),
    (
        data_aware.pca_of_inputs,
        {"w": MATRIX, "bias": ROW[:3], "inputs": moments(MATRIX)},
        {"w": filled(MATRIX), "bias": [*arrays(ROW[:3])[:-1], ROW]},
    ),
    *(
        (choose, {"layers": CHOICES, "budget": 25.0}, {"budget": [5, NAN, "25", None]})
        for choose in (ranks.by_energy, ranks.by_product)
    ),
    (
        ranks.by_loss,
        {"layers": CHOICES, "loss": {"fc1": [0.3, 0.2, 0.0]}, "budget": 25.0},
        {
            "loss": [{}, {"fc1": [NAN, 0.2, 0.0]}, {"fc1": [0.1]}],
            "budget": [5, NAN, None],
        },
    ),
    (ranks.thinned, {"found": CHOICES["fc1"], "count": 2}, {"count": [1, *COUNT]}),
    (
        distill.softmax,
        {"logits": LOGITS, "temperature": 2.0},
        {"logits": BAD_TEACHING["teacher"][:3]} | TEMPERATURE,
    ),
    (
        distill.log_softmax,
        {"logits": LOGITS, "temperature": 2.0},
        {"logits": BAD_TEACHING["teacher"][:3]} | TEMPERATURE,
    ),
    (
        distill.entropy,
        {"probabilities": np.array([0.5, 0.5])},
        {"probabilities": [*arrays([0.5, 0.5]), [1.5, -0.5], [0.5, 0.2], []]},
    ),
    (
        distill.cross_entropy,
        {"targets": np.eye(3)[:2], "student": LOGITS, "temperature": 2.0},
        {
            "targets": [*arrays(np.eye(3)[:2]), np.eye(3)[:1], np.eye(3)[:2] * 2],
            "student": BAD_TEACHING["student"],
        }
        | TEMPERATURE,
    ),
    (distill.divergence, TEACHING | {"temperature": 2.0}, BAD_TEACHING | TEMPERATURE),
    (distill.soft_loss, TEACHING | {"temperature": 2.0}, BAD_TEACHING | TEMPERATURE),
    (
        distill.soft_gradient,
        TEACHING | {"temperature": 2.0},
        BAD_TEACHING | TEMPERATURE,
    ),
    (
        distill.matching_gradient,
        TEACHING,
        BAD_TEACHING | {"teacher": [*BAD_TEACHING["teacher"], spoiled(LOGITS, -INF)]},
    ),
    (
        distill.hard_loss,
        {"student": LOGITS, "labels": LABELS},
        {"student": BAD_ALONE, "labels": LABELLED},
    ),
    (
        distill.hard_gradient,
        {"student": LOGITS, "labels": LABELS},
        {"student": BAD_ALONE, "labels": LABELLED},
    ),
    (
        distill.one_hot,
        {"labels": LABELS, "classes": 3},
        {"labels": LABELLED[1:], "classes": COUNT},
    ),
    *(
        (
            function,
            TEACHING | {"labels": LABELS, "temperature": 2.0, "alpha": 0.5},
            BAD_TEACHING | {"labels": LABELLED, "alpha": FRACTION} | TEMPERATURE,
        )
        for function in (distill.loss, distill.gradient)
    ),
    (
        dark_knowledge.nearest_wrong,
        {"logits": LOGITS, "labels": LABELS},
        {"logits": [*BAD_TEACHING["teacher"][:3], LOGITS[:1]], "labels": LABELLED},
    ),
    (
        dark_knowledge.information_beyond_label,
        {"logits": LOGITS, "labels": LABELS, "temperature": 2.0},
        {"logits": [*BAD_TEACHING["teacher"][:3], LOGITS[:1]], "labels": LABELLED}
        | TEMPERATURE,
    ),
    (
        similarity.attention_maps,
        {"features": KERNEL},
        {"features": [*filled(KERNEL), MATRIX]},
    ),
    (
        similarity.relative_distances,
        {"features": MATRIX},
        {"features": [*filled(MATRIX), np.ones((2, 3)), MATRIX[:1]]},
    ),
    (
        similarity.cosines,
        {"one": MATRIX, "other": MATRIX},
        {
            "one": [*filled(MATRIX), MATRIX[:1]],
            "other": [*filled(MATRIX), MATRIX[:1], MATRIX[0]],
        },
    ),
]


def bad_calls():
    for function, good, bad in CASES:
        for name, values in bad.items():
            for k, value in enumerate(values):
                label = f"{function.__module__}.{function.__name__} {name} {k}"
                yield pytest.param(function, good, name, value, id=label)


@pytest.mark.parametrize(("function", "good", "name", "value"), [*bad_calls()])
def test_one_sentence_that_names_the_argument(function, good, name, value):
    with np.errstate(all="raise"), pytest.raises(ValueError) as caught:
        function(**good | {name: value})
    text = str(caught.value)
    assert "\n" not in text and len(text) < 240
    words = NAMES.get(name, (name,))
    assert any(word in text for word in words), text


# What an argument is called in a sentence, where it is not by its own name.
NAMES = {
    "teacher": ("teacher",),
    "student": ("student", "teacher"),
    "logits": ("logits",),
    "labels": ("labels", "label"),
    "one": ("one", "other"),
    "scores": ("scores", "last axis"),
    "kept": ("kept", "mask"),
}


@pytest.mark.parametrize(
    ("function", "good"),
    [case[:2] for case in CASES],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_the_good_arguments_are_good(function, good):
    """Else the test above could pass for another argument's sake."""
    assert set(good) <= set(inspect.signature(function).parameters)
    function(**good)
