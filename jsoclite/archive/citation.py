"""
How to cite data: BibTeX for series, instruments and jsoclite, with DOIs where there are some.

The DOIs of the series are those that NASA has registered for them (prefix 10.48322); JSOC itself asks for a line of
credit (its data policy page) and for the papers of the instruments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .. import __version__
from ..recordset import RecordSet
from ..selection import select
from ..series import RecordName, series_of

PREFIX = "10.48322/"
CREDIT = {
    "sdo": "Courtesy of NASA/SDO and the AIA and HMI science teams.",
    "soho": "Courtesy of the SOHO/MDI consortium. SOHO is a project of international cooperation between ESA and NASA.",
}
# hmi.Synoptic_… stand under the names of their files in the register: what they are was read from these names
SERIES_DOI = {
    "hmi.m_45s": "f2z0-rs29",
    "hmi.m_720s": "f9tw-dz15",
    "hmi.ic_45s": "jdkz-xv95",
    "hmi.ic_720s": "ze6r-3m97",
    "hmi.v_45s": "e9dg-yp34",
    "hmi.v_720s": "mn3e-wv09",
    "hmi.b_720s": "qa09-xp16",
    "hmi.ld_45s": "2q9m-hj09",
    "hmi.ld_720s": "mebd-jv40",
    "hmi.lw_45s": "k5gw-7c10",
    "hmi.lw_720s": "v6me-8w52",
    "hmi.sharp_720s": "m86t-bh26",
    "hmi.sharp_720s_nrt": "hsx6-rz81",
    "hmi.sharp_cea_720s": "m97j-0816",
    "hmi.sharp_cea_720s_nrt": "ejj7-n105",
    "hmi.synoptic_ml_720s": "8bnw-ag97",
    "hmi.synoptic_mr_720s": "pbwn-9t13",
    "hmi.synoptic_ml_small_720s": "sjvb-rb76",
    "hmi.synoptic_mr_small_720s": "f3t3-n879",
    "mdi.fd_m_96m_lev182": "22dk-a715",
    "mdi.fd_v": "4x4p-sr85",
}
# by wavelength, in Angstrom; "" for all of them
AIA_DOI = {
    "": "51e0-hf62",
    "94": "3jya-jk44",
    "131": "pbyp-4d90",
    "171": "n41j-hy30",
    "193": "094z-2d40",
    "211": "dpmb-xg29",
    "304": "z1ks-mk18",
    "335": "asmp-nf13",
    "1600": "fwtc-3d78",
    "1700": "4k86-r913",
    "4500": "xze3-9s15",
}

# authors, title, volume and first page in Solar Physics, year, DOI
PAPERS = {
    "Pesnell2012": ("Pesnell, W. D. and Thompson, B. J. and Chamberlin, P. C.",
                    "The Solar Dynamics Observatory (SDO)", "275", "3", "2012", "10.1007/s11207-011-9841-3"),
    "Scherrer2012": ("Scherrer, P. H. and others",
                     "The Helioseismic and Magnetic Imager (HMI) Investigation for the Solar Dynamics Observatory "
                     "(SDO)", "275", "207", "2012", "10.1007/s11207-011-9834-2"),
    "Schou2012": ("Schou, J. and others", "Design and Ground Calibration of the Helioseismic and Magnetic Imager (HMI) "
                  "Instrument on the Solar Dynamics Observatory (SDO)", "275", "229", "2012",
                  "10.1007/s11207-011-9842-2"),
    "Hoeksema2014": ("Hoeksema, J. T. and others", "The Helioseismic and Magnetic Imager (HMI) Vector Magnetic Field "
                     "Pipeline: Overview and Performance", "289", "3483", "2014", "10.1007/s11207-014-0516-8"),
    "Bobra2014": ("Bobra, M. G. and others", "The Helioseismic and Magnetic Imager (HMI) Vector Magnetic Field "
                  "Pipeline: SHARPs -- Space-Weather HMI Active Region Patches", "289", "3549", "2014",
                  "10.1007/s11207-014-0529-3"),
    "Lemen2012": ("Lemen, J. R. and others", "The Atmospheric Imaging Assembly (AIA) on the Solar Dynamics Observatory "
                  "(SDO)", "275", "17", "2012", "10.1007/s11207-011-9776-8"),
    "Scherrer1995": ("Scherrer, P. H. and others", "The Solar Oscillations Investigation -- Michelson Doppler Imager",
                     "162", "129", "1995", "10.1007/BF00733429"),
    "DePontieu2014": ("De Pontieu, B. and others", "The Interface Region Imaging Spectrograph (IRIS)", "289", "2733",
                      "2014", "10.1007/s11207-014-0485-y"),
}  # fmt: skip
_VECTOR = re.compile(r"hmi\.(b_|me_|sharp|cea_|bharp|.*synoptic_b|bptr)", re.I)


def cite(rows: Any) -> str:
    r"""
    Return what a paper cites for these data, as BibTeX, with the credit that JSOC asks for.

    Parameters
    ----------
    rows : DataFrame, str, RecordSet, list of str, Lock or Archive
        Rows of a query, a manifest, a record set, names of records or of series, a lock, an archive; a list of these.

    Returns
    -------
    str
        An entry for each series (for AIA, for each wavelength where the rows say it), the papers of the instruments,
        and jsoclite. Series that have no DOI are named with the address of their description.

    Raises
    ------
    SelectionError
        If rows do not say which records they stand for.

    Examples
    --------
    >>> print(jsoclite.cite("hmi.M_720s[2014.01.01_TAI/1d]"))
    % Courtesy of NASA/SDO and the AIA and HMI science teams.
    @misc{hmi.M_720s,
      title = {{SDO/HMI data series hmi.M\_720s}},
      author = {{Joint Science Operations Center (JSOC)}},
      howpublished = {Stanford University},
      doi = {10.48322/f9tw-dz15}
    }
    ...
    """
    found = _series(rows)
    credits = dict.fromkeys(CREDIT["soho" if _mission(name) == "SOHO/MDI" else "sdo"] for name in found)
    entries = [
        _data(name, wave) for name, waves in found.items() for wave in sorted(waves, key=lambda one: int(one or 0))
    ]
    entries += [_paper(key) for key in dict.fromkeys(key for name in found for key in _papers(name))]
    entries.append(_entry("software", "jsoclite", title="jsoclite: JSOC data for people who live in DataFrames",
                          author="{The jsoclite developers}", version=__version__))  # fmt: skip
    return "\n".join([*(f"% {line}" for line in credits), *entries])


def doi(series: str, wavelength: str = "") -> str | None:
    """Return the DOI of a series, of AIA by wavelength; None where there is none."""
    name = series.lower()
    found = AIA_DOI.get(wavelength, AIA_DOI[""]) if name.startswith("aia.lev1") else SERIES_DOI.get(name)
    return PREFIX + found if found else None


def _series(rows: Any) -> dict[str, set[str]]:
    """Return the series that rows are of, each with the wavelengths of AIA that its records name ("" for unknown)."""
    if hasattr(files := getattr(rows, "files", None), "index") and not isinstance(files, list):
        rows = files  # of an archive, a lock or a plan
    names: Iterable[str]
    if isinstance(rows, str | RecordSet):
        names = map(str, RecordSet.parse(str(rows)))
    elif isinstance(rows, list | tuple) and any(not isinstance(one, str) or "[" not in one for one in rows):
        return _joined(_series(one) for one in rows)
    else:
        names = (name for chosen in select(rows) for name in chosen.names)
    return _joined({series_of(name): _wavelengths(name)} for name in names)


def _wavelengths(name: str) -> set[str]:
    """Return the wavelengths in the name of a record of AIA, or of a set."""
    values = RecordName.parse(name).bare
    aia = series_of(name).lower().startswith("aia.lev1") and len(values) > 1
    return {one for one in values[1].split(",") if one in AIA_DOI} if aia else set()


def _joined(parts: Iterable[dict[str, set[str]]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for part in parts:
        for series, waves in part.items():
            found.setdefault(series, set()).update(waves - {""})
    return {series: waves or {""} for series, waves in found.items()}


def _mission(series: str) -> str:
    head = series.partition(".")[0].lower().removesuffix("_test").removeprefix("su_")
    return {"hmi": "SDO/HMI", "aia": "SDO/AIA", "mdi": "SOHO/MDI", "iris": "IRIS"}.get(head, "JSOC")


def _papers(series: str) -> list[str]:
    papers = {
        "SDO/HMI": ["Pesnell2012", "Scherrer2012", "Schou2012"],
        "SDO/AIA": ["Pesnell2012", "Lemen2012"],
        "SOHO/MDI": ["Scherrer1995"],
        "IRIS": ["DePontieu2014"],
    }.get(_mission(series), [])
    papers += ["Hoeksema2014"] if _VECTOR.match(series) else []
    return papers + (["Bobra2014"] if re.match(r"hmi\.(sharp|cea)_", series, re.I) else [])


def _data(series: str, wavelength: str) -> str:
    known = doi(series, wavelength)
    where = {"doi": known} if known else {"url": f"http://jsoc.stanford.edu/ajax/lookdata.html?ds={series}"}
    of = f", {wavelength} Angstrom" if wavelength else ""
    title = f"{{{_mission(series)} data series {series}{of}}}"
    author = "{Joint Science Operations Center (JSOC)}"
    key = f"{series}.{wavelength}" if wavelength else series
    return _entry("misc", key, title=title, author=author, howpublished="Stanford University", **where)


def _paper(key: str) -> str:
    author, title, volume, page, year, number = PAPERS[key]
    return _entry("article", key, title=f"{{{title}}}", author=author, journal="Solar Physics", volume=volume,
                  pages=page, year=year, doi=number)  # fmt: skip


def _entry(kind: str, key: str, **fields: str) -> str:
    # underscores mean something to TeX where a title is typeset, and nothing in a key, a DOI or a URL
    safe = {name: value.replace("_", r"\_") if name == "title" else value for name, value in fields.items()}
    return f"@{kind}{{{key},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in safe.items()) + "\n}"
