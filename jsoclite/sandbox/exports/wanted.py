"""
What an export request asks for, checked as the export manager checks it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from ..catalog.definition import Keyword
from ..engine.records import Values
from ..processing.pictures import Look
from ..processing.steps import STEPS, VECTOR_STEPS
from ..processing.vectors import INPUTS
from .filenames import DEFAULT, FileNameError, file_name
from .records import RecordTable

#: Processing steps by name, with their options.
Steps: TypeAlias = list[tuple[str, dict[str, str]]]


class ExportFailedError(Exception):
    """The export cannot be done; the text is the manager's message."""


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
        names = [name for name, _ in self.steps]
        vector = [name for name in names if name in VECTOR_STEPS]
        fitting = not vector or (len(vector) == 1 and all(name in self.records.definition.segments for name in INPUTS))
        if not fitting or any(name not in STEPS and name not in VECTOR_STEPS for name in names):
            raise ExportFailedError(f"Invalid process field value: {self.process}.")


class Namer:
    """Names of the files of one export; the keywords in the template are read for all records at once."""

    def __init__(self, wanted: Wanted) -> None:
        self._template, self._records = wanted.template or DEFAULT, wanted.records
        self._columns: dict[str, Values | None] = {}

    def name(self, row: int, counter: int, segment: str) -> str:
        """
        Name of the file of one record and segment.

        Raises
        ------
        ExportFailedError
            If the template cannot be filled, or leads out of the directory.
        """
        try:
            name = file_name(
                self._template,
                series=self._records.name,
                recnum=int(self._records.recnums[row]),
                segment=segment,
                counter=counter,
                lookup=lambda keyword: self._lookup(row, keyword),
            )
        except FileNameError:
            raise ExportFailedError("Problem running protocol-export command.") from None
        if "/" in name or name in (".", ".."):  # there is no such directory to write into
            raise ExportFailedError("Problem running protocol-export command.")
        return name

    def _lookup(self, row: int, name: str) -> tuple[Keyword, Any] | None:
        if name not in self._columns:
            self._columns[name] = self._records.column(name)
        column = self._columns[name]
        return (column.key, column.values[row]) if column is not None and column.valid[row] else None
