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

_HOME = {"Sandbox": "sandbox", "serve": "serving", "Fault": "faults"}

__all__ = ["Fault", "Sandbox", "serve"]

if TYPE_CHECKING:
    from .faults import Fault as Fault
    from .sandbox import Sandbox as Sandbox
    from .serving import serve as serve


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
