"""
Reading of filters whose key is not known: by the look of the values.

A client that has not asked for the definition of a series cannot know which type a key has. What no key, or no key
with values of that look, could take is refused here; the rest is left to the server, or to `RecordSet.problems` with
the definition at hand.
"""

from __future__ import annotations

import re

from ..errors import RecordSetError
from ..series import Kind
from .filters import read_filter
from .grammar import FatalSetError, FilterKind, KeyFilter, RawFilter

_TIME = re.compile(
    r"\s*(?:-?[0-9]{4,5}[.-](?:[0-9]{1,3}|[A-Za-z]{1,9})(?:[._T-]|(?=[ ,/@]|$))"
    r"|-?[0-9]{4}_(?:TAI|UTC|TT|Z)|[0-9]{8}[_T]|M?JD_[0-9])"
)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]|\.[0-9])")
_OPERATOR = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*(?:[<>]=?|!=|==)")
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.]*)\s*=\s*")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def time_like(text: str) -> bool:
    """Whether a filter begins with what looks like a time."""
    return _TIME.match(text) is not None


def check_filter(text: str, start: int = 0) -> KeyFilter:
    """
    Read a key filter by its look.

    Parameters
    ----------
    text : str
        What stands between the brackets.
    start : int
        Where that is in the whole record set.

    Returns
    -------
    KeyFilter
        With the values of the first type, in the order integer, real, time, string, that can be read.

    Raises
    ------
    RecordSetError
        For what the server refuses, or dies of, whatever the type of the key.
    """
    return read_by_look(RawFilter(FilterKind.KEY if text else FilterKind.EMPTY, text, start))


def read_by_look(raw: RawFilter) -> KeyFilter:
    """Read a filter of kind KEY or EMPTY; see `check_filter`."""
    if raw.kind is FilterKind.EMPTY:
        return KeyFilter(None, ())
    match = _NAME.match(raw.text)
    body = raw.text[match.end() :] if match else raw.text
    if not body and match:
        raise FatalSetError(
            f"no value follows {match[1]}=, which kills the server program: write [] for all", f"[{raw.text}]", 1
        )
    if not body.strip(" "):
        return KeyFilter(None, ())  # [ ]: nothing, or a crash, by the type of the key
    if _OPERATOR.match(raw.text):
        raise FatalSetError(
            f"a comparison is SQL and stands between question marks, [? {raw.text.strip()} ?]; like this it kills the "
            "server program where the key is a time",
            f"[{raw.text}]",
            1,
        )
    _check_items(raw, body)
    if time_like(body) and not _QUOTED.search(body):  # who has quoted values in a list has strings
        try:
            return read_filter(raw, Kind.TIME, True)
        except RecordSetError as error:
            # a number with a point may look like a year and a month
            if re.fullmatch(r"[-+0-9.,/@]*", body) is None:
                raise error
    kinds = (Kind.INTEGER, Kind.REAL) if _NUMBER.match(body) or body.lstrip().startswith(("#", "^", "$")) else ()
    first: RecordSetError | None = None
    for kind in kinds:
        try:
            return read_filter(raw, kind, bits=64)
        except RecordSetError as error:
            first = first or error
    if kinds:
        try:
            return read_filter(raw, Kind.TIME, True)
        except RecordSetError:
            pass
        if body.lstrip().startswith("#"):
            assert first is not None
            raise first
    return read_filter(raw, Kind.STRING)


def _check_items(raw: RawFilter, body: str) -> None:
    """Refuse empty items and operators without values, which kill the program for times and are errors for the rest."""
    bare = _QUOTED.sub("''", body)
    items = [item.strip(" ") for item in bare.split(",")]
    whole = f"[{raw.text}]"
    if "" in items:
        raise FatalSetError("an empty item in a list kills the server program where the key is a time", whole, 1)
    for item in items:
        if item[0] in "@/-" and not _NUMBER.match(item):
            raise FatalSetError(
                f"the item {item!r} begins with an operator, which kills the server program where the key is a time; a "
                "string that begins so needs quotes",
                whole,
                1,
            )
