"""
Where on the Sun a pixel is, and the other way round; also for the maps of ``export_as_maproj``.

Angles in degrees, positions on the sky in arcseconds from the centre of the disk, pixels counted from 1 as in FITS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

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
PROJECTIONS: Final = {
    "carree": ("CAR", "PlateCarree"),
    "cassini": ("CAS", "Cassini-Soldner"),
    "mercator": ("MER", "Mercator"),
    "cyleqa": ("CEA", "LambertCylindrical"),
    "sineqa": ("GLS", "Sanson-Flamsteed"),
    "gnomonic": ("TAN", "gnomonic"),
    "postel": ("ARC", "Postel"),
    "stereographic": ("STG", "stereographic"),
    "orthographic": ("SIN", "orthographic"),
    "lambert": ("ZEA", "LambertAzimuthal"),
}


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
