"""Everything about the package stands in ``setup.cfg``, but for the README as an index of packages shows it."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")


def description() -> str:
    """Return the README with links that work anywhere: to the address of the sources, or without one no links."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    sources = settings["metadata"].get("url", "").rstrip("/")

    def link(found: re.Match[str]) -> str:
        picture, text, target = found.groups()
        if sources:
            return f"{picture}[{text}]({sources}/{'raw' if picture else 'blob'}/main/{target})"
        return f"*Figure: {text}*" if picture else text

    return LINK.sub(link, (ROOT / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    from setuptools import setup

    setup(long_description=description())
