"""
Many numbers → few words → few record sets, within what the server can hold.

Two buffers count. ``jsoc_export_manage.c`` refuses ``fits`` exports of 4096 characters and more, after
``jsoc_fetch.c`` has added its quality filter to each element; longer sets are accepted first and fail later. And
``drms_names.c`` writes the filters of an element as SQL into 8192 characters, where a range takes three times as many
as in the record set.

`cover` writes a set of integers as runs (``#10-#30``), strides (``#10-#30@4``) and single numbers (``#50``).

A run or a stride stands for every record number (or slot) on it that exists, so here it consists of wanted numbers
only: the cover is exact whatever else the series holds. `@k` counts from the start of its range (``drms_names.c``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

# the longest record set, counting what the server adds to each element: `[? drms.image_exists(quality) ?]`
MAX_CHARACTERS = 4000
QUALITY_FILTER = 32
# The most records of a set: the server stops at 75,000, or before where records are large (drms_record.c).
MAX_ROWS = 50_000
# the longest SQL of an element; the rest of the buffer is for the quality filter
MAX_SQL = 8100

# `( recnum=… ) OR `, `( …<=recnum AND recnum<=… ) OR `, ` AND (recnum-…)%…=0 ` (sql_recnum_set)
_SINGLE_SQL, _RANGE_SQL, _STEP_SQL = 15, 29, 18


def fill(
    words: Sequence[str], room: int, *, sql: Sequence[int] | None = None, extra: int = 0, most: int | None = None
) -> Iterator[list[str]]:
    """
    Fill lists of words, comma-separated, in order.

    Parameters
    ----------
    words : sequence of str
        None longer than `room`.
    room : int
        Characters of one list.
    sql : sequence of int, optional
        SQL characters of each word; a list has `MAX_SQL` of them.
    extra : int
        Characters that come with every word but the first of a list.
    most : int, optional
        Words of one list.
    """
    group: list[str] = []
    used = written = 0
    for place, word in enumerate(words):
        need = len(word) + (1 + extra if group else 0)
        write = 0 if sql is None else sql[place]
        if group and (used + need > room or written + write > MAX_SQL or len(group) == most):
            yield group
            group, used, written, need = [], 0, 0, len(word)
        group.append(word)
        used += need
        written += write
    if group:
        yield group


def pack_recnums(wanted: Numbers, room: int) -> list[str]:
    """
    Write record numbers as few lists of items as possible.

    Parameters
    ----------
    wanted : ndarray of int64
        Record numbers.
    room : int
        Characters of a list.

    Returns
    -------
    list of str
        Such as ``#10-#30@4,#50``.
    """
    items = cover(wanted)
    if _fits(items, room):
        return [",".join(item.text() for item in items)]
    # Where one list is not enough, the share of a list that an item takes is what counts: of its characters, or of
    # its SQL. Numbers alone become `recnum in (…)`, with no more SQL than text; hence they are packed apart.
    digits = len(str(int(wanted[-1])))
    share = room / MAX_SQL
    run = max(2 * digits + 4, share * (2 * digits + _RANGE_SQL))
    stride = max(2 * digits + 7, share * (3 * digits + _RANGE_SQL + _STEP_SQL + 2))
    items = cover(wanted, Price(digits + 2, run, stride))
    packed = _pack_apart(items, room)
    alone = list(fill([f"#{number}" for number in wanted.tolist()], room))
    return [",".join(words) for words in (packed if len(packed) <= len(alone) else alone)]


def _pack_apart(items: Sequence[Item], room: int) -> list[list[str]]:
    """Pack ranges first, fill up the last list of them with single numbers, and pack the rest of these."""
    ranges = [item for item in items if len(item) > 1]
    singles = [item.text() for item in items if len(item) == 1]
    lists = list(fill([item.text() for item in ranges], room, sql=[_sql(item) for item in ranges]))
    if lists and singles:
        last = lists[-1]
        width = max(map(len, singles)) + 1
        sql = MAX_SQL - sum(_sql(item) for item in ranges[len(ranges) - len(last) :])
        more = min((room - len(",".join(last))) // width, sql // (width + _SINGLE_SQL))
        last += singles[:more]
        singles = singles[more:]
    return [*lists, *fill(singles, room)]


def _fits(items: Sequence[Item], room: int) -> bool:
    if sum(len(item.text()) + 1 for item in items) - 1 > room:
        return False
    return all(len(item) == 1 for item in items) or sum(map(_sql, items)) <= MAX_SQL


def _sql(item: Item) -> int:
    """Length of the SQL of an item beside ranges."""
    text = len(item.text())
    if len(item) == 1:
        return text + _SINGLE_SQL
    return text + _RANGE_SQL + (_STEP_SQL + len(str(item.start)) if item.step > 1 else 0)


Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

# Where to look for the period of a pattern: neighbours this far apart in the sorted selection, in windows of so many
# numbers; and how many of the commonest distances are tried as strides.
_NEIGHBOURS, _WINDOW, _WINDOWS, _STRIDES = 24, 4096, 5, 24


class Price(NamedTuple):
    """
    What the words of a cover cost, with the comma behind them.

    Attributes
    ----------
    single, run, stride : float
        A single number, and progressions of any length with step 1 and with a larger step.
    """

    single: float
    run: float
    stride: float


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """
    An arithmetic progression.

    Attributes
    ----------
    start, stop : int
        First and last number.
    step : int
        Distance of neighbours; 1 for a single number.
    """

    start: int
    stop: int
    step: int = 1

    def __len__(self) -> int:
        return (self.stop - self.start) // self.step + 1

    def text(self) -> str:
        """Print the item as the server reads it."""
        if self.start == self.stop:
            return f"#{self.start}"
        step = f"@{self.step}" if self.step > 1 else ""
        return f"#{self.start}-#{self.stop}{step}"


def cover(numbers: Iterable[int] | Numbers, price: Price | None = None) -> list[Item]:
    """
    Cover a set of numbers with few short items, each number once.

    Parameters
    ----------
    numbers : iterable of int
        Order and repetitions do not matter.
    price : Price, optional
        What is to be saved; by default characters.

    Returns
    -------
    list of Item
        Sorted; together exactly `numbers`. Greedy: the step that saves most comes first.

    Examples
    --------
    >>> [item.text() for item in cover([10, 14, 18, 22, 50])]
    ['#10-#22@4', '#50']
    """
    wanted = np.unique(np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers), dtype=np.int64))
    if len(wanted) == 0:
        return []
    if price is None:
        digits = len(str(int(wanted[-1])))
        price = Price(digits + 2, 2 * digits + 4, 2 * digits + 7)
    return _Greedy(wanted, price).items()


class _Greedy:
    """Takes the progressions of one step after another out of a set: first the step that saves most characters."""

    def __init__(self, wanted: Numbers, price: Price) -> None:
        self.wanted, self.price = wanted, price
        self.free = np.ones(len(wanted), dtype=bool)
        self.orders: dict[int, Numbers] = {}

    def items(self) -> list[Item]:
        taken: list[Item] = []
        # What a step can save only shrinks while numbers are taken away, so an old figure is an upper bound (lazy
        # greedy).
        heap = [(-len(self.wanted) * self.price.single, step) for step in _strides(self.wanted)]
        heapq.heapify(heap)
        while heap:
            _, step = heapq.heappop(heap)
            gain, chains = self._worth(step)
            if gain <= 0:
                continue
            if heap and gain < -heap[0][0]:
                heapq.heappush(heap, (-gain, step))
                continue
            for chain in chains:
                self.free[chain] = False
                taken.append(Item(int(self.wanted[chain[0]]), int(self.wanted[chain[-1]]), step))
        taken += [Item(number, number) for number in self.wanted[self.free].tolist()]
        return sorted(taken)

    def _worth(self, step: int) -> tuple[float, Iterator[Numbers]]:
        """Find what progressions of `step` save among the free numbers, and the places of each in the set."""
        order = self.orders.get(step)
        if order is None:
            order = np.arange(len(self.wanted)) if step == 1 else np.lexsort((self.wanted, self.wanted % step))
        order = self.orders[step] = order[self.free[order]]
        if len(order) == 0:
            return 0, iter(())
        breaks = np.flatnonzero(np.diff(self.wanted[order]) != step) + 1
        starts, stops = np.concatenate(([0], breaks)), np.concatenate((breaks, [len(order)]))
        gains = (stops - starts) * self.price.single - (self.price.run if step == 1 else self.price.stride)
        good = np.flatnonzero(gains > 0)
        places = (order[start:stop] for start, stop in zip(starts[good].tolist(), stops[good].tolist(), strict=True))
        return float(gains[good].sum()), places


def _strides(wanted: Numbers) -> list[int]:
    """Find the distances that are common between near neighbours of a sorted set."""
    distances = []
    last = max(len(wanted) - _WINDOW, 0)
    for begin in {last * i // max(_WINDOWS - 1, 1) for i in range(_WINDOWS)}:
        window = wanted[begin : begin + _WINDOW]
        distances += [window[lag:] - window[:-lag] for lag in range(1, min(_NEIGHBOURS, len(window) - 1) + 1)]
    if not distances:
        return [1]
    values, counts = np.unique(np.concatenate(distances), return_counts=True)
    best = values[np.argsort(-counts, kind="stable")[:_STRIDES]]
    return sorted({1, *best.tolist()})
