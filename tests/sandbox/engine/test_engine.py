"""The query engine of the sandbox: recorded answers, SQL as PostgreSQL means it, searches that look where they must."""

import json

import numpy as np
import pytest
from golden_engine import FILES, ask, comparisons, engine, lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsoclite.errors import RecordSetError
from jsoclite.sandbox.catalog import printer
from jsoclite.sandbox.catalog.catalog import Catalog, Series, StoredCatalog
from jsoclite.sandbox.engine import engine as search
from jsoclite.sandbox.engine.engine import RECORD_LIMIT, Engine, EngineCrash, EngineError, to_int
from jsoclite.sandbox.postgres.compiler import Compiler
from jsoclite.sandbox.postgres.functions import order
from jsoclite.sandbox.postgres.parser import Parser, SqlError, excerpt

ALL = {
    "queries.jsonl": 591,
    "queries_random.jsonl": 651,
    "jsoc_info.jsonl": 170,
    "jsoc_info_raw.jsonl": 15,
    "alias.jsonl": 8,
    "show_series.jsonl": 11,
}


@pytest.fixture(scope="module")
def on():
    return engine()


def recnums(on, ds, n=None):
    return [int(number) for part in on.open(ds, n) for number in part.recnums]


# ------------------------------------------------------------------------------------------------ recorded answers
@pytest.mark.parametrize("name", FILES)
def test_all_recorded_answers_come_back(on, name):
    results = list(comparisons(on, name))
    assert len(results) == ALL[name]
    differing = [(asked, wanted, got) for asked, wanted, got in results if wanted != got]
    assert differing == []


def test_rs_summary_counts_what_the_server_counted(on):
    counted = [line for line in lines("queries.jsonl") if line["rs_summary_count"] is not None]
    assert len(counted) > 400
    for line in counted:
        status, body = ask(on, {"op": "rs_summary", "ds": line["ds"]})
        assert (status, json.loads(body)["count"]) == (200, line["rs_summary_count"]), line["ds"]


def test_more_records_than_the_limit_are_not_found_but_counted(on):
    """As recorded in record_limit_body.jsonl, on a smaller scale."""
    few = Engine(on.catalog, record_limit=50)
    recorded = [line for line in lines("record_limit_body.jsonl") if line.get("body")]
    refused = recorded[0]["body"] + "\n"  # recorded without the end of the line
    assert {(line["http"], line["body"]) for line in recorded} == {(200, refused.strip())}
    for ds, n in (
        ("hmi.M_720s[]", {}),
        ("hmi.M_720s[? recnum > 0 ?]", {}),
        ("hmi.M_720s[][1],hmi.M_720s[]", {}),
        ("hmi.M_720s[:#1-#80000]", {}),
        ("hmi.M_720s[]", {"n": "50"}),
        ("hmi.M_720s[]", {"n": "-100"}),
    ):
        assert ask(few, {"op": "rs_list", "ds": ds, "key": "T_REC", **n}) == (200, refused), ds
    assert few.count("hmi.M_720s[]") == 73
    assert few.count("hmi.sharp_cea_720s[! 1=1 !]", 60) == 50
    with pytest.raises(EngineCrash, match="negative n"):
        few.count("hmi.M_720s[],hmi.B_720s[]", -1)
    assert len(recnums(few, "hmi.M_720s[]", 12)) == 12
    assert len(recnums(few, "hmi.M_720s[]", -49)) == 49
    assert RECORD_LIMIT == 75_000


# -------------------------------------------------------------------------------------------------------------- SQL
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ANGLE = 'NaN' and NUM < 7", [6]),
        ("ANGLE > 1e300 and NUM < 10", [6, 12]),  # NaN is greater than any number
        ("not ANGLE > 1e300 and NUM = 0", [4]),
        ("D1 is null and NUM < 11", [13, 14]),
        ("D1 > 0 is unknown and NUM = 10", [14]),
        ("not D1 > 1 and NUM in (10, 9, 8, 7)", []),  # NULL is neither
        ("(D1 > 0 or NUM = 10) and NUM in (9, 10)", [14]),
        ("(D1 > 0 and NUM = 10) is false and NUM = 9", [13]),
        ("STR2 is not distinct from null and NUM = 18", [22]),
        ("OBJECT like 'UP%%'", [16]),
        ("OBJECT ilike 'up%%'", [16, 17]),
        ("OBJECT not like '%%e%%' and length(OBJECT) = 5", [1, 10, 13, 16, 23, 27, 28, 29]),
        ("OBJECT ~ '^[[:upper:]]+$'", [16]),
        ("OBJECT ~* '^upper$'", [16, 17]),
        ("OBJECT !~ '[a-z]' and NUM between 7 and 16", [15, 18, 19, 16]),
        ("upper(OBJECT) = 'PLAIN'", [1]),
        ("OBJECT || STR1 = 'plainx' or substr(OBJECT, 1, 2) = 'pl'", [1]),
        ("I2 / 2 = 127", [2]),  # integers lose the fraction
        ("NUM / 2 = -1 and NUM % 2 = -1", [1]),  # towards zero, sign of the dividend
        ("NUM / 2.0 = -1.5", [1]),
        ("I2 & 255 = 255 and I2 < 256", [2]),
        ("(I2 >> 8) = 1 and I2 # 1 = 511", [3]),
        ("NUM in (1, 2, 3)", [5, 6, 7]),
        ("NUM in (select max(NUM) from su_test.types)", [29]),
        ("NUM = any (array[1, 99])", [5]),
        ("NUM <> all (array[1, 99]) and NUM in (1, 2)", [6]),
        ("case when NUM < 0 then OBJECT else 'no' end = 'plain'", [1]),
        ("coalesce(nullif(STR1, ''), 'none') = 'none' and NUM < 0", [1, 3]),
        ("greatest(NUM, 24) > 24", [29]),
        ("NUM::text = '7'", [11]),
        ("cast(NUM as float8) / 2 = 3.5", [11]),
        ("round(2.5) = 3 and round(2.5::float8) = 2 and NUM = 1", [5]),
        ("F1 = 0.33333334::real and NUM = -2", [2]),
        ("F1 = 0.33333334", []),  # double precision meets a real column
        ("F1 in (0.33333334, 1) and NUM = -2", [2]),  # but a list meets it as real
        ("mod(NUM, 7) = 0 and NUM > 0 and abs(ANGLE) < 2", [25]),
        ("NUM = 21 and 1/NUM = 0", [25]),
        ("NUM <> 0 and 10 / NUM = 10", [5]),  # the right side of AND is not asked for NUM = 0
        ("recnum = 12 or SUNUM = 500002669", [12, 1]),
        ("exists (select 1 from su_test.types where NUM = 5) and NUM = 5", [9]),
        ("(select count(*) from hmi.m_720s) = 76 and NUM = 5", [9]),
        ("NUM = (select sum(camera) from hmi.m_720s where recnum in (12, 68)) + 1", [9]),
        ("NUM = (select avg(camera) from hmi.m_720s where recnum in (12, 68)) * 2 + 1", [9]),
        ("NUM = (select min(NUM) from su_test.types where NUM > 3)", [9]),
        ("NUM = (select max(NUM) from su_test.types where ANGLE = 'NaN' and NUM < 9)", [12]),
        ("(select min(D1) from su_test.types where NUM > 11) is null and NUM = 5", [9]),
        ("(select sum(D1) from su_test.types where D1 < 100) > 30 and NUM = 5", [9]),
        ("su_test.types.NUM = 5 and types.num = 5", [9]),
        ("/* a /* nested */ comment */ NUM = 5", [9]),
        ("OBJECT = E'two\\x20words' or OBJECT = $q$plain$q$", [1, 2]),
        ("NUM = +5 and -NUM = -5 and ~NUM = -6 and @ -5 = NUM", [9]),
        ("(NUM, 1) = 1", None),
    ],
)
def test_conditions_mean_what_postgresql_means(on, condition, expected):
    ds = f"su_test.types[? {condition} ?]"
    if expected is None:
        with pytest.raises(EngineError, match="syntax error"):
            on.open(ds)
    else:
        assert sorted(recnums(on, ds)) == sorted(expected)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("NUM", "argument of WHERE must be type boolean, not type integer"),
        ("NUM = 1 and OBJECT", "argument of AND must be type boolean, not type text"),
        ("OBJECT = 1", "operator does not exist: text = integer"),
        ("NUM like '1'", "operator does not exist: integer ~~ unknown"),
        ("D1 % 2 = 0", "operator does not exist: double precision % integer"),
        ("nosuch(NUM) = 1", "function nosuch(integer) does not exist"),
        ("pg_sleep(100) is null", "function pg_sleep(integer) does not exist"),
        ("types.nosuch = 1", "column types.nosuch does not exist"),
        ("other.NUM = 1", 'missing FROM-clause entry for table "other"'),
        ("NUM = 'x'", 'invalid input syntax for type integer: "x"'),
        ("NUM = 1e", 'trailing junk after numeric literal at or near "1e"'),
        ("NUM / 0 = 1", "division by zero"),
        ("1 / 0 = 1 and NUM = 99", "division by zero"),  # constants are worked out first
        ("NUM * 2000000000 > 0", "integer out of range"),
        ("L1 * 9000000000 > 0", "bigint out of range"),
        ("S1 = 99999 and 'a' = 1", 'invalid input syntax for type integer: "a"'),
        ("D1::int > 0", "integer out of range"),
        ("sqrt(NUM) > 0", "cannot take square root of a negative number"),
        ("(select NUM from su_test.types) = 1", "more than one row returned by a subquery used as an expression"),
        ("(select 1 from nosuch.series) = 1", 'relation "nosuch.series" does not exist'),
        ("NUM = 1 group by NUM", 'syntax error at or near "group"'),
        ("NUM = 1) union select (1", 'syntax error at or near "union"'),
        ("NUM = 1; delete from su_test.types", 'syntax error at or near ";"'),
        ("NUM = 1 /* ", 'unterminated /* comment at or near "/*'),
        ("OBJECT ~ '(a+)+$'", "regular expression is too complex"),
        ("OBJECT ~ '(a|ab)*$'", "regular expression is too complex"),
        ("OBJECT ~ '((a)b)*$'", "regular expression is too complex"),
        ("OBJECT ~ '['", "invalid regular expression"),
        ("NUM::nosuch = 1", 'type "nosuch" does not exist'),
        ("NUM::boolean", None),
        ("D1::boolean", "cannot cast type double precision to boolean"),
        ("~ D1 = 1", "operator does not exist: ~ double precision"),
        ("NUM =% 1", "operator does not exist: integer =% integer"),
        ("case when NUM = 1 then 1 else OBJECT end = 1", "CASE types integer and text cannot be matched"),
        ("coalesce(NUM, OBJECT) = 1", "COALESCE types integer and text cannot be matched"),
        ("case NUM end = 1", 'syntax error at or near "end"'),
        ("NUM = any NUM", 'syntax error at or near "any"'),
        ("NUM = any (NUM)", 'syntax error at or near "NUM"'),
        ("NUM is 1", 'syntax error at or near "1"'),
        ("exists (NUM)", 'syntax error at or near "NUM"'),
        ("(select 1 from where) = 1", 'syntax error at or near "where"'),
        ("su_test.3 = 1", "syntax error"),
        ("NUM = 1 and", 'syntax error at or near ")"'),
        ("table = 1", 'syntax error at or near "table"'),
        ("OBJECT = $a$x", "unterminated dollar-quoted string"),
        ("NUM::smallint > 0 and NUM = '99999'::smallint", 'value "99999" is out of range for type smallint'),
        ("NUM = '1_0'", 'invalid input syntax for type integer: "1_0"'),
        ("D1 = '1_0'", 'invalid input syntax for type double precision: "1_0"'),
        ("NUM > 'x'::boolean", "invalid input syntax for type boolean"),
        ("exp(D2 * 1000) > 0", "value out of range: overflow"),
        ("D2 / 0 > 0", "division by zero"),
        ("ln(0) > 0", "cannot take logarithm of zero"),
        ("ln(-1) > 0", "cannot take logarithm of a negative number"),
        ("acos(2) > 0", "input is out of range"),
        ("abs(L1) > 0", "bigint out of range"),
        ("substr('a', 1, -1) = ''", "negative substring length not allowed"),
        ("(select sum(NUM), 1 from su_test.types) > 0", "syntax error"),
        ("not " * 1900 + "NUM = 1", "stack depth limit exceeded"),
    ],
)
def test_what_postgresql_refuses_is_refused_in_its_words(on, condition, message):
    if message is None:
        assert len(recnums(on, f"su_test.types[? {condition} ?]")) == 28  # all but NUM = 0
        return
    with pytest.raises(EngineError) as caught:
        on.open(f"su_test.types[? {condition} ?]")
    assert str(caught.value).startswith("ERROR:  ")
    assert message in str(caught.value)


def test_a_text_with_a_percent_sign_goes_through_printf_only_without_a_shadow_table(on):
    assert recnums(on, "hmi.M_720s[? INSTRUME like '%FRONT%' ?]") == []
    with pytest.raises(EngineCrash, match="double the %"):
        on.open("hmi.M_720s[? INSTRUME like '%n' ?]")
    series = on.catalog["hmi.M_720s"]
    series.shadow = True
    try:
        assert len(recnums(on, "hmi.M_720s[? INSTRUME like '%FRONT%' ?]")) == 6
        assert recnums(on, "hmi.M_720s[]", -2) == [66, 67]
        assert recnums(on, "hmi.M_720s[2014.01.01_01:00:00_TAI][3]", 1) == [75]
    finally:
        series.shadow = False


@pytest.mark.parametrize(
    ("ds", "n", "message"),
    [
        ("hmi.M_720s[][3][? T_REC_index > 920000 ?]", 3, "problem with database query"),
        ("hmi.M_720s[][3][? T_REC_index > 920000 ?]", None, None),
        ("hmi.M_720s[? T_REC_index > 920000 ?]", -3, None),
        ("su_test.types[? recnum < 9 ?]", 3, "problem with database query"),  # recT1.num
        (
            "hmi.M_720s[2014.01.01_TAI/1d][? recnum < 9 ?]",
            None,
            'invalid reference to FROM-clause entry for table "t2"',
        ),
        ("hmi.M_720s[2014.01.01_TAI/1d][? m_720s.quality = 0 ?]", None, "invalid reference to FROM-clause entry"),
        ("hmi.M_720s[2014.01.01_TAI/1d][? QUALITY = 'x' ?]", None, 'invalid input syntax for type integer: "x"'),
        ("hmi.M_720s[2014.01.01_TAI/1d][? QUALITY = 'x' ?]", 1, "problem with database query"),
        ("hmi.M_720s[2014.01.01_TAI/1d][? drms.image_exists(quality) ?]", None, None),
        ("hmi.M_720s[:#1-#30][? recnum - 1 in (0, 7) ?]", None, None),  # record numbers need no shadow table
        ("hmi.sharp_cea_720s[HARPNUM=#-#7115@3][T_REC=2014.01.01_TAI/1d]", None, "aggregate functions are not allowed"),
        ("hmi.sharp_cea_720s[$][? T_REC > 0 ?]", 2, None),
    ],
)
def test_what_a_shadow_table_makes_the_server_refuse(on, ds, n, message):
    shadowed = Engine(on.catalog, shadow=True)
    if message is None:
        assert recnums(shadowed, ds, n) == recnums(on, ds, n)
    else:
        with pytest.raises(EngineError, match=message):
            shadowed.open(ds, n)
    if "'x'" not in ds:
        assert shadowed.count(ds) == on.count(ds)


@pytest.mark.parametrize(
    "ds", ["hmi.M_720s[2014.01.01_TAI/3h][$]", "hmi.sharp_cea_720s[HARPNUM=^][T_REC=2014.01.01_TAI/1d]"]
)
def test_the_last_ones_of_a_first_or_last_value_come_backwards_from_a_shadow_table(on, ds):
    shadowed = Engine(on.catalog, shadow=True)
    whole = recnums(on, ds)
    assert recnums(shadowed, ds) == whole
    assert recnums(shadowed, ds, 3) == whole[:3]
    assert recnums(on, ds, -3) == whole[-3:]
    assert recnums(shadowed, ds, -3) == whole[-3:][::-1]


def test_first_and_last_values_go_by_the_order_of_prime_keys_on_a_shadow_table(on):
    """The other path goes by the order in which they are written."""
    shadowed = Engine(on.catalog, shadow=True)
    ds, turned = "hmi.sharp_cea_720s[T_REC=#^][HARPNUM=5924]", "hmi.sharp_cea_720s[HARPNUM=5924][T_REC=#^]"
    assert recnums(shadowed, ds) == recnums(shadowed, turned) == recnums(on, turned)
    assert recnums(on, ds) == []


def test_drms_image_exists_is_about_bit_31(on):
    every = recnums(on, "hmi.M_720s[]")
    with_image = recnums(on, "hmi.M_720s[? drms.image_exists(quality) ?]")
    assert sorted(set(every) - set(with_image)) == recnums(on, "hmi.M_720s[? QUALITY < 0 ?]") == [30, 35]


def test_long_lists_are_neither_slow_nor_deep(on):
    items = ",".join(f"2014.01.01_{minute // 60:02d}:{minute % 60:02d}_TAI" for minute in range(0, 1200, 4))
    found = recnums(on, f"hmi.M_720s[{items}][3]")
    assert found == recnums(on, "hmi.M_720s[2014.01.01_TAI/20h][3]")
    wanted = ",".join(f"#{number}" for number in range(1, 1500))
    assert len(recnums(on, f"aia.lev1_euv_12s[:{wanted}]")) == 1386


def test_the_excerpt_is_cut_as_libpq_cuts_it():
    assert excerpt("select x", 7) == "LINE 1: select x\n               ^\n"
    long = "a" * 100
    assert excerpt(long, 5) == f"LINE 1: {'a' * 60}...\n{' ' * 13}^\n"
    assert excerpt(long, 95) == f"LINE 1: ...{'a' * 60}\n{' ' * 66}^\n"
    assert excerpt("one\ntwo\tthree", 8) == "LINE 2: two three\n            ^\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4 ^ 2", 50.0),
        ("- 2 ^ 2", 4.0),
        ("7 / 2 - -7 / 2 + 7 % 4 - -7 % 4", 12),
        ("'2' || '3'", "23"),
        ("length(rtrim('ab  '))", 2),
        ("round(-2.5) + trunc(-2.7) + ceil(2.1) + floor(-0.5)", -3.0),
        ("round(3.14159, 2)", 3.14),
        ("degrees(pi())", 180.0),
        ("1 << 31", -(2**31)),
        ("case 2 when 1 then 'a' when 2 then 'b' end", "b"),
        ("coalesce(null, 3)", 3),
        ("least(3, null, 2)", 2),
        ("null and false", False),
        ("null or true", True),
        ("null is null", True),
        ("'NaN'::float8 = 'NaN'::float8", True),
        ("'infinity'::float8 < 'NaN'::float8", True),
        ("2147483647 + 1.0", 2147483648.0),
        ("float8 '1.5' + double precision '2'", 3.5),
        ("'yes'::bool", True),
        ("(1 = 1)::int", 1),
        ("5 between symmetric 7 and 3", True),
        ("1 isnull", False),
        ("1 notnull", True),
        ("1 is distinct from null", True),
        ("1 is not distinct from 1", True),
        ("null is not unknown", False),
        ("'ab' similar to '(a|b)+'", True),
        ("'ab' similar to 'a_'", True),
        ("'a%b' like 'a!%b' escape '!'", False),
        ("'a%b' like 'a\\%b'", True),
        ("'a_b' ~~ 'a\\_b' and 'axb' !~~ 'a\\_b' and 'AB' ~~* 'a%'", True),
        ("'ab' !~* '^B'", True),
        ("exp(0) + ln(1) + log(100) + cbrt(8) + power(2, 3) + mod(7, 4)", 16.0),
        ("sin(0) + cos(0) + tan(0) + asin(0) + acos(1) + atan(0) + atan2(0, 1) + radians(0)", 1.0),
        ("div(7, 2) + sign(-3) + (|/ 9) + (||/ 27)", 8.0),
        ("trunc(3.789, 1)", 3.7),
        ("lower('AB') || ltrim(' a') || btrim('xax', 'x') || replace('aba', 'b', 'c')", "abaaaca"),
        ("left('abc', 2) || right('abc', 1) || substring('abcd', 2, 2) || trim(' x ')", "abcbcx"),
        ("strpos('abc', 'c') + char_length('ab')", 5),
        ("starts_with('abc', 'ab')", True),
        ("nullif(1, 1)", None),
        ("greatest('a', 'c', 'b')", "c"),
        ("1.5::text || 2::text || true::text || 0.1::real::text || 'NaN'::float::text", "1.52true0.1NaN"),
        ("'12'::text::int + '1.5'::text::float8", 13.5),
        ("'f'::text::boolean or 0::boolean", False),
        ("1::bigint << 40", 2**40),
        ("6 # 3 | 8", 13),
        ("'3' + 4", 7),
        ("- '3'", -3.0),
        ("2 = any (select 1)", True),
        ("1 in (2)", False),
        ("null in (1, 2)", None),
        ("'a' in ('a', 'b')", True),
        ("true > false", True),
        ("numeric '1.5'", 1.5),
        ("cast('5' as numeric(5, 2)) + cast(1 as character varying)::int", 6.0),
        ("3--2\n", 3),
        ("5 /* five */ - -1", 6),
    ],
)
def test_constants_are_worked_out(text, value):
    term = Compiler((), {}, lambda select: ("integer", [2])).term(Parser(text).expression())
    assert term.constant
    assert term.value == pytest.approx(value) if isinstance(value, float) else term.value == value


def test_errors_of_constants_name_the_place():
    with pytest.raises(SqlError) as caught:
        Compiler((), {"a": "integer"}, lambda select: ("integer", [])).term(Parser("a = 'b'").expression())
    assert caught.value.report("a = 'b'") == (
        "ERROR:  invalid input syntax for type integer: \"b\"\nLINE 1: a = 'b'\n            ^\n"
    )


# ----------------------------------------------------------------------------------------------- searching in parts
NUMBERS = {
    "t_rec_index": st.integers(920390, 920440),
    "camera": st.integers(0, 4),
    "recnum": st.integers(-2, 80),
    "quality": st.sampled_from([0, 1024, -2147483648]),
}
COMPARISON = (
    st.sampled_from(sorted(NUMBERS))
    .flatmap(
        lambda name: st.tuples(
            st.just(name), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMBERS[name], st.booleans()
        )
    )
    .map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}" if parts[3] else f"{parts[2]} {parts[1]} {parts[0]}")
)
CONDITION = st.recursive(
    COMPARISON
    | st.lists(st.integers(1, 76), min_size=2, max_size=5).map(lambda some: f"recnum in ({str(some)[1:-1]})"),
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(lambda x: f"({x[1]} {x[0]} {x[2]})")
        | inner.map(lambda one: f"not ({one})")
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(condition=CONDITION, mark=st.sampled_from("?!"))
def test_bounds_never_lose_a_record(condition, mark):
    on = ENGINE
    wanted = recnums(on, f"hmi.M_720s[{mark} coalesce({condition}, false) ?]".replace("?]", f"{mark}]"))
    assert sorted(recnums(on, f"hmi.M_720s[{mark} {condition} {mark}]")) == sorted(wanted)


ENGINE = engine()


@pytest.mark.parametrize("size", [1, 3, 40])
def test_a_search_in_short_stretches_finds_the_same(on, monkeypatch, size):
    sets = [
        "hmi.M_720s[]",
        "aia.lev1_euv_12s[][171]",
        "aia.lev1[]",
        "hmi.sharp_cea_720s[][2014.01.01_TAI/1h]",
        "hmi.M_720s[$]",
    ]
    wanted = [[recnums(on, ds, n) for n in (None, 5, -5)] for ds in sets]
    monkeypatch.setattr(search, "_WINDOW", size)
    monkeypatch.setattr(search, "_SECONDS", float(size))
    assert [[recnums(on, ds, n) for n in (None, 5, -5)] for ds in sets] == wanted


def test_a_search_gives_up_after_too_much_work(on, monkeypatch):
    monkeypatch.setattr(search, "WORK_LIMIT", 100)
    assert len(recnums(on, "hmi.M_720s[]")) == 73
    with pytest.raises(EngineError, match="canceling statement due to statement timeout"):
        on.open("hmi.M_720s[? QUALITY = 0 ?]")


def test_ranges_of_many_centuries_end_at_the_records(on, monkeypatch):
    wanted = recnums(on, "hmi.M_720s[]")
    asked = []
    series = on.catalog["hmi.M_720s"]
    find = series.candidates
    monkeypatch.setattr(series, "candidates", lambda bounds, every: asked.append(bounds) or find(bounds, every))
    assert recnums(on, "hmi.M_720s[0001.01.01_TAI-9999.01.01_TAI]") == wanted
    assert len(asked) < 5


def test_a_series_that_cannot_make_up_so_many_records_times_out(on, monkeypatch):
    def refuse(bounds, every):
        raise RecordSetError("too many")

    monkeypatch.setattr(on.catalog["hmi.M_720s"], "candidates", refuse)
    with pytest.raises(EngineError, match="statement timeout"):
        on.count("hmi.M_720s[]")


@given(st.lists(st.integers(0, 12), max_size=300))
def test_postgresqls_sort_sorts(keys):
    rows = order(keys)
    assert sorted(rows) == list(range(len(keys)))
    assert [keys[row] for row in rows] == sorted(keys)


# ---------------------------------------------------------------------------------------------------------- robust
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.text(alphabet="hmi.M_720s[]{}?!:#$^,;@'\"-/0123456789 TAI()=<>%*", max_size=40),
        st.text(alphabet="NUMOBJECT angle'\"()=<>!~*/+-%&|0123456789.,:in like", max_size=40).map(
            lambda text: f"su_test.types[? {text} ?]"
        ),
        st.text(alphabet="0123456789.:_-/@^$#,TAIZdhmsu ", max_size=30).map(lambda text: f"hmi.M_720s[{text}]"),
    )
)
def test_whatever_is_asked_the_answer_is_an_answer(ds):
    for operation in ("rs_list", "rs_summary"):
        status, body = ask(ENGINE, {"op": operation, "ds": ds, "key": "**ALL**", "n": "3", "R": "1"})
        assert (status, body) == (500, "") or json.loads(body)["status"] in (0, 1)


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), (" -3 ", -3), ("1.9", 1), ("1e2", 100), ("", -(2**31)), ("x", -(2**31)), ("2147483648", -(2**31))],
)
def test_integer_parameters(text, number):
    assert to_int(text) == number


# --------------------------------------------------------------------------------------------------------- catalogue
def test_a_catalogue_finds_series_in_any_case(on):
    assert isinstance(on.catalog, Catalog)
    assert on.catalog["HMI.m_720S"] is on.catalog["hmi.M_720s"]
    assert "HMI.M_720S" in on.catalog
    assert 5 not in on.catalog
    assert list(on.catalog)[:2] == ["aia.lev1", "aia.lev1_euv_12s"]
    assert len(on.catalog) == 9
    assert all(isinstance(series, Series) for series in on.catalog.values())


def test_paths_and_storage(on):
    series = on.catalog["hmi.M_720s"]
    assert series.path(12, "MAGNETOGRAM") == "/SUM0/D500000011/S00000/magnetogram.fits"
    assert series.path(12, "nosuch") is None
    assert series.path(9999, "magnetogram") is None
    assert on.catalog["hmi.sharp_cea_720s"].path(148, "field") is None  # a link
    assert series.extremes("recnum") == (1, 76)
    assert on.catalog["su_test.types"].extremes("object") == ("", "with[bracket")


def test_a_directory_without_a_catalogue_is_refused(tmp_path):
    with pytest.raises(RecordSetError, match=r"holds no SERIES\.definition\.json"):
        StoredCatalog(tmp_path)
    for text in ("{}", "[1]", "no JSON"):
        (tmp_path / "a.b.definition.json").write_text(text)
        with pytest.raises(RecordSetError, match=r"a\.b\.definition\.json is no definition of a series"):
            StoredCatalog(tmp_path)


def write_series(directory, name, *, primary="T", keywords=(), segments=(), links=(), rows=()):
    """A stored series out of a few words."""
    series = {
        "seriesname": name, "unitsize": 1, "archive": 0, "retention": 3 << 16 | 10, "tapegroup": 0,
        "primary_idx": primary, "description": f"series {name}", "dbidx": primary,
    }  # fmt: skip
    usual = {
        "seriesname": name, "format": "%d", "defaultval": "0", "linkname": "", "targetkeyw": "", "unit": "none",
        "islink": 0, "isconstant": 0, "description": "",
    }  # fmt: skip
    definition = {
        "drms_series": [series],
        "drms_keyword": [
            {**usual, **key, "persegment": rank << 16 | key.get("persegment", 0)} for rank, key in enumerate(keywords)
        ],
        "drms_segment": list(segments),
        "drms_link": list(links),
    }
    (directory / f"{name}.definition.json").write_text(json.dumps(definition))
    (directory / f"{name}.records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def segment(name, number, **more):
    return {
        "segmentname": name, "segnum": number, "scope": "variable", "type": "int", "naxis": 1, "axis": "8",
        "unit": "a/b", "protocol": "fits", "description": "", "islink": 0, "linkname": "", "targetseg": "", **more,
    }  # fmt: skip


def unit(number, **more):
    known = {
        "online": "Y",
        "archive": "N",
        "effective_date": "203001020304",
        "bytes": 9,
        "mtime": "2020-01-02T03:04:05Z",
    }
    return {"sunum": number, "online_loc": f"/SUM1/D{number}", **known, **more}


@pytest.fixture
def linked(tmp_path):
    """Two series: records of one point to those of the other by prime key, one of them nowhere."""
    write_series(
        tmp_path,
        "a.target",
        primary="T, W",
        keywords=[
            {"keywordname": "T", "type": "int"},
            {"keywordname": "W", "type": "string", "format": "%s"},
            {"keywordname": "X", "type": "double", "format": "%.1f", "unit": "m", "description": "what X is"},
        ],
        segments=[segment("data", 0)],
        rows=[
            {"recnum": 1, "sunum": 7, "slotnum": 2, "t": 1, "w": "p", "x": 1.5, "sg_000_file": "old.fits"},
            {"recnum": 2, "sunum": 7, "slotnum": 3, "t": 1, "w": "p", "x": 2.5, "sg_000_file": "new.fits"},
        ],
    )
    write_series(
        tmp_path,
        "a.source",
        keywords=[
            {"keywordname": "T", "type": "int"},
            {"keywordname": "XX", "type": "int", "islink": 1, "linkname": "TO", "targetkeyw": "X", "format": ""},
            {"keywordname": "GONE", "type": "int", "islink": 1, "linkname": "TO", "targetkeyw": "NOSUCH", "format": ""},
            {"keywordname": "RMS", "type": "float", "format": "%.2f", "persegment": 1, "description": "noise"},
            {"keywordname": "CONST", "type": "short", "isconstant": 1, "defaultval": "0x10"},
        ],
        segments=[segment("own", 0), segment("far", 1, islink=1, linkname="TO", targetseg="data", protocol="generic")],
        links=[{"linkname": "TO", "target_seriesname": "a.target", "type": "dynamic", "description": ""}],
        rows=[
            {"recnum": 1, "sunum": 8, "slotnum": 0, "t": 1, "rms_000": 0.25, "rms_001": 0.5, "sg_000_file": "o.fits"}
            | {"ln_to_t": 1, "ln_to_w": "p"},
            {"recnum": 2, "sunum": 9, "slotnum": 0, "t": 2, "rms_000": None, "rms_001": 1.5, "sg_000_file": ""}
            | {"ln_to_t": 5, "ln_to_w": "p"},
        ],
    )
    units = [
        unit(7, files={"new.fits": 5760}),
        unit(8, files={"o.fits": 2880}, archive="Pending"),
        unit(9, online="N", archive="Y"),
    ]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(one) + "\n" for one in units))
    return Engine(StoredCatalog(tmp_path), clock=lambda: 0.0)


def test_dynamic_links_lead_to_the_newest_version(linked):
    params = {"op": "rs_list", "ds": "a.source[]", "key": "XX,GONE,CONST", "seg": "far,own", "link": "TO,NO", "R": "1"}
    status, body = ask(linked, params)
    reply = json.loads(body)
    assert status == 200
    assert {one["name"]: one["values"] for one in reply["keywords"]} == {
        "XX": ["2.5", "Invalid KeyLink"],
        "GONE": ["Invalid KeyLink"] * 2,
        "CONST": ["16", "16"],
    }
    far, own = reply["segments"]
    assert far["values"] == ["/SUM1/D7/S00003/new.fits", "BadSegLink"]
    assert far["dims"] == ["8", "NA"]
    assert own["values"] == ["/SUM1/D8/S00000/o.fits", "NoDataDirectory"]
    assert [one["values"] for one in reply["links"]] == [["a.target[1][p]", "Invalid_Link"], ["Invalid_Link"] * 2]
    assert [one["online"] for one in reply["recinfo"]] == [1, 0]


def test_keywords_of_segments_are_expanded(linked):
    body = json.loads(ask(linked, {"op": "rs_list", "ds": "a.source[]", "key": "**ALL**"})[1])
    assert [one["name"] for one in body["keywords"]] == ["T", "XX", "GONE", "RMS_000", "RMS_001", "CONST"]
    assert [one["values"] for one in body["keywords"]][3:5] == [["0.25", "0.00"], ["0.50", "1.50"]]
    listed = json.loads(
        ask(linked, {"op": "rs_list", "ds": "a.source[1]", "key": "**ALL**", "seg": "**ALL**", "f": "1"})[1]
    )
    (record,) = listed["recset"]
    assert [one["name"] for one in record["keywords"]] == ["T", "XX", "GONE", "CONST"]
    assert [one["keywords"] for one in record["segments"]] == [
        [{"name": "RMS", "value": "0.25"}],
        [{"name": "RMS", "value": "0.5"}],
    ]
    assert record["segments"][0]["path"] == "/SUM1/D8/S00000/o.fits"


def test_the_structure_of_links_and_segments(linked):
    body = json.loads(ask(linked, {"op": "series_struct", "ds": "a.source", "o": "1"})[1])
    keys = {one["name"]: one for one in body["keywords"]}
    assert keys["XX"] == {
        "name": "XX", "linkinfo": "TO->X", "type": "double", "recscope": "variable", "defval": "0.0", "units": "m",
        "note": "what X is",
    }  # fmt: skip
    assert keys["GONE"]["type"] == "link"
    assert keys["RMS"]["recscope"] == "segment"
    assert list(keys) == ["T", "XX", "GONE", "RMS", "CONST"]
    assert body["segments"][1]["protocol"] == "link via TO"
    assert body["links"][0]["kind"] == "DYNAMIC"
    assert (body["retention"], body["stagingretention"]) == (10, 3)
    assert (body["owner"], body["Interval"]["HasShadow"]) == ("production", "no")
    text = ask(linked, {"op": "series_struct", "ds": "a.source", "l": "1"})[1]
    assert json.loads(text)["segments"][1] == {
        "name": "far",
        "type": "int",
        "units": "a/b",
        "protocol": "fits",
        "dims": "8",
        "note": "",
    }
    assert '"units": "a/b"' in text


def test_what_sums_knows(linked):
    keys = "*size*,*online*,*retain*,*archive*,*recdir*,*dirmtime*,*logdir*,*spec*,*sunum*"
    body = json.loads(ask(linked, {"op": "rs_list", "ds": "a.source[]", "key": keys})[1])
    assert {one["name"]: one["values"] for one in body["keywords"]} == {
        "*size*": ["8639", "NA"],  # one byte short, and the linked file counts
        "*online*": ["Y", "N"],
        "*retain*": ["2030.01.02", "N/A"],
        "*archive*": ["Pending", "Y"],
        "*recdir*": ["/SUM1/D8/S00000", "NoDataDirectory"],
        "*dirmtime*": ["2020.01.02_03:04:05_UT", "NA"],
        "*logdir*": ["NO LOG", "NO LOG"],
        "*spec*": ["a.source[1]", "a.source[2]"],
        "*sunum*": [8, 9],
    }
    records = json.loads(ask(linked, {"op": "rs_list", "ds": "a.source[]", "key": keys, "f": "1"})[1])["recset"]
    assert [(one["size"], one["online"], one["expdate"], one["archive"]) for one in records] == [
        ("8640", "Y", "2030.01.02", "Pending"),
        ("NA", "N", "NA", "Y"),
    ]


def test_an_empty_series_is_no_error(tmp_path):
    write_series(tmp_path, "a.empty", keywords=[{"keywordname": "T", "type": "int"}])
    on = Engine(StoredCatalog(tmp_path))
    for ds in ("a.empty", "a.empty[]", "a.empty[$]", "a.empty[1-5]", "a.empty[:#1-#5]", "a.empty[:#$]"):
        assert on.open(ds)[0].recnums.tolist() == []
        assert on.count(ds) == 0
    body = json.loads(ask(on, {"op": "series_struct", "ds": "a.empty"})[1])
    assert body["Interval"] == {
        "FirstRecord": "NA",
        "FirstRecnum": "NA",
        "LastRecord": "NA",
        "LastRecnum": "NA",
        "MaxRecnum": 0,
    }


def test_a_series_without_prime_keys_is_listed_as_it_was_made(tmp_path):
    rows = [{"recnum": number, "v": 9 - number} for number in (3, 1, 2)]
    write_series(tmp_path, "a.log", primary="", keywords=[{"keywordname": "V", "type": "int"}], rows=rows)
    on = Engine(StoredCatalog(tmp_path))
    (part,) = on.open("a.log[? V > 5 ?]")
    assert on.reader.names(part.series, part.recnums) == ["a.log[:#3]", "a.log[:#1]", "a.log[:#2]"]
    assert json.loads(ask(on, {"op": "series_struct", "ds": "a.log"})[1])["primekeys"] == [None]


@pytest.fixture
def slotted(tmp_path):
    """A series with the rarer kinds of slots: floors of 12 s, and steps of 5 that begin at 10."""
    write_series(
        tmp_path,
        "a.slot",
        primary="T_index, X_index",
        keywords=[
            {"keywordname": "T", "type": "time", "isconstant": 1004, "unit": "TAI", "format": "0"},
            {"keywordname": "T_epoch", "type": "time", "isconstant": 1, "defaultval": "1977.01.01_TAI"},
            {"keywordname": "T_step", "type": "string", "isconstant": 1, "defaultval": "12s", "format": "%s"},
            {"keywordname": "T_index", "type": "longlong", "isconstant": 100},
            {"keywordname": "X", "type": "double", "isconstant": 1001, "format": "%g"},
            {"keywordname": "X_base", "type": "double", "isconstant": 1, "defaultval": "10"},
            {"keywordname": "X_step", "type": "double", "isconstant": 1, "defaultval": "5"},
            {"keywordname": "X_index", "type": "longlong", "isconstant": 100},
        ],
        rows=[
            {"recnum": 1 + 4 * t + x, "t": 12.0 * t, "t_index": t, "x": 10.0 + 5 * x, "x_index": x}
            for t in range(3)
            for x in range(4)
        ],
    )
    return Engine(StoredCatalog(tmp_path))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("[1977.01.01_00:00:11.9_TAI][10]", [1]),  # floor
        ("[1977.01.01_00:00:12_TAI][10]", [5]),
        ("[1977.01.01_TAI/24s][12.4]", [1, 5]),
        ("[1977.01.01_TAI/2u][12.5]", [2, 6]),  # halves go up
        ("[12s][10-20@10]", [5, 7]),  # an offset from the epoch
        ("[#2][15/10]", [10, 11]),
        ("[#2][15/2]", [10]),  # at least one slot
        ("[#0-#2@2][#1]", [2, 10]),
        ("[T_index=1][X=25]", [8]),
        ("[^][$]", [4]),
        ("[T=#-#1][X_index=3]", [4, 8]),
        ("[1977.01.01_TAI-1977.01.01_00:00:30_TAI@20s][10]", [1, 9]),  # 20 s are 2 slots
    ],
)
def test_slots_of_all_kinds(slotted, filters, expected):
    assert recnums(slotted, f"a.slot{filters}") == expected


def test_definitions_that_contradict_themselves_are_refused(tmp_path):
    write_series(tmp_path, "a.b", primary="NOSUCH", keywords=[{"keywordname": "T", "type": "int"}])
    with pytest.raises(RecordSetError, match="prime key 'NOSUCH' is not among its keywords"):
        StoredCatalog(tmp_path)
    step = {"keywordname": "T_step", "type": "string", "isconstant": 1, "defaultval": "often"}
    write_series(tmp_path, "a.b", keywords=[{"keywordname": "T", "type": "time", "isconstant": 1000}, step])
    with pytest.raises(RecordSetError, match="T_step is 'often', which is no number"):
        _ = StoredCatalog(tmp_path)["a.b"].definition.slotting
    (tmp_path / "a.b.records.jsonl").unlink()
    with pytest.raises(RecordSetError, match=r"records\.jsonl is missing"):
        StoredCatalog(tmp_path)


def test_two_records_of_one_number_are_refused(tmp_path):
    write_series(
        tmp_path,
        "a.b",
        keywords=[{"keywordname": "T", "type": "int"}],
        rows=[{"recnum": 1, "t": 1}, {"recnum": 1, "t": 2}],
    )
    with pytest.raises(RecordSetError, match="same recnum"):
        StoredCatalog(tmp_path)


def test_record_names_with_segments(on):
    (part,) = on.open("hmi.B_720s[2014.01.01_TAI]{azimuth,field,nosuch}")
    assert part.segments == ("azimuth", "field")
    assert on.reader.names(part.series, part.recnums) == ["hmi.B_720s[2014.01.01_00:00:00_TAI]"]


def test_keyword_text_in_two_precisions(on):
    (part,) = on.open("hmi.M_720s[2014.01.01_00:12:00_TAI][3]")

    def text(name, full, recnums=part.recnums):
        found = on.reader.values(part.series, recnums, part.series.definition.find(name))
        return printer.printed(found.key, found.values, full)

    assert [text("crota2", full) for full in (False, True)] == [["179.926895"], ["179.926895"]]
    assert text("DATE__OBS", True) == ["2014-01-01T00:10:53.511000Z"]
    assert text("T_REC", False, np.empty(0, dtype=np.int64)) == []
