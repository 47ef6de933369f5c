"""
A plugin of pytest, for the tests of packages that use this one: fixtures `jsoc` and `jsoc_client`.

It comes with the installation (entry point ``pytest11``), and loads nothing else until a test asks for a fixture::

    def test_my_table(jsoc_client):
        assert len(my_package.table(jsoc_client, "2014-01-01")) == 120

    @pytest.mark.jsoc(faults=["503@query:1x2"])        # options of jsoclite.Sandbox
    def test_a_busy_server(jsoc):
        my_package.main()                              # Client() without arguments asks the sandbox, too
        assert jsoc.counts["query"] == 3

``--jsoc-catalog DIR``, or ``jsoc_catalog = DIR`` in pytest's configuration, replays a catalogue in place of the
computed one; see `jsoclite.Sandbox`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox

CATALOG = "jsoc_catalog"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--jsoc-catalog`` and its ini option."""
    about = "catalogue that the fixture jsoc replays in place of the computed one"
    parser.getgroup("jsoclite").addoption("--jsoc-catalog", metavar="DIR", help=about)
    parser.addini(CATALOG, about, type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "jsoc(**options): options of the jsoclite.Sandbox of this test's fixture jsoc")


@pytest.fixture
def jsoc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """
    An embedded JSOC for one test: a started `jsoclite.Sandbox` whose exports are ready at once.

    While it runs, `jsoclite.Client()` and the program ask it where they are told of no other server.
    """
    from . import Sandbox

    options: dict[str, Any] = {"staging_s": 0}
    if replayed := request.config.getoption("--jsoc-catalog") or next(iter(request.config.getini(CATALOG)), None):
        options["catalog"] = replayed
    for mark in reversed(list(request.node.iter_markers("jsoc"))):
        options |= mark.kwargs
    with Sandbox(**options) as sandbox:
        monkeypatch.setenv("JSOCLITE_SERVER", sandbox.url)
        monkeypatch.setenv("JSOC_EMAIL", sandbox.email)
        yield sandbox


@pytest.fixture
def jsoc_client(jsoc: Sandbox) -> Iterator[Any]:
    """A `jsoclite.Client` of the sandbox `jsoc`; it keeps nothing in the user's cache directory."""
    with jsoc.client(cache=False) as client:
        yield client
