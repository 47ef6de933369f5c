"""
The tree of an SQL expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: `kind` is ``int``, ``numeric``, ``text`` (type still unknown), ``bool`` or ``null``."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Name:
    """A column, with the qualification that was written."""

    parts: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Unary:
    """A prefix operator, or ``not``."""

    operator: str
    operand: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Binary:
    """An infix operator: arithmetic, comparison, ``and``, ``or``, ``like``, ``is distinct from``…"""

    operator: str
    left: Expression
    right: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function."""

    name: str
    arguments: tuple[Expression, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Cast:
    """``x::type`` or ``cast(x as type)``."""

    operand: Expression
    type: str
    position: int


@dataclass(frozen=True, slots=True)
class Is:
    """``x is [not] null|true|false|unknown``."""

    operand: Expression
    what: str
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class AnyAll:
    """``x op any|all (array)``, or with `listed` ``x in (…)``."""

    operator: str
    left: Expression
    items: tuple[Expression, ...]
    every: bool
    position: int
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """``case when … then … else … end``."""

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression | None
    position: int


@dataclass(frozen=True, slots=True)
class Select:
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
