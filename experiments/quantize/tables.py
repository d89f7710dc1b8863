"""The tables of the quantization lessons, from their committed runs."""

from experiments.files import markdown_table, read_json
from experiments.frames import NETWORKS, markdown_frame, pivoted
from experiments.quantize import bits_tables, peers, qat
from labkit import zoo

SETTINGS = ("W8A8", "W4A8", "W4A4", "W2A4")
PACT = "PACT (Choi et al. 2018, arXiv 1805.06085, Table 1)"
PUBLISHED_QAT = {
    ("resnet20", "W4A4"): f"91.3 %, float 91.6 %: {PACT}",
}


def run_line(run: dict) -> str:
    """What a run was, as a sentence."""
    machine = run["machine"]
    return (
        f"Run: `{run['command']}`, {run['seconds']} s, {machine['cpu']}, "
        f"{machine['cores']} cores."
    )


def peers_table(run: dict) -> str:
    """Method x network: accuracy, bytes, latency, seconds to compress."""
    return markdown_frame(
        pivoted(run["rows"], ["method"], "network", NETWORKS, _peer_cell)
    )


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
    for row in sorted(run["rows"], key=_place):
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


def _place(row: dict) -> tuple[int, int]:
    """Networks in their usual order, their settings from many bits to few."""
    return zoo.NAMES.index(row["network"]), SETTINGS.index(row["setting"])


def sections() -> str:
    """What the page of results says of quantization, after the sweep."""
    trained, others = read_json(qat.FILE), read_json(peers.FILE)
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

Where a peer is better the lab uses it: the deployable files are ai_edge_quantizer's,
which LiteRT has integer kernels for. TensorFlow's converter writes much the same files,
but from a Keras model and with TensorFlow in memory, which no exploring kernel loads.
The lab's own packed files are there for the bytes and for what no runtime has: they
are decoded before they run.

{bits_tables.sections()}"""
