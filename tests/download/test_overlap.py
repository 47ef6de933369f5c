"""Staging and files side by side, in time that all threads share: what several requests take in the end."""

import concurrent.futures
import contextlib
import queue
import threading

import pytest
from conftest import HandClock

import jsoclite
from jsoclite.download import download
from jsoclite.sandbox import Sandbox
from jsoclite.server import Transport

MINUTE, EACH = 60.0, 60


class SharedClock(HandClock):
    """A clock for several threads that sleep at once: it goes on when all of them do, to where the first wakes up."""

    def __init__(self, connections):
        super().__init__()
        self.main, self.connections = threading.current_thread(), connections
        self.tasks, self.idle, self.waking = 0, False, {}
        self.changed = threading.Condition()

    def sleep(self, seconds):
        me = threading.current_thread()
        with self.changed:
            self.waking[me] = self.time + seconds
            self._go_on()
            while me in self.waking:
                self.changed.wait()

    def _go_on(self):
        """Let time pass if nobody has anything to do in it."""
        idle = self.idle or self.main in self.waking
        fetching = len(set(self.waking) - {self.main})
        if self.waking and idle and fetching >= min(self.tasks, self.connections):
            self.time = max(self.time, min(self.waking.values()))
            self.waking = {who: when for who, when in self.waking.items() if when > self.time}
            self.changed.notify_all()

    def count(self, change):
        with self.changed:
            self.tasks += change
            self._go_on()

    @contextlib.contextmanager
    def waiting(self):
        """Let the main thread wait for others: for files, or for one of the connections that bring them."""
        if threading.current_thread() is self.main:
            with self.changed:
                self.idle = True
                self._go_on()
        try:
            yield
        finally:
            self.idle = self.idle and threading.current_thread() is not self.main


@pytest.fixture(params=[1, 4])
def shared(request, monkeypatch):
    """Make downloads over one and four connections, of files that take a minute for each request."""
    clock, body, opened = SharedClock(request.param), Transport.body, Transport.open

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def submit(self, *arguments, **options):
            clock.count(1)
            future = super().submit(*arguments, **options)
            future.add_done_callback(lambda _: clock.count(-1))
            return future

    def slow(self, response, **options):
        if "/SUM" in response.url:
            clock.sleep(MINUTE / EACH * clock.connections)
        return body(self, response, **options)

    class Queue(queue.SimpleQueue):
        def get(self, *arguments, **options):
            with clock.waiting():
                return super().get(*arguments, **options)

    @contextlib.contextmanager
    def free(self, *arguments, **options):
        with contextlib.ExitStack() as stack:
            with clock.waiting():
                response = stack.enter_context(opened(self, *arguments, **options))
            yield response

    monkeypatch.setattr(Transport, "body", slow)
    monkeypatch.setattr(Transport, "open", free)
    monkeypatch.setattr(download, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(download, "SimpleQueue", Queue)
    monkeypatch.setattr("jsoclite.selection.selection.MAX_ROWS", EACH)
    return clock


@pytest.fixture
def sandbox(shared):
    with Sandbox(clock=shared.now, staging_s=MINUTE) as made:
        yield made


def connect(sandbox, clock):
    made = jsoclite.Client(sandbox.url, email=sandbox.email, connections=clock.connections)
    made._clock = clock.clock
    return made


def minutes(client, clock, directory):
    """Download what takes three requests; return the minutes."""
    df = client.query("hmi.M_720s[2014.03.01_TAI/3d]", segments="magnetogram", keywords="QUALITY")
    rows = df[(df.QUALITY == 0) & df.online].head(3 * EACH)
    begin = clock.time
    files = client.download(rows, directory, protocol="fits", progress=False)
    assert (files.status == "downloaded").all()
    assert files.request_id.nunique() == 3
    return (clock.time - begin) / MINUTE


def test_three_requests_of_a_minute_and_a_minute_of_files_take_four(shared, sandbox, tmp_path):
    with connect(sandbox, shared) as client:
        assert 4 <= minutes(client, shared, tmp_path) <= 4.2


def test_what_somebody_else_has_staged_in_between_is_waited_for(shared, sandbox, tmp_path, monkeypatch):
    with connect(sandbox, shared) as client, connect(sandbox, shared) as other:
        body, theirs = Transport.body, []

        def intruding(self, response, **options):
            if "/SUM" in response.url and not theirs:
                theirs.append(other.export("hmi.M_720s[2014.01.01_TAI][3]{magnetogram}").submit())
            return body(self, response, **options)

        monkeypatch.setattr(Transport, "body", intruding)
        assert 5 <= minutes(client, shared, tmp_path) <= 6
    assert (
        len([entry for entry in sandbox.requests if entry.endpoint == "exp_request"]) > 4
    )  # one was refused: status 7
