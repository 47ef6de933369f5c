"""
What jsoclite takes from drms: server configurations, the class of series definitions, and its plain client.

This is the one module that imports drms, beside `jsoclite.errors`, whose errors are errors of drms as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urljoin

from .. import series
from ..errors import JsocError as JsocError  # before drms: importing errors keeps drms away from the root logger

# isort: split
import drms

if TYPE_CHECKING:  # drms has no type hints
    ServerConfig: TypeAlias = Any
else:
    ServerConfig = drms.ServerConfig


class SeriesInfo(series.SeriesInfo, drms.SeriesInfo):  # type: ignore[misc]
    """
    The definition of a series as drms reads it, that shows what is in it.

    Parameters
    ----------
    d : mapping
        The reply of ``jsoc_info`` to ``op=series_struct``.
    name : str, optional
        Name of the series.
    """

    def __init__(self, d: Mapping[str, Any], *, name: str | None = None) -> None:
        self.reply, self.name, self.primekeys = d, name or "", d.get("primekeys") or []
        interval = d.get("Interval")
        self.interval = interval if isinstance(interval, Mapping) else {}

    def __getattr__(self, name: str) -> Any:
        """Let drms read the rest when it is asked for: its tables take longer than a small answer."""
        if not name.startswith("_") and "reply" in self.__dict__ and "dbindex" not in self.__dict__:
            drms.SeriesInfo.__init__(self, self.reply, name=self.name)
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def definition(reply: Mapping[str, Any], name: str) -> series.SeriesInfo:
    """Make the definition of a series from the reply to ``op=series_struct``."""
    return SeriesInfo(reply, name=name)


def registered(name: str) -> ServerConfig:
    """
    Return a server that is registered with drms ("jsoc", "kis").

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    return drms.HttpJsonClient(name).server


def config(base: str, name: str) -> ServerConfig:
    """Describe a server that is laid out like JSOC's below a base URL."""
    return drms.ServerConfig(
        name=name,
        cgi_baseurl=urljoin(base, "cgi-bin/ajax/"),
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        cgi_show_series_wrapper="showextseries",
        show_series_wrapper_dbhost="hmidb2",
        http_download_baseurl=base,
    )


class Connection(Protocol):
    """What is needed of a `Transport`."""

    server: ServerConfig

    def request(self, url: str, query: str, *, post: bool = False, once: bool = False) -> Any:
        """Send an encoded query."""


class _OnOurConnection(drms.HttpJsonClient):  # type: ignore[misc]
    """The endpoint methods of drms, asked over our connection: `drms.HttpJsonClient` asks all of them in one place."""

    def __init__(self, http: Connection) -> None:
        super().__init__(http.server)
        self._http = http

    def _json_request(self, url: str) -> Any:
        base, _, query = url.partition("?")
        private = "notify=" in query or "address=" in query
        return self._http.request(base, query, post=private, once="op=exp_request" in query)


def client(http: Connection, email: str | None) -> Any:
    """
    Make a plain `drms.Client` that asks over `http`.

    drms has no public way to hand in a connection, hence the two private attributes, here and nowhere else. Setting the
    public `email` would ask the server at once.
    """
    made = drms.Client(http.server)
    made._json = _OnOurConnection(http)
    made._email = email
    return made
