"""An answer, whole: a decoding that survives JSOC's Latin-1, and a check of its shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from ..display import redact
from ..errors import UNFIT, ServerError

T = TypeVar("T")


class Reply:
    """
    An answer, whole.

    Parameters
    ----------
    url : str
        The URL without its query, so that it can be shown.
    content : bytearray
        The body.
    server : str
        What the server calls itself.
    """

    def __init__(self, url: str, content: bytearray, server: str = "") -> None:
        self.url, self.content, self.server = url, content, server

    @property
    def data(self) -> Any:
        """
        The body as JSON.

        JSOC stores bytes and sends them as they are: mostly ASCII, some UTF-8, some Latin-1 (`Å` in series notes), now
        and then a control character. Hence UTF-8 first, Latin-1 second, and a lenient reader.

        Raises
        ------
        ServerError
            If the body is no JSON: an HTML page, an empty or a truncated answer.
        """
        try:
            text = self.content.decode("utf-8")
        except UnicodeDecodeError:
            text = self.content.decode("latin-1")
        try:
            body = json.loads(text, strict=False)
            return _without_surrogates(body) if "\\ud" in text.lower() else body
        except (ValueError, RecursionError):
            raise not_json(self.url, self.content) from None

    def checked(self, shape: Callable[[Any], T]) -> T:
        """
        The body as `shape` makes it; a server is not trusted to send what it should.

        Raises
        ------
        ServerError
            If it does not fit, with its beginning.
        """
        body = self.data
        try:
            return shape(body)
        except UNFIT as error:
            start = redact(bytes(self.content[:200]).decode("latin-1"))
            raise ServerError(
                f"{self.url} answered with something that does not fit ({type(error).__name__}); it began with "
                f"{start!r}",
                url=self.url,
            ) from error


def _without_surrogates(value: Any) -> Any:
    """Replace the halves of characters that JSON can name and no file, column or terminal can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(one) for name, one in value.items()}
    return value


def not_json(url: str, content: bytes | bytearray) -> ServerError:
    """Describe a body that is no JSON."""
    start = redact(bytes(content[:200]).decode("latin-1").strip())
    what = f"began with {start!r}" if start else "was empty"
    return ServerError(
        f"{url} answered with something that is not JSON: the body ({len(content)} bytes) {what}", url=url
    )
