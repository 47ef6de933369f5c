"""
Server-side processing steps as validated values.

Each step is frozen, knows what JSOC calls it and how much smaller it makes an image; `chain` puts steps into the order
in which JSOC's own export page runs them, and `Patch` tells what a `Cutout` copies. A step that cannot work is a
`ProcessingError` before anything is sent: the server says nothing but "status 4", or hands out unprocessed files.

Plain numbers are in the unit that each parameter names; astropy quantities carry their own.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ProcessingError, shown
from .image import FULL_DISK, PIXEL, AIAScale, Rebin, Resize, Step, VectorToPtr
from .named import named
from .patch import Box, Patch
from .region import Cutout, MapProject

__all__ = [
    "AIAScale", "Box", "Cutout", "MapProject", "Patch", "Rebin", "Resize", "Step", "VectorToPtr", "as_steps",
    "chain", "rescaled", "segments_made",
]  # fmt: skip

# series for which JSOC's page says that its processing fails (processing.exclusions.js)
_EXCLUDED = frozenset({"hmi.sharp_720s", "hmi.sharp_720s_nrt", "hmi.cea_720s", "hmi.cea_720s_nrt"})


def as_steps(steps: Any) -> list[Any] | None:
    """
    Return steps as a list, also those of an iterator, which can be gone through only once; `chain` checks them.

    Mappings of their names to arguments, as drms takes them, become steps: ``{"im_patch": {…}}`` a `Cutout`.

    Raises
    ------
    ProcessingError
        For what is no step in a mapping, and arguments that it has not.
    """
    if steps is None:
        return None
    several = isinstance(steps, Iterable) and not isinstance(steps, str | Mapping)
    found: list[Any] = []
    for one in steps if several else [steps]:
        found += [named(str(name), given) for name, given in one.items()] if isinstance(one, Mapping) else [one]
    return found


def chain(
    steps: Step | Iterable[Step], *, series: str | None = None, dims: tuple[int, int] | None = None
) -> tuple[str, float]:
    """
    Write steps as the server reads them.

    Parameters
    ----------
    steps : Step or iterable of Step
        Each kind at most once, in any order: JSOC runs `AIAScale`, `VectorToPtr`, `Resize`, `Cutout`, `MapProject`,
        `Rebin`.
    series : str, optional
        The series to be exported; steps are then checked against it.
    dims : tuple of int, optional
        Pixels of its images, by default a full disk of 4096 × 4096.

    Returns
    -------
    process : str
        The parameter ``process``, e.g. ``n=0|im_patch,t=0,…|rebin,…``; empty without steps.
    size_ratio : float
        Estimate of output ÷ input bytes, for the parameter ``sizeratio``.

    Raises
    ------
    ProcessingError
        For what is no step, the same step twice, and series that JSOC cannot process that way.

    Examples
    --------
    >>> chain([Rebin(0.25)])
    ('n=0|rebin,u=1,scale=0.25,method=boxcar', 0.0625)
    """
    found = [steps] if isinstance(steps, Step) else list(steps) if isinstance(steps, Iterable) else [steps]
    for step in found:
        if not isinstance(step, Step):
            raise ProcessingError(
                f"{shown(step)} is no processing step: write jsoclite.Cutout(…), Rebin(…), Resize(…), MapProject(…), "
                "AIAScale(…) or VectorToPtr(…)"
            )
    if not found:
        return "", 1.0
    ordered = sorted(found, key=lambda step: step.order)
    for first, second in itertools.pairwise(ordered):
        if type(first) is type(second):
            raise ProcessingError(
                f"two steps of the kind {type(first).__name__}: JSOC runs each once; make two exports"
            )
    if series is not None:
        ordered = [_fitted(step, series) for step in ordered]
    if any(isinstance(step, VectorToPtr) for step in ordered):
        # the components come in several segments: JSOC's page sets A=1 for steps that would take only the first
        ordered = [
            dataclasses.replace(step, all_segments=True) if isinstance(step, Cutout | MapProject | Rebin) else step
            for step in ordered
        ]
    ratio = 1.0
    shape = dims or FULL_DISK
    for step in ordered:
        ratio *= step.size_ratio(shape)
        if isinstance(step, MapProject):
            shape = step.cols, step.rows
        elif isinstance(step, Cutout):
            # later steps change this box, not the disk; their own ratios are to it
            shape = _box(step, shape)
    return "|".join(["n=0", *(step.process for step in ordered)]), ratio


def segments_made(process: str) -> tuple[str, ...]:
    """
    Return the segments that steps make in place of the stored ones, empty where these stay.

    Parameters
    ----------
    process : str
        What `chain` writes.

    Examples
    --------
    >>> segments_made("n=0|HmiB2ptr,l=1")
    ('Bp', 'Bt', 'Br', 'lon', 'lat')
    """
    for step in process.split("|"):
        name, *arguments = step.split(",")
        if name == VectorToPtr().name:  # hmib2ptr.c
            errors = ("Bp_err", "Bt_err", "Br_err") if "e=1" in arguments else ()
            return ("Bp", "Bt", "Br", *errors, *(("lon", "lat") if "l=1" in arguments else ()))
    return ()


def rescaled(process: str) -> float:
    """
    Return by how much a `Resize` among steps gives more bytes than JSOC's own count, in which `chain` follows it.

    The count goes with the scale; the program keeps the number of pixels (``jsoc_resize.c``).

    Examples
    --------
    >>> rescaled("n=0|resize,regrid=1,do_stretchmarks=0,center_to=0,rescale=1,scale_to=1")
    2.0
    """
    new = re.search(r"\|resize,[^|]*scale_to=([^,|]+)", process)
    return float(new[1]) / PIXEL if new else 1.0


def _box(step: Cutout, dims: tuple[int, int]) -> tuple[int, int]:
    """Estimate the pixels of a box from its share of the image."""
    width, height = step.size
    area = step.size_ratio(dims) * dims[0] * dims[1]
    columns = max(1, round((area * width / height) ** 0.5))
    return columns, max(1, round(area / columns))


def _fitted(step: Step, series: str) -> Step:
    """Check that a step can be run on a series."""
    name = series.lower()
    if name in _EXCLUDED:
        raise ProcessingError(
            f"JSOC cannot process {series} (its images are cut-outs already): export it without {type(step).__name__}"
        )
    if isinstance(step, VectorToPtr) and name != "hmi.b_720s":
        raise ProcessingError(f"VectorToPtr works on hmi.B_720s only, not on {series}")
    if isinstance(step, AIAScale):
        if not name.startswith("aia.") and "aia" not in name:
            raise ProcessingError(f"AIAScale works on images of AIA, not on {series}")
        return dataclasses.replace(step, series=series)
    return step
