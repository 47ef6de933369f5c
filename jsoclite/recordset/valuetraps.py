"""
The silent traps inside one key filter: values, ranges, cadences.

Each finding says what the server would do and how to write it instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import RecordSetError
from ..times.grammar import read_time_string
from ..times.server import read_time
from .guess import time_like
from .language import (
    Duration,
    FatalSetError,
    First,
    KeyFilter,
    Kind,
    Last,
    Mark,
    Range,
    RawFilter,
    Single,
    Span,
    filter_name,
    read_marked,
)

_LEAPS = 37.0  # seconds between UTC and TAI today
_CLOCK_AND_YEAR = re.compile(r".*[0-9]{4}-.*[T_ ][0-9]{1,2}(?::[0-9.:]+)?-[0-9]{4}")
_ISO_IN_LIST = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T_ ][0-9:.]*(?:Z|_[A-Z]+)?)?)?\s*,")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True, slots=True)
class Key:
    """What the definition of a series says about a prime key."""

    name: str
    kind: Kind
    bits: int
    slotted: bool
    generic_slots: bool
    step: float | None  # seconds, of slotted times


def filter_problems(raw: RawFilter, key: Key | None) -> Iterator[str]:
    """What would go wrong in a key filter; `key` is None where the definition of the series is not at hand."""
    text = f"[{raw.text}]"
    name = filter_name(raw)
    body = raw.text.partition("=")[2] if name else raw.text
    if "{" in raw.text:
        yield (
            f"{text}: the server cuts a record set at its first brace, also inside quotes; select by a condition such "
            "as [? KEY like 'part_' ?]"
        )
        return
    if not body.strip(" "):
        yield (
            f"{text}: a blank is a value: times match nothing and numbers kill the server program; write [] for all "
            "values"
        )
        return
    kind = key.kind if key else Kind.TIME if time_like(body) or re.match(r"\s*[$^]\s*,", body) else None
    if kind is None:
        if re.search("%[A-Za-z]", body):
            yield _percent(text)
        return
    slotted = key.slotted if key else True
    try:
        found, marks = read_marked(
            raw, kind, slotted, bits=key.bits if key else 0, generic_slots=bool(key and key.generic_slots)
        )
    except FatalSetError as error:
        yield f"{text}: {reason_of(error)}"
        return
    except RecordSetError as error:
        yield f"{text}: {reason_of(error)}; the server answers 'series not found'"
        return
    if len(found.items) > 1 and isinstance(found.items[0], First | Last) and slotted:
        sign = "^" if isinstance(found.items[0], First) else "$"
        yield f"{text}: behind a leading {sign} the server compares the other items as raw numbers; put {sign} last"
    if kind is Kind.TIME:
        yield from _times(text, body, found, marks, key)
    elif kind is Kind.STRING:
        if re.search("%[A-Za-z]", body):
            yield _percent(text)
        values = [item.value for item in found.items if isinstance(item, Single)]
        if any(isinstance(value, str) and "'" in value.replace("''", "") for value in values):
            yield (
                f"{text}: an apostrophe ends the text in the database, with a syntax error; write it twice, [\"it''s\"]"
            )
    else:
        yield from _numbers(text, found)


def reason_of(error: RecordSetError) -> str:
    """What an error says, without the text that it points into."""
    return str(error).partition("\n")[0]


def _percent(text: str) -> str:
    return (
        f"{text}: the server formats the condition once more, so that a % before a letter is lost; use like 'part_' in "
        "[? … ?]"
    )


def _numbers(text: str, found: KeyFilter) -> Iterator[str]:
    for item in found.items:
        if isinstance(item, Single) and item.value != item.value:
            yield f"{text}: the database takes nan for a column, which does not exist; write [? KEY = 'NaN' ?]"
        yield from _reversed(text, item)
        if isinstance(item, Span) and isinstance(item.length, int | float) and item.length <= 0:
            yield f"{text}: a length of {item.length} selects nothing"
        if isinstance(item, Range | Span) and item.step == 0:
            yield f"{text}: a step of 0 ends in 'division by zero'; leave it out"


def _reversed(text: str, item: object) -> Iterator[str]:
    if not (isinstance(item, Range) and isinstance(item.start, int | float) and isinstance(item.end, int | float)):
        return
    if item.end < item.start:
        yield f"{text}: the range is reversed, and the server answers with no records; swap its ends"


def _times(text: str, body: str, found: KeyFilter, marks: tuple[Mark, ...], key: Key | None) -> Iterator[str]:
    if _ISO_IN_LIST.search(_QUOTED.sub("", body)):
        yield (
            f"{text}: before a comma the server breaks an ISO date at its first dash and reads the year alone; write "
            "times in lists as 2014.01.01_00:00:00_TAI"
        )
        return
    for mark in marks:
        if mark.role not in ("start", "end") or _offset(found, mark):
            continue
        if mark.role == "start" and _CLOCK_AND_YEAR.fullmatch(mark.text):
            yield (
                f"{text}: the server takes {mark.text[-5:]} for a time zone, and the range selects nothing; end the "
                "first time with Z, _TAI or _UTC, or write a duration behind a slash"
            )
            return
        try:
            read_time_string(mark.text.strip(" "), "utc")
        except RecordSetError as error:
            yield f"{text}: {reason_of(error)}"
            continue
        if key and key.step is not None and key.step <= 2 * _LEAPS and not _has_zone(mark.text):
            yield (
                f"{text}: {mark.text.strip()} has no zone; the server takes it for UTC, up to {_LEAPS:.0f} s away from "
                f"the same clock time in TAI and so in another of the {key.step:g}-second slots of {key.name}; write "
                "_TAI or Z behind it"
            )
    for item in found.items:
        yield from _reversed(text, item)
        if isinstance(item, Span) and isinstance(item.length, Duration) and item.length.amount <= 0:
            yield f"{text}: a duration of 0 or less selects one slot, or nothing; write a longer one"
        if isinstance(item, Range | Span) and isinstance(item.step, Duration):
            yield from _cadence(text, item.step, key)


def _offset(found: KeyFilter, mark: Mark) -> bool:
    """Whether this is no time but an offset from the epoch, as in 1000d."""
    item = found.items[mark.item]
    start = item.value if isinstance(item, Single) else item.start if isinstance(item, Range | Span) else None
    return isinstance(start, Duration) and mark.role == "start"


def _has_zone(text: str) -> bool:
    reading = read_time(text.strip(" "))
    return reading.zone is not None or reading.date is None


def _cadence(text: str, cadence: Duration, key: Key | None) -> Iterator[str]:
    if cadence.amount <= 0:
        yield f"{text}: a cadence of 0 or less ends in 'division by zero' or is without meaning; leave it out"
        return
    if key is None:
        return
    if not key.slotted:
        yield (
            f"{text}: {key.name} has no slots, and the server's test for a cadence is too coarse for times without; "
            "thin out the records after the query"
        )
        return
    if key.step is None:
        return
    slots = cadence.seconds(key.step) / key.step
    if slots < 0.5:
        yield (
            f"{text}: a cadence under half of the step of {key.step:g} s is rounded to 0, and the query ends in "
            "'division by zero'; leave it out to get every record"
        )
    elif abs(slots - round(slots)) > 1e-9:
        rounded = int(slots + 0.5) * key.step
        yield (
            f"{text}: the cadence is no multiple of the step of {key.step:g} s and becomes {rounded:g} s, so that it "
            f"drifts against the clock; write {rounded:g}s or another multiple"
        )
