"""Processing steps: what they do to pixels and to the coordinates in the header."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from jsoclite.sandbox.processing.image import PROJECTIONS, View, sample, sphere
from jsoclite.sandbox.processing.steps import ProcessError, plan, process_file
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
    header["DSUN_OBS"], header["RSUN_REF"], header["CAR_ROT"] = 6.96e8 / np.sin(np.radians(RADIUS / 3600)), 6.96e8, 2145
    header["HISTORY"], header["COMMENT"] = "drawn", "a disk and a spot"
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


def run(content, *steps, seconds=NOON, first=None):
    with fits.open(BytesIO(content)) as units:
        record = dict(units[-1].header) | {"time": seconds, "T_OBS": seconds, "record": "hmi.M_720s[2014]"}
    steps, found = plan(steps, content, [first or record], lambda begin, end: [record])
    made = process_file(content, steps, seconds, {"DRMS_ID": "hmi.M_720s_mod:7:magnetogram"}, found and found[0])
    with fits.open(BytesIO(made), checksum=True) as units:
        units.verify("exception")
        unit = units[-1]
        return np.array(unit.data, dtype=float), unit.header.copy()


def spot(data, header):
    """Where the spot is now, in arcseconds."""
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    west, north = View.of(header).sky(column + 1.0, row + 1.0)
    return float(west), float(north)


@pytest.mark.parametrize("crota", [0.0, 180.0])
@pytest.mark.parametrize("upside", ["0", "1"])
def test_rebin_averages_blocks(crota, upside):
    """The Sun is first turned and moved into the middle, here by one or two pixels, unless `u` is 1."""
    source = spot_file(crota=crota, compressed=False)
    with fits.open(BytesIO(source)) as units:
        before = np.array(units[0].data, dtype=float)
    data, header = run(source, ("rebin", {"scale": "0.25", "method": "boxcar", "u": upside}))
    turned, shift = before, (0, 0)
    if upside == "0":
        turned = before[::-1, ::-1] if crota else before
        # 130 and 126.5 for a middle of 128.5; halves away from zero
        shift = (2, -2) if not crota else (-2, 2)
    moved = np.full((256, 256), np.nan)
    y, x = (slice(max(0, -away), 256 - max(0, away)) for away in (shift[1], shift[0]))
    moved[y, x] = turned[y.start + shift[1] : y.stop + shift[1], x.start + shift[0] : x.stop + shift[0]]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmean(moved.reshape(64, 4, 64, 4), axis=(1, 3))
    assert np.allclose(data, expected, equal_nan=True, rtol=1e-5)
    assert header["CDELT1"] == 36.0
    assert header["CROTA2"] == pytest.approx(crota if upside == "1" else 0.0)
    assert spot(data, header) == pytest.approx((300, -200), abs=40)


def test_rebin_moves_no_image_of_aia_and_none_by_more_than_20_arcsec():
    for name, pixel in (("aia.lev1_euv_12s:1:image", 130.0), ("hmi.M_720s:1:magnetogram", 132.0)):
        with fits.open(BytesIO(spot_file(compressed=False))) as units:
            units[0].header["DRMS_ID"], units[0].header["CRPIX1"] = name, pixel
            out = BytesIO()
            units.writeto(out)
        _, header = run(out.getvalue(), ("rebin", {"scale": "0.5"}))
        assert header["CRPIX1"] == (pixel - 0.5) * 0.5 + 0.5


def test_rebin_up_and_gaussian():
    data, header = run(spot_file(), ("rebin", {"scale": "2"}))
    assert (data.shape, header["CDELT1"]) == ((512, 512), 4.5)
    assert spot(data, header) == pytest.approx((300, -200), abs=SCALE)
    smooth, header = run(spot_file(), ("rebin", {"scale": "0.5", "method": "gaussian", "FWHM": "6", "nvector": "12"}))
    boxcar, _ = run(spot_file(), ("rebin", {"scale": "0.5"}))
    assert np.nanmax(smooth) < np.nanmax(boxcar)
    assert spot(smooth, header) == pytest.approx((300, -200), abs=2 * SCALE)


def test_a_gaussian_has_the_weights_of_its_width():
    """Of a single bright pixel each mean takes its weight over the sum of all; nvector becomes even as 1/scale is."""
    data = np.zeros((16, 16), dtype="f4")
    data[8, 8] = 1.0
    out = BytesIO()
    fits.PrimaryHDU(data).writeto(out)
    made, _ = run(
        out.getvalue(), ("rebin", {"scale": "0.5", "method": "gaussian", "FWHM": "3", "nvector": "5", "u": "1"})
    )
    weight = np.exp(-((np.arange(6) - 2.5) ** 2) / (9 * 0.52034))
    # the windows of rows 3, 4 and 5 begin at 4, 6 and 8
    column = np.array([weight[4], weight[2], weight[0]]) / weight.sum()
    assert np.allclose(made[3:6, 4], column * column[1], rtol=1e-5)


@pytest.mark.parametrize("crota", [0.0, 179.9, 30.0])
def test_resize_puts_the_sun_upright_and_central(crota):
    options = {"rescale": "1", "scale_to": "12", "regrid": "1", "center_to": "0"}
    data, header = run(spot_file(crota=crota), ("resize", options))
    # as many pixels as before; those that the image does not reach are 0
    assert data.shape == (256, 256)
    assert (header["CDELT1"], header["CROTA2"], header["CRPIX1"]) == (12.0, 0.0, 128.5)
    assert spot(data, header) == pytest.approx((300, -200), abs=12)
    assert crota == 30 or set(data[:20].ravel()) == {0.0}
    assert "resize: scale_to=12" in str(header["COMMENT"])


def with_keywords(content, **keywords):
    with fits.open(BytesIO(content)) as units:
        units[-1].header.update(keywords)
        units[-1].data[0, :5] = 0.0
        out = BytesIO()
        units.writeto(out)
    return out.getvalue()


def test_resize_moves_aia_by_parts_of_a_pixel_and_blackens_its_border():
    aia = with_keywords(spot_file(compressed=False), DRMS_ID="aia.lev1:1:image", CRPIX1=130.3, R_SUN=106.7)
    with fits.open(BytesIO(aia)) as units:
        before = np.array(units[0].data, dtype=float)
    before[[0, -1]] = before[:, [0, -1]] = 0.0
    data, header = run(aia, ("resize", {"regrid": "0"}))
    # CRPIX1 130.3 to 128.5 by the nearest pixel, CRPIX2 126.5 by two pixels
    assert np.array_equal(data[2:250, 0:250], before[0:248, 2:252])
    assert (header["CRPIX1"], header["CRPIX2"], header["R_SUN"]) == (128.5, 128.5, 106.7)


def test_resize_of_what_is_not_to_be_moved_says_the_middle_all_the_same():
    source = with_keywords(spot_file(compressed=False), DRMS_ID="aia.lev1:1:image")
    with fits.open(BytesIO(source)) as units:
        before = np.array(units[0].data, dtype=float)
    data, header = run(source, ("resize", {"center_to": "2", "rescale": "1", "scale_to": "12"}))
    assert data[1:-1, 1:-1] == pytest.approx(before[1:-1, 1:-1])
    assert (header["CRPIX1"], header["CRPIX2"], header["CDELT1"]) == (128.5, 128.5, 12.0)


@pytest.mark.parametrize(("series", "moved"), [("aia.lev1:1:image", 0), ("hmi.M_720s:1:magnetogram", 2)])
def test_resize_follows_the_first_image(series, moved):
    """What is at the Sun's place in the first image comes to the middle of every one."""
    source = with_keywords(spot_file(compressed=False), DRMS_ID=series)
    with fits.open(BytesIO(source)) as units:
        before = np.array(units[0].data, dtype=float)
        first = dict(units[0].header) | {"CRPIX1": 140.5, "CRPIX2": 124.5, "DRMS_ID": series}
    options = {"center_to": "1", "regrid": "0", "rescale": "1", "scale_to": "12"}
    data, header = run(source, ("resize", options), first=first)
    # of HMI, an image nearer to the middle than 20 arcsec is moved there before, by whole pixels; the first one is not
    assert np.array_equal(data[10:240, 10:240], before[6 - moved : 236 - moved, 22 + moved : 252 + moved])
    assert (header["CRPIX1"], header["CRPIX2"], header["CDELT1"]) == (128.5, 128.5, 12.0)


def test_resize_repeats_the_border_where_it_shall():
    source = with_keywords(spot_file(compressed=False), CRPIX1=128.5, CRPIX2=128.5)
    with fits.open(BytesIO(source)) as units:
        units[0].data += 3.0
        out = BytesIO()
        units.writeto(out)
    for stretch, corner in (("1", 3.0), ("0", 0.0)):
        data, _ = run(out.getvalue(), ("resize", {"rescale": "1", "scale_to": "12", "do_stretchmarks": stretch}))
        assert data[0, 0] == corner


def test_aia_scale_has_a_round_scale():
    data, header = run(spot_file(crota=0.5), ("aia_scale_aialev1", {"mpt": "aia.master_pointing3h"}))
    assert data.shape == (SIZE, SIZE)
    assert header["CDELT1"] == pytest.approx(9.6)
    assert spot(data, header) == pytest.approx((300, -200), abs=9.6)


def map_of_spot(projection, **more):
    """A map whose centre is 8 degrees east and 10 north of the spot; the spot's coordinates."""
    view = View(130.0, 126.5, 0.0, 0.0, SCALE, 0.0, RADIUS, 4.0, 120.0)
    place = tuple(float(value) for value in view.heliographic(300.0, -200.0))
    options = {"map": projection, "clon": str(112 + place[0]), "clat": str(place[1] + 10)}
    data, header = run(
        spot_file(crota=180.0), ("Maproj", options | {"scale": "0.5", "cols": "61", "rows": "81"} | more)
    )
    return data, header, (120 + place[0], place[1])


@pytest.mark.parametrize("angle", ["0", "30"])
@pytest.mark.parametrize("projection", sorted(PROJECTIONS))
def test_maps_have_the_spot_at_its_longitude_and_latitude(projection, angle):
    data, header, place = map_of_spot(projection, map_pa=angle)
    code, _ = PROJECTIONS[projection]
    row, column = np.unravel_index(np.nanargmax(data), data.shape)
    u, v = (np.radians(0.5 * away) for away in (column - 30, row - 40))
    sine, cosine = np.sin(np.radians(float(angle))), np.cos(np.radians(float(angle)))
    found = np.degrees(sphere(code, u * cosine - v * sine, v * cosine + u * sine, np.radians(header["CRVAL2"])))
    assert (found[0] + header["CRVAL1"], found[1]) == pytest.approx(place, abs=0.6)
    assert (header["CTYPE1"], header["CROTA2"]) == (f"CRLN-{code}", float(angle))


@pytest.mark.parametrize("latitude", [0.0, 20.0, -35.0])
@pytest.mark.parametrize("projection", sorted(PROJECTIONS))
def test_coordinates_of_maps_as_fits_readers_take_them(projection, latitude):
    """What the documentation of MapProject says of three of them."""
    from astropy.wcs import WCS

    code, _ = PROJECTIONS[projection]
    header = {"CTYPE1": f"CRLN-{code}", "CTYPE2": f"CRLT-{code}", "CRVAL1": 100.0, "CRVAL2": latitude}
    if code == "CAS":
        with pytest.raises(Exception, match="Unrecognized projection code"):
            WCS(header, fix=False)
        return
    system = WCS(header, fix=False)
    x, y = np.meshgrid(np.linspace(-30, 30, 13), np.linspace(-30, 30, 13))
    theirs = system.wcs_pix2world(x, y, 0)
    ours = np.degrees(sphere(code, np.radians(x + 1), np.radians(y + 1), np.radians(latitude)))
    away = np.nanmax(np.abs(np.stack([(ours[0] + 100 - theirs[0] + 180) % 360 - 180, ours[1] - theirs[1]])))
    assert away > 1 if code in ("CAR", "GLS") and latitude else away < 1e-6


def test_maps_by_default_and_what_the_program_does_not_ask():
    data, header, _ = map_of_spot("orthographic")
    plain = {name: str(header[key]) for name, key in (("clon", "CRVAL1"), ("clat", "CRVAL2"), ("scale", "CDELT1"))}
    for options in ({"cols": "61", "rows": "81"}, {"cols": "61", "rows": "81", "s": "1", "c": "1"}):
        assert np.array_equal(run(spot_file(crota=180.0), ("Maproj", plain | options))[0], data, equal_nan=True)
    assert run(spot_file(), ("Maproj", plain | {"rows": "30"}))[0].shape == (30, 30)
    assert "MapProj=orthographic" in str(header["HISTORY"])
    assert (header["CUNIT1"], header["WCSNAME"]) == ("deg", "Carrington Heliographic")


def test_maps_end_at_a_right_angle_from_their_centre_and_behind_the_sun():
    options = {"map": "carree", "clon": "120", "clat": "0", "scale": "2", "cols": "180", "rows": "90"}
    data, _ = run(spot_file(), ("map_proj", options))
    assert np.isnan(data[10:80, :30]).all()
    assert np.isfinite(data[45, 60:120]).all()
    # the centre 60 degrees east of the meridian: 80 degrees on is behind the Sun, 100 degrees west is too far from it
    east, _ = run(spot_file(), ("map_proj", options | {"clon": "60"}))
    assert np.isfinite(east[45, [90 - 10, 90 + 40]]).all()
    assert np.isnan(east[45, [90 - 40, 90 + 50]]).all()


def test_maps_with_a_grid():
    data, _, _ = map_of_spot("postel", grid="10", rows="400", cols="400")
    assert np.isneginf(data).sum() > 100
    assert np.isposinf(data).any()
    assert not np.isinf(map_of_spot("postel")[0]).any()


def test_longitudes_of_maps_are_corrected_and_said_to_be():
    moved = with_keywords(spot_file(compressed=False), CALVER64=4370)
    options = {"clon": "120", "clat": "0", "scale": "0.02", "cols": "61", "rows": "61", "map": "carree"}
    before, _ = run(with_keywords(spot_file(0.0, -60.0, compressed=False)), ("Maproj", options))
    _, header = run(moved, ("Maproj", options))
    assert header["CALVER64"] == 4370 | 1 << 28
    after, _ = run(with_keywords(spot_file(0.0, -60.0, compressed=False), CALVER64=4370), ("Maproj", options))
    # 0.0819 degrees are four pixels
    assert after[:, :-4] == pytest.approx(before[:, 4:], abs=5.0)


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("rebin", {"scale": "0"}),
        ("rebin", {"scale": "0.5", "method": "gaussian"}),
        ("rebin", {"scale": "0.5", "method": "spline"}),
        ("rebin", {"scale": "0.5", "nvector": "10000"}),
        ("rebin", {"scale": "nan"}),
        ("rebin", {"scale": "100000"}),
        ("rebin", {"scale": "0.0001"}),
        ("resize", {"rescale": "1", "scale_to": "-1"}),
        ("Maproj", {"clon": "0", "clat": "0", "scale": "1", "cols": "9", "rows": "9", "map": "flat"}),
        ("Maproj", {"clon": "0", "clat": "0", "scale": "1", "cols": "-9", "rows": "0"}),
        ("Maproj", {"clon": "0", "clat": "95", "scale": "1", "cols": "9", "rows": "9"}),
    ],
)
def test_impossible_arguments(step, options):
    with pytest.raises(ProcessError):
        run(spot_file(), (step, options))


def test_steps_follow_each_other():
    box = {"x": "300", "y": "-200", "width": "40", "height": "40", "boxunits": "pixels", "locunits": "arcsec"}
    box |= {"t_ref": "2014.01.02_12:00:00_TAI"}
    data, header = run(spot_file(), ("im_patch", box), ("rebin", {"scale": "0.5"}))
    assert data.shape == (20, 20)
    assert spot(data, header) == pytest.approx((300, -200), abs=2 * SCALE)
    scaled, header = run(spot_file(), ("aia_scale", {"xc": "30", "yc": "-20", "wide": "600", "high": "400"}))
    assert (scaled.shape, header["CDELT1"]) == ((25, 38), 9.6)
    cut, header = run(spot_file(), ("aia_scale", {}), ("im_patch", box))
    assert cut.shape == (40, 40)
    assert spot(cut, header) == pytest.approx((300, -200), abs=2 * SCALE)


def test_sampling_reproduces_pixels_and_lines():
    y, x = np.mgrid[0:20, 0:30].astype(float)
    image = 3 * x - 2 * y
    for method in ("linear", "cubic"):
        inner = sample(image, x[5:10, 5:10] + 1.25, y[5:10, 5:10] + 1.5, method)
        assert np.allclose(inner, 3 * (x[5:10, 5:10] + 0.25) - 2 * (y[5:10, 5:10] + 0.5))
    assert np.array_equal(sample(image, x + 1, y + 1, "nearest"), image)
    assert np.isnan(sample(image, np.array([0.0, 31.5]), np.array([1.0, 1.0]))).all()


def test_positions_of_pixels():
    view = View(130.0, 126.5, 3.0, -2.0, SCALE, 33.0, RADIUS, -6.0, 120.0)
    turn = np.radians(33.0)
    assert np.allclose(view.sky(131.0, 126.5), [3 + SCALE * np.cos(turn), -2 + SCALE * np.sin(turn)])
    assert np.allclose(view.heliographic(0.0, 0.0), [0.0, -6.0])
    assert np.isnan(view.heliographic(RADIUS * 1.01, 0.0)).all()
