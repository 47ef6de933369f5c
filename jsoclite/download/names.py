"""
File names: predictable, safe on every system, made from record names and never from what the server calls its files.

``hmi.M_720s[2014.01.01_00:00:00_TAI][3]`` and ``magnetogram`` give
``hmi.M_720s.20140101_000000_TAI.3.magnetogram.fits``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable

from ..series import RecordName

# Most file systems take 255 bytes; ".part.etag" and a version suffix must still fit.
LONGEST = 200

# what data come as; nothing that a system or an interpreter would run
_ENDINGS = frozenset(
    [
        *("fits", "fts", "fz", "tas", "h5", "hdf", "nc", "sav", "bin", "dat"),
        *("jpg", "jpeg", "png", "gif", "tif", "tiff", "mpg", "mp4", "mov", "pdf", "ps"),
        *("txt", "csv", "tsv", "json", "xml", "tar", "gz", "zip"),
    ]
)

# endings that a system or an interpreter runs, and those that are ours
# names of series, and of requests: a movie belongs to no record
_SERIES = re.compile(r"[A-Za-z_]\w*(\.\w+)+|JSOC_[0-9]{8}_\w+", re.ASCII)
_NEVER = frozenset(
    [
        *("py", "pyc", "pyw", "sh", "bash", "bat", "cmd", "com", "exe", "ps1", "vbs", "js", "jar", "so", "dll"),
        *("html", "htm", "svg", "lnk", "desktop", "part", "etag", "sqlite"),
    ]
)

_TIME = re.compile(r"(\d{4})[.-](\d\d)[.-](\d\d)[_T](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?(?:_?([A-Za-z]+))?")
# names that Windows keeps for devices, whatever their extension
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def _safe(text: str) -> str:
    text = re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._ ")
    return "_" + text if _DEVICES.match(text) else text


def _value(text: str) -> str:
    time = _TIME.fullmatch(text)
    if not time:
        return _safe(text)
    year, month, day, hour, minute, second, zone = time.groups()
    zone = "UTC" if zone in (None, "Z", "UT") else zone
    return f"{year}{month}{day}_{hour}{minute}{second or '00'}_{zone}"


def stem(record: str) -> str:
    """
    Return the part of a file name that stands for a record.

    Where a character had to be replaced, or the name cut, a short hash of the whole record name is part of the stem.
    """
    name = RecordName.parse(record)
    values = name.bare
    lossy = any(not _TIME.fullmatch(value) and _safe(value) != value for value in values)
    # whatever a server calls a record, its file has a name that begins like a series
    series = _safe(name.series) if _SERIES.fullmatch(name.series) else f"record.{_safe(name.series)}"
    text = ".".join([series, *(_value(value) for value in values)])
    return _shorten(text, record, lossy)


def _shorten(text: str, whole: str, lossy: bool) -> str:
    if not lossy and len(text) <= LONGEST - 60:
        return text
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{text[: LONGEST - 70]}~{digest}"


def extension(stored: str) -> str:
    """Return the extension of the server's file name if it is a plain one, with its dot."""
    tail = stored.rpartition("/")[2]
    _, dot, ending = tail.rpartition(".")
    return f".{ending.lower()}" if dot and ending.lower() in _ENDINGS else ""


def file_name(record: str, segment: str, ending: str, *, tag: str = "") -> str:
    """
    Return the file name for a segment of a record.

    Parameters
    ----------
    record : str
        The record's own name.
    segment : str
        The segment, empty for what belongs to the whole record.
    ending : str
        The extension, with its dot.
    tag : str
        What tells two products of one segment apart, such as a cutout from the whole image.
    """
    middle = _safe(segment)
    if middle != segment or len(middle) > 40:
        middle = f"{middle[:31]}~{hashlib.sha256(segment.encode()).hexdigest()[:8]}" if segment else ""
    name = ".".join(part for part in (stem(record), _safe(tag), middle) if part) + ending
    return name + ".dat" if name.rpartition(".")[2].lower() in _NEVER else name


class Namer:
    """
    Gives each file a path of its own, in a directory where others may already be.

    Parameters
    ----------
    owner : callable
        Says who owns a lower-case path, None where it is free.
    """

    def __init__(self, owner: Callable[[str], object | None]) -> None:
        self._owner = owner
        self._given: dict[str, object] = {}

    def path(self, key: tuple[int, str, str, str], ending: str, *, tag: str = "") -> str:
        """Return a free path for a file key (record number, record, segment, product)."""
        recnum, record, segment, _ = key
        name = file_name(record, segment, ending, tag=tag)
        base = name.removesuffix(ending)
        # a newer version of a record has the same prime keys; the record number tells them apart
        more = (f"{base}.r{recnum}.{number}{ending}" for number in range(2, 1000))
        for candidate in itertools.chain([name, f"{base}.r{recnum}{ending}"], more):
            owner = self._given.get(candidate.lower()) or self._owner(candidate.lower())
            if owner is None or owner == key:
                self._given[candidate.lower()] = key
                return candidate
        raise AssertionError("a thousand files of one record and segment")
