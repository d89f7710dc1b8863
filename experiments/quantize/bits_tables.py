"""Tables of repairs, mixed bits and integer arithmetic, from their committed runs."""

from pandas import MultiIndex

from experiments import files
from experiments.files import markdown_table, read_json
from experiments.frames import NETWORKS, markdown_frame, pivoted
from experiments.quantize import integers, repair
from labkit.compress.budget import sensitivity

GRANULARITY, RULE = "channel", "least_squares"
REPAIRS = {
    "none": "none",
    "bias_correction": "bias correction",
    "batch_norm": "batch norm re-estimated",
    "equalization": "cross-layer equalization",
    "equalization + batch_norm": "equalization, then batch norm",
}
FEEDBACK = {
    "nearest": "nearest",
    "error_feedback": "error feedback",
    "error_feedback + batch_norm": "and means and spreads restored",
    "gptq": "ai_edge_quantizer's gptq",
}
KERNELS = {
    ("reference", "litert-reference"): "ours and LiteRT's reference kernels",
    ("reference", "litert-xnnpack"): "ours and LiteRT's default kernels (XNNPACK)",
    ("double", "single"): "ours, double and single rounding",
}


def percent(row: dict) -> str:
    """Test accuracy, with a star where it differs significantly from float."""
    return f"{100 * row['accuracy']:.2f} %{'*' if row['p_value'] < 0.05 else ''}"


def repairs_table(rows: list[dict]) -> str:
    """Bits x repair: the test accuracy of every network."""
    same = [
        row for row in rows if (row["granularity"], row["rule"]) == (GRANULARITY, RULE)
    ]
    table = pivoted(same, ["bits", "method"], "network", NETWORKS, percent)
    order = MultiIndex.from_product([repair.BITS, REPAIRS], names=["bits", "repair"])
    return markdown_frame(table.reindex(order, fill_value="").rename(index=REPAIRS))


def feedback_table(run: dict) -> str:
    """The whole of mlp at few bits: to nearest, with error feedback, and the peer."""
    ours = [row for row in run["feedback_networks"] if row["rule"] == "minmax"]
    theirs = [
        row | {"method": "gptq"}
        for row in run["algorithms"]
        if row["network"] == "mlp" and row["algorithm"] == "gptq"
    ]
    table = pivoted([*ours, *theirs], ["bits"], "method", FEEDBACK, percent)
    return markdown_frame(table.loc[list(repair.BITS)])


def mixed_table(networks: list[dict]) -> str:
    """Files with the same bits everywhere, and with mixed bits in as many bytes."""
    table = []
    for found in networks:
        rows = found["assignments"]
        exact = {r["budget_bytes"]: r for r in rows if r["method"] == "exact"}
        for same in (row for row in rows if row["method"] == "uniform"):
            mixed = exact.get(same["payload_bytes"])
            if mixed:
                bits = [str(max(same["bits"].values()))]
                cells = [f"`{found['network']}`", *bits, *_cells(same), *_cells(mixed)]
                table.append([*cells, " ".join(map(str, mixed["bits"].values()))])
    header = "network|bits|same: kB|test %|mixed: kB|test %|mixed bits of the layers"
    return markdown_table(header.split("|"), table)


def _cells(row: dict) -> list[str]:
    return [f"{row['size_bytes'] / 1000:.1f}", f"{100 * row['test_accuracy']:.2f}"]


def integers_table(run: dict) -> str:
    """Codes that differ between two ways of computing the same int8 file."""
    table = []
    for row in run["rows"]:
        pairs = {(pair["first"], pair["second"]): pair for pair in row["pairs"]}
        for key, title in KERNELS.items():
            pair = pairs[key]
            table.append(
                [
                    f"`{row['network']}`", row["granularity"], title,
                    f"{pair['images']:,}", f"{pair['codes']:,}",
                    f"{pair['differing']:,}", str(pair["largest"]),
                    str(pair["predictions_changed"]),
                ]
            )  # fmt: skip
    header = "network|scale a|compared|images|codes|differ|by at most|classes changed"
    return markdown_table(header.split("|"), table)


def sections() -> str:
    """What the page of results says of repairs, mixed bits and integers."""
    repaired, compared = read_json(repair.FILE, dict), read_json(integers.FILE)
    mapped = read_json(sensitivity.FILE, files.NETWORKS)
    return f"""## Repaired without training

Weights on few bits, one scale a channel, least squares range;
{repaired["calibration_images"]["repairs"]} calibration images without labels. A star:
significantly different from float on the same images.

{repairs_table(repaired["repairs"])}

Error feedback on the dense layers of `mlp`, min-max range, one scale a channel,
{repaired["calibration_images"]["feedback"]} calibration images:

{feedback_table(repaired)}

Run: `{repaired["command"]}`.

## Bits where they matter

The layers' bits chosen by exact allocation on the sensitivity map (cross-entropy on
validation images) in no more weight bytes than the same bits in all layers take.
Nothing is repaired.

{mixed_table(mapped["networks"])}

Run: `{mapped["command"]}`.

## Integers only

Every code of every layer's output of the static int8 file, ours against LiteRT's.

{integers_table(compared)}

Run: `{compared["command"]}`, {compared["seconds"]} s.
"""
