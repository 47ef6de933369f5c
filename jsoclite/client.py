"""`Client`: what users call. It wires the other modules together and does nothing clever itself."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal

from .errors import JsocError
from .export.account import Orders
from .export.reply import REQUEST_ID
from .lookups import Lookups
from .query.query import Queries
from .questions import Questions
from .series import as_list
from .server.http import Transport, resolve_server
from .server.retry import Clock

if TYPE_CHECKING:
    import drms
    import pandas as pd
    import requests
    from drms import ServerConfig

    from .download.names import Wanted
    from .export.export import Export
    from .export.request import ExportRequest
    from .progress import Progress
    from .sandbox import Sandbox

__all__ = ["Client"]

# jsoc_export_manage.c; anything else is accepted first and fails later
METHODS = ("url", "url_quick", "url-tar", "ftp", "ftp-tar")
PROTOCOLS = ("fits", "as-is", "jpg", "mpg", "mp4", "png")


class Client(Questions, Lookups):
    """
    The data of one JSOC.

    Making a client sends nothing.

    Parameters
    ----------
    server : str or drms.ServerConfig, optional
        A server registered with drms ("jsoc", "kis"), a base URL such as ``http://jsoc.stanford.edu/``, or "sandbox"
        for the embedded one, which starts on first use and ends with the process. Default: ``$JSOCLITE_SERVER``, else
        "jsoc".
    email : str, optional
        The address registered with JSOC; only exports need it. Default: ``$JSOC_EMAIL``.
    timeout : float
        Longest silence, in seconds, on connecting and while reading; there is no limit on the total time.
    retries : int
        How often what failed for the moment is tried again.
    connections : int
        Connections to the server. JSOC asks for one; mirrors may allow more.
    session : requests.Session, optional
        One of yours, with your proxies or certificates.

    Examples
    --------
    >>> import jsoclite
    >>> client = jsoclite.Client("sandbox")
    >>> client.pkeys("hmi.M_720s")
    ['T_REC', 'CAMERA']
    """

    def __init__(
        self,
        server: str | ServerConfig | None = None,
        *,
        email: str | None = None,
        timeout: float = 60,
        retries: int = 4,
        connections: int = 1,
        session: requests.Session | None = None,
    ) -> None:
        self._server = server if server is not None else os.environ.get("JSOCLITE_SERVER") or "jsoc"
        self._email = email or os.environ.get("JSOC_EMAIL") or None
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: it is a number of seconds above 0")
        if retries < 0 or connections < 1:
            raise ValueError(f"retries={retries!r}, connections={connections!r}: at least 0 and 1")
        self._options: dict[str, Any] = {
            "timeout": timeout,
            "retries": retries,
            "connections": connections,
            "session": session,
        }
        self._clock = Clock()
        if not isinstance(self._server, str) or self._server.lower() != "sandbox":
            resolve_server(self._server)  # a misspelt server should not wait for the first query

    def __repr__(self) -> str:
        name = self._server if isinstance(self._server, str) else self._server.name
        return f"<jsoclite.Client {name}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """
        Close the connections; a later call opens new ones.

        Examples
        --------
        >>> with jsoclite.Client("sandbox") as mine:            # closes at the end
        ...     mine.count("hmi.M_720s[2014.01.01_TAI/1h]")
        5
        >>> mine.close()                                        # harmless
        """
        if "transport" in self.__dict__:
            self.transport.close()

    @functools.cached_property
    def transport(self) -> Transport:
        """
        The connection to the server; made, and the sandbox started, on first use.

        Examples
        --------
        >>> client.transport.server.url_jsoc_info
        'http://127.0.0.1:.../cgi-bin/ajax/jsoc_info'
        """
        server = self._server
        if isinstance(server, str) and server.lower() == "sandbox":
            sandbox = _shared_sandbox()
            server = sandbox.url
            self._email = self._email or sandbox.email
        return Transport(resolve_server(server), clock=self._clock, **self._options)

    @functools.cached_property
    def _queries(self) -> Queries:
        return Queries(self.transport)

    @functools.cached_property
    def _orders(self) -> Orders:
        transport = self.transport  # first: the sandbox brings its own address
        return Orders(transport, self._email, self.download)

    # -- exports --------------------------------------------------------------------------------------------------

    def check_email(self, address: str) -> bool:
        """
        Say whether JSOC knows this e-mail address (checkAddress.sh); nothing is registered by asking.

        Examples
        --------
        >>> client.check_email("demo@example.com"), client.check_email("nobody@example.com")
        (True, False)
        """
        return self._orders.is_registered(address)

    def export(
        self,
        rows: Any,
        *,
        segments: str | Sequence[str] | None = None,
        method: str = "url",
        protocol: str = "fits",
        process: Any = None,
        filename: str | None = None,
    ) -> Export:
        """
        Ask JSOC to stage files; nothing waits.

        The first request is submitted, more are queued behind it, because JSOC takes one pending request per address.

        Parameters
        ----------
        rows : DataFrame, Series, RecordSet, str or list of record names
            What to export: exactly these records.
        segments : str or sequence of str, optional
            Default: those named by `rows`, else all.
        method : {"url", "url_quick", "url-tar", "ftp", "ftp-tar"}
            "url_quick" answers at once, for as-is files that are online.
        protocol : str
            "fits" (full headers), "as-is", or "jpg", "mpg", "mp4" with their arguments (``"jpg,CT=aia_171.lut"``).
        process : server step or sequence of them, optional
            `Cutout`, `Rebin`, …
        filename : str, optional
            JSOC's ``filenamefmt``, such as ``{seriesname}.{T_REC:A}.{segment}``.

        Returns
        -------
        Export
            Its ``wait()``, ``ids`` and ``download(directory)`` go on from here.

        Raises
        ------
        EmailError
            If there is no registered address.
        SelectionError
            If the rows do not say which records they stand for.
        ProcessingError
            For a step that JSOC cannot run on this series.
        ValueError
            For a method or protocol that JSOC does not know (jsoc_export_manage.c).

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/4h]")
        >>> export = client.export(df.iloc[::5], segments="magnetogram", process=jsoclite.Rebin(0.25))
        >>> export.wait()
        <Export JSOC_..., done, 4 files, ...>
        """
        from .download.exported import FILENAME_FORMAT
        from .download.targets import chosen_segments, packed, processing, targets
        from .export.steps.processing import segments_made
        from .recordset.recordset import RecordSet
        from .selection import to_record_sets

        kind = protocol.partition(",")[0].lower()
        if method not in METHODS or kind not in PROTOCOLS:
            raise ValueError(
                f"method={method!r}, protocol={protocol!r}: JSOC knows the methods {', '.join(METHODS)} and the "
                f"protocols {', '.join(PROTOCOLS)}, with arguments behind a comma"
            )
        if method == "url_quick" and protocol != "as-is":
            raise ValueError(
                f"method='url_quick' with protocol={protocol!r}: JSOC answers at once only with files as they are "
                "stored; write protocol='as-is', or method='url' and wait for staging"
            )
        make = functools.partial(
            self._orders.request, method=method, protocol=protocol, filename=filename or FILENAME_FORMAT
        )
        requests: list[ExportRequest] = []
        wanted: list[Wanted] = []
        if isinstance(rows, str | RecordSet):
            (record_set,) = to_record_sets(rows, segments=as_list(segments))
            info = self.info(record_set.series)
            text, ratio = processing(self._queries, process, info, record_set.segments or ())
            if segments_made(text):  # from several of the stored segments: which, is left to the step
                chosen_segments(list(record_set.segments or ()), info, segments_made(text))
                record_set = record_set.with_segments(None)
            requests.append(make(str(record_set), process=text, size_ratio=ratio))
        else:
            for target in targets(self._queries, rows, as_list(segments), protocol, process):
                wanted += target.wanted()
                for text, files in packed(self._queries, target, target.wanted()):
                    steps = {"process": target.product.process, "size_ratio": target.product.size_ratio}
                    requests.append(make(text, wanted=files, **steps))
        export = self._orders.export(requests, wanted)
        export.advance()
        return export

    def attach(self, *request_ids: str) -> Export:
        """
        Take up requests made earlier, anywhere, by their ids.

        Parameters
        ----------
        *request_ids : str
            Such as ``JSOC_20141117_001``.

        Returns
        -------
        Export
            Ask it for its status, wait, or download.

        Raises
        ------
        JsocError
            For what is no request id.

        Examples
        --------
        >>> export = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
        >>> client.attach(*export.ids).wait().status            # in another session, on another machine
        <ExportStatus.DONE: 0>
        """
        for request_id in request_ids:
            if not REQUEST_ID.fullmatch(request_id):
                raise JsocError(f"{request_id!r} is no request id of JSOC; they look like JSOC_20141117_001")
        return self._orders.export([self._orders.attached(one) for one in request_ids])

    # -- files ----------------------------------------------------------------------------------------------------

    def download(
        self,
        rows: Any,
        directory: str | os.PathLike[str],
        *,
        segments: str | Sequence[str] | None = None,
        protocol: Literal["auto", "fits", "as-is"] = "auto",
        process: Any = None,
        overwrite: bool = False,
        progress: bool | Progress | None = None,
        on_error: Literal["raise", "ignore"] = "raise",
        executor: Executor | None = None,
    ) -> pd.DataFrame:
        """
        Fetch the files of exactly these rows. Run again, it fetches only what is not there yet.

        Parameters
        ----------
        rows : DataFrame, Series, RecordSet, str, list of record names, or Export
            Whose files.
        directory : path
            Where they go; it is created. Its ledger ``.jsoclite.sqlite`` remembers files and requests.
        segments : str or sequence of str, optional
            Default: those named by `rows`, else all of the series.
        protocol : {"auto", "fits", "as-is"}
            "auto" takes files that are online straight from SUMS and writes their headers here, and lets JSOC stage the
            rest; "fits" lets JSOC stage all; "as-is" takes stored files unchanged.
        process : server step or sequence of them, optional
            `Cutout`, `Rebin`, …; such files are always staged.
        overwrite : bool
            Fetch files that are there, too.
        progress : bool, optional
            Show progress on stderr; by default if that is a terminal.
        on_error : {"raise", "ignore"}
            "raise" tries every file first, then raises `DownloadError` if some failed.
        executor : concurrent.futures.Executor, optional
            Fetch with its workers, for servers that allow more than one connection. Each keeps a connection of its own;
            a `session` given to the client does not travel to them.

        Returns
        -------
        pandas.DataFrame
            The manifest: a row per wanted file in the order of `rows`; index ``record``; columns ``segment``, ``path``,
            ``status`` (downloaded, present, missing, failed), ``bytes``, ``url``, ``request_id``, ``error``.

        Raises
        ------
        DownloadError
            If files failed; its ``.manifest`` is what would have been returned.
        EmailError
            If files must be staged and there is no registered address.
        SelectionError
            If the rows do not say which records they stand for.
        ProcessingError
            For a step that JSOC cannot run on this series.

        Examples
        --------
        >>> df = client.query("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
        >>> files = client.download(df[df.jsoc.good()], "data")
        >>> files.status.tolist()
        ['downloaded', 'downloaded', 'downloaded', 'downloaded', 'downloaded']
        >>> client.download(df, "data").status.unique().tolist()        # nothing is fetched twice
        ['present']
        """
        from .download.claim import Claim
        from .download.download import Batch, complain
        from .download.ledger import Ledger
        from .download.plan import Retrieval
        from .download.targets import targets
        from .export.export import Export
        from .progress import choose

        if protocol not in ("auto", "fits", "as-is"):
            raise ValueError(f"protocol={protocol!r}: write 'auto', 'fits' or 'as-is'; Client.export knows more")
        if process is not None and protocol == "as-is":
            raise ValueError("protocol='as-is' with processing steps: stored files are not processed; leave one out")
        wanted = [] if isinstance(rows, Export) else targets(self._queries, rows, as_list(segments), protocol, process)
        shown = choose(progress)
        try:
            with Ledger(directory) as ledger, (claim := Claim(ledger, self._clock)).held():
                batch = Batch(ledger, self.transport, shown, claim.beat)
                retrieval = Retrieval(
                    batch,
                    self._queries,
                    new_request=functools.partial(self._orders.noted, ledger=ledger, progress=shown),
                    new_export=self._orders.export,
                )
                jobs = (
                    retrieval.attached(rows)
                    if isinstance(rows, Export)
                    else retrieval.jobs(wanted, overwrite=overwrite)
                )
                batch.run(jobs, executor)
                manifest = batch.manifest()
        finally:
            shown.close()
        complain(manifest, on_error)
        return manifest

    @functools.cached_property
    def drms(self) -> drms.Client:
        """
        A plain `drms.Client` over our connection, for what jsoclite does not cover.

        Its `query` mangles QUALITY with some versions of pandas; use `Client.query` for data.

        Examples
        --------
        >>> client.drms.pkeys("hmi.M_720s")
        ['T_REC', 'CAMERA']
        """
        import drms

        client = drms.Client(self.transport.server)
        client._json = self.transport
        client._email = self._email  # the property would ask the server at once
        return client


@functools.cache
def _shared_sandbox() -> Sandbox:
    """Start the sandbox of this process."""
    import atexit

    from .sandbox import Sandbox

    sandbox = Sandbox()
    sandbox.start()
    atexit.register(sandbox.stop)
    return sandbox
