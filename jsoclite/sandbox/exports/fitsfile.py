"""
FITS files as blocks of bytes: headers are lists of 80-character cards, data units are never looked into.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BLOCK = 2880

# what describes the data unit and therefore belongs to the file, not to the record's keywords
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|THEAP|T(?:TYPE|FORM|DIM|ZERO|SCAL|NULL|UNIT)\d+"
    r"|BSCALE|BZERO|BLANK|EXTNAME|Z(?:IMAGE|TABLE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0"
    r"|SIMPLE|EXTEND|BLANK|SCALE|ZERO|TENSION|PCOUNT|GCOUNT)"
)


@dataclass(slots=True)
class Unit:
    """One header and data unit: cards without END, and the data with its padding."""

    cards: list[str]
    data: bytes

    def value(self, name: str) -> str | None:
        """Text of a card's value, None without such a card."""
        for one in self.cards:
            if one.startswith(f"{name:<8}= "):
                return one[10:].partition("/")[0].strip()
        return None

    @property
    def structural(self) -> list[str]:
        """The cards that describe the data unit."""
        return [one for one in self.cards if _STRUCTURAL.fullmatch(one[:8].rstrip())]


def read_units(content: bytes) -> list[Unit]:
    """
    Cut a FITS file into its units.

    Raises
    ------
    ValueError
        If this is not FITS.
    """
    units, position = [], 0
    while position < len(content):
        cards: list[str] = []
        while True:
            block = content[position : position + BLOCK]
            if len(block) < BLOCK or (not cards and not block.startswith((b"SIMPLE  =", b"XTENSION="))):
                raise ValueError("not a FITS file, or one that ends in a header")
            position += BLOCK
            lines = [block[start : start + 80].decode("ascii", "replace") for start in range(0, BLOCK, 80)]
            names = [line[:8].rstrip() for line in lines]
            if "END" in names:
                cards += lines[: names.index("END")]
                break
            cards += lines
        unit = Unit(cards, b"")
        size = _data_size(unit)
        unit.data = content[position : position + size]
        position += size
        units.append(unit)
    return units


def _data_size(unit: Unit) -> int:
    """Bytes of a data unit with its padding."""

    def number(name: str, default: int) -> int:
        return int(unit.value(name) or default)

    axes = [number(f"NAXIS{axis}", 0) for axis in range(1, number("NAXIS", 0) + 1)]
    if not axes:
        return 0
    size = abs(number("BITPIX", 8)) // 8 * number("GCOUNT", 1) * (number("PCOUNT", 0) + math.prod(axes))
    return -(-size // BLOCK) * BLOCK


def write_units(units: Iterable[Unit], *, checksums: bool = False) -> bytes:
    """
    Join units to a file.

    Parameters
    ----------
    units : iterable of Unit
        The primary unit first.
    checksums : bool
        Whether to add ``CHECKSUM`` and ``DATASUM``.
    """
    return b"".join(_summed(unit) if checksums else _header(unit.cards) + unit.data for unit in units)


def _header(cards: list[str]) -> bytes:
    text = "".join(f"{one:<80.80}" for one in [*cards, "END"]).encode("ascii", "replace")
    return text + b" " * (-len(text) % BLOCK)


def _summed(unit: Unit) -> bytes:
    data_sum = _ones_complement(unit.data)
    cards = [one for one in unit.cards if one[:8].rstrip() not in ("CHECKSUM", "DATASUM")]
    zero = "CHECKSUM= '0000000000000000'   / HDU checksum"
    cards += [zero, f"DATASUM = '{data_sum}'".ljust(30) + " / data unit checksum"]
    header = _header(cards)
    total = _ones_complement(header, data_sum)
    return (
        header.replace(zero.encode(), zero.replace("0" * 16, encode_sum(~total & 0xFFFFFFFF)).encode(), 1) + unit.data
    )


def _ones_complement(content: bytes, start: int = 0) -> int:
    """32-bit ones-complement sum of big-endian words (FITS standard, appendix J)."""
    total = start + int(np.frombuffer(content, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


_FORBIDDEN = frozenset(b":;<=>?@[\\]^_`")


def checksum(unit: Unit) -> str:
    """What ``CHECKSUM`` of a unit would be, were it not in it."""
    return encode_sum(~_ones_complement(_header(unit.cards) + unit.data) & 0xFFFFFFFF)


def encode_sum(value: int) -> str:
    """A 32-bit sum as sixteen printable characters that add up to it (FITS standard, appendix J)."""
    columns = []
    for shift in (24, 16, 8, 0):
        byte = (value >> shift) & 0xFF
        quarter, rest = divmod(byte, 4)
        characters = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        while any(character in _FORBIDDEN for character in characters):
            for first in (0, 2):
                if characters[first] in _FORBIDDEN or characters[first + 1] in _FORBIDDEN:
                    characters[first] += 1
                    characters[first + 1] -= 1
        columns.append(characters)
    text = "".join(chr(columns[column][row]) for row in range(4) for column in range(4))
    return text[-1] + text[:-1]


# ---- cards
def card(name: str, value: bool | int | float | str | None, comment: str = "", *, real: str = "%.17G") -> list[str]:
    """
    One card in cfitsio's layout, or several where a string is too long for one.

    Parameters
    ----------
    name : str
        Keyword, at most 8 characters.
    value : bool, int, float, str or None
        None for a card without a value.
    comment : str
        Cut off at the end of the card.
    real : str
        printf format of floating-point numbers.
    """
    tail = f" / {comment}" if comment else ""
    if isinstance(value, str):
        return _string_cards(name, value, tail)
    if value is None:
        shown = ""
    elif isinstance(value, bool):
        shown = "T" if value else "F"
    elif isinstance(value, int):
        shown = str(value)
    else:
        shown = real % value
        if "." not in shown:  # a point marks the number as a real one
            shown = f"{value:.1E}" if "E" in shown else f"{shown}."
    return [f"{name:<8}= {shown:>20}{tail}"[:80]]


def _string_cards(name: str, value: str, tail: str) -> list[str]:
    quoted = value.replace("'", "''")
    if len(quoted) <= 68:
        shown = f"'{quoted:<8}'"
        return [f"{name:<8}= {shown:<20}{tail}"[:80]]
    pieces = []
    while quoted:
        end = 67
        if quoted[:end].count("'") % 2:  # never part a doubled apostrophe
            end -= 1
        pieces.append(quoted[:end])
        quoted = quoted[end:]
    tail = re.sub(r"^ / \[[^]]*\] ?", " / ", tail)  # the unit does not survive on a string of several cards
    lines = [f"{name:<8}= '{pieces[0]}&'"]
    lines += [f"CONTINUE  '{piece}&'" for piece in pieces[1:-1]]
    shown = f"'{pieces[-1]:<8}'"
    return [*lines, f"CONTINUE  {shown:<20}{tail}"[:80]]


def commentary(name: str, value: str) -> list[str]:
    """``HISTORY`` or ``COMMENT`` cards of a text, newlines and length permitting."""
    return [
        f"{name:<8}{line[start : start + 72]}"
        for line in value.splitlines()
        for start in range(0, max(1, len(line)), 72)
    ]
