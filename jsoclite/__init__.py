"""
The JSOC client for people who live in DataFrames.

Importing this package loads nothing but this file (PEP 562): pandas, astropy, drms and requests come in when a
name that needs them is first used. DataFrames have ``df.jsoc`` from then on, see `jsoclite.selection.accessor`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# where each public name is at home
_HOME = {
    name: room
    for room, names in {
        "client": "Client",
        "archive": "Archive Lock cite",
        "recordset": "RecordSet",
        "query": "KEYWORD_SETS",
        "sandbox": "Sandbox",
        "export": "Export ExportRequest ExportStatus",
        "export.steps": "Cutout Rebin Resize MapProject AIAScale VectorToPtr",
        "fits": "read stack quicklook colormap",
        "download": "verify",
        "quality": "quality",
        "times": "tai utc parse_time is_time",
        "errors": "JsocError ArgumentError RecordSetError ServerError QueryError TooMany UnknownSeries UnknownName "
        "EmailError ExportError ExportTooLarge ExportFailed ExportExpired ExportLimit ExportOffline StagingTimeout "
        "DownloadError SelectionError ProcessingError JsocWarning",
    }.items()
    for name in names.split()
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does this lazily
    from . import quality as quality
    from .archive import Archive as Archive, Lock as Lock, cite as cite
    from .client import Client as Client
    from .download import verify as verify
    from .errors import (
        ArgumentError as ArgumentError,
        DownloadError as DownloadError,
        EmailError as EmailError,
        ExportError as ExportError,
        ExportExpired as ExportExpired,
        ExportFailed as ExportFailed,
        ExportLimit as ExportLimit,
        ExportOffline as ExportOffline,
        ExportTooLarge as ExportTooLarge,
        JsocError as JsocError,
        JsocWarning as JsocWarning,
        ProcessingError as ProcessingError,
        QueryError as QueryError,
        RecordSetError as RecordSetError,
        SelectionError as SelectionError,
        ServerError as ServerError,
        StagingTimeout as StagingTimeout,
        UnknownName as UnknownName,
        TooMany as TooMany,
        UnknownSeries as UnknownSeries,
    )
    from .export import Export as Export, ExportRequest as ExportRequest, ExportStatus as ExportStatus
    from .export.steps import (
        AIAScale as AIAScale,
        Cutout as Cutout,
        MapProject as MapProject,
        Rebin as Rebin,
        Resize as Resize,
        VectorToPtr as VectorToPtr,
    )
    from .fits import colormap as colormap, quicklook as quicklook, read as read, stack as stack
    from .query import KEYWORD_SETS as KEYWORD_SETS
    from .recordset import RecordSet as RecordSet
    from .sandbox import Sandbox as Sandbox
    from .times import is_time as is_time, parse_time as parse_time, tai as tai, utc as utc


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{home}", __name__)
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _WhenLoaded:
    """
    Sees to it that ``df.jsoc`` is there wherever pandas is, and that ``astropy.time.Time`` takes a `DrmsTime`, whoever
    imports them and when; nothing is imported for that.

    A finder of modules that finds the two as the others do, and tells them of jsoclite once they are loaded.
    """

    asking = False  # those who import one of them wait for each other, so that no two ask

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _TELL or self.asking:
            return None
        from importlib.util import find_spec

        self.asking = True
        try:
            spec = find_spec(name)
        finally:
            self.asking = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def then_tell(module: Any) -> None:
                load(module)
                _TELL[name](module)

            spec.loader.exec_module = then_tell  # type: ignore[method-assign]
        return spec


def _tell_pandas(pandas: Any) -> None:
    def accessor(frame: Any) -> Any:
        return importlib.import_module(".selection", __name__).JsocAccessor(frame)

    if "jsoc" not in vars(pandas.DataFrame):
        pandas.api.extensions.register_dataframe_accessor("jsoc")(accessor)


def _tell_astropy(_: Any) -> None:
    if times := sys.modules.get(f"{__name__}.times.parse"):  # else that module tells, when it is loaded
        times.tell_astropy()


_TELL = {"pandas": _tell_pandas, "astropy.time": _tell_astropy}
if "pandas" in sys.modules and hasattr(sys.modules["pandas"], "DataFrame"):
    _tell_pandas(sys.modules["pandas"])
sys.meta_path.insert(0, _WhenLoaded())
