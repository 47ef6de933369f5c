"""
The storage side: files by path, storage units by number.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import tarfile
import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np

from ..messages import File
from .catalog import Catalog, StorageUnit, StoredCatalog

#: Bytes of recently served files that are kept.
CACHE_BYTES: Final = 64 * 2**20

_PATH: Final = re.compile(r"/SUM\d*/D(\d{1,18})/S(\d{5})/([^/\\\x00-\x1f]+)")


@runtime_checkable
class FileSource(Protocol):
    """A catalogue that makes its own files."""

    def locate(self, path: str) -> tuple[str, int, str] | None:
        """Series, record number and segment that a path leads to, None for nothing."""

    def open_file(self, series: str, recnum: int, segment: str) -> bytes:
        """Content of a file."""


class FileCache:
    """The last files served, up to so many bytes; safe for many threads."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit, self._size = limit, 0
        self._files: OrderedDict[str, File] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> File | None:
        """A file that is still there."""
        with self._lock:
            if path in self._files:
                self._files.move_to_end(path)
            return self._files.get(path)

    def put(self, path: str, file: File) -> File:
        """Keep a file; drops the ones not asked for longest."""
        with self._lock:
            if path not in self._files and len(file.content) <= self._limit:
                self._files[path] = file
                self._size += len(file.content)
                while self._size > self._limit:
                    _, old = self._files.popitem(last=False)
                    self._size -= len(old.content)
        return file


class Sums:
    """
    Files and storage units of a catalogue.

    Parameters
    ----------
    catalog : Catalog
        A `FileSource` is asked for its files; of a `StoredCatalog` a file is what lies under its directory
        (``DIR/SUM0/D1/S00000/name``), else valid FITS of the size that ``sums.jsonl`` gives.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._cache = FileCache()

    def file(self, path: str) -> File | None:
        """The file at an absolute server path, None where there is none or it is offline."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        return self._cache.get(path) or self._load(path, int(found[1]), found[2], found[3])

    def _load(self, path: str, sunum: int, slot: str, name: str) -> File | None:
        content: bytes | None
        if isinstance(self.catalog, FileSource):
            place = self.catalog.locate(path)
            if place is None:
                return None
            (unit,) = self.catalog[place[0]].units(np.array([sunum], dtype=np.int64))
            content = self.catalog.open_file(*place)
        else:
            found = self.unit(sunum)
            unit = found[1] if found and found[1].online else None
            content = self._stored(path, int(slot), name, unit) if unit else None
        if content is None or unit is None:
            return None
        return self._cache.put(path, File(content, modified(unit), media_type(name)))

    def _stored(self, path: str, slot: int, name: str, unit: StorageUnit) -> bytes | None:
        size = unit.files.get(name)
        if size is None or not path.startswith(unit.directory + "/"):
            return None
        if isinstance(self.catalog, StoredCatalog):
            if (unit.sunum, slot) not in self._owners:
                return None
            real = Path(self.catalog.directory) / path.lstrip("/")
            if real.is_file() and real.resolve().is_relative_to(Path(self.catalog.directory).resolve()):
                return real.read_bytes()
        return made_up(path, size)

    def unit(self, sunum: int) -> tuple[str, StorageUnit] | None:
        """Series and storage unit of that number, None where SUMS knows nothing of it."""
        wanted = np.array([sunum], dtype=np.int64)
        name = self._names.get(sunum) if isinstance(self.catalog, StoredCatalog) else None
        for one in [name] if name is not None else list(self.catalog):
            (unit,) = self.catalog[one].units(wanted)
            if unit is not None:
                return one, unit
        return None

    @functools.cached_property
    def _owners(self) -> dict[tuple[int, int], str]:
        """Series of each storage unit and slot of a stored catalogue, whose series share one table of units."""
        owners: dict[tuple[int, int], str] = {}
        for name in self.catalog:
            series = self.catalog[name]
            columns = series.columns(series.candidates({}, all_versions=True), ["sunum", "slotnum"])
            places = zip(columns["sunum"].tolist(), columns["slotnum"].tolist(), strict=True)
            owners |= dict.fromkeys(places, name)
        return owners

    @functools.cached_property
    def _names(self) -> dict[int, str]:
        return {sunum: name for (sunum, _), name in self._owners.items()}


def modified(unit: StorageUnit) -> float:
    """Unix time at which a unit's directory was last changed; 2010-01-01 where nobody says."""
    try:
        return datetime.fromisoformat(unit.mtime).timestamp()
    except ValueError:
        return 1262304000.0


def folder(content: bytes) -> dict[str, bytes] | None:
    """Files of a segment that is a directory, which is handed about as a tar; None for another segment."""
    if content[257:262] != b"ustar":
        return None
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        return {one.name: found.read() for one in packed if (found := packed.extractfile(one)) is not None}


def media_type(name: str) -> str:
    """Content type by the ending of a file name."""
    endings = {
        "fits": "image/fits",
        "json": "application/json",
        "txt": "text/plain",
        "html": "text/html",
        "tar": "application/x-tar",
    }
    return endings.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def made_up(path: str, size: int) -> bytes:
    """A file of `size` bytes that depend on the path only: FITS where the size is one that FITS can have."""
    seed = int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "big")
    noise = np.random.Generator(np.random.PCG64(seed))
    if size % 2880 or not size or not path.endswith(".fits"):
        return noise.bytes(size)
    lines = ["SIMPLE  =                    T", "BITPIX  =                   16"]
    rows = (size - 2880) // 240
    axes = [] if not rows else [120, rows]
    lines.append(f"NAXIS   = {len(axes):>20}")
    lines += [f"NAXIS{number}  = {length:>20}" for number, length in enumerate(axes, start=1)]
    head = "".join(f"{line:<80}" for line in [*lines, "END"]).ljust(2880).encode("ascii")
    values = noise.integers(-1500, 1500, size=rows * 120, dtype=np.int16)
    return head + values.astype(">i2").tobytes()
