"""
`Sandbox`: the parts put together, started and stopped.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import cache
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from ..errors import JsocError, RecordSetError, whole
from .catalog import schema, tables
from .exports import Staging
from .messages import MAX_LOGGED, MAX_VALUE, LoggedRequest, Request, Response, line
from .programs import Addresses, Fetch, Limits
from .web import Answer, App, Fault, Faults, HttpServer

if TYPE_CHECKING:
    import jsoclite


#: Seconds of the sandbox's own clock in one of ours.
FAST: Final = 30.0


class Sandbox:
    """
    An embedded JSOC on this machine.

    It answers on 127.0.0.1 what the programs of JSOC answer: queries, exports with staging, files. Everything it
    knows is computed or stored; the same question gives the same answer on any machine.

    Parameters
    ----------
    catalog : path or Catalog, optional
        Directory with ``SERIES.definition.json``, ``SERIES.records.jsonl`` and ``sums.jsonl``, or a catalogue object;
        without one the well-known series of HMI, AIA, MDI and IRIS for the whole mission, whose images are small
        whatever their definitions say (256 pixels a side where the archive's have 4096), but for `pixels`.
    port : int
        Port to listen on, 0 for any free one.
    email : str or iterable of str
        Addresses that may export; `check_email` of others is False.
    staging_s : float
        Seconds of `clock` that an export takes; ``math.inf`` for until ``sandbox.staging.finish()``.
    faults : Fault, str, or iterable of them
        What goes wrong, see `Fault`.
    clock : callable, optional
        Unix time; a test may step it by hand. By default a fast one, thirty times as fast from the start on as
        ``time.time``, so that the minute of an export takes two seconds.
    pending_limit, host_limit : int
        Pending export requests that an address and a host may have, 0 for any number.
    record_limit : int
        From so many records on, JSOC answers a query with "series not found".
    shadow : bool, optional
        Whether series have tables of their newest records, as the big ones of JSOC do: it then refuses some conditions.
        By default the built-in series have them, and those of a stored catalogue do not.
    size_limit_mb : int
        Most megabytes of one export.
    max_connections : int
        Connections served at a time; further ones wait.
    ages : bool
        Whether the computed catalogue is what there was at the time of `clock`: a record is there a day after its time,
        and what was made anew is so forty days after it, under a new record number.
    pixels : int
        Width of the computed catalogue's full-disk images: 256, 512, 1024, 2048 or 4096, but no more than their
        definitions say. Patches and charts stay small.
    log : callable, optional
        Called with one line of text for each request; addresses are left out.

    Attributes
    ----------
    requests : deque of LoggedRequest
        The last 5000 requests.
    counts : Counter
        Requests by endpoint.
    staging : Staging
        Export requests; `finish`, `fail` and `expire` move them by hand.
    addresses : Addresses
        Registered addresses; `register` adds one.

    Raises
    ------
    RecordSetError
        If the catalogue cannot be read, a fault is not one, or there are no images of so many pixels.

    Examples
    --------
    >>> with Sandbox() as sandbox:
    ...     sandbox.client().count("hmi.M_720s[2014.01.01_TAI/1h]")
    5
    """

    def __init__(
        self,
        catalog: str | PathLike[str] | tables.Catalog | None = None,
        *,
        port: int = 0,
        email: str | Iterable[str] = "demo@example.com",
        staging_s: float = 60.0,
        faults: Iterable[Fault | str] | Fault | str = (),
        clock: Callable[[], float] | None = None,
        pending_limit: int = 1,
        host_limit: int = 10,
        record_limit: int = 75_000,
        shadow: bool | None = None,
        size_limit_mb: int = 100_000,
        max_connections: int = 128,
        ages: bool = False,
        pixels: int = 256,
        log: Callable[[str], object] | None = None,
    ) -> None:
        from .engine import Engine

        clock = clock or _fast_clock()
        addresses = [email] if isinstance(email, str) else list(email)
        self.email = addresses[0] if addresses else ""
        self.requests: deque[LoggedRequest] = deque(maxlen=MAX_LOGGED)
        self.counts: Counter[str] = Counter()
        self.addresses = Addresses(addresses, clock)
        self.staging = Staging(clock, staging_s, pending_limit=pending_limit, host_limit=host_limit)
        self._faults = Faults(faults)
        if pixels not in (256, 512, 1024, 2048, 4096):
            raise RecordSetError(
                f"pixels={pixels}: images are 256, 512, 1024, 2048 or 4096 pixels wide; name one of these"
            )
        series = _mission(clock if ages else None, pixels) if catalog is None else _catalog(catalog)
        engine = Engine(series, record_limit=record_limit, shadow=shadow)
        sums = tables.Sums(series)
        fetch = Fetch(engine, sums, self.staging, self.addresses, Limits(megabytes=size_limit_mb))
        self._app = App(engine, sums, fetch, self.addresses, self._faults, self.email)
        self._port, self._max_connections, self._log = whole("port", port, 0, 65535), max_connections, log
        self._server: HttpServer | None = None
        self._finalizer: Any = None  # a weakref.finalize, which takes parameters in type checkers only
        self._current, self._counting = threading.local(), threading.Lock()

    # ---- life
    def start(self) -> Sandbox:
        """
        Listen; returns the sandbox itself. Ends with `stop`, or with the process.

        Keep the sandbox, or a client of it, in a variable: one that nothing refers to is stopped.

        Examples
        --------
        >>> sandbox = Sandbox().start()
        >>> sandbox.client().count("hmi.M_720s[2014.01.01_TAI/1h]")
        5
        >>> sandbox.stop()
        """
        if self._server is None:
            # the server must not keep the sandbox alive: an unused one is then stopped by its finalizer
            me = weakref.ref(self)

            def handle(request: Request) -> Response:
                sandbox = me()
                return sandbox._handle(request) if sandbox else Response(503)

            def done(request: Request, status: int, sent: int) -> None:
                sandbox = me()
                if sandbox:
                    sandbox._sent(sent)

            try:
                server = HttpServer(handle, self._port, max_connections=self._max_connections, done=done)
            except OSError as error:
                said = (
                    f"port {self._port} cannot be had ({error.strerror}): choose another one, or 0 for any that is free"
                )
                raise JsocError(said) from error
            server.start()
            self._server = server
            self._finalizer = weakref.finalize(self, server.stop)
        return self

    def stop(self) -> None:
        """
        Close the port and all connections. Harmless when stopped already.

        Examples
        --------
        >>> sandbox = Sandbox().start()
        >>> sandbox.stop()
        >>> sandbox
        <Sandbox, not started>
        """
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            if self._finalizer is not None:
                self._finalizer.detach()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.url}>" if self._server else "<Sandbox, not started>"

    @property
    def url(self) -> str:
        """
        Where it listens: ``http://127.0.0.1:PORT/``.

        Raises
        ------
        JsocError
            If it is not started.

        Examples
        --------
        >>> with Sandbox() as sandbox:
        ...     print(sandbox.url)
        http://127.0.0.1:.../
        """
        if self._server is None:
            raise JsocError("the sandbox is not started; use 'with Sandbox() as sandbox:' or sandbox.start()")
        return f"http://127.0.0.1:{self._server.port}/"

    @property
    def errors(self) -> list[str]:
        """
        Tracebacks of requests on which the sandbox itself failed; clients saw HTTP 500.

        Examples
        --------
        >>> with Sandbox() as sandbox:
        ...     df = sandbox.client().query("hmi.M_720s[2014.01.01_TAI/1h]")
        ...     sandbox.errors
        []
        """
        return list(self._server.errors) if self._server else []

    # ---- using it
    def client(self, **options: Any) -> jsoclite.Client:
        """
        A `jsoclite.Client` of this sandbox with its first registered address; `options` as for `Client`.

        Examples
        --------
        >>> with Sandbox() as sandbox:
        ...     sandbox.client(retries=0).pkeys("hmi.M_720s")
        ['T_REC', 'CAMERA']
        """
        import jsoclite  # the one way back, as any user takes it

        client = jsoclite.Client(self.url, **({"email": self.email} | options))  # type: ignore[attr-defined, unused-ignore]
        weakref.finalize(client, id, self)  # which keeps the sandbox as long as there is the client
        return client  # type: ignore[no-any-return, unused-ignore]

    def drms_config(self, name: str = "sandbox") -> dict[str, str]:
        """
        Keyword arguments that make a `drms.ServerConfig` of this sandbox.

        Examples
        --------
        >>> import drms
        >>> with Sandbox() as sandbox:
        ...     theirs = drms.Client(server=drms.ServerConfig(**sandbox.drms_config()))
        ...     theirs.pkeys("hmi.M_720s")
        ['T_REC', 'CAMERA']
        """
        programs: dict[str, str] = schema.data("server")["drms"]
        return {"name": name, "cgi_baseurl": f"{self.url}cgi-bin/ajax/", "http_download_baseurl": self.url} | programs

    def add_fault(self, fault: Fault | str, endpoint: str | None = None, **options: Any) -> Fault:
        """
        Let something go wrong from now on.

        Parameters
        ----------
        fault : Fault or str
            A `Fault`; ``KIND@ENDPOINT:NTHxTIMES``; or a kind, with `endpoint` and `options` as for `Fault`.
        endpoint : str, optional
            See `Fault`.

        Returns
        -------
        Fault
            What was added.

        Raises
        ------
        RecordSetError
            For a kind or an endpoint that there is not.

        Examples
        --------
        >>> with Sandbox() as sandbox:
        ...     fault = sandbox.add_fault("503", "query", nth=1, retry_after=0)
        ...     found = sandbox.client().count("hmi.M_720s[2014.01.01_TAI/1h]")     # the second try works
        ...     (found, sandbox.fault_hits()[fault])
        (5, 1)
        """
        if isinstance(fault, str) and (endpoint is not None or options):
            fault = Fault(fault, endpoint or "*", **options)
        return self._faults.add(fault)

    def clear_faults(self) -> None:
        """
        Let everything go well again.

        Examples
        --------
        >>> with Sandbox(faults=["500@query"]) as sandbox:
        ...     sandbox.clear_faults()
        ...     sandbox.client(retries=0).count("hmi.M_720s[2014.01.01_TAI/1h]")
        5
        """
        self._faults.clear()

    def fault_hits(self) -> dict[Fault, int]:
        """
        How often each fault has hit.

        Examples
        --------
        >>> with Sandbox(faults=["reset@query:1x2"]) as sandbox:
        ...     found = sandbox.client().count("hmi.M_720s[2014.01.01_TAI/1h]")     # the third try works
        ...     list(sandbox.fault_hits().values())
        [2]
        """
        return self._faults.hits()

    # ---- requests
    def _handle(self, request: Request) -> Response:
        try:
            answer = self._app.handle(request)
        except Exception:
            self._remember(request, Answer(Response(500), "page"))
            raise
        self._remember(request, answer)
        return answer.response

    def _remember(self, request: Request, answer: Answer) -> None:
        params = {name[:100]: value[:MAX_VALUE] for name, value in list(answer.params.items())[:50]}
        headers = {name: value[:1000] for name, value in list(request.headers.items())[:50]}
        status, fault = answer.response.status, answer.fault.kind if answer.fault else ""
        path = request.path[:MAX_VALUE]
        logged = LoggedRequest(request.method, path, params, status, 0, answer.endpoint, fault, headers)
        self.requests.append(logged)
        with self._counting:
            self.counts[answer.endpoint] += 1
        self._current.request = logged

    def _sent(self, sent: int) -> None:
        """The answer to this thread's request has gone out."""
        logged: LoggedRequest = self._current.request
        logged.bytes = sent
        if self._log is not None:
            self._log(line(logged))


def _fast_clock() -> Callable[[], float]:
    start = time.time()
    return lambda: start + FAST * (time.time() - start)


def _catalog(catalog: str | PathLike[str] | tables.Catalog) -> tables.Catalog:
    from .catalog import StoredCatalog

    return catalog if isinstance(catalog, tables.Catalog) else StoredCatalog(str(catalog))


@cache
def _mission(now: Callable[[], float] | None, pixels: int) -> tables.Catalog:
    """The computed catalogue; without `now` it never changes: all sandboxes share one and what it has worked out."""
    from .mission import MissionCatalog
    from .sun import segment_file

    return MissionCatalog(segment_file, now, pixels)


def serve(port: int = 0, *, verbose: bool = False, until: threading.Event | None = None, **options: Any) -> None:
    """
    Run a sandbox until Ctrl-C, telling on standard output how to use it.

    Parameters
    ----------
    port : int
        Port to listen on, 0 for any free one.
    verbose : bool
        Whether to log each request on standard error.
    until : threading.Event, optional
        Ends it, too.
    **options
        As for `Sandbox`.
    """

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    until = until or threading.Event()
    with (
        Sandbox(port=port, log=tell if verbose else None, **options) as sandbox,
        contextlib.suppress(KeyboardInterrupt),
    ):
        shown = {"url": sandbox.url, "email": sandbox.email, "pixels": options.get("pixels", 256)}
        print(schema.file("greeting.txt").format(**shown), flush=True)
        while not until.wait(3600):
            pass
