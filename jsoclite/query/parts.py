"""
Queries that are too big for one answer, in two ways.

`fetch_in_pieces`, for a whole DataFrame: `jsoc_info` gives at most 75,000 records (drms_record.c), some of its limits
end the program without a reply, and wide queries run out of memory. A piece is the same record set with a condition on
the record number, so any set can be split, and no record can be in two pieces or in none.

`in_order`, for a DataFrame at a time in the server's order: the record numbers and the first prime key of all records
are listed, which is little; then the set is cut where that key changes, and each part is asked for by a condition.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import QueryError, ServerError
from ..progress import records, wanted
from ..recordset import RecordSet
from .question import Question

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd


#: Records in a DataFrame: less than the 30,000 that JSOC advises for one query, so that the first rows are soon there.
SIZE = 15_000

# seconds from 1970 to 1977 in TAI: time keywords are stored as seconds since 1977.01.01_TAI (drms_types.h)
_SINCE_1970 = 7 * 365 * 86400 + 2 * 86400


Fetch: TypeAlias = "Callable[[Question, RecordSet], pd.DataFrame]"
Count: TypeAlias = Callable[[RecordSet], int]


def in_order(
    fetch_all: Fetch, count: Count, question: Question, size: int, *, progress: bool | None
) -> Iterator[pd.DataFrame]:
    """
    Yield the records of a question, about `size` at a time; at least one DataFrame, if an empty one.

    Parameters
    ----------
    fetch_all : callable
        Fetches all records of a part of a question.
    count : callable
        Counts the records of a set.
    question : Question
        What is asked.
    size : int
        Records in a DataFrame. More of them share one where they share a value of the first prime key.
    progress : bool or None
        Whether a bar counts the records on stderr; None: if that is a terminal.

    Raises
    ------
    QueryError
        If records were added or replaced meanwhile.
    """
    elements = list(question.record_set.with_segments(None))
    sizes = [count(element) for element in elements]
    told = False
    with records(sum(sizes)) if wanted(progress) else contextlib.nullcontext() as bar:
        for element, total in zip(elements, sizes, strict=True):
            for part in _parts(fetch_all, question, element, total, size):
                if len(part) or not told:
                    yield part
                    told = True
                if bar is not None:
                    bar.update(len(part))
    if not told:
        yield fetch_all(question, elements[0])


def _parts(fetch_all: Fetch, question: Question, element: RecordSet, total: int, size: int) -> Iterator[pd.DataFrame]:
    if not total:
        return
    key = next((key for key in question.info.primekeys or () if key), None)
    types = question.info.keywords["type"]
    kind = None if key is None or key not in types.index else str(types[key])
    if total <= size or key is None or kind in (None, "string"):
        # text is sorted by the rules of the server's language, which a condition here would have to know
        yield fetch_all(question, element)
        return
    listing = dataclasses.replace(question, keywords=[key], segments=[], links=[], times="tai")
    listed = fetch_all(listing, element)
    values = _numbers(listed[key])
    if values is None:
        yield fetch_all(question, element)
        return
    bounds = [0, *_cuts(values, size), len(values)]
    for begin, end in itertools.pairwise(bounds):
        low = f"{key} >= {_between(values, begin)}" if begin else ""
        high = f"{key} < {_between(values, end)}" if end < len(values) else ""
        condition = " AND ".join(filter(None, (low, high)))
        part = fetch_all(question, RecordSet.parse(f"{element}[? {condition} ?]") if condition else element)
        if not np.array_equal(part["recnum"], listed["recnum"].iloc[begin:end]):
            raise QueryError(
                f"{element} has other records now than when they were listed: {len(part)} in place of {end - begin} "
                f"where {condition}. Records were added or replaced meanwhile; ask again.",
                record_set=str(question.record_set),
            )
        yield part


def _numbers(column: pd.Series) -> npt.NDArray[Any] | None:
    """Return what the database compares: integers, or seconds since 1977.01.01_TAI; None if it cannot be cut there."""
    if column.isna().any():
        return None
    if column.dtype.kind == "M":
        values = column.to_numpy("datetime64[ns]").astype(np.int64) / 1e9 - _SINCE_1970
    else:
        values = column.to_numpy(np.float64 if column.dtype.kind == "f" else np.int64)
    return values if bool(np.all(values[1:] >= values[:-1])) else None


def _cuts(values: npt.NDArray[Any], size: int) -> Iterator[int]:
    """
    Yield positions where a new part begins, `size` or a little less apart.

    The value changes there, and by as much as possible, because times are printed rounded.
    """
    begin = 0
    changes = np.flatnonzero(np.diff(values)) + 1
    while len(values) - begin > size:
        near = changes[(changes > begin + size * 3 // 4) & (changes <= begin + size)]
        if not len(near):
            near = changes[(changes > begin) & (changes <= begin + size)][-1:]
        if not len(near):
            near = changes[changes > begin + size][:1]
        if not len(near):
            return
        gaps = values[near] - values[near - 1]
        begin = int(near[np.flatnonzero(gaps == gaps.max())[-1]])
        yield begin


def _between(values: npt.NDArray[Any], position: int) -> str:
    """Return a number that lies between the values on both sides of a cut."""
    low, high = values[position - 1], values[position]
    return str(high) if values.dtype.kind == "i" else repr(float(low) + (float(high) - float(low)) / 2)


# JSOC's own advice for one query (user reports of its staff)
PIECE = 30_000
# what fails with so few records fails for another reason
SMALLEST = 500


def fetch_in_pieces(
    rs: RecordSet,
    fetch: Callable[[RecordSet], pd.DataFrame],
    count: Callable[[RecordSet], int],
    order: list[str],
) -> pd.DataFrame:
    """
    Fetch a record set piece by piece, one request at a time.

    Parameters
    ----------
    rs : RecordSet
        Of one series.
    fetch : callable
        Fetches a set that fits into one answer; its frame has the columns of `order`.
    count : callable
        Counts the records of a set.
    order : list of str
        The prime keys: the server sorts by them within each element of a set (drms_series.c).

    Raises
    ------
    QueryError
        If the pieces do not add up to the count, because records were added or removed meanwhile.
    ServerError
        If even small pieces get no answer.
    """
    import pandas as pd

    elements = list(rs)
    sizes = [count(element) for element in elements]
    frames = []
    with records(sum(sizes)) as bar:
        for element, size in zip(elements, sizes, strict=True):
            parts = max(1, -(-size // PIECE))
            found = [
                frame
                for part in range(parts)
                for frame in _piece(element, parts, part, -(-size // parts), fetch, bar.update)
            ]
            frame = pd.concat(found)
            if len(frame) != size or frame["recnum"].duplicated().any():
                raise QueryError(
                    f"{element} had {size} records when it was counted and {len(frame)} in the pieces; "
                    "records were added or replaced meanwhile. Ask again.",
                    record_set=str(rs),
                )
            if len(found) > 1 and order:
                frame = frame.sort_values(order, kind="stable")
            frames.append(frame)
    return pd.concat(frames)


def _piece(
    element: RecordSet,
    parts: int,
    part: int,
    size: int,
    fetch: Callable[[RecordSet], pd.DataFrame],
    update: Callable[[int], object],
) -> list[pd.DataFrame]:
    """Fetch the records whose number is `part` modulo `parts`; halve that if there is no answer."""
    piece = element if parts == 1 else RecordSet.parse(f"{element}[? recnum % {parts} = {part} ?]")
    try:
        frame = fetch(piece)
    except (ServerError, QueryError) as error:
        if size <= SMALLEST or not _too_big(error):
            raise
    else:
        update(len(frame))
        return [frame]
    half = -(-size // 2)
    return [
        frame for offset in (part, part + parts) for frame in _piece(element, 2 * parts, offset, half, fetch, update)
    ]


def _too_big(error: ServerError | QueryError) -> bool:
    """Whether a smaller question may get an answer."""
    if isinstance(error, QueryError):
        return "out of memory" in str(error) or "too many" in str(error).lower()
    return error.status is None or error.status >= 500
