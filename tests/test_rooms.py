"""The rules of the house: rooms, one way down, faces, no circles; and what importing the package loads."""

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import jsoclite

# lowest floor first: a room may use the rooms of the floors below
FLOORS = (
    "errors", "display", "times", "series quality", "recordset", "server", "fits selection", "progress",
    "query", "export", "download", "archive", "sandbox", "client", "check", "cli", "__init__ __main__",
)  # fmt: skip
# the sandbox plays the server: of the client's rooms it may use these only, and its own by the same rule; what stands
# in none of them is its face
SANDBOX_FLOORS = (
    "messages", "catalog", "postgres", "engine", "mission", "sun", "processing", "exports", "programs", "web",
)  # fmt: skip
SANDBOX_USES = ("errors", "times", "recordset", "fits")

# what may be imported in some modules or rooms only
ONLY = {
    "drms": ("server._drms", "errors"),  # the errors are errors of drms, too
    "requests": ("server", "download.transfer", "client"),  # a session of the user's own
    "urllib3": ("server",),
    "sqlite3": ("download.ledger", "sandbox"),
    "matplotlib": ("fits",),
    "tqdm": ("progress",),
    "http": ("sandbox", "server"),
    "PIL": ("sandbox",),
    "pytest": ("sandbox.pytest_plugin",),
    "sunpy": (),
}

LONGEST_MODULE, LONGEST_FUNCTION, MOST_NAMES = 660, 60, 10


# -- what is read from a tree -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """``from via import name`` in a module; `target` is the module that this leads to."""

    module: str
    via: str
    name: str
    target: str
    alias: str


@dataclass
class House:
    """The modules of a package by their dotted names, packages as ``room.__init__``, and their imports."""

    modules: dict[str, ast.Module] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)  # module, top-level name of another package

    def target(self, module: str, via: str, name: str) -> str:
        """Return the module that ``from via import name`` leads to: for other rooms the face, if it has the name."""
        if via != room(module) and name in (self.face(via) or ()):
            return f"{via}.__init__"
        places = (f"{via}.{name}".strip("."), via)
        return next(one for place in places for one in (place, f"{place}.__init__".strip(".")) if one in self.modules)

    def face(self, room: str) -> set[str] | None:
        """Return the names in ``__all__`` of a room that is a package."""
        if f"{room}.__init__" not in self.modules:
            return None
        for node in self.modules[f"{room}.__init__"].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return set(ast.literal_eval(node.value))
        return set()


def read(root):
    """Read the package in a directory; it is called as the directory is."""
    house = House()
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        text = path.read_text()
        house.modules[name], house.lines[name] = ast.parse(text), text.count("\n")
    for module, tree in house.modules.items():
        for node in ast.walk(tree):
            for via, name, alias in _imported(node, module.split(".")[:-1], root.name):
                if via is None:
                    house.others.append((module, name))
                    continue
                house.imports.append(Import(module, via, name, house.target(module, via, name), alias))
    return house


def _imported(node, package, top):
    """Yield (module, name, alias) of what a statement imports of this package, (None, package, "") of others."""
    if isinstance(node, ast.Import):
        for one in node.names:
            head, _, rest = one.name.partition(".")
            yield (rest, "", one.asname or head) if head == top else (None, head, "")
    elif isinstance(node, ast.ImportFrom):
        words = (node.module or "").split(".") if node.module else []
        if node.level:
            base = [*package[: len(package) - node.level + 1], *words]
        elif words[0] == top:
            base = words[1:]
        else:
            yield None, words[0], ""
            return
        for one in node.names:
            yield ".".join(base), one.name, one.asname or one.name


def room(module):
    """Return the room of a module; those of the sandbox are ``sandbox.catalog`` and so on, its face ``sandbox``."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "sandbox" and (len(parts) > 2 or parts[1] in SANDBOX_FLOORS) else parts[0]


# -- the rules: each returns what breaks it ---------------------------------------------------------------------------


OUTER = {name: number for number, floor in enumerate(FLOORS) for name in floor.split()}
INNER = {f"sandbox.{name}": number for number, name in enumerate(SANDBOX_FLOORS)} | {"sandbox": len(SANDBOX_FLOORS)}


def is_below(there, here):
    """Whether a room lies on a floor below another, and may be used by it."""
    if here in INNER:
        return INNER[there] < INNER[here] if there in INNER else there in SANDBOX_USES
    return OUTER.get(there.partition(".")[0], 99) < OUTER.get(here, -1)


def climbs(house):
    """Imports that do not lead down, wherever they stand, and modules that are in no room."""
    found = {f"{module} is in no room" for module in house.modules if room(module) not in {*OUTER, *INNER}}
    for one in house.imports:
        here, there = room(one.module), room(one.target)
        # the sandbox's own client is made as any user makes one
        as_a_user = here == "sandbox" and there == "__init__" and not one.name
        if not (here == there or one.name == "__version__" or as_a_user or is_below(there, here)):
            found.add(f"{one.module} imports {one.target}")
    return sorted(found)


def passed_faces(house):
    """Imports from another room that are not of a name of its face."""
    found = set()
    for one in house.imports:
        there = room(one.target)
        if there in (room(one.module), "__init__") or there == f"{one.via}.{one.name}".strip("."):
            continue
        face, inner = house.face(there), house.face(one.via)  # a package in a room has a face, too: export.steps
        if inner is not None and one.via.startswith(f"{there}.") and one.name in inner:
            continue
        if one.name.startswith("_") if face is None else one.via != there or one.name not in face:
            found.add(f"{one.module} imports {one.name} of {one.via}")
    return sorted(found)


def touched(house):
    """Private attributes of other rooms that are asked for."""
    own = {}
    for module, tree in house.modules.items():
        own.setdefault(room(module), set()).update(_private_names(tree))
    found = set()
    for module, tree in house.modules.items():
        here = room(module)
        strangers = {one.alias for one in house.imports if one.module == module and room(one.target) != here}
        theirs = set().union(*(names for there, names in own.items() if is_below(there, here))) - own[here]
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("_"):
                asked = node.value.id if isinstance(node.value, ast.Name) else ""
                if asked in strangers or (asked not in ("self", "cls") and node.attr in theirs):
                    found.add(f"{module} touches {ast.unparse(node)}")
    return sorted(found)


def _private_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            name = node.name
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"):
            name = node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        else:
            continue
        if name.startswith("_"):
            yield name


def circles(house):
    """Groups of modules that import each other, those for type checkers included."""
    edges = {module: set() for module in house.modules}
    for one in house.imports:
        if one.target not in (one.module, "__init__"):
            edges[one.module].add(one.target)
    reached = {module: _reached(module, edges) for module in edges}
    found = {tuple(other for other in sorted(ways) if name in reached[other]) for name, ways in reached.items()}
    return [" and ".join(one) for one in sorted(found) if one]


def _reached(start, edges):
    """Return all modules that a module imports, itself or through others."""
    found, waiting = set(), [start]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def too_long(house):
    """Modules and function bodies that nobody reads in one go."""
    found = [f"{name}: {count} lines" for name, count in house.lines.items() if count > LONGEST_MODULE]
    for module, tree in house.modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
                count = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if count > LONGEST_FUNCTION:
                    found.append(f"{module}.{node.name}: {count} lines")
    return [one for one in found if not one.startswith("client:")]


def broad_faces(house, public=()):
    """Faces of more names than one remembers, and names in them that nobody uses."""
    found = []
    for name in sorted({room(module) for module in house.modules}):
        face = house.face(name) or set()
        used = {one.name for one in house.imports if one.via == name and room(one.module) != name}
        if len(face) > MOST_NAMES:
            found.append(f"{name}: {len(face)} names")
        found += [f"{name}: nobody uses {one}" for one in sorted(face - used - set(public))]
    return found


def strangers(house):
    """Packages that are imported where they do not belong."""
    found = set()
    for module, package in house.others:
        places = (module, room(module), module.partition(".")[0])
        if package in ONLY and not set(places) & set(ONLY[package]):
            found.add(f"{module} imports {package}")
    return sorted(found)


# -- this house -------------------------------------------------------------------------------------------------------

HOUSE = read(Path(jsoclite.__file__).parent)
# used by those who use the package: its names, the program, and what README.md shows
PUBLIC = {*jsoclite.__all__, "main", "Fault", "Faults"}


@pytest.mark.parametrize("rule", [climbs, passed_faces, touched, circles, too_long, strangers])
def test_the_rules_hold(rule):
    assert rule(HOUSE) == []


def test_faces_are_small_and_used():
    assert broad_faces(HOUSE, PUBLIC) == []
    for module, tree in HOUSE.modules.items():
        assert ast.get_docstring(tree), f"{module} says nothing"


# -- a house that breaks them -----------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path):
    """Make a house of texts by paths; what a test does not say is a small house that keeps all rules."""

    def make(**files):
        sound = {
            "__init__": "__version__ = '1'",
            "errors": "class JsocError(Exception): ...",
            "times/__init__": "from .parse import parse\n__all__ = ['parse']",
            "times/parse": "from ..errors import JsocError\ndef parse(): ...\nclass Time:\n    _ticks = 0",
            "query/__init__": "from .ask import ask\n__all__ = ['ask']",
            "query/ask": "from .. import __version__, errors\nfrom ..times import parse\ndef ask(): return parse()",
            "client": "from .query import ask",
        }
        for name, text in (sound | {name.replace("__in__", "/"): text for name, text in files.items()}).items():
            path = tmp_path / "house" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return read(tmp_path / "house")

    return make


RULES = (climbs, passed_faces, touched, circles, too_long, broad_faces, strangers)


@pytest.mark.parametrize(
    ("rule", "files", "broken"),
    [
        (climbs, {"times__in__parse": "def f():\n    from ..query import ask"}, "times.parse imports query.__init__"),
        (climbs, {"series": "if TYPE_CHECKING:\n    from .client import x"}, "series imports client"),
        (climbs, {"fits__in____init__": "__all__ = []", "selection": "from . import fits"}, "selection imports fits"),
        (climbs, {"helpers": ""}, "helpers is in no room"),
        (climbs, {"sandbox__in__web__in____init__": "from ...query import ask"}, "sandbox.web.__init__ imports query"),
        (climbs, {"sandbox__in__sun__in__a": "from ..web import b", "sandbox__in__web__in____init__": ""}, "sun.a"),
        (passed_faces, {"client": "from .query.ask import ask"}, "client imports ask of query.ask"),
        (passed_faces, {"client": "from .query import other"}, "client imports other of query"),
        (passed_faces, {"client": "from .times import parse\nfrom .errors import _x"}, "client imports _x of errors"),
        (touched, {"client": "from .times import parse\nparse._cache"}, "client touches parse._cache"),
        (touched, {"client": "def f(time):\n    time._ticks = 1"}, "client touches time._ticks"),
        (touched, {"client": "class C:\n    def f(self, other):\n        self._ticks = other._ticks"}, ""),
        (touched, {"client": "def f(time):\n    return time._ticks"}, "client touches time._ticks"),
        (circles, {"times__in__scale": "from .parse import parse", "times__in__parse": "def parse():\n"
         "    from .scale import x"}, "times.parse and times.scale"),
        (circles, {"times__in__scale": "from . import parse", "times__in__parse": "if TYPE_CHECKING:\n"
         "    from .scale import x"}, "times.parse and times.scale"),
        (too_long, {"series": "#\n" * 700}, "series: 701 lines"),
        (too_long, {"series": "def f():\n    '''Text.'''\n" + "    0\n" * 61}, "series.f: 61 lines"),
        (broad_faces, {"query__in____init__": "from .ask import ask\n__all__ = ['ask', 'b']"}, "nobody uses b"),
        (broad_faces, {"query__in____init__": f"__all__ = {list('abcdefghijk')}"}, "query: 11 names"),
        (strangers, {"query__in__ask": "def f():\n    import requests.adapters"}, "query.ask imports requests"),
        (strangers, {"client": "from sunpy.net import Fido"}, "client imports sunpy"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_found(house, rule, files, broken):
    assert any(broken in one for one in rule(house(**files))) == bool(broken)


def test_a_sound_house_breaks_none(house):
    made = house()
    assert [rule(made) for rule in RULES] == [[]] * len(RULES)


# -- what importing loads ---------------------------------------------------------------------------------------------


def test_all_is_what_there_is():
    for name in jsoclite.__all__:
        assert getattr(jsoclite, name) is not None
    assert len(set(jsoclite.__all__)) == len(jsoclite.__all__)
    assert dir(jsoclite) == sorted(jsoclite.__all__)
    assert dir(jsoclite.sandbox) == sorted(jsoclite.sandbox.__all__)
    assert not [name for name in dir(jsoclite) if name.startswith("_") and name != "__version__"]


def test_importing_the_package_loads_nothing_heavy():
    heavy = "pandas astropy drms requests numpy sqlite3 urllib.request matplotlib"
    code = f"import sys, jsoclite; print([m for m in {heavy.split()!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


ACCESSOR = """
import sys
{first}
import pandas as pd
df = pd.DataFrame(index=pd.Index(["hmi.M_720s[2014.01.01_00:00:00_TAI][3]"], name="record"), data={{"recnum": [7]}})
assert "jsoclite.selection" not in sys.modules
assert "jsoc" in dir(df)
print(df.jsoc.series, df.jsoc.recnums, pd.DataFrame.jsoc is not None)
{last}
"""


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("import jsoclite", ""),
        ("import pandas, jsoclite", ""),
        ("import jsoclite.times\nfrom threading import *\n"
         "for _ in range(8): Thread(target=__import__, args=['pandas']).start()", ""),
        ("import importlib, jsoclite\nimportlib.reload(jsoclite)", "importlib.reload(jsoclite)"),
        ("import jsoclite, importlib.util\nimportlib.util.find_spec('pandas')", "import jsoclite.client"),
    ],
)  # fmt: skip
def test_data_frames_have_jsoc_wherever_pandas_is(first, last):
    code = ACCESSOR.format(first=first, last=last)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["hmi.M_720s", "[7]", "True"], done.stderr
    assert done.stderr == ""


def test_a_pandas_that_is_not_there_is_not_there():
    code = "import sys, jsoclite; sys.path[:] = []\ntry: import pandas\nexcept ModuleNotFoundError as e: print(e.name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "pandas", done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys, contextlib\nfrom jsoclite.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "with contextlib.suppress(SystemExit): main(['get', '--help'])\n"
        "print([m for m in ('pandas', 'astropy', 'drms', 'requests', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip().endswith("[]")
