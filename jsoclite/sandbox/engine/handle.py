"""
What comes out of a query: records, or one of two ways to fail.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JsocError
from ...recordset import language
from ..catalog import Recnums, Series


class EngineError(JsocError):
    """A query that the server refuses; the text is the server's. `headless`: behind an ``ERROR`` before the header."""

    headless = False


class EngineCrash(JsocError):
    """A query that kills the server program, whose client sees an empty HTTP 500; the text says what was wrong."""


@dataclass(frozen=True, slots=True)
class Opened:
    """
    Records of one element of a record set.

    Attributes
    ----------
    series : Series
        Their series.
    recnums : array of int64, shape (n,)
        Their record numbers, in the server's order.
    segments : tuple of str or None
        Segments named in braces that exist, in the series' order; None for all.
    element : Element
        The element.
    """

    series: Series
    recnums: Recnums
    segments: tuple[str, ...] | None
    element: language.Element
