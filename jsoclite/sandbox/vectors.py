"""
``HmiB2ptr``: field strength, inclination and azimuth turned into components on the Sun (``hmib2ptr.c``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from .geometry import FloatArray, View
from .imagefile import Image, ProcessError

#: Segments that the step reads, and those that it makes: westward, southward and outward.
INPUTS: Final = ("field", "inclination", "azimuth", "disambig")
OUTPUTS: Final = ("Bp", "Bt", "Br")


def components(images: Mapping[str, Image], weak: int = 2) -> dict[str, FloatArray]:
    """
    Components of the field.

    Parameters
    ----------
    images : mapping of str to Image
        `INPUTS`, all of one size; strength in Gauss, angles in degrees.
    weak : int
        Which solution to take where the field is weak: 0 potential acute, 1 random, 2 radial acute.

    Returns
    -------
    dict of str to ndarray
        `OUTPUTS`, NaN beyond the limb.

    Raises
    ------
    ProcessError
        If the images do not fit together, or `weak` is none of the three.
    """
    shapes = {images[name].data.shape for name in INPUTS}
    if len(shapes) > 1 or weak not in (0, 1, 2):
        raise ProcessError(f"ambweak={weak} is not 0, 1 or 2, or the segments differ in size")
    field, inclination, azimuth = (images[name].data for name in INPUTS[:3])
    flags = np.nan_to_num(images["disambig"].data).astype(int)
    gamma, psi = np.radians(inclination), np.radians(azimuth + np.where(flags >> weak & 1, 180.0, 0.0))
    # on the detector: to the right, up, and towards the observer
    right, up, towards = (
        -field * np.sin(gamma) * np.sin(psi),
        field * np.sin(gamma) * np.cos(psi),
        field * np.cos(gamma),
    )
    view = View.of(images["field"].header)
    turn = np.radians(view.crota)
    west, north = right * np.cos(turn) - up * np.sin(turn), right * np.sin(turn) + up * np.cos(turn)
    y, x = np.mgrid[1 : field.shape[0] + 1, 1 : field.shape[1] + 1]
    longitude, latitude = (np.radians(angle) for angle in view.heliographic(*view.sky(x, y)))
    tilt = np.radians(view.latitude)
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
    return {"Bp": bp, "Bt": -northward, "Br": br}
