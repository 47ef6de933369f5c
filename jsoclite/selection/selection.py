"""
Rows → the records they stand for → the fewest record sets that name exactly these.

A row says what it stands for by its record name (the index ``record``, or a column of that name) and by its record
number (column ``recnum``). Record numbers are used where they are there: they name this very version of the record,
and they fold into runs and strides. A name alone means the newest version of the record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SelectionError
from ..recordset import RecordSet
from ..series import SeriesInfo
from ..times import parse_time
from .alternatives import Verify, by_condition, by_offset, by_slot, shortest
from .identify import NO_NUMBER, Names, Rows, common_series, identify
from .packing import MAX_CHARACTERS, MAX_ROWS, QUALITY_FILTER, Numbers, distinct, fill, pack_recnums

# Key values that the server reads back as it prints them. A string key can hold anything, and is printed without
# quotes.
_SAFE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+(?:\[[A-Za-z0-9_.:+-]+\])+")
_BY_NUMBER = re.compile(r"\[:#(\d{1,18})\]$")
# Values that mean in a list what they mean alone. Times with dashes do not: drms_names.c reads
# `2014-01-01T00:00:01Z,…` as the time that comes last.
_LISTABLE = re.compile(r"\d{4}\.\d\d\.\d\d_\d\d:\d\d:\d\d(\.\d+)?_(TAI|UTC)|\d+")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# The WHERE clause of a filter has 8192 characters (drms_names.c), and a value takes up to about 80 of them.
_LONGEST_LIST = 64


@dataclass(frozen=True, eq=False)
class Selection:
    """
    Chosen records of one series.

    Attributes
    ----------
    series : str
        Name of the series.
    names : tuple of str
        Record names, in the order of the rows; empty where only record numbers are known.
    recnums : ndarray of int64, optional
        Record numbers in the same order; None where only names are known.
    """

    series: str
    names: tuple[str, ...]
    recnums: Numbers | None

    def __len__(self) -> int:
        return len(self.names) if self.recnums is None else len(self.recnums)

    def record_sets(
        self,
        segments: Sequence[str] | None = None,
        *,
        max_characters: int = MAX_CHARACTERS,
        max_rows: int = MAX_ROWS,
        verify: Verify | None = None,
        info: SeriesInfo | None = None,
    ) -> list[RecordSet]:
        """
        Name exactly these records in the fewest and shortest record sets.

        Parameters
        ----------
        segments : sequence of str, optional
            Segments to name in braces, by default none: all of them.
        max_characters : int
            Most characters of one set, counting the 32 that the server adds to each of its elements.
        max_rows : int
            Most records of one set.
        verify : callable, optional
            Takes a `RecordSet` and returns the record numbers that the server lists for it. With it, rows that take
            several sets are tried in other forms (slots and values of prime keys, offsets), and the fewest sets that
            mean the same rows are taken. The server is asked only where that can save an export request.
        info : SeriesInfo, optional
            Definition of the series; needed for slots.
        """
        max_rows = min(max_rows, MAX_ROWS)
        texts = self.texts(segments, max_characters=max_characters, max_rows=max_rows)
        if verify is not None and len(self) <= max_rows and len(texts) > 1:
            texts = self._verified(texts, _braces(segments), max_characters - QUALITY_FILTER, verify, info)
        return [RecordSet.parse(text) for text in texts]

    def texts(
        self,
        segments: Sequence[str] | None = None,
        *,
        max_characters: int = MAX_CHARACTERS,
        max_rows: int = MAX_ROWS,
    ) -> list[str]:
        """Return the record sets of `record_sets`, those that need no verification, as they go over the wire."""
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows}: a record set holds at least one row")
        max_rows = min(max_rows, MAX_ROWS)
        braces = _braces(segments)
        if self.recnums is None:
            return list(self._by_name(braces, max_characters, max_rows))
        wanted = distinct(self.recnums)
        return [
            text
            for start in range(0, len(wanted), max_rows)
            for text in self._by_recnum(wanted[start : start + max_rows], braces, max_characters)
        ]

    def _verified(self, texts: list[str], braces: str, room: int, verify: Verify, info: SeriesInfo | None) -> list[str]:
        """Replace record sets by fewer that the server confirms."""
        if self.recnums is None:
            return texts
        wanted = distinct(self.recnums)
        candidates = [by_offset(self.series, wanted, braces, room)]
        if info is not None and self.names:
            candidates += [*by_slot(self.names, info, braces, room), by_condition(self.names, info, braces, room)]
        return shortest(texts, wanted, candidates, verify)

    def _by_recnum(self, wanted: Numbers, braces: str, max_characters: int) -> list[str]:
        head, tail = f"{self.series}[:", f"]{braces}"
        room = max_characters - QUALITY_FILTER - len(head) - len(tail)
        _check_room(f"#{wanted[0]}-#{wanted[-1]}@{wanted[-1]}", room)
        return [f"{head}{items}{tail}" for items in pack_recnums(wanted, room)]

    def _by_name(self, braces: str, max_characters: int, max_rows: int) -> Iterator[str]:
        elements = [f"{element}{braces}" for element in _elements(dict.fromkeys(self.names), max_rows)]
        room = max_characters - QUALITY_FILTER
        _check_room(max(elements, key=len), room)
        for group in fill(elements, room, extra=QUALITY_FILTER, most=max_rows):
            yield ",".join(group)


def _braces(segments: Sequence[str] | None) -> str:
    return "" if segments is None else "{" + ",".join(segments) + "}"


def _elements(names: Iterable[str], max_rows: int) -> Iterator[str]:
    """Put names that differ in one key into one element: ``hmi.M_720s[T1,T2][3]``."""
    split = []
    for name in names:
        if not _SAFE_NAME.fullmatch(name):
            raise SelectionError(
                f"the record {name!r} cannot be asked for by its name: the server prints string keys as they are and "
                "would read this one differently. Keep the column 'recnum' in the DataFrame"
            )
        values = name[:-1].replace("]", "").split("[")
        split.append([str(parse_time(value)) if _ISO.fullmatch(value) else value for value in values])
    # no names of one series, or too few rows a set to be sure by counting elements
    if len({len(parts) for parts in split}) > 1 or max_rows < MAX_CHARACTERS:
        yield from names
        return
    keys = range(1, len(split[0]))
    varied = max(keys, key=lambda key: len({parts[key] for parts in split if _LISTABLE.fullmatch(parts[key])}))
    groups: dict[tuple[str, ...], list[str]] = {}
    for parts in split:
        value = parts[varied]
        rest = (*parts[:varied], "" if _LISTABLE.fullmatch(value) else value, *parts[varied + 1 :])
        groups.setdefault(rest, []).append(value)
    for rest, values in groups.items():
        for start in range(0, len(values), _LONGEST_LIST):
            some = ",".join(values[start : start + _LONGEST_LIST])
            parts = [*rest[:varied], some, *rest[varied + 1 :]]
            yield parts[0] + "".join(f"[{part}]" for part in parts[1:])


def _check_room(word: str, room: int) -> None:
    if len(word) > room:
        raise SelectionError(f"{word!r} has {len(word)} characters, there is room for {room} in one record set")


def to_record_sets(rows: Rows, *, segments: Sequence[str] | None = None) -> list[RecordSet]:
    """
    Name exactly these rows in the fewest and shortest record sets.

    Parameters
    ----------
    rows : DataFrame, Series, Index, sequence of str, RecordSet or str
        See `select`. A `RecordSet` or a record-set string comes back as it is.
    segments : sequence of str, optional
        Segments to name in braces, by default none: all of them.

    Returns
    -------
    list of RecordSet
        One series each, in the order in which the series first appear; the union is the selection, no record twice.
        Empty for an empty selection.

    Raises
    ------
    SelectionError
        If rows do not say which records they stand for.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"recnum": [10, 14, 18, 22, 26, 30, 50]}, index=["hmi.M_720s[]"] * 7)
    >>> [str(rs) for rs in to_record_sets(rows, segments=["magnetogram"])]
    ['hmi.M_720s[:#10-#30@4,#50]{magnetogram}']
    """
    if isinstance(rows, str):
        rows = RecordSet.parse(rows)
    if isinstance(rows, RecordSet):
        return [rows if segments is None else rows.with_segments(segments)]
    return [one for chosen in select(rows) for one in chosen.record_sets(segments)]


def select(rows: Rows) -> list[Selection]:
    """
    Find the records that rows stand for.

    Parameters
    ----------
    rows : DataFrame, Series, Index or sequence of str
        A DataFrame of ours in any order, filtered, concatenated, or read back from a file; one row of it or one
        column of it; its index; a list of record names or of rows.

    Returns
    -------
    list of Selection
        One a series, in the order in which they first appear; each record once, in the order of the rows.

    Raises
    ------
    SelectionError
        If the record names were lost on the way; the text says which operation keeps them.
    """
    names, recnums = identify(rows)
    if len(names) == 0:
        return []
    if recnums is None:
        recnums = _numbers_in(names)
    if (series := common_series(names)) is not None:
        return _of_series(series, names, recnums)
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name.partition("[")[0], []).append(place)
    found = []
    for one, places in groups.items():
        found += _of_series(one, names[places], None if recnums is None else recnums[places])
    return found


def asked(rows: Rows) -> list[tuple[str, int | None]]:
    """Return name and record number (None where there is none) of each row, in order and with repetitions."""
    names, recnums = identify(rows)
    recnums = _numbers_in(names) if recnums is None and len(names) else recnums
    numbers = [None] * len(names) if recnums is None else [None if n == NO_NUMBER else n for n in recnums.tolist()]
    return list(zip(names.tolist(), numbers, strict=True))


def _numbers_in(names: Names) -> Numbers | None:
    """Read record numbers out of names such as ``hmi.B_720s[:#17]``, which links and series without prime keys have."""
    found = [_BY_NUMBER.search(name) for name in names]
    if not any(found):
        return None
    return np.array([NO_NUMBER if match is None else int(match[1]) for match in found], dtype=np.int64)


def _of_series(series: str, names: Any, recnums: Any) -> list[Selection]:
    """Drop repetitions, and keep rows without a record number apart."""
    if recnums is None:
        return [Selection(series, tuple(dict.fromkeys(names.tolist())), None)]
    known = recnums != NO_NUMBER
    found = []
    if known.any():
        numbers, own = recnums[known], names[known]
        if len(distinct(numbers)) < len(numbers):
            _check_numbers(own, numbers)
            first = np.sort(np.unique(numbers, return_index=True)[1])
            numbers, own = numbers[first], own[first]
        found.append(Selection(series, tuple(own.tolist()), numbers))
    if not known.all():
        # rows that were masked (`DataFrame.where`) or reindexed: their name is all that is left
        numbered = set(names[known].tolist())
        bare = [name for name in dict.fromkeys(names[~known].tolist()) if name not in numbered]
        if bare:
            found.append(Selection(series, tuple(bare), None))
    return found


def _check_numbers(names: Any, recnums: Numbers) -> None:
    """Refuse record numbers that two records share: a column that was rounded, filled or overwritten."""
    by_number: dict[int, str] = {}
    for name, number in zip(names.tolist(), recnums.tolist(), strict=True):
        other = by_number.setdefault(number, name)
        if other != name:
            raise SelectionError(
                f"{other} and {name} have the same record number {number}: the column recnum was changed; query the "
                "rows again, or drop the column to go by the records' names"
            )
