"""Rows of runs as pandas tables: one column for each network, or values over seeds."""

from collections.abc import Callable, Mapping, Sequence

from pandas import DataFrame, Series

from experiments.files import markdown_table
from labkit import zoo

NETWORKS = {name: f"`{name}`" for name in zoo.NAMES}


def pivoted(
    rows: list[dict],
    index: Sequence[str],
    by: str,
    heads: Mapping[str, str],
    cell: Callable[[dict], str],
) -> DataFrame:
    """The texts of cells, by `index` down and `by` across; "" where there is no row.

    heads: the values of `by` in order -> the heads of their columns. Lines are in the
    rows' order. Raises ValueError for two rows of one cell.

    >>> rows = [{"bits": 4, "network": "mlp"}, {"bits": 2, "network": "lenet5"}]
    >>> table = pivoted(rows, ["bits"], "network", NETWORKS, lambda row: "x")
    >>> table["`lenet5`"].to_dict()
    {4: '', 2: 'x'}
    """
    cells = DataFrame(rows, dtype=object).assign(cell=[cell(row) for row in rows])
    table = cells.set_index([*index, by])["cell"].unstack(by, "", sort=False)
    return table.reindex(columns=list(heads), fill_value="").rename(columns=heads)


def markdown_frame(table: DataFrame) -> str:
    """A table of texts and its index as Markdown."""
    flat = table.reset_index()
    return markdown_table(list(flat.columns), flat.astype(str).to_numpy())


def over_seeds(rows: list[dict], keys: Sequence[str], value: str) -> Series:
    """Values of the rows that have one, by the keys and then by seed, ascending.

    >>> rows = [{"kind": kind, "seed": s, "n": s + 5} for kind in "ab" for s in (1, 0)]
    >>> over_seeds(rows, ["kind"], "n")["b"].to_dict()
    {0: 5, 1: 6}
    """
    frame = DataFrame(rows, dtype=object).dropna(subset=[value])
    return frame.set_index([*keys, "seed"])[value].sort_index()
