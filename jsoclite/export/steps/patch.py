"""
What ``im_patch`` makes of a `Cutout`: the pixels of each image that it copies, and the keywords that it writes.

This is the client's only account of that program (im_patch.c and the cartography in it, 2022-09). A reference image
turns the centre into a Carrington longitude and latitude; these are held while the Sun turns as a rigid body. The first
image fixes the size of the box. In each image the box is a rectangle of stored pixels, turned by half a turn where the
camera's north is at the bottom; only `Cutout.register` would interpolate.

Images come as mappings of keywords to numbers and text, times as TAI seconds; missing ones are left out. Pixels are
counted from 0 in the image as it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ...errors import ProcessingError
from ...times import words
from .region import Cutout

_SUN = 6.96e8  # metres, where RSUN_REF is missing
_LONGITUDE_ERROR = 0.0818941  # degrees; bit 28 of CALVER64 or CALVER32 says that it was taken off
_CORRECTED = 1 << 28
# the program corrects for the Sun's distance as if that were always 1 au
_SIN_SUN, _COS_SUN = 0.004660, 0.99998914
# pixels of a box: a gigabyte
_MOST = 1 << 28

Image = Mapping[str, Any]


class Box(NamedTuple):
    """
    What is copied from one image.

    Attributes
    ----------
    left, below : int
        Lower left pixel.
    width, height : int
        Pixels.
    turned : bool
        Whether the copy is turned by half a turn.
    disk : tuple of float or None
        Column, row and square of the radius, outside of which pixels become missing.
    keywords : tuple of (str, value)
        What the program writes, by DRMS names.
    """

    left: int
    below: int
    width: int
    height: int
    turned: bool
    disk: tuple[float, float, float] | None
    keywords: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """
    A cutout, once its reference image and the first image are known; `Patch.of` makes it.

    Attributes
    ----------
    step : Cutout
        What was asked for.
    place : (float, float)
        Carrington longitude and latitude of the centre, degrees.
    rotation : int
        Carrington rotation of the centre.
    pixel : (float, float) or None
        The centre in every image, None if it is followed.
    sun, radius : float
        Radius of the Sun in metres, and in pixels of the reference image.
    size : (int, int)
        Width and height, pixels.
    corner : (float, float)
        From the centre to the lower left corner, pixels.
    """

    step: Cutout
    place: tuple[float, float]
    rotation: int
    pixel: tuple[float, float] | None
    sun: float
    radius: float
    size: tuple[int, int]
    corner: tuple[float, float]

    #: Keywords that are needed, and those that are read where they are.
    NEEDED: ClassVar = (
        *("CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CDELT1", "CROTA2", "CRVAL1", "CRVAL2"),
        *("CRLN_OBS", "CRLT_OBS", "CAR_ROT", "DSUN_OBS", "T_OBS", "QUALITY"),
    )
    OPTIONAL: ClassVar = ("RSUN_REF", "CALVER64", "CALVER32")

    @staticmethod
    def copies(step: Any) -> bool:
        """Whether a step only copies pixels of the records that it is given, so that the same can be done here."""
        return isinstance(step, Cutout) and not step.register and step.cadence is None

    @staticmethod
    def nearest(t_ref: str, near: Callable[[str, str], Iterable[Image]]) -> Image | None:
        """
        Find the reference image as the program does: in a window that grows from ±15 s to two hours, by T_OBS.

        Parameters
        ----------
        t_ref : str
            The reference time.
        near : callable
            Lists the images with QUALITY ≥ 0 between two times.
        """
        moment, half = words.scan_time(t_ref), 15
        while half < 10_000:
            best: tuple[float, Image] | None = None
            for image in near(words.format_time(moment - half), words.format_time(moment + half)):
                away = abs(image.get("T_OBS", -math.inf) - moment)
                if away > (100_000 if best is None else best[0]):
                    break  # not the nearest of all, where records are not in the order of T_OBS
                best = away, image
            if best is not None:
                return best[1]
            half *= 2
        return None

    @classmethod
    def of(cls, step: Cutout, reference: Image, first: Image | None = None) -> Patch:
        """
        Work out a cutout.

        Parameters
        ----------
        step : Cutout
            What is asked for.
        reference : mapping
            The image by which the centre is known (`nearest`); the first one where that is a Carrington longitude.
        first : mapping, optional
            The first image to be cut, by default the reference: a size in arcsec or degrees can differ by a pixel.

        Raises
        ------
        ProcessingError
            If the centre is to be followed, or the box measured in degrees, and the centre is not on the disk; if the
            images are none of the disk, or a keyword is missing.
        """
        for axis, needed in (("CTYPE1", "HPLN-TAN"), ("CTYPE2", "HPLT-TAN")):
            if reference.get(axis) != needed:
                raise ProcessingError(f"Cutout needs images of the disk ({axis} {needed}), not {reference.get(axis)!r}")
        x0, y0, roll = (_number(reference, name) for name in ("CRPIX1", "CRPIX2", "CROTA2"))
        tilt, middle = _number(reference, "CRLT_OBS"), _longitude(reference)
        sun = float(reference.get("RSUN_REF", _SUN))
        angle = math.asin(min(1.0, sun / _number(reference, "DSUN_OBS")))
        radius = math.degrees(angle) * 3600 / _number(reference, "CDELT1")
        (x, y), rotation = step.center, step.car_rot
        if step.location == "carrington":
            place, pixel = (x, y), (math.nan, math.nan)
        elif step.location == "stonyhurst":
            place = (middle + x, y)
            away = _on_image(place, tilt, middle, roll, radius)
            pixel = (away[0] + x0 - 1, away[1] + y0 - 1)
        else:
            pixel = (x - 1, y - 1) if step.location == "pixels" else _pixel(reference, x, y)
            plate = (pixel[0] + 1 - x0) / radius, (pixel[1] + 1 - y0) / radius
            found = _on_sun(plate, tilt, middle, roll, angle)
            if found is None and (step.track or step.box == "degrees"):
                raise ProcessingError(
                    f"center ({x:g}, {y:g}) in {step.location} is not on the Sun's disk at t_ref, so that im_patch "
                    "can neither follow it nor measure degrees there: move it inside, or write track=False and a size "
                    "in arcsec"
                )
            place = found or (0.0, 0.0)
        if rotation is None:
            turns = math.floor(place[0] / 360)
            place, rotation = (place[0] - 360 * turns, place[1]), int(_number(reference, "CAR_ROT")) - turns
        size, corner = _size(step, place[1], radius, first or reference)
        if not 0 < size[0] * size[1] <= _MOST:
            raise ProcessingError(f"size={step.size} in {step.box} is {size[0]} x {size[1]} pixels; make it smaller")
        return cls(step, place, rotation, None if step.track else pixel, sun, radius, size, corner)

    @staticmethod
    def takes(step: Cutout, seconds: float) -> bool:
        """Whether a record of that time lies between `start` and `stop`."""
        start, stop = (_seconds(text) for text in (step.start, step.stop))
        return (start is None or seconds >= start) and (stop is None or seconds <= stop)

    def hides(self, image: Image) -> bool:
        """Whether the place that is followed is on the far side of the Sun, where the program goes on cutting."""
        if self.pixel is not None:
            return False
        latitude, tilt = math.radians(self.place[1]), math.radians(_number(image, "CRLT_OBS"))
        away = math.radians(self.place[0] - _longitude(image))
        return math.sin(latitude) * math.sin(tilt) + math.cos(latitude) * math.cos(tilt) * math.cos(away) < 0

    def box(self, image: Image) -> Box:
        """
        Find the box in an image.

        Raises
        ------
        ProcessingError
            If a keyword is missing that the program needs.
        """
        x0, y0, roll = _number(image, "CRPIX1") - 1, _number(image, "CRPIX2") - 1, _number(image, "CROTA2")
        scale, longitude = _number(image, "CDELT1"), _longitude(image)
        if self.pixel is None:
            x, y = _on_image(self.place, _number(image, "CRLT_OBS"), longitude, roll, self.radius)
            x, y = x + x0, y + y0
        else:
            x, y = self.pixel
        left, below = _rounded(x + self.corner[0]), _rounded(y + self.corner[1])
        width, height = self.size
        turned = abs(abs(roll) - 180) < 1
        disk = None
        if self.step.crop:
            limb = math.degrees(math.asin(min(1.0, self.sun / _number(image, "DSUN_OBS")))) * 3600 / scale
            disk = x0, y0, 0.9995 * limb * limb
        written: dict[str, Any] = {
            "CRPIX1": left + width - x0 if turned else 1 + x0 - left,
            "CRPIX2": below + height - y0 if turned else 1 + y0 - below,
            **{"CRVAL1": 0.0, "CRVAL2": 0.0, "CROTA2": roll - 180 if turned else roll},
            **{"CRDELT1": scale, "CRDELT2": scale, "CRLN_OBS": longitude},
            "CONTENT": "Tracked Extracted Patches, made by im_patch",
        }
        for name in ("CALVER64", "CALVER32"):
            if name in image:
                written[name] = max(0, int(image[name])) | _CORRECTED
                break
        return Box(left, below, width, height, turned, disk, tuple((written | self._told()).items()))

    def _told(self) -> dict[str, Any]:
        """What the program writes of its arguments."""
        given = self.step.arguments()
        return {
            "HGBOXUNITS": given["boxunits"],
            "HGLOCUNITS": given["locunits"],
            **{"HGWIDE": float(given["width"]), "HGHIGH": float(given["height"])},
            **{"HGCRLN": self.place[0], "HGCRLT": self.place[1], "HGCARROT": self.rotation},
            **{"HGTSTART": _time(self.step.start), "HGTSTOP": _time(self.step.stop)},
        }


def _size(step: Cutout, latitude: float, radius: float, first: Image) -> tuple[tuple[int, int], tuple[float, float]]:
    """Width and height in pixels, and the way from the centre to the lower left corner."""
    width, height = step.size
    if step.box == "pixels":
        size = _rounded(width), _rounded(height)
        return size, (-size[0] / 2, -size[1] / 2)
    if step.box == "arcsec":
        scale = 2 * _number(first, "CDELT1")
        corner = -width / scale, -height / scale
        return (math.trunc(1 - 2 * corner[0]), math.trunc(1 - 2 * corner[1])), corner
    tilt, roll = _number(first, "CRLT_OBS"), _number(first, "CROTA2")
    # the corners of the box at the central meridian
    upper = _on_image((width / 2, latitude + height / 2), tilt, 0.0, roll, radius)
    lower = _on_image((-width / 2, latitude - height / 2), tilt, 0.0, roll, radius)
    spans = [math.trunc(high - low) for high, low in zip(upper, lower, strict=True)]
    # on an image that is upside down the upper right corner is the lower left one
    starts = [high if span < 0 else low for high, low, span in zip(upper, lower, spans, strict=True)]
    return (abs(spans[0]) + 1, abs(spans[1]) + 1), (starts[0], starts[1])


def _on_image(
    place: tuple[float, float], tilt: float, middle: float, roll: float, radius: float
) -> tuple[float, float]:
    """Pixels from the centre of the disk to a longitude and latitude (cartography's sphere2img)."""
    latitude, away, tilt, turn = (math.radians(value) for value in (place[1], place[0] - middle, tilt, -roll))
    depth = math.cos(latitude) * math.cos(away)
    cosine = math.sin(latitude) * math.sin(tilt) + math.cos(tilt) * depth
    length = radius * _COS_SUN / (1 - cosine * _SIN_SUN)
    west = length * math.cos(latitude) * math.sin(away)
    north = length * (math.sin(latitude) * math.cos(tilt) - math.sin(tilt) * depth)
    return west * math.cos(turn) - north * math.sin(turn), west * math.sin(turn) + north * math.cos(turn)


def _on_sun(
    plate: tuple[float, float], tilt: float, middle: float, roll: float, angle: float
) -> tuple[float, float] | None:
    """Longitude and latitude of a place in radii from the centre of the disk, None outside (img2sphere)."""
    sigma = math.atan(math.hypot(*plate) * math.tan(angle))
    if sigma > angle:
        return None
    chi = math.atan2(*plate) - math.radians(roll)
    rho, tilt = math.asin(math.sin(sigma) / math.sin(angle)) - sigma, math.radians(tilt)
    sine = math.sin(tilt) * math.cos(rho) + math.cos(tilt) * math.sin(rho) * math.cos(chi)
    away = math.asin(max(-1.0, min(1.0, math.sin(rho) * math.sin(chi) / math.sqrt(1 - sine * sine))))
    if math.cos(rho) < sine * math.sin(tilt):
        away = math.pi - away
    return (middle + math.degrees(away)) % 360, math.degrees(math.asin(sine))


def _pixel(image: Image, west: float, north: float) -> tuple[float, float]:
    """Pixel of a place in arcsec from the centre of the disk."""
    roll, scale = math.radians(_number(image, "CROTA2")), _number(image, "CDELT1")
    west, north = west - _number(image, "CRVAL1"), north - _number(image, "CRVAL2")
    x = (west * math.cos(roll) + north * math.sin(roll)) / scale
    y = (north * math.cos(roll) - west * math.sin(roll)) / scale
    return x + _number(image, "CRPIX1") - 1, y + _number(image, "CRPIX2") - 1


def _longitude(image: Image) -> float:
    """CRLN_OBS without the error of early calibrations."""
    version = image.get("CALVER64", image.get("CALVER32"))
    wrong = version is not None and int(version) >= 0 and not int(version) & _CORRECTED
    return _number(image, "CRLN_OBS") - (_LONGITUDE_ERROR if wrong else 0.0)


def _number(image: Image, name: str) -> float:
    value = image.get(name)
    if value is None or not math.isfinite(value):
        raise ProcessingError(f"the record has no {name}, which im_patch needs to find its box")
    return float(value)


def _rounded(value: float) -> int:
    """Round halves away from zero, as C does."""
    whole, part = divmod(abs(value), 1)
    return int(math.copysign(whole + (part >= 0.5), value))


def _time(text: str | None) -> str | None:
    seconds = _seconds(text)
    return None if seconds is None else words.format_time(seconds, "TAI", 3)


def _seconds(text: str | None) -> float | None:
    return None if text in (None, "NotSpecified") else words.scan_time(str(text))
