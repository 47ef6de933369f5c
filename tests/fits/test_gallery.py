"""`quicklook`: which images, how they are shown, what is left out; its parts alone, for pictures have no text."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

import jsoclite
from jsoclite.fits.colors import colormap, look, rgb
from jsoclite.fits.figure import draw, scaled
from jsoclite.fits.thumbnails import Source, Thumbnail, shrink, thumbnail
from jsoclite.sandbox import Sandbox


@pytest.fixture(scope="module", autouse=True)
def _without_a_screen():
    os.environ["MPLBACKEND"] = "Agg"
    yield
    del os.environ["MPLBACKEND"]


@pytest.fixture(scope="module")
def client():
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as made:
        yield made


def titles(figure):
    return [axes.texts[0].get_text() for axes in figure.axes]


def times(figure):
    return [axes.texts[1].get_text() for axes in figure.axes]


def legends(figure):
    return [axes.texts[2].get_text() for axes in figure.axes if len(axes.texts) > 2]


def shown(figure, number=0):
    return np.ma.filled(figure.axes[number].images[0].get_array(), np.nan)


def write(path, data, **keywords):
    header = fits.Header({name.replace("_", "-") if name == "DATE_OBS" else name: v for name, v in keywords.items()})
    fits.PrimaryHDU(np.asarray(data), header).writeto(path)
    return path


# -- colours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "at_64", "at_200"),
    [  # worked out by hand from aia_lct.pro: c0 = i, c1 = sqrt(255 i), c2 = i*i/255, c3, and IDL's table 3
        (94, (16, 90, 64), (156, 202, 200)),
        (131, (0, 92, 92), (151, 255, 255)),
        (171, (92, 64, 0), (255, 200, 39)),
        (193, (127, 64, 16), (225, 200, 156)),
        (211, (127, 64, 90), (225, 200, 202)),
        (304, (92, 0, 0), (255, 151, 39)),
        (335, (16, 64, 127), (156, 200, 225)),
        (1600, (90, 90, 16), (202, 202, 156)),
        (1700, (127, 64, 64), (225, 200, 200)),
        (4500, (64, 64, 0), (200, 200, 19)),
    ],
)
def test_aia_tables_are_those_of_solarsoft(channel, at_64, at_200):
    table = rgb(channel)
    assert table.shape == (256, 3)
    assert tuple(table[64]) == at_64
    assert tuple(table[200]) == at_200
    assert tuple(table[0]) == (0, 0, 0)
    assert np.allclose(colormap(channel).colors, table / 255.0)


def test_red_temperature_bends_where_idl_has_its_corners():
    red, green, blue = rgb(304).T.astype(int)
    assert [red[175], red[176], green[121], green[122], blue[190], blue[191]] == [253, 255, 1, 3, 0, 3]
    assert rgb(304)[255].tolist() == [255, 255, 255]


@pytest.mark.parametrize("which", ["aia171", "AIA 171", "sdoaia171", 171, 171.0, np.int32(171), "171"])
def test_ways_to_ask_for_a_table(which):
    assert colormap(which).name == "aia171"


def test_an_unknown_table_names_those_that_there_are():
    with pytest.raises(jsoclite.JsocError, match="no colour table 'jet'; there are aia94, .* gray, .* flags"):
        colormap("jet")
    with pytest.raises(jsoclite.JsocError, match="no colour table 172"):
        colormap(172)


def test_nothing_is_registered():
    import matplotlib

    before = set(matplotlib.colormaps)
    bad = matplotlib.colormaps["magma"].get_bad().tolist()
    for name in ("aia94", "field", "azimuth", "flags", "gray", "continuum", "velocity", "inclination"):
        colormap(name)
    assert set(matplotlib.colormaps) == before
    assert matplotlib.colormaps["magma"].get_bad().tolist() == bad


AIA = {"TELESCOP": "SDO/AIA", "INSTRUME": "AIA_3", "WAVELNTH": 171}
HMI = {"TELESCOP": "SDO/HMI", "INSTRUME": "HMI_SIDE1", "WAVELNTH": 6173.0}
MDI = {"TELESCOP": "SOHO", "INSTRUME": "MDI", "WAVELNTH": 6768}


@pytest.mark.parametrize(
    ("header", "segment", "series", "kind", "scale"),
    [
        (AIA, "image", "aia.lev1_euv_12s", "aia171", "asinh"),
        (AIA, "image_lev1", "aia.lev1", "aia171", "asinh"),
        (AIA | {"WAVELNTH": "1700"}, "", "", "aia1700", "zero"),
        ({"WAVELNTH": 304}, "image", "aia.lev1_euv_12s", "aia304", "asinh"),
        (AIA | {"WAVELNTH": 0}, "image_lev1", "aia.lev1", "other", "percentiles"),
        (AIA, "flatfield", "aia.flatfield", "other", "percentiles"),
        (HMI | {"CONTENT": "MAGNETOGRAM"}, "", "", "magnetogram", "symmetric"),
        (HMI, "magnetogram", "hmi.M_720s", "magnetogram", "symmetric"),
        (HMI, "Br", "hmi.sharp_cea_720s", "magnetogram", "symmetric"),
        (HMI, "synopMr", "hmi.Synoptic_Mr_720s", "magnetogram", "symmetric"),
        (HMI, "Mr_polfil", "hmi.Synoptic_Mr_polfil_720s", "magnetogram", "symmetric"),
        (HMI, "data", "hmi.Mldailysynframe_720s", "magnetogram", "symmetric"),
        (HMI, "Br_err", "hmi.sharp_cea_720s", "other", "percentiles"),
        # one BUNIT for all segments of a record says nothing about a segment whose name does
        (HMI | {"BUNIT": "Mx/cm^2"}, "Dopplergram", "hmi.sharp_cea_720s", "velocity", "median"),
        (HMI, "vlos_mag", "hmi.B_720s", "velocity", "median"),
        (HMI, "continuum", "hmi.Ic_720s", "continuum", "zero"),
        (HMI | {"CONTENT": "VECTOR FIELD"}, "field", "hmi.B_720s", "field", "zero"),
        (HMI | {"CONTENT": "VECTOR FIELD"}, "inclination", "hmi.B_720s", "inclination", "angle"),
        (HMI | {"CONTENT": "VECTOR FIELD"}, "azimuth", "hmi.B_720s", "azimuth", "angle"),
        (HMI | {"CONTENT": "VECTOR FIELD"}, "eta_0", "hmi.B_720s", "other", "percentiles"),
        (HMI, "bitmap", "hmi.Mharp_720s", "flags", "flags"),
        (HMI, "conf_disambig", "hmi.B_720s", "flags", "flags"),
        (HMI, "linewidth", "hmi.Lw_720s", "other", "percentiles"),
        (MDI | {"BUNIT": "Gauss"}, "data", "", "magnetogram", "symmetric"),
        (MDI, "data", "mdi.fd_M_96m_lev182", "magnetogram", "symmetric"),
        (MDI, "data", "mdi.synoptic_Mr_96m", "magnetogram", "symmetric"),
        (MDI, "data", "mdi.fd_V", "velocity", "median"),
        (MDI | {"BUNIT": "m/s"}, "data", "", "velocity", "median"),
        (MDI | {"CONTENT": "MDI Full Disk Intensity Continuum"}, "data", "", "continuum", "zero"),
        (MDI, "data", "mdi.fd_Ic", "continuum", "zero"),
        ({}, "", "", "other", "percentiles"),
    ],
)
def test_look(header, segment, series, kind, scale):
    found = look(header, segment, series)
    assert (found.kind, found.scale) == (kind, scale)


def test_colormap_of_a_header(tmp_path):
    _, header = jsoclite.read(write(tmp_path / "a.fits", np.ones((9, 9)), TELESCOP="SDO/AIA", WAVELNTH=211))
    assert colormap(header).name == "aia211"
    assert colormap({"BUNIT": "degree"}, "azimuth").name == "azimuth"
    assert colormap({}).name == "gray"


# -- one image ---------------------------------------------------------------------------------------------------------


def test_shrinking_takes_means_of_what_is_there():
    data = np.arange(42, dtype=np.int16).reshape(6, 7).astype(np.float32)
    data[0, 0] = np.nan
    data[4:, 6] = np.nan
    small = shrink(data, 2)
    assert small.shape == (3, 4)
    assert small[0, 0] == pytest.approx((1 + 7 + 8) / 3)
    assert small[1, 1] == pytest.approx((16 + 17 + 23 + 24) / 4)
    assert small[0, 3] == pytest.approx((6 + 13) / 2)  # a narrower block at the end
    assert np.isnan(small[2, 3])


def test_angles_and_flags_are_picked_not_averaged(tmp_path):
    data = np.where(np.arange(512) % 2, 179.0, 1.0) * np.ones((512, 1))
    path = write(tmp_path / "hmi.B_720s.20140101.azimuth.fits", data)
    small = thumbnail(Source(str(path), "", "azimuth", {}), 256).pixels
    assert small.shape == (256, 256)
    assert set(np.unique(small)) <= {1.0, 179.0}


def test_large_images_become_small(tmp_path):
    data = np.zeros((2048, 4096), np.int16)
    data[:16, :16] = 100
    path = write(tmp_path / "large.fits", data)
    small = thumbnail(Source(str(path), "", "", {}), 256).pixels
    assert small.shape == (128, 256)
    assert small[0, 0] == 100
    assert small.sum() == 100


@pytest.mark.parametrize(
    ("keywords", "turned"),
    [({"CROTA2": 179.93}, True), ({"CROTA2": -180.0}, True), ({"CROTA2": 0.02}, False), ({"CROTA2": 359.9}, False),
     ({"CROTA2": 89.0}, False), ({}, False)],
)  # fmt: skip
def test_solar_north_is_up(tmp_path, keywords, turned):
    data = np.arange(400.0).reshape(20, 20)
    path = write(tmp_path / "a.fits", data, **keywords)
    pixels = thumbnail(Source(str(path), "", "", {}), 256).pixels
    assert np.array_equal(pixels, np.rot90(data, 2) if turned else data)


def test_stored_images_of_hmi_are_turned_but_not_its_maps(client):
    for series, turned in [("hmi.M_720s", True), ("hmi.Mldailysynframe_720s", False)]:
        row = client.query(f"{series}[2014.01.01_12:00_TAI]", segments="**ALL**").iloc[0]
        url = next(value for value in row if isinstance(value, str) and "://" in value)
        data, header = jsoclite.read(url)
        assert "CROTA2" not in header
        small = shown(jsoclite.quicklook(row, size=4096))
        assert np.array_equal(small, np.rot90(data, 2) if turned else data, equal_nan=True)


def test_the_keyword_of_a_row_goes_before_the_rule(client):
    row = client.query("hmi.M_720s[2014.01.01_TAI]{magnetogram}", keywords="T_REC,CROTA2").iloc[0]
    row["CROTA2"] = 0.0  # as in a roll of the spacecraft
    data, _ = jsoclite.read(row.magnetogram)
    assert np.array_equal(shown(jsoclite.quicklook(row)), data, equal_nan=True)


def test_vlos_mag_comes_out_in_metres(tmp_path):
    path = write(tmp_path / "a.fits", np.full((10, 10), 2500.0))
    one = thumbnail(Source(str(path), "hmi.B_720s[2014.01.01_TAI]", "vlos_mag", {}), 256)
    assert one.unit == "m/s"
    assert np.all(one.pixels == 25.0)


# -- limits ------------------------------------------------------------------------------------------------------------


def one_of(pixels, header, segment="", series="", exposure=None, unit="DN"):
    return Thumbnail(np.asarray(pixels, float), look(header, segment, series), series, "", "", unit, exposure)


def test_images_of_a_channel_share_their_limits_and_others_do_not():
    faint, bright = np.full((10, 10), 10.0), np.full((10, 10), 1000.0)
    a, b, c = scaled([one_of(faint, AIA), one_of(bright, AIA), one_of(faint, AIA | {"WAVELNTH": 193})])
    assert a.values.max() < 0.3 < b.values.max() == 1.0
    assert c.values.max() == 1.0
    assert a.legend == b.legend == "0 to 1,000 DN"


def test_faint_loops_of_the_corona_are_lifted_and_other_images_are_straight():
    pixels = np.full((10, 10), 1000.0)
    pixels[0] = 100.0
    for header, low, high in ((AIA, 0.35, 0.45), (AIA | {"WAVELNTH": 1700}, 0.09, 0.11)):
        (one,) = scaled([one_of(pixels, header)])
        assert low < one.values.min() < high
        assert one.values.max() == 1.0


def test_exposures_are_divided_out_where_all_are_known():
    short, long = np.full((10, 10), 100.0), np.full((10, 10), 200.0)
    a, b = scaled([one_of(short, AIA, exposure=1.0), one_of(long, AIA, exposure=2.0)])
    assert np.array_equal(a.values, b.values)
    assert a.legend == "0 to 100 DN/s"
    a, b = scaled([one_of(short, AIA, exposure=1.0), one_of(long, AIA)])
    assert a.values.max() < b.values.max()
    assert a.legend == "0 to 200 DN"


def test_signed_images_lie_about_zero_or_their_median():
    rng = np.random.default_rng(1)
    field, velocity = rng.normal(5, 40, (64, 64)), rng.normal(2000, 300, (64, 64))
    (magnetic,) = scaled([one_of(field, HMI, "magnetogram", unit="G")])
    assert magnetic.low == -magnetic.high == -200
    assert magnetic.legend == "± 200 G"
    (doppler,) = scaled([one_of(velocity, HMI, "Dopplergram", unit="m/s")])
    assert doppler.low == -doppler.high
    assert abs(np.median(doppler.values)) < 1e-9
    assert doppler.legend.endswith("± 1,000 m/s")
    assert np.all(scaled([one_of(field * 1e4, HMI, "Br", unit="G")])[0].high == 1000)


def test_flags_have_a_colour_each_and_the_same_in_all_images():
    first, second = np.array([[1.0, 2.0], [33.0, np.nan]]), np.array([[1.0, 34.0], [34.0, 33.0]])
    a, b = scaled([one_of(first, HMI, "bitmap"), one_of(second, HMI, "bitmap")])
    assert np.array_equal(a.values, [[0, 1], [2, np.nan]], equal_nan=True)
    assert np.array_equal(b.values, [[0, 3], [3, 2]])
    assert a.legend == "values 1, 2, 33, 34"
    (many,) = scaled([one_of(np.arange(400.0).reshape(20, 20), HMI, "info_map")])
    assert many.table == "gray"


def test_empty_and_constant_images_can_be_drawn():
    nothing = one_of(np.full((10, 10), np.nan), HMI, "magnetogram", unit="G")
    same = one_of(np.full((10, 10), 20.0), {}, "epts", unit="")
    dark = one_of(np.zeros((10, 10)), AIA)
    figure = draw([nothing, same, dark], columns=None, note="")
    figure.canvas.draw()
    assert legends(figure)[1] == "20 everywhere"


# -- axes and colour bars ----------------------------------------------------------------------------------------------


def test_maps_have_axes(client):
    rows = client.query("hmi.synoptic_mr_720s[2144]{synopMr}")
    (axes,) = jsoclite.quicklook(rows, client=client).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Carrington longitude [°]", "latitude [°]")
    labels = {text.get_text(): text.get_position()[1] for text in axes.get_yticklabels()}
    assert labels["30"] == pytest.approx(np.degrees(0.5))  # rows are even in the sine
    assert [text.get_text() for text in axes.get_xticklabels()][-1] == "360"
    assert axes.get_xlim() == pytest.approx((0, 360), abs=0.5)
    (patch,) = jsoclite.quicklook("hmi.sharp_cea_720s[377][2011.02.15_TAI]", segments="Br", client=client).axes
    assert patch.get_ylim() == pytest.approx((-26.5, -14.5), abs=0.1)
    (disk,) = jsoclite.quicklook("hmi.M_720s[2014.01.01_TAI]", client=client).axes
    assert not disk.axison


def test_colour_bars_say_what_the_limits_were():
    field = one_of(np.random.default_rng(1).normal(5, 40, (64, 64)), HMI, "magnetogram", unit="G")
    image, flags = one_of(np.full((20, 20), 1000.0), AIA, exposure=2.0), one_of([[1, 2], [33, 34]] * 9, HMI, "bitmap")
    figure = draw([field, image, flags], columns=None, note="", colorbar=True)
    figure.canvas.draw()
    bars = [[text.get_text() for text in axes.get_xticklabels()] for axes in figure.axes[1::2]]
    assert bars == [["−200", "0", "200 G"], ["0", "50", "500 DN/s"], ["1", "2", "33", "34"]]
    assert figure.axes[3].get_xticks()[1] > 0.2  # the fifth part of the light is more than a fifth of the colours
    assert legends(figure) == []


# -- which images ------------------------------------------------------------------------------------------------------


def test_manifest_of_three_channels(client, tmp_path):
    channels, both = [171, 193, 304], ["image", "spikes"]
    rows = client.search("aia.lev1_euv_12s", "2014-01-01", "2014-01-01", wavelength=channels, segments=both)
    figure = jsoclite.quicklook(client.download(rows, tmp_path))  # with its spikes
    assert titles(figure) == ["AIA 171 Å", "AIA 193 Å", "AIA 304 Å"]
    assert times(figure)[0] == "2014-01-01 00:00:01 UTC"
    assert [axes.images[0].cmap.name for axes in figure.axes] == ["aia171", "aia193", "aia304"]
    assert all(text.endswith("DN/s") for text in legends(figure))
    assert figure.texts == []


def test_rows_with_urls_say_what_their_files_lack(client):
    aia = client.search("aia.lev1_euv_12s", "2014-01-01", "2014-01-01", wavelength=171, segments="image")
    hmi = client.query("hmi.B_720s[2014.01.01_TAI]{field}")
    mdi = client.query("mdi.fd_V[2003.10.28_TAI]{data}", times="tai")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no row lacks a file: the others' segments are not theirs
        figure = jsoclite.quicklook(pd.concat([aia, hmi, mdi]))
    assert titles(figure) == ["AIA 171 Å", "HMI field strength", "MDI Dopplergram"]
    assert times(figure) == ["2014-01-01 00:00:01 UTC", "2014-01-01 00:00:00 TAI", "2003-10-28 00:00:00 TAI"]
    assert [text.rpartition(" ")[2] for text in legends(figure)] == ["DN", "G", "m/s"]


def test_one_row_of_either_and_paths(client, tmp_path):
    rows = client.query("hmi.sharp_cea_720s[377][2011.02.15_TAI]{Br,bitmap}")
    manifest = client.download(rows, tmp_path)
    assert titles(jsoclite.quicklook(rows.iloc[0])) == ["HARP 377 Br", "HARP 377 bitmap"]
    assert titles(jsoclite.quicklook(rows, segments="bitmap")) == ["HARP 377 bitmap"]
    assert titles(jsoclite.quicklook(manifest.iloc[1])) == ["HARP 377 bitmap"]
    assert titles(jsoclite.quicklook(manifest, segments="Br")) == ["HARP 377 Br"]
    assert titles(jsoclite.quicklook(manifest.path)) == ["HARP 377 Br", "HARP 377 bitmap"]
    assert titles(jsoclite.quicklook(manifest.path.iloc[0])) == ["HARP 377 Br"]
    assert titles(jsoclite.quicklook([tmp_path / os.path.basename(path) for path in manifest.path])) == [
        "HARP 377 Br",
        "HARP 377 bitmap",
    ]


def test_synoptic_maps_keep_their_shape_and_tell_their_rotation(client, tmp_path):
    figure = jsoclite.quicklook(client.download("hmi.Synoptic_Mr_720s[2145]", tmp_path))
    assert titles(figure) == ["HMI synoptic magnetogram"]
    assert times(figure) == ["Carrington rotation 2145"]
    axes = figure.axes[0]
    figure.draw_without_rendering()
    box = axes.get_position()
    width, height = figure.get_size_inches()
    assert box.width * width / (box.height * height) == pytest.approx(2.5, rel=0.01)


@pytest.mark.parametrize(("limit", "chosen"), [(1, [1]), (2, [1, 5]), (3, [1, 3, 5]), (5, [1, 2, 3, 4, 5])])
def test_the_first_and_the_last_are_among_those_shown(tmp_path, limit, chosen):
    paths = [write(tmp_path / f"{n}.fits", np.eye(9), DATE_OBS=f"2014-01-0{n}T00:00:00Z") for n in range(1, 6)]
    shown = times(jsoclite.quicklook(paths, limit=limit))
    assert [text.partition(" ")[0] for text in shown] == [f"2014-01-0{n}" for n in chosen]


def test_rows_of_panels_are_as_high_as_their_images(tmp_path):
    flat = [write(tmp_path / f"flat{n}.fits", np.ones((20, 80))) for n in range(2)]
    tall = [write(tmp_path / f"tall{n}.fits", np.ones((80, 40))) for n in range(2)]
    figure = jsoclite.quicklook([*flat, *tall], columns=2)
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes[:4]]
    side = boxes[0].width * width
    assert [box.height * height / side for box in boxes[:2]] == pytest.approx([0.25] * 2, rel=0.01)
    # what is tall has its room: it is no narrower than its own row allows
    assert boxes[2].height * height <= 2 * side * 1.01
    assert height < 2.25 * side + 2.5


def test_a_dozen_of_many_evenly_spaced(client):
    rows = client.query("hmi.M_720s[2014.01.01_TAI/1d]{magnetogram}")
    figure = jsoclite.quicklook(rows, size=32)
    assert figure.texts[0].get_text() == f"12 of {len(rows)} images"
    at = [pd.Timestamp(text.removesuffix(" TAI")) for text in times(figure)]
    assert str(at[0]) == "2014-01-01 00:00:00"
    assert str(at[-1]) == rows.T_REC.iloc[-1][:19].replace(".", "-").replace("_", " ")
    gaps = np.diff(at) / np.timedelta64(12, "m")
    assert gaps.max() - gaps.min() <= 1


def test_segments_of_a_record_stay_together(client):
    rows = client.query("hmi.sharp_cea_720s[377][2011.02.15_TAI/2h]{Br,Bt,Bp}")
    figure = jsoclite.quicklook(rows, limit=6)
    assert titles(figure) == ["HARP 377 Br", "HARP 377 Bt", "HARP 377 Bp"] * 2
    assert figure.texts[0].get_text() == f"6 of {3 * len(rows)} images"


def test_rows_without_a_file_are_counted(client, tmp_path):
    manifest = client.download("hmi.M_720s[2014.01.01_TAI/1h]", tmp_path)
    manifest.loc[manifest.index[:2], "path"] = None
    manifest.loc[manifest.index[:2], "error"] = "the record has no image"
    (tmp_path / "broken.fits").write_text("<html>")
    manifest.loc[manifest.index[2], "path"] = str(tmp_path / "broken.fits")
    with pytest.warns(jsoclite.JsocWarning, match="leaves out 3 images: 2 × the record has no image; 1 × .*broken"):
        figure = jsoclite.quicklook(manifest)
    assert len(figure.axes) == 2


def test_offline_rows_are_counted(client):
    rows = client.query("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
    rows.loc[rows.index[0], ["magnetogram", "online"]] = [None, False]
    with pytest.warns(jsoclite.JsocWarning, match="leaves out 1 images: 1 × no file online"):
        assert len(jsoclite.quicklook(rows).axes) == len(rows) - 1


def test_arrays_that_are_no_images_are_told_apart(tmp_path):
    table = write(tmp_path / "table.fits", np.ones((3, 500)))
    image = write(tmp_path / "image.fits", np.ones((30, 30)))
    with pytest.warns(jsoclite.JsocWarning, match="1 × no image in the file"):
        assert len(jsoclite.quicklook([table, image]).axes) == 1
    with pytest.raises(jsoclite.JsocError, match="no image to show: 1 × no image in the file"):
        jsoclite.quicklook(table)


def test_rows_without_urls_need_a_client(client):
    rows = client.query("hmi.B_720s[2014.01.01_TAI/1h]")
    with pytest.raises(jsoclite.JsocError, match="query with segments=.*or pass client="):
        jsoclite.quicklook(rows)
    with pytest.raises(jsoclite.JsocError, match="no column 'field': query with segments"):
        jsoclite.quicklook(rows, segments="field")
    figure = jsoclite.quicklook(rows, segments=["field", "azimuth"], client=client, limit=4)
    assert titles(figure) == ["HMI field strength", "HMI azimuth"] * 2
    assert figure.texts[0].get_text() == f"4 of {2 * len(rows)} images"


def test_a_client_takes_record_sets_and_downloads_only_what_is_shown(client, monkeypatch):
    asked = []
    download = client.download
    monkeypatch.setattr(
        client, "download", lambda rows, *args, **kw: asked.append(len(rows)) or download(rows, *args, **kw)
    )
    figure = jsoclite.quicklook("aia.lev1_euv_12s[2014.01.01_00:00:35_TAI/1h][171]", client=client, limit=3)
    assert titles(figure) == ["AIA 171 Å"] * 3
    assert legends(figure)[0].endswith("DN/s")
    assert asked == [3]
    assert titles(jsoclite.quicklook("hmi.B_720s[2014.01.01_TAI]{azimuth}", client=client)) == ["HMI azimuth"]


def test_files_need_nothing_of_a_client(client, tmp_path, monkeypatch):
    path = write(tmp_path / "one.fits", np.ones((20, 20)))
    monkeypatch.setattr(client, "download", lambda *_, **__: pytest.fail("it is here"))
    for what in (path, str(path), [path], [str(path)], pd.DataFrame({"path": [str(path)]})):
        assert len(titles(jsoclite.quicklook(what, client=client))) == 1


def test_a_client_downloads_rows_of_several_series(client):
    aia = client.search("aia.lev1_euv_12s", "2014-01-01", "2014-01-01", wavelength=[171, 304])
    hmi = client.query("hmi.M_720s[2014.01.01_TAI]")
    figure = jsoclite.quicklook(pd.concat([aia, hmi]), client=client)
    assert titles(figure) == ["AIA 171 Å", "AIA 304 Å", "HMI magnetogram"]
    assert legends(figure)[0].endswith("DN/s")
    with pytest.raises(jsoclite.JsocError, match="without such segments"):
        jsoclite.quicklook(hmi, segments="Br", client=client)


def test_a_record_set_without_a_client_is_no_file():
    with pytest.raises(jsoclite.JsocError, match="is no file; to show a record set, pass client="):
        jsoclite.quicklook("hmi.M_720s[2014.01.01_TAI]")


def test_unknown_segments_and_numbers(client, tmp_path):
    manifest = client.download("hmi.M_720s[2014.01.01_TAI]", tmp_path)
    with pytest.raises(jsoclite.UnknownName, match="no segment 'Br' in this manifest; it has magnetogram"):
        jsoclite.quicklook(manifest, segments="Br")
    with pytest.raises(ValueError, match="limit=0"):
        jsoclite.quicklook(manifest, limit=0)
    with pytest.raises(TypeError, match="not 3"):
        jsoclite.quicklook([3])
    with pytest.raises(jsoclite.JsocError, match="no image to show: no rows"):
        jsoclite.quicklook(manifest.iloc[:0])


# -- the figure --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "shape", "columns"),
    [(1, (9, 9), 1), (2, (9, 9), 2), (5, (9, 9), 3), (10, (9, 9), 5), (12, (9, 9), 4), (12, (9, 18), 3)],
)
def test_columns_fit_number_and_shape(count, shape, columns):
    figure = draw([one_of(np.ones(shape), AIA)] * count, columns=None, note="")
    lefts = {round(axes.get_position().x0, 6) for axes in figure.axes}
    assert len(lefts) == columns
    assert figure.get_size_inches()[0] <= 10.0001


def test_columns_can_be_asked_for():
    figure = draw([one_of(np.ones((9, 9)), AIA)] * 4, columns=1, note="")
    assert len({round(axes.get_position().x0, 6) for axes in figure.axes}) == 1


@pytest.mark.parametrize("colorbar", [False, True])
@pytest.mark.parametrize("frame", [None, (0.0, 360.0, -57.0, 57.0)])
@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_texts_do_not_overlap(count, frame, colorbar):
    one = one_of(np.ones((20, 20)), AIA)
    title, time = "HMI flattened continuum", "2014-01-01 00:00:00 UTC"
    one = Thumbnail(one.pixels, one.look, "", title, time, "DN/s", None, frame, frame is not None)
    figure = draw([one] * count, columns=None, note="12 of 240 images", colorbar=colorbar)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        if axes.axison:
            marks = [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
            boxes += [text.get_window_extent() for text in marks if text.get_text()]
    boxes += [text.get_window_extent() for text in figure.texts]
    page = figure.bbox
    for number, box in enumerate(boxes):
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_notebooks_show_it_and_pyplot_does_not_know_it(client):
    figure = jsoclite.quicklook(client.query("hmi.M_720s[2014.01.01_TAI]{magnetogram}"))
    assert figure._repr_png_().startswith(b"\x89PNG")
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_without_matplotlib_it_says_what_to_install():
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nimport jsoclite\nfrom jsoclite import colormap\n"
        "for call in (lambda: jsoclite.quicklook('a.fits'), lambda: colormap(171)):\n"
        "    try: call()\n    except jsoclite.JsocError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.count("python -m pip install matplotlib") == 2


def test_the_colours_of_hmi():
    table = rgb("hmimag")
    assert table.shape == (256, 3)
    assert table[[0, 107, 108, 128, 147, 148, 255]].tolist() == [
        [137, 0, 20], [255, 219, 188], [255, 103, 0], [154, 154, 167], [0, 255, 92], [200, 200, 255], [0, 0, 73],
    ]  # fmt: skip
    assert colormap("HMImag").name == "hmimag"
