"""
Keyword values of AIA's frames and channels, tables, pointing, housekeeping, IRIS, charts, mean fields and p modes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..catalog import schema
from .ephemeris import DAY, END, moment, place, rotation_start, view
from .kinds import FIRST_FSN, FRAMES, Channels, Frames, frame_times, frame_wavelengths, spike_counts
from .noise import BoolArray, FloatArray, IntArray, smooth, uniform
from .regions import KERNEL, Light, activity, light, polar_field
from .series import Rows, Value, constant, constants
from .spec import shared
from .values_disk import OBSERVER, counted, hmi_observed, paired, quick, seen, wanderers


class Channel(NamedTuple):
    """
    A channel of AIA.

    Attributes
    ----------
    telescope : int
        Which it belongs to.
    exposure : float
        Usual one, s.
    mean : float
        Typical mean, DN.
    loss : float
        Of sensitivity in a year, parts of one.
    scale : float
        Arcsec a pixel of the archive's images.
    restless : float
        How much the whole Sun wanders, parts of one: in the hottest channels most.
    """

    telescope: int
    exposure: float
    mean: float
    loss: float
    scale: float
    restless: float


CHANNEL: Final = {int(wave): Channel(*row) for wave, row in schema.data("channels")["channels"].items()}
_WAVES: Final = np.array(sorted(CHANNEL), dtype=np.int64)
#: What a pixel holds at most, DN, and the brightest pixel that automatic exposure control aims at.
FULL: Final = 16383.0
_AIM: Final = 11000.0
#: Shortest exposure against the usual one.
_SHORTEST: Final = 0.005
_PIXELS: Final = 65536
# Area of the bright part of a flare, pixels: the loops around the kernel add a third.
_BRIGHT: Final = 1.35 * KERNEL
ROLL: Final = 0.019327


def by_channel(waves: IntArray, value: Callable[[int], Any]) -> npt.NDArray[Any]:
    """What `value` gives for each WAVELNTH."""
    found = [value(wave) for wave in _WAVES.tolist()]
    return np.array(found, dtype=object if isinstance(found[0], str) else None)[np.searchsorted(_WAVES, waves)]


def wavelengths(rows: Rows) -> IntArray:
    """WAVELNTH of each record."""
    return frame_wavelengths(rows.index) if isinstance(rows.series, Frames) else np.asarray(rows.prime("wavelnth"))


def _of_channel(value: Callable[[int], Any]) -> Value:
    return lambda rows: by_channel(rows.once(wavelengths), value)


def aia_scale(waves: IntArray) -> FloatArray:
    """CDELT1 of each channel's images, arcsec a pixel."""
    return by_channel(waves, lambda wave: 16 * CHANNEL[wave].scale)


def aia_centre(times: FloatArray, waves: IntArray, axis: int) -> FloatArray:
    """CRPIX1 (axis 1) or CRPIX2 of AIA's images, different for each telescope."""
    telescope = by_channel(waves, lambda wave: CHANNEL[wave].telescope)
    base = 128.5 + 0.45 * (uniform(telescope, f"telescope {axis}") - 0.5)
    return np.asarray(base + 0.05 * smooth(times, 25 * DAY, f"aia {axis}"))


def master_centre(times: FloatArray, waves: IntArray, axis: int) -> FloatArray:
    """The same in the archive's own pixels, counted from 0 (X0_MP, Y0_MP)."""
    return (aia_centre(times, waves, axis) - 0.5) * 16 - 0.5


def _master(rows: Rows, axis: int) -> FloatArray:
    return master_centre(rows.time, rows.once(wavelengths), axis)


def _frames(rows: Rows) -> IntArray:
    """Place of each record's frame in aia.lev1."""
    return rows.series.frames(rows.index) if isinstance(rows.series, Channels) else rows.index


def observed(rows: Rows) -> FloatArray:
    """T_OBS of each record, TAI seconds since 1977."""
    return frame_times(_frames(rows))


def _frame_number(rows: Rows) -> IntArray:
    return FIRST_FSN + _frames(rows)


def _flares(rows: Rows) -> Light:
    """Light of flares at the usual exposure and today's sensitivity."""
    found, loss = light(rows.once(observed), rows.once(wavelengths)), rows.once(sensitivity)
    return Light(found.mean * loss, found.kernel * loss)


def exposure_part(rows: Rows) -> FloatArray:
    """
    Exposure of each record against the usual one of its channel.

    In strong flares AIA shortens every second exposure of the EUV channels, so that each pair has one frame with the
    faint corona and one with the flare.
    """
    bright = rows.once(_flares).kernel
    every_second = (_frames(rows) // FRAMES) % 2 == 1
    short = np.maximum(_SHORTEST, _AIM / np.maximum(bright, _AIM))
    return np.where(every_second & (rows.once(wavelengths) < 400), short, 1.0)


def _exposure(rows: Rows) -> FloatArray:
    usual = _of_channel(lambda wave: CHANNEL[wave].exposure)(rows)
    wander = 0.0001 * smooth(rows.once(observed), 600.0, "exposure")
    return np.asarray((usual + wander) * rows.once(exposure_part))


def sensitivity(rows: Rows) -> FloatArray:
    """Sensitivity of each record's channel against that of May 2010."""
    years = (rows.time - moment("2010.05.13")) / (365.25 * DAY)
    return np.asarray(np.exp(-_of_channel(lambda wave: CHANNEL[wave].loss)(rows) * years))


def wandering(rows: Rows) -> FloatArray:
    """Brightness of the Sun without flares against its mean, for each channel by itself."""
    waves = rows.once(wavelengths)
    size = by_channel(waves, lambda wave: CHANNEL[wave].restless)
    # one sequence for all channels, each at another place in it
    places = rows.once(observed) + waves * (1000 * DAY)
    slow, quick = smooth(places, 0.5 * DAY, "aia mean"), smooth(places, 3600.0, "aia hour")
    return np.asarray(1 + size * (0.8 * slow + 0.2 * quick))


def _quiet(rows: Rows) -> FloatArray:
    """DATAMEAN without flares."""
    busy = 0.55 + 0.6 * activity(rows.time) * (rows.once(wavelengths) < 400)
    mean = _of_channel(lambda wave: CHANNEL[wave].mean)(rows)
    return np.asarray(mean * rows.once(sensitivity) * busy * rows.once(wandering) * rows.once(exposure_part))


def _percentile(rows: Rows, part: float) -> FloatArray:
    """DATAP01 to DATAP99, which flares do not reach: a part of the mean."""
    return seen(rows, np.rint(part * rows.once(_quiet)))


class _Kernel(NamedTuple):
    """
    The bright kernel of a flare, a Gaussian, as the camera sees it.

    Attributes
    ----------
    height : ndarray
        Its brightest pixel if none could saturate, DN.
    excess : ndarray
        Logarithm of that against a full pixel, 0 below: the saturated part of the Gaussian's area.
    """

    height: FloatArray
    excess: FloatArray


def _kernel(rows: Rows) -> _Kernel:
    found, part = rows.once(_flares), rows.once(exposure_part)
    height = found.kernel * part
    return _Kernel(height, np.log(np.maximum(1.0, height / FULL)))


def _power(rows: Rows, order: int) -> FloatArray:
    """Mean over the image of a power of the kernel's brightness: a Gaussian, flat where it is saturated."""
    kernel = rows.once(_kernel)
    height = np.minimum(kernel.height, FULL)
    return np.asarray(_BRIGHT * height**order * (1 / order + kernel.excess) / _PIXELS)


def _mean(rows: Rows) -> FloatArray:
    found, part, kernel = rows.once(_flares), rows.once(exposure_part), rows.once(_kernel)
    # what saturated pixels lose
    lost = _BRIGHT * np.maximum(0.0, kernel.height - FULL * (1 + kernel.excess)) / _PIXELS
    return seen(rows, rows.once(_quiet) + np.maximum(0.0, found.mean * part - lost))


def _brightest(rows: Rows) -> FloatArray:
    usual, kernel = 40 * rows.once(_quiet) + 20, rows.once(_kernel).height
    return np.nan_to_num(np.minimum(FULL, np.maximum(usual, kernel + 0.3 * usual * (kernel > 0))))


def _spread(rows: Rows) -> FloatArray:
    return seen(rows, np.sqrt((1.7 * rows.once(_quiet)) ** 2 + _power(rows, 2)))


def _moment(rows: Rows, order: int, usual: float) -> FloatArray:
    """Skewness (3) and kurtosis (4): what the quiet Sun has, and a few very bright pixels."""
    quiet, spread = 1.7 * rows.once(_quiet), _spread(rows)
    return np.asarray((usual * quiet**order + _power(rows, order)) / spread**order)


def _without(rows: Rows, there: float, dark: float) -> Any:
    """A value of images, and one of records without."""
    return np.where(rows.quality < 0, dark, there)


def _position(rows: Rows, body: int, axis: int) -> FloatArray:
    return place(rows.time)[body][:, axis]


AIA: Final[dict[str, Value]] = (
    OBSERVER
    | constants("aia")
    | wanderers("aia_wanderers")
    | {name: partial(_percentile, part=part) for name, part in shared("aia_percentiles").items()}
    | paired("crpix", lambda rows, axis: aia_centre(rows.time, rows.once(wavelengths), axis))
    | paired("cdelt", lambda rows, axis: aia_scale(rows.once(wavelengths)))
    | {
        "t_obs": observed,
        "date__obs": lambda rows: rows.once(observed) - _exposure(rows) / 2,
        "instrume": _of_channel(lambda wave: f"AIA_{CHANNEL[wave].telescope}"),
        "camera": _of_channel(lambda wave: CHANNEL[wave].telescope),
        "wavelnth": wavelengths,
        "wave_str": _of_channel(lambda wave: f"{wave}_THIN" if wave < 400 else str(wave)),
        **dict.fromkeys(("fsn", "asqfsn"), _frame_number),
        "exptime": _exposure,
        "int_time": lambda rows: _exposure(rows) + 0.273,
        "nspikes": lambda rows: spike_counts(_frames(rows)),
        **{name: partial(_without, there=there, dark=dark) for name, (there, dark) in shared("aia_dark").items()},
        "datamin": lambda rows: counted(rows, np.rint(-6 + 3 * smooth(rows.time, 900.0, "aia min"))),
        "datamax": lambda rows: counted(rows, _brightest(rows)),
        "datamean": _mean,
        "datamedn": lambda rows: counted(rows, np.rint(0.7 * rows.once(_quiet))),
        "datacent": lambda rows: seen(rows, 1.3 * rows.once(_quiet)),
        "datarms": _spread,
        "dataskew": lambda rows: _moment(rows, 3, 3.3),
        "datakurt": lambda rows: _moment(rows, 4, 21.5),
        "nsatpix": lambda rows: counted(rows, np.rint(_BRIGHT * rows.once(_kernel).excess)),
        "imscl_mp": _of_channel(lambda wave: CHANNEL[wave].scale),
        **{f"{name}0_mp": partial(_master, axis=axis) for axis, name in ((1, "x"), (2, "y"))},
        "inst_rot": constant(ROLL),
        "r_sun": lambda rows: rows.view.radius / aia_scale(rows.once(wavelengths)),
        "hglt_obs": lambda rows: rows.view.latitude,
        "isppktim": lambda rows: rows.once(observed) - 3.8,
    }
    | {
        f"{origin}{axis}_obs": partial(_position, body=body, axis=number)
        for body, origin in enumerate(("hae", "gae"))
        for number, axis in enumerate("xyz")
    }
)


def _version(rows: Rows) -> IntArray:
    return np.asarray(1 + rows.version)


def _response_wave(rows: Rows) -> IntArray:
    return np.array([int(text.removesuffix("_THIN")) for text in rows.prime("wave_str").tolist()], dtype=np.int64)


def _area(rows: Rows) -> FloatArray:
    waves = _response_wave(rows)
    start = by_channel(waves, lambda wave: schema.data("channels")["area"].get(str(wave), 0.03))
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
        **dict.fromkeys(("t_obs", "t_rot", "t_earth"), lambda rows: rows.time),
        "t_start": lambda rows: _chart_times(rows)[0],
        "t_stop": lambda rows: _chart_times(rows)[1],
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
        **dict.fromkeys(("earth_b0", "b0_rot"), lambda rows: view(rows.time, "earth").latitude),
        "crval1": _chart_longitude,
        "cdelt1": lambda rows: -_step(rows),
        "cdelt2": lambda rows: 2.0 / rows.shape[0],
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


def _band(rows: Rows, side: str) -> FloatArray:
    return 1.5 * activity(rows.time) * smooth(rows.time, 13 * DAY, f"band {side}")


MEAN_FIELD: Final[dict[str, Value]] = (
    OBSERVER
    | constants("mean_field")
    | {
        "t_obs": hmi_observed,
        **{f"cap{side}{n}": _cap(side == "n", share) for side in "ns" for n, share in ((1, 0.55), (2, 1.0), (3, 1.35))},
        **{f"band{side[0]}1": partial(_band, side=side) for side in ("north", "south")},
    }
)

#: Helioseismology: mode parameters, rotation inversions, averages.
MODES: Final[dict[str, Value]] = constants("modes") | {
    "t_stop": lambda rows: rows.time + 72 * DAY,
    "t_obs": lambda rows: rows.time + 36 * DAY,
    "midtime": lambda rows: rows.time,
    "date": lambda rows: np.floor(rows.time + (120 + 300 * rows.version) * DAY),
}
