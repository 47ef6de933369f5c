"""
Bytes on disk: rows → plan → files.

`make_plan` finds out what rows stand for and which files are wanted, as a `Plan`; `survey` what that comes to, without
fetching any; `carry_out` brings them. In the ledger of the directory each file has its name before anything is fetched.
What is there stays; what is online comes straight from SUMS (`sums`), and what must be staged by way of export requests
(`exported`). One file is fetched with resume, checked, and only then given its final name (`transfer`). The manifest
says what became of each; `report` warns or raises for what is not there. `verify` holds files against the ledger,
`Ledger` is what is known about a directory, and `make_export` plans requests alone.
"""

from .download import reasons, report
from .ledger import Ledger
from .manifest import verify
from .plan import Plan, make_export, make_plan
from .retrieval import carry_out
from .survey import survey

__all__ = ["Ledger", "Plan", "carry_out", "make_export", "make_plan", "reasons", "report", "survey", "verify"]
