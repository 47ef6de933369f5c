"""
Strict reading of time strings: what the server reads as it is written, and nothing else.

The parts and the value come from the server's own reader (`server`); here is decided whether it can be
trusted with them.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right

from ..errors import RecordSetError
from .scale import BEGINS_UTC, JD_ZERO, MONTH_DAYS, offset_of_clock, seconds_of_date
from .server import MONTH_NAMES, ROMAN_MONTHS, CalendarDate, Clock, Reading, read_time

#: The two forms that nearly all times have; read without the server's reader, to the same value.
_PLAIN = re.compile(
    r"([0-9]{4})(?:\.([0-9]{2})\.([0-9]{2})_|-([0-9]{2})-([0-9]{2})[T _])([0-9]{2}):([0-9]{2}):([0-9]{2})(Z|_TAI|_UTC)?"
)
# digits of a clock without colons, which the server takes for hours alone ("0012" for 12:00, "000001" for 1:00)
_COMPACT = re.compile(
    r"(?P<date>[0-9]{8}|[0-9]{4}[.-][0-9]{2}[.-][0-9]{2})[T_ ](?P<clock>[0-9]{4}(?:[0-9]{2})?)(?P<rest>[^0-9:].*|)"
)
_MANY_DIGITS = re.compile(r"[T_ :][0-9]{3,}(?=:)|[T_ ][0-9]{3,}(?![0-9]*[.-])(?=[^0-9]|$)")
_JULIAN = re.compile(r"M?JD_[+-]?[0-9]*\.?[0-9]*(?:_.*)?", re.IGNORECASE)
_MONTH_WORD = re.compile(r"-?[0-9]+[.-]([A-Za-z]+)")
_SIGNED_ZONE = re.compile(r"[+-](0[0-9]|1[0-4])[0-5][0-9]")
_FULL_MONTHS = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)
_EPOCH_DAY = dt.date(1977, 1, 1).toordinal()
_NO_LEAPS = frozenset(("TAI", "TT", "TDT", "GPS"))


def read_time_string(text: str, scale: str) -> tuple[float, str]:
    """
    Read a time string that the server would read as it is written.

    Parameters
    ----------
    text : str
        A time in any form of DRMS; blanks around it are ignored.
    scale : {"utc", "tai"}
        Scale of a string without a zone.

    Returns
    -------
    seconds : float
        TAI seconds since 1977.01.01_00:00:00_TAI.
    scale : str
        "tai" or "utc", as written.

    Raises
    ------
    RecordSetError
        For everything else, with the reason and the remedy.
    """
    plain = _PLAIN.fullmatch(text)
    if plain:
        found = _read_plain(plain, scale)
        if found is not None:
            return found
    return _read_any(text, scale)


def _read_plain(match: re.Match[str], scale: str) -> tuple[float, str] | None:
    year, month, day, iso_month, iso_day, hour, minute, second, zone = match.groups()
    clock = int(hour), int(minute), int(second)
    if clock[0] > 23 or clock[1] > 59 or clock[2] > 59 or year < "1583":
        return None
    try:
        days = dt.date(int(year), int(month or iso_month), int(day or iso_day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    if zone:
        scale = "tai" if zone == "_TAI" else "utc"
    return float(seconds if scale == "tai" else seconds + bisect_right(BEGINS_UTC, seconds)), scale


def _read_any(text: str, scale: str) -> tuple[float, str]:
    body = text.strip(" ")
    if not body.isascii() or len(body) > 100:
        raise _error(text, "a time is a short ASCII string")
    compact = _COMPACT.fullmatch(body)
    if compact:
        date, clock = compact["date"], compact["clock"]
        date = date if len(date) > 8 else f"{date[:4]}.{date[4:6]}.{date[6:]}"
        body = f"{date}_{clock[:2]}:{clock[2:4]}:{clock[4:] or '00'}{compact['rest']}"
    elif not body.upper().lstrip("M").startswith("JD") and (many := _MANY_DIGITS.search(body)):
        raise _error(text, f"{many[0][1:]!r} is no part of a clock; write it with colons, as in 2014-07-01T12:00:00")
    reading = read_time(body)
    left = body[reading.consumed :]
    if (left in ("Z", "z") and reading.zone is None) or (left == ":00" and reading.zone in ("+00", "-00")):
        # the server passes over these, and takes the string for UTC as it should
        body = f"{body[: reading.consumed - len(reading.zone or '')].rstrip('_')}_UTC"
        reading = read_time(body)
    _check_all_read(text, body, reading)
    if reading.zone is None and scale == "tai":
        body = f"{body}_TAI"
        reading = read_time(body)
    if reading.date is None:
        if not _JULIAN.fullmatch(body):
            raise _error(text, "a Julian day is a plain number, as in JD_2456658.5 or MJD_56658_TAI")
    else:
        _check_date(text, body, reading.date)
        _check_clock(text, reading, reading.date, reading.clock)
    zone = (reading.zone or "UTC").upper()
    if zone[0] in "+-" and not _SIGNED_ZONE.fullmatch(zone):
        raise _error(
            text, f"the server reads the offset {zone} as hours and minutes without a colon: write four digits, +0100"
        )
    if abs(reading.seconds - JD_ZERO) < 1e-4:
        raise _error(text, "Julian day 0 is how DRMS writes a missing time")
    return reading.seconds, "tai" if zone == "TAI" else "utc"


def _error(text: str, reason: str) -> RecordSetError:
    return RecordSetError(f"{text!r} is no time that DRMS reads as it is written: {reason}")


def _check_all_read(text: str, body: str, reading: Reading) -> None:
    left = body[reading.consumed :]
    if reading.seconds == JD_ZERO and reading.date is None and not body.upper().lstrip("M").startswith("JD_0"):
        remedy = "write 2014.01.01_00:00:00_TAI, 2014-01-01T00:00:00Z or a part of these"
        month = re.match(r"[0-9]{4}[.-](1[3-9]|[2-9][0-9])\b", body)
        raise _error(text, f"there is no month {month[1]}" if month else remedy)
    if not left:
        return
    if left[0] == ":" and (reading.zone or "")[:1] in ("+", "-"):
        raise _error(text, "the server reads +01:00 as one minute: write +0100, or Z and the time in UTC")
    if re.match("[A-Za-z_]", left):
        known = "TAI, UTC, UT, Z, TT, GPS, a letter, an American or European abbreviation or +hhmm"
        raise _error(text, f"the server would pass over {left!r}; it knows the zones {known}")
    raise _error(text, f"the server would pass over {left!r}: write 2014.01.01_00:00:00_TAI or 2014-01-01T00:00:00Z")


def _check_date(text: str, body: str, date: CalendarDate) -> None:
    year, month, day = date[:3]
    if not 1 <= month <= 12:
        raise _error(text, f"there is no month {month}, and the server would count on into another year")
    leap = year % 4 == 0 and (year % 100 != 0 or year <= 1600 or year % 400 == 0)
    length = 29 if month == 2 and leap else MONTH_DAYS[month]
    if day > 31 and re.match(r"[0-9]{1,2}\D", body):
        raise _error(text, "the server reads the year first: write 2014.01.31, not 31.01.2014")
    if not 1 <= day <= length:
        raise _error(
            text, f"{year:04d}.{month:02d} has {length} days, and the server would count on into another month"
        )
    if (year, month) == (1582, 10) and 5 <= day <= 14:
        raise _error(text, "1582.10.05 to 1582.10.14 were left out when the calendar changed")
    if date.fraction and (
        not re.fullmatch("[0-9]+", date.fraction) or len(date.fraction) > 9 or re.match("0+[1-9]", date.fraction)
    ):
        raise _error(
            text, "the server drops zeros behind the point of a day and reads at most nine digits: write a clock"
        )
    word = _MONTH_WORD.match(body)
    if (
        word
        and not any(full.startswith(word[1].upper()) for full in _FULL_MONTHS)
        and word[1].upper() not in ROMAN_MONTHS
    ):
        raise _error(text, f"the server would read {word[1]!r} as {MONTH_NAMES[month - 1].title()}")


def _check_clock(text: str, reading: Reading, date: CalendarDate, clock: Clock | None) -> None:
    if clock is None or date.fraction:
        return
    hour, minute, second = clock[:3]
    if (hour, minute, second) == (24, 0, 0.0):
        return
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0.0 <= second < 61.0):
        hint = "; a clock behind a compact date needs its colons, as in 2014-07-01T12:00:00" if hour > 99 else ""
        raise _error(text, f"there is no such time of day, and the server would count on{hint}")
    if second >= 60.0:
        shown = seconds_of_date(date.year, date.month, date.day, hour, minute, second)
        zone = (reading.zone or "UTC").upper()
        leap = shown - offset_of_clock(shown, zone, True) != shown - offset_of_clock(shown, zone, False)
        if zone in _NO_LEAPS or not leap:
            raise _error(text, "this is no leap second, and the server would count on into the next minute")
