"""
Export requests and their states: who may submit, what is pending, when it is done, when it is gone.

Time comes from an injected clock, so a request moves only when the clock does or when a test says so.
"""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from .wanted import PlannedSteps, Wanted

#: Seconds for which an unfinished request counts as pending, an equal one is the same, and results are kept.
PENDING_S, DUPLICATE_S, KEEP_S = 3600.0, 86400.0, 7 * 86400.0
#: The server's constant guess of how long an export takes, in seconds.
WAIT_GUESS: Final = 10
#: Requests, and records in all of them together, that are remembered.
MAX_REQUESTS, MAX_RECORDS = 1000, 5_000_000
#: Number of the first export directory.
FIRST_NUMBER: Final = 900_000_001
#: `Staging.wait` of a request that has failed.
NEVER: Final = 999999


class State(enum.IntEnum):
    """Status of a request, as ``exp_status`` has it."""

    DONE = 0
    RUNNING = 1
    QUEUED = 2
    TOO_LARGE = 3
    FAILED = 4
    EXPIRED = 5


@dataclass(slots=True)
class StagedRequest:
    """
    One export request.

    Attributes
    ----------
    id : str
        ``JSOC_YYYYMMDD_NNNNNN``.
    address, peer : str
        Who asked, from where.
    wanted : Wanted
        What to export.
    megabytes : int
        Size of the files, at least 1.
    submitted, ready : float
        Unix time of the submission and of its end.
    number : int
        Number of its directory, never used twice.
    error : str or None
        Message of a failed request.
    steps : sequence
        Those wanted, as they are done.
    """

    id: str
    address: str
    peer: str
    wanted: Wanted
    megabytes: int
    submitted: float
    ready: float
    number: int
    forced: State | None = None
    error: str | None = None
    cancelled: bool = False
    steps: PlannedSteps = ()
    lock: threading.Lock = field(default_factory=threading.Lock)


class TooManyPending(Exception):
    """Another request of the address, or too many of the host, are pending; the text is the server's."""


class Staging:
    """
    The requests of one sandbox; safe for many threads.

    Parameters
    ----------
    clock : callable
        Unix time.
    seconds : float
        How long an export takes; ``math.inf`` for until `finish` is called.
    pending_limit, host_limit : int
        Pending requests that an address and a host may have; 0 for any number.
    """

    def __init__(
        self, clock: Callable[[], float], seconds: float, *, pending_limit: int = 1, host_limit: int = 10
    ) -> None:
        self.clock, self.seconds = clock, seconds
        self.pending_limit, self.host_limit = pending_limit, host_limit
        self._requests: dict[str, StagedRequest] = {}
        self._same: dict[str, str] = {}
        self._numbers: dict[int, StagedRequest] = {}
        self._next_number = itertools.count(FIRST_NUMBER)
        self._counter, self._day = itertools.count(1), ""
        self._lock = threading.RLock()

    # ---- submitting
    def admit(self, address: str, peer: str) -> None:
        """
        Check the limits on pending requests.

        Raises
        ------
        TooManyPending
            With the server's words; it is status 7.
        """
        waiting = self.pending()
        own = [request.id for request in waiting if request.address == address]
        if self.pending_limit and len(own) >= self.pending_limit:
            raise TooManyPending(
                f"User {address} has {len(own)} pending export requests ({', '.join(own)}); please wait until at least "
                "one request has completed before submitting a new one."
            )
        if self.host_limit and sum(request.peer == peer for request in waiting) >= self.host_limit:
            raise TooManyPending(
                f"There are too many requests from {peer}; please wait until one or more requests have completed "
                "before submitting a new one."
            )

    def same(self, wanted: Wanted) -> StagedRequest | None:
        """The request of the last 24 hours that asked for the same, None without one."""
        with self._lock:
            request = self._requests.get(self._same.get(wanted.signature, ""))
            if request is None or self.clock() - request.submitted > DUPLICATE_S:
                self._same.pop(wanted.signature, None)
                return None
            return request

    def new_id(self) -> str:
        """The next request id of the day (UT)."""
        with self._lock:
            day = time.strftime("%Y%m%d", time.gmtime(self.clock()))
            if day != self._day:
                self._day, self._counter = day, itertools.count(1)
            return f"JSOC_{day}_{next(self._counter):06d}"

    def submit(self, address: str, peer: str, wanted: Wanted, megabytes: int) -> StagedRequest:
        """Take a request in, after checking the limits on pending requests once more."""
        with self._lock:
            self.admit(address, peer)
            now, number = self.clock(), next(self._next_number)
            request = StagedRequest(self.new_id(), address, peer, wanted, megabytes, now, now + self.seconds, number)
            self._requests[request.id] = self._numbers[number] = request
            self._same[wanted.signature] = request.id
            self._forget()
            return request

    def _forget(self) -> None:
        """Drop the oldest finished requests where too many are remembered."""
        total = sum(len(request.wanted.records) for request in self._requests.values())
        for request in list(self._requests.values()):
            if len(self._requests) <= MAX_REQUESTS and total <= MAX_RECORDS:
                return
            if self.state(request) not in (State.RUNNING, State.QUEUED):
                total -= len(request.wanted.records)
                del self._requests[request.id], self._numbers[request.number]
                self._disown(request)

    def _disown(self, request: StagedRequest) -> None:
        signature = request.wanted.signature
        if self._same.get(signature) == request.id:
            del self._same[signature]

    # ---- looking
    def get(self, id: str) -> StagedRequest | None:
        """The request of that id, None without one."""
        return self._requests.get(id)

    def by_number(self, number: int) -> StagedRequest | None:
        """The request whose directory has that number, None without one."""
        return self._numbers.get(number)

    def state(self, request: StagedRequest) -> State:
        """
        State of a request now.

        A new request first waits to be copied into the export queue (status 1), is then queued (2), then runs (1).
        """
        if request.forced is not None and request.forced is not State.DONE:
            return request.forced
        now = self.clock()
        if request.forced is State.DONE or now >= request.ready:
            return State.EXPIRED if now - min(request.ready, now) > KEEP_S else State.DONE
        part = (now - request.submitted) / (request.ready - request.submitted)
        return State.QUEUED if 0.1 < part < 0.4 else State.RUNNING

    def wait(self, request: StagedRequest) -> int:
        """The server's guess of the seconds left; falls below 0, and is 999999 for what has failed."""
        if self.state(request) >= State.TOO_LARGE:
            return NEVER
        return WAIT_GUESS - int(self.clock() - request.submitted)

    def pending(self) -> list[StagedRequest]:
        """
        Requests younger than an hour that are neither done nor cancelled.

        One that has failed is among them: nobody takes its row out of the table (jsoc_export_manage.c).
        """
        with self._lock:
            now = self.clock()
            waiting = (State.RUNNING, State.QUEUED, State.FAILED)
            young = [one for one in self._requests.values() if now - one.submitted < PENDING_S and not one.cancelled]
            return [request for request in young if self.state(request) in waiting]

    def __len__(self) -> int:
        return len(self._requests)

    # ---- changing
    def cancel(self, address: str) -> list[str]:
        """Let an address submit again; its pending requests go on all the same. Their ids."""
        cancelled = [request for request in self.pending() if request.address == address]
        for request in cancelled:
            request.cancelled = True
        return [request.id for request in cancelled]

    def finish(self, id: str | None = None) -> None:
        """Complete one request, or all that are pending, at once."""
        with self._lock:
            for request in self._chosen(id):
                request.ready = min(request.ready, self.clock())

    def fail(self, id: str | None, error: str, state: State = State.FAILED) -> None:
        """Let one request, or all pending ones, fail with a message; asking for the same again gives a new one."""
        with self._lock:
            for request in self._chosen(id):
                request.forced, request.error = state, error
                self._disown(request)

    def expire(self, id: str) -> None:
        """Delete the files of a request, as JSOC does after seven days."""
        with self._lock:
            for request in self._chosen(id):
                request.forced = State.EXPIRED
                self._disown(request)

    def _chosen(self, id: str | None) -> list[StagedRequest]:
        if id is None:
            return [one for one in self._requests.values() if self.state(one) in (State.RUNNING, State.QUEUED)]
        try:
            return [self._requests[id]]
        except KeyError:
            raise KeyError(f"no export request {id!r}; there are {', '.join(self._requests) or 'none'}") from None
