"""The ledger: what is written stays written."""

import sqlite3

import pandas as pd
import pytest

from jsoclite.download.ledger import NAME, FileRow, Ledger
from jsoclite.errors import JsocError

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
    with pytest.raises(JsocError, match="if it is damaged, remove it"):
        Ledger(tmp_path)
    (tmp_path / NAME).unlink()
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(JsocError, match="newer jsoclite"):
        Ledger(tmp_path)
