"""Reading: the image wherever it lies, and a header that describes it; `cards` alone makes the files to read."""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from fits_material import BLANK, PIXELS, REAL, compressed, plain, real_cards

from jsoclite.errors import JsocError
from jsoclite.fits import cards as fitscard
from jsoclite.fits import read, write_fits
from jsoclite.sandbox import Sandbox
from jsoclite.server import Transport, resolve_server


def number(name, value):
    return fitscard.card(name, str(value))


@pytest.mark.parametrize(
    ("raw", "extra", "kind", "expected"),
    [
        (np.array([0, 1, 200], "u1"), {}, "uint8", [0, 1, 200]),
        # a BLANK that no pixel can have declares nothing
        (np.array([0, 1, 200], "u1"), {"BLANK": -128}, "uint8", [0, 1, 200]),
        (np.array([0, 1, 200], "u1"), {"BZERO": -128}, "int8", [-128, -127, 72]),
        (np.array([0, 1, 200], "u1"), {"BLANK": 0, "BZERO": "0.", "BSCALE": "1."}, "float32", [np.nan, 1, 200]),
        (np.array([-32768, 1, 2], "i2"), {"BLANK": -32768}, "float32", [np.nan, 1, 2]),
        (np.array([-32768, 1, 2], "i2"), {}, "int16", [-32768, 1, 2]),
        (np.array([-32768, 1, 2], "i2"), {"BSCALE": "'x'"}, "int16", [-32768, 1, 2]),
        (np.array([-32768, 1, 2], "i2"), {"BZERO": 32768}, "uint16", [0, 32769, 32770]),
        (np.array([-(2**31), 0], "i4"), {"BZERO": 2**31}, "uint32", [0, 2**31]),
        (np.array([BLANK, 1, 2], "i4"), {"BLANK": BLANK, "BSCALE": 0.5, "BZERO": 3}, "float64", [np.nan, 3.5, 4]),
        (np.array([1, 2], "i4"), {"BSCALE": "5.0D-01"}, "float64", [0.5, 1]),
        (np.array([np.nan, 1], "f4"), {"BLANK": BLANK}, "float32", [np.nan, 1]),
        (np.array([np.nan, 1], "f8"), {}, "float64", [np.nan, 1]),
    ],
)
def test_pixels(tmp_path, raw, extra, kind, expected):
    path = plain(tmp_path / "image.fits", raw, *(number(*pair) for pair in extra.items()))
    data, header = read(path)
    assert data.dtype == np.dtype(kind)
    assert data.dtype.isnative
    np.testing.assert_array_equal(data, np.array(expected, kind))
    # the header tells of the pixels as they are now
    assert not {"BLANK", "BSCALE", "BZERO"} & set(header)
    assert header["BITPIX"] == data.dtype.itemsize * (-8 if data.dtype.kind == "f" else 8)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_compressed_integers(tmp_path, kind):
    data, header = read(compressed(tmp_path / "image.fits", kind=kind, BSCALE=0.1, BZERO=0.0, BLANK=BLANK))
    assert data.dtype == np.float64
    assert np.isnan(data[0, :3]).all()
    assert np.isnan(data).sum() == 3
    np.testing.assert_allclose(data[1:], PIXELS[1:] * 0.1)
    assert (header["NAXIS1"], header["NAXIS2"], header["XTENSION"]) == (40, 30, "IMAGE")
    assert not [name for name in header if name.startswith(("Z", "TFORM", "TTYPE", "TFIELDS"))]
    assert "CHECKSUM" not in header


def test_compressed_reals(tmp_path):
    pixels = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    pixels[3, 4] = np.nan
    path = tmp_path / "real.fits"
    hdu = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    data, header = read(path)
    np.testing.assert_array_equal(data, pixels)
    assert header["BITPIX"] == -32


def test_full_header_round_trip(as_is, header, tmp_path):
    target = tmp_path / "out.fits"
    write_fits(as_is, target, header)
    data, found = read(target)
    assert data.shape == (30, 40)
    assert found["T_REC"] == "2014.01.01_00:00:00.000_TAI"
    assert found["DATASKEW"] is None
    assert found["DATAMEAN"] == 0.300000012
    again = fits.PrimaryHDU(data, found)
    again.verify("exception")


def test_padding_after_the_last_unit_is_no_matter(as_is):
    expected, _ = read(as_is)
    with as_is.open("ab") as file:
        file.write(bytes(2880))
    # warnings are errors here
    data, _ = read(as_is)
    np.testing.assert_array_equal(data, expected)


def test_result_is_independent_of_the_file(as_is):
    data, _ = read(as_is)
    as_is.unlink()
    assert data.flags.writeable
    assert data.flags.owndata or data.base is not None
    assert data[1, 1] == pytest.approx(PIXELS[1, 1] * 0.1)


def test_sources(as_is):
    expected, _ = read(as_is)
    frame = pd.DataFrame({"segment": ["magnetogram"], "path": [str(as_is)]}, index=["hmi.M_720s[…]"])
    (entry,) = [entry for entry in os.scandir(as_is.parent) if entry.name == as_is.name]
    rows = [as_is, str(as_is), frame.iloc[0], {"path": as_is}, SimpleNamespace(path=str(as_is)), entry]
    for row in [*rows, next(frame.itertuples())]:
        data, _ = read(row)
        np.testing.assert_array_equal(data, expected)
    asked = []

    def fetch(url):
        asked.append(url)
        return as_is.read_bytes()

    data, _ = read("http://example.org/SUM1/D1/S00000/magnetogram.fits", fetch=fetch)
    np.testing.assert_array_equal(data, expected)
    assert asked == ["http://example.org/SUM1/D1/S00000/magnetogram.fits"]


def test_refusals_of_reading(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the download again"):
        read(tmp_path / "none.fits")
    with pytest.raises(JsocError, match="not FITS"):
        read("https://example.org/a.fits", fetch=lambda url: b"<html>")
    with pytest.raises(JsocError, match="path is missing"):
        read(pd.Series({"path": pd.NA, "status": "failed"}))
    with pytest.raises(TypeError, match="not int"):
        read(3)
    with pytest.raises(TypeError, match=r"2 rows: write files\.iloc\[0\]"):
        read(pd.DataFrame({"path": ["a.fits", "b.fits"]}))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])])]).writeto(
        tmp_path / "table.fits"
    )
    with pytest.raises(JsocError, match="no image"):
        read(tmp_path / "table.fits")


# ---- coordinates ---------------------------------------------------------------------------------------------------


def real_file(path, name, shape=(6, 8)):
    """A file with the header of a real one and small pixels."""
    kept = [card for card in real_cards(name) if not fitscard.is_structural(fitscard.name_of(card))]
    return plain(path, np.zeros(shape, dtype=np.float32), *kept)


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".header") for path in REAL.glob("*.header")))
def test_wcs_of_real_headers_needs_no_mending(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # the one remark that stays: MJD-OBS follows from DATE-OBS
        warnings.filterwarnings("ignore", message=r"'datfix' made the change 'Set MJD-OBS", category=FITSFixedWarning)
        _, header = read(real_file(tmp_path / "real.fits", name))
        wcs = WCS(header)
        assert np.isfinite(wcs.pixel_to_world_values(*wcs.wcs.crpix)).all()
        assert [str(unit) for unit in wcs.wcs.cunit] == ["deg", "deg"]
        # every card can be read
        assert len([header[name] for name in header]) > 60


def test_bare_nan_of_old_exports_is_missing(tmp_path):
    _, header = read(real_file(tmp_path / "real.fits", "hmi.sharp_cea_720s.377.20110215_020000_TAI.Br.hdu1"))
    assert header["R_VALUE"] is None
    assert header["USFLUX"] == 2.714760e22
    assert header["DATE-OBS"] == "2011-02-15T01:58:12.30"


def test_synoptic_maps_have_latitude_and_longitude(tmp_path):
    _, header = read(real_file(tmp_path / "real.fits", "hmi_synoptic"))
    wcs = WCS(header)
    # 720 columns of 0.5 degrees, 360 rows of equal sine of latitude; the first column is the last to pass the meridian
    # of rotation 2210, at longitude 360 × 2210 − LON_LAST
    longitude, latitude = wcs.pixel_to_world_values(0, 0)
    assert longitude == pytest.approx(0.3, abs=1e-6)
    assert np.sin(np.radians(latitude)) == pytest.approx(-179.5 * 0.005556, abs=1e-9)
    longitude, latitude = wcs.pixel_to_world_values(719, 179.5)
    assert longitude == pytest.approx(359.8, abs=1e-6)
    assert latitude == pytest.approx(0, abs=1e-9)


# ---- from a server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["truncated", "short", "cut-chunks", "html", "503"])
def test_a_file_that_arrives_broken_is_fetched_again(fault, hand_clock, monkeypatch):
    with Sandbox(faults=[f"{fault}@file:1"]) as sandbox, sandbox.client() as client:
        connection = Transport(resolve_server(sandbox.url), clock=hand_clock.clock)
        monkeypatch.setattr("jsoclite.fits.image._connection", lambda: connection)
        url = client.query("hmi.M_720s[2014.01.01_TAI]{magnetogram}").magnetogram.iloc[0]
        data, _ = read(url)
        connection.close()
    assert data.shape == (256, 256)
    assert len(hand_clock.slept) == 1
