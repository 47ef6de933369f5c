"""
Rows, the records that they stand for, and the fewest record sets that name these.

`identify` finds record names and numbers wherever pandas has put them, `selection` keeps them by series, `ranges` folds
numbers into runs and strides, `packing` fills record sets with these within what the server can hold, and
`alternatives` are shorter sets that only the server can vouch for. `accessor` is ``df.jsoc``.
"""

from .accessor import JsocAccessor  # df.jsoc, which the package registers
from .selection import Selection, asked, select, to_record_sets

__all__ = ["JsocAccessor", "Selection", "asked", "select", "to_record_sets"]
