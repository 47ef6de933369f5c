"""What there is of a series over time: equal to a count by hand, in few requests, and drawn as a calendar."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN

import jsoclite
from jsoclite.cli import main
from jsoclite.errors import JsocError, RecordSetError, UnknownName
from jsoclite.sandbox import Sandbox

STATES = ["good", "flagged", "no_image", "offline", "absent"]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.client() as made:
        yield made


def by_hand(client, series, segment, start, end, step, slot, **keys):
    """Count a range slot by slot in TAI, from the columns of a search; dictionaries by the start of a step."""
    rows = client.search(series, start, end, segments=segment, times="tai", **keys)
    said = {}
    for time, word, online in zip(rows.T_REC, rows.QUALITY, rows.online, strict=True):
        if word & 0x80000000:
            state = "no_image"
        elif not online:
            state = "offline"
        else:
            state = "flagged" if word else "good"
        said[time.to_pydatetime()] = state
    found, clock = [], pd.Timestamp(start[:10].replace(".", "-")).to_pydatetime()
    last = pd.Timestamp(end[:10].replace(".", "-")).to_pydatetime()
    while clock < last:
        counts = dict.fromkeys(STATES, 0)
        stop = min(clock + step, last)
        while clock < stop:
            counts[said.get(clock, "absent")] += 1
            clock += slot
        found.append(counts)
    return found


@pytest.mark.parametrize(
    ("series", "segment", "start", "end", "step", "slot", "keys"),
    [
        # an eclipse season with days on tape, the months in which SOHO was lost, and a HARP that comes and goes
        ("hmi.M_720s", "magnetogram", "2014.03.01", "2014.04.02", {"days": 1}, {"minutes": 12}, {}),
        ("hmi.M_45s", "magnetogram", "2014.03.06", "2014.03.08", {"hours": 5}, {"seconds": 45}, {}),
        ("mdi.fd_M_96m_lev182", "data", "1998.05.01", "1999.03.01", {"days": 8}, {"minutes": 96}, {}),
        ("hmi.sharp_cea_720s", "Br", "2011.02.09", "2011.02.26", {"days": 2}, {"minutes": 12}, {"HARPNUM": 377}),
    ],
)
def test_it_equals_a_count_by_hand(client, series, segment, start, end, step, slot, keys):
    start, end = f"{start}_TAI", f"{end}_TAI"
    step, slot = dt.timedelta(**step), dt.timedelta(**slot)
    expected = by_hand(client, series, segment, start, end, step, slot, **keys)
    counted = client.coverage(series, start, end, step=step, **keys)
    assert counted.columns.tolist() == STATES
    assert set(counted.dtypes.astype(str)) == {"Int64"}
    assert counted.to_dict("records") == expected
    assert (counted[STATES].sum() > 0).sum() >= 2
    assert counted.index[0] == pd.Timestamp(jsoclite.parse_time(start).datetime64, tz="UTC")
    assert str(counted.index.tz) == "UTC"


def test_channels_are_counted_each(client):
    counted = client.coverage("aia.lev1_euv_12s", "2014-09-01", "2014-09-02", step="6h", wavelength=[171, 304])
    assert counted.index.names == ["WAVELNTH", "time"]
    for channel in (171, 304):
        rows = client.search(
            "aia.lev1_euv_12s", "2014-09-01", "2014-09-01T23:59:50", wavelength=channel, segments="image"
        )
        dark = (rows.QUALITY & 0x80000000) != 0
        part = counted.loc[channel]
        assert part.no_image.sum() == dark.sum()
        assert part.offline.sum() == (~dark & ~rows.online).sum()
        assert part.sum(axis=1).tolist() == [1800] * 4
    open_ = client.coverage("aia.lev1_euv_12s", "2014-09-01", "2014-09-01T01:00")
    assert sorted(open_.index.get_level_values(0).unique()) == [94, 131, 171, 193, 211, 304, 335]


def test_levels_of_good(client):
    ranges = ("hmi.M_720s", "2011.01.01_TAI", "2011.03.01_TAI")
    clean, usable, image = (client.coverage(*ranges, good=level).sum() for level in ("clean", "usable", "image"))
    assert clean.flagged > usable.flagged >= image.flagged == 0
    for counts in (usable, image):
        assert counts[["no_image", "offline", "absent"]].equals(clean[["no_image", "offline", "absent"]])
        assert counts.good + counts.flagged == clean.good + clean.flagged
    with pytest.raises(ValueError, match="'usable'"):
        client.coverage(*ranges, good="fine")


def test_a_year_is_a_few_requests(sandbox, client):
    client.info("hmi.M_720s")
    before = len(sandbox.requests)
    counted = client.coverage("hmi.M_720s", "2014-01-01", "2015-01-01")
    assert len(sandbox.requests) - before <= 4
    assert len(counted) == 365
    assert counted.sum(axis=1).tolist() == [120] * 365


def test_days_of_utc_stay_days_across_a_leap_second(client):
    counted = client.coverage("aia.lev1_euv_12s", "2015-06-29", "2015-07-03", step="1d", wavelength=171)
    assert counted.index.tolist() == pd.date_range("2015-06-29", periods=4, tz="UTC").tolist()
    # slots are even in TAI: one day has a second more, and now and then a slot
    assert counted.sum(axis=1).tolist() in ([7200] * 4, [7200, 7201, 7200, 7200], [7200, 7200, 7201, 7200])
    in_tai = client.coverage("hmi.M_720s", "2015.06.30_TAI", "2015.07.02_TAI", step="12h")
    assert in_tai.sum(axis=1).tolist() == [60] * 4
    assert in_tai.index.second.tolist() == [25, 25, 25, 24]


def test_the_last_step_may_be_short_and_the_end_is_not_included(client):
    counted = client.coverage("hmi.M_720s", "2014.01.01_TAI", "2014.01.01_05:00_TAI", step="2h")
    assert counted.sum(axis=1).tolist() == [10, 10, 5]
    assert len(client.coverage("hmi.M_720s", "2014-01-01", "2014-01-03")) == 48
    assert len(client.coverage("hmi.M_720s", "2014-01-01", "2014-01-05")) == 4


def test_series_without_even_slots_or_quality(client):
    frames = client.coverage("aia.lev1", "2014-01-01", "2014-01-01T00:10", step="5m")
    assert frames.absent.isna().all()
    assert frames.good.sum() == client.count("aia.lev1[2014-01-01T00:00:00Z-2014-01-01T00:09:59Z]")
    plain = client.coverage("aia.temperature_summary_300s", "2014-01-01", "2014-01-02", step="12h")
    assert plain.sum(axis=1).tolist() == [144] * 2
    empty = client.coverage("hmi.M_720s", "1999.01.01_TAI", "1999.01.02_TAI", step="1d")
    assert empty.to_dict("records") == [{"good": 0, "flagged": 0, "no_image": 0, "offline": 0, "absent": 120}]


def test_cameras_that_take_turns_are_one_series():
    with Sandbox(catalog=GOLDEN / "catalog") as sandbox, sandbox.client() as client:
        every = client.query("hmi.M_720s", keywords="T_REC,CAMERA,QUALITY", times="tai")
        day = every.T_REC.min().floor("D")
        start, end = (f"{one:%Y.%m.%d}_TAI" for one in (day, day + pd.Timedelta("1D")))
        rows = every[every.T_REC.dt.floor("D") == day]
        counted = client.coverage("hmi.M_720s", start, end, step="1d", CAMERA=3)
        mine = rows[rows.CAMERA == 3]
        assert counted.index.nlevels == 1
        assert counted.no_image.tolist() == [((mine.QUALITY & 0x80000000) != 0).sum()]
        assert counted.absent.tolist() == [120 - mine.T_REC.nunique()]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("hmi.M_720s", "2014-01-02", "2014-01-01"), RecordSetError, "end must come after"),
        (("hmi.M_720s", "2014-01-01", "2014-01-01"), RecordSetError, "empty"),
        (("hmi.M_720s", "2014-01-01", "2014-01-02", "5m"), RecordSetError, "720 s apart"),
        (("hmi.M_720s", "2014-01-01", "2014-01-02", 0), RecordSetError, "step=0"),
        (("hmi.Synoptic_Mr_720s", "2014-01-01", "2014-01-02"), UnknownName, "CAR_ROT"),
        (("aia.lev1", "2014-01-01", "2015-01-01", 0.001), RecordSetError, "a million"),
    ],
)
def test_what_cannot_be_counted(client, arguments, kind, words):
    with pytest.raises(kind, match=words):
        client.coverage(*arguments[:3], step=(arguments[3:] or (None,))[0])
    with pytest.raises(UnknownName, match="HARPNUM"):
        client.coverage("hmi.M_720s", "2014-01-01", "2014-01-02", HARPNUM=1)


# -- the picture ------------------------------------------------------------------------------------------------------


def colours(axes):
    """Return the colours of a panel as a set of bytes."""
    pixels = (np.asarray(axes.images[0].get_array()) * 255).round().astype(int)
    return {tuple(int(part) for part in one) for one in pixels.reshape(-1, 3)}


def labels(axes, which):
    return [text.get_text() for text in getattr(axes, f"get_{which}ticklabels")()]


@pytest.mark.parametrize(
    ("start", "end", "step", "word", "first", "rows"),
    [
        ("2014-03-01", "2014-03-11", "1h", "hour of the day (UTC)", "2014 Mar 01", 10),
        ("2014.03.01_TAI", "2014.03.11_TAI", "1d", "hour of the day (TAI)", "2014 Mar 01", 10),
        ("2014.01.15_TAI", "2014.07.02_TAI", "1d", "day of the month (TAI)", "2014 Jan", 7),
        ("2011-01-01", "2016-01-01", "30d", "month of the year (UTC)", "2011", 5),
    ],
)
def test_a_calendar_has_axes_zone_and_legend(client, tmp_path, start, end, step, word, first, rows):
    counted = client.coverage("hmi.M_720s", start, end, step=step)
    figure = counted.plot(tmp_path / "calendar.png")
    (axes,) = figure.axes
    assert axes.get_xlabel() == word
    assert labels(axes, "y")[0] == first
    assert len(labels(axes, "y")) == rows
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    totals = counted.sum()
    assert [text.split(" (")[0] for text in said] == [f"{name.replace('_', ' ')} {totals[name]:,}" for name in STATES]
    assert "hmi.M_720s" in figure.texts[0].get_text()
    assert (tmp_path / "calendar.png").read_bytes().startswith(b"\x89PNG")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_one_bad_slot_of_many_is_seen(client):
    counted = client.coverage("hmi.M_720s", "2014.01.01_TAI", "2014.03.01_TAI")
    plain = counted.copy()
    plain[:] = 0
    plain["good"] = 120
    plain.attrs = counted.attrs
    picture = type(counted)(plain)
    picture.attrs = counted.attrs
    assert colours(picture.plot().axes[0]) == {(0xDF, 0xE8, 0xEE), (255, 255, 255)}
    picture.iloc[10] = [119, 0, 0, 0, 1]
    assert colours(picture.plot().axes[0]) == {(0xDF, 0xE8, 0xEE), (255, 255, 255), (0x1A, 0x1A, 0x1A)}


def test_a_panel_for_each_value(client):
    counted = client.coverage("aia.lev1_euv_12s", "2014-01-01", "2014-01-02", wavelength=[171, 304])
    figure = counted.plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["WAVELNTH 171", "WAVELNTH 304"]
    with pytest.raises(JsocError, match="12 panels"):
        client.coverage("hmi.sharp_cea_720s", "2011-02-10", "2011-02-25").plot()
    with pytest.raises(JsocError, match="cannot write the picture"):
        counted.plot("/no/such/folder/picture.png")


def test_on_the_command_line(sandbox, tmp_path, capsys):
    picture = tmp_path / "days.svg"
    words = ["--server", sandbox.url, "coverage", "aia.lev1_euv_12s", "2014-01-01", "2014-01-02", "--step", "6h"]
    words += ["--wavelength", "171", "--wavelength", "304", "--good", "0x600", "--csv", "--plot", str(picture)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "WAVELNTH,time,good,flagged,no_image,offline,absent"
    assert len(lines) == 9
    assert "<svg" in picture.read_text()[:500]
    assert main([*words[:6], "--key", "HARPNUM"]) == 2
    assert main(["--server", sandbox.url, "coverage", "hmi.sharp_cea_720s", *words[4:6], "--key", "harpnum=377"]) == 0
