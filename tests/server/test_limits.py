"""Servers that are slow, endless or huge on purpose, over real sockets: all end at a limit, and nobody waits."""

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from conftest import HandClock

from jsoclite.display import redact
from jsoclite.download import transfer
from jsoclite.errors import ServerError
from jsoclite.sandbox import Sandbox
from jsoclite.server import AmbiguousRequest, Clock, Jsoc, Transport, limits

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SET = "hmi.M_720s[2014.01.01_TAI]"


class Ticking(HandClock):
    """A clock that goes on by a second whenever somebody looks."""

    def now(self):
        self.time += 1.0
        return self.time


def _for_ever(piece, before=b""):
    def answer(_head):
        yield before
        while True:
            yield piece

    return answer


def _asking(server, clock, **options):
    return Jsoc(Transport(server["url"], clock=clock.clock, retries=0, **options))


@pytest.mark.parametrize(
    ("answer", "clock", "limit"),
    [
        (_for_ever(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "), Ticking, "headers within 120 s|bytes of headers"),
        (_for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"), Ticking, "headers within 120 s|bytes of headers"),
        (_for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"), HandClock, "1,000,000 bytes of headers"),
        (_for_ever(b" ", OK + b"\r\n{"), Ticking, "bytes/s|within 60 times|more than 1,000,000 bytes"),
        (_for_ever(b"1;" + b"x" * 1000 + b"\r\n \r\n", CHUNKED), Ticking, "bytes/s|within 60 times"),
        (_for_ever(b"2000\r\n" + b" " * 0x2000 + b"\r\n", CHUNKED), HandClock, "more than 1,000,000 bytes"),
        (_for_ever(b"1\r\n \r\n" * 200, CHUNKED), HandClock, "more than 1,000,000 bytes"),
        (_for_ever(b"1\r\n \r\n", CHUNKED), Ticking, "bytes/s|within 60 times|more than 1,000,000 bytes"),
    ],
    ids=["header", "continue", "many continues", "trickle", "chunk names", "chunks", "small chunks", "slow chunks"],
)
def test_a_server_that_never_ends_does(hostile, answer, clock, limit):
    server = hostile(answer)
    with pytest.raises(ServerError, match=limit) as caught:
        _asking(server, clock()).rs_summary(SET)
    assert "jsoc_info" in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert SET not in str(caught.value)


@pytest.mark.parametrize("answer", [_for_ever(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "), _for_ever(b" ", OK + b"\r\n{")])
def test_an_export_that_never_ends_may_have_been_taken(hostile, answer):
    server = hostile(answer)
    with pytest.raises(AmbiguousRequest) as caught:
        _asking(server, Ticking()).exp_request({"ds": SET, "notify": "me@inst.edu"})
    assert "me@inst" not in str(caught.value)
    assert len(server["asked"]) == 1


def test_a_question_ends_with_all_its_tries(hostile):
    server = hostile(b"HTTP/1.1 503 Busy\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n")
    clock = HandClock()
    jsoc = Jsoc(Transport(server["url"], clock=clock.clock, retries=1000, timeout=10))
    with pytest.raises(ServerError):
        jsoc.rs_summary(SET)
    assert sum(clock.slept) <= limits.WHOLE * 10


def test_the_next_question_has_time_of_its_own(hostile):
    body = b'{"status":0,"count":1}'
    server = hostile(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    jsoc = _asking(server, Ticking())
    for _ in range(200):
        assert jsoc.rs_summary(SET)["count"] == 1


@pytest.mark.parametrize("hosts", ["no.such.host", "me:secret@no.such.host"])
def test_a_look_up_that_hangs(monkeypatch, hosts):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait())
    jsoc = Jsoc(Transport(f"http://{hosts}/", timeout=0.01, retries=0, clock=HandClock().clock))
    try:
        with pytest.raises(ServerError, match=r"no\.such\.host.*(takes too long|within 0.02 s)") as caught:
            jsoc.rs_summary(SET)
        with pytest.raises(ServerError, match="takes too long|within 0.02 s") as caught:
            jsoc.exp_request({})  # it never left, so that nothing is in doubt
        assert not isinstance(caught.value, AmbiguousRequest)
    finally:
        over.set()


def test_time_that_is_up_before_anything_is_sent_leaves_no_doubt():
    jsoc = Jsoc(Transport("http://localhost:9/", timeout=0.4, retries=0, clock=Ticking().clock))
    with pytest.raises(ServerError, match="headers within 0.8 s") as caught:
        jsoc.exp_request({})
    assert not isinstance(caught.value, AmbiguousRequest)


def test_a_host_of_several_addresses_is_tried_at_each(hostile, monkeypatch):
    body = b'{"status":0,"count":1}'
    server = hostile(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    look_up = socket.getaddrinfo

    def two(host, port, *arguments, **options):
        if host != "two.test":
            return look_up(host, port, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    url = server["url"].replace("127.0.0.1", "two.test")
    assert Jsoc(Transport(url, retries=0)).rs_summary(SET)["count"] == 1
    assert "Host: two.test" in server["asked"][0]


BOMB = gzip.compress(b'{"status":0,"count":1}' + b" " * 300_000_000, compresslevel=1)


def test_a_compressed_bomb_ends_at_the_limit(hostile, monkeypatch):
    server = hostile(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)
    sizes = []
    body = Transport.body
    monkeypatch.setattr(
        Transport, "body", lambda *a, **k: (sizes.append(len(piece)) or piece for piece in body(*a, **k))
    )
    with pytest.raises(ServerError, match=r"/jsoc_info sends more than 1,000,000 bytes"):
        _asking(server, HandClock()).rs_summary(SET)
    assert sum(sizes) <= limits.SMALL


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "nonsense"])
def test_only_the_coding_that_was_offered(hostile, coding):
    body = gzip.compress(gzip.compress(b'{"status":0,"count":1}'))
    head = OK + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = hostile(head + body)
    with pytest.raises(ServerError, match="coding"):
        _asking(server, HandClock()).rs_summary(SET)
    assert "Accept-Encoding: gzip\r\n" in server["asked"][0]


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda jsoc: jsoc.rs_summary(SET), limits.SMALL),
        (lambda jsoc: jsoc.check_address("me@inst.edu"), limits.SMALL),
        (lambda jsoc: jsoc.series_struct("hmi.M_720s"), limits.DEFINITION),
        (lambda jsoc: jsoc.definition("hmi.M_720s"), limits.DEFINITION),
        (lambda jsoc: jsoc.show_series("x"), limits.SERIES),
        (lambda jsoc: jsoc.show_series(), limits.SERIES),
        (lambda jsoc: jsoc.exp_status("JSOC_20260101_1"), limits.EXPORT),
        (lambda jsoc: jsoc.rs_list(SET, ["T_REC", "QUALITY"], limit=-5), limits.SMALL + 15 * limits.VALUE),
    ],
)
def test_each_program_has_its_limit(hostile, monkeypatch, ask, most):
    for name in ("SMALL", "DEFINITION", "SERIES", "EXPORT", "VALUE"):
        monkeypatch.setattr(limits, name, getattr(limits, name) // 100)
    server = hostile(OK + b"\r\n" + b'{"status":0,' + b" " * (most // 100 + 1) + b"}")
    with pytest.raises(ServerError, match=f"more than {most // 100:,} bytes") as caught:
        ask(_asking(server, HandClock()))
    assert redact(str(caught.value)) == str(caught.value)


def test_what_is_within_its_limit_is_read(hostile):
    body = json.dumps({"status": 0, "count": 3, "filler": "x" * 900_000}).encode()
    server = hostile(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(body))
    assert _asking(server, HandClock()).rs_summary(SET)["count"] == 3


def test_a_file_without_end(hostile, monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "LARGEST_FILE", 2_000_000)
    server = hostile(_for_ever(b"10000\r\n" + b" " * 0x10000 + b"\r\n", CHUNKED))
    task = transfer.Task(server["url"] + "a.fits", str(tmp_path / "a.fits"))
    outcome = transfer.fetch(task, Transport(server["url"], clock=HandClock().clock))
    assert "more than 2,000,000 bytes" in outcome.error
    assert not (tmp_path / "a.fits").exists()


def test_a_file_whose_headers_have_no_end(hostile, tmp_path):
    server = hostile(_for_ever(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "))
    task = transfer.Task(server["url"] + "a.fits", str(tmp_path / "a.fits"), retries=1)
    outcome = transfer.fetch(task, Transport(server["url"], clock=Ticking().clock))
    assert "headers within 120 s" in outcome.error
    assert len(server["asked"]) == 2


def test_a_silent_server_meets_the_time_out(hostile):
    over = threading.Event()

    def silent(_head):
        over.wait()
        yield b""

    server = hostile(silent)
    try:
        with pytest.raises(ServerError, match="timed out|headers within"):
            Jsoc(Transport(server["url"], timeout=0.02, retries=0, clock=Clock())).rs_summary(SET)
    finally:
        over.set()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is nothing that makes a certificate")
def test_encrypted_connections_have_the_same_limits(hostile, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext subjectAltName=IP:127.0.0.1"
    command += f" -keyout {key} -out {certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    body = b'{"status":0,"count":1}'
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    whole = hostile(kept, context)
    jsoc = _asking({"url": whole["url"].replace("http:", "https:")}, HandClock())
    assert [jsoc.rs_summary(SET)["count"] for _ in range(3)] == [1, 1, 1]
    endless = hostile(_for_ever(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "), context)
    with pytest.raises(ServerError, match="headers within 120 s"):
        _asking({"url": endless["url"].replace("http:", "https:")}, Ticking()).rs_summary(SET)


def test_a_connection_is_kept_and_watched_anew(hand_clock):
    """A watched socket is still one that urllib3 can ask whether it is alive."""
    with Sandbox() as sandbox:
        transport = Transport(sandbox.url, clock=Ticking().clock)
        for _ in range(5):
            assert Jsoc(transport).rs_summary("hmi.M_720s[2014.01.01_TAI/1h]")["count"] == 5
        (pool,) = transport.session.get_adapter(sandbox.url).poolmanager.pools._container.values()
        assert (pool.num_connections, pool.num_requests) == (1, 5)
        transport.close()
