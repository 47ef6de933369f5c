"""Files that others have fetched: known again, read only, and not fetched twice."""

import contextlib
import os
import re
import shutil
import sqlite3
import sys
import urllib.request
from pathlib import Path

import pytest

import jsoclite
from jsoclite.download.ledger import FileRow, Ledger
from jsoclite.sandbox import Sandbox

DAY = "hmi.M_720s[2014.01.02_TAI/2h]{magnetogram}"


@pytest.fixture
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


def curl(sandbox, directory, record_set=DAY, filename="{seriesname}.{T_REC:A}.{CAMERA}.{segment}", **options):
    """Fetch files as the export page and curl would."""
    export = sandbox.client().export(record_set, filename=filename, **options).wait()
    directory.mkdir(parents=True, exist_ok=True)
    for url in export.urls:
        urllib.request.urlretrieve(url, directory / url.rpartition("/")[2])
    return directory


def fetched(sandbox):
    return [one for one in sandbox.requests if one.endpoint in ("file", "exp_request")]


def known(sandbox, directory, record_set=DAY):
    """Download the set into the directory; return what was there already, and what was fetched for it."""
    before = len(fetched(sandbox))
    files = sandbox.client().download(record_set, directory)
    return files.status.tolist(), len(fetched(sandbox)) - before


@pytest.mark.parametrize("how", ["link", "copy", "index"])
def test_files_of_an_export_are_known_and_the_originals_stay(sandbox, tmp_path, how):
    theirs = curl(sandbox, tmp_path / "theirs")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in theirs.iterdir()}
    adopted = jsoclite.Archive(tmp_path / "mine").adopt(theirs, how)
    assert adopted.status.tolist() == ["adopted"] * 10
    assert known(sandbox, tmp_path / "mine") == (["present"] * 10, 0)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in theirs.iterdir()} == before
    assert set(jsoclite.verify(tmp_path / "mine").status) == {"whole"}
    inside = {path.name for path in (tmp_path / "mine").glob("*.fits")}
    assert len(inside) == (0 if how == "index" else 10)
    # a second time
    assert jsoclite.Archive(tmp_path / "mine").adopt(theirs, how).status.tolist() == ["present"] * 10


def test_names_are_those_of_the_server_afterwards(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs")
    jsoclite.Archive(tmp_path / "mine").adopt(theirs)
    sandbox.client().download(DAY, tmp_path / "mine")
    assert sorted(jsoclite.Archive(tmp_path / "mine").files.index) == sorted(sandbox.client().query(DAY).index)


@pytest.mark.parametrize(
    ("record_set", "filename"),
    [
        ("hmi.sharp_cea_720s[377][2011.02.15_TAI/24m]{Br,bitmap}", "{seriesname}.{HARPNUM}.{T_REC:A}.{segment}"),
        ("aia.lev1_euv_12s[2014.01.01_TAI/24s][171,304]{image}", "{seriesname}.{T_REC:A}.{WAVELNTH}.{segment}"),
        ("mdi.fd_M_96m_lev182[2001.01.01_TAI/4h]", "{seriesname}.{T_REC:A}.{segment}"),
        (DAY, "{recnum:%d}"),
        (DAY, "{seriesname}.{recnum:%lld}.{segment}"),
    ],
)
def test_other_series_and_other_names(sandbox, tmp_path, record_set, filename):
    theirs = curl(sandbox, tmp_path / "theirs", record_set, filename)
    for path in list(theirs.iterdir()):
        if path.suffix != ".fits":
            path.rename(path.with_name(path.name + ".fits"))
    adopted = jsoclite.Archive(tmp_path / "mine").adopt(theirs)
    assert set(adopted.status) == {"adopted"}, adopted.reason.tolist()
    status, count = known(sandbox, tmp_path / "mine", record_set)
    assert set(status) == {"present"}
    assert count == 0


def test_files_that_drms_has_fetched(sandbox, tmp_path):
    drms = pytest.importorskip("drms")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    client = drms.Client(server=drms.ServerConfig(**sandbox.drms_config()), email=sandbox.email)
    request = client.export(DAY, method="url", protocol="fits")
    request.wait(sleep=0.1)
    request.download(str(theirs))
    adopted = jsoclite.Archive(tmp_path / "mine").adopt(theirs)
    assert adopted.status.tolist() == ["adopted"] * 10
    assert known(sandbox, tmp_path / "mine") == (["present"] * 10, 0)


@pytest.mark.parametrize("old", [False, True], ids=["with DRMS_ID", "of before 2018"])
def test_names_as_fido_leaves_them(sandbox, tmp_path, old):
    """JSOC's own names, and parfive's of a file that was there already (name.1.fits); a folder a series."""
    channels = "aia.lev1_euv_12s[2014.01.01_TAI/24s][171,304]{image}"
    theirs = tmp_path / "theirs"
    for record_set, name in ((DAY, "{seriesname}.{T_REC:A}.{CAMERA}.{segment}"),
                             (channels, "{seriesname}.{T_REC:A}.{WAVELNTH}.{segment}")):  # fmt: skip
        curl(sandbox, theirs / record_set.partition("[")[0], record_set, name)
    paths = sorted(theirs.rglob("*.fits"))
    assert len(paths) == 14
    for path in paths if old else ():
        without(path, "DRMS_ID", "PRIMARYK")
    shutil.copy(paths[0], paths[0].with_suffix(".1.fits"))
    shutil.copy(paths[-1], paths[-1].with_suffix("").with_name(f"{paths[-1].stem} (2).fits"))
    adopted = jsoclite.Archive(tmp_path / "mine").adopt(theirs)
    counts = adopted.status.value_counts().to_dict()
    assert counts == {"adopted": len(paths), "present": 2}, adopted.reason.dropna().tolist()
    for record_set in (DAY, channels):
        status, count = known(sandbox, tmp_path / "mine", record_set)
        assert (set(status), count) == ({"present"}, 0)


def test_files_that_lie_in_the_directory_itself(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path)
    assert jsoclite.Archive(theirs).adopt(theirs).status.tolist() == ["adopted"] * 10
    assert known(sandbox, theirs) == (["present"] * 10, 0)
    assert len(list(theirs.glob("*.fits"))) == 10


def test_a_sync_takes_adopted_files(sandbox, tmp_path):
    jsoclite.Archive(tmp_path / "mine").adopt(curl(sandbox, tmp_path / "theirs"))
    before = len(fetched(sandbox))
    sandbox.client().sync(DAY, tmp_path / "mine")
    assert len(fetched(sandbox)) == before


def test_of_two_names_of_one_record_the_servers_wins(sandbox, tmp_path):
    first = DAY.replace("2h", "12m")
    files = sandbox.client().download(first, tmp_path)
    with Ledger(tmp_path) as ledger:
        (row,) = ledger.files()
        other = FileRow(f"hmi.M_720s[:#{row.recnum}]", row.recnum, row.segment, row.product, "other.fits")
        ledger.save_files([other])
    assert known(sandbox, tmp_path, first) == (["present"], 0)
    assert sandbox.client().download(first, tmp_path).path.tolist() == files.path.tolist()


# -- older files, whose headers say less ------------------------------------------------------------------------------


def without(path, *names):
    """Blank cards of all headers of a file, as older exports lack them."""
    content = path.read_bytes()
    for name in names:
        content = re.sub(rb"%-8s= .{70}" % name.encode(), b" " * 80, content)
    path.write_bytes(content)


def test_before_2018_the_record_number_and_the_name_say_it(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs")
    for path in theirs.iterdir():
        without(path, "DRMS_ID", "PRIMARYK")
    assert jsoclite.Archive(tmp_path / "mine").adopt(theirs).status.tolist() == ["adopted"] * 10
    assert known(sandbox, tmp_path / "mine") == (["present"] * 10, 0)


def test_without_a_record_number_the_server_is_asked(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs")
    for path in theirs.iterdir():
        without(path, "DRMS_ID", "PRIMARYK", "RECNUM")
    archive = jsoclite.Archive(tmp_path / "mine")
    doubtful = archive.adopt(theirs)
    assert doubtful.status.tolist() == ["doubtful"] * 10
    assert doubtful.reason.str.contains("pass client=").all()
    assert archive.adopt(theirs, client=sandbox.client()).status.tolist() == ["adopted"] * 10
    assert known(sandbox, tmp_path / "mine") == (["present"] * 10, 0)


def test_a_file_made_at_another_time_is_another_version(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs", DAY.replace("2h", "12m"))
    (path,) = theirs.iterdir()
    without(path, "DRMS_ID", "PRIMARYK", "RECNUM")
    content = path.read_bytes()
    path.write_bytes(re.sub(rb"(DATE    = ')\d{4}", rb"\g<1>2013", content))
    found = jsoclite.Archive(tmp_path / "mine").adopt(theirs, client=sandbox.client())
    assert found.status.tolist() == ["doubtful"]
    assert "it was made 2013" in found.reason.iloc[0]


# -- what is in doubt -------------------------------------------------------------------------------------------------


def test_doubtful_files_are_listed_with_the_reason(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs", DAY.replace("2h", "12m"))
    (whole,) = theirs.iterdir()
    content = whole.read_bytes()
    (theirs / "hmi.M_720s.20140102_001200_TAI.3.magnetogram.fits").write_bytes(content[:-2880])
    (theirs / "page.fits").write_text("<html>")
    shutil.copy(whole, theirs / "hmi.M_720s.20140102_000000_TAI.3.continuum.fits")
    shutil.copy(whole, theirs / "image.fits")
    without(theirs / "image.fits", "DRMS_ID")
    curl(sandbox, theirs / "below", DAY.replace("2h", "12m"), process=jsoclite.Rebin(0.25))
    found = jsoclite.Archive(tmp_path / "mine").adopt(theirs)
    reasons = {Path(path).name: reason for path, reason in found.reason.items() if isinstance(reason, str)}
    by = {path.name: status for path, status in zip(map(Path, found.index), found.status, strict=True)}
    assert "no whole FITS" in reasons["page.fits"]
    assert "no whole FITS" in reasons["hmi.M_720s.20140102_001200_TAI.3.magnetogram.fits"]
    assert "its name says segment continuum" in reasons["hmi.M_720s.20140102_000000_TAI.3.continuum.fits"]
    assert "says of which series" in reasons["image.fits"]
    assert "made by processing steps" in found[found.index.str.contains("below")].reason.iloc[0]
    assert list(found.status).count("adopted") == 1
    assert set(by.values()) == {"adopted", "doubtful"}


def test_an_indexed_file_that_was_changed_or_removed_is_fetched(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs")
    jsoclite.Archive(tmp_path / "mine").adopt(theirs, how="index")
    first, second, *_ = sorted(theirs.iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    os.utime(second, (2e9, 2e9))  # it was written long after it was adopted
    spoilt = second.read_bytes()
    status, _ = known(sandbox, tmp_path / "mine")
    assert status == ["downloaded", "downloaded", *["present"] * 8]
    assert second.read_bytes() == spoilt
    assert not first.exists()


def test_a_linked_file_is_not_written_through(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs")
    before = {path: path.read_bytes() for path in theirs.iterdir()}
    jsoclite.Archive(tmp_path / "mine").adopt(theirs, how="link")
    sandbox.client().download(DAY, tmp_path / "mine", overwrite=True)
    assert {path: path.read_bytes() for path in theirs.iterdir()} == before


def test_a_name_that_is_taken_is_not_overwritten(sandbox, tmp_path):
    theirs = curl(sandbox, tmp_path / "theirs", DAY.replace("2h", "12m"))
    (path,) = theirs.iterdir()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / path.name).write_text("somebody's")
    jsoclite.Archive(mine).adopt(theirs)
    assert (mine / path.name).read_text() == "somebody's"
    assert known(sandbox, mine, DAY.replace("2h", "12m")) == (["present"], 0)


def test_arguments_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="how='move'"):
        jsoclite.Archive(tmp_path).adopt(tmp_path, how="move")
    with pytest.raises(jsoclite.JsocError, match="no file or directory"):
        jsoclite.Archive(tmp_path).adopt(tmp_path / "none")


# -- another archive --------------------------------------------------------------------------------------------------


def test_compare_takes_files_of_another_archive(sandbox, tmp_path):
    client = sandbox.client()
    theirs = client.download(DAY, tmp_path / "theirs")
    spoilt = Path(theirs.path.iloc[1])
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"x")
    Path(theirs.path.iloc[2]).unlink()
    before = len(fetched(sandbox))
    files = client.download(DAY, tmp_path / "mine", compare=tmp_path / "theirs")
    assert files.status.tolist() == ["present", "downloaded", "downloaded", *["present"] * 7]
    assert len(fetched(sandbox)) - before == 2
    assert set(jsoclite.verify(tmp_path / "mine").status) == {"whole"}
    assert not list((tmp_path / "mine").glob("*.part"))


def test_reading_an_archive_writes_nothing_and_waits_for_nobody(sandbox, tmp_path):
    """It may be a colleague's, who is writing into it."""
    client = sandbox.client()
    client.sync(DAY, tmp_path / "theirs", keywords="DATAMEAN")
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs" / ".jsoclite.sqlite")) as busy:
        busy.execute("begin immediate")  # whoever wants to write waits a minute, and fails
        archive = jsoclite.Archive(tmp_path / "theirs")
        assert len(archive.files) == len(archive.lock()) == len(archive.keywords("hmi.M_720s")) == 10
        assert archive.syncs.said.tolist() == ["10 new, 0 replaced, 0 gone, 0 present"]
        assert (archive.missing(), "10 files" in repr(archive)) == ({}, True)
        files = client.download(DAY, tmp_path / "mine", compare=tmp_path / "theirs")
    assert files.status.tolist() == ["present"] * 10


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_compare_wants_an_archive(sandbox, tmp_path):
    with pytest.raises(jsoclite.JsocError, match="holds no ledger"):
        sandbox.client().download(DAY, tmp_path / "mine", compare=tmp_path / "none")


def test_files_in_folders_of_the_archive_itself_stay_where_they_are(sandbox, tmp_path):
    line, name = "hmi.M_720s[2014.02.06_10:48_TAI/36m]{magnetogram}", "{T_REC:%Y/%m}/{T_REC}.{segment}"
    client = sandbox.client()
    files = client.download(line, tmp_path, filename=name)
    (tmp_path / ".jsoclite.sqlite").unlink()
    assert jsoclite.Archive(tmp_path).adopt(tmp_path).status.tolist() == ["adopted"] * len(files)
    assert sorted(map(str, tmp_path.rglob("*.fits"))) == files.path.tolist()
    again = client.download(line, tmp_path)
    assert again.status.unique().tolist() == ["present"]
    assert again.path.tolist() == files.path.tolist()
