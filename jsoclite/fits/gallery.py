"""`quicklook`: the images of files or rows, drawn small and side by side."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, JsocError, UnknownName, shown, warn, whole
from ..series import as_list, series_of
from .image import URL
from .thumbnails import NoImage, Source, Thumbnail, thumbnail

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


# arrays of numbers that are no pictures, though some have the shape of one
_NO_PICTURES = frozenset({"spikes"})


def quicklook(
    what: Any,
    *,
    segments: str | Sequence[str] | None = None,
    limit: int = 12,
    columns: int | None = None,
    client: Any = None,
    size: int = 256,
    colorbar: bool = False,
) -> Figure:
    """
    Draw thumbnails of images: SDO's colours, solar north up, time and wavelength above, limits below; maps with axes.

    Parameters
    ----------
    what : DataFrame, Series, path, or list of paths
        A manifest of `Client.download`; rows of a query with columns of segment URLs, whose images are fetched for this
        once; one row of either; or files.
    segments : str or sequence of str, optional
        Only these. Default: all that there are; those that hold no picture (AIA's ``spikes``) are passed over.
    limit : int
        Most images in the figure. Where there are more, rows evenly spaced over all are taken, the first and the last
        among them, and the figure says how many of how many.
    columns : int, optional
        Images in a row; chosen by their number and shape where it is not given.
    client : Client, optional
        Downloads the rows into a temporary directory, so that rows without URLs, record sets and offline files can be
        shown too, and headers are complete.
    size : int
        Pixels of the longer side, more or less: larger images are averaged over blocks, one image at a time.
    colorbar : bool
        Draw a colour bar below each image, in place of a line with its limits.

    Returns
    -------
    matplotlib.figure.Figure
        At most 10 inches wide; not known to pyplot, so a notebook shows it once and nothing needs closing.

    Raises
    ------
    JsocError
        If there is nothing to show, or no matplotlib.
    UnknownName
        If there is no such segment.

    Warns
    -----
    JsocWarning
        Says how many rows are left out, and why.

    Notes
    -----
    Images are never resampled to another angle: the only turn is one of 180 degrees, where CROTA2 lies between 90 and
    270. Stored files say nothing; without CROTA2 in the row, images of HMI's camera, which is mounted upside down, are
    turned, and all others are not.

    AIA images are divided by EXPTIME where all images of the channel have it. Images of one channel and series share
    their limits, which are percentiles: faint and bright images can be compared, but colours are no photometry.
    Dopplergrams are drawn about their own median, because the spacecraft's motion would hide the Sun's.

    Examples
    --------
    >>> files = client.download("hmi.B_720s[2014.01.01_TAI]{field,azimuth}", "data")
    >>> figure = jsoclite.quicklook(files)
    >>> len(figure.axes)
    2
    >>> figure.savefig("field.png")

    >>> rows = client.search("aia.lev1_euv_12s", "2014-01-01", "2014-01-01T01:00", wavelength=171, segments="image")
    >>> jsoclite.quicklook(rows, limit=4).texts[0].get_text()
    '4 of 301 images'
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise JsocError("quicklook needs matplotlib: python -m pip install matplotlib") from error
    limit, size = whole("limit", limit), whole("size", size)
    columns = None if columns is None else whole("columns", columns)
    if client is None or _are_files(what):
        return _figure(*_sources(what, as_list(segments)), limit, columns, size, colorbar)
    with tempfile.TemporaryDirectory() as directory:
        manifest, total = _downloaded(what, as_list(segments), limit, client, directory)
        sources, left_out = _sources(manifest, None)
        return _figure(sources, left_out, limit, columns, size, colorbar, total)


def _are_files(what: Any) -> bool:
    """Whether there is nothing to ask a client for."""
    if isinstance(what, str):
        return "[" not in what or os.path.exists(what)
    if isinstance(what, os.PathLike) or (_is_table(what) and "path" in _names(what)):
        return True
    return isinstance(what, list | tuple) and all(_are_files(one) for one in what)


def _is_table(what: Any) -> bool:
    return hasattr(what, "iloc")


def _names(table: Any) -> list[str]:
    """Return the columns of a DataFrame, or what stands for them in one of its rows."""
    return [str(name) for name in (table.columns if table.ndim == 2 else table.index)]


def _as_frame(table: Any) -> pd.DataFrame:
    import pandas as pd

    return table if table.ndim == 2 else pd.DataFrame([table.to_dict()], index=[table.name])


# -- which images ------------------------------------------------------------------------------------------------------


def _sources(what: Any, segments: list[str] | None) -> tuple[list[list[Source]], Counter[str]]:
    """Return the images, those of a record together, and how often there is none for which reason."""
    if isinstance(what, str | os.PathLike) or not isinstance(what, Iterable):
        what = [what]
    if _is_table(what) and what.ndim == 1 and not {"path", "recnum"}.intersection(_names(what)):
        what = list(what.dropna())  # a column of paths
    if not _is_table(what):
        return _files(what), Counter()
    frame = _as_frame(what)
    return _of_manifest(frame, segments) if "path" in frame else _of_query(frame, segments)


def _files(paths: Iterable[Any]) -> list[list[Source]]:
    found = []
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise ArgumentError(f"quicklook takes rows, or paths of files, not {shown(path)}")
        where = os.fsdecode(path)
        if "[" in where and not URL.match(where) and not os.path.exists(where):
            raise JsocError(f"{where!r} is no file; to show a record set, pass client=, or query and download it first")
        found.append([Source(where, "", "", {})])
    return found


def _of_manifest(frame: pd.DataFrame, segments: list[str] | None) -> tuple[list[list[Source]], Counter[str]]:
    found: dict[str, list[Source]] = {}
    left_out: Counter[str] = Counter()
    if segments and "segment" in frame:
        _check(segments, [str(name) for name in frame["segment"].dropna().unique()])
    for record, row in zip(frame.index, frame.to_dict("records"), strict=True):
        segment = str(row.get("segment") or "")
        if segment in _NO_PICTURES or (segments and segment and segment not in segments):
            continue
        if not isinstance(row["path"], str | os.PathLike):
            reason = row.get("error")
            left_out[reason if isinstance(reason, str) and reason else "no file"] += 1
            continue
        keywords = {
            str(name): value for name, value in row.items() if name not in ("path", "segment", "status", "error")
        }
        source = Source(os.fsdecode(row["path"]), str(record), segment, keywords)
        found.setdefault(str(record), []).append(source)
    return list(found.values()), left_out


def _of_query(frame: pd.DataFrame, segments: list[str] | None) -> tuple[list[list[Source]], Counter[str]]:
    there = _segment_columns(frame)
    if segments and (missing := [name for name in segments if name not in frame]):
        raise UnknownName(
            f"these rows have no column {missing[0]!r}: query with segments={missing!r}, or pass client="
            + (f"; they have {', '.join(there)}" if there else "")
        )
    chosen = segments or [name for name in there if name not in _NO_PICTURES]
    if not chosen:
        raise JsocError(
            "these rows have no columns with the URLs of files: query with segments=, such as segments='image', or "
            "pass client=, which downloads them"
        )
    found, left_out = [], Counter[str]()
    for record, row in zip(frame.index, frame.to_dict("records"), strict=True):
        keywords = {str(name): value for name, value in row.items() if name not in there}
        urls = {name: row[name] for name in chosen if isinstance(row[name], str) and URL.match(row[name])}
        if urls:
            found.append([Source(url, str(record), name, keywords) for name, url in urls.items()])
        # rows of several series: one has no file in the other's column, and yet all its files are online
        if row.get("online") is not True:
            left_out["no file online"] += len(chosen) - len(urls)
    return found, +left_out


def _segment_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold URLs."""
    return [
        str(name)
        for name in frame.columns
        if any(isinstance(value, str) and URL.match(value) for value in frame[name].dropna().head(1))
    ]


def _check(asked: Iterable[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise UnknownName(f"there is no segment {name!r} in this manifest; it has {', '.join(known)}")


def _downloaded(
    what: Any, segments: list[str] | None, limit: int, client: Any, directory: str
) -> tuple[pd.DataFrame, int]:
    """Download no more than is shown; return the manifest, and how many images there would be."""
    import pandas as pd

    rows = _as_frame(what) if _is_table(what) else client.query(what)
    if not _is_table(what) and not segments:
        segments = _segment_columns(rows)
    of = [series_of(str(record)) for record in rows.index]
    wanted = {series: _segments_of(client.info(series), rows, segments) for series in dict.fromkeys(of)}
    widest = max(map(len, wanted.values()), default=0)
    if not widest:
        raise JsocError("there is nothing to show: these are no rows, or rows of a series without such segments")
    places = _evenly(len(rows), max(1, limit // widest))
    parts = []
    for series, names in wanted.items():
        chosen = rows.iloc[[place for place in places if of[place] == series]]
        if len(chosen) and names:
            options = {"segments": names[:limit], "on_error": "ignore", "progress": False}
            parts.append(client.download(chosen, directory, **options))
    return pd.concat(parts), sum(len(wanted[series]) for series in of)


def _segments_of(info: Any, rows: pd.DataFrame, asked: list[str] | None) -> list[str]:
    """Return the segments of a series that are asked for, else those among the columns, else all pictures."""
    known = [str(name) for name in info.segments.index]
    if asked:
        return [name for name in asked if name in known]
    return [name for name in known if name in rows and name not in _NO_PICTURES] or [
        name for name in known if name not in _NO_PICTURES
    ]


def _evenly(count: int, most: int) -> list[int]:
    """
    Choose places that are evenly spaced, with both ends.

    >>> _evenly(240, 4)
    [0, 80, 159, 239]
    """
    if count <= most:
        return list(range(count))
    return [round(step * (count - 1) / max(1, most - 1)) for step in range(most)]


# -- the figure --------------------------------------------------------------------------------------------------------


def _figure(
    records: list[list[Source]],
    left_out: Counter[str],
    limit: int,
    columns: int | None,
    size: int,
    colorbar: bool,
    total: int = 0,
) -> Figure:
    from .figure import draw

    there = sum(map(len, records))
    total = total or there
    widest = max(map(len, records), default=1)
    if there > limit:
        records = [records[place] for place in _evenly(len(records), max(1, limit // widest))]
    shown: list[Thumbnail] = []
    for source in [one for record in records for one in record][:limit]:
        try:
            shown.append(thumbnail(source, size))
        except NoImage:
            left_out["no image in the file"] += 1
        except (JsocError, OSError) as error:
            left_out[str(error)] += 1
    reasons = "; ".join(f"{count} × {reason}" for reason, count in left_out.most_common(3))
    if not shown:
        raise JsocError(f"there is no image to show: {reasons or 'no rows'}")
    if left_out:
        warn(f"quicklook leaves out {left_out.total()} images: {reasons}")
    note = f"{len(shown)} of {total} images" if total > len(shown) else ""
    return draw(shown, columns=columns, note=note, colorbar=colorbar)
