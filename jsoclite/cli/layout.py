"""How to fit a table into a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .cells import Cells

__all__ = ["Layout", "lay_out", "shorten"]

# columns of text may be cut down to this
NARROWEST = 16


@dataclass
class Layout:
    """
    What is shown of a table.

    Attributes
    ----------
    widths : dict
        Characters of each column that is shown, in order.
    left_out : list of str
        Columns that are not shown at all.
    same : dict
        Columns that are said once, with their value.
    series : str
        What is cut off from the names of records; empty for nothing.
    blocks : bool
        Whether each record is a block of lines, with all columns.
    """

    widths: dict[str, int]
    left_out: list[str] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    series: str = ""
    blocks: bool = False

    def shown(self, cells: Cells) -> Cells:
        """Return the cells that are shown."""
        if self.blocks:
            return cells
        found = {name: cells[name] for name in self.widths}
        if self.series:
            records, right = found["record"]
            found["record"] = [record.removeprefix(self.series) for record in records], right
        return found


def lay_out(cells: Cells, width: int | None, spare: Sequence[str], *, alone: bool) -> Layout:
    """
    Fit columns into a width.

    Parameters
    ----------
    cells : Cells
        At least one row.
    width : int or None
        Characters in a line; None if there is no limit.
    spare : sequence of str
        Columns that can be left out, the first to go first.
    alone : bool
        Whether these are all rows.
    """
    layout = Layout({name: max(len(name), *map(len, column)) for name, (column, _) in cells.items()})
    widths = layout.widths

    def too_wide() -> bool:
        return width is not None and sum(widths.values()) + 2 * (len(widths) - 1) > width

    for name in spare:
        if too_wide() and name in widths:
            del widths[name]
            layout.left_out.append(name)
    if alone and too_wide():
        for name in [name for name in widths if name != "record"]:
            column = cells[name][0]
            if len(column) > 1 and len(set(column)) == 1:
                del widths[name]
                layout.same[name] = column[0]
    records = cells["record"][0] if "record" in widths else []
    series = records[0].partition("[")[0] if records else ""
    if too_wide() and series and all(record.startswith(f"{series}[") for record in records):
        layout.series = series
        widths["record"] = max(len(series), *(len(record) - len(series) for record in records))
    for name in [name for name in widths if name != "record"]:
        column = cells[name][0]
        # prime keys stand in the record's name
        if too_wide() and records and all(f"[{cell}]" in record for cell, record in zip(column, records, strict=True)):
            del widths[name]
    text = [name for name in widths if not cells[name][1] and name != "record"]
    paths = [name for name in text if any("/" in cell for cell in cells[name][0])]
    for group in (paths, text):  # of a path the end is enough
        while too_wide() and group:
            widest = max(group, key=widths.__getitem__)
            if widths[widest] <= NARROWEST:
                break
            widths[widest] -= 1
    return layout if not too_wide() else Layout({}, blocks=True)


def shorten(text: str, width: int) -> str:
    """Cut text to a width: of paths and URLs the end says what it is, of other text the beginning."""
    if len(text) <= width:
        return text
    return "…" + text[1 - width :] if "/" in text else text[: width - 1] + "…"
