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
    "RecordSet": "recordset",
    "Sandbox": "sandbox",
    "Export": "staging",
    "ExportRequest": "staging",
    "ExportStatus": "staging",
    "read": "headers",
    "tai": "times",
    "utc": "times",
    "parse_time": "times",
    "is_time": "times",
    "Cutout": "processing",
    "Rebin": "processing",
    "Resize": "processing",
    "MapProject": "processing",
    "AIAScale": "processing",
    "VectorToPtr": "processing",
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
    "JsocWarning": "errors",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does this lazily
    from .client import Client as Client
    from .errors import (
        DownloadError as DownloadError,
    )
    from .errors import (
        EmailError as EmailError,
    )
    from .recordset import RecordSet as RecordSet
    from .staging import Export as Export


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
