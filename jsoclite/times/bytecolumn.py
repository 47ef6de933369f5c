"""Columns of strings as rows of bytes, whatever holds them: numpy, lists, pandas, Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Rows that are worked on together: their arrays stay in the processor's cache and below the size for which malloc
#: asks the system for memory.
BLOCK: Final = 12_000
#: Longer strings are cut: no time has so many characters.
LONGEST: Final = 100


def byte_rows(strings: Any) -> Iterator[NDArray[np.uint8]]:
    """
    Give a column of strings as rows of bytes, block by block.

    Parameters
    ----------
    strings : numpy array of dtype S, U or object, pandas Series or Index, or sequence of str
        What is no string counts as its ``str()``.

    Yields
    ------
    numpy.ndarray
        uint8, of shape (strings, width), UTF-8 filled up with zeros; the widths of blocks differ. Together they hold
        all strings in order.
    """
    if not isinstance(strings, np.ndarray):
        array = getattr(strings, "array", strings)
        if hasattr(array, "_pa_array"):
            yield from _of_arrow(array)
            return
        if not isinstance(strings, list):
            strings = strings.tolist() if hasattr(strings, "tolist") else list(strings)
    elif strings.dtype.kind == "O":
        strings = strings.reshape(-1).tolist()
    if isinstance(strings, list):
        for start in range(0, len(strings), BLOCK // 2):
            yield _of_block(strings[start : start + BLOCK // 2])
        return
    array = np.ascontiguousarray(strings.reshape(-1))
    width = array.dtype.itemsize
    if not width or not len(array):
        yield np.zeros((len(array), 1), np.uint8)
    elif array.dtype.kind == "S":
        yield array.view(np.uint8).reshape(len(array), width)
    elif array.dtype.kind == "U":
        codes = array.view(np.uint32).reshape(len(array), -1)
        for start in range(0, len(codes), BLOCK):
            block = codes[start : start + BLOCK]
            yield block.astype(np.uint8) if block.max() < 128 else _of_block(array[start : start + BLOCK].tolist())
    else:
        yield _of_block(array.tolist())


def _of_block(strings: list[Any]) -> NDArray[np.uint8]:
    """Strings joined and cut again, which is much faster than one by one."""
    try:
        joined = "\n".join(strings).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        encoded = [str(one).encode("utf-8", "replace") for one in strings]
        sizes = np.array([len(one) for one in encoded])
        return _padded(np.frombuffer(b"".join(encoded), dtype=np.uint8), np.cumsum(sizes) - sizes, sizes)
    data = np.frombuffer(joined, dtype=np.uint8)
    breaks = data == ord("\n")
    if np.count_nonzero(breaks) != len(strings) - 1:  # no times, but none may be taken for two
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        return _padded(data, np.cumsum(lengths + 1) - lengths - 1, lengths)
    width = len(strings[-1])  # of all, in most columns
    if 0 < width <= LONGEST and len(data) == len(strings) * (width + 1) - 1 and breaks[width :: width + 1].all():
        return np.ndarray((len(strings), width), np.uint8, joined, 0, (width + 1, 1))
    ends = np.append(np.flatnonzero(breaks), len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    return _padded(data, starts, ends - starts)


def _of_arrow(array: Any) -> Iterator[NDArray[np.uint8]]:
    """Strings that Arrow holds, as pandas' own strings mostly are, without making Python objects of them."""
    column = array.__arrow_array__()
    column = column.fill_null("") if column.null_count else column
    for chunk in getattr(column, "chunks", [column]):
        kind = {"string": np.int32, "large_string": np.int64}.get(str(chunk.type))
        if kind is None:
            yield from byte_rows(chunk.to_pylist())
            continue
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, dtype=kind)[chunk.offset : chunk.offset + len(chunk) + 1]
        payload = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
        for start in range(0, len(chunk), BLOCK):
            part = bounds[start : start + BLOCK + 1]
            yield _padded(payload[: part[-1]], part[:-1], np.diff(part))


def _padded(data: NDArray[np.uint8], starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.uint8]:
    """Strings that stand anywhere in `data`, as rows of one width."""
    if len(starts) == 0:
        return np.zeros((0, 1), np.uint8)
    width = int(lengths.max())
    if 0 < width <= LONGEST and width == lengths.min() and starts[-1] - starts[0] == width * (len(starts) - 1):
        first = int(starts[0])
        return data[first : first + width * len(starts)].reshape(len(starts), width)
    width = min(max(width, 1), LONGEST + 1)  # what is longer is no time, whatever follows
    padded = np.concatenate((data, np.zeros(width, dtype=np.uint8)))
    matrix = np.lib.stride_tricks.sliding_window_view(padded, width)[starts]
    short = np.flatnonzero(lengths < width)
    matrix[short] *= np.arange(width) < lengths[short, None]
    rows: NDArray[np.uint8] = matrix
    return rows
