"""
HARP series: one record for each active region patch and slot of 720 s in which it was on the disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from ..catalog import Keyword, Segment, tables
from .availability import inside as within
from .availability import moment, quality, reprocessed
from .noise import BoolArray, FloatArray, IntArray
from .regions import EPOCH, STEP, in_outage, present_slots, regions
from .series import ComputedSeries, Rows, Value, limits
from .spec import Spec

#: Scale of the CEA maps (degrees) and of the CCD cut-outs (arcsec): four pixels of the archive in one.
CEA_SCALE: Final = 0.12
CCD_SCALE: Final = 2.01717
# BUNIT in published headers of patches where it is not the unit of the segment's definition.
_HEADER_UNITS: Final = {"Gauss": "Mx/cm^2", "m/s": "cm/s", "Enumerated": "", "none": ""}


class Patches(ComputedSeries):
    """Records under HARPNUM and T_REC; see `ComputedSeries`."""

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        super().__init__(spec, values)
        self.start = math.ceil((moment(spec.options["start"]) - EPOCH) / STEP)

    @cached_property
    def _table(self) -> tuple[IntArray, IntArray]:
        return present_slots()

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        """Number of places for records, one version each."""
        return int(self._table[1][-1])

    def rows_of(self, index: IntArray) -> IntArray:
        """Row in `regions` of each record."""
        rows, offsets = self._table
        return rows[np.searchsorted(offsets, index, side="right") - 1]

    def slots(self, index: IntArray) -> IntArray:
        """T_REC_index of each record."""
        rows, offsets = self._table
        which = np.searchsorted(offsets, index, side="right") - 1
        return np.asarray(regions().first[rows[which]] + index - offsets[which], dtype=np.int64)

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`."""
        return np.asarray(EPOCH + STEP * self.slots(index))

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        if column == "harpnum":
            return regions().number[self.rows_of(index)]
        if column == "t_rec_index":
            return self.slots(index)
        if column == "t_rec":
            return self.times(index)
        raise KeyError(column)

    def places(self, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        rows, offsets = self._table
        found = regions()
        low, high = limits(bounds, "harpnum")
        keep = (found.number[rows] >= low) & (found.number[rows] <= high)
        low, high = limits(bounds, "t_rec_index")
        begin = np.ceil(np.maximum(found.first[rows], max(low, self.start))).astype(np.int64)
        end = np.floor(np.minimum(found.last[rows], high)).astype(np.int64)
        length = np.where(keep, np.maximum(0, end - begin + 1), 0)
        which = np.repeat(np.arange(len(rows)), length)
        within_life = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
        slot = begin[which] + within_life
        index = offsets[which] + slot - found.first[rows][which]
        there = ~in_outage(slot)
        index, slot = index[there], slot[there]
        return index, within(np.asarray(EPOCH + STEP * slot, dtype=np.float64), reprocessed("hmi"))

    def _extremes(self, column: str) -> tuple[int | float | str, int | float | str] | None:
        if column == "harpnum":
            ends = self.prime_values(column, self._end_places)
            return int(ends.min()), int(ends.max())
        found, (rows, _) = regions(), self._table
        # a fortnight at each end of the time
        low = max(self.start, int(found.first[rows].min()))
        high = int(found.last[rows].max())
        early, _ = self.places({"t_rec_index": (low, low + 1700)})
        late, _ = self.places({"t_rec_index": (high - 1700, high)})
        return int(self.slots(early).min()), int(self.slots(late).max())

    @cached_property
    def _end_places(self) -> IntArray:
        """Places of the records of the first and last fifty HARPs that the series has."""
        found, (rows, _) = regions(), self._table
        rows = rows[found.last[rows] >= self.start]
        numbers = found.number[rows]
        first, _ = self.places({"harpnum": (int(numbers[0]), int(numbers[min(50, len(rows) - 1)]))})
        last, _ = self.places({"harpnum": (int(numbers[max(-50, -len(rows))]), int(numbers[-1]))})
        return np.unique(np.concatenate([first, last]))

    @cached_property
    def _recnum_extremes(self) -> tuple[int, int]:
        first = int(self._end_places[0]) + 1
        numbers = regions().number[self._table[0]]
        for begin in range(len(numbers), 0, -50):
            index, again = self.places({"harpnum": (int(numbers[max(0, begin - 50)]), int(numbers[begin - 1]))})
            if again.any():
                return first, self.size + int(index[again][-1]) + 1
        return first, int(self._end_places[-1]) + 1

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        slot = self.slots(index)
        return ~in_outage(slot) & (slot >= self.start)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return within(self.times(index), reprocessed("hmi"))

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`."""
        return quality("hmi", rows.time)

    def _per_segment(self, rows: Rows, key: Keyword) -> Any:
        value = super()._per_segment(rows, key)
        return _HEADER_UNITS.get(value, value) if key.base.lower() == "bunit" else value

    def axes(self, rows: Rows, segment: Segment) -> tuple[Any, ...]:
        """See `ComputedSeries.axes`: the extent of the patch, in pixels of the map or of the camera."""
        return patch_size(self.spec.options["projection"], self.rows_of(rows.index))

    def link(self, rows: Rows, target: str) -> IntArray:
        """See `ComputedSeries.link`: hmi.B_720s of the same slot, its newest version."""
        slot = self.slots(rows.index)
        first = math.ceil((moment("2010.05.01") - EPOCH) / STEP)
        size = math.floor((moment("2026.11.01") - EPOCH) / STEP) - first
        again = within(rows.time, reprocessed("hmi"))
        return np.where((slot >= first) & (slot - first < size), slot - first + 1 + np.where(again, size, 0), -1)


def patch_size(projection: str, which: IntArray) -> tuple[IntArray, IntArray]:
    """Columns and rows of a patch's images; a CCD cut-out keeps the size it has at the central meridian."""
    found = regions()
    width, height = 2 * found.width[which], 2 * found.height[which]
    if projection == "cea":
        return np.rint(width / CEA_SCALE).astype(np.int64), np.rint(height / CEA_SCALE).astype(np.int64)
    degree = 960.0 * math.pi / 180 / CCD_SCALE
    return np.rint(width * degree).astype(np.int64), np.rint(height * degree * 1.1).astype(np.int64)
