"""
Keywords of a series → names, types, units and comments of FITS cards, by the rules of ``fitsexport.c`` of DRMS.

- The FITS name is the ``[NAME]`` or ``[NAME:TYPE]`` that begins the description, else the upper-cased DRMS name where
  FITS allows it, else its first eight letters and digits (``T_REC_epoch`` → ``TRECEPOC``). A per-segment keyword loses
  its number first.
- The comment is the text of the description up to the first hyphen, and the DRMS name in braces where it changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..errors import JsocError
from . import cards as fitscard

if TYPE_CHECKING:
    from ..series import SeriesInfo

__all__ = ["HeaderKeyword", "header_keywords", "keyword_names"]

_ALIAS = re.compile(r"\[([^\s\]:]+)(?::([^\s\]]*))?\](?: +(.*))?", re.DOTALL)
_CASTS = {"INTEGER": "longlong", "FLOAT": "double", "STRING": "string", "LOGICAL": "logical", "NONE": ""}
_INDEXED = re.compile(r"([A-Za-z]+)[0-9]+")

# reserved.h: names that belong to FITS; those without a rule of their own are never written from keywords
IMAGE = frozenset({"simple", "extend", "bzero", "bscale", "blank", "bitpix", "naxis", "end", "primekeystring"})
COMMENTARY = frozenset({"comment", "history"})
DATES = frozenset({"date", "date__obs"})
# "csyer" is the spelling of reserved.h, so a missing CSYSER stays missing
WCS_DEFAULTS = {"crpix": 0.0, "crval": 0.0, "cdelt": 1.0, "crota": 0.0, "crder": 0.0, "csyer": 0.0}
_RESERVED = IMAGE | COMMENTARY | DATES | WCS_DEFAULTS.keys()

_NO_UNIT = frozenset({"", "none", "na", "n/a"})


@dataclass(frozen=True, slots=True)
class HeaderKeyword:
    """
    One DRMS keyword on its way into a FITS header.

    Attributes
    ----------
    name : str
        Name to ask the server for, with the segment's number where it is a per-segment keyword (``BUNIT_003``).
    fits : str
        FITS name, at most eight characters.
    type : str
        DRMS type, or what the description casts it to: ``char short int longlong float double time string logical``.
    unit : str
        Unit, empty where there is none; for times the zone.
    comment : str
        Short comment, with the DRMS name in braces where it differs from `fits`.
    """

    name: str
    fits: str
    type: str
    unit: str
    comment: str

    @property
    def stem(self) -> str:
        """Lower-case name without a trailing axis number, by which `reserved.h` knows the keyword."""
        match = _INDEXED.fullmatch(self.name[:15])
        return (match[1] if match else self.name).lower()


def _name_status(name: str) -> str:
    """Say whether a name is "legal", "reserved" or "illegal" in a FITS header (`FitsKeyNameValidationStatus`)."""
    if len(name) > 8:
        return "illegal"
    axis = re.fullmatch(r"NAXIS[1-9]\d{0,2}", name.upper())
    if axis or name.lower() in _RESERVED or name.upper() == "RECNUM":
        return "reserved"
    return "legal" if re.fullmatch(r"[A-Z0-9_-]*", name) else "illegal"


def _fits_name(name: str, alias: str | None, per_segment: bool) -> str:
    """Choose the FITS name of a keyword (`fitsexport_getmappedextkeyname`)."""
    for candidate in (alias, name.upper()):
        if candidate and _name_status(candidate) != "illegal":
            return candidate
    stem = name[:-4] if per_segment else name
    short = "".join(char for char in stem if char.isascii() and char.isalnum())[:8].upper()
    return f"_{short}"[:8] if _name_status(short) == "reserved" else short


def _short_comment(text: str, drms_name: str) -> str:
    """Cut a description at its first hyphen; a double one stands for a hyphen in the text (`parse_short_comment`)."""
    full = f"{text} {{{drms_name}}}" if drms_name else text
    shown: list[str] = []
    position = 0
    while position < len(full):
        if full[position] == "-":
            following = full[position + 1 : position + 2]
            if following == "-":
                shown.append("-")
                position += 1
            elif following:
                short = "".join(shown).rstrip()
                braces = f" {{{drms_name}}}" if drms_name else ""
                # the original appends the name only where its buffer, as long as the full comment, has room
                return short + braces if len(short) + len(braces) < len(full) + 1 else short
        else:
            shown.append(full[position])
        position += 1
    return "".join(shown)


_planned: WeakKeyDictionary[SeriesInfo, dict[str | None, tuple[HeaderKeyword, ...]]] = WeakKeyDictionary()


def header_keywords(info: SeriesInfo, segment: str | None = None) -> tuple[HeaderKeyword, ...]:
    """
    List the keywords of a series that go into a FITS header, in their order there.

    Parameters
    ----------
    info : SeriesInfo
        The series, from ``series_struct``.
    segment : str, optional
        Segment whose per-segment keywords are wanted; by default those of no segment.

    Returns
    -------
    tuple of HeaderKeyword
        Without implicit keywords (``T_REC_index``, compression and scaling of the segments) and without the aliases
        that newer servers list beside the keywords they stand for.

    Raises
    ------
    JsocError
        If the series has no such segment.
    """
    plans = _planned.setdefault(info, {})
    if segment not in plans:
        plans[segment] = tuple(_plan(info, segment))
    return plans[segment]


def _plan(info: SeriesInfo, segment: str | None) -> Iterator[HeaderKeyword]:
    """Build the list that `header_keywords` keeps."""
    segments = {name.lower(): number for number, name in enumerate(info.segments.index)}
    if segment is not None and segment.lower() not in segments:
        raise JsocError(
            f"series {info.name!r} has no segment {segment!r}; it has {', '.join(info.segments.index) or 'none'}"
        )
    implicit = {f"{name}_{end}" for name in segments for end in ("bzero", "bscale")}
    implicit |= {f"cparms_sg{number:03d}" for number in range(len(segments))}
    before = ("", "")
    columns = ("type", "recscope", "units", "note")
    table = info.keywords
    for name, kind, scope, units, note in zip(table.index, *(table[column] for column in columns), strict=True):
        text, unit = str(note or ""), str(units or "").strip()
        alias = _ALIAS.match(text)
        is_alias = alias is not None and alias[1] == name and before[1] == text and before[0] != name
        before = (name, text)
        if name.lower() in implicit or scope == "index" or is_alias:
            continue
        per_segment = scope == "segment"
        if per_segment:
            if segment is None:
                continue
            name = f"{name}_{segments[segment.lower()]:03d}"
        cast, fits = "", ""
        if alias is not None:
            cast_name, fits = (alias[2] or "").upper(), alias[1]
            cast = _CASTS.get(cast_name, "")
            # a cast to an unknown type makes JSOC ignore the alias
            fits = "" if cast_name and cast_name not in _CASTS else fits
            text = alias[3] or ""
        fits = _fits_name(name, fits, per_segment)
        renamed = name if fits.lower() != name.lower() and text else ""
        comment = fitscard.ascii_text(_short_comment(text, renamed))[:72]
        plain_unit = "" if unit.lower() in _NO_UNIT else fitscard.ascii_text(unit)
        yield HeaderKeyword(name, fits, cast or str(kind), plain_unit, comment)


def keyword_names(info: SeriesInfo, segment: str | None = None) -> list[str]:
    """
    Name the keywords to ask the server for (with ``M=1``) before `header_cards` is called.

    Parameters
    ----------
    info : SeriesInfo
        The series, from ``series_struct``.
    segment : str, optional
        Segment whose per-segment keywords are to be there; by default those of all segments.

    Returns
    -------
    list of str
        DRMS names, each once, in the order of the header.
    """
    wanted = [segment] if segment is not None else [None, *info.segments.index]
    return list(dict.fromkeys(keyword.name for one in wanted for keyword in header_keywords(info, one)))
