"""
The program `jsoclite`: options that all commands share, how commands are made, and the commands about the program
itself: the sandbox, and completion in the shell.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import get_completion_class

from .. import __version__

if TYPE_CHECKING:
    import pandas as pd

    from ..client import Client
    from ..export import ExportRequest


F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

FORM = "jsoclite.form"
# options that stand before or after the name of a command
SHARED: dict[str, dict[str, Any]] = {
    "--server": {
        "metavar": "NAME|URL",
        "help": "jsoc, sandbox, another server that drms knows, or a URL.  [default: $JSOCLITE_SERVER, else jsoc]",
    },
    "--email": {
        "metavar": "ADDRESS",
        "help": "Registered with JSOC; only staged files need it.  [default: $JSOC_EMAIL]",
    },
    "--debug": {"is_flag": True, "help": "Show the whole traceback of an error."},
}
STYLE = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class PipeClosed(Exception):
    """Whoever reads our lines has read enough, as ``head`` does: that is no failure, though click makes it one."""


class Settings:
    """What the global options say, given before or after the name of the command."""

    server: str | None = None
    email: str | None = None
    debug: bool = False


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        setattr(context.ensure_object(Settings), str(parameter.name), value)


def _options(*, server: bool = True) -> list[click.Parameter]:
    """Return the options of `SHARED`, those about a server where one is asked."""
    return [
        click.Option([name], expose_value=False, callback=_remember, **about)
        for name, about in SHARED.items()
        if server or name == "--debug"
    ]


@click.group(
    name="jsoclite",
    context_settings=STYLE,
    epilog="""\b
Examples:
  jsoclite --server sandbox series 'hmi\\.m_'
  jsoclite --server sandbox query 'aia.lev1_euv_12s[2014.01.01_TAI/1m][171]' -k T_REC,QUALITY
  jsoclite --server sandbox get 'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}' -o data

\b
Exit codes: 0 all is there, 1 failed, 2 wrong usage, 3 a part of the files is there,
  4 another sync is at work, 130 interrupted.""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """Query and download JSOC data (SDO/HMI, SDO/AIA, MDI)."""


program.params += _options()


def command(
    name: str, summary: str, example: str, *, server: bool = True
) -> Callable[[Callable[..., int]], click.Command]:
    """
    Return a decorator that makes a function a command.

    Parameters
    ----------
    name : str
        Of the command.
    summary : str
        What stands in the list of commands.
    example : str
        What follows ``jsoclite --server sandbox``, or ``jsoclite`` if no server is asked.
    server : bool
        Whether it asks one.

    Notes
    -----
    The docstring of the function is the help text; it returns the exit code.
    """

    def make(function: Callable[..., int]) -> click.Command:
        line = f"jsoclite --server sandbox {example}" if server else f"jsoclite {example}"

        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> int:
            try:
                return function(*arguments, **options)
            except BrokenPipeError:
                raise PipeClosed from None

        epilog = f"\b\nExample:\n  {line}"
        made = program.command(name, short_help=summary, epilog=epilog, context_settings=STYLE)(run)
        made.params += _options(server=server)
        return made

    return make


def table_options(function: F) -> F:
    """Add ``--csv``, ``--json`` and ``--parquet``; `form` says which was given."""
    texts = {
        "csv": "Print CSV.",
        "json": "Print JSON, one object a line.",
        "parquet": "Write parquet, to a file or a pipe: --parquet > rows.parquet.",
    }
    for name, text in reversed(texts.items()):
        option = click.option(f"--{name}", is_flag=True, help=text, expose_value=False, callback=_choose)
        function = option(function)
    return function


def _choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and context.meta.setdefault(FORM, parameter.name) != parameter.name:
        raise click.UsageError(f"--{context.meta[FORM]} and --{parameter.name}: give one of them")


def form() -> str | None:
    """Return the form of table that was asked for: csv, json, parquet, or None for text."""
    chosen: str | None = click.get_current_context().meta.get(FORM)
    return chosen


def show(frames: pd.DataFrame | Iterable[pd.DataFrame], spare: Sequence[str] = ()) -> int:
    """
    Write a table on stdout, in the form that was asked for, and return the number of its rows.

    Parameters
    ----------
    frames : DataFrame or iterable of DataFrame
        The table, or its parts.
    spare : sequence of str
        Columns that a terminal that is too narrow can do without, the first to go first.
    """
    import pandas as pd

    from .tables import write  # it needs pandas

    return write([frames] if isinstance(frames, pd.DataFrame) else frames, form(), spare)


def tell(text: object, *, err: bool = False, bold: bool = False) -> None:
    """Write a line on stdout, or on stderr: all that commands say passes here, and a server may have a part in it."""
    from ..errors import printable  # which loads drms

    click.echo(click.style(printable(text), bold=True) if bold else printable(text), err=err)


def on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stderr is not None and sys.stdin.isatty() and sys.stderr.isatty()


where_option = click.option(
    "--where", multiple=True, metavar="SQL", help="A condition, as in 'QUALITY = 0'; several have to hold."
)


def filtered(record_set: str, where: Sequence[str]) -> str:
    """Return a record set with the conditions of `where_option`."""
    if not where:
        return record_set
    from ..recordset import RecordSet

    found = RecordSet.parse(record_set)
    if "[?" in record_set or "[!" in record_set:
        raise click.UsageError(f"{record_set} has a condition of its own: write all of them there, or all with --where")
    return str(found.replace(where=list(where)))


yes_option = click.option("-y", "--yes", is_flag=True, help="Go on without a question, however much it is.")


def unless_too_many(work: Callable[..., T], yes: bool) -> Callable[..., T]:
    """Make `work(limit, …)` ask on a terminal before it goes on with more than somebody may have meant."""

    def run(*arguments: Any) -> T:
        from ..errors import TooMany

        try:
            return work(sys.maxsize if yes else None, *arguments)
        except TooMany as error:
            if not on_terminal():
                raise
            tell(error, err=True)
            if not click.confirm("All of them?", err=True):
                click.get_current_context().exit(1)
            return work(sys.maxsize, *arguments)

    return run


def connect() -> Client:
    """Return a client for the server that was asked for."""
    from ..client import Client

    settings = click.get_current_context().ensure_object(Settings)
    client = Client(settings.server, email=settings.email)
    if on_terminal():
        client.on_blocked = _ask_to_cancel
    return client


def _ask_to_cancel(request: ExportRequest) -> bool:
    tell(f"\nJSOC takes one request of an address, and {request.id} is in the way; else it is waited for.", err=True)
    return click.confirm("Cancel that one?", err=True)


SHELLS = ("bash", "zsh", "fish")


@command("sandbox", "Run the sandbox, an embedded JSOC.", "sandbox --port 8080", server=False)
@click.option("--port", default=0, metavar="N", help="Port to listen on.  [default: a free one]")
@click.option(
    "--staging",
    default=60.0,
    type=click.FloatRange(min=0),
    metavar="S",
    help="Seconds that an export takes on its clock.  [default: 60]",
)
@click.option("--real-time", is_flag=True, help="Let its clock be ours; it is thirty times as fast.")
@click.option("--catalog", type=click.Path(), metavar="DIR", help="A catalogue to serve in place of the computed one.")
@click.option("--pixels", default=256, metavar="N", help="Width of full-disk images, 256 to 4096.  [default: 256]")
@click.option("--log", is_flag=True, help="Log each request on stderr.")
def sandbox(port: int, staging: float, real_time: bool, catalog: str | None, pixels: int, log: bool) -> int:
    """Run the sandbox, an embedded JSOC, until Ctrl-C; it says how to use it."""
    from ..sandbox import serve

    clock = time.time if real_time else None
    serve(port, staging_s=staging, catalog=catalog, clock=clock, pixels=pixels, verbose=log)
    return 0


@command("completion", "Make the shell complete commands.", "completion bash", server=False)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> int:
    """
    Print what makes the shell complete commands, options, series and keywords.

    \b
    bash   eval "$(jsoclite completion bash)"       in ~/.bashrc
    zsh    eval "$(jsoclite completion zsh)"        in ~/.zshrc
    fish   jsoclite completion fish | source        in ~/.config/fish/config.fish
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    kind = get_completion_class(name)
    if name not in SHELLS or kind is None:
        raise click.UsageError(f"{name or 'no shell'} is not known here: name one of {', '.join(SHELLS)}")
    script = kind(program, {}, "jsoclite", "_JSOCLITE_COMPLETE").source()
    # click's script for fish would cut what it is given at every comma, and lists of keywords have commas
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))
    return 0
