"""The program `jsoclite`: options that all commands share, and how commands are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import __version__

if TYPE_CHECKING:
    import pandas as pd

    from ..client import Client
    from .tables import Table

__all__ = ["Settings", "command", "connect", "form", "program", "show", "table", "table_options"]

F = TypeVar("F", bound=Callable[..., Any])

FORM = "jsoclite.form"
STYLE = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Settings:
    """What the global options say, given before or after the name of the command."""

    server: str | None = None
    email: str | None = None
    debug: bool = False


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        setattr(context.ensure_object(Settings), str(parameter.name), value)


def _options(*, server: bool = True) -> list[click.Parameter]:
    """Return the options that stand before or after the name of a command."""
    about_server = [
        click.Option(
            ["--server"],
            metavar="NAME|URL",
            help="jsoc, sandbox, another server that drms knows, or a URL.  [default: $JSOCLITE_SERVER, else jsoc]",
            expose_value=False,
            callback=_remember,
        ),
        click.Option(
            ["--email"],
            metavar="ADDRESS",
            help="Registered with JSOC; only staged files need it.  [default: $JSOC_EMAIL]",
            expose_value=False,
            callback=_remember,
        ),
    ]
    debug = click.Option(
        ["--debug"],
        is_flag=True,
        help="Show the whole traceback of an error.",
        expose_value=False,
        callback=_remember,
    )
    return [*(about_server if server else []), debug]


@click.group(
    name="jsoclite",
    context_settings=STYLE,
    epilog="""\b
Examples:
  jsoclite --server sandbox series 'hmi\\.m_'
  jsoclite --server sandbox query 'aia.lev1_euv_12s[2014.01.01_TAI/1m][171]' -k T_REC,QUALITY
  jsoclite --server sandbox get 'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}' -o data

\b
Exit codes: 0 all is there, 1 failed, 2 wrong usage, 3 a part of the files is there, 130 interrupted.""",
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
        made = program.command(name, short_help=summary, epilog=f"\b\nExample:\n  {line}", context_settings=STYLE)(
            function
        )
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


def table(spare: Sequence[str] = ()) -> Table:
    """
    Return a table on stdout, in the form that was asked for.

    Parameters
    ----------
    spare : sequence of str
        Columns that a terminal that is too narrow can do without, the first to go first.
    """
    from .tables import table as make  # it needs pandas

    return make(form(), spare=spare)


def show(frame: pd.DataFrame, spare: Sequence[str] = ()) -> None:
    """Print a whole table; see `table`."""
    out = table(spare)
    out.add(frame)
    out.close()


def connect() -> Client:
    """Return a client for the server that was asked for."""
    from ..client import Client

    settings = click.get_current_context().ensure_object(Settings)
    return Client(settings.server, email=settings.email)
