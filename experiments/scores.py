"""The accuracies that a row of results has, and what is chosen by them."""

from collections import Counter
from types import SimpleNamespace

from labkit import zoo
from labkit.common.split import Split
from labkit.measure.correctness import BATCH, Accuracy, accuracy, compare
from labkit.model.runtime import Runner
from labkit.zoo.datasets import Dataset

THREADS = 1  # a second one spins where the machine has other work


def accuracy_of(model, split: Split) -> Accuracy:
    """The accuracy of a model with `to_bytes()` on all images of a split."""
    runner = Runner(model.to_bytes(), BATCH, THREADS)
    return accuracy(SimpleNamespace(predict=runner.run), split)


def scores(name: str, model, base: Accuracy) -> dict:
    """Accuracies of a model, and whether the test set tells it from the float one.

    base: the float network's on the test set.
    """
    data = zoo.dataset(name)
    test = accuracy_of(model, data.test)
    paired = compare(base, test)
    return {
        "validation_accuracy": accuracy_of(model, data.validation).value,
        "accuracy": test.value,
        "interval": test.interval,
        "difference": paired.difference,
        "p_value": paired.p_value,
    }


def errors(network, dataset: Dataset) -> dict:
    """How many images a `labkit.train.fast.Dense` gets wrong, of each set."""
    splits = {"validation": dataset.validation, "test": dataset.test}
    return {
        f"{name}_errors": round(len(split) * (1 - network.accuracy(split)))
        for name, split in splits.items()
    }


def best_rate(rows: list[dict], **told) -> float:
    """The learning rate with the fewest validation errors, of all seeds together.

    Of the rows with the values `told`; the smallest rate of equals.

    >>> rows = [{"learning_rate": r, "validation_errors": n}
    ...         for r, n in ((1e-2, 1), (1e-2, 9), (3e-3, 4), (3e-3, 5))]
    >>> best_rate(rows)
    0.003
    """
    errors = Counter()
    for row in rows:
        if told.items() <= row.items():
            errors[row["learning_rate"]] += row["validation_errors"]
    return min(sorted(errors), key=errors.__getitem__)
