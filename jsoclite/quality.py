"""
What the bits of QUALITY mean, in words, and which of them spoil an image.

Three families of series have tables of their own: HMI's observables (level 1.5 and what is made of it: ``hmi.M_*``,
``V_*``, ``Ic_*``, ``Ld_*``, ``Lw_*``, ``S_*``, ``B_*``, ``ME_*``, SHARPs, with ``_nrt``, ``_dcon``, ``_dconS``), the
filtergrams of level 1 (``aia.lev1*``, ``hmi.lev1*``), and MDI. The first two have more words of the kind: QUALLEV0,
QUALLEV1 (filtergrams that an observable was made of) and QUAL_S (the Stokes images behind a vector or SHARP record).

Levels of `good`
----------------
"image"
    Bit 31 is clear: there is an image. JSOC leaves other records out of every export.
"usable"
    There is an image, and nothing that spoils it; what only makes it or its keywords a little less exact is let pass. A
    bit that no table knows counts against it, because nobody can say what it does.

    HMI observables let pass: fewer points to interpolate in time (0x10000), keywords of a neighbour (0x8000), default
    temperatures (0x2000), filtergrams that were not gap-filled (0x1000), records left out for their limb fit (0x800),
    missing cosmic-ray lists (0x400), larger noise (0x100): the image is whole. The first and the sixth come together
    every day at 06:00, 06:12, 18:00 and 18:12 TAI. Not so: open image stabilisation (smeared, and differences of
    smeared images are no field), eclipse (a part of the Sun is gone), code errors (will be made anew), and 0x20, by
    which HMI's team itself says: use with care.

    Level 1 lets pass: missing orbit, ancillary or pointing data and limb fit (0x2 to 0x10: coordinates are less exact,
    pixels are not), missing pixels up to 1 % (0x100), and near real time (0x40000000).

    QUALLEV0 lets pass: missing pixels up to 1 % (0x100), and that the image was opened again (0x40000000).

    MDI lets pass: missing pixels up to 1 % (0x4), not being of the prime 60 (0x200), cosmic rays (0x400).
"clean"
    No bit at all.
a mask
    An image, and none of these bits: 0x600.

Sources: QUALITY.txt of HMI (2013-05-24), quallev1.h and quallev0.h (proj/lev0/apps), DATASWtable.html of MDI. SHARPs
have QUALITY from the line-of-sight magnetogram and QUAL_S from the Stokes images.

Examples
--------
>>> jsoclite.quality.explain("hmi.sharp_cea_720s", 0x00010400)
['0x00010000: fewer points to interpolate than wanted, or a gap longer than the cadence',
 '0x00000400: cosmic-ray lists are missing']
>>> jsoclite.quality.explain("hmi.M_720s", 0x80000200)          # the same bit without an image
['0x80000000: no image was made, the record is empty',
 '0x00000200: keywords of the polynomial coefficients could not be read']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .errors import ArgumentError, UnknownName

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO_IMAGE", "explain", "flags", "good"]

#: Bit 31: there is no image (jsoc_fetch.c adds drms.image_exists(quality), which tests it).
NO_IMAGE: Final = 0x80000000
_ALL: Final = 0xFFFFFFFF

Bits = dict[int, str]


class _Family(NamedTuple):
    """A table: `none` holds where bit 31 is set, in place of `bits`; of these, `harmless` let an image be usable."""

    name: str
    bits: Bits
    harmless: int
    none: Bits | None = None


def _table(text: str) -> Bits:
    """Read lines of a mask and its meaning."""
    lines = (line.strip().split(None, 1) for line in text.strip().splitlines())
    return {int(mask, 16): meaning for mask, meaning in lines}


_MADE = _table("""
    0x00010000 fewer points to interpolate than wanted, or a gap longer than the cadence
    0x00008000 some keywords are of the nearest neighbour, not interpolated
    0x00004000 image stabilisation was open for some filtergrams
    0x00002000 temperatures are unknown: polarisation with a default
    0x00001000 not all filtergrams are gap-filled
    0x00000800 records were left out for their limb fit (radius or centre off)
    0x00000400 cosmic-ray lists are missing
    0x00000200 eclipse in at least one filtergram
    0x00000100 larger noise (HFTSACID above 4000)
    0x00000080 an error in the code was found, waits for reprocessing
    0x00000020 poor (eclipse, lunar transit, thermal recovery, open loop or other): use with care
""")
_BEGUN = _table("""
    0x40000000 no target filtergram near the time
    0x20000000 keywords could not be interpolated
    0x10000000 framelist unknown, or no sequence of observables
    0x08000000 the cadence differs from the one expected
""")
_LINE_OF_SIGHT = _BEGUN | _table("""
    0x80000000 no image was made, the record is empty
    0x04000000 the target filtergram is not of this framelist
    0x02000000 too few lev1d filtergrams
    0x01000000 keywords of lev1d could not be read
    0x00800000 wrong number of wavelengths
    0x00400000 keywords of lev1p could not be read
    0x00200000 no record of the look-up table
    0x00100000 keywords of the look-up table could not be read
    0x00080000 too few points to interpolate in time
    0x00040000 interpolation in time failed
    0x00020000 too few lev1p records
    0x00000200 keywords of the polynomial coefficients could not be read
    0x00000080 no record of the polynomial coefficients
""")
_VECTOR = _BEGUN | _table("""
    0x80000000 not all images were made
    0x04000000 the size of the framelist differs
    0x02000000 the number of polarisations differs
    0x01000000 the framelist gives no I, Q, U, V
    0x00800000 the target filtergram is not of this framelist
    0x00400000 filtergrams are misplaced in the framelist
    0x00200000 wrong number of wavelengths
    0x00100000 no record of the look-up table
    0x00080000 keywords of the look-up table could not be read
    0x00040000 too few points to interpolate in time
    0x00020000 interpolation in time failed
""")
_MISSING = {0x100: "pixels are missing"} | {
    mask: f"more than {part} % of the pixels are missing" for mask, part in ((0x200, 1), (0x400, 5), (0x800, 25))
}
_LEVEL_1 = _MISSING | _table("""
    0x00000001 no flat field
    0x00000002 no orbit data
    0x00000004 no ancillary data
    0x00000008 no master pointing
    0x00000010 error of the limb fit
    0x00000020 anomaly of the instrument, entered by hand
    0x00000040 misconfiguration, known from level 0
    0x00000080 anomaly of the camera, entered by hand
    0x00001000 the spacecraft was not in science mode
    0x00002000 eclipse
    0x00004000 the Sun was not in view
    0x00008000 safe mode
    0x00010000 dark image
    0x00020000 image stabilisation was open
    0x00040000 calibration image
    0x00080000 HMI's calibration mode
    0x00100000 AIA's focus was out of range
    0x00200000 AIA's register flag
    0x00400000 HMI's thermal recovery
    0x00800000 lunar transit (HMI)
    0x01000000 hard shadow in AIA's field of view
    0x02000000 the Earth's atmosphere absorbs EUV
    0x40000000 near real time
    0x80000000 no image
""")
_LEVEL_0 = _MISSING | _table("""
    0x00000001 overflow
    0x00000002 error in the header
    0x00000004 error of the compression
    0x00000008 error of the last pixel
    0x00000010 the image status packet is missing
    0x00000020 the image is missing
    0x00000040 the image is corrupt
    0x00000080 bad time
    0x00001000 misconfiguration
    0x00002000 anomaly of the instrument
    0x00008000 anomaly of the camera
    0x00020000 image stabilisation was open
    0x40000000 the image was opened again
    0x80000000 all data are missing
""")
_ENCODERS = {0x10000: "error of the sequencer"} | {
    1 << bit: f"{motor} is not where it was sent"
    for bit, motor in enumerate(
        [
            *(f"focus and calibration wheel {number}" for number in (1, 2)),
            *(f"polarisation motor {number}" for number in (1, 2, 3)),
            *(f"wavelength motor {number}" for number in (1, 2, 3, 4)),
        ],
        18,
    )
}
_FILTERS = {
    1 << bit: f"the filter wheel was not set for {channel} Å"
    for bit, channel in enumerate((94, 131, 171, 193, 211, 304, 335, 1600, 1700, 4500), 18)
}
_SOHO = {
    mask: f"more than {part} % of the image is missing"
    for mask, part in ((0x4, 0), (0x8, 1), (0x10, 10), (0x20, 50), (0x40, 90))
} | _table("""
    0x00000001 a problem of telemetry
    0x00000002 T_OBS is missing
    0x00000080 error of the processing on board
    0x00000100 anomaly of the pointing
    0x00000200 not of the prime 60
    0x00000400 cosmic rays
    0x00000800 unlikely statistics
    0x80000000 the list of problems applies, and JSOC takes it that there is no image
""")

_HARMLESS = 0x1BD00
_FULL_DISK = _Family("HMI's line-of-sight observables", _MADE, _HARMLESS, _LINE_OF_SIGHT)
_STOKES = _Family("HMI's Stokes and vector data", _MADE, _HARMLESS, _VECTOR)
_FILTERGRAMS = _Family("filtergrams of level 1", _LEVEL_1, 0x4000011E)
_FAMILIES = (
    ("QUALITY", r"hmi\w*\.(?:(?:m|v|ic|ic_nolimbdark|ld|lw)_\d+s|sharp|mharp)(?:_\w+)?", _FULL_DISK),
    ("QUALITY", r"hmi\w*\.(?:(?:s|b|me)_\d+s|bharp|meharp)(?:_\w+)?", _STOKES),
    ("QUAL_S", r"hmi\w*\..+", _STOKES),
    ("QUALITY", r"(?:aia|hmi)\w*\.lev1(?:_\w+)?", _FILTERGRAMS),
    ("QUALLEV1", r"hmi\w*\..+", _FILTERGRAMS),
    ("QUALLEV0", r"hmi\w*\..+", _Family("HMI's level 0", _LEVEL_0 | _ENCODERS, 0x40000100)),
    ("QUALLEV0", r"aia\w*\..+", _Family("AIA's level 0", _LEVEL_0 | _FILTERS, 0x40000100)),
    ("QUALITY", r"mdi\.fd_m_96m_lev182", _Family("MDI", _SOHO | {NO_IMAGE: "no image"}, 0x604)),
    ("QUALITY", r"mdi\.\w+", _Family("MDI", _SOHO, 0x604)),
)


def _family(series: str, keyword: str) -> _Family:
    name = series.partition("[")[0].partition("{")[0].strip()
    for key, pattern, family in _FAMILIES:
        if key == keyword.upper() and re.fullmatch(pattern, name, re.IGNORECASE):
            return family
    raise UnknownName(
        f"the bits of {keyword} are not known for {name}: they are for HMI's observables and SHARPs, level 1 of AIA "
        "and HMI, and MDI. The levels 'image', 'clean' and a mask need no table",
        record_set=name,
    )


def _number(value: Any) -> int | None:
    """Return a value as an unsigned number; None where it is missing."""
    if value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and value != value):
        return None
    try:
        number = int(value, 0) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        number = 1 << 64
    if isinstance(value, bool) or not -(1 << 31) <= number <= _ALL or (not isinstance(value, str) and number != value):
        raise ArgumentError(f"{value!r} is no value of QUALITY: that is a number of 32 bits, such as 0x00010400")
    return number & _ALL


def explain(series: str, value: Any, *, keyword: str = "QUALITY") -> list[str]:
    """
    Say what the bits of a value mean.

    Parameters
    ----------
    series : str
        Name of the series, or the name of a record.
    value : int or str
        QUALITY, signed or unsigned, or as the server writes it: "0x00010400".
    keyword : {"QUALITY", "QUALLEV0", "QUALLEV1", "QUAL_S"}
        Which word it is.

    Returns
    -------
    list of str
        A text a bit, the highest first; bits that no table knows by their number. Empty where no bit is set.

    Raises
    ------
    UnknownName
        For a series or keyword whose bits are not known.
    ValueError
        For what is no value of QUALITY.

    Examples
    --------
    >>> jsoclite.quality.explain("aia.lev1_euv_12s", "0x40000004")
    ['0x40000000: near real time', '0x00000004: no ancillary data']
    """
    family = _family(series, keyword)
    number = _number(value)
    if number is None:
        return [f"{keyword} is missing"]
    bits = family.none if family.none and number & NO_IMAGE else family.bits
    found = (1 << bit for bit in range(31, -1, -1) if number >> bit & 1)
    return [f"{mask:#010x}: {bits.get(mask) or f'bit {mask.bit_length() - 1}, in no table of JSOC'}" for mask in found]


def flags(series: str, *, keyword: str = "QUALITY") -> pd.DataFrame:
    """
    List the bits that are known of a series.

    Parameters
    ----------
    series : str
        Name of the series.
    keyword : {"QUALITY", "QUALLEV0", "QUALLEV1", "QUAL_S"}
        Which word.

    Returns
    -------
    pandas.DataFrame
        A row a bit, the highest first, for HMI's observables twice where the meaning depends on bit 31. Index ``mask``
        (int); columns ``hex``, ``holds`` ("always", or "no image" and "image", by bit 31), ``meaning`` and ``usable``
        (bool: whether an image with this bit alone is usable).

    Raises
    ------
    UnknownName
        For a series or keyword whose bits are not known.

    Examples
    --------
    >>> bits = jsoclite.quality.flags("hmi.M_720s")
    >>> bits[bits.usable].hex.tolist()
    ['0x00010000', '0x00008000', '0x00002000', '0x00001000', '0x00000800', '0x00000400', '0x00000100']
    """
    import pandas as pd

    family = _family(series, keyword)
    parts = [("always", family.bits)] if family.none is None else [("no image", family.none), ("image", family.bits)]
    rows = [
        (mask, f"{mask:#010x}", holds, bits[mask], holds != "no image" and not mask & ~family.harmless)
        for holds, bits in parts
        for mask in sorted(bits, reverse=True)
    ]
    return pd.DataFrame(rows, columns=["mask", "hex", "holds", "meaning", "usable"]).set_index("mask")


def good(series: str, values: pd.Series, level: str | int = "image", *, keyword: str = "QUALITY") -> pd.Series:
    """
    Tell which values stand for good images.

    Parameters
    ----------
    series : str
        Name of the series.
    values : pandas.Series
        QUALITY of some records.
    level : {"image", "usable", "clean"} or int
        What is asked of them, see the top of `jsoclite.quality`; an int is a mask of bits that must not be set.
    keyword : {"QUALITY", "QUALLEV0", "QUALLEV1", "QUAL_S"}
        Which word it is.

    Returns
    -------
    pandas.Series
        dtype bool, False also where the value is missing.

    Raises
    ------
    ValueError
        For a level that there is not.
    UnknownName
        For "usable" of a series whose bits are not known.

    Examples
    --------
    >>> values = pd.Series([0, 0x10400, 0x200, 0x80000000])
    >>> [jsoclite.quality.good("hmi.M_720s", values, level).tolist() for level in ("image", "usable", "clean")]
    [[True, True, True, False], [True, True, False, False], [True, False, False, False]]
    """
    mask = {"image": 0, "clean": _ALL}.get(str(level))
    if level == "usable":
        mask = ~_family(series, keyword).harmless & _ALL
    elif mask is None:
        mask = _number(level) if str(level)[:1] in tuple("0123456789") else None
    if mask is None:
        raise ArgumentError(
            f"{level!r} is no level of quality: write 'image', 'usable', 'clean', or a mask such as 0x600"
        )
    bad = (values.astype("Int64") & (mask | NO_IMAGE)) != 0
    return (~bad).fillna(False).astype(bool)
