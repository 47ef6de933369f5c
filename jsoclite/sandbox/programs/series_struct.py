"""
``series_struct``: the description of a series (`list_series_info`, jsoc_info.c).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..catalog import Keyword, Recnums, Segment, Series, printer, schema
from ..engine import reading

if TYPE_CHECKING:
    from ..engine import Engine

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
    definition = series.definition
    show = partial(default_text, full=full, binary=binary)
    prime: list[Any] = [_prime(definition, outer, show) for outer in definition.primekeys]
    body: dict[str, Any] = {
        "note": definition.description,
        "retention": definition.retention & 0x7FFF,
        "stagingretention": definition.retention >> 16 & 0x7FFF or _STAGING_DAYS,
        "unitsize": definition.unitsize,
        "archive": definition.archive,
        "tapegroup": definition.tapegroup,
    }
    nothing: list[Any] = [None]
    if owner:
        body["owner"] = "production"
    return {
        **body,
        "primekeys": [key["name"] for key in prime] or nothing,
        "primekeysinfo": prime or nothing,
        "dbindex": list(definition.dbindex) or nothing,
        "keywords": _keywords(engine, definition, show),
        "segments": [_segment(engine, definition, one, follow) for one in definition.segments.values()],
        "links": [
            {
                "name": link.name,
                "target": link.target,
                "kind": "STATIC" if link.static else "DYNAMIC",
                "note": link.description,
            }
            for link in definition.links.values()
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
    if not key.link:
        return {
            "name": name,
            "type": key.type,
            "recscope": key.recscope,
            "defval": show(key),
            "units": key.unit,
            "note": key.description,
        }
    head = {"name": name, "linkinfo": f"{key.link}->{key.target}"}
    target = _target(engine, definition, key)
    if target is None:
        failed = "error following link"
        return {**head, "type": "link", **dict.fromkeys(("recscope", "defval", "units", "note"), failed)}
    return {
        **head,
        "type": target.type,
        "recscope": target.recscope,
        "defval": show(target),
        "units": target.unit,
        "note": key.description if key.description.strip() else target.description,
    }


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
    extremes = series.extremes("recnum")
    if extremes is None or not len(ends[0]) or not len(ends[1]):
        return {
            **dict.fromkeys(("FirstRecord", "FirstRecnum", "LastRecord", "LastRecnum"), "NA"),
            "MaxRecnum": 0,
            **shadow,
        }
    first, last = ends
    return {
        "FirstRecord": engine.reader.names(series, first)[0],
        "FirstRecnum": int(first[0]),
        "LastRecord": engine.reader.names(series, last)[0],
        "LastRecnum": int(last[0]),
        "MaxRecnum": int(extremes[1]),
        **shadow,
    }
