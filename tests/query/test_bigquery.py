"""Queries over the server's limits come back whole and in order."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from jsoclite.errors import JsocWarning, QueryError, ServerError
from jsoclite.query import parts as bigquery
from jsoclite.query import query as queries
from jsoclite.sandbox import Fault, Sandbox

DAY = "hmi.sharp_cea_720s[][2014.01.01_TAI/1d]"


@pytest.fixture(scope="module")
def whole():
    with Sandbox() as sandbox, sandbox.client() as client:
        return client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), client.query(
            f"{DAY},hmi.sharp_cea_720s[][2014.01.03_TAI/1h]"
        )


@pytest.fixture
def small(monkeypatch, whole):
    """A sandbox and a client whose limits are low."""
    monkeypatch.setattr(bigquery, "PIECE", 250)
    monkeypatch.setattr(bigquery, "SMALLEST", 10)
    monkeypatch.setattr(queries, "SMALLEST", 10)
    monkeypatch.setattr(queries, "SUSPICIOUS", 100)
    assert len(whole[0]) > 800
    with Sandbox(record_limit=400) as sandbox:
        yield sandbox


def test_a_query_over_the_limit(small, whole):
    with small.client() as client:
        df = client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC")
        assert_frame_equal(df, whole[0])
        assert list(df.columns) == ["recnum", "time", "NOAA_AR", "USFLUX", "T_REC"]
        assert_frame_equal(client.query(f"{DAY},hmi.sharp_cea_720s[][2014.01.03_TAI/1h]"), whole[1])
    assert max(small.counts.values()) < 60


@pytest.mark.parametrize("kind", ["500", "reset", "reset-body", "bad-json"])
def test_no_answer_is_asked_for_in_pieces(monkeypatch, whole, kind):
    monkeypatch.setattr(bigquery, "PIECE", 500)
    # whatever is asked without a condition on the record number gets no answer
    with (
        Sandbox(faults=[Fault(kind, "query", nth=1, times=10_000, match=r"rs_list(?!.*recnum\+%25)")]) as sandbox,
        sandbox.client() as client,
    ):
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


def test_memory_that_runs_out_halves_the_pieces(monkeypatch, whole):
    fault = Fault(
        "status",
        "query",
        nth=1,
        times=2,
        match="rs_list",
        status=1,
        error="query failed: out of memory for query result",
    )
    monkeypatch.setattr(bigquery, "PIECE", 1000)
    with Sandbox(faults=[fault]) as sandbox, sandbox.client() as client:
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


def test_a_cut_answer_is_noticed(monkeypatch, small, whole):
    """Some servers end the list at the limit and say nothing."""
    with small.client() as client:
        real = queries.Queries._rs_list

        def cut(self, rs, keys, segs, links, limit, *, patient):
            if "recnum %" not in str(rs):
                limit = 300
            return real(self, rs, keys, segs, links, limit, patient=patient)

        monkeypatch.setattr(queries.Queries, "_rs_list", cut)
        assert_frame_equal(client.query(DAY, keywords="NOAA_AR,USFLUX,T_REC"), whole[0])


def test_pieces_that_do_not_add_up_are_an_error(monkeypatch, small):
    with small.client() as client:
        size = queries.Queries.size
        monkeypatch.setattr(queries.Queries, "size", lambda self, rs: size(self, rs) + 1)
        with pytest.raises(QueryError, match="meanwhile"):
            client.query(DAY)


def test_a_small_query_gets_its_retries_and_no_pieces(whole):
    with Sandbox(faults=[Fault("503", "query", nth=1)]) as sandbox, sandbox.client() as client:
        assert len(client.query("hmi.M_720s[2014.01.01_TAI/1h]")) == 5
        assert not any("recnum %" in entry.params.get("ds", "") for entry in sandbox.requests)


def test_a_server_that_is_gone_is_no_reason_to_split(hand_clock):
    with Sandbox(faults=[Fault("503", "query", nth=1, times=10_000)]) as sandbox, sandbox.client() as client:
        client._clock = hand_clock.clock
        with pytest.raises(ServerError, match="503"):
            client.query(DAY)
        assert sandbox.counts["query"] < 20


def test_limit_is_left_to_the_server(whole):
    with Sandbox() as sandbox, sandbox.client() as client:
        assert list(client.query(DAY, limit=-3).index) == list(whole[0].index[-3:])
        assert isinstance(client.query(DAY, limit=5), pd.DataFrame)


def test_a_set_that_is_too_big_for_comfort_is_said(monkeypatch, small):
    monkeypatch.setattr(queries, "MANY", 500)
    with small.client() as client, pytest.warns(JsocWarning, match=r"holds [\d,]+ records.*Client.stream"):
        assert len(client.query(DAY)) > 800
