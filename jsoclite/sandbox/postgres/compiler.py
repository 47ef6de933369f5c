"""
SQL conditions on columns of records, as PostgreSQL would judge them.

A `Compiler` checks the types of an expression and works out constants and subselects at once; the `Term` that it
makes then evaluates whole columns, the right side of ``AND`` and ``OR`` only where it matters, so that an error hides
where PostgreSQL would not meet it either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from . import functions as sqlfunctions
from . import values as sqlvalues
from .functions import TEXT_OPERATORS
from .parser import AnyAll, Binary, Call, Case, Cast, Expression, Is, Literal, Name, Parser, Select, SqlError, Unary
from .values import INTEGERS, NUMBERS, Array, Rows, Term, Vector, constant

#: Values to compare with one by one; lists of whole numbers may be longer.
MOST_ITEMS: Final = 3000
_COMPARISONS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_NO_OPERATOR, _NO_FUNCTION = (
    f"No {what} matches the given name and argument types. You might need to add explicit type casts."
    for what in ("operator", "function")
)
_DOUBLE: Final = "double precision"


class Compiler:
    """
    Checks expressions on one table.

    Parameters
    ----------
    table : sequence of str
        Name of the table, ``(namespace, name)``, lower case; empty for none.
    types : mapping of str to str
        PostgreSQL type of each column.
    subselect : callable
        Works out a `Select`; gives its type and list of values.
    """

    def __init__(
        self, table: Sequence[str], types: Mapping[str, str], subselect: Callable[[Select], tuple[str, list[Any]]]
    ) -> None:
        self._table, self._types, self._subselect = tuple(table), types, subselect

    def term(self, expression: Expression) -> Term:
        """Check one expression."""
        handler: Callable[[Any], Term] = getattr(self, f"_{type(expression).__name__.lower()}")
        return handler(expression)

    def condition(self, expression: Expression, where: str = "WHERE") -> Term:
        """Check an expression that must be boolean."""
        return self._boolean(self.term(expression), where)

    def _boolean(self, term: Term, where: str) -> Term:
        if term.type == "unknown":
            return self.cast(term, "boolean")
        if term.type != "boolean":
            raise SqlError(f"argument of {where} must be type boolean, not type {term.type}", term.position)
        return term

    # ---- leaves
    def _literal(self, literal: Literal) -> Term:
        at = literal.position
        if literal.kind in ("null", "text"):
            return constant("unknown", None if literal.kind == "null" else literal.text, at)
        if literal.kind == "bool":
            return constant("boolean", bool(literal.text), at)
        if literal.kind == "int":
            value = int(literal.text.lstrip("0")[:40] or "0")
            if value < 1 << 63:
                return constant("integer" if value < 1 << 31 else "bigint", value, at)
        return constant("numeric", float(literal.text), at)

    def _name(self, name: Name) -> Term:
        *qualifier, column = name.parts
        if qualifier and tuple(qualifier) not in (self._table, self._table[-1:]):
            raise SqlError(f'missing FROM-clause entry for table "{".".join(qualifier[-1:])}"', name.position)
        if column not in self._types:
            shown = ".".join(name.parts) if qualifier else f'"{column}"'
            raise SqlError(f"column {shown} does not exist", name.position)
        return Term(self._types[column], lambda rows: rows.column(column), name.position, column=column)

    # ---- operators
    def _unary(self, unary: Unary) -> Term:
        if unary.operator == "not":
            operand = self._boolean(self.term(unary.operand), "NOT")

            def negate(rows: Rows) -> Vector:
                values, nulls = operand.run(rows)
                return ~values, nulls

            return self.fold(Term("boolean", negate, unary.position), operand)
        if isinstance(unary.operand, Literal) and unary.operand.kind in ("int", "numeric") and unary.operator in "+-":
            signed = self._literal(Literal(unary.operand.kind, unary.operand.text, unary.position))
            return signed if unary.operator == "+" else constant(signed.type, -signed.value, unary.position)
        operand = self.term(unary.operand)
        if operand.type == "unknown":
            operand = self.cast(operand, "double precision")
        kinds = INTEGERS if unary.operator == "~" else NUMBERS
        if operand.type not in kinds:
            raise SqlError(f"operator does not exist: {unary.operator} {operand.type}", unary.position, _NO_OPERATOR)
        return self.apply(*sqlfunctions.unary(unary.operator, operand.type), unary.position, operand)

    def _binary(self, binary: Binary) -> Term:
        operator, at = binary.operator, binary.position
        if operator in ("and", "or"):
            operands: list[Expression] = [binary.right]
            left = binary.left
            while isinstance(left, Binary) and left.operator == operator:  # a long list is a deep tree
                operands.append(left.right)
                left = left.left
            terms = [self._boolean(self.term(one), operator.upper()) for one in (left, *reversed(operands))]
            return self._joined(operator, terms, at)
        return self.operation(operator, self.term(binary.left), self.term(binary.right), at)

    def _joined(self, operator: str, terms: list[Term], at: int) -> Term:
        """Terms joined by ``and`` or ``or``, in a tree that is no deeper than it must be."""
        if len(terms) == 1:
            return terms[0]
        middle = len(terms) // 2
        left, right = self._joined(operator, terms[:middle], at), self._joined(operator, terms[middle:], at)
        term = Term("boolean", partial(sqlvalues.junction, operator, left, right), at, parts=(operator, left, right))
        return self.fold(term, left, right)

    def operation(self, operator: str, left: Term, right: Term, at: int) -> Term:
        """An infix operator on checked operands."""
        if left.type == right.type == "unknown":
            if operator in ("+", "-", "*", "/", "%", "^"):
                raise SqlError(
                    f"operator is not unique: unknown {operator} unknown",
                    at,
                    "Could not choose a best candidate operator. You might need to add explicit type casts.",
                )
            left, right = self.cast(left, "text"), self.cast(right, "text")
        if operator in TEXT_OPERATORS:
            return self._text_operation(operator, left, right, at)
        kind = sqlvalues.common(left.type, right.type)
        wanted: Sequence[str] = NUMBERS
        if operator in ("&", "|", "#", "<<", ">>"):
            wanted = tuple(INTEGERS)
        elif operator in _COMPARISONS or operator == "is distinct from":
            wanted = (*NUMBERS, "text", "boolean")
        elif operator not in ("+", "-", "*", "/", "%", "^"):
            wanted = ()
        if kind is None or kind not in wanted or (operator == "%" and kind in ("real", "double precision")):
            raise SqlError(f"operator does not exist: {left.type} {operator} {right.type}", at, _NO_OPERATOR)
        if operator == "^" and kind != "numeric":
            kind = "double precision"
        original = (operator, left, right)
        left, right = self.cast(left, kind), self.cast(right, kind)
        if operator in _COMPARISONS:
            return self._comparison(operator, left, right, at, original)
        if operator == "is distinct from":
            return self.fold(Term("boolean", partial(sqlvalues.distinct, left, right), at), left, right)
        if wanted is NUMBERS:
            return self.apply(kind, lambda a, b: sqlvalues.arithmetic(operator, a, b, kind), at, left, right)
        return self.apply(kind, lambda a, b: sqlvalues.bitwise(operator, a, b, kind), at, left, right)

    def _comparison(self, operator: str, left: Term, right: Term, at: int, parts: tuple[str, Term, Term]) -> Term:
        term = self.apply("boolean", partial(sqlvalues.compare, operator), at, left, right)
        if parts[1].column and right.constant:
            term.parts = (operator, parts[1].column, right.value)
        elif parts[2].column and left.constant:
            term.parts = (_MIRRORED[operator], parts[2].column, left.value)
        return term

    def _text_operation(self, operator: str, left: Term, right: Term, at: int) -> Term:
        joined = operator == "||"
        if not joined and not {left.type, right.type} <= {"text", "unknown"}:
            shown = {"like": "~~", "ilike": "~~*"}.get(operator, operator)
            raise SqlError(f"operator does not exist: {left.type} {shown} {right.type}", at, _NO_OPERATOR)
        left, right = self.cast(left, "text"), self.cast(right, "text")
        kind = "text" if joined else "boolean"
        return self.apply(kind, TEXT_OPERATORS[operator], at, left, right)

    # ---- the rest
    def _call(self, call: Call) -> Term:
        arguments, at = [self.term(argument) for argument in call.arguments], call.position
        name, count = call.name.removeprefix("pg_catalog."), len(arguments)
        kinds = [argument.type for argument in arguments]
        if name in ("drms.image_exists", "image_exists") and count == 1 and kinds[0] in (*INTEGERS, "unknown"):
            quality = self.cast(arguments[0], "bigint")
            return self.apply("boolean", lambda values: (values & 0x80000000) == 0, at, quality)
        wanted, kind, function = sqlfunctions.TEXT.get((name, count), ((), "", len))
        if wanted and all(have in (want, "unknown") for have, want in zip(kinds, wanted, strict=True)):
            cast = [self.cast(argument, want) for argument, want in zip(arguments, wanted, strict=True)]
            whole = sqlfunctions.on_objects(function)
            dtype: Any = {"integer": np.int64, "boolean": bool}.get(kind, object)
            return self.apply(kind, lambda *arrays: whole(*arrays).astype(dtype), at, *cast)
        if name in ("coalesce", "greatest", "least", "nullif") and count:
            return self._conditional(name, arguments, at)
        if name == "pi" and not count:
            return constant(_DOUBLE, math.pi, at)
        found = self._numeric(name, arguments, at)
        if found is None:
            raise SqlError(f"function {name}({', '.join(kinds)}) does not exist", at, _NO_FUNCTION)
        return found

    def _numeric(self, name: str, arguments: list[Term], at: int) -> Term | None:
        """A function of one or two numbers."""
        count = len(arguments)
        arguments = [self.cast(one, _DOUBLE) if one.type == "unknown" else one for one in arguments]
        if not count or any(one.type not in NUMBERS for one in arguments):
            return None
        kind = arguments[0].type
        if count == 1:
            if name == "abs":
                return self.apply(kind, lambda values: sqlfunctions.absolute(values, kind), at, arguments[0])
            if name == "round" or name in sqlfunctions.ROUNDING:
                result = kind if kind == "numeric" else _DOUBLE
                nearest = sqlfunctions.half_away if kind == "numeric" else np.rint
                function = sqlfunctions.ROUNDING.get(name, nearest)
                return self.apply(result, function, at, self.cast(arguments[0], result))
            if name in sqlfunctions.REAL:
                function = sqlfunctions.finite(sqlfunctions.REAL[name])
                return self.apply(_DOUBLE, function, at, self.cast(arguments[0], _DOUBLE))
        if count == 2:
            if name in ("mod", "power", "pow"):
                return self.operation("%" if name == "mod" else "^", arguments[0], arguments[1], at)
            if name == "div":
                pair = [self.cast(one, "numeric") for one in arguments]
                return self.apply(
                    "numeric", lambda a, b: np.trunc(sqlvalues.arithmetic("/", a, b, "numeric")), at, *pair
                )
            if name == "atan2":
                return self.apply(_DOUBLE, np.arctan2, at, *(self.cast(one, _DOUBLE) for one in arguments))
            if name in ("round", "trunc") and kind in ("numeric", *INTEGERS):
                pair = [self.cast(one, want) for one, want in zip(arguments, ("numeric", "integer"), strict=True)]
                cut = np.trunc if name == "trunc" else sqlfunctions.half_away
                return self.apply("numeric", partial(sqlfunctions.digits, cut), at, *pair)
        return None

    def _one_type(self, what: str, terms: list[Term]) -> list[Term]:
        """Terms of CASE or of a function like ``greatest`` in the type in which they meet."""
        kind = terms[0].type
        for term in terms[1:]:
            joint = sqlvalues.resolved(kind, term.type)
            if joint is None:
                raise SqlError(f"{what} types {kind} and {term.type} cannot be matched", term.position)
            kind = joint
        return [self.cast(term, "text" if kind == "unknown" else kind) for term in terms]

    def _conditional(self, name: str, arguments: list[Term], at: int) -> Term:
        terms = self._one_type(name.upper(), arguments)

        def run(rows: Rows) -> Vector:
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

        return self.fold(Term(terms[0].type, run, at), *terms)

    def _cast(self, cast: Cast) -> Term:
        return self.cast(self.term(cast.operand), cast.type)

    def cast(self, term: Term, kind: str) -> Term:
        """A term as another type; a quoted literal is read as a value of that type."""
        if term.type == kind:
            return term
        if term.type == "unknown":
            value = term.value
            return constant(kind, None if value is None else sqlvalues.parse(value, kind, term.position), term.position)
        if "boolean" in (term.type, kind) and not {term.type, kind} <= {"boolean", "integer", "text"}:
            raise SqlError(f"cannot cast type {term.type} to {kind}", term.position)
        source = term.type
        return self.apply(kind, lambda values: sqlvalues.convert(values, source, kind), term.position, term)

    def _is(self, test: Is) -> Term:
        operand = self.term(test.operand)
        if test.what != "null":
            operand = self._boolean(operand, f"IS {test.what.upper()}")

        def run(rows: Rows) -> Vector:
            values, nulls = operand.run(rows)
            missing = np.zeros(len(values), dtype=bool) if nulls is None else nulls
            if test.what in ("true", "false"):
                result = (values if test.what == "true" else ~values) & ~missing
            else:
                result = missing
            return ~result if test.negated else result, None

        return self.fold(Term("boolean", run, test.position), operand)

    def _anyall(self, test: AnyAll) -> Term:
        left, at = self.term(test.left), test.position
        if len(test.items) == 1 and isinstance(test.items[0], Select):
            kind, values = self._subselect(test.items[0])
            items = [constant(kind, value, at) for value in values]
        else:
            items = [self.term(item) for item in test.items]
        fast = self._in_integers(left, items, test)
        if fast is not None:
            return fast
        if test.listed and len(items) > 1:
            # the values of IN (…) meet the left side in one type, which for a real column and 0.5 is real
            kind = left.type
            for item in items:
                kind = item.type if kind == "unknown" else sqlvalues.resolved(kind, item.type) or kind
            left = self.cast(left, kind) if kind in NUMBERS and left.type in NUMBERS else left
            items = [
                self.cast(item, kind) if item.type in (*NUMBERS, "unknown") and kind in NUMBERS else item
                for item in items
            ]
        if len(items) > MOST_ITEMS:
            raise SqlError("canceling statement due to statement timeout")
        terms = [self.operation(test.operator, left, item, at) for item in items]
        if not terms:
            return constant("boolean", test.every, at)
        return self._joined("and" if test.every else "or", terms, at)

    def _in_integers(self, left: Term, items: list[Term], test: AnyAll) -> Term | None:
        """Membership in a list of whole numbers, which record numbers may make long."""
        if test.operator != "=" or test.every or left.type not in INTEGERS:
            return None
        if len(items) < 2 or not all(item.constant and item.type in INTEGERS for item in items):
            return None
        values = [item.value for item in items]
        if None in values:
            return None
        wanted = np.array(sorted(set(values)), dtype=np.int64)
        term = self.apply("boolean", lambda column: np.isin(column, wanted), test.position, left)
        if left.column:
            term.parts = ("in", left.column, wanted)
        return term

    def _case(self, case: Case) -> Term:
        conditions = [self._boolean(self.term(condition), "CASE/WHEN") for condition, _ in case.branches]
        results = [self.term(result) for _, result in case.branches]
        results.append(self.term(case.default) if case.default else constant("unknown", None, case.position))
        results = self._one_type("CASE", results)
        term = Term(results[0].type, partial(sqlvalues.choose, conditions, results), case.position)
        return self.fold(term, *conditions, *results)

    def _select(self, select: Select) -> Term:
        kind, values = self._subselect(select)
        if select.exists:
            return constant("boolean", bool(values), select.position)
        if len(values) > 1:
            raise SqlError("more than one row returned by a subquery used as an expression")
        return constant(kind, values[0] if values else None, select.position)

    def apply(self, kind: str, function: Callable[..., Array], at: int, *operands: Term) -> Term:
        """A function of values that gives NULL where an operand is NULL, and is not asked there."""

        def run(rows: Rows) -> Vector:
            vectors = [operand.run(rows) for operand in operands]
            nulls = None
            for _, missing in vectors:
                nulls = sqlvalues.either(nulls, missing)
            if nulls is None or not nulls.any():
                return function(*(values for values, _ in vectors)), nulls
            size = max(len(nulls), *(len(values) for values, _ in vectors))
            known = ~np.broadcast_to(nulls, size)
            some = function(*(np.broadcast_to(values, size)[known] for values, _ in vectors))
            result = np.zeros(size, dtype=some.dtype)
            result[known] = some
            return result, ~known

        return self.fold(Term(kind, run, at), *operands)

    @staticmethod
    def fold(term: Term, *operands: Term) -> Term:
        """A term of constants worked out, others as they are."""
        return sqlvalues.folded(term) if all(operand.constant for operand in operands) else term


def parse_condition(query: str, start: int, end: int) -> Expression:
    """
    Read the WHERE clause that stands between two positions of a query.

    Raises
    ------
    SqlError
        If it is no expression, or ends before or after `end`.
    """
    parser = Parser(query, start)
    expression = parser.expression()
    if parser.word().position < end or parser.word().kind == "end":
        parser.fail()
    return expression
