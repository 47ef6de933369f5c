"""Exports of one or many requests, one pending at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import StagingTimeout
from ..progress import Progress, choose
from ..server.retry import Clock
from .queue import Turns
from .reply import ExportFile, ExportStatus
from .request import ExportRequest

if TYPE_CHECKING:
    import os

    import pandas as pd

    from ..series import FileKey

__all__ = ["Export"]


class Export(Sequence[ExportRequest]):
    """
    One or many export requests that together stand for the chosen rows.

    JSOC takes one pending request per e-mail address, so they queue: the next one is submitted when the last has left
    JSOC's queue. Nothing happens by itself: `wait`, `advance` and `download` move the queue on.

    Parameters
    ----------
    requests : sequence of ExportRequest
        In the order in which they are to be submitted.
    clock : Clock
        Where the time comes from.
    adopt : callable
        Makes an `ExportRequest` of an id that JSOC names as being in the way.
    download : callable, optional
        What `Export.download` calls.
    wanted : sequence of FileKey
        The files that the requests are to bring, in the order of the rows, where that is known.

    Examples
    --------
    >>> export = client.export("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}")
    >>> export.wait()
    <Export JSOC_..., done, 2 files, 1 MB, hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}>
    >>> len(export.download("data"))
    2
    """

    def __init__(
        self,
        requests: Sequence[ExportRequest],
        *,
        clock: Clock,
        adopt: Callable[[str], ExportRequest],
        download: Callable[..., pd.DataFrame] | None = None,
        wanted: Sequence[FileKey] = (),
    ) -> None:
        self.requests, self.wanted = tuple(requests), tuple(wanted)
        self._clock, self._download = clock, download
        self._turns = Turns(self.requests, clock, adopt)

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, index: Any) -> Any:
        return self.requests[index]

    def __iter__(self) -> Iterator[ExportRequest]:
        return iter(self.requests)

    def __repr__(self) -> str:
        from .describe import export_text

        return export_text(self)

    def _repr_html_(self) -> str:
        from .describe import export_html

        return export_html(self)

    @property
    def ids(self) -> list[str]:
        """
        Ids of the requests that were submitted; `Client.attach` takes them, on any machine, for seven days.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> export.ids
        ['JSOC_...']
        """
        return [request.id for request in self.requests if request.id]

    @property
    def status(self) -> ExportStatus:
        """
        The last status seen of the request that is furthest from done; nothing is asked.

        Examples
        --------
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().status
        <ExportStatus.DONE: 0>
        """
        if not self.requests:
            return ExportStatus.DONE
        failed = [request.status for request in self.requests if request.error]
        if failed:
            return failed[0]
        for request in self.requests:
            if request.status is not ExportStatus.DONE:
                return request.status
        return ExportStatus.DONE

    @property
    def done(self) -> bool:
        """
        Whether nothing is left to wait for; requests may have failed.

        Examples
        --------
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().done
        True
        """
        return not any(request.pending or request.planned for request in self.requests)

    @property
    def held_up(self) -> str:
        """
        What keeps the next request from being submitted, in words; empty if nothing does.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     mine = sandbox.client()
        ...     first = mine.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        ...     mine.export("hmi.M_720s[2014.01.02_TAI]{magnetogram}").held_up
        'waiting for JSOC_... of the same address'
        """
        return self._turns.held_up

    @property
    def files(self) -> list[ExportFile]:
        """
        Files of the finished requests.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait()
        >>> [file.record for file in export.files]
        ['hmi.M_720s[2014.01.01_00:00:00_TAI][3]']
        """
        return [file for request in self.requests for file in request.files]

    @property
    def urls(self) -> list[str]:
        """
        URLs of the finished requests' files, for other programs to fetch.

        Examples
        --------
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().urls
        ['http://127.0.0.1:.../SUM.../hmi.M_720s....magnetogram.fits']
        """
        return [file.url for file in self.files if file.url]

    def refresh(self) -> Export:
        """
        Ask JSOC for the status of every request that is pending, now.

        Returns
        -------
        Export
            This object.

        Raises
        ------
        ServerError
            If the server cannot be reached. The requests themselves are not harmed.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     export = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        ...     before = export.done
        ...     sandbox.staging.finish()                        # an hour later
        ...     (before, export.refresh().done)
        (False, True)
        """
        for request in self.requests:
            if request.pending:
                request.refresh()
        return self

    def cancel(self) -> bool:
        """
        Cancel what is pending at JSOC, and drop what was not submitted.

        Returns
        -------
        bool
            Whether nothing pends afterwards; see `ExportRequest.cancel`.

        Examples
        --------
        >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
        ...     export = sandbox.client().export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        ...     export.cancel()
        True
        """
        results = [request.cancel() for request in self.requests if request.planned or request.pending]
        return all(results)

    def advance(self) -> float | None:
        """
        Do what is due, without waiting.

        Returns
        -------
        float or None
            Seconds until something is due again; None when all requests have ended.

        Raises
        ------
        EmailError
            If an export needs an address and there is none.
        ServerError
            If the server has been out of reach for half an hour.

        Examples
        --------
        Other work between the polls of a long staging:

        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> import time
        >>> while (seconds := export.advance()) is not None:
        ...     time.sleep(seconds)
        >>> export.done
        True
        """
        return self._turns.advance()

    def wait(self, timeout: float | None = None, *, progress: bool | Progress | None = None) -> Export:
        """
        Block until JSOC has ended every request.

        Parameters
        ----------
        timeout : float, optional
            Longest time to wait, in seconds. By default there is no limit.
        progress : bool, optional
            Show on stderr what JSOC does; by default if that is a terminal.

        Returns
        -------
        Export
            This object, so that ``client.export(rows).wait().download("data")`` reads in order.

        Raises
        ------
        StagingTimeout
            If `timeout` passed first. The requests live on; attach to them by their ids.
        ExportError
            If a request failed; the others have ended too.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> export.wait(timeout=600).done
        True
        """
        deadline = None if timeout is None else self._clock.now() + timeout
        shown = choose(progress)
        try:
            while (delay := self.advance()) is not None:
                shown.waiting(self)
                if deadline is not None:
                    left = deadline - self._clock.now()
                    if left <= 0:
                        raise self._too_late(timeout)
                    delay = min(delay, left)
                self._clock.sleep(delay)
            shown.waiting(self)
        finally:
            shown.close()
        for request in self.requests:
            if request.error is not None:
                raise request.error
        return self

    def submit(self, *, progress: bool | Progress | None = None) -> Export:
        """
        Block until JSOC has taken every request, so that `ids` is complete and the program may end.

        Parameters
        ----------
        progress : bool, optional
            As for `wait`.

        Returns
        -------
        Export
            This object. Requests that failed have an `error`; nothing is raised for them here.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").submit()
        >>> len(export.ids)
        1
        """
        shown = choose(progress)
        try:
            while any(request.planned for request in self.requests):
                delay = self.advance()
                shown.waiting(self)
                if delay is not None and any(request.planned for request in self.requests):
                    self._clock.sleep(delay)
        finally:
            shown.close()
        return self

    def _too_late(self, timeout: float | None) -> StagingTimeout:
        waiting = next((request for request in self.requests if request.pending), self.requests[0])
        return StagingTimeout(
            f"{waiting.id or 'the export'} was still {waiting.status.name.lower()} after {timeout:g} s. "
            f"It lives on: wait again, or Client.attach({', '.join(map(repr, self.ids))}) later.",
            request_id=waiting.id,
        )

    def download(self, directory: str | os.PathLike[str], **options: Any) -> pd.DataFrame:
        """
        Wait, and fetch the files. As `Client.download` with this export as its rows.

        Parameters
        ----------
        directory : path
            Where the files go.
        **options
            As for `Client.download`.

        Returns
        -------
        pandas.DataFrame
            The manifest, a row per file.

        Raises
        ------
        DownloadError
            If files failed; its ``.manifest`` is what would have been returned.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> export.download("data").path.tolist()
        ['data/hmi.M_720s.20140101_000000_TAI.3.magnetogram.fits']
        """
        if self._download is None:
            raise TypeError("this export belongs to no client; use Client.download(export, directory)")
        return self._download(self, directory, **options)
