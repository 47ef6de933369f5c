"""
Files that others have fetched: which record and segment each holds, and how they become ours.

Real files say it in different ways (fitsexport.c): since about 2018 ``DRMS_ID`` says series, record number and segment;
before, ``RECNUM`` or nothing at all. Names follow the form that was asked for when they were exported: what begins with
a series and ends with a segment is read here, and believed only as far as the header agrees.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..download import ledgers
from ..errors import ArgumentError, JsocError
from ..fits import layout
from ..series import RecordName

_ENDINGS = (".fits", ".fts", ".fit")
# behind the segment, the number that parfive or a browser gives to a second copy
_NAME = re.compile(
    r"([A-Za-z]\w*\.[A-Za-z]\w*)\.(?:(.+)\.)?([A-Za-z]\w*)(?:\.\d{1,3}| ?\(\d{1,3}\))?\.(?:fits|fts|fit)", re.I
)
_ID = re.compile(r"([A-Za-z]\w*\.\w+):(\d{1,18}):(\w+)")
# what steps make is of a series of its own (jsoc_export_manage.c)
_MADE = re.compile(r"_mod$|\.lev1p5$", re.I)
_TIME = re.compile(r"(\d{4}[.-]\d\d[.-]\d\d[_T]\d\d:\d\d:\d\d)(\.\d+)?(Z|_\w+)?")


@dataclass
class Found:
    """What a file turned out to be; `reason` where that is in doubt."""

    path: Path
    series: str = ""
    recnum: int = -1
    segment: str = ""
    record: str = ""
    date: str = ""
    reason: str = ""
    status: str = ""


def adopt(directory: Path, paths: Sequence[str | os.PathLike[str]], how: str, client: Any) -> pd.DataFrame:
    """See `Archive.adopt`."""
    if how not in ("link", "copy", "index"):
        raise ArgumentError(f"how={how!r}: write 'link', 'copy' or 'index'")
    with ledgers.Ledger(directory) as ledger:
        found = [look_at(path) for path in walk(paths)]
        if client is not None:
            ask([one for one in found if one.reason == _NO_NUMBER], client)
        known = {(row.recnum, row.segment, RecordName.parse(row.record).series.lower()): row for row in ledger.files()}
        taken = set(ledger.paths())
        for one in found:
            if not one.reason:
                take_in(ledger, one, how, known, taken)
    cells = {
        "status": [one.status or "doubtful" for one in found],
        "record": [one.record or None for one in found],
        "recnum": [one.recnum if one.recnum > 0 else None for one in found],
        "segment": [one.segment or None for one in found],
        "reason": [one.reason or None for one in found],
    }
    columns = {name: pd.Series(cell, dtype="Int64" if name == "recnum" else "str") for name, cell in cells.items()}
    return pd.DataFrame(columns).set_axis(pd.Index([str(one.path) for one in found], name="path", dtype="str"))


def walk(paths: Sequence[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield files, those of directories sorted; JsocError for what is not there."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix.lower() in _ENDINGS and one.is_file())
        elif path.is_file():
            yield path
        else:
            raise JsocError(f"there is no file or directory {path} to adopt")


_NO_NUMBER = "its header has no record number: pass client=, so that the server can be asked which record it is"


def look_at(path: Path) -> Found:
    """Say what a file is, by its header and its name."""
    found = Found(path)
    try:
        with path.open("rb") as file:
            cards = {
                card[:8].rstrip(): _value(card)
                for unit in layout.units(file)
                for card in unit.cards
                if card[8:9] == "="
            }
    except (OSError, ValueError) as error:
        found.reason = f"it is no whole FITS file: {error}"
        return found
    name = _NAME.fullmatch(path.name)
    found.date = cards.get("DATE", "")
    known = _ID.fullmatch(cards.get("DRMS_ID", ""))
    if known is not None:
        found.series, found.recnum, found.segment = known[1], int(known[2]), known[3]
    elif name is None:
        found.reason = "neither its header (DRMS_ID) nor its name (series.….segment.fits) says of which series it is"
        return found
    else:
        # aia's files are called image_lev1.fits where they are stored, and so by {segment}
        found.series, found.segment = name[1], name[3].removesuffix("_lev1")
        number = cards.get("RECNUM", "")
        found.recnum = int(number) if number.isdecimal() else -1
    if _MADE.search(found.series) or "RequestID" in cards.get("PRIMARYK", ""):
        found.reason = "it was made by processing steps, and does not say by which"
    elif known and name and name[1].lower() == known[1].lower() and not name[3].lower().startswith(known[3].lower()):
        found.reason = f"its name says segment {name[3]}, its header {found.segment}"
    found.record = _record(found, cards, name[2] or "" if name else "")
    if not found.reason and found.recnum < 0:
        found.reason = _NO_NUMBER if found.record else "its header has neither a record number nor its prime keys"
    elif not found.reason and not found.record:
        found.record = f"{found.series}[:#{found.recnum}]"
    return found


def _value(card: str) -> str:
    """Return the value of a card as text."""
    text = card[10:]
    quoted = re.match(r"\s*'((?:[^']|'')*)'", text)
    return quoted[1].replace("''", "'").rstrip() if quoted else text.partition("/")[0].strip()


def _record(found: Found, cards: dict[str, str], middle: str) -> str:
    """Return the record's name as far as the header says it: all prime keys, times without the zeros of a header."""
    keys = [key.strip() for key in cards.get("PRIMARYK", "").split(",") if key.strip()]
    if not keys:  # old files do not say; these are the prime keys of nearly all series that have images
        keys = [key for key in ("HARPNUM", "T_REC", "CAMERA", "WAVELNTH") if key in cards]
        keys = [key for key in keys if key in ("T_REC", "HARPNUM") or cards[key].rstrip(".0") in middle.split(".")]
    values = [_printed(cards.get(key.upper()[:8], "")) for key in keys]
    if not values or not all(values) or "T_REC" not in keys:
        return ""
    return str(RecordName(found.series, tuple(values)))


def _printed(value: str) -> str:
    time = _TIME.fullmatch(value)
    if time is None:
        return value.removesuffix(".") if re.fullmatch(r"\d+\.0*", value) else value
    decimals = (time[2] or "").rstrip("0").rstrip(".")
    return time[1] + decimals + (time[3] or ("Z" if "T" in time[1] else ""))


def ask(found: Sequence[Found], client: Any) -> None:
    """Ask the server which records files are; a file that was made at another time is another version."""
    for one in found:
        try:
            info = client.info(one.series)
            dated = ["DATE"] if "DATE" in info.keywords.index else []
            df = client.query(one.record, keywords=dated or None)
        except JsocError as error:
            one.reason = f"the server does not know {one.record}: {error}"
            continue
        segment = next((name for name in info.segments.index if name.lower() == one.segment.lower()), None)
        made = str(df["DATE"].iloc[0]) if len(df) == 1 and dated else ""
        if len(df) != 1 or segment is None:
            one.reason = f"{one.record}{{{one.segment}}} stands for {len(df)} records, segment {segment or 'unknown'}"
        elif not made or made[:19] != one.date[:19]:
            one.reason = (
                f"it was made {one.date or 'at an unknown time'}, and the record of JSOC {made or 'does not say'}"
            )
        else:
            one.series, one.segment, one.reason = info.name, segment, ""
            one.record, one.recnum = str(df.index[0]), int(df["recnum"].iloc[0])


def take_in(
    ledger: ledgers.Ledger, one: Found, how: str, known: dict[tuple[int, str, str], ledgers.FileRow], taken: set[str]
) -> None:
    """Note a file in the ledger, and link or copy it into the directory."""
    key = (one.recnum, one.segment, one.series.lower())
    row = known.get(key)
    if row is not None and row.state == "done" and (ledger.directory / row.path).exists():
        one.status = "present"
        return
    with one.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # what lies in the directory, in a folder of it, too, stays where it is
    place, home = one.path.parent.resolve() / one.path.name, ledger.directory.resolve()
    here = place.is_relative_to(home)
    name = (
        "/".join(place.parts[len(home.parts) :])
        if here
        else str(one.path.resolve())
        if how == "index"
        else free_name(ledger, one, taken)
    )
    try:
        if how != "index" and not here:
            target = ledger.directory / name
            part = target.with_name(target.name + ".part")
            part.unlink(missing_ok=True)
            os.link(one.path.resolve(), part) if how == "link" else shutil.copyfile(one.path, part)
            part.replace(target)
    except OSError as error:
        remedy = "; how='copy' or 'index' works on any disk" if how == "link" else ""
        one.reason = f"it cannot be put into {ledger.directory}: {error.strerror}{remedy}"
        return
    stat = (ledger.directory / name).stat()
    made = ledgers.FileRow(one.record, one.recnum, one.segment, "fits", name, "done", stat.st_size, digest)
    made.finished = stat.st_mtime
    if row is not None:
        ledger.drop_files([row])
    ledger.save_files([made])
    known[key], one.status = made, "adopted"
    taken.add(name.lower())


def free_name(ledger: ledgers.Ledger, one: Found, taken: set[str]) -> str:
    """Return a name that nobody has in the directory: the file's own, else with the record number."""
    base = re.sub(r"[^A-Za-z0-9._+-]+", "_", one.path.stem)
    names = [f"{base}.fits", *(f"{base}.r{one.recnum}{more}.fits" for more in ("", ".2", ".3"))]
    for name in names:
        if name.lower() not in taken and not (ledger.directory / name).exists():
            return name
    raise JsocError(
        f"{ledger.directory} has files of all names that {one.path.name} could have: adopt with how='index'"
    )
