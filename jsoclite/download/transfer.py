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
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from ..display import redact
from ..errors import JsocError
from ..fits import looks_like_fits, units
from ..server import Again, Transport, is_transient, repeat

if TYPE_CHECKING:
    from typing import Any


# A file that was just staged may not be on the web server yet, and one may be damaged on its way; what is really gone,
# or damaged where it lies, should not hold up the rest.
FEW_TRIES = 2

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
    """

    url: str
    target: str
    fits: bool = True
    header: tuple[str, ...] | None = None
    timeout: float = 60.0
    retries: int = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a task.

    Sizes are in bytes, `received` what crossed the network; `error` is empty if all is well, `note` says what is
    unusual about a file that is.
    """

    bytes: int = 0
    sha256: str = ""
    received: int = 0
    error: str = ""
    note: str = ""


class _Broken(Again):
    """This try failed; `again` says whether another makes sense."""

    def __init__(self, reason: str, *, again: bool = True, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(_Failed(reason), worth=again, headers=headers)


class _Failed(Exception):
    """The server did not deliver a whole file."""


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

    def attempt() -> Outcome:
        nonlocal tries
        before = _size(part)
        try:
            _receive(task, part, transport, arrived)
            _check(task, part)
            return _finish(task, part, target, received, before_naming)
        except _Broken as broken:
            broken.moved = _size(part) > before
            if str(broken).startswith(("HTTP 404", "damaged")):
                tries += 1
                broken.worth = broken.worth and tries <= FEW_TRIES
            raise

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_the_way(target)
        return repeat(attempt, task.retries, transport.clock, target.name)
    except _Failed as failed:
        return Outcome(received=received, error=str(failed))
    except OSError as error:
        raise local_error(error, target) from error


def clear_the_way(target: Path) -> None:
    """Remove links, pipes and the like under the names that are ours while a file arrives: nothing is followed out."""
    for ending in (".part", ".part.etag", ".header.part"):
        path = target.with_name(target.name + ending)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                path.unlink()


def _receive(task: Task, part: Path, transport: Transport, arrived: Callable[[int], None]) -> None:
    """Bring `part` to its full length."""
    tag = part.with_name(part.name + ".etag")
    have = _size(part)
    validator = _read_text(tag) if have else ""
    # identity: with a content coding, lengths and ranges would count something else than the file's bytes
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        response = transport.session.get(task.url, headers=headers, timeout=task.timeout, stream=True)
    except (requests.exceptions.RequestException, ConnectionError, TimeoutError) as error:
        raise _Broken(_reason(error), again=is_transient(error)) from None
    with closing(response):
        status = response.status_code
        if status == 416 and have:
            total = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", "").strip())
            if total and int(total[1]) == have:
                return  # it was complete, and was only not renamed any more
            _restart(part, tag)
            raise _Broken("the part on disk is longer than the file")
        if status not in (200, 206):
            raise _Broken(
                f"HTTP {status}{_MEANING.get(status, '')}",
                again=is_transient(status) or status == 404,
                headers=response.headers,
            )
        if status == 206 and _validator(response.headers) != validator:
            # the rest may be that of another version (RFC 9110, 15.3.7)
            _restart(part, tag)
            raise _Broken("the server sent the rest of a file without saying that it is the same file")
        total_length = _expected(response.headers, status, have)
        if status == 200:
            _restart(part, tag)
            have = 0
            _refuse_pages(task, response.headers)
            if strong := _validator(response.headers):
                tag.write_text(strong)
        try:
            with part.open("ab") as file:
                for piece in transport.body(response, decode=False):
                    file.write(piece)
                    have += len(piece)
                    arrived(len(piece))
        except OSError as error:
            if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
                raise
            raise _Broken(_reason(error)) from None
        except Exception as error:
            if is_transient(error):
                raise _Broken(_reason(error)) from None
            raise
    if total_length is not None and have != total_length:
        if have > total_length:
            _restart(part, tag)
        raise _Broken(f"{have} of {total_length} bytes arrived")


def _expected(headers: Mapping[str, str], status: int, have: int) -> int | None:
    """Return the full length of the file, as far as the server says."""
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if not match or int(match[1]) != have:
            raise _Broken(f"asked for bytes from {have} on, got Content-Range {headers.get('Content-Range')!r}")
        return None if match[2] == "*" else int(match[2])
    length = headers.get("Content-Length", "").strip()
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def _validator(headers: Mapping[str, str]) -> str:
    """Return what If-Range accepts (RFC 9110, 13.1.5): a strong ETag, else a date."""
    etag = headers.get("ETag", "").strip()
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified", "").strip() if not etag else ""


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
    if task.header is not None and not has_image(part):
        note = "the file holds no image: it is as it was stored, without the record's keywords"
    elif task.header is not None:
        from ..fits import write_fits

        final = target.with_name(target.name + ".header.part")
        try:
            write_fits(part, final, task.header)
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


def has_image(path: Path) -> bool:
    """Whether a FITS file has an image; some segments hold nothing but a header, or tables."""
    with path.open("rb") as file:
        return any(unit.is_image for unit in units(file))


def _restart(part: Path, tag: Path) -> None:
    part.unlink(missing_ok=True)
    tag.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _reason(error: BaseException) -> str:
    text = redact(error.args[0] if error.args else "").rpartition(">: ")[2]
    return f"{type(error).__name__}: {text}"[:300]


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
        from ..server import Clock, Transport, resolve_server

        transport = _workers.transport = Transport(resolve_server("jsoc"), timeout=task.timeout, clock=Clock())
    return fetch(task, transport)
