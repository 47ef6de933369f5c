"""
Tables on stdout: readable text, or CSV, JSON lines and parquet for files and pipes.

A table may come in several DataFrames with the same columns; each is written when it is there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import IO, Any, Protocol

import click
import pandas as pd

from .cells import Cells, texts
from .layout import Layout, lay_out, shorten

__all__ = ["Table", "table"]


class Table(Protocol):
    """Something that DataFrames with the same columns can be written to."""

    def add(self, frame: pd.DataFrame) -> None:
        """Write rows."""

    def close(self) -> None:
        """Write what is left."""


def table(form: str | None, *, spare: Sequence[str] = ()) -> Table:
    """
    Return a table on stdout.

    Parameters
    ----------
    form : {None, "csv", "json", "parquet"}
        None for text.
    spare : sequence of str
        Columns that a terminal that is too narrow can do without, the first to go first.
    """
    if form == "csv":
        return _Csv()
    if form == "json":
        return _Json()
    if form == "parquet":
        return _Parquet()
    return _Text(shutil.get_terminal_size().columns if sys.stdout.isatty() else None, spare)


def _named(frame: pd.DataFrame) -> bool:
    """Whether the index is a column of its own, such as the record; a mere count is not written."""
    return frame.index.name is not None


class _Csv:
    def __init__(self) -> None:
        self._begun = False

    def add(self, frame: pd.DataFrame) -> None:
        frame.to_csv(sys.stdout, index=_named(frame), header=not self._begun)
        self._begun = True

    def close(self) -> None:
        sys.stdout.flush()


class _Json:
    def add(self, frame: pd.DataFrame) -> None:
        whole = frame.reset_index() if _named(frame) else frame
        if len(whole):
            sys.stdout.write(whole.to_json(orient="records", lines=True, date_format="iso", date_unit="us"))

    def close(self) -> None:
        sys.stdout.flush()


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

    def close(self) -> None:
        self.flush()


class _Parquet:
    def __init__(self) -> None:
        if sys.stdout.isatty():
            raise click.UsageError("parquet is no text: send it to a file or a pipe, as in --parquet > rows.parquet")
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise click.UsageError("--parquet needs pyarrow: python -m pip install 'jsoclite[parquet]'") from None
        self._arrow: Any = pyarrow
        self._writer: Any = None
        self._schema: Any = None

    def add(self, frame: pd.DataFrame) -> None:
        arrow = self._arrow
        frame.attrs = {}
        if self._writer is None:
            self._schema = _schema(arrow, frame)
            sink = arrow.PythonFile(_Counted(sys.stdout.buffer), mode="w")
            self._writer = arrow.parquet.ParquetWriter(sink, self._schema)
        self._writer.write_table(arrow.Table.from_pandas(frame, schema=self._schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        sys.stdout.buffer.flush()


def _schema(arrow: Any, frame: pd.DataFrame) -> Any:
    """Return the types of the columns, which must not depend on whether the first rows happen to be missing."""
    schema = arrow.Schema.from_pandas(frame)
    for position, field in enumerate(schema):
        if arrow.types.is_null(field.type):
            schema = schema.set(position, field.with_type(arrow.string()))
    return schema


class _Text:
    """
    Columns that line up.

    What is too wide for a terminal is told shorter, step by step: without columns that can be spared; with what is the
    same in all rows, and the series of the records, said once; without the prime keys that the record's name says;
    with long text cut. If that is not enough, each record becomes a block of lines.

    Parameters
    ----------
    width : int or None
        Characters in a line; None if there is no limit.
    spare : sequence of str
        Columns that can be left out.
    """

    def __init__(self, width: int | None, spare: Sequence[str]) -> None:
        self._width, self._spare = width, spare
        self._waiting: pd.DataFrame | None = None
        self._layout: Layout | None = None
        self._widths: dict[str, int] = {}

    def add(self, frame: pd.DataFrame) -> None:
        if self._waiting is not None:
            self._write(self._waiting, alone=False)
        # held back until it is known whether it is the only one: only then is the same in all rows what is in these
        self._waiting = frame

    def close(self) -> None:
        if self._waiting is not None:
            self._write(self._waiting, alone=self._layout is None)
        self._waiting = None
        if self._layout is not None and self._layout.left_out:
            click.echo(f"not shown: {', '.join(self._layout.left_out)}; --csv, --json and --parquet have all", err=True)

    def _write(self, frame: pd.DataFrame, *, alone: bool) -> None:
        whole = frame.reset_index() if _named(frame) else frame
        if not len(whole):
            return
        cells = {str(name): texts(whole[name]) for name in whole.columns}
        begun = self._layout is not None
        layout = self._layout = self._layout or lay_out(cells, self._width, self._spare, alone=alone)
        cells = layout.shown(cells)
        if layout.blocks:
            _blocks(cells)
            return
        for name, (column, _) in cells.items():
            widest = max(self._widths.get(name, layout.widths[name]), *map(len, column))
            self._widths[name] = widest if self._width is None else layout.widths[name]
        if not begun:
            if layout.same:
                same = ", ".join(f"{name} {value}" for name, value in layout.same.items())
                click.echo(click.wrap_text(f"in all rows: {same}", self._width or 100, subsequent_indent="  "))
            heads = {name: layout.series if name == "record" and layout.series else name for name in cells}
            line = "  ".join(_pad(heads[name], self._widths[name], right) for name, (_, right) in cells.items())
            click.echo(click.style(line.rstrip(), bold=True))
        columns = [
            [_pad(shorten(cell, self._widths[name]), self._widths[name], right) for cell in column]
            for name, (column, right) in cells.items()
        ]
        for row in zip(*columns, strict=True):
            click.echo("  ".join(row).rstrip())


def _blocks(cells: Cells) -> None:
    first, *rest = cells
    indent = max(map(len, rest), default=0)
    for number, head in enumerate(cells[first][0]):
        click.echo(click.style(head, bold=True))
        for name in rest:
            click.echo(f"  {name:{indent}}  {cells[name][0][number]}")


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
