"""
PostgreSQL's values on numpy arrays: types, conversions, arithmetic and comparison.

A vector is an array of values and a mask of NULLs (None where there are none); constants have length one and
broadcast. Integers keep their width and overflow with PostgreSQL's message, NaN equals itself and is greater than any
other number, integer division drops the fraction. ``numeric`` is computed in double precision.

A `Term` is a checked expression on such vectors; some look at only a part of their operands. `intervals`
says which values of a column it can be true for, so that a series need not be searched from end to end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .parser import SqlError

Array: TypeAlias = npt.NDArray[Any]
Nulls: TypeAlias = "npt.NDArray[np.bool_] | None"
Vector: TypeAlias = tuple[Array, Nulls]

INTEGERS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
NUMBERS: Final = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TRUE: Final = "t tr tru true y ye yes on 1".split()  # noqa: SIM905 - quoted words say less
_FALSE: Final = "f fa fal fals false n no off 0".split()  # noqa: SIM905


def either(left: Nulls, right: Nulls) -> Nulls:
    """NULL where one of two operands is."""
    if left is None or right is None:
        return right if left is None else left
    return left | right


def parse(text: str, kind: str, position: int | None) -> Any:
    """The value of a quoted literal once its type is known."""
    word = text.strip()
    try:
        if kind in NUMBERS and "_" in word:
            raise ValueError
        if kind in INTEGERS:
            value = int(word)
            if not -(1 << (INTEGERS[kind] - 1)) <= value < 1 << (INTEGERS[kind] - 1):
                raise SqlError(f'value "{text}" is out of range for type {kind}', position)
            return value
        if kind in NUMBERS:
            return float(word)
        if kind == "boolean":
            if word.lower() not in _TRUE + _FALSE:
                raise ValueError
            return word.lower() in _TRUE
    except ValueError:
        raise SqlError(f'invalid input syntax for type {kind}: "{text}"', position) from None
    return text


def common(left: str, right: str) -> str | None:
    """Type in which two operands meet; None where there is none."""
    if left == right:
        return left
    if left == "unknown" or right == "unknown":
        return right if left == "unknown" else left
    if left in NUMBERS and right in NUMBERS:
        if "double precision" in (left, right) or ("real" in (left, right)):
            return "double precision"
        return max(left, right, key=NUMBERS.index)
    return None


def resolved(left: str, right: str) -> str | None:
    """Type in which values of a list, of CASE or of a function like ``greatest`` meet; None where there is none."""
    return max(left, right, key=NUMBERS.index) if left in NUMBERS and right in NUMBERS else common(left, right)


def check(values: Array, kind: str) -> Array:
    """Integers of a narrower type than 64 bits, or the error that one of them does not fit."""
    bits = INTEGERS[kind]
    if bits < 64 and values.size and (values.min() < -(1 << (bits - 1)) or values.max() >= 1 << (bits - 1)):
        raise SqlError(f"{kind} out of range")
    return values


def convert(values: Array, source: str, target: str) -> Array:
    """Values of one type as another, with PostgreSQL's rounding: real numbers half to even, ``numeric`` half away."""
    if source == target:
        return values
    if source == "text":
        kind: Any = np.int64 if target in INTEGERS else np.float64 if target in NUMBERS else bool
        return np.array([parse(value, target, None) for value in values.tolist()], dtype=kind)
    if target in INTEGERS:
        if source in INTEGERS:
            return check(values, target)
        if source == "boolean":
            return values.astype(np.int64)
        limit = 2.0 ** (INTEGERS[target] - 1)
        rounded = np.rint(values) if source != "numeric" else np.trunc(values + np.copysign(0.5, values))
        if not ((rounded >= -limit) & (rounded < limit)).all():
            raise SqlError(f"{target} out of range")
        return rounded.astype(np.int64)
    if target in NUMBERS:
        values = values.astype(np.float64)
        return values.astype(np.float32).astype(np.float64) if target == "real" else values
    if target == "boolean":
        return np.asarray(values != 0)
    return np.array([_text(value, source) for value in values.tolist()], dtype=object)


def _text(value: Any, source: str) -> str:
    if source == "boolean":
        return "true" if value else "false"
    if source in INTEGERS:
        return str(value)
    text = str(np.float32(value)) if source == "real" else repr(value)
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text.removesuffix(".0"))


# ----------------------------------------------------------------------------------------------------- arithmetic
def arithmetic(operator: str, left: Array, right: Array, kind: str) -> Array:
    """``+ - * / % ^`` of operands that already have the same type."""
    if kind in INTEGERS and operator != "^":
        return _whole(operator, left, right, kind)
    with np.errstate(all="ignore"):
        if operator in ("/", "%") and (right == 0).any():
            raise SqlError("division by zero")
        result: Array = _REAL_OPERATIONS[operator](left, right)
        finite = np.isfinite(left) & np.isfinite(right)
        if kind != "numeric" and (np.isinf(result) & finite).any():
            raise SqlError("value out of range: overflow")
    return result.astype(np.float32).astype(np.float64) if kind == "real" else result


_REAL_OPERATIONS: Final[dict[str, Callable[[Array, Array], Array]]] = dict(
    zip("+-*/%^", (np.add, np.subtract, np.multiply, np.divide, np.fmod, np.power), strict=True)
)


def _whole(operator: str, left: Array, right: Array, kind: str) -> Array:
    if operator in ("/", "%"):
        if (right == 0).any():
            raise SqlError("division by zero")
        if operator == "%":
            return np.asarray(np.fmod(left, right))
        quotient = np.asarray(np.abs(left) // np.abs(right) * np.sign(left) * np.sign(right))
        return check(quotient, kind)
    with np.errstate(over="ignore"):
        result = np.asarray(_REAL_OPERATIONS[operator](left, right))
        if INTEGERS[kind] == 64:
            exact = _REAL_OPERATIONS[operator](left.astype(np.float64), right.astype(np.float64))
            # near the limit the real result may be off by its last digits, but the wrapped one by 2**64
            if (np.abs(exact - result.astype(np.float64)) > 2.0**62).any():
                raise SqlError("bigint out of range")
    return check(result, kind)


def bitwise(operator: str, left: Array, right: Array, kind: str) -> Array:
    """``& | # << >>`` of integers."""
    if operator in ("<<", ">>"):
        bits = INTEGERS[kind]
        by = right & (bits - 1)
        shifted = left << by if operator == "<<" else left >> by
        if bits == 64:
            return np.asarray(shifted)
        wrapped = (shifted + (1 << (bits - 1))) & ((1 << bits) - 1)
        return np.asarray(wrapped - (1 << (bits - 1)))
    return np.asarray({"&": np.bitwise_and, "|": np.bitwise_or, "#": np.bitwise_xor}[operator](left, right))


def compare(operator: str, left: Array, right: Array) -> npt.NDArray[np.bool_]:
    """``= <> < <= > >=`` of operands of one type, NaN equal to itself and greater than all."""
    if operator[0] == ">":
        left, right, operator = right, left, operator.replace(">", "<")
    real = left.dtype.kind == "f" or right.dtype.kind == "f"
    with np.errstate(invalid="ignore"):
        if operator == "<":
            less = np.asarray(left < right, dtype=bool)
            return less | (~np.isnan(left) & np.isnan(right)) if real else less
        found = np.asarray(left <= right if operator == "<=" else left == right, dtype=bool)
    if real:
        found |= np.isnan(right) if operator == "<=" else np.isnan(left) & np.isnan(right)
    return ~found if operator == "<>" else found


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


#: Closed intervals, sorted and apart; infinite where open.
Intervals: TypeAlias = list[tuple[float, float]]
ALL: Intervals = [(-math.inf, math.inf)]


def intervals(term: Term | None, column: str, whole: bool) -> Intervals:
    """
    Values of a column outside of which a condition is certainly not true.

    Parameters
    ----------
    term : Term or None
        The condition; None is always true.
    column : str
        Name of a column of numbers.
    whole : bool
        Whether it holds whole numbers only, so that ``<`` can exclude its limit.

    Returns
    -------
    list of (low, high)
        Possibly larger than need be, never too small; empty where the condition cannot be true.
    """
    if term is None:
        return ALL
    if term.constant:
        value = term.value
        return ALL if value is not None and bool(value) else []
    if not term.parts:
        return ALL
    operator, left, right = term.parts
    if operator == "and":
        return _intersection(intervals(left, column, whole), intervals(right, column, whole))
    if operator == "or":
        return union([*intervals(left, column, whole), *intervals(right, column, whole)])
    if left != column:
        return ALL
    if operator == "in":
        return union((value, value) for value in right.tolist())
    return _comparison(operator, right, whole)


def _comparison(operator: str, value: Any, whole: bool) -> Intervals:
    if value is None:
        return []
    if isinstance(value, str):
        return ALL
    number = value if isinstance(value, int) else value.item() if isinstance(value, np.generic) else float(value)
    if number != number:  # NaN is greater than all numbers
        return [] if operator in (">", "=", ">=") and whole else ALL
    sharp = whole and abs(number) < 1 << 62
    limits = {
        "=": (number, number),
        "<": (-math.inf, math.ceil(number) - 1 if sharp else number),
        "<=": (-math.inf, number),
        ">": (math.floor(number) + 1 if sharp else number, math.inf),
        ">=": (number, math.inf),
    }
    return [limits[operator]] if operator in limits else ALL


def union(parts: Iterable[tuple[float, float]]) -> Intervals:
    """Intervals joined where they overlap or touch."""
    return merged(sorted(part for part in parts if part[0] <= part[1]), 0)


def _intersection(one: Intervals, other: Intervals) -> Intervals:
    result, first, second = [], 0, 0
    while first < len(one) and second < len(other):
        low, high = max(one[first][0], other[second][0]), min(one[first][1], other[second][1])
        if low <= high:
            result.append((low, high))
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
    return result


def merged(parts: Intervals, gap: float) -> Intervals:
    """Intervals joined across gaps that are not worth a search of their own."""
    result: Intervals = []
    for low, high in parts:
        if result and low <= result[-1][1] + gap:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def hull(parts: Intervals) -> tuple[float, float] | None:
    """Least interval around all, None for nothing."""
    return (parts[0][0], parts[-1][1]) if parts else None
