"""
Export requests and their states, and what stands in the directory of a finished one.

Time comes from an injected clock, so a request moves only when the clock does or when a test says so. Nothing is
written to disk: a directory is a list of names with what to make them from (data files, ``index.json`` and its
companions), and a file is made when asked for.
"""

from __future__ import annotations

import enum
import io
import itertools
import math
import re
import tarfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any, Final
from urllib.parse import quote

from ..catalog import printer, tables
from ..messages import File
from ..processing import Box, Look, ProcessError, component_file, film, plan, process_file, vector_segments
from .header import header, write
from .wanted import ExportFailedError, Namer, RecordTable, Steps, Stored, Wanted

#: Seconds for which an unfinished request counts as pending, an equal one is the same, and results are kept.
PENDING_S, DUPLICATE_S, KEEP_S = 3600.0, 86400.0, 7 * 86400.0
#: The server's constant guess of how long an export takes, in seconds.
WAIT_GUESS: Final = 10
#: Requests, and records in all of them together, that are remembered.
MAX_REQUESTS, MAX_RECORDS = 1000, 5_000_000
#: Number of the first export directory.
FIRST_NUMBER: Final = 900_000_001
#: `Staging.wait` of a request that has failed.
NEVER: Final = 999999


class State(enum.IntEnum):
    """Status of a request, as ``exp_status`` has it."""

    DONE = 0
    RUNNING = 1
    QUEUED = 2
    TOO_LARGE = 3
    FAILED = 4
    EXPIRED = 5


@dataclass(slots=True)
class StagedRequest:
    """
    One export request.

    Attributes
    ----------
    id : str
        ``JSOC_YYYYMMDD_NNNNNN``.
    address, peer : str
        Who asked, from where.
    wanted : Wanted
        What to export.
    megabytes : int
        Size of the files, at least 1.
    submitted, ready : float
        Unix time of the submission and of its end.
    number : int
        Number of its directory, never used twice.
    error : str or None
        Message of a failed request.
    steps : sequence
        Those wanted, as they are done.
    """

    id: str
    address: str
    peer: str
    wanted: Wanted
    megabytes: int
    submitted: float
    ready: float
    number: int
    forced: State | None = None
    error: str | None = None
    cancelled: bool = False
    steps: Steps = ()
    lock: threading.Lock = field(default_factory=threading.Lock)


class TooManyPending(Exception):
    """Another request of the address, or too many of the host, are pending; the text is the server's."""


class Staging:
    """
    The requests of one sandbox; safe for many threads.

    Parameters
    ----------
    clock : callable
        Unix time.
    seconds : float
        How long an export takes; ``math.inf`` for until `finish` is called.
    pending_limit, host_limit : int
        Pending requests that an address and a host may have; 0 for any number.
    """

    def __init__(
        self, clock: Callable[[], float], seconds: float, *, pending_limit: int = 1, host_limit: int = 10
    ) -> None:
        self.clock, self.seconds = clock, seconds
        self.pending_limit, self.host_limit = pending_limit, host_limit
        self._requests: dict[str, StagedRequest] = {}
        self._same: dict[str, str] = {}
        self._numbers: dict[int, StagedRequest] = {}
        self._next_number = itertools.count(FIRST_NUMBER)
        self._counter, self._day = itertools.count(1), ""
        self._lock = threading.RLock()

    # ---- submitting
    def admit(self, address: str, peer: str) -> None:
        """
        Check the limits on pending requests.

        Raises
        ------
        TooManyPending
            With the server's words; it is status 7.
        """
        waiting = self.pending()
        own = [request.id for request in waiting if request.address == address]
        if self.pending_limit and len(own) >= self.pending_limit:
            raise TooManyPending(
                f"User {address} has {len(own)} pending export requests ({', '.join(own)}); please wait until at least "
                "one request has completed before submitting a new one."
            )
        if self.host_limit and sum(request.peer == peer for request in waiting) >= self.host_limit:
            raise TooManyPending(
                f"There are too many requests from {peer}; please wait until one or more requests have completed "
                "before submitting a new one."
            )

    def same(self, wanted: Wanted) -> StagedRequest | None:
        """The request of the last 24 hours that asked for the same, None without one."""
        with self._lock:
            request = self._requests.get(self._same.get(wanted.signature, ""))
            if request is None or self.clock() - request.submitted > DUPLICATE_S:
                self._same.pop(wanted.signature, None)
                return None
            return request

    def new_id(self) -> str:
        """The next request id of the day (UT)."""
        with self._lock:
            day = time.strftime("%Y%m%d", time.gmtime(self.clock()))
            if day != self._day:
                self._day, self._counter = day, itertools.count(1)
            return f"JSOC_{day}_{next(self._counter):06d}"

    def submit(self, address: str, peer: str, wanted: Wanted, megabytes: int) -> StagedRequest:
        """Take a request in, after checking the limits on pending requests once more."""
        with self._lock:
            self.admit(address, peer)
            now, number = self.clock(), next(self._next_number)
            request = StagedRequest(self.new_id(), address, peer, wanted, megabytes, now, now + self.seconds, number)
            self._requests[request.id] = self._numbers[number] = request
            self._same[wanted.signature] = request.id
            self._forget()
            return request

    def _forget(self) -> None:
        """Drop the oldest finished requests where too many are remembered."""
        total = sum(len(request.wanted.records) for request in self._requests.values())
        for request in list(self._requests.values()):
            if len(self._requests) <= MAX_REQUESTS and total <= MAX_RECORDS:
                return
            if self.state(request) not in (State.RUNNING, State.QUEUED):
                total -= len(request.wanted.records)
                del self._requests[request.id], self._numbers[request.number]
                self._disown(request)

    def _disown(self, request: StagedRequest) -> None:
        signature = request.wanted.signature
        if self._same.get(signature) == request.id:
            del self._same[signature]

    # ---- looking
    def get(self, id: str) -> StagedRequest | None:
        """The request of that id, None without one."""
        return self._requests.get(id)

    def by_number(self, number: int) -> StagedRequest | None:
        """The request whose directory has that number, None without one."""
        return self._numbers.get(number)

    def state(self, request: StagedRequest) -> State:
        """
        State of a request now.

        A new request first waits to be copied into the export queue (status 1), is then queued (2), then runs (1).
        """
        if request.forced is not None and request.forced is not State.DONE:
            return request.forced
        now = self.clock()
        if request.forced is State.DONE or now >= request.ready:
            return State.EXPIRED if now - min(request.ready, now) > KEEP_S else State.DONE
        part = (now - request.submitted) / (request.ready - request.submitted)
        return State.QUEUED if 0.1 < part < 0.4 else State.RUNNING

    def wait(self, request: StagedRequest) -> int:
        """The server's guess of the seconds left; falls below 0, and is 999999 for what has failed."""
        return NEVER if self.state(request) >= State.TOO_LARGE else WAIT_GUESS - int(self.clock() - request.submitted)

    def pending(self) -> list[StagedRequest]:
        """
        Requests younger than an hour that are neither done nor cancelled.

        One that has failed is among them: nobody takes its row out of the table (jsoc_export_manage.c).
        """
        with self._lock:
            now = self.clock()
            waiting = (State.RUNNING, State.QUEUED, State.FAILED)
            young = [one for one in self._requests.values() if now - one.submitted < PENDING_S and not one.cancelled]
            return [request for request in young if self.state(request) in waiting]

    def __len__(self) -> int:
        return len(self._requests)

    # ---- changing
    def cancel(self, address: str) -> list[str]:
        """Let an address submit again; its pending requests go on all the same. Their ids."""
        cancelled = [request for request in self.pending() if request.address == address]
        for request in cancelled:
            request.cancelled = True
        return [request.id for request in cancelled]

    def finish(self, id: str | None = None) -> None:
        """Complete one request, or all that are pending, at once."""
        with self._lock:
            for request in self._chosen(id):
                request.ready = min(request.ready, self.clock())

    def fail(self, id: str | None, error: str, state: State = State.FAILED) -> None:
        """Let one request, or all pending ones, fail with a message; asking for the same again gives a new one."""
        with self._lock:
            for request in self._chosen(id):
                request.forced, request.error = state, error
                self._disown(request)

    def expire(self, id: str) -> None:
        """Delete the files of a request, as JSOC does after seven days."""
        with self._lock:
            for request in self._chosen(id):
                request.forced = State.EXPIRED
                self._disown(request)

    def _chosen(self, id: str | None) -> list[StagedRequest]:
        if id is None:
            return [one for one in self._requests.values() if self.state(one) in (State.RUNNING, State.QUEUED)]
        try:
            return [self._requests[id]]
        except KeyError:
            raise KeyError(f"no export request {id!r}; there are {', '.join(self._requests) or 'none'}") from None


#: Names that lead out of the directory of a client that believes them.
EVIL: Final = ("../../../../evil.fits", "/etc/evil.fits", "..\\..\\evil.fits", "evil\x00.fits", ".", "~/evil.fits")
#: Root of the export directories, apart from all storage units of the catalogue.
ROOT: Final = "/SUM200"
#: Files in all the directories whose lists of names are kept.
MAX_ROWS: Final = 50_000

_PATH: Final = re.compile(rf"{ROOT}/D(\d{{1,18}})/S00000/([^\x00-\x1f]*)")
_NO_FILES: Final = "warning=No FITS files were exported. The requested FITS files no longer exist."


@dataclass(slots=True)
class Directory:
    """
    The directory of one export.

    Attributes
    ----------
    path : str
        ``/SUM200/D1/S00000``.
    header : dict
        Head of ``index.json``, in order.
    rows : list of (record, filename)
        The packing list.
    files : dict of str to callable
        What makes each file.
    """

    path: str
    header: dict[str, printer.Json] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Callable[[], bytes]] = field(default_factory=dict)

    def index(self, *, evil: bool = False) -> bytes:
        """``index.json``; file names replaced by `EVIL` ones if asked for."""
        rows: list[printer.Json] = [
            {"record": record, "filename": EVIL[number % len(EVIL)] if evil else name}
            for number, (record, name) in enumerate(self.rows)
        ]
        return printer.pretty({**self.header, "data": rows})

    def index_text(self) -> bytes:
        """``index.txt``."""
        lines = ["# JSOC Export File List"]
        lines += [f"{name}={value}" for name, value in self.header.items()]
        lines += ["# DATA"]
        lines += [f"{record}\t{name}" for record, name in self.rows]
        return ("\n".join(lines) + "\n").encode("latin-1", "replace")

    def index_page(self) -> bytes:
        """``index.html``."""
        rows = "\n".join(
            f'<tr><td>{escape(record)}</td><td><a href="{quote(name)}">{escape(name)}</a></td></tr>'
            for record, name in self.rows
        )
        head = "<!DOCTYPE html>\n<html><head><title>JSOC Data Export</title></head>"
        return f"{head}<body><table>\n{rows}\n</table></body></html>\n".encode()


def _tar(members: Mapping[str, Callable[[], bytes]], modified: float) -> bytes:
    """A tar of all members, which are made one after the other; of directories, what they hold."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, make in members.items():
            content = make()
            for part, piece in [("", content)] if (held := tables.folder(content)) is None else held.items():
                info = tarfile.TarInfo(f"{name}/{part}".rstrip("/"))
                info.size, info.mtime, info.mode = len(piece), int(modified), 0o644
                archive.addfile(info, io.BytesIO(piece))
    return buffer.getvalue()


class Exports:
    """
    The directories of a sandbox's finished exports.

    Parameters
    ----------
    sums, staging
        Where files and requests come from.
    longest : int
        Longest record set of a ``fits`` export.
    """

    def __init__(self, sums: tables.Sums, staging: Staging, longest: int) -> None:
        self.sums, self.staging, self.longest = sums, staging, longest
        self._directories: OrderedDict[str, Directory] = OrderedDict()
        self._lock = threading.Lock()
        self._cache = tables.FileCache()

    def index(self, request: StagedRequest, *, evil: bool = False) -> bytes | None:
        """
        ``index.json`` of a finished request; None where the export turned out impossible, the request then has failed.
        """
        directory = self._directory(request)
        return None if directory is None else directory.index(evil=evil or request.wanted.evil)

    def file(self, path: str) -> File | None:
        """A file of a finished export, ``index.html`` for the directory itself; None where there is none."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        request = self.staging.by_number(int(found[1]))
        if request is None or self.staging.state(request) is not State.DONE:
            return None
        cached = self._cache.get(path)
        if cached is not None:
            return cached
        name = found[2] or "index.html"
        directory = self._directory(request)
        make = directory.files.get(name) if directory else None
        if make is None:
            return None
        try:
            content = make()
        except (ProcessError, LookupError):
            return None
        return self._cache.put(path, File(content, float(int(request.ready)), tables.media_type(name)))

    def _directory(self, request: StagedRequest) -> Directory | None:
        with request.lock:
            directory = self._directories.get(request.id)
            if directory is None:
                try:
                    directory = self._build(request)
                except ExportFailedError as failed:
                    self.staging.fail(request.id, str(failed))
                    return None
        with self._lock:
            self._directories[request.id] = directory
            self._directories.move_to_end(request.id)
            while len(self._directories) > 1 and sum(len(one.rows) for one in self._directories.values()) > MAX_ROWS:
                self._directories.popitem(last=False)
        return directory

    # ---- building
    def _build(self, request: StagedRequest) -> Directory:
        wanted = request.wanted
        wanted.check(self.longest)
        directory = Directory(f"{ROOT}/D{request.number}/S00000")
        if wanted.look is not None:
            self._add_pictures(directory, request, wanted.look)
        elif wanted.fits or wanted.steps:
            self._add_fits(directory, request)
        else:
            self._add_stored(directory, request)
        made = len([name for _, name in directory.rows if name and name != "NoDataFile"])
        if wanted.fits and not made:
            directory.rows.append((_NO_FILES, ""))
        packed = f"{request.id}.tar" if wanted.method.endswith("-tar") else None
        directory.header |= self._header(directory, request, made)
        if packed:
            directory.header["tarfile"] = f"{directory.path}/{packed}"
        directory.files |= {
            "index.json": directory.index,
            "index.txt": directory.index_text,
            "index.html": directory.index_page,
            **{f"{request.id}.{ending}": bytes for ending in ("drmsrun", "qsub", "runlog")},
        }
        if packed:
            members = {name: directory.files.pop(name) for _, name in directory.rows if name in directory.files}
            directory.files[packed] = partial(_tar, members, request.ready)
        return directory

    def _header(self, directory: Directory, request: StagedRequest, count: int) -> dict[str, printer.Json]:
        wanted = request.wanted
        finished = time.strftime("%Y.%m.%d_%H:%M:%S_UT", time.gmtime(request.ready))
        size: dict[str, printer.Json] = {"count": str(count), "size": str(request.megabytes)}
        if wanted.look is not None:
            kind, _, arguments = wanted.protocol.partition(",")
            head: dict[str, printer.Json] = {"reqid": request.id, "expversion": "0.5", "method": wanted.method}
            head |= {"recordset": wanted.ds, "protocol": kind, "dir": directory.path}
            head |= {"filefmt": wanted.template or "", "cparms": arguments}
            return head | size | {"exptime": finished, "status": "0"} | directory.header | {"keywords": f"{kind} files"}
        head = {"version": "0.5" if wanted.fits else "1", "requestid": request.id, "method": wanted.method}
        if wanted.fits:
            head |= {"protocol": "fits"} | size | {"exptime": finished, "dir": directory.path, "status": "0"}
            return head | {"keywords": "**IN FITS FILES**"}
        head |= {"protocol": wanted.protocol, "wait": "0"} | size | {"status": "0", "dir": directory.path}
        return head | {"keywords": f"{directory.path}/{request.id}.keywords.txt"}

    def _add_stored(self, directory: Directory, request: StagedRequest) -> None:
        """``as-is``: the files as they are, and a table of all keywords."""
        wanted = request.wanted
        records, namer = wanted.records.names(), Namer(wanted.template, wanted.records)
        for counter, file in enumerate(wanted.records.files()):
            record = f"{records[file.row]}{{{file.segment}}}"
            if not file.path:
                directory.rows.append((record, "NoDataFile"))
                continue
            name = namer.name(file.row, counter, file.name)
            directory.rows.append((record, name))
            directory.files[name] = partial(self._stored, file.path)
        directory.files[f"{request.id}.keywords.txt"] = wanted.records.table

    def _add_fits(self, directory: Directory, request: StagedRequest) -> None:
        """``fits``: images with full headers, after processing; other files as they are."""
        wanted = request.wanted
        records, namer = wanted.records.names(), Namer(wanted.template, wanted.records)
        if (vector := vector_segments(wanted.steps)) is not None:
            self._add_vectors(directory, request, *vector)
            return
        for counter, file, box in self._chosen(request):
            record, segment = records[file.row], re.sub(r"\.tas$", ".fits", file.name)
            if wanted.steps:
                record, segment = _processed(record, request.id), f"{file.segment}.fits"
            name = namer.name(file.row, counter, segment)
            directory.rows.append((record, name))
            directory.files[name] = partial(self._exported, request, file, counter, box)

    def _chosen(self, request: StagedRequest) -> Iterator[tuple[int, Stored, Box | None]]:
        """The files of a request that are there and of which steps make something, with what im_patch cuts of them."""
        wanted = request.wanted
        files = wanted.records.files()
        cuts = self._boxes(request, next((file for file in files if file.path), None))
        first = None
        if wanted.first_segment and not wanted.records.names_segments:
            first = next(iter(wanted.records.definition.segments.values())).name
        for counter, file in enumerate(files):
            box = None if cuts is None else cuts[file.row]
            if file.path and (cuts is None or box is not None) and first in (None, file.segment):
                yield counter, file, box

    def _boxes(self, request: StagedRequest, sample: Stored | None) -> list[Box | None] | None:
        """Plan the steps; where im_patch cuts each record, None where it is not asked for."""
        wanted = request.wanted
        if sample is None or not wanted.steps:
            return None
        series, filters = re.split(r"(?=\[)", wanted.ds, maxsplit=1)
        rest = filters[filters.index("]") + 1 :]

        def near(begin: str, end: str) -> list[dict[str, Any]]:
            found = wanted.find(f"{series}[{begin}-{end}][? QUALITY >= 0 ?]{rest}")
            return [] if found is None else _keywords(found)

        try:
            content, records = self._stored(sample.path), _keywords(wanted.records)
            request.steps, cuts = plan(wanted.steps, content, records, near, sample.row)
        except (ValueError, LookupError) as error:
            raise ExportFailedError(f"Problem running {wanted.steps[0][0]}: {error}") from None
        return cuts

    def _add_vectors(
        self, directory: Directory, request: StagedRequest, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        """``HmiB2ptr``: the components of each record whose files are there, and what else is asked for."""
        records, namer = request.wanted.records.names(), Namer(request.wanted.template, request.wanted.records)
        found: dict[int, dict[str, Stored]] = {}
        for file in request.wanted.records.files(inputs):
            if file.path:
                found.setdefault(file.row, {})[file.segment.lower()] = file
        cuts = self._boxes(request, next((one[inputs[0]] for one in found.values() if inputs[0] in one), None))
        for row, files in found.items():
            box = None if cuts is None else cuts[row]
            if len(files) < len(inputs) or (cuts is not None and box is None):
                continue
            for number, segment in enumerate(outputs):
                counter = len(outputs) * row + number
                name = namer.name(row, counter, f"{segment}.fits")
                directory.rows.append((_processed(records[row], request.id), name))
                directory.files[name] = partial(self._component, request, files, segment, counter, box)

    def _add_pictures(self, directory: Directory, request: StagedRequest, look: Look) -> None:
        """``jpg``, ``png``: one picture a file; ``mp4``, ``mpg``: a film of them and its frames."""
        wanted = request.wanted
        records, namer = wanted.records.names(), Namer(wanted.template, wanted.records)
        for counter, file, box in self._chosen(request):
            name = namer.name(file.row, counter, f"{file.name.removesuffix('.fits')}.{look.ending}")
            directory.rows.append((f"{records[file.row]}{{{file.segment}}}", name))
            directory.files[name] = partial(_drawn, look, partial(self._exported, request, file, counter, box))
        if look.kind in ("mp4", "mpg") and directory.rows:
            movie, frames = f"{wanted.records.name}.{look.kind}", [name for _, name in directory.rows]
            directory.files[movie] = lambda: film([directory.files[name]() for name in frames])
            directory.rows.insert(0, ("movie of the following data", movie))
            directory.header["movie name"] = movie

    # ---- files
    def _stored(self, path: str) -> bytes:
        file = self.sums.file(path)
        if file is None:
            raise LookupError(path)
        return file.content

    def _with_header(self, wanted: Wanted, file: Stored) -> bytes:
        """A stored file with full header; what is not FITS stays as it is."""
        content = self._stored(file.path)
        if not content.startswith(b"SIMPLE"):
            return content
        return write(content, header(wanted.records, file.row, file.segment))

    def _exported(self, request: StagedRequest, file: Stored, counter: int, box: Box | None) -> bytes:
        wanted = request.wanted
        content = self._with_header(wanted, file)
        if not wanted.steps:
            return content
        keywords = self._new_keywords(request, file.segment, counter)
        return process_file(content, request.steps, wanted.records.seconds(file.row), keywords, box)

    def _component(
        self, request: StagedRequest, files: dict[str, Stored], segment: str, counter: int, box: Box | None
    ) -> bytes:
        wanted = request.wanted
        contents = {name: self._with_header(wanted, file) for name, file in files.items()}
        seconds = wanted.records.seconds(files["field"].row)
        keywords = self._new_keywords(request, segment, counter)
        return component_file(contents, segment, request.steps, seconds, keywords, box)

    def _new_keywords(self, request: StagedRequest, segment: str, counter: int) -> dict[str, Any]:
        """What the records of the intermediate series ``SERIES_mod`` have of their own."""
        records = request.wanted.records
        recnum = request.number % 100_000 * 1000 + counter
        cut = any(name == "im_patch" for name, _ in request.wanted.steps)
        finished = time.strftime("%Y-%m-%dT%H:%M:%S.000", time.gmtime(request.ready))
        return {
            **({"HGQUERY": request.wanted.ds, "DATE": finished} if cut else {}),
            "REQUESTI": (request.id, "{RequestID}"),
            "RECNUM": recnum,
            "DRMS_ID": f"{records.name}_mod:{recnum}:{segment}",
            "PRIMARYK": ", ".join([*(key.name for key in records.definition.primekeys), "RequestID"]),
        }


def _drawn(look: Look, make: Callable[[], bytes]) -> bytes:
    return look.draw(make())


#: Keywords by which im_patch finds its box.
_POINTING: Final = [
    *("QUALITY", "T_OBS", "CTYPE1", "CTYPE2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CDELT1", "CROTA2", "CRLT_OBS"),
    *("CRLN_OBS", "CALVER64", "CALVER32", "CAR_ROT", "DSUN_OBS", "RSUN_REF", "RSUN_OBS", "R_SUN"),
]


def _keywords(records: RecordTable) -> list[dict[str, Any]]:
    time_key = next((key.name for key in records.definition.primekeys if key.type == "time"), "T_OBS")
    rows = records.columns([*_POINTING, time_key])
    return [
        row | {"time": row.get(time_key, math.nan), "record": name, "DRMS_ID": name}
        for row, name in zip(rows, records.names(), strict=True)
    ]


def _processed(record: str, request_id: str) -> str:
    """Name of a record in the intermediate series."""
    series, _, rest = record.partition("[")
    return f"{series}_mod[{rest}[{request_id}]"
