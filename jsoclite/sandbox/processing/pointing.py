"""
Where on the Sun a pixel is, and the other way round; also for the maps of ``export_as_maproj``.

Angles in degrees, positions on the sky in arcseconds from the centre of the disk, pixels counted from 1 as in FITS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from astropy.wcs import WCS

FloatArray: TypeAlias = npt.NDArray[np.float64]

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

    def pixel(self, west: FloatArray | float, north: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Pixels of positions on the sky."""
        u, v = np.asarray(west) - self.crval1, np.asarray(north) - self.crval2
        sine, cosine = math.sin(math.radians(self.crota)), math.cos(math.radians(self.crota))
        return (u * cosine + v * sine) / self.cdelt + self.crpix1, (v * cosine - u * sine) / self.cdelt + self.crpix2

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

    def project(self, longitude: FloatArray | float, latitude: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Position on the sky of Stonyhurst longitude and latitude; NaN on the far side."""
        sine = math.sin(math.radians(self.radius / 3600))
        lon, lat = (np.radians(np.asarray(angle, dtype=np.float64)) for angle in (longitude, latitude))
        tilt = math.radians(self.latitude)
        x, right, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
        towards = x * math.cos(tilt) + z * math.sin(tilt)
        up = z * math.cos(tilt) - x * math.sin(tilt)
        visible = towards >= sine
        depth = 1 - sine * towards
        west = np.degrees(np.arctan2(sine * right, depth)) * 3600
        north = np.degrees(np.arctan2(sine * up, np.hypot(depth, sine * right))) * 3600
        return np.where(visible, west, np.nan), np.where(visible, north, np.nan)


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


#: Projection names as the program spells them, with the code that it writes for each.
PROJECTIONS: Final = {
    "carree": "CAR",
    "cassini": "CAS",
    "mercator": "MER",
    "cyleqa": "CEA",
    "sineqa": "GLS",
    "gnomonic": "TAN",
    "postel": "ARC",
    "stereographic": "STG",
    "orthographic": "SIN",
    "lambert": "ZEA",
}


def make_map(
    image: FloatArray,
    view: View,
    *,
    projection: str,
    centre: tuple[float, float],
    scale: float,
    shape: tuple[int, int],
    angle: float = 0.0,
    method: str = "cubic",
) -> tuple[FloatArray, dict[str, Any]]:
    """
    Project an image onto a map.

    Parameters
    ----------
    image : ndarray
        Image of the disk.
    view : View
        Its pointing.
    projection : str
        One of `PROJECTIONS`, in any case.
    centre : (float, float)
        Stonyhurst longitude and latitude of the map's centre, degrees.
    scale : float
        Degrees a pixel.
    shape : (int, int)
        Rows and columns.
    angle : float
        Position angle of the map's vertical, degrees.
    method : str
        As in `sample`.

    Returns
    -------
    map, cards
        Pixels, NaN where the Sun cannot be seen; keywords of the map's coordinates without the centre's.

    Raises
    ------
    ValueError
        For an unknown projection or a scale that is not positive.
    """
    code = PROJECTIONS.get(projection.lower())
    if code is None:
        raise ValueError(f"map={projection} is not one of {', '.join(PROJECTIONS)}")
    if scale <= 0 or not -90 <= centre[1] <= 90:
        raise ValueError(f"scale={scale:g} or clat={centre[1]:g} is out of range")
    rows, columns = shape
    middle = (columns + 1) / 2, (rows + 1) / 2
    system = _system(code, centre, scale, middle, math.radians(angle))

    def value(column: FloatArray, row: FloatArray) -> FloatArray:
        longitude, latitude = system.wcs_pix2world(column, row, 1)
        if code == "CAS":
            longitude, latitude = _cassini(longitude, latitude, centre[0])
        west, north = view.project(longitude, latitude)
        x, y = view.pixel(np.where(np.isnan(west), 1e9, west), np.where(np.isnan(north), 1e9, north))
        return sample(image, x, y, method)

    cards = {f"CTYPE{axis}": f"{name}-{code}" for axis, name in ((1, "CRLN"), (2, "CRLT"))}
    cards |= {"CUNIT1": "degree", "CUNIT2": "degree", "MAPPROJ": projection}
    numbers = {"CRPIX1": middle[0], "CRPIX2": middle[1], "CDELT1": scale, "CDELT2": scale, "CROTA2": angle}
    return by_rows(shape, value), cards | numbers


def _system(code: str, centre: tuple[float, float], scale: float, middle: tuple[float, float], angle: float) -> WCS:
    """Coordinates of a map as FITS has them; angles in radians, the rest in degrees and pixels."""
    from astropy.wcs import WCS

    made = WCS(naxis=2)
    sine, cosine = math.sin(angle), math.cos(angle)
    made.wcs.pc = np.array([[cosine, -sine], [sine, cosine]])
    made.wcs.crpix, made.wcs.cdelt, made.wcs.crval = middle, (scale, scale), centre
    if code in ("CAR", "CAS", "MER", "GLS"):
        # the program moves these along the meridian from the equator, where FITS would make oblique ones
        tangent = math.tan(min(math.radians(centre[1]), 1.55))
        start = math.degrees(math.asinh(tangent)) if code == "MER" else centre[1]
        made.wcs.crval = centre[0], 0.0
        made.wcs.crpix = middle[0] - sine * start / scale, middle[1] - cosine * start / scale
    if code != "CAS":
        known = "SFL" if code == "GLS" else code  # its name in the standard
        made.wcs.ctype = [f"CRLN-{known}", f"CRLT-{known}"]
    return made


def _cassini(x: FloatArray, y: FloatArray, longitude: float) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude of a plate carrée whose equator is the central meridian; FITS has no code for it."""
    u, v = np.radians(x - longitude), np.radians(y)
    return longitude + np.degrees(np.arctan2(np.tan(u), np.cos(v))), np.degrees(np.arcsin(np.sin(v) * np.cos(u)))
