"""
What ``protocol=jpg``, ``png`` and ``mp4`` make of images: scaled to bytes, coloured, smaller if asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .image import Image, ProcessError, mean, read_image
from .jpeg import jpeg, png
from .steps import upright

#: Endings of the files of each protocol; movies are made of jpg.
ENDINGS: Final = {"jpg": "jpg", "png": "png", "mp4": "jpg"}

#: Largest picture; the encoder is written for the sandbox's small images.
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
        ``jpg``, ``png`` or ``mp4``.
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
        if kind.lower() not in ENDINGS:
            return None
        options = {name.strip().lower(): value.strip() for name, _, value in (word.partition("=") for word in words)}
        limits = [float(options[name]) if options.get(name) else None for name in ("min", "max")]
        divisor = int(options.get("size") or 1)
        if divisor < 1 or any(limit is not None and not math.isfinite(limit) for limit in limits):
            raise ValueError(f"protocol {protocol!r} has an impossible size or limit")
        scaling = (options.get("scaling") or "MINMAX").upper()
        return cls(kind.lower(), options.get("ct") or "grey.sao", scaling, limits[0], limits[1], divisor)

    def draw(self, content: bytes) -> bytes:
        """
        One picture of a FITS file.

        Raises
        ------
        ProcessError
            If there is no image in it.
        """
        pixels = self.pixels(read_image(content, 0.0)[0])
        return png(pixels) if self.kind == "png" else jpeg(pixels)

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
        powers = self._powers()
        if powers is None:
            return np.asarray(np.rint(part * 255), dtype=np.uint8)
        return np.asarray(np.rint(np.stack([part**power for power in powers], axis=-1) * 255), dtype=np.uint8)

    def _powers(self) -> tuple[float, float, float] | None:
        words = self.table.lower().replace(".", "_").replace("-", "_").split("_")
        return next((_COLOURS[word] for word in words if word in _COLOURS), None)
