"""
Downloads that are killed at a random request, several times, and run again: nothing lost, nothing twice, and nothing
of somebody else's.

``JSOCLITE_KILLS=60 python -m pytest tests/download/test_kills.py`` for a long series, 60 rounds of each way; one round
of each runs always.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

import jsoclite
from jsoclite.fits import looks_like_fits
from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"  # 20 files

HEAD = """
import concurrent.futures, sys, jsoclite
url, email, record_set, directory = sys.argv[1:]
if __name__ == "__main__":
    where = dict(directory=directory, on_error="ignore")
    """
WAYS = {
    "four connections": "files = jsoclite.Client(url, email=email, connections=4).download(record_set, **where)",
    "four connections, staged": (
        "files = jsoclite.Client(url, email=email, connections=4).download(record_set, protocol='fits', **where)"
    ),
    "four connections, folders": (
        "files = jsoclite.Client(url, email=email, connections=4).download(record_set, "
        "filename='{T_REC:%Y/%m}/{record}.{segment}', **where)"
    ),
    "threads of one's own": (
        "files = jsoclite.Client(url).download(record_set, executor=concurrent.futures.ThreadPoolExecutor(4), **where)"
    ),
    "processes": (
        "files = jsoclite.Client(url, email=email).download(record_set, protocol='fits', "
        "executor=concurrent.futures.ProcessPoolExecutor(2), **where)"
    ),
    "an export's download": (
        "files = jsoclite.Client(url, email=email, connections=4).export(record_set).wait().download(**where)"
    ),
    "an archive": (
        "files = jsoclite.Client(url, email=email).export(record_set, method='url-tar').wait().download(**where)"
    ),
}
ROUNDS = int(os.environ.get("JSOCLITE_KILLS", "1"))
# of the user's own: one has the name of a file that is wanted, one looks as if it was ours, one is neither
OWN = ("hmi.M_720s.20140101_010000_TAI.3.magnetogram.fits", "mine.fits.part", "notes.txt")


def start(sandbox, directory, way):
    code = HEAD + WAYS[way] + "\n    print(*files.status)"
    arguments = [sys.executable, "-c", code, sandbox.url, sandbox.email, SET, str(directory)]
    # a session of its own, so that its workers are killed with it
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_at(sandbox, directory, way, moment):
    """Start a download, and kill it when the sandbox has seen so many requests; return whether it was killed."""
    child = None
    killed = threading.Event()
    before = len(sandbox.requests)

    def watch(_line):
        if child is not None and not killed.is_set() and len(sandbox.requests) - before >= moment:
            killed.set()
            os.killpg(child.pid, signal.SIGKILL)

    sandbox._log = watch  # called as it answers: the child has asked, and has not read all of the answer yet
    child = start(sandbox, directory, way)
    child.communicate(timeout=90)
    sandbox._log = lambda line: None
    return killed.is_set()


@pytest.mark.parametrize("way", WAYS)
def test_killed_again_and_again(tmp_path, way):
    for round_ in range(ROUNDS):
        dice = random.Random(f"{way} {round_}")
        directory = tmp_path / str(round_)
        home = directory / "2014" / "01" if "filename=" in WAYS[way] else directory
        home.mkdir(parents=True)
        for name in OWN:
            (home / name).write_text(f"my own {name}")
        with Sandbox(staging_s=0.2) as sandbox:
            kills = sum(kill_at(sandbox, directory, way, dice.randint(1, 30)) for _ in range(dice.randint(1, 3)))
            last = start(sandbox, directory, way)
            out, err = last.communicate(timeout=90)
            assert last.returncode == 0, err
            assert set(out.split()) <= {"present", "downloaded", "failed"}
            assert len(out.split()) == 20
            assert out.split().count("failed") == 1  # there is a file of the user's own in its place
            assert [(home / name).read_text() for name in OWN] == [f"my own {name}" for name in OWN]
            files = sorted(path for path in home.iterdir() if path.name not in (*OWN, ".jsoclite.sqlite"))
            assert len(files) == 19
            assert {path.suffix for path in files} == {".fits"}
            assert [looks_like_fits(path) for path in files] == [None] * 19
            sent = Counter(
                one.path for one in sandbox.requests if one.path.startswith("/SUM") and one.status in (200, 206)
            )
            # what was under way at a kill may be asked for again, with what it lacks
            assert sum(times - 1 for times in sent.values()) <= 4 * kills, (sent, kills)
            if "export" not in WAYS[way]:
                assert len(sandbox.staging) <= 1
        assert Counter(jsoclite.verify(directory).status) == {"whole": 19, "planned": 1}
