"""
Computed series without a long time axis: synoptic charts by Carrington rotation, and tables of a few hundred records.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from ..catalog.catalog import Bound, Column
from ..catalog.definition import Segment
from .availability import DAY, moment
from .ephemeris import rotation_start
from .frames import CHANNELS
from .noise import uniform
from .rows import BoolArray, FloatArray, IntArray, Rows, Value
from .series import ComputedSeries
from .spec import Spec

#: First and last Carrington rotation of the charts.
ROTATIONS: Final = {"hmi": (2096, 2302), "mdi": (1909, 2104)}
#: Length of a run of the p modes, and the first one.
_RUN: Final = 72 * DAY
#: Mean synodic rotation, seconds.
_ROTATION: Final = 27.2753 * DAY
_MODES_FROM: Final = moment("2010.04.30")


class Table(ComputedSeries):
    """
    A few hundred records under any prime keys.

    Parameters
    ----------
    spec : Spec
        With ``table`` or of the kind ``synoptic``.
    first_unit, values
        See `ComputedSeries`.
    """

    def __init__(self, spec: Spec, first_unit: int, values: Mapping[str, Value]) -> None:
        super().__init__(spec, first_unit, values)
        kind = "synoptic" if spec.kind == "synoptic" else str(spec.options["table"])
        self._keys, self._when = _TABLES[kind](spec)
        self.size = len(self._when)
        order = np.lexsort([*reversed([_rank(column) for column in self._keys.values()])])
        self._keys = {name: column[order] for name, column in self._keys.items()}
        self._when = self._when[order]

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`."""
        return self._when[index]

    def prime_values(self, column: str, index: IntArray) -> Column:
        """See `ComputedSeries.prime_values`."""
        return self._keys[column][index]

    def places(self, bounds: Mapping[str, Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        index = np.arange(self.size)
        for column, (low, high) in bounds.items():
            values = self._keys[column]
            if low is not None:
                index = index[values[index] >= low]
            if high is not None:
                index = index[values[index] <= high]
        return index, self.twice(index)

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return np.ones(len(index), dtype=bool)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return np.asarray(uniform(index, self.spec.name + " again") < 0.15)

    def axes(self, rows: Rows, segment: Segment) -> tuple[Any, ...]:
        """See `ComputedSeries.axes`."""
        return tuple(self.spec.options["axes"])

    @cached_property
    def wave_strings(self) -> tuple[str, ...]:
        """Filters of AIA, as WAVE_STR has them."""
        return _WAVE_STRINGS


_WAVE_STRINGS: Final = (
    *(f"{w}_THIN" for w in CHANNELS["euv"]),
    *(str(w) for w in (*CHANNELS["uv"], *CHANNELS["vis"])),
)

_Keys = tuple[dict[str, Column], FloatArray]


def _rank(column: Column) -> IntArray:
    """Ranks that sort a column, text by its bytes."""
    plain = column.astype(str) if column.dtype == object else column
    return np.unique(plain, return_inverse=True)[1].astype(np.int64)


def _product(**lists: Any) -> dict[str, Column]:
    grids = np.meshgrid(*(np.arange(len(values)) for values in lists.values()), indexing="ij")
    found = {}
    for (name, values), grid in zip(lists.items(), grids, strict=True):
        dtype = object if isinstance(values[0], str) else None
        found[name] = np.asarray(values, dtype=dtype)[grid.ravel()]
    return found


def _synoptic(spec: Spec) -> _Keys:
    first, last = ROTATIONS[spec.instrument]
    rotations = np.arange(first, last + 1, dtype=np.int64)
    # the chart's time is that of its middle
    return {"car_rot": rotations}, rotation_start(rotations) + 0.5 * _ROTATION


def _starts(step: float) -> list[float]:
    return [moment("2010.05.13") + step * number for number in range(int(16.4 * 365.25 * DAY / step))]


def _flatfield(spec: Spec) -> _Keys:
    keys = _product(t_start=_starts(180 * DAY), wave_str=_WAVE_STRINGS)
    return keys, keys["t_start"]


def _response(spec: Spec) -> _Keys:
    keys = _product(t_start=_starts(400 * DAY), wave_str=_WAVE_STRINGS)
    return keys, keys["t_start"]


def _runs() -> list[int]:
    origin = moment("1993.01.01")
    return [int((_MODES_FROM + _RUN * run - origin) / DAY) for run in range(83)]


def _with_start(keys: dict[str, Column]) -> _Keys:
    times = moment("1993.01.01") + DAY * keys["t_start_index"].astype(np.float64)
    return {**keys, "t_start": times}, times


def _modes(spec: Spec) -> _Keys:
    return _with_start(_product(t_start_index=_runs(), lmin=[0], lmax=[300], ndt=[138240, 552960]))


def _rls(spec: Spec) -> _Keys:
    # an inversion for each number of a-coefficients; one run begins on the day that a published example asks for
    days = sorted({*_runs(), int((moment("2024.09.19") - moment("1993.01.01")) / DAY)})
    return _with_start(_product(t_start_index=days, lmin=[0], lmax=[300], ndt=[138240], nacoeff=[6, 18, 36]))


def _avg120(spec: Spec) -> _Keys:
    keys = _product(carrrot=list(range(2097, 2302)), cmlon=[120, 240, 360])
    return keys, rotation_start(keys["carrrot"]) + (360 - keys["cmlon"]) / 360 * _ROTATION


_TABLES: Final = {
    "synoptic": _synoptic,
    "flatfield": _flatfield,
    "response": _response,
    "modes": _modes,
    "rls": _rls,
    "avg120": _avg120,
}
