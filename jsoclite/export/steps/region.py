"""
Processing steps about a region of the Sun: cut it out, project it onto a map.

Arguments, defaults and ranges are those of the modules that JSOC runs (``im_patch.c``, ``export_as_maproj.c``) and of
its export page (``processing.js``).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from ...errors import ProcessingError, RecordSetError, explained
from .image import FULL_DISK, PIXEL, Step
from .units import center_of, flag, has_unit, in_unit, is_coordinate, number, pixels, square_or_pair, time_of

# arcsec on the sky that one degree on the Sun spans at disk centre, seen from 1 au
_DEGREE = 16.9


@explained
@dataclass(frozen=True)
class Cutout(Step):
    """
    A box around a place on the Sun, which it follows (``im_patch``).

    Parameters
    ----------
    center : coordinate or pair
        Centre of the box at `t_ref`: a `SkyCoord` (helioprojective, Stonyhurst or Carrington), or (x, y) as quantities
        or numbers. Angles are arcsec from disk centre, x to the west, unless `location` says otherwise; quantities in
        ``u.pix`` are pixels.
    size : number, Quantity, or pair of them
        Width and height, one number for a square; plain numbers in the unit `box`.
    t_ref : time, optional
        When the centre is there, by default the ``obstime`` of a coordinate. JSOC needs an image within two hours.
    location : {"arcsec", "pixels", "stonyhurst", "carrington"}, optional
        What the centre means; needed for heliographic pairs in degrees.
    box : {"arcsec", "pixels", "degrees"}, optional
        Unit of a plain `size`, by default arcsec.
    track : bool
        Follow the Sun's rotation (default), or keep the box where it is.
    register : bool
        Shift all images by fractions of a pixel onto the first.
    crop : bool
        Set pixels off the limb to missing.
    start, stop : time, optional
        Time range, by default that of the records. "limb" starts or stops where the region is at the limb.
    cadence : duration, optional
        E.g. "12m" or ``12 * u.min``, by default that of the records.
    car_rot : int, optional
        Carrington rotation, for Carrington longitudes with tracking.
    all_segments : bool
        Cut all segments, not only the first.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> Cutout(center=(-300, 150), size=400, t_ref="2014-01-01T00:00:00").process
    'im_patch,t=0,r=0,c=0,locunits=arcsec,boxunits=arcsec,t_ref=2014.01.01_00:00:35_TAI,x=-300,y=150,width=400,height=400'
    """

    center: Any
    size: Any
    _: KW_ONLY
    t_ref: Any = None
    location: Literal["arcsec", "pixels", "stonyhurst", "carrington"] | None = None
    box: Literal["arcsec", "pixels", "degrees"] | None = None
    track: bool = True
    register: bool = False
    crop: bool = False
    start: Any = None
    stop: Any = None
    cadence: Any = None
    car_rot: int | None = None
    all_segments: bool = False

    order: ClassVar[int] = 40
    _LOCUNITS: ClassVar[dict[str, str]] = {
        "arcsec": "arcsec",
        "pixels": "pixels",
        "stonyhurst": "stony",
        "carrington": "carrlong",
    }

    def __post_init__(self) -> None:
        center, kind, obstime = center_of(self.center, self.location)
        size, box = _size(self.size, self.box)
        t_ref = self.t_ref if self.t_ref is not None else obstime
        values: dict[str, Any] = {
            "center": center,
            "location": kind,
            "size": size,
            "box": box,
            "t_ref": None if t_ref is None else time_of(t_ref, "t_ref"),
            "start": _bound(self.start, "start"),
            "stop": _bound(self.stop, "stop"),
            "cadence": None if self.cadence is None else _cadence(self.cadence),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if kind == "carrington":
            if not self.track:
                raise ProcessingError(
                    "a Carrington longitude with track=False: im_patch then has no image that tells where the centre "
                    "is; give it in arcsec, pixels or stonyhurst, with t_ref="
                )
            if self.car_rot is None:
                raise ProcessingError(
                    "a Carrington longitude to be tracked needs car_rot=, the rotation in which it crosses the disk"
                )
        elif values["t_ref"] is None:
            raise ProcessingError("Cutout needs t_ref=, the time at which its centre is where it says")
        elif self.car_rot is not None:
            raise ProcessingError(f"car_rot={self.car_rot} goes with location='carrington', not with {kind!r}")
        if self.car_rot is not None and not (isinstance(self.car_rot, int) and self.car_rot > 0):
            raise ProcessingError(f"car_rot={self.car_rot!r} is no Carrington rotation number")

    @property
    def name(self) -> str:
        """``im_patch``."""
        return "im_patch"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``im_patch``."""
        given = {
            "t_start": self.start,
            "t_stop": self.stop,
            "t": flag(not self.track),
            "r": flag(self.register),
            "c": flag(self.crop),
            "cadence": self.cadence,
            "locunits": self._LOCUNITS[self.location or "arcsec"],
            "boxunits": self.box,
            "t_ref": self.t_ref,
            "car_rot": None if self.car_rot is None else str(self.car_rot),
            "x": number(self.center[0]),
            "y": number(self.center[1]),
            "width": number(self.size[0]),
            "height": number(self.size[1]),
            "A": "1" if self.all_segments else None,
        }
        return {key: value for key, value in given.items() if value is not None}

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """Pixels of the box ÷ pixels of the image, which for a box in arcsec or degrees shows 2048 arcsec."""
        pixel = PIXEL * FULL_DISK[0] / dims[0]
        scale = {"pixels": 1.0, "arcsec": 1 / pixel, "degrees": _DEGREE / pixel}[self.box or "arcsec"]
        return float(self.size[0] * scale * self.size[1] * scale / (dims[0] * dims[1]))


@explained
@dataclass(frozen=True)
class MapProject(Step):
    """
    A map of part of the Sun (``Maproj``).

    Parameters
    ----------
    center : coordinate or pair
        Heliographic longitude and latitude of the map's centre in degrees: a `SkyCoord` in a Stonyhurst or Carrington
        frame, or a pair, whose longitude is Carrington's unless `stonyhurst`.
    scale : float or Quantity
        Degrees per pixel at the centre.
    cols, rows : int
        Size of the map in pixels.
    projection : str
        carree, Cassini, Mercator, cyleqa, sineqa, gnomonic, Postel, stereographic, orthographic or Lambert. The
        coordinates that JSOC writes put carree and sineqa (as GLS) in the wrong place for FITS readers where the centre
        is not on the equator, and Cassini has none that they know.
    interpolation : {"cubiconv", "nearest", "bilinear"}
        Interpolation.
    grid : float or Quantity, optional
        Spacing of lines of longitude and latitude drawn into the map, in degrees.
    position_angle : float or Quantity
        Position angle of north in the map, in degrees.
    stonyhurst : bool
        The longitude counts from the central meridian. The public source of JSOC's program takes this flag and does not
        look at it: give a Carrington longitude where you can.
    all_segments : bool
        Map all segments, not only the first.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> MapProject((-20, 15), scale=0.03, cols=600, rows=400, projection="cyleqa", stonyhurst=True).process
    'Maproj,map=cyleqa,clon=-20,clat=15,scale=0.03,cols=600,rows=400,s=1'
    """

    center: Any
    _: KW_ONLY
    scale: Any
    cols: int
    rows: int
    projection: str = "orthographic"
    interpolation: Literal["cubiconv", "nearest", "bilinear"] = "cubiconv"
    grid: Any = None
    position_angle: Any = 0.0
    stonyhurst: bool = False
    all_segments: bool = False

    order: ClassVar[int] = 50
    _PROJECTIONS: ClassVar[tuple[str, ...]] = (
        "carree",
        "Cassini",
        "Mercator",
        "cyleqa",
        "sineqa",
        "gnomonic",
        "Postel",
        "stereographic",
        "orthographic",
        "Lambert",
    )

    def __post_init__(self) -> None:
        center, kind, _ = center_of(
            self.center, None if is_coordinate(self.center) else "stonyhurst" if self.stonyhurst else "carrington"
        )
        if kind not in ("stonyhurst", "carrington"):
            raise ProcessingError(
                "the centre of a map is heliographic: transform the coordinate to a Stonyhurst or Carrington frame"
            )
        known = {name.lower(): name for name in self._PROJECTIONS}
        if self.projection.lower() not in known:
            raise ProcessingError(f"projection={self.projection!r}: JSOC knows {', '.join(self._PROJECTIONS)}")
        if self.interpolation not in ("cubiconv", "nearest", "bilinear"):
            raise ProcessingError(f"interpolation={self.interpolation!r}: write 'cubiconv', 'nearest' or 'bilinear'")
        values = {
            "center": center,
            "stonyhurst": kind == "stonyhurst",
            "projection": known[self.projection.lower()],
            "scale": in_unit(self.scale, "deg / pix", "scale", above=0),
            "cols": pixels(self.cols, "cols"),
            "rows": pixels(self.rows, "rows"),
            "grid": None if self.grid is None else in_unit(self.grid, "deg", "grid", above=0),
            "position_angle": in_unit(self.position_angle, "deg", "position_angle"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """``Maproj``."""
        return "Maproj"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``export_as_maproj``."""
        given = {
            "map": self.projection,
            "grid": None if self.grid is None else number(self.grid),
            "clon": number(self.center[0]),
            "clat": number(self.center[1]),
            "scale": number(self.scale),
            "cols": str(self.cols),
            "rows": str(self.rows),
            "interp": self.interpolation if self.interpolation != "cubiconv" else None,
            "map_pa": number(self.position_angle) if self.position_angle else None,
            "s": "1" if self.stonyhurst else None,
            "A": "1" if self.all_segments else None,
        }
        return {key: value for key, value in given.items() if value is not None}

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """Pixels of the map ÷ pixels of the image."""
        return self.cols * self.rows / (dims[0] * dims[1])


def _size(size: Any, box: str | None) -> tuple[tuple[float, float], str]:
    """Read width and height of a box and tell their unit."""
    width, height = square_or_pair(size, "size")
    if has_unit(width) != has_unit(height):
        raise ProcessingError(f"size=({width}, {height}): give both a unit, or neither")
    if has_unit(width):
        kind = {"pix": "pixels", "pixel": "pixels", "deg": "degrees"}.get(str(width.unit), "arcsec")
        # an angle is one on the sky, unless the user says that it is one on the Sun
        if kind == "degrees" and box != "degrees":
            kind = "arcsec"
        if box not in (None, kind):
            raise ProcessingError(f"box={box!r} contradicts size={size}")
    else:
        kind = box or "arcsec"
    if kind == "pixels":
        return (float(pixels(width, "width")), float(pixels(height, "height"))), kind
    unit = {"arcsec": "arcsec", "degrees": "deg"}.get(kind)
    if unit is None:
        raise ProcessingError(f"box={kind!r}: write 'arcsec', 'pixels' or 'degrees'")
    return (in_unit(width, unit, "width", above=0), in_unit(height, unit, "height", above=0)), kind


def _bound(value: Any, name: str) -> str | None:
    """Read an end of the time range; "limb" is what JSOC calls NotSpecified."""
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in ("limb", "notspecified"):
        return "NotSpecified"
    return time_of(value, name)


def _cadence(value: Any) -> str:
    """Read a cadence."""
    from ...times import format_duration, parse_duration

    try:
        seconds, text = parse_duration(value), format_duration(value)
    except RecordSetError as error:
        raise ProcessingError(f"cadence: {error}") from None
    if seconds <= 0:
        raise ProcessingError(f"cadence={value!r} must be longer than nothing")
    return text
