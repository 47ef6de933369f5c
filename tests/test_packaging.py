"""What an index of packages gets."""

import configparser
import re
import runpy
from pathlib import Path

import pytest

import jsoclite

ROOT = Path(__file__).parent.parent
RELATIVE = r"\]\((?!https?://|#)"


@pytest.fixture
def tree(tmp_path):
    """The files that say what the package is, to be changed."""
    for name in ("setup.py", "setup.cfg", "README.md"):
        tmp_path.joinpath(name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def test_an_index_page_has_no_links_that_lead_nowhere(tree):
    assert re.search(RELATIVE, (ROOT / "README.md").read_text(encoding="utf-8"))
    describe = runpy.run_path(str(tree / "setup.py"))["description"]
    text = describe()
    assert not re.search(RELATIVE, text)
    assert "| 2 | SHARP keywords as time series" in text
    assert "http://jsoc.stanford.edu/ajax/register_email.html" in text


def test_links_lead_to_the_sources_where_these_have_an_address(tree):
    path = tree / "setup.cfg"
    path.write_text(path.read_text().replace("[metadata]\n", "[metadata]\nurl = https://example.org/jsoclite/\n"))
    text = runpy.run_path(str(tree / "setup.py"))["description"]()
    assert "[2](https://example.org/jsoclite/blob/main/notebooks/02_sharp_keywords.ipynb)" in text
    assert "](https://example.org/jsoclite/raw/main/notebooks/figures/quicklook.png)" in text
    assert not re.search(RELATIVE, text)


def test_the_setup_says_it_once():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    assert "long_description" not in settings["metadata"]
    assert settings["metadata"]["long_description_content_type"] == "text/markdown"


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {jsoclite.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    first = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first[1] in (jsoclite.__version__, "Unreleased")
