"""
Names of exported files, from templates such as ``{seriesname}.{T_REC:A}.{CAMERA}.{segment}``.

As ``exputl_mk_expfilename`` in exputil.c of DRMS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from ...times import words
from ..catalog.definition import REALS, Keyword
from ..catalog.printing import printed

#: Template where the request names none.
DEFAULT: Final = "{seriesname}.{recnum:%d}.{segment}"
#: Longest name.
MAX_NAME: Final = 127

#: Gives a keyword in any case and its stored value, None without such a keyword.
Lookup: TypeAlias = Callable[[str], tuple[Keyword, Any] | None]

# one conversion of C's printf; widths of four digits and more only serve to exhaust memory
_PRINTF: Final = re.compile(r"([^%]*)%([-+ #0]*)(\d{0,3})(\.\d{0,3})?(?:hh|h|ll|l|L)?([diuxXofFeEgGsc])([^%]*)")


class FileNameError(ValueError):
    """A template that the export program cannot fill."""


class FileNameCrashError(FileNameError):
    """A template that kills the export program."""


def file_name(template: str, *, series: str, recnum: int, segment: str, counter: int, lookup: Lookup) -> str:
    """
    Fill a template.

    Parameters
    ----------
    template : str
        Text with ``{name}`` and ``{name:layout}``; ``seriesname``, ``segment``, ``recnum``, ``#`` or a keyword.
    series : str
        Name of the series.
    recnum : int
        Record number.
    segment : str
        The segment's stored file name, or its name without one.
    counter : int
        What ``{#}`` gives.
    lookup : callable
        See `Lookup`.

    Raises
    ------
    FileNameError
        Unknown keyword, unclosed brace, impossible layout, or a name over 127 characters.
    """
    parts, position = [], 0
    while position < len(template):
        start = template.find("{", position)
        if start < 0:
            parts.append(template[position:])
            break
        parts.append(template[position:start])
        end = template.find("}", start)
        if end < 0:
            raise FileNameError(f"filenamefmt {template!r} has a {{ without a }}")
        name, colon, layout = template[start + 1 : end].partition(":")
        value = _value(name, layout if colon else None, series, recnum, segment, counter, lookup)
        parts.append(re.sub(r"\s", "", value))
        position = end + 1
    text = "".join(parts)
    if not text or len(text) > MAX_NAME:
        raise FileNameError(
            f"filenamefmt {template!r} gives a name of {len(text)} characters; 1 to {MAX_NAME} are allowed"
        )
    return text


def _value(name: str, layout: str | None, series: str, recnum: int, segment: str, counter: int, lookup: Lookup) -> str:
    match name:
        case "seriesname":
            return series
        case "segment":
            return segment
        case "recnum":
            return _printf(layout or "%lld", "longlong", recnum)
        case "#":
            return _printf(layout or "%05d", "int", counter)
    found = lookup(name)
    if found is None:
        raise FileNameError(f"filenamefmt names {name!r}, which is no keyword of {series}")
    keyword, value = found
    if layout is None or (keyword.type == "time" and layout == ""):
        return printed(keyword, np.array([value], dtype=object if keyword.type == "string" else None))[0]
    if keyword.type == "time":
        return _time(keyword, float(value), layout)
    return _printf(layout, keyword.type, value)


def _time(keyword: Keyword, seconds: float, layout: str) -> str:
    """``[A|D][precision][,zone]``; letters that mean nothing leave the time as it is."""
    style = layout[:1] if layout[:1] in "AD" else ""
    number, _, zone = layout[len(style) :].partition(",")
    digits = re.match(r"\s*[-+]?\d+", number)
    text = words.format_time(seconds, zone or keyword.unit, int(digits[0]) if digits else 0)
    if style == "A":
        return text.replace(".", "").replace(":", "")
    if style == "D":
        return "@" + text.replace(".", "@").replace("_", "@", 1).replace(":", "")
    return text


def _printf(layout: str, kind: str, value: Any) -> str:
    """C's printf of one value; a conversion of another type does what it does in C, where that is defined."""
    found = _PRINTF.fullmatch(layout)
    if found is None:
        if "%" in layout:
            raise FileNameError(f"the layout {layout!r} in filenamefmt is not one printf conversion")
        return layout
    before, flags, width, precision, conversion, after = found.groups()
    form = f"{before}%{flags}{width}{precision or ''}"
    if conversion == "s":
        if kind == "string":
            return str((form + "s" + after) % str(value))
        if kind in REALS:  # the program puts text where the number's address would be
            return f"{before}null{after}"
        raise FileNameCrashError(f"the layout {layout!r} prints a number as text, which kills the export program")
    if kind == "string" or conversion == "c":
        raise FileNameError(f"the layout {layout!r} in filenamefmt does not fit a {kind} keyword")
    if conversion in "fFeEgG":
        return str((form + conversion + after) % float(value))
    if value != value:
        raise FileNameError(f"the layout {layout!r} in filenamefmt cannot print a missing value")
    whole = int(value)
    if conversion in "uxXo":
        whole &= (1 << 64) - 1 if kind == "longlong" else (1 << 32) - 1
    return str((form + ("d" if conversion in "diu" else conversion) + after) % whole)
