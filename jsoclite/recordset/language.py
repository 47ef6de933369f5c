"""
The DRMS record-set language: syntax tree, outer scanner, typed reader.

The server reads a record set twice and so does this package. `scan` is its outer scanner (`ParseRecSetDescInternal`,
drms_record.c): elements, brackets, segment lists, no idea of values. `read_filter`, `read_recnums` and `read_sql` are
its inner parser (drms_names.c): what stands between brackets, read with the type of the key.

What raises what: the scanner's `RecordSetError` is the server's "invalid record-set specification", a reader's is its
"series not found"; `FatalSetError`, a subclass, from either is what kills its program. Division by zero, unknown
columns and the like come from PostgreSQL, later.
"""

from __future__ import annotations

from ..series import Kind
from .filters import Mark
from .grammar import (
    MISSING,
    Duration,
    Element,
    ElementKind,
    FatalSetError,
    FilterKind,
    First,
    KeyFilter,
    Last,
    Missing,
    Range,
    RawFilter,
    RecnumFilter,
    Single,
    Slot,
    SlotFirst,
    SlotItem,
    SlotLast,
    SlotRange,
    SlotSpan,
    Span,
    SqlFilter,
    Value,
    ValueItem,
)
from .reader import filter_name, read_filter, read_marked, read_recnums, read_sql
from .scan import MAX_ELEMENT, MAX_TIME_MACRO, scan

__all__ = [
    "MAX_ELEMENT",
    "MAX_TIME_MACRO",
    "MISSING",
    "Duration",
    "Element",
    "ElementKind",
    "FatalSetError",
    "FilterKind",
    "First",
    "KeyFilter",
    "Kind",
    "Last",
    "Mark",
    "Missing",
    "Range",
    "RawFilter",
    "RecnumFilter",
    "Single",
    "Slot",
    "SlotFirst",
    "SlotItem",
    "SlotLast",
    "SlotRange",
    "SlotSpan",
    "Span",
    "SqlFilter",
    "Value",
    "ValueItem",
    "filter_name",
    "read_filter",
    "read_marked",
    "read_recnums",
    "read_sql",
    "scan",
]
