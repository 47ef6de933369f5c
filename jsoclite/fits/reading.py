"""`read`, `stack` and `verify`: files that were downloaded, opened and checked."""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..download.ledger import FileRow, Ledger
from ..errors import JsocError
from .files import looks_like_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from astropy.io import fits

__all__ = ["Stack", "read", "stack", "verify"]


def read(source: Any, *, fetch: Callable[[str], bytes] | None = None) -> tuple[np.ndarray[Any, Any], fits.Header]:
    """
    Open the image of a FITS file, whichever HDU it lies in.

    Parameters
    ----------
    source : path, URL, or row of a manifest
        What to open. A URL is fetched for this once; `Client.download` keeps files.
    fetch : callable, optional
        Returns the bytes of a URL, in place of our own way of fetching.

    Returns
    -------
    data : ndarray
        The pixels, scaled; missing ones are NaN.
    header : astropy.io.fits.Header
        The keywords, as they describe `data`; ``astropy.wcs.WCS(header)`` takes them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    JsocError
        If it is no FITS file, or holds no image.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")
    >>> data, header = jsoclite.read(files.iloc[0])
    >>> data.ndim, header["TELESCOP"]
    (2, 'SDO/HMI')
    """
    from .read import read as read_file

    return read_file(source, fetch=fetch or _fetch)


def _fetch(url: str) -> bytes:
    from ..download.transfer import Task, fetch_alone
    from ..errors import ServerError

    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "file.fits"
        outcome = fetch_alone(Task(url, str(target)))
        if outcome.error:
            raise ServerError(f"cannot fetch {url}: {outcome.error}", url=url)
        return target.read_bytes()


class Stack(NamedTuple):
    """Images of many files: a lazy array (files, rows, columns), and the rows of the manifest that they come from."""

    images: Any
    rows: pd.DataFrame


def stack(manifest: pd.DataFrame) -> Stack:
    """
    Put the images of a manifest into one lazy Dask array; a file is opened when its part of the array is computed.

    Parameters
    ----------
    manifest : pandas.DataFrame
        From `Client.download`, or any rows with a column ``path``; those whose file is not there are left out.

    Returns
    -------
    Stack
        ``images``, a `dask.array.Array` of float64 with a chunk a file, missing pixels NaN, and ``rows``, the rows of
        the manifest in the same order.

    Raises
    ------
    JsocError
        If no file is there, or the images have different shapes.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "data")
    >>> images, rows = jsoclite.stack(files)
    >>> images.shape, images[0].compute().shape
    ((5, 256, 256), (256, 256))
    """
    try:
        dask = importlib.import_module("dask")  # it has no complete type hints
        importlib.import_module("dask.array")
    except ImportError as error:
        raise JsocError("stack needs Dask: python -m pip install 'jsoclite[dask]'") from error
    import numpy as np

    rows = manifest[manifest["path"].notna()]
    if not len(rows):
        raise JsocError("no file of this manifest is there, so there is nothing to stack")
    shape = read(rows["path"].iloc[0])[0].shape
    load = dask.delayed(_image, pure=True)
    images = [dask.array.from_delayed(load(path, shape), shape=shape, dtype=np.float64) for path in rows["path"]]
    return Stack(dask.array.stack(images), rows)


def _image(path: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    data, _ = read(path)
    if data.shape != shape:
        raise JsocError(f"{path} has {data.shape} pixels, the first file has {shape}; stack files of one segment")
    return data.astype("float64")


def verify(directory: str | os.PathLike[str]) -> pd.DataFrame:
    """
    Check all files of a download directory against its ledger: there, of the right size, with the right SHA-256.

    Parameters
    ----------
    directory : path
        Where `Client.download` has put files.

    Returns
    -------
    pandas.DataFrame
        A row per file; index ``record``; columns ``recnum``, ``segment``, ``path``, ``status`` ("whole", "gone",
        "changed", "broken", or the ledger's word for a file that was never there) and ``reason``. Rows that are not
        whole can be given to `Client.download` again: those that are gone or have another size are fetched; remove
        others first.

    Raises
    ------
    JsocError
        If there is no ledger.

    Examples
    --------
    >>> files = client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")
    >>> jsoclite.verify("data").status.unique().tolist()
    ['whole']
    """
    import pandas as pd

    with Ledger(directory, create=False) as ledger:
        rows = ledger.files()
        checked = [_check(ledger.directory / row.path, row) for row in rows]
    return pd.DataFrame(
        {
            "recnum": pd.Series([row.recnum for row in rows], dtype="int64"),
            "segment": pd.Series([row.segment for row in rows], dtype="str"),
            "path": pd.Series([str(ledger.directory / row.path) for row in rows], dtype="str"),
            "status": pd.Series([status for status, _ in checked], dtype="str"),
            "reason": pd.Series([reason for _, reason in checked], dtype="str"),
        }
    ).set_axis(pd.Index([row.record for row in rows], name="record", dtype="str"))


def _check(path: Path, row: FileRow) -> tuple[str, str | None]:
    if row.state != "done":
        return row.state, row.error
    try:
        size = path.stat().st_size
    except OSError:
        return "gone", "there is no such file any more"
    if size != row.bytes:
        return "changed", f"{size} bytes, it had {row.bytes}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if row.sha256 and digest != row.sha256:
        return "changed", "its bytes are others than those that were downloaded (SHA-256)"
    broken = looks_like_fits(path) if row.path.endswith(".fits") else None
    return ("broken", broken) if broken else ("whole", None)
