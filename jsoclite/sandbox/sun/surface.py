"""
A model of the Sun: the magnetic field, brightness and motion of its surface at any point and time, and the light above.

Active regions are those of the mission: groups of magnetic charges below the surface, whose fields add up to a
potential field in all three components and to the unsigned flux that the SHARP keywords give. Around them lie the
network, the remnants of old regions on their way to the poles, and the polar caps of the cycle's phase. `channel` and
`flare_image` are the Sun in AIA's channels: photosphere, chromosphere, a corona of loops, holes and streamers, flares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ..catalog import schema
from ..mission import Burning, Pointing, burning, noise, regions

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


#: Loops of a region, and points of each.
_LOOPS, _POINTS = 14, 48
#: Loops of a flare's arcade, and points of each.
_ARCADE_LOOPS, _ARCADE_POINTS = 12, 40
#: Distance of a flare's ribbon from the middle, and half the length of its arcade, degrees on the Sun.
_RIBBON: Final = 1.6
_ARCADE: Final = 2.2


class Recipe(NamedTuple):
    """
    How a channel sees the corona.

    Attributes
    ----------
    quiet, loops, cores : float
        Brightness of the quiet corona, of loops and of region cores, DN.
    scale : float
        Height over which the corona fades, solar radii.
    height : float
        Height of loops against their length.
    blur : float
        Width of loops, pixels.
    network : float
        Part of the chromospheric network in the quiet brightness.
    holes : float
        Brightness of coronal holes against the quiet corona.
    """

    quiet: float
    loops: float
    cores: float
    scale: float
    height: float
    blur: float
    network: float
    holes: float


_RECIPES: Final = {int(wave): Recipe(*row) for wave, row in schema.data("channels")["corona"].items()}


@cache
def _streamers() -> FloatArray:
    """Brightness of the corona at the limb: position angle by Carrington longitude."""
    return noise.texture("streamers", 256, 1024, 6.0)


def _drawn(disk: Disk, west: FloatArray, north: FloatArray, weight: FloatArray, blur: float) -> FloatArray:
    """Points as a blurred image, each shared by four pixels."""
    x, y = disk.pixels(west, north)
    rows, columns = disk.on.shape
    left, low = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    good = (left >= 0) & (low >= 0) & (left < columns - 1) & (low < rows - 1)
    left, low, weight = left[good], low[good], weight[good]
    fx, fy = x[good] - left, y[good] - low
    place = low * columns + left
    flat = np.zeros(rows * columns)
    shares = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy)
    for shift, share in zip((0, 1, columns, columns + 1), shares, strict=True):
        flat += np.bincount(place + shift, weight * share, minlength=rows * columns)
    return noise.blurred(flat.reshape(rows, columns), blur)


def _loops(disk: Disk, recipe: Recipe) -> list[FloatArray]:
    """Points along the loops of all regions in sight: west, north, weight."""
    found, time = regions.regions(), disk.time
    alive = found.alive(time)
    step = np.linspace(0, np.pi, _POINTS)
    parts: list[tuple[FloatArray, ...]] = []
    middles = found.carrington(alive, np.full(len(alive), time)) - disk.pointing.longitude
    for which, middle in zip(alive.tolist(), middles.tolist(), strict=True):
        part = charges(which, time)
        number = int(found.number[which]) * 64 + np.arange(_LOOPS)
        lead = np.where(part.strength * found.leading[which] > 0)[0]
        follow = np.where(part.strength * found.leading[which] <= 0)[0]
        first = lead[(noise.uniform(number, "loop lead") ** 1.5 * len(lead)).astype(np.intp)]
        second = follow[(noise.uniform(number, "loop follow") * len(follow)).astype(np.intp)]
        jitter = 1.2 * (noise.uniform(number, "loop jitter") - 0.5)
        bend = (noise.uniform(number, "loop bend") - 0.5)[:, None] * np.sin(step)
        x = _between(part.west[first] + jitter, part.west[second] - jitter, step)
        y = _between(part.north[first] + jitter, part.north[second] + jitter, step)
        length = np.hypot(part.west[first] - part.west[second], part.north[first] - part.north[second])
        y = y + bend * length[:, None] * 0.8
        top = recipe.height * (0.35 + 0.4 * noise.uniform(number, "loop height")) * length * DEGREE
        height = 1 + top[:, None] * np.sin(step)
        latitude = found.latitude[which] + y
        lon = middle + x / np.cos(latitude * DEGREE)
        west, north, depth = disk.pointing.seen(latitude, lon, height)
        seen = (depth > 0) | (west**2 + north**2 > 1.0)
        flicker = 0.4 + 0.6 * np.sin(2 * np.pi * (time / 5000.0 + noise.uniform(number, "loop phase"))) ** 2
        strength = float(found.flux[which] * found.growth(np.array([which]), np.array([time]))[0] / 1e22)
        bright = 0.6 * flicker * np.sqrt(strength) * (0.3 + length / 8)
        weight = seen * bright[:, None] * np.exp(-(height - 1) / recipe.scale)
        parts.append((west.ravel(), north.ravel(), weight.ravel()))
    return [np.zeros(0)] * 3 if not parts else [np.concatenate(column) for column in zip(*parts, strict=True)]


def _between(first: FloatArray, second: FloatArray, step: FloatArray) -> FloatArray:
    share = (1 - np.cos(step)) / 2
    return np.asarray(first[:, None] * (1 - share) + second[:, None] * share)


def channel(wavelength: int, disk: Disk, loss: float) -> FloatArray:
    """
    An image of one channel without noise and flares.

    Parameters
    ----------
    wavelength : int
        WAVELNTH, angstrom.
    disk : Disk
        Where and when.
    loss : float
        Sensitivity against that of 2010.

    Returns
    -------
    ndarray
        Shape of the image, DN.
    """
    surface = disk.surface
    if wavelength >= 1600:
        return _photosphere(wavelength, disk)
    recipe = _RECIPES[wavelength]
    busy = float(regions.activity(np.array([disk.time]))[0])
    magnetic = disk.filled(np.minimum(900.0, np.abs(surface.field.radial)), 0.0)
    width = 2.2 if wavelength in (94, 193, 211, 335) else 1.2
    cores = np.maximum(0.0, noise.blurred(magnetic, width)) / 500.0
    halo = np.maximum(0.0, noise.blurred(magnetic, 6.5)) / 30.0
    network = 0.6 + 0.4 * np.minimum(4.0, surface.network**2)
    cells = 1 + 0.28 * surface.sampled("diffuse", 5.0, 12.0)
    quiet = np.maximum(0.15, recipe.network * network + (1 - recipe.network) * cells)
    hole = _holes(surface, busy)
    quiet = quiet * (1 - (1 - recipe.holes) * hole)
    # an optically thin shell is brighter towards the limb; the chromosphere of 304 less so
    path = 1 / np.sqrt(disk.mu**2 + 2.5 * recipe.scale)
    image = disk.filled(quiet * path * (0.6 + 0.4 * busy), 0.0)
    image += _off_limb(disk, recipe, busy)
    west, north, weight = _loops(disk, recipe)
    drawn = _drawn(disk, west, north, weight, recipe.blur)
    total = (
        recipe.quiet * image * (1 + halo * (1 - recipe.network))
        + recipe.loops * 0.35 * drawn
        + recipe.cores * cores**1.2
    )
    return np.asarray(np.maximum(0.0, total) * loss)


def _holes(surface: Surface, busy: float) -> FloatArray:
    """Coronal holes: the polar caps at minimum, and wandering ones at all times."""
    edge = 62 + 22 * busy
    cap = 1 / (1 + np.exp(-(np.abs(surface.latitude) + 4 * surface.sampled("hole edge", 12.0, 30.0) - edge) / 1.5))
    spread = surface.sampled("hole", 22.0, 60.0)
    return np.asarray(np.maximum(cap, 1 / (1 + np.exp(-(spread - 1.75) / 0.08))))


def _off_limb(disk: Disk, recipe: Recipe, busy: float) -> FloatArray:
    """The corona beyond the limb, with streamers; it fades with height."""
    outside = ~disk.on
    r = np.sqrt(disk.radius2[outside])
    angle = np.arctan2(disk.north[outside], disk.west[outside])
    # what rotates past the limb: the streamers of the two limb longitudes
    rays = _streamers()
    row = ((angle + np.pi) / (2 * np.pi) * 256).astype(np.intp) % 256
    west, east = (int((disk.pointing.longitude + limb) * 1024 / 360) % 1024 for limb in (90.0, -90.0))
    share = (1 + np.cos(angle)) / 2
    streamer = share * rays[row, west] + (1 - share) * rays[row, east]
    latitude = np.abs(np.arcsin(np.clip(np.sin(angle), -1, 1))) / DEGREE
    polar = 1 - (1 - recipe.holes) * np.clip((latitude - 58 - 22 * busy) / 8, 0, 1)
    bright = np.maximum(0.2, 1 + 0.35 * streamer) * polar / np.sqrt(2.5 * recipe.scale)
    image = np.zeros(disk.on.shape)
    image[outside] = 0.85 * bright * np.exp(-(r - 1) / recipe.scale) * (0.6 + 0.4 * busy)
    if recipe.network > 0.9:
        image[outside] += _prominences(r, angle, disk.time)
    return image


def _prominences(r: FloatArray, angle: FloatArray, time: float) -> FloatArray:
    total = np.zeros(len(r))
    day = int(time // (2 * DAY))
    for number in range(5):
        where = 2 * np.pi * noise.uniform(day * 8 + number, "prominence")
        size = 0.02 + 0.05 * noise.uniform(day * 8 + number, "size")
        distance = (angle - where + np.pi) % (2 * np.pi) - np.pi
        total += 3.0 * np.exp(-((distance / size) ** 2) - ((r - 1.02) / (0.02 + size)) ** 2)
    return total


def _photosphere(wavelength: int, disk: Disk) -> FloatArray:
    """1600, 1700 and 4500: limb darkening, spots, and plage and network in the ultraviolet."""
    surface = disk.surface
    level, limb, plage = {1600: (95.0, 0.35, 2.6), 1700: (1000.0, 0.55, 0.9), 4500: (4600.0, 0.75, 0.0)}[wavelength]
    bright = np.clip(np.abs(surface.field.radial) / 400, 0, 1.2) * (surface.darkening > 0.8)
    grains = np.minimum(4.0, surface.network**2)
    values = level * (1 - limb + limb * disk.mu) * surface.darkening * (1 + plage * bright)
    values = values * (1 + (0.22 if plage else 0.01) * (grains - 1))
    return disk.filled(np.maximum(0.0, values), 0.004 * level)


def _spot(disk: Disk, place: tuple[FloatArray, ...], area: float) -> FloatArray:
    """A Gaussian of unit sum and an area in pixels around a point."""
    west, north = float(place[0][0]), float(place[1][0])
    square = ((disk.west - west) ** 2 + (disk.north - north) ** 2) * disk.pointing.radius**2
    return np.asarray(np.exp(-square * np.pi / area) / area)


def flare_image(wavelength: int, time: float, disk: Disk) -> FloatArray:
    """
    The flares in an image of one channel: two ribbons on the surface, a bright kernel above them, an arcade of loops.

    The sums over the image are those of the keywords, so that the statistics in a header describe its image.

    Parameters
    ----------
    wavelength, disk
        As given to `channel`.
    time : float
        Of the exposure.

    Returns
    -------
    ndarray
        Shape of the image, DN at the usual exposure and the sensitivity of 2010; not limited by saturation.
    """
    image = np.zeros(disk.on.shape)
    for flare in burning(time, wavelength):
        if flare.light >= 1.0:
            _add_flare(image, disk, flare, time)
    return image


def _add_flare(image: FloatArray, disk: Disk, flare: Burning, time: float) -> None:
    every, host = regions.regions(), np.array([flare.host])
    across, along = (0.5 * (float(noise.uniform(flare.which, f"flare {axis}")) - 0.5) for axis in ("west", "north"))
    lat = every.latitude[host] + along * every.height[host] * 0.6
    lon = every.carrington(host, np.array([time])) - disk.pointing.longitude + across * every.width[host] * 0.6
    # ribbons lie along the line between the polarities, which is across the region's axis
    tilt = float(every.tilt[flare.host])
    turn = (90.0 - tilt * (1 if every.latitude[flare.host] > 0 else -1)) * DEGREE
    step = np.array([np.sin(turn), -np.cos(turn)])
    spread = np.cos(lat * DEGREE)
    for side in (-1, 1):
        north, west = lat + side * _RIBBON * step[1], lon + side * _RIBBON * step[0] / spread
        image += flare.ribbon * _spot(disk, disk.pointing.seen(north, west, np.array([1.0])), flare.area)
    top = disk.pointing.seen(lat, lon, np.array([1.0 + 0.6 * _RIBBON * DEGREE]))
    image += flare.core * _spot(disk, top, flare.area)
    image += flare.arcade * _arcade(disk, float(lat[0]), float(lon[0]), turn)


def _arcade(disk: Disk, lat: float, lon: float, turn: float) -> FloatArray:
    """Loops from ribbon to ribbon, of unit sum."""
    along = np.linspace(-_ARCADE, _ARCADE, _ARCADE_LOOPS)[:, None]
    angle = np.linspace(0, np.pi, _ARCADE_POINTS)[None, :]
    across = -1.5 * _RIBBON * np.cos(angle) + 0 * along
    x = across * np.sin(turn) + along * np.cos(turn)
    y = -across * np.cos(turn) + along * np.sin(turn)
    height = 1 + 1.8 * _RIBBON * DEGREE * np.sin(angle) + 0 * along
    latitude = lat + y
    west, north, _ = disk.pointing.seen(latitude, lon + x / np.cos(latitude * DEGREE), height)
    drawn = np.maximum(0.0, _drawn(disk, west.ravel(), north.ravel(), np.ones(west.size), 1.0))
    return np.asarray(drawn / max(1e-9, float(drawn.sum())))
