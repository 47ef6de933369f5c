"""
Series whose records are computed: record numbers, versions, columns, storage units and files.

A record's *index* is its place among all the records that a series could have, in prime-key order. Record number
``index + 1`` is the first version; what was made a second time also has ``size + index + 1``. Nothing is stored: a
record number, a storage unit's number and a path can each be turned back into the record.

A `Grid` has one record a slot: full-disk observables, pointing, housekeeping, daily charts. Records stand on a grid of
moments (the slots of the time key) and cells (AIA's channels); the index of a record is ``moment * cells + cell``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ...errors import RecordSetError
from ...times import words
from ..catalog import Keyword, Recnums, Segment, schema, tables
from .ephemeris import DAY, END, View, inside, moment, on_tape, outages, quality, reprocessed, view
from .noise import BoolArray, FloatArray, IntArray, hashed, uniform
from .spec import Spec, shared

T = TypeVar("T")

#: Most records that one search may name; an archive's own server would run out of time first.
MOST_RECORDS: Final = 50_000_000
#: Bytes that SUMS counts for a file of which nothing else is known.
_FILE_BYTES: Final = 120_000
_GENERIC_FILES: Final = {"split": "splittings.out", "rot": "rot.2d", "err": "err.2d", "mesh": "rmesh.orig"}


class Rows:
    """
    The records whose columns are asked for.

    Attributes
    ----------
    series : ComputedSeries
        Their series.
    recnum, index : ndarray of int64
        Record numbers, and places in prime-key order.
    version : ndarray of int64
        1 for what was made a second time, else 0.
    time : ndarray of float64
        Nominal time of each record (T_REC), TAI seconds since 1977.
    """

    def __init__(self, series: ComputedSeries, recnums: Recnums) -> None:
        self.series = series
        self.recnum = np.asarray(recnums, dtype=np.int64)
        self.index = (self.recnum - 1) % series.size
        self.version = (self.recnum - 1) // series.size
        self.time = series.times(self.index)
        self._made: dict[Callable[[Rows], Any], Any] = {}

    def __len__(self) -> int:
        return len(self.recnum)

    @property
    def spec(self) -> Spec:
        """What the series is."""
        return self.series.spec

    @cached_property
    def view(self) -> View:
        """The Sun as the instrument saw it."""
        return view(self.time, "soho" if self.spec.instrument == "mdi" else "sdo")

    @cached_property
    def quality(self) -> IntArray:
        """QUALITY of each record, signed; negative where there is no image."""
        return self.series.qualities(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the first record's images as they are drawn."""
        first = next(iter(self.series.definition.segments.values()))
        columns, lines = (int(np.ravel(axis)[0]) // self.series.zoom for axis in self.series.axes(self, first))
        return lines, columns

    def prime(self, column: str) -> tables.Column:
        """A prime-key column."""
        return self.series.prime_values(column, self.index)

    def once(self, make: Callable[[Rows], T]) -> T:
        """`make` of these rows, computed once: many columns follow from the same numbers."""
        if make not in self._made:
            self._made[make] = make(self)
        value: T = self._made[make]
        return value

    def uniform(self, purpose: str) -> FloatArray:
        """A number in [0, 1) for each record and version."""
        return uniform(self.recnum, f"{self.spec.name} {purpose}")


#: How a column is computed; keys of such tables are lower-case keyword names.
Value: TypeAlias = Callable[[Rows], Any]
_Ends: TypeAlias = tuple[int | float | str, int | float | str]


class ComputedSeries:
    """
    A series of computed records; see `jsoclite.sandbox.catalog.Series` for the methods without a description.

    Storage units have ``spec.unitsize`` records each, and are numbered from ``spec.first_unit`` on.

    Parameters
    ----------
    spec : Spec
        What the series is.
    values : mapping
        How to compute the columns that are neither prime keys nor constant.
    """

    #: Number of places for records, one version each.
    size: int
    #: How many times as wide as they are drawn its images are.
    zoom = 1

    def __init__(self, spec: Spec, values: Mapping[str, Value]) -> None:
        self.spec = spec
        self._values = values
        self._known_extremes: dict[str, _Ends | None] = {}
        #: Makes the content of a file; the catalogue's.
        self.make_file: Callable[[Rows, Segment], bytes] | None = None
        self._bytes: dict[tuple[Any, ...], int] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.spec.name}>"

    @property
    def definition(self) -> schema.SeriesDefinition:
        """What the series is."""
        return self.spec.definition

    # --- what a kind of series says ------------------------------------------------------------------------------

    def times(self, index: IntArray) -> FloatArray:
        """Nominal time of the records at `index`."""
        raise NotImplementedError

    def prime_values(self, column: str, index: IntArray) -> tables.Column:
        """Values of a prime-key column (database name) at `index`; KeyError for another column."""
        raise NotImplementedError

    def places(self, bounds: Mapping[str, tables.Bound]) -> tuple[IntArray, BoolArray]:
        """Indices of the records within `bounds`, ascending, and which of them have a second version."""
        raise NotImplementedError

    def present(self, index: IntArray) -> BoolArray:
        """Which indices hold a record."""
        raise NotImplementedError

    def twice(self, index: IntArray) -> BoolArray:
        """Which indices hold a second version, if they hold a record."""
        raise NotImplementedError

    def qualities(self, rows: Rows) -> IntArray:
        """QUALITY, signed."""
        return np.zeros(len(rows), dtype=np.int64)

    def axes(self, rows: Rows, segment: Segment) -> tuple[Any, ...]:
        """Size of each record's image along each axis."""
        return tuple(axis * self.zoom for axis in self.spec.axes)

    def link(self, rows: Rows, target: str) -> IntArray:
        """Record numbers in the series `target` that a static link leads to, -1 for none."""
        return np.full(len(rows), -1, dtype=np.int64)

    # --- records -------------------------------------------------------------------------------------------------

    def candidates(self, bounds: Mapping[str, tables.Bound], all_versions: bool) -> Recnums:
        """See `Series.candidates`; RecordSetError if there would be more than 50 million."""
        index, again = self.places(bounds)
        if not all_versions:
            return np.asarray(index + 1 + np.where(again, self.size, 0), dtype=np.int64)
        both = np.stack([index + 1, np.where(again, self.size + index + 1, 0)], axis=1).ravel()
        return np.asarray(both[both > 0], dtype=np.int64)

    def existing(self, recnums: Recnums) -> Recnums:
        """See `Series.existing`."""
        given = np.asarray(recnums, dtype=np.int64)
        given = given[(given >= 1) & (given <= 2 * self.size)]
        index = (given - 1) % self.size
        keep = self.present(index)
        second = given > self.size
        keep[second] &= self.twice(index[second])
        return given[keep]

    def extremes(self, column: str) -> _Ends | None:
        """See `Series.extremes`."""
        if column not in self._known_extremes:
            self._known_extremes[column] = self._recnum_extremes if column == "recnum" else self._extremes(column)
        return self._known_extremes[column]

    @property
    def _ends(self) -> IntArray:
        """Places of records, among them that with the least and that with the greatest value of each prime key."""
        return self.places({})[0]

    def _extremes(self, column: str) -> _Ends | None:
        values = self.prime_values(column, self._ends)
        if not len(values):
            return None
        low, high = (min(values), max(values)) if values.dtype == object else (values.min(), values.max())
        return (low, high) if isinstance(low, str) else (low.item(), high.item())

    @cached_property
    def _recnum_extremes(self) -> tuple[int, int]:
        index, again = self.places({})
        last = self.size + int(index[again][-1]) + 1 if again.any() else int(index[-1]) + 1
        return int(index[0]) + 1, last

    def refuse_many(self, count: int) -> None:
        """RecordSetError if a search would name too many records to hold in memory."""
        if count > MOST_RECORDS:
            raise RecordSetError(
                f"{self.spec.name}: the search matches some {count:,} records, more than the {MOST_RECORDS:,} that one "
                "answer may name; bound the time or another prime key"
            )

    # --- columns -------------------------------------------------------------------------------------------------

    def columns(self, recnums: Recnums, names: Sequence[str]) -> dict[str, tables.Column]:
        """See `Series.columns`."""
        rows = Rows(self, recnums)
        return {name: self._column(rows, name) for name in names}

    def _column(self, rows: Rows, name: str) -> tables.Column:
        system = self._system_column(rows, name)
        if system is not None:
            return system
        key = self.definition.keywords.get(name)
        if key is None or not key.stored:
            raise KeyError(f"{self.spec.name} has no column {name!r}")
        value = self._keyword(rows, key)
        if self.zoom > 1 and not isinstance(value, str):
            value = _zoomed(key.column if key.segment < 0 else key.base.lower(), value, self.zoom)
        return _typed(key, value, len(rows))

    def _keyword(self, rows: Rows, key: Keyword) -> Any:
        if key.segment >= 0:
            return self._per_segment(rows, key)
        try:
            return self.prime_values(key.column, rows.index)
        except KeyError:
            pass
        if key.column in self._values:
            return self._values[key.column](rows)
        if key.column == "quality":
            return rows.quality
        return key.default if key.implicit else shared("all").get(key.column, key.default)

    def _per_segment(self, rows: Rows, key: Keyword) -> Any:
        base = key.base.lower()
        if base == "bunit":
            return next(one.unit for one in self.definition.segments.values() if one.number == key.segment)
        plain = self._values.get(base)
        return plain(rows) if plain else key.default

    def _system_column(self, rows: Rows, name: str) -> tables.Column | None:
        count = len(rows)
        made: dict[str, Callable[[], tables.Column]] = {
            "recnum": lambda: rows.recnum,
            "sunum": lambda: self.sunums(rows.recnum),
            "slotnum": lambda: (rows.recnum - 1) % self.spec.unitsize * self.has_files,
            "sessionid": lambda: np.ones(count, dtype=np.int64),
            "sessionns": lambda: np.full(count, "jsoc", dtype=object),
        }
        if name in made:
            return made[name]()
        if name.startswith("ln_"):
            return self._link_column(rows, name)
        return self._segment_column(rows, name) if name.startswith("sg_") else None

    def _link_column(self, rows: Rows, name: str) -> tables.Column:
        for link in self.definition.links.values():
            prefix = f"ln_{link.name.lower()}"
            if link.static and name == prefix:
                return self.link(rows, link.target)
            if not link.static and name.startswith(prefix + "_"):
                column = name.removeprefix(prefix + "_")
                # a dynamic link leads to the record with the same prime keys
                return np.ones(len(rows), dtype=np.int64) if column == "isset" else rows.prime(column)
        raise KeyError(f"{self.spec.name} has no column {name!r}")

    def _segment_column(self, rows: Rows, name: str) -> tables.Column:
        for segment in self.definition.segments.values():
            if name.startswith(f"sg_{segment.number:03d}_") and not segment.link:
                if name.endswith("_file"):
                    return np.where(rows.quality >= 0, file_name(segment), "").astype(object)
                if "_axis" in name:
                    axis = self.axes(rows, segment)[int(name[-3:])]
                    return np.broadcast_to(np.asarray(axis, dtype=np.int64), len(rows)).copy()
        raise KeyError(f"{self.spec.name} has no column {name!r}")

    # --- storage units -------------------------------------------------------------------------------------------

    @cached_property
    def has_files(self) -> bool:
        """Whether records have storage units of their own."""
        return any("link" not in options for options in self.spec.segments.values())

    @property
    def unit_count(self) -> int:
        """Storage units that the series may have, all versions included."""
        return -(-2 * self.size // self.spec.unitsize) if self.has_files else 0

    def sunums(self, recnums: Recnums) -> IntArray:
        """Storage unit of each record, -1 without one."""
        if not self.has_files:
            return np.full(len(recnums), -1, dtype=np.int64)
        return np.asarray(self.spec.first_unit + (recnums - 1) // self.spec.unitsize, dtype=np.int64)

    def recnum_of(self, sunum: int, slot: int) -> int:
        """Record number that a storage unit holds in a slot."""
        return (sunum - self.spec.first_unit) * self.spec.unitsize + slot + 1

    def _unit_states(self, sunums: Recnums) -> tuple[BoolArray, BoolArray, list[str]]:
        """Which units are this series', which of them are on disk, and the directory of each."""
        numbers, first = np.asarray(sunums, dtype=np.int64), self.spec.first_unit
        mine = (numbers >= first) & (numbers < first + self.unit_count)
        recnums = np.where(mine, (numbers - first) * self.spec.unitsize, 0)
        # the unit follows its first record
        online = mine & ~on_tape(self.spec.name, self.times(recnums % self.size))
        disks = (hashed(numbers, "disk") % np.uint64(90)).tolist()
        return mine, online, [f"/SUM{disk}/D{sunum}" for disk, sunum in zip(disks, numbers.tolist(), strict=True)]

    def directories(self, sunums: Recnums) -> list[str]:
        """See `Series.directories`."""
        _, online, names = self._unit_states(sunums)
        return [name if there else "" for name, there in zip(names, online.tolist(), strict=True)]

    def units(self, sunums: Recnums) -> list[tables.StorageUnit | None]:
        """See `Series.units`."""
        files = {file_name(segment): segment for segment in self.definition.segments.values() if not segment.link}
        size = _FILE_BYTES * len(files) * self.spec.unitsize
        found: list[tables.StorageUnit | None] = []
        for sunum, ours, there, name in zip(np.asarray(sunums).tolist(), *self._unit_states(sunums), strict=True):
            held = _Sizes(files if there else {}, partial(self._file_bytes, self.recnum_of(sunum, 0)))
            unit = tables.StorageUnit(sunum, name, bool(there), "Y", "209901011234", size, held, "2026-10-31T12:00:00Z")
            found.append(unit if ours else None)
        return found

    def _file_bytes(self, recnum: int, segment: Segment) -> int:
        """Bytes of a file; those of a segment with the same axes differ little for some time: one of them is made."""
        if self.make_file is None:
            return _FILE_BYTES
        rows = Rows(self, np.array([recnum], dtype=np.int64))
        image = segment.protocol != "generic"
        rotation = int(rows.time[0] // (27 * 86400))
        key = (
            segment.name,
            rotation,
            *(int(np.ravel(axis)[0]) for axis in (self.axes(rows, segment) if image else ())),
        )
        if key not in self._bytes:
            self._bytes[key] = len(self.make_file(rows, segment))
        return self._bytes[key]

    def path(self, recnum: int, segment: str) -> str | None:
        """See `Series.path`."""
        return tables.segment_path(self, recnum, segment)


class _Sizes(dict[str, Any]):
    """Bytes of the files of a storage unit by name, found out when they are asked for."""

    def __init__(self, files: Mapping[str, Segment], size: Callable[[Segment], int]) -> None:
        super().__init__(files)
        self._size = size

    def get(self, name: str, default: Any = None) -> Any:
        return self._size(self[name]) if name in self else default


def file_name(segment: Segment) -> str:
    """Name of a segment's file in its storage unit."""
    return f"{segment.name}.fits" if segment.protocol == "fits" else _GENERIC_FILES.get(segment.name, segment.name)


def constants(group: str) -> dict[str, Value]:
    """Values of a group of ``data/series.json`` that all records share."""
    return {name: constant(value) for name, value in shared(group).items()}


def constant(value: Any) -> Value:
    """A value that all records share."""
    return lambda rows: value


def _zoomed(column: str, value: Any, zoom: int) -> Any:
    """A keyword on pixels in images so many times as wide."""
    if column in ("crpix1", "crpix2"):
        return (value - 0.5) * zoom + 0.5
    if column in ("x0", "y0"):
        return (value + 0.5) * zoom - 0.5
    if column in ("totvals", "datavals", "missvals", "nsatpix"):
        return np.where(np.asarray(value) < 0, value, np.asarray(value) * zoom**2)
    return value * {"cdelt1": 1 / zoom, "cdelt2": 1 / zoom, "r_sun": zoom}.get(column, 1)


def _typed(key: Keyword, value: Any, count: int) -> tables.Column:
    """A column of `count` values in the type of the database: int64, float64 (rounded to 32 bits for float) or str."""
    if key.type == "string":
        column = np.empty(count, dtype=object)
        column[:] = value if isinstance(value, np.ndarray) else str(value)
        return column
    if key.type in schema.MISSING_INT:
        if isinstance(value, str):
            value = int(value, 0) if value.strip() else schema.MISSING_INT[key.type]
        whole = np.empty(count, dtype=np.int64)
        whole[:] = np.rint(value) if isinstance(value, float) else value
        return whole
    if isinstance(value, str):
        value = _default_real(key, value)
    real = np.empty(count, dtype=np.float64)
    real[:] = value
    return real.astype(np.float32).astype(np.float64) if key.type == "float" else real


def _default_real(key: Keyword, text: str) -> float:
    if key.type in schema.REALS:
        return float(text) if text.strip() else float("nan")
    return schema.JD0 if not text.strip() or text.startswith("-4712") else float(words.scan_time(text))


def limits(bounds: Mapping[str, tables.Bound], column: str) -> tuple[float, float]:
    """Inclusive limits of a column of numbers, infinite where it is not bound."""
    low, high = bounds.get(column, (None, None))
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


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
