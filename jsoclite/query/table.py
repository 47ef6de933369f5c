"""
A reply of ``jsoc_info`` → one typed DataFrame.

Index ``record``: the record's own name. Columns: ``recnum``, ``time`` (where the series has a time prime key), the
keywords in the order asked for, segments (URL), links (record name), and ``online`` where segments were asked for.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import JsocWarning, ServerError, choice
from ..series import Kind, SeriesInfo, keyword_type, keywords_of
from . import columns
from . import reply as scan
from .columns import Array, Converted, Scale, convert
from .reply import Cells, UnexpectedShape

# what stands in the place of a path or a link (jsoc_info.c)
_UNKNOWN_SEGMENT, _BROKEN_SEGMENT, _BROKEN_LINK = "InvalidSegName", "BadSegLink", "Invalid_Link"

_PER_SEGMENT = re.compile(r"_\d{3}$")


def from_reply(
    body: scan.Body,
    info: SeriesInfo,
    *,
    times: Scale | None = None,
    base_url: str | None = None,
    keywords: Sequence[str] = (),
    segments: Sequence[str] = (),
    links: Sequence[str] = (),
) -> pd.DataFrame:
    """
    Turn an ``rs_list`` reply into a DataFrame.

    Parameters
    ----------
    body : bytes, bytearray or memoryview
        The reply, best asked for with ``R=1`` (record names) and ``*recnum*`` among the keywords. Without them the
        DataFrame has no record names or no column ``recnum``, and its rows cannot be exported.
    info : SeriesInfo
        Definition of the series: types, prime keys.
    times : {None, "utc", "tai"}
        None keeps time keywords as the server's strings. "utc" makes all of them ``datetime64[ns, UTC]``, "tai" naive
        ``datetime64[ns]`` in TAI.
    base_url : str, optional
        What the path of a segment is appended to. By default a segment column holds the path alone.
    keywords, segments, links : sequence of str
        What was asked for; a reply without records names no columns (jsoc_info.c), so this is where they come from
        then. ``**ALL**`` stands for all of the series.

    Returns
    -------
    pandas.DataFrame
        One row a record, in the order of the reply. ``attrs["jsoc"]`` holds the name of the series.

    Notes
    -----
    A keyword keeps the name and the case it was asked for with; pseudo-keywords such as ``*sunum*`` lose their
    asterisks. What was asked for twice is there once. A name that is taken already, by ``recnum``, ``time`` and
    ``online`` first, is followed by ``_keyword``, ``_segment`` or ``_link``; ``*online*`` keeps its asterisks beside
    our ``online``.

    Raises
    ------
    ServerError
        If the body is no whole ``rs_list`` reply.

    Warns
    -----
    JsocWarning
        Once, naming the keywords, segments and links that do not exist or whose links lead nowhere, and cells that do
        not fit the type of their keyword; all of these are NA. Values that are missing (``MISSING``) and files that
        are offline are ordinary and bring no warning.
    """
    times = choice("times", times, (None, "utc", "tai"))
    if isinstance(body, memoryview):
        body = bytes(body)
    try:
        return _Table(info, scan.scan(body), times, base_url).frame()
    except UnexpectedShape:
        reply = scan.read_json(body)
    if reply.count == 0:
        reply = _empty(info, keywords, segments, links)
    return _Table(info, reply, times, base_url).frame()


class _Table:
    """The DataFrame in the making."""

    def __init__(self, info: SeriesInfo, reply: scan.Reply, times: Scale | None, base_url: str | None) -> None:
        self.info, self.reply, self.times = info, reply, times
        self.base_url = base_url.rstrip("/") if base_url is not None else ""
        self.reserved = {"recnum", "time", "online"} if reply.segments else {"recnum", "time"}
        self.types = {name.upper(): str(entry["type"]) for name, entry in keywords_of(info).items()}
        self.columns: dict[str, Array] = {}
        self.complaints: list[str] = []
        self.time_cells: Sequence[Any] | None = None
        self.rooms = iter(np.empty((len(reply.keywords), reply.count)))

    def frame(self) -> pd.DataFrame:
        """Make all columns, then warn."""
        reply = self.reply
        index = self._index()  # first, as it takes most memory while it is made
        if "*recnum*" in reply.keywords:
            self.columns["recnum"] = _record_numbers(reply.keywords["*recnum*"])
        self._time()
        for name, cells in reply.keywords.items():
            if name != "*recnum*":
                self._add(name, self._keyword(name, cells), "keyword")
        online = np.ones(reply.count, dtype=bool)
        for name, cells in reply.segments.items():
            self._add(name, self._segment(name, _texts(cells), online), "segment")
        for name, cells in reply.links.items():
            self._add(name, self._link(name, _texts(cells)), "link")
        if reply.segments:
            self.columns["online"] = online
        frame = pd.DataFrame(self.columns, index=index, copy=False)
        frame.attrs["jsoc"] = {"series": self.info.name}
        if self.complaints:
            text = f"{self.info.name or 'series'}: {'; '.join(self.complaints)}"
            warnings.warn(text, JsocWarning, stacklevel=_depth_of_caller())
        return frame

    def _index(self) -> pd.Index:
        if self.reply.names is None:
            return pd.RangeIndex(self.reply.count)
        return pd.Index(list(self.reply.names), dtype=str, name="record")

    def _add(self, name: str, values: Array, what: str) -> None:
        """Add a column under its own name, or one that says what it is where the name is taken."""
        label = name.strip("*") if name.startswith("*") else name
        if label in self.reserved and label != name:
            label = name  # `*online*` beside our `online`
        taken = label in self.reserved or label in self.columns
        self.columns[f"{label}_{what}" if taken else label] = values

    def _type(self, name: str) -> str | None:
        """Type of a keyword in the series definition, None if it has no such keyword."""
        if name == "*sunum*":
            return "longlong"
        upper = name.upper()
        return self.types.get(upper) or self.types.get(_PER_SEGMENT.sub("", upper))

    def _keyword(self, name: str, cells: Sequence[Any]) -> Array:
        type_ = self._type(name)
        kind = keyword_type(type_).kind
        if kind is Kind.TIME and self.times == "utc" and cells is self.time_cells:
            return self.columns["time"].copy()
        room = next(self.rooms) if kind in (Kind.INTEGER, Kind.REAL) else None
        converted = convert(cells, kind, unsigned=name.upper() == "QUALITY", times=self.times, room=room)
        self._complain(name, converted, known=type_ is not None)
        return converted.values

    def _complain(self, name: str, converted: Converted, *, known: bool) -> None:
        count = self.reply.count
        if converted.broken and converted.broken == count and not known:
            self.complaints.append(f"there is no keyword {name!r}, its column is all NA")
        elif converted.broken:
            self.complaints.append(f"{converted.broken} of {count} values of {name} are NA, their link leads nowhere")
        if converted.strange is not None:
            self.complaints.append(
                f"{name} has values such as {converted.strange!r} that do not fit its type; they are NA"
            )

    def _time(self) -> None:
        """Add the column ``time``, from the time prime key or from the record names."""
        keys = [str(key).upper() for key in self.info.primekeys or ()]
        position = next((i for i, key in enumerate(keys) if self.types.get(key) == "time"), None)
        if position is None:
            return
        name = next((name for name in self.reply.keywords if name.upper() == keys[position]), None)
        if name is not None:
            self.time_cells = cells = self.reply.keywords[name]
        elif self.reply.names is not None:
            name, cells = keys[position], [_key_value(record, position, len(keys)) for record in self.reply.names]
        else:
            return
        converted = columns.convert_times(cells, "utc")
        self._complain(name, converted, known=True)
        self.columns["time"] = converted.values

    def _segment(self, name: str, paths: list[str], online: Array) -> Array:
        """Make URLs, and clear `online` where there is no file."""
        there = [path.startswith("/") and not path.endswith("/") for path in paths]
        online &= np.array(there, dtype=bool)
        broken = paths.count(_BROKEN_SEGMENT)
        if paths and paths.count(_UNKNOWN_SEGMENT) == len(paths):
            self.complaints.append(f"there is no segment {name!r} in what was asked for, its column is all NA")
        elif broken:
            self.complaints.append(f"{broken} of {len(paths)} files of {name} are NA, their link leads nowhere")
        return columns.strings([self.base_url + path if ok else None for path, ok in zip(paths, there, strict=True)])

    def _link(self, name: str, records: list[str]) -> Array:
        broken = records.count(_BROKEN_LINK)
        if broken:
            self.complaints.append(f"{broken} of {len(records)} links {name} lead nowhere, they are NA")
        return columns.strings([None if record in ("", _BROKEN_LINK) else record for record in records])


def _texts(cells: Sequence[Any]) -> list[str]:
    """Make a list of paths or record names; what is no string is none of either."""
    found = cells.tolist() if isinstance(cells, Cells) else cells
    return [cell if isinstance(cell, str) else "" for cell in found]


def _record_numbers(cells: Sequence[Any]) -> Array:
    if isinstance(cells, Cells):
        return cells.integers()
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ServerError(f"the reply of the server has a record number that is none: {error}") from error


def _key_value(record: str, position: int, keys: int) -> str | None:
    """Read the value of a prime key out of a record name; None where values with brackets make that ambiguous."""
    values = record.split("[")[1:]
    return values[position].rstrip("]") if len(values) == keys else None


def _depth_of_caller() -> int:
    """`stacklevel` of the first frame outside this package, for a warning by the caller of this function."""
    depth = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("jsoclite."):
        frame, depth = frame.f_back, depth + 1
    return depth


def _empty(info: SeriesInfo, keywords: Sequence[str], segments: Sequence[str], links: Sequence[str]) -> scan.Reply:
    """Make the reply that names the columns asked for and has no records."""

    def columns(names: Sequence[str], everything: Sequence[str]) -> dict[str, Sequence[Any]]:
        return {name: () for asked in names for name in (everything if asked == "**ALL**" else [asked])}

    return scan.Reply(
        0,
        (),
        columns(["*recnum*", *keywords], _all_keywords(info)),
        columns(segments, info.segments.index),
        columns(links, info.links.index),
    )


def _all_keywords(info: SeriesInfo) -> list[str]:
    """Names that ``key=**ALL**`` stands for: all but those that the server makes by itself (jsoc_info.c)."""
    implicit = {f"{segment}_{what}" for segment in info.segments.index for what in ("bzero", "bscale")}
    names: list[str] = []
    for name, scope in zip(info.keywords.index, info.keywords["recscope"], strict=True):
        if scope == "index" or name in implicit or re.fullmatch(r"cparms_sg\d{3}", name):
            continue
        names += [f"{name}_{i:03d}" for i in range(len(info.segments))] if scope == "segment" else [name]
    return names
