"""
JSON as the server writes it: ``/`` escaped, bytes above 127 as they are, its own two layouts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = str | int | float | Mapping[str, "Json"] | Sequence["Json"] | None

_ESCAPES = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPECIAL = re.compile(r'["\\/\x00-\x1f]')


def quote(text: str) -> str:
    """A JSON string with its quotes."""
    return '"' + _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + '"'


def compact(value: Json) -> bytes:
    """One line, no blanks, with the newline that every program prints behind its JSON."""
    return (_compact(value) + "\n").encode("latin-1", "replace")


def _compact(value: Json) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quote(name)}:{_compact(one)}" for name, one in value.items()) + "}"
    return "[" + ",".join(map(_compact, value)) + "]"


def pretty(value: Mapping[str, Json]) -> bytes:
    """One member a line, indented with tabs, objects of a list joined by ``},\\n{``; that is ``index.json``."""
    return (_pretty(value, 0) + "\n").encode("latin-1", "replace")


def _pretty(value: Json, depth: int) -> str:
    indent = "\t" * depth
    if isinstance(value, Mapping):
        lines = [f"{indent}\t{quote(name)}: {_pretty(one, depth + 1)}" for name, one in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + f",\n{indent}".join(_pretty(one, depth) for one in value) + "]"
    return _compact(value)
