"""
Keyword values of the full-disk series of HMI and MDI, of what all instruments share, and of HARPs.

Each value is a function of `Rows`; a table maps lower-case keyword names to them. Image scale and centre are those of
the small images that `jsoclite.sandbox.sun` draws, so that the coordinates in a header fit its image.

HARPs have place and size of the patch, NOAA numbers, magnetic flux, and SHARPs' space-weather parameters. The
parameters keep the proportions of published headers (HARPs 377 and 11465) to the unsigned flux, which grows and decays
with the region; each also wanders by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from .ephemeris import DAY, directions, light_shift, moment, nearer
from .kinds import CCD_SCALE, CEA_SCALE, Patches, patch_size
from .noise import FloatArray, IntArray, smooth, uniform
from .regions import EPOCH, STEP, activity, regions
from .series import Rows, Value, constant, constants, side_cameras
from .spec import shared

#: Image scale of full-disk images, arcsec a pixel: the archive's 4096 pixels in 256 (MDI's 1024 in 256).
HMI_SCALE: Final = 0.50435674 * 16
MDI_SCALE: Final = 1.98600566 * 4
_TURNED: Final = moment("2014.05.01")
# until then averages were made of the side camera's frames, 135 s apart
_COMBINED: Final = moment("2016.04.13")
# since then CRLN_OBS is corrected, and bit 28 of CALVER64 says so
_CORRECTED: Final = moment("2024.01.01")
_PIXELS: Final = 256


def seen(rows: Rows, value: npt.ArrayLike) -> FloatArray:
    """`value` where there is an image, NaN elsewhere."""
    return np.where(rows.quality >= 0, np.asarray(value, dtype=np.float64), np.nan)


def counted(rows: Rows, value: npt.ArrayLike) -> IntArray:
    """Whole numbers where there is an image, the missing value elsewhere."""
    return np.where(rows.quality >= 0, np.asarray(value), -(2**31)).astype(np.int64)


def wanderers(group: str) -> dict[str, Value]:
    """
    Values of a group of ``data/series.json`` that wander.

    Its rows are a level, what the strength of the cycle adds, the size of the noise, its time in days, and its name.
    """

    def value(level: float, active: float, size: float, days: float, name: str) -> Value:
        return lambda rows: seen(
            rows, level + active * activity(rows.time) + size * smooth(rows.time, days * DAY, name)
        )

    return {keyword: value(*row) for keyword, row in shared(group).items()}


def paired(name: str, value: Callable[..., Any]) -> dict[str, Value]:
    """``NAME1`` and ``NAME2`` from the records and `axis`, 1 or 2."""
    return {f"{name}{axis}": partial(value, axis=axis) for axis in (1, 2)}


def quick(rows: Rows) -> bool:
    """Whether the series is made in near real time."""
    return rows.spec.name.endswith("_nrt")


def date(rows: Rows) -> FloatArray:
    """When a record was made: four days after the observation, an hour for quick-look, years for a second version."""
    if quick(rows):
        return np.floor(rows.time + 3600 + 1800 * rows.uniform("date"))
    return np.floor(rows.time + (4.2 + 0.6 * rows.uniform("date") + 700 * rows.version) * DAY)


def _made_before(rows: Rows, hours: int) -> FloatArray:
    return date(rows) - hours * 3600


def hmi_observed(rows: Rows) -> FloatArray:
    """T_OBS of HMI: the slot as it would be at one astronomical unit."""
    return np.asarray(rows.time + light_shift(rows.view.distance))


def crota(times: FloatArray) -> FloatArray:
    """CROTA2 of HMI, which stands upside down; the distortion model changed in 2014."""
    return np.where(times < _TURNED, 179.929, 180.0135) + 0.0005 * smooth(times, 20 * DAY, "roll")


def centre(times: FloatArray, axis: int) -> FloatArray:
    """CRPIX1 (axis 1) or CRPIX2 of HMI's full-disk images."""
    drift = 0.12 * smooth(times, 30 * DAY, f"centre {axis}") + 0.02 * np.sin(2 * np.pi * times / DAY)
    return np.asarray((127.8 if axis == 1 else 128.55) + drift)


def hmi_pointing(rows: Rows) -> tuple[FloatArray, FloatArray, FloatArray]:
    """CRPIX1, CRPIX2 and CROTA2 of HMI's full-disk images; those that exports have made stand upright."""
    x, y, roll = centre(rows.time, 1), centre(rows.time, 2), crota(rows.time)
    return (_PIXELS + 1 - x, _PIXELS + 1 - y, roll - 180) if rows.spec.options.get("upright") else (x, y, roll)


def on_disk(rows: Rows, scale: float) -> FloatArray:
    """Pixels on the disk."""
    return np.asarray(np.rint(np.pi * (rows.view.radius / scale) ** 2))


def _single(rows: Rows) -> npt.NDArray[np.bool_]:
    """Whether averages are of the side camera's frames alone."""
    return np.asarray(rows.time < _COMBINED)


def _camera_name(rows: Rows) -> Any:
    if rows.spec.options.get("camera") == "front":
        return "HMI_FRONT2"
    return np.where(_single(rows), "HMI_SIDE1", "HMI_COMBINED").astype(object)


def longitude(rows: Rows) -> FloatArray:
    """CRLN_OBS of HMI: what older images say is too large."""
    return rows.view.longitude - np.where(rows.time < _CORRECTED, 0.0, 0.0818941)


def _code(name: str, older: str) -> Value:
    """Version of a program: that of 2014 for what was made before averages were of both cameras."""
    return lambda rows: np.where(_single(rows), older, shared("all")[name]).astype(object)


class _Brightness(NamedTuple):
    """Typical mean and spread of an image, and its least and greatest value against the mean."""

    mean: float
    spread: float
    least: float
    greatest: float


_BRIGHTNESS: Final = {product: _Brightness(*row) for product, row in shared("brightness").items()}


def _product(rows: Rows) -> str:
    return str(rows.spec.options.get("product", "M"))


def _mean(rows: Rows) -> FloatArray:
    product, wander = _product(rows), smooth(rows.time, 7200.0, rows.spec.name)
    if product == "V":
        return seen(rows, rows.view.radial + 6 * wander)
    if product not in _BRIGHTNESS:
        return seen(rows, 0.4 * wander)
    nearer = (1.496e11 / rows.view.distance) ** 2 if product in ("Ic", "S") else 1.0
    return seen(rows, _BRIGHTNESS[product].mean * nearer * (1 + 0.002 * wander))


def _deviation(rows: Rows) -> FloatArray:
    product = _product(rows)
    spread = np.full(len(rows), 950.0) if product == "V" else 14.0 + 26.0 * activity(rows.time)
    if product in _BRIGHTNESS:
        spread = np.full(len(rows), _BRIGHTNESS[product].spread)
    return seen(rows, spread * (1 + 0.03 * smooth(rows.time, 5 * DAY, "deviation")))


def _extreme(rows: Rows, sign: int) -> FloatArray:
    """Least (`sign` -1) or greatest (1) value."""
    product, wander = _product(rows), 1 + 0.03 * smooth(rows.time, 3 * DAY, f"extreme {sign}")
    if product == "V":
        return seen(rows, _mean(rows) + sign * 2.6 * _deviation(rows) * wander)
    if product in _BRIGHTNESS:
        reach = _BRIGHTNESS[product]
        return seen(rows, _mean(rows) * (reach.greatest if sign > 0 else reach.least) * wander)
    return seen(rows, sign * (700 + 1300 * activity(rows.time)) * wander)


def _cadence(rows: Rows) -> float:
    return float(rows.spec.slot["step"])


#: What follows from where the Sun is seen from.
OBSERVER: Final[dict[str, Value]] = constants("observer") | {
    **{name: attrgetter(f"view.{what}") for name, what in shared("views").items()},
    "date": date,
    "missvals": lambda rows: counted(rows, 0),
}

#: Full-disk series of HMI.
HMI: Final[dict[str, Value]] = (
    OBSERVER
    | constants("hmi")
    | wanderers("hmi_wanderers")
    | paired("crpix", lambda rows, axis: rows.once(hmi_pointing)[axis - 1])
    | paired("cdelt", lambda rows, axis: HMI_SCALE)
    | {
        "t_obs": hmi_observed,
        # half a cadence before T_OBS; that of the frames of averages was 135 s, then 90 s
        "date__obs": lambda rows: (
            hmi_observed(rows) - (22.5 if _cadence(rows) == 45 else np.where(_single(rows), 67.5, 45.012))
        ),
        **{name: _code(name, text) for name, text in shared("hmi_2014").items()},
        **{
            f"date_{step}": partial(_made_before, hours=hours)
            for step, hours in (("s", 3), ("me", 2), ("m", 2), ("b", 1))
        },
        "instrume": _camera_name,
        "camera": lambda rows: side_cameras(rows.time),
        "content": lambda rows: rows.spec.options.get("content", "HMI observable"),
        "quallev1": lambda rows: counted(rows, rows.quality & 0x400),
        **dict.fromkeys(("qual_s", "qual_me"), lambda rows: counted(rows, 0)),
        "bld_vers": lambda rows: np.where(rows.time < _TURNED, "V8R5X", "V9R5X").astype(object),
        "hcamid": lambda rows: 3 if rows.spec.options.get("camera") == "front" else 2,
        "source": lambda rows: np.array([f"hmi.lev1[:#{158263685 + 32 * n}]" for n in rows.index], dtype=object),
        "totvals": lambda rows: counted(rows, _PIXELS**2),
        "datavals": lambda rows: counted(rows, on_disk(rows, HMI_SCALE)),
        "missvals": lambda rows: counted(rows, _PIXELS**2 - on_disk(rows, HMI_SCALE)),
        "satvals": lambda rows: counted(rows, 3 + 20 * rows.uniform("saturated")),
        "datamin": lambda rows: _extreme(rows, -1),
        "datamax": lambda rows: _extreme(rows, 1),
        **dict.fromkeys(("datamean", "datamea2"), _mean),
        "datamedn": lambda rows: seen(rows, _mean(rows) * 0.98),
        "datarms": _deviation,
        "datamin2": lambda rows: _extreme(rows, -1) * 0.9,
        "datamax2": lambda rows: _extreme(rows, 1) * 0.9,
        "datamed2": lambda rows: seen(rows, _mean(rows) * 0.99),
        "datarms2": lambda rows: _deviation(rows) * 0.95,
        "crota2": lambda rows: rows.once(hmi_pointing)[2],
        "cadence": _cadence,
        "calver64": lambda rows: (
            np.where(rows.time < _TURNED, 0x1112, 0x42012) + (0x1000 if quick(rows) else 0)
            | np.where(rows.time < _CORRECTED, 0, 1 << 28)
        ),
        "crln_obs": longitude,
        "qlook": lambda rows: int(quick(rows)),
        "cal_fsn": lambda rows: 65714753 + np.floor((rows.time - moment("2014.03.01")) / DAY).astype(np.int64) * 23040,
        "tfront": lambda rows: (
            34.1 + 0.4 * np.sin(2 * np.pi * rows.time / DAY) + 0.2 * smooth(rows.time, 9 * DAY, "front")
        ),
        "tintnum": lambda rows: 72 if _cadence(rows) == 45 else np.where(_single(rows), 360, 672),
    }
)


def _mdi_level(rows: Rows) -> FloatArray:
    product = rows.spec.options["product"]
    wander = smooth(rows.time, 7200.0, rows.spec.name)
    if product == "V":
        return seen(rows, rows.view.radial + 8 * wander)
    return seen(rows, 9800 * (1 + 0.002 * wander) if product == "Ic" else -0.1 + 0.3 * wander)


def mdi_centre(times: FloatArray, axis: int) -> FloatArray:
    """CRPIX1 (axis 1) or CRPIX2 of MDI's images."""
    return np.asarray((128.4 if axis == 1 else 128.1) + 0.15 * smooth(times, 40 * DAY, f"mdi centre {axis}"))


def mdi_roll(times: FloatArray) -> FloatArray:
    """CROTA2 of MDI: since July 2003 SOHO turns over every three months."""
    quarter = np.floor((times - moment("2003.07.08")) / (91.3 * DAY)).astype(np.int64)
    return np.where((quarter >= 0) & (quarter % 2 == 0), 180.0, 0.0)


#: Full-disk series of MDI.
MDI: Final[dict[str, Value]] = (
    OBSERVER
    | constants("mdi")
    | wanderers("mdi_wanderers")
    | paired("crpix", lambda rows, axis: mdi_centre(rows.time, axis))
    | paired("cdelt", lambda rows, axis: MDI_SCALE)
    | {
        "t_obs": lambda rows: rows.time + (210 if _cadence(rows) > 100 else 0) + light_shift(rows.view.distance),
        "date__obs": lambda rows: rows.time + light_shift(rows.view.distance) - 15.0,
        "dpc_obsr": lambda rows: {"M": "FD_Magnetogram_Sum", "V": "FD_Doppler", "Ic": "FD_Continuum"}[
            rows.spec.options["product"]
        ],
        "x0": lambda rows: mdi_centre(rows.time, 1) - 1,
        "y0": lambda rows: mdi_centre(rows.time, 2) - 1,
        "crota2": lambda rows: mdi_roll(rows.time),
        "r_sun": lambda rows: rows.view.radius / MDI_SCALE,
        "obs_l0": lambda rows: rows.view.longitude,
        "obs_b0": lambda rows: rows.view.latitude,
        "earth_dt": lambda rows: 0.01 * rows.view.distance / 299792458.0,
        "datavals": lambda rows: counted(rows, on_disk(rows, MDI_SCALE)),
        **dict.fromkeys(("datamean", "datamedn", "mean_fld"), _mdi_level),
        "datamin": lambda rows: seen(rows, _mdi_level(rows) - (600 + 1400 * activity(rows.time))),
        "datamax": lambda rows: seen(rows, _mdi_level(rows) + (600 + 1400 * activity(rows.time))),
        "cadence": _cadence,
        "bunit": lambda rows: {"M": "Gauss", "V": "m/s", "Ic": "DN"}[rows.spec.options["product"]],
        "content": lambda rows: rows.spec.options["note"],
        "runtime": lambda rows: date(rows) - 3600,
        "tblxyupd": lambda rows: date(rows) - 3 * DAY,
    }
)


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


def _noaa_numbers(rows: Rows, count: Callable[[str], int]) -> IntArray:
    return np.array([count(name) if name else 0 for name in _noaa(rows).tolist()], dtype=np.int64)


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


def _polarity(rows: Rows, name: str) -> FloatArray:
    return flux(rows) / 1.12e16 * wander(rows, name, 0.03)


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
        **{f"lat_fwt{sign}": partial(_weighted, polarity=one, axis=1) for sign, one in (("po", 1), ("ne", -1))},
        **{f"lon_fwt{sign}": partial(_weighted, polarity=one, axis=0) for sign, one in (("p", 1), ("n", -1))},
        "omega_dt": lambda rows: 14.1844 - 0.9856 + regions().drift[which_region(rows)],
        "size": lambda rows: _foreshortened(rows, _patch_area(rows)),
        "area": _patch_area,
        "size_acr": lambda rows: _foreshortened(rows, active_area(rows)),
        "area_acr": active_area,
        "npix": lambda rows: np.rint(_foreshortened(rows, _patch_area(rows)) * 11.0),
        "nacr": lambda rows: np.rint(_foreshortened(rows, active_area(rows)) * 11.0),
        "noaa_ar": partial(_noaa_numbers, count=lambda name: int(name.split(",")[0])),
        "noaa_num": partial(_noaa_numbers, count=lambda name: name.count(",") + 1),
        "noaa_ars": _noaa,
        **dict.fromkeys(("n_patch", "n_patch1"), lambda rows: regions().count[which_region(rows)]),
        "h_faint": lambda rows: (regions().flux[which_region(rows)] < 6e20).astype(np.int64),
        "camera": lambda rows: side_cameras(rows.time),
        **dict.fromkeys(("totvals", "datavals"), lambda rows: np.multiply(*_size(rows))),
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
        **{f"{name}_tot": partial(_polarity, name=name) for name in ("mpos", "mneg")},
    }
)

#: MDI's patches (TARPs).
TARP: Final[dict[str, Value]] = (
    HARP
    | {name: MDI[name] for name in ("t_obs", "date__obs", "cadence", "crln_obs")}
    | constants("tarp")
    | {"instrume": constant("MDI"), "camera": constant(1)}
)
