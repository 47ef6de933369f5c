"""
Storage units of computed series: numbers, directories, files, and which of them are on tape.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from ..catalog.catalog import Recnums, StorageUnit
from ..catalog.definition import Segment, SeriesDefinition
from .availability import on_tape
from .noise import hashed
from .rows import BoolArray, FloatArray, IntArray
from .spec import Spec

#: Bytes that SUMS counts for a file.
_FILE_BYTES: Final = 120_000
_GENERIC_FILES: Final = {"split": "splittings.out", "rot": "rot.2d", "err": "err.2d", "mesh": "rmesh.orig"}


def file_name(segment: Segment) -> str:
    """Name of a segment's file in its storage unit."""
    if segment.protocol == "fits":
        return f"{segment.name}.fits"
    return _GENERIC_FILES.get(segment.name, segment.name)


class Storage:
    """
    The storage units of a series: ``spec.unitsize`` records each, numbered from `first_unit` on.

    Parameters
    ----------
    spec : Spec
        What the series is.
    first_unit : int
        Number of its first storage unit.
    """

    #: Number of places for records, one version each.
    size: int

    def __init__(self, spec: Spec, first_unit: int) -> None:
        self.spec = spec
        self.first_unit = first_unit

    @property
    def definition(self) -> SeriesDefinition:
        """What the series is."""
        return self.spec.definition

    def times(self, index: IntArray) -> FloatArray:
        """Nominal time of the records at `index`."""
        raise NotImplementedError

    @cached_property
    def has_files(self) -> bool:
        """Whether records have storage units of their own."""
        return any("link" not in (row[4] if len(row) > 4 else {}) for row in self.spec.options["segments"])

    @property
    def unit_count(self) -> int:
        """Storage units that the series may have, all versions included."""
        return -(-2 * self.size // self.spec.unitsize) if self.has_files else 0

    def sunums(self, recnums: Recnums) -> IntArray:
        """Storage unit of each record, -1 without one."""
        if not self.has_files:
            return np.full(len(recnums), -1, dtype=np.int64)
        return np.asarray(self.first_unit + (recnums - 1) // self.spec.unitsize, dtype=np.int64)

    def recnum_of(self, sunum: int, slot: int) -> int:
        """Record number that a storage unit holds in a slot."""
        return (sunum - self.first_unit) * self.spec.unitsize + slot + 1

    def _unit_states(self, sunums: Recnums) -> tuple[BoolArray, BoolArray, list[str]]:
        """Which units are this series', which of them are on disk, and the directory of each."""
        numbers = np.asarray(sunums, dtype=np.int64)
        mine = (numbers >= self.first_unit) & (numbers < self.first_unit + self.unit_count)
        recnums = np.where(mine, (numbers - self.first_unit) * self.spec.unitsize, 0)
        # the unit follows its first record
        online = mine & ~on_tape(self.spec.name, self.times(recnums % self.size))
        disks = (hashed(numbers, "disk") % np.uint64(90)).tolist()
        return mine, online, [f"/SUM{disk}/D{sunum}" for disk, sunum in zip(disks, numbers.tolist(), strict=True)]

    def directories(self, sunums: Recnums) -> list[str]:
        """See `Series.directories`."""
        _, online, names = self._unit_states(sunums)
        return [name if there else "" for name, there in zip(names, online.tolist(), strict=True)]

    def units(self, sunums: Recnums) -> list[StorageUnit | None]:
        """See `Series.units`."""
        mine, online, names = self._unit_states(sunums)
        files = [file_name(segment) for segment in self.definition.segments.values() if not segment.link]
        size = _FILE_BYTES * len(files) * self.spec.unitsize
        found: list[StorageUnit | None] = []
        for sunum, name, ours, there in zip(
            np.asarray(sunums).tolist(), names, mine.tolist(), online.tolist(), strict=True
        ):
            held = dict.fromkeys(files, _FILE_BYTES) if there else {}
            unit = StorageUnit(sunum, name, there, "Y", "209901011234", size, held, "2026-10-31T12:00:00Z")
            found.append(unit if ours else None)
        return found
