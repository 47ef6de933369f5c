"""
Queries that are too big for one answer, in two ways.

`Pieces`, for a whole answer: `jsoc_info` gives less than 75,000 records, fewer where they are wide (drms_record.c). Of
more it says "series not found", and it fails in other ways where they take it too long. A piece is the same record set
with a condition on a prime key, the last piece and the first one open, so that no record can be in two pieces or none.

`in_order`, for a DataFrame at a time in the server's order: the record numbers and the first prime key of all records
are listed, which is little; then the set is cut where that key changes, and each part is asked for by a condition.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from ..errors import JsocError, QueryError, ServerError
from ..progress import records, wanted
from ..recordset import RecordSet, filter_name, language, read_filter
from ..series import Kind, SeriesInfo, Slots, keyword_type
from ..times import to_datetime
from .question import Question

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd


#: Records in a DataFrame: less than the 30,000 that JSOC advises for one query, so that the first rows are soon there.
SIZE = 15_000

# seconds from 1970 to 1977 in TAI: time keywords are stored as seconds since 1977.01.01_TAI (drms_types.h)
_SINCE_1970 = 7 * 365 * 86400 + 2 * 86400


T = TypeVar("T")
Fetch: TypeAlias = "Callable[[Question, RecordSet], pd.DataFrame]"
Count: TypeAlias = Callable[[RecordSet], int]
Wait: TypeAlias = Callable[[], None]


def in_order(
    fetch_all: Fetch,
    count: Count,
    question: Question,
    size: int,
    *,
    pace: Wait,
    progress: bool | None,
    most: int | None = None,
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
    pace : callable
        Waits until one more request is polite.
    progress : bool or None
        Whether a bar counts the records on stderr; None: if that is a terminal.
    most : int, optional
        Most records.

    Raises
    ------
    TooMany
        For more than `most`.
    QueryError
        If records were added or replaced meanwhile.
    """
    elements = list(question.record_set.with_segments(None))
    sizes = [count(element) for element in elements]
    if most is not None and sum(sizes) > most:
        raise question.too_many(question.record_set, sum(sizes))
    told = False
    with records(sum(sizes)) if wanted(progress) else contextlib.nullcontext() as bar:
        for element, total in zip(elements, sizes, strict=True):
            for part in _parts(fetch_all, question, element, total, size, pace):
                if len(part) or not told:
                    yield part
                    told = True
                if bar is not None:
                    bar.update(len(part))
    if not told:
        yield fetch_all(question, elements[0])


def _parts(
    fetch_all: Fetch, question: Question, element: RecordSet, total: int, size: int, pace: Wait
) -> Iterator[pd.DataFrame]:
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
    values = column_numbers(listed[key])
    if values is None:
        yield fetch_all(question, element)
        return
    bounds = [0, *_cuts(values, size), len(values)]
    for begin, end in itertools.pairwise(bounds):
        pace()
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


def column_numbers(column: pd.Series) -> npt.NDArray[Any] | None:
    """Return what the database compares: integers, or seconds since 1977.01.01_TAI; None if it cannot be cut there."""
    if column.isna().any():
        return None
    if column.dtype.kind == "M":
        values = _seconds(column.to_numpy("datetime64[ns]"))
    else:
        values = column.to_numpy(np.float64 if column.dtype.kind == "f" else np.int64)
    return values if bool(np.all(values[1:] >= values[:-1])) else None


def _seconds(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    return times.astype("datetime64[ns]").astype(np.int64) / 1e9 - _SINCE_1970


def tai_seconds(texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Return times that the server printed as the database holds them; None if one of them is none."""
    times = to_datetime(np.array(texts), scale="tai", errors="coerce")
    return None if np.isnat(times).any() else _seconds(times)


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


#: Records of a piece: JSOC's own advice for one query (user reports of its staff), and fewer each time it is refused.
SIZES = (30_000, 8_000, 1_000, 100, 10, 1)
#: The first piece of a set that nobody can count is so small a part of it.
UNCOUNTED = 10
# an answer that breaks off with so few records does so for another reason
SMALLEST = 500
# values of a prime key that are no integers are not told apart below this
_CLOSE = 1e-3
_KEYS = (language.FilterKind.KEY, language.FilterKind.EMPTY)


@dataclass(frozen=True, slots=True)
class _Piece:
    """
    A set with conditions: `low` <= KEY < `high` (None: open) of the prime key at `place`, earlier keys within `text`.

    The values of the key lie about between `first` and `last`. Behind the last key the record number is `rest` modulo
    `modulus`.
    """

    text: str
    total: int | None = None
    place: int = 0
    low: float | None = None
    high: float | None = None
    first: float | None = None
    last: float | None = None
    modulus: int = 1
    rest: int = 0


class Pieces(Generic[T]):
    """
    Asks for sets in pieces that shrink until the server answers, in the server's order.

    A piece is a bite off the set, as wide as the last one that was answered, or half as wide as one that was refused;
    where records get sparse, bites get wider.

    Parameters
    ----------
    info : SeriesInfo
        The series of all the sets.
    ask : callable
        Asks for a set without segments; a refusal is a `QueryError` or a `ServerError`.
    count : callable
        Counts a set; None where that is refused, too: it is then not asked again.
    ends : callable
        Returns the first and the last value of a prime key in a set, None where nobody knows.
    most : int, optional
        Records that are wanted, where the first pieces may be enough.
    backwards : bool
        Whether the last piece comes first.
    even : bool
        Whether evenly filled pieces are worth more than the server's order, where nobody can count.
    versions : bool
        Whether superseded versions may be among the answers where nothing but record numbers is left to cut by. A
        server with a table of its newest records takes ``[:#n-#m]`` and refuses conditions on ``recnum``.

    Attributes
    ----------
    versions : bool
        Whether there were such answers.
    sorted : bool
        Whether the pieces so far are in the server's order.
    """

    def __init__(
        self,
        info: SeriesInfo,
        ask: Callable[[RecordSet], T],
        count: Callable[[RecordSet], int | None],
        ends: Callable[[RecordSet, str], tuple[float, float] | None],
        *,
        most: int = SIZES[0],
        backwards: bool = False,
        even: bool = True,
        versions: bool = False,
    ) -> None:
        self._info, self._ask, self._count, self._ends = info, ask, count, ends
        self._backwards, self._even, self._may, self.versions = backwards, even, versions, False
        self._prime = [str(key) for key in info.primekeys or () if key]
        types = info.keywords["type"]
        kinds = {key: keyword_type(types[key]).kind for key in self._prime if key in types.index}
        # text is sorted by the rules of the server's language, which a condition here would have to know
        self._keyed = [
            _Column.of(info, key, kinds[key]) for key in self._prime if kinds.get(key, Kind.STRING) is not Kind.STRING
        ]
        self._size, self.sorted = min((size for size in SIZES if size >= max(most, 1000)), default=SIZES[0]), True
        self._widths: dict[int, float] = {}
        self._best, self._hurt, self._counts = 0, False, True

    def __call__(
        self, element: RecordSet, total: int | None, refused: QueryError | ServerError | None = None
    ) -> Iterator[T]:
        """
        Yield the answers for a set of one element.

        Parameters
        ----------
        element : RecordSet
            The set.
        total : int or None
            Its records, where they could be counted.
        refused : QueryError or ServerError, optional
            The refusal of the whole set, where it was asked for before.

        Raises
        ------
        QueryError, ServerError
            The server's last refusal, where it refuses even one record.
        """
        ranges = _ranges(element, self._info)
        even = total is None and self._even
        self._columns = sorted(self._keyed, key=lambda column: even and column.key not in ranges)
        # a condition may hold for a version whose successor it does not hold for; that of a prime key cannot
        if self._may and all(raw.kind in _KEYS for raw in element.elements[0].filters):
            self._columns.append(_Column("recnum", "recnum", 1))
        stack = [_Piece(str(element), total)]
        while stack:
            piece = stack.pop()
            if refused is None and self._fits(piece):
                try:
                    answer = self._ask(self._set(piece))
                except (QueryError, ServerError) as error:
                    refused, self._hurt = error, True
                    piece = dataclasses.replace(piece, total=self._count(self._set(piece)) if self._counts else None)
                    self._counts = piece.total is not None
                else:
                    yield answer
                    self._learn(piece, answer)
                    continue
            parts = self._parts(piece, ranges, refused is not None) if refused is None or _worth(refused, piece) else []
            if not parts and refused is not None:
                if isinstance(refused, ServerError) or refused.status in (0, 1):
                    raise refused
                yield self._ask(self._set(piece))  # what a script around the program says may be so for the moment
            refused = None
            stack += parts if self._backwards else parts[::-1]

    def _fits(self, piece: _Piece) -> bool:
        if piece.first is None or piece.last is None:
            return piece.total is None or piece.total <= self._size
        return piece.last - piece.first <= self._widths.get(piece.place, math.inf)

    def _learn(self, piece: _Piece, answer: Any) -> None:
        got = answer if isinstance(answer, int) else len(answer)
        self._best = max(self._best, got)
        if piece.place in self._widths and 2 * got <= min(self._size, self._best if self._hurt else self._size):
            self._widths[piece.place] *= 2

    def _set(self, piece: _Piece) -> RecordSet:
        conditions = []
        if piece.place < len(self._columns):
            name = self._columns[piece.place].name
            if name == "recnum" and piece.first is not None:
                self.versions = True
                low, high = (piece.low or ""), ("" if piece.high is None else piece.high - 1)
                return RecordSet.parse(f"{piece.text}[:#{low}-#{high}]")
            conditions += [f"{name} >= {piece.low!r}"] if piece.low is not None else []
            conditions += [f"{name} < {piece.high!r}"] if piece.high is not None else []
        elif piece.modulus > 1:
            conditions.append(f"recnum % {piece.modulus} = {piece.rest}")
        return RecordSet.parse(f"{piece.text}[? {' AND '.join(conditions)} ?]" if conditions else piece.text)

    def _parts(self, piece: _Piece, ranges: Mapping[str, tuple[float, float]], refused: bool) -> list[_Piece]:
        """Cut a piece; nothing where it cannot be cut."""
        total = piece.total
        if total is not None:
            self._size = next((size for size in SIZES if size <= self._size and size < total), SIZES[-1])
        while piece.place < len(self._columns):
            if parts := self._bite(piece, ranges, refused):
                in_order = self._prime[piece.place : piece.place + 1] == [self._columns[piece.place].key]
                self.sorted = self.sorted and in_order
                return parts
            piece, refused = _Piece(str(self._set(piece)), total, piece.place + 1), True
        self.sorted = False
        modulus = piece.modulus * (UNCOUNTED if total is None else max(2, -(-total // self._size)))
        if modulus > (UNCOUNTED**2 if total is None else 2**31):
            return []
        rests = range(piece.rest, modulus, piece.modulus)
        return [dataclasses.replace(piece, total=None, modulus=modulus, rest=rest) for rest in rests]

    def _bite(self, piece: _Piece, ranges: Mapping[str, tuple[float, float]], refused: bool) -> list[_Piece]:
        """Cut a piece of a prime key in two: what is asked for next, and the rest."""
        column, first, last = self._columns[piece.place], piece.first, piece.last
        if first is None or last is None:
            ends = ranges.get(column.key) or self._ends(self._set(piece), column.key)
            if ends is None:
                return []
            first, last = map(column.number, ends)
        width = last - first + column.unit
        if width <= max(column.unit, _CLOSE):
            return []
        bite = self._widths.get(piece.place)
        if piece.total is not None:
            bite = width * self._size / piece.total
        elif bite is None or piece.first is None:
            bite = bite or width / UNCOUNTED
        elif refused:
            bite = min(bite, width) / 2
        self._widths[piece.place] = bite
        bite = min(bite, width / 2 if column.unit else width - _CLOSE)
        if column.unit:
            bite = max(int(bite), 1)
        cut = last + column.unit - bite if self._backwards else first + bite
        return [
            dataclasses.replace(piece, total=None, high=cut, first=first, last=cut - column.unit),
            dataclasses.replace(piece, total=None, low=cut, first=cut, last=last),
        ]


def _ranges(record_set: RecordSet, info: SeriesInfo) -> dict[str, tuple[float, float]]:
    """Return the prime keys that a set of one element itself keeps within a range, and what lies at its ends."""
    prime, types = [str(key) for key in info.primekeys or () if key], info.keywords["type"]
    found, position = {}, 0
    for raw in record_set.elements[0].filters:
        name = filter_name(raw)
        if raw.kind not in _KEYS:
            continue
        key = next((key for key in prime if name and key.lower() == name.lower()), None)
        if name is None and position < len(prime):
            key, position = prime[position], position + 1
        if key is None or key not in types.index:
            continue
        kind, slots = keyword_type(types[key]).kind, Slots.of(info, key)
        with contextlib.suppress(JsocError):
            match read_filter(raw, kind, slots is not None).items:
                case (language.Range(start=(int() | float()) as start, end=(int() | float()) as end),):
                    found[key] = float(start), float(end)
                case (language.Span(start=float() as start, length=language.Duration() as length),):
                    found[key] = start, start + length.seconds(slots.step if slots else None)
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    """What the database compares for a prime key: its slots (`unit` 1), which are indexed, or the values themselves."""

    key: str
    name: str
    unit: int
    epoch: float = 0
    step: float = 1

    @classmethod
    def of(cls, info: SeriesInfo, key: str, kind: Kind) -> _Column:
        slots = Slots.of(info, key) if kind is Kind.TIME else None
        if slots is not None and slots.step and (epoch := tai_seconds([slots.epoch or ""])) is not None:
            return cls(key, f"{key}_index", 1, float(epoch[0]), slots.step)
        return cls(key, key, int(kind is Kind.INTEGER))

    def number(self, value: float) -> float:
        place = (value - self.epoch) / self.step if self.epoch else value
        return round(place) if self.unit else place


def _worth(refused: QueryError | ServerError, piece: _Piece) -> bool:
    """Whether a smaller question may get an answer."""
    total = piece.total
    if isinstance(refused, QueryError):
        return total is None or total > 1
    return (refused.status is None or refused.status >= 500) and (total is None or total > SMALLEST)
