"""
The wire: what is asked of a JSOC, and how the answers come back whole.

`Jsoc` has a method for each program of JSOC (``jsoc_info``, ``jsoc_fetch``, …). It asks over a `Transport`: one
session, to one host; what that may take of our time and memory stands in `limits`. What fails for the moment is tried
again by `repeat`, the one loop for questions and files; what may have been taken already (`AmbiguousRequest`) is not.
`resolve_server` turns what users write into the places of the programs. Time comes from a `Clock`. drms is imported
here and nowhere else, but for the errors that are its errors as well.
"""

from ._drms import ServerConfig
from .http import AmbiguousRequest, Transport, resolve_server
from .jsoc import REQUEST_ID, Jsoc
from .retry import Again, Clock, is_transient, repeat

__all__ = [
    "REQUEST_ID",
    "Again",
    "AmbiguousRequest",
    "Clock",
    "Jsoc",
    "ServerConfig",
    "Transport",
    "is_transient",
    "repeat",
    "resolve_server",
]
