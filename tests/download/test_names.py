"""File names: predictable, safe, never shared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsoclite.download.names import LONGEST, Namer, extension, file_name, stem


@pytest.mark.parametrize(
    ("record", "segment", "name"),
    [
        ("hmi.M_720s[2014.01.01_00:00:00_TAI][3]", "magnetogram", "hmi.M_720s.20140101_000000_TAI.3.magnetogram.fits"),
        ("aia.lev1_euv_12s[2014-01-01T00:00:01Z][171]", "image", "aia.lev1_euv_12s.20140101_000001_UTC.171.image.fits"),
        (
            "hmi.sharp_cea_720s[377][2011.02.15_02:00:00_TAI]",
            "Br",
            "hmi.sharp_cea_720s.377.20110215_020000_TAI.Br.fits",
        ),
        ("hmi.Synoptic_Mr_720s[2100]", "synopMr", "hmi.Synoptic_Mr_720s.2100.synopMr.fits"),
        ("aia.lev1[2014-01-01T00:00:06.840Z][7]", "image_lev1", "aia.lev1.20140101_000006.840_UTC.7.image_lev1.fits"),
    ],
)
def test_what_they_look_like(record, segment, name):
    assert file_name(record, segment, ".fits") == name


def test_two_versions_of_a_record_get_two_files():
    namer = Namer({}.get)
    record = "hmi.M_720s[2014.01.01_00:00:00_TAI][3]"
    first = namer.path((7, record, "magnetogram", "fits"), ".fits")
    second = namer.path((900, record, "magnetogram", "fits"), ".fits")
    assert second == first.removesuffix(".fits") + ".r900.fits"
    assert namer.path((7, record, "magnetogram", "fits"), ".fits") == first


def test_names_that_differ_in_case_only_are_kept_apart():
    namer = Namer({}.get)
    one, two = namer.path((1, "x.y[A]", "s", "fits"), ".fits"), namer.path((2, "x.y[a]", "s", "fits"), ".fits")
    assert one.lower() != two.lower()


@pytest.mark.parametrize(
    ("stored", "ending"),
    [
        ("/SUM1/D1/S0/image_lev1.fits", ".fits"),
        ("split.out.txt", ".txt"),
        ("spikes", ""),
        ("x.f/../its", ""),
        ("a.fi ts", ""),
        ("", ""),
    ],
)
def test_extension(stored, ending):
    assert extension(stored) == ending


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.text(max_size=100), st.integers(0, 2**60))
def test_no_name_leads_outside_or_is_refused(values, segment, recnum):
    record = "x.y" + "".join(f"[{value}]" for value in values)
    name = Namer({}.get).path((recnum, record, segment, "fits"), ".fits")
    assert len(name.encode()) <= LONGEST + 50
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name not in (".", "..")
    assert not name.startswith(".")
    assert name.partition(".")[0].upper() not in ("CON", "PRN", "AUX", "NUL", "COM1", "LPT1")
    assert name == name.strip()


@given(st.lists(st.text(alphabet="ab_ ./[\"'é", max_size=4), min_size=2, max_size=6, unique=True))
def test_different_records_never_share_a_path(values):
    namer = Namer({}.get)
    paths = [namer.path((number, f"x.y[{value}]", "s", "fits"), ".fits").lower() for number, value in enumerate(values)]
    assert len(set(paths)) == len(paths)


def test_a_replaced_character_leaves_a_trace():
    assert stem("x.y[a b]") != stem("x.y[a_b]")
