"""
The mission as it was at a moment: series that grow, and whose records are made anew, as the sandbox's clock goes on.

A record is there a day after its time. What was made a second time is so forty days after it, under a new record
number; until then the first version is the newest one. `highest` stands in for the number that JSOC gives next: first
versions have numbers from the beginning here, so the highest one alone would not say that records were added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .availability import reprocessed
from .ephemeris import DAY
from .slots import Grid

if TYPE_CHECKING:
    from ..catalog import Keyword, tables
    from .noise import BoolArray, IntArray
    from .series import ComputedSeries, Rows, Value
    from .spec import Spec

FIRST: Final = 1 * DAY
SECOND: Final = 40 * DAY
# 1977.01.01_TAI in Unix time; leap seconds do not matter here
_EPOCH: Final = 220924800.0


class Ageing:
    """What a kind of series does otherwise when it ages; `Grid` and others come behind it."""

    #: What is known of its ends will not hold.
    ages = True
    now: Callable[[], float] = staticmethod(lambda: math.inf)

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        self._at_end: dict[str, tuple[int, Any]] = {}
        super().__init__(spec, values)  # type: ignore[call-arg]

    def _made(self: Any, index: IntArray, delay: float) -> BoolArray:
        return np.asarray(self.times(index) <= self.now() - _EPOCH - delay)

    def places(self: Any, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        index, again = super().places(bounds)  # type: ignore[misc]
        there = self._made(index, FIRST)
        return index[there], (again & self._made(index, SECOND))[there]

    def count(self: Any, bounds: Mapping[str, tables.Bound]) -> int:
        """See `ComputedSeries.count`."""
        return len(self.places(bounds)[0])

    def present(self: Any, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return np.asarray(super().present(index) & self._made(index, FIRST))  # type: ignore[misc]

    def twice(self: Any, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return np.asarray(super().twice(index) & self._made(index, SECOND))  # type: ignore[misc]

    def _keyword(self: Any, rows: Rows, key: Keyword) -> Any:
        value = super()._keyword(rows, key)  # type: ignore[misc]
        # nothing was made later than it was there
        return np.minimum(value, rows.time + np.where(rows.version, SECOND, FIRST)) if key.column == "date" else value

    def extremes(self: Any, column: str) -> Any:
        """See `Series.extremes`."""
        low, high = self.highest()
        if column == "recnum":
            return low, high
        if self._at_end.get(column, (0, None))[0] != high:
            values = self.prime_values(column, self.places({})[0])
            self._at_end[column] = high, (values.min().item(), values.max().item()) if len(values) else None
        return self._at_end[column][1]

    def highest(self: Any) -> tuple[int, int]:
        """Return the least record number, and one that grows whenever a slot is filled or made anew."""
        now = self.now() - _EPOCH
        slots = max(0, math.floor((now - FIRST) / getattr(self, "step", 720.0)))
        again = int((reprocessed(self.spec.instrument)[:, 1] <= now - SECOND).sum())
        return 1, 2 * self.size + slots + again


class AgeingGrid(Ageing):
    """A `Grid` has as many moments as have passed."""

    @property
    def moments(self) -> int:
        """Slots that there are by now."""
        grid: Any = self
        passed = (grid.now() - _EPOCH - FIRST - grid.epoch) / grid.step
        return self._all if passed == math.inf else max(1, min(self._all, math.floor(passed) - grid.first + 1))

    @moments.setter
    def moments(self, value: int) -> None:
        self._all = value

    @property
    def _ends(self) -> IntArray:
        index: IntArray = vars(Grid)["_ends"].func(self)
        return index[self._made(index, FIRST)]

    def extremes(self: Any, column: str) -> Any:
        """See `Series.extremes`."""
        return self.highest() if column == "recnum" else self._extremes(column)


def ageing(kind: type[ComputedSeries]) -> type[ComputedSeries]:
    """Return a kind of series that ages; its attribute `now` says the time, in Unix time."""
    mixin = AgeingGrid if issubclass(kind, Grid) else Ageing
    return type(f"Ageing{kind.__name__}", (mixin, kind), {})
