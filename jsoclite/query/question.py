"""
What is asked of a series, all names checked; and keywords that belong together: those looked at first, and named sets
such as the SHARP parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import QueryError, TooMany, UnknownName, warn
from ..recordset import RecordSet
from ..series import SeriesInfo, keywords_of
from ..times import DrmsTime

if TYPE_CHECKING:
    import pandas as pd

# what a question about too many records would come to; JSOC gives some 5,000 a second
RECORDS_A_SECOND, BYTES_A_VALUE = 5000, 20
# time ranges asked for in one query: of 50 characters each, so many stay below 4,000
RANGES = 60


@dataclass(frozen=True, slots=True)
class Question:
    """
    What is asked of a series, all names checked.

    Attributes
    ----------
    record_set : RecordSet
        Of one series.
    info : SeriesInfo
        The series.
    keywords, segments, links : list of str
        Names, in the order of the columns.
    times : {None, "utc", "tai"}
        See `Client.query`.
    """

    record_set: RecordSet
    info: SeriesInfo
    keywords: list[str]
    segments: list[str]
    links: list[str]
    times: Literal["utc", "tai"] | None = None

    def too_many(self, part: RecordSet, total: int) -> TooMany:
        """Return the error that says what a set of so many records would come to."""
        values = len(self.keywords) + len(self.segments) + len(self.links) + 4
        return TooMany(
            f"{part} has {total:,} records: about {total * values * BYTES_A_VALUE / 1e6:.0f} MB and "
            f"{total / RECORDS_A_SECOND / 60:.0f} minutes. If you mean them all, pass limit={total} (--yes on the "
            "command line); else name a shorter range, a cadence or a condition. Client.stream takes them a DataFrame "
            "at a time",
            total,
            record_set=str(part),
        )


def segment_columns(rows: Any, info: SeriesInfo) -> list[str] | None:
    """Return the segments among the columns of a DataFrame or row: who asked for some wants these. None for none."""
    columns = getattr(rows, "columns", None) if getattr(rows, "ndim", 0) == 2 else getattr(rows, "index", None)
    if columns is None or isinstance(rows, Sequence):
        return None
    known = set(info.segments.index)
    return [name for name in columns if name in known] or None


def one_series(record_set: str | RecordSet) -> RecordSet:
    """Return a record set once it is known to be of one series, as jsoc_info wants it."""
    rs = RecordSet.parse(record_set)
    others = {element.series.lower() for element in rs.elements}
    if len(others) > 1:
        raise QueryError(
            f"{rs} names several series ({', '.join(sorted(others))}); jsoc_info takes one at a time: "
            "query each, then pandas.concat",
            record_set=str(rs),
        )
    return rs


# of AIA and HMI, angstrom: where another key is given one, it is meant as one
CHANNELS = frozenset((94, 131, 171, 193, 211, 304, 335, 1600, 1700, 4500, 6173))


def why_nothing(rs: RecordSet, info: SeriesInfo, waves: Callable[[], list[int]]) -> str:
    """
    Say why a set may select nothing: a number that is one of something else, or a wavelength that there is not.

    Parameters
    ----------
    rs, info
        The set and its series.
    waves : callable
        Returns the values of WAVELNTH that the series has.
    """
    for key, values in rs.numbers(info).items():
        if key == "WAVELNTH":
            if (has := waves()) and (none := [value for value in values if value not in has]):
                return f"{info.name} has no wavelength {none[0]}: it has {', '.join(map(str, has))}"
        elif key == "HARPNUM":
            if regions := [value for value in values if 10_000 <= value < 100_000]:
                return f"HARPNUM {regions[0]} looks like an active region's number: see client.harps({regions[0]})"
        elif "WAVELNTH" in keywords_of(info) and (meant := CHANNELS.intersection(values)):
            wave = min(meant)
            instead = f"[? WAVELNTH = {wave} ?], or where={{'WAVELNTH': {wave}}} in search"
            return f"{wave} is taken for {key}, a prime key of {info.name}: for a wavelength write {instead}"
    return ""


def warn_of_problems(rs: RecordSet, info: SeriesInfo) -> None:
    """Warn of what the server would do without a word."""
    alike: dict[str, list[str]] = {}
    for problem in rs.problems(info):  # what differs in digits only, such as days, is said once
        alike.setdefault(re.sub(r"\d+", "0", problem.rpartition("]: ")[2]), []).append(problem)
    for problem, *more in alike.values():
        warn(f"{problem} (and {len(more)} more like this)" if more else problem)


# UTC for TAI is less than this; a row further outside of its range is one that nobody has asked for
AWAY = np.timedelta64(40, "s")
_FAR_S = (
    8e9  # before and after 1977: what DataFrames hold ends in 1678 and 2262, an open range of DRMS in 1600 and 9999
)

# the keywords that most people look at first, where a series has them
DEFAULT_KEYWORDS = ("T_OBS", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT", "QUALITY")

#: Sets of keywords by name, for ``keywords="sharp"`` or ``keywords=["T_REC", "sharp"]``.
KEYWORD_SETS: dict[str, tuple[str, ...]] = {
    # the parameters of Bobra et al. (2014), Solar Physics 289, 3549, that flare forecasts use
    "sharp": (
        "USFLUX",
        "MEANGAM",
        "MEANGBT",
        "MEANGBZ",
        "MEANGBH",
        "MEANJZD",
        "TOTUSJZ",
        "MEANALP",
        "MEANJZH",
        "TOTUSJH",
        "ABSNJZH",
        "SAVNCPP",
        "MEANPOT",
        "TOTPOT",
        "MEANSHR",
        "SHRGT45",
        "R_VALUE",
        "AREA_ACR",
    ),
    "wcs": (
        "CTYPE1",
        "CTYPE2",
        "CRPIX1",
        "CRPIX2",
        "CRVAL1",
        "CRVAL2",
        "CDELT1",
        "CDELT2",
        "CUNIT1",
        "CUNIT2",
        "CROTA2",
        "DSUN_OBS",
        "RSUN_OBS",
        "CRLN_OBS",
        "CRLT_OBS",
    ),
    "statistics": ("DATAMIN", "DATAMAX", "DATAMEDN", "DATAMEAN", "DATARMS", "DATASKEW", "DATAKURT", "MISSVALS"),
}


def outside(question: Question, rows: pd.DataFrame) -> int:
    """Count rows outside of the range that was asked for, which the server rounds to the nearest slots."""
    span = question.record_set.span(question.info) if len(rows) and "time" in rows else None
    if span is None:
        return 0
    times = rows["time"].to_numpy(dtype="datetime64[ns]")
    first, last = (DrmsTime(min(max(edge.seconds, -_FAR_S), _FAR_S)).datetime64 for edge in span)
    return int(((times < first - AWAY) | (times > last + AWAY)).sum())


def changed(element: RecordSet, counted: int | None, got: int) -> QueryError:
    """Return the error for records that came or went while they were fetched."""
    return QueryError(
        f"{element} had {counted or 'fewer'} records when it was counted and {got} in the pieces; records were added "
        "or replaced meanwhile. Ask again.",
        record_set=str(element),
    )


def expand_sets(names: Sequence[str], known: Sequence[str], series: str) -> list[str]:
    """Put the keywords of a named set that the series has in the place of its name; a keyword of that name wins."""
    found = []
    for name in names:
        members = KEYWORD_SETS.get(name.lower()) if name not in known else None
        there = [one for one in members or () if one in known]
        if members and not there:
            raise UnknownName(f"{series} has none of the keywords {name!r}: {', '.join(members[:4])}, …")
        found += [one for one in there if one not in names] if members else [name]
    return found
