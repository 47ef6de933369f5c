"""
The Sun in AIA's channels: photosphere, chromosphere, a corona of loops, holes and streamers, and flares.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np

from ..mission import Burning, burning, noise, regions
from .surface import DAY, DEGREE, Disk, FloatArray, Surface, charges

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


_RECIPES: Final = {
    94: Recipe(0.9, 14.0, 14.0, 0.08, 0.6, 1.3, 0.15, 0.6),
    131: Recipe(5.5, 70.0, 26.0, 0.05, 1.0, 0.8, 0.5, 0.6),
    171: Recipe(150.0, 4200.0, 160.0, 0.055, 1.4, 0.65, 0.45, 0.45),
    193: Recipe(210.0, 3600.0, 700.0, 0.075, 1.1, 1.1, 0.2, 0.22),
    211: Recipe(68.0, 1500.0, 420.0, 0.085, 1.1, 1.5, 0.12, 0.22),
    304: Recipe(42.0, 160.0, 190.0, 0.018, 0.35, 0.9, 1.0, 0.8),
    335: Recipe(3.0, 50.0, 30.0, 0.08, 1.0, 1.8, 0.15, 0.35),
}


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
    if not parts:
        return [np.zeros(0)] * 3
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


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
