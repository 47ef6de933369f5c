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
from typing import TypeAlias

from ..series import FileKey, RecordName

Key: TypeAlias = tuple[int, str, str, str]

# Most file systems take 255 bytes; ".part.etag" and a version suffix must still fit.
LONGEST = 200

# what data come as; nothing that a system or an interpreter would run
ENDINGS = frozenset(
    [
        *("fits", "fts", "fz", "tas", "h5", "hdf", "nc", "sav", "bin", "dat"),
        *("jpg", "jpeg", "png", "gif", "tif", "tiff", "mpg", "mp4", "mov", "pdf", "ps"),
        *("txt", "csv", "tsv", "json", "xml", "tar", "gz", "zip"),
    ]
)

# names of series, and of requests: a movie belongs to no record
_SERIES = re.compile(r"[A-Za-z_]\w*(\.\w+)+|JSOC_[0-9]{8}_\w+", re.ASCII)
# endings that a system or an interpreter runs, and those that are ours
_NEVER = frozenset(
    [
        *("py", "pyc", "pyw", "sh", "bash", "bat", "cmd", "com", "exe", "ps1", "vbs", "js", "jar", "so", "dll"),
        *("html", "htm", "svg", "lnk", "desktop", "part", "etag", "sqlite"),
    ]
)

TIME = re.compile(r"(\d{4})[.-](\d\d)[.-](\d\d)[_T](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?(?:_?([A-Za-z]+))?")
# names that Windows keeps for devices, whatever their extension
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$) *(\.|$)")


def safe(text: str) -> str:
    """Return what a name can hold of a text on every system."""
    text = re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._ ")
    return "_" + text if DEVICES.match(text) else text


def plain_time(text: str) -> str:
    """Return how a value stands in a name: a time without punctuation, all else as far as it is safe."""
    time = TIME.fullmatch(text)
    if not time:
        return safe(text)
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
    lossy = any(not TIME.fullmatch(value) and safe(value) != value for value in values)
    # whatever a server calls a record, its file has a name that begins like a series
    series = safe(name.series) if _SERIES.fullmatch(name.series) else f"record.{safe(name.series)}"
    text = ".".join([series, *(plain_time(value) for value in values)])
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
    return f".{ending.lower()}" if dot and ending.lower() in ENDINGS else ""


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
    middle = safe(segment)
    if middle != segment or len(middle) > 40:
        middle = f"{middle[:31]}~{hashlib.sha256(segment.encode()).hexdigest()[:8]}" if segment else ""
    return ended(".".join(part for part in (stem(record), safe(tag), middle) if part), ending)


def ended(base: str, ending: str) -> str:
    """Return a name with its extension; one that a system would run, or that is ours, gets another."""
    name = base + ending
    return name + ".dat" if name.rpartition(".")[2].lower() in _NEVER else name


class Namer:
    """
    Gives each file a path of its own, in a directory where others may already be.

    Parameters
    ----------
    owner : callable
        Says who owns a lower-case path, None where it is free.
    clash : callable, optional
        Makes the error for two files that users have given one name.
    """

    def __init__(
        self, owner: Callable[[str], Key | None], clash: Callable[[FileKey, FileKey], Exception] | None = None
    ) -> None:
        self._owner, self._clash = owner, clash
        self._given: dict[str, Key] = {}

    def path(self, key: Key, ending: str, *, tag: str = "", wished: str = "") -> str:
        """
        Return a free path for a file key (record number, record, segment, product).

        Raises
        ------
        ArgumentError
            If `wished` is the path of another file, and that is no other version of the record.
        """
        recnum, record, segment, _ = key
        name = wished or file_name(record, segment, ending, tag=tag)
        base = name.removesuffix(ending)
        # a newer version of a record has the same prime keys; the record number tells them apart
        more = (f"{base}.r{recnum}.{number}{ending}" for number in range(2, 1000))
        for candidate in itertools.chain([name, f"{base}.r{recnum}{ending}"], more):
            folded = candidate.lower()
            owner = self._given.get(folded) or self._owner(folded)
            if owner is None or owner == key:
                self._given[folded] = key
                return candidate
            if wished and self._clash is not None and owner[1:] != key[1:]:
                other = FileKey(owner[1], owner[0], owner[2], path=name)
                raise self._clash(FileKey(record, recnum, segment), other)
        raise AssertionError("a thousand files of one record and segment")
