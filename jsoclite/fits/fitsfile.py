"""
A new header around untouched image bytes.

As-is files hold their image behind a minimal header, often Rice-compressed in the first extension behind an empty
primary. Writing never decompresses: the data unit is copied as it is, only the header before it is new.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import JsocError
from . import cards as fitscard
from .files import BrokenFits, units

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["write_fits"]

_CHUNK = 1 << 20


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
        Cards to put into the header of the image, as `jsoclite.headers.cards` returns them. A card that the source has
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
        found = [text[place : place + fitscard.WIDTH] for place in range(0, len(text), fitscard.WIDTH)]
    for card in found:
        if len(card) != fitscard.WIDTH or not (card.isascii() and card.isprintable()):
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
