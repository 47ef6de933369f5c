"""
What people look for again and again: the record nearest to a time, and the newest data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RecordSetError, UnknownName, warn, whole
from ..recordset import RecordSet
from ..series import Kind, SeriesInfo, Slots, find_name, keyword_type, prime_time_key, without_time
from ..times import DrmsTime, parse_duration, utc
from .question import RANGES

if TYPE_CHECKING:
    import pandas as pd

    from .query import Queries


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
    for start in range(0, len(texts), RANGES):
        record_set = RecordSet.parse(whole.replace(f"[{HOLE}]", f"[{','.join(texts[start : start + RANGES])}]"))
        if start:
            queries.jsoc.pace()
        frames.append(queries.query(record_set, keywords=keywords, segments=segments))
    frame = pd.concat(frames)
    return frame[~frame["recnum"].duplicated()]


def latest(
    queries: Queries, series: str, n: int, good: bool | str | int, sets: dict[str, Any], options: dict[str, Any]
) -> pd.DataFrame:
    """See `Client.latest`; `sets` are arguments of a `RecordSet`, `options` those of `Queries.query`."""
    import pandas as pd

    n = whole("n", n)
    info, sets = queries.info(series), {name: value for name, value in sets.items() if value is not None}
    known = queries.prime_keys(series)
    if good is not False and "QUALITY" in info.keywords.index and options["keywords"] is not None:
        options = {**options, "keywords": [*options["keywords"], "QUALITY"]}
    if prime_time_key(info) is None or (not sets and known[0] == prime_time_key(info)):
        found, count = None, n
        chosen = queries.fitted(RecordSet(info.name, **sets)) if sets else f"{info.name}[]" if known else info.name
        while found is None:
            frame = queries.query(chosen, limit=-count, **options)
            passed = _passing(frame, good)
            found = passed.iloc[-n:] if len(passed) >= n or len(frame) < count else None
            count *= 4
    else:
        found = _back(queries, info, n, good, sets, options, None)
    older = info.name.removesuffix("_nrt")
    # they number their HARPs apart
    if len(found) == n or older == info.name or "HARPNUM" in known or not len(queries.series(f"^{older}$")):
        return found
    earliest = found["time"].min() if len(found) else None
    more = _back(queries, queries.info(older), n - len(found), good, sets, options, earliest)
    if len(more):
        warn(f"{info.name} has {len(found)} of the {n} records: the {len(more)} before them are of {older}")
    return pd.concat([more, found]) if len(found) else more


def _back(
    queries: Queries,
    info: SeriesInfo,
    n: int,
    good: bool | str | int,
    sets: dict[str, Any],
    options: dict[str, Any],
    before: pd.Timestamp | None,
) -> pd.DataFrame:
    """Return the last `n` records of a set, of those before a time, looking back in windows that grow."""
    import pandas as pd

    time_key, slots = prime_time_key(info), Slots.of(info, prime_time_key(info) or "")
    end = before
    if end is None:
        end = queries.query(f"{info.name}[{time_key}=$]", keywords=[time_key or ""])["time"].max()
    first, found = pd.Timestamp("1977-01-01", tz="UTC"), pd.DataFrame()
    end, seconds = first if pd.isna(end) else end, max(600.0, 4.0 * n * ((slots and slots.step) or 1.0))
    while len(found) < n:
        start = first if seconds >= (end - first).total_seconds() else end - pd.Timedelta(seconds, "s")
        # one empty window says nothing; all of them do
        chosen = queries.fitted(RecordSet(info.name, start, end, **sets))
        frame = queries.query(chosen, tell=start == first and not len(found), **options)
        frame = _passing(frame if before is None else frame[frame["time"] < before], good)
        found = pd.concat([frame, found]) if len(found) else frame
        found = found[~found["recnum"].duplicated()]
        if start == first:
            break
        end, seconds = start, 8.0 * seconds
    return found.sort_values("time", kind="stable").iloc[-n:]
