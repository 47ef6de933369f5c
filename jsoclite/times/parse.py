"""
Times, durations and cadences: every form that a user writes, made into what DRMS understands.

A `DrmsTime` holds TAI seconds since 1977.01.01_00:00:00_TAI, as DRMS itself does. Reading is strict: a string is a
time only where the server reads all of it, and reads it as what it says. What its time library would misread without a
word (``+01:00``, unknown zones, month 13, days that do not exist) is a `RecordSetError` here. The library's own
behaviour is in `server`. Durations and cadences become seconds, and what DRMS reads.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final, overload

import numpy as np

from ..errors import RecordSetError
from .grammar import read_time_string
from .scale import BEGINS, BEGINS_UTC
from .server import format_time, scan_duration

_EPOCH = dt.datetime(1977, 1, 1)
_JD_1977 = 2443144.5
_SINCE_1970 = 220_924_800_000_000  # microseconds from 1970 to 1977, counted without leap seconds
_LAST = 9_223_372_036_854_775  # microseconds that datetime64[ns] reaches from 1970 either way
# dates of other programs: sunpy reads these, DRMS something else or nothing
_OTHER_DATES = re.compile(
    r"(?:(?P<year>[0-9]{4})(?:/(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})|:(?P<day_of_year>[0-9]{3}))"
    r"|(?P<day2>[0-9]{1,2})-(?P<month2>[A-Za-z]{3,9})-(?P<year2>[0-9]{4}))(?:[T _:](?P<clock>.+))?"
    r"|(?P<digits>[0-9]{14}(?:\.[0-9]+)?)"
)
_EPOCH64 = np.datetime64("1977-01-01T00:00:00", "us")


@dataclass(frozen=True, slots=True, order=True)
class DrmsTime:
    """
    An instant, as DRMS counts it.

    Attributes
    ----------
    seconds : float
        TAI seconds since 1977.01.01_00:00:00_TAI.
    scale : str
        "tai" or "utc": how it was written. Two times are equal where the instant is, whatever the scale.

    Examples
    --------
    >>> str(utc("2014-01-01T00:00:00Z"))
    '2014.01.01_00:00:35_TAI'
    >>> tai("2014.01.01") + dt.timedelta(minutes=12)
    DrmsTime('2014.01.01_00:12:00_TAI')
    """

    seconds: float
    scale: str = field(default="tai", compare=False)

    @classmethod
    def parse(cls, text: str, scale: str = "utc") -> DrmsTime:
        """
        Read a string in a form of DRMS itself, which can stand in a record set as it is.

        Raises
        ------
        RecordSetError
            For every other.
        """
        return cls(*read_time_string(text, scale))

    def __str__(self) -> str:
        return self.tai

    def __repr__(self) -> str:
        return f"DrmsTime({self.tai!r})"

    @property
    def tai(self) -> str:
        """``YYYY.MM.DD_hh:mm:ss_TAI``, with up to five digits of a fraction where there is one.

        The server's own arithmetic resolves about two microseconds.
        """
        moment = self._count(self.seconds)
        if moment is None:
            return format_time(self.seconds, "TAI", 5 if self.seconds % 1.0 else 0)
        return f"{moment:%Y.%m.%d_%H:%M:%S}{_fraction(moment.microsecond)}_TAI"

    @property
    def utc(self) -> str:
        """``YYYY-MM-DDThh:mm:ssZ``, with a fraction where there is one; a leap second shows as ``:60``."""
        seconds = round(self.seconds, 5)
        digits = len(_fraction(round(seconds % 1.0 * 1e6))) - 1
        return format_time(seconds, "ISO", max(digits, 0))

    @property
    def datetime64(self) -> np.datetime64:
        """UTC as numpy ``datetime64[ns]``, which has no leap seconds: ``:60`` is the first second of the next day."""
        microseconds = round((self.seconds - _leaps(self.seconds)) * 1e6) + _SINCE_1970
        if abs(microseconds) > _LAST:
            raise RecordSetError(f"{self} lies outside of what datetime64[ns] holds, 1678 to 2261")
        return np.datetime64(1000 * microseconds, "ns")

    def to_datetime(self) -> dt.datetime:
        """UTC as an aware `datetime.datetime`; a leap second is the first second of the next day."""
        seconds = self.seconds - _leaps(self.seconds)
        return _EPOCH.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=round(seconds * 1e6))

    def to_astropy(self) -> Any:
        """
        Return an `astropy.time.Time`, leap seconds and all, in the scale in which this one was written.

        Examples
        --------
        >>> tai("2014-01-01").to_astropy()
        <Time object: scale='tai' format='isot' value=2014-01-01T00:00:00.000>
        """
        return Times([self]).to_astropy()[0]

    @staticmethod
    def _count(seconds: float) -> dt.datetime | None:
        """Date of a count of seconds; None where Python's calendar is not the server's."""
        try:
            moment = _EPOCH + dt.timedelta(microseconds=10 * round(seconds * 1e5))
        except OverflowError:
            return None
        return moment if moment.year > 1582 else None

    def __add__(self, other: object) -> DrmsTime:
        if isinstance(other, dt.timedelta | np.timedelta64):
            return DrmsTime(round(self.seconds + parse_duration(other), 9), self.scale)
        return NotImplemented

    __radd__ = __add__

    @overload
    def __sub__(self, other: DrmsTime) -> dt.timedelta: ...
    @overload
    def __sub__(self, other: dt.timedelta | np.timedelta64) -> DrmsTime: ...
    def __sub__(self, other: object) -> DrmsTime | dt.timedelta:
        if isinstance(other, DrmsTime):
            return dt.timedelta(microseconds=round((self.seconds - other.seconds) * 1e6))
        if isinstance(other, dt.timedelta | np.timedelta64):
            return DrmsTime(round(self.seconds - parse_duration(other), 9), self.scale)
        return NotImplemented


class Times(list[DrmsTime]):
    """
    Several times; `numpy`, `pandas` and `astropy.time.Time` take them as UTC.

    Examples
    --------
    >>> tai("2014-01-01", "2014-01-02").to_astropy()
    <Time object: scale='tai' format='isot' value=['2014-01-01T00:00:00.000' '2014-01-02T00:00:00.000']>
    """

    def to_astropy(self) -> Any:
        """Return an array-valued `astropy.time.Time`, in TAI unless all were written in UTC; with leap seconds."""
        from astropy.time import Time

        days = np.array([one.seconds for one in self]) / 86400.0
        moments = Time(_JD_1977, days, format="jd", scale="tai")
        moments.format = "isot"
        return moments.utc if {one.scale for one in self} == {"utc"} else moments

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """UTC as ``datetime64[ns]``; a leap second is the first second of the next day."""
        return np.array([one.datetime64 for one in self], dtype=dtype or "datetime64[ns]")


def parse_time(value: Any, scale: str = "utc") -> DrmsTime:
    """
    Read one time.

    Parameters
    ----------
    value : str, datetime, date, pandas.Timestamp, numpy.datetime64, astropy.time.Time or DrmsTime
        Strings in any form that DRMS reads: ``2014.01.01_00:00:00_TAI``, parts of it, ``2014-01-01T00:00:00Z``, day of
        the year, named and Roman months, fractional days, ``JD_…``, ``MJD_…``; and those that sunpy reads besides:
        ``2014/01/01 12:00``, ``01-Jan-2014``, ``2014:001:12:00:00``, ``20140101120000``. An aware datetime keeps its
        instant.
    scale : {"utc", "tai"}
        What input without a zone is meant in. UTC is what DRMS and sunpy take it for; JD and MJD without a zone are TT
        in DRMS, and here where `scale` is "utc". ``JD_…Z`` is UTC here, as it says; the server's own reader passes over
        that Z and takes TT (timeio.c), so what is sent is always written as ``…_TAI``.

    Returns
    -------
    DrmsTime

    Raises
    ------
    RecordSetError
        For anything that is no time, and for what the server's time library would read as another time than is written.

    Examples
    --------
    >>> str(parse_time("2014.Jan.01_12h"))
    '2014.01.01_12:00:35_TAI'
    """
    if isinstance(value, DrmsTime):
        return value
    if scale not in ("utc", "tai"):
        raise RecordSetError(f"the scale of a time is 'utc' or 'tai', not {scale!r}")
    if isinstance(value, str):
        return DrmsTime.parse(_as_drms(value), scale)
    if isinstance(value, bytes):
        return parse_time(value.decode("latin-1"), scale)
    if isinstance(value, np.datetime64):
        return _of_datetime64(value.astype("M8[us]"), scale)
    if isinstance(value, dt.datetime):
        return _of_datetime(value, scale)
    if isinstance(value, dt.date):
        return _of_datetime(dt.datetime(value.year, value.month, value.day), scale)
    if hasattr(value, "jd1") and hasattr(value, "tai"):
        return _of_astropy(value)
    raise RecordSetError(
        f"{value!r} is no time: write a string such as '2014.01.01_00:00:00_TAI', a datetime, datetime64 or astropy "
        "Time"
    )


def _as_drms(text: str) -> str:
    """Write the dates of other programs as DRMS does; the day comes first only where the month is a word."""
    match = _OTHER_DATES.fullmatch(text.strip())
    if match is None:
        return text
    found = {name: value for name, value in match.groupdict().items() if value}
    date = ".".join(
        found[name] for name in ("year", "year2", "month", "month2", "day", "day2", "day_of_year") if name in found
    )
    if "digits" in found:
        digits = found["digits"]
        return f"{digits[:4]}.{digits[4:6]}.{digits[6:8]}_{digits[8:10]}:{digits[10:12]}:{digits[12:]}"
    return f"{date}_{found['clock']}" if "clock" in found else date


def tai(value: Any, *more: Any) -> Any:
    """
    Read one or several times; what has no zone is TAI.

    Parameters
    ----------
    value : time or sequence of times
        See `parse_time`.
    *more : time
        Others: ``tai(first, last)`` is a list of both.

    Returns
    -------
    DrmsTime or Times
        `Times` (a list of `DrmsTime`) where `value` is a list, an array, a Series or an array-valued `Time`.

    Raises
    ------
    RecordSetError
        See `parse_time`.

    Examples
    --------
    >>> str(tai("2015-08-27T06:00:00"))
    '2015.08.27_06:00:00_TAI'
    """
    return _one_or_many([value, *more] if more else value, "tai")


def utc(value: Any, *more: Any) -> Any:
    """
    Read one or several times; what has no zone is UTC, but for columns of ``times="tai"``. Everything else is as for
    `tai`.

    Parameters
    ----------
    value : time or sequence of times
        See `parse_time`.
    *more : time
        Others.

    Returns
    -------
    DrmsTime or Times
        `Times` (a list of `DrmsTime`) where `value` is a list, an array, a Series or an array-valued `Time`.

    Raises
    ------
    RecordSetError
        See `parse_time`; also for a naive column named as a time keyword that has forgotten its scale.

    Examples
    --------
    >>> str(utc("2015-08-27T06:00:00"))
    '2015.08.27_06:00:36_TAI'
    """
    return _one_or_many([value, *more] if more else value, "utc")


def is_time(value: Any, format: str | None = None) -> bool:
    """
    Whether `parse_time` reads it.

    Parameters
    ----------
    value : object
        What may be a time.
    format : str, optional
        Whether it is a string in this form of `datetime.datetime.strptime`, too.

    Examples
    --------
    >>> is_time("2014.01.01_TAI"), is_time("2014.13.01"), is_time("2014-01-01T00:00:00+01:00")
    (True, False, False)
    >>> is_time("2014-01-01", "%Y-%m-%d"), is_time("2014-01-01", "%d.%m.%Y")
    (True, False)
    """
    try:
        if format is not None:
            dt.datetime.strptime(value, format)
        parse_time(value)
    except (RecordSetError, ValueError, TypeError):
        return False
    return True


def is_time_key(name: str) -> bool:
    """Whether a keyword is a time, by the names that JSOC gives them."""
    upper = name.upper()
    return upper.startswith(("T_REC", "T_OBS", "DATE", "T_FRST", "T_LAST")) and not upper.endswith(
        ("_INDEX", "_STEP", "_UNIT", "_ROUND")
    )


def _scale_of(column: Any, scale: str) -> str:
    """
    Return the scale that a column of datetimes is meant in, and `scale` for everything else.

    ``times="tai"`` makes naive columns, and pandas gives the naive ones of others no scale either; ours say in their
    ``attrs`` which they are, but a merge forgets it.
    """
    dtype, name = getattr(column, "dtype", None), str(getattr(column, "name", None))
    if getattr(dtype, "kind", "") != "M" or getattr(dtype, "tz", None) is not None:
        return scale
    if name in getattr(column, "attrs", {}).get("jsoc", {}).get("tai", ()):
        return "tai"
    if is_time_key(name) and scale == "utc":
        raise RecordSetError(
            f"{name} is a column of datetimes without a zone, and pandas has forgotten whether they are TAI: write "
            f"jsoclite.tai(df.{name}), or df.{name}.dt.tz_localize('UTC') if they are UTC"
        )
    return scale


def _one_or_many(value: Any, scale: str) -> Any:
    if isinstance(value, str | bytes | dt.date | np.datetime64 | DrmsTime) or getattr(value, "isscalar", False):
        return parse_time(value, scale)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return parse_time(value[()], scale)
    try:
        several = list(value)
    except TypeError:
        return parse_time(value, scale)
    scale = _scale_of(value, scale)
    return Times(parse_time(one, scale) for one in several)


def _of_datetime(value: dt.datetime, scale: str) -> DrmsTime:
    if value != value:
        raise RecordSetError("NaT is no time: drop rows without a time first")
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
        scale = "utc"
    since = value.replace(tzinfo=None) - _EPOCH
    nanoseconds = getattr(value, "nanosecond", 0)  # of a pandas Timestamp
    return _of_count(since.days * 86400 + since.seconds, since.microseconds / 1e6 + nanoseconds / 1e9, scale)


def _of_datetime64(value: np.datetime64, scale: str) -> DrmsTime:
    if np.isnat(value):
        raise RecordSetError("NaT is no time: drop rows without a time first")
    seconds, microseconds = divmod(int((value - _EPOCH64).astype(np.int64)), 1_000_000)
    return _of_count(seconds, microseconds / 1e6, scale)


def _of_count(seconds: int, fraction: float, scale: str) -> DrmsTime:
    offset = bisect_right(BEGINS_UTC, seconds) if scale == "utc" else 0
    return DrmsTime(seconds + offset + fraction, scale)


def _of_astropy(value: Any) -> DrmsTime:
    moment = value.tai
    days, rest = float(moment.jd1) - _JD_1977, float(moment.jd2)
    seconds = round(days * 86400.0 + rest * 86400.0, 6)
    if not math.isfinite(seconds):
        raise RecordSetError(f"{value!r} is masked: drop rows without a time first")
    return DrmsTime(seconds, "tai" if value.scale == "tai" else "utc")


def _leaps(seconds: float) -> int:
    return bisect_right(BEGINS, seconds)


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06d}".rstrip("0") if microseconds else ""


_UNIT_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any, step: float | None = None) -> float:
    """
    Read a duration or cadence.

    Parameters
    ----------
    value : str, timedelta, numpy.timedelta64, astropy Quantity or TimeDelta, or number
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
    if hasattr(value, "to_value"):  # a Quantity or a TimeDelta
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
    value : str, timedelta, numpy.timedelta64, astropy Quantity or TimeDelta, or number
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


def tell_astropy() -> None:
    """Let `astropy.time.Time` take a `DrmsTime`, by a format of its own, called "drms"."""
    from astropy.time import Time
    from astropy.time.formats import TimeUnique

    class TimeDrms(TimeUnique):  # type: ignore[misc, unused-ignore]
        name = "drms"
        _default_scale = "tai"

        def _check_val_type(self, values: Any, more: Any) -> Any:
            if more is not None or not all(isinstance(one, DrmsTime) for one in values.flat):
                raise TypeError("the format drms takes a jsoclite.DrmsTime, or an array of them")
            return values, None

        def set_jds(self, values: Any, _: Any) -> None:
            # leap seconds and all, whatever scale is asked for
            moments = getattr(Times(values.flat).to_astropy(), self._check_scale(self._scale))
            self.jd1, self.jd2 = (days.reshape(values.shape) for days in (moments.jd1, moments.jd2))

        def to_value(self, parent: Any = None, out_subfmt: Any = None) -> Any:
            moments = Time(self.jd1, self.jd2, format="jd", scale=self._scale).tai
            seconds = (moments - Time(_JD_1977, format="jd", scale="tai")).to_value("s")
            made = [DrmsTime(round(float(one), 5)) for one in np.ravel(seconds)]
            found = np.empty(len(made), dtype=object)
            found[:] = made
            return found.reshape(np.shape(seconds))

        value = property(to_value)


if hasattr(sys.modules.get("astropy.time"), "Time"):
    tell_astropy()
