"""How each network of the zoo is trained: all that `python -m labkit train` uses."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """A training run: SGD with Nesterov momentum, or Adam, under a cosine schedule.

    learning_rate is the peak, reached after `warmup_epochs`; it falls to 0 at the end.
    shift: images are moved by up to this many pixels. mirror: half are mirrored.
    dropout: fraction of each hidden dense layer's outputs set to 0 in training.
    mixed_precision: convolutions in bfloat16, weights in float32.
    weight_decay: for SGD the strength of the usual L2 term, for Adam the decoupled one.
    first: a recipe to run before this one, which then starts from its weights: a warm
    restart, Loshchilov and Hutter 2017, arXiv 1608.03983.
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
    first: "Recipe | None" = None

    @property
    def all_epochs(self) -> int:
        """The epochs of this recipe and of those before it."""
        return self.epochs + (self.first.all_epochs if self.first else 0)


RESNET = Recipe(
    "cifar10",
    epochs=80,
    optimizer="sgd",
    learning_rate=0.2,
    weight_decay=2e-4,
    warmup_epochs=2,
    shift=4,
    mirror=True,
    mixed_precision=True,
)
# Alone, the first run of resnet20 remembers its training images (99.3 % of them) and
# stays below 90 % on validation images; the second, decayed more strongly, mends that.
RESNET20_FIRST = replace(RESNET, epochs=90, learning_rate=0.1, weight_decay=5e-5)

MNIST = Recipe(
    "mnist",
    epochs=30,
    optimizer="adam",
    learning_rate=1e-3,
    weight_decay=1e-3,
    shift=1,
    dropout=0.2,
)

RECIPES = {
    "mlp": MNIST,
    "lenet5": replace(MNIST, epochs=10, dropout=0.3),
    "resnet8": RESNET,
    "resnet20": replace(RESNET, epochs=44, weight_decay=5e-4, first=RESNET20_FIRST),
}
