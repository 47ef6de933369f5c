"""What a command is told to fetch: record sets, request ids, files of rows."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_request", "rows"]


def is_request(text: str) -> bool:
    """Whether this looks like a request id of JSOC."""
    return text.startswith("JSOC_")


def rows(text: str) -> Any:
    """
    Return what `Client.download` and `Client.export` take: a record set, or the rows of a CSV or parquet file.

    Raises
    ------
    JsocError
        If the file cannot be read, or its rows do not say which records they are.
    """
    import pandas as pd

    from ..errors import JsocError

    if text != "-" and not text.lower().endswith((".csv", ".parquet", ".pq")):
        return text
    name = "standard input" if text == "-" else text
    try:
        if text == "-" or text.lower().endswith(".csv"):
            return pd.read_csv(sys.stdin if text == "-" else text, index_col="record")
        return pd.read_parquet(text)
    except (OSError, ValueError, ImportError) as error:
        raise JsocError(
            f"cannot read rows from {name} ({error}); it must have a column 'record', as 'jsoclite query --csv' writes"
        ) from error
