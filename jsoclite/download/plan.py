"""
Which way each wanted file comes: it is there already, straight from SUMS, or by an export request.

`Retrieval` is what `Client.download` does, step by step; the steps themselves are in `download`, `direct` and `staged`.

What is wanted: rows become records and segments, with the steps to apply; records become record sets to export.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import JsocError, ProcessingError, warn
from ..export.request import ExportRequest, ExportStatus
from ..export.steps import chain, segments_made
from ..query.query import segment_columns
from ..recordset import RecordSet, numbers_in
from ..selection.selection import Selection, select
from ..series import FileKey, SeriesInfo, check_names, prime_time_key, series_of
from ..times import parse_time
from .download import Batch, Job
from .exported import FILENAME_FORMAT, alive, staged_jobs
from .ledger import FileRow, RequestRow
from .names import extension
from .sums import CHUNK, endings, located

if TYPE_CHECKING:
    from ..export.export import Export
    from ..query.query import Queries

__all__ = ["Product", "Retrieval", "Target", "chosen_segments", "packed", "processing", "targets"]

OFFLINE = (
    "its file is on tape (or lost): ask jsoc@sun.stanford.edu to bring it online, naming the record, then run the same "
    "line again"
)


class Retrieval:
    """
    The ways to the files of one download.

    Parameters
    ----------
    batch : Batch
        The download.
    queries : Queries
        For what rows and replies do not say themselves.
    new_request : callable
        Makes an `ExportRequest` of a record set (or None), its ledger row, its id where known, and the size ratio.
    new_export : callable
        Makes an `Export` of requests.
    """

    def __init__(
        self,
        batch: Batch,
        queries: Queries,
        *,
        new_request: Callable[[str | None, RequestRow, str | None, float], ExportRequest],
        new_export: Callable[[Sequence[ExportRequest]], Export],
    ) -> None:
        self.batch, self.queries = batch, queries
        self.jsoc = queries.jsoc
        self._new_request, self._new_export = new_request, new_export

    def jobs(self, targets: Sequence[Target], *, overwrite: bool = False) -> Iterator[Job]:
        """Plan the files of all targets, and yield a job for each as it can be fetched."""
        todo: list[tuple[Target, list[FileRow]]] = []
        for target in targets:
            product = target.product
            rows = self.batch.plan(target.wanted(), product.name, tag=product.tag, overwrite=overwrite)
            if rows:
                todo.append((target, rows))
        self.batch.progress.files(sum(len(rows) for _, rows in todo))
        for target, rows in todo:
            yield from self._fetch(target, rows)

    def _fetch(self, target: Target, rows: list[FileRow]) -> Iterator[Job]:
        if target.product.process or target.product.protocol == "fits":
            yield from self._staged(target, rows)
            return
        # what an earlier run has asked JSOC to stage is not asked for twice
        pledged = self._pledged(rows)
        offline = [row for row in rows if row.key in pledged]
        free = [row for row in rows if row.key not in pledged]
        headers = target.product.protocol != "as-is"
        if len({row.recnum for row in free}) <= CHUNK:
            direct: list[Job] = []
            for jobs, staged in located(self.batch, self.jsoc, target.info, free, headers=headers):
                direct += jobs
                offline += staged
            yield from self._staged(target, offline, direct) if offline else direct
            return
        for jobs, staged in located(self.batch, self.jsoc, target.info, free, headers=headers):
            yield from jobs
            offline += staged
        if offline:
            yield from self._staged(target, offline)

    # -- exports --------------------------------------------------------------------------------------------------

    def _pledged(self, rows: Iterable[FileRow]) -> set[tuple[int, str, str, str]]:
        living = {row.key for row in self._living()}
        return {row.key for row in rows if row.request in living}

    def _living(self) -> list[RequestRow]:
        rows = self.batch.ledger.requests(state=("planned", "pending", "done"))
        server = self.jsoc.server.cgi_baseurl
        return [row for row in rows if alive(row.state, row.request_id, row.submitted) and row.server == server]

    def _staged(self, target: Target, rows: list[FileRow], meanwhile: Iterable[Job] = ()) -> Iterator[Job]:
        """
        Yield the files of `rows` by way of exports.

        What a request leaves open, because it has expired or because one of its files is on tape, is exported once
        more, without those that are on tape.
        """
        for round_ in range(3):
            requests, rows_of = self._requests(target, rows, adopt=round_ == 0)
            export = self._new_export(requests)

            def brings(request: ExportRequest, rows_of: dict[int, list[FileRow]] = rows_of) -> list[FileRow]:
                return rows_of.get(id(request), [])

            yield from staged_jobs(self.batch, export, brings, fits=True, meanwhile=meanwhile)
            meanwhile = ()
            rows = [row for row in rows if row.key not in self.batch.status]
            if any(request.error is not None and request.status is not ExportStatus.EXPIRED for request in requests):
                rows = self._on_disk(target, rows)
            if not rows:
                return
        for row in rows:
            self.batch.fail(row, "three exports of it expired or were refused")

    def _on_disk(self, target: Target, rows: list[FileRow]) -> list[FileRow]:
        """Keep the rows whose files are on disk; the others are settled with the reason."""
        kept: list[FileRow] = []
        # what steps make is in no storage unit; what they read lies together in one
        source = target.info.segments.index[0] if target.product.made else None
        for jobs, tape in located(self.batch, self.jsoc, target.info, rows, headers=False, source=source):
            kept += [job.row for job in jobs]
            for row in tape:
                self.batch.fail(row, OFFLINE, missing=False)
        return kept

    def _requests(
        self, target: Target, rows: Sequence[FileRow], *, adopt: bool
    ) -> tuple[list[ExportRequest], dict[int, list[FileRow]]]:
        """Take over the requests that are under way for these rows, and plan new ones for the rest."""
        requests: list[ExportRequest] = []
        rows_of: dict[int, list[FileRow]] = {}
        left = {row.key: row for row in rows}
        for known in self._living() if adopt else ():
            mine = [row for row in left.values() if row.request == known.key]
            if not mine or known.process != target.product.process:
                continue
            request = self._new_request(known.record_set, known, known.request_id, target.product.size_ratio)
            requests.append(request)
            rows_of[id(request)] = mine
            for row in mine:
                del left[row.key]
        for record_set, covered in packed(self.queries, target, list(left.values())):
            protocol = "as-is" if target.product.protocol == "as-is" else "fits"
            with self.batch.ledger.transaction():
                noted = self.batch.ledger.add_request(
                    self.jsoc.server.cgi_baseurl,
                    record_set,
                    method="url",
                    protocol=protocol,
                    process=target.product.process,
                    filename=FILENAME_FORMAT,
                )
                for row in covered:
                    row.request = noted.key
                self.batch.ledger.save_files(covered)
            request = self._new_request(record_set, noted, None, target.product.size_ratio)
            requests.append(request)
            rows_of[id(request)] = covered
        return requests, rows_of

    # -- exports that somebody else has made ----------------------------------------------------------------------

    def attached(self, export: Export) -> Iterator[Job]:
        """Yield the files of requests whose rows only they, their replies, or the ledger of the directory know."""
        known = {row.request_id: row for row in self.batch.ledger.requests() if row.request_id}
        rows_of: dict[int, list[FileRow]] = {}
        # planned together, so that the manifest has the order of the rows, not that of the requests
        product = {wanted: self._product(request) for request in export.requests for wanted in request.wanted}
        planned = {
            row.key: row
            for name in dict.fromkeys(product.values())
            for row in self.batch.plan([wanted for wanted in export.wanted if product[wanted] == name], name)
        }

        def rows(request: ExportRequest) -> list[FileRow]:
            if id(request) not in rows_of:
                noted = known.get(request.id or "")
                if request.wanted:
                    keys = [(one.recnum, one.record, one.segment, product[one]) for one in request.wanted]
                    found = [planned[key] for key in keys if key in planned]
                elif noted is not None:
                    found = self._replan([row for row in self.batch.ledger.files() if row.request == noted.key])
                else:
                    found = self._plan_reply(request)
                rows_of[id(request)] = found
            return rows_of[id(request)]

        yield from staged_jobs(self.batch, export, rows, fits=True)
        for request in export.requests:
            if request.error is None:
                continue
            if not rows_of.get(id(request)):
                raise request.error
            for row in rows_of[id(request)]:
                if row.key not in self.batch.status:
                    self.batch.fail(row, str(request.error))

    @staticmethod
    def _product(request: ExportRequest) -> str:
        return request.process or ("as-is" if request.protocol == "as-is" else "fits")

    def _replan(self, files: Sequence[FileRow]) -> list[FileRow]:
        todo = []
        by_product: dict[str, list[FileKey]] = {}
        for file in files:
            by_product.setdefault(file.product, []).append(
                FileKey(file.record, file.recnum, file.segment, extension(file.path))
            )
        for product, wanted in by_product.items():
            todo += self.batch.plan(wanted, product)
        return todo

    def _plan_reply(self, request: ExportRequest) -> list[FileRow]:
        """Make rows of what a reply lists: record and file name are all that is known."""
        wanted = []
        for file in request.files:
            name = file.filename.rpartition("/")[2]
            prefix, _, rest = name.removeprefix(series_of(file.record) + ".").partition(".")
            recnum = int(prefix) if prefix.isdigit() and rest else -1
            stored = rest if recnum >= 0 else name
            wanted.append(
                FileKey(file.record, recnum, file.segment or self._segment(file.record, stored), extension(name))
            )
        return self.batch.plan(wanted, self._product(request))

    def _segment(self, record: str, stored: str) -> str:
        """Find the segment that a stored file (image_lev1.fits) belongs to; its own name where there is none."""
        own = stored.removesuffix(extension(stored)).rpartition(".")[2]
        try:
            known = list(self.queries.info(series_of(record)).segments.index)
        except JsocError:  # the series of a processing step is not public
            return own
        begun = [name for name in known if own.lower().startswith(name.lower())]
        return max(begun, key=len, default=own)


@dataclass(frozen=True, slots=True)
class Product:
    """
    What is made of the stored files.

    Attributes
    ----------
    protocol : str
        ``auto``, ``fits`` or ``as-is``.
    process : str
        Processing steps in the form of jsoc_fetch's argument, empty for none.
    size_ratio : float
        Output bytes over input bytes.
    """

    protocol: str
    process: str = ""
    size_ratio: float = 1.0

    @property
    def name(self) -> str:
        """How the ledger calls it: what JSOC exports as FITS and what is completed here are the same thing."""
        return self.process or ("as-is" if self.protocol == "as-is" else "fits")

    @property
    def made(self) -> tuple[str, ...]:
        """Segments that the steps make in place of the stored ones; empty where these stay."""
        return segments_made(self.process)

    @property
    def tag(self) -> str:
        """What tells its files from the whole, unprocessed ones: the steps' names and a hash of their arguments."""
        if not self.process:
            return ""
        steps = "-".join(step.partition(",")[0] for step in self.process.split("|") if not step.startswith("n="))
        return f"{steps}-{hashlib.sha256(self.process.encode()).hexdigest()[:6]}"


@dataclass(frozen=True, slots=True)
class Target:
    """Chosen records of one series in the order of the rows, the segments wanted of each, and what to make of them."""

    info: SeriesInfo
    records: tuple[tuple[str, int], ...]
    segments: tuple[str, ...]
    product: Product

    def wanted(self) -> Iterator[FileKey]:
        """Yield the files."""
        ending = endings(self.info, self.segments)
        for record, recnum in self.records:
            for segment in self.segments:
                yield FileKey(record, recnum, segment, ending[segment])


R = TypeVar("R", FileKey, FileRow)


def packed(queries: Queries, target: Target, rows: Iterable[R]) -> Iterator[tuple[str, list[R]]]:
    """
    Yield the fewest record sets, with the files that each stands for.

    Records that want the same segments go together. Where several requests would be needed, shorter forms are tried,
    and used only if the server lists the very same record numbers for them.
    """
    by_record: dict[int, list[R]] = {}
    for row in rows:
        by_record.setdefault(row.recnum, []).append(row)
    groups: dict[tuple[str, ...], list[int]] = {}
    for recnum, files in by_record.items():
        segments = tuple(name for name in target.segments if any(file.segment == name for file in files))
        groups.setdefault(segments, []).append(recnum)
    for segments, recnums in groups.items():
        names = tuple(by_record[recnum][0].record for recnum in recnums)
        chosen = Selection(target.info.name, names, np.array(recnums, dtype=np.int64))
        listed: dict[str, list[int]] = {}

        def ask(record_set: RecordSet, listed: dict[str, list[int]] = listed) -> list[int]:
            bare = record_set.with_segments(None)
            listed[str(bare)] = queries.recnums(bare)
            return listed[str(bare)]

        # steps that make other segments read several of the stored ones: these are left to them
        braces = None if target.product.made else segments
        for record_set in chosen.record_sets(braces, verify=ask, info=target.info):
            found = listed.get(str(record_set.with_segments(None))) or numbers_in(str(record_set))
            yield str(record_set), [row for recnum in found for row in by_record[recnum]]


def targets(queries: Queries, rows: Any, segments: list[str] | None, protocol: str, steps: Any) -> list[Target]:
    """
    Find out which records rows are, and which segments of them are wanted.

    Parameters
    ----------
    queries : Queries
        For what the rows do not say themselves.
    rows : object
        See `Client.download`.
    segments : list of str or None
        The segments asked for.
    protocol : str
        ``auto``, ``fits`` or ``as-is``.
    steps : step, iterable of them, or None
        Processing steps.
    """
    steps = as_steps(steps)
    if isinstance(rows, str):
        rows = RecordSet.parse(rows)
    if isinstance(rows, RecordSet):
        segments = segments or list(rows.segments or ()) or None
        named, rows = rows, queries.query(rows, keywords=queries.prime_keys(rows.series))
        if not len(rows):
            warn(f"no record matches {named}")
    found = []
    for chosen in select(rows):
        info = queries.info(chosen.series)
        asked = segments or segment_columns(rows, info)
        product = Product(protocol, *processing(queries, steps, info, asked or ()))
        wanted = chosen_segments(asked, info, product.made)
        if not wanted:
            raise JsocError(f"{info.name} has no segments: its records have no files, all is in the keywords")
        if chosen.recnums is None:
            records = queries.numbers(chosen.names)
        else:
            records = tuple(zip(chosen.names, (int(number) for number in chosen.recnums), strict=True))
        found.append(Target(info, records, tuple(wanted), product))
    return found


def chosen_segments(asked: list[str] | None, info: SeriesInfo, made: Sequence[str] = ()) -> list[str]:
    """
    Return the segments that are wanted.

    Where steps make segments of their own, these: all of them, unless some are named; who names stored ones means what
    is made of them.
    """
    known = list(info.segments.index)
    if not asked or "**ALL**" in asked:
        return list(made) or known
    names = check_names(asked, [*made, *known], "segment", info.name)
    return [name for name in names if name in made] or list(made) or names


def processing(queries: Queries, steps: Any, info: SeriesInfo, segments: Sequence[str] = ()) -> tuple[str, float]:
    """
    Return processing steps as jsoc_fetch takes them, and the ratio of output to input bytes.

    Raises
    ------
    ProcessingError
        For steps that cannot work, or a reference time without an image.
    """
    steps = as_steps(steps)
    if steps is None:
        return "", 1.0
    for step in steps:
        _has_reference(queries, info, getattr(step, "t_ref", None))
    known = info.segments["dims"]
    sizes = [known[name] for name in segments if name in known.index] or list(known)
    dims = next((re.fullmatch(r"(\d+)x(\d+)", str(size)) for size in sizes if size), None)
    return chain(steps, series=info.name, dims=(int(dims[1]), int(dims[2])) if dims else None)


def as_steps(steps: Any) -> list[Any] | None:
    """Return steps as a list, also those of an iterator, which can be gone through only once; `chain` checks them."""
    if steps is None:
        return None
    several = isinstance(steps, Iterable) and not isinstance(steps, str | Mapping)
    return list(steps) if several else [steps]


def _has_reference(queries: Queries, info: SeriesInfo, t_ref: Any) -> None:
    """Check that im_patch will find an image near its reference time; else it fails without a word (im_patch.c)."""
    time_key = prime_time_key(info)
    if t_ref is None or time_key is None:
        return
    moment = parse_time(t_ref)
    window = dt.timedelta(hours=2)
    near = RecordSet.parse(f"{info.name}[{time_key}={moment - window}-{moment + window}]")
    if not queries.count(near):
        raise ProcessingError(
            f"t_ref={t_ref}: {info.name} has no record within two hours of it, and JSOC's im_patch needs one; "
            "choose the time of a record, Client.nearest finds it",
        )
