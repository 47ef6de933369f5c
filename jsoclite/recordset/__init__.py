"""
The language of record sets, ``series[time][key][? condition ?]{segment}``: read, built, checked; no network.

A text goes through the server's own two readers. `scan_set` is its outer scanner (`ParseRecSetDescInternal`,
drms_record.c): elements, brackets, segment lists, no idea of values. `read_filter`, `read_recnums` and `read_sql` are
its inner parser (drms_names.c): what stands between brackets, read with the type of the key. Both give values of
`language`. `RecordSet` is what people hold: built from times, prime keys and conditions, or read from a text, and
printed as what goes over the wire. Before it is sent, `RecordSet.problems` and `refuse` say what the server would get
wrong in silence, and what would end its program.

What raises what: the scanner's `RecordSetError` is the server's "invalid record-set specification", a reader's is its
"series not found"; ``language.FatalSetError``, a subclass, from either is what kills its program. Division by zero,
unknown columns and the like come from PostgreSQL, later.
"""

from . import grammar as language
from .filters import filter_name, numbers_in, read_filter, read_recnums, read_sql
from .problems import refuse
from .recordset import RecordSet
from .scan import scan_set

__all__ = [
    "RecordSet",
    "filter_name",
    "language",
    "numbers_in",
    "read_filter",
    "read_recnums",
    "read_sql",
    "refuse",
    "scan_set",
]
