"""
Images out of FITS files and back into them, for what works on pixels.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .pointing import FloatArray

if TYPE_CHECKING:
    from astropy.io import fits

# belong to the stored pixels, not to those of the result
_OF_PIXELS: Final = frozenset({"BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM"})


_LOCK: Final = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of astropy; one thread at a time, because Python's filters are everybody's."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def mean(blocks: FloatArray) -> FloatArray:
    """Means over the second and fourth axis of what is not NaN; NaN where there is nothing."""
    count = np.isfinite(blocks).sum(axis=(1, 3))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(blocks, axis=(1, 3)) / np.where(count, count, np.nan))


class ProcessError(ValueError):
    """A step that cannot be done on this image or with these arguments."""


@dataclass(slots=True)
class Image:
    """An image on its way through the steps: pixels (NaN where missing), header, and TAI seconds of the record."""

    data: FloatArray
    header: dict[str, Any]
    seconds: float


def read_image(content: bytes, seconds: float) -> tuple[Image, fits.Header, bool]:
    """
    The image of a FITS file, its header, and whether it was compressed.

    Raises
    ------
    ProcessError
        If there is no image of two dimensions.
    """
    from astropy.io import fits

    with quiet():
        try:
            with fits.open(BytesIO(content)) as units:
                unit = next((unit for unit in units if unit.data is not None), None)
                if unit is None or np.ndim(unit.data) != 2:
                    raise ProcessError("there is no image to work on")
                header = unit.header.copy()
                data = np.array(unit.data, dtype=np.float64)
                compressed = isinstance(unit, fits.CompImageHDU)
        except OSError:
            raise ProcessError("there is no image to work on") from None
    found = {name: value for name, value in header.items() if name not in ("COMMENT", "HISTORY", "")}
    return Image(data, found, seconds), header, compressed


def read_shape(content: bytes) -> tuple[int, int]:
    """Rows and columns of the image of a FITS file, from its header; errors as for `read_image`."""
    from astropy.io import fits

    with quiet():
        try:
            with fits.open(BytesIO(content)) as units:
                found = next((unit.shape for unit in units if len(unit.shape) == 2), None)
        except OSError:
            found = None
    if found is None:
        raise ProcessError("there is no image to work on")
    return int(found[0]), int(found[1])


def write_image(image: Image, header: fits.Header, keywords: Mapping[str, Any], *, compressed: bool) -> bytes:
    """
    An image with the header that it came with, as the steps have changed it.

    Parameters
    ----------
    image : Image
        From `read_image`, or after steps.
    header : Header
        From `read_image`.
    keywords : mapping
        What the new record has of its own; a value, or a value and a comment.
    compressed : bool
        Whether to compress.
    """
    from astropy.io import fits

    for name in _OF_PIXELS:
        header.remove(name, ignore_missing=True)
    with quiet():
        for name, value in (image.header | statistics(image.data, header) | dict(keywords)).items():
            if name in ("HISTORY", "COMMENT"):
                # the notes on long strings are no comment of the record's
                end = header.index("LONGSTRN") if "LONGSTRN" in header else len(header)
                if value and name in header[:end]:
                    header.insert(end, (name, value))
            elif name in _OF_PIXELS or name.startswith("NAXIS"):
                continue
            elif name not in header or header[name] != value:
                header[name] = value
        data = image.data.astype(np.float32)
        made: list[Any] = [fits.PrimaryHDU(data, header)]
        if compressed:
            made = [fits.PrimaryHDU(), fits.CompImageHDU(data, header, compression_type="GZIP_2", quantize_level=0.0)]
        buffer = BytesIO()
        fits.HDUList(made).writeto(buffer, checksum=True, output_verify="silentfix+ignore")
    return buffer.getvalue()


def statistics(data: FloatArray, header: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the keywords on pixel values that the header has, for new pixels."""
    # as fstats.c has them: of single precision, n - 1 for the variance, the upper of two middle values
    good = np.sort(data[np.isfinite(data)].astype(np.float32).astype(np.float64))
    found: dict[str, Any] = {"TOTVALS": data.size, "DATAVALS": good.size, "MISSVALS": data.size - good.size}
    values: dict[str, float | None] = dict.fromkeys(("MIN", "MAX", "MEDN", "MEAN", "RMS", "SKEW", "KURT"))
    if good.size:
        mean = float(good.mean())
        values |= {"MIN": good[0], "MAX": good[-1], "MEDN": good[good.size // 2], "MEAN": mean}
    if good.size > 1:
        away = good - mean
        variance = float((away**2).sum() / (good.size - 1))
        values |= {"RMS": math.sqrt(variance), "SKEW": 0.0, "KURT": 0.0}
        if variance:
            values |= {"SKEW": (away**3).mean() / variance**1.5, "KURT": (away**4).mean() / variance**2 - 3}
    found |= {f"DATA{name}": None if value is None else float(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if name in header}
