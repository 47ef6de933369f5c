"""The record-set language against the answers of the real server programs."""

import contextlib
import itertools
import json

import pytest
from conftest import GOLDEN
from hypothesis import given
from hypothesis import strategies as st

from jsoclite import recordset
from jsoclite.errors import RecordSetError
from jsoclite.recordset import language as L

KINDS = {
    "time": (L.Kind.TIME, 64),
    "string": (L.Kind.STRING, 0),
    "double": (L.Kind.REAL, 64),
    "float": (L.Kind.REAL, 32),
    "char": (L.Kind.INTEGER, 8),
    "short": (L.Kind.INTEGER, 16),
    "int": (L.Kind.INTEGER, 32),
    "longlong": (L.Kind.INTEGER, 64),
}


def load(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


class Keys:
    """Types of the prime keys of one series, read from the server's own tables."""

    def __init__(self, path):
        tables = json.loads(path.read_text())
        self.name = tables["drms_series"][0]["seriesname"]
        self.prime = [name.strip().lower() for name in tables["drms_series"][0]["primary_idx"].split(",")]
        self.rows = {row["keywordname"].lower(): row for row in tables["drms_keyword"]}

    def slotted(self, name):
        return self.rows[name]["isconstant"] >= 1000

    def read(self, raw, position):
        """Read one key filter as the server would; the next position."""
        name = recordset.filter_name(raw)
        if name is None:
            if position >= len(self.prime):
                raise RecordSetError("more prime keys than there are")
            key, position = self.prime[position], position + 1
            key = key.removesuffix("_index") if key not in self.rows or key.endswith("_index") else key
        else:
            key = name.lower()
            if key not in self.rows or not (key in self.prime or self.slotted(key)):
                raise RecordSetError("no prime key")
        kind, bits = KINDS[self.rows[key]["type"]]
        recordset.read_filter(raw, kind, self.slotted(key), bits=bits)
        return position


SERIES = {keys.name.lower(): keys for keys in map(Keys, sorted((GOLDEN / "catalog").glob("*.definition.json")))}


def verdict(text):
    """What the two parsers alone say: scan, read, crash or fine."""
    try:
        elements = recordset.scan_set(text)
    except L.FatalSetError:
        return "crash"
    except RecordSetError:
        return "scan"
    try:
        for element in elements:
            if element.kind is L.ElementKind.AT_FILE:
                continue
            keys = SERIES.get(element.series.lower())
            if keys is None:
                return "read"
            position = 0
            for raw in element.filters:
                if raw.kind is L.FilterKind.EMPTY:
                    position += 1
                elif raw.kind is L.FilterKind.KEY:
                    position = keys.read(raw, position)
                elif raw.kind is L.FilterKind.RECNUM:
                    recordset.read_recnums(raw)
                else:
                    recordset.read_sql(raw)
    except L.FatalSetError:
        return "crash"
    except RecordSetError:
        return "read"
    return "fine"


def expected(golden):
    if golden["outcome"] != "error":
        return {"ok": "fine", "crash": "crash"}[golden["outcome"]]
    error = golden["error"]
    if error.startswith("invalid record-set specification"):
        return "scan"
    return "read" if "series not found" in error else "fine"  # the rest comes from PostgreSQL


@pytest.mark.parametrize(("name", "read"), [("queries.jsonl", 590), ("queries_random.jsonl", 649)])
def test_every_recorded_query_is_read_as_the_server_read_it(name, read):
    """What no parser can know is left: several elements that are all empty kill the program."""
    goldens = load(name)
    wrong = [(golden["ds"], verdict(golden["ds"]), expected(golden)) for golden in goldens]
    wrong = [(text, found, recorded) for text, found, recorded in wrong if found != recorded]
    print(f"{name}: {len(goldens) - len(wrong)} of {len(goldens)}")
    assert [one for one in wrong if one[1:] != ("fine", "crash") or len(recordset.scan_set(one[0])) < 2] == []
    assert len(goldens) - len(wrong) == read


def only(text):
    (element,) = recordset.scan_set(text)
    (raw,) = element.filters
    return raw


def times(body, **options):
    return recordset.read_filter(only(f"a.b[{body}]"), L.Kind.TIME, True, **options).items


def test_time_items():
    t0 = 1167609600.0
    assert times("2014.01.01_TAI") == (L.Single(t0),)
    assert times("2014.01.01_TAI-2014.01.02_TAI@24m") == (L.Range(t0, t0 + 86400, L.Duration(24, "m")),)
    assert times("2014.01.01_TAI / 1.5h@1e1m") == (L.Span(t0, L.Duration(1.5, "h"), L.Duration(10, "m")),)
    assert times("2014.01.01_00:00:00-2014.01.02") == (L.Range(t0 + 35, t0 + 86435),)
    assert times("^,$,7670d/10u") == (L.First(), L.Last(), L.Span(L.Duration(7670, "d"), L.Duration(10, "u")))
    assert times("#^,#$") == (L.SlotFirst(), L.SlotLast())
    assert times("#5,#5-#9@2,#-#9,#5-#,#-#,#5/3") == (
        L.Slot(5),
        L.SlotRange(5, 9, 2),
        L.SlotRange(None, 9),
        L.SlotRange(5, None),
        L.SlotRange(None, None),
        L.SlotSpan(5, 3),
    )


def test_the_iso_range_trap_is_read_as_the_server_falls_into_it():
    # -2014 is taken for a zone, the rest for the year 1
    (item,) = times("2014-01-01T00:00:00-2014-01-02T00:00:00")
    assert item.start == 1167609600.0 + 35 + 20 * 3600 + 14 * 60
    assert item.end < -6e10


def test_an_iso_time_before_a_comma_is_broken_at_its_first_dash():
    with pytest.raises(RecordSetError):
        times("2015-08-27T05:26:05Z,2014.01.01_02:48:00_TAI")


def numbers(body, kind=L.Kind.INTEGER, **options):
    return recordset.read_filter(only(f"a.b[{body}]"), kind, **options).items


def test_number_items():
    assert numbers("171,193-211@2,0xAB,+5,-3") == (
        L.Single(171),
        L.Range(193, 211, 2),
        L.Single(171),
        L.Single(5),
        L.Single(-3),
    )
    assert numbers("2100/3") == (L.Span(2100, 3),)
    assert numbers("0xFFFFFFFF") == (L.Single(-1),)
    assert numbers("010") == (L.Single(10),)
    assert numbers("010", bits=64) == (L.Single(8),)
    assert numbers("drms_missing_value") == (L.Single(L.MISSING),)
    assert numbers("-10--5", L.Kind.REAL) == (L.Range(-10.0, -5.0),)
    assert numbers("0.1", L.Kind.REAL, bits=32) == (L.Single(0.10000000149011612),)
    assert numbers("1/2u@1u", L.Kind.REAL, slotted=True, generic_slots=True) == (
        L.Span(1.0, L.Duration(2, "u"), L.Duration(1, "u")),
    )


@pytest.mark.parametrize("body", ["171.0", "'171'", "99999999999", "171,", ",171", "94 - 211", "abc", "171 ,304"])
def test_numbers_that_the_server_refuses(body):
    with pytest.raises(RecordSetError) as caught:
        numbers(body)
    assert not isinstance(caught.value, L.FatalSetError)


def test_an_empty_named_value_is_fatal():
    with pytest.raises(L.FatalSetError, match="kills"):
        numbers("CAMERA=")


def test_string_items():
    assert numbers("with[bracket", L.Kind.STRING) == (L.Single("with[bracket"),)
    assert numbers("""'a, b]','it\\'s',"x"-"y",slash/ed""", L.Kind.STRING) == (
        L.Single("a, b]"),
        L.Single("it's"),
        L.Range("x", "y"),
        L.Single("slash/ed"),
    )


def test_names():
    assert recordset.filter_name(only("a.b[ T_REC = 2014.01.01_TAI]")) == "T_REC"
    assert recordset.filter_name(only("a.b[JD_2456658.5_TAI]")) is None
    assert recordset.read_filter(only("a.b[camera=3]"), L.Kind.INTEGER) == L.KeyFilter("camera", (L.Single(3),))


def test_sql_filters_are_read_to_what_reaches_the_database():
    sql = recordset.read_sql(only("""a.b[? X = "it's" AND T > $(2014.01.01_TAI) AND S='x?]y'  ?]"""))
    assert sql == L.SqlFilter(" X = 'it's' AND T > 1167609600.000000 AND S='x?]y'", False)
    assert recordset.read_sql(only("a.b[! 1=1 !]")).all_versions
    with pytest.raises(RecordSetError, match="has to end the filter"):
        recordset.read_sql(only("a.b[! H != '' !]"))


def test_elements():
    first, second, third = recordset.scan_set(" a.b [1] [:#5]{x, y} ;c.d[] # note #e.f")
    assert (first.series, [raw.text for raw in first.filters], first.segments) == ("a.b", ["1", ":#5"], ("x", "y"))
    assert second.filters[0].kind is L.FilterKind.EMPTY
    assert second.segments is None
    assert (third.series, third.cut, third.filters) == ("e.f", False, ())


def test_a_bare_name_before_a_comma_loses_its_last_letter():
    cut, whole = recordset.scan_set("hmi.M_720s,hmi.B_720s")
    assert (cut.series, cut.cut) == ("hmi.M_720", True)
    assert (whole.series, whole.cut) == ("hmi.B_720s", False)


@pytest.mark.parametrize("text", ["{prog:x}", " { prog:x } , a.b[]", "{  vot:x}"])
def test_braces_of_other_programs_may_begin_with_blanks(text):
    assert recordset.scan_set(text)[0].kind is L.ElementKind.FOREIGN


def test_a_brace_inside_a_filter_cuts_the_element():
    raw = only("su_test.types[brace{x}]{seg}")
    assert raw.text == "brace{x}"
    with pytest.raises(RecordSetError, match="cut off"):
        recordset.read_filter(raw, L.Kind.STRING)


@pytest.mark.parametrize(
    "text",
    ["a.b , c.d", "a.b #x", "a.b[1]\n,c.d", "a.b[\u00e9]", "a.b[:#" + "1,#" * 4000 + "1]", "  ", "a.b\tc.d"],
)
def test_what_kills_the_scanner(text):
    with pytest.raises(L.FatalSetError):
        recordset.scan_set(text)


@pytest.mark.parametrize("form", ["a.b[{}]", "a.b[1][{}]", "a.b[1]{{{}}}", "a.b[1][{}]{{x}}", "c.d,a.b[{}]"])
def test_an_element_is_as_long_as_the_servers_buffer(form):
    room = 8383 - len(form.format("").rpartition(",")[2])
    assert len(recordset.scan_set(form.format("1" * room))) == 1 + form.count(",")
    with pytest.raises(L.FatalSetError, match="split it"):
        recordset.scan_set(form.format("1" * (room + 1)))


def test_a_time_in_sql_has_room_in_the_servers_buffer():
    form = "a.b[? T > $({}) ?]"
    time = "2014.01.01_00:00:00_TAI"
    assert "1167609600" in recordset.scan_set(form.format(time.ljust(38)))[0].filters[0].source
    with pytest.raises(RecordSetError, match="40 characters"):
        recordset.scan_set(form.format(time.ljust(39)))


@pytest.mark.parametrize(
    "text", ["", ",a.b", "a.b[", "a.b]", "a.b[1]x", "a.b[1]{", "a.b{x}[1]", "a.b[1],,c.d", "a.b[:#1][:#2]", "a.b[1]<x>"]
)
def test_what_the_scanner_refuses(text):
    with pytest.raises(RecordSetError) as caught:
        recordset.scan_set(text)
    assert not isinstance(caught.value, L.FatalSetError)


def test_errors_point_at_the_character():
    with pytest.raises(RecordSetError) as caught:
        recordset.scan_set("hmi.M_720s[2014.01.01_TAI][3]x")
    assert caught.value.position == 29
    assert str(caught.value).splitlines()[-1].index("^") == 4 + 29


@pytest.mark.parametrize("before", [0, 10, 31, 32, 33, 100, 1000])
def test_errors_point_at_the_character_of_a_long_text(before):
    with pytest.raises(RecordSetError) as caught:
        recordset.scan_set(f"hmi.M_720s[2014.01.01_TAI][{'3' * before}]x{',3' * 100}")
    _, shown, mark = str(caught.value).splitlines()
    assert shown[mark.index("^")] == "x"
    assert len(shown) < 120


ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
grammar_text = st.text(st.sampled_from(list("a.b[]{}<>#^$:-/@,;'\"?! =0123456789_TAIZhmsd\\(x")), max_size=40)


@given(st.one_of(ascii_text, grammar_text, grammar_text.map("a.b[{}]".format)))
def test_no_text_upsets_the_parsers(text):
    """Whatever is sent, the answer is a tree or a RecordSetError, and spans lie inside the text."""
    try:
        elements = recordset.scan_set(text)
    except RecordSetError:
        return
    for element in elements:
        assert 0 <= element.start <= element.end <= len(text)
        for raw in element.filters:
            assert text[raw.start : raw.start + len(raw.text)] == raw.text
            for kind, slotted in itertools.product(L.Kind, (False, True)):
                with contextlib.suppress(RecordSetError):
                    if raw.kind in (L.FilterKind.SQL, L.FilterKind.SQL_ALL):
                        assert recordset.read_sql(raw).all_versions is (raw.kind is L.FilterKind.SQL_ALL)
                    elif raw.kind is L.FilterKind.RECNUM:
                        assert recordset.read_recnums(raw).items
                    else:
                        assert recordset.read_filter(raw, kind, slotted).name == recordset.filter_name(raw)
