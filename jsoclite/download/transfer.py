"""
One file: fetched with resume, checked, and only then given its final name.

While it arrives it is called ``NAME.part``; ``NAME.part.etag`` beside it holds what the server said identifies this
version of the file, so that a later run appends to the part only if the file is still the same.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from ..errors import JsocError, ServerError
from ..fits import layout, looks_like_fits, write_fits
from ..server import Again, Transport, is_transient, repeat

if TYPE_CHECKING:
    from typing import Any


# A file that was just staged may not be on the web server yet, and one may be damaged on its way; what is really gone,
# or damaged where it lies, should not hold up the rest.
FEW_TRIES = 2

# What servers answer to headers that they do not like, where they should send the whole file.
_NO_RANGES = (400, 412, 431, 501)
# a strong ETag, or a date
_VALIDATOR = re.compile(r'"[!#-~]{0,200}"|[A-Z][ -~]{10,60}(?<!")')

# what a bare number does not tell
_MEANING = {
    403: ": the server does not give out this file",
    404: ": the server has no such file (any more); run the same line again, which asks for its place anew",
    429: ": the server wants fewer requests; run the same line again later",
    503: ": the server is busy; run the same line again later",
}


class LocalError(JsocError):
    """The disk is full or the directory cannot be written: no other file will fare better."""


@dataclass(frozen=True, slots=True)
class Task:
    """
    A file to fetch. It can be pickled, and carries all that a worker needs.

    Attributes
    ----------
    url : str
        Where it is.
    target : str
        Its final path.
    fits : bool
        Whether it must be a FITS file.
    header : tuple of str or None
        Cards of 80 characters to write in front of the image, for files that come straight from SUMS.
    timeout : float
        Longest silence, in seconds.
    retries : int
        Tries without any progress before giving up.
    login : tuple of str or None
        User and password of the server.
    make : callable, optional
        Makes the file from parts of the one at `url`, and `header`; without it the whole is fetched. Raises
        `BrokenFits` (a `ValueError`) where these are no good, and `Absent` where there is nothing to make.
    depth : int
        How many folders of the path lie below the directory of the download.
    """

    url: str
    target: str
    fits: bool = True
    header: tuple[str, ...] | None = None
    timeout: float = 60.0
    retries: int = 4
    login: tuple[str, str] | None = field(default=None, repr=False)
    make: Callable[[Ranges, Sequence[str]], bytes] | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a task.

    Sizes are in bytes, `received` what crossed the network; `error` is empty if all is well, `note` says what is
    unusual about a file that is, `absent` that there will never be one. `away`: the server gave no answer, or turned
    every try away, so that the fault may not be the file's.
    """

    bytes: int = 0
    sha256: str = ""
    received: int = 0
    error: str = ""
    note: str = ""
    absent: bool = False
    away: bool = False


class Absent(Exception):
    """There is no such file, and will be none; the text is the reason."""


class NoRanges(Exception):
    """The server sends whole files only."""


class _Broken(Again):
    """This try failed; `again` says whether another makes sense, `away` whether there was no answer at all."""

    def __init__(
        self, reason: str, *, again: bool = True, away: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(Failed(reason, away), told=reason, worth=again, headers=headers)


class Failed(Exception):
    """The server did not deliver a whole file: why, and whether it was away."""


def fetch(
    task: Task,
    transport: Transport,
    on_bytes: Callable[[int], None] = lambda count: None,
    before_naming: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """
    Fetch a file, resuming what an earlier try or run has left.

    Parameters
    ----------
    task : Task
        What and where.
    transport : Transport
        Whose session, time-outs and clock are used.
    on_bytes : callable
        Called with the number of bytes whenever some have arrived.
    before_naming : callable
        Called with the outcome when the file is whole and durable, just before it gets its final name: what is written
        down then is true after a crash at any moment, together with a look at whether the file is there.

    Returns
    -------
    Outcome
        With `error` set if the server did not deliver a whole file.

    Raises
    ------
    LocalError
        If it cannot be written here.
    """
    target = Path(task.target)
    part = target.with_name(target.name + ".part")
    received = tries = 0

    def arrived(count: int) -> None:
        nonlocal received
        received += count
        on_bytes(count)

    ranges = Ranges(task, transport, arrived) if task.make is not None else None

    def attempt() -> Outcome:
        nonlocal tries
        before = _size(part), received
        on_bytes(0)  # a sign of life before each wait
        try:
            if ranges is None:
                _receive(task, part, transport, arrived)
            else:
                _make(task, ranges, part)
            _check(task, part)
            return _finish(task, part, target, received, before_naming)
        except _Broken as broken:
            broken.moved = _size(part) > before[0] if ranges is None else received > before[1]
            if str(broken).startswith(("HTTP 404", "damaged")):
                tries += 1
                broken.worth = broken.worth and tries <= FEW_TRIES
            raise

    try:
        clear_the_way(target, task.depth)
        return repeat(attempt, task.retries, transport.clock, target.name)
    except Failed as failed:
        reason, away = failed.args
        return Outcome(received=received, error=reason, away=away and not received)
    except Absent as reason:
        return Outcome(received=received, error=str(reason), absent=True)
    except OSError as error:
        raise local_error(error, target) from error


def measure(url: str, transport: Transport) -> float | None:
    """Return how many bytes a file has, by its headers alone; None where nobody says."""
    try:
        response = transport.session.head(url, headers={"Accept-Encoding": "identity"}, timeout=transport.timeout)
    except (requests.exceptions.RequestException, ConnectionError, TimeoutError):
        return None
    length = response.headers.get("Content-Length", "")
    return float(length) if response.status_code == 200 and re.fullmatch(r"[0-9]{1,18}", length) else None


def clear_the_way(target: Path, depth: int) -> None:
    """
    Make the folders of a file, and remove links, pipes and the like under the names that are ours while it arrives.

    Raises
    ------
    Failed
        Where something else has the name of one of the innermost `depth` folders: nothing is followed out.
    """
    target.parents[depth].mkdir(parents=True, exist_ok=True)
    if reason := in_the_way(target, depth, make=True):
        raise Failed(reason, False)
    for ending in (".part", ".part.etag", ".header.part"):
        path = target.with_name(target.name + ending)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                path.unlink()


def in_the_way(target: Path, depth: int, *, make: bool = False) -> str:
    """Say what else is in place of one of the innermost `depth` folders of a path; with `make`, those are made."""
    for folder in reversed(target.parents[:depth]):
        if make:
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
        try:
            found = folder.lstat()
        except OSError:  # nothing is there
            return ""
        # a junction of Windows leads elsewhere, too
        if not stat.S_ISDIR(found.st_mode) or getattr(found, "st_reparse_tag", False):
            return (
                f"{folder} is a link or no folder, and nothing is written through it: move it away, or change filename="
            )
    return ""


class Ranges:
    """
    Parts of a file, each fetched by one request; what has arrived is kept when a request breaks off.

    Parameters
    ----------
    task : Task
        Where the file is.
    transport : Transport
        How to ask.
    arrived : callable
        Told how many bytes have come.
    """

    def __init__(self, task: Task, transport: Transport, arrived: Callable[[int], None] = lambda count: None) -> None:
        self._task, self._transport, self._arrived = task, transport, arrived
        self._parts: dict[int, bytearray] = {}
        self._validator: str | None = None
        #: Bytes of the whole file, known once a part has come.
        self.size = 0

    def read(self, start: int, stop: int) -> bytes:
        """
        Return the bytes from `start` to `stop`, fewer where the file ends.

        Raises
        ------
        NoRanges
            If the server sends the whole file: nothing of it is read.
        """
        stop = min(stop, self.size or stop)
        part = self._parts.setdefault(start, bytearray())
        while len(part) < stop - start:
            self._fetch(start + len(part), stop, part)
            stop = min(stop, self.size)
        return bytes(part[: stop - start])

    def retried(self, work: Callable[[], object]) -> None:
        """Do what reads some parts, again where it failed for the moment; `Failed` says that it did not work out."""
        repeat(work, self._task.retries, self._transport.clock, self._task.url)

    def _fetch(self, start: int, stop: int, part: bytearray) -> None:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{stop - 1}"}
        if self._validator:
            headers["If-Range"] = self._validator
        with _asking(self._task, self._transport, headers) as response:
            if response.status_code in (200, *_NO_RANGES):
                if self._validator is None:
                    raise NoRanges
                raise self._another()
            if response.status_code != 206:
                raise _refused(response)
            said = response.headers.get("Content-Range", "").strip()
            found = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", said)
            first, last, size = map(int, found.groups()) if found else (-1, 0, 0)
            if not (first == start <= last < min(stop, size)):
                raise _Broken(f"asked for the bytes {start}-{stop - 1}, got Content-Range {said!r}")
            validator = _validator(response.headers)
            if self._validator not in (None, validator) or self.size not in (0, size):
                raise self._another()
            self._validator, self.size = validator, size
            for piece in self._transport.body(response, decode=False):
                part += piece
                self._arrived(len(piece))
                if start + len(piece) > last + 1:
                    part.clear()
                    raise _Broken(f"more than the bytes {first}-{last} arrived")
                start += len(piece)
        if start != last + 1:
            raise _Broken(f"{last + 1 - start} of {last + 1 - first} bytes are missing")

    def _another(self) -> _Broken:
        self._parts, self._validator, self.size = {}, None, 0
        return _Broken("the file has changed meanwhile")


def _make(task: Task, ranges: Ranges, part: Path) -> None:
    assert task.make is not None
    try:
        content = task.make(ranges, task.header or ())
    except NoRanges:
        reason = "the server sends whole files only; pass protocol='fits' to let JSOC cut"
        raise _Broken(reason, again=False) from None
    except ValueError as error:
        raise _Broken(f"nothing can be cut out of the file: {error}", again=False) from None
    _restart(part, part.with_name(part.name + ".etag"))
    part.write_bytes(content)


def _receive(task: Task, part: Path, transport: Transport, arrived: Callable[[int], None]) -> None:
    """Bring `part` to its full length."""
    tag = part.with_name(part.name + ".etag")
    have = _size(part)
    validator = _read_validator(tag) if have else ""
    # identity: with a content coding, lengths and ranges would count something else than the file's bytes
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with _asking(task, transport, headers) as response:
        status = response.status_code
        if status == 416 and have:
            total = re.fullmatch(r"bytes \*/([0-9]{1,18})", response.headers.get("Content-Range", "").strip())
            if total and int(total[1]) == have:
                return  # it was complete, and was only not renamed any more
            _restart(part, tag)
            raise _Broken("the part on disk is longer than the file")
        if "Range" in headers and status in _NO_RANGES:
            _restart(part, tag)
            raise _Broken(f"HTTP {status}: the server refuses to send the rest of a file")
        if status not in (200, 206):
            raise _refused(response)
        if status == 206 and _validator(response.headers) != validator:
            # the rest may be that of another version (RFC 9110, 15.3.7)
            _restart(part, tag)
            raise _Broken("the server sent the rest of a file without saying that it is the same file")
        try:
            total_length = _expected(response.headers, status, have)
        except _Broken:
            _restart(part, tag)
            raise
        if status == 200:
            _restart(part, tag)
            have = 0
            _refuse_pages(task, response.headers)
            if strong := _validator(response.headers):
                tag.write_text(strong, "utf-8")
        with part.open("ab") as file:
            for piece in transport.body(response, decode=False):
                arrived(0)  # a claim on the directory that is lost is found before anything is written
                file.write(piece)
                have += len(piece)
                arrived(len(piece))
    if total_length is not None and have != total_length:
        if have > total_length:
            _restart(part, tag)
        raise _Broken(f"{have} of {total_length} bytes arrived")


@contextlib.contextmanager
def _asking(task: Task, transport: Transport, headers: Mapping[str, str]) -> Iterator[requests.Response]:
    """Ask for a file; tell what the network and the server do wrong from what the disk does."""
    answered = False
    try:
        with transport.open(task.url, headers=headers, login=task.login) as response:
            answered = True
            yield response
    except ServerError as error:
        raise _Broken(str(error), again=is_transient(error), away=not answered and is_transient(error)) from None
    except Exception as error:
        passing = is_transient(error)
        on_disk = isinstance(error, OSError) and error.errno is not None
        mine = isinstance(error, requests.exceptions.RequestException | ConnectionError | TimeoutError)
        if not mine and (on_disk or not passing):
            raise
        raise _Broken(transport.why(task.url, error), again=passing, away=passing and not answered) from None


def _refused(response: requests.Response) -> _Broken:
    status = response.status_code
    passing, text = is_transient(status), f"HTTP {status}{_MEANING.get(status, '')}"
    return _Broken(text, again=passing or status == 404, away=passing, headers=response.headers)


def _expected(headers: Mapping[str, str], status: int, have: int) -> int | None:
    """Return the full length of the file, as far as the server says."""
    if status == 206:
        about = headers.get("Content-Range", "").strip()
        match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", about)
        if not match or int(match[1]) != have:
            raise _Broken(f"asked for bytes from {have} on, got Content-Range {about[:80]!r}")
        return None if match[2] == "*" else int(match[2])
    length = headers.get("Content-Length", "").strip()
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def _validator(headers: Mapping[str, str]) -> str:
    """Return what If-Range accepts (RFC 9110, 13.1.5): a strong ETag, else a date."""
    found = (headers.get("ETag", "") or headers.get("Last-Modified", "")).strip()
    return found if _VALIDATOR.fullmatch(found) else ""


def _refuse_pages(task: Task, headers: Mapping[str, str]) -> None:
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    page = kind in ("text/html", "application/json") and not task.target.endswith((".html", ".json"))
    if page and not task.fits:
        raise _Broken(f"the server sent {kind} in place of the file")


def _check(task: Task, part: Path) -> None:
    reason = looks_like_fits(part, sums=True) if task.fits else (None if _size(part) else "the file is empty")
    if reason:
        _restart(part, part.with_name(part.name + ".etag"))
        what = f"{reason}; run the same line again" if reason.startswith("damaged") else ""
        raise _Broken(what or f"what arrived is not the file: {reason}")


def _finish(task: Task, part: Path, target: Path, received: int, before_naming: Callable[[Outcome], None]) -> Outcome:
    """Write the header, make it durable, and only then give it its name."""
    final, note = part, ""
    if task.header is not None and task.make is None:
        final = target.with_name(target.name + ".header.part")
        try:
            write_fits(part, final, task.header)
        except layout.NoImage:
            final, note = part, "the file holds no image: it is as it was stored, without the record's keywords"
        except JsocError as error:  # somebody else changes the part
            raise _Broken(str(error)) from None
    with final.open("rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    outcome = Outcome(size, digest, received, note=note)
    before_naming(outcome)
    os.replace(final, target)
    for leftover in (part, part.with_name(part.name + ".etag")):
        leftover.unlink(missing_ok=True)
    return outcome


def _restart(part: Path, tag: Path) -> None:
    part.unlink(missing_ok=True)
    tag.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_validator(path: Path) -> str:
    """Read what `_validator` has found; empty if it is anything else by now, and the file is fetched anew."""
    try:
        with path.open("rb") as file:
            found = file.read(1000).decode()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return found if _VALIDATOR.fullmatch(found) else ""


def local_error(error: OSError, target: Path) -> LocalError:
    """Say what is wrong here, and what to do about it."""
    remedies = {
        errno.ENOSPC: "the disk is full; make room and run the same line again",
        errno.EDQUOT: "your disk quota is used up; make room and run the same line again",
        errno.ENAMETOOLONG: "the path is too long; choose a shorter directory",
        errno.EROFS: "the file system is read-only; choose another directory",
        errno.EACCES: "no permission; choose another directory",
        errno.EPERM: "no permission; choose another directory",
    }
    what = remedies.get(error.errno or 0, error.strerror or str(error))
    return LocalError(f"cannot write {target}: {what}")


_workers = threading.local()


def fetch_alone(task: Task) -> Outcome:
    """`fetch` for a worker in another thread, process or machine, which keeps a connection of its own."""
    transport: Any = getattr(_workers, "transport", None)
    if transport is None:
        from ..server import Clock, Transport

        transport = _workers.transport = Transport("jsoc", timeout=task.timeout, clock=Clock())
    return fetch(task, transport)
