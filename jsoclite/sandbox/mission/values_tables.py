"""
Keyword values of tables, pointing, housekeeping, IRIS, charts, mean fields and p modes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .availability import DAY, END, moment
from .ephemeris import rotation_start, view
from .harps import activity
from .noise import smooth
from .orbits import AU
from .rows import BoolArray, FloatArray, IntArray, Rows, Value
from .values_aia import AIA_SCALE, CHANNEL, ROLL, aia_centre
from .values_disk import OBSERVER, constant, quick


def _version(rows: Rows) -> IntArray:
    return np.asarray(1 + rows.version)


def _stop(length: float) -> Value:
    return lambda rows: np.minimum(rows.time + length, END + 365 * DAY)


def _response_wave(rows: Rows) -> IntArray:
    return np.array([int(text.removesuffix("_THIN")) for text in rows.prime("wave_str").tolist()], dtype=np.int64)


def _area(rows: Rows) -> FloatArray:
    waves = _response_wave(rows)
    table = {94: 0.31, 131: 1.17, 171: 2.42, 193: 2.15, 211: 1.16, 304: 0.11, 335: 0.10, 1600: 0.05, 1700: 0.04}
    start = np.array([table.get(w, 0.03) for w in waves.tolist()])
    loss = np.array([CHANNEL[w][3] for w in waves.tolist()])
    return np.asarray(start * np.exp(-loss * (rows.time - moment("2010.05.13")) / (365.25 * DAY)))


#: aia.response and aia.flatfield.
AIA_TABLES: Final[dict[str, Value]] = {
    "date": lambda rows: np.floor(rows.time + (60 + 400 * rows.version) * DAY),
    "t_stop": _stop(400 * DAY),
    "ver_num": lambda rows: 9 + rows.version,
    "wavelnth": _response_wave,
    "eff_wvln": _response_wave,
    "eff_area": _area,
    "eperdn": constant(17.7),
    "dnperpht": lambda rows: 12398.4 / _response_wave(rows) / 3.65 / 17.7,
    "effa_p1": lambda rows: -1e-4 * np.ones(len(rows)),
    "effa_p2": constant(0.0),
    "effa_p3": constant(0.0),
    "rmse": constant(0.01),
    "flatfield_version": _version,
    "camera": lambda rows: np.array([CHANNEL[w][0] for w in _response_wave(rows).tolist()], dtype=np.int64),
    "telescop": constant("SDO/AIA"),
    "instrume": lambda rows: np.array([f"AIA_{CHANNEL[w][0]}" for w in _response_wave(rows).tolist()], dtype=object),
}


def _pointing() -> dict[str, Value]:
    found: dict[str, Value] = {
        "t_stop": lambda rows: rows.time + 10800.0,
        "version": _version,
        "date": lambda rows: np.floor(rows.time + (8 + 365 * rows.version) * DAY),
    }

    def centre_of(wave: int, axis: int) -> Value:
        # in the archive's own pixels, counted from 0
        return lambda rows: (aia_centre(rows.time, np.full(len(rows), wave), axis) - 0.5) * 16 - 0.5

    for wave, scale in AIA_SCALE.items():
        name = f"a_{wave:03d}_"
        found[name + "x0"] = centre_of(wave, 1)
        found[name + "y0"] = centre_of(wave, 2)
        found[name + "imscale"] = constant(scale / 16)
        found[name + "instrot"] = constant(ROLL)
    return found


#: aia.master_pointing3h.
POINTING: Final = _pointing()


def _temperatures() -> dict[str, Value]:
    found: dict[str, Value] = {
        "date": lambda rows: np.floor(rows.time + 2 * DAY),
        "n_samples": constant(30),
    }

    def reading(part: str, level: float, shift: float) -> Value:
        return lambda rows: (
            level + shift + 0.4 * np.sin(2 * np.pi * rows.time / DAY) + 0.5 * smooth(rows.time, 6 * DAY, "T" + part)
        )

    for part, level in (("CCD1", -69.6), ("CCD2", -70.3), ("FPA", 16.6), ("MIR", 34.7), ("OPT", 20.1), ("STR", 18.3)):
        for kind, shift in (("MEAN", 0.0), ("MIN", -0.11), ("MAX", 0.12)):
            found[f"t_{part}_{kind}".lower()] = reading(part, level, shift)
    return found


#: Housekeeping temperatures.
HOUSEKEEPING: Final = _temperatures()

_IRIS_CAMERA: Final = ("FUV", "NUV", "SJI")
IRIS: Final[dict[str, Value]] = {
    "date": lambda rows: np.floor(rows.time + 3.9 * DAY),
    "date__obs": lambda rows: rows.time - 1.0,
    "instrume": lambda rows: np.array(_IRIS_CAMERA, dtype=object)[rows.index % 3],
    "img_path": lambda rows: np.array(("FUV", "NUV", "SJI_1400"), dtype=object)[rows.index % 3],
    "img_type": constant("LIGHT"),
    "camera": lambda rows: np.array((1, 2, 2))[rows.index % 3],
    "exptime": constant(1.998),
    "int_time": constant(2.1),
    "quality": lambda rows: rows.quality,
    "quallev0": constant(0),
    "totvals": constant(256 * 128),
    "datavals": constant(256 * 128),
    "missvals": constant(0),
    "percentd": constant(100.0),
    "datamean": lambda rows: 120.0 + 15 * smooth(rows.time, 1800.0, "iris"),
    "telescop": constant("IRIS"),
    "bld_vers": constant("V8R5X"),
    "datarms": lambda rows: 65.0 + 9 * smooth(rows.time, 1800.0, "iris rms"),
    "dataskew": constant(2.9),
    "datakurt": constant(14.0),
    "expsdev": constant(0.0002),
    "ctype1": lambda rows: np.where(rows.index % 3 == 2, "HPLN-TAN", "WAVE").astype(object),
    "ctype2": constant("HPLT-TAN"),
    "cunit1": lambda rows: np.where(rows.index % 3 == 2, "arcsec", "angstrom").astype(object),
    "cunit2": constant("arcsec"),
    "crpix1": constant(128.5),
    "crpix2": constant(64.5),
    "crval1": lambda rows: np.array((1349.4, 2796.2, 0.0))[rows.index % 3],
    "crval2": constant(0.0),
    "cdelt1": lambda rows: np.array((0.1038, 0.2037, 1.331))[rows.index % 3],
    "cdelt2": constant(1.331),
    "lvl_num": constant(1),
}


def _chart_times(rows: Rows) -> tuple[FloatArray, FloatArray]:
    if rows.spec.kind == "synoptic":
        rotation = rows.prime("car_rot")
        return rotation_start(rotation), rotation_start(rotation + 1)
    return rows.time - 13.6 * DAY, rows.time + 13.6 * DAY


def _chart_rotation(rows: Rows) -> IntArray:
    return np.asarray(rows.prime("car_rot") if rows.spec.kind == "synoptic" else rows.view.rotation)


def chart_shape(rows: Rows) -> tuple[int, int]:
    """Columns and rows of a chart."""
    columns, lines = rows.spec.options["axes"]
    return int(columns), int(lines)


def _chart_longitude(rows: Rows) -> FloatArray:
    """Carrington time (degrees) at the middle of a chart."""
    if rows.spec.kind == "synoptic":
        return np.asarray(360.0 * (rows.prime("car_rot") - 0.5))
    return np.asarray(360.0 * (rows.view.rotation - rows.view.longitude / 360.0) + 120.0)


def _step(rows: Rows) -> float:
    return 360.0 / chart_shape(rows)[0]


def chart_strips(rows: Rows) -> tuple[IntArray, FloatArray]:
    """Edges (columns) of the strips that a chart is made of, and when each was at the meridian, shape (n, strips)."""
    columns, _ = chart_shape(rows)
    edges = np.arange(10) * columns // 9
    # the left edge, longitude 0, was seen last
    away = 180.0 - (edges[:-1] + edges[1:]) / 2 * _step(rows)
    return edges, rows.time[:, None] + away / 13.2 * DAY


def chart_gaps(rows: Rows) -> BoolArray:
    """Which rows of each strip cannot be seen, shape (n, strips, rows): the pole that is turned away, unless filled."""
    _, lines = chart_shape(rows)
    _, times = chart_strips(rows)
    latitude = np.degrees(np.arcsin((np.arange(lines) + 0.5) * (2.0 / lines) - 1))
    tilt = view(times.ravel(), "earth").latitude.reshape(times.shape)
    filled = "polfil" in rows.spec.name
    return np.asarray((np.abs(latitude - tilt[:, :, None]) > 86.0) & (not filled))


def _missing(rows: Rows) -> IntArray:
    return np.asarray(chart_gaps(rows).sum(axis=2) @ np.diff(chart_strips(rows)[0]))


#: Synoptic charts by rotation and by day.
CHARTS: Final[dict[str, Value]] = {
    "t_obs": lambda rows: rows.time,
    "t_start": lambda rows: _chart_times(rows)[0],
    "t_stop": lambda rows: _chart_times(rows)[1],
    "t_rot": lambda rows: rows.time,
    "img_frst": lambda rows: np.floor(_chart_times(rows)[0] / 720) * 720,
    "img_last": lambda rows: np.floor(_chart_times(rows)[1] / 720) * 720,
    "img_rot": lambda rows: np.floor(rows.time / 720) * 720,
    "img_num": constant(3276),
    "date": lambda rows: np.floor(_chart_times(rows)[1] + (0.1 if quick(rows) else 6) * DAY),
    "car_rot": _chart_rotation,
    "carrtime": _chart_longitude,
    "telescop": lambda rows: "SDO/HMI" if rows.spec.instrument == "hmi" else "SOHO",
    "instrume": lambda rows: "HMI_SIDE1" if rows.spec.instrument == "hmi" else "MDI",
    "wavelnth": lambda rows: 6173.0 if rows.spec.instrument == "hmi" else 6768.0,
    "bunit": constant("Mx/cm^2"),
    "bld_vers": constant("V9R5X"),
    "earth_b0": lambda rows: view(rows.time, "earth").latitude,
    "t_earth": lambda rows: rows.time,
    "content": constant("Carrington Synoptic Chart Of Br Field"),
    "wcsname": constant("Carrington Heliographic"),
    "ctype1": constant("CRLN-CEA"),
    "ctype2": constant("CRLT-CEA"),
    "cunit1": constant("Degree"),
    "cunit2": constant("Sine Latitude"),
    "crpix1": lambda rows: (chart_shape(rows)[0] + 1) / 2,
    "crpix2": lambda rows: (chart_shape(rows)[1] + 1) / 2,
    "crval1": _chart_longitude,
    "crval2": constant(0.0),
    "cdelt1": lambda rows: -_step(rows),
    "cdelt2": lambda rows: 2.0 / chart_shape(rows)[1],
    "cadence": constant(360.0),
    "datasign": constant(1),
    "b0_rot": lambda rows: view(rows.time, "earth").latitude,
    "b0_frst": lambda rows: view(_chart_times(rows)[0], "earth").latitude,
    "b0_last": lambda rows: view(_chart_times(rows)[1], "earth").latitude,
    "lon_frst": lambda rows: _chart_longitude(rows) - 180 + _step(rows) / 2,
    "lon_last": lambda rows: _chart_longitude(rows) + 180 - _step(rows) / 2,
    "lon_step": lambda rows: -_step(rows),
    "totvals": lambda rows: chart_shape(rows)[0] * chart_shape(rows)[1],
    "datavals": lambda rows: chart_shape(rows)[0] * chart_shape(rows)[1] - _missing(rows),
    "missvals": _missing,
    "datamean": lambda rows: 0.05 * smooth(rows.time, 30 * DAY, "chart"),
    "datamedn": lambda rows: 0.02 * smooth(rows.time, 30 * DAY, "chart median"),
    "datarms": lambda rows: 6.0 + 14.0 * activity(rows.time),
    "datamin": lambda rows: -250.0 - 500.0 * activity(rows.time),
    "datamax": lambda rows: 270.0 + 500.0 * activity(rows.time),
    "dataskew": lambda rows: 0.3 * smooth(rows.time, 60 * DAY, "chart skew"),
    "datakurt": lambda rows: 70.0 + 20.0 * smooth(rows.time, 60 * DAY, "chart kurtosis"),
    "quality": constant(0),
}


# Years in which the north's polar field was strongest (first, third, …; 1985 negative), and in which it was zero.
_POLES: Final = (1985.8, 1990.8, 1996.4, 2001.0, 2007.8, 2013.5, 2019.2, 2023.8, 2029.8)


def polar_field(times: FloatArray, north: bool) -> FloatArray:
    """Mean radial field of a polar cap, Gauss: reversals in 2001, 2013 and 2023, in the south somewhat later."""
    years = 1996 + (times - moment("1996.01.01")) / (365.25 * DAY) - (0.0 if north else 0.8)
    phase = np.interp(years, _POLES, 0.5 * np.arange(len(_POLES)))
    yearly = 0.25 * np.sin(2 * np.pi * times / (365.25 * DAY))
    return np.asarray((1 if north else -1) * (-4.2 * np.cos(np.pi * phase) - yearly))


def _cap(north: bool, share: float) -> Value:
    return lambda rows: share * polar_field(rows.time, north) + 0.1 * smooth(rows.time, DAY, f"cap {north}")


MEAN_FIELD: Final[dict[str, Value]] = OBSERVER | {
    "t_obs": lambda rows: rows.time + (rows.view.distance - AU) / 299792458.0,
    "telescop": constant("SDO/HMI"),
    "instrume": constant("HMI_SIDE1"),
    "wavelnth": constant(6173.0),
    "capn1": _cap(True, 0.55),
    "caps1": _cap(False, 0.55),
    "capn2": _cap(True, 1.0),
    "caps2": _cap(False, 1.0),
    "capn3": _cap(True, 1.35),
    "caps3": _cap(False, 1.35),
    "bandn1": lambda rows: 1.5 * activity(rows.time) * smooth(rows.time, 13 * DAY, "band north"),
    "bands1": lambda rows: 1.5 * activity(rows.time) * smooth(rows.time, 13 * DAY, "band south"),
}

#: Helioseismology: mode parameters, rotation inversions, averages.
MODES: Final[dict[str, Value]] = {
    "t_stop": lambda rows: rows.time + 72 * DAY,
    "t_obs": lambda rows: rows.time + 36 * DAY,
    "midtime": lambda rows: rows.time,
    "date": lambda rows: np.floor(rows.time + (120 + 300 * rows.version) * DAY),
    "mapmmax": constant(1536),
    "sinbdivs": constant(1080),
    "mflipped": constant(0),
    "t_step": constant(45.0),
    "telescop": constant("SDO/HMI"),
    "instrume": constant("HMI_FRONT2"),
    "wavelnth": constant(6173),
    "version": constant("version 1.0"),
    "calver64": constant(0x1112),
    "quality": constant(0),
}
