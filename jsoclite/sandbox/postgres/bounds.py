"""
Which values of a column a condition can be true for, so that a series need not be searched from end to end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from .values import Term

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
    if operator == "=":
        return [(number, number)]
    if operator in ("<", "<="):
        if whole and operator == "<":
            number = math.ceil(number) - 1 if abs(number) < 1 << 62 else number
        return [(-math.inf, number)]
    if operator in (">", ">="):
        if whole and operator == ">":
            number = math.floor(number) + 1 if abs(number) < 1 << 62 else number
        return [(number, math.inf)]
    return ALL


def union(parts: Iterable[tuple[float, float]]) -> Intervals:
    """Intervals joined where they overlap or touch."""
    result: Intervals = []
    for low, high in sorted(part for part in parts if part[0] <= part[1]):
        if result and low <= result[-1][1]:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


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
        if result and low - result[-1][1] <= gap:
            result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return result


def hull(parts: Intervals) -> tuple[float, float] | None:
    """Least interval around all, None for nothing."""
    return (parts[0][0], parts[-1][1]) if parts else None
