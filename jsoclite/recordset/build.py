"""
Text of filters from Python values: times, ranges, lists, strings, wavelengths.

Everything here gives text that the server reads as it is meant, whatever the type of the key, or raises.

Filters whose key is not known are read by the look of their values (`read_by_look`): a client that has not asked
for the definition of a series cannot know which type a key has. What no key, or no key with values of that look, could
take is refused here; the rest is left to the server, or to `RecordSet.problems` with the definition at hand.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

from ..errors import RecordSetError, shown
from ..series import Kind, as_list
from ..times import DrmsTime, format_duration, is_time_key, parse_duration, parse_time, utc
from .filters import read_filter
from .grammar import FatalSetError, FilterKind, KeyFilter, RawFilter

#: Stand for an end that is left open in a range of times; slots are 64-bit integers, so any year will do.
OPEN_START: Final = "1600.01.01_00:00:00_TAI"
OPEN_END: Final = "9999.12.31_00:00:00_TAI"

#: Prime keys that hold a record's time, in the order in which they are looked for.
TIME_KEYS: Final = ("T_REC", "T_OBS", "DATE__OBS", "DATE_OBS", "T_START", "DATE")

_SERIES = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z0-9_.]*[A-Za-z0-9_]")
_SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}|\*\*ALL\*\*")
_BARE = re.compile(r"[A-Za-z0-9_+.*<>][A-Za-z0-9_+.*<>:/@|~-]*")
_INDEX = re.compile(r"#(?:[$^]|-?[0-9]+|-#)[0-9#$^,@/-]*")
_TIME_TYPES = (DrmsTime, dt.date, np.datetime64)  # a datetime and a Timestamp are dates


def series_name(name: str) -> str:
    """
    Check a series name.

    Raises
    ------
    RecordSetError
        For what cannot be one.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not _SERIES.fullmatch(text):
        raise RecordSetError(
            f"{shown(name)} is no series name: it has the form namespace.name, as in hmi.M_720s, and no brackets"
        )
    if len(text) > 63:
        raise RecordSetError(f"{name!r} has {len(text)} characters: the server takes series names of at most 63")
    return text


def segment_names(segments: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """
    Check segment names; a string may hold several, with commas.

    Raises
    ------
    RecordSetError
        For what cannot be one.
    """
    if segments is None:
        return None
    names = as_list(segments.strip(" {}") if isinstance(segments, str) else segments) or []
    for name in names:
        if not _SEGMENT.fullmatch(name):
            raise RecordSetError(f"{name!r} is no segment name: letters, digits and underscores, at most 31")
    return tuple(dict.fromkeys(names)) or None


def is_time_value(value: Any) -> bool:
    """Whether a value is a time by its type: strings are not."""
    return isinstance(value, _TIME_TYPES) or (hasattr(value, "jd1") and hasattr(value, "tai"))


def time_text(value: Any) -> str:
    """A time as it goes into a filter, ``YYYY.MM.DD_hh:mm:ss_TAI``; what has no zone is UTC."""
    return parse_time(value).tai


def listed(values: Iterable[Any]) -> list[Any]:
    """Return what a sequence holds; a column of datetimes may know its scale."""
    return utc(values) if getattr(getattr(values, "dtype", None), "kind", "") == "M" else list(values)


def time_filter(start: Any, end: Any, cadence: Any, duration: Any) -> str | None:
    """
    Text of a filter on a time key.

    Parameters
    ----------
    start, end : time, sequence of times or None
        One time, several single times, or a range; an end that is None is open where the other is not. A list of
        tuples is several ranges; so is a list with a duration.
    cadence, duration : duration or None

    Returns
    -------
    str or None
        None where nothing is asked for.

    Raises
    ------
    RecordSetError
        For what the server would answer with nothing, or die of: reversed ranges, cadences without a range, lengths
        below 0.
    """
    if end is None and hasattr(start, "start") and hasattr(start, "end"):  # such as sunpy's TimeRange
        start = (start.start, start.end)
    if end is None and isinstance(start, list | np.ndarray) and len(start):  # several ranges
        if all(isinstance(one, tuple) or (hasattr(one, "start") and hasattr(one, "end")) for one in start):
            return ",".join(time_filter(one, None, cadence, None) or "" for one in start)
        if duration is not None:
            return ",".join(time_filter(one, None, cadence, duration) or "" for one in utc(start))
    if end is not None and duration is not None:
        raise RecordSetError("a range has an end or a duration, not both: leave one out")
    step = ""
    if cadence is not None:
        if duration is None and end is None and not isinstance(start, tuple):
            raise RecordSetError("a cadence needs a range of times: give an end or a duration too")
        step = f"@{_positive('cadence', cadence)}"
    if duration is not None:
        if start is None:
            raise RecordSetError("a duration needs a start")
        return f"{time_text(start)}/{_positive('duration', duration)}{step}"
    if start is None and end is None:
        return None
    if end is None and isinstance(start, tuple):
        if len(start) != 2:
            raise RecordSetError(f"start={start!r}: a tuple is a range (first, last); single times stand in a list")
        return time_filter(*start, cadence, duration) if start != (None, None) else None
    if end is None:
        if isinstance(start, str) or (is_time_value(start) and getattr(start, "isscalar", True)):
            return time_text(start)
        found = utc(start)
        if isinstance(found, DrmsTime):
            return found.tai
        if not found:
            raise RecordSetError("an empty list of times selects nothing: leave it out to select all")
        return ",".join(one.tai for one in found)
    first = None if start is None else parse_time(start)
    last = parse_time(end)
    if first is not None and last < first:
        raise RecordSetError(f"the range from {first} to {last} is reversed: the server would answer with no records")
    return f"{OPEN_START if first is None else first.tai}-{last.tai}{step}"


def _positive(what: str, value: Any) -> str:
    text = format_duration(value)
    if not parse_duration(text, 1.0) > 0.0:
        raise RecordSetError(f"a {what} of {text} is none: it has to be longer than 0")
    return text


def key_filter(name: str, value: Any) -> str | None:
    """
    Text of a filter on a prime key.

    Parameters
    ----------
    name : str
        The key; names such as T_REC make strings times.
    value : scalar, list, range, slice, pair or None
        A list (any sequence but a tuple) is a list of values; a tuple ``(first, last)`` and a slice
        ``first:last:step`` are ranges, both ends included, None where open. "^" and "$" are the first and the last
        value, "#5-#9" slot numbers.

    Returns
    -------
    str or None
        None for None: all values.

    Raises
    ------
    RecordSetError
        For values that no filter can hold.
    """
    if value is None:
        return None
    time = is_time_key(name)
    if hasattr(value, "start") and hasattr(value, "end"):  # such as sunpy's TimeRange
        value = (value.start, value.end)
    if isinstance(value, slice):
        return _range(name, value.start, value.stop, value.step, time)
    if isinstance(value, tuple):
        if len(value) != 2:
            raise RecordSetError(f"{name}={value!r}: a tuple is a range (first, last); give several values as a list")
        return _range(name, *value, None, time)
    if isinstance(value, range):
        if not value:
            raise RecordSetError(f"{name}={value!r} is empty and selects nothing")
        ends = sorted((value[0], value[-1]))
        return f"{ends[0]}-{ends[1]}" + (f"@{abs(value.step)}" if abs(value.step) != 1 and len(value) > 1 else "")
    if isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "isscalar", is_time_value(value)):
        return _value(name, value, time)
    items = [_value(name, one, time) for one in listed(value)]
    if not items:
        raise RecordSetError(f"{name}: an empty list selects nothing; leave the key out to select all")
    return items[0] + "".join(f",{apart(item)}" for item in items[1:])


def apart(text: str) -> str:
    """
    A value that does not begin a filter, behind a blank where it needs one.

    The server's outer scanner sees a quoted string only at the beginning of a filter and behind blanks; elsewhere
    brackets and quotes inside the string, and a closing quote behind a blank, would mislead it.
    """
    misread = not set(text[1:-1]).isdisjoint("]'\"") or text[-2:-1] == " "
    return f" {text}" if text[:1] in ("'", '"') and misread else text


def _range(name: str, first: Any, last: Any, step: Any, time: bool) -> str | None:
    if time or is_time_value(first) or is_time_value(last):
        if last is None and first is not None:
            last = OPEN_END
        return time_filter(first, last, step, None)
    if first is None and last is None and step is None:
        return None
    if first is None or last is None:
        ends = []
        for end in (first, last):
            if end is not None and not isinstance(end, Integral):
                raise RecordSetError(
                    f"{name}: a range with one open end needs whole numbers, not {end!r}; give both ends"
                )
            ends.append("#" if end is None else f"#{int(end)}")
        return "-".join(ends) + ("" if step is None else f"@{int(step)}")
    if isinstance(first, Real) and isinstance(last, Real) and last < first:
        raise RecordSetError(
            f"{name}: the range from {first} to {last} is reversed; the server would answer with no records"
        )
    if step is not None and not step > 0:
        raise RecordSetError(f"{name}: a step of {step!r} is none, it has to be greater than 0")
    if isinstance(first, str) and isinstance(last, str):
        return f"{quote(first)}-{apart(quote(last))}"
    return f"{_value(name, first, time)}-{_value(name, last, time)}" + (
        "" if step is None else f"@{_value(name, step, False)}"
    )


def _is_quantity(value: Any) -> bool:
    return hasattr(value, "to_value") and hasattr(value, "unit")


def _value(name: str, value: Any, time: bool) -> str:
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if isinstance(value, str):
        return _string(name, value, time)
    if is_time_value(value):
        return time_text(value)
    if isinstance(value, bool) or _is_quantity(value):
        raise RecordSetError(f"{name}={value!r}: give a plain number, in the unit of the keyword")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return number_text(name, float(value))
    raise RecordSetError(
        f"{name}={value!r}: give a number, a string, a time, a list of these, or a range (first, last)"
    )


def number_text(name: str, value: float) -> str:
    """A real number as the server reads it."""
    if not math.isfinite(value):
        raise RecordSetError(f"{name}={value!r}: the database has no such number; a condition finds missing values")
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _string(name: str, value: str, time: bool) -> str:
    text = value.strip() if time else value
    if text in ("^", "$") or _INDEX.fullmatch(text):
        return text
    if time:
        return _time_string(name, text)
    return text if _BARE.fullmatch(text) and "DRMS_MISSING" not in text.upper() else quote(text)


def _time_string(name: str, text: str) -> str:
    """A time, or a whole filter on times, which is read as such and kept."""
    try:
        return time_text(text)
    except RecordSetError:
        if not time_like(text):
            raise
        check_filter(text)
        return text


def quote(text: str) -> str:
    """
    Quote a string for a key filter.

    The server pastes strings into SQL as they are, so that apostrophes are doubled here, and cuts a record set at the
    first brace.

    Raises
    ------
    RecordSetError
        For braces and non-ASCII characters, which cannot be sent.
    """
    if "{" in text or not text.isascii() or any(ord(c) < 32 and c not in "\t\n" for c in text):
        raise RecordSetError(
            f"{text!r}: a brace or a character beyond printable ASCII cannot stand in a filter: use where="
        )
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    if "'" not in escaped:
        return f"'{escaped}'"
    escaped = escaped.replace("'", "''")
    if '"' not in escaped:
        return f'"{escaped}"'
    return "'" + escaped.replace("'", "\\'") + "'"


def wavelengths(value: Any) -> str | None:
    """
    Text of a filter on WAVELNTH, in angstrom.

    Parameters
    ----------
    value : number, str, astropy Quantity or sequence of these
        Plain numbers are angstrom; a tuple is a range (first, last), as for every prime key.

    Raises
    ------
    RecordSetError
        For what is no wavelength.
    """
    if value is None:
        return None
    if _is_quantity(value):
        value = _angstrom(value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        value = [value]
    if isinstance(value, tuple):
        if len(value) != 2:
            raise RecordSetError(f"wavelength={value!r}: a tuple is a range (first, last); several stand in a list")
        return "-".join(wavelengths(one) or "" for one in value)
    items: list[str] = []
    for one in value:
        one = _angstrom(one) if _is_quantity(one) else one
        if isinstance(one, str) and not re.fullmatch("[0-9]+", one.strip()):
            raise RecordSetError(f"wavelength={one!r}: give angstrom as a number, or a Quantity")
        if isinstance(one, bool | np.bool_):
            raise RecordSetError(f"wavelength={one!r}: give angstrom as a number, or a Quantity")
        number = float(one)
        if not number > 0:
            raise RecordSetError(f"wavelength={one!r}: a wavelength is greater than 0")
        items.append(number_text("wavelength", round(number, 6)))
    if not items:
        raise RecordSetError("an empty list of wavelengths selects nothing; leave it out to select all")
    return ",".join(dict.fromkeys(items))


def _angstrom(value: Any) -> Any:
    import astropy.units as u

    try:
        return value.to_value(u.AA, equivalencies=u.spectral())
    except u.UnitConversionError:
        raise RecordSetError(f"wavelength={value!r}: its unit is not one of length") from None


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


_TIME = re.compile(
    r"\s*(?:-?[0-9]{4,5}[.-](?:[0-9]{1,3}|[A-Za-z]{1,9})(?:[._T-]|(?=[ ,/@]|$))"
    r"|-?[0-9]{4}_(?:TAI|UTC|TT|Z)|[0-9]{8}[_T]|M?JD_[0-9])"
)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]|\.[0-9])")
_OPERATOR = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*(?:[<>]=?|!=|==)")
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.]*)\s*=\s*")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def time_like(text: str) -> bool:
    """Whether a filter begins with what looks like a time."""
    return _TIME.match(text) is not None


def check_filter(text: str, start: int = 0) -> KeyFilter:
    """
    Read a key filter by its look.

    Parameters
    ----------
    text : str
        What stands between the brackets.
    start : int
        Where that is in the whole record set.

    Returns
    -------
    KeyFilter
        With the values of the first type, in the order integer, real, time, string, that can be read.

    Raises
    ------
    RecordSetError
        For what the server refuses, or dies of, whatever the type of the key.
    """
    return read_by_look(RawFilter(FilterKind.KEY if text else FilterKind.EMPTY, text, start))


def read_by_look(raw: RawFilter) -> KeyFilter:
    """Read a filter of kind KEY or EMPTY; see `check_filter`."""
    if raw.kind is FilterKind.EMPTY:
        return KeyFilter(None, ())
    match = _NAME.match(raw.text)
    body = raw.text[match.end() :] if match else raw.text
    if not body and match:
        raise FatalSetError(
            f"no value follows {match[1]}=, which kills the server program: write [] for all", f"[{raw.text}]", 1
        )
    if not body.strip(" "):
        return KeyFilter(None, ())  # [ ]: nothing, or a crash, by the type of the key
    if _OPERATOR.match(raw.text):
        raise FatalSetError(
            f"a comparison is SQL and stands between question marks, [? {raw.text.strip()} ?]; like this it kills the "
            "server program where the key is a time",
            f"[{raw.text}]",
            1,
        )
    _check_items(raw, body)
    if time_like(body) and not _QUOTED.search(body):  # who has quoted values in a list has strings
        try:
            return read_filter(raw, Kind.TIME, True)
        except RecordSetError as error:
            # a number with a point may look like a year and a month
            if re.fullmatch(r"[-+0-9.,/@]*", body) is None:
                raise error
    kinds = (Kind.INTEGER, Kind.REAL) if _NUMBER.match(body) or body.lstrip().startswith(("#", "^", "$")) else ()
    first: RecordSetError | None = None
    for kind in kinds:
        try:
            return read_filter(raw, kind, bits=64)
        except RecordSetError as error:
            first = first or error
    if kinds:
        try:
            return read_filter(raw, Kind.TIME, True)
        except RecordSetError:
            pass
        if body.lstrip().startswith("#"):
            assert first is not None
            raise first
    return read_filter(raw, Kind.STRING)


def _check_items(raw: RawFilter, body: str) -> None:
    """Refuse empty items and operators without values, which kill the program for times and are errors for the rest."""
    bare = _QUOTED.sub("''", body)
    items = [item.strip(" ") for item in bare.split(",")]
    whole = f"[{raw.text}]"
    if "" in items:
        raise FatalSetError("an empty item in a list kills the server program where the key is a time", whole, 1)
    for item in items:
        if item[0] in "@/-" and not _NUMBER.match(item):
            raise FatalSetError(
                f"the item {item!r} begins with an operator, which kills the server program where the key is a time; a "
                "string that begins so needs quotes",
                whole,
                1,
            )
