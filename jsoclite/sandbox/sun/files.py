"""
The as-is FITS files that SUMS would keep of computed records, and what the segments of each series hold.

As-is files have next to no header: the keywords are in the database, and an export adds them. Images of HMI, AIA and
MDI are Rice-compressed integers with a scale; SHARP bitmaps and charts are plain. HMI has full-disk observables, Stokes
parameters, inverted vector fields, patches, and maps of them.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..catalog import Segment, schema
from ..mission import Pointing, Rows, chart_strips, exposure, map_centre, noise
from .surface import DEGREE, Disk, Field, FloatArray, Sight, Surface, channel, flare_image, grain, polar_caps

#: Fields of MDI over those of HMI, about 1/0.701 (Liu et al. 2025, Solar Physics 300).
MDI_OVER_HMI: Final = 1.4
#: Wavelength positions of HMI against the line's centre, mÅ.
_TUNING: Final = (172.0, 103.0, 34.0, -34.0, -103.0, -172.0)


def disk_of(rows: Rows) -> Disk:
    """The Sun in the first record's image: all segments and series of one time share it."""
    return _disk(Pointing.of(rows), float(rows.time[0]))


@lru_cache(maxsize=6)
def _disk(pointing: Pointing, time: float) -> Disk:
    return Disk(pointing, time)


def record_noise(rows: Rows, shape: tuple[int, int], purpose: str) -> FloatArray:
    """White noise of unit variance, different for each record and `purpose`."""
    if rows.spec.kind == "hmi" and "links" in rows.spec.options:
        # a disambiguation belongs to the inversion that it leads to
        target = rows.spec.options["links"][0][1]
        return grain(shape, int(rows.series.link(rows, target)[0]), f"{target} {purpose}")
    return grain(shape, int(rows.recnum[0]), f"{rows.spec.name} {purpose}")


def velocity(rows: Rows, disk: Sight) -> FloatArray:
    """Velocity away from the observer, m/s: orbit, rotation, limb shift, oscillation, supergranules."""
    seen = rows.view
    sine = np.sin(disk.latitude * DEGREE) ** 2
    rate = (14.713 - 2.396 * sine - 1.787 * sine**2) * DEGREE / 86400 * 696.0e6
    rotation = rate * np.cos(disk.latitude * DEGREE) * np.sin(disk.from_meridian * DEGREE) * np.cos(disk.tilt)
    angle = float(seen.radius[0]) / 206265.0
    across = (seen.westward[0] * disk.across + seen.northward[0] * disk.up) * angle
    cells = 180 * disk.surface.sampled("supergranules", 1.6, 1.5) * np.sqrt(np.maximum(0, 1 - disk.mu**2))
    fivemin = 260 * disk.mu * disk.surface.sampled("oscillation", 2.5, 600.0 / 86400.0)
    limb = 420 * (1 - disk.mu) ** 2 - 30
    return np.asarray(seen.radial[0] + rotation - across + limb + cells + fivemin)


def _continuum(rows: Rows, disk: Sight) -> FloatArray:
    """Continuum intensity, DN/s: limb darkening, spots, granulation, and the distance of the Sun."""
    nearer = float((1.496e11 / rows.view.distance[0]) ** 2)
    granules = 1 + 0.012 * disk.surface.sampled("granules", 0.0, 0.01)
    return np.asarray(62000 * nearer * limb_darkening(disk.mu) * disk.surface.darkening * granules)


def limb_darkening(mu: FloatArray) -> FloatArray:
    """Brightness against the disk's centre in the continuum at 6173 angstrom."""
    return np.asarray(1 - 0.42 * (1 - mu) - 0.14 * (1 - mu**2))


def _observable(rows: Rows, segment: Segment) -> FloatArray:
    """V, M, Ic, Lw, Ic without limb darkening, and Stokes parameters."""
    disk = disk_of(rows)
    product = rows.spec.options["product"]
    noise = record_noise(rows, disk.on.shape, segment.name)[disk.on]
    longer = rows.spec.slot["step"] >= 720
    if product == "V":
        return disk.filled(velocity(rows, disk) + (8 if longer else 20) * noise)
    if product == "M":
        along, _, _ = disk.seen(disk.surface.field)
        return disk.filled(along + (4.0 if longer else 8.5) * noise / np.sqrt(disk.mu + 0.1))
    if product == "S":
        return disk.filled(_stokes(rows, segment.name, disk) + 60 * noise)
    darkening = disk.surface.darkening
    values: dict[str, Callable[[], Any]] = {
        "Ic": lambda: _continuum(rows, disk) + 60 * noise,
        "IcN": lambda: darkening * (1 + 0.006 * noise),
        "mask": lambda: np.where(np.abs(disk.surface.field.radial) > 100, 2.0, 1.0),
        "Lw": lambda: 132 + 22 * (1 - disk.mu) + 0.035 * np.abs(disk.surface.field.radial) + 1.1 * noise,
    }
    return disk.filled(values[product](), 0.0 if segment.type == "char" else np.nan)


def _stokes(rows: Rows, name: str, disk: Disk) -> FloatArray:
    along, columns, lines = disk.seen(disk.surface.field)
    offset = _TUNING[int(name[1])] - velocity(rows, disk) * 0.0206
    line = np.exp(-((offset / 75.0) ** 2))
    bright = _continuum(rows, disk)
    if name[0] == "I":
        return bright * (1 - 0.55 * line)
    if name[0] == "V":
        return np.asarray(bright * 2.4e-4 * along * (offset / 75.0) * line)
    part = columns**2 - lines**2 if name[0] == "Q" else 2 * columns * lines
    return np.asarray(bright * 2.2e-8 * part * (1 - 2 * (offset / 75.0) ** 2) * line)


def _vector(disk: Disk, field: Field, plain: Field, coin: FloatArray) -> dict[str, FloatArray]:
    """
    Field strength, inclination, azimuth (0 to 180) and the flags of its 180-degree choice, as HMI has them.

    Parameters
    ----------
    disk : Disk
        Where.
    field, plain : Field
        With noise, and without.
    coin : ndarray
        As often positive as negative.
    """
    along, columns, lines = disk.seen(field)
    strength = np.sqrt(along**2 + columns**2 + lines**2)
    azimuth = np.arctan2(-columns, lines) / DEGREE % 360
    # noise alone is not annealed: what counts is where regions are, and what lies beside them
    level = np.sqrt(sum(part**2 for part in disk.seen(plain)))
    confidence = np.where(level > 250, 90.0, np.where(level > 100, 60.0, 50.0))
    # where the field is weak, each bit has an answer of its own: the potential field's, chance, the more radial one
    outward = Field(np.ones(len(along)), np.zeros(len(along)), np.zeros(len(along)))
    (_, *potential), (_, *radial) = disk.seen(plain), disk.seen(outward)
    near = columns * potential[0] + lines * potential[1] >= 0
    outer = (columns * radial[0] + lines * radial[1]) * along >= 0
    right = np.stack([near, (azimuth >= 180) ^ (coin >= 0), outer])
    flags = np.where((confidence > 50) | right, azimuth >= 180, azimuth < 180)
    return {
        "field": strength,
        "inclination": np.arccos(np.clip(along / np.maximum(strength, 1e-6), -1, 1)) / DEGREE,
        "azimuth": azimuth % 180,
        "disambig": np.array([1.0, 2.0, 4.0]) @ flags,
        "conf_disambig": confidence,
    }


def _noisy(rows: Rows, disk: Disk, field: Field) -> Field:
    """The field with the transverse noise of HMI, some 90 G."""
    shape = disk.on.shape
    parts = [record_noise(rows, shape, name)[disk.on] for name in ("radial", "west", "north")]
    return Field(field.radial + 12 * parts[0], field.west + 55 * parts[1], field.north + 55 * parts[2])


#: Segments of an inversion that are the same everywhere but for noise: level, noise, and noise of one sign.
_FLAT: Final[dict[str, list[float]]] = schema.data("series")["values"]["flat"]


def _inverted(rows: Rows, disk: Disk, segment: Segment) -> FloatArray:
    """One segment of a Milne-Eddington inversion or of its disambiguation."""
    plain = disk.surface.field
    field = _noisy(rows, disk, plain)
    name = segment.name
    found = _vector(disk, field, plain, record_noise(rows, disk.on.shape, "coin")[disk.on])
    if name in found:
        return disk.filled(found[name], 0.0 if segment.type == "char" else np.nan)
    strength = found["field"]
    noise = record_noise(rows, disk.on.shape, name)[disk.on]
    rest: dict[str, Callable[[], FloatArray]] = {
        "vlos_mag": lambda: 100 * (velocity(rows, disk) + 12 * noise),
        "dop_width": lambda: 24 + 3 * (1 - disk.mu) + 0.8 * noise,
        "src_continuum": lambda: 0.12 * _continuum(rows, disk) + 20 * noise,
        "src_grad": lambda: 0.5 * _continuum(rows, disk) + 60 * noise,
        "chisq": lambda: 900 * np.exp(0.4 * noise),
        "info_map": lambda: np.where(strength > 250, 1.0, 0.0),
        "confid_map": lambda: np.where(strength > 250, 0.0, 1.0),
        "inclination_err": lambda: 180 / np.maximum(strength, 60) * (4 + noise**2),
        "azimuth_err": lambda: 180 / np.maximum(strength, 60) * (6 + noise**2),
    }
    if name in _FLAT:
        level, signed, unsigned = _FLAT[name]
        values = level + signed * noise + unsigned * np.abs(noise)
    else:
        values = rest[name]() if name in rest else np.clip(0.25 * noise, -1, 1)
    return disk.filled(values, 0.0 if segment.type == "char" else np.nan)


def hmi_array(rows: Rows, segment: Segment) -> FloatArray:
    """A segment of one of HMI's full-disk series, or of a map or cut-out made of it."""
    product = rows.spec.options["product"]
    if product in ("B", "Bcut"):
        return _inverted(rows, disk_of(rows), segment)
    if product == "Bcea":
        return _component(cea_sight(rows).surface, segment.name) + 20 * record_noise(rows, rows.shape, segment.name)
    return _grid_map(rows, segment) if product == "Bmap" else _observable(rows, segment)


def _component(surface: Surface, name: str) -> FloatArray:
    """Br, Bp (west) or Bt (south)."""
    field = surface.field
    return {"Br": field.radial, "Bp": field.west, "Bt": -field.north}[name]


def _grid_map(rows: Rows, segment: Segment) -> FloatArray:
    """Longitude from the meridian by latitude, one degree a pixel."""
    lines, columns = rows.shape
    lon, lat = np.meshgrid(np.linspace(-90, 90, columns), np.linspace(-90, 90, lines))
    surface = Surface(float(rows.time[0]), lat, (lon + float(rows.view.longitude[0])) % 360)
    return _component(surface, segment.name) + 3.0 * record_noise(rows, rows.shape, segment.name)


def cea_sight(rows: Rows) -> Sight:
    """Points of a cylindrical equal-area map whose equator runs through a Carrington longitude and a latitude."""
    lines, columns = rows.shape
    longitude, middle, scale = map_centre(rows)
    x = (np.arange(columns) - (columns - 1) / 2) * scale * DEGREE
    y = (np.arange(lines) - (lines - 1) / 2) * scale * DEGREE
    across, up = np.meshgrid(x, y)
    lon, lat = _cea_sphere(across, up, longitude * DEGREE, middle * DEGREE)
    view = Pointing.of(rows)
    return Sight(view, float(rows.time[0]), view.sphere(lat / DEGREE, lon / DEGREE - view.longitude))


def _cea_sphere(x: FloatArray, y: FloatArray, longitude: float, latitude: float) -> tuple[FloatArray, FloatArray]:
    """
    Longitude and latitude (radians) in a cylindrical equal-area map; NaN outside.

    The map is made about its middle (plane2sphere of ``cartography.c``), as FITS understands CEA with a CRVAL2.
    """
    sine = _unit(y)
    cosine = np.sqrt(1 - sine**2)
    up = sine * math.cos(latitude) + cosine * np.cos(x) * math.sin(latitude)
    towards = cosine * np.cos(x) * math.cos(latitude) - sine * math.sin(latitude)
    return longitude + np.arctan2(cosine * np.sin(x), towards), np.arcsin(_unit(up))


def _unit(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) <= 1 + 1e-12, np.clip(values, -1, 1), np.nan)


# ---- patches
def _bitmap(strength: FloatArray) -> FloatArray:
    """HARP's classes: 1 quiet, 2 active outside, 33 quiet and 34 active inside the patch."""
    lines, columns = strength.shape
    y, x = np.ogrid[-1 : 1 : lines * 1j, -1 : 1 : columns * 1j]
    inside = x**4 + y**4 < 0.8
    return np.where(inside, 33.0, 1.0) + (strength > 100)


def harp_array(rows: Rows, segment: Segment) -> FloatArray:
    """A segment of one of the HARP series: a patch of the camera's image, or that remapped."""
    name, noise = segment.name, record_noise(rows, rows.shape, segment.name)
    if rows.spec.options["projection"] == "cea":
        sight = cea_sight(rows)
        return _harp_values(rows, sight, name, noise, sight.surface.field)
    disk = disk_of(rows)
    if name == "bitmap":
        return _bitmap(disk.filled(np.abs(disk.surface.field.radial), 0.0)) * disk.on
    if name not in ("magnetogram", "continuum", "Dopplergram"):
        return _inverted(rows, disk, segment)
    return disk.filled(_harp_values(rows, disk, name, noise[disk.on], disk.surface.field))


def _harp_values(rows: Rows, sight: Sight, name: str, noise: FloatArray, field: Field) -> FloatArray:
    if name == "magnetogram":
        return (MDI_OVER_HMI if rows.spec.instrument == "mdi" else 1.0) * sight.seen(field)[0] + 5 * noise
    if name == "continuum":
        return _continuum(rows, sight) + 60 * noise
    if name == "Dopplergram":
        return velocity(rows, sight) + 10 * noise
    if name in ("Br", "Bp", "Bt"):
        return _component(sight.surface, name) + (25 if name == "Br" else 45) * noise
    if name == "bitmap":
        return _bitmap(np.abs(field.radial))
    if name == "conf_disambig":
        return np.where(np.sqrt(sum(part**2 for part in field)) > 250, 90.0, 60.0)
    return 35 + 8 * np.abs(noise)


def aia_array(rows: Rows, segment: Segment) -> FloatArray:
    """A frame of AIA with photon and read-out noise, DN, or its list of spikes."""
    if segment.name == "spikes":
        return _spike_list(rows, segment)
    taken, disk = exposure(rows), disk_of(rows)
    image = channel(taken.wavelength, disk, taken.sensitivity) * taken.wandering
    image = taken.part * (image + taken.sensitivity * flare_image(taken.wavelength, taken.time, disk))
    photons = np.sqrt(np.maximum(image, 0) * 0.35 + 1.4)
    return np.clip(image + photons * record_noise(rows, rows.shape, "read-out"), -9, taken.full)


def _spike_list(rows: Rows, segment: Segment) -> FloatArray:
    """Removed cosmic rays: place, value and replacement of each."""
    count = int(rows.series.axes(rows, segment)[0][0])
    keys = int(rows.recnum[0]) * 512 + np.arange(count)
    place = np.floor(noise.uniform(keys, "spike place") * 65536)
    value = np.floor(200 + 4000 * noise.uniform(keys, "spike value") ** 3)
    return np.stack([np.sort(place), value, np.floor(value * 0.1)])


def _flat(rows: Rows, segment: Segment) -> FloatArray:
    lines, columns = rows.shape
    y, x = np.ogrid[-1 : 1 : lines * 1j, -1 : 1 : columns * 1j]
    return np.asarray(1 - 0.15 * (x**2 + y**2) + 0.01 * record_noise(rows, rows.shape, segment.name))


def table_array(rows: Rows, segment: Segment) -> FloatArray:
    """A flat field of AIA, or an average over a third of a rotation."""
    if rows.spec.options["table"] == "flatfield":
        return _flat(rows, segment)
    # averages over a third of a rotation: the mean keeps the rotation, everything else is gone
    disk = disk_of(rows)
    noise = record_noise(rows, disk.on.shape, segment.name)[disk.on]
    if segment.name == "valid":
        return disk.filled(12000 + 100 * np.floor(noise))
    if segment.name == "power":
        return disk.filled(20000 * disk.mu + 500 * noise)
    return disk.filled(velocity(rows, disk) - rows.view.radial[0] + 5 * noise)


def mdi_array(rows: Rows, segment: Segment) -> FloatArray:
    """A full-disk image of MDI."""
    disk = disk_of(rows)
    noise = record_noise(rows, disk.on.shape, segment.name)[disk.on]
    product = rows.spec.options["product"]
    if product == "V":
        return disk.filled(velocity(rows, disk) + 25 * noise)
    if product == "Ic":
        return disk.filled(11800 * limb_darkening(disk.mu) * disk.surface.darkening + 40 * noise)
    return disk.filled(MDI_OVER_HMI * disk.seen(disk.surface.field)[0] + 14 * noise)


def iris_array(rows: Rows, segment: Segment) -> FloatArray:
    """Spectra with their lines, or a slit-jaw image with the slit."""
    lines, columns = rows.shape
    noise = record_noise(rows, (lines, columns), "iris")
    y, x = np.mgrid[0:lines, 0:columns]
    rough = grain((lines, 1), int(rows.time[0] // 60), "iris slit")
    if rows.index[0] % 3 == 2:
        field = grain((lines, columns), int(rows.time[0] // 600), "iris jaw")
        return np.asarray(np.maximum(0, 90 + 30 * field) * (np.abs(x - columns / 2) > 1) + 4 * noise)
    places = (40, 41, 120, 205) if rows.index[0] % 3 == 0 else (70, 150)
    spectrum = 20.0 + sum(300 * np.exp(-(((x - place) / 3.5) ** 2)) for place in places)
    return np.asarray(spectrum * (1 + 0.3 * rough) + 6 * noise + 0.0 * y)


def chart_array(rows: Rows, segment: Segment) -> FloatArray:
    """A synoptic map: sine of latitude by Carrington longitude, each strip as it was at the central meridian."""
    lines, columns = rows.shape
    name = segment.name
    step = 360.0 / columns
    longitude = (np.arange(columns) + 0.5) * step
    if rows.spec.kind != "synoptic":
        longitude = longitude + float(rows.view.longitude[0]) - 120.0 - 180.0
    sine = (np.arange(lines) + 0.5) * (2.0 / lines) - 1
    lon, lat = np.meshgrid(longitude % 360, np.arcsin(sine) / DEGREE)
    strips = []
    edges, times, gaps = chart_strips(rows)
    for begin, end, time, gap in zip(edges[:-1], edges[1:], times[0].tolist(), gaps[0], strict=True):
        field = Surface(time, lat[:, begin:end], lon[:, begin:end]).field
        strip = {"Bt": -field.north, "Bp": field.west}.get(name, field.radial)
        strips.append(np.where(gap[:, None], np.nan, strip))
    chart = np.concatenate(strips, axis=1)
    if name == "epts":
        return np.full((lines, columns), 20.0)
    # of one instrument and rotation, also where two series have it; wider pixels average more
    noise = grain((lines, columns), int(rows.time[0] // 86400), f"{rows.spec.instrument} chart")
    noise *= np.sqrt(lines * columns / (288 * 720))
    chart = MDI_OVER_HMI * chart + 5.0 * noise if rows.spec.instrument == "mdi" else chart + 2.3 * noise
    # charts of the line-of-sight field: what the meridian shows of a radial one
    return np.asarray(chart * np.cos(lat * DEGREE)) if "Ml" in rows.spec.name else np.asarray(chart)


def zones_array(rows: Rows, segment: Segment) -> FloatArray:
    """hmi.meanpf_720s: averages in latitude bins of one degree, from the north pole down."""
    lat = 89.5 - np.arange(180.0)
    if segment.name == "num":
        return np.asarray(np.floor(2600 * np.cos(lat * DEGREE)))
    if segment.name == "w":
        return np.asarray(3900 * np.cos(lat * DEGREE))
    cap = np.clip((np.abs(lat) - 50) / 25, 0, 1.3) * np.where(lat > 0, *polar_caps(float(rows.time[0])))
    ripple = grain((1, 180), int(rows.time[0] // 86400), segment.name)[0]
    return np.asarray(cap * (np.cos(lat * DEGREE) if segment.name == "mf_bl" else 1.0) + 0.4 * ripple)


# FITS has no signed bytes; the archive keeps them in 16 bits
_INTEGERS: Final[Mapping[str, type[np.signedinteger[Any]]]] = {"char": np.int16, "short": np.int16, "int": np.int32}

_KINDS: Final[Mapping[str, Callable[[Rows, Segment], FloatArray]]] = {
    **{"hmi": hmi_array, "harp": harp_array, "aia_lev1": aia_array, "mdi": mdi_array, "iris": iris_array},
    **{"synoptic": chart_array, "daily": chart_array, "meanpf": zones_array, "table": table_array},
}


def segment_array(rows: Rows, segment: Segment) -> FloatArray:
    """
    Physical values of one segment of one record.

    Parameters
    ----------
    rows : Rows
        An existing record.
    segment : Segment
        A segment of the series' own, with the protocol ``fits``.

    Returns
    -------
    ndarray
        Shape (rows, columns), unit of the segment, NaN where there is nothing.
    """
    drawn = _KINDS[rows.spec.kind](rows, segment)
    return _enlarged(rows, segment, drawn) if rows.series.zoom > 1 and drawn.shape == rows.shape else drawn


def _enlarged(rows: Rows, segment: Segment, drawn: FloatArray) -> FloatArray:
    """A drawn image in the size of the archive's: between its pixels straight lines, and noise like its own."""
    zoom, disk, view = rows.series.zoom, disk_of(rows), Pointing.of(rows)
    limb, beyond = rows.spec.kind != "aia_lev1", drawn[~disk.on]
    if limb:
        # the surface goes on beyond the limb until the end
        away = np.minimum(1.0, (1 - 1.5 / view.radius) / np.sqrt(np.maximum(disk.radius2, 1e-9)))
        places = zip(view.centre[::-1], np.indices(drawn.shape), strict=True)
        nearest = (np.rint(middle - 1 + (one - middle + 1) * away).astype(np.intp) for middle, one in places)
        drawn = np.where(disk.on, drawn, drawn[tuple(nearest)])
    large: npt.NDArray[Any] = drawn.astype(np.float32)
    if segment.type == "char":
        large = large.repeat(zoom, axis=0).repeat(zoom, axis=1)
    else:
        for axis, size in enumerate(drawn.shape):
            place = np.clip((np.arange(size * zoom) + 0.5) / zoom - 0.5, 0, size - 1.001)
            part, low = (place % 1).astype(np.float32), place.astype(np.intp)
            first, second = large.take(low, axis), large.take(low + 1, axis)
            large = first + (part if axis else part[:, None]) * (second - first)
        rough = drawn[1:-1, 1:-1] - (drawn[1:-1, :-2] + drawn[1:-1, 2:] + drawn[:-2, 1:-1] + drawn[2:, 1:-1]) / 4
        level = 1.3 * float(np.median(np.abs(rough)))
        large += level * grain((len(large), len(large)), int(rows.recnum[0]), f"{rows.spec.name} {segment.name} large")
    if limb:
        sizes = zip(large.shape[::-1], view.centre, strict=True)
        x, y = (((np.arange(size) + 0.5) / zoom + 0.5 - middle) / view.radius for size, middle in sizes)
        large[x**2 + (y**2)[:, None] >= 0.9995] = beyond[0]
    return large


def segment_file(rows: Rows, segment: Segment) -> bytes:
    """
    The file of one segment of one record, as SUMS keeps it.

    Returns
    -------
    bytes
        FITS for the protocol ``fits``, text for ``generic``, a tar of what a directory holds; the same bytes whenever
        it is asked for.
    """
    options = rows.spec.segments[segment.name.lower()]
    if segment.protocol != "fits":
        return (_folder if options.get("folder") else _text_file)(rows, segment)
    values = segment_array(rows, segment)
    if segment.type not in _INTEGERS:
        return _fits_file(values.astype(">f8" if segment.type == "double" else ">f4"), {})
    kind = _INTEGERS[segment.type]
    scale = float(options.get("bscale", 1))
    limits = np.iinfo(kind)
    missing = np.isnan(values)
    scaled = np.clip(np.rint(np.where(missing, 0, values) / scale), limits.min + 1, limits.max)
    stored = np.where(missing, limits.min, scaled).astype(kind)
    cards: dict[str, Any] = {"BLANK": int(limits.min)}
    if segment.type != "char":
        cards |= {"BZERO": 0.0, "BSCALE": scale}
    return _fits_file(stored, cards, packed=not options.get("plain"))


def _fits_file(stored: npt.NDArray[Any], cards: Mapping[str, Any], *, packed: bool = False) -> bytes:
    from astropy.io import fits

    if packed:
        # small images in tiles of 16 rows rather than of one: astropy takes its time over each
        tile = (min(16, stored.shape[0]) if len(stored) <= 256 else 1, stored.shape[1])
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(stored, compression_type="RICE_1", tile_shape=tile)]
    else:
        hdus = [fits.PrimaryHDU(stored)]
    hdus[-1].header.update(cards)
    plain, out = BytesIO(), BytesIO()
    fits.HDUList(hdus).writeto(plain, output_verify="ignore")
    # sums without the time at which they were made: the same bytes whenever it is asked for
    with fits.open(BytesIO(plain.getvalue()), disable_image_compression=True) as units:
        for unit in units:
            unit.add_datasum("data unit checksum")
            unit.add_checksum("HDU checksum", override_datasum=True)
        units.writeto(out, output_verify="ignore")
    return out.getvalue()


def _folder(rows: Rows, segment: Segment) -> bytes:
    """A directory, packed: a table for each place on a grid around the middle of the disk."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for part, (lat, lon) in enumerate(product(range(-45, 46, 15), repeat=2)):
            content = _text_file(rows, segment, part)
            entry = tarfile.TarInfo(f"{(int(rows.prime('cmlon')[0]) + lon) % 360:05.1f}{lat:+05.1f}.{segment.name}")
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return buffer.getvalue()


def _text_file(rows: Rows, segment: Segment, part: int = 0) -> bytes:
    """Generic segments: tables of numbers, deterministic like everything else."""
    lines = [f"# {rows.spec.name} {segment.name}: {segment.description}"]
    count = 4
    if segment.name in ("m6", "m18", "m36"):
        # a row of number, degree, amplitude…, and two columns for each coefficient; long series have an error more
        count = 11 + 2 * int(segment.name[1:]) + 2 * int(rows.prime("ndt")[0] > 138240)
    for row in range(60):
        keys = (part << 48) + int(rows.recnum[0]) * 65536 + row * count + np.arange(count)
        numbers = noise.uniform(keys, segment.name)
        lines.append(f"{row:4d} " + " ".join(f"{440 + 20 * number - 0.1 * row:12.5f}" for number in numbers))
    return ("\n".join(lines) + "\n").encode("ascii")
