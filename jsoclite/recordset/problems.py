"""
The silent traps of record sets: what the server answers with nothing, with other records, or not at all.

Each finding says what the server would do and how to write it instead. The first half looks at whole sets, the second
at what stands inside one key filter: values, ranges, cadences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import RecordSetError
from ..series import Kind, SeriesInfo, Slots, keyword_of, keyword_type, keywords_of
from ..times import DrmsTime, words
from .build import time_like
from .filters import Mark, filter_name, read_filter, read_marked
from .grammar import (
    Duration,
    Element,
    FatalSetError,
    FilterKind,
    First,
    KeyFilter,
    Last,
    OutOfRangeError,
    Range,
    RawFilter,
    Single,
    Span,
)
from .where import check_condition, way_out

#: Characters up to which a record set survives everything: a fits export adds 32 of its own to at most 4,095.
EXPORT_LIMIT: Final = 4000
#: Characters up to which a query fits a request line.
QUERY_LIMIT: Final = 7500

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
# a value of a key filter that is a small number
_SMALL = re.compile(r"\s*([0-9]{1,5})\s*(?:,|$)")
_MACRO = re.compile(r"\$\(([^)]*)\)")


def problems(elements: Sequence[Element], length: int, info: SeriesInfo | None = None) -> list[str]:
    """See `RecordSet.problems`; `length` is that of the whole set, in characters."""
    rows = None if info is None else keywords_of(info)
    keys = None if info is None else _keys(info)
    found: list[str] = []
    for element in elements:
        if info is not None and info.name and str(info.name).lower() != element.series.lower():
            found.extend(_element(element, None, None, None))
        else:
            found.extend(_element(element, keys, rows, info))
    found.extend(_whole(elements, length))
    return list(dict.fromkeys(found))


def numbers_of(elements: Sequence[Element], info: SeriesInfo) -> dict[str, list[int]]:
    """See `RecordSet.numbers`."""
    found: dict[str, list[int]] = {}
    for key, raw in _filters(elements, _keys(info)):
        if key.kind is Kind.INTEGER:
            items = read_filter(raw, key.kind, key.slotted, bits=key.bits, generic_slots=key.generic_slots).items
            values = [int(item.value) for item in items if isinstance(item, Single) and isinstance(item.value, int)]
            found.setdefault(key.name, []).extend(values)
    return {name: values for name, values in found.items() if values}


def span_of(elements: Sequence[Element], info: SeriesInfo) -> tuple[DrmsTime, DrmsTime] | None:
    """See `RecordSet.span`."""
    times = [(key, raw) for key, raw in _filters(elements, _keys(info)) if key.kind is Kind.TIME]
    items = [item for key, raw in times for item in read_filter(raw, key.kind, key.slotted).items]
    (item,) = items if len(items) == 1 else (None,)
    if isinstance(item, Range) and isinstance(item.start, float) and isinstance(item.end, float):
        return DrmsTime(item.start), DrmsTime(item.end)
    return None


def _filters(elements: Sequence[Element], keys: list[Key]) -> Iterator[tuple[Key, RawFilter]]:
    """Yield the filters on prime keys."""
    for element in elements:
        position = 0
        for raw in element.filters:
            if raw.kind in (FilterKind.KEY, FilterKind.EMPTY):
                name = filter_name(raw)
                key, _ = _find(keys, name, position)
                position += name is None
                if raw.kind is FilterKind.KEY and key is not None:
                    yield key, raw


def refuse(elements: Sequence[Element], info: SeriesInfo) -> None:
    """
    Refuse a set that would end the server program, as far as only the types of the prime keys can tell, or select all.

    Parameters
    ----------
    elements : sequence of Element
        Of a set that is about to be sent.
    info : SeriesInfo
        Definition of its series.

    Raises
    ------
    UnknownName
        For a keyword in a condition that the series does not have.
    RecordSetError
        For a condition that leaves its parentheses, as ``[? QUALITY=0) or (1=1 ?]`` does, and for what is no number in
        the place of one.
    FatalSetError
        For a value that ends the program instead of being refused: the client would see an empty HTTP 500.
    RecordSetError
        For an integer that its key cannot hold: the program prints an error where the header of its answer should be.
    """
    keys = _keys(info)
    for raw in (raw for element in elements for raw in element.filters):
        if raw.kind in (FilterKind.SQL, FilterKind.SQL_ALL):
            if reason := way_out(raw.text[1:-1]):
                raise RecordSetError(f"[{raw.text}] is not sent: {reason}")
            check_condition(raw.text[1:-1], info)
    for key, raw in _filters(elements, keys):
        try:
            read_filter(raw, key.kind, key.slotted, bits=key.bits, generic_slots=key.generic_slots)
        except FatalSetError:
            raise
        except OutOfRangeError as error:
            raise RecordSetError(f"{key.name}: {error}") from None
        except RecordSetError as error:
            if key.kind in (Kind.INTEGER, Kind.REAL):
                holds = f"{key.name} holds {'whole ' * (key.kind is Kind.INTEGER)}numbers"
                reason = _misplaced(raw, key, keys) or f"{holds}, and this cannot be read as one"
                raise RecordSetError(f"[{raw.text}]: {reason}") from error
            # else the server answers this one, with an error of its own


def _keys(info: SeriesInfo) -> list[Key]:
    keys = []
    for prime in info.primekeys or ():
        name, entry = keyword_of(info, str(prime))
        kind, bits = keyword_type(entry.get("type"))
        slots = Slots.of(info, name)
        step = slots.step if slots is not None and kind is Kind.TIME else None
        keys.append(Key(name, kind, bits, slots is not None, slots is not None and slots.scope == "slot", step))
    return keys


def _element(
    element: Element, keys: list[Key] | None, rows: Mapping[str, Mapping[str, Any]] | None, info: SeriesInfo | None
) -> Iterator[str]:
    named = [raw for raw in element.filters if filter_name(raw) is not None]
    positional = [
        raw for raw in element.filters if raw.kind in (FilterKind.KEY, FilterKind.EMPTY) and filter_name(raw) is None
    ]
    if named and positional:
        yield (
            f"{_shown(element)} mixes filters by name and by position: a named filter takes no position, so "
            f"[{positional[0].text}] is read as prime key number 1; name all of them, or none"
        )
    position = 0
    for raw in element.filters:
        if raw.kind in (FilterKind.SQL, FilterKind.SQL_ALL):
            yield from _sql(raw, rows)
        elif raw.kind in (FilterKind.KEY, FilterKind.EMPTY):
            key = None
            name = filter_name(raw)
            if keys is not None:
                key, reason = _find(keys, name, position)
                if reason and not (raw.kind is FilterKind.EMPTY and position >= len(keys)):
                    yield f"[{raw.text}]: {reason}"
                    position += name is None
                    continue
                if name is None and key is not None and (reason := _misplaced(raw, key, keys)):
                    yield f"[{raw.text}]: {reason}"
                    position += 1
                    continue
            position += name is None
            if raw.kind is FilterKind.KEY:
                yield from filter_problems(raw, key)
    if info is not None and element.segments:
        known = {str(name).lower() for name in info.segments.index}
        for segment in element.segments:
            if segment.lower() not in known and segment != "**ALL**":
                yield (
                    f"{{{segment}}}: {info.name} has no such segment; a query leaves it out in silence and an export "
                    f"fails. It has {', '.join(map(str, info.segments.index)) or 'none'}"
                )


def _shown(element: Element) -> str:
    text = element.series + "".join(f"[{raw.text}]" for raw in element.filters)
    return text if len(text) < 100 else f"{text[:97]}…"


def _find(keys: list[Key], name: str | None, position: int) -> tuple[Key | None, str]:
    listed = ", ".join(key.name for key in keys) or "none"
    if name is None:
        if position < len(keys):
            return keys[position], ""
        return None, f"there are only {len(keys)} prime keys ({listed}), and the server answers 'series not found'"
    for key in keys:
        if name.lower() == key.name.lower():
            return key, ""
        if key.slotted and name.lower() == f"{key.name.lower()}_index":
            return Key(name, Kind.INTEGER, 64, False, False, None), ""
    return None, (
        f"{name} is no prime key ({listed}), and the server answers 'series not found'; conditions on other keywords "
        "stand in [? … ?]"
    )


def _misplaced(raw: RawFilter, key: Key, keys: list[Key]) -> str:
    """Say that a value stands in the place of another prime key, as far as its look tells."""
    if raw.kind is not FilterKind.KEY:
        return ""
    order = f"the prime keys are {', '.join(one.name for one in keys)}, in this order, with [] for those left open"
    is_time = time_like(raw.text) and not re.fullmatch(r"[-+]?[0-9]*\.?[0-9]*", raw.text)
    if key.kind in (Kind.INTEGER, Kind.REAL) and is_time and any(one.kind is Kind.TIME for one in keys):
        return f"{key.name} is a number, and this is a time: {order}; the server answers 'series not found'"
    number = _SMALL.match(raw.text)
    if key.kind is Kind.TIME and number and len(keys) > 1 and not 1900 <= int(number[1]) <= 2100:
        return f"{key.name} is a time, and {number[1]} is read as a year: {order}; the server finds nothing"
    return ""


def _sql(raw: RawFilter, rows: Mapping[str, Mapping[str, Any]] | None) -> Iterator[str]:
    text = f"[{raw.text}]"
    if "{" in raw.text:
        yield (
            f"{text}: the server cuts a record set at its first brace, also inside quotes; use like with _ in its place"
        )
        return
    if reason := way_out(raw.text[1:-1]):
        yield f"{text}: {reason}"
    for time in _MACRO.findall(raw.text):
        try:
            DrmsTime.parse(time)
        except RecordSetError as error:
            yield f"{text}: {reason_of(error)}"
    bare = _MACRO.sub(" ", _QUOTED.sub("''", raw.text))
    hexadecimal = re.search(r"\b0[xX][0-9a-fA-F]+", bare)
    if hexadecimal:
        number = int(hexadecimal[0], 16)
        signed = number - 2**32 if 2**31 <= number < 2**32 else number
        yield f"{text}: the database reads no hexadecimal numbers; write {signed} instead of {hexadecimal[0]}"
    if re.search(r"(?<![<>=!])==", bare):
        yield f"{text}: the database compares with one =, and refuses =="
    words = {word.lower() for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", bare)}
    for name, row in (rows or {}).items():
        if str(name).lower() not in words:
            continue
        if str(row["recscope"]) == "constant" or isinstance(row["linkinfo"], str):
            sort = "linked" if isinstance(row["linkinfo"], str) else "constant"
            yield f"{text}: {name} is {sort} and has no column in the database; filter the answer instead"
        elif str(row["type"]) == "int":
            for number in re.findall(rf"\b{re.escape(str(name))}\s*[<>=!]+\s*([0-9]+)\b", bare, re.IGNORECASE):
                if 2**31 <= int(number) < 2**32:
                    yield (
                        f"{text}: {name} is stored as a signed number, and {number} is {int(number) - 2**32} there; "
                        "records without an image have QUALITY < 0"
                    )
        elif str(row["type"]) == "time" and re.search(rf"\b{re.escape(str(name))}\s*[<>=!]+\s*''", bare, re.IGNORECASE):
            yield (
                f"{text}: {name} is stored as seconds and cannot be compared with text; write $(2014.01.01_TAI) "
                "without quotes"
            )


def _whole(elements: Sequence[Element], length: int) -> Iterator[str]:
    if length > QUERY_LIMIT:
        yield (
            f"{length:,} characters are too long for a query and for every export; split the set, at {EXPORT_LIMIT:,} "
            "or below"
        )
    elif length > EXPORT_LIMIT:
        yield (
            f"{length:,} characters are too long for an export as fits, which fails after it has been accepted; split "
            "the set"
        )
    if len(elements) > 1:
        clauses = [
            any("quality" in raw.text.lower() for raw in element.filters if raw.kind is FilterKind.SQL)
            for element in elements
        ]
        if any(clauses) and not all(clauses):
            yield (
                "an export drops the elements with a condition on QUALITY where others have none; give all of them "
                "one, or none"
            )


_LEAPS = 37.0  # seconds between UTC and TAI today
_CLOCK_AND_YEAR = re.compile(r".*[0-9]{4}-.*[T_ ][0-9]{1,2}(?::[0-9.:]+)?-[0-9]{4}")
_ISO_IN_LIST = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T_ ][0-9:.]*(?:Z|_[A-Z]+)?)?)?\s*,")


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
        if re.match(r"\s*-(?!4712)[0-9]", mark.text):  # a time that is missing is one of -4712
            yield (
                f"{text}: the minus makes it a time before the year 0, and no range without a start; write both ends, "
                "as in [2010.05.01_TAI-2014.01.01_TAI]"
            )
            return
        try:
            DrmsTime.parse(mark.text)
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
        in_slots = isinstance(item, Span) and isinstance(item.length, Duration) and item.length.unit == "u"
        if in_slots and key is not None and not key.slotted:
            yield f"{text}: u counts slots, and {key.name} has none: this selects nothing; write s, m, h or d"
        if isinstance(item, Range | Span) and isinstance(item.step, Duration):
            yield from _cadence(text, item.step, key)


def _offset(found: KeyFilter, mark: Mark) -> bool:
    """Whether this is no time but an offset from the epoch, as in 1000d."""
    item = found.items[mark.item]
    start = item.value if isinstance(item, Single) else item.start if isinstance(item, Range | Span) else None
    return isinstance(start, Duration) and mark.role == "start"


def _has_zone(text: str) -> bool:
    reading = words.read_time(text.strip(" "))
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
