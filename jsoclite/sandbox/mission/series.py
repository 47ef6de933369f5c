"""
Series whose records are computed: record numbers, versions, storage units and columns.

A record's *index* is its place among all the records that a series could have, in prime-key order. Record number
``index + 1`` is the first version; what was made a second time also has ``size + index + 1``. Nothing is stored: a
record number, a storage unit's number and a path can each be turned back into the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from ...errors import RecordSetError
from ..catalog.catalog import Bound, Column, Recnums
from ..catalog.definition import Keyword, Segment
from .rows import BoolArray, IntArray, Rows, Value, typed
from .spec import Spec, fixed_values
from .units import Storage, file_name

#: Most records that one search may name; an archive's own server would run out of time first.
MOST_RECORDS: Final = 50_000_000


class ComputedSeries(Storage):
    """
    A series of computed records; see `jsoclite.sandbox.catalog.Series` for the methods without a description.

    Parameters
    ----------
    spec : Spec
        What the series is.
    first_unit : int
        Number of its first storage unit.
    values : mapping
        How to compute the columns that are neither prime keys nor constant.
    """

    def __init__(self, spec: Spec, first_unit: int, values: Mapping[str, Value]) -> None:
        super().__init__(spec, first_unit)
        self._values = values
        self._known_extremes: dict[str, tuple[int | float | str, int | float | str] | None] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.spec.name}>"

    # --- what a kind of series says ------------------------------------------------------------------------------

    def prime_values(self, column: str, index: IntArray) -> Column:
        """Values of a prime-key column (database name) at `index`; KeyError for another column."""
        raise NotImplementedError

    def places(self, bounds: Mapping[str, Bound]) -> tuple[IntArray, BoolArray]:
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
        return tuple(self.spec.options["axes"])

    def link(self, rows: Rows, target: str) -> IntArray:
        """Record numbers in the series `target` that a static link leads to, -1 for none."""
        return np.full(len(rows), -1, dtype=np.int64)

    # --- the protocol --------------------------------------------------------------------------------------------

    def count(self, bounds: Mapping[str, Bound]) -> int:
        """Number of records within `bounds`, latest versions only."""
        return len(self.places(bounds)[0])

    def candidates(self, bounds: Mapping[str, Bound], all_versions: bool) -> Recnums:
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

    def extremes(self, column: str) -> tuple[int | float | str, int | float | str] | None:
        """See `Series.extremes`."""
        if column not in self._known_extremes:
            self._known_extremes[column] = self._recnum_extremes if column == "recnum" else self._extremes(column)
        return self._known_extremes[column]

    def _extremes(self, column: str) -> tuple[int | float | str, int | float | str] | None:
        index, _ = self.places({})
        values = self.prime_values(column, index)
        if not len(values):
            return None
        low, high = min(values), max(values)
        return (low, high) if isinstance(low, str) else (low.item(), high.item())

    @cached_property
    def _recnum_extremes(self) -> tuple[int, int]:
        index, again = self.places({})
        last = self.size + int(index[again][-1]) + 1 if again.any() else int(index[-1]) + 1
        return int(index[0]) + 1, last

    # --- columns -------------------------------------------------------------------------------------------------

    def columns(self, recnums: Recnums, names: Sequence[str]) -> dict[str, Column]:
        """See `Series.columns`."""
        rows = Rows(self, recnums)
        return {name: self._column(rows, name) for name in names}

    def _column(self, rows: Rows, name: str) -> Column:
        system = self._system_column(rows, name)
        if system is not None:
            return system
        key = self.definition.keywords.get(name)
        if key is None or not key.stored:
            raise KeyError(f"{self.spec.name} has no column {name!r}")
        return typed(key, self._keyword(rows, key), len(rows))

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
        fixed = fixed_values().get(key.name)
        return key.default if fixed is None or key.implicit else fixed

    def _per_segment(self, rows: Rows, key: Keyword) -> Any:
        base = key.base.lower()
        if base == "bunit":
            return next(one.unit for one in self.definition.segments.values() if one.number == key.segment)
        plain = self._values.get(base)
        return plain(rows) if plain else key.default

    def _system_column(self, rows: Rows, name: str) -> Column | None:
        count = len(rows)
        if name == "recnum":
            return rows.recnum
        if name == "sunum":
            return self.sunums(rows.recnum)
        if name == "slotnum":
            return (rows.recnum - 1) % self.spec.unitsize if self.has_files else np.zeros(count, dtype=np.int64)
        if name == "sessionid":
            return np.ones(count, dtype=np.int64)
        if name == "sessionns":
            return np.full(count, "jsoc", dtype=object)
        if name.startswith("ln_"):
            return self._link_column(rows, name)
        if name.startswith("sg_"):
            return self._segment_column(rows, name)
        return None

    def _link_column(self, rows: Rows, name: str) -> Column:
        for link in self.definition.links.values():
            prefix = f"ln_{link.name.lower()}"
            if link.static and name == prefix:
                return self.link(rows, link.target)
            if not link.static and name.startswith(prefix + "_"):
                column = name.removeprefix(prefix + "_")
                # a dynamic link leads to the record with the same prime keys
                return np.ones(len(rows), dtype=np.int64) if column == "isset" else rows.prime(column)
        raise KeyError(f"{self.spec.name} has no column {name!r}")

    def _segment_column(self, rows: Rows, name: str) -> Column:
        found = (one for one in self.definition.segments.values() if name.startswith(f"sg_{one.number:03d}_"))
        segment = next(found, None)
        if segment is None or segment.link:
            raise KeyError(f"{self.spec.name} has no column {name!r}")
        if name.endswith("_file"):
            return np.where(rows.quality >= 0, file_name(segment), "").astype(object)
        if "_axis" in name:
            axis = self.axes(rows, segment)[int(name[-3:])]
            return np.broadcast_to(np.asarray(axis, dtype=np.int64), len(rows)).copy()
        raise KeyError(f"{self.spec.name} has no column {name!r}")

    def path(self, recnum: int, segment: str) -> str | None:
        """See `Series.path`."""
        wanted = self.definition.segments.get(segment.lower())
        recnums = self.existing(np.array([recnum], dtype=np.int64))
        if wanted is None or wanted.link or not len(recnums):
            return None
        (directory,) = self.directories(self.sunums(recnums))
        if not directory or Rows(self, recnums).quality[0] < 0:
            return None
        return f"{directory}/S{(recnum - 1) % self.spec.unitsize:05d}/{file_name(wanted)}"

    def refuse_many(self, count: int) -> None:
        """RecordSetError if a search would name too many records to hold in memory."""
        if count > MOST_RECORDS:
            raise RecordSetError(
                f"{self.spec.name}: the search matches some {count:,} records, more than the {MOST_RECORDS:,} that one "
                "answer may name; bound the time or another prime key"
            )
