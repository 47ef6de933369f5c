"""The README's code and the examples of all docstrings run."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.cli import main
from jsoclite.sandbox import Sandbox

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_readme_opens_with_a_command_that_works(sandbox, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first = blocks("sh")[0].strip()
    assert README.read_text().partition("```sh\n")[0].strip() == "# jsoclite"
    install, _, command = first.partition(" && ")
    assert install == "python -m pip install ."
    program, *arguments = shlex.split(command)
    assert program == "jsoclite"
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("downloaded") == 6
    assert len(list(Path("data").glob("*.fits"))) == 6


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_of_the_readme(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(blocks("python")[number], namespace)
    assert namespace["data"].ndim == 2
    assert namespace["header"]["WAVELNTH"] == 304
    namespace["client"].close()


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(jsoclite.__path__, "jsoclite.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    with sandbox.client() as client:
        names = {"client": client, "jsoclite": jsoclite, "np": np, "pd": pd}
        result = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


def test_the_public_surface_is_documented():
    for name in jsoclite.__all__:
        value = getattr(jsoclite, name)
        if callable(value):
            assert (value.__doc__ or "").strip(), name
