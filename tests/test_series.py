"""What a definition says: types, slots, names of records."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jsoclite
from jsoclite.recordset import problems
from jsoclite.selection import alternatives
from jsoclite.series import KEYWORD_TYPES, Kind, RecordName, Slots, keyword_type, series_of


class Definition:
    """A series with one slotted time key."""

    def __init__(self, step, unit, *, scope="ts_eq", type_="time", epoch="2010.01.01_TAI"):
        rows = {
            "T_REC": (type_, scope, "0"),
            "T_REC_step": ("string", "constant", step),
            "T_REC_unit": ("string", "constant", unit),
            "T_REC_epoch": ("time", "constant", epoch),
            "T_REC_base": ("double", "constant", "5"),
        }
        kept = {name: row for name, row in rows.items() if row[2] is not None}
        self.keywords = pd.DataFrame.from_dict(kept, orient="index", columns=["type", "recscope", "defval"])
        self.primekeys = ["CAMERA", "T_REC"]
        self.name = "su_test.slots"


# drms_keyword.c: a number in a unit of its table, "hours" among them but not read; or text with a letter of its own
STEPS = [
    ("720", "secs", 720.0),
    ("720.0000", "secs", 720.0),
    ("7200", "tenthsecs", 720.0),
    ("12", "mins", 720.0),
    ("1", "days", 86400.0),
    ("12m", "secs", 720.0),
    ("12m", "days", 720.0),
    ("2h", None, 7200.0),
    ("45s", "secs", 45.0),
    ("1d", "secs", 86400.0),
    ("2", "hours", None),
    ("2", "furlongs", None),
    ("2", None, None),
    ("0", "secs", None),
    ("-5", "secs", None),
    ("many", "secs", None),
    ("12x", "secs", None),
    (None, "secs", None),
]


@pytest.mark.parametrize(("step", "unit", "seconds"), STEPS)
def test_the_step_is_read_once_and_all_agree(step, unit, seconds):
    info = Definition(step, unit)
    slots = Slots.of(info, "t_rec")
    assert (slots.key, slots.place, slots.scope) == ("T_REC", 1, "ts_eq")
    assert slots.step == (None if seconds is None else pytest.approx(seconds))
    # the traps of record sets and the shorter forms read the same step; neither guesses where there is none
    (_, key) = problems._keys(info)
    assert key.slotted
    assert key.step == slots.step
    grid = alternatives._grid(info)
    assert (grid is None) == (seconds is None)
    if grid is not None:
        assert grid[0] == 1
        assert grid[2] / np.timedelta64(1, "s") == pytest.approx(seconds)


def test_keys_without_slots():
    assert Slots.of(Definition("720", "secs", scope="variable"), "T_REC") is None
    assert Slots.of(Definition("720", "secs"), "CAMERA") is None
    assert Slots.of(Definition("720", "secs"), "nothing") is None
    # a number's step is in its own unit, and its slots begin at KEY_base
    number = Slots.of(Definition("2", "degrees", scope="slot", type_="double"), "T_REC")
    assert (number.step, number.epoch, number.words) == (2.0, "5", "2 degrees")


@pytest.mark.parametrize(
    ("step", "unit", "words"),
    [("720", "secs", "720 s"), ("12m", "secs", "12 m"), ("2", "hours", "2 h"), ("x", "s", "")],
)
def test_a_step_in_words(step, unit, words):
    assert Slots.of(Definition(step, unit), "T_REC").words == words


def test_types():
    assert {one.kind for one in KEYWORD_TYPES.values()} == set(Kind)
    assert keyword_type("short") == (Kind.INTEGER, 16)
    assert keyword_type("link").kind is Kind.STRING
    assert keyword_type(None).kind is Kind.STRING


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="[]\"'"), min_size=1), max_size=4))
def test_a_name_is_put_together_as_it_was(values):
    text = "hmi.M_720s" + "".join(f"[{value}]" for value in values)
    name = RecordName.parse(text)
    assert name.values == tuple(values)
    assert str(name) == text
    assert series_of(text) == name.series == "hmi.M_720s"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("su.a['x]y'][2]", ("x]y", "2")),
        ('su.a["it\'s"]', ("it's",)),
        ("su.a[][1]", ("", "1")),
        ("su.a", ()),
        ("su.a[never closed", ()),
    ],
)
def test_values_without_their_quotes(text, values):
    assert RecordName.parse(text).bare == values


def test_names_of_sets():
    assert series_of("hmi.B_720s{field}") == "hmi.B_720s"
    assert series_of(" hmi.B_720s [2014]{field}") == "hmi.B_720s"


def test_the_series_of_the_sandbox_say_their_steps():
    with jsoclite.Client("sandbox") as client:
        steps = {name: Slots.of(client.info(name), "T_REC").step for name in ("hmi.M_720s", "hmi.M_45s")}
    assert steps == {"hmi.M_720s": 720.0, "hmi.M_45s": 45.0}
