"""`SeriesInfo`: the definition of a series, as drms reads it, that shows what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import display
from . import errors as errors  # before drms: importing errors keeps drms away from the root logger

# isort: split
import drms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SeriesInfo", "as_list", "series_of"]

# what T_REC_unit and the like say, in short
_UNITS = {"tenthsecs": "x 0.1 s", "secs": "s", "mins": "min", "hours": "h", "days": "d"}


def series_of(record: str) -> str:
    """Return the series of a record name."""
    return record.partition("[")[0].strip()


def as_list(names: str | Sequence[str] | None) -> list[str] | None:
    """Return names as a list; a string may hold several, comma-separated."""
    if names is None:
        return None
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    return [str(name) for name in names]


class SeriesInfo(drms.SeriesInfo):  # type: ignore[misc]
    """
    What a series is; a `drms.SeriesInfo` that shows what is in it.

    Made by `Client.info`.

    Parameters
    ----------
    d : mapping
        The reply of ``jsoc_info`` to ``op=series_struct``.
    name : str, optional
        Name of the series.

    Attributes
    ----------
    name, note : str
        Name of the series and its description.
    primekeys : list of str
        The keys that tell its records apart.
    keywords, segments, links : pandas.DataFrame
        One row each, by name.

    Examples
    --------
    >>> client.info("hmi.M_720s")
    <SeriesInfo hmi.M_720s: "magnetograms with a cadence of 720 seconds.", 91 keywords, 1 segment, 0 links>
    """

    def __init__(self, d: Mapping[str, Any], *, name: str | None = None) -> None:
        super().__init__(d, name=name)
        interval = d.get("Interval")
        self._interval: Mapping[str, Any] = interval if isinstance(interval, Mapping) else {}

    def __repr__(self) -> str:
        counts = ", ".join(self._counts())
        note = f'"{display.shorten(self.note, 80)}", ' if self.note else ""
        return f"<SeriesInfo {display.clean(self.name or 'without a name')}: {note}{counts}>"

    def __str__(self) -> str:
        counts = ("number of", ", ".join(self._counts()))
        facts = display.text_table((), [[name, text] for name, text in (*self._facts(), counts)])
        lines = [display.clean(self.name or "a series"), display.wrapped(self.note or "", 96, "    "), facts]
        for what, frame in (("segment", self.segments), ("link", self.links)):
            if len(frame):
                rows = [[name, *cells] for name, *cells in _rows(frame, what)]
                lines += ["", display.text_table([what, *_COLUMNS[what]], [[str(one) for one in row] for row in rows])]
        return "\n".join([*(line for line in lines[:3] if line.strip()), *lines[3:]])

    def _repr_html_(self) -> str:
        def frame(what: str, rows: pd.DataFrame) -> display.Html:
            cells = [[display.mono(name, whole=True), *rest] for name, *rest in _rows(rows, what)]
            return display.table([what, *_COLUMNS[what]], cells)

        return display.block(
            display.join(display.Html("<b>Series</b> "), display.mono(self.name or "without a name")),
            self.note or "",
            display.table((), [(name, display.mono(text)) for name, text in self._facts()]),
            display.muted(", ".join(self._counts())),
            frame("segment", self.segments) if len(self.segments) else "",
            frame("link", self.links) if len(self.links) else "",
            display.details(self._counts()[0], frame("keyword", self.keywords)),
        )

    def _counts(self) -> list[str]:
        return [
            display.number_of(len(frame), noun)
            for noun, frame in (("keyword", self.keywords), ("segment", self.segments), ("link", self.links))
        ]

    def _facts(self) -> list[tuple[str, str]]:
        """Return what there is to say in a line each, without what the reply does not tell."""
        steps = [f"{key}: {step}" for key in self.primekeys or () if (step := self._step(key))]
        facts = [
            ("prime keys", ", ".join(self.primekeys or ())),
            ("step", ", ".join(steps)),
            ("first record", self._interval.get("FirstRecord")),
            ("last record", self._interval.get("LastRecord")),
        ]
        return [(name, display.shorten(text, 200)) for name, text in facts if text]

    def _step(self, key: str) -> str:
        """Return the distance of the slots of a prime key, empty where it has none."""
        constants = [f"{key}_step", f"{key}_unit"]
        if key not in self.keywords.index or not all(name in self.keywords.index for name in constants):
            return ""
        step, unit = (str(self.keywords.loc[name, "defval"]) for name in constants)
        try:
            return f"{float(step):g} {_UNITS.get(unit, unit)}".strip()
        except ValueError:
            return ""


_COLUMNS = {
    "keyword": ("type", "units", "note"),
    "segment": ("type", "units", "protocol", "dims", "note"),
    "link": ("target", "kind", "note"),
}


def _rows(frame: pd.DataFrame, what: str) -> list[list[object]]:
    """Return the cells of a table, the name first; "none" and missing ones are empty."""
    table = frame[list(_COLUMNS[what])]
    return [
        [name, *("" if cell is None or cell != cell or cell == "none" else cell for cell in cells)]
        for name, *cells in table.itertuples(name=None)
    ]
