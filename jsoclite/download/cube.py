"""
A cube: lazy images of many records as an xarray Dataset, and its way into a Zarr store, frame by frame.

xarray is loaded with this module, and this module with the first cube.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
import zarr

from ..errors import JsocError, ServerError
from ..series import SeriesInfo

# what says where a pixel lies; names of eight characters, so that astropy.wcs.WCS(cube.attrs) reads them
_PLACE = re.compile(
    r"C(TYPE|UNIT|RPIX|RVAL|DELT|ROTA)[1-3]|PC[1-3]_[1-3]|CR(LN|LT)_OBS|HGL[NT]_OBS|(DSUN|RSUN)_OBS|RSUN_REF|WCSNAME"
)
# what a step that cuts or rebins makes another thing of
_CHANGED = re.compile(r"C(RPIX|RVAL|DELT|ROTA)[1-3]|NAXIS[1-3]?|(DATA|TOT|MISS)(VALS|MIN|MAX|MEDN|MEAN|RMS|SKEW|KURT)")
# the encoding of images as they came: xarray keeps it in slices, and drops it where somebody computes
SOURCE = "jsoclite"
#: The variable of a store that says which frames are there.
STORED = "stored"


class Cube(xr.Dataset):  # type: ignore[no-untyped-call]
    """
    An `xarray.Dataset` whose images are fetched when they are computed; a store that it has begun, it goes on with.

    Examples
    --------
    >>> cube = client.cube("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
    >>> type(cube).__base__, dict(cube.sizes)
    (<class 'xarray...Dataset'>, {'time': 5, 'y': 256, 'x': 256})
    """

    __slots__ = ()

    def to_zarr(self, store: Any = None, *arguments: Any, **options: Any) -> Any:
        """
        Write a Zarr store, a frame at a time; run again, only frames that are not there yet are fetched.

        Parameters
        ----------
        store : path
            A directory. One that holds the same records is gone on with; its variable ``stored`` says which are there.
        *arguments, **options
            Of `xarray.Dataset.to_zarr`. With ``mode``, ``region``, ``append_dim``, ``compute``, ``group``, a store that
            is no path, and images that were computed with, that is what runs: a store may hold something else.

        Raises
        ------
        JsocError
            If the store holds something else, or frames did not come; those that did are stored.

        Examples
        --------
        >>> import xarray
        >>> cube = client.cube("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
        >>> cube.to_zarr("hour.zarr")
        >>> cube.to_zarr("hour.zarr")                           # nothing is fetched twice
        >>> xarray.open_zarr("hour.zarr").stored.values.tolist()
        [1, 1, 1, 1, 1]
        """
        axis = "time" if "time" in self.dims else "record"
        images = [name for name, variable in self.data_vars.items() if variable.encoding.get("source") == SOURCE]
        local = isinstance(store, str | os.PathLike) and "://" not in os.fspath(store)
        theirs = arguments or not {"mode", "region", "append_dim", "compute", "group"}.isdisjoint(options)
        if theirs or not local or len(images) < len(self.data_vars) or "recnum" not in self.coords:
            return super().to_zarr(store, *arguments, **options)
        path = Path(store).expanduser()
        if not path.exists():
            there = np.zeros(self.sizes[axis], "i1")
            made = self.assign({STORED: (axis, there, {"long_name": "1 where the frame is here"})})
            # under its name only when it says all that a next run must know
            with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch, warnings.catch_warnings():
                # one that xarray asks for itself, so that stores open without another one
                warnings.filterwarnings("ignore", "Consolidated metadata")
                xr.Dataset.to_zarr(made, Path(scratch) / "store", compute=False, **options)
                (Path(scratch) / "store").rename(path)
        stored = self._stored(path)
        failed: list[JsocError] = []
        bare = self[images].drop_vars(list(self.coords))
        for place in np.flatnonzero(stored == 0).tolist():
            region = {axis: slice(place, place + 1)}
            try:
                frame = bare.isel(region).compute()
            except JsocError as error:
                failed.append(error)
                if isinstance(error, ServerError):  # it is away, and will be for the next frame
                    break
                continue
            xr.Dataset.to_zarr(frame, path, region=region)
            zarr.open_array(str(path / STORED), mode="r+")[place] = 1  # after the frame: what is told is there
        if failed:
            raise JsocError(
                f"{len(failed)} of {self.sizes[axis]} frames did not come: {failed[-1]}. Run the same line again "
                f"to try what {path} lacks"
            ) from failed[-1]
        return None

    def _stored(self, path: Path) -> np.ndarray[Any, Any]:
        """Return which frames a store has; refuse one of other records."""
        try:
            with xr.open_zarr(path) as there:
                same = set(there.data_vars) == {*self.data_vars, STORED} and there.sizes == self.sizes
                same = same and np.array_equal(there["recnum"], self["recnum"])
                if same and there.attrs.get("process") == self.attrs.get("process"):
                    return np.asarray(there[STORED])
        except (OSError, ValueError, KeyError) as error:
            raise JsocError(f"{path} is no Zarr store that could be gone on with: name another path") from error
        raise JsocError(f"{path} holds other records or images than this cube: name another path, or pass mode='w'")


def assemble(
    stacks: Mapping[str, Any], keywords: pd.DataFrame, info: SeriesInfo, header: Any, process: str, name: str
) -> Cube:
    """
    Put images and keywords into a Dataset.

    Parameters
    ----------
    stacks : mapping
        Images by segment: arrays of which slices are taken when these are computed.
    keywords : DataFrame
        A row a frame: record, recnum, and what else is known.
    info : SeriesInfo
        The series, for units and descriptions.
    header : astropy.io.fits.Header
        Of the first image.
    process : str
        The steps, empty for none.
    name : str
        The same for the same cube.
    """
    axis = "time" if "time" in keywords else "record"
    variables = {}
    for segment, stack in stacks.items():
        array = dask.array.from_array(  # type: ignore[no-untyped-call]
            stack,
            chunks=(1, *stack.size),
            name=f"{segment}-{name}",
            meta=np.empty((0,) * stack.ndim, stack.dtype),
            asarray=False,
        )
        dims = (axis, *("z", "y", "x")[-len(stack.size) :])
        told = {"long_name": segment, **_described(info.segments, segment)}
        variables[segment] = xr.Variable(dims, array, told, {"source": SOURCE})
    coordinates: dict[str, Any] = {}
    for column in keywords:
        if column in variables or (process and _CHANGED.fullmatch(str(column))):
            continue
        told = {"long_name": "time (UTC)"} if column == "time" else _described(info.keywords, str(column))
        coordinates[str(column)] = (axis, _plain(keywords[column]), told)
    place = {key: value for key, value in dict(header or {}).items() if _PLACE.fullmatch(key) and value is not None}
    return Cube(variables, coordinates, {"series": info.name, "process": process, **place})


def _described(frame: pd.DataFrame, name: str) -> dict[str, str]:
    """Return what a definition says of a keyword or segment, by the names that xarray writes beside axes."""
    said = {there: str(frame[here].get(name, "")) for there, here in (("long_name", "note"), ("units", "units"))}
    return {there: text for there, text in said.items() if text not in ("", "none", "NA", "nan", "None")}


def _plain(values: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Return values as what files know: missing integers make reals of a column, missing text is empty."""
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.name == "time":
        return pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy("datetime64[ns]")
    if values.dtype.kind in "iu" or str(values.dtype) == "Int64":
        return values.to_numpy("float64", na_value=np.nan) if values.isna().any() else values.to_numpy("int64")
    if values.dtype.kind == "f":
        return values.to_numpy("float64", na_value=np.nan)
    if values.dtype.kind == "M":
        return values.to_numpy()
    return values.astype("object").where(values.notna(), "").astype(str).to_numpy(object)
