"""Durations and cadences: every form that a user writes, made into seconds and into what DRMS reads."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final

import numpy as np

from ..errors import RecordSetError
from .server import scan_duration

_UNIT_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any, step: float | None = None) -> float:
    """
    Read a duration or cadence.

    Parameters
    ----------
    value : str, timedelta, numpy.timedelta64, astropy Quantity or number
        A string as DRMS reads it, ``12m``, ``1.5h``, ``45s``, ``1d``; a plain number counts seconds.
    step : float, optional
        Slot width in seconds, for the unit ``u``.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    RecordSetError
        For what is no duration; units other than s, m, h, d, u kill the server program.

    Examples
    --------
    >>> parse_duration("1.5h")
    5400.0
    """
    if isinstance(value, str):
        amount, unit, end = scan_duration(value)
        if end != len(value):
            raise RecordSetError(
                "a duration is one number and one unit, as in 90m: the server ignores the rest", value, end
            )
        if unit == "u":
            if step is None:
                raise RecordSetError(f"{value!r} counts slots: write s, m, h or d, or give the step")
            return amount * step
        return amount * _UNIT_SECONDS[unit]
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    if hasattr(value, "to_value") and hasattr(value, "unit"):
        try:
            return float(value.to_value("s"))
        except Exception as error:
            raise RecordSetError(f"{value!r} is no duration: its unit is not one of time ({error})") from None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise RecordSetError(f"{value!r} is no duration: write '12m', a timedelta, a Quantity or a number of seconds")
    return float(value)


def format_duration(value: Any) -> str:
    """
    Write a duration as DRMS reads it, in the largest unit that gives a whole number.

    Parameters
    ----------
    value : str, timedelta, numpy.timedelta64, astropy Quantity or number
        See `parse_duration`; a string is checked and kept.

    Returns
    -------
    str

    Raises
    ------
    RecordSetError
        For what is no duration, and for lengths that are not finite.

    Examples
    --------
    >>> format_duration(dt.timedelta(minutes=24)), format_duration(5400), format_duration(0.5), format_duration("1.5h")
    ('24m', '90m', '0.5s', '1.5h')
    """
    if isinstance(value, str):
        value = value.strip()
        seconds = parse_duration(value, 1.0)
    else:
        seconds = parse_duration(value)
    if not math.isfinite(seconds):
        raise RecordSetError(f"{value!r} is no duration: it is not finite")
    if isinstance(value, str):
        return value
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
