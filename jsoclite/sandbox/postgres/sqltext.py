"""
PostgreSQL's patterns and operators on text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from .lexer import SqlError
from .values import Array

Function: TypeAlias = Callable[..., Array]


@lru_cache(maxsize=256)
def _like(pattern: str, fold: bool) -> re.Pattern[str]:
    out, escaped = [], False
    for character in pattern:
        if escaped:
            out.append(re.escape(character))
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            out.append({"%": ".*", "_": "."}.get(character) or re.escape(character))
    if escaped:
        raise SqlError("LIKE pattern must not end with escape character")
    return re.compile("".join(out), re.DOTALL | (re.IGNORECASE if fold else 0))


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
    except re.error as error:
        raise SqlError(f"invalid regular expression: {error.msg}") from None


def _matching(find: Callable[[str, str], bool]) -> Function:
    def function(texts: Array, patterns: Array) -> Array:
        texts, patterns = np.broadcast_arrays(texts, patterns)
        return np.fromiter(map(find, texts.tolist(), patterns.tolist()), dtype=bool, count=len(texts))

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
    "like": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is not None),
    "~~": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is not None),
    "!~~": _matching(lambda text, pattern: _like(pattern, False).fullmatch(text) is None),
    "ilike": _matching(lambda text, pattern: _like(pattern, True).fullmatch(text) is not None),
    "~~*": _matching(lambda text, pattern: _like(pattern, True).fullmatch(text) is not None),
    "similar": _matching(
        lambda text, pattern: posix(pattern.replace("%", ".*").replace("_", ".")).fullmatch(text) is not None
    ),
    "~": _matching(lambda text, pattern: posix(pattern).search(text) is not None),
    "~*": _matching(lambda text, pattern: posix(pattern, True).search(text) is not None),
    "!~": _matching(lambda text, pattern: posix(pattern).search(text) is None),
    "!~*": _matching(lambda text, pattern: posix(pattern, True).search(text) is None),
    "||": on_objects(lambda left, right: left + right),
}
