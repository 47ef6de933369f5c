"""
``HmiB2ptr``: field strength, inclination and azimuth turned into components on the Sun (``hmib2ptr.c``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np

from .image import Image, ProcessError, read_image, write_image
from .patch import Box
from .pointing import FloatArray, View
from .steps import STEPS, Options, apply

_NAMES: Final = frozenset({"HmiB2ptr", "to_ptr"})

#: Segments that the step reads, and those that it makes: westward, southward and outward.
INPUTS: Final = ("field", "inclination", "azimuth", "disambig")
OUTPUTS: Final = ("Bp", "Bt", "Br")
#: What the flags ``e`` and ``l`` add: errors of the components, Stonyhurst longitude and latitude of the pixels.
ERROR_INPUTS: Final = (
    "field_err",
    "inclination_err",
    "azimuth_err",
    "field_inclination_err",
    "field_az_err",
    "inclin_azimuth_err",
)
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
