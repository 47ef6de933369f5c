"""Keywords that belong together: those looked at first, and named sets such as the SHARP parameters."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["DEFAULT_KEYWORDS", "KEYWORD_SETS", "expand_sets"]

# the keywords that most people look at first, where a series has them
DEFAULT_KEYWORDS = ("T_OBS", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT", "QUALITY")

#: Sets of keywords by name, for ``keywords="sharp"`` or ``keywords=["T_REC", "sharp"]``.
KEYWORD_SETS: dict[str, tuple[str, ...]] = {
    # the parameters of Bobra et al. (2014), Solar Physics 289, 3549, that flare forecasts use
    "sharp": (
        "USFLUX",
        "MEANGAM",
        "MEANGBT",
        "MEANGBZ",
        "MEANGBH",
        "MEANJZD",
        "TOTUSJZ",
        "MEANALP",
        "MEANJZH",
        "TOTUSJH",
        "ABSNJZH",
        "SAVNCPP",
        "MEANPOT",
        "TOTPOT",
        "MEANSHR",
        "SHRGT45",
        "R_VALUE",
        "AREA_ACR",
    ),
    "wcs": (
        "CTYPE1",
        "CTYPE2",
        "CRPIX1",
        "CRPIX2",
        "CRVAL1",
        "CRVAL2",
        "CDELT1",
        "CDELT2",
        "CUNIT1",
        "CUNIT2",
        "CROTA2",
        "DSUN_OBS",
        "RSUN_OBS",
        "CRLN_OBS",
        "CRLT_OBS",
    ),
    "statistics": ("DATAMIN", "DATAMAX", "DATAMEDN", "DATAMEAN", "DATARMS", "DATASKEW", "DATAKURT", "MISSVALS"),
}


def expand_sets(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Put the keywords of a named set that the series has in the place of its name; a keyword of that name wins."""
    found = []
    for name in names:
        members = KEYWORD_SETS.get(name.lower()) if name not in known else None
        found += [name] if members is None else [one for one in members if one in known and one not in names]
    return found
