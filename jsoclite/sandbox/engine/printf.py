"""
What C's ``printf`` makes of a text that was never meant to be a format.
"""

from __future__ import annotations

import re
from typing import Final

from ...recordset.language import FatalSetError

_DIRECTIVE: Final = re.compile(r"%([-+ #0']*)(\d*)((?:\.\d*)?)((?:hh|h|ll|l|L|q|j|z|t)?)(.?)", re.DOTALL)


def through_printf(text: str) -> str:
    """
    What ``sprintf(buffer, text)`` makes of a clause.

    Conversions print whatever lies on the stack; here they print zeros. What is no conversion stays as it is.
    """
    return _DIRECTIVE.sub(_directive, text) if "%" in text else text


def _directive(found: re.Match[str]) -> str:
    flags, width, precision, _, conversion = found.groups()
    if conversion == "%":
        return "%"
    if conversion in tuple("diouxXc"):
        return "0".rjust(min(int(width or 0), 4096))
    if conversion in tuple("eEfFgGaA"):
        return f"{0.0:f}".rjust(min(int(width or 0), 4096))
    if conversion in ("s", "n", "p"):
        raise FatalSetError(
            f"the server uses the filter as a printf format, and {found[0]!r} ends its program; double the %"
        )
    del flags, precision
    return found[0]
