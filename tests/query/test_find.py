"""The nearest good record, the newest data, the HARPs of an active region, sets of keywords."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN

import jsoclite
from jsoclite.errors import JsocWarning, RecordSetError, UnknownName
from jsoclite.sandbox import Sandbox


@pytest.fixture(scope="module")
def client():
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as made:
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
    with pytest.raises(ValueError, match="at least one"):
        client.latest("hmi.M_720s", 0)


def test_harps_and_back(client):
    df = client.harps(11158)
    assert df.HARPNUM.tolist() == [377]
    assert df.NOAA_AR.tolist() == [11158]
    assert df["first"].iloc[0] < pd.Timestamp("2011-02-15", tz="UTC") < df["last"].iloc[0]
    back = client.harps(harpnum=377)
    assert 11158 in back.NOAA_ARS.iloc[0]
    assert client.harps(99999).empty
    with pytest.raises(ValueError, match="either"):
        client.harps()


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
