"""
`RecordSet`: a set of DRMS records, as a value.

Built from times, wavelengths, prime keys and conditions, or read from a string; printed as what goes over the wire. No
network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RecordSetError
from .build import key_filter, segment_names, series_name, time_filter, wavelengths
from .language import Element, scan
from .setparts import TIME_KEYS, braces_for_angles, by_name, by_position, changed, check, closed, print_element
from .where import sql_filter

if TYPE_CHECKING:
    from ..series import SeriesInfo


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
        `end`: all up to it. `start` may be a list of single times.
    cadence : str, timedelta, Quantity or number of seconds, optional
        Take the records at whole multiples of it from `start` on. The server rounds it to whole steps of the series
        and does not look for neighbours of missing records.
    duration : str, timedelta, Quantity or number of seconds, optional
        Length of the range, instead of `end`.
    wavelength : number, Quantity or sequence of these, optional
        Values of WAVELNTH, in angstrom where they have no unit.
    segments : str or sequence of str, optional
        Names of segments.
    where : str, mapping or sequence of conditions, optional
        Conditions on any keyword of the series itself: SQL, ``{"QUALITY": 0}``, ``{"T_OBS": (">", time)}``,
        ``[("USFLUX", ">", 1e22), "QUALITY & 0x80000000 = 0"]``. The server applies them to the newest version of each
        record.
    all_versions : bool
        Take superseded versions of records too.
    order : sequence of str, optional
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
        order: Sequence[str] | None = None,
        time_key: str | None = None,
        **prime_keys: Any,
    ) -> None:
        names = segment_names(segments)
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
            character. `jsoclite.language.FatalSetError` for what would kill its program or make it loop for ever.

        Examples
        --------
        >>> str(RecordSet.parse("hmi.M_720s [2014.01.01_TAI/1h] <magnetogram>  # a comment"))
        'hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}'
        """
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise RecordSetError(f"{text!r} is no record set: give a string such as 'hmi.M_720s[2014.01.01_TAI/1h]'")
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
        from .describe import html

        return html(self, self._arguments)

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
            object.__setattr__(self, "_elements", scan(self._text))
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
        from .problems import problems

        return problems(self, info)


def _unpickle(text: str, arguments: dict[str, Any] | None) -> RecordSet:
    self = RecordSet.__new__(RecordSet)
    self._set(text, None, arguments)
    return self
