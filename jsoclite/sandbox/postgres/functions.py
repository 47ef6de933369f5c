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
from functools import lru_cache, partial
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from .lexer import SqlError
from .values import INTEGERS, NUMBERS, Array, Rows, Term, arithmetic, check, constant, resolved

_NO_FUNCTION: Final = (
    "No function matches the given name and argument types. You might need to add explicit type casts."
)


def unary(operator: str, kind: str) -> tuple[str, Function]:
    """Type and function of a prefix operator on a number."""
    if operator == "+":
        return kind, lambda values: values
    if operator == "-":
        return kind, lambda values: arithmetic("-", np.zeros_like(values), values, kind)
    if operator == "~":
        return kind, np.invert
    if operator == "@":
        return kind, lambda values: _absolute(values, kind)
    return "double precision", _square_root if operator == "|/" else np.cbrt


def _absolute(values: Array, kind: str) -> Array:
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


def _half_away(values: Array) -> Array:
    return np.asarray(np.trunc(values + np.copysign(0.5, values)))


def _digits(cut: Function, values: Array, digits: Array) -> Array:
    scale = 10.0**digits
    return cut(values * scale) / scale


def _finite(function: Function) -> Function:
    """A function whose overflow is an error."""

    def whole(values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            result = function(values)
        if (np.isinf(result) & np.isfinite(values)).any():
            raise SqlError("value out of range: overflow")
        return result

    return whole


_REAL: Final[dict[str, Function]] = {
    "sqrt": _square_root,
    "cbrt": np.cbrt,
    "exp": np.exp,
    "ln": _logarithm(np.log),
    "log": _logarithm(np.log10),
    "log10": _logarithm(np.log10),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": _arc(np.arcsin),
    "acos": _arc(np.arccos),
    "atan": np.arctan,
    "degrees": np.degrees,
    "radians": np.radians,
}
_ROUNDING: Final[dict[str, Function]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "ceiling": np.ceil,
    "trunc": np.trunc,
    "sign": np.sign,
}
# name -> (types of the arguments, type of the result, function of single values)
_TEXT: Final[dict[tuple[str, int], tuple[tuple[str, ...], str, Callable[..., Any]]]] = {
    ("length", 1): (("text",), "integer", len),
    ("char_length", 1): (("text",), "integer", len),
    ("upper", 1): (("text",), "text", str.upper),
    ("lower", 1): (("text",), "text", str.lower),
    ("trim", 1): (("text",), "text", lambda text: text.strip(" ")),
    ("btrim", 1): (("text",), "text", lambda text: text.strip(" ")),
    ("ltrim", 1): (("text",), "text", lambda text: text.lstrip(" ")),
    ("rtrim", 1): (("text",), "text", lambda text: text.rstrip(" ")),
    ("btrim", 2): (("text", "text"), "text", str.strip),
    ("ltrim", 2): (("text", "text"), "text", str.lstrip),
    ("rtrim", 2): (("text", "text"), "text", str.rstrip),
    ("strpos", 2): (("text", "text"), "integer", lambda text, part: text.find(part) + 1),
    ("starts_with", 2): (("text", "text"), "boolean", str.startswith),
    ("replace", 3): (("text", "text", "text"), "text", str.replace),
    ("left", 2): (("text", "integer"), "text", lambda text, count: text[:count]),
    ("right", 2): (("text", "integer"), "text", lambda text, count: text[-count:] if count else ""),
    ("substr", 2): (("text", "integer"), "text", lambda text, start: text[max(start - 1, 0) :]),
    ("substring", 2): (("text", "integer"), "text", lambda text, start: text[max(start - 1, 0) :]),
    ("substr", 3): (("text", "integer", "integer"), "text", lambda text, start, size: _part(text, start, size)),
    ("substring", 3): (("text", "integer", "integer"), "text", lambda text, start, size: _part(text, start, size)),
}


def _part(text: str, start: int, size: int) -> str:
    if size < 0:
        raise SqlError("negative substring length not allowed")
    return text[max(start - 1, 0) : max(start - 1 + size, 0)]


class Makes(Protocol):
    """What a compiler makes of terms: see `Compiler`."""

    def cast(self, term: Term, kind: str) -> Term:
        """Cast to a type."""

    def apply(self, kind: str, function: Callable[..., Array], at: int, *operands: Term) -> Term:
        """Apply a function on arrays."""

    def operation(self, operator: str, left: Term, right: Term, at: int) -> Term:
        """Apply an operator."""

    def fold(self, term: Term, *operands: Term) -> Term:
        """Work out a term of constants."""


def call(compiler: Makes, name: str, arguments: list[Term], position: int) -> Term:
    """
    A function on checked arguments.

    Raises
    ------
    SqlError
        If there is no such function of such arguments.
    """
    count = len(arguments)
    name = name.removeprefix("pg_catalog.")
    kinds = [argument.type for argument in arguments]
    if name in ("drms.image_exists", "image_exists") and count == 1 and kinds[0] in (*INTEGERS, "unknown"):
        quality = compiler.cast(arguments[0], "bigint")
        return compiler.apply("boolean", lambda values: (values & 0x80000000) == 0, position, quality)
    if (name, count) in _TEXT:
        wanted, kind, function = _TEXT[name, count]
        if all(have in (want, "unknown") or (want == have) for have, want in zip(kinds, wanted, strict=True)):
            cast = [compiler.cast(argument, want) for argument, want in zip(arguments, wanted, strict=True)]
            whole = on_objects(function)
            dtype: Any = {"integer": np.int64, "boolean": bool}.get(kind, object)
            return compiler.apply(kind, lambda *arrays: whole(*arrays).astype(dtype), position, *cast)
    if name in ("coalesce", "greatest", "least", "nullif") and count:
        return _conditional(compiler, name, arguments, position)
    if name == "pi" and not count:
        return compiler.apply("double precision", lambda values: values * math.pi, position, _one(compiler))
    found = _numeric(compiler, name, arguments, position)
    if found is None:
        raise SqlError(f"function {name}({', '.join(kinds)}) does not exist", position, _NO_FUNCTION)
    return found


def _one(compiler: Makes) -> Term:
    return constant("double precision", 1.0, 0)


def _numeric(compiler: Makes, name: str, arguments: list[Term], position: int) -> Term | None:
    count = len(arguments)
    arguments = [compiler.cast(one, "double precision") if one.type == "unknown" else one for one in arguments]
    if not count or any(one.type not in NUMBERS for one in arguments):
        return None
    kind = arguments[0].type
    if count == 1:
        if name == "abs":
            return compiler.apply(kind, lambda values: _absolute(values, kind), position, arguments[0])
        if name == "round" or name in _ROUNDING:
            result = kind if kind == "numeric" else "double precision"
            function = _ROUNDING.get(name) or (_half_away if kind == "numeric" else np.rint)
            return compiler.apply(result, function, position, compiler.cast(arguments[0], result))
        if name in _REAL:
            return compiler.apply(
                "double precision", _finite(_REAL[name]), position, compiler.cast(arguments[0], "double precision")
            )
    if count == 2:
        if name == "mod":
            return compiler.operation("%", arguments[0], arguments[1], position)
        if name == "div":
            pair = [compiler.cast(one, "numeric") for one in arguments]
            return compiler.apply("numeric", lambda a, b: np.trunc(arithmetic("/", a, b, "numeric")), position, *pair)
        if name in ("power", "pow"):
            return compiler.operation("^", arguments[0], arguments[1], position)
        if name == "atan2":
            pair = [compiler.cast(one, "double precision") for one in arguments]
            return compiler.apply("double precision", np.arctan2, position, *pair)
        if name in ("round", "trunc") and kind in ("numeric", *INTEGERS):
            value, digits = compiler.cast(arguments[0], "numeric"), compiler.cast(arguments[1], "integer")
            return compiler.apply(
                "numeric", partial(_digits, np.trunc if name == "trunc" else _half_away), position, value, digits
            )
    return None


def _conditional(compiler: Makes, name: str, arguments: list[Term], position: int) -> Term:
    kind = arguments[0].type
    for argument in arguments[1:]:
        joint = resolved(kind, argument.type)
        if joint is None:
            raise SqlError(f"{name.upper()} types {kind} and {argument.type} cannot be matched", argument.position)
        kind = joint
    kind = "text" if kind == "unknown" else kind
    terms = [compiler.cast(argument, kind) for argument in arguments]

    def run(rows: Rows) -> tuple[Array, Any]:
        vectors = [term.run(rows) for term in terms]
        values, nulls = vectors[0]
        missing = np.zeros(len(values), dtype=bool) if nulls is None else nulls
        for other, other_nulls in vectors[1:]:
            values, missing, other, gone = np.broadcast_arrays(
                values, missing, other, np.zeros(len(other), dtype=bool) if other_nulls is None else other_nulls
            )
            if name == "nullif":
                missing = missing | (~gone & (values == other))
                continue
            if name == "coalesce":
                take = missing
            else:
                better = other > values if name == "greatest" else other < values
                take = ~gone & (missing | np.asarray(better, dtype=bool))
            values = np.where(take, other, values)
            missing = missing & gone if name == "coalesce" else missing & ~take
        return values, missing

    term = Term(kind, run, position)
    return compiler.fold(term, *terms)


Function: TypeAlias = Callable[..., Array]


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


_CLASSES: Final = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "A-Za-z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "blank": r" \t",
}


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
