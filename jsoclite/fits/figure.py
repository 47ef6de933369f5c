"""
Thumbnails → a figure: common limits for what can be compared, and a layout that fits their shapes.

This is the one module that imports matplotlib as a whole; it is loaded when something is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .colors import Scale, colormap

if TYPE_CHECKING:
    from .thumbnails import Pixels, Thumbnail


# inches: of the whole figure at most, between panels, above for two lines, below for one
_WIDTH, _GAP, _ABOVE, _BELOW, _MARGIN = 10.0, 0.16, 0.4, 0.27, 0.1
# and what axes take on the left, on the right (half a number), and below, and a colour bar with its numbers
_LEFT, _RIGHT, _UNDER, _BAR = 0.5, 0.06, 0.4, 0.14
# latitudes that maps in sine latitude have marks at
_LATITUDES = (-60, -30, 0, 30, 60)
# limits that people choose, in each power of ten
_ROUND = (1, 1.5, 2, 3, 5, 8)
# of 255: more values than this have no colour each
_MOST_FLAGS = 10


class Picture(Figure):
    """A figure that notebooks show although pyplot does not know it: IPython's own way needs a pyplot figure first."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What is handed to matplotlib: values from `low` to `high`, missing ones NaN, and what explains them.

    That is a line, and, for a colour bar, places on it and what they mean.
    """

    values: Pixels
    low: float
    high: float
    legend: str
    table: str
    marks: tuple[tuple[float, str], ...] = ()


def scaled(thumbnails: Sequence[Thumbnail]) -> list[Shown]:
    """
    Turn pixels into what the colours stand for, with the same limits for images of one kind and series.

    Parameters
    ----------
    thumbnails : sequence of Thumbnail
        All of one figure.

    Returns
    -------
    list of Shown
        In the same order.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(thumbnails):
        kind = one.look.label if one.look.kind in ("flags", "other") else one.look.kind
        groups.setdefault((one.series, kind), []).append(number)
    shown: dict[int, Shown] = {}
    for members in groups.values():
        shown |= zip(members, _scaled_alike([thumbnails[number] for number in members]), strict=True)
    return [shown[number] for number in range(len(thumbnails))]


def _scaled_alike(group: Sequence[Thumbnail]) -> list[Shown]:
    look, unit = group[0].look, group[0].unit
    images = [one.pixels for one in group]
    if all(one.exposure for one in group):
        images = [one.pixels / (one.exposure or 1.0) for one in group]
        unit = f"{unit}/s"
    middles = [0.0] * len(images)
    scale: Scale = look.scale
    if scale == "median":
        middles = [_percentile([image], 50) for image in images]
        images = [image - middle for image, middle in zip(images, middles, strict=True)]
    values = np.unique(np.concatenate([image[np.isfinite(image)] for image in images])) if scale == "flags" else None
    if values is not None and 0 < len(values) <= _MOST_FLAGS:
        legend = "values " + ", ".join(f"{value:g}" for value in values)
        marks = tuple((float(place), f"{value:g}") for place, value in enumerate(values))
        return [Shown(_places(image, values), -0.5, _MOST_FLAGS - 0.5, legend, "flags", marks) for image in images]
    if scale in ("symmetric", "median"):
        wide = _percentile([np.abs(image) for image in images], 99)
        # most of the Sun has hardly any field, while velocities fill their range
        high = min(_round(2 * wide), 1000.0) if scale == "symmetric" else _round(1.2 * wide)
        signed = [f"{_say(middle) + ' ' if scale == 'median' else ''}± {_say(high)}" for middle in middles]
        return [
            Shown(image, -high, high, f"{text} {unit}", look.table, _marks((-high, 0, high), unit, middle))
            for image, text, middle in zip(images, signed, middles, strict=True)
        ]
    if scale == "angle":
        high = 180.0 if _percentile(images, 100) <= 180 else 360.0
        marks = _marks((0, high / 2, high), unit)
        return [Shown(image, 0.0, high, f"0 to {high:g}{unit}", look.table, marks) for image in images]
    if scale in ("flags", "percentiles"):
        low, high = _percentile(images, 0.5), _percentile(images, 99.5)
        legend = f"{_say(low)} to {_say(high)} {unit}" if high > low else f"{_say(low)} {unit} everywhere"
        high = high if high > low else low + 1.0
        marks = _marks((low, (low + high) / 2, high), unit)
        return [Shown(image, low, high, legend.replace("  ", " ").strip(), "gray", marks) for image in images]
    high = _percentile(images, 99.8) or 1.0
    if look.kind == "field":
        high = _round(high)
    elif look.kind == "continuum":
        high *= 1.1  # the middle of the disk is yellow, not white
    legend = f"0 to {_say(high)} {unit}".strip()
    parts = np.array([0, 0.1, 1] if scale == "asinh" else [0, 0.5, 1])
    marks = tuple(zip(_stretched(parts, scale).tolist(), (text for _, text in _marks(parts * high, unit)), strict=True))
    return [Shown(_stretched(image / high, scale), 0.0, 1.0, legend, look.table, marks) for image in images]


def _marks(values: Iterable[float], unit: str, middle: float = 0.0) -> tuple[tuple[float, str], ...]:
    """Return places and numbers for a colour bar, the last one with its unit."""
    said = [(float(value), _say(value + middle)) for value in values]
    place, text = said[-1]
    return (*said[:-1], (place, f"{text}{'' if unit == '°' else ' '}{unit}".rstrip()))


def _say(value: float) -> str:
    """Print three digits of a number."""
    return f"{float(f'{value:.3g}'):,g}".replace("-", "−")


def _stretched(part: Pixels, scale: Scale) -> Pixels:
    """Bring parts of the upper limit to brightness."""
    part = np.clip(part, 0.0, 1.0)
    if scale == "asinh":
        # faint loops off the limb and bright cores of active regions in one picture
        stretched: Pixels = np.arcsinh(part / 0.05) / math.asinh(1 / 0.05)
        return stretched
    return part


def _percentile(images: Sequence[Pixels], percent: float) -> float:
    values = np.concatenate([image[np.isfinite(image)] for image in images])
    return float(np.percentile(values, percent)) if values.size else 0.0


def _round(value: float) -> float:
    """Return the nearest of the limits that people choose."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    choices = [step * power for step in (*_ROUND, 10)]
    return min(choices, key=lambda choice: abs(math.log(choice / value)))


def _places(image: Pixels, values: Pixels) -> Pixels:
    """Return the place of each pixel among the values that there are."""
    places = np.searchsorted(values, image).astype(np.float64)
    places[~np.isfinite(image)] = np.nan
    return places


def draw(thumbnails: Sequence[Thumbnail], *, columns: int | None, note: str, colorbar: bool = False) -> Picture:
    """
    Draw thumbnails in a grid.

    Parameters
    ----------
    thumbnails : sequence of Thumbnail
        At least one.
    columns : int, optional
        Panels in a row; chosen by number and shape where it is not given.
    note : str
        Stands above all; may be empty.
    colorbar : bool
        Whether a colour bar stands below each image, in place of a line with its limits.

    Returns
    -------
    Picture
        At most 10 inches wide.
    """
    aspects = [one.pixels.shape[0] / one.pixels.shape[1] for one in thumbnails]
    count = len(thumbnails)
    axes = any(one.frame for one in thumbnails)
    gap, bar = _GAP + (_LEFT + _RIGHT if axes else 0.0), _BAR if colorbar else 0.0
    below_all = _BELOW + (_UNDER if axes else 0.0) + bar
    columns = min(columns, count) if columns else _columns(count, sum(aspects) / count, gap, _ABOVE + below_all)
    side = _panel(columns, max(aspects), gap)
    heights = [side * max(aspects[start : start + columns]) for start in range(0, count, columns)]
    width = 2 * _MARGIN - _GAP + columns * (side + gap)
    top = 0.28 if note else 0.0
    height = top + 2 * _MARGIN + sum(heights) + len(heights) * (_ABOVE + below_all)
    figure = Picture(figsize=(width, height), dpi=100, facecolor="white")
    size = min(9.5, 4.6 * side)
    if note:
        figure.text(_MARGIN / width, 1 - 0.2 / height, note, fontsize=8.5, color="0.35", va="center")
    for number, (one, shown) in enumerate(zip(thumbnails, scaled(thumbnails), strict=True)):
        row, column = divmod(number, columns)
        below = height - top - _MARGIN - sum(heights[: row + 1]) - row * (_ABOVE + below_all) - _ABOVE
        left = _MARGIN + (_LEFT if axes else 0.0) + column * (side + gap)
        panel = figure.add_axes((left / width, below / height, side / width, heights[row] / height))
        _panel_of(panel, one, shown, size, None if colorbar else _UNDER * 72 * axes)
        if colorbar:
            # an image that is lower than its row hangs at the top of it
            under = below + heights[row] - side * aspects[number] - (_UNDER if axes else 0.0) - bar
            place = ((left + 0.1 * side) / width, under / height, 0.8 * side / width, 0.08 / height)
            _bar_of(figure.add_axes(place), panel.images[0], shown, 0.8 * size)
    return figure


def _panel_of(axes: Any, one: Thumbnail, shown: Shown, size: float, below: float | None) -> None:
    """Draw one image; the line with its limits stands so many points below it, or not at all."""
    colours = colormap(one.look) if shown.table == one.look.table else colormap(shown.table)
    left, right, low, high = one.frame or (0, 1, 0, 1)
    rows, across = shown.values.shape
    axes.imshow(
        shown.values,
        origin="lower",
        cmap=colours,
        vmin=shown.low,
        vmax=shown.high,
        interpolation="auto" if one.look.averages else "nearest",
        **({"extent": one.frame, "aspect": rows / across * (right - left) / (high - low)} if one.frame else {}),
    )
    axes.set_anchor("N")
    if one.frame:
        _mark(axes, one, 0.8 * size)
    else:
        axes.set_axis_off()
    near: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
    axes.annotate(one.title, (0.5, 1), (0, size + 5), fontsize=size, fontweight="bold", va="bottom", **near)
    axes.annotate(one.time, (0.5, 1), (0, 3), fontsize=0.85 * size, va="bottom", **near)
    if below is not None:
        axes.annotate(shown.legend, (0.5, 0), (0, -3 - below), fontsize=0.8 * size, color="0.4", va="top", **near)


def _mark(axes: Any, one: Thumbnail, size: float) -> None:
    """Write longitudes and latitudes beside a map."""
    assert one.frame is not None
    axes.set_xlabel("Carrington longitude [°]", fontsize=size, labelpad=1)
    axes.set_ylabel("latitude [°]", fontsize=size, labelpad=1)
    axes.tick_params(labelsize=size, length=2, pad=1.5)
    axes.locator_params(nbins=5, steps=[1, 2, 3, 5, 6, 9, 10])
    if one.sine:
        places = [math.degrees(math.sin(math.radians(latitude))) for latitude in _LATITUDES]
        axes.set_yticks(places, [_say(latitude) for latitude in _LATITUDES])
    # the daily frames begin at any longitude, and go on behind 360
    ticks = [tick for tick in axes.get_xticks() if one.frame[0] <= tick <= one.frame[1]]
    axes.set_xticks(ticks, [f"{tick % 360 if tick != 360 else 360:g}" for tick in ticks])


def _bar_of(axes: Any, image: Any, shown: Shown, size: float) -> None:
    """Draw a colour bar, as far as there are values."""
    axes.figure.colorbar(image, cax=axes, orientation="horizontal")
    axes.set_xticks([place for place, _ in shown.marks], [text for _, text in shown.marks], fontsize=size)
    axes.tick_params(length=2, pad=1.5)
    if shown.table == "flags":
        axes.set_xlim(-0.5, len(shown.marks) - 0.5)


def _panel(columns: int, aspect: float, gap: float) -> float:
    """Return the width of a panel in inches: large where there are few, but never a giant."""
    return min((_WIDTH - 2 * _MARGIN + _GAP) / columns - gap, 4.2 / math.sqrt(aspect))


def _columns(count: int, aspect: float, gap: float, texts: float) -> int:
    """Choose the number of columns whose figure comes nearest to the shape of a screen, with few gaps at the end."""

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        side = _panel(columns, aspect, gap)
        shape = columns * (side + gap) / (rows * (side * aspect + texts))
        return abs(math.log(shape / 1.4)) + 0.7 * (rows * columns - count) / columns

    return min(range(1, min(count, 6) + 1), key=cost)
