"""
The shape of a FITS file, from its headers alone, and a new header around untouched image bytes.

No data unit is read: whether a download is a whole FITS file is known after a few kilobytes, and where the parts of a
file lie is known before any of them is copied. As-is files hold their image behind a minimal header, often
Rice-compressed in the first extension behind an empty primary. Writing never decompresses: the data unit is copied as
it is, only the header before it is new.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from ..errors import JsocError
from . import cards as fitscard
from .cards import BLOCK, WIDTH

if TYPE_CHECKING:
    from astropy.io import fits


#: What BITPIX may say, and the type that numpy has for it.
BITPIX: Final = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}

_CHUNK = 1 << 20
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
    if bits not in BITPIX:
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
        return fault(file)


def fault(file: BinaryIO) -> str | None:
    """Return why an open file is no whole FITS file, as `looks_like_fits` does."""
    try:
        for _ in units(file):
            pass
    except BrokenFits as reason:
        return str(reason)
    size = file.seek(0, os.SEEK_END)
    return None if size % BLOCK == 0 else f"truncated: {size} bytes is no multiple of {BLOCK}"


def datasum(path: str | os.PathLike[str]) -> int:
    """
    Return the checksum of the data unit of a file's image, as its card DATASUM would say it.

    Raises
    ------
    JsocError
        If the file is no whole FITS file, or holds no image.
    """
    with Path(path).open("rb") as file:
        try:
            image = next((unit for unit in units(file) if unit.is_image), None)
        except BrokenFits as reason:
            raise JsocError(f"{os.fspath(path)!r} has no DATASUM: {reason}") from None
        if image is None:
            raise JsocError(f"{os.fspath(path)!r} holds no image, and so has no DATASUM")
        file.seek(image.data_start)
        total = 0
        for start in range(image.data_start, image.end, _CHUNK):
            total = fitscard.checksum(file.read(min(_CHUNK, image.end - start)), total)
        return total


def write_fits(
    source: str | os.PathLike[str], target: str | os.PathLike[str], header: Iterable[str] | fits.Header
) -> None:
    """
    Write an as-is file anew with a full header; the image is copied byte for byte, a compressed one stays compressed.

    Parameters
    ----------
    source : path-like
        The as-is file.
    target : path-like
        Where to write; an existing file is replaced. Not the source.
    header : iterable of str or astropy.io.fits.Header
        Cards to put into the header of the image, as `header_cards` returns them. A card that the source has
        already is replaced where it stands, others follow in their order; what describes the HDU (NAXIS, BSCALE,
        ZIMAGE, …) stays the source's.

    Raises
    ------
    JsocError
        If the source is no whole FITS file, or holds no image.

    Notes
    -----
    CHECKSUM and DATASUM are computed anew, without the time in their comments: the same input gives the same bytes.
    """
    if os.path.realpath(source) == os.path.realpath(target):
        raise JsocError(
            f"{os.fspath(source)!r} cannot be rewritten in place; give another target and rename it afterwards"
        )
    with Path(source).open("rb") as file:
        try:
            parts = list(units(file))
        except BrokenFits as reason:
            raise JsocError(f"{os.fspath(source)!r} is no FITS file to put a header into: {reason}") from None
        image = next((unit for unit in parts if unit.is_image), None)
        if image is None:
            raise JsocError(f"{os.fspath(source)!r} holds no image, so there is no header to complete; use it as it is")
        merged = _merge(image.cards, _card_list(header))
        with Path(target).open("wb") as out:
            _copy(file, out, 0, image.start)
            # the checksums need the sum of the data, which is known once they are copied: the block has its size
            # already
            out.write(fitscard.header_block(merged))
            total = _copy(file, out, image.data_start, image.end)
            _copy(file, out, image.end, file.seek(0, os.SEEK_END))
            out.seek(image.start)
            out.write(fitscard.header_block(_checksummed(merged, total)))


def _card_list(header: Iterable[str] | fits.Header) -> list[str]:
    """Return the cards of either form of header, without END."""
    tostring = getattr(header, "tostring", None)
    if tostring is None:
        found = list(header)
    else:
        text = str(tostring(sep="", endcard=False, padding=False))
        found = [text[place : place + WIDTH] for place in range(0, len(text), WIDTH)]
    for card in found:
        if len(card) != WIDTH or not (card.isascii() and card.isprintable()):
            raise JsocError(f"a header card is 80 printable ASCII characters, this is not: {card[:100]!r}")
    return found


def _merge(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Put new cards into the old header as CFITSIO's fits_update_key does, with room for the checksums."""
    added: dict[str, list[str]] = {}
    order: list[tuple[str, list[str]]] = []
    for name, cards in fitscard.groups(new):
        if fitscard.is_structural(name) or not name:
            continue
        order.append((name, cards))
        if name not in ("COMMENT", "HISTORY"):
            added.setdefault(name, cards)
    given = set(added)
    closing = {*fitscard.LONGSTRN} if "LONGSTRN" in given else set()
    replaced = {name for name, cards in order if name in ("COMMENT", "HISTORY") and not closing.issuperset(cards)}
    header: list[str] = []
    for name, cards in fitscard.groups(old):
        # ZHECKSUM is the checksum that the uncompressed file had: it would not hold with more keywords
        if name in replaced or name == "ZHECKSUM" or closing.intersection(cards):
            continue
        # a keyword that stands there twice is replaced once, and its stale double goes
        header += added.pop(name, []) if name in given else cards
    for name, cards in order:
        if name in ("COMMENT", "HISTORY") or added.pop(name, None) is not None:
            header += cards
    names = {fitscard.name_of(card) for card in header}
    return header + [fitscard.card(name, "''") for name in ("CHECKSUM", "DATASUM") if name not in names]


def _checksummed(header: list[str], data: int) -> list[str]:
    """Fill in CHECKSUM and DATASUM, `data` being the sum of the data unit."""
    filled = [
        fitscard.card("CHECKSUM", "'0000000000000000'", "HDU checksum")
        if card.startswith("CHECKSUM=")
        else fitscard.card("DATASUM", fitscard.quoted(str(data)), "data unit checksum")
        if card.startswith("DATASUM =")
        else card
        for card in header
    ]
    total = fitscard.checksum(fitscard.header_block(filled), data)
    text = fitscard.encode_checksum(total)
    return [card.replace("0" * 16, text) if card.startswith("CHECKSUM=") else card for card in filled]


def _copy(file: BinaryIO, out: BinaryIO, start: int, end: int) -> int:
    """Copy bytes from one file to the other and return their ones'-complement sum."""
    total = 0
    file.seek(start)
    while start < end:
        chunk = file.read(min(_CHUNK, end - start))
        if not chunk:
            raise JsocError(f"{file.name!r} became shorter while it was copied")
        out.write(chunk)
        # units begin and end on blocks of 2880 bytes; only what follows the last one may have any length
        total = fitscard.checksum(chunk.ljust(-(-len(chunk) // 4) * 4, b"\0"), total)
        start += len(chunk)
    return total
