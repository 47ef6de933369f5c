"""
Baseline JPEG, PNG and a film of JPEGs, written from arrays of bytes; for ``protocol=jpg``, ``png`` and ``mp4``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes2D: TypeAlias = npt.NDArray[np.uint8]

# Quantisation and Huffman tables of the standard (ITU-T T.81, annex K), luminance only: they serve all components.
_QUANT: Final = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
).reshape(8, 8)
_DC_COUNTS: Final = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_VALUES: Final = bytes(range(12))
_AC_COUNTS: Final = bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D])
_AC_VALUES: Final = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a"
    "434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8"
    "a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)


@cache
def _zigzag() -> npt.NDArray[np.intp]:
    """Places of a block in the order of growing frequency."""
    places = sorted(
        ((row, column) for row in range(8) for column in range(8)),
        key=lambda place: (sum(place), place[0] if sum(place) % 2 else place[1]),
    )
    return np.array([8 * row + column for row, column in places])


@cache
def _transform() -> npt.NDArray[np.float64]:
    """Matrix of the discrete cosine transform."""
    k, x = np.mgrid[0:8, 0:8]
    matrix = np.cos((2 * x + 1) * k * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float64)


@cache
def _codes(counts: bytes, values: bytes) -> dict[int, tuple[int, int]]:
    """Code and its length of each value of a Huffman table."""
    codes, code, used = {}, 0, 0
    for length, count in enumerate(counts, start=1):
        for value in values[used : used + count]:
            codes[value] = (code, length)
            code += 1
        used += count
        code <<= 1
    return codes


def _quantiser(quality: int) -> npt.NDArray[np.int64]:
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.clip((_QUANT * scale + 50) // 100, 1, 255).astype(np.int64)


def jpeg(image: Bytes2D, quality: int = 90) -> bytes:
    """
    Write a JPEG.

    Parameters
    ----------
    image : ndarray of uint8
        Shape (rows, columns) for grey, (rows, columns, 3) for red, green, blue; the first row is the top.
    quality : int
        1 to 100.
    """
    rows, columns = image.shape[:2]
    planes = _planes(image)
    quantiser = _quantiser(quality)
    count = len(planes)
    parts = [b"\xff\xd8\xff\xe0" + struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0101, 0, 1, 1, 0, 0)]
    parts.append(b"\xff\xdb\x00\x43\x00" + bytes(quantiser.reshape(64)[_zigzag()].tolist()))
    frame = struct.pack(">BHHB", 8, rows, columns, count)
    frame += b"".join(bytes([one, 0x11, 0]) for one in range(1, count + 1))
    parts.append(b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame)
    for kind, counts, values in ((0x00, _DC_COUNTS, _DC_VALUES), (0x10, _AC_COUNTS, _AC_VALUES)):
        parts.append(b"\xff\xc4" + struct.pack(">HB", len(counts) + len(values) + 3, kind) + counts + values)
    scan = bytes([count]) + b"".join(bytes([one, 0]) for one in range(1, count + 1)) + b"\x00\x3f\x00"
    parts.append(b"\xff\xda" + struct.pack(">H", len(scan) + 2) + scan)
    parts.append(_entropy([_blocks(plane, quantiser) for plane in planes]))
    return b"".join(parts) + b"\xff\xd9"


def _planes(image: Bytes2D) -> list[npt.NDArray[np.float64]]:
    """Components around zero: grey, or brightness and two of colour."""
    if image.ndim == 2:
        return [image.astype(np.float64) - 128]
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    bright = 0.299 * red + 0.587 * green + 0.114 * blue
    return [bright - 128, (blue - bright) * 0.564, (red - bright) * 0.713]


def _blocks(plane: npt.NDArray[np.float64], quantiser: npt.NDArray[np.int64]) -> list[list[int]]:
    """Quantised coefficients of each block of 8 x 8 pixels, in zigzag order."""
    rows, columns = plane.shape
    padded = np.pad(plane, ((0, -rows % 8), (0, -columns % 8)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    matrix = _transform()
    coefficients = np.rint(matrix @ blocks @ matrix.T / quantiser).astype(int)
    found: list[list[int]] = coefficients.reshape(-1, 64)[:, _zigzag()].tolist()
    return found


def _entropy(components: list[list[list[int]]]) -> bytes:
    """Huffman-coded coefficients, the components of each block one after the other."""
    dc, ac = _codes(_DC_COUNTS, _DC_VALUES), _codes(_AC_COUNTS, _AC_VALUES)
    bits: list[str] = []
    before = [0] * len(components)

    def put(code: tuple[int, int]) -> None:
        bits.append(format(code[0], f"0{code[1]}b"))

    def number(value: int, size: int) -> None:
        if size:
            bits.append(format(value if value > 0 else value + (1 << size) - 1, f"0{size}b"))

    for group in zip(*components, strict=True):
        for place, block in enumerate(group):
            difference = block[0] - before[place]
            before[place] = block[0]
            size = abs(difference).bit_length()
            put(dc[size])
            number(difference, size)
            zeros = 0
            for value in block[1 : 64 - next((n for n, one in enumerate(reversed(block)) if one), 63)]:
                if not value:
                    zeros += 1
                    continue
                while zeros > 15:
                    put(ac[0xF0])
                    zeros -= 16
                size = abs(value).bit_length()
                put(ac[zeros << 4 | size])
                number(value, size)
                zeros = 0
            if not block[63]:
                put(ac[0])
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int("1" + text, 2).to_bytes(len(text) // 8 + 1, "big")[1:].replace(b"\xff", b"\xff\x00")


def png(image: Bytes2D) -> bytes:
    """Write a PNG; see `jpeg` for the shape."""
    rows, columns = image.shape[:2]

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    colour = 0 if image.ndim == 2 else 2
    lines = b"".join(b"\0" + image[row].tobytes() for row in range(rows))
    head = struct.pack(">IIBBBBB", columns, rows, 8, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 6)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def film(frames: Sequence[bytes], size: tuple[int, int], rate: int = 20) -> bytes:
    """
    Join JPEGs to an MP4 file (motion JPEG).

    Parameters
    ----------
    frames : sequence of bytes
        JPEGs of one size.
    size : (int, int)
        Width and height, pixels.
    rate : int
        Frames a second.
    """

    def box(kind: bytes, *content: bytes) -> bytes:
        body = b"".join(content)
        return struct.pack(">I", len(body) + 8) + kind + body

    def full(kind: bytes, *content: bytes, flags: int = 0) -> bytes:
        return box(kind, struct.pack(">I", flags), *content)

    count, (width, height) = len(frames), size
    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    head = box(b"ftyp", b"isom\0\0\2\0isommp41")
    entry = (
        bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1)
    )
    sample = box(b"jpeg", entry, bytes(32), struct.pack(">Hh", 24, -1))

    def tracks(offset: int) -> bytes:
        table = box(
            b"stbl",
            full(b"stsd", struct.pack(">I", 1), sample),
            full(b"stts", struct.pack(">III", 1, count, 1)),
            full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
            full(b"stsz", struct.pack(">II", 0, count), *(struct.pack(">I", len(frame)) for frame in frames)),
            full(b"stco", struct.pack(">II", 1, offset)),
        )
        data = box(b"dinf", full(b"dref", struct.pack(">I", 1), full(b"url ", flags=1)))
        media = box(
            b"mdia",
            full(b"mdhd", struct.pack(">IIIIHH", 0, 0, rate, count, 0x55C4, 0)),
            full(b"hdlr", bytes(4), b"vide", bytes(12), b"video\0"),
            box(b"minf", full(b"vmhd", bytes(8), flags=1), data, table),
        )
        shape = struct.pack(">II", width << 16, height << 16)
        track = full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, count), bytes(16), matrix, shape, flags=3)
        movie = struct.pack(">IIIIIH", 0, 0, rate, count, 0x10000, 0x100)
        return box(
            b"moov",
            full(b"mvhd", movie, bytes(10), matrix, bytes(24), struct.pack(">I", 2)),
            box(b"trak", track, media),
        )

    start = len(head) + len(tracks(0)) + 8
    return head + tracks(start) + box(b"mdat", *frames)
