"""HARPs of active regions: one number, or one for each row of an event list; the recipe with a table of flares."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import responses

import jsoclite
from jsoclite.sandbox import Sandbox

SERIES = "hmi.sharp_cea_720s"
# the sandbox's region 11158 is HARP 377, and the X2.2 flare of 2011.02.15 was in it
FLARE = pd.Timestamp("2011-02-15T01:44")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.client() as made:
        yield made


@pytest.fixture(scope="module")
def every(client):
    """What each HARP with a number is called, from a record every six hours."""
    cells = client.query(f"{SERIES}[][2010.05.01_TAI-2012.05.01_TAI@6h][? NOAA_AR > 0 ?]", keywords="HARPNUM,NOAA_ARS")
    return cells.drop_duplicates("HARPNUM").set_index("HARPNUM").NOAA_ARS


def named(every, wanted):
    """Return (number, HARPs that name it) for the numbers that so many HARPs name."""
    by_number = {}
    for harp, text in every.items():
        for number in text.split(","):
            by_number.setdefault(int(number), []).append(int(harp))
    return [(number, found) for number, found in by_number.items() if len(found) == wanted]


def test_the_whole_mission_is_one_request(sandbox):
    with sandbox.client() as client:
        client.info(SERIES)
        before = len(sandbox.requests)
        assert client.harps(11158).HARPNUM.tolist() == [377]
        assert client.harps([11158.0, 11520.0]).HARPNUM.notna().all()
        assert len(sandbox.requests) - before == 1


def test_a_column_has_a_row_for_each_of_its_rows(client, every):
    some = named(every, 1)[::15]
    assert len(some) > 10
    column = pd.Series([number for number, _ in some], index=[f"flare {n}" for n in range(len(some))], dtype="float64")
    found = client.harps(column)
    assert found.index.tolist() == column.index.tolist()
    assert found.noaa.tolist() == column.tolist()
    assert found.HARPNUM.tolist() == [harps[0] for _, harps in some]
    assert set(found.how) == {"named"}
    assert set(found.sure) == {"certain"}
    assert found.reason.isna().all()
    for row in found.itertuples():
        assert row.noaa in row.NOAA_ARS
        assert row.first < row.last


def test_why_there_is_none(client):
    found = client.harps([np.nan, None, 0, "", "AR 11158", 9077, "none", 19999, "11158.0"])
    assert found.HARPNUM.tolist()[4] == found.HARPNUM.tolist()[8] == 377
    none = found.drop(index=[4, 8])
    assert none.HARPNUM.isna().all()
    assert none[["how", "sure"]].isna().all(axis=None)
    assert none.reason.str.contains("no number").tolist() == [True] * 6 + [False]
    assert "five digits" in none.reason[5]
    assert "no HARP of hmi.sharp_cea_720s names it" in none.reason[7]
    assert found.dtypes.to_dict() == client.harps([11158]).dtypes.to_dict()
    assert len(client.harps([])) == 0
    assert client.harps(pd.Series([], dtype="float64")).dtypes.to_dict() == found.dtypes.to_dict()


ROWS = [  # HARPNUM, NOAA_AR, NOAA_ARS, T_FRST, T_LAST
    (7, 11111, "11110,11111", "2012.01.01_00:00:00_TAI", "2012.01.09_00:00:00_TAI"),
    (8, 11111, "11111", "2012.01.07_00:00:00_TAI", "2012.01.12_00:00:00_TAI"),
    (9, 11222, "11222,11333", "2012.02.01_00:00:00_TAI", "2012.02.09_00:00:00_TAI"),
    (10, 11333, "11333", "2012.02.01_00:00:00_TAI", "2012.02.05_00:00:00_TAI"),
]


@pytest.fixture
def answered(client):
    """A JSOC that has these HARPs, and counts what is asked of it."""
    definition = client.transport.ask(client.transport.server.url_jsoc_info, {"op": "series_struct", "ds": SERIES}).data
    asked = []

    def answer(request):
        asked.append(request.params)
        if request.params["op"] == "series_struct":
            return 200, {}, json.dumps(definition)
        names = request.params["key"].split(",")
        columns = dict(
            zip(("HARPNUM", "NOAA_AR", "NOAA_ARS", "T_FRST", "T_LAST"), zip(*ROWS, strict=True), strict=True)
        )
        columns |= {"*recnum*": range(1, len(ROWS) + 1), "T_REC": columns["T_FRST"]}
        keywords = [{"name": name, "values": list(map(str, columns[name]))} for name in names]
        records = [{"name": f"{SERIES}[{row[0]}][{row[3]}]", "online": 1} for row in ROWS]
        body = {"recinfo": records, "keywords": keywords, "segments": [], "links": [], "count": len(ROWS), "status": 0}
        return 200, {}, json.dumps({**body, "runtime": 0.1})

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("GET", "http://jsoc.test/cgi-bin/ajax/jsoc_info", answer)
        yield asked


def test_of_several_the_time_decides_then_the_main_region(answered):
    client = jsoclite.Client("http://jsoc.test/")
    times = pd.to_datetime(["2012-01-02", "2012-01-11", "2012-01-08", pd.NaT, "2012-03-01"])
    found = client.harps([11111] * 5, times=times)
    assert found.HARPNUM.tolist() == [7, 8, 7, 7, 7]
    assert set(found.how) == {"one of several"}
    assert found.sure.tolist() == ["likely", "likely", "unsure", "unsure", "unsure"]
    assert "7, 8" in found.reason[2]
    main = client.harps([11333])  # 9 is the larger region's
    assert main.HARPNUM.tolist() == [10]
    assert main.sure.tolist() == ["likely"]
    late = client.harps([11222], times=["2013-01-01"])
    assert late.HARPNUM.tolist() == [9]
    assert late.sure.tolist() == ["unsure"]
    assert "2012-02-08" in late.reason[0]


def test_it_is_kept_like_definitions(answered, cache_home):
    first = jsoclite.Client("http://jsoc.test/").harps([11111, 11222])
    assert [one["op"] for one in answered] == ["series_struct", "rs_list"]
    again = jsoclite.Client("http://jsoc.test/").harps([11111, 11222])
    pd.testing.assert_frame_equal(first, again)
    assert len(answered) == 2
    jsoclite.Client("http://jsoc.test/", cache=False).harps(11111)
    assert [one["op"] for one in answered[2:]] == ["series_struct", "rs_list"]
    for path in cache_home.rglob("*.json"):  # what is damaged is as good as not there
        body = json.loads(path.read_text())
        if "HARPNUM" in body["reply"]:
            path.write_text(json.dumps({**body, "reply": {**body["reply"], "NOAA_ARS": 7}}))
    pd.testing.assert_frame_equal(jsoclite.Client("http://jsoc.test/").harps([11111, 11222]), first)
    assert [one["op"] for one in answered[4:]] == ["rs_list"]


def test_nothing_of_a_sandbox_is_kept(sandbox, cache_home):
    jsoclite.Client(sandbox.url).harps(11158)
    assert not list(cache_home.rglob("*.json"))


@pytest.mark.parametrize("place", ["S20W12", "S20 W12", (12, -20)])
def test_by_overlap_in_time_and_place(client, place):
    found = client.harps([np.nan, 11158, np.nan, np.nan], times=[FLARE] * 3 + [pd.NaT], places=[place] * 4)
    assert found.HARPNUM.tolist() == [377, 377, 377, pd.NA]
    assert found.how.tolist()[:2] == ["overlap", "named"]
    assert found.sure.tolist()[:2] == ["likely", "certain"]
    assert found.NOAA_ARS[0] == (11158,)
    assert "time" in found.reason[3]
    far = client.harps([None] * 3, times=[FLARE, FLARE, "1999-01-01"], places=["N60E60", "somewhere", "S20W12"])
    assert far.HARPNUM.isna().all()
    assert "no HARP lies" in far.reason[0]
    assert "somewhere" in far.reason[1]
    assert "May 2010" in far.reason[2]
    with pytest.raises(ValueError, match="as long as"):
        client.harps([11158, 11159], times=[FLARE])
    with pytest.raises(ValueError, match="times="):
        client.harps([11158], places=[place])


def test_overlaps_agree_with_the_boxes(client):
    names = "HARPNUM,LON_FWT,LAT_FWT,LON_MIN,LON_MAX,LAT_MIN,LAT_MAX"
    there = client.query(f"{SERIES}[][2011.02.15_02:00:00_TAI]", keywords=names)
    times, places = [there.time.iloc[0]] * len(there), list(zip(there.LON_FWT, there.LAT_FWT, strict=True))
    found = client.harps([None] * len(there), times=times, places=places)
    assert found.HARPNUM.tolist() == there.HARPNUM.tolist()
    inside = [
        ((x >= there.LON_MIN) & (x <= there.LON_MAX) & (y >= there.LAT_MIN) & (y <= there.LAT_MAX)).sum()
        for x, y in places
    ]
    assert found.sure.tolist() == ["likely" if count == 1 else "unsure" for count in inside]
    # a little beside a box is found, and not sure
    edge = there.loc[there.LON_MIN.idxmin()]
    near = client.harps([None], times=times[:1], places=[(edge.LON_MIN - 1, edge.LAT_FWT)])
    assert (near.HARPNUM[0], near.sure[0]) == (edge.HARPNUM, "unsure")


FLARES = """start,class,noaa
2011-02-15 01:44,X2.2,11158
2011-02-18 09:55,M6.6,
2011-03-09 23:13,X1.5,11166
2011-02-13 17:28,M6.6,11158
"""


def test_a_table_of_flares_with_sharps_hours_before(client):
    """The recipe of the docstring, beside the same by hand."""
    flares = pd.read_csv(io.StringIO(FLARES), parse_dates=["start"])
    flares["HARPNUM"] = client.harps(flares.noaa, times=flares.start).HARPNUM
    flares["asked"] = (flares.start - pd.Timedelta("6h")).dt.tz_localize("UTC").astype("datetime64[ns, UTC]")
    sharps = client.nearest(SERIES, flares.asked.drop_duplicates(), "24m", keywords="HARPNUM,T_REC,sharp")
    joined = flares.merge(sharps, on=["asked", "HARPNUM"], how="left")
    assert len(joined) == 4
    assert joined.USFLUX.isna().tolist() == [False, True, False, False]
    for row in joined.dropna(subset="USFLUX").itertuples():
        near = client.query(f"{SERIES}[{row.HARPNUM}][{row.start - pd.Timedelta('6h'):%Y-%m-%dT%H:%M}Z/12m]")
        assert abs(near.time.iloc[0] - row.asked) <= pd.Timedelta("12m")
        assert row.recnum == near.recnum.iloc[0]


def test_harps_and_back(client):
    df = client.harps(11158)
    assert df.HARPNUM.tolist() == [377]
    assert df.NOAA_AR.tolist() == [11158]
    assert df["first"].iloc[0] < pd.Timestamp("2011-02-15", tz="UTC") < df["last"].iloc[0]
    back = client.harps(harpnum=377)
    assert 11158 in back.NOAA_ARS.iloc[0]
    quiet = client.harps(harpnum=370)  # no spots, so that NOAA has given no number
    assert (quiet.NOAA_AR.tolist(), quiet.NOAA_ARS.tolist()) == ([0], [()])
    assert client.harps(99999).columns.tolist() == df.columns.tolist()
    assert client.harps(99999).empty
    nrt = client.harps(11158, series=f"{SERIES}_nrt", start="2011-02-14", end="2011-02-15")
    assert nrt.columns.tolist() == df.columns.tolist()
    with pytest.raises(ValueError, match="either"):
        client.harps()
    with pytest.raises(ValueError, match="either"):
        client.harps([11158], harpnum=377)


def test_all_regions_that_have_a_harp_are_found(client, every):
    numbers = sorted({int(one) for text in every for one in text.split(",")})
    found = client.harps(numbers)
    assert found.HARPNUM.notna().all()
    for row in found.itertuples():
        assert str(row.noaa) in every[row.HARPNUM].split(",")
