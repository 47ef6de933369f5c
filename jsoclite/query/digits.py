"""
Numbers out of bytes, a column at a time, without a Python object per cell.

Eight digits are read as one 64-bit word: three multiplications put them together (SWAR). A decimal is two such
numbers and one division; as both sides of it are exact in a double, the result is what ``float()`` gives. Cells of
any other form (exponents, blanks, more digits) are left to the caller, who is told which they are.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
Places: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Words: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"


def _repeated(byte: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([byte]) * 8, "little"))


_ZEROS, _SIXES, _HIGH = _repeated(0x30), _repeated(0x06), _repeated(0xF0)
_PAIRS, _QUADS, _ALL = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF), np.uint64(0xFFFFFFFF)
_U4, _U8, _U16, _U32 = np.uint64(4), np.uint64(8), np.uint64(16), np.uint64(32)
_TEN, _HUNDRED, _TEN_THOUSAND = np.uint64(10), np.uint64(100), np.uint64(10_000)
_POINT, _MINUS, _BLANK = ord("."), ord("-"), ord(" ")

_NIBBLE = np.full(256, 0xFF, dtype=np.uint8)
for _i, _c in enumerate("0123456789abcdef"):
    _NIBBLE[ord(_c)] = _NIBBLE[ord(_c.upper())] = _i

# By the number of digits: which bytes of the last word and of the one before are digits. Longer numbers are not
# read here; neither are those of none or less (a point without digits), whose index counts from the end.
_IMPOSSIBLE = np.array([True, *[False] * 16, True, *[True] * 10])
_BACK = np.array([0, *[(1 << 64) - (1 << 8 * (8 - min(n, 8))) for n in range(1, 17)], *[0] * 11], dtype=np.uint64)
_FRONT = np.array([*[0] * 9, *[(1 << 64) - (1 << 8 * (16 - n)) for n in range(9, 17)], *[0] * 11], dtype=np.uint64)

# Doubles hold every integer below this.
_EXACT = 1 << 53


# Rows that are worked on at a time: their words stay in the cache of the processor.
_BLOCK = 16_384
# How many different numbers of decimals are looked for in a column (formats like %g have a handful).
_FORMS = 8


# Plain decimals, and those with a point and a two-digit exponent.
_FORM = re.compile(rb"[- ]?\d+(?:\.(\d{1,8}))?([eE][+-]\d\d)?")
# The largest power of ten that a double holds exactly.
_LARGEST_POWER = 22
_POWERS = np.array([10.0**power for power in range(_LARGEST_POWER + 1)])


class Form(NamedTuple):
    """How the numbers of a column are printed: digits behind the point, and whether there is an exponent."""

    decimals: int
    has_exponent: bool


class Numbers(NamedTuple):
    """Numbers of a column; those where `missing` or `other` are meaningless."""

    values: Any
    missing: Mask  # the cell is MISSING
    other: Mask  # the cell has a form that is not read here


def _words(text: Bytes) -> Words:
    """View the eight bytes from each place on as one little-endian word."""
    view: Words = np.ndarray((len(text) - 7,), dtype="<u8", buffer=text.data, strides=(1,))
    return view


def words_at(text: Bytes, places: Places) -> Words:
    """Load the eight bytes from each place on, as one little-endian word."""
    return _words(text)[places]


def read_integers(text: Bytes, starts: Places, ends: Places, room: Any = None) -> Numbers:
    """
    Read integers: decimal of at most 16 digits, or hexadecimal of 8 or 16 digits.

    Parameters
    ----------
    text : ndarray of uint8
        The whole reply; cells begin at index 16 or later and are followed by a quote.
    starts, ends : ndarray of int64
        Slices of the cells.
    room : ndarray of float64, optional
        Where the values are put.

    Returns
    -------
    Numbers
        `values` is int64; hexadecimal is unsigned up to 8 digits, else the bit pattern of a signed number.
    """
    room = np.empty(len(starts)) if room is None else room
    found = Numbers(room.view(np.int64), *np.empty((2, len(starts)), dtype=bool))
    for begin in range(0, len(starts), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        first, behind = starts[block], ends[block]
        signs = text[first]
        missing = _are(text, first, signs, b'MISSING"')
        if text[first[0] + 1] | 0x20 == ord("x"):
            values, other = _hexadecimal(text, first, behind)
            rest = np.flatnonzero(other & ~missing)
            if len(rest):
                values[rest], other[rest] = _integers(text, first[rest], behind[rest], signs[rest])
        else:
            values, other = _integers(text, first, behind, signs)
            rest = np.flatnonzero(other & ~missing)
            if len(rest):
                values[rest], other[rest] = _hexadecimal(text, first[rest], behind[rest])
        found.values[block], found.missing[block], found.other[block] = values, missing, other & ~missing
    return found


def read_reals(text: Bytes, starts: Places, ends: Places, room: Any = None) -> Numbers:
    """
    Read decimals of at most 8 digits behind the point, with or without ``e+22``, bit for bit as ``float()`` does.

    Parameters and result as of `read_integers`; `values` is float64, and `missing` includes ``nan``.
    """
    found = Numbers(np.empty(len(starts)) if room is None else room, *np.empty((2, len(starts)), dtype=bool))
    form: Form | None = None
    for begin in range(0, len(starts), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        first, behind = starts[block], ends[block]
        signs = text[first]
        missing = _are(text, first, signs, b'MISSING"') | _are(text, first, signs, b'nan"')
        values, other = np.empty(len(first)), ~missing
        for _ in range(_FORMS):
            rest = np.flatnonzero(other)
            if form is None and len(rest):
                some = (text[first[place] : behind[place]].tobytes() for place in rest[[0, len(rest) // 2]])
                form = next(filter(None, map(_form, some)), None)
            if len(rest) == 0 or form is None:
                break
            if len(rest) > len(first) // 2:
                numbers, odd = _reals(text, first, behind, signs, form)
                values = np.where(odd, values, numbers)
                other &= odd
            else:
                values[rest], other[rest] = _reals(text, first[rest], behind[rest], signs[rest], form)
            if other.any():
                form = None
        found.values[block], found.missing[block], found.other[block] = values, missing, other
    return found


def _are(text: Bytes, starts: Places, signs: Bytes, word: bytes) -> Mask:
    """Tell which cells are a word of at most eight bytes with the quote behind it; `signs` are their first bytes."""
    found: Mask = signs == word[0]
    if found.any():
        mask = np.uint64(256 ** len(word) - 1)
        found[found] = words_at(text, starts[found]) & mask == np.uint64(int.from_bytes(word, "little"))
    return found


def _form(cell: bytes) -> Form | None:
    """Tell the form of a cell, None where it is none that is read here."""
    match = _FORM.fullmatch(cell)
    return None if match is None else Form(len(match[1] or b""), match[2] is not None)


def _integers(text: Bytes, starts: Places, ends: Places, signs: Bytes) -> tuple[Places, Mask]:
    """Read decimal integers."""
    digits, negative, other = _plain(text, starts, ends, signs, 0)
    values = digits.view(np.int64)
    if negative.any():
        np.negative(values, out=values, where=negative)
    return values, other


def _reals(text: Bytes, starts: Places, ends: Places, signs: Bytes, form: Form) -> tuple[Any, Mask]:
    """Read numbers of one form."""
    decimals, has_exponent = form
    if has_exponent:
        ends = ends - 4
        digits, negative, other = _plain(text, starts, ends, signs, decimals)
        power, odd = _exponents(text, ends)
        power -= decimals
        other |= odd | (np.abs(power) > _LARGEST_POWER)  # beyond, powers of ten are no longer exact
        scale = _POWERS[np.minimum(np.abs(power), _LARGEST_POWER)]
        values = digits.astype(np.float64)
        values = np.where(power < 0, values / scale, values * scale)
    else:
        digits, negative, other = _plain(text, starts, ends, signs, decimals)
        values = digits.astype(np.float64)
        if decimals:
            values /= 10**decimals
    if negative.any():
        np.negative(values, out=values, where=negative)
    return values, other


def _exponents(text: Bytes, places: Places) -> tuple[Places, Mask]:
    """Read ``e+22`` at each place."""
    sign, tens, ones = text[places + 1], text[places + 2] - ord("0"), text[places + 3] - ord("0")
    other = (text[places] | 0x20 != ord("e")) | ((sign != ord("+")) & (sign != _MINUS)) | (tens > 9) | (ones > 9)
    power = tens.astype(np.int64) * 10 + ones
    np.negative(power, out=power, where=sign == _MINUS)
    return power, other


def _plain(text: Bytes, starts: Places, ends: Places, signs: Bytes, decimals: int) -> tuple[Words, Mask, Mask]:
    """
    Read the digits of numbers, as if there were no sign and no point.

    Returns the digits, where there is a minus sign, and where the cell is another form or has more digits than a
    double.
    """
    negative = signs == _MINUS
    stops = ends - (decimals + 1) if decimals else ends
    length = stops - starts
    length -= negative | (signs == _BLANK)
    np.minimum(length, len(_FRONT) - 11, out=length)
    other = _IMPOSSIBLE[length]
    longest = int(length.max())
    view = _words(text)
    whole = view[stops - 8]
    other |= _eight(whole, _BACK[length])
    if longest > 8:
        long = np.flatnonzero(length > 8)
        front = view[stops[long] - 16]
        other[long] |= _eight(front, _FRONT[length[long]])
        whole[long] += front * np.uint64(100_000_000)
    if longest + decimals > 15:
        other |= whole >= _EXACT // 10**decimals
    if decimals:
        fraction = view[ends - 8]
        other |= _eight(fraction, _BACK[decimals])
        other |= text[stops] != _POINT
        whole *= np.uint64(10**decimals)
        whole += fraction
    return whole, negative, other


def _eight(words: Words, masks: Any) -> Mask:
    """
    Turn words of eight digits into numbers, in place; `masks` has ones where a byte is to be read.

    Returns where there is something else than digits.
    """
    words ^= _ZEROS
    words &= masks
    other = words + _SIXES
    other |= words
    other &= _HIGH
    high = words >> _U8
    words *= _TEN
    words += high
    words &= _PAIRS
    np.right_shift(words, _U16, out=high)
    words *= _HUNDRED
    words += high
    words &= _QUADS
    np.right_shift(words, _U32, out=high)
    words *= _TEN_THOUSAND
    words += high
    words &= _ALL
    odd: Mask = other != 0
    return odd


def _hexadecimal(text: Bytes, starts: Places, ends: Places) -> tuple[Places, Mask]:
    """Read ``0x`` and 8 or 16 digits in each slice."""
    length = ends - starts
    other = ((length != 10) & (length != 18)) | (text[starts] != ord("0")) | ((text[starts + 1] | 0x20) != ord("x"))
    values, odd = _eight_nibbles(words_at(text, ends - 8))
    other |= odd
    long = np.flatnonzero(length == 18)
    if len(long):
        front, odd = _eight_nibbles(words_at(text, ends[long] - 16))
        other[long] |= odd
        values[long] |= front << _U32
    return values.view(np.int64), other


def _eight_nibbles(words: Words) -> tuple[Words, Mask]:
    """Read eight hexadecimal digits in each word."""
    nibbles = _NIBBLE[words.view(np.uint8)]
    words = nibbles.view(np.uint64)
    odd = (words & _HIGH) != 0
    words = ((words << _U4) | (words >> _U8)) & _PAIRS
    words = ((words << _U8) | (words >> _U16)) & _QUADS
    words = ((words << _U16) | (words >> _U32)) & _ALL
    return words, odd
