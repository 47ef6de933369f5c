"""
Files straight from SUMS, measured: CPU and seconds a file beside a loop written by hand.

    PYTHONPATH=. python tests/bench/files.py [--count 300] [--repeats 5] [--connections 1 8]

A sandbox in a process of its own serves files of 50 kB. The loop has one `requests.Session`, writes `.part` files and
renames them; it writes no headers, keeps no ledger and syncs nothing. Both are repeated in turns, and the medians are
told. There is no delay between server and client: on a line, its round trips come on top of both.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import requests
from astropy.io import fits
from cutouts import SERIES, catalogue

import jsoclite

SHAPE = (158, 158)


def small(path):
    """Write an image of 50 kB, as it is stored."""
    fits.PrimaryHDU(np.arange(SHAPE[0] * SHAPE[1], dtype=np.int16).reshape(SHAPE)).writeto(path)
    return path.stat().st_size


def serve(directory, said):
    """Run a sandbox until this process is ended."""
    with jsoclite.Sandbox(catalog=directory) as sandbox:
        said.send(sandbox.url)
        with contextlib.suppress(EOFError):
            said.recv()


def by_hand(urls, directory, connections):
    """Fetch files as one writes it down."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=connections))

    def fetch(numbered):
        path = directory / f"{numbered[0]}.fits"
        part = path.with_suffix(".part")
        with session.get(numbered[1], stream=True, timeout=60) as response:
            response.raise_for_status()
            with part.open("wb") as file:
                size = sum(map(file.write, response.iter_content(1 << 18)))
            assert size == int(response.headers["Content-Length"])
        os.replace(part, path)

    with ThreadPoolExecutor(connections) as pool:
        for _ in map(fetch, enumerate(urls)) if connections == 1 else pool.map(fetch, enumerate(urls)):
            pass


def measured(work):
    """CPU and wall time of some work into a directory, in seconds."""
    with tempfile.TemporaryDirectory() as made:
        cpu, wall = time.process_time(), time.perf_counter()
        work(Path(made))
        return time.process_time() - cpu, time.perf_counter() - wall


def compared(url, connections, repeats):
    """Print a line for each of the two."""
    with jsoclite.Client(url, connections=connections) as client:
        df = client.query(f"{SERIES}[][3]{{magnetogram}}")
        urls, ways = df.magnetogram.tolist(), {}
        ways["by hand"] = lambda directory: by_hand(urls, directory, connections)
        ways["jsoclite"] = lambda directory: client.download(df, directory, progress=False)
        taken = {name: [] for name in ways}
        for turn in range(repeats + 1):
            for name, way in ways.items():
                found = measured(way)
                if turn:  # the first one loads what is loaded once
                    taken[name].append(found)
    for name, times in taken.items():
        cpu, wall = (1e3 * statistics.median(one) / len(urls) for one in zip(*times, strict=True))
        print(f"{connections:11}  {name:10}{cpu:12.2f}{wall:12.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 8])
    asked = parser.parse_args()
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as made:
        size = catalogue(Path(made), asked.count, small)
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(made, there), daemon=True)
        server.start()
        url = here.recv()
        print(f"{asked.count} files of {size / 1e3:.1f} kB\nconnections  {'':10}{'CPU ms/file':>12}{'ms/file':>12}")
        for connections in asked.connections:
            compared(url, connections, asked.repeats)
        here.send("end")
        server.join()


if __name__ == "__main__":
    main()
