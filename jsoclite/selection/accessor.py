"""
``df.jsoc``: what the rows of a DataFrame stand for. No I/O. The package registers it with pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from .. import quality
from ..errors import SelectionError, UnknownName
from ..recordset import RecordSet
from ..series import series_of
from ..times import to_datetime
from .identify import identify
from .packing import Numbers
from .selection import select, to_record_sets


class JsocAccessor:
    """
    What the rows of a DataFrame stand for.

    Examples
    --------
    >>> df = client.query("hmi.M_720s[2014.01.01_TAI/2h]")
    >>> df[df.jsoc.good()].jsoc.record_sets()
    [RecordSet.parse('hmi.M_720s[:#...-#...]')]
    """

    #: what `lock` calls; `archive`, a room above this one, sets it
    on_lock: ClassVar[Any] = None

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

    def good(self, level: str | int = "image", any_bit: bool = False) -> pd.Series:
        """
        Tell the rows that have a good image.

        Parameters
        ----------
        level : {"image", "usable", "clean"} or int
            "image": there is one; JSOC leaves other records out of every export (QUALITY bit 31). "usable": nothing
            spoils it; `jsoclite.quality` says what does, for each family of series, and why. "clean": no bit is set.
            An int is a mask: an image with none of these bits.
        any_bit : bool
            The same as "clean".

        Returns
        -------
        pandas.Series
            dtype bool, False also where ``QUALITY`` is missing, so that ``df[df.jsoc.good()]`` works.

        Raises
        ------
        UnknownName
            If there is no column ``QUALITY``, or nobody knows what spoils an image of this series.
        ValueError
            For a level that there is not.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2011.01.11_21:00:00_TAI/24m]")
        >>> df.jsoc.good().tolist(), df.jsoc.good("clean").tolist()
        ([False, ...], [False, ...])
        """
        column = self._column("QUALITY")
        level = "clean" if any_bit else level
        if level != "usable":  # the others mean the same for all series
            return quality.good("", column, level)
        found = np.zeros(len(column), dtype=bool)
        for series, places in self._rows_of_series():
            found[places] = quality.good(series, column.iloc[places], level)
        return pd.Series(found, index=column.index, name=column.name)

    def lock(self) -> Any:
        """
        Lock the files of a manifest, so that a paper can name them and others can fetch the very same.

        Returns
        -------
        Lock
            Of exactly the files that the rows name; `Archive.lock` is of all in a directory.

        Raises
        ------
        SelectionError
            If these are no rows of a manifest, or their files are not where they say.

        Examples
        --------
        >>> files = client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "data")
        >>> files[files.status == "downloaded"].iloc[:2].jsoc.lock().write("figure1.lock")
        >>> client.download("figure1.lock", "referee").status.tolist()
        ['downloaded', 'downloaded']
        """
        if JsocAccessor.on_lock is None:
            raise SelectionError("nothing is loaded that makes locks: write jsoclite.Archive(directory).lock()")
        return JsocAccessor.on_lock(self._frame)

    def quality(self, keyword: str = "QUALITY") -> pd.Series:
        """
        Say what the bits of QUALITY mean, row by row; see `jsoclite.quality.explain`.

        Parameters
        ----------
        keyword : {"QUALITY", "QUALLEV0", "QUALLEV1", "QUAL_S"}
            Which word.

        Returns
        -------
        pandas.Series
            Text; empty where no bit is set, NA where the value is missing.

        Raises
        ------
        UnknownName
            If there is no such column, or its bits are not known for this series.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2011.01.11_21:00:00_TAI/12m]")
        >>> df.jsoc.quality().iloc[0]
        '0x80000000: no image was made, the record is empty...'
        """
        column = self._column(keyword)
        texts = np.full(len(column), None, dtype=object)
        for series, places in self._rows_of_series():
            values, kinds = pd.factorize(column.iloc[places])
            known = ["; ".join(quality.explain(series, one, keyword=keyword)) for one in kinds]
            texts[places] = np.array([*known, None], dtype=object)[values]  # -1 where the value is missing
        return pd.Series(texts, index=column.index, name=column.name, dtype="str")

    def _rows_of_series(self) -> list[tuple[str, Numbers]]:
        """Return each series, and the places of its rows."""
        series = self._frame.attrs.get("jsoc", {}).get("series")
        try:
            names = np.array([series_of(name) for name in identify(self._frame)[0]], dtype=object)
        except SelectionError:  # a query's own rows, by time or the like
            if series is None:
                raise
            return [(str(series), np.arange(len(self._frame)))]
        return [(name, np.flatnonzero(names == name)) for name in dict.fromkeys(names)]

    def _column(self, keyword: str) -> pd.Series:
        frame = self._frame
        name = next((c for c in frame.columns if c == keyword), None) or next(
            (c for c in frame.columns if str(c).upper() == keyword.upper()), None
        )
        if name is None:
            raise UnknownName(f"the DataFrame has no column {keyword!r}: ask for it with keywords=[..., {keyword!r}]")
        return frame[name]
