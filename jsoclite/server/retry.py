"""What is worth trying again, and when: one loop for questions and files, in injected time."""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests
import urllib3

from .limits import FLOOR_BYTES_PER_S, FLOOR_WINDOW_S, LONGEST_WAIT_S, SlowAnswer

T = TypeVar("T")

log = logging.getLogger("jsoclite")

# 429 and 5xx speak of the moment, not of the request; 404 and 403 are final for queries.
TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Clock:
    """
    Time as an argument, so that tests never wait.

    Parameters
    ----------
    now : callable
        Seconds from an arbitrary start, never running backwards.
    sleep : callable
        Waits for the given seconds.
    chance : callable
        A random number in [0, 1), for jitter.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass
class Speedometer:
    """
    A floor on speed, and none on the total time.

    Parameters
    ----------
    clock : Clock
        Where the time comes from.
    window : float
        Seconds over which the speed is averaged.
    """

    clock: Clock
    window: float = FLOOR_WINDOW_S
    _since: float = field(init=False)
    _bytes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._since = self.clock.now()

    def add(self, count: int) -> None:
        """Count `count` more bytes; raise `SlowAnswer` when a whole window stayed below the floor."""
        self._bytes += count
        elapsed = self.clock.now() - self._since
        if elapsed >= self.window:
            if self._bytes < FLOOR_BYTES_PER_S * elapsed:
                raise SlowAnswer(
                    f"only {self._bytes} bytes in {elapsed:.0f} s, less than the floor of {FLOOR_BYTES_PER_S} bytes/s"
                )
            self._since, self._bytes = self.clock.now(), 0


class Again(Exception):
    """
    A try that failed, raised by what `repeat` calls.

    Parameters
    ----------
    error : Exception
        What is raised if there is no other try.
    told : object
        What the log says of it; by default the error.
    worth : bool
        Whether another try makes sense.
    headers : mapping, optional
        Of the answer: a server that asks to wait is heard.
    moved : bool
        Whether this try came further than the last one: the count of tries then starts anew.
    """

    def __init__(
        self,
        error: Exception,
        *,
        told: object = None,
        worth: bool = True,
        headers: Mapping[str, str] | None = None,
        moved: bool = False,
    ) -> None:
        super().__init__(str(told or error))
        self.error, self.worth, self.moved = error, worth, moved
        self.wait = retry_after(headers or {}) or 0.0


def repeat(attempt: Callable[[], T], tries: int, clock: Clock, name: str = "", *, until: float = math.inf) -> T:
    """
    Call until it does not raise `Again`.

    Parameters
    ----------
    attempt : callable
        What is tried; anything but `Again` that it raises ends the tries.
    tries : int
        Waits without any progress before giving up; they double.
    clock : Clock
        Where the time comes from.
    name : str
        What the log calls it.
    until : float
        When no other try begins any more.

    Raises
    ------
    Exception
        The error of the last try. "from None": causes hold whole URLs, and with them maybe e-mail addresses.
    """
    waits = backoff(tries, clock)
    while True:
        try:
            return attempt()
        except Again as again:
            if again.moved:
                waits = backoff(tries, clock)
            wait = next(waits, None) if again.worth else None
            wait = None if wait is None else max(wait, again.wait)
            if wait is None or clock.now() + wait >= until:
                raise again.error from None
            log.info("%s%s; next try in %.1f s", f"{name}: " if name else "", again, wait)
            clock.sleep(wait)


def backoff(tries: int, clock: Clock, *, base: float = 0.5, ceiling: float = 60.0) -> Iterator[float]:
    """Yield `tries` waits in seconds, doubling from `base` up to `ceiling`, each with up to a quarter of jitter."""
    for attempt in range(tries):
        yield min(ceiling, base * 2**attempt) * (1 + clock.chance() / 4)


def retry_after(
    headers: Mapping[str, str], now: Callable[[], float] = time.time, *, ceiling: float = LONGEST_WAIT_S
) -> float | None:
    """Return the seconds a server asks to wait (RFC 9110: number or date), at most `ceiling`; None if it is silent."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if re.fullmatch("[0-9]{1,18}", value):
        return min(float(value), ceiling)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - now()), ceiling)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def is_transient(error: BaseException | int) -> bool:
    """Whether the same request may succeed a little later, by its error or HTTP status; a bad certificate will not."""
    if isinstance(error, int):
        return error in TRANSIENT_STATUS
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError | requests.exceptions.ProxyError):
        return False
    return isinstance(
        error,
        SlowAnswer
        | requests.exceptions.ConnectionError
        | requests.exceptions.Timeout
        | requests.exceptions.ChunkedEncodingError
        | requests.exceptions.ContentDecodingError
        | urllib3.exceptions.HTTPError
        | ConnectionError
        | TimeoutError,
    )


def never_sent(error: BaseException) -> bool:
    """Whether the request surely did not reach the server, because no connection came about."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    seen: set[int] = set()
    stack: list[object] = [error]
    while stack:
        item = stack.pop()
        if id(item) in seen or item is None:
            continue
        seen.add(id(item))
        if isinstance(item, urllib3.exceptions.NewConnectionError | ConnectionRefusedError):
            return True
        if isinstance(item, BaseException):
            stack += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return False
