"""
Files of a server that is not trusted: FITS files and archives are spoilt in a few places, and all that opens them has
to bear it.

Whatever the file, `read`, `stack`, `quicklook` and `write_fits` end with a result or a `JsocError`, a download ends
with a manifest in which every other file is there, and what it calls downloaded is whole; soon, and in little memory.
A process of its own runs the cases: one that dies, or is silent, is a finding too. ::

    python tests/fuzz/files.py --count 2000 --seed 1
    python tests/fuzz/files.py --case 1:4711        # one case, with its traceback
"""

from __future__ import annotations

import argparse
import bz2
import contextlib
import functools
import gzip
import io
import json
import lzma
import random
import re
import selectors
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from astropy.io import fits
from conftest import GOLDEN
from fits_material import real_cards
from fuzz import harness
from fuzz.harness import BusyClock, Findings, little_memory, spoil_bytes, verdict
from fuzz.replies import BASE, EMAIL, NAMES, Wire, kind_of, session_of

import jsoclite
from jsoclite.fits import looks_like_fits, write_fits

# a case takes a tenth of a second; a process that says nothing for so long hangs where no signal reaches it
SILENCE_S = 90
CARD, BLOCK = 80, 2880

# -- files that are fine ----------------------------------------------------------------------------------------------


def _bytes(*hdus: Any, checksum: bool = False) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList(list(hdus)).writeto(out, checksum=checksum, output_verify="ignore")
    return out.getvalue()


@functools.cache
def good_files() -> dict[str, bytes]:
    """Small files of every kind, as they come from JSOC and as they do not."""
    integers = np.arange(-600, 600, dtype=np.int32).reshape(30, 40)
    reals = np.linspace(-1, 1, 1200, dtype=np.float32).reshape(30, 40)
    real_header = fits.Header.fromstring("".join(real_cards("hmi.sharp_cea_720s.377.20110215_020000_TAI.bitmap.hdu0")))
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("number", "J", array=np.arange(20)),
            fits.Column("word", "8A", array=["word"] * 20),
            fits.Column("list", "PJ()", array=np.array([np.arange(n) for n in range(20)], dtype=object)),
        ]
    )
    text = fits.TableHDU.from_columns([fits.Column("x", "F8.3", array=np.arange(5.0))])

    def packed(pixels: Any, kind: str, **options: Any) -> Any:
        return fits.CompImageHDU(pixels, compression_type=kind, **options)

    scaled = fits.PrimaryHDU(integers.astype(np.int16))
    scaled.header.update({"BLANK": -600, "TELESCOP": "SDO/HMI", "CUNIT1": "degree", "CDELT1": 0.5, "LONG": "x" * 200})
    full = fits.PrimaryHDU(integers, real_header)
    empty = fits.PrimaryHDU
    return {
        "plain": _bytes(scaled),
        "reals": _bytes(fits.PrimaryHDU(reals.astype(">f8"))),
        "full header": _bytes(full, checksum=True),
        "rice": _bytes(empty(), packed(integers, "RICE_1", tile_shape=(1, 40))),
        "rice of one tile": _bytes(empty(), packed(integers.astype(np.int16), "RICE_1", tile_shape=(30, 40))),
        "rice with sums": _bytes(empty(), packed(integers, "RICE_1"), checksum=True),
        "quantised": _bytes(empty(), packed(reals, "RICE_1", quantize_level=4, quantize_method=1)),
        "gzip": _bytes(empty(), packed(reals, "GZIP_2", quantize_level=0, tile_shape=(7, 9))),
        "others": _bytes(empty(), packed(abs(integers).astype(np.int16), "PLIO_1"), packed(integers, "HCOMPRESS_1")),
        "many": _bytes(empty(), text, table, fits.ImageHDU(reals), packed(integers, "RICE_1")),
        "cube": _bytes(fits.PrimaryHDU(np.zeros((2, 3, 4, 5), dtype=np.uint8))),
    }


# -- files that are not -----------------------------------------------------------------------------------------------

NUMBERS = (
    *("-2880", "-3000", "-5760", "-6000", "-1", "0", "1", "2", "3", "4", "7", "8", "16", "-32", "64", "255", "999"),
    *("1000", "2880", "40000", *(str(2**power + more) for power in (15, 16, 31, 32, 63, 64) for more in (-1, 0))),
    *("-9223372036854775808", "9" * 18, "9" * 19, "1" + "0" * 60, "-" + "9" * 60, "+5", "--5", "1 2", "5.0", "1E5"),
    *("1e308", "-1e308", "1D400", "nan", "NaN", "-inf", "Infinity", "T", "F", "'x'", "''", "'", "", "\xb2", "\xb9\xb2"),
    *("0x10", "1_000", "(1,2)"),
)
WORDS = (
    *("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS", "BINTABLE", "TABLE", "IMAGE"),
    *("A3DTABLE", "COMPRESSED_DATA", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA", "ZSCALE", "ZZERO", "ZBLANK", "x", ""),
    *("NULL_PIXEL_MASK", "BLOCKSIZE", "BYTEPIX", "SCALE", "SMOOTH", "NO_DITHER", "SUBTRACTIVE_DITHER_2", "degree"),
    *("1PB(999999999)", "1QB", "1QB(9)", "PB", "0PB", "2PB(3)", "1PJ(-1)", "1PB(x)", "1J", "1D", "0B", "9999999999B"),
    *("99999999999999999999J", "8X", "1M", "QQ", "\xc5ngstr\xf6m", "\x1b[31m", "\x00", "a" * 68, "0000000000000000"),
)
STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|GROUPS|TFIELDS|THEAP|T(TYPE|FORM|DIM|SCAL|ZERO|NULL)\d+|Z[A-Z]+\d*"
    r"|BZERO|BSCALE|BLANK|CHECKSUM|DATASUM|EXTEND"
)
MORE = (
    *(
        "NAXIS3",
        "GROUPS",
        "THEAP",
        "ZBLANK",
        "ZTILE1",
        "ZTILE2",
        "ZNAXIS3",
        "ZTILE3",
        "BLANK",
        "BZERO",
        "BSCALE",
        "TDIM1",
    ),
    *(
        "ZVAL1",
        "ZNAME1",
        "ZQUANTIZ",
        "ZDITHER0",
        "ZMASKCMP",
        "TSCAL1",
        "TZERO1",
        "TNULL1",
        "DATASUM",
        "CHECKSUM",
        "INHERIT",
    ),
)


# what only several wrong cards together make dangerous
TOGETHER: tuple[dict[str, str], ...] = (
    {"PCOUNT": "-6000"}, {"NAXIS": "0", "PCOUNT": "-2880"}, {"GCOUNT": "-1"}, {"GCOUNT": "0"}, {"NAXIS": "999"},
    {"GCOUNT": "-3", "PCOUNT": "9"}, {"NAXIS1": "1000000000000"}, {"NAXIS2": "-1"}, {"BITPIX": "64"},
    {"ZNAXIS1": "40000", "ZNAXIS2": "40000", "ZTILE1": "40000", "ZTILE2": "40000"},
    {"ZNAXIS1": "40000", "ZNAXIS2": "40000", "ZTILE1": "40000", "ZTILE2": "40000", "NAXIS2": "1"},
    {"ZNAXIS1": "2147483647", "ZTILE1": "2147483647"}, {"ZTILE1": "65536", "ZTILE2": "65536", "NAXIS2": "1"},
    {"TFORM1": "'9999999999B'", "NAXIS1": "9999999999", "NAXIS2": "0"}, {"ZNAXIS": "3", "NAXIS": "3"},
    {"ZCMPTYPE": "'HCOMPRESS_1'", "ZTILE2": "30", "NAXIS2": "1"}, {"ZCMPTYPE": "'PLIO_1'"}, {"ZVAL2": "0"},
    {"ZBITPIX": "8", "ZVAL2": "1"}, {"ZBITPIX": "-64"}, {"ZVAL1": "0"}, {"ZVAL1": "-32"}, {"ZVAL2": "8"},
)  # fmt: skip


def _headers(content: bytes) -> list[tuple[int, int]]:
    """Where the headers of a good file are."""
    with fits.open(io.BytesIO(content), disable_image_compression=True, checksum=False) as hdus:
        return [(hdu.fileinfo()["hdrLoc"], hdu.fileinfo()["datLoc"]) for hdu in hdus]


def _card(body: bytearray, at: int, text: str) -> None:
    body[at : at + CARD] = text.ljust(CARD)[:CARD].encode("latin-1")


def _spoil_header(body: bytearray, start: int, stop: int, chance: random.Random) -> None:
    places = list(range(start, stop, CARD))
    named = [at for at in places if STRUCTURE.fullmatch(body[at : at + 8].decode("latin-1").strip())]
    at = chance.choice(named if chance.random() < 0.8 else places)
    name = body[at : at + 8].decode("latin-1")
    value = chance.choice(NUMBERS) if chance.random() < 0.7 else f"'{chance.choice(WORDS)}'"
    operation = chance.randrange(10)
    if operation < 6:
        _card(body, at, f"{name}= {value:>20}")
    elif operation == 6:  # one more card, where END was
        end = next(place for place in places if body[place : place + 8] == b"END     ")
        _card(body, end, f"{chance.choice(MORE):<8}= {value:>20}")
        if end + CARD < stop:
            _card(body, end + CARD, "END")
    elif operation == 7:
        _card(body, at, "" if chance.random() < 0.5 else "COMMENT gone")
    elif operation == 8:
        other = chance.choice(places)
        body[at : at + CARD], body[other : other + CARD] = body[other : other + CARD], body[at : at + CARD]
    else:
        body[at + chance.randrange(CARD)] = chance.choice(b"\x00\x1b '=/&-9\xb2\xff\n")


def spoil_fits(content: bytes, chance: random.Random) -> bytes:
    """A file with a few wrong cards or bytes."""
    headers = _headers(content)
    if chance.random() < 0.15:
        return spoil_bytes(content, chance)
    body = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 5])):
        number = chance.randrange(len(headers))
        start, stop = headers[number]
        operation = chance.randrange(10)
        if operation == 0:
            cards = chance.choice(TOGETHER)
            for at in range(start, stop, CARD):
                if (value := cards.get(body[at : at + 8].decode("latin-1").strip())) is not None:
                    _card(body, at, f"{body[at : at + 8].decode('latin-1')}= {value:>20}")
        elif operation < 6:
            _spoil_header(body, start, stop, chance)
        elif operation < 8:  # data, most often where they begin: descriptors of tiles
            end = headers[number + 1][0] if number + 1 < len(headers) else len(body)
            at = min(stop + int((end - stop) * chance.random() ** 3), len(body) - 8)
            length = chance.choice([1, 2, 4, 8])
            body[at : at + length] = chance.choice([bytes(8), b"\xff" * 8, b"\x7f" * 8, chance.randbytes(8)])[:length]
    whole = bytes(body)
    ending = chance.randrange(20)
    if ending == 0:
        return whole[: chance.randrange(len(whole))]
    if ending == 1:
        return whole[: chance.randrange(len(whole) // BLOCK) * BLOCK]
    if ending == 2:
        return whole + chance.choice([bytes(BLOCK), b" " * BLOCK, b"x" * BLOCK, b"x", whole, b"XTENSION="])
    if ending == 3 and len(headers) > 1:  # thousands of extensions
        start, stop = headers[-1]
        return whole[:start] + whole[start:] * chance.choice([2, 500, 3000])
    return whole


ODD_FIELDS = (
    *(b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777", b"-0000000001", b"00000000001", b"x", b"", b"\x00"),
    *(b"L", b"K", b"S", b"g"),
)


def spoil_tar(content: bytes, chance: random.Random) -> bytes:
    """An archive with odd members, or of another kind than a plain one."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            source = tar.extractfile(member)
            members.append((member, source.read() if source else b""))
    out = io.BytesIO()
    form = chance.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for member, data in members:
            operation = chance.randrange(14)
            if operation == 0:
                member.type = chance.choice([b"1", b"2", b"3", b"4", b"5", b"6"])
                member.linkname = chance.choice(["/etc/passwd", "../../victim", member.name, "x" * 300, ""])
            elif operation == 1:
                member.name = (
                    chance.choice(["/etc/", "../../", "./", "a/b/", "x" * 200 + "/", "\x1b[31m/"]) + member.name
                )
            elif operation == 2:
                member.pax_headers = {
                    chance.choice(["path", "size", "GNU.sparse.major", "GNU.sparse.map", "mtime"]): (
                        chance.choice(["../../victim", "-1", "9" * 30, "1", "0,5", "x"])
                    )
                }
            elif operation == 3:
                data = spoil_fits(data, chance) if data[:6] == b"SIMPLE" else spoil_bytes(data, chance)
                member.size = len(data)
            elif operation == 4:
                tar.addfile(member, io.BytesIO(data))
            elif operation == 5:
                continue
            tar.addfile(member, io.BytesIO(data))
    body = bytearray(out.getvalue())
    for _ in range(chance.choice([0, 0, 1, 2])):  # a field of a header of 512 bytes; its sum holds again
        heads = [at for at in range(0, len(body), 512) if body[at + 257 : at + 262] == b"ustar"]
        at = chance.choice(heads or [0])
        offset, length = chance.choice([(0, 100), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)])
        odd = chance.choice(ODD_FIELDS)
        body[at + offset : at + offset + length] = odd[:length].ljust(length, b"\0")
        body[at + 148 : at + 156] = b" " * 8
        body[at + 148 : at + 156] = b"%06o\0 " % sum(body[at : at + 512])
    whole = bytes(body)
    ending = chance.randrange(12)
    if ending < 3:
        return (gzip.compress, bz2.compress, lzma.compress)[ending](whole)
    if ending == 3:
        return whole[: chance.randrange(len(whole))]
    return spoil_bytes(whole, chance) if ending == 4 else whole


# -- what opens them --------------------------------------------------------------------------------------------------


def _read(path: Path) -> None:
    data, header = jsoclite.read(path)
    assert data.ndim == header["NAXIS"]
    dict(header.items())


def _stack(path: Path) -> None:
    jsoclite.stack(pd.DataFrame({"path": [str(path)] * 2})).images.sum().compute(scheduler="synchronous")


LOCAL: dict[str, Callable[[Path], object]] = {
    "look": looks_like_fits,
    "read": _read,
    "read from a URL": lambda path: jsoclite.read("http://jsoc.test/x.fits", fetch=lambda _: path.read_bytes()),
    "write": lambda path: write_fits(path, path.with_name("out.fits"), [f"{'RECNUM':<8}= {7:>20}".ljust(CARD)]),
    "stack": _stack,
}
OPTIONS: dict[str, Any] = {"progress": False, "on_error": "ignore"}


def _download(client: jsoclite.Client, where: Path, protocol: str) -> pd.DataFrame:
    return client.download(NAMES, where, segments="magnetogram", protocol=protocol, **OPTIONS)


def _archive(client: jsoclite.Client, where: Path) -> pd.DataFrame:
    return client.export(NAMES, segments="magnetogram", method="url-tar").download(where, **OPTIONS)


WAYS: dict[str, Callable[[jsoclite.Client, Path], pd.DataFrame]] = {
    name: functools.partial(_download, protocol=name) for name in ("auto", "as-is", "fits")
} | {"tar": _archive}


class Fuzzer:
    """
    Spoils files; everything follows from the seed.

    Parameters
    ----------
    seed : int
        Start of the random numbers.
    scratch : path
        Where files may be written.
    """

    def __init__(self, seed: int, scratch: Path) -> None:
        self.seed, self.scratch = seed, scratch
        self.sandbox = jsoclite.Sandbox(
            catalog=GOLDEN / "catalog", email=EMAIL, staging_s=0, clock=lambda: 1234567890.0, host_limit=0,
            pending_limit=0,
        ).start()  # fmt: skip
        self.wire = Wire(self.sandbox.url)
        self.files: dict[str, list[tuple[str, str, bytes]]] = {}
        for way in WAYS:
            self.wire.asked.clear()
            found = self._download(way, scratch / "learn")
            assert found is None, f"{way}, with nothing spoilt: {found}"
            self.files[way] = [key for key in dict.fromkeys(self.wire.asked) if kind_of(key[1], "") == "file"]
        self.wire.learning = False

    def close(self) -> None:
        """Stop the sandbox."""
        self.wire.close()
        self.sandbox.stop()

    def _download(self, way: str, directory: Path) -> tuple[str, str] | None:
        clock = self.wire.clock = BusyClock()
        try:
            with jsoclite.Client(BASE, email=EMAIL, retries=1, session=session_of(self.wire)) as client:
                client._clock = clock.clock

                def call() -> None:
                    files = WAYS[way](client, directory)
                    there = files[files.status == "downloaded"]
                    assert len(there) >= len(NAMES) - 1 or way == "tar", "another file has suffered"
                    assert jsoclite.verify(directory).status.isin(["whole", "failed", "missing"]).all(), "not whole"
                    assert not list(directory.glob("*.part*")), (
                        f"left over: {[path.name for path in directory.iterdir()]}, {files.error.tolist()}"
                    )
                    for path in there.path:
                        with contextlib.suppress(jsoclite.JsocError):
                            jsoclite.read(path)

                return verdict(call, secrets=(EMAIL,))
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def case(self, number: int) -> tuple[str, tuple[str, str] | None]:
        """Run a case; returns what was spoilt, and what came of it."""
        chance = random.Random(f"{self.seed}:{number}")
        way = chance.choice(list(WAYS))
        key = chance.choice(self.files[way])
        kind = chance.choice(list(good_files()))
        label = f"{self.seed}:{number} {way}/{'archive' if way == 'tar' else kind}"
        if way == "tar":
            self.wire.spoilt = {key: spoil_tar(self.wire.known[key].content, chance)}
            return label, self._download(way, self.scratch / f"case-{number}")
        content = self.wire.known[key].content if chance.random() < 0.2 else good_files()[kind]
        content = spoil_fits(content, chance)
        directory = self.scratch / "local"
        directory.mkdir(exist_ok=True)
        (path := directory / "file.fits").write_bytes(content)
        more: dict[str, Callable[[Path], object]] = {"quicklook": jsoclite.quicklook} if number % 4 == 0 else {}
        for call in (LOCAL | more).values():
            found = verdict(lambda call=call: call(path) and None)
            if found is not None:
                return label, found
        self.wire.spoilt = {key: content}
        return label, self._download(way, self.scratch / f"case-{number}")


def _work(seed: int, first: int, count: int, scratch: Path) -> None:
    """Run cases, a line of output when one begins and when it has ended."""
    fuzzer = Fuzzer(seed, scratch)
    try:
        with little_memory():
            for number in range(first, first + count):
                print(json.dumps([number]), flush=True)
                print(json.dumps([number, *fuzzer.case(number)]), flush=True)
    finally:
        fuzzer.close()


def _lines(process: subprocess.Popen[str]) -> Iterator[list[Any]]:
    """What a process says; one that is silent for too long is killed."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(SILENCE_S):
            if not (line := process.stdout.readline()):
                return
            yield json.loads(line)
    process.kill()
    yield from map(json.loads, process.stdout)


def fuzz(count: int, seed: int, *, scratch: Path, told: Callable[[int], object] = lambda _: None) -> Findings:
    """Run `count` cases in processes of their own and return what was found."""
    findings, number, begun = Findings(), 0, -1
    while number < count:
        work = ["--seed", str(seed), "--work", str(number), str(count - number), str(scratch)]
        with subprocess.Popen(
            [sys.executable, __file__, *work], stdout=subprocess.PIPE, text=True, bufsize=1
        ) as process:
            for begun, *ended in _lines(process):
                if ended:
                    findings.add(ended[0], ended[1] and tuple(ended[1]))
                    number = begun + 1
                    told(number)
        if number < count:
            if process.returncode > 0 or begun != number:
                raise RuntimeError(f"the fuzzer itself has failed at {seed}:{number}")
            what = "Hang" if process.returncode == -9 else f"Crash {process.returncode}"
            findings.add(f"{seed}:{number}", (what, "a process"))
            number += 1
    return findings


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", help="SEED:NUMBER; run this one and show its traceback")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        first, count, scratch = options.work
        _work(options.seed, int(first), int(count), Path(scratch))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        if options.case:
            seed, number = map(int, options.case.split(":"))
            harness.TRACEBACKS = True
            _work(seed, number, 1, Path(scratch))
            return 0
        findings = fuzz(
            options.count,
            options.seed,
            scratch=Path(scratch),
            told=lambda number: print(f"\r{number}", end="", file=sys.stderr) if number % 100 == 0 else None,
        )
    print(f"\nfiles: {findings}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
