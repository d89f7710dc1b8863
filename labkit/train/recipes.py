"""How each network of the zoo is trained: all that `python -m labkit train` uses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """A training run: SGD with Nesterov momentum, or Adam, under a cosine schedule.

    learning_rate is the peak, reached after `warmup_epochs`; it falls to 0 at the end.
    shift: images are moved by up to this many pixels. mirror: half are mirrored.
    dropout: fraction of each hidden dense layer's outputs set to 0 in training.
    mixed_precision: convolutions in bfloat16, weights in float32.
    """

    dataset: str
    epochs: int
    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    batch_size: int = 128
    warmup_epochs: float = 1
    shift: int = 0
    mirror: bool = False
    dropout: float = 0.0
    mixed_precision: bool = False
    seed: int = 0


RECIPES = {
    "mlp": Recipe("mnist", 30, "adam", 1e-3, weight_decay=1e-3, dropout=0.2),
    "lenet5": Recipe("mnist", 15, "adam", 1e-3, weight_decay=1e-3, dropout=0.3),
    "resnet8": Recipe(
        "cifar10",
        120,
        "sgd",
        0.1,
        weight_decay=2e-4,
        warmup_epochs=2,
        shift=4,
        mirror=True,
        mixed_precision=True,
    ),
    "resnet20": Recipe(
        "cifar10",
        90,
        "sgd",
        0.1,
        weight_decay=5e-4,
        warmup_epochs=2,
        shift=4,
        mirror=True,
        mixed_precision=True,
    ),
}
