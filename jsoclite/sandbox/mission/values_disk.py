"""
Keyword values of the full-disk series of HMI and MDI, and of what all instruments share.

Each value is a function of `Rows`; a table maps lower-case keyword names to them. Image scale and centre are those of
the small images that `jsoclite.sandbox.sun` draws, so that the coordinates in a header fit its image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .availability import moment
from .ephemeris import DAY, light_shift
from .noise import FloatArray, IntArray, smooth
from .regions import activity
from .series import Rows, Value, constants
from .slots import side_cameras
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


_BRIGHTNESS: Final = {
    "Ic": _Brightness(49000.0, 8900.0, 0.16, 1.32),
    "IcN": _Brightness(0.985, 0.01, 0.17, 1.04),
    "Lw": _Brightness(145.0, 5.4, 0.92, 1.47),
    "S": _Brightness(30000.0, 7000.0, 0.1, 1.9),
}


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
    "dsun_obs": lambda rows: rows.view.distance,
    "rsun_obs": lambda rows: rows.view.radius,
    "crln_obs": lambda rows: rows.view.longitude,
    "crlt_obs": lambda rows: rows.view.latitude,
    "car_rot": lambda rows: rows.view.rotation,
    "obs_vr": lambda rows: rows.view.radial,
    "obs_vw": lambda rows: rows.view.westward,
    "obs_vn": lambda rows: rows.view.northward,
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
        "date_s": lambda rows: date(rows) - 3 * 3600,
        "date_me": lambda rows: date(rows) - 2 * 3600,
        "date_m": lambda rows: date(rows) - 2 * 3600,
        "date_b": lambda rows: date(rows) - 3600,
        "instrume": _camera_name,
        "camera": lambda rows: side_cameras(rows.time),
        "content": lambda rows: rows.spec.options.get("content", "HMI observable"),
        "quallev1": lambda rows: counted(rows, rows.quality & 0x400),
        "qual_s": lambda rows: counted(rows, 0),
        "qual_me": lambda rows: counted(rows, 0),
        "bld_vers": lambda rows: np.where(rows.time < _TURNED, "V8R5X", "V9R5X").astype(object),
        "hcamid": lambda rows: 3 if rows.spec.options.get("camera") == "front" else 2,
        "source": lambda rows: np.array([f"hmi.lev1[:#{158263685 + 32 * n}]" for n in rows.index], dtype=object),
        "totvals": lambda rows: counted(rows, _PIXELS**2),
        "datavals": lambda rows: counted(rows, on_disk(rows, HMI_SCALE)),
        "missvals": lambda rows: counted(rows, _PIXELS**2 - on_disk(rows, HMI_SCALE)),
        "satvals": lambda rows: counted(rows, 3 + 20 * rows.uniform("saturated")),
        "datamin": lambda rows: _extreme(rows, -1),
        "datamax": lambda rows: _extreme(rows, 1),
        "datamean": _mean,
        "datamedn": lambda rows: seen(rows, _mean(rows) * 0.98),
        "datarms": _deviation,
        "datamin2": lambda rows: _extreme(rows, -1) * 0.9,
        "datamax2": lambda rows: _extreme(rows, 1) * 0.9,
        "datamed2": lambda rows: seen(rows, _mean(rows) * 0.99),
        "datamea2": _mean,
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
        "datamean": _mdi_level,
        "datamedn": _mdi_level,
        "datamin": lambda rows: seen(rows, _mdi_level(rows) - (600 + 1400 * activity(rows.time))),
        "datamax": lambda rows: seen(rows, _mdi_level(rows) + (600 + 1400 * activity(rows.time))),
        "cadence": _cadence,
        "bunit": lambda rows: {"M": "Gauss", "V": "m/s", "Ic": "DN"}[rows.spec.options["product"]],
        "content": lambda rows: rows.spec.options["note"],
        "runtime": lambda rows: date(rows) - 3600,
        "mean_fld": _mdi_level,
        "tblxyupd": lambda rows: date(rows) - 3 * DAY,
    }
)
