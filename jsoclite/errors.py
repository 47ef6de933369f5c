"""
Errors and warnings, and what is said of a wrong argument, in one place for all public calls.

::

    JsocError (drms.DrmsError)               everything that jsoclite raises on purpose
    ├── ArgumentError (ValueError, TypeError)    an argument of the wrong kind, or one that there is not
    ├── RecordSetError (ValueError)          a record set or time cannot be built or parsed; nothing was sent
    ├── SelectionError (ValueError)          rows that no longer say which records they stand for
    ├── ProcessingError (ValueError)         a server-side step with impossible arguments; nothing was sent
    ├── ServerError                          no usable HTTP answer after retries: url, HTTP status, start of the body
    ├── QueryError (drms.DrmsQueryError)     jsoc_info answered with an error
    │   ├── TooMany (ValueError)             more records or files than somebody may have meant; none was fetched
    │   ├── UnknownSeries (LookupError)      no such series
    │   └── UnknownName (LookupError)        no such keyword, segment, link or prime key
    ├── EmailError (ValueError)              no address, or one that JSOC does not know
    ├── ExportError (drms.DrmsExportError)   an export request failed: request id, status
    │   ├── ExportTooLarge                   status 3
    │   ├── ExportFailed                     status 4, -1 and codes nobody knows
    │   ├── ExportExpired                    status 5: done, but its files were deleted after seven days
    │   ├── ExportLimit                      status 7: another request of this address or host is still pending
    │   └── ExportOffline                    status 25: files are on tape and JSOC wants a human to ask
    ├── StagingTimeout (TimeoutError)        waiting ended first; the request lives on: request id
    └── DownloadError                        some files are not there: the whole manifest
    JsocWarning (UserWarning)                what the server would swallow in silence

`explained` makes a class say which argument was meant where drms, sunpy or a slip call it otherwise; `whole`, `choice`
and `folder` check a value and return it; `shown` is how errors quote one.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

C = TypeVar("C", bound=type)

# user and password of a URL
LOGIN = re.compile(r"://[^\s/?#]{0,500}@")


def printable(value: object) -> str:
    r"""
    Return text as a terminal may get it: in lines, without control characters and the passwords of URLs.

    Examples
    --------
    >>> printable("http://me:secret@host/\x1b[31m\nin red")
    'http://host/�[31m\nin red'
    """
    text = LOGIN.sub("://", str(value))
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def _drms_bases() -> tuple[type[Exception], type[Exception], type[Exception]]:
    """
    Import drms without its side effect: it calls `logging.basicConfig`, which adds a handler to the root logger.

    Every module of jsoclite that uses drms imports this one first, so this is the one place that has to care.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    import drms

    for handler in set(root.handlers).difference(handlers):
        root.removeHandler(handler)
    root.setLevel(level)
    return drms.DrmsError, drms.DrmsQueryError, drms.DrmsExportError


if TYPE_CHECKING:  # drms has no type hints

    class _DrmsError(RuntimeError): ...

    class _DrmsQueryError(_DrmsError): ...

    class _DrmsExportError(_DrmsError): ...

else:
    _DrmsError, _DrmsQueryError, _DrmsExportError = _drms_bases()


class JsocError(_DrmsError):
    """
    Base of all errors that jsoclite raises on purpose; also a `drms.DrmsError`.

    Examples
    --------
    Whatever is wrong, one clause catches it, and the text says what to do:

    >>> try:
    ...     client.info("hmi.M_72s")
    ... except jsoclite.JsocError as error:
    ...     print(f"{type(error).__name__}: {error}")
    UnknownSeries: there is no series hmi.M_72s. Did you mean hmi.M_720s or ...?
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*_shown(arguments))


def _shown(arguments: tuple[Any, ...]) -> list[Any]:
    """Return what an error says as a terminal may get it: it may quote a server."""
    return [printable(one) if isinstance(one, str) else one for one in arguments]


class ArgumentError(JsocError, ValueError, TypeError):
    """
    An argument that there is not, or a value of the wrong kind. Also a `ValueError` and a `TypeError`.

    Examples
    --------
    >>> try:
    ...     client.query("hmi.M_720s[2014.01.01_TAI]", key="T_REC")
    ... except jsoclite.ArgumentError as error:
    ...     print(error)
    query has no argument key=. Did you mean keywords=? It takes record_set, keywords, segments, links, limit, times
    """


class RecordSetError(JsocError, ValueError):
    """
    A record set, time, duration or name that cannot be used; nothing was sent.

    Parameters
    ----------
    message : str
        Names the value, the rule and the remedy.
    text : str, optional
        The whole text that was being read.
    position : int, optional
        Index in `text` of the character where reading failed; the message then shows it with a caret.

    Examples
    --------
    >>> try:
    ...     client.query("hmi.M_720s[2014.01.01_TAI")
    ... except jsoclite.RecordSetError as error:
    ...     print(error)
    this bracket is never closed
        hmi.M_720s[2014.01.01_TAI
                  ^
    """

    def __init__(self, message: str, text: str | None = None, position: int | None = None) -> None:
        self.text, self.position = text, position
        if text is not None and position is not None:
            # keep the part around the character readable when a set is thousands of characters long
            start = max(0, position - 60)
            shown = ("…" if start else "") + text[start : position + 40]
            caret = position - start + (1 if start else 0)
            message = f"{message}\n    {shown}\n    {' ' * caret}^"
        super().__init__(message)


class SelectionError(JsocError, ValueError):
    """
    Rows that no longer say which records they stand for: their index ``record`` is gone.

    Examples
    --------
    >>> df = client.query("hmi.M_720s[2014.01.01_TAI/1h]").reset_index(drop=True)
    >>> try:
    ...     client.download(df, "data")
    ... except jsoclite.SelectionError as error:
    ...     print(error)
    these rows no longer say which records they stand for: ...; keep their index 'record', as reset_index() without ...
    """


class ProcessingError(JsocError, ValueError):
    """
    A server-side processing step with arguments that cannot work; nothing was sent.

    The server would say no more than "status 4", or hand out unprocessed files.

    Examples
    --------
    >>> try:
    ...     jsoclite.Rebin(0.3)
    ... except jsoclite.ProcessingError as error:
    ...     print(error)
    scale=0.3 is neither n nor 1/n with a whole n, and JSOC would round n; try 1/3
    """


class ServerError(JsocError):
    """
    No usable HTTP answer, after all retries.

    Parameters
    ----------
    message : str
        What happened, with the URL (without e-mail addresses).
    url : str, optional
        The URL, without e-mail addresses.
    status : int, optional
        HTTP status code, None where there was no answer at all.

    Examples
    --------
    >>> with jsoclite.Sandbox(faults=["500@query"]) as sandbox:
    ...     try:
    ...         sandbox.client(retries=0).query("hmi.M_720s[2014.01.01_TAI]")
    ...     except jsoclite.ServerError as error:
    ...         print(error.status, error.url)
    500 http://127.0.0.1:.../cgi-bin/ajax/jsoc_info
    """

    def __init__(self, message: str, *, url: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.url, self.status = url and printable(url), status


class QueryError(JsocError, _DrmsQueryError):
    """
    The server refused a query.

    Parameters
    ----------
    message : str
        The server's words and the remedy.
    record_set : str, optional
        The record set that was asked for.
    status : int, optional
        The JSON status of the answer.

    Examples
    --------
    >>> try:
    ...     client.query("hmi.M_720s[2014.01.01_TAI][? QUALITY = 'good' ?]")
    ... except jsoclite.QueryError as error:
    ...     print(error)
    the server refused hmi.M_720s[2014.01.01_TAI][? QUALITY = 'good' ?]: ERROR: ... type integer: "good".
    """

    def __init__(self, message: str, *, record_set: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.record_set, self.status = record_set, status


class TooMany(QueryError, ValueError):
    """
    More records or files than somebody may have meant, such as those of a whole mission; none was fetched.

    Parameters
    ----------
    message : str
        Number, size, time, and how to go on.
    count : int
        How many there are.
    record_set : str, optional
        The record set that was asked for.

    Examples
    --------
    >>> try:
    ...     client.query("hmi.M_720s")
    ... except jsoclite.TooMany as error:
    ...     print(error)
    hmi.M_720s has ... records: about ... MB and ... If you mean them all, pass limit=...; ...
    """

    def __init__(self, message: str, count: int = 0, *, record_set: str | None = None) -> None:
        super().__init__(message, record_set=record_set)
        self.count = count


class UnknownSeries(QueryError, LookupError):
    """
    No series of that name; the text names similar ones. Also a `LookupError`.

    Examples
    --------
    >>> try:
    ...     client.pkeys("aia.lev1_euv_12")
    ... except jsoclite.UnknownSeries as error:
    ...     print(error)
    there is no series aia.lev1_euv_12. Did you mean aia.lev1_euv_12s or ...?
    """


class UnknownName(QueryError, LookupError):
    """
    No such keyword, segment, link or prime key in the series; the text names similar ones. Also a `LookupError`.

    Examples
    --------
    >>> try:
    ...     client.query("hmi.M_720s[2014.01.01_TAI]", keywords="QUALTY")
    ... except jsoclite.UnknownName as error:
    ...     print(error)
    hmi.M_720s has no keyword 'QUALTY'. Did you mean QUALITY?
    """


class EmailError(JsocError, ValueError):
    """
    No e-mail address where an export needs one, or one that is not registered: the text shows ``n…@inst.edu`` of it.

    Queries, and files that come straight from SUMS, need none.

    Examples
    --------
    >>> with jsoclite.Sandbox(email="me@example.org") as sandbox:
    ...     try:
    ...         sandbox.client(email="you@example.org").export("hmi.M_720s[2014.01.01_TAI]")
    ...     except jsoclite.EmailError as error:
    ...         print(error)
    JSOC does not know the e-mail address y…@example.org. Register it once at http://jsoc.stanford.edu/ajax/...
    """


class ExportError(JsocError, _DrmsExportError):
    """
    An export request failed.

    Parameters
    ----------
    message : str
        The server's words and the remedy.
    request_id : str, optional
        The id that JSOC gave the request.
    status : int, optional
        JSOC's status code.
    record_set : str, optional
        The record set that was to be exported.
    pending : sequence of str
        Status 7 only: ids of the requests that are in the way.

    Examples
    --------
    >>> try:
    ...     client.export("aia.master_pointing3h[2014.01.01_TAI/3h]").wait()
    ... except jsoclite.ExportError as error:
    ...     print(f"{type(error).__name__} {error.status}, {error.record_set}")
    ExportFailed 4, aia.master_pointing3h[2014.01.01_TAI/3h]
    """

    def __init__(
        self,
        message: str,
        *,
        request_id: str | None = None,
        status: int | None = None,
        record_set: str | None = None,
        pending: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.request_id, self.status, self.record_set = request_id, status, record_set
        self.pending = tuple(pending)


class ExportTooLarge(ExportError):
    """
    Status 3: more bytes than JSOC gives in one request, 100 GB (jsoc_fetch.c).

    Examples
    --------
    >>> with jsoclite.Sandbox(size_limit_mb=0) as sandbox:
    ...     try:
    ...         sandbox.client().export("hmi.M_720s[2014.01.01_TAI]").wait()
    ...     except jsoclite.ExportTooLarge as error:
    ...         print(error)
    export hmi.M_720s[2014.01.01_TAI] failed with status 3: ... Export fewer records at once, or let a cutout or
    rebin step make them smaller.
    """


class ExportFailed(ExportError):
    """
    Status 4, -1 or unknown: JSOC could not do it. Also status 6: JSOC does not know the request.

    Examples
    --------
    >>> try:
    ...     client.export("aia.master_pointing3h[2014.01.01_TAI/3h]").wait()
    ... except jsoclite.ExportFailed as error:
    ...     print(error)
    export aia.master_pointing3h[2014.01.01_TAI/3h] failed with status 4: There are no files in this RecordSet. ...
    """


class ExportExpired(ExportError):
    """
    Status 5: the request was done, but JSOC has deleted its files (after seven days, jsoc_fetch.c).

    Examples
    --------
    >>> with jsoclite.Sandbox(staging_s=0) as sandbox:
    ...     (name,) = sandbox.client().export("hmi.M_720s[2014.01.01_TAI/1h]").wait().ids
    ...     sandbox.staging.expire(name)                        # seven days later
    ...     try:
    ...         sandbox.client().attach(name).wait()
    ...     except jsoclite.ExportExpired as error:
    ...         print(error)
    export request JSOC_... failed with status 5: ... JSOC keeps exported files for seven days. Export the rows again.
    """


class ExportLimit(ExportError):
    """
    Status 7: an earlier request of this address, or too many of this host, are still pending.

    `Export.wait` and `Client.download` do not raise it: they wait for what is in the way, then offer the request again.
    It is for those who read JSOC's answers themselves.

    Examples
    --------
    >>> from jsoclite.export.reply import read_reply, reply_error
    >>> answer = {"status": 7, "error": "User has pending export requests (JSOC_20141117_001)"}
    >>> try:
    ...     raise reply_error(read_reply(answer, "http://jsoc.stanford.edu"), "hmi.M_720s[2014.01.01_TAI]")
    ... except jsoclite.ExportLimit as error:
    ...     print(error.pending)
    ('JSOC_20141117_001',)
    """


class ExportOffline(ExportError):
    """
    Status 25: files are offline and JSOC asks for an e-mail before they are brought back.

    `Client.download` brings the other files all the same, and says in the manifest which ones are on tape.

    Examples
    --------
    >>> df = client.query("hmi.M_720s[2011.01.08_TAI]{magnetogram}")
    >>> df.online.tolist()
    [False]
    >>> try:
    ...     client.export(df).wait()
    ... except jsoclite.ExportOffline as error:
    ...     print(error)
    export hmi.M_720s[:#...]{magnetogram} failed with status 25: ... The files are on tape: ask ...
    """


class StagingTimeout(JsocError, TimeoutError):
    """
    Waiting ended before the request was done. The request lives on at JSOC.

    Parameters
    ----------
    message : str
        What was waited for, and how to go on.
    request_id : str, optional
        The id to attach to later.

    Examples
    --------
    >>> with jsoclite.Sandbox(staging_s=3600) as sandbox:
    ...     try:
    ...         sandbox.client().export("hmi.M_720s[2014.01.01_TAI]").wait(timeout=0)
    ...     except jsoclite.StagingTimeout as error:
    ...         print(error)
    JSOC_... was still queued after 0 s. It lives on: wait again, or Client.attach('JSOC_...') later.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class DownloadError(JsocError):
    """
    Some wanted files are not there. Everything that could be fetched was.

    Parameters
    ----------
    message : str
        How many and why.
    manifest : pandas.DataFrame, optional
        One row a wanted file, as `Client.download` returns it.

    Examples
    --------
    >>> with jsoclite.Sandbox(faults=["404@file"]) as sandbox:
    ...     try:
    ...         sandbox.client().download("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}", "data")
    ...     except jsoclite.DownloadError as error:
    ...         print(error)
    ...         again = error.manifest[error.manifest.status == "failed"]
    2 of 2 files failed: HTTP 404: the server has no such file (any more); ... (2 x). Run the same line again ...
    >>> files = client.download(again, "data")
    >>> files.status.tolist()
    ['downloaded', 'downloaded']
    """

    def __init__(self, message: str, manifest: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.manifest = manifest

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.manifest)


class JsocWarning(UserWarning):
    """
    What the server would do, or leave out, without a word.

    Examples
    --------
    A check that nothing of the kind goes unseen, for a script:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", jsoclite.JsocWarning)
    ...     try:
    ...         client.query("hmi.M_720s[2014-01-01T00:00:00-2014-01-02T00:00:00]")
    ...     except jsoclite.JsocWarning as warning:
    ...         print(warning)
    [2014-01-01T00:00:00-2014-01-02T00:00:00]: the server takes -2014 for a time zone, ... a duration behind a slash
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*_shown(arguments))


#: How Python says that a value is not what it should be: what a server sends is not trusted to be.
UNFIT = (AttributeError, LookupError, MemoryError, OverflowError, RecursionError, TypeError, ValueError)


def warn(message: str) -> None:
    """Warn at the line of the caller's own code, however deep inside jsoclite the reason was found."""
    level = 2  # 1 is this function
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame = frame.f_back
        level += 1
    warnings.warn(message, JsocWarning, stacklevel=level)


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
