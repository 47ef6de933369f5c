"""
Cutouts out of files in SUMS, measured: bytes, requests and seconds beside whole files, on a line like JSOC's.

    PYTHONPATH=. python tests/bench/cutouts.py [--count 100] [--size 400] [--whole 3] [--rate 2e6] [--delay 0.05]

A sandbox holds records with the keywords of real ones and images of 4096 × 4096 pixels (about 14 MB, Rice-compressed
row by row). Between it and the client stands a line that waits `--delay` before each answer and carries `--rate` bytes
a second. Whole files all cost the same: `--whole` of them are fetched and multiplied. What an export would wait, 75 s
whatever its size, is reckoned. Not a test: it takes two minutes.
"""

import argparse
import json
import os
import socket
import socketserver
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

import jsoclite

GOLDEN = Path(__file__).parents[1] / "golden" / "catalog"
SERIES, SIZE, FIRST = "hmi.M_720s", 4096, 1120172400.0
QUEUE_S = 75.0


def magnetogram(path):
    """Write an image like those in SUMS: noise of 10 G on the disk, some spots, nothing around it."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[0:SIZE, 0:SIZE]
    data = rng.normal(0, 100, (SIZE, SIZE))
    for _ in range(40):
        column, row, width = *rng.integers(800, 3300, 2), rng.integers(10, 60)
        data += rng.normal(0, 6000) * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2.0 * width**2))
    stored = np.where((x - 2034.5) ** 2 + (y - 2046) ** 2 < 1874**2, np.rint(data), -(2**31)).astype(np.int32)
    image = fits.CompImageHDU(stored, compression_type="RICE_1", tile_shape=(1, SIZE))
    image.header.update({"BLANK": -(2**31), "BZERO": 0.0, "BSCALE": 0.1})
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, output_verify="ignore")
    return path.stat().st_size


def catalogue(directory, count, write=magnetogram):
    """Lay a catalogue out: so many records, 12 minutes apart, all with the image that is written. Returns its bytes."""
    (directory / f"{SERIES}.definition.json").write_bytes((GOLDEN / f"{SERIES}.definition.json").read_bytes())
    pattern = json.loads((GOLDEN / f"{SERIES}.records.jsonl").open().readline())
    image = directory / "image.fits"
    size = write(image)
    with (directory / f"{SERIES}.records.jsonl").open("w") as records, (directory / "sums.jsonl").open("w") as sums:
        for number in range(count):
            away, unit = 720.0 * number, 500000000 + number
            own = {"recnum": number + 1, "sunum": unit, "t_rec": FIRST + away, "t_obs": FIRST + away + 4}
            own |= {"t_rec_index": 854515 + number, "crln_obs": 222.55 - 13.2 * away / 86400}
            records.write(json.dumps(pattern | own) + "\n")
            place = directory / "SUM0" / f"D{unit}" / "S00000"
            place.mkdir(parents=True)
            os.link(image, place / "magnetogram.fits")
            told = {"sunum": unit, "series": SERIES, "online_loc": f"/SUM0/D{unit}", "online": "Y", "archive": "N"}
            told |= {"bytes": size, "effective_date": "209901011234", "mtime": "2026-11-22T06:12:57Z"}
            sums.write(json.dumps(told | {"files": {"magnetogram.fits": size}}) + "\n")
    return size


class Line(socketserver.BaseRequestHandler):
    """Carries one connection to the sandbox and back, late and slowly."""

    def handle(self):
        self.server.connections += 1
        with socket.create_connection(self.server.behind) as behind:
            threading.Thread(target=self.back, args=(behind,), daemon=True).start()
            while piece := self.request.recv(65536):
                self.server.requests += piece.startswith((b"GET ", b"POST "))
                time.sleep(self.server.delay)
                behind.sendall(piece)

    def back(self, behind):
        due = time.perf_counter()
        while piece := behind.recv(16384):
            self.server.bytes += len(piece)
            # what a busy machine oversleeps is made up for
            due = max(due, time.perf_counter() - 0.5) + len(piece) / self.server.rate
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                self.request.sendall(piece)
            except OSError:
                return


def measured(server, work):
    """Seconds, bytes and requests of some work, and the connections so far."""
    server.bytes = server.requests = 0
    start = time.perf_counter()
    files = work()
    seconds = time.perf_counter() - start
    assert files.status.eq("downloaded").all(), files.status.value_counts()
    return seconds, server.bytes, server.requests, server.connections


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("count", 100), ("size", 400), ("whole", 3), ("rate", 2e6), ("delay", 0.05)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        size = catalogue(place, asked.count)
        with (
            jsoclite.Sandbox(catalog=place) as sandbox,
            socketserver.ThreadingTCPServer(("127.0.0.1", 0), Line) as server,
        ):
            server.behind, server.rate, server.delay = (sandbox.url.split("/")[2].split(":")), asked.rate, asked.delay
            server.daemon_threads = True
            server.bytes = server.requests = server.connections = 0
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with jsoclite.Client(f"http://127.0.0.1:{server.server_address[1]}/") as client:
                df = client.query(f"{SERIES}[][3]{{magnetogram}}")
                step = jsoclite.Cutout((-200, 150), (asked.size,) * 2, box="pixels", t_ref=df.time.iloc[0])
                cut = measured(server, lambda: client.download(df, place / "cut", process=step))
                whole = measured(server, lambda: client.download(df.head(asked.whole), place / "whole"))
            server.shutdown()
    times = asked.count / asked.whole
    whole = whole[0] * times, whole[1] * times, whole[2] * times, whole[3]
    print(
        f"{asked.count} images of {SIZE}² pixels, {size / 1e6:.1f} MB each; {asked.rate / 1e6:g} MB/s, {asked.delay} s"
    )
    print(f"{'':26}{'seconds':>9}{'MB':>9}{'requests':>10}{'connections':>13}")
    for name, (seconds, count, requests, connections) in (("whole files", whole), ("cutouts", cut)):
        print(f"{name:26}{seconds:9.1f}{count / 1e6:9.1f}{requests:10.0f}{connections:13}")
    part, faster, each = cut[1] / whole[1], whole[0] / cut[0], cut[2] / asked.count
    print(f"{part:.1%} of the bytes, {each:.2f} requests a file, {faster:.1f} times as fast as whole files")
    pixels = 4 * asked.size**2 * asked.count
    print(f"an export by im_patch, reckoned: {QUEUE_S + pixels / asked.rate + asked.count * asked.delay:.0f} s")


if __name__ == "__main__":
    main()
