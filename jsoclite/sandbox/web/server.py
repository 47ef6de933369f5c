"""
HTTP/1.1 over sockets: one thread a connection, keep-alive, chunked replies, limits; knows nothing of JSOC.

Listens on 127.0.0.1 only. What a client sends wrong is answered with an HTTP error; what goes wrong in the application
is answered with 500 and kept in `HttpServer.errors`, never shown to the client.

One connection: reads requests off it, writes responses onto it, in order and out of it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import selectors
import socket
import struct
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Protocol

from ..messages import REASONS, Damage, Request, Response, join, text

log = logging.getLogger("jsoclite.sandbox")


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
    """

    def __init__(
        self,
        handle: Callable[[Request], Response],
        port: int = 0,
        *,
        max_connections: int = 128,
        done: Callable[[Request, int, int], None] | None = None,
    ) -> None:
        self.errors: deque[str] = deque(maxlen=100)
        self.stopping = threading.Event()
        self._handle, self._done = handle, done
        self._slots = threading.BoundedSemaphore(max_connections)
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self._listener.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="jsoclite-sandbox", daemon=True)

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._waker.send(b"x")
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(5)
        for closing in (self._listener, self._waker, self._wake):
            closing.close()
        with self._lock:
            open_now = list(self._connections.items())
            for connection, _ in open_now:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        give_up = time.monotonic() + 5  # the threads are daemons: one that computes for long does not hold up the end
        for _, thread in open_now:
            if thread is not threading.current_thread():
                thread.join(max(0.0, give_up - time.monotonic()))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self.stopping.is_set():
                selector.select()
                while not self._slots.acquire(timeout=0.2):
                    if self.stopping.is_set():
                        return
                try:
                    connection, peer = self._listener.accept()
                except OSError as error:  # nobody there after all, or too many open files
                    self._slots.release()
                    if not isinstance(error, BlockingIOError):
                        self.stopping.wait(0.1)
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(connection, peer[0]), name="jsoclite-sandbox-connection", daemon=True
                )
                with self._lock:
                    self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(connection, peer, self).run()
        except (ResetError, OSError):
            pass
        finally:
            with self._lock:
                del self._connections[connection]
            connection.close()
            self._slots.release()

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

    def finished(self, request: Request, status: int, sent: int) -> None:
        """Report a request that was answered."""
        if self._done is not None:
            self._done(request, status, sent)


#: Longest request line, as in Apache (``LimitRequestLine``); a longer one is answered with 414.
MAX_LINE = 8190
#: All headers together, and a body, in bytes.
MAX_HEADERS, MAX_BODY = 65536, 16 * 2**20
#: Seconds that a client may be silent between requests, and within one.
IDLE_S, SILENCE_S = 60.0, 20.0

_REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~\x80-\xff]+) HTTP/(\d)\.(\d)")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")

_TOO_LONG = f"The request line is longer than {MAX_LINE} bytes; send long record sets by POST."


class BadRequestError(Exception):
    """What cannot be answered as asked; closes the connection."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = text(status, message + "\n")


class ResetError(Exception):
    """The connection is to be torn down at once."""


class Server(Protocol):
    """What a connection needs of its server."""

    stopping: threading.Event

    def respond(self, request: Request) -> Response:
        """The application's answer."""
        ...

    def failed(self) -> None:
        """Keep the traceback of the exception that is being handled."""
        ...

    def finished(self, request: Request, status: int, sent: int) -> None:
        """Report a request that was answered."""
        ...


class Connection:
    """One connection: reads requests, writes responses, until one side wants no more."""

    def __init__(self, connection: socket.socket, peer: str, server: Server) -> None:
        self.socket, self.peer, self.server = connection, peer, server
        self.buffer = bytearray()

    def run(self) -> None:
        """Serve requests until one side wants no more."""
        while not self.server.stopping.is_set():
            try:
                request, version, keep = self.read_request()
            except BadRequestError as bad:
                self.write(bad.response, Request("GET", "/"), (1, 1), keep=False)
                self.linger()
                return
            if request is None:
                return
            response = self.server.respond(request)
            keep = keep and (response.damage is None or response.damage.kind.startswith("stall"))
            sent = 0
            try:
                sent = self.write(response, request, version, keep=keep)
            finally:
                self.server.finished(request, response.status, sent)
            if not keep:
                self.linger()
                return

    # ---- reading
    def receive(self, silence: float) -> bool:
        """Read more into the buffer; False at the end of the stream."""
        self.socket.settimeout(silence)
        piece = self.socket.recv(65536)
        self.buffer += piece
        return bool(piece)

    def read_request(self) -> tuple[Request | None, tuple[int, int], bool]:
        """
        Read one request.

        Returns
        -------
        request : Request or None
            None where the client has gone.
        version : (int, int)
            HTTP version.
        keep : bool
            Whether the client wants to keep the connection.

        Raises
        ------
        BadRequestError
            With the HTTP error to answer.
        """
        head = self.read_head()
        if head is None:
            return None, (1, 1), False
        line, *lines = head.split(b"\r\n") if b"\r\n" in head else head.split(b"\n")
        if len(line) > MAX_LINE:
            raise BadRequestError(414, _TOO_LONG)
        found = _REQUEST_LINE.fullmatch(line)
        if not found:
            raise BadRequestError(400, "The request line is not of the form 'METHOD target HTTP/1.1'.")
        version = (int(found[3]), int(found[4]))
        if version[0] != 1:
            raise BadRequestError(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        headers: dict[str, str] = {}
        for one in lines:
            header = _HEADER.fullmatch(one.rstrip(b"\r"))
            if not header:
                raise BadRequestError(400, "A header is not of the form 'Name: value'.")
            headers[header[1].decode("ascii").lower()] = header[2].decode("latin-1")
        body = self.read_body(headers)
        connection = headers.get("connection", "").lower()
        keep = "close" not in connection and (version >= (1, 1) or "keep-alive" in connection)
        method, target = found[1].decode("ascii"), found[2].decode("latin-1")
        return Request(method, target, headers, body, self.peer), version, keep

    def read_head(self) -> bytes | None:
        """Everything up to the blank line, None where the client has gone or says nothing."""
        started = False
        while True:
            while self.buffer.startswith((b"\r", b"\n")):  # blank lines before a request are ignored (RFC 9112, 2.2)
                del self.buffer[:1]
            end = re.search(rb"\r?\n\r?\n", self.buffer)
            if end and end.start() <= MAX_HEADERS:
                head = bytes(self.buffer[: end.start()])
                del self.buffer[: end.end()]
                return head
            if len(self.buffer) > MAX_LINE and b"\n" not in self.buffer[: MAX_LINE + 2]:
                raise BadRequestError(
                    414, f"The request line is longer than {MAX_LINE} bytes; send long record sets by POST."
                )
            if len(self.buffer) > MAX_HEADERS:
                raise BadRequestError(431, f"The headers take more than {MAX_HEADERS} bytes.")
            started = bool(self.buffer)
            try:
                if not self.receive(SILENCE_S if started else IDLE_S):
                    if started:
                        raise BadRequestError(400, "The request ends before its blank line.")
                    return None
            except TimeoutError:
                if started:
                    raise BadRequestError(408, "The request did not arrive in time.") from None
                return None

    def read_body(self, headers: dict[str, str]) -> bytes:
        """Read as many bytes as Content-Length says; errors as for `read_request`."""
        if "transfer-encoding" in headers:
            raise BadRequestError(411, "Send a body with Content-Length; chunked requests are not read here.")
        length = headers.get("content-length", "0")
        if not re.fullmatch(r"\d{1,18}", length, re.ASCII):
            raise BadRequestError(400, "Content-Length is not a number.")
        size = int(length)
        if size > MAX_BODY:
            raise BadRequestError(413, f"The body is longer than {MAX_BODY} bytes.")
        if size and headers.get("expect", "").lower() == "100-continue":
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.buffer) < size:
            try:
                if not self.receive(SILENCE_S):
                    raise BadRequestError(400, "The body is shorter than its Content-Length.")
            except TimeoutError:
                raise BadRequestError(408, "The body did not arrive in time.") from None
        body = bytes(self.buffer[:size])
        del self.buffer[:size]
        return body

    def linger(self) -> None:
        """Close so that the response arrives even where the client is still sending (else the kernel sends a reset)."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(0.5)
            give_up = time.monotonic() + 2
            while time.monotonic() < give_up and self.socket.recv(65536):
                pass

    # ---- writing
    def write(self, response: Response, request: Request, version: tuple[int, int], *, keep: bool) -> int:
        """Send a response; bytes of the body that were sent."""
        self.socket.settimeout(SILENCE_S)
        damage = response.damage
        if damage is not None and damage.kind == "reset":
            self.reset()
        if damage is not None or version < (1, 1) or request.method == "HEAD":
            response.content()
        body, pieces = response.body, None
        if not isinstance(body, bytes):
            # like Apache, which counts what is short and sends the rest in chunks
            pieces = join(body)
            first = self.next_piece(pieces)
            second = self.next_piece(pieces)
            if second:
                body = first
                pieces = (piece for group in ([second], pieces) for piece in group)
            else:
                body, pieces = first, None
        chunked = pieces is not None or (damage is not None and damage.kind == "cut-chunks" and version >= (1, 1))
        head = self.head(response, None if chunked else len(body), keep=keep, version=version)
        if request.method == "HEAD" or response.status in (204, 304):
            self.socket.sendall(head)
            return 0
        if damage is not None:
            return self.damaged(head, body, damage)
        if pieces is None:
            self.socket.sendall(head + body)
            return len(body)
        sent = 0
        self.socket.sendall(head + _chunk(body))
        sent += len(body)
        while piece := self.next_piece(pieces):
            self.socket.sendall(_chunk(piece))
            sent += len(piece)
        self.socket.sendall(b"0\r\n\r\n")
        return sent

    def next_piece(self, pieces: Iterator[bytes]) -> bytes:
        """The next piece, empty at the end; a failure behind the headers can only be shown by breaking off."""
        try:
            return next(pieces, b"")
        except Exception:
            self.server.failed()
            raise ResetError from None

    def head(self, response: Response, length: int | None, *, keep: bool, version: tuple[int, int]) -> bytes:
        """Status line and headers; without a length the body goes out in chunks."""
        lines = [
            f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}",
            f"Date: {formatdate(usegmt=True)}",
            "Server: jsoclite-sandbox",
        ]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if length is None:
            lines.append("Transfer-Encoding: chunked")
        elif response.status not in (204, 304) and "Content-Length" not in response.headers:
            lines.append(f"Content-Length: {length}")
        lines.append("Connection: keep-alive" if keep and version < (1, 1) else "" if keep else "Connection: close")
        return ("\r\n".join(line for line in lines if line) + "\r\n\r\n").encode("latin-1", "replace")

    def damaged(self, head: bytes, body: bytes, damage: Damage) -> int:
        """Send a response that goes wrong on the way."""
        cut = int(len(body) * damage.at)
        match damage.kind:
            case "stall":
                self.wait(damage.seconds)
                self.socket.sendall(head + body)
            case "stall-body":
                self.socket.sendall(head + body[:cut])
                self.wait(damage.seconds)
                self.socket.sendall(body[cut:])
            case "trickle":
                self.socket.sendall(head)
                step = max(1, int(damage.rate / 10))
                for start in range(0, len(body), step):
                    self.socket.sendall(body[start : start + step])
                    self.wait(step / damage.rate)
            case "reset-body":
                self.socket.sendall(head + body[:cut])
                self.reset()
            case "cut-chunks":
                self.socket.sendall(head + _chunk(body[:cut]))
                return cut
            case _:  # truncated: a clean end, only too early
                self.socket.sendall(head + body[:cut])
                return cut
        return len(body)

    def wait(self, seconds: float) -> None:
        """Do nothing for a while, but not longer than the server lives."""
        if self.server.stopping.wait(seconds):
            raise ResetError

    def reset(self) -> None:
        """Tear the connection down with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ResetError


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
