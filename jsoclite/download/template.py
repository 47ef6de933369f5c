"""
File names as users spell them: ``{T_REC:%Y/%m}/{HARPNUM:06d}.{segment}.fits``.

A `Template` is held against the definition of each series, takes values out of record names, tables and answers, and
refuses two files under one name. What is made of it is trusted no more than other names: values are cleaned, folders
are folders below the directory, and the extension is always the file's own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ArgumentError, UnknownName, shown
from ..series import FileKey, Kind, RecordName, SeriesInfo, keyword_type, keywords_of, nearest_names
from .names import DEVICES, ENDINGS, LONGEST, TIME, ended, plain_time, safe, stem

if TYPE_CHECKING:
    import pandas as pd

# fields that are no keywords
OWN = ("segment", "series", "recnum", "record", "process")

_EXAMPLE = "'{T_REC:%Y/%m}/{T_REC}.{segment}.fits'"
# on no file system that forbids them would the file have this name
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_DIRECTIVE = re.compile(r"%(.?)")
# those that mean the same on every system; a record's time has no zone to convert to
_DIRECTIVES = "aAbBdfHIjmMpSuUVwWyYG%"
_LONGEST_VALUE = 100
# where `Client.sync` keeps tables
_TABLES = "keywords"
_PROBES: Mapping[Kind, Any] = {Kind.INTEGER: 1, Kind.REAL: 1.5, Kind.STRING: "x", Kind.TIME: "2014.01.01_00:00:00_TAI"}


class _Part(NamedTuple):
    """Text, and the field behind it, if any, with its format."""

    text: str
    name: str = ""
    spec: str = ""
    kind: Kind = Kind.STRING


class Template:
    """
    File names with fields in braces.

    Parameters
    ----------
    text : str
        See `Client.download`.

    Raises
    ------
    ArgumentError
        If it is none.
    """

    def __init__(self, text: Any) -> None:
        if not isinstance(text, str):
            raise ArgumentError(f"filename={shown(text)} is no template: write one such as {_EXAMPLE}")
        # two forms of one letter are one name on some systems
        self.text = text = unicodedata.normalize("NFC", text)
        self._bound: dict[str, tuple[SeriesInfo, list[_Part]]] = {}
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise self.wrong(f"{error}; a brace that belongs to the name is written twice") from None
        self._parts: list[_Part] = []
        for literal, name, spec, conversion in parts:
            if conversion or "{" in (spec or "") or (name and re.search(r"[.\[]", name)):
                raise self.wrong(f"the field {name!r}: it is a name and, behind a colon, a format, as in {_EXAMPLE}")
            self._parts.append(_Part(literal, "" if name is None else name or "{}", spec or ""))
        last = self._parts[-1] if self._parts and not self._parts[-1].name else _Part("")
        dot, ending = last.text.rpartition(".")[1:]
        self._suffix = f".{ending}" if dot and ending.lower() in ENDINGS else ""

    def wrong(self, what: str) -> ArgumentError:
        """Return the error that says what is wrong with it."""
        return ArgumentError(f"filename={shown(self.text)}: {what}")

    def bind(self, info: SeriesInfo, endings: Mapping[str, str] = MappingProxyType({})) -> list[str]:
        """
        Hold the template against the definition of a series, and return the keywords that it names.

        Parameters
        ----------
        info : SeriesInfo
            Of the files.
        endings : mapping of str to str
            Extensions of the wanted segments.

        Raises
        ------
        UnknownName
            For a field that there is not.
        ArgumentError
            For a format that does not go with the keyword, a name that no file can have, or another extension.
        """
        known, parts, probe = keywords_of(info), [], ""
        for part in self._parts:
            kind = Kind.INTEGER if part.name == "recnum" else Kind.STRING
            if (name := part.name) and name not in OWN:
                by_lower = {one.lower(): one for one in (*known, *OWN)}
                if (own := by_lower.get(name.lower())) is None:
                    raise UnknownName(
                        f"filename={shown(self.text)}: {info.name} has no field {name!r}: a field is a keyword, or one "
                        f"of {', '.join(OWN)}.{nearest_names(name, by_lower.values())}",
                        record_set=info.name,
                    )
                name = own
            if name and name not in OWN:
                kind = keyword_type(known[name]["type"]).kind
            parts.append(made := part._replace(name=name, kind=kind))
            probe += part.text + (self._formatted(made, _PROBES[kind]) if name else "")
        self._check(probe)
        for segment, own in endings.items():
            # of what has none any is as good, but not that of what is checked and completed
            if self._suffix not in ("", own) and (own or self._suffix == ".fits"):
                own = f"comes as {own}" if own else "has no extension"
                raise self.wrong(
                    f"{self._suffix}: {segment or 'a file'} of {info.name} {own}; leave {self._suffix} out"
                )
        self._bound[info.name.lower()] = info, parts
        return list(dict.fromkeys(part.name for part in parts if part.name and part.name not in OWN))

    def _check(self, probe: str) -> None:
        """Refuse what no file can be called, whatever the values are."""
        if "\\" in probe:
            raise self.wrong("folders are written with /")
        if (wrong := _FORBIDDEN.search(probe)) or not probe.isprintable():
            raise self.wrong(f"a file name cannot hold {wrong[0] if wrong else 'what cannot be printed'!r}")
        if probe.startswith("/"):
            raise self.wrong("it begins at the root; directory= says where files go, and the template what is below")
        for name in probe.split("/"):
            if not name or name.startswith(".") or name.endswith((".", " ")):
                raise self.wrong(
                    f"{name!r} cannot be the name of a file or folder here: it is empty, begins with a dot, or ends "
                    "with a dot or space"
                )
            if _is_taken(name):
                raise self.wrong(f"the name {name!r} is kept by Windows for a device, or for jsoclite's tables")

    # -- values ---------------------------------------------------------------------------------------------------

    def _values(
        self, info: SeriesInfo, records: Sequence[tuple[str, int]], tables: Iterable[pd.DataFrame]
    ) -> dict[str, list[Any] | None]:
        """
        Return the values of the keywords for records (name and number), as far as their names and tables have them.

        A table's column counts where it has the type that the series gives to the keyword, and all the records.
        """
        names = [RecordName.parse(record).bare for record, _ in records]
        prime = [str(key) for key in info.primekeys or () if key]
        found: dict[str, list[Any] | None] = {}
        for part in self._bound[info.name.lower()][1]:
            if part.name and part.name not in OWN:
                place = prime.index(part.name) if part.name in prime else 0
                whole = part.name in prime and all(len(values) == len(prime) for values in names)
                read = [_read(values[place], part.kind) for values in names] if whole else [None]
                columns = (_column(table, part, records) for table in tables)
                known = None if any(value is None for value in read) else read
                found[part.name] = known or next((column for column in columns if column is not None), None)
        return found

    def lacking(
        self, info: SeriesInfo, records: Sequence[tuple[str, int]], tables: Iterable[pd.DataFrame]
    ) -> list[str]:
        """Return the keywords for which the server must be asked."""
        return [name for name, values in self._values(info, records, tables).items() if values is None]

    # -- names ----------------------------------------------------------------------------------------------------

    def paths(
        self,
        info: SeriesInfo,
        records: Sequence[tuple[str, int]],
        files: Iterable[FileKey],
        tables: Iterable[pd.DataFrame],
        process: str,
    ) -> Iterator[str]:
        """
        Yield the paths of files below the directory, with slashes.

        Parameters
        ----------
        info : SeriesInfo
            The definition that counts.
        records : sequence of (str, int)
            Name and number of each record, as tables may have it.
        files : iterable of FileKey
            As many of each record, one record after the other.
        tables : iterable of DataFrame
            What is known of the records.
        process : str
            What the product is called.

        Raises
        ------
        ArgumentError
            For a value that is missing, or one with which there is no such name.
        """
        columns = self._values(info, records, tables)
        lines = list(zip(*([None] * len(records) if one is None else one for one in columns.values()), strict=True))
        files = list(files)
        for place, file in enumerate(files):
            line = lines[place * len(records) // len(files)] if lines else ()
            yield self._path(info, file, dict(zip(columns, line, strict=True)), process)

    def _path(self, info: SeriesInfo, file: FileKey, values: Mapping[str, Any], process: str) -> str:
        own = {
            "segment": file.segment,
            "series": info.name,
            "recnum": file.recnum if file.recnum >= 0 else None,
            "record": stem(file.record),
            "process": process,
        }
        text = ""
        for part in self._bound[info.name.lower()][1]:
            text += part.text
            if part.name:
                value = own[part.name] if part.name in OWN else values.get(part.name)
                text += self._formatted(part, value, file.record)
        name = ended(text.removesuffix(self._suffix), file.ending or self._suffix)
        path = "/".join(f"_{part}" if _is_taken(part) else part for part in name.split("/"))
        if (longest := max(len(part.encode()) for part in path.split("/"))) > LONGEST:
            raise self.wrong(f"{file.record} would have a name of {longest} bytes, and {LONGEST} is the most")
        return path

    def _formatted(self, part: _Part, value: Any, record: str = "") -> str:
        """Return what stands for a field; of values nothing but letters, digits and ``._+-`` comes through."""
        where = f"{{{part.name}:{part.spec}}}" if part.spec else f"{{{part.name}}}"
        if value is None or value != value or value == "" or (part.kind is Kind.REAL and math.isinf(value)):
            raise self.wrong(f"{part.name} of {record} is missing: leave {where} out, or the row")
        if part.kind is Kind.TIME:
            texts = self._time(part.spec, where, str(value), record).split("/")
        else:
            try:
                texts = [format(value, part.spec)]
            except (ValueError, TypeError, OverflowError) as error:
                said = f"{where}: {error}; numbers and texts take Python's formats, as in {{HARPNUM:06d}}"
                raise self.wrong(said) from None
        cleaned = [safe(text) for text in texts]
        if not all(cleaned):
            raise self.wrong(f"nothing of {part.name} of {record}, {shown(value)}, can stand in a file name")
        return "/".join(
            one if len(one) <= _LONGEST_VALUE else f"{one[: _LONGEST_VALUE - 10]}~{_hash(text)}"
            for one, text in zip(cleaned, texts, strict=True)
        )

    def _time(self, spec: str, where: str, text: str, record: str) -> str:
        """Format a time as it is printed, in its own scale: with the leap second, which Python does not know."""
        found = TIME.fullmatch(text)
        if found is None:
            raise self.wrong(f"{where}: {shown(text)} of {record} is no time")
        if not spec:
            return plain_time(text)
        if not {*_DIRECTIVE.findall(spec)} <= {*_DIRECTIVES} or "%" not in spec:
            raise self.wrong(f"{where}: times take formats of strftime, such as %Y%m%d_%H%M%S")
        year, month, day, hour, minute, second = found.groups()[:6]
        whole, _, fraction = (second or "00").partition(".")
        spec = _DIRECTIVE.sub(lambda one: whole if one[1] == "S" else one[0], spec)
        # a day, and what passes of it, so that 24:00 is the next one's beginning
        clock = dt.timedelta(hours=int(hour), minutes=int(minute), seconds=min(int(whole), 59))
        clock += dt.timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        try:
            return (dt.datetime(int(year), int(month), int(day)) + clock).strftime(spec)
        except (ValueError, OverflowError) as error:
            raise self.wrong(f"{where}: {text} of {record}: {error}") from None

    # -- never shared ---------------------------------------------------------------------------------------------

    def refuse_clashes(self, files: Iterable[FileKey]) -> None:
        """Refuse two files under one name, or a file where another one has a folder."""
        owners: dict[str, FileKey] = {}
        for file in files:
            other = owners.setdefault(file.path.lower(), file)
            if other != file:
                raise self.clash(file, other)
        for path, file in owners.items():
            for parent in PurePosixPath(path).parents:
                if (above := owners.get(str(parent))) is not None:
                    raise self.clash(file, above, "would have a folder in place of")

    def clash(self, file: FileKey, other: FileKey, how: str = "would have the name of") -> ArgumentError:
        """Return the error for two files under one name; it says what would tell them apart."""
        said = [f"{one.record}{{{one.segment}}}" for one in (file, other)]
        if said[0] == said[1]:
            said = [f"{text} (#{one.recnum})" for text, one in zip(said, (file, other), strict=True)]
        return self.wrong(
            f"{said[0]} {how} {said[1]}, {other.path}: add {{{self._apart(file, other)}}}; nothing was fetched"
        )

    def _apart(self, file: FileKey, other: FileKey) -> str:
        """Return a field in which two files differ, also where case does not count."""
        one, two = RecordName.parse(file.record), RecordName.parse(other.record)
        if one.series.lower() != two.series.lower():
            return "series"
        bound = self._bound.get(one.series.lower())
        if bound is not None and len(one.values) == len(two.values) == len(bound[0].primekeys):
            for key, *values in zip(bound[0].primekeys, one.bare, two.bare, strict=True):
                if len({safe(plain_time(value)).lower() for value in values}) == 2:
                    return str(key)
        if file.recnum != other.recnum:
            return "recnum"
        return "process" if file.segment == other.segment else "segment"


def _is_taken(name: str) -> bool:
    return bool(DEVICES.match(name)) or name.lower() == _TABLES


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _read(text: str, kind: Kind) -> Any:
    """Read a value in a record's name; None where it cannot be read."""
    if kind is Kind.TIME:
        return text if TIME.fullmatch(text) else None
    if kind is Kind.STRING:
        return text or None
    try:
        return int(text) if kind is Kind.INTEGER else float(text)
    except ValueError:
        return None


def _column(table: pd.DataFrame, part: _Part, records: Sequence[tuple[str, int]]) -> list[Any] | None:
    """Return the values of a table's column for records; None where it is of another type, or lacks some of them."""
    import pandas as pd

    column = table.get(part.name)
    if not isinstance(column, pd.Series):
        return None
    types = pd.api.types
    fits = {Kind.INTEGER: types.is_integer_dtype, Kind.REAL: types.is_float_dtype}.get(part.kind, types.is_string_dtype)
    if not fits(column.dtype):
        return None
    numbers = table.get("recnum")
    by = dict(zip(table.index if numbers is None else numbers, column, strict=True))
    wanted = [record if numbers is None else number for record, number in records]
    missing = [one for one in wanted if one not in by]
    return None if missing else [None if pd.isna(by[one]) else by[one] for one in wanted]
