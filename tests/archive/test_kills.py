"""
Syncs that are killed at a random request and run again: the archive is that of a run without kills, nothing is fetched
twice.

``JSOCLITE_KILLS=40 python -m pytest tests/archive/test_kills.py`` for a long series; a few rounds run always.
"""

import calendar
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter

import pandas as pd

import jsoclite
from jsoclite.sandbox import Sandbox

# 18 records, of which JSOC makes some anew
SET = "hmi.M_720s[2014.02.06_09:00_TAI/216m]{magnetogram}"
CODE = """
import sys, jsoclite
url, email, record_set, directory = sys.argv[1:]
files = jsoclite.Client(url, email=email).sync(record_set, directory, keywords="T_REC,DATAMEAN,DATE")
print(*files.status)
"""
DAYS = (calendar.timegm((2014, 2, 10, 0, 0, 0)), calendar.timegm((2014, 3, 25, 0, 0, 0)))
ROUNDS = int(os.environ.get("JSOCLITE_KILLS", "6"))


def start(sandbox, directory):
    arguments = [sys.executable, "-c", CODE, sandbox.url, sandbox.email, SET, str(directory)]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_at(sandbox, directory, moment):
    """Start a run, and kill it when the sandbox has seen so many requests; return whether it was killed."""
    child, killed, before = None, threading.Event(), len(sandbox.requests)

    def watch(_line):
        if child is not None and not killed.is_set() and len(sandbox.requests) - before >= moment:
            killed.set()
            os.killpg(child.pid, signal.SIGKILL)

    sandbox._log = watch  # called as it answers: the child has asked, and has not read all of the answer yet
    child = start(sandbox, directory)
    child.communicate(timeout=90)
    sandbox._log = lambda line: None
    return killed.is_set()


def run(sandbox, directory):
    child = start(sandbox, directory)
    out, err = child.communicate(timeout=90)
    assert child.returncode == 0, err
    return Counter(out.split())


def content(directory):
    """What is in an archive: files with their bytes, keywords, what is current."""
    archive = jsoclite.Archive(directory)
    files = archive.files.sort_values(["record", "recnum"])
    return (
        {path.name: path.read_bytes() for path in directory.glob("*") if path.suffix == ".fits"},
        files[["recnum", "segment", "state", "bytes", "sha256"]],
        archive.keywords("hmi.M_720s", versions=True),
    )


def test_a_sync_that_was_killed_ends_as_one_that_was_not(tmp_path):
    day = [DAYS[0]]
    with Sandbox(ages=True, clock=lambda: day[0]) as sandbox:
        client = sandbox.client()
        for day[0] in DAYS:
            client.sync(SET, tmp_path / "whole", keywords="T_REC,DATAMEAN,DATE")
        wanted = content(tmp_path / "whole")
        kills = 0
        for round_ in range(ROUNDS):
            dice = random.Random(round_)
            directory = tmp_path / str(round_)
            sandbox.requests.clear()
            killed = 0
            for day[0], most in zip(DAYS, (22, 10), strict=True):
                killed += kill_at(sandbox, directory, dice.randint(1, most))
                assert set(run(sandbox, directory)) <= {"new", "replaced", "present"}
            kills += killed
            found = content(directory)
            assert found[0] == wanted[0]
            pd.testing.assert_frame_equal(found[1], wanted[1])
            pd.testing.assert_frame_equal(found[2], wanted[2])
            assert not list(directory.rglob("*.part*"))
            sent = Counter(one.path for one in sandbox.requests if one.endpoint == "file")
            # a file under way at a kill may be asked for again, with what it lacks
            assert sum(times - 1 for times in sent.values()) <= killed
            assert len(sent) == len(wanted[1])
        assert kills >= ROUNDS
