"""
The directory of an export as a list of names, and the packing lists that describe it.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final
from urllib.parse import quote

from ..catalog.json import Json, pretty

#: Names that lead out of the directory of a client that believes them.
EVIL: Final = ("../../../../evil.fits", "/etc/evil.fits", "..\\..\\evil.fits", "evil\x00.fits", ".", "~/evil.fits")


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
    header: dict[str, Json] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Callable[[], bytes]] = field(default_factory=dict)

    def index(self, *, evil: bool = False) -> bytes:
        """``index.json``; file names replaced by `EVIL` ones if asked for."""
        rows: list[Json] = [
            {"record": record, "filename": EVIL[number % len(EVIL)] if evil else name}
            for number, (record, name) in enumerate(self.rows)
        ]
        return pretty({**self.header, "data": rows})

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


def tar(members: Mapping[str, Callable[[], bytes]], modified: float) -> bytes:
    """A tar of all members, which are made one after the other."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, make in members.items():
            content = make()
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), int(modified), 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
