"""
Computed series without a long time axis: synoptic charts by Carrington rotation, and tables of a few hundred records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from ..catalog import tables
from .availability import moment
from .ephemeris import DAY, rotation_start
from .frames import CHANNELS
from .noise import BoolArray, FloatArray, IntArray, uniform
from .series import ComputedSeries, Value
from .slots import within
from .spec import Spec

#: First and last Carrington rotation of the charts.
ROTATIONS: Final = {"hmi": (2096, 2302), "mdi": (1909, 2104)}
#: Length of a run of the p modes, and the first one.
_RUN: Final = 72 * DAY
_MODES_FROM: Final = moment("2010.04.30")
_ORIGIN: Final = moment("1993.01.01")
#: Mean synodic rotation, seconds.
_ROTATION: Final = 27.2753 * DAY
#: Filters of AIA, as WAVE_STR has them.
_FILTERS: Final = (
    *(f"{w}_THIN" for w in CHANNELS["euv"]),
    *(str(w) for w in (*CHANNELS["uv"], *CHANNELS["vis"])),
)


class Table(ComputedSeries):
    """
    A few hundred records under any prime keys.

    Parameters
    ----------
    spec : Spec
        With ``table`` or of the kind ``synoptic``.
    values
        See `ComputedSeries`.
    """

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        super().__init__(spec, values)
        keys, when = _TABLES[str(spec.options.get("table", spec.kind))](spec)
        self.size = len(when)
        order = np.lexsort([*reversed([_rank(column) for column in keys.values()])])
        self._keys = {name: column[order] for name, column in keys.items()}
        self._when = when[order]

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`."""
        return self._when[index]

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        return self._keys[column][index]

    def places(self, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        keep = np.ones(self.size, dtype=bool)
        for column, (low, high) in bounds.items():
            keep &= within(self._keys[column], low, high)
        index = np.flatnonzero(keep)
        return index, self.twice(index)

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return np.ones(len(index), dtype=bool)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return np.asarray(uniform(index, self.spec.name + " again") < 0.15)


_Keys: TypeAlias = tuple[dict[str, tables.Column], FloatArray]


def _rank(column: tables.Column) -> IntArray:
    """Ranks that sort a column, text by its bytes."""
    plain = column.astype(str) if column.dtype == object else column
    return np.unique(plain, return_inverse=True)[1].astype(np.int64)


def _product(**lists: Any) -> dict[str, tables.Column]:
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


def _calibration(days: int) -> Callable[[Spec], _Keys]:
    """A record of each filter of AIA every so many days."""

    def keys(spec: Spec) -> _Keys:
        step = days * DAY
        starts = [moment("2010.05.13") + step * number for number in range(int(16.4 * 365.25 * DAY / step))]
        found = _product(t_start=starts, wave_str=_FILTERS)
        return found, found["t_start"]

    return keys


def _modes(*more: str, **columns: list[int]) -> Callable[[Spec], _Keys]:
    """A record of each run of the p modes and of each value of the other keys; runs that begin on `more` days, too."""

    def keys(spec: Spec) -> _Keys:
        runs = {int((_MODES_FROM + _RUN * run - _ORIGIN) / DAY) for run in range(83)}
        runs |= {int((moment(day) - _ORIGIN) / DAY) for day in more}
        found = _product(t_start_index=sorted(runs), lmin=[0], lmax=[300], **columns)
        times = _ORIGIN + DAY * found["t_start_index"].astype(np.float64)
        return {**found, "t_start": times}, times

    return keys


def _avg120(spec: Spec) -> _Keys:
    keys = _product(carrrot=list(range(2097, 2302)), cmlon=[120, 240, 360])
    return keys, rotation_start(keys["carrrot"]) + (360 - keys["cmlon"]) / 360 * _ROTATION


_TABLES: Final[Mapping[str, Callable[[Spec], _Keys]]] = {
    "synoptic": _synoptic,
    "flatfield": _calibration(180),
    "response": _calibration(400),
    "modes": _modes(ndt=[138240, 552960]),
    # an inversion for each number of a-coefficients; one run begins on the day that a published example asks for
    "rls": _modes("2024.09.19", ndt=[138240], nacoeff=[6, 18, 36]),
    "avg120": _avg120,
}
