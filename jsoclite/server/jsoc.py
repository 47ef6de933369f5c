"""
What JSOC's ``manage-request.sh`` knows of an address: its pending request, which it can also forget.

Answers are objects with ``status`` and ``msg``: 1 nothing pends, 2 something does, 3 cancelled. Older servers have no
such program.
"""

from __future__ import annotations

from urllib.parse import urljoin

from ..errors import ServerError
from ..export.reply import REQUEST_ID
from .http import Transport

__all__ = ["cancel", "pending"]


def pending(transport: Transport, address: str) -> list[str] | None:
    """Return the ids that are pending for an address; None if the server cannot say."""
    body = _ask(transport, address, "check")
    if body is None:
        return None
    if str(body.get("status")) == "2":
        return REQUEST_ID.findall(str(body.get("msg"))) or None
    return [] if str(body.get("status")) == "1" else None


def cancel(transport: Transport, address: str) -> bool:
    """Ask JSOC to forget the pending request of an address, and say whether it did."""
    body = _ask(transport, address, "cancel")
    return body is not None and str(body.get("status")) == "3"


def _ask(transport: Transport, address: str, operation: str) -> dict[str, object] | None:
    url = urljoin(transport.server.url_jsoc_fetch, "manage-request.sh")
    try:
        body = transport.ask(url, {"address": address, "operation": operation}, private=True).data
    except ServerError:
        return None
    return body if isinstance(body, dict) else None
