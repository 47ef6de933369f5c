"""Steps by the names that JSOC, drms and the command line have for them, and for their arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ...errors import ArgumentError, ProcessingError, shown
from .image import AIAScale, Rebin, Resize, Step, VectorToPtr
from .region import Cutout, MapProject

# what JSOC calls arguments, and what they are here; "!" where its flag means the opposite
_ALL = {"c": "crop", "A": "all_segments"}
_ARGUMENTS: Mapping[type[Step], Mapping[str, str]] = {
    Cutout: _ALL
    | {"t": "!track", "r": "register", "t_start": "start", "t_stop": "stop", "locunits": "location", "boxunits": "box"},
    Rebin: _ALL | {"u": "!rotate", "FWHM": "fwhm"},
    Resize: {"c": "crop", "regrid": "bicubic", "do_stretchmarks": "replicate", "center_to": "center"},
    MapProject: {"A": "all_segments", "map": "projection", "interp": "interpolation", "map_pa": "position_angle"}
    | {"s": "stonyhurst"},
    VectorToPtr: {"l": "coordinates", "e": "errors", "ambweak": "disambiguation"},
    AIAScale: {"mpt": "pointing"},
}
_PAIRS = {"x y": "center", "width height": "size", "clon clat": "center", "xc yc": "center", "wide high": "size"}
_VALUES: Mapping[str, Mapping[Any, str]] = {
    "location": {"stony": "stonyhurst", "carrlong": "carrington"},
    "center": {0: "sun", 1: "first", 2: "keep"},
    "disambiguation": {0: "potential", 1: "random", 2: "radial"},
}
_FLAGS = {"track", "register", "crop", "all_segments", "rotate", "bicubic", "replicate"}
_FLAGS |= {"stonyhurst", "coordinates", "errors"}
_TIMES = ("t_ref", "t_start", "t_stop", "start", "stop")
# JSOC's names, drms's, and the classes', without underscores
_STEPS: Mapping[str, type[Step]] = {
    name: step
    for names, step in (
        ("impatch cutout", Cutout),
        ("rebin", Rebin),
        ("resize", Resize),
        ("maproj mapproj mapproject", MapProject),
        ("hmib2ptr vectortoptr", VectorToPtr),
        ("aiascale aiascaleorig aiascaleaialev1 aiascaleother", AIAScale),
    )
    for name in names.split()
}
_KNOWN = "im_patch, rebin, resize, Maproj, HmiB2ptr or aia_scale"
# jsoc_resize.c
_SCALE_TO = 0.6


def named(name: str, given: Any) -> Step:
    """
    Make a step of a name and a mapping of arguments, JSOC's or ours, whose values may be texts.

    Raises
    ------
    ProcessingError
        For other names, arguments that the step has not, and values that it does not take.

    Examples
    --------
    >>> named("resize", {"rescale": 1, "scale_to": "0.6", "center_to": 0})
    Resize(scale_to=0.6, bicubic=True, center='sun', replicate=False, crop=False)
    """
    step = _STEPS.get(re.sub(r"[_\s-]", "", name).lower())
    if step is None or not isinstance(given, Mapping):
        raise ProcessingError(f"{shown({name: given})} is no step: it is {_KNOWN}, with a mapping of its arguments")
    ours = _ARGUMENTS[step]
    found = {str(key): value if key in _TIMES else _value(value) for key, value in given.items()}
    for words, pair in _PAIRS.items():
        lost = [word for word in words.split() if word not in found]
        if len(lost) == 1 or (lost and step is Cutout and words in ("x y", "width height") and pair not in found):
            needs = ": it needs x, y, width, height and t_ref" if step is Cutout else ""
            raise ProcessingError(f"{name} lacks {lost[0]!r}{needs}")
        if not lost:
            found[pair] = tuple(found.pop(word) for word in words.split())
    if step is Resize and "rescale" in found:
        rescale = bool(found.pop("rescale"))
        found["scale_to"] = found.get("scale_to", _SCALE_TO) if rescale else None
    # JSOC's names go with JSOC's flags, which are off where they are not set; ours may be on
    if name.lower() == "hmib2ptr":
        found.setdefault("l", 0)
    if name == "rebin" and "rotate" not in found:
        found.setdefault("u", 0)
    arguments: dict[str, Any] = {}
    try:
        for key, value in found.items():
            own = ours.get(key, key)
            field = own.removeprefix("!")
            if field in _FLAGS:
                if value not in (0, 1):
                    raise ArgumentError(f"{key}={shown(value)}: write 0 or 1")
                value = bool(value) is not own.startswith("!")
            elif isinstance(value, int | str):
                value = _VALUES.get(field, {}).get(value, value)
            arguments[field] = value
        return step(**arguments)
    except (ArgumentError, TypeError, ValueError) as error:
        raise ProcessingError(f"{name}: {error}") from None


def _value(value: Any) -> Any:
    """Read a text as what it says: a number, a pair of them, yes or no."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in ("yes", "true", "on", "no", "false", "off"):
        return text.lower() in ("yes", "true", "on")
    parts = re.split(r"\s*[,x]\s*", text)
    try:
        numbers = [_number(part) for part in parts]
    except (ValueError, ZeroDivisionError):
        return text
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def _number(text: str) -> float:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    return float(Fraction(text)) if "/" in text else float(text)
