"""`jsoclite check`: polite, at an end where the server wants one, and a report that gives nothing away."""

import subprocess
import sys
from pathlib import Path

import pytest

from jsoclite.check import QUESTIONS, WAIT_S, Desk, Question, put, put_all
from jsoclite.cli import main
from jsoclite.sandbox import Fault, Sandbox

TESTS = Path(__file__).parent


@pytest.fixture
def sandbox():
    with Sandbox() as made:
        yield made


@pytest.fixture
def desk(sandbox, hand_clock):
    """A desk as for a server far away: with pauses, on a clock that is moved by hand."""
    with sandbox.client() as client:
        yield Desk(client.transport, WAIT_S, hand_clock.clock)


def test_the_sandbox_answers_as_expected(sandbox, desk, hand_clock):
    answers = list(put_all(desk))
    assert [str(answer) for answer in answers if answer.verdict != "as expected"] == []
    assert 30 <= len(answers) == len(QUESTIONS) == len({question.about for question in QUESTIONS})
    assert all(question.source for question in QUESTIONS)
    # one after the other, none twice, by our name
    assert hand_clock.slept == [WAIT_S] * (len(sandbox.requests) - 1)
    assert len(sandbox.requests) <= len(QUESTIONS) + 2  # two of them ask for a number or a path first
    assert {one.headers["user-agent"].split("/")[0] for one in sandbox.requests} == {"jsoclite"}
    assert not {one.endpoint for one in sandbox.requests} & {"exp_request", "check_address", "manage_request"}


@pytest.mark.parametrize("kind", ["429", "503"])
@pytest.mark.parametrize("endpoint", ["series", "query", "file"])
def test_a_server_that_has_enough_is_asked_nothing_more(sandbox, desk, kind, endpoint):
    sandbox.add_fault(Fault(kind, endpoint, nth=1, retry_after=1))
    *before, last = put_all(desk)
    assert last.verdict == "no answer"
    assert last.stop
    assert kind in last.seen
    assert not any(answer.stop for answer in before)
    assert sandbox.requests[-1].status == int(kind)
    assert sum(one.status == int(kind) for one in sandbox.requests) == 1
    assert len(before) < len(QUESTIONS) - 1


def test_where_nobody_answers_three_are_enough(sandbox, desk):
    sandbox.add_fault(Fault("html", "*"))
    assert [answer.verdict for answer in put_all(desk)] == ["no answer"] * 3
    sandbox.stop()
    assert [answer.verdict for answer in put_all(desk)] == ["no answer"] * 3


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("404", "different"), ("no-range", "different"), ("reset", "no answer"), ("truncated", "no answer")],
)
def test_files_that_do_not_come_as_expected(sandbox, desk, kind, verdict):
    sandbox.add_fault(Fault(kind, "file", at=0))
    (answer,) = [answer for answer in put_all(desk) if answer.verdict != "as expected"]
    assert (answer.verdict, answer.stop) == (verdict, False)
    assert "a piece of a file" in str(answer)


def test_what_is_different_is_said(sandbox, desk):
    sandbox.add_fault(Fault("status", "query", nth=1, status=6, error="me@inst.edu may not see /SUM1/D2/S3/a.fits"))
    told = [str(answer) for answer in put_all(desk) if answer.verdict != "as expected"]
    assert told == ["- **different**: a count without records: expected 5 (the tests of drms), seen 'status 6'"]


def test_an_answer_of_another_shape_is_different(sandbox, desk):
    sandbox.add_fault(Fault("status", "series", status=0))
    answer = put(QUESTIONS[0], desk)
    assert answer.verdict == "different"
    assert "KeyError" in answer.seen


def test_a_report_holds_no_addresses_and_paths():
    def ask(desk):
        return ["/SUM58/D803708321/S00008/a.fits", "http://u:p@host.edu:8080/cgi", "me@inst.edu", "x" * 500]

    text = str(put(Question("a question", ask, None, "a source"), None))
    assert text.startswith("- **different**: a question: expected None (a source), seen ['/…', ")
    assert len(text) < 250
    for secret in ("SUM58", "host.edu", "inst.edu"):
        assert secret not in text


def test_the_command(sandbox, capsys):
    assert main(["--server", sandbox.url, "check"]) == 0
    out = capsys.readouterr().out
    assert "; server: on this machine; " in out.splitlines()[0]
    assert out.count("- ok: ") == len(QUESTIONS)
    assert out.endswith(f"\n{len(QUESTIONS)} as expected\n")
    assert "127.0.0.1" not in out


def test_the_command_tells_what_is_not_as_expected(sandbox, capsys):
    sandbox.add_fault(Fault("429", "query", nth=1))
    assert main(["--server", sandbox.url, "check"]) == 1
    out = capsys.readouterr().out
    assert "**no answer**: a count without records: expected 5 (the tests of drms), but HTTP 429 from <URL>" in out
    assert f"12 as expected, 1 no answer; {len(QUESTIONS) - 13} not asked" in out
    assert "127.0.0.1" not in out


def live(*arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent, timeout=300)


def test_live_tests_run_where_a_server_is_named(sandbox):
    done = live("tests/live", "--server", "sandbox")
    assert done.returncode == 0, done.stdout
    assert f"{len(QUESTIONS)} passed" in done.stdout
    sandbox.add_fault(Fault("429", "info", nth=2))
    done = live("tests/live", "--server", sandbox.url)
    assert done.returncode == 1
    assert "the rest is not asked" in done.stdout + done.stderr
    assert sandbox.counts["info"] == 2


def test_live_tests_do_not_run_by_themselves():
    done = live("tests/live")
    assert done.returncode == 4
    assert "say which, as in --server sandbox" in done.stderr
    # of the whole tree but all that is not called live, so that this takes no time
    others = ("--collect-only", "tests", "--ignore-glob=tests/[!l]*")
    assert "no tests collected" in live(*others).stdout
    assert f"{len(QUESTIONS)} tests collected" in live(*others, "--server", "sandbox").stdout
