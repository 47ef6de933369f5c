"""Conditions: what would leave its parentheses, and which words have to be keywords."""

import pytest

import jsoclite
from jsoclite.errors import RecordSetError, UnknownName
from jsoclite.recordset import RecordSet
from jsoclite.sandbox import Sandbox

RANGE = "2014.01.01_TAI", "2014.01.01_02:00:00_TAI"

LEAVING = [
    "QUALITY=0) or (1=1",
    "QUALITY=0)",
    "(QUALITY=0",
    ")(",
    "QUALITY=0 -- and more",
    "QUALITY=0) or (1=1 --",
    "QUALITY=0 /* ) */",
    "QUALITY=0; delete from x",
    r"TELESCOP='a\') or (1=1 or TELESCOP='",
    r"TELESCOP='a\\\') or (1=1 or TELESCOP='",
    "TELESCOP=\"a') or (1=1 or TELESCOP='\"",
    r"TELESCOP='a\"' or 1=1",
    "TELESCOP=$$a$$ or 1=1",
    "TELESCOP=$x$($x$",
    "(TELESCOP=')'",
    "TELESCOP='(')",
]
STAYING = [
    "QUALITY=0 or 1=1",
    "(QUALITY=0) or (1=1)",
    "TELESCOP=')('",
    "TELESCOP='it''s) or (1=1'",
    'TELESCOP="SDO/HMI) or ("',
    r"TELESCOP like 'a\\' or (CAMERA=3)",
    "CAMERA - -1 > 2",
    "T_OBS > $(2014.01.01_TAI) and (QUALITY & 0x400) = 0",
    "NOAA_ARS ~ '(^|,)12673(,|$)'",
    "mod(CAMERA, 2) = 1",
]


@pytest.fixture(scope="module")
def client():
    with Sandbox() as sandbox, sandbox.client() as made:
        yield made


@pytest.mark.parametrize("sql", LEAVING)
def test_a_condition_stays_in_its_parentheses(client, sql):
    for where in (sql, [sql], {sql: 0}, [("CAMERA", "=", 3), sql], [(sql, "=", 0)]):
        with pytest.raises(RecordSetError):
            RecordSet("hmi.M_720s", *RANGE, where=where)
    with pytest.raises(RecordSetError, match="cannot be sent"):
        RecordSet("hmi.M_720s", *RANGE, where=sql)


@pytest.mark.parametrize("form", ["[? {} ?]", "[?{}?]", "[!{}!]"])
@pytest.mark.parametrize("sql", [one for one in (*LEAVING, ") or (1=1") if "$($" not in one])
def test_a_text_that_leaves_its_parentheses_is_read_and_not_sent(client, monkeypatch, sql, form):
    read = RecordSet.parse(f"hmi.M_720s[2014.01.01_TAI/2h]{form.format(sql)}")
    assert any(f"{form[-2:]}: " in problem for problem in read.problems())
    client.info("hmi.M_720s")
    monkeypatch.setattr(client.transport, "request", lambda *_, **__: pytest.fail("it was sent"))
    for ask in (client.query, client.count, lambda rs: next(client.stream(rs)), client.export):
        with pytest.raises(RecordSetError, match="not sent"):
            ask(read)


@pytest.mark.parametrize("sql", STAYING)
def test_whole_conditions_are_sent(sql):
    rs = RecordSet("a.b", *RANGE, where=sql)
    assert rs.problems() == RecordSet.parse(str(rs)).problems() == []


def test_all_the_records_of_a_series_are_not_opened(client):
    assert client.count("hmi.M_720s[2014.01.01_TAI/2h][? QUALITY=0 or 1=1 ?]") == 10
    with pytest.raises(RecordSetError, match=r"a \) closes more than was opened"):
        client.search("hmi.M_720s", *RANGE, where="QUALITY=0) or (1=1")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("QUALTY=0", "QUALTY.*Did you mean QUALITY"),
        ("QUALITY=0 and DATAMEN > 3", "DATAMEN.*DATAMEAN"),
        ("abs(DATAMEN) > 1e3", "DATAMEN"),
        ("TELESCOPE like 'SDO%'", "TELESCOPE.*TELESCOP"),
        ({"QUALTY": 0}, "QUALTY"),
        ({"QUALTY & 0x400": 0}, "QUALTY"),
        ([("QUALITY", "=", 0), ("CAMRA", "in", [1, 3])], "CAMRA.*CAMERA"),
        (["QUALITY=0 or CAMRA=3"], "CAMRA"),
        ("CAMERA between 1 and LAST", "LAST"),
        ("case when QUALITY=0 then CAMRA else 0 end = 3", "CAMRA"),
        ("not QUALITY", None),
        ("quality=0 and Camera = 3", None),
        ("QUALITY is not null and CAMERA not in (1,2)", None),
        ("DATAMEAN::integer > 1 and cast(QUALITY as double precision) < 1e5", None),
        ("DATAMEAN < 1.5E-3 or DATAMEAN > .5e3 or DATAMEAN = 3.", None),
        ("QUALITY & 0xFACE = 0", None),
        ("TELESCOP = 'QUALTY' or TELESCOP = \"QUALTY\" or TELESCOP = E'QUALTY'", None),
        ("T_OBS > $(2014.01.01_00:00:00_TAI)", None),
        ("recnum > 5 and sunum is not null and T_REC_index > 0", None),
        ("extract(epoch from to_timestamp(T_OBS)) > 0", None),
        ("trim(both ' ' from TELESCOP) ilike 'sdo%' escape '!'", None),
        ("substring(TELESCOP from 1 for 3) = 'SDO'", None),
        ("T_OBS = (select max(anything) from other where x = 1)", None),
        ("coalesce(QUALITY, 0) = 0 and greatest(CAMERA, 2) = 3", None),
        ("DATAMEAN = 'NaN'", None),
    ],
    ids=repr,
)
def test_keywords_in_conditions_are_checked(client, monkeypatch, where, found):
    info = client.info("hmi.M_720s")
    rs = RecordSet("hmi.m_720s", *RANGE, where=where)
    if found is None:
        assert "[?" in str(rs.for_series(info))
        return
    with pytest.raises(UnknownName, match=found):
        rs.for_series(info)
    monkeypatch.setattr(client.transport, "request", lambda *_, **__: pytest.fail("it was sent"))
    with pytest.raises(jsoclite.UnknownName, match=found):
        client.search("hmi.M_720s", *RANGE, where=where)


def test_keywords_of_segments_are_keywords(client):
    info = client.info("hmi.B_720s")
    names = [name for name in info.keywords.index if name.upper().startswith("DATAMEAN")]
    assert names
    for name in (names[0], "DATAMEAN_000", "sg_000_file"):
        assert "[?" in str(RecordSet("hmi.B_720s", *RANGE, where=f"{name} is not null").for_series(info))


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({"EXPTIME": ("between", 0.1, 0.3)}, "EXPTIME between 0.1 and 0.3"),
        ({"EXPTIME": ("between", (0.1, 0.3))}, "EXPTIME between 0.1 and 0.3"),
        ({"EXPTIME": (0.1, 0.3)}, "EXPTIME between 0.1 and 0.3"),
        ([("EXPTIME", "between", 0.1, 0.3)], "EXPTIME between 0.1 and 0.3"),
        ({"CAMERA": [1, 2]}, "CAMERA in (1, 2)"),
    ],
)
def test_ranges(where, text):
    assert str(RecordSet("hmi.M_720s", where=where)) == f"hmi.M_720s[? {text} ?]"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"EXPTIME": ">= 1.8"}, r"'>= 1.8' is a text; write \{'EXPTIME': \('>=', 1.8\)\}"),
        ({"EXPTIME": ("between", 0.1)}, r"write \('between', first, last\)"),
        ({"EXPTIME": ("between", 0.1, 0.2, 0.3)}, r"write \('between', first, last\)"),
        ({"EXPTIME": (">", 1, 2)}, "one value goes with >; a range is 'between'"),
        ({"EXPTIME": ("foo", 1)}, "'foo' is no operator of a condition: use =.*'between', first, last"),
        ({5: 1}, "is no condition: write SQL or"),
        ([("QUALITY", 0)], "is no condition: write SQL or"),
    ],
)
def test_what_is_no_condition(where, said):
    with pytest.raises(RecordSetError, match=said):
        RecordSet("hmi.M_720s", where=where)
