"""
How the Sun looks from SDO, SOHO and the Earth: distance, heliographic coordinates, velocities, eclipses.

Times are TAI seconds since 1977.01.01_00:00:00_TAI; everything is vectorised and needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from .orbits import (
    AU,
    DAY_SECONDS,
    DEGREE,
    J2000,
    KNOTS,
    KNOTS_FROM,
    SDO_AXIS,
    TO_ECLIPTIC,
    FloatArray,
    Observatory,
    earth_state,
    sdo_state,
    state,
)

#: Reference radius of the Sun, metres, as in RSUN_REF.
RSUN: Final = 696000000.0
#: Radius of the Earth's shadow cylinder, metres.
_EARTH_RADIUS: Final = 6_400_000.0
_LIGHT: Final = 299792458.0
_JD_ORIGIN: Final = 2443144.5
# The Sun's axis: right ascension and declination of its north pole.
_POLE: Final = (286.13 * DEGREE, 63.87 * DEGREE)
#: CRLN_OBS of the archive's headers lies this far above the IAU prime meridian seen with light time (degrees).
_MERIDIAN: Final = 0.081


@dataclass(frozen=True, slots=True)
class View:
    """
    The Sun as an observatory sees it; arrays of one value a time.

    Attributes
    ----------
    distance : ndarray
        To the Sun's centre, metres (DSUN_OBS).
    radius : ndarray
        Apparent radius, arcsec (RSUN_OBS).
    longitude, latitude : ndarray
        Carrington coordinates of the disk's centre, degrees (CRLN_OBS, CRLT_OBS).
    rotation : ndarray of int64
        Carrington rotation (CAR_ROT).
    radial, westward, northward : ndarray
        Velocity of the observer, m/s (OBS_VR, OBS_VW, OBS_VN).
    """

    distance: FloatArray
    radius: FloatArray
    longitude: FloatArray
    latitude: FloatArray
    rotation: npt.NDArray[np.int64]
    radial: FloatArray
    westward: FloatArray
    northward: FloatArray


@cache
def _axes() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The Sun's axis, its equator's node on the Earth's equator of J2000, and the direction 90 degrees east of it."""
    ascension, declination = _POLE
    pole = TO_ECLIPTIC @ np.array(
        [np.cos(declination) * np.cos(ascension), np.cos(declination) * np.sin(ascension), np.sin(declination)]
    )
    node = TO_ECLIPTIC @ np.array([-np.sin(ascension), np.cos(ascension), 0.0])
    return pole, node, np.cross(pole, node)


def view(times: npt.ArrayLike, observatory: Observatory = "sdo") -> View:
    """
    The Sun seen from an observatory.

    Parameters
    ----------
    times : array_like
        TAI seconds since 1977, shape (n,), between 1995 and 2030.
    observatory : {"sdo", "soho", "earth"}
        Where from.

    Returns
    -------
    View
        Arrays of shape (n,).
    """
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    position, velocity = state(when, observatory)
    pole, node, east = _axes()
    distance = np.sqrt(np.einsum("ij,ij->i", position, position))
    out = position / distance[:, None]
    sine = out @ pole
    latitude = np.arcsin(sine)
    west = np.cross(pole, out) / np.sqrt(1 - sine**2)[:, None]
    north = np.cross(out, west)
    days = (when - J2000) / DAY_SECONDS - 500.0 / DAY_SECONDS
    prime = 84.176 + 14.1844 * days
    longitude = (np.arctan2(out @ east, out @ node) / DEGREE - prime + _MERIDIAN) % 360.0
    # mean count of rotations, made exact by the longitude itself
    count = (when / DAY_SECONDS + _JD_ORIGIN - 2398140.2270) / 27.2752316
    rotation = np.rint(count - (1 - longitude / 360.0)).astype(np.int64)
    dot = np.einsum
    return View(
        distance,
        np.arcsin(RSUN / distance) / DEGREE * 3600,
        longitude,
        latitude / DEGREE,
        rotation,
        dot("ij,ij->i", velocity, out),
        dot("ij,ij->i", velocity, west),
        dot("ij,ij->i", velocity, north),
    )


def place(times: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Heliocentric and geocentric position of SDO on ecliptic axes of J2000, metres, shape (n, 3) each."""
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    position, _ = state(when, "sdo")
    return position, sdo_state(when)[0]


@cache
def _eclipse_days() -> npt.NDArray[np.bool_]:
    """Days, counted from the first knot, on which SDO's orbit touches the Earth's shadow."""
    noon = np.asarray(KNOTS_FROM + DAY_SECONDS * (np.arange(KNOTS) + 0.5), dtype=np.float64)
    earth, _ = earth_state(noon)
    outward = earth / np.linalg.norm(earth, axis=1, keepdims=True)
    craft, motion = sdo_state(noon)
    normal = np.cross(craft, motion)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # the Sun moves by a degree a day, 0.018
    return np.asarray(np.abs(np.einsum("ij,ij->i", normal, outward)) < _EARTH_RADIUS / SDO_AXIS + 0.02)


def eclipsed(times: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether SDO is in the Earth's shadow: some 70 minutes a day around the local midnight of two seasons a year."""
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    day = np.clip((when - KNOTS_FROM) / DAY_SECONDS, 0, KNOTS - 1).astype(np.int64)
    dark = _eclipse_days()[day]
    place = np.flatnonzero(dark)
    if len(place):
        earth, _ = earth_state(when[place])
        craft, _ = sdo_state(when[place])
        outward = earth / np.linalg.norm(earth, axis=1, keepdims=True)
        along = np.einsum("ij,ij->i", craft, outward)
        aside = np.einsum("ij,ij->i", craft, craft) - along**2
        dark[place] = (along > 0) & (aside < _EARTH_RADIUS**2)
    return dark


def light_shift(distance: FloatArray) -> FloatArray:
    """Seconds by which T_OBS follows T_REC: light takes longer to the observer than to one astronomical unit."""
    return (distance - AU) / _LIGHT


def rotation_start(rotation: npt.ArrayLike) -> FloatArray:
    """Time at which each Carrington rotation begins, as seen from the Earth (to about a minute)."""
    number = np.atleast_1d(np.asarray(rotation, dtype=np.float64))
    times = (number * 27.2752316 + 2398140.2270 - _JD_ORIGIN) * DAY_SECONDS
    for _ in range(4):
        longitude = view(times, "earth").longitude
        # the longitude falls through zero at the start
        times = times + ((longitude + 180) % 360 - 180) / 13.2 * DAY_SECONDS
    return times
