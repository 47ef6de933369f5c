"""
Keywords, segments, links and slots, as ``drms_types.h`` and ``drms_keyword_priv.h`` define them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...times.scale import JD_ZERO

#: Missing value of every DRMS integer type (``drms_types.h``).
MISSING_INT: Final[Mapping[str, int]] = {"char": -128, "short": -(2**15), "int": -(2**31), "longlong": -(2**63)}
#: Missing time: JD 0, in TAI seconds since 1977.01.01_00:00:00_TAI.
JD0: Final = JD_ZERO
#: Number types with a fraction.
REALS: Final = frozenset({"float", "double"})

_RECSCOPE: Final = {
    0: "variable",
    1: "constant",
    100: "index",
    1000: "ts_eq",
    1001: "slot",
    1002: "enum",
    1003: "carr",
    1004: "ts_slot",
}
PER_SEGMENT, _IMPLICIT = 1, 2
# "[DATE-OBS] …" or "[QUX:string] …": the name (and cast) under which the keyword is exported (fitsexport.c)
_ALIAS = re.compile(r"\[\s*([A-Za-z][A-Za-z0-9_-]*)\s*(?::\s*(\w+)\s*)?\]")


@dataclass(frozen=True, slots=True)
class Keyword:
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
    base : str
        Name without the segment's number.
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
    base: str = ""
    segment: int = -1

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
        if self.type in REALS:
            return math.nan
        return JD0 if self.type == "time" else ""


@dataclass(frozen=True, slots=True)
class Segment:
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


@dataclass(frozen=True, slots=True)
class Link:
    """One link: each record points to a record of `target`, by record number (static) or by prime keys (dynamic)."""

    name: str
    target: str
    static: bool
    description: str


@dataclass(frozen=True, slots=True)
class Slotting:
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
