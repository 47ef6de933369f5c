"""
The statement that the server sends to PostgreSQL, of which messages quote a part.
"""

# ruff: noqa: S608 - the SQL built here is never sent anywhere
from __future__ import annotations

from ..catalog.definition import SeriesDefinition
from .clause import Clause


def statement(definition: SeriesDefinition, condition: Clause, limit: int, n: int = 0) -> tuple[str, int, int]:
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
