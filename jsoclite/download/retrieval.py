"""
A plan carried out: each wanted file is there already, or comes straight from SUMS, or by an export request.

The ways themselves are in `sums` and `exported`; here is who takes which.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd


from ..errors import JsocError, SelectionError, UnknownSeries
from ..export import Account, Export, ExportRequest, ExportStatus
from ..fits import read
from ..progress import Progress, Silence
from ..query import Queries
from ..series import FileKey, RecordName, as_list, series_of
from .cut import Cuts, can_cut
from .download import Batch, Job
from .exported import alive, staged_jobs
from .ledger import Claim, FileRow, Ledger, RequestNote, RequestRow
from .names import extension
from .plan import FILENAME_FORMAT, PICTURES, PROTOCOLS, Plan, Target, list_records, make_plan, record_sets, tag_of
from .sums import CHUNK, located
from .template import Template

Located: TypeAlias = tuple[list[Job], list[FileRow]]

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
    account : Account
        Makes the export requests.
    """

    def __init__(
        self,
        batch: Batch,
        queries: Queries,
        account: Account,
    ) -> None:
        self.batch, self.queries = batch, queries
        self.jsoc = queries.jsoc
        self._account = account

    def jobs(self, plan: Plan, *, overwrite: bool = False) -> Iterator[Job]:
        """Give the files of all targets their names, and yield a job for each as it can be fetched."""
        if plan.export is not None:
            yield from self._attached(plan.export)
            return
        todo: list[tuple[Target, list[FileRow]]] = []
        for target in plan.targets:
            product = target.product
            rows = self.batch.plan(target.wanted(), product.name, tag=product.tag, overwrite=overwrite)
            if rows:
                todo.append((target, rows))
        self.batch.progress.files(sum(len(rows) for _, rows in todo))
        for target, rows in todo:
            yield from self._fetch(target, rows)

    def _fetch(self, target: Target, rows: list[FileRow]) -> Iterator[Job]:
        if target.product.staged:
            yield from self.staged(target, rows)
            return
        # what an earlier run has asked JSOC to stage is not asked for twice
        pledged = self._pledged(rows)
        offline = [row for row in rows if row.key in pledged]
        free = [row for row in rows if row.key not in pledged]
        found = self.located(target, free)
        if len({row.recnum for row in free}) <= CHUNK:
            direct: list[Job] = []
            for jobs, staged in found:
                direct += jobs
                offline += staged
            yield from self.staged(target, offline, direct) if offline else direct
            return
        for jobs, staged in found:
            yield from jobs
            offline += staged
        if offline:
            yield from self.staged(target, offline)

    def located(self, target: Target, rows: Sequence[FileRow]) -> Iterator[Located]:
        """Find the files that are online, and can be cut where that is asked for, and those that JSOC must stage."""
        product, headers = target.product, target.product.protocol != "as-is"
        if product.cutout is None:
            return located(self.batch, self.jsoc, target.info, rows, headers=headers)
        cuts = Cuts(self.jsoc, target.info, product.cutout, product.reference, target.records)
        found = located(self.batch, self.jsoc, target.info, rows, headers=headers, cuts=cuts)
        return self._cuttable(cuts, found)

    def _cuttable(self, cuts: Cuts, found: Iterable[Located]) -> Iterator[Located]:
        """Leave to JSOC the files out of which nothing can be cut here."""
        for jobs, staged in found:
            first = {job.row.segment: job.url for job in reversed(jobs)}
            here = {name for name, url in first.items() if can_cut(self.batch.transport, url, cuts.kind(name))}
            staged += [job.row for job in jobs if job.row.segment not in here]
            yield [job for job in jobs if job.row.segment in here], staged

    # -- exports --------------------------------------------------------------------------------------------------

    def _pledged(self, rows: Iterable[FileRow]) -> set[tuple[int, str, str, str]]:
        living = {row.key for row in self._living()}
        return {row.key for row in rows if row.request in living}

    def _living(self) -> list[RequestRow]:
        rows = self.batch.ledger.requests(state=("planned", "pending", "done"))
        server = self.jsoc.server.cgi_baseurl
        return [row for row in rows if alive(row.state, row.request_id, row.submitted) and row.server == server]

    def staged(self, target: Target, rows: list[FileRow], meanwhile: Iterable[Job] = ()) -> Iterator[Job]:
        """
        Yield the files of `rows` by way of exports.

        What a request leaves open, because it has expired or because one of its files is on tape, is exported once
        more, without those that are on tape. One that is too large is halved until JSOC takes it.
        """
        tries, most = 0, None
        while tries < 3:
            requests, rows_of = self._requests(target, rows, most, adopt=tries == 0 and most is None)
            export = self._account.export(requests)

            def brings(request: ExportRequest, rows_of: dict[ExportRequest, list[FileRow]] = rows_of) -> list[FileRow]:
                return rows_of.get(request, [])

            yield from staged_jobs(self.batch, export, brings, fits=True, meanwhile=meanwhile)
            meanwhile = ()
            rows = self.batch.open(rows)
            large = [rows_of[request] for request in requests if request.status is ExportStatus.TOO_LARGE]
            if large:
                most = max(1, max(len({row.recnum for row in some}) for some in large) // 2)
            else:
                tries += 1
            mendable = (ExportStatus.EXPIRED, ExportStatus.TOO_LARGE)
            if any(request.error is not None and request.status not in mendable for request in requests):
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
        self, target: Target, rows: Sequence[FileRow], most: int | None, *, adopt: bool
    ) -> tuple[list[ExportRequest], dict[ExportRequest, list[FileRow]]]:
        """Take over the requests that are under way for these rows, and plan new ones for the rest."""
        requests: list[ExportRequest] = []
        rows_of: dict[ExportRequest, list[FileRow]] = {}
        left = {row.key: row for row in rows}
        for known in self._living() if adopt else ():
            mine = [row for row in left.values() if row.request == known.key]
            if not mine or known.process != target.product.process:
                continue
            request = self._request(known, target)
            requests.append(request)
            rows_of[request] = mine
            for row in mine:
                del left[row.key]
        for record_set, covered in record_sets(self.queries, target, list(left.values()), most):
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
            request = self._request(noted, target)
            requests.append(request)
            rows_of[request] = covered
        return requests, rows_of

    def _request(self, row: RequestRow, target: Target) -> ExportRequest:
        """Make the request of a row of the ledger, which notes what becomes of it."""
        return self._account.request(
            row.record_set,
            method=row.method,
            protocol=row.protocol,
            process=row.process,
            filename=row.filename,
            size_ratio=target.product.size_ratio,
            request_id=row.request_id,
            observer=RequestNote(self.batch.ledger, row, self.batch.progress),
        )

    # -- exports that somebody else has made ----------------------------------------------------------------------

    def _attached(self, export: Export) -> Iterator[Job]:
        """Yield the files of requests whose rows only they, their replies, or the ledger of the directory know."""
        known = {row.request_id: row for row in self.batch.ledger.requests() if row.request_id}
        rows_of: dict[ExportRequest, list[FileRow]] = {}
        # planned together, so that the manifest has the order of the rows, not that of the requests
        product = {one: self._product(request, one.ending) for request in export.requests for one in request.wanted}
        planned = {
            row.key: row
            for name in dict.fromkeys(product.values())
            for row in self._plan([wanted for wanted in export.wanted if product[wanted] == name], name)
        }

        def rows(request: ExportRequest) -> list[FileRow]:
            if request not in rows_of:
                noted = known.get(request.id or "")
                if request.wanted:
                    keys = [(one.recnum, one.record, one.segment, product[one]) for one in request.wanted]
                    found = [planned[key] for key in keys if key in planned]
                elif noted is not None:
                    found = self._replan([row for row in self.batch.ledger.files() if row.request == noted.key])
                else:
                    found = self._plan_reply(request)
                rows_of[request] = found
            return rows_of[request]

        yield from staged_jobs(self.batch, export, rows, fits=True)
        for request in export.requests:
            if request.error is None:
                continue
            if not rows_of.get(request):
                raise request.error
            for row in self.batch.open(rows_of[request]):
                self.batch.fail(row, str(request.error))

    @staticmethod
    def _product(request: ExportRequest, ending: str) -> str:
        """Return what the ledger calls a file of a request: a picture is not the image that it shows."""
        base = request.process or ("as-is" if request.protocol == "as-is" else "fits")
        if (kind := ending[1:]) not in PICTURES:
            return base
        return f"{request.process}|{kind}" if request.process else kind

    def _replan(self, files: Sequence[FileRow]) -> list[FileRow]:
        todo = []
        by_product: dict[str, list[FileKey]] = {}
        for file in files:
            by_product.setdefault(file.product, []).append(
                FileKey(file.record, file.recnum, file.segment, extension(file.path))
            )
        for product, wanted in by_product.items():
            todo += self._plan(wanted, product)
        return todo

    def _plan_reply(self, request: ExportRequest) -> list[FileRow]:
        """Make rows of what a reply lists: record and file name are all that is known."""
        wanted: dict[str, list[FileKey]] = {}
        for file in request.files:
            name = file.filename.rpartition("/")[2]
            prefix, _, rest = name.removeprefix(series_of(file.record) + ".").partition(".")
            recnum = int(prefix) if re.fullmatch("[0-9]{1,18}", prefix) and rest else -1
            stored = rest if recnum >= 0 else name
            ending = extension(name)
            found = FileKey(file.record, recnum, file.segment or self._segment(file.record, stored), ending)
            wanted.setdefault(self._product(request, ending), []).append(found)
        return [row for product, some in wanted.items() for row in self._plan(some, product)]

    def _plan(self, wanted: list[FileKey], product: str) -> list[FileRow]:
        """Plan files, under the names that users have spelled if they have."""
        if (template := self.batch.template) is not None:
            paths = dict(self._paths(template, wanted, product))
            wanted = [replace(one, path=paths[one]) for one in wanted]
            template.refuse_clashes(wanted)
        return self.batch.plan(wanted, product)

    def _paths(self, template: Template, wanted: list[FileKey], product: str) -> Iterator[tuple[FileKey, str]]:
        """Yield the paths of files of an export; what steps have made has the keywords of its source."""
        process = "" if product in PROTOCOLS else product
        for name in dict.fromkeys(series_of(one.record) for one in wanted):
            some = [one for one in wanted if series_of(one.record) == name]
            source = self._source(name)
            try:
                info = self.queries.info(source)
            except JsocError:
                raise template.wrong(
                    f"{source} is no public series whose keywords could name its files: leave filename= out"
                ) from None
            bind = functools.partial(template.bind, endings={one.segment: one.ending for one in some})
            self.queries.checked(source, bind)
            keys = [RecordName.parse(one.record).values[: len(info.primekeys)] for one in some]
            records = [(str(RecordName(info.name, values)), one.recnum) for one, values in zip(some, keys, strict=True)]
            tables: list[pd.DataFrame] = []
            if lacking := template.lacking(info, records, tables):
                if source != name or any(number < 0 for _, number in records):
                    numbers = dict(self.queries.numbers(record for record, _ in records))
                    records = [(record, numbers[record]) for record, _ in records]
                tables.append(list_records(self.queries, info, records, lacking, []))
            yield from zip(some, template.paths(info, records, some, tables, tag_of(process) or product), strict=True)

    def _source(self, series: str) -> str:
        """Return the series that has the keywords: what steps have made is of SERIES_mod, which is seldom public."""
        stored = series[:-4] if series.lower().endswith("_mod") else series
        for name in (stored, series):
            with contextlib.suppress(UnknownSeries):
                self.queries.info(name)
                return name
        return stored

    def _segment(self, record: str, stored: str) -> str:
        """Find the segment that a stored file (image_lev1.fits) belongs to; its own name where there is none."""
        own = stored.removesuffix(extension(stored)).rpartition(".")[2]
        try:
            known = list(self.queries.info(series_of(record)).segments.index)
        except JsocError:  # the series of a processing step is not public
            return own
        begun = [name for name in known if own.lower().startswith(name.lower())]
        return max(begun, key=len, default=own)


def carry_out(
    plan: Plan,
    directory: str | os.PathLike[str] | Claim,
    queries: Queries,
    account: Account,
    progress: Progress,
    *,
    overwrite: bool = False,
    executor: Executor | None = None,
    compare: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """
    Fetch the files of a plan into a directory, and return the manifest; see `Client.download`.

    Parameters
    ----------
    plan : Plan
        What to fetch.
    directory : path or Claim
        Where the files go; a claim that is held already.
    queries : Queries
        For what rows and replies do not say themselves.
    account : Account
        Makes the export requests.
    progress : Progress
        What is shown meanwhile.
    overwrite, executor, compare
        See `Client.download`.
    """
    transport = queries.jsoc.transport
    with contextlib.ExitStack() as open_:
        if isinstance(directory, Claim):
            claim = directory
        else:
            claim = open_.enter_context(Claim.on(directory, transport.clock))
        other = None if compare is None else open_.enter_context(Ledger(compare, create=False))
        batch = Batch(claim.ledger, transport, progress, claim.renew, other)
        batch.template = plan.template
        batch.run(Retrieval(batch, queries, account).jobs(plan, overwrite=overwrite), executor)
        return batch.manifest(plan.asked)


def read_one(queries: Queries, account: Account, row: Any, segment: str | None, process: Any) -> tuple[Any, Any]:
    """
    Return the image of one record, and its header, without keeping its file; see `Client.read`.

    Parameters
    ----------
    queries, account
        As for `carry_out`.
    row, segment, process
        See `Client.read`.
    """
    plan = make_plan(queries, row, as_list(segment), "auto", process, most=10_000)
    files = [file for target in plan.targets for file in target.wanted()]
    if len({file.record for file in files}) != 1:
        raise SelectionError(f"read takes one record, and these are {len(files)} files: write df.iloc[0], or download")
    if len(files) > 1:
        raise SelectionError(f"{files[0].record} has {', '.join(file.segment for file in files)}: name one, segment=…")
    with TemporaryDirectory(prefix="jsoclite-") as directory:
        found = carry_out(plan, directory, queries, account, Silence(), overwrite=False, executor=None).iloc[0]
        if found.status != "downloaded":
            raise JsocError(f"{files[0].record} has no {files[0].segment} to read: {found.error}")
        return read(found)
