"""The ledger: what is written stays written."""

import socket
import sqlite3
import time

import pandas as pd
import pytest

from jsoclite.download.download import Batch
from jsoclite.download.ledger import NAME, FileRow, Ledger, LedgerError, _lives
from jsoclite.errors import DownloadError, JsocError
from jsoclite.fits import looks_like_fits
from jsoclite.sandbox import Sandbox

ROW = FileRow("hmi.M_720s[2014.01.01_00:00:00_TAI][3]", 7, "magnetogram", "fits", "a.fits", bytes=2880)


def test_rows_survive(tmp_path):
    with Ledger(tmp_path / "new" / "dir") as ledger:
        request = ledger.add_request("http://x/", "s.a[1]", method="url", protocol="fits", process="", filename="f")
        ledger.save_files([FileRow(**{**ROW.__dict__, "request": request.key})])
        request.state, request.request_id = "pending", "JSOC_20260101_001"
        ledger.save_request(request)
    with Ledger(tmp_path / "new" / "dir") as ledger:
        (row,) = ledger.files([7, 8])
        assert row == FileRow(**{**ROW.__dict__, "request": request.key})
        assert ledger.requests() == [request]
        assert ledger.requests(state=("done",)) == []
        assert ledger.paths() == {"a.fits": ROW.key}


def test_a_transaction_is_all_or_nothing(tmp_path):
    with Ledger(tmp_path) as ledger:
        with pytest.raises(RuntimeError), ledger.transaction():  # noqa: PT012
            ledger.save_files([ROW])
            raise RuntimeError
        assert ledger.files() == []


def test_thousands_of_rows(tmp_path):
    rows = [FileRow(f"s.a[{n}]", n, "x", "fits", f"{n}.fits") for n in range(3000)]
    with Ledger(tmp_path) as ledger:
        ledger.save_files(rows)
        assert ledger.files(range(3000)) == rows
        assert ledger.files(range(3000), product="as-is") == []


def test_pandas_reads_it(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.save_files([ROW])
    connection = sqlite3.connect(tmp_path / NAME)
    assert list(pd.read_sql("select * from files", connection).recnum) == [7]
    connection.close()


def test_two_at_once(tmp_path):
    with Ledger(tmp_path) as one, Ledger(tmp_path) as two:
        one.save_files([ROW])
        assert two.files() == [ROW]


def test_what_cannot_be_a_ledger(tmp_path):
    with pytest.raises(JsocError, match="holds no ledger"):
        Ledger(tmp_path, create=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(JsocError, match="cannot write to directory"):
        Ledger(tmp_path / "file")
    (tmp_path / NAME).write_text("not a database, but long enough to be taken for one " * 40)
    with pytest.raises(JsocError, match="it is damaged. Move it away"):
        Ledger(tmp_path)
    (tmp_path / NAME).unlink()
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(JsocError, match="newer jsoclite"):
        Ledger(tmp_path)


def full(ledger):
    """A disk on which nothing more fits, as SQLite sees it."""
    (pages,) = ledger._db.execute("pragma page_count").fetchone()
    ledger._db.execute(f"pragma max_page_count = {pages}")


def locked(ledger):
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("begin exclusive")
    ledger._db.execute("pragma busy_timeout = 0")
    return other


def damaged(ledger):
    ledger._db.execute("drop table files")


@pytest.mark.parametrize(
    ("trouble", "words"), [(full, "make room"), (locked, "has it open"), (damaged, "Move it away")]
)
def test_trouble_is_said_with_its_cause_and_nothing_else_happens(tmp_path, trouble, words):
    with Ledger(tmp_path) as ledger:
        kept = trouble(ledger)
        rows = [FileRow(f"a.b[{n}]", n, "x" * 2000, "fits", f"{n}.fits") for n in range(200)]
        with pytest.raises(LedgerError, match=words) as caught:
            ledger.save_files(rows)
        assert str(ledger.path) in str(caught.value)
        assert not ledger._db.in_transaction
        if kept is not None:
            kept.close()


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("trouble", [full, locked])
def test_a_download_ends_with_a_manifest_when_the_ledger_cannot_be_written(tmp_path, monkeypatch, trouble, connections):
    kept = []
    batch = Batch.run

    def run(self, jobs, executor=None):
        kept.append(trouble(self.ledger))
        return batch(self, jobs, executor)

    monkeypatch.setattr(Batch, "run", run)
    monkeypatch.setattr("jsoclite.download.download.WRITE_EVERY_S", -1.0)
    day = "hmi.M_720s[2014.01.01_TAI/24h]{magnetogram}"
    with Sandbox() as sandbox, sandbox.client(connections=connections) as client:
        with pytest.raises((DownloadError, LedgerError), match="ledger") as caught:
            client.download(day, tmp_path)
        if trouble is full:  # a ledger that cannot even be read leaves nothing to tell
            files = caught.value.manifest
            assert len(files) == 120
            assert set(files.status) <= {"downloaded", "failed", "missing"}
        for one in kept:
            if one is not None:
                one.close()
        monkeypatch.undo()
        again = client.download(day, tmp_path, on_error="ignore")
        assert set(again.status) <= {"downloaded", "present", "missing"}
    assert [looks_like_fits(path) for path in tmp_path.glob("*.fits")] == [None] * len(list(tmp_path.glob("*.fits")))


@pytest.mark.parametrize("pid", [0, 1, -1])
@pytest.mark.parametrize(("beat", "lives"), [(0.0, True), (-1000.0, False), (1e9, False)])
def test_a_claim_of_nobody_or_from_the_future_is_no_claim(pid, beat, lives):
    now = time.time()
    assert _lives(socket.gethostname(), pid, now + beat, now) is lives
