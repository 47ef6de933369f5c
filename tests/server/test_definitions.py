"""Definitions that are kept across runs: what they save, what is told, and what is not believed."""

import copy
import json
import os
import pickle
import re
import subprocess
import sys
import time

import drms
import pytest
import responses
from conftest import GOLDEN

import jsoclite
from jsoclite.errors import EmailError, UnknownName
from jsoclite.sandbox import Sandbox
from jsoclite.server.definitions import Definitions

BASE = "http://jsoc.test/"
SERIES = "hmi.M_720s"
GOLDEN_CALLS = [json.loads(line) for line in (GOLDEN / "jsoc_info.jsonl").read_text().splitlines()]
DEFINITION = next(
    json.loads(call["body"]) for call in GOLDEN_CALLS if call["args"] == {"op": "series_struct", "ds": SERIES}
)
ROW = {
    "recinfo": [{"name": f"{SERIES}[2014.01.01_00:00:00_TAI][3]", "online": 1}],
    "keywords": [
        {"name": name, "values": [value]}
        for name, value in (("*recnum*", 7), ("DATAMEAN", "1.5"), ("T_REC", "2014.01.01_00:00:00_TAI"))
    ],
    "segments": [],
    "links": [],
    "count": 1,
    "runtime": 0.1,
    "status": 0,
}


@pytest.fixture
def asked():
    """Answer as a JSOC does, and list the programs' operations that were asked for."""
    operations = []

    def answer(request):
        operations.append(request.params["op"])
        body = {"series_struct": DEFINITION, "rs_list": ROW, "rs_summary": {"status": 0, "count": 1}}
        return 200, {"Server": "Apache"}, json.dumps(body[request.params["op"]])

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add_callback("GET", re.compile(r"http://([^/]*@)?jsoc\.test/cgi-bin/ajax/jsoc_info"), answer)
        yield operations


def query(**options):
    """Ask as a script would that was just started."""
    return jsoclite.Client(BASE, **options).query(f"{SERIES}[2014.01.01_TAI]", keywords="DATAMEAN")


def kept(home):
    """Return the one file that is kept."""
    (path,) = home.rglob("*.json")
    return path


def without(home, name, what="keywords"):
    """Make what is kept a definition of yesterday, before a name was added."""
    path = kept(home)
    body = json.loads(path.read_text())
    body["reply"][what] = [one for one in body["reply"][what] if one["name"] != name]
    path.write_text(json.dumps(body))


def test_the_first_question_of_a_later_run_costs_one_request(asked):
    first = query()
    assert asked == ["series_struct", "rs_list"]
    assert query().equals(first)
    assert asked[2:] == ["rs_list"]
    jsoclite.Client(BASE).count(SERIES.upper() + "[2014.01.01_TAI]")
    assert asked[3:] == ["rs_summary"]
    query(cache=False)
    assert asked[4:] == ["series_struct", "rs_list"]


def test_the_age_is_told(asked, cache_home):
    info = jsoclite.Client(BASE).info(SERIES)
    assert not info.age
    assert "as of" not in str(info)
    then = time.time() - 7200
    os.utime(kept(cache_home), (then, then))
    info = jsoclite.Client(BASE).info(SERIES)
    assert 7200 <= info.age.total_seconds() < 7300
    assert "as of" in str(info)
    assert "120 minutes ago; Client(cache=False) asks anew" in info._repr_html_()
    assert asked == ["series_struct"]


def test_a_name_that_is_not_in_a_kept_definition_is_looked_up_anew(asked, cache_home):
    query()
    without(cache_home, "DATAMEAN")
    assert query().DATAMEAN.tolist() == [1.5]
    assert asked[2:] == ["series_struct", "rs_list"]
    query()
    assert asked[4:] == ["rs_list"]  # what was looked up is what is kept now
    client = jsoclite.Client(BASE)
    for _ in range(2):
        with pytest.raises(UnknownName, match="DATAMEEN.*DATAMEAN"):
            client.query(f"{SERIES}[2014.01.01_TAI]", keywords="DATAMEEN")
    with pytest.raises(UnknownName, match="CAMERRA"):
        client.search(SERIES, CAMERRA=3)
    with pytest.raises(UnknownName, match="CAMERRA"):
        jsoclite.Client(BASE).nearest(SERIES, "2014-01-01", "1h", CAMERRA=3)
    assert asked[5:] == ["series_struct", "series_struct"]


def test_all_keywords_are_all_that_there_are_now(asked, cache_home):
    query()
    without(cache_home, "DATAMEAN")
    df = jsoclite.Client(BASE).query(f"{SERIES}[2014.01.01_TAI]", keywords="**ALL**")
    assert df.DATAMEAN.dtype == float
    assert asked[2:] == ["series_struct", "rs_list"]


def test_segments_of_a_download_are_those_that_there_are_now(asked, cache_home, tmp_path):
    query()
    without(cache_home, "magnetogram", "segments")
    rows = query()
    for segments in ("magnetogram", None):
        with pytest.raises(EmailError):  # there are no files at hand, and the segment is no error
            jsoclite.Client(BASE, retries=0).download(rows, tmp_path, segments=segments, protocol="fits")
        without(cache_home, "magnetogram", "segments")
    assert asked[3:].count("series_struct") == 2


def _changed(**changes):
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | changes))


SPOILT = {
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "empty": lambda path: path.write_bytes(b""),
    "bytes": lambda path: path.write_bytes(bytes(range(256))),
    "a list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "of another server": _changed(server="http://other.test/cgi-bin/ajax/jsoc_info"),
    "of another series": _changed(series="hmi.b_720s"),
    "no definition": _changed(reply={"status": 0}),
    "no object": _changed(reply=7),
    "keywords twice": _changed(reply=DEFINITION | {"keywords": DEFINITION["keywords"] * 2}),
    "two days old": lambda path: os.utime(path, (time.time() - 2 * 86400,) * 2),
    "of tomorrow": lambda path: os.utime(path, (time.time() + 86400,) * 2),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}
if hasattr(os, "getuid"):
    SPOILT["writable for others"] = lambda path: path.chmod(0o666)


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_damaged_or_foreign_is_as_good_as_not_there(asked, cache_home, how):
    first = query()
    SPOILT[how](kept(cache_home))
    assert query().equals(first)
    assert asked[2:] == ["series_struct", "rs_list"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_it_is_private_and_knows_no_password(asked, cache_home, monkeypatch):
    jsoclite.Client("http://me:secret@jsoc.test/").info(SERIES)
    path = kept(cache_home)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "secret" not in path.read_text()
    jsoclite.Client(BASE).info(SERIES)
    assert asked == ["series_struct"]
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)  # somebody else's
    jsoclite.Client(BASE).info(SERIES)
    assert asked == ["series_struct"] * 2


def test_a_directory_that_cannot_be_written_keeps_nothing(asked, cache_home):
    (cache_home / "definitions").write_text("a file in the way")
    query()
    query()
    assert asked == ["series_struct", "rs_list"] * 2


def test_no_definition_of_a_sandbox_is_kept(cache_home):
    with Sandbox(staging_s=0) as sandbox:
        for client in (sandbox.client(), jsoclite.Client(sandbox.url), jsoclite.Client("sandbox")):
            assert client.pkeys(SERIES) == ["T_REC", "CAMERA"]
    assert list(cache_home.rglob("*")) == []


def test_it_lies_where_the_platform_keeps_such_things(tmp_path):
    code = "from jsoclite.server.definitions import Definitions as D; D('http://a/').write('x.y', {'a': 1})"
    homes = {name: str(tmp_path) for name in ("HOME", "LOCALAPPDATA", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | homes)
    assert json.loads(kept(tmp_path).read_text())["reply"] == {"a": 1}
    assert "jsoclite" in kept(tmp_path).parts
    assert Definitions("http://a/").read("x.y") is None  # tests have a directory of their own


def test_a_question_needs_no_tables_of_a_definition(asked, monkeypatch):
    first = query()
    with monkeypatch.context() as patch:
        patch.setattr(drms.SeriesInfo, "__init__", lambda *_, **__: pytest.fail("tables were made"))
        assert query().equals(first)
        assert jsoclite.Client(BASE).pkeys(SERIES) == ["T_REC", "CAMERA"]
    info = jsoclite.Client(BASE).info(SERIES)
    theirs = drms.SeriesInfo(DEFINITION, name=SERIES)
    for one in (info, copy.copy(info), pickle.loads(pickle.dumps(info))):
        assert vars(one).items() >= {"name": SERIES, "age": info.age}.items()
        for table in ("keywords", "segments", "links"):
            assert getattr(one, table).equals(getattr(theirs, table))
        for name in ("retention", "unitsize", "archive", "tapegroup", "note", "dbindex", "primekeys"):
            assert getattr(one, name) == getattr(theirs, name)
        assert not hasattr(one, "nonsense")
    assert asked == ["series_struct", "rs_list", "rs_list"]
