"""Rows → record sets: exactly these rows, each once, in few and short sets; `ranges` alone, for any set of numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite import RecordSet, SelectionError
from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.engine.engine import Engine
from jsoclite.selection import Selection, select, to_record_sets
from jsoclite.selection.packing import cover, pack_recnums

CATALOG = StoredCatalog(GOLDEN / "catalog")
# series without and with a table of their newest records, as big ones of JSOC have
ENGINES = {"plain": Engine(CATALOG, shadow=False), "shadow": Engine(CATALOG, shadow=True)}

numbers = st.lists(st.integers(1, 400), min_size=1, max_size=200)


@st.composite
def patterns(draw):
    """Selections as people make them: runs, strides and scattered numbers, interleaved, with holes."""
    found = set(draw(st.lists(st.integers(1, 10**9), max_size=30)))
    for _ in range(draw(st.integers(0, 4))):
        start, step, count = draw(st.integers(1, 10**9)), draw(st.integers(1, 50)), draw(st.integers(1, 300))
        found.update(range(start, start + step * count, step))
    holes = draw(st.lists(st.integers(0, max(len(found) - 1, 0)), max_size=5))
    kept = sorted(found)
    return [number for place, number in enumerate(kept) if place not in holes] or [1]


def frame(recnums, series="hmi.M_720s"):
    index = pd.Index([f"{series}[2014.01.01_00:00:00_TAI][{n}]" for n in recnums], dtype=str, name="record")
    return pd.DataFrame({"recnum": np.array(recnums, dtype=np.int64)}, index=index)


def meaning(text):
    """What the server makes of ``series[:#…]{…}`` where every record number exists (drms_names.c)."""
    items = re.fullmatch(r"[\w.]+\[:(.*)\](?:\{[\w,]*\})?", text)[1]
    found = []
    for item in items.split(","):
        form = re.fullmatch(r"#(\d+)(?:-#(\d+)(?:@(\d+))?|/(\d+))?", item)
        start, stop, step, count = (None if g is None else int(g) for g in form.groups())
        if count is not None:
            stop = start + count - 1
        found += range(start, (start if stop is None else stop) + 1, step or 1)
    return found


@settings(max_examples=300, deadline=None)
@given(numbers | patterns())
def test_the_union_is_the_selection(recnums):
    sets = to_record_sets(frame(recnums), segments=["magnetogram"])
    found = [number for record_set in sets for number in meaning(str(record_set))]
    assert sorted(found) == sorted(set(recnums))
    for record_set in sets:
        assert len(str(record_set)) + 32 <= 4000
        assert str(RecordSet.parse(str(record_set))) == str(record_set)


@settings(max_examples=200, deadline=None)
@given(patterns(), st.integers(100, 300), st.just(50_000) | st.integers(1, 40))
def test_tight_limits(recnums, characters, most):
    (chosen,) = select(frame(recnums))
    sets = chosen.texts(("magnetogram",), max_characters=characters, max_rows=most)
    found = [meaning(text) for text in sets]
    assert sorted(number for part in found for number in part) == sorted(set(recnums))
    assert all(len(text) + 32 <= characters for text in sets)
    assert all(len(part) <= most for part in found)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(sorted(CATALOG)), data=st.data())
def test_the_server_returns_the_selection(engine, name, data):
    series = CATALOG[name]
    every = np.sort(series.existing(np.arange(1, int(series.extremes("recnum")[1]) + 1)))
    step, start = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 20))
    extra = data.draw(st.lists(st.sampled_from(every.tolist()), max_size=60))
    chosen = sorted({*every[start::step].tolist(), *extra}) or [int(every[0])]
    (selection,) = select(frame(chosen, series.definition.name))
    sets = selection.texts(max_rows=data.draw(st.just(50_000) | st.integers(1, 50)))
    found = np.concatenate([opened.recnums for one in sets for opened in ENGINES[engine].open(one)])
    assert sorted(found.tolist()) == chosen  # versions that were superseded included


@pytest.mark.parametrize(
    ("recnums", "text"),
    [
        ([10, 14, 18, 22, 26, 30, 50], "[:#10-#30@4,#50]"),
        ([5], "[:#5]"),
        ([5, 6], "[:#5,#6]"),
        ([7, 6, 5, 5], "[:#5-#7]"),
        ([1, 2, 3, 5, 6, 7], "[:#1-#3,#5-#7]"),
        ([3, 5, 10, 12, 17, 19, 24, 26], "[:#3-#24@7,#5-#26@7]"),
        ([1, 100], "[:#1,#100]"),
        (range(1, 2001, 2), "[:#1-#1999@2]"),
    ],
)
def test_what_goes_over_the_wire(recnums, text):
    assert [str(rs) for rs in to_record_sets(frame(recnums))] == [f"hmi.M_720s{text}"]
    assert [str(rs) for rs in frame(recnums).jsoc.record_sets(["a", "b"])] == [f"hmi.M_720s{text}{{a,b}}"]


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(0)
    recnums = rng.choice(5000, 700, replace=False) + 1
    texts = [str(rs) for rs in to_record_sets(frame(recnums))]
    assert [str(rs) for rs in to_record_sets(frame(rng.permutation(recnums)))] == texts


def sql(text):
    """The SQL that the server writes for the record numbers of a set (sql_recnum_set, drms_names.c)."""
    items = re.search(r"\[:(.*?)\]", text)[1].split(",")
    if not any("-" in item or "/" in item for item in items):
        return f"recnum in ({', '.join(item[1:] for item in items)})"
    terms = []
    for item in items:
        start, _, rest = item[1:].partition("-#")
        stop, _, step = rest.partition("@")
        term = f"{start}<=recnum AND recnum<={stop}" if rest else f"recnum={start}"
        terms.append(f"( {term}" + (f" AND (recnum-{start})%{step}=0 " if step else "") + " )")
    return " OR ".join(terms)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 9), st.integers(3, 40), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_the_sql_of_a_set_fits_into_the_servers_buffer(first, step, length, apart, seed):
    starts = first + np.arange(1500) * length * step * apart + np.random.default_rng(seed).integers(0, 2, 1500)
    recnums = np.unique((starts[:, None] + step * np.arange(length)).ravel())
    texts = Selection("hmi.M_720s", (), recnums).texts(("magnetogram",))
    assert max(len(f"( {sql(text)} ) AND ( drms.image_exists(quality)  )") for text in texts) < 8192
    assert sorted(n for text in texts for n in meaning(text)) == recnums.tolist()


SHAPES = {
    "every second": lambda n: 10**8 + 2 * np.arange(n),
    "a day with gaps": lambda n: np.delete(10**8 + np.arange(n + n // 50), np.arange(n // 50) * 51),
    "two of seven": lambda n: np.concatenate([10**8 + 7 * np.arange(n // 2) + k for k in (2, 5)]),
    "a tenth at random": lambda n: 10**8 + np.random.default_rng(0).choice(10 * n, n, replace=False),
}


@pytest.mark.parametrize(
    ("shape", "sets"),
    [
        ("every second", (1, 1, 1, 2)),
        ("a day with gaps", (1, 1, 2, 12)),
        ("two of seven", (1, 1, 1, 2)),
        ("a tenth at random", (1, 3, 28, 280)),
    ],
)
def test_how_many_requests_it_takes(shape, sets):
    for count, most in zip((10, 1000, 10_000, 100_000), sets, strict=True):
        chosen = Selection("hmi.M_720s", (), SHAPES[shape](count))
        assert len(chosen.texts(("magnetogram",))) <= most


def test_no_set_has_more_records_than_the_server_gives():
    chosen = Selection("hmi.M_720s", (), np.arange(1, 120_001))
    assert chosen.texts() == ["hmi.M_720s[:#1-#50000]", "hmi.M_720s[:#50001-#100000]", "hmi.M_720s[:#100001-#120000]"]


def test_cover_is_exact_for_many_random_numbers():
    rng = np.random.default_rng(1)
    wanted = np.unique(rng.integers(1, 10**6, 30_000))
    items = cover(wanted)
    assert sorted(n for item in items for n in range(item.start, item.stop + 1, item.step)) == wanted.tolist()
    assert items == sorted(items)
    assert cover([]) == []


@pytest.mark.parametrize("series", ["hmi.M_720s", "aia.lev1_euv_12s", "hmi.sharp_cea_720s", "mdi.fd_M_96m_lev182"])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_names_alone_stand_for_the_newest_versions(series, engine):
    opened = engine.open(f"{series}[]")[0]
    names = engine.reader.names(opened.series, opened.recnums)
    sets = to_record_sets(names, segments=["x"])
    found = np.concatenate([part.recnums for one in sets for part in engine.open(str(one).replace("{x}", ""))])
    assert sorted(found.tolist()) == sorted(opened.recnums.tolist())
    assert max(len(str(one)) + 32 * len(engine.scan(str(one))) for one in sets) <= 4000


def test_names_that_are_record_numbers():
    (chosen,) = select(["hmi.B_720s[:#17]", "hmi.B_720s[:#19]", "hmi.B_720s[:#17]", "hmi.B_720s[:#21]"])
    assert chosen.recnums.tolist() == [17, 19, 21]
    assert chosen.texts() == ["hmi.B_720s[:#17-#21@2]"]
    numbered, named = select(["hmi.B_720s[:#17]", "hmi.B_720s[2014.01.01_TAI]"])
    assert (numbered.recnums.tolist(), named.recnums) == ([17], None)


def test_names_in_one_list():
    names = [f"hmi.M_720s[2014.01.01_00:{m:02d}:00_TAI][{c}]" for m, c in ((0, 3), (12, 3), (12, 1))]
    assert [str(rs) for rs in to_record_sets(names, segments=["magnetogram"])] == [
        "hmi.M_720s[2014.01.01_00:00:00_TAI,2014.01.01_00:12:00_TAI][3]{magnetogram},"
        "hmi.M_720s[2014.01.01_00:12:00_TAI][1]{magnetogram}"
    ]
    assert len(select(names)[0].texts(max_rows=1)) == 3
    assert len(to_record_sets(names + names)) == 1


@pytest.mark.parametrize(
    "name", ["su_test.types[with,comma][-1][0.1]", "su_test.types[][11][0.1]", 'a.b["x"]', "a.b[c d]"]
)
def test_names_that_the_server_would_read_differently(name):
    with pytest.raises(SelectionError, match="recnum"):
        to_record_sets([name])


def test_record_sets_go_through():
    text = "hmi.M_720s[2014.01.01_TAI/1d][3]"
    assert to_record_sets(text) == [RecordSet.parse(text)]
    assert to_record_sets(RecordSet.parse(text)) == [RecordSet.parse(text)]
    assert [str(rs) for rs in to_record_sets(text, segments=["magnetogram"])] == [f"{text}{{magnetogram}}"]


def test_several_series_are_several_sets():
    both = pd.concat([frame([1, 2, 3]), frame([9], "aia.lev1"), frame([5])])
    assert [str(rs) for rs in to_record_sets(both)] == ["hmi.M_720s[:#1-#3,#5]", "aia.lev1[:#9]"]


def test_nothing_is_no_request():
    assert to_record_sets(frame([1]).iloc[:0]) == []
    assert to_record_sets([]) == []


def test_impossible_limits():
    with pytest.raises(ValueError, match="max_rows=0"):
        select(frame([1]))[0].texts(max_rows=0)
    with pytest.raises(SelectionError, match="room for"):
        select(frame([10**9]))[0].texts(max_characters=50)


@given(
    st.lists(
        st.sampled_from(["a.b[1]", "a.b[2][3]", "a.b_c[1]", "a.bZ[1]", "a.b{1", "a.b", "", "A", "z", None, np.nan, 1]),
        max_size=5,
    )
)
def test_names_of_one_series_are_told_by_their_extremes(names):
    sound = [name for name in names if isinstance(name, str) and re.match(r"a\.\w+\[", name)]
    if names and sound == names:
        series = {name.partition("[")[0] for name in names}
        assert {one.series for one in select(pd.Index(names, dtype=object))} == series
        assert {one.series for one in select(names)} == series
    elif names:
        with pytest.raises(SelectionError, match="no record name|cannot choose|no longer say"):
            select(names)
        with pytest.raises(SelectionError, match="no record name|no longer say"):
            select(pd.Index(names, dtype=object))


def test_a_record_number_of_two_records_is_refused_in_any_order():
    df = frame([5, 3, 9])
    df["recnum"] = [5, 3, 5]
    with pytest.raises(SelectionError, match="same record number 5"):
        select(df)
    (same,) = select(frame([5, 3, 5]))
    assert (same.recnums.tolist(), len(same.names)) == ([5, 3], 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.02, 1.5, 4, 10, 1000]), st.integers(1, 9))
def test_packing_never_takes_more_lists_than_numbers_alone(seed, spread, step):
    rng = np.random.default_rng(seed)
    wanted = np.sort(rng.choice(int(3000 * spread), 3000, replace=False)) * step + 10**8
    lists = pack_recnums(wanted, 900)
    assert sorted(n for one in lists for n in meaning(f"a.b[:{one}]")) == wanted.tolist()
    assert max(map(len, lists)) <= 900
    assert len(lists) <= -(-len(wanted) // (901 // 11))
