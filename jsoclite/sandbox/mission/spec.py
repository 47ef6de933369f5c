"""
Definitions of the computed series: from the short form of ``data/series.json`` to the rows of the server's tables.

In the short form a keyword is ``[name, type, default, format, unit, description]``, followed by ``"constant"``, by
``"per_segment"`` or by ``"LINK.KEYWORD"`` where it is not a plain keyword of the record; groups of keywords are named
once and used by many series. A segment is ``[name, type, unit, description, {options}]``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Final

from ..catalog.definition import SeriesDefinition

_SCOPES: Final = {"constant": 1, "ts_eq": 1000, "ts_slot": 1004}
_MISSING_TIME: Final = "-4712.01.01_11:59:28_UTC"
_PER_SEGMENT, _IMPLICIT, _INTERNAL_PRIME, _EXTERNAL_PRIME = 1, 2, 4, 8


@cache
def _data() -> dict[str, Any]:
    text = resources.files("jsoclite.sandbox").joinpath("data/series.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def fixed_values() -> Mapping[str, Any]:
    """Values of keywords that all records share though they are not constants (code versions, inversion settings)."""
    values: Mapping[str, Any] = _data()["values"]
    return values


@dataclass(frozen=True)
class Spec:
    """
    One computed series.

    Attributes
    ----------
    name : str
        As the archive spells it.
    options : mapping
        The entry of ``data/series.json``: ``kind``, ``prime``, ``slot``, ``start``, ``segments``…
    """

    name: str
    options: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Which rule makes the records: ``hmi``, ``aia``, ``aia_lev1``, ``mdi``, ``harp``, ``synoptic``, ``table``…"""
        return str(self.options["kind"])

    @property
    def instrument(self) -> str:
        """``hmi``, ``aia``, ``mdi`` or ``iris``."""
        return self.name.split(".")[0].lower()

    @property
    def slot(self) -> Mapping[str, Any]:
        """Slotting of the time key: ``key``, ``epoch``, ``step`` (s)…; empty where there is none."""
        found: Mapping[str, Any] = self.options.get("slot", {})
        return found

    @property
    def unitsize(self) -> int:
        """Records of one storage unit."""
        return int(self.options.get("unitsize", 1))

    def segment_option(self, segment: str, option: str, default: Any = None) -> Any:
        """An option (``bscale``, ``plain``, ``protocol``, ``link``) of a segment."""
        for row in self.options["segments"]:
            if row[0].lower() == segment.lower():
                return row[4].get(option, default) if len(row) > 4 else default
        return default

    @cached_property
    def definition(self) -> SeriesDefinition:
        """The definition, in the same form as a stored catalogue's."""
        return SeriesDefinition(self.rows())

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of ``drms_series``, ``drms_keyword``, ``drms_segment`` and ``drms_link``."""
        options = self.options
        key = self.slot.get("key", "")
        inner = [f"{name}_index" if name == key else name for name in options["prime"]]
        series = {
            "seriesname": self.name,
            "unitsize": self.unitsize,
            "archive": 1,
            "retention": int(options.get("retention", 60)),
            "tapegroup": 1,
            "primary_idx": ", ".join(inner),
            "description": options["note"],
            "dbidx": ", ".join(inner),
        }
        segments = [self._segment(number, row) for number, row in enumerate(options["segments"])]
        links = [
            {"seriesname": self.name, "linkname": name, "target_seriesname": target, "type": kind, "description": note}
            for name, target, kind, note in options.get("links", ())
        ]
        return {
            "drms_series": [series],
            "drms_keyword": self._keywords(),
            "drms_segment": segments,
            "drms_link": links,
        }

    def _segment(self, number: int, row: Sequence[Any]) -> dict[str, Any]:
        name, kind, unit, description = row[:4]
        more = row[4] if len(row) > 4 else {}
        link, _, target = more.get("link", "").partition(".")
        protocol = "generic" if link else more.get("protocol", "fits")
        axes = [] if protocol == "generic" and not link else list(self.options.get("axes", (0, 0)))
        scope = "vardim" if self.options.get("vardim") or more.get("dims") == "vardim" else "variable"
        if scope == "vardim":
            axes = [0, 0]
        return {
            "seriesname": self.name,
            "segmentname": name,
            "segnum": number,
            "scope": "variable" if link or protocol == "generic" else scope,
            "type": kind,
            "naxis": len(axes),
            "axis": ", ".join(map(str, axes)),
            "unit": unit,
            "protocol": protocol,
            "description": description,
            "islink": int(bool(link)),
            "linkname": link,
            "targetseg": target,
            "cseg_recnum": 0,
        }

    def _keywords(self) -> list[dict[str, Any]]:
        rows = [*self._implicit(), *self._explicit()]
        return [
            {
                "seriesname": self.name,
                "keywordname": name,
                "linkname": link,
                "targetkeyw": target,
                "type": kind,
                "defaultval": default,
                "format": form,
                "unit": unit,
                "islink": int(bool(link)),
                "isconstant": scope,
                "persegment": (rank << 16) | flags,
                "description": description,
            }
            for rank, (name, link, target, kind, default, form, unit, scope, flags, description) in enumerate(rows, 1)
        ]

    def _implicit(self) -> list[tuple[Any, ...]]:
        """Compression and scaling of each segment of its own, which the server adds in front."""
        rows: list[tuple[Any, ...]] = []
        for number, row in enumerate(self.options["segments"]):
            more = row[4] if len(row) > 4 else {}
            if "link" in more or more.get("protocol") == "generic":
                continue
            packed = "" if more.get("plain") else "compress Rice"
            scale = f"{more.get('bscale', 1):.17g}"
            rows += [
                (f"cparms_sg{number:03d}", "", "", "string", packed, "%s", "none", 0, _IMPLICIT, ""),
                (f"{row[0]}_bzero", "", "", "double", "0", "%g", "none", 0, _IMPLICIT, ""),
                (f"{row[0]}_bscale", "", "", "double", scale, "%g", "none", 0, _IMPLICIT, ""),
            ]
        return rows

    def _explicit(self) -> list[tuple[Any, ...]]:
        short: dict[str, Sequence[Any]] = {}
        for entry in self.options["keywords"]:
            for row in _data()["groups"][entry] if isinstance(entry, str) else [entry]:
                short.setdefault(row[0].lower(), row)
        if self.slot and "@slot" not in short:
            short["@slot"] = ["@slot"]
        prime = {name.lower() for name in self.options["prime"]}
        missing = [name for name in self.options["prime"] if name.lower() not in short and name != self.slot.get("key")]
        rows: list[tuple[Any, ...]] = [_plain(name) for name in missing]
        for lower, row in short.items():
            if lower == "@slot":
                rows += self._slot_rows()
                continue
            if lower == self.slot.get("key", "").lower():
                continue
            name, kind, default, form, unit, description, *rest = row
            special = rest[0] if rest else ""
            link, _, target = special.partition(".") if "." in special else ("", "", "")
            flags = (_PER_SEGMENT if special == "per_segment" else 0) | (
                _INTERNAL_PRIME | _EXTERNAL_PRIME if lower in prime else 0
            )
            rows.append((name, link, target, kind, default, form, unit, _SCOPES.get(special, 0), flags, description))
        if self.slot:
            key = self.slot["key"]
            note = f"Index keyword associated with {key}"
            flags = _IMPLICIT | _INTERNAL_PRIME
            rows.append((f"{key}_index", "", "", "longlong", "0", "%lld", "none", 100, flags, note))
        return rows

    def _slot_rows(self) -> list[tuple[Any, ...]]:
        slot = self.slot
        key, scope, step = slot["key"], slot["scope"], f"{slot['step']:g}"
        form, zone, code = slot["format"], slot["zone"], _SCOPES[scope]
        rows: list[tuple[Any, ...]] = [
            (key, "", "", "time", _MISSING_TIME, form, zone, code, _EXTERNAL_PRIME, "Slot time"),
            (f"{key}_epoch", "", "", "time", slot["epoch"], "0", "TAI", 1, 0, "Time of origin"),
            (f"{key}_step", "", "", "double", step, "%f", "second", 1, 0, f"{scope} step"),
            (f"{key}_unit", "", "", "string", slot["unit"], "%s", "none", 1, 0, f"{scope} unit"),
        ]
        if "round" in slot:
            width = f"{slot['round']:g}"
            rows.append((f"{key}_round", "", "", "double", width, "%f", "second", 1, 0, f"{scope} round"))
        return rows


def _plain(name: str) -> tuple[Any, ...]:
    """A whole-numbered prime key that no group of keywords describes."""
    flags = _INTERNAL_PRIME | _EXTERNAL_PRIME
    return (name, "", "", "int", "-2147483648", "%d", "none", 0, flags, "")


def specs() -> list[Spec]:
    """All computed series."""
    return [Spec(name, options) for name, options in _data()["series"].items()]
