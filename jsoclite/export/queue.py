"""
Whose turn it is: JSOC takes one pending request per e-mail address, so that requests wait for each other.

Also for those that somebody else has made under the same address, which JSOC names when it refuses (status 7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..errors import ExportError, ServerError
from ..server import Clock
from .reply import ExportStatus, reply_error
from .request import OUTAGE_PATIENCE_S, SUBMIT_TRIES, ExportRequest

# Something unknown is in the way (status 7 without ids, or ids that never end): offer the request again after this
# long. jsoc_fetch.c stops counting a pending request after 60 minutes.
BLOCKED_RETRY_S = 60.0
FOREIGN_RETRY_S = 300.0
# by then what JSOC has named, or has not, cannot be what it counts as pending any more
BLOCKED_PATIENCE_S = 3600.0


class Turns:
    """
    Submits requests one after the other, and polls the one that is pending.

    Parameters
    ----------
    requests : sequence of ExportRequest
        In the order in which they are to be submitted.
    clock : Clock
        Where the time comes from.
    adopt : callable
        Makes an `ExportRequest` of an id that JSOC names as being in the way.
    give_up : callable, optional
        Asked once for each of these, whether it is to be cancelled.
    halve : callable, optional
        Returns the requests that take the place of one that is too large.
    """

    def __init__(
        self,
        requests: Sequence[ExportRequest],
        clock: Clock,
        adopt: Callable[[str], ExportRequest],
        give_up: Callable[[ExportRequest], bool] | None = None,
        halve: Callable[[ExportRequest], Sequence[ExportRequest]] | None = None,
    ) -> None:
        self.requests, self._halve = tuple(requests), halve
        self._clock, self._adopt, self._give_up = clock, adopt, give_up
        self._foreign: list[ExportRequest] = []
        self._adopted: dict[str, ExportRequest] = {}
        self._not_before = 0.0
        self._offered = (
            self._blocked
        ) = -math.inf  # when the last offer was refused with status 7, and the first of a row
        self._named: set[str] = set()  # ids that were in the way
        self._offers: dict[ExportRequest, int] = {}
        self._outage: float | None = None

    @property
    def held_up(self) -> str:
        """See `Export.held_up`."""
        if self._foreign:
            return f"waiting for {', '.join(str(request.id) for request in self._foreign)} of the same address"
        if self._outage is not None:
            return "waiting for the server to come back"
        return "waiting until JSOC takes another request" if self._not_before > self._clock.now() else ""

    def advance(self) -> float | None:
        """See `Export.advance`."""
        while True:
            active = [request for request in self.requests if request.pending]
            for request in active:
                if request.due_in <= 0:
                    request.poll()
            if any(not request.pending for request in active):
                continue
            if active:
                return min(request.due_in for request in active)
            planned = next((request for request in self.requests if request.planned), None)
            if planned is None:
                return None
            wait = self._way_is_free()
            if wait > 0:
                return wait
            self._submit(planned)

    def _way_is_free(self) -> float:
        """Return the seconds until another offer makes sense."""
        now = self._clock.now()
        for request in list(self._foreign):
            if request.due_in <= 0:
                request.poll()
            if not request.pending:
                self._foreign.remove(request)
                if not self._foreign:
                    # JSOC may go on naming what has ended; an offer at once, again and again, would get us blocked
                    self._not_before = max(now, self._offered + BLOCKED_RETRY_S)
        wait = self._not_before - now
        return min([wait, *(max(request.due_in, 0.05) for request in self._foreign)]) if wait > 0 else 0.0

    def _submit(self, request: ExportRequest) -> None:
        now = self._clock.now()
        try:
            reply = request.submit()
        except ExportError as error:
            request.fail(error)
            return
        except ServerError:
            # Away for a while, in the middle of a long job: it may come back, and the request was not taken. If
            # nothing has worked yet, the caller wants to know at once.
            self._outage = now if self._outage is None else self._outage
            if not any(other.id for other in self.requests) or now - self._outage > OUTAGE_PATIENCE_S:
                raise
            self._not_before = now + BLOCKED_RETRY_S
            return
        self._outage = None
        if reply.status is ExportStatus.TOO_LARGE and self._halve and (parts := self._halve(request)):
            place = self.requests.index(request)
            self.requests = (*self.requests[:place], *parts, *self.requests[place + 1 :])
        if reply.status is not ExportStatus.LIMIT:
            self._blocked = -math.inf
        if reply.status is ExportStatus.LIMIT:
            self._offered = self._clock.now()
            if self._blocked == -math.inf or not self._named.issuperset(reply.pending_ids):
                self._blocked = self._offered  # others have their turn, and go on
            if self._offered - self._blocked > BLOCKED_PATIENCE_S:
                request.fail(reply_error(reply, request.record_set))
                self._blocked = -math.inf
                return
            own = {other.id: other for other in self.requests}
            for request_id in reply.pending_ids:
                if request_id not in own and request_id not in self._adopted:
                    self._adopted[request_id] = self._adopt(request_id)
                named = own.get(request_id) or self._adopted[request_id]
                if request_id not in self._named:
                    # the entry of one of ours that has failed stands for nothing, and stays for an hour
                    dead = request_id in own and named.error is not None
                    if dead or (self._give_up and self._give_up(named)):
                        named.cancel()
                self._named.add(request_id)
            # one that has ended is not asked for again, though JSOC may go on naming it
            foreign = [self._adopted[one] for one in reply.pending_ids if one in self._adopted]
            self._foreign = [one for one in foreign if one.pending]
            self._not_before = self._clock.now() + (FOREIGN_RETRY_S if self._foreign else BLOCKED_RETRY_S)
        elif reply.transient:
            offers = self._offers[request] = self._offers.get(request, 0) + 1
            if offers >= SUBMIT_TRIES:
                request.fail(reply_error(reply, request.record_set))
            self._not_before = self._clock.now() + 2.0**offers
