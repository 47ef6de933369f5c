"""
What a download is to bring: rows become records and segments, with the steps to apply, and these become a `Plan`.

A plan is made once, from what users call rows; everything below works on it. `record_sets` cuts what must be exported
into the fewest record sets.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import display
from ..errors import ArgumentError, JsocError, QueryError, TooMany, choice, warn
from ..export import Account, Export, ExportRequest
from ..export.steps import Cutout, Patch, as_steps, chain, segments_made
from ..query import Queries, segment_columns
from ..recordset import RecordSet, numbers_in, refuse
from ..selection import Selection, asked, select, to_record_sets
from ..series import FileKey, SeriesInfo, check_names, series_of
from .cut import reference
from .ledger import FileRow
from .sums import endings
from .template import Template

if TYPE_CHECKING:
    import pandas as pd

# The record number in the server's file names tells which record a file belongs to, whatever else the reply says.
FILENAME_FORMAT = "{seriesname}.{recnum:%lld}.{segment}"

# records that one question is to tell of, and how many it may list with others between them, in how many ranges; a
# larger answer would be held against a count
LISTED, MOST_LISTED, MOST_RANGES = 10_000, 19_000, 100

# bytes a second of one connection to JSOC, as public projects have measured (1.3 to 2.6 MB/s)
SPEED = 2e6
#: JSOC refuses more for one request: 100 GB as it counts them.
MOST_BYTES = 104_857_000_000

# jsoc_export_manage.c; anything else is accepted first and fails later
METHODS = ("url", "url_quick", "url-tar", "ftp", "ftp-tar")
PICTURES = ("jpg", "mpg", "mp4", "png")
PROTOCOLS = ("fits", "as-is", *PICTURES)


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
    cutout : Cutout or None
        The only step, where it does no more than copy pixels: files that are online are cut here, then.
    reference : mapping or None
        Its reference image.
    """

    protocol: str
    process: str = ""
    size_ratio: float = 1.0
    cutout: Cutout | None = field(default=None, compare=False)
    reference: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """How the ledger calls it: what JSOC exports as FITS and what is completed here are the same thing."""
        return self.process or ("as-is" if self.protocol == "as-is" else "fits")

    @property
    def staged(self) -> bool:
        """Whether JSOC is asked for all files, online or not."""
        return self.protocol == "fits" or (bool(self.process) and self.cutout is None)

    @property
    def made(self) -> tuple[str, ...]:
        """Segments that the steps make in place of the stored ones; empty where these stay."""
        return segments_made(self.process)

    @property
    def tag(self) -> str:
        """What tells its files from the whole, unprocessed ones: the steps' names and a hash of their arguments."""
        return tag_of(self.process)


def tag_of(process: str) -> str:
    """Return what tells the files of steps from others; empty for no steps."""
    steps = "-".join(step.partition(",")[0] for step in process.split("|") if not step.startswith("n="))
    return f"{steps}-{hashlib.sha256(process.encode()).hexdigest()[:6]}" if process else ""


@dataclass(frozen=True, slots=True)
class Target:
    """Chosen records of one series in the order of the rows, the segments wanted of each, and what to make of them."""

    info: SeriesInfo
    records: tuple[tuple[str, int], ...]
    segments: tuple[str, ...]
    product: Product
    #: What the server lists of the records, where a plan was asked for.
    listing: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    #: Where a template names the files: their paths, in the order of `wanted`.
    paths: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def wanted(self) -> Iterator[FileKey]:
        """Yield the files."""
        ending = endings(self.info, self.segments)
        paths = iter(self.paths)
        for record, recnum in self.records:
            for segment in self.segments:
                yield FileKey(record, recnum, segment, ending[segment], next(paths, ""))


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """
    What a download is to bring, and, made by `Client.plan`, what that comes to.

    Attributes
    ----------
    targets : tuple of Target
        Records of each series, with their segments and what to make of them.
    asked : tuple of (str, int or None)
        Name and record number of each row that was asked for, in order and as often as it was.
    export : Export or None
        Requests that were made before, in place of targets: their files.
    template : Template or None
        What the files are called, where users have spelled it.
    files : DataFrame or None
        A row a file; index ``record``; ``segment``, ``route`` ("here", "sums", "export", "none"), ``bytes`` (Int64; NA
        where nobody knows), ``reason``. None where nobody asked for a plan.
    requests : tuple of str
        The record sets that would be exported.
    seconds : float
        How long all takes: what exports wait, and what the line brings.
    limits : tuple of str
        What stands in the way, in words.
    sources : mapping
        How ``bytes`` and ``seconds`` are known.
    """

    targets: tuple[Target, ...] = ()
    asked: tuple[tuple[str, int | None], ...] = ()
    export: Export | None = None
    template: Template | None = None
    files: pd.DataFrame | None = None
    requests: tuple[str, ...] = ()
    seconds: float = 0.0
    limits: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes that would be fetched."""
        if self.files is None:
            return 0
        fetched = self.files[self.files.route.isin(["sums", "export"])].reset_index()
        return int(fetched.drop_duplicates(["record", "segment"])["bytes"].sum())

    def __repr__(self) -> str:
        if self.files is None:
            return f"<Plan of {display.number_of(sum(len(one.records) for one in self.targets), 'record')}>"
        lines = [self._head()]
        rows = [[text, *cells] for text, *cells in self._groups()]
        lines += (
            [display.text_table(["series", "segment", "route", "files", "size"], rows, right=[3, 4])] if rows else []
        )
        lines += [f"{name}: {text}" for name, text in self.sources.items() if text]
        lines += [f"request: {display.shorten(text, 110)}" for text in self.requests[:3]]
        lines += [f"… {len(self.requests) - 3} more"] if len(self.requests) > 3 else []
        return "\n".join([*lines, *(display.wrapped(text, 110) for text in (*self._reasons(), *self.limits))])

    def _repr_html_(self) -> str:
        if self.files is None:
            return display.block(repr(self))
        told = [f"{name}: {text}" for name, text in self.sources.items() if text]
        return display.block(
            display.join(display.Html("<b>Plan</b> "), self._head()),
            display.table(["series", "segment", "route", "files", "size"], self._groups(), right=[3, 4]),
            *(display.muted(text) for text in told),
            display.bullets([*self._reasons(), *self.limits]) if self._reasons() or self.limits else "",
            display.details(
                display.number_of(len(self.requests), "export request"),
                display.table(["record set"], [[display.mono(text)] for text in self.requests]),
            )
            if self.requests
            else "",
        )

    def _head(self) -> str:
        assert self.files is not None
        words = {"here": "here", "sums": "straight from SUMS", "export": "by export", "none": "not to be had"}
        counts = self.files.route.value_counts()
        parts = [f"{counts[route]:,} {word}" for route, word in words.items() if route in counts.index]
        made = display.number_of(len(self.requests), "export request")
        total = f"{display.number_of(len(self.files), 'file')}: {', '.join(parts)}" if len(self.files) else "no files"
        return f"{total}; {made}, {display.size(self.bytes)} to fetch, about {_duration(self.seconds)}"

    def _groups(self) -> list[list[str]]:
        assert self.files is not None
        series = [series_of(record) for record in self.files.index]
        grouped = self.files.groupby([series, "segment", "route"], sort=False)["bytes"]
        return [
            [*map(str, keys), f"{len(sizes):,}", display.size(sizes.sum()) if sizes.notna().any() else "-"]
            for keys, sizes in grouped
        ]

    def _reasons(self) -> list[str]:
        assert self.files is not None
        told = self.files.loc[self.files.route == "none", "reason"].value_counts()
        return [f"{count:,} not to be had: {reason}" for reason, count in told[:3].items()]


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def make_plan(
    queries: Queries,
    rows: Any,
    segments: list[str] | None,
    protocol: str,
    steps: Any,
    *,
    look: bool = False,
    listed: bool = False,
    most: int | None = None,
    filename: str | None = None,
) -> Plan:
    """
    Find out what rows are, and which of their files are wanted.

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
    look : bool
        Whether the records are listed with what `make_survey` has to know.
    listed : bool
        The server has just listed these rows: names and numbers need not be compared.
    most : int, optional
        Most files of a record set, which may hold more than its author thinks; rows that were listed are meant.
    filename : str, optional
        What the files are called: a template.

    Raises
    ------
    TooMany
        For more.
    ValueError
        For a protocol that there is not, or that goes with no steps.
    SelectionError, ProcessingError
        See `Client.download`.
    """
    protocol = choice("protocol", protocol, ("auto", "fits", "as-is"), "; Client.export knows more")
    if steps is not None and protocol == "as-is":
        raise ArgumentError("protocol='as-is' with processing steps: stored files are not processed; leave one out")
    template = None if filename is None else Template(filename)
    if isinstance(rows, Export):
        if template is None and any(one.filename not in ("", FILENAME_FORMAT) for one in rows):
            warn(
                "files of this export get jsoclite's names here: those of filename= are JSOC's, in export.files; "
                "download(filename=…) takes names of yours"
            )
        return Plan(export=rows, template=template)
    options: dict[str, Any] = {"look": look, "listed": listed, "most": most, "template": template}
    found = tuple(targets(queries, rows, segments, protocol, steps, **options))
    if template is not None:
        template.refuse_clashes(file for target in found for file in target.wanted())
    if not isinstance(rows, str | RecordSet):
        return Plan(found, tuple(asked(rows)), template=template)
    count = sum(len(target.records) * len(target.segments) for target in found)
    if most is not None and count > most:
        size = sum(len(target.records) * _stored_bytes(target.info, target.segments) for target in found)
        raise TooMany(
            f"{rows} has {count:,} files, some {display.size(size)}, which take {_duration(size / SPEED)} at 2 MB/s. "
            f"If you mean them all, pass limit={count} (--yes on the command line); else name segments, a shorter "
            "range or a cadence",
            count,
            record_set=str(rows),
        )
    return Plan(found, template=template)


def _stored_bytes(info: SeriesInfo, segments: Iterable[str]) -> float:
    """Guess the bytes of a record's files: a byte a pixel."""
    sizes = (re.findall(r"[0-9]{1,6}", str(info.segments["dims"].get(name) or "")) for name in segments)
    return float(sum(math.prod(map(int, axes)) for axes in sizes if axes))


def _room(info: SeriesInfo, segments: Iterable[str], ratio: float) -> float:
    """Return how many records JSOC's limit of bytes lets pass in a request, at a byte a pixel."""
    size = _stored_bytes(info, segments) * ratio
    return MOST_BYTES / size if size else math.inf


def make_export(
    queries: Queries,
    account: Account,
    rows: Any,
    segments: list[str] | None,
    *,
    method: str,
    protocol: Any,
    process: Any,
    filename: str | None,
) -> Export:
    """Make the requests of `Client.export`, which says what the arguments are; none is submitted yet."""
    method, protocol = choice("method", method, METHODS), _protocol(protocol)
    if method == "url_quick" and protocol != "as-is":
        raise ArgumentError(
            f"method='url_quick' with protocol={protocol!r}: JSOC answers at once only with files as they are "
            "stored; write protocol='as-is', or method='url' and wait for staging"
        )
    options = {"method": method, "protocol": protocol, "filename": filename or FILENAME_FORMAT}
    requests: list[ExportRequest] = []
    wanted: list[FileKey] = []
    chosen: list[Any] = [rows]
    if isinstance(rows, str | RecordSet):
        (record_set,) = to_record_sets(rows, segments=segments)
        queries.checked(record_set.series, lambda info: refuse(record_set.elements, info))
        info = queries.info(record_set.series)
        text, ratio, *_ = processing(queries, process, info, record_set.segments or ())
        named = record_set.segments or tuple(info.segments.index)
        if segments_made(text):  # from several of the stored segments: which, is left to the step
            asked, made = list(record_set.segments or ()), segments_made(text)
            queries.checked(record_set.series, lambda info: chosen_segments(asked, info, made))
            record_set = record_set.with_segments(None)
        room = _room(info, named, ratio)
        chosen = []
        # JSOC takes a list of sets as a question and fails on it as an export
        for one in record_set:
            if room < (count := _records_of(queries, one)) < math.inf:
                chosen.append(one)
            elif count:
                requests.append(account.request(str(one), process=text, size_ratio=ratio, **options))
    for some in chosen:
        for target in targets(queries, some, segments, protocol, process):
            wanted += _pictured(target.wanted(), protocol) if some is rows else ()
            for text, files in record_sets(queries, target, target.wanted()):
                steps = {"process": target.product.process, "size_ratio": target.product.size_ratio}
                files = _pictured(files, protocol) if some is rows else []
                requests.append(account.request(text, wanted=files, **steps, **options))
    return account.export(requests, wanted, lambda request: _halves(queries, account, request))


def _pictured(files: Iterable[FileKey], protocol: str) -> list[FileKey]:
    """Return what an export makes of files: pictures have their own extension, a movie is of none of them."""
    kind = protocol.partition(",")[0]
    if kind in PICTURES:
        return [] if kind in ("mpg", "mp4") else [replace(one, ending=f".{kind}") for one in files]
    return list(files)


def _protocol(protocol: Any) -> str:
    """Return the protocol of an export with its arguments; drms writes these as a mapping beside it."""
    arguments: Any = ""
    if isinstance(protocol, tuple) and len(protocol) == 2 and isinstance(protocol[1], Mapping):
        protocol, given = protocol
        arguments = ",".join(f"{name}={value}" for name, value in given.items())
    elif isinstance(protocol, str):
        protocol, _, arguments = protocol.partition(",")
    kind = choice("protocol", protocol, PROTOCOLS, ", arguments behind a comma, as in 'jpg,CT=aia_171.lut'")
    return f"{kind},{arguments}" if arguments else str(kind)


def _records_of(queries: Queries, element: RecordSet) -> float:
    """Count records before an export is made of nothing: JSOC takes it, and the address waits for its end."""
    try:
        count = queries.size(element.with_segments(None))
    except QueryError:  # what is wrong with it, the answer to the export says in its own words
        return math.inf
    if not count:
        warn(f"no record matches {element}: no export is made of it")
        queries.tell_lack(element)
    return count


def _halves(queries: Queries, account: Account, request: ExportRequest) -> list[ExportRequest]:
    """Return requests for the two halves of one that JSOC has refused as too large; none of a single record."""
    record_set = RecordSet.parse(request.record_set or "")
    recnums = queries.recnums(record_set.with_segments(None))
    middle = len(recnums) // 2
    options = {name: getattr(request, name) for name in ("method", "protocol", "process", "filename", "size_ratio")}
    parts = (np.array(part, dtype=np.int64) for part in (recnums[:middle], recnums[middle:]) if middle)
    chosen = [Selection(record_set.series, (), part).record_sets(record_set.segments) for part in parts]

    def made(text: str) -> ExportRequest:
        numbers = set(numbers_in(text))
        return account.request(text, wanted=[one for one in request.wanted if one.recnum in numbers], **options)

    return [made(str(one)) for sets in chosen for one in sets]


R = TypeVar("R", FileKey, FileRow)


def record_sets(
    queries: Queries, target: Target, rows: Iterable[R], most: int | None = None
) -> Iterator[tuple[str, list[R]]]:
    """
    Yield the fewest record sets, with the files that each stands for.

    Records that want the same segments go together, `most` of them at most, and no more than JSOC's limit of bytes
    lets pass, at a byte a pixel. Where several requests would be needed, shorter forms are tried, and used only if the
    server lists the very same record numbers for them.
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
        room = _room(target.info, segments, target.product.size_ratio)
        max_rows = max(1, int(min(room, most or room, len(recnums))))
        for record_set in chosen.record_sets(braces, max_rows=max_rows, verify=ask, info=target.info):
            found = listed.get(str(record_set.with_segments(None))) or numbers_in(str(record_set))
            yield str(record_set), [row for recnum in found for row in by_record[recnum]]


def targets(
    queries: Queries,
    rows: Any,
    segments: list[str] | None,
    protocol: str,
    steps: Any,
    *,
    look: bool = False,
    listed: bool = False,
    most: int | None = None,
    template: Template | None = None,
) -> list[Target]:
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
    look : bool
        See `make_plan`.
    listed : bool
        Whether the server has just listed the rows.
    most : int, optional
        See `make_plan`.
    template : Template, optional
        What the files are called.
    """
    steps = as_steps(steps)
    if isinstance(rows, str):
        rows = RecordSet.parse(rows)
    fresh = listed or isinstance(rows, RecordSet)
    if isinstance(rows, RecordSet):
        segments = segments or list(rows.segments or ()) or None
        record_set, keys = rows, queries.prime_keys(rows.series)
        more: tuple[list[str], list[str] | None] = ([], None)
        if look:
            more = _looked_at(queries.info(rows.series, anew=not segments), segments)
        if template is not None:
            more = ([*queries.checked(rows.series, template.bind), *more[0]], more[1])
        rows = queries.query(rows, keywords=[*keys, *more[0]], segments=more[1], most=most)
        if not len(rows):
            warn(f"no record matches {record_set}")
    found = []
    selections = select(rows)
    names = {chosen.series for chosen in selections}
    if both := sorted(name for name in names if f"{name}_nrt" in names and "HARPNUM" in queries.prime_keys(name)):
        warn(
            f"{both[0]} and {both[0]}_nrt number their HARPs apart: one HARPNUM means two regions; compare by NOAA_ARS"
        )
    for chosen in selections:
        # of an earlier run's definition only names are taken: all segments are all that there are now
        info = queries.info(chosen.series, anew=not segments or "**ALL**" in segments)
        named = segments or segment_columns(rows, info)

        def choose(info: SeriesInfo, named: list[str] | None = named) -> tuple[SeriesInfo, Product, list[str]]:
            product = Product(protocol, *processing(queries, steps, info, named or ()))
            wanted = chosen_segments(named, info, product.made)
            if template is not None:
                template.bind(info, endings(info, wanted))
            return info, product, wanted

        info, product, wanted = queries.checked(chosen.series, choose)
        if not wanted:
            raise JsocError(f"{info.name} has no segments: its records have no files, all is in the keywords")
        if chosen.recnums is None:
            records = queries.numbers(chosen.names)
        else:
            if not fresh and not look:
                queries.compare(chosen)
            records = tuple(zip(chosen.names, (int(number) for number in chosen.recnums), strict=True))
        tables = [rows] if hasattr(rows, "columns") else []
        lacking = template.lacking(info, records, tables) if template is not None else []
        looked = None
        if look and fresh:
            looked = rows
        elif look or lacking:
            keywords, columns = _looked_at(info, named) if look else ([], [])
            looked = list_records(queries, info, records, [*keywords, *lacking], columns)
            tables.append(looked)
        target = Target(info, records, tuple(wanted), product, looked if look else None)
        if template is not None:
            paths = template.paths(info, records, target.wanted(), tables, product.tag or product.name)
            target = replace(target, paths=tuple(paths))
        found.append(target)
    return found


def _looked_at(info: SeriesInfo, segments: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the keywords and segments that tell whether there is an image, how large it is, and where."""
    usual = segments or usual_segments(info)
    stored = [name for name in info.segments.index if name in usual or "**ALL**" in usual]
    keywords = ["QUALITY"] if "QUALITY" in info.keywords.index else []
    return [*keywords, "*size*"], stored or list(info.segments.index[:1])


def list_records(
    queries: Queries, info: SeriesInfo, records: Sequence[tuple[str, int]], keywords: list[str], segments: list[str]
) -> pd.DataFrame:
    """List records, with one question for so many of them where it does not list too many others between them."""
    import pandas as pd

    names, numbers = zip(*records, strict=True) if records else ((), ())
    wanted = np.unique(np.array(numbers, dtype=np.int64))
    frames = []
    for start in range(0, len(wanted), LISTED):
        part = wanted[start : start + LISTED]
        texts = Selection(info.name, (), part).texts()
        if len(texts) > 1:
            breaks = np.sort(np.argsort(np.diff(part))[1 - MOST_RANGES :])
            firsts, lasts = part[np.append(0, breaks + 1)], part[np.append(breaks, len(part) - 1)]
            if (lasts - firsts + 1).sum() < MOST_LISTED:
                ranges = (f"#{first}-#{last}" for first, last in zip(firsts, lasts, strict=True))
                texts = [f"{info.name}[:{','.join(ranges)}]"]
        frames += [queries.query(text, keywords=keywords, segments=segments) for text in texts]
    listed: pd.DataFrame = pd.concat(frames)
    queries.compare(Selection(info.name, names, np.array(numbers, dtype=np.int64)), listed)
    return listed[listed["recnum"].isin(wanted)]


def usual_segments(info: SeriesInfo, *, tell: bool = False) -> list[str]:
    """Return the segments of a series that people mean who name none: of AIA without the list of cosmic rays."""
    known = list(info.segments.index)
    usual = [name for name in known if name != "spikes" or known == ["spikes"]]
    if tell and usual != known:
        _tell_of_spikes(info.name)
    return usual


@functools.cache
def _tell_of_spikes(series: str) -> None:
    """Say it once in a process."""
    warn(f"{series} without its spikes (cosmic rays, half of all files): name segments=['image', 'spikes'] for both")


def chosen_segments(asked: list[str] | None, info: SeriesInfo, made: Sequence[str] = ()) -> list[str]:
    """
    Return the segments that are wanted.

    Where steps make segments of their own, these: all of them, unless some are named; who names stored ones means what
    is made of them.
    """
    known = list(info.segments.index)
    if not asked:
        return list(made) or usual_segments(info, tell=True)
    if "**ALL**" in asked:
        return list(made) or known
    names = check_names(asked, [*made, *known], "segment", info.name)
    return [name for name in names if name in made] or list(made) or names


def processing(
    queries: Queries, steps: Any, info: SeriesInfo, segments: Sequence[str] = ()
) -> tuple[str, float, Cutout | None, Mapping[str, Any] | None]:
    """
    Return what a `Product` says of processing steps.

    Raises
    ------
    ProcessingError
        For steps that cannot work, a reference time without an image, or a centre off the disk that is to be followed.
    """
    steps = as_steps(steps)
    if steps is None:
        return "", 1.0, None, None
    known = info.segments["dims"]
    sizes = [known[name] for name in segments if name in known.index] or list(known)
    dims = next((re.fullmatch(r"(\d+)x(\d+)", str(size)) for size in sizes if size), None)
    text, ratio = chain(steps, series=info.name, dims=(int(dims[1]), int(dims[2])) if dims else None)
    image = None
    for step in steps:
        if isinstance(step, Cutout):
            image = reference(queries.jsoc, info, step)
    alone = steps[0] if len(steps) == 1 and Patch.copies(steps[0]) else None
    return text, ratio, alone, image
