"""
PostgreSQL's words, and its error messages with the excerpt that users of psql know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_DISPLAY, _RIGHT = 60, 10  # sizes of libpq's excerpt (fe-protocol3.c)


class SqlError(Exception):
    """
    An error as PostgreSQL words it.

    Parameters
    ----------
    message : str
        Text behind ``ERROR:  ``.
    position : int, optional
        Index in the query that the excerpt points at.
    hint : str
        Text behind ``HINT:  ``, may be empty.
    """

    def __init__(self, message: str, position: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.position, self.hint = message, position, hint

    def report(self, query: str) -> str:
        """Message with the line of the query, cut around the position as libpq cuts it."""
        text = f"ERROR:  {self.message}\n"
        if self.position is not None:
            text += excerpt(query, self.position)
        return text + (f"HINT:  {self.hint}\n" if self.hint else "")


def excerpt(query: str, position: int) -> str:
    """``LINE n: …`` and a caret below the character at `position` (libpq, `reportErrorPosition`)."""
    query = query.replace("\t", " ")
    number = query.count("\n", 0, position) + 1
    begin = query.rfind("\n", 0, position) + 1
    end = query.find("\n", position)
    end = len(query) if end < 0 else end
    head = tail = ""
    if end - begin > _DISPLAY:
        if begin + _DISPLAY >= position + _RIGHT:
            end, tail = begin + _DISPLAY, "..."
        else:
            if position + _RIGHT < end:
                end, tail = position + _RIGHT, "..."
            if end - begin > _DISPLAY:
                begin, head = end - _DISPLAY, "..."
    prefix = f"LINE {number}: {head}"
    return f"{prefix}{query[begin:end]}{tail}\n{' ' * (len(prefix) + position - begin)}^\n"


#: Words that are no names of columns.
RESERVED: Final = frozenset(
    """
    all and any array as asc between both case cast check collate column constraint create cross current_date desc
    distinct do drop else end except false for foreign from full grant group having ilike in inner intersect into is
    isnull join leading left like limit natural not notnull null offset on only or order outer primary references
    right select similar some symmetric table then to trailing true union unique user using when where window with
    """.split()  # noqa: SIM905 - sixty quoted words say less
)
#: Type names and what they mean.
TYPES: Final = {
    **dict.fromkeys(("smallint", "int2"), "smallint"),
    **dict.fromkeys(("integer", "int", "int4"), "integer"),
    **dict.fromkeys(("bigint", "int8"), "bigint"),
    **dict.fromkeys(("real", "float4"), "real"),
    **dict.fromkeys(("double", "float8", "float"), "double precision"),
    **dict.fromkeys(("numeric", "decimal"), "numeric"),
    **dict.fromkeys(("text", "varchar", "character", "char", "name"), "text"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """A lexical unit; `kind` is ``number``, ``string``, ``name``, ``operator``, ``punctuation`` or ``end``."""

    kind: str
    text: str
    position: int
    value: str = field(default="", compare=False)


_BLANK: Final = re.compile(r"(?:[ \t\n\r\f\v]+|--[^\n]*)+")
_NUMBER: Final = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_NAME: Final = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
_OPERATOR: Final = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_DIGITS: Final = frozenset("0123456789")
_DOLLAR: Final = re.compile(r"\$([A-Za-z_]\w*)?\$")
_STRING: Final = re.compile(r"'((?:[^']|'')*+)'|[eE]'((?:[^'\\]|''|\\.)*+)'", re.DOTALL)
_CODE: Final = re.compile(r"''|\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _character(found: re.Match[str]) -> str:
    """What a doubled quote or an escape stands for."""
    if found[1] or found[2]:
        return chr(int(found[1] or found[2], 16))
    return _ESCAPES.get(found[3], found[3]) if found[3] else "'"


class Lexer:
    """Cuts a query into words, one at a time, so that an error further on does not hide an earlier one."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text, self.at = text, start

    def next(self) -> Word:
        """The next word."""
        text = self.text
        self._skip()
        at = self.at
        if at >= len(text):
            return Word("end", "", len(text))
        character = text[at]
        if character in _DIGITS or (character == "." and text[at + 1 : at + 2] in _DIGITS):
            return self._number(at)
        if character == "'" or (character in "eE" and text[at + 1 : at + 2] == "'"):
            return self._string(at)
        dollar = _DOLLAR.match(text, at)
        if dollar:
            end = text.find(dollar[0], dollar.end())
            if end < 0:
                raise SqlError(f'unterminated dollar-quoted string at or near "{text[at:]}"', at)
            self.at = end + len(dollar[0])
            return Word("string", text[at : self.at], at, text[dollar.end() : end])
        name = _NAME.match(text, at)
        if name:
            self.at = name.end()
            return Word("name", name[0], at, name[0].lower())
        if text.startswith("::", at):
            self.at += 2
            return Word("punctuation", "::", at)
        operator = _OPERATOR.match(text, at)
        if operator:
            return self._operator(operator[0], at)
        self.at += 1
        return Word("punctuation", character, at)

    def _skip(self) -> None:
        text = self.text
        while True:
            blank = _BLANK.match(text, self.at)
            if blank:
                self.at = blank.end()
            if not text.startswith("/*", self.at):
                return
            depth, start = 0, self.at
            for mark in re.finditer(r"/\*|\*/", text[start:]):
                depth += 1 if mark[0] == "/*" else -1
                if depth == 0:
                    self.at = start + mark.end()
                    break
            else:
                raise SqlError(f'unterminated /* comment at or near "{text[start:]}"', start)

    def _number(self, at: int) -> Word:
        number = _NUMBER.match(self.text, at)
        assert number is not None
        junk = _NAME.match(self.text, number.end())
        if junk:
            raise SqlError(f'trailing junk after numeric literal at or near "{self.text[at : junk.end()]}"', at)
        self.at = number.end()
        return Word("number", number[0], at)

    def _string(self, at: int) -> Word:
        found = _STRING.match(self.text, at)
        if found is None:
            raise SqlError(f'unterminated quoted string at or near "{self.text[at:]}"', at)
        self.at = found.end()
        value = found[1].replace("''", "'") if found[2] is None else _CODE.sub(_character, found[2])
        return Word("string", found[0], at, value)

    def _operator(self, operator: str, at: int) -> Word:
        # a comment ends an operator, and one of several characters may end in + or - only if it has one of ~!@#%^&|`?
        for comment in ("--", "/*"):
            if comment in operator:
                operator = operator[: operator.index(comment)]
        while len(operator) > 1 and operator[-1] in "+-" and not set(operator) & set("~!@#%^&|`?"):
            operator = operator[:-1]
        self.at = at + len(operator)
        return Word("operator", operator, at, "<>" if operator == "!=" else operator)
