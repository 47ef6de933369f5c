"""
What a series is: prime keys, keywords, segments and links, read from the rows of the server's own catalogue tables.

The form is that of ``SERIES.definition.json``: an object with the rows of ``drms_series`` (one), ``drms_keyword``,
``drms_segment`` and ``drms_link``.  Codes and flags are those of ``drms_types.h``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ...errors import RecordSetError
from ...times.server import scan_time
from .schema import JD0, MISSING_INT, PER_SEGMENT, REALS, Keyword, Link, Segment, Slotting

__all__ = ["JD0", "MISSING_INT", "REALS", "Keyword", "Link", "Segment", "SeriesDefinition", "Slotting"]

_UNIT_SECONDS: Final = {"tenthsecs": 0.1, "secs": 1.0, "mins": 60.0, "days": 86400.0}


class SeriesDefinition:
    """
    One series.

    Parameters
    ----------
    rows : mapping
        Lists of rows under ``drms_series``, ``drms_keyword``, ``drms_segment`` and ``drms_link``.

    Attributes
    ----------
    name, description : str
    retention, unitsize, archive, tapegroup : int
        As in ``drms_series``.
    keywords : dict of str to Keyword
        By lower-case name, in the order of the definition.
    segments : dict of str to Segment
        By lower-case name, in order of their numbers.
    links : dict of str to Link
        By lower-case name.
    prime : tuple of Keyword
        Prime keys as the database has them (``T_REC_index`` of a slotted key), in order.
    dbindex : tuple of str
        Names of indexed keys, as users know them.

    Raises
    ------
    RecordSetError
        If the rows contradict each other, e.g. a prime key that is no keyword.
    """

    def __init__(self, rows: Mapping[str, Any]) -> None:
        (series,) = rows["drms_series"]
        self.name: str = series["seriesname"]
        self.description: str = series["description"] or ""
        self.retention = int(series["retention"])
        self.unitsize = int(series["unitsize"])
        self.archive = int(series["archive"])
        self.tapegroup = int(series["tapegroup"])
        segments = sorted(rows.get("drms_segment", ()), key=lambda row: int(row["segnum"]))
        self.segments = {row["segmentname"].lower(): _segment(row) for row in segments}
        ranked = sorted(rows["drms_keyword"], key=lambda row: int(row["persegment"]) >> 16)
        self.keywords = {key.column: key for row in ranked for key in _keywords(row, self.segments.values())}
        self.links = {
            row["linkname"].lower(): Link(
                row["linkname"], row["target_seriesname"], row["type"] == "static", row["description"] or ""
            )
            for row in rows.get("drms_link", ())
        }
        self.prime = tuple(self._key(name, "prime key") for name in _names(series["primary_idx"]))
        self.dbindex = tuple(self.external(self._key(name, "index")).name for name in _names(series["dbidx"]))

    @classmethod
    def load(cls, path: Path) -> SeriesDefinition:
        """Read a ``SERIES.definition.json``."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def __repr__(self) -> str:
        return f"<SeriesDefinition {self.name}>"

    def _key(self, name: str, role: str) -> Keyword:
        try:
            return self.keywords[name.lower()]
        except KeyError:
            raise RecordSetError(
                f"series {self.name}: {role} {name!r} is not among its keywords; add it to drms_keyword"
            ) from None

    def external(self, key: Keyword) -> Keyword:
        """The key that users name: ``T_REC`` for ``T_REC_index``, any other key itself."""
        if key.scope == 100 and key.column.endswith("_index"):
            return self.keywords.get(key.column.removesuffix("_index"), key)
        return key

    @cached_property
    def primekeys(self) -> tuple[Keyword, ...]:
        """Prime keys as users name them, in order."""
        return tuple(self.external(key) for key in self.prime)

    @cached_property
    def slotting(self) -> dict[str, Slotting]:
        """Slotting of each slotted key, by its lower-case name (``t_rec``, not ``t_rec_index``)."""
        return {key.column: self._slotting(key) for key in self.keywords.values() if key.slotted}

    def _constant(self, name: str) -> str | None:
        key = self.keywords.get(name.lower())
        return key.default if key else None

    def _slotting(self, key: Keyword) -> Slotting:
        def number(suffix: str) -> float | None:
            """Value in units of the key: ``12``, or ``12s`` with its own unit."""
            text = self._constant(key.name + suffix)
            if text is None:
                return None
            found = re.match(r"\s*([-+.\deE]+?)\s*([smhd]?)(?:ecs?|ays?|ins?)?\s*$", text)
            if not found:
                raise RecordSetError(f"series {self.name}: {key.name}{suffix} is {text!r}, which is no number")
            if found[2]:
                return float(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[found[2]]
            return float(found[1]) * _UNIT_SECONDS.get((self._constant(key.name + "_unit") or "").lower(), 1.0)

        step = number("_step") or 1.0
        if key.type == "time":
            epoch = scan_time(self._constant(key.name + "_epoch") or "1977.01.01_00:00:00_TAI")
        else:
            epoch = float(self._constant(key.name + "_base") or 0)
        shift = (number("_round") or 0.0) / 2 if key.recscope == "ts_slot" else step / 2
        return Slotting(epoch, step, shift)

    def find(self, name: str) -> Keyword | None:
        """Keyword `name` in any case, or the one whose FITS name it is; None without one."""
        return self.keywords.get(name.lower()) or self.aliases.get(name.lower())

    @cached_property
    def aliases(self) -> dict[str, Keyword]:
        """Keywords by lower-case FITS name, where the description gives one that is no keyword itself."""
        named = ((key.fits_name, key) for key in self.keywords.values())
        return {name.lower(): key for name, key in named if name and name.lower() not in self.keywords}


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _segment(row: Mapping[str, Any]) -> Segment:
    axes = tuple(int(axis) for axis in _names(str(row["axis"] or "")))[: int(row["naxis"])]
    linked = bool(row["islink"])
    return Segment(
        row["segmentname"],
        int(row["segnum"]),
        row["scope"],
        row["type"],
        axes,
        row["unit"] or "",
        row["protocol"],
        row["description"] or "",
        row["linkname"] if linked else "",
        row["targetseg"] if linked else "",
    )


def _keywords(row: Mapping[str, Any], segments: Iterable[Segment]) -> Iterable[Keyword]:
    """One keyword a row, or one a segment where the keyword is per segment."""
    linked, flags, name = bool(row["islink"]), int(row["persegment"]) & 0xFFFF, row["keywordname"]

    def keyword(name: str, number: int) -> Keyword:
        return Keyword(
            name,
            row["type"],
            str(row["defaultval"] if row["defaultval"] is not None else ""),
            row["format"] or "",
            row["unit"] or "",
            row["description"] or "",
            row["linkname"] if linked else "",
            row["targetkeyw"] if linked else "",
            0 if linked else int(row["isconstant"]),
            flags,
            row["keywordname"],
            number,
        )

    if flags & PER_SEGMENT:
        return [keyword(f"{name}_{segment.number:03d}", segment.number) for segment in segments]
    return [keyword(name, -1)]
