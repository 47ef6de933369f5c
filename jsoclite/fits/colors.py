"""
What an image shows, and the colours that it is usually shown in.

`look` decides from header keywords, series and segment; `colormap` makes the colours. Nothing is registered with
matplotlib, and matplotlib is imported only where a colour map is made.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import JsocError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.colors import Colormap

    Bytes: TypeAlias = npt.NDArray[np.uint8]


#: Wavelengths (Angstrom) that AIA has a colour table for.
AIA_CHANNELS = (94, 131, 171, 193, 211, 304, 335, 1600, 1700, 4500)

# red, green and blue of aia_lct.pro (SolarSoft, K. Schrijver 2010): r g b are those of IDL's colour table 3, the others
# the curves of `_aia_curves`; h is half of b
_AIA = dict(zip(AIA_CHANNELS, ["23c", "grr", "rcb", "1c2", "1c3", "rgb", "2c1", "332", "1cc", "cch"], strict=True))

# colours (0 to 255) at places from 0 to 1, with straight lines between them
_POINTS: dict[str, tuple[tuple[float, int, int, int], ...]] = {
    "gray": ((0, 0, 0, 0), (1, 255, 255, 255)),
    "continuum": ((0, 0, 0, 0), (0.25, 70, 18, 0), (0.5, 176, 72, 0), (0.75, 247, 154, 22), (1, 255, 236, 150)),
    "velocity": (
        (0, 8, 30, 110), (0.25, 55, 120, 215), (0.5, 250, 250, 250), (0.75, 220, 75, 55), (1, 105, 5, 20),
    ),
}  # fmt: skip
# HMI's own colours of magnetograms, which jump: dark red (negative) to yellow, grey in the middle, green to dark blue
_HMIMAG = (
    (0, 137, 0, 20), (39, 255, 61, 0), (40, 253, 63, 2), (79, 253, 154, 111), (107, 255, 219, 188), (108, 255, 103, 0),
    (125, 255, 255, 0), (126, 199, 200, 130), (127, 181, 181, 166), (128, 154, 154, 167), (129, 95, 129, 104),
    (130, 0, 120, 14), (147, 0, 255, 92), (148, 200, 200, 255), (200, 60, 101, 252), (217, 0, 56, 251),
    (250, 0, 0, 133), (255, 0, 0, 73),
)  # fmt: skip
_POINTS["hmimag"] = tuple((level / 255, *colour) for level, *colour in _HMIMAG)  # type: ignore[misc]
_OF_MATPLOTLIB = {"field": "magma", "inclination": "PuOr_r", "azimuth": "twilight"}
# colours of values that have no order: weak to strong as in HMI's bitmaps, then others
_FLAGS = ("#e8e4d8", "#7fa8c9", "#c9a227", "#a03b2a", "#4d6a4f", "#6b4f8a", "#d98880", "#2f4858", "#b5c99a", "#8c6d46")

Scale: TypeAlias = Literal["asinh", "zero", "symmetric", "median", "angle", "flags", "percentiles"]


@dataclass(frozen=True, slots=True)
class Look:
    """
    How a kind of image is shown.

    Attributes
    ----------
    kind : str
        What it shows: ``aia171``, ``magnetogram``, ``velocity``, ``continuum``, ``field``, ``inclination``,
        ``azimuth``, ``flags`` or ``other``.
    label : str
        The same for a title.
    table : str
        Name of its colour table.
    scale : str
        From values to colours: "asinh" and "zero" (linear) begin at 0, "symmetric" lies about 0, "median" about
        the image's median, "angle" has fixed limits, "flags" gives each value a colour, "percentiles" is linear.
    unit : str
        Unit of the values, empty where only BUNIT can say.
    background : str
        Colour of missing pixels.
    factor : float
        What the values are multiplied with to come out in `unit`.
    """

    kind: str
    label: str
    table: str
    scale: Scale
    unit: str = ""
    background: str = "black"
    factor: float = 1.0

    @property
    def averages(self) -> bool:
        """Whether the mean of neighbouring pixels means anything: not for flags, nor for angles that wrap around."""
        return self.scale != "flags" and self.kind != "azimuth"


_LOOKS = {
    "magnetogram": Look("magnetogram", "magnetogram", "gray", "symmetric", "G"),
    "velocity": Look("velocity", "Dopplergram", "velocity", "median", "m/s"),
    "slow": Look("velocity", "Doppler velocity", "velocity", "median", "m/s", factor=0.01),  # JSOC gives cm/s
    "continuum": Look("continuum", "continuum", "continuum", "zero"),
    "field": Look("field", "field strength", "field", "zero", "G"),
    "inclination": Look("inclination", "inclination", "inclination", "angle", "°"),
    "azimuth": Look("azimuth", "azimuth", "azimuth", "angle", "°"),
    "flags": Look("flags", "", "flags", "flags", background="white"),
    "other": Look("other", "", "gray", "percentiles"),
}

# segments that say more than the kind of what they hold
_NAMED = ("br", "bp", "bt", "src_continuum")

# the first one found in "series|segment|content|unit", all lower case, decides
_RULES = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"^[^|]*\|(bitmap|disambig|conf_disambig|info_map|confid_map|conv_flag)\|", "flags"),
        (r"^[^|]*\|(magnetogram|b[rpt]|synopm[lr]|m[lr]_polfil)\|", "magnetogram"),
        (r"^[^|]*\|dopplergram\|", "velocity"),
        (r"^[^|]*\|vlos_mag\|", "slow"),
        (r"^[^|]*\|(src_)?continuum\|", "continuum"),
        (r"^[^|]*\|(field|inclination|azimuth)\|", ""),
        # segments whose names say nothing: MDI calls all of them "data"
        (r"^[^|]*\|(data|image|mean)?\|.*(magnetogram|\bb[rpt]? field|\|(gauss|mx/cm\^2)$)", "magnetogram"),
        (r"^[^|]*\|(data|image|mean)?\|.*(doppler|velocity|\|m/s$)", "velocity"),
        (r"^[^|]*\|(data|image|mean)?\|.*(continuum|intensitygram)", "continuum"),
        # stored files say nothing at all, but their series does
        (r"^(mdi|hmi)\.(fd_|synoptic_)?m[lr]?(_|daily|syn|map)[^|]*\|data\|", "magnetogram"),
        (r"^(mdi|hmi)\.(fd_)?v(_[^|]*)?\|(data|mean)\|", "velocity"),
        (r"^(mdi|hmi)\.(fd_)?ic(_[^|]*)?\|data\|", "continuum"),
    )
)


def look(header: Mapping[str, Any], segment: str = "", series: str = "") -> Look:
    """
    Decide how an image is shown.

    Parameters
    ----------
    header : mapping
        Keywords of the image; TELESCOP, INSTRUME, WAVELNTH, CONTENT and BUNIT are looked at, where they are there.
    segment : str
        Name of the segment, such as ``magnetogram``.
    series : str
        Name of the series.

    Returns
    -------
    Look
        Its kind is ``other`` (grey, limits from the data) where nothing is known.

    Examples
    --------
    >>> from jsoclite.fits.colors import look
    >>> look({"TELESCOP": "SDO/AIA", "WAVELNTH": 171}).label
    '171 Å'
    >>> look({"TELESCOP": "SOHO", "CONTENT": "MDI Full Disk 96m Magnetogram"}, "data").scale
    'symmetric'
    """
    name = segment.lower()
    aia = series.lower().startswith("aia.") or any("AIA" in _word(header, key) for key in ("TELESCOP", "INSTRUME"))
    if aia and name in ("", "image", "image_lev1"):
        wavelength = round(number(header.get("WAVELNTH")) or 0)
        if wavelength in AIA_CHANNELS:
            scale: Scale = "asinh" if wavelength < 1000 else "zero"
            return Look(f"aia{wavelength}", f"{wavelength} Å", f"aia{wavelength}", scale)
    text = "|".join((series, segment, _word(header, "CONTENT"), _word(header, "BUNIT"))).lower()
    for pattern, kind in _RULES:
        if pattern.search(text):
            found = _LOOKS[kind or name]
            if "nolimbdark" in series.lower():
                return replace(found, label="flattened continuum")
            return replace(found, label=segment) if found.kind == "flags" or name in _NAMED else found
    return replace(_LOOKS["other"], label=segment or _word(header, "CONTENT").lower())


def _word(header: Mapping[str, Any], key: str) -> str:
    value = header.get(key)
    return value.strip() if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """Return the finite number that a header or a row says, None where it says something else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def colormap(which: str | float | Mapping[str, Any] | Look, segment: str = "", series: str = "") -> Colormap:
    """
    Make the colour map of a kind of image, as SDO's pictures have it.

    Parameters
    ----------
    which : str, number, header or Look
        A name (``aia171``, ``gray``, ``hmimag``, ``continuum``, ``velocity``, ``field``, ``inclination``,
        ``azimuth``, ``flags``; also sunpy's ``sdoaia171``), a wavelength of AIA in Angstrom, or a header, from which
        `look` decides.
    segment, series : str
        Told to `look` where a header is given.

    Returns
    -------
    matplotlib.colors.Colormap
        With 256 colours (``flags`` has 10); missing pixels get the background of this kind. It is not registered: hand
        it over as ``cmap=``.

    Raises
    ------
    JsocError
        If there is no such table, or no matplotlib.

    Examples
    --------
    >>> from jsoclite import colormap
    >>> colormap(171).name, colormap({"CONTENT": "DOPPLERGRAM"}).name
    ('aia171', 'velocity')
    """
    try:
        import matplotlib
        from matplotlib.colors import ListedColormap
    except ImportError as error:
        raise JsocError("colour maps need matplotlib: python -m pip install matplotlib") from error
    asked: Any = which
    if hasattr(asked, "get"):  # astropy's Header is no Mapping, though it serves as one
        asked = look(asked, segment, series)
    if isinstance(asked, Look):
        name, background = asked.table, asked.background
    else:
        name = _name(asked)
        background = "white" if name == "flags" else "black"
    made: Colormap
    if name == "flags":
        made = ListedColormap(_FLAGS, name=name)
    elif name in _OF_MATPLOTLIB:
        made = matplotlib.colormaps[_OF_MATPLOTLIB[name]].copy()
        made.name = name
    else:
        made = ListedColormap(rgb(name) / 255.0, name=name)
    return made.with_extremes(bad=background)


def rgb(which: str | float) -> Bytes:
    """
    Return one of our own colour tables as bytes, as IDL has them; needs no matplotlib.

    Parameters
    ----------
    which : str or number
        ``aia171`` or 171 and so on, ``gray``, ``hmimag``, ``continuum``, ``velocity``.

    Returns
    -------
    ndarray
        uint8, (256, 3): red, green, blue.

    Raises
    ------
    JsocError
        If there is no such table.

    Examples
    --------
    >>> from jsoclite.fits.colors import rgb
    >>> rgb(304)[128].tolist()
    [185, 15, 0]
    """
    import numpy as np

    name = _name(which)
    if name.startswith("aia"):
        curves = _aia_curves()
        return np.stack([curves[letter] for letter in _AIA[int(name[3:])]], axis=1)
    if name not in _POINTS:
        raise JsocError(f"{which!r} is made by matplotlib; take jsoclite.colormap({which!r})")
    places, *colours = zip(*_POINTS[name], strict=True)
    levels = np.linspace(0, 1, 256)
    return np.stack([np.rint(np.interp(levels, places, colour)) for colour in colours], axis=1).astype(np.uint8)


def _name(which: str | float) -> str:
    """Return the name of a table, whatever way it was asked for."""
    text = str(which).lower().replace(" ", "")
    match = re.fullmatch(r"(?:sdo)?(?:aia[._]?)?(\d+)(?:\.0*)?", text)
    name = f"aia{int(match[1])}" if match else text
    known = (*(f"aia{one}" for one in AIA_CHANNELS), *_POINTS, *_OF_MATPLOTLIB, "flags")
    if name not in known:
        raise JsocError(f"there is no colour table {which!r}; there are {', '.join(known)}")
    return name


@functools.cache
def _aia_curves() -> dict[str, Bytes]:
    """Return the curves that `aia_lct.pro` builds its tables of, in single precision and cut to bytes as IDL does."""
    import numpy as np

    level = np.arange(256, dtype=np.float32)
    root = (np.sqrt(level) * np.sqrt(np.float32(255))).astype(np.uint8)
    square = (level**2 / np.float32(255)).astype(np.uint8)
    mixed = root + square / np.float32(2)
    # IDL's table 3, "red temperature": red is full at 176 steps, green begins at 120, blue at 190
    red, green, blue = (
        np.clip((np.arange(256) - start) * 255 // (end - start), 0, 255).astype(np.uint8)
        for start, end in ((0, 176), (120, 255), (190, 255))
    )
    return {
        "r": red,
        "g": green,
        "b": blue,
        "h": blue // 2,
        "c": level.astype(np.uint8),
        "1": root,
        "2": square,
        "3": (mixed * np.float32(255) / mixed.max()).astype(np.uint8),
    }
