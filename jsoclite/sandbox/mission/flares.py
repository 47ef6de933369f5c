"""
Flares: when and where they are, and how much light each channel of AIA gains.

The great ones are those of GOES; small ones are drawn for each active region from hashes, the more the stronger it
is. Light curves follow the usual course of a flare as AIA sees it: the ribbons flash in 1600 and 304 while the soft
X-rays rise, plasma of 10 MK and more shines in 131 (Fe XXI) and, briefly, 193 (Fe XXIV), cools through 94 (Fe XVIII),
and reaches 211, 171 and at last 335 tens of minutes later.

Sources
-------
GOES start, peak and end times and classes: NOAA's X-ray event reports, to the minute, as public lists repeat them; some
lists differ by minutes. Lines of the channels: Lemen et al. 2012 (Solar Physics 275, 17), O'Dwyer et al. 2010 (A&A 521,
A21). Sizes follow a power law with the index 1.8, as in Crosby et al. 1993 (Solar Physics 143, 275).
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np

from ...times import words
from .ephemeris import DAY, view
from .noise import FloatArray, IntArray, uniform
from .regions import EPOCH, STEP, regions
from .spec import data, recorded

#: The longest that a flare is seen, s.
LASTING: Final = 7 * 3600.0
#: Area of the bright kernel, pixels of 9.6 arcsec (a Gaussian of 1.5 pixels), and its part of the late light.
KERNEL: Final = 2 * np.pi * 1.5**2
CORE: Final = 0.7
_PIXELS: Final = 65536

# The smallest flare that is drawn (B4) and the greatest of those that are not known (M9), in units of X1.
_LEAST, _MOST = 0.004, 0.9
_SLOT: Final = 4 * 3600.0


# of each channel: flash and glow of a flare of X1, delay and decay of the glow, as ``data/channels.json`` explains them
_RESPONSES: Final = {int(wave): row for wave, row in data("channels")["flares"].items()}
_WAVES: Final = np.array(sorted(_RESPONSES), dtype=np.int64)
_TABLE: Final = np.array([_RESPONSES[wave] for wave in _WAVES.tolist()])


class Flares(NamedTuple):
    """
    All flares, ascending by `begin`; arrays of one value a flare.

    Attributes
    ----------
    begin, end, peak : ndarray
        First and last light, and peak in soft X-rays, TAI seconds since 1977.
    rise, fall : ndarray
        From start to peak, and decay, of the soft X-rays, seconds.
    size : ndarray
        GOES flux in units of X1.
    host : ndarray of int64
        Row of the region in `regions`.
    """

    begin: FloatArray
    end: FloatArray
    peak: FloatArray
    rise: FloatArray
    fall: FloatArray
    size: FloatArray
    host: IntArray


@cache
def flares() -> Flares:
    """The flares since May 2010; made once, as the regions are."""
    known, drawn = _known(), _drawn()
    for peak, size in zip(known.peak, known.size, strict=True):
        # the great flare of a day is the greatest by far
        loud = (np.abs(drawn.peak - peak) < 8 * 3600) & (drawn.size > 0.05 * size)
        drawn = Flares(*(column[~loud] for column in drawn))
    both = [np.concatenate(columns) for columns in zip(known, drawn, strict=True)]
    order = np.argsort(both[0], kind="stable")
    return Flares(*(column[order] for column in both))


def _made(peak: FloatArray, rise: FloatArray, fall: FloatArray, size: FloatArray, host: IntArray) -> Flares:
    fall = np.clip(fall, 180.0, 1500.0)
    begin = peak - 1.5 * rise
    # what is left then of the slowest channel is below a percent of its peak
    end = np.minimum(peak + 14.0 * fall, begin + LASTING)
    return Flares(begin, end, peak, rise, fall, size, host)


def _known() -> Flares:
    numbers, known = regions().number, recorded("flares")
    host = np.array([int(np.searchsorted(numbers, row[0])) for row in known], dtype=np.int64)
    start, peak, end = (np.array([words.scan_time(f"{row[n]}_UTC") for row in known]) for n in (1, 2, 3))
    return _made(peak, peak - start, end - peak, np.array([row[4] for row in known]), host)


def _drawn() -> Flares:
    found = regions()
    named = np.flatnonzero(found.number > 0)
    slots = (found.count[named] * STEP / _SLOT).astype(np.int64) + 1
    host = np.repeat(named, slots)
    turn = np.arange(len(host)) - np.repeat(np.cumsum(slots) - slots, slots)
    key = found.number[host] * 512 + turn
    peak = EPOCH + STEP * found.first[host] + _SLOT * (turn + uniform(key, "flare time"))
    strength = found.flux[host] * found.growth(host, peak) / 1e22
    # per day above C1: some 4 for a region of 2.5e22 Mx, one in eight days for one of 2e21 Mx
    chance = np.minimum(1.0, 1.2 * strength**1.4 * (_SLOT / DAY) * (0.01 / _LEAST) ** 0.8)
    draw = uniform(key, "flare size")
    size = np.minimum(_MOST, _LEAST * (chance / np.maximum(draw, 1e-9)) ** 1.25)
    away = np.zeros(len(host))
    lit = np.flatnonzero(draw < chance)
    away[lit] = (found.carrington(host[lit], peak[lit]) - view(peak[lit]).longitude + 180) % 360 - 180
    lit = lit[(np.abs(away[lit]) < 82) & (peak[lit] < EPOCH + STEP * found.last[host[lit]])]
    rise = 150.0 * 10 ** (0.7 * uniform(key[lit], "flare rise")) * (size[lit] / 0.01) ** 0.15
    fall = rise * (1.2 + 1.2 * uniform(key[lit], "flare fall"))
    return _made(peak[lit], rise, fall, size[lit], host[lit])


def _course(after: FloatArray, rise: FloatArray, decay: FloatArray) -> FloatArray:
    """A light curve that is 1 at its peak, `after` which so many seconds have passed."""
    with np.errstate(over="ignore"):
        summit = np.log(decay / rise) / (1 / rise + 1 / decay)
        level = np.exp(-summit / rise) + np.exp(summit / decay)
        x = np.clip(after + summit, -50 * rise, None)
        return np.asarray(level / (np.exp(-x / rise) + np.exp(x / decay)))


def _phases(which: IntArray, times: FloatArray, response: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Light of the impulsive and of the late phase of flares `which` at `times`; `response` has a row each."""
    found = flares()
    rise, fall, size = found.rise[which], found.fall[which], found.size[which]
    after = times - found.peak[which]
    # the slow channels, too, are dark before the flare and after it
    opened = np.clip((times - found.begin[which]) / rise, 0, 1)
    closed = np.clip((found.end[which] - times) / (3 * fall), 0, 1)
    gate = opened * opened * (3 - 2 * opened) * closed
    flash = response[:, 0] * size**0.6 * _course(after + 0.35 * rise, 0.1 * rise, 0.3 * rise)
    delay = response[:, 2] * fall
    glow = response[:, 1] * size**0.8 * _course(after - delay, 0.2 * rise + 0.25 * delay, response[:, 3] * fall)
    return gate * flash, gate * glow


class Light(NamedTuple):
    """
    What flares add to images at the usual exposure.

    Attributes
    ----------
    mean : ndarray
        Mean over the image, DN.
    kernel : ndarray
        DN in the brightest pixel of the brightest flare.
    """

    mean: FloatArray
    kernel: FloatArray


def light(times: FloatArray, wavelengths: IntArray) -> Light:
    """
    Light of all flares in images taken at `times`.

    Parameters
    ----------
    times : ndarray
        TAI seconds since 1977.
    wavelengths : ndarray of int64
        WAVELNTH of each image, angstrom.
    """
    found = flares()
    mean, kernel = np.zeros(len(times)), np.zeros(len(times))
    first = np.searchsorted(found.begin, times - LASTING, side="right")
    last = np.searchsorted(found.begin, times, side="right")
    response = _TABLE[np.searchsorted(_WAVES, wavelengths)]
    rows = np.flatnonzero(last > first)
    which = first[rows]
    while len(rows):
        shines = times[rows] < found.end[which]
        lit = rows[shines]
        flash, glow = _phases(which[shines], times[lit], response[lit])
        mean[lit] += flash + glow
        kernel[lit] = np.maximum(kernel[lit], peak_pixel(flash, glow))
        more = which + 1 < last[rows]
        rows, which = rows[more], which[more] + 1
    return Light(mean, kernel)


def peak_pixel(flash: FloatArray, glow: FloatArray) -> FloatArray:
    """DN in the brightest pixel of a flare that adds `flash` and `glow` to the mean: two ribbons beside a kernel."""
    ribbon, core = 0.5 * flash * _PIXELS / KERNEL, CORE * glow * _PIXELS / KERNEL
    return np.asarray(np.maximum(ribbon, core) + 0.4 * np.minimum(ribbon, core))


class Burning(NamedTuple):
    """
    A flare seen in one image; light is DN summed over the image.

    Attributes
    ----------
    which, host : int
        Its place in `flares`, and that of its region in `regions`.
    light : float
        All that it adds.
    ribbon, core, arcade : float
        Light of each of the two ribbons, of the kernel above them, and of the loops from ribbon to ribbon.
    area : float
        Of ribbons and kernel, Gaussians, pixels.
    """

    which: int
    host: int
    light: float
    ribbon: float
    core: float
    arcade: float
    area: float = KERNEL


def burning(time: float, wavelength: int) -> list[Burning]:
    """The flares that one image shows; see `light`."""
    found = flares()
    first = int(np.searchsorted(found.begin, time - LASTING, side="right"))
    which = np.arange(first, int(np.searchsorted(found.begin, time, side="right")))
    which = which[time < found.end[which]]
    response = np.broadcast_to(np.array(_RESPONSES[wavelength]), (len(which), 4))
    flash, glow = _phases(which, np.full(len(which), time), response)
    flash, glow = _PIXELS * flash, _PIXELS * glow
    columns = (which, found.host[which], flash + glow, 0.5 * flash, CORE * glow, (1 - CORE) * glow)
    return [Burning(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
