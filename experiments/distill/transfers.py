"""What can be transferred beside soft targets: one student, same seeds, same steps.

`python -m experiments.distill.transfers` trains a LeNet-5 of few filters on few images,
by the trained LeNet-5: on labels alone, on soft targets, on features through a learned
projection, on input gradients, attention maps and relations between images, from five
seeds each. Students of one seed begin with the same weights and see the same moved
images in the same order. How much a likeness weighs beside the labels' loss is chosen
first, by validation accuracy of a seed that is not compared later.

Writes data/results/transfers_weights.json, then data/results/transfers.json, after
every training, and goes on from there. A quarter of an hour on two idle cores.
"""

import time

from experiments import resumed
from experiments.files import RESULTS
from labkit import zoo
from labkit.zoo import datasets

FILE = RESULTS / "transfers.json"
SETTINGS = {
    "teacher": "lenet5",
    "widths": {"conv1": 4, "conv2": 8, "fc1": 32},
    "images": 2000,
    "epochs": 60,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "shift": 1,
    "temperature": 4.0,
    "alpha": 0.9,
}
SEEDS, CHOOSING_SEED = 5, 100
WEIGHTS_FILE = RESULTS / "transfers_weights.json"
# How much each likeness may weigh beside the cross-entropy with labels; features come
# with soft targets, as in FitNets, and weigh beside both.
WEIGHTS = {
    "features, projected": (0.01, 0.1, 1.0),
    "jacobian": (0.1, 1.0, 10.0),
    "loss gradient": (0.1, 1.0, 10.0),
    "attention": (1.0, 10.0, 100.0),
    "relations": (1.0, 10.0, 100.0),
}
KINDS = ("alone", "soft targets", *WEIGHTS)


def choosing() -> list[dict]:
    """What tells the trainings apart by which weights are chosen."""
    pairs = [(kind, weight) for kind, tried in WEIGHTS.items() for weight in tried]
    return [{"kind": kind, "weight": weight} for kind, weight in pairs]


def best_weight(rows: list[dict], kind: str) -> float | None:
    """The weight of the best validation accuracy, the smallest of equals; None: none.

    rows: what `choosing` lists, with "validation_accuracy".
    """
    tried = [row for row in rows if row["kind"] == kind]
    best = max(
        tried, key=lambda r: (r["validation_accuracy"], -r["weight"]), default={}
    )
    return best.get("weight")


def taught(kind: str, weight: float | None, teacher, student):
    """The model that trains `student` by a kind of transfer.

    weight: of the likeness beside the rest of the loss, of the kinds that have one.
    """
    from labkit.train import distilling, transfers

    t, alpha = SETTINGS["temperature"], SETTINGS["alpha"]
    if kind in ("alone", "soft targets"):
        alpha = alpha if kind == "soft targets" else 0.0
        return distilling.soft_targets(teacher, student, t, alpha)
    if kind == "features, projected":
        layers = ("pool2", "pool2")
        return distilling.hints(teacher, student, layers, t, alpha, weight)
    if kind in ("jacobian", "loss gradient"):
        of_loss = kind == "loss gradient"
        return transfers.GradientTransfer(teacher, student, weight, of_loss)
    distance, layers = {
        "attention": (transfers.attention_distance, ("pool2", "pool2")),
        "relations": (transfers.relation_distance, ("fc1", "fc1")),
    }[kind]
    return transfers.FeatureTransfer(teacher, student, weight, layers, distance)


def one(kind: str, weight: float | None, seed: int, dataset: datasets.Dataset) -> dict:
    """Train one student: what its row says beside these."""
    import keras

    from labkit.train import distilling, fit
    from labkit.train.batches import Batches
    from labkit.train.recipes import Recipe

    began = time.perf_counter()
    recipe = Recipe(
        "mnist",
        SETTINGS["epochs"],
        "adam",
        SETTINGS["learning_rate"],
        batch_size=SETTINGS["batch_size"],
        shift=SETTINGS["shift"],
    )
    keras.utils.set_random_seed(seed)
    student = fit.build("lenet5", widths=SETTINGS["widths"])
    model = taught(kind, weight, zoo.keras_model(SETTINGS["teacher"]), student)
    split = dataset.train.take(SETTINGS["images"])
    steps = -(-len(split) // recipe.batch_size)
    twice = kind == "features, projected"
    if twice:
        schedule = fit.schedule(recipe, steps)
        distilling.compile_hints(model, fit.optimizer(recipe, schedule))
    else:
        fit.compile_by(recipe, model, steps)
    for epoch in range(recipe.epochs):
        batches = Batches(split, recipe, student.input_shape[1:], seed, epoch)
        for k in range(len(batches)):
            inputs, labels = batches[k]
            model.train_on_batch(inputs, (labels, labels) if twice else labels)
    return {
        "validation_accuracy": fit.accuracy(student, dataset.validation),
        "test_accuracy": fit.accuracy(student, dataset.test),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    dataset = datasets.load_images("mnist")
    head = {"command": "python -m experiments.distill.transfers", "settings": SETTINGS}

    def chosen(entry: dict, rows: list[dict]) -> dict:
        return one(**entry, seed=CHOOSING_SEED, dataset=dataset)

    choice = head | {"seed": CHOOSING_SEED}
    weights = resumed.complete(WEIGHTS_FILE, choice, choosing(), chosen)["rows"]

    def compared(entry: dict, rows: list[dict]) -> dict:
        weight = best_weight(weights, entry["kind"])
        return {"weight": weight} | one(**entry, weight=weight, dataset=dataset)

    wanted = [{"kind": kind, "seed": seed} for seed in range(SEEDS) for kind in KINDS]
    resumed.complete(FILE, head, wanted, compared)


if __name__ == "__main__":
    main()
