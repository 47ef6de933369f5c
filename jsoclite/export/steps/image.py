"""
Processing steps that treat whole images: level 1.5, vector components, resize, rebin; and what all steps share.

Arguments, defaults and ranges are those of the modules that JSOC runs (``jsoc_rebin.c``, ``jsoc_resize.c``,
``aia_lev1p5.c``, ``hmib2ptr.c``) and of its export page (``processing.js``).
"""

from __future__ import annotations

import abc
import re
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

from ...errors import ProcessingError, explained
from .units import flag, in_unit, number, pair, pixels, square_or_pair

# arcsec: the finest pixels of the full-disk instruments (HMI), so that sizes are rather over- than underestimated
PIXEL = 0.5
FULL_DISK = (4096, 4096)

_SERIES = re.compile(r"[A-Za-z]\w*\.\w+")


@dataclass(frozen=True)
class Step(abc.ABC):
    """
    One processing step.

    Attributes
    ----------
    order : int
        Place in the chain: JSOC's page runs steps by rising `order`.
    """

    order: ClassVar[int]

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What JSOC calls the step."""

    @abc.abstractmethod
    def arguments(self) -> dict[str, str]:
        """Arguments as JSOC reads them, in the order in which its page writes them."""

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """
        Estimate by how much the step changes the bytes of an image; JSOC's size limits count with it.

        Parameters
        ----------
        dims : tuple of int
            Pixels of the image that goes in, by default a full disk of 4096 × 4096.

        Returns
        -------
        float
            Bytes of the result ÷ bytes of the input.
        """
        return 1.0

    @property
    def process(self) -> str:
        """The step as the server reads it, e.g. ``rebin,u=1,scale=0.25,method=boxcar``."""
        return ",".join([self.name, *(f"{key}={value}" for key, value in self.arguments().items())])


@explained
@dataclass(frozen=True)
class AIAScale(Step):
    """
    AIA level 1 → level 1.5: 0.6 arcsec per pixel, Sun centre in the middle, north up (``aia_scale_*``).

    Parameters
    ----------
    pointing : str, optional
        Series with the master pointing, e.g. ``aia.master_pointing3h``.
    center : pair, optional
        Centre of a cut-out, in pixels of level 1.5 from Sun centre.
    size : int or pair, optional
        Width and height of the cut-out in pixels, at most 4096.
    series : str, optional
        The series to be exported, from which JSOC's variant of the step follows; `chain` fills it in.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> AIAScale(center=(400, -200), size=512, pointing="aia.master_pointing3h").process
    'aia_scale_aialev1,xc=400,yc=-200,wide=512,high=512,mpt=aia.master_pointing3h'
    """

    _: KW_ONLY
    pointing: str | None = None
    center: Any = None
    size: Any = None
    series: str | None = None

    order: ClassVar[int] = 10

    def __post_init__(self) -> None:
        if self.pointing is not None and not _SERIES.fullmatch(self.pointing):
            raise ProcessingError(f"pointing={self.pointing!r} is no series name, such as aia.master_pointing3h")
        if (self.center is None) != (self.size is None):
            raise ProcessingError("a cut-out needs both center= and size=")
        if self.center is not None:
            center = tuple(in_unit(value, "pix", "center") for value in pair(self.center, "center"))
            size = tuple(pixels(value, "size") for value in square_or_pair(self.size, "size"))
            if any(abs(value) > 4096 for value in center) or any(value > 4096 for value in size):
                raise ProcessingError(f"center={center}, size={size}: a level 1.5 image has 4096 × 4096 pixels")
            object.__setattr__(self, "center", center)
            object.__setattr__(self, "size", size)

    @property
    def name(self) -> str:
        """``aia_scale_orig`` for aia.lev1, ``…_aialev1`` for series made of it, ``…_other`` for the rest."""
        series = (self.series or "aia.lev1_").lower()
        if series == "aia.lev1":
            return "aia_scale_orig"
        return "aia_scale_aialev1" if series.startswith("aia.lev1") else "aia_scale_other"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``aia_lev1p5``."""
        given: dict[str, str] = {}
        if self.center is not None:
            given = dict(zip(("xc", "yc", "wide", "high"), map(number, (*self.center, *self.size)), strict=True))
        return given if self.pointing is None else given | {"mpt": self.pointing}

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """Pixels of the cut-out ÷ 4096², 1 without one."""
        return 1.0 if self.size is None else float(self.size[0] * self.size[1] / 4096**2)


@explained
@dataclass(frozen=True)
class VectorToPtr(Step):
    """
    Field, inclination and azimuth of hmi.B_720s → radial, southward and westward components (``HmiB2ptr``).

    The files are segments of their own: Br, Bt and Bp.

    Parameters
    ----------
    disambiguation : {"radial", "random", "potential"}
        How the azimuth's ambiguity is settled where the field is weak.
    coordinates : bool
        Stonyhurst longitude and latitude of each pixel, in degrees, as two more segments, lon and lat.
    errors : bool
        Errors of the components as three more segments, Br_err, Bt_err and Bp_err.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> VectorToPtr(disambiguation="potential").process
    'HmiB2ptr,l=1,ambweak=0'
    """

    _: KW_ONLY
    disambiguation: Literal["radial", "random", "potential"] = "radial"
    coordinates: bool = True
    errors: bool = False

    order: ClassVar[int] = 20
    _METHODS: ClassVar[dict[str, str]] = {"potential": "0", "random": "1", "radial": "2"}

    def __post_init__(self) -> None:
        if self.disambiguation not in self._METHODS:
            raise ProcessingError(f"disambiguation={self.disambiguation!r}: write 'radial', 'random' or 'potential'")

    @property
    def name(self) -> str:
        """``HmiB2ptr``."""
        return "HmiB2ptr"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``hmib2ptr``."""
        given = {
            "l": "1" if self.coordinates else None,
            "e": "1" if self.errors else None,
            "ambweak": self._METHODS[self.disambiguation] if self.disambiguation != "radial" else None,
        }
        return {key: value for key, value in given.items() if value is not None}


@explained
@dataclass(frozen=True)
class Resize(Step):
    """
    Sun centre onto the middle of the image, north up, and a plate scale of choice (``resize``).

    Parameters
    ----------
    scale_to : float or Quantity, optional
        New plate scale in arcsec per pixel (``0.6 * u.arcsec / u.pix``); by default it stays.
    bicubic : bool
        Bicubic interpolation, or the nearest pixel.
    center : {"sun", "first", "keep"}
        What comes to the middle: the Sun, where it is in the first image, or nothing is moved. With the latter two JSOC
        does not change the scale of the pixels, though the header says so, and CRPIX1 and CRPIX2 are the middle's.
    replicate : bool
        Fill pixels that come in at the edges with their neighbours, or with zeros. The image keeps its size in pixels.
    crop : bool
        Set pixels off the limb to missing.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> import astropy.units as u
    >>> Resize(0.6 * u.arcsec / u.pix).process
    'resize,regrid=1,do_stretchmarks=0,center_to=0,rescale=1,scale_to=0.6'
    """

    scale_to: Any = None
    _: KW_ONLY
    bicubic: bool = True
    center: Literal["sun", "first", "keep"] = "sun"
    replicate: bool = False
    crop: bool = False

    order: ClassVar[int] = 30
    _CENTERS: ClassVar[dict[str, str]] = {"sun": "0", "first": "1", "keep": "2"}

    def __post_init__(self) -> None:
        if self.scale_to is not None:
            object.__setattr__(self, "scale_to", in_unit(self.scale_to, "arcsec / pix", "scale_to", above=0))
        if self.center not in self._CENTERS:
            raise ProcessingError(f"center={self.center!r}: write 'sun', 'first' or 'keep'")

    @property
    def name(self) -> str:
        """``resize``."""
        return "resize"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``jsoc_resize``."""
        given = {
            "regrid": flag(self.bicubic),
            "do_stretchmarks": flag(self.replicate),
            "center_to": self._CENTERS[self.center],
            "rescale": flag(self.scale_to is not None),
            "scale_to": None if self.scale_to is None else number(self.scale_to),
            "c": "1" if self.crop else None,
        }
        return {key: value for key, value in given.items() if value is not None}

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """Old ÷ new plate scale, as JSOC reckons it (``processing.c``), the old one taken as 0.5 arcsec per pixel."""
        return 1.0 if self.scale_to is None else float(PIXEL / self.scale_to)


@explained
@dataclass(frozen=True)
class Rebin(Step):
    """
    Fewer (or more) pixels by a whole factor (``rebin``).

    Parameters
    ----------
    scale : float
        New ÷ old number of pixels along an axis: 1/n or n with a whole n, e.g. 0.25 for 1024 × 1024 from a full disk.
    method : {"boxcar", "gaussian"}
        Mean of the n × n pixels, or a Gaussian smoothing.
    fwhm : float, optional
        Full width at half maximum of the Gaussian, in pixels of the input.
    nvector : int, optional
        Width of the smoothing window in pixels of the input, for "gaussian".
    rotate : bool
        Turn images that stand on their head by 180°.
    crop : bool
        Set pixels off the limb to missing.
    all_segments : bool
        Rebin all segments, not only the first.

    Raises
    ------
    ProcessingError
        For values that cannot work; nothing was sent.

    Examples
    --------
    >>> Rebin(scale=0.25).process
    'rebin,u=1,scale=0.25,method=boxcar'
    """

    scale: float
    _: KW_ONLY
    method: Literal["boxcar", "gaussian"] = "boxcar"
    fwhm: Any = None
    nvector: int | None = None
    rotate: bool = False
    crop: bool = False
    all_segments: bool = False

    order: ClassVar[int] = 60

    def __post_init__(self) -> None:
        scale = in_unit(self.scale, "", "scale", above=0)
        factor = max(scale, 1 / scale)
        if round(factor) < 1 or abs(factor - round(factor)) > 1e-3 * factor:
            raise ProcessingError(
                f"scale={scale:g} is neither n nor 1/n with a whole n, and JSOC would round n; try 1/{round(factor)}"
            )
        object.__setattr__(self, "scale", scale)
        if self.method not in ("boxcar", "gaussian"):
            raise ProcessingError(f"method={self.method!r}: write 'boxcar' or 'gaussian'")
        if self.method == "boxcar" and (self.fwhm is not None or self.nvector is not None):
            raise ProcessingError("fwhm and nvector go with method='gaussian'")
        if self.method == "gaussian":
            if self.fwhm is None:
                raise ProcessingError("method='gaussian' needs fwhm=, in pixels of the input")
            object.__setattr__(self, "fwhm", in_unit(self.fwhm, "pix", "fwhm", above=0))
        if self.nvector is not None:
            object.__setattr__(self, "nvector", pixels(self.nvector, "nvector"))

    @property
    def name(self) -> str:
        """``rebin``."""
        return "rebin"

    def arguments(self) -> dict[str, str]:
        """Arguments of ``jsoc_rebin``."""
        given = {
            "A": "1" if self.all_segments else None,
            "c": "1" if self.crop else None,
            "u": flag(not self.rotate),
            "scale": number(self.scale),
            "method": self.method,
            "FWHM": None if self.fwhm is None else number(self.fwhm),
            "nvector": None if self.nvector is None else str(self.nvector),
        }
        return {key: value for key, value in given.items() if value is not None}

    def size_ratio(self, dims: tuple[int, int] = FULL_DISK) -> float:
        """Square of `scale`."""
        return self.scale**2
