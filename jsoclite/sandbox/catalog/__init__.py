"""
Series and their records, and how their values are printed.

`schema` is what a definition says of keywords, segments and links, `tables` the protocol behind which records lie (in
files: `StoredCatalog`; computed: see `mission`), and SUMS, which knows what file has which path. `printer` prints
values as the programs of JSOC do, in their formats, and the JSON around them.
"""

from . import catalog as tables
from . import definition as schema
from . import printing as printer
from .catalog import Recnums, Series, StoredCatalog
from .definition import Keyword, Segment

__all__ = ["Keyword", "Recnums", "Segment", "Series", "StoredCatalog", "printer", "schema", "tables"]
