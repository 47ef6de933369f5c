"""Files that nobody is trusted with: refused with a reason, before anything is allocated."""

from __future__ import annotations

import gzip
import os
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from fits_material import PIXELS, REAL, compressed, plain, real_cards

from jsoclite.errors import JsocError
from jsoclite.fits import cards as fitscard
from jsoclite.fits import looks_like_fits, read, write_fits
from jsoclite.fits.files import BrokenFits, fault, units

PRIMARY = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0"}


def head(**values):
    return fitscard.header_block([fitscard.card(name, value) for name, value in values.items()])


def table(**changed):
    """A Rice-compressed image of 30 x 40 pixels, a row of it a tile, with some cards changed."""
    out = BytesIO()
    hdu = fits.CompImageHDU(PIXELS, compression_type="RICE_1", tile_shape=(1, 40))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    raw = out.getvalue()
    (unit,) = [unit for unit in units(BytesIO(raw)) if unit.is_image]
    cards = [card for card in unit.cards if card[:8].strip() not in changed]
    cards += [fitscard.card(name, value) for name, value in changed.items() if value is not None]
    return raw[: unit.start] + fitscard.header_block(cards) + raw[unit.data_start :]


REFUSED = {
    "PCOUNT=-2880": (head(**PRIMARY | {"NAXIS": "1", "NAXIS1": "0", "PCOUNT": "-2880"}), "PCOUNT .* -2880"),
    "GCOUNT=-1": (head(**PRIMARY | {"NAXIS": "1", "NAXIS1": "8", "GCOUNT": "-1"}), "GCOUNT .* -1"),
    "NAXIS=-1": (head(**PRIMARY | {"NAXIS": "-1"}), "NAXIS .* -1"),
    "NAXIS=1000": (head(**PRIMARY | {"NAXIS": "1000"}), "NAXIS .* 1000"),
    "an axis of 60 digits": (head(**PRIMARY | {"NAXIS": "1", "NAXIS1": "9" * 60}), "NAXIS1 .* no integer"),
    "a product of 17,000 digits": (
        head(**PRIMARY | {"NAXIS": "999"} | {f"NAXIS{axis}": "9" * 18 for axis in range(1, 1000)}),
        "more than any disk holds",
    ),
    "a digit that is no ASCII": (head(**PRIMARY | {"NAXIS": "1", "NAXIS1": "\xb2"}), "NAXIS1 .* no integer"),
    "beyond the file": (head(**PRIMARY | {"NAXIS": "1", "NAXIS1": str(10**15)}), "truncated"),
    "5,000 extensions": (
        head(**PRIMARY) + head(XTENSION="'IMAGE   '", BITPIX="8", NAXIS="0", PCOUNT="0", GCOUNT="1") * 5000,
        "more than 1000 blocks",
    ),
    "ZNAXIS and ZTILE of 40,000": (
        table(ZNAXIS1="40000", ZNAXIS2="40000", ZTILE1="40000", ZTILE2="40000"), "30 rows for 1 tile"
    ),
    "one row, and 40,000 x 40,000 pixels": (
        table(ZNAXIS1="40000", ZNAXIS2="40000", ZTILE1="40000", ZTILE2="40000", NAXIS2="1"),
        "6400000000 bytes of pixels, and its 137 bytes cannot",
    ),
    "more tiles than rows": (table(ZNAXIS2="31"), "30 rows for 31 tile"),
    "ZTILE1=0": (table(ZTILE1="0"), "ZTILE1 .* 0"),
    "ZNAXIS=-1": (table(ZNAXIS="-1"), "ZNAXIS .* -1"),
    "ZNAXIS1=-40": (table(ZNAXIS1="-40"), "ZNAXIS1 .* -40"),
    "ZBITPIX=7": (table(ZBITPIX="7"), "ZBITPIX .* 7"),
    "a row of 8 bytes that is 10 GB wide": (table(TFORM1="'9999999999B'"), "columns .* 9999999999 bytes"),
    "no column of tiles": (table(TTYPE1="'x'"), "COMPRESSED_DATA"),
    "THEAP beyond the data": (table(THEAP="99999"), "THEAP"),
    "THEAP=-1": (table(THEAP="-1"), "THEAP"),
    "TFIELDS=1000": (table(TFIELDS="1000"), "TFIELDS .* 1000"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_all_that_open_files(tmp_path, name):
    content, reason = REFUSED[name]
    path = tmp_path / "file.fits"
    path.write_bytes(content.ljust(-(-len(content) // 2880) * 2880, b"\0"))
    with pytest.raises(BrokenFits, match=reason):
        raise BrokenFits(looks_like_fits(path))
    with pytest.raises(JsocError, match=reason):
        read(path)
    with pytest.raises(JsocError, match=reason):
        write_fits(path, tmp_path / "out.fits", [])


def _described(content, row, length, offset):
    """A file whose tile of a row lies elsewhere."""
    (unit,) = [unit for unit in units(BytesIO(content)) if unit.is_image]
    place = unit.data_start + row * unit.integer("NAXIS1")
    return content[:place] + np.array([length, offset], ">i4").tobytes() + content[place + 8 :]


@pytest.mark.parametrize(
    ("length", "offset", "reason"),
    [
        (2**31 - 1, 0, "beyond"),
        (-1, 0, "beyond"),
        (5, 2**31 - 1, "beyond"),
        (5, -8, "beyond"),
        (700, 0, "upon each other"),
    ],
)
def test_tiles_lie_in_their_heap(tmp_path, length, offset, reason):
    path = tmp_path / "file.fits"
    path.write_bytes(_described(table(), 7, length, offset))
    with pytest.raises(JsocError, match=reason):
        read(path)


def test_a_small_tile_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    """A gzip tile of 40 kB may become 40 MB, and the image has 1,200 pixels."""
    monkeypatch.setattr("jsoclite.fits.files._HARMLESS", 1 << 20)
    path = compressed(tmp_path / "file.fits", kind="GZIP_1")
    for bomb in (gzip.compress(bytes(40 << 20)), gzip.compress(bytes(160)) + gzip.compress(bytes(40 << 20))):
        raw = path.read_bytes()
        (unit,) = [unit for unit in units(BytesIO(raw)) if unit.is_image]
        rows = unit.integer("NAXIS2")
        size = fitscard.card("PCOUNT", str(len(bomb)))
        cards = [size if card.startswith("PCOUNT") else card for card in unit.cards]
        lists = np.zeros((rows, 2), ">i4")
        lists[3] = len(bomb), 0
        data = lists.tobytes() + bomb
        bad = tmp_path / "bad.fits"
        bad.write_bytes(raw[: unit.start] + fitscard.header_block(cards) + data + bytes(-len(data) % 2880))
        with pytest.raises(JsocError, match="unpacks to more than its 320 bytes"):
            read(bad)


@pytest.mark.parametrize("kind", ["PLIO_1", "HCOMPRESS_1"])
def test_packings_that_jsoc_has_not_are_whole_files_and_are_not_unpacked(tmp_path, kind):
    """Their decoders believe the lengths that they read; no file of JSOC needs them."""
    path = compressed(tmp_path / "file.fits", abs(PIXELS).astype(np.int16), kind)
    assert looks_like_fits(path) is None
    with pytest.raises(JsocError, match=f"{kind}.*astropy"):
        read(path)


def test_whatever_astropy_raises_is_an_error_of_ours(tmp_path):
    path = tmp_path / "file.fits"
    for changed, what in (
        ({"ZNAME1": "'BYTEPIX'", "ZVAL1": "'x'"}, "TypeError"),
        ({"ZBLANK": "1E400", "BLANK": "'x'"}, "BLANK"),
        ({"TFORM1": "'1PX(7)'"}, "no list of tiles"),
    ):
        path.write_bytes(table(**changed))
        with pytest.raises(JsocError, match=f"cannot be read: .*{what}.*run the download again"):
            read(path)


def test_a_number_that_is_none_leaves_the_pixels_as_they_are(tmp_path):
    for text in ("nan", "inf", "1E9999", "1_0", "'x'"):
        path = plain(tmp_path / "file.fits", np.array([[1, 2]], "i2"), fitscard.card("BSCALE", text))
        assert read(path)[0].tolist() == [[1, 2]]


def test_every_card_can_be_read(tmp_path):
    bad = [fitscard.card("AAA", "= 12 'x"), fitscard.card("CUNIT1", "(1,"), fitscard.card("GOOD", "5")]
    bad += ["low-case= 5".ljust(80), "CONTINUE  'alone'".ljust(80), "=".ljust(80), "HIERARCH x = (".ljust(80)]
    _, header = read(plain(tmp_path / "file.fits", np.zeros((2, 2), "i2"), *bad))
    assert dict(header.items())["GOOD"] == 5


@pytest.mark.parametrize("what", ["directory", "pipe"])
def test_what_is_no_file(tmp_path, what):
    path = tmp_path / "file.fits"
    if what == "directory":
        path.mkdir()
    else:  # opening it would wait for ever
        os.mkfifo(path)
    with pytest.raises(JsocError, match="file.fits.* no file"):
        read(path)


def test_what_is_good_stays_good(tmp_path):
    for tile in ((1, 40), (30, 40), (7, 9), (30, 1)):
        for kind in ("RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS"):
            hdu = fits.CompImageHDU(np.zeros((30, 40), np.int32), compression_type=kind, tile_shape=tile)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "file.fits", overwrite=True)
            assert read(tmp_path / "file.fits")[0].shape == (30, 40)


# -- sums -------------------------------------------------------------------------------------------------------------


class Counting(BytesIO):
    """A file that knows how much was read of it."""

    count = 0

    def read(self, size=-1, /):
        content = super().read(size)
        self.count += len(content)
        return content


def summed(tmp_path, pixels=PIXELS):
    """A file with sums, and a table behind its image."""
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(5))])
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type="RICE_1"), table]
    fits.HDUList(hdus).writeto(tmp_path / "summed.fits", checksum=True, overwrite=True)
    return (tmp_path / "summed.fits").read_bytes()


def test_sums_hold_or_the_file_is_damaged(tmp_path):
    whole = summed(tmp_path)
    parts = list(units(BytesIO(whole)))
    assert fault(BytesIO(whole), sums=True) is None
    for unit in parts:
        for at in range(unit.data_start, unit.end, 97):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            assert fault(BytesIO(damaged)) is None or unit.is_image
            reason = fault(BytesIO(damaged), sums=True)
            assert reason is not None
            assert "DATASUM" in reason or unit.is_image
        for at in range(unit.start + 29, unit.data_start, 80):  # the last digit of numbers
            damaged = bytearray(whole)
            damaged[at] ^= 1
            assert fault(BytesIO(damaged), sums=True) is not None


@pytest.mark.parametrize("name", ["DATASUM", "CHECKSUM"])
@pytest.mark.parametrize("value", [None, "'0       '", "0", "''", "'0000000000000000'", "T"])
def test_a_sum_that_says_nothing_is_no_sum(tmp_path, name, value):
    """Files of JSOC may lack the cards, or have a DATASUM of 0; the other sum is looked at all the same."""
    path = plain(tmp_path / "file.fits", PIXELS, fitscard.card(name, value) if value else "GOOD    = 1".ljust(80))
    assert looks_like_fits(path, sums=True) is None


def test_a_checksum_over_a_datasum_of_nought_is_the_header_s(tmp_path):
    cards = [fitscard.card("DATASUM", "'0       '"), fitscard.card("CHECKSUM", f"'{'0' * 16}'")]
    path = plain(tmp_path / "file.fits", PIXELS, *cards)
    (unit,) = units(BytesIO(path.read_bytes()))
    text = fitscard.encode_checksum(fitscard.checksum(path.read_bytes()[: unit.data_start]))
    path.write_bytes(path.read_bytes().replace(b"'" + b"0" * 16, b"'" + text.encode()))
    assert looks_like_fits(path, sums=True) is None
    path.write_bytes(path.read_bytes().replace(b"BITPIX  =                   32", b"BITPIX  =                  -32"))
    assert "CHECKSUM" in looks_like_fits(path, sums=True)


def test_a_datasum_alone_is_a_number_with_quotes_or_without(tmp_path):
    data = PIXELS.astype(">i4").tobytes()
    total = fitscard.checksum(data + bytes(-len(data) % 2880))
    for value in (f"'{total}'", str(total), f"'{total:>12}'"):
        path = plain(tmp_path / "file.fits", PIXELS, fitscard.card("DATASUM", value))
        assert looks_like_fits(path, sums=True) is None
        path = plain(tmp_path / "file.fits", PIXELS + 1, fitscard.card("DATASUM", value))
        assert f"says {total}" in looks_like_fits(path, sums=True)


def test_real_headers_of_jsoc_hold_their_sums():
    """What JSOC writes adds up, so that a sum that does not is damage; headers that others changed do not count."""
    names = [path.name.removesuffix(".header") for path in REAL.glob("hmi.sharp*.header")]
    found = 0
    for cards in map(real_cards, names):
        told = [card for card in cards if card.startswith("DATASUM")]
        if told:
            number = int(told[0][11:].split("'")[0])
            assert fitscard.checksum(fitscard.header_block(cards), number) == 0xFFFFFFFF
            found += 1
    assert found == len(names) - sum("hdu0" in name and "bitmap" not in name for name in names)


def test_a_file_is_read_once_and_in_blocks(tmp_path):
    """Each byte once for the sums; headers, and the places of tiles, once more."""
    path = plain(tmp_path / "file.fits", np.arange(3_000_000, dtype=np.int32).reshape(1500, 2000))
    write_fits(path, tmp_path / "out.fits", [fitscard.card("RECNUM", "7")])
    file = Counting((tmp_path / "out.fits").read_bytes())
    assert fault(file, sums=True) is None
    assert len(file.getvalue()) <= file.count <= len(file.getvalue()) + 3 * 2880
