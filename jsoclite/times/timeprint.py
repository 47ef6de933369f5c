"""Printing of times as the server does (`sprint_time`, timeio.c)."""

from __future__ import annotations

import math

from .scale import DAY, JD_EPOCH, JD_ZERO, Date, date_of_seconds, offset_of_tai

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
