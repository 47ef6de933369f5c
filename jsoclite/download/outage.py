"""A server that is away for a while: one wait for all files, and one line, in place of tries for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from ..errors import ServerError
from ..export import OUTAGE_PATIENCE_S
from ..progress import Progress
from ..server import Clock
from .transfer import Outcome, Task

T = TypeVar("T")

# So many files in a row without an answer, each tried as often as `Client(retries=)` says, speak of the server.
FEW = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 60.0


class Outage:
    """
    Waits for a server that has gone away in the middle, on behalf of all files of a download.

    After a few files without an answer, one of them is tried now and then; the others wait. When the server is back,
    they go on. After half an hour they end together, with one reason. Where nothing has come yet there is no wait:
    whoever has just started wants to know at once.

    Parameters
    ----------
    clock : Clock
        Where the time comes from.
    progress : Progress
        Where the line is shown.
    alive : callable
        Called between tries, to show that the download is alive.
    """

    def __init__(self, clock: Clock, progress: Progress, alive: Callable[[], None] = lambda: None) -> None:
        self._clock, self._progress, self._alive = clock, progress, alive
        self._probing = threading.Lock()
        self._heard = False
        self._failures = self._returns = 0
        self.reason = ""

    def fetch(self, task: Task, work: Callable[[Task], Outcome]) -> Outcome:
        """Fetch a file, once the server is there."""
        with self._probing:  # one probe for all
            returns = self._returns
        return Outcome(error=self.reason) if self.reason else self.heed(task, work(task), work, returns)

    def heed(self, task: Task, outcome: Outcome, work: Callable[[Task], Outcome], returns: int = -1) -> Outcome:
        """
        Look at what became of a file, and outlast an outage that shows in it.

        Parameters
        ----------
        task : Task
            The file.
        outcome : Outcome
            What became of it.
        work : callable
            Fetches it again.
        returns : int
            How often the server had come back when it was begun.
        """
        with self._probing:
            if not outcome.away:
                self._heard, self._failures = True, 0
                return outcome
            if self.reason:
                return Outcome(error=self.reason)
            if returns not in (-1, self._returns):  # it is back since
                return work(task)
            self._failures += 1
            if self._failures < FEW:
                return outcome
            last = outcome

            def probe() -> Outcome | None:
                nonlocal last
                last = work(replace(task, retries=0))
                return None if last.away else last

            return self._outlast(urlsplit(task.url).netloc.rpartition("@")[2], probe) or Outcome(error=self.reason)

    def ask(self, question: Callable[[], T]) -> T:
        """Ask, and outlast an outage in the middle of a download."""
        try:
            return question()
        except ServerError as error:
            if error.status not in (None, 429, 502, 503, 504) or not self._heard:
                raise
            last = error

        def probe() -> T | None:
            nonlocal last
            try:
                return question()
            except ServerError as error:
                last = error
                return None

        with self._probing:
            found = None if self.reason else self._outlast(urlsplit(last.url or "").netloc.rpartition("@")[2], probe)
        if found is None:
            raise last
        return found

    def _outlast(self, host: str, probe: Callable[[], T | None]) -> T | None:
        """Try now and then until there is an answer; after too long give the reason."""
        begin, wait = self._clock.now(), FIRST_WAIT_S
        said = f"no answer from {host} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        if self._heard:
            self._progress.say(f"{said}; trying again for {OUTAGE_PATIENCE_S / 60:.0f} minutes")
        while self._heard and self._clock.now() - begin < OUTAGE_PATIENCE_S:
            self._clock.sleep(wait)
            self._alive()
            if (found := probe()) is not None:
                self._failures, self._returns = 0, self._returns + 1
                self._progress.say(f"{host} answers again")
                return found
            wait = min(2 * wait, LONGEST_WAIT_S)
        self.reason = f"{said}; run the same line again later"
        return None
