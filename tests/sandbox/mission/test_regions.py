"""Flares of the computed corona: when they come, what each channel shows, and that headers describe their images."""

from __future__ import annotations

import numpy as np
import pytest

from jsoclite.sandbox.mission.ephemeris import moment
from jsoclite.sandbox.mission.mission import MissionCatalog
from jsoclite.sandbox.mission.regions import LASTING, burning, flares, light, regions
from jsoclite.sandbox.mission.series import Rows
from jsoclite.sandbox.mission.values_aia import wandering
from jsoclite.sandbox.sun.files import segment_array, segment_file
from jsoclite.times.server import scan_time

CATALOG = MissionCatalog(segment_file)
LEV1 = CATALOG["aia.lev1"]
WAVES = (94, 131, 171, 193, 211, 304, 335, 1600)
#: Peak of the flare of 2014 March 29 in soft X-rays.
PEAK = scan_time("2014.03.29_17:48_UTC")


def frames(time, wavelength, seconds=48):
    """Record numbers of the frames of one channel that begin after a time (TAI seconds)."""
    start = int(time)
    recnums = LEV1.candidates({"t_rec_index": (start, start + seconds)}, False)
    return recnums[LEV1.columns(recnums, ["wavelnth"])["wavelnth"] == wavelength]


def image(recnum):
    return segment_array(Rows(LEV1, np.array([recnum])), LEV1.definition.segments["image_lev1"])


def course(wavelength, hours=4.0):
    """Times and light of one channel around the flare of 2014 March 29."""
    times = np.arange(PEAK - 3600, PEAK + hours * 3600, 12.0)
    return times, light(times, np.full(len(times), wavelength)).mean


@pytest.mark.parametrize(
    ("peak", "size", "harp", "noaa"),
    [
        ("2011.02.15_01:56", 2.2, 377, "11158"),
        ("2014.03.29_17:48", 1.0, 3894, "12017"),
        ("2017.09.06_12:02", 9.3, 7115, "12673"),
        ("2017.09.10_16:06", 8.2, 7115, "12673"),
        ("2024.05.14_16:51", 8.7, 11149, "13664,13668"),
    ],
)
def test_great_flares_are_those_of_goes(peak, size, harp, noaa):
    found = flares()
    (which,) = np.flatnonzero(found.peak == scan_time(f"{peak}_UTC"))
    host = found.host[which]
    assert found.size[which] == size
    assert regions().number[host] == harp
    assert regions().noaa[host] == noaa
    assert host in regions().alive(found.peak[which])


def test_small_flares_follow_the_cycle_and_the_strength_of_regions():
    found = flares()
    assert (np.diff(found.begin) >= 0).all()
    assert (found.end - found.begin <= LASTING).all()
    per_day = {
        year: ((found.peak > moment(f"{year}.01.01")) & (found.peak < moment(f"{year + 1}.01.01"))).sum() / 365
        for year in (2014, 2019)
    }
    assert per_day[2014] > 5 > 1.2 * per_day[2019]
    # sizes follow a power law: ten times more flares above C1 than above M1, or nearly so
    above = [(found.size > limit).sum() for limit in (0.01, 0.1)]
    assert 4 < above[0] / above[1] < 12
    strong = regions().flux > 1e22
    hosts = np.bincount(found.host, minlength=len(strong))
    numbered = regions().number > 0
    assert hosts[strong & numbered].mean() > 4 * hosts[~strong & numbered].mean()


def test_channels_peak_one_after_the_other():
    peaks = {}
    for wave in WAVES:
        times, gained = course(wave)
        peaks[wave] = times[gained.argmax()] - PEAK
    assert peaks[1600] < 0
    assert peaks[304] < 0
    assert peaks[1600] < peaks[193] < peaks[131] < peaks[94] < peaks[211] < peaks[335]
    assert abs(peaks[131]) < 300
    assert 600 < peaks[335] < 3600


def test_hot_channels_gain_most_and_ultraviolet_flashes():
    usual = {94: 0.9, 131: 4.6, 171: 135.0, 193: 185.0, 211: 62.0, 304: 32.0, 335: 2.8, 1600: 80.0}
    gain = {wave: course(wave)[1].max() / usual[wave] for wave in WAVES}
    assert min(gain[94], gain[131]) > 5 * max(gain[wave] for wave in WAVES if wave not in (94, 131))

    def width(wave):
        _, gained = course(wave)
        return 12 * (gained > gained.max() / 2).sum()

    assert width(1600) < width(193) < width(131) < width(94) < width(335)


def test_light_depends_on_its_time_and_channel_only():
    times = PEAK + np.array([7200.0, -300.0, 0.0, 900.0, 5e6, 0.0])
    waves = np.array([94, 131, 131, 171, 304, 335])
    together = light(times, waves)
    for place in range(len(times)):
        alone = light(times[place : place + 1], waves[place : place + 1])
        assert alone.mean[0] == together.mean[place]
        assert alone.kernel[0] == together.kernel[place]
    seen = burning(PEAK, 131)
    assert sum(one.light for one in seen) / 65536 == pytest.approx(together.mean[2])


@pytest.mark.parametrize("minutes", [-60, -4, 1, 22])
@pytest.mark.parametrize("wave", WAVES)
def test_headers_describe_their_images(wave, minutes):
    for recnum in frames(PEAK + 60 * minutes, wave)[:2]:
        words = LEV1.columns(np.array([recnum]), ["datamean", "datamax", "datarms", "nsatpix"])
        values = image(recnum)
        assert values.mean() == pytest.approx(words["datamean"][0], rel=0.15)
        if minutes in (-4, 1) and wave in (94, 131):
            assert values.std() == pytest.approx(words["datarms"][0], rel=0.3)
            assert values.max() == pytest.approx(words["datamax"][0], rel=0.3)
        full = (values >= 16383).sum()
        assert words["nsatpix"][0] == pytest.approx(full, abs=3 + 0.5 * full)


def test_the_flare_is_where_its_region_is():
    before, during = (image(frames(PEAK + 60 * minutes, 131)[0]) for minutes in (-60, 1))
    cols = LEV1.columns(
        frames(PEAK + 60, 131)[:1], ["crpix1", "crpix2", "cdelt1", "rsun_obs", "crln_obs", "crlt_obs", "crota2"]
    )
    word = {name: float(value[0]) for name, value in cols.items()}
    row, column = np.unravel_index((during - before).argmax(), during.shape)
    host = np.flatnonzero(regions().number == 3894)
    lat = np.radians(regions().latitude[host][0])
    lon = np.radians(regions().carrington(host, np.array([PEAK]))[0] - word["crln_obs"])
    tilt, radius = np.radians(word["crlt_obs"]), word["rsun_obs"] / word["cdelt1"]
    x = word["crpix1"] - 1 + radius * np.cos(lat) * np.sin(lon)
    y = word["crpix2"] - 1 + radius * (np.sin(lat) * np.cos(tilt) - np.cos(lat) * np.cos(lon) * np.sin(tilt))
    assert np.hypot(column - x, row - y) < 8
    # 12017 was at N10 W32
    assert np.degrees(lat) == pytest.approx(10)
    assert (np.degrees(lon) + 180) % 360 - 180 == pytest.approx(32, abs=0.5)


def test_every_second_exposure_is_short_in_a_strong_flare_only():
    def exposures(time, wave):
        return LEV1.columns(frames(time, wave, 120), ["exptime", "datamean", "nsatpix"])

    strong = exposures(PEAK, 131)
    short, long = strong["exptime"][::2], strong["exptime"][1::2]
    short, long = min(short, long, key=np.mean), max(short, long, key=np.mean)
    assert (short < 1.0).all()
    assert long == pytest.approx(2.901, abs=0.01)
    brief = strong["exptime"] < 1.0
    assert (strong["nsatpix"][brief] == 0).all()
    assert (strong["nsatpix"][~brief] > 0).all()
    # saturated pixels lose light: the long exposures say too little
    rate = strong["datamean"] / strong["exptime"]
    assert rate[brief].min() > rate[~brief].max()
    assert exposures(PEAK - 7200, 131)["exptime"] == pytest.approx(2.901, abs=0.01)
    # ultraviolet channels keep theirs
    assert exposures(PEAK, 1600)["exptime"] == pytest.approx(2.901, abs=0.01)


def test_slotted_channels_and_frames_have_the_same_exposures():
    euv = CATALOG["aia.lev1_euv_12s"]
    first = euv.definition.slotting["t_rec"].slot(PEAK)
    recnums = euv.candidates({"t_rec_index": (first, first + 9)}, False)
    cols = euv.columns(recnums, ["ln_lev1", "exptime", "datamean", "wavelnth"])
    frame = LEV1.columns(cols["ln_lev1"], ["exptime", "datamean", "wavelnth"])
    assert (cols["wavelnth"] == frame["wavelnth"]).all()
    assert cols["exptime"] == pytest.approx(frame["exptime"], rel=1e-6)
    assert cols["datamean"] == pytest.approx(frame["datamean"], rel=1e-4)


def test_quiet_channels_wander_each_by_itself():
    euv = CATALOG["aia.lev1_euv_12s"]
    slotting = euv.definition.slotting["t_rec"]
    bounds = tuple(slotting.slot(moment(day)) for day in ("2019.10.05", "2019.10.12"))
    rows = Rows(euv, euv.candidates({"t_rec_index": bounds, "wavelnth": (171, 304)}, False))
    waves, level = rows.prime("wavelnth"), wandering(rows)
    curves = np.stack([level[waves == wave] for wave in (171, 193, 211, 304)])
    assert np.abs(np.corrcoef(curves)[np.triu_indices(4, 1)]).max() < 0.6
    assert (np.abs(np.diff(curves, axis=1)) < 0.001).all()
    assert (curves.std(axis=1) > 0.003).all()
    assert (np.abs(curves - 1) < 0.04).all()


@pytest.mark.parametrize(
    ("segment", "unit"),
    [("magnetogram", "Mx/cm^2"), ("bitmap", ""), ("Dopplergram", "cm/s"), ("continuum", "DN/s"), ("Br", "Mx/cm^2")],
)
def test_patches_say_the_unit_of_each_segment(segment, unit):
    # as published headers of HARP 377 have it
    series = CATALOG["hmi.sharp_cea_720s"]
    number = series.definition.segments[segment.lower()].number
    recnum = series.candidates({"harpnum": (377, 377)}, False)[:1]
    assert series.columns(recnum, [f"bunit_{number:03d}"])[f"bunit_{number:03d}"].tolist() == [unit]
