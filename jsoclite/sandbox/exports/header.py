"""
What ``protocol=fits`` writes: the stored image, untouched and still compressed, with the record's keywords as header.

Names, comments and order follow ``fitsexport.c`` of DRMS. The client's own header writer shares no code with this one,
so that the two can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ...times import words
from ..catalog.definition import REALS, Keyword, SeriesDefinition
from ..catalog.printing import fits_name
from .fitsfile import Unit, card, checksum, commentary, read_units, write_units

#: Value of a keyword: None where it is missing.
Value: TypeAlias = int | float | str | None

# names with rules of their own (reserved.h): the image's, never written from keywords, and axes' with FITS defaults
_OF_IMAGE: Final = frozenset("simple extend bzero bscale blank bitpix naxis end".split())  # noqa: SIM905
_DEFAULTS: Final = {"crpix": 0.0, "crval": 0.0, "cdelt": 1.0, "crota": 0.0, "crder": 0.0, "csyer": 0.0}
_ALIAS = re.compile(r"\[\s*([A-Za-z][A-Za-z0-9_-]*)\s*(?::\s*(\w+)\s*)?\]\s*")
_LONG_STRINGS = [
    "LONGSTRN= 'OGIP 1.0'           / The HEASARC Long String Convention may be used.",
    "COMMENT   This FITS file may contain long string keyword values that are",
    "COMMENT   continued over multiple keywords.  The HEASARC convention uses the &",
    "COMMENT   character at the end of each substring which is then continued",
    "COMMENT   on the next keyword which has the name CONTINUE.",
]
# what cfitsio puts into every primary header; a record's COMMENT carries it along
_STANDARD = [
    "COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy",
    "COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H",
]
_PRIMARY = [
    "SIMPLE  =                    T / file does conform to FITS standard",
    "BITPIX  =                    8 / number of bits per data pixel",
    "NAXIS   =                    0 / number of data axes",
    "EXTEND  =                    T / FITS dataset may contain extensions",
    *_STANDARD,
]


@dataclass(frozen=True, slots=True)
class Cards:
    """
    Cards of a keyword.

    The program writes a header into memory, from which ``HEADSUM`` is computed, and copies it card by card into the
    file; on the way floats get seventeen digits and a comment may change.

    Attributes
    ----------
    first : list of str
        As in memory.
    final : list of str
        As in the file.
    """

    first: list[str]
    final: list[str]


def keyword_cards(keyword: Keyword, own: Keyword, value: Value) -> Cards:
    """
    Cards of one keyword.

    Parameters
    ----------
    keyword : Keyword
        As the exported series defines it: name, unit, description.
    own : Keyword
        Where the value comes from: `keyword` itself, or the keyword of a linked series.
    value : int, float, str or None
        Times as TAI seconds since 1977.
    """
    name, stem = fits_name(keyword), keyword.name.lower()
    if re.fullmatch(r"[a-z]+[0-9]+", stem[:15]):
        stem = stem.rstrip("0123456789")
    unit, alias = keyword.unit or own.unit, _ALIAS.match(keyword.description)
    dated = stem in ("date", "date__obs")
    if keyword.implicit or stem in _OF_IMAGE or (dated and (own.type != "time" or unit != "ISO")):
        return Cards([], [])
    if name in ("HISTORY", "COMMENT"):
        if own.type != "string":
            return Cards([], [])
        cards = commentary(name, "".join(str(value or "").splitlines()))
        return Cards(cards, [*_STANDARD, *cards] if name == "COMMENT" else cards)
    if value is None and stem == "date":
        return Cards([], [])
    if stem in _DEFAULTS:
        name = keyword.name.upper()
        if value is None and own.type in REALS:
            value = _DEFAULTS[stem]
    bracket = f"[{unit}] " if unit and unit.lower() not in ("none", "na", "n/a") else ""
    description = keyword.description[alias.end() :] if alias else keyword.description
    words = _words(description)
    if keyword.name.upper() != name.upper() and description:
        words = f"{words} {{{keyword.name}}}"
    if value is None:
        first = f"{bracket}(MISSING) {words}".rstrip()
        # read back, a parenthesis counts as the program's own only where something follows it
        return Cards(card(name, None, first), card(name, None, first if words else f"{first} (MISSING)"))
    shown = _converted(value, own, unit, alias[2] if alias else None)
    comment = (bracket + words).rstrip()
    if own.type == "float" and isinstance(shown, float):
        return Cards(card(name, shown, comment, real="%.9G"), card(name, shown, comment))
    cards = card(name, shown, comment)
    return Cards(cards, cards)


def _words(description: str) -> str:
    """A description up to its first hyphen; two in a row stand for one in the text."""
    found = re.search(r"(?<!-)-(?!-)", description)
    return (description[: found.start()].rstrip() if found else description).replace("--", "-")


def _converted(value: Value, own: Keyword, unit: str, cast: str | None) -> bool | int | float | str | None:
    """A value as it stands in the file."""
    if value is None:
        return None
    shown: int | float | str = value
    if own.type == "time":
        text = words.format_time(float(value), unit, 3)
        shown = text.removesuffix("Z") if unit == "ISO" else text
    elif own.type == "float":
        # the server prints nine digits, all that a float has, and reads them back as a double
        shown = float(f"{float(value):.9g}")
    elif own.type in ("char", "short", "int", "longlong"):
        shown = int(value)
    kind = (cast or "").upper()
    if kind == "STRING":
        return str(shown)
    if isinstance(shown, str) and not _is_number(shown):
        return shown
    if kind == "INTEGER":
        return int(float(shown))
    if kind == "FLOAT":
        return float(shown)
    return float(shown) != 0 if kind == "LOGICAL" else shown


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) is not None


def header(
    definition: SeriesDefinition,
    values: Mapping[str, tuple[Keyword, Value]],
    *,
    segment: str,
    number: int,
    recnum: int,
) -> list[str]:
    """
    The cards of one record and segment.

    Parameters
    ----------
    definition : SeriesDefinition
        Series of the exported record.
    values : mapping of str to (Keyword, value)
        By lower-case keyword name: the keyword that has the value (of a linked series, too) and the value; a keyword
        that is not there could not be followed.
    segment : str
        Name of the segment.
    number : int
        Its number; per-segment keywords of others are left out.
    recnum : int
        Record number.
    """
    found: list[Cards] = []
    for name, keyword in definition.keywords.items():
        if (keyword.per_segment and keyword.segment != number) or name not in values:
            continue
        own, value = values[name]
        found.append(keyword_cards(keyword, own, value))
    closing = [
        card("RECNUM", recnum, "Recnum"),
        card("DRMS_ID", f"{definition.name}:{recnum}:{segment}", "DRMS ID"),
        card("PRIMARYK", ", ".join(key.name for key in definition.primekeys), "DRMS primary key"),
        card("LICENSE", "LICENSE", "CC0 1.0"),
    ]
    found += [Cards(lines, lines) for lines in closing]
    first = [line for one in found for line in one.first]
    headsum = checksum(Unit([*_PRIMARY, *first], b""))
    final: dict[str, list[str]] = {}
    for one in found:  # each name once, the first one counts
        if one.final:
            final.setdefault(one.final[0][:8], one.final)
    written = [line for lines in final.values() for line in lines]
    return [*written, *card("HEADSUM", headsum, "Keyword checksum"), *_LONG_STRINGS]


def write(content: bytes, cards: Iterable[str]) -> bytes:
    """
    Put cards into the header of the first unit that has data.

    Parameters
    ----------
    content : bytes
        The file as stored.
    cards : iterable of str
        From `header`.

    Raises
    ------
    ValueError
        If `content` is not FITS.
    """
    units = read_units(content)
    with_data = next((unit for unit in units if unit.data), units[0])
    units = units[: units.index(with_data) + 1]
    with_data.cards = [*with_data.structural, *cards]
    return write_units(units, checksums=True)
