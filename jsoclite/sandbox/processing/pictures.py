"""
What ``protocol=jpg``, ``png`` and ``mp4`` make of images: scaled to bytes, coloured, smaller if asked for.

Pillow writes the pictures; films are MP4 files of motion JPEG.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .image import Image, ProcessError, mean, read_image
from .steps import upright

#: Largest picture.
MAX_PIXELS: Final = 2**20

Bytes: TypeAlias = npt.NDArray[np.uint8]

# exponents of red, green and blue over brightness, by a word in the colour table's name
_COLOURS: Final[Mapping[str, tuple[float, float, float]]] = {
    "94": (1.6, 0.8, 1.2),
    "131": (1.6, 0.8, 0.8),
    "171": (0.7, 1.0, 2.6),
    "193": (0.7, 1.1, 1.9),
    "211": (0.8, 1.5, 1.0),
    "304": (0.6, 1.8, 2.4),
    "335": (1.6, 1.2, 0.8),
    "1600": (0.8, 0.8, 1.6),
    "heat": (0.5, 1.2, 3.0),
}


@dataclass(frozen=True, slots=True)
class Look:
    """
    How images are shown.

    Attributes
    ----------
    kind : str
        ``jpg``, ``png``, ``mp4`` or ``mpg``.
    table : str
        Colour table; grey unless its name is known.
    scaling : str
        ``MINMAX``, ``MINMAXGIVEN``, ``SQRT`` or ``LOG``, in any case.
    low, high : float or None
        Limits given.
    divisor : int
        The image's sides are divided by it.
    """

    kind: str
    table: str = "grey.sao"
    scaling: str = "MINMAX"
    low: float | None = None
    high: float | None = None
    divisor: int = 1

    @classmethod
    def parse(cls, protocol: str) -> Look | None:
        """
        Read ``jpg,CT=grey.sao,scaling=MINMAX,size=1,min=-100,max=100``; None where this is no protocol of pictures.

        Raises
        ------
        ValueError
            If an argument is not what it should be.
        """
        kind, *words = protocol.split(",")
        if kind.lower() not in ("jpg", "png", "mp4", "mpg"):
            return None
        options = {name.strip().lower(): value.strip() for name, _, value in (word.partition("=") for word in words)}
        limits = [float(options[name]) if options.get(name) else None for name in ("min", "max")]
        divisor = int(options.get("size") or 1)
        if divisor < 1 or any(limit is not None and not math.isfinite(limit) for limit in limits):
            raise ValueError(f"protocol {protocol!r} has an impossible size or limit")
        scaling = (options.get("scaling") or "MINMAX").upper()
        return cls(kind.lower(), options.get("ct") or "grey.sao", scaling, limits[0], limits[1], divisor)

    @property
    def ending(self) -> str:
        """Ending of the pictures' names; films are made of JPEGs."""
        return "png" if self.kind == "png" else "jpg"

    @property
    def lacking(self) -> str:
        """What to do first where this machine cannot make pictures, else empty."""
        if find_spec("PIL") is not None:
            return ""
        return f"The sandbox needs Pillow for protocol {self.kind}: pip install pillow"

    def draw(self, content: bytes) -> bytes:
        """
        One picture of a FITS file.

        Raises
        ------
        ProcessError
            If there is no image in it.
        """
        from PIL import Image as Picture

        out = BytesIO()
        picture = Picture.fromarray(self.pixels(read_image(content, 0.0)[0]))
        picture.save(out, "png" if self.kind == "png" else "jpeg", quality=90, subsampling=0)
        return out.getvalue()

    def pixels(self, image: Image) -> Bytes:
        """Bytes to show, the first row on top, solar north up."""
        upright(image)
        data = image.data[::-1]
        if data.size > MAX_PIXELS * self.divisor**2:
            raise ProcessError(f"an image of {data.shape[1]} x {data.shape[0]} pixels is too large for a picture")
        if self.divisor > 1:
            rows, columns = (size // self.divisor * self.divisor for size in data.shape)
            if not rows or not columns:
                raise ProcessError(f"size={self.divisor} leaves no pixel of this image")
            data = mean(data[:rows, :columns].reshape(rows // self.divisor, self.divisor, -1, self.divisor))
        good = data[np.isfinite(data)]
        low = self.low if self.low is not None else float(good.min()) if good.size else 0.0
        high = self.high if self.high is not None else float(good.max()) if good.size else 1.0
        part = np.clip((np.nan_to_num(data, nan=low) - low) / ((high - low) or 1.0), 0, 1)
        if "SQRT" in self.scaling:
            part = np.sqrt(part)
        elif "LOG" in self.scaling:
            part = np.log1p(part * 999) / np.log(1000)
        words = self.table.lower().replace(".", "_").replace("-", "_").split("_")
        powers = next((_COLOURS[word] for word in words if word in _COLOURS), None)
        if powers is not None:
            part = np.stack([part**power for power in powers], axis=-1)
        return np.asarray(np.rint(part * 255), dtype=np.uint8)


def film(frames: Sequence[bytes], rate: int = 20) -> bytes:
    """
    Join JPEGs to an MP4 file (motion JPEG).

    Parameters
    ----------
    frames : sequence of bytes
        JPEGs of one size.
    rate : int
        Frames a second.
    """
    from PIL import Image as Picture

    def box(kind: bytes, *content: bytes) -> bytes:
        body = b"".join(content)
        return struct.pack(">I", len(body) + 8) + kind + body

    def full(kind: bytes, *content: bytes, flags: int = 0) -> bytes:
        return box(kind, struct.pack(">I", flags), *content)

    count, (width, height) = len(frames), Picture.open(BytesIO(frames[0])).size
    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    head = box(b"ftyp", b"isom\0\0\2\0isommp41")
    entry = (
        bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1)
    )
    sample = box(b"jpeg", entry, bytes(32), struct.pack(">Hh", 24, -1))

    def tracks(offset: int) -> bytes:
        table = box(
            b"stbl",
            full(b"stsd", struct.pack(">I", 1), sample),
            full(b"stts", struct.pack(">III", 1, count, 1)),
            full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
            full(b"stsz", struct.pack(">II", 0, count), *(struct.pack(">I", len(frame)) for frame in frames)),
            full(b"stco", struct.pack(">II", 1, offset)),
        )
        data = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1)))
        media = box(
            b"mdia",
            full(b"mdhd", struct.pack(">IIIIHH", 0, 0, rate, count, 0x55C4, 0)),
            full(b"hdlr", bytes(4), b"vide", bytes(12), b"video\0"),
            box(b"minf", full(b"vmhd", bytes(8), flags=1), data, table),
        )
        shape = struct.pack(">II", width << 16, height << 16)
        track = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, count), bytes(16), matrix, shape, flags=3)
        movie = struct.pack(">IIIIIH", 0, 0, rate, count, 0x10000, 0x100)
        return box(
            b"moov",
            full(b"mvhd", movie, bytes(10), matrix, bytes(24), struct.pack(">I", 2)),
            box(b"trak", track, media),
        )

    start = len(head) + len(tracks(0)) + 8
    return head + tracks(start) + box(b"mdat", *frames)
