"""A table's cells as text for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..display import clean

__all__ = ["Cells", "texts"]

#: The cells of each column, and whether they line up on the right.
Cells = dict[str, tuple[list[str], bool]]

NOTHING = "-"


def texts(column: pd.Series) -> tuple[list[str], bool]:
    """
    Return the cells of a column as text, and whether they line up on the right.

    Missing values are dashes, UTC times end in Z, QUALITY is hexadecimal, as the server and its documents write it.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or dtype.kind == "M":
        return _times(column), False
    if dtype.kind == "b":
        return ["yes" if value else "no" for value in column], False
    if dtype.kind == "f":
        return [NOTHING if pd.isna(value) else f"{value:.6g}" for value in column], True
    if dtype.kind in "iu" or str(dtype) in ("Int64", "UInt64"):
        form = "#010x" if str(column.name).upper() == "QUALITY" else "d"
        return [NOTHING if pd.isna(value) else format(int(value), form) for value in column], True
    return [_text(value) for value in column], False


def _times(column: pd.Series) -> list[str]:
    zone = "Z" if getattr(column.dtype, "tz", None) is not None else ""
    known = column.dropna()
    form = "%Y-%m-%d %H:%M:%S" + (".%f" if bool((known.dt.microsecond != 0).any()) else "")
    return [NOTHING if pd.isna(value) else value.strftime(form) + zone for value in column]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return NOTHING if value is None or value is pd.NaT or value is pd.NA or value != value else clean(value)
