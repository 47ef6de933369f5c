"""
Scales, zones, leap seconds and the calendar, as the server's time library (timeio.c) has them.

A time is a float: TAI seconds since 1977.01.01_00:00:00_TAI. Sums are done in the order of the C code, so that
fractions of a second round alike.
"""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

#: What the server's time library makes of anything that it cannot read: Julian day 0 in TDT.
JD_ZERO: Final = -211087684832.184

#: First TAI second (since 1977) after each step of TAI - UTC, with the offset that holds from then on. The steps
#: before 1972 are those of the server's table, which are whole seconds and not historical.
LEAP_SECONDS: Final = (
    (-536543999.0, 1),  # 1960.01.01
    (-457747198.0, 2),  # 1962.07.01
    (-394588797.0, 3),  # 1964.07.01
    (-363052796.0, 4),  # 1965.07.01
    (-331516795.0, 5),  # 1966.07.01
    (-284083194.0, 6),  # 1968.01.01
    (-252460793.0, 7),  # 1969.01.01
    (-220924792.0, 8),  # 1970.01.01
    (-189388791.0, 9),  # 1971.01.01
    (-157852790.0, 10),  # 1972.01.01
    (-142127989.0, 11),  # 1972.07.01
    (-126230388.0, 12),  # 1973.01.01
    (-94694387.0, 13),  # 1974.01.01
    (-63158386.0, 14),  # 1975.01.01
    (-31622385.0, 15),  # 1976.01.01
    (16.0, 16),  # 1977.01.01
    (31536017.0, 17),  # 1978.01.01
    (63072018.0, 18),  # 1979.01.01
    (94608019.0, 19),  # 1980.01.01
    (141868820.0, 20),  # 1981.07.01
    (173404821.0, 21),  # 1982.07.01
    (204940822.0, 22),  # 1983.07.01
    (268099223.0, 23),  # 1985.07.01
    (347068824.0, 24),  # 1988.01.01
    (410227225.0, 25),  # 1990.01.01
    (441763226.0, 26),  # 1991.01.01
    (489024027.0, 27),  # 1992.07.01
    (520560028.0, 28),  # 1993.07.01
    (552096029.0, 29),  # 1994.07.01
    (599529630.0, 30),  # 1996.01.01
    (646790431.0, 31),  # 1997.07.01
    (694224032.0, 32),  # 1999.01.01
    (915148833.0, 33),  # 2006.01.01
    (1009843234.0, 34),  # 2009.01.01
    (1120176035.0, 35),  # 2012.07.01
    (1214784036.0, 36),  # 2015.07.01
    (1262304037.0, 37),  # 2017.01.01
)

#: The instants of that table, as TAI seconds and as seconds counted without leap seconds. The server starts to correct
#: one second into 1960.
BEGINS: Final = tuple(begin for begin, _ in LEAP_SECONDS)
BEGINS_UTC: Final = (BEGINS[0], *(begin - offset for begin, offset in LEAP_SECONDS[1:]))

DAY: Final = 86400.0
JD_EPOCH: Final = 2443144.5  # 1977.01.01_00:00:00
_EPOCH_1601 = -11865398400.0
_EPOCH_1600 = -11897020800.0
_EPOCH_1582_10_15 = -12440217600.0
_EPOCH_1581 = -12495686400.0
_YEAR, _LEAP_YEAR = 31536000.0, 31622400.0
_YEARS_4, _YEARS_4_NO_LEAP = 126230400.0, 126144000.0
_CENTURY, _JULIAN_CENTURY = 3155673600.0, 3155760000.0
_YEARS_400, _JULIAN_YEARS_400 = 12622780800.0, 12623040000.0
MONTH_DAYS: Final = (31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # index 0 stands for no month

_ZONE_HOURS = {
    **dict.fromkeys(("PST", "YDT"), -8),
    **dict.fromkeys(("MST", "PDT"), -7),
    **dict.fromkeys(("CST", "MDT"), -6),
    **dict.fromkeys(("EST", "CDT"), -5),
    **dict.fromkeys(("AST", "EDT"), -4),
    **dict.fromkeys(("CET", "BST"), 1),
    **dict.fromkeys(("SST", "WST"), 8),
    **dict.fromkeys(("HST", "BDT"), -10),
    **dict.fromkeys(("YST", "HDT"), -9),
    "ADT": -3,
    "EET": 2,
    "JST": 9,
    "JDT": 10,
    "NZST": 12,
    "NZDT": 13,
}


class Date(NamedTuple):
    """What a clock shows: the calendar is Julian before 1582.10.15."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: float


def zone_seconds(zone: str) -> float:
    """Offset from UTC of a civil zone, in seconds; unknown names count as UTC (`zone_adjustment`, timeio.c)."""
    digits = re.match(r"\s*[+-]?[0-9]+", zone[:5])
    if digits:
        offset = int(digits[0])
        hours, minutes = divmod(abs(offset), 100)
        return math.copysign(60.0 * (minutes + 60.0 * hours), offset) if offset else 0.0
    if len(zone) == 1:
        if zone == "Z":
            return 0.0
        hours = ord(zone) - ord("A") + 1
        if zone > "I":
            hours -= 1
        if zone > "M":
            hours = ord("M") - ord(zone)
        return 3600.0 * hours
    return 3600.0 * _ZONE_HOURS.get(zone, 0)


def _fixed_offset(zone: str) -> float | None:
    """Seconds that TAI has to be changed by for the scales without leap seconds, None for civil time."""
    return {"TAI": 0.0, "TDT": 32.184, "TT": 32.184, "GPS": -19.0}.get(zone.upper())


def offset_of_clock(seconds: float, zone: str, leap: bool) -> float:
    """How far the clock of a zone is ahead of TAI, given what it shows as `seconds` (`utc_adjustment`, timeio.c)."""
    fixed = _fixed_offset(zone)
    if fixed is not None:
        return fixed
    offset = 0.0
    shown = seconds
    if shown >= LEAP_SECONDS[0][0]:
        shown += 1.0
        last = LEAP_SECONDS[0][0]
        for begin, _ in LEAP_SECONDS:
            if shown < begin:
                break
            shown += 1.0
            offset -= 1.0
            last = begin
        if leap and last + 1.0 <= shown < last + 3.0:
            offset += 1.0
    return offset + zone_seconds(zone)


def offset_of_tai(seconds: float, zone: str) -> tuple[float, bool]:
    """
    How far the clock of a zone is ahead of TAI at a TAI time, and whether that is a leap second.

    `tai_adjustment` of timeio.c.
    """
    fixed = _fixed_offset(zone)
    if fixed is not None:
        return fixed, False
    offset, leap = 0.0, False
    for begin, _ in LEAP_SECONDS:
        if seconds < begin - 1.0:
            break
        offset -= 1.0
        leap = leap or seconds < begin
    return offset + zone_seconds(zone), leap


def seconds_of_date(year: int, month: int, day: int, hour: int, minute: int, second: float) -> float:
    """Seconds since 1977 of a calendar date, summed in the server's order so that fractions round alike."""
    total = second + 60.0 * (minute + 60.0 * hour)
    total += DAY * (day - 1)
    years, month = divmod(month - 1, 12)
    year, month = year + years, month + 1
    since_1601 = year - 1601
    february = 28
    if since_1601 < 0:
        if year % 4 == 0:
            february = 29
        while since_1601 < 1:
            total -= _JULIAN_YEARS_400
            since_1601 += 400
        while since_1601 > 99:
            total += _JULIAN_CENTURY
            since_1601 -= 100
    else:
        if year % 400 == 0 or (year % 4 == 0 and year % 100 != 0):
            february = 29
        while since_1601 > 399:
            total += _YEARS_400
            since_1601 -= 400
        while since_1601 > 99:
            total += _CENTURY
            since_1601 -= 100
    for before in range(1, month):
        total += DAY * (february if before == 2 else MONTH_DAYS[before])
    while since_1601 > 3:
        total += _YEARS_4
        since_1601 -= 4
    while since_1601 > 0:
        total += _YEAR
        since_1601 -= 1
    total += _EPOCH_1601
    if total < _EPOCH_1582_10_15:  # the ten days that the Gregorian calendar left out
        total += 10 * DAY
    return total


def date_of_seconds(seconds: float) -> Date:
    """Calendar date of seconds since 1977 on whatever scale they are (`date_from_epoch_time`, timeio.c)."""
    rest = seconds
    if rest < _EPOCH_1582_10_15:
        year = 1585
        rest -= _EPOCH_1581 + _YEARS_4
        year, rest = _step_up(year, rest, 400, _JULIAN_YEARS_400)
        year, rest = _step_up(year, rest, 100, _JULIAN_CENTURY)
        year, rest = _step_up(year, rest, 4, _YEARS_4)
        length = _LEAP_YEAR
        while rest < 0.0:
            rest += length
            year -= 1
            length = _YEAR
    else:
        year = 1600
        rest -= _EPOCH_1600
        year, rest = _step_up(year, rest, 4, _YEARS_4)
        length = _YEAR
        while rest < 0.0:
            rest += length
            year -= 1
            length = _LEAP_YEAR if year % 4 == 1 else _YEAR
    if rest >= 1e3 * _YEARS_400:  # years nobody asks for, in one step: the loop below would take minutes
        cycles = math.floor(rest / _YEARS_400)
        rest -= cycles * _YEARS_400
        year += 400 * cycles
    length = _JULIAN_CENTURY
    while rest >= length:
        rest -= length
        year += 100
        length = _CENTURY if year % 400 else _JULIAN_CENTURY
    length = _YEARS_4_NO_LEAP if year % 100 == 0 and year % 400 else _YEARS_4
    while rest >= length:
        rest -= length
        year += 4
        length = _YEARS_4
    length = _LEAP_YEAR if year % 4 == 0 and (year % 100 or year % 400 == 0) else _YEAR
    while rest >= length:
        rest -= length
        year += 1
        length = _YEAR
    february = 29 if year % 4 == 0 and not (year % 100 == 0 and year > 1600 and year % 400) else 28
    month, days = 1, int(rest / DAY)
    while days >= (february if month == 2 else MONTH_DAYS[month]):
        length = february if month == 2 else MONTH_DAYS[month]
        days -= int(length)
        rest -= DAY * length
        month += 1
    day = int(rest / DAY)
    rest -= DAY * day
    hour = int(rest / 3600.0)
    rest -= 3600.0 * hour
    minute = int(rest / 60.0)
    rest -= 60.0 * minute
    return Date(year, month, day + 1, hour, minute, rest)


def _step_up(year: int, rest: float, years: int, length: float) -> tuple[int, float]:
    if rest < -1e3 * length:
        cycles = math.floor(-rest / length) - 1
        rest += cycles * length
        year -= years * cycles
    while rest < -length:
        rest += length
        year -= years
    return year, rest
