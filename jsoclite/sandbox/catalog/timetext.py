"""
Printing whole columns of times as the server prints one (`sprint_time`, timeio.c).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ...times.scale import LEAP_SECONDS
from ...times.timeprint import format_time

_ZONES: Final = frozenset({"TAI", "UTC", "UT", "ISO", "TT", "TDT"})
_LEAPS: Final = np.array([begin for begin, _ in LEAP_SECONDS])
# 00:00 to 23:59
_CLOCKS: Final = (
    np.array([f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440)], "S5").view("S1").reshape(-1, 5)
)
_SINCE_1600: Final = 11897020800.0  # to 1977
_FAST_FROM, _FAST_TO = -5.0e8, 7.0e9  # within the Gregorian calendar, after the first leap second, four digits of year


def times(seconds: npt.NDArray[np.float64], zone: str, precision: int) -> list[str]:
    """
    Print times as `sprint_time` (timeio.c) does.

    Parameters
    ----------
    seconds : array of float64, shape (n,)
        TAI seconds since 1977.01.01_00:00:00_TAI.
    zone : str
        Zone, or ISO.
    precision : int
        Decimals of the seconds; negative: fields left out.

    Returns
    -------
    list of str
    """
    first = seconds[0]
    if (seconds == first).all():
        return [format_time(float(first), zone, precision)] * len(seconds)
    name = zone.upper()
    if name not in _ZONES or not 0 <= precision <= 9 or len(seconds) < 16:
        return [format_time(value, zone, precision) for value in seconds.tolist()]
    with np.errstate(invalid="ignore"):
        slow = ~((seconds > _FAST_FROM) & (seconds < _FAST_TO))
        nearest = np.searchsorted(_LEAPS, seconds)
        for step in (-1, 0):  # two seconds around a leap second, where clocks show :60
            slow |= np.abs(seconds - _LEAPS[np.clip(nearest + step, 0, len(_LEAPS) - 1)]) < 3.0
    texts = _calendar(np.where(slow, 1.0e9, seconds), name, precision)
    for row in np.flatnonzero(slow).tolist():
        texts[row] = format_time(float(seconds[row]), zone, precision)
    return texts


def _clock(seconds: npt.NDArray[np.float64], zone: str) -> npt.NDArray[np.float64]:
    """What a clock of the zone shows, as seconds since 1977."""
    if zone == "TAI":
        return seconds
    if zone in ("TT", "TDT"):
        return seconds + 32.184
    return seconds - np.searchsorted(_LEAPS, seconds, side="right")


def _calendar(seconds: npt.NDArray[np.float64], zone: str, precision: int) -> list[str]:
    # the server counts from 1600, which costs the fraction its last digits
    shown = _clock(seconds, zone) + _SINCE_1600
    second = shown - 60.0 * np.floor(shown / 60.0)
    carry = second >= 60.0 - 0.5 * 0.1**precision
    if carry.any():  # it rounds the time itself to a whole second rather than print :60
        shown = np.where(
            carry, _clock(np.copysign(np.floor(np.abs(seconds) + 0.5), seconds), zone) + _SINCE_1600, shown
        )
    minute = np.floor(shown / 60.0)
    second = shown - 60.0 * minute
    minute -= _SINCE_1600 / 60.0
    iso = zone == "ISO"
    width = precision + 3 if precision else 2
    tail = b"Z\n" if iso else b"_" + zone.encode() + b"\n"
    day, of_day = np.divmod(minute.astype(np.int64), 1440)
    days, where = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(np.datetime64("1977-01-01", "D") + days).astype("S10").view("S1").reshape(-1, 10)
    rows = np.empty((len(seconds), 17 + width + len(tail)), dtype="S1")
    rows[:, :10] = dates[where]
    rows[:, 10] = b"T" if iso else b"_"
    if not iso:
        rows[:, [4, 7]] = b"."
    rows[:, 11:16] = _CLOCKS[of_day]
    rows[:, 16] = b":"
    rows[:, 17 : 17 + width] = _seconds(second, precision, width)
    rows[:, 17 + width :] = np.frombuffer(tail, dtype="S1")
    return rows.tobytes().decode("ascii").split("\n")[:-1]


def _seconds(second: npt.NDArray[np.float64], precision: int, width: int) -> npt.NDArray[np.bytes_]:
    form = f"%0{width}.{precision}f"
    if (second == np.floor(second)).all():
        table = np.array([(form % value).encode() for value in range(60)], dtype=f"S{width}")
        cells = table[second.astype(np.int64)]
    else:
        text = (form * len(second)) % tuple(second.tolist())
        cells = np.frombuffer(text.encode(), dtype=f"S{width}")
    return np.ascontiguousarray(cells).view("S1").reshape(-1, width)
