"""
``rs_list``: keyword values, segment files and links of records, and the keywords between asterisks, ``*recnum*`` to
``*spec*`` (jsoc_info.c); column by column, or with ``f=1`` one object a record, as a FITS header would have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..catalog import Keyword, Recnums, Segment, Series, printer, tables
from ..engine import Opened, Reader, reading

NO_KEY: Final = "Invalid KeyLink"
MISSING: Final = "MISSING"
NO_SEGMENT: Final = "InvalidSegName"
BAD_LINK: Final = "BadSegLink"
_RARE: Final = re.compile(r"[\\\x00-\x1f]")


def _text(
    reader: Reader, series: Series, recnums: Recnums, name: str, full: bool, binary: bool
) -> tuple[list[str], bool]:
    """Values of a keyword as text, and whether they may need escapes in JSON."""
    key = series.definition.find(name)
    if key is None:
        return [NO_KEY] * len(recnums), False
    found = reader.values(series, recnums, key)
    texts = printer.printed(found.key, found.values, full, binary)
    if name != "QUALITY":
        for row in np.flatnonzero(printer.is_missing(found.key, found.values)).tolist():
            texts[row] = MISSING
    for row in np.flatnonzero(~found.valid).tolist():
        texts[row] = NO_KEY
    return texts, found.key.type == "string"


def quoted(texts: Sequence[str], escape: bool = True) -> str:
    """Texts as JSON strings with commas between them; numbers and times need no escapes."""
    if not texts:
        return ""
    if escape and len(texts) > 64 and len(set(texts[:64])) < 16:
        distinct = {text: printer.quote(text) for text in set(texts)}  # such columns repeat a few texts
        return ",".join([distinct[text] for text in texts])
    body = '","'.join(texts)
    if not escape:
        return f'"{body}"'
    # slashes, in paths and names of instruments, are all that occurs as a rule
    if _RARE.search(body) or body.count('"') != 2 * (len(texts) - 1):
        return ",".join(map(printer.quote, texts))
    body = body.replace("/", "\\/")
    return f'"{body}"'


class SegmentColumns:
    """
    What ``rs_list`` says about one requested segment.

    Attributes
    ----------
    values, dims, cparms, bzeros, bscales : list of str
        As in the answer; the last three only where there is something to say.
    online : list of int
        For each record 1 or 0, -1 where the segment is not there.
    """

    def __init__(self) -> None:
        lists: list[list[str]] = [[] for _ in range(5)]
        self.values, self.dims, self.cparms, self.bzeros, self.bscales = lists
        self.online: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.values)

    def json(self, name: str) -> str:
        """The object in the answer."""
        lists = ("values", "dims", "cparms", "bzeros", "bscales")
        return f'{{"name":"{name}",' + ",".join(f'"{one}":[{quoted(getattr(self, one))}]' for one in lists) + "}"


class Listing:
    """
    Answers ``rs_list`` in the layout of columns.

    Parameters
    ----------
    reader : Reader
        Reads records.
    parts : sequence of Opened
        The records.
    names : mapping of str to str
        Lists of names under ``key``, ``seg`` and ``link``, as far as they were asked for.
    named : bool
        Whether ``recinfo`` is wanted.
    full, bits : bool
        Whether values are printed with full precision, and then as bits.
    """

    def __init__(
        self, reader: Reader, parts: Sequence[Opened], names: Mapping[str, str], *, named: bool, full: bool, bits: bool
    ) -> None:
        definition, text = parts[0].series.definition, names.get("seg", "")
        self._reader, self._names, self._full, self._binary = reader, named, full, bits
        self._keys = _chosen(names.get("key", ""), all_keywords(list(definition.keywords.values())))
        self._links = _chosen(names.get("link", ""), [link.name for link in definition.links.values()])
        # of all segments those that are not there are left out
        self._every, segments = "**ALL**" in text and "**NONE**" not in text, _chosen(text, [])
        if self._every:
            segments = [segment.name for segment in definition.segments.values()]
        self._segments = None if "seg" not in names else [] if "**NONE**" in text else segments
        self._parts = [self._with_columns(part) for part in parts]
        self._pseudo = Pseudo(reader, self._segments)
        self.count = sum(len(part.recnums) for part in parts)

    def _with_columns(self, part: Opened) -> Opened:
        """Records with the columns at hand that will be needed, also those at the other end of links."""
        definition, segments = part.series.definition, self._segments or ()
        keys = [key for key in map(definition.find, self._keys) if key is not None]
        wanted = {key.column for key in keys if key.stored}
        linked: dict[str, set[str]] = {}
        for key in keys:
            link = definition.links.get(key.link.lower()) if key.link else None
            target = self._reader.series(link.target) if link else None
            found = target.definition.find(key.target) if target else None
            if link is not None and found is not None and found.stored:
                linked.setdefault(link.name.lower(), set()).add(found.column)
        if self._names:
            wanted |= {key.column for key in definition.primekeys if key.stored}
        if segments:
            wanted |= {"sunum", "slotnum"}
        for segment in filter(None, (definition.segments.get(name.lower()) for name in segments)):
            if not segment.link:
                wanted.add(f"sg_{segment.number:03d}_file")
        return reading.opened_with(part, wanted, linked)

    def json(self) -> Iterator[str]:
        """The answer without its last members, in pieces."""
        columns = [self._segment(name) for name in self._segments or ()]
        yield "{"
        if self._names:
            yield f'"recinfo":[{self._recinfo(columns)}],'
        yield '"keywords":['
        for number, name in enumerate(self._keys):
            yield f'{"," if number else ""}{{"name":"{name}","values":[{self._keyword(name)}]}}'
        shown = zip(self._segments or (), columns, strict=True)
        segments = ",".join(column.json(name) for name, column in shown if column or not self._every)
        yield f'],"segments":[{segments}],"links":['
        yield ",".join(f'{{"name":"{name}","values":[{self._link(name)}]}}' for name in self._links)
        yield f'],"count":{self.count},'

    def _keyword(self, name: str) -> str:
        pieces = []
        for part in self._parts:
            if not len(part.recnums):
                continue
            numbers = self._pseudo.numbers(part, name)
            if numbers is not None:
                pieces.append(",".join(map(str, numbers)))
                continue
            texts, escape = self._pseudo.texts(part, name), True
            if texts is None:
                texts, escape = _text(self._reader, part.series, part.recnums, name, self._full, self._binary)
            pieces.append(quoted(texts, escape))
        return ",".join(pieces)

    def _recinfo(self, columns: Sequence[SegmentColumns]) -> str:
        names = [name for part in self._parts for name in self._reader.names(part.series, part.recnums)]
        online = [0] * self.count
        for column in columns:
            online = [old if new < 0 else new for old, new in zip(online, column.online, strict=True)]
        # quotes within names have a backslash before them by now, so the names can be told apart again
        escaped = quoted(names)[1:-1].split('","')
        return ",".join([f'{{"name":"{name}","online":{flag}}}' for name, flag in zip(escaped, online, strict=True)])

    def _link(self, name: str) -> str:
        texts: list[str] = []
        for part in self._parts:
            texts += link_texts(self._reader, part, name)
        return ",".join(f'"{text}"' for text in texts)

    def _segment(self, name: str) -> SegmentColumns:
        column = SegmentColumns()
        for part in self._parts:
            segment = part.series.definition.segments.get(name.lower())
            if segment is None or not in_record(part, segment):
                absent = np.zeros(len(part.recnums), dtype=np.bool_)
                self._add(column, absent, NO_SEGMENT, [], [])
                continue
            files = self._reader.files(part.series, part.recnums, segment)
            self._add(column, files.valid, BAD_LINK, self._reader.paths(files), self._reader.dimensions(files))
            column.cparms += [text for text in compression(self._reader, files) if text]
            recnums = part.recnums if files.valid.all() else part.recnums[files.valid]
            for suffix, texts in (("_bzero", column.bzeros), ("_bscale", column.bscales)):
                key = part.series.definition.find(name + suffix)
                if key is not None:
                    found = self._reader.values(part.series, recnums, key)
                    texts += printer.printed(found.key, found.values, self._full, self._binary)
        return column

    def _add(self, column: SegmentColumns, valid: reading.Flags, why: str, paths: list[str], dims: list[str]) -> None:
        """Append paths and sizes where there is a file, and why there is none elsewhere, but not to ``**ALL**``."""
        online = [int(path.startswith("/SUM")) for path in paths]
        if valid.all():
            column.online += online
            column.values += paths
            column.dims += dims
            return
        rows = zip(paths, dims, online, strict=True)
        for present in valid.tolist():
            path, size, flag = next(rows) if present else (why, "NA", -1)
            column.online.append(flag)
            if present or not self._every:
                column.values.append(path)
                column.dims.append(size)


def _chosen(text: str, every: list[str]) -> list[str]:
    """Names between commas, with `every` for ``**ALL**``; ``**NONE**`` makes it a list of nothing."""
    names = [word for word in text.split(",") if word]
    return [] if "**NONE**" in names else [one for name in names for one in (every if name == "**ALL**" else [name])]


def compression(reader: Reader, files: reading.Files) -> list[str]:
    """Compression parameters of each file, empty for none."""
    key = files.series.definition.find(f"cparms_sg{files.segment.number:03d}")
    recnums = files.present
    if key is None:
        return [""] * len(recnums)
    return [value or "" for value in np.ma.getdata(reader.values(files.series, recnums, key).values).tolist()]


def link_texts(reader: Reader, part: Opened, name: str) -> list[str]:
    """Record that a link leads to, for each record: by number for static links, by prime keys for dynamic ones."""
    link = part.series.definition.links.get(name.lower())
    target = reader.series(link.target) if link else None
    if link is None or target is None:
        return ["Invalid_Link"] * len(part.recnums)
    linked = reader.follow(part.series, part.recnums, link)
    texts = ["Invalid_Link"] * len(linked)
    valid = np.flatnonzero(linked >= 0).tolist()
    if link.static:
        for row in valid:
            texts[row] = f"{target.definition.name}[:#{linked[row]}]"
    else:
        for row, text in zip(valid, reader.names(target, linked[linked >= 0]), strict=True):
            texts[row] = text
    return texts


def all_keywords(keys: Sequence[Keyword]) -> list[str]:
    """What ``**ALL**`` stands for: all keywords that are not implicit, each followed by its FITS name if it has one."""
    names = []
    known = {key.column for key in keys}
    for key in keys:
        if not key.implicit:
            names.append(key.name)
            if key.fits_name and key.fits_name.lower() not in known:
                names.append(key.fits_name)
    return names


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
        return list(self._column(part, "sunum").tolist()) if name == "*sunum*" else None

    def texts(self, part: Opened, name: str) -> list[str] | None:
        """Values of the others, None for a name that is none of them."""
        function = self._texts.get(name)
        return function(part) if function else None

    def units(self, part: Opened) -> list[tables.StorageUnit | None]:
        """Storage unit of each record."""
        return part.series.units(self._column(part, "sunum"))

    @staticmethod
    def _column(part: Opened, name: str) -> Recnums:
        return np.asarray(np.ma.getdata(part.series.columns(part.recnums, [name])[name]))

    def _about(self, part: Opened, tell: Callable[[tables.StorageUnit], str], unknown: str) -> list[str]:
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


def _retention(unit: tables.StorageUnit) -> str:
    if not unit.online:
        return "N/A"
    date = unit.effective_date
    return f"{date[:4]}.{date[4:6]}.{date[6:8]}"


def _changed(unit: tables.StorageUnit) -> str:
    if not unit.online:
        return "NA"
    date, _, clock = unit.mtime.rstrip("Z").partition("T")
    return f"{date.replace('-', '.')}_{clock}_UT"


def in_record(part: Opened, segment: Segment) -> bool:
    """Whether the braces of the record set left the segment in."""
    return part.segments is None or segment.name in part.segments


NOTHING: Final = "???"
# what a record object calls the keywords between asterisks, in its order
_PSEUDO: Final = [
    (f"*{name}*", "expdate" if name == "retain" else name)
    for name in ("recnum", "sunum", "size", "online", "retain", "archive", "recdir", "logdir", "dirmtime", "spec")
]


class FitsListing:
    """
    Answers ``rs_list`` in the layout of records.

    Parameters
    ----------
    reader : Reader
        Reads records.
    part : Opened
        The records.
    names : mapping of str to str
        Lists of names under ``key``, ``seg`` and ``link``, as far as they were asked for.
    wants_info : bool
        Whether ``R`` was given.
    """

    def __init__(self, reader: Reader, part: Opened, names: Mapping[str, str], *, wants_info: bool) -> None:
        self._reader, self._part, self._wants_info = reader, part, wants_info
        self._every = "**ALL**" in names.get("seg", "")
        self._segments = self._requested_segments(names.get("seg", ""))
        self._pseudo = Pseudo(reader, None)
        self._sized = "seg" not in names
        self._fake, self._keys = self._requested_keys(names.get("key", ""))
        self._links = self._requested_links(names.get("link", ""))

    def _words(self, text: str) -> list[str]:
        return [word for word in text.split(",") if word and word != "**NONE**"]

    def _requested_segments(self, text: str) -> list[tuple[str, Segment | None]]:
        known = self._part.series.definition.segments
        if "**NONE**" in text:
            return []
        if self._every:
            return [(segment.name, segment) for segment in known.values()]
        found = {word: known.get(word.lower()) for word in self._words(text)}
        return [(segment.name if segment else word, segment) for word, segment in found.items()]

    def _requested_keys(self, text: str) -> tuple[set[str], list[tuple[str, Keyword | None]]]:
        definition, fake = self._part.series.definition, {name for name, _ in _PSEUDO}
        wanted: dict[str, Keyword | None] = {}
        asked: set[str] = set()
        for word in self._words(text):
            if word == "**ALL**":
                for key in definition.keywords.values():
                    if not key.implicit and (self._segments or not key.per_segment):
                        wanted.setdefault(key.base, key)
            elif word.lower() in fake:
                asked.add(word.lower())
            else:
                found = definition.find(word) or definition.find(f"{word}_000")
                wanted.setdefault(found.base if found and not found.implicit else word, found)
        keys = [(name, None if key is None or key.implicit else key) for name, key in wanted.items()]
        return asked, keys

    def _requested_links(self, text: str) -> list[str]:
        definition, wanted = self._part.series.definition, []
        for word in self._words(text):
            if word == "**ALL**":
                wanted += [link.name for link in definition.links.values()]
            else:
                link = definition.links.get(word.lower())
                wanted.append(link.name if link else word)
        return list(dict.fromkeys(wanted))

    def json(self) -> Iterator[str]:
        """The answer without its last members, in pieces."""
        members = list(self._members())
        yield '{"recset":['
        count = len(self._part.recnums)
        for row in range(count):
            record = {name: values[row] for name, values in members}
            record["segments"] = [one for one in record["segments"] if one]
            yield ("," if row else "") + printer.text(record)
        yield f'],"count":{count},'

    def _members(self) -> Iterator[tuple[str, list[Any]]]:
        """Members of the record objects, each with its values for all records."""
        part = self._part
        yield "specification", self._reader.names(part.series, part.recnums)
        for name, shown in _PSEUDO:
            if name in self._fake:
                yield shown, self._about(name)
        keys = [self._key(name, key) for name, key in self._keys if key is None or not key.per_segment]
        yield "keywords", self._rows(keys)
        yield "segments", self._rows([self._segment(name, segment) for name, segment in self._segments])
        yield "links", self._rows([self._link(name) for name in self._links])
        if self._wants_info and "*online*" not in self._fake:
            numbers = self._pseudo.numbers(part, "*sunum*") or []
            units = self._pseudo.units(part)
            known = zip(numbers, units, strict=True)
            yield "online", ["NA" if number < 0 else int(bool(unit and unit.online)) for number, unit in known]

    def _rows(self, columns: list[list[Any]]) -> list[Any]:
        return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in self._part.recnums]

    def _about(self, name: str) -> list[Any]:
        numbers = self._pseudo.numbers(self._part, name)
        if numbers is not None:
            return numbers
        if name == "*size*":  # this layout has its own sum, which is right, and fails for listed segments
            sizes = self._pseudo.sizes(self._part) if self._sized else [0] * len(self._part.recnums)
            return [str(size) if size else "NA" for size in sizes]
        return ["NA" if text == "N/A" else text for text in self._pseudo.texts(self._part, name) or ()]

    def _values(self, key: Keyword) -> list[str]:
        found = self._reader.values(self._part.series, self._part.recnums, key)
        texts = printer.fits_values(found.key, found.values)
        return [text if valid else NOTHING for text, valid in zip(texts, found.valid.tolist(), strict=True)]

    def _key(self, name: str, key: Keyword | None) -> list[dict[str, Any]]:
        if key is None:
            return [{"name": name, "invalid": True}] * len(self._part.recnums)
        shown = printer.fits_name(key)
        return [{"name": shown, "value": text} for text in self._values(key)]

    def _segment(self, name: str, segment: Segment | None) -> list[dict[str, Any]]:
        part, reader = self._part, self._reader
        count = len(part.recnums)
        if segment is None:
            return [{"name": name, "invalid": True}] * count
        if not in_record(part, segment):
            return [{} if self._every else {"name": name, "path": NO_SEGMENT, "dims": "NA"}] * count
        files = reader.files(part.series, part.recnums, segment)
        known = zip(reader.paths(files), reader.dimensions(files), compression(reader, files), strict=True)
        rows: list[dict[str, Any]] = []
        for valid, unit in zip(files.valid.tolist(), self._pseudo.units(part), strict=True):
            if not valid:
                rows.append({"name": name, "path": BAD_LINK})
                continue
            path, dims, cparms = next(known)
            row = {"name": name, "online": int(bool(unit and unit.online)), "path": path, "dims": dims}
            rows.append({**row, "cparms": cparms} if cparms else row)
        self._add_values(rows, name, segment)
        return rows

    def _add_values(self, rows: list[dict[str, Any]], name: str, segment: Segment) -> None:
        """Scaling, and the segment's own keywords, of the segments that are there."""
        keywords = self._part.series.definition.keywords
        for member in ("bzero", "bscale"):
            key = keywords.get(f"{name.lower()}_{member}")
            if key is not None:
                for row, text in zip(rows, self._values(key), strict=True):
                    if "dims" in row:
                        row[member] = text
        for key in [one for _, one in self._keys if one is not None and one.per_segment]:
            mine = keywords.get(f"{key.base.lower()}_{segment.number:03d}")
            texts = self._values(mine) if mine else [NOTHING] * len(rows)
            for row, text in zip(rows, texts, strict=True):
                if "dims" in row:
                    row.setdefault("keywords", []).append({"name": printer.fits_name(key), "value": text})

    def _link(self, name: str) -> list[dict[str, Any]]:
        nowhere = "Invalid_Link"
        return [
            {"name": name, "invalid": True} if text == nowhere else {"name": name, "linkedrec": text}
            for text in link_texts(self._reader, self._part, name)
        ]
