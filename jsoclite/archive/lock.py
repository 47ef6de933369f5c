"""
Lock files: the exact files that a paper stands on, in a text that fits into a supplement.

A heading says when they were locked, from which server, and the DOIs of the series; then a line a file says series,
record number, record, segment, product (``fits``, ``as-is`` or the steps that made it) and DATASUM, the checksum of the
data unit (FITS standard 4.0, appendix J), which no header changes. Record numbers name a version: JSOC gives a record
that it makes anew a new one, and keeps most of the old ones.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import __version__
from ..download import Manifest, carry_out, make_plan
from ..errors import JsocError, QueryError, warn
from ..fits import layout
from ..query import Queries
from ..selection import Selection, to_record_sets
from ..series import series_of
from .citation import doi

if TYPE_CHECKING:
    from ..export import Account
    from ..progress import Progress

HEADING = "# jsoclite lock 1"
COLUMNS = ["series", "recnum", "record", "segment", "product", "datasum"]


@dataclass(frozen=True, eq=False)
class Lock:
    """
    The exact files that a paper stands on; ``str(lock)`` is the text of a lock file.

    Attributes
    ----------
    server, date : str
        Where the files come from, and when they were locked.
    files : pandas.DataFrame
        Index ``record``; columns ``series``, ``recnum``, ``segment``, ``product``, ``datasum``.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "data")
    >>> lock = jsoclite.Archive("data").lock()
    >>> lock.write("paper.lock")
    >>> print(lock)
    # jsoclite lock 1
    # made ... by jsoclite ..., from http://127.0.0.1:...
    # hmi.M_720s: https://doi.org/10.48322/f9tw-dz15
    # series	recnum	record	segment	product	datasum
    hmi.M_720s	160921	hmi.M_720s[2014.01.01_00:00:00_TAI][3]	magnetogram	fits	...
    """

    server: str
    date: str
    files: pd.DataFrame

    @classmethod
    def of(cls, server: str, lines: Iterable[tuple[Any, ...]]) -> Lock:
        """Lock files: series, record number, record, segment, product and DATASUM of each."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls(server, now, _frame(lines))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Lock:
        """Read a lock file; JsocError if it cannot be read."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise JsocError(f"cannot read the lock file {os.fspath(path)}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> Lock:
        """
        Read the text of a lock file.

        Raises
        ------
        JsocError
            If it is none, naming the line.
        """
        head, *rest = text.splitlines() or [""]
        if head.strip() != HEADING:
            raise JsocError(f"{head[:60]!r} does not begin a lock file: the first line of one is {HEADING!r}")
        made = next((line[7:] for line in rest if line.startswith("# made ")), "")
        lines = []
        for number, line in enumerate(rest, 2):
            cells = line.split("\t")
            if line.startswith("#") or not line.strip():
                continue
            if len(cells) != len(COLUMNS) or not cells[1].isdecimal() or series_of(cells[2]) != cells[0]:
                raise JsocError(
                    f"line {number} of the lock file is not {', '.join(COLUMNS)} with tabs between: {line!r}"
                )
            lines.append((cells[0], int(cells[1]), *cells[2:]))
        return cls(made.rpartition(", from ")[2], made.partition(" ")[0], _frame(lines))

    def __str__(self) -> str:
        series = list(dict.fromkeys(self.files["series"]))
        head = [HEADING, f"# made {self.date} by jsoclite {__version__}, from {self.server}"]
        head += [f"# {name}: https://doi.org/{known}" for name in series if (known := doi(name))]
        cells = ["\t".join(map(str, row)) for row in self.files.reset_index()[COLUMNS].itertuples(index=False)]
        return "\n".join([*head, "# " + "\t".join(COLUMNS), *cells]) + "\n"

    def __len__(self) -> int:
        return len(self.files)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the lock file."""
        Path(path).write_text(str(self), encoding="utf-8")


def _frame(lines: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(lines), columns=COLUMNS).astype({name: "str" for name in COLUMNS if name != "recnum"})
    return frame.astype({"recnum": "int64"}).set_index("record")


def as_lock(rows: Any) -> Lock | None:
    """Return the lock that rows are: one, its text, or the path of a file that ends in ``.lock``; None for all else."""
    if isinstance(rows, Lock):
        return rows
    if isinstance(rows, str) and rows.startswith(HEADING):
        return Lock.parse(rows)
    if isinstance(rows, str | os.PathLike) and os.fspath(rows).endswith(".lock"):
        return Lock.read(rows)
    return None


def checksum(path: str | os.PathLike[str]) -> str:
    """Return what a lock says of the content of a file: its DATASUM, ``-`` where it is no image in FITS."""
    try:
        with open(path, "rb") as file:
            image = next((unit for unit in layout.units(file) if unit.is_image), None)
            return "-" if image is None else str(layout.datasum(file, image))
    except (OSError, layout.BrokenFits):
        return "-"


def bring(
    lock: Lock,
    directory: str | os.PathLike[str],
    queries: Queries,
    account: Account,
    progress: Progress,
    *,
    process: Any = None,
    filename: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """
    Fetch the files of a lock, by their record numbers, and return the manifest; see `Client.download`.

    Raises
    ------
    JsocError
        For files that were made by steps, where `process` does not name any.
    """
    steps = [name for name in dict.fromkeys(lock.files["product"]) if name not in ("fits", "as-is")]
    if steps and process is None:
        raise JsocError(f"the lock has files that were made by {steps[0]!r}: pass these steps as process=")
    # records that want the same segments go together
    wanted: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for key, part in lock.files.groupby(["product", "series", "record"], sort=False):
        product, series, record = map(str, key)
        wanted.setdefault((product, series, tuple(part["segment"])), []).append(record)
    numbers = lock.files["recnum"]
    plans = []
    for (product, _, segments), records in wanted.items():
        rows = numbers[~numbers.index.duplicated()].loc[records].to_frame()
        protocol = product if product == "as-is" else "auto"
        made = process if product in steps else None
        plans.append(make_plan(queries, rows, list(segments), protocol, made, filename=filename))
    if not plans:
        raise JsocError("the lock names no file")
    if (template := plans[0].template) is not None:
        template.refuse_clashes(file for plan in plans for target in plan.targets for file in target.wanted())
    manifests = [carry_out(plan, directory, queries, account, progress, **options) for plan in plans]
    manifest = Manifest(pd.concat(manifests))
    _compare(manifest, lock)
    return manifest


def _compare(manifest: pd.DataFrame, lock: Lock) -> None:
    """Say which files are not those that were locked, though their record numbers are."""
    keys = zip(lock.files.index, lock.files["segment"], strict=True)
    locked = dict(zip(keys, lock.files["datasum"], strict=True))
    other = []
    for place, (record, row) in enumerate(manifest.iterrows()):
        said = locked.get((str(record), row["segment"]), "-")
        if said == "-" or not isinstance(row["path"], str) or (found := checksum(row["path"])) == said:
            continue
        reason = f"DATASUM is {found}, and was {said} when it was locked"
        manifest.iloc[place, list(manifest.columns).index("error")] = reason
        other.append(f"{row['path']}: {reason}")
    if other:
        warn(f"{len(other)} of {len(manifest)} files are not what was locked: {'; '.join(other[:3])}")


def diff(queries: Queries, lock: Lock) -> pd.DataFrame:
    """See `Client.diff`."""
    found: list[tuple[Any, ...]] = []
    locked = lock.files[~lock.files.index.duplicated()]
    for series, part in locked.groupby("series", sort=False):
        newest: dict[str, int] = {}
        for record_set in to_record_sets(list(part.index)):
            df = queries.query(record_set, keywords=queries.prime_keys(str(series)))
            newest.update(zip(df.index, df["recnum"].tolist(), strict=True))
        old = {record: number for record, number in part["recnum"].items() if newest.get(str(record)) != number}
        changed = [record for record in old if record in newest]
        cells = _cells(queries, str(series), [*old.values(), *(newest[record] for record in changed)])
        for record, was in old.items():
            now = newest.get(str(record))
            before, after = cells.get(was), cells.get(now or 0)
            if before is None or after is None:
                said = "JSOC has no such record any more" if now is None else "JSOC has the old version no more"
                found.append((record, was, now, None, None, said))
                continue
            found += [
                (record, was, now, name, before[name], after[name]) for name in before if before[name] != after[name]
            ]
    names = ["record", "recnum", "now", "keyword", "was", "is"]
    frame = pd.DataFrame(found, columns=names).astype({"recnum": "Int64", "now": "Int64"})
    return frame.astype({"record": "str"}).set_index("record")


def _cells(queries: Queries, series: str, recnums: list[int]) -> dict[int, dict[str, Any]]:
    """Return all keywords of records as JSOC prints them, by record number."""
    import numpy as np

    found: dict[int, dict[str, Any]] = {}
    sets = Selection(series, (), np.array(recnums, dtype=np.int64)).texts() if recnums else []
    for record_set in sets:
        body = queries.jsoc.records(record_set, ["*recnum*", *queries.info(series).keywords.index])
        if body.get("status") != 0:
            raise QueryError(f"the server refused to list {record_set}: {body.get('error')}", record_set=record_set)
        columns = {item["name"]: item["values"] for item in body.get("keywords", ())}
        for values in zip(*columns.values(), strict=True):
            row = dict(zip(columns, values, strict=True))
            found[int(row.pop("*recnum*"))] = row
    return found
