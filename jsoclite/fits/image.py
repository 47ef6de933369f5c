"""
Reading what JSOC delivers: the image wherever it lies in a file, and a header that describes it; a stack of images.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import re
import warnings
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..display import clean
from ..errors import ArgumentError, JsocError, shown
from . import cards as fitscard
from .files import BITPIX, PACKINGS, BrokenFits, Unit, fault, units
from .header import standardise

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from astropy.io import fits

    from ..server import Transport


URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# exports made before 2019 print missing numbers as bare words, which FITS does not know and astropy makes strings of
_NOT_A_NUMBER = re.compile(
    r"([A-Z0-9_-]{1,8}) *= +(?:'[-+]?(?:nan|inf) *'|[-+]?(?:nan|inf)) *(?:/ *(.*?) *)?", re.IGNORECASE
)


def read(
    source: str | os.PathLike[str] | Mapping[str, Any] | Any,
    *,
    fetch: Callable[[str], bytes] | None = None,
) -> tuple[np.ndarray[Any, Any], fits.Header]:
    """
    Open the image of a FITS file, whichever HDU it lies in.

    Parameters
    ----------
    source : path, URL, or row of a manifest
        What to open; a row is anything with a ``path``. A URL is fetched for this once; `Client.download` keeps files.
    fetch : callable, optional
        Returns the bytes of a URL, in place of our own way of fetching.

    Returns
    -------
    data : ndarray
        The image of the first HDU that has one, decompressed, in the machine's byte order; the first axis is the last
        FITS axis. Integer images that are scaled (BSCALE, BZERO) or declare a BLANK become floats with NaN for missing
        pixels, float32 up to 16 bits and float64 above; other integers stay what they are. Units as BUNIT says.
    header : astropy.io.fits.Header
        The keywords as they describe `data`: without compression and scaling, None for missing values, and with
        coordinates that ``astropy.wcs.WCS(header)`` takes (see `standardise`).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    JsocError
        If it is not a whole FITS file (a saved HTML page, half a download), holds no image, or one that cannot be
        unpacked: whatever is wrong with the file.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")
    >>> data, header = jsoclite.read(files.iloc[0])
    >>> data.dtype, data.ndim, header["TELESCOP"], header["BUNIT"]
    (dtype('float64'), 2, 'SDO/HMI', 'Gauss')
    """
    where = _locate(source)
    file: BinaryIO
    if URL.match(where):
        file = BytesIO((fetch or _fetch)(where))
    else:
        path = Path(where)
        if not path.exists():
            raise FileNotFoundError(f"no file {where!r}; run the download again, it fetches what is missing")
        if not path.is_file():
            raise JsocError(f"{where!r} is no file; give the path of a FITS file")
        file = path.open("rb")
    with file:
        try:
            parts = list(units(file))
            number = next((number for number, unit in enumerate(parts) if unit.is_image), None)
            if number is None:
                raise JsocError(f"{where!r} holds no image; open it with astropy.io.fits or astropy.table")
            unit = parts[number]
            if unit.is_compressed and (packing := unit.word("ZCMPTYPE")) not in PACKINGS:
                raise JsocError(
                    f"{where!r} is packed with {clean(packing)}, which JSOC does not use; try astropy.io.fits"
                )
            data = pixels(file, unit, number)
            return data, _image_header(unit, data)
        except JsocError:
            raise
        except Exception as error:
            # what astropy raises where a file is wrong is of any type
            reason = str(error) if isinstance(error, BrokenFits) else clean(f"{type(error).__name__}: {error}"[:300])
            raise JsocError(f"{where!r} cannot be read: {reason}; delete it and run the download again") from error


def _fetch(url: str) -> bytes:
    return _connection().file(url, lambda content: fault(BytesIO(content), sums=True))


@functools.cache
def _connection() -> Transport:
    """Return the connection that files are fetched with, whatever server they are on."""
    from ..server import Transport  # requests is loaded when it is needed

    return Transport("jsoc")


def _locate(source: Any) -> str:
    """Return path or URL of anything that `read` takes."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if getattr(source, "ndim", 1) == 2 and hasattr(source, "iloc"):
        raise ArgumentError(
            f"read() takes one file, and this DataFrame has {len(source)} rows: write files.iloc[0], or stack"
        )
    try:
        path = source["path"]
    except (TypeError, KeyError, IndexError):
        path = getattr(source, "path", source)
    if isinstance(path, (str, os.PathLike)):
        return os.fsdecode(path)
    if path is source:
        raise ArgumentError(
            f"read() takes a path, a URL or a row with a path, not {type(source).__name__}; see Client.download"
        )
    raise JsocError("this row has no file: its path is missing; see its status and error")


def pixels(file: BinaryIO, unit: Unit, number: int) -> np.ndarray[Any, Any]:
    """Read the pixels of one HDU, decompressed and scaled, with NaN for missing ones."""
    import numpy as np

    bits = unit.bits("ZBITPIX" if unit.is_compressed else "BITPIX")
    raw = _unpacked(file, number) if unit.is_compressed else _stored(file, unit, np.dtype(f">{BITPIX[bits]}"))
    if not raw.dtype.isnative:
        raw = raw.byteswap(inplace=True).view(raw.dtype.newbyteorder("="))
    if bits < 0:
        return raw
    scale, zero = unit.real("BSCALE", 1.0), unit.real("BZERO", 0.0)
    blank = None if unit.text("BLANK") is None else unit.integer("BLANK")
    limits = np.iinfo(BITPIX[bits])
    # a BLANK that no pixel can have, such as -128 beside unsigned bytes, declares nothing
    missing = blank is not None and limits.min <= blank <= limits.max
    if scale == 1 and not missing:
        if zero == 0:
            return raw
        turned = np.dtype("i1" if bits == 8 else f"u{bits // 8}")
        half = turned.type(-128 if bits == 8 else 1 << (bits - 1))
        if zero == half:
            # how FITS stores unsigned integers and signed bytes: with the highest bit turned over
            unsigned: np.ndarray[Any, Any] = np.bitwise_xor(raw.view(turned), half)
            return unsigned
    # astropy before 7 has made reals with NaN of compressed integers with a BLANK already
    blanks = raw == blank if missing and raw.dtype.kind != "f" else None
    kind = np.float64 if bits > 16 else np.float32
    data: np.ndarray[Any, np.dtype[np.floating[Any]]] = raw.astype(kind, copy=raw.dtype.kind != "f")
    with np.errstate(over="ignore", invalid="ignore"):
        if scale != 1:
            data *= scale
        if zero != 0:
            data += zero
    if blanks is not None:
        data[blanks] = np.nan
    return data


def _stored(file: BinaryIO, unit: Unit, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    shape = unit.axes()[::-1]
    content = bytearray(math.prod(shape) * kind.itemsize)
    file.seek(unit.data_start)
    file.readinto(content)  # type: ignore[attr-defined]
    return np.frombuffer(content, kind).reshape(shape)


def _unpacked(file: BinaryIO, number: int) -> np.ndarray[Any, Any]:
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings():
        # the shape is checked already; cards of old exports (bare nan, a BLANK beside reals) are no matter here
        warnings.simplefilter("ignore", AstropyUserWarning)
        file.seek(0)
        with fits.open(file, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True) as hdus:
            unpacked: np.ndarray[Any, Any] = hdus[number].data
            return unpacked


def _image_header(unit: Unit, data: np.ndarray[Any, Any]) -> fits.Header:
    """Return the header that describes the pixels as they were read: an image, not compressed, not scaled."""
    from astropy.io import fits

    bits = data.dtype.itemsize * (-8 if data.dtype.kind == "f" else 8)
    head = [unit.cards[0] if not unit.is_compressed else fitscard.card("XTENSION", "'IMAGE   '", "Image extension")]
    head += [fitscard.card("BITPIX", str(bits)), fitscard.card("NAXIS", str(data.ndim))]
    head += [fitscard.card(f"NAXIS{axis}", str(size)) for axis, size in enumerate(reversed(data.shape), start=1)]
    if head[0].startswith("XTENSION"):
        head += [fitscard.card("PCOUNT", "0"), fitscard.card("GCOUNT", "1")]
    rest = [card for name, cards in fitscard.groups(unit.cards) if not fitscard.is_structural(name) for card in cards]
    header = fits.Header.fromstring("".join(head + [_legal(card) for card in rest]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        for place, card in reversed(list(enumerate(header.cards))):
            try:
                # small matters such as a lower-case exponent; what cannot be mended becomes the text that stands there
                card.verify("silentfix+ignore")
            except Exception:  # a CONTINUE of nothing, and the like
                del header[place]
    return standardise(header)


def _legal(card: str) -> str:
    """Return a card that FITS allows: ASCII, and no value in the place of a number that FITS cannot express."""
    match = _NOT_A_NUMBER.fullmatch(card)
    if match:
        return fitscard.card(match[1], "", match[2] or "")
    return card if card.isascii() and card.isprintable() else f"{fitscard.ascii_text(card):<80.80}"


class Stack(NamedTuple):
    """Images of many files: a lazy array (files, rows, columns), and the rows of the manifest that they come from."""

    images: Any
    rows: pd.DataFrame


def stack(manifest: pd.DataFrame) -> Stack:
    """
    Put the images of a manifest into one lazy Dask array; a file is opened when its part of the array is computed.

    Parameters
    ----------
    manifest : pandas.DataFrame
        From `Client.download`, or any rows with a column ``path``; those whose file is not there are left out.

    Returns
    -------
    Stack
        ``images``, a `dask.array.Array` of float64 with a chunk a file, missing pixels NaN, and ``rows``, the rows of
        the manifest in the same order.

    Raises
    ------
    JsocError
        If no file is there, or the images have different shapes.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "data")
    >>> images, rows = jsoclite.stack(files)
    >>> images.shape, images[0].compute().shape
    ((5, 256, 256), (256, 256))
    """
    try:
        dask = importlib.import_module("dask")  # it has no complete type hints
        importlib.import_module("dask.array")
    except ImportError as error:
        raise JsocError("stack needs Dask: python -m pip install 'dask[array]'") from error
    import numpy as np

    if not hasattr(manifest, "iloc") or "path" not in manifest:
        raise ArgumentError(f"stack takes the manifest of a download, not {shown(manifest)}: client.download(…)")
    rows = manifest[manifest["path"].notna()]
    if not len(rows):
        raise JsocError("no file of this manifest is there, so there is nothing to stack")
    shape = read(rows["path"].iloc[0])[0].shape
    load = dask.delayed(_image, pure=True)
    images = [dask.array.from_delayed(load(path, shape), shape=shape, dtype=np.float64) for path in rows["path"]]
    return Stack(dask.array.stack(images), rows)


def _image(path: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    data, _ = read(path)
    if data.shape != shape:
        raise JsocError(f"{path} has {data.shape} pixels, the first file has {shape}; stack files of one segment")
    return data.astype("float64")
