"""
What the definition of a series says, read once: its keywords' types, its slots, its names, its records' names.

`SeriesInfo` shows a definition; `KEYWORD_TYPES` says what the types of its keywords hold, `Slots` how a prime key is
cut into slots, `RecordName` what stands in the name of a record. The `check_` and `find_` functions hold names against
a definition, with the nearest right one in the error.
"""

from __future__ import annotations

import datetime as dt
import difflib
import enum
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import display
from .errors import ArgumentError, QueryError, UnknownName, other_word, shown

if TYPE_CHECKING:
    import pandas as pd


# -- keyword types -------------------------------------------------------------------------------------------------


class Kind(enum.Enum):
    """What a keyword holds."""

    INTEGER = "integer"
    REAL = "real"
    TIME = "time"
    STRING = "string"


class KeywordType(NamedTuple):
    """What a type of DRMS holds, and in how many bits (0: of any length)."""

    kind: Kind
    bits: int


#: The types that a definition gives to keywords (drms_types.h); links and whatever else are strings.
KEYWORD_TYPES: Final[Mapping[str, KeywordType]] = {
    "char": KeywordType(Kind.INTEGER, 8),
    "short": KeywordType(Kind.INTEGER, 16),
    "int": KeywordType(Kind.INTEGER, 32),
    "longlong": KeywordType(Kind.INTEGER, 64),
    "float": KeywordType(Kind.REAL, 32),
    "double": KeywordType(Kind.REAL, 64),
    "time": KeywordType(Kind.TIME, 64),
    "string": KeywordType(Kind.STRING, 0),
}


def keyword_type(name: object) -> KeywordType:
    """Return what a type holds; a string where nothing is known of it."""
    return KEYWORD_TYPES.get(str(name), KEYWORD_TYPES["string"])


# -- names of records and files ------------------------------------------------------------------------------------

# a value, in which quotes keep brackets together if they are closed; what was read is not read again
_BRACKET = re.compile(r"""\[(?:(?:"[^"]*"|'[^']*'|[^\]"'])*+|[^\]]*+)\]""")


@dataclass(frozen=True, slots=True)
class RecordName:
    """
    The name of a record: ``hmi.M_720s[2014.01.01_00:00:00_TAI][3]``.

    Attributes
    ----------
    series : str
        Name of its series.
    values : tuple of str
        Values of the prime keys, in the order of the definition, as they stand between the brackets.

    Examples
    --------
    >>> from jsoclite.series import RecordName
    >>> name = RecordName.parse("hmi.M_720s[2014.01.01_00:00:00_TAI][3]")
    >>> name.series, name.values
    ('hmi.M_720s', ('2014.01.01_00:00:00_TAI', '3'))
    >>> str(name)
    'hmi.M_720s[2014.01.01_00:00:00_TAI][3]'
    """

    series: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> RecordName:
        """Take a name apart; text that is none gives a series without values."""
        values, at = [], text.find("[")
        while at >= 0 and (match := _BRACKET.match(text, at)):
            values.append(match[0][1:-1])
            at = text.find("[", match.end())
        return cls(text.partition("[")[0].strip(), tuple(values))

    def __str__(self) -> str:
        return self.series + "".join(f"[{value}]" for value in self.values)

    @property
    def bare(self) -> tuple[str, ...]:
        """The values without the quotes that strings may have."""
        return tuple(value.strip().strip("\"'") for value in self.values)


def series_of(record: str) -> str:
    """Return the series of a record name or record set."""
    return record.partition("[")[0].partition("{")[0].strip()


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file that is wanted: of which record, which segment, with which extension, and under which path, if any."""

    record: str
    recnum: int
    segment: str
    ending: str = ".fits"
    path: str = field(default="", compare=False)


# -- slots ---------------------------------------------------------------------------------------------------------

# drms_keyword.c: of times; "hours" is in its table of units and missing where they are read, so that no slot results
_SECONDS = {"tenthsecs": 0.1, "secs": 1.0, "mins": 60.0, "days": 86400.0}
# a step that brings its own unit, "12s" (drms_parser.c)
_LETTERS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_STEP = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([a-z]*)\s*")
_SHORT = {"tenthsecs": "x 0.1 s", "secs": "s", "mins": "min", "hours": "h", "days": "d"}
_SCOPES = frozenset(("ts_eq", "ts_slot", "slot", "carr", "enum"))


@dataclass(frozen=True, slots=True)
class Slots:
    """
    How the values of a prime key are cut into slots.

    The server reads the constant keywords ``KEY_step``, ``KEY_unit``, ``KEY_epoch`` (of times) and ``KEY_base`` (of
    other keys); see drms_keyword.c.

    Attributes
    ----------
    key : str
        Name of the prime key.
    place : int
        Its place among the prime keys, from 0.
    scope : str
        ``ts_eq`` (the nearest slot), ``ts_slot``, ``slot``, ``carr`` or ``enum``.
    step : float or None
        Width of a slot: seconds for times, the key's own unit otherwise. None where the definition does not give one
        that the server could read.
    epoch : str or None
        Where slot 0 lies, as the definition says it.
    words : str
        The step in a few words, empty where there is none.
    """

    key: str
    place: int
    scope: str
    step: float | None
    epoch: str | None
    words: str = ""

    @classmethod
    def of(cls, info: SeriesInfo, key: str) -> Slots | None:
        """Return the slots of a prime key, None if it has none."""
        prime = [str(one).lower() for one in info.primekeys or ()]
        name, own = keyword_of(info, key)
        if not own or key.lower() not in prime or str(own["recscope"]) not in _SCOPES:
            return None

        def constant(what: str) -> str | None:
            entry = keyword_of(info, f"{key}_{what}")[1]
            return str(entry["defval"]) if entry else None

        is_time = keyword_type(own["type"]).kind is Kind.TIME
        step, words = _width(constant("step") or "", constant("unit") or "", is_time)
        epoch = constant("epoch") if is_time else constant("base")
        return cls(name, prime.index(key.lower()), str(own["recscope"]), step, epoch, words)


def _width(step: str, unit: str, is_time: bool) -> tuple[float | None, str]:
    """Read the width of a slot: a number in `unit`, or one that brings its own letter."""
    match = _STEP.fullmatch(step)
    if not match:
        return None, ""
    number, letter = float(match[1]), match[2]
    words = f"{number:g} {letter or _SHORT.get(unit, unit)}".strip()
    factor: float | None = 1.0
    if is_time:
        factor = _LETTERS.get(letter) if letter else _SECONDS.get(unit.strip().lower())
    if factor is None or not number > 0:
        return None, words
    return number * factor, words


# -- a definition, shown -------------------------------------------------------------------------------------------


class SeriesInfo:
    """
    What a series is; it shows what is in it.

    Made by `Client.info`, whose answer is a `drms.SeriesInfo` too (see `jsoclite.server`).

    Attributes
    ----------
    name, note : str
        Name of the series and its description.
    primekeys : list of str
        The keys that tell its records apart.
    keywords, segments, links : pandas.DataFrame
        One row each, by name.
    age : datetime.timedelta
        How long ago the server described it: 0, or up to a day where that was kept from an earlier run.

    Examples
    --------
    >>> client.info("hmi.M_720s")
    <SeriesInfo hmi.M_720s: "magnetograms with a cadence of 720 seconds.", 92 keywords, 1 segment, 0 links>
    """

    name: str
    note: str
    primekeys: list[str]
    keywords: Any  # DataFrames, indexed by name
    segments: Any
    links: Any
    interval: Mapping[str, Any]
    age: dt.timedelta = dt.timedelta(0)

    def __repr__(self) -> str:
        counts = ", ".join(self._counts())
        note = f'"{display.shorten(self.note, 80)}", ' if self.note else ""
        return f"<SeriesInfo {display.clean(self.name or 'without a name')}: {note}{counts}>"

    def __str__(self) -> str:
        counts = ("number of", ", ".join(self._counts()))
        facts = display.text_table((), [[name, text] for name, text in (*self._facts(), counts)])
        lines = [display.clean(self.name or "a series"), display.wrapped(self.note or "", 96, "    "), facts]
        for what, frame in (("segment", self.segments), ("link", self.links)):
            if len(frame):
                rows = [[name, *cells] for name, *cells in _rows(frame, what)]
                lines += ["", display.text_table([what, *_COLUMNS[what]], [[str(one) for one in row] for row in rows])]
        return "\n".join([*(line for line in lines[:3] if line.strip()), *lines[3:]])

    def _repr_html_(self) -> str:
        def frame(what: str, rows: pd.DataFrame) -> display.Html:
            cells = [[display.mono(name, whole=True), *rest] for name, *rest in _rows(rows, what)]
            return display.table([what, *_COLUMNS[what]], cells)

        return display.block(
            display.join(display.Html("<b>Series</b> "), display.mono(self.name or "without a name")),
            self.note or "",
            display.table((), [(name, display.mono(text)) for name, text in self._facts()]),
            display.muted(", ".join(self._counts())),
            frame("segment", self.segments) if len(self.segments) else "",
            frame("link", self.links) if len(self.links) else "",
            display.details(self._counts()[0], frame("keyword", self.keywords)),
        )

    def _counts(self) -> list[str]:
        return [
            display.number_of(len(frame), noun)
            for noun, frame in (("keyword", self.keywords), ("segment", self.segments), ("link", self.links))
        ]

    def _facts(self) -> list[tuple[str, str]]:
        """Return what there is to say in a line each, without what the reply does not tell."""
        found = [Slots.of(self, key) for key in self.primekeys or ()]
        steps = [f"{one.key}: {one.words}" for one in found if one is not None]
        facts = [
            ("prime keys", ", ".join(self.primekeys or ())),
            ("step", ", ".join(steps)),
            ("first record", self.interval.get("FirstRecord")),
            ("last record", self.interval.get("LastRecord")),
            ("as of", f"{self.age.seconds // 60} minutes ago; Client(cache=False) asks anew" if self.age else ""),
        ]
        return [(name, display.shorten(text, 200)) for name, text in facts if text]


def keywords_of(info: SeriesInfo) -> dict[str, Mapping[str, Any]]:
    """Return what a definition says of each keyword, read once, without making its table, which takes longer."""
    if (reply := getattr(info, "reply", None)) is None:  # of drms itself
        return {str(name): entry for name, entry in info.keywords.to_dict("index").items()}
    if "_by_name" not in vars(info):
        fields = ("type", "recscope", "defval", "linkinfo")
        by_name = {entry["name"]: {field: entry.get(field) for field in fields} for entry in reply["keywords"]}
        vars(info)["_by_name"] = by_name
    found: dict[str, Mapping[str, Any]] = vars(info)["_by_name"]
    return found


def keyword_of(info: SeriesInfo, name: str) -> tuple[str, Mapping[str, Any]]:
    """Return a keyword as the series spells it, and what is said of it: nothing where there is none, in any case."""
    known = keywords_of(info)
    if name not in known:
        name = next((one for one in known if one.lower() == name.lower()), name)
    return name, known.get(name, {})


_COLUMNS = {
    "keyword": ("type", "units", "note"),
    "segment": ("type", "units", "protocol", "dims", "note"),
    "link": ("target", "kind", "note"),
}


def _rows(frame: pd.DataFrame, what: str) -> list[list[object]]:
    """Return the cells of a table, the name first; "none" and missing ones are empty."""
    table = frame[list(_COLUMNS[what])]
    return [
        [name, *("" if cell is None or cell != cell or cell == "none" else cell for cell in cells)]
        for name, *cells in table.itertuples(name=None)
    ]


# -- names held against a definition -------------------------------------------------------------------------------

# what jsoc_info understands besides the series' own keywords
PSEUDO = re.compile(r"\*\*(ALL|NONE)\*\*|\*(recnum|sunum|size|online|retain|archive|recdir|logdir|dirmtime|spec)\*")


def check_pattern(pattern: str | None) -> None:
    """
    Check that a pattern for series is a regular expression, because one that is none ends show_series without a reply.

    Raises
    ------
    QueryError
        If it is none.
    """
    if not isinstance(pattern, str | None):
        raise ArgumentError(rf"{shown(pattern)} is no pattern: give one regular expression, such as r'hmi\.M_'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python finds [[:alpha:]] strange, POSIX does not
            re.compile(pattern or "")
    except re.error as error:
        raise QueryError(
            f"{pattern!r} is no regular expression: {error}. It is found anywhere in the name, so that no stars are "
            r"needed around it; '.*' stands for anything, '\.' for a dot"
        ) from None


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what may have been meant, empty if nothing comes near."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(by_lower[one] for one in close)}?" if close else ""


def find_name(name: str, known: Iterable[str], what: str, series: str) -> str:
    """
    Return the name as the series spells it.

    Raises
    ------
    UnknownName
        If the series has none of that name, in any case.
    """
    known = list(known)
    if name in known:
        return name
    for one in known:
        if one.lower() == name.lower():
            return one
    hint = (other_word(name) if what == "prime key" else "") or nearest_names(name, known)
    hint = hint or (f" It has {', '.join(known)}." if 0 < len(known) <= 20 else "")
    raise UnknownName(f"{series} has no {what} {name!r}.{hint}", record_set=series)


def find_prime_key(name: str, info: SeriesInfo) -> str:
    """
    Return the prime key as the series spells it.

    Raises
    ------
    UnknownName
        If it has none of that name; for keywords of that name, the text says how to use them.
    """
    known = [key for key in info.primekeys or [] if key]
    if name.lower() not in (key.lower() for key in known):
        keyword = next((one for one in info.keywords.index if str(one).lower() == name.lower()), None)
        if keyword is not None:
            raise UnknownName(
                f"{keyword} is a keyword of {info.name}, and no prime key ({', '.join(known) or 'it has none'}); "
                f"write where={{{str(keyword)!r}: …}}",
                record_set=info.name,
            )
    return find_name(name, known, "prime key", str(info.name))


def check_names(names: Sequence[str], known: Iterable[str], what: str, series: str) -> list[str]:
    """
    Return `names` as the series spells them, once all of them are known to exist.

    Per-segment keywords (``NAME_000``) and pseudo-keywords (``*size*``) pass.
    """
    known = list(known)
    found = []
    for name in names:
        if what == "keyword" and (PSEUDO.fullmatch(name) or re.sub(r"_\d{3}$", "", name) in known):
            found.append(name)
        elif what == "keyword" and name.upper() in ("*", "**ALL**"):
            found.append("**ALL**")
        else:
            found.append(find_name(name, known, what, series))
    return list(dict.fromkeys(found)) if what == "keyword" else found


def prime_time_key(info: SeriesInfo) -> str | None:
    """Return the first prime key that is a time, None if there is none."""
    known = keywords_of(info)
    return next((str(key) for key in info.primekeys or [] if key in known and known[key]["type"] == "time"), None)


def without_time(info: SeriesInfo) -> UnknownName:
    """Return the error for a time asked of a series that is not ordered by time; it names how else to select."""
    prime = [key for key in info.primekeys or [] if key]
    times = [
        str(key) for key, kind in info.keywords["type"].items() if kind == "time" and not str(key).startswith("DATE")
    ]
    best = next((key for key in ("T_OBS", "T_START", "MidTime") if key in times), times[0] if times else None)
    other = f"a keyword that is a time: where='{best} > $(2014.01.01_TAI)'" if best else "where=…"
    by_keys = f"by these, such as {prime[0]}=(first, last), or by " if prime else "by "
    return UnknownName(
        f"{info.name} has no time among its prime keys ({', '.join(prime) or 'it has none'}); select {by_keys}{other}",
        record_set=info.name,
    )


def as_list(names: str | Iterable[str] | None) -> list[str] | None:
    """Return names as a list; a string may hold several, comma-separated."""
    if names is None:
        return None
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    found = list(names) if isinstance(names, Iterable) and not isinstance(names, bytes | Mapping) else [None]
    if not all(isinstance(one, str) for one in found):
        raise ArgumentError(f"{shown(names)} holds no names: give some, as in 'A,B' or ['A', 'B']")
    return [str(one) for one in found]
