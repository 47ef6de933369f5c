"""
Requests at the server: JSOC stages files, and says where they are.

An `Account` makes requests on behalf of a registered address. Each is an `ExportRequest`: submitted once, polled with
care, known by its id; what becomes of it is told to an observer before anything else happens. An `Export` is one or
many of them, queued, because JSOC takes one pending request per address. What JSOC answers is read in one place, with
one table of status codes; finished requests have `ExportFile`. The package `export.steps` in it is what JSOC can do to
the files on the way.
"""

from .describe import state
from .export import Account, Export
from .reply import ExportFile, ExportStatus, file_url
from .request import OUTAGE_PATIENCE_S, ExportRequest

__all__ = [
    "OUTAGE_PATIENCE_S",
    "Account",
    "Export",
    "ExportFile",
    "ExportRequest",
    "ExportStatus",
    "file_url",
    "state",
]
