"""
The archive of a ``url-tar`` export: fetched as one resumable file, and taken apart under names of our own.

Nothing is ever extracted under a name that the archive holds, so it does not matter what these look like.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from ..fits import looks_like_fits
from .transfer import Outcome, Task, fetch

if TYPE_CHECKING:
    from ..export.request import ExportRequest
    from .download import Batch
    from .ledger import FileRow

__all__ = ["unpack"]


def unpack(batch: Batch, request: ExportRequest, members: Mapping[str, FileRow], *, fits: bool) -> None:
    """
    Fetch the archive of a finished request, and settle the rows that are in it.

    Parameters
    ----------
    batch : Batch
        Whose rows they are.
    request : ExportRequest
        Finished, with a `tar_url`.
    members : mapping of str to FileRow
        File names of the server, with the row that each is.
    fits : bool
        Whether images must be FITS files.
    """
    assert request.tar_url is not None
    archive = batch.ledger.directory.absolute() / f"{request.id or 'export'}.tar"
    task = Task(request.tar_url, str(archive), False, None, batch.transport.timeout, batch.transport.retries)
    outcome = fetch(task, batch.transport, batch.arrived)
    if outcome.error:
        for row in members.values():
            batch.fail(row, f"the archive {request.tar_url} could not be fetched: {outcome.error}")
        return
    left = dict(members)
    said = ""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                # jsoc_export_manage.c puts what went wrong into a file of this name
                if name == "error_list.txt" and (text := tar.extractfile(member)) is not None:
                    said = text.read(2000).decode("utf-8", "replace").strip()
                source = tar.extractfile(member) if name in left and member.isfile() else None
                if source is not None:
                    _take(batch, request.tar_url, left.pop(name), source, fits)
    except tarfile.TarError as error:
        said = f"the archive is damaged: {error}"
    for row in left.values():
        batch.fail(row, f"the archive does not hold {row.segment} of {row.record}" + (f"; {said}" if said else ""))
    with contextlib.suppress(OSError):
        archive.unlink()


def _take(batch: Batch, url: str, row: FileRow, source: IO[bytes], fits: bool) -> None:
    target = batch.ledger.directory.absolute() / row.path
    part = Path(f"{target}.part")
    with source, part.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    reason = looks_like_fits(part) if fits and row.path.endswith(".fits") else None
    if reason:
        part.unlink()
        batch.fail(row, f"what the archive holds is not the file: {reason}")
        return
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = part.stat().st_size
    os.replace(part, target)
    batch.arrive(row, url, Outcome(size, digest))
