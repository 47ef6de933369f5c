"""
The keywords between asterisks, ``*recnum*`` to ``*spec*`` (jsoc_info.c).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ..catalog.catalog import Recnums, StorageUnit
from ..catalog.definition import Segment
from ..engine.handle import Opened
from ..engine.records import Reader

OFFLINE: Final = "NoDataDirectory"


class Pseudo:
    """
    The keywords between asterisks, which are about records rather than in them.

    Parameters
    ----------
    reader : Reader
        Reads records.
    segments : sequence of str or None
        Segments that were asked for, None for none.
    """

    def __init__(self, reader: Reader, segments: Sequence[str] | None) -> None:
        self._reader, self._segments = reader, segments
        self._texts: dict[str, Callable[[Opened], list[str]]] = {
            "*size*": self._size,
            "*online*": lambda part: self._about(part, lambda unit: "Y" if unit.online else "N", ""),
            "*retain*": lambda part: self._about(part, _retention, "   0.00.00"),
            "*archive*": lambda part: self._about(part, lambda unit: unit.archive, ""),
            "*recdir*": self._directory,
            "*logdir*": lambda part: ["NO LOG"] * len(part.recnums),
            "*dirmtime*": lambda part: self._about(part, _changed, "NA"),
            "*spec*": lambda part: self._reader.names(part.series, part.recnums),
        }

    def numbers(self, part: Opened, name: str) -> list[int] | None:
        """Values of ``*recnum*`` and ``*sunum*``, None for any other name."""
        if name == "*recnum*":
            return list(part.recnums.tolist())
        if name == "*sunum*":
            return list(self._column(part, "sunum").tolist())
        return None

    def texts(self, part: Opened, name: str) -> list[str] | None:
        """Values of the others, None for a name that is none of them."""
        function = self._texts.get(name)
        return function(part) if function else None

    def units(self, part: Opened) -> list[StorageUnit | None]:
        """Storage unit of each record."""
        return part.series.units(self._column(part, "sunum"))

    @staticmethod
    def _column(part: Opened, name: str) -> Recnums:
        return np.asarray(np.ma.getdata(part.series.columns(part.recnums, [name])[name]))

    def _about(self, part: Opened, tell: Callable[[StorageUnit], str], unknown: str) -> list[str]:
        """What SUMS says: ``NA`` for records without a unit, something empty for units that it does not know."""
        numbers = self._column(part, "sunum").tolist()
        units = self.units(part)
        return [
            "NA" if number < 0 else unknown if unit is None else tell(unit)
            for number, unit in zip(numbers, units, strict=True)
        ]

    def _directory(self, part: Opened) -> list[str]:
        slots = self._column(part, "slotnum").tolist()
        found = part.series.directories(self._column(part, "sunum"))
        return [f"{path}/S{slot:05d}" if path else OFFLINE for path, slot in zip(found, slots, strict=True)]

    def sizes(self, part: Opened) -> list[int]:
        """Bytes of the files of the segments that were asked for, or of all; 0 for none."""
        totals = np.zeros(len(part.recnums), dtype=np.int64)
        online = np.array([bool(unit and unit.online) for unit in self.units(part)], dtype=bool)
        known = part.series.definition.segments
        wanted = [known.get(name.lower()) for name in self._segments] if self._segments is not None else known.values()
        for segment in wanted:
            if segment is None or not in_record(part, segment):
                continue
            files = self._reader.files(part.series, part.recnums, segment)
            column = f"sg_{files.segment.number:03d}_file"
            values = files.series.columns(files.present, ["sunum", column])
            units = files.series.units(np.asarray(np.ma.getdata(values["sunum"])))
            names = np.ma.getdata(values[column]).tolist()
            sizes = [unit.files.get(name, 0) if unit else 0 for unit, name in zip(units, names, strict=True)]
            totals[files.valid] += np.array(sizes, dtype=np.int64)
        return list(np.where(online, totals, 0).tolist())

    def _size(self, part: Opened) -> list[str]:
        # the server's sum begins at -1, so it is one byte short
        return [str(size - 1) if size else "NA" for size in self.sizes(part)]


def _retention(unit: StorageUnit) -> str:
    if not unit.online:
        return "N/A"
    date = unit.effective_date
    return f"{date[:4]}.{date[4:6]}.{date[6:8]}"


def _changed(unit: StorageUnit) -> str:
    if not unit.online:
        return "NA"
    date, _, clock = unit.mtime.rstrip("Z").partition("T")
    return f"{date.replace('-', '.')}_{clock}_UT"


def in_record(part: Opened, segment: Segment) -> bool:
    """Whether the braces of the record set left the segment in."""
    return part.segments is None or segment.name in part.segments
