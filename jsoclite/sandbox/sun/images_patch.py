"""
What the segments of HARP series hold: patches of the camera's images, and maps in cylindrical equal-area projection.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..catalog.definition import Segment
from ..mission.noise import FloatArray
from ..mission.patches import CCD_SCALE
from ..mission.series import Rows
from ..mission.values_disk import crota
from ..mission.values_harp import ccd_offset, latitude, meridian
from .hmi import cea_surface, component, continuum, inverted, limb_darkening, record_noise, scene, velocity
from .surface import Disk

_DEG: Final = np.pi / 180


def _patch_shape(rows: Rows) -> tuple[int, int]:
    columns, lines = rows.series.axes(rows, next(iter(rows.series.definition.segments.values())))
    return int(lines[0]), int(columns[0])


def _bitmap(strength: FloatArray) -> FloatArray:
    """HARP's classes: 1 quiet, 2 active outside, 33 quiet and 34 active inside the patch."""
    lines, columns = strength.shape
    y, x = np.ogrid[-1 : 1 : lines * 1j, -1 : 1 : columns * 1j]
    inside = x**4 + y**4 < 0.8
    active = strength > 100
    return np.where(inside, 33.0, 1.0) + active


def harp_array(rows: Rows, segment: Segment) -> FloatArray:
    """A segment of one of the HARP series."""
    if rows.spec.options["projection"] == "cea":
        return _harp_cea(rows, segment)
    return _harp_ccd(rows, segment)


def _harp_cea(rows: Rows, segment: Segment) -> FloatArray:
    shape = _patch_shape(rows)
    longitude = float(rows.view.longitude[0] + meridian(rows)[0])
    surface = cea_surface(rows, shape, longitude, float(latitude(rows)[0]))
    noise = record_noise(rows, shape, segment.name)
    field, name = surface.field, segment.name
    if name in ("Br", "Bp", "Bt"):
        return component(surface, name) + (25 if name == "Br" else 45) * noise
    if name.endswith("_err"):
        return 35 + 8 * np.abs(noise)
    strength = np.sqrt(field.radial**2 + field.west**2 + field.north**2)
    if name == "bitmap":
        return _bitmap(np.abs(field.radial))
    if name == "conf_disambig":
        return np.where(strength > 250, 90.0, 60.0)
    mu = np.cos((surface.carrington - rows.view.longitude[0]) * _DEG) * np.cos(
        (surface.latitude - rows.view.latitude[0]) * _DEG
    )
    mu = np.clip(mu, 0.05, 1.0)
    if name == "continuum":
        return np.asarray(62000 * limb_darkening(mu) * surface.darkening + 150 * noise)
    if name == "Dopplergram":
        sine = np.sin((surface.carrington - rows.view.longitude[0]) * _DEG)
        cells = 180 * surface.sampled("supergranules", 1.6, 1.5)
        return np.asarray(rows.view.radial[0] + 1990 * np.cos(surface.latitude * _DEG) * sine + cells + 30 * noise)
    return np.asarray(field.radial * mu + 6 * noise)


def _harp_ccd(rows: Rows, segment: Segment) -> FloatArray:
    lines, columns = _patch_shape(rows)
    x, y = ccd_offset(rows)
    middle = ((columns + 1) / 2 - float(x[0]), (lines + 1) / 2 - float(y[0]))
    seen = rows.view
    radius = float(seen.radius[0]) / CCD_SCALE
    roll = float(crota(rows.time)[0])
    disk = Disk((lines, columns), middle, radius, roll, float(seen.longitude[0]), float(seen.latitude[0]))
    name = segment.name
    _, surface, field = scene(rows, disk)
    noise = record_noise(rows, (lines, columns), name)[disk.on]
    if name == "magnetogram":
        return disk.filled(disk.seen(field)[0] + 5 * noise)
    if name == "bitmap":
        return _bitmap(disk.filled(np.abs(field.radial), 0.0)) * disk.on
    if name == "continuum":
        return disk.filled(continuum(rows, disk, surface) + 60 * noise)
    if name == "Dopplergram":
        return disk.filled(velocity(rows, disk) + 10 * noise)
    return inverted(rows, disk, segment)
