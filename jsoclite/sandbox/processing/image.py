"""
Images on their way through an export: read from a FITS file and written back, where their pixels are, how they look.

Angles in degrees, positions on the sky in arcseconds from the centre of the disk, pixels counted from 1 as in FITS;
`sphere` has the maps of ``export_as_maproj``. A `Look` is what ``protocol=jpg``, ``png`` and ``mp4`` make of an image:
scaled to bytes, coloured, smaller if asked for; Pillow writes the pictures, films are MP4 files of motion JPEG.
"""

from __future__ import annotations

import math
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ..catalog import schema

if TYPE_CHECKING:
    from astropy.io import fits

FloatArray: TypeAlias = npt.NDArray[np.float64]

#: Sine and cosine of the Sun's angular radius from 1 au, which the programs take whatever the distance is.
SINE, COSINE = 0.004660, 0.99998914
#: Astronomical unit in solar radii, for images that do not say how large their Sun is.
_AU_RADII = 215.032


class NoPointingError(ValueError):
    """An image whose keywords do not say where it points."""


@dataclass(frozen=True, slots=True)
class View:
    """
    Pointing of a full-disk image.

    Attributes
    ----------
    crpix1, crpix2 : float
        Pixel at (`crval1`, `crval2`).
    crval1, crval2 : float
        Arcseconds.
    cdelt : float
        Arcseconds a pixel.
    crota : float
        Rotation of the image, degrees.
    radius : float
        Angular radius of the Sun, arcseconds.
    latitude, longitude : float
        Carrington coordinates of the disk centre, degrees.
    """

    crpix1: float
    crpix2: float
    crval1: float
    crval2: float
    cdelt: float
    crota: float
    radius: float
    latitude: float
    longitude: float

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> View:
        """
        Read a header.

        Raises
        ------
        NoPointingError
            If CRPIX or CDELT are missing, or the image is not on the sky (a map).
        """

        def number(name: str, default: float | None = None) -> float:
            value = header.get(name)
            if isinstance(value, (int, float)) and math.isfinite(value):
                return float(value)
            if default is None:
                raise NoPointingError(f"the image has no {name}; this processing step needs it")
            return default

        if "CRLN" in str(header.get("CTYPE1", "")):
            raise NoPointingError("the image is a map already; this processing step needs one of the disk")
        cdelt = number("CDELT1")
        distance = number("DSUN_OBS", 149597870691.0) / number("RSUN_REF", 149597870691.0 / _AU_RADII)
        radius = number("RSUN_OBS", math.degrees(math.asin(min(1.0, 1 / distance))) * 3600)
        reference = number("CRPIX1"), number("CRPIX2"), number("CRVAL1", 0.0), number("CRVAL2", 0.0)
        roll, latitude, longitude = (number(name, 0.0) for name in ("CROTA2", "CRLT_OBS", "CRLN_OBS"))
        return cls(*reference, cdelt, roll, radius, latitude, longitude)

    def sky(self, x: FloatArray | float, y: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Arcseconds west and north of the disk centre, of pixels."""
        u, v = (np.asarray(x) - self.crpix1) * self.cdelt, (np.asarray(y) - self.crpix2) * self.cdelt
        sine, cosine = math.sin(math.radians(self.crota)), math.cos(math.radians(self.crota))
        return u * cosine - v * sine + self.crval1, u * sine + v * cosine + self.crval2

    def heliographic(self, west: FloatArray | float, north: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Stonyhurst longitude and latitude of positions on the sky; NaN beyond the limb."""
        sine = math.sin(math.radians(self.radius / 3600))
        tx, ty = (np.radians(np.asarray(angle, dtype=np.float64) / 3600) for angle in (west, north))
        # unit vector from the observer, x towards the Sun's centre; the sphere has radius `sine` at distance 1
        direction = np.cos(ty) * np.cos(tx), np.cos(ty) * np.sin(tx), np.sin(ty)
        inside = direction[0] ** 2 - 1 + sine**2
        with np.errstate(invalid="ignore"):
            along = direction[0] - np.sqrt(inside)
        towards = (1 - along * direction[0]) / sine
        right, up = along * direction[1] / sine, along * direction[2] / sine
        tilt = math.radians(self.latitude)
        z = up * math.cos(tilt) + towards * math.sin(tilt)
        x = towards * math.cos(tilt) - up * math.sin(tilt)
        return np.degrees(np.arctan2(right, x)), np.degrees(np.arcsin(np.clip(z, -1, 1)))


def sample(image: FloatArray, x: FloatArray, y: FloatArray, method: str = "cubic") -> FloatArray:
    """
    Values of an image between its pixels; NaN outside and next to missing pixels.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        The image.
    x, y : ndarray
        Pixels counted from 1.
    method : str
        ``nearest``, ``linear`` or ``cubic`` (cubic convolution).
    """
    rows, columns = image.shape
    # an inch outside still counts, or rounding would eat the border of a grid that fits exactly
    inside = (x > 0.999) & (x < columns + 0.001) & (y > 0.999) & (y < rows + 0.001)
    if method == "nearest":
        inside = (x >= 0.5) & (x < columns + 0.5) & (y >= 0.5) & (y < rows + 0.5)
    column, row = np.where(inside, x - 1, 0.0), np.where(inside, y - 1, 0.0)
    if method == "nearest":
        value = np.asarray(image[np.floor(row + 0.5).astype(int), np.floor(column + 0.5).astype(int)])
        return np.where(inside, value, np.nan)
    left, below = np.floor(column).astype(int), np.floor(row).astype(int)
    reach = range(-1, 3) if method == "cubic" else range(2)
    value = np.zeros(np.broadcast(x, y).shape)
    for j in reach:
        line = np.zeros_like(value)
        weight_y = _kernel(row - (below + j), method)
        for i in reach:
            weight = _kernel(column - (left + i), method)
            picked = image[np.clip(below + j, 0, rows - 1), np.clip(left + i, 0, columns - 1)]
            line += np.where(weight == 0, 0.0, weight * picked)
        value += np.where(weight_y == 0, 0.0, weight_y * line)
    return np.where(inside, value, np.nan)


def by_rows(shape: tuple[int, int], value: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
    """
    An image computed some rows at a time, so that large ones do not need many times their size.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    value : callable
        Values at columns and rows (x, y), counted from 1.
    """
    rows, columns = shape
    made = np.empty(shape)
    step = max(1, 2**19 // columns)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        y, x = np.mgrid[start + 1.0 : stop + 1.0, 1.0 : columns + 1.0]
        made[start:stop] = value(x, y)
    return made


def _kernel(distance: FloatArray, method: str) -> FloatArray:
    away = np.abs(distance)
    if method == "linear":
        return np.asarray(np.maximum(0.0, 1 - away))
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return np.where(away < 1, near, np.where(away < 2, far, 0.0))


#: Projection names as the program spells them, with the code and the name that it writes for each.
PROJECTIONS: Final[dict[str, list[str]]] = schema.data("server")["projections"]


def sphere(code: str, x: FloatArray, y: FloatArray, latitude: float) -> tuple[FloatArray, FloatArray]:
    """
    Longitude from the centre and latitude in a map, radians; NaN where it has nothing (`plane2sphere`).

    Parameters
    ----------
    code : str
        Of one of `PROJECTIONS`.
    x, y : ndarray
        Places in the map, radians from its centre.
    latitude : float
        Of the centre, radians.
    """
    sine, cosine = math.sin(latitude), math.cos(latitude)
    bad = np.zeros(np.shape(x), dtype=bool)
    with np.errstate(all="ignore"):
        if code in ("CAR", "CAS"):
            # moved along the meridian: plain ones, about the equator
            bad = (np.abs(x) > np.pi) | (np.abs(y) > np.pi / 2)
            lon, lat = x, y + latitude
            if code == "CAS":
                lon, lat = np.arctan2(np.tan(x), np.cos(lat)), np.arcsin(np.sin(lat) * np.cos(x))
        elif code in ("MER", "CEA", "GLS"):
            # about the centre; what lies beyond the pole has the longitude of what lies before it
            theta = {"MER": 2 * np.arctan(np.exp(y)) - np.pi / 2, "CEA": np.arcsin(y)}.get(code, y)
            phi = x / np.cos(y) if code == "GLS" else x
            bad = np.abs(phi) > np.pi / 2
            lat = np.arcsin(np.sin(theta) * cosine + np.cos(theta) * np.cos(phi) * sine)
            lon = np.arcsin(np.clip(np.cos(theta) * np.sin(phi) / np.cos(lat), -1, 1))
        else:
            r = np.hypot(x, y)
            rim = {"TAN": np.arctan(r), "STG": 2 * np.arctan(r / 2), "SIN": np.arcsin(r), "ZEA": 2 * np.arcsin(r / 2)}
            rho = rim.get(code, r)
            east, up = (np.sin(rho) / np.maximum(r, 1e-99) * part for part in (x, y))
            lat = np.arcsin(np.clip(sine * np.cos(rho) + cosine * up, -1, 1))
            lon = np.arctan2(east, np.cos(rho) * cosine - up * sine)
        # no farther from the centre than a right angle
        bad |= ~(np.sin(lat) * sine + np.cos(lat) * cosine * np.cos(lon) >= -1e-12)
    return np.where(bad, np.nan, lon), np.where(bad, np.nan, lat)


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


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    """The units of a FITS file; `ProcessError` where it is none, or there is not what is looked for (OSError)."""
    from astropy.io import fits

    try:
        with quiet(), fits.open(BytesIO(content)) as units:
            yield units
    except OSError:
        raise ProcessError("there is no image to work on") from None


def read_image(content: bytes, seconds: float) -> tuple[Image, fits.Header, bool]:
    """
    The image of a FITS file, its header, and whether it was compressed.

    Raises
    ------
    ProcessError
        If there is no image of two dimensions.
    """
    from astropy.io import fits

    with _opened(content) as units:
        unit = next((unit for unit in units if unit.data is not None), None)
        if unit is None or np.ndim(unit.data) != 2:
            raise OSError
        header, data, compressed = unit.header.copy(), np.array(unit.data, dtype=np.float64), type(unit)
    found = {name: value for name, value in header.items() if name not in ("COMMENT", "HISTORY", "")}
    return Image(data, found, seconds), header, compressed is fits.CompImageHDU


def read_shape(content: bytes) -> tuple[int, int]:
    """Rows and columns of the image of a FITS file, from its header; errors as for `read_image`."""
    with _opened(content) as units:
        shapes = [unit.shape for unit in units if len(unit.shape) == 2]
        if not shapes:
            raise OSError
    return int(shapes[0][0]), int(shapes[0][1])


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


def upright(image: Image) -> None:
    """Turn an image by half a turn where solar north is at the bottom, as HMI's cameras have it."""
    crota = float(image.header.get("CROTA2") or 0.0)
    if not 179 < abs(crota) < 181:
        return
    rows, columns = image.data.shape
    image.data = image.data[::-1, ::-1]
    image.header["CROTA2"] = crota - math.copysign(180.0, crota)
    for name, size in (("CRPIX1", columns), ("CRPIX2", rows)):
        if image.header.get(name) is not None:
            image.header[name] = size + 1 - float(image.header[name])


#: Largest picture.
MAX_SHOWN: Final = 2**20

Bytes: TypeAlias = npt.NDArray[np.uint8]

# exponents of red, green and blue over brightness, by a word in the colour table's name
_COLOURS: Final[dict[str, list[float]]] = schema.data("server")["colours"]


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
        if data.size > MAX_SHOWN * self.divisor**2:
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
