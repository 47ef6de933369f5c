"""
One column of a reply: cells as bytes → a typed array, without a Python object per cell where their form allows.

What is no ordinary cell goes through `jsoclite.columns`, which has the last word on what a cell means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..series import Kind
from .cells import Cells
from .columns import (
    BROKEN_KEYWORD,
    Converted,
    Scale,
    convert_integers,
    convert_reals,
    convert_strings,
    convert_times,
    integers,
)
from .digits import Places, read_integers, read_reals, words_at

# Columns with at most so many distinct strings are made of these.
_FEW_STRINGS = 256
_FIRST_BYTES = np.array([256**n - 1 for n in range(9)], dtype=np.uint64)


def _fast_integers(cells: Cells, unsigned: bool) -> Converted:
    """`convert_integers` from the bytes of a reply."""
    starts, ends = cells.bounds()
    found = read_integers(cells.text, starts, ends)
    few = _few(found.other)
    if few is None:
        return convert_integers(cells.tolist(), unsigned=unsigned)
    values, missing = found.values, found.missing
    if unsigned:
        masks = (values < 0) & (values >= -(2**31))
        values[masks] &= 0xFFFFFFFF
    rest = convert_integers(cells.some(starts[few], ends[few]), unsigned=unsigned)
    values[few], missing[few] = rest.values.to_numpy(dtype=np.int64, na_value=0), rest.values.isna()
    values[missing] = 0
    return Converted(integers(values, missing), rest.broken, rest.strange)


def _fast_reals(cells: Cells) -> Converted:
    """`convert_reals` from the bytes of a reply."""
    starts, ends = cells.bounds()
    found = read_reals(cells.text, starts, ends)
    few = _few(found.other)
    if few is None:
        raw = cells.raw.replace(b'"MISSING"', b'"nan"')
        if b"_" not in raw:
            try:  # %g and %e formats; float() takes what as_real() takes
                return Converted(np.array(list(map(float, raw[1:-1].split(b'","')))))
            except ValueError:
                pass
        return convert_reals(cells.tolist())
    rest = convert_reals(cells.some(starts[few], ends[few]))
    found.values[found.missing] = np.nan
    found.values[few] = rest.values
    return Converted(found.values, rest.broken, rest.strange)


def _few(other: np.ndarray[Any, np.dtype[np.bool_]]) -> Places | None:
    """Find the cells that need a closer look, None if it is better to look at all."""
    places = np.flatnonzero(other)
    return places if len(places) <= len(other) // 16 else None


def _fast_strings(cells: Cells) -> Converted:
    """`convert_strings` from the bytes of a reply: most columns hold one string, or a few short ones."""
    constant = cells.constant()
    if constant is not None:
        one = convert_strings([constant])
        return Converted(one.values.repeat(len(cells)), one.broken * len(cells))
    starts, ends = cells.bounds()
    if int((ends - starts).max()) > 16:
        return convert_strings(cells.tolist())
    places, codes = _distinct(cells, starts, ends)
    if len(places) > _FEW_STRINGS:
        return convert_strings(cells.tolist())
    texts = cells.some(starts[places], ends[places])
    broken = np.bincount(codes)[[text == BROKEN_KEYWORD for text in texts]].sum()
    return Converted(convert_strings(texts).values.take(codes), int(broken))


def _distinct(cells: Cells, starts: Places, ends: Places) -> tuple[Places, Places]:
    """
    Find the distinct cells of at most 16 bytes.

    Returns
    -------
    places, codes : ndarray of int64
        Index of one cell of each kind, and for each cell the index of its kind in `places`.
    """
    lengths = ends - starts
    head = words_at(cells.text, starts)
    head &= _FIRST_BYTES[np.minimum(lengths, 8)]
    tail = np.where(lengths > 8, words_at(cells.text, ends - 8), 0)
    # Whatever this mixes, cells that fall together are told apart below.
    codes, kinds = pd.factorize(
        head * np.uint64(0x9E3779B97F4A7C15) + tail * np.uint64(0xC2B2AE3D27D4EB4F) + lengths.view(np.uint64)
    )
    codes = codes.astype(np.int64)
    places = np.zeros(len(kinds), dtype=np.int64)
    places[codes] = np.arange(len(codes))
    one = places[codes]
    if bool(((head != head[one]) | (tail != tail[one]) | (lengths != lengths[one])).any()):
        return np.arange(len(codes)), np.arange(len(codes))
    return places, codes


def convert(cells: Sequence[Any], kind: Kind, *, unsigned: bool = False, times: Scale | None = None) -> Converted:
    """
    Convert the cells of one keyword.

    Parameters
    ----------
    cells : sequence
        Cells of the reply: strings, or JSON numbers.
    kind : Kind
        What the series definition says.
    unsigned : bool
        See `convert_integers`.
    times : {None, "utc", "tai"}
        Scale for time keywords; None keeps their text.
    """
    if kind is Kind.TIME and times is not None:
        return convert_times(cells, times)
    if isinstance(cells, Cells) and cells.quoted:
        if kind is Kind.INTEGER:
            return _fast_integers(cells, unsigned)
        return _fast_reals(cells) if kind is Kind.REAL else _fast_strings(cells)
    if kind is Kind.INTEGER:
        return convert_integers(cells, unsigned=unsigned)
    return convert_reals(cells) if kind is Kind.REAL else convert_strings(cells)
