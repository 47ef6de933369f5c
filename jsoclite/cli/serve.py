"""The commands about the program itself: the sandbox, and completion in the shell."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class

from .program import command, program

__all__: list[str] = []

SHELLS = ("bash", "zsh", "fish")


@command("sandbox", "Run the sandbox, an embedded JSOC.", "sandbox --port 8080", server=False)
@click.option("--port", default=0, metavar="N", help="Port to listen on.  [default: a free one]")
@click.option("--staging", default=2.0, metavar="S", help="Seconds that an export takes.  [default: 2]")
@click.option("--catalog", type=click.Path(), metavar="DIR", help="A catalogue to serve in place of the computed one.")
@click.option("--log", is_flag=True, help="Log each request on stderr.")
def sandbox(port: int, staging: float, catalog: str | None, log: bool) -> int:
    """Run the sandbox, an embedded JSOC, until Ctrl-C; it says how to use it."""
    from ..sandbox import serve

    serve(port, staging_s=staging, catalog=catalog, verbose=log)
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
