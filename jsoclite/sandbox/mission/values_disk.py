"""
Keyword values of the full-disk series of HMI and MDI, and of what all instruments share.

Each value is a function of `Rows`; a table maps lower-case keyword names to them. Image scale and centre are those of
the small images that `jsoclite.sandbox.images` draws, so that the coordinates in a header fit its image.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .availability import DAY, moment
from .ephemeris import RSUN, light_shift
from .harps import activity
from .noise import smooth
from .rows import FloatArray, Rows, Value
from .slots import COMBINED

#: Image scale of full-disk images, arcsec a pixel: the archive's 4096 pixels in 256 (MDI's 1024 in 256).
HMI_SCALE: Final = 0.50435674 * 16
MDI_SCALE: Final = 1.98600566 * 4
#: TAI - UTC grew by a second at the end of each of these days.
_LEAPS: Final = tuple(moment(day) for day in ("1997.07.01", "1999.01.01", "2006.01.01", "2009.01.01", "2012.07.01"))
_TURNED: Final = moment("2014.05.01")
_PIXELS: Final = 256


def seen(rows: Rows, value: npt.ArrayLike) -> FloatArray:
    """`value` where there is an image, NaN elsewhere."""
    return np.where(rows.quality >= 0, np.asarray(value, dtype=np.float64), np.nan)


def counted(rows: Rows, value: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Whole numbers where there is an image, the missing value elsewhere."""
    return np.where(rows.quality >= 0, np.asarray(value), -(2**31)).astype(np.int64)


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


def hmi_begun(rows: Rows) -> FloatArray:
    """DATE__OBS of HMI: half a 45-second cadence before T_OBS, or 45 s for the averages."""
    return hmi_observed(rows) - (22.5 if rows.spec.slot["step"] == 45 else 45.012)


def crota(times: FloatArray) -> FloatArray:
    """CROTA2 of HMI, which stands upside down; the distortion model changed in 2014."""
    return np.where(times < _TURNED, 179.929, 180.0135) + 0.0005 * smooth(times, 20 * DAY, "roll")


def centre(times: FloatArray, axis: int) -> FloatArray:
    """CRPIX1 (axis 1) or CRPIX2 of HMI's full-disk images."""
    drift = 0.12 * smooth(times, 30 * DAY, f"centre {axis}") + 0.02 * np.sin(2 * np.pi * times / DAY)
    return np.asarray((127.8 if axis == 1 else 128.55) + drift)


def on_disk(rows: Rows, scale: float) -> FloatArray:
    """Pixels on the disk."""
    return np.asarray(np.rint(np.pi * (rows.view.radius / scale) ** 2))


def _camera_name(rows: Rows) -> Any:
    if rows.spec.options.get("camera") == "front":
        return "HMI_FRONT2"
    return np.where(_camera(rows) == 3, "HMI_COMBINED", "HMI_SIDE1").astype(object)


def _camera(rows: Rows) -> Any:
    return np.where(rows.time < COMBINED, 1, 3)


def _mean(rows: Rows) -> FloatArray:
    product = rows.spec.options.get("product", "M")
    wander = smooth(rows.time, 7200.0, rows.spec.name)
    if product == "V":
        return seen(rows, rows.view.radial + 6 * wander)
    level = {"Ic": 49000.0, "IcN": 0.985, "Ld": 21000.0, "Lw": 145.0, "S": 30000.0}.get(product)
    if level is None:
        return seen(rows, 0.4 * wander)
    nearer = (1.496e11 / rows.view.distance) ** 2 if product in ("Ic", "Ld", "S") else 1.0
    return seen(rows, level * nearer * (1 + 0.002 * wander))


def _deviation(rows: Rows) -> FloatArray:
    product = rows.spec.options.get("product", "M")
    busy = activity(rows.time)
    size = {"V": 950.0, "Ic": 8900.0, "IcN": 0.01, "Ld": 3800.0, "Lw": 5.4, "S": 7000.0}.get(product)
    spread = 14.0 + 26.0 * busy if size is None else np.full(len(rows), size)
    return seen(rows, spread * (1 + 0.03 * smooth(rows.time, 5 * DAY, "deviation")))


# Least and greatest value against the mean.
_REACH: Final = {"Ic": (0.16, 1.32), "IcN": (0.17, 1.04), "Ld": (0.15, 1.38), "Lw": (0.92, 1.47), "S": (0.1, 1.9)}


def _extreme(sign: int) -> Value:
    def value(rows: Rows) -> FloatArray:
        product = rows.spec.options.get("product", "M")
        wander = 1 + 0.03 * smooth(rows.time, 3 * DAY, f"extreme {sign}")
        if product == "V":
            return seen(rows, _mean(rows) + sign * 2.6 * _deviation(rows) * wander)
        if product in _REACH:
            return seen(rows, _mean(rows) * _REACH[product][sign > 0] * wander)
        return seen(rows, sign * (700 + 1300 * activity(rows.time)) * wander)

    return value


def constant(value: Any) -> Value:
    """A value that all records share."""
    return lambda rows: value


#: What follows from where the Sun is seen from.
OBSERVER: Final[dict[str, Value]] = {
    "dsun_obs": lambda rows: rows.view.distance,
    "rsun_obs": lambda rows: rows.view.radius,
    "crln_obs": lambda rows: rows.view.longitude,
    "crlt_obs": lambda rows: rows.view.latitude,
    "car_rot": lambda rows: rows.view.rotation,
    "obs_vr": lambda rows: rows.view.radial,
    "obs_vw": lambda rows: rows.view.westward,
    "obs_vn": lambda rows: rows.view.northward,
    "crval1": constant(0.0),
    "crval2": constant(0.0),
    "date": date,
    "missvals": lambda rows: counted(rows, 0),
}

_HISTORY: Final = (
    "Polynomial Coefficients used for Doppler velocity correction: "
    "1.003989e+02 4.742091e-03 -2.193227e-06 -6.387018e-10"
)
_COMMENT: Final = (
    "De-rotation: ON; Un-distortion: ON; Re-centering: ON; Re-sizing: OFF; correction for cosmic-ray hits; "
    "linearity=1 with coefficients updated on 2014/01/15; smooth=1; propagate eclipse bit from level 1; "
    "use of larger crop radius look-up tables"
)

#: Full-disk series of HMI.
HMI: Final[dict[str, Value]] = OBSERVER | {
    "t_obs": hmi_observed,
    "date__obs": hmi_begun,
    "date_s": lambda rows: date(rows) - 3 * 3600,
    "date_me": lambda rows: date(rows) - 2 * 3600,
    "date_m": lambda rows: date(rows) - 2 * 3600,
    "date_b": lambda rows: date(rows) - 3600,
    "instrume": _camera_name,
    "camera": _camera,
    "content": lambda rows: rows.spec.options.get("content", "HMI observable"),
    "quallev1": lambda rows: np.where(rows.quality < 0, -(2**31), rows.quality & 0x400),
    "qual_s": lambda rows: np.where(rows.quality < 0, -(2**31), 0),
    "qual_me": lambda rows: np.where(rows.quality < 0, -(2**31), 0),
    "bld_vers": lambda rows: np.where(rows.time < _TURNED, "V8R5X", "V9R5X").astype(object),
    "history": constant(_HISTORY),
    "comment": constant(_COMMENT),
    "hcamid": lambda rows: 3 if rows.spec.options.get("camera") == "front" else 2,
    "source": lambda rows: np.array([f"hmi.lev1[:#{158263685 + 32 * n}]" for n in rows.index.tolist()], dtype=object),
    "totvals": lambda rows: counted(rows, _PIXELS**2),
    "datavals": lambda rows: counted(rows, on_disk(rows, HMI_SCALE)),
    "missvals": lambda rows: counted(rows, _PIXELS**2 - on_disk(rows, HMI_SCALE)),
    "satvals": lambda rows: counted(rows, 3 + 20 * rows.uniform("saturated")),
    "datamin": _extreme(-1),
    "datamax": _extreme(1),
    "datamean": _mean,
    "datamedn": lambda rows: seen(rows, _mean(rows) * 0.98),
    "datarms": _deviation,
    "dataskew": lambda rows: seen(rows, -0.1 + 0.05 * smooth(rows.time, 2 * DAY, "skew")),
    "datakurt": lambda rows: seen(rows, 40.0 + 60.0 * activity(rows.time)),
    "datamin2": lambda rows: _extreme(-1)(rows) * 0.9,
    "datamax2": lambda rows: _extreme(1)(rows) * 0.9,
    "datamed2": lambda rows: seen(rows, _mean(rows) * 0.99),
    "datamea2": _mean,
    "datarms2": lambda rows: _deviation(rows) * 0.95,
    "dataske2": lambda rows: seen(rows, -0.08),
    "datakur2": lambda rows: seen(rows, 38.0),
    "crpix1": lambda rows: centre(rows.time, 1),
    "crpix2": lambda rows: centre(rows.time, 2),
    "cdelt1": constant(HMI_SCALE),
    "cdelt2": constant(HMI_SCALE),
    "crota2": lambda rows: crota(rows.time),
    "cadence": lambda rows: float(rows.spec.slot["step"]),
    "datasign": constant(1),
    "calver64": lambda rows: np.where(rows.time < _TURNED, 0x1112, 0x270610) + (0x1000 if quick(rows) else 0),
    "qlook": lambda rows: int(quick(rows)),
    "cal_fsn": lambda rows: 65714753 + np.floor((rows.time - moment("2014.03.01")) / DAY).astype(np.int64) * 23040,
    "lutquery": constant("hmi.lookup_corrected_expanded[65714753][][3][37][51][0][80][6]"),
    "tsel": lambda rows: 22.76 + 0.02 * smooth(rows.time, DAY, "tsel"),
    "tfront": lambda rows: 34.1 + 0.4 * np.sin(2 * np.pi * rows.time / DAY) + 0.2 * smooth(rows.time, 9 * DAY, "front"),
    "tintnum": lambda rows: 72 if rows.spec.slot["step"] == 45 else 672,
    "odicoeff": constant(6),
    "orocoeff": constant(4),
    "invcodev": constant("vfisvcombine FD10 2013 Apr. 30; uses time-dependent HMI filter phase maps"),
    "ambcodev": constant("disambig_v3 2013 Dec 06"),
}


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
MDI: Final[dict[str, Value]] = OBSERVER | {
    "t_obs": lambda rows: rows.time + (210 if rows.spec.slot["step"] > 100 else 0) + light_shift(rows.view.distance),
    "date__obs": lambda rows: rows.time + light_shift(rows.view.distance) - 15.0,
    "dpc_obsr": lambda rows: {"M": "FD_Magnetogram_Sum", "V": "FD_Doppler", "Ic": "FD_Continuum"}[
        rows.spec.options["product"]
    ],
    "crpix1": lambda rows: mdi_centre(rows.time, 1),
    "crpix2": lambda rows: mdi_centre(rows.time, 2),
    "x0": lambda rows: mdi_centre(rows.time, 1) - 1,
    "y0": lambda rows: mdi_centre(rows.time, 2) - 1,
    "cdelt1": constant(MDI_SCALE),
    "cdelt2": constant(MDI_SCALE),
    "crota2": lambda rows: mdi_roll(rows.time),
    "r_sun": lambda rows: rows.view.radius / MDI_SCALE,
    "obs_l0": lambda rows: rows.view.longitude,
    "obs_b0": lambda rows: rows.view.latitude,
    "earth_dt": lambda rows: 0.01 * rows.view.distance / 299792458.0,
    "datavals": lambda rows: counted(rows, on_disk(rows, MDI_SCALE)),
    "missvals": lambda rows: counted(rows, 0),
    "datamean": _mdi_level,
    "datamedn": _mdi_level,
    "datamin": lambda rows: seen(rows, _mdi_level(rows) - (600 + 1400 * activity(rows.time))),
    "datamax": lambda rows: seen(rows, _mdi_level(rows) + (600 + 1400 * activity(rows.time))),
    "datarms": lambda rows: seen(rows, 13 + 22 * activity(rows.time)),
    "dataskew": lambda rows: seen(rows, smooth(rows.time, 3 * DAY, "mdi skew")),
    "datakurt": lambda rows: seen(rows, 60 + 60 * activity(rows.time)),
    "cadence": lambda rows: float(rows.spec.slot["step"]),
    "bunit": lambda rows: {"M": "Gauss", "V": "m/s", "Ic": "DN"}[rows.spec.options["product"]],
    "wavelnth": constant(6768),
    "camera": constant("MDI"),
    "content": lambda rows: rows.spec.options["note"],
    "runtime": lambda rows: date(rows) - 3600,
    "tot_flux": lambda rows: seen(rows, 5.0e6 + 2.5e7 * activity(rows.time)),
    "avg_flux": lambda rows: seen(rows, 7.0 + 24.0 * activity(rows.time)),
    "mean_fld": _mdi_level,
    "origin": constant("SOI Science Support Center"),
    "rsun_ref": constant(RSUN),
    "wcsname": constant("Helioprojective-cartesian"),
    "ctype1": constant("HPLN-TAN"),
    "ctype2": constant("HPLT-TAN"),
    "cunit1": constant("arcsec"),
    "cunit2": constant("arcsec"),
    "bld_vers": constant("V6R1X"),
    "tblxyupd": lambda rows: date(rows) - 3 * DAY,
}
