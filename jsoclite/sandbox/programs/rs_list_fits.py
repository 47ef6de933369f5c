"""
``rs_list`` with ``f=1``: one object a record, with names and values as a FITS header would have them (jsoc_info.c).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..catalog import Keyword, Segment, printer, tables
from ..engine import Opened, Reader
from .rs_list import BAD_LINK, NO_SEGMENT, Pseudo, compression, in_record, link_texts

NOTHING: Final = "???"
# what a record object calls the keywords between asterisks, in its order
_PSEUDO: Final = (
    ("*recnum*", "recnum"),
    ("*sunum*", "sunum"),
    ("*size*", "size"),
    ("*online*", "online"),
    ("*retain*", "expdate"),
    ("*archive*", "archive"),
    ("*recdir*", "recdir"),
    ("*logdir*", "logdir"),
    ("*dirmtime*", "dirmtime"),
    ("*spec*", "spec"),
)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return printer.quote(value)
    if value is True:
        return "true"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{printer.quote(name)}:{_text(one)}" for name, one in value.items()) + "}"
    return str(value)


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
            yield ("," if row else "") + _text(record)
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
            yield (
                "online",
                ["NA" if number < 0 else int(_online(unit)) for number, unit in zip(numbers, units, strict=True)],
            )

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
            row = {"name": name, "online": int(_online(unit)), "path": path, "dims": dims}
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


def _online(unit: tables.StorageUnit | None) -> bool:
    return unit is not None and unit.online
