"""One export request: submitted once, polled with care, known by its id."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import ExportError, ServerError
from ..series import FileKey
from ..server import AmbiguousRequest, Jsoc
from .describe import request_html, request_text
from .reply import ExportFile, ExportReply, ExportStatus, read_reply, reply_error

log = logging.getLogger("jsoclite")

# A request that was just submitted may be unknown to exp_status for a moment: it is copied from one table to another.
NOT_FOUND_GRACE_S = 30.0
# How long polls may fail (server down, network gone) before waiting ends. The request lives on at JSOC meanwhile.
OUTAGE_PATIENCE_S = 1800.0
# "Cant save new export-request hash." and refusals at the door: how often one set is offered again
SUBMIT_TRIES = 5


def poll_delay(elapsed: float) -> float:
    """
    Return the seconds to wait before the next poll, `elapsed` seconds after submission.

    A poll a second at first, so that a quick staging is seen at most a second late; then a twelfth of the time waited
    so far; every 30 s after two minutes.
    """
    return 30.0 if elapsed >= 120.0 else max(1.0, 0.08 * elapsed)


def made_lately(request_id: str, today: dt.date | None = None) -> bool:
    """Whether a request may have been made just now: its id holds the day, in JSOC's own time zone."""
    try:
        day = dt.datetime.strptime(request_id.split("_")[1], "%Y%m%d").date()
    except ValueError:
        return False
    return abs((today or dt.date.today()) - day) <= dt.timedelta(days=1)


class Observer(Protocol):
    """Who is told what becomes of a request, before anything else happens to it."""

    def note(self, request: ExportRequest, state: str) -> None:
        """Note a state: planned, submitting, pending, done, failed, expired."""

    def changed(self, request: ExportRequest) -> None:
        """Note that its status or id has changed."""


class ExportRequest:
    """
    A request to `jsoc_fetch`, before, while and after JSOC works on it.

    Made by `Client.export` and `Client.attach`, not by hand.

    Parameters
    ----------
    jsoc : Jsoc
        How to reach the server.
    record_set : str or None
        What to export; None for a request that was made elsewhere.
    method, protocol, process, filename : str
        Arguments of `jsoc_fetch`: ``method``, ``protocol``, ``process`` (empty for none), ``filenamefmt``.
    size_ratio : float
        Output bytes over input bytes, so that JSOC's size limit counts what comes out of a cutout.
    email : callable
        Returns the registered address, or raises `EmailError`.
    request_id : str, optional
        JSOC's id, where it is known.
    observer : Observer, optional
        Who notes each step.
    wanted : sequence of FileKey
        The files that it is to bring, where that is known.

    Attributes
    ----------
    id : str or None
        JSOC's id.
    status : ExportStatus
        The last status seen; `refresh` asks anew.
    error : ExportError or None
        Why it failed.
    files : tuple of ExportFile
        What a finished request offers.
    messages : tuple of str
        Warnings that JSOC wrote among the files.
    tar_url : str or None
        The archive of a ``url-tar`` request.
    size : int
        JSOC's estimate, in MB.

    Examples
    --------
    >>> request = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
    >>> request.method, request.protocol, request.record_set
    ('url', 'fits', 'hmi.M_720s[2014.01.01_TAI]{magnetogram}')
    """

    def __init__(
        self,
        jsoc: Jsoc,
        record_set: str | None,
        *,
        method: str = "url",
        protocol: str = "fits",
        process: str = "",
        filename: str = "",
        size_ratio: float = 1.0,
        email: Callable[[], str],
        request_id: str | None = None,
        observer: Observer | None = None,
        wanted: Sequence[FileKey] = (),
    ) -> None:
        self._jsoc, self._email, self._observer = jsoc, email, observer
        self.record_set, self.method, self.protocol = record_set, method, protocol
        self.process, self.filename, self.size_ratio = process, filename, size_ratio
        self.wanted = tuple(wanted)
        self.id = request_id
        self.status = ExportStatus.QUEUED if request_id else ExportStatus.PLANNED
        self.error: ExportError | None = None
        self.files: tuple[ExportFile, ...] = ()
        self.messages: tuple[str, ...] = ()
        self.tar_url: str | None = None
        self.size = 0
        self._began = self._next_poll = jsoc.clock.now()
        self._outage: float | None = None
        self._new = request_id is None or made_lately(request_id)

    def __repr__(self) -> str:
        return request_text(self)

    def _repr_html_(self) -> str:
        return request_html(self)

    @property
    def pending(self) -> bool:
        """
        Whether JSOC is working on it, as far as it is known.

        Examples
        --------
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait()[0].pending
        False
        """
        return self.error is None and self.status.pending

    @property
    def planned(self) -> bool:
        """
        Whether it still waits to be submitted: JSOC takes one pending request per address.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     first, second = (
        ...         sandbox.client().export(f"hmi.M_720s[2014.01.0{day}_TAI]{{magnetogram}}") for day in (1, 2)
        ...     )
        ...     (first[0].planned, second[0].planned)
        (False, True)
        """
        return self.error is None and self.status is ExportStatus.PLANNED

    @property
    def due_in(self) -> float:
        """
        Seconds until the next poll: one at first, 30 after two minutes.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     request = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
        ...     0 < request.due_in <= 1
        True
        """
        return max(0.0, self._next_poll - self._jsoc.clock.now())

    # -- submit ---------------------------------------------------------------------------------------------------

    def submit(self) -> ExportReply:
        """
        Send the request, once: if the connection breaks, JSOC is asked what it has before anything is repeated.

        Returns
        -------
        ExportReply
            JSOC's answer. Status 7 (something else is pending) leaves the request planned.

        Raises
        ------
        EmailError
            If there is no registered address.
        ServerError
            If the server cannot be reached.
        ExportError
            If the connection broke and the server cannot say whether the request has arrived.

        Examples
        --------
        `Client.export` has done this already, unless another request was in the way:

        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     first, second = (
        ...         sandbox.client().export(f"hmi.M_720s[2014.01.0{day}_TAI]{{magnetogram}}") for day in (1, 2)
        ...     )
        ...     answer = second[0].submit()
        ...     sandbox.staging.finish()
        ...     (answer.status.name, answer.pending_ids == tuple(first.ids), second[0].submit().status.name)
        ('LIMIT', True, 'QUEUED')
        """
        params = {
            "ds": self.record_set or "",
            "notify": self._email(),
            "method": self.method,
            "protocol": self.protocol,
            "process": self.process or "n=0",
            "requestor": "none",
        }
        if self.filename:
            params["filenamefmt"] = self.filename
        if self.size_ratio != 1.0:
            params["sizeratio"] = f"{self.size_ratio:.6g}"
        self._note("submitting")
        try:
            reply = self._read(self._jsoc.exp_request(params))
        except AmbiguousRequest as error:
            reply = self._after_doubt(params, error)
        self._began = self._jsoc.clock.now()
        if reply.status is ExportStatus.LIMIT or reply.transient:
            self._note("planned")
            return reply
        self._take(reply)
        self._next_poll = self._began + poll_delay(0.0)
        return reply

    def _after_doubt(self, params: dict[str, str], error: AmbiguousRequest) -> ExportReply:
        """
        Find out whether a request that broke off has arrived.

        manage-request.sh knows the pending request of an address. If there is one, the answer is shaped like status 7:
        it is waited for, and the same set offered then gets its old id (jsoc_fetch.c answers duplicates within 24 h
        with it). If there is none, the request did not arrive, or is done already, and the same holds.
        """
        log.info("%s; asking whether the request has arrived", error)
        pending = self.pending_at_server()
        if pending:
            return self._read({"status": 7, "error": f"pending export requests ({', '.join(pending)})"})
        if pending is not None:
            return self._read(self._jsoc.exp_request(params))
        raise ExportError(
            f"{error}. JSOC may or may not have taken the export request, so it was not sent again. "
            "Run the same line again: within 24 hours JSOC gives an identical request its old id.",
            record_set=self.record_set,
        )

    def pending_at_server(self) -> list[str] | None:
        """
        Return the ids that are pending for this address (manage-request.sh); None if the server cannot say.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     export = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        ...     export[0].pending_at_server() == export.ids
        True
        """
        return self._jsoc.pending(self._email())

    def cancel(self) -> bool:
        """
        Ask JSOC to forget this request, so that another one of the same address may be made.

        manage-request.sh removes the address's entry in the table of pending requests; work that has begun goes on.
        Entries of requests that have failed may stay there for an hour. Other requests are left alone.

        Returns
        -------
        bool
            Whether JSOC has cancelled it; not so if it pends no more, or a server has no such program.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     request = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
        ...     cancelled = request.cancel()
        ...     (cancelled, request.error)
        (True, ExportError('export JSOC_... was cancelled'))
        """
        if self.planned:
            self.fail(ExportError("cancelled before it was submitted", record_set=self.record_set))
            return True
        # the program knows the address only, and would cancel whatever pends
        cancelled = self.id in (self.pending_at_server() or ()) and self._jsoc.cancel(self._email())
        if cancelled and self.pending:
            self.fail(ExportError(f"export {self.id} was cancelled", request_id=self.id, record_set=self.record_set))
        return cancelled

    # -- poll -----------------------------------------------------------------------------------------------------

    def refresh(self) -> ExportStatus:
        """
        Ask JSOC for the status now.

        Raises
        ------
        ServerError
            If the server cannot be reached. The request itself is not harmed.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     request = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
        ...     before = request.refresh()
        ...     sandbox.staging.finish()                        # an hour later
        ...     (before.name, request.refresh().name)
        ('PROCESSING', 'DONE')
        """
        if self.id is None:
            return self.status
        reply = self._read(self._jsoc.exp_status(self.id))
        now = self._jsoc.clock.now()
        self._next_poll = now + poll_delay(now - self._began)
        if reply.status is ExportStatus.NOT_FOUND and self._new and now - self._began < NOT_FOUND_GRACE_S:
            return self.status
        if reply.status is ExportStatus.LIMIT:  # makes no sense here; ask again
            return self.status
        self._take(reply)
        return self.status

    def poll(self) -> None:
        """
        Refresh, and take it calmly if the server is away for a while.

        Raises
        ------
        ServerError
            If the server has been out of reach for half an hour.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=0) as sandbox:
        ...     request = sandbox.client(retries=0).export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
        ...     _ = sandbox.add_fault("503@exp_status:1")
        ...     request.poll()                                  # the server is away
        ...     before = request.pending
        ...     request.poll()
        ...     (before, request.pending)
        (True, False)
        """
        try:
            self.refresh()
            self._outage = None
        except ServerError as error:
            now = self._jsoc.clock.now()
            self._outage = now if self._outage is None else self._outage
            if now - self._outage > OUTAGE_PATIENCE_S:
                raise
            log.info("status of %s unknown for now: %s", self.id, error)
            self._next_poll = now + 30.0

    def _read(self, body: object) -> ExportReply:
        return read_reply(body, self._jsoc.files)

    def _take(self, reply: ExportReply) -> None:
        before = self.status, self.id
        self.id = self.id or reply.request_id  # an answer about another request is none
        self.size = reply.size or self.size
        self.method, self.protocol = self.method or reply.method, self.protocol or reply.protocol
        pending = reply.status.pending and reply.status is not ExportStatus.NOT_FOUND
        self.status = reply.status
        if reply.status is ExportStatus.DONE:
            self.files, self.messages, self.tar_url = reply.files, reply.messages, reply.tar_url
            self._note("done")
        elif pending and self.id is None:
            self.fail(ExportError("JSOC queued the export without giving it an id", record_set=self.record_set))
        elif pending:
            if before != (self.status, self.id):
                self._note("pending")
        else:
            self.fail(reply_error(reply, self.record_set, self.id))
        if before != (self.status, self.id) and self._observer is not None:
            self._observer.changed(self)

    def fail(self, error: ExportError) -> None:
        """
        End the request with an error; JSOC is not told.

        Examples
        --------
        >>> request = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")[0]
        >>> request.fail(jsoclite.ExportError("given up"))
        >>> request.pending, request.error
        (False, ExportError('given up'))
        """
        self.error = error
        self._note("expired" if self.status is ExportStatus.EXPIRED else "failed")

    def _note(self, state: str) -> None:
        if self._observer is not None:
            self._observer.note(self, state)
