"""
PostgreSQL's functions and operators on text, as far as conditions on keywords use them, JSOC's own
`drms.image_exists`, and `order`: in which order PostgreSQL's quicksort leaves records that compare equal.

Versions of one record have the same prime keys, and the server asks for no further order, so what a client sees is
what the partitioning of Bentley and McIlroy (``sort_template.h``) happens to leave.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from ..catalog import schema
from .parser import SqlError
from .values import INTEGERS, Array, arithmetic, check

Function: TypeAlias = Callable[..., Array]


def unary(operator: str, kind: str) -> tuple[str, Function]:
    """Type and function of a prefix operator on a number."""
    same: dict[str, Function] = {"+": lambda values: values, "~": np.invert, "@": lambda values: absolute(values, kind)}
    same["-"] = lambda values: arithmetic("-", np.zeros_like(values), values, kind)
    if operator in same:
        return kind, same[operator]
    return "double precision", _square_root if operator == "|/" else np.cbrt


def absolute(values: Array, kind: str) -> Array:
    """``abs``; the least integer has none."""
    if kind == "bigint" and (values == np.iinfo(np.int64).min).any():
        raise SqlError("bigint out of range")
    result = np.abs(values)
    return check(result, kind) if kind in INTEGERS else result


def _square_root(values: Array) -> Array:
    if (values < 0).any():
        raise SqlError("cannot take square root of a negative number")
    return np.asarray(np.sqrt(values))


def _logarithm(function: Callable[[Array], Array]) -> Function:
    def whole(values: Array) -> Array:
        if (values == 0).any():
            raise SqlError("cannot take logarithm of zero")
        if (values < 0).any():
            raise SqlError("cannot take logarithm of a negative number")
        return function(values)

    return whole


def _arc(function: Callable[[Array], Array]) -> Function:
    def whole(values: Array) -> Array:
        if (np.abs(values) > 1).any():
            raise SqlError("input is out of range")
        return function(values)

    return whole


def half_away(values: Array) -> Array:
    """Whole numbers as ``numeric`` is rounded: halves away from zero."""
    return np.asarray(np.trunc(values + np.copysign(0.5, values)))


def digits(cut: Function, values: Array, places: Array) -> Array:
    """``round`` and ``trunc`` to so many decimals."""
    scale = 10.0**places
    return cut(values * scale) / scale


def finite(function: Function) -> Function:
    """A function whose overflow is an error."""

    def whole(values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            result = function(values)
        if (np.isinf(result) & np.isfinite(values)).any():
            raise SqlError("value out of range: overflow")
        return result

    return whole


#: Functions of one number whose result is double precision, and those that keep ``numeric``.
REAL: Final[dict[str, Function]] = {
    **{name: getattr(np, name) for name in ("cbrt", "exp", "sin", "cos", "tan", "degrees", "radians")},
    **{"sqrt": _square_root, "ln": _logarithm(np.log), "log": _logarithm(np.log10), "log10": _logarithm(np.log10)},
    **{"asin": _arc(np.arcsin), "acos": _arc(np.arccos), "atan": np.arctan},
}
ROUNDING: Final[dict[str, Function]] = {"ceiling": np.ceil} | {
    name: getattr(np, name) for name in ("floor", "ceil", "trunc", "sign")
}


def _part(text: str, start: int, size: int | None = None) -> str:
    if size is not None and size < 0:
        raise SqlError("negative substring length not allowed")
    return text[max(start - 1, 0) : None if size is None else max(start - 1 + size, 0)]


_ONE, _TWO, _PLACE = ("text",), ("text", "text"), ("text", "integer")
#: Functions of text by name and number of arguments: their types, that of the result, and the function of values.
TEXT: Final[dict[tuple[str, int], tuple[tuple[str, ...], str, Callable[..., Any]]]] = {
    (name, len(wanted)): (wanted, kind, function)
    for names, wanted, kind, function in (
        ("length char_length", _ONE, "integer", len),
        ("upper", _ONE, "text", str.upper),
        ("lower", _ONE, "text", str.lower),
        ("trim btrim", _ONE, "text", lambda text: text.strip(" ")),
        ("ltrim", _ONE, "text", lambda text: text.lstrip(" ")),
        ("rtrim", _ONE, "text", lambda text: text.rstrip(" ")),
        ("btrim", _TWO, "text", str.strip),
        ("ltrim", _TWO, "text", str.lstrip),
        ("rtrim", _TWO, "text", str.rstrip),
        ("strpos", _TWO, "integer", lambda text, part: text.find(part) + 1),
        ("starts_with", _TWO, "boolean", str.startswith),
        ("replace", (*_TWO, "text"), "text", str.replace),
        ("left", _PLACE, "text", lambda text, count: text[:count]),
        ("right", _PLACE, "text", lambda text, count: text[-count:] if count else ""),
        ("substr substring", _PLACE, "text", _part),
        ("substr substring", (*_PLACE, "integer"), "text", _part),
    )
    for name in names.split()
}


@lru_cache(maxsize=256)
def _like(pattern: str, fold: bool) -> re.Pattern[str]:
    parts, escaped = [""], False
    for character in pattern:
        if escaped:
            parts[-1] += re.escape(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "%":
            parts.append("")
        else:
            parts[-1] += "." if character == "_" else re.escape(character)
    if escaped:
        raise SqlError("LIKE pattern must not end with escape character")
    first, *middle, last = parts if len(parts) > 1 else (parts[0], None)
    # the first place where a part fits is as good as any: nothing is tried twice
    text = first + "".join(f"(?>.*?{part})" for part in middle if part) + ("" if last is None else f".*{last}")
    return re.compile(text, re.DOTALL | (re.IGNORECASE if fold else 0))


_CLASSES: Final[dict[str, str]] = schema.data("postgres")["classes"]


_REPEATED: Final = re.compile(r"\(([^()]*)\)[*+{]")
_NESTED: Final = re.compile(r"\).*\)[*+{]")


def _explosive(pattern: str) -> bool:
    """Whether a repeated group can match one text in several ways, of which a backtracking engine tries all."""
    if _NESTED.search(pattern):
        return True
    for group in _REPEATED.findall(pattern):
        heads = [part[:1] for part in group.split("|")]
        if re.search(r"[*+?}]", group) or (
            len(heads) > 1 and (len({*heads}) < len(heads) or {*heads} & {"", ".", "[", "\\"})
        ):
            return True
    return False


@lru_cache(maxsize=256)
def posix(pattern: str, fold: bool = False) -> re.Pattern[str]:
    """
    A POSIX regular expression.

    Raises
    ------
    SqlError
        If it is none.
    """
    if _explosive(pattern):
        raise SqlError("invalid regular expression: regular expression is too complex")
    text = re.sub(r"\[:(\w+):\]", lambda found: _CLASSES.get(found[1], found[0]), pattern)
    text = text.replace(r"\m", r"\b").replace(r"\M", r"\b").replace(r"\y", r"\b")
    try:
        return re.compile(text, re.DOTALL | (re.IGNORECASE if fold else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise SqlError(
            f"invalid regular expression: {getattr(error, 'msg', 'regular expression is too complex')}"
        ) from None


#: Steps that matching one column of texts may take where the pattern fits as badly as it can.
MOST_STEPS: Final = 1_000_000_000
_REPETITION: Final = re.compile(r"(?<!\\)(?:[*+]|\{[0-9]{0,4},\}|\{([0-9]{0,4}),([0-9]{1,4})\}|(\?))")


def _ways(pattern: str, length: int) -> int:
    """In how many ways the repetitions of a pattern can share a text of a length, wherever it begins, at most."""
    endless, ways = 1, 1
    for low, high, optional in _REPETITION.findall(pattern):
        if high:
            ways *= max(1, int(high) - int(low or 0) + 1)
        elif optional:
            ways *= 2
        else:
            endless += 1
    return math.comb(length + min(endless, 40), min(endless, 40)) * min(ways, MOST_STEPS)


def _matching(find: Callable[[str, str], bool], *, regular: bool = True) -> Function:
    def function(texts: Array, patterns: Array) -> Array:
        pairs = list(zip(*(one.tolist() for one in np.broadcast_arrays(texts, patterns)), strict=True))
        distinct = set(pairs)
        if regular:
            longest: dict[str, int] = {}
            for text, pattern in distinct:
                longest[pattern] = max(longest.get(pattern, 1), len(text))
            worst = max((_ways(pattern, length) for pattern, length in longest.items()), default=0)
            if worst * len(distinct) > MOST_STEPS:
                raise SqlError("invalid regular expression: regular expression is too complex")
        found = {pair: find(*pair) for pair in distinct}
        return np.fromiter((found[pair] for pair in pairs), dtype=bool, count=len(pairs))

    return function


def on_objects(function: Callable[..., Any]) -> Function:
    """A function of single values made one of arrays of text."""

    def whole(*arrays: Array) -> Array:
        lists = [array.tolist() for array in np.broadcast_arrays(*arrays)]
        result = np.empty(len(lists[0]), dtype=object)
        result[:] = [function(*values) for values in zip(*lists, strict=True)]
        return result

    return whole


#: Operators whose operands are text.
TEXT_OPERATORS: Final[dict[str, Function]] = {
    "like": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is not None, regular=False),
    "~~": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is not None, regular=False),
    "!~~": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is None, regular=False),
    "ilike": _matching(lambda text, pattern: _like(pattern, True).fullmatch(text) is not None, regular=False),
    "~~*": _matching(lambda text, pattern: _like(pattern, True).fullmatch(text) is not None, regular=False),
    "similar": _matching(
        lambda text, pattern: posix(pattern.replace("%", ".*").replace("_", ".")).fullmatch(text) is not None
    ),
    "~": _matching(lambda text, pattern: posix(pattern).search(text) is not None),
    "~*": _matching(lambda text, pattern: posix(pattern, True).search(text) is not None),
    "!~": _matching(lambda text, pattern: posix(pattern).search(text) is None),
    "!~*": _matching(lambda text, pattern: posix(pattern, True).search(text) is None),
    "||": on_objects(lambda left, right: left + right),
}


def order(keys: Sequence[int]) -> list[int]:
    """
    Indices that sort `keys` as PostgreSQL does.

    Parameters
    ----------
    keys : sequence of int, shape (n,)
        Ranks of the rows, in the order in which the table holds them.

    Returns
    -------
    list of int, shape (n,)
    """
    items = list(range(len(keys)))
    pending = [(0, len(keys))]
    while pending:
        begin, count = pending.pop()
        pending += _partition(items, keys, begin, count)
    return items


def _partition(items: list[int], keys: Sequence[int], begin: int, count: int) -> list[tuple[int, int]]:
    """Sort a short or presorted stretch, or split it in two that are still to be sorted."""

    def compare(left: int, right: int) -> int:
        return keys[items[left]] - keys[items[right]]

    def swap(left: int, right: int) -> None:
        items[left], items[right] = items[right], items[left]

    end = begin + count
    if count < 7:
        for middle in range(begin + 1, end):
            at = middle
            while at > begin and compare(at - 1, at) > 0:
                swap(at, at - 1)
                at -= 1
        return []
    if all(compare(at - 1, at) <= 0 for at in range(begin + 1, end)):
        return []
    swap(begin, _pivot(items, keys, begin, count))
    low_equal = low = begin + 1
    high_equal = high = end - 1
    while True:
        while low <= high and (sign := compare(low, begin)) <= 0:
            if sign == 0:
                swap(low_equal, low)
                low_equal += 1
            low += 1
        while low <= high and (sign := compare(high, begin)) >= 0:
            if sign == 0:
                swap(high, high_equal)
                high_equal -= 1
            high -= 1
        if low > high:
            break
        swap(low, high)
        low += 1
        high -= 1
    moved = min(low_equal - begin, low - low_equal)
    for step in range(moved):
        swap(begin + step, low - moved + step)
    moved = min(high_equal - high, end - high_equal - 1)
    for step in range(moved):
        swap(low + step, end - moved + step)
    parts = [(begin, low - low_equal), (end - (high_equal - high), high_equal - high)]
    return [part for part in parts if part[1] > 1]


def _pivot(items: list[int], keys: Sequence[int], begin: int, count: int) -> int:
    def median(first: int, second: int, third: int) -> int:
        one, two, three = (keys[items[at]] for at in (first, second, third))
        if one < two:
            return second if two < three else third if one < three else first
        return second if two > three else first if one < three else third

    middle = begin + count // 2
    if count == 7:
        return middle
    low, high = begin, begin + count - 1
    if count > 40:
        step = count // 8
        low = median(low, low + step, low + 2 * step)
        middle = median(middle - step, middle, middle + step)
        high = median(high - 2 * step, high - step, high)
    return median(low, middle, high)
