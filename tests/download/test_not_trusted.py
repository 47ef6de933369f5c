"""Files and archives that arrive otherwise than they should: each row has a reason, and the others come."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile

import pytest
import requests
import urllib3
from conftest import GOLDEN

import jsoclite
from jsoclite.errors import JsocError
from jsoclite.sandbox import Sandbox
from jsoclite.server import Transport, resolve_server

SET = "hmi.M_720s[2014.01.01_TAI/36m][3]{magnetogram}"


class Spoiling(requests.adapters.HTTPAdapter):
    """A line on which somebody changes files; `change` gets the number of the file and its bytes."""

    def __init__(self, change):
        super().__init__()
        self.change, self.count = change, 0

    def send(self, request, **options):
        answer = super().send(request, **options)
        if "/SUM" in request.url and not request.url.endswith(".json"):
            content = self.change(self.count, answer.content)
            self.count += 1
            raw = urllib3.HTTPResponse(
                io.BytesIO(content), {"Content-Length": str(len(content))}, answer.status_code, preload_content=False
            )
            answer = self.build_response(request, raw)
        return answer


@pytest.fixture
def spoilt(hand_clock):
    """A client on a line that changes files; retries would take them as often."""
    opened = []

    def make(change, **options):
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", Spoiling(change))
        client = jsoclite.Client(sandbox.url, email=sandbox.email, session=session, **({"retries": 0} | options))
        client._clock = hand_clock.clock
        opened.append(client)
        return client

    with Sandbox(catalog=GOLDEN / "catalog", clock=hand_clock.now, staging_s=5) as sandbox:
        yield make
        for client in opened:
            client.close()


def first_only(change):
    return lambda number, content: change(content) if number == 0 else content


def with_card(name, value):
    """One card more, at the end of the first header."""

    def change(content):
        at = content.index(b"END".ljust(80))
        card = f"{name:<8}= {value:>20}".ljust(80) + "END".ljust(80)
        assert content[at + 80 : at + 160] == b" " * 80
        return content[:at] + card.encode() + content[at + 160 :]

    return change


@pytest.mark.parametrize("protocol", ["auto", "as-is", "fits"])
@pytest.mark.parametrize(
    ("name", "value"), [("PCOUNT", "-200000"), ("PCOUNT", "9" * 18), ("GCOUNT", "-1"), ("PCOUNT", "x")]
)
def test_a_file_of_impossible_size_fails_alone(spoilt, tmp_path, protocol, name, value):
    client = spoilt(first_only(with_card(name, value)))
    files = client.download(SET, tmp_path, protocol=protocol, on_error="ignore")
    assert files.status.tolist() == ["failed", "downloaded", "downloaded"]
    assert "not the file" in files.error.iloc[0]
    assert not list(tmp_path.glob("*.part*"))


def test_a_file_that_cannot_get_its_header_fails_alone(spoilt, tmp_path, monkeypatch):
    from jsoclite.fits.files import write_fits

    broken = []

    def write(source, *arguments):
        if not broken:
            broken.append(source)
            raise JsocError("became shorter while it was copied")
        write_fits(source, *arguments)

    monkeypatch.setattr("jsoclite.download.transfer.write_fits", write)
    files = spoilt(lambda _, content: content).download(SET, tmp_path, on_error="ignore")
    assert files.status.tolist() == ["failed", "downloaded", "downloaded"]
    assert "shorter" in files.error.iloc[0]


# -- archives ---------------------------------------------------------------------------------------------------------


def archive(spoilt, tmp_path, change, **options):
    """What becomes of three rows whose archive is changed."""
    client = spoilt(lambda _, content: change(content), **options)
    files = client.export(SET, method="url-tar").download(tmp_path / "data", on_error="ignore")
    left = [path.name for path in (tmp_path / "data").iterdir() if not path.name.endswith(".fits")]
    assert left == [".jsoclite.sqlite"]
    assert not any("\x1b" in str(reason) for reason in files.error)
    return files


def members(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def packed(pairs, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as tar:
        for member, data in pairs:
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def with_first(change, **options):
    """Change the first member; `change` gets it and its bytes, and returns members."""

    def changed(content):
        (member, data), *others = members(content)
        return packed([*change(member, data), *others], **options)

    return changed


def a_field(offset, value):
    """Put bytes into the header of the first member, and its sum right."""

    def change(content):
        head = bytearray(content[:512])
        head[offset : offset + len(value)] = value
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        return bytes(head) + content[512:]

    return change


def renamed(name):
    def change(member, data):
        member.name = name.format(member.name)
        return [(member, data)]

    return with_first(change)


def of_type(kind, link=""):
    def change(member, data):
        member.type, member.linkname, member.size = kind, link, 0
        return [(member, b"")]

    return with_first(change)


def more(name, content):
    """One more member, before the others."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return with_first(lambda *pair: [(member, content), pair])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_is_refused_before_it_is_unpacked(spoilt, tmp_path, pack):
    """10 MB of nothing in 10 kB; an archive may not be larger than its file."""
    files = archive(spoilt, tmp_path, lambda content: pack(content + bytes(10 << 20)))
    assert files.status.tolist() == ["failed"] * 3
    assert files.error.str.contains("no plain tar").all()


# what is wrong with the first member, and what its row is told
ODD_MEMBERS = {
    "a link": (of_type(tarfile.SYMTYPE, "/etc/passwd"), "no plain file"),
    "a hard link to another": (of_type(tarfile.LNKTYPE, "x"), "no plain file"),
    "a pipe": (of_type(tarfile.FIFOTYPE), "no plain file"),
    "a device": (of_type(tarfile.CHRTYPE), "no plain file"),
    "a directory": (of_type(tarfile.DIRTYPE), "no plain file"),
    "sparse": (a_field(156, b"S"), "no plain file|damaged"),
    "twice": (with_first(lambda member, data: [(member, data), (member, data[:-1] + b"x")]), "two files"),
    "a name of another": (renamed("x{}"), "does not hold"),
    "cut off": (lambda content: content[:2000], "ends inside|damaged"),
    "all of it gone": (lambda content: b"", "empty"),
    "no tar": (lambda content: b"<html>sorry</html>", "no plain tar"),
    "an empty tar": (lambda content: bytes(10240), "does not hold"),
    "a size below zero": (a_field(124, b"\xff" * 12), "damaged"),
    "a size beyond the file": (a_field(124, b"77777777777\0"), "ends inside"),
    "a size that is no number": (a_field(124, b"xxxxxxxxxxx\0"), "damaged|no plain tar"),
    "a long name of 8 GB": (a_field(124, b"77777777777\0L"), "damaged|ends inside|does not hold"),
    "error_list.txt as a link": (
        with_first(lambda *pair: [(_link("error_list.txt", "nowhere"), b""), pair]), None
    ),
    "an error list with colours": (more("error_list.txt", b"\x1b[31mred"), None),
    "2,000 others": (
        with_first(lambda *pair: [*((tarfile.TarInfo(f"x{number}"), b"") for number in range(2000)), pair]), "damaged"
    ),
}  # fmt: skip


def _link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize("what", ODD_MEMBERS)
def test_an_odd_archive_is_a_reason(spoilt, tmp_path, what):
    change, reason = ODD_MEMBERS[what]
    files = archive(spoilt, tmp_path, change)
    if reason is None:
        assert files.status.tolist() == ["downloaded"] * 3
        return
    assert files.status.iloc[0] == "failed"
    assert re.search(reason, files.error.iloc[0])
    alone = reason in ("no plain file", "two files") or what == "a name of another"
    assert files.status.iloc[1:].eq("downloaded" if alone else files.status.iloc[1]).all()
    assert (jsoclite.verify(tmp_path / "data").status.isin(["whole", "failed"])).all()


@pytest.mark.parametrize("name", ["/etc/{}", "../../{}", "./a/b/{}", "x" * 200 + "/{}"])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_paths_in_an_archive_lead_nowhere(spoilt, tmp_path, name, form):
    """A member is known by the last part of its name, and its file has one of ours."""

    def change(member, data):
        member.name = name.format(member.name)
        return [(member, data)]

    files = archive(spoilt, tmp_path, with_first(change, format=form))
    assert files.status.tolist() == ["downloaded"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.parametrize(
    "words",
    [
        {"path": "../../victim"}, {"size": "-1"}, {"size": "9" * 30}, {"size": "x"}, {"GNU.sparse.map": "0,5"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, {"hdrcharset": "x"}, {"path": "\x00"},
    ],
)  # fmt: skip
def test_words_of_a_member_in_an_archive(spoilt, tmp_path, words):
    def change(member, data):
        member.pax_headers = words
        return [(member, data)]

    files = archive(spoilt, tmp_path, with_first(change, format=tarfile.PAX_FORMAT))
    assert set(files.status) <= {"downloaded", "failed"}
    assert (jsoclite.verify(tmp_path / "data").status.isin(["whole", "failed"])).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_an_archive_that_fails_is_fetched_anew(spoilt, tmp_path):
    client = spoilt(first_only(gzip.compress))
    export = client.export(SET, method="url-tar")
    assert (export.download(tmp_path, on_error="ignore").status == "failed").all()
    assert (export.download(tmp_path).status == "downloaded").all()


def test_a_full_disk_while_an_archive_is_taken_apart_is_told_as_such(spoilt, tmp_path, monkeypatch):
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:  # the first is that of the archive
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(JsocError, match="the disk is full"):
        spoilt(lambda _, content: content).export(SET, method="url-tar").download(tmp_path)


@pytest.mark.parametrize("connections", [1, 4])
def test_a_record_whose_header_cannot_be_written_fails_alone(spoilt, tmp_path, connections, monkeypatch):
    """A server that sends a word for a number is told of in that row; the others come."""
    records = jsoclite.server.Jsoc.records

    def wrong(self, *arguments, **options):
        body = records(self, *arguments, **options)
        for column in body.get("keywords", ()):
            if column["name"] == "CAMERA":
                column["values"][0] = "three"
        return body

    monkeypatch.setattr("jsoclite.server.Jsoc.records", wrong)
    client = spoilt(lambda _, content: content, connections=connections)
    names = [f"hmi.M_720s[2014.01.01_00:{minute}:00_TAI][3]" for minute in ("00", "12", "24")]
    files = client.download(names, tmp_path, segments="magnetogram", on_error="ignore")
    assert sorted(files.status) == ["downloaded", "downloaded", "failed"]
    assert files.error[files.status == "failed"].str.contains("CAMERA.*holds 'three'").all()


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_nothing_is_followed_out_of_the_directory_by_an_archive(spoilt, tmp_path, what):
    client = spoilt(lambda _, content: content)
    export = client.export(SET, method="url-tar")
    names = [path.rpartition("/")[2] for path in export.download(tmp_path / "names").path]
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "data").mkdir()
    part = tmp_path / "data" / f"{names[0]}.part"
    if what == "link":
        part.symlink_to(tmp_path / "victim")
    else:
        os.mkfifo(part)
    assert (export.download(tmp_path / "data").status == "downloaded").all()
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_file_of_the_name_of_an_archive_stays(spoilt, tmp_path):
    export = spoilt(lambda _, content: content).export(SET, method="url-tar").wait(progress=False)
    mine = tmp_path / f"{export.ids[0]}.tar"
    mine.write_text("mine")
    assert (export.download(tmp_path).status == "downloaded").all()
    assert mine.read_text() == "mine"


# -- sums -------------------------------------------------------------------------------------------------------------

PATCH = "hmi.M_720s[2014.01.01_TAI/36m]{magnetogram}"


@pytest.fixture(scope="module")
def sun():
    """A sandbox whose stored files have sums, as those of SUMS have."""
    with Sandbox(staging_s=0) as made:
        yield made
        made.clear_faults()


def fetched(sun, clock, directory, way, **options):
    """What a download over a way brings; faults count files from when they are added."""
    with sun.client(**options) as client:
        client._clock = clock.clock
        if way == "archive":
            return client.export(PATCH, method="url-tar").download(directory, on_error="ignore")
        return client.download(PATCH, directory, protocol=way, on_error="ignore")


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("way", ["auto", "as-is", "fits", "archive"])
@pytest.mark.parametrize("at", [0.01, 0.6])
def test_a_file_that_is_damaged_for_good_fails_with_the_reason(sun, hand_clock, tmp_path, connections, way, at):
    """A bit of header or data is another: the length is right, and so is everything else that one can see."""
    sun.clear_faults()
    before = len(sun.requests)
    sun.add_fault("flipped", "file", at=at)
    files = fetched(sun, hand_clock, tmp_path, way, connections=connections)
    failed = files[files.status == "failed"]
    assert len(failed) == (1 if way == "archive" else 3)
    assert failed.error.str.contains("damaged|not the file|no plain tar").all()
    assert len(list(tmp_path.glob("*.fits*"))) == 3 - len(failed)
    # a few tries, however many there may be
    sent = [one.path for one in list(sun.requests)[before:] if one.path.endswith((".fits", ".tar"))]
    assert way == "archive" or max(map(sent.count, sent)) <= 3
    sun.clear_faults()
    assert (
        fetched(sun, hand_clock, tmp_path, way, connections=connections).status.isin(["downloaded", "present"])
    ).all()
    assert (jsoclite.verify(tmp_path).status == "whole").all()


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("way", ["auto", "as-is", "fits"])
def test_a_file_that_is_damaged_once_is_fetched_anew(sun, hand_clock, tmp_path, connections, way):
    sun.clear_faults()
    sun.add_fault("flipped", "file", nth=2, at=0.6)
    files = fetched(sun, hand_clock, tmp_path, way, connections=connections)
    assert (files.status == "downloaded").all()
    assert (jsoclite.verify(tmp_path).status == "whole").all()
    assert not list(tmp_path.glob("*.part*"))


def test_an_image_that_is_read_from_its_url_is_looked_at_too(sun, hand_clock, monkeypatch):
    sun.clear_faults()
    connection = Transport(resolve_server(sun.url), clock=hand_clock.clock)
    monkeypatch.setattr("jsoclite.fits.image._connection", lambda: connection)
    with sun.client() as client:
        url = client.query(PATCH).magnetogram.iloc[0]
    sun.add_fault("flipped", "file", nth=1, at=0.6)
    data, _ = jsoclite.read(url)
    assert len(hand_clock.slept) == 1
    sun.add_fault("flipped", "file", at=0.6)
    with pytest.raises(JsocError, match="damaged: DATASUM"):
        jsoclite.read(url)
    connection.close()
    assert data.ndim == 2


def test_a_damaged_file_whose_ledger_is_lost_is_not_taken_for_ours(sun, hand_clock, tmp_path):
    sun.clear_faults()
    files = fetched(sun, hand_clock, tmp_path, "auto")
    (tmp_path / ".jsoclite.sqlite").unlink()
    path = files.path.iloc[1]
    with open(path, "r+b") as file:
        file.seek(-3000, 2)
        byte = file.read(1)
        file.seek(-3000, 2)
        file.write(bytes([byte[0] ^ 1]))
    assert fetched(sun, hand_clock, tmp_path, "auto").status.tolist() == ["present", "downloaded", "present"]
