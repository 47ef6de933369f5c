"""
What the shell completes: series and keywords of the well-known series, which are those of the sandbox.

No server is asked at a keystroke.
"""

from __future__ import annotations

import re

import click
from click.shell_completion import CompletionItem

__all__ = ["file_or_series", "keywords", "series"]


def _names() -> list[str]:
    import json
    from importlib import resources  # slow to import, and every command would pay for it

    text = resources.files("jsoclite.sandbox").joinpath("data/series.json").read_text(encoding="utf-8")
    return sorted(json.loads(text)["series"], key=str.lower)


def series(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a series."""
    return [CompletionItem(name) for name in _names() if name.lower().startswith(begun.lower())]


def file_or_series(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a series; a file where none begins like that."""
    return series(context, parameter, begun) or [CompletionItem(begun, type="file")]


def keywords(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the last of several keywords of the series that stands before."""
    from ..sandbox.mission.spec import specs

    before, comma, last = begun.rpartition(",")
    # an option whose value is still missing leaves what stands before it unread
    record_set = context.params.get("record_set") or next(iter(context.args), "")
    wanted = re.split(r"[\[{]", record_set)[0].lower()
    spec = specs().get(wanted)
    names = [] if spec is None else [str(row["keywordname"]) for row in spec.rows()["drms_keyword"]]
    return [CompletionItem(before + comma + name) for name in names if name.lower().startswith(last.lower())]
