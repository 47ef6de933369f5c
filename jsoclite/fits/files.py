"""
The shape of a FITS file, from its headers alone.

Nothing but the standard library, and no data unit is read: whether a download is a whole FITS file is known after a few
kilobytes, and where the parts of a file lie is known before any of them is copied.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 2880
WIDTH = 80

# a header of more cards than this is taken for something else; real ones have some hundreds
_MAX_BLOCKS = 1000

_INTEGER = re.compile(r"\s*([+-]?\d+)\s*(?:/.*)?")


class BrokenFits(ValueError):
    """Bytes that are no whole FITS file; the message is the reason."""


class Unit(NamedTuple):
    """One header and data unit of a file: byte offsets, and the cards of its header without END."""

    start: int
    data_start: int
    data_size: int
    cards: tuple[str, ...]

    @property
    def end(self) -> int:
        """Offset of the first byte after the unit."""
        return self.data_start + -(-self.data_size // BLOCK) * BLOCK

    def text(self, name: str) -> str | None:
        """Return value and comment of a card as they stand there, None where there is no such card."""
        begin = f"{name:<8}= "
        return next((card[10:] for card in self.cards if card.startswith(begin)), None)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer value; `BrokenFits` where it is absent (and there is no default) or no integer."""
        text = self.text(name)
        if text is None:
            if default is None:
                raise BrokenFits(f"the header at byte {self.start} has no {name}")
            return default
        match = _INTEGER.fullmatch(text)
        if match is None:
            raise BrokenFits(f"{name} in the header at byte {self.start} is no integer: {text[:20].strip()!r}")
        return int(match[1])

    def real(self, name: str, default: float) -> float:
        """Return a number, `default` where there is none that can be read."""
        text = self.text(name)
        try:
            return default if text is None else float(text.split("/")[0].replace("D", "E"))
        except ValueError:
            return default

    def is_true(self, name: str) -> bool:
        """Whether a logical card is there and true."""
        text = self.text(name)
        return text is not None and text.split("/")[0].strip() == "T"

    @property
    def is_image(self) -> bool:
        """Whether the unit holds a picture: a filled primary array or IMAGE extension, or a compressed image."""
        extension = (self.text("XTENSION") or "'IMAGE").strip("' ").split("'")[0].strip()
        return self.is_true("ZIMAGE") or (extension == "IMAGE" and self.data_size > 0)


def _data_size(unit: Unit) -> int:
    """Compute the bytes of a data unit (FITS standard 4.0, equations 1, 2 and 4)."""
    bits = unit.integer("BITPIX")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise BrokenFits(f"BITPIX in the header at byte {unit.start} is {bits}")
    axes = [unit.integer(f"NAXIS{number}") for number in range(1, unit.integer("NAXIS") + 1)]
    if any(axis < 0 for axis in axes):
        raise BrokenFits(f"an axis in the header at byte {unit.start} is negative: {axes}")
    if not axes:
        return 0
    if axes[0] == 0 and unit.is_true("GROUPS"):
        axes = axes[1:]
    return abs(bits) // 8 * unit.integer("GCOUNT", 1) * (unit.integer("PCOUNT", 0) + math.prod(axes))


def _cards(file: BinaryIO, start: int) -> tuple[str, ...]:
    """Read the cards of the header that begins at `start`, up to END."""
    cards: list[str] = []
    for _ in range(_MAX_BLOCKS):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise BrokenFits(f"the file ends inside the header that begins at byte {start}")
        text = block.decode("latin-1")
        for place in range(0, BLOCK, WIDTH):
            card = text[place : place + WIDTH]
            if card.rstrip() == "END":
                return tuple(cards)
            cards.append(card)
    raise BrokenFits(f"the header at byte {start} has no END card")


def units(file: BinaryIO) -> Iterator[Unit]:
    """
    Walk the header and data units of a file.

    Parameters
    ----------
    file : binary file
        Open and seekable.

    Yields
    ------
    Unit
        In the order of the file.

    Raises
    ------
    BrokenFits
        Where the file stops being FITS, with the reason.
    """
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise BrokenFits("empty")
    start = 0
    while start < size:
        file.seek(start)
        begin = b"SIMPLE  =" if start == 0 else b"XTENSION="
        head = file.read(len(begin))
        if head != begin:
            if start > 0 and not head.strip(b"\0 "):
                # the standard allows records after the last unit; writers leave blanks or zeros there
                return
            raise BrokenFits(_what(file, start))
        file.seek(start)
        cards = _cards(file, start)
        unit = Unit(start, file.tell(), 0, cards)
        unit = unit._replace(data_size=_data_size(unit))
        if unit.end > size:
            raise BrokenFits(f"truncated: {size} bytes, but the header at byte {start} promises {unit.end}")
        yield unit
        start = unit.end


def _what(file: BinaryIO, start: int) -> str:
    """Say what stands where a FITS header should begin."""
    file.seek(start)
    sample = file.read(200)
    if start:
        return f"neither a FITS extension nor padding after byte {start}"
    text = " ".join(sample.decode("latin-1").split())[:60]
    begin = sample.lstrip().lower()
    if not begin:
        return "blank"
    if begin.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")):
        return f"an HTML page, not FITS: {text!r}"
    if begin.startswith((b"{", b"[")):
        return f"JSON, not FITS: {text!r}"
    if sample.startswith(b"\x1f\x8b"):
        return "gzip data, not FITS"
    return f"not FITS: begins with {text!r}"


def looks_like_fits(path: str | os.PathLike[str]) -> str | None:
    """
    Check that a file is a whole FITS file, without reading its data.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    str or None
        None where it is; else the reason: an HTML page or JSON under a FITS name, truncated, no multiple of 2880 bytes,
        …

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            for _ in units(file):
                pass
        except BrokenFits as reason:
            return str(reason)
        size = file.seek(0, os.SEEK_END)
    return None if size % BLOCK == 0 else f"truncated: {size} bytes is no multiple of {BLOCK}"
