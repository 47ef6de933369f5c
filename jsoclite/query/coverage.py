"""What there is of a series over time, counted against its slots."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import JsocError, RecordSetError
from ..fits import draw_calendar
from ..recordset import RecordSet
from ..series import SeriesInfo, Slots, prime_time_key, without_time
from ..times import DrmsTime, parse_duration, parse_time, utc

if TYPE_CHECKING:
    from .query import Queries

#: The columns that count, in the order in which they are stacked, with their colours.
STATES = {"good": "#dfe8ee", "flagged": "#e8a33d", "no_image": "#8c2d2d", "offline": "#5b84b1", "absent": "#1a1a1a"}
DAY_S = 86400.0
# seconds from 1970 to 1977: numpy counts from the one, the server from the other
_SINCE_1970 = 220_924_800


class Coverage(pd.DataFrame):
    """
    A `pandas.DataFrame` of counts, which `plot` draws as a calendar. What is made of it is a plain DataFrame.

    Examples
    --------
    >>> days = client.coverage("hmi.M_720s", "2014.03.01_TAI", "2014.04.01_TAI")
    >>> days.plot().savefig("march.png")
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:  # type: ignore[override]
        """
        Draw a calendar: each step is a cell, filled in proportion to its counts, of each kind an eighth at least.

        Rows are days, months or years, by the length of the range, on the clock that `start` was given on; a panel for
        each value of prime keys that were left open.

        Parameters
        ----------
        path : path, optional
            Where to save the picture, too.

        Returns
        -------
        matplotlib.figure.Figure
            Which notebooks show.

        Raises
        ------
        JsocError
            If there are more than twelve panels, there is no matplotlib, or the file cannot be written.

        Examples
        --------
        >>> figure = client.coverage("hmi.M_720s", "2014-03-01", "2014-03-08", step="1h").plot()
        >>> figure.axes[0].get_xlabel()
        'hour of the day (UTC)'
        """
        about = self.attrs["jsoc"]
        counts = pd.DataFrame(self)[list(STATES)].astype("Int64").fillna(0)
        keys = list(self.index.names[:-1])
        groups = counts.groupby(keys, sort=False) if keys else [((), counts)]
        panels = {
            ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True)): group.to_numpy()
            for values, group in groups
        }
        colors = {name.replace("_", " "): color for name, color in STATES.items()}
        edges = np.array(about["edges"], dtype="datetime64[ns]")
        figure = draw_calendar(panels, edges, colors, title=f"{about['series']}, slots by state", zone=about["zone"])
        if path is not None:
            try:
                figure.savefig(path)
            except OSError as error:
                raise JsocError(f"cannot write the picture to {os.fspath(path)!r} ({error.strerror})") from error
        return figure


def make_coverage(
    queries: Queries,
    series: str,
    start: Any,
    end: Any,
    *,
    step: Any,
    good: str | int,
    wavelength: Any,
    prime_keys: dict[str, Any],
) -> Coverage:
    """See `Client.coverage`."""
    info = queries.info(series)
    time_key = prime_time_key(info)
    if time_key is None:
        raise without_time(info)
    clock, edges = _edges(parse_time(start), parse_time(end), step)
    grid = _Grid(info, time_key)
    places = grid.places(np.array([edge.seconds for edge in edges]))
    if (np.diff(places) < (1 if grid.step else 0)).any():
        raise RecordSetError(f"a step from {edges[0]} on holds no slot of {info.name}, which are {grid.step:g} s apart")
    first, last = grid.times(places[0]), grid.times(places[-1] - (1 if grid.step else 0))
    record_set = RecordSet(info.name, DrmsTime(first), DrmsTime(last), wavelength=wavelength, **prime_keys)
    known = queries.prime_keys(series)
    names = [*known, *(["QUALITY"] if "QUALITY" in info.keywords.index else [])]
    # *online* is about the record's own storage unit, and files that a record links to lie in another
    files = list(info.segments.index[:1])
    rows = queries.query(queries.fitted(record_set), keywords=names, segments=files, times="tai")
    seconds = rows[time_key].to_numpy("datetime64[ns]").astype(np.int64) / 1e9 - _SINCE_1970
    slot = grid.places(seconds)
    rows = rows.assign(_slot=slot, _step=np.searchsorted(places, slot, side="right") - 1, _state=_states(rows, good))
    rows = rows[(rows["_step"] >= 0) & (rows["_step"] < len(edges) - 1)]
    # keys that are open, and have several values at the same time: channels, HARPs, but not HMI's cameras
    shared = [key for key in known if key != time_key and (rows.groupby("_slot")[key].nunique() > 1).any()]
    groups = list(rows.groupby(shared)) if shared else [((), rows)]
    slots = np.diff(places) if grid.step else None
    frames = [_count(group, len(edges) - 1, slots) for _, group in groups]
    times = np.array([edge.datetime64 for edge in edges[:-1]], dtype="datetime64[ns]")
    index = pd.DatetimeIndex(times, name="time").tz_localize("UTC")
    whole = pd.concat([frame.set_axis(index) for frame in frames])
    if shared:
        levels = [(*values, time) for values, _ in groups for time in index]
        whole.index = pd.MultiIndex.from_tuples(levels, names=[*shared, "time"])
    made = Coverage(whole)
    made.attrs["jsoc"] = {
        "series": info.name,
        "record_set": str(record_set),
        "zone": edges[0].scale.upper(),
        "edges": [str(one) for one in clock],
    }
    return made


def _edges(start: DrmsTime, end: DrmsTime, step: Any) -> tuple[Any, list[DrmsTime]]:
    """Return where steps begin and the last ends: on the clock that `start` was written on, and as times."""
    zone = start.scale.upper()
    length = end.seconds - start.seconds
    if not length > 0:
        raise RecordSetError(f"the range from {start} to {end} is empty: its end must come after its start")
    width = (3600.0 if length <= 3 * DAY_S else DAY_S) if step is None else parse_duration(step)
    if not width > 0 or length / width > 1e6:
        raise RecordSetError(
            f"step={'1d' if step is None else step!r} from {start} to {end}: it is a duration such as '1d', with at "
            "most a million in the range; write a longer one, or a shorter range"
        )
    # days of UTC stay days where a leap second makes one longer
    ends = [
        np.datetime64(round(1e6 * (one.seconds + _SINCE_1970)), "us") if zone == "TAI" else one.datetime64
        for one in (start, end)
    ]
    clock = np.arange(ends[0], ends[1], np.timedelta64(round(1e9 * width), "ns"))
    if zone == "UTC":
        inner = [utc(one) for one in clock[1:]]
    else:
        inner = [DrmsTime(round(start.seconds + number * width, 6)) for number in range(1, len(clock))]
    return np.append(clock, ends[1]), [start, *inner, end]


class _Grid:
    """Slots by number, rounded to the nearest as the server does; of a series without them, seconds."""

    def __init__(self, info: SeriesInfo, time_key: str) -> None:
        found = Slots.of(info, time_key)
        # slots of the kind ts_slot only say where a time falls, not that there is something in each
        even = found is not None and found.scope == "ts_eq" and found.step and found.epoch
        self.step: float = found.step or 0.0 if found is not None and even else 0.0
        self._epoch = parse_time(found.epoch).seconds if found is not None and even else 0.0

    def places(self, seconds: Any) -> Any:
        return np.floor((seconds - self._epoch) / self.step + 0.5).astype(np.int64) if self.step else seconds

    def times(self, place: Any) -> float:
        return float(self._epoch + place * self.step) if self.step else float(place)


def _states(rows: pd.DataFrame, good: str | int) -> Any:
    """Return the state of each row: what has no image cannot be flagged, and what is on tape need not be looked at."""
    states = np.full(len(rows), "good", dtype=object)
    if "QUALITY" in rows.columns:
        states[~rows.jsoc.good(good).to_numpy()] = "flagged"
    if "online" in rows.columns:
        states[~rows["online"].to_numpy()] = "offline"
    if "QUALITY" in rows.columns:
        states[~rows.jsoc.good().to_numpy()] = "no_image"
    return states


def _count(rows: pd.DataFrame, steps: int, slots: Any) -> pd.DataFrame:
    counts = pd.crosstab(rows["_step"], rows["_state"]).reindex(index=range(steps), columns=list(STATES), fill_value=0)
    there = rows.groupby("_step")["_slot"].nunique().reindex(range(steps), fill_value=0)
    counts["absent"] = pd.NA if slots is None else slots - there.to_numpy()
    return counts.astype("Int64").rename_axis(columns=None)
