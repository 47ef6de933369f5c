"""
``im_patch``: where its box lies in each image, as the program works it out (im_patch.c, cartography.c).

Pixels are counted from 0 in the image as it is stored. But for registering, nothing is resampled: a box is a copy of
stored pixels, turned by half a turn where the camera's north is at the bottom. The client has its own account of the
same program; neither knows the other.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...times import words
from ..catalog import schema
from .image import COSINE, SINE, FloatArray, Image, ProcessError, sample

#: Largest image that a step makes.
MAX_PIXELS: Final = 4096 * 4096
#: Half the window, in seconds, in which the reference image is looked for first; doubled while below the other.
FIRST_WINDOW, LAST_WINDOW = 15, 10_000

_LOCATIONS: Final = (("arcsec", "arcsec"), ("pix", "pixels"), ("stony", "stony"), ("carr", "carrlong"))
_BOXES: Final = (("arcsec", "arcsec"), ("pix", "pixels"), ("deg", "degrees"))
# longitudes before a calibration of 2016 are too large by this; bit 28 of CALVER64 says that they are right
_LONGITUDE, _CORRECTED = -0.0818941, 1 << 28


def number(options: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A number among arguments or keywords; `ProcessError` where there is none."""
    try:
        value = float(options[name])
    except (KeyError, TypeError):
        if default is None:
            raise ProcessError(f"argument or keyword {name} is missing") from None
        return default
    except ValueError:
        raise ProcessError(f"{name}={options[name]} is not a number") from None
    if not math.isfinite(value):
        raise ProcessError(f"{name}={options[name]} is not a number")
    return value


def flag(options: Mapping[str, str], name: str) -> bool:
    """A switch among the arguments."""
    return options.get(name, "0") not in ("0", "", "false")


def _unit(options: Mapping[str, str], name: str, known: tuple[tuple[str, str], ...]) -> str:
    text = options.get(name, "").lower()
    found = next((word for start, word in known if text.startswith(start)), None)
    if found is None:
        raise ProcessError(f"{name}={text} is not one of {', '.join(word for _, word in known)}")
    return found


def nearest(value: float) -> int:
    """C's ``round``: halves away from zero."""
    whole = math.floor(abs(value))
    return int(math.copysign(whole + (abs(value) - whole >= 0.5), value))


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where an image points: centre of the disk, arcsec a pixel, roll, and Carrington coordinates of the centre."""

    centre: complex
    scale: float
    roll: float
    latitude: float
    longitude: float

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> Pointing:
        """Pointing of a record by its keywords, in upper case."""
        centre = complex(number(keywords, "CRPIX1") - 1, number(keywords, "CRPIX2") - 1)
        scale, roll, latitude = (number(keywords, name) for name in ("CDELT1", "CROTA2", "CRLT_OBS"))
        return cls(centre, scale, roll, latitude, longitude(keywords))

    def plate(self, latitude: float, longitude: float, radius: float, *, central: float | None = None) -> complex:
        """Pixels from the centre of the disk to a place on the Sun, also where that is on the far side."""
        b, b0 = math.radians(latitude), math.radians(self.latitude)
        away = math.radians(longitude - (self.longitude if central is None else central))
        west, north = math.cos(b) * math.sin(away), math.cos(b) * math.cos(away)
        towards = math.sin(b) * math.sin(b0) + math.cos(b0) * north
        up = math.sin(b) * math.cos(b0) - math.sin(b0) * north
        return complex(west, up) * cmath.rect(radius * COSINE / (1 - towards * SINE), -math.radians(self.roll))

    def sun(self, plate: complex, radius: float, angle: float) -> tuple[float, float] | None:
        """Carrington longitude and latitude of a place `plate` pixels from the centre; None beyond the limb."""
        sigma = math.atan(abs(plate) / radius * math.tan(angle))
        if sigma > angle:
            return None
        rho = math.asin(math.sin(sigma) / math.sin(angle)) - sigma
        chi, b0 = math.atan2(plate.real, plate.imag) - math.radians(self.roll), math.radians(self.latitude)
        sine = math.sin(b0) * math.cos(rho) + math.cos(b0) * math.sin(rho) * math.cos(chi)
        away = math.asin(max(-1.0, min(1.0, math.sin(rho) * math.sin(chi) / math.sqrt(1 - sine**2))))
        if math.cos(rho) < sine * math.sin(b0):
            away = math.pi - away
        return math.degrees(away + math.radians(self.longitude)) % 360, math.degrees(math.asin(sine))


def longitude(keywords: Mapping[str, Any]) -> float:
    """CRLN_OBS as it should have been."""
    value, version = number(keywords, "CRLN_OBS"), keywords.get("CALVER64", keywords.get("CALVER32"))
    known = version is not None and int(version) >= 0
    return value if not known or int(version) & _CORRECTED else value + _LONGITUDE


def corrected(header: dict[str, Any]) -> None:
    """Say in a header that its longitude is as it should be."""
    name = next((name for name in ("CALVER64", "CALVER32") if name in header), None)
    if name is not None:
        header[name] = max(0, int(header[name] or 0)) | _CORRECTED


@dataclass(frozen=True, slots=True)
class Patch:
    """
    What the program knows before it cuts the first image.

    Attributes
    ----------
    options : mapping
        Its arguments.
    longitude, latitude : float
        Carrington coordinates of the target, 0 where the target is off the disk and the program has none.
    rotation : int
        Carrington rotation of the target.
    fixed : complex or None
        Pixel of the target in all images, None if it is followed.
    sun : float
        Radius of the Sun, metres.
    radius : float
        The same in pixels of the reference image, used for all.
    size : (int, int)
        Columns and rows of the box.
    corner : complex
        From the target to the lower left corner.
    """

    options: Mapping[str, str]
    longitude: float
    latitude: float
    rotation: int
    fixed: complex | None
    sun: float
    radius: float
    size: tuple[int, int]
    corner: complex

    def box(self, keywords: Mapping[str, Any]) -> Box:
        """Where the box lies in the image of a record, by its keywords in upper case."""
        view = Pointing.of(keywords)
        target = self.fixed
        if target is None:
            target = view.centre + view.plate(self.latitude, self.longitude, self.radius)
        corner = target + self.corner
        limb = math.degrees(math.asin(self.sun / number(keywords, "DSUN_OBS"))) * 3600 / view.scale
        left, below = nearest(corner.real), nearest(corner.imag)
        return Box(self, view, target, left, below, limb, str(keywords.get("record", "")))


@dataclass(frozen=True, slots=True)
class Box:
    """The box in an image: its pointing, target, lower left corner, radius of the Sun in pixels, name of the record."""

    patch: Patch
    view: Pointing
    target: complex
    left: int
    below: int
    limb: float
    record: str = ""

    def meets(self, shape: tuple[int, ...]) -> bool:
        """Whether any pixel of an image of that shape lies in the box; there is no record where none does."""
        ends = zip((self.left, self.below), self.patch.size, reversed(shape), strict=True)
        return all(start < length and start + size > 0 for start, size, length in ends)


def prepare(options: Mapping[str, str], reference: Mapping[str, Any] | None, first: Mapping[str, Any]) -> Patch:
    """
    Work out target and box.

    Parameters
    ----------
    options : mapping
        Arguments of the program.
    reference : mapping or None
        Keywords of the image near ``t_ref``; None where the target is given in Carrington coordinates.
    first : mapping
        Keywords of the first image to be cut.

    Raises
    ------
    ProcessError
        Where the program gives up.
    """
    kind, unit = _unit(options, "locunits", _LOCATIONS), _unit(options, "boxunits", _BOXES)
    x, y, width, height = (number(options, name) for name in ("x", "y", "width", "height"))
    rotation = int(number(options, "car_rot", -1))
    if kind == "carrlong" and rotation < 0:
        raise ProcessError("Carrington rotation number must be provided for locunits=carrlong")
    known = first if kind == "carrlong" or reference is None else reference
    for name, needed in (("CTYPE1", "HPLN-TAN"), ("CTYPE2", "HPLT-TAN")):
        if known.get(name) != needed:
            raise ProcessError(f"{name} not {needed} as required, is: {known.get(name)}")
    view = Pointing.of(known)
    sun = number(known, "RSUN_REF", 6.96e8)
    angle = math.asin(sun / number(known, "DSUN_OBS"))
    radius = math.degrees(angle) * 3600 / view.scale
    fixed = view.centre
    if kind in ("arcsec", "pixels"):
        if kind == "arcsec":
            offset = complex(x - number(known, "CRVAL1"), y - number(known, "CRVAL2")) / view.scale
            fixed = view.centre + offset * cmath.rect(1, -math.radians(view.roll))
        else:
            fixed = complex(x - 1, y - 1)
        x, y = view.sun(fixed - view.centre, radius, angle) or (0.0, 0.0)
    elif kind == "stony":
        x += view.longitude
        fixed = view.centre + view.plate(y, x, radius)
    if kind != "carrlong":
        rotation = int(number(known, "CAR_ROT")) - (x >= 360) + (x < 0)
        x -= 360 * ((x >= 360) - (x < 0))
    size, corner = _box(unit, complex(width, height), y, Pointing.of(first), radius)
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise ProcessError(f"a box of {size[0]} x {size[1]} pixels is out of range")
    return Patch(options, x, y, rotation, fixed if flag(options, "t") else None, sun, radius, size, corner)


def _box(
    unit: str, extent: complex, latitude: float, first: Pointing, radius: float
) -> tuple[tuple[int, int], complex]:
    """Columns and rows of the box, and the way from its target to its lower left corner."""
    if unit == "pixels":
        size = nearest(extent.real), nearest(extent.imag)
        return size, -complex(*size) / 2
    if unit == "arcsec":
        corner = -extent / (2 * first.scale)
        return (int(1 - 2 * corner.real), int(1 - 2 * corner.imag)), corner
    half = extent / 2
    ends = [first.plate(latitude + sign * half.imag, sign * half.real, radius, central=0.0) for sign in (1, -1)]
    wide, high = (int(part) for part in ((ends[0] - ends[1]).real, (ends[0] - ends[1]).imag))
    corner = complex(ends[0 if wide < 0 else 1].real, ends[0 if high < 0 else 1].imag)
    return (abs(wide) + 1, abs(high) + 1), corner


def window(image: FloatArray, left: int, below: int, size: tuple[int, int]) -> FloatArray:
    """Columns and rows of an image from a corner on; NaN where it has none."""
    x, y = left + np.arange(size[0]), below + np.arange(size[1])
    inside = [(place >= 0) & (place < length) for place, length in zip((y, x), image.shape, strict=True)]
    made = np.full(size[::-1], np.nan)
    made[np.ix_(*inside)] = image[np.ix_(y[inside[0]], x[inside[1]])]
    return made


def cut(image: Image, box: Box) -> None:
    """
    Cut the box out of an image.

    Raises
    ------
    ProcessError
        If it lies outside.
    """
    patch, view, (columns, rows) = box.patch, box.view, box.patch.size
    if not box.meets(image.data.shape):
        raise ProcessError("patch completely outside image")
    margin = 60 if flag(patch.options, "r") else 0
    left, below = box.left - margin, box.below - margin
    made = window(image.data, left, below, (columns + 2 * margin, rows + 2 * margin))
    if flag(patch.options, "c"):
        y, x = np.ogrid[below : below + made.shape[0], left : left + made.shape[1]]
        away = (x - view.centre.real) ** 2 + (y - view.centre.imag) ** 2
        made[away >= 0.9995 * box.limb**2] = np.nan
    span, roll, said = complex(columns - 1, rows - 1), view.roll, ""
    pixel = view.centre - complex(box.left, box.below)
    shift = complex(box.left, box.below) + span / 2 - box.target
    if abs(abs(roll) - 180) < 1:
        made, roll, pixel, shift = made[::-1, ::-1], roll - 180, span - pixel, -shift
        said = "Image rotated 180 degrees."
    if margin:
        made = _moved(made, shift, roll)[margin:-margin, margin:-margin]
        pixel, roll = pixel + shift, 0.0
        said += f"Image registered by shift of ({shift.real:.3f},{shift.imag:.3f}) pixels."
    image.data = made
    _describe(image, box, pixel, roll)
    image.header["HISTORY"] = box.record + said


def _moved(image: FloatArray, shift: complex, roll: float) -> FloatArray:
    """Move an image by parts of a pixel, and turn it upright around its middle."""
    y, x = np.mgrid[1 : image.shape[0] + 1, 1 : image.shape[1] + 1]
    middle = complex(image.shape[1] + 1, image.shape[0] + 1) / 2
    place = (x + 1j * y - shift - middle) * cmath.rect(1, -math.radians(roll)) + middle
    return sample(image, place.real, place.imag)


def _describe(image: Image, box: Box, pixel: complex, roll: float) -> None:
    """Write the keywords that the program writes; names are cut to eight characters, as FITS has them."""
    head, patch, options = image.header, box.patch, box.patch.options
    corrected(head)
    head |= {"CRPIX1": pixel.real + 1, "CRPIX2": pixel.imag + 1, "CRVAL1": 0.0, "CRVAL2": 0.0, "CROTA2": roll}
    head |= {"CRDELT1": box.view.scale, "CRDELT2": box.view.scale, "CRLN_OBS": box.view.longitude}
    head |= {"SOURCE": box.record, "CONTENT": "Tracked Extracted Patches, made by im_patch", "COMMENT": "Patches"}
    head |= {"HGBOXUNI": options.get("boxunits", ""), "HGLOCUNI": options.get("locunits", "")}
    head |= {"HGWIDE": number(options, "width"), "HGHIGH": number(options, "height")}
    head |= {"HGCRLN": patch.longitude, "HGCRLT": patch.latitude, "HGCARROT": patch.rotation}
    for name, option in (("HGTSTART", "t_start"), ("HGTSTOP", "t_stop")):
        seconds = words.scan_time(options.get(option, "JD_0"))
        head[name] = words.format_time(seconds, "TAI", 3) if seconds > schema.JD0 + 1 else None
