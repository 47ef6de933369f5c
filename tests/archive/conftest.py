"""A sandbox whose clock is set by hand: JSOC as it was on a day."""

import calendar

import pytest

from jsoclite.sandbox import Sandbox


class Calendar:
    """The clock of an ageing sandbox."""

    def __init__(self):
        self.now = 0.0
        self.set(2014, 2, 10)

    def set(self, *day):
        self.now = calendar.timegm((*day, 0, 0, 0))

    def __call__(self):
        return self.now


@pytest.fixture
def today():
    return Calendar()


@pytest.fixture
def sandbox(today):
    """JSOC on 2014-02-10; what was made on 2014-02-06 from 11:27 to 16:06 is made anew by 2014-03-20."""
    with Sandbox(ages=True, clock=today, staging_s=0) as made:
        yield made


@pytest.fixture
def asked(sandbox):
    """What was asked since the last call, by endpoint."""
    seen = 0

    def since():
        nonlocal seen
        new = [one.endpoint for one in list(sandbox.requests)[seen:]]
        seen += len(new)
        return new

    return since
