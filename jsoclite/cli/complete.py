"""
What the shell completes: series and keywords of the well-known series, as ``series.txt`` beside this module has them.

No server is asked at a keystroke. A line of the list is a series and its keywords; it is made by::

    python -c '
    import jsoclite
    client = jsoclite.Client("sandbox")
    for name in sorted(client.series()):
        print(name, *client.info(name).keywords.index)
    ' > jsoclite/cli/series.txt
"""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def _known() -> dict[str, list[str]]:
    """Return the keywords of each series."""
    lines = map(str.split, Path(__file__).with_name("series.txt").read_text("ascii").splitlines())
    return {name: keywords for name, *keywords in lines}


def series(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a series."""
    return [CompletionItem(name) for name in _known() if name.lower().startswith(begun.lower())]


def file_or_series(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a series; a file where none begins like that."""
    return series(context, parameter, begun) or [CompletionItem(begun, type="file")]


def keywords(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the last of several keywords of the series that stands before."""
    before, comma, last = begun.rpartition(",")
    # an option whose value is still missing leaves what stands before it unread
    record_set = context.params.get("record_set") or next(iter(context.args), "")
    wanted = re.split(r"[\[{]", record_set)[0].lower()
    names = next((names for name, names in _known().items() if name.lower() == wanted), [])
    return [CompletionItem(before + comma + name) for name in names if name.lower().startswith(last.lower())]
