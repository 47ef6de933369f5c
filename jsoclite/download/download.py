"""
Many files: planned, fetched, and told in a manifest.

A wanted (record, segment) becomes a `FileRow` of the ledger, with its final path, before anything is fetched. Whatever
brings the files (SUMS, an export) hands over jobs; the manifest has a row for each wanted file, whatever became of it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DownloadError, warn
from ..fits import looks_like_fits
from ..progress import Progress
from ..series import FileKey
from .ledger import FileRow, Ledger
from .manifest import Manifest
from .names import Namer
from .transfer import LocalError, Outcome, Task, fetch, fetch_alone

if TYPE_CHECKING:
    import pandas as pd

    from ..server import Transport


WRITE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """A file that can be fetched now; `header` makes the cards to complete it with, when its turn has come."""

    row: FileRow
    url: str
    fits: bool = True
    header: Callable[[], Iterable[str]] | None = None
    request_id: str | None = None


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
    """

    def __init__(
        self, ledger: Ledger, transport: Transport, progress: Progress, alive: Callable[[], None] = lambda: None
    ) -> None:
        self.ledger, self.transport, self.progress, self.alive = ledger, transport, progress, alive
        self.rows: list[FileRow] = []
        self.status: dict[tuple[int, str, str, str], str] = {}
        self.request_ids: dict[tuple[int, str, str, str], str] = {}
        self._unwritten: list[FileRow] = []
        self._written = time.monotonic()

    # -- plan -----------------------------------------------------------------------------------------------------

    def plan(self, wanted: Iterable[FileKey], product: str, *, tag: str = "", overwrite: bool = False) -> list[FileRow]:
        """
        Give each wanted file its path, and say which are there already.

        Returns
        -------
        list of FileRow
            The files that must be fetched, in the order asked for.
        """
        items = list(dict.fromkeys(wanted))
        known = {row.key: row for row in self.ledger.files((item.recnum for item in items), product=product)}
        namer = Namer(self.ledger.paths().get)
        changed: list[FileRow] = []
        todo: list[FileRow] = []
        for item in items:
            key = (item.recnum, item.record, item.segment, product)
            row = known.get(key)
            if row is None:
                row = FileRow(item.record, item.recnum, item.segment, product, namer.path(key, item.ending, tag=tag))
                # if a file is there, the ledger was lost, or somebody else has put it there
                row.state = "planned" if self._is_free(row) or self._names_its_record(row) else "stale"
                changed.append(row)
            elif row.state in ("failed", "missing"):
                # planned anew, so that a crash finds it as it would a new one
                row.state = "planned" if self._is_free(row) else "stale"
                changed.append(row)
            if row.state == "planned" and self._recognise(row):
                changed.append(row)
            self.rows.append(row)
            if not overwrite and row.state == "done" and self._lies_there(row):
                self.status[key] = "present"
            else:
                row.error = None
                todo.append(row)
        self.ledger.save_files(changed)
        self.progress.files(len(todo))
        return todo

    def _is_free(self, row: FileRow) -> bool:
        return not (self.ledger.directory / row.path).exists()

    def _lies_there(self, row: FileRow) -> bool:
        try:
            return (self.ledger.directory / row.path).stat().st_size == row.bytes
        except OSError:
            return False

    def _recognise(self, row: FileRow) -> bool:
        """
        Take over a file that was finished, though the ledger does not say so.

        Rows are written in batches; a crash loses the last ones. What has the planned name is whole, because nothing
        gets it before.
        """
        path = self.ledger.directory / row.path
        if not row.path.endswith(".fits") or not path.is_file() or looks_like_fits(path) is not None:
            return False
        with path.open("rb") as file:
            row.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            found = os.fstat(file.fileno())
            row.state, row.bytes, row.finished = "done", found.st_size, found.st_mtime
        return True

    def _names_its_record(self, row: FileRow) -> bool:
        card = f"RECNUM  = {row.recnum:>20}".encode()
        path = self.ledger.directory / row.path
        if row.product != "fits" or not path.is_file():
            return False
        with path.open("rb") as file:
            return card in file.read(1 << 20)

    # -- fetch ----------------------------------------------------------------------------------------------------

    def run(self, jobs: Iterator[Job], executor: Executor | None = None) -> None:
        """
        Fetch the files as their jobs come in.

        With an executor they are handed to it. Without one they are fetched here, one after the other, which JSOC asks
        for and which makes Ctrl-C and tracebacks plain; a client with several connections has that many threads.
        """
        try:
            if executor is None and self.transport.connections > 1:
                with ThreadPoolExecutor(self.transport.connections, "jsoclite") as pool:
                    self._run_wide(jobs, pool, functools.partial(fetch, transport=self.transport))
            elif executor is None:
                for job in jobs:
                    outcome = fetch(
                        self._task(job),
                        self.transport,
                        self.arrived,
                        functools.partial(self._note, job.row, job.url),
                    )
                    self._settle(job, outcome, noted=True)
            else:
                self._run_wide(jobs, executor, fetch_alone)
        except LocalError as error:
            # the next file would meet the same wall, at the server's cost
            for row in self.rows:
                if row.key not in self.status:
                    self.fail(row, str(error))
        finally:
            self._write()

    def arrived(self, count: int) -> None:
        """Count bytes that have come over the network."""
        self.progress.bytes(count)
        self.alive()

    def _run_wide(self, jobs: Iterator[Job], executor: Executor, work: Callable[[Task], Outcome]) -> None:
        running: dict[Future[Outcome], Job] = {}
        try:
            for job in jobs:
                running[executor.submit(work, self._task(job))] = job
                done = [future for future in running if future.done()]
                if len(running) - len(done) >= 64:  # what is not begun can still be given up
                    done = list(wait_for(running, return_when="FIRST_COMPLETED").done)
                for future in done:
                    self._settle(running.pop(future), future.result())
            while running:
                for future in wait_for(running, return_when="FIRST_COMPLETED").done:
                    self._settle(running.pop(future), future.result())
        finally:
            for future in running:
                future.cancel()

    def _task(self, job: Job) -> Task:
        if job.request_id:
            self.request_ids[job.row.key] = job.request_id
        target = str(self.ledger.directory.absolute() / job.row.path)
        header = None if job.header is None else tuple(job.header())
        return Task(job.url, target, job.fits, header, self.transport.timeout, self.transport.retries)

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

    def _settle(self, job: Job, outcome: Outcome, *, noted: bool = False) -> None:
        if not noted:
            self.arrived(outcome.received)
        if outcome.error:
            job.row.url = job.url
            self.fail(job.row, outcome.error)
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

    def manifest(self) -> pd.DataFrame:
        """Return a row for each wanted file, in the order asked for; see `Client.download`."""
        import pandas as pd

        directory = Path(self.ledger.directory)
        ids = {row.key: row.request_id for row in self.ledger.requests()}
        rows = self.rows
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


def report(manifest: pd.DataFrame, on_error: str) -> None:
    """
    Raise or warn about files that are not there.

    A file that JSOC does not have is a fact about the data: it is a warning. A file that failed is an error, if
    `on_error` is "raise".
    """
    missing = manifest[manifest.status == "missing"]
    failed = manifest[manifest.status == "failed"]
    if len(missing):
        warn(f"{len(missing)} of {len(manifest)} files do not exist at JSOC: {reasons(missing)}")
    if len(failed) and on_error == "raise":
        raise DownloadError(
            f"{len(failed)} of {len(manifest)} files failed: {reasons(failed)}. "
            "Run the same line again to try just these; the error's .manifest says which.",
            manifest,
        )


def reasons(manifest: pd.DataFrame) -> str:
    """Say why files are not there, the most common reasons first."""
    counts = manifest.error.fillna("no reason given").str.rstrip(".").value_counts()
    listed: Sequence[str] = [
        f"{reason} ({count} x)" if count > 1 else str(reason) for reason, count in counts[:3].items()
    ]
    return "; ".join(listed) + ("; …" if len(counts) > 3 else "")
