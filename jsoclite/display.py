"""
Building blocks of what objects show of themselves: plain text for terminals, HTML for notebooks. Pure text, no I/O.

The server is not trusted: whatever is shown goes through `printable`, in tables and progress by way of `clean`, in
HTML through `html.escape` as well; errors, warnings and the command line do so, too. There are no scripts and no style
sheets; the inline styles take their colours from the page, or have a contrast above 4 both on white and on black.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Final
from urllib.parse import quote, urlsplit

#: Words for how things are, and their colours.
COLOURS: Final = {
    "downloaded": "#23893f",
    "present": "#3a7fc1",
    "missing": "#9a6f00",
    "failed": "#d5453a",
    "done": "#23893f",
    "expired": "#d5453a",
    "queued": "#3a7fc1",
    "processing": "#3a7fc1",
}

# user@host.tld, also percent-encoded once or twice; a cadence such as 1h@12m is none
# bounded, so that long words without an address take no longer than their length
_EMAIL = re.compile(r"[\w.%+-]{1,64}(?:@|%40|%2540)(?:[\w-]{1,63}\.)+[A-Za-z]{2,}")
_HELP = "jsoc@sun.stanford.edu"  # JSOC's own, in the remedies of errors

_LINE = "1px solid rgba(128,128,128,.35)"
_CELL = f"text-align:left;vertical-align:top;padding:.2em .9em .2em 0;border:0;border-bottom:{_LINE};white-space:normal"
_HEAD = f"{_CELL};font-weight:600;opacity:.75"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.95em"


class Html(str):
    """Text that is HTML already; everything else is escaped where it is put into HTML."""

    __slots__ = ()


def veiled(address: str) -> str:
    """
    Return as much of an e-mail address as its owner needs to know it again.

    Examples
    --------
    >>> veiled("nobody@inst.edu")
    'n…@inst.edu'
    """
    name, at, domain = address.strip().rpartition("@")
    return f"{name[:1]}…@{clean(domain[:60])}" if at else f"{domain[:1]}… (no @ in it)"


def redact(value: object) -> str:
    """
    Return a text with every e-mail address replaced, but for JSOC's own, and without the passwords of URLs.

    Examples
    --------
    >>> redact("notify=me%40inst.edu&ds=hmi.M_720s[/1d@12m]")
    'notify=<e-mail address>&ds=hmi.M_720s[/1d@12m]'
    """
    from .errors import LOGIN  # which loads drms

    bare = LOGIN.sub("://", str(value))
    return _EMAIL.sub(lambda found: found[0] if found[0].lower() == _HELP else "<e-mail address>", bare)


def clean(value: object) -> str:
    r"""
    Return one line of printable text without e-mail addresses.

    Examples
    --------
    >>> clean("written by me@inst.edu\x1b[31m\nin red")
    'written by <e-mail address>�[31m in red'
    """
    from .errors import printable

    return printable(redact(" ".join(str(value).split())))


def escape(value: object) -> Html:
    """
    Return a value as HTML.

    Examples
    --------
    >>> escape("<script>")
    '&lt;script&gt;'
    """
    return value if isinstance(value, Html) else Html(html.escape(clean(value)))


def shorten(value: object, width: int) -> str:
    """
    Return one line of at most `width` characters; what is left out is left out of its middle.

    Examples
    --------
    >>> shorten("hmi.M_720s[2014.01.01_00:00:00_TAI]{magnetogram}", 24)
    'hmi.M_720s[2…agnetogram}'
    """
    text = clean(value)
    if len(text) <= width:
        return text
    end = max(width - 1, 0) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def wrapped(value: object, width: int, indent: str = "") -> str:
    """Return a paragraph of lines of at most `width` characters, each with `indent` before it."""
    return textwrap.fill(clean(value), max(width, 20), initial_indent=indent, subsequent_indent=indent)


def number_of(count: int, noun: str, plural: str | None = None) -> str:
    """
    Return a count and its noun.

    Examples
    --------
    >>> number_of(1, "link"), number_of(1200, "file")
    ('1 link', '1,200 files')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def size(count: float) -> str:
    """
    Return a number of bytes with a decimal unit.

    Examples
    --------
    >>> size(84_160), size(12_300_000)
    ('84.2 kB', '12.3 MB')
    """
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} TB"


def shown_rows(count: int, most: int | None, few: int | None) -> tuple[range, range]:
    """
    Choose the rows of a table that are shown, as pandas does.

    Parameters
    ----------
    count : int
        Rows that there are.
    most : int or None
        Up to this many are all shown (``display.max_rows``); None or 0 for no limit.
    few : int or None
        Of more than `most`, this many are shown (``display.min_rows``), half of them from the end.

    Returns
    -------
    first, last : range
        Positions; `last` is empty where all rows are in `first`.

    Examples
    --------
    >>> shown_rows(100, 60, 10)
    (range(0, 5), range(95, 100))
    """
    if not most or count <= most:
        return range(count), range(0)
    shown = min(few or most, most)
    return range(shown - shown // 2), range(count - shown // 2, count)


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = ""
) -> str:
    """
    Return lines with aligned columns.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; empty for none.
    rows : sequence of sequences of str
        Cells.
    right : iterable of int
        Columns that are aligned to the right.
    indent : str
        What stands before each line.

    Examples
    --------
    >>> print(text_table(["name", "MB"], [["a.fits", "1.5"], ["b.fits", "12.0"]], right=[1]))
    name      MB
    a.fits   1.5
    b.fits  12.0
    """
    lines = [[clean(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = set(right)
    return "\n".join(
        indent
        + "  ".join(
            cell.rjust(width) if number in aligned else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


# -- HTML -------------------------------------------------------------------------------------------------------------


def mono(value: object, *, whole: bool = False) -> Html:
    """Return a name or a record set in the letters of code; `whole` keeps it in one line."""
    style = f"{_MONO};{'white-space:nowrap' if whole else 'overflow-wrap:anywhere'}"
    return Html(f'<span style="{style}">{escape(value)}</span>')


def muted(value: object) -> Html:
    """Return what is said on the side."""
    return Html(f'<span style="opacity:.7">{escape(value)}</span>')


def coloured(word: str) -> Html:
    """Return a word for how something is, in its colour."""
    colour = COLOURS.get(word)
    return Html(f'<span style="color:{colour};font-weight:600">{escape(word)}</span>') if colour else escape(word)


def link(target: str, text: object) -> Html:
    """
    Return a link to a web page or a file; only the text, where the target is anything else.

    Parameters
    ----------
    target : str
        A URL of http or https, or the path of a file, relative ones as they are.
    text : object
        What is shown.

    Examples
    --------
    >>> link("data/a.fits", "a.fits")
    '<a href="data/a.fits" style="color:inherit;text-decoration:underline">a.fits</a>'
    >>> link("javascript:alert(1)", "a.fits")
    '<a href="javascript%3Aalert%281%29" style="color:inherit;text-decoration:underline">a.fits</a>'
    """
    if clean(target) != target:
        return escape(text)
    if re.match(r"https?://", target, re.IGNORECASE):
        try:
            secret = "@" in urlsplit(target).netloc
        except ValueError:
            secret = True
        if secret:
            return escape(text)
        address = target
    else:
        path = PurePath(target)
        # a colon in a relative path would make its first part a scheme
        address = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    style = "color:inherit;text-decoration:underline"
    return Html(f'<a href="{html.escape(address)}" style="{style}">{escape(text)}</a>')


def table(header: Sequence[object], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> Html:
    """
    Return a table; with an empty `header` the first cell of each row says what the row is.

    Parameters
    ----------
    header : sequence
        Names of the columns.
    rows : iterable of sequences
        Cells; what is not `Html` is escaped.
    right : iterable of int
        Columns that are aligned to the right.
    """
    aligned = set(right)

    def cell(tag: str, number: int, value: object) -> str:
        style = _HEAD if tag == "th" else _CELL
        if number in aligned:
            style = style.replace("text-align:left", "text-align:right") + ";white-space:nowrap"
        return f'<{tag} style="{style}">{escape(value)}</{tag}>'

    lines = []
    if header:
        lines.append("".join(cell("th", number, name) for number, name in enumerate(header)))
    lines += [
        "".join(cell("td" if header or number else "th", number, value) for number, value in enumerate(row))
        for row in rows
    ]
    body = "".join(f'<tr style="background:none">{line}</tr>' for line in lines)
    return Html(f'<table style="border-collapse:collapse;margin:.4em 0;font-size:.95em">{body}</table>')


def details(summary: object, body: Html) -> Html:
    """Return something that opens when its summary is clicked on."""
    return Html(f'<details><summary style="cursor:pointer">{escape(summary)}</summary>{body}</details>')


def bullets(items: Iterable[object], colour: str = COLOURS["missing"]) -> Html:
    """Return a list of remarks with a coloured bar at its side."""
    lines = "".join(f'<div style="margin:.2em 0">{escape(item)}</div>' for item in items)
    return Html(f'<div style="border-left:3px solid {colour};padding-left:.6em;margin:.4em 0">{lines}</div>')


def join(*parts: object) -> Html:
    """Return parts one after the other."""
    return Html("".join(map(escape, parts)))


def block(*parts: object) -> Html:
    """Return parts one below the other, as one object shows itself."""
    inner = "".join(f"<div>{escape(part)}</div>" for part in parts if part)
    return Html(f'<div style="max-width:72em;line-height:1.4">{inner}</div>')
