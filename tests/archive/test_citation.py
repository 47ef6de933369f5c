"""BibTeX: every DOI has the form, every entry a title."""

import re

import pytest

import jsoclite
from jsoclite.archive import citation
from jsoclite.sandbox import Sandbox

ENTRY = re.compile(r"@(misc|article|software)\{([^,\s]+),\n((?:  \w+ = \{.*\},?\n)+)\}")


def entries(text):
    """Take BibTeX apart: key → fields; all of it must be entries, and comments before them."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    found = {key: dict(re.findall(r"  (\w+) = \{(.*)\},?\n", fields)) for _, key, fields in ENTRY.findall(body)}
    assert not ENTRY.sub("", body).strip()
    assert len(found) == len(ENTRY.findall(body)), "two entries of one key"
    return found


def test_every_doi_has_the_form_and_every_entry_a_title():
    series = [*citation.SERIES_DOI, "aia.lev1_euv_12s", "aia.lev1", "iris.lev1", "mdi.fd_Ic", "su_test.types"]
    found = entries(jsoclite.cite(series))
    found |= entries(
        jsoclite.cite([f"aia.lev1_euv_12s[2014-01-01T00:00:01Z][{wave}]" for wave in citation.AIA_DOI if wave])
    )
    assert len(found) > 35
    for key, fields in found.items():
        assert fields["title"].strip("{}"), key
        assert fields["author"].strip("{}"), key
        if "doi" in fields:
            assert re.fullmatch(r"10\.48322/[0-9a-z]{4}-[0-9a-z]{4}|10\.1007/[\w.-]+", fields["doi"]), key
    dois = [fields["doi"] for fields in found.values() if "doi" in fields]
    assert len(set(dois)) == len(dois) - 1  # aia.lev1 and aia.lev1_euv_12s are both "AIA"


def test_what_is_cited_for_a_series():
    assert list(entries(jsoclite.cite("hmi.sharp_cea_720s"))) == [
        "hmi.sharp_cea_720s", "Pesnell2012", "Scherrer2012", "Schou2012", "Hoeksema2014", "Bobra2014", "jsoclite",
    ]  # fmt: skip
    assert "Hoeksema2014" not in jsoclite.cite("hmi.M_720s")
    assert jsoclite.cite("mdi.fd_V[2000.01.01_TAI]").startswith("% Courtesy of the SOHO/MDI consortium")
    both = jsoclite.cite(["hmi.M_720s", "mdi.fd_V"])
    assert both.count("% ") == 2
    assert both.count("@software") == 1


def test_a_series_without_a_doi_is_named_by_its_address():
    fields = entries(jsoclite.cite("hmi.Mharp_720s"))["hmi.Mharp_720s"]
    assert "doi" not in fields
    assert fields["url"].endswith("?ds=hmi.Mharp_720s")


def test_rows_manifests_and_archives_are_cited(tmp_path):
    with Sandbox() as sandbox:
        client = sandbox.client()
        df = client.query("aia.lev1_euv_12s[2014.01.01_TAI/24s][304,171]{image}")
        files = client.download(df.iloc[:2], tmp_path)
    wanted = list(entries(jsoclite.cite(df.iloc[:2])))
    assert wanted[:2] == ["aia.lev1_euv_12s.171", "aia.lev1_euv_12s.304"]
    assert list(entries(jsoclite.cite(files))) == wanted
    archive = jsoclite.Archive(tmp_path)
    assert list(entries(jsoclite.cite(archive))) == wanted
    assert list(entries(jsoclite.cite(archive.lock()))) == wanted


def test_what_says_no_series_is_refused():
    with pytest.raises(jsoclite.SelectionError):
        jsoclite.cite(7)
