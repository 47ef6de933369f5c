"""
Map projections of ``export_as_maproj``: which point of the Sun belongs to a pixel of a map.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .pointing import FloatArray, View, by_rows, sample

if TYPE_CHECKING:
    from astropy.wcs import WCS

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
    if code in ("CAR", "CAS", "MER", "SFL"):
        # the program moves these along the meridian from the equator, where FITS would make oblique ones
        tangent = math.tan(min(math.radians(centre[1]), 1.55))
        start = math.degrees(math.asinh(tangent)) if code == "MER" else centre[1]
        made.wcs.crval = centre[0], 0.0
        made.wcs.crpix = middle[0] - sine * start / scale, middle[1] - cosine * start / scale
    if code != "CAS":
        made.wcs.ctype = [f"CRLN-{code}", f"CRLT-{code}"]
    return made


def _cassini(x: FloatArray, y: FloatArray, longitude: float) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude of a plate carrée whose equator is the central meridian; FITS has no code for it."""
    u, v = np.radians(x - longitude), np.radians(y)
    return longitude + np.degrees(np.arctan2(np.tan(u), np.cos(v))), np.degrees(np.arcsin(np.sin(v) * np.cos(u)))
