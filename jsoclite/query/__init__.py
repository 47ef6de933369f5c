"""
Records and keywords as DataFrames.

`Queries` asks one JSOC: which series there are, what they are, and their records. Names are held against the series'
definition, then a `Question` goes out. An answer is taken apart where its bytes lie (`reply`), each column becomes a
typed array by the definition's types, never by its values (`columns`, `digits`), and all together one DataFrame
(`table`). What is too much for one answer comes in pieces (`parts`). `find` looks up what people look for: the record
nearest to a time, the newest ones, the HARPs of a region. `coverage` counts what there is against a series' slots.
"""

from .coverage import Coverage, coverage
from .find import harps, latest, nearest
from .parts import SIZE
from .query import Queries
from .question import KEYWORD_SETS, segment_columns

__all__ = ["KEYWORD_SETS", "SIZE", "Coverage", "Queries", "coverage", "harps", "latest", "nearest", "segment_columns"]
