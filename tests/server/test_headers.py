"""Headers that no server should send, and what broke on disk: over real sockets, for questions and for files."""

import re

import pytest
from conftest import HandClock

from jsoclite.download import transfer
from jsoclite.errors import JsocError
from jsoclite.server import Jsoc, Transport
from jsoclite.server.retry import retry_after

COUNT = b'{"status":0,"count":1}'
CARDS = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END")
FILE = "".join(card.ljust(80) for card in CARDS).ljust(2880).encode()
ETAG = '"one"'

# a header, and whether the body can be taken all the same, as the end of the connection ends it
HEADERS = [
    ("Content-Length: ²", True),
    ("Content-Length: " + "9" * 5000, True),
    ("Content-Length: -5", True),
    ("Content-Length: ", True),
    ("Content-Length: 1e3", True),
    ("Content-Length: 5, 6", False),
    ("Content-Length: 0x10", True),
    ("Retry-After: Fri, 31 Dec 99999 23:59:59 GMT", True),
    ("Retry-After: Fri, 31 Dec 9999 23:59:59 -2359", True),
    ("Retry-After: -1", True),
    ("Location: http://[::1", True),
    ("Content-Type: \x00\x01\xff", True),
    ("ETag: \x01\x7f\xff", True),
    ("ETag: " + '"' + "x" * 60_000 + '"', True),
    ("Last-Modified: \x1b[31m", True),
    ("Content-Range: bytes 0-²/³", True),
    ("Set-Cookie: \x00=\xff; Domain=..; Max-Age=²; Expires=Fri, 31 Dec 99999 23:59:59 GMT", True),
    (": no name", True),
    ("no colon", True),
]


def _reply(header, body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{header}\r\n\r\n".encode("latin-1") + body


# urllib3 leaves the socket of a reply that it refuses to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("header", "usable"), HEADERS, ids=[one[:24] for one, _ in HEADERS])
def test_a_header_that_is_unusable_is_dropped(hostile, tmp_path, header, usable):
    server = hostile(_reply(header, COUNT))
    jsoc = Jsoc(Transport(server["url"], clock=HandClock().clock, retries=1))
    if usable:
        assert jsoc.rs_summary("hmi.M_720s[]")["count"] == 1
    else:
        with pytest.raises(JsocError, match="jsoc_info"):
            jsoc.rs_summary("hmi.M_720s[]")
    files = hostile(_reply(header, FILE))
    target = tmp_path / "a.fits"
    task = transfer.Task(files["url"] + "a.fits", str(target), retries=1)
    outcome = transfer.fetch(task, Transport(files["url"], clock=HandClock().clock))
    assert bool(outcome.error) != usable, outcome.error
    assert not usable or target.read_bytes() == FILE
    assert not list(tmp_path.glob("*.etag"))


@pytest.mark.parametrize(
    "line", ["HTTP/1.1 ² OK", "HTTP/1.1 99999 OK", "HTTP/1.1", "", "\x00\xff", "HTTP/9.9 200 OK", "HTTP/1.1 -200 OK"]
)
def test_a_status_line_that_is_none(hostile, line):
    server = hostile(line.encode("latin-1") + b"\r\n\r\n" + COUNT)
    with pytest.raises(JsocError, match="127.0.0.1"):
        Jsoc(Transport(server["url"], clock=HandClock().clock, retries=0)).rs_summary("hmi.M_720s[]")


@pytest.mark.parametrize("status", ["301 Moved", "503 Busy", "429 Slow"])
@pytest.mark.parametrize(
    "header", [one for one, _ in HEADERS if re.match("Retry|Location", one)] + ["Location: ", "Location: \xff\x00"]
)
def test_refusals_with_such_headers_end_soon(hostile, status, header):
    clock = HandClock()
    server = hostile(_reply(header, b"", status))
    with pytest.raises(JsocError):
        Jsoc(Transport(server["url"], clock=clock.clock, retries=2)).rs_summary("hmi.M_720s[]")
    assert sum(clock.slept) <= 2 * 300
    assert len(server["asked"]) <= 6


@pytest.mark.parametrize(
    "value", ["²", "-3", "nan", "1e9", "9" * 5000, "Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 -0000",
              "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "\x00"],
)  # fmt: skip
def test_what_a_server_asks_to_wait(value):
    assert 0.0 <= (retry_after({"Retry-After": value}, now=lambda: 0.0) or 0.0) <= 300.0


# -- what is left on disk ---------------------------------------------------------------------------------------------


def _serving(head):
    """A server of one file that answers ranges as RFC 9110 says."""
    asked = re.search(r"(?i)^range: bytes=(\d+)-", head, re.MULTILINE)
    if asked and f"If-Range: {ETAG}" in head:
        start = int(asked[1])
        if start >= len(FILE):
            return [_reply(f"Content-Range: bytes */{len(FILE)}", b"", "416 No")]
        about = f"ETag: {ETAG}\r\nContent-Range: bytes {start}-{len(FILE) - 1}/{len(FILE)}"
        return [_reply(about, FILE[start:], "206 Part")]
    return [_reply(f"ETag: {ETAG}\r\nContent-Length: {len(FILE)}", FILE)]


TAGS = [b"", b"\xff\xfe", b'"one"\r\nX-Evil: 1', b"\x00" * 100, b'"\n"', b"W/\"one\"", b"x" * 5_000_000,
        "\"\u20ac\"".encode(), b'"other"', b"Thu, 01 Jan 1970 00:00:00 GMT"]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS, ids=[repr(one[:16]) for one in TAGS])
def test_a_broken_etag_costs_one_fetch(hostile, tmp_path, tag):
    server = hostile(_serving)
    target = tmp_path / "a.fits"
    target.with_name("a.fits.part").write_bytes(FILE[:1000])
    target.with_name("a.fits.part.etag").write_bytes(tag)
    task = transfer.Task(server["url"] + "a.fits", str(target), retries=0)
    assert transfer.fetch(task, Transport(server["url"], clock=HandClock().clock)).error == ""
    assert target.read_bytes() == FILE
    assert [one.name for one in tmp_path.iterdir()] == ["a.fits"]
    assert "Evil" not in server["asked"][0]


def test_a_good_etag_resumes(hostile, tmp_path):
    server = hostile(_serving)
    target = tmp_path / "a.fits"
    target.with_name("a.fits.part").write_bytes(FILE[:1000])
    target.with_name("a.fits.part.etag").write_text(ETAG)
    task = transfer.Task(server["url"] + "a.fits", str(target), retries=0)
    outcome = transfer.fetch(task, Transport(server["url"], clock=HandClock().clock))
    assert (outcome.error, outcome.received) == ("", len(FILE) - 1000)


@pytest.mark.parametrize(("answer", "away"), [([], True), ([_reply("Content-Length: 2880", b"")], False)])
def test_a_server_that_breaks_off_is_there_and_one_that_says_nothing_is_not(hostile, tmp_path, answer, away):
    server = hostile(lambda head: answer)
    task = transfer.Task(server["url"] + "a.fits", str(tmp_path / "a.fits"), retries=0)
    outcome = transfer.fetch(task, Transport(server["url"], clock=HandClock().clock))
    assert (bool(outcome.error), outcome.away) == (True, away)


@pytest.mark.parametrize("most", [len(FILE), 100])
def test_parts_of_a_file_are_counted_as_they_arrive(hostile, tmp_path, most):
    """`most` bytes come at a time, and the connection ends: what is here is kept, and nothing is asked for twice."""

    def answer(head):
        start, last = map(int, re.search(r"(?i)^range: bytes=(\d+)-(\d+)", head, re.MULTILINE).groups())
        about = f"ETag: {ETAG}\r\nContent-Length: {last + 1 - start}"
        about += f"\r\nContent-Range: bytes {start}-{last}/{len(FILE)}"
        return [_reply(about, FILE[start : min(last + 1, start + most)], "206 Part")]

    def make(ranges, _header):
        return ranges.read(500, 750) + ranges.read(2000, 10**6)

    server, counts = hostile(answer), []
    task = transfer.Task(server["url"] + "a", str(tmp_path / "a"), fits=False, make=make)
    outcome = transfer.fetch(task, Transport(server["url"], clock=HandClock().clock), counts.append)
    assert (outcome.error, outcome.received, sum(counts)) == ("", 250 + len(FILE) - 2000, outcome.received)
    assert (tmp_path / "a").read_bytes() == FILE[500:750] + FILE[2000:]


@pytest.mark.parametrize("status", ["400 Bad Request", "412 Precondition Failed", "431 Too Large", "501 What"])
def test_a_server_that_refuses_ranges_gives_the_whole_file(hostile, tmp_path, status):
    server = hostile(lambda head: [_reply("", b"", status)] if "Range:" in head else _serving(head))
    target = tmp_path / "a.fits"
    target.with_name("a.fits.part").write_bytes(FILE[:1000])
    target.with_name("a.fits.part.etag").write_text(ETAG)
    task = transfer.Task(server["url"] + "a.fits", str(target), retries=1)
    assert transfer.fetch(task, Transport(server["url"], clock=HandClock().clock)).error == ""
    assert target.read_bytes() == FILE


@pytest.mark.parametrize(
    "about", ["bytes 1000-²/³", "bytes ١٠٠٠-2879/2880", f"bytes 1000-2879/{'9' * 5000}", f"bytes {'9' * 5000}-2/3", "x"]
)
def test_a_range_that_is_none(hostile, tmp_path, about):
    part = [
        _reply(f"ETag: {ETAG}\r\nContent-Range: ", b"", "206 Part").replace(b"Range: ", b"Range: " + about.encode())
    ]
    server = hostile(lambda head: part if "Range:" in head else _serving(head))
    target = tmp_path / "a.fits"
    target.with_name("a.fits.part").write_bytes(FILE[:1000])
    target.with_name("a.fits.part.etag").write_text(ETAG)
    task = transfer.Task(server["url"] + "a.fits", str(target), retries=1)
    assert transfer.fetch(task, Transport(server["url"], clock=HandClock().clock)).error == ""
    assert target.read_bytes() == FILE
