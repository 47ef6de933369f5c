"""What the bits of QUALITY mean: three families, unknown bits by number, and the levels of good images."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import jsoclite
import jsoclite.selection  # df.jsoc
from jsoclite import quality
from jsoclite.errors import UnknownName
from jsoclite.sandbox import Sandbox

HMI = [
    *("hmi.M_720s", "hmi.V_45s", "hmi.Ic_noLimbDark_720s_nrt", "hmi.Ld_45s", "hmi.Lw_720s", "hmi.S_720s", "hmi.B_720s"),
    *("hmi.b_135s", "hmi.B_720s_dconS", "hmi.M_45s_dcon", "hmi.sharp_cea_720s", "hmi.sharp_720s_nrt", "HMI.m_720S"),
    *("hmi.sharp_cea_720s_dconS", "hmi.ME_720s_fd10", "hmi.Mharp_720s", "hmi.M_720s[2014.01.01_TAI][3]{magnetogram}"),
]


@pytest.mark.parametrize("series", HMI)
def test_hmi_means_other_things_with_and_without_an_image(series):
    daily = quality.explain(series, 0x00010400)
    assert [text.split(":")[0] for text in daily] == ["0x00010000", "0x00000400"]
    assert "interpolate" in daily[0]
    assert "cosmic" in daily[1]
    assert "eclipse" in quality.explain(series, 0x200)[0]
    dark = quality.explain(series, 0x80000200)
    assert not any("eclipse" in text for text in dark)
    assert "made" in dark[0]


def test_the_two_tables_of_records_without_an_image_differ():
    assert "lev1p" in quality.explain("hmi.M_720s", 0x80400000)[1]
    assert "misplaced" in quality.explain("hmi.B_720s", 0x80400000)[1]
    # SHARPs have the word of the magnetogram, and QUAL_S from the Stokes images
    assert "lev1p" in quality.explain("hmi.sharp_720s", 0x80400000)[1]
    assert "misplaced" in quality.explain("hmi.sharp_720s", 0x80400000, keyword="QUAL_S")[1]


@pytest.mark.parametrize(
    ("series", "value", "keyword", "words"),
    [
        ("aia.lev1_euv_12s", 0x40000000, "QUALITY", ["near real time"]),
        ("aia.lev1", 0x2000200, "QUALITY", ["absorbs", "more than 1 %"]),
        ("hmi.lev1_nrt", 0x80000, "QUALITY", ["calibration mode"]),
        ("hmi.M_720s", 0x400, "QUALLEV1", ["more than 5 %"]),
        ("aia.lev1_euv_12s", 0x100000, "QUALLEV0", ["171"]),
        ("hmi.lev1", 0x900003, "quallev0", ["wavelength motor 1", "polarisation motor 1", "header", "overflow"]),
        ("mdi.fd_M_96m_lev182", 0x8000000C, "QUALITY", ["no image", "1 %", "0 %"]),
        ("mdi.fd_V", 0x80000400, "QUALITY", ["problems", "cosmic"]),
    ],
)
def test_other_families(series, value, keyword, words):
    texts = quality.explain(series, value, keyword=keyword)
    assert len(texts) == len(words)
    for text, word in zip(texts, words, strict=True):
        assert word in text


def test_unknown_bits_are_told_by_number():
    assert quality.explain("hmi.M_720s", 0x20000) == ["0x00020000: bit 17, in no table of JSOC"]
    for series in ("hmi.M_720s", "hmi.B_720s", "aia.lev1", "mdi.fd_V"):
        assert len(quality.explain(series, 0x7FFFFFFF)) == 31
        assert len(quality.explain(series, 0xFFFFFFFF)) == 32


@pytest.mark.parametrize(
    "value", [-(2**31), 0x80000000, "0x80000000", np.int64(-(2**31)), np.uint32(2**31), 2147483648.0, "-2147483648"]
)
def test_forms_of_one_value(value):
    assert quality.explain("hmi.M_720s", value) == ["0x80000000: no image was made, the record is empty"]


@pytest.mark.parametrize("value", [True, 1.5, "bad", 2**32, -(2**31) - 1, [1], "0x"])
def test_what_is_no_value(value):
    with pytest.raises(ValueError, match="no value of QUALITY"):
        quality.explain("hmi.M_720s", value)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_values_and_zero(missing):
    assert quality.explain("hmi.M_720s", missing) == ["QUALITY is missing"]
    assert quality.explain("hmi.M_720s", 0) == []


@pytest.mark.parametrize(
    ("series", "keyword"),
    [
        *(("iris.lev1", "QUALITY"), ("hmi.V_sht_modes", "QUALITY"), ("hmi.synoptic_mr_720s", "QUALITY")),
        *(
            ("hmi.M_720s", "ARM_QUAL"),
            ("aia.lev1", "QUALLEV1"),
            ("mdi.fd_V", "QUALLEV0"),
            ("hmi.b_synoptic", "QUALITY"),
        ),
    ],
)
def test_series_of_no_family_are_told(series, keyword):
    for call in (lambda: quality.explain(series, 1, keyword=keyword), lambda: quality.flags(series, keyword=keyword)):
        with pytest.raises(UnknownName, match=f"{keyword} are not known for {series}"):
            call()


@pytest.mark.parametrize("series", ["hmi.M_720s", "hmi.B_720s", "aia.lev1", "mdi.fd_V"])
def test_flags_say_what_explain_and_good_say(series):
    bits = quality.flags(series)
    assert bits.index.name == "mask"
    assert set(bits["holds"]) == ({"no image", "image"} if series.startswith("hmi") else {"always"})
    for mask, row in bits.iterrows():
        value = mask | (quality.NO_IMAGE if row["holds"] == "no image" else 0)
        assert f"{row['hex']}: {row['meaning']}" in quality.explain(series, value)
        assert quality.good(series, pd.Series([value]), "usable").tolist() == [row["usable"]]


# by hand: which single bits leave an image usable
USABLE = {
    "hmi.M_720s": (0x100, 0x400, 0x800, 0x1000, 0x2000, 0x8000, 0x10000),
    "hmi.sharp_cea_720s_nrt": (0x100, 0x400, 0x800, 0x1000, 0x2000, 0x8000, 0x10000),
    "aia.lev1_euv_12s": (0x2, 0x4, 0x8, 0x10, 0x100, 0x40000000),
    "mdi.fd_M_96m_lev182": (0x4, 0x200, 0x400),
}


@pytest.mark.parametrize("series", USABLE)
def test_levels(series):
    values = pd.Series([0, *(1 << bit for bit in range(32)), pd.NA], dtype="Int64")
    assert quality.good(series, values).tolist() == [*[True] * 32, False, False]
    assert quality.good(series, values, "clean").tolist() == [True, *[False] * 33]
    usable = values[quality.good(series, values, "usable")]
    assert usable.tolist() == [0, *USABLE[series]]
    masked = values[quality.good(series, values, 0x600)]
    assert set(values.dropna()) - set(masked) == {0x200, 0x400, 0x80000000}
    assert quality.good(series, values, "0x600").equals(quality.good(series, values, np.int32(0x600)))
    signed = values.where(~(values > 0x7FFFFFFF).fillna(False), values - 2**32)
    assert quality.good(series, signed, "usable").equals(quality.good(series, values, "usable"))


@pytest.mark.parametrize("level", ["best", "", True, None, -1.5, "0xg"])
def test_levels_that_there_are_not(level):
    with pytest.raises(ValueError, match=r"'usable'|no value of QUALITY"):
        quality.good("hmi.M_720s", pd.Series([0]), level)


def frame(*rows):
    records = [record for record, _ in rows]
    values = pd.array([value for _, value in rows], dtype="Int64")
    return pd.DataFrame({"QUALITY": values}, index=pd.Index(records, name="record"))


def test_rows_of_several_series_are_judged_each_by_its_own():
    df = frame(
        ("hmi.M_720s[2014.01.01_06:00:00_TAI][3]", 0x10400),
        ("aia.lev1_euv_12s[2014-01-01T00:00:01Z][171]", 0x10400),
        ("hmi.M_720s[2014.01.01_06:12:00_TAI][3]", pd.NA),
        ("aia.lev1_euv_12s[2014-01-01T00:00:13Z][171]", 0),
    )
    assert df.jsoc.good("usable").tolist() == [True, False, False, True]
    assert df.jsoc.good(0x10000).tolist() == [False, False, False, True]
    assert df.jsoc.good("clean").equals(df.jsoc.good(any_bit=True))
    words = df.jsoc.quality()
    assert words.index.equals(df.index)
    assert "cosmic" in words.iloc[0]
    assert "dark" in words.iloc[1]
    assert words.isna().tolist() == [False, False, True, False]
    assert words.iloc[3] == ""
    assert len(df.iloc[:0].jsoc.good("usable")) == len(df.iloc[:0].jsoc.quality()) == 0
    with pytest.raises(UnknownName, match="iris"):
        frame(("iris.lev1[2014.01.01][1]", 0)).jsoc.good("usable")


def test_rows_in_another_index_are_known_by_their_query():
    with Sandbox() as sandbox, sandbox.client() as client:
        df = client.query("hmi.M_720s[2014.03.11_TAI/1d]").set_index("time")
    assert df.jsoc.good("usable").tolist() == ((df.QUALITY & ~0x10400) == 0).tolist()
    assert (df.jsoc.quality() == "").tolist() == (df.QUALITY == 0).tolist()
    del df.attrs["jsoc"]
    with pytest.raises(jsoclite.SelectionError):
        df.jsoc.good("usable")


def test_it_loads_when_it_is_used():
    code = "import sys, jsoclite; a = {'jsoclite.quality', 'pandas'} & set(sys.modules)"
    code += "; print(len(a), jsoclite.quality.explain('hmi.M_720s', 1)[0])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.startswith("0 0x00000001")
