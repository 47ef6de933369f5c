"""A catalogue that is what there was at a time: it grows, and records are made anew."""

import calendar

import pytest

from jsoclite.sandbox import Sandbox


@pytest.fixture
def day():
    """The clock, in a list: seconds of Unix time."""
    return [0]


@pytest.fixture
def client(day):
    with Sandbox(ages=True, clock=lambda: day[0]) as sandbox:
        yield sandbox.client()


def on(day, *date):
    day[0] = calendar.timegm((*date, 0, 0, 0))


@pytest.mark.parametrize("series", ["hmi.M_720s", "hmi.M_45s", "hmi.sharp_cea_720s", "aia.lev1_euv_12s", "aia.lev1"])
def test_records_come_a_day_after_their_time(client, day, series):
    highest = 0
    for date, last in (((2014, 1, 3), "2014-01-02"), ((2014, 1, 4), "2014-01-03"), ((2014, 3, 1), "2014-02-28")):
        on(day, *date)
        newest = client.latest(series)
        assert abs(newest.time.max().timestamp() - calendar.timegm((*map(int, last.split("-")), 0, 0, 0))) < 60
        now = int(struct(client, series)["MaxRecnum"])
        assert now > highest
        highest = now


def struct(client, series):
    url = client.transport.server.url_jsoc_info
    return client.transport.ask(url, {"op": "series_struct", "ds": series}).data["Interval"]


@pytest.mark.parametrize("where", ["hmi.M_720s[2014.02.06_TAI/1d]", "hmi.sharp_cea_720s[][2014.02.06_TAI/1d]"])
def test_what_was_made_twice_has_a_new_number_after_forty_days(client, day, where):
    on(day, 2014, 2, 20)
    before = client.query(where, keywords="DATE", times="utc")
    on(day, 2014, 3, 25)
    after = client.query(where, keywords="DATE", times="utc")
    assert before.DATE.max().isoformat() < "2014-02-20"
    assert "2014-02-20" < after.DATE.max().isoformat() < "2014-03-25"
    assert before.index.equals(after.index)
    anew = after.recnum != before.recnum
    assert 0 < anew.sum() < len(before)
    assert after.time[anew].min().isoformat() > "2014-02-06T11:2"
    assert after.time[anew].max().isoformat() < "2014-02-06T16:07"
    # the old version can still be asked for by its number
    first = before[anew].iloc[0]
    assert client.query(f"{before.jsoc.series}[:#{first.recnum}]").index.tolist() == [first.name]


def test_without_ageing_everything_is_there():
    with Sandbox() as sandbox:
        assert sandbox.client().latest("hmi.M_720s").time.iloc[0].year == 2026
