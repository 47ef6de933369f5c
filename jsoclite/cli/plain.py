"""Text for a terminal. What the server sent cannot move the cursor or change colours."""

from __future__ import annotations

__all__ = ["plain", "shorten"]

UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def plain(text: str) -> str:
    """Return text on one line, with what a terminal would obey replaced."""
    return "".join(char if char.isprintable() else " " if char.isspace() else UNPRINTABLE for char in text)


def shorten(text: str, width: int) -> str:
    """Cut text to a width: of paths and URLs the end says what it is, of other text the beginning."""
    if len(text) <= width:
        return text
    return "…" + text[1 - width :] if "/" in text else text[: width - 1] + "…"
