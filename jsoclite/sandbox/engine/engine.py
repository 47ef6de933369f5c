"""
The query engine: from record sets to records, with the server's own words where it refuses.

A `Search` takes a condition, the columns that it needs, and only those stretches of a series where it can be true.
Before that, subselects, ``(select max(T_REC_index) from hmi.m_720s where …)``, are worked out.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ...errors import RecordSetError
from ...recordset import language, scan_set
from ..catalog import Recnums, Series, schema, tables
from ..postgres import Compiler, Rows, SqlError, Term, order, parse_condition, sqltypes, syntax
from .clause import Clause, clause, several_statements, shadow_refusal, statement
from .records import EngineCrash, EngineError, Opened, Reader

#: Records that one question may look at, with its subselects; PostgreSQL's statement timeout, in numbers that do not
#: depend on the machine.
WORK_LIMIT: Final = 400_000_000
#: Seconds that it may take all the same.
TIME_LIMIT_S: Final = 30.0
# what a value of a subselect costs, in records that are only looked at: those of aggregates are not kept
_VALUE: Final = 100
_COUNTED: Final = 10
# first stretches of the first prime key: numbers, seconds; how much shorter for a few records; rows of a good stretch
_WINDOW, _SECONDS, _FEW, _CHUNK = 50_000, 86_400.0, 500, 200_000
# so many records are looked at one by one
_SOME: Final = 2_000
_SQL_TYPES: Final[dict[str, str]] = schema.data("postgres")["drms"]


def sql_types(definition: schema.SeriesDefinition) -> dict[str, str]:
    """PostgreSQL type of each column of a series."""
    return {name: _SQL_TYPES[kind] for name, kind in tables.column_types(definition).items()}


def rows_of(series: Series, recnums: Recnums) -> Rows:
    """Columns of some records for the evaluation of SQL."""
    types = sql_types(series.definition)

    def fetch(name: str) -> sqltypes.Vector:
        values = series.columns(recnums, [name])[name]
        nulls = None
        if np.ma.isMaskedArray(values):
            nulls = np.ma.getmaskarray(values)
            values = np.asarray(values.filled("" if values.dtype == object else 0))
        if types[name] == "real":
            values = values.astype(np.float32).astype(np.float64)
        return values, nulls

    return Rows(len(recnums), fetch)


class Budget:
    """
    What one question may cost, all its elements and subselects together.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._left, self._until = clock, WORK_LIMIT, clock() + TIME_LIMIT_S

    def spend(self, work: int) -> None:
        """Count records that were looked at; those of which more than the prime keys are needed count tenfold."""
        self._left -= work
        if self._left < 0 or self._clock() > self._until:
            raise SqlError("canceling statement due to statement timeout")


class Search:
    """
    The records of one series that a condition holds for.

    Parameters
    ----------
    series : Series
        Where to look.
    condition : Term or None
        What has to be true; None for no condition.
    all_versions : bool
        Whether superseded records count.
    budget : Budget
        Of the question.
    few : bool
        Whether only the first or last few records are wanted: the search then begins with short stretches.
    """

    def __init__(
        self, series: Series, condition: Term | None, all_versions: bool, budget: Budget, *, few: bool = False
    ) -> None:
        self._series, self._condition, self._all, self._few = series, condition, all_versions, few
        self._budget = budget
        self._keys = {"recnum", *(key.column for key in series.definition.prime)}

    def with_versions(self) -> Search:
        """The same search among all versions."""
        return Search(self._series, self._condition, True, self._budget, few=self._few)

    def newest(self, recnums: Recnums) -> Recnums:
        """Those of some records that are not superseded."""
        if len(recnums) > _SOME:
            return recnums[np.isin(recnums, self._series.candidates({}, False))]
        return recnums[[self._is_newest(number) for number in recnums]] if len(recnums) else recnums

    def chunks(self, descending: bool = False) -> Iterator[Recnums]:
        """Matching record numbers in prime-key order, in pieces; with `descending` the last piece comes first."""
        for candidates in self._candidates(descending):
            self._budget.spend(len(candidates) + 1)
            if len(candidates):
                found = candidates[self._matches(candidates)]
                if len(found):
                    yield found

    def _matches(self, recnums: Recnums) -> npt.NDArray[np.bool_]:
        if self._condition is None:
            return np.ones(len(recnums), dtype=bool)
        rows = rows_of(self._series, recnums)
        values, nulls = self._condition.run(rows)
        if not rows.used <= self._keys:
            self._budget.spend(9 * len(recnums))
        true = np.broadcast_to(values, len(recnums)).astype(bool)
        return true if nulls is None else true & ~np.broadcast_to(nulls, len(recnums))

    def _candidates(self, descending: bool) -> Iterator[Recnums]:
        series, definition = self._series, self._series.definition
        numbers = sqltypes.intervals(self._condition, "recnum", True)
        if numbers != sqltypes.ALL:
            listed = self._listed(numbers)
            if listed is not None:
                yield listed
                return
        bounds = self._bounds()
        if bounds is None:
            return
        first = definition.prime[0] if definition.prime else None
        if first is None or first.type in ("string", "float", "double"):
            yield series.candidates(bounds, self._all)
            return
        whole = first.type in schema.MISSING_INT
        allowed = sqltypes.intervals(self._condition, first.column, whole)
        first_size = _WINDOW if whole else _SECONDS
        if any(high - low > 100 * first_size for low, high in allowed):
            extremes = series.extremes(first.column)
            if extremes is None:
                return
            least, most = cast("tuple[float, float]", extremes)
            allowed = sqltypes.union((max(low, least), min(high, most)) for low, high in allowed)
        gap = 1000 if whole else 3600.0
        windows = _Windows(sqltypes.merged(allowed, gap), whole, descending)
        windows.size = first_size / (_FEW if self._few else 1)
        for low, high in windows:
            found = series.candidates({**bounds, first.column: (low, high)}, self._all)
            if len(found) < _CHUNK // 4:
                windows.size *= 2
            elif len(found) > _CHUNK:
                windows.size /= 2
            yield found

    def _bounds(self) -> dict[str, tables.Bound] | None:
        """Limits of the prime keys but the first, None where nothing can match."""
        bounds: dict[str, tables.Bound] = {}
        for key in self._series.definition.prime:
            if key.type in ("string", "float", "double"):
                continue
            limits = sqltypes.hull(sqltypes.intervals(self._condition, key.column, key.type in schema.MISSING_INT))
            if limits is None:
                return None
            if limits != sqltypes.ALL[0]:
                low, high = limits
                bounds[key.column] = (None if low == -math.inf else low, None if high == math.inf else high)
        return bounds

    def _listed(self, numbers: sqltypes.Intervals) -> Recnums | None:
        """Existing records of a limited set of record numbers, sorted; None where the set is too large for that."""
        extremes = self._series.extremes("recnum")
        if extremes is None or not numbers:
            return np.empty(0, dtype=np.int64)
        low, high = int(extremes[0]), int(extremes[1])
        clipped = [(int(max(a, low)), int(min(b, high))) for a, b in numbers if a <= high and b >= low]
        if sum(b - a + 1 for a, b in clipped) > 2_000_000:
            return None
        wanted = [np.arange(a, b + 1, dtype=np.int64) for a, b in clipped]
        found = self._series.existing(np.concatenate(wanted) if wanted else np.empty(0, dtype=np.int64))
        if not self._all:
            if len(found) > _SOME:
                return None
            found = self.newest(found)
        return in_order(self._series, found)

    def _is_newest(self, recnum: int) -> bool:
        keys = [key.column for key in self._series.definition.prime]
        values = self._series.columns(np.array([recnum], dtype=np.int64), keys)
        if any(self._series.definition.keywords[key].type in ("string", "float", "double") for key in keys):
            return recnum in self._series.candidates({}, False)
        bounds = {key: (values[key][0].item(), values[key][0].item()) for key in keys}
        return not keys or recnum in self._series.candidates(bounds, False)


def in_order(series: Series, recnums: Recnums) -> Recnums:
    """Records sorted by prime keys, versions by number; NaN and missing text last and first, as PostgreSQL has them."""
    keys = prime_ranks(series, recnums)
    return recnums[np.lexsort([recnums, *reversed(keys)])] if keys and len(recnums) > 1 else recnums


def prime_ranks(series: Series, recnums: Recnums) -> list[npt.NDArray[Any]]:
    """Values of the prime keys, in their order; of text its rank."""
    keys = [key.column for key in series.definition.prime]
    columns = [np.ma.getdata(column) for column in series.columns(recnums, keys).values()]
    return [np.unique(one.astype(str), return_inverse=True)[1] if one.dtype == object else one for one in columns]


def as_postgres_leaves_them(series: Series, recnums: Recnums) -> Recnums:
    """Records in prime-key order, with versions of one record as PostgreSQL's sort leaves them."""
    keys = prime_ranks(series, recnums)
    if not keys or not 1 < len(recnums) <= 20_000:
        return recnums
    sorted_rows = np.lexsort(keys[::-1])
    differs = np.zeros(len(recnums), dtype=np.int64)
    for key in keys:
        differs[1:] |= key[sorted_rows][1:] != key[sorted_rows][:-1]
    if differs[1:].all():
        return recnums
    rank = np.empty(len(recnums), dtype=np.int64)
    rank[sorted_rows] = np.cumsum(differs)
    stored = np.argsort(recnums, kind="stable")  # the table holds records in the order in which they were made
    return recnums[stored][order(rank[stored].tolist())]


class _Windows:
    """Stretches of the first prime key; `size`, their length, may be changed while iterating."""

    def __init__(self, allowed: sqltypes.Intervals, whole: bool, descending: bool) -> None:
        self._whole, self._descending = whole, descending
        self._allowed = reversed(allowed) if descending else iter(allowed)
        self.size = 1.0

    def __iter__(self) -> Iterator[tuple[float, float]]:
        for low, high in self._allowed:
            while low <= high:
                width = max(1, int(self.size)) if self._whole else self.size
                if self._descending:
                    start = max(low, high - width)
                    yield start, high
                    high = start - 1 if self._whole else math.nextafter(start, -math.inf)
                else:
                    end = min(high, low + width)
                    yield low, end
                    low = end + 1 if self._whole else math.nextafter(end, math.inf)


class Subselects:
    """
    Works out ``(select … from series where …)``.

    Parameters
    ----------
    catalog : mapping of str to Series
        The tables, by lower-case name.
    budget : Budget
        Of the question.
    """

    def __init__(self, catalog: Mapping[str, Series], budget: Budget) -> None:
        self._catalog, self._budget = catalog, budget

    def compiler(self, series: Series) -> Compiler:
        """Checks conditions on a series; subselects see the same catalogue."""
        return Compiler(series.definition.name.lower().split("."), sql_types(series.definition), self)

    def __call__(self, select: syntax.Select) -> tuple[str, list[Any]]:
        """Type and values of a subselect."""
        if not select.table:
            term = Compiler((), {}, self).term(select.what)
            return term.type, [term.value]
        name = ".".join(select.table)
        if name not in self._catalog:
            raise SqlError(f'relation "{name}" does not exist', select.position)
        series = self._catalog[name]
        compiler = self.compiler(series)
        condition = compiler.condition(select.where) if select.where is not None else None
        search = Search(series, condition, True, self._budget)
        if select.exists:
            return "boolean", [True for _ in [next(search.chunks(), None)] if _ is not None]
        if syntax.is_aggregate(select.what):
            assert isinstance(select.what, syntax.Call)
            return self._aggregate(select.what, series, compiler, condition, search)
        term = compiler.term(select.what)
        return term.type, [value for part in search.chunks() for value in self._values(term, series, part)]

    def _aggregate(
        self, call: syntax.Call, series: Series, compiler: Compiler, condition: Term | None, search: Search
    ) -> tuple[str, list[Any]]:
        term = compiler.term(call.arguments[0])
        name = call.name
        prime = [key.column for key in series.definition.prime]
        if name in ("min", "max") and condition is None and term.column in (*prime, "recnum"):
            extremes = series.extremes(term.column)
            return term.type, [None if extremes is None else extremes[name == "max"]]
        most = name in ("min", "max")
        first_only = most and bool(prime) and term.column == prime[0]
        values: list[Any] = []
        count = 0
        for part in search.chunks(descending=name == "max"):
            some = [value for value in self._values(term, series, part, _COUNTED) if value is not None]
            count += len(some)
            if name != "count":
                values += some
            if most and values:
                # NaN is greater than all numbers
                values = sorted(values, key=lambda value: (value != value, value))[-1 if name == "max" else 0 :][:1]
                if first_only:
                    break
        if name == "count":
            return "bigint", [count]
        if most:
            return term.type, values or [None]
        total: Any = sum(values) if values else None
        kind = "bigint" if term.type in sqltypes.INTEGERS and name == "sum" else "double precision"
        return kind, [total / len(values) if values and name == "avg" else total]

    def _values(self, term: Term, series: Series, recnums: Recnums, cost: int = _VALUE) -> list[Any]:
        self._budget.spend(cost * len(recnums))
        values, nulls = term.run(rows_of(series, recnums))
        listed: list[Any] = np.broadcast_to(values, len(recnums)).tolist()
        if nulls is None:
            return listed
        missing = np.broadcast_to(nulls, len(recnums))
        return [None if gone else value for value, gone in zip(listed, missing, strict=True)]


T = TypeVar("T")

#: Rows that the server fetches for one element of a record set (``MAXIMUM_LIMIT``, drms_record.c).
RECORD_LIMIT: Final = 75_000
NOT_FOUND: Final = " jsoc_info: series not found."
#: What is left of PostgreSQL's words where the server sends several statements.
LOST: Final = "problem with database query"
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_WANTED: Final = 1000  # so many records are few enough to be looked for from one end
_FUDGE: Final = 4  # rows that the server looks at for each record wanted (``kQUERYNFUDGE``)


class Engine:
    """
    Answers queries on a catalogue.

    Parameters
    ----------
    catalog : mapping of str to Series
        Series by name, in any case.
    record_limit : int
        From this many records on, a query for the records of one element fails.
    clock : callable
        Seconds, for the ``runtime`` of answers.
    shadow : bool, optional
        Whether all series have tables of their newest records, as the big ones of JSOC do; by default what their
        property ``shadow`` says, and True for those that lack it.
    """

    def __init__(
        self,
        catalog: Mapping[str, Series],
        *,
        record_limit: int = RECORD_LIMIT,
        clock: Callable[[], float] = time.perf_counter,
        shadow: bool | None = None,
    ) -> None:
        self.catalog, self.record_limit, self.clock, self._shadow = catalog, record_limit, clock, shadow
        self.reader = Reader(catalog)

    # ---- record sets
    def scan(self, ds: str) -> tuple[language.Element, ...]:
        """
        Cut a record set into elements.

        Raises
        ------
        EngineError
            ``invalid record-set specification``.
        EngineCrash
            For what ends the server's program.
        """
        try:
            return scan_set(ds)
        except language.FatalSetError as error:
            raise EngineCrash(str(error)) from None
        except RecordSetError:
            raise EngineError(f"invalid record-set specification `{ds}`") from None

    def open(self, ds: str, n: int | None = None) -> list[Opened]:
        """
        Find the records of a record set.

        Parameters
        ----------
        ds : str
            Record set.
        n : int, optional
            At most so many records of each element: the first ones, or with a minus sign the last ones.

        Returns
        -------
        list of Opened
            One an element, in order.

        Raises
        ------
        EngineError
            With the server's exact text; for `record_limit` records and more that is "series not found".
        EngineCrash
            For what ends the server's program.
        """
        budget = Budget(self.clock)
        return [self._open(element, n, budget) for element in self._drms(ds, n)]

    def count(self, ds: str, n: int | None = None) -> int:
        """How many records a record set has, as ``rs_summary`` says; errors as for `open`."""
        total, budget = 0, Budget(self.clock)
        for element in self._drms(ds, n):
            series, condition = self._condition(element)
            if n:
                total += len(self._find(series, condition, n, budget))
            else:
                total += self._guarded(
                    condition, series, lambda found: sum(map(len, found.chunks())), budget, counting=True
                )
        return total

    def _drms(self, ds: str, n: int | None) -> Iterator[language.Element]:
        """Elements of a record set that name records of a series."""
        elements = self.scan(ds)
        if n is not None and n < 0 and len(elements) > 1:
            raise EngineCrash("a negative n and several record sets")
        for element in elements:
            if element.kind is language.ElementKind.AT_FILE and not element.series.strip("@ "):
                continue  # an empty list of record sets
            if element.kind is not language.ElementKind.DRMS or (len(elements) > 1 and not element.filters):
                raise EngineError(NOT_FOUND)
            yield element

    def _condition(self, element: language.Element) -> tuple[Series, Clause]:
        series = self.catalog.get(element.series)
        if series is None:
            raise EngineError(NOT_FOUND)
        try:
            return series, clause(series.definition, element, self.has_shadow(series))
        except language.FatalSetError as error:
            raise EngineCrash(str(error)) from None
        except RecordSetError as error:
            refusal = EngineError(NOT_FOUND)
            refusal.headless = getattr(error, "headless", False)
            raise refusal from None

    def _open(self, element: language.Element, n: int | None, budget: Budget) -> Opened:
        series, condition = self._condition(element)
        recnums = self._find(series, condition, n or 0, budget)
        if len(recnums) >= self.record_limit:
            raise EngineError(NOT_FOUND)
        return Opened(series, recnums, _segments(series.definition, element), element)

    def _find(self, series: Series, condition: Clause, n: int, budget: Budget) -> Recnums:
        return self._guarded(condition, series, lambda found: self._fetch(found, series, condition, n), budget, n)

    def has_shadow(self, series: Series) -> bool:
        """Whether a series has a table of its newest records, as those of JSOC have."""
        return bool(getattr(series, "shadow", True)) if self._shadow is None else self._shadow

    def _guarded(
        self,
        condition: Clause,
        series: Series,
        work: Callable[[Search], T],
        budget: Budget,
        n: int = 0,
        *,
        counting: bool = False,
    ) -> T:
        """Compile a condition and do something with the search, PostgreSQL's errors turned into the server's."""
        shadow = self.has_shadow(series) and not condition.all_versions
        lost = shadow and several_statements(condition, n, counting)
        if shadow and (message := shadow_refusal(series.definition, condition, n, counting)):
            raise EngineError(LOST if lost else f"ERROR:  {message}\n")
        query, start, end = statement(series.definition, condition, self.record_limit, n)
        try:
            term: Term | None = None
            if condition.text:
                compiler = Subselects(self.catalog, budget).compiler(series)
                term = compiler.condition(parse_condition(query, start, end))
            return work(Search(series, term, condition.all_versions, budget, few=0 < abs(n) < _WANTED))
        except SqlError as error:
            raise EngineError(LOST if lost else error.report(query)) from None
        except RecordSetError:  # a computed series that would have to make up too many records at once
            raise EngineError("ERROR:  canceling statement due to statement timeout\n") from None
        except RecursionError:
            raise EngineError("ERROR:  stack depth limit exceeded\n") from None

    def _fetch(self, found: Search, series: Series, condition: Clause, n: int) -> Recnums:
        if not n:
            parts, count = [], 0
            for part in found.chunks():
                parts.append(part)
                count += len(part)
                if count >= self.record_limit:
                    break
            everything = _joined(parts)
            if condition.all_versions and not self.has_shadow(series):
                return as_postgres_leaves_them(series, everything)
            return everything
        raw = condition.all_versions
        rows = abs(n)
        if not raw and not self.has_shadow(series):
            # without a shadow table the server cuts the list of all versions before it looks for the newest ones
            if n == _INT_MIN or _wrapped(_FUDGE * rows) < 0:
                raise EngineError("ERROR:  LIMIT must not be negative\n")
            newest = found.newest(_ends(found.with_versions().chunks(n < 0), n, _wrapped(_FUDGE * rows)))
            most = min(rows, self.record_limit)
            return newest[:most] if n > 0 else newest[max(0, len(newest) - most) :]
        if n == _INT_MIN:
            raise EngineError("ERROR:  LIMIT must not be negative\n")
        last = _ends(found.chunks(n < 0), n, min(rows, self.record_limit))
        # the last query of a chain of temporary tables sorts downwards, and nobody turns its records round again
        # (drms_series.c: drms_series_n_querystringFL; drms_record.c: drms_open_nrecords)
        return last[::-1] if n < 0 and condition.first_last and not raw else last


def _segments(definition: schema.SeriesDefinition, element: language.Element) -> tuple[str, ...] | None:
    if element.segments is None:
        return None
    wanted = {name.lower() for name in element.segments}
    found = tuple(segment.name for name, segment in definition.segments.items() if name in wanted)
    return found or None


def _joined(parts: list[Recnums]) -> Recnums:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _ends(chunks: Iterator[Recnums], n: int, rows: int) -> Recnums:
    """The first or last so many records, ascending."""
    parts, count = [], 0
    if rows:
        for part in chunks:
            parts.append(part)
            count += len(part)
            if count >= rows:
                break
    if n > 0:
        return _joined(parts)[:rows]
    found = _joined(parts[::-1])
    return found[len(found) - rows :] if len(found) > rows else found


def _wrapped(number: int) -> int:
    """What a C int keeps."""
    return (number + 2**31) % 2**32 - 2**31


def to_int(text: str) -> int:
    """An integer parameter as the server reads it: a real number is cut, anything else is the least integer."""
    found = re.fullmatch(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*", text)
    number = float(found[1]) if found else -math.inf
    return int(number) if _INT_MIN < number <= _INT_MAX else _INT_MIN
