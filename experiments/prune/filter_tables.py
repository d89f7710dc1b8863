"""The table of ways to choose filters, from the committed run."""

from experiments.files import markdown_table, read_json
from experiments.paired import spread
from experiments.prune import filters
from experiments.quantize.tables import run_line


def cell(rows: list[dict], name: str, criterion: str, reestimated: bool) -> str:
    """Validation accuracy in per cent, over the draws of a random choice."""
    wanted = {"network": name, "criterion": criterion, "reestimated": reestimated}
    found = [
        row["validation_accuracy"] for row in rows if wanted.items() <= row.items()
    ]
    return spread(found)


def filters_table(rows: list[dict]) -> str:
    """Criterion x network: accuracy as it is, and re-estimated; the dense one first."""
    dense = {
        row["network"]: f"{100 * row['validation_accuracy']:.2f}"
        for row in rows
        if row["criterion"] is None
    }
    head = ["none removed", *(text for name in dense for text in (dense[name], ""))]
    table = [head]
    for criterion in filters.RANKINGS:
        cells = [cell(rows, n, criterion, again) for n in dense for again in (0, 1)]
        table.append([criterion, *cells])
    titles = [f"`{n}`{text}" for n in dense for text in (" %", ", re-estimated %")]
    return markdown_table(["filters ranked by", *titles], table)


def sections() -> str:
    """What the page of results says of the ways to choose filters."""
    run = read_json(filters.FILE)
    savings = [row["saving"] for row in run["rows"] if "saving" in row]
    return f"""## Which filters to remove

Filters of the first convolution of each residual block removed from the model file,
until at least {run["saving"]:.0%} of the MACs are gone (at most {max(savings):.1%}),
and nothing trained: accuracy on the 5,000 validation images, as the files are, and
with each channel's mean and deviation re-estimated on {run["calibration_images"]}
calibration images. Random: mean ± standard deviation of {filters.DRAWS} draws.

{filters_table(run["rows"])}

{run_line(run)}

"""
