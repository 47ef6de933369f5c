"""
Files by way of export requests: which request brings which file, and what became of each.

The ledger holds, for each wanted file, the request that is to bring it, so that a run after a crash re-attaches to the
requests that are under way, and only what belongs to none is exported anew.

The archive of a ``url-tar`` export is fetched as one resumable file, and taken apart under names of our own. Nothing
is ever extracted under a name that the archive holds, so it does not matter what these look like.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..display import clean
from ..errors import warn
from ..export import ExportFile, ExportStatus
from ..export.steps import segments_made
from ..fits import looks_like_fits
from ..series import RecordName, series_of
from .download import Batch, Job
from .ledger import FileRow
from .plan import PICTURES
from .transfer import Failed, Outcome, Task, clear_the_way, fetch, local_error

if TYPE_CHECKING:
    from ..export import Export, ExportRequest
    from .download import Batch
    from .ledger import FileRow


# JSOC deletes exports after seven days (jsoc_fetch.c); a download may take a while
KEPT_S = 6.5 * 86400

_CHUNK = 1 << 20

NO_FILE = (
    "JSOC's export has no file for it. Exports leave out records without an image (QUALITY bit 31 set), "
    "and segments whose files are gone"
)


def alive(state: str, request_id: str | None, submitted: float | None, now: float | None = None) -> bool:
    """Whether a request of the ledger can still bring its files."""
    if state == "planned":
        return True
    if state in ("pending", "done") and request_id and submitted:
        return (time.time() if now is None else now) - submitted < KEPT_S
    return False


def worth_another(request: ExportRequest, rows: Sequence[FileRow]) -> bool:
    """
    Whether a failed request can be made again for some of its rows.

    One that has expired can; one record whose file is on tape, or lost, makes jsoc_fetch refuse the whole set; and what
    is too large together may be taken in parts.
    """
    lost = "Storage Units are invalid" in str(request.error)
    severable = lost or request.status in (ExportStatus.OFFLINE, ExportStatus.TOO_LARGE)
    return request.status is ExportStatus.EXPIRED or (severable and len({row.recnum for row in rows}) > 1)


def match(
    rows: Iterable[FileRow], files: Sequence[ExportFile], others: Collection[str] = ()
) -> dict[tuple[int, str, str, str], ExportFile]:
    """
    Find the file of each wanted row; `others` are segments that may come along without being wanted.

    A file says what it is in three ways: its name holds the record number (we ask for that), its record string is the
    record's name, or, after a processing step, the name of a record in ``SERIES_mod`` with the same prime keys and one
    more (jsoc_export_manage.c).
    """
    by_recnum: dict[int, dict[str, FileRow]] = {}
    by_record: dict[str, dict[str, FileRow]] = {}
    by_values: dict[tuple[str, ...], dict[str, FileRow] | None] = {}
    for row in rows:
        # a negative number stands for one that is not known
        known = by_recnum.setdefault(row.recnum, {}) if row.recnum >= 0 else None
        group = by_record.setdefault(row.record.lower(), {}) if known is None else known
        group[row.segment] = row
        by_record[row.record.lower()] = group
        # two versions of a record have the same prime keys: then those cannot tell
        values = RecordName.parse(row.record).bare
        by_values[values] = group if by_values.get(values, group) is group else None
    found: dict[tuple[int, str, str, str], ExportFile] = {}
    for file in files:
        name = PurePosixPath(file.filename).name
        wanted: dict[str, FileRow] | None = None
        prefix = re.match(r"(.+?)\.(\d+)\.", name)
        if prefix and prefix[1].lower() == series_of(file.record).lower():
            wanted = by_recnum.get(int(prefix[2]))
            name = name[prefix.end() :]
        if wanted is None:
            wanted = by_record.get(file.record.lower()) or _processed(file.record, by_values)
        if wanted:
            left = {segment: row for segment, row in wanted.items() if row.key not in found}
            hit = _segment(file, name, left, others)
            if hit is not None:
                found[hit.key] = file
    return found


def _processed(record: str, by_values: dict[tuple[str, ...], dict[str, FileRow] | None]) -> dict[str, FileRow] | None:
    values = RecordName.parse(record).bare
    # the last prime key of a _mod series is the request id; a series may keep fewer keys than its source
    for stop in (len(values), len(values) - 1):
        exact = by_values.get(values[:stop])
        if exact:
            return exact
    hits = [group for key, group in by_values.items() if group and set(values[:-1]) and set(values[:-1]) <= set(key)]
    return hits[0] if len(hits) == 1 else None


def _segment(file: ExportFile, name: str, group: dict[str, FileRow], others: Collection[str]) -> FileRow | None:
    """Pick the row of a file among those of its record."""
    if file.segment in group:
        return group[str(file.segment)]
    stored = name.lower()
    parts = set(stored.split("."))
    exact = [row for segment, row in group.items() if segment.lower() in parts]
    if not exact and any(segment.lower() in parts for segment in others):
        return None
    # aia.lev1 stores segment "image" as image_lev1.fits
    begun = [row for segment, row in group.items() if any(part.startswith(segment.lower()) for part in parts)]
    for candidates in (exact, begun, list(group.values())):
        if len(candidates) == 1:
            return candidates[0]
    return None


def staged_jobs(
    batch: Batch,
    export: Export,
    rows_of: Callable[[ExportRequest], Sequence[FileRow]],
    *,
    fits: bool,
    meanwhile: Iterable[Job] = (),
) -> Iterator[Job]:
    """
    Yield jobs as requests finish, and `meanwhile` those that need no request.

    Rows that a finished request does not bring are settled with their reason.

    Parameters
    ----------
    batch : Batch
        Whose rows they are.
    export : Export
        The requests, submitted or not.
    rows_of : callable
        The rows that a request is to bring.
    fits : bool
        Whether the files must be FITS files.
    meanwhile : iterable of Job
        Files to fetch while JSOC is at work.
    """
    clock = batch.transport.clock
    settled: set[ExportRequest] = set()
    # get JSOC going before the first byte is fetched from SUMS
    export.advance()
    for job in meanwhile:
        yield job
        export.advance()
    while True:
        for request in export.requests:
            if request in settled or request.pending or request.planned:
                continue
            settled.add(request)
            for job in _jobs_of(batch, request, rows_of(request), fits):
                yield job
                export.advance()
        delay = export.advance()
        if delay is None and len(settled) == len(export.requests):
            return
        batch.alive()
        export.show(batch.progress)
        if delay:
            clock.sleep(delay)


def _jobs_of(batch: Batch, request: ExportRequest, rows: Sequence[FileRow], fits: bool) -> Iterator[Job]:
    open_rows = batch.open(rows)
    if request.id:
        batch.request_ids.update({row.key: request.id for row in open_rows})
    if request.error is not None:
        if not worth_another(request, open_rows):
            for row in open_rows:
                batch.fail(row, str(request.error))
        return
    found = match(open_rows, request.files, segments_made(request.process))
    if request.process and request.protocol.partition(",")[0] not in PICTURES:  # whose names are of what they show
        # a processed record lies in another series (SERIES_mod); a step that failed can leave the stored one
        pairs = [(row, found[row.key]) for row in open_rows if row.key in found]
        # a row that was made from the reply has its record from there
        source = series_of(request.record_set or "").lower()
        same = [row for row, file in pairs if series_of(file.record).lower() == source]
        if same:
            warn(
                f"JSOC gave back {len(same)} files of {request.id} unprocessed, such as that of {same[0].record}: "
                f"check what {request.process} should have done to them"
            )
    said = "; ".join(request.messages)
    if request.tar_url is not None and open_rows:
        unpack(batch, request, {found[row.key].filename: row for row in open_rows if row.key in found}, fits=fits)
        open_rows = batch.open(open_rows)
    for row in open_rows:
        file = found.get(row.key)
        if file is not None and file.url is not None:
            is_fits = fits and row.path.endswith(".fits")
            yield Job(row, file.url, is_fits, None, request.id)
        elif file is not None:
            batch.fail(row, "its file is offline at JSOC (NoDataFile)", missing=True)
        else:
            batch.fail(row, f"{NO_FILE}. JSOC says: {said}" if said else NO_FILE, missing=True)


class _Archive(io.BufferedReader):
    """An archive whose word on lengths is not believed: nothing is read that is longer than a header needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def _members(archive: _Archive, most: int) -> tuple[dict[str, list[tarfile.TarInfo]], str]:
    """Return the members of an archive by the last part of their names, and what is wrong with it."""
    found: dict[str, list[tarfile.TarInfo]] = {}
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= most or member.size < 0:
                    raise tarfile.ReadError(f"more than {most} members" if number >= most else "a size below zero")
                found.setdefault(PurePosixPath(member.name).name, []).append(member)
    except Exception as error:  # of any type, where an archive is wrong
        what = "is damaged" if found else "is no plain tar archive, or damaged"
        return found, clean(f"the archive {what}: {type(error).__name__}: {error}"[:300])
    return found, ""


def _odd(members: Sequence[tarfile.TarInfo], size: int) -> str:
    """Say why the members of a name are no file that can be taken from an archive of `size` bytes; empty if one is."""
    if len(members) > 1:
        return "two files of its name are in the archive"
    (member,) = members
    if not member.isreg() or member.issparse():
        return "what the archive holds is no plain file"
    return "the archive ends inside it" if member.offset_data + member.size > size else ""


def unpack(batch: Batch, request: ExportRequest, members: Mapping[str, FileRow], *, fits: bool) -> None:
    """
    Fetch the archive of a finished request, and settle the rows that are in it.

    Only plain tar archives are taken, which are never larger unpacked than packed; of these only plain files.

    Parameters
    ----------
    batch : Batch
        Whose rows they are.
    request : ExportRequest
        Finished, with a `tar_url`.
    members : mapping of str to FileRow
        File names of the server, with the row that each is.
    fits : bool
        Whether images must be FITS files.
    """
    assert request.tar_url is not None
    path = batch.ledger.directory.absolute() / f"{request.id or 'export'}.jsoclite.tar"
    task = Task(request.tar_url, str(path), False, None, batch.transport.timeout, batch.transport.retries)
    outcome = fetch(task, batch.transport, batch.arrived)
    if outcome.error:
        for row in members.values():
            batch.fail(row, f"the archive {request.tar_url} could not be fetched: {outcome.error}")
        return
    try:
        with _Archive(io.FileIO(path)) as archive:
            found, wrong = _members(archive, 2 * len(request.files) + 1000)
            # jsoc_export_manage.c puts what went wrong into a file of this name
            listed = found.get("error_list.txt", [])
            if listed and not _odd(listed, outcome.bytes):
                archive.seek(listed[0].offset_data)
                wrong = wrong or clean(archive.read(min(listed[0].size, 2000)).decode("utf-8", "replace"))
            for name, row in members.items():
                if name not in found:
                    reason = "; ".join(
                        filter(None, [f"the archive does not hold {row.segment} of {row.record}", wrong])
                    )
                elif not (reason := _odd(found[name], outcome.bytes)):
                    reason = _take(batch, request.tar_url, row, archive, found[name][0], fits)
                if reason:
                    batch.fail(row, reason)
    finally:
        path.unlink(missing_ok=True)


def _take(batch: Batch, url: str, row: FileRow, archive: _Archive, member: tarfile.TarInfo, fits: bool) -> str:
    """Give a member of an archive its own name, and settle its row; or return what is wrong with it."""
    target = batch.ledger.directory.absolute() / row.path
    part = Path(f"{target}.part")
    try:
        clear_the_way(target, row.path.count("/"))
        with part.open("wb") as file:
            archive.seek(member.offset_data)
            for start in range(0, member.size, _CHUNK):
                file.write(archive.read(min(_CHUNK, member.size - start)))
                batch.alive()
            file.flush()
            os.fsync(file.fileno())
        if fits and row.path.endswith(".fits") and (reason := looks_like_fits(part, sums=True)):
            return f"what the archive holds is not the file: {reason}"
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(part, target)
    except Failed as failed:
        return str(failed.args[0])
    except OSError as error:
        raise local_error(error, target) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    batch.arrive(row, url, Outcome(member.size, digest))
    return ""
