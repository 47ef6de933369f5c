"""
Keyword values of AIA's frames and channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .availability import moment
from .ephemeris import DAY, place
from .flares import KERNEL, Light, light
from .kinds import FIRST_FSN, FRAMES, Channels, Frames, frame_times, frame_wavelengths, spike_counts
from .noise import FloatArray, IntArray, smooth, uniform
from .regions import activity
from .series import Rows, Value, constant, constants
from .spec import data, shared
from .values_disk import OBSERVER, counted, paired, seen, wanderers


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


CHANNEL: Final = {int(wave): Channel(*row) for wave, row in data("channels")["channels"].items()}
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
    if isinstance(rows.series, Frames):
        return frame_wavelengths(rows.index)
    return np.asarray(rows.prime("wavelnth"))


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
        "fsn": _frame_number,
        "exptime": _exposure,
        "int_time": lambda rows: _exposure(rows) + 0.273,
        "quallev0": lambda rows: np.where(rows.quality < 0, 1, 0),
        "nspikes": lambda rows: spike_counts(_frames(rows)),
        "percentd": lambda rows: np.where(rows.quality < 0, 0.0, 100.0),
        "datavals": lambda rows: np.where(rows.quality < 0, 0, 65536),
        "missvals": lambda rows: np.where(rows.quality < 0, 65536, 0),
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
        "x0_mp": lambda rows: master_centre(rows.time, rows.once(wavelengths), 1),
        "y0_mp": lambda rows: master_centre(rows.time, rows.once(wavelengths), 2),
        "inst_rot": constant(ROLL),
        "r_sun": lambda rows: rows.view.radius / aia_scale(rows.once(wavelengths)),
        "hglt_obs": lambda rows: rows.view.latitude,
        "asqfsn": _frame_number,
        "isppktim": lambda rows: rows.once(observed) - 3.8,
    }
    | {
        f"{origin}{axis}_obs": partial(_position, body=body, axis=number)
        for body, origin in enumerate(("hae", "gae"))
        for number, axis in enumerate("xyz")
    }
)
