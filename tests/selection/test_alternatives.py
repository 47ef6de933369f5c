"""Record sets that only the server can confirm; `alternatives` alone, for what it proposes and the server refuses."""

from __future__ import annotations

import json
import re

import drms
import numpy as np
import pandas as pd
import pytest
from catalogs import FIRST, START, STEP, keyword, series, slotted
from conftest import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite import QueryError, RecordSet
from jsoclite.sandbox import Sandbox
from jsoclite.sandbox.catalog.catalog import Catalog, StoredCatalog
from jsoclite.sandbox.engine.engine import Engine, EngineError
from jsoclite.selection import Selection, select
from jsoclite.selection.alternatives import by_offset, by_slot

CATALOG = StoredCatalog(GOLDEN / "catalog")
ENGINE = Engine(CATALOG)


def _definitions():
    found = {}
    for line in (GOLDEN / "jsoc_info.jsonl").read_text().splitlines():
        call = json.loads(line)
        args = call["args"]
        if args.get("op") == "series_struct" and "f" not in args and '"status": 0' in call.get("body", ""):
            found.setdefault(args["ds"], drms.SeriesInfo(json.loads(call["body"]), name=args["ds"]))
    return found


INFO = _definitions()


def recnums(text):
    return np.concatenate([opened.recnums for opened in ENGINE.open(str(text))]).tolist()


class Server:
    """Lists record numbers as the real one would, and counts how often."""

    def __init__(self):
        self.asked = []

    def __call__(self, record_set):
        self.asked.append(str(record_set))
        return recnums(record_set)


def rows(ds):
    opened = ENGINE.open(ds)[0]
    names = ENGINE.reader.names(opened.series, opened.recnums)
    return pd.DataFrame({"recnum": opened.recnums}, index=pd.Index(names, dtype=str, name="record"))


def sets_of(df, characters, verify=None):
    # braces that the engine has not to know
    (chosen,) = select(df)
    sets = chosen.record_sets(max_characters=characters, verify=verify, info=INFO[chosen.series])
    return [str(one) for one in sets]


@pytest.mark.parametrize(
    ("ds", "expected"),
    [
        # three of seven wavelengths in every third slot
        ("aia.lev1_euv_12s[2014.01.01_TAI/25m@36s][94,171,335]", "aia.lev1_euv_12s[#"),
        # two of seven wavelengths, with gaps
        ("aia.lev1_euv_12s[2014.01.01_TAI/25m][171,304]", "aia.lev1_euv_12s[#"),
    ],
)
def test_slots_say_it_in_one_set(ds, expected):
    df = rows(ds)
    server = Server()
    exact = sets_of(df, 120)
    assert len(exact) > 1
    (text,) = sets_of(df, 120, server)
    assert text.startswith(expected)
    assert text in server.asked
    assert sorted(recnums(text)) == sorted(df.recnum)


@pytest.mark.parametrize("shadow", [False, True])
def test_scattered_rows_of_several_regions_are_one_condition(shadow):
    """Record numbers of SHARPs are as far apart as the regions are made; slots are near each other."""
    chance = np.random.default_rng(3)
    numbers = chance.choice(5_000_000, 1200, replace=False)
    rows = [
        {"recnum": int(number), "harpnum": 3500 + n % 12, "t_rec": START + STEP * (n // 12)}
        | {"t_rec_index": FIRST + n // 12, "num": n}
        for n, number in enumerate(numbers)
    ]
    keywords = [keyword("HARPNUM", "int"), *slotted(), keyword("NUM", "int")]
    with Sandbox(Catalog([series("our.sharps", "HARPNUM, T_REC_index", keywords, rows)]), shadow=shadow) as sandbox:
        client = sandbox.client()
        picked = client.query("our.sharps[]").sample(300, random_state=3)
        (chosen,) = select(picked)
        queries = client._queries
        (found,) = chosen.record_sets(verify=queries.recnums, info=client.info("our.sharps"), max_characters=1800)
        assert len(chosen.record_sets(max_characters=1800)) > 1
        assert re.fullmatch(
            r"our\.sharps\[\? \(HARPNUM=\d+ and T_REC_index-\d+ in \([\d,]+\)\)( or \(.*\))+ \?\]", str(found)
        )
        assert sorted(queries.recnums(found)) == sorted(picked.recnum)


def test_a_range_that_is_mostly_something_else_is_not_asked_about():
    df = rows("aia.lev1_euv_12s[][171]").iloc[[0, 1, 7, 20, 21, 60, 61, 100, 120]]
    server = Server()
    texts = sets_of(df, 90, server)
    assert sorted(n for text in texts for n in recnums(text)) == sorted(df.recnum)
    assert not any(re.search(r"\[#\d+-#\d+\]\[171\]", text) for text in server.asked)


def test_what_needs_no_second_set_is_not_asked_about():
    server = Server()
    assert len(sets_of(rows("hmi.sharp_cea_720s[3563][]"), 4000, server)) == 1
    assert server.asked == []


def test_a_slot_between_that_holds_something_else_is_found_out():
    df = rows("aia.lev1_euv_12s[2014.01.01_TAI/25m][171,304]")
    holed = df.drop(df.index[[3, 9, 40]])
    server = Server()
    texts = sets_of(holed, 120, server)
    assert sorted(n for text in texts for n in recnums(text)) == sorted(holed.recnum)
    assert any(text not in texts for text in server.asked)  # the hull was tried first


def test_a_superseded_version_is_not_replaced_by_the_newest():
    df = rows("hmi.M_720s[2014.01.01_TAI/3h][3][! 1=1 !]")
    old = df.sort_values("recnum").loc[lambda d: ~d.index.duplicated(keep="first")]
    assert len(old) < len(df)
    texts = sets_of(old, 70, Server())
    assert sorted(n for text in texts for n in recnums(text)) == sorted(old.recnum)


def test_a_server_that_refuses_leaves_the_exact_sets():
    def refuse(record_set):
        raise QueryError("no")

    df = rows("aia.lev1_euv_12s[2014.01.01_TAI/25m][171,304]")
    assert sets_of(df, 120, refuse) == sets_of(df, 120)


def test_a_server_that_lists_too_few_or_twice_leaves_the_exact_sets():
    df = rows("aia.lev1_euv_12s[2014.01.01_TAI/25m][171,304]")
    assert sets_of(df, 120, lambda rs: recnums(rs)[1:]) == sets_of(df, 120)
    assert sets_of(df, 120, lambda rs: recnums(rs) * 2) == sets_of(df, 120)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["hmi.M_720s", "hmi.sharp_cea_720s", "aia.lev1_euv_12s", "mdi.fd_M_96m_lev182", "su_test.types"]),
    st.data(),
)
def test_whatever_is_taken_is_the_selection(series, data):
    df = rows(f"{series}[]" if data.draw(st.booleans()) else f"{series}[! 1=1 !]")
    places = data.draw(st.lists(st.integers(0, len(df) - 1), min_size=1, max_size=80))
    start, step = data.draw(st.integers(0, len(df) - 1)), data.draw(st.integers(1, 14))
    chosen = df.iloc[sorted({*places, *range(start, len(df), step)})]
    texts = sets_of(chosen, data.draw(st.sampled_from([110, 200, 700])), Server())
    assert sorted(n for text in texts for n in recnums(text)) == sorted(chosen.recnum)
    assert all(len(RecordSet.parse(text).elements) == 1 for text in texts)  # JSOC fails on lists as exports


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=500, unique=True), st.integers(120, 4000))
def test_offsets_name_the_record_numbers(numbers, room):
    wanted = np.array(sorted(numbers))
    texts = by_offset("hmi.M_720s", wanted, "{magnetogram}", room)
    found = []
    for text in texts:
        assert len(text) <= room
        head, _, listed = text.partition("[? recnum-")
        first, _, offsets = listed.removesuffix(") ?]{magnetogram}").partition(" in (")
        part = [int(first) + int(offset) for offset in offsets.split(",")]
        assert head == f"hmi.M_720s[:#{part[0]}-#{part[-1]}]"
        found += part
    assert found == wanted.tolist()


def test_offsets_mean_that_on_the_server():
    (text,) = by_offset("hmi.M_720s", np.array([12, 17, 74]), "", 4000)
    assert text == "hmi.M_720s[:#12-#74][? recnum-12 in (0,5,62) ?]"
    assert recnums(text) == [12, 17, 74]


def test_offsets_halve_the_requests_for_a_random_tenth():
    wanted = np.sort(10**8 + np.random.default_rng(0).choice(10**5, 10**4, replace=False))
    known = set(wanted.tolist())

    def listed(record_set):
        first, _, offsets = str(record_set).partition("[? recnum-")[2].partition(" in (")
        return [int(first) + int(offset) for offset in offsets.partition(")")[0].split(",")]

    chosen = Selection("hmi.M_720s", (), wanted)
    sets = chosen.record_sets(("magnetogram",), verify=listed)
    assert len(sets) <= len(chosen.texts(("magnetogram",))) * 0.55
    assert {n for one in sets for n in listed(one)} == known
    # neither needs the other: numbers whose names are not known, and names of a series that is not
    assert chosen.record_sets(("magnetogram",), verify=listed, info=INFO["hmi.M_720s"]) == sets
    named = Selection("hmi.M_720s", tuple(f"hmi.M_720s[#{n}]" for n in wanted), wanted)
    assert named.record_sets(("magnetogram",), verify=listed) == sets


@pytest.mark.parametrize(
    ("series", "names"),
    [
        ("aia.lev1", ["aia.lev1[2014-01-01T00:00:01.13Z][60000001]"]),  # its time has no slots
        ("su_test.types", ["su_test.types[plain][-3][-1.5]"]),  # nor has this series a time
        ("hmi.M_720s", ["hmi.M_720s[2014.01.01_00:00:00_TAI]"]),  # a key is missing
        ("hmi.M_720s", ["hmi.M_720s[MISSING][3]"]),
        ("hmi.M_720s", ["hmi.M_720s[2014.01.01_00:00:00_TAI][a,b]"]),
    ],
)
def test_names_without_slots(series, names):
    assert list(by_slot(names, INFO[series], "", 4000)) == []


@pytest.mark.parametrize(("unit", "step"), [("fortnights", "720"), ("secs", "often"), ("secs", "0")])
def test_series_whose_grid_is_not_understood(unit, step):
    info = drms.SeriesInfo(INFO["hmi.M_720s"]._d, name="hmi.M_720s")
    info.keywords.loc["T_REC_unit", "defval"] = unit
    info.keywords.loc["T_REC_step", "defval"] = step
    assert list(by_slot(["hmi.M_720s[2014.01.01_00:00:00_TAI][3]"], info, "", 4000)) == []


def test_the_engine_refuses_what_it_should():
    with pytest.raises(EngineError):
        recnums("hmi.M_720s[? recnum-12 in () ?]")
