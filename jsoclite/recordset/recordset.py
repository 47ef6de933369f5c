"""
`RecordSet`: a set of DRMS records, as a value.

Built from times, wavelengths, prime keys and conditions, or read from a string; printed as what goes over the wire. No
network. Below the class: checking, printing and changing the elements of a set.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import RecordSetError, UnknownName, shown
from ..series import SeriesInfo, as_list, check_names, find_prime_key, prime_time_key, without_time
from ..times import DrmsTime
from .build import (
    TIME_KEYS,
    apart,
    by_name,
    by_position,
    key_filter,
    read_by_look,
    segment_names,
    series_name,
    time_filter,
    wavelengths,
)  # fmt: skip
from .describe import html
from .filters import read_recnums, read_sql
from .grammar import Element, ElementKind, FilterKind, RawFilter
from .problems import numbers_of, problems, span_of
from .scan import scan_set
from .where import check_condition, sql_filter, where_text


class RecordSet:
    """
    A set of records: a series, filters, segments.

    Immutable and hashable; ``str()`` is what goes over the wire.

    Parameters
    ----------
    series : str
        Name of the series.
    start, end : time, optional
        One time, or a range with both ends included; see `jsoclite.parse_time`, times without a zone are UTC. Only
        `end`: all up to it. `start` may be a list of single times, or a tuple: a range.
    cadence : str, timedelta, Quantity or number of seconds, optional
        Take the records at whole multiples of it from `start` on. The server rounds it to whole steps of the series
        and does not look for neighbours of missing records.
    duration : str, timedelta, Quantity or number of seconds, optional
        Length of the range, instead of `end`.
    wavelength : number, Quantity or sequence of these, optional
        Values of WAVELNTH, in angstrom where they have no unit; a list, or a tuple: a range.
    segments : str or sequence of str, optional
        Names of segments.
    where : str, mapping or sequence of conditions, optional
        Conditions on any keyword of the series itself: SQL, ``{"QUALITY": 0}``, ``{"T_OBS": (">", time)}``, a range
        ``{"EXPTIME": (1.8, 2.2)}``,
        ``[("USFLUX", ">", 1e22), "QUALITY & 0x80000000 = 0"]``. The server applies them to the newest version of each
        record.
    all_versions : bool
        Take superseded versions of records too.
    order : str or sequence of str, optional
        The series' prime keys in order. Filters are then written by position, with ``[]`` for keys that are left open,
        and unknown keys are errors; `wavelength` is a condition where WAVELNTH is none of them. Without it all filters
        are named once a prime key is.
    time_key : str, optional
        Prime key that `start` and `end` are about, where it is not T_REC.
    **prime_keys
        Values of other prime keys: a value, a list of values, a range as a tuple or slice (both ends included, None
        where open).

    Raises
    ------
    RecordSetError
        For everything that the server would refuse, die of, or answer with nothing; see also `problems`.

    Examples
    --------
    >>> str(RecordSet("hmi.B_720s", "2015.08.27_05:00:00_TAI", "2015.08.27_06:00:00_TAI", "24m", segments=["field"]))
    'hmi.B_720s[2015.08.27_05:00:00_TAI-2015.08.27_06:00:00_TAI@24m]{field}'
    >>> str(RecordSet("hmi.sharp_cea_720s", "2011.02.14_TAI", duration="1d", HARPNUM=377, where={"QUALITY": 0}))
    'hmi.sharp_cea_720s[HARPNUM=377][T_REC=2011.02.14_00:00:00_TAI/1d][? QUALITY = 0 ?]'
    """

    __slots__ = ("_arguments", "_elements", "_text")

    _arguments: dict[str, Any] | None
    _elements: tuple[Element, ...] | None
    _text: str

    def __init__(
        self,
        series: str,
        start: Any = None,
        end: Any = None,
        cadence: Any = None,
        *,
        duration: Any = None,
        wavelength: Any = None,
        segments: str | Iterable[str] | None = None,
        where: Any = None,
        all_versions: bool = False,
        order: str | Sequence[str] | None = None,
        time_key: str | None = None,
        **prime_keys: Any,
    ) -> None:
        names, order = segment_names(segments), as_list(order)
        arguments = {
            "series": series,
            "start": start,
            "end": end,
            "cadence": cadence,
            "duration": duration,
            "wavelength": wavelength,
            "segments": names,
            "where": copy.copy(where),
            "all_versions": all_versions,
            "order": None if order is None else tuple(order),
            "time_key": time_key,
            # `replace` must not see what becomes of a list later
            **{key: list(value) if isinstance(value, list) else value for key, value in prime_keys.items()},
        }
        filters: dict[str, str] = {}
        for key, value in prime_keys.items():
            text = key_filter(key, value)
            if text is not None:
                filters[key] = text
        times = time_filter(start, end, cadence, duration)
        waves = wavelengths(wavelength)
        band = ""
        text = series_name(series)
        if order is not None and waves is not None and "wavelnth" not in {name.lower() for name in order}:
            # a keyword like others, as in aia.lev1
            band = f"[? WAVELNTH in ({waves.replace(',', ', ')}) ?]"
            waves = None
        if order is not None:
            text += by_position(order, filters, times, time_key, waves)
        elif filters or (time_key is not None and times is not None):
            text += by_name(filters, times, time_key or TIME_KEYS[0], waves)
        elif times is not None or waves is not None:
            text += f"[{times or ''}]" + ("" if waves is None else f"[{waves}]")
        text += band
        condition = sql_filter(where, all_versions)
        if condition is not None:
            text += f"[{condition}]"
        if names is not None:
            text += f"{{{','.join(names)}}}"
        self._set(text, None, arguments)

    def _set(self, text: str, elements: tuple[Element, ...] | None, arguments: dict[str, Any] | None) -> None:
        object.__setattr__(self, "_text", text)
        object.__setattr__(self, "_elements", elements)
        object.__setattr__(self, "_arguments", arguments)

    @classmethod
    def parse(cls, text: str | RecordSet) -> RecordSet:
        """
        Read a record set.

        Parameters
        ----------
        text : str or RecordSet
            Any record set that DRMS takes; ``<field,azimuth>`` is read as ``{field,azimuth}``, which the server
            insists on.

        Returns
        -------
        RecordSet
            Prints as the text, without comments and the blanks between brackets. A bare series name before a comma, of
            which the server drops the last letter, gets a ``[]``.

        Raises
        ------
        RecordSetError
            For what the server does not accept, whatever the types of the prime keys; the message points at the
            character. A `FatalSetError` (in `jsoclite.recordset.language`) for what would kill its program or make it
            loop for ever.

        Examples
        --------
        >>> str(RecordSet.parse("hmi.M_720s [2014.01.01_TAI/1h] <magnetogram>  # a comment"))
        'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}'
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            hint = "give a string such as 'hmi.M_720s[2014.01.01_TAI/1h]'"
            if hasattr(text, "iloc"):
                hint = "these rows are what it holds; df.jsoc.record_sets() names them in record sets"
            elif isinstance(text, list | tuple):
                hint = "query each and use pandas.concat, or join sets of one series: ','.join(…)"
            raise RecordSetError(f"{shown(text)} is no record set: {hint}")
        elements = check(braces_for_angles(text))
        self = cls.__new__(cls)
        last = len(elements) - 1
        printed = ",".join(print_element(element, bare=number == last) for number, element in enumerate(elements))
        # the elements of what is printed, so that positions are its own
        self._set(printed, elements if printed == text else None, None)
        return self

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"RecordSet.parse({self._text!r})"

    def _repr_html_(self) -> str:
        return html(self._text, self.elements, self.problems(), self._arguments)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, RecordSet) else NotImplemented

    def __hash__(self) -> int:
        return hash((RecordSet, self._text))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a RecordSet is immutable: use replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a RecordSet is immutable")

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self._text, self._arguments)

    @property
    def elements(self) -> tuple[Element, ...]:
        """
        The elements of a comma-joined set; positions are those of ``str()``.

        Examples
        --------
        >>> rs = RecordSet.parse("hmi.M_720s[2014.01.01_TAI],hmi.M_720s[2014.02.01_TAI]")
        >>> [element.filters[0].text for element in rs.elements]
        ['2014.01.01_TAI', '2014.02.01_TAI']
        """
        if self._elements is None:
            object.__setattr__(self, "_elements", scan_set(self._text))
        assert self._elements is not None
        return self._elements

    @property
    def series(self) -> str:
        """
        Name of the series; of the first element where there are several.

        Examples
        --------
        >>> RecordSet.parse("hmi.M_720s[2014.01.01_TAI]{magnetogram}").series
        'hmi.M_720s'
        """
        return self.elements[0].series

    @property
    def segments(self) -> tuple[str, ...] | None:
        """
        Names of the segments of the first element, None where none are named.

        Examples
        --------
        >>> RecordSet.parse("hmi.B_720s[2014.01.01_TAI]{field,azimuth}").segments
        ('field', 'azimuth')
        """
        return self.elements[0].segments

    def __iter__(self) -> Iterator[RecordSet]:
        """The elements as sets of their own."""
        for element in self.elements:
            yield RecordSet._of([print_element(element, bare=True)])

    @classmethod
    def _of(cls, elements: Iterable[str]) -> RecordSet:
        self = cls.__new__(cls)
        self._set(",".join(elements), None, None)
        return self

    def with_segments(self, segments: str | Iterable[str] | None) -> RecordSet:
        """
        The same records with these segments, in all elements; None drops the list.

        Raises
        ------
        RecordSetError
            For what cannot be the name of a segment.

        Examples
        --------
        >>> str(RecordSet.parse("hmi.B_720s[2014.01.01_TAI]").with_segments(["field", "azimuth"]))
        'hmi.B_720s[2014.01.01_TAI]{field,azimuth}'
        """
        names = segment_names(segments)
        if len(self.elements) == 1 and self._arguments is not None:
            return self.replace(segments=names)
        return self._with_segments(names)

    def _with_segments(self, names: tuple[str, ...] | None) -> RecordSet:
        last = len(self.elements) - 1
        return self._of(
            print_element(element, bare=number == last, segments=names) for number, element in enumerate(self.elements)
        )

    def __or__(self, other: RecordSet | str) -> RecordSet:
        """
        Join with another set of the same series; elements that both have stand once.

        The server answers with the records of one element after those of the other, and does not drop records that
        both select.
        """
        if not isinstance(other, RecordSet | str):
            return NotImplemented
        other = RecordSet.parse(other)
        names = {element.series.lower() for element in (*self.elements, *other.elements)}
        if len(names) > 1:
            raise RecordSetError(f"only sets of one series can be joined, not of {' and '.join(sorted(names))}")
        elements = list(
            dict.fromkeys(print_element(element, bare=True) for element in (*self.elements, *other.elements))
        )
        return self._of([closed(text) for text in elements[:-1]] + elements[-1:])

    def __ror__(self, other: str) -> RecordSet:
        return RecordSet.parse(other) | self

    def replace(self, **changes: Any) -> RecordSet:
        """
        The same set with some arguments changed.

        Parameters
        ----------
        **changes
            Arguments of `RecordSet`; None takes one away. Of a set that was read from a string only `series`,
            `segments`, `where` and prime keys that are named in it can be changed.

        Raises
        ------
        RecordSetError
            For an argument that this set cannot change, and see `RecordSet`.

        Examples
        --------
        >>> str(RecordSet("hmi.M_45s", "2014.01.01_TAI", duration="1h").replace(duration="2h"))
        'hmi.M_45s[2014.01.01_00:00:00_TAI/2h]'
        """
        if self._arguments is not None:
            arguments = {**self._arguments, **changes}
            if changes.get("end") is not None and "duration" not in changes:
                arguments["duration"] = None
            if changes.get("duration") is not None and "end" not in changes:
                arguments["end"] = None
            return RecordSet(**arguments)
        result = self
        for name, value in changes.items():
            if name == "segments":
                result = result._with_segments(segment_names(value))
            else:
                last = len(result.elements) - 1
                result = RecordSet.parse(
                    ",".join(
                        changed(element, name, value, bare=number == last)
                        for number, element in enumerate(result.elements)
                    )
                )
        return result

    def for_series(self, info: SeriesInfo) -> RecordSet:
        """
        The same set in the spelling and the order of its series: filters by position, ``[]`` for what is left open.

        Parameters
        ----------
        info : SeriesInfo
            Definition of the series; what the set was built from is held against it.

        Raises
        ------
        UnknownName
            For a prime key, segment or keyword in a condition that the series does not have, and for times of a series
            without any.

        Examples
        --------
        >>> rs = RecordSet("HMI.sharp_cea_720s", "2011.02.14_TAI", harpnum=377)
        >>> str(rs), str(rs.for_series(client.info("hmi.sharp_cea_720s")))
        ('HMI.sharp_cea_720s[harpnum=377][T_REC=2011.02.14_00:00:00_TAI]',
         'hmi.sharp_cea_720s[377][2011.02.14_00:00:00_TAI]')
        """
        if self._arguments is None:
            return self
        given = dict(self._arguments)
        known = [key for key in info.primekeys or () if key]
        own = {key: value for key, value in given.items() if key not in _ARGUMENTS}
        values = {find_prime_key(key, info): value for key, value in own.items()}
        time_key = prime_time_key(info)
        if time_key is None and any(given[name] is not None for name in ("start", "end", "cadence", "duration")):
            raise without_time(info)
        if given["wavelength"] is not None and "WAVELNTH" not in known:
            has = "WAVELNTH" in info.keywords.index
            raise UnknownName(
                f"WAVELNTH is no prime key of {info.name} ({', '.join(known) or 'it has none'}); "
                + ("write where='WAVELNTH = …'" if has else "leave out wavelength="),
                record_set=info.name,
            )
        names = given["segments"]
        if names is not None:
            stored = [str(name) for name in info.segments.index]
            names = stored if "**ALL**" in names else check_names(names, stored, "segment", info.name)
        if condition := where_text(given["where"]):
            check_condition(condition, info)
        given = {name: value for name, value in given.items() if name in _ARGUMENTS}
        changes = {"series": info.name, "segments": names, "order": known, "time_key": time_key or TIME_KEYS[0]}
        return RecordSet(**{**given, **changes, **values})

    def numbers(self, info: SeriesInfo) -> dict[str, list[int]]:
        """
        The single whole numbers that are asked of prime keys, by key; ranges and other values are none.

        Parameters
        ----------
        info : SeriesInfo
            Definition of the series.

        Examples
        --------
        >>> rs = RecordSet.parse("hmi.sharp_cea_720s[377,394][2011.02.14_TAI]")
        >>> rs.numbers(client.info(rs.series))
        {'HARPNUM': [377, 394]}
        """
        return numbers_of(self.elements, info)

    def span(self, info: SeriesInfo) -> tuple[DrmsTime, DrmsTime] | None:
        """
        The two ends of a range of times, None where it is none, or several.

        Parameters
        ----------
        info : SeriesInfo
            Definition of the series.

        Examples
        --------
        >>> rs = RecordSet.parse("hmi.M_720s[2014.01.01_TAI-2014.01.02_TAI]")
        >>> rs.span(client.info(rs.series))[1].tai
        '2014.01.02_00:00:00_TAI'
        """
        return span_of(self.elements, info)

    def problems(self, info: SeriesInfo | None = None) -> list[str]:
        """
        What the server would get wrong in silence, or choke on.

        Parameters
        ----------
        info : SeriesInfo, optional
            Definition of the series; without it only what the text shows is found.

        Returns
        -------
        list of str
            Each says what the server would do and how to write it instead; empty where nothing is wrong.

        Examples
        --------
        >>> RecordSet.parse("hmi.M_720s[2014-01-01T00:00:00-2014-01-02T00:00:00]").problems()[0][:60]
        '[2014-01-01T00:00:00-2014-01-02T00:00:00]: the server takes '
        """
        return problems(self.elements, len(self._text), info)


_ARGUMENTS = (
    "series", "start", "end", "cadence", "duration", "wavelength", "segments", "where", "all_versions", "order",
    "time_key",
)  # fmt: skip


def _unpickle(text: str, arguments: dict[str, Any] | None) -> RecordSet:
    self = RecordSet.__new__(RecordSet)
    self._set(text, None, arguments)
    return self


_ANGLES = re.compile(r"<\s*([A-Za-z_*][\w*]*(?:\s*,\s*[A-Za-z_*][\w*]*)*)\s*>(?=\s*(?:,|;|#|$))")
# ours, by the thousand: numbers and ranges with both ends, which nothing is wrong with
_PLAIN_NUMBERS = re.compile(r":(?:#\d++(?:-#\d++(?:@\d++)?)?(?:,(?=#)|$))+", re.ASCII)


def check(text: str) -> tuple[Element, ...]:
    """Scan a set and read its filters as far as that goes without the types of the keys."""
    elements = scan_set(text)
    if any(element.cut for element in elements):
        # printed with a [] behind it the name will be read as it is
        elements = tuple(
            dataclasses.replace(element, series=text[element.start : element.end]) if element.cut else element
            for element in elements
        )
    for element in elements:
        if element.kind is not ElementKind.DRMS:
            raise RecordSetError(
                "only a series can be selected from: the server would look for a file", text, element.start
            )
        if not _is_series(element):
            raise RecordSetError(
                f"{element.series!r} is no series name: letters, digits, underscores and points, at most 63 characters",
                text,
                element.start,
            )
        for raw in element.filters:
            _check_filter(text, raw)
    if not elements:
        raise RecordSetError("a record set needs a series", text, 0)
    return elements


def _is_series(element: Element) -> bool:
    return len(element.series) < 64 and re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", element.series) is not None


def _check_filter(text: str, raw: RawFilter) -> None:
    # a brace inside a filter is left to `problems`: what counts here is what was meant
    whole = RawFilter(raw.kind, raw.text, raw.start) if "{" in raw.text or raw.source == "\0" else raw
    try:
        if raw.kind is FilterKind.KEY:
            read_by_look(whole)
        elif raw.kind is FilterKind.RECNUM and not _PLAIN_NUMBERS.fullmatch(raw.text):
            read_recnums(whole)
        elif raw.kind in (FilterKind.SQL, FilterKind.SQL_ALL):
            read_sql(whole)
    except RecordSetError as error:
        message = str(error).partition("\n")[0]
        position = raw.start + max((error.position or 1) - 1, 0)
        raise type(error)(message, text, min(position, len(text))) from None


def braces_for_angles(text: str) -> str:
    """Segment lists in angle brackets, rewritten; not what stands inside filters."""
    if "<" not in text:
        return text
    for match in _ANGLES.finditer(text):
        before = text[: match.start()]
        try:
            ends = scan_set(before.rstrip() or "x")
        except RecordSetError:
            continue  # inside a bracket
        if ends and ends[-1].segments is None:
            return braces_for_angles(f"{before}{{{match[1]}}}{text[match.end() :]}")
    return text


def print_element(element: Element, *, bare: bool, segments: Any = ...) -> str:
    """Text of an element; a bare series name only where `bare` allows it."""
    names = element.segments if segments is ... else segments
    text = element.series + "".join(f"[{raw.text}]" for raw in element.filters)
    if not element.filters and names is None and not bare:
        text += "[]"
    return text if names is None else f"{text}{{{','.join(names)}}}"


def closed(text: str) -> str:
    """Text of an element that another can follow: the server drops the last letter of a bare name before a comma."""
    return text if text[-1] in "]}" else f"{text}[]"


def changed(element: Element, name: str, value: Any, *, bare: bool) -> str:
    """One element of a set that was read, with one argument changed."""
    series, filters = element.series, [raw.text for raw in element.filters]
    if name == "series":
        series = series_name(value)
    elif name == "where":
        kept = [raw.text for raw in element.filters if raw.kind not in (FilterKind.SQL, FilterKind.SQL_ALL)]
        condition = sql_filter(value)
        filters = kept if condition is None else [*kept, condition]
    else:
        places = [
            place
            for place, raw in enumerate(element.filters)
            if raw.kind is FilterKind.KEY and re.match(rf"\s*{re.escape(name)}\s*=", raw.text, re.IGNORECASE)
        ]
        if not places:
            raise RecordSetError(
                f"{name} cannot be replaced in {print_element(element, bare=True)}: the set was read from a string and "
                "does not name it"
            )
        text = key_filter(name, value)
        filters[places[0] : places[0] + 1] = [] if text is None else [f"{name}={apart(text)}"]
    text = series + "".join(f"[{one}]" for one in filters)
    if not filters and element.segments is None and not bare:
        text += "[]"
    return text if element.segments is None else f"{text}{{{','.join(element.segments)}}}"
