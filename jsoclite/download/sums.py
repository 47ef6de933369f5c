"""
Straight from SUMS: where the files of records are, and the headers that they lack.

Files in SUMS are as they were stored, with hardly a header. One `rs_list` tells the path of each file and all keywords
of its record, so that the header can be written here, without staging and without an e-mail address.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import ProcessingError, QueryError
from ..export import file_url
from ..fits import header as fits_header
from ..selection import Selection
from ..server import Jsoc
from .download import Batch, Job
from .ledger import FileRow
from .names import extension
from .transfer import Absent, Ranges

if TYPE_CHECKING:
    from ..series import SeriesInfo


# Records whose keywords are asked for and held at once: 500 records of 150 keywords are about 10 MB.
CHUNK = 500

NO_IMAGE = 1 << 31

Make: TypeAlias = Callable[[Ranges, Sequence[str]], bytes]
Cutter: TypeAlias = Callable[[Mapping[str, Any], str, str], tuple[Make, Callable[[], list[str]]]]


def located(
    batch: Batch,
    jsoc: Jsoc,
    info: SeriesInfo,
    rows: Sequence[FileRow],
    *,
    headers: bool,
    source: str | None = None,
    cuts: Cutter | None = None,
) -> Iterator[tuple[list[Job], list[FileRow]]]:
    """
    Find the files of `rows` in SUMS, a chunk of records at a time.

    Parameters
    ----------
    batch : Batch
        Whose rows they are; a row that has no file at all is settled there.
    jsoc : Jsoc
        How to ask.
    info : SeriesInfo
        The series of the rows.
    rows : sequence of FileRow
        Wanted files of one series.
    headers : bool
        Whether to write full headers.
    source : str, optional
        The stored segment that all rows are made from, where they are about no stored ones.
    cuts : callable, optional
        For the keywords of a record, a segment and the record's name: what makes a file out of parts of the stored
        one, and its header.

    Yields
    ------
    jobs : list of Job
        Files that are online.
    offline : list of FileRow
        Files that must be staged.
    """
    by_record: dict[int, list[FileRow]] = {}
    for row in rows:
        by_record.setdefault(row.recnum, []).append(row)
    recnums = list(by_record)
    for start in range(0, len(recnums), CHUNK):
        jobs: list[Job] = []
        offline: list[FileRow] = []
        part = {recnum: by_record[recnum] for recnum in recnums[start : start + CHUNK]}
        replies = {int(record["*recnum*"]): record for record in _ask(batch, jsoc, info, part, headers, source)}
        for recnum, wanted in part.items():
            record = replies.get(recnum)
            for row in wanted:
                if record is None:
                    batch.fail(row, f"record number {recnum} is not in {info.name} any more", missing=True)
                    continue
                job = _job(batch, jsoc, info, row, record, headers, source or row.segment, cuts)
                if job is not None:
                    jobs.append(job)
                elif row.key not in batch.status:
                    offline.append(row)
        yield jobs, offline


def _ask(
    batch: Batch,
    jsoc: Jsoc,
    info: SeriesInfo,
    part: Mapping[int, Sequence[FileRow]],
    headers: bool,
    source: str | None,
) -> Iterator[dict[str, Any]]:
    segments = list(dict.fromkeys(source or row.segment for rows in part.values() for row in rows))
    keys = ["*recnum*", *(fits_header.keyword_names(info) if headers else [])]
    if "QUALITY" in info.keywords.index and "QUALITY" not in keys:
        keys.append("QUALITY")
    waiting = [list(part)]
    while waiting:
        some = waiting.pop()
        found: list[dict[str, Any]] = []
        try:
            for record_set in Selection(info.name, (), np.array(some, dtype=np.int64)).texts():
                found += batch.outage.ask(functools.partial(listing, jsoc, record_set, keys, segments))
        except QueryError:
            if len(some) == 1:
                raise
            half = len(some) // 2  # a smaller question may be answered
            waiting += [some[half:], some[:half]]
        else:
            yield from found


def listing(jsoc: Jsoc, record_set: str, keywords: Sequence[str], segments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """List the records of a set: keywords as the server prints them in full, and paths by ``{segment}``."""
    body = jsoc.records(record_set, keywords, segments, full=True)
    if body.get("status") != 0:
        raise QueryError(
            f"the server refused to list {record_set}: {body.get('error') or 'no reason given'}",
            record_set=record_set,
            status=body.get("status"),
        )
    columns = {item["name"]: item["values"] for item in body.get("keywords", ())}
    columns |= {"{" + item["name"].lower() + "}": item["values"] for item in body.get("segments", ())}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _job(
    batch: Batch,
    jsoc: Jsoc,
    info: SeriesInfo,
    row: FileRow,
    record: Mapping[str, Any],
    headers: bool,
    segment: str,
    cuts: Cutter | None,
) -> Job | None:
    path = str(record.get("{" + segment.lower() + "}", ""))
    if _bad(record.get("QUALITY")):
        batch.fail(row, "the record has no image (QUALITY bit 31 is set)", missing=True)
        return None
    if path in ("InvalidSegName", "BadSegLink") or path.endswith("/"):
        batch.fail(row, f"the record has no file for segment {segment} ({path})", missing=True)
        return None
    if not path.startswith("/"):  # NoDataDirectory: on tape
        return None
    url = file_url(jsoc.files, path)
    is_fits = row.path.endswith(".fits") and extension(path) in (".fits", ".fz", ".tas", "")
    if cuts is None:
        whole = functools.partial(fits_header.header_cards, record, info, segment) if headers and is_fits else None
        return Job(row, url, is_fits, whole)
    if not is_fits:
        return None
    try:
        make, header = cuts(record, segment, row.record)
        return Job(row, url, True, header, make=make)
    except (ProcessingError, Absent) as reason:
        batch.fail(row, str(reason), missing=isinstance(reason, Absent))
        return None


def _bad(quality: object) -> bool:
    try:
        return bool(int(str(quality), 0) & NO_IMAGE)
    except ValueError:
        return False


def endings(info: SeriesInfo, segments: Iterable[str]) -> dict[str, str]:
    """Return the extension that files of these segments get: ``.fits`` unless the series says they are no images."""
    known = {name: str(protocol or "") for name, protocol in info.segments["protocol"].items()}
    result = {}
    for segment in segments:
        protocol = known.get(segment, "").lower()
        result[segment] = "" if protocol in ("generic", "bin", "binz") else ".fits"
    return result
