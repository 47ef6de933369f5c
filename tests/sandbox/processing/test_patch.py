"""What im_patch does, by the facts of its source: where its box lies, what is in it, and what its header says."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from jsoclite.sandbox.processing.image import ProcessError
from jsoclite.sandbox.processing.patch import nearest, prepare
from jsoclite.sandbox.processing.steps import boxes, process_file
from jsoclite.times import words

NOON = words.scan_time("2014.01.02_12:00:00_TAI")
SIZE = 200
RADIUS = 960.0  # arcsec


def keywords(**changes):
    """A record with 10 arcsec a pixel and the Sun in the middle."""
    made = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CRPIX1": 100.5, "CRPIX2": 100.5, "CRVAL1": 0.0, "CRVAL2": 0.0}
    made |= {"CDELT1": 10.0, "CROTA2": 0.0, "CRLT_OBS": 0.0, "CRLN_OBS": 100.0, "CAR_ROT": 2145, "RSUN_REF": 6.96e8}
    made |= {"DSUN_OBS": 6.96e8 / np.sin(np.radians(RADIUS / 3600)), "T_OBS": NOON, "time": NOON, "QUALITY": 0}
    return made | {"record": "hmi.M_720s[2014.01.02_12:00:00_TAI][3]"} | changes


def options(**changes):
    made = {"x": "0", "y": "0", "width": "20", "height": "10", "locunits": "arcsec", "boxunits": "pixels"}
    return made | {"t_ref": "2014.01.02_12:00:00_TAI"} | changes


def stored(record):
    """An image in which each pixel has a value of its own, and its file."""
    data = np.arange(SIZE * SIZE, dtype="f4").reshape(SIZE, SIZE)
    header = fits.Header({name: value for name, value in record.items() if name.isupper()})
    header["HISTORY"], header["COMMENT"] = "made.", "seen."
    out = BytesIO()
    fits.HDUList([fits.PrimaryHDU(data, header)]).writeto(out)
    return data, out.getvalue()


def cut(record=None, *, reference=None, first=None, **changes):
    """What comes out for a record, the reference and the first image being itself: image, pixels, header."""
    record = record or keywords()
    data, content = stored(record)
    step = ("im_patch", options(**changes))
    records = [record] if first is None else [first, record]
    found = boxes([step], content, records, lambda begin, end: [reference or record])
    made = process_file(content, [step], NOON, {}, found[-1])
    with fits.open(BytesIO(made)) as units:
        return data, np.array(units[0].data), units[0].header.copy()


def place(patch):
    """Columns and rows of the lower left and upper right pixels of a patch of `stored`, counted from 0."""
    low, high = int(patch.flat[0]), int(patch.flat[-1])
    return low % SIZE, low // SIZE, high % SIZE, high // SIZE


# -- the box ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "whole"), [(0.5, 1), (1.5, 2), (2.5, 3), (-0.5, -1), (-2.5, -3), (0.49999999999999994, 0), (-0.2, 0)]
)
def test_c_rounds_halves_away_from_zero(value, whole):
    assert nearest(value) == whole


@pytest.mark.parametrize(
    ("unit", "wide", "high", "shape"),
    [
        ("pixels", "20", "10", (10, 20)),
        ("pixels", "20.5", "9.5", (10, 21)),
        ("arcsec", "200", "99", (10, 21)),  # 1 - 2 * (-width / (2 * 10)), cut off
        ("degrees", "10", "5", (9, 17)),  # 16.7 and 8.35 pixels
    ],
)
def test_the_size_of_a_box(unit, wide, high, shape):
    assert cut(boxunits=unit, width=wide, height=high)[1].shape == shape


def test_a_box_of_300_arcsec_is_one_pixel_larger_than_one_thinks():
    view = keywords(CDELT1=8.1)
    assert prepare(options(boxunits="arcsec", width="300", height="300"), view, view).size == (38, 38)


def test_the_size_comes_from_the_first_image_and_the_radius_from_the_reference():
    _, patch, _ = cut(first=keywords(CDELT1=8.0), boxunits="arcsec", width="200", height="200")
    assert patch.shape == (26, 26)
    _, patch, _ = cut(reference=keywords(CDELT1=5.0), boxunits="degrees", width="10", height="10")
    assert patch.shape == (34, 34)


@pytest.mark.parametrize(("columns", "left"), [("20", 90), ("21", 89), ("1", 99)])
def test_halves_to_the_left(columns, left):
    """The centre is 99.5; 99.5 - 10.5 = 89, and 99.5 - 0.5 = 99."""
    _, patch, header = cut(width=columns)
    assert place(patch)[0] == left
    assert header["CRPIX1"] == 1 + 99.5 - left


def test_pixels_are_those_that_are_stored():
    data, patch, header = cut(x="300", y="-205", width="31", height="17", t="1")
    left, below, right, above = place(patch)
    assert (left, below) == (114, 71)  # 129.5 - 15.5, and 79 - 8.5 = 70.5
    assert np.array_equal(patch, data[below : above + 1, left : right + 1])
    assert (header["CRPIX1"], header["CRPIX2"]) == (100.5 - left, 100.5 - below)


@pytest.mark.parametrize(("roll", "turned"), [(180.0, True), (-179.2, True), (179.1, True), (178.9, False), (1, False)])
def test_turned_only_within_a_degree_of_half_a_turn(roll, turned):
    data, patch, header = cut(keywords(CROTA2=roll, CRPIX1=103.0), width="12", height="9", x="50", y="30")
    left, below, right, above = place(patch[::-1, ::-1] if turned else patch)
    box = data[below : above + 1, left : right + 1]
    assert np.array_equal(patch, box[::-1, ::-1] if turned else box)
    assert header["CROTA2"] == pytest.approx(roll - 180 if turned else roll)
    assert header["CRPIX1"] == (1 + right - 102.0 if turned else 103.0 - left)
    assert header["CRPIX2"] == (1 + above - 99.5 if turned else 100.5 - below)
    assert ("Image rotated" in str(header["HISTORY"])) == turned


def test_a_box_at_the_edge_has_missing_pixels_and_one_outside_is_none():
    data, patch, header = cut(x="-960", y="0", width="20", height="10", t="1")
    assert np.isnan(patch[:, :7]).all()
    assert np.array_equal(patch[:, 7:], data[95:105, :13])
    assert (header["MISSVALS"] if "MISSVALS" in header else np.isnan(patch).sum()) == 70
    record = keywords()
    step = ("im_patch", options(x="1200", t="1"))
    assert boxes([step], stored(record)[1], [record], lambda *_: [record]) == [None]


# -- following --------------------------------------------------------------------------------------------------------


def test_the_box_keeps_its_carrington_longitude_and_latitude():
    """Rigid rotation: sine and cosine of the way from the central meridian, seen from 1 au."""
    later = keywords(CRLN_OBS=100.0 - 40.0)
    radius = 96.0
    for latitude, degrees in ((0.0, 40.0), (30.0, 40.0)):
        y = 96 * np.sin(np.radians(latitude)) * 0.99998914 / (1 - np.cos(np.radians(latitude)) * 0.004660)
        _, patch, header = cut(later, reference=keywords(), x="0", y=str(10 * y), width="11", height="11")
        towards = np.cos(np.radians(latitude)) * np.cos(np.radians(degrees))
        scale = radius * 0.99998914 / (1 - towards * 0.004660)
        west = scale * np.cos(np.radians(latitude)) * np.sin(np.radians(degrees))
        north = scale * np.sin(np.radians(latitude))
        left, below, *_ = place(patch)
        assert (left, below) == (round(99.5 + west - 5.5), round(99.5 + north - 5.5))
        assert (header["HGCRLN"], header["HGCRLT"]) == pytest.approx((100.0, latitude), abs=0.05)
        _, still, _ = cut(later, reference=keywords(), x="0", y=str(10 * y), width="11", height="11", t="1")
        assert place(still)[0] == 94


def test_a_target_off_the_disk_has_no_place_on_the_sun():
    _, still, header = cut(x="965", t="1", width="7", height="9")
    assert place(still)[0] == 193  # 196 - 3.5 = 192.5
    _, followed, header = cut(keywords(CRLN_OBS=10.0), x="965", y="0")
    assert (header["HGCRLN"], header["HGCRLT"]) == (0.0, 0.0)
    assert place(followed)[0] == 73  # 10 degrees east of the meridian


def test_stonyhurst_and_carrington():
    _, patch, header = cut(locunits="stony", x="-20", y="0", width="9", height="9")
    _, other, carrington = cut(locunits="carrlong", x="80", y="0", width="9", height="9", car_rot="2145", t_ref="")
    assert np.array_equal(patch, other)
    assert (header["HGCRLN"], header["HGCARROT"]) == (carrington["HGCRLN"], carrington["HGCARROT"]) == (80.0, 2145)
    for longitude, x, turn in ((350.0, "20", 2144), (10.0, "-20", 2146)):
        _, _, header = cut(keywords(CRLN_OBS=longitude), locunits="stony", x=x)
        assert (header["HGCRLN"], header["HGCARROT"]) == ((longitude + float(x)) % 360, turn)


@pytest.mark.parametrize(
    ("version", "longitude", "written"),
    [(4370, 99.9181059, 4370 | 1 << 28), (1 << 28, 100.0, 1 << 28), (-(1 << 63), 100.0, 1 << 28), (None, 100.0, None)],
)
def test_carrington_longitudes_are_put_right_once(version, longitude, written):
    record = keywords() if version is None else keywords(CALVER64=version)
    _, _, header = cut(record)
    assert header["CRLN_OBS"] == pytest.approx(longitude, abs=1e-9)
    assert header.get("CALVER64") == written


# -- which image ------------------------------------------------------------------------------------------------------


def test_the_reference_is_the_nearest_by_t_obs_in_a_growing_window():
    asked = []
    images = [keywords(T_OBS=NOON + away, CRPIX1=100.5 + away) for away in (-90.0, -30.0, 20.0, 50.0)]

    def near(begin, end):
        asked.append((begin[11:19], end[11:19]))
        return images if len(asked) > 2 else []

    record = keywords()
    (box,) = boxes([("im_patch", options(x="100", t="1"))], stored(record)[1], [record], near)
    assert asked == [("11:59:45", "12:00:15"), ("11:59:30", "12:00:30"), ("11:59:00", "12:01:00")]
    assert box.target.real == 99.5 + 10 + 20
    with pytest.raises(ProcessError, match="within 2-hours"):
        boxes([("im_patch", options())], stored(record)[1], [record], lambda *_: [])


def test_records_without_an_image_and_outside_the_span_are_left_out():
    records = [keywords(QUALITY=-(1 << 31)), keywords(time=NOON - 60), keywords(), keywords(time=NOON + 60)]
    step = ("im_patch", options(t_start="2014.01.02_12:00:00_TAI", t_stop="2014.01.02_12:00:30_TAI"))
    found = boxes([step], stored(records[2])[1], records, lambda *_: [records[2]])
    assert [box is not None for box in found] == [False, False, True, False]


# -- what else --------------------------------------------------------------------------------------------------------


def test_crop_takes_away_what_is_farther_out_than_the_limb():
    data, patch, _ = cut(width="199", height="199", t="1", c="1")
    data = data[:199, :199]
    y, x = np.mgrid[0:199, 0:199] - 99.5
    off = x**2 + y**2 >= 0.9995 * 96.0**2
    assert np.array_equal(np.isnan(patch), off)
    assert np.array_equal(patch[~off], data[~off])


def test_the_header_says_what_was_asked_for():
    _, patch, header = cut(keywords(DATAMIN=0.0, DATAMEDN=0.0, DATARMS=0.0, DATASKEW=0.0), x="300", y="-200")
    told = {name: header[name] for name in ("HGBOXUNI", "HGLOCUNI", "HGWIDE", "HGHIGH", "HGCARROT", "CRDELT1")}
    assert told == {"HGBOXUNI": "pixels", "HGLOCUNI": "arcsec", "HGWIDE": 20, "HGHIGH": 10, "HGCARROT": 2145,
                    "CRDELT1": 10.0}  # fmt: skip
    assert header["CONTENT"] == "Tracked Extracted Patches, made by im_patch"
    assert header["SOURCE"] == "hmi.M_720s[2014.01.02_12:00:00_TAI][3]"
    assert str(header["HISTORY"]).replace("\n", "") == "made." + header["SOURCE"]
    assert list(header["COMMENT"])[-1] == "Patches"
    flat = np.sort(patch.ravel().astype(float))
    assert (header["DATAMIN"], header["DATAMEDN"]) == (flat[0], flat[100])
    assert header["DATARMS"] == pytest.approx(flat.std(ddof=1))
    assert header["DATASKEW"] == pytest.approx(((flat - flat.mean()) ** 3).mean() / flat.std(ddof=1) ** 3)
    assert header["HGTSTART"] is None or not isinstance(header["HGTSTART"], str)


def test_registering_moves_by_parts_of_a_pixel():
    _, patch, header = cut(x="303", y="-202", width="21", height="21", r="1")
    # the target is pixel 129.8, 79.3; it lies in the middle now
    assert patch[10, 10] == pytest.approx(79.3 * SIZE + 129.8, abs=0.1)
    assert (header["CRPIX1"], header["CRPIX2"]) == pytest.approx((100.5 - 129.8 + 10, 100.5 - 79.3 + 10), abs=1e-3)
    assert header["CROTA2"] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"x": "one"},
        {"width": "1e9", "height": "1e9"},
        {"width": "0"},
        {"locunits": "miles"},
        {"boxunits": ""},
        {"locunits": "carrlong"},
        {"t_ref": ""},
    ],
)
def test_what_it_gives_up_on(changes):
    record = keywords()
    with pytest.raises(ProcessError):
        boxes([("im_patch", options(**changes))], stored(record)[1], [record], lambda *_: [record])
    with pytest.raises(ProcessError, match="CTYPE1 not HPLN-TAN"):
        prepare(options(), keywords(CTYPE1="CRLN-CEA"), record)


def test_of_an_export_of_several_segments_those_that_are_named(tmp_path):
    from jsoclite.sandbox import Sandbox

    box = "n=0|im_patch,x=0,y=0,width=9,height=9,locunits=arcsec,boxunits=pixels,t_ref=2014.01.01_TAI"
    with Sandbox(staging_s=0, pending_limit=0) as sandbox, sandbox.client() as client:
        for segments, process, wanted in (
            ("{field,azimuth}", box, ["azimuth", "field"]),
            ("", box, ["inclination"]),
            ("", box + ",A=1", None),
        ):
            params = {"ds": f"hmi.B_720s[2014.01.01_TAI]{segments}", "process": process, "method": "url"}
            params |= {"protocol": "fits", "notify": sandbox.email, "filenamefmt": "{segment}"}
            answer = client._queries.jsoc.exp_request(params)
            done = client._queries.jsoc.exp_status(answer["requestid"])
            names = [row["filename"].partition(".")[0] for row in done["data"]]
            assert sorted(names) == wanted if wanted else len(names) > 9, json.dumps(done)[:300]
