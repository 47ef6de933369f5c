"""
Cutouts without the queue: what JSOC's im_patch would only copy is copied here, out of the file in SUMS.

A file costs two requests: its header and table of rows, whose size is learned from the first file of a segment, and the
stretch with the rows of the box. Where the box lies, and what im_patch writes about it, `Patch` knows.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ProcessingError, warn
from ..export.steps import Box, Patch
from ..fits import StoredImage
from ..fits import headers as fits_headers
from ..selection import Selection
from ..series import RecordName, SeriesInfo, prime_time_key
from ..times import words
from .sums import NO_IMAGE, listing
from .transfer import Absent, Failed, NoRanges, Ranges, Task

if TYPE_CHECKING:
    from ..export.steps import Cutout
    from ..server import Jsoc, Transport

# bytes of header and table that are asked for before they are known, and the most of them
FIRST_GUESS, LARGEST_HEAD = 1 << 16, 1 << 24
# records that are asked about at once to find the first one with an image
BATCH = 50

#: Bytes of header and table by server, series and segment; they hardly change within a series.
_heads: dict[str, int] = {}


def stored_image(ranges: Ranges, kind: str) -> tuple[StoredImage, bytes]:
    """
    Read the beginning of a file up to the pixels.

    Parameters
    ----------
    ranges : Ranges
        Reads parts of the file.
    kind : str
        Same for files whose beginnings have the same size.

    Raises
    ------
    BrokenFits
        If no rows can be taken out of the file.
    """
    needed = _heads.get(kind, FIRST_GUESS)
    head = b""
    while True:
        head += ranges.read(len(head), needed)
        found = StoredImage.parse(head, ranges.size)
        if isinstance(found, StoredImage):
            _heads[kind] = found.head
            return found, head
        if not len(head) < found <= LARGEST_HEAD:
            raise ValueError(f"its header would end beyond byte {found}")
        needed = found


@dataclass(frozen=True, slots=True)
class Cut:
    """
    Makes the file of a cutout; it can be pickled.

    Attributes
    ----------
    box : Box
        What to copy.
    kind : str
        See `stored_image`.
    """

    box: Box
    kind: str

    def __call__(self, ranges: Ranges, cards: Sequence[str]) -> bytes:
        """Read what is needed and make the file; `Absent` where the box lies outside of the image."""
        image, head = stored_image(ranges, self.kind)
        box, (rows, columns) = self.box, image.shape
        low, high = max(0, box.below), min(rows, box.below + box.height)
        left, right = max(0, box.left), min(columns, box.left + box.width)
        if low >= high or left >= right:
            raise Absent("the box lies outside of the image, of which im_patch makes nothing")
        data = np.full((box.height, box.width), np.nan, "f4")
        start, stop = image.span(low, high)
        body = head[start:stop]
        body += ranges.read(start + len(body), stop)
        if len(body) < stop - start:
            raise ValueError(f"it ends before byte {stop}")
        part = image.rows(body, low, high)[:, left:right]
        data[low - box.below : high - box.below, left - box.left : right - box.left] = part
        if box.disk is not None:
            x, y, square = box.disk
            across, up = np.arange(box.width) + (box.left - x), np.arange(box.height) + (box.below - y)
            data[across**2 + up[:, None] ** 2 >= square] = np.nan
        return image.file(data[::-1, ::-1] if box.turned else data, cards)


def peek(transport: Transport, url: str, kind: str) -> StoredImage | None:
    """Read the beginning of a file; None where its server sends no parts of files, or these cannot be used."""
    ranges = Ranges(Task(url, "", timeout=transport.timeout, retries=transport.retries), transport)
    found: list[StoredImage] = []
    try:
        ranges.retried(lambda: found.append(stored_image(ranges, kind)[0]))
    except (NoRanges, ValueError):
        return None
    return found[0]


def can_cut(transport: Transport, url: str, kind: str) -> bool:
    """Whether a server sends parts of files, and these can be used; asked with the first file of each kind."""
    try:
        return kind in _heads or peek(transport, url, kind) is not None
    except Failed:
        return True  # the file's own turn will come, and tell why


def reference(jsoc: Jsoc, info: SeriesInfo, step: Cutout) -> Mapping[str, Any] | None:
    """
    Find the image by which im_patch knows the centre of a cutout; None for Carrington longitudes, which need none.

    Raises
    ------
    ProcessingError
        If im_patch cannot work on the series, finds no image, or the centre lies off the disk there: it would fail, or
        cut something else, without a word.
    """
    time_key = prime_time_key(info)
    lacking = [name for name in Patch.NEEDED if name not in info.keywords.index]
    if lacking or time_key is None or time_key != (info.primekeys or [""])[0]:
        raise ProcessingError(
            f"Cutout: im_patch works on images of the disk with a time as first prime key, and {info.name} "
            + (f"has no {', '.join(lacking)}" if lacking else f"has {', '.join(info.primekeys or ['none'])}")
        )
    if step.location == "carrington":
        return None

    def near(begin: str, end: str) -> Iterator[Mapping[str, Any]]:
        for record in listing(jsoc, f"{info.name}[{begin}-{end}][? QUALITY >= 0 ?]", _keywords(info)):
            yield _image(record, info)

    found = Patch.nearest(str(step.t_ref), near)
    if found is None:
        raise ProcessingError(
            f"t_ref={step.t_ref}: {info.name} has no record within two hours of it, and JSOC's im_patch needs one; "
            "choose the time of a record, Client.nearest finds it",
        )
    Patch.of(step, found)
    return found


class Cuts:
    """
    What is cut out of the records of a target.

    Parameters
    ----------
    jsoc : Jsoc
        How to ask.
    info : SeriesInfo
        The series.
    step : Cutout
        What is wanted.
    reference : mapping or None
        From `reference`.
    records : sequence of (str, int)
        All records that are wanted, also those that are there already: one of them is the first image.
    """

    def __init__(
        self,
        jsoc: Jsoc,
        info: SeriesInfo,
        step: Cutout,
        reference: Mapping[str, Any] | None,
        records: Sequence[tuple[str, int]],
    ) -> None:
        self._jsoc, self._info, self._step, self._reference, self._records = jsoc, info, step, reference, records
        self._warned = False

    def kind(self, segment: str) -> str:
        """Return what tells files whose beginnings have the same size."""
        return f"{self._jsoc.files} {self._info.name} {segment}"

    def __call__(
        self, record: Mapping[str, Any], segment: str, name: str
    ) -> tuple[Callable[[Ranges, Sequence[str]], bytes], Callable[[], list[str]]]:
        """
        Return what makes the file of a record, and what makes its header.

        Raises
        ------
        ProcessingError
            If a keyword is missing.
        Absent
            If the record is left out.
        """
        image = _image(record, self._info)
        if not Patch.takes(self._step, _time(record, self._info)):
            raise Absent("the record lies outside of the cutout's start and stop")
        if self._patch.hides(image) and not self._warned:
            self._warned = True
            warn(
                f"the region is on the far side of the Sun at {name}, and im_patch cuts what lies in front of it: "
                "leave such rows out, or pass start= and stop= to Cutout"
            )
        box = self._patch.box(image)
        return Cut(box, self.kind(segment)), functools.partial(_header, record, self._info, segment, box, name)

    @functools.cached_property
    def _patch(self) -> Patch:
        if self._reference is not None and self._step.box == "pixels":
            return Patch.of(self._step, self._reference)
        first = self._first()
        return Patch.of(self._step, self._reference or first, first)

    def _first(self) -> Mapping[str, Any]:
        """Find the first image that im_patch would cut, in the order of the prime keys."""
        ordered = sorted(self._records, key=lambda one: _order(one[0]))
        for start in range(0, len(ordered), BATCH):
            numbers = [recnum for _, recnum in ordered[start : start + BATCH]]
            found: dict[int, Mapping[str, Any]] = {}
            for text in Selection(self._info.name, (), np.array(numbers, dtype=np.int64)).texts():
                found |= {int(one["*recnum*"]): one for one in listing(self._jsoc, text, _keywords(self._info))}
            for recnum in numbers:
                record: Mapping[str, Any] = found.get(recnum, {})
                image = _image(record, self._info)
                seen = "CDELT1" in image and not image.get("QUALITY", 0) & NO_IMAGE
                if seen and Patch.takes(self._step, _time(record, self._info)):
                    return image
        raise ProcessingError(f"none of the {len(ordered)} records of {self._info.name} has an image to cut")


def _order(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(one), "") if one.isdecimal() else (1, 0, one) for one in RecordName.parse(name).bare]


def _keywords(info: SeriesInfo) -> list[str]:
    known = info.keywords.index
    names = [*Patch.NEEDED, *Patch.OPTIONAL, prime_time_key(info) or "T_OBS"]
    return ["*recnum*", *dict.fromkeys(name for name in names if name in known)]


def _time(record: Mapping[str, Any], info: SeriesInfo) -> float:
    return words.scan_time(str(record.get(prime_time_key(info) or "", "")))


def _image(record: Mapping[str, Any], info: SeriesInfo) -> dict[str, Any]:
    """Read the keywords of an image as numbers of their types; missing ones are left out."""
    found: dict[str, Any] = {}
    for name, kind in info.keywords["type"].items():
        text = str(record.get(name, "MISSING"))
        if name not in _READ or text in ("MISSING", "Invalid KeyLink", ""):
            continue
        try:
            if kind == "time":
                found[name] = words.scan_time(text)
            elif kind in ("float", "double"):
                number = float(np.float32(text)) if kind == "float" else float(text)
                found |= {name: number} if math.isfinite(number) else {}
            else:
                found[name] = text if kind == "string" else int(text, 0)
        except ValueError:
            raise ProcessingError(f"{name} of a record of {info.name} is {text!r}, which is no {kind}") from None
    return found


_READ = frozenset((*Patch.NEEDED, *Patch.OPTIONAL))


def _header(record: Mapping[str, Any], info: SeriesInfo, segment: str, box: Box, name: str) -> list[str]:
    """Write the header that im_patch's file has, but for what belongs to the export: RECNUM stays the record's."""
    written = dict(box.keywords)
    written |= {"SOURCE": name, "HGQUERY": f"{name}{{{segment}}}"}
    written["DATE"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    told = {"HISTORY": name + ("Image rotated 180 degrees." if box.turned else ""), "COMMENT": "Patches"}
    for remark, text in told.items():
        if remark in record:
            before = str(record[remark])
            written[remark] = ("" if before == "MISSING" else before + "\n") + text
    own = {key: value for key, value in written.items() if key in info.keywords.index}
    extra = {key: value for key, value in written.items() if key not in own}
    return fits_headers.header_cards({**record, **own}, info, segment, extra=extra)
