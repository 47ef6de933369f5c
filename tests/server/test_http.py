"""HTTP: what is retried, what is not, and what nobody gets to see."""

import logging
import os
import subprocess
import sys

import pytest
import requests
import responses

from jsoclite.display import redact
from jsoclite.errors import ServerError
from jsoclite.sandbox import Sandbox
from jsoclite.server.http import AmbiguousRequest, Transport, resolve_server
from jsoclite.server.jsoc import Jsoc
from jsoclite.server.limits import SlowAnswer
from jsoclite.server.reply import Reply
from jsoclite.server.retry import Speedometer, backoff, retry_after

BASE = "http://jsoc.test/"
INFO = BASE + "cgi-bin/ajax/jsoc_info"
FETCH = BASE + "cgi-bin/ajax/jsoc_fetch"
ADDRESS = "someone@example.org"


@pytest.fixture
def jsoc(hand_clock):
    made = Jsoc(Transport(resolve_server(BASE), clock=hand_clock.clock))
    yield made
    made.transport.close()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@responses.activate
def test_a_passing_fault_is_tried_again(jsoc, hand_clock, status):
    responses.get(INFO, status=status)
    responses.get(INFO, json={"status": 0, "count": 3})
    assert jsoc.rs_summary("hmi.M_720s[]") == {"status": 0, "count": 3}
    assert hand_clock.slept == [0.5]


@responses.activate
def test_retry_after_is_honoured(jsoc, hand_clock):
    responses.get(INFO, status=503, headers={"Retry-After": "7"})
    responses.get(INFO, json={"status": 0, "count": 1})
    jsoc.rs_summary("hmi.M_720s[]")
    assert hand_clock.slept == [7.0]


@responses.activate
def test_it_gives_up_in_the_end_and_names_the_server(jsoc, hand_clock):
    responses.get(INFO, status=503, body="down for maintenance")
    with pytest.raises(
        ServerError, match="HTTP 503 from http://jsoc.test/cgi-bin/ajax/jsoc_info.*maintenance"
    ) as caught:
        jsoc.rs_summary("hmi.M_720s[]")
    assert caught.value.status == 503
    assert hand_clock.slept == [0.5, 1.0, 2.0, 4.0]


@responses.activate
def test_what_will_not_pass_is_not_repeated(jsoc, hand_clock):
    responses.get(INFO, status=404)
    with pytest.raises(ServerError, match="404"):
        jsoc.rs_summary("hmi.M_720s[]")
    responses.get(BASE + "cgi-bin/ajax/show_series", body=requests.exceptions.SSLError("bad certificate"))
    with pytest.raises(ServerError, match="CA bundle"):
        jsoc.show_series("x")
    assert hand_clock.slept == []


@pytest.mark.parametrize("body", ["", "<html>busy</html>", '{"status":0,"count":12'], ids=["empty", "page", "cut"])
@responses.activate
def test_a_body_that_is_no_json_is_asked_for_again(jsoc, body):
    responses.get(INFO, body=body)
    responses.get(INFO, json={"status": 0, "count": 1})
    assert jsoc.rs_summary("hmi.M_720s[]")["count"] == 1


@responses.activate
def test_latin_1_and_control_characters_survive(jsoc):
    responses.get(INFO, body='{"status":0,"note":"6173 Å\tline"}'.encode("latin-1"))
    assert jsoc.series_struct("hmi.V_avg120")["note"] == "6173 Å\tline"
    responses.replace("GET", INFO, body='{"status":0,"note":"6173 Å"}'.encode())
    assert jsoc.series_struct("hmi.V_avg120")["note"] == "6173 Å"


@responses.activate
def test_an_export_is_sent_once_if_the_connection_breaks(jsoc, hand_clock):
    responses.post(FETCH, body=requests.exceptions.ReadTimeout("gone"))
    with pytest.raises(AmbiguousRequest):
        jsoc.exp_request({"notify": ADDRESS})
    assert len(responses.calls) == 1
    assert hand_clock.slept == []


@pytest.mark.parametrize("status", [500, 502, 504])
@responses.activate
def test_an_export_that_may_have_been_taken_is_not_repeated(jsoc, status):
    responses.post(FETCH, status=status)
    with pytest.raises(AmbiguousRequest):
        jsoc.exp_request({"notify": ADDRESS})
    assert len(responses.calls) == 1


@responses.activate
def test_an_export_that_was_turned_away_is_offered_again(jsoc):
    responses.post(FETCH, status=503)
    responses.post(FETCH, json={"status": 2, "requestid": "JSOC_20260101_001"})
    reply = jsoc.exp_request({"notify": ADDRESS})
    assert reply["status"] == 2


def test_an_export_that_never_left_is_sent_again(hand_clock):
    # nothing listens on the discard port
    transport = Transport(resolve_server("http://127.0.0.1:9/"), clock=hand_clock.clock, retries=2)
    with pytest.raises(ServerError, match="no answer from 127.0.0.1:9 after 3 tries") as caught:
        Jsoc(transport).exp_request({"notify": ADDRESS})
    assert not isinstance(caught.value, AmbiguousRequest)
    assert hand_clock.slept == [0.5, 1.0]


@responses.activate
def test_addresses_travel_in_bodies_and_reach_no_text(jsoc, caplog):
    caplog.set_level(logging.DEBUG)
    responses.post(BASE + "cgi-bin/ajax/checkAddress.sh", json={"status": 2, "msg": "ok"})
    assert jsoc.check_address(ADDRESS)["status"] == 2
    assert "example.org" not in responses.calls[0].request.url
    assert "example.org" in responses.calls[0].request.body
    responses.replace("POST", BASE + "cgi-bin/ajax/checkAddress.sh", body=f"<p>no such user {ADDRESS}</p>")
    with pytest.raises(ServerError) as caught:
        jsoc.check_address(ADDRESS)
    assert "example.org" not in str(caught.value)
    assert "example.org" not in caplog.text


@responses.activate
def test_long_queries_go_by_post(jsoc):
    responses.post(INFO, json={"status": 0, "count": 1})
    jsoc.rs_summary("hmi.M_720s[:" + ",".join(f"#{n}" for n in range(100_000_000, 100_000_400)) + "]")
    assert responses.calls[0].request.method == "POST"


@responses.activate
def test_the_client_says_who_it_is(jsoc):
    responses.get(INFO, json={"status": 0, "count": 1})
    jsoc.rs_summary("hmi.M_720s[]")
    assert responses.calls[0].request.headers["User-Agent"].startswith("jsoclite/")


@pytest.mark.parametrize("server", ["jsoc", "JSOC", "kis", "https://host/base", BASE])
def test_servers_that_can_be_named(server):
    assert resolve_server(server).url_jsoc_info.startswith("http")


@pytest.mark.parametrize("server", ["jsok", "ftp://host/", "http://"])
def test_servers_that_cannot(server):
    with pytest.raises(ValueError, match="server|URL"):
        resolve_server(server)


def test_an_address_in_the_place_of_the_server_is_not_shown():
    with pytest.raises(ValueError, match="email=") as caught:
        resolve_server("someone@inst.edu")
    assert "someone" not in str(caught.value)


def test_a_trickle_is_not_an_answer(hand_clock):
    speed = Speedometer(hand_clock.clock, window=10)
    speed.add(1_000_000)
    with pytest.raises(SlowAnswer):  # noqa: PT012
        for _ in range(30):
            hand_clock.sleep(1)
            speed.add(128)
    assert sum(hand_clock.slept) <= 20


def test_a_slow_but_steady_answer_is_one(hand_clock):
    speed = Speedometer(hand_clock.clock, window=10)
    for _ in range(3600):
        hand_clock.sleep(1)
        speed.add(2048)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("User me@inst.edu has", "User <e-mail address> has"),
        ("notify=a.b%2Bc%40x.org&x", "notify=<e-mail address>&x"),
        ("address=me%2540inst.edu", "address=<e-mail address>"),
        ("hmi.M_720s[2014.01.01_TAI/1h@12m]", "hmi.M_720s[2014.01.01_TAI/1h@12m]"),
    ],
)
def test_redact(text, left):
    assert redact(text) == left


def test_backoff_grows_to_its_ceiling(hand_clock):
    assert list(backoff(10, hand_clock.clock, base=1, ceiling=8)) == [1, 2, 4, 8, 8, 8, 8, 8, 8, 8]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("", None), ("soon", None), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("99999", 300.0)],
)
def test_retry_after(value, seconds):
    assert retry_after({"Retry-After": value}, now=lambda: 10.0) == seconds


def test_drms_does_not_touch_the_root_logger():
    code = (
        "import logging, jsoclite\njsoclite.JsocError\n"
        "root = logging.getLogger()\nassert not root.handlers and root.level == logging.WARNING, root.handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_reached_around_proxies(monkeypatch, variable):
    # nothing listens on the discard port
    monkeypatch.setenv(variable, "http://me:secret@127.0.0.1:9/")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Sandbox() as sandbox, sandbox.client(retries=0) as client:
        assert client.count("hmi.M_720s[2014.01.01_TAI/1h]") == 5


def test_a_proxy_in_the_way_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9/")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    transport = Transport(resolve_server(BASE), retries=0)
    with pytest.raises(ServerError, match=r"the proxy 127\.0\.0\.1:9 of \$http_proxy") as caught:
        Jsoc(transport).rs_summary("hmi.M_720s[]")
    assert "secret" not in str(caught.value)
    transport.close()


FORK = """
import os, sys, jsoclite
client = jsoclite.Client(sys.argv[1])
whole = client.count("hmi.M_720s[2014.01.01_TAI/1d]")      # the connection is open
wrong = 0
children = [os.fork() for _ in range(3)] if hasattr(os, "fork") else []
mine = 0 if 0 in children else 1
for n in range(20):
    hours = 1 + (n + mine + len(children)) % 12
    wrong += client.count(f"hmi.M_720s[2014.01.01_TAI/{hours}h]") != 5 * hours
if 0 in children:
    os._exit(min(wrong, 100))
for child in children:
    wrong += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_processes_do_not_share_a_connection():
    with Sandbox() as sandbox:
        command = [sys.executable, "-W", "ignore", "-c", FORK, sandbox.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == "0"


@pytest.mark.parametrize("value", ["²", "9" * 5000, "-3", "soon", "Fri, 31 Dec 99999 23:59:59 GMT"])
def test_what_a_server_asks_to_wait_is_bounded_whatever_it_says(value):
    assert (retry_after({"Retry-After": value}, now=lambda: 0.0) or 0.0) <= 300.0


def test_halves_of_characters_come_no_further():
    r"""JSON can name a lone surrogate, ``\ud800``, and no file, column or terminal can hold one."""
    body = bytearray(rb'{"names": ["a\ud800b", {"\udfffk": "\ud83d\ude00 is whole"}], "status": 0}')
    assert Reply("http://x/", body).data == {"names": ["a\ufffdb", {"\ufffdk": "\U0001f600 is whole"}], "status": 0}
