"""
One column of a reply: cells as the server prints them → a typed array.

The type comes from the series definition, never from the values, so a column has the same dtype whatever rows are
asked for:

========================  =======================  =====================================
type in the series        dtype                    missing
========================  =======================  =====================================
char, short, int,         ``Int64``                ``<NA>``
longlong
float, double             ``float64``              NaN
time                      ``str`` (see below), or  missing string, or NaT
                          ``datetime64[ns, UTC]``
string, link, unknown     ``str``                  missing string
========================  =======================  =====================================

``str`` is the string dtype of pandas 3, which pandas 2.3 has as well. Pandas 2.2 gets ``string``, on which the same
expressions (``==``, ``.str``, boolean masks, ``isna``) work; there a missing string is ``<NA>`` instead of NaN.

Where their form allows, cells become an array as bytes, without a Python object each. What is no ordinary cell goes
through the ``convert_…`` functions, which have the last word on what a cell means.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from ..series import Kind
from ..times import to_datetime
from .digits import Places, read_integers, read_reals, words_at
from .reply import Cells

# what the server prints where there is no value (jsoc_info.c)
MISSING = "MISSING"
BROKEN_KEYWORD = "Invalid KeyLink"

STRING: Any
try:
    STRING = pd.StringDtype(na_value=np.nan)
except TypeError:  # pandas 2.2
    STRING = pd.StringDtype()

# Julian day 0, as it looks where it is printed after all
_NO_TIME = (b"-4712", b"JD_0", b"MISSING")

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

Scale: TypeAlias = Literal["utc", "tai"]
Array: TypeAlias = Any  # numpy array or pandas extension array


class Converted(NamedTuple):
    """A typed column and what had to be left out of it."""

    values: Array
    broken: int = 0  # cells with a marker that means "could not be followed", now NA
    strange: str | None = None  # a cell that does not fit the type, now NA


def strings(cells: np.ndarray[Any, np.dtype[Any]] | Sequence[Any]) -> Array:
    """Make a string array of `cells` (str or None)."""
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return pd.array(values, dtype=STRING)


def integers(values: np.ndarray[Any, np.dtype[Any]], missing: np.ndarray[Any, np.dtype[Any]]) -> Array:
    """Make an ``Int64`` array of int64 `values`, NA where `missing`."""
    return pd.arrays.IntegerArray(values, missing)


def as_integer(text: str) -> int:
    """
    Read an integer as the server prints it: decimal, or hexadecimal with ``0x``.

    Hexadecimal is the bit pattern: up to eight digits unsigned (``QUALITY``), longer ones as the signed 64-bit value
    that the database holds.

    Raises
    ------
    ValueError
        If `text` is no integer of 64 bits.
    """
    text = text.strip(" ")
    if not text.isascii() or "_" in text or not text.strip("\t\n\r\v\f") == text:
        raise ValueError(text)  # forms that int() takes and the server never prints
    if text[:2] in ("0x", "0X") and text[2:3] not in ("+", "-", " "):
        value = int(text[2:], 16)
        if value > _INT64_MAX:
            value -= 2**64
    else:
        value = int(text)
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(text)
    return value


def as_real(text: str) -> float:
    """
    Read a real number as the server prints it.

    Raises
    ------
    ValueError
        If `text` is no number.
    """
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def convert_integers(cells: Sequence[Any], *, unsigned: bool = False) -> Converted:
    """
    Convert the cells of an integer keyword.

    Parameters
    ----------
    cells : sequence of str or int
        Cells of the reply.
    unsigned : bool
        Whether a negative decimal stands for a 32-bit mask (``QUALITY``, which the server prints signed where the
        keyword's format is decimal).
    """
    values = np.zeros(len(cells), dtype=np.int64)
    missing = np.zeros(len(cells), dtype=bool)
    broken, strange = 0, None
    for i, cell in enumerate(cells):
        if cell is None or cell in (MISSING, BROKEN_KEYWORD):
            broken += cell == BROKEN_KEYWORD
            missing[i] = True
            continue
        try:
            if isinstance(cell, (float, bool)):
                raise ValueError(cell)
            value = as_integer(str(cell))
        except ValueError:
            missing[i], strange = True, strange or str(cell)
            continue
        values[i] = value & 0xFFFFFFFF if unsigned and -(2**31) <= value < 0 else value
    return Converted(integers(values, missing), broken, strange)


def convert_reals(cells: Sequence[Any]) -> Converted:
    """Convert the cells of a real keyword (str, int or float)."""
    values = np.full(len(cells), np.nan)
    broken, strange = 0, None
    for i, cell in enumerate(cells):
        if cell is None or cell in (MISSING, BROKEN_KEYWORD):
            broken += cell == BROKEN_KEYWORD
            continue
        try:
            values[i] = as_real(str(cell))
        except ValueError:
            strange = strange or str(cell)
    return Converted(values, broken, strange)


def convert_strings(cells: Sequence[Any]) -> Converted:
    """Convert the cells of a string keyword, or of a time keyword that stays the server's text."""
    # few distinct strings are the rule: one object each
    known: dict[Any, Any] = {None: None, MISSING: None, BROKEN_KEYWORD: None}
    texts = [cell if isinstance(cell, str) or cell is None else str(cell) for cell in cells]
    broken = texts.count(BROKEN_KEYWORD)
    return Converted(strings(list(map(known.setdefault, texts, texts))), broken)


def convert_times(cells: Sequence[Any], scale: Scale) -> Converted:
    """
    Convert the cells of a time keyword.

    Parameters
    ----------
    cells : sequence of str
        Time strings, each with its own zone.
    scale : {"utc", "tai"}
        Scale of the result.

    Returns
    -------
    Converted
        ``datetime64[ns, UTC]`` for "utc", naive ``datetime64[ns]`` for "tai"; NaT where missing.
    """
    if isinstance(cells, Cells) and cells.quoted:
        packed = cells.packed()
    else:
        texts = ["" if cell is None or cell == MISSING else str(cell) for cell in cells]
        packed = (
            np.array([text.encode("ascii", "replace") for text in texts], dtype="S") if texts else np.empty(0, "S1")
        )
    broken = packed == BROKEN_KEYWORD.encode()
    if broken.any():
        packed = np.where(broken, b"", packed)
    moments = to_datetime(packed, scale=scale, errors="coerce")
    lost = np.unique(packed[np.isnat(moments)]).tolist()
    strange = next((text.decode("ascii") for text in lost if text and not text.startswith(_NO_TIME)), None)
    found = pd.DatetimeIndex(moments)
    return Converted((found.tz_localize("UTC") if scale == "utc" else found).array, int(broken.sum()), strange)


# Columns with at most so many distinct strings are made of these.
_FEW_STRINGS = 256
_FIRST_BYTES = np.array([256**n - 1 for n in range(9)], dtype=np.uint64)
# Columns this short are read sooner a number at a time.
_SHORT = 300


def _fast_integers(cells: Cells, unsigned: bool, room: Array | None) -> Converted:
    """`convert_integers` from the bytes of a reply."""
    starts, ends = cells.bounds()
    found = read_integers(cells.text, starts, ends, room)
    few = _few(found.other)
    if few is None:
        return convert_integers(cells.tolist(), unsigned=unsigned)
    values, missing = found.values, found.missing
    if unsigned:
        masks = (values < 0) & (values >= -(2**31))
        values[masks] &= 0xFFFFFFFF
    rest = convert_integers(cells.some(starts[few], ends[few]), unsigned=unsigned)
    values[few], missing[few] = rest.values.to_numpy(dtype=np.int64, na_value=0), rest.values.isna()
    values[missing] = 0
    return Converted(integers(values, missing), rest.broken, rest.strange)


def _fast_reals(cells: Cells, room: Array | None) -> Converted:
    """`convert_reals` from the bytes of a reply."""
    few = None
    if len(cells) > _SHORT:
        starts, ends = cells.bounds()
        found = read_reals(cells.text, starts, ends, room)
        few = _few(found.other)
    if few is None:
        raw = cells.raw.replace(b'"MISSING"', b'"nan"')
        if b"_" not in raw:
            # %g and %e formats; float() takes what as_real() takes
            with contextlib.suppress(ValueError):
                values = np.fromiter(map(float, raw[1:-1].split(b'","')), dtype=np.float64)
                if len(values) == len(cells):
                    return Converted(values)
        return convert_reals(cells.tolist())
    rest = convert_reals(cells.some(starts[few], ends[few]))
    found.values[found.missing] = np.nan
    found.values[few] = rest.values
    return Converted(found.values, rest.broken, rest.strange)


def _few(other: np.ndarray[Any, np.dtype[np.bool_]]) -> Places | None:
    """Find the cells that need a closer look, None if it is better to look at all."""
    places = np.flatnonzero(other)
    return places if len(places) <= len(other) // 16 else None


def _fast_strings(cells: Cells) -> Converted:
    """`convert_strings` from the bytes of a reply: most columns hold a few short ones."""
    starts, ends = cells.bounds()
    if int((ends - starts).max()) > 16:
        return convert_strings(cells.tolist())
    places, codes = _distinct(cells, starts, ends)
    if len(places) > _FEW_STRINGS:
        return convert_strings(cells.tolist())
    texts = cells.some(starts[places], ends[places])
    broken = np.bincount(codes)[[text == BROKEN_KEYWORD for text in texts]].sum()
    return Converted(convert_strings(texts).values.take(codes), int(broken))


def _distinct(cells: Cells, starts: Places, ends: Places) -> tuple[Places, Places]:
    """
    Find the distinct cells of at most 16 bytes.

    Returns
    -------
    places, codes : ndarray of int64
        Index of one cell of each kind, and for each cell the index of its kind in `places`.
    """
    lengths = ends - starts
    head = words_at(cells.text, starts)
    head &= _FIRST_BYTES[np.minimum(lengths, 8)]
    tail = np.where(lengths > 8, words_at(cells.text, ends - 8), 0)
    # Whatever this mixes, cells that fall together are told apart below.
    codes, kinds = pd.factorize(
        head * np.uint64(0x9E3779B97F4A7C15) + tail * np.uint64(0xC2B2AE3D27D4EB4F) + lengths.view(np.uint64)
    )
    codes = codes.astype(np.int64)
    places = np.zeros(len(kinds), dtype=np.int64)
    places[codes] = np.arange(len(codes))
    one = places[codes]
    if bool(((head != head[one]) | (tail != tail[one]) | (lengths != lengths[one])).any()):
        return np.arange(len(codes)), np.arange(len(codes))
    return places, codes


def convert(
    cells: Sequence[Any],
    kind: Kind,
    *,
    unsigned: bool = False,
    times: Scale | None = None,
    room: Array | None = None,
) -> Converted:
    """
    Convert the cells of one keyword.

    Parameters
    ----------
    cells : sequence
        Cells of the reply: strings, or JSON numbers.
    kind : Kind
        What the series definition says.
    unsigned : bool
        See `convert_integers`.
    times : {None, "utc", "tai"}
        Scale for time keywords; None keeps their text.
    room : ndarray of float64, optional
        Where numbers may be put. Memory that is taken for many columns at once comes in far fewer, larger pages.
    """
    if kind is Kind.TIME and times is not None:
        return convert_times(cells, times)
    if isinstance(cells, Cells) and cells.quoted:
        if (constant := cells.constant()) is not None:
            one = convert([constant], kind, unsigned=unsigned)
            return Converted(one.values.repeat(len(cells)), one.broken * len(cells), one.strange)
        if kind is Kind.INTEGER:
            return _fast_integers(cells, unsigned, room)
        return _fast_reals(cells, room) if kind is Kind.REAL else _fast_strings(cells)
    if kind is Kind.INTEGER:
        return convert_integers(cells, unsigned=unsigned)
    return convert_reals(cells) if kind is Kind.REAL else convert_strings(cells)
