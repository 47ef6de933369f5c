"""`Client`: what users call. It wires the other modules together and does nothing clever itself."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal

from .archive import Lock, as_lock, bring, diff, synchronize
from .display import clean
from .download import Manifest, Plan, carry_out, make_cube, make_export, make_plan, make_survey, read_one
from .errors import ArgumentError, JsocError, choice, explained, folder, shown, whole
from .export import Account, Export, ExportRequest
from .progress import Progress, choose
from .query import SIZE, Coverage, Queries, harps, latest, make_coverage, nearest
from .recordset import RecordSet
from .series import SeriesInfo, as_list
from .server import REQUEST_ID, Clock, Jsoc, ServerConfig, Transport, resolve_server

if TYPE_CHECKING:
    import pandas as pd
    import requests


# Nobody means more files of a record set without saying so.
MOST_FILES = 10_000
ON_ERROR = ("raise", "ignore")


@explained
class Client:
    """
    The data of one JSOC.

    Making a client sends nothing.

    Parameters
    ----------
    server : str or drms.ServerConfig, optional
        A server registered with drms ("jsoc", "kis"), a base URL such as ``http://jsoc.stanford.edu/``, or "sandbox"
        for the embedded one, which starts on first use and ends with the process. Default: ``$JSOCLITE_SERVER``, else
        "jsoc". User and password of a URL, ``http://user:password@host/``, are sent to that server and shown nowhere.
    email : str, optional
        The address registered with JSOC; only exports need it. Default: ``$JSOC_EMAIL``.
    timeout : float
        Longest silence, in seconds, on connecting and while reading. An answer begins within twice this time, and a
        question ends, with all its tries, within sixty times; files may take longer, at a KiB a second at least.
    retries : int
        How often what failed for the moment is tried again.
    connections : int
        Connections to the server. JSOC asks for one; mirrors may allow more.
    session : requests.Session, optional
        One of yours, with your proxies or certificates.
    cache : bool
        Whether definitions of series are kept for a day in your cache directory, and taken from there, so that a first
        question costs one request. A name that such a definition lacks is looked up anew; `info` tells its age.

    Examples
    --------
    >>> import jsoclite
    >>> client = jsoclite.Client("sandbox")
    >>> client.pkeys("hmi.M_720s")
    ['T_REC', 'CAMERA']
    """

    def __init__(
        self,
        server: str | ServerConfig | None = None,
        *,
        email: str | None = None,
        timeout: float = 60,
        retries: int = 4,
        connections: int = 1,
        session: requests.Session | None = None,
        cache: bool = True,
    ) -> None:
        self._server = server if server is not None else os.environ.get("JSOCLITE_SERVER") or "jsoc"
        self._email = email or os.environ.get("JSOC_EMAIL") or None
        if not isinstance(timeout, int | float) or not timeout > 0:
            raise ArgumentError(f"timeout={shown(timeout)}: it is a number of seconds above 0")
        if not isinstance(self._email, str | None):
            raise ArgumentError(f"email={shown(email)} is no e-mail address")
        retries, connections = whole("retries", retries, 0), whole("connections", connections)
        self._options: dict[str, Any] = {
            "timeout": timeout,
            "retries": retries,
            "connections": connections,
            "session": session,
        }
        self.on_blocked: Callable[[ExportRequest], bool] | None = None
        """Called once with each `ExportRequest` that keeps JSOC from taking ours (status 7: it takes one of an
        address); if it returns True, JSOC is asked to forget that one. By default all are waited for, up to an hour."""
        self._clock, self._cache = Clock(), cache and not self._is_sandbox()
        if not self._is_sandbox():
            resolve_server(self._server)  # a misspelt server should not wait for the first query

    def __repr__(self) -> str:
        name = self._server if isinstance(self._server, str) else self._server.name
        return f"<jsoclite.Client {clean(name)}>"

    def __getstate__(self) -> dict[str, Any]:
        """Give a copy, such as a worker's, all but the connections: it opens its own."""
        made = ("transport", "_jsoc", "_queries", "_account")
        return {name: value for name, value in vars(self).items() if name not in made}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """
        Close the connections; a later call opens new ones.

        Examples
        --------
        >>> with jsoclite.Client("sandbox") as mine:            # closes at the end
        ...     mine.count("hmi.M_720s[2014.01.01_TAI/1h]")
        5
        >>> mine.close()                                        # harmless
        """
        if "transport" in self.__dict__:
            self.transport.close()

    @functools.cached_property
    def transport(self) -> Transport:
        """
        The connection to the server; made, and the sandbox started, on first use.

        Examples
        --------
        >>> client.transport.server.url_jsoc_info
        'http://127.0.0.1:.../cgi-bin/ajax/jsoc_info'
        """
        server = self._server
        if self._is_sandbox():
            sandbox = _shared_sandbox()
            server = sandbox.url
            self._email = self._email or sandbox.email
        return Transport(server, clock=self._clock, **self._options)

    def _is_sandbox(self) -> bool:
        return isinstance(self._server, str) and self._server.lower() == "sandbox"

    @functools.cached_property
    def _jsoc(self) -> Jsoc:
        return Jsoc(self.transport, cache=self._cache)

    @functools.cached_property
    def _queries(self) -> Queries:
        return Queries(self._jsoc)

    @functools.cached_property
    def _account(self) -> Account:
        jsoc = self._jsoc  # first: the sandbox brings its own address
        return Account(jsoc, self._email, lambda request: self.on_blocked is not None and self.on_blocked(request))

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
        Describe a series; asked once, then remembered, and kept for a day (`Client(cache=…)`): ``age`` tells.

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
        series: str | Sequence[str],
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
        series : str or sequence of str
            Name of the series; of several, the records stand one after the other, each asked for those of the names
            that it has.
        start, end : time, optional
            Both included, after rounding to the nearest slot of the series. Every form that DRMS reads, ISO strings,
            `datetime`, `Timestamp`, `datetime64`, astropy `Time`; without a zone they are UTC. Several ranges are a
            list of (start, end) tuples, or a list of starts with a `duration`.
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

        Two series with the rows of a flare table: ``time`` is UTC in nanoseconds, whatever pandas has made of theirs.

        >>> peaks = pd.to_datetime(["2014-01-01T18:52", "2014-01-02T02:33"])
        >>> flares = pd.DataFrame({"peak": peaks, "class": ["M9.9", "M1.7"]})
        >>> df = client.search(["hmi.M_720s", "hmi.Ic_720s"], list(flares.peak), duration="1h")
        >>> flares["time"] = pd.to_datetime(flares.peak, utc=True).astype(df.time.dtype)
        >>> near = pd.merge_asof(df.sort_values("time"), flares.sort_values("time"), on="time", direction="nearest")
        >>> near["class"].value_counts().to_dict()
        {'M9.9': 10, 'M1.7': 10}
        """
        sets = {"start": start, "end": end, "cadence": cadence, "duration": duration, "wavelength": wavelength}
        sets = {key: value for key, value in {**sets, "where": where, **prime_keys}.items() if value is not None}
        several = list(series) if isinstance(series, Iterable) and not isinstance(series, str) else [series]
        options: dict[str, Any] = {"limit": limit, "times": times, "most": Queries.MANY, "by_user": True}
        return self._queries.search(several, sets, (as_list(keywords), as_list(segments)), options)

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
            The first `limit` records, or the last ones if it is negative. More than 200,000 need one: a record set
            without a range is that of a whole mission.
        times : {"utc", "tai"}, optional
            Turn all time keywords into ``datetime64[ns, UTC]`` or naive TAI ``datetime64[ns]``. By default they stay
            the server's strings, which say their own scale. A TAI column that is given back to `search` or `nearest`
            is read as TAI; a single value of it has lost its scale: write ``jsoclite.tai(value)``.

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
        TooMany
            For more than 200,000 records without a `limit`; they were counted, and none was fetched.
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
            record_set,
            keywords=keywords,
            segments=segments,
            links=links,
            limit=limit,
            times=times,
            most=Queries.MANY,
            by_user=True,
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
        most: int | None = None,
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
        most : int, optional
            Most records of the set; by default there is no limit.

        Yields
        ------
        pandas.DataFrame
            See `query`. If no record matches, one without rows.

        Raises
        ------
        QueryError
            If the server refuses, or records were added or replaced meanwhile.
        TooMany
            For a set of more than `most` records.

        Examples
        --------
        >>> year = client.stream("hmi.M_720s[2014.01.01_TAI/365d]", keywords="T_REC,DATAMEAN")
        >>> [len(df) for df in year]
        [14415, 14291, 15000, 74]
        """
        size, most = whole("size", size), None if most is None else whole("most", most, 0)
        question = self._queries.question(record_set, keywords, segments, links, times)
        return self._queries.stream(question, size, progress=progress, most=most)

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

    # -- what people look for ---------------------------------------------------------------------------------------

    def nearest(
        self,
        series: str,
        times: Any,
        tolerance: Any,
        *,
        on: str | None = None,
        good: bool | str | int = True,
        keep: bool = False,
        wavelength: Any = None,
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
            As for `search`; UTC without a zone. None at all gives a DataFrame without rows.
        tolerance : str, number, timedelta or Quantity
            Longest distance, such as "30m" or seconds.
        on : str, optional
            The keyword that is compared, such as "T_OBS", the middle of the observation; by default the slot.
        good : bool, {"image", "usable", "clean"} or int
            Pass over records that are not so good, see `jsoclite.quality`: True is "image", False takes all. An int is
            a mask. HMI's records of 06:00 and 18:00 TAI are flagged every day: "clean" takes their neighbours.
        keep : bool
            Give a time without a record, and one that is missing (NaT, None), a row of NA, so that each has a row.
        wavelength, **prime_keys
            As for `search`.
        keywords, segments
            As for `query`.

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
        return nearest(
            self._queries,
            series,
            times,
            tolerance,
            on=on,
            good=good,
            keep=keep,
            wavelength=wavelength,
            keywords=as_list(keywords),
            segments=as_list(segments),
            prime_keys=prime_keys,
        )

    def latest(
        self,
        series: str,
        n: int = 1,
        *,
        good: bool | str | int = False,
        wavelength: Any = None,
        where: Any = None,
        keywords: str | Sequence[str] | None = None,
        segments: str | Sequence[str] | None = None,
        links: str | Sequence[str] | None = None,
        times: Literal["utc", "tai"] | None = None,
        **prime_keys: Any,
    ) -> pd.DataFrame:
        """
        Return the `n` newest records of a series, or of a channel, a HARP or a condition.

        Where the newest times hold too few, it looks back in windows that grow, to the beginning of the series. What a
        series of near-real-time data (``_nrt``) does not hold any more comes from the definitive one, and is told.

        Parameters
        ----------
        series : str
            Name of the series.
        n : int
            How many.
        good : bool, {"image", "usable", "clean"} or int
            Go back to records that are so good, see `nearest`; by default all are taken.
        wavelength, where, **prime_keys
            As for `search`.
        keywords, segments, links, times
            As for `query`.

        Returns
        -------
        pandas.DataFrame
            See `query`; the newest is the last.

        Raises
        ------
        UnknownSeries, UnknownName
            For a series, prime key, keyword or segment that does not exist.
        ValueError
            If `n` is no number above 0.

        Examples
        --------
        >>> newest = client.latest("hmi.M_720s_nrt", 3)
        >>> len(newest), newest.time.is_monotonic_increasing
        (3, True)
        >>> client.latest("aia.lev1_euv_12s", 2, wavelength=171).WAVELNTH.tolist()
        [171, 171]
        """
        sets = {"wavelength": wavelength, "where": where, **prime_keys}
        options: dict[str, Any] = {"keywords": as_list(keywords), "segments": segments, "links": links, "times": times}
        return latest(self._queries, series, n, good, sets, options)

    def coverage(
        self,
        series: str,
        start: Any,
        end: Any,
        *,
        step: Any = None,
        good: str | int = "clean",
        wavelength: Any = None,
        **prime_keys: Any,
    ) -> Coverage:
        """
        Count what there is of a series over time, against the slots that its definition promises.

        Parameters
        ----------
        series : str
            Name of the series.
        start, end : time
            As for `search`, rounded to the nearest slot; the end is not included.
        step : str, number, timedelta or Quantity, optional
            What is counted together, from `start` on, by the clock that this is written on: "1d", "6h". Default: an
            hour in ranges up to three days, else a day.
        good : {"image", "usable", "clean"} or int
            What is good and not flagged, see `jsoclite.quality`; an int is a mask.
        wavelength, **prime_keys
            As for `search`. Where a key is left open and has several values at a time (channels, HARPs), each has rows
            of its own.

        Returns
        -------
        pandas.DataFrame
            A row a step; index ``time`` (UTC, its start), behind keys that were left open; columns, Int64: ``good``;
            ``flagged`` (an image that is not good); ``no_image`` (QUALITY bit 31); ``offline`` (an image, on tape);
            ``absent``, slots without a record, NA where a series has no even slots. A record counts once, no image
            before offline before flagged. Its ``plot()`` draws all as a calendar.

        Raises
        ------
        UnknownSeries, UnknownName
            For a series or prime key that does not exist, or a series without times.
        RecordSetError
            For an empty range, or steps below the slots.

        Examples
        --------
        >>> days = client.coverage("hmi.M_720s", "2014.03.10_TAI", "2014.03.13_TAI", step="1d")
        >>> days.sum(axis=1).tolist()
        [120, 120, 120]
        >>> days.loc["2014-03-10 23:59:25"].to_dict()
        {'good': ..., 'flagged': ..., 'no_image': ..., 'offline': ..., 'absent': 0}
        """
        options: dict[str, Any] = {"wavelength": wavelength, "prime_keys": prime_keys}
        return make_coverage(self._queries, series, start, end, step=step, good=good, **options)

    def harps(
        self,
        noaa: Any = None,
        *,
        harpnum: int | None = None,
        series: str = "hmi.sharp_cea_720s",
        start: Any = None,
        end: Any = None,
        times: Any = None,
        places: Any = None,
    ) -> pd.DataFrame:
        """
        Look up the HARPs that hold active regions, or the regions that a HARP holds.

        The HARPs of the whole mission are one question; the answer is kept for a day (`Client(cache=…)`).

        Parameters
        ----------
        noaa : int, str, or column or list of them
            Number of the active region, with all five digits: 11158, also as "AR 11158". A column of an event list may
            have gaps, and be of floats.
        harpnum : int, optional
            Number of the HARP, in place of `noaa`.
        series : str
            Where to look.
        start, end : time, optional
            Look at this range only.
        times : column or list of times, optional
            When each event was: decides where several HARPs name a region.
        places : column or list, optional
            Where each was, as "S20W12" or (degrees west, degrees north): finds the HARP of rows that no number leads
            to, by overlap in time and place.

        Returns
        -------
        pandas.DataFrame
            A row a HARP: ``HARPNUM``, ``NOAA_AR`` (its main region, 0 for none), ``NOAA_ARS`` (all, a tuple of int),
            ``first`` and ``last`` (UTC) of its records; in a range, of those that were looked at, one every six hours.

            For a column, a row for each of its rows, and its index: ``noaa``, the same of its HARP, ``how`` ("named",
            "one of several", "overlap"), ``sure`` ("certain": it alone names the region; "likely": it alone does so
            at that time or as its main one, or holds the place; "unsure"), ``reason``, also why there is none.

        Raises
        ------
        ValueError
            If neither or both of `noaa` and `harpnum` are given.

        Examples
        --------
        >>> client.harps(11158).HARPNUM.tolist()
        [377]

        SHARP parameters six hours before each flare of a table:

        >>> flares = pd.DataFrame({"start": pd.to_datetime(["2011-02-15 01:44", "2011-02-18 09:55"]),
        ...                        "class": ["X2.2", "M6.6"], "noaa": [11158, None]})
        >>> flares["HARPNUM"] = client.harps(flares.noaa, times=flares.start, places=["S20W12", "N15E05"]).HARPNUM
        >>> flares["asked"] = (flares.start - pd.Timedelta("6h")).dt.tz_localize("UTC").astype("datetime64[ns, UTC]")
        >>> sharps = client.nearest("hmi.sharp_cea_720s", flares.asked.drop_duplicates(), "24m", keywords="sharp")
        >>> flares.merge(sharps, on=["asked", "HARPNUM"], how="left")[["class", "HARPNUM", "USFLUX"]].notna().sum()
        class      2
        HARPNUM    1
        USFLUX     1
        dtype: int64
        """
        return harps(self._queries, noaa, harpnum, series, start, end, times, places)

    # -- exports --------------------------------------------------------------------------------------------------

    def check_email(self, address: str) -> bool:
        """
        Say whether JSOC knows this e-mail address (checkAddress.sh); nothing is registered by asking.

        Examples
        --------
        >>> client.check_email("demo@example.com"), client.check_email("nobody@example.com")
        (True, False)
        """
        return self._account.is_registered(address)

    def export(
        self,
        rows: Any,
        *,
        segments: str | Sequence[str] | None = None,
        method: str = "url",
        protocol: str | tuple[str, Mapping[str, Any]] = "fits",
        process: Any = None,
        filename: str | None = None,
    ) -> Export:
        """
        Ask JSOC to stage files; nothing waits.

        The first request is submitted, more are queued behind it, because JSOC takes one pending request per address.
        What is larger than the 100 GB that JSOC takes is cut into several, and halved where JSOC refuses it still.

        Parameters
        ----------
        rows : DataFrame, Series, RecordSet, str or list of record names
            What to export: exactly these records.
        segments : str or sequence of str, optional
            Default: those named by `rows`, else all; of rows of AIA without ``spikes``, as for `download`.
        method : {"url", "url_quick", "url-tar", "ftp", "ftp-tar"}
            "url_quick" answers at once, for as-is files that are online.
        protocol : str or tuple
            "fits" (full headers), "as-is", or "jpg", "mpg", "mp4" with their arguments, ``"jpg,CT=aia_171.lut"`` or
            ``("jpg", {"CT": "aia_171.lut"})``.
        process : server step or sequence of them, optional
            `Cutout`, `Rebin`, …, or ``{"im_patch": {…}}``, as drms takes them.
        filename : str, optional
            JSOC's ``filenamefmt``, such as ``{seriesname}.{T_REC:A}.{segment}``: names of its files, which other
            programs see; `download` gives names of its own.

        Returns
        -------
        Export
            Its ``wait()``, ``ids`` and ``download(directory)`` go on from here.

        Raises
        ------
        EmailError
            If there is no registered address.
        SelectionError
            If the rows do not say which records they stand for.
        ProcessingError
            For a step that JSOC cannot run on this series.
        ValueError
            For a method or protocol that JSOC does not know (jsoc_export_manage.c).

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/4h]")
        >>> export = client.export(df.iloc[::5], segments="magnetogram", process=jsoclite.Rebin(0.25))
        >>> export.wait()
        <Export JSOC_..., done, 4 files, ...>
        """
        export = make_export(
            self._queries,
            self._account,
            rows,
            as_list(segments),
            method=method,
            protocol=protocol,
            process=process,
            filename=filename,
        )
        export.on_download = self.download
        export.advance()
        return export

    def attach(self, *request_ids: str | Sequence[str]) -> Export:
        """
        Take up requests made earlier, anywhere, by their ids.

        Parameters
        ----------
        *request_ids : str or sequence of str
            Such as ``JSOC_20141117_001``.

        Returns
        -------
        Export
            Ask it for its status, wait, or download.

        Raises
        ------
        JsocError
            For what is no request id.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> client.attach(*export.ids).wait().status            # in another session, on another machine
        <ExportStatus.DONE: 0>
        """
        ids: list[Any] = [
            one for ids in request_ids for one in (ids if isinstance(ids, list | tuple | Export) else [ids])
        ]
        ids = [one.id if isinstance(one, ExportRequest) else one for one in ids]
        for request_id in ids:
            if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
                raise JsocError(f"{shown(request_id)} is no request id of JSOC; they look like JSOC_20141117_001")
        export = self._account.export([self._account.attached(one) for one in ids])
        export.on_download = self.download
        return export

    # -- files ----------------------------------------------------------------------------------------------------

    def plan(
        self,
        rows: Any,
        directory: str | os.PathLike[str] | None = None,
        *,
        segments: str | Sequence[str] | None = None,
        protocol: Literal["auto", "fits", "as-is"] = "auto",
        process: Any = None,
        filename: str | None = None,
    ) -> Plan:
        """
        Find out what a download comes to: files, their routes and bytes, export requests, and time.

        No file is fetched and no e-mail address is needed. The server is asked once for 10,000 rows; a little more
        often where rows are scattered over a long time, where exports of scattered rows can be made fewer, and for
        the sizes of files that lie in another series.

        Parameters
        ----------
        rows, segments, protocol, process, filename
            As for `download`.
        directory : path, optional
            Where the files would go: what is there already is found, and times that its ledger has measured are used.

        Returns
        -------
        Plan
            ``files``: a DataFrame, a row a file; index ``record``; columns ``segment``, ``route`` ("here", "sums",
            "export", "none"), ``bytes``, ``reason``. ``requests``: the record sets that would be exported. ``bytes``
            to fetch, ``seconds``, ``limits`` that are hit; ``sources`` says how they are known: the bytes of what a
            step makes are a guess until there is one like it. It shows itself, and `download` carries it out.

        Raises
        ------
        SelectionError
            If the rows do not say which records they stand for.
        ProcessingError
            For a step that JSOC cannot run on this series.

        Examples
        --------
        >>> plan = client.plan("hmi.M_720s[2014.02.01_TAI/1h]{magnetogram}", "planned")
        >>> plan.files.route.tolist(), len(plan.requests)
        (['sums', 'sums', 'sums', 'sums', 'sums'], 0)
        >>> plan
        5 files: 5 straight from SUMS; 0 export requests, 604.8 kB to fetch, about 0 s
        ...
        >>> files = client.download(plan, "planned")
        >>> bool(files.bytes.sum() == plan.bytes)
        True
        """
        made = make_plan(self._queries, rows, as_list(segments), protocol, process, look=True, filename=filename)
        return make_survey(made, directory if directory is None else folder("directory", directory), self._queries)

    def download(
        self,
        rows: Any,
        directory: str | os.PathLike[str],
        *,
        segments: str | Sequence[str] | None = None,
        protocol: Literal["auto", "fits", "as-is"] = "auto",
        process: Any = None,
        filename: str | None = None,
        overwrite: bool = False,
        progress: bool | Progress | None = None,
        on_error: Literal["raise", "ignore"] = "raise",
        executor: Executor | None = None,
        compare: str | os.PathLike[str] | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """
        Fetch the files of exactly these rows. Run again, it fetches only what is not there yet.

        Parameters
        ----------
        rows : DataFrame, Series, RecordSet, str, list of record names, Export, Plan, or Lock
            Whose files. A `Plan` says itself which segments, protocol and steps. The path of a lock file will do: it
            ends in ``.lock``.
        directory : path
            Where they go; it is created. Its ledger ``.jsoclite.sqlite`` remembers files and requests.
        segments : str or sequence of str, optional
            Default: those named by `rows`, else all of the series but AIA's ``spikes``, which is told once.
        protocol : {"auto", "fits", "as-is"}
            "auto" takes files that are online straight from SUMS and writes their headers here, and lets JSOC stage the
            rest; "fits" lets JSOC stage all; "as-is" takes stored files unchanged.
        process : server step or sequence of them, optional
            `Cutout`, `Rebin`, …; JSOC does them, but for a `Cutout` alone (without `register` and `cadence`) of files
            that are online: only the rows of its box are fetched, and the file is made here as im_patch makes it.
            Mappings of JSOC's names, ``{"resize": {"scale_to": 0.6}}``, as drms takes them, will do.
        filename : str, optional
            What the files are called below `directory`, with fields in braces: keywords of the series, ``{segment}``,
            ``{series}``, ``{recnum}``, ``{record}`` (the usual name without the segment), ``{process}``. Slashes make
            folders: ``"{T_REC:%Y/%m}/{HARPNUM:06d}.{T_REC:%Y%m%d_%H%M%S}.{segment}"``. Times take formats of
            strftime, and are in the scale that JSOC prints them in, T_REC of HMI in TAI, of AIA in UTC; all else takes
            Python's formats. The extension is the file's own. Two files under one name are refused before any is
            fetched; files that are here under another name keep it.
        overwrite : bool
            Fetch files that are there, too.
        progress : bool, optional
            Show progress on stderr; by default if that is a terminal.
        on_error : {"raise", "ignore"}
            "raise" tries every file first, then raises `DownloadError` if some failed.
        executor : concurrent.futures.Executor, optional
            Fetch with its workers, for servers that allow more than one connection. Each keeps a connection of its own;
            a `session` given to the client does not travel to them.
        compare : path, optional
            Another archive, whose files are copied in place of fetching them.
        limit : int, optional
            Most files of a record set, by default 10,000: a set without a range is that of a whole mission. Rows, plans
            and locks were listed, and are meant.

        Returns
        -------
        pandas.DataFrame
            The manifest: a row per wanted file in the order of `rows`; index ``record``; columns ``segment``, ``path``,
            ``status`` (downloaded, present, missing, failed), ``bytes``, ``url``, ``request_id``, ``error``.

        Raises
        ------
        DownloadError
            If files failed; its ``.manifest`` is what would have been returned.
        TooMany
            For more files of a record set than `limit`; none was fetched.
        EmailError
            If files must be staged and there is no registered address.
        SelectionError
            If the rows do not say which records they stand for.
        ProcessingError
            For a step that JSOC cannot run on this series.
        ArgumentError
            For a `filename` that no file can have, that gives two files one name, or whose value a row lacks.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
        >>> files = client.download(df[df.jsoc.good()], "data")
        >>> files.status.tolist()
        ['downloaded', 'downloaded', 'downloaded', 'downloaded', 'downloaded']
        >>> client.download(df, "data").status.unique().tolist()        # nothing is fetched twice
        ['present']
        >>> client.download(df.iloc[:1], "named", filename="{T_REC:%Y/%m}/{T_REC:%d_%H%M}.{segment}").path.tolist()
        ['named/2014/01/01_0000.magnetogram.fits']
        """
        if isinstance(rows, Plan) and (segments, protocol, process, filename) != (None, "auto", None, None):
            raise ArgumentError(
                "a plan was made with its own segments, protocol, process and filename: leave them out, or plan anew"
            )
        options: dict[str, Any] = {"overwrite": overwrite, "executor": _workers(executor), "compare": compare}
        on_error, directory = choice("on_error", on_error, ON_ERROR), folder("directory", directory)
        most = MOST_FILES if limit is None else whole("limit", limit, 0)
        lock = as_lock(rows)
        bar = choose(progress)
        try:
            if lock:
                options |= {"process": process, "filename": filename}
                manifest = bring(lock, directory, self._queries, self._account, bar, **options)
            else:
                made = rows if isinstance(rows, Plan) else None
                named: dict[str, Any] = {"most": most, "filename": filename}
                plan = made or make_plan(self._queries, rows, as_list(segments), protocol, process, **named)
                manifest = carry_out(plan, directory, self._queries, self._account, bar, **options)
        finally:
            bar.close()
        if isinstance(rows, Export):
            rows.note(manifest)
        Manifest.report(manifest, on_error)
        return manifest

    def read(self, row: Any, segment: str | None = None, *, process: Any = None) -> tuple[Any, Any]:
        """
        Return the image of one record, without keeping a file.

        Parameters
        ----------
        row : row of a DataFrame, record name, RecordSet or str
            One record.
        segment : str, optional
            Which image; it can be left out where there is only one.
        process : server step or sequence of them, optional
            As for `download`: of a `Cutout`, only the rows of its box are fetched.

        Returns
        -------
        data : ndarray, shape (rows, columns)
            Pixels in the unit BUNIT, NaN where missing; see `jsoclite.read`.
        header : astropy.io.fits.Header
            The keywords.

        Raises
        ------
        SelectionError
            If that is not one image.
        JsocError
            If there is no such image.

        Examples
        --------
        >>> cutout = jsoclite.Cutout(center=(-300, 150), size=200, t_ref="2014-01-01T00:00:00")
        >>> data, header = client.read("hmi.M_720s[2014.01.01_TAI]{magnetogram}", process=cutout)
        >>> data.shape
        (25, 25)
        """
        return read_one(self._queries, self._account, row, segment, process)

    def cube(self, rows: Any, segment: str | Sequence[str] | None = None, *, process: Any = None) -> Any:
        """
        Return the images of rows as a lazy `xarray.Dataset`: each is fetched when it is computed.

        It needs xarray, Dask and Zarr (extra ``cube``). Frames come over the client's one connection, whatever Dask
        computes with: threads, processes, or ``distributed`` on this machine. What is on tape, or made by other steps
        than a `Cutout`, JSOC stages, together, when the first such frame is needed.

        Parameters
        ----------
        rows : DataFrame, RecordSet, str, or list of record names
            Records of one series, and of one wavelength, HARP, …. A manifest of `download` will do: files that are
            there are opened, and not fetched.
        segment : str or sequence of str, optional
            A variable each. Default: those named by `rows`, else the only one of the series.
        process : server step or sequence of them, optional
            As for `download`: of a `Cutout`, only the rows of its box are fetched.

        Returns
        -------
        xarray.Dataset
            Dimensions ``time`` (``record`` where a series has none), ``y`` and ``x``; a chunk a frame, in the order of
            `rows`. Coordinates ``time`` (UTC), ``record``, ``recnum``, and the keywords that `rows` have, by default
            those of `query`. Missing pixels, and frames of records without an image, are NaN. What `astropy.wcs.WCS`
            reads of the first image stands in ``attrs``. ``to_zarr(path)`` goes on where it stopped.

        Raises
        ------
        SelectionError
            If the rows are not of one series and one kind, or no segment is named where there are several.
        JsocError
            If a package is missing; later, when computed, if a frame did not come or has another size than the first.

        Examples
        --------
        >>> cutout = jsoclite.Cutout(center=(-300, 150), size=200, t_ref="2014-01-01T00:00:00")
        >>> cube = client.cube("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", process=cutout)
        >>> dict(cube.sizes), cube.magnetogram.units
        ({'time': 5, 'y': 25, 'x': 25}, 'Gauss')
        >>> float(abs(cube.magnetogram).max()) > 0              # fetches the rows of five boxes
        True
        """
        return make_cube(self._queries, self._account, rows, as_list(segment), process)

    def sync(
        self,
        record_set: str | RecordSet,
        directory: str | os.PathLike[str],
        *,
        segments: str | Sequence[str] | None = None,
        process: Any = None,
        keywords: str | Sequence[str] | None = None,
        delete: bool = False,
        filename: str | None = None,
        progress: bool | Progress | None = None,
        on_error: Literal["raise", "ignore"] = "raise",
        executor: Executor | None = None,
    ) -> pd.DataFrame:
        """
        Keep a record set in step with the server: fetch what is new, and what JSOC has made anew.

        Where nothing was added to the series since the last run, that is one question. Run again after a crash, it
        goes on where it stopped.

        Parameters
        ----------
        record_set : str or RecordSet
            Of one series. Its end may lie in the future: it grows with the series.
        directory : path
            Where files and keywords go.
        segments : str or sequence of str, optional
            As for `download`; an empty list keeps keywords alone.
        process : server step or sequence of them, optional
            `Cutout`, `Rebin`, …
        keywords : str or sequence of str, optional
            Keywords to keep beside the files, as for `query`; `Archive.keywords` reads them (extra ``parquet``). By
            default none, and those of `query` where no files are wanted. What was kept once is kept on.
        delete : bool
            Remove files of versions that were replaced, and of records that are gone. By default they stay, under names
            of their own; their keywords always do, marked.
        filename : str, optional
            What new files are called, as for `download`; a record that JSOC has made anew gets ``.r`` and its number.
        progress, on_error, executor
            As for `download`.

        Returns
        -------
        pandas.DataFrame
            The manifest, as `download` returns it, with a ``status`` of "new", "replaced", "present", "gone" (here, and
            no longer at JSOC), "missing" or "failed".
            ``.attrs["jsoc"]["counts"]`` counts them. Of more than 100,000 records
            whose keywords alone are kept, those that are present have no row, and no more than 100,000 others have.

        Raises
        ------
        DownloadError
            If files failed; its ``.manifest`` is what would have been returned.
        ServerError
            If the server is away; the text says since when, and what is at hand.

        Examples
        --------
        >>> files = client.sync("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "kept", keywords="T_REC,DATAMEAN")
        >>> files.status.unique().tolist()
        ['new']
        >>> client.sync("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "kept").status.unique().tolist()
        ['present']
        """
        on_error, directory = choice("on_error", on_error, ON_ERROR), folder("directory", directory)
        bar = choose(progress)
        options: dict[str, Any] = {"segments": as_list(segments), "keywords": as_list(keywords), "process": process}
        options |= {"delete": delete, "executor": _workers(executor), "filename": filename}
        try:
            manifest = synchronize(self._queries, self._account, record_set, directory, bar, **options)
        finally:
            bar.close()
        Manifest.report(manifest, on_error)
        return manifest

    def diff(self, lock: Lock | str | os.PathLike[str]) -> pd.DataFrame:
        """
        Say what JSOC has changed since files were locked, keyword by keyword.

        Parameters
        ----------
        lock : Lock, str or path
            A lock, its text, or the path of a lock file.

        Returns
        -------
        pandas.DataFrame
            Index ``record``; columns ``recnum`` (locked), ``now`` (of today's version), ``keyword``, ``was``, ``is``.
            Empty if nothing has changed. Where a version is there no more, there is no keyword, and ``is`` says so.

        Raises
        ------
        JsocError
            For what is no lock file.

        Examples
        --------
        >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "paper")
        >>> len(client.diff(jsoclite.Archive("paper").lock()))
        0
        """
        found = as_lock(lock)
        if found is None:
            raise JsocError(f"{lock!r} is no lock: give one, its text, or the path of a file that ends in .lock")
        return diff(self._queries, found)

    @functools.cached_property
    def drms(self) -> Any:
        """
        A plain `drms.Client` over our connection, for what jsoclite does not cover.

        Its `query` mangles QUALITY with some versions of pandas; use `Client.query` for data.

        Examples
        --------
        >>> client.drms.pkeys("hmi.M_720s")
        ['T_REC', 'CAMERA']
        """
        return self.transport.drms_client(self._email)


def _workers(executor: Any) -> Any:
    if executor is not None and not hasattr(executor, "submit"):
        raise ArgumentError(
            f"executor={shown(executor)} takes no work: give one of concurrent.futures, or Client(connections=…)"
        )
    return executor


@functools.cache
def _shared_sandbox() -> Any:
    """Start the sandbox of this process."""
    import atexit

    from .sandbox import Sandbox

    sandbox = Sandbox()
    sandbox.start()
    atexit.register(sandbox.stop)
    return sandbox
