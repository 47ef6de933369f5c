"""A disk that is really full, and a ledger whose bits have flipped: reasons, a manifest, and the next run brings it."""

import contextlib
import os
import random
import shutil
import subprocess
import sys

import pytest

from jsoclite.download.ledger import NAME
from jsoclite.errors import DownloadError, JsocError
from jsoclite.fits import looks_like_fits
from jsoclite.sandbox import Sandbox

ROWS = "hmi.M_720s[2014.01.01_TAI/2h]{magnetogram}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as sandbox:
        yield sandbox


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that makes a disk of so many kB, and a directory on it."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, str(place)], capture_output=True, check=False).returncode

    if not sys.platform.startswith("linux") or mount("-t", "tmpfs", "-o", "size=40k", "tmpfs"):
        pytest.skip("only root can make a small disk, on Linux")

    def resize(kilobytes):
        assert mount("-o", f"remount,size={kilobytes}k") == 0
        return place / "data"

    yield resize
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [8, 40, 100, 300, 1000])
@pytest.mark.parametrize(("connections", "protocol"), [(1, "auto"), (4, "auto"), (1, "fits")])
def test_a_full_disk(sandbox, small_disk, kilobytes, connections, protocol):
    client = sandbox.client(connections=connections)
    directory = small_disk(kilobytes)
    with pytest.raises(JsocError, match="disk is full") as caught:
        client.download(ROWS, directory, protocol=protocol)
    assert "make room and run the same line again" in str(caught.value)
    there = 0
    if kilobytes >= 40:  # else there is no ledger, and nothing was planned
        files = caught.value.manifest
        there = (files.status == "downloaded").sum()
        assert set(files.status) <= {"downloaded", "failed"}
        assert len(files) == 10
    assert [looks_like_fits(path) for path in directory.glob("*.fits")] == [None] * len(list(directory.glob("*.fits")))
    small_disk(20000)
    again = client.download(ROWS, directory, protocol=protocol)
    assert set(again.status) <= {"downloaded", "present"}
    assert (again.status == "present").sum() >= there


def flipped(data, dice):
    """Return `data` with some bits or a block of it changed, or cut short."""
    data = bytearray(data)
    kind = dice.choice(["bits", "bits", "header", "block", "cut"])
    if kind == "cut":
        return bytes(data[: dice.randrange(1, len(data))])
    if kind == "block":
        place = dice.randrange(len(data))
        data[place : place + 512] = dice.randbytes(min(512, len(data) - place))
    for _ in range(0 if kind == "block" else dice.choice([1, 4, 40])):
        place = dice.randrange(100 if kind == "header" else len(data))
        data[place] ^= 1 << dice.randrange(8)
    return bytes(data)


@pytest.mark.filterwarnings("ignore::jsoclite.errors.JsocWarning")
def test_a_ledger_with_flipped_bits(sandbox, tmp_path):
    """Whatever is wrong with it: an error that names it, or files that are the server's, each under its own name."""
    client = sandbox.client()
    good = tmp_path / "good"
    client.download(ROWS, good)
    kept = {path.name: path.read_bytes() for path in good.iterdir()}
    count = int(os.environ.get("JSOCLITE_FLIPS", "40"))
    for seed in range(count):
        dice = random.Random(seed)
        directory = tmp_path / str(seed)
        directory.mkdir()
        for name, data in kept.items():
            if name == NAME or dice.random() < 0.7:
                (directory / name).write_bytes(flipped(data, dice) if name == NAME else data)
        outside = {path.name for path in tmp_path.iterdir()}
        with contextlib.suppress(DownloadError):
            try:
                files = client.download(ROWS, directory)
            except JsocError as error:
                named = NAME in str(error) or hasattr(error, "manifest")
                assert named, (seed, str(error))  # noqa: PT017
                (directory / NAME).rename(directory / "damaged")  # what the error says
                files = client.download(ROWS, directory)
            assert set(files.status) <= {"downloaded", "present"}, (seed, files)
            assert files.path.nunique() == 10
        for path in directory.glob("*.fits"):
            assert path.read_bytes() == kept.get(path.name, path.read_bytes()), (seed, path)
        assert {path.name for path in tmp_path.iterdir()} == outside
        shutil.rmtree(directory)
