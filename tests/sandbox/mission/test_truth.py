"""What print-outs and files of the archive show, and the computed catalogue therefore holds, too."""

from __future__ import annotations

import json
import tarfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import GOLDEN

import jsoclite
from jsoclite.sandbox.mission.mission import MissionCatalog
from jsoclite.sandbox.sun.files import segment_file

CATALOG = MissionCatalog(segment_file)
OBSERVED = [name for name in CATALOG if "date__obs" in CATALOG[name].definition.keywords]


@pytest.fixture(scope="module")
def client():
    with jsoclite.Sandbox(staging_s=0.0) as sandbox, sandbox.client() as client:
        yield client


# --- DATE-OBS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBSERVED)
def test_the_note_of_date_obs_names_it(name):
    key = CATALOG[name].definition.keywords["date__obs"]
    assert key.fits_name == "DATE-OBS"


@pytest.mark.parametrize(
    "record_set",
    [
        "hmi.M_720s[2014.01.01_TAI]{magnetogram}",
        "mdi.fd_M_96m_lev182[2010.10.15_19:12:00_TAI]{data}",
        "aia.lev1_euv_12s[2014.01.01_00:00:36_TAI/12s][171]{image}",
        "hmi.sharp_cea_720s[377][2011.02.15_TAI]{Br}",
    ],
)
def test_tables_and_files_say_date_obs(client, tmp_path, record_set):
    rows = client.query(record_set, keywords="**ALL**")
    assert rows["DATE-OBS"].tolist() == rows["DATE__OBS"].tolist()
    assert {"DATE__OBS", "DATE-OBS"} <= set(client.info(record_set.partition("[")[0]).keywords.index)
    direct = client.download(rows.iloc[:1], tmp_path / "direct", protocol="auto")
    staged = client.download(rows.iloc[:1], tmp_path / "staged", protocol="fits")
    for files in (direct, staged):
        with fits.open(files.path.iloc[0]) as hdus:
            header = hdus[-1].header
        assert header["DATE-OBS"][:19] == rows["DATE__OBS"].iloc[0][:19]
        assert not {"DATEOBS", "DATE__OBS", "DATE_OBS"} & set(header)


@pytest.mark.parametrize(
    "record_set",
    [
        "hmi.B_720s[2014.01.01_TAI]",
        "hmi.sharp_cea_720s[377][2011.02.15_TAI]",
        "aia.lev1_euv_12s[2014.01.01_00:00:36_TAI/12s][171]",  # keywords by a link, whose notes are the target's
        "mdi.fd_M_96m_lev182[2010.10.15_19:12:00_TAI]",
        "hmi.Synoptic_Mr_720s[2145]",  # not compressed
        "hmi.meanpf_720s[2014.01.01_TAI]",
        "iris.lev1[2014.01.01_TAI/1m]",
    ],
)
def test_direct_and_staged_files_are_the_same_bytes(client, tmp_path, record_set):
    rows = client.query(record_set, segments="**ALL**", limit=1)
    direct, staged = (client.download(rows, tmp_path / one, protocol=one) for one in ("auto", "fits"))
    assert len(direct) == len(staged) > 0
    for one, other in zip(direct.itertuples(), staged.itertuples(), strict=True):
        assert Path(one.path).read_bytes() == Path(other.path).read_bytes(), one.segment


def test_sums_and_axes_stand_where_real_exports_have_them(client, tmp_path):
    """Sums where the stored file had them; WCSAXES of MDI in the order of the keywords, not in front of the axes."""
    magnetogram, mdi = (
        client.download(ds, tmp_path, protocol="fits").path.iloc[0]
        for ds in ("hmi.Synoptic_Mr_720s[2145]{synopMr}", "mdi.fd_M_96m_lev182[2010.10.15_19:12:00_TAI]{data}")
    )
    names = list(fits.getheader(magnetogram))
    assert names.index("CHECKSUM") < names.index("CAR_ROT") < names.index("HEADSUM")
    names = list(fits.getheader(mdi, 1))
    assert names[(place := names.index("WCSAXES")) - 1 : place + 2] == ["CUNIT2", "WCSAXES", "WCSNAME"]


# --- slots of AIA ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record_set", "count", "first", "last"),
    [
        # print-outs in the documentation, docstrings and notebooks of sunpy and its users
        (
            "[2014.01.01_00:00:35_TAI-2014.01.01_00:00:55_TAI][171,304]",
            4,
            "2014-01-01T00:00:01Z",
            "2014-01-01T00:00:13Z",
        ),
        ("[2014.01.01_00:00:35_TAI-2014.01.01_00:01:05_TAI][171]", 3, "2014-01-01T00:00:01Z", "2014-01-01T00:00:25Z"),
        ("[2014.01.01_00:00:35_TAI-2014.01.01_00:01:11_TAI][171]", 4, "2014-01-01T00:00:01Z", "2014-01-01T00:00:37Z"),
        ("[2017.09.06_12:00:37_TAI-2017.09.06_12:02:37_TAI][304]", 11, "2017-09-06T11:59:59Z", "2017-09-06T12:01:59Z"),
        ("[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]", 2107, "2014-01-01T00:00:01Z", "2014-01-01T01:00:01Z"),
    ],
)
def test_slots_of_the_euv_channels(client, record_set, count, first, last):
    rows = client.query(f"aia.lev1_euv_12s{record_set}", keywords="T_REC,WAVELNTH")
    assert (len(rows), rows.T_REC.iloc[0], rows.T_REC.iloc[-1]) == (count, first, last)
    again = client.query(rows.index[-1], keywords="T_REC,WAVELNTH")
    assert again.recnum.tolist() == rows.recnum[-1:].tolist()


def test_times_of_the_ultraviolet_channels(client):
    # file names of exports from 2011 to 2024: 1600 is at 5 s of 24 s of TAI, 1700 at 18 s
    for name in ("2011-08-09T08:00:43Z][1600", "2012-03-07T00:23:55Z][1600", "2012-03-07T00:24:08Z][1700"):
        rows = client.query(f"aia.lev1_uv_24s[{name}]", keywords="T_REC")
        assert rows.index.tolist() == [f"aia.lev1_uv_24s[{name}]"]
    for name in ("2023-05-27T04:47:52Z", "2024-06-02T02:29:52Z", "2024-06-02T06:29:52Z", "2024-11-13T14:59:52Z"):
        assert client.query(f"aia.lev1_uv_24s[{name}][1600]", keywords="T_REC").T_REC.tolist() == [name]
    pairs = client.query("aia.lev1_uv_24s[2012.03.07_TAI/2m]", keywords="T_REC,T_OBS,WAVELNTH", times="utc")
    assert len(pairs) == 10
    assert (np.abs((pairs.T_OBS - pairs.T_REC).dt.total_seconds()) < 1.5).all()


# --- print-outs of clients ------------------------------------------------------------------------------------------

FACTS = json.loads((GOLDEN / "facts.json").read_text())
DEFINITIONS = [fact for fact in FACTS if "segments_table" in fact]


@pytest.mark.parametrize("fact", DEFINITIONS, ids=lambda fact: fact["recordset"])
def test_definitions_as_printed(client, fact):
    info = client.info(fact["recordset"].split(" ")[0])
    names = ("name", "type", "units", "protocol", "dims", "note")
    for row in fact["segments_table"]:
        expected = dict(zip(names, row, strict=False)) | ({"dims": None} if len(row) < 5 else {})
        found = info.segments.loc[expected.pop("name")]
        # an empty unit is printed as nothing
        assert found[list(expected)].fillna("").to_dict() == {name: text or "" for name, text in expected.items()}
    if "primekeys" in fact:
        assert info.primekeys == fact["primekeys"]
    if "segment_names" in fact:
        assert info.segments.index.tolist() == fact["segment_names"]
        assert info.note == fact["note_field"]
        assert [[name, row.target, row.kind] for name, row in info.links.iterrows()] == fact["links"]
        names = info.keywords.index.tolist()
        assert names[: len(fact["keyword_names_start"])] == fact["keyword_names_start"]
        assert names[-2:] == fact["keyword_names_end"]


def test_every_fact_is_some_tests():
    known = ("segments_table", "primekeys_of", "keywords", "keywords_struct", "count")
    # that a file may be gone is a test of exports of a stored catalogue, whose units go offline
    gone = "exp_status (done)"
    assert all(
        set(fact) & set(known) or fact.get("op") in ("exp_request", gone) or fact["recordset"].startswith("(default")
        for fact in FACTS
    )


def test_prime_keys_as_printed(client):
    (fact,) = (fact for fact in FACTS if "primekeys_of" in fact)
    for name, keys in fact["primekeys_of"].items():
        # of one series the time key is only described
        known = [key for key in keys if not key.startswith("(")]
        assert client.pkeys(name)[-len(known) :] == known
        assert len(client.pkeys(name)) == len(keys)


COUNTED = [fact for fact in FACTS if "count" in fact and "op" not in fact]


@pytest.mark.filterwarnings("ignore::jsoclite.JsocWarning")
@pytest.mark.parametrize("fact", COUNTED, ids=lambda fact: fact["recordset"])
def test_records_as_printed(client, fact):
    assert client.count(fact["recordset"]) == fact["count"]
    if "first" in fact:
        times = client.query(fact["recordset"], keywords="T_REC").T_REC
        assert times.iloc[0] == fact["first"]
        assert "last" not in fact or times.iloc[-1] == fact["last"]


#: What was measured, or depends on the day of the print-out.
MEASURED = {"DATAMEAN", "OBS_VR", "DATE", "DATE__OBS", "DATE-OBS", "LON_FRST"}
PRINTED = [fact for fact in FACTS if "keywords" in fact and fact["recordset"] != "hmi.B_synoptic[$]"]


@pytest.mark.parametrize("fact", PRINTED, ids=lambda fact: fact["recordset"])
def test_keywords_as_printed(client, fact):
    # a minute of IRIS was asked for in TAI: what is printed is 17 s after its begin
    record_set = fact["recordset"].partition(" ")[0].replace("iris.lev1", "iris.lev1[2017.02.09_00:00:00_TAI/1m]")
    names = [name for name in fact["keywords"] if name not in MEASURED]
    found = client.drms.query(record_set, key=names, convert_numeric=False)
    for name in names:
        printed = fact["keywords"][name]
        for one, text in zip(found[name], printed, strict=False):
            # pandas prints numbers in its own way
            assert one == text or float(int(one, 16) if one.startswith("0x") else one) == float(text)
        assert len(found) >= len(printed)
    for what, printed in (("seg", fact.get("segments", {})), ("link", fact.get("links", {}))):
        for name, texts in printed.items():
            given = client.drms.query(record_set, **{what: name})[name].tolist()
            # of paths, which change over the years, the ends
            assert [text.rpartition("/")[2] for text in given] == [text.rpartition("/")[2] for text in texts]


def test_rotations_and_latitudes_as_printed(client):
    assert client.query("hmi.B_synoptic[2194]", keywords="CUNIT1,CUNIT2").iloc[0, 1:].tolist() == [
        "degree",
        "Sine Latitude",
    ]
    tilt = client.query("hmi.v_45s[2013.07.03_08:42_TAI/3m]", keywords="CRLT_OBS").CRLT_OBS
    # pi, the test of drms says
    assert len(tilt) == 4
    assert tilt.to_numpy() == pytest.approx(3.14159, abs=1e-4)


def test_a_definition_as_tested_by_drms(client):
    (fact,) = (fact for fact in FACTS if "keywords_struct" in fact)
    struct = client.drms.info("hmi.v_avg120")
    for row in fact["keywords_struct"]:
        found = struct.keywords.loc[row["name"]]
        assert [found[name] for name in ("type", "recscope", "defval", "units", "note")] == [
            row[name] for name in ("type", "recscope", "defval", "units", "note")
        ]
    for name in ("primekeys", "retention", "tapegroup", "archive", "unitsize", "note"):
        assert getattr(struct, name) == fact["top_level"][name]


@pytest.mark.parametrize(
    "fact", [fact for fact in FACTS if fact.get("op") == "exp_request"], ids=lambda fact: fact["recordset"]
)
def test_exports_as_printed(client, fact):
    box = {"t_ref": "2025-01-01T04:33:30", "locunits": "arcsec", "boxunits": "arcsec"}
    steps = {
        "im_patch": box | {"t": 0, "r": 0, "c": 0, "x": 0, "y": 0, "width": 300, "height": 300},
        "rebin": {"method": "boxcar", "scale": 0.5},
    }
    process = {name: steps[name] for name in steps if name == fact.get("process")}
    made = client.drms.export(
        fact["recordset"],
        method=fact.get("method") or ("url_quick" if fact.get("protocol") == "as-is" else "url"),
        protocol=fact.get("protocol", "fits"),
        process=process or None,
        email="demo@example.com",
    )
    made.wait(sleep=0)
    files = [[record, name.rpartition("/")[2]] for record, name in made.data[["record", "filename"]].to_numpy()]
    assert len(files) == fact.get("count", len(files)) > 0
    if "filenames" in fact:
        assert {name for _, name in files} == set(fact["filenames"])
    if fact.get("protocol") == "mpg":
        assert files[0][1] == fact["first_file"]
    if "record_prefix" in fact:
        assert all(record.lower().startswith(fact["record_prefix"]) for record, _ in files)
        assert all(name.endswith(fact["filename_suffix"]) for _, name in files)
    if "data" in fact:
        assert files == [[row["record"], row["filename"]] for row in fact["data"]]


@pytest.mark.parametrize(
    "record_set",
    [
        "hmi.M_45s[2011.02.11_TAI][2]{magnetogram}",
        "hmi.m_720s[2024.01.01_TAI]{magnetogram}",
        "hmi.sharp_cea_720s[377][2011.02.15_TAI]{Br}",
        "hmi.ic_nolimbdark_720s[2010.06.25_01:00_TAI]{continuum}",
    ],
)
def test_names_of_exported_files(client, record_set):
    (fact,) = (fact for fact in FACTS if fact["recordset"].startswith("(default"))
    made = client.drms.export(record_set, method="url", protocol="fits", email="demo@example.com")
    made.wait(sleep=0)
    # clients differ in how they write the series
    assert set(made.data.filename.str.lower()) < {name.lower() for name in fact["filenames"]}


def test_the_time_in_the_name_of_an_image_of_aia(client):
    """
    One file name of 2011 has 18:12:13Z, a second before the slot.

    Five print-outs of slots, of 2014 and 2017, agree on records 36 s, 48 s, 0 s, 12 s and 24 s after a full minute of
    TAI, which was 34 s before UTC in 2011: 18:12:14Z. So the name is the odd one.
    """
    record_set = "aia.lev1_euv_12s[2011-02-15T18:12:13Z][171]{image}"
    made = client.drms.export(record_set, method="url", protocol="fits", email="demo@example.com")
    made.wait(sleep=0)
    assert made.data.filename.tolist() == ["aia.lev1_euv_12s.2011-02-15T181214Z.171.image_lev1.fits"]


def test_the_name_of_a_picture(client):
    """
    A notebook of 2021 was given ``20110214_020000_hmi.sharp_cea_720s_744.jpg``: date, time, series, width.

    744 pixels is how wide the maps of HARP 377 are in its real headers. But the programs as they were published a year
    later name pictures by the format that is asked for, and tell it as ``filefmt`` in their index; every other file
    name that was printed follows its format, too. So does the sandbox.
    """
    (fact,) = (fact for fact in FACTS if fact.get("protocol") == "jpg")
    (width,) = {
        fits.Header.fromtextfile(path)["ZNAXIS1"]
        for path in (GOLDEN / "fits-headers").glob("hmi.sharp_cea_720s.377.*.Br.hdu1.header")
    }
    assert fact["first_file"] == f"20110214_020000_hmi.sharp_cea_720s_{width}.jpg"
    ds = fact["recordset"]
    made = client.drms.export(
        ds, method="url", protocol="jpg", filenamefmt="{T_REC:A}.{segment}", email="demo@example.com"
    )
    made.wait(sleep=0)
    assert made.data.filename.tolist() == ["20110214_020000_TAI.Br.jpg"]


def test_what_exports_made_of_magnetograms(client, tmp_path):
    """Records of the intermediate series bear their request as one more prime key, and stand upright."""
    names = ["CROTA2", "CRPIX1", "CRPIX2", "RequestID", "T_REC"]
    made = client.query("hmi.M_720s_mod[2014.01.01_TAI/1h]", keywords=names)
    source = client.query("hmi.M_720s[2014.01.01_TAI/1h]", keywords=names[:3])
    assert client.pkeys("hmi.M_720s_mod") == [*client.pkeys("hmi.M_720s"), "RequestID"]
    assert len(made) == len(source) == 5
    assert made.RequestID.str.fullmatch(r"JSOC_2014(01|02|03|04)\d\d_\d{6}").all()
    assert source.CROTA2.to_numpy() - made.CROTA2.to_numpy() == pytest.approx(180.0)
    assert made.CRPIX1.to_numpy() + source.CRPIX1.to_numpy() == pytest.approx(257.0)
    one = client.query(made.index[2], keywords=names)
    assert one.index.tolist() == [made.index[2]]
    found = client.query(
        f"hmi.M_720s_mod[][][{made.RequestID.iloc[1]}][? T_REC < $(2014.01.02_TAI) ?]", keywords="T_REC"
    )
    assert made.T_REC.iloc[1] in found.T_REC.tolist()
    images = [
        jsoclite.read(client.download(rows.iloc[:1], tmp_path, segments="magnetogram").path.iloc[0])[0]
        for rows in (made, source)
    ]
    turned, there = images[1][::-1, ::-1], np.isfinite(images[0])
    both = there & np.isfinite(turned)
    assert both.sum() > 0.99 * there.sum()
    assert np.corrcoef(images[0][both], turned[both])[0, 1] > 0.9


def test_a_disambiguation_fits_the_inversion_that_it_leads_to(client, tmp_path):
    # where the field is strong, azimuth and flag together say what the model has: no seam where azimuth wraps at 180
    names = ["field", "azimuth", "disambig"]
    files = client.download("hmi.B_720s[2014.10.24_TAI]", tmp_path, segments=names)
    assert files.segment.tolist() == names
    field, azimuth, flags = (jsoclite.read(path)[0] for path in files.path)
    angle = np.radians(azimuth + 180 * (flags.astype(int) & 1))
    strong = field > 400
    pairs = strong[:, 1:] & strong[:, :-1]
    apart = np.cos(angle[:, 1:] - angle[:, :-1])[pairs]
    assert pairs.sum() > 100
    assert (apart < -0.9).mean() < 0.02


# --- values of real headers -----------------------------------------------------------------------------------------


def values(client, record_set, keywords):
    return client.query(record_set, keywords=keywords, times="utc")


@pytest.mark.parametrize(
    ("record_set", "seconds", "camera", "points"),
    [
        ("hmi.sharp_cea_720s[377][2011.02.15_02:00:00_TAI]", 67.5, "HMI_SIDE1", None),
        ("hmi.Bharp_720s[][2014.06.09_23:48:00_TAI]", 67.5, "HMI_SIDE1", 360),
        ("hmi.B_720s[2015.08.27_05:00:00_TAI]", 67.5, "HMI_SIDE1", None),
        ("hmi.sharp_720s[11465][2024.06.28_00:00:00_TAI]", 45.012, "HMI_COMBINED", 672),
        ("hmi.V_45s[2014.03.01_00:01:30_TAI]", 22.5, "HMI_FRONT2", 72),
    ],
)
def test_observations_of_hmi(client, record_set, seconds, camera, points):
    known = ["T_OBS", "DATE__OBS", "INSTRUME", *(["TINTNUM"] if points else [])]
    row = values(client, record_set, known).iloc[0]
    # T_OBS is printed to the second
    assert (row.T_OBS - row.DATE__OBS).total_seconds() == pytest.approx(seconds, abs=0.51)
    assert camera == row.INSTRUME
    assert points is None or points == row.TINTNUM
    assert client.query(record_set, keywords="T_OBS").T_OBS.str.fullmatch(r"[\d.]{10}_\d\d:\d\d:\d\d_TAI").all()


def test_the_longitude_is_corrected_where_calver64_says_so(client):
    before = client.query("hmi.M_720s[2018.11.09_TAI]", keywords="CRLN_OBS,CALVER64").iloc[0]
    after = client.query("hmi.sharp_cea_720s[11465][2024.06.28_TAI]", keywords="CRLN_OBS,CALVER64,T_OBS").iloc[0]
    assert (before.CALVER64 >> 28 & 1, after.CALVER64 >> 28 & 1) == (0, 1)
    assert pytest.approx(25.1685467, abs=0.02) == after.CRLN_OBS
    # the older headers are higher by as much
    old = client.query("hmi.sharp_cea_720s[377][2011.02.15_02:00:00_TAI]", keywords="CRLN_OBS").iloc[0]
    assert pytest.approx(21.725103, abs=0.02) == old.CRLN_OBS


def test_calibration_frames_twice_a_day(client):
    day = client.query("hmi.M_720s[2013.06.20_TAI/1d]", keywords="QUALITY")
    marked = day[day.QUALITY == 0x10400].index.str.extract(r"_(\d\d:\d\d):00_TAI")[0].tolist()
    assert {"06:00", "06:12", "18:00", "18:12"} <= set(marked)
    assert client.count("hmi.M_720s[2017.06.20_TAI/1d][? QUALITY=66560 ?]") == 0


def test_exposures_of_aia(client):
    assert client.count("aia.lev1_euv_12s[2014.01.01_00:00:35_TAI/1h][? EXPTIME < 2 ?]") == 0
    one = client.query("aia.lev1_euv_12s[2011-02-15T00:00:01Z][171]", keywords="EXPTIME").EXPTIME.iloc[0]
    assert one == pytest.approx(2.000191, abs=1e-4)


@pytest.mark.parametrize(
    ("record_set", "count"),
    [
        ("hmi.sharp_cea_720s[401][2011.03.09_12:00:00_TAI]", 1),
        ("hmi.sharp_cea_720s[7451][2020.09.27_12:00:00_TAI]", 1),
        ("hmi.sharp_cea_720s[12519][2024.12.30_12:00:00_TAI]", 1),
        ("hmi.sharp_720s[3604]", 1336),
        ("iris.lev1[2014.01.01_00:00:35_TAI-2014.01.01_00:05:35_TAI]", 6),
    ],
)
def test_records_that_people_name(client, record_set, count):
    assert client.count(record_set) == count


def test_columns_of_mode_tables(client, tmp_path):
    files = client.download("hmi.V_sht_modes[2014.01.27_TAI][0][300]", tmp_path, protocol="as-is")
    widths = {}
    for segment, path in zip(files.segment, files.path, strict=True):
        rows = [line.split() for line in Path(path).read_text().splitlines() if not line.startswith("#")]
        assert len({len(row) for row in rows}) == 1
        widths.setdefault(segment, set()).add(len(rows[0]))
    assert widths == {"m6": {24, 26}, "m18": {48, 50}, "m36": {84, 86}}


# --- AIA's response and pointing ------------------------------------------------------------------------------------


def test_each_version_of_the_response_covers_the_mission(client):
    table = client.query("aia.response[][][! 1=1 !]", keywords="T_START,T_STOP,WAVE_STR,VER_NUM", times="utc")
    assert table.VER_NUM.nunique() == 2
    channels = table.groupby(["VER_NUM", "WAVE_STR"])
    assert len({len(rows) for _, rows in channels}) == 1
    assert channels.ngroups == 2 * table.WAVE_STR.nunique() == 20
    for _, rows in channels:
        ordered = rows.sort_values("T_START")
        assert ordered.T_START.iloc[0].year == 2010
        assert ordered.T_STOP.iloc[-1].year >= 2026
        assert (ordered.T_START.iloc[1:].to_numpy() <= ordered.T_STOP.iloc[:-1].to_numpy()).all()


@pytest.mark.parametrize("series", ["aia.lev1", "aia.lev1_euv_12s"])
def test_pointing_and_percentiles_as_in_a_real_header(client, series):
    # of 171 on 2011-02-15
    real = {"DATAP01": 0, "DATAP10": 8, "DATAP25": 20, "DATAP75": 360, "DATAP90": 585, "DATAP95": 807}
    real |= {"DATAP98": 1138, "DATAP99": 1474}
    names = ["X0_MP", "Y0_MP", "IMSCL_MP", "ROI_NWIN", "ROI_LLX1", "KEYWDDOC", "WAVELNTH", "DATAMEAN", *real]
    rows = client.query(f"{series}[2011-02-15T00:00:01Z/12s]", keywords=names)
    one = rows[rows.WAVELNTH == 171].iloc[0]
    assert pytest.approx([2055, 2043], abs=12) == [one.X0_MP, one.Y0_MP]
    assert pytest.approx(0.599489) == one.IMSCL_MP
    assert one.KEYWDDOC == "http://www.lmsal.com/sdodocs/aiafitskeywords.pdf"
    assert one[["ROI_NWIN", "ROI_LLX1"]].isna().all()
    assert (one[list(real)] / one.DATAMEAN).tolist() == pytest.approx([v / 250.34 for v in real.values()], abs=0.3)


# --- series that scripts use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record_set",
    [
        "cgem.lorentz[377][2011.02.15_TAI/1h]",
        "aia.lev1_nrt2[2014-01-01T00:00:00Z/12s]",
        "hmi.mrdailysynframe_polfil_720s[2014.01.01_TAI/2d]",
        "hmi.mrdailysynframe_polfil_720s_nrt[2014.01.01_TAI/2d]",
        "hmi.mrdailysynframe_small_720s[2014.01.01_TAI/2d]",
        "hmi.Mrdailysynframe_720s_nrt[2014.01.01_TAI/2d]",
        "hmi.Marmask_720s[2014.01.01_TAI/1h]",
        "mdi.vw_V[2001.03.22_TAI/5m]",
        "hmi.Ic_noLimbDark_720s_nrt[2014.01.01_TAI/1h]",
        "hmi.ME_720s_fd10_nrt[2014.01.01_TAI/1h]",
        "hmi.Marmask_720s_nrt[2014.01.01_TAI/1h]",
        "hmi.m_720s_mod[2014.01.01_TAI/1h]",
        "mdi.smarp_cea_96m[][2001.03.30_TAI]",
        "mdi.smarp_96m[][2001.03.29_TAI]",
        "mdi.lostarp_96m[][2001.03.29_TAI]",
    ],
)
def test_series_of_scripts_are_there(client, tmp_path, record_set):
    rows = client.query(record_set)
    assert len(rows)
    # the archive's own list of series shows those of HMI and MDI
    name = record_set.partition("[")[0]
    assert ([one.lower() for one in client.series(f"^{name}$")] == [name.lower()]) == name.startswith(("hmi", "mdi"))
    values = client.query(rows.index[0], keywords="**ALL**").iloc[0]
    assert values[client.pkeys(name)].notna().all()
    # an image may lack what is of another one: the rest is there
    assert values.notna().sum() > 0.7 * len(values) > 5
    segments = client.info(name).segments.index
    if len(segments):
        files = client.download(rows.iloc[:1], tmp_path, segments=segments[0])
        assert jsoclite.read(files.path.iloc[0])[0].ndim == 2


def test_a_segment_that_is_a_directory_comes_by_tar(client, tmp_path):
    # the gallery of drms asks in these words
    made = client.drms.export("hmi.rdvflows_fd15_frame[2150][360]{Ux, Uy}", method="url-tar", email="demo@example.com")
    made.wait(sleep=0)
    assert len(made.urls) == 1
    with tarfile.open(made.download(str(tmp_path)).download.iloc[0]) as packed:
        names = packed.getnames()
        table = np.loadtxt(packed.extractfile(names[0]))
    assert len(names) == 2 * 49
    assert {name.split("/")[0].rpartition(".")[2] for name in names} == {"Ux", "Uy"}
    assert all(name.count("/") == 1 and name.endswith(("Ux", "Uy")) for name in names)
    assert len(table) > 30
    # by itself it is a page that lists what it holds
    url = client.query("hmi.rdvflows_fd15_frame[2150][360]{Ux}").Ux.iloc[0]
    with urllib.request.urlopen(url) as page:
        assert page.headers["Content-Type"].startswith("text/html")
        assert page.read().count(b"<li>") == 49


def test_lorentz_forces(client):
    names = ["HARPNUM", "TOTBSQ", "TOTFX", "TOTFY", "TOTFZ", "EPSX", "EPSY", "EPSZ", "QUALITY"]
    rows = client.query("cgem.lorentz[377][2011.02.15_TAI/12h]", keywords=names)
    sharp = client.query("hmi.sharp_cea_720s[377][2011.02.15_TAI/12h]", keywords="USFLUX")
    assert len(rows) == len(sharp)
    # the force follows the flux, and the Sun is pushed down
    assert np.corrcoef(rows.TOTBSQ, sharp.USFLUX)[0, 1] > 0.3
    assert (rows[["TOTFZ", "EPSZ"]] < 0).all().all()
    assert (rows[["EPSX", "EPSY", "EPSZ"]].abs() < 1).all().all()


def test_masks_of_active_regions(client, tmp_path):
    files = client.download("hmi.Marmask_720s[2014.10.24_TAI]", tmp_path)
    mask, _ = jsoclite.read(files.path.iloc[0])
    assert set(np.unique(mask)) == {0, 1, 2}
    assert 0.005 < (mask == 2).sum() / (mask > 0).sum() < 0.3
