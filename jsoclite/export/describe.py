"""What exports and their requests show of themselves. Nothing is asked of a server for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from .. import display
from ..errors import ExportError
from .reply import ExportFile, ExportStatus

# rows of a long export that are shown, files of a request, errors in text
MOST, FEW, FILES, REASONS = 30, 10, 50, 3


class Request(Protocol):
    """What is shown of a request, see `ExportRequest`."""

    id: str | None
    record_set: str | None
    status: ExportStatus
    error: ExportError | None
    files: tuple[ExportFile, ...]
    messages: tuple[str, ...]
    tar_url: str | None
    size: int
    method: str
    protocol: str
    process: str

    @property
    def pending(self) -> bool:
        """Whether JSOC is working on it."""

    @property
    def planned(self) -> bool:
        """Whether it still waits to be submitted."""


def state(request: Request) -> str:
    """Return in a word how a request is."""
    if request.error is not None:
        return "expired" if request.status is ExportStatus.EXPIRED else "failed"
    return request.status.word


def request_text(request: Request) -> str:
    """Return a request in one line."""
    parts = [
        request.id or "not submitted",
        state(request),
        display.number_of(len(request.files), "file") if request.files else "",
        f"{request.size:,} MB" if request.size else "",
        display.shorten(request.record_set or "", 60),
    ]
    return f"<ExportRequest {', '.join(display.clean(part) for part in parts if part)}>"


def summary(requests: Sequence[Request]) -> str:
    """Return how far the requests of an export are, such as "2 of 5 requests done, 1 pending, 2 planned"."""
    if not requests:
        return "nothing to export"
    counts = {
        "failed": sum(request.error is not None for request in requests),
        "pending": sum(request.pending for request in requests),
        "planned": sum(request.planned for request in requests),
    }
    done = len(requests) - sum(counts.values())
    files = sum(len(request.files) for request in requests)
    total = sum(request.size for request in requests)
    parts = [
        f"{done:,} of {display.number_of(len(requests), 'request')} done",
        *(f"{count:,} {word}" for word, count in counts.items() if count),
        display.number_of(files, "file") if files else "",
        f"{total:,} MB" if total else "",
    ]
    return ", ".join(part for part in parts if part)


def export_text(requests: Sequence[Request]) -> str:
    """Return an export in one line, or in a block where it has several requests."""
    if not requests:
        return "<Export of nothing>"
    if len(requests) == 1:
        return request_text(requests[0]).replace("<ExportRequest", "<Export", 1)
    rows = []
    for number in _shown(requests):
        if number is None:
            rows.append(["…", "", "", "", ""])
            continue
        request = requests[number]
        about = display.shorten(request.record_set or "", 60)
        rows.append([request.id or "–", state(request), *_counts(request), about])
    header = ["request", "state", "files", "MB", "record set"]
    errors = [request.error for request in requests if request.error is not None]
    lines = [
        f"<Export: {summary(requests)}",
        display.text_table(header, rows, right=(2, 3), indent="  "),
        *(display.wrapped(error, 100, "  ") for error in errors[:REASONS]),
        *([f"  and {len(errors) - REASONS:,} more errors"] if len(errors) > REASONS else []),
    ]
    return "\n".join(lines) + ">"


def _counts(request: Request) -> tuple[str, str]:
    return f"{len(request.files):,}" if request.files else "", f"{request.size:,}" if request.size else ""


def _shown(requests: Sequence[Request]) -> Iterator[int | None]:
    """Yield the places of the requests that are shown, None for a gap: both ends, and what is not as it should be."""
    first, last = display.shown_rows(len(requests), MOST, FEW)
    places = {*first, *last}
    if last:
        for wanted in (lambda one: one.error is not None, lambda one: one.pending):
            places.update([number for number, request in enumerate(requests) if wanted(request)][:FEW])
    before = -1
    for number in sorted(places):
        if number != before + 1:
            yield None
        yield number
        before = number


def export_html(requests: Sequence[Request]) -> str:
    """Return an export as a table of its requests."""
    head = display.join(display.Html("<b>Export</b> "), summary(requests))
    if not requests:
        return display.block(head)
    failed = any(request.error is not None for request in requests)
    rows: list[list[object]] = []
    for number in _shown(requests):
        if number is None:
            rows.append(["…", *[""] * (4 + failed)])
            continue
        request = requests[number]
        rows.append(
            [
                display.mono(request.id or "–", whole=True),
                display.coloured(state(request)),
                *_counts(request),
                display.mono(display.shorten(request.record_set or "", 60 if failed else 100), whole=True),
                *([request.error or ""] if failed else []),
            ]
        )
    header = ["request", "state", "files", "size (MB)", "record set", *(["error"] if failed else [])]
    return display.block(head, display.table(header, rows, right=(2, 3)))


def request_html(request: Request) -> str:
    """Return a request with all that is known about it."""
    files, megabytes = _counts(request)
    name = display.Html(f"<b>Export request</b> {display.mono(request.id or 'not submitted')} ")
    rows = [
        ("record set", display.mono(display.shorten(request.record_set or "", 300))),
        ("method, protocol", ", ".join(part for part in (request.method, request.protocol) if part)),
        ("process", display.mono(request.process) if request.process else ""),
        ("files", files),
        ("size (MB)", megabytes),
        ("archive", display.link(request.tar_url, request.tar_url) if request.tar_url else ""),
    ]
    shown = [
        [
            display.mono(file.record, whole=True),
            file.segment or "",
            display.link(file.url, file.filename) if file.url else "none",
        ]
        for file in request.files[:FILES]
    ]
    more = len(request.files) - len(shown)
    return display.block(
        display.join(name, display.coloured(state(request))),
        display.table((), [(what, text) for what, text in rows if text]),
        display.bullets([request.error], display.COLOURS["failed"]) if request.error else "",
        display.bullets(request.messages) if request.messages else "",
        display.details(
            display.number_of(len(request.files), "file"),
            display.join(
                display.table(("record", "segment", "file"), shown),
                display.muted(f"and {more:,} more") if more > 0 else "",
            ),
        )
        if shown
        else "",
    )
