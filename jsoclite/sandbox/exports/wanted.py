"""
What an export request asks for, checked as the export manager checks it, and the names of its files.

Names come from templates such as ``{seriesname}.{T_REC:A}.{CAMERA}.{segment}``, as ``exputl_mk_expfilename`` in
exputil.c of DRMS.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from ...times import words
from ..catalog import Keyword, printer, schema
from ..engine import reading
from ..processing import Look, possible
from .records import RecordTable

#: Processing steps by name, with their options.
Steps: TypeAlias = list[tuple[str, dict[str, str]]]


#: Template where the request names none.
DEFAULT: Final = "{seriesname}.{recnum:%d}.{segment}"
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
    """

    ds: str
    records: RecordTable
    steps: Steps
    process: str
    protocol: str
    method: str
    template: str | None
    evil: bool = False

    @property
    def fits(self) -> bool:
        """Whether files are written with full headers."""
        return self.protocol.lower().startswith("fits")

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
        if self.fits and len(self.ds) > longest:
            raise ExportFailedError("Record-set specification is too long.")
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
    if style == "D":
        return "@" + text.replace(".", "@").replace("_", "@", 1).replace(":", "")
    return text


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
