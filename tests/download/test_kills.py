"""
Downloads that are killed at a random request, several times, and run again: nothing lost, nothing twice.

``JSOCLITE_KILLS=60 python -m pytest tests/download/test_kills.py`` for a long series; a few rounds of each run always.
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
    """
WAYS = {
    "four connections": "files = jsoclite.Client(url, email=email, connections=4).download(record_set, directory)",
    "four connections, staged": (
        "files = jsoclite.Client(url, email=email, connections=4).download(record_set, directory, protocol='fits')"
    ),
    "threads of one's own": (
        "files = jsoclite.Client(url).download(record_set, directory, "
        "executor=concurrent.futures.ThreadPoolExecutor(4))"
    ),
    "processes": (
        "files = jsoclite.Client(url, email=email).download(record_set, directory, protocol='fits', "
        "executor=concurrent.futures.ProcessPoolExecutor(2))"
    ),
    "an export's download": (
        "files = jsoclite.Client(url, email=email, connections=4).export(record_set).wait().download(directory)"
    ),
    "an archive": (
        "files = jsoclite.Client(url, email=email).export(record_set, method='url-tar').wait().download(directory)"
    ),
}
ROUNDS = -(-int(os.environ.get("JSOCLITE_KILLS", "6")) // len(WAYS))


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
        with Sandbox(staging_s=0.2) as sandbox:
            kills = sum(kill_at(sandbox, directory, way, dice.randint(1, 30)) for _ in range(dice.randint(1, 3)))
            last = start(sandbox, directory, way)
            out, err = last.communicate(timeout=90)
            assert last.returncode == 0, err
            assert set(out.split()) <= {"present", "downloaded"}
            assert len(out.split()) == 20
            files = sorted(directory.glob("*.fits"))
            assert len(files) == 20
            assert [looks_like_fits(path) for path in files] == [None] * 20
            assert not list(directory.glob("*.part*"))
            assert not list(directory.glob("*.tar"))
            sent = Counter(
                one.path for one in sandbox.requests if one.path.startswith("/SUM") and one.status in (200, 206)
            )
            # what was under way at a kill may be asked for again, with what it lacks
            assert sum(times - 1 for times in sent.values()) <= 4 * kills, (sent, kills)
            if "export" not in WAYS[way]:
                assert len(sandbox.staging) <= 1
        assert set(jsoclite.verify(directory).status) == {"whole"}
