"""
The shape of a FITS file, from its headers alone, and a new header around untouched image bytes.

Whoever opens a file walks it first (`units`): nobody is trusted with its sizes, so all of them are held against the
file before anything is allocated. No data unit is read but the table that says where the tiles of a compressed image
are: whether a download is a whole FITS file is known after a few kilobytes, and where the parts of a file lie is known
before any of them is copied. As-is files hold their image behind a minimal header, often Rice-compressed in the first
extension behind an empty primary. Writing never decompresses: the data unit is copied as it is, only the header before
it is new.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import JsocError
from . import cards as fitscard
from .cards import BLOCK, WIDTH

if TYPE_CHECKING:
    from astropy.io import fits


#: What BITPIX may say, and the type that numpy has for it.
BITPIX: Final = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
#: How tiles may be packed so that their bytes say how many pixels they can hold: deflate makes at most 1,032 bytes of
#: one, Rice's code 205. JSOC packs its images in no other way.
PACKINGS: Final = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")
_EXPANSION = 1100
# what a tile that needs checking may grow to without being unpacked first
_HARMLESS = 1 << 26

_CHUNK = 1 << 20
# headers of more blocks than this are taken for something else: real ones have some hundred cards each, 36 in a block
_MAX_BLOCKS = 1000

_INTEGER = re.compile(r" *([+-]?[0-9]{1,19}) *(?:/.*)?", re.DOTALL)
_REAL = re.compile(r" *([+-]?[0-9.]{1,40}(?:[ED][+-]?[0-9]{1,4})?) *(?:/.*)?", re.DOTALL)
_WORD = re.compile(r" *'([^']*)'")
_SUM = re.compile(r" *'? *([0-9]{1,10}) *(?:['/]|$)")
# columns of a table, and those that say where in the heap a tile is
_FORM = re.compile(r"([0-9]{0,18})([LXABIJKEDCMPQ])[^']*")
_LIST = re.compile(r"1?([PQ])([BIJKED])")
_WIDTHS = {"L": 1, "A": 1, "B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_TILES = frozenset({"COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA"})


class BrokenFits(ValueError):
    """Bytes that are no whole FITS file; the message is the reason."""


class NoImage(JsocError):
    """A whole FITS file that holds nothing but headers, or tables."""


@dataclasses.dataclass(frozen=True)
class Unit:
    """One header and data unit of a file: byte offsets, and the cards of its header without END."""

    start: int
    data_start: int
    data_size: int
    cards: tuple[str, ...]

    @property
    def end(self) -> int:
        """Offset of the first byte after the unit."""
        return self.data_start + -(-self.data_size // BLOCK) * BLOCK

    @functools.cached_property
    def _values(self) -> dict[str, str]:
        # the first of two cards of one name counts
        return {card[:8].rstrip(): card[10:] for card in reversed(self.cards) if card[8:10] == "= "}

    def text(self, name: str) -> str | None:
        """Return value and comment of a card as they stand there, None where there is no such card."""
        return self._values.get(name)

    def odd(self, name: str, what: object) -> BrokenFits:
        """Return the error that says what is wrong with a card."""
        return BrokenFits(f"{name} in the header at byte {self.start} is {what}")

    def integer(self, name: str, default: int | None = None, least: int | None = None, most: int | None = None) -> int:
        """
        Return an integer value.

        `BrokenFits` where it is absent (and there is no default), no integer, below `least` or above `most`.
        """
        text = self.text(name)
        if text is None:
            if default is None:
                raise BrokenFits(f"the header at byte {self.start} has no {name}")
            return default
        match = _INTEGER.fullmatch(text)
        if match is None:
            raise self.odd(name, f"no integer: {text[:20].strip()!r}")
        value = int(match[1])
        if (least is not None and value < least) or (most is not None and value > most):
            raise self.odd(
                name, f"{value}, and must be {least} or more" if most is None else f"{value}, not in {least} to {most}"
            )
        return value

    def bits(self, name: str) -> int:
        """Return a BITPIX, one of the six that there are."""
        bits = self.integer(name)
        if bits not in BITPIX:
            raise self.odd(name, f"{bits}, not one of {', '.join(map(str, BITPIX))}")
        return bits

    def real(self, name: str, default: float) -> float:
        """Return a number, `default` where there is none that can be read."""
        match = _REAL.fullmatch((self.text(name) or "").upper())
        try:
            value = float(match[1].replace("D", "E")) if match else default
        except ValueError:
            return default
        return value if math.isfinite(value) else default

    def word(self, name: str) -> str:
        """Return a string of one card, empty where there is none."""
        match = _WORD.match(self.text(name) or "")
        return match[1].strip() if match else ""

    def is_true(self, name: str) -> bool:
        """Whether a logical card is there and true."""
        text = self.text(name)
        return text is not None and text.split("/")[0].strip() == "T"

    def axes(self, prefix: str = "") -> list[int]:
        """Return the sizes of the axes; with the prefix Z those of the image that is compressed."""
        count = self.integer(f"{prefix}NAXIS", least=0, most=999)
        return [self.integer(f"{prefix}NAXIS{number}", least=0) for number in range(1, count + 1)]

    @property
    def is_compressed(self) -> bool:
        """Whether the unit is a table that holds a compressed image."""
        return self.is_true("ZIMAGE") and self.word("XTENSION") == "BINTABLE"

    @property
    def is_image(self) -> bool:
        """Whether the unit holds a picture: a filled primary array or IMAGE extension, or a compressed image."""
        plain = self.word("XTENSION") == "IMAGE" or not (self.text("XTENSION") or self.is_true("GROUPS"))
        return self.is_compressed or (plain and self.data_size > 0)


def _data_size(unit: Unit) -> int:
    """Compute the bytes of a data unit (FITS standard 4.0, equations 1, 2 and 4)."""
    size, axes = abs(unit.bits("BITPIX")) // 8, unit.axes()
    if not axes:
        return 0
    if axes[0] == 0 and unit.is_true("GROUPS"):
        axes = axes[1:]
    return size * unit.integer("GCOUNT", 1, least=0) * (unit.integer("PCOUNT", 0, least=0) + math.prod(axes))


def _columns(unit: Unit) -> dict[str, tuple[int, str]]:
    """Return where in a row the columns of a table begin, and their formats; `BrokenFits` if they do not fill it."""
    columns: dict[str, tuple[int, str]] = {}
    filled, width = 0, unit.integer("NAXIS1")
    for number in range(1, unit.integer("TFIELDS", least=1, most=999) + 1):
        form = _FORM.match(unit.word(f"TFORM{number}"))
        if form is None:
            raise unit.odd(f"TFORM{number}", "no format of a column")
        columns.setdefault(unit.word(f"TTYPE{number}"), (filled, form[0]))
        repeat = int(form[1] or 1)
        filled += -(-repeat // 8) if form[2] == "X" else repeat * _WIDTHS[form[2]]
    if filled != width:
        raise BrokenFits(f"the columns of the table at byte {unit.start} take {filled} bytes, its rows have {width}")
    return columns


def _check_tiles(file: BinaryIO, unit: Unit, whole: bool) -> None:
    """
    Hold a compressed image against its table (FITS standard 4.0, section 10.1).

    A row for each tile, columns that fill a row, tiles that lie in the heap, none upon another, and no more pixels than
    their bytes can make. Where the file is not `whole`, its heap may be absent.
    """
    import numpy as np

    where = f"the table at byte {unit.start}"
    unit.integer("NAXIS", least=2, most=2)
    unit.integer("GCOUNT", 1, least=1, most=1)
    shape = unit.axes("Z")
    # along the first axis a tile has all pixels, along others one, where nothing else is said
    tile = [unit.integer(f"ZTILE{number}", 1 if number > 1 else size, 1) for number, size in enumerate(shape, start=1)]
    tiles = math.prod(-(-size // step) if size else 0 for size, step in zip(shape, tile, strict=True))
    width, rows, size = (unit.integer(name, 0) for name in ("NAXIS1", "NAXIS2", "PCOUNT"))
    if rows != tiles:
        raise BrokenFits(f"{where} has {rows} rows for {min(tiles, 10**18)} tiles of its image")
    start = unit.integer("THEAP", width * rows, least=width * rows, most=width * rows + size)
    size -= start - width * rows
    columns, packing, packed = _columns(unit), unit.word("ZCMPTYPE"), 0
    pixels = math.prod(map(min, shape, tile))
    file.seek(unit.data_start)
    content = file.read(width * rows)
    if len(content) < width * rows:
        raise BrokenFits(f"the file ends inside {where}")
    table = np.frombuffer(content, "u1").reshape(rows, width)
    for name in {"COMPRESSED_DATA", *columns} & _TILES:
        place, form = columns.get(name, (0, ""))
        if (kind := _LIST.match(form)) is None:
            raise BrokenFits(f"{where} has no list of tiles in its column {name}")
        pair = np.dtype((">i4" if kind[1] == "P" else ">i8", 2))
        lists = np.ascontiguousarray(table[:, place : place + pair.itemsize]).view(pair.base).astype("i8")
        lists[:, 0] *= _WIDTHS[kind[2]]
        lengths = lists[:, 0]
        if rows and (lists.min() < 0 or lists.max() > size or lists.sum(axis=1).max() > size):
            raise BrokenFits(f"{where} has a tile beyond its {size} bytes")
        packed += sum(lengths.tolist())
        if whole and (name.startswith("GZIP") or (name == "COMPRESSED_DATA" and packing.startswith("GZIP"))):
            for length, offset in lists[lengths * _EXPANSION > max(8 * pixels, _HARMLESS)].tolist():
                file.seek(unit.data_start + start + offset)
                _check_gzip(file.read(length), 8 * pixels, where)
    if packed > size:
        raise BrokenFits(f"{where} has tiles of {packed} bytes in {size}: they lie upon each other")
    wanted = math.prod(shape) * abs(unit.bits("ZBITPIX")) // 8
    if packing in PACKINGS and wanted > packed * _EXPANSION:
        raise BrokenFits(
            f"{where} wants {min(wanted, 10**18)} bytes of pixels, and its {packed} bytes cannot make them"
        )


def _check_gzip(packed: bytes, largest: int, where: str) -> None:
    """Refuse what is small and becomes larger than a tile."""
    stream = zlib.decompressobj(31)
    try:
        size = len(stream.decompress(packed, largest + 1))
    except zlib.error as error:
        raise BrokenFits(f"{where} has a tile that cannot be unpacked: {error}") from None
    if size > largest or stream.unused_data.strip(b"\0"):
        raise BrokenFits(f"{where} has a tile that unpacks to more than its {largest} bytes")


def _cards(file: BinaryIO, start: int, most: int) -> tuple[str, ...]:
    """Read the cards of the header that begins at `start`, up to END; it may have `most` blocks."""
    cards: list[str] = []
    for _ in range(most):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            raise BrokenFits(f"the file ends inside the header that begins at byte {start}")
        text = block.decode("latin-1")
        for place in range(0, BLOCK, WIDTH):
            card = text[place : place + WIDTH]
            if card.rstrip() == "END":
                return tuple(cards)
            cards.append(card)
    raise BrokenFits(f"no END card in the header at byte {start}, or headers of more than {_MAX_BLOCKS} blocks")


def units(file: BinaryIO, size: int | None = None) -> Iterator[Unit]:
    """
    Walk the header and data units of a file.

    Parameters
    ----------
    file : binary file
        Open and seekable.
    size : int, optional
        Its bytes, where it is only the beginning of one.

    Yields
    ------
    Unit
        In the order of the file.

    Raises
    ------
    BrokenFits
        Where the file stops being FITS, with the reason.
    """
    there = file.seek(0, os.SEEK_END)
    size = there if size is None else size
    if not size:
        raise BrokenFits("empty")
    start = blocks = 0
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
        cards = _cards(file, start, _MAX_BLOCKS - blocks)
        unit = Unit(start, file.tell(), 0, cards)
        blocks += (unit.data_start - start) // BLOCK
        unit = dataclasses.replace(unit, data_size=_data_size(unit))
        if unit.end > size:
            promised = str(unit.end) if unit.end < 10**18 else "more than any disk holds"
            raise BrokenFits(f"truncated: {size} bytes, but the header at byte {start} promises {promised}")
        if unit.is_compressed:
            _check_tiles(file, unit, there >= size)
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


def looks_like_fits(path: str | os.PathLike[str], *, sums: bool = False) -> str | None:
    """
    Check that a file is a whole FITS file.

    Parameters
    ----------
    path : path-like
        The file.
    sums : bool
        Whether its data are read as well, once, and held against DATASUM and CHECKSUM where the file has them.

    Returns
    -------
    str or None
        None where it is; else the reason: an HTML page or JSON under a FITS name, truncated, no multiple of 2880 bytes,
        …; "damaged: …" where a sum does not hold.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return fault(file, sums=sums)


def fault(file: BinaryIO, *, sums: bool = False) -> str | None:
    """Return why an open file is no whole FITS file, as `looks_like_fits` does."""
    try:
        for unit in units(file):
            if sums:
                _check_sums(file, unit)
    except BrokenFits as reason:
        return str(reason)
    size = file.seek(0, os.SEEK_END)
    return None if size % BLOCK == 0 else f"truncated: {size} bytes is no multiple of {BLOCK}"


def _check_sums(file: BinaryIO, unit: Unit) -> None:
    """Hold a unit against its DATASUM and CHECKSUM (FITS standard 4.0, section 4.4.2.7) where they say anything."""
    match = _SUM.match(unit.text("DATASUM") or "")
    told, checksum = int(match[1]) if match else 0, unit.word("CHECKSUM").strip("0")
    if not told and not checksum:
        return
    # the sums are of ones' complements, in which 0 and this are the same
    nought = 0xFFFFFFFF
    data = datasum(file, unit)
    if told and (told - data) % nought:
        raise BrokenFits(f"damaged: DATASUM in the header at byte {unit.start} says {told}, the data add up to {data}")
    header = _sum(_chunks(file, unit.start, unit.data_start))
    # where no sum of the data was known, that of the header may have been made without it
    if checksum and (header + data) % nought and (told or header % nought):
        raise BrokenFits(f"damaged: CHECKSUM in the header at byte {unit.start} does not hold")


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end:
        chunk = file.read(min(_CHUNK, end - start))
        if not chunk:
            raise BrokenFits("it became shorter while it was read")
        yield chunk
        start += len(chunk)


def _sum(chunks: Iterable[bytes]) -> int:
    total = 0
    for chunk in chunks:
        # units begin and end on blocks of 2880 bytes; only what follows the last one may have any length
        total = fitscard.checksum(chunk.ljust(-(-len(chunk) // 4) * 4, b"\0"), total)
    return total


def datasum(file: BinaryIO, unit: Unit) -> int:
    """Return the sum of a data unit, as its card DATASUM would say it."""
    return _sum(_chunks(file, unit.data_start, unit.end))


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
    NoImage
        If the source holds no image; nothing is written then.
    JsocError
        If it is no whole FITS file.

    Notes
    -----
    CHECKSUM and DATASUM are computed anew, without the time in their comments: the same input gives the same bytes.
    """
    if os.path.realpath(source) == os.path.realpath(target):
        raise JsocError(
            f"{os.fspath(source)!r} cannot be rewritten in place; give another target and rename it afterwards"
        )
    try:
        with Path(source).open("rb") as file:
            image = next((unit for unit in list(units(file)) if unit.is_image), None)
            if image is None:
                raise NoImage(
                    f"{os.fspath(source)!r} holds no image, so there is no header to complete; use it as it is"
                )
            cards = merged(image.cards, _card_list(header))
            with Path(target).open("wb") as out:
                out.writelines(_chunks(file, 0, image.start))
                # the checksums need the sum of the data, which is known once they are copied: the block has its size
                # already
                out.write(fitscard.header_block(cards))
                total = _sum(_written(out, _chunks(file, image.data_start, image.end)))
                out.writelines(_chunks(file, image.end, file.seek(0, os.SEEK_END)))
                out.seek(image.start)
                out.write(fitscard.header_block(checksummed(cards, total)))
    except BrokenFits as reason:
        raise JsocError(f"{os.fspath(source)!r} is no FITS file to put a header into: {reason}") from None


def _card_list(header: Iterable[str] | fits.Header) -> list[str]:
    """Return the cards of either form of header, without END."""
    tostring = getattr(header, "tostring", None)
    if tostring is None:
        found = list(header)
    else:
        text = str(tostring(sep="", endcard=False, padding=False))
        found = [text[place : place + WIDTH] for place in range(0, len(text), WIDTH)]
    text = "".join(found)
    if {*map(len, found)} - {WIDTH} or not (text.isascii() and text.isprintable()):
        fits = (len(card) == WIDTH and card.isascii() and card.isprintable() for card in found)
        odd = next(card for card, fit in zip(found, fits, strict=True) if not fit)
        raise JsocError(f"a header card is 80 printable ASCII characters, this is not: {odd[:100]!r}")
    return found


def merged(old: Sequence[str], new: Sequence[str]) -> list[str]:
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
    names = {card[:8] for card in header}
    return header + [fitscard.card(name, "''") for name in ("CHECKSUM", "DATASUM") if f"{name:<8}" not in names]


def checksummed(header: list[str], data: int) -> list[str]:
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


def _written(out: BinaryIO, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        out.write(chunk)
        yield chunk
