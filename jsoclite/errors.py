"""
Errors and warnings.

::

    JsocError (drms.DrmsError)               everything that jsoclite raises on purpose
    ├── RecordSetError (ValueError)          a record set or time cannot be built or parsed; nothing was sent
    ├── SelectionError (ValueError)          rows that no longer say which records they stand for
    ├── ProcessingError (ValueError)         a server-side step with impossible arguments; nothing was sent
    ├── ServerError                          no usable HTTP answer after retries: url, HTTP status, start of the body
    ├── QueryError (drms.DrmsQueryError)     jsoc_info answered with an error
    │   ├── UnknownSeries (LookupError)      no such series
    │   └── UnknownName (LookupError)        no such keyword, segment, link or prime key
    ├── EmailError (ValueError)              no address, or one that JSOC does not know
    ├── ExportError (drms.DrmsExportError)   an export request failed: request id, status
    │   ├── ExportTooLarge                   status 3
    │   ├── ExportFailed                     status 4, -1 and codes nobody knows
    │   ├── ExportExpired                    status 5: done, but its files were deleted after seven days
    │   ├── ExportLimit                      status 7: another request of this address or host is still pending
    │   └── ExportOffline                    status 25: files are on tape and JSOC wants a human to ask
    ├── StagingTimeout (TimeoutError)        waiting ended first; the request lives on: request id
    └── DownloadError                        some files are not there: the whole manifest
    JsocWarning (UserWarning)                what the server would swallow in silence
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def _drms_bases() -> tuple[type[Exception], type[Exception], type[Exception]]:
    """
    Import drms without its side effect: it calls `logging.basicConfig`, which adds a handler to the root logger.

    Every module of jsoclite that uses drms imports this one first, so this is the one place that has to care.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    import drms

    for handler in set(root.handlers).difference(handlers):
        root.removeHandler(handler)
    root.setLevel(level)
    return drms.DrmsError, drms.DrmsQueryError, drms.DrmsExportError


if TYPE_CHECKING:  # drms has no type hints

    class _DrmsError(RuntimeError): ...

    class _DrmsQueryError(_DrmsError): ...

    class _DrmsExportError(_DrmsError): ...

else:
    _DrmsError, _DrmsQueryError, _DrmsExportError = _drms_bases()


class JsocError(_DrmsError):
    """Base of all errors that jsoclite raises on purpose; also a `drms.DrmsError`."""


class RecordSetError(JsocError, ValueError):
    """
    A record set, time, duration or name that cannot be used; nothing was sent.

    Parameters
    ----------
    message : str
        Names the value, the rule and the remedy.
    text : str, optional
        The whole text that was being read.
    position : int, optional
        Index in `text` of the character where reading failed; the message then shows it with a caret.
    """

    def __init__(self, message: str, text: str | None = None, position: int | None = None) -> None:
        self.text, self.position = text, position
        if text is not None and position is not None:
            # keep the part around the character readable when a set is thousands of characters long
            start = max(0, position - 60)
            shown = ("…" if start else "") + text[start : position + 40]
            caret = position - start + (1 if start else 0)
            message = f"{message}\n    {shown}\n    {' ' * caret}^"
        super().__init__(message)


class SelectionError(JsocError, ValueError):
    """Rows that no longer say which records they stand for."""


class ProcessingError(JsocError, ValueError):
    """A server-side processing step with arguments that cannot work; nothing was sent."""


class ServerError(JsocError):
    """
    No usable HTTP answer, after all retries.

    Parameters
    ----------
    message : str
        What happened, with the URL (without e-mail addresses).
    url : str, optional
        The URL, without e-mail addresses.
    status : int, optional
        HTTP status code, None where there was no answer at all.
    """

    def __init__(self, message: str, *, url: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.url, self.status = url, status


class QueryError(JsocError, _DrmsQueryError):
    """
    The server refused a query.

    Parameters
    ----------
    message : str
        The server's words and the remedy.
    record_set : str, optional
        The record set that was asked for.
    status : int, optional
        The JSON status of the answer.
    """

    def __init__(self, message: str, *, record_set: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.record_set, self.status = record_set, status


class UnknownSeries(QueryError, LookupError):
    """No series of that name."""


class UnknownName(QueryError, LookupError):
    """No such keyword, segment, link or prime key in the series."""


class EmailError(JsocError, ValueError):
    """No e-mail address where an export needs one, or one that is not registered. The address is never in the text."""


class ExportError(JsocError, _DrmsExportError):
    """
    An export request failed.

    Parameters
    ----------
    message : str
        The server's words and the remedy.
    request_id : str, optional
        The id that JSOC gave the request.
    status : int, optional
        JSOC's status code.
    record_set : str, optional
        The record set that was to be exported.
    pending : sequence of str
        Status 7 only: ids of the requests that are in the way.
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        status: int | None = None,
        record_set: str | None = None,
        pending: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.request_id, self.status, self.record_set = request_id, status, record_set
        self.pending = tuple(pending)


class ExportTooLarge(ExportError):
    """Status 3: more bytes than JSOC gives in one request."""


class ExportFailed(ExportError):
    """Status 4, -1 or unknown: JSOC could not do it."""


class ExportExpired(ExportError):
    """Status 5: the request was done, but JSOC has deleted its files (after seven days)."""


class ExportLimit(ExportError):
    """Status 7: an earlier request of this address, or too many of this host, are still pending."""


class ExportOffline(ExportError):
    """Status 25: files are offline and JSOC asks for an e-mail before they are brought back."""


class StagingTimeout(JsocError, TimeoutError):
    """
    Waiting ended before the request was done. The request lives on at JSOC.

    Parameters
    ----------
    message : str
        What was waited for, and how to go on.
    request_id : str, optional
        The id to attach to later.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class DownloadError(JsocError):
    """
    Some wanted files are not there. Everything that could be fetched was.

    Parameters
    ----------
    message : str
        How many and why.
    manifest : pandas.DataFrame, optional
        One row a wanted file, as `Client.download` returns it.
    """

    def __init__(self, message: str, manifest: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.manifest = manifest

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.manifest)


class JsocWarning(UserWarning):
    """What the server would do, or leave out, without a word."""


def warn(message: str) -> None:
    """Warn at the line of the caller's own code, however deep inside jsoclite the reason was found."""
    level = 2  # 1 is this function
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame = frame.f_back
        level += 1
    warnings.warn(message, JsocWarning, stacklevel=level)
