"""
One image → a thumbnail: opened, turned so that north is up, made smaller, and named; the large image is dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import JsocError
from ..series import series_of
from .colors import Look, look, number
from .image import read

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.float64]


# tables and lists that are stored as arrays, such as the (3, n) of AIA's spikes, have fewer rows
_SMALLEST = 8
_TIME = re.compile(r"(\d{4})[.-](\d\d)[.-](\d\d)[T_ ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:_?([A-Z]+))?")
_INSTRUMENTS = ("AIA", "HMI", "MDI", "IRIS")
# series of HMI that are maps already; all others show what the camera sees, and the camera is upside down
_MAPS = re.compile(r"hmi\..*(_cea|syn|latlon|map|_avg)", re.IGNORECASE)
_UNITS = {"gauss": "G", "mx/cm^2": "Mx/cm²", "ma": "mÅ", "degree": "°", "none": "", "enumerated": ""}


class NoImage(JsocError):
    """The file is fine, but what it holds cannot be shown as a picture."""


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where an image is, and what is known about it without opening it.

    Attributes
    ----------
    where : str
        Path or URL.
    record, segment : str
        The record's name and the segment, empty where unknown.
    keywords : mapping
        What its row says, for headers that say less.
    """

    where: str
    record: str
    segment: str
    keywords: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """
    A small image, ready to be drawn.

    Attributes
    ----------
    pixels : ndarray
        float64, the first row at the bottom; in `unit`, missing ones NaN.
    look : Look
        How it is shown.
    series : str
        Its series, empty where unknown.
    title, time : str
        Two lines to stand above it.
    unit : str
        Unit of the pixels.
    exposure : float or None
        Exposure time in seconds, where the values are counts of it.
    frame : tuple of float or None
        Of maps: longitude of the left and right edge, latitude of the lower and upper one, degrees.
    sine : bool
        Whether rows are even in the sine of the latitude; the edges are degrees of 180/π then.
    """

    pixels: Pixels
    look: Look
    series: str
    title: str
    time: str
    unit: str
    exposure: float | None
    frame: tuple[float, float, float, float] | None = None
    sine: bool = False


def thumbnail(source: Source, size: int) -> Thumbnail:
    """
    Open an image and make a thumbnail of it.

    Parameters
    ----------
    source : Source
        Where it is.
    size : int
        Pixels that its longer side shall have, more or less.

    Raises
    ------
    NoImage
        If the file holds no image, or an array that is none.
    JsocError, OSError
        If it cannot be read.
    """
    data, header = read(source.where)
    if data.ndim != 2 or min(data.shape) < _SMALLEST:
        raise NoImage(f"{source.where} holds an array of shape {data.shape}, which is no image")
    keywords = {str(name): value for name, value in source.keywords.items() if _is_there(value)}
    keywords |= {name: value for name, value in header.items() if _is_there(value) and name not in ("COMMENT", "")}
    series, segment = _origin(source, keywords)
    found = look(keywords, segment, series)
    pixels = shrink(data, max(1, round(max(data.shape) / size)), average=found.averages)
    frame, sine = _frame(header, data.shape)
    del data
    if found.factor != 1:
        pixels *= found.factor
    if _is_upside_down(keywords, series):
        pixels = pixels[::-1, ::-1]
    exposure = number(keywords.get("EXPTIME")) if found.kind.startswith("aia") else None
    return Thumbnail(
        pixels, found, series, _title(keywords, found, segment, series), _when(keywords, series),
        _unit(keywords, found), exposure if exposure and exposure > 0 else None, frame, sine,
    )  # fmt: skip


def shrink(data: npt.NDArray[Any], factor: int, *, average: bool = True) -> Pixels:
    """
    Make an image smaller by a whole number.

    Parameters
    ----------
    data : ndarray
        (rows, columns); may hold NaN.
    factor : int
        How many pixels a side become one; what is left over at the end makes a narrower last block.
    average : bool
        Take the mean of the pixels that are there, NaN where none is; else take the one in the middle.

    Returns
    -------
    ndarray
        float64, (rows / factor, columns / factor), rounded up.

    Examples
    --------
    >>> from jsoclite.fits.thumbnails import shrink
    >>> shrink(np.array([[1.0, 3.0, 5.0], [np.nan, 5.0, 5.0]]), 2)
    array([[3., 5.]])
    """
    import numpy as np

    if not average:
        rows, columns = (np.minimum(np.arange(0, length, factor) + factor // 2, length - 1) for length in data.shape)
        return data[np.ix_(rows, columns)].astype(np.float64)
    starts = np.arange(0, data.shape[1], factor)
    small = np.empty((math.ceil(data.shape[0] / factor), starts.size))
    # a band at a time: a whole image of 4096 x 4096 pixels would need its size several times over
    for place in range(small.shape[0]):
        band = data[place * factor : (place + 1) * factor].astype(np.float64)
        there = np.isfinite(band)
        total = np.add.reduceat(np.where(there, band, 0.0).sum(axis=0), starts)
        count = np.add.reduceat(there.sum(axis=0), starts)
        small[place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return small


def _is_there(value: Any) -> bool:
    """Whether a header or a row has a value here."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    try:
        return bool(value == value)
    except TypeError:  # pandas.NA
        return False


def _origin(source: Source, keywords: Mapping[str, Any]) -> tuple[str, str]:
    """Find out series and segment: from the row, the header, or the name of the file."""
    series, segment = series_of(source.record), source.segment
    drms = str(keywords.get("DRMS_ID", "")).split(":")
    if len(drms) == 3:
        series, segment = series or drms[0], segment or drms[2]
    parts = re.split(r"[/\\]", source.where)[-1].split(".")
    if len(parts) >= 5 and not series:  # series of two words, prime keys, segment, ending
        series, segment = ".".join(parts[:2]), segment or parts[-2]
    return series, segment


def _frame(header: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[tuple[float, float, float, float] | None, bool]:
    """Return the edges of a heliographic map, and whether its rows are even in the sine of the latitude."""
    kinds = [str(header.get(f"CTYPE{axis}", "")) for axis in (1, 2)]
    if not (kinds[0].startswith("CRLN") and kinds[1].startswith("CRLT") and kinds[0][-3:] in ("CEA", "CAR")):
        return None, False
    edges: list[float] = []
    for axis, length in ((1, shape[1]), (2, shape[0])):
        value, pixel, step = (number(header.get(f"{name}{axis}")) for name in ("CRVAL", "CRPIX", "CDELT"))
        if value is None or pixel is None or not step:
            return None, False
        edges += [value + (place - pixel) * step for place in (0.5, length + 0.5)]
    # about the equator all rows are; a patch has its own equator in its middle, near which degrees are degrees
    return (edges[0], edges[1], edges[2], edges[3]), kinds[1].endswith("CEA") and number(header["CRVAL2"]) == 0


def _is_upside_down(keywords: Mapping[str, Any], series: str) -> bool:
    angle = number(keywords.get("CROTA2"))
    if angle is None:
        return series.lower().startswith("hmi.") and not _MAPS.match(series)
    return 90 < angle % 360 < 270


def _title(keywords: Mapping[str, Any], found: Look, segment: str, series: str) -> str:
    harp = number(keywords.get("HARPNUM"))
    if harp is not None:
        return f"HARP {harp:.0f} {segment or found.label}"
    told = f"{keywords.get('TELESCOP', '')} {keywords.get('INSTRUME', '')} {series}".upper()
    instrument = next((name for name in _INSTRUMENTS if name in told), str(keywords.get("INSTRUME", "")))
    kind = f"synoptic {found.label}" if "syn" in series.lower() else found.label
    return f"{instrument} {kind}".strip() or series or "image"


def _when(keywords: Mapping[str, Any], series: str) -> str:
    """Return the time to show: the slot of HMI and MDI, which is round in TAI, and the real time of AIA."""
    slot, observed = (_time_text(keywords.get(name)) for name in ("T_REC", "T_OBS"))
    if not slot and "syn" in series.lower() and (rotation := number(keywords.get("CAR_ROT"))):
        return f"Carrington rotation {rotation:.0f}"
    if slot.endswith("TAI"):
        return slot
    others = (_time_text(keywords.get(name)) for name in ("DATE-OBS", "DATE__OBS", "time"))
    return observed or slot or next(filter(None, others), "")


def _time_text(value: Any) -> str:
    """Print a time to the second with its scale; columns of times are UTC if they say so, and else TAI."""
    if hasattr(value, "tzinfo"):
        zone = "UTC" if value.tzinfo is not None else "TAI"
        return f"{value:%Y-%m-%d %H:%M:%S} {zone}"
    match = _TIME.match(str(value)) if value is not None else None
    if match is None:
        return ""
    year, month, day, clock, zone = match.groups()
    return f"{year}-{month}-{day} {clock} {'UTC' if zone in (None, 'Z') else zone}"


def _unit(keywords: Mapping[str, Any], found: Look) -> str:
    """Return the unit; BUNIT is asked only where the kind of image does not say, since one BUNIT may serve a record."""
    if found.unit:
        return found.unit
    told = str(keywords.get("BUNIT", "")).strip()
    if found.kind.startswith("aia"):
        return "DN"
    if found.kind == "continuum" and not told.upper().startswith("DN"):
        return ""
    return _UNITS.get(told.lower(), told)
