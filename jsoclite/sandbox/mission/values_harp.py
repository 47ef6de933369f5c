"""
Keyword values of HARPs: place and size of the patch, its NOAA numbers, and its magnetic flux.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np

from .ephemeris import RSUN
from .harps import EPOCH, STEP
from .noise import smooth, uniform
from .orbits import AU
from .patches import CCD_SCALE, CEA_SCALE, Patches, patch_size
from .regions import regions
from .rows import FloatArray, IntArray, Rows, Value
from .slots import COMBINED
from .values_disk import HMI, centre, constant, crota


def which_region(rows: Rows) -> IntArray:
    """Row of each record's region in `population.regions`."""
    return cast(Patches, rows.series).rows_of(rows.index)


def meridian(rows: Rows) -> FloatArray:
    """Longitude of the patch's middle from the central meridian, degrees, -180 to 180."""
    carrington = regions().carrington(which_region(rows), rows.time)
    return np.asarray((carrington - rows.view.longitude + 180) % 360 - 180)


def latitude(rows: Rows) -> FloatArray:
    """Latitude of the patch's middle, degrees."""
    return regions().latitude[which_region(rows)]


def flux(rows: Rows) -> FloatArray:
    """USFLUX, Mx; what is near the limb is measured too large, as it is with HMI."""
    which = which_region(rows)
    limb = 1 + 0.25 * (np.abs(meridian(rows)) / 70) ** 4
    return np.asarray(regions().flux[which] * regions().growth(which, rows.time) * limb)


def wander(rows: Rows, name: str, amplitude: float) -> FloatArray:
    """A factor about 1 that changes within hours, differently for each HARP and `name`."""
    shifted = rows.time + 104729.0 * regions().number[which_region(rows)]
    return np.asarray(1 + amplitude * smooth(shifted, 9000.0, name) + 0.3 * amplitude * smooth(shifted, 1500.0, name))


def share(name: str, factor: float, power: float = 1.0, amplitude: float = 0.06) -> Value:
    """Proportional to a power of the flux over 1e22 Mx."""
    return lambda rows: factor * (flux(rows) / 1e22) ** power * wander(rows, name, amplitude)


def level(name: str, middle: float, spread: float, amplitude: float = 0.05) -> Value:
    """A value of its own for each HARP, and wandering about it."""

    def value(rows: Rows) -> FloatArray:
        own = middle + spread * (2 * uniform(regions().number[which_region(rows)], name) - 1)
        return np.asarray(own * wander(rows, name, amplitude))

    return value


def _corner(side: int, axis: int) -> Value:
    """Edges of the strong field (LON_MIN, LAT_MAX…)."""

    def value(rows: Rows) -> FloatArray:
        found, which = regions(), which_region(rows)
        reach = (found.width if axis == 0 else found.height)[which] * (0.55 + 0.4 * found.growth(which, rows.time))
        middle = meridian(rows) if axis == 0 else latitude(rows)
        return np.asarray(middle + side * reach)

    return value


def _edge(side: int, axis: int) -> Value:
    """Edges of the patch (LONDTMIN, LATDTMAX…), which stay the same for a HARP's whole life."""

    def value(rows: Rows) -> FloatArray:
        found, which = regions(), which_region(rows)
        if axis == 1:
            return np.asarray(found.latitude[which] + side * found.height[which])
        return np.asarray(meridian(rows) + side * found.width[which])

    return value


def _weighted(axis: int, polarity: int) -> Value:
    """Flux-weighted centres (LON_FWTPO…): the leading polarity is further west."""

    def value(rows: Rows) -> FloatArray:
        found, which = regions(), which_region(rows)
        west = polarity * found.leading[which] * (0.4 * found.width[which])
        if axis == 0:
            return np.asarray(meridian(rows) + west)
        towards = -np.sign(found.latitude[which]) * np.tan(np.radians(found.tilt[which]))
        return np.asarray(latitude(rows) + west * towards)

    return value


def _slot_time(which: str) -> Value:
    def value(rows: Rows) -> FloatArray:
        found, row = regions(), which_region(rows)
        slot = found.first[row] if which == "first" else found.last[row]
        return np.asarray(EPOCH + STEP * slot)

    return value


def active_area(rows: Rows) -> FloatArray:
    """AREA_ACR, millionths of a hemisphere."""
    return np.asarray(560.0 * (flux(rows) / 1e22) ** 0.95 * wander(rows, "area", 0.02))


def _patch_area(rows: Rows) -> FloatArray:
    found, which = regions(), which_region(rows)
    # degrees² of the patch into millionths of 20626 degrees²
    return np.asarray(4 * found.width[which] * found.height[which] * 0.72 / 20626.5 * 1e6)


def _foreshortened(rows: Rows, area: FloatArray) -> FloatArray:
    away = np.radians(np.minimum(85, np.abs(meridian(rows))))
    return np.asarray(area * np.cos(away) * np.cos(np.radians(latitude(rows))))


def _noaa(rows: Rows) -> Any:
    names = np.array(regions().noaa, dtype=object)[which_region(rows)]
    return names


def _first_noaa(rows: Rows) -> IntArray:
    return np.array([int(name.split(",")[0]) if name else 0 for name in _noaa(rows).tolist()], dtype=np.int64)


def _noaa_count(rows: Rows) -> IntArray:
    return np.array([name.count(",") + 1 if name else 0 for name in _noaa(rows).tolist()], dtype=np.int64)


def _crpix(axis: int) -> Value:
    def value(rows: Rows) -> FloatArray:
        size = patch_size(rows.spec.options["projection"], which_region(rows), rows)[axis]
        if rows.spec.options["projection"] == "cea":
            return np.asarray((size + 1) / 2)
        # the disk's centre in pixels of the cut-out, whose middle is the patch
        x, y = ccd_offset(rows)
        return np.asarray((size + 1) / 2 - (x, y)[axis])

    return value


def ccd_offset(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Columns and rows from the disk's centre to the patch's middle in CCD images, which are upside down."""
    lon, lat, tilt = np.radians(meridian(rows)), np.radians(latitude(rows)), np.radians(rows.view.latitude)
    west = np.cos(lat) * np.sin(lon)
    north = np.sin(lat) * np.cos(tilt) - np.cos(lat) * np.cos(lon) * np.sin(tilt)
    turn = np.radians(crota(rows.time))
    scale = rows.view.radius / CCD_SCALE
    return (
        np.rint(scale * (west * np.cos(turn) + north * np.sin(turn))),
        np.rint(scale * (north * np.cos(turn) - west * np.sin(turn))),
    )


def _cea(rows: Rows, cea: Any, ccd: Any) -> Any:
    return cea if rows.spec.options["projection"] == "cea" else ccd


def _crval(axis: int) -> Value:
    def value(rows: Rows) -> Any:
        if rows.spec.options["projection"] != "cea":
            return 0.0
        if axis == 1:
            return latitude(rows)
        return np.asarray((rows.view.longitude + meridian(rows) + 180) % 360 - 180)

    return value


_GEOMETRY: Final[dict[str, Value]] = {
    "crpix1": _crpix(0),
    "crpix2": _crpix(1),
    "crval1": _crval(0),
    "crval2": _crval(1),
    "cdelt1": lambda rows: _cea(rows, CEA_SCALE, CCD_SCALE),
    "cdelt2": lambda rows: _cea(rows, CEA_SCALE, CCD_SCALE),
    "ctype1": lambda rows: _cea(rows, "CRLN-CEA", "HPLN-TAN"),
    "ctype2": lambda rows: _cea(rows, "CRLT-CEA", "HPLT-TAN"),
    "cunit1": lambda rows: _cea(rows, "degree", "arcsec"),
    "cunit2": lambda rows: _cea(rows, "degree", "arcsec"),
    "wcsname": lambda rows: _cea(rows, "Carrington Heliographic", "Helioprojective-cartesian"),
    "crota2": lambda rows: _cea(rows, 0.0, crota(rows.time)),
    "crder1": lambda rows: 0.0,
    "crder2": lambda rows: 0.0,
    "imcrpix1": lambda rows: (centre(rows.time, 1) - 0.5) * 16 + 0.5,
    "imcrpix2": lambda rows: (centre(rows.time, 2) - 0.5) * 16 + 0.5,
    "imcrval1": constant(0.0),
    "imcrval2": constant(0.0),
    "lat_min": _corner(-1, 1),
    "lat_max": _corner(1, 1),
    "lon_min": _corner(-1, 0),
    "lon_max": _corner(1, 0),
    "latdtmin": _edge(-1, 1),
    "latdtmax": _edge(1, 1),
    "londtmin": _edge(-1, 0),
    "londtmax": _edge(1, 0),
    "lat_fwt": latitude,
    "lon_fwt": meridian,
    "lat_fwtpo": _weighted(1, 1),
    "lon_fwtp": _weighted(0, 1),
    "lat_fwtne": _weighted(1, -1),
    "lon_fwtn": _weighted(0, -1),
    "omega_dt": lambda rows: 14.1844 - 0.9856 + regions().drift[which_region(rows)],
    "size": lambda rows: _foreshortened(rows, _patch_area(rows)),
    "area": _patch_area,
    "size_acr": lambda rows: _foreshortened(rows, active_area(rows)),
    "area_acr": active_area,
    "npix": lambda rows: np.rint(_foreshortened(rows, _patch_area(rows)) * 11.0),
    "nacr": lambda rows: np.rint(_foreshortened(rows, active_area(rows)) * 11.0),
}
HARP: Final[dict[str, Value]] = (
    HMI
    | _GEOMETRY
    | {
        "noaa_ar": _first_noaa,
        "noaa_num": _noaa_count,
        "noaa_ars": _noaa,
        "t_frst": _slot_time("first"),
        "t_frst1": _slot_time("first"),
        "t_last": _slot_time("last"),
        "t_last1": _slot_time("last"),
        "n_patch": lambda rows: regions().count[which_region(rows)],
        "n_patch1": lambda rows: regions().count[which_region(rows)],
        "n_patchm": constant(0),
        "h_merge": constant(0),
        "h_faint": lambda rows: (regions().flux[which_region(rows)] < 6e20).astype(np.int64),
        "arm_qual": constant(0),
        "arm_ncln": constant(0),
        "camera": lambda rows: np.where(rows.time < COMBINED, 1, 3),
        "content": constant("HMI observable"),
        "totvals": lambda rows: _pixels(rows),
        "datavals": lambda rows: _pixels(rows),
        "missvals": constant(0),
        "datamin": lambda rows: -300.0 - 1300.0 * (flux(rows) / 3e22) ** 0.4,
        "datamax": lambda rows: 320.0 + 1300.0 * (flux(rows) / 3e22) ** 0.4,
        "datamean": lambda rows: 8.0 * (wander(rows, "datamean", 1.0) - 1),
        "datamedn": lambda rows: 0.6 * (wander(rows, "datamedn", 1.0)),
        "datarms": share("datarms", 120.0, 0.3),
        "dataskew": lambda rows: wander(rows, "dataskew", 1.0) - 1,
        "datakurt": level("datakurt", 40.0, 15.0),
        "wavelnth": constant(6173.0),
        "telescop": constant("SDO/HMI"),
        "origin": constant("SDO/JSOC-SDP"),
        "dsun_ref": constant(AU),
        "rsun_ref": constant(RSUN),
    }
)


def _pixels(rows: Rows) -> IntArray:
    columns, lines = patch_size(rows.spec.options["projection"], which_region(rows), rows)
    return np.asarray(columns * lines)
