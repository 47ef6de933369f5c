"""Counts over time as one picture: a row a day, month or year, each cell filled in proportion to what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import JsocError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# the period of a row: up to how many days, its longest in days, pixels of a row, inches of its height, ticks in days
# and their labels, words, name of a row
_MONTHS: dict[float, Any] = dict(
    zip((0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334), "JFMAMJJASOND", strict=True)
)
_ROWS: dict[Any, tuple[int, int, int, float, dict[float, Any], str, str]] = {
    "D": (45, 1, 1440, 0.17, {hour / 24: hour for hour in range(0, 25, 3)}, "hour of the day", "%Y %b %d"),
    "M": (1500, 31, 31 * 24, 0.27, {day - 0.5: day for day in range(1, 32, 2)}, "day of the month", "%Y %b"),
    "Y": (10**6, 366, 366 * 2, 0.33, _MONTHS, "month of the year", "%Y"),
}
# pixels of a row's height and of the gap below; what there is of a kind is at least `_SEEN` high, one slot of thousands
_HEIGHT, _GAP, _SEEN = 24, 3, 3
MOST_PANELS = 12


def draw_calendar(panels: Mapping[str, Any], edges: Any, colors: Mapping[str, str], *, title: str, zone: str) -> Figure:
    """
    Draw counts of several kinds over time.

    Parameters
    ----------
    panels : mapping of str to array
        Counts by the title of a panel, each of shape (steps, kinds); the kinds are in the order of `colors`.
    edges : ndarray of datetime64
        Where the steps begin, and the end of the last, on the clock that is shown.
    colors : mapping of str to str
        Name and colour of each kind, the first at the bottom of a cell.
    title, zone : str
        What stands above all; the clock's name.

    Returns
    -------
    matplotlib.figure.Figure
        At most 10 inches wide.

    Raises
    ------
    JsocError
        If there is nothing to draw, or too much for one picture, or no matplotlib.
    """
    if not 0 < len(panels) <= MOST_PANELS:
        raise JsocError(f"one picture shows 1 to {MOST_PANELS} panels, and these are {len(panels)}: choose some")
    try:
        from .figure import Picture
    except ImportError as error:
        raise JsocError("a picture needs matplotlib: python -m pip install matplotlib") from error
    moments = edges.astype("datetime64[ns]")
    days = (moments[-1] - moments[0]) / np.timedelta64(1, "D")
    freq = next(freq for freq, (most, *_) in _ROWS.items() if days <= most)
    _, longest, width, inches, ticks, words, form = _ROWS[freq]
    periods = pd.period_range(moments[0], moments[-1] - np.timedelta64(1, "ns"), freq=freq)
    named = any(panels)
    tall = inches * len(periods) + (0.45 if named else 0.2)
    height = tall * len(panels) + 0.95
    figure = Picture(figsize=(9.5, height), dpi=100, facecolor="white")
    figure.text(0.01, 1 - 0.2 / height, title, fontsize=10, fontweight="bold", va="center")
    # a line between two days, where a cell is one
    lines: Any = np.arange(longest) if freq == "M" and np.diff(moments).max() >= np.timedelta64(1, "D") else []
    every = max(1, -(-len(periods) // 40))
    for number, (name, counts) in enumerate(panels.items()):
        bottom = height - 0.75 - tall * (number + 1) + 0.25
        axes = figure.add_axes((0.105, bottom / height, 0.88, inches * len(periods) / height))
        picture = _raster(counts, moments, periods, longest, width, list(colors.values()))
        axes.imshow(picture, extent=(0, longest, len(periods), 0), aspect="auto", interpolation="nearest")
        axes.set_yticks(np.arange(0, len(periods), every) + 0.45, [one.strftime(form) for one in periods[::every]])
        axes.set_xticks(list(ticks), [str(label) for label in ticks.values()])
        axes.vlines(lines, 0, len(periods), color="white", lw=0.5)
        axes.tick_params(labelsize=8, length=2)
        axes.spines[:].set_visible(False)
        axes.set_title(name, fontsize=8.5, loc="left", pad=3)
    axes.set_xlabel(f"{words} ({zone})", fontsize=8.5)
    _legend(figure, panels.values(), colors, 1 - 0.32 / height)
    return figure


def _legend(figure: Figure, panels: Any, colors: Mapping[str, str], top: float) -> None:
    from matplotlib.patches import Patch

    totals = sum(np.asarray(counts, dtype=np.int64).sum(axis=0) for counts in panels)
    whole = max(int(totals.sum()), 1)
    patches = [
        Patch(facecolor=color, edgecolor="0.6", label=f"{name} {total:,} ({100 * total / whole:.3g} %)")
        for (name, color), total in zip(colors.items(), totals, strict=True)
    ]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, top), "ncol": len(patches), "frameon": False}
    figure.legend(handles=patches, fontsize=8.5, handlelength=1.2, columnspacing=1.4, **place)


def _raster(counts: Any, edges: Any, periods: Any, longest: int, width: int, colors: Sequence[str]) -> Any:
    """Return the pixels of all rows: the colours of each step are stacked."""
    from matplotlib.colors import to_rgb

    starts = periods.to_timestamp().to_numpy().astype("datetime64[ns]")
    ends = (periods + 1).to_timestamp().to_numpy().astype("datetime64[ns]")
    offsets = (np.arange(width) + 0.5) * (longest * 86400e9 / width)
    moments = starts[:, None] + offsets.astype("timedelta64[ns]")
    place = np.searchsorted(edges, moments, side="right") - 1
    known = (place >= 0) & (place < len(edges) - 1) & (moments < ends[:, None])
    parts = np.asarray(counts, dtype=np.float64)
    total = parts.sum(axis=1, keepdims=True)
    parts = np.where(parts > 0, np.maximum(parts / np.maximum(total, 1.0), _SEEN / _HEIGHT), 0.0)
    parts /= np.maximum(parts.sum(axis=1, keepdims=True), 1e-9)
    heights = (np.arange(_HEIGHT)[::-1] + 0.5) / _HEIGHT  # the first kind at the bottom
    kinds = (parts.cumsum(axis=1)[:, None, :] <= heights[:, None]).sum(axis=2)
    kinds = np.where(total > 0, np.minimum(kinds, len(colors) - 1), len(colors))
    cells = np.where(known[:, :, None], kinds[np.clip(place, 0, len(kinds) - 1)], len(colors))
    cells = np.concatenate([cells, np.full((*cells.shape[:2], _GAP), len(colors))], axis=2)
    table = np.array([*map(to_rgb, colors), (1.0, 1.0, 1.0)])
    return table[cells.transpose(0, 2, 1).reshape(-1, width)]
