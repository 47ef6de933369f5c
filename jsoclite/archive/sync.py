"""
A record set kept in step with the server.

The highest record number of the series says whether anything was added since the last run: one question. If so, the set
is listed, and each record is held against what is known: *new*, *replaced* (JSOC has made it anew, under another
number), *present*, or known and no longer listed, *gone*. Keywords and files of what changed are fetched, and only then
is it noted, a piece of the set at a time: a run that is killed is taken up by the next.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..download import Manifest, carry_out, ledgers, make_plan
from ..errors import JsocError, ServerError, warn
from ..query import SIZE, Queries
from ..recordset import RecordSet
from ..selection import select
from ..series import SeriesInfo, as_list
from .state import SyncRow, Syncs
from .table import Table

if TYPE_CHECKING:
    from ..export import Account
    from ..progress import Progress

log = logging.getLogger("jsoclite")

# processed data, not the same records: told, never mixed in
MIRRORS = (
    "s3://gov-nasa-hdrl-data1 (HelioCloud)",
    "https://huggingface.co/datasets/nasa-ibm-ai4science/core-sdo (level 1.5)",
    "http://jsoc1.stanford.edu/data/aia/synoptic/ (AIA, 1k)",
    "https://virtualsolar.org (VSO)",
)
COLUMNS = ["segment", "path", "status", "bytes", "url", "request_id", "error"]
#: Rows of a manifest of keywords alone: there may be millions of records, and the table has them all.
LISTED = 100_000


def synchronize(
    queries: Queries,
    account: Account,
    record_set: str | RecordSet,
    directory: str | os.PathLike[str],
    progress: Progress,
    *,
    segments: list[str] | None = None,
    process: Any = None,
    keywords: list[str] | None = None,
    delete: bool = False,
    filename: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Keep a set in step; see `Client.sync`."""
    with ledgers.Claim.on(directory, queries.jsoc.clock) as claim:
        record_set = RecordSet.parse(record_set)
        text = str(record_set.with_segments(None))
        if segments is None:
            segments = list(record_set.segments or ()) or None
        syncs = Syncs(claim.ledger)
        steps = "" if process is None else repr(process)
        row = syncs.row(text, "-" if segments == [] else ",".join(segments or ()), steps)
        try:
            run = _Run(queries, account, claim, syncs, row, segments, process, keywords, progress, options)
            run.filename = filename
            return run.all(delete)
        except ServerError as error:
            raise _away(error, queries, claim, row) from error


def _away(error: ServerError, queries: Queries, claim: ledgers.Claim, row: SyncRow) -> ServerError:
    where, since, at_hand = str(claim.ledger.directory), "never", ""
    if row.finished is not None:
        since = f"{dt.datetime.fromtimestamp(row.finished, dt.UTC):%Y-%m-%d %H:%M} UTC"
        at_hand = f" What is in {where} goes on working: jsoclite.Archive({where!r}).files and .keywords(…)."
    said, name = str(error).rstrip("."), queries.jsoc.server.name
    return ServerError(
        f"{said}. {row.record_set} was last in step with {name}: {since}.{at_hand} Elsewhere there are processed data, "
        f"which are not these records: {'; '.join(MIRRORS)}",
        url=error.url,
        status=error.status,
    )


class _Run:
    """One run."""

    def __init__(
        self,
        queries: Queries,
        account: Account,
        claim: ledgers.Claim,
        syncs: Syncs,
        row: SyncRow,
        segments: list[str] | None,
        process: Any,
        keywords: list[str] | None,
        progress: Progress,
        options: dict[str, Any],
    ) -> None:
        self.queries, self.account, self.claim, self.syncs, self.row = queries, account, claim, syncs, row
        self.segments, self.process, self.progress, self.options = segments, process, progress, options
        self.filename: str | None = None
        self.info: SeriesInfo = queries.renewed(row.record_set)
        self.with_files, self.same = segments != [], False
        names = queries.default_keywords(self.info) if keywords is None and not self.with_files else keywords
        names = [*(as_list(row.keywords) or ()), *(names or ())]  # what was kept once is kept on
        self.keywords = queries.question(row.record_set, names, None, None, None).keywords if names else []
        self.keywords = list(dict.fromkeys(self.keywords))
        self.table = Table(claim.ledger.directory, self.info.name) if self.keywords else None

    def all(self, delete: bool) -> pd.DataFrame:
        """Bring everything into step, and return the manifest."""
        row = self.row
        newest = self.info.interval.get("MaxRecnum") if isinstance(self.info.interval, dict) else None
        complete = set(self.keywords) <= set(as_list(row.keywords) or ())
        self.same = row.newest is not None and row.newest == newest and complete
        if not self.same:  # whatever this run leaves undone, the next one lists the set, too
            row.runs, row.newest = row.runs + 1, None
        key = self.syncs.save(row)
        told = _Told(None if self.with_files else LISTED)
        if self.same and not self.with_files and (count := self.syncs.count(key, row.runs)) > LISTED:
            told.counts["present"] = count
        else:
            pieces = self._known(key) if self.same else self._listed(key)
            for manifest in itertools.starmap(functools.partial(self._piece, key), pieces):
                told.add(manifest)
        for manifest in self._gone(key, delete):
            told.add(manifest)
        while delete and self.with_files and (files := self.syncs.superseded(key, SIZE)):
            self._remove(files)
        counts, manifest = told.counts, told.manifest()
        manifest.attrs["jsoc"] = {"series": self.info.name, "record_set": row.record_set, "counts": dict(counts)}
        if told.without:
            where = str(self.claim.ledger.directory)
            warn(
                f"the manifest lists {len(manifest):,} of {len(manifest) + told.without:,} records that have changed; "
                f"its attrs count them all, and jsoclite.Archive({where!r}).keywords(…) has all"
            )
        if not counts["failed"]:
            row.newest = newest if isinstance(newest, int) else None
        row.keywords = ",".join(self.keywords)
        row.finished = time.time()
        row.said = ", ".join(f"{count} {word}" for word, count in counts.items())
        self.syncs.save(row)
        log.info("%s: %s: %s", self.claim.ledger.directory, row.record_set, row.said)
        return manifest

    # -- which records --------------------------------------------------------------------------------------------

    def _known(self, key: int) -> Iterator[tuple[pd.DataFrame, dict[str, str]]]:
        """Yield the records that the last listing had: nothing was added to the series since."""
        for known in self.syncs.records(key, self.row.runs, SIZE):
            frame = pd.DataFrame({"recnum": list(known.values())}, index=pd.Index(list(known), name="record"))
            yield frame, dict.fromkeys(known, "present")

    def _listed(self, key: int) -> Iterator[tuple[pd.DataFrame, dict[str, str]]]:
        """Yield the records that the server lists, with keywords where all are needed, and what each is."""
        complete = set(self.keywords) <= set(as_list(self.row.keywords) or ())
        first = not complete or self.row.runs == 1
        names = self.keywords if first and self.keywords else self.queries.prime_keys(self.info.name)
        question = self.queries.question(self.row.record_set, names, None, None, None)
        for frame in self.queries.pieces(question, SIZE):
            yield frame, self._changes(key, frame, first)

    def _changes(self, key: int, frame: pd.DataFrame, first: bool) -> dict[str, str]:
        """Say what each record of a piece is, and keep the keywords of what has changed."""
        numbers = dict(zip(frame.index, frame["recnum"].tolist(), strict=True))
        known = self.syncs.known(key, list(numbers))
        changes = {
            name: "new" if known.get(name, -1) < 0 else "present" if known[name] == number else "replaced"
            for name, number in numbers.items()
        }
        if self.table is not None:
            changed = frame if first else frame[[changes[name] != "present" for name in frame.index]]
            self._tabulate(changed, complete=first)
        return changes

    def _tabulate(self, frame: pd.DataFrame, *, complete: bool) -> None:
        assert self.table is not None
        if not complete:
            sets = [one for chosen in select(frame) for one in chosen.record_sets()] if len(frame) else []
            found = [self.queries.query(one, keywords=self.keywords) for one in sets]
            frame = pd.concat(found) if found else frame
        if len(frame):
            self.table.add(frame, self.info)

    # -- their files ----------------------------------------------------------------------------------------------

    def _piece(self, key: int, frame: pd.DataFrame, changes: dict[str, str]) -> pd.DataFrame:
        """Fetch the files of a piece, then note its records."""
        self.claim.renew()
        if not self.with_files:  # what all lack is filled in at the end, once
            status = pd.Series(list(changes.values()), dtype="str")
            manifest = pd.DataFrame({"status": status}).set_axis(pd.Index(list(changes), name="record", dtype="str"))
        elif len(frame):
            manifest = self._files(frame, changes)
        else:
            manifest = _manifest([])
        if not self.same:
            self.syncs.note(key, zip(frame.index, frame["recnum"].tolist(), strict=True), self.row.runs)
        return manifest

    def _files(self, frame: pd.DataFrame, changes: dict[str, str]) -> pd.DataFrame:
        rows = frame[["recnum"]]
        ledger = self.claim.ledger
        # where nothing is new, files have their names
        named: dict[str, Any] = {"listed": True, "filename": None if self.same else self.filename}
        plan = make_plan(self.queries, rows, self.segments, "auto", self.process, **named)
        lacking: list[ledgers.FileRow] = []
        if all(change == "present" for change in changes.values()):
            # what JSOC had no file of, it has none of as long as the record is the same
            by_number: dict[int, list[ledgers.FileRow]] = {}
            for file in ledger.files(rows["recnum"].tolist(), product=plan.targets[0].product.name):
                by_number.setdefault(file.recnum, []).append(file)
            none = {number for number, files in by_number.items() if all(file.state == "missing" for file in files)}
            lacking = [file for number in none for file in by_number[number]]
            if none:
                rows = rows[~rows["recnum"].isin(none)]
                plan = make_plan(self.queries, rows, self.segments, "auto", self.process, **named)
        found = [_manifest([(one.record, one.segment, None, "missing", None, one.error) for one in lacking])]
        if len(rows):
            manifest = pd.DataFrame(
                carry_out(plan, self.claim, self.queries, self.account, self.progress, **self.options)
            )
            change = manifest.index.map(changes)
            fetched = manifest["status"] == "downloaded"
            manifest.loc[fetched, "status"] = ["new" if word == "present" else word for word in change[fetched]]
            at_hand = manifest["status"] == "present"
            manifest.loc[at_hand, "status"] = change[at_hand]
            found.append(manifest)
        return pd.concat([one for one in found if len(one)])

    # -- what is gone ---------------------------------------------------------------------------------------------

    def _gone(self, key: int, delete: bool) -> Iterator[pd.DataFrame]:
        """Yield the files of records that the server no longer lists; remove them if that is wanted."""
        ledger, run = self.claim.ledger, self.row.runs
        for found in self.syncs.records(key, run, SIZE, listed=False):
            gone = {name: abs(number) for name, number in found.items()}
            if delete and not self.syncs.count(key, run):
                raise JsocError(
                    f"the server lists no record of {self.row.record_set}, and {len(gone)} or more are here: nothing "
                    "was removed. If that is meant, remove the directory"
                )
            if self.table is not None:
                self.table.mark_gone([name for name, number in found.items() if number > 0], self.info)
            # a record that comes back is new
            self.syncs.note(key, [(name, -number) for name, number in gone.items()], seen=0)
            numbers = gone.values() if self.with_files else ()  # of keywords alone, files are somebody else's
            files = [row for row in ledger.files(numbers) if row.record in gone and row.state == "done"]
            rows: list[tuple[Any, ...]] = [
                (file.record, file.segment, str(ledger.directory / file.path), "gone", file.bytes, None)
                for file in files
            ]
            there = {file.record for file in files}
            rows += [(name, None, None, "gone", None, None) for name in gone if name not in there]
            if delete:
                self._remove(files)
                self.syncs.forget(key, gone)
            yield _manifest(rows)

    def _remove(self, files: list[ledgers.FileRow]) -> None:
        """Remove files that we have put here; what was adopted elsewhere stays, and what lies behind a link."""
        ledger = self.claim.ledger
        home = ledger.directory.resolve()
        for file in files:
            path = ledger.directory / file.path
            if not Path(file.path).is_absolute() and path.parent.resolve().is_relative_to(home):
                path.unlink(missing_ok=True)
        ledger.drop_files(files)


class _Told:
    """
    What becomes the manifest: how many records are what, and the rows of those that are told one by one.

    Parameters
    ----------
    most : int, optional
        Rows. Of more records, those that are present are left out, and what does not fit then.

    Attributes
    ----------
    counts : Counter
        Of all.
    without : int
        Records that have changed and found no room.
    """

    def __init__(self, most: int | None) -> None:
        self._most = sys.maxsize if most is None else most
        self.counts, self.without = Counter({"new": 0, "replaced": 0, "gone": 0, "present": 0}), 0
        self._frames, self._full = list[pd.DataFrame](), False

    def add(self, frame: pd.DataFrame) -> None:
        """Count rows, and hold as many of them as there is room for."""
        self.counts.update(frame["status"].tolist())
        if self.counts.total() > self._most:
            if not self._full:
                self._full, self._frames = True, [_changed(one) for one in self._frames]
            changed = _changed(frame)
            frame = changed.head(self._most - sum(map(len, self._frames)))
            self.without += len(changed) - len(frame)
        if len(frame):
            self._frames.append(frame)

    def manifest(self) -> Manifest:
        """Return the rows."""
        return Manifest(_filled(pd.concat([one for one in self._frames if len(one)] or [_manifest([])])))


def _changed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"] != "present"]


def _manifest(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Make the manifest of (record, segment, path, status, bytes, error)."""
    record, *columns = zip(*rows, strict=True) if rows else ((),) * 6
    cells = dict(zip(("segment", "path", "status", "bytes", "error"), columns, strict=True))
    found = {name: pd.Series(list(values), dtype=_type(name)) for name, values in cells.items()}
    return _filled(pd.DataFrame(found).set_axis(pd.Index(list(record), name="record", dtype="str")))


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that are not there, all of them the same nothing, and give each its type."""
    nothing = pd.Series(None, index=frame.index, dtype="str")
    for name in COLUMNS:
        if name not in frame:
            frame[name] = nothing.astype("Int64") if name == "bytes" else nothing
    return frame[COLUMNS].astype({name: _type(name) for name in COLUMNS})


def _type(name: str) -> str:
    return "Int64" if name == "bytes" else "str"
