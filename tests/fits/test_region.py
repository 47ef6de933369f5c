"""Some rows of a stored image, from the bytes that hold them; and what is no such image."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from jsoclite.fits import StoredImage, read
from jsoclite.fits.files import BrokenFits, looks_like_fits

ROWS, COLUMNS = 57, 300


def values(kind="i4"):
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    made = ((x * 7 + y * 131) % 251 - 100).astype(kind)
    made[5, 10:20] = -32768 if kind != "f4" else np.nan
    return made


def stored(form, kind="i4", **cards):
    """Bytes of a file: plain, or compressed with such tiles."""
    data = values(kind)
    if form == "plain":
        units = [fits.PrimaryHDU(data)]
    elif form == "extension":
        units = [fits.PrimaryHDU(), fits.ImageHDU(data)]
    else:
        code, tile = form
        quantize = {"quantize_level": 0.0} if kind == "f4" else {}
        units = [fits.PrimaryHDU(), fits.CompImageHDU(data, compression_type=code, tile_shape=tile, **quantize)]
    units[-1].header.update(cards)
    out = BytesIO()
    fits.HDUList(units).writeto(out, output_verify="ignore")
    return out.getvalue()


def image_of(content):
    """Read as little as possible."""
    size = 100
    while isinstance(found := StoredImage.parse(content[:size], len(content)), int):
        assert size < found <= len(content)
        size = found
    return found, size


FORMS = ["plain", "extension", ("RICE_1", (1, COLUMNS)), ("RICE_1", (16, COLUMNS)), ("RICE_1", (8, 64))]  # fmt: skip


KINDS = [("i4", {}), ("i2", {"BSCALE": 0.1, "BZERO": 0.0, "BLANK": -32768}), ("i4", {"BSCALE": 0.5, "BLANK": -32768})]


@pytest.mark.parametrize(
    ("form", "kind", "cards"),
    # Rice does not take reals as they are
    [(form, *one) for form in FORMS for one in [*KINDS, ("f4", {})] if one[0] != "f4" or form[0] != "RICE_1"],
)
def test_rows_are_those_of_the_whole_image(tmp_path, form, kind, cards):
    content = stored(form, kind, **cards)
    path = tmp_path / "whole.fits"
    path.write_bytes(content)
    whole = read(path)[0].astype("f4")
    image, size = image_of(content)
    assert image.shape == (ROWS, COLUMNS)
    assert image.head <= size
    for low, high in ((0, 1), (0, ROWS), (4, 9), (15, 33), (ROWS - 1, ROWS)):
        start, stop = image.span(low, high)
        found = image.rows(content[start:stop], low, high)
        assert found.dtype == np.float32
        assert np.array_equal(found, whole[low:high], equal_nan=True)
    assert np.isnan(whole).any() == bool(cards or kind == "f4")


def test_a_row_costs_a_row():
    content = stored(("RICE_1", (1, COLUMNS)))
    image, _ = image_of(content)
    start, stop = image.span(20, 23)
    whole = image.span(0, ROWS)
    assert start >= image.head
    assert stop - start < 4 * (whole[1] - whole[0]) / ROWS


@pytest.mark.parametrize("form", ["plain", ("RICE_1", (1, COLUMNS))])
def test_a_new_file_has_its_image_in_the_same_place(tmp_path, form):
    image, _ = image_of(stored(form))
    data = values("f4")[3:9, :40]
    cards = [
        "DATAMIN =                  -1. / [Gauss] (MISSING) least".ljust(80),
        "TOTVALS =                    1 / all".ljust(80),
        "DATAMEDN=                  -1. / median".ljust(80),
        "HEADSUM = 'old'".ljust(80),
        "TELESCOP= 'SDO/HMI '".ljust(80),
    ]
    path = tmp_path / "made.fits"
    path.write_bytes(image.file(data, cards))
    assert looks_like_fits(path) is None
    with fits.open(path, checksum=True) as units:
        unit = units[0 if form == "plain" else 1]
        assert np.array_equal(unit.data, data, equal_nan=True)
        assert unit.header["TOTVALS"] == data.size
        assert unit.header["DATAMIN"] == np.nanmin(data)
        good = np.sort(data[np.isfinite(data)])
        assert unit.header["DATAMEDN"] == good[len(good) // 2]
        assert "least" in unit.header.comments["DATAMIN"]
        assert unit.header["TELESCOP"] == "SDO/HMI"
        assert "HEADSUM" not in unit.header
    empty = image.file(np.full((2, 3), np.nan), cards)
    with fits.open(BytesIO(empty)) as units:
        header = units[0 if form == "plain" else 1].header
        assert (header["TOTVALS"], not header["DATAMIN"]) == (6, True)


# -- what a server may send -------------------------------------------------------------------------------------------


def altered(content, **cards):
    """The same file with other values in some cards."""
    made = bytearray(content)
    for name, value in cards.items():
        place = made.index(f"{name:<8}= ".encode())
        made[place + 10 : place + 30] = f"{value:>20}".encode()
    return bytes(made)


RICE = ("RICE_1", (1, COLUMNS))


@pytest.mark.parametrize(
    ("form", "cards"),
    [
        (RICE, {"ZNAXIS1": 10**9}),
        (RICE, {"ZNAXIS2": 10**9}),
        (RICE, {"ZNAXIS2": 58}),
        (RICE, {"ZNAXIS2": -1}),
        (RICE, {"ZTILE2": 0}),
        (RICE, {"ZNAXIS": 3}),
        (RICE, {"NAXIS1": 10**6}),
        (RICE, {"TFORM1": "'1PZ(9)'"}),
        (RICE, {"TFORM1": "'1E'"}),
        (RICE, {"THEAP": -5}),
        (RICE, {"THEAP": 10**7}),
        (RICE, {"PCOUNT": 30}),
        ("plain", {"NAXIS1": 10**9}),
        ("plain", {"NAXIS": 1}),
        ("plain", {"BITPIX": 7}),
    ],
)
def test_sizes_are_held_against_each_other(form, cards):
    content = stored(form).replace(b"EXTNAME = ", b"THEAP   = ") if "THEAP" in cards else stored(form)
    with pytest.raises(BrokenFits):  # noqa: PT012
        image, _ = image_of(altered(content, **cards))
        image.span(0, 3)


@pytest.mark.parametrize(("count", "offset"), [(2**31 - 1, 0), (-1, 0), (100, 2**31 - 1), (100, -4), (2**30, 2**30)])
def test_descriptors_stay_in_the_heap(count, offset):
    content = bytearray(stored(RICE))
    image, _ = image_of(bytes(content))
    place = image.unit.data_start + 4 * 8
    content[place : place + 8] = np.array([count, offset], ">i4").tobytes()
    with pytest.raises(BrokenFits, match="a tile beyond"):
        StoredImage.parse(bytes(content), len(content))


def test_what_unpacks_to_any_size_is_left_to_jsoc():
    content = stored(("GZIP_1", (1, COLUMNS)))
    with pytest.raises(BrokenFits, match="packed by GZIP_1"):
        image_of(content)


def test_rows_that_are_no_rows():
    content = stored(RICE)
    image, _ = image_of(content)
    start, stop = image.span(0, 4)
    with pytest.raises(BrokenFits, match="decoded"):
        image.rows(b"\xff" * (stop - start - 40), 0, 4)


@pytest.mark.parametrize("content", [b"<html>no</html>" * 300, b"{}" * 3000])
def test_what_is_no_file_at_all(content):
    with pytest.raises(BrokenFits):
        StoredImage.parse(content, len(content))


def test_no_image_in_it():
    out = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.zeros(3, dtype=[("a", "f4")]))]).writeto(out)
    with pytest.raises(BrokenFits, match="no image"):
        StoredImage.parse(out.getvalue(), len(out.getvalue()))
    cube = BytesIO()
    fits.PrimaryHDU(np.zeros((3, 4, 5))).writeto(cube)
    with pytest.raises(BrokenFits, match="two dimensions"):
        StoredImage.parse(cube.getvalue(), len(cube.getvalue()))


def test_a_beginning_that_ends_anywhere_asks_for_more():
    content = stored(RICE)
    image, _ = image_of(content)
    for size in (1, 5, 2880, 2881, image.unit.data_start - 1, image.unit.data_start, image.head - 1):
        assert size < StoredImage.parse(content[:size], len(content)) <= len(content)
    assert StoredImage.parse(content[: image.head], len(content)).head == image.head
