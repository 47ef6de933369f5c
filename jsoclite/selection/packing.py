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

_POWERS = 10 ** np.arange(19, dtype=np.int64)

Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Items: TypeAlias = Numbers  # rows of start, stop, step


def fill(
    words: Sequence[str], room: int, *, sql: Sequence[int] | None = None, extra: int = 0, most: int | None = None
) -> Iterator[Sequence[str]]:
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
    widths = np.fromiter(map(len, words), dtype=np.int64)
    lengths = None if sql is None else np.array(sql, dtype=np.int64)
    for start, stop in _spans(widths, room, sql=lengths, extra=extra, most=most):
        yield words[start:stop]


def _spans(
    widths: Numbers, room: int, *, sql: Numbers | None = None, extra: int = 0, most: int | None = None
) -> list[tuple[int, int]]:
    """Say which words of these widths make a list; see `fill`."""
    limits = [(np.cumsum(widths + 1 + extra), room + 1 + extra)]
    if sql is not None:
        limits.append((np.cumsum(sql), MAX_SQL))
    found, start = [], 0
    while start < len(widths):
        stops = [int(np.searchsorted(sums, most + (sums[start - 1] if start else 0), "right")) for sums, most in limits]
        stop = max(start + 1, min(*stops, start + (most or len(widths)), len(widths)))
        found.append((start, stop))
        start = stop
    return found


def pack_recnums(wanted: Numbers, room: int) -> list[str]:
    """
    Write record numbers as few lists of items as possible.

    Parameters
    ----------
    wanted : ndarray of int64
        Record numbers, sorted.
    room : int
        Characters of a list.

    Returns
    -------
    list of str
        Such as ``#10-#30@4,#50``.
    """
    greedy = _Greedy(wanted)
    items = greedy.items()
    widths, sql = _sizes(items)
    if widths.sum() + len(items) - 1 <= room and (sql.sum() <= MAX_SQL or (items[:, 0] == items[:, 1]).all()):
        return [_print(items)]
    # Where one list is not enough, the share of a list that an item takes is what counts: of its characters, or of
    # its SQL. Numbers alone become `recnum in (…)`, with no more SQL than text; hence they are packed apart.
    digits = len(str(int(wanted[-1])))
    share = room / MAX_SQL
    run = max(2 * digits + 4, share * (2 * digits + _RANGE_SQL))
    stride = max(2 * digits + 7, share * (3 * digits + _RANGE_SQL + _STEP_SQL + 2))
    packed = _pack_apart(greedy.items(Price(digits + 2, run, stride)), room)
    alone = _spans(_digits(wanted) + 1, room)
    if len(packed) <= len(alone):
        return [_print(items) for items in packed]
    return [_print(_singles(wanted[start:stop])) for start, stop in alone]


def _pack_apart(items: Items, room: int) -> list[Items]:
    """Pack ranges first, fill up the last list of them with single numbers, and pack the rest of these."""
    single = items[:, 0] == items[:, 1]
    ranges, singles = items[~single], items[single]
    widths, sql = _sizes(ranges)
    spans = _spans(widths, room, sql=sql)
    found = [ranges[start:stop] for start, stop in spans]
    if found and len(singles):
        last = spans[-1][0]
        width = int(_sizes(singles)[0].max()) + 1
        left = room - int(widths[last:].sum()) - len(found[-1]) + 1
        more = min(left // width, (MAX_SQL - int(sql[last:].sum())) // (width + _SINGLE_SQL))
        found[-1] = np.concatenate((found[-1], singles[:more]))
        singles = singles[more:]
    return [*found, *(singles[start:stop] for start, stop in _spans(_sizes(singles)[0], room))]


def _sizes(items: Items) -> tuple[Numbers, Numbers]:
    """Characters of items, and of their SQL beside ranges."""
    start, stop, step = items.T
    single, strided = start == stop, step > 1
    digits = _digits(start)
    widths = np.where(single, 1 + digits, 3 + digits + _digits(stop) + np.where(strided, 1 + _digits(step), 0))
    return widths, widths + np.where(single, _SINGLE_SQL, _RANGE_SQL + np.where(strided, _STEP_SQL + digits, 0))


def _digits(numbers: Numbers) -> Numbers:
    return np.maximum(np.searchsorted(_POWERS, numbers, "right"), 1)


def _print(items: Items) -> str:
    """Print items as the server reads them."""
    return ",".join(_word(*row) for row in items.tolist())


def _word(start: int, stop: int, step: int) -> str:
    return f"#{start}" if start == stop else f"#{start}-#{stop}@{step}" if step > 1 else f"#{start}-#{stop}"


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

    def of(self, step: int) -> float:
        """The cost of a progression."""
        return self.run if step == 1 else self.stride


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
        return _word(self.start, self.stop, self.step)


def cover(numbers: Iterable[int] | Numbers) -> list[Item]:
    """
    Cover a set of numbers with few short items, each number once.

    Parameters
    ----------
    numbers : iterable of int
        Order and repetitions do not matter.

    Returns
    -------
    list of Item
        Sorted; together exactly `numbers`. Greedy: the step that saves most comes first.

    Examples
    --------
    >>> [item.text() for item in cover([10, 14, 18, 22, 50])]
    ['#10-#22@4', '#50']
    """
    wanted = distinct(np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers), dtype=np.int64))
    return [Item(*row) for row in _Greedy(wanted).items().tolist()] if len(wanted) else []


def distinct(numbers: Numbers) -> Numbers:
    """Return the numbers in order, each once. `numpy.unique` may hash them, ten times as slow."""
    if (np.diff(numbers) > 0).all():
        return numbers
    ordered = np.sort(numbers)
    found: Numbers = ordered[np.append(True, np.diff(ordered) > 0)]
    return found


class _Greedy:
    """Takes the progressions of one step after another out of a set: first the step that saves most characters."""

    def __init__(self, wanted: Numbers) -> None:
        self.wanted = wanted
        self.chained: dict[int, Numbers] = {}  # by step: places of numbers with a neighbour, chain after chain

    def items(self, price: Price | None = None) -> Items:
        """Return the items, sorted, that save most of what `price` says; by default characters."""
        wanted = self.wanted
        if price is None:
            digits = len(str(int(wanted[-1])))
            price = Price(digits + 2, 2 * digits + 4, 2 * digits + 7)
        step = int(wanted[-1] - wanted[0]) // max(len(wanted) - 1, 1)
        if len(wanted) * price.single > price.of(step) and (np.diff(wanted) == step).all():  # one progression
            return np.array([[wanted[0], wanted[-1], step]])
        free = np.ones(len(wanted), dtype=bool)
        orders = {step: self.chained.get(step) for step in _strides(wanted)}
        taken = []
        # What a step can save only shrinks while numbers are taken away, so an old figure is an upper bound (lazy
        # greedy).
        heap = [(-len(wanted) * price.single, step) for step in orders]
        while heap and free.any():
            _, step = heapq.heappop(heap)
            order = orders[step]
            if order is None:
                order = self.chained[step] = self._chains(step)
            order = order[free[order]]
            starts, stops = _runs(wanted[order], step)
            gains = (stops - starts) * price.single - price.of(step)
            # a chain that saves nothing never will: chains are only cut
            good = gains > 0
            starts, stops, gain = starts[good], stops[good], float(gains[good].sum())
            if gain <= 0:
                continue
            if heap and gain < -heap[0][0]:
                orders[step] = order[_within(starts, stops, len(order))]
                heapq.heappush(heap, (-gain, step))
                continue
            free[order[_within(starts, stops, len(order))]] = False
            ends = wanted[order[starts]], wanted[order[stops - 1]]
            taken.append(np.stack((*ends, np.full(len(starts), step)), axis=1))
        items = np.concatenate((*taken, _singles(wanted[free])))
        return items[np.argsort(items[:, 0])]

    def _chains(self, step: int) -> Numbers:
        """Find the places of all numbers that have a neighbour `step` away, one chain behind the other."""
        if step == 1:
            order = np.arange(len(self.wanted))
        else:
            left = self.wanted % step
            order = np.argsort(left.astype(np.uint16) if step < 2**16 else left, kind="stable")  # of 16 bits: by radix
        starts, stops = _runs(self.wanted[order], step)
        long = stops - starts > 1
        found: Numbers = order[_within(starts[long], stops[long], len(order))]
        return found


def _runs(values: Numbers, step: int) -> tuple[Numbers, Numbers]:
    """Cut values where neighbours are not `step` apart."""
    breaks = np.flatnonzero(np.diff(values) != step) + 1
    return (np.append(0, breaks), np.append(breaks, len(values))) if len(values) else (breaks, breaks)


def _within(starts: Numbers, stops: Numbers, count: int) -> Any:
    """Tell the places that lie in ranges, which do not overlap."""
    depth = np.zeros(count + 1, dtype=np.int8)
    depth[starts] += 1
    depth[stops] -= 1
    return np.cumsum(depth[:-1], dtype=np.int8).view(bool)


def _singles(numbers: Numbers) -> Items:
    return np.stack((numbers, numbers, np.ones_like(numbers)), axis=1)


def _strides(wanted: Numbers) -> list[int]:
    """Find the distances that are common between near neighbours of a sorted set."""
    parts = []
    last = max(len(wanted) - _WINDOW, 0)
    for begin in {last * i // max(_WINDOWS - 1, 1) for i in range(_WINDOWS)}:
        window = wanted[begin : begin + _WINDOW]
        parts += [window[lag:] - window[:-lag] for lag in range(1, min(_NEIGHBOURS, len(window) - 1) + 1)]
    if not parts:
        return [1]
    distances = np.concatenate(parts)
    if distances.max() < 2**20:
        counts = np.bincount(distances)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(distances, return_counts=True)
    best = values[np.argsort(-counts, kind="stable")[:_STRIDES]]
    return sorted({1, *best.tolist()})
