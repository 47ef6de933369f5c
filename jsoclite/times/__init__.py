"""
What the server's time words mean, and what users write for them.

A time is a number of TAI seconds since 1977.01.01_00:00:00_TAI, as DRMS stores it (`scale` knows leap seconds and
calendars). `words` is the server's own reader and printer, operation by operation (timeio.c, drms_names.c),
misreadings included. What users write goes through `parse_time`, `tai`, `utc`, which refuse what the server would
misread and give a `DrmsTime`; durations through `parse_duration`. Whole columns of time strings become ``datetime64``
by `to_datetime`.
"""

from . import server as words
from .columns import to_datetime
from .parse import DrmsTime, format_duration, is_time, is_time_key, parse_duration, parse_time, tai, utc

__all__ = [
    "DrmsTime",
    "format_duration",
    "is_time",
    "is_time_key",
    "parse_duration",
    "parse_time",
    "tai",
    "to_datetime",
    "utc",
    "words",
]
