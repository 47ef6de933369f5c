"""
The Sun in AIA's channels: photosphere, chromosphere, and a corona of loops, holes and streamers.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..mission.ephemeris import DAY
from ..mission.noise import FloatArray, texture, uniform
from ..mission.regions import activity, regions
from .surface import Disk, Surface, charges

_DEG: Final = np.pi / 180
_LOOPS, _POINTS = 14, 48


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
def _blur(rows: int, columns: int, width: float) -> FloatArray:
    """Gaussian in Fourier space."""
    vertical = np.fft.fftfreq(rows)[:, None] * 2 * np.pi * width
    horizontal = np.fft.rfftfreq(columns)[None, :] * 2 * np.pi * width
    return np.asarray(np.exp(-(vertical**2 + horizontal**2) / 2))


@cache
def _streamers() -> FloatArray:
    """Brightness of the corona at the limb: position angle by Carrington longitude."""
    return texture("streamers", 256, 1024, 6.0)


def smoothed(image: FloatArray, width: float) -> FloatArray:
    """An image blurred by a Gaussian of `width` pixels."""
    return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * _blur(*image.shape, width), s=image.shape))


def project(disk: Disk, latitude: FloatArray, lon: FloatArray, height: FloatArray) -> tuple[FloatArray, ...]:
    """West, north and depth (solar radii) of points at a height above the surface; `lon` from the meridian."""
    lat, lon = latitude * _DEG, lon * _DEG
    sb, cb = np.sin(disk.tilt), np.cos(disk.tilt)
    west = height * np.cos(lat) * np.sin(lon)
    north = height * (np.sin(lat) * cb - np.cos(lat) * np.cos(lon) * sb)
    depth = height * (np.sin(lat) * sb + np.cos(lat) * np.cos(lon) * cb)
    return west, north, depth


def splat(
    disk: Disk, west: FloatArray, north: FloatArray, weight: FloatArray, radius: float, centre: tuple[float, float]
) -> FloatArray:
    """Points as an image, each shared by four pixels."""
    cosine, sine = np.cos(disk.roll * _DEG), np.sin(disk.roll * _DEG)
    x = centre[0] - 1 + radius * (cosine * west + sine * north)
    y = centre[1] - 1 + radius * (cosine * north - sine * west)
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
    return flat.reshape(rows, columns)


def _loops(disk: Disk, time: float, recipe: Recipe) -> tuple[FloatArray, ...]:
    """Points along the loops of all regions in sight: west, north, weight."""
    found = regions()
    alive = found.alive(time)
    step = np.linspace(0, np.pi, _POINTS)
    parts: list[tuple[FloatArray, ...]] = []
    middles = found.carrington(alive, np.full(len(alive), time)) - disk.meridian
    for which, middle in zip(alive.tolist(), middles.tolist(), strict=True):
        part = charges(which, time)
        number = int(found.number[which]) * 64 + np.arange(_LOOPS)
        lead = np.where(part.strength * found.leading[which] > 0)[0]
        follow = np.where(part.strength * found.leading[which] <= 0)[0]
        first = lead[(uniform(number, "loop lead") ** 1.5 * len(lead)).astype(np.intp)]
        second = follow[(uniform(number, "loop follow") * len(follow)).astype(np.intp)]
        jitter = 1.2 * (uniform(number, "loop jitter") - 0.5)
        bend = (uniform(number, "loop bend") - 0.5)[:, None] * np.sin(step)
        x = _between(part.west[first] + jitter, part.west[second] - jitter, step)
        y = _between(part.north[first] + jitter, part.north[second] + jitter, step)
        length = np.hypot(part.west[first] - part.west[second], part.north[first] - part.north[second])
        y = y + bend * length[:, None] * 0.8
        top = recipe.height * (0.35 + 0.4 * uniform(number, "loop height")) * length * _DEG
        height = 1 + top[:, None] * np.sin(step)
        latitude = found.latitude[which] + y
        lon = middle + x / np.cos(latitude * _DEG)
        west, north, depth = project(disk, latitude, lon, height)
        seen = (depth > 0) | (west**2 + north**2 > 1.0)
        flicker = 0.4 + 0.6 * np.sin(2 * np.pi * (time / 5000.0 + uniform(number, "loop phase"))) ** 2
        strength = float(found.flux[which] * found.growth(np.array([which]), np.array([time]))[0] / 1e22)
        bright = 0.6 * flicker * np.sqrt(strength) * (0.3 + length / 8)
        weight = seen * bright[:, None] * np.exp(-(height - 1) / recipe.scale)
        parts.append((west.ravel(), north.ravel(), weight.ravel()))
    if not parts:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _between(first: FloatArray, second: FloatArray, step: FloatArray) -> FloatArray:
    share = (1 - np.cos(step)) / 2
    return np.asarray(first[:, None] * (1 - share) + second[:, None] * share)


def channel(
    wavelength: int, time: float, disk: Disk, radius: float, centre: tuple[float, float], loss: float
) -> FloatArray:
    """
    An image of one channel without noise.

    Parameters
    ----------
    wavelength : int
        WAVELNTH, angstrom.
    time : float
        TAI seconds since 1977.
    disk : Disk
        Geometry.
    radius, centre
        As given to `disk`, pixels.
    loss : float
        Sensitivity against that of 2010.

    Returns
    -------
    ndarray
        Shape of the image, DN.
    """
    surface = disk.surface(time)
    if wavelength >= 1600:
        return _photosphere(wavelength, disk, surface)
    recipe = _RECIPES[wavelength]
    busy = float(activity(np.array([time]))[0])
    magnetic = disk.filled(np.minimum(900.0, np.abs(surface.field.radial)), 0.0)
    width = 2.2 if wavelength in (94, 193, 211, 335) else 1.2
    cores = np.maximum(0.0, smoothed(magnetic, width)) / 500.0
    halo = np.maximum(0.0, smoothed(magnetic, 6.5)) / 30.0
    network = 0.6 + 0.4 * np.minimum(4.0, surface.network**2)
    cells = 1 + 0.28 * surface.sampled("diffuse", 5.0, 12.0)
    quiet = np.maximum(0.15, recipe.network * network + (1 - recipe.network) * cells)
    hole = _holes(surface, busy)
    quiet = quiet * (1 - (1 - recipe.holes) * hole)
    # an optically thin shell is brighter towards the limb; the chromosphere of 304 less so
    path = 1 / np.sqrt(disk.mu**2 + 2.5 * recipe.scale)
    image = disk.filled(quiet * path * (0.6 + 0.4 * busy), 0.0)
    image += _off_limb(disk, time, recipe, busy)
    west, north, weight = _loops(disk, time, recipe)
    drawn = smoothed(splat(disk, west, north, weight, radius, centre), recipe.blur)
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


def _off_limb(disk: Disk, time: float, recipe: Recipe, busy: float) -> FloatArray:
    """The corona beyond the limb, with streamers; it fades with height."""
    outside = ~disk.on
    r = np.sqrt(disk.radius2[outside])
    angle = np.arctan2(disk.north[outside], disk.west[outside])
    # what rotates past the limb: the streamers of the two limb longitudes
    rays = _streamers()
    row = ((angle + np.pi) / (2 * np.pi) * 256).astype(np.intp) % 256
    west, east = (int((disk.meridian + limb) * 1024 / 360) % 1024 for limb in (90.0, -90.0))
    share = (1 + np.cos(angle)) / 2
    streamer = share * rays[row, west] + (1 - share) * rays[row, east]
    latitude = np.abs(np.arcsin(np.clip(np.sin(angle), -1, 1))) / _DEG
    polar = 1 - (1 - recipe.holes) * np.clip((latitude - 58 - 22 * busy) / 8, 0, 1)
    bright = np.maximum(0.2, 1 + 0.35 * streamer) * polar / np.sqrt(2.5 * recipe.scale)
    image = np.zeros(disk.on.shape)
    image[outside] = 0.85 * bright * np.exp(-(r - 1) / recipe.scale) * (0.6 + 0.4 * busy)
    if recipe.network > 0.9:
        image[outside] += _prominences(r, angle, time)
    return image


def _prominences(r: FloatArray, angle: FloatArray, time: float) -> FloatArray:
    total = np.zeros(len(r))
    day = int(time // (2 * DAY))
    for number in range(5):
        where = 2 * np.pi * uniform(day * 8 + number, "prominence")
        size = 0.02 + 0.05 * uniform(day * 8 + number, "size")
        distance = (angle - where + np.pi) % (2 * np.pi) - np.pi
        total += 3.0 * np.exp(-((distance / size) ** 2) - ((r - 1.02) / (0.02 + size)) ** 2)
    return total


def _photosphere(wavelength: int, disk: Disk, surface: Surface) -> npt.NDArray[np.float64]:
    """1600, 1700 and 4500: limb darkening, spots, and plage and network in the ultraviolet."""
    level, limb, plage = {1600: (95.0, 0.35, 2.6), 1700: (1000.0, 0.55, 0.9), 4500: (4600.0, 0.75, 0.0)}[wavelength]
    bright = np.clip(np.abs(surface.field.radial) / 400, 0, 1.2) * (surface.darkening > 0.8)
    grains = np.minimum(4.0, surface.network**2)
    values = level * (1 - limb + limb * disk.mu) * surface.darkening * (1 + plage * bright)
    values = values * (1 + (0.22 if plage else 0.01) * (grains - 1))
    return disk.filled(np.maximum(0.0, values), 0.004 * level)
