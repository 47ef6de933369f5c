"""
Many words → few record sets, within what the server can hold.

Two buffers count. ``jsoc_export_manage.c`` refuses ``fits`` exports of 4096 characters and more, after
``jsoc_fetch.c`` has added its quality filter to each element; longer sets are accepted first and fail later. And
``drms_names.c`` writes the filters of an element as SQL into 8192 characters, where a range takes three times as many
as in the record set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .ranges import Item, Numbers, Price, cover

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
