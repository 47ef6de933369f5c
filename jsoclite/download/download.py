"""
Many files: planned, fetched, and told in a manifest.

A wanted (record, segment) becomes a `FileRow` of the ledger, with its final path, before anything is fetched. Whatever
brings the files (SUMS, an export) hands over jobs; the manifest has a row for each wanted file, whatever became of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal

from .. import display
from ..errors import JsocError, ServerError, warn
from ..fits import looks_like_fits
from ..progress import Progress
from ..series import FileKey, series_of
from .ledger import BEAT_EVERY_S, FileRow, Ledger, LedgerError
from .manifest import Manifest
from .names import Namer
from .outage import Outage
from .template import Template
from .transfer import Failed, LocalError, Outcome, Ranges, Task, clear_the_way, fetch, fetch_alone, in_the_way

if TYPE_CHECKING:
    import pandas as pd

    from ..server import Transport


log = logging.getLogger("jsoclite")

WRITE_EVERY_S = 0.5
# how often a run that nobody watches logs how far it is
LOG_EVERY_S = 300.0
# a file that was written later than this after it was finished was changed by somebody
TOUCHED_S = 2.0
# what lies beside a file while it arrives (see transfer)
LEFTOVERS = (".part", ".part.etag", ".header.part")


@dataclass(frozen=True, slots=True)
class Job:
    """
    A file that can be fetched now.

    When its turn has come, `header` makes the cards to complete it with; `make` makes it from parts of the file.
    """

    row: FileRow
    url: str
    fits: bool = True
    header: Callable[[], Iterable[str]] | None = None
    request_id: str | None = None
    make: Callable[[Ranges, Sequence[str]], bytes] | None = None


def _is_inside(path: str) -> bool:
    """Whether a path of the ledger stays in its directory: the ledger lies where others can write."""
    return bool(path) and not os.path.isabs(path) and ".." not in PureWindowsPath(path).parts and ":" not in path[:2]


def _identity(file: FileRow | FileKey) -> tuple[object, ...]:
    """Return what tells a file from others: numbers name the records of a series, and names those without."""
    return (file.recnum, file.record if file.recnum < 0 else series_of(file.record).lower(), file.segment)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_cut(path: Path) -> bool:
    """Whether a file is the beginning of a FITS file: a disk that failed, and nobody's work."""
    with path.open("rb") as file:
        return file.read(9) == b"SIMPLE  =" and looks_like_fits(path) is not None


class Batch:
    """
    One call of `Client.download`.

    Parameters
    ----------
    ledger : Ledger
        Of the directory that the files go to.
    transport : Transport
        How they are fetched, in this thread.
    progress : Progress
        What is told meanwhile.
    alive : callable
        Called often, to show that this download is alive.
    other : Ledger, optional
        Of an archive whose files are taken in place of those of the server.
    """

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        progress: Progress,
        alive: Callable[[], None] = lambda: None,
        other: Ledger | None = None,
    ) -> None:
        self.ledger, self.transport, self.progress, self.alive, self.other = ledger, transport, progress, alive, other
        #: What users have spelled the names with, if they have.
        self.template: Template | None = None
        # paths that files had before they got other ones, and of files that keep theirs
        self._left: list[str] = []
        self._kept: list[str] = []
        self.rows: list[FileRow] = []
        self.status: dict[tuple[int, str, str, str], str] = {}
        self.request_ids: dict[tuple[int, str, str, str], str] = {}
        # rows whose job was handed out: each will be settled by it, whatever else happens meanwhile
        self._handed: set[tuple[int, str, str, str]] = set()
        self._unwritten: list[FileRow] = []
        self.outage = Outage(transport.clock, progress, alive)
        # files that the server gave no answer for: tried once more when all others are through, None from then on
        self._unanswered: list[Job] | None = []
        self._written = self._logged = time.monotonic()

    # -- plan -----------------------------------------------------------------------------------------------------

    def look(
        self, wanted: Iterable[FileKey], product: str, *, tag: str = "", overwrite: bool = False
    ) -> Iterator[tuple[FileRow, bool, Literal["nothing", "ours", "cut", "a stranger"]]]:
        """
        Give each wanted file its path, and say what lies there; nothing is changed.

        Yields
        ------
        row : FileRow
            The file's.
        new : bool
            Whether the ledger does not have it.
        lies : str
            See `_what_lies_there`.
        """
        items = list(dict.fromkeys(wanted))
        noted = self.ledger.files((item.recnum for item in items), product=product)
        names = {(item.recnum, item.record, item.segment) for item in items}
        # of two names of one record, the server's wins
        known = {_identity(row): row for row in sorted(noted, key=lambda row: row.key[:3] in names)}
        namer = Namer(self.ledger.paths().get, None if self.template is None else self.template.clash)
        for item in items:
            key = (item.recnum, item.record, item.segment, product)
            row = known.get(_identity(item))
            other = row is not None and item.path not in ("", row.path)
            if row is None or not (_is_inside(row.path) or self._is_as_indexed(row)):
                path, new = namer.path(key, item.ending, tag=tag, wished=item.path), True
                row = FileRow(item.record, item.recnum, item.segment, product, path)
            elif other and self._what_lies_there(row, True) != "ours":
                # what is not there gets the name that is asked for now; a file that is keeps its own
                path = namer.path(key, item.ending, tag=tag, wished=item.path)
                if new := path != row.path:
                    self._left.append(row.path)
                    row = replace(row, path=path, state="planned")
            else:
                new = False
                self._kept += (
                    [row.path] if other and not row.path.startswith(f"{item.path[: -len(item.ending)]}.r") else []
                )
            lies = "nothing" if overwrite else self._what_lies_there(row, _identity(row) in known)
            yield row, new, lies

    def plan(self, wanted: Iterable[FileKey], product: str, *, tag: str = "", overwrite: bool = False) -> list[FileRow]:
        """
        Give each wanted file its path, and say which are there already.

        Returns
        -------
        list of FileRow
            The files that must be fetched, in the order asked for.
        """
        items = list(dict.fromkeys(wanted))
        elsewhere = self._elsewhere(items, product)
        leftovers: dict[str, set[str]] = {}
        changed: list[FileRow] = []
        todo: list[FileRow] = []
        looked = self.look(items, product, tag=tag, overwrite=overwrite)
        for item, (row, new, lies) in zip(items, looked, strict=True):
            if row.record != item.record:
                self.ledger.rename(row, item.record)
            if row.state in ("failed", "missing"):
                # planned anew, so that a crash finds it as it would a new one
                row.state, new = "planned", True
            if new:
                changed.append(row)
            self.rows.append(row)
            if lies == "ours":
                if row.state != "done":
                    self._take_over(row)
                    changed.append(row)
                self.status[row.key] = "present"
                self._tidy(row.path, leftovers)
            elif lies == "a stranger":
                # the ledger goes on saying what we have put there once
                self.status[row.key] = "failed"
                path = self.ledger.directory / row.path
                row.error = in_the_way(path, row.path.count("/")) or (
                    f"{path} is there already, and is no file that we put there: move it away, or pass overwrite=True"
                )
            elif (found := elsewhere.get(_identity(row))) and self._borrow(row, found):
                self.status[row.key] = "present"
                changed.append(row)
            else:
                row.error = None
                todo.append(row)
        self.ledger.save_files(changed)
        for left in self._left:
            self._tidy(left, leftovers)
        if self._kept:
            count = display.number_of(len(self._kept), "file")
            warn(f"{count} had a name before, and filename= leaves it: {self._kept[0]}")
        self._left, self._kept = [], []
        self.progress.files(len(todo))
        return todo

    def _what_lies_there(self, row: FileRow, noted: bool) -> Literal["nothing", "ours", "cut", "a stranger"]:
        """
        Say what has the name of a wanted file.

        Ours is what the ledger says, unchanged since, or what is whole and names the record; a crash loses the last
        rows of the ledger. A file of ours that is cut short is fetched anew. Anything else is somebody else's, and
        stays.
        """
        path = self.ledger.directory / row.path
        # files elsewhere, which were adopted without a copy, lie where they lie
        if not os.path.isabs(row.path) and in_the_way(path, row.path.count("/")):
            return "a stranger"
        try:
            found = path.lstat()
        except OSError:
            return "nothing"
        if not stat.S_ISREG(found.st_mode):
            return "a stranger"
        if row.state == "done":
            if found.st_size == row.bytes and found.st_mtime <= (row.finished or 0.0) + TOUCHED_S:
                return "ours"
            if found.st_size == row.bytes:
                return "ours" if _digest(path) == row.sha256 else "a stranger"
            return "cut" if found.st_size < (row.bytes or 0) and _is_cut(path) else "a stranger"
        if row.product == "fits" and not self._names_its_record(row):
            return "a stranger"
        # what steps made, and what is as stored, says nothing of its record: it has its name from us, or has it not
        if row.product != "fits" and not (noted and row.path.endswith(".fits")):
            return "a stranger"
        if looks_like_fits(path, sums=True) is None:
            return "ours"
        return "cut" if row.product == "fits" else "a stranger"

    def _is_as_indexed(self, row: FileRow) -> bool:
        """Whether a file of another directory, which was adopted without a copy, is what it was."""
        path = Path(row.path)
        return row.state == "done" and path.is_absolute() and self._what_lies_there(row, True) == "ours"

    def _elsewhere(self, items: Sequence[FileKey], product: str) -> dict[object, FileRow]:
        """Return the files of the other archive."""
        if self.other is None:
            return {}
        rows = self.other.files((item.recnum for item in items), product=product)
        return {_identity(row): row for row in rows if row.state == "done"}

    def _borrow(self, row: FileRow, found: FileRow) -> bool:
        """Copy a file of the other archive if it is what that archive says it is."""
        assert self.other is not None
        source, target = self.other.directory / found.path, self.ledger.directory / row.path
        part = target.with_name(target.name + ".part")
        try:
            clear_the_way(target, row.path.count("/"))
            shutil.copyfile(source, part)
            if _digest(part) != found.sha256:
                part.unlink()
                return False
            part.replace(target)
        except Failed:
            return False
        except OSError:  # whatever stands in the way, the server has it too
            part.unlink(missing_ok=True)
            return False
        self._take_over(row)
        row.url = found.url
        return True

    def _take_over(self, row: FileRow) -> None:
        path = self.ledger.directory / row.path
        found = path.stat()
        row.state, row.bytes, row.finished, row.sha256 = "done", found.st_size, found.st_mtime, _digest(path)

    def _tidy(self, path: str, listed: dict[str, set[str]]) -> None:
        """Remove what a killed download has left beside a file; each folder is listed once."""
        if not _is_inside(path):
            return
        home, _, name = path.rpartition("/")
        if home not in listed:
            with contextlib.suppress(OSError):
                listed[home] = {one.name for one in (self.ledger.directory / home).iterdir()}
        for ending in LEFTOVERS:
            if name + ending in listed.get(home, ()):
                (self.ledger.directory / (path + ending)).unlink(missing_ok=True)

    def _names_its_record(self, row: FileRow) -> bool:
        card = f"RECNUM  = {row.recnum:>20}".encode()
        with (self.ledger.directory / row.path).open("rb") as file:
            return card in file.read(1 << 20)

    # -- fetch ----------------------------------------------------------------------------------------------------

    def run(self, jobs: Iterator[Job], executor: Executor | None = None) -> None:
        """
        Fetch the files as their jobs come in.

        With an executor they are handed to it. Without one they are fetched here, one after the other, which JSOC asks
        for and which makes Ctrl-C and tracebacks plain; a client with several connections has that many threads.
        """
        try:
            self._fetch_all(jobs, executor)
            again, self._unanswered = self._unanswered, None
            self._fetch_all(iter(again or ()), executor)
        except (LocalError, LedgerError, ServerError) as error:
            # the next file would meet the same wall, at the server's cost
            failed = [row for row in self.rows if row.key not in self.status]
            if not failed or (isinstance(error, ServerError) and "downloaded" not in self.status.values()):
                raise
            for row in failed:
                self.fail(row, str(error))
            with contextlib.suppress(LedgerError):  # the rows say it
                self._write()
        else:
            try:
                self._write()
            except LedgerError as error:  # the files are there, and are recognised without it
                warn(str(error))
        finally:
            self._log()
            if self._unwritten:  # ended by Ctrl-C or the like
                with contextlib.suppress(LedgerError):
                    self._write()

    def arrived(self, count: int) -> None:
        """Count bytes that have come over the network."""
        if count:
            self.progress.bytes(count)
        self.alive()

    def _fetch_all(self, jobs: Iterator[Job], executor: Executor | None) -> None:
        # threads of our own give signs of life, too, and see that a claim is lost; other executors may be elsewhere
        here = functools.partial(fetch, transport=self.transport, on_bytes=lambda count: self.alive())
        if executor is not None:
            self._run_wide(jobs, executor, fetch_alone, lambda task, outcome: self.outage.heed(task, outcome, here))
        elif self.transport.connections > 1:
            with ThreadPoolExecutor(self.transport.connections, "jsoclite") as pool:
                work = functools.partial(self.outage.fetch, work=here)
                self._run_wide(jobs, pool, work, lambda task, outcome: outcome)
        else:
            for job in jobs:
                self.bring(job)

    def bring(self, job: Job) -> None:
        """Fetch one file, here and now."""
        if (task := self._task(job)) is not None:
            note = functools.partial(self._note, job.row, job.url)
            work = functools.partial(fetch, transport=self.transport, on_bytes=self.arrived, before_naming=note)
            self._settle(job, self.outage.fetch(task, work), noted=True)

    def _run_wide(
        self,
        jobs: Iterator[Job],
        executor: Executor,
        work: Callable[[Task], Outcome],
        heed: Callable[[Task, Outcome], Outcome],
    ) -> None:
        running: dict[Future[Outcome], tuple[Job, Task]] = {}
        done: SimpleQueue[Future[Outcome]] = SimpleQueue()

        def settle_one() -> None:
            while True:
                with contextlib.suppress(Empty):
                    future = done.get(timeout=BEAT_EVERY_S)
                    break
                self.alive()
            job, task = running.pop(future)
            self._settle(job, heed(task, future.result()))

        try:
            for job in jobs:
                if (task := self._task(job)) is None:
                    continue
                future = executor.submit(work, task)
                running[future] = job, task
                future.add_done_callback(done.put)
                while not done.empty() or len(running) >= 64:  # what is not begun can still be given up
                    settle_one()
            while running:
                settle_one()
        finally:
            for future in running:
                future.cancel()

    def open(self, rows: Iterable[FileRow]) -> list[FileRow]:
        """Return the rows that nothing has brought and nothing is about to bring."""
        return [row for row in rows if row.key not in self.status and row.key not in self._handed]

    def _task(self, job: Job) -> Task | None:
        self._handed.add(job.row.key)
        if job.request_id:
            self.request_ids[job.row.key] = job.request_id
        target = str(self.ledger.directory.absolute() / job.row.path)
        try:
            header = None if job.header is None else tuple(job.header())
        except JsocError as error:  # a value that the server sends is not of its type
            self.fail(job.row, str(error))
            return None
        transport = self.transport
        login = transport.login_for(job.url)
        depth = job.row.path.count("/")
        return Task(job.url, target, job.fits, header, transport.timeout, transport.retries, login, job.make, depth)

    def _note(self, row: FileRow, url: str, outcome: Outcome) -> None:
        """
        Write down a file that is whole, soon.

        Each commit syncs the disk; one per file would slow down small files. What a crash forgets, `_recognise` finds
        again, where the file can be recognised.
        """
        row.url, row.state, row.finished = url, "done", time.time()
        row.bytes, row.sha256, row.error = outcome.bytes, outcome.sha256, outcome.note or None
        self._unwritten.append(row)
        if not row.path.endswith(".fits") or time.monotonic() - self._written > WRITE_EVERY_S:
            self._write()

    def _write(self) -> None:
        if self._unwritten:
            self.ledger.save_files(self._unwritten)
        self._unwritten, self._written = [], time.monotonic()

    def _log(self) -> None:
        """Write down for the next morning how far the download is."""
        counts = Counter(self.status.values())
        size = sum(row.bytes or 0 for row in self.rows if self.status.get(row.key) == "downloaded")
        said = ", ".join(f"{count} {status}" for status, count in counts.items())
        log.info("%s: %s of %d files, %.1f MB", self.ledger.directory, said or "none", len(self.rows), size / 1e6)
        self._logged = time.monotonic()

    def _settle(self, job: Job, outcome: Outcome, *, noted: bool = False) -> None:
        if time.monotonic() - self._logged > LOG_EVERY_S:
            self._log()
        if not noted:
            self.arrived(outcome.received)
        if outcome.away and self._unanswered is not None:
            self._unanswered.append(job)
        elif outcome.error:
            job.row.url = job.url
            self.fail(job.row, outcome.error, missing=outcome.absent)
        elif noted:
            self.status[job.row.key] = "downloaded"
            self.progress.file()
        else:
            self.arrive(job.row, job.url, outcome)

    def arrive(self, row: FileRow, url: str, outcome: Outcome) -> None:
        """Settle a row whose file is there, by another way than a job."""
        self._note(row, url, outcome)
        self.status[row.key] = "downloaded"
        self.progress.file()

    def fail(self, row: FileRow, reason: str, *, missing: bool = False) -> None:
        """Say why a file is not there: JSOC has none (`missing`), or something went wrong."""
        row.state, row.error = ("missing" if missing else "failed"), reason
        self._unwritten.append(row)
        self.status[row.key] = row.state
        self.progress.file()

    # -- tell -----------------------------------------------------------------------------------------------------

    def as_asked(self, asked: Sequence[tuple[str, int | None]]) -> list[FileRow]:
        """Return the rows of all files in the order in which their records were asked for, and as often."""
        by_record: dict[object, list[FileRow]] = {}
        for row in self.rows:
            for key in ((series_of(row.record), row.recnum), row.record):
                by_record.setdefault(key, []).append(row)
        keys = [name if number is None else (series_of(name), number) for name, number in asked]
        # a name that is not spelled as the server spells it stands under the server's
        return [row for key in keys for row in by_record[key]] if set(keys) <= set(by_record) and keys else self.rows

    def manifest(self, asked: Sequence[tuple[str, int | None]] = ()) -> pd.DataFrame:
        """
        Return a row for each wanted file; see `Client.download`.

        Parameters
        ----------
        asked : sequence of (str, int or None)
            Name and record number of the rows that were asked for: the manifest has their order, and the files of a
            record as often as it was asked for.
        """
        import pandas as pd

        directory = Path(self.ledger.directory)
        ids: dict[int, str | None] = {}
        with contextlib.suppress(LedgerError):
            ids = {row.key: row.request_id for row in self.ledger.requests()}
        rows = self.as_asked(asked)
        there = [self.status.get(row.key) in ("downloaded", "present") for row in rows]
        request_ids = [self.request_ids.get(row.key) or ids.get(row.request or -1) for row in rows]
        frame = pd.DataFrame(
            {
                "segment": pd.Series([row.segment for row in rows], dtype="str"),
                "path": pd.Series(
                    [str(directory / row.path) if ok else None for row, ok in zip(rows, there, strict=True)],
                    dtype="str",
                ),
                "status": pd.Series([self.status.get(row.key, "failed") for row in rows], dtype="str"),
                "bytes": pd.Series(
                    [row.bytes if ok else None for row, ok in zip(rows, there, strict=True)], dtype="Int64"
                ),
                "url": pd.Series([row.url for row in rows], dtype="str"),
                "request_id": pd.Series(request_ids, dtype="str"),
                "error": pd.Series([row.error for row in rows], dtype="str"),
            }
        ).set_axis(pd.Index([row.record for row in rows], name="record", dtype="str"))
        return Manifest(frame)
