"""
Computed series with one record a slot: full-disk observables, pointing, housekeeping, daily charts.

Records stand on a grid of moments (the slots of the time key) and cells (AIA's channels). The index of a record is
``moment * cells + cell``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...times import words
from ..catalog import tables
from .availability import END, inside, moment, outages, quality, reprocessed
from .ephemeris import DAY
from .noise import BoolArray, FloatArray, IntArray, uniform
from .series import ComputedSeries, Rows, Value, limits
from .spec import Spec

#: Side camera alone until then, both cameras combined afterwards.
COMBINED: Final = moment("2012.01.01")


class Grid(ComputedSeries):
    """
    Slots of a time key, one record each.

    Parameters
    ----------
    spec : Spec
        With ``slot``, ``start`` and perhaps ``end``.
    values
        See `ComputedSeries`.
    """

    #: Records of one moment.
    cells = 1
    #: Columns whose limits `_moments` and `_cells` apply in full.
    exact: tuple[str, ...] = ()

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        super().__init__(spec, values)
        self._lay_out()
        self.size = self.moments * self.cells

    def _lay_out(self) -> None:
        """Set where the moments are."""
        slot, options = self.spec.slot, self.spec.options
        self.step = float(slot["step"])
        # AIA's records bear times somewhat before the middle of their slots
        self.epoch = words.scan_time(slot["epoch"]) - slot.get("early", 0)
        start, end = moment(options["start"]), min(END, moment(options.get("end", "2026.11.01")))
        self.first = math.ceil((start - self.epoch) / self.step)
        self.moments = max(1, math.floor((end - self.epoch) / self.step) - self.first)
        self.outer = f"{slot['key'].lower()}_index"
        self.exact = (self.outer,)

    def _moment_times(self, number: npt.NDArray[Any]) -> FloatArray:
        """Time that the records of each moment bear."""
        return np.asarray(self.epoch + self.step * (self.first + number), dtype=np.float64)

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`."""
        return self._moment_times(index // self.cells)

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        if column == self.outer:
            return np.asarray(self.first + index // self.cells, dtype=np.int64)
        if column == self.outer.removesuffix("_index"):
            return self.times(index)
        if column == "camera" and "CAMERA" in self.spec.options["prime"]:
            return self.cameras(self.times(index))
        if column == "requestid":
            # who asked for a record did so some days after it
            days, numbers = self.times(index) + (9 + 80 * uniform(index, "request day")) * DAY, index % 1000 + 1
            texts = [words.format_time(day)[:10].replace(".", "") for day in days.tolist()]
            return np.array([f"JSOC_{day}_{n:06d}" for day, n in zip(texts, numbers, strict=True)], dtype=object)
        raise KeyError(column)

    def cameras(self, times: FloatArray) -> IntArray:
        """CAMERA of HMI's observables: 2 front; 1 side, and 3 for both combined since 2012."""
        front = self.spec.options.get("camera") == "front"
        return np.full(len(times), 2, dtype=np.int64) if front else side_cameras(times)

    # --- which records there are ---------------------------------------------------------------------------------

    def _moments(self, bounds: Mapping[str, tables.Bound]) -> tuple[int, int]:
        """First and last moment that may lie within the bounds."""
        low, high = limits(bounds, self.outer)
        first = math.ceil(max(low, self.first)) - self.first
        last = math.floor(min(high, self.first + self.moments - 1)) - self.first
        return first, last

    def _cells(self, bounds: Mapping[str, tables.Bound]) -> IntArray:
        """Cells that may lie within the bounds."""
        return np.arange(self.cells)

    def _marked(self, first: int, last: int, stretches: FloatArray) -> BoolArray:
        """Which moments from `first` to `last` lie in the stretches of time."""
        mark = np.zeros(max(0, last - first + 1), dtype=bool)
        begin = np.ceil((stretches[:, 0] - self.epoch) / self.step).astype(np.int64) - self.first - first
        end = np.ceil((stretches[:, 1] - self.epoch) / self.step).astype(np.int64) - self.first - first
        for low, high in zip(begin.tolist(), end.tolist(), strict=True):
            if high > 0 and low < len(mark):
                mark[max(0, low) : high] = True
        return mark

    def _there(self, first: int, last: int) -> IntArray:
        """The moments from `first` to `last` that are no outage."""
        return first + np.flatnonzero(~self._marked(first, last, outages(self.spec.instrument)))

    def _indices(self, moments: IntArray) -> IntArray:
        """Places of all records of some moments."""
        index = (moments[:, None] * self.cells + np.arange(self.cells)[None, :]).ravel()
        return np.asarray(index[self._kept(index)], dtype=np.int64)

    def _kept(self, index: IntArray) -> BoolArray:
        """Which places of the grid are ever filled, outages aside."""
        return np.ones(len(index), dtype=bool)

    def places(self, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        first, last = self._moments(bounds)
        cells = self._cells(bounds)
        self.refuse_many((last - first + 1) * len(cells))
        number = self._there(first, last)
        again = self._marked(first, last, reprocessed(self.spec.instrument))[number - first]
        index = (number[:, None] * self.cells + cells[None, :]).ravel()
        again = np.repeat(again, len(cells))
        keep = self._kept(index)
        for column, (low, high) in bounds.items():
            if column in self.exact:
                continue
            keep &= tables.within(self.prime_values(column, index), low, high)
        return (index, again) if keep.all() else (index[keep], again[keep])

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return ~inside(self._moment_times(index // self.cells), outages(self.spec.instrument)) & self._kept(index)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return inside(self._moment_times(index // self.cells), reprocessed(self.spec.instrument))

    @cached_property
    def _recnum_extremes(self) -> tuple[int, int]:
        ends = self._ends
        # the last moment that was made twice
        for begin, end in reprocessed(self.spec.instrument)[::-1].tolist():
            first = max(0, math.ceil((begin - self.epoch) / self.step) - self.first)
            last = min(self.moments, math.ceil((end - self.epoch) / self.step) - self.first) - 1
            places = self._indices(self._there(first, last))
            if len(places):
                return int(ends[0]) + 1, self.size + int(places[-1]) + 1
        return int(ends[0]) + 1, int(ends[-1]) + 1

    @cached_property
    def _ends(self) -> IntArray:
        """Places of all records of the first and of the last days, more than any outage there lasts."""
        window = min(self.moments, max(400, math.ceil(3 * DAY / self.step)))
        spans = ((0, window - 1), (self.moments - window, self.moments - 1))
        return self._indices(np.unique(np.concatenate([self._there(first, last) for first, last in spans])))

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`."""
        return quality(self.spec.instrument, rows.time)

    def link(self, rows: Rows, target: str) -> IntArray:
        """See `ComputedSeries.link`: the same slot of the sister series."""
        return rows.index + 1

    def _near(self, bounds: Mapping[str, tables.Bound], *scales: tuple[str, float, float]) -> tuple[int, int]:
        """First and last moment that may lie within bounds of columns that grow with it: name, growth and start."""
        first, last = 0, self.moments - 1
        for column, scale, zero in scales:
            low, high = limits(bounds, column)
            if low > -math.inf:
                first = max(first, math.floor((low - zero) / scale) - 1)
            if high < math.inf:
                last = min(last, math.floor((high - zero) / scale) + 1)
        return first, last


def side_cameras(times: FloatArray) -> IntArray:
    """CAMERA of what the side camera takes part in: 1, and 3 for both combined since 2012."""
    return np.where(times < COMBINED, 1, 3)
