"""The computed catalogue: series, records, versions, keywords, storage units and links of the whole mission."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from conftest import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite.sandbox.catalog.catalog import Series, StorageUnit
from jsoclite.sandbox.catalog.definition import SeriesDefinition
from jsoclite.sandbox.mission.ephemeris import (
    AU,
    DAY,
    END,
    eclipsed,
    inside,
    moment,
    on_tape,
    outages,
    published,
    quality,
    reprocessed,
    rotation_start,
    view,
)
from jsoclite.sandbox.mission.kinds import ROTATIONS
from jsoclite.sandbox.mission.mission import Location, MissionCatalog
from jsoclite.sandbox.mission.noise import hashed, normal, smooth, texture, uniform
from jsoclite.sandbox.mission.regions import activity, polar_field, regions
from jsoclite.sandbox.sun.files import segment_file

CATALOG = MissionCatalog(segment_file)
NAMES = list(CATALOG)
DEFINITIONS = GOLDEN / "catalog"
REAL = ["hmi.M_720s", "hmi.B_720s", "hmi.sharp_cea_720s", "aia.lev1_euv_12s", "mdi.fd_M_96m_lev182", "aia.lev1"]


def slots(name, start, end, shift=0.0):
    """Inclusive limits of T_REC_index for a range of times (plus `shift` seconds), rounded as the server does."""
    series = CATALOG[name]
    key = series.definition.primekeys[-1 if series.spec.kind == "harp" else 0]
    slotting = series.definition.slotting[key.column]
    return {f"{key.column}_index": (slotting.slot(moment(start) + shift), slotting.slot(moment(end) + shift))}


def found(name, start, end, **others):
    return CATALOG[name].candidates(slots(name, start, end) | others, False)


def values(name, recnums, *columns):
    cols = CATALOG[name].columns(recnums, columns)
    return cols[columns[0]] if len(columns) == 1 else cols


def some(name):
    """A few dozen records from the middle of a series."""
    series = CATALOG[name]
    low, high = series.extremes("recnum")
    middle = (int(low) + min(int(high), series.size)) // 2
    return series.existing(np.arange(middle, middle + 700))[:40]


# --- series ---------------------------------------------------------------------------------------------------------


def test_lists_the_series_that_the_archive_lists():
    assert [name for name in NAMES if re.match(r"aia\..*", name, re.I)] == [
        "aia.flatfield",
        "aia.lev1",
        "aia.lev1_euv_12s",
        "aia.lev1_uv_24s",
        "aia.lev1_vis_1h",
        "aia.master_pointing3h",
        "aia.response",
        "aia.temperature_summary_300s",
    ]
    assert {name for name in NAMES if re.match(r"hmi\.b.*", name, re.I)} == {
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
    }
    for name in ("hmi.V_45s", "hmi.Ic_noLimbDark_720s", "hmi.sharp_720s", "mdi.fd_M_lev182", "mdi.fd_V", "iris.lev1"):
        assert name in CATALOG
        assert name.lower() in CATALOG
    assert "hmi.nothing" not in CATALOG
    assert len(CATALOG) == len(NAMES) == len({name.lower() for name in NAMES})


@pytest.mark.parametrize("name", NAMES)
def test_every_series_has_a_definition_and_fits_the_protocol(name):
    series = CATALOG[name]
    assert isinstance(series, Series)
    assert series.definition.name == name
    assert series.definition.description
    assert series.definition.primekeys
    for link in series.definition.links.values():
        assert link.target in CATALOG
    for segment in series.definition.segments.values():
        if segment.link:
            target = CATALOG[series.definition.links[segment.link.lower()].target]
            assert segment.target.lower() in target.definition.segments
    for key in series.definition.keywords.values():
        if key.link:
            target = CATALOG[series.definition.links[key.link.lower()].target]
            assert target.definition.find(key.target) is not None


@pytest.mark.parametrize("name", REAL)
def test_definitions_hold_all_that_the_recorded_ones_do(name):
    recorded = SeriesDefinition.load(DEFINITIONS / f"{name}.definition.json")
    ours = CATALOG[name].definition
    linked = {segment.name.lower() for segment in ours.segments.values() if segment.link}
    for column, key in recorded.keywords.items():
        if key.implicit and (column.startswith("cparms") or column.rsplit("_", 1)[0] in linked):
            continue  # a linked segment has no compression or scale of its own
        assert ours.keywords[column].type == key.type
        assert (ours.keywords[column].format, ours.keywords[column].unit) == (
            key.format,
            key.unit,
        ) or (name == "aia.lev1" or column == "t_obs")  # real headers print T_OBS to the second
        assert ours.keywords[column].scope in (key.scope, 1004)
    assert set(recorded.segments) <= set(ours.segments)
    if name != "aia.lev1":  # later slotted by T_REC
        assert [key.name for key in ours.primekeys] == [key.name for key in recorded.primekeys]
        if name != "aia.lev1_euv_12s":  # see test_truth.py
            assert ours.slotting == recorded.slotting


def test_prime_keys_are_those_of_the_archive():
    def keys(name):
        return [key.name for key in CATALOG[name].definition.primekeys]

    assert keys("hmi.v_45s") == keys("hmi.m_720s") == ["T_REC", "CAMERA"]
    assert keys("aia.lev1") == ["T_REC", "FSN"]
    assert keys("aia.response") == ["T_START", "WAVE_STR"]
    assert keys("iris.lev1") == ["T_OBS", "FSN"]
    assert keys("hmi.v_sht_modes") == ["T_START", "LMIN", "LMAX", "NDT"]
    assert {"LMIN", "NACOEFF"} < set(keys("hmi.v_sht_2drls"))


# --- what published print-outs show ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start", "end", "count"),
    [
        ("hmi.V_45s", "2014.01.01_00:00", "2014.01.01_01:00", 81),
        ("hmi.M_45s", "2014.01.01_00:00", "2014.01.01_00:10", 14),
        ("hmi.B_720s", "2015.08.27_05:00", "2015.08.27_06:00", 6),
        ("hmi.sharp_720s", "2014.01.01_00:00", "2014.01.01_01:00", 61),
        ("hmi.sharp_cea_720s", "2014.01.01_00:00", "2014.01.01_01:00", 61),
    ],
)
def test_published_counts(name, start, end, count):
    # times in UTC, 35 s behind
    limits = slots(name, start, end, 0.0 if name.endswith("720s") else 35.0)
    assert len(CATALOG[name].candidates(limits, False)) == count


def test_an_hour_of_aia_is_2107_records_by_time_and_channel():
    limits = slots("aia.lev1_euv_12s", "2014.01.01_00:00", "2014.01.01_01:00", 35.0)
    recnums = CATALOG["aia.lev1_euv_12s"].candidates(limits, False)
    assert len(recnums) == 2107
    cols = values("aia.lev1_euv_12s", recnums, "t_rec", "wavelnth", "instrume", "telescop")
    assert cols["wavelnth"][:8].tolist() == [94, 131, 171, 193, 211, 304, 335, 94]
    assert cols["instrume"][:8].tolist() == ["AIA_4", "AIA_1", "AIA_3", "AIA_2", "AIA_2", "AIA_4", "AIA_1", "AIA_4"]
    assert set(cols["telescop"]) == {"SDO/AIA"}
    assert (np.diff(cols["t_rec"]) >= 0).all()


def test_aia_slots_are_twelve_seconds_of_tai():
    index = 55224003  # 2014-01-01T00:00:01Z
    recnums = CATALOG["aia.lev1_euv_12s"].candidates({"t_rec_index": (index, index + 2), "wavelnth": (171, 304)}, False)
    cols = values("aia.lev1_euv_12s", recnums, "t_rec", "wavelnth")
    assert cols["t_rec"][::5].tolist() == [1167609636.0 + 12 * n for n in range(3)]
    assert sorted(set(cols["wavelnth"].tolist())) == [171, 193, 211, 304]


def test_known_harps():
    known = {3604: 1336, 377: 1550}
    for number, count in known.items():
        assert len(CATALOG["hmi.sharp_cea_720s"].candidates({"harpnum": (number, number)}, False)) == count
    cea = CATALOG["hmi.sharp_cea_720s"]
    limits = slots("hmi.sharp_cea_720s", "2011.02.15_02:12", "2011.02.15_02:12")
    (recnum,) = cea.candidates({"harpnum": (377, 377)} | limits, False)
    cols = values("hmi.sharp_cea_720s", np.array([recnum]), "noaa_ars", "noaa_ar", "usflux", "errvf", "lon_fwt")
    assert cols["noaa_ars"][0] == "11158"
    assert cols["noaa_ar"][0] == 11158
    assert cols["usflux"][0] == pytest.approx(2.65e22, rel=0.2)
    assert cols["errvf"][0] == pytest.approx(6.5e18, rel=0.2)
    assert 5 < cols["lon_fwt"][0] < 20
    assert len(found("hmi.sharp_720s", "2014.11.30", "2014.11.30", harpnum=(4864, 4864))) == 1


def test_long_lived_harps_are_those_of_the_archive():
    cea = CATALOG["hmi.sharp_cea_720s"]
    recnums = cea.candidates(slots("hmi.sharp_cea_720s", "2012.01.01", "2018.01.01"), False)
    cols = cea.columns(recnums, ["harpnum", "n_patch1", "t_frst1", "t_rec", "noaa_ars"])
    first = (cols["n_patch1"] > 1800) & (cols["t_frst1"] == cols["t_rec"])
    assert cols["harpnum"][first].tolist() == [
        1834, 1879, 1907, 2040, 2696, 2852, 3563, 3647, 3784, 3856, 4000, 4396, 4920,
    ]  # fmt: skip
    assert cols["noaa_ars"][first][0] == "11519,11520,11521"


def test_dopplergrams_of_april_2016_move_with_the_orbit():
    recnums = found("hmi.V_45s", "2016.04.01", "2016.04.01_18:00")[:: 6 * 80]
    cols = values("hmi.V_45s", recnums, "obs_vr", "datamean", "camera", "instrume")
    assert cols["obs_vr"] == pytest.approx([3309.268, 887.864, -2284.690, 137.836], abs=150)
    assert cols["datamean"] == pytest.approx(cols["obs_vr"], abs=25)
    assert set(cols["camera"].tolist()) == {2}
    assert set(cols["instrume"]) == {"HMI_FRONT2"}


def test_t_obs_and_date_obs_follow_the_distance_of_the_sun():
    cols = values(
        "hmi.V_45s", found("hmi.V_45s", "2014.01.01_00:01", "2014.01.01_00:01"), "t_rec", "t_obs", "date__obs"
    )
    # T_REC 00:00:45, T_OBS 00:00:37 TAI, DATE-OBS 23:59:39.20 UTC
    assert cols["t_obs"][0] - cols["t_rec"][0] == pytest.approx(-8.3, abs=0.4)
    assert cols["date__obs"][0] == pytest.approx(moment("2014.01.01") + 35 - 20.8, abs=0.2)


# --- the Sun from SDO -------------------------------------------------------------------------------------------------

# time (TAI), CRLN_OBS, CRLT_OBS, CAR_ROT, DSUN_OBS, RSUN_OBS, OBS_VR, OBS_VW, OBS_VN of published headers
HEADERS = [
    (moment("2011.02.15") + 35.34, 22.814522, -6.820544, 2106, 147724815128, 971.812597, 2812.0, 30057.5, -3110.6),
    (moment("2014.03.01_00:01") + 25, 132.560135, -7.226688, 2147, 148205511547, 968.660583, 3300.7, 29699.8, -1365.2),
    (moment("2014.06.09_23:48") + 7.5, 238.819397, 0.387006, 2151, 151855755159, 945.37616, 2045.3, 27891.0, 5830.1),
]


@pytest.mark.parametrize("header", HEADERS)
def test_view_agrees_with_published_headers(header):
    time, longitude, latitude, rotation, distance, radius, *velocity = header
    seen = view([time])
    assert seen.longitude[0] == pytest.approx(longitude, abs=0.003)
    assert seen.latitude[0] == pytest.approx(latitude, abs=0.002)
    assert seen.rotation[0] == rotation
    assert seen.distance[0] == pytest.approx(distance, rel=1e-5)
    assert seen.radius[0] == pytest.approx(radius, abs=0.02)
    assert [seen.radial[0], seen.westward[0], seen.northward[0]] == pytest.approx(velocity, abs=260)


def test_latitude_of_july_2013():
    # the archive's clients test their parsing on CRLT_OBS = 3.14159 of these records
    recnums = found("hmi.V_45s", "2013.07.03_08:42", "2013.07.03_08:44")
    assert values("hmi.V_45s", recnums, "crlt_obs") == pytest.approx(np.full(4, 3.14159), abs=7e-5)


def test_earth_agrees_with_astropy():
    from astropy import units as u
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    times = np.linspace(moment("1996.01.01"), END, 400)
    when = Time("1977-01-01", scale="tai") + times * u.s
    vector = (get_body_barycentric("earth", when) - get_body_barycentric("sun", when)).xyz.to_value(u.m).T
    distance = np.linalg.norm(vector, axis=1)
    seen = view(times, "earth")
    assert seen.distance == pytest.approx(distance, rel=2e-5)
    pole = np.radians([286.13, 63.87])
    axis = np.array([np.cos(pole[1]) * np.cos(pole[0]), np.cos(pole[1]) * np.sin(pole[0]), np.sin(pole[1])])
    latitude = np.degrees(np.arcsin(vector @ axis / distance))
    assert seen.latitude == pytest.approx(latitude, abs=3e-4)
    node = np.array([-np.sin(pole[0]), np.cos(pole[0]), 0.0])
    east = np.cross(axis, node)
    days = (when.tdb - Time("J2000", scale="tdb")).to_value(u.day) - 500 / 86400
    longitude = np.degrees(np.arctan2(vector @ east, vector @ node)) - 84.176 - 14.1844 * days + 0.081
    assert ((seen.longitude - longitude + 180) % 360 - 180) == pytest.approx(np.zeros(400), abs=2e-3)


def test_view_stays_within_the_orbit():
    times = np.arange(moment("2010.05.01"), END, 3.7 * DAY)
    seen = view(times)
    assert (np.abs(seen.distance / AU - 1) < 0.0175).all()
    assert (np.abs(seen.latitude) < 7.3).all()
    assert (np.abs(seen.radial) < 4000).all()
    assert (np.abs(seen.westward - 29800) < 4500).all()
    assert (np.abs(seen.northward) < 7000).all()
    assert (np.diff(seen.rotation) >= 0).all()
    # velocity is the derivative of the distance
    step = 30.0
    slope = (view(times + step).distance - view(times - step).distance) / (2 * step)
    assert slope == pytest.approx(seen.radial, abs=1.0)


def test_soho_is_nearer_than_the_earth():
    times = np.arange(moment("1996.05.01"), moment("2011.01.01"), 11 * DAY)
    ratio = view(times, "soho").distance / view(times, "earth").distance
    assert ((ratio > 0.985) & (ratio < 0.995)).all()


def test_rotations_start_where_the_longitude_passes_zero():
    numbers = np.arange(2096, 2300)
    times = rotation_start(numbers)
    assert ((view(times, "earth").longitude + 180) % 360 - 180) == pytest.approx(np.zeros(204), abs=0.01)
    assert view(times + 3600, "earth").rotation.tolist() == numbers.tolist()
    assert view(times - 3600, "earth").rotation.tolist() == (numbers - 1).tolist()
    # CR 2145 began on 2013 December 19
    assert rotation_start(2145)[0] == pytest.approx(moment("2013.12.19_01:30"), abs=7200)


def test_eclipses_come_in_two_seasons_a_year():
    for year in (2011, 2015, 2020, 2025):
        times = moment(f"{year}.01.01") + np.arange(0, 365 * DAY, 600)
        days = np.unique(np.floor(times[eclipsed(times)] / DAY))
        seasons = 1 + int((np.diff(days) > 60).sum())
        assert seasons == 2
        assert 30 < len(days) < 75
        daily = np.bincount(np.floor(times[eclipsed(times)] / DAY).astype(int) - int(times[0] // DAY))
        assert daily.max() * 10 < 80


# --- records and record numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_record_numbers_lead_back_to_the_prime_keys(name):
    series = CATALOG[name]
    recnums = some(name)
    assert len(recnums)
    assert (series.existing(recnums) == recnums).all()
    columns = [key.column for key in series.definition.prime]
    cols = series.columns(recnums, columns)
    for row in range(0, len(recnums), 13):
        bounds = {column: (cols[column][row], cols[column][row]) for column in columns}
        versions = series.candidates(bounds, True)
        assert recnums[row] in versions
        assert (np.diff(versions) > 0).all()
        (newest,) = series.candidates(bounds, False)
        assert newest == versions[-1]


@pytest.mark.parametrize("name", NAMES)
def test_every_column_of_every_series_has_its_type(name):
    series = CATALOG[name]
    recnums = some(name)
    stored = [key for key in series.definition.keywords.values() if key.stored]
    cols = series.columns(recnums, [key.column for key in stored])
    for key in stored:
        column = cols[key.column]
        assert column.shape == recnums.shape
        if key.type == "string":
            assert all(isinstance(value, str) for value in column)
        else:
            assert column.dtype == (np.int64 if key.type in ("char", "short", "int", "longlong") else np.float64)
        if key.type in ("short", "int"):
            assert (np.abs(column) <= 2 ** (31 if key.type == "int" else 15)).all()
    system = series.columns(recnums, ["recnum", "sunum", "slotnum", "sessionid", "sessionns"])
    assert (system["recnum"] == recnums).all()
    with pytest.raises(KeyError, match="no column 'nothing'"):
        series.columns(recnums, ["nothing"])


@pytest.mark.parametrize("name", NAMES)
def test_extremes_are_those_of_existing_records(name):
    series = CATALOG[name]
    column = series.definition.prime[0].column
    low, high = series.extremes(column)
    assert len(series.candidates({column: (low, low)}, False))
    assert len(series.candidates({column: (high, high)}, False))
    assert not len(series.candidates({column: (None, low - 1)}, False))
    assert not len(series.candidates({column: (high + 1, None)}, False))
    low, high = series.extremes("recnum")
    assert series.existing(np.array([low - 1, low, high, high + 1, 0, -5, 10**12])).tolist() == [low, high]


@pytest.mark.parametrize(
    "name", ["hmi.M_720s", "hmi.V_45s", "aia.lev1_euv_12s", "aia.lev1", "mdi.fd_V", "hmi.sharp_720s"]
)
def test_one_record_alone_equals_the_same_among_many(name):
    series = CATALOG[name]
    recnums = some(name)
    columns = [key.column for key in series.definition.keywords.values() if key.stored][:60]
    together = series.columns(recnums, columns)
    alone = series.columns(recnums[7:8], columns)
    for column in columns:
        if together[column].dtype == object:
            assert together[column][7] == alone[column][0]
        else:
            np.testing.assert_allclose(alone[column], together[column][7:8], rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(759480, 1482000),
    length=st.integers(0, 400),
    harps=st.tuples(st.integers(1, 14450), st.integers(0, 300)),
)
def test_bounds_give_what_filtering_gives(start, length, harps):
    camera = CATALOG["hmi.M_720s"]
    limits = {"t_rec_index": (start, start + length)}
    every = camera.candidates(limits, False)
    cols = camera.columns(every, ["t_rec_index", "camera", "t_rec"])
    assert ((cols["t_rec_index"] >= start) & (cols["t_rec_index"] <= start + length)).all()
    assert (np.diff(cols["t_rec_index"]) > 0).all()
    assert camera.candidates(limits | {"camera": (3, 3)}, False).tolist() == every[cols["camera"] == 3].tolist()
    patches = CATALOG["hmi.sharp_720s"]
    both = patches.candidates(limits | {"harpnum": (harps[0], harps[0] + harps[1])}, False)
    broad = patches.candidates(limits, False)
    numbers = patches.columns(broad, ["harpnum"])["harpnum"]
    keep = (numbers >= harps[0]) & (numbers <= harps[0] + harps[1])
    assert both.tolist() == broad[keep].tolist()


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(moment("2010.05.14").__int__(), int(END) - 4000),
    length=st.integers(0, 90),
    shift=st.integers(-20, 20),
)
def test_frames_are_found_by_time_and_by_number(start, length, shift):
    frames = CATALOG["aia.lev1"]
    limits = {"t_rec_index": (start, start + length)}
    recnums = frames.candidates(limits, False)
    wide = frames.candidates({"t_rec_index": (start - 100, start + length + 100)}, False)
    times = frames.columns(wide, ["t_rec_index", "fsn", "wavelnth"])
    keep = (times["t_rec_index"] >= start) & (times["t_rec_index"] <= start + length)
    assert recnums.tolist() == wide[keep].tolist()
    assert (np.diff(times["fsn"]) > 0).all()
    if len(wide) > abs(shift):
        fsn = int(times["fsn"][abs(shift)])
        assert frames.candidates({"fsn": (fsn, fsn)}, False).tolist() == [wide[abs(shift)]]


def test_open_bounds_do_not_list_the_mission_twice():
    series = CATALOG["hmi.M_720s"]
    every = series.candidates({}, False)
    assert len(every) > 700_000
    first, last = series.extremes("t_rec_index")
    assert values("hmi.M_720s", every[[0, -1]], "t_rec_index").tolist() == [first, last]
    with pytest.raises(Exception, match="more than the 50,000,000"):
        CATALOG["aia.lev1_euv_12s"].candidates({}, False)


def test_some_stretches_were_made_twice():
    series = CATALOG["hmi.M_720s"]
    stretch = reprocessed("hmi")
    after = stretch[stretch[:, 0] > moment("2012.01.01")][0]
    limits = {
        "t_rec_index": tuple(int((edge - moment("1993.01.01")) / 720) for edge in (after[0] - 7200, after[1] + 7200))
    }
    newest, every = series.candidates(limits, False), series.candidates(limits, True)
    old = np.setdiff1d(every, newest)
    assert len(old)
    cols = series.columns(every, ["t_rec_index", "date"])
    for slot in np.unique(values("hmi.M_720s", old, "t_rec_index")):
        versions = every[cols["t_rec_index"] == slot]
        dates = cols["date"][cols["t_rec_index"] == slot]
        assert len(versions) == 2
        assert versions[0] < versions[1]
        assert dates[0] < dates[1]
    assert (series.existing(old) == old).all()
    # a number for a version that was never made is no record
    once = newest[newest <= series.size]
    assert not len(series.existing(once + series.size))


# --- what is missing ------------------------------------------------------------------------------------------------


def test_gaps_are_shared_by_the_series_of_an_instrument():
    gap = outages("hmi")[outages("hmi")[:, 0] > moment("2014.02.01")]
    long = gap[gap[:, 1] - gap[:, 0] > 3000][0]
    for name in ("hmi.M_720s", "hmi.V_45s", "hmi.B_720s"):
        series = CATALOG[name]
        step = series.step
        limits = tuple(
            int((edge - moment("1993.01.01")) / step) + shift for edge, shift in zip(long, (1, -1), strict=True)
        )
        assert not len(series.candidates({"t_rec_index": limits}, False))
        assert len(series.candidates({"t_rec_index": (limits[0] - 30, limits[1] + 30)}, False))


def test_records_without_an_image_say_so():
    times = moment("2012.03.10") + np.arange(0, 5 * DAY, 720)
    dark = times[eclipsed(times) & ~inside(times, outages("hmi"))]
    series = CATALOG["hmi.M_720s"]
    slot = round((dark[1] - moment("1993.01.01")) / 720)
    (recnum,) = series.candidates({"t_rec_index": (slot, slot)}, False)
    cols = series.columns(np.array([recnum]), ["quality", "sg_000_file", "datamean", "missvals", "t_rec"])
    assert cols["quality"][0] == -(2**31) + 0x200
    assert cols["sg_000_file"][0] == ""
    assert np.isnan(cols["datamean"][0])
    assert series.path(int(recnum), "magnetogram") is None
    assert (quality("hmi", dark) < 0).all()
    whole = moment("2014.01.01") + np.arange(0, DAY, 45)
    marked = whole[quality("hmi", whole) != 0] - moment("2014.01.01")  # images of the calibration
    assert marked.tolist() == [21600, 22320, 64800, 65520]


def test_quality_is_bad_for_few_records_only():
    times = moment("2017.05.01") + np.arange(0, 60 * DAY, 720.0)
    word = quality("hmi", times)
    assert 0 < (word != 0).mean() < 0.02
    assert ((word >= -(2**31)) & (word < 2**31)).all()


def test_old_units_are_on_tape_but_not_those_of_published_days():
    days = np.arange(moment("2010.05.01"), moment("2018.12.31"), DAY)
    away = on_tape("hmi.M_720s", days)
    assert 0.02 < away.mean() < 0.08
    assert not (away & published(days)).any()
    assert not on_tape("hmi.M_720s", np.arange(moment("2019.01.01"), END, DAY)).any()
    series = CATALOG["hmi.M_720s"]
    slot = int((days[away][3] - moment("1993.01.01")) / 720) + 3
    recnum = int(series.candidates({"t_rec_index": (slot, slot)}, False)[0])
    sunum = series.columns(np.array([recnum]), ["sunum"])["sunum"]
    (unit,) = series.units(sunum)
    assert isinstance(unit, StorageUnit)
    assert not unit.online
    assert unit.archive == "Y"
    assert not unit.files
    assert series.directories(sunum) == [""]
    assert series.path(recnum, "magnetogram") is None
    assert CATALOG.locate(f"{unit.directory}/S00000/magnetogram.fits") is None


# --- storage units and links ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_paths_lead_back_to_their_records(name):
    series = CATALOG[name]
    own = [segment for segment in series.definition.segments.values() if not segment.link]
    tried = 0
    spread = np.concatenate([some(name), series.existing(np.arange(1, series.size + 1, max(1, series.size // 40)))])
    for recnum in spread[::11].tolist():
        for segment in own[:3]:
            path = series.path(recnum, segment.name)
            if path is None:
                continue
            tried += 1
            assert re.fullmatch(r"/SUM\d+/D\d+/S\d{5}/[\w.]+", path)
            assert CATALOG.locate(path) == Location(name, recnum, segment.name)
            disk = re.sub(r"/SUM\d+", "/SUM99", path)
            assert CATALOG.locate(disk) is None
    if own:
        assert tried
    else:
        assert set(series.columns(some(name), ["sunum"])["sunum"].tolist()) == {-1}
        assert series.units(np.array([-1, 5])) == [None, None]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/SUM1/D1/S00000/x.fits",
        "/SUM1/D99999999999/S00000/magnetogram.fits",
        "/SUM1/D107401520/S00000/../x",
        "/SUM1/D107401520/S99999/magnetogram.fits",
        "SUM1/D107401520/S00000/magnetogram.fits",
        "/SUM1/D" + "9" * 40 + "/S00000/magnetogram.fits",
    ],
)
def test_other_paths_lead_nowhere(path):
    assert CATALOG.locate(path) is None


def test_units_of_45_second_series_hold_many_records():
    recnums = found("hmi.V_45s", "2014.01.01", "2014.01.01_02:00")
    cols = values("hmi.V_45s", recnums, "sunum", "slotnum")
    assert CATALOG["hmi.V_45s"].definition.unitsize == 32
    assert len(np.unique(cols["sunum"])) < len(recnums) / 20
    assert cols["slotnum"].max() == 31
    (unit,) = CATALOG["hmi.V_45s"].units(cols["sunum"][:1])
    assert unit.online
    assert list(unit.files) == ["Dopplergram.fits"]


def test_units_of_different_series_are_apart():
    every = [CATALOG[name] for name in NAMES]
    ranges = sorted((one.spec.first_unit, one.spec.first_unit + one.unit_count) for one in every)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ranges))


def test_slotted_channels_point_to_their_frames():
    frames = CATALOG["aia.lev1"]
    for name, offset in (("aia.lev1_euv_12s", 12), ("aia.lev1_uv_24s", 24), ("aia.lev1_vis_1h", 24)):
        recnums = found(name, "2014.01.01", "2014.01.01_01:00")
        cols = values(name, recnums, "ln_lev1", "wavelnth", "t_obs", "fsn", "t_rec")
        assert (frames.existing(cols["ln_lev1"]) == cols["ln_lev1"]).all()
        frame = frames.columns(cols["ln_lev1"], ["wavelnth", "t_obs", "fsn", "crpix1", "exptime"])
        assert (frame["wavelnth"] == cols["wavelnth"]).all()
        assert (frame["fsn"] == cols["fsn"]).all()
        assert frame["t_obs"].tolist() == cols["t_obs"].tolist()
        assert ((cols["t_obs"] > cols["t_rec"] - 1) & (cols["t_obs"] < cols["t_rec"] + offset)).all()
        own = values(name, recnums, "crpix1", "exptime")
        assert own["exptime"] == pytest.approx(frame["exptime"], abs=2e-3)
        assert own["crpix1"] == pytest.approx(frame["crpix1"], abs=1e-3)


def test_other_links_lead_to_the_same_slot():
    recnums = found("hmi.sharp_cea_720s", "2014.01.01", "2014.01.01_01:00")
    cols = values("hmi.sharp_cea_720s", recnums, "ln_bdata", "t_rec_index")
    assert (values("hmi.B_720s", cols["ln_bdata"], "t_rec_index") == cols["t_rec_index"]).all()
    recnums = found("hmi.B_720s", "2015.08.27_05:00", "2015.08.27_06:00")
    link = values("hmi.B_720s", recnums, "ln_mdata")
    assert (values("hmi.ME_720s_fd10", link, "t_rec") == values("hmi.B_720s", recnums, "t_rec")).all()
    recnums = found("hmi.sharp_720s", "2014.01.01", "2014.01.01")
    cols = values("hmi.sharp_720s", recnums, "ln_bharp_harpnum", "ln_bharp_t_rec_index", "ln_bharp_isset", "harpnum")
    assert (cols["ln_bharp_harpnum"] == cols["harpnum"]).all()
    assert set(cols["ln_bharp_isset"].tolist()) == {1}
    with pytest.raises(KeyError):
        values("hmi.sharp_720s", recnums, "ln_nothing")


# --- HARPs, cycle, noise ----------------------------------------------------------------------------------------------


def test_harps_are_born_cross_the_disk_and_die():
    every = regions()
    numbered = every.number > 0
    assert (np.diff(every.number) > 0).all()
    start = every.first[numbered]
    assert np.corrcoef(every.number[numbered], start)[0, 1] > 0.97
    assert (every.count > 0).all()
    assert (every.count[numbered] * 720 / DAY < 20).all()
    for day in ("2011.02.15", "2014.01.01", "2024.06.28"):
        assert 4 <= len(every.alive(moment(day))) <= 30
    assert len(every.alive(moment("2019.08.01"))) <= 8
    # no NOAA region in two HARPs
    names = [name for text in every.noaa for name in text.split(",") if name]
    assert len(names) == len(set(names))


def test_sharp_keywords_follow_the_region():
    recnums = CATALOG["hmi.sharp_cea_720s"].candidates({"harpnum": (377, 377)}, False)
    cols = values(
        "hmi.sharp_cea_720s", recnums, "t_rec", "t_frst", "t_last", "usflux", "lon_fwt", "lon_min", "lon_max",
        "lat_min", "lat_max", "lat_fwt", "totusjh", "crval1", "crln_obs", "n_patch", "quality",
    )  # fmt: skip
    assert (cols["t_rec"] >= cols["t_frst"]).all()
    assert (cols["t_rec"] <= cols["t_last"]).all()
    assert set(cols["n_patch"].tolist()) == {1550}
    assert (np.diff(cols["lon_fwt"]) > 0).all()
    assert 12.5 < (cols["lon_fwt"][120] - cols["lon_fwt"][0]) < 14.2
    assert (cols["lon_min"] < cols["lon_fwt"]).all()
    assert (cols["lon_max"] > cols["lon_fwt"]).all()
    assert (cols["lat_min"] < cols["lat_fwt"]).all()
    assert (cols["usflux"] > 0).all()
    assert cols["usflux"].argmax() > 120  # grows for days
    assert np.corrcoef(cols["usflux"], cols["totusjh"])[0, 1] > 0.9
    assert ((cols["crval1"] - cols["crln_obs"] - cols["lon_fwt"] + 180) % 360 - 180) == pytest.approx(
        np.zeros(len(recnums)), abs=0.01
    )


def test_cycle_and_polar_fields():
    years = {
        year: float(activity(np.array([moment(f"{year}.07.01")]))[0]) for year in (1996, 2001, 2009, 2014, 2019, 2024)
    }
    assert min(years[2001], years[2014], years[2024]) > 0.6 > 0.2 > max(years[1996], years[2009], years[2019])
    for north in (True, False):
        field = [float(polar_field(np.array([moment(f"{year}.07.01")]), north)[0]) for year in (2009, 2019)]
        assert field[0] * field[1] < 0
    assert polar_field(np.array([moment("2019.07.01")]), True)[0] > 2
    # the observed years between which each pole changed its sign
    for before, after, sign in ((1998, 2003, -1), (2011, 2016, 1), (2021, 2026, -1)):
        for north in (True, False):
            field = polar_field(np.array([moment(f"{before}.07.01"), moment(f"{after}.07.01")]), north)
            assert np.sign(field).tolist() == ([-sign, sign] if north else [sign, -sign])
    cols = values("hmi.meanpf_720s", found("hmi.meanpf_720s", "2019.07.01", "2019.07.01_02:00"), "capn2", "caps2")
    assert (cols["capn2"] > 2).all()
    assert (cols["caps2"] < -2).all()


def test_charts_by_rotation():
    charts = CATALOG["hmi.Synoptic_Mr_720s"]
    assert charts.extremes("car_rot") == ROTATIONS["hmi"]
    recnums = charts.candidates({"car_rot": (2210, 2210)}, False)
    cols = values(
        "hmi.Synoptic_Mr_720s", recnums, "car_rot", "crval1", "t_start", "t_stop", "t_obs", "b0_rot", "lon_frst"
    )
    # published header of rotation 2210
    assert cols["crval1"][0] == 795420.0
    assert cols["t_start"][0] == pytest.approx(moment("2018.10.26_20:54"), abs=1800)
    assert cols["t_stop"][0] == pytest.approx(moment("2018.11.23_04:13"), abs=1800)
    assert cols["t_obs"][0] == pytest.approx(moment("2018.11.09_12:31"), abs=1800)
    assert cols["b0_rot"][0] == pytest.approx(3.504195, abs=0.02)


def test_hashes_never_change():
    assert hashed(np.arange(3), "a purpose").tolist() == hashed([0, 1, 2], "a purpose").tolist()
    assert int(hashed(1, "x")) == int(hashed([0, 1], "x")[1])
    numbers = uniform(np.arange(20000), "test")
    assert 0 <= numbers.min() < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.01)
    assert np.std(normal(np.arange(20000), "test")) == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(numbers, uniform(np.arange(20000), "another"))[0, 1]) < 0.03
    wave = smooth(np.arange(0, 1000.0), 100.0, "test")
    assert (np.abs(wave) <= 1).all()
    assert np.abs(np.diff(wave)).max() < 0.04
    field = texture("test", 32, 64, 2.0)
    assert field.shape == (32, 64)
    assert (field.mean(), field.std()) == pytest.approx((0, 1), abs=1e-9)


def test_the_same_answer_on_any_machine():
    # recorded once: record numbers, storage units and file paths must never move
    recnums = found("hmi.M_720s", "2014.01.01", "2014.01.01_00:12")
    assert recnums.tolist() == [160921, 160922]
    assert CATALOG["hmi.M_720s"].path(160921, "magnetogram") == PATH
    assert hashed([0, 1], "x").tolist() == HASHES


PATH = "/SUM9/D107401520/S00000/magnetogram.fits"
HASHES = [3204358148266727566, 3711637726795544975]


@pytest.mark.parametrize(
    "name", ["hmi.M_720s", "hmi.B_720s", "mdi.fd_M_96m_lev182", "hmi.sharp_cea_720s", "hmi.V_sht_modes"]
)
def test_storage_units_know_the_sizes_of_their_files(name):
    series = CATALOG[name]
    recnums = series.candidates({}, all_versions=False)[1000:1010] if name != "hmi.V_sht_modes" else np.array([1])
    own = next(name for name, segment in series.definition.segments.items() if not segment.link)
    number = next(int(one) for one in recnums if series.path(int(one), own))
    (unit,) = series.units(series.sunums(np.array([number])))
    for segment in series.definition.segments.values():
        path = series.path(number, segment.name)
        if path is not None:
            size = unit.files.get(path.rpartition("/")[2])
            assert size == pytest.approx(len(CATALOG.open_file(name, number, segment.name)), rel=0.03)
    assert unit.files.get("nothing.fits", 0) == 0
