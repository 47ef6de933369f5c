"""Who may import whom: data flows one way, and the network, pandas and files stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jsoclite

PACKAGE = Path(jsoclite.__file__).parent

# the record-set language and times: pure text and numbers
LANGUAGE = {
    "syntax",
    "scanner",
    "reader",
    "language",
    "lookup",
    "values",
    "conditions",
    "setbuilder",
    "setparts",
    "recordset",
    "setview",
    "traps",
    "valuetraps",
}
TIMES = {
    "times", "timescale", "timescan", "timeprint", "timegrammar", "timecolumn", "bytecolumn", "durations", "cnumbers",
}  # fmt: skip

# module -> modules of jsoclite that it may import, `errors` always
MAY_IMPORT = {
    "digits": set(),
    "cells": {"digits"},
    "bytecolumns": {"cells", "columns", "digits", *TIMES},
    "columns": {"cells", "digits", *TIMES},
    "scan": {"bytecolumns", "cells", "columns", "digits"},
    "table": {"accessor", "bytecolumns", "cells", "columns", "scan", *TIMES},
    "accessor": {"columns", "cover", "recordset", "rows", "selection", *TIMES},
    "cover": set(),
    "packing": {"cover"},
    "rows": set(),
    "shorter": {"cover", "packing", "recordset", "selection", *TIMES},
    "selection": {"cover", "packing", "rows", "shorter", "recordset", *TIMES},
    "errors": set(),
    "display": set(),
    "manifest": {"display"},
    "seriesinfo": {"display"},
    "requestview": {"display", "export", "replies", "staging"},
    "retry": set(),
    "names": set(),
    "progress": {"export", "staging"},
    "ledger": set(),
    "claim": {"ledger", "retry"},
    "reading": {"fitscheck", "fitsread", "ledger", "transfer"},
    "colortables": set(),
    "thumbnails": {"colortables", "names", "reading"},
    "panels": {"colortables", "thumbnails"},
    "gallery": {"names", "panels", "queries", "thumbnails"},
    "find": {"checks", "queries", "recordset", *TIMES},
    "transport": {"retry"},
    "replies": {"retry"},
    "checks": {"seriesinfo", "transport"},
    "staging": {"transport", "manage", "replies", "requestview", "ledger", "names"},
    "export": {"names", "progress", "staging", "replies", "requestview", "retry", "turns"},
    "orders": {"names", "staging", "export", "transport", "ledger", "progress"},
    "fitscard": set(),
    "fitscheck": set(),
    "fitsnames": {"fitscard"},
    "fitsfile": {"fitscard", "fitscheck"},
    "fitsread": {"fitscard", "fitscheck"},
    "headers": {"fitscard", "fitsnames", "fitsfile", "fitsread", *TIMES},
    "quantities": TIMES,
    "steps": {"quantities"},
    "regions": {"quantities", "steps", *TIMES},
    "processing": {"steps", "regions"},
    "bigquery": {"progress", "recordset"},
    "transfer": {"transport", "retry", "fitscheck", "fitsfile"},
    "download": {"manifest", "transfer", "transport", "ledger", "names", "progress", "fitscheck"},
    "unpack": {"download", "fitscheck", "ledger", "staging", "transfer"},
    "staged": {"processing", "unpack", "download", "ledger", "names", "replies", "export", "staging"},
    "direct": {"download", "ledger", "names", "headers", "replies", "selection", "transport"},
    "retrieve": {"direct", "download", "export", "ledger", "names", "queries", "staged", "staging", "targets"},
    "targets": {
        "checks", "direct", "language", "ledger", "names", "processing", "queries", "recordset", "selection", "syntax",
        *TIMES,
    },
    "questions": {"queries", "recordset", "stream"},
    "lookups": {"find", "queries"},
    "manage": {"replies", "transport"},
    "turns": {"replies", "retry", "staging"},
    "keywordsets": set(),
    "stream": {"progress", "queries", "recordset"},
    "queries": {
        "bigquery", "checks", "keywordsets", "names", "recordset", "selection", "stream", "table", "traps", "transport",
    },
}  # fmt: skip

# third-party packages and who may import them
ONLY = {
    "requests": {"retry", "transport", "transfer", "client"},
    "urllib3": {"retry"},
    "socket": {"claim", "sandbox"},
    "http": {"sandbox"},
    "sqlite3": {"ledger", "sandbox"},
    "tqdm": {"progress"},
    "matplotlib": {"colortables", "gallery", "panels"},
}


def imports(path):
    """Yield (internal module or None, top-level package) of each import, also those for type checkers."""
    inside = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (None, alias.name)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield (None, node.module)
                continue
            base = list(inside)[: len(inside) - node.level + 1]
            if node.module:
                yield (".".join([*base, node.module]), None)
            else:
                for alias in node.names:
                    yield (".".join([*base, alias.name]), None)


MODULES = sorted(PACKAGE.rglob("*.py"))


def area(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "sandbox" if parts[0] == "sandbox" else parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module(path):
    name = area(path)
    for internal, package in imports(path):
        top = (internal or "").partition(".")[0]
        if name == "sandbox":
            allowed = {"sandbox", "errors", *LANGUAGE, *TIMES}
            if path.name == "sandbox.py":
                allowed |= {"client"}  # Sandbox.client() is the one way back
            assert not internal or top in allowed, internal
            assert package != "pandas"
        elif name in LANGUAGE:
            # what `display` itself may use is pure text, see below
            assert not internal or top in {"display", "errors", *LANGUAGE, *TIMES}, internal
            assert package not in ("pandas", "requests")
        elif name in TIMES:
            assert not internal or top in {"errors", *TIMES}, internal
        elif name in MAY_IMPORT:
            assert not internal or top in {"errors", "__version__", *MAY_IMPORT[name]}, internal
        if name not in ("client", "cli", "__init__", "__main__"):
            assert top not in ("client", "cli") or name == "sandbox", internal
        head = (package or "").partition(".")[0]
        if head in ONLY:
            assert name in ONLY[head], f"{name} imports {head}"
        assert head != "sunpy"


def test_what_is_shown_is_pure_text():
    text = {"__future__", "collections.abc", "html", "pathlib", "re", "textwrap", "typing", "urllib.parse"}
    assert {package for _, package in imports(PACKAGE / "display.py")} <= text


def test_every_module_has_its_place():
    names = {path.stem for path in PACKAGE.glob("*.py")}
    known = {"__init__", "__main__", "client", *MAY_IMPORT, *LANGUAGE, *TIMES}
    assert names - known == set()
    assert known - names == set()


def test_all_is_what_there_is():
    for name in jsoclite.__all__:
        assert getattr(jsoclite, name) is not None
    assert len(set(jsoclite.__all__)) == len(jsoclite.__all__)
    assert set(jsoclite.__all__) <= set(dir(jsoclite))


def test_importing_the_package_loads_nothing_heavy():
    heavy = "pandas astropy drms requests numpy sqlite3 urllib.request matplotlib"
    code = f"import sys, jsoclite; print([m for m in {heavy.split()!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, contextlib\nfrom jsoclite.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "with contextlib.suppress(SystemExit): main(['get', '--help'])\n"
        "print([m for m in ('pandas', 'astropy', 'drms', 'requests', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip().endswith("[]")
