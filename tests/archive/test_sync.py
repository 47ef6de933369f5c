"""A set kept in step with a sandbox that ages: new, replaced, gone, present; and one question where nothing is new."""

import contextlib
import logging
import sqlite3
import subprocess
import sys
import weakref
from pathlib import Path

import pandas as pd
import pytest

import jsoclite
from jsoclite.errors import ServerError
from jsoclite.fits import looks_like_fits
from jsoclite.query.table import from_reply

# eight records; those from 11:27 on are made anew in March
DAY = "hmi.M_720s[2014.02.06_10:48_TAI-2014.02.06_12:12_TAI]{magnetogram}"
GROWS = "hmi.M_720s[2014.02.06_10:48_TAI-2014.12.31_TAI@6h]{magnetogram}"


def counts(manifest):
    return dict(manifest.status.value_counts())


def fits(directory):
    return sorted(path.name for path in Path(directory).glob("*.fits"))


def test_the_first_run_brings_all_and_the_next_asks_one_question(sandbox, asked, tmp_path):
    first = sandbox.client().sync(DAY, tmp_path)
    assert counts(first) == {"new": 8}
    assert first.columns.tolist() == ["segment", "path", "status", "bytes", "url", "request_id", "error"]
    asked()
    again = sandbox.client().sync(DAY, tmp_path)
    assert counts(again) == {"present": 8}
    assert again.path.tolist() == first.path.tolist()
    assert asked() == ["info"]


def test_what_was_added_is_new(sandbox, today, asked, tmp_path):
    client = sandbox.client()
    first = client.sync(GROWS, tmp_path)
    today.set(2014, 2, 11)
    asked()
    second = client.sync(GROWS, tmp_path)
    assert counts(second) == {"present": len(first), "new": 4}
    assert asked().count("file") == 4


def test_replaced_files_stay_beside_the_new_ones_under_names_of_their_own(sandbox, today, asked, tmp_path):
    client = sandbox.client()
    first = client.sync(DAY, tmp_path)
    before = {path: Path(path).read_bytes() for path in first.path}
    today.set(2014, 3, 25)
    asked()
    second = client.sync(DAY, tmp_path)
    replaced = second[second.status == "replaced"]
    assert counts(second) == {"replaced": 4, "present": 4}
    assert asked().count("file") == 4
    assert {path: Path(path).read_bytes() for path in first.path} == before
    assert len(fits(tmp_path)) == 12
    assert not set(replaced.path) & set(before)
    files = jsoclite.Archive(tmp_path).files
    assert files.state.value_counts().to_dict() == {"current": 8, "replaced": 4}
    assert set(files.path[files.state == "replaced"]) == set(first.loc[replaced.index].path)
    # nothing is told twice
    assert counts(client.sync(DAY, tmp_path)) == {"present": 8}
    assert len(fits(tmp_path)) == 12


def test_spelled_names_are_kept_and_what_was_made_anew_comes_beside(sandbox, today, asked, tmp_path):
    client, name = sandbox.client(), "{T_REC:%Y/%m}/{T_REC:%d_%H%M}.{DATAVALS}.{segment}"
    first = client.sync(DAY, tmp_path, filename=name)
    assert {Path(path).parent for path in first.path} == {tmp_path / "2014" / "02"}
    asked()
    assert counts(client.sync(DAY, tmp_path, filename=name)) == {"present": 8}
    assert asked() == ["info"]
    today.set(2014, 3, 25)
    second = client.sync(DAY, tmp_path, filename=name)
    assert counts(second) == {"replaced": 4, "present": 4}
    numbers = jsoclite.Archive(tmp_path).files.set_index("path").recnum
    new = second[second.status == "replaced"].path
    old = first.loc[new.index].path
    assert new.tolist() == [f"{path[:-5]}.r{numbers[path_new]}.fits" for path, path_new in zip(old, new, strict=True)]
    client.sync(DAY, tmp_path, filename=name, delete=True)
    assert not any(Path(path).exists() for path in old)
    assert all(Path(path).exists() for path in second.path)


@pytest.mark.parametrize("later", [False, True])
def test_delete_removes_what_was_replaced_also_in_an_earlier_run(sandbox, today, tmp_path, later):
    client = sandbox.client()
    client.sync(DAY, tmp_path)
    today.set(2014, 3, 25)
    if later:
        client.sync(DAY, tmp_path)
    client.sync(DAY, tmp_path, delete=True)
    assert len(fits(tmp_path)) == 8
    files = jsoclite.Archive(tmp_path).files
    assert set(files.state) == {"current"}
    assert sorted(Path(path).name for path in files.path) == fits(tmp_path)
    assert counts(client.sync(DAY, tmp_path)) == {"present": 8}


def test_delete_leaves_other_downloads_alone(sandbox, today, tmp_path):
    client = sandbox.client()
    old = client.query("hmi.M_720s[2014.02.06_13:00_TAI/1h]{magnetogram}")
    mine = client.download(old, tmp_path)
    today.set(2014, 3, 25)
    client.sync(DAY, tmp_path, delete=True)
    client.sync(DAY, tmp_path, delete=True)
    assert all(Path(path).exists() for path in mine.path)


def test_what_is_no_longer_listed_is_gone_and_stays_until_delete(sandbox, today, tmp_path):
    client = sandbox.client()
    first = client.sync(GROWS, tmp_path, keywords="T_REC,DATAMEAN")
    today.set(2014, 2, 9)  # records of the last day are not there yet: for the client they were withdrawn
    second = client.sync(GROWS, tmp_path, keywords="T_REC,DATAMEAN")
    gone = second[second.status == "gone"]
    assert len(gone) == 4
    assert all(Path(path).exists() for path in gone.path)
    archive = jsoclite.Archive(tmp_path)
    assert len(archive.keywords("hmi.M_720s")) == len(first) - 4
    assert archive.keywords("hmi.M_720s", versions=True).gone.sum() == 4
    client.sync(GROWS, tmp_path, delete=True)
    assert not any(Path(path).exists() for path in gone.path)
    assert "gone" not in counts(client.sync(GROWS, tmp_path))
    today.set(2014, 2, 10)
    assert counts(client.sync(GROWS, tmp_path))["new"] == 4


def test_a_record_that_comes_back_is_new_and_gone_no_more(sandbox, today, tmp_path):
    client = sandbox.client()
    client.sync(GROWS, tmp_path, keywords="DATAMEAN")
    today.set(2014, 2, 9)
    assert counts(client.sync(GROWS, tmp_path))["gone"] == 4
    assert counts(client.sync(GROWS, tmp_path))["gone"] == 4
    today.set(2014, 2, 10)
    assert counts(client.sync(GROWS, tmp_path))["new"] == 4
    assert not jsoclite.Archive(tmp_path).keywords("hmi.M_720s", versions=True).gone.any()
    assert set(counts(client.sync(GROWS, tmp_path))) == {"present"}


def test_delete_keeps_an_old_file_whose_new_one_did_not_come(sandbox, today, tmp_path):
    client = sandbox.client(retries=0)
    first = client.sync(DAY, tmp_path)
    today.set(2014, 3, 25)
    sandbox.add_fault("404", "file", nth=2, times=100)
    client.sync(DAY, tmp_path, delete=True, on_error="ignore")
    assert len(fits(tmp_path)) == 8
    assert sum(Path(path).exists() for path in first.path) == 4 + 3
    sandbox.clear_faults()
    client.sync(DAY, tmp_path, delete=True)
    assert len(fits(tmp_path)) == 8
    assert sum(Path(path).exists() for path in first.path) == 4


def test_a_server_that_lists_nothing_removes_nothing(sandbox, today, tmp_path):
    client = sandbox.client()
    client.sync(DAY, tmp_path)
    today.set(2014, 2, 1)
    with pytest.raises(jsoclite.JsocError, match="lists no record .* nothing was removed"):
        client.sync(DAY, tmp_path, delete=True)
    assert len(fits(tmp_path)) == 8


def test_a_file_that_was_lost_comes_back(sandbox, asked, tmp_path):
    client = sandbox.client()
    first = client.sync(DAY, tmp_path)
    Path(first.path.iloc[3]).unlink()
    asked()
    assert counts(client.sync(DAY, tmp_path)) == {"present": 7, "new": 1}
    assert asked() == ["info", "query", "file"]


def test_verify_with_repair_lets_the_next_run_bring_what_is_damaged(sandbox, tmp_path):
    client = sandbox.client()
    first = client.sync(DAY, tmp_path)
    spoilt = Path(first.path.iloc[2])
    spoilt.write_bytes(spoilt.read_bytes()[:-2880] + b"x" * 2880)
    archive = jsoclite.Archive(tmp_path)
    assert archive.verify().status.value_counts().to_dict() == {"whole": 7, "changed": 1}
    archive.verify(repair=True)
    assert spoilt.with_name(spoilt.name + ".damaged").exists()
    assert counts(client.sync(DAY, tmp_path)) == {"present": 7, "new": 1}
    assert set(archive.verify().status) == {"whole"}


def test_failed_files_are_tried_again_and_records_without_images_are_not(sandbox, asked, tmp_path):
    client = sandbox.client(retries=0)
    sandbox.add_fault("404", "file", nth=2)
    with pytest.raises(jsoclite.DownloadError):
        client.sync(DAY, tmp_path)
    sandbox.clear_faults()
    assert counts(client.sync(DAY, tmp_path)) == {"present": 7, "new": 1}


def test_what_has_no_image_is_missing_and_not_asked_for_again(sandbox, asked, tmp_path):
    client = sandbox.client()
    dark = "hmi.M_720s[2011.01.11_20:00_TAI/3h]{magnetogram}"
    with pytest.warns(jsoclite.JsocWarning, match="no image"):
        first = client.sync(dark, tmp_path)
    assert counts(first)["missing"] > 0
    asked()
    with pytest.warns(jsoclite.JsocWarning, match="no image"):
        again = client.sync(dark, tmp_path)
    assert counts(again)["missing"] == counts(first)["missing"]
    assert asked() == ["info"]


def test_steps_are_kept_in_step_too(sandbox, asked, tmp_path):
    client = sandbox.client()
    step = jsoclite.Rebin(0.25)
    first = client.sync(DAY, tmp_path, process=step)
    assert counts(first) == {"new": 8}
    asked()
    assert counts(client.sync(DAY, tmp_path, process=step)) == {"present": 8}
    assert asked() == ["info"]


def test_a_server_that_gives_no_highest_number_is_asked_for_the_list(sandbox, today, tmp_path, monkeypatch):
    client = sandbox.client()
    renewed = client._queries.renewed

    def without(series):
        info = renewed(series)
        info.interval = {}
        return info

    monkeypatch.setattr(client._queries, "renewed", without)
    client.sync(DAY, tmp_path)
    assert counts(client.sync(DAY, tmp_path)) == {"present": 8}
    today.set(2014, 3, 25)
    assert counts(client.sync(DAY, tmp_path)) == {"present": 4, "replaced": 4}


def test_two_sets_share_a_directory_and_what_others_brought_is_no_news(sandbox, asked, tmp_path):
    client = sandbox.client()
    client.download(DAY, tmp_path)
    asked()
    assert counts(client.sync(DAY, tmp_path)) == {"new": 8}  # to this set
    assert "file" not in asked()
    assert counts(client.sync("hmi.M_720s[2014.02.07_TAI/24m]{magnetogram}", tmp_path)) == {"new": 2}
    assert counts(client.sync(DAY, tmp_path)) == {"present": 8}
    assert jsoclite.Archive(tmp_path).syncs.record_set.tolist() == [
        DAY.partition("{")[0],
        "hmi.M_720s[2014.02.07_TAI/24m]",
    ]


def test_an_empty_set_is_no_error(sandbox, today, tmp_path):
    today.set(2014, 2, 1)
    client = sandbox.client()
    assert len(client.sync(DAY, tmp_path, keywords="DATAMEAN")) == 0
    today.set(2014, 2, 10)
    assert counts(client.sync(DAY, tmp_path, keywords="DATAMEAN")) == {"new": 8}


def test_a_run_logs_one_line_that_says_what_came(sandbox, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "jsoclite"):
        sandbox.client().sync(DAY, tmp_path)
    said = [one.message for one in caplog.records if "8 new, 0 replaced, 0 gone, 0 present" in one.message]
    assert len(said) == 1
    assert str(tmp_path) in said[0]


# -- keywords beside the files ----------------------------------------------------------------------------------------


def test_keywords_alone_need_no_files(sandbox, today, asked, tmp_path):
    client = sandbox.client()
    first = client.sync(DAY, tmp_path, segments=[], keywords="T_REC,DATAMEAN,DATE")
    assert counts(first) == {"new": 8}
    assert "file" not in asked()
    archive = jsoclite.Archive(tmp_path)
    before = archive.keywords("hmi.M_720s")
    today.set(2014, 3, 25)
    assert counts(client.sync(DAY, tmp_path, segments=[], keywords="T_REC,DATAMEAN,DATE"))["replaced"] == 4
    after = archive.keywords("HMI.m_720s")
    assert after.index.equals(before.index)
    assert (after.recnum != before.recnum).sum() == 4
    every = archive.keywords("hmi.M_720s", versions=True)
    assert len(every) == 12
    old = every[every.replaced_by.notna()]
    assert set(old.replaced_by) == set(after.recnum[after.recnum != before.recnum])
    pd.testing.assert_frame_equal(before.loc[old.index, ["recnum", "DATE"]], old[["recnum", "DATE"]], check_dtype=False)


def test_the_table_is_what_a_query_gives(sandbox, tmp_path):
    client = sandbox.client()
    names = ["T_REC", "QUALITY", "DATAMEAN", "CAMERA", "T_OBS", "HISTORY"]
    client.sync(DAY, tmp_path, segments=[], keywords=names)
    asked_for = client.query(DAY.partition("{")[0], keywords=names)
    pd.testing.assert_frame_equal(jsoclite.Archive(tmp_path).keywords("hmi.M_720s"), asked_for)


def test_a_sync_of_keywords_alone_leaves_files_of_others(sandbox, today, tmp_path):
    client = sandbox.client()
    for day in ((2014, 2, 10), (2014, 3, 25)):  # some are replaced
        today.set(*day)
        files = client.sync(DAY, tmp_path)
        client.sync(GROWS, tmp_path, segments=[], keywords="DATAMEAN", delete=True)
    mine = client.sync(GROWS, tmp_path)
    assert len(fits(tmp_path)) == 12 + len(mine) - 1  # one is in both
    today.set(2014, 2, 9)  # some are gone
    gone = client.sync(GROWS, tmp_path, segments=[], delete=True)
    assert counts(gone)["gone"] > 0
    assert all(Path(path).exists() for path in (*files.path, *mine.path))


def test_another_keyword_is_added_to_all_records(sandbox, tmp_path):
    client = sandbox.client()
    client.sync(DAY, tmp_path, segments=[], keywords="DATAMEAN")
    client.sync(DAY, tmp_path, segments=[], keywords="DATAMEAN,DATARMS")
    found = jsoclite.Archive(tmp_path).keywords("hmi.M_720s")
    assert found.columns.tolist() == ["recnum", "time", "DATAMEAN", "DATARMS"]
    assert found.notna().all().all()


def test_a_run_for_more_keywords_that_fails_leaves_nothing_gone(sandbox, tmp_path, monkeypatch):
    client = sandbox.client()
    client.sync(DAY, tmp_path, keywords="DATAMEAN")

    def fails(*_):
        raise OSError("no space")

    with monkeypatch.context() as broken:
        broken.setattr("jsoclite.archive.table.Table.add", fails)
        with pytest.raises(OSError, match="no space"):
            client.sync(DAY, tmp_path, keywords="DATAMEAN,DATARMS")
    assert counts(client.sync(DAY, tmp_path, keywords="DATAMEAN")) == {"present": 8}


def test_keywords_that_were_kept_once_are_kept_on(sandbox, today, tmp_path):
    client = sandbox.client()
    first = client.sync(GROWS, tmp_path, keywords="DATAMEAN,DATARMS")
    today.set(2014, 2, 11)
    client.sync(GROWS, tmp_path)
    today.set(2014, 2, 12)
    client.sync(GROWS, tmp_path, keywords="DATAMEAN")
    kept = jsoclite.Archive(tmp_path).keywords("hmi.M_720s")
    assert len(kept) == len(first) + 8
    assert kept.notna().all().all()


def test_keywords_grow_beside_the_files(sandbox, today, asked, tmp_path):
    client = sandbox.client()
    client.sync(GROWS, tmp_path, keywords="DATAMEAN")
    today.set(2014, 2, 11)
    asked()
    client.sync(GROWS, tmp_path, keywords="DATAMEAN")
    assert len(jsoclite.Archive(tmp_path).keywords("hmi.M_720s")) == len(fits(tmp_path))


# -- when JSOC is away ------------------------------------------------------------------------------------------------


def test_while_jsoc_is_away_the_error_says_since_when_and_what_is_at_hand(sandbox, tmp_path):
    client = sandbox.client(retries=0)
    client.sync(DAY, tmp_path, keywords="DATAMEAN")
    sandbox.add_fault("500", "info")
    with pytest.raises(ServerError) as caught:
        client.sync(DAY, tmp_path, keywords="DATAMEAN")
    text = str(caught.value)
    year = jsoclite.Archive(tmp_path).last_sync().year
    assert f": {year}-" in text
    assert "not these records" in text
    assert "gov-nasa-hdrl-data1" in text
    archive = jsoclite.Archive(tmp_path)
    assert len(archive.keywords("hmi.M_720s")) == 8
    assert [looks_like_fits(path) for path in archive.files.path] == [None] * 8
    sandbox.clear_faults()
    assert counts(client.sync(DAY, tmp_path)) == {"present": 8}


def test_a_first_run_without_a_server_says_never(sandbox, tmp_path):
    sandbox.add_fault("500", "info")
    with pytest.raises(ServerError, match="in step with .*: never") as caught:
        sandbox.client(retries=0).sync(DAY, tmp_path)
    assert "goes on working" not in str(caught.value)  # there is nothing
    assert all("://" in mirror for mirror in str(caught.value).partition("records: ")[2].split("; "))


def test_keywords_are_not_written_through_a_link(tmp_path):
    """What lies under the name of a part leads nowhere else, for tables as for files."""
    with jsoclite.Sandbox() as sandbox:
        client = sandbox.client()
        record_set = "hmi.M_720s[2014.01.01_TAI/1h]"
        client.sync(record_set, tmp_path / "first", segments=[], keywords="T_REC,DATAMEAN")
        tables = [path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.parquet")]
        outside = tmp_path / "outside.txt"
        outside.write_text("mine")
        for table in tables:
            part = tmp_path / "second" / "keywords" / f"{table.parent.name}.{table.name}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            part.symlink_to(outside)
        client.sync(record_set, tmp_path / "second", segments=[], keywords="T_REC,DATAMEAN")
        assert tables
        assert outside.read_text() == "mine"
        assert not any((tmp_path / "second" / table).is_symlink() for table in tables)


def test_a_long_set_is_never_held_whole(sandbox, tmp_path, monkeypatch):
    alive, most = [], 0

    def counted(*arguments, **options):
        nonlocal most
        frame = from_reply(*arguments, **options)
        alive.append(weakref.ref(frame))
        most = max(most, sum(len(one()) for one in alive if one() is not None))
        return frame

    monkeypatch.setattr("jsoclite.archive.sync.SIZE", 1000)
    monkeypatch.setattr("jsoclite.query.query.from_reply", counted)
    month = "hmi.M_720s[2013.12.20_TAI/33d]"
    manifest = sandbox.client().sync(month, tmp_path, segments=[], keywords="T_REC,DATAMEAN")
    monkeypatch.undo()
    listed = sandbox.client().query(month, keywords="T_REC,DATAMEAN")
    assert len(listed) > 3000
    assert most <= 2200
    assert manifest.index.tolist() == listed.index.tolist()
    pd.testing.assert_frame_equal(jsoclite.Archive(tmp_path).keywords("hmi.M_720s"), listed, check_frame_type=False)


MEMORY = """
import sys, tracemalloc, jsoclite, pyarrow
from jsoclite.archive import sync
from jsoclite.server import Clock

url, directory, *sets = sys.argv[1:]
sync.SIZE, sync.LISTED = 1000, 2000
for record_set in ("hmi.M_720s[2013.01.01_TAI/1d]", *sets):  # the first one loads what is loaded when it is needed
    client = jsoclite.Client(url, cache=False)
    client._clock = Clock(sleep=lambda seconds: None)
    options = {"segments": [], "keywords": "T_REC,DATAMEAN", "progress": False}
    peaks = []
    for run in (1, 2):
        tracemalloc.start()
        before = pyarrow.total_allocated_bytes()
        counts = client.sync(record_set, directory + record_set, **options).attrs["jsoc"]["counts"]
        peaks.append(tracemalloc.get_traced_memory()[1] + pyarrow.total_allocated_bytes() - before)
        tracemalloc.stop()
    print(sum(counts.values()), *peaks)
"""


def test_memory_does_not_grow_with_the_records(tmp_path):
    with jsoclite.Sandbox() as sandbox:
        sets = [f"hmi.M_720s[2012.01.01_TAI/{days}d]" for days in (60, 240)]
        command = [sys.executable, "-c", MEMORY, sandbox.url, str(tmp_path), *sets]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    (few, *before), (many, *after) = ([int(word) for word in line.split()] for line in told[1:])
    assert many > 3.9 * few > 28_000
    assert all(late < 1.2 * early for early, late in zip(before, after, strict=True))


def test_of_many_records_the_manifest_lists_what_has_changed_and_counts_all(sandbox, today, tmp_path, monkeypatch):
    monkeypatch.setattr("jsoclite.archive.sync.LISTED", 5)
    client, options = sandbox.client(), {"segments": [], "keywords": "DATAMEAN"}
    with pytest.warns(jsoclite.JsocWarning, match="lists 5 of 8 records that have changed"):
        first = client.sync(DAY, tmp_path, **options)
    assert counts(first) == {"new": 5}
    assert first.attrs["jsoc"]["counts"] == {"new": 8, "replaced": 0, "gone": 0, "present": 0}
    assert repr(first).startswith("8 new, 5 of them listed")
    again = client.sync(DAY, tmp_path, **options)
    assert repr(again).startswith("8 present, 0 of them listed")
    assert again.columns.equals(first.columns)
    today.set(2014, 3, 25)
    third = client.sync(DAY, tmp_path, **options)
    assert counts(third) == {"replaced": 4}
    assert third.attrs["jsoc"]["counts"] == {"new": 0, "replaced": 4, "gone": 0, "present": 4}
    assert len(jsoclite.Archive(tmp_path).keywords("hmi.M_720s")) == 8


@pytest.mark.parametrize("options", [{"segments": []}, {}])
def test_known_and_gone_records_come_a_page_at_a_time(sandbox, today, tmp_path, monkeypatch, options):
    monkeypatch.setattr("jsoclite.archive.sync.SIZE", 3)
    client = sandbox.client()
    first = client.sync(GROWS, tmp_path, keywords="DATAMEAN", **options)
    again = client.sync(GROWS, tmp_path, keywords="DATAMEAN", **options)
    assert counts(again) == {"present": len(first)}
    assert again.index.tolist() == first.index.tolist()
    today.set(2014, 2, 9)
    for _ in range(2):
        assert counts(client.sync(GROWS, tmp_path, **options)) == {"present": len(first) - 4, "gone": 4}
    assert jsoclite.Archive(tmp_path).keywords("hmi.M_720s", versions=True).gone.sum() == 4
    client.sync(GROWS, tmp_path, delete=True, **options)
    assert counts(client.sync(GROWS, tmp_path, **options)) == {"present": len(first) - 4}


def test_a_long_listing_gives_signs_of_life(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("jsoclite.archive.sync.SIZE", 1000)
    monkeypatch.setattr("jsoclite.download.ledger.BEAT_EVERY_S", -1)
    beats, path = set(), tmp_path / ".jsoclite.sqlite"

    def watch(_line):
        if path.exists():
            with contextlib.closing(sqlite3.connect(path)) as ledger:
                beats.update(ledger.execute("select beat from claim"))

    sandbox._log = watch
    sandbox.client().sync("hmi.M_720s[2013.11.20_TAI/40d]", tmp_path, segments=[], keywords="T_REC")
    assert len(beats) > 3
