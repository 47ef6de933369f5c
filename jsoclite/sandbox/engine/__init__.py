"""
Record sets, evaluated on a catalogue, as the server's library does it (drms_record.c, drms_names.c).

`Engine` takes the elements of a set, makes the conditions of its filters (`clause`), looks for the records (`Search`)
and gives what was `Opened`: records of one series. A `Reader` follows links and gives keywords and files of records,
whole columns at a time (`reading`). What the server refuses is an `EngineError`, what ends its program an
`EngineCrash`.
"""

from . import records as reading
from .engine import NOT_FOUND, Engine, to_int
from .records import EngineCrash, EngineError, Opened, Reader

__all__ = ["NOT_FOUND", "Engine", "EngineCrash", "EngineError", "Opened", "Reader", "reading", "to_int"]
