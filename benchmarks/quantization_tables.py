"""The tables of the quantization lessons, from their committed runs."""

import json
from pathlib import Path

from benchmarks import peers, qat
from benchmarks.files import markdown_table
from labkit import zoo

PACT = "PACT (Choi et al. 2018, arXiv 1805.06085, Table 1)"
PUBLISHED_QAT = {
    ("resnet20", "W4A4"): f"91.3 %, float 91.6 %: {PACT}",
}


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def run_line(run: dict) -> str:
    """What a run was, as a sentence."""
    machine = run["machine"]
    return (
        f"Run: `{run['command']}`, {run['seconds']} s, {machine['cpu']}, "
        f"{machine['cores']} cores."
    )


def peers_table(run: dict) -> str:
    """Method x network: accuracy, bytes, latency, seconds to compress."""
    cells = {(row["network"], row["method"]): row for row in run["rows"]}
    rows = []
    for method in dict.fromkeys(row["method"] for row in run["rows"]):
        found = [cells[name, method] for name in zoo.NAMES]
        rows.append([method, *map(_peer_cell, found)])
    return markdown_table(["method", *(f"`{name}`" for name in zoo.NAMES)], rows)


def _peer_cell(row: dict) -> str:
    if "missing" in row:
        return row["missing"]
    return (
        f"{100 * row['accuracy']:.2f} %, {row['size_bytes'] / 1000:.1f} kB, "
        f"{row['latency_us']:.1f} µs, {row['seconds']:.2f} s"
    )


def qat_table(run: dict) -> str:
    """Each trained network: float, rounded alone, trained, and what was published."""
    header = "network|setting|8 bits|float %|rounded %|trained %|points|kB|published"
    rows = []
    for row in run["rows"]:
        low, high = (100 * end for end in row["difference_interval"])
        rows.append(
            [
                f"`{row['network']}`", row["setting"], ", ".join(row["kept_at_8_bits"]),
                f"{100 * row['float_accuracy']:.2f}",
                f"{100 * row['rounded_accuracy']:.2f}",
                f"{100 * row['trained_accuracy']:.2f}",
                f"{100 * row['difference']:+.2f} ({low:+.2f} to {high:+.2f})",
                f"{row['size_bytes'] / 1000:.1f}",
                PUBLISHED_QAT.get((row["network"], row["setting"]), ""),
            ]
        )  # fmt: skip
    return markdown_table(header.split("|"), rows)


def sections() -> str:
    """What the page of results says of quantization, after the sweep."""
    trained, others = read(qat.FILE), read(peers.FILE)
    return f"""## Trained with rounding

Quantization-aware training, W and A the bits of weights and activations, against the
float network on the same images (points: paired difference and its 95 % interval), and
against the same rounding without training. 4-bit activations are rounded in the graph:
no kernel multiplies them.

{qat_table(trained)}

{run_line(trained)}

## Beside other tools

Accuracy on the test images, bytes of the file, latency of one image on one thread,
seconds to compress. A packed file is decoded to float32 before it runs, so its latency
is that of the float file. Keras' latency includes the call of its compiled graph.

{peers_table(others)}

{run_line(others)}
"""
