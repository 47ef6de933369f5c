"""
The JSOC client for people who live in DataFrames.

Importing this package loads nothing but this file (PEP 562): pandas, astropy, drms and requests come in when a
name that needs them is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public name -> module that defines it
_HOME = {
    "Client": "client",
    "RecordSet": "recordset.recordset",
    "KEYWORD_SETS": "query.keywords",
    "Sandbox": "sandbox",
    "Export": "export.export",
    "ExportRequest": "export.request",
    "ExportStatus": "export.request",
    "read": "fits.read",
    "stack": "fits.read",
    "verify": "download.manifest",
    "quicklook": "fits.quicklook",
    "colormap": "fits.colors",
    "tai": "times.parse",
    "utc": "times.parse",
    "parse_time": "times.parse",
    "is_time": "times.parse",
    "Cutout": "export.steps.processing",
    "Rebin": "export.steps.processing",
    "Resize": "export.steps.processing",
    "MapProject": "export.steps.processing",
    "AIAScale": "export.steps.processing",
    "VectorToPtr": "export.steps.processing",
    "JsocError": "errors",
    "RecordSetError": "errors",
    "ServerError": "errors",
    "QueryError": "errors",
    "UnknownSeries": "errors",
    "UnknownName": "errors",
    "EmailError": "errors",
    "ExportError": "errors",
    "ExportTooLarge": "errors",
    "ExportFailed": "errors",
    "ExportExpired": "errors",
    "ExportLimit": "errors",
    "ExportOffline": "errors",
    "StagingTimeout": "errors",
    "DownloadError": "errors",
    "SelectionError": "errors",
    "ProcessingError": "errors",
    "JsocWarning": "errors",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does this lazily
    from .client import (
        Client as Client,
    )
    from .download.manifest import (
        verify as verify,
    )
    from .errors import (
        DownloadError as DownloadError,
    )
    from .errors import (
        EmailError as EmailError,
    )
    from .errors import (
        ExportError as ExportError,
    )
    from .errors import (
        ExportExpired as ExportExpired,
    )
    from .errors import (
        ExportFailed as ExportFailed,
    )
    from .errors import (
        ExportLimit as ExportLimit,
    )
    from .errors import (
        ExportOffline as ExportOffline,
    )
    from .errors import (
        ExportTooLarge as ExportTooLarge,
    )
    from .errors import (
        JsocError as JsocError,
    )
    from .errors import (
        JsocWarning as JsocWarning,
    )
    from .errors import (
        ProcessingError as ProcessingError,
    )
    from .errors import (
        QueryError as QueryError,
    )
    from .errors import (
        RecordSetError as RecordSetError,
    )
    from .errors import (
        SelectionError as SelectionError,
    )
    from .errors import (
        ServerError as ServerError,
    )
    from .errors import (
        StagingTimeout as StagingTimeout,
    )
    from .errors import (
        UnknownName as UnknownName,
    )
    from .errors import (
        UnknownSeries as UnknownSeries,
    )
    from .export.export import (
        Export as Export,
    )
    from .export.request import (
        ExportRequest as ExportRequest,
    )
    from .export.request import (
        ExportStatus as ExportStatus,
    )
    from .export.steps.processing import (
        AIAScale as AIAScale,
    )
    from .export.steps.processing import (
        Cutout as Cutout,
    )
    from .export.steps.processing import (
        MapProject as MapProject,
    )
    from .export.steps.processing import (
        Rebin as Rebin,
    )
    from .export.steps.processing import (
        Resize as Resize,
    )
    from .export.steps.processing import (
        VectorToPtr as VectorToPtr,
    )
    from .fits.colors import (
        colormap as colormap,
    )
    from .fits.quicklook import (
        quicklook as quicklook,
    )
    from .fits.read import (
        read as read,
    )
    from .fits.read import (
        stack as stack,
    )
    from .query.keywords import (
        KEYWORD_SETS as KEYWORD_SETS,
    )
    from .recordset.recordset import (
        RecordSet as RecordSet,
    )
    from .sandbox import (
        Sandbox as Sandbox,
    )
    from .times.parse import (
        is_time as is_time,
    )
    from .times.parse import (
        parse_time as parse_time,
    )
    from .times.parse import (
        tai as tai,
    )
    from .times.parse import (
        utc as utc,
    )


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
