"""What a record set says in words: its parts, read as the server reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import display
from ..errors import RecordSetError
from ..times import words
from .build import read_by_look, time_like
from .grammar import Duration, Element, FilterKind, Range, RawFilter, Single, Span

#: Elements of a set that are shown; sets of single records have thousands.
MOST = 6
#: Characters of a set, and of a part of it.
LONGEST = 400

_NAMED = re.compile(r"\s*([A-Za-z]\w*)\s*=(?!=)\s*")
_WORDS = {"": "any", "^": "the first (^)", "$": "the last ($)"}
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "d", "u": "slots"}


def parts(element: Element, order: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """
    Yield what each part of an element is about, and what it says.

    Parameters
    ----------
    element : Element
        Of a record set.
    order : sequence of str
        The series' prime keys, where they are known: what filters without a name are about.

    Examples
    --------
    >>> rs = jsoclite.RecordSet.parse("hmi.M_720s[2014.01.01_TAI/1h@24m][? QUALITY = 0 ?]{magnetogram}")
    >>> for name, text in parts(rs.elements[0]):
    ...     print(f"{name}: {text}")
    series: hmi.M_720s
    time: from 2014.01.01_00:00:00_TAI, 1 h long, every 24 min
    condition: QUALITY = 0
    segments: magnetogram
    """
    yield "series", element.series
    place = 0
    for raw in element.filters:
        if raw.kind in (FilterKind.EMPTY, FilterKind.KEY):
            yield _key(raw, order[place] if place < len(order) else None, place)
            place += 1
        elif raw.kind is FilterKind.RECNUM:
            yield "record numbers", raw.text.lstrip(" :")
        else:
            versions = ", all versions" if raw.kind is FilterKind.SQL_ALL else ""
            yield f"condition{versions}", raw.text.strip()[1:-1].strip()
    if element.segments is not None:
        yield "segments", ", ".join(element.segments)


def _key(raw: RawFilter, known: str | None, place: int) -> tuple[str, str]:
    named = _NAMED.match(raw.text)
    values = raw.text[named.end() :] if named else raw.text
    name = named[1] if named else known or ("time" if time_like(raw.text) else f"prime key {place + 1}")
    if values.strip() in _WORDS:
        return name, _WORDS[values.strip()]
    if not time_like(values):
        return name, values.strip()
    try:
        return name, "; ".join(map(_time, read_by_look(raw).items))
    except RecordSetError:
        return name, values.strip()


def _time(item: object) -> str:
    """Say which times an item selects."""
    if isinstance(item, Single):
        return _moment(item.value)
    if isinstance(item, Range):
        text = f"{_moment(item.start)} to {_moment(item.end)}"
    elif isinstance(item, Span):
        text = f"from {_moment(item.start)}, {_length(item.length)} long"
    else:
        raise RecordSetError(f"{item!r} is no time")
    return text if item.step is None else f"{text}, every {_length(item.step)}"


def _moment(value: Any) -> str:
    if not isinstance(value, float):
        raise RecordSetError(f"{value!r} is no time")
    return words.format_time(value, "TAI", 0 if value == round(value) else 3)


def _length(value: Any) -> str:
    if isinstance(value, Duration):
        return f"{value.amount:g} {_UNITS[value.unit]}"
    return f"{value:g}"


def html(text: str, elements: Sequence[Element], problems: Sequence[str], arguments: Mapping[str, Any] | None) -> str:
    """
    Return a record set for a notebook.

    Parameters
    ----------
    text : str
        The set.
    elements : sequence of Element
        Its elements.
    problems : sequence of str
        What the server would get wrong.
    arguments : mapping or None
        What it was built from, where it was; `order` and `wavelength` tell what filters without a name are about.
    """
    given = arguments or {}
    order = given.get("order") or ((), ("time", "WAVELNTH"))[given.get("wavelength") is not None]
    rows = [
        (name, display.mono(display.shorten(words, LONGEST)))
        for element in elements[:MOST]
        for name, words in parts(element, order)
    ]
    more = len(elements) - MOST
    return display.block(
        display.mono(display.shorten(text, LONGEST)),
        display.table((), rows),
        display.muted(f"and {display.number_of(more, 'more element')}") if more > 0 else "",
        display.bullets(problems) if problems else "",
    )
