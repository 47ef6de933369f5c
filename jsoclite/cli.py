"""
The command line.

Nothing heavy is imported before a command runs, so that ``--help`` is instant. Results go to stdout, everything else to
stderr. Exit codes: 0 all is well, 1 it failed, 2 wrong usage, 3 some of the files are not there, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from .client import Client

__all__ = ["main"]

EPILOG = """examples:
  jsoclite --server sandbox series 'hmi\\.m_'
  jsoclite --server sandbox query 'aia.lev1_euv_12s[2014.01.01_TAI/1m][171]' -k T_REC,QUALITY
  jsoclite --server sandbox get 'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}' -o data

Without --server the environment variable JSOCLITE_SERVER decides, else Stanford's JSOC is asked.
"""


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = argparse.ArgumentParser(
        prog="jsoclite",
        description="Query and download JSOC data (SDO/HMI, SDO/AIA, MDI).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"jsoclite {__version__}")
    parser.add_argument("--server", help="jsoc, sandbox, another registered name, or a URL")
    parser.add_argument("--email", help="address registered with JSOC (default: $JSOC_EMAIL)")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int], text: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example:\n  jsoclite --server sandbox {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    sub = command("series", _series, "list series by regular expression", r"series 'aia\..*'")
    sub.add_argument("pattern", nargs="?", help="POSIX regular expression, in any case")
    _table_options(sub)

    sub = command("info", _info, "describe a series", "info hmi.B_720s")
    sub.add_argument("series")
    sub.add_argument("--keywords", action="store_true", help="the table of keywords too")

    sub = command(
        "query", _query, "query keywords into a table", "query 'hmi.M_720s[2014.01.01_TAI/1h]' -k T_REC,DATAMEAN"
    )
    sub.add_argument("record_set", help="such as hmi.M_720s[2014.01.01_TAI/1d@6h]")
    sub.add_argument("-k", "--keywords", metavar="NAMES", help="comma-separated, or '**ALL**'")
    sub.add_argument("-s", "--segments", metavar="NAMES", help="segments whose URLs are wanted")
    sub.add_argument("-n", "--limit", type=int, help="first N records; the last ones if negative")
    sub.add_argument("--times", choices=["utc", "tai"], help="times as dates on this scale")
    _table_options(sub)

    sub = command("count", _count, "count the records of a record set", "count 'hmi.M_720s[2014.01.01_TAI/1d]'")
    sub.add_argument("record_set")

    sub = command(
        "get",
        _get,
        "download the files of a record set; run again, it fetches what is missing",
        "get 'hmi.B_720s[2015.08.27_05:00:00_TAI/1h@24m]{field,azimuth}' -o data",
    )
    sub.add_argument("what", nargs="+", help="record sets, request ids, or a CSV or parquet file of rows")
    sub.add_argument("-o", "--output", default=".", metavar="DIR", help="directory (default: this one)")
    sub.add_argument(
        "-s", "--segments", metavar="NAMES", help="segments, comma-separated (default: those of the record set)"
    )
    sub.add_argument("-p", "--protocol", choices=["auto", "fits", "as-is"], default="auto")
    sub.add_argument("--overwrite", action="store_true", help="fetch files that are there, too")
    sub.add_argument("-q", "--quiet", action="store_true", help="no progress")
    _table_options(sub)

    sub = command(
        "export", _export, "ask JSOC to stage files, and print the request ids", "export 'hmi.M_720s[2014.01.01_TAI]'"
    )
    sub.add_argument("record_set")
    sub.add_argument("-s", "--segments", metavar="NAMES")
    sub.add_argument("-m", "--method", default="url", choices=["url", "url_quick", "url-tar"])
    sub.add_argument("-p", "--protocol", default="fits")
    sub.add_argument("-w", "--wait", action="store_true", help="wait until JSOC is done, and print the URLs")

    sub = command("status", _status, "show the state of request ids, or of a download directory", "status data")
    sub.add_argument("what", help="a request id, or a directory that files were downloaded to")

    sub = command("verify", _verify, "check the files of a download directory against its ledger", "verify data")
    sub.add_argument("directory")
    _table_options(sub)

    sub = command("sandbox", _sandbox, "run the sandbox JSOC until interrupted", "sandbox --port 8080")
    sub.add_argument("--port", type=int, default=0, help="0 takes a free one")
    sub.add_argument("--staging", type=float, default=2.0, metavar="S", help="seconds that an export takes")
    sub.add_argument("--catalog", metavar="DIR", help="a catalogue to serve in place of the computed one")
    sub.add_argument("--log", action="store_true", help="log each request on stderr")
    return parser


def _table_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--csv", action="store_true", help="print CSV")
    group.add_argument("--json", action="store_true", help="print JSON, one object a line")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    options = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _show_warning
            code = int(options.run(options))
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        print("jsoclite: interrupted; run the same line again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # head and less close the pipe early; without this, Python complains once more at exit
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if options.debug or not _ours(error):
            raise
        print(f"jsoclite: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) and not _is_download(error) else 1


def _ours(error: Exception) -> bool:
    from .errors import JsocError

    return isinstance(error, JsocError | ValueError)


def _is_download(error: Exception) -> bool:
    from .errors import DownloadError, EmailError

    return isinstance(error, DownloadError | EmailError)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"jsoclite: warning: {message}", file=sys.stderr)


def _client(options: argparse.Namespace) -> Client:
    from .client import Client

    return Client(options.server, email=options.email)


def _print(table: pd.DataFrame, options: argparse.Namespace, *, index: bool = True) -> None:
    if options.csv:
        table.to_csv(sys.stdout, index=index)
    elif options.json:
        (table.reset_index() if index else table).to_json(sys.stdout, orient="records", lines=True, date_format="iso")
    elif len(table):
        print(table.to_string(index=index, na_rep="-", max_colwidth=80))


def _series(options: argparse.Namespace) -> int:
    table = _client(options).series(options.pattern, full=True)
    table["primekeys"] = [", ".join(keys) for keys in table["primekeys"]]
    _print(table, options, index=False)
    if table.empty:
        print("jsoclite: no series matches", file=sys.stderr)
    return 0 if len(table) else 1


def _info(options: argparse.Namespace) -> int:
    info = _client(options).info(options.series)
    print(f"{info.name}: {info.note}")
    print(f"prime keys: {', '.join(key for key in info.primekeys or [] if key) or 'none'}")
    for title, table in (("segments", info.segments), ("links", info.links)):
        if len(table):
            print(f"\n{title}\n{table.fillna('-').to_string(max_colwidth=60)}")
    if options.keywords:
        columns = ["type", "recscope", "defval", "units", "note"]
        print(f"\nkeywords\n{info.keywords[columns].to_string(max_colwidth=60)}")
    else:
        print(f"\n{len(info.keywords)} keywords; --keywords lists them")
    return 0


def _query(options: argparse.Namespace) -> int:
    table = _client(options).query(
        options.record_set,
        keywords=options.keywords,
        segments=options.segments,
        limit=options.limit,
        times=options.times,
    )
    _print(table, options)
    if table.empty:
        print("jsoclite: no record matches", file=sys.stderr)
    return 0


def _count(options: argparse.Namespace) -> int:
    print(_client(options).count(options.record_set))
    return 0


def _get(options: argparse.Namespace) -> int:
    import pandas as pd

    client = _client(options)
    ids = [item for item in options.what if item.startswith("JSOC_")]
    parts = [client.attach(*ids)] if ids else []
    parts += [_rows(item) for item in options.what if item not in ids]
    tables = [
        client.download(
            part,
            options.output,
            segments=options.segments,
            protocol=options.protocol,
            overwrite=options.overwrite,
            progress=False if options.quiet else None,
            on_error="ignore",
        )
        for part in parts
    ]
    manifest = pd.concat(tables)
    if options.csv or options.json:
        _print(manifest, options)
    else:
        shown = manifest.dropna(axis="columns", how="all").drop(columns=["url"], errors="ignore").reset_index(drop=True)
        _print(shown, options, index=False)
    counts = manifest.status.value_counts()
    told = [f"{count} {status}" for status, count in counts.items()]
    size = manifest.loc[manifest.status == "downloaded", "bytes"].sum() / 1e6
    if len(manifest) and (manifest.status == "present").all():
        print(f"all {len(manifest)} files were there already; nothing was transferred", file=sys.stderr)
    elif not len(manifest):
        print("jsoclite: no record matches, nothing to download", file=sys.stderr)
        return 1
    else:
        print(f"{', '.join(told)}; {size:.1f} MB written to {options.output}", file=sys.stderr)
    there = manifest.status.isin(["downloaded", "present"])
    return 0 if there.all() else 3 if there.any() else 1


def _rows(text: str) -> Any:
    """Read what follows ``get``: a record set, or the name of a file of rows."""
    import pandas as pd

    from .errors import JsocError

    if not text.endswith((".csv", ".parquet", ".pq")):
        return text
    try:
        return pd.read_csv(text, index_col="record") if text.endswith(".csv") else pd.read_parquet(text)
    except (OSError, ValueError, ImportError) as error:
        raise JsocError(f"cannot read rows from {text} ({error}); it must have a column 'record'") from error


def _export(options: argparse.Namespace) -> int:
    export = _client(options).export(
        options.record_set, segments=options.segments, method=options.method, protocol=options.protocol
    )
    if options.wait:
        export.wait()
        for url in export.urls:
            print(url)
        return 0
    for request in export:
        print(request.id or f"(queued: {request.record_set})", request.status.name.lower())
        if request.error:
            raise request.error
    return 0


def _status(options: argparse.Namespace) -> int:
    if options.what.startswith("JSOC_"):
        export = _client(options).attach(options.what).refresh()
        request = export[0]
        if request.error:
            raise request.error
        print(f"{request.id} {request.status.name.lower()}, {len(request.files)} files, {request.size} MB")
        return 0
    from collections import Counter

    from .ledger import Ledger

    with Ledger(options.what, create=False) as ledger:
        files = Counter(row.state for row in ledger.files())
        print(f"files: {', '.join(f'{count} {state}' for state, count in files.items()) or 'none'}")
        for row in ledger.requests():
            print(
                f"{row.request_id or '(no id)'} {row.state} {row.record_set}" + (f": {row.error}" if row.error else "")
            )
    return 0


def _verify(options: argparse.Namespace) -> int:
    from .reading import verify

    table = verify(options.directory)
    wrong = table[table.status != "whole"]
    _print(table if options.csv or options.json else wrong, options)
    print(f"{len(table) - len(wrong)} of {len(table)} files are whole", file=sys.stderr)
    return 0 if not len(wrong) else 3 if len(wrong) < len(table) else 1


def _sandbox(options: argparse.Namespace) -> int:
    from .sandbox import serve

    serve(options.port, staging_s=options.staging, catalog=options.catalog, verbose=options.log)
    return 0
