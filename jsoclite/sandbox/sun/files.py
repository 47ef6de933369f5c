"""
The as-is FITS files that SUMS would keep of computed records.

As-is files have next to no header: the keywords are in the database, and an export adds them. Images of HMI, AIA and
MDI are Rice-compressed integers with a scale; SHARP bitmaps and charts are plain. What the segments of HMI hold is made
in `hmi`, those of AIA, MDI, IRIS, the charts and the tables here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from io import BytesIO
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..catalog import Segment
from ..mission import Pointing, Rows, chart_strips, exposure, noise
from .corona import channel, flare_image
from .hmi import MDI_OVER_HMI, disk_of, harp_array, hmi_array, limb_darkening, record_noise, velocity
from .surface import DEGREE, FloatArray, Surface, grain, polar_caps


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
    "hmi": hmi_array,
    "harp": harp_array,
    "aia_lev1": aia_array,
    "mdi": mdi_array,
    "iris": iris_array,
    "synoptic": chart_array,
    "daily": chart_array,
    "meanpf": zones_array,
    "table": table_array,
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
