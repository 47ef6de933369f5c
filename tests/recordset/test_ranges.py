"""A range that is one object: sunpy's TimeRange, or anything else with a start and an end."""

from types import SimpleNamespace

import pytest
from astropy.time import Time

from jsoclite import RecordSet

RANGE = SimpleNamespace(start=Time("2014-01-01T00:00:00"), end=Time("2014-01-01T01:00:00"))
TEXT = "2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI"


@pytest.mark.parametrize("make", [lambda: RecordSet("hmi.M_720s", RANGE), lambda: RecordSet("hmi.M_720s", T_REC=RANGE)])
def test_a_start_and_an_end(make):
    assert TEXT in str(make())


def test_with_a_cadence():
    assert str(RecordSet("hmi.M_720s", RANGE, cadence="24m")) == f"hmi.M_720s[{TEXT}@24m]"
