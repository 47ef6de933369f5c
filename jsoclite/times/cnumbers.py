"""Numbers as C reads them."""

from __future__ import annotations

import math
import re

_STRTOL = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_STRTOD = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:"
    r"(?P<hex>0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    r"|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN](?:\([0-9a-zA-Z_]*\))?))"
)


def strtol(text: str, position: int = 0) -> tuple[int, int]:
    """C's `strtol`, base 10: the number and the index behind it, which is `position` where there is none."""
    match = _STRTOL.match(text, position)
    return (0, position) if match is None else (int(match[1]), match.end())


def strtod(text: str, position: int = 0) -> tuple[float, int]:
    """C's `strtod`: the number and the index behind it, which is `position` where there is none."""
    match = _STRTOD.match(text, position)
    if match is None:
        return 0.0, position
    number = match[1]
    if match["hex"]:
        try:
            return float.fromhex(number), match.end()
        except OverflowError:
            return math.copysign(math.inf, -1.0 if number.startswith("-") else 1.0), match.end()
    return float(number.partition("(")[0]), match.end()


def int32(number: int) -> int:
    """What a C int keeps of a long."""
    return (max(min(number, 2**63 - 1), -(2**63)) + 2**31) % 2**32 - 2**31
