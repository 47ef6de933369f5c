"""
The record of requests and files, in the directory that they are downloaded to.

``<directory>/.jsoclite.sqlite`` says which (record, segment) lies in which file, and which export request was to bring
it. Whatever is about to happen is written down first, in a transaction, so that the same line run again after a crash
finds its requests by id and its files by name. It is an ordinary SQLite database::

    pandas.read_sql("select * from files", sqlite3.connect("data/.jsoclite.sqlite"))

One download writes into a directory at a time: two that write the same ``.part`` would spoil it. Whoever comes second
waits, and then finds most of its files there. The `Claim` is a row of the ledger, so it works wherever the ledger does;
that of a dead process is taken over. Whoever was taken for dead and is not finds out before it writes again, and ends.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import socket
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import JsocError, folder
from ..export import ExportRequest
from ..progress import Progress
from ..server import Clock

NAME = ".jsoclite.sqlite"
VERSION = 2

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
drop table if exists claim;
create table claim (
    one integer primary key check (one = 1),
    token text not null,                -- of this claim alone: numbers of processes and names of hosts come again
    host text not null,
    pid integer not null,
    place text not null,                -- the boot and the container in which the process has this number
    begun text not null,                -- when the process began, as its system counts
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


class ClaimLost(LedgerError):
    """Another download has taken over the directory."""


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
        If False, a directory without a ledger is an error, and one that may not be written, such as a colleague's or
        on a read-only disk, is read.
    write : bool
        If False, nothing is written, and a directory without a ledger, or none at all, is one without files.

    Raises
    ------
    JsocError
        If the directory cannot be written, or the ledger is damaged or newer than this version of jsoclite.
    """

    def __init__(self, directory: str | os.PathLike[str], *, create: bool = True, write: bool = True) -> None:
        self.directory = folder("directory", directory)
        self.path = self.directory / NAME
        if not create and not self.path.is_file():
            raise JsocError(f"{self.directory} holds no ledger ({NAME}): nothing was downloaded there by jsoclite")
        try:
            if write:
                write = self._may_write(create)
            there = self.path.is_file()
            source = str(self.path)
            if not write:
                source = f"{self.path.absolute().as_uri()}?mode=ro" if there else ":memory:"
            # one connection for all threads, behind a lock; other processes wait their turn up to 60 s
            self._db = sqlite3.connect(
                source, timeout=60.0, isolation_level=None, check_same_thread=False, uri=not write
            )
            self._lock = threading.RLock()
            self._token: str | None = None
            _open.add(self)
            self._db.execute("pragma foreign_keys = on")
            # nothing is written to what is read only: the ledger may be somebody else's
            if self._version() < VERSION and (write or not there):
                with self.transaction():
                    if self._version() < VERSION:
                        for statement in _SCHEMA.split(";\n"):  # comments hold semicolons, too
                            self._db.execute(statement)
                        self._db.execute(f"pragma user_version = {VERSION}")
        except BaseException as error:
            if "_db" in vars(self):
                self._db.close()
            if isinstance(error, OSError):
                shared = f", or have its owner share it: chmod g+rw {NAME}" if self.path.is_file() else ""
                raise JsocError(
                    f"cannot {'write to' if create else 'read'} directory {os.fspath(directory)!r} ({error.strerror}); "
                    f"choose another one{shared}"
                ) from error
            if isinstance(error, sqlite3.Error):
                raise self._error(error) from error
            raise

    def _may_write(self, create: bool) -> bool:
        """Make the ledger, or see that it may be written; False for one that may be read only, where that is enough."""
        try:
            if create:
                self.directory.mkdir(parents=True, exist_ok=True)
            # addresses of files and ids of requests are nobody else's business, but of the group to which its owner
            # has given the ledger; sqlite makes its journal likewise
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            if hasattr(os, "geteuid") and (about := self.path.stat()).st_uid == os.geteuid():
                self.path.chmod(0o600 | about.st_mode & 0o060)
        except OSError as error:
            if create or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            self.path.open("rb").close()
            return False
        return True

    def _version(self) -> int:
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version > VERSION:
            raise JsocError(f"{self.path} was written by a newer jsoclite (format {version}); update jsoclite")
        return int(version)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """
        All or nothing, and durable: SQLite's default of syncing at each commit is kept on purpose.

        Yields
        ------
        sqlite3.Connection
            For tables of others; those of this module have methods.

        Raises
        ------
        LedgerError
            If the database fails; nothing of the transaction is written then.
        """
        with self._asked() as db:
            if db.in_transaction:
                yield db
                return
            db.execute("begin immediate")
            try:
                self._check_claim()
                yield db
                db.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some failures have rolled back already
                    db.execute("rollback")
                raise

    def read(self, question: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Read tables of others; nothing is written, nobody is waited for."""
        with self._asked() as db:
            return db.execute(question, parameters).fetchall()

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

    def holder(self) -> Holder | None:
        """Return who holds the directory."""
        with self._asked():
            row = self._db.execute("select token, host, pid, place, begun, beat from claim").fetchone()
        return None if row is None else Holder(*row)

    def hold(self, holder: Holder) -> None:
        """Write down who holds the directory; from here on nothing is written unless it still does."""
        with self.transaction():
            self._db.execute("insert or replace into claim values (1, ?, ?, ?, ?, ?, ?)", astuple(holder))
        self._token = holder.token

    def release(self) -> None:
        """Let go of the directory."""
        token, self._token = self._token, None
        with self.transaction():
            self._db.execute("delete from claim where token = ?", (token,))

    def _check_claim(self) -> None:
        if self._token is None:
            return
        held = self.holder()
        if held is None or held.token != self._token:
            who = f" by process {held.pid} on {held.host}" if held else ""
            raise ClaimLost(
                f"the download to {self.directory} was taken over{who}, which had no sign of life of this one for "
                f"{DEAD_AFTER_S / 60:.0f} minutes: that one goes on, and this one ends"
            )

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
            rows = self._db.execute("select path, recnum, record, segment, product from files").fetchall()
        return {path.lower(): tuple(key) for path, *key in rows}

    def save_files(self, rows: Iterable[FileRow]) -> None:
        """Write file rows, replacing those about the same (record, segment, product)."""
        marks = ",".join("?" * len(_FILE_COLUMNS))
        with self.transaction():
            self._db.executemany(
                f"insert or replace into files ({', '.join(_FILE_COLUMNS)}) values ({marks})",  # noqa: S608
                [tuple(getattr(row, name) for name in _FILE_COLUMNS) for row in rows],
            )

    def rename(self, row: FileRow, record: str) -> None:
        """Let a file be of a record of another name; what was adopted has the name that its header gave it."""
        with self.transaction():
            self.drop_files([row])
            row.record = record
            self.save_files([row])

    def drop_files(self, rows: Iterable[FileRow]) -> None:
        """Forget files."""
        with self.transaction():
            where = "recnum = ? and record = ? and segment = ? and product = ?"
            self._db.executemany(f"delete from files where {where}", [row.key for row in rows])  # noqa: S608

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
# The longest silence of a living one is a wait that the server asks for (300 s) and a try that meets its time-outs.
DEAD_AFTER_S = 600.0
BEAT_EVERY_S = 10.0

# threads of this process
_directories: dict[Path, threading.Lock] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class Holder:
    """Who holds a directory; see the table `claim`."""

    token: str
    host: str
    pid: int
    place: str
    begun: str
    beat: float

    @classmethod
    def me(cls) -> Holder:
        """Return this process, with a new token."""
        pid = os.getpid()
        return cls(secrets.token_hex(16), socket.gethostname(), pid, _place(), _begun(pid), time.time())

    def is_same_process(self, other: Holder) -> bool:
        """Whether both are claims of one process."""
        return (self.host, self.pid, self.place, self.begun) == (other.host, other.pid, other.place, other.begun)

    def lives(self, now: float) -> bool:
        """Whether it is at work; a sign of life from the future says as little as an old one."""
        # in another container, or before the machine started anew, the number is another process's
        if (self.host, self.place) != (socket.gethostname(), _place()) or self.pid <= 1:
            return abs(now - self.beat) < DEAD_AFTER_S
        begun = _begun(self.pid)
        return _runs(self.pid) and (begun == self.begun or not begun or not self.begun)


def _place() -> str:
    """Return what tells this boot and this container from others, where the system says so."""
    with contextlib.suppress(OSError):
        return (
            f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii').strip()} {os.readlink('/proc/self/ns/pid')}"
        )
    return ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name: state first, begin 20th; nothing where there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return []


def _begun(pid: int) -> str:
    return (_stat(pid)[19:20] or [""])[0]


def _runs(pid: int) -> bool:
    if sys.platform == "win32":  # os.kill(pid, 0) would send CTRL_C_EVENT there
        import ctypes

        kernel = ctypes.windll.kernel32
        synchronize, wait_timeout, access_denied = 0x00100000, 0x102, 5
        handle = kernel.OpenProcess(synchronize, False, pid)
        if not handle:
            return bool(kernel.GetLastError() == access_denied)
        try:
            return bool(kernel.WaitForSingleObject(handle, 0) == wait_timeout)
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return _stat(pid)[:1] != ["Z"]


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
        self.ledger = self._ledger = ledger
        self._clock, self._me = clock, Holder.me()

    @classmethod
    @contextlib.contextmanager
    def on(cls, directory: str | os.PathLike[str], clock: Clock) -> Iterator[Claim]:
        """Open the ledger of a directory, and hold the claim on it meanwhile."""
        with Ledger(directory) as ledger, (claim := cls(ledger, clock)).held():
            yield claim

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait until nobody else writes into the directory, and hold the claim meanwhile."""
        with _guard:
            lock = _directories.setdefault(self._ledger.directory.resolve(), threading.Lock())
        with lock:
            waiting = False
            while (other := self._take()) is not None:
                if not waiting:
                    said = "waiting for process %d on %s, which downloads to %s"
                    log.warning(said, other.pid, other.host, self._ledger.directory)
                    waiting = True
                self._clock.sleep(1.0)
            try:
                yield
            finally:
                # what cannot be written any more ends with this process
                with contextlib.suppress(LedgerError):
                    self._ledger.release()

    def _take(self) -> Holder | None:
        """Take the claim, or return who has it."""
        now = time.time()
        with self._ledger.transaction():
            held = self._ledger.holder()
            # a claim of this very process is a leftover: its threads take turns by a lock
            if held is not None and not held.is_same_process(self._me) and held.lives(now):
                return held
            self._me = replace(self._me, beat=now)
            self._ledger.hold(self._me)
        return None

    def renew(self) -> None:
        """Give a sign of life, now and then; see that the claim is still ours."""
        now = time.time()
        if abs(now - self._me.beat) > BEAT_EVERY_S:
            self._me = replace(self._me, beat=now)
            self._ledger.hold(self._me)


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
