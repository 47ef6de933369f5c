"""The part of `Client` that finds what people look for: the nearest record, the newest, the HARPs of a region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .series import as_list

if TYPE_CHECKING:
    import pandas as pd

    from .query.query import Queries

__all__ = ["Lookups"]


class Lookups:
    """What a `Client` finds by asking more than once; `Client` says how the questions reach a server."""

    @property
    def _queries(self) -> Queries:
        raise NotImplementedError

    def nearest(
        self,
        series: str,
        times: Any,
        tolerance: Any,
        *,
        good: bool = True,
        keywords: str | Sequence[str] | None = None,
        segments: str | Sequence[str] | None = None,
        **prime_keys: Any,
    ) -> pd.DataFrame:
        """
        Find the existing record nearest to each time.

        A cadence in a record set takes exact slots only, and nothing where a slot is empty; this takes the neighbour.

        Parameters
        ----------
        series : str
            Name of the series.
        times : time or sequence of times
            As for `search`; UTC without a zone.
        tolerance : str, number, timedelta or Quantity
            Longest distance, such as "30m" or seconds.
        good : bool
            Pass over records without an image (QUALITY bit 31).
        keywords, segments
            As for `query`.
        **prime_keys
            As for `search`.

        Returns
        -------
        pandas.DataFrame
            As `query`, in the order of `times`, with columns ``asked`` (UTC) and ``offset``; where other prime keys are
            left open, a row for each of their values. A warning names the times that have no record.

        Raises
        ------
        UnknownSeries, UnknownName
            For a series, prime key, keyword or segment that does not exist.
        RecordSetError
            For a time or tolerance that cannot be read.

        Examples
        --------
        >>> client.nearest("hmi.M_720s", ["2014-01-01T00:05", "2014-01-01T06:00"], "12m").T_REC.tolist()
        ['2014.01.01_00:00:00_TAI', '2014.01.01_06:00:00_TAI']
        """
        from .query.find import nearest

        return nearest(
            self._queries,
            series,
            times,
            tolerance,
            good=good,
            keywords=as_list(keywords),
            segments=as_list(segments),
            prime_keys=prime_keys,
        )

    def latest(self, series: str, n: int = 1, **options: Any) -> pd.DataFrame:
        """
        Return the `n` newest records of a series; `options` as for `query`.

        Of a series that is sorted by another key before the time (HARPNUM), the last `n` records of the newest time.

        Parameters
        ----------
        series : str
            Name of the series.
        n : int
            How many.
        **options
            `keywords`, `segments`, `links` and `times`, as for `query`.

        Returns
        -------
        pandas.DataFrame
            See `query`.

        Raises
        ------
        UnknownSeries, UnknownName
            For a series, keyword or segment that does not exist.
        ValueError
            If `n` is below 1.

        Examples
        --------
        >>> newest = client.latest("hmi.M_720s_nrt", 3)
        >>> len(newest), newest.time.is_monotonic_increasing
        (3, True)
        """
        from .query.find import latest

        return latest(self._queries, series, n, **options)

    def harps(
        self,
        noaa: int | str | None = None,
        *,
        harpnum: int | None = None,
        series: str = "hmi.sharp_cea_720s",
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """
        Look up the HARPs that hold an active region, or the regions that a HARP holds.

        Parameters
        ----------
        noaa : int or str, optional
            Number of the active region, with all five digits: 11158, also as "AR 11158".
        harpnum : int, optional
            Number of the HARP, in place of `noaa`.
        series : str
            Where to look.
        start, end : time, optional
            When; this makes the look-up quicker.

        Returns
        -------
        pandas.DataFrame
            A row a HARP: ``HARPNUM``, ``NOAA_AR`` (its main region, 0 for none), ``NOAA_ARS`` (all, a tuple of int),
            ``first`` and ``last`` (UTC) of the records that were looked at, one every six hours.

        Raises
        ------
        ValueError
            If neither or both of `noaa` and `harpnum` are given.

        Examples
        --------
        >>> client.harps(11158).HARPNUM.tolist()
        [377]
        """
        from .query.find import harps

        return harps(self._queries, noaa, harpnum, series, start, end)
