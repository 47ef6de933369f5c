"""
Numbers, quantities, places on the Sun and times, as processing steps take them, made into plain numbers in fixed units.

Anything with a unit is recognised by its attributes, as are coordinates, so that astropy is needed only where the user
has it in hand already, and sunpy never.
"""

from __future__ import annotations

import math
from typing import Any

from ...errors import ProcessingError, RecordSetError

# names of astropy and sunpy frames → the word for what their angles mean
_FRAMES = {
    "helioprojective": "arcsec",
    "heliographic_stonyhurst": "stonyhurst",
    "heliographic_carrington": "carrington",
}


def number(value: float) -> str:
    """Print a number as the server reads it: no exponent, no needless digits."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def flag(value: bool) -> str:
    """Print a switch."""
    return "1" if value else "0"


def has_unit(value: Any) -> bool:
    """Whether a value is an astropy Quantity (or works like one)."""
    return hasattr(value, "unit") and hasattr(value, "to_value")


def in_unit(value: Any, unit: str, name: str, *, above: float | None = None) -> float:
    """
    Read one number.

    Parameters
    ----------
    value : number or Quantity
        Plain numbers are in `unit` already.
    unit : str
        Unit of the result, as astropy writes it; "" for none. "arcsec / pix" takes arcsec as well.
    name : str
        What the error calls it.
    above : float, optional
        The result must be greater.

    Returns
    -------
    float

    Raises
    ------
    ProcessingError
        For what is no finite number, has another dimension, or is too small.
    """
    if has_unit(value):
        for wanted in (unit, unit.removesuffix(" / pix")):
            try:
                result = float(value.to_value(wanted))
                break
            except (TypeError, ValueError):
                continue
        else:
            raise ProcessingError(f"{name}={value} is not in a unit of {unit or 'pure numbers'}, nor one number")
    elif isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise ProcessingError(f"{name}={value!r}: write a number{f' in {unit}' if unit else ''}, or a Quantity")
    else:
        result = float(value)
    if not math.isfinite(result) or (above is not None and result <= above):
        rule = "finite" if above is None else f"finite and above {above:g}"
        raise ProcessingError(f"{name}={value} must be {rule}")
    return result


def pixels(value: Any, name: str) -> int:
    """Read a positive whole number of pixels."""
    result = in_unit(value, "pix", name, above=0)
    if result != round(result):
        raise ProcessingError(f"{name}={value} must be a whole number of pixels")
    return round(result)


def pair(value: Any, name: str) -> tuple[Any, Any]:
    """Take two values out of a tuple, list, array or quantity of two."""
    try:
        first, second = value
    except (TypeError, ValueError):
        raise ProcessingError(f"{name}={value!r}: write a pair, such as (-300, 150)") from None
    return first, second


def square_or_pair(value: Any, name: str) -> tuple[Any, Any]:
    """Take width and height; one number stands for both."""
    if isinstance(value, int | float) or (has_unit(value) and getattr(value, "isscalar", True)):
        return value, value
    return pair(value, name)


def time_of(value: Any, name: str) -> str:
    """Print any time as TAI, ``2014.01.01_00:00:35_TAI``."""
    from ...times import parse_time

    try:
        return str(parse_time(value))
    except RecordSetError as error:
        raise ProcessingError(f"{name}: {error}") from None


def is_coordinate(value: Any) -> bool:
    """Whether a value looks like an astropy coordinate: a frame of one of the Sun's systems, or a SkyCoord in one."""
    return _frame_name(value) is not None


def _frame_name(value: Any) -> str | None:
    found = getattr(getattr(value, "frame", value), "name", None)
    if isinstance(found, str) and hasattr(value, "spherical"):
        return found
    return "helioprojective" if hasattr(value, "Tx") and hasattr(value, "Ty") else None


def center_of(value: Any, location: str | None) -> tuple[tuple[float, float], str, Any]:
    """
    Read a place in the image.

    Parameters
    ----------
    value : coordinate or pair
        See `Cutout`.
    location : {"arcsec", "pixels", "stonyhurst", "carrington"}, optional
        What a pair means; by default what its units say, arcsec without any.

    Returns
    -------
    tuple
        (x, y) in arcsec, pixels or degrees; the location's word; the observation time of a coordinate, or None.

    Raises
    ------
    ProcessingError
        For other frames, units that do not fit, and places that do not exist.
    """
    obstime = None
    frame = _frame_name(value)
    if frame is not None:
        kind = _FRAMES.get(frame)
        if kind is None:
            raise ProcessingError(
                f"a coordinate in the frame {frame!r} has no place in the image: transform it to {', '.join(_FRAMES)}"
            )
        if location not in (None, kind):
            raise ProcessingError(f"location={location!r} contradicts the coordinate, which is {frame}")
        obstime = getattr(value, "obstime", None)
        x, y = (value.Tx, value.Ty) if kind == "arcsec" else (value.lon, value.lat)
    else:
        x, y = pair(value, "center")
        kind = location or _kind(x, y)
    if kind not in ("arcsec", "pixels", "stonyhurst", "carrington"):
        raise ProcessingError(f"location={kind!r}: write 'arcsec', 'pixels', 'stonyhurst' or 'carrington'")
    unit = {"arcsec": "arcsec", "pixels": "pix"}.get(kind, "deg")
    result = in_unit(x, unit, "center x"), in_unit(y, unit, "center y")
    _check(result, kind)
    return result, kind, obstime


def _kind(x: Any, y: Any) -> str:
    """Tell from their units what a pair of values means."""
    if has_unit(x) != has_unit(y):
        raise ProcessingError(f"center=({x}, {y}): give both a unit, or neither")
    return "pixels" if has_unit(x) and str(x.unit) in ("pix", "pixel") else "arcsec"


def _check(place: tuple[float, float], kind: str) -> None:
    """Refuse places that no image of the Sun has."""
    x, y = place
    limits = {
        "arcsec": ((-5400, 5400), (-5400, 5400)),
        "pixels": ((1, 65536), (1, 65536)),
        "stonyhurst": ((-180, 180), (-90, 90)),
        "carrington": ((0, 360), (-90, 90)),
    }[kind]
    for value, axis, (low, high) in zip(place, "xy", limits, strict=True):
        if not low <= value <= high:
            raise ProcessingError(f"center ({x:g}, {y:g}) in {kind}: {axis} lies outside {low} to {high}")
