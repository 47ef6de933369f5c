"""Names checked against the definition of a series, with the nearest right one in the error."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .errors import QueryError, UnknownName, UnknownSeries

if TYPE_CHECKING:
    from .series import SeriesInfo
    from .server.http import Transport

__all__ = [
    "check_names",
    "check_pattern",
    "find_name",
    "find_prime_key",
    "find_series",
    "prime_time_key",
    "without_time",
]

# what jsoc_info understands besides the series' own keywords
PSEUDO = re.compile(r"\*\*(ALL|NONE)\*\*|\*(recnum|sunum|size|online|retain|archive|recdir|logdir|dirmtime|spec)\*")


# what other clients call their arguments, and what comes close here
_ARGUMENTS = {
    "key": "keywords=",
    "keys": "keywords=",
    "keyword": "keywords=",
    "seg": "segments=",
    "segs": "segments=",
    "segment": "segments=",
    "n": "limit=",
    "count": "limit=",
    "step": "cadence=",
    "sample": "cadence=",
}


def check_pattern(pattern: str | None) -> None:
    """
    Check that a pattern for series is a regular expression, because one that is none ends show_series without a reply.

    Raises
    ------
    QueryError
        If it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python finds [[:alpha:]] strange, POSIX does not
            re.compile(pattern or "")
    except re.error as error:
        raise QueryError(
            f"{pattern!r} is no regular expression: {error}. It is found anywhere in the name, so that no stars are "
            r"needed around it; '.*' stands for anything, '\.' for a dot"
        ) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what may have been meant, empty if nothing comes near."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(by_lower[one] for one in close)}?" if close else ""


def find_name(name: str, known: Iterable[str], what: str, series: str) -> str:
    """
    Return the name as the series spells it.

    Raises
    ------
    UnknownName
        If the series has none of that name, in any case.
    """
    known = list(known)
    if name in known:
        return name
    for one in known:
        if one.lower() == name.lower():
            return one
    argument = _ARGUMENTS.get(name.lower()) if what == "prime key" else None
    if argument:
        raise UnknownName(f"{series} has no prime key {name!r}. Did you mean {argument}?", record_set=series)
    hint = nearest(name, known) or (f" It has {', '.join(known)}." if 0 < len(known) <= 20 else "")
    raise UnknownName(f"{series} has no {what} {name!r}.{hint}", record_set=series)


def find_prime_key(name: str, info: SeriesInfo) -> str:
    """
    Return the prime key as the series spells it.

    Raises
    ------
    UnknownName
        If it has none of that name; for keywords of that name, the text says how to use them.
    """
    known = [key for key in info.primekeys or [] if key]
    if name.lower() not in (key.lower() for key in known):
        keyword = next((one for one in info.keywords.index if str(one).lower() == name.lower()), None)
        if keyword is not None:
            raise UnknownName(
                f"{keyword} is a keyword of {info.name}, and no prime key ({', '.join(known) or 'it has none'}); "
                f"write where={{{str(keyword)!r}: …}}",
                record_set=info.name,
            )
    return find_name(name, known, "prime key", str(info.name))


def check_names(names: Sequence[str], known: Iterable[str], what: str, series: str) -> list[str]:
    """
    Return `names`, as typed where they are keywords, once all of them are known to exist.

    Keywords keep the case they were typed in, because that is how their columns are to be called; per-segment keywords
    (``NAME_000``) and pseudo-keywords (``*size*``) pass.
    """
    known = list(known)
    found = []
    for name in names:
        if what == "keyword":
            if not PSEUDO.fullmatch(name):
                base = re.sub(r"_\d{3}$", "", name)
                if base not in known:
                    find_name(name, known, what, series)
            found.append(name)
        else:
            found.append(find_name(name, known, what, series))
    return found


def find_series(transport: Transport, name: str) -> SeriesInfo:
    """
    Ask for the definition of a series.

    Raises
    ------
    UnknownSeries
        If there is none; similar names are looked up for the text.
    """
    from .series import SeriesInfo

    if not re.fullmatch(r"[A-Za-z]\w*\.\w+", name):
        raise UnknownSeries(f"{name!r} is no series name; they look like hmi.M_720s", record_set=name)
    reply = transport.series_struct(name)
    if reply.get("status") != 0:
        said = str(reply.get("error") or "").strip()
        if "not found" not in said and "invalid" not in said:
            raise QueryError(f"the server cannot describe {name}: {said or 'no reason given'}", record_set=name)
        raise UnknownSeries(f"there is no series {name}.{_similar(transport, name)}", record_set=name)
    # the server answers in any case; its own spelling is in the names of records
    first = str(reply.get("Interval", {}).get("FirstRecord", ""))
    spelled = first.partition("[")[0]
    return SeriesInfo(reply, name=spelled if spelled.lower() == name.lower() else name)


def _similar(transport: Transport, name: str) -> str:
    namespace = re.escape(name.partition(".")[0])
    try:
        listed = [item["name"] for item in transport.show_series(f"^{namespace}\\.").get("names", [])]
    except Exception:
        return " Look at Client.series()."
    return nearest(name, listed) or " Look at Client.series()."


def prime_time_key(info: SeriesInfo) -> str | None:
    """Return the first prime key that is a time, None if there is none."""
    for key in info.primekeys or []:
        if key in info.keywords.index and info.keywords.loc[key, "type"] == "time":
            return str(key)
    return None


def without_time(info: SeriesInfo) -> UnknownName:
    """Return the error for a time asked of a series that is not ordered by time; it names how else to select."""
    prime = [key for key in info.primekeys or [] if key]
    times = [
        str(key) for key, kind in info.keywords["type"].items() if kind == "time" and not str(key).startswith("DATE")
    ]
    best = next((key for key in ("T_OBS", "T_START", "MidTime") if key in times), times[0] if times else None)
    other = f"a keyword that is a time: where='{best} > $(2014.01.01_TAI)'" if best else "where=…"
    by_keys = f"by these, such as {prime[0]}=(first, last), or by " if prime else "by "
    return UnknownName(
        f"{info.name} has no time among its prime keys ({', '.join(prime) or 'it has none'}); select {by_keys}{other}",
        record_set=info.name,
    )
