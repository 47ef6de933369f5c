"""A reply → a typed DataFrame: recorded replies, both ways of reading them, and what no server has sent yet."""

from __future__ import annotations

import json
import warnings

import drms
import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN as RECORDED
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite import JsocWarning, RecordSetError, ServerError, UnknownName
from jsoclite.query import digits
from jsoclite.query import reply as scan
from jsoclite.query.columns import STRING
from jsoclite.query.reply import UnexpectedShape
from jsoclite.query.table import from_reply

GOLDEN = [json.loads(line) for line in (RECORDED / "jsoc_info.jsonl").read_text().splitlines()]
ALIAS = [json.loads(line) for line in (RECORDED / "alias.jsonl").read_text().splitlines()]


def _definitions():
    found = {}
    for call in GOLDEN + ALIAS:
        args = call["args"]
        if args.get("op") == "series_struct" and "f" not in args and '"status": 0' in call.get("body", ""):
            found.setdefault(args["ds"].lower(), drms.SeriesInfo(json.loads(call["body"]), name=args["ds"]))
    return found


INFO = _definitions()
HMI = INFO["hmi.m_720s"]
LISTS = [
    call
    for call in GOLDEN + ALIAS
    if call["args"].get("op") == "rs_list" and '"count"' in call.get("body", "") and '"recset"' not in call["body"]
]


def info_of(args):
    return INFO[args["ds"].partition("[")[0].lower()]


def answer(**args):
    """Find the first recorded reply with these arguments."""
    return next(c["body"] for c in LISTS if all(c["args"].get(k) == v for k, v in args.items())).encode()


def reply(keywords=(), segments=(), links=(), names=None, count=None):
    """Print a reply as the server does."""
    columns = [*keywords, *segments, *links]
    count = len(columns[0][1]) if count is None else count

    def listed(columns):
        return [{"name": name, "values": list(values)} for name, values in columns]

    answer = {"keywords": listed(keywords), "segments": listed(segments), "links": listed(links)}
    answer |= {"count": count, "runtime": 0.25, "status": 0}
    if names is not None:
        answer = {"recinfo": [{"name": name, "online": i % 2} for i, name in enumerate(names)]} | answer
    return (json.dumps(answer, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/") + "\n").encode()


def slowly(body, info, **kwargs):
    """Read a reply with the JSON module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "scan", _unexpected)
        return from_reply(body, info, **kwargs)


def _unexpected(body):
    raise UnexpectedShape


def both(body, info, **kwargs):
    """Read a reply both ways, and see that they agree, in what they warn of as well."""
    results = []
    for read in (from_reply, slowly):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results.append((read(body, info, **kwargs), [str(w.message) for w in caught]))
    (fast, told), (slow, told_slowly) = results
    pd.testing.assert_frame_equal(fast, slow)
    assert told == told_slowly
    assert len(told) <= 1
    return fast, told


@pytest.mark.parametrize("times", [None, "utc", "tai"])
@pytest.mark.parametrize(
    "call", LISTS, ids=lambda call: str(call["args"].get("key"))[:40] + str(call["args"].get("seg"))
)
def test_every_recorded_reply_reads_alike_both_ways(call, times):
    answer = json.loads(call["body"])
    frame, _ = both(call["body"].encode(), info_of(call["args"]), times=times)
    assert len(frame) == answer["count"]
    if "recinfo" in answer:
        assert frame.index.tolist() == [record["name"] for record in answer["recinfo"]]


def test_recorded_replies_take_the_fast_way():
    for call in LISTS:
        if '"count":0' not in call["body"]:
            scan.scan(call["body"].encode())


def test_types_come_from_the_definition():
    body = answer(key="quality,car_rot")
    frame, told = both(body, HMI)
    assert frame.dtypes.astype(str).to_dict() == {"quality": "Int64", "car_rot": "Int64"}
    assert frame.quality.tolist()[:8] == [0, 0, 0, 0, 0, 0, pd.NA, 0x400]
    assert frame.car_rot.isna().tolist() == [False, True] + [False] * 8
    assert not told


def test_everything_of_a_record_with_all_types():
    body = answer(ds="su_test.types[]", key="OBJECT,NUM,ANGLE,F1,F2,D1,D2,I1,I2,S1,L1,STR1,STR2")
    frame, _ = both(body, INFO["su_test.types"])
    text = json.loads(body)["keywords"]
    assert frame.columns.tolist() == [column["name"] for column in text]
    for name in ("ANGLE", "F1", "F2", "D1", "D2"):
        values = next(c["values"] for c in text if c["name"] == name)
        expected = [np.nan if v == "MISSING" else float(v) for v in values]
        np.testing.assert_array_equal(frame[name], expected)
        assert frame[name].dtype == "float64"
    for name in ("NUM", "I1", "I2", "S1", "L1"):
        values = next(c["values"] for c in text if c["name"] == name)
        expected = [None if v == "MISSING" else int(v, 16) if v.startswith("0x") else int(v) for v in values]
        assert [None if pd.isna(v) else v for v in frame[name]] == expected
        assert str(frame[name].dtype) == "Int64"
    assert frame.OBJECT.isna().sum() == 1
    assert {"slash/ed", "back\\slash", "with,comma"} < set(frame.OBJECT.dropna())
    assert frame.OBJECT.dtype == STRING


def test_times_in_all_formats():
    body = answer(ds="su_test.types[]", key="OBJECT,T1,T2,T3,T4,T5,T6,T7,C1,C2")
    info = INFO["su_test.types"]
    text = both(body, info)[0]
    assert text.T1.dtype == STRING
    utc, told = both(body, info, times="utc")
    tai, _ = both(body, info, times="tai")
    assert not told
    assert "time" not in utc  # no prime key of this series is a time
    for name in ("T1", "T2", "T3", "T4", "T5", "T6", "T7"):
        assert str(utc[name].dtype) == "datetime64[ns, UTC]"
        assert str(tai[name].dtype) == "datetime64[ns]"
        assert utc[name].isna().tolist() == text[name].isna().tolist()
        there = utc[name].notna()
        assert there.any()
        assert set(tai[name][there] - utc[name][there].dt.tz_localize(None)) == {pd.Timedelta(35, "s")}
    assert tai.T1[0] == pd.Timestamp("2014-01-15")


def test_leap_seconds():
    frame, _ = both(
        reply([("T_REC", ["2015.07.01_00:00:35_TAI", "2015.07.01_00:00:36_TAI", "2017.01.01_00:00:37_TAI"])]), HMI
    )
    assert frame.time.astype(str).tolist() == [
        "2015-07-01 00:00:00+00:00",  # 23:59:60, which UTC in pandas cannot say
        "2015-07-01 00:00:00+00:00",
        "2017-01-01 00:00:00+00:00",
    ]


def test_record_recnum_and_time():
    body = answer(ds="hmi.M_720s", R="1", n="3")
    frame, _ = both(body, HMI)
    assert frame.index.name == "record"
    assert frame.index[0] == "hmi.M_720s[2012.06.30_23:00:00_TAI][3]"
    assert frame.columns.tolist() == ["recnum", "time"]
    assert frame.recnum.dtype == "int64"
    assert frame.recnum.tolist() == [1, 2, 3]
    assert frame.time.iloc[0] == pd.Timestamp("2012-06-30T22:59:26Z")  # from the record name: T_REC was not asked for
    assert frame.attrs == {"jsoc": {"series": "hmi.M_720s"}}


def test_time_of_a_series_whose_first_key_is_a_number():
    body = answer(link="BDATA", key="HARPNUM,T_REC,BDATE,BQUAL", seg="Br", R="1")
    frame, _ = both(body, INFO["hmi.sharp_cea_720s"], base_url="http://jsoc.stanford.edu/")
    assert frame.columns.tolist() == ["time", "HARPNUM", "T_REC", "BDATE", "BQUAL", "Br", "BDATA", "online"]
    assert frame.time.iloc[0] == pd.Timestamp("2014-01-01T00:59:25Z")
    assert frame.BQUAL.iloc[0] == 0
    assert frame.Br.iloc[0] == "http://jsoc.stanford.edu/SUM0/D500002517/S00000/Br.fits"
    assert frame.BDATA.iloc[0] == "hmi.B_720s[:#17]"
    assert frame.online.dtype == bool
    assert frame.online.all()


def test_hmi_and_aia_share_one_clock():
    aia = answer(ds="aia.lev1_euv_12s[][171]", R="1", n="3")
    frame, _ = both(aia, INFO["aia.lev1_euv_12s"])
    assert frame.time.iloc[0] == pd.Timestamp("2014-01-01T00:00:01Z")


def test_offline_files_are_ordinary_and_broken_ones_are_told():
    offline = next(c for c in LISTS if "mod(sunum,41)" in c["args"]["ds"])
    frame, told = both(offline["body"].encode(), info_of(offline["args"]))
    assert not told
    assert frame.magnetogram.isna().all()
    assert not frame.online.any()
    assert frame.sunum.tolist() == [500000009, 500000050]
    assert frame["*online*"].tolist() == ["", ""]  # the text of the server beside our bool

    body = reply(
        [("T_REC", ["2014.01.01_TAI"] * 4)],
        [("Br", ["/SUM1/D1/S00000/a", "BadSegLink", "NoDataDirectory", "/SUM1/D1/"])],
    )
    frame, told = both(body, INFO["hmi.sharp_cea_720s"])
    assert told == ["hmi.sharp_cea_720s: 1 of 4 files of Br are NA, their link leads nowhere"]
    assert frame.online.tolist() == [True, False, False, False]
    assert frame.Br.isna().tolist() == [False, True, True, True]


def test_one_warning_names_all_that_is_not_there():
    body = answer(link="BDATA", ds="hmi.sharp_cea_720s[3563][2014.01.01_02:00:00_TAI]")
    with pytest.warns(JsocWarning, match="BDATE.*BQUAL.*BDATA") as caught:
        frame = from_reply(body, INFO["hmi.sharp_cea_720s"])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert frame[["BDATE", "BQUAL", "BDATA"]].isna().all(axis=None)
    assert str(frame.BQUAL.dtype) == "Int64"
    with pytest.warns(JsocWarning, match="there is no keyword 'NOSUCH'"):
        from_reply(answer(key="NOSUCH"), HMI)
    with pytest.warns(JsocWarning, match="there is no segment 'image_lev1'"):
        from_reply(answer(seg="image_lev1"), INFO["aia.lev1_euv_12s"])


def test_values_that_do_not_fit_are_told():
    body = reply([("CAR_ROT", ["2136", "many"]), ("DATAMEAN", ["1.5", "1_0"]), ("T_OBS", ["2014.01.01_TAI", "soon"])])
    frame, told = both(body, HMI, times="utc")
    assert frame.isna().sum().tolist() == [1, 1, 1]
    assert len(told) == 1
    for value in ("'many'", "'1_0'", "'soon'"):
        assert value in told[0]


def test_twice_and_in_any_case():
    assert from_reply(answer(key="T_REC,T_REC"), HMI).columns.tolist() == ["time", "T_REC"]
    frame = from_reply(answer(key="t_rec"), HMI)
    assert frame.columns.tolist() == ["time", "t_rec"]
    frame, _ = both(reply([("T_REC", ["2014.01.01_TAI"]), ("t_rec", ["2014.01.01_TAI"])]), HMI, times="utc")
    assert frame.columns.tolist() == ["time", "T_REC", "t_rec"]
    frame.loc[frame.index[0], "T_REC"] = pd.NaT
    assert frame.time.notna().all()  # columns of equal content are no view of each other


def test_names_that_are_taken():
    body = reply(
        [("time", ["a"]), ("recnum", ["b"]), ("image", ["c"])],
        [("image", ["/SUM1/x"])],
        names=["hmi.M_720s[2014.01.01_TAI][3]"],
    )
    frame = from_reply(body, HMI)
    assert frame.columns.tolist() == ["time", "time_keyword", "recnum_keyword", "image", "image_segment", "online"]


def test_per_segment_keywords_have_the_type_of_their_definition():
    keywords = HMI.keywords.copy()
    keywords.loc["DATAMEAN", "recscope"] = "segment"
    info = drms.SeriesInfo(json.loads(GOLDEN[0]["body"]), name="hmi.M_720s")
    info.keywords = keywords
    assert from_reply(reply([("DATAMEAN_000", ["1.5"])]), info).DATAMEAN_000.dtype == "float64"
    everything = from_reply(b'{"count":0,"runtime":0.000,"status":0}\n', info, keywords=["**ALL**"])
    assert "DATAMEAN_000" in everything


def test_no_records():
    body = answer(ds="hmi.M_720s[2020.01.01_TAI]")
    everything = next(c for c in LISTS if c["args"].get("key") == "**ALL**" and c["args"]["ds"].endswith("/36m][3]"))
    full = from_reply(everything["body"].encode(), HMI)
    frame = from_reply(body, HMI, keywords=["**ALL**"], segments=["**ALL**"])
    assert len(frame) == 0
    assert frame.index.name == "record"
    assert frame.columns.tolist() == ["recnum", *full.columns, "magnetogram", "online"]
    assert frame[full.columns].dtypes.tolist() == full.dtypes.tolist()
    assert frame.recnum.dtype == "int64"
    assert str(frame.time.dtype) == "datetime64[ns, UTC]"
    assert frame.online.dtype == bool
    assert frame.index.dtype == from_reply(answer(ds="hmi.M_720s", R="1", n="3"), HMI).index.dtype
    utc = from_reply(body, HMI, keywords=["T_OBS"], links=["x"], times="utc")
    assert utc.columns.tolist() == ["recnum", "time", "T_OBS", "x"]
    assert str(utc.T_OBS.dtype) == "datetime64[ns, UTC]"


def test_quality_is_unsigned():
    for body in (
        reply([("QUALITY", ["0x80000000", "0x00000001"])]),
        reply([("QUALITY", ["-2147483648", "1"])]),
        reply([("QUALITY", [-2147483648, 1])]),
    ):
        frame, _ = both(body, HMI)
        assert frame.QUALITY.tolist() == [0x80000000, 1]
        assert frame.jsoc.good().tolist() == [False, True]
        assert frame.jsoc.good(any_bit=True).tolist() == [False, False]
        assert frame.jsoc.good().dtype == bool
    frame, _ = both(reply([("quality", ["MISSING", "0x00000000"])]), HMI)
    assert frame.jsoc.good().tolist() == [False, True]
    frame, _ = both(reply([("CALVER64", ["0x8000000000000001", "0x7FFFFFFFFFFFFFFF"])]), HMI)
    assert frame.CALVER64.tolist() == [-(2**63) + 1, 2**63 - 1]


def test_good_needs_quality():
    with pytest.raises(UnknownName, match="keywords="):
        from_reply(answer(key="t_rec"), HMI).jsoc.good()


@pytest.mark.parametrize("column", ["T_REC", "t_rec"])
def test_accessor_times(column):
    text = from_reply(answer(key="T_REC,QUALITY"), HMI)
    expected = pd.Timestamp("2013-12-31T23:59:25Z")
    assert text.jsoc.times(column).iloc[0] == expected
    assert text.jsoc.times(column, "tai").iloc[0] == pd.Timestamp("2014-01-01")
    utc = from_reply(answer(key="T_REC,QUALITY"), HMI, times="utc")
    tai = from_reply(answer(key="T_REC,QUALITY"), HMI, times="tai")
    for frame in (utc, tai):
        for scale in ("utc", "tai"):
            pd.testing.assert_series_equal(frame.jsoc.times(column, scale), text.jsoc.times(column, scale))
    utc.loc[utc.index[1], "T_REC"] = pd.NaT
    assert utc.jsoc.times(column, "tai").isna().tolist() == [False, True, False]
    with pytest.raises(RecordSetError, match="0x00000000"):
        text.assign(T_OBS="0x00000000").jsoc.times("T_OBS")
    with pytest.raises(UnknownName, match="T_OBS"):
        text.jsoc.times("T_OBS")
    with pytest.raises(ValueError, match="tdb"):
        text.jsoc.times(column, "tdb")


def test_numbers_as_json():
    body = reply([("CAR_ROT", [2136, None, "2137"]), ("DATAMEAN", [1, 2.5, None]), ("TELESCOP", ["SDO/HMI", None, 1])])
    frame, told = both(body, HMI)
    assert frame.CAR_ROT.tolist() == [2136, pd.NA, 2137]
    np.testing.assert_array_equal(frame.DATAMEAN, [1, 2.5, np.nan])
    assert frame.TELESCOP.fillna("?").tolist() == ["SDO/HMI", "?", "1"]
    assert not told
    frame, _ = both(reply([("TELESCOP", [0, 0.0, True]), ("INSTRUME", ["a\\b", 0, 0.0])]), HMI)
    assert frame.TELESCOP.tolist() == ["0", "0.0", "True"]
    assert frame.INSTRUME.tolist() == ["a\\b", "0", "0.0"]


def test_latin_1_and_utf_8():
    body = reply([("TELESCOP", ["Ångström", "plain"])])
    for encoded in (body, body.decode().encode("latin-1")):
        frame, _ = both(encoded, HMI)
        assert frame.TELESCOP.tolist() == ["Ångström", "plain"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes(kind):
    assert len(from_reply(kind(answer(key="t_rec")), HMI)) == 3


def _cut(body, count):
    return body.replace(b'"count":3', b'"count":%d' % count)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"status":0}',
        b'{"count":2,"keywords":[{"name":"A"}],"status":0}',
        b'{"keywords":[{"name":"*recnum*","values":["x"]}],"segments":[],"links":[],"count":1,"runtime":0.1,"status":0}',
        answer(key="T_REC,QUALITY")[:100],
        answer(key="T_REC,QUALITY")[:-3],
        _cut(answer(key="T_REC,QUALITY"), 4),
        _cut(answer(key="T_REC,QUALITY"), 2),
        _cut(answer(key="T_REC,T_REC"), 2),
        _cut(answer(key="*recnum*"), 2),
        _cut(answer(key="T_REC", R="yes"), 1),
    ],
)
def test_broken_replies(body):
    with pytest.raises(ServerError, match=r"reply of the server"):
        from_reply(body, HMI)


def test_unknown_scale():
    with pytest.raises(ValueError, match="'ut'"):
        from_reply(answer(key="t_rec"), HMI, times="ut")


# ---------------------------------------------------------------- both ways agree on anything

_markers = st.sampled_from(["MISSING", "Invalid KeyLink", "", "nan", "-nan", "inf", "NoDataDirectory", "BadSegLink"])
_odd = st.text(max_size=12) | st.sampled_from(
    ['",', '"]}', '"],"segments":[', "\\", '\\"', "/", "a,b", '","', "]", "é", "\x00"]
)
_integers = st.integers(-(2**70), 2**70).map(str)
_hex = st.integers(0, 2**66).map(hex) | st.integers(0, 2**32 - 1).map("0x{:08X}".format)
_reals = st.builds(
    lambda value, form: form % value,
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["%f", "%.2f", "%g", "%.9G", "%.17G", "%12.3e", "%.0f", "%08.3f"]),
)
_times = st.builds(
    lambda when, form: when.strftime(form),
    st.datetimes(
        min_value=pd.Timestamp("1960-01-01").to_pydatetime(), max_value=pd.Timestamp("2040-01-01").to_pydatetime()
    ),
    st.sampled_from(["%Y.%m.%d_%H:%M:%S_TAI", "%Y-%m-%dT%H:%M:%SZ", "%Y.%m.%d_%H:%M:%S.%f_UTC", "%Y.%m.%d"]),
)
_KEYS = {
    "CAR_ROT": _integers | _hex,
    "QUALITY": _hex | _integers,
    "DATAMEAN": _reals,
    "CRPIX1": _reals,
    "TELESCOP": _odd,
    "T_OBS": _times,
    "T_REC": _times,
    "NOSUCH": _odd,
}


@st.composite
def _replies(draw):
    count = draw(st.integers(1, 7))
    strange = draw(st.booleans())

    def column(cells, plain=None):
        cells = cells | _markers | (_odd | st.integers(0, 9) | st.none() | st.floats(0, 9) if strange else _markers)
        uniform = draw(st.booleans())
        return [draw(cells)] * count if uniform else draw(st.lists(cells, min_size=count, max_size=count))

    keywords = [(name, column(_KEYS[name])) for name in draw(st.lists(st.sampled_from(sorted(_KEYS)), max_size=5))]
    keywords.insert(0, ("*recnum*", draw(st.lists(st.integers(1, 2**40), min_size=count, max_size=count))))
    segments = [("magnetogram", column(st.just("/SUM1/D1/S00000/m.fits")))] if draw(st.booleans()) else []
    links = [("LINK", column(st.just("hmi.B_720s[:#17]")))] if draw(st.booleans()) else []
    names = draw(st.lists(_odd, min_size=count, max_size=count)) if draw(st.booleans()) else None
    return reply(keywords, segments, links, names)


@settings(max_examples=400, deadline=None)
@given(_replies(), st.sampled_from([None, "utc", "tai"]))
def test_both_ways_agree(body, times):
    both(body, HMI, times=times)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.floats(-1e30, 1e30)
        | st.floats(-1e6, 1e6)
        | st.floats(-1e-3, 1e-3),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["%.6f", "%.2f", "%.0f", "%.1f", "%.8f", "%g", "%.3f", "%.4e", "%10.3e", "% .8E", "%.0e", "%.9G"]),
)
def test_reals_are_those_of_float(values, form):
    cells = [form % value for value in values]
    frame = from_reply(reply([("DATAMEAN", cells)]), HMI)
    assert np.array_equal(frame.DATAMEAN.to_numpy().view(np.int64), np.array([float(c) for c in cells]).view(np.int64))


def test_negative_zero_and_the_limits_of_exactness():
    cells = [
        "-0.000000",
        "0.000000",
        "9007199254.740991",
        "9007199254.740992",
        "9007199254.740993",
        "123456789012345678.000000",
    ]
    frame = from_reply(reply([("DATAMEAN", cells)]), HMI)
    assert np.signbit(frame.DATAMEAN.iloc[0])
    assert frame.DATAMEAN.tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize("block", [1, 3, 7, 16_384])
def test_columns_longer_than_a_block(monkeypatch, block):
    monkeypatch.setattr(digits, "_BLOCK", block)
    integers = ["1", "MISSING", "-12345678", "123456789012", "0x0000000A", "0x7FFFFFFFFFFFFFFF", "x"] * 2
    reals = ["1.5", "-2.25", "MISSING", "3", "nan", "1e3", "4.125"] * 2
    body = reply([("CAR_ROT", integers), ("DATAMEAN", reals), ("CRPIX1", reals[:1] * 14)])
    both(body, HMI)


def test_many_records_agree():
    rng = np.random.default_rng(0)
    count = 40_000
    names = [f"hmi.M_720s[2014.01.01_{i:06d}_TAI][3]" for i in range(count)]  # more than one piece of names
    body = reply(
        [
            ("*recnum*", list(range(1, count + 1))),
            ("CAR_ROT", [str(i) for i in rng.integers(-5000, 5000, count)]),
            ("DATAMEAN", [f"{x:.3f}" for x in rng.normal(0, 1e3, count)]),
            ("CRPIX1", [f"{x:g}" for x in rng.normal(0, 1e3, count)]),
            ("TELESCOP", ["SDO/HMI"] * count),
            ("INSTRUME", [f"HMI_{i % 3}" for i in range(count)]),
        ],
        names=names,
    )
    info = drms.SeriesInfo(json.loads(GOLDEN[0]["body"]), name="hmi.M_720s")
    info.primekeys = ["CAMERA"]
    frame, _ = both(body, info)
    assert frame.index.tolist() == names
    assert frame.recnum.tolist() == list(range(1, count + 1))


@pytest.mark.parametrize("cell", ["0x00000004", "MISSING", "Invalid KeyLink", "1_0", "", "-7", "7.5e3", 'a"b'])
@pytest.mark.parametrize("count", [1, 300, 301, 700])
def test_a_column_of_one_value_is_read_as_others_are_however_long(cell, count):
    names = ["QUALITY", "DATAMEAN", "T_OBS", "TELESCOP"]
    both(reply([(name, [cell] * count) for name in names]), HMI, times="utc")
    other = [cell] * (count - 1) + ["12"]
    both(reply([(name, other) for name in names]), HMI)


def test_columns_do_not_share_their_values():
    numbers = [str(place) for place in range(500)]
    names = ["QUALITY", "DATAMEAN", "CAR_ROT", "DATAMAX"]
    frame, _ = both(reply([(name, numbers[place:] + numbers[:place]) for place, name in enumerate(names)]), HMI)
    frame.loc[:, "DATAMEAN"] = -1.0
    frame["CAR_ROT"] += 5
    assert frame.QUALITY.tolist() == list(range(500))
    assert frame.DATAMAX.tolist() == [*range(3, 500), 0, 1, 2]


@pytest.mark.parametrize("piece", [1, 30, 10**6])
@pytest.mark.parametrize("names", [0, 1, 2, 3, 4])
def test_names_are_as_many_as_the_records(names, piece, monkeypatch):
    monkeypatch.setattr(scan, "_NAMES_AT_A_TIME", piece)  # in one piece or in many
    listed = ",".join(f'{{"name":"a.b[{n}]","online":1}}' for n in range(names))
    body = f'{{"recinfo":[{listed}],"keywords":[{{"name":"K","values":["1","2","3"]}}],"segments":[],"links":[]'
    found = scan.scan(f'{body},"count":3,"runtime":0.1,"status":0}}'.encode())
    if names == 3:
        assert list(found.names) == ["a.b[0]", "a.b[1]", "a.b[2]"]
    else:
        with pytest.raises(UnexpectedShape):
            list(found.names)
