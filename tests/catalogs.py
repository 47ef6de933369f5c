"""Catalogues of our own that tests share: as many records as wanted, of series that nobody has."""

from __future__ import annotations

from jsoclite.sandbox.catalog.catalog import Catalog, StoredSeries
from jsoclite.sandbox.catalog.definition import SeriesDefinition

#: 2014.01.01_TAI, in seconds since 1977.01.01_TAI, and its slot of twelve minutes since 1993.01.01_TAI
START, STEP = 1167609600.0, 720.0
FIRST = round((START - 504921600.0) / STEP)


def keyword(name: str, kind: str, **row: object) -> dict:
    """A row of drms_keyword."""
    forms = {"string": "%s", "time": "0", "double": "%.3f"}
    full = {"isconstant": 0, "persegment": 0, "islink": 0, "linkname": "", "targetkeyw": "", "unit": "", "rank": 0}
    described = {"description": f"what {name} is", "defaultval": "0", "format": forms.get(kind, "%d")}
    return {"keywordname": name, "type": kind, **full, **described, **row}


def slotted() -> list[dict]:
    """Keywords of a time in slots of twelve minutes, as that of hmi.M_720s."""
    return [
        keyword("T_REC", "time", isconstant=1000, unit="TAI"),
        keyword("T_REC_epoch", "time", isconstant=1, defaultval="1993.01.01_00:00:00_TAI", unit="TAI"),
        keyword("T_REC_step", "double", isconstant=1, defaultval="720", unit="secs"),
        keyword("T_REC_unit", "string", isconstant=1, defaultval="secs"),
        keyword("T_REC_index", "longlong", isconstant=100),
    ]


def series(name: str, primary: str, keywords: list[dict], rows: list[dict]) -> StoredSeries:
    """A series without files."""
    row = {"seriesname": name, "primary_idx": primary, "description": f"what {name} is", "dbidx": primary}
    row |= {"unitsize": 1, "archive": 0, "retention": 10, "tapegroup": 0}
    ranked = [{**one, "persegment": rank << 16} for rank, one in enumerate(keywords)]
    tables = {"drms_series": [row], "drms_keyword": ranked, "drms_segment": [], "drms_link": []}
    return StoredSeries(SeriesDefinition.of_rows(tables), rows, {})


def big(count: int) -> Catalog:
    """
    A series ``our.big`` of `count` slots of twelve minutes from 2014.01.01_TAI on, and a few with other prime keys.

    Record numbers run against the time in blocks of eight, so that neither order follows from the other.
    """
    rows = [
        {"recnum": n - n % 8 + 8 - n % 8, "t_rec": START + STEP * n, "t_rec_index": FIRST + n, "num": n}
        for n in range(count)
    ]
    few = rows[: min(count, 1400)]
    num = keyword("NUM", "int")
    regions = [
        {"recnum": row["recnum"], "harpnum": n % 7, "num": n}
        | {"t_rec": START + STEP * (n // 7), "t_rec_index": FIRST + n // 7}
        for n, row in enumerate(few)
    ]
    names = [{**row, "name": f"n{row['num']:05d}"} for row in few]
    made = sorted(few, key=lambda row: row["recnum"])
    return Catalog(
        [
            series("our.big", "T_REC_index", [*slotted(), num], rows),
            series("our.harps", "HARPNUM, T_REC_index", [keyword("HARPNUM", "int"), *slotted(), num], regions),
            series("our.pairs", "CAMERA, NUM", [keyword("CAMERA", "int"), num], [{**row, "camera": 3} for row in few]),
            series("our.names", "NAME", [keyword("NAME", "string"), num], names),
            series("our.log", "", [num], made),
            series("our.real", "X", [keyword("X", "double"), num], [{**row, "x": row["num"] ** 1.5} for row in few]),
        ]
    )
