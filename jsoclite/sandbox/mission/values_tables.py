"""
Keyword values of tables, pointing, housekeeping, IRIS, charts, mean fields and p modes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from .availability import END, moment
from .ephemeris import DAY, rotation_start, view
from .noise import BoolArray, FloatArray, IntArray, smooth
from .regions import activity, polar_field
from .series import Rows, Value, constant, constants
from .spec import shared
from .values_aia import CHANNEL, ROLL, by_channel, master_centre
from .values_disk import OBSERVER, hmi_observed, paired, quick, wanderers


def _version(rows: Rows) -> IntArray:
    return np.asarray(1 + rows.version)


def _response_wave(rows: Rows) -> IntArray:
    return np.array([int(text.removesuffix("_THIN")) for text in rows.prime("wave_str").tolist()], dtype=np.int64)


def _area(rows: Rows) -> FloatArray:
    table = {94: 0.31, 131: 1.17, 171: 2.42, 193: 2.15, 211: 1.16, 304: 0.11, 335: 0.10, 1600: 0.05, 1700: 0.04}
    waves = _response_wave(rows)
    start = by_channel(waves, lambda wave: table.get(wave, 0.03))
    loss = by_channel(waves, lambda wave: CHANNEL[wave].loss)
    return np.asarray(start * np.exp(-loss * (rows.time - moment("2010.05.13")) / (365.25 * DAY)))


#: aia.response and aia.flatfield.
AIA_TABLES: Final[dict[str, Value]] = constants("aia_tables") | {
    "date": lambda rows: np.floor(rows.time + (60 + 400 * rows.version) * DAY),
    "t_stop": lambda rows: np.minimum(rows.time + 400 * DAY, END + 365 * DAY),
    "ver_num": lambda rows: 9 + rows.version,
    "wavelnth": _response_wave,
    "eff_wvln": _response_wave,
    "eff_area": _area,
    "dnperpht": lambda rows: 12398.4 / _response_wave(rows) / 3.65 / 17.7,
    "effa_p1": lambda rows: -1e-4 * np.ones(len(rows)),
    "flatfield_version": _version,
    "camera": lambda rows: by_channel(_response_wave(rows), lambda wave: CHANNEL[wave].telescope),
    "instrume": lambda rows: by_channel(_response_wave(rows), lambda wave: f"AIA_{CHANNEL[wave].telescope}"),
}


def _centre(rows: Rows, wave: int, axis: int) -> FloatArray:
    return master_centre(rows.time, np.full(len(rows), wave), axis)


def _pointing(wave: int) -> dict[str, Value]:
    start = f"a_{wave:03d}_"
    return {
        start + "x0": partial(_centre, wave=wave, axis=1),
        start + "y0": partial(_centre, wave=wave, axis=2),
        start + "imscale": constant(CHANNEL[wave].scale),
        start + "instrot": constant(ROLL),
    }


#: aia.master_pointing3h.
POINTING: Final[dict[str, Value]] = {
    "t_stop": lambda rows: rows.time + 10800.0,
    "version": _version,
    "date": lambda rows: np.floor(rows.time + (8 + 365 * rows.version) * DAY),
} | {name: value for wave in CHANNEL for name, value in _pointing(wave).items()}


def _temperature(rows: Rows, part: str, level: float) -> FloatArray:
    return level + 0.4 * np.sin(2 * np.pi * rows.time / DAY) + 0.5 * smooth(rows.time, 6 * DAY, "T" + part)


_PARTS: Final = (("CCD1", -69.6), ("CCD2", -70.3), ("FPA", 16.6), ("MIR", 34.7), ("OPT", 20.1), ("STR", 18.3))
#: Housekeeping temperatures.
HOUSEKEEPING: Final = (
    constants("housekeeping")
    | {"date": lambda rows: np.floor(rows.time + 2 * DAY)}
    | {
        f"t_{part}_{kind}".lower(): partial(_temperature, part=part, level=level + shift)
        for part, level in _PARTS
        for kind, shift in (("mean", 0.0), ("min", -0.11), ("max", 0.12))
    }
)


def _by_camera(far: Any, near: Any, jaw: Any) -> Value:
    """Values of IRIS's far and near ultraviolet spectra and of its slit-jaw images."""
    column = np.array((far, near, jaw), dtype=object if isinstance(far, str) else None)
    return lambda rows: column[rows.index % 3]


#: iris.lev1.
IRIS: Final[dict[str, Value]] = (
    constants("iris")
    | wanderers("iris_wanderers")
    | {
        "date": lambda rows: np.floor(rows.time + 3.9 * DAY),
        "date__obs": lambda rows: rows.time - 1.0,
        **{name: _by_camera(*row) for name, row in shared("iris_cameras").items()},
        "quality": lambda rows: rows.quality,
    }
)


def _chart_times(rows: Rows) -> tuple[FloatArray, FloatArray]:
    if rows.spec.kind == "synoptic":
        rotation = rows.prime("car_rot")
        return rotation_start(rotation), rotation_start(rotation + 1)
    return rows.time - 13.6 * DAY, rows.time + 13.6 * DAY


def _chart_rotation(rows: Rows) -> IntArray:
    return np.asarray(rows.prime("car_rot") if rows.spec.kind == "synoptic" else rows.view.rotation)


def _chart_longitude(rows: Rows) -> FloatArray:
    """Carrington time (degrees) at the middle of a chart."""
    if rows.spec.kind == "synoptic":
        return np.asarray(360.0 * (rows.prime("car_rot") - 0.5))
    return np.asarray(360.0 * (rows.view.rotation - rows.view.longitude / 360.0) + 120.0)


def _step(rows: Rows) -> float:
    return 360.0 / rows.shape[1]


class Strips(NamedTuple):
    """
    The strips that charts are made of.

    Attributes
    ----------
    edges : ndarray of int64
        Columns at which they begin and end.
    times : ndarray, shape (n, strips)
        When each was at the meridian.
    gaps : ndarray of bool, shape (n, strips, rows)
        Which rows cannot be seen: the pole that is turned away, unless filled.
    """

    edges: IntArray
    times: FloatArray
    gaps: BoolArray


def chart_strips(rows: Rows) -> Strips:
    """The strips of each record's chart."""
    lines, columns = rows.shape
    edges = np.arange(10) * columns // 9
    # the left edge, longitude 0, was seen last
    away = 180.0 - (edges[:-1] + edges[1:]) / 2 * _step(rows)
    times = rows.time[:, None] + away / 13.2 * DAY
    latitude = np.degrees(np.arcsin((np.arange(lines) + 0.5) * (2.0 / lines) - 1))
    tilt = view(times.ravel(), "earth").latitude.reshape(times.shape)
    filled = "polfil" in rows.spec.name
    return Strips(edges, times, (np.abs(latitude - tilt[:, :, None]) > 86.0) & (not filled))


def _missing(rows: Rows) -> IntArray:
    strips = chart_strips(rows)
    return np.asarray(strips.gaps.sum(axis=2) @ np.diff(strips.edges))


def _by_instrument(hmi: Any, mdi: Any) -> Value:
    return lambda rows: hmi if rows.spec.instrument == "hmi" else mdi


#: Synoptic charts by rotation and by day.
CHARTS: Final[dict[str, Value]] = (
    constants("charts")
    | wanderers("chart_wanderers")
    | paired("crpix", lambda rows, axis: (rows.shape[2 - axis] + 1) / 2)
    | {
        "t_obs": lambda rows: rows.time,
        "t_start": lambda rows: _chart_times(rows)[0],
        "t_stop": lambda rows: _chart_times(rows)[1],
        "t_rot": lambda rows: rows.time,
        "img_frst": lambda rows: np.floor(_chart_times(rows)[0] / 720) * 720,
        "img_last": lambda rows: np.floor(_chart_times(rows)[1] / 720) * 720,
        "img_rot": lambda rows: np.floor(rows.time / 720) * 720,
        "date": lambda rows: np.floor(_chart_times(rows)[1] + (0.1 if quick(rows) else 6) * DAY),
        "car_rot": _chart_rotation,
        "carrtime": _chart_longitude,
        "cunit1": lambda rows: "degree" if "b_synoptic" in rows.spec.name else "Degree",
        "telescop": _by_instrument("SDO/HMI", "SOHO"),
        "instrume": _by_instrument("HMI_SIDE1", "MDI"),
        "wavelnth": _by_instrument(6173.0, 6768.0),
        "earth_b0": lambda rows: view(rows.time, "earth").latitude,
        "t_earth": lambda rows: rows.time,
        "crval1": _chart_longitude,
        "cdelt1": lambda rows: -_step(rows),
        "cdelt2": lambda rows: 2.0 / rows.shape[0],
        "b0_rot": lambda rows: view(rows.time, "earth").latitude,
        "b0_frst": lambda rows: view(_chart_times(rows)[0], "earth").latitude,
        "b0_last": lambda rows: view(_chart_times(rows)[1], "earth").latitude,
        "lon_frst": lambda rows: _chart_longitude(rows) - 180 + _step(rows) / 2,
        "lon_last": lambda rows: _chart_longitude(rows) + 180 - _step(rows) / 2,
        "lon_step": lambda rows: -_step(rows),
        "totvals": lambda rows: rows.shape[0] * rows.shape[1],
        "datavals": lambda rows: rows.shape[0] * rows.shape[1] - _missing(rows),
        "missvals": _missing,
    }
)


def _cap(north: bool, share: float) -> Value:
    return lambda rows: share * polar_field(rows.time, north) + 0.1 * smooth(rows.time, DAY, f"cap {north}")


MEAN_FIELD: Final[dict[str, Value]] = (
    OBSERVER
    | constants("mean_field")
    | {
        "t_obs": hmi_observed,
        **{f"cap{side}{n}": _cap(side == "n", share) for side in "ns" for n, share in ((1, 0.55), (2, 1.0), (3, 1.35))},
        "bandn1": lambda rows: 1.5 * activity(rows.time) * smooth(rows.time, 13 * DAY, "band north"),
        "bands1": lambda rows: 1.5 * activity(rows.time) * smooth(rows.time, 13 * DAY, "band south"),
    }
)

#: Helioseismology: mode parameters, rotation inversions, averages.
MODES: Final[dict[str, Value]] = constants("modes") | {
    "t_stop": lambda rows: rows.time + 72 * DAY,
    "t_obs": lambda rows: rows.time + 36 * DAY,
    "midtime": lambda rows: rows.time,
    "date": lambda rows: np.floor(rows.time + (120 + 300 * rows.version) * DAY),
}
