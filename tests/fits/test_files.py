"""Files: a new header around the same bytes, and shape checks; `files` and `cards` alone, to say what a file holds."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from fits_material import PIXELS, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsoclite.errors import JsocError
from jsoclite.fits import cards as fitscard
from jsoclite.fits import looks_like_fits, read, write_fits
from jsoclite.fits.files import BrokenFits, units


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
            "NAXIS1 .* is -5",
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
