"""
What a server may take of our time and memory: every limit stands here, and the watch that holds sockets to them.

A server that is silent meets the time-out of its socket. One that sends a byte a second, ``100 Continue`` for ever or
chunks without end never falls silent, so each read of a socket looks at a `Watch`.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import math
import re
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import poolmanager
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ..errors import ServerError

# -- time: the first two in units of `Client(timeout=)`, which is the longest silence ---------------------------------

#: From looking up the name to the end of the headers: one silence for the connection, one for the program to answer.
FIRST_BYTE: Final = 2
#: A whole question, with all tries and waits: an hour. The largest answers took 14 s and a line of 100 kB/s has time.
WHOLE: Final = 60
#: Bytes per second below which an answer is as good as silent: 4.5 hours for one image of 4096 x 4096.
FLOOR_BYTES_PER_S: Final = 1024
#: Seconds over which that speed is averaged.
FLOOR_WINDOW_S: Final = 10.0
#: Seconds that a server may ask us to wait (Retry-After).
LONGEST_WAIT_S: Final = 300.0

# -- how often we ask: questions about exports (offers, polls, what pends) to one host --------------------------------

#: So many may follow each other at once, and then one comes every few seconds: 24 in any minute at most. 25 and more a
#: minute were answered with 429 and 503.
QUEUE_BURST: Final = 12
QUEUE_EVERY_S: Final = 5.0

# -- size, of the decoded bytes ---------------------------------------------------------------------------------------

#: Status line and headers; http.client would take 100 of 64 kB each, and any number of ``100 Continue``.
HEADERS: Final = 1_000_000
#: A count, a checked address, what is pending: some hundred bytes.
SMALL: Final = 1_000_000
#: The definition of a series: 60 kB for the 200 keywords of aia.lev1.
DEFINITION: Final = 16_000_000
#: The list of series: 4,000 of them at 400 bytes, ten times over.
SERIES: Final = 16_000_000
#: The state of an export: a finished one lists its files, 250 bytes each, and 75,000 records may have several.
EXPORT: Final = 200_000_000
#: A question: ten times what 75,000 records with 150 keywords take.
LARGEST_REPLY: Final = 2_000_000_000
#: A value in the list of records that were counted beforehand; the longest keywords, of texts, are seldom longer.
VALUE: Final = 1000
#: A file: JSOC gives 100 GB in one request at most.
LARGEST_FILE: Final = 100_000_000_000
#: What is taken from the network at once: compression makes it a thousand times as much at most. Files have none, and
#: from 128 KiB on malloc would ask the system for the memory of each piece.
PIECE: Final = 1 << 14
FILE_PIECE: Final = 3 << 15

# the end of a chunk, and how many bytes the next one has
_CHUNK = re.compile(rb"(\r\n)?([0-9A-Fa-f]{1,8})\r\n")

# -- other ------------------------------------------------------------------------------------------------------------

#: Apache cuts request lines at 8190 bytes; longer queries go by POST, which the CGIs read as well (qDecoder library).
LONGEST_QUERY: Final = 4000
#: Redirects that are followed, of http to https and of one path to another.
REDIRECTS: Final = 5


class SlowAnswer(Exception):
    """An answer takes too long, though its server is not silent; not an `OSError`, which urllib3 would wrap."""


class Watch(threading.local):
    """
    What the question that this thread is asking may still take.

    Parameters
    ----------
    now : callable
        The time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.finish()

    def begin(self, url: str, seconds: float) -> None:
        """Bound the time, from the first step on, and the size of the headers from `url`."""
        self._url, self._seconds, self._until = url, seconds, math.inf
        self._room: float = HEADERS

    def start(self) -> None:
        """Start the time, if it does not run yet: waiting for a connection that is in use does not count."""
        if self._until == math.inf:
            self._until = self._now() + self._seconds

    def finish(self, until: float = math.inf) -> None:
        """The headers are here; the body may take until then, and has limits of its own for its size."""
        self._url, self._seconds, self._until, self._room = "", math.inf, until, math.inf

    def left(self) -> float:
        """
        Return the seconds that are left.

        Raises
        ------
        SlowAnswer
            If there are none.
        """
        left = self._until - self._now()
        if left <= 0:
            raise self.overdue()
        return left

    def overdue(self) -> SlowAnswer:
        """Return the error that says which limit is over."""
        if self._url:
            return SlowAnswer(f"no end of the headers within {self._seconds:g} s, {FIRST_BYTE} times the time-out")
        return SlowAnswer(f"no end of the answer within {WHOLE} times the time-out, the limit for a question")

    def count(self, size: int) -> None:
        """Count bytes that have arrived; raise `ServerError` if these are too many for headers."""
        self._room -= size
        if self._room < 0:
            raise ServerError(f"{self._url} sends more than {HEADERS:,} bytes of headers, the limit", url=self._url)


class Pace:
    """Spreads questions about exports in time, whoever asks them and however often."""

    def __init__(self) -> None:
        self._free: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str, now: float) -> float:
        """Count a question to a host; return the seconds until it may be asked."""
        with self._lock:
            free = max(self._free.get(host, now), now)
            self._free[host] = free + QUEUE_EVERY_S
        return max(0.0, free - (QUEUE_BURST - 1) * QUEUE_EVERY_S - now)


class _Reader(io.RawIOBase):
    """The reading end of a socket, watched."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._sock, self._silence, self._watch = sock, sock.gettimeout() or math.inf, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._watch.left()
        wait = min(self._silence, left)
        self._sock.settimeout(None if wait == math.inf else wait)
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if wait == left:
                raise self._watch.overdue() from None
            raise
        self._watch.count(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class ManyChunks(http.client.HTTPResponse):
    """An answer whose `read1` gives all that has arrived of many chunks, where http.client gives one of them."""

    def read1(self, n: int = -1) -> bytes:
        """Read what is there, up to `n` bytes; waits once, and for whatever comes."""
        if n > 0 and getattr(self, "chunked", False) and self.fp is not None:
            pieces, end, left = _data_of_chunks(memoryview(self.fp.peek())[:n], self.chunk_left)
            if pieces:
                self.fp.read(end)
                self.chunk_left = left
                return b"".join(pieces)
        return super().read1(n)


def _data_of_chunks(there: memoryview, left: int | None) -> tuple[list[memoryview], int, int | None]:
    """
    Find the data of chunks, and where it ends; what is not plain is left to http.client.

    `left` is http.client's `chunk_left`, before and after: None before the first chunk, else bytes of the one begun.
    """
    pieces, end = [], 0
    while True:
        if left:
            piece = there[end : end + left]
            if not piece:
                break
            pieces.append(piece)
            end, left = end + len(piece), left - len(piece)
        line = None if left else _CHUNK.match(there, end)
        if line is None or (left is None) == bool(line[1]) or not (size := int(line[2], 16)):
            break
        end, left = line.end(), size
    return pieces, end, left


class _Socket:
    """A socket whose reading end is watched."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock, self._watch = sock, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._watch), FILE_PIECE)


class _Watched(HTTPConnection):
    """A connection that is watched from the look-up of its host on."""

    watch: Watch
    response_class = ManyChunks

    def request(self, *arguments: Any, **options: Any) -> None:
        self.watch.start()
        super().request(*arguments, **options)

    def connect(self) -> None:
        self.watch.start()
        super().connect()
        self.sock: Any = _Socket(self.sock, self.watch)

    def _new_conn(self) -> socket.socket:
        name, timeout = self.host, self.timeout
        error: Exception | None = None
        try:
            for address in self._look_up(name):
                left = self._left()
                self.host, self.timeout = address, min(timeout or math.inf, left) if left < math.inf else timeout
                try:
                    return super()._new_conn()
                except (OSError, ConnectTimeoutError) as refused:
                    error = refused
        finally:
            self.host, self.timeout = name, timeout
        raise error or NewConnectionError(self, f"{name} has no address")

    def _left(self) -> float:
        try:
            return self.watch.left()
        except SlowAnswer as slow:  # nothing was sent yet, which this error says
            raise NewConnectionError(self, str(slow)) from None

    def _look_up(self, name: str) -> list[str]:
        """Return the addresses of a host; nothing but another thread ends a look-up that hangs."""
        try:
            ipaddress.ip_address(name)
            return [name]
        except ValueError:
            found: list[Any] = []
        asking = threading.Thread(target=_ask_for_addresses, args=(name, self.port, found), daemon=True)
        asking.start()
        left = self._left()
        asking.join(None if left == math.inf else left)
        if not found:
            raise NameResolutionError(name, self, socket.gaierror("looking it up takes too long"))
        if isinstance(found[0], socket.gaierror):
            raise NameResolutionError(name, self, found[0]) from found[0]
        # urllib3 says what is wrong with names that are none
        return [name] if isinstance(found[0], Exception) else found[0]


def _ask_for_addresses(name: str, port: int | None, found: list[Any]) -> None:
    try:
        listed = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        found.append(list(dict.fromkeys(str(address[0]) for *_, address in listed)))
    except Exception as error:
        found.append(error)


class WatchedAdapter(HTTPAdapter):
    """What makes connections that are watched, to servers and to proxies but SOCKS ones."""

    def __init__(self, watch: Watch, **options: Any) -> None:
        self._pools: dict[str, Any] = {}
        for scheme, pool in poolmanager.pool_classes_by_scheme.items():
            kind: Any = pool
            watched = type("Watched", (_Watched, kind.ConnectionCls), {"watch": watch})
            self._pools[scheme] = type("Pool", (kind,), {"ConnectionCls": watched})
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Let requests make what makes connections to servers."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """Let requests make what makes connections to a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        if not str(proxy).lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager
