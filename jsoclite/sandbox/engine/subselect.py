"""
Subselects, ``(select max(T_REC_index) from hmi.m_720s where …)``, worked out before the query that has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..catalog.catalog import Recnums, Series
from ..postgres.compiler import Compiler
from ..postgres.lexer import SqlError
from ..postgres.sqltree import Call, Select, is_aggregate
from ..postgres.terms import Term
from ..postgres.values import INTEGERS
from .search import Search, known_extremes, rows_of, sql_types


class Subselects:
    """
    Works out ``(select … from series where …)``.

    Parameters
    ----------
    catalog : mapping of str to Series
        The tables, by lower-case name.
    """

    def __init__(self, catalog: Mapping[str, Series]) -> None:
        self._catalog = catalog

    def compiler(self, series: Series) -> Compiler:
        """Checks conditions on a series; subselects see the same catalogue."""
        return Compiler(series.definition.name.lower().split("."), sql_types(series.definition), self)

    def __call__(self, select: Select) -> tuple[str, list[Any]]:
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
        search = Search(series, condition, all_versions=True)
        if select.exists:
            return "boolean", [True for _ in [next(search.chunks(), None)] if _ is not None]
        if is_aggregate(select.what):
            assert isinstance(select.what, Call)
            return self._aggregate(select.what, series, compiler, condition, search)
        term = compiler.term(select.what)
        return term.type, [value for part in search.chunks() for value in _values(term, series, part)]

    def _aggregate(
        self, call: Call, series: Series, compiler: Compiler, condition: Term | None, search: Search
    ) -> tuple[str, list[Any]]:
        term = compiler.term(call.arguments[0])
        name = call.name
        prime = [key.column for key in series.definition.prime]
        if name in ("min", "max") and condition is None and term.column in (*prime, "recnum"):
            extremes = known_extremes(series, term.column)
            return term.type, [None if extremes is None else extremes[name == "max"]]
        first_only = name in ("min", "max") and bool(prime) and term.column == prime[0]
        values: list[Any] = []
        pick: Callable[[list[Any]], Any] = _extreme(name)
        count = 0
        for part in search.chunks(descending=name == "max"):
            some = [value for value in _values(term, series, part) if value is not None]
            count += len(some)
            if name in ("min", "max"):
                values = [pick([*values, *some])] if values or some else []
                if first_only and values:
                    break
            elif name != "count":
                values += some
        if name == "count":
            return "bigint", [count]
        if name in ("min", "max"):
            return term.type, values or [None]
        total: Any = sum(values) if values else None
        kind = "bigint" if term.type in INTEGERS and name == "sum" else "double precision"
        return kind, [total / len(values) if values and name == "avg" else total]


def _extreme(name: str) -> Callable[[list[Any]], Any]:
    def key(value: Any) -> tuple[bool, Any]:
        return (value != value, value)

    return (lambda values: max(values, key=key)) if name == "max" else (lambda values: min(values, key=key))


def _values(term: Term, series: Series, recnums: Recnums) -> list[Any]:
    values, nulls = term.run(rows_of(series, recnums))
    listed: list[Any] = np.broadcast_to(values, len(recnums)).tolist()
    if nulls is None:
        return listed
    return [None if gone else value for value, gone in zip(listed, np.broadcast_to(nulls, len(recnums)), strict=True)]
