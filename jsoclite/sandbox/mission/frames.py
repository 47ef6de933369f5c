"""
Frames of AIA and IRIS: aia.lev1, the slotted series that lead to it, and iris.lev1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from ..catalog import Segment, tables
from .availability import END, inside, moment, outages, quality, reprocessed
from .noise import BoolArray, FloatArray, IntArray, uniform
from .series import Rows, Value, limits
from .slots import Grid
from .spec import Spec

#: Channels of AIA's slotted series, angstrom.
CHANNELS: Final[Mapping[str, tuple[int, ...]]] = {
    "euv": (94, 131, 171, 193, 211, 304, 335),
    "uv": (1600, 1700),
    "vis": (4500,),
}
#: Frames of aia.lev1 within 12 s in order of time: channel (0 for 1600 and 1700 in turn), and T_OBS after the slot, s.
FRAMES: Final = (
    (171, 0.34),
    (94, 1.12),
    (211, 1.62),
    (335, 3.62),
    (0, 5.13),
    (193, 6.84),
    (304, 8.13),
    (131, 9.62),
    (4500, 10.84),
)
#: FSN of the first record.
FIRST_FSN: Final = 1_000_000
_STEP: Final = 12.0
#: Number of the first 12 s of aia.lev1, and how many there are.
_FIRST: Final = math.ceil(moment("2010.05.13") / _STEP)
_MOMENTS: Final = math.floor(END / _STEP) - _FIRST


class Channels(Grid):
    """AIA's slotted series: T_REC and WAVELNTH; each record points to its frame in aia.lev1."""

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        self.wavelengths = np.array(CHANNELS[spec.options["channels"]], dtype=np.int64)
        self.cells = len(self.wavelengths)
        super().__init__(spec, values)
        self.exact = (self.outer, "wavelnth")

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        if column == "wavelnth":
            return self.wavelengths[index % self.cells]
        return super().prime_values(column, index)

    def _cells(self, bounds: Mapping[str, tables.Bound]) -> IntArray:
        low, high = limits(bounds, "wavelnth")
        return np.flatnonzero((self.wavelengths >= low) & (self.wavelengths <= high))

    @cached_property
    def _frame(self) -> IntArray:
        """Cell of aia.lev1 that holds each channel."""
        order = [wavelength for wavelength, _ in FRAMES]
        return np.array([order.index(w if w in order else 0) for w in self.wavelengths.tolist()], dtype=np.int64)

    def frames(self, index: IntArray) -> IntArray:
        """Place of each record's frame in aia.lev1."""
        cell = index % self.cells
        slot = np.rint(self.times(index) / _STEP).astype(np.int64)
        slot += self.wavelengths[cell] == 1700
        return np.asarray((slot - _FIRST) * len(FRAMES) + self._frame[cell], dtype=np.int64)

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`: that of the frame."""
        return quality("aia", _frame_slots(self.frames(rows.index)))

    def link(self, rows: Rows, target: str) -> IntArray:
        """See `ComputedSeries.link`: the newest version of the frame in aia.lev1."""
        frames = self.frames(rows.index)
        size = _MOMENTS * len(FRAMES)
        moments = _frame_slots(frames)
        there = (frames >= 0) & (frames < size) & ~inside(moments, outages("aia"))
        newest = frames + 1 + np.where(inside(moments, reprocessed("aia")), size, 0)
        return np.where(there, newest, -1)


class Frames(Grid):
    """aia.lev1: every frame, under T_REC (slots of one second) and FSN."""

    cells = len(FRAMES)

    def _lay_out(self) -> None:
        self.step, self.epoch = _STEP, 0.0
        self.first, self.moments = _FIRST, _MOMENTS
        self.outer = "t_rec_index"

    def times(self, index: IntArray) -> FloatArray:
        """T_REC, the nearest whole second to T_OBS."""
        return np.floor(frame_times(index) + 0.5)

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        if column == "fsn":
            return FIRST_FSN + index
        # slots of one second
        return self.times(index).astype(np.int64) if column == "t_rec_index" else super().prime_values(column, index)

    def _moments(self, bounds: Mapping[str, tables.Bound]) -> tuple[int, int]:
        return self._near(bounds, ("t_rec_index", _STEP, _STEP * self.first), ("fsn", self.cells, FIRST_FSN))

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`: one word for all frames of 12 s."""
        return quality("aia", self._moment_times(rows.index // self.cells))

    def _kept(self, index: IntArray) -> BoolArray:
        # the visible channel fires once an hour
        hourly = (self.first + index // self.cells) % 300 == 0
        return np.asarray((index % self.cells != self.cells - 1) | hourly)

    def axes(self, rows: Rows, segment: Segment) -> tuple[Any, ...]:
        """Spikes are a list: as many as NSPIKES, three numbers each."""
        return (spike_counts(rows.index), 3) if segment.name == "spikes" else super().axes(rows, segment)


class Exposures(Grid):
    """iris.lev1: far and near ultraviolet spectra and a slit-jaw image every 9.6 s, under T_OBS and FSN."""

    cells = 3

    def _lay_out(self) -> None:
        # there are no slots to take from the definition
        self.step, self.epoch, self.first = 9.6, moment("2013.07.17"), 0
        self.moments = int((END - self.epoch) / self.step)
        self.outer = "t_obs_index"

    def times(self, index: IntArray) -> FloatArray:
        """Middle of the exposure; the three cameras a hundredth of a second apart."""
        return self._moment_times(index // self.cells) + 0.89 + 0.01 * (index % self.cells)

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        return FIRST_FSN + index if column == "fsn" else super().prime_values(column, index)

    def _moments(self, bounds: Mapping[str, tables.Bound]) -> tuple[int, int]:
        return self._near(bounds, ("t_obs", self.step, self.epoch), ("fsn", self.cells, FIRST_FSN))


def _frame_slots(index: IntArray) -> FloatArray:
    """Start of the 12 s that each frame of aia.lev1 belongs to."""
    return np.asarray(_STEP * (_FIRST + index // len(FRAMES)), dtype=np.float64)


def frame_times(index: IntArray) -> FloatArray:
    """T_OBS of the frames of aia.lev1."""
    offsets = np.array([offset for _, offset in FRAMES])
    return np.asarray(_frame_slots(index) + offsets[index % len(FRAMES)])


def frame_wavelengths(index: IntArray) -> IntArray:
    """WAVELNTH of the frames of aia.lev1: 1600 and 1700 take turns."""
    channel = np.array([wavelength for wavelength, _ in FRAMES], dtype=np.int64)[index % len(FRAMES)]
    odd = (_FIRST + index // len(FRAMES)) % 2 == 1
    return np.where(channel == 0, np.where(odd, 1700, 1600), channel)


def spike_counts(index: IntArray) -> IntArray:
    """NSPIKES of the frames of aia.lev1."""
    return (8.0 * 10 ** (0.5 + uniform(index, "spikes"))).astype(np.int64)
