"""
Opened records of a record set, and what they hold: keyword values through links and constants, names, files.

The columns of a list of records are read at once (`opened_with`): a computed series then does its work once, and a link
is followed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ...errors import JsocError
from ...recordset import language
from ...times import words
from ..catalog import Keyword, Recnums, Segment, Series, printer, schema, tables


class EngineError(JsocError):
    """A query that the server refuses; the text is the server's. `headless`: behind an ``ERROR`` before the header."""

    headless = False


class EngineCrash(JsocError):
    """A query that kills the server program, whose client sees an empty HTTP 500; the text says what was wrong."""


@dataclass(frozen=True, slots=True)
class Opened:
    """
    Records of one element of a record set.

    Attributes
    ----------
    series : Series
        Their series.
    recnums : array of int64, shape (n,)
        Their record numbers, in the server's order.
    segments : tuple of str or None
        Segments named in braces that exist, in the series' order; None for all.
    element : Element
        The element.
    """

    series: Series
    recnums: Recnums
    segments: tuple[str, ...] | None
    element: language.Element


_LINK_DEPTH: Final = 20  # DRMS_MAXLINKDEPTH
T = TypeVar("T")
Flags = npt.NDArray[np.bool_]


class Values(NamedTuple):
    """Values of a keyword for some records: the keyword that holds them, the values, and where there are any."""

    key: Keyword
    values: tables.Column
    valid: Flags


class Files(NamedTuple):
    """Files of a segment for some records; the series that holds them, its segment and record numbers, where valid."""

    series: Series
    segment: Segment
    recnums: Recnums
    valid: Flags

    @property
    def present(self) -> Recnums:
        """Numbers of the records whose file is known."""
        return self.recnums if self.valid.all() else self.recnums[self.valid]


def default(key: Keyword) -> int | float | str:
    """Default value of a keyword, which is the value of a constant."""
    text = key.default.strip()
    if key.type == "string":
        return key.default
    if key.type == "time":
        return words.scan_time(text)
    try:
        if key.type in schema.REALS:
            return float(text)
        return int(text, 0) if text[:2].lower() == "0x" else int(float(text)) if "." in text else int(text)
    except ValueError:
        return key.missing


class Reader:
    """
    Reads records.

    Parameters
    ----------
    catalog : mapping of str to Series
        Where links lead.
    """

    def __init__(self, catalog: Mapping[str, Series]) -> None:
        self._catalog = catalog

    def series(self, name: str) -> Series | None:
        """A series by name, None where there is none."""
        return self._catalog.get(name)

    def values(self, series: Series, recnums: Recnums, key: Keyword, depth: int = 0) -> Values:
        """
        Values of a keyword; links are followed, constants repeated.

        Where a link leads nowhere `Values.valid` is False.
        """
        count = len(recnums)
        if key.link:
            linking = self._linking(series, key.link, lambda there: there.find(key.target), depth)
            if linking is None:
                return Values(key, np.zeros(count), np.zeros(count, dtype=bool))
            link, target, found = linking
            linked, target, there = self._through(series, recnums, link, target)
            some = self.values(target, there, found, depth + 1)
            if len(there) == count:
                return some
            valid = linked >= 0
            values = np.zeros(count, dtype=some.values.dtype)
            values[valid] = np.ma.getdata(some.values)
            valid[valid] = some.valid
            return Values(some.key, values, valid)
        if key.constant:
            kind: Any = object if key.type == "string" else np.int64 if key.type in schema.MISSING_INT else np.float64
            values = np.full(count, default(key), dtype=kind)
        else:
            values = series.columns(recnums, [key.column])[key.column]
            if np.ma.isMaskedArray(values):  # where the database has nothing the template's value stays
                values = values.filled(default(key))
        return Values(key, values, np.ones(count, dtype=bool))

    def _linking(
        self, series: Series, name: str, find: Callable[[schema.SeriesDefinition], T | None], depth: int
    ) -> tuple[schema.Link, Series, T] | None:
        """A link by name, the series that it leads to and what `find` finds there; None where anything is missing."""
        link = series.definition.links.get(name.lower())
        target = self._catalog.get(link.target) if link else None
        found = find(target.definition) if target else None
        if link is None or target is None or found is None or depth >= _LINK_DEPTH:
            return None
        return link, target, found

    def follow(self, series: Series, recnums: Recnums, link: schema.Link) -> Recnums:
        """Record numbers that a link leads to, -1 where it leads nowhere."""
        target = self._catalog.get(link.target)
        if target is None or not len(recnums):
            return np.full(len(recnums), -1, dtype=np.int64)
        if link.static:
            column = f"ln_{link.name.lower()}"
            wanted = np.ma.getdata(series.columns(recnums, [column])[column]).astype(np.int64)
            distinct = np.unique(wanted)
            existing = target.existing(distinct[distinct > 0])
            return np.where(np.isin(wanted, existing), wanted, -1)
        return self._follow_keys(series, recnums, link, target)

    def _through(
        self, series: Series, recnums: Recnums, link: schema.Link, target: Series
    ) -> tuple[Recnums, Series, Recnums]:
        """Where a link leads, the series there, and the records there; a `Prefetched` series remembers them."""
        if not isinstance(series, Prefetched) or not series.holds(recnums):
            linked = self.follow(series, recnums, link)
            return linked, target, linked[linked >= 0]
        name = link.name.lower()
        if name not in series.targets:
            linked = self.follow(cast(Series, series), recnums, link)
            others = linked[linked >= 0]
            known = Prefetched(target, others, series.linked.get(name, ()))
            series.targets[name] = linked, cast(Series, known), others
        return series.targets[name]

    @staticmethod
    def _follow_keys(series: Series, recnums: Recnums, link: schema.Link, target: Series) -> Recnums:
        """Dynamic links name the prime keys of the newest version of a record."""
        prime = [key.column for key in target.definition.prime]
        names = [f"ln_{link.name.lower()}_{name}" for name in prime]
        try:
            columns = series.columns(recnums, names)
        except KeyError:
            return np.full(len(recnums), -1, dtype=np.int64)
        cache: dict[tuple[Any, ...], int] = {}
        result = np.full(len(recnums), -1, dtype=np.int64)
        for row, wanted in enumerate(zip(*(columns[name].tolist() for name in names), strict=True)):
            if wanted not in cache:
                bounds = {name: (value, value) for name, value in zip(prime, wanted, strict=True)}
                found = target.candidates(bounds, False)
                cache[wanted] = int(found[0]) if len(found) else -1
            result[row] = cache[wanted]
        return result

    def names(self, series: Series, recnums: Recnums) -> list[str]:
        """
        Names of records as the server writes them: ``hmi.M_720s[2014.01.01_00:00:00_TAI][3]``.

        A series without prime keys has ``[:#recnum]``.
        """
        definition = series.definition
        if not definition.primekeys:
            return [f"{definition.name}[:#{recnum}]" for recnum in recnums.tolist()]
        texts = []
        for key in definition.primekeys:
            found = self.values(series, recnums, key)
            texts.append(printer.printed(found.key, found.values))
        template = definition.name.replace("%", "%%") + "[%s]" * len(texts)
        return [template % row for row in zip(*texts, strict=True)]

    def files(self, series: Series, recnums: Recnums, segment: Segment, depth: int = 0) -> Files:
        """Where the files of a segment are; links are followed, to invalid ones where they lead nowhere."""
        if not segment.link:
            return Files(series, segment, recnums, np.ones(len(recnums), dtype=bool))
        wanted = segment.target.lower()
        linking = self._linking(series, segment.link, lambda there: there.segments.get(wanted), depth)
        if linking is None:
            return Files(series, segment, recnums, np.zeros(len(recnums), dtype=bool))
        link, target, found = linking
        linked, target, others = self._through(series, recnums, link, target)
        there = self.files(target, others, found, depth + 1)
        if len(others) == len(recnums):
            return there
        valid = linked >= 0
        numbers = np.full(len(recnums), -1, dtype=np.int64)
        numbers[valid] = there.recnums
        valid[valid] = there.valid
        return Files(there.series, there.segment, numbers, valid)

    @staticmethod
    def paths(files: Files) -> list[str]:
        """Path of each file, ``NoDataDirectory`` where the storage unit is offline; only for valid rows."""
        column = f"sg_{files.segment.number:03d}_file"
        values = files.series.columns(files.present, ["sunum", "slotnum", column])
        directories = files.series.directories(np.ma.getdata(values["sunum"]))
        slots = np.ma.getdata(values["slotnum"]).tolist()
        names = np.ma.getdata(values[column]).tolist()
        default_name = files.segment.name + (".fits" if files.segment.protocol.startswith("fits") else "")
        return [
            f"{directory}/S{slot:05d}/{name or default_name}" if directory else "NoDataDirectory"
            for directory, slot, name in zip(directories, slots, names, strict=True)
        ]

    @staticmethod
    def dimensions(files: Files) -> list[str]:
        """Size of each file, ``4096x4096``; only for valid rows."""
        count = int(files.valid.sum())
        if files.segment.scope != "vardim":
            return ["x".join(map(str, files.segment.axes))] * count
        names = [f"sg_{files.segment.number:03d}_axis{axis:03d}" for axis in range(len(files.segment.axes))]
        columns = files.series.columns(files.present, names)
        lists = [np.ma.getdata(columns[name]).tolist() for name in names]
        return ["x".join(map(str, axes)) for axes in zip(*lists, strict=True)]


class Prefetched:
    """
    A series that has some columns of some records at hand; for all else it is the series itself.

    Parameters
    ----------
    series : Series
        The series.
    recnums : array of int64
        The records; the array itself has to be handed back to find their columns again.
    names : iterable of str
        Columns to read now; others are read and kept when they are first asked for.
    linked : mapping of str to iterable of str
        Columns that will be wanted of the records at the other end of a link, by its lower-case name.

    Attributes
    ----------
    targets : dict of str to tuple
        What `jsoclite.sandbox.records.Reader` found at the other end of each link.
    """

    def __init__(
        self, series: Series, recnums: Recnums, names: Iterable[str], linked: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._series, self._recnums = series, recnums
        self.linked = linked or {}
        self.targets: dict[str, tuple[Recnums, Series, Recnums]] = {}
        self._known = series.columns(recnums, sorted(names))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._series, name)

    def holds(self, recnums: Recnums) -> bool:
        """Whether these are the records whose columns are at hand."""
        return recnums is self._recnums

    def columns(self, recnums: Recnums, names: Sequence[str]) -> dict[str, tables.Column]:
        """See `Series.columns`."""
        if recnums is not self._recnums:
            return self._series.columns(recnums, names)
        missing = [name for name in names if name not in self._known]
        if missing:
            self._known |= self._series.columns(recnums, missing)
        return {name: self._known[name] for name in names}


def opened_with(part: Opened, names: Iterable[str], linked: Mapping[str, Iterable[str]]) -> Opened:
    """The same records, with columns at hand."""
    return replace(part, series=cast(Series, Prefetched(part.series, part.recnums, names, linked)))
