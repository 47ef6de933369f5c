"""
Write the reference as HTML: a page a room, with a search over all of them.

    python -m pip install '.[docs]' && python .ci/reference.py reference

Then open reference/index.html. What stands there are the docstrings of all public names, and of what they return.
"""

import importlib
import inspect
import os
import sys
from pathlib import Path

import pdoc
import pdoc.render

import jsoclite

# lower floors first: a name stands in the first room that has it; then the order of the overview
ROOMS = [
    *("errors", "times", "quality", "recordset", "fits", "query", "export.steps", "export", "download", "archive"),
    *("sandbox", "client"),
]
SHOWN = [
    *("client", "selection", "recordset", "query", "quality", "export", "export.steps", "download", "archive", "fits"),
    *("times", "errors", "sandbox"),
]
# what public names return, and take
MORE = {
    "selection": ["JsocAccessor"],
    "download": ["Plan"],
    "quality": jsoclite.quality.__all__,
    "sandbox": ["Fault"],
}
ABOUT = """
The JSOC client for people who live in DataFrames. What stands here are the docstrings, room by room; public names are
imported from the package, wherever they stand: `from jsoclite import Cutout`.

"""


def rooms():
    """Return the names of each room; all that is public stands in one."""
    left = [name for name in jsoclite.__all__ if name not in ("__version__", "quality")]
    found = {}
    for room in ROOMS:
        module = importlib.import_module(f"jsoclite.{room}")
        found[room] = [name for name in left if hasattr(module, name)]
        left = [name for name in left if name not in found[room]]
    if left:
        raise SystemExit(f"no page has {', '.join(left)}")
    return {room: found.get(room, []) + MORE.get(room, []) for room in SHOWN}


def overview(names):
    """Return the text of the first page: what there is, with the first line that is said of it."""
    lines = [ABOUT]
    for room, here in names.items():
        module = sys.modules[f"jsoclite.{room}"]
        lines.append(f"\n`jsoclite.{room}`: {_first_line(module)}\n")
        for name in here:
            value = getattr(module, name)
            lines.append(f"- `jsoclite.{room}.{name}`" + (f": {_first_line(value)}" if callable(value) else ""))
    return "\n".join(lines)


def _first_line(value):
    return inspect.getdoc(value).partition("\n\n")[0].replace("\n", " ")


def main(directory):
    """Write all pages."""
    from jsoclite.selection import accessor

    names = rooms()
    importlib.import_module("jsoclite.selection").JsocAccessor = accessor.JsocAccessor
    for room, here in names.items():
        below = [name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == room]
        importlib.import_module(f"jsoclite.{room}").__all__ = here + below
    jsoclite.__doc__ = overview(names)
    jsoclite.__all__ = [room for room in names if "." not in room]
    pdoc.render.configure(docformat="numpy", show_source=False, footer_text=f"jsoclite {jsoclite.__version__}")
    output = Path(directory).resolve()
    output.mkdir(parents=True, exist_ok=True)
    os.chdir(output)  # in a checkout pdoc would wonder which jsoclite is meant: what is installed, or the folder
    pdoc.pdoc("jsoclite", output_directory=output)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["reference"])
