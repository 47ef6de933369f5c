"""
Questions to `jsoc_info`: which series there are, what they are, and their records as DataFrames.

`Queries` is the part of `Client` that only reads; names are checked against the definition of a series before anything
is sent.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..display import clean
from ..errors import (
    UNFIT,
    ArgumentError,
    JsocError,
    QueryError,
    SelectionError,
    ServerError,
    UnknownName,
    choice,
    shown,
    warn,
    whole,
)
from ..progress import records
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
from .parts import SMALLEST, Pieces, column_numbers, in_order, tai_seconds
from .question import (
    DEFAULT_KEYWORDS,
    RANGES,
    Question,
    changed,
    expand_sets,
    one_series,
    outside,
    warn_of_problems,
    why_nothing,
)  # fmt: skip
from .table import from_reply

if TYPE_CHECKING:
    import pandas as pd

    from ..server import Jsoc

T = TypeVar("T")

# From here on an answer is compared with the count; JSOC's limit is 75,000 records, a mirror's may be lower.
SUSPICIOUS = 20_000
# a filter for the first or the last value of a key
_ENDS = re.compile(r"[\[=,]\s*#?[$^](?!\()")


class Queries:
    """
    Series and records of one server.

    Parameters
    ----------
    jsoc : Jsoc
        Whom to ask.
    """

    #: Nobody means more records without saying so: a question about a whole mission is a slip.
    MANY = 200_000

    def __init__(self, jsoc: Jsoc) -> None:
        self.jsoc = jsoc
        self._known: dict[str, SeriesInfo] = {}
        #: HARPs with a NOAA number, by series in lower case; see `regions`.
        self.harps: dict[str, pd.DataFrame] = {}
        self._rounded: set[str] = set()
        self._channels: dict[str, list[int]] = {}

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
        if not isinstance(series, str | RecordSet):
            raise ArgumentError(f"{shown(series)} is no series: give the name of one, such as 'hmi.M_720s'")
        name = series_of(str(series))
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

    def renewed(self, series: str) -> SeriesInfo:
        """Return the definition of a series as it is now: its interval says whether records were added."""
        self._known.pop(series_of(series).lower(), None)
        return self.info(series, anew=True)

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
        most: int | None = None,
        by_user: bool = False,
        tell: bool = True,
    ) -> pd.DataFrame:
        """See `Client.query`; `TooMany` for more than `most` records, unless there is a limit."""
        limit = None if limit is None else whole("limit", limit, -sys.maxsize)
        question = self.question(record_set, keywords, segments, links, times)
        bare = question.record_set.with_segments(None)
        df = self.fetch_all(question, bare, limit, most)
        if tell:
            self.tell_lack(question.record_set, df)
        if by_user and question.info.name not in self._rounded and (away := outside(question, df)):
            self._rounded.add(str(question.info.name))
            warn(
                f"{away} of the rows of {question.record_set} are outside of its range: the server rounds to the "
                "nearest slots; said once"
            )
        return self._signed(df, question)

    def tell_lack(self, rs: RecordSet, rows: pd.DataFrame | None = None) -> None:
        """Warn of what may be wrong with a set that selects nothing, or nothing of a wavelength that it names."""
        info = self.info(rs.series)
        waves = set(rs.numbers(info).get("WAVELNTH", ())) if rows is not None and "WAVELNTH" in rows else set()
        if rows is not None and len(rows) and not (waves and waves.difference(rows["WAVELNTH"].dropna().unique())):
            return
        if reason := why_nothing(rs, info, functools.partial(self._waves, str(info.name))):
            warn(reason)

    def _waves(self, series: str) -> list[int]:
        """Return the wavelengths of the newest records of a series, which are asked for once."""
        if series not in self._channels:
            question = self.question(f"{series}[]", ["WAVELNTH"], None, None, None)
            try:
                found = self._fetch(question, question.record_set, limit=-60)["WAVELNTH"].dropna()
            except JsocError:  # a hint is not worth an error
                return []
            self._channels[series] = sorted({int(value) for value in found})
        return self._channels[series]

    def search(
        self,
        series: Sequence[str],
        sets: dict[str, Any],
        names: tuple[Sequence[str] | None, Sequence[str] | None],
        options: dict[str, Any],
    ) -> pd.DataFrame:
        """
        See `Client.search`: the records of several series, one after the other, in one DataFrame.

        Keywords and segments (`names`) and prime keys that one of the series has are asked of those that have them.
        """
        import pandas as pd

        if not series:
            raise ArgumentError("search: no series is named")
        primes: dict[str, set[str]] = {}
        words: dict[str, set[str]] = {}
        for info in map(self.info, series):
            primes[info.name] = {str(key).lower() for key in info.primekeys or ()}
            words[info.name] = {str(one).lower() for one in (*info.keywords.index, *info.segments.index)}
        frames = []
        for name in words:
            own = {key: {"wavelength": "wavelnth"}.get(key, key) for key in sets}
            mine = {key: value for key, value in sets.items() if _is_of(own[key], name, primes)}
            keywords, segments = ([one for one in asked or () if _is_of(one, name, words)] or None for asked in names)
            start = mine.get("start")
            several = start if isinstance(start, list) and mine.get("end") is None else [None]
            for first in range(0, len(several) or 1, RANGES):
                if first:
                    self.jsoc.pace()
                part = {**mine, "start": several[first : first + RANGES]} if several is start else mine
                record_set = self.fitted(RecordSet(name, segments=segments, **part))
                frames.append(self.query(record_set, keywords=keywords, **options))
        if len(frames) == 1:
            return frames[0]
        joined = pd.concat([one for one in frames if len(one)] or frames[:1])
        return joined[~joined.index.duplicated()]

    def stream(
        self, question: Question, size: int, *, progress: bool | None = None, most: int | None = None
    ) -> Iterator[pd.DataFrame]:
        """See `Client.stream`."""
        options: dict[str, Any] = {"pace": self.jsoc.pace, "progress": progress, "most": most}
        found = 0
        for df in in_order(self.fetch_all, self.size, question, size, **options):
            found += len(df)
            yield self._signed(df, question)
        if not found:
            self.tell_lack(question.record_set)

    def pieces(self, question: Question, size: int) -> Iterator[pd.DataFrame]:
        """
        Yield all records, about `size` at a time, with no list of all of them: for sets of any length.

        Raises
        ------
        QueryError
            In the end, if these are not as many as were counted in the beginning.
        """
        for element in question.record_set.with_segments(None):
            total, got = self.size(element), 0
            for frame in self._pieces(question, functools.partial(self._fetch, question), most=size)(element, total):
                got += len(frame)
                yield self._signed(frame, question)
            if got != total:
                raise changed(element, total, got)

    def question(
        self,
        record_set: str | RecordSet,
        keywords: str | Sequence[str] | None,
        segments: str | Sequence[str] | None,
        links: str | Sequence[str] | None,
        times: Literal["utc", "tai"] | None,
    ) -> Question:
        """Return what is asked, all names checked."""
        rs, times = one_series(record_set), choice("times", times, (None, "utc", "tai"))
        asked, linked = as_list(keywords), as_list(links) or []
        named = list(rs.segments or ()) if segments is None else as_list(segments) or []
        # all that there are now, not all that there were
        self.info(rs.series, anew="**ALL**" in (*(asked or ()), *named, *linked))
        self.checked(rs.series, lambda info: refuse(rs.elements, info))

        def checked(info: SeriesInfo) -> Question:
            known = list(keywords_of(info))
            if asked is None:
                keys = self.default_keywords(info)
            else:  # the column recnum is there in any case
                keys = [name for name in asked if name.lower() != "recnum" or name in known]
                keys = check_names(expand_sets(keys, known, str(info.name)), known, "keyword", info.name)
            segs, links = self._names(named, info, "segment"), self._names(linked, info, "link")
            return Question(rs, info, keys, segs, links, times)

        question = self.checked(rs.series, checked)
        warn_of_problems(rs, question.info)
        return question

    def _fetch(
        self,
        question: Question,
        part: RecordSet,
        *,
        limit: int | None = None,
        patient: bool = True,
        again: bool = True,
    ) -> pd.DataFrame:
        """Fetch the records of `part` in one answer."""
        names = question.keywords, question.segments, question.links
        reply = self._rs_list(part, *names, limit, patient=patient, again=again)
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

    def fetch_all(
        self, question: Question, part: RecordSet, limit: int | None = None, most: int | None = None
    ) -> pd.DataFrame:
        """
        Fetch all records of `part`, a set without segments: in one answer if that works, else in pieces.

        With a `limit` only so many records of each element: the first ones, the last ones where it is negative. Without
        one, `TooMany` for more than `most`.
        """
        import pandas as pd

        elements, refused, allowed = list(part), None, most if limit is None else None
        if limit and limit < 0 and len(elements) > 1:  # this would end the server's program
            return pd.concat([self.fetch_all(question, element, limit) for element in elements])
        most = abs(limit) if limit else sys.maxsize
        # the last ones of a first or last value come backwards where a series has a table of its newest records
        whole = bool(limit and limit < 0 and _ENDS.search(str(part)))
        try:
            df = self._fetch(question, part, limit=None if whole else limit, patient=False)
            # an answer that is cut off at the record limit looks like any other
            expected = sys.maxsize if whole else most
            if len(df) < SUSPICIOUS or len(df) == sum(min(self.size(element), expected) for element in elements):
                return df.iloc[limit:] if whole else df
        except (QueryError, ServerError) as error:
            refused = error
        try:
            sizes = [self._told(element) for element in elements]
        except QueryError as error:  # not even counted: it is the set that is refused, whatever its size
            raise refused or error from None
        known = [min(size, most) for size in sizes if size is not None]
        total = sum(known) if len(known) == len(elements) else None
        if isinstance(refused, ServerError) and total is not None and total < SMALLEST:
            return self._fetch(question, part, limit=limit)
        if allowed is not None and sum(known) > allowed:
            raise question.too_many(part, sum(known))

        got = 0

        def update(more: int) -> None:
            nonlocal got
            got += more
            bar.update(more)
            if allowed is not None and got > allowed:
                raise question.too_many(part, got)

        with records(total) as bar:
            frames = [
                self._in_pieces(question, element, size, limit, refused if len(elements) == 1 else None, update)
                for element, size in zip(elements, sizes, strict=True)
            ]
        return pd.concat(frames)

    def _in_pieces(
        self,
        question: Question,
        element: RecordSet,
        size: int | None,
        limit: int | None,
        refused: QueryError | ServerError | None,
        update: Callable[[int], object],
    ) -> pd.DataFrame:
        """Fetch an element of `size` records (None: nobody can count them) in pieces, as many as `limit` says."""
        import pandas as pd

        # pieces that are not in order are put in order by prime key, whether these were asked for or not
        order = self.prime_keys(question.info.name)
        extra = [key for key in order if key not in question.keywords]
        wider = dataclasses.replace(question, keywords=[*question.keywords, *extra])
        wanted = min(count for count in (size, abs(limit or 0) or None, sys.maxsize) if count is not None)
        pieces = self._pieces(
            question,
            lambda piece: self._fetch(wider, piece, again=False),
            most=wanted,
            backwards=bool(limit and limit < 0),
            even=not limit,
            versions=True,
        )
        frames: list[pd.DataFrame] = []
        got = 0
        for frame in pieces(element, size, refused):
            frames.append(frame)
            got += len(frame)
            update(len(frame))
            if limit and got >= wanted and pieces.sorted:
                break
        df = pd.concat(frames[::-1] if limit and limit < 0 else frames)
        if pieces.versions:
            df = df.sort_values("recnum")
            df = df[~df.index.duplicated(keep="last")]
        if not pieces.sorted:
            df = df.sort_values(order or ["recnum"], kind="stable")
        if limit:
            df = df.iloc[-wanted:] if limit < 0 else df.iloc[:wanted]
        if (size is not None and len(df) != wanted) or df["recnum"].duplicated().any():
            raise changed(element, size, got)
        return df.drop(columns=extra)

    def _pieces(self, question: Question, ask: Callable[[RecordSet], T], **options: Any) -> Pieces[T]:
        def asked(piece: RecordSet) -> T:
            self.jsoc.pace()
            return ask(piece)

        def counted(piece: RecordSet) -> int | None:
            if ask == self._counted:  # which was refused a moment ago
                return None
            self.jsoc.pace()
            try:
                return self._counted(piece)
            except QueryError:
                return None

        return Pieces(question.info, asked, counted, lambda *piece: self._ends(question, *piece), **options)

    def _ends(self, question: Question, part: RecordSet, key: str) -> tuple[float, float] | None:
        """Return the first and the last value of a prime key, those of the whole series where the server refuses."""
        import pandas as pd

        if key == "recnum":
            return 1, float(question.info.interval["MaxRecnum"])
        listing = dataclasses.replace(question, keywords=[key], segments=[], links=[], times="tai")
        try:
            found = []
            for limit in (1, -1):
                self.jsoc.pace()
                found.append(self._fetch(listing, part, limit=limit))
            values = column_numbers(pd.concat(found)[key])
        except QueryError:
            info = question.info
            place, is_time = list(info.primekeys).index(key), str(info.keywords["type"][key]) == "time"
            names = [RecordName.parse(str(info.interval.get(end))).values for end in ("FirstRecord", "LastRecord")]
            texts = [values[place] for values in names if place < len(values)]
            values = tai_seconds(texts) if is_time else column_numbers(pd.to_numeric(pd.Series(texts), errors="coerce"))
        return (values[0].item(), values[-1].item()) if values is not None and len(values) > 1 else None

    def count(self, record_set: str | RecordSet) -> int:
        """Count the records of a record set without fetching them."""
        rs = one_series(record_set)
        self.checked(rs.series, lambda info: refuse(rs.elements, info))
        warn_of_problems(rs, self.info(rs.series))
        found = self.size(rs.with_segments(None))
        if not found:
            self.tell_lack(rs)
        return found

    def size(self, rs: RecordSet) -> int:
        """Count the records of a checked set without segments: at once if that works, else in pieces."""
        told = self._told(rs)
        if told is not None:
            return told
        question = Question(rs, self.info(rs.series), [], [], [])
        return sum(sum(self._pieces(question, self._counted)(element, None)) for element in rs)

    def _told(self, rs: RecordSet) -> int | None:
        """Count a set at once; None where the program around `jsoc_info` refuses that."""
        try:
            return self._counted(rs, again=True)
        except QueryError as error:
            if error.status in (0, 1):
                raise
            return None

    def _counted(self, rs: RecordSet, *, again: bool = False) -> int:
        reply = self.jsoc.rs_summary(str(rs), again=again)
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
        again: bool = True,
    ) -> bytearray:
        if limit == 0:
            raise ArgumentError("limit=0 asks for nothing; leave it out for all records")
        # a set that is too big ends the server program each time; one that is not gets its retries later
        retries = None if patient else 0
        names = ["*recnum*", *(key for key in keys if key != "*recnum*")]
        listed = str(rs.with_segments(None))
        reply = self.jsoc.rs_list(listed, names, segs, links, names=True, limit=limit, retries=retries, again=again)
        if len(reply.content) < 4000:  # errors are short; a big answer is not decoded here
            _raise(reply.data, rs)
        return reply.content


def _raise(reply: Mapping[str, Any], rs: RecordSet) -> None:
    if reply.get("status") == 0:
        return
    said = str(reply.get("error") or "no reason given").strip()
    # jsoc_info.c says "series not found" for filters that it cannot read, too; the series was looked up before
    hint = ""
    if "series not found" in said:
        hint = " The series exists, so it is a filter that the server cannot read, or it gives no answer of this size."
    text = f"the server refused {rs}: {clean(said.splitlines()[0]).rstrip('.')}.{hint}"
    raise QueryError(text, record_set=str(rs), status=reply.get("status"))


def _is_of(word: str, name: str, known: dict[str, set[str]]) -> bool:
    """Whether a series is to be asked for a word: it knows it, or none does, which is an error to be told."""
    return word.lower() in known[name] or not any(word.lower() in words for words in known.values())
