"""Parts of `RecordSet`: checking, printing and changing the elements of a set."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import RecordSetError
from .build import apart, key_filter, series_name
from .guess import read_by_look
from .language import Element, ElementKind, FilterKind, RawFilter, read_recnums, read_sql, scan
from .where import sql_filter

#: Prime keys that hold a record's time, in the order in which they are looked for.
TIME_KEYS: Final = ("T_REC", "T_OBS", "DATE__OBS", "DATE_OBS", "T_START", "DATE")

_ANGLES = re.compile(r"<\s*([A-Za-z_*][\w*]*(?:\s*,\s*[A-Za-z_*][\w*]*)*)\s*>(?=\s*(?:,|;|#|$))")


def check(text: str) -> tuple[Element, ...]:
    """Scan a set and read its filters as far as that goes without the types of the keys."""
    elements = scan(text)
    if any(element.cut for element in elements):
        # printed with a [] behind it the name will be read as it is
        elements = tuple(
            dataclasses.replace(element, series=text[element.start : element.end]) if element.cut else element
            for element in elements
        )
    for element in elements:
        if element.kind is not ElementKind.DRMS:
            raise RecordSetError(
                "only a series can be selected from: the server would look for a file", text, element.start
            )
        if not _is_series(element):
            raise RecordSetError(
                f"{element.series!r} is no series name: letters, digits, underscores and points, at most 63 characters",
                text,
                element.start,
            )
        for raw in element.filters:
            _check_filter(text, raw)
    if not elements:
        raise RecordSetError("a record set needs a series", text, 0)
    return elements


def _is_series(element: Element) -> bool:
    return len(element.series) < 64 and re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", element.series) is not None


def _check_filter(text: str, raw: RawFilter) -> None:
    # a brace inside a filter is left to `problems`: what counts here is what was meant
    whole = RawFilter(raw.kind, raw.text, raw.start) if "{" in raw.text or raw.source == "\0" else raw
    try:
        if raw.kind is FilterKind.KEY:
            read_by_look(whole)
        elif raw.kind is FilterKind.RECNUM:
            read_recnums(whole)
        elif raw.kind is not FilterKind.EMPTY:
            read_sql(whole)
    except RecordSetError as error:
        message = str(error).partition("\n")[0]
        position = raw.start + max((error.position or 1) - 1, 0)
        raise type(error)(message, text, min(position, len(text))) from None


def braces_for_angles(text: str) -> str:
    """Segment lists in angle brackets, rewritten; not what stands inside filters."""
    if "<" not in text:
        return text
    for match in _ANGLES.finditer(text):
        before = text[: match.start()]
        try:
            ends = scan(before.rstrip() or "x")
        except RecordSetError:
            continue  # inside a bracket
        if ends and ends[-1].segments is None:
            return braces_for_angles(f"{before}{{{match[1]}}}{text[match.end() :]}")
    return text


def print_element(element: Element, *, bare: bool, segments: Any = ...) -> str:
    """Text of an element; a bare series name only where `bare` allows it."""
    names = element.segments if segments is ... else segments
    text = element.series + "".join(f"[{raw.text}]" for raw in element.filters)
    if not element.filters and names is None and not bare:
        text += "[]"
    return text if names is None else f"{text}{{{','.join(names)}}}"


def closed(text: str) -> str:
    """Text of an element that another can follow: the server drops the last letter of a bare name before a comma."""
    return text if text[-1] in "]}" else f"{text}[]"


def by_name(filters: Mapping[str, str], times: str | None, time_key: str, waves: str | None) -> str:
    """Filters with their names, in the order given."""
    named = dict(filters)
    for key, text in ((time_key, times), ("WAVELNTH", waves)):
        if text is not None:
            if key.lower() in {name.lower() for name in named}:
                raise RecordSetError(f"{key} is given twice: as a prime key and as start, end or wavelength")
            named[key] = text
    return "".join(f"[{name}={apart(text)}]" for name, text in named.items())


def by_position(
    order: Sequence[str], filters: Mapping[str, str], times: str | None, time_key: str | None, waves: str | None
) -> str:
    """Filters in the order of the prime keys, with ``[]`` for what is left open but for the end."""
    places = {name.lower().removesuffix("_index"): place for place, name in enumerate(order)}
    given = dict(filters)
    if times is not None:
        candidates = [time_key] if time_key else [key for key in TIME_KEYS if key.lower() in places]
        if not candidates:
            raise RecordSetError(f"none of the prime keys {', '.join(order)} is a time: say which with time_key=")
        if candidates[0].lower() in {name.lower() for name in given}:
            raise RecordSetError(f"{candidates[0]} is given twice: as a prime key and as start or end")
        given[candidates[0]] = times
    if waves is not None:
        if any(name.lower() == "wavelnth" for name in given):
            raise RecordSetError("WAVELNTH is given twice: as a prime key and as wavelength")
        given["WAVELNTH"] = waves
    texts = [""] * len(order)
    for name, text in given.items():
        place = places.get(name.lower())
        if place is None:
            raise RecordSetError(_unknown(name, order))
        texts[place] = text
    while texts and not texts[-1]:
        texts.pop()
    return "".join(f"[{text}]" for text in texts)


def _unknown(name: str, order: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.upper(), [key.upper() for key in order], 1)
    hint = f"did you mean {near[0]}?" if near else "conditions on other keywords go into where="
    return f"{name} is no prime key; the series has {', '.join(order) or 'none'}. {hint[0].upper()}{hint[1:]}"


def changed(element: Element, name: str, value: Any, *, bare: bool) -> str:
    """One element of a set that was read, with one argument changed."""
    series, filters = element.series, [raw.text for raw in element.filters]
    if name == "series":
        series = series_name(value)
    elif name == "where":
        kept = [raw.text for raw in element.filters if raw.kind not in (FilterKind.SQL, FilterKind.SQL_ALL)]
        condition = sql_filter(value)
        filters = kept if condition is None else [*kept, condition]
    else:
        places = [
            place
            for place, raw in enumerate(element.filters)
            if raw.kind is FilterKind.KEY and re.match(rf"\s*{re.escape(name)}\s*=", raw.text, re.IGNORECASE)
        ]
        if not places:
            raise RecordSetError(
                f"{name} cannot be replaced in {print_element(element, bare=True)}: the set was read from a string and "
                "does not name it"
            )
        text = key_filter(name, value)
        filters[places[0] : places[0] + 1] = [] if text is None else [f"{name}={apart(text)}"]
    text = series + "".join(f"[{one}]" for one in filters)
    if not filters and element.segments is None and not bare:
        text += "[]"
    return text if element.segments is None else f"{text}{{{','.join(element.segments)}}}"
