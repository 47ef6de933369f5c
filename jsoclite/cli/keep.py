"""The commands about what is kept: sync, adopt, lock, diff, cite."""

from __future__ import annotations

import datetime as dt
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from ..display import clean
from .complete import file_or_series
from .fetch import filename_option, quiet, rows, segments_option, step_options, steps
from .program import command, connect, filtered, form, show, table_options, where_option

BUSY = 4

output_option = click.option(
    "-o", "--output", default=".", metavar="DIR", type=click.Path(), help="The archive.  [default: this directory]"
)


@command(
    "sync",
    "Keep a record set in step: fetch what is new or was made anew.",
    "sync 'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}' -o data",
)
@click.argument("record_set", shell_complete=file_or_series)
@output_option
@segments_option
@filename_option
@click.option("-k", "--keywords", metavar="NAMES", help="Keywords to keep as parquet, comma-separated.")
@click.option("--no-files", is_flag=True, help="Keep keywords alone.")
@click.option("--delete", is_flag=True, help="Remove files that were replaced, or whose records are gone.")
@click.option("--wait", is_flag=True, help="Wait for another run that is at work there.")
@where_option
@step_options
@quiet
@table_options
def sync(
    record_set: str,
    output: str,
    segments: str | None,
    filename: str | None,
    keywords: str | None,
    no_files: bool,
    delete: bool,
    wait: bool,
    where: tuple[str, ...],
    quiet: bool,
    **others: Any,
) -> int:
    """
    Keep a record set in step with the server: fetch what is new, and what JSOC has made anew.

    Made for cron: one line a run says what came. While another run is at work in the directory, nothing is done, and
    the exit code is 4.
    """
    from ..archive import busy

    if not wait and (who := busy(output)):
        click.echo(f"{output}: {who}; nothing was done", err=True)
        return BUSY
    if form() is None:  # the line counts them, and 'status' has the reasons: cron gets no second line
        warnings.filterwarnings("ignore", r"\d+ of \d+ files do not exist|the manifest lists")
    options: dict[str, Any] = {"segments": [] if no_files else segments, "keywords": keywords, "delete": delete}
    options |= {"process": steps(others), "filename": filename}
    record_set = filtered(record_set, where)
    manifest = connect().sync(record_set, output, **options, progress=False if quiet else None, on_error="ignore")
    if form():
        show(manifest, ["request_id", "bytes"])
    status = manifest.attrs["jsoc"]["counts"]
    words = ["new", "replaced", "gone", "present", *(word for word in ("missing", "failed") if word in status)]
    said = ", ".join(f"{status.get(word, 0)} {word}" for word in words)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    click.echo(f"{now} {output}: {clean(record_set)}: {said}", err=form() is not None)
    failed = status.get("failed", 0)
    return 0 if not failed else 3 if failed < len(manifest) else 1


@command("adopt", "Take in files that others have fetched.", "adopt data -o archive")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@output_option
@click.option(
    "--how",
    type=click.Choice(["link", "copy", "index"]),
    default="link",
    help="link: no space is needed; copy; index: note where they lie.  [default: link]",
)
@click.option("--ask", is_flag=True, help="Ask the server which records files of before 2018 are.")
@table_options
def adopt(paths: tuple[str, ...], output: str, how: Any, ask: bool) -> int:
    """
    Take in FITS files that drms, sunpy, the export page or curl have fetched, so that they are not fetched again.

    PATHS are files or directories, which are only read. Files that are in doubt are listed with the reason.
    """
    from ..archive import Archive

    found = Archive(output).adopt(paths, how, client=connect() if ask else None)
    doubtful = found[found["status"] == "doubtful"]
    if form() or len(doubtful):
        show(found if form() else doubtful[["reason"]], ["record", "segment"])
    counts = ", ".join(f"{count} {status}" for status, count in found["status"].value_counts().items())
    click.echo(f"{output}: {counts or 'no FITS files'}", err=True)
    return 0 if len(found) and not len(doubtful) else 3 if len(doubtful) < len(found) else 1


@command("lock", "Print a lock file: the exact files of a directory.", "lock data", server=False)
@click.argument("directory", type=click.Path())
def lock(directory: str) -> int:
    """
    Print a lock file for a paper, which names the exact files of a directory: jsoclite lock data > paper.lock.

    'jsoclite get paper.lock' brings them back, 'jsoclite diff paper.lock' tells what JSOC has changed since.
    """
    from ..archive import Archive

    made = Archive(directory).lock()
    click.echo(str(made), nl=False)
    return 0 if len(made) else 1


@command("diff", "Tell what JSOC has changed since a lock file was made.", "diff paper.lock")
@click.argument("lock_file", type=click.Path())
@table_options
def diff(lock_file: str) -> int:
    """
    Tell what JSOC has changed since files were locked, keyword by keyword.

    The exit code is 0 if nothing was, and 3 if something was.
    """
    from ..archive import Lock

    changed = connect().diff(sys.stdin.read() if lock_file == "-" else Lock.read(lock_file))
    if form() or len(changed):
        show(changed, ["recnum"])
    click.echo(f"{changed.index.nunique()} records have changed" if len(changed) else "nothing has changed", err=True)
    return 3 if len(changed) else 0


@command("cite", "Print how to cite data, as BibTeX.", "cite hmi.M_720s data paper.lock", server=False)
@click.argument("what", nargs=-1, required=True, shell_complete=file_or_series)
def cite(what: tuple[str, ...]) -> int:
    """
    Print how to cite data, as BibTeX with DOIs, and the credit that JSOC asks for.

    WHAT is series, record sets, lock files, CSV or parquet files of rows, or directories of files.
    """
    from ..archive import Archive, as_lock, cite

    click.echo(cite([Archive(one) if Path(one).is_dir() else as_lock(one) or rows(one) for one in what]))
    return 0
