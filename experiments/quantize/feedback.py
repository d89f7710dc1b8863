"""Error feedback on the dense layers of mlp: rows for `experiments.quantize.repair`.

Three roundings onto the same grid: to nearest, with error feedback, and as
ai_edge_quantizer's gptq does.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from experiments.scores import accuracy_of, scores
from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.compress.repair.batch_norm import reestimate_batch_norm
from labkit.compress.repair.error_feedback import (
    feed_back_errors,
    output_error,
    round_with_feedback,
)
from labkit.quantize.affine import largest_code
from labkit.quantize.symmetric import Quantized, quantize

NAME = "mlp"
BITS, RULES = (4, 3, 2), ("minmax", "least_squares")
IMAGES, IMAGE_COUNTS = 500, (20, 50, 100, 200, 500, 1000, 2000)


def whole_inverse(w: np.ndarray, x: np.ndarray, nearest: Quantized) -> Quantized:
    """What ai_edge_quantizer 0.10 does for gptq: rows of the whole inverse, throughout.

    In step k it uses row k of H^-1 where `round_with_feedback` uses that of the inverse
    for column k and the later ones. Its H has 1 on the diagonal for an input that is
    always 0, before damping.
    """
    h = 2 * x.T.astype(np.float64) @ x / len(x)
    diagonal = np.where(np.diag(h) == 0, 1, np.diag(h))
    h[np.diag_indices_from(h)] = diagonal + 0.01 * diagonal.mean()
    inverse, w, q = np.linalg.inv(h), w.astype(np.float64), np.zeros(w.shape)
    scale, qmax = nearest.scale.astype(np.float64), largest_code(nearest.bits)
    for k in range(w.shape[1]):
        q[:, k] = np.clip(np.rint(w[:, k] / scale), -qmax, qmax)
        error = (w[:, k] - scale * q[:, k]) / inverse[k, k]
        w[:, k + 1 :] -= np.outer(error, inverse[k, k + 1 :])
    return replace(nearest, q=q.astype(nearest.q.dtype))


ROUNDINGS = {
    "nearest": lambda w, x, nearest: nearest,
    "error_feedback": round_with_feedback,
    "whole_inverse": whole_inverse,
}


def layer_inputs(layer: str) -> tuple[np.ndarray, np.ndarray]:
    """What a layer reads on 2,000 calibration and 2,000 validation images."""
    network, data, n = zoo.load(NAME), zoo.dataset(NAME), max(IMAGE_COUNTS)
    calibration, validation = (
        network.activations(split.images[:n], layer)
        for split in (data.calibration, data.validation)
    )
    return calibration.reshape(n, -1), validation.reshape(n, -1)


def layer_rows() -> list[dict]:
    """Each layer of mlp alone: output errors, on the images used and on new ones."""
    rows = []
    for layer, w in zoo.load(NAME).kernels.items():
        x, new = layer_inputs(layer)
        x = x[:IMAGES]
        for bits, rule in product(BITS, RULES):
            nearest = quantize(w, bits, "channel", rule)
            for rounding, rounded in ROUNDINGS.items():
                w_hat = rounded(w, x, nearest).decode()
                rows.append(
                    {
                        "network": NAME,
                        "layer": layer,
                        "bits": bits,
                        "rule": rule,
                        "rounding": rounding,
                        "calibration_error": output_error(w, w_hat, x),
                        "validation_error": output_error(w, w_hat, new),
                    }
                )
    return rows


def image_rows() -> list[dict]:
    """The error on new images for different numbers of calibration images."""
    rows = []
    for layer, w in zoo.load(NAME).kernels.items():
        x, new = layer_inputs(layer)
        for bits, count in product(BITS, IMAGE_COUNTS):
            nearest = quantize(w, bits, "channel")
            w_hat = round_with_feedback(w, x[:count], nearest).decode()
            rows.append(
                {
                    "network": NAME,
                    "layer": layer,
                    "bits": bits,
                    "images": count,
                    "validation_error": output_error(w, w_hat, new),
                }
            )
    return rows


def network_rows() -> list[dict]:
    """mlp with all layers rounded to nearest and with error feedback; repaired too."""
    network, data = zoo.load(NAME), zoo.dataset(NAME)
    base, rows = accuracy_of(network, data.test), []
    images = data.calibration.images[:IMAGES]
    for bits, rule in product(BITS, RULES):
        nearest = quantize_network(network, bits, "channel", rule)
        fed = feed_back_errors(network, nearest, images)
        positions = {
            "nearest": nearest,
            "error_feedback": fed,
            "error_feedback + batch_norm": reestimate_batch_norm(network, fed, images),
        }
        for method, position in positions.items():
            row = {"network": NAME, "bits": bits, "rule": rule, "method": method}
            row["size_bytes"] = position.size_bytes
            rows.append(row | scores(NAME, position.network, base))
    return rows
