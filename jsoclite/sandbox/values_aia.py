"""
Keyword values of AIA, IRIS and the tables: frames, channels, pointing, housekeeping, charts, p modes, polar fields.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .availability import DAY, moment
from .ephemeris import place
from .frames import Channels, Frames, frame_times, frame_wavelengths, spike_counts
from .harps import activity
from .noise import smooth, uniform
from .rows import FloatArray, IntArray, Rows, Value
from .values import OBSERVER, constant, counted, seen

#: Image scale of each channel: the archive's arcsec a pixel for 4096 pixels, in 256 pixels.
AIA_SCALE: Final = {
    94: 0.600109 * 16,
    131: 0.600698 * 16,
    171: 0.599489 * 16,
    193: 0.600758 * 16,
    211: 0.600758 * 16,
    304: 0.600165 * 16,
    335: 0.600737 * 16,
    1600: 0.609373 * 16,
    1700: 0.612898 * 16,
    4500: 0.609370 * 16,
}
#: Telescope, exposure (s), typical mean (DN) and yearly loss of sensitivity of each channel.
CHANNEL: Final = {
    94: (4, 2.901, 0.9, 0.01),
    131: (1, 2.901, 4.6, 0.05),
    171: (3, 2.000, 135.0, 0.02),
    193: (2, 2.000, 185.0, 0.02),
    211: (2, 2.901, 62.0, 0.03),
    304: (4, 2.901, 32.0, 0.16),
    335: (1, 2.901, 2.8, 0.12),
    1600: (3, 2.901, 80.0, 0.01),
    1700: (3, 1.001, 630.0, 0.01),
    4500: (3, 0.501, 3000.0, 0.0),
}
_WAVES: Final = np.array(sorted(CHANNEL), dtype=np.int64)
ROLL: Final = 0.019327


def _wave(rows: Rows) -> IntArray:
    if isinstance(rows.series, Frames):
        return frame_wavelengths(rows.index)
    return np.asarray(rows.prime("wavelnth"))


def _of_channel(rows: Rows, what: int) -> FloatArray:
    return np.array([CHANNEL[w][what] for w in _WAVES.tolist()])[np.searchsorted(_WAVES, _wave(rows))]


def aia_scale(wavelengths: IntArray) -> FloatArray:
    """CDELT1 of each channel's images, arcsec a pixel."""
    return np.array([AIA_SCALE[w] for w in _WAVES.tolist()])[np.searchsorted(_WAVES, wavelengths)]


def aia_centre(times: FloatArray, wavelengths: IntArray, axis: int) -> FloatArray:
    """CRPIX1 (axis 1) or CRPIX2 of AIA's images, different for each telescope."""
    telescope = np.array([CHANNEL[w][0] for w in _WAVES.tolist()])[np.searchsorted(_WAVES, wavelengths)]
    base = 128.5 + 0.45 * (uniform(telescope, f"telescope {axis}") - 0.5)
    return np.asarray(base + 0.05 * smooth(times, 25 * DAY, f"aia {axis}"))


def _observed(rows: Rows) -> FloatArray:
    series = rows.series
    if isinstance(series, Frames):
        return frame_times(rows.index)
    return series.observed(rows.index) if isinstance(series, Channels) else rows.time


def _frame_number(rows: Rows) -> Any:
    return rows.series.frame_number(rows.index) if isinstance(rows.series, Channels) else rows.prime("fsn")


def _exposure(rows: Rows) -> FloatArray:
    return np.asarray(_of_channel(rows, 1) + 0.0004 * smooth(rows.time, 600.0, "exposure"))


def sensitivity(rows: Rows) -> FloatArray:
    """Sensitivity of each record's channel against that of May 2010."""
    years = (rows.time - moment("2010.05.13")) / (365.25 * DAY)
    return np.asarray(np.exp(-_of_channel(rows, 3) * years))


def _mean(rows: Rows) -> FloatArray:
    loss = sensitivity(rows)
    busy = 0.55 + 0.9 * activity(rows.time) * (_wave(rows) < 400)
    return seen(rows, _of_channel(rows, 2) * loss * busy * (1 + 0.04 * smooth(rows.time, 0.4 * DAY, "aia mean")))


def _strings(pattern: str) -> Value:
    def value(rows: Rows) -> Any:
        names = np.array([pattern.format(CHANNEL[w][0], w) for w in _WAVES.tolist()], dtype=object)
        return names[np.searchsorted(_WAVES, _wave(rows))]

    return value


def _wave_string(rows: Rows) -> Any:
    names = np.array([f"{w}_THIN" if w < 400 else str(w) for w in _WAVES.tolist()], dtype=object)
    return names[np.searchsorted(_WAVES, _wave(rows))]


def _position(body: int, axis: int) -> Value:
    return lambda rows: place(rows.time)[body][:, axis]


def _spikes(rows: Rows) -> IntArray:
    index = rows.series._frames(rows.index) if isinstance(rows.series, Channels) else rows.index
    return spike_counts(index)


AIA: Final[dict[str, Value]] = OBSERVER | {
    "t_obs": _observed,
    "date__obs": lambda rows: _observed(rows) - _exposure(rows) / 2,
    "instrume": _strings("AIA_{0}"),
    "camera": lambda rows: _of_channel(rows, 0).astype(np.int64),
    "wavelnth": _wave,
    "wave_str": _wave_string,
    "fsn": _frame_number,
    "exptime": _exposure,
    "int_time": lambda rows: _exposure(rows) + 0.273,
    "expsdev": constant(0.000132),
    "quallev0": lambda rows: np.where(rows.quality < 0, 1, 0),
    "aectype": constant(0),
    "nspikes": _spikes,
    "percentd": lambda rows: np.where(rows.quality < 0, 0.0, 100.0),
    "totvals": constant(65536),
    "datavals": lambda rows: np.where(rows.quality < 0, 0, 65536),
    "missvals": lambda rows: np.where(rows.quality < 0, 65536, 0),
    "datamin": lambda rows: counted(rows, np.rint(-6 + 3 * smooth(rows.time, 900.0, "aia min"))),
    "datamax": lambda rows: counted(rows, np.nan_to_num(np.minimum(16383, 40 * _mean(rows) + 20))),
    "datamean": _mean,
    "datamedn": lambda rows: counted(rows, np.nan_to_num(0.7 * _mean(rows))),
    "datacent": lambda rows: 1.3 * _mean(rows),
    "datarms": lambda rows: 1.7 * _mean(rows),
    "dataskew": lambda rows: seen(rows, 3.3),
    "datakurt": lambda rows: seen(rows, 21.5),
    "nsatpix": lambda rows: counted(rows, 0),
    "crpix1": lambda rows: aia_centre(rows.time, _wave(rows), 1),
    "crpix2": lambda rows: aia_centre(rows.time, _wave(rows), 2),
    "cdelt1": lambda rows: aia_scale(_wave(rows)),
    "cdelt2": lambda rows: aia_scale(_wave(rows)),
    "imscl_mp": lambda rows: aia_scale(_wave(rows)),
    "crota2": lambda rows: ROLL + 0.0001 * smooth(rows.time, 5 * DAY, "aia roll"),
    "sat_rot": lambda rows: 0.0001 * smooth(rows.time, 5 * DAY, "aia roll"),
    "inst_rot": constant(ROLL),
    "sat_y0": lambda rows: -9.6 + smooth(rows.time, 9 * DAY, "sat y"),
    "sat_z0": lambda rows: 10.1 + smooth(rows.time, 9 * DAY, "sat z"),
    "r_sun": lambda rows: rows.view.radius / aia_scale(_wave(rows)),
    "hglt_obs": lambda rows: rows.view.latitude,
    "hgln_obs": constant(0.0),
    "haex_obs": _position(0, 0),
    "haey_obs": _position(0, 1),
    "haez_obs": _position(0, 2),
    "gaex_obs": _position(1, 0),
    "gaey_obs": _position(1, 1),
    "gaez_obs": _position(1, 2),
    "asqfsn": _frame_number,
    "bld_vers": constant("V8R5X"),
    "isppktim": lambda rows: _observed(rows) - 3.8,
    "flat_rec": constant("aia.flatfield[:#7]"),
}
