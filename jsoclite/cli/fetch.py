"""The commands that bring files: get, export, attach, cancel, status, verify; and their options about steps."""

from __future__ import annotations

import logging
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .complete import file_or_series
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

if TYPE_CHECKING:
    import pandas as pd

    from ..client import Client
    from ..export import Export


F = TypeVar("F", bound=Callable[..., Any])

# of how many segments a record may have before it is said what all of them come to
FEW_SEGMENTS = 3
# a person does not read more lines than this about files that are there
MOST_LINES = 40


def is_request(text: str) -> bool:
    """Whether this looks like a request id of JSOC."""
    return text.startswith("JSOC_")


# files of rows, and such that nobody writes for other programs
_FILE = re.compile(r"(?i)\.(csv|tsv|txt|jsonl?|parquet|pq)$")
_OTHER_FILE = re.compile(r"(?i)\.(pkl|pickle|xlsx?|feather|h5)$")


def rows(text: str) -> Any:
    """
    Return what `Client.download` and `Client.export` take: a record set, or the rows of a CSV, JSON or parquet file.

    Raises
    ------
    JsocError
        If the file cannot be read, or its rows do not say which records they are.
    """
    import pandas as pd

    from ..errors import JsocError

    if Path(text).is_dir():
        raise JsocError(f"{text} is a directory, where rows or a record set are wanted; see 'jsoclite verify {text}'")
    if _OTHER_FILE.search(text):
        raise JsocError(f"{text}: rows come as CSV, JSON or parquet; write them with df.to_csv('rows.csv')")
    if text != "-" and not _FILE.search(text):
        return text
    name, parquet = "standard input" if text == "-" else text, text.lower().endswith((".parquet", ".pq"))
    try:
        found = pd.read_parquet(text) if parquet else _from_text(_content(text))
    except FileNotFoundError as error:
        raise JsocError(f"there is no file {text}") from error
    except (OSError, ValueError, ImportError) as error:
        raise JsocError(f"cannot read rows from {name}: {error}") from error
    if "record" in found.columns:
        return found.set_index("record")
    if found.index.name != "record":
        has = ", ".join(map(str, found.columns[:5])) or "no columns"
        raise JsocError(f"{name} has no column 'record', which 'jsoclite query --csv' writes, but {has}")
    return found


def _content(text: str) -> str:
    """Return the text of a file or of standard input, in UTF-8, or UTF-16 as spreadsheets write it."""
    body = getattr(sys.stdin, "buffer", sys.stdin).read() if text == "-" else Path(text).read_bytes()
    if isinstance(body, str):
        return body
    return body.decode("utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def _from_text(text: str) -> pd.DataFrame:
    """Read rows as CSV with whatever delimiter its first line has, or JSON: objects in lines, or a list of them."""
    import pandas as pd

    begun = text.lstrip()[:1]
    if begun in ("{", "["):
        return pd.read_json(StringIO(text), lines=begun == "{", convert_dates=False)
    head = text.partition("\n")[0]
    return pd.read_csv(StringIO(text), sep=max(",;\t|", key=head.count))


def _exit_code(good: int, total: int) -> int:
    return 0 if good == total else 3 if good else 1


def _in_words(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Print the log of downloads and exports, in lines with the time."""
    if not value:
        return
    handler, log = logging.StreamHandler(sys.stderr), logging.getLogger("jsoclite")
    handler.setFormatter(logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S"))
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    context.call_on_close(lambda: log.removeHandler(handler))
    context.call_on_close(lambda: log.setLevel(before))


def quiet(function: F) -> F:
    """Add ``--quiet`` and ``--verbose``."""
    options: dict[str, Any] = {"is_flag": True, "expose_value": False, "callback": _in_words}
    function = click.option("-v", "--verbose", help="Say what happens, in lines with the time.", **options)(function)
    return click.option("-q", "--quiet", is_flag=True, help="No progress.")(function)


def step_options(function: F) -> F:
    """Add options for processing steps; `steps` takes them."""
    for name, options in {
        "--cutout": {"metavar": "X,Y,SIZE@TIME", "help": "Arcsec, which follows the rotation; SIZE also as 400x200."},
        "--rebin": {"metavar": "SCALE", "help": "Fewer pixels, such as 1/4."},
        "--resize": {"type": float, "metavar": "ARCSEC", "help": "Sun in the middle, north up, so much a pixel."},
        "--aia-scale": {"is_flag": True, "help": "AIA's level 1.5."},
        "--ptr": {"is_flag": True, "help": "hmi.B_720s as Br, Bt and Bp."},
        "--process": {
            "metavar": "NAME:KEY=VALUE,…",
            "multiple": True,
            "help": "Any step, its arguments as in Python: 'MapProject:center=40,5,scale=0.03,cols=600,rows=400'.",
        },
    }.items():
        function = click.option(name, **options)(function)  # type: ignore[arg-type]
    return function


def steps(options: dict[str, Any]) -> list[Any] | None:
    """Take what `step_options` adds out of the options of a command, and return the steps."""
    from ..errors import ProcessingError
    from ..export.steps import AIAScale, Cutout, Rebin, Resize, VectorToPtr, as_steps

    found: list[Any] = []
    for text in options.pop("process"):
        name, _, rest = text.partition(":")
        pairs = [one.partition("=")[::2] for one in re.split(r",(?=\s*[A-Za-z_]+\s*=)", rest) if one]
        try:
            found += as_steps({name.strip(): {key.strip(): value for key, value in pairs}}) or []
        except ProcessingError as error:
            raise click.UsageError(f"--process {text}: {error}") from None
    if text := options.pop("cutout"):
        match = re.fullmatch(r"\s*([^,@]+),([^,@]+),([^,@x]+)(?:x([^,@x]+))?@(.+)", text)
        try:
            numbers = [float(one) for one in match.groups()[:4] if one] if match else []
        except ValueError:
            numbers = []
        if match is None or not numbers:
            raise click.UsageError(f"--cutout {text}: write X,Y,SIZE@TIME in arcsec, such as -300,150,400@2014-01-01")
        found.append(Cutout(tuple(numbers[:2]), (numbers[2], numbers[-1]), t_ref=match[5]))
    if (text := options.pop("rebin")) is not None:
        try:
            found.append(Rebin(float(Fraction(text))))
        except (ValueError, ZeroDivisionError) as error:
            raise click.UsageError(f"--rebin {text}: {error}") from None
    if (scale := options.pop("resize")) is not None:
        found.append(Resize(scale))
    found += [step() for name, step in (("aia_scale", AIAScale), ("ptr", VectorToPtr)) if options.pop(name)]
    return found or None


segments_option = click.option(
    "-s",
    "--segments",
    metavar="NAMES",
    help="Comma-separated.  [default: those that the rows name, else all]",
)


filename_option = click.option(
    "-f",
    "--filename",
    metavar="TEMPLATE",
    help="What files are called, as in '{T_REC:%Y/%m}/{T_REC}.{segment}': keywords, {record}; / makes folders.",
)


@command(
    "get",
    "Download files; run again, it fetches what is missing.",
    "get 'hmi.B_720s[2015.08.27_05:00:00_TAI/1h@24m]{field,azimuth}' -o data",
)
@click.argument("what", nargs=-1, required=True, shell_complete=file_or_series)
@click.option(
    "-o",
    "--output",
    default=".",
    metavar="DIR",
    type=click.Path(),
    help="Where files go.  [default: this directory]",
)
@segments_option
@filename_option
@click.option(
    "-p",
    "--protocol",
    type=click.Choice(["auto", "fits", "as-is"]),
    default="auto",
    help="auto: straight from SUMS where online, else staged; fits: staged; as-is: without header.  [default: auto]",
)
@click.option("--overwrite", is_flag=True, help="Fetch files that are there, too.")
@click.option("--dry-run", is_flag=True, help="Only say what there is to do: files, bytes, export requests, time.")
@yes_option
@click.option("--compare", metavar="DIR", type=click.Path(), help="Copy what this archive has in place of fetching it.")
@where_option
@step_options
@quiet
@table_options
def get(
    what: tuple[str, ...],
    output: str,
    segments: str | None,
    filename: str | None,
    protocol: Any,
    overwrite: bool,
    dry_run: bool,
    yes: bool,
    compare: str | None,
    where: tuple[str, ...],
    quiet: bool,
    **others: Any,
) -> int:
    """
    Download files; run again, it fetches what is missing.

    WHAT is record sets, request ids, lock files, or CSV, JSON or parquet files of rows that 'jsoclite query' has
    written, in which rows were chosen ('-' reads CSV or JSON from a pipe). Exactly these rows are fetched.
    """
    import pandas as pd

    options: dict[str, Any] = {"segments": segments, "protocol": protocol, "process": steps(others)}
    options["filename"] = filename
    client = connect()
    ids = [item for item in what if is_request(item)]
    parts: list[Any] = [client.attach(*ids)] if ids else []
    parts += [_chosen(item, where) for item in what if not is_request(item)]
    if dry_run:
        plans = [client.plan(part, output, **options) for part in parts]
        if form():
            show(pd.concat([plan.files for plan in plans]), ["reason"])
        else:
            click.echo("\n\n".join(map(repr, plans)))
        return 0 if all(len(plan.files) for plan in plans if plan.files is not None) else 1
    options |= {"overwrite": overwrite, "compare": compare}
    options |= {"progress": False if quiet else None, "on_error": "ignore"}
    asked = unless_too_many(lambda limit, part: client.download(part, output, limit=limit, **options), yes)
    if segments is None and not quiet:
        for part in parts:
            _tell_all_segments(client, part)
    return _tell(pd.concat([asked(part) for part in parts]), output)


def _chosen(text: str, where: tuple[str, ...]) -> Any:
    """Return rows, or a record set with conditions."""
    found = rows(text)
    if where and not isinstance(found, str):
        raise click.UsageError(f"--where goes with record sets; choose the rows of {text} before")
    return filtered(found, where) if where else found


def _tell_all_segments(client: Client, part: Any) -> None:
    """Say how many files there are where nobody has chosen among many segments."""
    from ..display import size
    from ..recordset import RecordSet

    if not isinstance(part, str) or part.lower().endswith(".lock") or (record_set := RecordSet.parse(part)).segments:
        return
    segments = client.info(record_set.series).segments
    if (each := len(segments)) > FEW_SEGMENTS:
        count = client.count(record_set)
        shapes = [re.findall(r"[0-9]{1,6}", str(dims)) for dims in segments["dims"]]
        pixels = [math.prod(map(int, shape)) if shape else 0 for shape in shapes]  # linked ones do not say
        much = size(count * sum(one or max(pixels) for one in pixels)) if any(pixels) else ""
        files = f"{each * count:,} files{f', some {much}' if much else ''}"
        tell(f"{each} segments of each of {count:,} records: {files}; -s names those you want", err=True)


def _tell(manifest: pd.DataFrame, directory: str) -> int:
    """Print a manifest, and what it comes to; return the exit code."""
    from ..download import Manifest

    there = manifest["status"].isin(["downloaded", "present"])
    spare = ["request_id", "bytes"]
    if form():
        show(manifest, spare)
    else:
        many = len(manifest) > MOST_LINES and sys.stdout.isatty()
        shown = manifest[~there] if many else manifest
        names = [
            path if isinstance(path, str) else f"{record}{{{segment}}}"
            for record, path, segment in zip(shown.index, shown["path"], shown["segment"], strict=True)
        ]
        columns = shown[["status", "bytes", "request_id", "error"]].dropna(axis="columns", how="all")
        columns.insert(0, "file", names)
        show(columns.reset_index(drop=True), spare)
    if not len(manifest):
        tell("no record matches, nothing to download", err=True)
        return 1
    if (manifest["status"] == "present").all():
        tell(f"all {len(manifest)} files were there already; nothing was transferred", err=True)
    else:
        counts = ", ".join(f"{count} {status}" for status, count in manifest["status"].value_counts().items())
        size = manifest.loc[manifest["status"] == "downloaded", "bytes"].sum() / 1e6
        tell(f"{counts}; {size:.1f} MB written to {directory}", err=True)
        failed = manifest[manifest["status"] == "failed"]
        if len(failed):
            tell(f"failed: {Manifest.reasons(failed)}; run the same line again to try these", err=True)
    return _exit_code(int(there.sum()), len(manifest))


@command("export", "Ask JSOC to stage files.", "export 'hmi.M_720s[2014.01.01_TAI]{magnetogram}' --wait")
@click.argument("what", shell_complete=file_or_series)
@segments_option
@click.option(
    "-m",
    "--method",
    type=click.Choice(["url", "url_quick", "url-tar", "ftp", "ftp-tar"]),
    default="url",
    help="url-tar: one archive; url_quick: at once, for stored files that are online.  [default: url]",
)
@click.option(
    "-p",
    "--protocol",
    default="fits",
    help="fits, as-is, or jpg, png, mp4 with their arguments, as in jpg,CT=aia_171.lut.  [default: fits]",
)
@click.option("-w", "--wait", is_flag=True, help="Wait until JSOC is done, and print the URLs.")
@where_option
@step_options
@quiet
@table_options
def export(
    what: str,
    segments: str | None,
    method: str,
    protocol: str,
    wait: bool,
    where: tuple[str, ...],
    quiet: bool,
    **others: Any,
) -> int:
    """
    Ask JSOC to stage files, and print the request ids.

    WHAT is a record set, or a CSV, JSON or parquet file of rows. JSOC takes one request at a time: where rows need
    several, the command ends when it has taken the last one. 'jsoclite attach' and 'jsoclite get' take the ids up, on
    any machine, for seven days.
    """
    options = {"segments": segments, "method": method, "protocol": protocol, "process": steps(others)}
    made = connect().export(_chosen(what, where), **options)  # type: ignore[arg-type]
    if not len(made):
        tell("no record matches, nothing to export", err=True)
        return 1
    return _follow(made, wait=wait, quiet=quiet)


def _follow(made: Export, *, wait: bool, quiet: bool) -> int:
    """Wait as long as is needed, naming the ids whatever happens."""
    from ..errors import ExportError

    progress = False if quiet else None
    try:
        if wait:
            tell(f"waiting for {', '.join(made.ids)}", err=True)
            made.wait(progress=progress)
        else:
            made.submit(progress=progress)
    except ExportError:
        pass  # each request says below what became of it
    except BaseException:
        if made.ids:
            tell(f"JSOC goes on: jsoclite attach {' '.join(made.ids)}", err=True)
        raise
    _tell_errors(made)
    good = sum(request.error is None for request in made)
    if wait:
        _tell_files(made)
    elif form():
        _tell_requests(made)
    else:  # nothing but the ids, so that $(jsoclite export …) is what attach takes
        for request_id in made.ids:
            tell(request_id)
    return _exit_code(good, len(made))


def _tell_errors(made: Export) -> None:
    for request in made:
        if request.error:
            tell(f"jsoclite: {request.error}", err=True)


def _tell_requests(made: Export) -> None:
    import pandas as pd

    from ..export import state

    columns = ["request_id", "state", "files", "size_mb", "record_set"]
    found = [(one.id, state(one), len(one.files), one.size, one.record_set) for one in made]
    show(pd.DataFrame(found, columns=columns).dropna(axis="columns", how="all"), ["record_set"])


def _tell_files(made: Export) -> None:
    """Print URLs, a line each, so that other programs can fetch them; or a table."""
    archives = [request.tar_url for request in made if request.tar_url]
    if form() is None:
        for url in archives or made.urls:
            tell(url)
        return
    show(made.files[["segment", "url"]])


@command("attach", "Take up export requests by their ids.", "attach JSOC_20141117_001 -o data")
@click.argument("ids", nargs=-1, required=True, metavar="REQUEST_ID...")
@click.option("-o", "--output", metavar="DIR", type=click.Path(), help="Download the files to this directory.")
@filename_option
@quiet
@table_options
def attach(ids: tuple[str, ...], output: str | None, filename: str | None, quiet: bool) -> int:
    """
    Take up export requests by their ids: wait until JSOC is done, then print the URLs, or download.

    The requests may have been made anywhere; JSOC keeps their files for seven days.
    """
    client = connect()
    made = client.attach(*ids)
    if output is None:
        return _follow(made, wait=True, quiet=quiet)
    options: dict[str, Any] = {"filename": filename, "progress": False if quiet else None, "on_error": "ignore"}
    return _tell(client.download(made, output, **options), output)


@command("cancel", "Make JSOC forget pending requests.", "cancel JSOC_20141117_001")
@click.argument("ids", nargs=-1, required=True, metavar="REQUEST_ID...")
def cancel(ids: tuple[str, ...]) -> int:
    """
    Make JSOC forget requests that pend for your address, so that it takes another one.

    JSOC takes one request of an address at a time; one that has failed may be in the way for an hour. Work that has
    begun goes on. It is no failure if nothing pends any more.
    """
    free = 0
    for request in connect().attach(*ids):
        if request.cancel():
            free += 1
            tell(f"{request.id} is cancelled")
        elif (pending := request.pending_at_server()) == []:
            free += 1
            tell(f"nothing pends for this address, {request.id} neither")
        else:
            said = f"{', '.join(pending)} pends for this address" if pending else "the server does not say what pends"
            tell(f"jsoclite: {request.id} is not cancelled: {said}", err=True)
    return _exit_code(free, len(ids))


@command("status", "Show how far requests or downloads are.", "status data")
@click.argument("what", nargs=-1, required=True, metavar="REQUEST_ID|DIR...")
@table_options
def status(what: tuple[str, ...]) -> int:
    """
    Show how far requests, or the downloads of a directory, are.

    The exit code is 0 if all is done, 1 if it failed, and 3 as long as something is open.
    """
    ids = [item for item in what if is_request(item)]
    codes = []
    if ids:
        made = connect().attach(*ids).refresh()
        _tell_requests(made)
        _tell_errors(made)
        failed = sum(request.error is not None for request in made)
        codes.append(3 if any(request.pending for request in made) else _exit_code(len(made) - failed, len(made)))
    codes += [_status_of_directory(item) for item in what if not is_request(item)]
    return max(codes)


def _status_of_directory(directory: str) -> int:
    import pandas as pd

    from ..archive import Archive
    from ..download import ledgers

    with ledgers.Ledger(directory, create=False) as ledger:
        files = Counter(row.state for row in ledger.files())
        requests = ledger.requests()
    archive = Archive(directory)
    tell(f"{directory}: {', '.join(f'{count} {state}' for state, count in files.items()) or 'no files'}")
    if tables := archive.series:
        tell(f"keywords of {', '.join(tables)}")
    for row in archive.syncs.to_dict("records"):
        when = "never" if pd.isna(row["finished"]) else f"{row['finished']:%Y-%m-%d %H:%M} UTC"
        tell(f"synced {when}: {row['record_set']}: {row['said'] or 'was not finished'}")
    for reason, count in archive.missing().items():
        tell(f"not here: {count} x {reason}")
    if requests:
        columns = ["request_id", "state", "record_set", "error"]
        found = [(row.request_id, row.state, row.record_set, row.error) for row in requests]
        show(pd.DataFrame(found, columns=columns).dropna(axis="columns", how="all"), ["record_set"])
    done, total = files["done"], sum(files.values())
    return 3 if done < total and files["planned"] else _exit_code(done, total)


@command("verify", "Check downloaded files.", "verify data", server=False)
@click.argument("directory", type=click.Path())
@click.option("--repair", is_flag=True, help="Set damaged files aside: the next get or sync brings them anew.")
@table_options
def verify(directory: str, repair: bool) -> int:
    """
    Check the files of a download directory: there, of the right size, with the right bytes (SHA-256).

    Those that are not whole are listed; as CSV, JSON or parquet all are.
    """
    from ..archive import Archive

    checked = Archive(directory).verify(repair)
    wrong = checked[checked["status"] != "whole"]
    show(checked if form() else wrong, ["recnum", "segment"])
    tell(f"{len(checked) - len(wrong)} of {len(checked)} files are whole", err=True)
    if len(wrong):
        again = "the same get or sync brings them anew"
        tell(again if repair else f"'jsoclite verify {directory} --repair' sets damaged ones aside: {again}", err=True)
    return _exit_code(len(checked) - len(wrong), len(checked))
