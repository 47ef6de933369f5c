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

import contextlib
import datetime as dt
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, quote_plus, urljoin

from ..errors import UNFIT, QueryError, ServerError, UnknownSeries
from ..series import SeriesInfo, nearest_names, series_of
from . import limits
from ._drms import definition
from .definitions import Definitions

if TYPE_CHECKING:
    from ._drms import ServerConfig
    from .http import Transport
    from .reply import Reply
    from .retry import Clock


T = TypeVar("T")

#: What JSOC calls its export requests (GetJsocRequestID.c).
REQUEST_ID = re.compile(r"JSOC_\d{8}_\d+(?:_[A-Z]+)*")

#: Above some 25 requests a minute JSOC turns people away.
PER_MINUTE = 25
#: Refusals are short; a big answer is not decoded to see whether it is one.
LONGEST_REFUSAL = 4000
# how long something that is so for the moment may take
AGAIN_S = 2.0


class Jsoc:
    """
    The programs of one JSOC.

    Parameters
    ----------
    transport : Transport
        How they are asked.
    cache : bool
        Whether definitions of series are kept across runs; those of a sandbox never are.
    """

    def __init__(self, transport: Transport, *, cache: bool = False) -> None:
        self.transport = transport
        self._asked: deque[float] = deque(maxlen=PER_MINUTE)
        self._kept = Definitions(transport.server.url_jsoc_info) if cache else None
        self._of_sandbox = False

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

    def pace(self) -> None:
        """Wait until one more of many requests is polite."""
        if len(self._asked) == PER_MINUTE and (early := self._asked[0] + 60 - self.clock.now()) > 0:
            self.clock.sleep(early)
        self._asked.append(self.clock.now())

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
            return self.transport.request(self.server.url_show_series, "", most=limits.SERIES).checked(_series)
        if pattern.startswith("^"):
            pattern = pattern.replace("\\.", "[.]")
        query = "filter=" + quote(pattern, safe="")
        reply = self.transport.request(self.server.url_show_series, query, most=limits.SERIES)
        return reply.checked(_series)

    def series_struct(self, series: str) -> Any:
        """Return the definition of a series."""
        return self._struct(series).checked(_object)

    def definition(self, name: str, *, anew: bool = False) -> SeriesInfo:
        """
        Return the definition of a series: one that was kept, unless it is to be asked for `anew`.

        Raises
        ------
        UnknownSeries
            If there is none; similar names are looked up for the text.
        """
        if not re.fullmatch(r"[A-Za-z]\w*\.\w+", name):
            hint = "they look like hmi.M_720s"
            if REQUEST_ID.match(name):
                hint = f"it is an export request: client.attach({name!r})"
            raise UnknownSeries(f"{name!r} is no series name; {hint}", record_set=name)

        # the server answers in any case; its own spelling is in the names of records
        def shape(body: Any) -> SeriesInfo:
            interval = body.get("Interval")
            spelled = series_of(str(interval.get("FirstRecord", ""))) if isinstance(interval, dict) else ""
            return definition(_definition(body), spelled if spelled.lower() == name.lower() else name)

        if not anew and self._kept is not None and (found := self._kept.read(name)) is not None:
            with contextlib.suppress(*UNFIT):
                known = shape(found[0])
                known.age = dt.timedelta(seconds=found[1])
                return known
        answer = self._struct(name)
        reply = answer.checked(_object)
        if reply.get("status") != 0:
            said = str(reply.get("error") or "").strip()
            if reply.get("status") != 1 or ("not found" not in said and "invalid" not in said):
                raise QueryError(f"the server cannot describe {name}: {said or 'no reason given'}", record_set=name)
            raise UnknownSeries(f"there is no series {name}.{self._similar(name)}", record_set=name)
        made = answer.checked(shape)
        answer.checked(lambda _: (made.keywords, made.segments, made.links))  # drms reads them when they are asked for
        self.remember(name, reply)
        return made

    def remember(self, name: str, value: Any) -> None:
        """Keep something for a day, where things are kept; nothing of a sandbox."""
        if self._kept is not None and not self._of_sandbox:
            self._kept.write(name, value)

    def recall(self, name: str, read: Callable[[Any], T]) -> T | None:
        """Return what was kept as `read` makes it; None where there is none, or it does not fit."""
        if self._kept is not None and (found := self._kept.read(name)) is not None:
            with contextlib.suppress(*UNFIT):
                return read(found[0])
        return None

    def _struct(self, series: str) -> Reply:
        return self._info({"op": "series_struct", "ds": series}, most=limits.DEFINITION)

    def _similar(self, name: str) -> str:
        if re.search(r"(?i)\.(csv|tsv|txt|jsonl?|parquet|pq|pkl|pickle|xlsx)$", name):
            return f" If it is a file, give its rows: pandas.read_csv({name!r})"
        namespace = re.escape(name.partition(".")[0])
        try:
            listed = [item["name"] for item in self.show_series(f"^{namespace}\\.").get("names", [])]
        except Exception:
            return " Look at Client.series()."
        return nearest_names(name, listed) or " Look at Client.series()."

    def rs_summary(self, record_set: str, *, again: bool = True) -> Any:
        """Return the number of records of a set; `again` as for `rs_list`."""
        return self._info({"op": "rs_summary", "ds": record_set}, most=limits.SMALL, again=again).checked(_count)

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
        again: bool = True,
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
        again : bool
            Whether to ask once more where a script around the program refuses.
        """
        params = {"op": "rs_list", "ds": record_set, "key": ",".join(keywords)}
        params |= {"seg": ",".join(segments)} if segments else {}
        params |= {"link": ",".join(links)} if links else {}
        params |= {"R": "1"} if names else {}
        params |= {"M": "1"} if full else {}
        params |= {} if limit is None else {"n": str(int(limit))}
        # limit=0 is all
        values = abs(limit or 0) * (len(keywords) + len(segments) + len(links) + 1)
        wide = {"**ALL**", "**NONE**"}.intersection(keywords, segments, links)
        most = limits.SMALL + limits.VALUE * values if values and not wide else limits.LARGEST_REPLY
        return self._info(params, retries=retries, most=min(most, limits.LARGEST_REPLY), again=again)

    def records(
        self, record_set: str, keywords: Sequence[str], segments: Sequence[str] = (), *, full: bool = False
    ) -> dict[str, Any]:
        """List records as `rs_list` does, decoded: ``keywords`` and ``segments`` are columns of one length."""
        return self.rs_list(record_set, keywords, segments, full=full).checked(_records)

    def _info(
        self,
        params: Mapping[str, str],
        *,
        retries: int | None = None,
        most: int = limits.LARGEST_REPLY,
        again: bool = True,
    ) -> Reply:
        """Ask jsoc_info; a status that is none of its own, but of a script around it, is asked about once more."""
        reply = self.transport.ask(self.server.url_jsoc_info, params, retries=retries, most=most)
        self._of_sandbox = reply.server == "jsoclite-sandbox"
        if not again or len(reply.content) > LONGEST_REFUSAL or reply.data.get("status") in (0, 1):
            return reply
        self.clock.sleep(AGAIN_S)
        self.pace()
        return self.transport.ask(self.server.url_jsoc_info, params, retries=retries, most=most)

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
        return self.transport.ask(self.server.url_jsoc_fetch, params, private=True, once=True, most=limits.EXPORT).data

    def exp_status(self, request_id: str) -> Any:
        """Return what became of a request."""
        params = {"op": "exp_status", "requestid": request_id}
        return self.transport.ask(self.server.url_jsoc_fetch, params, most=limits.EXPORT).data

    def check_address(self, address: str) -> Any:
        """Return whether an e-mail address is registered; ``checkonly`` keeps the program from registering it."""
        # the program decodes the address once more (checkAddress.sh)
        params = {"address": quote_plus(address), "checkonly": "1"}
        return self.transport.ask(self.server.url_check_address, params, private=True, most=limits.SMALL).data

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
            params = {"address": address, "operation": operation}
            body = self.transport.ask(url, params, private=True, most=limits.SMALL).data
        except ServerError:
            return "", ""
        return (str(body.get("status")), str(body.get("msg"))) if isinstance(body, dict) else ("", "")


# -- what each kind of reply must look like: anything else is a `ServerError` (see `Reply.checked`) --------------------


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("no object")
    return body


def _series(body: Any) -> dict[str, Any]:
    names = ("name", "primekeys", "note")
    listed = [{name: _text(item.get(name, "")) for name in names} for item in _object(body).get("names", ())]
    return {**body, "names": listed}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _definition(body: dict[str, Any]) -> dict[str, Any]:
    listed = [[item["name"] for item in body[what]] for what in ("keywords", "segments", "links")]
    # a series without prime keys has a null among them
    for names in (*listed, [key for key in body.get("primekeys") or () if key is not None]):
        if len({_text(name) for name in names}) < len(names):
            raise ValueError("a name stands twice")
    return body


def _count(body: Any) -> dict[str, Any]:
    found = _object(body)
    if found.get("status") == 0 and not 0 <= int(found["count"]) < 2**53:
        raise ValueError("no count")
    return found


def _records(body: Any) -> dict[str, Any]:
    found = _object(body)
    if found.get("status") == 0:
        listed = [*found.get("keywords", ()), *found.get("segments", ())]
        columns = {_text(item["name"]): item["values"] for item in listed}
        if any(not isinstance(values, list) for values in columns.values()) or len(set(map(len, columns.values()))) > 1:
            raise ValueError("columns of different lengths")
        if any(not 0 < int(number) < 2**63 for number in columns.get("*recnum*", ())):
            raise ValueError("no record numbers")
        if any(columns.values()) and "*recnum*" not in columns:  # which all questions of this kind ask for
            raise ValueError("no record numbers")
    return found
