"""A server that goes away in the middle: one wait, one line, one reason."""

import concurrent.futures
import functools
import itertools
import threading

import pytest
import requests

from jsoclite import Client, Sandbox
from jsoclite.download.outage import FEW, Outage
from jsoclite.download.transfer import fetch
from jsoclite.errors import DownloadError, ServerError
from jsoclite.export import OUTAGE_PATIENCE_S
from jsoclite.progress import Silence
from jsoclite.server import Transport

ROWS = "hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"  # 20 files


class Heeded(threading.Condition):
    """How many files have come, over all connections."""

    count = 0


HEEDED = Heeded()


@pytest.fixture(autouse=True)
def _counted(monkeypatch):
    heed, HEEDED.count = Outage.heed, 0

    def counting(self, task, outcome, *rest):
        found = heed(self, task, outcome, *rest)
        with HEEDED:
            HEEDED.count += not outcome.away
            HEEDED.notify_all()
        return found

    monkeypatch.setattr(Outage, "heed", counting)


class Line(requests.Session):
    """A line that breaks after some files, for a time of the clock (or for ever)."""

    def __init__(self, clock, after, until, fault=requests.exceptions.ConnectionError):
        super().__init__()
        self.clock, self.after, self.until, self.fault = clock, after, until, fault
        self.files = 0
        self.refused = []
        self.lock = threading.Lock()

    def send(self, request, **options):
        if "/SUM" in request.url or self.files > self.after:
            with self.lock:
                self.files += "/SUM" in request.url
            if self.files > self.after and self.clock.time < self.until:
                # tries take no time on a clock that is moved by hand: what is under way comes first, as it would
                with HEEDED:
                    assert HEEDED.wait_for(lambda: HEEDED.count >= self.after, timeout=60)
                self.refused.append(self.clock.time)
                if self.fault is None:
                    response = requests.Response()
                    response.status_code, response.url = 503, request.url
                    response.raw = functools.partial(bytes)
                    response.raw.close = response.raw.release_conn = lambda: None
                    return response
                raise self.fault(f"HTTPConnectionPool: Max retries exceeded with url: {request.url}")
        return super().send(request, **options)


class Said(Silence):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


def client_on(sandbox, hand_clock, line, **options):
    client = Client(sandbox.url, email="demo@example.com", session=line, **options)
    client.transport.clock = hand_clock.clock
    return client


@pytest.mark.parametrize("fault", [requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout, None])
@pytest.mark.parametrize("connections", [1, 4])
def test_the_files_go_on_when_the_server_is_back(sandbox, hand_clock, tmp_path, connections, fault):
    line = Line(hand_clock, 5, hand_clock.time + 600, fault)
    said = Said()
    client = client_on(sandbox, hand_clock, line, connections=connections)
    files = client.download(ROWS, tmp_path, progress=said)
    assert list(files.status) == ["downloaded"] * 20
    assert len(said.lines) == 2, said.lines
    assert said.lines[0].startswith(f"no answer from {sandbox.url.split('/')[2]} since 2")
    assert "answers again" in said.lines[1]
    # the tries of a few files, and then one probe a minute, not five tries for each of fifteen
    assert len(line.refused) <= 5 * (FEW + connections) + 600 / 15
    if connections == 1:
        late = [time for time in line.refused if time > line.refused[0] + 300]
        assert all(after - before >= 15 for before, after in itertools.pairwise(late))


@pytest.mark.parametrize("connections", [1, 4])
def test_files_end_together_when_it_stays_away(sandbox, hand_clock, tmp_path, connections):
    line = Line(hand_clock, 5, float("inf"))
    begin = hand_clock.time
    with pytest.raises(DownloadError) as caught:
        client_on(sandbox, hand_clock, line, connections=connections).download(ROWS, tmp_path)
    files = caught.value.manifest
    assert (files.status == "downloaded").sum() == 5
    reasons = set(files.error[files.status == "failed"])
    assert len(reasons) == 1, reasons
    assert "no answer from" in reasons.pop()
    assert "/SUM" not in str(caught.value)
    assert OUTAGE_PATIENCE_S < hand_clock.time - begin < OUTAGE_PATIENCE_S + 600
    # and the next run fetches the rest alone
    again = client_on(sandbox, hand_clock, Line(hand_clock, 99, 0)).download(ROWS, tmp_path)
    assert list(again.status) == ["present" if one == "downloaded" else "downloaded" for one in files.status]


def test_whoever_has_just_started_knows_at_once(sandbox, hand_clock, tmp_path):
    begin = hand_clock.time
    with pytest.raises(DownloadError, match="20 of 20 files failed: no answer from"):
        client_on(sandbox, hand_clock, Line(hand_clock, 0, float("inf"))).download(ROWS, tmp_path)
    assert hand_clock.time - begin < 60


def test_with_an_executor(sandbox, hand_clock, tmp_path, monkeypatch):
    line = Line(hand_clock, 5, hand_clock.time + 600)
    # workers elsewhere have a connection of their own; here they share the broken line
    client = client_on(sandbox, hand_clock, line)
    shared = functools.partial(fetch, transport=client.transport)
    monkeypatch.setattr("jsoclite.download.download.fetch_alone", shared)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        files = client.download(ROWS, tmp_path, executor=pool)
    assert list(files.status) == ["downloaded"] * 20


def test_a_few_files_that_are_broken_alone_hold_up_nobody(sandbox, hand_clock, tmp_path):
    """Two files that the server always breaks off are tried again at the end, and fail with their own reason."""
    first = client_on(sandbox, hand_clock, requests.Session()).query(ROWS, segments="magnetogram").magnetogram
    broken = {first.iloc[3].rpartition("/SUM")[2], first.iloc[4].rpartition("/SUM")[2]}

    class Picky(requests.Session):
        def send(self, request, **options):
            if request.url.rpartition("/SUM")[2] in broken:
                raise requests.exceptions.ConnectionError("reset")
            return super().send(request, **options)

    said = Said()
    with pytest.raises(DownloadError, match="2 of 20 files failed") as caught:
        client_on(sandbox, hand_clock, Picky()).download(ROWS, tmp_path, progress=said)
    assert list(caught.value.manifest.status.iloc[[3, 4]]) == ["failed"] * 2
    assert said.lines == []


def test_a_question_in_the_middle_outlasts_it_too(sandbox, hand_clock, tmp_path, monkeypatch):
    """Headers are asked for a chunk at a time: the second chunk meets the outage."""
    monkeypatch.setattr("jsoclite.download.sums.CHUNK", 4)
    line = Line(hand_clock, 3, hand_clock.time + 400)
    files = client_on(sandbox, hand_clock, line).download(ROWS, tmp_path)
    assert list(files.status) == ["downloaded"] * 20
    line = Line(hand_clock, 3, float("inf"))
    with pytest.raises(DownloadError) as caught:
        client_on(sandbox, hand_clock, line).download(ROWS, tmp_path / "b")
    assert (caught.value.manifest.status == "downloaded").sum() == 3


def test_a_first_question_without_an_answer_is_an_error_of_its_own(sandbox, hand_clock, tmp_path, monkeypatch):
    client = client_on(sandbox, hand_clock, requests.Session())
    rows = client.query(ROWS)

    def away(self, *arguments, **options):
        raise requests.exceptions.ConnectionError("refused")

    monkeypatch.setattr(Transport, "_send", away)
    with pytest.raises(ServerError, match="no answer from"):
        client.download(rows, tmp_path)
