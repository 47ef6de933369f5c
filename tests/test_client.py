"""The client as users meet it, on the sandbox's own catalogue."""

import concurrent.futures
import contextlib
import copy
import json
import logging
import multiprocessing
import pickle
import warnings

import astropy.units as u
import drms
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS

import jsoclite
from jsoclite.errors import (
    JsocError,
    JsocWarning,
    QueryError,
    RecordSetError,
    ServerError,
    UnknownName,
    UnknownSeries,
)
from jsoclite.sandbox import Fault, Sandbox

AIA_SERIES = [
    "aia.flatfield",
    "aia.lev1",
    "aia.lev1_euv_12s",
    "aia.lev1_uv_24s",
    "aia.lev1_vis_1h",
    "aia.master_pointing3h",
    "aia.response",
    "aia.temperature_summary_300s",
]
HMI_B_SERIES = [
    "hmi.B_720s",
    "hmi.B_720s_dcon",
    "hmi.B_720s_dconS",
    "hmi.Bharp_720s",
    "hmi.Bharp_720s_nrt",
    "hmi.b_135s",
    "hmi.b_720s_e15w1332_cea",
    "hmi.b_720s_e15w1332_cutout",
    "hmi.b_synoptic",
    "hmi.b_synoptic_small",
    "hmi.bmap_lowres_latlon_720s",
]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture
def client(sandbox):
    with sandbox.client() as made:
        yield made


# -- the example of the README ---------------------------------------------------------------------------------------


def test_the_example_that_everything_begins_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = jsoclite.Client("sandbox")
    df = client.search("aia.lev1_euv_12s", "2014-01-01T00:00:00", "2014-01-01T00:00:30", wavelength=[304, 171] * u.AA)
    rows = df[df.WAVELNTH == 304].iloc[::2]
    files = client.download(rows, "data/")
    data, header = jsoclite.read(files.path.iloc[0])
    assert df.T_REC.tolist() == [f"2014-01-01T00:00:{s}Z" for s in ("01", "01", "13", "13", "25", "25")]
    assert df.attrs["jsoc"]["record_set"].startswith("aia.lev1_euv_12s[2014.01.01_00:00:35_TAI-")
    assert df.attrs["jsoc"]["record_set"].endswith("[304,171]")
    assert list(files.index.unique()) == list(rows.index)
    assert (files.status == "downloaded").all()
    assert data.ndim == 2
    assert np.isfinite(data).any()
    assert header["WAVELNTH"] == 304
    client.close()


# -- series ----------------------------------------------------------------------------------------------------------


def test_series(client):
    assert client.series(r"aia\..*") == AIA_SERIES
    assert client.series(r"hmi\.b.*") == HMI_B_SERIES
    table = client.series(r"hmi\.b_720s$", full=True)
    assert list(table.columns) == ["name", "primekeys", "note"]
    assert table.primekeys.iloc[0] == ["T_REC"]
    assert client.series("there is none") == []


def test_info_is_that_of_drms_and_asked_once(client, sandbox):
    info = client.info("HMI.b_720S")
    assert isinstance(info, drms.SeriesInfo)
    assert info.name == "hmi.B_720s"
    assert {"field", "azimuth"} <= set(info.segments.index)
    before = len(sandbox.requests)
    assert client.info("hmi.B_720s") is info
    assert client.pkeys("hmi.b_720s") == ["T_REC"]
    assert "T_REC" in client.keys("hmi.b_720s")
    assert len(sandbox.requests) == before


@pytest.mark.parametrize("name", ["hmi.M_720", "hmi.nosuch", "nosuch.M_720s"])
def test_an_unknown_series(client, name):
    with pytest.raises(UnknownSeries, match=name) as caught:
        client.info(name)
    assert isinstance(caught.value, drms.DrmsQueryError)
    assert isinstance(caught.value, LookupError)
    if name == "hmi.M_720":
        assert "Did you mean hmi.M_720s" in str(caught.value)


# -- queries ---------------------------------------------------------------------------------------------------------


def test_a_cadence_is_rounded_to_slots_and_said_so(client):
    with pytest.warns(JsocWarning, match="10m|600") as caught:
        df = client.search(
            "hmi.B_720s",
            jsoclite.tai("2015-08-27T05:00:00"),
            jsoclite.tai("2015-08-27T06:00:00"),
            "10m",
            segments=["field", "azimuth"],
        )
    assert [warning.filename for warning in caught] == [__file__]
    assert df.T_REC.tolist() == [f"2015.08.27_0{t}:00_TAI" for t in ("5:00", "5:12", "5:24", "5:36", "5:48", "6:00")]
    assert list(df.columns[-3:]) == ["field", "azimuth", "online"]
    assert df.online.all()


def test_types_do_not_depend_on_the_rows(client):
    full = client.search("hmi.M_720s", "2014-01-01", "2014-01-02", segments="magnetogram")
    none = client.search("hmi.M_720s", "1970-01-01", "1970-01-02", segments="magnetogram")
    assert len(none) == 0
    assert (none.dtypes == full.dtypes).all()
    assert list(none.columns) == list(full.columns)
    assert str(full.QUALITY.dtype) == "Int64"
    assert full.index.name == "record"
    assert str(full.time.dt.tz) == "UTC"


def test_times(client):
    df = client.search("hmi.M_720s", "2014-01-01", "2014-01-01T01:00", keywords="T_REC, T_OBS", times="utc")
    assert str(df.T_REC.dtype) == "datetime64[ns, UTC]"
    assert (df.time == df.T_REC).all()
    df = client.search("hmi.M_720s", "2014-01-01", "2014-01-01T01:00", keywords="T_REC", times="tai")
    assert df.T_REC.iloc[0] == pd.Timestamp("2014-01-01T00:00:00")


def test_keyword_conditions_and_other_prime_keys(client):
    df = client.search(
        "hmi.sharp_cea_720s", "2011-02-14", "2011-02-14T02:00", HARPNUM=377, keywords="HARPNUM,T_REC,NOAA_AR"
    )
    assert (df.HARPNUM == 377).all()
    assert (df.NOAA_AR == 11158).all()
    assert client.search("hmi.M_720s", "2014-01-01", "2014-01-02", where="QUALITY = 0").QUALITY.eq(0).all()
    lower = client.search("hmi.sharp_cea_720s", "2011-02-14", harpnum=377)
    assert len(lower) == 1


def test_limit_count_and_all_keywords(client):
    day = "hmi.M_720s[2014.01.01_TAI/1d]"
    assert client.count(day) == len(client.query(day))
    first, last = client.query(day, limit=2), client.query(day, limit=-2)
    assert list(first.index) == list(client.query(day).index[:2])
    assert list(last.index) == list(client.query(day).index[-2:])
    everything = client.query(day, keywords="**ALL**", limit=1)
    assert len(everything.columns) > 60
    with pytest.raises(ValueError, match="limit=0"):
        client.query(day, limit=0)


def test_record_sets_links_and_segments(client):
    df = client.query("hmi.B_720s[2015.08.27_05:00:00_TAI]{field}", links="**ALL**")
    assert df.field.str.startswith("http").all()
    links = list(client.info("hmi.B_720s").links.index)
    assert set(links) <= set(df.columns)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c: c.query("hmi.M_720s[2014.01.01_TAI]", keywords="QUALTY"), UnknownName, "QUALITY"),
        (lambda c: c.query("hmi.M_720s[2014.01.01_TAI]", segments="magnetogrm"), UnknownName, "magnetogram"),
        (lambda c: c.search("hmi.M_720s", "2014-01-01", CAMRA=3), UnknownName, "CAMERA"),
        (lambda c: c.search("hmi.M_720s", "2014-01-01", wavelength=171), UnknownName, "WAVELNTH"),
        (lambda c: c.search("hmi.M_720s", "yesterday-ish"), RecordSetError, "yesterday-ish"),
        (lambda c: c.search("hmi.synoptic_mr_polfil_720s", "2014-01-01"), UnknownName, r"CAR_ROT=\(.*where='T_OBS > "),
        (lambda c: c.search("hmi.V_avg120", "2014-01-01"), UnknownName, r"CarrRot=\(.*where='MidTime > "),
        (lambda c: c.nearest("hmi.V_avg120", "2014-01-01", "30d"), UnknownName, "where='MidTime > "),
        (lambda c: c.query("hmi.synoptic_mr_polfil_720s[today]"), RecordSetError, "CAR_ROT holds whole numbers"),
        (lambda c: c.query("hmi.M_720s[2014.13.01_TAI]"), RecordSetError, "hmi.M_720s"),
        (lambda c: c.query("hmi.M_720s[2014.01.01_TAI"), RecordSetError, "hmi.M_720s"),
        (lambda c: c.query("hmi.M_720s[],hmi.B_720s[]"), QueryError, "one at a time"),
        (lambda c: c.attach("12345"), JsocError, "JSOC_20141117_001"),
        (lambda c: c.download("hmi.M_720s[2014.01.01_TAI]", "x", protocol="fitz"), ValueError, "fitz"),
        (lambda c: c.export("hmi.M_720s[2014.01.01_TAI]", method="url_quick"), ValueError, "as-is"),
        (lambda c: c.export("hmi.M_720s[2014.01.01_TAI]", protocol="fitz"), ValueError, "fitz"),
        (lambda c: c.export("hmi.M_720s[2014.01.01_TAI]", method="carrier pigeon"), ValueError, "url-tar"),
    ],
)
def test_bad_input_is_named_with_the_remedy(client, call, error, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JsocWarning)
        with pytest.raises(error, match=words):
            call(client)


@pytest.mark.parametrize("value", ["NOW", "garbage", "1167609600", "2014.13.01_TAI", "2014.01.01_TAI/1w"])
def test_what_ends_the_server_program_is_never_sent(client, sandbox, value):
    client.info("hmi.M_720s")
    before = len(sandbox.requests)
    for call in (client.query, client.count):
        with pytest.raises(RecordSetError):
            call(f"hmi.M_720s[{value}]")
    assert len(sandbox.requests) == before
    # the same word is an ordinary value of a key that is a string
    assert jsoclite.RecordSet.parse("su_test.types[garbage]").problems() == []


def test_traps_are_told(client):
    with pytest.warns(JsocWarning, match="zone"):
        client.query("hmi.M_720s[2012-01-01T00:00:00-2012-01-02T00:00:00]")


def test_a_server_error_is_told_with_the_record_set(sandbox, client):
    sandbox.add_fault(Fault("status", "query", nth=1, status=1, error="ERROR:  division by zero"))
    with pytest.raises(QueryError, match="division by zero") as caught:
        client.query("hmi.M_720s[2014.01.01_TAI]")
    assert caught.value.record_set == "hmi.M_720s[2014.01.01_TAI]"
    sandbox.clear_faults()


# -- the client itself -----------------------------------------------------------------------------------------------


def test_making_a_client_sends_nothing():
    with jsoclite.Client("http://127.0.0.1:9/", email="someone@example.org") as client:
        assert "127.0.0.1" in repr(client)
        assert "example.org" not in repr(client)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"retries": -1}, {"connections": 0}, {"server": "jsok"}])
def test_a_client_that_cannot_be(options):
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        jsoclite.Client(**options)


def test_the_environment_names_server_and_address(monkeypatch, sandbox, tmp_path):
    monkeypatch.setenv("JSOCLITE_SERVER", sandbox.url)
    monkeypatch.setenv("JSOC_EMAIL", sandbox.email)
    with jsoclite.Client() as client:
        export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        assert export.wait().urls


def test_no_server_no_answer(hand_clock):
    client = jsoclite.Client("http://127.0.0.1:9/", retries=1)
    client._clock = hand_clock.clock
    with pytest.raises(ServerError, match="no answer from 127.0.0.1:9"):
        client.series()


def test_check_email(client, sandbox):
    assert client.check_email(sandbox.email)
    assert not client.check_email("stranger@example.org")
    assert not client.check_email("no address")


def test_a_plain_drms_client_on_our_connection(client, sandbox):
    before = len(sandbox.requests)
    keys = client.drms.query("hmi.M_720s[2014.01.01_TAI]", key="T_REC, CAMERA")
    assert keys.T_REC.tolist() == ["2014.01.01_00:00:00_TAI"]
    new = list(sandbox.requests)[before:]
    assert new
    assert all(entry.headers["user-agent"].startswith("jsoclite/") for entry in new)


def test_one_connection_is_enough(sandbox, tmp_path):
    with sandbox.client() as client:
        df = client.search("hmi.M_720s", "2014-01-01", "2014-01-01T01:00", segments="magnetogram")
        client.download(df, tmp_path)
        pools = client.transport.session.get_adapter(sandbox.url).poolmanager.pools
        assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


def test_errors_survive_pickling():
    error = jsoclite.DownloadError("two failed", pd.DataFrame({"status": ["failed"]}))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "two failed"
    assert again.manifest.status.tolist() == ["failed"]


def test_no_address_in_logs(sandbox, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    with sandbox.client() as client:
        client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path, protocol="fits")
    assert sandbox.email not in caplog.text
    assert "example.com" not in caplog.text


# -- files -----------------------------------------------------------------------------------------------------------


# astropy remarks that MJD-OBS follows from DATE-OBS
@pytest.mark.filterwarnings("ignore:'datfix' made the change 'Set MJD-OBS")
@pytest.mark.parametrize("protocol", ["auto", "fits"])
def test_files_open_with_full_headers(client, tmp_path, protocol):
    df = client.query("hmi.B_720s[2015.08.27_05:00:00_TAI-2015.08.27_06:00:00_TAI@24m]{field,azimuth}")
    assert len(df) == 3
    files = client.download(df, tmp_path, protocol=protocol)
    assert len(files) == 6
    assert files.segment.tolist() == ["field", "azimuth"] * 3
    for (record, row), t_rec in zip(files.iterrows(), np.repeat(df.T_REC.to_numpy(), 2), strict=True):
        with fits.open(row.path) as hdus:
            header = next(hdu.header for hdu in hdus if hdu.data is not None)
        assert header["T_REC"][:19] == t_rec[:19]
        assert header["QUALITY"] == df.QUALITY[record]
        assert header["DRMS_ID"].endswith(f":{row.segment}")
        assert WCS(header).celestial.naxis == 2
        data, again = jsoclite.read(row)
        assert data.shape == WCS(again).array_shape


def test_images_differ_by_record_and_wavelength(client, tmp_path):
    df = client.search("aia.lev1_euv_12s", "2014-01-01T00:00:00", "2014-01-01T00:00:30", segments="image")
    files = client.download(df, tmp_path)
    assert len(df) == 21
    images = [jsoclite.read(path)[0] for path in files.path]
    assert len({image.tobytes() for image in images}) == 21


def test_the_manifest_is_json_safe(client, tmp_path):
    files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path)
    assert json.loads(files.reset_index().to_json(orient="records"))[0]["status"] == "downloaded"


def test_patterns_that_end_the_real_program_are_rewritten(client, sandbox):
    assert client.series(r"^aia\.") == AIA_SERIES
    assert all(not name.startswith("hmi") for name in client.series("NOT hmi"))


def test_warnings_point_at_the_line_of_the_user(client):
    with pytest.warns(JsocWarning, match="becomes 720 s") as caught:
        client.query("hmi.M_720s[2014.01.01_TAI/1h@10m]")
    assert [one.filename for one in caught] == [__file__]


@pytest.mark.parametrize("pattern", ["*sharp*", "hmi.(M", "[hmi"])
def test_a_pattern_that_is_none_is_refused_here(client, sandbox, pattern):
    before = len(sandbox.requests)
    with pytest.raises(QueryError, match="no regular expression.*no stars are needed"):
        client.series(pattern)
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    ("name", "right"),
    [("key", "keywords="), ("seg", "segments="), ("segment", "segments="), ("n", "limit=")],
)
def test_arguments_of_other_clients_are_told(client, name, right):
    with pytest.raises(UnknownName, match=f"no prime key '{name}'.*{right}"):
        client.search("hmi.M_720s", "2014-01-01", **{name: "x"})


# -- what new users tried ---------------------------------------------------------------------------------------------


def test_a_duration_in_place_of_an_end(client):
    by_end = client.search("hmi.M_720s", "2014.01.01_TAI", "2014.01.01_00:48:00_TAI")
    assert client.search("hmi.M_720s", "2014.01.01_TAI", duration="1h").index.equals(by_end.index)
    assert client.search("hmi.M_720s", "2014.01.01_TAI", None, "24m", duration="1h").index.equals(by_end.index[::2])
    with pytest.raises(RecordSetError, match="end"):
        client.search("hmi.M_720s", "2014.01.01_TAI", "2014.01.02_TAI", duration="1h")


def test_a_keyword_in_place_of_a_prime_key(client):
    with pytest.raises(UnknownName, match=r"NOAA_AR is a keyword.*where=\{'NOAA_AR': …\}"):
        client.search("hmi.sharp_cea_720s", "2011-02-14", "2011-02-15", noaa_ar=11158)


def test_recnum_may_be_asked_for(client):
    df = client.query("hmi.M_720s[2014.01.01_TAI]", keywords=["recnum", "T_REC"])
    assert list(df.columns) == ["recnum", "time", "T_REC"]


def test_a_misspelt_segment_is_told_once(client, recwarn):
    with pytest.raises(UnknownName, match="magnetogram"):
        client.query("hmi.M_720s[2014.01.01_TAI]{magnetgram}")
    assert not recwarn.list


def test_names_of_records_in_another_spelling(client, tmp_path):
    record = "hmi.M_720s[2014.01.01_00:12:00_TAI][3]"
    names = ["hmi.M_720s[2014.01.01_00:12_TAI][3]", "hmi.M_720s[2014-01-01T00:11:25Z]"]
    files = client.download(names, tmp_path, segments="magnetogram")
    assert files.index.tolist() == [record]
    with pytest.raises(QueryError, match=r"no record hmi.M_720s\[1990"):
        client.download([*names, "hmi.M_720s[1990.01.01_TAI][3]"], tmp_path)
    with pytest.raises(QueryError, match="stands for 7 records"):
        client.download(["aia.lev1_euv_12s[2014-01-01T00:00:01Z]"], tmp_path)


def test_nothing_to_download_is_said(client, tmp_path):
    with pytest.warns(JsocWarning, match=r"no record matches hmi.M_720s\[1999.01.01_TAI\]"):
        assert len(client.download("hmi.M_720s[1999.01.01_TAI]", tmp_path)) == 0


@pytest.mark.parametrize("noaa", ["AR 11158", "NOAA 11158", "11158", 11158])
def test_regions_as_people_write_them(client, noaa):
    assert client.harps(noaa, start="2011-02-13", end="2011-02-14").HARPNUM.tolist() == [377]


@pytest.mark.parametrize(("noaa", "words"), [(1158, "11158"), ("AR", "number"), (-3, "number")])
def test_regions_that_cannot_be(client, noaa, words):
    with pytest.raises(ValueError, match=words):
        client.harps(noaa)


def test_a_list_of_record_sets_is_exported_one_by_one():
    """JSOC takes such a list as a question, and fails on it as an export."""
    joined = "hmi.M_720s[2014.01.01_TAI]{magnetogram},hmi.M_720s[2014.01.03_TAI]{magnetogram}"
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        export = client.export(joined).wait()
        assert [request.record_set for request in export] == joined.split(",")
        assert len(export.files) == 2
        assert all("," not in asked.params.get("ds", "") for asked in sandbox.requests if "notify" in asked.params)
        taken = client._jsoc.exp_request({"ds": joined, "notify": sandbox.email, "method": "url", "protocol": "fits"})
        assert client._jsoc.exp_status(taken["requestid"])["status"] == 4


def test_an_export_of_nothing_is_told_before_it_is_made():
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        with pytest.warns(JsocWarning, match="no record matches hmi.M_720s.1990.*no export is made"):
            export = client.export("hmi.M_720s[1990.01.01_TAI]{magnetogram}")
        assert len(export) == 0
        assert sandbox.counts["exp_request"] == 0


def test_what_a_key_cannot_hold_is_not_asked_for():
    """JSOC prints an error where the header of its answer should be."""
    with Sandbox() as sandbox, sandbox.client(retries=0) as client:
        too_far = ("99999999999", "2147483648", "HARPNUM=1-3000000000", "1-2147483648", "3,-2147483649", "0x1ffffffff")
        for text in too_far:
            with pytest.raises(RecordSetError, match="HARPNUM: .* out of range for a key that holds .* to 2147483647"):
                client.query(f"hmi.sharp_cea_720s[{text}]")
        assert sandbox.counts["query"] == 0
        for text in ("-2147483648", "0xffffffff"):
            assert client.count(f"hmi.sharp_cea_720s[{text}][]") == 0
        theirs = client._jsoc  # as any other program asks
        for begins, text in ((True, "99999999999"), (True, "1,-2147483649"), (False, "1-2147483648")):
            with pytest.raises(ServerError, match="500") if begins else contextlib.nullcontext():
                assert theirs.rs_summary(f"hmi.sharp_cea_720s[{text}]")["error"] == "series not found"
            with pytest.raises(ServerError, match="500") if begins else contextlib.nullcontext():
                asked = {"ds": f"hmi.sharp_cea_720s[{text}]", "notify": sandbox.email}
                assert "bad query" in theirs.exp_request(asked)["error"]
        assert client.count("hmi.sharp_cea_720s[2147483647][]") == 0


def test_harps_of_both_kinds_are_not_one_region():
    with Sandbox() as sandbox, sandbox.client() as client:
        rows = [
            client.query(f"{series}[][$]", keywords="HARPNUM", limit=1)
            for series in ("hmi.sharp_cea_720s", "hmi.sharp_cea_720s_nrt")
        ]
        with pytest.warns(JsocWarning, match="number their HARPs apart"):
            client.export(pd.concat(rows), segments="magnetogram", method="url_quick", protocol="as-is")


def test_slots_of_a_time_without_slots_are_warned_of():
    with Sandbox() as sandbox, sandbox.client() as client, pytest.warns(JsocWarning, match="u counts slots"):
        client.count("iris.lev1[2014.01.01_TAI/5u]")


def test_request_ids_have_six_digits_today():
    with Sandbox() as sandbox:
        assert sandbox.client().attach("JSOC_20261006_001655").ids == ["JSOC_20261006_001655"]
    assert jsoclite.server.REQUEST_ID.findall("pending (JSOC_20261006_001655)") == ["JSOC_20261006_001655"]


# -- other processes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_client_opens_its_own_connections(used, copied):
    with Sandbox() as sandbox:
        client = sandbox.client(timeout=7, retries=1, connections=3, cache=False)
        if used:
            client.count("hmi.M_720s[2014.01.01_TAI]")
            assert client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")  # the account, too
        again = copied(client)
        assert again.count("hmi.M_720s[2014.01.01_TAI/1h]") == 5
        assert again.transport is not client.transport
        assert repr(again) == repr(client)
        assert {name: value for name, value in vars(again).items() if name in ("_options", "_email", "_cache")} == {
            "_options": {"timeout": 7, "retries": 1, "connections": 3, "session": None},
            "_email": sandbox.email,
            "_cache": False,
        }  # private: nothing public tells what it was made with
        client.close()
        assert again.count("hmi.M_720s[2014.01.01_TAI]") == 1


def _count(client):
    return client.count("hmi.M_720s[2014.01.01_TAI/1h]")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_take_a_client(method):
    with Sandbox() as sandbox:
        client = sandbox.client(cache=False)
        assert _count(client) == 5
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(_count, [client] * 4)) == [5] * 4


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_an_export_goes_to_another_process_by_its_ids(copied):
    with Sandbox(staging_s=0) as sandbox:
        export = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        (name,) = export.ids
        with pytest.raises(jsoclite.ArgumentError, match=rf"Client.attach takes its ids there, \['{name}'\]"):
            copied(export)


# -- ranges without an end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (None, "2010-05-02", 121),
        ("2026-10-30", None, 1),
        ("0001-01-01", "2010-05-02", 121),
        ("2026-10-30", "9000", 240),
    ],
)
def test_ranges_without_an_end_or_beyond_what_dataframes_hold(start, end, count):
    with Sandbox() as sandbox, warnings.catch_warnings():
        warnings.simplefilter("error")
        client = sandbox.client()
        assert len(client.search("hmi.M_720s", start, end)) == count
        assert len(client.stream("hmi.M_720s[1600.01.01_TAI-2010.05.02_TAI]").__next__()) == 121


@pytest.mark.parametrize("hour", [TimeDelta(1 * u.hour), TimeDelta(3600, format="sec"), 1 * u.hour])
def test_durations_of_astropy(hour):
    with Sandbox() as sandbox:
        client = sandbox.client()
        assert len(client.search("hmi.M_720s", Time("2014-01-01"), duration=hour, cadence=hour / 2.5)) == 3
        assert client.nearest("hmi.M_720s", ["2014-01-01T01:00"], hour).T_REC.tolist() == ["2014.01.01_01:00:00_TAI"]
        with pytest.raises(jsoclite.RecordSetError, match="is no duration"):
            client.search("hmi.M_720s", Time("2014-01-01"), duration=Time("2014-01-02"))
