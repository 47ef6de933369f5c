"""Nothing is fetched or exported twice, whatever fetches: one connection, several, threads, processes, Dask."""

import concurrent.futures
import multiprocessing
from collections import Counter

import pytest

import jsoclite
from jsoclite.fits.files import looks_like_fits
from jsoclite.sandbox import Sandbox

DAY = "hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"


@pytest.fixture
def sandbox():
    with Sandbox(staging_s=0.2) as made:
        yield made


def sent(sandbox):
    return Counter(
        entry.path for entry in sandbox.requests if entry.path.startswith("/SUM") and entry.status in (200, 206)
    )


def exports(sandbox):
    return [entry for entry in sandbox.requests if entry.endpoint == "exp_request"]


def pools():
    spawn = multiprocessing.get_context("spawn")
    yield "threads", lambda: concurrent.futures.ThreadPoolExecutor(4)
    yield "processes", lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn)


def download(sandbox, how, rows, directory, **options):
    connections = how if isinstance(how, int) else 1
    with jsoclite.Client(sandbox.url, email=sandbox.email, connections=connections, timeout=10) as client:
        if isinstance(how, int):
            return client.download(rows, directory, **options)
        with dict(pools())[how]() as pool:
            return client.download(rows, directory, executor=pool, **options)


@pytest.mark.parametrize("how", [1, 4, 8, "threads", "processes"])
@pytest.mark.parametrize("protocol", ["auto", "fits", "as-is"])
def test_each_file_once_and_one_export(sandbox, tmp_path, how, protocol):
    files = download(sandbox, how, DAY, tmp_path, protocol=protocol)
    assert set(files.status) == {"downloaded"}
    assert set(sent(sandbox).values()) == {1}
    assert len(sent(sandbox)) == len(files)
    assert len(sandbox.staging) == (1 if protocol == "fits" else 0)
    assert len(exports(sandbox)) == len(sandbox.staging)
    assert [looks_like_fits(path) for path in files.path] == [None] * len(files)
    assert not list(tmp_path.glob("*.part*"))
