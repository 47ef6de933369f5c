"""
Checked SQL expressions, and the evaluation of those that look at only some of their operands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .values import INTEGERS, Array, Vector, compare


class Rows:
    """Columns of some records, fetched when first asked for."""

    def __init__(self, count: int, fetch: Callable[[str], Vector]) -> None:
        self.count, self._fetch = count, fetch
        self._cache: dict[str, Vector] = {}

    def column(self, name: str) -> Vector:
        """Values and NULLs of one column."""
        if name not in self._cache:
            self._cache[name] = self._fetch(name)
        return self._cache[name]

    @property
    def used(self) -> set[str]:
        """Names of the columns that were asked for."""
        return set(self._cache)

    def take(self, rows: npt.NDArray[np.bool_]) -> Rows:
        """Only some of the records."""
        if rows.all():
            return self
        where = np.flatnonzero(rows)

        def fetch(name: str) -> Vector:
            values, nulls = self.column(name)
            return values[where], None if nulls is None else nulls[where]

        return Rows(len(where), fetch)


@dataclass(slots=True)
class Term:
    """
    A checked expression.

    Attributes
    ----------
    type : str
        PostgreSQL's name of its type, ``unknown`` for a bare quoted literal.
    run : callable
        From `Rows` to values and NULLs; constants give one value.
    position : int
        Where it stands in the query.
    constant : bool
        Whether it is the same for all records.
    column : str
        The column that it is, if it is nothing else.
    parts : tuple
        Operator and operands of ``and``, ``or`` and comparisons, for `sqlbounds`.
    """

    type: str
    run: Callable[[Rows], Vector]
    position: int
    constant: bool = False
    column: str = ""
    parts: tuple[Any, ...] = field(default=())

    @property
    def value(self) -> Any:
        """Value of a constant, None for NULL."""
        values, nulls = self.run(_NO_ROWS)
        return None if nulls is not None and nulls[0] else values[0]


def _nowhere(name: str) -> Vector:
    raise AssertionError(f"{name} is no constant")


_NO_ROWS = Rows(1, _nowhere)


def constant(kind: str, value: Any, position: int) -> Term:
    """A constant term; None is NULL."""
    dtype = object if kind in ("text", "unknown") else bool if kind == "boolean" else None
    if value is None:
        filler = {"text": "", "unknown": "", "boolean": False}.get(kind, 0 if kind in INTEGERS else 0.0)
        vector: Vector = (np.array([filler], dtype=dtype), np.array([True]))
    else:
        vector = (np.array([value], dtype=dtype if dtype else np.int64 if kind in INTEGERS else np.float64), None)
    return Term(kind, lambda rows: vector, position, constant=True)


def folded(term: Term) -> Term:
    """Work out a term of constants now, as the planner does, errors included."""
    values, nulls = term.run(_NO_ROWS)
    term.run, term.constant = lambda rows: (values, nulls), True
    return term


def full(vector: Vector, count: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """True where true, and where NULL, of a boolean vector."""
    values = np.broadcast_to(vector[0], count).astype(bool)
    nulls = np.zeros(count, dtype=bool) if vector[1] is None else np.broadcast_to(vector[1], count)
    return values & ~nulls, np.asarray(nulls)


def junction(operator: str, left: Term, right: Term, rows: Rows) -> Vector:
    """``AND`` or ``OR``: the right side is evaluated only where the left one does not decide."""
    true, null = full(left.run(rows), rows.count)
    open_rows = ~true if operator == "or" else true | null
    if not open_rows.any():
        return true, null
    some_true, some_null = full(right.run(rows.take(open_rows)), int(open_rows.sum()))
    right_true, right_null = np.zeros(rows.count, dtype=bool), np.zeros(rows.count, dtype=bool)
    right_true[open_rows], right_null[open_rows] = some_true, some_null
    if operator == "or":
        result = true | right_true
        return result, (null | right_null) & ~result
    known_false = (~true & ~null) | (open_rows & ~right_true & ~right_null)
    return true & right_true, (null | right_null) & ~known_false


def distinct(left: Term, right: Term, rows: Rows) -> Vector:
    """``IS DISTINCT FROM``, for which NULL is a value like any other."""
    (a, a_null), (b, b_null) = left.run(rows), right.run(rows)
    a_missing: Any = False if a_null is None else a_null
    b_missing: Any = False if b_null is None else b_null
    return np.asarray(np.where(a_missing | b_missing, a_missing != b_missing, compare("<>", a, b)), dtype=bool), None


def choose(conditions: list[Term], results: list[Term], rows: Rows) -> Vector:
    """``CASE``: each result is evaluated only for the records that get it; the last one needs no condition."""
    values: Array | None = None
    nulls = np.ones(rows.count, dtype=bool)
    left = np.ones(rows.count, dtype=bool)
    for number, result in enumerate(results):
        here = left.copy()
        if number < len(conditions) and left.any():
            here[left] = full(conditions[number].run(rows.take(left)), int(left.sum()))[0]
        left &= ~here
        if not here.any():
            continue
        some, missing = result.run(rows.take(here))
        count = int(here.sum())
        if values is None:
            values = np.zeros(rows.count, dtype=some.dtype)
        values[here] = np.broadcast_to(some, count)
        nulls[here] = False if missing is None else np.broadcast_to(missing, count)
    return np.zeros(rows.count) if values is None else values, nulls
