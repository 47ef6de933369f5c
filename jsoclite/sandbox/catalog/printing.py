"""
How the server prints: keyword values and times, whole columns at a time, and JSON.

`printed` is `drms_keyword_snprintfval2` (drms_keyword.c) with and without full precision, `fits_value` is
`fitsexport_getmappedextkeyvalue` (fitsexport.c), `fits_name` the rule that turns keyword names into FITS names.

Times are printed as `sprint_time` (timeio.c) prints one. JSON has ``/`` escaped, bytes above 127 as they are, and the
server's own two layouts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ...times import words
from .definition import MISSING_INT, REALS, Keyword, data

Column = npt.NDArray[Any]

# size of C's integer types behind %x, %o and %u; char and short are promoted to int
_BITS: Final = {"char": 32, "short": 32, "int": 32, "longlong": 64}
_HEXADECIMAL: Final = {"char": 2, "short": 4, "int": 8, "longlong": 16}
_SPEC: Final = re.compile(r"%([-+ #0']*)(\d+|\*)?(\.\d*)?(?:hh|h|ll|l|L|q|j|z|t)?([diouxXeEfFgGcs%])")
# units of a time that is an interval, in seconds (atoinc.c)
_INTERVALS: Final = {name: float(size) for size, names in data("server")["units"].items() for name in names.split()}
# FITS names that belong to the structure of a file (reserved.h, part B)
_RESERVED: Final = frozenset({"BITPIX", "NAXIS", "SIMPLE", "EXTEND", "BLANK", "BZERO", "BSCALE", "END", "RECNUM"})


def is_missing(key: Keyword, values: Column) -> npt.NDArray[np.bool_]:
    """Which values stand for nothing: type minimum, NaN, JD 0, empty string (`drms_ismissing`)."""
    if key.type == "string":
        return np.asarray(np.ma.getdata(values) == "", dtype=np.bool_)
    plain = np.asarray(np.ma.getdata(values))
    if key.type in MISSING_INT:
        return np.asarray(plain == MISSING_INT[key.type])
    missing = np.isnan(plain)
    if key.type == "time":
        missing |= np.trunc(plain) == math.trunc(words.JD_ZERO)  # fractions do not count (drms_types.h)
    return np.asarray(missing)


def as_stored(key: Keyword, values: Column) -> Column:
    """Values as the database holds them: a ``float`` keyword keeps single precision only."""
    plain = np.asarray(np.ma.getdata(values))
    return plain.astype(np.float32).astype(np.float64) if key.type == "float" else plain


def printed(key: Keyword, values: Column, full: bool = False, binary: bool = False) -> list[str]:
    """
    Values as text, in the keyword's own format.

    Parameters
    ----------
    key : Keyword
        Its type, format and, for times, unit (the zone) say how.
    values : array, shape (n,)
        int64, float64 (times: TAI seconds since 1977) or object (str).
    full : bool
        Enough digits to restore every bit (``M=1``): ``%.9G`` and ``%.17G``, integers in decimal, times with six
        decimals.
    binary : bool
        With `full`, the bits in hexadecimal (``B=1``).

    Returns
    -------
    list of str
        One text a value; missing values are printed like any other.
    """
    if not len(values):
        return []
    plain = as_stored(key, values)
    if full and binary:
        return _bits(key, plain)
    if key.type == "string":
        texts = plain.tolist()
        if None in texts:
            texts = [text or "" for text in texts]
        return texts if full or key.format in ("", "%s") else [_string(key.format, text) for text in texts]
    if key.type == "time":
        interval = _INTERVALS.get(key.unit.lower())
        if interval is not None:
            return _numbers("double", "%.17G" if full else key.format or "%f", plain / interval)
        return times(plain, key.unit, 6 if full else _precision(key.format))
    if full:
        return _numbers(key.type, {"float": "%.9G", "double": "%.17G"}.get(key.type, "%d"), plain)
    return _numbers(key.type, key.format or ("%f" if key.type in REALS else "%d"), plain)


def _bits(key: Keyword, values: Column) -> list[str]:
    if key.type == "string":  # the server prints every character to the same place, so the last one stays
        return [f"{text.encode('latin-1', 'replace')[-1]:02X}" if text else "" for text in values.tolist()]
    if key.type in MISSING_INT:
        width, mask = _HEXADECIMAL[key.type], (1 << _BITS[key.type]) - 1
        return [f"{value & mask:0{width}X}" for value in values.tolist()]
    if key.type == "float":
        return [f"{bits:08X}" for bits in values.astype(np.float32).view(np.uint32).tolist()]
    values = values / _INTERVALS.get(key.unit.lower(), 1.0) if key.type == "time" else values
    return [f"{bits:016X}" for bits in np.ascontiguousarray(values, dtype=np.float64).view(np.uint64).tolist()]


def _precision(format_text: str) -> int:
    found = re.match(r"\s*[-+]?\d+", format_text)
    return int(found[0]) if found else 0


def _string(format_text: str, text: str) -> str:
    try:
        return format_text % text
    except (TypeError, ValueError):
        return text


@lru_cache(maxsize=1024)
def _format(format_text: str, kind: str) -> tuple[str, Callable[[Any], Any]]:
    """The format without C's length modifiers, and what to do to a value first."""
    found = next((one for one in _SPEC.finditer(format_text) if one[4] != "%"), None)
    if found is None:
        return format_text + "%.0s", str
    conversion = found[4]
    prepare: Callable[[Any], Any] = float
    if conversion in "diuoxX":
        mask = (1 << _BITS.get(kind, 64)) - 1
        prepare = _whole if conversion in "di" else lambda value: _whole(value) & mask
    elif conversion in "cs":
        prepare = str if conversion == "s" else lambda value: chr(_whole(value) & 0xFF)
    spec = {"i": "d", "u": "d", "c": "s"}.get(conversion, conversion)
    head, tail = format_text[: found.start()], format_text[found.end() :]
    form = f"{head}%{found[1].replace(chr(39), '')}{found[2] or ''}{found[3] or ''}{spec}{tail}"
    try:
        form % prepare(0)
    except (TypeError, ValueError):  # a second conversion, or a width that C would take from the stack
        return "%s", str
    return form, prepare


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError):  # NaN and infinity, of which C makes the least integer
        return -(2**31)


def _numbers(kind: str, format_text: str, values: Column) -> list[str]:
    """Format a column at once: equal values only once, the others in one call of the interpreter."""
    form, prepare = _format(format_text, kind)
    if form == "%d" and prepare is _whole and kind not in REALS:
        return list(map(str, values.tolist()))
    # -0 equals 0 and is printed as -0
    signed = values.dtype.kind == "f" and ((values == 0) & np.signbit(values)).any()
    if not signed:
        if (values == values[0]).all():
            return [form % prepare(values[0])] * len(values)
        if len(values) > 64 and len(set(values[:: len(values) // 64].tolist())) < 24:
            listed = values.tolist()  # few different values: each is formatted once
            known = {value: form % prepare(value) for value in set(listed)}
            return [known[value] for value in listed]
    if prepare is float:
        return ((form + "\0") * len(values) % tuple(values.tolist())).split("\0")[:-1]
    return [form % prepare(value) for value in values.tolist()]


# ----------------------------------------------------------------------------------------------------------- FITS
def fits_name(key: Keyword) -> str:
    """
    Name of a keyword in FITS files (`fitsexport_getmappedextkeyname`).

    That in square brackets at the start of the description, else its own name if it is a FITS name, else its first
    eight letters and digits; with an underscore in front where FITS reserves the name.
    """
    if key.fits_name and _is_fits(key.fits_name):
        return key.fits_name
    name = key.base.upper()
    if _is_fits(name):
        return name
    short = "".join(re.findall(r"[0-9A-Z]", name))[:8]
    return ("_" + short)[:8] if short in _RESERVED else short


def _is_fits(name: str) -> bool:
    """Whether FITS allows the name: eight capitals, digits, underscores and hyphens at most."""
    return bool(re.fullmatch(r"[0-9A-Z_-]{1,8}", name))


def fits_values(key: Keyword, values: Column) -> list[str]:
    """
    Values as FITS cards would have them, without quotes (`fitsexport_getmappedextkeyvalue`).

    Missing numbers are empty, missing texts and times ``???``; times have three decimals, real numbers all digits.
    """
    if not len(values):
        return []
    missing = np.flatnonzero(is_missing(key, values)).tolist()
    cast = re.match(r"\[[^\]:]*:\s*(\w+)", key.description)
    plain = as_stored(key, values)
    if cast and cast[1].lower() == "string":
        texts = printed(key, values)
    elif key.type == "string":
        texts = [text.rstrip() for text in plain.tolist()]
    elif key.type == "time":
        texts = [text.removesuffix("Z") for text in times(plain, key.unit, 3)]
    elif key.type in MISSING_INT:
        texts = list(map(str, plain.tolist()))
    else:
        texts = [_fits_real(value, 9 if key.type == "float" else 17) for value in plain.tolist()]
    nothing = "???" if key.type in ("string", "time") else ""
    for row in missing:
        texts[row] = nothing
    return texts


def _fits_real(value: float, digits: int) -> str:
    """A real number as cfitsio writes it, always with a point; it refuses infinity."""
    text = f"%.{digits}G" % value
    if "." not in text:
        if "N" in text:
            return "???"
        return f"{value:.1E}" if "E" in text else text + "."
    return text


_ZONES: Final = frozenset({"TAI", "UTC", "UT", "ISO", "TT", "TDT"})
_LEAPS: Final = np.array([begin for begin, _ in words.LEAP_SECONDS])
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
        return [words.format_time(float(first), zone, precision)] * len(seconds)
    name = zone.upper()
    if name not in _ZONES or not 0 <= precision <= 9 or len(seconds) < 16:
        return [words.format_time(value, zone, precision) for value in seconds.tolist()]
    with np.errstate(invalid="ignore"):
        slow = ~((seconds > _FAST_FROM) & (seconds < _FAST_TO))
        nearest = np.searchsorted(_LEAPS, seconds)
        for step in (-1, 0):  # two seconds around a leap second, where clocks show :60
            slow |= np.abs(seconds - _LEAPS[np.clip(nearest + step, 0, len(_LEAPS) - 1)]) < 3.0
    texts = _calendar(np.where(slow, 1.0e9, seconds), name, precision)
    for row in np.flatnonzero(slow).tolist():
        texts[row] = words.format_time(float(seconds[row]), zone, precision)
    return texts


def _clock(seconds: npt.NDArray[np.float64], zone: str) -> npt.NDArray[np.float64]:
    """What a clock of the zone shows, as seconds since 1977."""
    if zone == "TAI":
        return seconds
    return seconds + 32.184 if zone in ("TT", "TDT") else seconds - np.searchsorted(_LEAPS, seconds, side="right")


def _calendar(seconds: npt.NDArray[np.float64], zone: str, precision: int) -> list[str]:
    # the server counts from 1600, which costs the fraction its last digits
    shown = _clock(seconds, zone) + _SINCE_1600
    second = shown - 60.0 * np.floor(shown / 60.0)
    carry = second >= 60.0 - 0.5 * 0.1**precision
    if carry.any():  # it rounds the time itself to a whole second rather than print :60
        whole = np.copysign(np.floor(np.abs(seconds) + 0.5), seconds)
        shown = np.where(carry, _clock(whole, zone) + _SINCE_1600, shown)
    minute = np.floor(shown / 60.0)
    second = shown - 60.0 * minute
    minute -= _SINCE_1600 / 60.0
    iso = zone == "ISO"
    width = precision + 3 if precision else 2
    tail = b"Z\n" if iso else b"_" + zone.encode() + b"\n"
    minutes = np.datetime_as_string(np.datetime64("1977-01-01T00:00", "m") + minute.astype(np.int64))
    rows = np.full((len(seconds), 17 + width + len(tail)), b":", dtype="S1")
    rows[:, :16] = minutes.astype("S16").view("S1").reshape(-1, 16)
    if not iso:
        rows[:, [4, 7, 10]] = np.frombuffer(b".._", dtype="S1")
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


Json: TypeAlias = str | int | float | Mapping[str, "Json"] | Sequence["Json"] | None

_ESCAPES = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\/\x00-\x1f]')


def quote(text: str) -> str:
    """A JSON string with its quotes."""
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def compact(value: Json) -> bytes:
    """One line, no blanks, with the newline that every program prints behind its JSON."""
    return (text(value) + "\n").encode("latin-1", "replace")


def text(value: Json) -> str:
    """JSON on one line, without blanks."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return str(value) if value is not True else "true"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(name)}:{text(one)}" for name, one in value.items()) + "}"
    return "[" + ",".join(map(text, value)) + "]"


def pretty(value: Mapping[str, Json]) -> bytes:
    """One member a line, indented with tabs, objects of a list joined by ``},\\n{``; that is ``index.json``."""
    return (_pretty(value, 0) + "\n").encode("latin-1", "replace")


def _pretty(value: Json, depth: int) -> str:
    indent = "\t" * depth
    if isinstance(value, Mapping):
        lines = [f"{indent}\t{quote(name)}: {_pretty(one, depth + 1)}" for name, one in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + f",\n{indent}".join(_pretty(one, depth) for one in value) + "]"
    return text(value)
