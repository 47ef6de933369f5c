"""
The outer scanner: elements, brackets and braces of a record set, no idea of values.

Repeats `ParseRecSetDescInternal` of drms_record.c.
"""

from __future__ import annotations

import re

from ..errors import RecordSetError
from ..times import words
from .grammar import Element, ElementKind, FatalSetError, FilterKind, RawFilter

#: Characters that one element may have in the server's buffer (64 + 8192 + 128), which nothing there checks.
MAX_ELEMENT = 8383
#: Characters from ``$`` to ``)`` of a ``$(time)``.
MAX_TIME_MACRO = 40

_BODY = re.compile(r"[ \t\n\v\f\r]*+([ -~]*[!-~])[ \t\n\v\f\r]*", re.ASCII)
_BLANKS = " \t\b"
_SEPARATORS = ",;\n"
_QUOTED = {quote: re.compile(rf"{quote}(?:[^{quote}\\]|\\.)*{quote}", re.DOTALL) for quote in "'\""}
_NAME = re.compile(r"[^\[\]{,;#\n \t\b]*")
_SPECIAL = re.compile(r"['\"$?!]")


def quoted(text: str, position: int) -> int:
    """Index behind the quoted string that begins at a position, -1 where its end is missing (`drms_sscanf_str`)."""
    match = _QUOTED[text[position]].match(text, position)
    return -1 if match is None else match.end()


def scan_set(text: str) -> tuple[Element, ...]:
    """
    Cut a record set into elements, filters and segment lists, exactly as the server does.

    Parameters
    ----------
    text : str
        A record set.

    Returns
    -------
    tuple of Element
        In the order written; the filters are unread, see `read_filter`.

    Raises
    ------
    RecordSetError
        For what the server answers with "invalid record-set specification".
    FatalSetError
        For what kills its program or makes it loop for ever: non-ASCII characters, line feeds, blanks behind a bare
        series name.
    """
    body = _BODY.fullmatch(text)
    if body is None:
        if not text:
            raise RecordSetError("an empty record set selects nothing: write at least a series name")
        bad = next((i for i, c in enumerate(text) if not " " <= c <= "~"), 0)
        raise FatalSetError(
            "a record set is one line of printable ASCII: this character kills the server program", text, bad
        )
    return _Scanner(text, *body.span(1)).elements()


class _Scanner:
    def __init__(self, text: str, start: int, end: int) -> None:
        self.text, self.at, self.end = text, start, end

    def peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def skip_blanks(self) -> str:
        while self.at < self.end and self.text[self.at] in _BLANKS:
            self.at += 1
        return self.peek()

    def error(self, message: str, position: int | None = None) -> RecordSetError:
        return RecordSetError(message, self.text, self.at if position is None else position)

    def elements(self) -> tuple[Element, ...]:
        found = []
        while self.at < self.end:
            mark = self.skip_blanks()
            if not mark:
                break
            if mark in "[],;#":
                raise self.error(f"an element begins with a series name, not with {mark!r}")
            if mark == "{":
                found.append(self.foreign())
            elif mark in "@/.":
                found.append(self.file(ElementKind.AT_FILE if mark == "@" else ElementKind.PLAIN_FILE))
            else:
                found.append(self.drms())
        return tuple(found)

    def finish(self, after: str) -> None:
        """Pass over the separator or the comment behind an element."""
        mark = self.skip_blanks()
        if not mark:
            return
        if mark in _SEPARATORS:
            self.at += 1
        elif mark == "#":
            self.comment()
        else:
            raise self.error(f"nothing but a comma may follow {after}, found {mark!r}")

    def comment(self) -> None:
        closing = self.text.find("#", self.at + 1, self.end)
        self.at = self.end if closing < 0 else closing + 1

    def drms(self) -> Element:
        start = self.at
        match = _NAME.match(self.text, start, self.end)
        assert match is not None
        series = match[0]
        self.at = match.end()
        mark = self.peek()
        if mark == "]":
            raise self.error("this bracket closes nothing")
        if mark and mark in _BLANKS:
            blank = self.at
            mark = self.skip_blanks()
            if mark in _SEPARATORS or mark == "#":
                raise FatalSetError(
                    "a blank behind a bare series name makes the server's scanner loop for ever: write SERIES[]",
                    self.text,
                    blank,
                )
            if mark not in "[{":
                raise self.error(f"a series name is followed by a bracket, not by {mark!r}")
        if not mark:
            return Element(series, start=start, end=self.at)
        if mark in _SEPARATORS or mark == "#":
            end = self.at
            self.finish("a series name")
            return Element(series[:-1], start=start, end=end, cut=True)
        filters, segments = self.filters(start), None
        if self.peek() == "{":
            segments = self.segments()
        end = self.at
        self.check_length(start)
        self.finish("a filter" if segments is None else "a segment list")
        return Element(series, filters, segments, start=start, end=end)

    def check_length(self, start: int) -> None:
        if self.at - start > MAX_ELEMENT:
            message = f"an element of more than {MAX_ELEMENT:,} characters overruns the server's buffer: split it"
            raise FatalSetError(message, self.text, start)

    def filters(self, begin: int) -> tuple[RawFilter, ...]:
        raws: list[tuple[FilterKind, int, int, str]] = []
        end = self.at
        recnums = False
        while self.skip_blanks() == "[":
            self.at += 1
            start = self.at
            mark = self.peek()
            if mark and mark in "?!":
                kind = FilterKind.SQL if mark == "?" else FilterKind.SQL_ALL
                seen = self.sql(mark)
            else:
                kind = {"]": FilterKind.EMPTY, ":": FilterKind.RECNUM}.get(mark, FilterKind.KEY)
                if kind is FilterKind.RECNUM and recnums:
                    raise self.error("only one [:#…] filter is allowed in an element: join the lists")
                recnums = recnums or kind is FilterKind.RECNUM
                self.plain(start)
                seen = self.text[start : self.at]
            raws.append((kind, start, self.at, seen))
            self.at += 1
            end = self.at
            # each filter is seen with all that follow it, so that a long element takes the square of its length
            self.check_length(begin)
        if self.peek() != "{":
            self.at = end
        filters = []
        source = ""
        for kind, start, stop, seen in reversed(raws):
            source = f"{seen}]{source}"
            filters.append((kind, start, stop, source))
            source = f"[{source}"
        brace = source.find("{")
        if brace >= 0:
            # the server cuts an element at its first brace, wherever it stands
            beyond = len(source) - brace
            filters = [
                (kind, start, stop, tail[: max(0, len(tail) - beyond)] or "\0") for kind, start, stop, tail in filters
            ]
        return tuple(
            RawFilter(kind, self.text[start:stop], start, tail) for kind, start, stop, tail in reversed(filters)
        )

    def plain(self, start: int) -> None:
        """Go to the bracket that closes a filter without SQL."""
        text = self.text
        closing = text.find("]", start, self.end)
        if closing < 0:
            raise self.error("this bracket is never closed", start - 1)
        if "'" not in text[start:closing] and '"' not in text[start:closing]:
            self.at = closing
            return
        # a quote opens a string only where a value can begin: first, behind a blank, behind another string
        at = start
        while text[at] != "]":
            if text[at : at + 18].upper() == "DRMS_MISSING_VALUE":
                at += 18
            else:
                while at < self.end and text[at] in " \t":
                    at += 1
                if at < self.end and text[at] in "'\"":
                    begin, at = at, quoted(text, at)
                    if at < 0:
                        raise self.error("this quote is never closed", begin)
                else:
                    while at < self.end and text[at] not in " ]":
                        at += 1
            if at >= self.end:
                raise self.error("this bracket is never closed", start - 1)
        self.at = at

    def sql(self, mark: str) -> str:
        """Go to the bracket that closes an SQL filter; what the server has made of the filter's text."""
        text, start = self.text, self.at
        at = start + 1
        seen = [mark]
        while True:
            special = _SPECIAL.search(text, at, self.end)
            if special is None:
                raise self.error(f"this SQL filter never ends in {mark}]", start - 1)
            found = special.start()
            seen.append(text[at:found])
            if special[0] in "'\"":
                at = quoted(text, found)
                if at < 0:
                    raise self.error("this quote is never closed", found)
                seen.append(text[found:at])
            elif special[0] == "$" and text[found + 1 : found + 2] == "(":
                closing = text.find(")", found + 2, self.end)
                if closing < 0 or closing - found > MAX_TIME_MACRO:
                    raise self.error(f"$(time) has to end within {MAX_TIME_MACRO} characters", found)
                seen.append(f"{words.scan_time(text[found + 2 : closing]):16.6f}")
                at = closing + 1
            else:
                seen.append(special[0])
                at = found + 1
                if special[0] == mark and text[at : at + 1] == "]" and at < self.end:
                    self.at = at
                    return "".join(seen)

    def segments(self) -> tuple[str, ...]:
        start = self.at
        closing = self.text.find("}", start, self.end)
        if closing < 0:
            raise self.error("this segment list is never closed", start)
        self.at = closing + 1
        names = re.sub(r"[ \t\b]", "", self.text[start + 1 : closing])
        return tuple(name for name in re.split("[,:;{]", names) if name)

    def foreign(self) -> Element:
        start = self.at
        self.at += 1
        self.skip_blanks()
        # DSDS programs, VOTables and DSDS ports: nothing that a public JSOC could open
        if not self.text.startswith(("prog:", "vot:", "dsds", "ds_mdi"), self.at):
            raise self.error("braces stand behind the filters and hold segment names", start)
        closing = self.text.find("}", self.at, self.end)
        if closing < 0 or "{" in self.text[self.at : closing]:
            raise self.error("this brace is never closed", start)
        self.at = end = closing + 1
        self.finish("a brace")
        return Element(self.text[start:end], kind=ElementKind.FOREIGN, start=start, end=end)

    def file(self, kind: ElementKind) -> Element:
        start = self.at
        while self.at < self.end and self.text[self.at] not in ",;#" + _BLANKS:
            self.at += 1
        end = self.at
        self.finish("the name of a file")
        return Element(self.text[start:end], kind=kind, start=start, end=end)
