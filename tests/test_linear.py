"""What a server, or a person, may make long takes time in proportion to its length."""

from __future__ import annotations

import time

import pytest

import jsoclite
from jsoclite.display import clean, redact
from jsoclite.download.names import file_name, stem
from jsoclite.recordset import RecordSet
from jsoclite.series import RecordName


def parse(text):
    try:
        RecordSet.parse(text).problems()
    except jsoclite.RecordSetError as error:
        str(error)


CASES = {
    "redact a word": (redact, lambda n: "x" * n),
    "redact a host": (redact, lambda n: "a@" + "x." * (n // 8) + "1"),
    "redact hosts": (redact, lambda n: "a@x." * n),
    "redact percents": (clean, lambda n: "%40" * (n // 8)),
    "name open brackets": (stem, lambda n: "a.b" + "[" * n),
    "name brackets": (stem, lambda n: "a.b" + "[]" * n),
    "name quotes": (stem, lambda n: "a.b" + '["' * n),
    "name other quotes": (stem, lambda n: "a.b" + "[\"]['" * n),
    "name a word": (stem, lambda n: "x" * n),
    "name dots": (stem, lambda n: "x." * n + "!"),
    "name a segment": (lambda text: file_name("a.b[1]", text, ".fits"), lambda n: "x" * n),
    "parse brackets": (parse, lambda n: "a.b" + "[]" * n),
    "parse elements": (parse, lambda n: "a.b[1]," * (n // 32)),
    "parse SQL": (parse, lambda n: "a.b" + "[? a=1 ?]" * n),
    "parse a list": (parse, lambda n: "a.b[" + "1," * n + "1]"),
    "parse quotes": (parse, lambda n: "a.b[" + "'x'" * n + "]"),
    "parse open brackets": (parse, lambda n: "a.b" + "[" * n),
    "parse blanks": (parse, lambda n: " " * n),
    "parse blanks in a name": (parse, lambda n: "a" + " " * n + "\x01"),
    "parse comments": (parse, lambda n: "a.b[]" + "#" * n),
    "parse angles": (parse, lambda n: "a.b" + "<x>" * n),
}  # fmt: skip


def least(function, text):
    """The time of this thread alone, so that others on the machine do not count; the best of a few."""
    found = []
    for _ in range(5):
        begin = time.thread_time()
        function(text)
        found.append(time.thread_time() - begin)
    return min(found)


@pytest.mark.parametrize("name", CASES)
def test_ten_times_the_length_takes_ten_times_as_long_not_a_hundred(name):
    function, make = CASES[name]
    assert least(function, make(30_000)) < 45 * least(function, make(3_000)) + 0.002


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b[1][2]", ("1", "2")),
        ("a.b['x[1]'][2]", ("'x[1]'", "2")),
        ("a.b[it's][2]", ("it's", "2")),
        ('a.b["x][2]', ('"x', "2")),
        ("a.b[1] and [2]", ("1", "2")),
        ("a.b[1][2", ("1",)),
        ("a.b[[1]", ("[1",)),
        ("a.b", ()),
    ],
)
def test_quotes_that_are_never_closed_are_letters(text, values):
    assert RecordName.parse(text).values == values
