"""
What every catalogue of the sandbox offers: the `Series` protocol, and `Catalog`, which finds series in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from .definition import SeriesDefinition

Recnums: TypeAlias = npt.NDArray[np.int64]
Column: TypeAlias = npt.NDArray[Any]
#: Inclusive limits of a column, None where open.
Bound: TypeAlias = tuple[int | float | str | None, int | float | str | None]

#: Columns that every table has, beside those of its keywords and segments.
SYSTEM_COLUMNS = ("recnum", "sunum", "slotnum", "sessionid", "sessionns")
_SYSTEM_TYPES = {
    **dict.fromkeys(SYSTEM_COLUMNS, "longlong"),
    "slotnum": "int",
    "sessionns": "string",
}


@dataclass(frozen=True, slots=True)
class StorageUnit:
    """
    A storage unit as SUMS knows it.

    Attributes
    ----------
    sunum : int
        Number of the unit.
    directory : str
        ``/SUM0/D500000000``; a file is at ``directory/S<slotnum, 5 digits>/<sg_NNN_file>``.
    online : bool
        Whether the files are on disk.
    archive : str
        ``Y``, ``N`` or ``Pending``.
    effective_date : str
        End of retention, ``YYYYMMDDhhmm``.
    size : int
        Bytes of the unit.
    files : mapping of str to int
        Bytes of each file, empty while offline.
    mtime : str
        When the directory was last changed, ISO 8601.
    """

    sunum: int
    directory: str
    online: bool
    archive: str
    effective_date: str
    size: int
    files: Mapping[str, int] = field(default_factory=dict)
    mtime: str = ""


@runtime_checkable
class Series(Protocol):
    """
    One series of records, all of its versions included.

    Column names are those of the database, in lower case: keywords (``t_rec``, ``t_rec_index``, per-segment
    ``name_000``), `SYSTEM_COLUMNS`, and for each segment ``sg_000_file`` and, where its size varies,
    ``sg_000_axis000``…; for a static link ``ln_name``, a record number (-1 for none), for a dynamic one ``ln_name_key``
    for each column of the target's prime keys.

    A series may have an attribute ``shadow``: False says that it lacks a table of its newest records, which changes how
    the server finds them (as it does for the series of a stored catalogue).
    """

    @property
    def definition(self) -> SeriesDefinition:
        """What the series is."""
        ...

    def candidates(self, bounds: Mapping[str, Bound], all_versions: bool) -> Recnums:
        """
        Record numbers within all of `bounds`, in prime-key order.

        Parameters
        ----------
        bounds : mapping of str to (low, high)
            Inclusive limits of columns of prime keys (``t_rec_index``, ``wavelnth``), None where open.
        all_versions : bool
            False: only the highest record number of each prime-key tuple. True: superseded versions, too; those of
            one tuple in ascending order.
        """
        ...

    def columns(self, recnums: Recnums, names: Sequence[str]) -> dict[str, Column]:
        """
        Values of existing records, in the order of `recnums`; keys are `names`.

        int64 for integers, float64 for reals and times, object (str) for strings. A missing value is the type's
        minimum, NaN, JD 0 or an empty string; a masked array marks what is NULL in the database.

        Raises
        ------
        KeyError
            For a name that is no column.
        """
        ...

    def existing(self, recnums: Recnums) -> Recnums:
        """Those of `recnums` that are records of the series, of any version, in the order given."""
        ...

    def extremes(self, column: str) -> tuple[int | float | str, int | float | str] | None:
        """Least and greatest value of a prime-key column, or of ``recnum``, over all records; None without records."""
        ...

    def units(self, sunums: Recnums) -> list[StorageUnit | None]:
        """What SUMS knows of each storage unit, None where it knows nothing."""
        ...

    def directories(self, sunums: Recnums) -> list[str]:
        """`StorageUnit.directory` of each unit that is online, an empty string for the others; made to be fast."""
        ...

    def path(self, recnum: int, segment: str) -> str | None:
        """Path of a record's own file (links are not followed), None where it is offline or there is none."""
        ...


class Catalog(Mapping[str, Series]):
    """
    Series by name, in any case.

    Parameters
    ----------
    series : iterable of Series
        The series; `len` and iteration give their names as spelled in the definitions, sorted.
    """

    def __init__(self, series: Sequence[Series] = ()) -> None:
        self._series = {one.definition.name.lower(): one for one in sorted(series, key=_name)}

    def __getitem__(self, name: str) -> Series:
        return self._series[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._series

    def __iter__(self) -> Iterator[str]:
        return (one.definition.name for one in self._series.values())

    def __len__(self) -> int:
        return len(self._series)


def _name(series: Series) -> str:
    return series.definition.name


def column_types(definition: SeriesDefinition) -> dict[str, str]:
    """DRMS type of each database column of a series, by its lower-case name."""
    types = dict(_SYSTEM_TYPES)
    types |= {key.column: key.type for key in definition.keywords.values() if key.stored}
    types |= {f"ln_{link.name.lower()}": "longlong" for link in definition.links.values() if link.static}
    for segment in definition.segments.values():
        if not segment.link:
            types[f"sg_{segment.number:03d}_file"] = "string"
            if segment.scope == "vardim":
                types |= {f"sg_{segment.number:03d}_axis{axis:03d}": "int" for axis in range(len(segment.axes))}
    return types
