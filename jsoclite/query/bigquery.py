"""
Queries that are too big for one answer: asked for in pieces, and put together again in the server's order.

`jsoc_info` gives at most 75,000 records (drms_record.c), some of its limits end the program without a reply, and wide
queries run out of memory. A piece is the same record set with a condition on the record number, so any set can be
split, and no record can be in two pieces or in none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import QueryError, ServerError
from ..progress import records
from ..recordset.recordset import RecordSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RECORD_LIMIT", "fetch_in_pieces"]

# CAP_LIMIT of drms_record.c: at this count an answer may be cut off without a word
RECORD_LIMIT = 75_000
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
