"""
The programs that JSOC runs for a question, byte for byte.

`jsoc_info` describes series (`series_struct`) and lists records (`rs_list`, `rs_list_fits`), `show_series` names them,
`Fetch` is ``jsoc_fetch``, which takes export requests (`exp_request`, within `Limits`) and says what became of them,
`Addresses` knows who is registered.
"""

from .exp_request import Addresses, Limits
from .jsoc_fetch import Fetch
from .jsoc_info import jsoc_info, show_series

__all__ = ["Addresses", "Fetch", "Limits", "jsoc_info", "show_series"]
