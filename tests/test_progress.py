"""What is shown while a download runs."""

import io
import re
import sys

import pytest

from jsoclite.progress import Bars, Pace, Silence, choose, say, wanted
from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}"


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_pace():
    time = Time()
    pace = Pace(time)
    assert pace.rate is None
    assert pace.left(10) is None
    pace.add(1000)
    time.now = 10.0
    pace.add(9000)
    pace.file()
    assert pace.rate == 1000.0
    assert pace.left(4) == 30.0
    time.now = 15.0
    pace.add(5000)
    assert pace.rate == 1000.0
    assert pace.left(4) == pytest.approx(25.0)  # half of the second file is there


def test_waiting_for_jsoc_does_not_slow_down_the_network():
    time = Time()
    pace = Pace(time)
    for time.now in (0.0, 1.0, 2.0):
        pace.add(1000)
    pace.pause()
    time.now = 600.0
    pace.add(0)
    time.now = 601.0
    pace.add(1000)
    assert pace.rate == 1000.0


def test_pace_is_that_of_the_last_half_minute():
    time = Time()
    pace = Pace(time)
    for second in range(100):
        time.now = float(second)
        pace.add(100 if second < 50 else 2000)
    assert pace.rate == pytest.approx(2000.0, rel=0.1)


@pytest.fixture
def terminal(monkeypatch):
    """Make stderr a terminal, from within the test because pytest sets it anew for each, and collect what it gets."""

    def make():
        out = io.StringIO()
        out.isatty = lambda: True
        monkeypatch.setattr(sys, "stderr", out)
        return out

    return make


def lines(out):
    return [line.strip() for line in re.split(r"[\r\n]", out.getvalue()) if line.strip()]


def test_bars_of_a_staged_download(terminal, tmp_path):
    out = terminal()
    with Sandbox(staging_s=1.0) as sandbox, sandbox.client() as client:
        client.download(SET, tmp_path, protocol="fits")
    shown = lines(out)
    assert any(
        re.match(r"staging +0/1 .*JSOC_\d+_\d+ (queued|processing) since \d\d:\d\d:\d\d", line) for line in shown
    )
    assert any(re.match(r"files +5/5 .*[\d.]+k?B", line) for line in shown)
    assert not any("left" in line for line in shown[-1:])


def test_a_download_without_staging_has_no_staging_bar(terminal, tmp_path):
    out = terminal()
    with Sandbox() as sandbox, sandbox.client() as client:
        client.download(SET, tmp_path)
    assert not any(line.startswith("staging") for line in lines(out))
    assert any(line.startswith("files") for line in lines(out))


def test_a_failed_request_is_said_above_the_bars(terminal):
    out = terminal()
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        export = client.export(SET)
        bars = Bars()
        export.show(bars)
        bars.staging(export.ids[0], "failed", "it failed")
        bars.close()
    assert any("failed" in line for line in lines(out))


def test_wait_shows_what_it_waits_for(terminal):
    out = terminal()
    with Sandbox(staging_s=1.0) as sandbox, sandbox.client() as client:
        client.export(SET).wait()
    shown = lines(out)
    assert any("since" in line for line in shown)
    assert "all staged" in shown[-1]


def test_silence_in_pipes(capsys, tmp_path):
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        client.download(SET, tmp_path, protocol="fits")
        client.export(SET).wait()
    assert capsys.readouterr().err == ""
    assert isinstance(choose(None), Silence)
    assert not wanted(None)


def test_no_standard_error_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw on Windows
    assert isinstance(choose(None), Silence)


def test_say(capsys):
    say("a line")
    assert capsys.readouterr().err == "a line\n"
