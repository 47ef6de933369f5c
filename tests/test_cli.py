"""The command line, run as a person would."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from jsoclite.cli import main
from jsoclite.sandbox import Fault, Sandbox

SET = "hmi.B_720s[2015.08.27_05:00:00_TAI-2015.08.27_06:00:00_TAI@24m]{field,azimuth}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture
def run(sandbox, capsys):
    def call(*arguments):
        sandbox.clear_faults()
        code = main(["--server", sandbox.url, "--email", sandbox.email, *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_the_first_command_of_the_readme(tmp_path):
    command = [sys.executable, "-m", "jsoclite", "--server", "sandbox", "get", SET, "-o", str(tmp_path / "data")]
    first = subprocess.run(command, check=True, capture_output=True, text=True)
    assert first.stdout.count("downloaded") == 6
    assert len(list((tmp_path / "data").glob("*.fits"))) == 6
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert again.stdout.count("present") == 6
    assert "nothing was transferred" in again.stderr


def test_series_info_count(run):
    code, out, _ = run("series", r"aia\..*")
    assert (code, len(out.splitlines())) == (0, 9)
    assert run("series", "no such series")[0] == 1
    code, out, _ = run("info", "hmi.B_720s", "--keywords")
    assert code == 0
    assert "prime keys: T_REC" in out
    assert "azimuth" in out
    assert "DSUN_OBS" in out
    assert run("count", "hmi.M_720s[2014.01.01_TAI/1d]")[1].strip() == "120"


def test_query_in_every_form(run, tmp_path):
    arguments = ("query", "hmi.M_720s[2014.01.01_TAI/1h]", "-k", "T_REC,QUALITY")
    code, out, _ = run(*arguments)
    assert code == 0
    assert "2014.01.01_00:48:00_TAI" in out
    (tmp_path / "rows.csv").write_text(run(*arguments, "--csv")[1])
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 5
    rows = [json.loads(line) for line in run(*arguments, "--json")[1].splitlines()]
    assert rows[0]["record"] == "hmi.M_720s[2014.01.01_00:00:00_TAI][3]"
    # rows from a file are exactly these rows
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    (tmp_path / "two.csv").write_text("\n".join([lines[0], lines[5], lines[2]]))
    code, out, _ = run("get", str(tmp_path / "two.csv"), "-s", "magnetogram", "-o", str(tmp_path), "--csv")
    assert code == 0
    assert pd.read_csv(__import__("io").StringIO(out)).record.tolist() == [rows[4]["record"], rows[1]["record"]]


def test_export_attach_status(run, tmp_path):
    code, out, _ = run("export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}")
    request_id = out.split()[0]
    assert code == 0
    assert request_id.startswith("JSOC_")
    code, out, _ = run("get", request_id, "-o", str(tmp_path))
    assert (code, out.count("downloaded")) == (0, 1)
    code, out, _ = run("status", request_id)
    assert code == 0
    assert "done" in out
    code, out, _ = run("status", str(tmp_path))
    assert code == 0
    assert "1 done" in out


def test_verify(run, tmp_path):
    run("get", "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "-o", str(tmp_path))
    code, out, err = run("verify", str(tmp_path))
    assert (code, out) == (0, "")
    assert "2 of 2 files are whole" in err
    next(tmp_path.glob("*.fits")).unlink()
    code, out, _ = run("verify", str(tmp_path))
    assert code == 3
    assert "gone" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get", "hmi.nosuch[]", "-o", "{tmp}"], 1, "there is no series hmi.nosuch"),
        (["query", "hmi.M_720s[2014.01.01_TAI]", "-k", "QUALTY"], 1, "Did you mean QUALITY"),
        (["query", "hmi.M_720s[2014.13.01_TAI]"], 2, "time"),
        (["get", "hmi.M_720s[2014.01.01_TAI", "-o", "{tmp}"], 2, "hmi.M_720s"),
        (["get", "hmi.M_720s[1990.01.01_TAI]", "-o", "{tmp}"], 1, "no record matches"),
        (["get", "hmi.M_720s[2014.01.01_TAI]", "-o", "{tmp}/file/below"], 1, "cannot write to directory"),
        (["status", "{tmp}"], 1, "holds no ledger"),
        (["get", "{tmp}/none.csv"], 1, "none.csv"),
    ],
)
def test_errors_are_one_line(run, tmp_path, arguments, code, words):
    (tmp_path / "file").write_text("x")
    got, out, err = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert got == code
    assert words in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*.fits"))
    assert out == ""


def test_wrong_usage_is_exit_code_2():
    for arguments in ([], ["frobnicate"], ["query"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_no_address_is_said(sandbox, capsys):
    assert main(["--server", sandbox.url, "export", "hmi.M_720s[2014.01.01_TAI]"]) == 1
    assert "JSOC_EMAIL" in capsys.readouterr().err


def test_some_files_is_exit_code_3(sandbox, run, tmp_path, capsys):
    sandbox.add_fault(Fault("403", "file", nth=1, times=1))
    code = main(["--server", sandbox.url, "get", SET, "-o", str(tmp_path)])
    out, _ = capsys.readouterr()
    assert code == 3
    assert out.count("failed") == 1
    assert out.count("downloaded") == 5
    assert run("get", SET, "-o", str(tmp_path))[0] == 0


def test_an_interrupt_is_exit_code_130(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("jsoclite.cli._client", interrupted)
    assert main(["count", "hmi.M_720s[]"]) == 130
    assert "run the same line again" in capsys.readouterr().err
