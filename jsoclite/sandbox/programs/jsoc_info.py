"""
The CGI programs ``jsoc_info`` and ``show_series``; ``series_struct`` is the description of a series (jsoc_info.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import unquote

import numpy as np

from ..catalog import Keyword, Recnums, Segment, Series, printer, schema
from ..engine import NOT_FOUND, Engine, EngineCrash, EngineError, Opened, reading, to_int
from ..postgres import SqlError, posix
from .rs_list import FitsListing, Listing

Show: TypeAlias = Callable[[Keyword], str]
_STAGING_DAYS = 3


def series_structure(
    engine: Engine,
    series: Series,
    *,
    full: bool = False,
    binary: bool = False,
    follow: bool = False,
    owner: bool = False,
) -> dict[str, Any]:
    """
    Members of the answer, but for ``runtime`` and ``status``.

    Parameters
    ----------
    engine : Engine
        Knows the other series, and the first and last records.
    series : Series
        The series.
    full : bool
        Print default values with full precision (``M=1``).
    binary : bool
        With `full`, print them as bits (``B=1``).
    follow : bool
        Describe linked segments by their targets (``l=1``).
    owner : bool
        Add the owner and whether there is a shadow table (``o=1``).
    """
    definition, nothing = series.definition, [None]
    show = partial(default_text, full=full, binary=binary)
    prime: list[Any] = [_prime(definition, outer, show) for outer in definition.primekeys]
    kept = definition.retention >> 16 & 0x7FFF or _STAGING_DAYS
    return {
        **{"note": definition.description, "retention": definition.retention & 0x7FFF, "stagingretention": kept},
        **{name: getattr(definition, name) for name in ("unitsize", "archive", "tapegroup")},
        **({"owner": "production"} if owner else {}),
        "primekeys": [key["name"] for key in prime] or nothing,
        "primekeysinfo": prime or nothing,
        "dbindex": list(definition.dbindex) or nothing,
        "keywords": _keywords(engine, definition, show),
        "segments": [_segment(engine, definition, one, follow) for one in definition.segments.values()],
        "links": [
            {"name": name, "target": target, "kind": "STATIC" if static else "DYNAMIC", "note": note}
            for name, target, static, note in definition.links.values()
        ],
        "Interval": _interval(engine, series, owner),
    }


def default_text(key: Keyword, full: bool = False, binary: bool = False) -> str:
    """Default value of a keyword, in its own format."""
    kind: Any = object if key.type == "string" else np.int64 if key.type in schema.MISSING_INT else np.float64
    value = np.empty(1, dtype=kind)
    value[0] = reading.default(key)
    return printer.printed(key, value, full, binary)[0]


def _prime(definition: schema.SeriesDefinition, key: Keyword, show: Show) -> dict[str, Any]:
    if not key.slotted:
        return {"name": key.name, "slotted": 0}
    step = definition.keywords.get(f"{key.column}_step")
    return {"name": key.name, "slotted": 1, **({"step": show(step)} if step else {})}


def _keywords(engine: Engine, definition: schema.SeriesDefinition, show: Show) -> list[dict[str, Any]]:
    listed, last = [], ""
    for key in definition.keywords.values():
        if key.per_segment:
            if key.base == last:  # the keyword of the next segment
                continue
            last = key.base
        names = [key.base if key.per_segment else key.name]
        if key.fits_name and key.fits_name.lower() in definition.aliases and not key.implicit:
            names.append(key.fits_name)
        listed += [_keyword(engine, definition, key, name, show) for name in names]
    return listed


def _keyword(
    engine: Engine, definition: schema.SeriesDefinition, key: Keyword, name: str, show: Show
) -> dict[str, Any]:
    target, note = key, key.description
    head: dict[str, Any] = {"name": name}
    if key.link:
        head["linkinfo"] = f"{key.link}->{key.target}"
        if (found := _target(engine, definition, key)) is None:
            failed = "error following link"
            return {**head, "type": "link", **dict.fromkeys(("recscope", "defval", "units", "note"), failed)}
        target, note = found, note if note.strip() else found.description
    about = {"type": target.type, "recscope": target.recscope, "defval": show(target), "units": target.unit}
    return head | about | {"note": note}


def _target(engine: Engine, definition: schema.SeriesDefinition, key: Keyword, depth: int = 0) -> Keyword | None:
    link = definition.links.get(key.link.lower())
    series = engine.catalog.get(link.target) if link else None
    found = series.definition.keywords.get(key.target.lower()) if series else None
    if series is None or found is None or depth > 20:
        return None
    return _target(engine, series.definition, found, depth + 1) if found.link else found


def _segment(engine: Engine, definition: schema.SeriesDefinition, segment: Segment, follow: bool) -> dict[str, Any]:
    shown = segment
    if segment.link and follow:
        link = definition.links.get(segment.link.lower())
        series = engine.catalog.get(link.target) if link else None
        shown = (series.definition.segments.get(segment.target.lower()) if series else None) or segment
    if shown.link:
        rest: dict[str, Any] = {"units": None, "protocol": f"link via {shown.link}", "dims": None}
    else:
        axes = ["VAR" if shown.scope == "vardim" else str(axis) for axis in shown.axes]
        rest = {"units": shown.unit, "protocol": shown.protocol, "dims": "x".join(axes)}
    return {"name": segment.name, "type": shown.type, **rest, "note": shown.description}


def _interval(engine: Engine, series: Series, owner: bool) -> dict[str, Any]:
    name = series.definition.name
    marks = ("^", "$") if series.definition.prime else (":#^", ":#$")
    ends: list[Recnums] = [engine.open(f"{name}[{mark}]", n)[0].recnums for mark, n in zip(marks, (1, -1), strict=True)]
    shadow = {"HasShadow": "yes" if engine.has_shadow(series) else "no"} if owner else {}
    extremes, known = series.extremes("recnum"), ["NA"] * 4 + [0]
    if extremes is not None and len(ends[0]) and len(ends[1]):
        known = [one for end in ends for one in (engine.reader.names(series, end)[0], int(end[0]))] + [int(extremes[1])]
    fields = ("FirstRecord", "FirstRecnum", "LastRecord", "LastRecnum", "MaxRecnum")
    return dict(zip(fields, known, strict=True)) | shadow


Reply = tuple[int, Iterator[bytes]]
_NOT_SPECIFIED = "Not Specified"


class Runtime(float):
    """Seconds, with the three decimals that the server prints."""

    def __str__(self) -> str:
        return f"{float(self):.3f}"


def jsoc_info(engine: Engine, params: Mapping[str, str]) -> Reply:
    """
    Answer of ``jsoc_info``; see `Engine.jsoc_info`.

    Errors are HTTP 200 with ``{"status":1,"error":…}``; a program that dies or prints nothing is HTTP 500.
    """
    start = engine.clock()
    ds = params.get("ds", _NOT_SPECIFIED)
    operation = params.get("op", _NOT_SPECIFIED)
    try:
        elements = engine.scan(ds)
        if params.get("s", "0") != "0":
            raise EngineCrash("a reply without HTTP header")
        if operation == "series_struct":
            return 200, iter([_series_struct(engine, [element.series for element in elements], params, ds, start)])
        if operation == "rs_summary":
            return 200, iter([_rs_summary(engine, params, ds, start)])
        if operation == "rs_list":
            return _rs_list(engine, params, ds, len(elements), start)
    except EngineError as error:
        # what stands in front of a header makes a web server answer 500
        return 500 if error.headless else 200, iter([printer.compact({"status": 1, "error": str(error)})])
    except EngineCrash:
        pass
    return 500, iter(())


def _flag(params: Mapping[str, str], name: str) -> bool:
    return to_int(params.get(name, "0")) != 0


def _end(engine: Engine, params: Mapping[str, str], start: float, *, always: bool = False) -> dict[str, float]:
    end: dict[str, float] = {}
    if always or not _flag(params, "r"):
        end["runtime"] = Runtime(engine.clock() - start)
    return {**end, "status": 0}


def _series_struct(engine: Engine, names: Sequence[str], params: Mapping[str, str], ds: str, start: float) -> bytes:
    if len(names) > 1:
        raise _several(ds)
    series = engine.catalog.get(names[0]) if names else None
    if series is None:
        raise EngineError("series not found")
    if _flag(params, "f"):
        raise EngineCrash("series_struct with f=1")
    full, binary, follow, owner = (_flag(params, name) for name in "MBlo")
    body = series_structure(engine, series, full=full, binary=binary, follow=follow, owner=owner)
    head, mark, segments = printer.pretty({**body, **_end(engine, params, start)}).partition(b'"segments": [')
    # the program escapes all texts but the units of segments
    return head + mark + re.sub(rb'"units": "[^\n]*', lambda found: found[0].replace(b"\\/", b"/"), segments)


def _several(ds: str) -> EngineError:
    return EngineError(f"invalid record-set specification `{ds}`; the records must belong to a single data series")


def _rs_summary(engine: Engine, params: Mapping[str, str], ds: str, start: float) -> bytes:
    try:
        count = engine.count(ds, to_int(params["n"]) if "n" in params else None)
    except EngineError as error:
        if str(error) != NOT_FOUND or error.headless:
            raise
        # the program's words depend on whether there is a filter to be parsed
        raise EngineError("series not found" if "[" in ds else "problem with database query") from None
    return printer.pretty({"count": count, **_end(engine, params, start)})


def _rs_list(engine: Engine, params: Mapping[str, str], ds: str, elements: int, start: float) -> Reply:
    names = {name: params[name] for name in ("key", "seg", "link") if name in params}
    # the program decodes them once more
    names = {name: unquote(text, "latin-1") if "%" in text else text for name, text in names.items()}
    by_record = _flag(params, "f")
    if elements > 1 and names and (by_record or any("**ALL**" in text for text in names.values())):
        raise _several(ds)
    parts = engine.open(ds, to_int(params["n"]) if "n" in params else None)
    _refuse_what_kills(parts)
    count = sum(len(part.recnums) for part in parts)
    if not count:
        return 200, iter([printer.compact({"count": 0, **_end(engine, params, start)})])
    if by_record:
        pieces = FitsListing(engine.reader, parts[0], names, wants_info=_flag(params, "R")).json()
    else:
        full, bits, named = (_flag(params, name) for name in "MBR")
        pieces = Listing(engine.reader, parts, names, named=named, full=full, bits=bits).json()

    def body() -> Iterator[bytes]:
        for piece in pieces:
            yield piece.encode("latin-1", "replace")
        yield f'"runtime":{Runtime(engine.clock() - start)},"status":0}}\n'.encode()

    return 200, body()


def _refuse_what_kills(parts: Sequence[Opened]) -> None:
    """Raise `EngineCrash` for lists that the program does not survive."""
    if len(parts) > 1 and not any(len(part.recnums) for part in parts):
        raise EngineCrash("several record sets, and no record in any of them")
    for number, part in enumerate(parts):
        for other in parts[:number]:
            # the cached record lacks the segments that the other element left out
            shared = other.series is part.series and other.segments != part.segments
            if shared and set(other.recnums.tolist()).intersection(part.recnums.tolist()):
                raise EngineCrash("a record listed twice, with different segments")


# ---------------------------------------------------------------------------------------------------- show_series
def show_series(catalog: Mapping[str, Series], filter_text: str | None) -> bytes:
    """
    Answer of ``show_series``; see `Engine.show_series`.

    A filter with exactly one ``\\.`` is looked for in the namespace before it only; where that is none, as with
    ``^hmi\\.``, the program fails without a header.
    """
    pattern = filter_text if filter_text is not None else ""
    inverted = pattern.startswith("NOT ")
    pattern = pattern.removeprefix("NOT ")
    try:
        find = posix(pattern, True).search
    except SqlError:
        raise EngineCrash("Series filter format error") from None
    names = sorted(catalog[name].definition.name for name in catalog)
    dots = [found.start() for found in re.finditer(r"\\\.", pattern)]
    if not inverted and len(dots) == 1 and dots[0] > 0:
        namespace = pattern[: dots[0]].lower()
        names = [name for name in names if name.lower().partition(".")[0] == namespace]
        if not names:
            raise EngineCrash("Cant find DRMS")
    lines = []
    for name in names:
        definition = catalog[name].definition
        if bool(find(name)) != inverted:
            keys = ", ".join(key.name for key in definition.primekeys)
            lines.append(f'  {{"name":"{name}","primekeys":"{keys}","note":{printer.quote(definition.description)}}}')
    text = '{"status":0,\n "names":[\n' + ",\n".join(lines) + f'],\n"n":{len(lines)}}}\n'
    return text.encode("latin-1", "replace")
