"""
The query engine: from record sets to records, with the server's own words where it refuses.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from ...errors import RecordSetError
from ...recordset import language, scan_set
from ..catalog import Recnums, Series
from ..postgres import SqlError, Term, parse_condition
from .clause import Clause, clause, several_statements, shadow_refusal, statement
from .handle import EngineCrash, EngineError, Opened
from .records import Reader
from .search import Budget, Search, Subselects, as_postgres_leaves_them

if TYPE_CHECKING:
    from ..catalog import schema


T = TypeVar("T")

#: Rows that the server fetches for one element of a record set (``MAXIMUM_LIMIT``, drms_record.c).
RECORD_LIMIT: Final = 75_000
NOT_FOUND: Final = " jsoc_info: series not found."
#: What is left of PostgreSQL's words where the server sends several statements.
LOST: Final = "problem with database query"
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_FEW: Final = 1000  # so many records are few enough to be looked for from one end
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

    def series(self, name: str) -> Series:
        """A series by its name; `EngineError` where there is none."""
        found = self.catalog.get(name)
        if found is None:
            raise EngineError(NOT_FOUND)
        return found

    def _condition(self, element: language.Element) -> tuple[Series, Clause]:
        series = self.series(element.series)
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
            return work(Search(series, term, condition.all_versions, budget, few=0 < abs(n) < _FEW))
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
