"""The tables of the lottery tickets, from their committed run."""

from statistics import mean

from experiments.files import markdown_table, read_json
from experiments.paired import paired, points, spread
from experiments.prune import lottery
from experiments.quantize.tables import run_line

# Frankle and Carbin 2019, arXiv:1803.03635, sec. 2: round -> what they found.
PUBLISHED = {
    3: "more accurate than dense, and stops sooner; later than at 21.1 %",
    7: (
        "stops 38 % sooner than dense; 2.51 times sooner than reinitialized, and 0.5 "
        "points more accurate"
    ),
    9: "more than 0.3 points more accurate than dense",
    15: "as fast and as accurate as dense",
}
PAPER_ITERATIONS = 50_000


def stops(rows: list[dict], kind: str, round_: int, value: str) -> dict[int, float]:
    """Seed -> a value at the early stop: "test_accuracy" or "iteration"."""
    return {
        row["seed"]: row["stop"][value]
        for row in rows
        if (row["kind"], row["round"]) == (kind, round_)
    }


def _kinds(rows: list[dict], round_: int, value: str) -> list[dict[int, float]]:
    """Of dense, rewound and reinitialized networks."""
    return [
        stops(rows, lottery.REWOUND, 0, value),
        stops(rows, lottery.REWOUND, round_, value),
        stops(rows, lottery.NEW, round_, value),
    ]


def _rounds(rows: list[dict]) -> list[int]:
    """The rounds at the paper's levels that have been trained with both beginnings."""
    return [
        round_
        for round_ in lottery.REINITIALIZED
        if all(_kinds(rows, round_, "iteration"))
    ]


def _left(rows: list[dict], round_: int) -> str:
    """Per cent of the weights that a round keeps, the same for all seeds."""
    return f"{100 * next(r['left'] for r in rows if r['round'] == round_):.1f}"


def levels_table(rows: list[dict]) -> str:
    """Weights left x beginning: test accuracy and iteration of the early stop."""
    dense = stops(rows, lottery.REWOUND, 0, "test_accuracy")
    at = stops(rows, lottery.REWOUND, 0, "iteration")
    seeds = str(len(dense))
    empty = [""] * 4
    first = spread(dense.values()), spread(at.values(), 0, 1)
    table = [["100.0 (dense)", seeds, *first, *empty]]
    for round_ in _rounds(rows):
        dense, rewound, new = _kinds(rows, round_, "test_accuracy")
        _, rewound_at, new_at = _kinds(rows, round_, "iteration")
        table.append(
            [
                _left(rows, round_), str(len(rewound)),
                spread(rewound.values()), spread(rewound_at.values(), 0, 1),
                spread(new.values()), spread(new_at.values(), 0, 1),
                points(paired(rewound, dense)), points(paired(rewound, new)),
            ]
        )  # fmt: skip
    header = (
        "weights left %|seeds|rewound: test %|stops at|reinitialized: test %|stops at|"
        "rewound − dense|rewound − reinitialized"
    )
    return markdown_table(header.split("|"), table)


def beside_table(rows: list[dict]) -> str:
    """What was found in the paper at each level, and here."""
    table = []
    for round_ in _rounds(rows):
        dense, rewound, new = _kinds(rows, round_, "test_accuracy")
        dense_at, rewound_at, new_at = (
            mean(at.values()) for at in _kinds(rows, round_, "iteration")
        )
        ours = (
            f"stops {abs(1 - rewound_at / dense_at):.0%} "
            f"{'sooner' if rewound_at <= dense_at else 'later'} than dense, "
            f"{points(paired(rewound, dense))} points; "
            f"{new_at / rewound_at:.2f} times as soon as reinitialized, "
            f"{points(paired(rewound, new))} points"
        )
        table.append([_left(rows, round_), PUBLISHED.get(round_, ""), ours])
    iterations = lottery.SETTINGS["iterations"]
    paper = f"the paper, {PAPER_ITERATIONS:,} iterations"
    return markdown_table(
        ["weights left %", paper, f"ours, {iterations:,} iterations"], table
    )


def sections() -> str:
    """What the page of results says of lottery tickets; nothing before they ran."""
    if not lottery.FILE.exists():
        return ""
    run = read_json(lottery.FILE)
    rows, settings = run["rows"], run["settings"]
    return f"""## Lottery tickets

`mlp`'s shape, trained, pruned by magnitude a round at a time, and trained again from
its own initial weights (rewound) or from new ones (reinitialized) under the same masks:
{settings["iterations"]:,} iterations of Adam at {settings["learning_rate"]:g} on
batches of {settings["batch_size"]}. The stop is the iteration of the smallest
validation loss, looked at every {settings["validation_every"]} iterations; test
accuracy is that of the network there. Mean ± standard deviation over seeds; differences
in points, paired over seeds, with the 95 % interval of Student's t.

{levels_table(rows)}

Frankle and Carbin 2019, arXiv 1803.03635, sec. 2, trained {PAPER_ITERATIONS:,}
iterations, we {settings["iterations"]:,}: what takes longer does not show here.

{beside_table(rows)}

{run_line(run)}

"""
