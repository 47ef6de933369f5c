"""Files: a new header around the same bytes, shape checks, and reading."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from fits_material import REAL, printed, real_cards, series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsoclite.errors import JsocError
from jsoclite.fits import cards as fitscard
from jsoclite.fits.files import BrokenFits, looks_like_fits, units, write_fits
from jsoclite.fits.header import header_cards as cards
from jsoclite.fits.read import read

BLANK = -(2**31)
PIXELS = np.arange(-600, 600, dtype=np.int32).reshape(30, 40)
PIXELS[0, :3] = BLANK


def compressed(path, pixels=PIXELS, kind="RICE_1", **header):
    """A file as JSOC stores it: an empty primary, and the image compressed in an extension."""
    hdu = fits.CompImageHDU(pixels, compression_type=kind)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True, overwrite=True)
    # astropy would apply BSCALE and its kin to the pixels, each version in its own way
    raw = path.read_bytes()
    unit = next(unit for unit in units(BytesIO(raw)) if unit.is_image)
    extra = [fitscard.card(name, str(value)) for name, value in header.items()]
    path.write_bytes(raw[: unit.start] + fitscard.header_block([*unit.cards, *extra]) + raw[unit.data_start :])
    return path


@pytest.fixture
def as_is(tmp_path):
    """A stored magnetogram."""
    return compressed(tmp_path / "magnetogram.fits", BSCALE=0.1, BZERO=0.0, BLANK=BLANK)


@pytest.fixture(scope="module")
def header():
    """The full header of a recorded magnetogram."""
    return cards(printed("hmi.M_720s", 12), series("hmi.M_720s"), "magnetogram")


def plain(path, pixels, *extra, before=()):
    """An image in the primary HDU, written without astropy's help."""
    pixels = np.asarray(pixels)
    bits = pixels.dtype.itemsize * (-8 if pixels.dtype.kind == "f" else 8)
    head = [fitscard.card("SIMPLE", "T"), fitscard.card("BITPIX", str(bits))]
    head += [fitscard.card("NAXIS", str(pixels.ndim))]
    head += [fitscard.card(f"NAXIS{axis}", str(size)) for axis, size in enumerate(reversed(pixels.shape), start=1)]
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(fitscard.header_block([*head, *extra]) + data + bytes(-len(data) % 2880))
    return path


def data_units(path):
    """The bytes of every data unit."""
    raw = path.read_bytes()
    return [raw[unit.data_start : unit.end] for unit in units(BytesIO(raw))]


def image_cards(path):
    """Cards of the first image."""
    with path.open("rb") as file:
        return list(next(unit for unit in units(file) if unit.is_image).cards)


# ---- writing -------------------------------------------------------------------------------------------------------


def test_image_bytes_stay_and_checksums_hold(as_is, header, tmp_path):
    target = tmp_path / "out.fits"
    write_fits(as_is, target, header)
    assert data_units(target) == data_units(as_is)
    assert looks_like_fits(target) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # astropy warns of a wrong CHECKSUM or DATASUM
        with fits.open(target, checksum=True, disable_image_compression=True) as hdus:
            assert [type(hdu).__name__ for hdu in hdus] == ["PrimaryHDU", "BinTableHDU"]
            assert hdus[1].header["ZCMPTYPE"] == "RICE_1"
            hdus.verify("exception")
        with fits.open(target) as hdus:
            np.testing.assert_array_equal(hdus[1].data[5], PIXELS[5] * 0.1)
            assert np.isnan(hdus[1].data[0, :3]).all()


def test_structure_stays_and_keywords_follow_in_order(as_is, header, tmp_path):
    target = tmp_path / "out.fits"
    write_fits(as_is, target, header)
    before, after = image_cards(as_is), image_cards(target)
    before = [card for card in before if not card.startswith("ZHECKSUM")]
    kept = [card for card in before if not card.startswith(("CHECKSUM", "DATASUM"))]
    assert [card for card in after[: len(before)] if not card.startswith(("CHECKSUM", "DATASUM"))] == kept
    assert after[len(before) :] == header
    assert not [card for card in after if card.startswith("ZHECKSUM")]
    # the same data has the same sum, whoever computed it
    sums = [next(card for card in part if card.startswith("DATASUM")).split("'")[1] for part in (before, after)]
    assert sums[0] == sums[1]


def test_same_input_gives_same_bytes_and_again_changes_nothing(as_is, header, tmp_path):
    first, second, third = (tmp_path / name for name in ("1.fits", "2.fits", "3.fits"))
    write_fits(as_is, first, header)
    write_fits(as_is, second, header)
    write_fits(first, third, header)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(image_cards(third)) == sorted(image_cards(first))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits.open(third, checksum=True).close()


def test_existing_cards_are_replaced_where_they_stand(tmp_path):
    old = [
        fitscard.card("TELESCOP", "'OLD'"),
        *fitscard.long_string("LONGKEY", "x" * 100, "old"),
        fitscard.card("KEPT", "1"),
        "COMMENT old comment".ljust(80),
        "HISTORY old history".ljust(80),
    ]
    new = [
        fitscard.card("NEW", "2"),
        *fitscard.long_string("LONGKEY", "short", "new"),
        fitscard.card("TELESCOP", "'NEW     '"),
        *fitscard.commentary("COMMENT", "new comment"),
        fitscard.card("NAXIS1", "77"),
        fitscard.card("BSCALE", "77."),
        *fitscard.LONGSTRN,
    ]
    source, target = plain(tmp_path / "in.fits", np.arange(6, dtype=np.int16), *old), tmp_path / "out.fits"
    write_fits(source, target, new)
    written = [card.rstrip() for card in image_cards(target)[4:]]
    assert written[:6] == [
        "TELESCOP= 'NEW     '",
        "LONGKEY = 'short   '           / new",
        "KEPT    =                    1",
        "HISTORY old history",
        "NEW     =                    2",
        "COMMENT new comment",
    ]
    assert written[6:11] == [card.rstrip() for card in fitscard.LONGSTRN]
    assert [card[:8] for card in written[11:]] == ["CHECKSUM", "DATASUM "]
    assert data_units(target) == data_units(source)


NAMES = st.sampled_from(
    ["A", "LONGNAME", "DATE-OBS", "T_REC", "COMMENT", "HISTORY", "NAXIS1", "BSCALE", "LONGSTRN", "Z"]
)


def some_cards(draw):
    """Cards of a header, of any length and in any order."""
    found = []
    for name in draw(st.lists(NAMES, max_size=8)):
        text = draw(st.text("abc 'd/&", max_size=150))
        if name == "LONGSTRN":
            found += fitscard.LONGSTRN
        else:
            commentary = name in ("COMMENT", "HISTORY")
            found += fitscard.commentary(name, text) if commentary else fitscard.long_string(name, text)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(data=st.data())
def test_any_header_goes_into_any_file(tmp_path, data):
    old = [card for card in some_cards(data.draw) if not fitscard.is_structural(fitscard.name_of(card))]
    new = some_cards(data.draw)
    source = plain(tmp_path / "in.fits", np.arange(12, dtype=np.int16).reshape(3, 4), *old)
    target, again = tmp_path / "out.fits", tmp_path / "again.fits"
    write_fits(source, target, new)
    assert looks_like_fits(target) is None
    assert data_units(target) == data_units(source)
    written = list(fitscard.groups(image_cards(target)))
    names = [name for name, _ in written if name not in ("COMMENT", "HISTORY")]
    assert names[:5] == ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2"]
    assert "BSCALE" not in names
    wanted = {}
    for name, group in fitscard.groups(new):
        wanted.setdefault(name, group)
    for name, group in written:
        if name in wanted and name not in ("COMMENT", "HISTORY", "NAXIS1"):
            assert group == wanted[name]
    assert set(names) >= {name for name in wanted if name not in ("COMMENT", "HISTORY", "BSCALE")}
    fits.open(target, checksum=True).close()
    write_fits(target, again, new)
    assert sorted(image_cards(again)) == sorted(image_cards(target))


def test_all_other_units_are_copied(tmp_path, header):
    source, target = tmp_path / "in.fits", tmp_path / "out.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2, 3])])
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS), table]).writeto(source)
    with source.open("ab") as file:
        file.write(bytes(2880))
    write_fits(source, target, header)
    assert data_units(target) == data_units(source)
    whole = target.read_bytes()
    assert whole.endswith(bytes(2880))
    with fits.open(BytesIO(whole[:-2880]), checksum=True) as hdus:
        assert hdus[1].header["T_REC"] == "2014.01.01_00:00:00.000_TAI"
        assert list(hdus[2].data["a"]) == [1, 2, 3]


def test_illegal_bytes_of_an_old_header_stay_and_can_be_read(tmp_path, header):
    source, target = tmp_path / "in.fits", tmp_path / "out.fits"
    plain(source, np.arange(4, dtype=np.int16), fitscard.card("OBSERVER", "'J Angstrom'"))
    source.write_bytes(source.read_bytes().replace(b"J Ang", "J Ång".encode("latin-1")))
    write_fits(source, target, header)
    assert "OBSERVER= 'J Ångstrom'" in [card.rstrip() for card in image_cards(target)]
    assert read(target)[1]["OBSERVER"] == "J Angstrom"


def test_takes_an_astropy_header(as_is, header, tmp_path):
    target, other = tmp_path / "out.fits", tmp_path / "other.fits"
    write_fits(as_is, target, fits.Header.fromstring("".join(header)))
    write_fits(as_is, other, header)
    assert target.read_bytes() == other.read_bytes()


def test_refusals_of_writing(as_is, tmp_path, header):
    target = tmp_path / "out.fits"
    page = tmp_path / "page.fits"
    page.write_text("<html>Sorry</html>")
    with pytest.raises(JsocError, match=r"page.fits.*HTML page"):
        write_fits(page, target, header)
    with pytest.raises(JsocError, match="rewritten in place"):
        write_fits(as_is, as_is, header)
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(JsocError, match="no image"):
        write_fits(tmp_path / "empty.fits", target, header)
    with pytest.raises(JsocError, match="80 printable"):
        write_fits(as_is, target, ["KEY = 1"])
    with pytest.raises(JsocError, match="80 printable"):
        write_fits(as_is, target, ["KEY     = 'Å'".ljust(80)])
    assert not target.exists()


# ---- the shape of a file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" " * 2880, "blank"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body>", "an HTML page"),
        (b'{"status":4,"error":"no"}', "JSON"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"SIMPLE  =                    T", "ends inside the header"),
        (b"NoDataFile", "begins with 'NoDataFile'"),
        (b"SIMPLE  = ".ljust(80) * 36 * 2, "ends inside the header"),
        (fitscard.header_block([fitscard.card("SIMPLE", "T")]), "no BITPIX"),
        (fitscard.header_block([fitscard.card("SIMPLE", "T"), fitscard.card("BITPIX", "7")]), "BITPIX .* is 7"),
        (b"SIMPLE  =                    T".ljust(80) + b" " * 2880 * 1000, "no END card"),
        (
            fitscard.header_block(
                [fitscard.card("SIMPLE", "T"), fitscard.card("BITPIX", "8"), fitscard.card("NAXIS", "1")]
            ),
            "has no NAXIS1",
        ),
        (
            fitscard.header_block(
                [fitscard.card(*pair) for pair in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "1"), ("NAXIS1", "-5"))]
            ),
            "is negative",
        ),
        (
            fitscard.header_block(
                [fitscard.card("SIMPLE", "T"), fitscard.card("BITPIX", "8"), fitscard.card("NAXIS", "'x'")]
            ),
            "NAXIS .* no integer",
        ),
    ],
)
def test_what_is_no_fits_file(tmp_path, content, reason):
    path = tmp_path / "file.fits"
    path.write_bytes(content)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(looks_like_fits(path))
    with pytest.raises(JsocError, match="run the download again"):
        read(path)


def test_good_files_pass(as_is, tmp_path):
    assert looks_like_fits(as_is) is None
    assert looks_like_fits(str(plain(tmp_path / "plain.fits", np.zeros((3, 4), dtype=np.float32)))) is None
    with pytest.raises(FileNotFoundError):
        looks_like_fits(tmp_path / "none.fits")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.data())
def test_no_part_of_a_file_passes_for_it(as_is, data):
    whole = as_is.read_bytes()
    # cut between two units a file is whole as far as anybody can tell from it
    length = data.draw(st.integers(0, len(whole) - 1).filter(lambda length: length != 2880))
    part = as_is.with_name("part.fits")
    part.write_bytes(whole[:length])
    assert looks_like_fits(part) is not None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(junk=st.binary(max_size=6000))
def test_any_bytes_get_an_answer(tmp_path, junk):
    path = tmp_path / "junk.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + junk)
    assert looks_like_fits(path)


def test_units_agree_with_astropy(as_is):
    with fits.open(as_is, disable_image_compression=True) as hdus:
        expected = [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"], hdu.fileinfo()["datSpan"]) for hdu in hdus]
    with as_is.open("rb") as file:
        assert [(unit.start, unit.data_start, unit.end - unit.data_start) for unit in units(file)] == expected


def test_random_groups_count_their_parameters():
    head = [
        fitscard.card(name, value)
        for name, value in {
            "SIMPLE": "T", "BITPIX": "-32", "NAXIS": "3", "NAXIS1": "0", "NAXIS2": "5", "NAXIS3": "4",
            "GROUPS": "T", "PCOUNT": "2", "GCOUNT": "3",
        }.items()
    ]  # fmt: skip
    (unit,) = units(BytesIO(fitscard.header_block(head) + bytes(2880)))
    assert unit.data_size == 4 * 3 * (2 + 20)
    assert unit.end == 5760


def test_garbage_after_the_last_unit_is_no_unit():
    whole = fitscard.header_block([fitscard.card(*pair) for pair in (("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"))])
    assert len(list(units(BytesIO(whole + bytes(2880))))) == 1
    with pytest.raises(BrokenFits, match="after byte 2880"):
        list(units(BytesIO(whole + b"garbage".ljust(2880))))


# ---- reading -------------------------------------------------------------------------------------------------------


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
