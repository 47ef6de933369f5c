"""
The catalogue that the sandbox has without being given one: HMI, AIA, MDI, SHARPs and charts for the whole mission.

Every record, storage unit and file is computed when it is asked for, from nothing but its number; see
`jsoclite.sandbox.mission.series` for how.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from ..catalog import Segment, tables
from .ageing import ageing
from .kinds import Channels, Exposures, Frames, Patches, Table
from .series import ComputedSeries, Rows, Value, file_name
from .slots import Grid
from .spec import specs
from .values_aia import AIA
from .values_disk import HMI, MDI
from .values_harp import HARP, TARP
from .values_tables import AIA_TABLES, CHARTS, HOUSEKEEPING, IRIS, MEAN_FIELD, MODES, POINTING

#: Makes the content of the file of one record's segment.
FileMaker: TypeAlias = Callable[[Rows, Segment], bytes]

#: Images are drawn so many pixels wide; of these, files kept in memory: 15 MB, or some 100 MB of the largest.
SMALL: Final = 256
_FILES_KEPT: Final = 128
_PATH: Final = re.compile(r"/SUM\d{1,3}/D(\d{1,18})/S(\d{5})/([^/]+)")

# by the kind of a series; of tables by the kind of table
_KINDS: Final[Mapping[str, tuple[type[ComputedSeries], Mapping[str, Value]]]] = {
    "hmi": (Grid, HMI),
    "mdi": (Grid, MDI),
    "aia": (Channels, AIA),
    "aia_lev1": (Frames, AIA),
    "iris": (Exposures, IRIS),
    "harp": (Patches, HARP),
    "tarp": (Patches, TARP),
    "pointing": (Grid, POINTING),
    "housekeeping": (Grid, HOUSEKEEPING),
    "daily": (Grid, CHARTS),
    "meanpf": (Grid, MEAN_FIELD),
    "synoptic": (Table, CHARTS),
    "flatfield": (Table, AIA_TABLES),
    "response": (Table, AIA_TABLES),
    "modes": (Table, MODES),
    "rls": (Table, MODES),
    "avg120": (Table, MODES),
    "flows": (Table, MODES),
}


class Location(NamedTuple):
    """What a path in SUMS leads to: the series' name, the record number and the segment's name."""

    series: str
    recnum: int
    segment: str


class MissionCatalog(tables.Catalog):
    """
    All computed series by name, in any case.

    Series are made on first use and shared by all catalogues of the process. The catalogue also makes the files that
    the series' paths lead to.

    Parameters
    ----------
    make_file : callable
        Content of a file of one record (`Rows`) and segment, which is the series' own.
    now : callable, optional
        Unix time; the catalogue is then what there was at that time (see `ageing`).
    pixels : int
        Width of full-disk images, but not more than their definitions say.
    """

    def __init__(self, make_file: FileMaker, now: Callable[[], float] | None = None, pixels: int = SMALL) -> None:
        self._make_file, self._now, self._pixels = make_file, now, pixels
        self._ageing: dict[str, ComputedSeries] = {}
        self._made = lru_cache(maxsize=_FILES_KEPT * SMALL // pixels)(self._make)

    def __getitem__(self, name: str) -> ComputedSeries:
        lower = name.lower()
        if self._now is None:
            series = _series(lower, self._pixels)
        elif lower in self._ageing:
            series = self._ageing[lower]
        else:
            series = self._ageing[lower] = _made(lower, self._pixels, ages=True)
            series.now = self._now  # type: ignore[attr-defined]
        series.make_file = self._make_file
        return series

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in specs()

    def __iter__(self) -> Iterator[str]:
        # as with the archive, some series are there that its list does not show
        return (spec.name for spec in specs().values() if not spec.options.get("unlisted"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def locate(self, path: str) -> Location | None:
        """What a path like ``/SUM12/D123456789/S00000/image_lev1.fits`` leads to, None for nothing."""
        found = _PATH.fullmatch(path)
        if not found:
            return None
        sunum, slot, name = int(found[1]), int(found[2]), found[3]
        starts, names = _first_units()
        series = self[names[max(0, bisect_right(starts, sunum) - 1)]]
        if not 0 <= sunum - series.spec.first_unit < series.unit_count or slot >= series.spec.unitsize:
            return None
        recnum = series.recnum_of(sunum, slot)
        for segment in series.definition.segments.values():
            if not segment.link and file_name(segment) == name and series.path(recnum, segment.name) == path:
                return Location(series.definition.name, recnum, segment.name)
        return None

    def open_file(self, series: str, recnum: int, segment: str) -> bytes:
        """
        Content of one segment's file, made when it is asked for; the last ones are kept.

        Raises
        ------
        KeyError
            If there is no such series, record or segment, or the segment belongs to a linked series.
        """
        found = self[series]
        wanted = found.definition.segments[segment.lower()]
        if wanted.link or not self.existing(series, recnum):
            raise KeyError(f"{series}[:#{recnum}]{{{segment}}} has no file of its own")
        return self._made(found, recnum, wanted)

    def _make(self, series: ComputedSeries, recnum: int, segment: Segment) -> bytes:
        return self._make_file(Rows(series, np.array([recnum], dtype=np.int64)), segment)

    def existing(self, series: str, recnum: int) -> bool:
        """Whether a series has a record of this number."""
        return series in self and bool(len(self[series].existing(np.array([recnum], dtype=np.int64))))


@cache
def _first_units() -> tuple[list[int], list[str]]:
    """First storage unit and lower-case name of each series, ascending by unit."""
    ranked = sorted((spec.first_unit, name) for name, spec in specs().items())
    return [unit for unit, _ in ranked], [name for _, name in ranked]


def _made(lower: str, pixels: int, *, ages: bool = False) -> ComputedSeries:
    spec = specs()[lower]
    kind, values = _KINDS[spec.options.get("table", spec.kind)]
    series = (ageing(kind) if ages else kind)(spec, values)
    if spec.kind in ("hmi", "mdi", "aia", "aia_lev1"):
        series.zoom = min(pixels // SMALL, spec.dims[0] // spec.axes[0])
    return series


_series = cache(_made)
