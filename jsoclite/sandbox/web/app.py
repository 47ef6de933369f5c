"""
Which program answers which request, without sockets, and what goes wrong on purpose.

A `Fault` says what (`kind`), where (`endpoint`, `match`) and when (`nth` and `times`, or `probability` with a `seed`).
`Faults` holds those of one sandbox, counts requests and answers which one, if any, hits.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import unquote

from ...errors import RecordSetError
from ..catalog import printer, schema, tables
from ..engine import Engine, EngineCrash, EngineError, to_int
from ..messages import Damage, File, Request, Response, send_file, text
from ..postgres import SqlError, posix
from ..programs import Addresses, Fetch, jsoc_info, show_series

#: Kinds that break the connection or its pace.
WIRE = frozenset({"reset", "reset-body", "truncated", "cut-chunks", "stall", "stall-body", "trickle"})
#: Kinds that replace or spoil the content of an answer.
CONTENT = frozenset({"html", "bad-json", "short", "flipped", "status", "too-many"})
#: Kinds that the application itself acts out.
STATE = frozenset({"changed", "no-range", "expired", "disk-full", "evil-name"})

#: Where a fault can hit. `query` is ``jsoc_info`` for records, `info` for ``series_struct``, `series` the two lists of
#: series, `file` everything below ``/SUM``, `page` the front page.
ENDPOINTS = frozenset(schema.data("server")["endpoints"].split())

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
        first, chance = int(nth) if nth else None, float(percent) / 100 if percent else None
        return cls(kind, endpoint or "*", nth=first, times=int(times or 1), probability=chance)


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


_JSON = {"Content-Type": "application/json"}

#: Programs below ``/cgi-bin/`` by the last part of their path, with the endpoint under which faults name them.
_PROGRAMS: dict[str, str] = schema.data("server")["programs"]


@dataclass(slots=True)
class Answer:
    """A response, with what the log says about it."""

    response: Response
    endpoint: str
    params: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None


def _endless(pattern: str) -> bool:
    """
    Whether Python's backtracking may never end on a pattern, as POSIX matching would.

    Series names are short, so a few repetitions are harmless unless one stands within another.
    """
    nested = re.search(r"[*+}?][^()]*\)[*+{]", pattern) is not None
    return nested or len(re.findall(r"[*+{]", pattern)) > 6 or pattern.count("(") > 50 or len(pattern) > 1000


class App:
    """
    The sandbox as a function of requests.

    Parameters
    ----------
    engine : Engine
        Answers ``jsoc_info`` and ``show_series``.
    sums : Sums
        Stored files.
    fetch : Fetch
        Answers ``jsoc_fetch`` and has the files of exports.
    addresses : Addresses
        Answers ``checkAddress.sh``.
    faults : Faults
        What goes wrong.
    email : str
        Shown on the front page.
    """

    def __init__(
        self, engine: Engine, sums: tables.Sums, fetch: Fetch, addresses: Addresses, faults: Faults, email: str
    ) -> None:
        self.engine, self.sums, self.fetch = engine, sums, fetch
        self.addresses, self.faults, self.email = addresses, faults, email

    def handle(self, request: Request) -> Answer:
        """Answer one request; safe for many threads."""
        if request.method not in ("GET", "HEAD", "POST"):
            return Answer(text(405, "Use GET, HEAD or POST.\n", Allow="GET, HEAD, POST"), "page")
        path = request.path
        program = path.rpartition("/")[2] if path.startswith("/cgi-bin/") else ""
        params = request.params() if program else {}
        endpoint = self._endpoint(path, program, params)
        if endpoint is None:
            return Answer(text(404, "There is no such file or program here.\n"), "page", params)
        fault = self.faults.next(endpoint, request)
        if fault and fault.kind == "too-many" and self._records(params) <= fault.records:
            fault = None
        response = instead(fault) if fault else None
        if response is None:
            kind = fault.kind if fault else ""
            if program:
                response = self._program(program, endpoint, params, request, kind)
            else:
                response = self._page() if endpoint == "page" else self._file(path, request, kind)
        if fault:
            response = spoil(response, fault)
        return Answer(response, endpoint, params, fault)

    def _records(self, params: dict[str, str]) -> int:
        """How many records a question is about."""
        try:
            return self.engine.count(params.get("ds", ""), to_int(params["n"]) if "n" in params else None)
        except (EngineError, EngineCrash):
            return 0

    def _endpoint(self, path: str, program: str, params: dict[str, str]) -> str | None:
        if path in ("/", "/index.html"):
            return "page"
        if path.startswith("/SUM"):
            return "file"
        op, endpoint = params.get("op", ""), _PROGRAMS.get(program)
        if endpoint == "query" and op == "series_struct":
            return "info"
        return op if endpoint == "exp_status" and op in ("exp_request", "exp_su") else endpoint

    # ---- programs
    def _program(self, program: str, endpoint: str, params: dict[str, str], request: Request, fault: str) -> Response:
        if program.startswith("jsocext") and "dbhost" not in params:
            return text(500, f"{program} needs the parameter dbhost.\n")
        match endpoint:
            case "series" if program == "show_series":
                # the program takes what stands behind the first '=', and knows no '+' for a blank
                pattern = unquote(request.query.partition("=")[2], "latin-1")
                if _endless(pattern):
                    return text(500, "This regular expression may take for ever here; use fewer repetitions.\n")
                try:
                    return Response(200, show_series(self.engine.catalog, pattern or None), dict(_JSON))
                except EngineCrash as crash:  # the program prints something, but no header in front of it
                    return text(500, f"The real program ends without a reply that a web server passes on: {crash}\n")
            case "series":
                return Response(200, self._external_series(params), dict(_JSON))
            case "query" | "info":
                status, body = jsoc_info(self.engine, params)
                return Response(status, body, dict(_JSON) if status == 200 else {"Content-Type": "text/plain"})
            case "check_address":
                return Response(200, printer.compact(self.addresses.answer(params)), dict(_JSON))
            case "manage_request":
                return Response(200, printer.compact(self.fetch.manage(params)), dict(_JSON))
        return self.fetch.answer(params, request.peer, fault)

    def _external_series(self, params: dict[str, str]) -> bytes:
        """``showextseries``: names only, or with descriptions for ``info=1``; no prime keys, no status."""
        pattern, catalog, error = params.get("filter", ""), self.engine.catalog, ""
        inverted, names = pattern.startswith("NOT "), list[printer.Json]()
        try:
            wanted = posix("(?!)" if _endless(pattern) else pattern.removeprefix("NOT "), fold=True)
            names += sorted(name for name in catalog if bool(wanted.search(name)) is not inverted)
        except SqlError:
            error = f"Invalid series-name filter '{pattern}'."
        if "dbhost" not in params:
            error, names = "Missing required argument 'dbhost'.", []
        if params.get("info", "0") not in ("", "0"):
            names = [{name: {"description": catalog[name].definition.description}} for name in map(str, names)]
        return printer.compact({"errMsg": error, "seriesList": names})

    # ---- files
    def _page(self) -> Response:
        page = schema.file("page.html").format(series=len(self.engine.catalog), email=self.email)
        return Response(200, page.encode("utf-8"), {"Content-Type": "text/html; charset=utf-8"})

    def _file(self, path: str, request: Request, fault: str) -> Response:
        found = None if fault == "expired" else self.fetch.file(path) or self.sums.file(path)
        if found is None:
            return text(404, "There is no such file here, or it is offline.\n")
        if not path.endswith(".tar") and (held := tables.folder(found.content)) is not None:
            # a directory comes whole only in a tar
            names = "".join(f'<li><a href="{name}">{name}</a></li>' for name in held)
            page = f"<!DOCTYPE html>\n<html><body><h1>Index of {escape(path)}</h1><ul>{names}</ul></body></html>\n"
            return Response(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})
        if fault == "changed":
            # the same length, other bytes at the end: only the validators tell
            content = bytearray(found.content)
            content[-min(64, len(content)) :] = bytes(byte ^ 0x15 for byte in content[-64:])
            found = File(bytes(content), found.modified + 3600, found.media)
        elif fault == "disk-full":
            found = File(found.content[: len(found.content) // 2], found.modified, found.media)
        return send_file(found, request, ranges=fault != "no-range")
