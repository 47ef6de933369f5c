"""Clients of the sandbox that mean harm: numbers that are none, questions without end, connections held for ever."""

import http.client
import re
import socket
import threading
from urllib.parse import urlencode

import numpy as np
import pytest
from conftest import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoclite.sandbox import Sandbox
from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.engine import engine as search
from jsoclite.sandbox.engine.engine import Engine, EngineError, to_int
from jsoclite.sandbox.messages import Response, text
from jsoclite.sandbox.postgres.functions import TEXT_OPERATORS
from jsoclite.sandbox.postgres.parser import SqlError
from jsoclite.sandbox.web.server import ANSWER_S, REQUEST_S, SILENCE_S, HttpServer

SET = "hmi.M_720s[2014.01.01_TAI/1h]"
NUMBERS = [
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "-inf",
    "infinity",
    "1e308",
    "-1e308",
    "9" * 400,
    "-" + "9" * 5000,
    "1e-999",
]
NUMBERS += ["0x10", "²", "٣", "1e400", "--5", " 5 ", "5.", ".5", "+", "e5", "\x00", "1_000"]


class Ticking:
    """A clock that goes on by so much whenever somebody looks."""

    def __init__(self, step=1.0):
        self.time, self.step = 0.0, step

    def __call__(self):
        self.time += self.step
        return self.time


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(StoredCatalog(GOLDEN / "catalog"), staging_s=0) as made:
        yield made


@pytest.fixture
def ask(sandbox):
    host = sandbox.url.split("/")[2]

    def call(program, **params):
        connection = http.client.HTTPConnection(host, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/cgi-bin/ajax/{program}", urlencode(params), headers)
        reply = connection.getresponse()
        body = reply.read().decode("latin-1")
        connection.close()
        assert sandbox.errors == []
        assert "failed to answer" not in body
        return reply.status, body

    return call


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS, ids=lambda one: repr(one[:9]))
def test_numbers_that_are_none_fail_no_program(ask, number):
    for name in ("n", "R", "M", "B", "f", "r", "l", "o", "s", "max_recs"):
        for operation in ("rs_list", "rs_summary", "series_struct"):
            ask("jsoc_info", op=operation, ds=SET, key="T_REC", **{name: number})
    about = {"op": "exp_request", "ds": SET + "{magnetogram}", "notify": "demo@example.com", "method": "url"}
    more = [{"process": f"n={number}"}, {"sizeratio": number}, {"max_recs": number, "processing": "{}"}]
    more += [{"n": number}, {"q": number}, {"o": number}, {"t": number}, {"file.length": number, "file": SET}]
    more += [
        {"process": f"n=0|{step}={number}"}
        for step in ("im_patch,x", "resize,scale_to", "rebin,scale", "rebin,FWHM", "map_proj,map=carree,cols=9,rows")
    ]
    for params in more:
        ask("jsoc_fetch", **about, protocol="fits", **params)
    ask("jsoc_fetch", **about, protocol=f"jpg,CT=x,size={number},min={number}")
    for name in ("requestid", "sunum"):
        for operation in ("exp_status", "exp_su", "exp_repeat"):
            ask("jsoc_fetch", op=operation, method="url_quick", protocol="as-is", **{name: number})
    for program in ("show_series", "showextseries", "checkAddress.sh", "manage-request.sh"):
        names = ("filter", "info", "dbhost", "checkonly", "operation", "address")
        ask(program, **dict.fromkeys(names, number))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e10", "nan", "٣", "9" * 5000])
def test_a_number_out_of_range_is_the_least_one(number):
    assert to_int(number) == -(2**31)


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000 + "1", "1e999", "9" * 5000 + ".5e" + "9" * 50])
def test_numbers_in_conditions(ask, number):
    status, body = ask("jsoc_info", op="rs_summary", ds=f"hmi.M_720s[? {number[:7000]} = 1 ?]")
    assert status == 200
    assert '"count"' in body or "ERROR" in body


# -- the time of one question -----------------------------------------------------------------------------------------


def test_a_question_ends_when_its_time_is_up():
    catalog = StoredCatalog(GOLDEN / "catalog")
    slow = Engine(catalog, clock=Ticking(search.TIME_LIMIT_S / 3))
    assert slow.count("hmi.M_720s[2014.01.01_TAI]") > 0
    with pytest.raises(EngineError, match="statement timeout"):
        slow.count(",".join(["hmi.M_720s[]"] * 9))
    with pytest.raises(EngineError, match="statement timeout"):
        slow.open(",".join(["hmi.M_720s[? QUALITY = 0 ?]"] * 9))


def test_subselects_and_elements_share_what_a_question_may_cost(monkeypatch):
    engine = Engine(StoredCatalog(GOLDEN / "catalog"))
    one = "hmi.M_720s[? QUALITY = 0 ?]"
    monkeypatch.setattr(search, "WORK_LIMIT", 2000)
    assert engine.count(one) > 0
    inner = "(select count(*) from hmi.m_720s where quality = 0)"
    for costly in (",".join([one] * 3), f"hmi.M_720s[? {inner} = {inner} ?]", "hmi.M_720s[? 1 = any(select quality "
                   "from hmi.m_720s) ?]"):  # fmt: skip
        with pytest.raises(EngineError, match="statement timeout"):
            engine.count(costly)


BOMBS = [".*.*.*.*.*.*.*.*.*.*!", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)!", "a?" * 40 + "a" * 40 + "!", "(a|a)*b", "(a+)+b",
         "((a*)*)*b", "a{0,999}" * 5 + "!", "(.{1,20}){1,20}!", "x{99999999999}"]  # fmt: skip


@pytest.mark.parametrize("operator", ["~", "~*", "!~", "similar"])
@pytest.mark.parametrize("pattern", BOMBS)
def test_patterns_that_would_never_end_are_refused(operator, pattern):
    texts, patterns = np.array(["a" * 60], dtype=object), np.array([pattern], dtype=object)
    with pytest.raises(SqlError, match="regular expression"):
        TEXT_OPERATORS[operator](texts, patterns)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("(^|,)12673(,|$)", True), ("^1.*9$", True), ("a.*b.*c", False), ("[0-9]+,[0-9]+", True), ("1?2?6", True)],
)
def test_patterns_that_people_write_are_not(pattern, found):
    texts = np.array([f"{number},12673,9" for number in range(3000)] + ["1,12673,9"], dtype=object)
    assert TEXT_OPERATORS["~"](texts, np.array([pattern], dtype=object))[-1] == found


def test_like_tries_nothing_twice():
    texts = np.array(["a" * 20_000], dtype=object)
    pattern = np.array(["%" + "a%" * 200 + "b%c"], dtype=object)  # 20,000 over 200 ways, if all were tried
    assert not TEXT_OPERATORS["like"](texts, pattern)[0]


@given(st.text("ab", max_size=12), st.text("ab%_", max_size=8))
@settings(max_examples=300, deadline=None)
def test_like_is_what_it_was(value, pattern):
    plain = "".join({"%": ".*", "_": "."}.get(one, one) for one in pattern)
    found = TEXT_OPERATORS["like"](np.array([value], dtype=object), np.array([pattern], dtype=object))
    assert bool(found[0]) == (re.fullmatch(plain, value, re.DOTALL) is not None)


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 900 + "1=1" + ")" * 900,
        "not " * 1500 + "true",
        "-" * 1000 + "1=1",
        "1" + "+1" * 2000 + "=1",
        "repeat('a', 40) ~ '.*.*.*.*.*.*.*b'",
        "repeat('a', 3000) like '" + "%a" * 60 + "b'",
        "TELESCOP in (" + ",".join(f"'{n}'" for n in range(800)) + ")",
        "QUALITY = any(select T_OBS from hmi.m_720s)",
    ],
    ids=lambda one: one[:24],
)
def test_conditions_without_end_get_an_answer(ask, condition):
    status, body = ask("jsoc_info", op="rs_summary", ds=f"hmi.M_720s[? {condition} ?]")
    assert status == 200
    assert '"count"' in body or "ERROR" in body


# -- clients that are slow --------------------------------------------------------------------------------------------


@pytest.fixture
def front():
    """Make a server whose clock goes on by so much at each look."""
    made = []

    def make(handle, step, **options):
        server = HttpServer(handle, clock=Ticking(step), **options)
        server.start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\nX: ",
        b"\r\n" * 3,
        b"GET /" + b"x" * 400,
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ],
)
def test_a_request_that_comes_in_pieces_is_not_waited_for(front, data):
    server = front(lambda request: text(200, "ok"), REQUEST_S + 1, max_connections=1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=SILENCE_S / 2) as one:
        one.sendall(data)
        assert one.recv(65536) == b""  # now, and not when it has been silent for long
    # and its thread serves others, whose requests come whole
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200")


def test_an_answer_that_is_taken_slowly_ends(front):
    sent = []

    def endless(_request):
        def pieces():
            while True:
                sent.append(1)
                yield b"x" * 1000

        return Response(200, pieces())

    server = front(endless, ANSWER_S / 50)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        connection.getresponse().read()
    connection.close()
    assert len(sent) < 5000


def test_no_more_threads_than_connections(front):
    server = front(lambda request: text(200, "ok"), 0.0, max_connections=5)
    before = threading.active_count()
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(40)]
    held[0].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert held[0].recv(100).startswith(b"HTTP/1.1 200")
    assert threading.active_count() - before <= 5
    for one in held:
        one.close()
