"""Columns of ``times="tai"`` are naive, as pandas has no such scale: given back they mean TAI, or are refused."""

import pandas as pd
import pytest

import jsoclite
from jsoclite import RecordSet, RecordSetError, Sandbox

THREE = ["2014.01.01_00:00:00_TAI", "2014.01.01_00:12:00_TAI", "2014.01.01_00:24:00_TAI"]


@pytest.fixture(scope="module")
def client():
    with Sandbox() as sandbox:
        yield sandbox.client()


@pytest.fixture
def df(client):
    return client.query("hmi.M_720s[2014.01.01_TAI/36m]", keywords="T_REC,T_OBS", times="tai")


KEPT = {
    "as it is": lambda df: df.T_REC,
    "filtered": lambda df: df[df.T_REC > "2013-12-31"].T_REC,
    "sorted": lambda df: df.sort_values("T_REC").T_REC,
    "sliced": lambda df: df.iloc[:].T_REC,
    "rounded": lambda df: df.T_REC.dt.floor("s"),
    "of the accessor": lambda df: df.jsoc.times("T_REC", scale="tai"),
    "said": lambda df: jsoclite.tai(df.merge(df, on="T_REC").reset_index().T_REC),
}
ENTRANCES = {
    "RecordSet, start": lambda client, times: str(RecordSet("hmi.M_720s", times)),
    "RecordSet, key": lambda client, times: str(RecordSet("hmi.M_720s", T_REC=times)),
    "search, start": lambda client, times: client.search("hmi.M_720s", times).T_REC.tolist(),
    "search, key": lambda client, times: client.search("hmi.M_720s", T_REC=times).T_REC.tolist(),
    "where": lambda client, times: str(RecordSet("hmi.M_720s", where={"T_OBS": ("in", times)})),
    "nearest": lambda client, times: client.nearest("hmi.M_720s", times, "1m").T_REC.tolist(),
    "utc": lambda client, times: [str(one) for one in jsoclite.utc(times)],
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("how", KEPT)
def test_they_mean_tai(client, df, how, entrance):
    found = ENTRANCES[entrance](client, KEPT[how](df))
    assert [time for time in THREE if time in found] == THREE


FORGOTTEN = {
    "merged": lambda df: df.merge(df.assign(x=1).reset_index(drop=True), on=["T_OBS", "T_REC"]),
    "copied by hand": lambda df: pd.DataFrame({"T_REC": df.T_REC.to_numpy()}),
    "the index": lambda df: df.set_index("T_REC").index.to_frame(),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("how", FORGOTTEN)
def test_what_has_forgotten_its_scale_is_refused_or_right(client, df, how, entrance):
    column = FORGOTTEN[how](df).T_REC
    if column.attrs:
        pytest.skip("this pandas has kept it")
    with pytest.raises(RecordSetError, match=r"write jsoclite.tai\(df.T_REC\), or df.T_REC.dt.tz_localize"):
        ENTRANCES[entrance](client, column)


def test_columns_of_others_stay_utc(client, df):
    """A table of flares without a zone is UTC, as everywhere; also when it is joined to ours."""
    peaks = pd.Series(pd.to_datetime(["2014-01-01T00:00:00"]), name="peak_time")
    for column in (peaks, df.assign(peak_time=peaks[0]).peak_time.iloc[:1]):
        assert str(RecordSet("hmi.M_720s", column)) == "hmi.M_720s[2014.01.01_00:00:35_TAI]"


def test_aware_columns_keep_their_instant(client):
    df = client.query("hmi.M_720s[2014.01.01_TAI/36m]", keywords="T_REC", times="utc")
    assert client.search("hmi.M_720s", T_REC=df.T_REC).recnum.tolist() == df.recnum.tolist()
    assert client.search("hmi.M_720s", T_REC=df.time).recnum.tolist() == df.recnum.tolist()
