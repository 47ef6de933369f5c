"""
Active regions: what is known of each, how it moves and grows, and the solar cycle that they follow.

The regions themselves are made in `jsoclite.sandbox.population`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .availability import DAY, moment
from .noise import smooth
from .rows import FloatArray, IntArray

#: Length of a slot of the HARP series, seconds.
STEP: Final = 720.0
#: Start of slot 0 (1993.01.01_00:00:00_TAI).
EPOCH: Final = moment("1993.01.01")

# Minimum of each solar cycle and the next, and the sign of the leading polarity in the north.
_CYCLES: Final = (("1996.06.01", "2008.12.01", 1), ("2008.12.01", "2019.12.01", -1), ("2019.12.01", "2030.10.01", 1))


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
    noaa : tuple of str
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
    noaa: tuple[str, ...]

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
