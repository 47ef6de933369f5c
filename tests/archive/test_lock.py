"""Lock files: the very same files again, and what JSOC has changed since."""

import pandas as pd
import pytest

import jsoclite
from jsoclite.archive import lock as module

SET = "hmi.M_720s[2014.02.06_11:00_TAI/1h]{magnetogram}"


def locked(sandbox, directory, record_set=SET, **options):
    sandbox.client().download(record_set, directory, **options)
    return jsoclite.Archive(directory).lock()


def test_a_lock_is_a_text_with_a_heading_and_a_line_a_file(sandbox, tmp_path):
    lock = locked(sandbox, tmp_path / "a")
    lines = str(lock).splitlines()
    assert lines[0] == "# jsoclite lock 1"
    assert sandbox.url.rstrip("/") in lines[1]
    assert "# hmi.M_720s: https://doi.org/10.48322/f9tw-dz15" in lines
    assert [len(line.split("\t")) for line in lines if not line.startswith("#")] == [6] * 5
    again = module.Lock.parse(str(lock))
    assert (again.server, again.date) == (lock.server, lock.date)
    assert again.files.equals(lock.files)
    assert str(again) == str(lock)


def test_datasum_is_what_astropy_computes(sandbox, tmp_path):
    from astropy.io import fits

    lock = locked(sandbox, tmp_path)
    for path, said in zip(jsoclite.Archive(tmp_path).files.path, lock.files.datasum, strict=True):
        with fits.open(path, disable_image_compression=True) as file:
            image = file[-1]
            assert str(image._calculate_datasum()) == said


@pytest.mark.parametrize("form", ["lock", "text", "file"])
def test_a_lock_brings_the_same_files_from_wherever_it_comes(sandbox, tmp_path, form):
    lock = locked(sandbox, tmp_path / "a")
    lock.write(tmp_path / "paper.lock")
    rows = {"lock": lock, "text": str(lock), "file": tmp_path / "paper.lock"}[form]
    files = sandbox.client().download(rows, tmp_path / "b")
    assert files.status.tolist() == ["downloaded"] * 5
    assert jsoclite.Archive(tmp_path / "b").lock().files.equals(lock.files)


def test_a_manifest_locks_its_own_files(sandbox, tmp_path, monkeypatch):
    client = sandbox.client()
    client.download(SET, tmp_path / "a", process=jsoclite.Rebin(0.25))  # others of the same records, beside them
    monkeypatch.chdir(tmp_path)
    files = client.download(SET, "a")
    other = client.download("hmi.M_720s[2014.02.07_TAI]{magnetogram}", "b")
    lock = files.iloc[[3, 1]].jsoc.lock()
    assert lock.files.index.tolist() == files.index[[3, 1]].tolist()
    assert lock.files["product"].tolist() == ["fits"] * 2
    whole = jsoclite.Archive("a").lock().files
    assert lock.files.equals(whole[whole["product"] == "fits"].loc[lock.files.index])
    both = pd.concat([files, other, files])
    both.to_csv("files.csv")
    assert len(both.jsoc.lock()) == 6
    assert str(pd.read_csv("files.csv", index_col="record").jsoc.lock().files) == str(both.jsoc.lock().files)
    assert client.download(lock, "c").status.tolist() == ["downloaded"] * 2
    with pytest.warns(jsoclite.JsocWarning, match="1 of 5 rows have no file"):
        assert len(files.assign(path=files.path.where(files.path != files.path.iloc[0])).jsoc.lock()) == 4
    with pytest.raises(jsoclite.SelectionError, match="column path"):
        client.query(SET).jsoc.lock()
    with pytest.raises(jsoclite.SelectionError, match=r"moved.fits is in no ledger"):
        files.assign(path=str(tmp_path / "moved.fits")).jsoc.lock()


def test_replaced_versions_come_by_their_number_and_differ_keyword_by_keyword(sandbox, today, tmp_path):
    lock = locked(sandbox, tmp_path / "a")
    client = sandbox.client()
    assert len(client.diff(lock)) == 0
    today.set(2014, 3, 25)
    files = client.download(lock, tmp_path / "b")
    assert files.status.tolist() == ["downloaded"] * 5
    assert jsoclite.Archive(tmp_path / "b").lock().files.equals(lock.files)
    changed = client.diff(lock)
    assert 0 < changed.index.nunique() < 5
    assert (changed.now > changed.recnum).all()
    assert "DATE" in set(changed.keyword)
    assert (changed.was != changed["is"]).all()


def test_versions_that_are_there_no_more_are_told(sandbox, today, tmp_path):
    lock = locked(sandbox, tmp_path / "a")
    today.set(2014, 2, 7)  # the records are not there yet
    client = sandbox.client()
    with pytest.warns(jsoclite.JsocWarning, match="do not exist at JSOC"):
        files = client.download(lock, tmp_path / "b")
    assert files.status.tolist() == ["missing"] * 5
    assert "is not in hmi.M_720s any more" in files.error.iloc[0]
    assert client.diff(lock)["is"].tolist() == ["JSOC has no such record any more"] * 5


def test_a_file_that_is_not_what_was_locked_is_told(sandbox, tmp_path):
    text = str(locked(sandbox, tmp_path / "a"))
    last = text.rstrip().rpartition("\t")[2]
    with pytest.warns(jsoclite.JsocWarning, match="1 of 5 files are not what was locked"):
        files = sandbox.client().download(text.replace(last, "7"), tmp_path / "b")
    assert files.error.notna().sum() == 1


def test_processed_files_need_their_steps(sandbox, tmp_path):
    step = jsoclite.Rebin(0.25)
    lock = locked(sandbox, tmp_path / "a", SET.replace("1h", "12m"), process=step)
    client = sandbox.client()
    with pytest.raises(jsoclite.JsocError, match="rebin.*process="):
        client.download(lock, tmp_path / "b")
    assert client.download(lock, tmp_path / "b", process=step).status.tolist() == ["downloaded"]
    assert jsoclite.Archive(tmp_path / "b").lock().files.equals(lock.files)


def test_segments_of_each_record_come_as_they_were_locked(sandbox, tmp_path):
    client = sandbox.client()
    client.download("hmi.B_720s[2014.02.06_TAI]{field,azimuth}", tmp_path / "a")
    client.download("hmi.B_720s[2014.02.06_00:12_TAI]{inclination}", tmp_path / "a")
    client.download("hmi.M_720s[2014.02.06_00:12_TAI]", tmp_path / "a")
    lock = jsoclite.Archive(tmp_path / "a").lock()
    files = client.download(lock, tmp_path / "b")
    assert sorted(files.segment) == ["azimuth", "field", "inclination", "magnetogram"]


@pytest.mark.parametrize("text", ["", "# jsoclite lock 2", "hmi.M_720s[2014.01.01_TAI]"])
def test_what_is_no_lock_says_so(text):
    with pytest.raises(jsoclite.JsocError, match="does not begin a lock file"):
        module.Lock.parse(text)


@pytest.mark.parametrize(
    "line", ["a b c", "hmi.M_720s\tx\thmi.M_720s[1]\tm\tfits\t1", "hmi.M\t1\thmi.V[1]\tm\tfits\t1"]
)
def test_a_line_that_cannot_be_read_is_named(line):
    with pytest.raises(jsoclite.JsocError, match="line 2 of the lock file"):
        module.Lock.parse(f"# jsoclite lock 1\n{line}\n")


def test_a_lock_that_is_not_there(sandbox, tmp_path):
    with pytest.raises(jsoclite.JsocError, match="cannot read the lock file"):
        sandbox.client().download(str(tmp_path / "none.lock"), tmp_path)
    with pytest.raises(jsoclite.JsocError, match="is no lock"):
        sandbox.client().diff("hmi.M_720s[2014.01.01_TAI]")
