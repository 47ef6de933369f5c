"""
Keywords at rest: parquet, a file a month, ``keywords/SERIES/2014-01.parquet`` in the directory of an archive.

Whatever reads parquet reads the directory as it is. Types come from the series' definition, units and notes stand in
the metadata of the fields. All versions of a record that were ever seen are there: ``replaced_by`` is the number of the
newest one, missing in that one itself; ``gone`` marks what JSOC no longer has. A file is replaced as a whole, so a kill
leaves the old one or the new one; adding the same rows again changes nothing.
"""

from __future__ import annotations

import ast
import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import JsocError, UnknownName
from ..query import STRING
from ..series import SeriesInfo, nearest_names
from ..times import parse_time

FOLDER = "keywords"
# columns that every table has, beside the keywords
OWN = ("record", "recnum", "time", "replaced_by", "gone")


def arrow() -> Any:
    """Import pyarrow, with what reads and writes parquet."""
    try:
        import pyarrow.compute
        import pyarrow.dataset
        import pyarrow.parquet
    except ImportError as error:
        raise JsocError("keywords at rest need pyarrow: python -m pip install pyarrow") from error
    return pyarrow


class Table:
    """
    The keywords of one series.

    Parameters
    ----------
    directory : path
        Of the archive.
    series : str
        Its name as the server spells it.
    """

    def __init__(self, directory: str | os.PathLike[str], series: str) -> None:
        self.series = series
        self.folder = Path(directory) / FOLDER / series

    @classmethod
    def find(cls, directory: str | os.PathLike[str], series: str) -> Table:
        """Return the table of a series, in any case; JsocError where there is none."""
        folder = Path(directory) / FOLDER
        known = {path.name.lower(): path.name for path in folder.glob("*") if path.is_dir()}
        if series.lower() not in known:
            there = nearest_names(series, known.values()) or f" There is {', '.join(known.values()) or 'none'}."
            raise JsocError(f"{folder} holds no keywords of {series}: sync them with keywords=.{there}")
        return cls(directory, known[series.lower()])

    # -- write ----------------------------------------------------------------------------------------------------

    def path(self, month: str) -> Path:
        """Return the file of a month."""
        return self.folder / f"{month}.parquet"

    def add(self, frame: pd.DataFrame, info: SeriesInfo) -> None:
        """Add records (index ``record``; ``recnum``, ``time``, keywords)."""
        pa = arrow()
        for month, part in frame.groupby(_months(frame), sort=False):
            path = self.path(str(month))
            self._write(path, _in_order(_merged(path, _to_arrow(part))), info)
        pa.default_memory_pool().release_unused()

    def mark_gone(self, records: Sequence[str], info: SeriesInfo) -> None:
        """Mark records that the server no longer has."""
        pa = arrow()
        gone = pa.array(records, pa.string())
        for path in sorted(self.folder.glob("*.parquet")) if records else ():
            marks = pa.parquet.read_table(path, columns=["record", "gone"])
            now = pa.compute.or_(marks["gone"], pa.compute.is_in(marks["record"], value_set=gone))
            if not now.equals(marks["gone"]):
                self._write(path, _with(pa.parquet.read_table(path), "gone", now), info)

    def _write(self, path: Path, table: Any, info: SeriesInfo) -> None:
        pa = arrow()
        fields = []
        for field in table.schema:
            said = {}
            if field.name in info.keywords.index and field.name not in OWN:
                row = info.keywords.loc[field.name]
                said = {"unit": str(row["units"]), "note": str(row["note"]), "type": str(row["type"])}
            fields.append(pa.field(field.name, field.type, metadata=said or None))
        schema = pa.schema(fields, metadata={"series": self.series})
        path.parent.mkdir(parents=True, exist_ok=True)
        # beside the folder, all of which is read by whatever reads parquet
        part = self.folder.with_name(f"{self.series}.{path.name}.part")
        part.unlink(missing_ok=True)  # a link there is not followed out of the directory
        with part.open("wb") as out:
            pa.parquet.write_table(table.cast(schema), out)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)

    # -- read -----------------------------------------------------------------------------------------------------

    def read(
        self, columns: Sequence[str] | None, where: Any, start: Any, end: Any, *, versions: bool = False
    ) -> pd.DataFrame:
        """See `Archive.keywords`."""
        pa = arrow()
        files = sorted(self.folder.glob("*.parquet"))
        if not files:
            raise JsocError(f"{self.folder} holds no keywords yet")
        # a keyword that came later is missing in the months before
        schema = pa.unify_schemas([pa.parquet.read_schema(path) for path in files])
        dataset = pa.dataset.dataset(files, schema=schema)
        field = pa.compute.field
        conditions = [] if versions else [field("replaced_by").is_null() & ~field("gone")]
        for bound, compare in ((start, operator.ge), (end, operator.le)):
            if bound is not None:
                if "time" not in schema.names:
                    raise JsocError(f"{self.series} has no time among its prime keys: leave start and end out")
                moment = pd.Timestamp(parse_time(bound).datetime64).tz_localize("UTC")
                conditions.append(compare(field("time"), pa.scalar(moment, schema.field("time").type)))
        if where is not None:
            conditions.append(condition(where, schema.names, self.series))
        own = [name for name in OWN[: 5 if versions else 3] if name in schema.names]
        asked = [name for name in schema.names if name not in OWN] if columns is None else list(columns)
        names = list(dict.fromkeys([*own, *(_known(name, schema.names, self.series) for name in asked)]))
        found = conditions[0] if conditions else None
        for one in conditions[1:]:
            found = found & one
        frame = _to_pandas(dataset.to_table(columns=names, filter=found))
        frame = frame.set_axis(pd.Index(frame.pop("record"), dtype=str, name="record"))
        frame.attrs["jsoc"] = {"series": self.series}
        return frame


def _months(frame: pd.DataFrame) -> Any:
    """Return the month of each record in UTC, ``all`` where the series has no time among its prime keys."""
    if "time" not in frame:
        return ["all"] * len(frame)
    return frame["time"].dt.strftime("%Y-%m").fillna("unknown").to_numpy(dtype=object)


def _to_arrow(frame: pd.DataFrame) -> Any:
    """Make a table of records that nothing has replaced."""
    pa = arrow()
    frame = frame.reset_index().assign(replaced_by=pd.array([pd.NA] * len(frame), dtype="Int64"), gone=False)
    arrays = {}
    for name in [*(one for one in OWN if one in frame), *(one for one in frame if one not in OWN)]:
        array = pa.array(frame[name], from_pandas=True)
        text = pa.types.is_large_string(array.type) or pa.types.is_null(array.type)
        arrays[name] = array.cast(pa.string()) if text else array
    return pa.table(arrays)


def _merged(path: Path, new: Any) -> Any:
    """Add the records of a file that are not among those of a table."""
    pa = arrow()
    if not path.exists():
        return new
    old = pa.parquet.read_table(path, use_threads=False)  # each thread would keep memory of its own
    known = pa.compute.is_in(old["recnum"], value_set=new["recnum"].combine_chunks())
    if pa.compute.any(known).as_py():  # else a copy for nothing
        old = old.filter(pa.compute.invert(known))
    return pa.concat_tables([old, new], promote_options="permissive") if len(old) else new


def _in_order(table: Any) -> Any:
    """Sort records by time, and say which versions were replaced."""
    table = table.sort_by([(name, "ascending") for name in ("time", "record", "recnum") if name in table.column_names])
    known = table.select(["record", "recnum"]).to_pandas()
    newest = known.groupby("record", sort=False)["recnum"].transform("max")
    replaced = newest.astype("Int64").where(newest > known["recnum"])
    return _with(table, "replaced_by", arrow().array(replaced, from_pandas=True))


def _with(table: Any, name: str, column: Any) -> Any:
    return table.set_column(table.column_names.index(name), name, column)


def _to_pandas(table: Any) -> pd.DataFrame:
    """Make a DataFrame with the types that a query gives."""
    pa = arrow()
    types = {pa.int64(): pd.Int64Dtype(), pa.string(): STRING}
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get)
    return frame.astype({"recnum": "int64"}) if "recnum" in frame else frame


def _known(name: str, known: Sequence[str], series: str) -> str:
    found = next((one for one in known if one.lower() == name.lower()), None)
    if found is None:
        raise UnknownName(f"there is no keyword {name!r} of {series} here.{nearest_names(name, known)}")
    return found


_COMPARE = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip


def condition(where: Any, known: Sequence[str], series: str) -> Any:
    """
    Return a condition as pyarrow wants it.

    Parameters
    ----------
    where : str, mapping or pyarrow.compute.Expression
        ``"USFLUX > 1e22 and NOAA_AR != 0"``; or keywords with a value, a list of values, or a (low, high) tuple.
    known : sequence of str
        Names of the columns.
    series : str
        For the text of errors.
    """
    field = arrow().compute.field
    if isinstance(where, Mapping):
        found = None
        for name, value in where.items():
            column = field(_known(str(name), known, series))
            if isinstance(value, tuple):
                one = (column >= value[0]) & (column <= value[1])
            else:
                one = column.isin(value) if isinstance(value, list) else column == value
            found = one if found is None else found & one
        return found
    if not isinstance(where, str):
        return where

    def read(node: ast.AST) -> Any:
        match node:
            case ast.BoolOp(values=[first, *rest], op=op):
                result = read(first)
                for one in map(read, rest):
                    result = result & one if isinstance(op, ast.And) else result | one
                return result
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return ~read(inner)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                return -value  # type: ignore[operator]
            case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARE for op in ops):
                sides = [read(one) for one in (left, *right)]
                parts = [_COMPARE[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False)]
                return parts[0] if len(parts) == 1 else parts[0] & parts[1]
            case ast.Name(id=name):
                return field(_known(name, known, series))
            case ast.Constant(value=value):
                return value
        raise JsocError(
            f"where={where!r}: conditions look like 'USFLUX > 1e22 and NOAA_AR != 0', with and, or, not and numbers or "
            "quoted text; a pyarrow expression says more"
        )

    try:
        return read(ast.parse(where, mode="eval").body)
    except SyntaxError as error:
        raise JsocError(f"where={where!r} cannot be read: {error.msg}") from None
