"""
The catalogue that the sandbox has without being given one: HMI, AIA, MDI, SHARPs and charts for the whole mission.

Every record, storage unit and file is computed when it is asked for, from nothing but its number; see
`jsoclite.sandbox.mission.series` for how. What draws an image asks `Pointing` and `exposure` where the Sun is in it and
for how long AIA's shutter was open; the keywords are made of the same numbers, so that a header fits its image.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from ..catalog import Segment, tables
from .ephemeris import depth, directions, nearer
from .kinds import CEA_SCALE, Channels, Exposures, Frames, Patches, Table, ageing
from .noise import FloatArray
from .series import ComputedSeries, Grid, Rows, Value, file_name
from .spec import specs
from .values_aia import (
    AIA,
    AIA_TABLES,
    CHARTS,
    FULL,
    HOUSEKEEPING,
    IRIS,
    MEAN_FIELD,
    MODES,
    POINTING,
    ROLL,
    aia_centre,
    aia_scale,
    exposure_part,
    observed,
    sensitivity,
    wandering,
    wavelengths,
)
from .values_disk import (
    HARP,
    HMI,
    HMI_SCALE,
    MDI,
    MDI_SCALE,
    TARP,
    ccd_offset,
    ccd_place,
    ccd_roll,
    ccd_scale,
    hmi_pointing,
    latitude,
    mdi_centre,
    mdi_roll,
    meridian,
)

#: Carrington longitude and latitude of the region of February 2011, of which there are a map and a cut-out.
_REGION: Final = (34.0, -20.0)


@dataclass(frozen=True, slots=True)
class Pointing:
    """
    Where the Sun is in a full-disk or partial image.

    Attributes
    ----------
    shape : (rows, columns)
        Of the image.
    centre : (x, y)
        Pixel of the disk's centre, counted from 1 (CRPIX).
    radius : float
        Of the disk, pixels.
    roll : float
        CROTA2, degrees.
    longitude, latitude : float
        Carrington coordinates of the disk's centre, degrees.
    angle : float
        Radius of the disk on the sky, arcsec: by how much nearer things are seen wider (`nearer`).
    """

    shape: tuple[int, int]
    centre: tuple[float, float]
    radius: float
    roll: float
    longitude: float
    latitude: float
    angle: float = 959.63

    def sphere(self, latitude: FloatArray, away: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solar radii west, north and towards the observer of latitudes and longitudes from the meridian, degrees."""
        return directions(latitude, away, self.latitude)

    def seen(self, latitude: FloatArray, away: FloatArray, height: FloatArray) -> tuple[FloatArray, ...]:
        """West, north (radii of the limb) and depth (solar radii) of points in the image; `height` in solar radii."""
        west, north, towards = (height * part for part in self.sphere(latitude, away))
        wider = nearer(towards, self.angle)
        return west * wider, north * wider, towards

    def surface(self, west: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solar radii west, north and towards the observer of the surface so many radii of the limb from the centre."""
        towards = depth(west**2 + north**2, self.angle)
        wider = nearer(towards, self.angle)
        return west / wider, north / wider, towards

    @classmethod
    def of(cls, rows: Rows) -> Pointing:
        """That of the first record's images of the camera."""
        times, seen = rows.time, rows.view
        lines, columns = rows.shape
        (x, y, roll), scale = hmi_pointing(rows), HMI_SCALE
        if rows.spec.kind == "mdi":
            x, y, scale, roll = mdi_centre(times, 1), mdi_centre(times, 2), MDI_SCALE, mdi_roll(times)
        elif rows.spec.kind == "aia_lev1":
            waves = wavelengths(rows)
            x, y, scale = aia_centre(times, waves, 1), aia_centre(times, waves, 2), float(aia_scale(waves)[0])
            roll = 0 * times + ROLL
        elif rows.spec.kind == "harp" or rows.spec.options.get("product") == "Bcut":
            longitude, middle = _REGION
            cut = rows.spec.kind != "harp"
            x, y = ccd_place(rows, longitude - seen.longitude, 0 * times + middle) if cut else ccd_offset(rows)
            x, y, scale = (columns + 1) / 2 - x, (lines + 1) / 2 - y, ccd_scale(rows)
            roll = ccd_roll(rows)
        where = float(seen.longitude[0]), float(seen.latitude[0])
        angle = float(seen.radius[0])
        return cls((lines, columns), (float(x[0]), float(y[0])), angle / scale, float(roll[0]), *where, angle)


class MapCentre(NamedTuple):
    """Middle of a cylindrical equal-area map: Carrington longitude, latitude, and degrees a pixel."""

    longitude: float
    latitude: float
    scale: float


def map_centre(rows: Rows) -> MapCentre:
    """Middle of the first record's map."""
    if rows.spec.kind != "harp":
        return MapCentre(*_REGION, CEA_SCALE)
    return MapCentre(float(rows.view.longitude[0] + meridian(rows)[0]), float(latitude(rows)[0]), CEA_SCALE)


class Exposure(NamedTuple):
    """
    A frame of AIA.

    Attributes
    ----------
    wavelength : int
        WAVELNTH, angstrom.
    time : float
        T_OBS, TAI seconds since 1977.
    part : float
        Exposure against the usual one of the channel.
    sensitivity : float
        Against that of 2010.
    wandering : float
        Brightness of the Sun without flares against its mean.
    full : float
        What a pixel holds at most, DN.
    """

    wavelength: int
    time: float
    part: float
    sensitivity: float
    wandering: float
    full: float


def exposure(rows: Rows) -> Exposure:
    """The first record's exposure."""
    time, part, loss, wander = (float(value(rows)[0]) for value in (observed, exposure_part, sensitivity, wandering))
    return Exposure(int(wavelengths(rows)[0]), time, part, loss, wander, FULL)


#: Makes the content of the file of one record's segment.
FileMaker: TypeAlias = Callable[[Rows, Segment], bytes]

#: Images are drawn so many pixels wide; of these, files kept in memory: 15 MB, or some 100 MB of the largest.
SMALL: Final = 256
_FILES_KEPT: Final = 128
_PATH: Final = re.compile(r"/SUM\d{1,3}/D(\d{1,18})/S(\d{5})/([^/]+)")

# by the kind of a series; of tables by the kind of table
_Kind: TypeAlias = tuple[type[ComputedSeries], Mapping[str, Value]]
_GRIDS: Final = {"hmi": HMI, "mdi": MDI, "pointing": POINTING, "housekeeping": HOUSEKEEPING, "meanpf": MEAN_FIELD}
_KINDS: Final[Mapping[str, _Kind]] = {
    **{kind: (Grid, values) for kind, values in (*_GRIDS.items(), ("daily", CHARTS))},
    **{"aia": (Channels, AIA), "aia_lev1": (Frames, AIA), "iris": (Exposures, IRIS)},
    **{"harp": (Patches, HARP), "tarp": (Patches, TARP), "synoptic": (Table, CHARTS)},
    **dict.fromkeys(("flatfield", "response"), (Table, AIA_TABLES)),
    **dict.fromkeys(("modes", "rls", "avg120", "flows"), (Table, MODES)),
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
        else:
            if lower not in self._ageing:
                self._ageing[lower] = _made(lower, self._pixels, ages=True)
                self._ageing[lower].now = self._now  # type: ignore[attr-defined]
            series = self._ageing[lower]
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
