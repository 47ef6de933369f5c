"""
Questions to `jsoc_info`: which series there are, what they are, and their records as DataFrames.

`Queries` is the part of `Client` that only reads; names are checked against the definition of a series before anything
is sent.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..display import clean
from ..errors import UNFIT, JsocError, QueryError, SelectionError, ServerError, UnknownName, UnknownSeries, warn
from ..recordset import RecordSet, refuse
from ..selection import Selection, to_record_sets
from ..series import (
    RecordName,
    SeriesInfo,
    as_list,
    check_names,
    check_pattern,
    keywords_of,
    series_of,
)
from .parts import SMALLEST, fetch_in_pieces, in_order
from .question import DEFAULT_KEYWORDS, Question, expand_sets, one_series, warn_of_problems
from .table import from_reply

if TYPE_CHECKING:
    import pandas as pd

    from ..server import Jsoc

T = TypeVar("T")

# From here on an answer is compared with the count; JSOC's limit is 75,000 records, a mirror's may be lower.
SUSPICIOUS = 20_000
# More than a million records of 30 keywords fill a gigabyte, and take JSOC minutes.
MANY = 1_000_000


class Queries:
    """
    Series and records of one server.

    Parameters
    ----------
    jsoc : Jsoc
        Whom to ask.
    """

    def __init__(self, jsoc: Jsoc) -> None:
        self.jsoc = jsoc
        self._known: dict[str, SeriesInfo] = {}

    # -- series ---------------------------------------------------------------------------------------------------

    def series(self, pattern: str | None) -> list[dict[str, str]]:
        """Return name, primekeys (comma-joined) and note of the series that match a regular expression."""
        check_pattern(pattern)
        reply = self.jsoc.show_series(pattern)
        if reply.get("status") not in (0, None):
            raise QueryError(
                f"the server refused the pattern {pattern!r}: {reply.get('errmsg') or 'no reason given'}. "
                "It is a POSIX regular expression.",
                status=reply.get("status"),
            )
        return list(reply.get("names", []))

    def info(self, series: str, *, anew: bool = False) -> SeriesInfo:
        """Return the definition of a series, or of the series of a record set; `anew`: none of an earlier run."""
        name = series_of(series)
        known = self._known.get(name.lower())
        if known is None or (anew and known.age):
            known = self._known[name.lower()] = self.jsoc.definition(name, anew=anew)
        return known

    def checked(self, series: str, names: Callable[[SeriesInfo], T]) -> T:
        """Hold names against a definition; where one of an earlier run lacks some, against what the server says now."""
        info = self.info(series)
        try:
            return names(info)
        except UnknownName:
            if not info.age:
                raise
            return names(self.info(series, anew=True))

    def prime_keys(self, series: str) -> list[str]:
        """Return the prime keys of a series, in order."""
        return [key for key in self.info(series).primekeys or [] if key]

    # -- records --------------------------------------------------------------------------------------------------

    def fitted(self, record_set: RecordSet) -> RecordSet:
        """Return a set that was built from arguments with all names checked, in the order of its series."""
        return self.checked(record_set.series, record_set.for_series)

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
        """See `Client.query`."""
        question = self.question(record_set, keywords, segments, links, times)
        bare = question.record_set.with_segments(None)
        df = self.fetch_all(question, bare) if limit is None else self._fetch(question, bare, limit=limit)
        return self._signed(df, question)

    def stream(self, question: Question, size: int, *, progress: bool | None = None) -> Iterator[pd.DataFrame]:
        """See `Client.stream`."""
        for df in in_order(self.fetch_all, self.size, question, size, progress=progress):
            yield self._signed(df, question)

    def question(
        self,
        record_set: str | RecordSet,
        keywords: str | Sequence[str] | None,
        segments: str | Sequence[str] | None,
        links: str | Sequence[str] | None,
        times: Literal["utc", "tai"] | None,
    ) -> Question:
        """Return what is asked, all names checked."""
        rs = one_series(record_set)
        asked, linked = as_list(keywords), as_list(links) or []
        named = list(rs.segments or ()) if segments is None else as_list(segments) or []
        # all that there are now, not all that there were
        refuse(rs.elements, self.info(rs.series, anew="**ALL**" in (*(asked or ()), *named, *linked)))

        def checked(info: SeriesInfo) -> Question:
            known = list(keywords_of(info))
            if asked is None:
                keys = self.default_keywords(info)
            else:  # the column recnum is there in any case
                keys = [name for name in asked if name.lower() != "recnum" or name in known]
                keys = check_names(expand_sets(keys, known), known, "keyword", info.name)
            segs, links = self._names(named, info, "segment"), self._names(linked, info, "link")
            return Question(rs, info, keys, segs, links, times)

        question = self.checked(rs.series, checked)
        warn_of_problems(rs, question.info)
        return question

    def _fetch(
        self, question: Question, part: RecordSet, *, limit: int | None = None, patient: bool = True
    ) -> pd.DataFrame:
        """Fetch the records of `part` in one answer."""
        names = question.keywords, question.segments, question.links
        reply = self._rs_list(part, *names, limit, patient=patient)
        keywords, segments, links = names
        try:
            df = from_reply(
                reply,
                question.info,
                times=question.times,
                base_url=self.jsoc.files,
                keywords=keywords,
                segments=segments,
                links=links,
            )
        except JsocError:
            raise
        except UNFIT as error:
            raise ServerError(f"the server's list of {part} does not fit: {type(error).__name__}") from error
        there = set(df.columns)
        asked = [name for name in keywords if not name.startswith("**")]
        lacks = [name for name in asked if not {name, name.strip("*"), f"{name}_keyword"} & there]
        if lacks or "recnum" not in there:
            raise ServerError(f"the server's list of {part} lacks {', '.join(lacks[:5]) or 'the record numbers'}")
        return df

    def _signed(self, df: pd.DataFrame, question: Question) -> pd.DataFrame:
        df.attrs["jsoc"] = {
            "series": question.info.name,
            "record_set": str(question.record_set),
            "server": self.jsoc.server.name,
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        if question.times == "tai":  # pandas has no such scale; times of these columns are read as TAI
            df.attrs["jsoc"]["tai"] = [name for name, kind in df.dtypes.items() if kind == "datetime64[ns]"]
        return df

    def fetch_all(self, question: Question, part: RecordSet) -> pd.DataFrame:
        """Fetch all records of `part`, a set without segments: in one answer if that works, else in pieces."""
        try:
            df = self._fetch(question, part, patient=False)
            # an answer that is cut off at the record limit looks like any other
            if len(df) < SUSPICIOUS or len(df) == self.size(part):
                return df
        except QueryError as error:
            if "out of memory" not in str(error):
                raise
        except ServerError:
            if self.size(part) < SMALLEST:
                return self._fetch(question, part)
        if (total := self.size(part)) > MANY:
            warn(
                f"{part} holds {total:,} records, which takes long and much memory; ask for fewer with limit=, a "
                "cadence or a condition, or take them a DataFrame at a time with Client.stream"
            )
        # the pieces are put in order by prime key, whether these were asked for or not
        order = self.prime_keys(question.info.name)
        extra = [key for key in order if key not in question.keywords]
        wider = dataclasses.replace(question, keywords=[*question.keywords, *extra])
        df = fetch_in_pieces(part, lambda piece: self._fetch(wider, piece), self.size, order)
        return df.drop(columns=extra)

    def count(self, record_set: str | RecordSet) -> int:
        """Count the records of a record set without fetching them."""
        rs = one_series(record_set)
        info = self.info(rs.series)
        refuse(rs.elements, info)
        warn_of_problems(rs, info)
        return self.size(rs.with_segments(None))

    def size(self, rs: RecordSet) -> int:
        """Count the records of a checked set without segments."""
        reply = self.jsoc.rs_summary(str(rs))
        _raise(reply, rs)
        return int(reply["count"])

    def recnums(self, rs: RecordSet) -> list[int]:
        """
        Return the record numbers that the server lists for a set, in its order.

        Raises
        ------
        QueryError, ServerError
            If it refuses the set.
        """
        reply = self.jsoc.records(str(rs), ["*recnum*"])
        _raise(reply, rs)
        columns = reply.get("keywords") or [{"values": []}]
        return [int(number) for number in columns[0]["values"]]

    def compare(self, chosen: Selection, listed: pd.DataFrame | None = None) -> None:
        """
        Check that the names and the record numbers of rows stand for the same records.

        Parameters
        ----------
        chosen : Selection
            The rows.
        listed : DataFrame, optional
            What the server lists of them, where it was asked already; there may be other records, too.

        Raises
        ------
        SelectionError
            If they do not: dates were edited, numbers rounded, or a column sorted apart.
        """
        if chosen.recnums is None:
            return
        said = dict(zip(chosen.recnums.tolist(), chosen.names, strict=True))
        keys = self.prime_keys(chosen.series)[:1]
        parts = (self.query(one, keywords=keys) for one in chosen.record_sets()) if listed is None else (listed,)
        for found in parts:
            for name, number in zip(found.index, found.recnum, strict=True):
                row = said.get(int(number), "[:#")
                if "[:#" not in row and RecordName.parse(row).bare != RecordName.parse(name).bare:
                    raise SelectionError(
                        f"record number {number} is {name}, and the row with this number is called {row}: one of the "
                        "two was changed. Query the rows again, or drop the column recnum to go by names"
                    )

    def numbers(self, names: Iterable[str]) -> tuple[tuple[str, int], ...]:
        """Look up the record numbers of record names."""
        found: dict[str, int] = {}
        names = list(names)
        for record_set in to_record_sets(names):
            df = self.query(record_set, keywords=self.prime_keys(record_set.series))
            found.update(zip(df.index, df.recnum, strict=True))
        return tuple(dict.fromkeys((name, found[name]) if name in found else self._one(name) for name in names))

    def _one(self, name: str) -> tuple[str, int]:
        """Look up a record whose name is not spelled as the server spells it, such as a time without its seconds."""
        df = self.query(name, keywords=self.prime_keys(series_of(name)))
        if len(df) != 1:
            raise QueryError(
                f"{name} stands for {len(df)} records, and the name of a record for one; write it as a record set, "
                "not in a list"
                if len(df)
                else f"there is no record {name}",
                record_set=name,
            )
        return str(df.index[0]), int(df["recnum"].iloc[0])

    def default_keywords(self, info: SeriesInfo) -> list[str]:
        """Return the prime keys, and what most people look at first, as far as the series has them."""
        wanted = [*self.prime_keys(info.name), *DEFAULT_KEYWORDS]
        known = keywords_of(info)
        return [name for name in dict.fromkeys(wanted) if name in known]

    def _names(self, names: list[str], info: SeriesInfo, what: Literal["segment", "link"]) -> list[str]:
        if not names:
            return []
        known = list((info.segments if what == "segment" else info.links).index)
        return known if "**ALL**" in names else check_names(names, known, what, info.name)

    def _rs_list(
        self,
        rs: RecordSet,
        keys: Sequence[str],
        segs: Sequence[str],
        links: Sequence[str],
        limit: int | None,
        *,
        patient: bool,
    ) -> bytearray:
        if limit == 0:
            raise ValueError("limit=0 asks for nothing; leave it out for all records")
        # a set that is too big ends the server program each time; one that is not gets its retries later
        retries = None if patient else 0
        names = ["*recnum*", *(key for key in keys if key != "*recnum*")]
        listed = str(rs.with_segments(None))
        reply = self.jsoc.rs_list(listed, names, segs, links, names=True, limit=limit, retries=retries)
        # errors are short; a big answer is not decoded here
        if len(reply.content) < 4000:
            _raise(reply.data, rs)
        return reply.content


def _raise(reply: Mapping[str, Any], rs: RecordSet) -> None:
    if reply.get("status") == 0:
        return
    said = str(reply.get("error") or "no reason given").strip()
    # jsoc_info.c says "series not found" for filters that it cannot read, too; the series was looked up before
    hint = " The series exists, so it is a filter that the server cannot read." if "series not found" in said else ""
    kind = UnknownSeries if "not found" in said and not hint else QueryError
    text = f"the server refused {rs}: {clean(said.splitlines()[0]).rstrip('.')}.{hint}"
    raise kind(text, record_set=str(rs), status=reply.get("status"))
