"""
Who may export: ``checkAddress.sh`` with its states, and ``manage-request.sh``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from ..catalog import jsontext

#: Seconds that a registration waits for the reply to its mail (``REGEMAIL_TIMEOUT``).
REGISTRATION_S = 15 * 60
#: At most this many registrations are kept waiting.
MAX_WAITING = 1000

# as in checkAddress.py: matched at the start only, so that longer top-level domains pass
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,6}")

_STARTED = (
    "Your email address has not been registered for use with the export system - starting registration process. "
    "You will receive an email address from user jsoc. Please reply to this email message within 15 minutes without "
    "modifying the body."
)
_MESSAGES = {
    1: _STARTED,
    2: "Email address is valid and registered.",
    3: "Email-address registration is pending. Please wait and try again later.",
    4: "email address has been neither validated nor registered",
}


class Addresses:
    """
    E-mail addresses of a sandbox.

    Parameters
    ----------
    registered : iterable of str
        Addresses that may export from the start.
    clock : callable
        Unix time.
    """

    def __init__(self, registered: Iterable[str], clock: Callable[[], float]) -> None:
        self._registered = {address: number for number, address in enumerate(registered, start=1)}
        self._waiting: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def register(self, address: str) -> None:
        """Make an address a registered one, as the reply to the mail does."""
        with self._lock:
            self._waiting.pop(address, None)
            self._registered.setdefault(address, len(self._registered) + 1)

    def check(self, address: str | None, *, checkonly: bool) -> tuple[int, str, int | None]:
        """
        State of an address; without `checkonly` an unknown one begins its registration.

        Returns
        -------
        status, message, user id
            Status 1 registration begun, 2 registered, 3 waiting for the reply, 4 unknown, -2 no address.
        """
        if not address:
            return -2, "Missing required argument 'address'.", None
        if not _ADDRESS.match(address):
            return -2, "Not a valid email address.", None
        with self._lock:
            now = self._clock()
            for late in [one for one, since in self._waiting.items() if now - since > REGISTRATION_S]:
                del self._waiting[late]
            if address in self._registered:
                return 2, _MESSAGES[2], self._registered[address]
            if address in self._waiting:
                return 3, _MESSAGES[3], None
            if checkonly:
                return 4, _MESSAGES[4], None
            if len(self._waiting) < MAX_WAITING:
                self._waiting[address] = now
            return 1, _MESSAGES[1], None

    def answer(self, params: Mapping[str, str]) -> dict[str, jsontext.Json]:
        """What ``checkAddress.sh`` answers; the address is decoded once more, as clients send it encoded twice."""
        address = params.get("address")
        status, message, user = self.check(
            None if address is None else unquote(address, "latin-1"), checkonly=params.get("checkonly", "0") == "1"
        )
        return {"status": status, "msg": message, "user_id": user}
