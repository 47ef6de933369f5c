"""The ledger: what is written stays written."""

import errno
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from jsoclite.archive import Archive
from jsoclite.cli import main
from jsoclite.download import verify
from jsoclite.download.download import Batch
from jsoclite.download.ledger import DEAD_AFTER_S, NAME, ClaimLost, FileRow, Holder, Ledger, LedgerError
from jsoclite.errors import DownloadError, JsocError
from jsoclite.fits import looks_like_fits
from jsoclite.sandbox import Sandbox
from jsoclite.server import Transport

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
    assert replace(Holder.me(), pid=pid, beat=now + beat).lives(now) is lives


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="where there is no /proc, a number is all there is")
def test_a_number_that_another_process_has_now_is_no_sign_of_life():
    now = time.time()
    me = replace(Holder.me(), beat=now)
    assert me.lives(now)
    assert not replace(me, begun="1").lives(now)
    # in another container, or before the last boot, the number says nothing: the last sign of life does
    assert replace(me, place="another", pid=99999999).lives(now)
    assert not replace(me, place="another", beat=now - 2 * DEAD_AFTER_S).lives(now)


def test_a_zombie_downloads_nothing():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()  # it ends, and is not waited for
    holder = replace(Holder.me(), pid=child.pid, begun="")
    deadline = time.monotonic() + 10
    while holder.lives(time.time()) and time.monotonic() < deadline:
        pass
    assert not holder.lives(time.time())
    child.wait()
    child.stdout.close()


def test_windows_is_asked_without_a_signal(monkeypatch):
    """os.kill(pid, 0) would interrupt the other download there."""

    class Kernel:
        OpenProcess = staticmethod(lambda rights, inherit, pid: {7: 70, 8: 80}.get(pid, 0))
        WaitForSingleObject = staticmethod(lambda handle, ms: 0x102 if handle == 70 else 0)
        GetLastError = staticmethod(lambda: 87)
        CloseHandle = staticmethod(lambda handle: None)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("ctypes.windll", SimpleNamespace(kernel32=Kernel), raising=False)
    monkeypatch.setattr(os, "kill", lambda *arguments: pytest.fail("a signal was sent"))
    now = time.time()
    me = replace(Holder.me(), begun="", beat=0.0)
    assert [replace(me, pid=pid).lives(now) for pid in (7, 8, 9)] == [True, False, False]


def test_two_claims_of_one_process_are_told_apart(tmp_path):
    with Ledger(tmp_path) as first, Ledger(tmp_path) as second:
        first.hold(Holder.me())
        second.hold(Holder.me())
        with pytest.raises(ClaimLost, match="was taken over by process"):
            first.save_files([ROW])
        first.release()  # of what is not ours any more
        assert second.holder() is not None
        second.save_files([ROW])


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("protocol", ["auto", "fits"])
def test_who_was_taken_for_dead_ends_before_it_writes(tmp_path, monkeypatch, connections, protocol):
    """A laptop that slept for an hour: the other download has the directory, and goes on alone."""
    monkeypatch.setattr("jsoclite.download.ledger.BEAT_EVERY_S", -1.0)  # every sign of life looks at the claim
    with Sandbox(staging_s=0) as sandbox:
        client = sandbox.client(connections=connections)
        bodies = Transport.body
        count, taken = itertools.count(), threading.Event()

        def body(self, response, **options):
            for piece in bodies(self, response, **options):
                number = next(count) if "/SUM" in response.url else 0
                if number == 3:
                    with Ledger(tmp_path) as other:
                        other.hold(replace(Holder.me(), host="elsewhere"))
                    taken.set()
                elif number > 3:  # SQLite lets those who write often go first
                    taken.wait(60)
                yield piece

        monkeypatch.setattr(Transport, "body", body)
        with pytest.raises(DownloadError, match="was taken over by process .* on elsewhere") as caught:
            client.download("hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}", tmp_path, protocol=protocol)
        files = caught.value.manifest
        assert (files.status == "downloaded").sum() < 10
        written = {path.name for path in tmp_path.glob("*.fits")}
        assert len(written) <= (files.status == "downloaded").sum() + connections
        with Ledger(tmp_path) as ledger:
            assert ledger.holder().host == "elsewhere"


# -- somebody else's archive ------------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A directory with two files, of which nothing may be written any more; root may, hence the pretence."""
    with Sandbox(staging_s=0) as sandbox:
        client = sandbox.client()
        client.download("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", tmp_path / "archive")
    ledger, real = tmp_path / "archive" / NAME, os.open

    def guarded(path, flags, *more, **options):
        if Path(path) == ledger and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(guarded.errno, os.strerror(guarded.errno))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", guarded)
    guarded.before, guarded.errno = ledger.read_bytes(), errno.EACCES
    guarded.directory, guarded.ledger = ledger.parent, ledger
    yield guarded
    assert ledger.read_bytes() == guarded.before
    assert sorted(path.name for path in ledger.parent.glob(".*")) == [NAME]  # no journal either


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_directory_that_may_only_be_read_is_read(shared, number, tmp_path, capsys):
    shared.errno = number
    assert verify(shared.directory).status.tolist() == ["whole", "whole"]
    archive = Archive(shared.directory)
    assert archive.files.state.tolist() == ["current", "current"]
    assert len(str(archive.lock()).splitlines()) > 2
    assert main(["status", str(shared.directory)]) == 0
    assert "2 done" in capsys.readouterr().out
    with Sandbox(staging_s=0) as sandbox:
        rows = sandbox.client().download(
            "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", tmp_path / "mine", compare=shared.directory
        )
        assert rows.status.tolist() == ["present", "present"]  # copied, not fetched
        assert "file" not in {one.endpoint for one in sandbox.requests}
        with pytest.raises(JsocError, match=r"cannot write to directory .*choose another one, or .* chmod g\+rw"):
            sandbox.client().download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", shared.directory)


def test_a_file_that_cannot_be_read_is_broken_and_says_why(tmp_path, monkeypatch):
    with Sandbox(staging_s=0) as sandbox:
        sandbox.client().download("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", tmp_path)
    real, (lost, _) = Path.open, sorted(tmp_path.glob("*.fits"))

    def guarded(path, *arguments, **options):
        if path == lost:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", guarded)
    checked = verify(tmp_path)
    assert checked.status.tolist() == ["broken", "whole"]
    assert checked.reason.iloc[0] == "it cannot be read (Input/output error)"


@pytest.mark.skipif(os.name != "posix", reason="rights are other things there")
def test_its_owner_may_give_the_ledger_to_the_group(tmp_path):
    Ledger(tmp_path).close()
    for mode, left in ((0o640, 0o640), (0o660, 0o660), (0o666, 0o660), (0o604, 0o600)):
        (tmp_path / NAME).chmod(mode)
        Ledger(tmp_path).close()
        assert (tmp_path / NAME).stat().st_mode & 0o777 == left
