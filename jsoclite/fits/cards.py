"""
FITS header cards, byte for byte as CFITSIO writes them.

JSOC's exports are written by CFITSIO, so a header that is to equal one of theirs has to share its layout: reals as
``%.17G`` with a closing point (`ffd2e`), quoted strings of at least eight characters (`ffs2c`), comments from column 34
or after the value (`ffmkky`), long strings in CONTINUE cards that leave room for the comment (`ffpkls`). Astropy writes
the same values differently.

A card is a `str` of exactly 80 printable ASCII characters.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator

WIDTH = 80
BLOCK = 2880

# what a value or comment may hold: FITS standard 4.0, section 3.2
_UNPRINTABLE = re.compile(r"[^ -~]")

# "[unit] (MISSING) text", as cfitsio.c of DRMS takes a comment apart; greedy on purpose, like the POSIX original
_COMMENT = re.compile(r" *(?:\[(?P<unit>.+)\] +)?(?:\((?P<note>.+)\) +)?(?P<text>.*)")

# "NAME    = value / comment": a slash inside quotes is no comment
_STRING_COMMENT = re.compile(r" *'[^']*(?:''[^']*)*' */ ?(.*)")

# keywords that belong to the structure of the HDU (CFITSIO's TYP_STRUC_KEY, TYP_CMPRS_KEY, TYP_CONT_KEY) or to its
# image and bytes
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|TFIELDS|THEAP|T(TYPE|FORM)\d+|END|CONTINUE|BZERO|BSCALE|BLANK"
    r"|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|SIMPLE|EXTEND|TENSION|PCOUNT|GCOUNT|BLOCKED|MASKCMP|QUANTIZ|DITHER0"
    r"|SCALE|ZERO|BLANK|HECKSUM|DATASUM)|CHECKSUM|DATASUM"
)

# what fits_write_key_longwarn adds
LONGSTRN = (
    "LONGSTRN= 'OGIP 1.0'           / The HEASARC Long String Convention may be used.",
    "COMMENT   This FITS file may contain long string keyword values that are        ",
    "COMMENT   continued over multiple keywords.  The HEASARC convention uses the &  ",
    "COMMENT   character at the end of each substring which is then continued        ",
    "COMMENT   on the next keyword which has the name CONTINUE.                      ",
)
# what CFITSIO adds to every primary header
DEFINITION = (
    "COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy",
    "COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H ",
)


@functools.lru_cache(maxsize=4096)
def is_structural(name: str) -> bool:
    """Whether this FITS keyword describes the HDU itself, so that no DRMS keyword may overwrite it."""
    return _STRUCTURAL.fullmatch(name) is not None


def ascii_text(text: str) -> str:
    """Make text fit for a card: accents are taken off, other non-ASCII becomes ``?``, control characters blanks."""
    if text.isascii() and text.isprintable():
        return text
    letters = (char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return _UNPRINTABLE.sub(" ", "".join(letters).encode("ascii", "replace").decode("ascii"))


def real(value: float, digits: int = 17) -> str:
    """Print a finite number with up to `digits` significant digits, recognisable as a real."""
    text = format(value, f".{digits}G")
    if "." in text:
        return text
    return format(value, ".1E") if "E" in text else text + "."


def quoted(text: str) -> str:
    """Put text between quotes, padded to eight characters, with quotes inside doubled."""
    body = text.replace("'", "''")
    return f"'{body:<8}'"


def card(name: str, value: str, comment: str = "") -> str:
    """
    Lay out one card (`ffmkky`).

    Parameters
    ----------
    name : str
        FITS keyword of at most eight characters.
    value : str
        The value as it is to stand there: a number, or a string with its quotes; empty for an undefined value.
    comment : str
        Cut where the card ends.
    """
    text = f"{name:<8}= "
    if value.startswith("'"):
        text = (text + value)[:WIDTH]
        if len(text) == WIDTH:
            text = text[:-1] + "'"
        elif comment:
            text = text.ljust(30)
    else:
        text += value.rjust(20) if value or comment else ""
    if comment and len(text) < 77:
        text += " / " + comment
    return text[:WIDTH].ljust(WIDTH)


def long_string(name: str, text: str, comment: str = "") -> list[str]:
    """Lay out a string of any length, in CONTINUE cards where one is not enough (`ffpkls`, OGIP 1.0 convention)."""
    room_for_comment = min(len(comment), 47)
    remain, start = max(len(text), 1), 0
    fits = max(68 - text[:68].count("'"), 34)
    cards: list[str] = []
    with_comment = True
    while remain > 0:
        if remain > fits:
            # the last character makes room for the ampersand
            fits -= 1
            value = "'" + text[start : start + fits].replace("'", "''") + "&'"
        else:
            value = quoted(text[start : start + fits])
        shown = comment if with_comment else ""
        if cards:
            continued = card("CONTINUE", value, shown)
            cards.append(continued[:8] + "  " + continued[10:])
        else:
            cards.append(card(name, value, shown))
        remain -= fits
        start += fits
        with_comment = True
        if remain > 0:
            quotes = text[start : start + 68].count("'")
            fits = max(68 - quotes, 34)
            crowded = remain + quotes < 69 and remain + quotes + room_for_comment > 65
            if room_for_comment and crowded and fits > 18 and remain > 16:
                # push the last characters onto a card of their own, so that the comment is readable beside them
                fits = remain - 15
                with_comment = False
    return cards


def commentary(name: str, text: str) -> list[str]:
    """Lay out HISTORY or COMMENT, 72 characters a card; nothing for an empty text."""
    return [f"{name:<8}{text[start : start + 72]}".ljust(WIDTH) for start in range(0, len(text), 72)]


def with_unit(comment: str, unit: str) -> str:
    """Put a unit in brackets before a comment, in the place of brackets that stand there already (`ffpunt`)."""
    if not unit:
        return comment
    if comment.startswith("[") and "]" in comment:
        comment = comment[comment.index("]") + 1 :].lstrip(" ")
    return f"[{unit[:45]}] {comment}"


def split_comment(comment: str) -> tuple[str, str]:
    """
    Take the unit and the text out of a comment as JSOC does when it copies a card
    (`cfitsio_strip_keyword_unit_and_missing`).

    A parenthesis at the start is lost, unless nothing follows it: hence ``(MISSING) (MISSING)`` in real files.
    """
    match = _COMMENT.fullmatch(comment)
    return ("", comment) if match is None else (match["unit"] or "", match["text"])


def comment_of(text: str) -> str:
    """Return the comment of a card, as far as it is on the card."""
    rest = text[10:]
    if rest.lstrip(" ").startswith("'"):
        match = _STRING_COMMENT.fullmatch(rest)
        return "" if match is None else match[1].rstrip()
    value, _, comment = rest.partition("/")
    return "" if "'" in value else comment.removeprefix(" ").rstrip()


def name_of(text: str) -> str:
    """Return the keyword of a card."""
    return text[:8].rstrip()


def groups(cards: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (keyword, cards): one card, or a long string with its CONTINUE cards; COMMENT and HISTORY one by one."""
    name = ""
    current: list[str] = []
    for text in cards:
        next_name = name_of(text)
        if next_name == "CONTINUE" and current:
            current.append(text)
            continue
        if current:
            yield name, current
        name, current = next_name, [text]
    if current:
        yield name, current


def checksum(data: bytes | bytearray | memoryview, start: int = 0) -> int:
    """Add bytes, a multiple of four of them, to a 32-bit ones'-complement sum (FITS standard 4.0, appendix J)."""
    import numpy as np

    total = start + int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def encode_checksum(total: int) -> str:
    """Write the complement of a sum in 16 ASCII letters and digits that make the sum of the whole come out as -0."""
    excluded = b":;<=>?@[\\]^_`"
    complement = 0xFFFFFFFF - total
    letters = [0] * 16
    for byte in range(4):
        value = complement >> (24 - 8 * byte) & 0xFF
        quotient, rest = divmod(value, 4)
        quad = [quotient + 48] * 4
        quad[0] += rest
        while any(letter in excluded for letter in quad):
            for pair in (0, 2):
                if quad[pair] in excluded or quad[pair + 1] in excluded:
                    quad[pair] += 1
                    quad[pair + 1] -= 1
        for place in range(4):
            letters[4 * place + byte] = quad[place]
    # rotated by one place, as the string begins one byte past a four-byte boundary of its card
    return bytes(letters[-1:] + letters[:-1]).decode("ascii")


def header_block(cards: Iterable[str]) -> bytes:
    """Join cards to a header: END card and blanks up to a full block of 2880 bytes."""
    text = "".join(cards) + "END".ljust(WIDTH)
    # what an old header holds beyond ASCII stays as it is
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("latin-1")


def header_checksum(cards: Iterable[str]) -> str:
    """Compute what JSOC writes as HEADSUM: the checksum of a primary header without data that holds these cards."""
    minimal = (
        card("SIMPLE", "T", "file does conform to FITS standard"),
        card("BITPIX", "8", "number of bits per data pixel"),
        card("NAXIS", "0", "number of data axes"),
        card("EXTEND", "T", "FITS dataset may contain extensions"),
    )
    return encode_checksum(checksum(header_block([*minimal, *DEFINITION, *cards])))
