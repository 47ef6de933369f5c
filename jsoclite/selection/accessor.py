"""
``df.jsoc``: what the rows of a DataFrame stand for. No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from ..errors import SelectionError, UnknownName
from ..recordset import RecordSet
from ..times import to_datetime
from .packing import Numbers
from .selection import select, to_record_sets

# bit 31: there is no image (jsoc_fetch.c adds drms.image_exists(quality), which tests it)
NO_IMAGE = 0x80000000


@pd.api.extensions.register_dataframe_accessor("jsoc")
class JsocAccessor:
    """
    What the rows of a DataFrame stand for.

    Examples
    --------
    >>> df = client.query("hmi.M_720s[2014.01.01_TAI/2h]")
    >>> df[df.jsoc.good()].jsoc.record_sets()
    [RecordSet.parse('hmi.M_720s[:#...-#...]')]
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    @property
    def series(self) -> str:
        """
        Name of the series.

        Raises
        ------
        SelectionError
            If the rows belong to several series or lost their record names.

        Examples
        --------
        >>> client.query("hmi.M_720s[2014.01.01_TAI/2h]").jsoc.series
        'hmi.M_720s'
        """
        found = list(dict.fromkeys(selection.series for selection in select(self._frame)))
        if not found:
            remembered = self._frame.attrs.get("jsoc", {}).get("series")
            if remembered is None:
                raise SelectionError("a DataFrame without rows does not say which series it is of")
            return str(remembered)
        if len(found) > 1:
            raise SelectionError(f"the rows belong to {len(found)} series: {', '.join(found)}")
        return found[0]

    @property
    def recnums(self) -> Numbers:
        """
        Record numbers of the rows, in their order, as int64.

        Raises
        ------
        SelectionError
            If there is no column ``recnum``, or it holds anything else.

        Examples
        --------
        >>> recnums = client.query("hmi.M_720s[2014.01.01_TAI/1h]").jsoc.recnums
        >>> recnums.dtype, len(recnums)
        (dtype('int64'), 5)
        """
        if "recnum" not in self._frame.columns:
            raise SelectionError("the DataFrame has no column 'recnum'")
        column = self._frame["recnum"]
        if column.isna().any():
            raise SelectionError(f"{int(column.isna().sum())} rows have no record number")
        return np.asarray(column, dtype=np.int64)

    def record_sets(self, segments: Sequence[str] | None = None) -> list[RecordSet]:
        """
        Return the record sets that an export of these rows would send.

        Parameters
        ----------
        segments : sequence of str, optional
            Segments to name in braces.

        Raises
        ------
        SelectionError
            If the rows lost their record names.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/2h]")
        >>> df.iloc[::2].jsoc.record_sets(["magnetogram"])      # every second record, in one set
        [RecordSet.parse('hmi.M_720s[:#...-#...@2]{magnetogram}')]
        """
        return to_record_sets(self._frame, segments=segments)

    def times(self, keyword: str = "T_REC", scale: Literal["utc", "tai"] = "utc") -> pd.Series:
        """
        Return a time keyword as datetimes.

        Parameters
        ----------
        keyword : str
            Name of a column of time strings.
        scale : {"utc", "tai"}
            "utc" gives ``datetime64[ns, UTC]``, "tai" naive ``datetime64[ns]`` in TAI.

        Raises
        ------
        UnknownName
            If there is no such column.
        RecordSetError
            If it holds anything but times.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/24m]")
        >>> df.jsoc.times().iloc[0], df.jsoc.times(scale="tai").iloc[0]
        (Timestamp('2013-12-31 23:59:25+0000', tz='UTC'), Timestamp('2014-01-01 00:00:00'))
        """
        column = self._column(keyword)
        if scale not in ("utc", "tai"):
            raise ValueError(f"scale={scale!r}: must be 'utc' or 'tai'")
        if pd.api.types.is_datetime64_any_dtype(column):
            utc = column.dt.tz is not None
            if utc == (scale == "utc"):
                return column
            # numpy prints the clock that the column shows, to the nanosecond
            clock = column.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
            texts = np.char.add(np.datetime_as_string(clock), "Z" if utc else "_TAI")
            column = column.astype(object).where(column.isna(), texts)
        cells = ["" if missing else str(cell) for cell, missing in zip(column, column.isna(), strict=True)]
        found = pd.Series(to_datetime(cells, scale=scale), index=column.index, name=column.name)
        if scale == "utc":
            aware: pd.Series = found.dt.tz_localize("UTC")
            return aware
        found.attrs["jsoc"] = {"tai": [found.name]}
        return found

    def good(self, any_bit: bool = False) -> pd.Series:
        """
        Tell the rows that have a usable image.

        Parameters
        ----------
        any_bit : bool
            Whether any bit of ``QUALITY`` makes a row bad. By default only bit 31 does: no image exists, and JSOC
            leaves the record out of every export.

        Returns
        -------
        pandas.Series
            dtype bool, False also where ``QUALITY`` is missing, so that ``df[df.jsoc.good()]`` works.

        Raises
        ------
        UnknownName
            If there is no column ``QUALITY``.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2011.01.11_21:00:00_TAI/24m]")
        >>> df.jsoc.good().tolist()
        [False, ...]
        """
        quality = self._column("QUALITY").astype("Int64")
        bad = quality != 0 if any_bit else (quality & NO_IMAGE) != 0
        return (~bad).fillna(False).astype(bool)

    def _column(self, keyword: str) -> pd.Series:
        frame = self._frame
        name = next((c for c in frame.columns if c == keyword), None) or next(
            (c for c in frame.columns if str(c).upper() == keyword.upper()), None
        )
        if name is None:
            raise UnknownName(f"the DataFrame has no column {keyword!r}: ask for it with keywords=[..., {keyword!r}]")
        return frame[name]
