"""
Which HARP holds an active region: one number, or one for each row of an event list.

What HARPs of the whole mission are called is one question: a record or a few at the beginning and at the end of each
(``T_FRST``, ``T_LAST``) that has a NOAA number. The answer is kept as definitions of series are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, whole
from ..recordset import RecordSet
from ..times import to_datetime, utc
from .columns import STRING
from .find import HOLE, around

if TYPE_CHECKING:
    from .query import Queries

HARP_SERIES = "hmi.sharp_cea_720s"
COLUMNS = ["HARPNUM", "NOAA_AR", "NOAA_ARS", "first", "last"]
_NAMES = ["HARPNUM", "NOAA_AR", "NOAA_ARS", "T_FRST", "T_LAST"]
# SHARPs in half an hour after the first and before the last of a HARP: should one be missing, another is there
_ENDS = "NOAA_AR > 0 AND (T_REC < T_FRST + 1800 OR T_REC > T_LAST - 1800)"
_BOX = ["LON_MIN", "LON_MAX", "LAT_MIN", "LAT_MAX"]
_BEGIN, _END = "2010.05.01_TAI", "2040.01.01_TAI"
# an event is of a HARP that has records so near to it in time, s, and whose box is so near to its place, degrees
_NEAR_S, _NEAR_DEG = 1800.0, 3.0
# until then NOAA's numbers had four digits
_FIVE_DIGITS = 10_000


def region(noaa: object) -> int:
    """Return the number of an active region, also of "AR 11158"."""
    match = re.fullmatch(r"\s*(?:NOAA\s*)?(?:AR\s*)?(\d+)(?:\.0*)?\s*", str(noaa), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise ArgumentError(f"noaa={noaa!r} is no number of an active region, such as 11158")
    number = int(match[1])
    if number < _FIVE_DIGITS:
        raise ArgumentError(
            f"noaa={noaa!r} is no number of a region with a HARP: since 2002 they have five digits, though people "
            f"leave out the first; write {_FIVE_DIGITS + number}"
        )
    return number


def harps(
    queries: Queries, noaa: Any, harpnum: int | None, series: str, start: Any, end: Any, times: Any, places: Any
) -> pd.DataFrame:
    """See `Client.harps`."""
    if (noaa is None) == (harpnum is None):
        raise ArgumentError("give either noaa= (the number of an active region) or harpnum=")
    mission = start is None and end is None and not series.lower().endswith("_nrt")  # of these, nobody knows the end
    many = isinstance(noaa, Iterable) and not isinstance(noaa, str)
    if harpnum is not None:
        table = _looked_up(queries, series, start, end, HARPNUM=whole("harpnum", harpnum))
    elif mission:
        table = _whole_mission(queries, series)
    else:
        # a HARP may hold several regions: NOAA_ARS is a list such as "12187,12191"
        condition = "NOAA_AR > 0" if many else f"NOAA_ARS ~ '(^|,){region(noaa)}(,|$)'"
        table = _looked_up(queries, series, start, end, where=condition)
    if many:
        return _Events(queries, series, table, noaa, times, places).frame()
    if times is not None or places is not None:
        raise ArgumentError("times= and places= go with a column or a list of numbers, each row has its own")
    if harpnum is None:
        number = region(noaa)
        table = table[table["NOAA_ARS"].map(lambda numbers: number in numbers).astype(bool)].reset_index(drop=True)
    return table


def _looked_up(queries: Queries, series: str, start: Any, end: Any, **options: Any) -> pd.DataFrame:
    """Look a range through; ``first`` and ``last`` are those of the records that were looked at."""
    first, last = start if start is not None else _BEGIN, end if end is not None else _END
    # a look every six hours finds nearly all of them, with 1/30 of the records; the rest is found by looking closely
    for cadence in ("6h", None):
        asked = RecordSet(series, first, last, cadence, order=queries.prime_keys(series), **options)
        frame = queries.query(asked, keywords=[*_NAMES[:3], "T_REC"])
        if len(frame):
            break
    return _told(frame, frame["time"], frame["time"])


def _whole_mission(queries: Queries, series: str) -> pd.DataFrame:
    """Return all HARPs with a number: asked once, then remembered, and kept for a day."""
    if series.lower() not in queries.harps:
        jsoc, key = queries.jsoc, f"{series} with NOAA_AR"
        kept = jsoc.recall(key, _kept)
        if kept is None:
            kept = queries.query(f"{queries.info(series).name}[? {_ENDS} ?]", keywords=_NAMES)[_NAMES]
            kept = kept.drop_duplicates().astype("str")
            jsoc.remember(key, {name: kept[name].tolist() for name in _NAMES})
        ends = [pd.Series(to_datetime(kept[name].tolist()), kept.index).dt.tz_localize("UTC") for name in _NAMES[3:]]
        queries.harps[series.lower()] = _told(kept, *ends)
    return queries.harps[series.lower()]


def _kept(reply: Any) -> pd.DataFrame:
    """Return what was kept as a table of texts; whatever raises is as good as not kept."""
    frame = pd.DataFrame({name: list(reply[name]) for name in _NAMES}, dtype="str")
    frame[_NAMES[:2]].astype("int64")
    to_datetime([*frame["T_FRST"], *frame["T_LAST"]])
    return frame


def _told(frame: pd.DataFrame, first: pd.Series, last: pd.Series) -> pd.DataFrame:
    """Return a row a HARP, whatever number of records say what it is called."""
    rows = []
    ends = frame.assign(first=first.to_numpy(), last=last.to_numpy())
    for number, group in ends.groupby(frame["HARPNUM"].astype("int64").to_numpy()):
        listed = [one for text in group["NOAA_ARS"].dropna() for one in str(text).split(",")]
        main = [int(value) for value in group["NOAA_AR"].dropna() if int(value)]
        numbers = tuple(sorted({int(one) for one in listed if re.fullmatch("[0-9]{1,9}", one)}))
        named = max(set(main), key=main.count) if main else 0
        rows.append((number, named, numbers, group["first"].min(), group["last"].max()))
    made = pd.DataFrame(rows, columns=COLUMNS)
    kinds = {"HARPNUM": "int64", "NOAA_AR": "int64"}
    return made.astype(kinds).assign(**{name: pd.to_datetime(made[name], utc=True) for name in COLUMNS[3:]})


class _Events:
    """The rows of an event list, and the HARP of each."""

    def __init__(self, queries: Queries, series: str, table: pd.DataFrame, noaa: Any, times: Any, places: Any) -> None:
        self.queries, self.series = queries, series
        self.index = noaa.index if isinstance(noaa, pd.Series) else None
        self.numbers = list(noaa)
        self.times = _instants(times, len(self.numbers))
        self.places = [None] * len(self.numbers) if places is None else list(places)
        if places is not None and times is None:
            raise ArgumentError("places= needs times= as well: regions move")
        if len(self.places) != len(self.numbers):
            raise ArgumentError(f"places= has to be as long as noaa=: {len(self.places)} and {len(self.numbers)}")
        self.by_number: dict[int, list[Any]] = {}
        named: list[Any] = list(table.itertuples(index=False))
        for row in named:
            for number in row.NOAA_ARS:
                self.by_number.setdefault(number, []).append(row)

    def frame(self) -> pd.DataFrame:
        """Return a row for each."""
        found = [self._by_name(place) for place in range(len(self.numbers))]
        self._by_overlap(found)
        names = ["noaa", *COLUMNS, "how", "sure", "reason"]
        made = pd.DataFrame([[row.get(name) for name in names] for row in found], columns=names)
        kinds = dict.fromkeys(names[:3], "Int64") | dict.fromkeys(names[-3:], STRING)
        made = made.astype(kinds)
        ends = {name: pd.to_datetime(made[name], utc=True).astype("datetime64[ns, UTC]") for name in ("first", "last")}
        made = made.assign(**ends)
        return made if self.index is None else made.set_axis(self.index)

    def _by_name(self, place: int) -> dict[str, Any]:
        """Choose among the HARPs that name the number: by time, then the one of which it is the main region."""
        given, time = self.numbers[place], self.times[place]
        if given is None or given == "" or given != given or given is pd.NA or given == 0:
            return {"reason": "the row has no number"}
        try:
            number = region(given)
        except ValueError as error:
            return {"reason": str(error)}
        named = self.by_number.get(number, [])
        if not named:
            return {"noaa": number, "reason": f"no HARP of {self.series} names it"}
        alive = named if time is pd.NaT else [one for one in named if one.first - _HOUR <= time <= one.last + _HOUR]
        main = [one for one in alive or named if number == one.NOAA_AR] or alive or named
        best = max(main, key=lambda one: one.last - one.first)
        sure = "certain" if len(named) == 1 else "likely" if len(main) == 1 else "unsure"
        reason = None
        if not alive:
            sure, reason = "unsure", f"its records are of {best.first:%Y-%m-%d} to {best.last:%Y-%m-%d}"
        elif len(named) > 1:
            reason = f"HARPs {', '.join(str(one.HARPNUM) for one in named)} name it"
        how = "named" if len(named) == 1 else "one of several"
        return {"noaa": number, **best._asdict(), "how": how, "sure": sure, "reason": reason}

    def _by_overlap(self, found: list[dict[str, Any]]) -> None:
        """Look where the events were for those that no name leads to."""
        open_: dict[int, tuple[float, float]] = {}
        for place, row in enumerate(found):
            if "HARPNUM" in row or self.places[place] is None:
                continue
            row["reason"] += ", and "
            if self.times[place] is pd.NaT or (spot := _spot(self.places[place])) is None:
                what = "time" if self.times[place] is pd.NaT else f"place ({self.places[place]!r} is none)"
                row["reason"] += f"the row has no {what}"
            elif self.times[place] < pd.Timestamp("2010-05-01", tz="UTC"):
                row["reason"] += "there are no HARPs before May 2010"
            else:
                open_[place] = spot
        if not open_:
            return
        seconds = [utc(self.times[place]).seconds for place in open_]
        where, names = RecordSet(self.series, HOLE), [*_NAMES, *_BOX]
        there = around(self.queries, where, seconds, _NEAR_S, names, None)
        clock = there["time"].array.asi8
        boxes = there[_BOX].to_numpy(dtype="float64")
        for place, spot in open_.items():
            apart = np.abs(clock - self.times[place].as_unit("ns").value)
            near = np.flatnonzero(apart <= _NEAR_S * 1e9)
            near = near[np.argsort(apart[near], kind="stable")]
            near = near[~there["HARPNUM"].iloc[near].duplicated().to_numpy()]
            distance = _outside(spot, boxes[near])
            near = near[distance <= _NEAR_DEG]
            if not len(near):
                found[place]["reason"] += f"no HARP lies within {_NEAR_DEG:g} degrees of {self.places[place]!r} then"
                continue
            middle = boxes[near].reshape(-1, 2, 2).mean(axis=2)
            order = np.lexsort((np.hypot(*(middle - spot).T), _outside(spot, boxes[near])))
            best: Any = there.iloc[[near[order[0]]]]
            told: Any = _told(best, *(best.jsoc.times(name) for name in _NAMES[3:]))
            inside = (_outside(spot, boxes[near]) == 0).sum()
            found[place] |= {
                **told.to_dict("records")[0],
                "how": "overlap",
                "sure": "likely" if inside == 1 else "unsure",
            }
            found[place]["reason"] = f"{inside} HARPs hold its place then" if inside else "it lies beside the HARP"


_HOUR = pd.Timedelta("1h")


def _instants(times: Any, count: int) -> list[Any]:
    """Return times as Timestamps in UTC, NaT for missing ones."""
    if times is None:
        return [pd.NaT] * count
    given = list(times)
    if len(given) != count:
        raise ArgumentError(f"times= has to be as long as noaa=: {len(given)} and {count}")
    there = [place for place, time in enumerate(given) if not np.all(pd.isna(time))]
    read = utc(times.take(there) if isinstance(times, pd.Index | pd.Series) else [given[place] for place in there])
    found: list[Any] = [pd.NaT] * count
    for place, time in zip(there, read, strict=True):
        found[place] = pd.Timestamp(time.datetime64, tz="UTC")
    return found


def _spot(place: Any) -> tuple[float, float] | None:
    """Return degrees west and north of the middle of the disk: of "S20W12", or of a pair that is just that."""
    if isinstance(place, str):
        match = re.fullmatch(r"\s*([NS])\s*(\d{1,2})\s*([EW])\s*(\d{1,3})\s*", place.upper())
        return match and (float(match[4]) * (-1) ** (match[3] == "E"), float(match[2]) * (-1) ** (match[1] == "S"))
    try:
        west, north = map(float, place)
    except (TypeError, ValueError):
        return None
    return (west, north) if np.isfinite([west, north]).all() else None


def _outside(spot: tuple[float, float], boxes: Any) -> Any:
    """Return by how many degrees a place lies outside of boxes; 0 within."""
    (west, north), (left, right, low, high) = spot, boxes.T
    return np.hypot(np.clip(west, left, right) - west, np.clip(north, low, high) - north)
