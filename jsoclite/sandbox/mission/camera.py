"""
How images were taken: where the Sun is in them, and for how long AIA's shutter was open.

What draws an image asks here, and the keywords are made of the same numbers, so that a header fits its image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from .ephemeris import depth, directions, nearer
from .kinds import CEA_SCALE
from .noise import FloatArray
from .series import Rows
from .values_aia import FULL, ROLL, aia_centre, aia_scale, exposure_part, observed, sensitivity, wandering, wavelengths
from .values_disk import HMI_SCALE, MDI_SCALE, hmi_pointing, mdi_centre, mdi_roll
from .values_harp import ccd_offset, ccd_place, ccd_roll, ccd_scale, latitude, meridian

#: Carrington longitude and latitude of the region of February 2011, of which there are a map and a cut-out.
_REGION: Final = (34.0, -20.0)


@dataclass(frozen=True, slots=True)
class Pointing:
    """
    Where the Sun is in a full-disk or partial image.

    Attributes
    ----------
    shape : (rows, columns)
        Of the image.
    centre : (x, y)
        Pixel of the disk's centre, counted from 1 (CRPIX).
    radius : float
        Of the disk, pixels.
    roll : float
        CROTA2, degrees.
    longitude, latitude : float
        Carrington coordinates of the disk's centre, degrees.
    angle : float
        Radius of the disk on the sky, arcsec: by how much nearer things are seen wider (`nearer`).
    """

    shape: tuple[int, int]
    centre: tuple[float, float]
    radius: float
    roll: float
    longitude: float
    latitude: float
    angle: float = 959.63

    def sphere(self, latitude: FloatArray, away: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solar radii west, north and towards the observer of latitudes and longitudes from the meridian, degrees."""
        return directions(latitude, away, self.latitude)

    def seen(self, latitude: FloatArray, away: FloatArray, height: FloatArray) -> tuple[FloatArray, ...]:
        """West, north (radii of the limb) and depth (solar radii) of points in the image; `height` in solar radii."""
        west, north, towards = (height * part for part in self.sphere(latitude, away))
        wider = nearer(towards, self.angle)
        return west * wider, north * wider, towards

    def surface(self, west: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solar radii west, north and towards the observer of the surface so many radii of the limb from the centre."""
        towards = depth(west**2 + north**2, self.angle)
        wider = nearer(towards, self.angle)
        return west / wider, north / wider, towards

    @classmethod
    def of(cls, rows: Rows) -> Pointing:
        """That of the first record's images of the camera."""
        times, seen = rows.time, rows.view
        lines, columns = rows.shape
        (x, y, roll), scale = hmi_pointing(rows), HMI_SCALE
        if rows.spec.kind == "mdi":
            x, y, scale, roll = mdi_centre(times, 1), mdi_centre(times, 2), MDI_SCALE, mdi_roll(times)
        elif rows.spec.kind == "aia_lev1":
            waves = wavelengths(rows)
            x, y, scale = aia_centre(times, waves, 1), aia_centre(times, waves, 2), float(aia_scale(waves)[0])
            roll = 0 * times + ROLL
        elif rows.spec.kind == "harp" or rows.spec.options.get("product") == "Bcut":
            longitude, middle = _REGION
            cut = rows.spec.kind != "harp"
            x, y = ccd_place(rows, longitude - seen.longitude, 0 * times + middle) if cut else ccd_offset(rows)
            x, y, scale = (columns + 1) / 2 - x, (lines + 1) / 2 - y, ccd_scale(rows)
            roll = ccd_roll(rows)
        where = float(seen.longitude[0]), float(seen.latitude[0])
        angle = float(seen.radius[0])
        return cls((lines, columns), (float(x[0]), float(y[0])), angle / scale, float(roll[0]), *where, angle)


class MapCentre(NamedTuple):
    """Middle of a cylindrical equal-area map: Carrington longitude, latitude, and degrees a pixel."""

    longitude: float
    latitude: float
    scale: float


def map_centre(rows: Rows) -> MapCentre:
    """Middle of the first record's map."""
    if rows.spec.kind != "harp":
        return MapCentre(*_REGION, CEA_SCALE)
    return MapCentre(float(rows.view.longitude[0] + meridian(rows)[0]), float(latitude(rows)[0]), CEA_SCALE)


class Exposure(NamedTuple):
    """
    A frame of AIA.

    Attributes
    ----------
    wavelength : int
        WAVELNTH, angstrom.
    time : float
        T_OBS, TAI seconds since 1977.
    part : float
        Exposure against the usual one of the channel.
    sensitivity : float
        Against that of 2010.
    wandering : float
        Brightness of the Sun without flares against its mean.
    full : float
        What a pixel holds at most, DN.
    """

    wavelength: int
    time: float
    part: float
    sensitivity: float
    wandering: float
    full: float


def exposure(rows: Rows) -> Exposure:
    """The first record's exposure."""
    time, part, loss, wander = (float(value(rows)[0]) for value in (observed, exposure_part, sensitivity, wandering))
    return Exposure(int(wavelengths(rows)[0]), time, part, loss, wander, FULL)
