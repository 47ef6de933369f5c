"""The client's account of im_patch: against the sandbox's, which it does not know, and what it refuses."""

import numpy as np
import pytest

from jsoclite.errors import ProcessingError
from jsoclite.export.steps import Cutout, Patch, Rebin
from jsoclite.sandbox.processing.patch import prepare
from jsoclite.times import words

T_REF = "2014.01.01_00:00:35_TAI"


def image(**changes):
    made = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CRPIX1": 2047.9, "CRPIX2": 2050.3, "CRVAL1": 0.0}
    made |= {"CRVAL2": 0.0, "CDELT1": 0.504, "CROTA2": 179.93, "CRLT_OBS": -3.0, "CRLN_OBS": 189.5, "CAR_ROT": 2145}
    made |= {"DSUN_OBS": 1.471e11, "RSUN_REF": 6.96e8, "CALVER64": 4370, "T_OBS": 1.17e9, "QUALITY": 0}
    return made | changes


def pointing(rng, **changes):
    roll = rng.choice([0.0, 180.0, -180.0, 179.93, 0.02, 178.99, 181.01, -179.5, 45.0, rng.uniform(-360, 360)])
    made = {
        "CRPIX1": rng.uniform(2030, 2060), "CRPIX2": rng.uniform(2030, 2060), "CRVAL1": rng.choice([0.0, 3.7]),
        "CDELT1": rng.choice([0.504, 0.6, 2.0, 8.1]), "CROTA2": roll, "CRLT_OBS": rng.uniform(-7.3, 7.3),
        "CRLN_OBS": rng.uniform(0, 360), "CALVER64": int(rng.choice([0, 4370, 1 << 28, -(1 << 63)])),
        "DSUN_OBS": rng.uniform(1.46e11, 1.53e11), "RSUN_REF": rng.choice([6.96e8, 6.957e8]),
    }  # fmt: skip
    return image(**made) | changes


def cutout(rng):
    """Any cutout whose centre is on the disk."""
    box = str(rng.choice(["pixels", "arcsec", "degrees"]))
    size = tuple(rng.integers(1, 60, 2).tolist() if box != "arcsec" else rng.uniform(20, 900, 2).tolist())
    kind = str(rng.choice(["arcsec", "pixels", "stonyhurst", "carrington"]))
    options = {"box": box, "location": kind, "crop": bool(rng.integers(2))}
    if kind == "carrington":
        return Cutout((rng.uniform(0, 360), rng.uniform(-60, 60)), size, car_rot=2145, **options)
    options |= {"t_ref": T_REF, "track": bool(rng.integers(2))}
    if kind == "pixels":
        return Cutout(tuple(rng.uniform(2000, 2090, 2)), size, **options)
    place = tuple(rng.uniform(-600, 600, 2)) if kind == "arcsec" else tuple(rng.uniform(-80, 80, 2))
    return Cutout(place, size, **options)


@pytest.mark.parametrize("seed", range(8))
def test_both_accounts_of_im_patch_agree(seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        step, reference = cutout(rng), pointing(rng)
        first, record = pointing(rng, CDELT1=reference["CDELT1"]), pointing(rng, CDELT1=reference["CDELT1"])
        base = first if step.location == "carrington" else reference
        mine = Patch.of(step, base, first)
        theirs = prepare(step.arguments(), None if base is first else reference, first)
        assert (mine.size, mine.rotation) == (theirs.size, theirs.rotation)
        assert mine.place == pytest.approx((theirs.longitude, theirs.latitude), abs=1e-7)
        box, other = mine.box(record), theirs.box(record)
        assert (box.left, box.below) == (other.left, other.below)
        assert box.turned == (abs(abs(record["CROTA2"]) - 180) < 1)
        written = dict(box.keywords)
        assert written["CRLN_OBS"] == other.view.longitude
        if box.disk:
            assert box.disk == pytest.approx((*_parts(other.view.centre), 0.9995 * other.limb**2))


def test_the_hours_of_a_cutout_are_written_as_im_patch_writes_them():
    start, stop = "2014-01-01T01:00:00", "2014.01.01_03:30:00.5_TAI"
    limits = [("2014.01.01_01:00:35.000_TAI", start, None), ("2014.01.01_03:30:00.500_TAI", None, stop)]
    for text, begin, end in limits:
        step = Cutout((0, 0), 100, t_ref=T_REF, start=begin, stop=end)
        written = dict(Patch.of(step, image()).box(image()).keywords)
        assert (written["HGTSTART"], written["HGTSTOP"]) == ((text, None) if begin else (None, text))
        at = words.scan_time(text)
        assert [Patch.takes(step, at + away) for away in (-1, 0, 1)] == (
            [False, True, True] if begin else [True, True, False]
        )


def _parts(number):
    return number.real, number.imag


def test_what_only_copies():
    step = Cutout((0, 0), 100, t_ref=T_REF)
    assert Patch.copies(step)
    assert not Patch.copies(Rebin(0.5))
    assert not Patch.copies(Cutout((0, 0), 100, t_ref=T_REF, register=True))
    assert not Patch.copies(Cutout((0, 0), 100, t_ref=T_REF, cadence="1h"))


@pytest.mark.parametrize(
    ("step", "changes", "words"),
    [
        (Cutout((1000, 100), 100, t_ref=T_REF), {}, "not on the Sun's disk"),
        (Cutout((10, 10), 100, t_ref=T_REF, location="pixels"), {}, "not on the Sun's disk"),
        (Cutout((1000, 100), 5, t_ref=T_REF, box="degrees", track=False), {}, "not on the Sun's disk"),
        (Cutout((0, 0), 100, t_ref=T_REF), {"CTYPE1": "CRLN-CEA"}, "images of the disk"),
        (Cutout((0, 0), 100, t_ref=T_REF), {"CRLN_OBS": None}, "no CRLN_OBS"),
        (Cutout((0, 0), 100, t_ref=T_REF), {"DSUN_OBS": float("nan")}, "no DSUN_OBS"),
        (Cutout((0, 0), (40000, 40000), t_ref=T_REF, box="pixels"), {}, "make it smaller"),
    ],
)
def test_what_is_refused(step, changes, words):
    with pytest.raises(ProcessingError, match=words):
        Patch.of(step, image(**changes))


def test_a_fixed_box_may_lie_off_the_disk():
    patch = Patch.of(Cutout((1000, 100), 100, t_ref=T_REF, track=False), image())
    assert not patch.hides(image(CRLN_OBS=9.5))
    assert patch.box(image())[:4] == patch.box(image(CRLN_OBS=9.5))[:4]


def test_the_far_side():
    patch = Patch.of(Cutout((0, 0), 100, t_ref=T_REF), image())
    assert [patch.hides(image(CRLN_OBS=189.5 - away)) for away in (0, 80, 100, 180, 300)] == [
        False, False, True, True, False,
    ]  # fmt: skip


def test_the_reference_image_is_looked_for_in_a_growing_window():
    asked = []
    moment = words.scan_time(T_REF)

    def near(begin, end):
        asked.append((begin[11:19], end[11:19]))
        found = [image(T_OBS=moment + away) for away in (-40, -4, 5, 1)]
        return found if len(asked) == 3 else []

    # the fourth is nearer than the second, but the program stops where the distance grows
    assert Patch.nearest(T_REF, near)["T_OBS"] == moment - 4
    assert asked == [("00:00:20", "00:00:50"), ("00:00:05", "00:01:05"), ("23:59:35", "00:01:35")]
    widths = []
    assert Patch.nearest(T_REF, lambda *window: widths.append(window) or []) is None
    assert len(widths) == 10
    assert Patch.nearest(T_REF, lambda *window: [{"CRPIX1": 1.0}]) is None
