"""
A model of the Sun's surface: magnetic field, brightness and motion at any point and time.

Active regions are those of the mission: groups of magnetic charges below the surface, whose fields add up to a
potential field in all three components and to the unsigned flux that the SHARP keywords give. Around them lie the
network, the remnants of old regions on their way to the poles, and the polar caps of the cycle's phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..mission import Pointing, noise, regions

FloatArray: TypeAlias = npt.NDArray[np.float64]

DAY: Final = 86400.0
DEGREE: Final = np.pi / 180

#: Centimetres of a degree on the surface.
_CM: Final = 696.0e8 * DEGREE
#: Shape of the maps of the quiet Sun in Carrington longitude and latitude.
_ROWS, _COLUMNS = 512, 1024
#: Latitudes of `poleward_field`, degrees.
_LATITUDES: Final = np.arange(-90.0, 91.0)
_SPOT_FIELD: Final = 2300.0
_PLAGE_FIELD: Final = 420.0


@cache
def _map(purpose: str, width: float) -> npt.NDArray[np.float32]:
    """A map of the whole surface, flat; do not change it, it is shared."""
    return noise.texture(purpose, _ROWS, _COLUMNS, width).astype(np.float32).ravel()


@cache
def _grains() -> npt.NDArray[np.float32]:
    return noise.texture("grain", 1024, 1024, 0.0).astype(np.float32)


class Charges(NamedTuple):
    """Magnetic charges of one region: offsets west and north of its middle (degrees), depth (degrees), strength."""

    west: FloatArray
    north: FloatArray
    depth: FloatArray
    strength: FloatArray


class Field(NamedTuple):
    """Magnetic field (G): outward, westward, northward."""

    radial: FloatArray
    west: FloatArray
    north: FloatArray


@cache
def _pattern(number: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Shape of a region: for each charge its place along and across the axis, its share of the flux and its field."""
    lead, follow = 5, 9
    count = lead + follow
    keys = number * 64 + np.arange(count)
    leading = np.arange(count) < lead
    along = np.where(leading, 0.42, -0.38) + np.where(leading, 0.16, 0.34) * (2 * noise.uniform(keys, "along") - 1)
    across = np.where(leading, 0.25, 0.55) * (2 * noise.uniform(keys, "across") - 1)
    share = 0.3 + noise.uniform(keys, "share")
    share[0] += 2.2
    share[lead] += 0.9
    share[leading] /= share[leading].sum()
    share[~leading] /= -share[~leading].sum()
    strength = np.full(count, _PLAGE_FIELD) * (0.7 + 0.8 * noise.uniform(keys, "strength"))
    strength[0] = _SPOT_FIELD
    strength[lead] = 0.75 * _SPOT_FIELD
    return along, across, share, strength


def charges(which: int, time: float) -> Charges:
    """The magnetic charges of region `which` (a row of `regions.regions`) at `time`."""
    found = regions.regions()
    along, across, share, peak = _pattern(int(found.number[which]))
    row, when = np.array([which]), np.array([time])
    growth = float(found.growth(row, when)[0])
    flux = float(found.flux[which]) * max(growth, 1e-3)
    # the polarities drift apart while the flux emerges
    spread = 0.55 + 0.45 * min(1.0, (time - float(found.begun[which])) / (3 * DAY))
    tilt = float(found.tilt[which]) * DEGREE * (-1 if found.latitude[which] > 0 else 1)
    x = along * float(found.width[which]) * 0.85 * spread
    y = across * float(found.height[which]) * 0.85
    part = share * 0.5 * flux * float(found.leading[which])
    # flux of a charge is 2 pi q, its field above it q / depth²
    strength = part / (2 * np.pi)
    depth = np.sqrt(np.abs(strength) / peak) / _CM
    return Charges(x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt), depth, strength / _CM**2)


def poleward_field(time: float) -> FloatArray:
    """
    Field (G) that drifts to the poles, at `_LATITUDES`: what following polarities left behind, in surges.

    It leaves the activity belts with the sign that will turn the polar cap, and moves by 20 degrees a year (8 m/s).
    """
    height = np.abs(_LATITUDES)
    left = time - np.maximum(0, height - 20) / 20 * 365.25 * DAY
    north = _LATITUDES > 0
    following = np.where(north, -1, 1) * regions.cycle(left)[1]
    surges = np.where(north, noise.smooth(left, 200 * DAY, "surge north"), noise.smooth(left, 200 * DAY, "surge south"))
    lane = np.clip((height - 18) / 10, 0, 1) * np.clip((70 - height) / 12, 0, 1)
    return np.asarray(1.6 * lane * following * regions.activity(left) * (1 + 1.3 * surges))


def polar_caps(time: float) -> tuple[float, float]:
    """Mean radial field (G) of the northern and of the southern cap."""
    when = np.array([time])
    return float(regions.polar_field(when, True)[0]), float(regions.polar_field(when, False)[0])


@dataclass(frozen=True)
class Surface:
    """
    Points on the Sun at one time.

    Parameters
    ----------
    time : float
        TAI seconds since 1977.
    latitude, carrington : ndarray
        Heliographic coordinates, degrees, of one shape; NaN is not allowed.
    """

    time: float
    latitude: FloatArray
    carrington: FloatArray

    @cached_property
    def _cells(self) -> npt.NDArray[np.intp]:
        row = np.clip((self.latitude + 90) * (_ROWS / 180), 0, _ROWS - 1).astype(np.intp)
        column = (self.carrington * (_COLUMNS / 360)).astype(np.intp) % _COLUMNS
        return np.asarray(row * _COLUMNS + column)

    def sampled(self, purpose: str, width: float, period: float) -> FloatArray:
        """A random field of unit variance that turns into another one within `period` days."""
        phase = 2 * np.pi * self.time / (period * DAY)
        first = _map(purpose, width).take(self._cells)
        second = _map(purpose + "'", width).take(self._cells)
        return np.asarray(np.cos(phase) * first + np.sin(phase) * second)

    def wandering(self, purpose: str, width: float, period: float) -> FloatArray:
        """A random field of unit variance that becomes another one every `period` days, and never comes back."""
        knot, part = divmod(self.time / (period * DAY), 1.0)
        row, column = np.divmod(self._cells, _COLUMNS)
        found = []
        for number in (int(knot), int(knot) + 1):
            bits = int(noise.hashed(number, purpose))
            down, across = bits % _ROWS, (bits >> 20) % _COLUMNS
            cells = (row + down) % _ROWS * _COLUMNS + (column + across) % _COLUMNS
            found.append(_map(purpose, width).take(cells))
        return np.asarray(np.cos(part * np.pi / 2) * found[0] + np.sin(part * np.pi / 2) * found[1])

    @cached_property
    def network(self) -> FloatArray:
        """The network, unit variance: bright in the chromosphere, mixed polarities in the magnetic field."""
        return self.sampled("network", 0.8, 3.0)

    def region_field(self) -> Field:
        """Field of the active regions."""
        found = regions.regions()
        shape = self.latitude.shape
        total = np.zeros((3, self.latitude.size))
        latitude, carrington = self.latitude.ravel(), self.carrington.ravel()
        alive = found.alive(self.time)
        middles = found.carrington(alive, np.full(len(alive), self.time))
        for which, middle in zip(alive.tolist(), middles.tolist(), strict=True):
            reach_x, reach_y = 1.6 * found.width[which], 2.2 * found.height[which]
            north = latitude - found.latitude[which]
            near = np.flatnonzero(np.abs(north) < reach_y)
            west = (carrington[near] - middle + 180) % 360 - 180
            inside = np.abs(west) < reach_x
            near, west = near[inside], west[inside]
            if not len(near):
                continue
            edge = (1 - (west / reach_x) ** 2) * (1 - (north[near] / reach_y) ** 2)
            x = west * np.cos(latitude[near] * DEGREE)
            part = charges(which, self.time)
            dx = x[:, None] - part.west
            dy = north[near][:, None] - part.north
            square = dx * dx + dy * dy + part.depth**2
            inverse = part.strength / (square * np.sqrt(square))
            total[0, near] += edge * (inverse @ part.depth)
            total[1, near] += edge * np.einsum("ij,ij->i", inverse, dx)
            total[2, near] += edge * np.einsum("ij,ij->i", inverse, dy)
        return Field(*(one.reshape(shape) for one in total))

    @cached_property
    def field(self) -> Field:
        """The whole field: regions, remnants, network and polar caps."""
        strong = self.region_field()
        busy = float(regions.activity(np.array([self.time]))[0])
        ragged = self.network
        square = ragged * ragged
        remnant = self.wandering("remnant", 9.0, 40.0)
        height = np.abs(self.latitude)
        belt = np.exp(-(((height - 17) / 14) ** 2))
        cap = np.clip((height - 52) / 30, 0, 1) * np.where(self.latitude > 0, *polar_caps(self.time))
        quiet = 6.5 * ragged * square / (1 + 0.25 * square)
        unipolar = remnant - np.clip(remnant, -0.6, 0.6)
        quiet += (4 + 38 * busy * belt) * unipolar * (0.2 + square) * 0.5
        poleward = np.interp(self.latitude, _LATITUDES, poleward_field(self.time))
        quiet += (1.3 * cap + poleward) * (0.4 + square)
        crumbled = 1 + 0.3 * np.clip(ragged, -1.2, 1.2)
        return Field(strong.radial * crumbled + quiet, strong.west * crumbled, strong.north * crumbled)

    @cached_property
    def darkening(self) -> FloatArray:
        """Continuum brightness against the quiet Sun: umbrae 0.15, penumbrae 0.7, faculae a little above 1."""
        radial, west, north = self.field
        strength = np.sqrt(radial**2 + west**2 + north**2)
        spot = 1 / (1 + np.exp((strength - 1050) / 120))
        umbra = 1 / (1 + np.exp((strength - 1750) / 130))
        return np.asarray(0.16 + 0.56 * umbra + 0.28 * spot + 0.015 * np.clip(np.abs(radial) / 300, 0, 1) * spot)


class Sight:
    """
    Points on the Sun as an observer sees them.

    Parameters
    ----------
    pointing : Pointing
        From where.
    time : float
        TAI seconds since 1977.
    place : (ndarray, ndarray, ndarray)
        Solar radii west, north and towards the observer, of one shape.
    """

    def __init__(self, pointing: Pointing, time: float, place: tuple[FloatArray, FloatArray, FloatArray]) -> None:
        self.pointing, self.time = pointing, time
        self.tilt = pointing.latitude * DEGREE
        self.across, self.up, self.mu = place

    @cached_property
    def latitude(self) -> FloatArray:
        """Heliographic latitude, degrees."""
        sine = self.up * np.cos(self.tilt) + self.mu * np.sin(self.tilt)
        return np.asarray(np.arcsin(np.clip(sine, -1, 1)) / DEGREE)

    @cached_property
    def from_meridian(self) -> FloatArray:
        """Longitude from the central meridian, degrees, west positive."""
        towards = self.mu * np.cos(self.tilt) - self.up * np.sin(self.tilt)
        return np.asarray(np.arctan2(self.across, towards) / DEGREE)

    @cached_property
    def surface(self) -> Surface:
        """The surface there."""
        return Surface(self.time, self.latitude, (self.pointing.longitude + self.from_meridian) % 360)

    @property
    def _turn(self) -> tuple[float, float]:
        """Cosine and sine of the roll."""
        return np.cos(self.pointing.roll * DEGREE), np.sin(self.pointing.roll * DEGREE)

    def seen(self, field: Field) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Field along the line of sight (towards the observer), and along the columns and rows of the image."""
        # sines and cosines of latitude and longitude, without a trigonometric function a pixel
        sb, cb, across, up = np.sin(self.tilt), np.cos(self.tilt), self.across, self.up
        sl = up * cb + self.mu * sb
        cl = np.sqrt(np.maximum(1e-12, 1 - sl * sl))
        so, co = across / cl, (self.mu * cb - up * sb) / cl
        along = field.radial * self.mu - field.west * so * cb + field.north * (cl * sb - sl * co * cb)
        west = field.radial * across + field.west * co - field.north * sl * so
        north = field.radial * up + field.west * so * sb + field.north * (cl * cb + sl * co * sb)
        cosine, sine = self._turn
        return along, cosine * west + sine * north, cosine * north - sine * west


class Disk(Sight):
    """
    An image of the Sun: where each pixel's line of sight meets it.

    Parameters
    ----------
    pointing : Pointing
        Where the Sun is in the image.
    time : float
        TAI seconds since 1977.
    """

    def __init__(self, pointing: Pointing, time: float) -> None:
        (rows, columns), (middle, centre) = pointing.shape, pointing.centre
        x = ((np.arange(columns) + 1 - middle) / pointing.radius)[None, :]
        y = ((np.arange(rows) + 1 - centre) / pointing.radius)[:, None]
        cosine, sine = np.cos(pointing.roll * DEGREE), np.sin(pointing.roll * DEGREE)
        #: Towards solar west and north in radii of the limb.
        self.west, self.north = cosine * x - sine * y, sine * x + cosine * y
        self.radius2 = self.west**2 + self.north**2
        self.on: noise.BoolArray = self.radius2 < 0.9995
        super().__init__(pointing, time, pointing.surface(self.west[self.on], self.north[self.on]))

    def pixels(self, west: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns and rows, from 0, of points so many radii of the limb to the west and north of the centre."""
        (x, y), radius, (cosine, sine) = self.pointing.centre, self.pointing.radius, self._turn
        return x - 1 + radius * (cosine * west + sine * north), y - 1 + radius * (cosine * north - sine * west)

    def filled(self, values: FloatArray, outside: float = np.nan) -> FloatArray:
        """An image of `values` on the disk and `outside` around it."""
        image = np.full(self.on.shape, outside)
        image[self.on] = values
        return image


def grain(shape: tuple[int, int], key: int, purpose: str) -> FloatArray:
    """White noise of unit variance for one image: a window of a large field, placed by `key`."""
    rows, columns = shape
    bits = int(noise.hashed(key, purpose))
    across, down = np.arange(columns) + (bits >> 20) % 1024, np.arange(rows) + bits % 1024
    return np.asarray(_grains()[(down % 1024)[:, None], across % 1024], dtype=np.float64)
