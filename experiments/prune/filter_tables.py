"""The table of ways to choose filters, from the committed run."""

from itertools import product

from pandas import DataFrame

from experiments.files import read_json
from experiments.frames import markdown_frame
from experiments.paired import spread
from experiments.prune import filters
from experiments.quantize.tables import run_line


def filters_table(rows: list[dict]) -> str:
    """Criterion x network: accuracy as it is, and re-estimated; the dense one first."""
    frame = DataFrame(rows).fillna({"criterion": "none removed", "reestimated": False})
    keys = ["criterion", "network", "reestimated"]
    cells = frame.groupby(keys)["validation_accuracy"].agg(spread)
    order = product(frame["network"].unique(), (False, True))
    table = cells.unstack(["network", "reestimated"], fill_value="")[list(order)]
    table.columns = [
        f"`{name}`{', re-estimated' if again else ''} %" for name, again in table
    ]
    table = table.loc[["none removed", *filters.RANKINGS]]
    return markdown_frame(table.rename_axis("filters ranked by"))


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
