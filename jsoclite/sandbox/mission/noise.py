"""
Numbers that look random and never change: integer hashing (splitmix64) instead of a generator with a state.

What a record holds depends on nothing but its place in the series, so that one record alone and the same record among
a million others are equal, on any machine and with any numpy.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
UInt64Array: TypeAlias = npt.NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX2: Final = np.uint64(0x94D049BB133111EB)
_MASK64: Final = (1 << 64) - 1


@cache
def salt(text: str) -> int:
    """A number for a name (FNV-1a), to give each quantity its own sequence."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK64
    return value


def hashed(values: npt.ArrayLike, purpose: str) -> UInt64Array:
    """64 mixed bits for each integer in `values` (splitmix64), different for each `purpose`."""
    with np.errstate(over="ignore"):
        x = np.asarray(values, dtype=np.int64).astype(np.uint64) * _GOLDEN + np.uint64(salt(purpose))
        x = (x ^ (x >> np.uint64(30))) * _MIX1
        x = (x ^ (x >> np.uint64(27))) * _MIX2
        return np.asarray(x ^ (x >> np.uint64(31)))


def uniform(values: npt.ArrayLike, purpose: str) -> FloatArray:
    """Uniform in [0, 1), one number an integer."""
    return np.asarray((hashed(values, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def normal(values: npt.ArrayLike, purpose: str) -> FloatArray:
    """Nearly Gaussian with unit variance: the sum of four 16-bit parts of one hash (never beyond 3.5 sigma)."""
    bits = hashed(values, purpose)
    parts = (((bits >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64) for shift in (0, 16, 32, 48))
    total = sum(parts, np.zeros(bits.shape))
    return np.asarray((total / 65536.0 - 2.0 + 2.0 / 65536.0) * np.sqrt(3.0))


def smooth(times: npt.ArrayLike, scale: float, purpose: str) -> FloatArray:
    """Noise between -1 and 1 that wanders over `scale` seconds: hashed knots joined by smooth steps."""
    place = np.asarray(times, dtype=np.float64) / scale
    knot = np.floor(place).astype(np.int64)
    x = place - knot
    left = uniform(knot, purpose)
    right = uniform(knot + 1, purpose)
    return np.asarray(2 * (left + (right - left) * x * x * (3 - 2 * x)) - 1)


@cache
def _gaussian(rows: int, columns: int, width: float) -> FloatArray:
    """Gaussian in Fourier space."""
    vertical = np.fft.fftfreq(rows)[:, None] * 2 * np.pi * width
    horizontal = np.fft.rfftfreq(columns)[None, :] * 2 * np.pi * width
    return np.asarray(np.exp(-(vertical**2 + horizontal**2) / 2))


def blurred(image: FloatArray, width: float) -> FloatArray:
    """An image blurred by a Gaussian of `width` pixels, periodic at all edges."""
    return np.asarray(np.fft.irfft2(np.fft.rfft2(image) * _gaussian(*image.shape, width), s=image.shape))


def texture(purpose: str, rows: int, columns: int, width: float) -> FloatArray:
    """
    A random field with zero mean and unit variance, periodic at all edges.

    Parameters
    ----------
    purpose : str
        Chooses the field.
    rows, columns : int
        Shape.
    width : float
        Length of the correlation, pixels (Gaussian).
    """
    count = np.arange(rows * columns)
    field = (uniform(count, purpose) if width > 0 else normal(count, purpose)).reshape(rows, columns)
    if width > 0:
        field = blurred(field, width)
    field -= field.mean()
    return np.asarray(field / field.std(), dtype=np.float64)
