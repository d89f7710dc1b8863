"""The tables of low rank, and what was to be reached, from the committed runs."""

from experiments.files import markdown_table, read_json
from experiments.lowrank import beside, ranks
from experiments.quantize.tables import run_line
from labkit import zoo

LEVEL = 0.05
POINT = 0.01  # of accuracy, that plain SVD loses
NETWORK = "resnet20"
# Millions of multiply-accumulates -> test error in per cent; the first is the float
# network's. Read off a figure, to about 0.2.
CURVE = {40.5: 8.35, 26.0: 8.75, 22.7: 9.2, 17.4: 9.5, 13.5: 9.9, 10.6: 11.0}
CURVE_SOURCE = (
    "Idelbayev and Carreira-Perpiñán 2020, CVPR, Fig. 2, read off the picture beside "
    "the authors' code (LC-model-compression, examples/cvpr2020) to about ±0.2"
)
# Millions -> how many points of error more than the float network's are allowed.
LIMITS = {26.0: 0.4, 22.7: 0.85}
NOT_YET = "not trained yet"


def groups(rows: list[dict]) -> list[dict[str, dict]]:
    """For each scope and ranks, method -> its row."""
    found = {}
    for row in rows:
        key = row["scope"], row["share"], str(row["ranks"])
        found.setdefault(key, {})[row["method"]] = row
    return list(found.values())


def place(row: dict) -> str:
    """What is factorized, and at which rank: "fc1, rank 3".

    >>> place({"scope": "fc1", "share": None, "ranks": {"fc1": 3}})
    'fc1, rank 3'
    """
    if row["share"] is None:
        return f"{row['scope']}, rank {row['ranks'][row['scope']]}"
    ranks = ", ".join(map(str, row["ranks"].values()))
    return f"{row['scope']}, {row['share']:.0%} of the weights (ranks {ranks})"


def paired_table(rows: list[dict]) -> str:
    """What is factorized x method: test accuracy, paired, and the answers' error."""
    table = []
    for found in groups(rows):
        plain = found["svd"]
        line = [place(plain), f"{plain['size_bytes'] / 1000:.1f}", f"{plain['macs']:,}"]
        line.append(f"{100 * plain['test_accuracy']:.2f}")
        for method in ("responses", "inputs"):
            line.append(_accuracy(found[method]))
        for method in ("responses", "inputs"):
            error = found[method]["output_error"] / plain["output_error"]
            line.append(f"{error:.2f}")
        table.append(line)
    header = (
        "factorized|kB|MACs|SVD: test %|PCA of responses: test %|PCA of inputs: test %"
        "|error of the answers beside SVD's: responses|inputs"
    )
    return markdown_table(header.split("|"), table)


def _accuracy(row: dict) -> str:
    star = "*" if row["test_p_value"] < LEVEL else ""
    value, difference = 100 * row["test_accuracy"], 100 * row["test_difference"]
    return f"{value:.2f} ({difference:+.2f}{star})"


def larger_errors(rows: list[dict]) -> list[dict]:
    """Rows of PCA of responses whose answers are further off than plain SVD's."""
    return [
        found["responses"]
        for found in groups(rows)
        if found["responses"]["output_error"] > found["svd"]["output_error"]
    ]


def worse(rows: list[dict], level: float = LEVEL) -> list[dict]:
    """Rows of PCA of responses that are significantly worse than plain SVD."""
    return [
        row
        for row in rows
        if row["method"] == "responses"
        and row["test_difference"] < 0
        and row["test_p_value"] < level
    ]


def losing(run: dict) -> list[dict]:
    """Rows of PCA of responses where plain SVD loses a point or more on test images."""
    limit = round(run["test_accuracy"] - POINT, 6)
    return [
        found["responses"]
        for found in groups(run["rows"])
        if found["svd"]["test_accuracy"] <= limit
    ]


def not_better(run: dict) -> list[dict]:
    """Those of `losing` that are not significantly better."""
    return [
        row
        for row in losing(run)
        if row["test_difference"] <= 0 or row["test_p_value"] >= LEVEL
    ]


def _answer(against: list[dict], total: int) -> list[str]:
    """How many of the files, which, and yes or no."""
    listed = f": {'; '.join(map(place, against))}" if against else ""
    return [f"{len(against)} of {total}{listed}", "**no**" if against else "yes"]


def targets_table(run: dict | None) -> str:
    """What was to be reached, by how many files it is missed, and whether it is."""
    table = []
    if run is not None:
        rows, total = run["rows"], len(groups(run["rows"]))
        for text, against, of in (
            ("error of the answers on held-out images never above SVD's",
             larger_errors(rows), total),
            ("accuracy never significantly worse than SVD's", worse(rows), total),
            ("significantly better wherever SVD loses a point or more",
             not_better(run), len(losing(run))),
        ):  # fmt: skip
            table.append(["`mlp`", text, *_answer(against, of)])
    for macs, limit in LIMITS.items():
        text = f"error at most {limit:g} points above the float network at {macs:g} M"
        table.append([f"`{NETWORK}`", f"{text} MACs", *_trained_answer(macs, limit)])
    header = "network|to reach|against it|reached"
    return markdown_table(header.split("|"), table)


def trained() -> dict[float, dict]:
    """Budget in millions of MACs -> the record of the network that trained at it."""
    records = map(zoo.lowrank_record, zoo.lowrank_names())
    return {r["budget"] / 1e6: r for r in records if r["name"] == NETWORK}


def error(record: dict) -> float:
    """Test error in per cent."""
    return 100 * (1 - record["test_accuracy"])


def above(record: dict) -> float:
    """Points of test error above the float network's."""
    return error(record) - error(zoo.record(NETWORK))


def _trained_answer(macs: float, limit: float) -> list[str]:
    record = trained().get(macs)
    if record is None:
        return ["", NOT_YET]
    reached = round(above(record), 4) <= limit
    return [f"{above(record):+.2f} points", "yes" if reached else "**no**"]


def curve_table() -> str:
    """Budget x ours and the published one: MACs, bytes, error and the distance."""
    published, ours = CURVE[40.5], trained()
    table = [
        [
            "none",
            "40.5",
            f"{published:.2f}",
            "",
            *_ours(zoo.record(NETWORK), whole=True),
        ]
    ]
    for macs, theirs in list(CURVE.items())[1:]:
        record = ours.get(macs)
        missing = [NOT_YET if macs in LIMITS else "not trained", *[""] * 4]
        found = missing if record is None else _ours(record)
        line = [f"{macs:g}", f"{macs:g}", f"{theirs:.2f}", f"{theirs - published:+.2f}"]
        table.append([*line, *found])
    for macs in sorted(set(ours) - set(CURVE), reverse=True):
        table.append([f"{macs:g}", "", "", "", *_ours(ours[macs])])
    header = (
        "at most so many M MACs|published: M|test error %|points|ours: M|kB|"
        "test error %|points|epochs"
    )
    return markdown_table(header.split("|"), table)


def _ours(record: dict, whole: bool = False) -> list[str]:
    return [
        f"{record['macs'] / 1e6:.1f}",
        f"{record['size_bytes'] / 1000:.1f}",
        f"{error(record):.2f}",
        "" if whole else f"{above(record):+.2f}",
        f"{record['epochs']} ({record['seconds'] / 60:.0f} min)",
    ]


def _paired_section(run: dict) -> str:
    strict = LEVEL / len(groups(run["rows"]))
    still = worse(run["rows"], strict)
    return f"""Factors of `mlp` as files; nothing is trained, and
{run["calibration_images"]:,} calibration images are observed. Each layer alone, then
all at the same share of their weights. In brackets the paired difference from plain SVD
in points; a star: significant (exact McNemar on the 10,000 test images, p < {LEVEL}).
The error of the answers, E‖y − y_k‖², is on the 5,000 validation images, which no
method looked at; of all layers together it is that of the logits. Float:
{100 * run["test_accuracy"]:.2f} %.

{paired_table(run["rows"])}

Each star is a test of its own; of so many, some are chance. At p < {strict:.4f}
(Bonferroni's correction for {len(groups(run["rows"]))} tests) PCA of responses is
worse than SVD at {_listed(still)}. There the answers of SVD's file are further off, and
it is right about more images all the same: the error of a layer counts all its outputs
alike, and the next layer does not.

{run_line(run)}

"""


def _listed(rows: list[dict]) -> str:
    return " and ".join(map(place, rows)) or "none"


def _curve_section() -> str:
    return f"""`{NETWORK}`'s convolutions factorized (PCA of responses, ranks by the
product of energies), then all factors trained further. Published: {CURVE_SOURCE}; there
the ranks are chosen while the network trains. Points of test error above each one's own
float network.

{curve_table()}

"""


def sections() -> str:
    """What the page of results says of low rank."""
    run = read_json(ranks.FILE) if ranks.FILE.exists() else None
    first = _paired_section(run) if run else ""
    return f"""## Low rank

What was to be reached, on test images, of factors that look at data (PCA of responses)
beside plain SVD, and of factors that were trained:

{targets_table(run)}

{first}{_curve_section()}{beside.sections()}"""
