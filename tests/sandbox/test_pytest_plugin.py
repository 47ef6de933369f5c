"""The plugin as other packages get it: by its entry point, in runs of pytest of their own."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jsoclite

ROOT = Path(jsoclite.__file__).parent.parent
CATALOG = Path(__file__).parent.parent / "golden" / "catalog"

THEIRS = """
import pytest
import jsoclite

def test_a_client(jsoc_client):
    assert jsoc_client.count("hmi.M_720s[2014.01.01_TAI/1d]") == {count}

@pytest.mark.jsoc(faults=["503@query:1"])
def test_a_mark(jsoc, jsoc_client):
    assert jsoc_client.count("hmi.M_720s[2014.01.01_TAI/1d]") == {count}
    assert len(jsoc.fault_hits()) == 1

def test_a_client_of_their_own(jsoc):
    with jsoclite.Client(cache=False) as client:
        assert client.check_email(jsoc.email)
        client.count("hmi.M_720s[2014.01.01_TAI/1d]")
    assert jsoc.counts["query"] == 1

def test_exports_are_ready(jsoc_client, tmp_path):
    export = jsoc_client.export("hmi.M_720s[2014.01.01_TAI][3]{{magnetogram}}").wait()
    assert len(export.ids) == 1
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run pytest where this package is installed, and no configuration of ours holds."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    installed = tmp_path / "site" / "jsoclite_of_this_test-0.dist-info"
    installed.mkdir(parents=True)
    installed.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: jsoclite_of_this_test\nVersion: 0\n")
    plugins = setup["options.entry_points"]["pytest11"]
    installed.joinpath("entry_points.txt").write_text(f"[pytest11]{plugins}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed.parent), str(ROOT)]))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.joinpath("pytest.ini").write_text("[pytest]\n")

    def pytest_of_theirs(text, *arguments):
        theirs.joinpath("test_theirs.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=theirs, timeout=300)

    return pytest_of_theirs


def test_fixtures_marks_and_clients_of_their_own(run):
    done = run(THEIRS.format(count=120))
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_a_catalogue_is_replayed(run):
    done = run(THEIRS.format(count=35), f"--jsoc-catalog={CATALOG}")
    assert done.returncode == 0, done.stdout
    done = run(THEIRS.format(count=35), "-o", f"jsoc_catalog={CATALOG}", "-k", "test_a_client")
    assert done.returncode == 0, done.stdout


def test_it_costs_nothing_where_it_is_not_used():
    code = (
        "import sys, pytest; before = set(sys.modules); import jsoclite.sandbox.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["jsoclite", "jsoclite.sandbox", "jsoclite.sandbox.pytest_plugin"]
