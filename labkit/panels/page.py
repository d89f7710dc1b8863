"""The parts of a panel on the page beside its fields: buttons and pieces of HTML."""

from collections.abc import Callable, Iterable, Sequence
from html import escape

import ipywidgets as widgets

from labkit.measure.ledger import Row

WIDTH = "860px"
LEAST_WIDTH = "740px"  # in a narrower window the ledger scrolls sideways
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
}  # pixels at full width, without the padding
_PADDING = 6
_ACTION = {"width": "max-content"}
PENDING = "…"
NONE = "–"
_STYLE = """<style>
.labkit-choice .widget-readout {min-width: 160px; max-width: 160px;}
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


def words_html(explanations: Iterable[tuple[str, str]]) -> str:
    """Words and what they mean, as a list that scrolls."""
    body = "".join(
        f"<dt><b>{escape(word)}</b></dt><dd>{escape(line)}</dd>"
        for word, line in explanations
    )
    return (
        f'<dl tabindex="0" style="max-width:{WIDTH};max-height:270px;overflow-y:auto;'
        f'line-height:1.4;margin:0">{body}</dl>'
    )


def code_box() -> widgets.Textarea:
    """Where the code of a setting stands: Ctrl+A, Ctrl+C copies it."""
    layout = {"width": "99%", "max_width": WIDTH, "height": "270px"}
    box = widgets.Textarea(layout=layout)
    box.add_class("labkit-code")
    return box


def lines_html(lines: Iterable[str], height: str) -> str:
    """Lines of text in a box of fixed height, so that nothing below it moves.

    In a narrow window lines wrap, and the box scrolls.
    """
    body = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'{_STYLE}<div role="status" style="height:{height};overflow-y:auto;'
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
    widths = {name: width + 2 * _PADDING for name, width in _COLUMNS.items()}
    head = "".join(
        f'<th style="width:{width / sum(widths.values()):.2%};{_cell(k)}">{name}</th>'
        for k, (name, width) in enumerate(widths.items())
    )
    body = "".join(_table_row(row) for row in rows)
    said = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<div style="max-width:{WIDTH};overflow-x:auto"><table style="table-layout:'
        f'fixed;width:100%;min-width:{LEAST_WIDTH};font-size:12px;margin:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f'<ul tabindex="0" style="height:135px;overflow-y:auto;max-width:{WIDTH};'
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
    return f"text-align:{side};white-space:normal;padding:2px {_PADDING}px"


def _latency(row: Row) -> str:
    if row.latency is None:
        return NONE if row.deflated_bytes is not None else PENDING
    time = row.latency
    return f"{time.median_us:,.1f} ({time.q1_us:,.1f} to {time.q3_us:,.1f})"
