"""
What people look for again and again: the record nearest to a time, and the newest data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..arguments import whole
from ..errors import ArgumentError, RecordSetError, UnknownName, warn
from ..recordset import RecordSet
from ..series import Kind, SeriesInfo, Slots, as_list, find_name, keyword_type, prime_time_key, without_time
from ..times import DrmsTime, parse_duration, utc

if TYPE_CHECKING:
    import pandas as pd

    from .query import Queries


# windows asked for in one query: 60 time ranges of 50 characters stay below 4,000 characters
WINDOWS = 60
# stands for them until they are known; nothing was recorded then
HOLE = DrmsTime(0.0)


def nearest(
    queries: Queries,
    series: str,
    times: Any,
    tolerance: Any,
    *,
    on: str | None,
    good: bool | str | int,
    keep: bool,
    wavelength: Any,
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
    given = list(times) if _is_many(times) else [times]
    # where a time is missing, utc() says what to do
    there = [place for place, time in enumerate(given) if not (keep and np.all(pd.isna(time)))]
    # a column may know its scale
    asked = utc(times.take(there) if isinstance(times, pd.Index | pd.Series) else [given[place] for place in there])
    reach = parse_duration(tolerance)
    if not reach > 0:
        raise RecordSetError(f"tolerance={tolerance!r}: it is a duration above 0, such as '12m'")
    column, further = queries.checked(series, lambda info: _clock(info, time_key, on))
    where = RecordSet(info.name, HOLE, wavelength=wavelength, **prime_keys)
    names = list(keywords) if keywords is not None else queries.default_keywords(info)
    names += [key for key in dict.fromkeys([*known, *([] if column == "time" else [column])]) if key not in names]
    names += ["QUALITY"] if "QUALITY" in info.keywords.index and "QUALITY" not in names else []
    rows = around(queries, where, [time.seconds for time in asked], reach + further, names, segments)
    rows = _passing(rows, good)
    clock = rows["time"] if column == "time" else rows.jsoc.times(column)
    rows, clock = rows[clock.notna().to_numpy()], clock[clock.notna().to_numpy()]
    # one answer a time for each combination of the other prime keys: a channel, a HARP
    others = [key for key in known if key != time_key]
    groups: Iterable[Any] = rows.groupby(others, sort=False).indices.values() if others else [np.arange(len(rows))]
    wanted = pd.DatetimeIndex(np.array([time.datetime64 for time in asked], dtype="datetime64[ns]")).tz_localize("UTC")
    instants, positions = clock.array.asi8, np.array(there, dtype=np.int64)
    found = [(rows.iloc[:0].assign(asked=wanted[:0], offset=pd.to_timedelta(positions[:0], unit="ns")), positions[:0])]
    for group in groups if len(rows) else ():
        group = group[np.argsort(instants[group], kind="stable")]
        places = group[_closest(instants[group], wanted.asi8)]
        offset = instants[places] - wanted.asi8
        near = np.abs(offset) <= round(reach * 1e9)
        picked = rows.iloc[places[near]].assign(asked=wanted[near], offset=pd.to_timedelta(offset[near], unit="ns"))
        found.append((picked, positions[near]))
    places = np.concatenate([places for _, places in found])
    joined: pd.DataFrame = pd.concat([picked for picked, _ in found if len(picked)] or [found[0][0]])
    if lost := sorted(set(there) - set(places.tolist())):
        missing = ", ".join(str(utc(given[place])) for place in lost[:3]) + (", …" if len(lost) > 3 else "")
        warn(f"{info.name} has no {'good ' if good else ''}record within {reach:g} s of {len(lost)} times: {missing}")
    taken = np.arange(len(joined))
    if keep:
        blank = np.setdiff1d(np.arange(len(given)), places)
        taken, places = np.append(taken, np.full(len(blank), -1)), np.append(places, blank)
    order = np.argsort(places, kind="stable")
    if not keep:
        return joined.iloc[order]
    # the types do not depend on whether a row is missing
    nullable = {name: kind for name, kind in (("recnum", "Int64"), ("online", "boolean")) if name in joined}
    joined = joined.rename_axis("record").reset_index().astype(nullable).reindex(taken[order])
    stamps = pd.Series(wanted, index=there, dtype=wanted.dtype).reindex(places[order])
    return joined.assign(asked=stamps.array).set_index("record")


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


def _clock(info: SeriesInfo, time_key: str, on: str | None) -> tuple[str, float]:
    """Return the column whose times are compared, and how much further than a tolerance its records may be, in s."""
    if on is None or on.lower() == time_key.lower():
        return "time", 0.0
    name = find_name(on, [str(name) for name in info.keywords.index], "keyword", info.name)
    if keyword_type(info.keywords.loc[name, "type"]).kind is not Kind.TIME:
        raise UnknownName(f"on={on!r}: {name} of {info.name} is no time; T_OBS is, or leave it out for {time_key}")
    slots = Slots.of(info, time_key)
    # an observation lies in its slot or next to it
    return name, (slots.step if slots else None) or 0.0


def _passing(rows: pd.DataFrame, good: bool | str | int) -> pd.DataFrame:
    """Return the rows of a level of quality; True is "image" where there is a QUALITY, and False takes all."""
    if good is False or (good is True and "QUALITY" not in rows.columns):
        return rows
    passed: pd.DataFrame = rows[rows.jsoc.good("image" if good is True else good)]
    return passed


def around(
    queries: Queries,
    where: RecordSet,
    seconds: list[float],
    reach: float,
    keywords: Sequence[str],
    segments: Sequence[str] | None,
) -> pd.DataFrame:
    """Return all records of a set within `reach` of any of the times; windows that overlap become one."""
    import pandas as pd

    windows: list[list[float]] = []
    for second in sorted(seconds):
        if windows and second - reach <= windows[-1][1]:
            windows[-1][1] = second + reach
        else:
            windows.append([second - reach, second + reach])
    # without any, a frame with the right columns is what no time brings
    texts = [f"{DrmsTime(low)}-{DrmsTime(high)}" for low, high in windows] or [str(HOLE)]
    frames = []
    whole = str(queries.fitted(where))
    for start in range(0, len(texts), WINDOWS):
        record_set = RecordSet.parse(whole.replace(f"[{HOLE}]", f"[{','.join(texts[start : start + WINDOWS])}]"))
        if start:
            queries.jsoc.pace()
        frames.append(queries.query(record_set, keywords=keywords, segments=segments))
    frame = pd.concat(frames)
    return frame[~frame["recnum"].duplicated()]


def latest(queries: Queries, series: str, n: int, good: bool | str | int, **options: Any) -> pd.DataFrame:
    """See `Client.latest`."""
    n = whole("n", n)
    if unknown := sorted(options.keys() - {"keywords", "segments", "links", "times"}):
        raise ArgumentError(f"latest takes no {unknown[0]}=: it takes n, good, keywords, segments, links and times")
    info = queries.info(series)
    known = queries.prime_keys(series)
    time_key = prime_time_key(info)
    if good is not False and "QUALITY" in info.keywords.index and options.get("keywords") is not None:
        options["keywords"] = [*(as_list(options["keywords"]) or ()), "QUALITY"]
    if time_key is None or not known or known[0] == time_key:
        count = n
        while True:
            frame = queries.query(f"{info.name}[]" if known else info.name, limit=-count, **options)
            found = _passing(frame, good).iloc[-n:]
            if len(found) == n or len(frame) < count:
                return found
            count *= 4
    # sorted by another key first (HARPNUM): all records of the last time, the last n of them
    frame = queries.query(f"{info.name}[{time_key}=$]", **options)
    return _passing(frame, good).iloc[-n:]
