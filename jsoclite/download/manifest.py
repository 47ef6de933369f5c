"""`Manifest`: the DataFrame that tells what became of each wanted file; `verify`: whether they are whole still."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from .. import display
from ..errors import DownloadError, warn
from ..fits import looks_like_fits
from .ledger import FileRow, Ledger

_COLUMNS = ("segment", "path", "status", "bytes", "url", "request_id", "error")
_STATUSES = ("downloaded", "present", "missing", "failed")
# below this width a file's name says nothing
_NARROWEST = 24


class Manifest(pd.DataFrame):
    """
    A `pandas.DataFrame` with a row per wanted file, which only shows itself differently.

    Whatever is made of it, such as a slice, a copy, or what comes back from a file, is a plain DataFrame.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")
    >>> files
    1 downloaded, 121.0 kB in data
    record                                  segment      status          size  file
    hmi.M_720s[2014.01.01_00:00:00_TAI][3]  magnetogram  downloaded  121.0 kB  hmi.M_720s.2014...magnetogram.fits
    >>> files.columns.tolist()
    ['segment', 'path', 'status', 'bytes', 'url', 'request_id', 'error']
    >>> type(files[files.status == "downloaded"])
    <class 'pandas...DataFrame'>
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle opens where there is no jsoclite
        return copy.copy, (self.copy(deep=False),)

    @staticmethod
    def reasons(frame: pd.DataFrame) -> str:
        """Say why files are not there, the most common reasons first."""
        counts = frame["error"].fillna("no reason given").str.rstrip(".").value_counts()
        listed = [f"{reason} ({count} x)" if count > 1 else str(reason) for reason, count in counts[:3].items()]
        return "; ".join(listed) + ("; …" if len(counts) > 3 else "")

    @staticmethod
    def report(manifest: pd.DataFrame, on_error: str) -> None:
        """
        Raise or warn about files that are not there.

        A file that JSOC does not have is a fact about the data: it is a warning. A file that failed is an error, if
        `on_error` is "raise".
        """
        missing = manifest[manifest.status == "missing"]
        failed = manifest[manifest.status == "failed"]
        if len(missing):
            warn(f"{len(missing)} of {len(manifest)} files do not exist at JSOC: {Manifest.reasons(missing)}")
        if len(failed) and on_error == "raise":
            raise DownloadError(
                f"{len(failed)} of {len(manifest)} files failed: {Manifest.reasons(failed)}. "
                "Run the same line again to try just these; the error's .manifest says which.",
                manifest,
            )

    def __repr__(self) -> str:
        if not _shows(self):
            return pd.DataFrame(self).__repr__()
        lines = [_head(self)]
        if len(self):
            lines.append(_text(self))
        lines += _reasons(self)
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        if not _shows(self):
            return pd.DataFrame(self)._repr_html_()  # type: ignore[operator, no-any-return]
        return display.block(
            display.join(display.Html("<b>Files</b> "), _head(self)),
            _html(self) if len(self) else "",
        )


def _shows(frame: pd.DataFrame) -> bool:
    """Whether all columns are there still; one can take some away in place."""
    return set(_COLUMNS) <= set(frame.columns) and frame.columns.is_unique and frame.index.name == "record"


def _head(frame: pd.DataFrame) -> str:
    """Return the line that says how it went."""
    counts = Counter(frame["status"].dropna().tolist())
    # keywords of millions of records may have been kept, of which not all are rows
    every = Counter(frame.attrs.get("jsoc", {}).get("counts", {}))
    if cut := every.total() > len(frame):
        counts = every
    if not counts:
        return "no files"
    words = [*_STATUSES, *(word for word in counts if word not in _STATUSES)]
    parts = [f"{counts[word]:,} {word}" for word in words if counts[word]]
    if cut:
        parts.append(f"{len(frame):,} of them listed")
    total = frame["bytes"].sum()
    places = {str(PurePath(path).parent) for path in frame["path"].dropna()}
    where = f" in {places.pop()}" if len(places) == 1 else f" in {len(places)} directories" if places else ""
    if where:
        parts.append(f"{display.size(total)}{where}")
    return display.clean(", ".join(parts))


def _cells(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows that are shown, as pandas' options have it; an empty one stands for a gap."""
    first, last = display.shown_rows(len(frame), pd.get_option("display.max_rows"), pd.get_option("display.min_rows"))
    for places in (first, last):
        if places is last and last:
            yield {}
        rows = pd.DataFrame(frame).iloc[places.start : places.stop]
        for name, row in zip(rows.index, rows.to_dict("records"), strict=True):
            yield {**{str(key): None if _lost(value) else value for key, value in row.items()}, "record": name}


def _lost(value: object) -> bool:
    missing = pd.isna(value)  # type: ignore[call-overload]
    return bool(missing) if isinstance(missing, bool) else False


def _others(frame: pd.DataFrame) -> list[str]:
    """Return the columns that somebody has added."""
    return [name for name in frame.columns if name not in _COLUMNS]


def _text(frame: pd.DataFrame) -> str:
    added = _others(frame)
    header = ["record", "segment", "status", "size", *map(str, added)]
    rows, names = [], []
    for cells in _cells(frame):
        number = cells.get("bytes")
        size = "" if number is None else display.size(number)
        known = [cells.get("segment"), cells.get("status"), size, *(cells.get(name) for name in added)]
        rows.append([cells.get("record", "…"), *("" if cell is None else str(cell) for cell in known)])
        names.append(PurePath(cells.get("path") or "").name)
    table = display.text_table(header, rows, right=[3])
    room = _width() - max(map(len, table.splitlines())) - 2
    if not any(names):
        return table
    if room < _NARROWEST:
        return f"{table}\nfile names: column path"
    files = ["file", *(display.shorten(name, room) for name in names)]
    width = len(max(table.splitlines(), key=len))
    return "\n".join(f"{line:<{width}}  {name}".rstrip() for line, name in zip(table.splitlines(), files, strict=True))


def _width() -> int:
    """Return the columns of the terminal, enough for whole names where there is none; at least what pandas is told."""
    return max(shutil.get_terminal_size((160, 24)).columns, pd.get_option("display.width") or 0)


def _reasons(frame: pd.DataFrame) -> Iterator[str]:
    """Yield the reasons of what is not there, the most frequent ones first."""
    told = Counter(frame[["status", "error"]].dropna().itertuples(index=False, name=None))
    for (status, reason), count in told.most_common(3):
        yield display.wrapped(f"{status}{f' ({count:,} x)' if count > 1 else ''}: {reason}", min(_width(), 100))
    if len(told) > 3:
        yield f"{display.number_of(len(told) - 3, 'more reason')} in column error"


def _html(frame: pd.DataFrame) -> display.Html:
    added = _others(frame)
    errors = bool(frame["error"].notna().any())
    rows: list[list[object]] = []
    for cells in _cells(frame):
        if not cells:
            rows.append(["…", *[""] * (4 + len(added))])
            continue
        path, number = cells["path"], cells["bytes"]
        rows.append(
            [
                display.mono(cells["record"], whole=True),
                cells["segment"],
                display.coloured(str(cells["status"])),
                "" if number is None else display.size(number),
                # what is not there has no name, so its reason stands in the name's place
                display.join(
                    display.mono(display.link(path, PurePath(path).name), whole=True) if path else "",
                    display.Html(f"<div>{display.escape(cells['error'])}</div>") if cells["error"] else "",
                ),
                *("" if cells[name] is None else cells[name] for name in added),
            ]
        )
    header = ["record", "segment", "status", "size", "file or error" if errors else "file", *added]
    return display.table(header, rows, right=[3])


def verify(directory: str | os.PathLike[str]) -> pd.DataFrame:
    """
    Check all files of a download directory: there, as the ledger has them (size, SHA-256), with sums that hold.

    Parameters
    ----------
    directory : path
        Where `Client.download` has put files.

    Returns
    -------
    pandas.DataFrame
        A row per file; index ``record``; columns ``recnum``, ``segment``, ``path``, ``status`` ("whole", "gone",
        "changed", "broken", or the ledger's word for a file that was never there) and ``reason``. Rows that are not
        whole can be given to `Client.download` again: those that are gone or have another size are fetched; remove
        others first.

    Raises
    ------
    JsocError
        If there is no ledger.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")
    >>> jsoclite.verify("data").status.unique().tolist()
    ['whole']
    """
    with Ledger(directory, create=False) as ledger:
        rows = ledger.files()
        checked = [_check(ledger.directory / row.path, row) for row in rows]
    return pd.DataFrame(
        {
            "recnum": pd.Series([row.recnum for row in rows], dtype="int64"),
            "segment": pd.Series([row.segment for row in rows], dtype="str"),
            "path": pd.Series([str(ledger.directory / row.path) for row in rows], dtype="str"),
            "status": pd.Series([status for status, _ in checked], dtype="str"),
            "reason": pd.Series([reason for _, reason in checked], dtype="str"),
        }
    ).set_axis(pd.Index([row.record for row in rows], name="record", dtype="str"))


def _check(path: Path, row: FileRow) -> tuple[str, str | None]:
    if row.state != "done":
        return row.state, row.error
    try:
        size = path.stat().st_size
        if size != row.bytes:
            return "changed", f"{size} bytes, it had {row.bytes}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "gone", "there is no such file any more"
    except OSError as error:
        return "broken", f"it cannot be read ({error.strerror})"
    if row.sha256 and digest != row.sha256:
        return "changed", "its bytes are others than those that were downloaded (SHA-256)"
    broken = looks_like_fits(path, sums=True) if row.path.endswith(".fits") else None
    return ("broken", broken) if broken else ("whole", None)
