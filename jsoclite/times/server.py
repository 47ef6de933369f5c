"""
The server's own reading of times and durations.

A time is a float: TAI seconds since 1977.01.01_00:00:00_TAI, as DRMS stores it. The functions repeat, operation by
operation, what `sscan_time_ext` (timeio.c) and `parse_duration` (drms_names.c) do, so that they give the same bits,
misreadings included; `format_time` is its printer (`sprint_time`). For times that a user writes, use `parse_time`,
which refuses what would be misread.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from bisect import bisect_right
from typing import NamedTuple

from ..errors import RecordSetError
from .scale import (
    BEGINS_UTC,
    DAY,
    JD_EPOCH,
    MONTH_DAYS,
    Date,
    date_of_seconds,
    offset_of_clock,
    offset_of_tai,
    seconds_of_date,
)
from .scale import (
    JD_ZERO as JD_ZERO,
)
from .scale import (
    LEAP_SECONDS as LEAP_SECONDS,
)

# every name that parse_zone (timeio.c) can end with, longest first; NZST is not among them: it reads the N alone
_ZONE = re.compile(
    r"TAI|TDT|TT|T|UTC|UT|U|A[SD]T|A|B[SD]T|B|C[DES]T|C|E[DES]T|E|GMT|GPS|G|H[DS]T|H|J[DS]T|"
    r"M[DS]T|M|N|P[DS]T|P|SST|S|Y[DS]T|Y|W[ES]T|W|[DFIKLOQRVXZ]"
)
_PLAIN = re.compile(
    r"([0-9]{4})(?:(?=[0-9.]{6}_[0-9:]{8}_[tT][aA][iI])|(?=[0-9-]{6}T[0-9:]{8}Z))([.-])([0-9]{2})\2([0-9]{2})[_T]"
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:_...|Z)"
)
_DAY_BEFORE_EPOCH = dt.date(1977, 1, 1).toordinal() + 1
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
ROMAN_MONTHS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


class _UnreadableError(Exception):
    """Carries how many characters were read before the time turned out to be none."""

    def __init__(self, consumed: int = 0) -> None:
        self.consumed = consumed


class Clock(NamedTuple):
    """A clock as written; `fields` of the three numbers are there."""

    hour: int
    minute: int
    second: float
    fields: int
    end: int


class CalendarDate(NamedTuple):
    """A date as written; `clock` is what a fraction of the day, the digits `fraction`, comes to."""

    year: int
    month: int
    day: int
    iso: bool
    fraction: str
    clock: Clock | None
    end: int


class Reading(NamedTuple):
    """
    What the server makes of a string.

    Attributes
    ----------
    seconds : float
        TAI seconds since 1977, `JD_ZERO` for what is no time.
    consumed : int
        How many characters were read.
    zone : str or None
        The zone that was read, None where there is none and UTC (of Julian days TT) is assumed.
    date, clock : CalendarDate, Clock or None
        None for Julian days and what is no time; the clock also where none is written.
    """

    seconds: float
    consumed: int
    zone: str | None = None
    date: CalendarDate | None = None
    clock: Clock | None = None


def scan_time(text: str) -> float:
    """
    Read a time as the server does: in silence, whatever it is.

    Parameters
    ----------
    text : str
        A time string; what follows a readable time is ignored, an unreadable one is `JD_ZERO`.

    Returns
    -------
    float
        TAI seconds since 1977.01.01_00:00:00_TAI.

    Notes
    -----
    `sscan_time` of timeio.c. Agrees with it to the bit, also where it misreads: ``+01:00`` is one minute,
    month 0 is December, unknown zones are cut to a letter. `jsoclite.parse_time` refuses these.
    """
    return scan_time_ext(text)[0]


def scan_time_ext(text: str, position: int = 0) -> tuple[float, int]:
    """
    Read a time at `position` of a text, as the server's `sscan_time_ext` does.

    Returns
    -------
    seconds : float
        TAI seconds since 1977, `JD_ZERO` for what is no time.
    consumed : int
        How many characters of `text` were read.
    """
    plain = _PLAIN.match(text, position)
    if plain:
        # the usual forms, read to the same number: whole seconds are exact in any order
        year, month, day, hour, minute, second = map(int, plain.group(1, 3, 4, 5, 6, 7))
        utc = plain[2] == "-"
        if year > 1600 and 0 < month < 13 and not (utc and second > 59):
            days = dt.date(year, month, 1).toordinal() + day - _DAY_BEFORE_EPOCH
            seconds = days * 86400 + hour * 3600 + minute * 60 + second
            return float(seconds + (bisect_right(BEGINS_UTC, seconds) if utc else 0)), plain.end() - position
    return read_time(text[position : position + 255])[:2]


def read_time(text: str) -> Reading:
    """What `sscan_time_ext` reads at the beginning of a text, with the parts that it found."""
    try:
        return _read_julian(text) or _read_calendar(text)
    except _UnreadableError as error:
        return Reading(JD_ZERO, error.consumed)


def _read_julian(text: str) -> Reading | None:
    if not text:
        raise _UnreadableError
    head = text[:63].upper()
    start = len(head) - len(head.lstrip(" "))
    name = "MJD" if head.startswith("MJD", start) else "JD" if head.startswith("JD", start) else None
    if name is None:
        return None
    start += len(name)
    if head[start : start + 1] != "_":
        raise _UnreadableError
    start += 1
    day, end = strtod(text, start)
    if end == start:
        raise _UnreadableError
    zone = None
    if text[end : end + 1] == "_":
        zone, end = _scan_zone(text, end + 1)
    if head[0] == "M":  # not so after a leading blank
        day += 2400000.5
    seconds = DAY * (day - JD_EPOCH)
    return Reading(seconds - offset_of_clock(seconds, zone or "TDT", False), end, zone)


def _read_calendar(text: str) -> Reading:
    date = _scan_date(text)
    end = date.end
    clock = date.clock
    leap = False
    zone = None
    mark = text[end : end + 1]
    if mark == "_" or (date.iso and mark in ("T", " ")):
        end += 1
        read = _scan_clock(text, end)
        if read is None:
            zone, end = _scan_zone(text, end)
        elif date.clock is None:  # behind a fraction of the day a clock is passed over
            clock, leap, end = read, read.second >= 60.0, read.end
            mark = text[end : end + 1]
            if mark == "_":
                zone, end = _scan_zone(text, end + 1)
            elif mark and (mark in "+-" or "A" <= mark <= "I" or "K" <= mark <= "Z"):
                zone, end = _scan_zone(text, end)
    seconds = seconds_of_date(date.year, date.month, date.day, *(clock[:3] if clock else (0, 0, 0.0)))
    return Reading(seconds - offset_of_clock(seconds, zone or "UTC", leap), end, zone, date, clock)


def _scan_date(text: str) -> CalendarDate:
    year, end = strtol(text)
    length = end
    year = int32(year)
    clock = None
    fraction = ""
    iso = ordinal = False
    month = day = 1
    if length == 8:
        if text[end : end + 1] in (".", "-"):
            raise _UnreadableError
        fields = [int(field) for field in _fixed(text, (4, 2, 2))]
        year, month, day = (*fields, 1, 1)[:3] if len(fields) < 3 else fields
        iso = ordinal = True
    elif length == 7:
        fields = [int(field) for field in _fixed(text, (4, 3))]
        year = fields[0]
        month, day = _day_of_year(year, fields[1] if len(fields) > 1 else 1)
        iso = ordinal = True
    elif length == 0 or length > 5:
        raise _UnreadableError
    elif text[end : end + 1] in (".", "-"):
        iso = text[end] == "-"
        start = end + 1
        month, end = strtol(text, start)
        month = int32(month)
        if end == start:
            month, end = _month_by_name(text, start)
        elif end - start == 3:
            month, day = _day_of_year(year, month)
            ordinal = True
        elif month > 12:
            raise _UnreadableError
        if not ordinal and (text[end : end + 1] == "." or (iso and text[end : end + 1] == "-")):
            start = end + 1
            day, end = strtol(text, start)
            day = int32(day)
            if end == start or (day > 366 and month > 1):
                raise _UnreadableError
    if text[end : end + 1] == ".":
        start = end + 1
        digits, end = strtol(text, start)
        if end == start:
            raise _UnreadableError
        # the digits go through an int, so that the day .05 is read as .5
        clock, day = _clock_of_fraction(strtod(f"{day}.{int32(digits)}")[0])
        fraction = text[start:end]
    return CalendarDate(year, month, day, iso, fraction, clock, end)


def _fixed(text: str, widths: tuple[int, ...]) -> list[str]:
    """Read fields of at most so many characters, as sscanf's %4d%2d%2d does."""
    fields, position = [], 0
    for width in widths:
        position += len(text[position:]) - len(text[position:].lstrip(" \t"))
        match = re.match(r"[+-]?[0-9]+", text[position : position + width])
        if match is None:
            break
        fields.append(match[0])
        position += match.end()
    return fields


def _clock_of_fraction(days: float) -> tuple[Clock, int]:
    day = int(days)
    second = DAY * (days - day)
    hour = int(second / 3600.0)
    second -= 3600.0 * hour
    minute = int(second / 60.0)
    second -= 60.0 * minute
    return Clock(hour, minute, second, 3, 0), day


def _month_by_name(text: str, start: int) -> tuple[int, int]:
    match = re.compile("[A-Za-z]*").match(text, start)
    assert match is not None
    name = match[0][:9].upper()
    for number in range(12):
        if name[:3] == MONTH_NAMES[number] or name == ROMAN_MONTHS[number]:
            return number + 1, match.end()
    raise _UnreadableError


def _day_of_year(year: int, day: int) -> tuple[int, int]:
    for month in range(1, 13):
        length = MONTH_DAYS[month]
        if month == 2 and year % 4 == 0 and not (year % 100 == 0 and year > 1600 and year % 400):
            length = 29
        if day <= length:
            return month, day
        day -= length
    raise _UnreadableError


def _scan_clock(text: str, start: int) -> Clock | None:
    hour, end = strtol(text, start)
    if end == start:
        return None
    end += text[end : end + 1] in ("h", "H")
    if text[end : end + 1] != ":":
        return Clock(int32(hour), 0, 0.0, 1, end)
    begin = end + 1
    minute, end = strtol(text, begin)
    if end == begin:
        return None
    end += text[end : end + 1] in ("m", "M")
    if text[end : end + 1] != ":":
        return Clock(int32(hour), int32(minute), 0.0, 2, end)
    begin = end + 1
    second, end = strtod(text, begin)
    if end == begin:
        return None
    end += text[end : end + 1] in ("s", "S")
    return Clock(int32(hour), int32(minute), second, 3, end)


def _scan_zone(text: str, start: int) -> tuple[str, int]:
    if text[start : start + 1] in ("+", "-"):
        end = strtol(text, start)[1]
        return text[start:end][:7], end
    match = _ZONE.match(text[start:].upper())
    if match is None:
        raise _UnreadableError(start)
    return match[0], start + match.end()


def scan_duration(text: str, position: int = 0) -> tuple[float, str, int]:
    """
    Read a number and a unit letter as `parse_duration` of drms_names.c does.

    Returns
    -------
    amount : float
        The number.
    unit : str
        One of s, m, h, d, u.
    end : int
        Index behind the unit.

    Raises
    ------
    RecordSetError
        For what the server takes for no duration.
    """
    amount, end = strtod(text, position)
    if end == position or (math.isinf(amount) and "i" not in text[position:end].lower()):
        raise RecordSetError("a duration begins with a number, as in 12m or 1.5h", text, position)
    unit = text[end : end + 1]
    if not unit or unit not in "smhdu":
        raise RecordSetError(f"a duration ends in one of s, m, h, d, u, not in {unit!r}", text, end)
    return amount, unit, end + 1


def is_duration(text: str, position: int = 0) -> bool:
    """Whether a number and a unit letter stand at a position (`is_duration` of drms_names.c)."""
    end = strtod(text, position)[1]
    return end > position and text[end : end + 1] in tuple("smhdu")


_STRTOL = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_STRTOD = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:"
    r"(?P<hex>0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN](?:\([0-9a-zA-Z_]*\))?))"
)


def strtol(text: str, position: int = 0) -> tuple[int, int]:
    """C's `strtol`, base 10: the number and the index behind it, which is `position` where there is none."""
    match = _STRTOL.match(text, position)
    return (0, position) if match is None else (int(match[1]), match.end())


def strtod(text: str, position: int = 0) -> tuple[float, int]:
    """C's `strtod`: the number and the index behind it, which is `position` where there is none."""
    match = _STRTOD.match(text, position)
    if match is None:
        return 0.0, position
    number = match[1]
    if match["hex"]:
        try:
            return float.fromhex(number), match.end()
        except OverflowError:
            return math.copysign(math.inf, -1.0 if number.startswith("-") else 1.0), match.end()
    return float(number.partition("(")[0]), match.end()


def int32(number: int) -> int:
    """What a C int keeps of a long."""
    return (max(min(number, 2**63 - 1), -(2**63)) + 2**31) % 2**32 - 2**31


#: Beyond this many seconds the server prints Julian days whatever the zone.
_FAR = 6.776e16


def format_time(seconds: float, zone: str = "TAI", precision: int = 0) -> str:
    """
    Print a time exactly as the server does.

    Parameters
    ----------
    seconds : float
        TAI seconds since 1977.01.01_00:00:00_TAI; NaN and infinities print as Julian day 0.
    zone : str
        ``"TAI"``, ``"UTC"``, ``"UT"``, ``"TT"``, ``"GPS"``, ``"ISO"`` (``2014-01-01T00:00:00Z``), ``"JD"``, ``"MJD"``,
        a civil zone, a single letter (appended without underscore), or ``""`` for UTC without a word about it.
    precision : int
        Digits of the second, or with 0 none; -1 ends with the minute, -2 the hour, -3 the day, -4 the month, below
        that the year.

    Returns
    -------
    str
        For example ``2014.01.01_00:00:00_TAI``.

    Notes
    -----
    A second that rounds to 60 carries over, except that negative precisions cut. A leap second prints as
    ``:60`` in civil zones.

    Examples
    --------
    >>> format_time(1167609600.0)
    '2014.01.01_00:00:00_TAI'
    >>> format_time(1167609600.0, "ISO", 3)
    '2013-12-31T23:59:25.000Z'
    """
    if math.isnan(seconds) or math.isinf(seconds):
        seconds = JD_ZERO
    shown = zone.upper()
    if abs(seconds) > _FAR:
        shown = "JD"
    if shown in ("JD", "MJD"):
        day = (seconds + offset_of_tai(seconds, "TDT")[0]) / DAY + JD_EPOCH
        return f"{shown}_{day - 2400000.5 if shown == 'MJD' else day:.{max(precision, 0)}f}"
    date, leap = _clock(seconds, shown or "Z", precision)
    if shown == "ISO":
        if 1583 <= date.year <= 9999:
            return _iso(date, leap, precision)
        # the server has by now moved the time to UTC and does so once more
        shown = "Z"
        date, leap = _clock(seconds + offset_of_tai(seconds, "UTC")[0], shown, precision)
    pasted = len(shown) == 1 or shown[:1] in ("+", "-")
    suffix = "" if not shown else shown[:5] if pasted else f"_{shown[:5]}"
    text = f"{date.year:04d}.{date.month:02d}.{date.day:02d}_{date.hour:02d}:{date.minute:02d}"
    if precision >= 0:
        return f"{text}:{_seconds(date, leap, precision)}{suffix}"
    if precision >= -2:
        return text[: len(text) - 3 * (-1 - precision)] + suffix
    parts = (f"{date.year:04d}", f".{date.month:02d}", f".{date.day:02d}")
    return "".join(parts[: max(1, 6 + precision)]) + ("" if pasted else suffix or "_")


def _clock(seconds: float, zone: str, precision: int) -> tuple[Date, bool]:
    offset, leap = offset_of_tai(seconds, zone)
    date = date_of_seconds(seconds + offset)
    if precision >= 0 and date.second >= 60.0 - 0.5 * 0.1**precision:
        seconds = math.copysign(math.floor(abs(seconds) + 0.5), seconds)
        offset, leap = offset_of_tai(seconds, zone)
        date = date_of_seconds(seconds + offset)
    return date, leap


def _seconds(date: Date, leap: bool, precision: int) -> str:
    second = date.second + 1.0 if leap else date.second
    return f"{second:0{precision + 3 if precision else 2}.{precision}f}"


def _iso(date: Date, leap: bool, precision: int) -> str:
    if precision >= 0:
        clock = f"{date.hour:02d}:{date.minute:02d}:{_seconds(date, leap, precision)}"
        return f"{date.year:04d}-{date.month:02d}-{date.day:02d}T{clock}Z"
    text = f"{date.year:04d}-{date.month:02d}-{date.day:02d}T{date.hour:02d}:{date.minute:02d}"
    if precision >= -2:
        return text[: len(text) - 3 * (-1 - precision)] + "Z"
    return text[: max(4, 10 + 3 * (precision + 3))]
