"""
The record of requests and files, in the directory that they are downloaded to.

``<directory>/.jsoclite.sqlite`` says which (record, segment) lies in which file, and which export request was to bring
it. Whatever is about to happen is written down first, in a transaction, so that the same line run again after a crash
finds its requests by id and its files by name. It is an ordinary SQLite database::

    pandas.read_sql("select * from files", sqlite3.connect("data/.jsoclite.sqlite"))

One download writes into a directory at a time: two that write the same ``.part`` would spoil it. Whoever comes second
waits, and then finds most of its files there. The `Claim` is a row of the ledger, so it works wherever the ledger does;
that of a dead process is taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import JsocError
from ..export import ExportRequest
from ..progress import Progress
from ..server import Clock

NAME = ".jsoclite.sqlite"
VERSION = 1

_SCHEMA = """
create table if not exists requests (
    key integer primary key,            -- ours; JSOC's own id comes later, or never
    request_id text,                    -- JSOC's id, as soon as it is known
    state text not null,                -- planned, submitting, pending, done, failed, expired
    server text not null,
    record_set text not null,
    method text not null,
    protocol text not null,
    process text not null default '',
    filename text not null default '',
    status integer,                     -- JSOC's last status code
    error text,
    planned real not null,              -- Unix time, s
    submitted real,
    finished real
);
create table if not exists files (
    record text not null,               -- the record's own name, as the server writes it
    recnum integer not null,
    segment text not null,
    product text not null,              -- fits, as-is, or the processing steps
    path text not null unique,          -- relative to the directory
    state text not null,                -- planned, done, missing, failed; stale: something else has its name
    bytes integer,
    sha256 text,
    url text,
    error text,
    request integer references requests(key) on delete set null,
    finished real,                      -- Unix time, s, at which the file was whole
    primary key (recnum, record, segment, product)
);
create table if not exists claim (
    one integer primary key check (one = 1),
    host text not null,
    pid integer not null,
    beat real not null                  -- Unix time of the last sign of life
);
create index if not exists files_request on files(request);
"""


@dataclass
class RequestRow:
    """A row of `requests`."""

    key: int
    request_id: str | None
    state: str
    server: str
    record_set: str
    method: str
    protocol: str
    process: str
    filename: str
    status: int | None = None
    error: str | None = None
    planned: float = 0.0
    submitted: float | None = None
    finished: float | None = None


@dataclass
class FileRow:
    """A row of `files`."""

    record: str
    recnum: int
    segment: str
    product: str
    path: str
    state: str = "planned"
    bytes: int | None = None
    sha256: str | None = None
    url: str | None = None
    error: str | None = None
    request: int | None = None
    finished: float | None = None

    @property
    def key(self) -> tuple[int, str, str, str]:
        """What the row is about: record number, record, segment, product."""
        return self.recnum, self.record, self.segment, self.product


_FILE_COLUMNS = tuple(FileRow.__dataclass_fields__)
_REQUEST_COLUMNS = tuple(RequestRow.__dataclass_fields__)


class LedgerError(JsocError):
    """The ledger cannot be read or written: the disk is full, somebody else holds it, or it is damaged."""


_REMEDIES = (
    (("disk is full", "disk I/O"), ": the disk is full or fails; make room and run the same line again"),
    (("locked",), ": another program has it open; run the same line again when that has ended"),
    (("readonly", "read-only", "permission"), ": there is no permission to write it"),
    (("unable to open",), ": is it there, may it be written, and are there file handles left?"),
    (
        ("malformed", "not a database", "no such", "has no column"),
        ": it is damaged. Move it away, do not remove it: it holds the ids of export requests; whole files are "
        "recognised without it",
    ),
)
# those of this process, whose locks a forked child gets in whatever state they are
_open: weakref.WeakSet[Ledger] = weakref.WeakSet()


class Ledger:
    """
    The ledger of one directory.

    Parameters
    ----------
    directory : path
        It is created if needed.
    create : bool
        If False, a directory without a ledger is an error.
    write : bool
        If False, nothing is written, and a directory without a ledger, or none at all, is one without files.

    Raises
    ------
    JsocError
        If the directory cannot be written, or the ledger is damaged or newer than this version of jsoclite.
    """

    def __init__(self, directory: str | os.PathLike[str], *, create: bool = True, write: bool = True) -> None:
        self.directory = Path(directory).expanduser()
        self.path = self.directory / NAME
        if not create and not self.path.is_file():
            raise JsocError(f"{self.directory} holds no ledger ({NAME}): nothing was downloaded there by jsoclite")
        ours = write or not self.path.is_file()
        try:
            source = str(self.path) if write else ":memory:"
            if write:
                self.directory.mkdir(parents=True, exist_ok=True)
            elif not ours:
                source = f"{self.path.absolute().as_uri()}?mode=ro"
            # one connection for all threads, behind a lock; other processes wait their turn up to 60 s
            self._db = sqlite3.connect(
                source, timeout=60.0, isolation_level=None, check_same_thread=False, uri=not write
            )
            self._lock = threading.RLock()
            _open.add(self)
            self._db.execute("pragma foreign_keys = on")
            with self.transaction() if ours else contextlib.nullcontext():
                (version,) = self._db.execute("pragma user_version").fetchone()
                if version > VERSION:
                    raise JsocError(f"{self.path} was written by a newer jsoclite (format {version}); update jsoclite")
                if version < VERSION:
                    for statement in _SCHEMA.split(";\n"):  # comments hold semicolons, too
                        self._db.execute(statement)
                    self._db.execute(f"pragma user_version = {VERSION}")
        except OSError as error:
            raise JsocError(
                f"cannot write to directory {os.fspath(directory)!r} ({error.strerror}); choose another one"
            ) from error
        except sqlite3.Error as error:
            raise self._error(error) from error
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """
        All or nothing, and durable: SQLite's default of syncing at each commit is kept on purpose.

        Raises
        ------
        LedgerError
            If the database fails; nothing of the transaction is written then.
        """
        with self._asked() as db:
            if db.in_transaction:
                yield
                return
            db.execute("begin immediate")
            try:
                yield
                db.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some failures have rolled back already
                    db.execute("rollback")
                raise

    @contextlib.contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> LedgerError:
        said = str(error)
        remedy = next((remedy for words, remedy in _REMEDIES if any(word in said for word in words)), "")
        return LedgerError(f"cannot use the ledger {self.path} ({said}){remedy}")

    # -- who writes into the directory (see `Claim`) ----------------------------------------------------------------

    def holder(self) -> tuple[str, int, float] | None:
        """Return host, process and last sign of life of who holds the directory."""
        with self._asked():
            row = self._db.execute("select host, pid, beat from claim").fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def hold(self, who: tuple[str, int], now: float) -> None:
        """Write down who holds the directory."""
        with self.transaction():
            self._db.execute("insert or replace into claim values (1, ?, ?, ?)", (*who, now))

    def release(self, who: tuple[str, int]) -> None:
        """Let go of the directory."""
        with self.transaction():
            self._db.execute("delete from claim where host = ? and pid = ?", who)

    # -- files ----------------------------------------------------------------------------------------------------

    def files(self, recnums: Iterable[int] | None = None, *, product: str | None = None) -> list[FileRow]:
        """Return the file rows of these record numbers and this product; by default all."""
        columns = ", ".join(_FILE_COLUMNS)
        with self._asked():
            rows: list[tuple[object, ...]] = []
            if recnums is None:
                rows = self._db.execute(f"select {columns} from files order by rowid").fetchall()  # noqa: S608
            else:
                wanted = list(dict.fromkeys(int(number) for number in recnums))
                for start in range(0, len(wanted), 500):  # SQLite takes at least 999 parameters
                    part = wanted[start : start + 500]
                    marks = ",".join("?" * len(part))
                    rows += self._db.execute(
                        f"select {columns} from files where recnum in ({marks})",  # noqa: S608
                        part,
                    ).fetchall()
        found = [FileRow(*row) for row in rows]  # type: ignore[arg-type]
        return [row for row in found if product is None or row.product == product]

    def paths(self) -> dict[str, tuple[int, str, str, str]]:
        """Return who owns which path, compared as Windows and macOS do, without case."""
        with self._asked():
            rows = self._db.execute("select lower(path), recnum, record, segment, product from files").fetchall()
        return {path: tuple(key) for path, *key in rows}

    def save_files(self, rows: Iterable[FileRow]) -> None:
        """Write file rows, replacing those about the same (record, segment, product)."""
        marks = ",".join("?" * len(_FILE_COLUMNS))
        with self.transaction():
            self._db.executemany(
                f"insert or replace into files ({', '.join(_FILE_COLUMNS)}) values ({marks})",  # noqa: S608
                [tuple(getattr(row, name) for name in _FILE_COLUMNS) for row in rows],
            )

    # -- requests -------------------------------------------------------------------------------------------------

    def requests(self, *, state: Sequence[str] = ()) -> list[RequestRow]:
        """Return the requests in these states, oldest first; by default all."""
        where = f" where state in ({','.join('?' * len(state))})" if state else ""
        with self._asked():
            rows = self._db.execute(
                f"select {', '.join(_REQUEST_COLUMNS)} from requests{where} order by key",  # noqa: S608
                tuple(state),
            ).fetchall()
        return [RequestRow(*row) for row in rows]

    def add_request(
        self, server: str, record_set: str, *, method: str, protocol: str, process: str, filename: str
    ) -> RequestRow:
        """Write down a request that is about to be made."""
        now = time.time()
        with self.transaction():
            cursor = self._db.execute(
                "insert into requests (state, server, record_set, method, protocol, process, filename, planned)"
                " values ('planned', ?, ?, ?, ?, ?, ?, ?)",
                (server, record_set, method, protocol, process, filename, now),
            )
            key = cursor.lastrowid
        assert key is not None
        return RequestRow(key, None, "planned", server, record_set, method, protocol, process, filename, planned=now)

    def save_request(self, row: RequestRow) -> None:
        """Write the state of a request."""
        names = _REQUEST_COLUMNS[1:]
        with self.transaction():
            self._db.execute(
                f"update requests set {', '.join(f'{name} = ?' for name in names)} where key = ?",  # noqa: S608
                (*(getattr(row, name) for name in names), row.key),
            )


log = logging.getLogger("jsoclite")

# A process on another machine cannot be asked whether it lives; it is taken for dead after this long without a sign.
DEAD_AFTER_S = 300.0
BEAT_EVERY_S = 10.0

# threads of this process
_directories: dict[Path, threading.Lock] = {}
_guard = threading.Lock()


class Claim:
    """
    The right to write into a directory.

    Parameters
    ----------
    ledger : Ledger
        Of the directory.
    clock : Clock
        Where the time comes from.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._me = (socket.gethostname(), os.getpid())
        self._renewed = 0.0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait until nobody else writes into the directory, and hold the claim meanwhile."""
        with _guard:
            lock = _directories.setdefault(self._ledger.directory.resolve(), threading.Lock())
        with lock:
            waiting = False
            while (other := self._take()) is not None:
                if not waiting:
                    log.warning("waiting for process %d on %s, which downloads to %s", *other, self._ledger.directory)
                    waiting = True
                self._clock.sleep(1.0)
            try:
                yield
            finally:
                # what cannot be written any more ends with this process
                with contextlib.suppress(LedgerError):
                    self._ledger.release(self._me)

    def _take(self) -> tuple[int, str] | None:
        """Take the claim, or return who has it."""
        now = time.time()
        with self._ledger.transaction():
            held = self._ledger.holder()
            if held is not None and (held[0], held[1]) != self._me and _lives(*held, now):
                return held[1], held[0]
            self._ledger.hold(self._me, now)
        return None

    def renew(self) -> None:
        """Give a sign of life, now and then."""
        now = time.time()
        if now - self._renewed > BEAT_EVERY_S:
            self._renewed = now
            self._ledger.hold(self._me, now)


def _lives(host: str, pid: int, beat: float, now: float) -> bool:
    """Whether the holder of a claim is at work; a sign of life from the future says as little as an old one."""
    fresh = abs(now - beat) < DEAD_AFTER_S
    # on Windows os.kill would end the process, and 0 and 1 are nobody who downloads
    if host != socket.gethostname() or sys.platform == "win32" or pid <= 1:
        return fresh
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _after_fork() -> None:
    """Give a forked child locks of its own: those of the parent may be held by threads that it does not have."""
    global _guard
    _guard = threading.Lock()
    _directories.clear()
    for ledger in list(_open):
        ledger._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class RequestNote:
    """
    Writes down what becomes of an export request, before anything else happens to it, and shows it.

    Parameters
    ----------
    ledger : Ledger
        Where it is written.
    row : RequestRow
        The row of the request.
    progress : Progress
        Where it is shown.
    """

    def __init__(self, ledger: Ledger, row: RequestRow, progress: Progress) -> None:
        self._ledger, self._row, self._progress = ledger, row, progress

    def note(self, request: ExportRequest, state: str) -> None:
        """Note a state: planned, submitting, pending, done, failed, expired."""
        row = self._row
        row.state, row.request_id, row.status = state, request.id, int(request.status)
        row.error = str(request.error) if request.error else None
        if state == "submitting":
            row.submitted = time.time()
        if state in ("done", "failed", "expired"):
            row.finished = time.time()
        self._ledger.save_request(row)
        log.info("request %s %s%s", request.id or row.key, state, f": {row.error}" if row.error else "")

    def changed(self, request: ExportRequest) -> None:
        """Show that its status or id has changed."""
        self._progress.staging(request.id or "", request.status.word, str(request.error or ""))
