"""`read` and `stack`: files that were downloaded, opened."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import JsocError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from astropy.io import fits

__all__ = ["Stack", "read", "stack"]


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
