"""The tables of a factorized network beside small ones, and of MACs beside time."""

from experiments.files import markdown_table, read_json
from experiments.frames import over_seeds
from experiments.lowrank import files
from experiments.lowrank.smaller import FILE
from experiments.paired import paired, points, spread
from experiments.prune import smaller
from experiments.prune.seed_tables import KEYS, verdict
from experiments.quantize.tables import run_line

FACTORIZED = "factorized"
KINDS = FACTORIZED, smaller.SMALL, smaller.PRUNED


def smaller_table(rows: list[dict], others: list[dict]) -> str:
    """Bytes x kind: accuracies over seeds, and their paired differences.

    rows: factorized. others: of `experiments.prune.smaller`.
    """
    table, levels = [], {row["sparsity"] for row in rows}
    every = [*(row | {"kind": FACTORIZED} for row in rows), *others]
    values = "size_bytes", "accuracy", "ranks", "untrained_accuracy"
    size, accuracy, ranks, untrained = (over_seeds(every, KEYS, v) for v in values)
    for level in filter(levels.__contains__, smaller.SPARSITIES):
        ours, beside, zeros = (accuracy[level, kind] for kind in KINDS)
        table.append(
            [
                *(spread(size[level, kind], 1, 1e-3) for kind in KINDS),
                " or ".join(sorted(set(map(_ranks, ranks[level, FACTORIZED])))),
                spread(untrained[level, FACTORIZED]),
                *map(spread, (ours, beside, zeros)),
                points(paired(ours, beside)),
                verdict(FACTORIZED, smaller.SMALL, paired(ours, beside)),
                points(paired(ours, zeros)),
                verdict(FACTORIZED, smaller.PRUNED, paired(ours, zeros)),
            ]
        )  # fmt: skip
    header = (
        "factorized kB|small kB|pruned kB|ranks of fc1, fc2, fc3|factorized, its "
        "factors not trained: validation %|factorized: test %|small: test %|pruned: "
        "test %|factorized − small|95 % interval says|factorized − pruned|95 % "
        "interval says"
    )
    return markdown_table(header.split("|"), table)


def _ranks(ranks: dict) -> str:
    return "-".join("whole" if r is None else str(r) for r in ranks.values())


def files_table(rows: list[dict]) -> str:
    """Network x method: bytes, MACs and microseconds, each beside the whole file's."""
    table = []
    whole = {r["network"]: r for r in rows if r["method"] == files.WHOLE}
    for row in rows:
        base = whole[row["network"]]
        macs, us = (row[k] / base[k] for k in ("macs", "latency_us"))
        table.append(
            [
                f"`{row['network']}`", row["method"], f"{row['size_bytes'] / 1000:.1f}",
                f"{row['macs']:,}", f"{macs:.2f}", f"{row['latency_us']:,.1f}",
                f"{us:.2f}", f"{us / macs:.2f}",
                f"{100 * row['validation_accuracy']:.1f}",
            ]
        )  # fmt: skip
    header = (
        "network|method|kB|MACs|of the whole|µs an image|of the whole|time by MACs|"
        "validation %, not trained"
    )
    return markdown_table(header.split("|"), table)


def _smaller_section() -> str:
    if not FILE.exists():
        return ""
    run, others = read_json(FILE), read_json(smaller.FILE)
    made = run["settings"]
    return f"""## Factorized or simply smaller?

The trained networks of "Pruned or simply smaller?" factorized by PCA of responses, in
at most the bytes of its *small* networks, and the factors trained for
{made["second_steps"]:,} steps more: as many as the small and the pruned ones, at the
same learning rates, on the same images in the same order. Mean ± standard deviation
over seeds; points are paired over seeds, with the 95 % interval of Student's t.

{smaller_table(run["rows"], others["rows"])}

{run_line(run)}

"""


def _files_section() -> str:
    if not files.FILE.exists():
        return ""
    run = read_json(files.FILE)
    return f"""## MACs against microseconds

Every layer at {run["share"]:.0%} of its weights, by each method, nothing trained; one
image a call, one thread, the files of a network timed in turns. "Time by MACs" above 1:
the file is slower than its MACs say. Accuracy on the first
{run["validation_images"]:,} validation images.

{files_table(run["rows"])}

{run_line(run)}

"""


def sections() -> str:
    """What the page of results says of the experiments that have run."""
    return _smaller_section() + _files_section()
