"""
The CGI programs ``jsoc_info`` and ``show_series``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from ..catalog import Series, printer
from ..engine import NOT_FOUND, Engine, EngineCrash, EngineError, Opened, to_int
from ..postgres import SqlError, posix
from .rs_list import Listing, all_keywords
from .series_struct import series_structure

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
    names = {name: unescape(params[name]) for name in ("key", "seg", "link") if name in params}
    by_record = _flag(params, "f")
    if elements > 1 and names and (by_record or any("**ALL**" in text for text in names.values())):
        raise _several(ds)
    parts = engine.open(ds, to_int(params["n"]) if "n" in params else None)
    _refuse_what_kills(parts)
    count = sum(len(part.recnums) for part in parts)
    if not count:
        return 200, iter([printer.compact({"count": 0, **_end(engine, params, start)})])
    if by_record:
        from .rs_list_fits import FitsListing

        pieces = FitsListing(engine.reader, parts[0], names, wants_info=_flag(params, "R")).json()
    else:
        pieces = _listing(engine, parts, names, params).json()

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


def _listing(engine: Engine, parts: Sequence[Opened], names: Mapping[str, str], params: Mapping[str, str]) -> Listing:
    definition = parts[0].series.definition
    keys: list[str] = []
    for name in words(names.get("key", "")):
        if name == "**NONE**":
            keys = []
            break
        keys += all_keywords(list(definition.keywords.values())) if name == "**ALL**" else [name]
    links: list[str] = []
    for name in words(names.get("link", "")):
        if name == "**NONE**":
            links = []
            break
        links += [link.name for link in definition.links.values()] if name == "**ALL**" else [name]
    segments: list[str] | None = None
    every = False
    if "seg" in names:
        text = names["seg"]
        every = "**ALL**" in text and "**NONE**" not in text
        segments = [] if "**NONE**" in text else words(text)
        if every:
            segments = [segment.name for segment in definition.segments.values()]
    return Listing(
        engine.reader,
        parts,
        keys=keys,
        segments=segments,
        links=links,
        every_segment=every,
        names=_flag(params, "R"),
        full=_flag(params, "M"),
        binary=_flag(params, "B"),
    )


def words(text: str) -> list[str]:
    """Names between commas, empty ones left out."""
    return [word for word in text.split(",") if word]


def unescape(text: str) -> str:
    """``%xx`` decoded once more, as the program does with lists of names."""
    return unquote_to_bytes(text.encode("latin-1", "replace")).decode("latin-1") if "%" in text else text


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
