"""
Exports of one or many requests, one pending at a time, made on behalf of an e-mail address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..display import veiled
from ..errors import ArgumentError, EmailError, StagingTimeout
from ..progress import Progress, choose
from ..series import FileKey
from ..server import Clock, Jsoc
from .describe import export_html, export_text
from .queue import Turns
from .reply import ExportStatus
from .request import ExportRequest

if TYPE_CHECKING:
    import os

    import pandas as pd


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
    wanted : sequence of FileKey
        The files that the requests are to bring, in the order of the rows, where that is known.
    give_up : callable, optional
        See `Client.on_blocked`.
    halve : callable, optional
        Returns the requests that stand for one which JSOC has refused as too large; none where it cannot be less.

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
        wanted: Sequence[FileKey] = (),
        give_up: Callable[[ExportRequest], bool] | None = None,
        halve: Callable[[ExportRequest], Sequence[ExportRequest]] | None = None,
    ) -> None:
        self.wanted = tuple(wanted)
        self._clock = clock
        self._bytes: dict[str, int] = {}
        #: what `download` calls; `Client` sets it
        self.on_download: Callable[..., pd.DataFrame] | None = None
        self._turns = Turns(requests, clock, adopt, give_up, halve)

    @property
    def requests(self) -> tuple[ExportRequest, ...]:
        """
        The requests; more of them once JSOC has refused one as too large.

        Examples
        --------
        >>> len(client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").requests)
        1
        """
        return self._turns.requests

    def __len__(self) -> int:
        return len(self.requests)

    def __getitem__(self, index: Any) -> Any:
        return self.requests[index]

    def __iter__(self) -> Iterator[ExportRequest]:
        return iter(self.requests)

    def __repr__(self) -> str:
        return export_text(self.requests)

    def _repr_html_(self) -> str:
        return export_html(self.requests)

    def __reduce__(self) -> Any:
        raise ArgumentError(
            f"an Export holds connections, which are of one process: Client.attach takes its ids there, {self.ids}"
        )

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
    def files(self) -> pd.DataFrame:
        """
        Files of the finished requests: index ``record``; ``segment``, ``url`` (NA for none), ``filename``, ``bytes``.

        JSOC does not tell the bytes (Int64): they are known of files that were downloaded, and NA of others.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait()
        >>> export.files.index.tolist(), export.files.filename.iloc[0]
        (['hmi.M_720s[2014.01.01_00:00:00_TAI][3]'], 'hmi.M_720s....magnetogram.fits')
        """
        import pandas as pd

        found = [file for request in self.requests for file in request.files]
        columns = {name: [getattr(file, name) for file in found] for name in ("segment", "url", "filename")}
        index = pd.Index([file.record for file in found], dtype="str", name="record")
        table = pd.DataFrame(columns, index=index, dtype="str")
        return table.assign(bytes=pd.array([self._bytes.get(file.url or "") for file in found], dtype="Int64"))

    def note(self, manifest: pd.DataFrame) -> None:
        """
        Remember how large the files are that a download has brought; `Client.download` does so.

        Parameters
        ----------
        manifest : pandas.DataFrame
            Of the download.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> export.note(export.download("measured"))
        >>> export.files.bytes.tolist()
        [120960]
        """
        there = manifest[manifest["bytes"].notna() & manifest["url"].notna()]
        self._bytes |= dict(zip(there["url"], map(int, there["bytes"]), strict=True))

    @property
    def urls(self) -> list[str]:
        """
        URLs of the finished requests' files, for other programs to fetch.

        Examples
        --------
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().urls
        ['http://127.0.0.1:.../SUM.../hmi.M_720s....magnetogram.fits']
        """
        return [file.url for request in self.requests for file in request.files if file.url]

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
                self.show(shown)
                if deadline is not None:
                    left = deadline - self._clock.now()
                    if left <= 0:
                        raise self._too_late(timeout)
                    delay = min(delay, left)
                self._clock.sleep(delay)
            self.show(shown)
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
                self.show(shown)
                if delay is not None and any(request.planned for request in self.requests):
                    self._clock.sleep(delay)
        finally:
            shown.close()
        return self

    def show(self, progress: Progress) -> None:
        """
        Show how far the requests are.

        Examples
        --------
        >>> class Words(jsoclite.progress.Silence):
        ...     def waiting(self, ended, total, request_id, state):
        ...         print(f"{ended} of {total}, {state}")
        >>> client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().show(Words())
        1 of 1, all staged
        """
        ended = sum(not (request.pending or request.planned) for request in self.requests)
        active = next((request for request in self.requests if request.pending), None)
        if active is not None:
            state = active.status.word
        elif ended < len(self.requests):
            state = self.held_up or "about to be submitted"
        else:
            state = "all staged"
        progress.waiting(ended, len(self.requests), (active.id or "") if active is not None else "", state)

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
        if self.on_download is None:
            raise TypeError("this export belongs to no client; use Client.download(export, directory)")
        return self.on_download(self, directory, **options)


REGISTER = (
    "Register it once at http://jsoc.stanford.edu/ajax/register_email.html (answer the mail that comes within "
    "15 minutes), then write Client(email=…) or set the environment variable JSOC_EMAIL."
)


class Account:
    """
    Makes requests, once the address is known to JSOC.

    Parameters
    ----------
    jsoc : Jsoc
        How to ask.
    email : str or None
        The address. Errors show no more of it than ``n…@inst.edu``.
    give_up : callable, optional
        See `Client.on_blocked`.
    """

    def __init__(self, jsoc: Jsoc, email: str | None, give_up: Callable[[ExportRequest], bool] | None = None) -> None:
        self._jsoc, self._email, self._give_up = jsoc, email, give_up
        self._registered = False

    def is_registered(self, address: str) -> bool:
        """Ask JSOC whether it knows an address (checkAddress.sh, status 2)."""
        if not isinstance(address, str) or not address:
            raise ArgumentError("address: give an e-mail address, such as 'me@inst.edu'")
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
                raise EmailError(f"JSOC does not know the e-mail address {veiled(self._email)}. {REGISTER}")
            self._registered = True
        return self._email

    def request(self, record_set: str | None, **options: Any) -> ExportRequest:
        """Make a request that is not submitted yet; options as for `ExportRequest`."""
        return ExportRequest(self._jsoc, record_set, email=self.address, **options)

    def attached(self, request_id: str) -> ExportRequest:
        """Make a request that JSOC has already."""
        return self.request(None, request_id=request_id, method="", protocol="")

    def export(
        self,
        requests: Sequence[ExportRequest],
        wanted: Sequence[FileKey] = (),
        halve: Callable[[ExportRequest], Sequence[ExportRequest]] | None = None,
    ) -> Export:
        """Queue requests."""
        options: dict[str, Any] = {"adopt": self.attached, "give_up": self._give_up, "halve": halve}
        return Export(requests, clock=self._jsoc.clock, wanted=wanted, **options)
