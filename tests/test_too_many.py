"""Sets that hold more than anybody may have meant are counted, and refused with number, size and time."""

import re
import sys

import pytest
from click.testing import CliRunner

import jsoclite
import jsoclite.cli
from jsoclite import Sandbox, TooMany
from jsoclite.cli.program import Settings, program

FILES = "hmi.M_720s[2014.01.01_TAI/120d]{magnetogram}"  # some 14,400
RECORDS = "hmi.M_720s"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox):
    return sandbox.client()


@pytest.mark.parametrize(
    "work",
    [
        lambda client, path: client.query(RECORDS),
        lambda client, path: client.query("hmi.M_720s[]", keywords="T_REC"),
        lambda client, path: client.search("hmi.M_720s"),
        lambda client, path: client.search("aia.lev1_euv_12s", "2014-01-01", "2014-02-01"),
        lambda client, path: client.download(RECORDS, path),
        lambda client, path: client.download("hmi.M_720s[]{magnetogram}", path),
        lambda client, path: next(client.stream(RECORDS, most=200_000)),
    ],
)
def test_a_whole_mission_is_a_slip(client, tmp_path, work):
    with pytest.raises(
        TooMany, match=r"has [\d,]+ records: about \d+ MB and \d+ minutes. If you mean them all"
    ) as caught:
        work(client, tmp_path / "data")
    assert caught.value.count > 10_000
    assert f"limit={caught.value.count}" in str(caught.value)
    assert isinstance(caught.value, ValueError | jsoclite.QueryError)
    assert not (tmp_path / "data").exists()


def test_more_files_than_somebody_may_have_meant(client, tmp_path):
    pattern = r"has 14,\d\d\d files, some [\d.]+ GB, which take [\d.]+ h at 2 MB/s. If you mean them all, pass limit=14"
    with pytest.raises(TooMany, match=pattern):
        client.download(FILES, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    # two segments of each record count twice
    with pytest.raises(TooMany, match="has 14,"):
        client.download("hmi.B_720s[2014.01.01_TAI/60d]{field,azimuth}", tmp_path / "data")


def test_who_says_so_gets_them(client, tmp_path):
    assert len(client.query("hmi.M_720s[2014.01.01_TAI/3h]", limit=10**6)) == 15
    assert len(client.query(RECORDS, keywords="T_REC", limit=300)) == 300
    assert len(client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path, limit=5)) == 5
    with pytest.raises(TooMany, match="has 5 files"):
        client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path, limit=4)
    with pytest.raises(TooMany, match="has 5 files"):  # nothing is allowed, which is not the same as nothing said
        client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path / "none", limit=0)


def test_rows_that_were_listed_are_meant(client, tmp_path, monkeypatch):
    monkeypatch.setattr("jsoclite.client.MOST_FILES", 3)
    rows = client.query("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}")
    with pytest.raises(TooMany):
        client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path)
    assert len(client.download(rows, tmp_path)) == 5
    assert len(client.download(client.plan("hmi.M_720s[2014.01.01_TAI/2h]{magnetogram}"), tmp_path)) == 10


@pytest.mark.parametrize("words", [["query", RECORDS, "--csv"], ["get", RECORDS, "-o", "data"]])
def test_the_command_line_refuses_without_a_terminal(sandbox, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert jsoclite.cli.main([*words, "--server", sandbox.url]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"has [\d,]+ records: .* \(--yes on the command line\)", err)


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("y\n", 0)])
def test_and_asks_on_one(sandbox, monkeypatch, tmp_path, answer, code):
    monkeypatch.setattr("jsoclite.client.MOST_FILES", 3)
    monkeypatch.setitem(vars(sys.modules["jsoclite.cli.program"]), "on_terminal", lambda: True)
    words = ["--server", sandbox.url, "get", "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "-o", str(tmp_path)]
    done = CliRunner().invoke(program, words, input=answer, obj=Settings(), standalone_mode=False)
    assert (done.return_value if done.exception is None else done.exit_code) == code
    assert "All of them? [y/N]" in done.stderr
    assert len(list(tmp_path.glob("*.fits"))) == (5 if code == 0 else 0)


def test_yes(sandbox, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("jsoclite.client.MOST_FILES", 3)
    words = ["get", "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "-o", str(tmp_path), "--yes", "--server", sandbox.url]
    assert jsoclite.cli.main(words) == 0
    monkeypatch.setattr("jsoclite.cli.ask.MOST_RECORDS", 3)
    words = ["query", "hmi.M_720s[2014.01.01_TAI/1h]", "--csv", "--server", sandbox.url]
    assert jsoclite.cli.main(words) == 2
    assert jsoclite.cli.main([*words, "-y"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 5
