"""
What rows of pandas stand for: record names and record numbers, wherever pandas has put them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from ..errors import SelectionError

Rows: TypeAlias = Any  # DataFrame, Series, Index, names, rows
Names: TypeAlias = Any  # object array of str

NO_NUMBER = np.iinfo(np.int64).min

_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)+\[")

# what merge, agg and reset_index(drop=True) lose
_REMEDY = (
    "keep their index 'record', as reset_index() without drop=True, df.reset_index().merge(…), "
    "set_index(…, append=True) and to_csv() with its index do"
)


def identify(rows: Rows) -> tuple[Names, Any]:
    """
    Find the record names and record numbers of rows.

    Parameters
    ----------
    rows : DataFrame, Series, Index, row of itertuples, or sequence of str or of any of these
        See `jsoclite.selection.select`.

    Returns
    -------
    names : ndarray of object
        Record names, in the order of the rows.
    recnums : ndarray of int64, or None
        Record numbers in the same order, `NO_NUMBER` where there is none; None if no row has one.

    Raises
    ------
    SelectionError
        If the names were lost.
    """
    if isinstance(rows, pd.DataFrame):
        if len(rows) == 0:
            return np.empty(0, dtype=object), None
        return _names_of_frame(rows), _numbers(rows["recnum"]) if "recnum" in rows.columns else None
    if isinstance(rows, pd.Series):
        return _of_pandas_series(rows)
    if isinstance(rows, pd.Index):
        if len(rows) == 0:
            return np.empty(0, dtype=object), None
        found = _names_in_index(rows)
        if found is None:
            raise _lost(f"an index of {rows.dtype} with values such as {rows[0]!r}")
        return found, None
    if hasattr(rows, "_fields") and hasattr(rows, "Index"):  # a row of DataFrame.itertuples
        numbers = _numbers(pd.Series([rows.recnum])) if hasattr(rows, "recnum") else None
        return _as_names([rows.Index], "the index"), numbers
    if isinstance(rows, np.ndarray | Sequence) and not isinstance(rows, bytes | bytearray | str):
        if len(rows) and all(isinstance(row, bool | np.bool_) for row in rows):
            raise SelectionError("a mask is not rows: write df[mask]")
        if all(isinstance(row, str) for row in rows):
            return _as_names(rows, "the list"), None
        parts = [identify(row) for row in rows]
        names = np.concatenate([part[0] for part in parts])
        numbers = [np.full(len(n), NO_NUMBER, dtype=np.int64) if r is None else r for n, r in parts]
        return names, np.concatenate(numbers)
    raise SelectionError(
        f"cannot choose records by {type(rows).__name__}: pass a DataFrame of a query, rows of it, record names, "
        "or a record set"
    )


def _of_pandas_series(rows: pd.Series) -> tuple[Any, Any]:
    """Identify one row (``df.iloc[0]``) or one column (``df["T_REC"]``)."""
    labels = rows.name if isinstance(rows.name, tuple) else (rows.name,)
    own = next((label for label in labels if _is_name(label)), None)
    if own is None and "record" in rows.index and _is_name(rows["record"]):
        own = rows["record"]
    if own is not None:
        numbers = _numbers(pd.Series([rows["recnum"]])) if "recnum" in rows.index else None
        return _as_names([own], "the row"), numbers
    if len(rows) == 0:
        return np.empty(0, dtype=object), None
    if _is_name(rows.iloc[0]):
        return _as_names(rows, "the column"), None
    found = _names_in_index(rows.index)
    if found is not None and rows.name == "recnum":
        return found, _numbers(rows)
    if found is None:
        raise _lost(f"a Series named {rows.name!r} without record names in its index")
    if rows.dtype == bool or rows.dtype == "boolean":
        raise SelectionError("a mask is not rows, and stands for all that it was made of: write df[mask]")
    raise SelectionError(
        f"the column {rows.name!r} holds {rows.iloc[0]!r}, which names no record: pass the rows, such as df or "
        "df.iloc[:3], or their names, df.index"
    )


def _names_of_frame(frame: pd.DataFrame) -> Any:
    found = _names_in_index(frame.index)
    if found is None and "record" in frame.columns:
        found = _as_names(frame["record"], "column 'record'")
    if found is None:
        columns = [str(column) for column in frame.columns]
        if near := [name for name in columns if name.startswith("record")]:
            cut = next((mark for mark in ";\t|" if mark in near[0]), None)
            hint = f"pandas.read_csv(…, sep={cut!r}) splits it" if cut else "rename it"
            raise SelectionError(f"the column {near[0][:60]!r} of these rows is not called 'record': {hint}")
        if "recnum" not in columns and "jsoc" not in frame.attrs:
            has = ", ".join(columns[:4]) + (", …" if len(columns) > 4 else "")
            raise SelectionError(f"these rows (columns {has}) are of no query: pass rows of client.query or search")
        raise _lost(f"an index of {frame.index.dtype} with values such as {frame.index[0]!r}")
    return found


def _names_in_index(index: pd.Index) -> Any:
    """Return the record names in an index or in a level of it, None if there are none."""
    for level in range(index.nlevels):
        values = index.get_level_values(level)
        if _is_name(values[0]) or (values.name == "record" and any(map(_is_name, values))):
            return _as_names(values, "the index")
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.match(value) is not None


def _as_names(values: Any, where: str) -> Any:
    if isinstance(values, pd.Index | pd.Series):
        names = values.to_numpy(dtype=object)
    else:
        names = np.empty(len(values), dtype=object)
        names[:] = values
    if common_series(names) is None:
        for name in names:
            if not _is_name(name):
                raise SelectionError(
                    f"{where} holds {name!r}, which is no record name such as 'hmi.M_720s[2014.01.01_00:00:00_TAI][3]'"
                )
    return names


def common_series(names: Names) -> str | None:
    """
    Return the series that all names are of, None where there are several, or something that is no name.

    Only the first and the last of them in the alphabet are looked at: between two that begin alike all begin so.
    """
    try:
        first, last = (names.min(), names.max()) if len(names) else ("", "")
    except TypeError:  # not strings alone
        return None
    match = _NAME.match(first) if isinstance(first, str) else None
    return match[0][:-1] if match and last.startswith(match[0]) else None


def _numbers(column: pd.Series) -> Any:
    """Read a column of record numbers; `NO_NUMBER` for NA."""
    try:
        values = pd.to_numeric(column)
        if pd.api.types.is_float_dtype(values) and bool(
            (np.isinf(values) | ((values % 1 != 0) & values.notna())).any()
        ):
            raise ValueError(values)
        held = 2**24 if values.dtype == "float32" else 2**53
        exact = not pd.api.types.is_float_dtype(values) or not bool((values.abs() > held).any())
        numbers = values.astype("Int64").to_numpy(dtype=np.int64, na_value=NO_NUMBER)
    except (TypeError, ValueError) as error:
        raise SelectionError(
            f"column 'recnum' does not hold record numbers but {column.iloc[0]!r}: was it aggregated or overwritten?"
        ) from error
    if not exact:
        raise SelectionError(
            f"column 'recnum' holds {values.dtype} numbers such as {values.max():.0f}, which that type cannot hold "
            "exactly: query the rows again, or drop the column to go by the records' names"
        )
    if bool(((numbers < 1) & (numbers != NO_NUMBER)).any()):
        raise SelectionError("column 'recnum' holds numbers below 1; the server counts records from 1")
    return numbers


def _lost(what: str) -> SelectionError:
    return SelectionError(f"these rows no longer say which records they stand for: {what}; {_REMEDY}")
