"""
One download at a time in a directory.

Two that write the same ``.part`` would spoil it. Whoever comes second waits, and then finds most of its files there.
The claim is a row of the ledger, so it works wherever the ledger does; that of a dead process is taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..server.retry import Clock
from .ledger import Ledger

__all__ = ["Claim"]

log = logging.getLogger("jsoclite")

# A process on another machine cannot be asked whether it lives; it is taken for dead after this long without a sign.
DEAD_AFTER_S = 300.0
BEAT_EVERY_S = 10.0

# threads of this process
_directories: dict[Path, threading.Lock] = {}
_guard = threading.Lock()


class Claim:
    """
    The right to write into a directory.

    Parameters
    ----------
    ledger : Ledger
        Of the directory.
    clock : Clock
        Where the time comes from.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._me = (socket.gethostname(), os.getpid())
        self._beaten = 0.0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait until nobody else writes into the directory, and hold the claim meanwhile."""
        with _guard:
            lock = _directories.setdefault(self._ledger.directory.resolve(), threading.Lock())
        with lock:
            told = False
            while (other := self._take()) is not None:
                if not told:
                    log.warning("waiting for process %d on %s, which downloads to %s", *other, self._ledger.directory)
                    told = True
                self._clock.sleep(1.0)
            try:
                yield
            finally:
                self._ledger.release(self._me)

    def _take(self) -> tuple[int, str] | None:
        """Take the claim, or return who has it."""
        now = time.time()
        with self._ledger.transaction():
            held = self._ledger.holder()
            if held is not None and (held[0], held[1]) != self._me and _lives(*held, now):
                return held[1], held[0]
            self._ledger.hold(self._me, now)
        return None

    def beat(self) -> None:
        """Give a sign of life, now and then."""
        now = time.time()
        if now - self._beaten > BEAT_EVERY_S:
            self._beaten = now
            self._ledger.hold(self._me, now)


def _lives(host: str, pid: int, beat: float, now: float) -> bool:
    if host != socket.gethostname() or sys.platform == "win32":
        return now - beat < DEAD_AFTER_S
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
