"""
The shape of an ``rs_list`` reply: which columns it has, and where in the bytes their cells are.

A reply is columns of quoted strings, so finding the quotes finds the cells, and most columns become arrays without a
Python string for each cell. Whatever deviates from the form that the server prints (blanks, escapes other than
``\\/``, bytes that are not ASCII) goes through the JSON module instead, with the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..errors import ServerError
from .cells import Cells, Names, UnexpectedShape
from .digits import Bytes

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
        # the longer the word, the faster it is found
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
