"""
The as-is FITS files that SUMS would keep of computed records.

As-is files have next to no header: the keywords are in the database, and an export adds them. Images of HMI, AIA and
MDI are Rice-compressed integers with a scale; SHARP bitmaps and charts are plain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..catalog import Segment
from ..mission import Rows, noise
from .hmi import harp_array, hmi_array
from .other import aia_array, chart_array, iris_array, mdi_array, table_array, zones_array
from .surface import FloatArray

# FITS has no signed bytes; the archive keeps them in 16 bits
_INTEGERS: Final[Mapping[str, type[np.signedinteger[Any]]]] = {"char": np.int16, "short": np.int16, "int": np.int32}

_KINDS: Final[Mapping[str, Callable[[Rows, Segment], FloatArray]]] = {
    "hmi": hmi_array,
    "harp": harp_array,
    "aia_lev1": aia_array,
    "mdi": mdi_array,
    "iris": iris_array,
    "synoptic": chart_array,
    "daily": chart_array,
    "meanpf": zones_array,
    "table": table_array,
}


def segment_array(rows: Rows, segment: Segment) -> FloatArray:
    """
    Physical values of one segment of one record.

    Parameters
    ----------
    rows : Rows
        An existing record.
    segment : Segment
        A segment of the series' own, with the protocol ``fits``.

    Returns
    -------
    ndarray
        Shape (rows, columns), unit of the segment, NaN where there is nothing.
    """
    return _KINDS[rows.spec.kind](rows, segment)


def segment_file(rows: Rows, segment: Segment) -> bytes:
    """
    The file of one segment of one record, as SUMS keeps it.

    Returns
    -------
    bytes
        FITS for the protocol ``fits``, text for ``generic``; the same bytes whenever it is asked for.
    """
    if segment.protocol != "fits":
        return _text_file(rows, segment)
    values = segment_array(rows, segment)
    if segment.type not in _INTEGERS:
        return _fits_file(values.astype(">f8" if segment.type == "double" else ">f4"), {})
    kind, options = _INTEGERS[segment.type], rows.spec.segments[segment.name.lower()]
    scale = float(options.get("bscale", 1))
    limits = np.iinfo(kind)
    scaled = np.rint(np.where(np.isnan(values), 0, values) / scale)
    stored = np.where(np.isnan(values), limits.min, np.clip(scaled, limits.min + 1, limits.max)).astype(kind)
    cards: dict[str, Any] = {"BLANK": int(limits.min)}
    if segment.type != "char":
        cards |= {"BZERO": 0.0, "BSCALE": scale}
    return _fits_file(stored, cards, packed=not options.get("plain"))


def _fits_file(stored: npt.NDArray[Any], cards: Mapping[str, Any], *, packed: bool = False) -> bytes:
    from astropy.io import fits

    if packed:
        # tiles of 16 rows rather than of one: astropy takes its time over each
        tile = (min(16, stored.shape[0]), stored.shape[1])
        hdus = [fits.PrimaryHDU(), fits.CompImageHDU(stored, compression_type="RICE_1", tile_shape=tile)]
    else:
        hdus = [fits.PrimaryHDU(stored)]
    hdus[-1].header.update(cards)
    out = BytesIO()
    fits.HDUList(hdus).writeto(out, output_verify="ignore")
    return out.getvalue()


def _text_file(rows: Rows, segment: Segment) -> bytes:
    """Generic segments: tables of numbers, deterministic like everything else."""
    lines = [f"# {rows.spec.name} {segment.name}: {segment.description}"]
    for row in range(60):
        keys = int(rows.recnum[0]) * 4096 + row * 4 + np.arange(4)
        numbers = noise.uniform(keys, segment.name)
        lines.append(f"{row:4d} " + " ".join(f"{440 + 20 * number - 0.1 * row:12.5f}" for number in numbers))
    return ("\n".join(lines) + "\n").encode("ascii")
