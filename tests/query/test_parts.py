"""Big sets, a DataFrame at a time, in the server's order."""

import itertools

import numpy as np
import pandas as pd
import pytest
from conftest import HandClock
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from jsoclite.errors import QueryError
from jsoclite.query import parts as stream
from jsoclite.sandbox import Fault, Sandbox

HARPS = "hmi.sharp_cea_720s[][2014.01.01_TAI/6h]"


@pytest.fixture(scope="module", params=[True, False], ids=["shadow", "plain"])
def sandbox(request):
    with Sandbox(shadow=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.client() as made:
        made._clock = HandClock().clock
        yield made


@pytest.mark.parametrize(
    ("record_set", "pieces"),
    [
        ("hmi.M_720s[2014.01.01_TAI/1d]", 3),  # slotted time
        ("aia.lev1_euv_12s[2014.01.01_TAI/10m][171,304]", 2),  # two records at each time
        ("iris.lev1[2014.01.01_TAI/3h]", 5),  # time without slots, printed rounded
        (HARPS, 6),  # an integer first; more records share one than fit
        (f"{HARPS},hmi.sharp_cea_720s[377][2011.02.14_TAI/2h]", 7),
        ("hmi.M_720s[2014.01.01_TAI/1d][? CAMERA = 3 AND T_REC > 0 ?]", 3),
        ("hmi.M_720s[2014.01.01_TAI/2h]{magnetogram}", 1),
        ("hmi.M_720s[1990.01.01_TAI/1d]", 1),
    ],
)
def test_pieces_put_together_are_the_query(client, record_set, pieces):
    found = list(client.stream(record_set, size=50, times="utc"))
    whole = client.query(record_set, times="utc")
    assert len(found) >= pieces
    for frame in found:
        assert frame.dtypes.equals(whole.dtypes)
        assert frame.attrs["jsoc"]["record_set"] == record_set
    together = pd.concat(found)
    together.attrs, whole.attrs = {}, {}
    assert_frame_equal(together, whole)


def test_a_piece_is_asked_for_when_its_turn_comes(client, sandbox):
    frames = client.stream("hmi.M_720s[2014.01.01_TAI/1d]", size=40)
    next(frames)
    asked = sandbox.counts["query"]
    rest = [len(frame) for frame in frames]
    assert sum(rest) == 120 - 40
    assert sandbox.counts["query"] - asked == len(rest)


def test_a_small_set_costs_a_count_and_a_query(client, sandbox):
    client.info("hmi.M_720s")
    before = sandbox.counts["query"]
    assert len(list(client.stream("hmi.M_720s[2014.01.01_TAI/1h]"))) == 1
    assert sandbox.counts["query"] - before == 2


def test_records_that_changed_meanwhile_are_an_error(client, monkeypatch):
    from jsoclite.query.query import Queries

    real = Queries.fetch_all

    def one_less(self, question, part):
        df = real(self, question, part)
        return df.iloc[1:] if "T_REC >=" in str(part) else df

    monkeypatch.setattr(Queries, "fetch_all", one_less)
    with pytest.raises(QueryError, match=r"other records now.*39 in place of 40"):
        list(client.stream("hmi.M_720s[2014.01.01_TAI/1d]", size=40))


def test_a_failure_in_the_middle_is_tried_again():
    with (
        Sandbox(faults=[Fault("503", "query", nth=5, times=1)]) as sandbox,
        sandbox.client() as client,
    ):
        assert sum(len(df) for df in client.stream("hmi.M_720s[2014.01.01_TAI/1d]", size=20)) == 120


def test_parts_come_at_a_polite_pace(sandbox, hand_clock):
    with sandbox.client() as client:
        client._clock = hand_clock.clock
        times = [hand_clock.time for _ in client.stream("hmi.M_720s[2014.01.01_TAI/1d]", size=2)]
    assert len(times) >= 60
    assert all(late - early >= 60 for early, late in zip(times, times[25:], strict=False))


def test_a_record_at_a_time(client):
    assert [len(df) for df in client.stream("hmi.M_720s[2014.01.01_TAI/48m]", size=1)] == [1] * 4


def test_bad_size(client):
    with pytest.raises(ValueError, match="size=0"):
        client.stream("hmi.M_720s[2014.01.01_TAI/1d]", size=0)


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 40))
def test_cuts(values, size):
    """Parts have at most `size` records unless one value has more, and no value is in two parts."""
    ordered = np.array(sorted(values), dtype=np.int64)
    bounds = [0, *stream._cuts(ordered, size), len(ordered)]
    assert bounds == sorted(set(bounds)) or not len(ordered)
    for begin, end in itertools.pairwise(bounds):
        part = ordered[begin:end]
        assert len(part) <= size or len(set(part)) == 1
        if end < len(ordered):
            assert ordered[end - 1] < ordered[end]
