"""
What a series is: prime keys, keywords, segments and links, read from the rows of the server's own catalogue tables.

The form is that of ``SERIES.definition.json``: an object with the rows of ``drms_series`` (one), ``drms_keyword``,
``drms_segment`` and ``drms_link``.  Codes and flags are those of ``drms_types.h`` and
``drms_keyword_priv.h``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...errors import RecordSetError
from ...times import words

_UNIT_SECONDS: Final = {"tenthsecs": 0.1, "secs": 1.0, "mins": 60.0, "days": 86400.0}


def file(name: str) -> str:
    """The text of one of the files of ``data/``."""
    return resources.files("jsoclite.sandbox").joinpath(f"data/{name}").read_text(encoding="utf-8")


@cache
def data(name: str) -> dict[str, Any]:
    """What one of the JSON files of ``data/`` holds."""
    loaded: dict[str, Any] = json.loads(file(f"{name}.json"))
    return loaded


class SeriesDefinition:
    """
    One series.

    Parameters
    ----------
    series : mapping
        Its row of ``drms_series``.
    keywords : iterable of Keyword
        In order; one that is per segment stands for one a segment.
    segments, links : iterable of Segment, of Link
        In any order.

    Attributes
    ----------
    name, description : str
    retention, unitsize, archive, tapegroup : int
        As in ``drms_series``.
    keywords : dict of str to Keyword
        By lower-case name, in the order of the definition.
    segments : dict of str to Segment
        By lower-case name, in order of their numbers.
    links : dict of str to Link
        By lower-case name.
    prime : tuple of Keyword
        Prime keys as the database has them (``T_REC_index`` of a slotted key), in order.
    dbindex : tuple of str
        Names of indexed keys, as users know them.

    Raises
    ------
    RecordSetError
        If the rows contradict each other, e.g. a prime key that is no keyword.
    """

    def __init__(
        self,
        series: Mapping[str, Any],
        keywords: Iterable[Keyword],
        segments: Iterable[Segment],
        links: Iterable[Link] = (),
    ) -> None:
        self.name: str = series["seriesname"]
        self.description: str = series["description"] or ""
        self.retention, self.unitsize = int(series["retention"]), int(series["unitsize"])
        self.archive, self.tapegroup = int(series["archive"]), int(series["tapegroup"])
        self.segments = {one.name.lower(): one for one in sorted(segments, key=lambda one: one.number)}
        numbers = [one.number for one in self.segments.values()]
        self.keywords = {key.column: key for one in keywords for key in one.of_segments(numbers)}
        self.links = {link.name.lower(): link for link in links}
        self.prime = tuple(self._key(name, "prime key") for name in _names(series["primary_idx"]))
        self.dbindex = tuple(self.external(self._key(name, "index")).name for name in _names(series["dbidx"]))

    @classmethod
    def load(cls, path: Path) -> SeriesDefinition:
        """Read a ``SERIES.definition.json``."""
        return cls.of_rows(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of_rows(cls, rows: Mapping[str, Any]) -> SeriesDefinition:
        """Make it of rows by the name of their table (``drms_series``, ``drms_keyword``, …)."""
        (series,) = rows["drms_series"]
        keywords = map(_keyword, sorted(rows["drms_keyword"], key=lambda row: int(row["persegment"]) >> 16))
        links = [
            Link(row["linkname"], row["target_seriesname"], row["type"] == "static", row["description"] or "")
            for row in rows.get("drms_link", ())
        ]
        return cls(series, keywords, map(_segment, rows.get("drms_segment", ())), links)

    def __repr__(self) -> str:
        return f"<SeriesDefinition {self.name}>"

    def _key(self, name: str, role: str) -> Keyword:
        try:
            return self.keywords[name.lower()]
        except KeyError:
            raise RecordSetError(
                f"series {self.name}: {role} {name!r} is not among its keywords; add it to drms_keyword"
            ) from None

    def external(self, key: Keyword) -> Keyword:
        """The key that users name: ``T_REC`` for ``T_REC_index``, any other key itself."""
        if key.scope == 100 and key.column.endswith("_index"):
            return self.keywords.get(key.column.removesuffix("_index"), key)
        return key

    @cached_property
    def primekeys(self) -> tuple[Keyword, ...]:
        """Prime keys as users name them, in order."""
        return tuple(self.external(key) for key in self.prime)

    @cached_property
    def slotting(self) -> dict[str, Slotting]:
        """Slotting of each slotted key, by its lower-case name (``t_rec``, not ``t_rec_index``)."""
        return {key.column: self._slotting(key) for key in self.keywords.values() if key.slotted}

    def _constant(self, name: str) -> str | None:
        key = self.keywords.get(name.lower())
        return key.default if key else None

    def _slotting(self, key: Keyword) -> Slotting:
        def number(suffix: str) -> float | None:
            """Value in units of the key: ``12``, or ``12s`` with its own unit."""
            text = self._constant(key.name + suffix)
            if text is None:
                return None
            found = re.match(r"\s*([-+.\deE]+?)\s*([smhd]?)(?:ecs?|ays?|ins?)?\s*$", text)
            if not found:
                raise RecordSetError(f"series {self.name}: {key.name}{suffix} is {text!r}, which is no number")
            if found[2]:
                return float(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[found[2]]
            return float(found[1]) * _UNIT_SECONDS.get((self._constant(key.name + "_unit") or "").lower(), 1.0)

        step = number("_step") or 1.0
        if key.type == "time":
            epoch = words.scan_time(self._constant(key.name + "_epoch") or "1977.01.01_00:00:00_TAI")
        else:
            epoch = float(self._constant(key.name + "_base") or 0)
        shift = (number("_round") or 0.0) / 2 if key.recscope == "ts_slot" else step / 2
        return Slotting(epoch, step, shift)

    def find(self, name: str) -> Keyword | None:
        """Keyword `name` in any case, or the one whose FITS name it is; None without one."""
        return self.keywords.get(name.lower()) or self.aliases.get(name.lower())

    @cached_property
    def aliases(self) -> dict[str, Keyword]:
        """Keywords by lower-case FITS name, where the description gives one that is no keyword itself."""
        named = ((key.fits_name, key) for key in self.keywords.values())
        return {name.lower(): key for name, key in named if name and name.lower() not in self.keywords}


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _segment(row: Mapping[str, Any]) -> Segment:
    axes = tuple(int(axis) for axis in _names(str(row["axis"] or "")))[: int(row["naxis"])]
    plain = (row["protocol"], row["description"] or "")
    link = (row["linkname"], row["targetseg"]) if row["islink"] else ()
    name, number = row["segmentname"], int(row["segnum"])
    return Segment(name, number, row["scope"], row["type"], axes, row["unit"] or "", *plain, *link)


def _keyword(row: Mapping[str, Any]) -> Keyword:
    default = "" if row["defaultval"] is None else str(row["defaultval"])
    form, unit, note = (row[name] or "" for name in ("format", "unit", "description"))
    link, target, scope = (row["linkname"], row["targetkeyw"], 0) if row["islink"] else ("", "", row["isconstant"])
    flags = int(row["persegment"]) & 0xFFFF
    return Keyword(row["keywordname"], row["type"], default, form, unit, note, link, target, int(scope), flags)


#: Missing value of every DRMS integer type (``drms_types.h``).
MISSING_INT: Final[Mapping[str, int]] = {"char": -128, "short": -(2**15), "int": -(2**31), "longlong": -(2**63)}
#: Missing time: JD 0, in TAI seconds since 1977.01.01_00:00:00_TAI.
JD0: Final = words.JD_ZERO
#: Number types with a fraction.
REALS: Final = frozenset({"float", "double"})

_RECSCOPE: Final = {int(code): words for code, words in data("server")["record scopes"].items()}
PER_SEGMENT, _IMPLICIT = 1, 2
# "[DATE-OBS] …" or "[QUX:string] …": the name (and cast) under which the keyword is exported (fitsexport.c)
_ALIAS = re.compile(r"\[\s*([A-Za-z][A-Za-z0-9_-]*)\s*(?::\s*(\w+)\s*)?\]")


class Keyword(NamedTuple):
    """
    One keyword of a series.

    Attributes
    ----------
    name : str
        As the server spells it; a per-segment keyword has its segment's number behind it (``KEY_000``).
    type : str
        ``char short int longlong float double time string``; of a linked keyword the type says nothing.
    default : str
        Default value, or the value of a constant, as stored (times in UTC).
    format : str
        printf format; for times the number of decimals of the seconds.
    unit : str
        Unit; for times the zone they are printed in.
    description : str
        Note; ``[X]`` at its start is the name in FITS files.
    link, target : str
        Link and keyword of the linked series, both empty for the series' own keywords.
    scope : int
        Code of the record scope (0 variable, 1 constant, 100 index, 1000 and more slotted).
    flags : int
        1 per segment, 2 implicit, 4 prime key inside, 8 prime key outside.
    segment : int
        Number of the segment, -1 where the keyword is not per segment.
    """

    name: str
    type: str
    default: str
    format: str
    unit: str
    description: str
    link: str = ""
    target: str = ""
    scope: int = 0
    flags: int = 0
    segment: int = -1

    def of_segments(self, numbers: Iterable[int]) -> list[Keyword]:
        """Itself, or one for each segment where it is per segment."""
        if not self.per_segment:
            return [self]
        return [self._replace(name=f"{self.name}_{number:03d}", segment=number) for number in numbers]

    @property
    def base(self) -> str:
        """Name without the segment's number."""
        return self.name if self.segment < 0 else self.name.rpartition("_")[0]

    @property
    def column(self) -> str:
        """Name of the database column: the keyword's name in lower case."""
        return self.name.lower()

    @property
    def stored(self) -> bool:
        """Whether there is a column: constants and linked keywords have none."""
        return not self.link and self.scope != 1

    @property
    def constant(self) -> bool:
        """Whether all records share the default value."""
        return self.scope == 1 and not self.link

    @property
    def slotted(self) -> bool:
        """Whether values are quantised to slots."""
        return self.scope >= 1000

    @property
    def implicit(self) -> bool:
        """Whether the server made this keyword up itself (compression, scaling and index keywords)."""
        return bool(self.flags & _IMPLICIT)

    @property
    def per_segment(self) -> bool:
        """Whether each segment has its own value."""
        return bool(self.flags & PER_SEGMENT)

    @property
    def recscope(self) -> str:
        """Record scope in words, as ``series_struct`` has it."""
        return "segment" if self.per_segment else _RECSCOPE.get(self.scope, "variable")

    @property
    def fits_name(self) -> str | None:
        """Name in square brackets at the start of the description, None without one."""
        found = _ALIAS.match(self.description)
        return found[1] if found else None

    @property
    def missing(self) -> int | float | str:
        """The value that stands for nothing: type minimum, NaN, JD 0 or an empty string."""
        if self.type in MISSING_INT:
            return MISSING_INT[self.type]
        return math.nan if self.type in REALS else JD0 if self.type == "time" else ""


class Segment(NamedTuple):
    """One segment (file) of a series; `axes` is empty or zeros where the size differs from record to record."""

    name: str
    number: int
    scope: str
    type: str
    axes: tuple[int, ...]
    unit: str
    protocol: str
    description: str
    link: str = ""
    target: str = ""


class Link(NamedTuple):
    """One link: each record points to a record of `target`, by record number (static) or by prime keys (dynamic)."""

    name: str
    target: str
    static: bool
    description: str


class Slotting(NamedTuple):
    """
    How a slotted key becomes a slot number (``drms_keyword_priv.h``, ``CalcSlot``).

    Attributes
    ----------
    epoch : float
        Start of slot 0: TAI seconds since 1977 for times, the key's own unit otherwise.
    step : float
        Length of a slot, seconds for times.
    shift : float
        Added before the floor: half a step for ``ts_eq``, ``slot`` and ``carr``; half of ``KEY_round`` for ``ts_slot``.
    """

    epoch: float
    step: float
    shift: float

    def slot(self, value: float) -> int:
        """Slot of `value`: the nearest one, halves upwards (with a shift of half a step)."""
        return math.floor((value - self.epoch + self.shift) / self.step)

    def slots(self, duration: float) -> int:
        """Slots in `duration`, fraction dropped, at least one."""
        return max(1, int(duration / self.step))
