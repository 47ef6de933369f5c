"""
The SQL of conditions on keywords, as PostgreSQL reads it: its types, its messages and their positions.

A text becomes words, these a tree (`syntax`), and a `Compiler` makes a `Term` of it that runs on numpy
columns, with the types and functions of PostgreSQL. `sqltypes` also says which numbers a term can hold at all, so that
little is looked at, and `order` sorts text as the server's language does. Nothing but reading is possible.
"""

from . import parser as syntax
from . import values as sqltypes
from .compiler import Compiler, parse_condition
from .functions import order, posix
from .parser import SqlError
from .values import Rows, Term

__all__ = ["Compiler", "Rows", "SqlError", "Term", "order", "parse_condition", "posix", "sqltypes", "syntax"]
