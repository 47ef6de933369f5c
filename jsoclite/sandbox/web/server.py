"""
HTTP/1.1 over sockets: one thread a connection, keep-alive, chunked replies, limits; knows nothing of JSOC.

Listens on 127.0.0.1 only. What a client sends wrong is answered with an HTTP error; what goes wrong in the application
is answered with 500 and kept in `HttpServer.errors`, never shown to the client.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable

from .connection import Connection, ResetError
from .messages import Request, Response, text

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
