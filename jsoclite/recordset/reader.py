"""
The inner parser: what stands between brackets, read with the type of the key.

Repeats `parse_record_query` and `parse_record_list` of drms_names.c.
"""

from __future__ import annotations

import re

from ..errors import RecordSetError
from ..series import Kind
from .filters import Mark, ReadError, ValueReader
from .grammar import FatalSetError, FilterKind, KeyFilter, RawFilter, RecnumFilter, SqlFilter
from .scan import quoted

_NAME = re.compile(r"[ \t\n\v\f\r]*([A-Za-z][A-Za-z0-9_.]*)[ \t\n\v\f\r]*=[ \t\n\v\f\r]*")


def filter_name(raw: RawFilter) -> str | None:
    """
    The name in ``[name=…]``, as written; None where the filter goes by its position.

    The server takes a name for one whatever follows: a bare string with a ``=`` in it needs quotes.
    """
    if raw.kind is not FilterKind.KEY:
        return None
    match = _NAME.match(raw.source)
    return match[1] if match else None


def read_filter(
    raw: RawFilter, kind: Kind, slotted: bool = False, *, bits: int = 0, generic_slots: bool = False
) -> KeyFilter:
    """
    Read a key filter with the type of its key.

    Parameters
    ----------
    raw : RawFilter
        A filter of kind KEY or EMPTY.
    kind : Kind
        How the key's values are written.
    slotted : bool
        Whether the key is slotted (addressed through its index keyword).
    bits : int
        Width of integers (8, 16, 32, 64; default 32) and reals (32, 64; default 64).
    generic_slots : bool
        Whether the key's slots are of scope ``slot``: durations are then read for keys that are no times too.

    Returns
    -------
    KeyFilter
        Times are TAI seconds since 1977; slots are not applied.

    Raises
    ------
    RecordSetError
        For what the server answers with "series not found".
    FatalSetError
        For what kills its program.
    """
    return read_marked(raw, kind, slotted, bits=bits, generic_slots=generic_slots)[0]


def read_marked(
    raw: RawFilter, kind: Kind, slotted: bool = False, *, bits: int = 0, generic_slots: bool = False
) -> tuple[KeyFilter, tuple[Mark, ...]]:
    """Read a key filter as `read_filter` does; where its values stand is told too."""
    if raw.kind is FilterKind.EMPTY:
        return KeyFilter(None, ()), ()
    if raw.kind is not FilterKind.KEY:
        raise ValueError(f"[{raw.text}] is no key filter")
    match = _NAME.match(raw.source)
    start = match.end() if match else 0
    reader = ValueReader(raw.source, start, kind, slotted, bits or (64 if kind is Kind.REAL else 32), generic_slots)
    try:
        items = reader.slot_items() if reader.peek() == "#" else reader.value_items()
    except ReadError as error:
        if slotted or (not error.syntax and reader.text[start:].lstrip(" ").startswith("]")):
            raise FatalSetError(
                f"{error.message}; this kills the server program", *_around(raw, error.position)
            ) from None
        raise RecordSetError(error.message, *_around(raw, error.position)) from None
    _expect_end(reader, raw)
    return KeyFilter(match[1] if match else None, items), tuple(reader.marks)


def read_recnums(raw: RawFilter) -> RecnumFilter:
    """
    Read a filter by record number, ``[:#1,#5-#9@2]``.

    Raises
    ------
    RecordSetError
        For what the server answers with "series not found".
    """
    if raw.kind is not FilterKind.RECNUM:
        raise ValueError(f"[{raw.text}] has no record numbers")
    reader = ValueReader(raw.source, 1, Kind.INTEGER, False, 64, False)
    try:
        items = reader.slot_items()
    except ReadError as error:
        raise RecordSetError(error.message, *_around(raw, error.position)) from None
    _expect_end(reader, raw)
    return RecnumFilter(items)


def read_sql(raw: RawFilter) -> SqlFilter:
    """
    Read an SQL filter as far as the server reads it before PostgreSQL does.

    Raises
    ------
    RecordSetError
        For what the server answers with "series not found": a ``?`` (``!``) outside quotes that does not end the
        filter.
    """
    if raw.kind not in (FilterKind.SQL, FilterKind.SQL_ALL):
        raise ValueError(f"[{raw.text}] is no SQL filter")
    source = raw.source
    mark = source[:1]
    at, out = 1, []
    while at < len(source):
        char = source[at]
        if char in "'\"":
            end = quoted(source, at)
            if end < 0:
                raise RecordSetError("this quote is never closed", *_around(raw, at))
            out.append(f"'{source[at + 1 : end - 1]}'")
            at = end
        elif char == mark:
            if source[at + 1 : at + 2] != "]":
                raise RecordSetError(f"outside quotes {mark} has to end the filter", *_around(raw, at))
            return SqlFilter("".join(out).rstrip(), mark == "!")
        else:
            out.append(char)
            at += 1
    raise RecordSetError(f"the filter does not end in {mark}]", *_around(raw, len(source) - 1))


def _around(raw: RawFilter, position: int) -> tuple[str, int]:
    return f"[{raw.text}]", min(position, len(raw.text)) + 1


def _expect_end(reader: ValueReader, raw: RawFilter) -> None:
    while reader.peek() == " ":
        reader.at += 1
    if reader.peek() != "]":
        found = reader.peek()
        raise RecordSetError(
            f"expected ] here, found {found!r}" if found else "the filter is cut off", *_around(raw, reader.at)
        )
