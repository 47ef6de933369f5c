"""
What `jsoc_fetch` says about an export request, read into one shape.

JSOC answers in several tongues: numbers while a request is pending and strings once it is finished, ``requestid`` or
``reqid``, rows that are files, rows that are messages. Nothing else in jsoclite sees that.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from ..display import clean
from ..errors import ExportError, ExportExpired, ExportFailed, ExportLimit, ExportOffline, ExportTooLarge
from ..server import REQUEST_ID

# jsoc_fetch.c: the insert into its table of duplicates failed; nothing is wrong with the request
_HASH = "Cant save new export-request hash"
# jsoc_fetch.c, exp_status, while a new request has not been copied to jsoc.export yet
_UNKNOWN_ID = "invalid export DRMS record"


class ExportStatus(enum.IntEnum):
    """
    The status codes of jsoc_fetch (jsoc_fetch.c), and our own for a request that was not sent yet.

    Examples
    --------
    >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
    >>> export.wait().status
    <ExportStatus.DONE: 0>
    >>> [status.name for status in jsoclite.ExportStatus if status.pending]
    ['PROCESSING', 'QUEUED', 'NOT_FOUND', 'TEST']
    """

    PLANNED = -2
    UNKNOWN_ERROR = -1
    DONE = 0
    PROCESSING = 1
    QUEUED = 2
    TOO_LARGE = 3
    FAILED = 4
    EXPIRED = 5
    NOT_FOUND = 6
    LIMIT = 7
    TEST = 12
    OFFLINE = 25

    @property
    def pending(self) -> bool:
        """
        Whether JSOC is still at it.

        Examples
        --------
        >>> jsoclite.ExportStatus.QUEUED.pending, jsoclite.ExportStatus.EXPIRED.pending
        (True, False)
        """
        return _MEANING[self].pending

    @property
    def word(self) -> str:
        """
        The status as people call it.

        Examples
        --------
        >>> jsoclite.ExportStatus.TOO_LARGE.word
        'too large'
        """
        return _MEANING[self].word


class _Meaning(NamedTuple):
    """What a status means: in a word, whether JSOC is still at it, else the error and what to do."""

    word: str
    pending: bool = False
    error: type[ExportError] = ExportFailed
    remedy: str = ""


#: All that is known of status codes (jsoc_fetch.c, jsoc_export_manage.c).
_MEANING = {
    ExportStatus.PLANNED: _Meaning("planned"),
    ExportStatus.UNKNOWN_ERROR: _Meaning("unknown error"),
    ExportStatus.DONE: _Meaning("done"),
    ExportStatus.PROCESSING: _Meaning("processing", pending=True),
    ExportStatus.QUEUED: _Meaning("queued", pending=True),
    ExportStatus.TOO_LARGE: _Meaning(
        "too large",
        error=ExportTooLarge,
        remedy="Export fewer records at once, or let a cutout or rebin step make them smaller.",
    ),
    ExportStatus.FAILED: _Meaning("failed"),
    ExportStatus.EXPIRED: _Meaning(
        "expired", error=ExportExpired, remedy="JSOC keeps exported files for seven days. Export the rows again."
    ),
    # of a request that was just made, not copied to JSOC's table yet; else of an id that there is not
    ExportStatus.NOT_FOUND: _Meaning(
        "queued",
        pending=True,
        remedy="JSOC does not know this id. Is it spelled right, and is it the right server?",
    ),
    ExportStatus.LIMIT: _Meaning(
        "limit",
        error=ExportLimit,
        remedy="JSOC takes one pending request per address; wait for the one that it names, or attach to it.",
    ),
    ExportStatus.TEST: _Meaning("processing", pending=True),
    ExportStatus.OFFLINE: _Meaning(
        "offline",
        error=ExportOffline,
        remedy="The files are on tape: ask jsoc@sun.stanford.edu to bring them online, naming the record set, then try "
        "again.",
    ),
}


@dataclass(frozen=True, slots=True)
class ExportFile:
    """
    A file of a finished export.

    Attributes
    ----------
    record : str
        Name of the record, without segments.
    segment : str or None
        The segment, where the server names it.
    filename : str
        The server's name of the file. It is never used as a local path.
    url : str or None
        Where the file is; None where there is none (``NoDataFile``).
    """

    record: str
    segment: str | None
    filename: str
    url: str | None


@dataclass(frozen=True, slots=True)
class ExportReply:
    """One answer to `exp_request` or `exp_status`; sizes in MB as the server counts them."""

    status: ExportStatus
    request_id: str | None
    method: str
    protocol: str
    count: int
    size: int
    files: tuple[ExportFile, ...]
    tar_url: str | None
    messages: tuple[str, ...]
    error: str | None
    pending_ids: tuple[str, ...]

    @property
    def transient(self) -> bool:
        """Whether JSOC refused for a reason that passes by itself."""
        return self.status is ExportStatus.FAILED and _HASH in (self.error or "")


def _number(value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def file_url(base: str, *parts: str) -> str:
    """Append path parts to the base URL: whatever a server says is a path below its own host."""
    path = "/".join(part.strip("/") for part in parts if part.strip("/"))
    return base.rstrip("/") + "/" + quote(path, safe="/~!$&'()*+,;=:@", errors="replace")


def read_reply(body: Any, base_url: str) -> ExportReply:
    """
    Read an answer of jsoc_fetch.

    Parameters
    ----------
    body : object
        The decoded JSON. Whatever it is, it is not trusted.
    base_url : str
        What paths of files are appended to.
    """
    if not isinstance(body, Mapping):
        body = {"status": -1, "error": f"unexpected answer {str(body)[:100]!r}"}
    try:
        status = ExportStatus(int(body.get("status", -1)))
    except (TypeError, ValueError, OverflowError):
        status = ExportStatus.UNKNOWN_ERROR
        body = {**body, "error": f"unknown status {body.get('status')!r}: {body.get('error') or 'no message'}"}
    raw_error = body.get("error")
    error = clean(raw_error).strip() if raw_error else None
    if status is ExportStatus.FAILED and error and _UNKNOWN_ID in error:
        status = ExportStatus.NOT_FOUND
    # image and movie exports say reqid (jsoc_export_as_images)
    request_id = str(body.get("requestid") or body.get("reqid") or "").strip() or None
    # VOID and NA stand for none; whatever else is no id must not become a part of a path or of a question
    if request_id is not None and not REQUEST_ID.fullmatch(request_id):
        request_id = None
    directory = str(body.get("dir") or "")
    files: list[ExportFile] = []
    messages: list[str] = []
    rows = body.get("data")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping):
            continue
        record, filename = str(row.get("record") or ""), str(row.get("filename") or "")
        if record.startswith(("warning=", "error=")) or not filename:
            # jsoc_export_as_fits.c writes such lines among the rows
            messages.append(clean(record))
            continue
        if record.startswith("movie of"):
            # jsoc_export_as_images puts the movie first, under this heading in place of a record
            record = f"{request_id or 'export'}{{movie}}"
        name, brace, rest = record.partition("{")
        segment = rest.rstrip("}").strip() if brace else None
        missing = filename == "NoDataFile"
        url = None if missing else file_url(base_url, directory, filename)
        files.append(ExportFile(name.strip(), segment, filename, url))
    tar = str(body.get("tarfile") or "")
    return ExportReply(
        status=status,
        request_id=request_id,
        method=str(body.get("method") or ""),
        protocol=str(body.get("protocol") or ""),
        count=_number(body.get("count") or body.get("rcount")),
        size=_number(body.get("size")),
        files=tuple(files),
        tar_url=file_url(base_url, tar) if tar else None,
        messages=tuple(messages),
        error=error,
        pending_ids=tuple(dict.fromkeys(REQUEST_ID.findall(str(raw_error or ""))))
        if status is ExportStatus.LIMIT
        else (),
    )


# words in JSOC's message -> what to do
_HINTS = (
    ("Record-set specification is too long", "Split it into sets of at most 4,000 characters (export DataFrame rows)."),
    ("out of memory", "Ask for a shorter time range or fewer keywords."),
    ("not been registered", "Register the address at http://jsoc.stanford.edu/ajax/register_email.html."),
    ("neither validated nor registered", "Register the address at http://jsoc.stanford.edu/ajax/register_email.html."),
    ("Cant save new export-request hash", "A passing fault of JSOC: try again a little later."),
    ("does not exist", "Look at Client.series() for the series that exist."),
    ("too many records", "Ask for a shorter time range."),
    ("There are no files", "The records have no files, or every one was dropped by the quality filter."),
)


def reply_error(reply: ExportReply, record_set: str | None, request_id: str | None = None) -> ExportError:
    """Turn a reply with an error status into the exception that names request id, record set and remedy."""
    kind, remedy = _MEANING[reply.status].error, _MEANING[reply.status].remedy
    said = reply.error or "JSOC gave no reason; it does that for record sets it cannot handle as one request"
    for words, hint in _HINTS:
        if words in said:
            remedy = hint
    request_id = request_id or reply.request_id
    about = " of ".join(part for part in (request_id and f"request {request_id}", _shown(record_set)) if part)
    text = f"export {about or '(unknown)'} failed with status {int(reply.status)}: {said.rstrip('.')}. {remedy}"
    return kind(
        text.rstrip(),
        request_id=request_id,
        status=int(reply.status),
        record_set=record_set,
        pending=reply.pending_ids,
    )


def _shown(record_set: str | None) -> str:
    if not record_set:
        return ""
    return record_set if len(record_set) <= 200 else f"{record_set[:160]}…{record_set[-30:]}"
