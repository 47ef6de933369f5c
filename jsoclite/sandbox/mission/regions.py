"""
The active regions of three solar cycles, and their flares.

Numbers and dates of HARPs that print-outs of the archive show (377, 1834, 3604, 4864, 11465 …) are those of the
archive; between them the population is invented: latitudes follow the butterfly diagram, polarities Hale's law, tilts
Joy's law, and a region crosses the disk with the rotation of its latitude. Regions before May 2010 have no HARP number
(they are in MDI's images only).

The great flares are those of GOES; small ones are drawn for each active region from hashes, the more the stronger it
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

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ...times import words
from ..catalog import schema
from .ephemeris import DAY, moment, view
from .noise import FloatArray, IntArray, normal, smooth, uniform
from .spec import recorded

#: Length of a slot of the HARP series, seconds.
STEP: Final = 720.0
#: Start of slot 0 (1993.01.01_00:00:00_TAI).
EPOCH: Final = moment("1993.01.01")

# Minimum of each solar cycle and the next, and the sign of the leading polarity in the north.
_CYCLES: Final = (("1996.06.01", "2008.12.01", 1), ("2008.12.01", "2019.12.01", -1), ("2019.12.01", "2030.10.01", 1))
# Years in which the north's polar field was strongest (first, third, …; 1985 negative), and in which it was zero.
_POLES: Final = (1985.8, 1990.8, 1996.4, 2001.0, 2007.8, 2013.5, 2019.2, 2023.8, 2029.8)


class _Harp(NamedTuple):
    """
    A HARP of the archive.

    Attributes
    ----------
    latitude, meridian : float
        Degrees, longitude from the central meridian; where it was first seen, or at `time`.
    flux : float
        Largest, Mx.
    records : int
        0 for as many as it has until it is lost behind the limb.
    time : str
        Of a great flare (TAI).
    """

    number: int
    noaa: str
    latitude: float
    meridian: float
    flux: float
    records: int
    time: str = ""


# Longitude from the meridian at which regions come and go, degrees.
_EDGE: Final = 78.0
# Where the archive's strong regions are lost behind the limb, degrees.
_BEYOND: Final = 93.0


@dataclass(frozen=True)
class Regions:
    """
    Active regions; arrays of one value a region, ascending by number.

    Attributes
    ----------
    number : ndarray of int64
        HARP number, negative before HARPs.
    first, count : ndarray of int64
        First slot of 720 s, and number of slots of its life.
    begun : ndarray
        Time at which it emerged, which may be behind the limb.
    latitude, longitude : ndarray
        Degrees; Carrington longitude at the time of `first`.
    drift : ndarray
        Degrees a day against Carrington's rotation.
    width, height : ndarray
        Half extent in longitude and latitude, degrees.
    flux : ndarray
        Largest unsigned flux, Mx.
    decay : ndarray
        Days in which the flux falls to a third.
    leading : ndarray
        Sign of the leading polarity.
    tilt : ndarray
        Angle of the axis towards the equator, degrees.
    noaa : ndarray of str
        NOAA numbers, comma separated, empty for none.
    """

    number: IntArray
    first: IntArray
    count: IntArray
    begun: FloatArray
    latitude: FloatArray
    longitude: FloatArray
    drift: FloatArray
    width: FloatArray
    height: FloatArray
    flux: FloatArray
    decay: FloatArray
    leading: FloatArray
    tilt: FloatArray
    noaa: npt.NDArray[np.object_]

    @property
    def last(self) -> IntArray:
        """Last slot of each region's life."""
        return self.first + self.count - 1

    def carrington(self, which: IntArray, times: FloatArray) -> FloatArray:
        """Carrington longitude (degrees, not reduced) of regions `which` at `times`."""
        start = EPOCH + STEP * self.first[which]
        return np.asarray(self.longitude[which] + self.drift[which] * (times - start) / DAY)

    def growth(self, which: IntArray, times: FloatArray) -> FloatArray:
        """Unsigned flux over its largest value: up in two days, down over `decay`, with a few percent of wandering."""
        age = np.maximum(0.02, (times - self.begun[which]) / DAY)
        shape = (1 - np.exp(-age / 1.6)) * np.exp(-np.maximum(0, age - 4) / self.decay[which])
        wander = smooth(times + 7919.0 * self.number[which], 5.0 * 3600, "growth")
        return np.asarray(shape * (1 + 0.03 * wander))

    def alive(self, time: float) -> IntArray:
        """Indices of the regions on the disk at `time`."""
        slot = (time - EPOCH) / STEP
        return np.flatnonzero((self.first <= slot + 0.5) & (self.last >= slot - 0.5))


def cycle(times: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Phase within the solar cycle (0 to 1), and Hale's sign of the north's leading polarity."""
    phase, sign = np.zeros(len(times)), np.ones(len(times))
    for first, last, hale in _CYCLES:
        start, end = moment(first), moment(last)
        within = (times >= start) & (times < end)
        phase[within] = (times[within] - start) / (end - start)
        sign[within] = hale
    early = times < moment(_CYCLES[0][0])
    phase[early], sign[early] = 0.99, -1
    return phase, sign


def activity(times: FloatArray) -> FloatArray:
    """Strength of the cycle, 0 at minimum to 1 at maximum."""
    phase, _ = cycle(np.asarray(times, dtype=np.float64))
    return np.asarray(np.exp(-(((phase - 0.42) / 0.25) ** 2)))


def polar_field(times: FloatArray, north: bool) -> FloatArray:
    """Mean radial field of a polar cap, Gauss: reversals in 2001, 2013 and 2023, in the south somewhat later."""
    years = 1996 + (times - moment("1996.01.01")) / (365.25 * DAY) - (0.0 if north else 0.8)
    phase = np.interp(years, _POLES, 0.5 * np.arange(len(_POLES)))
    yearly = 0.25 * np.sin(2 * np.pi * times / (365.25 * DAY))
    return np.asarray((1 if north else -1) * (-4.2 * np.cos(np.pi * phase) - yearly))


def _harps() -> list[_Harp]:
    return [_Harp(*row) for row in recorded("harps")]


@cache
def regions() -> Regions:
    """All regions from 1996 to the end of the archive."""
    anchors = np.array([[number, moment(text)] for number, text in recorded("harp_starts")])
    numbers = np.arange(1, int(anchors[-1, 0]) + 1)
    kept = np.isin(numbers, [one.number for one in _harps()])
    numbers = numbers[(uniform(numbers, "harp kept") < 0.5) | kept]
    spread = (uniform(numbers, "harp time") - 0.5) * 0.8
    times = np.interp(numbers + spread, anchors[:, 0], anchors[:, 1])
    # before the HARPs: one region a day at maximum
    early = np.arange(-5200, 0)
    days = moment("1996.01.01") + (early + 5200) * (moment("2010.05.01") - moment("1996.01.01")) / 5200
    chosen = uniform(early, "region kept") < 0.06 + 0.9 * activity(days)
    numbers = np.concatenate([early[chosen], numbers])
    times = np.concatenate([days[chosen], times])
    return _build(numbers, times)


def _build(numbers: IntArray, times: FloatArray) -> Regions:
    draw = uniform
    phase, hale = cycle(times)
    north = draw(numbers, "hemisphere") < 0.5
    latitude = np.maximum(2.0, 27.0 - 24.0 * phase**0.8 + 5.0 * normal(numbers, "latitude"))
    latitude = np.where(north, latitude, -latitude)
    limb = draw(numbers, "from the limb") < 0.55
    meridian = np.where(limb, -_EDGE + 3 * draw(numbers, "limb"), -65.0 + 125.0 * draw(numbers, "emergence"))
    flux = 10 ** np.clip(21.65 + 0.45 * normal(numbers, "flux"), 20.5, 22.6)
    lifetime = np.clip(0.6 - 6.5 * np.log(1 - draw(numbers, "life")) * (flux / 3e21) ** 0.25, 0.4, 40.0)
    begun = times - np.where(limb, 3.0 * DAY + 4.0 * DAY * draw(numbers, "age"), 0.1 * DAY)
    records = (lifetime * DAY / STEP).astype(np.int64)
    place = {int(number): index for index, number in enumerate(numbers)}
    noaa = _noaa(numbers, times, flux)
    first = np.ceil((times - EPOCH) / STEP).astype(np.int64)
    appeared = {number: moment(text) for number, text in recorded("harp_starts")}
    for one in _harps():
        index = place[one.number]
        latitude[index], meridian[index], flux[index], noaa[index] = one.latitude, one.meridian, one.flux, one.noaa
        if one.time:
            rate = 13.2 + float(_drift(latitude[index : index + 1])[0])
            meridian[index] = min(-_EDGE, one.meridian - 4.0)
            crossing = (one.meridian - meridian[index]) / rate * DAY
            first[index] = round((moment(one.time) - crossing - EPOCH) / STEP)
            records[index] = int((_BEYOND - meridian[index]) / rate * DAY / STEP)
            # at its largest when it flares
            begun[index] = moment(one.time) - 4.5 * DAY
        else:
            records[index], first[index] = one.records, round((appeared[one.number] - EPOCH) / STEP)
            begun[index] = times[index] - (0.1 if one.meridian > -65 else 4.0) * DAY
    drift = _drift(latitude)
    # a region that the archive does not know longer leaves at the western limb
    transit = ((_EDGE - meridian) / (13.2 + drift) * DAY / STEP).astype(np.int64)
    fixed = np.isin(numbers, [one.number for one in _harps()])
    count = np.where(fixed, records, np.maximum(1, np.minimum(records, transit)))
    horizon = int((moment("2026.11.01") - EPOCH) / STEP)
    count = np.minimum(count, horizon - first)
    width = np.clip(2.2 + 3.4 * (flux / 3e21) ** 0.4 * (0.8 + 0.4 * draw(numbers, "width")), 2.5, 16.0)
    height = np.clip(width * (0.45 + 0.15 * draw(numbers, "height")), 1.5, 9.0)
    several = np.array([name.count(",") for name in noaa])
    width = np.clip(width + 1.5 * several, 2.5, 18.0)
    longitude = (view(EPOCH + STEP * first).longitude + meridian) % 360.0
    decay = np.clip(4.0 + 6.0 * draw(numbers, "decay") * (flux / 3e21) ** 0.3, 3.0, 30.0)
    leading = np.where(latitude > 0, hale, -hale) * np.where(draw(numbers, "hale") < 0.04, -1, 1)
    tilt, names = 0.5 * np.abs(latitude) + 6.0 * normal(numbers, "tilt"), np.array(noaa, dtype=object)
    found = Regions(
        numbers, first, count, begun, latitude, longitude, drift, width, height, flux, decay, leading, tilt, names
    )
    return _as_published(found)


def _drift(latitude: FloatArray) -> FloatArray:
    """Rotation of a latitude against Carrington's, degrees a day."""
    sine = np.sin(np.radians(latitude)) ** 2
    return np.asarray(14.38 - 1.95 * sine - 2.17 * sine**2 - 14.1844)


def _noaa(numbers: IntArray, times: FloatArray, flux: FloatArray) -> list[str]:
    """NOAA numbers of the stronger regions, as many a year as NOAA counted; large HARPs span two regions."""
    table = np.array([[moment(day), number] for day, number in recorded("noaa")])
    named = flux > 2.5e21
    guess = np.floor(np.interp(times, table[:, 0], table[:, 1])).astype(np.int64)
    names = [""] * len(numbers)
    used = 0
    taken = {int(number) for one in _harps() for number in one.noaa.split(",") if number}
    for index in np.flatnonzero(named).tolist():
        number = int(guess[index])
        wide = flux[index] > 2.2e22
        if number <= used or taken & {number, number + int(wide)}:
            continue
        names[index] = f"{number},{number + 1}" if wide else str(number)
        used = number + int(wide)
    return names


def _as_published(found: Regions) -> Regions:
    """
    As a published print-out has it: 61 HARP records between 00:00 and 01:00 TAI on 2014.01.01.

    Ten regions are there for all of its six slots; an eleventh is seen for the first time at 01:00.
    """
    start, end = (int((moment(text) - EPOCH) / STEP) for text in ("2014.01.01", "2014.01.01_01:00"))
    whole = (found.number > 0) & (found.first <= start) & (found.last >= end)
    part = (found.number > 0) & (found.first <= end) & (found.last >= start) & ~whole
    known = np.isin(found.number, [one.number for one in _harps() if not one.time])
    surplus = np.flatnonzero(whole & ~known)[max(0, 10 - int((whole & known).sum())) :]
    drop = np.zeros(len(found.number), dtype=bool)
    drop[surplus] = True
    drop |= (part & ~known) | (found.count < 1)
    late = np.flatnonzero((found.first > end) & (found.number > 3563) & ~known)[0]
    found.first[late] = end
    return Regions(**{name: column[~drop] for name, column in vars(found).items()})


class Lives(NamedTuple):
    """
    The records of all HARPs, or of MDI's TARPs.

    Attributes
    ----------
    rows, number : ndarray of int64
        Row of each in `regions`, and the number that it has here, ascending.
    first, last : ndarray of int64
        Its first and last slot.
    offsets : ndarray of int64
        Position of its first record in the list of all slots of all; one more element, the total.
    """

    rows: IntArray
    number: IntArray
    first: IntArray
    last: IntArray
    offsets: IntArray


@cache
def lives(step: float, end: float, *, early: bool) -> Lives:
    """Lives of the regions in slots of `step` seconds until `end`; `early` with those before the HARPs."""
    found = regions()
    first = np.ceil(found.first * STEP / step).astype(np.int64)
    last = np.minimum(found.last * STEP // step, (end - EPOCH) // step).astype(np.int64)
    rows = np.flatnonzero((early | (found.number > 0)) & (last >= first))
    offsets = np.concatenate([[0], np.cumsum((last - first + 1)[rows])])
    number = found.number[rows] + (1 - int(found.number[0]) if early else 0)
    return Lives(rows, number, first[rows], last[rows], offsets.astype(np.int64))


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
_RESPONSES: Final = {int(wave): row for wave, row in schema.data("channels")["flares"].items()}
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
