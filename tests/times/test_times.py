"""Times and durations against the recorded answers of the server's time library, and against astropy."""

import datetime as dt
import json
import math
import pickle
import re
import subprocess
import sys

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.time import Time
from conftest import GOLDEN
from hypothesis import given
from hypothesis import strategies as st

from jsoclite import times
from jsoclite.errors import RecordSetError
from jsoclite.times.parse import DrmsTime
from jsoclite.times.scale import JD_ZERO, LEAP_SECONDS


def load(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


# ---- the server's own behaviour
def test_scan_agrees_with_every_recorded_time():
    goldens = load("time_scan.jsonl")
    wrong = []
    for golden in goldens:
        found = times.words.scan_time_ext(golden["input"])
        if (
            found != (golden["epoch"], golden["ext_consumed"])
            or times.words.scan_time(golden["input"]) != golden["epoch"]
        ):
            wrong.append((golden["input"], found))
    print(f"time_scan.jsonl: {len(goldens) - len(wrong)} of {len(goldens)}")
    assert wrong == []


def test_print_agrees_with_every_recorded_time():
    checked, wrong = 0, []
    for golden in load("time_print.jsonl"):
        for how, text in golden["prints"].items():
            zone, precision = how.rsplit(",", 1)
            checked += 1
            if times.words.format_time(golden["epoch"], zone, int(precision)) != text:
                wrong.append((golden["epoch"], how, text))
    for golden in load("time_scan.jsonl"):
        for how, text in golden["reprint"].items():
            zone, precision = how.rsplit(".", 1)
            checked += 1
            if times.words.format_time(golden["epoch"], zone, int(precision)) != text:
                wrong.append((golden["epoch"], how, text))
    print(f"time_print.jsonl and reprints: {checked - len(wrong)} of {checked}")
    assert wrong == []
    assert checked == 4443


def test_durations_agree_with_every_recorded_one():
    goldens = load("time_duration.jsonl")
    for golden in goldens:
        try:
            amount, unit, _ = times.words.scan_duration(golden["input"])
            seconds = amount * {"s": 1, "m": 60, "h": 3600, "d": 86400, "u": 720}[unit]
        except RecordSetError:
            assert golden["status"] == 1, golden
        else:
            assert golden["status"] == 0, golden
            assert seconds == golden["seconds"] or (math.isnan(seconds) and math.isnan(golden["seconds"])), golden
    print(f"time_duration.jsonl: {len(goldens)} of {len(goldens)}")


# ---- reading strictly
MISREAD = {
    # fully read by the server, but not as written
    "2014.07.01_12:00:00_+1",
    "2012.06.30_23:59:60_TAI",
    "2014.06.30_23:59:60_UTC",
    "2018.06.30_23:59:60_UTC",
    "2018.12.31_23:59:60_UTC",
    "2015.02.29_TAI",
    "2014.02.30_TAI",
    "2014.04.31_TAI",
    "2014.00.01_TAI",
    "2014.01.00_TAI",
    "2014.01.32_TAI",
    "2014.01.01_25:00:00_TAI",
    "2014.01.01_00:61_TAI",
    "2014.01.01_-1:00:00_TAI",
    "1582.10.10_TAI",
}
# what the server passes over without harm
HARMLESS = {"2014.07.01_12:00:00z", "2014-07-01T12:00:00z", "2014-07-01Z", "2014.01.01_TAI "}


# a clock without colons, which the server takes for hours alone: read as people mean it
COMPACT = {"20140701T120000Z": "2014.07.01_12:00:00_UTC", "20140701_120000_TAI": "2014.07.01_12:00:00_TAI"}


# forms of other programs, which are written anew before they are sent
OF_OTHERS = {"2014/07/01 12:00"}


def test_strict_reading_agrees_wherever_the_server_reads_what_is_written():
    agreed = refused = 0
    for golden in load("time_scan.jsonl"):
        text = golden["input"]
        good = not golden["invalid"] and golden["ext_consumed"] == len(text) and text not in MISREAD
        if text in COMPACT:
            assert times.parse_time(text) == times.parse_time(COMPACT[text])
        elif good or text in HARMLESS:
            assert times.parse_time(text).seconds == golden["epoch"], text
            assert times.is_time(text)
            agreed += 1
        else:
            with pytest.raises(RecordSetError, match="no time"):
                times.DrmsTime.parse(text)
            assert times.is_time(text) is (text in OF_OTHERS)
            refused += 1
    print(f"parse_time: {agreed} agree, {refused} refused")
    assert (agreed, refused, len(COMPACT)) == (111, 58, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2014-07-01T12:00:00+01:00", r"\+0100"),
        ("2014.07.01_12:00:00_CEST", "zones"),
        ("2014.13.01", "month 13"),
        ("2014.02.30", "28 days"),
        ("2014.366", "DRMS"),
        ("2014.06.30_23:59:60_UTC", "leap second"),
        ("2014.01.01.05", "zeros"),
        ("2014.Janitor.01", "'Janitor' as Jan"),
        ("20140701T12000", "colons"),
        ("JD_0", "missing"),
        ("2014.01.01_00:00:00_+0199", "four digits"),
        ("JD_0x10", "plain number"),
        ("2014.01.01\u00b0", "ASCII"),
    ],
)
def test_refusals_say_why(text, reason):
    with pytest.raises(RecordSetError, match=reason):
        times.parse_time(text)


@pytest.mark.parametrize("offset", ["+0000", "Z", "+00:00", "_UTC", "_UT", ""])
def test_utc_in_all_its_spellings(offset):
    assert times.parse_time(f"2014-01-01T00:00:00{offset}").tai == "2014.01.01_00:00:35_TAI"


INSTANT = "2014.01.01_00:00:35_TAI"


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2014, 1, 1),
        dt.datetime(2014, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2014, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        dt.date(2014, 1, 1),
        pd.Timestamp("2014-01-01"),
        pd.Timestamp("2014-01-01T01:00:00+01:00"),
        np.datetime64("2014-01-01"),
        np.datetime64("2014-01-01T00:00:00", "s"),
        Time("2014-01-01T00:00:00"),
        Time("2014-01-01T00:00:35", scale="tai"),
        "2014-01-01 00:00:00",
        b"2014-01-01T00:00:00Z",
        times.tai("2014.01.01_00:00:35"),
        np.array("2014-01-01"),
    ],
    ids=repr,
)
def test_every_kind_of_input(value):
    assert str(times.utc(value)) == INSTANT


def test_zone_less_input_is_tai_for_tai_and_utc_otherwise():
    assert str(times.tai("2014-01-01")) == "2014.01.01_00:00:00_TAI"
    assert str(times.tai(dt.datetime(2014, 1, 1))) == "2014.01.01_00:00:00_TAI"
    assert str(times.tai("MJD_56658")) == "2014.01.01_00:00:00_TAI"
    assert str(times.tai("2014-01-01Z")) == INSTANT
    assert str(times.parse_time("2014-01-01")) == INSTANT
    assert times.tai("2014.01.01").scale == "tai"
    assert times.utc("2014.01.01").scale == "utc"


def test_several_at_once():
    texts = ["2014-01-01", "2014-01-02"]
    wanted = ["2014.01.01_00:00:00_TAI", "2014.01.02_00:00:00_TAI"]
    for several in (texts, tuple(texts), np.array(texts), pd.Series(texts), pd.DatetimeIndex(texts)):
        assert [str(one) for one in times.tai(several)] == wanted
    assert [str(one) for one in times.tai(Time(texts, scale="tai"))] == wanted
    assert times.utc([]) == []


@pytest.mark.parametrize(
    "value", [None, 5, 1167609600.0, pd.NaT, np.datetime64("NaT", "ns"), object(), True, [[]], "171px"]
)
def test_what_is_no_time(value):
    assert not times.is_time(value)
    with pytest.raises(RecordSetError):
        times.parse_time(value)


def test_unknown_scale():
    with pytest.raises(RecordSetError, match="'utc' or 'tai'"):
        times.parse_time("2014", "tt")
    with pytest.raises(RecordSetError, match="'utc' or 'tai'"):
        times.to_datetime(["2014"], "tt")


# ---- the value
def test_a_time_is_a_value():
    early, late = times.tai("2014.01.01_00:00:00"), times.tai("2014.01.01_00:12:00.25")
    assert early < late
    assert late - early == dt.timedelta(seconds=720.25)
    assert early + dt.timedelta(seconds=720.25) == late
    assert late - np.timedelta64(720250, "ms") == early
    assert str(late) == "2014.01.01_00:12:00.25_TAI"
    assert late.utc == "2014-01-01T00:11:25.25Z"
    assert times.utc(late.utc) == late
    assert hash(times.utc(late.utc)) == hash(late)
    assert pickle.loads(pickle.dumps(late)) == late
    assert late.to_datetime() == dt.datetime(2014, 1, 1, 0, 11, 25, 250000, tzinfo=dt.UTC)
    assert late.datetime64 == np.datetime64("2014-01-01T00:11:25.250")
    assert repr(early) == "DrmsTime('2014.01.01_00:00:00_TAI')"
    with pytest.raises(AttributeError):
        early.seconds = 1.0
    with pytest.raises(TypeError):
        early + 5


def test_leap_seconds_of_a_value():
    leap = times.utc("2012-06-30T23:59:60.5Z")
    assert str(leap) == "2012.07.01_00:00:34.5_TAI"
    assert leap.utc == "2012-06-30T23:59:60.5Z"
    assert leap.datetime64 == np.datetime64("2012-07-01T00:00:00.5")
    assert times.utc("2012-07-01T00:00:00Z") - leap == dt.timedelta(seconds=0.5)


def test_times_that_python_cannot_hold():
    assert str(times.tai("0099.01.01")) == "0099.01.01_00:00:00_TAI"
    assert str(times.tai("10000.01.01")) == "10000.01.01_00:00:00_TAI"
    with pytest.raises(RecordSetError, match="1678 to 2261"):
        times.tai("10000.01.01").datetime64
    assert times.tai("1700.01.01").datetime64 == np.datetime64("1700-01-01")


@given(st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2400, 1, 1)))
def test_printing_and_reading_are_inverse(moment):
    moment = moment.replace(microsecond=moment.microsecond // 10 * 10)
    time = times.tai(moment)
    fraction = f"{moment:.%f}".rstrip("0") if moment.microsecond else ""
    assert str(time) == f"{moment:%Y.%m.%d_%H:%M:%S}{fraction}_TAI"
    again = times.tai(str(time))
    assert str(again) == str(time)
    assert again.seconds == times.words.scan_time(str(time)) == pytest.approx(time.seconds, abs=4e-6)


@given(st.integers(-12_000_000_000, 10_000_000_000))
def test_whole_seconds_survive_the_server_s_printing_and_reading(seconds):
    # before 1972 the server's leap seconds are not symmetric
    for zone in ("TAI", "GPS", "UTC", "ISO") if seconds > LEAP_SECONDS[9][0] else ("TAI", "GPS"):
        text = times.words.format_time(float(seconds), zone)
        assert times.words.scan_time(text) == seconds, text


@given(st.datetimes(dt.datetime(1972, 1, 2), dt.datetime(2025, 1, 1)))
def test_utc_agrees_with_astropy(moment):
    ours = times.utc(moment)
    theirs = Time(moment, scale="utc")
    assert (theirs.tai - Time("1977-01-01", scale="tai")).to_value(u.s) == pytest.approx(ours.seconds, abs=1e-5)
    assert times.utc(theirs).seconds == pytest.approx(ours.seconds, abs=2e-6)
    assert ours.to_datetime().replace(tzinfo=None) == moment


# ---- columns
def by_value(text, scale):
    """One string by the reader of single values, as nanoseconds since 1970."""
    time = times.utc(text)
    if scale == "utc":
        return time.datetime64.astype("M8[us]")  # of times read with the server's own rounding
    return np.datetime64("1977-01-01T00:00:00", "us") + np.timedelta64(round(time.seconds * 1e6), "us")


moments = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1))
layouts = st.sampled_from(
    [
        "{:%Y.%m.%d_%H:%M:%S}_TAI",
        "{:%Y.%m.%d_%H:%M:%S.%f}_TAI",
        "{:%Y-%m-%dT%H:%M:%S}Z",
        "{:%Y-%m-%dT%H:%M:%S.%f}Z",
        "{:%Y.%m.%d_%H:%M:%S}_UTC",
        "{:%Y-%m-%d %H:%M:%S}",
        "{:%Y.%m.%d_%H:%M}_TAI",
        "{:%Y.%b.%d}",
        "{:%Y.%m.%d_%H:%M:%S}_TT",
        "{:%Y.%m.%d_%H:%M:%S}_GPS",
        "{:%Y.%m.%d_%H:%M:%S}_PST",
    ]
)
strings = st.lists(st.builds(lambda layout, moment: layout.format(moment), layouts, moments), max_size=12)


@given(strings, st.sampled_from(["utc", "tai"]), st.sampled_from([list, np.array, np.bytes_, object, pd.Series]))
def test_columns_agree_with_single_values(texts, scale, form):
    column = texts
    if form is np.array:
        column = np.array(texts, dtype=str)
    elif form is np.bytes_:
        column = np.array([text.encode() for text in texts], dtype="S40")
    elif form is object:
        column = np.array(texts, dtype=object)
    elif form is pd.Series:
        column = pd.Series(texts, dtype="str")
    found = times.to_datetime(column, scale)
    assert found.dtype == "M8[ns]"
    assert found.shape == (len(texts),)
    for text, one in zip(texts, found, strict=True):
        assert abs(one.astype("M8[us]") - by_value(text, scale)) <= np.timedelta64(4, "us"), text


def test_missing_times_are_nat():
    missing = ["", "MISSING", "Invalid KeyLink", "BadSegLink", "nan", "JD_0", "-4712.01.01_11:59:28_TAI"]
    missing += ["-4712.01.01_11:59:28Z", "-4712-01-01T11:59:28Z", "-4712.01.01_11:59:28.00Z"]
    found = times.to_datetime([*missing, "2014.01.01_TAI"])
    assert np.isnat(found[:-1]).all()
    assert found[-1] == np.datetime64("2013-12-31T23:59:25")
    assert np.isnat(times.to_datetime(np.array([None, float("nan"), pd.NA, pd.NaT], dtype=object))).all()
    assert np.isnat(times.to_datetime(pd.Series([None, "2014.01.01_TAI"])))[0]
    assert np.isnat(times.to_datetime(np.array([b""] * 3))).all()


def test_leap_seconds_of_columns():
    texts = ["2012-06-30T23:59:59Z", "2012-06-30T23:59:60Z", "2012-06-30T23:59:60.25Z", "2012-07-01T00:00:00Z"]
    seconds = np.array([33, 34, 34.25, 35])
    origin = np.datetime64("2012-07-01T00:00:00", "ns")
    found = times.to_datetime(texts, "tai")
    assert ((found - origin) / np.timedelta64(1, "s") == seconds).all()
    # the same instants by their TAI clocks; in UTC the leap second is the next day's first
    clocks = [f"2012.07.01_00:00:{second:05.2f}_TAI" for second in seconds]
    assert (times.to_datetime(clocks, "tai") == found).all()
    utc = (times.to_datetime(clocks) - origin) / np.timedelta64(1, "s")
    assert utc.tolist() == [-1, 0, 0.25, 0]
    assert (times.to_datetime(texts) == times.to_datetime(clocks)).all()


def test_all_leap_seconds_of_columns():
    ends = [begin for begin, _ in LEAP_SECONDS[10:]]
    texts = [times.words.format_time(begin + shift, "ISO") for begin in ends for shift in (-2, -1, 0, 1)]
    wanted = [begin + shift for begin in ends for shift in (-2, -1, 0, 1)]
    counted = (times.to_datetime(texts, "tai") - np.datetime64("1977-01-01")) / np.timedelta64(1, "s")
    assert counted.tolist() == wanted
    assert sum(text.endswith(":60Z") for text in texts) == len(ends)


@pytest.mark.parametrize("text", ["garbage", "2014.02.30_00:00:00_TAI", "2014.01.01_24:00:01_TAI", "9999.12.31_TAI"])
def test_what_is_no_time_in_a_column(text):
    with pytest.raises(RecordSetError):
        times.to_datetime(["2014.01.01_00:00:00_TAI", text])
    found = times.to_datetime(["2014.01.01_00:00:00_TAI", text], errors="coerce")
    assert np.isnat(found).tolist() == [False, True]


def test_columns_of_many_layouts_and_odd_strings():
    texts = [f"2014.{month}.{day:02d}_TAI" for month in ("Jan", "VII", "12") for day in range(1, 29)]
    found = times.to_datetime(texts, "tai")
    assert found[0] == np.datetime64("2014-01-01")
    assert found[-1] == np.datetime64("2014-12-28")
    with pytest.raises(RecordSetError):
        times.to_datetime(["2014.01.01_TAI\u00b0", "2014.01.01_TAI"])
    with pytest.raises(RecordSetError):
        times.to_datetime(["2014.01.01_TAI\n2014.01.01_TAI", "2014.01.01_TAI\n2014.01.01_TAI"])
    assert len(times.to_datetime([])) == 0
    assert times.to_datetime(["2014.01.01_00:00:00.123456789123_TAI"], "tai")[0] == np.datetime64(
        "2014-01-01T00:00:00.123456789"
    )


def test_a_column_longer_than_a_block():
    seconds = np.arange(30_000) * 3_600.0
    texts = [times.words.format_time(second) for second in seconds]
    texts[12_345] = "MISSING"
    found = times.to_datetime(texts, "tai")
    counted = (found - np.datetime64("1977-01-01")) / np.timedelta64(1, "s")
    assert np.isnat(found[12_345])
    assert np.delete(counted, 12_345).tolist() == np.delete(seconds, 12_345).tolist()


# ---- durations
@pytest.mark.parametrize(
    ("value", "seconds", "text"),
    [
        ("12m", 720, "12m"),
        ("1.5h", 5400, "1.5h"),
        (dt.timedelta(minutes=24), 1440, "24m"),
        (np.timedelta64(1, "D"), 86400, "1d"),
        (90 * u.min, 5400, "90m"),
        (45, 45, "45s"),
        (0.5, 0.5, "0.5s"),
        (pd.Timedelta("2h"), 7200, "2h"),
        (np.float64(7200), 7200, "2h"),
        (0, 0, "0s"),
    ],
    ids=repr,
)
def test_durations(value, seconds, text):
    assert times.parse_duration(value) == pytest.approx(seconds)
    assert times.format_duration(value) == text


def test_slots_as_durations():
    assert times.parse_duration("2u", 720) == 1440
    assert times.format_duration("2u") == "2u"
    with pytest.raises(RecordSetError, match="counts slots"):
        times.parse_duration("2u")


@pytest.mark.parametrize(
    "value", ["1w", "1", "h", "", "1 h", "1H", "1h30m", "1day", None, True, 5 * u.m, float("nan"), float("inf"), "infs"]
)
def test_what_is_no_duration(value):
    with pytest.raises(RecordSetError):
        times.format_duration(value)


def test_an_unreadable_time_is_the_server_s_julian_day_0():
    assert times.words.scan_time("garbage") == JD_ZERO
    assert times.words.format_time(float("nan")) == times.words.format_time(JD_ZERO)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2014/01/02", "2014.01.02"),
        ("2014/1/2 12:30", "2014.01.02_12:30"),
        ("2014/01/02T12:30:01.5", "2014.01.02_12:30:01.5"),
        ("2014/01/02 12:30Z", "2014.01.02_12:30_UTC"),
        ("2014/01/02_12:30:00_TAI", "2014.01.02_12:30_TAI"),
        ("02-Jan-2014", "2014.01.02"),
        ("2-January-2014 12:30", "2014.01.02_12:30"),
        ("2014:002", "2014.01.02"),
        ("2014:002:12:30:05", "2014.01.02_12:30:05"),
        ("20140102123005", "2014.01.02_12:30:05"),
        ("20140102123005.25", "2014.01.02_12:30:05.25"),
    ],
)
@pytest.mark.parametrize("scale", ["utc", "tai"])
def test_forms_of_other_programs(text, meant, scale):
    assert times.parse_time(text, scale) == times.parse_time(meant, scale)
    with pytest.raises(RecordSetError):  # the server takes them for something else
        times.DrmsTime.parse(text, scale)


@pytest.mark.parametrize("text", ["2014/13/01", "31-Feb-2014", "1-Foo-2014", "2014:366", "2014:001:1200", "01/02/2014"])
def test_what_is_no_time_in_these_forms_either(text):
    with pytest.raises(RecordSetError, match="no time"):
        times.parse_time(text)
    assert not times.is_time(text)


def test_a_format_of_one_s_own():
    assert times.is_time("2014-01-01", "%Y-%m-%d")
    assert not times.is_time("2014-01-01", "%Y/%m/%d")
    assert not times.is_time(dt.datetime(2014, 1, 1), "%Y-%m-%d")


def test_times_go_to_astropy_numpy_and_pandas():
    several = times.tai("2014-01-01", "2016-12-31T23:59:60_UTC")
    assert isinstance(several, list)
    assert np.array(several).dtype == "datetime64[ns]"
    assert list(Time(several).isot) == ["2013-12-31T23:59:25.000", "2017-01-01T00:00:00.000"]
    assert list(several.to_astropy().isot) == ["2014-01-01T00:00:00.000", "2017-01-01T00:00:36.000"]
    assert times.utc("2016-12-31T23:59:60Z").to_astropy().isot == "2016-12-31T23:59:60.000"
    assert times.parse_time(several[1].to_astropy()) == several[1]
    assert pd.Series(several).dtype == "datetime64[ns]"
    assert len(times.utc([])) == 0


def test_a_julian_day_with_a_bare_z_is_utc():
    """The server's reader passes over the Z, and takes terrestrial time; what is sent says TAI."""
    assert times.parse_time("JD_2456658.5Z") == times.parse_time("2014-01-01T00:00:00Z")
    assert str(times.parse_time("JD_2456658.5Z")) == "2014.01.01_00:00:35_TAI"
    assert str(times.parse_time("JD_2456658.5")) == "2013.12.31_23:59:27.816_TAI"


@pytest.mark.parametrize("year", [1500, 1600, 1700, 1896, 1900, 2000, 2014, 2100, 2400])
def test_leap_days_are_those_of_the_calendars(year):
    """Julian up to 1600, as the server counts, Gregorian since."""
    text = f"{year}.02.29_00:00:00_TAI"
    if year % 4 == 0 and (year <= 1600 or year % 100 or year % 400 == 0):
        assert DrmsTime.parse(text).tai == text
    else:
        with pytest.raises(RecordSetError, match="28 days"):
            DrmsTime.parse(text)


@pytest.mark.parametrize("year", ["0001", "0099", "1958", "9999", "11483"])
@pytest.mark.parametrize("second", ["00", "01", "01.5"])
def test_times_of_any_age_have_a_fraction_only_where_there_is_one(year, second):
    text = f"{year}.01.01_00:00:{second}_TAI"
    found = DrmsTime.parse(text).tai
    assert found == text or ("." in second and re.fullmatch(re.escape(text[:-4]) + "0*_TAI", found))


@pytest.mark.parametrize(
    "form",
    [
        list,
        np.array,
        lambda texts: np.array(texts, "S"),
        lambda texts: np.array(texts, object),
        pd.Series,
        lambda texts: pd.Series(texts, dtype="string[pyarrow]"),
        lambda texts: pd.Series(["x", *texts])[1:],
    ],
    ids=["list", "numpy", "bytes", "objects", "pandas", "arrow", "a part"],
)
def test_columns_longer_than_a_block_are_read_whole(form):
    moments = np.datetime64("2014-01-01T00:00:00", "ms") + np.arange(30_001) * np.timedelta64(45_000, "ms")
    moments[::7] += np.timedelta64(500, "ms")
    texts = [f"{text}Z" for text in np.datetime_as_string(moments, "ms")]
    texts[3] = texts[3].replace(".000", "")
    assert (times.to_datetime(form(texts), "utc") == moments).all()


@pytest.mark.parametrize("scale", ["tai", "utc", "tt"])
@pytest.mark.parametrize("text", ["2014.01.01_00:00:00_TAI", "2016-12-31T23:59:60Z", "1996-05-01T00:00:00.5Z"])
def test_times_of_astropy_take_one_of_ours(text, scale):
    one = times.parse_time(text)
    found = Time(one, scale=scale)
    assert (found.scale, found.format) == (scale, "drms")
    assert abs(found - one.to_astropy()).to_value("s") < 1e-5
    assert found.value == one
    assert Time([one, one], scale=scale).shape == (2,)
    assert Time([[one], [one]], scale=scale).value.tolist() == [[one], [one]]
    assert times.parse_time(found) == one


def test_other_times_of_astropy_stay_what_they_were():
    assert Time("2014-01-01").format == "iso"
    assert Time(["2014-01-01T00:00:00"]).format == "isot"
    assert Time(np.datetime64("2014-01-01")).format == "datetime64"
    with pytest.raises(ValueError, match="did not match any of the formats"):
        Time(object())


@pytest.mark.parametrize("first", ["import astropy.time", "import jsoclite", "import jsoclite.times"])
def test_astropy_knows_in_whatever_order_they_are_loaded(first):
    code = (
        f"{first}; import jsoclite; one = jsoclite.tai('2014-01-01'); from astropy.time import Time; print(Time(one))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2014.01.01_00:00:00_TAI"]
