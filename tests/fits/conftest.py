"""Files that the tests of the room share."""

import pytest
from fits_material import BLANK, compressed, printed, series

from jsoclite.fits.header import header_cards


@pytest.fixture
def as_is(tmp_path):
    """A stored magnetogram."""
    return compressed(tmp_path / "magnetogram.fits", BSCALE=0.1, BZERO=0.0, BLANK=BLANK)


@pytest.fixture(scope="module")
def header():
    """The full header of a recorded magnetogram."""
    return header_cards(printed("hmi.M_720s", 12), series("hmi.M_720s"), "magnetogram")
