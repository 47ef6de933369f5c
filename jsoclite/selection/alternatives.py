"""
Shorter record sets that only the server can vouch for.

What record numbers cannot say in one set (a region's records among those of all other regions, a random tenth of a
day) slots or offsets often can: ``[377][#947000-#948000]``, ``[:#100-#900][? recnum-100 in (0,7,30) ?]``,
``[? (HARPNUM=377 and T_REC_index-947000 in (0,7)) or (HARPNUM=381 and T_REC_index-947000 in (30)) ?]``. Each is one
element, because JSOC takes a list of them as a question and fails on it as an export (public report).

Whether such a set means exactly the chosen records depends on what else the series holds, so it is used only after the
server has listed its record numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np

from ..errors import JsocError
from ..recordset import RecordSet
from ..series import RecordName, SeriesInfo, Slots
from ..times import to_datetime
from .packing import Item, Numbers, cover, fill

Verify: TypeAlias = Callable[[RecordSet], Iterable[int]]

# For each chosen record the server may be asked about so many slots.
_MOST_SLOTS = 2

_PLAIN = re.compile(r"[A-Za-z0-9_.:+-]+")
_COUNT = re.compile(r"\d+")
# `( T_REC_index=((…*1)+0) ) OR ` and its ranges (sql_primekey_index_set, drms_names.c), without the name and the
# numbers
_SINGLE_SQL, _RANGE_SQL, _STEP_SQL = 18, 38, 44


def shortest(
    texts: list[str],
    wanted: Numbers,
    candidates: Iterable[list[str]],
    verify: Verify,
) -> list[str]:
    """
    Choose the fewest record sets that the server confirms.

    Parameters
    ----------
    texts : list of str
        Record sets that are right by construction.
    wanted : ndarray of int64
        The record numbers that they stand for.
    candidates : iterable of list of str
        Record sets that may stand for the same.
    verify : callable
        Takes a `RecordSet` and returns the record numbers that the server lists for it.

    Returns
    -------
    list of str
        The shortest candidate that is confirmed, else `texts`. A candidate that the server refuses is none.
    """
    for candidate in sorted(filter(None, candidates), key=len):
        if len(candidate) >= len(texts):
            break
        if _is_confirmed(candidate, np.sort(wanted), verify):
            return candidate
    return texts


def _is_confirmed(texts: Sequence[str], wanted: Numbers, verify: Verify) -> bool:
    found: list[Numbers] = []
    for text in texts:
        try:
            numbers = np.fromiter(verify(RecordSet.parse(text)), dtype=np.int64)
        except JsocError:
            return False
        if not np.isin(numbers, wanted).all():
            return False
        found.append(numbers)
    return np.array_equal(np.sort(np.concatenate(found)), wanted)


def by_offset(series: str, wanted: Numbers, braces: str, room: int) -> list[str]:
    """
    Name record numbers by their distance from the first of a set, which takes fewer digits.

    Parameters
    ----------
    series : str
        Name of the series.
    wanted : ndarray of int64
        Record numbers, sorted.
    braces : str
        Segments in braces, or nothing.
    room : int
        Characters of a set.
    """
    found = []
    rest = wanted
    while len(rest):
        first = int(rest[0])
        head = f"{series}[:#{first}-#{rest[-1]}][? recnum-{first} in ("
        tail = f") ?]{braces}"
        part = rest[: room // 2]
        widths = np.cumsum(np.char.str_len((part - first).astype(str)) + 1)
        count = max(int(np.searchsorted(widths, room - len(head) - len(tail) + 1, side="right")), 1)
        numbers = ",".join(map(str, (rest[:count] - first).tolist()))
        found.append(f"{series}[:#{first}-#{rest[count - 1]}][? recnum-{first} in ({numbers}{tail}")
        rest = rest[count:]
    return found


def by_slot(names: Sequence[str], info: SeriesInfo, braces: str, room: int) -> Iterator[list[str]]:
    """
    Name records by the slots of their time and the values of their other prime keys.

    Parameters
    ----------
    names : sequence of str
        Record names.
    info : SeriesInfo
        Definition of the series.
    braces : str
        Segments in braces, or nothing.
    room : int
        Characters of a set.

    Yields
    ------
    list of str
        Record sets that name these records, first with slots between them taken in as if they were empty, then without.
    """
    known = _by_values(names, info)
    if known is None:
        return
    place, keys, groups = known
    for choose in (_hull, cover):
        parts = [(rest, choose(slots)) for rest, slots in groups.items()]
        if sum(len(item) for _, items in parts for item in items) > _MOST_SLOTS * len(names):
            continue  # a question too large for the hope that most of these slots are empty
        elements = [
            f"{info.name}{''.join(f'[{value}]' for value in (*rest[:place], words, *rest[place:]))}{braces}"
            for rest, items in _products(parts)
            for words in _lists(items, keys[place], room - 200)
        ]
        if max(map(len, elements)) <= room:
            yield elements


def by_condition(names: Sequence[str], info: SeriesInfo, braces: str, room: int) -> list[str]:
    """
    Name records by a condition on all prime keys, as scattered rows of several regions want it.

    Parameters and answer are those of `by_slot`; empty where the other prime keys are no numbers.
    """
    known = _by_values(names, info)
    if known is None or not all(_COUNT.fullmatch(value) for rest in known[2] for value in rest):
        return []
    place, keys, groups = known
    first = min(int(slots[0]) for slots in groups.values())
    others = [*keys[:place], *keys[place + 1 :]]
    terms = []
    for rest, slots in groups.items():
        same = "".join(f"{key}={value} and " for key, value in zip(others, rest, strict=True))
        lists = fill([str(slot) for slot in (slots - first).tolist()], room - 200)
        terms += [f"({same}{keys[place]}_index-{first} in ({','.join(words)}))" for words in lists]
    head, tail = f"{info.name}[? ", f" ?]{braces}"
    return [f"{head}{' or '.join(some)}{tail}" for some in fill(terms, room - len(head) - len(tail), extra=3)]


def _by_values(names: Sequence[str], info: SeriesInfo) -> tuple[int, list[str], dict[tuple[str, ...], Numbers]] | None:
    """Return the place of the time among the prime keys, these, and the sorted slots by the values of the others."""
    grid = _grid(info)
    if grid is None:
        return None
    place, epoch, step = grid
    keys = [str(key) for key in info.primekeys]
    split = [RecordName.parse(name).values for name in names]
    if any(len(values) != len(keys) or not all(map(_PLAIN.fullmatch, values)) for values in split):
        return None  # values that the server would read differently
    moments = to_datetime(np.array([values[place] for values in split]), scale="tai", errors="coerce")
    if np.isnat(moments).any():
        return None
    groups: dict[tuple[str, ...], list[int]] = {}
    for values, slot in zip(split, np.rint((moments - epoch) / step).astype(np.int64).tolist(), strict=True):
        groups.setdefault((*values[:place], *values[place + 1 :]), []).append(slot)
    return place, keys, {rest: np.unique(np.array(slots, dtype=np.int64)) for rest, slots in groups.items()}


def _grid(info: SeriesInfo) -> tuple[int, Any, Any] | None:
    """Find the place of the time among the prime keys, its epoch and its step; None if it is not slotted."""
    for key in info.primekeys or ():
        slots = Slots.of(info, str(key))
        if slots is None or slots.scope != "ts_eq" or not slots.step or not slots.epoch:
            continue
        start = to_datetime([slots.epoch], scale="tai", errors="coerce")[0]
        if not np.isnat(start):
            return slots.place, start, np.timedelta64(round(slots.step * 1e9), "ns")
    return None


def _hull(slots: Numbers) -> list[Item]:
    """Take one progression from the first to the last slot."""
    step = int(np.gcd.reduce(np.diff(slots))) if len(slots) > 1 else 1
    return [Item(int(slots[0]), int(slots[-1]), step)]


def _products(parts: list[tuple[tuple[str, ...], list[Item]]]) -> Iterator[tuple[tuple[str, ...], list[Item]]]:
    """Join values of one other prime key that have the same slots: ``[…][171,304]``."""
    if any(len(rest) != 1 or not _COUNT.fullmatch(rest[0]) for rest, _ in parts):
        yield from parts
        return
    for items, same in groupby(sorted(parts, key=lambda part: (part[1], int(part[0][0]))), key=lambda part: part[1]):
        values = [rest[0] for rest, _ in same]
        for start in range(0, len(values), 64):
            yield (",".join(values[start : start + 64]),), items


def _lists(items: Sequence[Item], key: str, room: int) -> Iterator[str]:
    """Write slots as few lists."""
    name = len(f"{key}_index")
    sql = []
    for item in items:
        text = len(item.text())
        step = _STEP_SQL + name + text if item.step > 1 else 0
        sql.append(text + (_SINGLE_SQL + name if len(item) == 1 else _RANGE_SQL + 2 * name + step))
    for words in fill([item.text() for item in items], room, sql=sql):
        yield ",".join(words)
