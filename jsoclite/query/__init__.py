"""
Records and keywords as DataFrames.

`Queries` asks one JSOC: which series there are, what they are, and their records. Names are held against the series'
definition, then a `Question` goes out. An answer is taken apart where its bytes lie (`reply`), each column becomes a
typed array by the definition's types, never by its values (`columns`, `digits`), and all together one DataFrame
(`table`). What is too much for one answer comes in pieces (`parts`). `find` looks up what people look for: the record
nearest to a time, the newest ones; `regions` the HARPs of active regions. `make_coverage` counts what there is against
a series' slots.
"""

from .columns import STRING
from .coverage import Coverage, make_coverage
from .find import latest, nearest
from .parts import SIZE
from .query import Queries
from .question import KEYWORD_SETS, segment_columns
from .regions import harps

__all__ = [
    "KEYWORD_SETS", "SIZE", "STRING", "Coverage", "Queries", "harps", "latest", "make_coverage", "nearest",
    "segment_columns",
]  # fmt: skip
