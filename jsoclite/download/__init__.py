"""
Bytes on disk: rows → plan → files.

`make_plan` finds out what rows stand for and which files are wanted, as a `Plan`; `make_survey` what that comes to,
without fetching any; `carry_out` brings them, `read_one` reads one, `make_cube` each when it is computed. In the ledger
of the directory each file has its name before anything is fetched. What is there stays; what is online comes straight
from SUMS (`sums`), or is cut out of the file there (`cut`); what must be staged comes by way of exports (`exported`).
One file is fetched with resume, checked, and only then given its final name (`transfer`). The manifest says what became
of each. `verify` holds files against the ledger, `ledgers` has what is known about a directory, and `make_export` plans
requests alone.
"""

from . import ledger as ledgers
from .frames import make_cube
from .manifest import Manifest, verify
from .plan import Plan, make_export, make_plan
from .retrieval import carry_out, read_one
from .survey import make_survey

__all__ = [
    "Manifest", "Plan", "carry_out", "ledgers", "make_cube", "make_export", "make_plan", "make_survey", "read_one",
    "verify",
]  # fmt: skip
