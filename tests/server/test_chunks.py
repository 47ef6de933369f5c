"""Answers in chunks: many are read at once, and whatever stands in them is read as http.client reads it."""

import http.client
import socket

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jsoclite.server.limits import ManyChunks

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def framed(pieces, form="%x\r\n"):
    return b"".join(form.encode() % len(piece) + piece + b"\r\n" for piece in pieces)


def outcome(kind, sent, size):
    """What is read of an answer, how it ends, and in how many calls."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HEAD + sent)
        theirs.shutdown(socket.SHUT_WR)
        response = kind(ours, method="GET")
        response.begin()
        found, calls = b"", 0
        try:
            while piece := response.read1(size):
                if b"-" in sent and len(piece) > size:  # a chunk of less than nothing
                    return found + piece, None, calls
                assert len(piece) <= size
                found, calls = found + piece, calls + 1
        except (http.client.HTTPException, ValueError) as error:
            return found, type(error), calls
        return found, response.isclosed(), calls


@st.composite
def answers(draw):
    """Chunks in forms that servers write, with a trailer or without; sometimes cut off or with a byte changed."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40) | st.binary(min_size=8000, max_size=20_000), max_size=12))
    form = draw(st.sampled_from(["%x\r\n", "%X\r\n", "%04x\r\n", "%x \r\n", "%x;name=value\r\n", "%x\n", " %x\r\n"]))
    sent = framed(pieces, form) + draw(st.sampled_from([b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"000\r\n\r\n", b""]))
    sent = sent[: draw(st.none() | st.integers(0, len(sent)))]
    if sent and draw(st.booleans()):
        place = draw(st.integers(0, len(sent) - 1))
        sent = sent[:place] + draw(st.sampled_from([b"\r", b"\n", b"-", b"0", b"g", b";", b""])) + sent[place + 1 :]
    return sent


@settings(max_examples=400, deadline=None)
@given(answers(), st.sampled_from([1, 7, 100, 5000, 1 << 17]))
@example(b"5\r\nhello\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 100)
@example(b"\r\n5\r\nhello\r\n0\r\n\r\n", 100)
@example(b"ffffffffff\r\nx", 100)
def test_it_reads_what_the_standard_library_reads(sent, size):
    assert outcome(ManyChunks, sent, size)[:2] == outcome(http.client.HTTPResponse, sent, size)[:2]


def test_many_chunks_are_one_call():
    sent = framed([b"x" * 100] * 1000) + b"0\r\n\r\n"
    found, closed, calls = outcome(ManyChunks, sent, 1 << 17)
    assert (found, closed) == (b"x" * 100_000, True)
    assert calls < 50
    assert outcome(http.client.HTTPResponse, sent, 1 << 17)[2] >= 1000


def test_a_chunk_that_has_come_in_part_is_read_with_the_one_before():
    sent = framed([b"x" * 8000] * 18) + b"0\r\n\r\n"
    found, closed, calls = outcome(ManyChunks, sent, 1 << 17)
    assert (found, closed) == (b"x" * 144_000, True)
    assert calls <= len(sent) // 8192 + 2  # what the reader of a socket holds
