"""
Computed series that are no plain grid of slots, and series that age.

Frames of AIA and IRIS: aia.lev1, the slotted series that lead to it, and iris.lev1. HARP series: one record for each
active region patch and slot of 720 s in which it was on the disk. And series without a long time axis: synoptic charts
by Carrington rotation, and tables of a few hundred records.

`ageing` gives the mission as it was at a moment: series that grow, and whose records are made anew, as the sandbox's
clock goes on. A record is there a day after its time. What was made a second time is so forty days after it, under a
new record number; until then the first version is the newest one. `highest` stands in for the number that JSOC gives
next: first versions have numbers from the beginning here, so the highest one alone would not say that records were
added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from ..catalog import Keyword, Segment, schema, tables
from .ephemeris import DAY, END, inside, moment, outages, quality, reprocessed, rotation_start
from .noise import BoolArray, FloatArray, IntArray, uniform
from .regions import EPOCH, Lives, lives, regions
from .series import ComputedSeries, Grid, Rows, Value, limits
from .spec import Spec

#: Channels of AIA's slotted series, angstrom.
CHANNELS: Final[Mapping[str, list[int]]] = schema.data("channels")["slotted"]
# frames of aia.lev1 within 12 s in order of time: WAVELNTH (0 for 1600 and 1700 in turn), and T_OBS after the slot
_FRAMES: Final = np.array(schema.data("channels")["frames"])
#: How many frames of aia.lev1 there are in 12 s.
FRAMES: Final = len(_FRAMES)
_CHANNEL, _OFFSET = _FRAMES[:, 0].astype(np.int64), _FRAMES[:, 1]
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

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`: those of 1600 and 1700 are some seconds after the grid, each in its own half."""
        late = np.array(self.spec.slot.get("late", [0] * self.cells), dtype=np.float64)
        return super().times(index) + late[index % self.cells]

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        return self.wavelengths[index % self.cells] if column == "wavelnth" else super().prime_values(column, index)

    def _cells(self, bounds: Mapping[str, tables.Bound]) -> IntArray:
        low, high = limits(bounds, "wavelnth")
        return np.flatnonzero((self.wavelengths >= low) & (self.wavelengths <= high))

    @cached_property
    def _frame(self) -> IntArray:
        """Cell of aia.lev1 that holds each channel."""
        order = _CHANNEL.tolist()
        return np.array([order.index(w if w in order else 0) for w in self.wavelengths.tolist()], dtype=np.int64)

    def frames(self, index: IntArray) -> IntArray:
        """Place of each record's frame in aia.lev1."""
        cell = index % self.cells
        slot = np.floor(self.times(index) / _STEP).astype(np.int64)
        return np.asarray((slot - _FIRST) * FRAMES + self._frame[cell], dtype=np.int64)

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`: that of the frame."""
        return quality("aia", _frame_slots(self.frames(rows.index)))

    def link(self, rows: Rows, target: str) -> IntArray:
        """See `ComputedSeries.link`: the newest version of the frame in aia.lev1."""
        frames = self.frames(rows.index)
        size = _MOMENTS * FRAMES
        moments = _frame_slots(frames)
        there = (frames >= 0) & (frames < size) & ~inside(moments, outages("aia"))
        newest = frames + 1 + np.where(inside(moments, reprocessed("aia")), size, 0)
        return np.where(there, newest, -1)


class Frames(Grid):
    """aia.lev1: every frame, under T_REC (slots of one second) and FSN."""

    cells = FRAMES

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
    """iris.lev1: far and near ultraviolet spectra and a slit-jaw image every 150 s, under T_OBS and FSN."""

    cells = 3

    def _lay_out(self) -> None:
        # there are no slots to take from the definition
        self.step, self.epoch, self.first = 150.0, moment("2013.07.17"), 0
        self.moments = int((END - self.epoch) / self.step)
        self.outer = "t_obs_index"

    def times(self, index: IntArray) -> FloatArray:
        """Middle of the exposure; the three cameras a hundredth of a second apart."""
        return self._moment_times(index // self.cells) + 17.49 + 0.01 * (index % self.cells)

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        return FIRST_FSN + index if column == "fsn" else super().prime_values(column, index)

    def _moments(self, bounds: Mapping[str, tables.Bound]) -> tuple[int, int]:
        return self._near(bounds, ("t_obs", self.step, self.epoch), ("fsn", self.cells, FIRST_FSN))


def _frame_slots(index: IntArray) -> FloatArray:
    """Start of the 12 s that each frame of aia.lev1 belongs to."""
    return np.asarray(_STEP * (_FIRST + index // FRAMES), dtype=np.float64)


def frame_times(index: IntArray) -> FloatArray:
    """T_OBS of the frames of aia.lev1."""
    return np.asarray(_frame_slots(index) + _OFFSET[index % FRAMES])


def frame_wavelengths(index: IntArray) -> IntArray:
    """WAVELNTH of the frames of aia.lev1: 1600 and 1700 take turns."""
    channel = _CHANNEL[index % FRAMES]
    odd = (_FIRST + index // FRAMES) % 2 == 1
    return np.where(channel == 0, np.where(odd, 1700, 1600), channel)


def spike_counts(index: IntArray) -> IntArray:
    """NSPIKES of the frames of aia.lev1."""
    return (8.0 * 10 ** (0.5 + uniform(index, "spikes"))).astype(np.int64)


#: Scale of the CEA maps (degrees) and of the CCD cut-outs (arcsec): four pixels of the archive in one.
CEA_SCALE: Final = 0.12
CCD_SCALE: Final = 2.01717
# BUNIT in published headers of patches where it is not the unit of the segment's definition.
_HEADER_UNITS: Final = {"Gauss": "Mx/cm^2", "m/s": "cm/s", "Enumerated": "", "none": ""}


class Patches(ComputedSeries):
    """Records under HARPNUM (of MDI, TARPNUM) and T_REC; see `ComputedSeries`."""

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        super().__init__(spec, values)
        self.step = float(spec.slot["step"])
        self.start = math.ceil((moment(spec.options["start"]) - EPOCH) / self.step)

    @cached_property
    def _lives(self) -> Lives:
        end = min(END, moment(self.spec.options.get("end", "2026.11.01")))
        return lives(self.step, end, early=self.spec.instrument == "mdi")

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        """Number of places for records, one version each."""
        return int(self._lives.offsets[-1])

    def _which(self, index: IntArray) -> IntArray:
        return np.asarray(np.searchsorted(self._lives.offsets, index, side="right") - 1)

    def rows_of(self, index: IntArray) -> IntArray:
        """Row in `regions` of each record."""
        return self._lives.rows[self._which(index)]

    def slots(self, index: IntArray) -> IntArray:
        """T_REC_index of each record."""
        which = self._which(index)
        return np.asarray(self._lives.first[which] + index - self._lives.offsets[which], dtype=np.int64)

    def times(self, index: IntArray) -> FloatArray:
        """See `ComputedSeries.times`."""
        return self._times(self.slots(index))

    def _times(self, slots: IntArray) -> FloatArray:
        return np.asarray(EPOCH + self.step * slots, dtype=np.float64)

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """See `ComputedSeries.prime_values`."""
        if column == self.spec.options["prime"][0].lower():
            return self._lives.number[self._which(index)]
        if column == "t_rec_index":
            return self.slots(index)
        if column == "t_rec":
            return self.times(index)
        raise KeyError(column)

    def places(self, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """See `ComputedSeries.places`."""
        _, number, first, last, offsets = self._lives
        low, high = limits(bounds, self.spec.options["prime"][0].lower())
        keep = (number >= low) & (number <= high)
        low, high = limits(bounds, "t_rec_index")
        begin = np.ceil(np.maximum(first, max(low, self.start))).astype(np.int64)
        end = np.floor(np.minimum(last, high)).astype(np.int64)
        length = np.where(keep, np.maximum(0, end - begin + 1), 0)
        which = np.repeat(np.arange(len(number)), length)
        within_life = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
        slot = begin[which] + within_life
        index, times = offsets[which] + slot - first[which], self._times(slot)
        there = ~inside(times, outages(self.spec.instrument))
        return index[there], inside(times[there], reprocessed(self.spec.instrument))

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return ~inside(self.times(index), outages(self.spec.instrument)) & (self.slots(index) >= self.start)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return inside(self.times(index), reprocessed(self.spec.instrument))

    def qualities(self, rows: Rows) -> IntArray:
        """See `ComputedSeries.qualities`."""
        return quality(self.spec.instrument, rows.time)

    def _per_segment(self, rows: Rows, key: Keyword) -> Any:
        value = super()._per_segment(rows, key)
        return _HEADER_UNITS.get(value, value) if key.base.lower() == "bunit" else value

    def axes(self, rows: Rows, segment: Segment) -> tuple[Any, ...]:
        """See `ComputedSeries.axes`: the extent of the patch, in pixels of the map or of the camera."""
        return patch_size(self.spec.options["projection"], self.rows_of(rows.index))

    def link(self, rows: Rows, target: str) -> IntArray:
        """See `ComputedSeries.link`: hmi.B_720s of the same slot, its newest version."""
        slot = self.slots(rows.index)
        first = math.ceil((moment("2010.05.01") - EPOCH) / self.step)
        size = math.floor((moment("2026.11.01") - EPOCH) / self.step) - first
        again = inside(rows.time, reprocessed("hmi"))
        return np.where((slot >= first) & (slot - first < size), slot - first + 1 + np.where(again, size, 0), -1)


def patch_size(projection: str, which: IntArray) -> tuple[IntArray, IntArray]:
    """Columns and rows of a patch's images; a CCD cut-out keeps the size it has at the central meridian."""
    found = regions()
    width, height = 2 * found.width[which], 2 * found.height[which]
    if projection == "cea":
        return np.rint(width / CEA_SCALE).astype(np.int64), np.rint(height / CEA_SCALE).astype(np.int64)
    degree = 960.0 * math.pi / 180 / CCD_SCALE
    return np.rint(width * degree).astype(np.int64), np.rint(height * degree * 1.1).astype(np.int64)


#: First and last Carrington rotation of the charts.
ROTATIONS: Final = {"hmi": (2096, 2302), "mdi": (1909, 2104)}
#: Length of a run of the p modes, and the first one.
_RUN: Final = 72 * DAY
_MODES_FROM: Final = moment("2010.04.30")
_ORIGIN: Final = moment("1993.01.01")
#: Mean synodic rotation, seconds.
_ROTATION: Final = 27.2753 * DAY
#: Filters of AIA, as WAVE_STR has them.
_FILTERS: Final = (*(f"{w}_THIN" for w in CHANNELS["euv"]), *(str(w) for w in (*CHANNELS["uv"], *CHANNELS["vis"])))


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
            keep &= tables.within(self._keys[column], low, high)
        index = np.flatnonzero(keep)
        return index, self.twice(index)

    def present(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.present`."""
        return np.ones(len(index), dtype=bool)

    def twice(self, index: IntArray) -> BoolArray:
        """See `ComputedSeries.twice`."""
        return np.asarray(uniform(index, self.spec.name + " again") < self.spec.options.get("again", 0.15))


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
        step, begin = days * DAY, moment("2010.05.13")
        starts = [begin + step * number for number in range(math.ceil((END - begin) / step))]
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


def _frames(step: int) -> Callable[[Spec], _Keys]:
    """A record every so many degrees of each rotation."""

    def keys(spec: Spec) -> _Keys:
        found = _product(carrrot=list(range(2097, 2302)), cmlon=list(range(step, 361, step)))
        return found, rotation_start(found["carrrot"]) + (360 - found["cmlon"]) / 360 * _ROTATION

    return keys


_TABLES: Final[Mapping[str, Callable[[Spec], _Keys]]] = {
    "synoptic": _synoptic,
    "flatfield": _calibration(180),
    "response": _calibration(400),
    "modes": _modes(ndt=[138240, 552960]),
    # an inversion for each number of a-coefficients; one run begins on the day that a published example asks for
    "rls": _modes("2024.09.19", ndt=[138240], nacoeff=[6, 18, 36]),
    "avg120": _frames(120),
    "flows": _frames(15),
}


FIRST: Final = 1 * DAY
SECOND: Final = 40 * DAY
# 1977.01.01_TAI in Unix time; leap seconds do not matter here
_EPOCH: Final = 220924800.0


class Ageing:
    """What a kind of series does otherwise when it ages; `Grid` and others come behind it."""

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
