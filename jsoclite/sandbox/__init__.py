"""
An embedded JSOC: catalogue, query engine, exports and files behind a real HTTP server on the loopback interface.

::

    with Sandbox() as sandbox:
        client = sandbox.client()        # or drms, sunpy, curl pointed at sandbox.url

Importing this package loads nothing but this file; the server comes in with the first `Sandbox`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {"Sandbox": "sandbox", "serve": "sandbox", "Fault": "web"}

__all__ = ["Fault", "Sandbox", "serve"]

if TYPE_CHECKING:
    from .sandbox import Sandbox as Sandbox
    from .sandbox import serve as serve
    from .web import Fault as Fault


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
