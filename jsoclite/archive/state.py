"""
What is known of the sets that a directory keeps in step with a server: two tables in its ledger.

``syncs`` has a row for each set, ``synced`` one for each of its records: the number of its newest version, and which
run listed it last. A record is noted when its file and its keywords are here, so whatever a run that was killed left
undone is new again for the next one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from ..download import ledgers

_SCHEMA = """
create table if not exists syncs (
    key integer primary key,
    record_set text not null,
    segments text not null,             -- comma-separated; a hyphen for keywords alone
    process text not null,              -- the processing steps, empty for none
    keywords text not null,             -- those of the table that grows beside the files
    runs integer not null,              -- times that the server has listed the set
    newest integer,                     -- the series' highest record number before the last run that was whole
    finished real,                      -- Unix time, s, of the end of the last run
    said text,                          -- what that run came to
    unique (record_set, segments, process)
);
create table if not exists synced (
    sync integer not null references syncs(key) on delete cascade,
    record text not null,
    recnum integer not null,            -- of the newest version; below 0: it was that, and is gone
    seen integer not null,              -- the run that listed it last
    primary key (sync, record)
) without rowid;
"""


def opened(directory: str | os.PathLike[str]) -> ledgers.Ledger | None:
    """Open the ledger of a directory; None where there is none, as beside keywords that somebody has copied."""
    there = (Path(directory).expanduser() / ledgers.NAME).exists()
    return ledgers.Ledger(directory, create=False) if there else None


def busy(directory: str | os.PathLike[str]) -> str | None:
    """Say who is at work in a directory, None if nobody is."""
    ledger = opened(directory)
    if ledger is None:
        return None
    with ledger:
        holder = ledger.holder()
    alive = holder is not None and holder.lives(time.time())
    return f"process {holder.pid} on {holder.host} is at work there" if holder and alive else None


@dataclass
class SyncRow:
    """A row of `syncs`."""

    record_set: str
    segments: str
    process: str
    keywords: str = ""
    runs: int = 0
    newest: int | None = None
    finished: float | None = None
    said: str | None = None
    key: int | None = None


_COLUMNS = tuple(SyncRow.__dataclass_fields__)
_IDENTITY = "record_set = ? and segments = ? and process = ?"


class Syncs:
    """
    The tables of one ledger; they come with the first sync, and reading them writes nothing.

    Parameters
    ----------
    ledger : Ledger
        Of the directory.
    """

    def __init__(self, ledger: ledgers.Ledger) -> None:
        self._ledger = ledger

    def rows(self) -> list[SyncRow]:
        """Return the sets, the first one first."""
        if not self._ledger.read("select 1 from sqlite_master where name = 'syncs'"):
            return []
        return [SyncRow(*row) for row in self._ledger.read(f"select {', '.join(_COLUMNS)} from syncs order by key")]  # noqa: S608

    def row(self, record_set: str, segments: str, process: str) -> SyncRow:
        """Return what is known of a set, nothing for a new one."""
        identity = (record_set, segments, process)
        known = (row for row in self.rows() if (row.record_set, row.segments, row.process) == identity)
        return next(known, SyncRow(*identity))

    def save(self, row: SyncRow) -> int:
        """Write what is known of a set, and return its key."""
        with self._ledger.transaction() as db:
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            marks = ", ".join("?" * len(_COLUMNS))
            db.execute(f"insert or ignore into syncs ({', '.join(_COLUMNS)}) values ({marks})", astuple(row))  # noqa: S608
            identity = (row.record_set, row.segments, row.process)
            (row.key,) = db.execute(f"select key from syncs where {_IDENTITY}", identity).fetchone()  # noqa: S608
            named = ", ".join(f"{name} = ?" for name in _COLUMNS)
            db.execute(f"update syncs set {named} where key = ?", (*astuple(row), row.key))  # noqa: S608
        assert row.key is not None
        return row.key

    def records(self, key: int, run: int, size: int, *, listed: bool = True) -> Iterator[dict[str, int]]:
        """Yield records and their numbers, `size` at a time: those that a run has listed, or those that it has not."""
        last: tuple[int, str] = (-(2**63), "")
        where = f"sync = ? and seen {'>=' if listed else '<'} ? and (recnum, record) > (?, ?)"
        question = f"select record, recnum from synced where {where} order by recnum, record limit ?"  # noqa: S608
        while rows := self._ledger.read(question, (key, run, *last, size)):
            yield dict(rows)
            last = rows[-1][1], rows[-1][0]

    def count(self, key: int, run: int) -> int:
        """Count the records that a run has listed."""
        ((count,),) = self._ledger.read("select count(*) from synced where sync = ? and seen >= ?", (key, run))
        return int(count)

    def known(self, key: int, records: Sequence[str]) -> dict[str, int]:
        """Return the numbers of these records, of those that are known."""
        found: dict[str, int] = {}
        for start in range(0, len(records), 500):  # SQLite takes at least 999 parameters
            part = records[start : start + 500]
            where = f"sync = ? and record in ({','.join('?' * len(part))})"
            found.update(self._ledger.read(f"select record, recnum from synced where {where}", (key, *part)))  # noqa: S608
        return found

    def note(self, key: int, records: Iterable[tuple[str, int]], seen: int) -> None:
        """Note the records that a run has listed, and that their files and keywords are here."""
        rows = [(key, record, recnum, seen) for record, recnum in records]
        with self._ledger.transaction() as db:
            db.executemany("insert or replace into synced values (?, ?, ?, ?)", rows)

    def forget(self, key: int, records: Iterable[str]) -> None:
        """Forget records."""
        with self._ledger.transaction() as db:
            db.executemany("delete from synced where sync = ? and record = ?", [(key, record) for record in records])

    def superseded(self, key: int, size: int) -> list[ledgers.FileRow]:
        """Return files, `size` at most, of older versions of the records of a set, of those whose new file is here."""
        columns = ", ".join(f"files.{name}" for name in ledgers.FileRow.__dataclass_fields__)
        where = "synced.sync = ? and files.recnum < synced.recnum and files.state = 'done' and exists ("
        where += "select 1 from files as new where new.recnum = synced.recnum and new.record = files.record"
        where += " and new.segment = files.segment and new.product = files.product and new.state = 'done')"
        question = f"select {columns} from files join synced on files.record = synced.record where {where} limit ?"  # noqa: S608
        return [ledgers.FileRow(*row) for row in self._ledger.read(question, (key, size))]
