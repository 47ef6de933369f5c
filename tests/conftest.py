"""What all tests share: no network but loopback, a clock that is moved by hand, the sandbox."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from pathlib import Path

import pytest

from jsoclite.server.retry import Clock

GOLDEN = Path(__file__).parent / "golden"
LIVE = Path(__file__).parent / "live"

# a shell starts what runs in the background with SIGINT ignored; programs that tests interrupt would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--server", help="ask this one the questions of tests/live, and nobody without it")


def pytest_ignore_collect(collection_path, config):
    return True if collection_path == LIVE and not config.getoption("--server") else None


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    """Tests that reach out of this machine fail."""
    connect = socket.socket.connect

    def guarded(self, address):
        # connecting a datagram socket sends nothing; Dask asks the kernel for the machine's own address that way
        stream = self.type == socket.SOCK_STREAM and self.family in (socket.AF_INET, socket.AF_INET6)
        if stream and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test wanted to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.delenv("JSOC_EMAIL", raising=False)
    monkeypatch.delenv("JSOCLITE_SERVER", raising=False)


@pytest.fixture(autouse=True)
def cache_home(monkeypatch, tmp_path_factory):
    """What is kept across runs goes to a directory that the test has for itself, and its child processes with it."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _a_wide_terminal(monkeypatch):
    """What is shown does not depend on where the tests run."""
    monkeypatch.setenv("COLUMNS", "160")


class HandClock:
    """A clock that runs only when somebody sleeps, and remembers how long they did."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()  # threads that sleep at once must not turn it back

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep, chance=lambda: 0.0)


@pytest.fixture
def hand_clock():
    return HandClock()
