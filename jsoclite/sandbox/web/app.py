"""
Which program answers which request; no sockets here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from urllib.parse import unquote

from ..catalog import printer, storage
from ..engine import Engine, EngineCrash, EngineError, to_int
from ..messages import File, Request, Response, send_file, text
from ..postgres import SqlError, posix
from ..programs import Addresses, Fetch, jsoc_info, show_series
from .faults import Fault, Faults, instead, spoil

_JSON = {"Content-Type": "application/json"}

#: Programs below ``/cgi-bin/`` by the last part of their path, with the endpoint under which faults name them.
_PROGRAMS = {
    "show_series": "series",
    "showextseries": "series",
    "jsoc_info": "query",
    "jsocextinfo": "query",
    "jsoc_fetch": "exp_status",
    "jsocextfetch": "exp_status",
    "checkAddress.sh": "check_address",
    "manage-request.sh": "manage_request",
}

_PAGE = """<!DOCTYPE html>
<html><head><title>jsoclite sandbox</title></head><body>
<h1>jsoclite sandbox</h1>
<p>An embedded JSOC for tests and for learning: {series} series, computed or stored on this machine. Nothing here is
measured data, and nothing leaves this machine.</p>
<ul>
<li>Programs: <a href="cgi-bin/ajax/show_series">show_series</a>, showextseries, jsoc_info, jsoc_fetch, checkAddress.sh,
manage-request.sh below <code>cgi-bin/ajax/</code>.</li>
<li>Files: the paths that jsoc_info and jsoc_fetch give.</li>
<li>Registered address for exports: <code>{email}</code></li>
</ul>
</body></html>
"""


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
        self, engine: Engine, sums: storage.Sums, fetch: Fetch, addresses: Addresses, faults: Faults, email: str
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
        if endpoint == "exp_status" and op in ("exp_request", "exp_su"):
            return op
        return endpoint

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
        answer: dict[str, printer.Json]
        if "dbhost" not in params:
            answer = {"errMsg": "Missing required argument 'dbhost'.", "seriesList": []}
            return printer.compact(answer)
        pattern = params.get("filter", "")
        inverted = pattern.startswith("NOT ")
        try:
            wanted = posix("(?!)" if _endless(pattern) else pattern.removeprefix("NOT "), fold=True)
        except SqlError:
            answer = {"errMsg": f"Invalid series-name filter '{pattern}'.", "seriesList": []}
            return printer.compact(answer)
        catalog = self.engine.catalog
        names = sorted(name for name in catalog if bool(wanted.search(name)) is not inverted)
        if params.get("info", "0") in ("", "0"):
            return printer.compact({"errMsg": "", "seriesList": names})
        described: list[printer.Json] = [
            {name: {"description": catalog[name].definition.description}} for name in names
        ]
        return printer.compact({"errMsg": "", "seriesList": described})

    # ---- files
    def _page(self) -> Response:
        page = _PAGE.format(series=len(self.engine.catalog), email=self.email)
        return Response(200, page.encode("utf-8"), {"Content-Type": "text/html; charset=utf-8"})

    def _file(self, path: str, request: Request, fault: str) -> Response:
        found = None if fault == "expired" else self.fetch.file(path) or self.sums.file(path)
        if found is None:
            return text(404, "There is no such file here, or it is offline.\n")
        if not path.endswith(".tar") and (held := storage.folder(found.content)) is not None:
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
