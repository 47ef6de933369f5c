"""
Map projections of ``export_as_maproj``: which point of the Sun belongs to a pixel of a map.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .pointing import FloatArray, View, by_rows, sample

#: Projection names as the program spells them, with the code that FITS has for each.
PROJECTIONS: Final = {
    "carree": "CAR",
    "cassini": "CAS",
    "mercator": "MER",
    "cyleqa": "CEA",
    "sineqa": "SFL",
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
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))

    def value(column: FloatArray, row: FloatArray) -> FloatArray:
        u = np.radians((column - (columns + 1) / 2) * scale)
        v = np.radians((row - (rows + 1) / 2) * scale)
        u, v = u * cosine - v * sine, u * sine + v * cosine
        longitude, latitude = _sphere(code, u, v, math.radians(centre[0]), math.radians(centre[1]))
        west, north = view.project(np.degrees(longitude), np.degrees(latitude))
        x, y = view.pixel(np.where(np.isnan(west), 1e9, west), np.where(np.isnan(north), 1e9, north))
        return sample(image, x, y, method)

    cards: dict[str, Any] = {
        "CTYPE1": f"CRLN-{code}",
        "CTYPE2": f"CRLT-{code}",
        "CUNIT1": "degree",
        "CUNIT2": "degree",
        "CRPIX1": (columns + 1) / 2,
        "CRPIX2": (rows + 1) / 2,
        "CDELT1": scale,
        "CDELT2": scale,
        "CROTA2": angle,
        "MAPPROJ": projection,
    }
    return by_rows(shape, value), cards


def _sphere(
    code: str, u: FloatArray, v: FloatArray, longitude: float, latitude: float
) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude (radians) of map coordinates; NaN outside the map's range."""
    with np.errstate(invalid="ignore", divide="ignore"):
        match code:
            case "CAR":
                return longitude + u, _within(latitude + v)
            case "MER":
                start = math.asinh(math.tan(min(latitude, 1.55)))
                return longitude + u, np.arctan(np.sinh(v + start))
            case "CEA":
                return cea_sphere(u, v, longitude, latitude)
            case "SFL":
                there = _within(latitude + v)
                return longitude + u / np.cos(there), there
            case "CAS":
                return longitude + np.arctan2(np.tan(u), np.cos(v + latitude)), np.arcsin(
                    _unit(np.sin(v + latitude) * np.cos(u))
                )
        away = np.hypot(u, v)
        if code == "TAN":
            angle = np.arctan(away)
        elif code == "ARC":
            angle = np.where(away <= math.pi, away, np.nan)
        elif code == "STG":
            angle = 2 * np.arctan(away / 2)
        elif code == "SIN":
            angle = np.arcsin(_unit(away))
        else:
            angle = 2 * np.arcsin(_unit(away / 2))
        bearing = np.arctan2(u, v)
        up = math.sin(latitude) * np.cos(angle) + math.cos(latitude) * np.sin(angle) * np.cos(bearing)
        right = np.sin(angle) * np.sin(bearing)
        towards = math.cos(latitude) * np.cos(angle) - math.sin(latitude) * np.sin(angle) * np.cos(bearing)
        return longitude + np.arctan2(right, towards), np.arcsin(_unit(up))


def cea_sphere(x: FloatArray, y: FloatArray, longitude: float, latitude: float) -> tuple[FloatArray, FloatArray]:
    """
    Longitude and latitude (radians) in a cylindrical equal-area map; NaN outside.

    The map is made about its middle (plane2sphere of ``cartography.c``), as FITS understands CEA with a CRVAL2.
    """
    sine = _unit(y)
    cosine = np.sqrt(1 - sine**2)
    up = sine * math.cos(latitude) + cosine * np.cos(x) * math.sin(latitude)
    towards = cosine * np.cos(x) * math.cos(latitude) - sine * math.sin(latitude)
    return longitude + np.arctan2(cosine * np.sin(x), towards), np.arcsin(_unit(up))


def _unit(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) <= 1 + 1e-12, np.clip(values, -1, 1), np.nan)


def _within(latitude: FloatArray) -> FloatArray:
    return np.where(np.abs(latitude) <= math.pi / 2, latitude, np.nan)
