"""
What HMI's segments hold: full-disk observables, Stokes parameters, inverted vector fields, and maps made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

from ..catalog.definition import Segment
from ..mission.ephemeris import view
from ..mission.noise import FloatArray
from ..mission.patches import CCD_SCALE, CEA_SCALE
from ..mission.series import Rows
from ..mission.values_disk import HMI_SCALE, centre, crota
from ..processing.projections import cea_sphere
from .surface import Disk, Field, Surface, grain

_DEG: Final = np.pi / 180
#: Wavelength positions of HMI against the line's centre, mÅ.
_TUNING: Final = (172.0, 103.0, 34.0, -34.0, -103.0, -172.0)

Scene = tuple[Disk, Surface, Field]


def image_shape(rows: Rows) -> tuple[int, int]:
    """Rows and columns of a series' images."""
    columns, lines = rows.spec.axes
    return int(lines), int(columns)


def hmi_disk(rows: Rows) -> Disk:
    """The disk in HMI's full-disk images."""
    return _hmi_scene(float(rows.time[0]), image_shape(rows))[0]


@lru_cache(maxsize=6)
def _hmi_scene(time: float, shape: tuple[int, int]) -> tuple[Disk, Surface]:
    """The disk and the surface in HMI's images: all segments and series of one time share them."""
    seen, times = view(np.array([time])), np.array([time])
    disk = Disk(
        shape,
        (float(centre(times, 1)[0]), float(centre(times, 2)[0])),
        float(seen.radius[0]) / HMI_SCALE,
        float(crota(times)[0]),
        float(seen.longitude[0]),
        float(seen.latitude[0]),
    )
    return disk, disk.surface(time)


def scene(rows: Rows, disk: Disk) -> Scene:
    """The surface in the pixels of a disk, and its field."""
    time, shape = float(rows.time[0]), disk.on.shape
    known, surface = _hmi_scene(time, (shape[0], shape[1]))
    if known is not disk:
        surface = disk.surface(time)
    return disk, surface, surface.field


def record_noise(rows: Rows, shape: tuple[int, int], purpose: str) -> FloatArray:
    """White noise of unit variance, different for each record and `purpose`."""
    return grain(shape, int(rows.recnum[0]), f"{rows.spec.name} {purpose}")


def velocity(rows: Rows, disk: Disk) -> FloatArray:
    """Velocity away from the observer, m/s: orbit, rotation, limb shift, oscillation, supergranules."""
    seen = rows.view
    sine = np.sin(disk.latitude * _DEG) ** 2
    rate = (14.713 - 2.396 * sine - 1.787 * sine**2) * _DEG / 86400 * 696.0e6
    rotation = rate * np.cos(disk.latitude * _DEG) * np.sin(disk.from_meridian * _DEG) * np.cos(disk.tilt)
    angle = float(seen.radius[0]) / 206265.0
    across = (seen.westward[0] * disk.west + seen.northward[0] * disk.north)[disk.on] * angle
    surface = disk.surface(float(rows.time[0]))
    cells = 180 * surface.sampled("supergranules", 1.6, 1.5) * np.sqrt(1 - disk.mu**2)
    fivemin = 260 * disk.mu * surface.sampled("oscillation", 2.5, 600.0 / 86400.0)
    limb = 420 * (1 - disk.mu) ** 2 - 30
    return np.asarray(seen.radial[0] + rotation - across + limb + cells + fivemin)


def continuum(rows: Rows, disk: Disk, surface: Surface) -> FloatArray:
    """Continuum intensity, DN/s: limb darkening, spots, granulation, and the distance of the Sun."""
    nearer = float((1.496e11 / rows.view.distance[0]) ** 2)
    granules = 1 + 0.012 * surface.sampled("granules", 0.0, 0.01)
    return np.asarray(62000 * nearer * limb_darkening(disk.mu) * surface.darkening * granules)


def limb_darkening(mu: FloatArray) -> FloatArray:
    """Brightness against the disk's centre in the continuum at 6173 angstrom."""
    return np.asarray(1 - 0.42 * (1 - mu) - 0.14 * (1 - mu**2))


def _observable(rows: Rows, segment: Segment) -> FloatArray:
    """V, M, Ic, Ld, Lw, Ic without limb darkening, and Stokes parameters."""
    disk = hmi_disk(rows)
    product = rows.spec.options["product"]
    noise = record_noise(rows, disk.on.shape, segment.name)[disk.on]
    longer = rows.spec.slot["step"] >= 720
    if product == "V":
        return disk.filled(velocity(rows, disk) + (8 if longer else 20) * noise)
    _, surface, field = scene(rows, disk)
    if product == "M":
        along, _, _ = disk.seen(field)
        return disk.filled(along + (4.0 if longer else 8.5) * noise / np.sqrt(disk.mu + 0.1))
    if product == "S":
        return disk.filled(_stokes(rows, segment.name, disk, surface) + 60 * noise)
    values: dict[str, Callable[[], FloatArray]] = {
        "Ic": lambda: continuum(rows, disk, surface) + 60 * noise,
        "IcN": lambda: surface.darkening * (1 + 0.006 * noise),
        "Ld": lambda: 0.43 * continuum(rows, disk, surface) * (0.75 + 0.25 * surface.darkening) + 50 * noise,
        "Lw": lambda: 132 + 22 * (1 - disk.mu) + 0.035 * np.abs(field.radial) + 1.1 * noise,
    }
    return disk.filled(values[product]())


def _stokes(rows: Rows, name: str, disk: Disk, surface: Surface) -> FloatArray:
    along, columns, lines = disk.seen(surface.field)
    offset = _TUNING[int(name[1])] - velocity(rows, disk) * 0.0206
    line = np.exp(-((offset / 75.0) ** 2))
    bright = continuum(rows, disk, surface)
    if name[0] == "I":
        return bright * (1 - 0.55 * line)
    if name[0] == "V":
        return np.asarray(bright * 2.4e-4 * along * (offset / 75.0) * line)
    part = columns**2 - lines**2 if name[0] == "Q" else 2 * columns * lines
    return np.asarray(bright * 2.2e-8 * part * (1 - 2 * (offset / 75.0) ** 2) * line)


def _vector(disk: Disk, field: Field, plain: Field, coin: FloatArray) -> dict[str, FloatArray]:
    """
    Field strength, inclination, azimuth (0 to 180) and the flags of its 180-degree choice, as HMI has them.

    Parameters
    ----------
    disk : Disk
        Where.
    field, plain : Field
        With noise, and without.
    coin : ndarray
        As often positive as negative.
    """
    along, columns, lines = disk.seen(field)
    strength = np.sqrt(along**2 + columns**2 + lines**2)
    azimuth = np.arctan2(-columns, lines) / _DEG % 360
    # noise alone is not annealed: what counts is where regions are, and what lies beside them
    level = np.sqrt(sum(part**2 for part in disk.seen(plain)))
    confidence = np.where(level > 250, 90.0, np.where(level > 100, 60.0, 50.0))
    # where the field is weak, each bit has an answer of its own: the potential field's, chance, the more radial one
    outward = Field(np.ones(len(along)), np.zeros(len(along)), np.zeros(len(along)))
    (_, *potential), (_, *radial) = disk.seen(plain), disk.seen(outward)
    right = np.stack(
        [
            columns * potential[0] + lines * potential[1] >= 0,
            (azimuth >= 180) ^ (coin >= 0),
            (columns * radial[0] + lines * radial[1]) * along >= 0,
        ]
    )
    flags = np.where((confidence > 50) | right, azimuth >= 180, azimuth < 180)
    return {
        "field": strength,
        "inclination": np.arccos(np.clip(along / np.maximum(strength, 1e-6), -1, 1)) / _DEG,
        "azimuth": azimuth % 180,
        "disambig": np.array([1.0, 2.0, 4.0]) @ flags,
        "conf_disambig": confidence,
    }


def _noisy(rows: Rows, disk: Disk, field: Field) -> Field:
    """The field with the transverse noise of HMI, some 90 G."""
    shape = disk.on.shape
    parts = [record_noise(rows, shape, name)[disk.on] for name in ("radial", "west", "north")]
    return Field(field.radial + 12 * parts[0], field.west + 55 * parts[1], field.north + 55 * parts[2])


def inverted(rows: Rows, disk: Disk, segment: Segment) -> FloatArray:
    """One segment of a Milne-Eddington inversion or of its disambiguation."""
    _, surface, plain = scene(rows, disk)
    field = _noisy(rows, disk, plain)
    name = segment.name
    found = _vector(disk, field, plain, record_noise(rows, disk.on.shape, "coin")[disk.on])
    if name in found:
        return disk.filled(found[name], 0.0 if segment.type == "char" else np.nan)
    strength = found["field"]
    noise = record_noise(rows, disk.on.shape, name)[disk.on]
    rest: dict[str, Callable[[], FloatArray]] = {
        "vlos_mag": lambda: 100 * (velocity(rows, disk) + 12 * noise),
        "dop_width": lambda: 24 + 3 * (1 - disk.mu) + 0.8 * noise,
        "eta_0": lambda: 11 + 2.5 * noise,
        "damping": lambda: 0.5 + 0.0 * noise,
        "src_continuum": lambda: 0.12 * continuum(rows, disk, surface) + 20 * noise,
        "src_grad": lambda: 0.5 * continuum(rows, disk, surface) + 60 * noise,
        "alpha_mag": lambda: np.ones(len(strength)),
        "chisq": lambda: 900 * np.exp(0.4 * noise),
        "conv_flag": lambda: np.zeros(len(strength)),
        "info_map": lambda: np.where(strength > 250, 1.0, 0.0),
        "confid_map": lambda: np.where(strength > 250, 0.0, 1.0),
        "inclination_err": lambda: 180 / np.maximum(strength, 60) * (4 + noise**2),
        "azimuth_err": lambda: 180 / np.maximum(strength, 60) * (6 + noise**2),
        "field_err": lambda: 28 + 6 * np.abs(noise),
        "vlos_err": lambda: 2200 + 500 * np.abs(noise),
        "alpha_err": lambda: 0.01 + 0.001 * np.abs(noise),
    }
    values = rest[name]() if name in rest else np.clip(0.25 * noise, -1, 1)
    return disk.filled(values, 0.0 if segment.type == "char" else np.nan)


def hmi_array(rows: Rows, segment: Segment) -> FloatArray:
    """A segment of one of HMI's full-disk series, or of a map or cut-out made of it."""
    product = rows.spec.options["product"]
    if product == "B":
        return inverted(rows, hmi_disk(rows), segment)
    if product == "Bcut":
        return inverted(rows, _region_cutout(rows), segment)
    if product == "Bcea":
        return _remapped(rows, segment, 34.0, -20.0)
    if product in ("Bmap", "Mmap"):
        return _grid_map(rows, segment)
    return _observable(rows, segment)


def _region_cutout(rows: Rows) -> Disk:
    """The camera's pixels around Carrington longitude 34, latitude -20: the region of February 2011."""
    lines, columns = image_shape(rows)
    seen, times = rows.view, rows.time
    lon, lat, tilt = (34.0 - float(seen.longitude[0])) * _DEG, -20.0 * _DEG, float(seen.latitude[0]) * _DEG
    radius, turn = float(seen.radius[0]) / CCD_SCALE, float(crota(times)[0])
    west, north = np.cos(lat) * np.sin(lon), np.sin(lat) * np.cos(tilt) - np.cos(lat) * np.cos(lon) * np.sin(tilt)
    x = radius * (west * np.cos(turn * _DEG) + north * np.sin(turn * _DEG))
    y = radius * (north * np.cos(turn * _DEG) - west * np.sin(turn * _DEG))
    middle = ((columns + 1) / 2 - x, (lines + 1) / 2 - y)
    return Disk((lines, columns), middle, radius, turn, float(seen.longitude[0]), float(seen.latitude[0]))


def component(surface: Surface, name: str) -> FloatArray:
    """Br, Bp (west) or Bt (south)."""
    field = surface.field
    return {"Br": field.radial, "Bp": field.west, "Bt": -field.north}[name]


def _grid_map(rows: Rows, segment: Segment) -> FloatArray:
    """Longitude from the meridian by latitude, one degree a pixel."""
    lines, columns = image_shape(rows)
    lon, lat = np.meshgrid(np.linspace(-90, 90, columns), np.linspace(-90, 90, lines))
    surface = Surface(float(rows.time[0]), lat, (lon + float(rows.view.longitude[0])) % 360)
    values = surface.field.radial if segment.name == "data" else component(surface, segment.name)
    return values + 3.0 * record_noise(rows, (lines, columns), segment.name)


def _remapped(rows: Rows, segment: Segment, longitude: float, middle: float) -> FloatArray:
    surface = cea_surface(rows, image_shape(rows), longitude, middle)
    return component(surface, segment.name) + 20 * record_noise(rows, image_shape(rows), segment.name)


def cea_surface(rows: Rows, shape: tuple[int, int], longitude: float, middle: float) -> Surface:
    """Points of a cylindrical equal-area map whose equator runs through a Carrington longitude and a latitude."""
    lines, columns = shape
    x = (np.arange(columns) - (columns - 1) / 2) * CEA_SCALE * _DEG
    y = (np.arange(lines) - (lines - 1) / 2) * CEA_SCALE * _DEG
    across, up = np.meshgrid(x, y)
    lon, lat = cea_sphere(across, up, longitude * _DEG, middle * _DEG)
    return Surface(float(rows.time[0]), lat / _DEG, lon / _DEG % 360)
