"""The table of pruned networks, and what was to be reached, from the committed run."""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.files import markdown_table, read_json
from experiments.prune import filter_tables, lottery_tables, pruned, seed_tables
from experiments.quantize.tables import run_line
from labkit import zoo

HAN = "Han et al. 2015, arXiv 1506.02626, Table 1"
SURGERY = (
    "dynamic network surgery, Guo et al. 2016, arXiv 1608.04493, as quoted beside the "
    "code of Molchanov et al. 2017, arXiv 1701.05369"
)
PUBLISHED = {
    "mlp-0.92": f"1.59 %, dense 1.64 %, 12× fewer weights ({HAN})",
    "mlp-0.984": f"1.99 %, 56× fewer weights ({SURGERY})",
    "lenet5-0.92": f"0.77 %, dense 0.80 %, 12× fewer weights ({HAN})",
    "lenet5-0.992": f"0.91 %, 111× fewer weights ({SURGERY})",
    "resnet20-0.69": (
        "8.57 %, dense 8.22 %, 69.1 % zeros (IntelLabs distiller, "
        "examples/network_surgery)"
    ),
    "resnet20-macs-0.27": (
        "ResNet-56, no ResNet-20 there: 6.94 %, dense 6.96 %, 27.6 % fewer FLOPs "
        "(Li et al. 2017, arXiv 1608.08710, Table 1)"
    ),
}


def zeros(row: dict) -> float:
    """The fraction of the dense network's weights that is not there, 0 to 1."""
    return 1 - row["nonzero"] / row["weights"]


def fewer_macs(row: dict) -> float:
    """The fraction of the dense network's MACs that removed filters took along."""
    return 1 - row["macs"] / row["dense_macs"]


def error(row: dict) -> float:
    """Test error in per cent."""
    return 100 * (1 - row["accuracy"])


def dense_error(row: dict) -> float:
    """The dense network's, in per cent."""
    return 100 * (1 - row["dense_accuracy"])


@dataclass(frozen=True)
class Target:
    """So much fewer of something, at an error that is small enough.

    reduction: a row -> the fraction that is gone; at_least: how much has to be.
    limit: a row -> the largest test error in per cent, as `text` says.
    """

    network: str
    how: str
    reduction: Callable[[dict], float]
    at_least: float
    limit: Callable[[dict], float]
    text: str


TARGETS = (
    Target(
        "mlp", "weights", zeros, 1 - 1 / 12, dense_error,
        "12× fewer weights, no more error than dense",
    ),
    Target(
        "mlp", "weights", zeros, 1 - 1 / 56, lambda row: 1.99,
        "56× fewer weights, at most 1.99 % error",
    ),
    Target(
        "lenet5", "weights", zeros, 1 - 1 / 12, dense_error,
        "12× fewer weights, no more error than dense",
    ),
    Target(
        "lenet5", "weights", zeros, 1 - 1 / 100, lambda row: 0.91,
        "100× fewer weights, at most 0.91 % error",
    ),
    Target(
        "resnet20", "weights", zeros, 0.69, lambda row: dense_error(row) + 0.35,
        "69 % zeros, at most 0.35 points above dense",
    ),
    Target(
        "resnet20", "filters", fewer_macs, 0.27, lambda row: dense_error(row) + 0.5,
        "27 % fewer MACs by removed filters, at most 0.5 points above dense",
    ),
)  # fmt: skip


def pruned_table(rows: list[dict]) -> str:
    """Each pruned network: what is left of it, its bytes, its error beside others'."""
    header = (
        "network|removed|weights left|times fewer|MACs|kB, dense kB|test error %|"
        "dense %|points of accuracy|epochs|published test error"
    )
    table = []
    for row in sorted(rows, key=_place):
        low, high = (100 * end for end in row["difference_interval"])
        table.append(
            [
                f"`{row['network']}`", _removed(row), f"{row['nonzero']:,}",
                f"{row['weights'] / row['nonzero']:.1f}", f"{row['macs']:,}",
                f"{row['size_bytes'] / 1000:.1f}, {row['dense_bytes'] / 1000:.1f}",
                f"{error(row):.2f}", f"{dense_error(row):.2f}",
                f"{100 * row['difference']:+.2f} ({low:+.2f} to {high:+.2f})",
                f"{row['epochs']} ({row['training_seconds'] / 60:.0f} min)",
                PUBLISHED.get(row["title"], ""),
            ]
        )  # fmt: skip
    return markdown_table(header.split("|"), table)


def _removed(row: dict) -> str:
    if row["how"] == "filters":
        return f"filters, {fewer_macs(row):.1%} of the MACs"
    return f"{zeros(row):.1%} of the weights"


def _place(row: dict) -> tuple:
    """Networks in their usual order, few weights removed first."""
    return zoo.NAMES.index(row["network"]), row["how"] == "filters", zeros(row)


def candidate(target: Target, rows: list[dict]) -> dict | None:
    """The row with just enough removed: the choice looks at no error."""
    enough = [
        row
        for row in rows
        if (row["network"], row["how"]) == (target.network, target.how)
        and round(target.reduction(row), 4) >= target.at_least
    ]
    return min(enough, key=target.reduction, default=None)


def reached(target: Target, row: dict) -> bool:
    """Whether a row's error is within the target's limit."""
    return round(error(row), 4) <= round(target.limit(row), 4)


def targets_table(rows: list[dict]) -> str:
    """Each target, the network that was made for it, and whether it is reached."""
    table = []
    for target in TARGETS:
        line = [f"`{target.network}`", target.text]
        row = candidate(target, rows)
        if row is None:
            table.append([*line, "", "", "", "not tried yet"])
            continue
        gone = target.reduction(row)
        removed = f"{gone:.1%} ({1 / (1 - gone):.1f}×)"
        answer = "yes" if reached(target, row) else "**no**"
        limit = f"{target.limit(row):.2f}"
        table.append([*line, removed, f"{error(row):.2f}", limit, answer])
    header = "network|to reach|ours: fewer|test error %|at most %|reached"
    return markdown_table(header.split("|"), table)


def sections() -> str:
    """What the page of results says of pruning."""
    run = read_json(pruned.FILE)
    return f"""## Pruned networks

Trained further while weights of least magnitude were set to zero and stayed zero, or
after filters were removed from the model file. Weights are the kernels'; bytes are the
whole packed file's (float32 weights, the places of the zeros, biases, graph, header),
or the .tflite file's without the filters. Epochs are those after the dense
training. Points: paired difference from the dense network on the same images, and its
95 % interval.

{pruned_table(run["rows"])}

What was to be reached, on test images, with every choice made on validation images:

{targets_table(run["rows"])}

{run_line(run)}

{filter_tables.sections()}{seed_tables.sections()}{lottery_tables.sections()}"""
