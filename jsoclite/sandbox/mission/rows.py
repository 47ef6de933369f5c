"""
Rows of computed series: what is known of each record asked for, and the types of the columns made of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ..catalog.catalog import Bound, Column, Recnums
from ..catalog.definition import JD0, MISSING_INT, REALS, Keyword
from .ephemeris import View, view
from .noise import uniform
from .spec import Spec

if TYPE_CHECKING:
    from .series import ComputedSeries

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
T = TypeVar("T")


class Rows:
    """
    The records whose columns are asked for.

    Attributes
    ----------
    series : ComputedSeries
        Their series.
    recnum, index : ndarray of int64
        Record numbers, and places in prime-key order.
    version : ndarray of int64
        1 for what was made a second time, else 0.
    time : ndarray of float64
        Nominal time of each record (T_REC), TAI seconds since 1977.
    """

    def __init__(self, series: ComputedSeries, recnums: Recnums) -> None:
        self.series = series
        self.recnum = np.asarray(recnums, dtype=np.int64)
        self.index = (self.recnum - 1) % series.size
        self.version = (self.recnum - 1) // series.size
        self.time = series.times(self.index)
        self._made: dict[Callable[[Rows], Any], Any] = {}

    def __len__(self) -> int:
        return len(self.recnum)

    @property
    def spec(self) -> Spec:
        """What the series is."""
        return self.series.spec

    @cached_property
    def view(self) -> View:
        """The Sun as the instrument saw it."""
        return view(self.time, "soho" if self.spec.instrument == "mdi" else "sdo")

    @cached_property
    def quality(self) -> IntArray:
        """QUALITY of each record, signed; negative where there is no image."""
        return self.series.qualities(self)

    def prime(self, column: str) -> Column:
        """A prime-key column."""
        return self.series.prime_values(column, self.index)

    def once(self, make: Callable[[Rows], T]) -> T:
        """`make` of these rows, computed once: many columns follow from the same numbers."""
        if make not in self._made:
            self._made[make] = make(self)
        value: T = self._made[make]
        return value

    def uniform(self, purpose: str) -> FloatArray:
        """A number in [0, 1) for each record and version."""
        return uniform(self.recnum, f"{self.spec.name} {purpose}")


#: How a column is computed; keys of such tables are lower-case keyword names.
Value: TypeAlias = Callable[[Rows], Any]


def typed(key: Keyword, value: Any, count: int) -> Column:
    """A column of `count` values in the type of the database: int64, float64 (rounded to 32 bits for float) or str."""
    if key.type == "string":
        column = np.empty(count, dtype=object)
        column[:] = value if isinstance(value, np.ndarray) else str(value)
        return column
    if key.type in MISSING_INT:
        if isinstance(value, str):
            value = int(value, 0) if value.strip() else MISSING_INT[key.type]
        whole = np.empty(count, dtype=np.int64)
        whole[:] = np.rint(value) if isinstance(value, float) else value
        return whole
    if isinstance(value, str):
        value = _default_real(key, value)
    real = np.empty(count, dtype=np.float64)
    real[:] = value
    return real.astype(np.float32).astype(np.float64) if key.type == "float" else real


def _default_real(key: Keyword, text: str) -> float:
    if key.type in REALS:
        return float(text) if text.strip() else float("nan")
    if not text.strip() or text.startswith("-4712"):
        return JD0
    from ...times import words

    return float(words.scan_time(text))


def limits(bounds: Mapping[str, Bound], column: str) -> tuple[float, float]:
    """Inclusive limits of a column of numbers, infinite where it is not bound."""
    low, high = bounds.get(column, (None, None))
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)
