"""Queries over the server's limits come back whole and in order."""

import catalogs
import numpy as np
import pandas as pd
import pytest
from catalogs import big
from pandas.testing import assert_frame_equal

from jsoclite.errors import QueryError, ServerError, TooMany
from jsoclite.query import parts
from jsoclite.query import query as queries
from jsoclite.sandbox import Fault, Sandbox
from jsoclite.sandbox.catalog.catalog import Catalog

DAY = "hmi.sharp_cea_720s[][2014.01.01_TAI/1d]"
MANY = 200_000


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "shadow"])
def huge(request):
    """A sandbox with JSOC's own limit, and a series that is larger."""
    with Sandbox(big(MANY), shadow=request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def catalog():
    return big(1400)


@pytest.fixture(scope="module")
def whole():
    with Sandbox() as sandbox, sandbox.client() as client:
        return client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), client.query(
            f"{DAY},hmi.sharp_cea_720s[][2014.01.03_TAI/1h]"
        )


def asked(sandbox, *words):
    """Requests of which the record set holds all of some words."""
    sets = [entry.params.get("ds", "") for entry in sandbox.requests if entry.params.get("op") == "rs_list"]
    return [ds for ds in sets if all(word in ds for word in words)]


# ------------------------------------------------------------------------------------------- JSOC's limit, 75,000
@pytest.mark.parametrize("count", [74_999, 75_000, MANY])
@pytest.mark.parametrize("form", ["our.big[2014.01.01_TAI/{}u]", "our.big[? NUM < {} ?]", "our.big[:#1-#{}]"])
def test_as_many_records_as_there_are(huge, count, form):
    record_set = form.format(count)
    with huge.client() as client:
        before = huge.counts["query"]
        df = client.query(record_set, keywords="NUM")
        assert huge.counts["query"] - before <= (2 if count < 75_000 else 16)
        assert client.count(record_set) == len(df) == count
    assert list(df.columns) == ["recnum", "time", "NUM"] or "time" not in df
    assert (np.diff(df.NUM) > 0).all()  # the server's order
    assert df.recnum.is_unique


def test_a_stream_of_more_than_one_answer_gives(huge):
    with huge.client() as client:
        found = [frame.NUM for frame in client.stream("our.big[]", keywords="NUM", size=50_000)]
    assert max(map(len, found)) <= 50_000
    assert pd.concat(found).tolist() == list(range(MANY))


@pytest.mark.parametrize("limit", [74_999, 75_000, 100_000, 300_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_limit_above_that_of_the_server(huge, limit, sign):
    with huge.client() as client:
        df = client.query("our.big[2014.01.01_TAI/150000u]", keywords="NUM", limit=sign * limit)
    numbers = list(range(150_000))
    assert df.NUM.tolist() == (numbers[:limit] if sign > 0 else numbers[-limit:])


def test_what_is_nearest_to_many_times(huge):
    times = pd.date_range("2014-01-01", periods=37, freq="45D", tz="UTC")
    with huge.client() as client:
        found = client.nearest("our.big", times, "23d", good=False)  # the windows cover all records between them
    assert len(found) == 37
    assert found.offset.abs().max() <= pd.Timedelta("6min")


# -------------------------------------------------------------------------------------------------- lower limits
@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("limit", [2, 40, 300])
@pytest.mark.parametrize(
    "record_set",
    [
        "our.big[2014.01.01_TAI/60u]",
        "our.harps[][2014.01.01_TAI/8u]",
        "our.harps[2-5][2014.01.01_TAI/12u]",
        "our.pairs[][10-59]",
        "our.pairs[3][10-59]",
        "our.log[? NUM < 50 ?]",
        "our.real[0-350]",
        "our.big[:#1-#20,#90-#110]",
        "our.big[! NUM < 50 !]",
        "our.big[2014.01.01_TAI/30u],our.big[2014.01.08_TAI/30u]",
    ],
)
def test_any_set_is_whole_and_in_order_whatever_the_limit(catalog, hand_clock, limit, record_set, shadow):
    with Sandbox(catalog) as sandbox, sandbox.client() as client:
        wanted, first, last = (client.query(record_set, keywords="NUM", limit=n) for n in (None, 7, -7))
        assert 40 < len(wanted) < 100
    with Sandbox(catalog, record_limit=limit, shadow=shadow) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        assert_frame_equal(client.query(record_set, keywords="NUM"), wanted)
        assert_frame_equal(client.query(record_set, keywords="NUM", limit=7), first)
        assert_frame_equal(client.query(record_set, keywords="NUM", limit=-7), last)
        assert client.count(record_set) == len(wanted)
        assert sum(map(len, client.stream(record_set, keywords="NUM", size=20))) == len(wanted)
        assert sandbox.counts["query"] < 16 * len(wanted)


def test_texts_alone_are_cut_by_record_number(catalog, hand_clock):
    """Which JSOC refuses of conditions where there is a shadow table; then the server's words are told."""
    for shadow in (False, True):
        with Sandbox(catalog, record_limit=30, shadow=shadow) as sandbox, sandbox.client() as client:
            client._clock = hand_clock.clock
            if shadow:
                with pytest.raises(QueryError, match="invalid reference to FROM-clause entry"):
                    client.query("our.names[? NUM < 50 ?]", keywords="NUM")
            else:
                assert client.query("our.names[? NUM < 50 ?]", keywords="NUM").NUM.tolist() == list(range(50))


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("record_set", ["our.names", "our.names[]", "our.mixed[]", "our.mixed[3][]"])
@pytest.mark.parametrize("limit", [None, 50, -50])
def test_texts_without_a_condition_are_cut_by_record_number_everywhere(hand_clock, shadow, record_set, limit):
    """Of the versions that record numbers name, too, the newest count."""
    rows = [{"recnum": n + 1, "camera": 3, "name": f"n{n % 150:05d}", "num": n} for n in range(200)]
    keys = [catalogs.keyword("CAMERA", "int"), catalogs.keyword("NAME", "string"), catalogs.keyword("NUM", "int")]
    primes = {"our.names": "NAME", "our.mixed": "CAMERA, NAME"}
    made = Catalog([catalogs.series(name, prime, keys, rows) for name, prime in primes.items()])
    with Sandbox(made, record_limit=30, shadow=shadow) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        df = client.query(record_set, keywords="NUM", limit=limit)
        newest = [n + 150 if n < 50 else n for n in range(150)]
        assert df.NUM.tolist() == (newest if limit is None else newest[:limit] if limit > 0 else newest[limit:])
        assert sandbox.counts["query"] < 30


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("limit", [3, -3, 60])
@pytest.mark.parametrize(
    "record_set",
    [
        "our.big[2014.01.01_TAI/60u][? T_REC_index % 2 = 0 ?]",
        "our.harps[? HARPNUM > 2 ?][? T_REC_index < 920440 ?]",
        "our.harps[3-4][? T_REC_index % 2 = 0 ?]",
        "our.pairs[3][? NUM > 1340 ?]",
        "our.pairs[][10-39]",
    ],
)
def test_limit_of_a_condition_on_prime_keys(catalog, hand_clock, record_set, limit, shadow):
    """With a shadow table the server refuses it; then it is taken without a limit and cut here."""
    with Sandbox(catalog, shadow=shadow) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        whole = client.query(record_set, keywords="NUM")
        assert len(whole) > 20
        df = client.query(record_set, keywords="NUM", limit=limit)
        assert_frame_equal(df, whole.iloc[:limit] if limit > 0 else whole.iloc[limit:])


@pytest.mark.parametrize("record_limit", [75_000, 20])
@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize(
    "record_set", ["our.harps[][$]", "our.harps[#^][]", "our.pairs[$][10-59]", "our.harps[HARPNUM=^]"]
)
def test_last_records_of_a_first_or_last_value_are_in_order(catalog, hand_clock, record_set, shadow, record_limit):
    """With a shadow table the server lists them backwards."""
    with Sandbox(catalog, shadow=shadow, record_limit=record_limit) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        whole = client.query(record_set, keywords="NUM")
        assert_frame_equal(client.query(record_set, keywords="NUM", limit=-5), whole.iloc[-5:])


def test_limit_with_several_elements_is_about_each(catalog):
    """A negative one would end the server's program."""
    with Sandbox(catalog) as sandbox, sandbox.client() as client:
        df = client.query("our.big[2014.01.01_TAI/30u],our.big[2014.01.08_TAI/30u]", keywords="NUM", limit=-2)
        assert df.NUM.tolist() == [28, 29, 868, 869]
        assert not any(entry.status == 500 for entry in sandbox.requests)


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize("record_limit", [75_000, 400])
def test_a_query_over_the_limit(whole, hand_clock, record_limit, shadow):
    with Sandbox(record_limit=record_limit, shadow=shadow) as small, small.client() as client:
        client._clock = hand_clock.clock
        df = client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC")
        assert_frame_equal(df, whole[0])
        assert list(df.columns) == ["recnum", "time", "NOAA_AR", "USFLUX", "T_REC"]
        assert_frame_equal(client.query(f"{DAY},hmi.sharp_cea_720s[][2014.01.03_TAI/1h]"), whole[1])
        assert small.counts["query"] < 60


def test_files_of_more_records_than_one_answer_gives(tmp_path, hand_clock):
    with Sandbox(record_limit=10) as small, small.client() as client:
        client._clock = hand_clock.clock  # questions in pieces have a pace
        files = client.download("hmi.M_720s[2014.01.01_TAI/5h]{magnetogram}", tmp_path)
        assert files.status.tolist() == ["downloaded"] * 25


# ------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("kind", ["500", "reset", "reset-body", "bad-json"])
def test_no_answer_is_asked_for_in_pieces(whole, hand_clock, kind):
    # whatever is asked without a condition on a prime key gets no answer
    fault = Fault(kind, "query", nth=1, times=10_000, match=r"rs_list(?!.*(HARPNUM|&n=))")
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (1, "query failed: out of memory for query result"),
        (6, "[ jsocextinfo.py ] the program ended with status 1"),
        (1, "Query truncated"),
        (3, ""),
    ],
)
def test_a_refusal_that_a_smaller_question_cures(whole, hand_clock, status, error):
    fault = Fault("status", "query", nth=1, times=4, match="rs_list", status=status, error=error)
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


@pytest.mark.parametrize(
    ("record_set", "records"),
    [(DAY, 100), (DAY, 500), ("hmi.M_720s[2014.01.01_TAI/6h]", 1), ("hmi.M_720s[2014.01.01_TAI/2d]", 50)],
)
def test_whatever_is_too_much_for_the_program_around_jsoc_info(hand_clock, record_set, records):
    """Status 6 with the program's complaint, above some size, of lists and of counts."""
    with Sandbox() as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        whole = client.query(record_set, keywords="T_REC")
        near = client.nearest("hmi.M_720s", ["2014-01-01T12:00", "2014-01-02T12:00"], "1d", good=False)
        fault = sandbox.add_fault(
            "too-many", "query", status=6, error="jsocextinfo.py: [ERROR] child exited with 137", records=records
        )
        when = hand_clock.time
        assert_frame_equal(client.query(record_set, keywords="T_REC"), whole)
        found = list(client.stream(record_set, keywords="T_REC", size=200))
        assert_frame_equal(pd.concat(found), whole)
        assert client.count(record_set) == len(whole)
        assert_frame_equal(client.nearest("hmi.M_720s", near.asked, "1d", good=False), near)
        hits = sandbox.fault_hits()[fault]
        # the first questions of each call are not held up
        assert hits <= 25 * ((hand_clock.time - when) / 60 + 1) + 4 * 4


@pytest.mark.parametrize("shadow", [False, True])
def test_a_set_that_nobody_can_count_costs_few_questions(hand_clock, shadow):
    """It took 1,100 with a shadow table, 400 without, and as many again for its count."""
    with Sandbox(shadow=shadow) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        whole = client.query(DAY, keywords="T_REC")
        assert len(whole) == 1364
        sandbox.add_fault("too-many", "query", status=6, error="child exited with 137", records=100)
        for ask, most in ((client.query, 30), (client.count, 30), (lambda ds: pd.concat(client.stream(ds)), 140)):
            before = sandbox.counts["query"]
            found = ask(DAY)
            assert found == 1364 if isinstance(found, int) else list(found.index) == list(whole.index)
            assert sandbox.counts["query"] - before <= most
        assert list(client.query(DAY, limit=-150).index) == list(whole.index[-150:])


def test_a_set_that_nobody_can_count_is_refused_when_it_gets_too_many(hand_clock, monkeypatch):
    monkeypatch.setattr(queries.Queries, "MANY", 500)
    fault = Fault("too-many", "query", status=6, error="child exited with 137", records=100)
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        with pytest.raises(TooMany, match="has 5.. records"):
            client.query(DAY)


def test_what_fails_even_for_one_record_is_told_in_the_servers_words(hand_clock):
    fault = Fault("status", "query", match="rs_list", status=6, error="'latin-1' codec can't decode byte 0xc5")
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        with pytest.raises(QueryError, match="codec can't decode byte 0xc5") as caught:
            client.query("hmi.M_720s[2010.06.01_TAI/1000d]", keywords="T_REC")
        assert caught.value.status == 6
        assert sandbox.counts["query"] < 40


def test_a_definition_is_asked_for_once_more(hand_clock):
    fault = Fault("status", "info", nth=1, status=2, error="jsocextinfo.py: no such file: not found")
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        assert client.pkeys("hmi.M_720s") == ["T_REC", "CAMERA"]
        sandbox.add_fault("status", "info", status=2, error="jsocextinfo.py: no such file: not found")
        with pytest.raises(QueryError, match="no such file"):
            client.info("hmi.B_720s")


def test_a_cut_answer_is_noticed(monkeypatch, whole):
    """Some servers end the list at the limit and say nothing."""
    monkeypatch.setattr(queries, "SUSPICIOUS", 100)
    with Sandbox() as sandbox, sandbox.client() as client:
        real = queries.Queries._rs_list

        def cut(self, rs, keys, segs, links, limit, **options):
            if "? " not in str(rs) and limit is None:
                limit = 300
            return real(self, rs, keys, segs, links, limit, **options)

        monkeypatch.setattr(queries.Queries, "_rs_list", cut)
        monkeypatch.setattr(parts, "SIZES", (250, 10))
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


def test_pieces_that_do_not_add_up_are_an_error(monkeypatch):
    with Sandbox(record_limit=400) as small, small.client() as client:
        told = queries.Queries._told
        monkeypatch.setattr(queries.Queries, "_told", lambda self, rs: told(self, rs) + 1)
        with pytest.raises(QueryError, match="meanwhile"):
            client.query(DAY)


def test_a_small_query_gets_its_retries_and_no_pieces(whole):
    with Sandbox(faults=[Fault("503", "query", nth=1)]) as sandbox, sandbox.client() as client:
        assert len(client.query("hmi.M_720s[2014.01.01_TAI/1h]")) == 5
        assert not asked(sandbox, "? ")


def test_a_server_that_is_gone_is_no_reason_to_split(hand_clock):
    with Sandbox(faults=[Fault("503", "query", nth=1, times=10_000)]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        with pytest.raises(ServerError, match="503"):
            client.query(DAY)
        assert sandbox.counts["query"] < 20


def test_a_filter_that_cannot_be_read_is_told_at_once():
    with Sandbox() as sandbox, sandbox.client() as client:
        with pytest.raises(QueryError, match="invalid input syntax"):
            client.query(f"{DAY}[? USFLUX > 'x' ?]")
        assert sandbox.counts["query"] == 2


def test_limit_is_left_to_the_server(whole):
    with Sandbox() as sandbox, sandbox.client() as client:
        assert list(client.query(DAY, limit=-3).index) == list(whole[0].index[-3:])
        assert isinstance(client.query(DAY, limit=5), pd.DataFrame)
        assert sandbox.counts["query"] == 2


def test_a_set_that_is_too_big_for_comfort_is_refused(monkeypatch):
    monkeypatch.setattr(queries.Queries, "MANY", 500)
    with Sandbox(record_limit=400) as small, small.client() as client:
        with pytest.raises(TooMany, match=r"has [\d,]+ records.*Client.stream"):
            client.query(DAY)
        assert len(client.query(DAY, limit=10_000)) > 800
