"""
Processing steps of exports, done for real on the sandbox's small images: what comes out differs from what went in.

Steps and arguments are those of ``jsoc.export_procs`` as the export page sends them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...times import words
from ..catalog import schema
from .image import Image, ProcessError, mean, read_image, write_image
from .pointing import FloatArray, NoPointingError, View, by_rows, make_map, rotation, sample

#: Largest image that a step makes.
MAX_PIXELS: Final = 4096 * 4096


Options = Mapping[str, str]


def _number(options: Options, name: str, default: float | None = None) -> float:
    try:
        value = float(options[name])
    except KeyError:
        if default is None:
            raise ProcessError(f"argument {name} is missing") from None
        return default
    except ValueError:
        raise ProcessError(f"argument {name}={options[name]} is not a number") from None
    if not math.isfinite(value):
        raise ProcessError(f"argument {name}={options[name]} is not a number")
    return value


def _flag(options: Options, name: str) -> bool:
    return options.get(name, "0") not in ("0", "", "false")


def upright(image: Image) -> None:
    """Turn an image by half a turn where solar north is at the bottom, as HMI's cameras have it."""
    crota = float(image.header.get("CROTA2") or 0.0)
    if abs(abs(crota) - 180) > 5:
        return
    rows, columns = image.data.shape
    image.data = image.data[::-1, ::-1]
    image.header["CROTA2"] = crota - math.copysign(180.0, crota)
    for name, size in (("CRPIX1", columns), ("CRPIX2", rows)):
        if image.header.get(name) is not None:
            image.header[name] = size + 1 - float(image.header[name])


def crop(image: Image) -> None:
    """Make what is beyond the limb missing."""
    view = View.of(image.header)
    y, x = np.mgrid[1 : image.data.shape[0] + 1, 1 : image.data.shape[1] + 1]
    west, north = view.sky(x, y)
    image.data = np.where(np.hypot(west, north) <= view.radius, image.data, np.nan)


# ---- steps
def im_patch(image: Image, options: Options) -> None:
    """Cut out a box, following the Sun's rotation from `t_ref` unless `t` is 1."""
    upright(image)
    view = View.of(image.header)
    west, north = _centre(view, image, options)
    middle, centre = (float(value) for value in view.pixel(west, north))
    unit = options.get("boxunits", "pixels")
    per_unit = {"pixels": 1.0, "arcsec": 1 / view.cdelt, "degrees": view.radius / view.cdelt * math.radians(1)}
    if unit not in per_unit:
        raise ProcessError(f"boxunits={unit} is not one of pixels, arcsec, degrees")
    width = max(1, round(_number(options, "width") * per_unit[unit]))
    height = max(1, round(_number(options, "height") * per_unit[unit]))
    if width * height > MAX_PIXELS or not (math.isfinite(middle) and math.isfinite(centre)):
        raise ProcessError("the box is too large, or its centre cannot be seen")
    if _flag(options, "c"):
        crop(image)
    left, below = round(middle - (width + 1) / 2), round(centre - (height + 1) / 2)
    y, x = np.arange(below, below + height), np.arange(left, left + width)
    inside = [(place >= 0) & (place < size) for place, size in zip((y, x), image.data.shape, strict=True)]
    box = np.full((height, width), np.nan)
    box[np.ix_(*inside)] = image.data[np.ix_(y[inside[0]], x[inside[1]])]
    image.data = box
    image.header["CRPIX1"] = view.crpix1 - left
    image.header["CRPIX2"] = view.crpix2 - below


def _centre(view: View, image: Image, options: Options) -> tuple[float, float]:
    """Centre of the box on the sky, carried along with the Sun's rotation."""
    x, y = _number(options, "x"), _number(options, "y")
    unit = options.get("locunits", "arcsec")
    if unit == "arcsec":
        west, north = x, y
    elif unit == "pixels":
        west, north = (float(value) for value in view.sky(x, y))
    elif unit in ("stony", "carrlong"):
        west, north = (float(value) for value in view.project(x - view.longitude if unit == "carrlong" else x, y))
    else:
        raise ProcessError(f"locunits={unit} is not one of arcsec, pixels, stony, carrlong")
    if unit == "carrlong" or _flag(options, "t") or "t_ref" not in options:
        return west, north
    longitude, latitude = (float(value) for value in view.heliographic(west, north))
    days = (image.seconds - words.scan_time(options["t_ref"])) / 86400
    if math.isnan(longitude) or abs(days) > 20:  # beyond the limb there is nothing to follow
        return west, north
    moved = view.project(longitude + rotation(latitude) * days, latitude)
    return float(moved[0]), float(moved[1])


def rebin(image: Image, options: Options) -> None:
    """Change the scale by a whole factor: averages (boxcar, gaussian) or repeated pixels."""
    scale = _number(options, "scale", 1.0)
    if scale <= 0 or image.data.size * scale**2 > MAX_PIXELS:
        raise ProcessError(f"scale={scale:g} is out of range")
    if not _flag(options, "u"):
        upright(image)
    if _flag(options, "c"):
        crop(image)
    if options.get("method", "boxcar") == "gaussian":
        _smooth(image, _number(options, "FWHM", 2 / min(scale, 1.0)))
    if scale >= 1:
        factor = round(scale)
        image.data = image.data.repeat(factor, axis=0).repeat(factor, axis=1)
        scale = float(factor)
    else:
        factor = round(1 / scale)
        rows, columns = (size // factor for size in image.data.shape)
        if not rows or not columns:
            raise ProcessError(f"scale={scale:g} leaves no pixel of this image")
        blocks = image.data[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
        image.data = mean(blocks)
        scale = 1 / factor
    _rescaled(image, scale)


def _rescaled(image: Image, scale: float) -> None:
    """Keywords after a change of the pixels' number by `scale`."""
    for axis in "12":
        if isinstance(pixel := image.header.get(f"CRPIX{axis}"), (int, float)):
            image.header[f"CRPIX{axis}"] = (pixel - 0.5) * scale + 0.5
        if isinstance(step := image.header.get(f"CDELT{axis}"), (int, float)):
            image.header[f"CDELT{axis}"] = step / scale
    if isinstance(image.header.get("R_SUN"), (int, float)):
        image.header["R_SUN"] *= scale


def _smooth(image: Image, width: float) -> None:
    """Convolve with a Gaussian of that full width at half maximum (pixels); missing pixels have no weight."""
    sigma = max(width, 0.01) / 2.3548
    reach = min(int(3 * sigma) + 1, 64)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weight, value = np.isfinite(image.data).astype(float), np.nan_to_num(image.data)
    for axis in (0, 1):
        value, weight = (
            np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), axis, one) for one in (value, weight)
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        image.data = np.where(weight > 0, value / weight, np.nan)


def resize(image: Image, options: Options) -> None:
    """Put an image upright, and on the scale `scale_to` where `rescale` is 1."""
    view = View.of(image.header)
    scale_to = _number(options, "scale_to", 0.6) if _flag(options, "rescale") else view.cdelt
    if scale_to <= 0:
        raise ProcessError(f"scale_to={scale_to:g} is not a scale")
    if _flag(options, "c") or _flag(options, "crop"):
        crop(image)
    rows, columns = (max(1, round(size * view.cdelt / scale_to)) for size in image.data.shape)
    _resample(image, view, (rows, columns), scale_to, "cubic" if options.get("regrid", "1") != "0" else "nearest")


def aia_scale(image: Image, options: Options) -> None:
    """AIA level 1.5: north up, Sun in the centre, 0.6 arcsec a pixel of a full-size image."""
    view = View.of(image.header)
    scale = 0.6 * 4096 / max(image.data.shape)
    size = image.data.shape
    _resample(image, view, (size[0], size[1]), scale, "cubic")
    image.header["LVL_NUM"] = 1.5
    if "xc" in options or "yc" in options:
        box = {"x": str(_number(options, "xc", 0) * 0.6), "y": str(_number(options, "yc", 0) * 0.6)}
        box |= {name: str(_number(options, key, 4096) * 0.6) for name, key in (("width", "wide"), ("height", "high"))}
        im_patch(image, box | {"locunits": "arcsec", "boxunits": "arcsec", "t": "1"})


def _resample(image: Image, view: View, shape: tuple[int, int], scale: float, method: str) -> None:
    """Onto an upright grid with the Sun in its centre."""
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ProcessError(f"the result would have {shape[1]} x {shape[0]} pixels")
    centre = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    source = image.data
    if shape[0] * shape[1] > 2**21 and method == "cubic":
        method = "linear"  # an image blown up that much is smooth anyway

    def value(x: FloatArray, y: FloatArray) -> FloatArray:
        return sample(source, *view.pixel((x - centre[0]) * scale, (y - centre[1]) * scale), method)

    image.data = by_rows(shape, value)
    if isinstance(image.header.get("R_SUN"), (int, float)):
        image.header["R_SUN"] *= view.cdelt / scale
    image.header |= {"CRPIX1": centre[0], "CRPIX2": centre[1], "CRVAL1": 0.0, "CRVAL2": 0.0}
    image.header |= {"CDELT1": scale, "CDELT2": scale, "CROTA2": 0.0}


def map_project(image: Image, options: Options) -> None:
    """Project onto a map of the surface."""
    upright(image)
    view = View.of(image.header)
    if _flag(options, "c"):
        crop(image)
    columns, rows = (int(_number(options, name)) for name in ("cols", "rows"))
    if not 0 < columns * rows <= MAX_PIXELS:
        raise ProcessError(f"cols={columns}, rows={rows} is out of range")
    centre = _number(options, "clon"), _number(options, "clat")
    stonyhurst = _flag(options, "s")
    try:
        image.data, cards = make_map(
            image.data,
            view,
            projection=options.get("map", "carree"),
            centre=(centre[0] if stonyhurst else centre[0] - view.longitude, centre[1]),
            scale=_number(options, "scale"),
            shape=(rows, columns),
            angle=_number(options, "map_pa", 0.0),
            method={"nearest": "nearest", "bilinear": "linear"}.get(options.get("interp", ""), "cubic"),
        )
    except ValueError as error:
        raise ProcessError(str(error)) from None
    carrington = centre[0] + view.longitude if stonyhurst else centre[0]
    image.header |= cards | {"CRVAL1": carrington % 360, "CRVAL2": centre[1]}


#: What each step does; those that join several segments are in `vectors`.
STEPS: Final[dict[str, Callable[[Image, Options], None]]] = {
    "im_patch": im_patch,
    "rebin": rebin,
    "resize": resize,
    "Maproj": map_project,
    "map_proj": map_project,
    "aia_scale": aia_scale,
    "aia_scale_orig": aia_scale,
    "aia_scale_aialev1": aia_scale,
    "aia_scale_other": aia_scale,
}


def time_span(name: str, options: Options) -> tuple[float, float] | None:
    """First and last time that ``im_patch`` is told to take records from; None where it is told nothing."""
    limits = [-math.inf, math.inf]
    for place, option in enumerate(("t_start", "t_stop")):
        text = options.get(option, "NotSpecified") if name == "im_patch" else "NotSpecified"
        seconds = words.scan_time(text)
        if text != "NotSpecified" and seconds > schema.JD0 + 1:
            limits[place] = seconds
    return (limits[0], limits[1]) if any(map(math.isfinite, limits)) else None


def apply(image: Image, steps: Iterable[tuple[str, Options]]) -> None:
    """
    Do the steps, one after the other.

    Raises
    ------
    ProcessError
        If one is impossible.
    """
    for name, options in steps:
        try:
            STEPS[name](image, options)
        except NoPointingError as error:
            raise ProcessError(str(error)) from None


def process_file(
    content: bytes,
    steps: Sequence[tuple[str, Options]],
    seconds: float,
    keywords: Mapping[str, Any],
) -> bytes:
    """
    Do the steps on the image of a FITS file.

    Parameters
    ----------
    content : bytes
        File with full header.
    steps : sequence of (name, options)
        Names in `STEPS`.
    seconds : float
        Time of the record, TAI seconds since 1977.
    keywords : mapping
        What the new record has of its own, to be put into the header.

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
    apply(image, steps)
    return write_image(image, header, keywords, compressed=compressed)
