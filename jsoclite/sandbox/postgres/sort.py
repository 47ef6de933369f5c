"""
PostgreSQL's quicksort: in which order it leaves records that compare equal.

Versions of one record have the same prime keys, and the server asks for no further order, so what a client sees is
what the partitioning of Bentley and McIlroy (``sort_template.h``) happens to leave.
"""

from __future__ import annotations

from collections.abc import Sequence


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
