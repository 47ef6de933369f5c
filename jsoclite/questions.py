"""The half of `Client` that asks: which series there are, what they are, and their records as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .query.parts import SIZE

if TYPE_CHECKING:
    import pandas as pd

    from .query.query import Queries
    from .recordset.recordset import RecordSet
    from .series import SeriesInfo

__all__ = ["Questions"]


class Questions:
    """What a `Client` can be asked without an e-mail address; `Client` says how the questions reach a server."""

    @property
    def _queries(self) -> Queries:
        raise NotImplementedError

    # -- series ---------------------------------------------------------------------------------------------------

    def series(self, pattern: str | None = None, *, full: bool = False) -> Any:
        r"""
        List series.

        Parameters
        ----------
        pattern : str, optional
            Regular expression, found anywhere in the name, in any case; write ``\.`` for the dot. Default: all.
        full : bool
            Return a DataFrame with the prime keys and a description of each.

        Returns
        -------
        list of str or pandas.DataFrame
            Names; or columns ``name``, ``primekeys`` (lists of str) and ``note``.

        Raises
        ------
        QueryError
            If the pattern is no regular expression, or the server cannot read it (show_series.c takes POSIX ones).

        Examples
        --------
        >>> client.series(r"aia\.lev1_")
        ['aia.lev1_euv_12s', 'aia.lev1_uv_24s', 'aia.lev1_vis_1h']
        """
        listed = self._queries.series(pattern)
        if not full:
            return [item["name"] for item in listed]
        import pandas as pd

        return pd.DataFrame(
            {
                "name": pd.Series([item["name"] for item in listed], dtype="str"),
                "primekeys": [
                    [k.strip() for k in item.get("primekeys", "").split(",") if k.strip()] for item in listed
                ],
                "note": pd.Series([item.get("note", "") for item in listed], dtype="str"),
            }
        )

    def info(self, series: str) -> SeriesInfo:
        """
        Describe a series; asked once, then remembered.

        Parameters
        ----------
        series : str
            Its name, in any case. A record set is accepted too.

        Returns
        -------
        drms.SeriesInfo
            With ``primekeys`` and the DataFrames ``keywords``, ``segments`` and ``links``. It shows what is in it:
            print it, or let a notebook do so.

        Raises
        ------
        UnknownSeries
            If there is none of that name; the text names similar ones.

        Examples
        --------
        >>> info = client.info("hmi.sharp_cea_720s")
        >>> info.primekeys
        ['HARPNUM', 'T_REC']
        >>> info.segments.loc["Br", ["units", "note"]].tolist()
        ['Gauss', 'B_r, positive up']
        >>> print(info)
        hmi.sharp_cea_720s
            Spaceweather HMI Active Region Patch (SHARP): CEA coordinates
        prime keys ...
        """
        return self._queries.info(series)

    def keys(self, series: str) -> list[str]:
        """
        List the keywords of a series, in the order of its definition.

        Parameters
        ----------
        series : str
            Its name, in any case.

        Raises
        ------
        UnknownSeries
            If there is none of that name.

        Examples
        --------
        >>> [name for name in client.keys("hmi.M_720s") if name.startswith("CR")]
        ['CRPIX1', ...]
        """
        return list(self.info(series).keywords.index)

    def pkeys(self, series: str) -> list[str]:
        """
        List the prime keys of a series, in the order in which record sets name them.

        Parameters
        ----------
        series : str
            Its name, in any case.

        Raises
        ------
        UnknownSeries
            If there is none of that name.

        Examples
        --------
        >>> client.pkeys("HMI.M_720S")
        ['T_REC', 'CAMERA']
        """
        return self._queries.prime_keys(series)

    # -- records --------------------------------------------------------------------------------------------------

    def search(
        self,
        series: str,
        start: Any = None,
        end: Any = None,
        cadence: Any = None,
        *,
        duration: Any = None,
        wavelength: Any = None,
        segments: str | Sequence[str] | None = None,
        where: Any = None,
        keywords: str | Sequence[str] | None = None,
        limit: int | None = None,
        times: Literal["utc", "tai"] | None = None,
        **prime_keys: Any,
    ) -> pd.DataFrame:
        """
        Query records by time, wavelength and other prime keys; the names are checked before anything is sent.

        Parameters
        ----------
        series : str
            Name of the series.
        start, end : time, optional
            Both included, after rounding to the nearest slot of the series. Every form that DRMS reads, ISO strings,
            `datetime`, `Timestamp`, `datetime64`, astropy `Time`; without a zone they are UTC.
        cadence : str, number, timedelta or Quantity, optional
            Take every n-th slot: "12m", seconds, `24 * u.min`. DRMS rounds it to whole slots.
        duration : str, number, timedelta or Quantity, optional
            Length of the range in place of `end`, which is then excluded: "1d", seconds, `2 * u.hour`.
        wavelength : number, Quantity or sequence of them, optional
            Angstrom where there is no unit.
        segments : str or sequence of str, optional
            Segments to look for; their columns hold the URLs of the files.
        where : str or mapping, optional
            Conditions on keywords; see `RecordSet`.
        keywords, limit, times
            As for `query`.
        **prime_keys
            Values of other prime keys: one, a list, or a (start, end) tuple.

        Returns
        -------
        pandas.DataFrame
            See `query`.

        Raises
        ------
        UnknownSeries, UnknownName
            For a series, prime key, keyword or segment that does not exist; the text names the nearest one that does.
        RecordSetError
            For a value that cannot be read.

        Examples
        --------
        >>> df = client.search("aia.lev1_euv_12s", "2014-01-01T00:00:00", "2014-01-01T00:00:30", wavelength=[304, 171])
        >>> len(df)
        6
        """
        record_set = self._queries.build(series, start, end, cadence, duration, wavelength, segments, where, prime_keys)
        return self.query(record_set, keywords=keywords, limit=limit, times=times)

    def query(
        self,
        record_set: str | RecordSet,
        *,
        keywords: str | Sequence[str] | None = None,
        segments: str | Sequence[str] | None = None,
        links: str | Sequence[str] | None = None,
        limit: int | None = None,
        times: Literal["utc", "tai"] | None = None,
    ) -> pd.DataFrame:
        """
        Query the records of a record set.

        Parameters
        ----------
        record_set : str or RecordSet
            Of one series.
        keywords : str or sequence of str, optional
            Names, also comma-separated, or "**ALL**". Default: the prime keys and those of T_OBS, TELESCOP, INSTRUME,
            WAVELNTH, CAR_ROT and QUALITY that the series has.
        segments : str or sequence of str, optional
            Segments whose URLs are wanted, or "**ALL**". Default: those that the record set names in braces.
        links : str or sequence of str, optional
            Links whose records are wanted, or "**ALL**".
        limit : int, optional
            The first `limit` records, or the last ones if it is negative.
        times : {"utc", "tai"}, optional
            Turn all time keywords into ``datetime64[ns, UTC]`` or naive TAI ``datetime64[ns]``. By default they stay
            the server's strings, which say their own scale.

        Returns
        -------
        pandas.DataFrame
            A row a record, in the server's order. Index ``record`` (the record's name); columns ``recnum``, ``time``
            (UTC, where the series has a time prime key), the keywords, the segments (URL, missing where offline),
            ``online``, the links.

        Raises
        ------
        QueryError
            If the server refuses.
        UnknownSeries, UnknownName
            For a series, keyword, segment or link that does not exist; nothing was asked.
        RecordSetError
            For a record set that cannot be read.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/1h@24m]{magnetogram}", keywords=["DATAMEAN", "QUALITY"])
        >>> df.columns.tolist()
        ['recnum', 'time', 'DATAMEAN', 'QUALITY', 'magnetogram', 'online']
        >>> df.index[0], df.time.iloc[0]
        ('hmi.M_720s[2014.01.01_00:00:00_TAI][3]', Timestamp('2013-12-31 23:59:25+0000', tz='UTC'))
        """
        return self._queries.query(
            record_set, keywords=keywords, segments=segments, links=links, limit=limit, times=times
        )

    def stream(
        self,
        record_set: str | RecordSet,
        *,
        keywords: str | Sequence[str] | None = None,
        segments: str | Sequence[str] | None = None,
        links: str | Sequence[str] | None = None,
        times: Literal["utc", "tai"] | None = None,
        size: int = SIZE,
        progress: bool | None = None,
    ) -> Iterator[pd.DataFrame]:
        """
        Query the records of a record set, one DataFrame after the other, for sets that do not fit into memory.

        The DataFrames put together are what `query` returns; all have the same columns and types.

        Parameters
        ----------
        record_set, keywords, segments, links, times
            As for `query`.
        size : int
            Records in a DataFrame. There may be a few less, and more where more share a value of the first prime key.
        progress : bool, optional
            Count the records on stderr; by default if that is a terminal.

        Yields
        ------
        pandas.DataFrame
            See `query`. If no record matches, one without rows.

        Raises
        ------
        QueryError
            If the server refuses, or records were added or replaced meanwhile.

        Examples
        --------
        >>> year = client.stream("hmi.M_720s[2014.01.01_TAI/365d]", keywords="T_REC,DATAMEAN")
        >>> [len(df) for df in year]
        [14415, 14291, 15000, 74]
        """
        if size < 1:
            raise ValueError(f"size={size!r}: a DataFrame holds at least one record")
        question = self._queries.question(record_set, keywords, segments, links, times)
        return self._queries.stream(question, size, progress=progress)

    def count(self, record_set: str | RecordSet) -> int:
        """
        Count the records of a record set without fetching them (``op=rs_summary`` of jsoc_info).

        Parameters
        ----------
        record_set : str or RecordSet
            Of one series.

        Raises
        ------
        QueryError
            If the server refuses.
        RecordSetError
            For a record set that cannot be read.

        Examples
        --------
        >>> client.count("hmi.M_720s[2014.01.01_TAI/1d]")
        120
        """
        return self._queries.count(record_set)
