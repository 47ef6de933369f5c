"""Downloads whose process is killed, or that meet another one in the same directory."""

import concurrent.futures
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from conftest import GOLDEN

from jsoclite.download.ledger import DEAD_AFTER_S, Claim, Holder, Ledger
from jsoclite.fits.files import looks_like_fits
from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/36m][3]{magnetogram}"

CHILD = """
import sys, jsoclite
url, email, record_set, directory, protocol, connections = sys.argv[1:]
client = jsoclite.Client(url, email=email, connections=int(connections))
files = client.download(record_set, directory, protocol=protocol)
print(*files.status)
"""


def start(sandbox, directory, protocol, connections=1):
    arguments = [
        sys.executable, "-c", CHILD, sandbox.url, sandbox.email, SET, str(directory), protocol, str(connections),
    ]  # fmt: skip
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


MOMENTS = [
    ("fits", "check_address", 1),
    ("fits", "exp_request", 1),
    ("fits", "exp_status", 1),
    ("fits", "file", 1),
    ("fits", "file", 2),
    ("fits", "file", 3),
    ("auto", "query", 1),
    ("auto", "query", 2),
    ("auto", "file", 1),
    ("auto", "file", 3),
]


@pytest.mark.parametrize(("protocol", "endpoint", "nth"), MOMENTS)
@pytest.mark.parametrize(("how", "connections"), [(signal.SIGKILL, 1), (signal.SIGKILL, 4), (signal.SIGINT, 1)])
def test_killed_at_any_moment_and_run_again(tmp_path, protocol, endpoint, nth, how, connections):
    with Sandbox(catalog=GOLDEN / "catalog", staging_s=0.2) as sandbox:
        child: list[subprocess.Popen] = []
        done = threading.Event()

        def watch(_line):
            # called by the sandbox as it answers: the child has asked, and has not read all of the answer yet
            if not done.is_set() and child and sandbox.counts[endpoint] >= nth:
                done.set()
                os.kill(child[0].pid, how)

        sandbox._log = watch
        child.append(start(sandbox, tmp_path, protocol, connections))
        child[0].communicate(timeout=60)
        if not done.is_set():
            assert child[0].returncode == 0, "the moment never came"
        again = start(sandbox, tmp_path, protocol, connections)
        out, err = again.communicate(timeout=60)
        assert again.returncode == 0, err
        assert set(out.split()) <= {"present", "downloaded"}
        # one export, however often it was asked for
        assert len(sandbox.staging) == (1 if protocol == "fits" else 0)
        files = sorted(tmp_path.glob("*.fits"))
        assert len(files) == 3
        assert [looks_like_fits(path) for path in files] == [None] * 3
        assert not list(tmp_path.glob("*.part*"))
        # files that were whole are not sent again; one a connection may have been cut
        sent = Counter(
            entry.path for entry in sandbox.requests if entry.path.startswith("/SUM") and entry.status in (200, 206)
        )
        assert set(sent.values()) <= {1, 2}
        assert sum(times > 1 for times in sent.values()) <= connections
    assert jsoclite_verify(tmp_path) == {"whole"}


def jsoclite_verify(directory):
    import jsoclite

    return set(jsoclite.verify(directory).status)


@pytest.mark.parametrize("protocol", ["auto", "fits"])
def test_two_processes_in_one_directory_do_not_fight(tmp_path, protocol):
    with Sandbox(catalog=GOLDEN / "catalog", staging_s=0.2) as sandbox:
        children = [start(sandbox, tmp_path, protocol) for _ in range(3)]
        for child in children:
            _, err = child.communicate(timeout=90)
            assert child.returncode == 0, err
        sent = Counter(entry.path for entry in sandbox.requests if entry.path.startswith("/SUM"))
        assert set(sent.values()) == {1}
        assert len(sent) == 3
        assert len(sandbox.staging) == (1 if protocol == "fits" else 0)


def test_threads_with_one_address_queue(tmp_path, monkeypatch):
    monkeypatch.setattr("jsoclite.export.queue.BLOCKED_RETRY_S", 0.1)  # a minute between two offers, at JSOC
    with (
        Sandbox(catalog=GOLDEN / "catalog", staging_s=0.1) as sandbox,
        concurrent.futures.ThreadPoolExecutor(3) as pool,
    ):
        runs = [
            pool.submit(
                sandbox.client().download,
                f"hmi.M_720s[2014.01.01_{hour}:00:00_TAI][3]{{magnetogram}}",
                tmp_path / hour,
                protocol="fits",
            )
            for hour in ("01", "02", "03")
        ]
        assert [set(run.result(60).status) for run in runs] == [{"downloaded"}] * 3
        assert len(sandbox.staging) == 3


def somebody_holds(directory, **options):
    with Ledger(directory) as theirs:
        theirs.hold(dataclasses.replace(Holder.me(), **options))


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path, hand_clock):
    with Ledger(tmp_path) as ledger:
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        somebody_holds(tmp_path, pid=gone.pid)
        with Claim(ledger, hand_clock.clock).held():
            assert ledger.holder().pid == os.getpid()
        assert ledger.holder() is None
        # one on another machine is believed for a while
        somebody_holds(tmp_path, host="elsewhere", beat=time.time() - DEAD_AFTER_S + 0.1)
        assert hand_clock.slept == []
        somebody_holds(tmp_path, host="elsewhere", beat=0.0)
        with Claim(ledger, hand_clock.clock).held():
            pass
        assert hand_clock.slept == []


def test_a_living_process_is_waited_for(tmp_path, hand_clock, caplog):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with Ledger(tmp_path) as ledger:
        somebody_holds(tmp_path, pid=other.pid, begun="")
        sleep = hand_clock.sleep

        def third_time(seconds):
            sleep(seconds)
            if len(hand_clock.slept) == 3:
                other.communicate(b"\n")

        hand_clock.sleep = third_time
        with Claim(ledger, hand_clock.clock).held():
            assert len(hand_clock.slept) == 3
        assert f"waiting for process {other.pid}" in caplog.text
