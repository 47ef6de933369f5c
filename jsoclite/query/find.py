"""
What people look for again and again: the record nearest to a time, the newest data, the HARPs of an active region.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RecordSetError, warn
from ..recordset import RecordSet
from ..series import SeriesInfo, find_name, prime_time_key, without_time
from ..times import DrmsTime, parse_duration, utc

if TYPE_CHECKING:
    import pandas as pd

    from .query import Queries


HARP_SERIES = "hmi.sharp_cea_720s"

# windows asked for in one query: 60 time ranges of 50 characters stay below 4,000 characters
WINDOWS = 60


def nearest(
    queries: Queries,
    series: str,
    times: Any,
    tolerance: Any,
    *,
    good: bool,
    keywords: Sequence[str] | None,
    segments: Sequence[str] | None,
    prime_keys: dict[str, Any],
) -> pd.DataFrame:
    """See `Client.nearest`."""
    import numpy as np
    import pandas as pd

    info = queries.info(series)
    known = queries.prime_keys(series)
    time_key = prime_time_key(info)
    if time_key is None:
        raise without_time(info)
    asked = list(utc(times)) if _is_many(times) else [utc(times)]
    reach = parse_duration(tolerance)
    if not reach > 0:
        raise RecordSetError(f"tolerance={tolerance!r}: it is a duration above 0, such as '12m'")

    def named(info: SeriesInfo) -> dict[str, Any]:
        return {find_name(key, info.primekeys, "prime key", info.name): value for key, value in prime_keys.items()}

    fixed = queries.checked(series, named)
    rows = _around(
        queries, info.name, [time.seconds for time in asked], reach, time_key, known, keywords, segments, fixed
    )
    if good:
        rows = rows[rows.jsoc.good()]
    # one answer a time for each combination of the other prime keys: a channel, a HARP
    others = [key for key in known if key != time_key]
    groups = [group for _, group in rows.groupby(others, sort=False)] if others and len(rows) else [rows]
    wanted = pd.DatetimeIndex(np.array([time.datetime64 for time in asked], dtype="datetime64[ns]")).tz_localize("UTC")
    found, lost = [], set(range(len(asked)))
    for group in groups:
        if not len(group):
            continue
        group = group.sort_values("time", kind="stable")
        places = _closest(group["time"].array.asi8, wanted.asi8)
        offset = group["time"].iloc[places].array.asi8 - wanted.asi8
        near = np.abs(offset) <= round(reach * 1e9)
        picked = group.iloc[places[near]].assign(asked=wanted[near], offset=pd.to_timedelta(offset[near], unit="ns"))
        found.append((np.flatnonzero(near), picked))
        lost -= set(np.flatnonzero(near).tolist())
    if lost:
        missing = ", ".join(str(asked[place]) for place in sorted(lost)[:3]) + (", …" if len(lost) > 3 else "")
        warn(f"{info.name} has no {'good ' if good else ''}record within {reach:g} s of {len(lost)} times: {missing}")
    if not found:
        empty: pd.DataFrame = rows.iloc[:0].assign(asked=wanted[:0], offset=pd.to_timedelta([]))
        return empty
    order = np.argsort(np.concatenate([places for places, _ in found]), kind="stable")
    joined: pd.DataFrame = pd.concat([picked for _, picked in found])
    return joined.iloc[order]


def _is_many(times: Any) -> bool:
    if isinstance(times, str) or not isinstance(times, Iterable):
        return False
    return getattr(times, "shape", None) != ()


def _closest(sorted_times: Any, wanted: Any) -> Any:
    """Return the place of the nearest of `sorted_times` for each of `wanted`; of two equally near, the earlier."""
    import numpy as np

    right = np.clip(np.searchsorted(sorted_times, wanted), 1, max(len(sorted_times) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(sorted_times) - 1)
    closer_right = np.abs(sorted_times[right] - wanted) < np.abs(sorted_times[left] - wanted)
    return np.where(closer_right, right, left)


def _around(
    queries: Queries,
    series: str,
    seconds: list[float],
    reach: float,
    time_key: str,
    known: list[str],
    keywords: Sequence[str] | None,
    segments: Sequence[str] | None,
    fixed: dict[str, Any],
) -> pd.DataFrame:
    """Return all records within `reach` of any of the times; windows that overlap become one."""
    import pandas as pd

    windows: list[list[float]] = []
    for second in sorted(seconds):
        if windows and second - reach <= windows[-1][1]:
            windows[-1][1] = second + reach
        else:
            windows.append([second - reach, second + reach])
    info = queries.info(series)
    names = list(keywords) if keywords is not None else queries.default_keywords(info)
    extra = [key for key in known if key not in names]
    if "QUALITY" in info.keywords.index and "QUALITY" not in names:
        extra.append("QUALITY")
    frames = []
    for start in range(0, max(len(windows), 1), WINDOWS):
        ranges = ",".join(f"{DrmsTime(low)}-{DrmsTime(high)}" for low, high in windows[start : start + WINDOWS])
        record_set = RecordSet.parse(f"{RecordSet(series, **fixed)}[{time_key}={ranges}]")
        frames.append(queries.query(record_set, keywords=[*names, *extra], segments=segments))
    frame = pd.concat(frames)
    return frame[~frame["recnum"].duplicated()]


def latest(queries: Queries, series: str, n: int, **options: Any) -> pd.DataFrame:
    """See `Client.latest`."""
    if n < 1:
        raise ValueError(f"n={n!r}: ask for at least one record")
    info = queries.info(series)
    known = queries.prime_keys(series)
    time_key = prime_time_key(info)
    if time_key is None or not known or known[0] == time_key:
        return queries.query(f"{info.name}[]" if known else info.name, limit=-n, **options)
    # sorted by another key first (HARPNUM): all records of the last time, the last n of them
    frame = queries.query(f"{info.name}[{time_key}=$]", **options)
    return frame.iloc[-n:]


def _region(noaa: object) -> int:
    """Return the number of an active region, also of "AR 11158"."""
    match = re.fullmatch(r"\s*(?:NOAA\s*)?(?:AR\s*)?(\d+)\s*", str(noaa), re.IGNORECASE)
    if match is None:
        raise ValueError(f"noaa={noaa!r} is no number of an active region, such as 11158")
    number = int(match[1])
    if number < 10000:
        raise ValueError(
            f"noaa={noaa!r}: since 2002 the numbers of active regions have five digits, though people leave out the "
            f"first; write {10000 + number}"
        )
    return number


def harps(
    queries: Queries, noaa: int | str | None, harpnum: int | None, series: str, start: Any, end: Any
) -> pd.DataFrame:
    """See `Client.harps`."""
    import pandas as pd

    if (noaa is None) == (harpnum is None):
        raise ValueError("give either noaa= (the number of an active region) or harpnum=")
    options: dict[str, Any] = {"order": queries.prime_keys(series)}
    if harpnum is not None:
        options["HARPNUM"] = int(harpnum)
    else:
        # a HARP may hold several regions: NOAA_ARS is a list such as "12187,12191"
        options["where"] = f"NOAA_ARS ~ '(^|,){_region(noaa)}(,|$)'"
    first, last = start if start is not None else "2010.05.01_TAI", end if end is not None else "2040.01.01_TAI"
    keywords = ["HARPNUM", "T_REC", "NOAA_AR", "NOAA_ARS"]
    frame = pd.DataFrame()
    # a look every six hours finds nearly all of them, with 1/30 of the records; the rest is found by looking closely
    for cadence in ("6h", None):
        frame = queries.query(RecordSet(series, first, last, cadence, **options), keywords=keywords)
        if len(frame):
            break
    rows = []
    for number, group in frame.groupby("HARPNUM"):
        listed = [one for text in group["NOAA_ARS"].dropna() for one in str(text).split(",")]
        main = [int(value) for value in group["NOAA_AR"].dropna() if value]
        rows.append(
            {
                "HARPNUM": int(str(number)),
                "NOAA_AR": max(set(main), key=main.count) if main else 0,
                "NOAA_ARS": tuple(sorted({int(one) for one in listed if re.fullmatch("[0-9]{1,9}", one)})),
                "first": group["time"].min(),
                "last": group["time"].max(),
            }
        )
    return pd.DataFrame(rows, columns=["HARPNUM", "NOAA_AR", "NOAA_ARS", "first", "last"])
