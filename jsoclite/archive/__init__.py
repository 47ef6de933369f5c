"""
What outlives a download: a directory that keeps itself.

`synchronize` holds a record set against what is here, and fetches what is new or was made anew; what it knows stands
in two tables of the ledger (`state`). Keywords lie in parquet files, one a month (`table`). `Archive` is a directory
without a server: its files, its keywords, whether all is whole, and the way in for files that others have fetched
(`adopt`). For a paper, a `Lock` names the exact files, which `bring` fetches again and `diff` holds against the server
of today, and `cite` says how to cite them.
"""

from .archive import Archive
from .citation import cite
from .lock import Lock, as_lock, bring, diff
from .state import busy
from .sync import synchronize

__all__ = ["Archive", "Lock", "as_lock", "bring", "busy", "cite", "diff", "synchronize"]
