"""
The syntax tree of the DRMS record-set language: what `scan` and `filters` read record sets into.

Nodes are immutable and hashable. Values are typed by the key that they belong to: int, float, str, TAI seconds since
1977 (float), `Duration` (an offset from the epoch of a slotted key) or `MISSING`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ..errors import RecordSetError
from ..series import Kind as Kind  # for those who read filters

V = TypeVar("V")


class FatalSetError(RecordSetError):
    """A record set that kills the server program: its client would see an empty HTTP 500."""


class OutOfRangeError(RecordSetError):
    """
    An integer that its key cannot hold.

    Where a value begins with it (`headless`) the server program prints ``ERROR`` where the header of its answer should
    be, and a web server passes on an HTTP 500.
    """

    headless = False


class Missing(enum.Enum):
    """The value `DRMS_MISSING_VALUE`: '' of strings, the type's minimum of integers, NaN of reals."""

    MISSING = "DRMS_MISSING_VALUE"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Duration:
    """
    A number with a unit letter: a duration, a cadence or, as a value of a slotted key, an offset from the key's epoch.

    Attributes
    ----------
    amount : float
        How many.
    unit : str
        One of s, m, h, d (seconds, minutes, hours, days) or u (steps of the key's own slots).
    """

    amount: float
    unit: str

    def seconds(self, step: float | None = None) -> float:
        """Length in seconds; `step` is the key's slot width in seconds, which the unit u needs."""
        if self.unit == "u":
            if step is None:
                raise RecordSetError(f"{self.amount:g}u counts slots, and this key has none: write s, m, h or d")
            return self.amount * step
        return self.amount * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[self.unit]


#: A value, typed by its key; times are float seconds.
Value: TypeAlias = int | float | str | Duration | Missing


@dataclass(frozen=True, slots=True)
class First:
    """``^``: the first value of the key."""


@dataclass(frozen=True, slots=True)
class Last:
    """``$``: the last value of the key."""


@dataclass(frozen=True, slots=True)
class Single(Generic[V]):
    """``value``."""

    value: V


@dataclass(frozen=True, slots=True)
class Range(Generic[V]):
    """``start-end`` or ``start-end@step``, both ends included."""

    start: V
    end: V
    step: Value | None = None


@dataclass(frozen=True, slots=True)
class Span(Generic[V]):
    """``start/length`` or ``start/length@step``: half open for keys without slots."""

    start: V
    length: Value
    step: Value | None = None


@dataclass(frozen=True, slots=True)
class SlotFirst:
    """``#^``."""


@dataclass(frozen=True, slots=True)
class SlotLast:
    """``#$``."""


@dataclass(frozen=True, slots=True)
class Slot:
    """``#number``."""

    number: int


@dataclass(frozen=True, slots=True)
class SlotRange:
    """``#start-#end@step``, both ends included, None where an end is left open."""

    start: int | None
    end: int | None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class SlotSpan:
    """``#start/count@step``: `count` numbers beginning at `start`."""

    start: int
    count: int
    step: int | None = None


SlotItem: TypeAlias = SlotFirst | SlotLast | Slot | SlotRange | SlotSpan
ValueItem: TypeAlias = First | Last | Single[Value] | Range[Value] | Span[Value]


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """
    ``[items]`` or ``[name=items]``; no items (``[]``) constrains nothing but takes a position.

    The items are either all `ValueItem` or all `SlotItem`: the server does not mix them.
    """

    name: str | None
    items: tuple[ValueItem, ...] | tuple[SlotItem, ...]


@dataclass(frozen=True, slots=True)
class RecnumFilter:
    """``[:#1,#5-#9@2]``: these record versions, superseded or not."""

    items: tuple[SlotItem, ...]


@dataclass(frozen=True, slots=True)
class SqlFilter:
    """
    ``[? sql ?]``, or ``[! sql !]`` where all versions of the element's records are wanted.

    `sql` is what the server pastes into its WHERE clause: double quotes made single, ``$(time)`` made a number.
    """

    sql: str
    all_versions: bool


class FilterKind(enum.Enum):
    """What the outer scanner takes a bracket for."""

    EMPTY = "[]"
    KEY = "[key]"
    RECNUM = "[:]"
    SQL = "[? ?]"
    SQL_ALL = "[! !]"


@dataclass(frozen=True, slots=True)
class RawFilter:
    """
    What stands between two brackets, unread.

    Attributes
    ----------
    kind : FilterKind
        What it is, as the outer scanner sees it.
    text : str
        The characters between the brackets as written (``?…?``, ``!…!`` and ``:`` included).
    start : int
        Index of `text` in the whole record set.
    source : str
        What the server's inner parser sees from here on: `text` with ``$(time)`` replaced, the closing bracket, the
        filters that follow, all of it cut off at the element's first ``{``.
    """

    kind: FilterKind
    text: str
    start: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", f"{self.text}]")


class ElementKind(enum.Enum):
    """Sort of an element."""

    DRMS = "drms"
    AT_FILE = "@file"
    PLAIN_FILE = "/file"
    FOREIGN = "{foreign}"


@dataclass(frozen=True, slots=True)
class Element:
    """
    One element of a comma-joined record set.

    Attributes
    ----------
    series : str
        Series name as the server takes it (in any case). A bare name before a comma or a comment has lost its last
        letter there (`cut`).
    filters : tuple of RawFilter
        In the order written.
    segments : tuple of str or None
        Names between the braces, None where there are no braces.
    kind : ElementKind
        Everything but DRMS selects nothing over HTTP; `series` then is the text.
    start, end : int
        Slice of the whole text, without separator and comment.
    cut : bool
        Whether the server has dropped the last letter of the series name.
    """

    series: str
    filters: tuple[RawFilter, ...] = ()
    segments: tuple[str, ...] | None = None
    kind: ElementKind = ElementKind.DRMS
    start: int = 0
    end: int = 0
    cut: bool = False
