"""The HTTP server and what of HTTP is a pure function."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from email.utils import formatdate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsoclite.sandbox.messages import (
    Damage,
    File,
    Request,
    Response,
    decode_form,
    decode_multipart,
    send_file,
    text,
)
from jsoclite.sandbox.web.server import MAX_BODY, MAX_LINE, HttpServer

FILE = File(bytes(range(256)) * 4, 1_300_000_000.0, "image/fits")


# ---- pure functions
def test_form_decoding():
    assert decode_form("a=1&b=x+y%20z&a=2") == {"a": "1", "b": "x y z"}  # the first value counts
    assert decode_form("process%3Dn=0%7Cim_patch,x=1") == {"process": "n=0|im_patch,x=1"}  # as drms sends it
    assert decode_form("name=J%FCrgen%zz") == {"name": "J\xfcrgen%zz"}  # any byte survives, no percent sign is lost
    assert decode_form("garbage&=5&&") == {"garbage": ""}


def test_parameters_come_from_query_and_body():
    request = Request("POST", "/x?op=a&ds=1", {"content-type": "application/x-www-form-urlencoded"}, b"ds=2&n=3")
    assert request.params() == {"op": "a", "ds": "1", "n": "3"}
    assert Request("GET", "http://host:80/a%20b?q").path == "/a b"


def test_multipart_decoding():
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="op"\r\n\r\nexp_request\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="file"; filename="sets.txt"\r\nContent-Type: text/plain\r\n\r\n'
        b"hmi.M_720s[$]\r\n--XX--\r\n"
    )
    found = decode_multipart(body, "multipart/form-data; boundary=XX")
    assert found == {"op": "exp_request", "file": "hmi.M_720s[$]", "file.filename": "sets.txt", "file.length": "13"}
    assert decode_multipart(body, "multipart/form-data") == {}


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=1000-", 206, slice(1000, 1024)),
        ("bytes=-24", 206, slice(1000, 1024)),
        ("bytes=1000-99999", 206, slice(1000, 1024)),
        ("bytes=1024-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=9-0", 200, slice(0, 1024)),
        ("bytes=0-1,5-6", 200, slice(0, 1024)),
        ("lines=0-9", 200, slice(0, 1024)),
        ("bytes=-", 200, slice(0, 1024)),
    ],
)
def test_ranges(header, status, content):
    response = send_file(FILE, Request("GET", "/f", {"range": header}))
    assert (response.status, response.body) == (status, FILE.content[content])
    if status == 206:
        assert response.headers["Content-Range"] == f"bytes {content.start}-{content.stop - 1}/1024"


def test_if_range_takes_etags_and_dates():
    headers = {"range": "bytes=5-"}
    whole = send_file(FILE, Request("GET", "/f"))
    for condition, status in [
        (whole.headers["ETag"], 206),
        (whole.headers["Last-Modified"], 206),
        ('"other"', 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("nonsense", 200),
        ("W/" + whole.headers["ETag"], 200),
    ]:
        assert send_file(FILE, Request("GET", "/f", headers | {"if-range": condition})).status == status, condition
    assert send_file(FILE, Request("GET", "/f", {"if-none-match": whole.headers["ETag"]})).status == 304
    for shift, extra, status in ((0, {}, 304), (1, {}, 304), (-1, {}, 200), (0, {"if-none-match": '"other"'}, 200)):
        since = formatdate(FILE.modified + shift, usegmt=True)
        assert send_file(FILE, Request("GET", "/f", {"if-modified-since": since, **extra})).status == status
    assert send_file(FILE, Request("GET", "/f", {"if-modified-since": "yesterday"})).status == 200
    assert send_file(FILE, Request("GET", "/f", headers), ranges=False).status == 200


# ---- the server
def _answer(request: Request) -> Response:
    match request.path:
        case "/chunks":
            return Response(200, iter([b"x" * 70_000] * 3))
        case "/short-iterator":
            return Response(200, iter([b"abc", b"def"]))
        case "/boom":
            raise ValueError("secret words")
        case "/boom-later":
            return Response(200, _failing())
        case path if path.startswith("/damage/"):
            return Response(200, b"0123456789" * 10, damage=Damage(path.rpartition("/")[2], seconds=0.0, rate=1e6))
    return Response(200, json.dumps([request.method, request.path, request.params()]).encode())


def _failing():
    yield b"x" * 70_000
    yield b"x" * 70_000
    raise ValueError("secret words")


@pytest.fixture(scope="module")
def server():
    server = HttpServer(_answer)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    yield connection
    connection.close()


def get(connection, path, method="GET", **options):
    connection.request(method, path, **options)
    response = connection.getresponse()
    return response, response.read()


def raw(server, data: bytes) -> bytes:
    """Whatever comes back for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as one:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: one.recv(65536), b""))


def test_a_connection_is_kept_alive(connection):
    get(connection, "/a")
    own = connection.sock.getsockname()
    response, body = get(connection, "/b?x=1", "POST", body="y=2")
    assert json.loads(body) == ["POST", "/b", {"x": "1", "y": "2"}]
    assert connection.sock.getsockname() == own
    assert response.getheader("Content-Length") == str(len(body))


def test_iterators_go_out_in_chunks_when_long(connection):
    response, body = get(connection, "/chunks")
    assert response.getheader("Transfer-Encoding") == "chunked"
    assert body == b"x" * 210_000
    response, body = get(connection, "/short-iterator")
    assert (response.getheader("Content-Length"), body) == ("6", b"abcdef")


def test_head_sends_no_body(connection):
    response, body = get(connection, "/short-iterator", "HEAD")
    assert (response.getheader("Content-Length"), body) == ("6", b"")
    assert get(connection, "/a")[0].status == 200


def test_http_1_0_gets_no_chunks_and_a_close(server):
    answer = raw(server, b"GET /chunks HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 210000" in head
    assert b"Connection: close" in head
    assert body == b"x" * 210_000


def test_failures_stay_inside(server, connection):
    before = len(server.errors)
    response, body = get(connection, "/boom")
    assert response.status == 500
    assert b"secret" not in body
    connection.request("GET", "/boom-later")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    assert len(server.errors) == before + 2
    assert "secret words" in server.errors[-1]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * (MAX_LINE - 14) + b" HTTP/1.1\r\n\r\n", 200),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        # a proxy is asked for other hosts
        (b"GET http://jsoc.stanford.edu/a HTTP/1.1\r\nHost: jsoc.stanford.edu\r\n\r\n", 200),
    ],
)
def test_bad_requests_get_an_http_error(server, sent, status):
    assert raw(server, sent).startswith(b"HTTP/1.1 %d " % status)


def test_expect_100_continue(server):
    answer = raw(server, b"POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=1")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_an_http_answer_or_a_close(server, data):
    answer = raw(server, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("kind", ["stall", "stall-body", "trickle"])
def test_slow_answers_arrive_whole(connection, kind):
    assert get(connection, f"/damage/{kind}")[1] == b"0123456789" * 10


def test_broken_answers(server):
    for kind, expected in [
        ("reset", (ConnectionResetError, http.client.RemoteDisconnected)),
        ("reset-body", (ConnectionResetError, http.client.IncompleteRead)),
        ("truncated", (http.client.IncompleteRead,)),
    ]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        with pytest.raises(expected):
            get(connection, f"/damage/{kind}")
        connection.close()


def test_stop_ends_stalled_and_idle_connections_and_frees_the_port():
    def handle(request: Request) -> Response:
        return Response(200, b"x", damage=Damage("stall", seconds=3600.0)) if request.path == "/s" else text(200, "ok")

    server = HttpServer(handle)
    server.start()
    port = server.port
    with (
        socket.create_connection(("127.0.0.1", port)) as idle,
        socket.create_connection(("127.0.0.1", port)) as waiting,
    ):
        idle.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert idle.recv(4096)
        waiting.sendall(b"GET /s HTTP/1.1\r\n\r\n")
        server.stop()
        server.stop()  # harmless
        with contextlib.suppress(ConnectionResetError):  # where the server had not read the request yet
            assert waiting.recv(4096) == b""
    again = HttpServer(handle, port)
    again.start()
    again.stop()


def test_more_clients_than_connections_are_served_in_turn():
    server = HttpServer(lambda request: text(200, "ok"), max_connections=2)
    server.start()
    statuses = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        statuses.append(get(connection, "/", headers={"Connection": "close"})[0].status)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.stop()
    assert statuses == [200] * 20
