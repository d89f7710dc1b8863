"""The parts of a panel on the page beside its fields: buttons and pieces of HTML."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

import ipywidgets as widgets

from labkit.ledger import Row

WIDTH = "860px"
_COLUMNS = {
    "file": 138,
    "parameters": 70,
    "non-zeros": 63,
    "bits a weight": 48,
    "weights, bytes": 63,
    "file, bytes": 68,
    "deflated, bytes": 63,
    "MACs": 71,
    "latency, µs (quartiles)": 168,
}  # pixels, without the 12 of padding
_ACTION = {"width": "120px"}
PENDING = "…"
NONE = "–"
_STYLE = """<style>
.labkit-code textarea {font-family: var(--jp-code-font-family, monospace);
  font-size: 12px; white-space: pre;}
</style>"""


def button(text: str, icon: str, tooltip: str, press: Callable) -> widgets.Button:
    """A button that acts; `icon` tells it from the buttons that choose."""
    made = widgets.Button(description=text, icon=icon, tooltip=tooltip, layout=_ACTION)
    made.on_click(press)
    return made


def fold(text: str, icon: str, content: widgets.Widget) -> widgets.ToggleButton:
    """A button that shows and hides `content`; ipywidgets' Accordion has no keys."""
    made = widgets.ToggleButton(description=text, icon=icon, layout=_ACTION)

    def turn(_event=None) -> None:
        content.layout.display = None if made.value else "none"

    made.observe(turn, "value")
    turn()
    return made


def code_box() -> widgets.Textarea:
    """Where the code of a setting stands: Ctrl+A, Ctrl+C copies it."""
    box = widgets.Textarea(layout={"width": WIDTH, "height": "270px"})
    box.add_class("labkit-code")
    return box


def lines_html(lines: Iterable[str], height: str) -> str:
    """Lines of text in a box of fixed height, so that nothing below it moves."""
    body = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'{_STYLE}<div role="status" style="height:{height};overflow:hidden;'
        f'line-height:1.45;max-width:{WIDTH}">{body}</div>'
    )


def state_html(text: str, failed: bool = False) -> str:
    """One line on how far the panel is, or what went wrong."""
    colour, role = (
        ("var(--jp-error-color1, #B34700)", "alert")
        if failed
        else ("var(--jp-ui-font-color2, #595959)", "note")
    )
    weight = "bold" if failed else "normal"
    return (
        f'<div role="{role}" style="min-height:1.5em;line-height:1.5;color:{colour};'
        f'font-weight:{weight};max-width:{WIDTH}">{escape(text)}</div>'
    )


def ledger_html(rows: Sequence[Row | tuple[str, str]], notes: Sequence[str]) -> str:
    """The ledger as a table: a Row, or a pair of a file's name and why it is missing.

    The notes stand in a box of fixed height, which scrolls, so that nothing moves.
    """
    head = "".join(
        f'<th style="width:{width}px;{_cell(k)}">{name}</th>'
        for k, (name, width) in enumerate(_COLUMNS.items())
    )
    body = "".join(_table_row(row) for row in rows)
    said = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<table style="table-layout:fixed;width:{WIDTH};font-size:12px;margin:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<ul tabindex="0" style="height:135px;overflow-y:auto;width:{WIDTH};'
        f'font-size:12px;margin:6px 0;box-sizing:border-box">{said}</ul>'
    )


def _table_row(row: Row | tuple[str, str]) -> str:
    if isinstance(row, tuple):
        stage, reason = row
        return (
            f'<tr style="height:2.6em"><td style="{_cell(0)}">{escape(stage)}</td>'
            f'<td colspan="{len(_COLUMNS) - 1}" style="{_cell(0)}">{escape(reason)}'
            "</td></tr>"
        )
    cells = (
        row.stage,
        f"{row.parameters:,}",
        f"{row.nonzeros:,}",
        f"{row.bits:.3g}",
        f"{row.payload_bytes:,}",
        f"{row.size_bytes:,}",
        PENDING if row.deflated_bytes is None else f"{row.deflated_bytes:,}",
        f"{row.macs:,}",
        _latency(row),
    )
    body = "".join(
        f'<td style="{_cell(k)}">{escape(cell)}</td>' for k, cell in enumerate(cells)
    )
    return f'<tr style="height:2.6em">{body}</tr>'


def _cell(column: int) -> str:
    side = "right" if column else "left"
    return f"text-align:{side};white-space:normal;padding:2px 6px"


def _latency(row: Row) -> str:
    if row.latency is None:
        return NONE if row.deflated_bytes is not None else PENDING
    time = row.latency
    return f"{time.median_us:,.1f} ({time.q1_us:,.1f} to {time.q3_us:,.1f})"
