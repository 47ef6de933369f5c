"""Progress on a terminal or in a notebook, or silence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .staging import ExportRequest

__all__ = ["Bars", "Progress", "Silence", "choose", "records"]


class Progress(Protocol):
    """What a download tells while it runs."""

    def files(self, total: int) -> None:
        """`total` files are to be fetched; it may grow."""

    def bytes(self, count: int) -> None:
        """`count` bytes have arrived."""

    def file(self) -> None:
        """One file has ended, well or not."""

    def staging(self, request: ExportRequest) -> None:
        """The status of a request has changed."""

    def close(self) -> None:
        """The download has ended."""


class Silence:
    """No progress."""

    def files(self, total: int) -> None:
        """Say nothing."""

    def bytes(self, count: int) -> None:
        """Say nothing."""

    def file(self) -> None:
        """Say nothing."""

    def staging(self, request: ExportRequest) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class Bars:
    """A bar that counts files, shows bytes and rate, and a line for each change of a staging request; on stderr."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        # notebooks get widgets where ipywidgets is there; in a terminal the bar stays on stderr
        self._bar = tqdm(unit="file", dynamic_ncols=True, file=sys.stderr, total=0, leave=True)
        self._bytes = 0

    def files(self, total: int) -> None:
        """Set the number of files."""
        self._bar.total = total
        self._bar.refresh()

    def bytes(self, count: int) -> None:
        """Count bytes received."""
        self._bytes += count
        elapsed = self._bar.format_dict["elapsed"] or 1e-9
        size = self._bar.format_sizeof(self._bytes, "B")
        rate = self._bar.format_sizeof(self._bytes / elapsed, "B/s")
        self._bar.set_postfix_str(f"{size}, {rate}", refresh=False)
        self._bar.update(0)

    def file(self) -> None:
        """Count a file."""
        self._bar.update(1)

    def staging(self, request: ExportRequest) -> None:
        """Show what JSOC is doing."""
        what = "failed" if request.error else request.status.name.lower()
        self._bar.write(f"{request.id or 'export'}: {what}", file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def records(total: int) -> Any:
    """Return a bar that counts records: it shows up after a second, on a terminal, and goes when it is done."""
    from tqdm import tqdm

    return tqdm(total=total, unit="record", unit_scale=True, delay=1.0, file=sys.stderr, disable=None, leave=False)


def choose(progress: bool | Progress | None) -> Progress:
    """Return bars if asked for, or by default if stderr is a terminal."""
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if isinstance(progress, bool):
        return Bars() if progress else Silence()
    return progress
