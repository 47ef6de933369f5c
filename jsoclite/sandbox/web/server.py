"""
The HTTP front on the standard library's `http.server`: kept alive, threads bounded, answers that break on purpose.

Listens on 127.0.0.1 only and knows nothing of JSOC. What a client sends wrong is answered with an HTTP error; what goes
wrong in the application is answered with 500 and kept in `HttpServer.errors`, never shown to the client.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import socket
import socketserver
import struct
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from email.errors import MissingHeaderBodySeparatorDefect
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain
from typing import Any, cast

from ..messages import Damage, Request, Response, join, text

log = logging.getLogger("jsoclite.sandbox")

#: Longest request line, as in Apache (``LimitRequestLine``); a longer one is answered with 414.
MAX_LINE = 8190
#: A body, in bytes.
MAX_BODY = 16 * 2**20
#: Seconds that a client may be silent between requests, and within one.
IDLE_S, SILENCE_S = 60.0, 20.0
#: Seconds that sending a request, and taking its answer, may last, however lively the client is.
REQUEST_S, ANSWER_S = 60.0, 600.0

# what a browser that was led here by another name for 127.0.0.1 sends is refused (DNS rebinding)
_OWN_NAMES = frozenset(("", "127.0.0.1", "localhost", "::1"))


class ResetError(Exception):
    """The connection is to be torn down at once."""


class HttpServer:
    """
    A small HTTP server.

    Parameters
    ----------
    handle : callable
        Makes a `Response` of a `Request`; called from many threads.
    port : int
        Port on 127.0.0.1, 0 for any free one.
    max_connections : int
        Connections served at a time; further ones wait.
    done : callable, optional
        Called with request, status and bytes of body sent, after each response.
    clock : callable
        Seconds, for what a client may take.
    """

    def __init__(
        self,
        handle: Callable[[Request], Response],
        port: int = 0,
        *,
        max_connections: int = 128,
        done: Callable[[Request, int, int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.errors: deque[str] = deque(maxlen=100)
        self.stopping = threading.Event()
        self._handle, self.finished, self.clock = handle, done or (lambda *answered: None), clock
        self._listener = _Listener(self, port, max_connections)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._listener.server_address[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._listener.shutdown()
            self._thread.join(5)
        self._listener.end()

    def respond(self, request: Request) -> Response:
        """The application's answer, or 500 where it raises."""
        try:
            return self._handle(request)
        except Exception:
            self.failed()
            return text(500, "The sandbox failed to answer this request; its log says why.\n")

    def failed(self) -> None:
        """Keep the traceback of the exception that is being handled."""
        self.errors.append(traceback.format_exc())
        log.exception("request failed")


class _Listener(socketserver.ThreadingMixIn, HTTPServer):
    """Accepts connections, a thread each, and no more of them than there are slots."""

    daemon_threads = True
    block_on_close = False  # `end` waits, but not for ever
    request_queue_size = 256

    def __init__(self, front: HttpServer, port: int, max_connections: int) -> None:
        self.front = front
        self._slots = threading.BoundedSemaphore(max_connections)
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        """Bind without asking for the name of this machine, which can take a while."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Wait for a free slot, then serve in a thread."""
        while not self._slots.acquire(timeout=0.2):
            if self.front.stopping.is_set():
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and free its slot."""
        self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(request, None)
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are gone, or were told to go, are no news."""

    def end(self) -> None:
        """Close the port and all connections; threads that compute for long do not hold up the end."""
        self.server_close()
        give_up = time.monotonic() + 5
        for connection, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if thread is not threading.current_thread():
                thread.join(max(0.0, give_up - time.monotonic()))


class _Patient(io.RawIOBase):
    """What a client sends, and when the server has had enough: from the first byte of a request on, the time runs."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        self._connection, self._clock, self.until = connection, clock, math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._clock() > self.until:
            raise TimeoutError("this request takes too long")
        count = self._connection.recv_into(buffer)
        self.until = min(self.until, self._clock() + REQUEST_S)
        return count


class _Connection(BaseHTTPRequestHandler):
    """One connection: reads requests, writes responses, until one side wants no more."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the sandbox has a log of its own."""

    def setup(self) -> None:
        """Read the client's side with an eye on the clock."""
        super().setup()
        self.rfile.close()
        self._patient = _Patient(self.connection, self.server.front.clock)
        self.rfile = io.BufferedReader(self._patient)

    def handle_one_request(self) -> None:
        """Read a request, answer it."""
        self.close_connection = True
        try:
            self._patient.until = math.inf
            self.connection.settimeout(IDLE_S)
            self.raw_requestline = self.rfile.readline(MAX_LINE + 3)
            while self.raw_requestline in (b"\r\n", b"\n"):  # ignored before a request (RFC 9112, 2.2)
                self.raw_requestline = self.rfile.readline(MAX_LINE + 3)
            if not self.raw_requestline or self.server.front.stopping.is_set():
                return
            self.connection.settimeout(SILENCE_S)
            self.request_version = self.protocol_version  # of what is refused before it is read
            if len(self.raw_requestline.rstrip(b"\r\n")) > MAX_LINE:
                self.send_error(414, f"The request line is longer than {MAX_LINE} bytes; send long sets by POST.")
            elif self.parse_request():
                refused = self._refusal()
                body = b"" if refused else self.rfile.read(int(self.headers.get("content-length", 0)))
                if refused:
                    self.send_error(*refused)
                elif len(body) < int(self.headers.get("content-length", 0)):
                    self.send_error(400, "The body is shorter than its Content-Length.")
                else:
                    self._answer(body)
        except (ResetError, OSError):
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what cannot be answered as asked, and close; as plain text."""
        self.close_connection = True
        self._write(text(code, (message or HTTPStatus(code).phrase) + "\n"), Request("GET", "/"), keep=False)
        self._linger()

    def _refusal(self) -> tuple[int, str] | None:
        """Status and reason for headers that are not accepted."""
        lengths = set(self.headers.get_all("content-length", ["0"]))
        host = re.sub(r":[0-9]*$", "", self.headers.get("host", "")).strip("[]").lower()
        if any(isinstance(one, MissingHeaderBodySeparatorDefect) for one in self.headers.defects):
            return 400, "A header is not of the form 'Name: value'."
        if host not in _OWN_NAMES and "://" not in self.path.partition("?")[0]:
            return 421, f"This is 127.0.0.1, and not {host!r}."
        if "transfer-encoding" in self.headers:
            return 411, "Send a body with Content-Length; chunked requests are not read here."
        if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", min(lengths)):
            return 400, "Content-Length is not a number."
        return (413, f"The body is longer than {MAX_BODY} bytes.") if int(min(lengths)) > MAX_BODY else None

    def _answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        target = self.requestline.split()[1]  # `path` has lost some of its slashes
        request = Request(self.command, target, headers, body, self.client_address[0])
        response = self.server.front.respond(request)
        self._patient.until = self.server.front.clock() + ANSWER_S
        keep = not self.close_connection and (response.damage is None or response.damage.kind.startswith("stall"))
        self.close_connection = not keep
        sent = 0
        try:
            sent = self._write(response, request, keep=keep)
        finally:
            self.server.front.finished(request, response.status, sent)
        if not keep:
            self._linger()

    def _linger(self) -> None:
        """Close so that the response arrives even where the client is still sending (else the kernel sends a reset)."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.5)
            give_up = time.monotonic() + 2
            while time.monotonic() < give_up and self.connection.recv(65536):
                pass

    # ---- writing
    def _write(self, response: Response, request: Request, *, keep: bool) -> int:
        """Send a response; bytes of the body that were sent."""
        damage, modern = response.damage, self.request_version == "HTTP/1.1"
        if damage is not None and damage.kind == "reset":
            self._reset()
        if damage is not None or not modern or request.method == "HEAD":
            response.content()
        body, pieces = response.body, cast("Iterator[bytes]", iter(()))
        if not isinstance(body, bytes):
            # like Apache, which counts what is short and sends the rest in chunks
            pieces = join(body)
            body, second = self._next(pieces), self._next(pieces)
            pieces, chunked = chain([second], pieces), bool(second)
        else:
            chunked = damage is not None and damage.kind == "cut-chunks" and modern
        head = self._head(response, None if chunked else len(body), keep=keep)
        if request.method == "HEAD" or response.status in (204, 304):
            self.connection.sendall(head)
            return 0
        if damage is not None:
            return self._spoil(head, body, damage)
        if not chunked:
            self.connection.sendall(head + body)
            return len(body)
        self.connection.sendall(head + _chunk(body))
        sent = len(body)
        while piece := self._next(pieces):
            self.connection.sendall(_chunk(piece))
            sent += len(piece)
        self.connection.sendall(b"0\r\n\r\n")
        return sent

    def _next(self, pieces: Iterator[bytes]) -> bytes:
        """The next piece, empty at the end; a failure behind the headers can only be shown by breaking off."""
        if self.server.front.clock() > self._patient.until:
            raise ResetError
        try:
            return next(pieces, b"")
        except Exception:
            self.server.front.failed()
            raise ResetError from None

    def _head(self, response: Response, length: int | None, *, keep: bool) -> bytes:
        """Status line and headers; without a length the body goes out in chunks."""
        phrase = HTTPStatus(response.status).phrase if response.status in list(HTTPStatus) else "Status"
        headers = {"Date": formatdate(usegmt=True), "Server": "jsoclite-sandbox", **response.headers}
        if length is None:
            headers["Transfer-Encoding"] = "chunked"
        elif response.status not in (204, 304):
            headers.setdefault("Content-Length", str(length))
        if not keep:
            headers["Connection"] = "close"
        elif self.request_version == "HTTP/1.0":
            headers["Connection"] = "keep-alive"
        lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _spoil(self, head: bytes, body: bytes, damage: Damage) -> int:
        """Send a response that goes wrong on the way."""
        cut, send = int(len(body) * damage.at), self.connection.sendall
        match damage.kind:
            case "stall":
                self._wait(damage.seconds)
                send(head + body)
            case "stall-body":
                send(head + body[:cut])
                self._wait(damage.seconds)
                send(body[cut:])
            case "trickle":
                send(head)
                step = max(1, int(damage.rate / 10))
                for start in range(0, len(body), step):
                    send(body[start : start + step])
                    self._wait(step / damage.rate)
            case "reset-body":
                send(head + body[:cut])
                self._reset()
            case "cut-chunks":
                send(head + _chunk(body[:cut]))
                return cut
            case _:  # truncated: a clean end, only too early
                send(head + body[:cut])
                return cut
        return len(body)

    def _wait(self, seconds: float) -> None:
        """Do nothing for a while, but not longer than the server lives."""
        if self.server.front.stopping.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise ResetError

    def _reset(self) -> None:
        """Tear the connection down with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise ResetError


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
