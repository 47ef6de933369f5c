"""
The inner parser: what stands between brackets, read with the type of the key.

Repeats `parse_record_query`, `parse_record_list`, `parse_value_set` and `parse_index_set` of drms_names.c and the
scanners of drms_types.c. First the reading of values (lists, ranges, durations, strings, slot numbers), then filters.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from ..errors import RecordSetError
from ..series import Kind
from ..times import words
from .grammar import (
    MISSING,
    Duration,
    FatalSetError,
    FilterKind,
    First,
    KeyFilter,
    Last,
    OutOfRangeError,
    Range,
    RawFilter,
    RecnumFilter,
    Single,
    Slot,
    SlotFirst,
    SlotItem,
    SlotLast,
    SlotRange,
    SlotSpan,
    Span,
    SqlFilter,
    Value,
    ValueItem,
)
from .scan import quoted, scan_set

_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_MISSING = "DRMS_MISSING_VALUE"
_ESCAPES = {"t": "\t", "n": "\n"}
_LONG_MAX = 2**63 - 1
_SCANNERS = {Kind.INTEGER: "_integer", Kind.REAL: "_real", Kind.STRING: "_string", Kind.TIME: "_time"}


class Mark(NamedTuple):
    """Text of one value of a filter; `item` counts from 0, `role` is start, end, length or step."""

    item: int
    role: str
    text: str


class ReadError(Exception):
    """A value that cannot be read; `syntax` says whether the server's parser has noted it as a syntax error."""

    def __init__(self, message: str, position: int, syntax: bool = False) -> None:
        self.message, self.position, self.syntax = message, position, syntax


class ValueReader:
    """Reads items off a text; `at` moves exactly as the server's pointer does."""

    def __init__(self, text: str, at: int, kind: Kind, slotted: bool, bits: int, generic_slots: bool) -> None:
        self.text, self.at, self.kind, self.slotted, self.bits = text, at, kind, slotted, bits
        self.generic_slots = generic_slots
        self.marks: list[Mark] = []
        self.beyond = ""  # an integer that the key cannot hold
        self._item = 0
        self._scan: Callable[[], tuple[Value, int] | None] = getattr(self, _SCANNERS[kind])

    def peek(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    # ---- #n
    def slot_items(self) -> tuple[SlotItem, ...]:
        """Read a list of record or slot numbers (`parse_index_set`)."""
        items = [self._slot_item()]
        while self.peek() == ",":
            self.at += 1
            items.append(self._slot_item())
        return tuple(items)

    def _slot_item(self) -> SlotItem:
        self._hash()
        mark = self.peek()
        if mark in ("^", "$"):
            self.at += 1
            return SlotFirst() if mark == "^" else SlotLast()
        start = None if mark == "-" else self._whole("after # comes a whole number, ^ or $")
        mark = self.peek()
        if mark == "/":
            assert start is not None
            self.at += 1
            count = self._whole("after / comes a whole number")
            return SlotSpan(start, count, self._slot_step())
        if mark == "-":
            self.at += 1
            self._hash()
            end, self.at = self._optional()
            return SlotRange(start, end, self._slot_step())
        assert start is not None
        return Slot(start)

    def _hash(self) -> None:
        if self.peek() != "#":
            raise ReadError("record and slot numbers are written #n, ranges #n-#m", self.at, True)
        self.at += 1

    def _optional(self) -> tuple[int | None, int]:
        number, end = words.strtol(self.text, self.at)
        return (None if end == self.at else max(-_LONG_MAX - 1, min(number, _LONG_MAX))), end

    def _whole(self, message: str) -> int:
        number, end = self._optional()
        if number is None:
            raise ReadError(message, self.at, True)
        self.at = end
        return number

    def _slot_step(self) -> int | None:
        if self.peek() != "@":
            return None
        self.at += 1
        return self._whole("after @ comes a whole number")

    # ---- values
    def value_items(self) -> tuple[ValueItem, ...]:
        """Read a list of values and ranges (`parse_value_set`)."""
        items = [self._value_item()]
        while self.peek() == ",":
            self.at += 1
            self._item += 1
            items.append(self._value_item())
        return tuple(items)

    def _value_item(self) -> ValueItem:
        mark = self.peek()
        if mark in ("^", "$"):
            self.at += 1
            return First() if mark == "^" else Last()
        begin = self.at
        start = self._start()
        self._mark("start", begin)
        mark = self.peek()
        if mark not in ("-", "/"):
            return Single(start)
        self.at += 1
        while self.peek() == " ":
            self.at += 1
        begin = self.at
        if mark == "-":
            end = self._operand()
            self._mark("end", begin)
            return Range(start, end, self._step())
        length = self._duration() if self._in_durations(self.kind is Kind.TIME) else self._operand()
        self._mark("length", begin)
        return Span(start, length, self._step())

    def _mark(self, role: str, begin: int) -> None:
        self.marks.append(Mark(self._item, role, self.text[begin : self.at]))

    def _in_durations(self, always: bool) -> bool:
        return always or (self.generic_slots and words.is_duration(self.text, self.at))

    def _start(self) -> Value:
        if self.slotted and self.kind in (Kind.TIME, Kind.REAL) and words.is_duration(self.text, self.at):
            return self._duration()
        if self.kind is Kind.TIME:
            return self._start_time()
        found = self._scan()
        if found is None or found[1] == self.at:
            raise ReadError(f"no {self.kind.value} can be read here", self.at)
        value, self.at = found
        return value

    def _start_time(self) -> float:
        """
        Read a first time.

        As much as possible is read at first, so that ``-2014`` behind a clock is taken for a zone; only where what is
        left makes no sense the text is broken at its first dash and read again.
        """
        value, consumed = words.scan_time_ext(self.text, self.at)
        end = self.at + consumed
        while self.text[end : end + 1] == " ":
            end += 1
        if self.text[end : end + 1] not in ("]", "-", "/"):
            dash = self.text.find("-", self.at)
            if dash >= 0:
                value, consumed = words.scan_time_ext(self.text[self.at : dash])
                end = self.at + consumed
        if end == self.at:
            raise ReadError("no time can be read here", self.at)
        self.at = end
        return value

    def _operand(self) -> Value:
        """
        Read the end of a range, or the length or cadence of a key that is no time.

        What cannot be read counts as 0 and moves the pointer one character back, which nearly always ends in an error
        later.
        """
        found = self._scan()
        if found is None:
            self.at -= 1
            return "" if self.kind is Kind.STRING else 0
        value, end = found
        if end == self.at:
            raise ReadError(f"no {self.kind.value} can be read here", self.at)
        self.at = end
        return value

    def _step(self) -> Value | None:
        if self.peek() != "@":
            return None
        self.at += 1
        begin = self.at
        step = self._duration() if self._in_durations(self.kind is Kind.TIME) else self._operand()
        self._mark("step", begin)
        return step

    def _duration(self) -> Duration:
        try:
            amount, unit, self.at = words.scan_duration(self.text, self.at)
        except RecordSetError as error:
            message = str(error).partition("\n")[0]
            raise ReadError(message, error.position if error.position is not None else self.at, True) from None
        return Duration(amount, unit)

    # ---- the scanners of one value: None where the server's says -1
    def _missing(self) -> bool:
        return self.text[self.at : self.at + 18].upper() == _MISSING

    def _integer(self) -> tuple[Value, int] | None:
        if self._missing():
            return MISSING, self.at + 18
        match = _INTEGER.match(self.text, self.at)
        if match is None:
            return None
        sign, digits = match[1], match[2]
        if digits[1:2] in ("x", "X"):
            number = int(digits, 16)
        elif self.bits == 64 and digits[0] == "0":
            # only the 64-bit scanner takes a leading 0 for octal
            octal = re.match("[0-7]+", digits)
            assert octal is not None
            number, end = int(octal[0], 8), match.start(2) + octal.end()
            return (-number if sign == "-" else number), end
        else:
            number = int(digits)
        number = -number if sign == "-" else number
        limit = 1 << (self.bits - 1)
        if self.bits == 64:
            number = max(-limit, min(number, limit - 1))
        elif digits[1:2] in ("x", "X"):
            if number < 2 * limit:
                return (number + limit) % (2 * limit) - limit, match.end()
            self.beyond = match[0]
        elif not -limit <= number < limit:
            self.beyond = match[0]
        return None if self.beyond else (number, match.end())

    def _real(self) -> tuple[Value, int] | None:
        if self._missing():
            return MISSING, self.at + 18
        number, end = words.strtod(self.text, self.at)
        if end == self.at:
            return None
        if math.isfinite(number) and self.bits == 32:
            try:
                number = struct.unpack("f", struct.pack("f", number))[0]
            except OverflowError:
                return None
        if math.isinf(number) and "i" not in self.text[self.at : end].lower():
            return None
        return number, end

    def _time(self) -> tuple[Value, int] | None:
        if self._missing():
            return words.JD_ZERO, self.at + 18
        value, consumed = words.scan_time_ext(self.text, self.at)
        return (value, self.at + consumed) if consumed else None

    def _string(self) -> tuple[Value, int] | None:
        text, at = self.text, self.at
        if text[at : at + 18].upper() == _MISSING:
            return "", at + 18
        while text[at : at + 1] in (" ", "\t"):
            at += 1
        if text[at : at + 1] in ("'", '"'):
            end = quoted(text, at)
            if end < 0:
                return None
            return unescape(text[at + 1 : end - 1]), end
        end = at
        while end < len(text) and text[end] not in " ,]":
            end += 1
        return text[at:end], end


def unescape(text: str) -> str:
    """
    What the inside of a quoted string stands for: ``\\t``, ``\\n``, any other character behind a backslash itself.
    """
    return (
        re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)
        if "\\" in text
        else text
    )


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
        if reader.beyond:
            raise _beyond(reader, raw, headless=True) from None
        if slotted or (not error.syntax and reader.text[start:].lstrip(" ").startswith("]")):
            raise FatalSetError(
                f"{error.message}; this kills the server program", *_around(raw, error.position)
            ) from None
        raise RecordSetError(error.message, *_around(raw, error.position)) from None
    if reader.beyond:  # the end of a range, at which the program only loses its place
        raise _beyond(reader, raw, headless=False)
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


def _beyond(reader: ValueReader, raw: RawFilter, *, headless: bool) -> OutOfRangeError:
    limit = 1 << (reader.bits - 1)
    message = f"{reader.beyond.strip()} is out of range for a key that holds integers from {-limit} to {limit - 1}"
    error = OutOfRangeError(message, *_around(raw, reader.at))
    error.headless = headless
    return error


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


def numbers_in(record_set: str) -> list[int]:
    """
    Return the record numbers that a set of ours (``series[:#1,#5-#9@2]{…}``) names.

    >>> numbers_in("hmi.M_720s[:#3,#10-#16@3]{magnetogram}")
    [3, 10, 13, 16]
    """
    (element,) = scan_set(record_set)
    numbers: list[int] = []
    for item in read_recnums(element.filters[0]).items:
        if isinstance(item, Slot):
            numbers.append(item.number)
        elif isinstance(item, SlotRange):
            assert item.start is not None
            assert item.end is not None
            numbers += range(item.start, item.end + 1, item.step or 1)
        elif isinstance(item, SlotSpan):
            numbers += range(item.start, item.start + item.count, item.step or 1)
    return numbers
