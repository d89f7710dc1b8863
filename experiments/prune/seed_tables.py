"""The tables of the pruning experiments that are repeated over seeds."""

from pandas import DataFrame

from experiments.files import markdown_table, read_json
from experiments.frames import over_seeds
from experiments.paired import paired, points, spread
from experiments.prune import schedules, smaller
from experiments.quantize.tables import run_line
from labkit.measure.over_seeds import PairedSeeds

# What each of the narrow and the pruned networks is compared with.
AGAINST_SMALL = (smaller.PRUNED, smaller.REMOVED)


KEYS = "sparsity", "kind"


def sparsities(rows: list[dict], kinds: tuple[str, ...]) -> list[float]:
    """Those at which every kind has a row, ascending."""
    found = DataFrame(rows).groupby("sparsity")["kind"].agg(set)
    return [level for level, there in found.items() if there >= set(kinds)]


def verdict(first: str, second: str, found: PairedSeeds) -> str:
    """What an interval allows to say of two kinds.

    >>> verdict("a", "b", PairedSeeds(0.01, -0.01, 0.03, 5))
    'undecided between a and b'
    """
    if found.winner == 0:
        return f"undecided between {first} and {second}"
    better, worse = (first, second) if found.winner > 0 else (second, first)
    return f"{better} is better than {worse}"


def dense_line(rows: list[dict]) -> str:
    """The accuracy of the networks that all began with."""
    found = {
        row["seed"]: row.get("dense_accuracy", row["accuracy"])
        for row in rows
        if "dense_accuracy" in row or row["kind"] == smaller.DENSE
    }
    return f"Before pruning: {spread(found.values())} % ({len(found)} seeds)."


def smaller_table(rows: list[dict]) -> str:
    """Zeros x kind: what is left, the bytes, the accuracies and their differences."""
    table = []
    values = "size_bytes", "parameters", "hidden", "accuracy"
    size, left, hidden, accuracy = (over_seeds(rows, KEYS, value) for value in values)
    for level in sparsities(rows, smaller.KINDS):
        packed = smaller.PRUNED, smaller.SMALL
        *others, small = (accuracy[level, kind] for kind in smaller.KINDS)
        widths = {f"{a}-{b}" for a, b in hidden[level, smaller.SMALL]}
        table.append(
            [
                f"{100 * level:g}",
                *(spread(size[level, kind], 1, 1e-3) for kind in packed),
                " or ".join(sorted(widths)),
                *(f"{min(left[level, kind]):,}" for kind in packed),
                *map(spread, (*others, small)),
                *(points(paired(found, small)) for found in others),
            ]
        )
    header = (
        "zeros %|pruned kB|small kB|small's hidden units|pruned: numbers left|small: "
        "numbers|pruned: test %|neurons removed: test %|small: test %|pruned − small|"
        "neurons removed − small"
    )
    return markdown_table(header.split("|"), table)


def smaller_verdicts(rows: list[dict]) -> str:
    """One sentence for each comparison, as its intervals allow."""
    lines, accuracy = [], over_seeds(rows, KEYS, "accuracy")
    for kind in AGAINST_SMALL:
        said = []
        for level in sparsities(rows, smaller.KINDS):
            found = paired(accuracy[level, kind], accuracy[level, smaller.SMALL])
            said.append(f"at {100 * level:g} %, {verdict(kind, smaller.SMALL, found)}")
        lines.append(f"- **{kind}** against **{smaller.SMALL}**: {'; '.join(said)}.")
    return "\n".join(lines)


def schedules_table(rows: list[dict]) -> str:
    """Zeros x kind: accuracy, and the paired difference from one-shot."""
    table, accuracy = [], over_seeds(rows, KEYS, "accuracy")
    untrained = over_seeds(rows, KEYS, "before")
    for level in sparsities(rows, schedules.KINDS):
        for kind in schedules.KINDS:
            found = accuracy[level, kind]
            before, difference, said = "", "", ""
            if kind in schedules.AT_ONCE:
                before = spread(untrained[level, kind])
            if kind != schedules.ONE_SHOT:
                against = paired(found, accuracy[level, schedules.ONE_SHOT])
                difference = points(against)
                said = verdict(kind, schedules.ONE_SHOT, against)
            table.append(
                [
                    f"{100 * level:g}", kind, str(len(found)), before,
                    spread(found), difference, said,
                ]
            )  # fmt: skip
    header = (
        "zeros %|removed|seeds|test % before training|test % after|points from "
        "one-shot|95 % interval says"
    )
    return markdown_table(header.split("|"), table)


def _smaller_section() -> str:
    if not smaller.FILE.exists():
        return ""
    run = read_json(smaller.FILE)
    rows, made = run["rows"], run["settings"]
    return f"""## Pruned or simply smaller?

Liu et al. 2019, arXiv 1810.05270, asked it. On `mlp`'s shape and MNIST, each network
trained for {made["dense_steps"]:,} + {made["second_steps"]:,} steps on the same images
in the same order, batches of {made["batch_size"]}, Adam from {made["learning_rate"]:g}
to 0 along a cosine in both phases, no early stop: the last network counts.

- *pruned*: by magnitude in the second phase, {made["schedule"]}, packed without zeros;
- *small*: as wide as fits in the same bytes as a float32 file, trained from the start;
- *neurons removed*: the trained network, cut to small's shape by weight norm, then
  trained on.

A small network also takes fewer MACs; a pruned one in a dense kernel does not. All had
the same learning rate, which was tuned for none. Mean ± standard deviation over seeds;
points are paired over seeds, with the 95 % interval of Student's t.

{smaller_table(rows)}

{dense_line(rows)}

{smaller_verdicts(rows)}

{run_line(run)}

"""


def _schedules_section() -> str:
    if not schedules.FILE.exists():
        return ""
    run = read_json(schedules.FILE)
    rows, made = run["rows"], run["settings"]
    return f"""## When weights are removed, and which

Trained networks of `mlp`'s shape ({made["dense_steps"]:,} steps), pruned to so many
zeros while they train on for {made["second_steps"]:,} steps: at once, or in
{made["prunings"]} prunings within the first {made["until"]:.0%} of the steps. *Random*
removes as many weights of each layer as one-shot, but any. Mean ± standard deviation
over seeds; points are paired over seeds, with the 95 % interval of Student's t.

{schedules_table(rows)}

{dense_line(rows)}

{run_line(run)}

"""


def sections() -> str:
    """What the page of results says of the experiments that have run."""
    return _smaller_section() + _schedules_section()
