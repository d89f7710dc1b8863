"""The tables of results, rebuilt from committed runs: `make results`.

Reads the records of the trained networks (data/models/*.json), the other seeds'
(data/results/seeds) and the committed runs of the lessons (data/results/*.json), writes
data/results/README.md, the table in the README at the top, and the lab's words in
CONTRIBUTING.md and notebooks/README.md. Measures nothing.
"""

import re
from pathlib import Path
from statistics import mean, stdev

from experiments import glossary
from experiments.distill import tables
from experiments.files import RESULTS, markdown_table, read_json
from experiments.frames import NETWORKS, markdown_frame, pivoted
from experiments.lowrank.tables import sections
from experiments.prune import tables as pruning_tables
from experiments.quantize import sweep
from experiments.quantize import tables as quantization_tables
from labkit import zoo
from labkit.common.files import write_text
from labkit.zoo import datasets

# Test error in per cent: what each network is compared with.
PUBLISHED = {
    "mlp": (1.64, "Han et al. 2015, arXiv 1506.02626, Table 1"),
    "lenet5": (0.80, "Han et al. 2015, arXiv 1506.02626, Table 1"),
    "resnet8": (12.81, "MLPerf Tiny's float file, 87.19 % on the 10,000 test images"),
    "resnet20": (8.75, "He et al. 2015, arXiv 1512.03385, Table 6"),
}
README = datasets.ROOT / "README.md"
CONTRIBUTING = datasets.ROOT / "CONTRIBUTING.md"
GLOSSARY = datasets.ROOT / "notebooks" / "README.md"


def seed_records(name: str) -> list[dict]:
    """The records of all seeds of a network, the committed network's among them."""
    files = sorted((RESULTS / "seeds").glob(f"{name}-seed*.json"))
    return [zoo.record(name), *(read_json(file, zoo.RECORD) for file in files)]


def error(record: dict) -> float:
    """Test error in per cent."""
    return 100 * (1 - record["test_accuracy"])


def networks_table() -> str:
    """Each network: what it weighs, and its test error beside the published one."""
    header = (
        "network|data|parameters|MACs|.tflite bytes|test error %|published %|epochs"
    )
    rows = []
    for name in zoo.NAMES:
        record = zoo.record(name)
        rows.append(
            [
                f"`{name}`", record["dataset"], f"{record['parameters']:,}",
                f"{record['macs']:,}", f"{record['size_bytes']:,}",
                f"{error(record):.2f}", f"{PUBLISHED[name][0]:.2f}",
                f"{record['epochs']} ({record['seconds'] / 60:.0f} min)",
            ]
        )  # fmt: skip
    return markdown_table(header.split("|"), rows)


def sources() -> str:
    lines = [f"- `{name}`: {source}" for name, (_, source) in PUBLISHED.items()]
    return "Published figures:\n" + "\n".join(lines)


def seeds_table() -> str:
    """The spread of a training over its seeds."""
    rows = []
    for name in ("mlp", "lenet5"):
        errors = [error(record) for record in seed_records(name)]
        listed = ", ".join(f"{value:.2f}" for value in errors)
        spread = f"{mean(errors):.2f} ± {stdev(errors):.2f}"
        rows.append([f"`{name}`", str(len(errors)), listed, spread])
    return markdown_table(["network", "seeds", "test error %", "mean ± s.d."], rows)


def sweep_table(run: dict) -> str:
    """Accuracy (and kB) of every network by bits and granularity."""
    index = ["bits", "granularity"]
    table = pivoted(run["rows"], index, "network", NETWORKS, _cell)
    return markdown_frame(table.sort_index(ascending=False))


def _cell(row: dict) -> str:
    significant = row.get("p_value", 1) < 0.05
    mark = "*" if significant else ""
    return f"{100 * row['accuracy']:.2f} %{mark} ({row['size_bytes'] / 1000:.1f} kB)"


def page() -> str:
    """The whole page of results."""
    run = read_json(sweep.FILE)
    machine = run["machine"]
    return f"""# Results

Written by `make results` from the committed runs beside this file; do not edit.
Accuracy and error are on the 10,000 test images; every choice was made on validation
images.

## The trained networks

{networks_table()}

{sources()}

## The spread over seeds

{seeds_table()}

## Weights on fewer bits

Round to nearest on the symmetric grid up to the largest weight ({run["rule"]}), all
layers, biases in float32, no repair. Accuracy of the decoded file, and in brackets the
bytes of the packed file with its scales, graph and header. A star: significantly
different from float on the same images (exact McNemar, p < 0.05).

{sweep_table(run)}

Run: `{run["command"]}`, {run["seconds"]} s, {machine["cpu"]}, {machine["cores"]} cores.

{quantization_tables.sections()}
{pruning_tables.sections().rstrip()}

{tables.sections()}
{sections().rstrip()}
"""


def renewed(text: str, name: str, section: str) -> str:
    """A page with the section between the two marks of `name` written anew.

    >>> print(renewed("<!-- a: b -->old<!-- end of a -->", "a", "new"))
    <!-- a: b -->
    new
    <!-- end of a -->

    Raises ValueError for a page without them.
    """
    begin, end = rf"(<!-- {name}: [^>]*-->)", f"<!-- end of {name} -->"
    found, times = re.subn(
        f"{begin}.*?{end}", lambda m: f"{m[1]}\n{section}\n{end}", text, flags=re.DOTALL
    )
    if times != 1:
        raise ValueError(f"the page has {times} sections of {name!r}, not one")
    return found


def sections_of_pages() -> dict[Path, tuple[str, str]]:
    """Page -> the name of its section, and what stands there."""
    return {
        README: ("results", f"{networks_table()}\n\n{sources()}"),
        CONTRIBUTING: ("words", glossary.for_writers()),
        GLOSSARY: ("glossary", glossary.for_learners()),
    }


def main() -> None:
    write_text(RESULTS / "README.md", page())
    for path, (name, section) in sections_of_pages().items():
        write_text(path, renewed(path.read_text("utf-8"), name, section))
    print(page())


if __name__ == "__main__":
    main()
