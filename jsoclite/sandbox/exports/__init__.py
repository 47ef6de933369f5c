"""
Export requests: what is wanted, who waits, and the directory of what is done.

A request is a `Wanted` (record set, processing, protocol, names) with its `RecordTable`; `Staging` takes it in, counts
who has pending ones, and tells its `State` by the clock; when it is done, `Exports` has its directory: the packing
list, and files that are made when they are asked for, with the headers of `header`.
"""

from .directory import Exports, StagedRequest, Staging, State, TooManyPending
from .wanted import RecordTable, Steps, Stored, Wanted

__all__ = ["Exports", "RecordTable", "StagedRequest", "Staging", "State", "Steps", "Stored", "TooManyPending", "Wanted"]
