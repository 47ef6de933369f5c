"""
Images that are fetched when they are looked at: what a cube is made of.

`Frames` belong to the process that made them, and keep to its one connection: threads take turns, and what is pickled
for another process asks back here, over a socket of this machine that knows who is asking.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import JsocError, SelectionError, ServerError, warn
from ..export import Account
from ..fits import headers, read
from ..progress import Silence
from ..query import Queries, segment_columns
from ..recordset import RecordSet
from ..selection import select
from ..series import RecordName, SeriesInfo, prime_time_key
from .cut import Cut, peek
from .download import Batch, Job
from .ledger import FileRow, Ledger
from .outage import Outage
from .plan import Target, list_records, make_plan
from .retrieval import Retrieval
from .sums import CHUNK
from .transfer import Failed

if TYPE_CHECKING:
    import pandas as pd

    from .cube import Cube

# chunks of records of which keywords and places are remembered
REMEMBERED = 4
# files that are looked at to find the size of a frame, where one or the other does not come
_MOST_TRIES = 3
# a key of one camera or the other is no other kind of image
_SAME_KIND = ("CAMERA",)


class Frames:
    """
    The images of chosen records of one series, each fetched when it is asked for, one after the other.

    Parameters
    ----------
    target : Target
        Records, segments, and what to make of them.
    queries : Queries
        Asks the server.
    account : Account
        Makes export requests, for what JSOC must stage.
    at_hand : mapping of (int, str) to str
        Paths of files that are here, by record number and segment.
    """

    def __init__(
        self, target: Target, queries: Queries, account: Account, at_hand: Mapping[tuple[int, str], str]
    ) -> None:
        self._target, self._at_hand = target, at_hand
        self._directory = TemporaryDirectory(prefix="jsoclite-")
        ledger = Ledger(self._directory.name)
        weakref.finalize(self, _end, ledger, self._directory)
        self._batch = Batch(ledger, queries.jsoc.transport, Silence())
        self._retrieval = Retrieval(self._batch, queries, account)
        product = target.product
        rows = self._batch.plan(target.wanted(), product.name, tag=product.tag)
        self._rows = {(row.recnum, row.segment): row for row in rows}
        self._place = {recnum: place // CHUNK for place, (_, recnum) in enumerate(target.records)}
        self._jobs: dict[int, dict[tuple[int, str], Job]] = {}
        self._lock = threading.RLock()
        self._token, self._warned = secrets.token_hex(16), False
        # of what has failed: who asks again wants it to be tried again
        self._told: set[tuple[int, str, str, str]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        _shown[self._token] = self
        return _elsewhere, (*_desk(), self._token)

    def look(self, segment: str) -> tuple[tuple[int, ...], str, Any]:
        """Return shape, type and header of the first image that there is, if possible without fetching it."""
        reason, tries = "no records", 0
        for _, recnum in self._target.records:
            if path := self._path(recnum, segment):
                return _described(*read(path))
            row = self._rows[recnum, segment]
            job = self._job(row)
            if job is not None:
                if tries == _MOST_TRIES:
                    break
                tries += 1
                if not job.fits:
                    reason = "its files are no FITS files"
                    continue
                header = headers.from_cards(job.header() if job.header is not None else ())
                if isinstance(job.make, Cut):
                    return (job.make.box.height, job.make.box.width), "f4", header
                kind = f"{self._retrieval.jsoc.files} {self._target.info.name} {segment}"
                try:
                    image = peek(self._batch.transport, job.url, kind)
                except Failed as failed:
                    reason = str(failed.args[0])
                    continue
                if image is not None:
                    return image.shape, _type(image.unit.bits("ZBITPIX" if image.table else "BITPIX")), header
            found = self._fetched(row)
            if not isinstance(found, str):
                return _described(*found)
            reason = found
        raise JsocError(f"no {segment} of {self._target.info.name} is an image that could be a frame: {reason}")

    def image(self, recnum: int, segment: str) -> np.ndarray[Any, Any] | None:
        """
        Return one image, None where JSOC has none.

        Raises
        ------
        JsocError
            If there is one, and it did not come.
        """
        with self._lock:
            row, path = self._rows[recnum, segment], self._path(recnum, segment)
            found = read(path) if path else self._fetched(row)
            if not isinstance(found, str):
                data: np.ndarray[Any, Any] = found[0]
                return data
            if self._batch.status.get(row.key) != "missing":
                raise JsocError(f"{row.record} has no {segment} yet: {found}; compute again to try once more")
            if not self._warned:
                self._warned = True
                warn(f"frames of records without an image are NaN; the first is {row.record}: {found}")
            return None

    def _path(self, recnum: int, segment: str) -> str | None:
        path = self._at_hand.get((recnum, segment))
        return path if path and Path(path).is_file() else None

    def _fetched(self, row: FileRow) -> tuple[Any, Any] | str:
        """Fetch and read a file, or say why not; what JSOC has staged is kept, it was waited for."""
        batch, path, job = self._batch, Path(self._directory.name, row.path), None
        if not path.is_file():
            if row.key in self._told:
                self._forget(row)
            if row.key not in batch.status and (job := self._job(row)) is not None:
                batch.bring(job)
            elif row.key not in batch.status:
                offline = [one for one in self._chunk(row) if self._job(one) is None and one.key not in batch.status]
                batch.run(self._retrieval.staged(self._target, offline))
        if path.is_file():
            found = read(path)
            if job is not None:
                path.unlink()
                del batch.status[row.key]
            return found
        if batch.status.get(row.key) != "missing":
            self._told.add(row.key)
        if reason := batch.outage.reason:
            batch.outage = Outage(batch.transport.clock, batch.progress)
            raise ServerError(reason)
        return row.error or "the server gave no answer"

    def _forget(self, row: FileRow) -> None:
        """Let what has failed, and was told, be asked for anew, all of a chunk at once: exports take many."""
        self._jobs.pop(self._place[row.recnum], None)
        for one in self._chunk(row):
            if one.key in self._told:
                self._told.discard(one.key)
                self._batch.status.pop(one.key, None)

    def _chunk(self, row: FileRow) -> list[FileRow]:
        """Return the rows that are asked about together with this one."""
        place = self._place[row.recnum]
        return [one for one in self._rows.values() if self._place[one.recnum] == place]

    def _job(self, row: FileRow) -> Job | None:
        """Return how a file comes straight from SUMS, None where it does not."""
        if self._target.product.staged:
            return None
        place = self._place[row.recnum]
        if place not in self._jobs:
            rows = [one for one in self._chunk(row) if self._path(one.recnum, one.segment) is None]
            while len(self._jobs) >= REMEMBERED:
                del self._jobs[next(iter(self._jobs))]
            found = self._retrieval.located(self._target, rows)
            self._jobs[place] = {(job.row.recnum, job.row.segment): job for jobs, _ in found for job in jobs}
        return self._jobs[place].get((row.recnum, row.segment))


def _type(bits: int) -> str:
    """Return the shortest real that holds what is stored in so many bits."""
    return "f4" if abs(bits) <= 16 or bits == -32 else "f8"


def _described(data: np.ndarray[Any, Any], header: Any) -> tuple[tuple[int, ...], str, Any]:
    return data.shape, _type(data.dtype.itemsize * (-8 if data.dtype.kind == "f" else 8)), header


def _end(ledger: Ledger, directory: TemporaryDirectory[str]) -> None:
    ledger.close()
    directory.cleanup()


@dataclass(frozen=True)
class FrameStack:
    """The images of one segment as an array that Dask can take slices of; it can be pickled."""

    frames: Frames | _Remote
    segment: str
    records: tuple[tuple[str, int], ...]
    size: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames first."""
        return len(self.records), *self.size

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return 1 + len(self.size)

    def __getitem__(self, key: tuple[slice | int, ...]) -> np.ndarray[Any, Any]:
        places = np.arange(len(self.records))[key[0]]
        made = np.stack([self._frame(place) for place in np.atleast_1d(places).tolist()])
        found: np.ndarray[Any, Any] = made[(slice(None) if places.ndim else 0, *key[1:])]
        return found

    def _frame(self, place: int) -> np.ndarray[Any, Any]:
        record, recnum = self.records[place]
        image = self.frames.image(recnum, self.segment)
        if image is None:
            return np.full(self.size, np.nan, self.dtype)
        if image.shape != self.size:
            raise JsocError(
                f"{record} has {image.shape} pixels in {self.segment}, the first frame has {self.size}: choose rows "
                "whose images have one size, or the same cutout of each, process=Cutout(…)"
            )
        return image.astype(self.dtype)


# -- from one process to another --------------------------------------------------------------------------------------

# what was given to other processes is kept for as long as this one lives: nobody knows when they are through
_shown: dict[str, Frames] = {}
_desks: dict[int, tuple[Any, bytes]] = {}
_opening = threading.Lock()


def _desk() -> tuple[int, Any, bytes]:
    """Return where frames of this process are asked for, and the key that shows who may."""
    with _opening:
        if os.getpid() not in _desks:  # a forked process has no thread of its parent's
            key = secrets.token_bytes(32)
            # of this machine only: a socket in a directory of ours, or what Windows has for it
            listener = Listener(None, "AF_PIPE" if os.name == "nt" else "AF_UNIX", backlog=32, authkey=key)
            threading.Thread(target=_attend, args=(listener,), name="jsoclite-frames", daemon=True).start()
            _desks[os.getpid()] = listener.address, key
        return os.getpid(), *_desks[os.getpid()]


def _attend(listener: Listener) -> None:
    while True:
        try:
            visitor = listener.accept()
        except (EOFError, OSError, AuthenticationError):
            continue  # whoever it was does not know the key, or is gone
        threading.Thread(target=_answer, args=(visitor,), daemon=True).start()


def _answer(visitor: Connection) -> None:
    with visitor:
        try:
            token, recnum, segment = json.loads(visitor.recv_bytes(10_000))
            image = _shown[token].image(recnum, segment)
        except (EOFError, OSError):
            return
        except Exception as error:  # it is the other process that wants to know
            said = {"error": str(error), "away": isinstance(error, ServerError)}
            visitor.send_bytes(json.dumps(said).encode())
            return
        if image is None:
            visitor.send_bytes(b"{}")
        else:
            visitor.send_bytes(json.dumps({"shape": image.shape, "type": image.dtype.str}).encode())
            visitor.send_bytes(np.ascontiguousarray(image).data.cast("B"))


@dataclass(frozen=True)
class _Remote:
    """Frames of another process of this machine."""

    pid: int
    address: Any
    key: bytes
    token: str

    def image(self, recnum: int, segment: str) -> np.ndarray[Any, Any] | None:
        """Ask the other process; see `Frames.image`."""
        try:
            with Client(self.address, authkey=self.key) as desk:
                desk.send_bytes(json.dumps([self.token, recnum, segment]).encode())
                said = json.loads(desk.recv_bytes())
                content = desk.recv_bytes() if "shape" in said else b""
        except (OSError, EOFError, AuthenticationError) as error:
            raise JsocError(
                f"process {self.pid}, which made this cube, gives no answer: frames are fetched there alone, over one "
                "connection, so that it must run, on the same machine; or write the cube with to_zarr first"
            ) from error
        if "error" in said:
            raise (ServerError if said["away"] else JsocError)(said["error"])
        return np.frombuffer(content, said["type"]).reshape(said["shape"]) if content else None


def _elsewhere(pid: int, address: Any, key: bytes, token: str) -> Frames | _Remote:
    return _shown[token] if pid == os.getpid() and token in _shown else _Remote(pid, address, key, token)


# -- a cube -----------------------------------------------------------------------------------------------------------


def make_cube(queries: Queries, account: Account, rows: Any, segments: list[str] | None, process: Any) -> Cube:
    """
    Make a lazy Dataset of the images of rows; see `Client.cube`.

    Parameters
    ----------
    queries, account
        As for `carry_out`.
    rows, segments, process
        See `Client.cube`.
    """
    try:
        from .cube import assemble
    except ImportError as error:
        raise JsocError(f"a cube needs {error.name}: python -m pip install xarray 'dask[array]' zarr") from error
    if isinstance(rows, str | RecordSet):
        rows, segments = _listed(queries, rows, segments)
    paths = "path" in getattr(rows, "columns", ()) and "segment" in rows.columns
    if paths and process is not None:
        raise SelectionError("these rows have files already: leave process= out, or the column path, to make them anew")
    if paths and segments is None:
        segments = list(dict.fromkeys(rows["segment"]))
    target = _target(queries, rows, segments, process)
    info, records = target.info, target.records
    _check_one_kind(info, records)
    named = zip(rows.index, rows["segment"], rows["path"], strict=True) if paths else ()
    numbers = dict(records)
    at_hand = {
        (numbers[name], segment): path for name, segment, path in named if name in numbers and isinstance(path, str)
    }
    frames = Frames(target, queries, account, at_hand)
    stacks: dict[str, FrameStack] = {}
    first = None
    for segment in target.segments:
        shape, kind, header = frames.look(segment)
        stacks[segment] = FrameStack(frames, segment, records, shape, np.dtype(kind))
        first = first or header
    if len({stack.size for stack in stacks.values()}) > 1:
        sizes = ", ".join(f"{name} {stack.size}" for name, stack in stacks.items())
        raise SelectionError(f"images of these segments have different sizes ({sizes}): make a cube of each, segment=…")
    told = repr((queries.jsoc.server.cgi_baseurl, info.name, records, target.product.name, sorted(at_hand.items())))
    name = hashlib.sha256(told.encode()).hexdigest()[:20]
    return assemble(stacks, _keywords(queries, target, rows), info, first, target.product.process, name)


def _listed(queries: Queries, rows: str | RecordSet, segments: list[str] | None) -> tuple[Any, list[str] | None]:
    """Ask for the records of a set, with their keywords."""
    record_set = RecordSet.parse(rows) if isinstance(rows, str) else rows
    return queries.query(record_set, segments=segments), segments or list(record_set.segments or ()) or None


def _target(queries: Queries, rows: Any, segments: list[str] | None, process: Any) -> Target:
    chosen = select(rows)
    if len(chosen) != 1:
        names = ", ".join(one.series for one in chosen) or "none"
        raise SelectionError(f"a cube is of the records of one series, and these rows are of {names}")
    info = queries.info(chosen[0].series)
    known = list(info.segments.index)
    if not segments and not segment_columns(rows, info) and len(known) > 1:
        raise SelectionError(f"{info.name} has the segments {', '.join(known)}: name those of the cube, segment=…")
    (target,) = make_plan(queries, rows, segments, "auto", process).targets
    return target


def _check_one_kind(info: SeriesInfo, records: Sequence[tuple[str, int]]) -> None:
    """Refuse what would stand on one axis and does not belong there, such as two wavelengths."""
    axis = prime_time_key(info) or (info.primekeys or [""])[0]
    values = list(zip(*(RecordName.parse(record).bare for record, _ in records), strict=True))
    for key, found in zip(info.primekeys or [], values, strict=False):
        distinct = list(dict.fromkeys(found))
        if key != axis and key not in _SAME_KIND and len(distinct) > 1:
            some = ", ".join(distinct[:5]) + (", …" if len(distinct) > 5 else "")
            raise SelectionError(
                f"these rows have several {key} ({some}), and a cube is of one: choose it, rows[rows.{key} "
                f"== {distinct[0]}], or one of each, {{key: client.cube(some) for key, some in rows.groupby('{key}')}}"
            )


def _keywords(queries: Queries, target: Target, rows: Any) -> pd.DataFrame:
    """Return the keywords that rows carry, or those of a query, in the order of the frames."""
    import pandas as pd

    info, numbers = target.info, [recnum for _, recnum in target.records]
    names = list(info.keywords.index)
    columns = [str(name) for name in getattr(rows, "columns", ())]
    whole = (
        isinstance(rows, pd.DataFrame) and "recnum" in columns and ("time" in columns or prime_time_key(info) is None)
    )
    if not whole:
        rows = list_records(queries, info, target.records, queries.default_keywords(info), [])
    kept = [name for name in rows.columns if name == "time" or name in names]
    found: pd.DataFrame = rows.drop_duplicates("recnum").set_index("recnum")[kept].loc[numbers]
    return found.assign(record=[record for record, _ in target.records]).reset_index()
