"""Rows say what they stand for, whatever pandas did with them; where they cannot, the error says what keeps it."""

from __future__ import annotations

import copy
import io
import json
import pickle

import drms
import numpy as np
import pandas as pd
import pytest
from conftest import GOLDEN as RECORDED

from jsoclite import SelectionError
from jsoclite.query.table import from_reply
from jsoclite.selection import select

GOLDEN = [json.loads(line) for line in (RECORDED / "jsoc_info.jsonl").read_text().splitlines()]
INFO = drms.SeriesInfo(json.loads(GOLDEN[0]["body"]), name="hmi.M_720s")


def printed(first, count):
    """Print the reply for some records, as the server does for key=*recnum*,T_REC,QUALITY,CAMERA,DATAMEAN and R=1."""
    numbers = range(first, first + count)
    clocks = [f"{12 * n // 60:02d}:{12 * n % 60:02d}" for n in numbers]
    times = [f"2014.01.01_{clock}:00_TAI" for clock in clocks]
    columns = {
        "*recnum*": list(numbers),
        "T_REC": times,
        "QUALITY": ["0x00000000" if n % 4 else "0x80000000" for n in numbers],
        "CAMERA": [str(1 + n % 3) for n in numbers],
        "DATAMEAN": ["MISSING" if n % 5 == 0 else f"{n * 7 % 11:.6f}" for n in numbers],
    }
    answer = {
        "recinfo": [
            {"name": f"hmi.M_720s[{t}][{1 + n % 3}]", "online": 0} for n, t in zip(numbers, times, strict=True)
        ],
        "keywords": [{"name": name, "values": values} for name, values in columns.items()],
        "segments": [],
        "links": [],
        "count": count,
        "runtime": 0.1,
        "status": 0,
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def frame(first=1, count=12):
    return from_reply(printed(first, count), INFO)


def ids(rows):
    """The record numbers and names that rows stand for."""
    (found,) = select(rows)
    numbers = None if found.recnums is None else found.recnums.tolist()
    return numbers, list(found.names)


def _csv(df, **kwargs):
    return pd.read_csv(io.StringIO(df.to_csv()), **kwargs)


def _json(df):
    df = df.drop(columns="time")  # what pandas 3 does with times in JSON is about to change
    return pd.read_json(io.StringIO(df.to_json(orient="split")), orient="split")


def _buffer(df, form, **kwargs):
    data = io.BytesIO()
    getattr(df, f"to_{form}")(data, **kwargs)
    data.seek(0)
    return getattr(pd, f"read_{form}")(data)


def _without_attrs(df):
    df = df.copy()
    df.attrs = {}
    return df


def _other_attrs(df):
    df = df.copy()
    df.attrs = {"jsoc": {"series": "hmi.M_720s", "time": "later"}}
    return df


# operation, rows that are left (positions in their order)
ALL = list(range(12))
KEEPS = {
    "iloc slice": (lambda df: df.iloc[2:8:2], [2, 4, 6]),
    "iloc list": (lambda df: df.iloc[[5, 1]], [5, 1]),
    "loc list": (lambda df: df.loc[[df.index[7], df.index[0]]], [7, 0]),
    "loc slice": (lambda df: df.loc[df.index[3] : df.index[5]], [3, 4, 5]),
    "mask": (lambda df: df[df.CAMERA == 3], [1, 4, 7, 10]),
    "mask of time": (lambda df: df[df.time > "2014-01-01 02:00"], [10, 11]),
    "query": (lambda df: df.query("CAMERA == 3 and DATAMEAN > 2"), [1]),
    "column subset": (lambda df: df[["recnum", "T_REC"]], ALL),
    "filter of columns": (lambda df: df.filter(items=["recnum", "QUALITY"]), ALL),
    "sort_values": (lambda df: df.sort_values("recnum", ascending=False), ALL[::-1]),
    "sort_index": (lambda df: df.sort_index(ascending=False), ALL[::-1]),
    "head": (lambda df: df.head(3), [0, 1, 2]),
    "tail": (lambda df: df.tail(3), [9, 10, 11]),
    "sample": (lambda df: df.sample(12, random_state=1).sort_values("recnum"), ALL),
    "nlargest": (lambda df: df.nlargest(2, "recnum"), [11, 10]),
    "nsmallest": (lambda df: df.nsmallest(2, "recnum"), [0, 1]),
    "drop_duplicates": (lambda df: df.drop_duplicates("CAMERA"), [0, 1, 2]),
    "dropna": (lambda df: df.dropna(), [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]),
    "drop": (lambda df: df.drop(df.index[1:]), [0]),
    "assign": (lambda df: df.assign(x=1), ALL),
    "rename": (lambda df: df.rename(columns={"CAMERA": "camera"}), ALL),
    "astype": (lambda df: df.astype({"CAMERA": "float64", "recnum": "float64"}), ALL),
    "reindex": (lambda df: df.reindex(df.index[[3, 2]]), [3, 2]),
    "pipe": (lambda df: df.pipe(lambda d: d[d.CAMERA == 1]), [2, 5, 8, 11]),
    "T.T": (lambda df: df.T.T, ALL),
    "convert_dtypes": (lambda df: df.convert_dtypes(), ALL),
    "apply axis=1": (lambda df: df.apply(lambda row: row, axis=1), ALL),
    "copy": (lambda df: df.copy(), ALL),
    "copy.copy": (lambda df: copy.copy(df), ALL),
    "deepcopy": (lambda df: copy.deepcopy(df), ALL),
    "pickle": (lambda df: pickle.loads(pickle.dumps(df)), ALL),
    "groupby.head": (lambda df: df.groupby("CAMERA").head(1), [0, 1, 2]),
    "groupby.tail": (lambda df: df.groupby("CAMERA").tail(1), [9, 10, 11]),
    "groupby.filter": (lambda df: df.groupby("CAMERA").filter(lambda g: g.CAMERA.iloc[0] == 1), [2, 5, 8, 11]),
    "groupby.sample": (lambda df: df.groupby("CAMERA").sample(4, random_state=1).sort_values("recnum"), ALL),
    "groupby.nth": (lambda df: df.groupby("CAMERA").nth(1), [3, 4, 5]),
    "group of a loop": (lambda df: next(g for _, g in df.groupby("CAMERA")), [2, 5, 8, 11]),
    "groupby.apply without keys": (
        lambda df: df.groupby("CAMERA", group_keys=False)[["recnum"]].apply(lambda g: g.head(1)),
        [2, 0, 1],
    ),
    "groupby.apply": (lambda df: df.groupby("CAMERA")[["recnum", "T_REC"]].apply(lambda g: g.head(1)), [2, 0, 1]),
    "idxmin of a groupby": (lambda df: df.loc[df.groupby("CAMERA")["DATAMEAN"].idxmin()], [11, 6, 10]),
    "row": (lambda df: df.iloc[3], [3]),
    "row by name": (lambda df: df.loc[df.index[3]], [3]),
    "row of iterrows": (lambda df: next(row for _, row in df.iloc[4:].iterrows()), [4]),
    "row of itertuples": (lambda df: next(df.iloc[4:].itertuples()), [4]),
    "list of rows": (lambda df: [df.iloc[3], df.iloc[1]], [3, 1]),
    "list of frames": (lambda df: [df.iloc[3:5], df.iloc[:1]], [3, 4, 0]),
    "row of a frame with two index levels": (lambda df: df.set_index("CAMERA", append=True).iloc[2], [2]),
    "recnum column": (lambda df: df["recnum"].iloc[:2], [0, 1]),
    "reset_index": (lambda df: df.reset_index(), ALL),
    "row after reset_index": (lambda df: df.reset_index().iloc[5], [5]),
    "set_index append": (lambda df: df.set_index("time", append=True).sort_index(level=1), ALL),
    "reset_index and set_index": (lambda df: df.reset_index().set_index("time"), ALL),
    "resample after reset_index": (lambda df: df.reset_index().resample("1h", on="time").first(), [0, 5, 10]),
    "merge after reset_index": (
        lambda df: df.reset_index().merge(pd.DataFrame({"CAMERA": [1], "name": ["one"]}), on="CAMERA"),
        [2, 5, 8, 11],
    ),
    "csv": (lambda df: _csv(df, index_col=0), ALL),
    "csv without index_col": (lambda df: _csv(df), ALL),
    "json": (_json, ALL),
    "parquet": (lambda df: _buffer(df, "parquet"), ALL),
    "feather": (lambda df: _buffer(df.reset_index(), "feather"), ALL),
    "concat": (lambda df: pd.concat([df.iloc[6:], df.iloc[:6]]), ALL[6:] + ALL[:6]),
    "concat, other attrs": (lambda df: pd.concat([df.iloc[:2], _other_attrs(df.iloc[2:4])]), [0, 1, 2, 3]),
    "concat, no attrs": (lambda df: pd.concat([df.iloc[:2], _without_attrs(df.iloc[2:4])]), [0, 1, 2, 3]),
    "concat of overlapping parts": (lambda df: pd.concat([df.iloc[:3], df.iloc[2:4]]), [0, 1, 2, 3]),
    "concat axis=1": (lambda df: pd.concat([df, pd.Series(1, index=df.index, name="x")], axis=1), ALL),
    "merge on indexes": (
        lambda df: df.merge(pd.DataFrame({"x": 1}, index=df.index[:4]), left_index=True, right_index=True),
        ALL[:4],
    ),
    "join": (lambda df: df.join(pd.DataFrame({"x": 1}, index=df.index[:4]), how="inner"), ALL[:4]),
    "DataFrame(df)": (lambda df: pd.DataFrame(df), ALL),
    "frame of iterrows": (lambda df: pd.DataFrame([row for _, row in df.iterrows()]), ALL),
    "numpy round trip": (lambda df: pd.DataFrame(df.to_numpy(), index=df.index, columns=df.columns), ALL),
}  # fmt: skip


@pytest.mark.parametrize("operation", KEEPS)
def test_rows_keep_their_record_and_version(operation):
    df = frame()
    do, places = KEEPS[operation]
    numbers, names = ids(do(df))
    assert names == df.index[places].tolist()
    assert numbers == df.recnum.iloc[places].tolist()


# no record number is left, but the name is
NAMED = {
    "columns without recnum": (lambda df: df[["T_REC"]], ALL),
    "index": (lambda df: df.index[:3], [0, 1, 2]),
    "index of reset_index": (lambda df: df.reset_index()["record"], ALL),
    "list of names": (lambda df: df.index[[3, 0, 3]].tolist(), [3, 0]),
    "array of names": (lambda df: df.index[:2].to_numpy(), [0, 1]),
    "tuple of names": (lambda df: tuple(df.index[:2]), [0, 1]),
    "reindex of names alone": (lambda df: df.iloc[:0].reindex(df.index[:2]), [0, 1]),
}


@pytest.mark.parametrize("operation", NAMED)
def test_rows_keep_their_name(operation):
    df = frame()
    do, places = NAMED[operation]
    numbers, names = ids(do(df))
    assert numbers is None
    assert names == df.index[places].tolist()


def test_masked_rows_are_known_by_their_name():
    df = frame(1, 4)
    numbered, named = select(df.where(df.CAMERA == 3))
    assert numbered.recnums.tolist() == [2]
    assert named.recnums is None
    assert [*numbered.names, *named.names] == df.index[[1, 0, 2, 3]].tolist()


LOSES = {
    "reset_index(drop=True)": lambda df: df.reset_index(drop=True),
    "set_index": lambda df: df.set_index("time"),
    "set_index of strings": lambda df: df.set_index("T_REC"),
    "groupby.first": lambda df: df.groupby("CAMERA").first(),
    "groupby.agg": lambda df: df.groupby("CAMERA").agg({"recnum": "sum"}),
    "resample": lambda df: df.set_index("time").resample("1h").first(),
    "merge on a column": lambda df: df.merge(df[["CAMERA", "T_REC"]], on="T_REC"),
    "concat ignore_index": lambda df: pd.concat([df, df], ignore_index=True),
    "row of a frame without names": lambda df: df.reset_index(drop=True).iloc[0],
    "column of a frame without names": lambda df: df.reset_index(drop=True)["recnum"],
    "index of numbers": lambda df: df.reset_index(drop=True).index,
}


@pytest.mark.parametrize("operation", LOSES)
def test_lost_names_are_an_error_that_helps(operation):
    with pytest.raises(SelectionError, match=r"keep their index .*reset_index\(\) without drop"):
        select(LOSES[operation](frame()))


EMPTY = {
    "frame": lambda df: df.iloc[:0],
    "frame without index": lambda df: df.iloc[:0].reset_index(drop=True),
    "column": lambda df: df["T_REC"].iloc[:0],
    "index": lambda df: df.index[:0],
    "list": lambda df: [],
}


@pytest.mark.parametrize("rows", EMPTY)
def test_nothing_chosen_is_nothing(rows):
    assert select(EMPTY[rows](frame())) == []


def test_rows_of_several_series():
    one, two = frame(), frame(5, 3)
    two.index = two.index.str.replace("hmi.M_720s", "hmi.Ic_720s")
    mixed = pd.concat([one.iloc[:2], two, one.iloc[4:5]])
    first, second = select(mixed)
    assert (first.series, first.recnums.tolist()) == ("hmi.M_720s", [1, 2, 5])
    assert (second.series, second.recnums.tolist()) == ("hmi.Ic_720s", [5, 6, 7])
    with pytest.raises(SelectionError, match=r"hmi.M_720s, hmi.Ic_720s"):
        _ = mixed.jsoc.series
    assert one.jsoc.series == "hmi.M_720s"
    assert one.iloc[:0].jsoc.series == "hmi.M_720s"
    with pytest.raises(SelectionError, match="does not say"):
        _ = pd.DataFrame().jsoc.series


def test_two_versions_of_one_record_are_two():
    df = frame(1, 3)
    df.index = [df.index[0]] * 2 + [df.index[2]]
    (found,) = select(df)
    assert found.recnums.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1.5, 2.0], "aggregated"),
        (["one", "two"], "aggregated"),
        ([0, 1], "from 1"),
        ([-5, 1], "from 1"),
        ([np.inf, 1], "aggregated"),
    ],
)
def test_what_is_no_record_number(values, match):
    df = frame(1, 2)
    df["recnum"] = values
    with pytest.raises(SelectionError, match=match):
        select(df)


@pytest.mark.parametrize("rows", [["hmi.M_720s"], ["2014.01.01"], [1, 2], 5, None, [None]])
def test_what_is_no_choice_of_rows(rows):
    with pytest.raises(SelectionError):
        select(rows)


def test_recnums_of_the_accessor():
    df = frame(1, 3)
    assert df.jsoc.recnums.tolist() == [1, 2, 3]
    assert df.jsoc.recnums.dtype == np.int64
    with pytest.raises(SelectionError, match="no column 'recnum'"):
        _ = df[["T_REC"]].jsoc.recnums
    with pytest.raises(SelectionError, match="2 rows"):
        _ = df.where(df.CAMERA == 3).jsoc.recnums


def test_attrs_survive_what_they_have_to():
    df = frame()
    assert json.loads(json.dumps(df.attrs)) == df.attrs
    assert df.iloc[:2].attrs == df.attrs
