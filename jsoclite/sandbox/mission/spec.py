"""
Definitions of the computed series: from the short form of ``data/series.json`` to the rows of the server's tables.

In the short form a keyword is ``[name, type, default, format, unit, description]``, followed by ``"constant"``, by
``"per_segment"`` or by ``"LINK.KEYWORD"`` where it is not a plain keyword of the record; groups of keywords are named
once and used by many series. A segment is ``[name, type, unit, description, {options}]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final

from ..catalog import schema

_SCOPES: Final = {"constant": 1, "ts_eq": 1000, "ts_slot": 1004}
_MISSING_TIME: Final = "-4712.01.01_11:59:28_UTC"
_PER_SEGMENT, _IMPLICIT, _INTERNAL_PRIME, _EXTERNAL_PRIME = 1, 2, 4, 8
_PRIME: Final = _INTERNAL_PRIME | _EXTERNAL_PRIME


def recorded(what: str) -> list[list[Any]]:
    """A table of ``data/published.json``: what print-outs of the archive and public lists show."""
    rows: list[list[Any]] = schema.data("published")[what]
    return rows


def shared(group: str) -> Mapping[str, Any]:
    """
    What all records of some series share though it is no constant of theirs, by lower-case keyword name.

    Parameters
    ----------
    group : str
        ``all`` (code versions, inversion settings), or one of the groups that the modules of values ask for.
    """
    values: Mapping[str, Any] = schema.data("series")["values"][group]
    return values


class Spec:
    """
    One computed series.

    Parameters
    ----------
    name : str
        As the archive spells it.
    options : mapping
        The entry of ``data/series.json``: ``kind``, ``prime``, ``slot``, ``start``, ``segments``…

    Attributes
    ----------
    kind : str
        Which rule makes the records: ``hmi``, ``aia``, ``aia_lev1``, ``mdi``, ``harp``, ``synoptic``, ``table``…
    instrument : str
        ``hmi``, ``aia``, ``mdi`` or ``iris``.
    slot : mapping
        Slotting of the time key: ``key``, ``epoch``, ``step`` (s)…; empty where there is none.
    first_unit, unitsize : int
        Number of the first storage unit, written down, so that a series more or less moves no other's files, and
        records of one unit.
    axes, dims : tuple of int
        Columns and rows of the images, where all have the same, and what the archive's definition says of them.
    segments : mapping
        Options (``bscale``, ``plain``, ``protocol``, ``link``) of each segment by its lower-case name.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name, self.options = name, options
        self.kind: str = options["kind"]
        self.instrument = name.split(".")[0].lower()
        self.slot: Mapping[str, Any] = options.get("slot", {})
        self.first_unit, self.unitsize = int(options["first_unit"]), int(options.get("unitsize", 1))
        self.axes: tuple[Any, ...] = tuple(options.get("axes", ()))
        self.dims: tuple[Any, ...] = tuple(options.get("dims", self.axes))
        self.segments: Mapping[str, Mapping[str, Any]] = {
            row[0].lower(): row[4] if len(row) > 4 else {} for row in options["segments"]
        }

    @cached_property
    def definition(self) -> schema.SeriesDefinition:
        """The definition, as that of a stored catalogue."""
        options, key = self.options, self.slot.get("key", "")
        inner = ", ".join(f"{name}_index" if name == key else name for name in options["prime"])
        series = {"seriesname": self.name, "description": options["note"], "primary_idx": inner, "dbidx": inner}
        series |= {"unitsize": self.unitsize, "retention": options.get("retention", 60), "archive": 1, "tapegroup": 1}
        segments = (self._segment(number, row) for number, row in enumerate(options["segments"]))
        links = (
            schema.Link(name, target, kind == "static", note) for name, target, kind, note in options.get("links", ())
        )
        return schema.SeriesDefinition(series, [*self._implicit(), *self._explicit()], segments, links)

    def _segment(self, number: int, row: Sequence[Any]) -> schema.Segment:
        name, kind, unit, description = row[:4]
        more = self.segments[name.lower()]
        link, _, target = more.get("link", "").partition(".")
        protocol = "generic" if link else more.get("protocol", "fits")
        generic = protocol == "generic"
        vardim = self.options.get("vardim") or more.get("dims") == "vardim"
        axes = (0, 0) if vardim else () if generic and not link else self.dims or (0, 0)
        scope = "vardim" if vardim and not generic else "variable"
        return schema.Segment(name, number, scope, kind, axes, unit, protocol, description, link, target)

    def _implicit(self) -> Iterator[schema.Keyword]:
        """Compression and scaling of each segment of its own, which the server adds in front."""
        for number, (name, *_) in enumerate(self.options["segments"]):
            more = self.segments[name.lower()]
            if "link" not in more and more.get("protocol") != "generic":
                packed = "" if more.get("plain") else "compress Rice"
                yield _plain(f"cparms_sg{number:03d}", "string", packed, "%s", flags=_IMPLICIT)
                yield _plain(f"{name}_bzero", "double", "0", "%g", flags=_IMPLICIT)
                yield _plain(f"{name}_bscale", "double", f"{more.get('bscale', 1):.17g}", "%g", flags=_IMPLICIT)

    def _explicit(self) -> Iterator[schema.Keyword]:
        short: dict[str, Sequence[Any]] = {}
        for entry in self.options["keywords"]:
            for row in schema.data("series")["groups"][entry] if isinstance(entry, str) else [entry]:
                short.setdefault(row[0].lower(), row)
        key = self.slot.get("key", "")
        if key:
            # an implicit keyword stands behind those that the series began with
            short.setdefault("@slot", ())
            short.setdefault("@index", ())
        prime = {name.lower() for name in self.options["prime"]}
        for name in self.options["prime"]:
            if name.lower() not in short and name != key:
                # a whole-numbered prime key that no group of keywords describes
                yield _plain(name, "int", "-2147483648", "%d", flags=_PRIME)
        for lower, row in short.items():
            if lower == "@slot":
                yield from self._slot_rows()
            elif lower == "@index":
                note, flags = f"Index keyword associated with {key}", _IMPLICIT | _INTERNAL_PRIME
                yield schema.Keyword(f"{key}_index", "longlong", "0", "%lld", "none", note, scope=100, flags=flags)
            elif lower != key.lower():
                special = row[6] if len(row) > 6 else ""
                link, _, target = special.partition(".") if "." in special else ("", "", "")
                flags = _PER_SEGMENT * (special == "per_segment") | _PRIME * (lower in prime)
                yield schema.Keyword(*(*row[:6], link, target, _SCOPES.get(special, 0), flags))

    def _slot_rows(self) -> Iterator[schema.Keyword]:
        slot = self.slot
        key, scope, form, zone = slot["key"], slot["scope"], slot["format"], slot["zone"]
        code, flags = _SCOPES[scope], _EXTERNAL_PRIME
        yield schema.Keyword(key, "time", _MISSING_TIME, form, zone, "Slot time", scope=code, flags=flags)
        yield schema.Keyword(f"{key}_epoch", "time", slot["epoch"], "0", "TAI", "Time of origin", scope=1)
        yield schema.Keyword(f"{key}_step", "double", f"{slot['step']:g}", "%f", "second", f"{scope} step", scope=1)
        yield schema.Keyword(f"{key}_unit", "string", slot["unit"], "%s", "none", f"{scope} unit", scope=1)
        if "round" in slot:
            width = f"{slot['round']:g}"
            yield schema.Keyword(f"{key}_round", "double", width, "%f", "second", f"{scope} round", scope=1)


def _plain(name: str, kind: str, default: str, form: str, flags: int) -> schema.Keyword:
    """A keyword without unit and note."""
    return schema.Keyword(name, kind, default, form, "none", "", flags=flags)


@cache
def specs() -> Mapping[str, Spec]:
    """All computed series by lower-case name, sorted by name."""
    return {name.lower(): Spec(name, options) for name, options in sorted(schema.data("series")["series"].items())}
