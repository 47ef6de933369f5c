"""The fuzzers see what they are there to see."""

import random

import pytest
from fuzz.harness import BusyClock, Findings, Hang, spoil_bytes, spoil_json, verdict

import jsoclite


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: None, None),
        (lambda: "text", None),
        (raising(jsoclite.ServerError("no answer")), None),
        (raising(KeyError("name")), "KeyError"),
        (raising(ValueError("no number")), "ValueError"),
        (raising(ValueError("\x1b[31m")), "ValueError"),
        (raising(jsoclite.ServerError("\x1b[31m")), None),  # errors and warnings take these out
        (lambda: "\x1b[31m", "ControlCharacter"),
        (raising(jsoclite.ServerError("me@example.org")), "Secret"),
        (lambda: "\ud800", "Surrogate"),
        (lambda: jsoclite.errors.warn("\x07"), None),
        (lambda: BusyClock(longest=5).sleep(6), "Hang"),
    ],
)
def test_ends(call, found):
    assert (verdict(call, secrets=("me@example.org",)) or (None,))[0] == found


def test_what_never_ends_is_ended():
    def endless():
        while True:
            pass

    assert verdict(endless, seconds=0.1)[0] == "Hang"
    assert not issubclass(Hang, Exception)


def test_findings_are_counted_by_what_and_where():
    findings = Findings()
    for number, found in enumerate([None, ("KeyError", "a.py:f"), ("KeyError", "a.py:f"), ("Hang", "b.py:g")]):
        findings.add(f"1:{number}", found)
    assert findings
    assert str(findings).startswith("4 cases: 3 undocumented ends at 2 places, of them 1 hangs, 0 crashes")
    assert "first: 1:1" in str(findings)


@pytest.mark.parametrize("spoil", [spoil_json, spoil_bytes])
def test_spoiling_follows_from_the_seed(spoil):
    body = b'{"status":0,"count":2,"keywords":[{"name":"T_REC","values":["a","b"]}]}'
    first, second = ([spoil(body, random.Random(seed)) for seed in range(50)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 40
    assert body not in first[:5]
