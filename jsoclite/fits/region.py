"""
Some rows of a stored image, out of the bytes that hold them.

Images in SUMS are Rice-compressed, mostly a row a tile, in the first extension: header, table of row descriptors, and
the heap with the rows in order. From the header and the table, `StoredImage` tells which stretch of the file holds
which rows, decodes them alone, and writes an image with the record's keywords in the same place of a new file.

What a server sends is not trusted: sizes are checked against each other before anything is allocated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from . import cards as fitscard
from .cards import BLOCK
from .files import BrokenFits, Unit, checksummed, merged, units
from .image import pixels

if TYPE_CHECKING:
    import numpy as np

# no image of the archive has more columns or rows; nothing of one is larger than this
_LONGEST, _MOST = 1 << 16, 1 << 31
# a descriptor is (count, offset) of a stretch of the heap, in 32 or 64 bits (FITS standard 4.0, section 7.3.5)
_COLUMN = re.compile(r"'(\d*)([PQ]?)([LXBIJKAEDCM])(?:\(\d*\))? *'")
_BYTES = dict(zip("LBIJKAEDCM", (1, 1, 2, 4, 8, 1, 4, 8, 8, 16), strict=True))
_EMPTY = [
    fitscard.card(name, value) for name, value in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T"))
]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """
    An image of two dimensions in a file of which the beginning is known.

    Attributes
    ----------
    unit : Unit
        Its header, and where its data lie.
    first : bool
        Whether it is the file's first unit, not an extension.
    shape : (int, int)
        Rows and columns.
    table : bytes
        The descriptors of a compressed image; empty for others.
    rows_a_tile, tiles_a_row : int
        How a compressed image is cut up.
    """

    unit: Unit
    first: bool
    shape: tuple[int, int]
    table: bytes = b""
    rows_a_tile: int = 1
    tiles_a_row: int = 1

    @property
    def head(self) -> int:
        """Bytes of the file before the pixels."""
        return self.unit.data_start + len(self.table)

    @classmethod
    def parse(cls, head: bytes, size: int) -> StoredImage | int:
        """
        Read the beginning of a file.

        Parameters
        ----------
        head : bytes
            The beginning.
        size : int
            Bytes of the whole file.

        Returns
        -------
        StoredImage, or int
            How many bytes are needed, where these are too few.

        Raises
        ------
        BrokenFits
            If the file holds no image of two dimensions, or its sizes contradict each other.
        """
        try:
            end = 0
            for unit in units(BytesIO(head), size):
                if unit.is_image:
                    return cls._of(unit, end == 0, head)
                end = unit.end
        except BrokenFits:
            if len(head) >= size or not head.startswith(b"SIMPLE  ="[: len(head)]):
                raise
            return min(size, 2 * len(head) + BLOCK)
        if len(head) <= end < size:
            return min(size, end + 4 * BLOCK)
        raise BrokenFits("no image in it")

    @classmethod
    def _of(cls, unit: Unit, first: bool, head: bytes) -> StoredImage | int:
        packed = unit.is_true("ZIMAGE")
        start = "Z" if packed else ""
        if unit.integer(f"{start}NAXIS") != 2:
            raise BrokenFits("its image has not two dimensions")
        columns, rows = (unit.integer(f"{start}NAXIS{axis}") for axis in (1, 2))
        if not (0 < columns <= _LONGEST and 0 < rows <= _LONGEST):
            raise BrokenFits(f"an image of {columns} x {rows} pixels")
        if not packed:
            return cls(unit, first, (rows, columns))
        # what unpacks to any size is not for here; JSOC packs by Rice
        if unit.word("ZCMPTYPE") != "RICE_1" or any(
            "'GZIP_" in card for card in unit.cards if card.startswith("TTYPE")
        ):
            raise BrokenFits(f"its image is packed by {unit.word('ZCMPTYPE')}, not by RICE_1 alone")
        wide, high = unit.integer("ZTILE1", columns), unit.integer("ZTILE2", 1)
        width, tiles = unit.integer("NAXIS1"), unit.integer("NAXIS2")
        if wide < 1 or high < 1 or tiles != -(-columns // wide) * -(-rows // high):
            raise BrokenFits(f"{tiles} tiles of {wide} x {high} for {columns} x {rows} pixels")
        end = unit.data_start + width * tiles
        heap = unit.data_start + unit.integer("THEAP", width * tiles)
        if width > 1 << 10 or not end <= heap <= unit.data_start + unit.data_size:
            raise BrokenFits(f"a table of {tiles} rows with {width} bytes each")
        if end > len(head):
            return end
        return cls(unit, first, (rows, columns), head[unit.data_start : end], high, -(-columns // wide))

    def span(self, low: int, high: int) -> tuple[int, int]:
        """Return where in the file the rows `low` to `high` (not included) begin and end."""
        if not self.table:
            row = self.shape[1] * abs(self.unit.integer("BITPIX")) // 8
            return self.unit.data_start + low * row, self.unit.data_start + high * row
        start, stop = self._stretch(*self._tiles(low, high))
        return self._heap + start, self._heap + stop

    def rows(self, body: bytes, low: int, high: int) -> np.ndarray[Any, Any]:
        """
        Decode the rows `low` to `high` (not included).

        Parameters
        ----------
        body : bytes
            The stretch of the file that `span` names.
        low, high : int
            Rows, counted from 0.

        Returns
        -------
        ndarray
            Physical values in single precision, NaN where missing.
        """
        if not self.table:
            begin, cards = low, self._cards({"NAXIS2": high - low})
        else:
            begin, cards, body = self._part(body, low, high)
        number = 0
        content = fitscard.header_block(cards) + body + b"\0" * (-len(body) % BLOCK)
        if not self.first:
            number, content = 1, fitscard.header_block(_EMPTY) + content
        try:
            found = pixels(BytesIO(content), self.unit, number)
        except Exception as error:  # the decoders have errors of their own
            raise BrokenFits(f"its rows cannot be decoded: {error}") from None
        return found[low - begin : high - begin].astype("f4")

    def _part(self, body: bytes, low: int, high: int) -> tuple[int, list[str], bytes]:
        """Cut a table of some tiles out: the first row, its header, and its bytes."""
        import numpy as np

        first, last = self._tiles(low, high)
        start, stop = self._stretch(first, last)
        width = len(self.table) // self._count
        table = np.frombuffer(self.table, np.uint8).reshape(-1, width)[first:last].copy()
        for place, kind, _ in self._columns():
            descriptors = table[:, place : place + 2 * int(kind[2:])].view(kind)
            # where there is nothing, the offset means nothing either
            descriptors[:, 1] = np.where(descriptors[:, 0] > 0, descriptors[:, 1] - start, 0)
        begin = first // self.tiles_a_row * self.rows_a_tile
        end = min(self.shape[0], last // self.tiles_a_row * self.rows_a_tile)
        sizes = {"NAXIS2": last - first, "PCOUNT": stop - start, "ZNAXIS2": end - begin}
        return begin, self._cards(sizes), table.tobytes() + body

    def _cards(self, sizes: dict[str, int]) -> list[str]:
        return [
            fitscard.card(name, str(sizes[name])) if name in sizes else card
            for card in self.unit.cards
            if (name := fitscard.name_of(card)) != "THEAP"
        ]

    @property
    def _count(self) -> int:
        return self.unit.integer("NAXIS2")

    @property
    def _heap(self) -> int:
        return self.unit.data_start + self.unit.integer("THEAP", len(self.table))

    def _tiles(self, low: int, high: int) -> tuple[int, int]:
        """Return the first tile of some rows, and the one after the last."""
        first, last = low // self.rows_a_tile, -(-high // self.rows_a_tile)
        return first * self.tiles_a_row, last * self.tiles_a_row

    def _columns(self) -> list[tuple[int, str, int]]:
        """List the columns with descriptors: place in the row, type, and bytes of an element of the heap."""
        found, place = [], 0
        for number in range(1, self.unit.integer("TFIELDS") + 1):
            match = _COLUMN.match(self.unit.text(f"TFORM{number}") or "")
            if match is None or (match[3] == "X"):
                raise BrokenFits(f"TFORM{number} is {self.unit.text(f'TFORM{number}')!r}")
            count, length = int(match[1] or 1), _BYTES[match[3]]
            if match[2]:
                kind = ">i4" if match[2] == "P" else ">i8"
                found += [(place, kind, length)] if count == 1 else []
                length = 2 * int(kind[2:])
            place += count * length
        if place != len(self.table) // self._count:
            raise BrokenFits(f"columns of {place} bytes in rows of {len(self.table) // self._count}")
        return found

    def _stretch(self, first: int, last: int) -> tuple[int, int]:
        """Return the bytes of the heap that hold some tiles."""
        import numpy as np

        width = len(self.table) // self._count
        table = np.frombuffer(self.table, np.uint8).reshape(-1, width)[first:last].copy()
        starts, stops = [], []
        for place, kind, length in self._columns():
            count, offset = table[:, place : place + 2 * int(kind[2:])].view(kind).astype(np.int64).T
            used = count > 0
            if (count < 0).any() or (offset[used] < 0).any() or (count > _MOST).any() or (offset[used] > _MOST).any():
                raise BrokenFits("descriptors beyond the heap")
            starts += offset[used].tolist()
            stops += (offset + count * length)[used].tolist()
        start, stop = min(starts, default=0), max(stops, default=0)
        # what is compressed is hardly larger than the pixels were
        area = (last - first) * math.ceil(self.shape[1] / self.tiles_a_row) * self.rows_a_tile
        if self._heap + stop > self.unit.data_start + self.unit.data_size or stop - start > 16 * area + (1 << 16):
            raise BrokenFits("descriptors beyond the heap")
        return start, stop

    def file(self, data: np.ndarray[Any, Any], cards: Iterable[str]) -> bytes:
        """
        Write an image into the same place of a new file, in single precision and not compressed.

        Parameters
        ----------
        data : ndarray
            The image.
        cards : iterable of str
            Its keywords, as `header_cards` makes them. Those about pixel values (DATAMIN, …) are worked out anew.
        """
        sizes = [("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", data.shape[1]), ("NAXIS2", data.shape[0])]
        head = [fitscard.card("SIMPLE", "T") if self.first else fitscard.card("XTENSION", "'IMAGE   '")]
        head += [fitscard.card(name, str(value)) for name, value in sizes]
        if not self.first:
            head += [fitscard.card("PCOUNT", "0"), fitscard.card("GCOUNT", "1")]
        values = _statistics(data)
        # HEADSUM is the sum of the values that the server has, not of these
        own = [_renewed(card, values) for card in cards if not card.startswith("HEADSUM =")]
        body = data.astype(">f4").tobytes()
        body += b"\0" * (-len(body) % BLOCK)
        made = fitscard.header_block(checksummed(merged(head, own), fitscard.checksum(body))) + body
        return made if self.first else fitscard.header_block(_EMPTY) + made


def _renewed(card: str, values: dict[str, float | int | None]) -> str:
    name = fitscard.name_of(card)
    if name not in values:
        return card
    value, comment = values[name], fitscard.comment_of(card).replace("(MISSING)", "").strip()
    if value is None:
        return fitscard.card(name, "", f"(MISSING) {comment}".rstrip())
    text = str(value) if isinstance(value, int) else fitscard.real(float(f"{value:.9g}"))
    return fitscard.card(name, text, comment)


def _statistics(data: np.ndarray[Any, Any]) -> dict[str, float | int | None]:
    """Describe pixel values as JSOC does (fstats.c): n - 1 for the variance, the upper of two middle values."""
    import numpy as np

    good = np.sort(data[np.isfinite(data)]).astype(np.float64)
    found: dict[str, float | int | None] = dict.fromkeys(
        f"DATA{name}" for name in ("MIN", "MAX", "MEDN", "MEAN", "RMS", "SKEW", "KURT")
    )
    found |= {"TOTVALS": data.size, "DATAVALS": good.size, "MISSVALS": data.size - good.size}
    if good.size:
        low, high, middle = (float(good[place]) for place in (0, -1, good.size // 2))
        found |= {"DATAMIN": low, "DATAMAX": high, "DATAMEDN": middle, "DATAMEAN": float(good.mean())}
    if good.size > 1:
        away = good - good.mean()
        square = away * away
        variance = float(square.sum()) / (good.size - 1)
        found |= {"DATARMS": math.sqrt(variance), "DATASKEW": 0.0, "DATAKURT": 0.0}
        if variance:
            found["DATASKEW"] = float((square * away).mean()) / variance**1.5
            found["DATAKURT"] = float((square * square).mean()) / variance**2 - 3
    return found
