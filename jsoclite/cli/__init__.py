"""
The command line.

Nothing heavy is imported before a command runs, so that ``--help`` is instant. Results go to stdout, everything else to
stderr. Exit codes: 0 all is there, 1 it failed, 2 wrong usage, 3 a part of the files is
there, 4 another run of sync is at work, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from ..display import redact
from . import ask, fetch, keep  # noqa: F401 - importing a module of commands adds them to the program
from .program import PipeClosed, Settings, program

__all__ = ["main"]


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

    Examples
    --------
    >>> main(["--server", "sandbox", "count", "hmi.M_720s[2014.01.01_TAI/1d]"])
    120
    0
    """
    settings = Settings()
    if sys.stdout is None or sys.stderr is None:  # closed, as some daemons leave them
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _show_warning
            arguments = None if argv is None else list(argv)
            code = program.main(arguments, prog_name="jsoclite", obj=settings, standalone_mode=False)
            sys.stdout.flush()
            return int(code or 0)
    except click.Abort:  # what click makes of Ctrl-C
        click.echo("jsoclite: interrupted; run the same line again to go on", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (BrokenPipeError, PipeClosed):
        # head and less close the pipe early; without this, Python complains once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from ..errors import EmailError, JsocError

        if settings.debug or not isinstance(error, JsocError | ValueError):
            raise
        _say(f"jsoclite: {error}")
        return 2 if isinstance(error, ValueError) and not isinstance(error, EmailError) else 1


def _say(text: str) -> None:
    from ..progress import say  # it needs tqdm

    say(redact(text))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"jsoclite: warning: {message}")
