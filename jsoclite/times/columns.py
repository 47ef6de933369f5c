"""
Columns of time strings, vectorised: DRMS strings to ``datetime64[ns]``, exact across leap seconds.

A server prints all values of a keyword alike, so a column is read by layouts: the first row that is not yet read gives
the layout (separators, digits of the fraction, zone), and all rows that have it are read together, as bytes.
`byte_rows` makes rows of bytes of columns of strings, whatever holds them: numpy, lists, pandas, Arrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import RecordSetError
from .grammar import read_time_string
from .scale import BEGINS, BEGINS_UTC, JD_ZERO, MONTH_DAYS
from .server import scan_time

#: What the server writes where a time should be, and what pandas and numpy make of nothing.
MISSING: Final = frozenset(
    (
        b"",
        b"MISSING",
        b"Invalid KeyLink",
        b"BadSegLink",
        b"NoDataFile",
        b"nan",
        b"NaN",
        b"NaT",
        b"None",
        b"<NA>",
    )
)

_NAT = np.iinfo(np.int64).min
_SECOND = 1_000_000_000
_SINCE_1970 = 220924800  # seconds from 1970 to 1977, counted without leap seconds
_LAST_DAY = 9223372036 // 86400 - 1  # of a datetime64[ns]
#: The leap seconds in nanoseconds since 1970, on the TAI scale and counted without them.
_BEGINS = (np.array(BEGINS, dtype=np.int64) + _SINCE_1970) * _SECOND
_BEGINS_UTC = (np.array(BEGINS_UTC, dtype=np.int64) + _SINCE_1970) * _SECOND
#: Nanoseconds that a scale without leap seconds is ahead of TAI; None: civil time.
_AHEAD: Final[dict[bytes, int | None]] = {
    b"_TAI": 0,
    b"_TT": 32_184_000_000,
    b"_TDT": 32_184_000_000,
    b"_GPS": -19 * _SECOND,
    b"_UTC": None,
    b"_UT": None,
    b"Z": None,
    b"_Z": None,
    b"": None,
}
_SEPARATORS = (b"..__::", b"--TT::", b"--  ::", b"--__::")
_SEPARATOR_COLUMNS = (4, 7, 10, 10, 13, 16)
_DIGIT_COLUMNS = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
_MONTH_LENGTHS = np.array(MONTH_DAYS, dtype=np.uint8)
#: Days that the years of so many centuries are shorter than 365.25.
_CENTURY_DAYS = np.array([century - century // 4 for century in range(23)], dtype=np.int32)
#: Days from the 0th of March of the year 0 to the 0th of a month, from 1970 on.
_DAYS_BEFORE = np.array([(((month + 9) % 12) * 153 + 2) // 5 for month in range(13)], dtype=np.int32) - 719469
_MAX_LAYOUTS = 8


def to_datetime(
    strings: Any, scale: Literal["utc", "tai"] = "utc", *, errors: Literal["raise", "coerce"] = "raise"
) -> NDArray[np.datetime64]:
    """
    Convert a column of time strings.

    Parameters
    ----------
    strings : sequence of str, or numpy array of dtype S, U or object
        Times as a DRMS server prints or reads them; those without a zone are UTC.
    scale : {"utc", "tai"}
        Scale of the result.
    errors : {"raise", "coerce"}
        What to do with a string that is no time: an error, or NaT.

    Returns
    -------
    numpy.ndarray
        Naive ``datetime64[ns]`` of the same length, one-dimensional. NaT where the time is missing: empty, ``MISSING``
        and the other words that the server has for it, None and NaN, and Julian day 0. Digits beyond the nanosecond
        are cut.

    Raises
    ------
    RecordSetError
        For a string that is no time (see `jsoclite.parse_time`) or that datetime64 cannot hold (years 1678 to 2261),
        unless `errors` is "coerce".

    Notes
    -----
    datetime64 has no leap seconds. In UTC ``23:59:60.5`` is the next day's ``00:00:00.5``, as in POSIX
    time; in TAI all instants are exact.

    Examples
    --------
    >>> to_datetime(["2014.01.01_00:00:00_TAI", "2014-01-01T00:00:00Z", "MISSING"])
    array(['2013-12-31T23:59:25.000000000', '2014-01-01T00:00:00.000000000',
                                     'NaT'], dtype='datetime64[ns]')
    """
    if scale not in ("utc", "tai"):
        raise RecordSetError(f"the scale of times is 'utc' or 'tai', not {scale!r}")
    blocks = [_convert(rows, scale, errors) for rows in byte_rows(strings)]
    if len(blocks) == 1:
        return blocks[0].view("M8[ns]")
    return np.concatenate([np.empty(0, dtype=np.int64), *blocks]).view("M8[ns]")


def _convert(matrix: NDArray[np.uint8], scale: str, errors: str) -> NDArray[np.int64]:
    """Nanoseconds since 1970 of strings that stand in rows."""
    result = np.empty(len(matrix), dtype=np.int64)
    left: NDArray[np.intp] | None = None  # rows not yet read; None: all of them
    for _ in range(_MAX_LAYOUTS):
        part = matrix if left is None else matrix[left]
        if len(part) == 0:
            return result
        fits: NDArray[np.bool_] | None = np.zeros(1, dtype=bool)
        for row in (0, len(part) // 2, len(part) // 3, -1):
            layout = _Layout.of(_text(part[row]))
            if layout is not None:
                fits, nanoseconds = layout.read(part, scale == "tai")
                break
        if fits is not None and not fits.any():
            # a word such as MISSING, another form of time, a leap second: with all rows that say the same
            fits = (part == part[0]).all(axis=1)
            nanoseconds = np.full(len(part), _one(_text(part[0]), scale, errors), dtype=np.int64)
        if left is None:
            result, left = nanoseconds, np.arange(len(part))
        elif fits is None:
            result[left] = nanoseconds
        else:
            result[left[fits]] = nanoseconds[fits]
        left = left[:0] if fits is None else left[~fits]
    known: dict[bytes, int] = {}
    for row in left if left is not None else ():
        text = _text(matrix[row])
        if text not in known:
            known[text] = _one(text, scale, errors)
        result[row] = known[text]
    return result


def _text(row: NDArray[np.uint8]) -> bytes:
    return row.tobytes().rstrip(b"\0")


def _one(text: bytes, scale: str, errors: str) -> int:
    """Nanoseconds since 1970 of one string, by the reader for all forms."""
    text = text.strip()
    if text in MISSING:
        return _NAT
    string = text.decode("utf-8", "replace")
    try:
        if (
            string.isascii()
            and abs(scan_time(string) - JD_ZERO) < 40.0
            and string[:5].upper() in ("-4712", "JD_0", "JD_0.")
        ):
            return _NAT
        seconds = read_time_string(string, "utc")[0]
        nanoseconds = (math.floor(seconds) + _SINCE_1970) * _SECOND + round(seconds % 1.0 * 1e6) * 1000
        if scale == "utc":
            nanoseconds -= int(np.searchsorted(_BEGINS, nanoseconds, "right")) * _SECOND
        if abs(nanoseconds) > _LAST_DAY * 86400 * _SECOND:
            raise RecordSetError(f"{string!r} lies outside of what datetime64[ns] holds, 1678 to 2261")
    except RecordSetError:
        if errors == "coerce":
            return _NAT
        raise
    return nanoseconds


class _Layout:
    """``YYYY?MM?DD?hh:mm:ss``, a fraction of so many digits, a zone."""

    def __init__(self, separators: bytes, digits: int, zone: bytes) -> None:
        self.separators, self.digits, self.zone = separators, digits, zone

    @classmethod
    def of(cls, text: bytes) -> _Layout | None:
        separators = bytes(text[at : at + 1][0] if len(text) > at else 0 for at in _SEPARATOR_COLUMNS)
        rest = text[19:]
        digits = len(rest) - len(rest[1:].lstrip(b"0123456789")) - 1 if rest.startswith(b".") else 0
        zone = rest[digits + 1 :] if rest.startswith(b".") else rest
        if separators not in _SEPARATORS or zone not in _AHEAD or (rest.startswith(b".") and not digits):
            return None
        return cls(separators, digits, zone)

    def read(self, rows: NDArray[np.uint8], tai: bool) -> tuple[NDArray[np.bool_] | None, NDArray[np.int64]]:
        """
        Read the rows that have this layout and show a time of the calendar, block by block.

        Blocks that stay in the processor's cache, and below the size that malloc takes from the system, are four times
        as fast.

        Returns
        -------
        fits : array of bool or None
            Which rows these are; None where all are.
        nanoseconds : array of int64
            Since 1970 on the wanted scale; without meaning for the other rows.
        """
        nanoseconds = np.empty(len(rows), dtype=np.int64)
        wrong = np.zeros(len(rows), dtype=bool)
        for start in range(0, len(rows), BLOCK):
            stop = start + BLOCK
            nanoseconds[start:stop], bad = self._read_block(rows[start:stop], tai)
            if bad is not None:
                wrong[start:stop] = bad
        return (~wrong if wrong.any() else None), nanoseconds

    def _read_block(self, rows: NDArray[np.uint8], tai: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        columns = np.ascontiguousarray(rows.T)
        behind = 19 + (self.digits + 1 if self.digits else 0)
        fixed = dict(zip(_SEPARATOR_COLUMNS, self.separators, strict=True))
        fixed.update(enumerate(self.zone.ljust(len(columns) - behind, b"\0"), behind))
        if self.digits:
            fixed[19] = ord(".")
        wrong = np.zeros(len(rows), dtype=np.uint8)
        for column, char in fixed.items():
            wrong |= columns[column] ^ np.uint8(char)
        digits = columns[[*_DIGIT_COLUMNS, *range(20, 20 + self.digits)]]
        digits -= np.uint8(48)
        wrong |= digits.max(axis=0) > 9
        century, years, month, day, hour, minute, second = digits[0:14:2] * np.uint8(10) + digits[1:14:2]
        wrong |= (century < 17) | (century > 22) | (month - np.uint8(1) > 11) | (day - np.uint8(1) > 30)
        wrong |= (hour > 23) | (minute > 59) | (second > 59)
        late = day > 28
        if late.any():
            leap = (years & 3 == 0) & ((years != 0) | (century & 3 == 0))
            wrong |= late & (day > _MONTH_LENGTHS.take(month, mode="clip") + (leap & (month == 2)))
        # years are counted from March, so that the leap day comes last
        year = np.multiply(century, 100, dtype=np.int32)
        year += years
        year -= month < 3
        if year.min() < 1678 or year.max() > 2260:
            wrong |= (year < 1678) | (year > 2260)
        days = year * 365 + (year >> 2) - _CENTURY_DAYS.take(year // 100, mode="clip")
        days += _DAYS_BEFORE.take(month, mode="clip")
        days += day
        # numpy below 2 would keep small numbers small: the type of each product is given
        seconds = np.multiply(hour, 60, dtype=np.int32)
        seconds += minute
        seconds *= 60
        seconds += second
        nanoseconds = np.multiply(days, 86400 * _SECOND, dtype=np.int64)
        nanoseconds += np.multiply(seconds, _SECOND, dtype=np.int64)
        for place, digit in enumerate(digits[14:23]):
            nanoseconds += np.multiply(digit, 10 ** (8 - place), dtype=np.int64)
        bad = None
        if wrong.any():
            bad = wrong != 0
            nanoseconds[bad] = nanoseconds[np.argmin(bad)]  # not to look for the leap seconds of nonsense
        _shift(nanoseconds, _AHEAD[self.zone], tai)
        return nanoseconds, bad


def _shift(nanoseconds: NDArray[np.int64], ahead: int | None, tai: bool) -> None:
    """Move times to the wanted scale, in place."""
    if ahead is not None:
        nanoseconds -= ahead
    if (ahead is None) == (not tai):
        return
    table = _BEGINS_UTC if tai else _BEGINS
    # most columns lie between two leap seconds
    first, last = np.searchsorted(table, (nanoseconds.min(), nanoseconds.max()), "right")
    leaps: Any = first if first == last else np.searchsorted(table, nanoseconds, "right")
    if tai:
        nanoseconds += leaps * _SECOND
    else:
        nanoseconds -= leaps * _SECOND


#: Rows that are worked on together: their arrays stay in the processor's cache and below the size for which malloc
#: asks the system for memory.
BLOCK: Final = 12_000
#: Longer strings are cut: no time has so many characters.
LONGEST: Final = 100


def byte_rows(strings: Any) -> Iterator[NDArray[np.uint8]]:
    """
    Give a column of strings as rows of bytes, block by block.

    Parameters
    ----------
    strings : numpy array of dtype S, U or object, pandas Series or Index, or sequence of str
        What is no string counts as its ``str()``.

    Yields
    ------
    numpy.ndarray
        uint8, of shape (strings, width), UTF-8 filled up with zeros; the widths of blocks differ. Together they hold
        all strings in order.
    """
    if not isinstance(strings, np.ndarray):
        array = getattr(strings, "array", strings)
        if hasattr(array, "_pa_array"):
            yield from _of_arrow(array)
            return
        if not isinstance(strings, list):
            strings = strings.tolist() if hasattr(strings, "tolist") else list(strings)
    elif strings.dtype.kind == "O":
        strings = strings.reshape(-1).tolist()
    if isinstance(strings, list):
        for start in range(0, len(strings), BLOCK // 2):
            yield _of_block(strings[start : start + BLOCK // 2])
        return
    array = np.ascontiguousarray(strings.reshape(-1))
    width = array.dtype.itemsize
    if not width or not len(array):
        yield np.zeros((len(array), 1), np.uint8)
    elif array.dtype.kind == "S":
        yield array.view(np.uint8).reshape(len(array), width)
    elif array.dtype.kind == "U":
        codes = array.view(np.uint32).reshape(len(array), -1)
        for start in range(0, len(codes), BLOCK):
            block = codes[start : start + BLOCK]
            yield block.astype(np.uint8) if block.max() < 128 else _of_block(array[start : start + BLOCK].tolist())
    else:
        yield _of_block(array.tolist())


def _of_block(strings: list[Any]) -> NDArray[np.uint8]:
    """Strings joined and cut again, which is much faster than one by one."""
    try:
        joined = "\n".join(strings).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        encoded = [str(one).encode("utf-8", "replace") for one in strings]
        sizes = np.array([len(one) for one in encoded])
        return _padded(np.frombuffer(b"".join(encoded), dtype=np.uint8), np.cumsum(sizes) - sizes, sizes)
    data = np.frombuffer(joined, dtype=np.uint8)
    breaks = data == ord("\n")
    if np.count_nonzero(breaks) != len(strings) - 1:  # no times, but none may be taken for two
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        return _padded(data, np.cumsum(lengths + 1) - lengths - 1, lengths)
    width = len(strings[-1])  # of all, in most columns
    if 0 < width <= LONGEST and len(data) == len(strings) * (width + 1) - 1 and breaks[width :: width + 1].all():
        return np.ndarray((len(strings), width), np.uint8, joined, 0, (width + 1, 1))
    ends = np.append(np.flatnonzero(breaks), len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    return _padded(data, starts, ends - starts)


def _of_arrow(array: Any) -> Iterator[NDArray[np.uint8]]:
    """Strings that Arrow holds, as pandas' own strings mostly are, without making Python objects of them."""
    column = array.__arrow_array__()
    column = column.fill_null("") if column.null_count else column
    for chunk in getattr(column, "chunks", [column]):
        kind = {"string": np.int32, "large_string": np.int64}.get(str(chunk.type))
        if kind is None:
            yield from byte_rows(chunk.to_pylist())
            continue
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, dtype=kind)[chunk.offset : chunk.offset + len(chunk) + 1]
        payload = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
        for start in range(0, len(chunk), BLOCK):
            part = bounds[start : start + BLOCK + 1]
            yield _padded(payload[: part[-1]], part[:-1], np.diff(part))


def _padded(data: NDArray[np.uint8], starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.uint8]:
    """Strings that stand anywhere in `data`, as rows of one width."""
    if len(starts) == 0:
        return np.zeros((0, 1), np.uint8)
    width = int(lengths.max())
    if 0 < width <= LONGEST and width == lengths.min() and starts[-1] - starts[0] == width * (len(starts) - 1):
        first = int(starts[0])
        return data[first : first + width * len(starts)].reshape(len(starts), width)
    width = min(max(width, 1), LONGEST + 1)  # what is longer is no time, whatever follows
    padded = np.concatenate((data, np.zeros(width, dtype=np.uint8)))
    matrix = np.lib.stride_tricks.sliding_window_view(padded, width)[starts]
    short = np.flatnonzero(lengths < width)
    matrix[short] *= np.arange(width) < lengths[short, None]
    rows: NDArray[np.uint8] = matrix
    return rows
