"""How the sandbox prints: values, times, names in FITS files, and the replies of jsoc_info and show_series."""

import json

import numpy as np
import pytest
from golden_engine import ask, engine
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite.recordset.grammar import FatalSetError
from jsoclite.sandbox.catalog.definition import JD0, Keyword
from jsoclite.sandbox.catalog.printing import fits_name, fits_values, is_missing, printed, times
from jsoclite.sandbox.engine.clause import through_printf
from jsoclite.sandbox.engine.engine import EngineCrash
from jsoclite.sandbox.programs import jsoc_info, show_series
from jsoclite.sandbox.programs.rs_list import quoted
from jsoclite.times.scale import LEAP_SECONDS
from jsoclite.times.server import format_time


@pytest.fixture(scope="module")
def on():
    return engine()


def key(kind, form="", unit="none", description="", name="KEY"):
    return Keyword(name, kind, "0", form, unit, description)


def column(kind, *values):
    dtype = object if kind == "string" else np.float64 if kind in ("float", "double", "time") else np.int64
    array = np.empty(len(values), dtype=dtype)
    array[:] = values
    return array


# ---------------------------------------------------------------------------------------------------------- values
@pytest.mark.parametrize(
    ("kind", "form", "value", "text"),
    [
        ("int", "%d", -5, "-5"),
        ("int", "0x%08X", -(2**31), "0x80000000"),
        ("int", "0x%08x", -1, "0xffffffff"),
        ("int", "%u", -1, "4294967295"),
        ("short", "%hx", -1, "ffffffff"),
        ("longlong", "0x%016llx", -1, "0x" + "f" * 16),
        ("longlong", "%lld", 2**40, "1099511627776"),
        ("int", "%5d|", 7, "    7|"),
        ("int", "%i", 7, "7"),
        ("char", "%c", 65, "A"),
        ("int", "", 7, "7"),
        ("float", "", 0.1, "0.100000"),
        ("float", "%.10f", 0.1, "0.1000000015"),  # single precision
        ("double", "%.10f", 0.1, "0.1000000000"),
        ("double", "%15.7lg", 1e-7, "          1e-07"),
        ("double", "%G", float("nan"), "NAN"),
        ("double", "%g", float("inf"), "inf"),
        ("double", "100%%", 5.0, "100%"),
        ("double", "no number", 5.0, "no number"),
        ("double", "%d", float("nan"), "-2147483648"),
        ("double", "%f %f", 5.0, "5.0"),
        ("double", "%.1f", -0.0, "-0.0"),
        ("string", "%s", "a/b", "a/b"),
        ("string", "%10s", "ab", "        ab"),
        ("string", "%-4s|", "ab", "ab  |"),
    ],
)
def test_values_are_printed_as_c_does(kind, form, value, text):
    assert printed(key(kind, form), column(kind, value)) == [text]
    assert printed(key(kind, form), column(kind, *[value] * 3)) == [text] * 3


def test_negative_zeros_keep_their_sign():
    assert printed(key("double", "%g"), column("double", *[0.0, -0.0] * 50)) == ["0", "-0"] * 50


@pytest.mark.parametrize("form", ["%d", "0x%08x", "%5d", "%.3f"])
def test_a_column_is_printed_like_its_values(form):
    kind = "double" if form.endswith("f") else "int"
    for values in (np.arange(500) - 250, np.arange(500) % 7, np.zeros(500, dtype=int), np.arange(3)):
        whole = printed(key(kind, form), column(kind, *values.tolist()))
        assert whole == [printed(key(kind, form), column(kind, value))[0] for value in values.tolist()]


@pytest.mark.parametrize(
    ("kind", "value", "full", "bits"),
    [
        ("int", -1, "-1", "FFFFFFFF"),
        ("short", 10, "10", "000A"),
        ("char", 10, "10", "0A"),
        ("longlong", 10, "10", "000000000000000A"),
        ("float", 0.1, "0.100000001", "3DCCCCCD"),
        ("double", 0.1, "0.10000000000000001", "3FB999999999999A"),
        ("string", "abc", "abc", "63"),
        ("string", "", "", ""),
    ],
)
def test_full_precision_and_bits(kind, value, full, bits):
    assert printed(key(kind, "%5.1f" if kind != "string" else "%9s"), column(kind, value), True) == [full]
    assert printed(key(kind), column(kind, value), True, True) == [bits]


def test_a_time_that_is_an_interval_is_printed_in_its_unit():
    assert printed(key("time", "%.2f", "mins"), column("time", 90.0)) == ["1.50"]
    assert printed(key("time", "%.2f", "mins"), column("time", 90.0), True) == ["1.5"]
    assert printed(key("time", "0", "TAI"), column("time", 90.0), True, True) == ["4056800000000000"]


@pytest.mark.parametrize(
    ("kind", "values", "missing"),
    [
        ("int", (-(2**31), 0), [True, False]),
        ("longlong", (-(2**63), -(2**31)), [True, False]),
        ("double", (float("nan"), 0.0), [True, False]),
        ("time", (JD0, float("nan"), JD0 + 0.1, JD0 + 1, 0.0), [True, True, True, False, False]),
        ("string", ("", " "), [True, False]),
    ],
)
def test_missing_values(kind, values, missing):
    assert is_missing(key(kind), column(kind, *values)).tolist() == missing


# ----------------------------------------------------------------------------------------------------------- times
AROUND_LEAPS = st.sampled_from([begin for begin, _ in LEAP_SECONDS]).flatmap(
    lambda begin: st.floats(begin - 5, begin + 5, allow_nan=False)
)
SECONDS = st.one_of(
    st.integers(-(10**9), 3 * 10**9).map(float),
    st.floats(-1e9, 8e9),
    AROUND_LEAPS,
    st.integers(0, 10**8).map(lambda minute: minute * 60 - 1e-4),
    st.sampled_from([JD0, float("nan"), 1e18]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(SECONDS, min_size=16, max_size=40),
    st.sampled_from(["TAI", "UTC", "UT", "ISO", "TT", "TDT", "JD", "PST", "Z"]),
    st.integers(-3, 6),
)
def test_columns_of_times_are_printed_like_single_times(seconds, zone, precision):
    assert times(np.array(seconds), zone, precision) == [format_time(one, zone, precision) for one in seconds]


# ------------------------------------------------------------------------------------------------------------ FITS
@pytest.mark.parametrize(
    ("name", "description", "fits"),
    [
        ("T_REC", "", "T_REC"),
        ("DATE__OBS", "[DATE-OBS] start", "DATE-OBS"),
        ("DATE__OBS", "DATE-OBS start", "DATEOBS"),
        ("T_REC_epoch", "", "TRECEPOC"),
        ("quality", "", "QUALITY"),
        ("BAZ", "[QUX:string] cast", "QUX"),
        ("n.a.x.i.s", "", "_NAXIS"),
    ],
)
def test_names_in_fits_files(name, description, fits):
    assert fits_name(key("int", name=name, description=description)) == fits


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("double", 0.0, "0."),
        ("double", 0.1, "0.10000000000000001"),
        ("float", 0.1, "0.100000001"),
        ("double", 1e300, "1.0000000000000001E+300"),
        ("double", 1e22, "1.0E+22"),
        ("double", float("nan"), ""),
        ("double", float("inf"), "???"),
        ("int", 5, "5"),
        ("int", -(2**31), ""),
        ("string", "text  ", "text"),
        ("string", "", "???"),
    ],
)
def test_values_in_fits_files(kind, value, text):
    assert fits_values(key(kind), column(kind, value)) == [text]


def test_times_and_casts_in_fits_files():
    seconds = column("time", 1167609600.0, JD0)
    assert fits_values(key("time", "0", "ISO"), seconds) == ["2013-12-31T23:59:25.000", "???"]
    assert fits_values(key("time", "0", "TAI"), seconds) == ["2014.01.01_00:00:00.000_TAI", "???"]
    cast = key("float", "%.2f", description="[QUX:string] cast")
    assert fits_values(cast, column("float", 1.5, float("nan"))) == ["1.50", ""]
    assert fits_values(cast, column("float")) == []


# ------------------------------------------------------------------------------------------------------------ JSON
@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=6), max_size=8), st.booleans())
def test_lists_of_texts_are_json(texts, same):
    texts = texts[:1] * len(texts) if same and texts else texts
    assert json.loads(f"[{quoted(texts)}]") == texts


def test_printf_is_harmless_where_there_is_nothing_to_convert():
    assert through_printf("(x - 5) % 2 = 0 and y %%% 3") == "(x - 5) % 2 = 0 and y %% 3"
    assert through_printf("'%11936%'") == "'%'"
    assert through_printf("'%abc'") == "'0.000000bc'"
    assert through_printf("'%5d'") == "'    0'"
    with pytest.raises(FatalSetError):
        through_printf("like '%solar'")


# -------------------------------------------------------------------------------------------------------- jsoc_info
ONE = "hmi.M_720s[2014.01.01_00:00:00_TAI][3]"


def reply(on, **params):
    status, body = ask(on, {"op": "rs_list", "ds": ONE, **params})
    assert status == 200
    return json.loads(body)


def test_none_ends_a_list_of_names(on):
    assert reply(on, key="T_REC,**NONE**,CAMERA")["keywords"] == []
    assert reply(on, seg="magnetogram,**NONE**")["segments"] == []
    assert reply(on, link="**NONE**")["links"] == []


def test_names_are_decoded_once_more(on):
    assert reply(on, key="T%5fREC")["keywords"][0] == {"name": "T_REC", "values": ["2014.01.01_00:00:00_TAI"]}


def test_r_hides_the_runtime_of_summaries_only(on):
    assert "runtime" not in json.loads(ask(on, {"op": "rs_summary", "ds": ONE, "r": "1"})[1])
    assert "runtime" in reply(on, r="1", key="T_REC")
    assert "runtime" not in json.loads(ask(on, {"op": "rs_list", "ds": "hmi.M_720s[2020.01.01_TAI]", "r": "1"})[1])


def test_quality_is_printed_even_where_it_is_missing(on):
    bad = "hmi.M_720s[:#30]"
    values = [one["values"] for one in reply(on, ds=bad, key="QUALITY,quality")["keywords"]]
    assert values == [["0x80000000"], ["MISSING"]]


def test_all_needs_a_single_series(on):
    text = f"{ONE},hmi.B_720s[2014.01.01_TAI]"
    for params in ({"key": "**ALL**"}, {"seg": "**ALL**"}, {"key": "T_REC", "f": "1"}):
        body = ask(on, {"op": "rs_list", "ds": text, **params})[1]
        assert json.loads(body)["error"].endswith("; the records must belong to a single data series")
    assert reply(on, ds=text, key="*recnum*")["keywords"][0]["values"] == [12, 12]


def test_a_braced_segment_list_hides_the_others(on):
    listed = reply(on, ds="hmi.B_720s[2014.01.01_TAI]{field}", seg="azimuth,field", f="1")["recset"][0]["segments"]
    assert listed[0] == {"name": "azimuth", "path": "InvalidSegName", "dims": "NA"}
    assert listed[1]["path"].endswith("/field.fits")
    every = reply(on, ds="hmi.B_720s[2014.01.01_TAI]{field}", seg="**ALL**", f="1")["recset"][0]["segments"]
    assert [one["name"] for one in every] == ["field"]


def test_the_layout_of_records_with_all_that_can_be_asked(on):
    ds = "hmi.sharp_cea_720s[3563][2014.01.01_02:00:00_TAI]"  # its link leads nowhere
    keys = "*RECNUM*,*online*,*SPEC*,T_REC,BDATE,T_REC_index,nosuch"
    (record,) = reply(on, ds=ds, key=keys, seg="Br,field,nosuch", link="BDATA,no", f="1", R="1")["recset"]
    assert list(record) == ["specification", "recnum", "online", "spec", "keywords", "segments", "links"]
    assert record["specification"] == record["spec"] == ds
    assert record["keywords"][1:] == [
        {"name": "BDATE", "value": "???"},
        {"name": "T_REC_index", "invalid": True},
        {"name": "nosuch", "invalid": True},
    ]
    assert [one.get("path") for one in record["segments"][1:]] == ["BadSegLink", None]
    assert record["links"] == [{"name": "BDATA", "invalid": True}, {"name": "no", "invalid": True}]


@pytest.mark.parametrize(
    "params",
    [
        {"op": "series_struct", "ds": "hmi.M_720s", "f": "1"},
        {"op": "rs_list", "ds": ONE, "s": "1"},
        {"op": "nosuch", "ds": ONE},
        {"ds": ONE},
        {"op": "rs_list", "ds": f"{ONE},{ONE}", "n": "-1"},
        {"op": "rs_list", "ds": "hmi.M_720s[2020.01.01],hmi.B_720s[2020.01.01]"},
        {"op": "rs_list", "ds": "hmi.B_720s[2014.01.01_TAI]{field},hmi.B_720s[2014.01.01_TAI]"},
    ],
)
def test_where_the_program_prints_nothing_the_web_server_says_500(on, params):
    assert ask(on, {"key": "T_REC", **params}) == (500, "")


def test_unknown_series_have_three_answers(on):
    errors = [
        json.loads(ask(on, {"op": operation, "ds": ds})[1])["error"]
        for operation, ds in (
            ("series_struct", "a.b"),
            ("rs_summary", "a.b"),
            ("rs_summary", "a.b[]"),
            ("rs_list", "a.b"),
        )
    ]
    assert errors == [
        "series not found",
        "problem with database query",
        "series not found",
        " jsoc_info: series not found.",
    ]


def test_the_body_comes_in_pieces(on):
    status, body = jsoc_info(on, {"op": "rs_list", "ds": "aia.lev1_euv_12s[]", "key": "**ALL**"})
    pieces = list(body)
    assert status == 200
    assert len(pieces) > 40
    assert json.loads(b"".join(pieces))["count"] == 1384


# ------------------------------------------------------------------------------------------------------ show_series
def names(on, text):
    return [one["name"] for one in json.loads(show_series(on.catalog, text))["names"]]


def test_series_are_filtered_by_regular_expression(on):
    assert names(on, "^hmi[.][BM]_") == ["hmi.B_720s", "hmi.M_720s"]
    assert names(on, "SHARP|synoptic") == ["hmi.Synoptic_Mr_720s", "hmi.sharp_cea_720s"]
    assert names(on, "[[:digit:]]{3}s$") == ["hmi.B_720s", "hmi.M_720s", "hmi.Synoptic_Mr_720s", "hmi.sharp_cea_720s"]
    assert len(names(on, None)) == len(names(on, "")) == 9
    assert names(on, "NOT [ahm]") == ["su_test.types"]


def test_one_escaped_dot_means_a_namespace(on):
    assert names(on, r"hmi\.b") == ["hmi.B_720s"]
    assert names(on, r"aia\..*12s") == ["aia.lev1_euv_12s"]
    for failing in (r"^hmi\.", r"(hmi|aia)\.", "["):
        with pytest.raises(EngineCrash):
            show_series(on.catalog, failing)
    assert names(on, r"NOT hmi\.|su_test") == ["aia.lev1", "aia.lev1_euv_12s", "mdi.fd_M_96m_lev182"]
