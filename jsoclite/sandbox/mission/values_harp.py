"""
Keyword values of HARPs: place and size of the patch, NOAA numbers, magnetic flux, and SHARPs' space-weather parameters.

The parameters keep the proportions of published headers (HARPs 377 and 11465) to the unsigned flux, which grows and
decays with the region; each also wanders by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import numpy as np

from .ephemeris import directions, nearer
from .kinds import CCD_SCALE, CEA_SCALE, Patches, patch_size
from .noise import FloatArray, IntArray, smooth, uniform
from .regions import EPOCH, STEP, regions
from .series import Rows, Value, constant, constants
from .slots import side_cameras
from .spec import shared
from .values_disk import HMI, MDI, MDI_SCALE, centre, crota, longitude, mdi_roll, paired


def which_region(rows: Rows) -> IntArray:
    """Row of each record's region in `regions`."""
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


def _share(name: str, factor: float, power: float = 1.0, amplitude: float = 0.06) -> Value:
    """Proportional to a power of the flux over 1e22 Mx."""
    return lambda rows: factor * (flux(rows) / 1e22) ** power * wander(rows, name, amplitude)


def _level(name: str, middle: float, spread: float, amplitude: float = 0.05) -> Value:
    """A value of its own for each HARP, and wandering about it."""

    def value(rows: Rows) -> FloatArray:
        own = middle + spread * (2 * uniform(regions().number[which_region(rows)], name) - 1)
        return np.asarray(own * wander(rows, name, amplitude))

    return value


def _swing(name: str, amplitude: float) -> Value:
    """About zero."""
    return lambda rows: amplitude * (wander(rows, name, 1.0) - 1)


def _all(group: str, make: Callable[..., Value]) -> dict[str, Value]:
    """What `make` gives for each keyword of a group of ``data/series.json`` and its numbers."""
    return {name: make(name, *numbers) for name, numbers in shared(group).items()}


def _corner(rows: Rows, side: int, axis: int) -> FloatArray:
    """Edges of the strong field (LON_MIN, LAT_MAX…)."""
    found, which = regions(), which_region(rows)
    reach = (found.height if axis else found.width)[which] * (0.55 + 0.4 * found.growth(which, rows.time))
    return np.asarray((latitude if axis else meridian)(rows) + side * reach)


def _edge(rows: Rows, side: int, axis: int) -> FloatArray:
    """Edges of the patch (LONDTMIN, LATDTMAX…), which stay the same for a HARP's whole life."""
    found, which = regions(), which_region(rows)
    return np.asarray((latitude if axis else meridian)(rows) + side * (found.height if axis else found.width)[which])


def _weighted(rows: Rows, polarity: int, axis: int) -> FloatArray:
    """Flux-weighted centres (LON_FWTPO…): the leading polarity is further west."""
    found, which = regions(), which_region(rows)
    west = polarity * found.leading[which] * (0.4 * found.width[which])
    if axis == 0:
        return np.asarray(meridian(rows) + west)
    towards = -np.sign(found.latitude[which]) * np.tan(np.radians(found.tilt[which]))
    return np.asarray(latitude(rows) + west * towards)


def _slot_time(which: str) -> Value:
    """Time of the ``first`` or ``last`` slot of a HARP's life."""
    return lambda rows: np.asarray(EPOCH + STEP * getattr(regions(), which)[which_region(rows)])


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
    return regions().noaa[which_region(rows)]


def _first_noaa(rows: Rows) -> IntArray:
    return np.array([int(name.split(",")[0]) if name else 0 for name in _noaa(rows).tolist()], dtype=np.int64)


def _noaa_count(rows: Rows) -> IntArray:
    return np.array([name.count(",") + 1 if name else 0 for name in _noaa(rows).tolist()], dtype=np.int64)


def _size(rows: Rows) -> tuple[IntArray, IntArray]:
    """Columns and rows of each patch."""
    return patch_size(rows.spec.options["projection"], which_region(rows))


def _crpix(rows: Rows, axis: int) -> FloatArray:
    middle = (_size(rows)[axis - 1] + 1) / 2
    # the disk's centre in pixels of the cut-out, whose middle is the patch
    return middle if _cea(rows, True, False) else np.asarray(middle - ccd_offset(rows)[axis - 1])


def ccd_scale(rows: Rows) -> float:
    """CDELT1 of CCD images."""
    return MDI_SCALE / 4 if rows.spec.instrument == "mdi" else CCD_SCALE


def ccd_roll(rows: Rows) -> FloatArray:
    """CROTA2 of CCD images."""
    return (mdi_roll if rows.spec.instrument == "mdi" else crota)(rows.time)


def ccd_offset(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Columns and rows from the disk's centre to the patch's middle in CCD images, whole ones."""
    x, y = ccd_place(rows, meridian(rows), latitude(rows))
    return np.rint(x), np.rint(y)


def ccd_place(rows: Rows, away: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Columns and rows from the disk's centre to a point in CCD images, which stand as the camera does.

    Parameters
    ----------
    rows : Rows
        The records.
    away, north : ndarray
        Longitude of the point from the central meridian, and its latitude, degrees.
    """
    west, north, towards = directions(north, away, rows.view.latitude)
    turn = np.radians(ccd_roll(rows))
    scale = rows.view.radius / ccd_scale(rows) * nearer(towards, rows.view.radius)
    x, y = west * np.cos(turn) + north * np.sin(turn), north * np.cos(turn) - west * np.sin(turn)
    return scale * x, scale * y


def _cea(rows: Rows, cea: Any, ccd: Any) -> Any:
    return cea if rows.spec.options["projection"] == "cea" else ccd


def _by_projection(name: str) -> Value:
    return lambda rows: shared(f"harp_{rows.spec.options['projection']}")[name]


def _crval(rows: Rows, axis: int) -> Any:
    if not _cea(rows, True, False):
        return 0.0
    return latitude(rows) if axis == 2 else np.asarray((longitude(rows) + meridian(rows) + 180) % 360 - 180)


def _r_value(rows: Rows) -> FloatArray:
    value = 3.9 + 0.95 * np.log10(flux(rows) / 1e22) + 0.25 * (wander(rows, "r value", 0.5) - 1)
    return np.where(value < 2.0, 0.0, value)


#: All HARP series; what only SHARPs have, others do not ask for.
HARP: Final[dict[str, Value]] = (
    HMI
    | constants("harp")
    | {name: _by_projection(name) for name in shared("harp_cea")}
    | paired("crpix", _crpix)
    | paired("crval", _crval)
    | paired("cdelt", lambda rows, axis: _cea(rows, CEA_SCALE, ccd_scale(rows)))
    | paired("imcrpix", lambda rows, axis: (centre(rows.time, axis) - 0.5) * 16 + 0.5)
    | {
        f"{place}{end}": partial(value, side=side, axis=axis)
        for axis, name in enumerate(("lon", "lat"))
        for side, end in ((-1, "min"), (1, "max"))
        for place, value in ((f"{name}_", _corner), (f"{name}dt", _edge))
    }
    | _all("harp_levels", _level)
    | _all("harp_shares", _share)
    | {f"t_{name}{end}": _slot_time(what) for name, what in (("frst", "first"), ("last", "last")) for end in ("", "1")}
    | _all("harp_swings", _swing)
    | {
        "crota2": lambda rows: _cea(rows, 0.0, ccd_roll(rows)),
        "lat_fwt": latitude,
        "lon_fwt": meridian,
        "lat_fwtpo": partial(_weighted, polarity=1, axis=1),
        "lon_fwtp": partial(_weighted, polarity=1, axis=0),
        "lat_fwtne": partial(_weighted, polarity=-1, axis=1),
        "lon_fwtn": partial(_weighted, polarity=-1, axis=0),
        "omega_dt": lambda rows: 14.1844 - 0.9856 + regions().drift[which_region(rows)],
        "size": lambda rows: _foreshortened(rows, _patch_area(rows)),
        "area": _patch_area,
        "size_acr": lambda rows: _foreshortened(rows, active_area(rows)),
        "area_acr": active_area,
        "npix": lambda rows: np.rint(_foreshortened(rows, _patch_area(rows)) * 11.0),
        "nacr": lambda rows: np.rint(_foreshortened(rows, active_area(rows)) * 11.0),
        "noaa_ar": _first_noaa,
        "noaa_num": _noaa_count,
        "noaa_ars": _noaa,
        "n_patch": lambda rows: regions().count[which_region(rows)],
        "n_patch1": lambda rows: regions().count[which_region(rows)],
        "h_faint": lambda rows: (regions().flux[which_region(rows)] < 6e20).astype(np.int64),
        "camera": lambda rows: side_cameras(rows.time),
        "totvals": lambda rows: np.multiply(*_size(rows)),
        "datavals": lambda rows: np.multiply(*_size(rows)),
        "datamin": lambda rows: -300.0 - 1300.0 * (flux(rows) / 3e22) ** 0.4,
        "datamax": lambda rows: 320.0 + 1300.0 * (flux(rows) / 3e22) ** 0.4,
        "datamedn": lambda rows: 0.6 * (wander(rows, "datamedn", 1.0)),
        "usflux": flux,
        "r_value": _r_value,
        "gwill": lambda rows: np.full(len(rows), np.nan),
        "usfluxl": lambda rows: 0.44 * flux(rows),
        "cmask": lambda rows: np.rint(28.0 * active_area(rows) / 8),
        "cmaskl": lambda rows: np.rint(100.0 * active_area(rows) / 8),
        "mtot": lambda rows: flux(rows) / 5.6e15,
        "mnet": lambda rows: flux(rows) / 5.6e15 * 0.12 * (wander(rows, "mnet", 1.0) - 1),
        "mpos_tot": lambda rows: flux(rows) / 1.12e16 * wander(rows, "mpos", 0.03),
        "mneg_tot": lambda rows: flux(rows) / 1.12e16 * wander(rows, "mneg", 0.03),
    }
)

#: MDI's patches (TARPs).
TARP: Final[dict[str, Value]] = (
    HARP
    | {name: MDI[name] for name in ("t_obs", "date__obs", "cadence", "crln_obs")}
    | constants("tarp")
    | {"instrume": constant("MDI"), "camera": constant(1)}
)
