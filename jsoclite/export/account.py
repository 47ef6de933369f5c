"""Export requests made on behalf of an e-mail address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import EmailError
from .export import Export
from .request import ExportRequest

if TYPE_CHECKING:
    import pandas as pd

    from ..download.ledger import Ledger, RequestRow
    from ..progress import Progress
    from ..series import FileKey
    from ..server.jsoc import Jsoc

__all__ = ["Orders"]

REGISTER = (
    "Register it once at http://jsoc.stanford.edu/ajax/register_email.html (answer the mail that comes within "
    "15 minutes), then write Client(email=…) or set the environment variable JSOC_EMAIL."
)


class Orders:
    """
    Makes requests, once the address is known to JSOC.

    Parameters
    ----------
    jsoc : Jsoc
        How to ask.
    email : str or None
        The address. It never appears in an error or a log.
    download : callable
        What `Export.download` calls.
    """

    def __init__(self, jsoc: Jsoc, email: str | None, download: Callable[..., pd.DataFrame]) -> None:
        self._jsoc, self._email, self._download = jsoc, email, download
        self._registered = False

    def is_registered(self, address: str) -> bool:
        """Ask JSOC whether it knows an address (checkAddress.sh, status 2)."""
        return bool(self._jsoc.check_address(address).get("status") == 2)

    def address(self) -> str:
        """
        Return the address, checked once.

        Raises
        ------
        EmailError
            If there is none, or JSOC does not know it.
        """
        if not self._email:
            raise EmailError(f"an export needs an e-mail address that JSOC knows. {REGISTER}")
        if not self._registered:
            if not self.is_registered(self._email):
                raise EmailError(f"JSOC does not know the e-mail address that was given. {REGISTER}")
            self._registered = True
        return self._email

    def request(self, record_set: str | None, **options: Any) -> ExportRequest:
        """Make a request that is not submitted yet; options as for `ExportRequest`."""
        return ExportRequest(self._jsoc, record_set, email=self.address, **options)

    def attached(self, request_id: str) -> ExportRequest:
        """Make a request that JSOC has already."""
        return self.request(None, request_id=request_id, method="", protocol="")

    def noted(
        self,
        record_set: str | None,
        row: RequestRow,
        request_id: str | None,
        size_ratio: float,
        *,
        ledger: Ledger,
        progress: Progress,
    ) -> ExportRequest:
        """Make a request that writes each of its steps into a row of a ledger."""
        request = self.request(
            record_set,
            method=row.method,
            protocol=row.protocol,
            process=row.process,
            filename=row.filename,
            size_ratio=size_ratio,
            request_id=request_id,
            ledger=ledger,
            row=row,
        )
        request.on_change = progress.staging
        return request

    def export(self, requests: Sequence[ExportRequest], wanted: Sequence[FileKey] = ()) -> Export:
        """Queue requests."""
        return Export(requests, clock=self._jsoc.clock, adopt=self.attached, download=self._download, wanted=wanted)
