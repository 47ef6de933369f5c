"""The nearest good record, the newest data, the HARPs of an active region, sets of keywords."""

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN

import jsoclite
from jsoclite.errors import JsocWarning, RecordSetError, UnknownName
from jsoclite.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.client() as made:
        yield made


@pytest.fixture(scope="module")
def gappy():
    """The recorded catalogue has gaps and bad records."""
    with Sandbox(catalog=GOLDEN / "catalog") as sandbox, sandbox.client() as made:
        yield made


def test_nearest_takes_the_neighbour_in_the_order_asked(client):
    times = ["2014-01-01T06:00", "2014-01-01T00:05", pd.Timestamp("2014-01-01T03:00", tz="UTC")]
    df = client.nearest("hmi.M_720s", times, "12m")
    assert df.T_REC.tolist() == [f"2014.01.01_{t}:00_TAI" for t in ("06:00", "00:00", "03:00")]
    assert df.asked.tolist() == [pd.Timestamp(t, tz="UTC") if isinstance(t, str) else t for t in times]
    assert (df.offset == df.time - df.asked).all()
    assert df.index.name == "record"


def test_nearest_agrees_with_a_search_by_hand(gappy):
    every = gappy.query("hmi.M_720s[][3]", keywords="T_REC,QUALITY")
    good = every[(every.QUALITY & 0x80000000) == 0]
    rng = np.random.default_rng(1)
    stamps = every.time.sample(20, random_state=1) + pd.to_timedelta(rng.integers(-3000, 3000, 20), unit="s")
    df = gappy.nearest("hmi.M_720s", [stamp.to_pydatetime() for stamp in stamps], dt.timedelta(days=40), CAMERA=3)
    for stamp, (_, row) in zip(stamps, df.iterrows(), strict=True):
        assert abs(row.time - stamp) == (good.time - stamp).abs().min()


def test_nearest_warns_of_times_without_a_record(client):
    with pytest.warns(JsocWarning, match="1 times: 1990.01.01"):
        df = client.nearest("hmi.M_720s", ["1990-01-01", "2014-01-01"], "1h")
    assert len(df) == 1
    with pytest.warns(JsocWarning, match="no good record"):
        assert client.nearest("hmi.M_720s", "1990-01-01", "1h").empty


def test_nearest_has_a_row_for_each_channel(client):
    df = client.nearest("aia.lev1_euv_12s", "2014-01-01T00:00:05", "12s", segments="image")
    assert sorted(df.WAVELNTH) == [94, 131, 171, 193, 211, 304, 335]
    assert df.image.notna().all()
    one = client.nearest("aia.lev1_euv_12s", "2014-01-01T00:00:05", "12s", WAVELNTH=171)
    assert len(one) == 1


def flagged(client, series="hmi.M_720s", day="2011.01.11_TAI"):
    """Return a day of records that some bits are set in, as the sandbox makes them."""
    return client.query(f"{series}[{day}/30d]", keywords="T_REC,QUALITY,T_OBS")


@pytest.mark.parametrize("level", ["image", "usable", "clean", 0x10000])
def test_nearest_and_latest_take_records_of_a_level(client, level):
    every = flagged(client)
    bad = every[~every.jsoc.good(level)]
    fine = every[every.jsoc.good(level)]
    assert len(bad)
    df = client.nearest("hmi.M_720s", bad.time, "30d", good=level, keywords="T_REC")
    for stamp, time in zip(bad.time, df.time, strict=True):
        assert abs(time - stamp) == (fine.time - stamp).abs().min()
    assert df.QUALITY.notna().all()
    last = client.latest("hmi.M_720s", 3, good=level, keywords="T_REC")
    assert last.jsoc.good(level).tolist() == [True] * 3


def test_latest_goes_back_to_good_records(gappy):
    every = gappy.query("hmi.M_720s", keywords="T_REC,QUALITY")
    for level in ("image", "usable", "clean"):
        found = gappy.latest("hmi.M_720s", 2, good=level)
        assert found.index.tolist() == every[every.jsoc.good(level)].index[-2:].tolist()
    assert gappy.latest("hmi.M_720s", 10**4, good="image").index.tolist() == every[every.jsoc.good()].index.tolist()


def test_nearest_without_judging(client):
    every = flagged(client)
    bad = every[~every.jsoc.good()].time
    assert (client.nearest("hmi.M_720s", bad, "1h", good=False).offset == pd.Timedelta(0)).all()
    with pytest.raises(ValueError, match="'usable'"):
        client.nearest("hmi.M_720s", bad, "1h", good="best")


@pytest.mark.parametrize("times", [[], (), np.array([], dtype="datetime64[ns]"), pd.Series([], dtype="datetime64[ns]")])
@pytest.mark.parametrize("keep", [False, True])
def test_no_times_give_no_rows(client, times, keep):
    df = client.nearest("aia.lev1_euv_12s", times, "1m", segments="image", keep=keep)
    some = client.nearest("aia.lev1_euv_12s", "2014-01-01", "1m", segments="image", keep=keep)
    assert len(df) == 0
    assert df.dtypes.to_dict() == some.dtypes.to_dict()
    assert df.index.name == "record"
    assert client.nearest("aia.lev1_euv_12s", [], "1m", on="T_OBS", wavelength=171).empty


def test_nearest_by_the_time_of_observation(client):
    every = client.search("aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T00:10", wavelength=171, keywords="T_OBS")
    observed = every.jsoc.times("T_OBS")
    stamps = pd.date_range("2014-01-01T00:01", "2014-01-01T00:09", periods=40, tz="UTC").round("ms")
    df = client.nearest("aia.lev1_euv_12s", stamps, "12s", on="t_obs", wavelength=171)
    for stamp, (record, row) in zip(stamps, df.iterrows(), strict=True):
        assert abs(observed[record] - stamp) == (observed - stamp).abs().min()
        assert row.offset == observed[record] - stamp
    # an observation at the very edge of the tolerance lies in another slot
    edge = client.nearest("aia.lev1_euv_12s", observed.iloc[20], "0.001s", on="T_OBS", wavelength=171)
    assert edge.index.tolist() == [every.index[20]]
    with pytest.raises(UnknownName, match="T_OBS"):
        client.nearest("aia.lev1_euv_12s", stamps, "12s", on="WAVELNTH")
    with pytest.raises(UnknownName, match="T_OBS"):
        client.nearest("aia.lev1_euv_12s", stamps, "12s", on="T_OB")


def test_nearest_of_some_wavelengths(client):
    moment = "2014-01-01T00:00:05"
    one = client.nearest("aia.lev1_euv_12s", moment, "12s", wavelength=171)
    assert one.index.equals(client.nearest("aia.lev1_euv_12s", moment, "12s", WAVELNTH=171).index)
    assert sorted(client.nearest("aia.lev1_euv_12s", moment, "12s", wavelength=[171, 304]).WAVELNTH) == [171, 304]
    with pytest.raises(UnknownName, match="WAVELNTH"):
        client.nearest("hmi.M_720s", moment, "12m", wavelength=6173)


def test_missing_times_and_times_without_a_record_keep_their_rows(client):
    times = [pd.NaT, "2014-01-01", None, "1990-01-01", "2014-01-02", np.datetime64("NaT", "ns"), float("nan")]
    with pytest.warns(JsocWarning, match="1 times: 1990"):
        df = client.nearest("hmi.M_720s", times, "12m", keep=True, segments="magnetogram")
    there = [False, True, False, False, True, False, False]
    assert (df.index.notna() == there).all()
    assert df.recnum.notna().tolist() == df.T_REC.notna().tolist() == df.magnetogram.notna().tolist() == there
    assert df.asked.notna().tolist() == [False, True, False, True, True, False, False]
    whole = client.nearest("hmi.M_720s", ["2014-01-01", "2014-01-02"], "12m", keep=True, segments="magnetogram")
    assert df.dtypes.to_dict() == whole.dtypes.to_dict()
    pd.testing.assert_frame_equal(df[there], whole)
    assert client.nearest("hmi.M_720s", [None, pd.NaT], "12m", keep=True).isna().all(axis=None)
    with pytest.raises(RecordSetError, match="NaT"):
        client.nearest("hmi.M_720s", times, "12m")


def test_many_times_are_a_few_requests(client):
    times = pd.date_range("2014-01-01", "2014-01-31", freq="6h").to_pydatetime().tolist()
    df = client.nearest("hmi.M_720s", times, "30m")
    assert len(df) == len(times)
    assert (df.offset.abs() <= pd.Timedelta("30m")).all()


def test_nearest_of_what_has_no_time(client):
    with pytest.raises(UnknownName, match="CAR_ROT"):
        client.nearest("hmi.synoptic_mr_polfil_720s", "2014-01-01", "1h")
    with pytest.raises(RecordSetError, match="tolerance"):
        client.nearest("hmi.M_720s", "2014-01-01", 0)


def test_latest(client, gappy):
    last = client.latest("hmi.M_720s", 3)
    assert len(last) == 3
    assert last.time.is_monotonic_increasing
    assert client.query("hmi.M_720s[$]").index[-1] == last.index[-1]
    everything = gappy.query("hmi.sharp_cea_720s", keywords="T_REC,HARPNUM")
    newest = gappy.latest("hmi.sharp_cea_720s", keywords="T_REC")
    assert newest.time.iloc[0] == everything.time.max()
    with pytest.raises(ValueError, match="n=0: it is a whole number, 1 or more"):
        client.latest("hmi.M_720s", 0)


def test_latest_of_a_channel_a_harp_or_a_condition(client, sandbox):
    before = len(sandbox.requests)
    newest = client.latest("aia.lev1_euv_12s", 3, wavelength=[171, 304])
    assert len(sandbox.requests) - before <= 3
    assert set(newest.WAVELNTH) <= {171, 304}
    last = client.query("aia.lev1_euv_12s[$]").time.iloc[0]
    every = client.search("aia.lev1_euv_12s", last - pd.Timedelta("10m"), last, wavelength=[171, 304])
    assert newest.index.tolist() == every.index[-3:].tolist()
    # a HARP of long ago: many windows are empty
    harp = client.query("hmi.sharp_cea_720s[377]", keywords="T_REC")
    assert client.latest("hmi.sharp_cea_720s", 4, HARPNUM=377).index.tolist() == harp.index[-4:].tolist()
    assert client.latest("hmi.sharp_cea_720s", 10**4, harpnum=377).index.tolist() == harp.index.tolist()
    few = client.latest("hmi.M_720s", 2, where="DATAMEAN > 0", keywords="DATAMEAN")
    assert len(few) == 2
    assert (few.DATAMEAN > 0).all()
    assert client.latest("hmi.sharp_cea_720s", 2, HARPNUM=376).empty == client.query("hmi.sharp_cea_720s[376]").empty
    for number in ("3", 0, 1.5):
        with pytest.raises(ValueError, match="whole number"):
            client.latest("hmi.M_720s", number)
    # windows that grow until the beginning of time, whatever the series' cadence: that is told once
    with pytest.warns(JsocWarning, match="has no wavelength 172: it has 94, 131") as told:
        assert client.latest("aia.lev1_euv_12s", 2, wavelength=172).empty
    assert len(told) == 1
    with pytest.raises(UnknownName, match="HARPNUM"):
        client.latest("hmi.M_720s", HARPNUM=377)


def test_latest_goes_on_from_near_real_time_to_definitive(client):
    definitive = "hmi.Mrdailysynframe_720s"
    nrt = client.query(f"{definitive}_nrt", keywords="T_REC")
    with pytest.warns(JsocWarning, match=f"the 5 before them are of {definitive}"):
        found = client.latest(f"{definitive}_nrt", len(nrt) + 5, keywords="T_REC")
    assert found.time.is_monotonic_increasing
    assert found.index[5:].tolist() == nrt.index.tolist()
    older = client.query(definitive, keywords="T_REC")
    assert found.index[:5].tolist() == older[older.time < nrt.time.iloc[0]].index[-5:].tolist()


def test_several_series_in_one_search(client, tmp_path):
    names = ["hmi.M_720s", "hmi.Ic_720s", "aia.lev1_euv_12s"]
    options = {"keywords": "T_REC,DATAMEAN,EXPTIME", "wavelength": 171, "segments": ["magnetogram", "image"]}
    df = client.search(names, "2014-01-01", "2014-01-01T00:24", **options)
    first = client.search(names[0], "2014-01-01", "2014-01-01T00:24", keywords="T_REC,DATAMEAN", segments="magnetogram")
    pd.testing.assert_frame_equal(df.iloc[: len(first)][first.columns], first, check_dtype=False)
    assert [sum(record.startswith(f"{name}[") for record in df.index) for name in names] == [3, 3, 121]
    assert df.EXPTIME.notna().sum() == df.image.notna().sum() == 121
    assert df.DATAMEAN.dtype == df.EXPTIME.dtype == "float64"
    assert df.recnum.dtype == "int64"
    rows = pd.concat([df.iloc[:2], df.iloc[[-1]]])
    files = client.download(rows, tmp_path, on_error="ignore")
    assert set(files.segment) == {"magnetogram", "image"}
    assert len(client.search(["hmi.M_720s", "hmi.M_720s"], "2014.01.01_TAI")) == 1
    with pytest.raises(UnknownName, match="DATAMEEN"):
        client.search(names, "2014-01-01", "2014-01-01T00:24", keywords="DATAMEEN")
    with pytest.raises(UnknownName, match="HARPNUM"):
        client.search(names, "2014-01-01", HARPNUM=3)
    with pytest.raises(ValueError, match="no series"):
        client.search([])


def test_several_time_ranges_in_one_search(client, sandbox):
    ranges = [
        ("2014-01-01", "2014-01-01T01:00"),
        ("2014-02-01", "2014-02-01T02:00"),
        ("2014-01-01T00:30", "2014-01-01T01:12"),
    ]
    parts = pd.concat([client.search("hmi.M_720s", *one) for one in ranges])
    client.info("hmi.M_720s")
    before = len(sandbox.requests)
    df = client.search("hmi.M_720s", ranges)
    assert len(sandbox.requests) - before == 1
    assert sorted(df.index) == sorted(set(parts.index))
    starts = list(pd.date_range("2014-01-01", periods=150, freq="7h", tz="UTC"))
    many = client.search("hmi.M_720s", starts, duration="30m", cadence="12m")
    expected = [client.search("hmi.M_720s", one, duration="30m").index.tolist() for one in starts[:3]]
    assert many.index[: sum(map(len, expected))].tolist() == [*itertools.chain(*expected)]
    assert len(many) >= 250
    assert not many.index.duplicated().any()
    with pytest.raises(RecordSetError, match="reversed"):
        client.search("hmi.M_720s", [ranges[0], ranges[1][::-1]])


def test_keyword_sets(client):
    df = client.query("hmi.sharp_cea_720s[377][2011.02.14_TAI]", keywords=["T_REC", "sharp"])
    assert list(df.columns[2:]) == ["T_REC", *jsoclite.KEYWORD_SETS["sharp"]]
    assert len(jsoclite.KEYWORD_SETS["sharp"]) == 18
    assert df.USFLUX.notna().all()
    assert "CRPIX1" in client.query("hmi.M_720s[2014.01.01_TAI]", keywords="wcs")


def test_verify(client, tmp_path):
    client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path)
    first = jsoclite.verify(tmp_path)
    assert first.status.tolist() == ["whole"] * 5
    paths = first.path.tolist()
    with open(paths[0], "r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    with open(paths[1], "r+b") as file:
        file.truncate(2880)
    (tmp_path / paths[2]).unlink()
    checked = jsoclite.verify(tmp_path)
    assert checked.status.tolist() == ["changed", "changed", "gone", "whole", "whole"]
    assert "SHA-256" in checked.reason.iloc[0]
    again = client.download(
        checked[checked.status.isin(["changed", "gone"])], tmp_path, segments="magnetogram", overwrite=True
    )
    assert (again.status == "downloaded").all()
    assert (jsoclite.verify(tmp_path).status == "whole").all()


def test_read_of_a_url(client):
    df = client.query("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
    data, _ = jsoclite.read(df.magnetogram.iloc[0])
    assert data.ndim == 2
    with pytest.raises(jsoclite.ServerError, match="404"):
        jsoclite.read(df.magnetogram.iloc[0] + ".nosuch")
