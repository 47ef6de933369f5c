"""
What an export request asks for, checked as the export manager checks it: its records, their values and files, and the
names that these get.

Names come from templates such as ``{seriesname}.{T_REC:A}.{CAMERA}.{segment}``, as ``exputl_mk_expfilename`` in
exputil.c of DRMS.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from ...recordset import scan_set
from ...times import words
from ..catalog import Keyword, Recnums, Segment, printer, schema, tables
from ..engine import Opened, Reader, reading
from ..processing import Look, possible

#: Processing steps by name, with their options.
Steps: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]


#: Template where the request names none.
DEFAULT: Final = "{seriesname}.{recnum:%d}.{segment}"
# steps that take the flag `A` for all segments
_ONE: Final = frozenset({"im_patch", "rebin", "Maproj", "map_proj"})
#: Longest name.
MAX_NAME: Final = 127

# one conversion of C's printf; widths of four digits and more only serve to exhaust memory
_PRINTF: Final = re.compile(r"([^%]*)%([-+ #0]*)(\d{0,3})(\.\d{0,3})?(?:hh|h|ll|l|L)?([diuxXofFeEgGsc])([^%]*)")


class ExportFailedError(Exception):
    """The export cannot be done; the text is the manager's message."""


class FileNameError(ValueError):
    """A template that the export program cannot fill."""


class FileNameCrashError(FileNameError):
    """A template that kills the export program."""


@dataclass(frozen=True)
class Wanted:
    """
    What a request is to export.

    Attributes
    ----------
    ds : str
        Record set, with quality filters.
    records : RecordTable
        Its records.
    steps : list of (name, options)
        Processing.
    process : str
        Processing as sent.
    protocol, method : str
        As sent.
    template : str or None
        ``filenamefmt``.
    evil : bool
        Whether file names are to lead out of a careless client's directory.
    find : callable, optional
        Opens another record set, for steps that look for an image; None where there is nothing.
    """

    ds: str
    records: RecordTable
    steps: Steps
    process: str
    protocol: str
    method: str
    template: str | None
    evil: bool = False
    find: Callable[[str], RecordTable | None] = field(default=lambda ds: None, compare=False)

    @property
    def fits(self) -> bool:
        """Whether files are written with full headers."""
        return self.protocol.lower().startswith("fits")

    @property
    def first_segment(self) -> bool:
        """Whether steps work on the first segment only, where the record set names none."""
        return any(name in _ONE and options.get("A", "0") in ("0", "") for name, options in self.steps)

    @cached_property
    def look(self) -> Look | None:
        """How pictures are to look, None where none are asked for."""
        return Look.parse(self.protocol)

    @cached_property
    def signature(self) -> str:
        """Equal for requests of the same records, segments, names, processing, protocol and method."""
        digest = hashlib.md5(usedforsecurity=False)
        same = (self.records.signature, self.template, self.steps, self.process, self.protocol, self.method, self.evil)
        for part in same:
            digest.update(repr(part).encode("utf-8", "replace") + b"\0")
        return digest.hexdigest()

    def check(self, longest: int) -> None:
        """
        Refuse what the export manager refuses.

        Parameters
        ----------
        longest : int
            Longest record set of a ``fits`` export, characters.

        Raises
        ------
        ExportFailedError
            With the manager's words.
        """
        try:
            known = self.fits or self.protocol in ("as-is", "su-as-is") or self.look is not None
        except ValueError:
            known = False
        if not known:
            raise ExportFailedError("invalid protocol")
        if len(scan_set(self.ds)) > 1:  # so users say of 2026; what it says then is not known
            raise ExportFailedError("Unable to export a list of record sets.")
        if self.fits and len(self.ds) > longest:
            raise ExportFailedError("Record-set specification is too long.")
        if not len(self.records):
            raise ExportFailedError(f"Record-set {self.ds} contains no records.")
        if self.look is not None and self.look.lacking:
            raise ExportFailedError(self.look.lacking)
        if not possible(self.steps, self.records.definition.segments):
            raise ExportFailedError(f"Invalid process field value: {self.process}.")


class Namer:
    """
    Names of the files of one export; the keywords in the template are read for all records at once.

    Parameters
    ----------
    template : str or None
        Text with ``{name}`` and ``{name:layout}``; ``seriesname``, ``segment``, ``recnum``, ``#`` or a keyword.
    records : RecordTable
        The records.
    """

    def __init__(self, template: str | None, records: RecordTable) -> None:
        self._template, self._records = template or DEFAULT, records
        self._columns: dict[str, reading.Values | None] = {}

    def name(self, row: int, counter: int, segment: str) -> str:
        """
        Name of the file of one record and segment; see `filled`.

        Raises
        ------
        ExportFailedError
            If the template cannot be filled, or leads out of the directory.
        """
        try:
            name = self.filled(row, counter, segment)
        except FileNameError:
            raise ExportFailedError("Problem running protocol-export command.") from None
        if "/" in name or name in (".", ".."):  # there is no such directory to write into
            raise ExportFailedError("Problem running protocol-export command.")
        return name

    def filled(self, row: int, counter: int, segment: str) -> str:
        """
        The template for one record and segment.

        Parameters
        ----------
        row : int
            Index of the record.
        counter : int
            What ``{#}`` gives.
        segment : str
            The segment's stored file name, or its name without one.

        Raises
        ------
        FileNameError
            Unknown keyword, unclosed brace, impossible layout, or a name over 127 characters.
        """

        def value(found: re.Match[str]) -> str:
            if not found[2]:
                raise FileNameError(f"filenamefmt {self._template!r} has a {{ without a }}")
            name, colon, layout = found[1].partition(":")
            return re.sub(r"\s", "", self._value(name, layout if colon else None, row, counter, segment))

        text = re.sub(r"\{([^}]*)(\}?)", value, self._template)
        if not text or len(text) > MAX_NAME:
            raise FileNameError(
                f"filenamefmt {self._template!r} gives a name of {len(text)} characters; 1 to {MAX_NAME} are allowed"
            )
        return text

    def _value(self, name: str, layout: str | None, row: int, counter: int, segment: str) -> str:
        match name:
            case "seriesname":
                return self._records.name
            case "segment":
                return segment
            case "recnum":
                return _printf(layout or "%lld", "longlong", int(self._records.recnums[row]))
            case "#":
                return _printf(layout or "%05d", "int", counter)
        if name not in self._columns:
            self._columns[name] = self._records.column(name)
        column = self._columns[name]
        if column is None or not column.valid[row]:
            raise FileNameError(f"filenamefmt names {name!r}, which is no keyword of {self._records.name}")
        keyword, value = column.key, column.values[row]
        if layout is None or (keyword.type == "time" and layout == ""):
            return printer.printed(keyword, np.array([value], dtype=object if keyword.type == "string" else None))[0]
        return _time(keyword, float(value), layout) if keyword.type == "time" else _printf(layout, keyword.type, value)


def _time(keyword: Keyword, seconds: float, layout: str) -> str:
    """``[A|D][precision][,zone]``; letters that mean nothing leave the time as it is."""
    style = layout[:1] if layout[:1] in "AD" else ""
    number, _, zone = layout[len(style) :].partition(",")
    digits = re.match(r"\s*[-+]?\d+", number)
    text = words.format_time(seconds, zone or keyword.unit, int(digits[0]) if digits else 0)
    if style == "A":
        return text.replace(".", "").replace(":", "")
    return "@" + text.replace(".", "@").replace("_", "@", 1).replace(":", "") if style == "D" else text


def _printf(layout: str, kind: str, value: Any) -> str:
    """C's printf of one value; a conversion of another type does what it does in C, where that is defined."""
    found = _PRINTF.fullmatch(layout)
    if found is None:
        if "%" in layout:
            raise FileNameError(f"the layout {layout!r} in filenamefmt is not one printf conversion")
        return layout
    before, flags, width, precision, conversion, after = found.groups()
    form = f"{before}%{flags}{width}{precision or ''}"
    if conversion == "s":
        if kind == "string":
            return str((form + "s" + after) % str(value))
        if kind in schema.REALS:  # the program puts text where the number's address would be
            return f"{before}null{after}"
        raise FileNameCrashError(f"the layout {layout!r} prints a number as text, which kills the export program")
    if kind == "string" or conversion == "c":
        raise FileNameError(f"the layout {layout!r} in filenamefmt does not fit a {kind} keyword")
    if conversion in "fFeEgG":
        return str((form + conversion + after) % float(value))
    if value != value:
        raise FileNameError(f"the layout {layout!r} in filenamefmt cannot print a missing value")
    whole = int(value)
    if conversion in "uxXo":
        whole &= (1 << 64) - 1 if kind == "longlong" else (1 << 32) - 1
    return str((form + ("d" if conversion in "diu" else conversion) + after) % whole)


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

    @property
    def names_segments(self) -> bool:
        """Whether the record set names segments."""
        return any(segments is not None for _, segments in self._parts)

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

    def columns(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Keywords of all records in upper case, as numbers and text, without those that are missing."""
        rows: list[dict[str, Any]] = [{} for _ in range(len(self))]
        for name in names:
            if (found := self.column(name)) is not None:
                valid = found.valid & ~np.asarray(printer.is_missing(found.key, found.values))
                for row in np.flatnonzero(valid).tolist():
                    value = printer.as_stored(found.key, found.values[row : row + 1])[0]
                    rows[row][name] = value.item() if isinstance(value, np.generic) else value
        return rows

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
