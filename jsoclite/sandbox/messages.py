"""
Requests and responses as values, and what of HTTP is a pure function of them: form decoding, ranges, validators.

What a sandbox remembers of requests, and the lines of its log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import Final
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request.

    Attributes
    ----------
    method : str
        ``GET``, ``HEAD`` or ``POST``.
    target : str
        Request target as sent.
    headers : mapping of str to str
        By lower-case name; of several headers of one name the last.
    body : bytes
        Whole body.
    peer : str
        Address of the client.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"

    @property
    def path(self) -> str:
        """Decoded path, without the query and without the host of an absolute target."""
        return unquote(re.sub(r"^[a-z]+://[^/?]*", "", self.target.partition("?")[0]), "latin-1")

    @property
    def query(self) -> str:
        """Query string as sent."""
        return self.target.partition("?")[2]

    def params(self) -> dict[str, str]:
        """
        Parameters of the query string and, where there is one, of the form in the body.

        Text is Latin-1, so that any byte survives; of several values of a name the first counts, as qDecoder has it.
        """
        found = decode_form(self.query)
        kind, form = self.headers.get("content-type", ""), dict[str, str]()
        if self.body:
            files = kind.startswith("multipart/form-data")
            form = decode_multipart(self.body, kind) if files else decode_form(self.body.decode("latin-1"))
        return form | found


@dataclass(slots=True)
class Damage:
    """
    What the server does to a response on its way out.

    Attributes
    ----------
    kind : str
        ``reset``, ``reset-body``, ``truncated``, ``cut-chunks``, ``stall``, ``stall-body`` or ``trickle``.
    at : float
        Part of the body that is sent before it happens, 0 to 1.
    seconds : float
        How long a stall takes.
    rate : float
        Bytes a second of a trickle.
    """

    kind: str
    at: float = 0.5
    seconds: float = 30.0
    rate: float = 100.0


@dataclass(slots=True)
class Response:
    """
    One HTTP response; a body that is an iterator goes out in chunks.

    Attributes
    ----------
    status : int
        HTTP status.
    body : bytes or iterator of bytes
        Content.
    headers : dict of str to str
        Beside those that the server itself adds.
    damage : Damage, optional
        What goes wrong while it is sent.
    """

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    damage: Damage | None = None

    def content(self) -> bytes:
        """The whole body; an iterator is used up and its bytes kept."""
        if not isinstance(self.body, bytes):
            self.body = b"".join(self.body)
        return self.body


def text(status: int, message: str, **headers: str) -> Response:
    """A plain-text answer."""
    return Response(status, message.encode("utf-8"), {"Content-Type": "text/plain; charset=utf-8", **headers})


def decode_form(form: str) -> dict[str, str]:
    """
    Read ``application/x-www-form-urlencoded`` text.

    A name that holds ``=`` once decoded is cut there (``process%3Dn=0`` is ``process`` with the value ``n=0``): the
    wrapper of the real programs decodes the query a second time, and drms relies on it.
    """
    params: dict[str, str] = {}
    for pair in form.split("&"):
        name, equals, value = pair.partition("=")
        name, value = (unquote(part.replace("+", " "), "latin-1") for part in (name, value))
        if equals and "=" in name:
            name, _, start = name.partition("=")
            value = f"{start}={value}"
        if name.strip():
            params.setdefault(name.strip(), value)
    return params


_DISPOSITION = re.compile(r'\b(name|filename)="((?:[^"\\]|\\.)*)"')


def decode_multipart(body: bytes, content_type: str) -> dict[str, str]:
    """Read a ``multipart/form-data`` body; a file gives ``NAME``, ``NAME.filename``, ``NAME.length`` as in qDecoder."""
    boundary = re.search(r'boundary="?([^";,\s]{1,200})', content_type)
    params: dict[str, str] = {}
    if boundary is None:
        return params
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        found = dict(_DISPOSITION.findall(head.decode("latin-1")))
        if not blank or "name" not in found:
            continue
        name = found["name"]
        params.setdefault(name, content.decode("latin-1"))
        if "filename" in found:
            params.setdefault(f"{name}.filename", found["filename"])
            params.setdefault(f"{name}.length", str(len(content)))
    return params


@dataclass(frozen=True, slots=True)
class File:
    """
    A file to be sent.

    Attributes
    ----------
    content : bytes
        All of it.
    modified : float
        Unix time of the last change.
    media : str
        Content type.
    """

    content: bytes
    modified: float
    media: str = "application/octet-stream"

    @property
    def etag(self) -> str:
        """Validator that changes with the content."""
        return f'"{len(self.content):x}-{hashlib.blake2b(self.content, digest_size=8).hexdigest()}"'


_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def send_file(file: File, request: Request, *, ranges: bool = True) -> Response:
    """
    Answer a GET or HEAD for a file: whole, or the range asked for, if ``If-Range`` still holds.

    Several ranges in one request are answered with the whole file, which RFC 9110 allows.
    """
    size, etag, modified = len(file.content), file.etag, formatdate(file.modified, usegmt=True)
    headers = {"Content-Type": file.media, "Last-Modified": modified, "ETag": etag}
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    unchanged, since = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
    if _matches(unchanged, etag) or (unchanged is None and since and file.modified < _seconds(since, -1.0) + 1):
        return Response(304, b"", {"ETag": etag, "Last-Modified": modified})
    wanted = _RANGE.match(request.headers.get("range", "").replace(" ", "")) if ranges else None
    if wanted is None or not any(wanted.groups()) or not _still(request.headers.get("if-range"), etag, file.modified):
        return Response(200, file.content, headers)
    first, last = wanted.groups()
    start = max(0, size - int(last)) if not first else int(first)
    end = size - 1 if not first or not last else min(int(last), size - 1)
    if first and last and int(last) < int(first):
        return Response(200, file.content, headers)
    if start >= size or (not first and int(last) == 0):
        return Response(416, b"", headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(206, file.content[start : end + 1], headers)


def _matches(header: str | None, etag: str) -> bool:
    return header is not None and (header.strip() == "*" or etag in (tag.strip() for tag in header.split(",")))


def _still(condition: str | None, etag: str, modified: float) -> bool:
    """Whether an ``If-Range`` (an ETag or a date) still describes the file."""
    if condition is None or condition == etag:
        return True
    return False if condition.startswith(('"', "W/")) else _seconds(condition, -1.0) == int(modified)


def _seconds(date: str, otherwise: float) -> float:
    """Unix time of an HTTP date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return otherwise


def join(chunks: Iterable[bytes], limit: int = 65536) -> Iterator[bytes]:
    """Gather small pieces into chunks of about `limit` bytes."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        if len(buffer) >= limit:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


#: Requests that `Sandbox.requests` remembers, and characters of each parameter.
MAX_LOGGED: Final = 5000
MAX_VALUE: Final = 10_000

_ADDRESS: Final = re.compile(r"[^\s=&?/@]+(?:@|%40|%2540)[^\s&?/]+", re.IGNORECASE)


@dataclass(slots=True)
class LoggedRequest:
    """
    One request; it is noted before its answer is sent.

    Attributes
    ----------
    method, path : str
        HTTP method, and path without the query.
    params : dict of str to str
        Parameters of query and form, long values cut off.
    status : int
        HTTP status of the answer.
    bytes : int
        Bytes of the body that were sent, 0 until then.
    endpoint : str
        As in `Fault.endpoint`.
    fault : str
        Kind of the fault that hit it, empty without one.
    headers : dict of str to str
        Request headers by lower-case name.
    """

    method: str
    path: str
    params: dict[str, str]
    status: int
    bytes: int
    endpoint: str
    fault: str
    headers: dict[str, str]


def line(request: LoggedRequest) -> str:
    """One line of the log, without addresses and control characters."""
    told = {name: value for name, value in request.params.items() if name in ("op", "ds", "requestid", "filter")}
    words = " ".join(f"{name}={value[:200]}" for name, value in told.items())
    fault = f" [{request.fault}]" if request.fault else ""
    text = f"{request.method} {request.path[:200]} {words}".rstrip()
    text = _ADDRESS.sub("…", text).encode("unicode_escape").decode("ascii").replace("\\u2026", "…")
    return f"{text} -> {request.status}, {request.bytes} bytes{fault}"
