"""The tables of the lottery tickets, from their committed run."""

from statistics import mean

from pandas import DataFrame, Series

from experiments.files import markdown_table, read_json
from experiments.frames import over_seeds
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


def _stops(rows: list[dict], value: str) -> Series:
    """Of the early stops "test_accuracy" or "iteration", by kind, round and seed."""
    return over_seeds([row | row["stop"] for row in rows], ["kind", "round"], value)


def _kinds(rows: list[dict], round_: int, value: str) -> list[Series]:
    """Of dense, rewound and reinitialized networks, seed -> a value at the stop."""
    found = _stops(rows, value)
    wanted = (lottery.REWOUND, 0), (lottery.REWOUND, round_), (lottery.NEW, round_)
    return [found[each] for each in wanted]


def _rounds(rows: list[dict]) -> list[int]:
    """The rounds at the paper's levels that have been trained with both beginnings."""
    both = DataFrame(rows).groupby("round")["kind"].nunique() == 2
    return [round_ for round_ in lottery.REINITIALIZED if both.get(round_)]


def _left(rows: list[dict], round_: int) -> str:
    """Per cent of the weights that a round keeps, the same for all seeds."""
    return f"{100 * next(r['left'] for r in rows if r['round'] == round_):.1f}"


def levels_table(rows: list[dict]) -> str:
    """Weights left x beginning: test accuracy and iteration of the early stop."""
    dense = _stops(rows, "test_accuracy")[lottery.REWOUND, 0]
    at = _stops(rows, "iteration")[lottery.REWOUND, 0]
    first = ["100.0 (dense)", str(len(dense)), spread(dense), spread(at, 0, 1)]
    table = [[*first, *[""] * 4]]
    for round_ in _rounds(rows):
        dense, rewound, new = _kinds(rows, round_, "test_accuracy")
        _, rewound_at, new_at = _kinds(rows, round_, "iteration")
        table.append(
            [
                _left(rows, round_), str(len(rewound)),
                spread(rewound), spread(rewound_at, 0, 1),
                spread(new), spread(new_at, 0, 1),
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
            mean(at) for at in _kinds(rows, round_, "iteration")
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
