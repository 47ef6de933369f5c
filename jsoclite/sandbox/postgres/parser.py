"""
PostgreSQL's words, its error messages with the excerpt that users of psql know, and the grammar of its expressions.

Only what can stand in a WHERE clause is understood, with uncorrelated subselects on one table; anything else is a
syntax error, so that nothing but reading is ever possible.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn, TypeAlias

from ..catalog import schema

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
RESERVED: Final = frozenset(schema.data("postgres")["reserved"].split())
#: Type names and what they mean.
TYPES: Final[dict[str, str]] = {
    name: kind for kind, names in schema.data("postgres")["types"].items() for name in names.split()
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


_COMPARISONS: Final = frozenset({"<", ">", "=", "<=", ">=", "<>"})
# binding powers, as in PostgreSQL's gram.y, loosest first
_OR, _AND, _NOT, _IS, _COMPARE, _LIKE, _OTHER, _ADD, _MULTIPLY, _POWER, _UNARY = range(1, 12)
_CONSTANTS: Final = {"null": ("null", ""), "true": ("bool", "t"), "false": ("bool", "")}
_TYPE_WORDS: Final = {("double", "precision"), ("character", "varying"), ("bit", "varying")}


class Parser:
    """
    Reads an expression out of a query.

    Parameters
    ----------
    query : str
        The whole query, so that positions are those of the server's messages.
    start : int
        Where the expression begins.
    """

    def __init__(self, query: str, start: int = 0) -> None:
        self._lexer = Lexer(query, start)
        self._ahead: list[Word] = []

    def word(self, depth: int = 0) -> Word:
        """The next word, or one further on, without taking it."""
        while len(self._ahead) <= depth:
            self._ahead.append(self._lexer.next())
        return self._ahead[depth]

    def _take(self) -> Word:
        word = self.word()
        del self._ahead[0]
        return word

    def fail(self, word: Word | None = None) -> NoReturn:
        """Raise a syntax error at a word, the next one by default."""
        word = word or self.word()
        if word.kind == "end":
            raise SqlError("syntax error at end of input", word.position)
        raise SqlError(f'syntax error at or near "{word.text}"', word.position)

    def _is(self, *texts: str, depth: int = 0) -> bool:
        word = self.word(depth)
        return word.kind != "string" and (word.value if word.kind == "name" else word.text) in texts

    def _accept(self, *texts: str) -> bool:
        if self._is(*texts):
            self._take()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self.fail()

    def expression(self, power: int = 0) -> Expression:
        """An expression of operators that bind at least as strongly as `power`."""
        left = self._prefix()
        while (step := self._infix(left, power)) is not None:
            left = step
        return left

    def _prefix(self) -> Expression:
        word = self.word()
        if self._accept("not"):
            return Unary("not", self.expression(_NOT), word.position)
        if word.kind == "operator":
            if word.text not in ("-", "+", "~", "@", "|/", "||/"):
                self.fail()
            self._take()
            return Unary(word.text, self.expression(_UNARY if word.text in "+-" else _OTHER + 1), word.position)
        return self._postfix(self._primary())

    def _postfix(self, operand: Expression) -> Expression:
        while self._is("::"):
            position = self._take().position
            operand = Cast(operand, self._type(), position)
        return operand

    def _infix(self, left: Expression, power: int) -> Expression | None:
        word = self.word()
        at = word.position
        if word.kind == "operator":
            if word.text == "?" or word.text == "!":
                self.fail()
            operator = word.value
            level = _COMPARE if operator in _COMPARISONS else {"+": _ADD, "-": _ADD, "^": _POWER}.get(operator, _OTHER)
            level = _MULTIPLY if operator in ("*", "/", "%") else level
            if level < power:
                return None
            self._take()
            if self._is("any", "some", "all") and self._is("(", depth=1):
                return self._any(left, operator, at)
            return Binary(operator, left, self.expression(level + 1), at)
        if word.kind != "name":
            return None
        for name, level in (("or", _OR), ("and", _AND)):
            if word.value == name:
                if level < power:
                    return None
                self._take()
                return Binary(name, left, self.expression(level + 1), at)
        if word.value in ("is", "isnull", "notnull"):
            return self._is_clause(left) if power <= _IS else None
        negated = word.value == "not" and self._is("between", "in", "like", "ilike", "similar", depth=1)
        if power > _LIKE or not (negated or word.value in ("between", "in", "like", "ilike", "similar")):
            return None
        if negated:
            self._take()
        test = self._membership(left, at)
        return Unary("not", test, at) if negated else test

    def _is_clause(self, left: Expression) -> Expression:
        word = self._take()
        if word.value != "is":
            return Is(left, "null", word.value == "notnull", word.position)
        negated = self._accept("not")
        if self._accept("distinct"):
            self._expect("from")
            test = Binary("is distinct from", left, self.expression(_COMPARE), word.position)
            return Unary("not", test, word.position) if negated else test
        if not self._is("null", "true", "false", "unknown"):
            self.fail()
        return Is(left, self._take().value, negated, word.position)

    def _membership(self, left: Expression, at: int) -> Expression:
        word = self._take()
        if word.value == "between":
            symmetric = self._accept("symmetric")
            low = self.expression(_OTHER)
            self._expect("and")
            high = self.expression(_OTHER)
            test = Binary("and", Binary(">=", left, low, at), Binary("<=", left, high, at), at)
            if not symmetric:
                return test
            return Binary("or", test, Binary("and", Binary(">=", left, high, at), Binary("<=", left, low, at), at), at)
        if word.value == "in":
            self._expect("(")
            items = (self._select(False),) if self._is("select") else self._list()
            self._expect(")")
            return AnyAll("=", left, items, False, at, True)
        if word.value == "similar":
            self._expect("to")
        pattern = self.expression(_OTHER)
        if self._accept("escape"):
            self.expression(_OTHER)
        return Binary(word.value, left, pattern, at)

    def _any(self, left: Expression, operator: str, at: int) -> Expression:
        every = self._take().value == "all"
        self._expect("(")
        if self._accept("array"):
            self._expect("[")
            items = self._list()
            self._expect("]")
        elif self._is("select"):
            items = (self._select(False),)
        else:
            self.fail()
        self._expect(")")
        return AnyAll(operator, left, items, every, at)

    def _list(self) -> tuple[Expression, ...]:
        items = [self.expression()]
        while self._accept(","):
            items.append(self.expression())
        return tuple(items)

    def _primary(self) -> Expression:
        word = self._take()
        if word.kind == "number":
            return Literal("int" if word.text.isdecimal() else "numeric", word.text, word.position)
        if word.kind == "string":
            return Literal("text", word.value, word.position)
        if word.text == "(":
            inner = self._select(False) if self._is("select") else self.expression()
            self._expect(")")
            return inner
        if word.kind != "name":
            self.fail(word)
        if word.value in _CONSTANTS:
            return Literal(*_CONSTANTS[word.value], word.position)
        special = {"cast": self._cast, "case": self._case, "exists": self._exists}
        if word.value in special:
            return special[word.value](word)
        if word.value in RESERVED and word.value not in ("left", "right"):
            self.fail(word)
        double = (word.value, self.word().value) in _TYPE_WORDS
        if self.word(double).kind == "string" and word.value in TYPES:
            if double:
                self._take()
            literal = self._take()
            return Cast(Literal("text", literal.value, literal.position), TYPES[word.value], word.position)
        return self._name(word)

    def _name(self, word: Word) -> Expression:
        parts = self._dotted(word)
        if not self._accept("("):
            return Name(parts, word.position)
        arguments: tuple[Expression, ...] = ()
        if self._accept("*"):
            arguments = (Literal("int", "1", word.position),)
        elif not self._is(")"):
            arguments = self._list()
        self._expect(")")
        return Call(".".join(parts), arguments, word.position)

    def _dotted(self, word: Word) -> tuple[str, ...]:
        """A name and those behind it that are joined to it by points."""
        parts = [word.value]
        while self._accept("."):
            word = self._take()
            if word.kind != "name":
                self.fail(word)
            parts.append(word.value)
        return tuple(parts)

    def _cast(self, word: Word) -> Expression:
        self._expect("(")
        operand = self.expression()
        self._expect("as")
        name = self._type()
        self._expect(")")
        return Cast(operand, name, word.position)

    def _type(self) -> str:
        word = self._take()
        if word.kind != "name":
            self.fail(word)
        if (word.value, self.word().value) in _TYPE_WORDS:
            self._take()
        if word.value not in TYPES:
            raise SqlError(f'type "{word.value}" does not exist', word.position)
        if self._accept("("):
            self._list()
            self._expect(")")
        return TYPES[word.value]

    def _case(self, word: Word) -> Expression:
        subject = None if self._is("when") else self.expression()
        branches = []
        while self._accept("when"):
            at = self.word().position
            condition = self.expression()
            self._expect("then")
            if subject is not None:
                condition = Binary("=", subject, condition, at)
            branches.append((condition, self.expression()))
        if not branches:
            self.fail()
        default = self.expression() if self._accept("else") else None
        self._expect("end")
        return Case(tuple(branches), default, word.position)

    def _exists(self, word: Word) -> Expression:
        self._expect("(")
        if not self._is("select"):
            self.fail()
        select = self._select(True)
        self._expect(")")
        return Select(select.what, select.table, select.where, True, word.position)

    def _select(self, exists: bool) -> Select:
        word = self._take()
        if exists and self._accept("*"):
            what: Expression = Literal("int", "1", word.position)
        else:
            what = self.expression()
        table: tuple[str, ...] = ()
        where = None
        if self._accept("from"):
            first = self._take()
            if first.kind != "name" or first.value in RESERVED:
                self.fail(first)
            table = self._dotted(first)
            if self._accept("where"):
                where = self.expression()
        return Select(what, table, where, exists, word.position)


class Literal(NamedTuple):
    """A constant: `kind` is ``int``, ``numeric``, ``text`` (type still unknown), ``bool`` or ``null``."""

    kind: str
    text: str
    position: int


class Name(NamedTuple):
    """A column, with the qualification that was written."""

    parts: tuple[str, ...]
    position: int


class Unary(NamedTuple):
    """A prefix operator, or ``not``."""

    operator: str
    operand: Expression
    position: int


class Binary(NamedTuple):
    """An infix operator: arithmetic, comparison, ``and``, ``or``, ``like``, ``is distinct from``…"""

    operator: str
    left: Expression
    right: Expression
    position: int


class Call(NamedTuple):
    """A function."""

    name: str
    arguments: tuple[Expression, ...]
    position: int


class Cast(NamedTuple):
    """``x::type`` or ``cast(x as type)``."""

    operand: Expression
    type: str
    position: int


class Is(NamedTuple):
    """``x is [not] null|true|false|unknown``."""

    operand: Expression
    what: str
    negated: bool
    position: int


class AnyAll(NamedTuple):
    """``x op any|all (array)``, or with `listed` ``x in (…)``."""

    operator: str
    left: Expression
    items: tuple[Expression, ...]
    every: bool
    position: int
    listed: bool = False


class Case(NamedTuple):
    """``case when … then … else … end``."""

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression | None
    position: int


class Select(NamedTuple):
    """``(select what from table where condition)``, what is one expression or ``min``, ``max``, ``count``… of one."""

    what: Expression
    table: tuple[str, ...]
    where: Expression | None
    exists: bool
    position: int


Expression: TypeAlias = Literal | Name | Unary | Binary | Call | Cast | Is | AnyAll | Case | Select

_AGGREGATES: Final = frozenset({"min", "max", "count", "avg", "sum"})


def is_aggregate(expression: Expression) -> bool:
    """Whether a selected expression is ``min``, ``max``, ``count``, ``avg`` or ``sum`` of one other."""
    return isinstance(expression, Call) and expression.name in _AGGREGATES and len(expression.arguments) == 1
