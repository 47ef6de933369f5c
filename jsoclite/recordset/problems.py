"""
The silent traps of record sets: what the server answers with nothing, with other records, or not at all.

Each finding says what the server would do and how to write it instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..errors import RecordSetError
from ..series import Kind, SeriesInfo, Slots, keyword_type
from ..times.grammar import read_time_string
from .guess import time_like
from .language import Element, FatalSetError, FilterKind, RawFilter, filter_name, read_filter
from .valuetraps import Key, filter_problems, reason_of

if TYPE_CHECKING:
    from .recordset import RecordSet

#: Characters up to which a record set survives everything: a fits export adds 32 of its own to at most 4,095.
EXPORT_LIMIT: Final = 4000
#: Characters up to which a query fits a request line.
QUERY_LIMIT: Final = 7500

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
# a value of a key filter that is a small number
_SMALL = re.compile(r"\s*([0-9]{1,5})\s*(?:,|$)")
_MACRO = re.compile(r"\$\(([^)]*)\)")


def problems(record_set: RecordSet, info: SeriesInfo | None = None) -> list[str]:
    """See `RecordSet.problems`."""
    rows = None if info is None else info.keywords[["type", "recscope", "defval", "linkinfo"]].to_dict("index")
    keys = None if info is None or rows is None else _keys(info)
    found: list[str] = []
    for element in record_set.elements:
        if info is not None and info.name and str(info.name).lower() != element.series.lower():
            found.extend(_element(element, None, None, None))
        else:
            found.extend(_element(element, keys, rows, info))
    found.extend(_whole(record_set))
    return list(dict.fromkeys(found))


def refuse(record_set: RecordSet, info: SeriesInfo) -> None:
    """
    Refuse a set that would end the server program, as far as only the types of the prime keys can tell.

    Parameters
    ----------
    record_set : RecordSet
        About to be sent.
    info : SeriesInfo
        Definition of its series.

    Raises
    ------
    FatalSetError
        For a value that ends the program instead of being refused: the client would see an empty HTTP 500.
    """
    keys = _keys(info)
    for element in record_set.elements:
        position = 0
        for raw in element.filters:
            if raw.kind not in (FilterKind.KEY, FilterKind.EMPTY):
                continue
            name = filter_name(raw)
            key, _ = _find(keys, name, position)
            position += name is None
            if raw.kind is FilterKind.KEY and key is not None:
                try:
                    read_filter(raw, key.kind, key.slotted, bits=key.bits, generic_slots=key.generic_slots)
                except FatalSetError:
                    raise
                except RecordSetError:
                    pass  # the server answers this one, with an error of its own


def _keys(info: SeriesInfo) -> list[Key]:
    types = {str(name).lower(): (str(name), kind) for name, kind in info.keywords["type"].items()}
    keys = []
    for prime in info.primekeys or ():
        name, type_ = types.get(str(prime).lower(), (str(prime), "string"))
        kind, bits = keyword_type(type_)
        slots = Slots.of(info, name)
        step = slots.step if slots is not None and kind is Kind.TIME else None
        keys.append(Key(name, kind, bits, slots is not None, slots is not None and slots.scope == "slot", step))
    return keys


def _element(
    element: Element, keys: list[Key] | None, rows: dict[str, dict[str, Any]] | None, info: SeriesInfo | None
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
    if key.kind in (Kind.INTEGER, Kind.REAL) and time_like(raw.text) and any(one.kind is Kind.TIME for one in keys):
        return f"{key.name} is a number, and this is a time: {order}; the server answers 'series not found'"
    number = _SMALL.match(raw.text)
    if key.kind is Kind.TIME and number and len(keys) > 1 and not 1900 <= int(number[1]) <= 2100:
        return f"{key.name} is a time, and {number[1]} is read as a year: {order}; the server finds nothing"
    return ""


def _sql(raw: RawFilter, rows: dict[str, dict[str, Any]] | None) -> Iterator[str]:
    text = f"[{raw.text}]"
    if "{" in raw.text:
        yield (
            f"{text}: the server cuts a record set at its first brace, also inside quotes; use like with _ in its place"
        )
        return
    for time in _MACRO.findall(raw.text):
        try:
            read_time_string(time.strip(" "), "utc")
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


def _whole(record_set: RecordSet) -> Iterator[str]:
    length = len(str(record_set))
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
    if len(record_set.elements) > 1:
        clauses = [
            any("quality" in raw.text.lower() for raw in element.filters if raw.kind is FilterKind.SQL)
            for element in record_set.elements
        ]
        if any(clauses) and not all(clauses):
            yield (
                "an export drops the elements with a condition on QUALITY where others have none; give all of them "
                "one, or none"
            )
