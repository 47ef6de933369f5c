"""
The records of an export: names, keyword values, files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..catalog import Keyword, Recnums, Segment, printer, schema, tables
from ..engine import Opened, Reader, reading

#: Value of a keyword, None where it is missing.
Value: TypeAlias = int | float | str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """
    One file of a record.

    Attributes
    ----------
    row : int
        Index of the record.
    segment : str
        Name of the segment in the exported series.
    sunum : int
        Storage unit, -1 for none.
    unit : StorageUnit or None
        What SUMS knows of it.
    name : str
        File name.
    path : str
        Absolute server path, empty while offline.
    size : int
        Bytes on disk.
    """

    row: int
    segment: str
    sunum: int
    unit: tables.StorageUnit | None
    name: str
    path: str
    size: int


class RecordTable:
    """
    Opened records of one series.

    Parameters
    ----------
    reader : Reader
        Reads them; links are followed.
    opened : sequence of Opened
        What `Engine.open` gave, one entry an element of the record set; all of one series.
    """

    def __init__(self, reader: Reader, opened: Sequence[Opened]) -> None:
        self._reader = reader
        self._series = opened[0].series
        self._parts = [(np.asarray(one.recnums, dtype=np.int64), one.segments) for one in opened]
        self.recnums: Recnums = np.concatenate([recnums for recnums, _ in self._parts])

    def __len__(self) -> int:
        return len(self.recnums)

    @property
    def definition(self) -> schema.SeriesDefinition:
        """Definition of the series."""
        return self._series.definition

    @property
    def name(self) -> str:
        """Name of the series."""
        return self.definition.name

    @property
    def signature(self) -> str:
        """Equal for the same records and segments, in the same order."""
        digest = hashlib.blake2b(self.name.lower().encode())
        for recnums, segments in self._parts:
            digest.update(recnums.tobytes() + repr(segments).encode())
        return digest.hexdigest()

    def names(self) -> list[str]:
        """Record names."""
        return self._reader.names(self._series, self.recnums)

    # ---- files
    def files(self, names: Sequence[str] | None = None) -> list[Stored]:
        """
        All files: records in order, segments in the order of the definition.

        Parameters
        ----------
        names : sequence of str, optional
            Segments; without them those that the record set names.
        """
        found: list[list[Stored]] = [[] for _ in range(len(self))]
        start = 0
        for recnums, segments in self._parts:
            chosen = segments if names is None else names
            lower = None if chosen is None else {name.lower() for name in chosen}
            for segment in self.definition.segments.values():
                if lower is None or segment.name.lower() in lower:
                    self._add(found, start, recnums, segment)
            start += len(recnums)
        return [file for files in found for file in files]

    def _add(self, found: list[list[Stored]], start: int, recnums: Recnums, segment: Segment) -> None:
        there = self._reader.files(self._series, recnums, segment)
        column = f"sg_{there.segment.number:03d}_file"
        values = there.series.columns(there.recnums[there.valid], ["sunum", "slotnum", column])
        sunums, slots, files = (np.ma.getdata(values[name]) for name in ("sunum", "slotnum", column))
        units = there.series.units(sunums)
        rows = np.flatnonzero(there.valid).tolist()
        for row, sunum, slot, file, unit in zip(rows, sunums.tolist(), slots.tolist(), files, units, strict=True):
            if not file:
                continue
            size = unit.files.get(file, 0) if unit and unit.online else 0
            path = f"{unit.directory}/S{slot:05d}/{file}" if unit and size else ""
            found[start + row].append(Stored(start + row, segment.name, sunum, unit, str(file), path, size))

    # ---- keywords
    def values(self, row: int) -> dict[str, tuple[Keyword, Value]]:
        """
        Keywords of one record by lower-case name, with the keyword that has the value (of a linked series, too).

        A keyword whose link leads nowhere is left out.
        """
        recnum = self.recnums[row : row + 1]
        keys = self.definition.keywords
        stored = [key.column for key in keys.values() if key.stored]
        columns = self._series.columns(recnum, stored)
        found: dict[str, tuple[Keyword, Value]] = {}
        for name, key in keys.items():
            if key.stored:
                found[name] = key, _value(key, columns[key.column])
                continue
            own, values, valid = self._reader.values(self._series, recnum, key)
            if valid[0]:
                found[name] = own, _value(own, values)
        return found

    def column(self, name: str) -> reading.Values | None:
        """A keyword, in any case, of all records as it is stored; None without such a keyword."""
        key = self.definition.find(name)
        return None if key is None else self._reader.values(self._series, self.recnums, key)

    def seconds(self, row: int) -> float:
        """Time of a record, TAI seconds since 1977: its time prime key, or T_OBS, or T_REC; NaN without any."""
        for name in [*(key.name for key in self.definition.primekeys if key.type == "time"), "T_OBS", "T_REC"]:
            if (key := self.definition.find(name)) is not None:
                own, values, valid = self._reader.values(self._series, self.recnums[row : row + 1], key)
                if valid[0] and own.type == "time":
                    return float(values[0])
        return math.nan

    def table(self) -> bytes:
        """All keywords of all records, separated by tabs, as ``show_info -ait`` prints them."""
        head, columns = ["recnum"], [[str(recnum) for recnum in self.recnums.tolist()]]
        for key in self.definition.keywords.values():
            if key.implicit:
                continue
            own, values, valid = self._reader.values(self._series, self.recnums, key)
            head.append(key.name)
            texts = printer.printed(own, values)
            columns.append([text if ok else "Invalid KeyLink" for text, ok in zip(texts, valid, strict=True)])
        lines = ["\t".join(head), *map("\t".join, zip(*columns, strict=True))]
        return ("\n".join(lines) + "\n").encode("latin-1", "replace")


def _value(key: Keyword, values: Any) -> Value:
    if printer.is_missing(key, values)[0]:
        return None
    value = printer.as_stored(key, values)[0]
    return value.item() if isinstance(value, np.generic) else str(value)
