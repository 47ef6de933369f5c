r"""
The shape of an ``rs_list`` reply: which columns it has, and where in the bytes their cells are.

A reply is columns of quoted strings, so finding the quotes finds the cells, and most columns become arrays without a
Python string for each cell. Whatever deviates from the form that the server prints (blanks, escapes other than
``\/``, bytes that are not ASCII) goes through the JSON module instead, with the same result.

Cells of a column, where they lie in the bytes of a reply.

A column is quoted strings with commas between them, so finding the quotes finds the cells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..errors import ServerError
from .digits import Bytes, Places, read_integers

Body: TypeAlias = bytes | bytearray | memoryview

_TAIL = re.compile(rb'\],"count":(\d+)(?:,"\w+":-?[\d.]+)*\}\s*\Z')


@dataclass(slots=True)
class Reply:
    """
    An ``rs_list`` reply, taken apart.

    Attributes
    ----------
    count : int
        Number of records.
    names : sequence of str, optional
        Names of the records (``recinfo``), where ``R=1`` was asked for.
    keywords, segments, links : dict of str to sequence
        Cells by the name of the column, as it was asked for; what was asked for twice is here once.
    """

    count: int
    names: Sequence[str] | None = None
    keywords: dict[str, Sequence[Any]] = field(default_factory=dict)
    segments: dict[str, Sequence[Any]] = field(default_factory=dict)
    links: dict[str, Sequence[Any]] = field(default_factory=dict)


def scan(body: bytes | bytearray) -> Reply:
    """
    Take a reply apart without decoding it.

    Raises
    ------
    UnexpectedShape
        If the reply is not exactly what the server prints, or holds no records.
    """
    tail = _TAIL.search(body, max(0, len(body) - 200))
    if tail is None or not body.isascii():
        raise UnexpectedShape
    count = int(tail[1])
    if count == 0:
        raise UnexpectedShape
    text = np.frombuffer(body, dtype=np.uint8)
    names, place = None, 1
    if body.startswith(b'{"recinfo":['):
        end = body.find(b'],"keywords":[')
        if end < 0:
            raise UnexpectedShape
        names, place = Names(body, len(b'{"recinfo":['), end, count), end + 2
    elif not body.startswith(b"{"):
        raise UnexpectedShape
    keywords, place = _columns(body, text, place, b'"keywords":[', count)
    segments, place = _columns(body, text, place, b',"segments":[', count)
    links, place = _columns(body, text, place, b',"links":[', count)
    if place != tail.start() + 1:
        raise UnexpectedShape
    return Reply(count, names, {**keywords}, {**segments}, {**links})


def _columns(body: bytes | bytearray, text: Bytes, place: int, head: bytes, count: int) -> tuple[dict[str, Cells], int]:
    """Find the columns of one kind; returns them and where the list ends."""
    if not body.startswith(head, place):
        raise UnexpectedShape
    place += len(head)
    behind = b',"dims":[' if b"segments" in head else b'},{"name":"'
    found: dict[str, Cells] = {}
    if body.startswith(b"]", place):
        return found, place + 1
    while True:
        name = body[place + 9 : body.find(b'"', place + 9)].decode("ascii")
        first = found.get(name)
        if first is None:
            start, stop = _array(body, place, b'{"name":', b',"values":[', count, behind)
            found[name] = Cells(text, start, stop, count)
        else:  # asked for twice, answered twice
            start = place + len(name) + 21
            stop = start + first.stop - first.start
            if body[place + len(name) + 9 : stop + 1] != b'","values":[' + first.raw + b"]":
                raise UnexpectedShape
        place = stop + 1
        while body.startswith(b',"', place):  # dims, cparms, bzeros and bscales of a segment
            start, stop = _array(body, place, b"", b":[")
            if b"{" in body[start:stop]:
                raise UnexpectedShape
            place = stop + 1
        if body.startswith(b"},", place):
            place += 2
        elif body.startswith(b"}]", place):
            return found, place + 2
        else:
            raise UnexpectedShape


def _array(
    body: bytes | bytearray, place: int, head: bytes, mark: bytes, count: int = 0, behind: bytes = b""
) -> tuple[int, int]:
    """
    Find the array behind `head`, one string and `mark`: the slice between its brackets.

    `count` is the number of cells that it has to have, where the caller is going to check that; `behind` is what most
    probably stands behind it.
    """
    if not body.startswith(head, place):
        raise UnexpectedShape
    quote = body.find(b'"', place + len(head) + (1 if head else 2))
    if quote < 0 or not body.startswith(mark, quote + 1) or b"\\" in body[place:quote]:
        raise UnexpectedShape
    start = quote + 1 + len(mark)
    if not body.startswith(b'"', start):
        stop = body.find(b"]", start)
        if stop < 0:
            raise UnexpectedShape
        return start, stop
    # Most columns have cells of one length; any other takes at least two quotes and a comma for each cell.
    size = body.find(b'"', start + 1) - start + 2
    stop = start + count * size - 2
    if count == 0 or not body.startswith(b'"]', stop) or _is_escaped(body, stop):
        least = start + max(3 * count - 2, 1)
        stop = body.find(b"]", least) - 1  # one byte is found fastest, and numbers and most words have no brackets
        if not body.startswith(b'"]' + behind, stop):  # then, the longer the word, the faster
            stop = body.find(b'"]' + behind, least, start + count * (size + 8)) if behind else -1
        stop = stop if stop > 0 else body.find(b'"]', least)
    # A quote inside a string is escaped, so an unescaped one before a bracket ends the array. (Where it opens the
    # string `]…`, what follows is no reply, and `_columns` finds that out.)
    while stop > 0 and _is_escaped(body, stop):
        stop = body.find(b'"]', stop + 1)
    if stop < 0:
        raise UnexpectedShape
    return start, stop + 1


def _is_escaped(body: bytes | bytearray, place: int) -> bool:
    """Tell whether an odd number of backslashes stands before `place`."""
    start = place
    while body[start - 1] == ord("\\"):
        start -= 1
    return (place - start) % 2 == 1


def read_json(body: Body) -> Reply:
    """
    Take a reply apart with the JSON module.

    Raises
    ------
    ServerError
        If the body is no ``rs_list`` reply: no JSON, truncated, or with columns of unequal length.
    """
    raw = bytes(body)
    try:  # JSOC sends bytes as they were stored: mostly ASCII, some UTF-8, some Latin-1
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    try:
        # strict=False: HISTORY and COMMENT hold control characters
        answer = json.loads(text, strict=False)
    except ValueError as error:
        raise ServerError(f"the reply of the server is no JSON, or was cut off: {text[:200]!r}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("count"), int):
        raise ServerError(f"the reply of the server is no list of records: {text[:200]!r}")
    count = answer["count"]
    reply = Reply(count)
    try:
        if count and "recinfo" in answer:
            reply.names = [str(entry["name"]) for entry in answer["recinfo"]]
        for key, columns in (("keywords", reply.keywords), ("segments", reply.segments), ("links", reply.links)):
            for column in answer.get(key, ()):
                columns.setdefault(str(column["name"]), list(column["values"]))
    except (KeyError, TypeError) as error:
        raise ServerError(f"the reply of the server is no list of records: {text[:200]!r}") from error
    lists = [
        ("recinfo", reply.names or [""] * count),
        *reply.keywords.items(),
        *reply.segments.items(),
        *reply.links.items(),
    ]
    for name, cells in lists:
        if len(cells) != count:
            raise ServerError(f"the reply of the server has {len(cells)} values of {name!r} for {count} records")
    return reply


_QUOTE, _COMMA = ord('"'), ord(",")
_NEXT_NAME = b'},{"name":"'
_NAMES_AT_A_TIME = 50_000  # bytes
_SLASH = (b"\\/", b"/")


def _quotes(raw: bytes) -> int:
    """Count quotes; `bytes.count` takes ten times as long where there are many."""
    return int(np.count_nonzero(np.frombuffer(raw, dtype=np.uint8) == _QUOTE))


class UnexpectedShape(Exception):
    """The bytes are not what the server prints: the JSON module has to judge them."""


class Cells(Sequence[Any]):
    """
    The cells of one column, where they lie in the reply.

    As a sequence it yields strings, or the numbers of ``*recnum*`` and ``*sunum*``. All methods raise
    `UnexpectedShape` if there are not exactly `length` cells.

    Parameters
    ----------
    text : ndarray of uint8
        The whole reply.
    start, stop : int
        Slice of `text` between the square brackets.
    length : int
        How many cells there have to be.
    """

    def __init__(self, text: Bytes, start: int, stop: int, length: int) -> None:
        self.text, self.start, self.stop, self.length = text, start, stop, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: Any) -> Any:
        return self.tolist()[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    @property
    def raw(self) -> bytes:
        """The bytes between the square brackets."""
        return self.text[self.start : self.stop].tobytes()

    @property
    def quoted(self) -> bool:
        """Whether the cells are strings, so that `bounds` and what rests on it apply."""
        return bool(self.text[self.start] == _QUOTE)

    def some(self, starts: Places, ends: Places) -> list[str]:
        """Return the cells in some slices of those that `bounds` gives."""
        view = self.text.data
        found = [
            bytes(view[start:end]).decode("ascii") for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        return [json.loads(f'"{cell}"', strict=False) if "\\" in cell else cell for cell in found]

    def tolist(self) -> list[Any]:
        """Make a list of the cells."""
        raw = self.raw
        if raw[:1] != b'"':
            return self._load(raw)
        if b"\\" in raw:
            raw = raw.replace(*_SLASH)
            if b"\\" in raw:
                return self._load(self.raw)
        found = raw[1:-1].decode("ascii").split('","')
        if len(found) != self.length or _quotes(raw) != 2 * self.length:
            raise UnexpectedShape
        return found

    def _load(self, raw: bytes) -> list[Any]:
        try:
            found = json.loads(b"[" + raw + b"]", strict=False)
        except ValueError as error:
            raise UnexpectedShape from error
        if len(found) != self.length:
            raise UnexpectedShape
        return list(found)

    def integers(self) -> Places:
        """
        Read cells that are JSON integers, as those of ``*recnum*``.

        Returns
        -------
        ndarray of int64
        """
        if self.quoted:
            raise UnexpectedShape
        commas = np.flatnonzero(self.text[self.start : self.stop] == _COMMA) + self.start
        if len(commas) != self.length - 1:
            raise UnexpectedShape
        found = read_integers(self.text, np.append(self.start, commas + 1), np.append(commas, self.stop))
        if found.other.any() or found.missing.any():
            raise UnexpectedShape
        values: Places = found.values
        return values

    def bounds(self) -> tuple[Places, Places]:
        """Return where each cell starts and ends in the reply, without its quotes."""
        size, rest = divmod(self.stop - self.start + 1, self.length)
        if rest == 0 and size > 2 and self._is_lattice(size):
            starts = np.arange(self.start + 1, self.stop, size)
            return starts, starts + (size - 3)
        quotes = np.flatnonzero(self.text[self.start : self.stop] == _QUOTE)
        if len(quotes) != 2 * self.length or quotes[0] != 0 or quotes[-1] != self.stop - self.start - 1:
            raise UnexpectedShape
        quotes += self.start
        starts, ends = quotes[0::2] + 1, quotes[1::2]
        if not (bool((starts[1:] - ends[:-1] == 3).all()) and bool((self.text[ends[:-1] + 1] == _COMMA).all())):
            raise UnexpectedShape
        return starts, ends

    def _is_lattice(self, size: int) -> bool:
        """Tell whether each cell, with quotes and comma, has `size` bytes."""
        text = self.text[self.start : self.stop + 1]  # the last cell is followed by a bracket instead of a comma
        return bool(
            (text[::size] == _QUOTE).all()
            and (text[size - 2 :: size] == _QUOTE).all()
            and (text[size - 1 : -1 : size] == _COMMA).all()
            and np.count_nonzero(text == _QUOTE) == 2 * self.length
        )

    def packed(self) -> np.ndarray[Any, np.dtype[np.bytes_]]:
        """
        Return the cells as an array of dtype ``S``, ``MISSING`` as empty.

        A view of the reply where all cells have one length.
        """
        starts, ends = self.bounds()
        lengths = ends - starts
        width = int(lengths.max())
        if width == 0 or bool((self.text[self.start : self.stop] == ord("\\")).any()):
            raise UnexpectedShape
        if int(lengths.min()) == width:
            size = width + 3
            packed: np.ndarray[Any, np.dtype[np.bytes_]] = np.ndarray(
                (self.length,), dtype=f"S{width}", buffer=self.text.data, offset=int(starts[0]), strides=(size,)
            )
            return packed if packed[0] != b"MISSING" else np.where(packed == b"MISSING", b"", packed)
        places = np.minimum(starts, len(self.text) - width)
        if bool((places != starts).any()):
            raise UnexpectedShape
        view: Any = np.ndarray((len(self.text) - width + 1,), dtype=f"S{width}", buffer=self.text.data, strides=(1,))
        cells: np.ndarray[Any, np.dtype[np.bytes_]] = view[starts]
        short = np.flatnonzero(lengths < width)
        for length in np.unique(lengths[short]).tolist():
            rows = short[lengths[short] == length]
            cells[rows] = cells[rows].astype(f"S{length}") if length else b""
        cells[cells == b"MISSING"] = b""
        return cells

    def constant(self) -> str | None:
        """Return the cell that all cells are equal to, None if they differ."""
        first = self.raw if self.length == 1 else self.text[self.start : self.start + self._first_length()].tobytes()
        size = len(first) + 1
        if size * self.length != self.stop - self.start + 1 or not first.endswith(b'"'):
            return None
        if self.text[self.stop - len(first) : self.stop].tobytes() != first:  # tells most columns, at once
            return None
        cell = np.frombuffer(first + b",", dtype=np.uint8)
        grid = self.text[self.start : self.stop + 1].reshape(self.length, size)
        if not (bool((grid[:-1] == cell).all()) and bool((grid[-1, :-1] == cell[:-1]).all())):
            return None
        return str(json.loads(first))

    def _first_length(self) -> int:
        """Length of the first cell with its quotes, were there no escapes."""
        window = self.text[self.start : min(self.start + 4096, self.stop)].tobytes()
        return window.find(b'"', 1) + 1


class Names(Sequence[str]):
    """The names of ``recinfo``, decoded when they are needed."""

    def __init__(self, body: bytes | bytearray, start: int, stop: int, count: int) -> None:
        self._body, self._start, self._stop, self._count = body, start, stop, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        return self.tolist()[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def tolist(self) -> list[str]:
        """Make a list of the names."""
        found: list[str] = []
        place = self._start
        while place < self._stop:  # in pieces, so that no second copy of all names is in memory
            end = self._body.find(_NEXT_NAME, place + _NAMES_AT_A_TIME, self._stop)
            end = self._stop if end < 0 else end + 1
            found += self._piece(bytes(self._body[place:end]))
            place = end + 1
        if len(found) != self._count:
            raise UnexpectedShape
        return found

    @staticmethod
    def _piece(raw: bytes) -> list[str]:
        head, tail = '{"name":"', '","online":0}'
        if b"\\" in raw:
            raw = raw.replace(*_SLASH)
        # "online" tells about the last segment only; the paths tell about all
        text = raw.replace(b'","online":1}', tail.encode()).decode("ascii")
        if not text.startswith(head) or not text.endswith(tail) or "\\" in text:
            raise UnexpectedShape
        found = text[len(head) : -len(tail)].split(f"{tail},{head}")
        if _quotes(raw) != 6 * len(found):
            raise UnexpectedShape
        return found
