"""The commands that ask: series, info, query, count, nearest, latest, harps, coverage, check."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from .complete import keywords as complete_keywords
from .complete import series as complete_series
from .program import (
    command,
    connect,
    filtered,
    form,
    show,
    table_options,
    tell,
    unless_too_many,
    where_option,
    yes_option,
)  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

# more than a person means without saying so
MOST_RECORDS = 200_000


@command("series", "List series by regular expression.", r"series 'aia\.lev1'")
@click.argument("pattern", required=False)
@table_options
def series(pattern: str | None) -> int:
    r"""
    List series, with prime keys and a description.

    PATTERN is a POSIX regular expression, found anywhere in the name and in any case; write \. for the dot. Without it
    all are listed.
    """
    found = connect().series(pattern, full=True)
    found["primekeys"] = [", ".join(keys) for keys in found["primekeys"]]
    show(found)
    if found.empty:
        tell(f"no series matches {pattern}", err=True)
    return 0 if len(found) else 1


@command("info", "Describe a series.", "info hmi.B_720s --segments")
@click.argument("name", metavar="SERIES", shell_complete=complete_series)
@click.option("-k", "--keywords", "what", flag_value="keywords", help="The table of keywords.")
@click.option("-s", "--segments", "what", flag_value="segments", help="The table of segments.")
@click.option("-l", "--links", "what", flag_value="links", help="The table of links.")
@table_options
def info(name: str, what: Literal["keywords", "segments", "links"] | None) -> int:
    """
    Describe a series: prime keys, segments, links, keywords.

    As CSV, JSON or parquet one of its tables is written, that of the keywords where none is named.
    """
    described = connect().info(name)
    chosen = what or ("keywords" if form() else None)
    if chosen is not None:
        rows = getattr(described, chosen)
        # columns that say nothing are nothing for people
        show(rows if form() else rows.dropna(axis="columns", how="all"), ["linkinfo", "recscope", "defval"])
        return 0
    tell(str(described))
    tell("\n--keywords lists the keywords", err=True)
    return 0


@command(
    "query",
    "Query keywords of records into a table.",
    "query 'hmi.M_720s[2014.01.01_TAI/2h]' -k T_REC,QUALITY,DATAMEAN",
)
@click.argument("record_set", shell_complete=complete_series)
@click.option(
    "-k",
    "--keywords",
    metavar="NAMES",
    help="Comma-separated, sets such as sharp or wcs too, or '**ALL**'.  [default: prime keys and a few others]",
    shell_complete=complete_keywords,
)
@click.option("-s", "--segments", metavar="NAMES", help="Segments whose URLs are wanted, comma-separated.")
@click.option("-l", "--links", metavar="NAMES", help="Links whose records are wanted, comma-separated.")
@click.option("-n", "--limit", type=int, metavar="N", help="The first N records, or the last ones if it is negative.")
@click.option("-t", "--times", type=click.Choice(["utc", "tai"]), help="Time keywords as dates on this scale.")
@where_option
@yes_option
@table_options
def query(
    record_set: str,
    keywords: str | None,
    segments: str | None,
    links: str | None,
    limit: int | None,
    times: Literal["utc", "tai"] | None,
    where: tuple[str, ...],
    yes: bool,
) -> int:
    """
    Query the keywords of records into a table.

    RECORD_SET is such as 'hmi.M_720s[2014.01.01_TAI/1d@6h]'. Big answers are asked for in pieces, and each is written
    when it is there. The rows as CSV, JSON or parquet are what 'jsoclite get' takes.
    """
    client, record_set = connect(), filtered(record_set, where)
    asked = {"keywords": keywords, "segments": segments, "links": links, "times": times}
    # a bar between the lines of a table on the same terminal would help nobody
    bar = False if sys.stdout.isatty() else None

    def work(most: int | None) -> int:
        options = {"progress": bar, "most": MOST_RECORDS if most is None else most}
        frames = (
            client.stream(record_set, **asked, **options)  # type: ignore[arg-type]
            if limit is None
            else iter([client.query(record_set, **asked, limit=limit)])  # type: ignore[arg-type]
        )
        return show(frames, ["time", "recnum"])

    if not unless_too_many(work, yes)():
        tell("no record matches", err=True)
    return 0


@command("count", "Count the records of a record set.", "count 'hmi.M_720s[2014.01.01_TAI/1d]'")
@click.argument("record_set", shell_complete=complete_series)
@where_option
def count(record_set: str, where: tuple[str, ...]) -> int:
    """Count the records of a record set."""
    tell(connect().count(filtered(record_set, where)))
    return 0


def _of_series(function: F) -> F:
    """Add the options of commands that look for records: which ones, and what is told of them."""
    for option in (
        click.argument("name", metavar="SERIES", shell_complete=complete_series),
        click.option("-k", "--keywords", metavar="NAMES", help="Comma-separated.  [default: as for query]"),
        click.option("-s", "--segments", metavar="NAMES", help="Segments whose URLs are wanted."),
        click.option("--good", metavar="LEVEL", help="Pass over others: image, usable, clean, or a mask."),
        table_options,
    )[::-1]:
        function = option(function)
    return function


def _keys(function: F) -> F:
    """Add options about prime keys; `_prime` reads them."""
    function = click.option("--key", "keys", multiple=True, metavar="NAME=VALUE", help="As in HARPNUM=377.")(function)
    wave = click.option("--wavelength", type=int, multiple=True, metavar="ANGSTROM", help="May be given several times.")
    return wave(function)


def _prime(wavelength: tuple[int, ...], keys: tuple[str, ...]) -> dict[str, Any]:
    for key in keys:
        if not all(key.partition("=")):
            raise click.UsageError(f"--key {key}: write NAME=VALUE, as in HARPNUM=377")
    return {"wavelength": list(wavelength) or None} | {key.partition("=")[0]: key.partition("=")[2] for key in keys}


@command("nearest", "Find the record nearest to each time.", "nearest hmi.M_720s 2014-01-01T00:05 --within 12m")
@_of_series
@click.argument("times", nargs=-1, required=True, metavar="TIME...")
@click.option("--within", default="1h", metavar="DURATION", help="Longest distance.  [default: 1h]")
@click.option("--on", metavar="KEYWORD", help="What is compared, such as T_OBS.  [default: the slot]")
@_keys
def nearest(
    name: str,
    times: tuple[str, ...],
    within: str,
    on: str | None,
    good: str | None,
    wavelength: tuple[int, ...],
    keys: tuple[str, ...],
    **options: Any,
) -> int:
    """
    Find the existing record nearest to each time.

    By default records without an image are passed over.
    """
    options |= _prime(wavelength, keys)
    found = connect().nearest(name, list(times), within, on=on, good=good or True, **options)
    return 0 if show(found, ["recnum"]) else 1


@command("latest", "Show the newest records of a series.", "latest hmi.M_720s_nrt -n 3")
@_of_series
@click.option("-n", "number", default=1, metavar="N", help="How many.  [default: 1]")
def latest(name: str, number: int, good: str | None, **options: Any) -> int:
    """Show the newest records of a series."""
    return 0 if show(connect().latest(name, number, good=good or False, **options), ["recnum"]) else 1


@command("harps", "Find the HARPs of an active region.", "harps 11158")
@click.argument("noaa", required=False)
@click.option("--harpnum", type=int, metavar="N", help="The regions of this HARP instead.")
@table_options
def harps(noaa: str | None, harpnum: int | None) -> int:
    """Find the HARPs that hold an active region, NOAA, or the regions that a HARP holds."""
    found = connect().harps(noaa, harpnum=harpnum)
    show(found)
    if not len(found):
        tell("none is known", err=True)
    return 0 if len(found) else 1


@command(
    "coverage",
    "Count what there is of a series, slot by slot.",
    "coverage hmi.M_720s 2014-03-01 2014-04-01 --plot march.png",
)
@click.argument("name", metavar="SERIES", shell_complete=complete_series)
@click.argument("start")
@click.argument("end")
@click.option(
    "--step", metavar="STEP", help="What is counted together, such as 6h.  [default: 1h up to 3 days, else 1d]"
)
@click.option(
    "--good", default="clean", metavar="LEVEL", help="image, usable, clean, or a mask such as 0x600.  [default: clean]"
)
@_keys
@click.option(
    "--plot", "picture", type=click.Path(), metavar="FILE", help="Draw it as a calendar, too: a PNG, PDF or SVG."
)
@table_options
def coverage(
    name: str,
    start: str,
    end: str,
    step: str | None,
    good: str,
    wavelength: tuple[int, ...],
    keys: tuple[str, ...],
    picture: str | None,
) -> int:
    """
    Count what there is of a series over time: good, flagged, without image, offline, absent.

    START and END are times such as 2014-03-01 or 2014.03.01_TAI; the end is not included. Steps begin by the clock of
    START.
    """
    counted = connect().coverage(name, start, end, step=step, good=good, **_prime(wavelength, keys))
    if picture is not None:
        counted.plot(picture)
    show(counted.reset_index())
    return 0


@command("check", "Ask a server whether it answers as this program expects.", "check")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Seconds between two questions.  [default: 3; none for a server on this machine]",
)
def check(wait: float | None) -> int:
    """
    Ask a server some thirty small questions, one after the other, and say which answers are as expected.

    It only reads, takes about two minutes, and ends where the server asks to be left alone. What it prints holds no
    addresses and no paths: paste it into an issue.
    """
    from ..check import Desk, heading, put_all, total

    transport = connect().transport
    tell(heading(transport) + "\n")
    answers = []
    for answer in put_all(Desk(transport, wait)):
        answers.append(answer)
        tell(answer)
    tell("\n" + (said := total(answers)))
    return 0 if said == f"{len(answers)} as expected" else 1
