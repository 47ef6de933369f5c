"""
Many numbers → few words: a set of integers as runs (``#10-#30``), strides (``#10-#30@4``) and single numbers (``#50``).

A run or a stride stands for every record number (or slot) on it that exists, so here it consists of wanted numbers
only: the cover is exact whatever else the series holds. `@k` counts from the start of its range (``drms_names.c``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

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
