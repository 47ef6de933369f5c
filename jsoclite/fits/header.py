"""
Keywords of a record → the cards that JSOC's own protocol=fits export would have written.

The rules are those of ``fitsexport.c`` and ``cfitsio.c`` of DRMS.

- Missing values become cards without a value whose comment says ``(MISSING)``, except WCS keywords, which get their
  FITS defaults.
- Times are strings with three decimals, ISO times without ``Z``; DATE and DATE-OBS only where their unit is ISO.
- HISTORY and COMMENT become cards of their own; what describes the image (NAXIS, BSCALE, BLANK, …) is never written
  from keywords.
- RECNUM, DRMS_ID, PRIMARYK, LICENSE, HEADSUM and LONGSTRN close the header.

Values are the strings of ``rs_list``; asked with ``M=1`` they carry the full precision of the database.

Which names, types, units and comments the cards of a series get, `header_keywords` works out once for all its records:

- The FITS name is the ``[NAME]`` or ``[NAME:TYPE]`` that begins the description, else the upper-cased DRMS name where
  FITS allows it, else its first eight letters and digits (``T_REC_epoch`` → ``TRECEPOC``). A per-segment keyword loses
  its number first.
- The comment is the text of the description up to the first hyphen, and the DRMS name in braces where it changed.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from ..errors import JsocError
from ..series import KEYWORD_TYPES, Kind, SeriesInfo
from ..times import words
from . import cards as fitscard

if TYPE_CHECKING:
    from astropy.io import fits

# what rs_list prints where there is no value, and where a link leads nowhere (jsoc_info.c)
_MISSING, _BROKEN = "MISSING", "Invalid KeyLink"

_BITS = {name: one.bits for name, one in KEYWORD_TYPES.items() if one.kind is Kind.INTEGER}
_DIGITS = {"float": 9, "double": 17}

# seconds with their decimals, before the zone, in what sprint_time prints
_SECONDS = re.compile(r"(?P<head>.*[:_]-?\d+)(?P<decimals>\.\d+)?(?P<zone>Z|_[A-Za-z]+)?", re.DOTALL)


Value: TypeAlias = str | int | float | bool | None


def header_cards(
    record: Mapping[str, object],
    info: SeriesInfo,
    segment: str | None,
    *,
    recnum: int | None = None,
    series: str | None = None,
    extra: Mapping[str, Value] | None = None,
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
    extra : mapping, optional
        Values of keywords that the series does not have, None for a missing one.

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
    parts += [_cards(key[:8], value, "", f"{{{key}}}" if len(key) > 8 else "") for key, value in (extra or {}).items()]
    parts += [
        _cards("RECNUM", int(str(number)), "", "Recnum"),
        _cards("DRMS_ID", f"{name}:{int(str(number))}:{segment or 'no_segment'}", "", "DRMS ID"),
        _cards("PRIMARYK", primary or None, "", "DRMS primary key"),
        _cards("LICENSE", "LICENSE", "", "CC0 1.0"),
    ]
    return _close(parts)


def from_cards(cards: Iterable[str]) -> fits.Header:
    """Make a header of the cards of `header_cards`."""
    from astropy.io import fits

    return standardise(fits.Header.fromstring("".join(cards)))


def standardise(header: fits.Header) -> fits.Header:
    """
    Write a header's coordinates as the FITS standard has them, where JSOC does not; the header itself is changed.

    ``degree`` becomes ``deg``, and an unknown CRDER is left out. The synoptic maps of HMI and MDI count their rows in
    ``Sine Latitude``, which is a CEA axis of 180/π degrees a unit (Thompson 2006, A&A 449, 791, section 5.5), and their
    columns in Carrington time, which runs against the longitude: 360° times the rotation less the longitude.
    """
    for axis in (1, 2):
        unit = str(header.get(f"CUNIT{axis}", "")).strip()
        if f"CRDER{axis}" in header and header[f"CRDER{axis}"] is None:
            # wcslib remarks on cards without a value
            del header[f"CRDER{axis}"]
        step, value = header.get(f"CDELT{axis}"), header.get(f"CRVAL{axis}")
        if unit.lower() in ("degree", "degrees"):
            header[f"CUNIT{axis}"] = "deg"
            carrington = str(header.get(f"CTYPE{axis}", "")).startswith("CRLN")
            if carrington and isinstance(step, float) and isinstance(value, float) and step < 0 and value > 360:
                header[f"CDELT{axis}"] = (-step, "[deg] longitude; JSOC gives Carrington time")
                header[f"CRVAL{axis}"] = (-value % 360.0, "[deg] longitude; JSOC gives Carrington time")
        elif unit.lower() == "sine latitude" and isinstance(step, float):
            header[f"CUNIT{axis}"] = "deg"
            header[f"CDELT{axis}"] = (math.degrees(step), "[deg] JSOC gives the sine of the latitude")
    return header


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
    if len(fits) <= 8 and (type(value) is int or (type(value) is float and math.isfinite(value))):
        text = fitscard.real(value, digits) if isinstance(value, float) else str(value)
        again = fitscard.real(float(text)) if isinstance(value, float) and digits < 17 else text
        if len(text) <= 20 and len(again) <= 20:  # the columns of the value are filled, and nothing else depends on it
            name, first, final = _around_number(fits, unit, comment)
            return [f"{name}{text:>20}{first}"], [f"{name}{again:>20}{final}"]
    return _laid_out_twice(fits, value, unit, comment, digits)


@functools.lru_cache(maxsize=4096)
def _around_number(fits: str, unit: str, comment: str) -> tuple[str, str, str]:
    """Return what stands before a number of at most 20 characters, and behind it on either card of `_cards`."""
    (first,), (final,) = _laid_out_twice(fits, 0, unit, comment, 17)
    return first[:10], first[30:], final[30:]


def _laid_out_twice(fits: str, value: Value, unit: str, comment: str, digits: int) -> _Part:
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
        return _stem(self.name)


@functools.lru_cache(maxsize=4096)
def _stem(name: str) -> str:
    match = _INDEXED.fullmatch(name[:15])
    return (match[1] if match else name).lower()


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
        elif name == "DATE__OBS" and kind == "time" and "DATE-OBS" not in table.index:
            # readers know the time of an image by this name only
            fits = "DATE-OBS"
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
