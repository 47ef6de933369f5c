"""What the questions of `jsoclite.check` need; they are asked where somebody says of whom: ``--server``."""

import pytest


def pytest_configure(config):
    if not config.getoption("--server"):
        raise pytest.UsageError("tests/live asks a server: say which, as in --server sandbox")
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("tests/live asks one question after the other: leave out -n")


@pytest.fixture(autouse=True)
def _loopback_only():
    """Whoever names a server wants to reach it."""
