"""The ways in which LiteRT runs quantized weights, as `deploy.deployable` takes them.

A file of its own: panels list the ways without loading ai_edge_quantizer.
"""

from labkit.common.registries import Row, registry

# needs: "images", from which activations get their ranges.
MODES = registry(
    Row(
        "dynamic",
        "dynamic",
        "Integers throughout; activations are quantized image by image, while it runs.",
    ),
    Row(
        "weight_only",
        "weight-only",
        "Weights are decoded to float before each layer: smaller, not faster.",
    ),
    Row(
        "static",
        "static",
        "Integers throughout; activations have fixed ranges, from calibration images.",
        needs="images",
    ),
)
