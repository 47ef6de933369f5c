"""
Tables on stdout: readable text, or CSV, JSON lines and parquet for files and pipes.

A table may come in several DataFrames with the same columns; each is written before the next is asked for.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

import click
import pandas as pd

from ..display import clean
from ..errors import printable

#: The cells of each column, and whether they line up on the right.
Cells = dict[str, tuple[list[str], bool]]

_NOTHING = "-"
# columns of text may be cut down to this
_NARROWEST = 16


def write(frames: Iterable[pd.DataFrame], form: str | None, spare: Sequence[str] = ()) -> int:
    """
    Write a table on stdout.

    Parameters
    ----------
    frames : iterable of DataFrame
        Its parts, with the same columns.
    form : {None, "csv", "json", "parquet"}
        None for text.
    spare : sequence of str
        Columns that a terminal that is too narrow can do without, the first to go first.

    Returns
    -------
    int
        Rows.
    """
    count = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal count
        for frame in frames:
            count += len(frame)
            yield frame

    if form is None:
        _write_text(counted(), shutil.get_terminal_size().columns if sys.stdout.isatty() else None, spare)
    else:
        {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet}[form](counted())
        sys.stdout.flush()
    return count


def _named(frame: pd.DataFrame) -> bool:
    """Whether the index is a column of its own, such as the record; a mere count is not written."""
    return frame.index.name is not None


def _write_csv(frames: Iterable[pd.DataFrame]) -> None:
    for number, frame in enumerate(frames):
        text = frame.to_csv(index=_named(frame), header=number == 0)
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)


def _write_json(frames: Iterable[pd.DataFrame]) -> None:
    for frame in frames:
        whole = frame.reset_index() if _named(frame) else frame
        if len(whole):
            sys.stdout.write(whole.to_json(orient="records", lines=True, date_format="iso", date_unit="us"))


class _Counted:
    """A binary stream that counts its bytes: parquet must know where it is, and pipes do not."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._position = stream, 0

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        self._stream.flush()

    def seekable(self) -> bool:
        return False

    close = flush


def _write_parquet(frames: Iterable[pd.DataFrame]) -> None:
    if sys.stdout.isatty():
        raise click.UsageError("parquet is no text: send it to a file or a pipe, as in --parquet > rows.parquet")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise click.UsageError("--parquet needs pyarrow: python -m pip install pyarrow") from None
    arrow: Any = pyarrow
    writer = schema = None
    for frame in frames:
        frame.attrs = {}
        if writer is None:
            schema = _schema(arrow, frame)
            writer = arrow.parquet.ParquetWriter(arrow.PythonFile(_Counted(sys.stdout.buffer), mode="w"), schema)
        writer.write_table(arrow.Table.from_pandas(frame, schema=schema))
    if writer is not None:
        writer.close()


def _schema(arrow: Any, frame: pd.DataFrame) -> Any:
    """Return the types of the columns, which must not depend on whether the first rows happen to be missing."""
    schema = arrow.Schema.from_pandas(frame)
    for position, column in enumerate(schema):
        if arrow.types.is_null(column.type):
            schema = schema.set(position, column.with_type(arrow.string()))
    return schema


# -- text --------------------------------------------------------------------------------------------------------------


def _write_text(frames: Iterator[pd.DataFrame], width: int | None, spare: Sequence[str]) -> None:
    """
    Write columns that line up, in lines of at most `width` characters.

    What is too wide for a terminal is told shorter, step by step: without columns that can be spared; with what is the
    same in all rows, and the series of the records, said once; without the prime keys that the record's name says;
    with long text cut. If that is not enough, each record becomes a block of lines.
    """
    # it must be known whether the first part is the only one: only then is the same in all rows what is so in these
    begun = [*islice(frames, 2)]
    layout: _Layout | None = None
    for frame in chain(begun, frames):
        whole = frame.reset_index() if _named(frame) else frame
        if not len(whole):
            continue
        cells = {clean(name): _texts(whole[name]) for name in whole.columns}
        if layout is None:
            layout = _lay_out(cells, width, spare, alone=len(begun) == 1)
            _write_head(layout, cells, width)
        cells = layout.shown(cells)
        if layout.blocks:
            _write_blocks(cells)
            continue
        if width is None:
            layout.widths = {name: max(layout.widths[name], *map(len, column)) for name, (column, _) in cells.items()}
        columns = [
            [_pad(_shorten(cell, layout.widths[name]), layout.widths[name], right) for cell in column]
            for name, (column, right) in cells.items()
        ]
        for row in zip(*columns, strict=True):
            click.echo("  ".join(row).rstrip())
    if layout is not None and layout.left_out:
        click.echo(f"not shown: {', '.join(layout.left_out)}; --csv, --json and --parquet have all", err=True)


def _write_head(layout: _Layout, cells: Cells, width: int | None) -> None:
    """Write what is the same in all rows, and the names of the columns."""
    if layout.blocks:
        return
    if layout.same:
        same = ", ".join(f"{name} {value}" for name, value in layout.same.items())
        click.echo(click.wrap_text(f"in all rows: {same}", width or 100, subsequent_indent="  "))
    names = (
        _pad(layout.series if name == "record" and layout.series else name, characters, cells[name][1])
        for name, characters in layout.widths.items()
    )
    click.echo(click.style("  ".join(names).rstrip(), bold=True))


def _write_blocks(cells: Cells) -> None:
    first, *rest = cells
    indent = max(map(len, rest), default=0)
    for number, head in enumerate(cells[first][0]):
        click.echo(click.style(head, bold=True))
        for name in rest:
            click.echo(f"  {name:{indent}}  {cells[name][0][number]}")


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _texts(column: pd.Series) -> tuple[list[str], bool]:
    """
    Return the cells of a column as text, and whether they line up on the right.

    Missing values are dashes, UTC times end in Z, QUALITY is hexadecimal, as the server and its documents write it.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
        return _times(column), False
    if dtype.kind == "m":
        return [_NOTHING if pd.isna(value) else f"{value.total_seconds():+g} s" for value in column], True
    if dtype.kind == "b":
        return ["yes" if value else "no" for value in column], False
    if dtype.kind == "f":
        return [_NOTHING if pd.isna(value) else f"{value:.6g}" for value in column], True
    if dtype.kind in "iu" or str(dtype) in ("Int64", "UInt64"):
        form = "#010x" if str(column.name).upper() == "QUALITY" else "d"
        return [_NOTHING if pd.isna(value) else format(int(value), form) for value in column], True
    return [_text(value) for value in column], False


def _times(column: pd.Series) -> list[str]:
    zone = "Z" if getattr(column.dtype, "tz", None) is not None else ""
    known = column.dropna()
    form = "%Y-%m-%d %H:%M:%S" + (".%f" if bool((known.dt.microsecond != 0).any()) else "")
    return [_NOTHING if pd.isna(value) else value.strftime(form) + zone for value in column]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return _NOTHING if value is None or value is pd.NaT or value is pd.NA or value != value else clean(value)


@dataclass
class _Layout:
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


def _lay_out(cells: Cells, width: int | None, spare: Sequence[str], *, alone: bool) -> _Layout:
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
    layout = _Layout({name: max(len(name), *map(len, column)) for name, (column, _) in cells.items()})
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
    paths = [name for name in text if any(map(_is_path, cells[name][0]))]
    for group in (paths, text):  # of a path the end is enough
        while too_wide() and group:
            widest = max(group, key=widths.__getitem__)
            if widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
    return layout if not too_wide() else _Layout({}, blocks=True)


def _shorten(text: str, width: int) -> str:
    """Cut text to a width: of paths and URLs the end says what it is, of other text the beginning."""
    if len(text) <= width:
        return text
    return "…" + text[1 - width :] if _is_path(text) else text[: width - 1] + "…"


def _is_path(text: str) -> bool:
    return "/" in text or os.sep in text
