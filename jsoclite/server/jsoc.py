"""
The programs of JSOC, a method each.

========================  =====================================================  ==================================
method                    program and operation                                  answer
========================  =====================================================  ==================================
`Jsoc.show_series`        ``show_series`` (``showextseries`` of a mirror)        names, prime keys and notes
`Jsoc.series_struct`      ``jsoc_info op=series_struct``                         the definition of a series
`Jsoc.rs_list`            ``jsoc_info op=rs_list``                               keywords, segments, links of records
`Jsoc.rs_summary`         ``jsoc_info op=rs_summary``                            how many records
`Jsoc.exp_request`        ``jsoc_fetch op=exp_request``                          a request id, or files at once
`Jsoc.exp_status`         ``jsoc_fetch op=exp_status``                           what became of a request
`Jsoc.check_address`      ``checkAddress.sh``                                    whether an address is registered
`Jsoc.pending`, `cancel`  ``manage-request.sh``                                  the pending request of an address
========================  =====================================================  ==================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urljoin

from ..errors import QueryError, ServerError, UnknownSeries
from ..series import SeriesInfo, nearest_names, series_of
from ._drms import definition

if TYPE_CHECKING:
    from ._drms import ServerConfig
    from .http import Reply, Transport
    from .retry import Clock


#: What JSOC calls its export requests (GetJsocRequestID.c).
REQUEST_ID = re.compile(r"JSOC_\d{8}_\d+(?:_[A-Z]+)*")


class Jsoc:
    """
    The programs of one JSOC.

    Parameters
    ----------
    transport : Transport
        How they are asked.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @property
    def server(self) -> ServerConfig:
        """Where the programs are."""
        return self.transport.server

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        return self.transport.clock

    @property
    def files(self) -> str:
        """The URL that paths of files are appended to."""
        return str(self.server.http_download_baseurl or self.server.cgi_baseurl)

    # -- series and records ---------------------------------------------------------------------------------------

    def show_series(self, pattern: str | None = None) -> Any:
        """
        List series.

        Parameters
        ----------
        pattern : str, optional
            POSIX regular expression.

        Notes
        -----
        show_series.c decodes ``%xx`` but takes ``+`` as it is, so blanks must not become one. A pattern that begins
        with ``^ns\\.`` is taken for a namespace there, and ends the program; ``[.]`` means the same and does not.
        """
        if pattern is None:
            return self.transport.request(self.server.url_show_series, "").data
        if pattern.startswith("^"):
            pattern = pattern.replace("\\.", "[.]")
        return self.transport.request(self.server.url_show_series, "filter=" + quote(pattern, safe="")).data

    def series_struct(self, series: str) -> Any:
        """Return the definition of a series."""
        return self._info({"op": "series_struct", "ds": series}).data

    def definition(self, name: str) -> SeriesInfo:
        """
        Ask for the definition of a series.

        Raises
        ------
        UnknownSeries
            If there is none; similar names are looked up for the text.
        """
        if not re.fullmatch(r"[A-Za-z]\w*\.\w+", name):
            raise UnknownSeries(f"{name!r} is no series name; they look like hmi.M_720s", record_set=name)
        reply = self.series_struct(name)
        if reply.get("status") != 0:
            said = str(reply.get("error") or "").strip()
            if "not found" not in said and "invalid" not in said:
                raise QueryError(f"the server cannot describe {name}: {said or 'no reason given'}", record_set=name)
            raise UnknownSeries(f"there is no series {name}.{self._similar(name)}", record_set=name)
        # the server answers in any case; its own spelling is in the names of records
        first = str(reply.get("Interval", {}).get("FirstRecord", ""))
        spelled = series_of(first)
        return definition(reply, spelled if spelled.lower() == name.lower() else name)

    def _similar(self, name: str) -> str:
        namespace = re.escape(name.partition(".")[0])
        try:
            listed = [item["name"] for item in self.show_series(f"^{namespace}\\.").get("names", [])]
        except Exception:
            return " Look at Client.series()."
        return nearest_names(name, listed) or " Look at Client.series()."

    def rs_summary(self, record_set: str) -> Any:
        """Return the number of records of a set."""
        return self._info({"op": "rs_summary", "ds": record_set}).data

    def rs_list(
        self,
        record_set: str,
        keywords: Sequence[str],
        segments: Sequence[str] = (),
        links: Sequence[str] = (),
        *,
        names: bool = False,
        full: bool = False,
        limit: int | None = None,
        retries: int | None = None,
    ) -> Reply:
        """
        List the records of a set; the answer is not decoded, because it can be long.

        Parameters
        ----------
        record_set : str
            Of one series.
        keywords, segments, links : sequence of str
            Names; blanks between them would become part of them (jsoc_info.c).
        names : bool
            List the records' names, too (``R=1``).
        full : bool
            Print values with full precision (``M=1``), as the server's own FITS export takes them from the database.
        limit : int, optional
            The first records, or the last ones if it is negative.
        retries : int, optional
            Fewer or more than usual.
        """
        params = {"op": "rs_list", "ds": record_set, "key": ",".join(keywords)}
        params |= {"seg": ",".join(segments)} if segments else {}
        params |= {"link": ",".join(links)} if links else {}
        params |= {"R": "1"} if names else {}
        params |= {"M": "1"} if full else {}
        params |= {} if limit is None else {"n": str(int(limit))}
        return self._info(params, retries=retries)

    def _info(self, params: Mapping[str, str], *, retries: int | None = None) -> Reply:
        return self.transport.ask(self.server.url_jsoc_info, params, retries=retries)

    # -- exports --------------------------------------------------------------------------------------------------

    def exp_request(self, params: Mapping[str, str]) -> Any:
        """
        Offer an export request, by POST and never twice.

        Raises
        ------
        AmbiguousRequest
            If nobody can say whether the server has taken it.
        """
        params = {"op": "exp_request", "format": "json", **params}
        return self.transport.ask(self.server.url_jsoc_fetch, params, private=True, once=True).data

    def exp_status(self, request_id: str) -> Any:
        """Return what became of a request."""
        params = {"op": "exp_status", "requestid": request_id}
        return self.transport.ask(self.server.url_jsoc_fetch, params).data

    def check_address(self, address: str) -> Any:
        """Return whether an e-mail address is registered; ``checkonly`` keeps the program from registering it."""
        # the program decodes the address once more (checkAddress.sh)
        params = {"address": quote_plus(address), "checkonly": "1"}
        return self.transport.ask(self.server.url_check_address, params, private=True).data

    def pending(self, address: str) -> list[str] | None:
        """
        Return the ids that are pending for an address; None if the server cannot say.

        ``manage-request.sh`` answers with ``status`` and ``msg``: 1 nothing pends, 2 something does, 3 cancelled. Older
        servers have no such program.
        """
        status, said = self._manage(address, "check")
        if status == "2":
            return REQUEST_ID.findall(said) or None
        return [] if status == "1" else None

    def cancel(self, address: str) -> bool:
        """Ask JSOC to forget the pending request of an address, and say whether it did."""
        return self._manage(address, "cancel")[0] == "3"

    def _manage(self, address: str, operation: str) -> tuple[str, str]:
        url = urljoin(self.server.url_jsoc_fetch, "manage-request.sh")
        try:
            body = self.transport.ask(url, {"address": address, "operation": operation}, private=True).data
        except ServerError:
            return "", ""
        return (str(body.get("status")), str(body.get("msg"))) if isinstance(body, dict) else ("", "")
