"""Progress on a terminal or in a notebook, or silence."""

from __future__ import annotations

import datetime as dt
import importlib.util
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .display import clean
from .errors import printable

log = logging.getLogger("jsoclite")

# The speed shown is that of the last half minute: long enough to be steady, short enough to follow the network.
WINDOW_S = 30.0
# How often the numbers beside a bar change.
REFRESH_S = 0.2


class Progress(Protocol):
    """What a download tells while it runs."""

    def files(self, total: int) -> None:
        """`total` files are to be fetched; it may grow."""

    def bytes(self, count: int) -> None:
        """`count` bytes have arrived."""

    def file(self) -> None:
        """One file has ended, well or not."""

    def staging(self, request_id: str, state: str, error: str) -> None:
        """The state of a request has changed; `error` says why it failed, if it did."""

    def waiting(self, ended: int, total: int, request_id: str, state: str) -> None:
        """
        There is nothing to fetch until JSOC has staged more.

        `ended` of `total` requests have ended; JSOC works on `request_id`, or, where that is empty, `state` says what
        holds up the next one.
        """

    def say(self, text: str) -> None:
        """There is something that a person should read."""

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

    def staging(self, request_id: str, state: str, error: str) -> None:
        """Say nothing."""

    def waiting(self, ended: int, total: int, request_id: str, state: str) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Warn in the log: nobody watches."""
        log.warning("%s", text)

    def close(self) -> None:
        """Say nothing."""


class Pace:
    """
    How fast bytes come in, and how long the rest will take.

    Parameters
    ----------
    now : callable
        Seconds from an arbitrary start.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.bytes = self.files = 0
        self._now = now
        self._marks: deque[tuple[float, int]] = deque()
        self._at_last_file = 0

    def add(self, count: int) -> None:
        """Count bytes that have arrived."""
        now = self._now()
        if not self._marks:
            self._marks.append((now, self.bytes))
        self.bytes += count
        self._marks.append((now, self.bytes))
        while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW_S:
            self._marks.popleft()

    def file(self) -> None:
        """Count a file that has ended."""
        self.files += 1
        self._at_last_file = self.bytes

    def pause(self) -> None:
        """Forget the speed: nothing is fetched for a while, which says nothing about the network."""
        self._marks.clear()

    @property
    def rate(self) -> float | None:
        """Bytes per second, None where there is too little to tell."""
        if not self._marks:
            return None
        (begin, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / (end - begin) if end > begin else None

    def left(self, total: int) -> float | None:
        """Return the seconds for the rest of `total` files, as large as those so far; None where none can be told."""
        if not self.files or not self.rate:
            return None
        rest = self._at_last_file / self.files * (total - self.files)
        return max(0.0, rest - (self.bytes - self._at_last_file)) / self.rate


class Bars:
    """
    A bar for staging, as soon as JSOC has to stage something, and one for files; on stderr.

    The first counts requests and says what JSOC does with which one, and since when; the second counts files and shows
    bytes, speed and the time left.
    """

    def __init__(self) -> None:
        self._pace = Pace()
        self._files: Any = None
        self._requests: Any = None
        self._refreshed = 0.0
        self._since: dict[str, dt.datetime] = {}

    def files(self, total: int) -> None:
        """Set the number of files."""
        if self._files is None:
            self._files = _bar("files", "file", total)
        self._files.total = total
        self._files.refresh()

    def bytes(self, count: int) -> None:
        """Count bytes received."""
        self._pace.add(count)
        now = time.monotonic()
        if self._files is not None and now - self._refreshed > REFRESH_S:
            self._refreshed = now
            self._files.say(self._figures())

    def file(self) -> None:
        """Count a file."""
        self._pace.file()
        if self._files is not None:
            self._files.words = self._figures()
            self._files.update(1)

    def _figures(self) -> str:
        pace, size = self._pace, self._files.format_sizeof
        parts = [size(pace.bytes, "B")]
        if pace.rate:
            parts.append(size(pace.rate, "B/s"))
        left = pace.left(self._files.total)
        if left is not None and pace.files < self._files.total:
            parts.append(f"{self._files.format_interval(left)} left")
        return ", ".join(parts)

    def staging(self, request_id: str, state: str, error: str) -> None:
        """Show what JSOC is doing; say what has failed in a line of its own."""
        self._since[request_id] = dt.datetime.now()
        if error:
            say(error)
        elif self._requests is not None:
            self._requests.say(self._state(request_id, state))

    def waiting(self, ended: int, total: int, request_id: str, state: str) -> None:
        """Show which request JSOC works on, and since when."""
        self._pace.pause()
        if self._requests is None:
            self._requests = _bar("staging", "request", total)
        bar = self._requests
        bar.total, bar.n = total, ended
        bar.say(self._state(request_id, state) if request_id else state)

    def _state(self, request_id: str, state: str) -> str:
        since = self._since.setdefault(request_id, dt.datetime.now())
        return f"{request_id} {state} since {since:%H:%M:%S}"

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        say(text)

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._files is not None:
            self._files.words = self._figures()
        for bar in (self._files, self._requests):
            if bar is not None:
                bar.close()


def _bar(name: str, unit: str, total: int) -> Any:
    # notebooks get widgets where ipywidgets is there; in a terminal the bar stays on stderr
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        """A bar with words beside it (the way that tqdm's manual shows)."""

        words = ""

        @property
        def format_dict(self) -> Any:
            return {**super().format_dict, "words": self.words}

        def say(self, words: str) -> None:
            self.words = clean(words)
            self.refresh()

    return Bar(
        desc=name,
        unit=unit,
        total=total,
        file=sys.stderr,
        dynamic_ncols=True,
        leave=True,
        bar_format="{desc:8}{n_fmt:>5}/{total_fmt} |{bar}| {words}",
    )


def records(total: int | None) -> Any:
    """Return a bar that counts records: it shows up after a second, on a terminal, and goes when it is done."""
    from tqdm import tqdm

    return tqdm(
        desc="records",
        total=total,
        unit="record",
        unit_scale=True,
        delay=1.0,
        file=sys.stderr,
        disable=None,
        leave=False,
    )


def say(text: str) -> None:
    """Write lines to stderr, above the bars if there are some."""
    text = printable(text)
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        print(text, file=sys.stderr)
    else:
        tqdm.tqdm.write(text, file=sys.stderr)


def wanted(progress: bool | None) -> bool:
    """Whether progress is to be shown: if asked for, else if stderr is a terminal, or a notebook that has widgets."""
    if progress is not None:
        return progress
    if sys.stderr is None:
        return False
    return sys.stderr.isatty() or ("ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None)


def choose(progress: bool | Progress | None) -> Progress:
    """Return bars if they are wanted, or what was given."""
    if progress is None or isinstance(progress, bool):
        return Bars() if wanted(progress) else Silence()
    return progress
