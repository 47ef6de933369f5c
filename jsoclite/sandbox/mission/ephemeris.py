"""
Where the Earth, SDO and SOHO are, how the Sun looks from them, and what the archive has of it and has not.

The Earth follows a short Fourier series fitted to the planetary theory of ERFA over 1996-2027 (1" in longitude, 1000 km
in distance). SDO is on an inclined geosynchronous circle whose elements were fitted to the OBS_VR, OBS_VW, OBS_VN,
CRLT_OBS and GAEX_OBS of published headers from 2011 to 2024 (velocities to about 100 m/s, CRLT_OBS to 0.002 degrees).
Times are TAI seconds since 1977.01.01_00:00:00_TAI, positions metres on ecliptic axes of J2000; everything is
vectorised.

Gaps, eclipses, bad images, reprocessed stretches and data that went to tape follow from the time alone, so that all
series of an instrument agree. Days that published print-outs of the archive show are kept whole: what they show is true
here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..catalog import schema
from .noise import BoolArray, FloatArray, IntArray, salt, uniform
from .spec import recorded

Observatory: TypeAlias = Literal["earth", "sdo", "soho"]

#: Astronomical unit, metres, as in DSUN_REF.
AU: Final = 149597870691.0
DAY: Final = 86400.0
#: J2000.0 (TT) and 2011.01.01_00:00:00_TAI in seconds of the internal scale.
_J2000: Final = 8400.5 * DAY - 32.184
_Y2011: Final = 12418.0 * DAY
_DEGREE: Final = np.pi / 180
_OBLIQUITY: Final = 23.43928 * _DEGREE
#: Equatorial to ecliptic axes of J2000.
_TO_ECLIPTIC: Final = np.array(
    [[1, 0, 0], [0, np.cos(_OBLIQUITY), np.sin(_OBLIQUITY)], [0, -np.sin(_OBLIQUITY), np.cos(_OBLIQUITY)]]
)

# SDO: node, inclination and sidereal longitude in degrees since 2011.0 (per year), semi-major axis in metres. The
# fitted longitude is moved by 0.35 degrees, within its error, to meet the published CRLT_OBS of 2013.07.03.
_SDO_NODE: Final = (184.862599, -6.58176)
_SDO_INCLINATION: Final = (24.359124, 0.646443)
_SDO_LONGITUDE: Final = (357.589, 0.307529, -0.018237)
_SDO_AXIS: Final = 42_164_170.0
_SIDEREAL: Final = 7.2921150e-5
#: Reference radius of the Sun, metres, as in RSUN_REF.
RSUN: Final = 696000000.0
#: Radius of the Earth's shadow cylinder, metres.
_EARTH_RADIUS: Final = 6_400_000.0
_LIGHT: Final = 299792458.0
_JD_ORIGIN: Final = 2443144.5
# The Sun's axis: right ascension and declination of its north pole.
_POLE: Final = (286.13 * _DEGREE, 63.87 * _DEGREE)
#: CRLN_OBS of the archive's headers lies this far above the IAU prime meridian seen with light time (degrees).
_MERIDIAN: Final = 0.081


def _sum(what: str, century: FloatArray) -> FloatArray:
    """The Fourier series of ``longitude`` or ``distance``."""
    table = schema.data("earth")
    angle = {name: (start + rate * century) * _DEGREE for name, (start, rate) in table["arguments"].items()}
    zero, linear, square, sine, cosine = table[what]
    total: FloatArray = zero + century * (
        linear + century * square + sine * np.sin(angle["E"]) + cosine * np.cos(angle["E"])
    )
    for first, body, second, sine, cosine in table[f"{what}_terms"]:
        argument = first * angle[body] + second * angle["E"]
        total += sine * np.sin(argument) + cosine * np.cos(argument)
    return total


def _earth_exact(times: FloatArray) -> FloatArray:
    """Heliocentric position of the Earth on ecliptic axes of J2000, metres, shape (n, 3)."""
    century = (times - _J2000) / (36525 * DAY)
    longitude = _sum("longitude", century)
    distance = _sum("distance", century) * AU
    latitude = -0.00022828 * century * np.sin(longitude) - 0.00002164 * century * np.cos(longitude)
    flat = distance * np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), distance * np.sin(latitude)], axis=-1)


_KNOTS_FROM: Final = 18.0 * 365.25 * DAY  # 1995
_KNOTS: Final = 12_800  # one a day, to 2030


@cache
def _knots() -> FloatArray:
    """
    Cubic Hermite polynomials between midnights, exact to 100 m.

    Returns
    -------
    ndarray
        Shape (days, 4, 3): coefficients of rising powers of the day's fraction, metres on three axes.
    """
    times = np.asarray(_KNOTS_FROM + DAY * np.arange(_KNOTS + 1), dtype=np.float64)
    half = 0.05 * DAY
    place = _earth_exact(times)
    slope = (_earth_exact(times + half) - _earth_exact(times - half)) * (DAY / (2 * half))
    rise = place[1:] - place[:-1] - slope[:-1]
    bend = slope[1:] - slope[:-1]
    return np.stack([place[:-1], slope[:-1], 3 * rise - bend, bend - 2 * rise], axis=1)


def _earth(times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Position and velocity (m, m/s) of the Earth, shape (n, 3) each."""
    day = (times - _KNOTS_FROM) / DAY
    knot = np.clip(day.astype(np.int64), 0, _KNOTS - 1)
    x = (day - knot)[:, None]
    power = _knots()[knot]
    position = power[:, 0] + x * (power[:, 1] + x * (power[:, 2] + x * power[:, 3]))
    velocity = (power[:, 1] + x * (2 * power[:, 2] + 3 * x * power[:, 3])) / DAY
    return position, velocity


def _sdo(times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Geocentric position and velocity (m, m/s) of SDO, shape (n, 3) each."""
    elapsed = times - _Y2011
    year = elapsed / (365.25 * DAY)
    node = (_SDO_NODE[0] + _SDO_NODE[1] * year) * _DEGREE
    tilt = (_SDO_INCLINATION[0] + _SDO_INCLINATION[1] * year) * _DEGREE
    zero, linear, square = _SDO_LONGITUDE
    angle = (zero + year * (linear + year * square)) * _DEGREE + _SIDEREAL * elapsed - node
    ascending = np.stack([np.cos(node), np.sin(node), np.zeros_like(node)], axis=-1)
    quarter = np.stack([-np.sin(node) * np.cos(tilt), np.cos(node) * np.cos(tilt), np.sin(tilt)], axis=-1)
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    position = _SDO_AXIS * (ascending * cosine + quarter * sine)
    velocity = _SDO_AXIS * _SIDEREAL * (quarter * cosine - ascending * sine)
    return position @ _TO_ECLIPTIC.T, velocity @ _TO_ECLIPTIC.T


def _state(times: FloatArray, observatory: Observatory) -> tuple[FloatArray, FloatArray]:
    """Heliocentric position and velocity (m, m/s) of an observatory, shape (n, 3) each."""
    position, velocity = _earth(times)
    if observatory == "sdo":
        offset, motion = _sdo(times)
        return position + offset, velocity + motion
    if observatory == "soho":
        # L1, a hundredth of the way to the Sun, with the half-year halo of 650,000 km by 200,000 km
        rate = 2 * np.pi / (178 * DAY)
        phase = rate * times
        radial = position / np.linalg.norm(position, axis=1, keepdims=True)
        along = np.stack([-radial[:, 1], radial[:, 0], np.zeros(len(times))], axis=-1)
        halo = 2.0e8 * np.sin(phase)[:, None] * radial + 6.5e8 * np.cos(phase)[:, None] * along
        drift = 2.0e8 * rate * np.cos(phase)[:, None] * radial - 6.5e8 * rate * np.sin(phase)[:, None] * along
        return 0.99 * position + halo, 0.99 * velocity + drift
    return position, velocity


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
    rotation: IntArray
    radial: FloatArray
    westward: FloatArray
    northward: FloatArray


@cache
def _axes() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The Sun's axis, its equator's node on the Earth's equator of J2000, and the direction 90 degrees east of it."""
    ascension, declination = _POLE
    pole = _TO_ECLIPTIC @ np.array(
        [np.cos(declination) * np.cos(ascension), np.cos(declination) * np.sin(ascension), np.sin(declination)]
    )
    node = _TO_ECLIPTIC @ np.array([-np.sin(ascension), np.cos(ascension), 0.0])
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
    position, velocity = _state(when, observatory)
    pole, node, east = _axes()
    distance = np.sqrt(np.einsum("ij,ij->i", position, position))
    out = position / distance[:, None]
    sine = out @ pole
    latitude = np.arcsin(sine)
    west = np.cross(pole, out) / np.sqrt(1 - sine**2)[:, None]
    north = np.cross(out, west)
    days = (when - _J2000) / DAY - 500.0 / DAY
    prime = 84.176 + 14.1844 * days
    longitude = (np.arctan2(out @ east, out @ node) / _DEGREE - prime + _MERIDIAN) % 360.0
    # mean count of rotations, made exact by the longitude itself
    count = (when / DAY + _JD_ORIGIN - 2398140.2270) / 27.2752316
    rotation = np.rint(count - (1 - longitude / 360.0)).astype(np.int64)
    radius = np.arcsin(RSUN / distance) / _DEGREE * 3600
    velocities = (np.einsum("ij,ij->i", velocity, axis) for axis in (out, west, north))
    return View(distance, radius, longitude, latitude / _DEGREE, rotation, *velocities)


def directions(latitude: Any, away: Any, tilt: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Points on the Sun by what they are in an upright image: solar radii west, north and towards the observer.

    Parameters
    ----------
    latitude, away, tilt : array_like
        Heliographic latitude, longitude from the central meridian, and latitude of the disk's centre, degrees.
    """
    lat, lon, tilt = (np.asarray(angle) * _DEGREE for angle in (latitude, away, tilt))
    sine, level = np.sin(lat), np.cos(lat) * np.cos(lon)
    north, towards = sine * np.cos(tilt) - level * np.sin(tilt), sine * np.sin(tilt) + level * np.cos(tilt)
    return np.cos(lat) * np.sin(lon), north, towards


def nearer(towards: Any, radius: Any) -> FloatArray:
    """How much wider an image (HPLN-TAN) shows what is so many solar radii nearer; its limb has radius 1."""
    angle = np.asarray(radius) * _DEGREE / 3600
    return np.asarray(np.cos(angle) / (1 - np.sin(angle) * towards))


def depth(square: FloatArray, radius: float) -> FloatArray:
    """Solar radii towards the observer of the surface in an image, from the squares of distances from the centre."""
    s2 = np.sin(radius * _DEGREE / 3600) ** 2
    return np.asarray((np.sqrt(s2) * square + (1 - s2) * np.sqrt(1 - square)) / (1 - s2 + s2 * square))


def place(times: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Heliocentric and geocentric position of SDO on ecliptic axes of J2000, metres, shape (n, 3) each."""
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    position, _ = _state(when, "sdo")
    return position, _sdo(when)[0]


@cache
def _eclipse_days() -> BoolArray:
    """Days, counted from the first knot, on which SDO's orbit touches the Earth's shadow."""
    noon = np.asarray(_KNOTS_FROM + DAY * (np.arange(_KNOTS) + 0.5), dtype=np.float64)
    earth, _ = _earth(noon)
    outward = earth / np.linalg.norm(earth, axis=1, keepdims=True)
    craft, motion = _sdo(noon)
    normal = np.cross(craft, motion)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # the Sun moves by a degree a day, 0.018
    return np.asarray(np.abs(np.einsum("ij,ij->i", normal, outward)) < _EARTH_RADIUS / _SDO_AXIS + 0.02)


def eclipsed(times: npt.ArrayLike) -> BoolArray:
    """Whether SDO is in the Earth's shadow: some 70 minutes a day around the local midnight of two seasons a year."""
    when = np.atleast_1d(np.asarray(times, dtype=np.float64))
    day = np.clip((when - _KNOTS_FROM) / DAY, 0, _KNOTS - 1).astype(np.int64)
    dark = _eclipse_days()[day]
    place = np.flatnonzero(dark)
    if len(place):
        earth, _ = _earth(when[place])
        craft, _ = _sdo(when[place])
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
    times = (number * 27.2752316 + 2398140.2270 - _JD_ORIGIN) * DAY
    for _ in range(4):
        longitude = view(times, "earth").longitude
        # the longitude falls through zero at the start
        times = times + ((longitude + 180) % 360 - 180) / 13.2 * DAY
    return times


_ORIGIN: Final = date(1977, 1, 1)


def day_number(text: str) -> int:
    """Days since 1977.01.01 of a date written ``2014.01.01``."""
    year, month, day = (int(part) for part in text.split("."))
    return (date(year, month, day) - _ORIGIN).days


def moment(text: str) -> float:
    """TAI seconds since 1977 of a date, or of a date and minute written ``2014.01.01_12:36`` (TAI)."""
    day, _, clock = text.partition("_")
    hour, minute = (int(part) for part in clock.split(":")) if clock else (0, 0)
    return day_number(day) * DAY + hour * 3600.0 + minute * 60.0


#: The archive's "now": no record is younger, whenever it is asked.
END: Final = moment("2026.11.01")

_FIRST_DAY: Final = day_number("1996.01.01")
_LAST_DAY: Final = day_number("2026.11.01")


@cache
def _whole_days() -> IntArray:
    spans = recorded("whole_days")
    return np.concatenate([np.arange(day_number(first), day_number(last) + 1) for first, last in spans])


def published(times: FloatArray) -> BoolArray:
    """Whether a time lies in a day that published print-outs show."""
    return np.asarray(np.isin(np.floor(times / DAY).astype(np.int64), _whole_days()))


@cache
def intervals(instrument: str, purpose: str, chance: float, shortest: float, longest: float) -> FloatArray:
    """
    Stretches of time, at most one a day, none in published days.

    Returns
    -------
    ndarray
        Shape (n, 2): start and end, TAI seconds since 1977, ascending and apart.
    """
    days = np.arange(_FIRST_DAY, _LAST_DAY)
    name = f"{instrument} {purpose}"
    days = days[(uniform(days, name) < chance) & ~np.isin(days, _whole_days())]
    length = shortest * (longest / shortest) ** uniform(days, name + " length")
    start = days * DAY + uniform(days, name + " start") * np.maximum(0.0, DAY - length - 1.0)
    return np.stack([start, start + length], axis=1)


@cache
def outages(instrument: str) -> FloatArray:
    """Stretches without any record: manoeuvres, calibrations, lost telemetry (SOHO also lost 1998's summer)."""
    found = intervals(instrument, "outage", 0.03, 240.0, 7200.0)
    if instrument == "mdi":
        lost = (("1998.06.25", "1998.10.22"), ("1998.12.21", "1999.02.02"))
        vacation = np.array([[moment(first), moment(last)] for first, last in lost])
        inside = ((found[:, :1] < vacation[:, 1]) & (found[:, 1:] > vacation[:, 0])).any(axis=1)
        found = np.concatenate([found[~inside], vacation])
        found = found[np.argsort(found[:, 0])]
    return found


def reprocessed(instrument: str) -> FloatArray:
    """Stretches whose records were made a second time."""
    return intervals(instrument, "reprocessed", 0.02, 3600.0, 20000.0)


def inside(times: FloatArray, stretches: FloatArray) -> BoolArray:
    """Whether each time lies in one of the stretches."""
    which = np.searchsorted(stretches[:, 0], times, side="right") - 1
    return np.asarray((which >= 0) & (times < stretches[np.maximum(which, 0), 1]))


def quality(instrument: str, times: FloatArray) -> IntArray:
    """
    QUALITY as the signed 32-bit number of the database.

    Bit 31 says that there is no image, as ``drms.image_exists`` reads it: SDO was in the Earth's shadow (which sets bit
    9, too), or a frame was lost.
    """
    key = np.floor(times).astype(np.int64)
    chance = uniform(key, instrument + " quality")
    dark = eclipsed(times) if instrument in ("hmi", "aia") else np.zeros(len(times), dtype=bool)
    word = np.zeros(len(times), dtype=np.int64)
    word[chance < 0.004] = 0x400
    word[chance < 0.001] = 0x10000
    word[dark] |= 0x200
    word[dark | (chance > 0.9992)] -= 2**31
    flawed = np.flatnonzero(word)
    word[flawed[published(times[flawed])]] = 0
    if instrument == "hmi":
        # frames of the calibration, at six and eighteen hours of some years
        years = (times >= moment("2011.01.01")) & (times < moment("2016.01.01"))
        word[years & (key % 43200 >= 21600) & (key % 43200 <= 22320) & (key % 720 == 0)] |= 0x10400
    return word


def on_tape(series: str, times: FloatArray) -> BoolArray:
    """Whether a series' files of that day are on tape only: one day in twenty until 2019, not the published ones."""
    days = np.floor(times / DAY).astype(np.int64)
    old = days < day_number("2019.01.01")
    return np.asarray(old & (uniform(days ^ (salt(series) & 0xFFFFFFFF), "tape") < 0.05) & ~published(times))
