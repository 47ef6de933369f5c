"""
What a sandbox remembers of requests, and the lines of its log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Requests that `Sandbox.requests` remembers, and characters of each parameter.
MAX_LOGGED: Final = 5000
MAX_VALUE: Final = 10_000

_ADDRESS: Final = re.compile(r"[^\s=&?/@]+(?:@|%40|%2540)[^\s&?/]+", re.IGNORECASE)


@dataclass(slots=True)
class LoggedRequest:
    """
    One request; it is noted before its answer is sent.

    Attributes
    ----------
    method, path : str
        HTTP method, and path without the query.
    params : dict of str to str
        Parameters of query and form, long values cut off.
    status : int
        HTTP status of the answer.
    bytes : int
        Bytes of the body that were sent, 0 until then.
    endpoint : str
        As in `Fault.endpoint`.
    fault : str
        Kind of the fault that hit it, empty without one.
    headers : dict of str to str
        Request headers by lower-case name.
    """

    method: str
    path: str
    params: dict[str, str]
    status: int
    bytes: int
    endpoint: str
    fault: str
    headers: dict[str, str]


def line(request: LoggedRequest) -> str:
    """One line of the log, without addresses and control characters."""
    told = {name: value for name, value in request.params.items() if name in ("op", "ds", "requestid", "filter")}
    words = " ".join(f"{name}={value[:200]}" for name, value in told.items())
    fault = f" [{request.fault}]" if request.fault else ""
    text = f"{request.method} {request.path[:200]} {words}".rstrip()
    text = _ADDRESS.sub("…", text).encode("unicode_escape").decode("ascii").replace("\\u2026", "…")
    return f"{text} -> {request.status}, {request.bytes} bytes{fault}"
