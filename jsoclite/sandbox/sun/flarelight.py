"""
What a flare looks like: two ribbons on the surface, a bright kernel above them, and an arcade of loops.

The sums over the image are those of `jsoclite.sandbox.flares`, so that the statistics in a header describe its image.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..mission.flares import CORE, KERNEL, burning, flares
from ..mission.noise import FloatArray, uniform
from ..mission.regions import regions
from .corona import project, smoothed, splat
from .surface import Disk

_LOOPS, _POINTS = 12, 40
#: Distance of a ribbon from the middle, and half the length of the arcade, degrees on the Sun.
_RIBBON: Final = 1.6
_ARCADE: Final = 2.2
_DEG: Final = np.pi / 180


def _spot(disk: Disk, place: tuple[FloatArray, ...], radius: float, centre: tuple[float, float]) -> FloatArray:
    """A Gaussian of unit sum and the area of the kernel around a point."""
    west, north = float(place[0][0]), float(place[1][0])
    square = ((disk.west - west) ** 2 + (disk.north - north) ** 2) * radius**2
    return np.asarray(np.exp(-square * np.pi / KERNEL) / KERNEL)


def flare_image(wavelength: int, time: float, disk: Disk, radius: float, centre: tuple[float, float]) -> FloatArray:
    """
    The flares in an image of one channel, without noise.

    Parameters
    ----------
    wavelength, time, disk, radius, centre
        As given to `corona.channel`; `time` is that of the exposure.

    Returns
    -------
    ndarray
        Shape of the image, DN at the usual exposure and the sensitivity of 2010; not limited by saturation.
    """
    image = np.zeros(disk.on.shape)
    found, every = flares(), regions()
    for which, flash, glow in burning(time, wavelength):
        if flash + glow < 1.0:
            continue
        host = np.array([found.host[which]])
        one = int(host[0])
        across, along = (0.5 * (uniform(np.array([which]), f"flare {axis}") - 0.5) for axis in ("west", "north"))
        lat = every.latitude[host] + along * every.height[host] * 0.6
        lon = every.carrington(host, np.array([time])) - disk.meridian + across * every.width[host] * 0.6
        # ribbons lie along the line between the polarities, which is across the region's axis
        turn = (90.0 - float(every.tilt[one]) * (1 if every.latitude[one] > 0 else -1)) * _DEG
        step = np.array([np.sin(turn), -np.cos(turn)])
        spread = np.cos(lat * _DEG)
        for side in (-1, 1):
            feet = project(
                disk, lat + side * _RIBBON * step[1], lon + side * _RIBBON * step[0] / spread, np.array([1.0])
            )
            image += 0.5 * flash * _spot(disk, feet, radius, centre)
        top = project(disk, lat, lon, np.array([1.0 + 0.6 * _RIBBON * _DEG]))
        image += CORE * glow * _spot(disk, top, radius, centre)
        image += (1 - CORE) * glow * _arcade(disk, float(lat[0]), float(lon[0]), turn, radius, centre)
    return image


def _arcade(disk: Disk, lat: float, lon: float, turn: float, radius: float, centre: tuple[float, float]) -> FloatArray:
    """Loops from ribbon to ribbon, of unit sum."""
    along = np.linspace(-_ARCADE, _ARCADE, _LOOPS)[:, None]
    angle = np.linspace(0, np.pi, _POINTS)[None, :]
    across = -1.5 * _RIBBON * np.cos(angle) + 0 * along
    x = across * np.sin(turn) + along * np.cos(turn)
    y = -across * np.cos(turn) + along * np.sin(turn)
    height = 1 + 1.8 * _RIBBON * _DEG * np.sin(angle) + 0 * along
    latitude = lat + y
    west, north, _ = project(disk, latitude, lon + x / np.cos(latitude * _DEG), height)
    weight = np.ones(west.size)
    drawn = smoothed(splat(disk, west.ravel(), north.ravel(), weight, radius, centre), 1.0)
    return np.asarray(np.maximum(0.0, drawn) / max(1e-9, float(np.maximum(0.0, drawn).sum())))
