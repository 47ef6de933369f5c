"""
What a plan comes to before anything is fetched: the route of each file, bytes, export requests, and time.

Nothing is written, no file is fetched, and no address is needed. The records were listed when the plan was made; here
they are held against the directory and its ledger.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import display
from ..export.steps import rescaled
from ..fits import headers as fits_headers
from ..progress import choose
from ..query import Queries
from ..series import RecordName, SeriesInfo, prime_time_key, series_of
from .download import Batch
from .exported import alive
from .ledger import FileRow, Ledger
from .plan import MOST_BYTES, SPEED, Plan, Target, record_sets
from .retrieval import OFFLINE
from .transfer import measure

if TYPE_CHECKING:
    from ..export import Export

#: Seconds that an export takes, whatever its size (35 files of JSOC: 55 to 85 s), where this directory's ledger has
#: measured nothing.
WAIT_S = 75.0
# files of a link have no *size*: one of each kind is measured, of so many kinds
_MOST_KINDS = 12
# cards of a header besides those of the keywords, of a compressed image and of a plain one
_PACKED_CARDS, _PLAIN_CARDS, _BLOCK_CARDS, _BLOCK = 42, 13, 36, 2880
# a pause in the ledger that is longer than this is no download
_LONGEST_GAP_S = 60.0
_NO_IMAGE = "the record has no image (QUALITY bit 31 is set)"


@dataclasses.dataclass
class _File:
    """A wanted file: where it comes from, how many bytes it will have, and how that is known."""

    row: FileRow
    route: str = "none"
    bytes: float | None = None
    reason: str = ""
    source: str = ""


def make_survey(plan: Plan, directory: str | os.PathLike[str] | None, queries: Queries) -> Plan:
    """
    Find out what a plan comes to.

    Parameters
    ----------
    plan : Plan
        Made with its records listed (``look=True``).
    directory : path or None
        Where the files would go; None for a directory without any.
    queries : Queries
        For record sets of exports, and for the size of files that have none in their record.

    Returns
    -------
    Plan
        With ``files``, ``requests``, ``seconds`` and what else there is to know.
    """
    home = Path(os.devnull if directory is None else directory)
    with Ledger(home, write=False) as ledger:
        look = _Look(queries, ledger, plan)
        for target in plan.targets:
            look.at(target)
        if plan.export is not None:
            look.at_export(plan.export)
        wait, waited = _waiting(ledger)
        speed, timed = _speed(ledger)
    files = look.frame(plan.asked)
    fetched = sum(file.bytes or 0.0 for file in look.files if file.route in ("sums", "export"))
    requests = tuple(text for text, _ in look.requests)
    busy = len(requests) + look.under_way
    return dataclasses.replace(
        plan,
        files=files,
        requests=requests,
        seconds=busy * wait + fetched / speed,
        limits=tuple(_limits(look, fetched, directory)),
        sources={
            "bytes": ", ".join(f"{word} ({count})" for word, count in look.sources.most_common()),
            "seconds": f"{wait:.3g} s a request ({waited}), {display.size(speed)} a second ({timed})",
        },
    )


class _Look:
    """Goes through the targets of a plan, and keeps what it finds."""

    def __init__(self, queries: Queries, ledger: Ledger, plan: Plan) -> None:
        self.queries, self.ledger = queries, ledger
        self.files: list[_File] = []
        #: Record sets to export, with their bytes.
        self.requests: list[tuple[str, float]] = []
        self.under_way = 0
        self.sources: Counter[str] = Counter()
        self._batch = Batch(ledger, queries.jsoc.transport, choose(False))
        self._batch.template = plan.template
        server = queries.jsoc.server.cgi_baseurl
        self._living = {
            one.key: one
            for one in ledger.requests(state=("planned", "pending", "done"))
            if one.server == server and alive(one.state, one.request_id, one.submitted)
        }
        sizes: dict[tuple[str, str, str], list[int]] = {}
        for row in ledger.files():
            if row.state == "done" and row.bytes:
                sizes.setdefault((series_of(row.record), row.segment, row.product), []).append(row.bytes)
        self._known = {key: sum(some) / len(some) for key, some in sizes.items()}

    def at(self, target: Target) -> None:
        """Find the route and the bytes of each file of a target."""
        product = target.product
        found: list[_File] = []
        listing = _Listing(target)
        for row, _, lies in self._batch.look(target.wanted(), product.name, tag=product.tag):
            file = _File(row)
            found.append(file)
            if lies == "ours":
                size = (self.ledger.directory / row.path).stat().st_size
                file.route, file.bytes, file.source = "here", float(size), "files that are there"
            elif lies == "a stranger":
                file.reason = f"{row.path} is there already, and is no file that we put there"
            else:
                file.route, file.reason = self._route(target, row, listing)
        self._weigh(target, [file for file in found if file.route in ("sums", "export")], listing)
        self.files += found
        # a request that is under way is waited for, and none is made for its files
        pledged = {file.row.request for file in found if file.route == "export" and self._pledged(target, file.row)}
        self.under_way += sum(self._living[key].state != "done" for key in pledged if key is not None)
        self.requests += self._requests(target, found, listing)

    def _requests(self, target: Target, files: list[_File], listing: _Listing) -> Iterator[tuple[str, float]]:
        """
        Yield the exports that JSOC would take, with their bytes.

        JSOC is asked for records without an image, too, and leaves them out; one file on tape makes it refuse a whole
        set, of which the others are asked for once more.
        """
        by_key = {file.row.key: file for file in files}
        asked = [file.row for file in files if self._is_asked_for(target, file)]
        refused: list[FileRow] = []
        for again in (False, True):
            for text, rows in record_sets(self.queries, target, refused if again else asked):
                some = [by_key[row.key] for row in rows]
                if not again and any(file.reason == OFFLINE for file in some):
                    refused += [file.row for file in some if file.route == "export"]
                else:
                    yield text, sum(file.bytes or 0.0 for file in some if file.route == "export")

    def _route(self, target: Target, row: FileRow, listing: _Listing) -> tuple[str, str]:
        if row.recnum not in listing:
            return "none", f"record number {row.recnum} is not in {target.info.name} any more"
        if listing.is_dark(row.recnum):
            return "none", _NO_IMAGE
        if self._pledged(target, row):
            request = self._living[row.request or 0]
            return "export", f"{request.request_id or 'a request'} of an earlier run brings it"
        if not listing.is_online(row):
            return "none", OFFLINE
        if target.product.staged:
            steps = bool(target.product.process) and target.product.cutout is None
            return "export", "a processing step is asked for" if steps else "JSOC is to stage all (protocol='fits')"
        return "sums", ""

    def _pledged(self, target: Target, row: FileRow) -> bool:
        request = self._living.get(row.request or 0)
        return request is not None and (not target.product.staged or request.process == target.product.process)

    def _is_asked_for(self, target: Target, file: _File) -> bool:
        if self._pledged(target, file.row):
            return False
        return file.route == "export" or file.reason == OFFLINE or (file.reason == _NO_IMAGE and target.product.staged)

    def _weigh(self, target: Target, files: list[_File], listing: _Listing) -> None:
        """Say how many bytes each file will have, by the best that is known."""
        product = target.product
        as_is = product.protocol == "as-is"
        # a cutout is no larger than its image, whatever box was asked for
        size_ratio = product.size_ratio * rescaled(product.process)
        ratio = min(size_ratio, 1.0) if "im_patch" in product.process else size_ratio
        headers = {name: 0.0 if as_is else header_bytes(target.info, name) for name in target.segments}
        for file in files:
            known = self._known.get((target.info.name, file.row.segment, product.name))
            stored, source = listing.stored(file.row), "*size*"
            if known is not None and (stored is None or (product.process and file.route == "export")):
                file.bytes, file.source = known, "files like it in the ledger"
                continue
            if stored is None:
                stored, source = self._like(target, file.row, listing)
            if stored is not None:
                if product.cutout is not None and file.route == "sums":
                    wide, high = product.cutout.size
                    part = min(1.0, math.sqrt(ratio * high / wide))
                    file.bytes, file.source = stored * part, f"a guess from {source} and the rows of the box"
                    continue
                own = headers[file.row.segment] if file.row.path.endswith(".fits") else 0.0
                file.bytes = _whole(stored * ratio, own) if product.process else stored + own
                file.source = f"a guess from {source} and the step" if product.process else source

    def _like(self, target: Target, row: FileRow, listing: _Listing) -> tuple[float | None, str]:
        """Return the bytes of a stored file of which nothing is said, by others of its kind."""
        if (mean := listing.mean(row.segment)) is not None:
            return mean, "estimated from *size* of others"
        kind = listing.kind(row)
        if kind not in listing.measured and len(listing.measured) < _MOST_KINDS and (url := listing.url(row)):
            listing.measured[kind] = measure(url, self.queries.jsoc.transport)
        if size := listing.measured.get(kind):
            return size, "one of its kind that was measured"
        if others := [size for (segment, _), size in listing.measured.items() if size and segment == row.segment]:
            return sum(others) / len(others), "estimated from others that were measured"
        dims = target.info.segments["dims"].get(row.segment)
        numbers = [int(one) for one in re.findall(r"\d+", str(dims or ""))]
        return (float(math.prod(numbers)), "estimated as a byte a pixel") if numbers else (None, "")

    def at_export(self, export: Export) -> None:
        """Take the files of requests that were made before; JSOC says how large all are together."""
        for request in export.requests:
            waiting = request.pending or request.planned
            self.under_way += waiting
            count = max(len(request.wanted), 1)
            for one in request.wanted:
                row = FileRow(one.record, one.recnum, one.segment, request.process or "fits", "")
                reason = str(request.error) if request.error else f"{request.id or 'a request'} brings it"
                size = request.size * 1e6 / count if request.size else None
                route = "none" if request.error else "export"
                self.files.append(_File(row, route, size, reason, "JSOC's own estimate" if size else ""))

    def frame(self, asked: Sequence[tuple[str, int | None]]) -> pd.DataFrame:
        """Return `Plan.files`, in the order of the manifest."""
        self.sources = Counter(file.source or "not known" for file in self.files if file.route != "none")
        by_key = {file.row.key: file for file in self.files}
        self._batch.rows = [file.row for file in self.files]
        files = [by_key[row.key] for row in self._batch.as_asked(asked)]
        sizes = [None if file.bytes is None or file.route == "none" else round(file.bytes) for file in files]
        return pd.DataFrame(
            {
                "segment": pd.Series([file.row.segment for file in files], dtype="str"),
                "route": pd.Series([file.route for file in files], dtype="str"),
                "bytes": pd.Series(sizes, dtype="Int64"),
                "reason": pd.Series([file.reason or None for file in files], dtype="str"),
            }
        ).set_axis(pd.Index([file.row.record for file in files], name="record", dtype="str"))


class _Listing:
    """What the server lists of a target's records, by record number."""

    def __init__(self, target: Target) -> None:
        frame = target.listing
        assert frame is not None, "the plan was made without looking"
        self._place = {int(number): place for place, number in enumerate(frame["recnum"])}
        nothing = np.zeros(len(frame), dtype=bool)
        self._dark = ~frame.jsoc.good().to_numpy() if "QUALITY" in frame.columns else nothing
        self._urls: Mapping[str, Any] = {
            name: frame[name].array for name in target.info.segments.index if name in frame.columns
        }
        there = [frame[name].notna().to_numpy() for name in self._urls]
        count = np.sum(there, axis=0) if there else nothing.astype(int)
        #: Of the stored images, arcsec a pixel, where it was asked for.
        # the server's sum is of all files that were asked for, and begins at -1 (jsoc_info.c)
        total = pd.to_numeric(frame["size"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan) + 1.0
        self._share = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        #: Bytes of one file of each kind: segment, and the prime keys but for the time.
        self.measured: dict[tuple[str, tuple[str, ...]], float | None] = {}
        keys = [key for key in target.info.primekeys or () if key]
        time_key = prime_time_key(target.info)
        self._others = [place for place, key in enumerate(keys) if key != time_key]
        # steps that make segments of their own read the stored ones
        self._source = next(iter(self._urls), None)

    def __contains__(self, recnum: int) -> bool:
        return recnum in self._place

    def is_dark(self, recnum: int) -> bool:
        return bool(self._dark[self._place[recnum]])

    def url(self, row: FileRow) -> str | None:
        column = self._urls.get(row.segment, self._urls.get(self._source or ""))
        place = self._place.get(row.recnum)
        found = None if column is None or place is None else column[place]
        return found if isinstance(found, str) else None

    def is_online(self, row: FileRow) -> bool:
        return self.url(row) is not None

    def stored(self, row: FileRow) -> float | None:
        """Return the bytes of a file that is online; of several of a record, a part of what all have."""
        place = self._place.get(row.recnum)
        size = math.nan if place is None or not self.is_online(row) else float(self._share[place])
        return None if math.isnan(size) else size

    def mean(self, segment: str) -> float | None:
        column = self._urls.get(segment)
        sizes = self._share[pd.notna(column)] if column is not None else self._share
        sizes = sizes[~np.isnan(sizes)]
        return float(sizes.mean()) if len(sizes) else None

    def kind(self, row: FileRow) -> tuple[str, tuple[str, ...]]:
        values = RecordName.parse(row.record).bare
        return row.segment, tuple(values[place] for place in self._others if place < len(values))


def header_bytes(info: SeriesInfo, segment: str) -> float:
    """Return by how much a stored file grows when its header gets the keywords."""
    names = fits_headers.keyword_names(info)
    own = [name for name in names if re.search(r"_\d{3}$", name)]  # each of one segment
    cards = len(names) - len(own) + len(own) / max(len(info.segments), 1)
    place = list(info.segments.index).index(segment) if segment in info.segments.index else 0
    said = {str(name).lower(): value for name, value in info.keywords["defval"].items()}
    packed = "compress" in str(said.get(f"cparms_sg{place:03d}", "compress"))
    return _BLOCK * (math.ceil((cards + (_PACKED_CARDS if packed else _PLAIN_CARDS)) / _BLOCK_CARDS) - 1.0)


def _whole(data: float, header: float) -> float:
    """Return the bytes of a FITS file: whole blocks, for the primary header, the image's and the data."""
    return _BLOCK * (math.ceil(data / _BLOCK) + 2.0) + header


def _waiting(ledger: Ledger) -> tuple[float, str]:
    done = [row.finished - row.submitted for row in ledger.requests(state=("done",)) if row.finished and row.submitted]
    return (sum(done) / len(done), "measured") if done else (WAIT_S, "assumed")


def _speed(ledger: Ledger) -> tuple[float, str]:
    """Return bytes a second, by when the files of the ledger were finished."""
    rows = sorted((row.finished, row.bytes) for row in ledger.files() if row.finished and row.bytes)
    steps = [(now - before, size) for (before, _), (now, size) in itertools.pairwise(rows)]
    steps = [(gap, size) for gap, size in steps if 0 < gap < _LONGEST_GAP_S]
    seconds = sum(gap for gap, _ in steps)
    return (sum(size for _, size in steps) / seconds, "measured") if seconds > 0 else (SPEED, "assumed")


def _limits(look: _Look, fetched: float, directory: str | os.PathLike[str] | None) -> Iterator[str]:
    """Yield what stands in the way, in words."""
    for text, size in look.requests:
        if size > MOST_BYTES:
            said = display.shorten(text, 60)
            yield f"{said} is {display.size(size)}, and JSOC takes 100 GB a request: ask for fewer records at once"
    home = Path("." if directory is None else directory).absolute()
    free = shutil.disk_usage(next(one for one in (home, *home.parents) if one.is_dir())).free
    if directory is not None and fetched > free:
        yield f"{home} has {display.size(free)} left, and {display.size(fetched)} would come: make room"
