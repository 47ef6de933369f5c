"""
Keywords of a record → the cards that JSOC's own protocol=fits export would have written.

The rules are those of ``fitsexport.c`` and ``cfitsio.c`` of DRMS; for names and comments see `fitsnames`.

- Missing values become cards without a value whose comment says ``(MISSING)``, except WCS keywords, which get their
  FITS defaults.
- Times are strings with three decimals, ISO times without ``Z``; DATE and DATE-OBS only where their unit is ISO.
- HISTORY and COMMENT become cards of their own; what describes the image (NAXIS, BSCALE, BLANK, …) is never written
  from keywords.
- RECNUM, DRMS_ID, PRIMARYK, LICENSE, HEADSUM and LONGSTRN close the header.

Values are the strings of ``rs_list``; asked with ``M=1`` they carry the full precision of the database.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, TypeAlias

from ..errors import JsocError
from ..series import KEYWORD_TYPES, Kind
from . import cards as fitscard
from .keywords import COMMENTARY, DATES, IMAGE, WCS_DEFAULTS, HeaderKeyword, header_keywords

if TYPE_CHECKING:
    from ..series import SeriesInfo

__all__ = ["header_cards", "time_text"]

# what rs_list prints where there is no value, and where a link leads nowhere (jsoc_info.c)
_MISSING, _BROKEN = "MISSING", "Invalid KeyLink"

_BITS = {name: one.bits for name, one in KEYWORD_TYPES.items() if one.kind is Kind.INTEGER}
_DIGITS = {"float": 9, "double": 17}

# seconds with their decimals, before the zone, in what sprint_time prints
_SECONDS = re.compile(r"(?P<head>.*[:_]-?\d+)(?P<decimals>\.\d+)?(?P<zone>Z|_[A-Za-z]+)?", re.DOTALL)


def header_cards(
    record: Mapping[str, object],
    info: SeriesInfo,
    segment: str | None,
    *,
    recnum: int | None = None,
    series: str | None = None,
) -> list[str]:
    """
    Write the header of one segment of one record, as JSOC's export would.

    Parameters
    ----------
    record : mapping
        DRMS keyword name → value as ``rs_list`` prints it, ideally with ``M=1``. ``MISSING``, None and NaN are missing
        values. A keyword that is not there, or says ``Invalid KeyLink``, is left out.
    info : SeriesInfo
        The series, from ``series_struct``.
    segment : str or None
        Name of the segment; None writes a header for the record alone.
    recnum : int, optional
        Record number; default ``record["*recnum*"]`` or ``record["recnum"]``.
    series : str, optional
        Name of the series, default `info.name`.

    Returns
    -------
    list of str
        Cards of 80 characters, to be given to `write_fits`, or joined and given to `astropy.io.fits.Header.fromstring`.

    Raises
    ------
    JsocError
        If the record number is missing, the segment does not exist, or a value does not fit its type.
    """
    number = recnum if recnum is not None else record.get("*recnum*", record.get("recnum"))
    if number is None:
        raise JsocError("the header needs the record number: ask for the keyword *recnum* as well, or pass recnum=")
    name = series or info.name
    primary = ", ".join(key for key in (info.primekeys or []) if key)
    parts = [
        _keyword_cards(keyword, _text(record[keyword.name]))
        for keyword in header_keywords(info, segment)
        if keyword.name in record and not _is_broken(record[keyword.name])
    ]
    parts += [
        _cards("RECNUM", int(str(number)), "", "Recnum"),
        _cards("DRMS_ID", f"{name}:{int(str(number))}:{segment or 'no_segment'}", "", "DRMS ID"),
        _cards("PRIMARYK", primary or None, "", "DRMS primary key"),
        _cards("LICENSE", "LICENSE", "", "CC0 1.0"),
    ]
    return _close(parts)


Value: TypeAlias = str | int | float | bool | None


def _is_broken(raw: object) -> bool:
    return isinstance(raw, str) and raw == _BROKEN


def _text(raw: object) -> str | None:
    """Return what the server printed, None for all that means missing."""
    if isinstance(raw, str):
        return None if raw == _MISSING else raw
    try:
        return None if raw is None or raw != raw else str(raw)
    except TypeError:
        # pandas.NA is neither equal nor unequal to itself
        return None


def _value(keyword: HeaderKeyword, text: str | None) -> Value:
    """Read what the server printed, as the type of the keyword; None where it is missing."""
    if text is None:
        return None
    try:
        if keyword.type in _BITS:
            return _integer(text, _BITS[keyword.type])
        if keyword.type in _DIGITS:
            number = float(text)
            return number if math.isfinite(number) else None
        if keyword.type == "logical":
            return None if text.strip() == "" else float(text) != 0
    except ValueError:
        raise JsocError(
            f"keyword {keyword.name} is of type {keyword.type} but holds {text!r}: ask for the record with M=1, which "
            "prints plain numbers"
        ) from None
    if keyword.type == "time":
        return time_text(text)
    return text or None


def _integer(text: str, bits: int) -> int | None:
    """Read a decimal or hexadecimal integer as the signed type that it is; its smallest value means missing."""
    digits = text.strip().lower()
    if digits.startswith("0x"):
        number = int(digits, 16) & ((1 << bits) - 1)
        number -= (number >> (bits - 1)) << bits
    else:
        number = int(digits)
    return None if number == -(1 << (bits - 1)) else number


def time_text(text: str) -> str | None:
    """
    Print a time as FITS headers of JSOC have it: three decimals of seconds, no ``Z``.

    Parameters
    ----------
    text : str
        A time as DRMS prints it in any zone and precision, e.g. ``2014.01.01_00:00:03.770000_TAI``.

    Returns
    -------
    str or None
        E.g. ``2014.01.01_00:00:03.770_TAI``; None for the missing time (Julian day 0). What is no time (an interval) is
        returned as it is.
    """
    if text.startswith("-4712") or re.fullmatch(r"JD_0(\.0*)?", text):
        return None
    match = _SECONDS.fullmatch(text)
    if match is None:
        return text
    decimals = Decimal(match["decimals"] or 0).quantize(Decimal("0.001"), ROUND_HALF_EVEN)
    if decimals >= 1:
        # 59.9996 s: DRMS carries into the minute, and so on
        from ..times import words

        zone = (match["zone"] or "").lstrip("_")
        iso = "T" in match["head"] and zone == "Z"
        return words.format_time(words.scan_time(text), "ISO" if iso else zone or "UTC", 3).removesuffix("Z")
    return match["head"] + str(decimals)[1:] + (match["zone"] or "").removesuffix("Z")


# one keyword twice: as it goes into the header that HEADSUM is computed from, and as it ends in the file
_Part: TypeAlias = tuple[list[str], list[str]]


# most keywords of a series have few values, so a thousand headers need few layouts
@functools.lru_cache(maxsize=8192)
def _keyword_cards(keyword: HeaderKeyword, text: str | None) -> _Part:
    """Apply the rules that some names have of their own (`reserved.h`), then lay the keyword out."""
    value = _value(keyword, text)
    stem, fits = keyword.stem, keyword.fits
    if stem in IMAGE or fitscard.is_structural(fits):
        return [], []
    if stem in COMMENTARY:
        if keyword.type != "string":
            return [], []
        if fits in ("COMMENT", "HISTORY"):
            remark = fitscard.ascii_text("".join(str(value or "").splitlines()))
            cards = fitscard.commentary(fits, remark)
            # JSOC copies the record's comment together with the two cards that every primary header begins with
            return cards, [*fitscard.DEFINITION, *cards] if fits == "COMMENT" else cards
    if stem in DATES and (
        keyword.type != "time" or keyword.unit.upper() != "ISO" or (stem == "date" and value is None)
    ):
        return [], []
    if stem in WCS_DEFAULTS:
        fits = keyword.name
        if value is None and keyword.type in _DIGITS:
            value = WCS_DEFAULTS[stem]
    return _cards(fits, value, keyword.unit, keyword.comment, _DIGITS.get(keyword.type, 17))


def _cards(fits: str, value: Value, unit: str, comment: str, digits: int = 17) -> _Part:
    """
    Lay a keyword out twice, as JSOC does.

    JSOC writes each keyword into a header in memory, reads it back, and writes what it read into the file. That is why
    a float of nine digits ends with seventeen, and an empty comment beside a missing value as ``(MISSING) (MISSING)``.
    """
    if isinstance(value, str):
        value = fitscard.ascii_text(value)
    first = _layout(fits, value, unit, comment, digits)
    unit, comment = fitscard.split_comment(fitscard.comment_of(first[-1]))
    if isinstance(value, str):
        value = value.rstrip(" ")
    elif isinstance(value, float):
        value = float(fitscard.real(value, digits))
    return first, _layout(fits, value, unit, comment, 17)


def _layout(fits: str, value: Value, unit: str, comment: str, digits: int) -> list[str]:
    """Lay a keyword out once (`Cf_write_header_key`)."""
    if value is None:
        bracket = f"[{unit}] " if unit else ""
        return [fitscard.card(fits, "", f"{bracket}(MISSING) {comment}".rstrip())]
    if isinstance(value, str):
        cards = fitscard.long_string(fits, value, comment)
        # the unit goes to the first card, so a string that needs a second one loses it
        if unit and len(cards) == 1:
            cards = [
                fitscard.card(fits, fitscard.quoted(value), fitscard.with_unit(fitscard.comment_of(cards[0]), unit))
            ]
        return cards
    if isinstance(value, bool):
        text = "T" if value else "F"
    else:
        text = str(value) if isinstance(value, int) else fitscard.real(value, digits)
    plain = fitscard.card(fits, text, comment)
    return [fitscard.card(fits, text, fitscard.with_unit(fitscard.comment_of(plain), unit)) if unit else plain]


def _close(parts: Iterable[_Part]) -> list[str]:
    """Join the keywords, each name once and the first one first, and add the checksum and the note on long strings."""
    summed: list[str] = []
    written: list[str] = []
    seen: set[str] = set()
    for first, final in parts:
        summed += first
        name = fitscard.name_of(final[0]) if final else ""
        if name and name not in seen:
            seen.add(name)
            written += final
    headsum = fitscard.card("HEADSUM", f"'{fitscard.header_checksum(summed)}'", "Keyword checksum")
    return [*written, headsum, *fitscard.LONGSTRN]
