"""
Faults: what a sandbox does wrong on purpose.

A `Fault` says what (`kind`), where (`endpoint`, `match`) and when (`nth` and `times`, or `probability` with a `seed`).
`Faults` holds those of one sandbox, counts requests and answers which one, if any, hits.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import RecordSetError
from ..catalog import printer
from ..messages import Damage, Request, Response, text

#: Kinds that break the connection or its pace.
WIRE = frozenset({"reset", "reset-body", "truncated", "cut-chunks", "stall", "stall-body", "trickle"})
#: Kinds that replace or spoil the content of an answer.
CONTENT = frozenset({"html", "bad-json", "short", "flipped", "status", "too-many"})
#: Kinds that the application itself acts out.
STATE = frozenset({"changed", "no-range", "expired", "disk-full", "evil-name"})

#: Where a fault can hit. `query` is ``jsoc_info`` for records, `info` for ``series_struct``, `series` the two lists of
#: series, `file` everything below ``/SUM``, `page` the front page.
ENDPOINTS = frozenset(
    {
        "query",
        "info",
        "series",
        "exp_request",
        "exp_status",
        "exp_su",
        "check_address",
        "manage_request",
        "file",
        "page",
    }
)

_HTML = b"<!DOCTYPE html>\n<html><body><h1>Service temporarily unavailable</h1></body></html>\n"

_STDERR = "jsoc_info failed: query failed: out of memory for query result\nDB error: cannot open record set\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One thing that goes wrong.

    Parameters
    ----------
    kind : str
        An HTTP status (``"500"``, ``"503"``, ``"429"``, ``"404"``…) instead of the answer; or

        ``reset``, ``reset-body``
            TCP reset before the headers, or in the body;
        ``truncated``, ``cut-chunks``
            the connection ends in the body, short of its Content-Length, or without the last chunk;
        ``stall``, ``stall-body``
            silence of `seconds` (``math.inf``: as long as the sandbox lives) before the headers, or in the body;
        ``trickle``
            `rate` bytes a second;
        ``html``, ``bad-json``
            a web page with status 200; an answer cut in half, though its length is right;
        ``short``
            Content-Length and content agree, but the end of the content is missing (wrong length, disk full);
        ``flipped``
            one bit of the content is another: nothing but a sum over it can tell;
        ``status``
            a JSON answer with `status` and `error` and nothing else;
        ``too-many``
            the same, of questions about more than `records` records: status 6 and what a program left on stderr, as
            the script around jsoc_info has it;
        ``changed``
            the file is another one now, with new validators: a resumed download must start again;
        ``no-range``
            ``Range`` is ignored;
        ``expired``
            the export is done but deleted (status 5, files 404);
        ``disk-full``
            the server cannot write the export (status 4);
        ``evil-name``
            file names in the packing list lead out of the directory of a careless client.
    endpoint : str
        One of `ENDPOINTS`, several joined by commas, or ``*``.
    nth : int, optional
        First request of the endpoint that is hit, counted from 1 from when the fault was added; None for every one.
    times : int
        How many are hit in a row, from `nth` on.
    probability : float, optional
        Hit by chance instead, with this probability; `seed` makes it repeatable.
    seed : int
        Start of the random numbers.
    match : str, optional
        Regular expression that must be found in the request's target or body.
    seconds, rate, at : float
        Length of a stall, bytes a second, and the part of the body (0 to 1) that is sent before it goes wrong.
    retry_after : int or str, optional
        ``Retry-After`` header of an HTTP status.
    status, error : int, str
        Of the kinds ``status`` (by default 4) and ``too-many`` (6).
    records : int
        See ``too-many``.

    Raises
    ------
    RecordSetError
        For a kind or an endpoint that there is not, or a number out of range.

    Examples
    --------
    >>> Fault("503", "exp_status", nth=1, retry_after=2).kind
    '503'
    """

    kind: str
    endpoint: str = "*"
    nth: int | None = None
    times: int = 1
    probability: float | None = None
    seed: int = 0
    match: str | None = None
    seconds: float = 30.0
    rate: float = 100.0
    at: float = 0.5
    retry_after: int | str | None = None
    status: int | None = None
    error: str | None = None
    records: int = 0

    def __post_init__(self) -> None:
        known = sorted(WIRE | CONTENT | STATE)
        if self.kind not in known and not re.fullmatch(r"[45]\d\d", self.kind):
            raise RecordSetError(
                f"fault kind {self.kind!r}: use an HTTP status from 400 to 599 or one of {', '.join(known)}"
            )
        wrong = self.endpoints - ENDPOINTS - {"*"}
        if wrong:
            raise RecordSetError(
                f"fault endpoint {', '.join(sorted(wrong))!r}: use *, or one or more of {', '.join(sorted(ENDPOINTS))}"
            )
        if self.nth is not None and (self.nth < 1 or self.times < 1):
            raise RecordSetError(f"fault {self.kind!r}: nth and times count from 1, not {self.nth} and {self.times}")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise RecordSetError(f"fault {self.kind!r}: probability {self.probability} is not between 0 and 1")
        if not 0 <= self.at <= 1 or self.rate <= 0 or self.seconds < 0:
            raise RecordSetError(f"fault {self.kind!r}: at is from 0 to 1, rate above 0, seconds not below 0")

    @property
    def endpoints(self) -> frozenset[str]:
        """Endpoints named."""
        return frozenset(part.strip() for part in self.endpoint.split(","))

    @classmethod
    def parse(cls, spec: str) -> Fault:
        """
        Read ``KIND[@ENDPOINT][:NTH[xTIMES]]`` or ``KIND[@ENDPOINT][%PERCENT]``, the form of the command line.

        Examples
        --------
        >>> Fault.parse("503@exp_status:2x3").nth
        2
        """
        found = re.fullmatch(r"([\w-]+)(?:@([\w,*]+))?(?::(\d+)(?:x(\d+))?|%(\d+(?:\.\d+)?))?", spec.strip())
        if not found:
            raise RecordSetError(
                f"fault {spec!r} is not of the form KIND[@ENDPOINT][:NTH[xTIMES]] or KIND[@ENDPOINT]%PERCENT"
            )
        kind, endpoint, nth, times, percent = found.groups()
        return cls(
            kind,
            endpoint or "*",
            nth=int(nth) if nth else None,
            times=int(times or 1),
            probability=float(percent) / 100 if percent else None,
        )


@dataclass(slots=True)
class _Armed:
    """A fault with its counters."""

    fault: Fault
    seen: int = 0
    hits: int = 0
    chance: random.Random = field(default_factory=random.Random)

    def hit(self, endpoint: str, request: Request) -> bool:
        fault = self.fault
        if "*" not in fault.endpoints and endpoint not in fault.endpoints:
            return False
        if fault.match is not None:
            words = request.target + "\n" + request.body.decode("latin-1")
            if not re.search(fault.match, words):
                return False
        self.seen += 1
        if fault.probability is not None:
            hit = self.chance.random() < fault.probability
        else:
            hit = fault.nth is None or fault.nth <= self.seen < fault.nth + fault.times
        self.hits += hit
        return hit


class Faults:
    """The faults of a sandbox; safe for many threads."""

    def __init__(self, faults: Iterable[Fault | str] | Fault | str = ()) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        for fault in [faults] if isinstance(faults, str | Fault) else faults:
            self.add(fault)

    def add(self, fault: Fault | str) -> Fault:
        """Add a fault, also in the form of `Fault.parse`; its counting starts now."""
        if isinstance(fault, str):
            fault = Fault.parse(fault)
        with self._lock:
            self._armed.append(_Armed(fault, chance=random.Random(fault.seed)))  # noqa: S311 – repeatable, not secret
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._armed.clear()

    def hits(self) -> dict[Fault, int]:
        """How often each fault has hit."""
        with self._lock:
            return {armed.fault: armed.hits for armed in self._armed}

    def next(self, endpoint: str, request: Request) -> Fault | None:
        """The first fault that hits this request; every fault counts it."""
        with self._lock:
            hitting = [armed.fault for armed in self._armed if armed.hit(endpoint, request)]
        return hitting[0] if hitting else None


def instead(fault: Fault) -> Response | None:
    """The answer that a fault gives without asking the application, None where it lets the application answer."""
    if re.fullmatch("[0-9]{3}", fault.kind):
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        answer = text(int(fault.kind), f"{fault.kind}: a fault that the sandbox was asked for\n")
        answer.headers |= headers
        return answer
    if fault.kind == "html":
        return Response(200, _HTML, {"Content-Type": "text/html; charset=utf-8"})
    if fault.kind in ("status", "too-many"):
        status, error = (6, _STDERR) if fault.kind == "too-many" else (4, "an error that the sandbox was asked for")
        told: printer.Json = {"status": status if fault.status is None else fault.status, "error": fault.error or error}
        return Response(200, printer.compact(told), {"Content-Type": "application/json"})
    return None


def spoil(response: Response, fault: Fault) -> Response:
    """The application's answer as a fault leaves it."""
    if fault.kind in WIRE:
        response.damage = Damage(fault.kind, fault.at, fault.seconds, fault.rate)
    elif fault.kind in ("bad-json", "short"):
        content = response.content()
        response.body = content[: int(len(content) * fault.at)]
    elif fault.kind == "flipped" and (changed := bytearray(response.content())):
        changed[min(int(len(changed) * fault.at), len(changed) - 1)] ^= 1
        response.body = bytes(changed)
    return response
