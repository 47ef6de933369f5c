"""Cutouts made here are those that im_patch makes, pixel for pixel; and they cost a part of the files."""

import concurrent.futures
import multiprocessing
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite import Cutout
from jsoclite.download.ledger import Ledger
from jsoclite.errors import DownloadError, JsocWarning, ProcessingError
from jsoclite.fits.files import looks_like_fits
from jsoclite.sandbox import Fault, Sandbox

T = "2014-01-01T00:00:00"
ONE = "hmi.M_720s[2014.01.01_00:00:00_TAI][3]{magnetogram}"
DAY = "hmi.M_720s[2014.01.01_00:00:00_TAI/5h@1h][3]{magnetogram}"
MDI = "mdi.fd_M_96m_lev182[2005.01.01_00:00:00_TAI/5h]{data}"
AIA = "aia.lev1_euv_12s[2014-01-01T00:00:00Z/24s][171,304]{image}"
# what belongs to the export, and is none of the record's
OF_THE_EXPORT = {"RECNUM", "DRMS_ID", "PRIMARYK", "HEADSUM", "DATE", "HGQUERY", "REQUESTI", "CHECKSUM", "DATASUM",
                 "EXTNAME"}  # fmt: skip


@pytest.fixture(scope="module")
def sun():
    with Sandbox(staging_s=0, pending_limit=0) as made:
        yield made


@pytest.fixture
def client(sun):
    with jsoclite.Client(sun.url, email=sun.email, timeout=10) as made:
        yield made


@pytest.fixture
def sandbox():
    """One whose requests are counted, and which can be broken."""
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture
def guest(sandbox):
    """A client without an address: what it gets was not exported."""
    with jsoclite.Client(sandbox.url, timeout=5, retries=2) as made:
        yield made


def parts(sandbox):
    """Requests of files, with their status."""
    return [entry.status for entry in sandbox.requests if entry.path.startswith("/SUM")]


def told(header, name):
    """A keyword as it can be compared; remarks without the line breaks of cards."""
    if name in ("HISTORY", "COMMENT"):
        return "".join(map(str, header.get(name, ""))).replace(" ", "")
    return header.get(name, "absent")


CASES = [
    (DAY, Cutout((-300, 150), 300, t_ref=T)),
    (DAY, Cutout((-300, 150), (40, 31), box="pixels", t_ref=T, track=False)),
    ("hmi.M_720s[2014.01.01_00:00:00_TAI/4d@1d][3]{magnetogram}", Cutout((-700, 250), (301, 200), t_ref=T)),
    ("hmi.B_720s[2014.01.01_00:00:00_TAI]{field,azimuth,disambig}",
     Cutout((-20, 10), (12, 8), box="degrees", location="stonyhurst", t_ref=T)),
    (AIA, Cutout((100, -950), (20, 31), box="pixels", t_ref=T, crop=True, track=False)),
    (AIA, Cutout((100, 100), (10, 5), box="degrees", t_ref=T)),
    (MDI, Cutout((128.4, 100), (101, 42), box="pixels", location="pixels", t_ref="2005-01-01T00:00:00")),
    (MDI, Cutout((-500, 0), (500, 100), t_ref="2005-01-01T04:00:00")),
    (ONE, Cutout((1000, -40), 700, t_ref=T, track=False, crop=True)),
    (ONE, Cutout((0, 0), 4000, t_ref=T)),
    (ONE, Cutout((-1000, 900), 400, t_ref=T, track=False)),
    (ONE, Cutout((180, 10), (10, 10), box="degrees", location="carrington", car_rot=2145)),
    (DAY, Cutout((0, 0), 300, t_ref=T, start="2014-01-01T01:00:00", stop="2014-01-01T03:30:00")),
    (ONE, Cutout((5000, 0), 300, t_ref=T, track=False)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::jsoclite.JsocWarning")
@pytest.mark.parametrize(("rows", "step"), CASES)
def test_a_cutout_made_here_is_the_one_of_im_patch(sun, client, tmp_path, rows, step):
    before = len(sun.staging)
    here = client.download(rows, tmp_path / "here", process=step)
    assert len(sun.staging) == before
    there = client.download(rows, tmp_path / "there", process=step, protocol="fits")
    assert len(sun.staging) == before + 1
    assert (here.index.tolist(), here.segment.tolist()) == (there.index.tolist(), there.segment.tolist())
    assert here.status.tolist() == there.status.tolist()
    for mine, theirs in zip(here.path.dropna(), there.path.dropna(), strict=True):
        assert looks_like_fits(mine) is None
        data, header = jsoclite.read(mine)
        expected, other = jsoclite.read(theirs)
        assert data.dtype == expected.dtype == np.float32
        assert np.array_equal(data, expected, equal_nan=True)
        for name in {*header, *other} - OF_THE_EXPORT:
            value, known = told(header, name), told(other, name)
            if isinstance(known, float) and isinstance(value, float):
                value, known = round(value / (abs(known) or 1), 6), round(known / (abs(known) or 1), 6)
            assert value == known, name


def test_the_cases_have_missing_pixels_and_missing_files(client, tmp_path):
    """That is, they are about something."""
    half = client.download(ONE, tmp_path, process=CASES[8][1])
    data = jsoclite.read(half.iloc[0])[0]
    assert 0.2 < np.isnan(data).mean() < 0.9
    with pytest.warns(JsocWarning, match="outside of the image"):
        none = client.download(ONE, tmp_path, process=CASES[-1][1])
    assert none.status.tolist() == ["missing"]
    with pytest.warns(JsocWarning, match="outside of the cutout's start and stop"):
        some = client.download(DAY, tmp_path, process=CASES[-2][1])
    assert some.status.tolist() == ["missing", "missing", "downloaded", "downloaded", "missing"]


def test_the_first_image_sets_the_size_also_of_what_comes_later(client, tmp_path):
    """The box is measured at the first image of all that are wanted, whichever are there already."""
    step = Cutout((0, 0), 40, box="degrees", t_ref=T, track=False)
    df = client.query("hmi.M_720s[2014.01.01_00:00:00_TAI/61d@30d][3]{magnetogram}", keywords="QUALITY")
    df = df[df.jsoc.good() & df.online].iloc[::-1]

    def shapes(rows, name, **options):
        files = client.download(rows, tmp_path / name, process=step, **options)
        return files, {jsoclite.read(path)[0].shape for path in files.path}

    _, alone = shapes(df.head(1), "alone")
    files, here = shapes(df, "here")
    _, there = shapes(df, "there", protocol="fits")
    assert (alone, here, there) == ({(83, 78)}, {(84, 78)}, {(84, 78)})
    Path(files.path.iloc[0]).unlink()
    assert shapes(df, "here")[1] == here


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_two_requests_a_file_on_one_connection_and_none_the_second_time(sandbox, guest, tmp_path):
    step = Cutout((-300, 150), 300, t_ref=T)
    files = guest.download(DAY, tmp_path, process=step)
    assert files.status.eq("downloaded").all()
    assert files.request_id.isna().all()
    assert parts(sandbox) == [206] * (2 * len(files) + 1)  # the first file is looked at once more
    pools = guest.transport.session.get_adapter(sandbox.url).poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118
    assert jsoclite.verify(tmp_path).status.eq("whole").all()
    assert not list(tmp_path.glob("*.part*"))
    before = len(parts(sandbox))
    again = guest.download(DAY, tmp_path, process=step)
    assert again.status.eq("present").all()
    assert len(parts(sandbox)) == before
    assert again.path.tolist() == files.path.tolist()
    with Ledger(tmp_path) as ledger:
        assert {row.product for row in ledger.files()} == {f"n=0|{step.process}"}


def test_a_part_of_the_bytes(sandbox, guest, tmp_path):
    step = Cutout((0, 0), (20, 16), box="pixels", t_ref=T)
    guest.download(ONE, tmp_path, process=step)
    rows = guest.download(DAY, tmp_path, process=step)
    whole = guest.download(DAY, tmp_path)
    received = sum(entry.bytes for entry in sandbox.requests if entry.status == 206 and entry.path.startswith("/SUM"))
    assert received < 0.5 * whole.bytes.sum()
    assert rows.status.tolist() == ["present"] + ["downloaded"] * 4


def test_a_plan_says_what_is_cut_and_what_that_costs(sandbox, guest, tmp_path):
    step = Cutout((0, 0), (64, 16), box="pixels", t_ref=T)
    plan = guest.plan(DAY, process=step)
    assert (set(plan.files.route), plan.requests) == ({"sums"}, ())
    # the definition of the series says 4096 pixels or 256; the rows of the box are a part of them in any case
    assert 0 < plan.bytes < 0.2 * guest.plan(DAY).bytes
    assert guest.download(plan, tmp_path).status.eq("downloaded").all()
    assert set(guest.plan(DAY, tmp_path, process=step).files.route) == {"here"}
    staged = guest.plan(DAY, process=step, protocol="fits")
    assert (set(staged.files.route), len(staged.requests)) == ({"export"}, 1)
    assert staged.files.reason.str.contains("protocol='fits'").all()


# -- where it is not made here ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [{"register": True}, {"cadence": "12m"}])
def test_what_is_more_than_a_copy_is_left_to_jsoc(sun, client, tmp_path, others):
    before = len(sun.staging)
    files = client.download(ONE, tmp_path, process=Cutout((0, 0), 300, t_ref=T, **others))
    assert (files.status.tolist(), len(sun.staging)) == (["downloaded"], before + 1)


def test_several_steps_are_left_to_jsoc(sun, client, tmp_path):
    before = len(sun.staging)
    both = client.download(ONE, tmp_path, process=[Cutout((0, 0), 300, t_ref=T), jsoclite.Rebin(0.5)])
    assert (jsoclite.read(both.iloc[0])[0].shape, len(sun.staging)) == ((19, 19), before + 1)


def test_a_server_that_sends_whole_files_only_lets_jsoc_cut(sandbox, tmp_path):
    sandbox.add_fault(Fault("no-range", "file", nth=1, times=1000))
    with sandbox.client() as client:
        files = client.download(DAY, tmp_path, process=Cutout((0, 0), 300, t_ref=T))
    assert files.status.eq("downloaded").all()
    assert files.request_id.notna().all()
    assert parts(sandbox)[0] == 200
    assert sandbox.requests[-1].status == 200


def test_what_is_offline_is_staged_and_the_rest_cut(sandbox, tmp_path):
    step = Cutout((0, 0), 300, t_ref=T)
    with sandbox.client() as client:
        df = client.search("hmi.M_720s", "2014-01-01", "2014-03-10", keywords="QUALITY", segments="magnetogram")
        df = df[df.jsoc.good()]
        rows = pd.concat([df[df.online].iloc[:2], df[~df.online].iloc[:1]])
        files = client.download(rows, tmp_path, process=step, on_error="ignore")
    assert files.status.tolist() == ["downloaded", "downloaded", "failed"]
    assert "on tape" in files.error.iloc[2]
    assert files.request_id.isna().tolist()[:2] == [True, True]
    assert sum(entry.endpoint == "exp_request" for entry in sandbox.requests) == 1


def test_records_without_an_image_are_missing(client, tmp_path):
    df = client.query("hmi.M_720s[2014.03.01_TAI/60d@12m][3]{magnetogram}", keywords="QUALITY")
    bad = df[(df.QUALITY & 0x80000000) != 0].head(1)
    assert len(bad) == 1
    with pytest.warns(JsocWarning, match="no image"):
        files = client.download(bad, tmp_path, process=Cutout((0, 0), 300, t_ref="2014-03-01T00:00:00"))
    assert files.status.tolist() == ["missing"]


# -- what is refused before anything is sent --------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["auto", "fits", "export"])
@pytest.mark.parametrize(
    ("rows", "step", "words"),
    [
        (ONE, Cutout((1100, 0), 300, t_ref=T), "not on the Sun's disk"),
        (ONE, Cutout((1100, 0), 5, t_ref=T, box="degrees", track=False), "not on the Sun's disk"),
        (ONE, Cutout((0, 0), 300, t_ref="1999-01-01T00:00:00"), "no record within two hours"),
        ("hmi.synoptic_mr_720s[2145]", Cutout((0, 0), 300, t_ref=T), "time as first prime key"),
        ("hmi.sharp_cea_720s[4920][2014.12.18_TAI]", Cutout((0, 0), 300, t_ref=T), "time as first prime key"),
        (ONE, Cutout((0, 0), (60000, 60000), box="pixels", t_ref=T), "make it smaller"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_sent(client, sun, tmp_path, call, rows, step, words):
    before = len(sun.staging)
    options = {} if call == "export" else {"directory": tmp_path, "protocol": call}
    with pytest.raises(ProcessingError, match=words):
        (client.download if options else client.export)(rows, process=step, **options)
    assert len(sun.staging) == before


def test_the_far_side_is_warned_of_once(client, tmp_path):
    rows = "hmi.M_720s[2014.01.07_00:00:00_TAI/4d@1d][3]{magnetogram}"
    step = Cutout((500, 0), 200, t_ref=T)
    with pytest.warns(JsocWarning, match="far side") as caught:
        files = client.download(rows, tmp_path, process=step)
    assert sum("far side" in str(one.message) for one in caught) == 1
    assert files.status.eq("downloaded").any()


# -- what can go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset-body", "truncated", "503", "reset", "stall-body"])
@pytest.mark.parametrize("nth", [2, 3])
def test_a_broken_part_is_resumed(sandbox, tmp_path, kind, nth, hand_clock):
    sandbox.add_fault(Fault(kind, "file", nth=nth, seconds=0.3))
    with jsoclite.Client(sandbox.url, timeout=0.2 if kind == "stall-body" else 5) as client:
        client._clock = hand_clock.clock
        files = client.download(ONE, tmp_path, process=Cutout((0, 0), 300, t_ref=T))
    assert files.status.tolist() == ["downloaded"]
    assert jsoclite.read(files.iloc[0])[0].shape == (38, 38)
    assert np.isfinite(jsoclite.read(files.iloc[0])[0]).all()


def test_a_file_that_changes_between_two_parts_is_read_anew(sandbox, tmp_path, hand_clock):
    sandbox.add_fault(Fault("changed", "file", nth=3))
    with jsoclite.Client(sandbox.url, timeout=5) as client:
        client._clock = hand_clock.clock
        files = client.download(ONE, tmp_path, process=Cutout((0, 0), 300, t_ref=T))
    assert files.status.tolist() == ["downloaded"]
    assert len(parts(sandbox)) > 3


def test_ranges_that_end_in_the_middle_of_a_run_are_told(sandbox, tmp_path, hand_clock):
    sandbox.add_fault(Fault("no-range", "file", nth=4, times=1000))
    with jsoclite.Client(sandbox.url, timeout=5) as client:
        client._clock = hand_clock.clock
        with pytest.raises(DownloadError, match="protocol='fits'") as failed:
            client.download(DAY, tmp_path, process=Cutout((0, 0), 300, t_ref=T))
        assert failed.value.manifest.status.tolist() == ["downloaded"] + ["failed"] * 4
        sandbox.clear_faults()
        again = client.download(DAY, tmp_path, process=Cutout((0, 0), 300, t_ref=T))
    assert again.status.tolist() == ["present"] + ["downloaded"] * 4


def pools():
    spawn = multiprocessing.get_context("spawn")
    yield "threads", lambda: concurrent.futures.ThreadPoolExecutor(4)
    yield "processes", lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn)


@pytest.mark.parametrize("how", ["threads", "processes", "connections"])
def test_others_can_cut_too(sun, client, tmp_path, how):
    step = Cutout((-300, 150), 300, t_ref=T)
    alone = client.download(DAY, tmp_path / "alone", process=step)
    if how == "connections":
        with jsoclite.Client(sun.url, connections=4) as wide:
            files = wide.download(DAY, tmp_path / "wide", process=step)
    else:
        with dict(pools())[how]() as pool:
            files = client.download(DAY, tmp_path / "wide", process=step, executor=pool)
    for one, other in zip(alone.path, files.path, strict=True):
        assert np.array_equal(jsoclite.read(one)[0], jsoclite.read(other)[0])
    assert jsoclite.verify(tmp_path / "wide").status.eq("whole").all()


def test_a_killed_run_leaves_nothing_that_looks_finished(sandbox, guest, tmp_path, monkeypatch):
    step = Cutout((-300, 150), 300, t_ref=T)
    whole = guest.download(ONE, tmp_path / "a", process=step)

    def killed(path, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("jsoclite.download.transfer.looks_like_fits", killed)
        with pytest.raises(KeyboardInterrupt):
            guest.download(ONE, tmp_path / "b", process=step)
    left = [path.name for path in (tmp_path / "b").iterdir() if path.suffix != ".sqlite" and "sqlite" not in path.name]
    assert [name for name in left if not name.endswith(".part")] == []
    files = guest.download(ONE, tmp_path / "b", process=step)
    assert files.status.tolist() == ["downloaded"]
    assert np.array_equal(jsoclite.read(files.iloc[0])[0], jsoclite.read(whole.iloc[0])[0])
    assert not list((tmp_path / "b").glob("*.part*"))


# -- without a file ---------------------------------------------------------------------------------------------------


def test_an_image_without_a_file(sandbox, guest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    step = Cutout((-300, 150), 300, t_ref=T)
    df = guest.query(DAY)
    for row in (df.iloc[1], df.index[1:2], df.iloc[1:2], df.index[1] + "{magnetogram}"):
        data, header = guest.read(row, None if "{" in str(row) else "magnetogram", process=step)
        assert (data.shape, header["T_REC"][:16]) == ((38, 38), "2014.01.01_01:00")
    whole, header = guest.read(df.iloc[1])
    left, below = round(header["CRPIX1"]), round(header["CRPIX2"])
    assert whole.shape == (256, 256)
    assert header["TELESCOP"] == "SDO/HMI"
    assert np.isfinite(whole[below, left])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "segment", "error", "words"),
    [
        (DAY, None, jsoclite.SelectionError, "takes one record"),
        ("hmi.B_720s[2014.01.01_TAI]{field,azimuth}", None, jsoclite.SelectionError, "field, azimuth: name one"),
        ("hmi.M_720s[2014.01.01_TAI][3]", "nothing", jsoclite.UnknownName, "nothing"),
        ("hmi.M_720s[2014.01.01_TAI][3]", "magnetogram", jsoclite.JsocError, "outside of the image"),
    ],
)
def test_what_is_no_image(client, rows, segment, error, words):
    step = Cutout((5000, 0), 300, t_ref=T, track=False) if "outside" in words else None
    with pytest.raises(error, match=words):
        client.read(rows, segment, process=step)


def test_the_words_of_the_far_side_name_a_record(client, tmp_path):
    with pytest.warns(JsocWarning) as caught:
        client.download("hmi.M_720s[2014.01.09_00:00:00_TAI][3]{magnetogram}", tmp_path,
                        process=Cutout((700, 0), 200, t_ref=T), on_error="ignore")  # fmt: skip
    assert any(re.search(r"hmi\.M_720s\[2014", str(one.message)) for one in caught)
