"""sync, adopt, lock, diff, cite and what status says of an archive, on the command line."""

import calendar
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import jsoclite
from jsoclite.cli import main
from jsoclite.download.ledger import Claim, Ledger
from jsoclite.sandbox import Sandbox
from jsoclite.server import Clock

SET = "hmi.M_720s[2014.02.06_11:00_TAI/1h]{magnetogram}"


@pytest.fixture
def day():
    return [calendar.timegm((2014, 2, 10, 0, 0, 0))]


@pytest.fixture
def run(day, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Sandbox(ages=True, clock=lambda: day[0], staging_s=0) as sandbox:

        def call(*arguments):
            code = main(["--server", sandbox.url, "--email", sandbox.email, *arguments])
            out, err = capsys.readouterr()
            return code, out, err

        call.sandbox = sandbox
        yield call


def test_sync_says_one_line_a_run(run, day):
    line = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ data: hmi\.M_720s\[.*\]\{magnetogram\}: (.*)\n")
    code, out, _ = run("sync", SET, "-o", "data", "-k", "T_REC,DATAMEAN", "-q")
    assert code == 0
    assert line.fullmatch(out)[1] == "5 new, 0 replaced, 0 gone, 0 present"
    day[0] = calendar.timegm((2014, 3, 25, 0, 0, 0))
    code, out, _ = run("sync", SET, "-o", "data", "-k", "T_REC,DATAMEAN", "-q")
    assert line.fullmatch(out)[1] == "0 new, 2 replaced, 0 gone, 3 present"
    code, out, err = run("sync", SET, "-o", "data", "--delete", "--csv")
    assert "0 new" in err
    assert out.count("\n") == 6
    assert len(list(Path("data").glob("*.fits"))) == 5


def test_sync_counts_what_has_no_image_in_its_line(run):
    """A run of cron that ends well says nothing else; the reasons are in the ledger, and 'status' shows them."""
    dark = "hmi.M_720s[2011.01.11_20:00_TAI/3h]{magnetogram}"
    for _ in range(2):
        code, out, err = run("sync", dark, "-o", "data", "-q")
        assert (code, out.count("\n"), err) == (0, 1, "")
        assert out.endswith(" 1 missing\n")
    assert "1 x the record has no image" in run("status", "data")[1]


def test_exit_codes_of_sync(run):
    run.sandbox.add_fault("404", "file", nth=2, times=100)
    code, out, _ = run("sync", SET, "-o", "data", "-q")
    assert (code, "4 failed" in out) == (3, True)
    run.sandbox.clear_faults()
    assert run("sync", SET, "-o", "data", "-q")[0] == 0
    run.sandbox.add_fault("404", "info")
    code, _, err = run("sync", SET, "-o", "data", "-q")
    assert (code, "goes on working" in err) == (1, True)
    assert run("sync", "nonsense[", "-o", "data")[0] == 2


def test_a_run_that_finds_another_one_does_nothing(run):
    run("sync", SET, "-o", "data", "-q")
    before = len(run.sandbox.requests)
    with Claim.on("data", Clock()):
        code, out, err = run("sync", SET, "-o", "data", "-q")
    assert (code, out) == (4, "")
    assert "is at work there; nothing was done" in err
    assert len(run.sandbox.requests) == before
    assert run("sync", SET, "-o", "data", "-q")[0] == 0


def test_keywords_alone(run):
    code, out, _ = run("sync", SET, "-o", "data", "--no-files", "-k", "DATAMEAN")
    assert (code, "5 new" in out) == (0, True)
    assert not list(Path("data").glob("*.fits"))
    assert len(jsoclite.Archive("data").keywords("hmi.M_720s")) == 5


def test_lock_get_diff(run, day):
    run("sync", SET, "-o", "data", "-q")
    code, out, _ = run("lock", "data")
    assert (code, out.count("\n")) == (0, 9)
    Path("paper.lock").write_text(out)
    assert run("get", "paper.lock", "-o", "again", "-q")[0] == 0
    assert sorted(path.name for path in Path("again").glob("*.fits")) == sorted(
        path.name for path in Path("data").glob("*.fits")
    )
    code, out, err = run("diff", "paper.lock")
    assert (code, out, err.strip()) == (0, "", "nothing has changed")
    day[0] = calendar.timegm((2014, 3, 25, 0, 0, 0))
    code, out, err = run("diff", "paper.lock", "--csv")
    assert (code, err.strip()) == (3, "2 records have changed")
    assert "DATE" in out
    assert run("lock", "nowhere")[0] == 1
    code, _, err = run("diff", "data")
    assert (code, "cannot read the lock file data" in err) == (1, True)


def test_verify_repair(run):
    run("sync", SET, "-o", "data", "-q")
    spoilt = sorted(Path("data").glob("*.fits"))[0]
    spoilt.write_bytes(b"x" * 2880)
    assert run("verify", "data", "--repair")[0] == 3
    assert spoilt.with_name(spoilt.name + ".damaged").exists()
    assert "1 new" in run("sync", SET, "-o", "data", "-q")[1]
    assert run("verify", "data")[0] == 0


def test_adopt(run):
    run("get", SET, "-o", "theirs", "-p", "fits", "-q")
    Path("theirs/.jsoclite.sqlite").unlink()
    code, out, err = run("adopt", "theirs", "-o", "data")
    assert (code, out, err.strip()) == (0, "", "data: 5 adopted")
    code, out, err = run("get", SET, "-o", "data", "-q")
    assert "nothing was transferred" in err
    Path("theirs/page.fits").write_text("<html>")
    code, out, err = run("adopt", "theirs", "-o", "data")
    assert (code, "no whole FITS" in out) == (3, True)
    assert run("adopt", "nowhere", "-o", "data")[0] == 1


def test_get_compare(run):
    run("get", SET, "-o", "theirs", "-q")
    before = len(run.sandbox.requests)
    assert run("get", SET, "-o", "data", "--compare", "theirs", "-q")[0] == 0
    assert not [one for one in list(run.sandbox.requests)[before:] if one.endpoint == "file"]


def test_cite(run):
    run("get", SET, "-o", "data", "-q")
    Path("paper.lock").write_text(run("lock", "data")[1])
    code, out, _ = run("cite", "data", "paper.lock", "aia.lev1_euv_12s[2014.01.01_TAI/1m][171,304]", "mdi.fd_V")
    assert code == 0
    keys = re.findall(r"@misc\{([^,]+),", out)
    assert keys == ["hmi.M_720s", "aia.lev1_euv_12s.171", "aia.lev1_euv_12s.304", "mdi.fd_V"]


def test_status_shows_the_archive_the_last_sync_and_what_is_missing(run):
    run("sync", SET, "-o", "data", "-k", "DATAMEAN", "-q")
    run("sync", "hmi.M_720s[2011.01.11_20:00_TAI/3h]{magnetogram}", "-o", "data", "-q")
    code, out, _ = run("status", "data")
    assert code == 3
    assert "keywords of hmi.M_720s" in out
    assert re.search(r"synced 20\d\d-\d\d-\d\d \d\d:\d\d UTC: hmi\.M_720s\[2014.*: 5 new", out)
    assert re.search(r"not here: \d+ x the record has no image", out)


def test_the_ledger_can_be_read_with_pandas(run):
    run("sync", SET, "-o", "data", "-q")
    with sqlite3.connect("data/.jsoclite.sqlite") as ledger:
        files = pd.read_sql("select * from files", ledger)
        syncs = pd.read_sql("select record_set, said from syncs", ledger)
    ledger.close()
    assert len(files) == 5
    assert syncs.said.tolist() == ["5 new, 0 replaced, 0 gone, 0 present"]


def test_commands_that_ask_no_server_start_none(tmp_path):
    with Ledger(tmp_path):
        pass
    code = "import sys; from jsoclite.cli import main; main(['cite', 'hmi.M_720s']); print('requests' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "@misc{hmi.M_720s," in out
