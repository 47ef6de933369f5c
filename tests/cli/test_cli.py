"""The command line, run as a person would; `write` and `complete` alone where no line shows what matters."""

import io
import json
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pandas as pd
import pytest
from click.shell_completion import get_completion_class

import jsoclite
from jsoclite.cli import complete, main
from jsoclite.cli.program import program
from jsoclite.cli.tables import write
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
    code, out, _ = run("info", "hmi.B_720s")
    assert code == 0
    assert re.search("prime keys +T_REC", out)
    assert "azimuth" in out
    assert "MDATA" in out
    code, out, _ = run("info", "hmi.B_720s", "--keywords")
    assert code == 0
    assert "DSUN_OBS" in out
    described = pd.read_csv(io.StringIO(run("info", "hmi.B_720s", "--segments", "--csv")[1]), index_col="name")
    assert described.loc["field", "protocol"] == "link via MDATA"
    assert described.loc["conf_disambig", ["units", "dims"]].tolist() == ["none", "4096x4096"]
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
    assert pd.read_csv(io.StringIO(out)).record.tolist() == [rows[4]["record"], rows[1]["record"]]


def test_export_attach_status(run, tmp_path):
    code, out, _ = run("export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}")
    (request_id,) = out.split()
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
    next(tmp_path.glob("*.fits")).unlink()
    code, out, err = run("verify", str(tmp_path))
    assert code == 1
    assert "0 of 2 files are whole" in err


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
    for arguments in ([], ["frobnicate"], ["query"], ["get", "x", "--protocol", "png"]):
        assert main(arguments) == 2


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

    monkeypatch.setattr("jsoclite.cli.ask.connect", interrupted)
    assert main(["count", "hmi.M_720s[]"]) == 130
    assert "run the same line again" in capsys.readouterr().err


# -- help -------------------------------------------------------------------------------------------------------------


def examples():
    """Return the example of each command, in an order in which they can be run."""
    order = [
        *("series", "info", "query", "count", "coverage", "get", "export", "attach", "cancel", "status", "verify"),
        *("completion", "sync", "adopt", "lock", "diff", "cite", "check", "nearest", "latest", "harps"),
    ]
    assert {*order, "sandbox"} == set(program.commands)
    for name in order:
        with click.Context(program) as context:
            text = program.commands[name].get_help(context)
        (example,) = re.findall(r"Example:\n +jsoclite (.*)", text)
        yield name, shlex.split(example)


def test_the_examples_in_the_help_run(sandbox, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with sandbox.client() as client:
        request_id = client.export("hmi.M_720s[2014.01.01_TAI]{magnetogram}").wait().ids[0]
    for name, example in examples():
        if example[0] == "--server":
            assert example[:2] == ["--server", "sandbox"]
            example = ["--server", sandbox.url, "--email", sandbox.email, *example[2:]]
        example = [request_id if word.startswith("JSOC_") else word for word in example]
        assert main(example) == 0, (name, capsys.readouterr().err)
        out = capsys.readouterr().out
        assert out or name in ("verify", "adopt", "diff"), name
        if name == "lock":
            Path("paper.lock").write_text(out)


def test_every_command_has_help(capsys):
    for name in program.commands:
        assert main([name, "--help"]) == 0
        out = capsys.readouterr().out
        assert "Example:" in out
        assert max(map(len, out.splitlines())) <= 120


def test_the_sandbox_has_images_of_certain_sizes(capsys):
    assert main(["sandbox", "--pixels", "300"]) == 2
    assert "pixels=300: images are 256, 512" in capsys.readouterr().err


def test_the_server_may_be_named_after_the_command(sandbox, capsys):
    assert main(["count", "hmi.M_720s[2014.01.01_TAI/1d]", "--server", sandbox.url]) == 0
    assert capsys.readouterr().out == "120\n"


def test_the_address_is_never_shown(sandbox, capsys):
    code = main(["--server", sandbox.url, "--email", "nobody@nowhere.edu", "export", "hmi.M_720s[2014.01.01_TAI]"])
    out, err = capsys.readouterr()
    assert code == 1
    assert "nobody@nowhere" not in out + err


# -- tables -----------------------------------------------------------------------------------------------------------


def test_one_form_at_a_time(run):
    code, _, err = run("series", "--csv", "--json")
    assert code == 2
    assert "--csv and --json: give one of them" in err


def test_parquet_through_a_pipe(sandbox, tmp_path):
    command = [sys.executable, "-m", "jsoclite", "--server", sandbox.url]
    query = ["query", "hmi.M_720s[2014.01.01_TAI/1h]", "-k", "T_REC,QUALITY,DATAMEAN", "--parquet"]
    piped = subprocess.run([*command, *query], check=True, capture_output=True)
    (tmp_path / "rows.parquet").write_bytes(piped.stdout)
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    assert rows.index.name == "record"
    assert str(rows.dtypes["time"]) == "datetime64[ns, UTC]"
    assert str(rows.dtypes["QUALITY"]) == "Int64"
    rows.iloc[[3]].to_parquet(tmp_path / "one.parquet")
    get = ["get", str(tmp_path / "one.parquet"), "-s", "magnetogram", "-o", str(tmp_path), "--json"]
    (line,) = subprocess.run([*command, *get], check=True, capture_output=True, text=True).stdout.splitlines()
    assert json.loads(line)["record"] == rows.index[3]


def test_rows_through_a_pipe(run, tmp_path, monkeypatch):
    text = run("query", "hmi.M_720s[2014.01.01_TAI/1h]", "-k", "T_REC", "--csv")[1]
    lines = text.splitlines()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([lines[0], lines[2]])))
    code, out, _ = run("get", "-", "-s", "magnetogram", "-o", str(tmp_path))
    assert (code, out.count("downloaded")) == (0, 1)


def test_parquet_types_do_not_depend_on_the_first_rows(tmp_path, monkeypatch):
    frames = [
        pd.DataFrame({"word": pd.Series([None, None], dtype=object), "n": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"word": pd.Series(["a", None], dtype=object), "n": pd.array([None, 3], dtype="Int64")}),
    ]
    with (tmp_path / "rows.parquet").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file))
        write(frames, "parquet")
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert back.word.isna().tolist() == [True, True, False, True]
    assert back.n.tolist()[3] == 3


@pytest.fixture
def terminal(monkeypatch):
    """Make stdout a terminal of a width; from within the test, because pytest sets stdout anew for each."""

    def make(width):
        out = io.StringIO()
        out.isatty = lambda: True
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("COLUMNS", str(width))
        return out

    return make


def test_parquet_is_not_written_to_a_terminal(terminal, sandbox, capsys):
    terminal(80)
    assert main(["--server", sandbox.url, "series", "--parquet"]) == 2
    assert "rows.parquet" in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_table_fits_a_terminal(terminal, sandbox, width):
    out = terminal(width)
    arguments = ["query", "hmi.M_720s[2014.01.01_TAI/1h]", "-s", "magnetogram", "--server", sandbox.url]
    assert main(arguments) == 0
    shown = click.unstyle(out.getvalue()).splitlines()
    assert all(len(line) <= width for line in shown) or width == 60
    assert sum("[2014.01.01_00:" in line and "_TAI][3]" in line for line in shown) == 5
    text = " ".join(" ".join(shown).split())
    # what is the same in all rows is still said
    assert "HMI_SIDE1" in text
    assert "0x00000000" in text


def test_a_single_wide_record_becomes_a_block(terminal, sandbox):
    out = terminal(80)
    assert main(["query", "hmi.M_720s[2014.01.01_TAI]", "-k", "**ALL**", "--server", sandbox.url]) == 0
    lines = click.unstyle(out.getvalue()).splitlines()
    assert lines[0] == "hmi.M_720s[2014.01.01_00:00:00_TAI][3]"
    assert [line.split() for line in lines if " QUALITY " in line] == [["QUALITY", "0x00000000"]]
    assert len(lines) > 80


def test_what_a_terminal_would_obey_is_not_printed():
    frame = pd.DataFrame({"note": ["\x1b]0;owned\x07"], "names": [["a", "b"]], "value": [float("nan")], "ok": [True]})
    import contextlib

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        write([frame], None)
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().splitlines()[1].split()[-4:] == ["a,", "b", "-", "yes"]


def test_a_big_answer_is_written_piece_by_piece(sandbox, monkeypatch):
    """What is there is printed before more is asked for."""
    out = io.StringIO()
    seen = []
    real = jsoclite.Client.stream

    def watched(self, *arguments, **options):
        for frame in real(self, *arguments, **options, size=50):
            seen.append(out.getvalue().count("\n"))
            yield frame

    monkeypatch.setattr(jsoclite.Client, "stream", watched)
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["query", "hmi.M_720s[2014.01.01_TAI/1d]", "-k", "T_REC", "--csv", "--server", sandbox.url]) == 0
    assert seen[0] == 0
    assert seen[1] > 30
    assert out.getvalue().count("\n") == 121
    assert out.getvalue().count("record,recnum") == 1
    out.seek(0)
    assert pd.read_csv(out).recnum.is_monotonic_increasing


@pytest.mark.parametrize(
    "words",
    [
        "query 'hmi.M_720s[2014.01.01_TAI/20d]' --csv",
        "query 'hmi.M_720s[2014.01.01_TAI/20d]'",
        "query 'hmi.M_720s[2014.01.01_TAI/20d]' --json",
        "series",
        "get 'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}' -o %s --csv",
    ],
)
def test_lines_that_nobody_reads(sandbox, tmp_path, words):
    """`| true` and `| head -1` end the pipe early, which is no failure."""
    words = words % shlex.quote(str(tmp_path / "data")) if "%s" in words else words
    command = f"{shlex.quote(sys.executable)} -m jsoclite --server {sandbox.url} {words}"
    script = f"set -o pipefail; {command} | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "downloaded" not in line]) == (0, [])
    if "20d" in words:
        done = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, check=True)
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["get 'hmi.M_720s[2014.01.01_TAI]{magnetogram}' -o %s", "count 'hmi.M_720s[2014]'"])
def test_streams_that_a_daemon_has_closed(sandbox, tmp_path, words, closed):
    words = words % shlex.quote(str(tmp_path / "data")) if "%s" in words else words
    command = f"{shlex.quote(sys.executable)} -m jsoclite --server {sandbox.url} {words} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert len(list(tmp_path.glob("data/*.fits"))) == ("data" in words)


# -- exports ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def many_rows(sandbox, tmp_path):
    """Rows that need two requests."""
    with sandbox.client() as client:
        rows = client.query("hmi.M_720s[2014.01.01_TAI/20d]", keywords="T_REC,QUALITY")
    chosen = rows[rows.jsoc.good()].sample(1200, random_state=1)
    chosen.to_csv(tmp_path / "rows.csv")
    return str(tmp_path / "rows.csv"), len(chosen)


def test_export_ends_when_all_requests_are_taken(run, many_rows):
    code, out, _ = run("export", many_rows[0], "-s", "magnetogram")
    ids = out.split()
    assert code == 0
    assert len(ids) == 2
    code, out, err = run("attach", *ids)
    assert code == 0
    assert len(out.split()) == many_rows[1]
    assert "waiting for" in err
    assert run("status", *ids)[0] == 0


def test_attach_downloads(run, tmp_path):
    (request_id,) = run("export", "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}")[1].split()
    code, out, _ = run("attach", request_id, "-o", str(tmp_path), "--csv")
    assert code == 0
    manifest = pd.read_csv(io.StringIO(out))
    assert manifest.request_id.unique().tolist() == [request_id]
    assert len(list(tmp_path.glob("*.fits"))) == 2


def test_export_waits_and_prints_urls(run):
    code, out, _ = run("export", "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "--wait")
    assert code == 0
    assert [url[-5:] for url in out.split()] == [".fits", ".fits"]
    code, out, _ = run("export", "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "--wait", "--json")
    assert [json.loads(line)["record"] for line in out.splitlines()] == [
        "hmi.M_720s[2014.01.01_00:00:00_TAI][3]",
        "hmi.M_720s[2014.01.01_00:12:00_TAI][3]",
    ]
    code, out, _ = run(
        "export", "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "-m", "url-tar", "-p", "as-is", "--wait"
    )
    assert out.strip().endswith(".tar")


def test_a_failed_export_is_exit_code_1(run):
    code, out, err = run("export", "hmi.M_720s[1990.01.01_TAI]{magnetogram}")
    assert (code, out) == (1, "")
    assert "hmi.M_720s[1990.01.01_TAI]" in err


def test_status_tells_what_is_open(capsys):
    with Sandbox(staging_s=3600) as slow:
        options = ["--server", slow.url, "--email", slow.email]
        assert main([*options, "export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}"]) == 0
        request_id = capsys.readouterr().out.strip()
        assert main([*options, "status", request_id, "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["request_id"] == request_id
    assert main([*options, "status", "JSOC_nonsense"]) == 1


def test_an_interrupt_names_the_ids(monkeypatch, sandbox, capsys):
    def interrupted(self, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(jsoclite.Export, "wait", interrupted)
    options = ["--server", sandbox.url, "--email", sandbox.email]
    assert main([*options, "export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}", "--wait"]) == 130
    assert re.search(r"JSOC goes on: jsoclite attach JSOC_\d+_\d+", capsys.readouterr().err)


def test_failed_files_are_told_with_the_reason(sandbox, tmp_path, capsys):
    sandbox.add_fault(Fault("403", "file", nth=1, times=1))
    code = main(["--server", sandbox.url, "get", SET, "-o", str(tmp_path)])
    assert code == 3
    assert "failed: HTTP 403" in capsys.readouterr().err


# -- the program itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_JSOCLITE_COMPLETE" in script
    # click's own would cut lists of keywords at the first comma
    assert 'string split ","' not in script
    assert ("string split --max 1" in script) == (shell == "fish")


def test_completion_of_an_unknown_shell(capsys, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion"]) == 2
    assert "tcsh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ([], "cou", {"count"}),
        (["info"], "hmi.m_7", {f"hmi.M_720s{end}" for end in ("", "_dcon", "_dconS", "_mod", "_nrt")}),
        (["query", "hmi.M_720s[]", "-k"], "T_REC,DATAMEA", {"T_REC,DATAMEAN", "T_REC,DATAMEA2"}),
        (["query", "hmi.M_720s[]"], "--par", {"--parquet"}),
        (["query", "no.series[]", "-k"], "T", set()),
        (["get", "x", "--protocol"], "a", {"auto", "as-is"}),
    ],
)
def test_completions(words, begun, expected):
    complete = get_completion_class("bash")(program, {}, "jsoclite", "_JSOCLITE_COMPLETE")
    assert {item.value for item in complete.get_completions(words, begun)} == expected


def test_the_series_that_are_completed_are_those_of_the_sandbox(capsys):
    """The list is what the line in the module's docstring prints."""
    line = re.search(r"python -c '\n(.*?)' > jsoclite/cli/series.txt", complete.__doc__, re.DOTALL)
    exec(textwrap.dedent(line[1]))
    assert capsys.readouterr().out == Path(complete.__file__).with_name("series.txt").read_text()


def test_sandbox_until_interrupted():
    command = [sys.executable, "-m", "jsoclite", "sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        assert main(["count", "hmi.M_720s[2014.01.01_TAI/1d]", "--server", url]) == 0
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == ""


@pytest.fixture
def slow(monkeypatch, hand_clock):
    """A sandbox that stages for an hour, and clients whose waiting costs no time."""
    monkeypatch.setattr("jsoclite.client.Clock", lambda: hand_clock.clock)
    with Sandbox(staging_s=3600) as made:
        yield made


class Terminal(io.StringIO):
    """A person who types."""

    def isatty(self):
        return True


def test_cancel(slow, capsys):
    shared = ["--server", slow.url, "--email", slow.email]
    assert main([*shared, "export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}"]) == 0
    name = capsys.readouterr().out.strip()
    assert main([*shared, "cancel", "JSOC_20140101_001", name]) == 3
    out, err = capsys.readouterr()
    assert out == f"{name} is cancelled\n"
    assert f"JSOC_20140101_001 is not cancelled: {name} pends for this address" in err
    assert main([*shared, "cancel", name]) == 0
    assert "nothing pends for this address" in capsys.readouterr().out
    assert slow.email not in err
    assert main([*shared, "cancel", "../x"]) == 1


@pytest.mark.parametrize("answer", ["y", "n", None])
def test_on_a_terminal_a_request_in_the_way_can_be_cancelled(slow, capsys, monkeypatch, answer, hand_clock):
    shared = ["--server", slow.url, "--email", slow.email]
    main([*shared, "export", "hmi.M_720s[2014.01.01_TAI]{magnetogram}"])
    name = capsys.readouterr().out.strip()
    if answer:
        monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    began = hand_clock.time
    code = main([*shared, "export", "-q", "hmi.M_720s[2014.01.02_TAI]{magnetogram}"])
    out, err = capsys.readouterr()
    assert (f"{name} is in the way" in err) == bool(answer)
    if answer == "y":
        assert code == 0
        assert out.strip() != name
        assert hand_clock.time - began < 90
    else:  # an hour later it is told
        assert code == 1
        assert "status 7" in err
        assert name in err


ROWS = "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}"


@pytest.mark.parametrize(
    ("name", "write_rows"),
    [
        ("semicolons.csv", lambda df, path: df.to_csv(path, sep=";")),
        ("tabs.tsv", lambda df, path: df.to_csv(path, sep="\t")),
        ("tabs.csv", lambda df, path: df.to_csv(path, sep="\t")),
        ("utf16.csv", lambda df, path: df.to_csv(path, encoding="utf-16")),
        ("bom.txt", lambda df, path: df.to_csv(path, encoding="utf-8-sig")),
        (
            "lines.jsonl",
            lambda df, path: df.reset_index().to_json(path, orient="records", lines=True, date_format="iso"),
        ),
        ("list.json", lambda df, path: df.reset_index().to_json(path, orient="records", date_format="iso")),
    ],
)
def test_files_of_rows(run, sandbox, tmp_path, name, write_rows):
    write_rows(sandbox.client().query(ROWS), tmp_path / name)
    code, out, err = run("get", str(tmp_path / name), "-o", str(tmp_path / "data"), "-q")
    assert (code, out.count("downloaded")) == (0, 2), err


def test_query_as_json_feeds_get(run, tmp_path, monkeypatch):
    lines = run("query", ROWS, "-k", "T_REC,QUALITY", "--json")[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    code, out, _ = run("get", "-", "-o", str(tmp_path), "-q")
    assert (code, out.count("downloaded")) == (0, 2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing.csv", "there is no file .*nothing.csv"),
        ("nothing.json", "there is no file .*nothing.json"),
        ("rows.pkl", r"rows come as CSV, JSON or parquet; write them with df.to_csv\('rows.csv'\)"),
        ("lost.csv", "has no column 'record', which 'jsoclite query --csv' writes, but T_REC, QUALITY"),
        ("empty.csv", "cannot read rows from .*empty.csv"),
        ("", "is a directory, where rows or a record set are wanted; see 'jsoclite verify"),
    ],
)
def test_files_that_hold_no_rows(run, tmp_path, name, said):
    (tmp_path / "lost.csv").write_text("T_REC;QUALITY\n2014.01.01_TAI;0\n")
    (tmp_path / "empty.csv").write_text("")
    for command in ("get", "export", "cite"):
        if command == "cite" and not name:  # which takes directories
            continue
        code, _, err = run(command, str(tmp_path / name))
        assert code == 1
        assert re.match(f"jsoclite: .*{said}", err), err


def test_conditions(run):
    narrow = "hmi.M_720s[2014.01.01_TAI/2h]"
    assert run("count", narrow, "--where", "QUALITY = 0", "--where", "DATAMEAN > 0")[1] == "6\n"
    out = run("query", narrow, "--where", "DATAMEAN > 0", "-k", "DATAMEAN", "--csv")[1]
    assert len(out.splitlines()) == 7
    code, _, err = run("query", f"{narrow}[? QUALITY = 0 ?]", "--where", "DATAMEAN > 0")
    assert code == 2
    assert "has a condition of its own" in err
    assert "Did you mean QUALITY" in run("count", narrow, "--where", "QUALTY = 0")[2]


def test_steps(run, tmp_path):
    cutout = ("--cutout", "-300,150,400x200@2014-01-01T00:00")
    code, out, _ = run("get", ROWS, "-o", str(tmp_path), "-q", *cutout)
    assert (code, out.count("im_patch")) == (0, 2)
    data, _ = jsoclite.read(next(tmp_path.glob("*.fits")))
    assert data.shape == (25, 50)
    code, out, _ = run("get", ROWS, "-o", str(tmp_path), "--dry-run", *cutout, "--rebin", "1/2")
    assert code == 0
    assert "export" in out
    code, out, _ = run("export", ROWS, "--rebin", "1/4", "--resize", "0.6", "--wait", "-q")
    assert (code, len(out.splitlines())) == (0, 2)
    for wrong in (("--cutout", "1,2@x"), ("--cutout", "a,b,c@2014-01-01"), ("--rebin", "1/0"), ("--rebin", "x")):
        code, _, err = run("get", ROWS, *wrong)
        assert code == 2
        assert f"{wrong[0]} {wrong[1]}: " in err
    assert run("get", "hmi.M_720s[2014.01.01_TAI]", "--ptr")[0] == 2


@pytest.mark.parametrize(
    ("series", "steps", "shape"),
    [
        ("hmi.M_720s[2014.01.01_TAI]{magnetogram}", ["Rebin:scale=1/4,method=gaussian,fwhm=2"], (64, 64)),
        (
            "hmi.M_720s[2014.01.01_TAI]{magnetogram}",
            ["MapProject:center=10,5,scale=0.5,cols=60,rows=40,stonyhurst=1"],
            (40, 60),
        ),
        (
            "hmi.M_720s[2014.01.01_TAI]{magnetogram}",
            ["resize:scale_to=0.6,c=1", "im_patch:x=-20,y=15,width=60,height=30,t_ref=2014-01-01T00:00:35"],
            (51, 101),
        ),
        ("aia.lev1_euv_12s[2014-01-01T00:00:00Z/12s][171]{image}", ["aia_scale"], (256, 256)),
        ("hmi.B_720s[2015.08.27_05:00:00_TAI]{field}", ["VectorToPtr:coordinates=no"], (256, 256)),
    ],
)
def test_any_step(run, tmp_path, series, steps, shape):
    options = [word for step in steps for word in ("--process", step)]
    code, _, err = run("get", series, "-o", str(tmp_path), "-q", *options)
    assert code == 0, err
    assert jsoclite.read(next(tmp_path.glob("*.fits")))[0].shape == shape


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("nosuch:scale=1", "is no step: it is im_patch, rebin"),
        ("rebin:scale=0.3", "scale=0.3 is neither n nor 1/n"),
        ("rebin:scael=0.5", r"Rebin has no argument scael=\. Did you mean scale="),
        ("rebin", "missing a required argument: 'scale'"),
        ("Cutout:center=1,size=3", "write a pair, such as"),
        ("", "is no step"),
    ],
)
def test_a_step_that_cannot_be_is_wrong_usage(run, step, said):
    for command in ("get", "export", "sync"):
        code, _, err = run(command, ROWS, "--process", step)
        assert code == 2
        assert re.search(f"--process {re.escape(step)}: .*{said}", " ".join(err.split())), err


def test_what_people_look_for(run):
    code, out, _ = run("nearest", "hmi.M_720s", "2014-01-01T00:05", "2014-01-01T06:00", "--within", "12m")
    assert code == 0
    assert "-335 s" in out
    assert len(out.splitlines()) == 3
    out = run("nearest", "aia.lev1_euv_12s", "2014-01-01T00:05", "--wavelength", "171", "--key", "WAVELNTH=193")[2]
    assert "WAVELNTH is given twice" in out
    code, out, _ = run("latest", "hmi.M_720s_nrt", "-n", "3", "-k", "T_REC", "--csv")
    assert (code, len(out.splitlines())) == (0, 4)
    code, out, _ = run("harps", "11158", "--csv")
    assert (code, out.splitlines()[1].partition(",")[0]) == (0, "377")
    code, _, err = run("harps", "99999")
    assert (code, err) == (1, "none is known\n")
    assert run("harps")[0] == 2


def test_all_of_many_segments_are_announced(run, tmp_path):
    line = "hmi.B_720s[2015.08.27_05:00:00_TAI]"
    said = "27 segments of each of 1 records: 27 files, some 45"
    assert said in run("get", line, "-o", str(tmp_path))[2]
    sharp = run("get", "hmi.sharp_cea_720s[377][2011.02.15_TAI]", "-o", str(tmp_path))[2]
    assert "12 segments of each of 1 records: 12 files; -s names" in sharp  # whose sizes nobody knows
    assert "segments of each" not in run("get", line, "-o", str(tmp_path), "-s", "field")[2]


def test_verify_names_the_remedy(run, tmp_path):
    run("get", ROWS, "-o", str(tmp_path), "-q")
    next(tmp_path.glob("*.fits")).write_bytes(b"x")
    code, _, err = run("verify", str(tmp_path))
    assert code == 3
    assert f"'jsoclite verify {tmp_path} --repair' sets damaged ones aside" in err
    assert "'jsoclite verify" not in run("verify", str(tmp_path), "--repair")[2]
    assert run("get", ROWS, "-o", str(tmp_path), "-q")[1].count("downloaded") == 1


def test_words_for_the_log_of_cron(run, tmp_path):
    err = run("get", ROWS, "-o", str(tmp_path), "-q", "-v")[2]
    assert re.search(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ .*2 downloaded of 2 files", err)
    assert not re.search(r"(?m)^\d{4}-", run("get", ROWS, "-o", str(tmp_path), "-q", "--overwrite")[2])
