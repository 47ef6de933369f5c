"""Processing steps: what they do to pixels and to the coordinates in the header."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from jsoclite.sandbox.processing.pointing import PROJECTIONS, View, rotation, sample
from jsoclite.sandbox.processing.steps import ProcessError, process_file
from jsoclite.times import words

SIZE, SCALE, RADIUS = 256, 9.0, 960.0
NOON = words.scan_time("2014.01.02_12:00:00_TAI")


def spot_file(west=300.0, north=-200.0, *, crota=0.0, compressed=True, latitude=4.0, longitude=120.0):
    """A disk with one spot, and its header."""
    header = fits.Header()
    header["CRPIX1"], header["CRPIX2"] = 130.0, 126.5
    header["CDELT1"] = header["CDELT2"] = SCALE
    header["CRVAL1"] = header["CRVAL2"] = 0.0
    header["CROTA2"], header["CTYPE1"], header["CTYPE2"] = crota, "HPLN-TAN", "HPLT-TAN"
    header["RSUN_OBS"], header["CRLT_OBS"], header["CRLN_OBS"] = RADIUS, latitude, longitude
    header["DATAMAX"], header["MISSVALS"], header["TOTVALS"] = 0.0, 0, 0
    header["DRMS_ID"] = "hmi.M_720s:1:magnetogram"
    y, x = np.mgrid[1 : SIZE + 1, 1 : SIZE + 1].astype(float)
    sky_west, sky_north = View.of(header).sky(x, y)
    disk = np.where(np.hypot(sky_west, sky_north) <= RADIUS, 10.0, 0.0)
    data = disk + 1000 * np.exp(-((sky_west - west) ** 2 + (sky_north - north) ** 2) / (2 * 20.0**2))
    data[0, :5] = np.nan
    hdu = fits.CompImageHDU if compressed else fits.PrimaryHDU
    if compressed:
        units = [fits.PrimaryHDU(), hdu(data.astype("f4"), header, compression_type="GZIP_2", quantize_level=0.0)]
    else:
        units = [hdu(data.astype("f4"), header)]
    buffer = BytesIO()
    fits.HDUList(units).writeto(buffer)
    return buffer.getvalue()


def run(content, *steps, seconds=NOON):
    made = process_file(content, steps, seconds, {"DRMS_ID": "hmi.M_720s_mod:7:magnetogram"})
    with fits.open(BytesIO(made), checksum=True) as units:
        units.verify("exception")
        unit = units[-1]
        return np.array(unit.data, dtype=float), unit.header.copy()


def spot(data, header):
    """Where the spot is now, in arcseconds."""
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    west, north = View.of(header).sky(column + 1.0, row + 1.0)
    return float(west), float(north)


@pytest.mark.parametrize("crota", [0.0, 180.1, 3.0])
@pytest.mark.parametrize("compressed", [True, False])
def test_im_patch_cuts_out_a_box_around_the_target(crota, compressed):
    box = {
        "x": "300",
        "y": "-200",
        "width": "270",
        "height": "180",
        "locunits": "arcsec",
        "boxunits": "arcsec",
        "t": "1",
    }
    data, header = run(spot_file(crota=crota, compressed=compressed), ("im_patch", box))
    assert data.shape == (20, 30)
    assert spot(data, header) == pytest.approx((300, -200), abs=SCALE)
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    assert (abs(row - 9.5) <= 1.5, abs(column - 14.5) <= 1.5) == (True, True)
    assert header["DRMS_ID"] == "hmi.M_720s_mod:7:magnetogram"
    assert header["TOTVALS"] == 600
    assert header["DATAMAX"] == pytest.approx(np.nanmax(data))


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (
            {"locunits": "pixels", "x": "163.3", "y": "104.3", "boxunits": "pixels", "width": "11", "height": "7"},
            (7, 11),
        ),
        ({"locunits": "stony", "x": "18.6", "y": "-8.0", "boxunits": "degrees", "width": "10", "height": "5"}, (9, 19)),
        (
            {"locunits": "carrlong", "x": "138.6", "y": "-8.0", "boxunits": "pixels", "width": "9", "height": "9"},
            (9, 9),
        ),
    ],
)
def test_im_patch_units(options, shape):
    data, header = run(spot_file(), ("im_patch", options | {"t": "1"}))
    assert data.shape == shape
    assert spot(data, header) == pytest.approx((300, -200), abs=2 * SCALE)
    assert np.nanmax(data) > 900


def test_im_patch_follows_the_rotation():
    """Two days after the reference time the box has moved west with the spot."""
    view = View(130.0, 126.5, 0.0, 0.0, SCALE, 0.0, RADIUS, 4.0, 120.0)
    longitude, latitude = view.heliographic(-200.0, -200.0)
    moved = view.project(longitude + 2 * rotation(float(latitude)), latitude)
    box = {
        "x": "-200",
        "y": "-200",
        "width": "20",
        "height": "20",
        "boxunits": "pixels",
        "t_ref": "2013-12-31T12:00:00_TAI",
    }
    data, header = run(spot_file(float(moved[0]), float(moved[1])), ("im_patch", box))
    assert spot(data, header) == pytest.approx([float(value) for value in moved], abs=SCALE)
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    assert abs(row - 9.5) <= 2
    assert abs(column - 9.5) <= 2


def test_im_patch_beyond_the_edge_is_missing():
    box = {"x": "1150", "y": "0", "width": "30", "height": "10", "boxunits": "pixels", "t": "1"}
    data, header = run(spot_file(), ("im_patch", box))
    assert data.shape == (10, 30)
    assert np.isnan(data[:, -5:]).all()
    assert header["MISSVALS"] == np.isnan(data).sum() > 0


@pytest.mark.parametrize("crota", [0.0, 180.0])
def test_rebin_averages_blocks(crota):
    source = spot_file(crota=crota, compressed=False)
    with fits.open(BytesIO(source)) as units:
        before = np.array(units[0].data, dtype=float)
    data, header = run(source, ("rebin", {"scale": "0.25", "method": "boxcar"}))
    turned = before[::-1, ::-1] if crota else before
    with np.errstate(all="ignore"):
        expected = np.nanmean(turned.reshape(64, 4, 64, 4)[:, :, 1:, :], axis=(1, 3))
    assert np.allclose(data[:, 1:], expected, equal_nan=True, rtol=1e-5)
    assert header["CDELT1"] == 36.0
    assert header["CROTA2"] == pytest.approx(0.0)
    assert spot(data, header) == pytest.approx((300, -200), abs=40)


def test_rebin_up_and_gaussian():
    data, header = run(spot_file(), ("rebin", {"scale": "2"}))
    assert (data.shape, header["CDELT1"]) == ((512, 512), 4.5)
    assert spot(data, header) == pytest.approx((300, -200), abs=SCALE)
    smooth, header = run(spot_file(), ("rebin", {"scale": "0.5", "method": "gaussian", "FWHM": "6"}))
    boxcar, _ = run(spot_file(), ("rebin", {"scale": "0.5"}))
    assert np.nanmax(smooth) < np.nanmax(boxcar)
    assert spot(smooth, header) == pytest.approx((300, -200), abs=2 * SCALE)


@pytest.mark.parametrize("crota", [0.0, 179.9, 30.0])
def test_resize_puts_the_sun_upright_and_central(crota):
    options = {"rescale": "1", "scale_to": "12", "regrid": "1", "center_to": "0"}
    data, header = run(spot_file(crota=crota), ("resize", options))
    assert data.shape == (192, 192)
    assert (header["CDELT1"], header["CROTA2"], header["CRPIX1"]) == (12.0, 0.0, 96.5)
    assert spot(data, header) == pytest.approx((300, -200), abs=12)


def test_aia_scale_has_a_round_scale():
    data, header = run(spot_file(crota=0.5), ("aia_scale_aialev1", {"mpt": "aia.master_pointing3h"}))
    assert data.shape == (SIZE, SIZE)
    assert header["CDELT1"] == pytest.approx(9.6)
    assert spot(data, header) == pytest.approx((300, -200), abs=9.6)


@pytest.mark.parametrize("projection", sorted(PROJECTIONS))
def test_maps_have_the_spot_at_its_longitude_and_latitude(projection):
    view = View(130.0, 126.5, 0.0, 0.0, SCALE, 0.0, RADIUS, 4.0, 120.0)
    longitude, latitude = (float(value) for value in view.heliographic(300.0, -200.0))
    options = {
        "map": projection,
        "clon": str(120 + longitude),
        "clat": str(latitude),
        "scale": "0.5",
        "cols": "61",
        "rows": "41",
    }
    data, header = run(spot_file(crota=180.0), ("Maproj", options))
    assert data.shape == (41, 61)
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    assert (abs(row - 20) <= 1, abs(column - 30) <= 1) == (True, True)
    assert header["CTYPE1"] == f"CRLN-{PROJECTIONS[projection]}"
    assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx((120 + longitude, latitude))


def test_a_map_can_be_wider_than_the_disk():
    options = {"map": "carree", "clon": "0", "clat": "0", "s": "1", "scale": "2", "cols": "180", "rows": "90"}
    data, _ = run(spot_file(), ("map_proj", options))
    assert np.isnan(data[10:80, :30]).all()
    assert np.isfinite(data[45, 60:120]).all()


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("im_patch", {"x": "1", "y": "2", "width": "3"}),
        ("im_patch", {"x": "one", "y": "2", "width": "3", "height": "3"}),
        ("im_patch", {"x": "1", "y": "2", "width": "1e9", "height": "1e9"}),
        ("im_patch", {"x": "1", "y": "2", "width": "3", "height": "3", "locunits": "miles"}),
        ("im_patch", {"x": "1", "y": "2", "width": "3", "height": "3", "boxunits": "miles"}),
        ("im_patch", {"x": "200", "y": "2", "width": "3", "height": "3", "locunits": "stony"}),
        ("rebin", {"scale": "0"}),
        ("rebin", {"scale": "nan"}),
        ("rebin", {"scale": "100000"}),
        ("rebin", {"scale": "0.0001"}),
        ("resize", {"rescale": "1", "scale_to": "0.001"}),
        ("Maproj", {"clon": "0", "clat": "0", "scale": "1", "cols": "9", "rows": "9", "map": "flat"}),
        ("Maproj", {"clon": "0", "clat": "0", "scale": "1", "cols": "-9", "rows": "9"}),
        ("Maproj", {"clon": "0", "clat": "95", "scale": "1", "cols": "9", "rows": "9"}),
    ],
)
def test_impossible_arguments(step, options):
    with pytest.raises(ProcessError):
        run(spot_file(), (step, options))


def test_steps_follow_each_other():
    box = {"x": "300", "y": "-200", "width": "40", "height": "40", "boxunits": "pixels", "t": "1"}
    data, header = run(spot_file(), ("im_patch", box), ("rebin", {"scale": "0.5"}))
    assert data.shape == (20, 20)
    assert spot(data, header) == pytest.approx((300, -200), abs=2 * SCALE)


def test_sampling_reproduces_pixels_and_lines():
    y, x = np.mgrid[0:20, 0:30].astype(float)
    image = 3 * x - 2 * y
    for method in ("linear", "cubic"):
        inner = sample(image, x[5:10, 5:10] + 1.25, y[5:10, 5:10] + 1.5, method)
        assert np.allclose(inner, 3 * (x[5:10, 5:10] + 0.25) - 2 * (y[5:10, 5:10] + 0.5))
    assert np.array_equal(sample(image, x + 1, y + 1, "nearest"), image)
    assert np.isnan(sample(image, np.array([0.0, 31.5]), np.array([1.0, 1.0]))).all()


def test_positions_there_and_back():
    view = View(130.0, 126.5, 3.0, -2.0, SCALE, 33.0, RADIUS, -6.0, 120.0)
    longitude = np.array([-70.0, 0.0, 30.0, 60.0])
    latitude = np.array([-50.0, 0.0, 20.0, 60.0])
    back = view.heliographic(*view.project(longitude, latitude))
    assert np.allclose(back, [longitude, latitude], atol=1e-8)
    assert np.allclose(view.sky(*view.pixel(100.0, -300.0)), [100.0, -300.0])
    assert np.isnan(view.project(150.0, 0.0)).all()
    assert np.isnan(view.heliographic(RADIUS * 1.01, 0.0)).all()
