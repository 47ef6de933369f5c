"""
Processing steps of exports, done for real on the sandbox's small images: what comes out differs from what went in.

Steps and arguments are those of ``jsoc.export_procs`` as the export page sends them. ``HmiB2ptr`` joins segments: field
strength, inclination and azimuth are turned into components on the Sun (``hmib2ptr.c``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...times import words
from ..catalog import schema
from .image import (
    COSINE,
    PROJECTIONS,
    SINE,
    FloatArray,
    Image,
    NoPointingError,
    ProcessError,
    View,
    by_rows,
    read_image,
    read_shape,
    sample,
    sphere,
    upright,
    write_image,
)
from .patch import (
    FIRST_WINDOW,
    LAST_WINDOW,
    MAX_PIXELS,
    Box,
    corrected,
    cut,
    flag,
    longitude,
    nearest,
    number,
    prepare,
    window,
)

Options = Mapping[str, str]
Keywords = Mapping[str, Any]
Step = tuple[str, Options]

_CENTRE: Final = ("CRPIX1", "CRPIX2")
# by which `plan` tells a resize where the Sun is in the first image
_FIRST: Final = ("first_crpix1", "first_crpix2")


def is_aia(image: Image) -> bool:
    """Whether an image is of a series of AIA."""
    return str(image.header.get("DRMS_ID", "")).lower().startswith("aia")


def centre(image: Image) -> None:
    """Move the Sun into the middle by whole pixels: less than 20 arcsec, and not for AIA (jsoc_rebin.c)."""
    size = image.data.shape[::-1]
    places = [number(image.header, name) - (length + 1) / 2 for name, length in zip(_CENTRE, size, strict=True)]
    away = [nearest(place) for place in places]
    reach = 20 / number(image.header, "CDELT1")
    if is_aia(image) or not any(away) or max(map(abs, away)) >= reach:
        return
    image.data = window(image.data, away[0], away[1], (size[0], size[1]))
    image.header |= {name: image.header[name] - one for name, one in zip(_CENTRE, away, strict=True)}


def crop(image: Image) -> None:
    """Make what is beyond the limb missing, or nearer to it than half a pixel of HMI."""
    view = View.of(image.header)
    y, x = np.mgrid[1 : image.data.shape[0] + 1, 1 : image.data.shape[1] + 1]
    away = (x - view.crpix1) ** 2 + (y - view.crpix2) ** 2
    image.data = np.where(away <= 0.9995 * (view.radius / view.cdelt) ** 2, image.data, np.nan)


# ---- steps
def rebin(image: Image, options: Options) -> None:
    """Change the scale by a whole factor: weighted means (boxcar, gaussian) or repeated pixels (jsoc_rebin.c)."""
    scale, method = number(options, "scale", 1.0), options.get("method", "boxcar")
    if scale <= 0 or image.data.size * scale**2 > MAX_PIXELS:
        raise ProcessError(f"scale={scale:g} is out of range")
    if method not in ("boxcar", "gaussian"):
        raise ProcessError("invalid conversion method")
    factor = int((1 / scale if scale < 1 else scale) + 0.5)
    length = int(number(options, "nvector", -1))
    length = factor if length < 0 else length
    length += (factor - length) % 2  # both even, or both odd
    weights = np.ones(length)
    if method == "gaussian":
        width = number(options, "FWHM", -1)
        if width < 0:
            raise ProcessError("Need FWHM parameter")
        weights = np.exp(-((np.arange(length) - (length - 1) / 2) ** 2) / (width**2 * 0.52034))
    if not flag(options, "u"):
        upright(image)
        centre(image)
    if flag(options, "c"):
        crop(image)
    rows, columns = (int(size * scale + 0.5) for size in image.data.shape)
    if not rows or not columns or length > 2 * max(image.data.shape):
        raise ProcessError(f"scale={scale:g} with {length} pixels a mean leaves no pixel of this image")
    if scale > 1:
        image.data = image.data.repeat(factor, axis=0).repeat(factor, axis=1)[:rows, :columns]
    else:
        image.data = _weighted(image.data, weights, factor, (rows, columns))
    _rescaled(image, scale)


def _weighted(image: FloatArray, weights: FloatArray, factor: int, shape: tuple[int, int]) -> FloatArray:
    """Means of an image around every so many pixels; missing pixels and those outside have no weight."""
    begin = int((factor - 1) / 2 + 0.5) - len(weights) // 2
    sums = []
    for size, count in zip(image.shape, shape, strict=True):
        one = np.zeros((count, size))
        for place, weight in enumerate(weights.tolist(), start=begin):
            at = np.arange(count) * factor + place
            inside = np.flatnonzero((at >= 0) & (at < size))
            one[inside, at[inside]] = weight
        sums.append(one)
    good = np.isfinite(image)
    total, weight = (sums[0] @ part @ sums[1].T for part in (np.where(good, image, 0.0), good.astype(float)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan)


def _rescaled(image: Image, scale: float) -> None:
    """Keywords after a change of the pixels' number by `scale`."""
    for axis in "12":
        if isinstance(pixel := image.header.get(f"CRPIX{axis}"), (int, float)):
            image.header[f"CRPIX{axis}"] = (pixel - 0.5) * scale + 0.5
        if isinstance(step := image.header.get(f"CDELT{axis}"), (int, float)):
            image.header[f"CDELT{axis}"] = step / scale
    if isinstance(image.header.get("R_SUN"), (int, float)):
        image.header["R_SUN"] *= scale


def _brought(image: Image, options: Options) -> View:
    """What a resize does before it looks where the Sun is: upright, and near the middle."""
    if is_aia(image):
        image.data[[0, -1]] = image.data[:, [0, -1]] = 0.0
    else:
        upright(image)
        centre(image)
        if flag(options, "c"):
            crop(image)
    return View.of(image.header)


def resize(image: Image, options: Options) -> None:
    """
    Turn an image upright and bring it to a scale, with as many pixels as before (jsoc_resize.c).

    With ``center_to`` 0 the Sun comes to the middle, with 1 what is at the Sun's place in the first image (`plan`),
    with 2 nothing is moved.
    """
    rows, columns = image.data.shape
    middle = (columns + 1) / 2, (rows + 1) / 2
    view, centred = _brought(image, options), not int(number(options, "center_to", 0))
    scale = number(options, "scale_to", 0.6) if flag(options, "rescale") else view.cdelt
    if scale <= 0:
        raise ProcessError(f"scale_to={scale:g} is not a scale")
    # where the Sun is not moved to the middle, the scale is that of the first image, as it came out: nothing changes
    step = scale / view.cdelt if centred else 1.0
    first = number(options, _FIRST[0], middle[0]), number(options, _FIRST[1], middle[1])
    target = (view.crpix1, view.crpix2) if centred else first
    sine, cosine = math.sin(math.radians(view.crota)), math.cos(math.radians(view.crota))
    source, method = image.data, "cubic" if options.get("regrid", "1") != "0" else "nearest"
    stretch = flag(options, "do_stretchmarks") and method == "cubic"

    def value(x: FloatArray, y: FloatArray) -> FloatArray:
        u, v = (x - middle[0]) * step, (y - middle[1]) * step
        x, y = u * cosine + v * sine + target[0], v * cosine - u * sine + target[1]
        inside = stretch | ((x >= 0.5) & (x <= columns + 0.5) & (y >= 0.5) & (y <= rows + 0.5))
        return np.where(inside, sample(source, np.clip(x, 1, columns), np.clip(y, 1, rows), method), 0.0)

    image.data = by_rows((rows, columns), value)
    image.header |= {"CRPIX1": middle[0], "CRPIX2": middle[1], "CDELT1": scale, "CDELT2": scale, "CROTA2": 0.0}
    image.header["COMMENT"] = f"resize: scale_to={scale:f}, mag={1 / step:f}"


def aia_scale(image: Image, options: Options) -> None:
    """AIA level 1.5: north up, Sun in the centre, 0.6 arcsec a pixel of a full-size image (aia_lev1p5.c)."""
    size, before = image.data.shape, number(image.header, "CDELT1")
    scale = 0.6 * 4096 / max(size)
    resize(image, {"rescale": "1", "scale_to": repr(scale)})
    if isinstance(image.header.get("R_SUN"), (int, float)):
        image.header["R_SUN"] *= before / scale
    image.header["LVL_NUM"] = 1.5
    if "xc" in options or "yc" in options:
        wide, high = (round(number(options, name, 4096) * 0.6 / scale) for name in ("wide", "high"))
        if not 0 < wide * high <= MAX_PIXELS:
            raise ProcessError(f"wide={wide}, high={high} is out of range")
        places = ((number(options, "xc", 0), size[1], wide), (number(options, "yc", 0), size[0], high))
        left, below = (round(away * 0.6 / scale + (length - extent) / 2) for away, length, extent in places)
        image.data = window(image.data, left, below, (wide, high))
        image.header |= {"CRPIX1": image.header["CRPIX1"] - left, "CRPIX2": image.header["CRPIX2"] - below}


def map_project(image: Image, options: Options) -> None:
    """Project onto a map of the surface; the program knows flags for Stonyhurst and `c`, and asks neither."""
    columns, rows = (int(number(options, name, 0)) for name in ("cols", "rows"))
    columns, rows = (columns if columns > 0 else rows), (rows if rows > 0 else columns)
    if not 0 < columns * rows <= MAX_PIXELS or columns < 0:
        raise ProcessError(f"cols={columns}, rows={rows} is out of range")
    target = number(options, "clon", 0.0), number(options, "clat", 0.0)
    scale, angle, grid = (number(options, name, 0.0) for name in ("scale", "map_pa", "grid"))
    kind = options.get("map", "orthographic").lower()
    if kind not in PROJECTIONS:
        raise ProcessError(f"map={kind} is not one of {', '.join(PROJECTIONS)}")
    if scale <= 0 or abs(target[1]) > 90:
        raise ProcessError(f"scale={scale:g} or clat={target[1]:g} is out of range")
    code, name = PROJECTIONS[kind]
    view, source = View.of(image.header), image.data
    size = float(image.header.get("R_SUN") or view.radius / view.cdelt)
    away = math.radians(target[0] - (longitude(image.header) if "CRLN_OBS" in image.header else view.longitude))
    method = {"nearest": "nearest", "bilinear": "linear"}.get(options.get("interp", ""), "cubic")
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    sb, cb = math.sin(math.radians(view.latitude)), math.cos(math.radians(view.latitude))
    roll = math.sin(math.radians(view.crota)), math.cos(math.radians(view.crota))
    # cubic convolution has no values within a pixel of the border
    edge = 1 if method == "cubic" else 0

    def value(column: FloatArray, row: FloatArray) -> FloatArray:
        x, y = (np.radians(scale) * (one - (n + 1) / 2) for one, n in ((column, columns), (row, rows)))
        lon, lat = sphere(code, x * cosine - y * sine, y * cosine + x * sine, math.radians(target[1]))
        west, north, towards = np.cos(lat) * np.sin(lon + away), np.sin(lat), np.cos(lat) * np.cos(lon + away)
        north, towards = north * cb - towards * sb, north * sb + towards * cb
        r = np.where(towards >= 0, size * COSINE / (1 - towards * SINE), np.nan)
        x, y = (
            r * (west * roll[1] + north * roll[0]) + view.crpix1,
            r * (north * roll[1] - west * roll[0]) + view.crpix2,
        )
        inside = (x >= 1 + edge) & (x < source.shape[1] - edge) & (y >= 1 + edge) & (y < source.shape[0] - edge)
        made = sample(source, np.where(inside, x, 1e9), np.where(inside, y, 1e9), method)
        if grid > 0:
            places = lon + math.radians(target[0]), lat
            lines = [np.abs((np.degrees(one) + grid / 2) % grid - grid / 2) for one in places]
            made = np.where(np.minimum(*lines) < 0.01 * grid, np.where(np.isfinite(made), -np.inf, np.inf), made)
        return made

    image.data = by_rows((rows, columns), value)
    corrected(image.header)
    image.header |= {f"CTYPE{axis}": f"{word}-{code}" for axis, word in ((1, "CRLN"), (2, "CRLT"))}
    image.header |= {"CUNIT1": "deg", "CUNIT2": "deg", "CRPIX1": (columns + 1) / 2, "CRPIX2": (rows + 1) / 2}
    image.header |= {"CRVAL1": target[0], "CRVAL2": target[1], "CDELT1": scale, "CDELT2": scale, "CROTA2": angle}
    image.header |= {
        "WCSNAME": "Carrington Heliographic",
        "HISTORY": f"MapProj={name} LonHG={target[0]:f}, LatHG={target[1]:f}",
    }


#: What each step does; those that join several segments are in `vectors`, and `im_patch` needs a `Box`.
STEPS: Final[dict[str, Callable[[Image, Options], None]]] = {
    **{"rebin": rebin, "resize": resize, "Maproj": map_project, "map_proj": map_project},
    **{f"aia_scale{kind}": aia_scale for kind in ("", "_orig", "_aialev1", "_other")},
}


def _time_span(options: Options) -> tuple[float, float]:
    """First and last time to take records from."""
    limits = [-math.inf, math.inf]
    for place, option in enumerate(("t_start", "t_stop")):
        seconds = words.scan_time(options.get(option, "NotSpecified"))
        if seconds > schema.JD0 + 1:
            limits[place] = seconds
    return limits[0], limits[1]


def boxes(
    steps: Sequence[Step], sample: bytes, records: Sequence[Keywords], near: Callable[[str, str], Iterable[Keywords]]
) -> list[Box | None] | None:
    """
    Where ``im_patch`` cuts each image of a request.

    Parameters
    ----------
    steps : sequence of (name, options)
        All steps.
    sample : bytes
        One of the stored files, which have images of one size.
    records : sequence of mapping
        Keywords of the records in order, in upper case, times as TAI seconds; with ``time`` and ``record`` (its name).
    near : callable
        Records between two times (with QUALITY ≥ 0) that the rest of the record set allows.

    Returns
    -------
    list of Box or None
        A box a record; None for those of which nothing is made. None where there is no such step.

    Raises
    ------
    ProcessError
        Where the program gives up.
    """
    place = next((number for number, (name, _) in enumerate(steps) if name == "im_patch"), None)
    if place is None:
        return None
    options, before = steps[place][1], [step for step in steps[:place] if step[0] in STEPS]
    shape = extent = read_shape(sample)

    def processed(keywords: Keywords) -> Keywords:
        nonlocal extent
        if not before:
            return keywords
        image = Image(np.zeros(shape), dict(keywords), math.nan)
        apply(image, before)
        extent = image.data.shape[0], image.data.shape[1]
        return image.header

    start, stop = _time_span(options)
    taken = [one for one in records if start <= one["time"] <= stop and not int(one.get("QUALITY") or 0) & 1 << 31]
    if not taken:
        return [None] * len(records)
    reference = None
    if not options.get("locunits", "").lower().startswith("carr"):
        reference = processed(_reference(words.scan_time(options.get("t_ref", "JD_0")), near))
    patch = prepare(options, reference, processed(taken[0]))
    made = {id(one): patch.box(processed(one)) for one in taken}
    return [box if (box := made.get(id(one))) and box.meets(extent) else None for one in records]


def plan(
    steps: Sequence[Step],
    sample: bytes,
    records: Sequence[Keywords],
    near: Callable[[str, str], Iterable[Keywords]],
    first: int = 0,
) -> tuple[list[Step], list[Box | None] | None]:
    """
    The steps of a request, every resize with ``center_to=1`` told where the Sun is in the first image, and `boxes`.

    Parameters
    ----------
    steps, sample, records, near
        See `boxes`.
    first : int
        Index of the first record that has a file.
    """
    cuts, told = boxes(steps, sample, records, near), list[Step]()
    if cuts is not None:
        first = next((row for row in range(first, len(cuts)) if cuts[row]), first)
    for name, options in steps:
        if name == "resize" and int(number(options, "center_to", 0)) == 1 and (cuts is None or cuts[first]):
            image = Image(np.zeros(read_shape(sample)), dict(records[first]), math.nan)
            apply(image, [one for one in told if one[0] in (*STEPS, "im_patch")], cuts[first] if cuts else None)
            view = _brought(image, options)
            options = {**options, _FIRST[0]: repr(view.crpix1), _FIRST[1]: repr(view.crpix2)}
        told.append((name, options))
    return told, cuts


def _reference(moment: float, near: Callable[[str, str], Iterable[Keywords]]) -> Keywords:
    """The image by which the target is known, looked for in a growing window around the reference time."""
    if moment < 0:
        raise ProcessError("t_ref must be provided for locunits!=carrlong")
    half = FIRST_WINDOW
    while half < LAST_WINDOW:
        found, closest = None, 100_000.0
        for one in near(words.format_time(moment - half), words.format_time(moment + half)):
            away = abs(float(one.get("T_OBS") or schema.JD0) - moment)
            if away > closest:
                break
            found, closest = one, away
        if found is not None:
            return found
        half *= 2
    raise ProcessError("No input data found within 2-hours of t_ref")


def apply(image: Image, steps: Iterable[Step], box: Box | None = None) -> None:
    """
    Do the steps, one after the other, `box` being where ``im_patch`` cuts.

    Raises
    ------
    ProcessError
        If one is impossible.
    """
    for name, options in steps:
        try:
            if name != "im_patch":
                STEPS[name](image, options)
            elif box is None:
                raise ProcessError("im_patch makes nothing of this record")
            else:
                cut(image, box)
        except NoPointingError as error:
            raise ProcessError(str(error)) from None


def process_file(
    content: bytes, steps: Sequence[Step], seconds: float, keywords: Keywords, box: Box | None = None
) -> bytes:
    """
    Do the steps on the image of a FITS file.

    Parameters
    ----------
    content : bytes
        File with full header.
    steps : sequence of (name, options)
        Names in `STEPS`, and ``im_patch``.
    seconds : float
        Time of the record, TAI seconds since 1977.
    keywords : mapping
        What the new record has of its own, to be put into the header.
    box : Box, optional
        Of `boxes`.

    Returns
    -------
    bytes
        FITS; compressed if `content` was.

    Raises
    ------
    ProcessError
        If a step is impossible.
    """
    image, header, compressed = read_image(content, seconds)
    apply(image, steps, box)
    return write_image(image, header, keywords, compressed=compressed)


_NAMES: Final = frozenset({"HmiB2ptr", "to_ptr"})

#: Segments that the step reads, and those that it makes: westward, southward and outward.
INPUTS: Final = ("field", "inclination", "azimuth", "disambig")
OUTPUTS: Final = ("Bp", "Bt", "Br")
#: What the flags ``e`` and ``l`` add: errors of the components, Stonyhurst longitude and latitude of the pixels.
_CORRELATIONS: Final = ("field_inclination_err", "field_az_err", "inclin_azimuth_err")
ERROR_INPUTS: Final = ("field_err", "inclination_err", "azimuth_err", *_CORRELATIONS)
ERRORS: Final = ("Bp_err", "Bt_err", "Br_err")
COORDINATES: Final = ("lon", "lat")

_Vector = tuple[FloatArray, FloatArray, FloatArray]


def possible(steps: Sequence[tuple[str, Options]], segments: Collection[str]) -> bool:
    """Whether there are such steps for a series with these segments (lower case)."""
    joining = [name for name, _ in steps if name in _NAMES]
    fitting = not joining or (len(joining) == 1 and all(name in segments for name in INPUTS))
    known = {*STEPS, *_NAMES, "im_patch"}
    return fitting and all(name in known for name, _ in steps)


def vector_segments(steps: Sequence[tuple[str, Options]]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Segments that are read and made by the step that joins segments, None without one."""
    flags = next((options for name, options in steps if name in _NAMES), None)
    if flags is None:
        return None
    errors, coordinates = (flags.get(name, "0") == "1" for name in ("e", "l"))
    made = (*OUTPUTS, *(ERRORS if errors else ()), *(COORDINATES if coordinates else ()))
    return (*INPUTS, *(ERROR_INPUTS if errors else ())), made


def component_file(
    contents: Mapping[str, bytes],
    segment: str,
    steps: Sequence[tuple[str, Options]],
    seconds: float,
    keywords: Mapping[str, Any],
    box: Box | None = None,
) -> bytes:
    """
    One of the segments made, as a FITS file; parameters else as for `process_file`.

    Parameters
    ----------
    contents : mapping of str to bytes
        Files with full header of the segments that are read.
    segment : str
        Which one to make.
    """
    read = {name: read_image(content, seconds) for name, content in contents.items()}
    images = {name: image for name, (image, _, _) in read.items()}
    place = next(number for number, (name, _) in enumerate(steps) if name in _NAMES)
    for one in images.values():
        apply(one, steps[:place], box)
    weak = steps[place][1].get("ambweak", "2")
    image, head, compressed = read["field"]
    image.data = components(images, int(weak) if weak.isdecimal() else -1)[segment]
    apply(image, steps[place + 1 :], box)
    image.header |= {"BUNIT": "degree" if segment in COORDINATES else "Mx/cm^2", "AMBWEAK": int(weak)}
    return write_image(image, head, keywords, compressed=compressed)


def components(images: Mapping[str, Image], weak: int = 2) -> dict[str, FloatArray]:
    """
    Components of the field.

    Parameters
    ----------
    images : mapping of str to Image
        `INPUTS`, and perhaps `ERROR_INPUTS`, all of one size; strength in Gauss, angles in degrees.
    weak : int
        Which solution to take where the field is weak: 0 potential acute, 1 random, 2 radial acute.

    Returns
    -------
    dict of str to ndarray
        `OUTPUTS` in Gauss, `COORDINATES` in degrees, and `ERRORS` where there is something to make them of; NaN beyond
        the limb.

    Raises
    ------
    ProcessError
        If the images do not fit together, or `weak` is none of the three.
    """
    shapes = {image.data.shape for image in images.values()}
    if len(shapes) > 1 or weak not in (0, 1, 2):
        raise ProcessError(f"ambweak={weak} is not 0, 1 or 2, or the segments differ in size")
    field, inclination, azimuth = (images[name].data for name in INPUTS[:3])
    flags = np.nan_to_num(images["disambig"].data).astype(int)
    gamma, psi = np.radians(inclination), np.radians(azimuth + np.where(flags >> weak & 1, 180.0, 0.0))
    view = View.of(images["field"].header)
    y, x = np.mgrid[1 : field.shape[0] + 1, 1 : field.shape[1] + 1]
    longitude, latitude = view.heliographic(*view.sky(x, y))
    sin_g, cos_g, sin_p, cos_p = np.sin(gamma), np.cos(gamma), np.sin(psi), np.cos(psi)
    # on the detector: to the right, up, and towards the observer
    along = (-sin_g * sin_p, sin_g * cos_p, cos_g)
    unit = _on_the_sun(along, view, longitude, latitude)
    found = {name: field * part for name, part in zip(OUTPUTS, unit, strict=True)}
    found |= dict(zip(COORDINATES, (longitude, latitude), strict=True))
    if all(name in images for name in ERROR_INPUTS):
        by_gamma = _on_the_sun((-cos_g * sin_p, cos_g * cos_p, -sin_g), view, longitude, latitude)
        by_psi = _on_the_sun((-sin_g * cos_p, -sin_g * sin_p, np.zeros_like(psi)), view, longitude, latitude)
        s_b, s_g, s_p, c_bg, c_bp, c_gp = (images[name].data for name in ERROR_INPUTS)
        s_g, s_p = np.radians(s_g), np.radians(s_p)
        for name, b, g, p in zip(ERRORS, unit, by_gamma, by_psi, strict=True):
            one, two, three = b * s_b, field * g * s_g, field * p * s_p
            # the last three segments are correlations
            mixed = one * two * c_bg + one * three * c_bp + two * three * c_gp
            found[name] = np.sqrt(np.maximum(0, one**2 + two**2 + three**2 + 2 * mixed))
    return found


def _on_the_sun(vector: _Vector, view: View, longitude: FloatArray, latitude: FloatArray) -> _Vector:
    """Turn a vector on the detector (right, up, towards the observer) into westward, southward and outward."""
    right, up, towards = vector
    longitude, latitude = np.radians(longitude), np.radians(latitude)
    turn, tilt = np.radians(view.crota), np.radians(view.latitude)
    west, north = right * np.cos(turn) - up * np.sin(turn), right * np.sin(turn) + up * np.cos(turn)
    # Gary & Hagyard (1990), with the image upright
    level, depth = np.cos(longitude), np.sin(longitude)
    bp = level * west + np.sin(tilt) * depth * north - np.cos(tilt) * depth * towards
    northward = (
        -np.sin(latitude) * depth * west
        + (np.sin(latitude) * np.sin(tilt) * level + np.cos(latitude) * np.cos(tilt)) * north
        + (np.cos(latitude) * np.sin(tilt) - np.sin(latitude) * np.cos(tilt) * level) * towards
    )
    br = (
        np.cos(latitude) * depth * west
        + (np.sin(latitude) * np.cos(tilt) - np.cos(latitude) * np.sin(tilt) * level) * north
        + (np.cos(latitude) * np.cos(tilt) * level + np.sin(latitude) * np.sin(tilt)) * towards
    )
    return bp, -northward, br
