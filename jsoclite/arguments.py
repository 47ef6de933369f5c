"""
Arguments of public calls, held against what they should be; what is wrong is said in one place for all of them.

`explained` makes a class say which argument was meant where drms, sunpy or a slip call it otherwise; the others check a
value and return it: `whole` numbers, `choice`, `folder`. `shown` is how errors quote a value.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from .errors import ArgumentError

C = TypeVar("C", bound=type)

_CUTOUT = "process=jsoclite.Cutout(center=…, size=…, t_ref=…)"
# what other clients call their arguments, and what comes close here
_OTHERS = {
    word: meant
    for words, meant in (
        ("key keys keyword", "keywords"),
        ("seg segs segment", "segments"),
        ("link", "links"),
        ("n count rec_limit maxrec", "limit"),
        ("step sample", "cadence"),
        ("time start_time tstart", "start"),
        ("end_time tend", "end"),
        ("wave wavelnth", "wavelength"),
        ("out_dir outdir path", "directory"),
        ("fname_from_rec", "filename"),
        ("verbose", "progress"),
        ("where", "[? QUALITY >= 0 ?] in the record set, or client.search(…, where=…)"),
        ("notify user requestor", "Client(email=…), once for all exports"),
        ("bottom_left top_right width height tracking cutout process_args", _CUTOUT),
        ("protocol_args", 'protocol="jpg,CT=aia_171.lut"'),
        ("max_conn threads", "Client(connections=…)"),
        ("noaa noaa_ar", "client.harps(…), whose HARPNUM search takes"),
    )
    for word in words.split()
}


def other_word(name: str, known: Iterable[str] | None = None) -> str:
    """Return what an argument of other clients is called here, as a question; "" for none, or none of the `known`."""
    meant = _OTHERS.get(name.lower())
    if not meant or (known is not None and meant.isidentifier() and meant not in known):
        return ""
    return f" Did you mean {meant}{'=' * meant.isidentifier()}?"


def explained(cls: C) -> C:
    """Make the public methods of a class, and the class, say which of their arguments was meant by one they lack."""
    for name, function in list(vars(cls).items()):
        if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, _explained(function, cls.__name__ if name == "__init__" else name))
    return cls


def _explained(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            raise ArgumentError(_misfit(name, signature, options, error)) from None
        return function(*arguments, **options)

    return call


def _misfit(name: str, signature: inspect.Signature, options: Mapping[str, Any], error: TypeError) -> str:
    known = list(signature.parameters)[1:]
    keyword = [one for one, about in signature.parameters.items() if about.kind is about.KEYWORD_ONLY]
    takes_more = any(about.kind is about.VAR_KEYWORD for about in signature.parameters.values())
    for word in () if takes_more else options:
        if word not in known:
            near = difflib.get_close_matches(word.lower(), known, 1)
            hint = other_word(word, known) or (f" Did you mean {near[0]}=?" if near else "")
            hint = hint.replace(_CUTOUT, "center=…, size=…, t_ref=…") if name == "Cutout" else hint
            return f"{name} has no argument {word}=.{hint} It takes {', '.join(known)}"
    if "too many" in str(error) and keyword:
        return f"{name} takes its options by name, such as {keyword[0]}=…: {', '.join(keyword)}"
    return f"{name}: {error}. It takes {', '.join(known) or 'nothing'}"


def shown(value: object) -> str:
    """Return how an error quotes a value: one line, and of tables and columns only what they are."""
    if hasattr(value, "iloc"):
        return f"a {type(value).__name__} of pandas"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def whole(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return a whole number, also one of numpy or 1e6; texts, masks and fractions are none."""
    try:
        if isinstance(value, bool | str) or value != int(value):
            raise ValueError
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name}={shown(value)} is no whole number, such as 10; no quotes around it") from None
    if number < least or (most is not None and number > most):
        to = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ArgumentError(f"{name}={number}: it is a whole number, {to}")
    return number


def choice(name: str, value: Any, allowed: Iterable[Any], more: str = "") -> Any:
    """Return one of the allowed words as it is spelled, in whatever case and with a dash or an underscore."""
    allowed = list(allowed)
    plain = value.lower().replace("_", "-") if isinstance(value, str) else value
    for one in allowed:
        if type(plain) is type(one) and plain == (one.lower().replace("_", "-") if isinstance(one, str) else one):
            return one
    *first, last = map(repr, allowed)
    raise ArgumentError(f"{name}={shown(value)}: write {', '.join(first)} or {last}{more}")


def folder(name: str, value: Any) -> Path:
    """Return a path, ``~`` as the home directory."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise ArgumentError(f"{name}={shown(value)} is no path: write one such as {name}='data'")
    return Path(value).expanduser()
