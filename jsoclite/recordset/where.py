"""Text of SQL filters from Python values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import RecordSetError, shown
from ..series import SeriesInfo, check_names, keywords_of
from ..times import is_time_key
from .build import is_time_value, listed, number_text, time_text
from .filters import read_sql
from .scan import scan_set

_HEX = re.compile(r"\b0[xX]([0-9a-fA-F]+)\b")
_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_COLUMN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*")
_WORDS = re.compile(
    r"""(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<time>\$\([^)]*\))
    |(?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>--|/\*|\$\w*\$|::|\S)""",
    re.VERBOSE | re.DOTALL,
)
# what PostgreSQL knows and no series has: words of its language, types, and parts of times
_SQL = frozenset(
    """
    and any array as asymmetric at between both by case cast collate current_date current_time current_timestamp
    current_user day distinct dow doy else end epoch escape exists extract false for from hour ilike in interval is
    isnull leading like localtime localtimestamp minute month not notnull null or overlay overlaps placing position
    precision quarter row second similar some substring symmetric then time timestamp timestamptz timezone to trailing
    trim true unknown using varying when with without week year zone bigint bit boolean char character date decimal
    double float float4 float8 int int2 int4 int8 integer name numeric real smallint text varchar
    """.split()  # noqa: SIM905 - a hundred quoted words say less
)
# columns of every series that are no keywords (drms_series.c)
_COLUMNS = re.compile(
    r"(?i)recnum|sunum|slotnum|sessionid|sessionns|sg_\d{3}_\w+|ln_\w+|cparms_sg\d{3}|\w+_(bzero|bscale)"
)
_OPERATORS = ("=", "!=", "<>", "<", "<=", ">", ">=", "like", "not like", "ilike", "~", "!~", "in", "not in", "between")


def sql_filter(where: Any, all_versions: bool = False) -> str | None:
    """
    Text of an SQL filter with its marks, ``? … ?``, or ``! … !`` for all versions of the records.

    Parameters
    ----------
    where : str, mapping, or sequence of strings and (name, operator, value)
        See `where_text`.
    all_versions : bool
        Whether superseded versions are wanted too; a filter is then written without a condition too.

    Returns
    -------
    str or None
        None where there is nothing to filter by.

    Raises
    ------
    RecordSetError
        For conditions that would not come through the server's scanner as one: quotes that are not closed, lone marks.
    """
    condition = where_text(where)
    if condition is None and not all_versions:
        return None
    mark = "!" if all_versions else "?"
    if all_versions and condition is not None:
        # between exclamation marks no other may stand; <> says the same
        pieces = _QUOTED.split(condition)
        pieces[::2] = [piece.replace("!=", "<>") for piece in pieces[::2]]
        condition = "".join(pieces)
    text = f"{mark} {condition or '1=1'} {mark}"
    try:
        (element,) = scan_set(f"x[{text}]")
        (raw,) = element.filters
        read_sql(raw)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise RecordSetError(f"the condition {condition!r} cannot be sent: {reason}") from None
    return text


def way_out(condition: str) -> str | None:
    """
    Say how a condition would leave the parentheses that the server puts it into; None if it does not.

    ``QUALITY=0) or (1=1`` does, and selects all records of the series. The server's scanner and PostgreSQL must read
    its quotes alike, too: the scanner takes a backslash before a quote for a part of the text, and turns double quotes
    into single ones.
    """
    depth = 0
    for word in _WORDS.finditer(condition):
        text = word[0]
        if word["quoted"]:
            inner = text[1:-1].replace("\\\\", "")
            if "\\'" in inner or '\\"' in inner or (text[0] == '"' and "'" in inner.replace("''", "")):
                return f"{text} is text that the server and its database read differently: write '…', with '' for a '"
        elif text in "'\"":
            return f"the quote {text} is never closed"
        elif text in ("--", "/*", ";") or (word["mark"] and re.fullmatch(r"\$\w*\$", text)):
            return f"{text} has no place in it: it begins a comment, another statement or another kind of text"
        elif text in "()":
            depth += 1 if text == "(" else -1
            if depth < 0:
                return "a ) closes more than was opened, and what follows would hold for the whole series"
    return "a ( is never closed" if depth else None


def names_in(condition: str) -> list[str]:
    """
    Return the names in a condition that have to be keywords.

    Neither words of SQL, functions and types are among them, nor what stands in quotes, behind a point or in ``$(…)``;
    none at all of conditions with a ``select`` of their own, which may have other tables.
    """
    words = list(_WORDS.finditer(condition))
    if any(word[0].lower() == "select" for word in words):
        return []
    found = []
    around = [None, *words, None]
    for before, word, after in zip(around, words, around[2:], strict=False):
        name = word[0]
        ahead, behind = before[0].lower() if before else "", after[0] if after else ""
        if (
            word["name"]
            and name.lower() not in _SQL
            and not _COLUMNS.fullmatch(name)
            and ahead not in ("::", ".", "as")
            and behind not in ("(", ".")
            and not (after and after["quoted"] and after.start() == word.end())  # E'…'
        ):
            found.append(name)
    return list(dict.fromkeys(found))


def check_condition(condition: str, info: SeriesInfo) -> None:
    """Raise `UnknownName` for a keyword in a condition that the series does not have."""
    known = [*keywords_of(info), *(f"{key}_index" for key in info.primekeys or ())]
    check_names(names_in(condition), known, "keyword", info.name)


def where_text(where: Any) -> str | None:
    """
    Text of an SQL filter, without its brackets.

    Parameters
    ----------
    where : str, mapping, or sequence of strings and (name, operator, value)
        A string is SQL. A mapping has names (or expressions such as ``"QUALITY & 0x80000000"``) as keys and values,
        lists of values, or ``(operator, value)``. All conditions have to hold.

    Returns
    -------
    str or None
        SQL with texts quoted, times as ``$(…)`` and hexadecimal numbers as the signed decimals that the server takes.

    Raises
    ------
    RecordSetError
        For operators and values that SQL has not, and for what would reach beyond the condition (see `way_out`).
    """
    if where is None:
        return None
    if isinstance(where, str):
        return sql_text(where)
    if isinstance(where, Mapping):
        where = [_condition(name, value) for name, value in where.items()]
    elif (
        isinstance(where, tuple)
        and len(where) == 3
        and isinstance(where[0], str)
        and str(where[1]).lower() in _OPERATORS
    ):
        where = [where]
    elif not isinstance(where, Sequence):
        raise RecordSetError(f"where={shown(where)}: write SQL, a mapping, or a list of conditions")
    if len(where) == 1 and isinstance(where[0], str):
        return sql_text(where[0])
    parts = []
    for one in where:
        if isinstance(one, str):
            parts.append(f"({sql_text(one)})")
        elif isinstance(one, Sequence) and len(one) > 2 and isinstance(one[0], str):
            parts.append(_comparison(*(one if len(one) == 3 else (one[0], one[1], one[2:]))))
        else:
            raise RecordSetError(f"{shown(one)} is no condition: write SQL or (name, operator, value)")
    return " and ".join(parts) or None


def _condition(name: Any, value: Any) -> tuple[Any, ...]:
    """Return what a mapping says of a keyword as (name, operator, value): a tuple with an operator, or a range."""
    if not isinstance(value, tuple):
        begun = re.match(r"\s*([<>=!]=?|<>)\s*(.*)", value) if isinstance(value, str) else None
        if begun:
            raise RecordSetError(f"{name}: {value!r} is a text; write {{{name!r}: ({begun[1]!r}, {begun[2]})}}")
        return name, "=", value
    if len(value) == 2 and not isinstance(value[0], str):
        return name, "between", value
    return name, *value


def sql_text(sql: str) -> str:
    """SQL with hexadecimal numbers outside quotes as signed 32-bit decimals; PostgreSQL refuses the former."""
    text = sql.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].strip()
    if len(text) > 1 and text[0] in "?!" and text[-1] == text[0]:
        text = text[1:-1].strip()
    if not text:
        raise RecordSetError("an empty condition selects nothing: leave it out")
    if "{" in text:
        raise RecordSetError(
            f"{sql!r}: the server cuts a record set at its first brace, so a condition cannot have one"
        )
    if reason := way_out(text):
        raise RecordSetError(f"the condition {sql!r} cannot be sent: {reason}")
    pieces = _QUOTED.split(text)
    pieces[::2] = [_HEX.sub(_signed, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _signed(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return str(number - 2**32 if 2**31 <= number < 2**32 else number)


def _comparison(name: str, operator: str, value: Any) -> str:
    operator = " ".join(str(operator).lower().split())
    operator = "=" if operator == "==" else operator
    if operator not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise RecordSetError(f"{operator!r} is no operator of a condition: use {known}, as in ('between', first, last)")
    column = sql_text(name)
    plain = _COLUMN.fullmatch(column)
    if not plain:
        column = f"({column})"
    time = bool(plain) and is_time_key(column)
    if operator == "between":
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise RecordSetError(f"{name} between {shown(value)}: write ('between', first, last)")
        first, last = value
        return f"{column} between {_operand(name, first, time)} and {_operand(name, last, time)}"
    if isinstance(value, tuple) and operator not in ("in", "not in"):
        raise RecordSetError(f"{name} {operator} {shown(value)}: one value goes with {operator}; a range is 'between'")
    several = not isinstance(value, str) and isinstance(value, Iterable)
    if several or operator in ("in", "not in"):
        operator = {"=": "in", "!=": "not in", "<>": "not in"}.get(operator, operator)
        if operator not in ("in", "not in") or not several:
            raise RecordSetError(f"{name} {operator} {value!r}: a list goes with =, != or in")
        items = [_operand(name, one, time) for one in listed(value)]
        if not items:
            raise RecordSetError(f"{name}: an empty list selects nothing")
        return f"{column} {operator} ({', '.join(items)})"
    return f"{column} {operator} {_operand(name, value, time)}"


def _operand(name: str, value: Any, time: bool) -> str:
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if is_time_value(value) or (time and isinstance(value, str)):
        return f"$({time_text(value)})"
    if isinstance(value, str):
        if (
            "{" in value
            or not value.isascii()
            or not value.isprintable()
            or re.search(r"(?<!\\)(?:\\\\)*\\('|$)", value)
        ):
            raise RecordSetError(f"{value!r}: braces, characters beyond ASCII and a closing backslash cannot be sent")
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RecordSetError(f"{name}: {value!r} cannot stand in a condition: give a number, a string or a time")
    return str(int(value)) if isinstance(value, Integral) else number_text(name, float(value))
