"""
What the archive has and has not: gaps, eclipses, bad images, reprocessed stretches and data that went to tape.

Everything follows from the time alone, so that all series of an instrument agree. Days that published print-outs of
the archive show are kept whole: what they show is true here, too.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Final

import numpy as np

from .ephemeris import DAY, eclipsed
from .noise import BoolArray, FloatArray, IntArray, salt, uniform
from .spec import recorded

_ORIGIN: Final = date(1977, 1, 1)


def day_number(text: str) -> int:
    """Days since 1977.01.01 of a date written ``2014.01.01``."""
    year, month, day = (int(part) for part in text.split("."))
    return (date(year, month, day) - _ORIGIN).days


def moment(text: str) -> float:
    """TAI seconds since 1977 of a date, or of a date and minute written ``2014.01.01_12:36`` (TAI)."""
    day, _, clock = text.partition("_")
    hour, minute = (int(part) for part in clock.split(":")) if clock else (0, 0)
    return day_number(day) * DAY + hour * 3600.0 + minute * 60.0


#: The archive's "now": no record is younger, whenever it is asked.
END: Final = moment("2026.11.01")

_FIRST_DAY: Final = day_number("1996.01.01")
_LAST_DAY: Final = day_number("2026.11.01")


@cache
def _whole_days() -> IntArray:
    spans = recorded("whole_days")
    return np.concatenate([np.arange(day_number(first), day_number(last) + 1) for first, last in spans])


def published(times: FloatArray) -> BoolArray:
    """Whether a time lies in a day that published print-outs show."""
    return np.asarray(np.isin(np.floor(times / DAY).astype(np.int64), _whole_days()))


@cache
def intervals(instrument: str, purpose: str, chance: float, shortest: float, longest: float) -> FloatArray:
    """
    Stretches of time, at most one a day, none in published days.

    Returns
    -------
    ndarray
        Shape (n, 2): start and end, TAI seconds since 1977, ascending and apart.
    """
    days = np.arange(_FIRST_DAY, _LAST_DAY)
    name = f"{instrument} {purpose}"
    days = days[(uniform(days, name) < chance) & ~np.isin(days, _whole_days())]
    length = shortest * (longest / shortest) ** uniform(days, name + " length")
    start = days * DAY + uniform(days, name + " start") * np.maximum(0.0, DAY - length - 1.0)
    return np.stack([start, start + length], axis=1)


@cache
def outages(instrument: str) -> FloatArray:
    """Stretches without any record: manoeuvres, calibrations, lost telemetry (SOHO also lost 1998's summer)."""
    found = intervals(instrument, "outage", 0.03, 240.0, 7200.0)
    if instrument == "mdi":
        lost = (("1998.06.25", "1998.10.22"), ("1998.12.21", "1999.02.02"))
        vacation = np.array([[moment(first), moment(last)] for first, last in lost])
        inside = ((found[:, :1] < vacation[:, 1]) & (found[:, 1:] > vacation[:, 0])).any(axis=1)
        found = np.concatenate([found[~inside], vacation])
        found = found[np.argsort(found[:, 0])]
    return found


def reprocessed(instrument: str) -> FloatArray:
    """Stretches whose records were made a second time."""
    return intervals(instrument, "reprocessed", 0.02, 3600.0, 20000.0)


def inside(times: FloatArray, stretches: FloatArray) -> BoolArray:
    """Whether each time lies in one of the stretches."""
    which = np.searchsorted(stretches[:, 0], times, side="right") - 1
    return np.asarray((which >= 0) & (times < stretches[np.maximum(which, 0), 1]))


def quality(instrument: str, times: FloatArray) -> IntArray:
    """
    QUALITY as the signed 32-bit number of the database.

    Bit 31 says that there is no image, as ``drms.image_exists`` reads it: SDO was in the Earth's shadow (which sets bit
    9, too), or a frame was lost.
    """
    key = np.floor(times).astype(np.int64)
    chance = uniform(key, instrument + " quality")
    dark = eclipsed(times) if instrument in ("hmi", "aia") else np.zeros(len(times), dtype=bool)
    word = np.zeros(len(times), dtype=np.int64)
    word[chance < 0.004] = 0x400
    word[chance < 0.001] = 0x10000
    word[dark] |= 0x200
    word[dark | (chance > 0.9992)] -= 2**31
    flawed = np.flatnonzero(word)
    word[flawed[published(times[flawed])]] = 0
    if instrument == "hmi":
        # frames of the calibration, at six and eighteen hours
        word[(key % 43200 - 21600 >= 0) & (key % 43200 - 21600 <= 720) & (key % 720 == 0) & _calibrated(times)] |= (
            0x10400
        )
    return word


def _calibrated(times: FloatArray) -> BoolArray:
    """Years whose QUALITY marks images of the calibration twice a day."""
    return np.asarray((times >= moment("2011.01.01")) & (times < moment("2016.01.01")))


def on_tape(series: str, times: FloatArray) -> BoolArray:
    """Whether a series' files of that day are on tape only: one day in twenty until 2019, not the published ones."""
    days = np.floor(times / DAY).astype(np.int64)
    old = days < day_number("2019.01.01")
    return np.asarray(old & (uniform(days ^ (salt(series) & 0xFFFFFFFF), "tape") < 0.05) & ~published(times))
