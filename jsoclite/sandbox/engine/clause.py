"""
From filters to SQL: the WHERE clause that the server makes of one element of a record set.

`sql_record_set_filter` and what it calls (drms_names.c), blank by blank, because PostgreSQL's messages quote the text,
and with its quirks, because they decide what is found: ``^`` and ``$`` see the filters before them; in a list that
begins with one of them the values of a slotted key are never turned into slots; without a shadow table the clause goes
through ``printf`` once.

The text is evaluated by `postgres`, which can do nothing but read; there is no database. `statement` is what the server
would send to PostgreSQL, of which messages quote a part.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...errors import RecordSetError
from ...recordset import filter_name, language, read_filter, read_recnums, read_sql
from ..catalog import Keyword, schema

# ruff: noqa: S608 - the SQL built here is never sent anywhere


_KINDS: Final = {kind: language.Kind[name] for kind, name in schema.data("postgres")["kinds"].items()}
_BITS: Final = {"char": 8, "short": 16, "int": 32, "longlong": 64, "float": 32, "double": 64}
_ONE: Final = (language.Slot, language.SlotFirst, language.SlotLast)
_ENDS: Final = (language.First, language.Last, language.SlotFirst, language.SlotLast)
_REAL_FORMATS: Final = {"float": ".9g", "time": "f"}


@dataclass(frozen=True, slots=True)
class Clause:
    """
    The condition of one element.

    Attributes
    ----------
    text : str
        WHERE clause, empty where nothing is constrained.
    all_versions : bool
        Whether superseded records count: after ``[! !]`` or ``[:#…]``.
    sql : bool
        Whether an SQL filter is part of it.
    prime, other : str
        The filters of prime keys, and all others, as the server holds them apart for a shadow table.
    first_last : bool
        Whether a prime key is asked for its first or last value.
    """

    text: str
    all_versions: bool = False
    sql: bool = False
    prime: str = ""
    other: str = ""
    first_last: bool = False


def clause(definition: schema.SeriesDefinition, element: language.Element, shadow: bool = False) -> Clause:
    """
    Build the condition of an element.

    Parameters
    ----------
    definition : SeriesDefinition
        The element's series.
    element : Element
        As scanned.
    shadow : bool
        Whether the series has a shadow table; without one the server uses the clause as a printf format once.

    Raises
    ------
    RecordSetError
        For what the server answers with "series not found".
    FatalSetError
        For what kills its program.
    """
    found: list[tuple[int, str, bool]] = []  # place among the prime keys, condition, whether first or last
    all_versions, sql, position = False, False, 0
    for raw in element.filters:
        if raw.kind in (language.FilterKind.SQL, language.FilterKind.SQL_ALL):
            read = read_sql(raw)
            sql, all_versions = True, all_versions or read.all_versions
            found.append((-1, read.sql + " ", False))
        elif raw.kind is language.FilterKind.RECNUM:
            all_versions = True
            found.append((-1, _recnums(read_recnums(raw).items, definition.name), False))
        elif raw.kind is language.FilterKind.EMPTY:  # takes a position, and does no harm behind the last one
            position += 1
        else:
            key, position = _key(definition, raw, position)
            outer = [one.column for one in definition.primekeys]
            place = outer.index(key.column) if key.column in outer else definition.prime.index(key)
            found.append((place, *_key_condition(definition, key, raw)))
    first_last = any(one[2] for one in found)
    if shadow and first_last and not all_versions:
        found.sort(key=lambda one: one[0] if one[0] >= 0 else len(found))  # InnerFLSelect (drms_series.c)
    text = prime = other = ""
    for place, condition, ends in found:
        text = _append(text, condition, ends)
        if place >= 0:
            prime = _append(prime, condition, ends)
        else:
            other = _append(other, condition, False)
    if not shadow:
        text = through_printf(text)
    return Clause(text, all_versions, sql, prime, other, first_last)


def _append(text: str, condition: str, first_last: bool) -> str:
    part = f"( {condition}"
    if first_last and text:
        # the filters so far go into the subselect, which the server finds by walking back over brackets and blanks
        inner = part.rstrip(") ")
        part = f"{inner} WHERE ( {text} ){part[len(inner) :]}"
    part += " )"
    return f"{text} AND {part}" if text else part


def _key(definition: schema.SeriesDefinition, raw: language.RawFilter, position: int) -> tuple[Keyword, int]:
    """The prime key that a filter addresses, as users name it, and the position of the next unnamed one."""
    name = filter_name(raw)
    if name is not None:
        for inner, outer in zip(definition.prime, definition.primekeys, strict=True):
            if name.lower() in (inner.column, outer.column):
                return (inner if name.lower() == inner.column else outer), position
        what = "a prime key" if name.lower() in definition.keywords else "a keyword"
        names = ", ".join(key.name for key in definition.primekeys)
        raise RecordSetError(f"{name} is not {what} of {definition.name}; name one of {names}")
    if position >= len(definition.primekeys):
        raise RecordSetError(
            f"{definition.name} has {len(definition.primekeys)} prime keys, and [{raw.text}] stands for one more"
        )
    return definition.primekeys[position], position + 1


def _key_condition(definition: schema.SeriesDefinition, key: Keyword, raw: language.RawFilter) -> tuple[str, bool]:
    column = key
    if key.slotted:
        column = definition.keywords[f"{key.column}_index"]
    bits = _BITS.get(key.type, 0)
    read = read_filter(raw, _KINDS[key.type], key.slotted, bits=bits, generic_slots=key.recscope == "slot")
    items: tuple[language.ValueItem | language.SlotItem, ...] = read.items
    first_last = isinstance(items[0], _ENDS)
    slots = definition.slotting.get(key.column)
    raw_bits = slots is not None and isinstance(items[0], (language.First, language.Last))
    parts = []
    for item in items:
        if isinstance(item, _ENDS):
            which = "min" if isinstance(item, (language.First, language.SlotFirst)) else "max"
            parts.append(f"( {column.name}=(select {which}({column.name}) from {definition.name}) )")
        elif isinstance(item, (language.Single, language.Range, language.Span)):
            parts.append(f"( {_value_condition(column, item, slots, raw_bits)} )")
        else:
            parts.append(f"( {_index_condition(definition, column, key, item)} )")
    return " OR ".join(parts), first_last


# ------------------------------------------------------------------------------------------------- items by value
def _value_condition(column: Keyword, item: language.ValueItem, slots: schema.Slotting | None, raw_bits: bool) -> str:
    name = column.name

    def number(value: language.Value, length: bool = False) -> str:
        if slots is None:
            return _literal(column, _length(value, None) if isinstance(value, language.Duration) else value)
        seconds = _length(value, slots)
        if isinstance(value, language.Duration) and not length:
            seconds += slots.epoch
        return str(_bits(seconds) if raw_bits else slots.slots(seconds) if length else slots.slot(seconds))

    if isinstance(item, language.Single):
        return f"{name}={number(item.value)}"
    assert isinstance(item, (language.Range, language.Span))
    start = number(item.start)
    if isinstance(item, language.Range):
        text = f"{start}<={name} AND {name}<={number(item.end)}"
    else:
        text = f"{start}<={name} AND {name}<( {start} + {number(item.length, True)} )"
    if item.step is None:
        return text
    if slots is not None:
        seconds = _length(item.step, slots)
        step = str(_bits(seconds) if raw_bits else _half_away(seconds / slots.step))
        return f"{text} AND (cast(({name} - {start}) as integer) % {step}) = 0"
    if _KINDS[column.type] is language.Kind.INTEGER:
        return f"{text} AND (cast(({name} - {start}) as integer) % {_literal(column, item.step)}) = 0"
    begin, step_size = _length(item.start, None), _length(item.step, None)
    quotient = f"(({name} - {begin:g}) / {step_size:g})"
    return f"{text} AND (abs({quotient} - (round({quotient[1:-1]}))) < {2e-11 * begin:g})"


def _length(value: language.Value, slots: schema.Slotting | None) -> float:
    """A real number or a duration in seconds; NaN for anything else."""
    if isinstance(value, language.Duration):
        # slots of a key that has none are of no length
        return 0.0 if slots is None and value.unit == "u" else value.seconds(slots.step if slots else None)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _half_away(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _bits(value: float) -> int:
    """The bits of a real number read as an integer: what becomes of a value that was not turned into a slot."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _literal(column: Keyword, value: language.Value) -> str:
    """A value as `drms_sprintfval` writes it into SQL."""
    if isinstance(value, language.Missing):
        value = column.missing
    if isinstance(value, str):
        return f"'{value}'"
    assert not isinstance(value, (language.Duration, language.Missing))
    if _KINDS[column.type] is language.Kind.INTEGER:
        return str(int(value))
    return f"{value:{_REAL_FORMATS.get(column.type, '.17g')}}"


# ------------------------------------------------------------------------------------------------ items by number
def _index_condition(
    definition: schema.SeriesDefinition, column: Keyword, key: Keyword, item: language.SlotItem | language.ValueItem
) -> str:
    base, step = 0.0, 1.0
    if not key.slotted and column.scope != 100:
        base = _constant(definition, f"{key.column}_base", 0.0)
        step = _constant(definition, f"{key.column}_step", 1.0)
    name, step_text = column.name, _step_text(column, step)

    def at(number: int) -> str:
        return f"(({number}*{step_text})+{_step_text(column, base)})"

    if isinstance(item, language.Slot):
        return f"{name}={at(item.number)}"
    if isinstance(item, language.SlotRange):
        ends = [f"{name}{sign}{at(end)}" for sign, end in ((">=", item.start), ("<=", item.end)) if end is not None]
        text = " AND ".join(ends) if len(ends) == 2 else f"{ends[0] if ends else '1 = 1'} "
        start = item.start
    else:
        assert isinstance(item, language.SlotSpan)
        text = f"{name}>={at(item.start)} AND {name}<{at(item.start + item.count)}"
        start = item.start
    if item.step is None or item.step == 1:
        return text
    origin = f"(select min({name}) from {definition.name})" if start is None else str(start)
    return f"{text} AND (cast (round(({name}-{origin})/{step_text}) as integer) %{item.step})=0"


def _constant(definition: schema.SeriesDefinition, name: str, default: float) -> float:
    key = definition.keywords.get(name)
    try:
        return float(key.default) if key else default
    except ValueError:
        return default


def _step_text(column: Keyword, value: float) -> str:
    return _literal(column, f"{value:g}" if _KINDS[column.type] is language.Kind.STRING else value)


def _recnums(items: tuple[language.SlotItem, ...], series: str) -> str:
    if all(isinstance(item, _ONE) for item in items):
        return f"recnum in ({', '.join(_recnum(item, series) for item in items)})"
    return " OR ".join(f"( {_recnum_condition(item, series)} )" for item in items)


def _recnum(item: language.SlotItem, series: str) -> str:
    if isinstance(item, language.Slot):
        return str(item.number)
    which = "min" if isinstance(item, language.SlotFirst) else "max"
    return f"(select {which}(recnum) from {series})"


def _recnum_condition(item: language.SlotItem, series: str) -> str:
    if isinstance(item, _ONE):
        return f"recnum={_recnum(item, series)}"
    if isinstance(item, language.SlotRange):
        start = item.start
        if item.start is None:
            text = "1 = 1 " if item.end is None else f"recnum<={item.end}"
        else:
            text = f"{item.start}<=recnum " if item.end is None else f"{item.start}<=recnum AND recnum<={item.end}"
    else:
        start = item.start
        text = f"{item.start}<=recnum AND recnum<{item.start + item.count}"
    if item.step is None or item.step == 1:
        return text
    origin = f"(select min(recnum) from {series})" if start is None else str(start)
    return f"{text} AND (recnum-{origin})%{item.step}=0 "


_NAMES: Final = re.compile(r"'(?:[^']|'')*'|([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)(?!\w|\s*\()")
_AGGREGATE: Final = re.compile(r"\b(?:min|max|count|avg|sum)\s*\(\s*T[12]\.", re.IGNORECASE)


def several_statements(condition: Clause, n: int, counting: bool) -> bool:
    """Whether the server makes a temporary table first: PostgreSQL's messages are lost on the way then."""
    return bool(n or condition.first_last or (counting and condition.prime and condition.other))


def shadow_refusal(definition: schema.SeriesDefinition, condition: Clause, n: int, counting: bool) -> str:
    """
    What PostgreSQL says of the query that the server makes of a shadow table and the series; empty where that works.

    Both have the prime keys and recnum, so the server puts ``T1.`` or ``T2.`` before every place where the text of one
    of these stands, also within longer names, and twice before recnum (drms_series.c: PrependWhere and its callers).
    """
    if condition.all_versions or condition.first_last or (counting and not n) or not definition.prime:
        return ""
    names = [key.column for key in definition.prime]
    table = definition.name.lower().partition(".")[2]
    prime, other, ambiguous = condition.prime, condition.other, False
    if n:
        prime = _prefixed(prime, names, "T1.") if other else ""
        ambiguous = bool(prime)
        other = other if ambiguous else _prefixed(other, names, "T1.")
    else:
        prime = _prefixed(prime, names, "T2.")
        other = _prefixed(re.sub("recnum", "T1.recnum", other, flags=re.IGNORECASE), names, "T2.")
    if _AGGREGATE.search(prime) or _AGGREGATE.search(other):
        return "aggregate functions are not allowed in WHERE"
    for chain in filter(None, (found[1] for found in _NAMES.finditer(other))):
        *path, name = (part.strip().lower() for part in chain.split("."))
        if not path:
            if ambiguous and name in (*names, "recnum"):
                return f'column reference "{name}" is ambiguous'
        elif path == ["t1", "t2"] or path[-1] == table:
            return f'invalid reference to FROM-clause entry for table "{path[-1]}"'
        elif path[-1] not in ("t1", "t2"):
            if re.search(r"t[12]$", path[-1]):
                return f'missing FROM-clause entry for table "{path[-1]}"'
        elif name not in (*names, "recnum"):
            return f"column {path[-1]}.{name} does not exist"
    return ""


def _prefixed(text: str, names: Sequence[str], prefix: str) -> str:
    for name in (*names, "recnum"):
        text = re.sub(re.escape(name), prefix + name, text, flags=re.IGNORECASE)
    return text


_DIRECTIVE: Final = re.compile(r"%([-+ #0']*)(\d*)((?:\.\d*)?)((?:hh|h|ll|l|L|q|j|z|t)?)(.?)", re.DOTALL)


def through_printf(text: str) -> str:
    """
    What ``sprintf(buffer, text)`` makes of a clause.

    Conversions print whatever lies on the stack; here they print zeros. What is no conversion stays as it is.
    """
    return _DIRECTIVE.sub(_directive, text) if "%" in text else text


def _directive(found: re.Match[str]) -> str:
    width, conversion = found[2], found[5]
    if conversion == "%":
        return "%"
    if conversion and conversion in "diouxXceEfFgGaA":
        return ("0" if conversion in "diouxXc" else f"{0.0:f}").rjust(min(int(width or 0), 4096))
    if conversion in ("s", "n", "p"):
        raise language.FatalSetError(
            f"the server uses the filter as a printf format, and {found[0]!r} ends its program; double the %"
        )
    return found[0]


def statement(definition: schema.SeriesDefinition, condition: Clause, limit: int, n: int = 0) -> tuple[str, int, int]:
    """
    The query that the server sends for a condition, as `drms_query_string` (drms_record.c) writes it.

    Parameters
    ----------
    definition : SeriesDefinition
        The series.
    condition : Clause
        Its WHERE clause.
    limit : int
        Most records that a query gives.
    n : int
        How many records are wanted, the last ones where negative; 0 for all.

    Returns
    -------
    query : str
        The statement; its list of columns is shortened, everything that a message can quote is exact.
    start, end : int
        Where the condition stands in it.
    """
    table = definition.name.lower()
    keys = ", ".join(f"{table}.{key.name}" for key in definition.prime)
    down = " DESC" if n < 0 else ""
    order = ", ".join(f"{table}.{key.name}{down}" for key in definition.prime)
    limit = min(abs(n) or limit, limit)
    order = f" order by {order} limit {limit}" if keys else f" limit {limit}"
    if condition.all_versions or not keys:
        head = f"select * from {table} where 1 = 1 and "
        tail = order
    elif n:
        bare = ", ".join(key.name + down for key in definition.prime)
        head = f"select recnum,{', '.join(key.name for key in definition.prime)} from {table} where 1=1 and "
        tail = f" order by {bare} limit {4 * limit}) as limited group by {keys}{order}"
    elif condition.sql:
        first = definition.prime[0].name
        head = (
            f"select * from {table}, (select q2.max1 as max from  (select max(recnum) as max1, min(q1.max) as max2"
            f" from {table}, (select {keys}, max(recnum) from {table} where "
        )
        joined = f"{table}.{first} = q1.{first}"
        joined += "".join(f" and {table}.{key.name} = q1.{key.name}" for key in definition.prime[1:])
        tail = (
            f" group by {keys}) as q1 where {joined} group by {keys}) as q2 where max1 = max2) as q3"
            f" where {table}.recnum = q3.max{order}"
        )
    else:
        head = f"select * from {table} where recnum in (select max(recnum) from {table} where 1=1  and "
        tail = f" group by {keys} ){order}"
    return head + condition.text + tail, len(head), len(head) + len(condition.text)
