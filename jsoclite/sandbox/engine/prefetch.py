"""
Columns of a list of records, read at once: a computed series then does its work once, and a link is followed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ..catalog.protocol import Column, Recnums, Series
from .handle import Opened


class Prefetched:
    """
    A series that has some columns of some records at hand; for all else it is the series itself.

    Parameters
    ----------
    series : Series
        The series.
    recnums : array of int64
        The records; the array itself has to be handed back to find their columns again.
    names : iterable of str
        Columns to read now; others are read and kept when they are first asked for.
    linked : mapping of str to iterable of str
        Columns that will be wanted of the records at the other end of a link, by its lower-case name.

    Attributes
    ----------
    targets : dict of str to tuple
        What `jsoclite.sandbox.records.Reader` found at the other end of each link.
    """

    def __init__(
        self, series: Series, recnums: Recnums, names: Iterable[str], linked: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._series, self._recnums = series, recnums
        self.linked = linked or {}
        self.targets: dict[str, tuple[Recnums, Series, Recnums]] = {}
        self._known = series.columns(recnums, sorted(names))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._series, name)

    def holds(self, recnums: Recnums) -> bool:
        """Whether these are the records whose columns are at hand."""
        return recnums is self._recnums

    def columns(self, recnums: Recnums, names: Sequence[str]) -> dict[str, Column]:
        """See `Series.columns`."""
        if recnums is not self._recnums:
            return self._series.columns(recnums, names)
        missing = [name for name in names if name not in self._known]
        if missing:
            self._known |= self._series.columns(recnums, missing)
        return {name: self._known[name] for name in names}


def prefetched(
    series: Series, recnums: Recnums, names: Iterable[str], linked: Mapping[str, Iterable[str]] | None = None
) -> Series:
    """A series with columns at hand; see `Prefetched`."""
    return cast(Series, Prefetched(series, recnums, names, linked))


def opened_with(part: Opened, names: Iterable[str], linked: Mapping[str, Iterable[str]]) -> Opened:
    """The same records, with columns at hand."""
    return replace(part, series=prefetched(part.series, part.recnums, names, linked))
