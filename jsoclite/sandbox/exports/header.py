"""
What ``protocol=fits`` writes: the stored image, untouched and still compressed, with the record's keywords as header.

Names, comments and order follow ``fitsexport.c`` of DRMS. The client's own header writer shares no code with this one,
so that the two can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np

from ...times import words
from ..catalog import Keyword, printer, schema
from ..processing import quiet
from .wanted import RecordTable, Value

# what describes the data unit and therefore belongs to the file, not to the record's keywords
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|THEAP|T(?:TYPE|FORM|DIM|ZERO|SCAL|NULL|UNIT)\d+"
    r"|BSCALE|BZERO|BLANK|EXTNAME|Z(?:IMAGE|TABLE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0"
    r"|SIMPLE|EXTEND|BLANK|SCALE|ZERO|TENSION|PCOUNT|GCOUNT)"
)
# names with rules of their own (reserved.h): the image's, never written from keywords, and axes' with FITS defaults
_OF_IMAGE: Final = frozenset("simple extend bzero bscale blank bitpix naxis end".split())  # noqa: SIM905
_DEFAULTS: Final = {"crpix": 0.0, "crval": 0.0, "cdelt": 1.0, "crota": 0.0, "crder": 0.0, "csyer": 0.0}
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_ALIAS = re.compile(r"\[\s*([A-Za-z][A-Za-z0-9_-]*)\s*(?::\s*(\w+)\s*)?\]\s*")
# on long strings; what cfitsio puts into every primary header, which a record's COMMENT carries along; an empty header
_LONG_STRINGS, _STANDARD, _PRIMARY = (schema.data("server")["cards"][what] for what in ("long", "standard", "primary"))
_SUMS: Final = ("CHECKSUM", "DATASUM")
# punctuation that a checksum avoids
_FORBIDDEN = frozenset(b":;<=>?@[\\]^_`")


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
    name, stem = printer.fits_name(keyword), keyword.name.lower()
    if re.fullmatch(r"[a-z]+[0-9]+", stem[:15]):
        stem = stem.rstrip("0123456789")
    unit, alias = keyword.unit or own.unit, _ALIAS.match(keyword.description)
    said = keyword.description if keyword.description.strip() else own.description
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
        if value is None and own.type in schema.REALS:
            value = _DEFAULTS[stem]
    bracket = f"[{unit}] " if unit and unit.lower() not in ("none", "na", "n/a") else ""
    description = said[alias.end() :] if alias else said
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
    if isinstance(shown, str) and not _NUMBER.fullmatch(shown):
        return shown
    if kind == "INTEGER":
        return int(float(shown))
    return float(shown) if kind == "FLOAT" else float(shown) != 0 if kind == "LOGICAL" else shown


def header(records: RecordTable, row: int, segment: str) -> list[str]:
    """The cards of one record and segment; per-segment keywords of others and links that lead nowhere are left out."""
    definition, values, recnum = records.definition, records.values(row), int(records.recnums[row])
    wanted = definition.segments[segment.lower()]
    found: list[Cards] = []
    for name, keyword in definition.keywords.items():
        if name in values and not (keyword.per_segment and keyword.segment != wanted.number):
            found.append(keyword_cards(keyword, *values[name]))
    closing = [
        card("RECNUM", recnum, "Recnum"),
        card("DRMS_ID", f"{definition.name}:{recnum}:{wanted.name}", "DRMS ID"),
        card("PRIMARYK", ", ".join(key.name for key in definition.primekeys), "DRMS primary key"),
        card("LICENSE", "LICENSE", "CC0 1.0"),
    ]
    found += [Cards(lines, lines) for lines in closing]
    first = [line for one in found for line in one.first]
    headsum = _checksum([*_PRIMARY, *first])
    final: dict[str, list[str]] = {}
    for one in found:  # each name once, the first one counts
        if one.final:
            final.setdefault(one.final[0][:8], one.final)
    written = [line for lines in final.values() for line in lines]
    return [*written, *card("HEADSUM", headsum, "Keyword checksum"), *_LONG_STRINGS]


def write(content: bytes, cards: Iterable[str]) -> bytes:
    """
    Put cards into the header of the first unit that has data, and checksums into all.

    Parameters
    ----------
    content : bytes
        The file as stored.
    cards : iterable of str
        From `header`.

    Raises
    ------
    OSError
        If `content` is not FITS.
    """
    from astropy.io import fits

    out = BytesIO()
    with quiet(), fits.open(BytesIO(content), disable_image_compression=True) as units:
        last = next((place for place, unit in enumerate(units) if unit.fileinfo()["datSpan"]), 0)
        unit = units[last]
        kept = [one for one in unit.header.cards if one.keyword in _SUMS or _STRUCTURAL.fullmatch(one.keyword)]
        structure, has = [one.image for one in kept], {one.keyword for one in kept}
        # they stay where the stored file has them, as in real exports; astropy would put others in front of comments
        sums = [f"{name:<8}= '{0:>016}'" for name in _SUMS if name not in has]
        text = "".join(f"{one:<80.80}" for one in [*structure, *cards, *sums])
        unit.header = fits.Header.fromstring(re.sub(r"[^ -~]", "?", text))
        for unit in units[: last + 1]:
            unit.add_datasum("data unit checksum")
            unit.add_checksum("HDU checksum", override_datasum=True)
        units[: last + 1].writeto(out, output_verify="ignore")
    return out.getvalue()


def _checksum(cards: Iterable[str]) -> str:
    """Sum of a header as sixteen printable characters that add up to it (FITS standard, appendix J)."""
    text = "".join(f"{one:<80.80}" for one in [*cards, "END"]).encode("ascii", "replace")
    total = int(np.frombuffer(text + b" " * (-len(text) % 2880), dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    columns = []
    for byte in (~total & 0xFFFFFFFF).to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        characters = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        while any(character in _FORBIDDEN for character in characters):
            for first in (0, 2):
                if characters[first] in _FORBIDDEN or characters[first + 1] in _FORBIDDEN:
                    characters[first] += 1
                    characters[first + 1] -= 1
        columns.append(characters)
    shown = "".join(chr(columns[column][row]) for row in range(4) for column in range(4))
    return shown[-1] + shown[:-1]


# ---- cards
def card(name: str, value: bool | int | float | str | None, comment: str = "", *, real: str = "%.17G") -> list[str]:
    """
    One card in cfitsio's layout, or several where a string is too long for one.

    Parameters
    ----------
    name : str
        Keyword, at most 8 characters.
    value : bool, int, float, str or None
        None for a card without a value.
    comment : str
        Cut off at the end of the card.
    real : str
        printf format of floating-point numbers.
    """
    tail = f" / {comment}" if comment else ""
    if isinstance(value, str):
        return _string_cards(name, value, tail)
    if value is None:
        shown = ""
    elif isinstance(value, bool):
        shown = "T" if value else "F"
    elif isinstance(value, int):
        shown = str(value)
    else:
        shown = real % value
        if "." not in shown:  # a point marks the number as a real one
            shown = f"{value:.1E}" if "E" in shown else f"{shown}."
    return [f"{name:<8}= {shown:>20}{tail}"[:80]]


def _string_cards(name: str, value: str, tail: str) -> list[str]:
    quoted = value.replace("'", "''")
    if len(quoted) <= 68:
        shown = f"'{quoted:<8}'"
        return [f"{name:<8}= {shown:<20}{tail}"[:80]]
    pieces = []
    while quoted:
        end = 67
        if quoted[:end].count("'") % 2:  # never part a doubled apostrophe
            end -= 1
        pieces.append(quoted[:end])
        quoted = quoted[end:]
    tail = re.sub(r"^ / \[[^]]*\] ?", " / ", tail)  # the unit does not survive on a string of several cards
    lines = [f"{name:<8}= '{pieces[0]}&'"]
    lines += [f"CONTINUE  '{piece}&'" for piece in pieces[1:-1]]
    shown = f"'{pieces[-1]:<8}'"
    return [*lines, f"CONTINUE  {shown:<20}{tail}"[:80]]


def commentary(name: str, value: str) -> list[str]:
    """``HISTORY`` or ``COMMENT`` cards of a text, newlines and length permitting."""
    return [
        f"{name:<8}{line[start : start + 72]}"
        for line in value.splitlines()
        for start in range(0, max(1, len(line)), 72)
    ]
