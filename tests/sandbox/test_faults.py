"""Faults: which requests they hit, and what the client then sees."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import socket
from functools import cache
from urllib.parse import urlencode

import pytest
from conftest import GOLDEN

from jsoclite.errors import RecordSetError
from jsoclite.sandbox import Fault, Sandbox
from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.messages import Request
from jsoclite.sandbox.web.app import CONTENT, ENDPOINTS, STATE, WIRE, Faults

ADDRESS = "test@example.com"
FILE = "/SUM0/D500000012/S00000/magnetogram.fits"
QUERY = "/cgi-bin/ajax/jsoc_info?op=rs_summary&ds=hmi.M_720s[2014.01.01_TAI/1h][3]"


@cache
def _catalog() -> StoredCatalog:
    return StoredCatalog(GOLDEN / "catalog")


@pytest.fixture
def sandbox():
    with Sandbox(_catalog(), email=ADDRESS, staging_s=math.inf) as sandbox:
        yield sandbox
        assert sandbox.errors == []


def get(sandbox, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(sandbox.url[:-1].rpartition(":")[2]), timeout=20)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def fetch(sandbox, **params):
    return json.loads(get(sandbox, "/cgi-bin/ajax/jsoc_fetch?" + urlencode(params))[1])


def export(sandbox, method="url", protocol="FITS"):
    answer = fetch(
        sandbox,
        op="exp_request",
        ds="hmi.M_720s[:#12-#14]",
        notify=ADDRESS,
        method=method,
        protocol=protocol,
        filenamefmt="{recnum:%d}.fits",
    )
    sandbox.staging.finish()
    return answer


# ---- which requests
def hits(fault: Fault | str, count: int = 8, endpoint: str = "file", target: str = "/f") -> str:
    faults = Faults([fault])
    return "".join("x" if faults.next(endpoint, Request("GET", target)) else "." for _ in range(count))


def test_every_nth_and_several_in_a_row():
    assert hits(Fault("503")) == "xxxxxxxx"
    assert hits(Fault("503", nth=3)) == "..x....."
    assert hits(Fault("503", nth=2, times=3)) == ".xxx...."
    assert hits("503@file:2x3") == ".xxx...."
    assert hits(Fault("503", "query,file", nth=1)) == "x......."
    assert hits(Fault("503", "query")) == "........"


def test_chance_is_repeatable():
    first = hits(Fault("reset", probability=0.5, seed=1), 50)
    assert first == hits(Fault("reset", probability=0.5, seed=1), 50)
    assert first != hits(Fault("reset", probability=0.5, seed=2), 50)
    assert 10 < first.count("x") < 40
    assert hits("reset%0") == "........"
    assert hits("reset@file%100") == "xxxxxxxx"


def test_match_looks_into_target_and_body():
    assert hits(Fault("500", match="S00000/a"), target="/SUM1/S00000/a.fits") == "xxxxxxxx"
    assert hits(Fault("500", match="S00000/a"), target="/SUM1/S00000/b.fits") == "........"
    faults = Faults([Fault("500", match="ds=hmi")])
    assert faults.next("query", Request("POST", "/x", {}, b"ds=hmi.M_720s"))


def test_every_fault_counts_every_request():
    """A fault on the second request is one on the second request, whatever hit the first."""
    faults = Faults(["500:1", "503:2"])
    kinds = [fault and fault.kind for fault in (faults.next("file", Request("GET", "/")) for _ in range(3))]
    assert kinds == ["500", "503", None]
    assert sorted(faults.hits().values()) == [1, 1]
    faults.clear()
    assert faults.next("file", Request("GET", "/")) is None


@pytest.mark.parametrize(
    "spec", ["nonsense", "200", "600", "503@nowhere", "503:0", "503 @file", "reset%101", "", "503@file:1x0"]
)
def test_what_is_no_fault_is_refused(spec):
    with pytest.raises(RecordSetError):
        Fault.parse(spec)


@pytest.mark.parametrize("options", [{"at": 2}, {"rate": 0}, {"seconds": -1}, {"probability": -0.1}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(RecordSetError):
        Fault("stall", **options)


# ---- what a client sees
@pytest.mark.parametrize("path", [FILE, QUERY])
@pytest.mark.parametrize("kind", ["500", "503", "429", "404"])
def test_http_errors(sandbox, path, kind):
    sandbox.add_fault(kind, nth=1, retry_after=7)
    status, body, headers = get(sandbox, path)
    assert (status, headers["Retry-After"]) == (int(kind), "7")
    assert body.startswith(kind.encode())
    status, body, headers = get(sandbox, path)
    assert (status, headers["Retry-After"]) == (200, None)


@pytest.mark.parametrize("path", [FILE, QUERY])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", (ConnectionResetError, http.client.RemoteDisconnected)),
        ("reset-body", (ConnectionResetError, http.client.IncompleteRead)),
        ("truncated", (http.client.IncompleteRead,)),
        ("cut-chunks", (http.client.IncompleteRead,)),
    ],
)
def test_broken_connections(sandbox, path, kind, error):
    sandbox.add_fault(kind, nth=1)
    with pytest.raises(error):
        get(sandbox, path)
    assert get(sandbox, path)[0] == 200


@pytest.mark.parametrize("kind", ["stall", "stall-body", "trickle"])
def test_slow_connections_deliver_in_the_end(sandbox, kind):
    good = get(sandbox, FILE)[1]
    sandbox.add_fault(kind, seconds=0.0, rate=1e9)
    assert get(sandbox, FILE)[1] == good


def test_a_stalled_connection_times_out(sandbox):
    sandbox.add_fault("stall-body", "file", seconds=3600)
    connection = http.client.HTTPConnection("127.0.0.1", int(sandbox.url[:-1].rpartition(":")[2]), timeout=0.2)
    connection.request("GET", FILE)
    with pytest.raises(TimeoutError):
        connection.getresponse().read()
    connection.close()


def test_html_and_broken_json_come_with_status_200(sandbox):
    sandbox.add_fault("html", nth=1)
    status, body, headers = get(sandbox, QUERY)
    assert (status, headers.get_content_type()) == (200, "text/html")
    sandbox.clear_faults()
    sandbox.add_fault("bad-json", nth=1)
    status, body, _ = get(sandbox, QUERY)
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_a_status_of_choice(sandbox):
    sandbox.add_fault(Fault("status", "exp_request", nth=1, status=25, error="offline"))
    assert export(sandbox) == {"status": 25, "error": "offline"}
    assert export(sandbox)["status"] == 2


def test_a_short_file_has_a_length_that_agrees(sandbox):
    whole = get(sandbox, FILE)[1]
    sandbox.add_fault("short", "file", nth=1, at=0.75)
    status, body, headers = get(sandbox, FILE)
    assert status == 200
    assert len(body) == int(headers["Content-Length"]) == len(whole) * 3 // 4


def test_a_full_disk_leaves_half_a_file(sandbox):
    whole = get(sandbox, FILE)[1]
    sandbox.add_fault("disk-full", "file")
    assert get(sandbox, FILE)[1] == whole[: len(whole) // 2]
    assert get(sandbox, FILE, "HEAD")[2]["Content-Length"] == str(len(whole) // 2)


def test_a_file_that_changes_is_not_resumed(sandbox):
    _, whole, headers = get(sandbox, FILE)
    etag = {"If-Range": headers["ETag"], "Range": "bytes=100-"}
    assert get(sandbox, FILE, **etag)[0] == 206
    sandbox.add_fault("changed", "file")
    status, other, changed = get(sandbox, FILE, **etag)
    assert status == 200
    assert len(other) == len(whole)
    assert other != whole
    assert changed["ETag"] != headers["ETag"]
    assert changed["Last-Modified"] != headers["Last-Modified"]
    # one who does not ask with If-Range gets the end of another file
    assert get(sandbox, FILE, Range="bytes=100-")[1] == other[100:] != whole[100:]


def test_ranges_ignored(sandbox):
    whole = get(sandbox, FILE)[1]
    sandbox.add_fault("no-range", "file")
    status, body, headers = get(sandbox, FILE, Range="bytes=100-")
    assert (status, body, headers["Accept-Ranges"]) == (200, whole, None)


def test_expired_exports(sandbox):
    id = export(sandbox)["requestid"]
    index = fetch(sandbox, op="exp_status", requestid=id)
    path = f"{index['dir']}/{index['data'][0]['filename']}"
    assert get(sandbox, path)[0] == 200
    sandbox.add_fault("expired", "exp_status", nth=1)
    assert fetch(sandbox, op="exp_status", requestid=id)["status"] == 5
    assert get(sandbox, path)[0] == 404
    assert export(sandbox)["requestid"] != id


def test_questions_that_are_too_large_leave_a_programs_complaint(sandbox):
    sandbox.add_fault("too-many", "query", records=4)
    answer = json.loads(get(sandbox, QUERY)[1])
    assert answer["status"] == 6
    assert "out of memory for query result" in answer["error"]
    assert json.loads(get(sandbox, QUERY.replace("1h", "24m"))[1])["count"] <= 4


def test_a_socket_that_hangs_hangs_until_the_sandbox_stops(sandbox):
    sandbox.add_fault("stall", "query", nth=1, seconds=math.inf)
    with socket.create_connection(("127.0.0.1", int(sandbox.url[:-1].rpartition(":")[2]))) as connection:
        connection.sendall(f"GET {QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while not sum(sandbox.fault_hits().values()):
            pass
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        sandbox.stop()
        connection.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""


def test_a_full_disk_fails_the_export(sandbox):
    sandbox.add_fault("disk-full", "exp_request", nth=1)
    id = export(sandbox)["requestid"]
    assert fetch(sandbox, op="exp_status", requestid=id)["error"] == "Problem running protocol-export command."
    assert export(sandbox)["status"] == 7  # for an hour, or until somebody cancels it
    manage = f"/cgi-bin/ajax/manage-request.sh?operation=cancel&address={ADDRESS}"
    assert json.loads(get(sandbox, manage)[1])["status"] == "3"
    again = export(sandbox)["requestid"]
    assert again != id
    assert fetch(sandbox, op="exp_status", requestid=again)["status"] == "0"


def test_evil_names(sandbox):
    sandbox.add_fault("evil-name", "exp_status")
    id = export(sandbox)["requestid"]
    names = [row["filename"] for row in fetch(sandbox, op="exp_status", requestid=id)["data"]]
    assert names == ["../../../../evil.fits", "/etc/evil.fits", "..\\..\\evil.fits"]
    sandbox.clear_faults()
    sandbox.add_fault("evil-name", "exp_request")
    quick = export(sandbox, method="url_quick", protocol="as-is")
    assert all(".." in row["filename"] for row in quick["data"])


def test_an_answer_may_get_lost_after_the_request_was_taken(sandbox):
    """A reset before the headers of exp_request: the client knows nothing, the server has a request."""
    sandbox.add_fault("reset", "exp_request", nth=1)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        export(sandbox)
    assert len(sandbox.staging) == 1
    assert export(sandbox)["status"] == 7


def test_faults_are_logged(sandbox):
    fault = sandbox.add_fault("503@query:1")
    get(sandbox, QUERY)
    get(sandbox, QUERY)
    assert [request.fault for request in sandbox.requests] == ["503", ""]
    assert sandbox.fault_hits() == {fault: 1}


def test_kinds_and_endpoints_are_told_apart():
    assert len(WIRE | CONTENT | STATE) == len(WIRE) + len(CONTENT) + len(STATE)
    assert len(ENDPOINTS) == 10
