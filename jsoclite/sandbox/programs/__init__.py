"""
The programs that JSOC runs for a question, byte for byte.

`jsoc_info` describes series and lists records (`rs_list`), `show_series` names them, `Fetch` is ``jsoc_fetch``, which
takes export requests, within `Limits`, and says what became of them,
`Addresses` knows who is registered.
"""

from .jsoc_fetch import Addresses, Fetch, Limits
from .jsoc_info import jsoc_info, show_series

__all__ = ["Addresses", "Fetch", "Limits", "jsoc_info", "show_series"]
