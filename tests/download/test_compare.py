"""Files that another archive has are copied in place of being fetched; nothing is followed out of either directory."""

import os

import pytest

from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


def fetched(sandbox):
    return sum(one.path.startswith("/SUM") for one in sandbox.requests)


@pytest.mark.parametrize("what", ["link", "pipe"])
@pytest.mark.parametrize("connections", [1, 4])
def test_what_lies_under_the_name_of_a_part_is_not_followed(sandbox, tmp_path, what, connections):
    client = sandbox.client(connections=connections)
    names = [os.path.basename(path) for path in client.download(SET, tmp_path / "other").path]
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (tmp_path / "here").mkdir()
    for name in names:
        part = tmp_path / "here" / f"{name}.part"
        part.symlink_to(outside) if what == "link" else os.mkfifo(part)
    before = fetched(sandbox)
    files = client.download(SET, tmp_path / "here", compare=tmp_path / "other")
    assert set(files.status) == {"present"}
    assert fetched(sandbox) == before
    assert outside.read_text() == "mine"
    assert not any((tmp_path / "here" / name).is_symlink() for name in names)


def test_a_pipe_in_the_other_archive_is_no_file(sandbox, tmp_path):
    client = sandbox.client()
    (first, *_) = client.download(SET, tmp_path / "other").path
    os.unlink(first)
    os.mkfifo(first)
    assert list(client.download(SET, tmp_path / "here", compare=tmp_path / "other").status) == ["downloaded", "present"]
