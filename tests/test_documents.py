"""The README's code and the examples of all docstrings run."""

import contextlib
import doctest
import functools
import importlib
import inspect
import io
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.cli import main
from jsoclite.sandbox import Sandbox
from jsoclite.selection.accessor import JsocAccessor

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


def blocks(*languages):
    """Return (language, text) of the code blocks of the README."""
    return re.findall(rf"```({'|'.join(languages)})\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_first_command_works(sandbox, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    install, _, command = blocks("sh")[0][1].strip().partition(" && ")
    assert install == "python -m pip install ."
    program, *arguments = shlex.split(command)
    assert program == "jsoclite"
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("downloaded") == 6
    assert len(list(Path("data").glob("*.fits"))) == 6


def test_the_second_command_is_what_ci_runs():
    command = blocks("sh")[1][1].strip()
    assert command == "python -m pip install '.[test]' && python -m pytest"
    assert re.sub(r"\bpip install\b", "pip install --quiet", command) in (README.parent / ".ci" / "run").read_text()


def test_other_commands(sandbox, tmp_path, monkeypatch, capsys):
    """All other shell blocks, one command after the other in one directory."""
    monkeypatch.chdir(tmp_path)
    lines = [line for _, text in blocks("sh")[2:] for line in text.splitlines()]
    assert lines
    for line in lines:
        command, _, file = line.partition(" > ")
        program, *arguments = shlex.split(command)
        assert program == "jsoclite"
        assert main(arguments) == 0, line
        out = capsys.readouterr().out
        if file:
            Path(file).write_text(out)
    assert len(pd.read_csv("rows.csv")) == len(list(Path("data").glob("*.fits"))) == 4


def test_python_of_the_readme_prints_what_stands_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    namespace = {}
    found = blocks("python", "text")
    checked = 0
    for (language, code), (_, expected) in zip(found, [*found[1:], ("", "")], strict=True):
        if language != "python":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, namespace)
        told = f"```python\n{code}```\n\n```text\n" in README.read_text()
        assert out.getvalue() == (expected if told else "")
        checked += 1
    assert checked == 5
    assert namespace["data"].ndim == 2
    assert namespace["header"]["WAVELNTH"] == 304
    namespace["test_my_table"](namespace["client"])
    namespace["client"].close()


def test_a_script_of_drms_runs_with_the_sandbox_as_its_proxy(tmp_path):
    _, script = blocks("py")[0]
    assert "import drms" in script
    with Sandbox(staging_s=0) as made:
        without = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=without | {"http_proxy": made.url, "HTTP_PROXY": made.url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert len(list(tmp_path.glob("*.fits"))) == 2
        assert made.counts["exp_request"] == 1


def test_what_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README.read_text()):
        assert (README.parent / target).is_file(), target


def test_messages_that_the_readme_explains_are_there():
    table = README.read_text().partition("## When something goes wrong")[2].partition("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(messages) > 12
    # texts of the package, put together where a line ends
    source = " ".join(path.read_text() for path in Path(jsoclite.__file__).parent.rglob("*.py"))
    source = re.sub(r'"\s+f?"', "", source)
    assert [message for message in messages if message not in source] == []


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(jsoclite.__path__, "jsoclite.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    with sandbox.client() as client:
        names = {"client": client, "jsoclite": jsoclite, "np": np, "pd": pd}
        for test in examples(module):
            test.globs.update(names)
            runner.run(test)
    assert runner.failures == 0


def examples(module):
    """Find the examples of a module, also those that doctest passes over: of cached properties."""
    yield from doctest.DocTestFinder().find(module)
    for home in vars(module).values():
        if inspect.isclass(home) and home.__module__ == module.__name__:
            for name, value in vars(home).items():
                if isinstance(value, functools.cached_property):
                    where = f"{module.__name__}.{home.__name__}.{name}"
                    yield doctest.DocTestParser().get_doctest(value.__doc__ or "", vars(module).copy(), where, None, 0)


# classes of which every public method and property is part of the reference; of the others the class says it all
IN_FULL = (jsoclite.Client, jsoclite.RecordSet, jsoclite.Export, jsoclite.ExportRequest, jsoclite.Sandbox, JsocAccessor)


def surface():
    """Yield name and docstring of everything public."""
    for name in jsoclite.__all__:
        if name not in ("__version__", "KEYWORD_SETS"):
            yield name, inspect.getdoc(getattr(jsoclite, name))
    yield "DataFrame.jsoc", inspect.getdoc(JsocAccessor)
    for home in IN_FULL:
        for name in dir(home):
            owner = next(parent for parent in home.__mro__ if name in vars(parent))
            if not name.startswith("_") and owner.__module__.startswith("jsoclite"):
                yield f"{home.__name__}.{name}", inspect.getdoc(inspect.getattr_static(home, name))


@pytest.mark.parametrize(("name", "text"), [pytest.param(*one, id=one[0]) for one in surface()])
def test_the_public_surface_is_documented(name, text):
    assert text, name
    assert ">>> " in text, f"{name} has no example"
    assert "+SKIP" not in text, f"{name} has an example that does not run"


def test_the_reference_is_of_everything_that_is_public():
    names = {name for name, _ in surface()}
    assert {
        "Client.search",
        "Client.drms",
        "RecordSet.replace",
        "Export.wait",
        "Sandbox.url",
        "JsocAccessor.good",
    } <= names
    run = {test.name for test in examples(importlib.import_module("jsoclite.client")) if test.examples}
    assert {"jsoclite.client.Client.export", "jsoclite.client.Client.drms"} <= run
    assert set(jsoclite.__all__) - names == {"__version__", "KEYWORD_SETS"}
