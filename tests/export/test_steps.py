"""Processing steps: what the server is told, what is refused before it is asked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pickle
from types import SimpleNamespace

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

import jsoclite
from jsoclite.errors import ProcessingError
from jsoclite.export.steps import AIAScale, Cutout, MapProject, Rebin, Resize, VectorToPtr, as_steps, chain
from jsoclite.export.steps.units import number

T_REF = "2014.01.01_00:00:35_TAI"
WHEN = "2014-01-01T00:00:00"


def arguments(step):
    """Arguments as the server takes a step apart."""
    name, *pairs = step.process.split(",")
    assert name == step.name
    return dict(pair.split("=") for pair in pairs)


def sky(name, first, second, obstime=None):
    """What a SkyCoord of sunpy looks like from outside."""
    frame = SimpleNamespace(name=name)
    names = ("Tx", "Ty") if name == "helioprojective" else ("lon", "lat")
    return SimpleNamespace(
        frame=frame, spherical=None, obstime=obstime or Time(WHEN), **dict(zip(names, (first, second), strict=True))
    )


def test_public_names():
    for step in (Cutout, Rebin, Resize, MapProject, AIAScale, VectorToPtr):
        assert getattr(jsoclite, step.__name__) is step


# ---- cut-outs --------------------------------------------------------------------------------------------------------


def test_cutout_of_plain_numbers():
    assert Cutout((-300, 150), 400, t_ref=WHEN).process == (
        f"im_patch,t=0,r=0,c=0,locunits=arcsec,boxunits=arcsec,t_ref={T_REF},x=-300,y=150,width=400,height=400"
    )


def test_cutout_with_everything():
    step = Cutout(
        (210.5 * u.deg, -12 * u.deg),
        (500 * u.pix, 300 * u.pix),
        location="carrington",
        car_rot=2145,
        track=True,
        register=True,
        crop=True,
        start="limb",
        stop=dt.datetime(2014, 1, 2, tzinfo=dt.UTC),
        cadence=24 * u.min,
        all_segments=True,
    )
    assert arguments(step) == {
        "t_start": "NotSpecified",
        "t_stop": "2014.01.02_00:00:35_TAI",
        "t": "0",
        "r": "1",
        "c": "1",
        "cadence": "24m",
        "locunits": "carrlong",
        "boxunits": "pixels",
        "car_rot": "2145",
        "x": "210.5",
        "y": "-12",
        "width": "500",
        "height": "300",
        "A": "1",
    }


@pytest.mark.parametrize(
    ("center", "options", "expected"),
    [
        ((1 * u.arcmin, 0.1 * u.deg), {}, ("arcsec", "60", "360")),
        (u.Quantity([10, 20], u.arcsec), {}, ("arcsec", "10", "20")),
        ((2048 * u.pix, 1000.5 * u.pix), {}, ("pixels", "2048", "1000.5")),
        ((2048, 1000.5), {"location": "pixels"}, ("pixels", "2048", "1000.5")),
        ((-30, 12), {"location": "stonyhurst"}, ("stony", "-30", "12")),
        ((0.5 * u.rad, 0 * u.deg), {"location": "stonyhurst"}, ("stony", "28.647889757", "0")),
        (sky("helioprojective", -300 * u.arcsec, 0.05 * u.deg), {}, ("arcsec", "-300", "180")),
        (sky("heliographic_stonyhurst", -30 * u.deg, 12 * u.deg), {}, ("stony", "-30", "12")),
        (sky("heliographic_carrington", 210 * u.deg, 12 * u.deg), {"car_rot": 2145}, ("carrlong", "210", "12")),
        (SimpleNamespace(Tx=5 * u.arcsec, Ty=6 * u.arcsec), {}, ("arcsec", "5", "6")),
    ],
)
def test_places(center, options, expected):
    found = arguments(Cutout(center, 100, t_ref=WHEN, **options))
    assert (found["locunits"], found["x"], found["y"]) == expected


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (400, {}, ("arcsec", "400", "400")),
        ((400, 200), {"box": "pixels"}, ("pixels", "400", "200")),
        (300 * u.pix, {}, ("pixels", "300", "300")),
        ((5 * u.arcmin, 100 * u.arcsec), {}, ("arcsec", "300", "100")),
        (0.1 * u.deg, {}, ("arcsec", "360", "360")),
        (10 * u.deg, {"box": "degrees"}, ("degrees", "10", "10")),
        (u.Quantity([30, 20], u.pix), {}, ("pixels", "30", "20")),
    ],
)
def test_sizes(size, options, expected):
    found = arguments(Cutout((0, 0), size, t_ref=WHEN, **options))
    assert (found["boxunits"], found["width"], found["height"]) == expected


def test_observation_time_of_a_coordinate_is_the_reference():
    center = sky("helioprojective", -300 * u.arcsec, 10 * u.arcsec)
    assert Cutout(center, 100).t_ref == T_REF
    assert Cutout(center, 100, t_ref="2014-01-02").t_ref == "2014.01.02_00:00:35_TAI"


@pytest.mark.parametrize(
    ("center", "size", "options", "message"),
    [
        ((0, 0), 100, {}, "needs t_ref="),
        (5, 100, {"t_ref": WHEN}, "write a pair"),
        ((0, float("nan")), 100, {"t_ref": WHEN}, "center y=nan must be finite"),
        (("a", 0), 100, {"t_ref": WHEN}, "center x='a'"),
        ((True, 0), 100, {"t_ref": WHEN}, "center x=True"),
        ((3 * u.s, 0 * u.s), 100, {"t_ref": WHEN}, "unit of arcsec"),
        ((3 * u.arcsec, 0), 100, {"t_ref": WHEN}, "both a unit, or neither"),
        ((9000, 0), 100, {"t_ref": WHEN}, "lies outside -5400 to 5400"),
        ((0, 95), 100, {"t_ref": WHEN, "location": "stonyhurst"}, "y lies outside"),
        ((0, 5), 100, {"t_ref": WHEN, "location": "pixels"}, "x lies outside"),
        ((0, 5), 100, {"t_ref": WHEN, "location": "galactic"}, "write 'arcsec'"),
        ((200, 5), 100, {"location": "carrington"}, "needs car_rot="),
        ((200, 5), 100, {"location": "carrington", "car_rot": 2145, "track": False}, "no image that tells"),
        ((200, 5), 100, {"location": "carrington", "car_rot": -3}, "no Carrington rotation"),
        ((0, 5), 100, {"t_ref": WHEN, "car_rot": 2145}, "goes with location='carrington'"),
        ((0, 0), 0, {"t_ref": WHEN}, "width=0 must be finite and above 0"),
        ((0, 0), (10, -1), {"t_ref": WHEN}, "height=-1"),
        ((0, 0), 10.5 * u.pix, {"t_ref": WHEN}, "whole number"),
        ((0, 0), (10 * u.pix, 10), {"t_ref": WHEN}, "both a unit, or neither"),
        ((0, 0), 10 * u.pix, {"t_ref": WHEN, "box": "arcsec"}, "contradicts"),
        ((0, 0), 10, {"t_ref": WHEN, "box": "miles"}, "box='miles'"),
        ((0, 0), 10, {"t_ref": "yesterday"}, "t_ref: "),
        ((0, 0), 10, {"t_ref": WHEN, "start": "2014-13-01"}, "start: "),
        ((0, 0), 10, {"t_ref": WHEN, "cadence": "often"}, "cadence: "),
        ((0, 0), 10, {"t_ref": WHEN, "cadence": 0}, "longer than nothing"),
        (SkyCoord(10 * u.deg, 20 * u.deg), 100, {"t_ref": WHEN}, "frame 'icrs' has no place"),
        (
            sky("helioprojective", 1 * u.arcsec, 1 * u.arcsec),
            100,
            {"location": "stonyhurst"},
            "contradicts the coordinate",
        ),
    ],
)
def test_impossible_cutouts(center, size, options, message):
    with pytest.raises(ProcessingError, match=message):
        Cutout(center, size, **options)


def test_size_of_a_cutout():
    assert Cutout((0, 0), 1024 * u.pix, t_ref=WHEN).size_ratio((4096, 4096)) == pytest.approx(1 / 16)
    # half an arcsec to the pixel, so that the size is not underestimated
    assert Cutout((0, 0), 512, t_ref=WHEN).size_ratio() == pytest.approx(1 / 16)
    assert Cutout((0, 0), (10, 20), box="degrees", t_ref=WHEN).size_ratio() == pytest.approx(200 * 33.8**2 / 4096**2)


# ---- other steps -----------------------------------------------------------------------------------------------------


def test_rebin():
    assert Rebin(0.25).process == "rebin,u=1,scale=0.25,method=boxcar"
    assert Rebin(1 / 3).process == "rebin,u=1,scale=0.333333333,method=boxcar"
    assert Rebin(2, rotate=True, crop=True, all_segments=True).process == "rebin,A=1,c=1,u=0,scale=2,method=boxcar"
    assert Rebin(0.5, method="gaussian", fwhm=0.5).fwhm == 0.5
    assert Rebin(0.5, method="gaussian", fwhm=3 * u.pix, nvector=6).process == (
        "rebin,u=1,scale=0.5,method=gaussian,FWHM=3,nvector=6"
    )
    assert Rebin(0.25).size_ratio() == 0.0625


@pytest.mark.parametrize(
    ("scale", "options", "message"),
    [
        (0, {}, "above 0"),
        (0.3, {}, r"neither n nor 1/n.*try 1/3"),
        (1.5, {}, "neither n nor 1/n"),
        ("half", {}, "scale='half'"),
        (0.5 * u.arcsec, {}, "pure numbers"),
        (0.5, {"method": "median"}, "'boxcar' or 'gaussian'"),
        (0.5, {"fwhm": 3}, "go with method='gaussian'"),
        (0.5, {"method": "gaussian"}, "needs fwhm="),
        (0.5, {"method": "gaussian", "fwhm": -1}, "fwhm=-1"),
        (0.5, {"method": "gaussian", "fwhm": 0}, "fwhm=0"),
        (0.5, {"method": "gaussian", "fwhm": 3, "nvector": 2.5}, "whole number"),
    ],
)
def test_impossible_rebins(scale, options, message):
    with pytest.raises(ProcessingError, match=message):
        Rebin(scale, **options)


def test_resize():
    assert Resize().process == "resize,regrid=1,do_stretchmarks=0,center_to=0,rescale=0"
    step = Resize(1.2 * u.arcsec / u.pix, bicubic=False, center="keep", replicate=True, crop=True)
    assert step.process == "resize,regrid=0,do_stretchmarks=1,center_to=2,rescale=1,scale_to=1.2,c=1"
    assert Resize(0.6 * u.arcsec) == Resize(0.6)
    assert (Resize().size_ratio(), Resize(1.0).size_ratio()) == (1.0, 0.5)
    with pytest.raises(ProcessingError, match="arcsec / pix"):
        Resize(3 * u.s)
    with pytest.raises(ProcessingError, match="'sun', 'first' or 'keep'"):
        Resize(center="left")


def test_map_project():
    step = MapProject((120, -15 * u.deg), scale=0.03, cols=800, rows=400, projection="postel")
    assert step.process == "Maproj,map=Postel,clon=120,clat=-15,scale=0.03,cols=800,rows=400"
    step = MapProject(
        sky("heliographic_stonyhurst", -30 * u.deg, 5 * u.deg),
        scale=0.06 * u.deg / u.pix,
        cols=300 * u.pix,
        rows=200,
        interpolation="nearest",
        grid=15,
        position_angle=90 * u.deg,
        all_segments=True,
    )
    assert arguments(step) == {
        "map": "orthographic", "grid": "15", "clon": "-30", "clat": "5", "scale": "0.06", "cols": "300", "rows": "200",
        "interp": "nearest", "map_pa": "90", "s": "1", "A": "1",
    }  # fmt: skip
    assert step.size_ratio((1000, 600)) == pytest.approx(0.1)
    assert step.stonyhurst


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection": "globe"}, "JSOC knows carree, Cassini"),
        ({"interpolation": "linear"}, "'cubiconv'"),
        ({"scale": 0}, "scale=0"),
        ({"cols": 10.5}, "whole number"),
        ({"rows": -1}, "rows=-1"),
        ({"grid": 0}, "grid=0"),
        ({"center": (400, 0)}, "x lies outside 0 to 360"),
        ({"center": (-10, 0)}, "x lies outside 0 to 360"),
        ({"center": sky("helioprojective", 1 * u.arcsec, 1 * u.arcsec)}, "centre of a map is heliographic"),
    ],
)
def test_impossible_maps(options, message):
    with pytest.raises(ProcessingError, match=message):
        MapProject(**({"center": (0, 0), "scale": 0.1, "cols": 10, "rows": 10} | options))


def test_aia_scale_takes_its_name_from_the_series():
    assert AIAScale().process == "aia_scale_aialev1"
    names = {
        "aia.lev1": "aia_scale_orig",
        "aia.lev1_euv_12s": "aia_scale_aialev1",
        "AIA.lev1_uv_24s": "aia_scale_aialev1",
        "aia_test.other": "aia_scale_other",
    }
    for series, name in names.items():
        assert chain(AIAScale(), series=series)[0] == f"n=0|{name}"
    step = AIAScale(pointing="aia.master_pointing3h", center=(10, -20 * u.pix), size=512)
    assert step.process == "aia_scale_aialev1,xc=10,yc=-20,wide=512,high=512,mpt=aia.master_pointing3h"
    assert step.size_ratio() == pytest.approx(1 / 64)
    assert AIAScale().size_ratio() == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pointing": "a,b=c"}, "no series name"),
        ({"center": (0, 0)}, "both center= and size="),
        ({"center": (5000, 0), "size": 10}, "4096 × 4096"),
        ({"center": (0, 0), "size": 5000}, "4096 × 4096"),
    ],
)
def test_impossible_aia_scales(options, message):
    with pytest.raises(ProcessingError, match=message):
        AIAScale(**options)


def test_vector_to_ptr():
    assert VectorToPtr().process == "HmiB2ptr,l=1"
    assert VectorToPtr(coordinates=False).process == "HmiB2ptr"
    assert VectorToPtr(disambiguation="potential", errors=True).process == "HmiB2ptr,l=1,e=1,ambweak=0"
    with pytest.raises(ProcessingError, match="'radial', 'random' or 'potential'"):
        VectorToPtr(disambiguation="best")


# ---- chains ----------------------------------------------------------------------------------------------------------


def test_chain_puts_steps_into_the_order_of_the_server():
    steps = [
        Rebin(0.5),
        MapProject((0, 0), scale=0.1, cols=10, rows=10),
        Cutout((0, 0), 100, t_ref=WHEN),
        Resize(),
        VectorToPtr(),
        AIAScale(),
    ]
    text, _ = chain(steps)
    assert [part.split(",")[0] for part in text.split("|")] == [
        "n=0",
        "aia_scale_aialev1",
        "HmiB2ptr",
        "resize",
        "im_patch",
        "Maproj",
        "rebin",
    ]


def test_chain_multiplies_sizes():
    cutout, rebin = Cutout((0, 0), 1024 * u.pix, t_ref=WHEN), Rebin(0.5)
    assert chain([rebin, cutout])[1] == pytest.approx(1 / 64)
    # a map of a cut-out has its own number of pixels, whatever it was made from
    mapped = MapProject((0, 0), scale=0.1, cols=2048, rows=1024)
    assert chain([cutout, mapped])[1] == pytest.approx(1 / 8)
    assert chain(cutout, dims=(2048, 2048))[1] == pytest.approx(1 / 4)


def test_chain_of_little():
    assert chain([]) == ("", 1.0)
    assert chain(Rebin(0.25)) == ("n=0|rebin,u=1,scale=0.25,method=boxcar", 0.0625)
    assert chain(iter([Rebin(0.25)])) == chain(Rebin(0.25))


def test_vector_components_take_all_segments_along():
    text, _ = chain([VectorToPtr(), Cutout((5, 6), 100, t_ref=WHEN), Rebin(0.5)], series="hmi.B_720s")
    assert text == (
        f"n=0|HmiB2ptr,l=1|im_patch,t=0,r=0,c=0,locunits=arcsec,boxunits=arcsec,t_ref={T_REF},"
        "x=5,y=6,width=100,height=100,A=1|rebin,A=1,u=1,scale=0.5,method=boxcar"
    )


@pytest.mark.parametrize(
    ("steps", "series", "message"),
    [
        ([Rebin(0.5), Rebin(0.25)], None, "two steps of the kind Rebin"),
        ({"rebin": {"scale": 0.5}}, None, "no processing step: write jsoclite.Cutout"),
        ("rebin,scale=0.5", None, "no processing step"),
        (7, None, "no processing step"),
        (VectorToPtr(), "hmi.M_720s", r"hmi\.B_720s only"),
        (AIAScale(), "hmi.M_720s", "images of AIA"),
        (Rebin(0.5), "hmi.sharp_720s", "cannot process hmi.sharp_720s"),
    ],
)
def test_impossible_chains(steps, series, message):
    with pytest.raises(ProcessingError, match=message):
        chain(steps, series=series)


ALL = [
    Cutout((-300.123456789, 150), (400, 200), t_ref=WHEN, start="limb", cadence="12m"),
    Cutout((200, 10), 10, location="carrington", box="degrees", car_rot=2145),
    Rebin(0.25, method="gaussian", fwhm=2.5, nvector=5),
    Resize(0.6),
    MapProject((20, 3), scale=0.1, cols=10, rows=20, stonyhurst=True),
    AIAScale(center=(1, 2), size=(3, 4)),
    VectorToPtr(errors=True),
]


@pytest.mark.parametrize("step", ALL, ids=lambda step: type(step).__name__)
def test_steps_are_values(step):
    assert dataclasses.replace(step) == step
    assert hash(dataclasses.replace(step)) == hash(step)
    assert pickle.loads(pickle.dumps(step)) == step
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.order = 3
    # what the export page's parser splits at, and what jsoc_fetch refuses, is in no argument
    assert not set(";|'\" ") & set(step.process)


@settings(deadline=None)
@given(st.floats(-5400, 5400), st.floats(-5400, 5400), st.floats(0.01, 5000))
def test_numbers_survive_the_way_to_the_server(x, y, size):
    found = arguments(Cutout((x, y), size, t_ref=WHEN))
    assert float(found["x"]) == pytest.approx(x, abs=1e-9)
    assert float(found["y"]) == pytest.approx(y, abs=1e-9)
    assert float(found["width"]) == pytest.approx(size, abs=1e-9)
    assert not {"e", "E"} & set(found["x"] + found["y"] + found["width"])


def test_number():
    assert [number(value) for value in (0.0, -0.0, 1.0, 0.1, 1e-12, 123456.75)] == [
        "0",
        "0",
        "1",
        "0.1",
        "0",
        "123456.75",
    ]


def test_steps_as_drms_takes_them():
    theirs = {
        "im_patch": {
            **{"t_ref": WHEN, "t": 0, "r": 0, "c": 0, "locunits": "arcsec", "boxunits": "arcsec"},
            **{"x": -300, "y": 150, "width": 400, "height": 200},
        },
        "rebin": {"method": "boxcar", "scale": 0.25, "u": 1},
    }
    assert as_steps(theirs) == [Cutout((-300, 150), (400, 200), t_ref=WHEN), Rebin(0.25)]
    carrington = {"x": 40, "y": 5, "width": 9, "height": 9, "locunits": "carrlong", "boxunits": "degrees"}
    (cutout,) = as_steps({"im_patch": carrington | {"car_rot": 2145, "r": 1, "A": 1}})
    assert cutout == Cutout(
        (40, 5), (9, 9), location="carrington", box="degrees", car_rot=2145, register=True, all_segments=True
    )


POINTING = "aia.master_pointing3h"


@pytest.mark.parametrize(
    ("theirs", "step"),
    [
        ({"resize": {"rescale": 1, "scale_to": "0.6", "regrid": 0}}, Resize(0.6, bicubic=False)),
        ({"resize": {"rescale": 1}}, Resize(0.6)),  # the program's default
        ({"resize": {"rescale": 0, "scale_to": 0.6, "center_to": "2", "c": 1}}, Resize(center="keep", crop=True)),
        (
            {"resize": {"scale_to": 0.6, "do_stretchmarks": 1, "center_to": 1}},
            Resize(0.6, replicate=True, center="first"),
        ),
        ({"rebin": {"scale": "1/4", "method": "gaussian", "FWHM": 2, "u": 1}}, Rebin(0.25, method="gaussian", fwhm=2)),
        ({"rebin": {"scale": 0.5, "method": "boxcar"}}, Rebin(0.5, rotate=True)),  # as the program does without u
        ({"rebin": {"scale": 0.5, "rotate": "no"}}, Rebin(0.5)),
        ({"Rebin": {"scale": 0.5}}, Rebin(0.5)),
        ({"rebin": {"scale": 0.5, "u": 0, "A": "1"}}, Rebin(0.5, rotate=True, all_segments=True)),
        ({"HmiB2ptr": {}}, VectorToPtr(coordinates=False)),
        ({"HmiB2ptr": {"l": 1, "e": "1", "ambweak": 0}}, VectorToPtr(errors=True, disambiguation="potential")),
        ({"aia_scale_aialev1": {"mpt": POINTING}}, AIAScale(pointing=POINTING)),
        (
            {"aia_scale_orig": {"xc": 4, "yc": "-5", "wide": 512, "high": 256}},
            AIAScale(center=(4, -5), size=(512, 256)),
        ),
        (
            {"Maproj": {"map": "cyleqa", "clon": "-20", "clat": 15, "scale": 0.03, "cols": "600", "rows": 400, "s": 1}},
            MapProject((-20, 15), scale=0.03, cols=600, rows=400, projection="cyleqa", stonyhurst=True),
        ),
        (
            {"map_proj": {"clon": 1, "clat": 2, "scale": 1, "cols": 9, "rows": 8, "interp": "nearest", "map_pa": 3}},
            MapProject((1, 2), scale=1, cols=9, rows=8, interpolation="nearest", position_angle=3),
        ),
        # by the names that steps and arguments have here, as on the command line
        (
            {"map-project": {"center": "1,2", "scale": "1", "cols": "9", "rows": "8", "projection": "Postel"}},
            MapProject((1, 2), scale=1, cols=9, rows=8, projection="Postel"),
        ),
        (
            {"Cutout": {"center": "-300,150", "size": "400x200", "t_ref": WHEN, "track": "no", "cadence": "12m"}},
            Cutout((-300, 150), (400, 200), t_ref=WHEN, track=False, cadence="12m"),
        ),
        ({"VectorToPtr": {}}, VectorToPtr()),
        ({"aia_scale": {}}, AIAScale()),
    ],
)
def test_each_step_of_drms_is_one_of_ours(theirs, step):
    assert as_steps(theirs) == [step]
    # and what it writes is taken again
    name, *arguments = step.process.split(",")
    assert as_steps([{name: dict(one.split("=") for one in arguments)}]) == [step]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"im_patch": {}}, "im_patch lacks 'x'"),
        ({"im_patch": {"x": 1, "y": 1, "width": 2}}, "im_patch lacks 'height'"),
        ({"im_patch": 5}, "is no step: it is im_patch, rebin, .* with a mapping of its arguments"),
        ({"nosuch": {}}, "is no step: it is im_patch, rebin, resize, Maproj, HmiB2ptr or aia_scale"),
        ([Rebin(0.5), {"nosuch": {}}], "is no step"),
        ({"map_proj": {"clon": 1}}, "map_proj lacks 'clat'"),
        ({"Maproj": {"clon": 1, "clat": 1, "scale": 1}}, "missing a required argument: 'cols'"),
        ({"aia_scale_orig": {"despike": 1}}, r"AIAScale has no argument despike=\."),
        ({"HmiB2ptr": {"ambweak": 7}}, "disambiguation=7: write 'radial'"),
        ({"resize": {"c": "maybe"}}, "resize: c='maybe': write 0 or 1"),
        ({"rebin": {"scale": "1/0"}}, "scale='1/0': write a number"),
        ({"im_patch": {"x": 1, "y": 1, "width": 2, "height": 2, "foo": 2}}, "im_patch: Cutout has no argument foo="),
    ],
)
def test_steps_of_drms_that_are_none(steps, said):
    with pytest.raises(ProcessingError, match=said):
        as_steps(steps)
