"""
What stands in the directory of a finished export: data files, ``index.json`` and its companions.

Nothing is written to disk: a directory is a list of names with what to make them from, and a file is made when asked
for.
"""

from __future__ import annotations

import io
import math
import re
import tarfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any, Final
from urllib.parse import quote

from ..catalog import printer, storage
from ..messages import File
from ..processing import Box, Look, ProcessError, component_file, film, plan, process_file, vector_segments
from .header import header, write
from .staging import StagedRequest, Staging, State
from .wanted import ExportFailedError, Namer, RecordTable, Stored, Wanted

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
            for part, piece in [("", content)] if (held := storage.folder(content)) is None else held.items():
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

    def __init__(self, sums: storage.Sums, staging: Staging, longest: int) -> None:
        self.sums, self.staging, self.longest = sums, staging, longest
        self._directories: OrderedDict[str, Directory] = OrderedDict()
        self._lock = threading.Lock()
        self._cache = storage.FileCache()

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
        return self._cache.put(path, File(content, float(int(request.ready)), storage.media_type(name)))

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
            directory.files[name] = partial(self._picture, request, file, counter, box, look)
        if look.kind in ("mp4", "mpg") and directory.rows:
            movie, frames = f"{wanted.records.name}.{look.kind}", [name for _, name in directory.rows]
            directory.files[movie] = partial(self._film, directory, frames)
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

    def _picture(self, request: StagedRequest, file: Stored, counter: int, box: Box | None, look: Look) -> bytes:
        return look.draw(self._exported(request, file, counter, box))

    def _film(self, directory: Directory, frames: Sequence[str]) -> bytes:
        return film([directory.files[name]() for name in frames])


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
