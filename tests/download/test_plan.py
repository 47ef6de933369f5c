"""A row says one thing: where its record number and its record's name disagree, nothing is sent."""

import warnings

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.download import plan as plans
from jsoclite.errors import JsocWarning, RecordSetError, SelectionError
from jsoclite.sandbox import Sandbox

DAY = "hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0.2) as made:
        yield made


@pytest.fixture
def client(sandbox):
    with sandbox.client() as made:
        yield made


@pytest.fixture
def df(client):
    return client.query(DAY, keywords="T_REC,QUALITY,CAMERA")


def rounded(df):
    """Record numbers that went through float32."""
    return df.assign(recnum=(df.recnum + 200_000_001).astype("float32"))


def shifted(df):
    return df.assign(recnum=df.recnum.to_numpy()[::-1])


def renamed(df):
    """Names as somebody has edited them in a CSV."""
    return df.set_axis([name.replace("2014.01.01_", "2014.01.02_") for name in df.index]).rename_axis("record")


def shared(df):
    """Two names with one number."""
    return df.assign(recnum=[df.recnum.iloc[0]] * len(df))


def too_large(df):
    return df.assign(recnum=df.recnum.astype("float64") + 2**53)


WRONG = [rounded, shifted, renamed, shared, too_large]


def counts(sandbox):
    return len(sandbox.staging), sum(1 for one in sandbox.requests if one.path.startswith("/SUM"))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("way", ["download", "download fits", "export", "as csv"])
def test_rows_that_contradict_themselves_are_refused(client, sandbox, df, tmp_path, wrong, way):
    rows = wrong(df)
    before = counts(sandbox)
    rows.to_csv(tmp_path / "rows.csv")
    ways = {
        "download": lambda: client.download(rows, tmp_path / "data"),
        "download fits": lambda: client.download(rows, tmp_path / "data", protocol="fits"),
        "export": lambda: client.export(rows),
        "as csv": lambda: client.download(pd.read_csv(tmp_path / "rows.csv"), tmp_path / "data"),
    }
    with pytest.raises(SelectionError) as caught:
        ways[way]()
    assert counts(sandbox) == before
    # the first that disagrees is named: name and number
    text = str(caught.value)
    assert "hmi.M_720s[" in text or wrong in (rounded, too_large)
    assert any(char.isdigit() for char in text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda df: df.jsoc.good(),
        lambda df: df.QUALITY,
        lambda df: df.QUALITY.astype("float64"),
        lambda df: (df.QUALITY == 0).to_numpy(),
        lambda df: list(df.QUALITY == 0),
        lambda df: df[["QUALITY"]].reset_index(drop=True),
    ],
    ids=["mask", "integers", "floats", "numpy mask", "list of bool", "nameless"],
)
def test_what_is_no_rows(client, df, tmp_path, wrong):
    with pytest.raises(SelectionError) as caught:
        client.download(wrong(df), tmp_path)
    with pytest.raises(SelectionError):
        client.export(wrong(df))
    if "bool" in str(getattr(wrong(df), "dtype", "")):
        assert "df[mask]" in str(caught.value)


def test_tuples_and_lists_mean_the_same_everywhere():
    t0, t1 = "2014.01.01_TAI", "2014.01.02_TAI"
    one = jsoclite.RecordSet("aia.lev1_euv_12s", t0, wavelength=(94, 335))
    assert str(one) == "aia.lev1_euv_12s[2014.01.01_00:00:00_TAI][94-335]"
    assert "[WAVELNTH=94-335]" in str(jsoclite.RecordSet("aia.lev1_euv_12s", t0, WAVELNTH=(94, 335)))
    assert "[94,335]" in str(jsoclite.RecordSet("aia.lev1_euv_12s", t0, wavelength=[94, 335]))
    assert str(jsoclite.RecordSet("hmi.M_720s", (t0, t1))) == str(jsoclite.RecordSet("hmi.M_720s", t0, t1))
    listed = str(jsoclite.RecordSet("hmi.M_720s", [t0, t1]))
    assert "," in listed
    assert "-" not in listed.partition("[")[2]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20140101_0012", "2014.01.01_00:12:00_UTC"),
        ("20140101T001230", "2014.01.01_00:12:30_UTC"),
        ("2014-01-01T000001", "2014.01.01_00:00:01_UTC"),
        ("2014.01.01_001200_TAI", "2014.01.01_00:12:00_TAI"),
        ("20140101_120000Z", "2014.01.01_12:00:00_UTC"),
    ],
)
def test_compact_clocks_are_read_as_people_mean_them(text, meant):
    assert jsoclite.parse_time(text) == jsoclite.parse_time(meant)


@pytest.mark.parametrize("text", ["2014.01.01_000:12:00_TAI", "2014.01.01_00:000:00_TAI", "2014-01-01T00012"])
def test_other_clocks_of_many_digits_are_refused(text):
    with pytest.raises(RecordSetError, match="clock"):
        jsoclite.parse_time(text)


def test_rows_asked_twice_have_two_rows_in_the_manifest(client, sandbox, df, tmp_path):
    rows = pd.concat([df.iloc[2:4], df.iloc[:1], df.iloc[2:3]])
    before = counts(sandbox)
    files = client.download(rows, tmp_path)
    assert list(files.index) == list(rows.index)
    assert files.path.iloc[0] == files.path.iloc[3]
    assert counts(sandbox)[1] - before[1] == 3
    assert np.array_equal(files.index.to_numpy(), rows.index.to_numpy())


def test_spikes_of_aia_come_only_where_they_are_named(tmp_path):
    plans._tell_of_spikes.cache_clear()
    one = "aia.lev1_euv_12s[2014-01-01T00:00:00Z/12s][171]"
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        with pytest.warns(JsocWarning, match="without its spikes"):
            files = client.download(one, tmp_path)
        rows = client.query(one)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # told once
            assert client.plan(rows).files.segment.tolist() == ["image"]
            assert client.export(rows)[0].record_set.endswith("{image}")
            assert client.read(rows.iloc[0])[0].ndim == 2
        assert files.segment.tolist() == ["image"]
        assert client.plan(one, tmp_path).files.route.tolist() == ["here"]
        for segments in ("**ALL**", ["image", "spikes"]):
            assert client.plan(one, segments=segments).files.segment.tolist() == ["image", "spikes"]
        assert client.plan(f"{one}{{spikes}}").files.segment.tolist() == ["spikes"]
