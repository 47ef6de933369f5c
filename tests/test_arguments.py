"""What is wrong with an argument is said in a sentence, whatever call it is given to."""

import gc
import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.cli import main
from jsoclite.errors import (
    ArgumentError,
    JsocError,
    RecordSetError,
    SelectionError,
    UnknownName,
    UnknownSeries,
    choice,
    folder,
    shown,
    whole,
)
from jsoclite.sandbox import Fault

ONE = "hmi.M_720s[2014.01.01_TAI]{magnetogram}"
SERIES = "hmi.M_720s"


@pytest.fixture(scope="module")
def sandbox():
    with jsoclite.Sandbox(staging_s=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(sandbox):
    return sandbox.client()


@pytest.fixture(scope="module")
def rows(client):
    return client.query("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", keywords="T_REC,QUALITY,DATAMEAN")


# -- one check for all entrances --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["query", "count", "stream", "sync"])
@pytest.mark.parametrize("wrong", [None, 5, [ONE, ONE], b"hmi.M_720s[2014.01.01_TAI]", "rows"])
def test_what_is_no_record_set(client, rows, tmp_path, call, wrong):
    value = rows if isinstance(wrong, str) else wrong
    with pytest.raises(RecordSetError, match="is no record set: .*(give|query each|record_sets)") as found:
        getattr(client, call)(value, *([tmp_path] if call == "sync" else []))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("call", ["download", "sync"])
@pytest.mark.parametrize("wrong", [4, "threads", dict])
def test_what_is_no_executor(client, tmp_path, call, wrong):
    with pytest.raises(ArgumentError, match=r"executor=.* takes no work: .* or Client\(connections=…\)"):
        getattr(client, call)(ONE, tmp_path, executor=wrong)
    assert not list(tmp_path.iterdir())


def test_one_fault_needs_no_list():
    fault = Fault("500", "query", nth=1)
    for faults in ("500@query:1", fault, ["500@query:1"], [fault]):
        with jsoclite.Sandbox(faults=faults) as sandbox:
            assert list(sandbox.fault_hits()) == [fault]


@pytest.mark.parametrize("wrong", [None, 5, ["hmi.M_720s"], b"x", "rows"])
def test_what_is_no_series(client, rows, wrong):
    value = rows if isinstance(wrong, str) else wrong
    calls = {
        "info": (), "keys": (), "pkeys": (), "latest": (), "search": ("2014.01.01",),
        "nearest": ("2014.01.01", "12m"), "coverage": ("2014.01.01", "2014.01.02"),
    }  # fmt: skip
    for name, arguments in calls.items():
        if name == "search" and isinstance(wrong, list):
            continue  # it takes several
        with pytest.raises(JsocError, match="is no series") as found:
            getattr(client, name)(value, *arguments)
        assert "\n" not in str(found.value)
    if value is not None:
        with pytest.raises(ArgumentError, match="is no pattern"):
            client.series(value)


@pytest.mark.parametrize("wrong", [5, ["magnetogram", None], b"x", {"a": 1}])
def test_what_are_no_names(client, tmp_path, wrong):
    for call in (client.query, client.plan, client.export, client.read):
        with pytest.raises(ArgumentError, match="holds no names"):
            call(ONE, **{"segment" if call == client.read else "segments": wrong})
    for call in (client.query, client.stream):
        with pytest.raises(ArgumentError, match="holds no names"):
            call(ONE, keywords=wrong)


def test_what_is_no_whole_number(client, tmp_path):
    for wrong in ("3", 2.5, True, None, [3], np.nan):
        with pytest.raises(ArgumentError, match="n=.* is no whole number"):
            client.latest(SERIES, wrong)
        with pytest.raises(ArgumentError, match="size=.* is no whole number"):
            client.stream(ONE, size=wrong)
        if wrong is not None:
            for call in (client.query, lambda one, **o: client.search(SERIES, "2014.01.01_TAI", **o)):
                with pytest.raises(ArgumentError, match="limit=.* is no whole number"):
                    call(ONE, limit=wrong)
            with pytest.raises(ArgumentError, match="limit="):
                client.download(ONE, tmp_path, limit=wrong)
    with pytest.raises(ArgumentError, match="retries='4'"):
        jsoclite.Client("sandbox", retries="4")
    assert len(client.latest(SERIES, np.int64(2))) == 2
    assert len(client.query(ONE, limit=1e3)) == 1


def test_words_of_a_choice_in_any_case(client, tmp_path):
    for wrong in ("warn", None, True):
        with pytest.raises(ArgumentError, match="on_error=.*: write 'raise' or 'ignore'"):
            client.download(ONE, tmp_path, on_error=wrong)
        with pytest.raises(ArgumentError, match="on_error="):
            client.sync(ONE, tmp_path, on_error=wrong)
    assert not list(tmp_path.iterdir())  # it is said before anything is done
    with pytest.raises(ArgumentError, match="times='x': write None, 'utc' or 'tai'"):
        client.query(ONE, times="x")
    assert str(client.query(ONE, times="UTC").T_REC.dtype).startswith("datetime64[ns, UTC")
    assert client.plan(ONE, protocol="FITS").targets[0].product.protocol == "fits"
    assert client.export(ONE, protocol="as_is", method="URL_quick")[0].protocol == "as-is"
    for wrong in ("jpeg", None, 5, ("fits",), ["fits"], pd.DataFrame({"a": [1]})):
        with pytest.raises(ArgumentError, match="protocol=.*: write 'fits'"):
            client.export(ONE, protocol=wrong)


def test_protocols_as_drms_writes_them(client):
    made = client.export(ONE, protocol=("jpg", {"ct": "grey.sao", "min": -1500}))
    assert made[0].protocol == "jpg,ct=grey.sao,min=-1500"


def test_what_is_no_directory(client, tmp_path):
    for wrong in (None, 5, ""):
        for call in (client.download, client.sync):
            with pytest.raises(ArgumentError, match="directory=.* is no path"):
                call(ONE, wrong)
        with pytest.raises(ArgumentError, match="is no path"):
            jsoclite.Archive(wrong)


# -- arguments that there are not -------------------------------------------------------------------------------------


def test_what_other_clients_call_an_argument(client, tmp_path):
    with pytest.raises(ArgumentError, match=r"query has no argument key=\. Did you mean keywords=\?"):
        client.query(ONE, key="T_REC", seg="magnetogram")
    with pytest.raises(ArgumentError, match="query takes its options by name, such as keywords"):
        client.query(ONE, "T_REC")
    with pytest.raises(ArgumentError, match=r"notify=\. Did you mean Client\(email=…\)"):
        client.export(ONE, notify="me@example.org")
    with pytest.raises(ArgumentError, match=r"no argument directry=\. Did you mean directory=\?"):
        client.download(ONE, directry="data")
    with pytest.raises(ArgumentError, match=r"where=\. Did you mean \[\? QUALITY >= 0 \?\] in the record set"):
        client.count(ONE, where="QUALITY=0")
    with pytest.raises(ArgumentError, match="Cutout has no argument bottom_left=.*center=…, size=…"):
        jsoclite.Cutout(bottom_left=1, top_right=2)
    with pytest.raises(ArgumentError, match="download: missing a required argument: 'directory'"):
        client.download(ONE)
    with pytest.raises(ArgumentError, match="search takes its options by name, such as duration=…"):
        client.search(SHARP, "2011.02.14_TAI", "2011.02.15_TAI", "1h", "1d", HARPNUM=377)
    with pytest.raises(UnknownName, match="notify.*Client"):
        client.search(SERIES, "2014.01.01_TAI", notify="me@example.org")
    with pytest.raises(UnknownName, match="no prime key 'step'"):
        client.latest(SERIES, step="1h")


def test_every_public_method_explains_itself(client):
    for name, function in inspect.getmembers(jsoclite.Client, inspect.isfunction):
        if not name.startswith("_") and not any(
            one.kind is one.VAR_KEYWORD for one in inspect.signature(function).parameters.values()
        ):
            with pytest.raises(ArgumentError, match=f"{name} has no argument nosuch="):
                getattr(client, name)(nosuch=1)


# -- rest -------------------------------------------------------------------------------------------------------------


def test_attach_takes_lists_and_says_what_is_none(client):
    made = client.export(ONE).wait()
    assert client.attach(made.ids).ids == client.attach(*made.ids).ids == client.attach(made).ids == made.ids
    for wrong in (5, None, ["x"], "JSOC_20141117_001,JSOC_20141117_002"):
        with pytest.raises(JsocError, match="is no request id of JSOC"):
            client.attach(wrong)
    with pytest.raises(UnknownSeries, match=r"it is an export request: client.attach\('JSOC_20141117_001'\)"):
        client.query("JSOC_20141117_001")


def test_a_client_holds_its_sandbox():
    client = jsoclite.Sandbox().start().client()
    gc.collect()
    assert client.count(ONE) == 1


def test_ports(sandbox):
    for wrong in (99999, -5, "x"):
        with pytest.raises(ArgumentError, match="port="):
            jsoclite.Sandbox(port=wrong)
    taken = int(sandbox.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(JsocError, match=f"port {taken} cannot be had .*choose another"):
        jsoclite.Sandbox(port=taken).start()


def test_what_is_no_file(rows, tmp_path):
    pytest.importorskip("dask")
    with pytest.raises(ArgumentError, match="stack takes the manifest of a download, not 'data'"):
        jsoclite.stack("data")
    with pytest.raises(ArgumentError, match="read"):
        jsoclite.read(None)


def test_check_email(client):
    with pytest.raises(ArgumentError, match="address"):
        client.check_email(None)


def test_the_checks_themselves():
    assert whole("n", 1e6) == 1_000_000
    assert type(whole("n", np.int32(4))) is int
    with pytest.raises(ArgumentError, match="port=70000: it is a whole number, from 0 to 65535"):
        whole("port", 70_000, 0, 65_535)
    assert choice("x", "AS_IS", ("fits", "as-is")) == "as-is"
    assert choice("x", None, (None, "a")) is None
    assert str(folder("directory", "~")) != "~"
    assert shown(pd.DataFrame({"a": [1]})) == "a DataFrame of pandas"
    assert len(shown("x" * 500)) == 80


def test_ports_on_the_command_line(sandbox, capsys):
    for port, code in (("99999", 2), (sandbox.url.rsplit(":", 1)[1].strip("/"), 1)):
        assert main(["sandbox", "--port", port]) == code
        assert capsys.readouterr().err.startswith("jsoclite: port")


# -- the server would be silent, or refuse without a word that helps ------------------------------

SHARP = "hmi.sharp_cea_720s"
AIA = "aia.lev1_euv_12s"


@pytest.mark.parametrize("value", [3563.7, "3563.7", "x", "AR 11158", [377, 1.5], (1.5, 3)])
def test_whole_numbers_of_prime_keys(client, value):
    with pytest.raises(RecordSetError, match="HARPNUM holds whole numbers, and this cannot"):
        client.search(SHARP, "2011.02.14_TAI", HARPNUM=value)


def test_a_time_in_the_place_of_a_number(client, tmp_path):
    for call in (client.query, client.count, client.export, lambda text: client.download(text, tmp_path)):
        with pytest.raises(RecordSetError, match="WAVELNTH is a number, and this is a time: the prime keys are"):
            call(f"{AIA}[][2014.01.01_TAI]")


def test_keywords_in_the_conditions_of_record_sets(client, tmp_path):
    text = f"{SERIES}[2014.01.01_TAI][? QUALTY > 1 ?]"
    for call in (client.query, client.count, client.stream, client.export, client.plan):
        with pytest.raises(UnknownName, match="has no keyword 'QUALTY'. Did you mean QUALITY"):
            call(text)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("count", f"{SHARP}[11158][2011.02.14_TAI]"),
        ("query", f"{SHARP}[11158][2011.02.14_TAI]"),
        ("stream", f"{SHARP}[11158][2011.02.14_TAI]"),
        ("count", f"{AIA}[2014.01.01_TAI/12s][172]"),
        ("query", f"{AIA}[2014.01.01_TAI/12s][171,172]"),
        ("query", "aia.lev1[2014.01.01_TAI/12s][171]"),
        ("count", "aia.lev1[2014.01.01_TAI/12s][171]"),
    ],
)
def test_why_nothing_is_there(client, call, text):
    said = {
        SHARP: r"HARPNUM 11158 looks like an active region's number: see client.harps\(11158\)",
        AIA: "has no wavelength 172: it has 94, 131, 171, 193, 211, 304, 335",
        "aia.lev1": r"171 is taken for FSN, a prime key of aia.lev1: for a wavelength write \[\? WAVELNTH = 171 \?\]",
    }[text.partition("[")[0]]
    with pytest.warns(jsoclite.JsocWarning, match=said):
        list(client.stream(text)) if call == "stream" else getattr(client, call)(text)


def test_a_wavelength_that_is_none_is_said_by_all_that_search(client, tmp_path):
    said = "has no wavelength 172: it has 94, 131"
    for search in (
        lambda: client.search(AIA, "2014.01.01_TAI", duration="12s", wavelength=172),
        lambda: client.coverage(AIA, "2014.01.01_TAI", "2014.01.01_00:05:00_TAI", wavelength=172),
        lambda: client.export(f"{AIA}[2014.01.01_TAI/12s][172]"),
        lambda: client.download(f"{AIA}[2014.01.01_TAI/12s][172]", tmp_path),
        lambda: client.nearest(AIA, "2014.01.01_TAI", "12s", wavelength=172),
    ):
        with pytest.warns(jsoclite.JsocWarning) as seen:
            search()
        assert sum(said in str(one.message) for one in seen) == 1
    assert len(client.search(AIA, "2014.01.01_TAI", duration="12s", wavelength=[171, 304])) == 2  # and no warning


def test_sets_of_keywords_that_a_series_lacks(client, tmp_path):
    for wrong in ("sharp", ["T_REC", "sharp"]):
        for call in (client.query, client.stream, lambda one, **o: client.sync(one, tmp_path, **o)):
            with pytest.raises(UnknownName, match="hmi.M_720s has none of the keywords 'sharp': USFLUX"):
                call(ONE, keywords=wrong)
        for call in (client.latest, lambda one, **o: client.nearest(one, "2014.01.01_TAI", "12m", **o)):
            with pytest.raises(UnknownName, match="none of the keywords"):
                call(SERIES, keywords=wrong)


def test_keywords_are_called_as_the_series_calls_them(client):
    found = client.query(ONE, keywords="quality,DataMean,DATAMEAN,t_rec,recnum", segments=[])
    assert found.columns.tolist() == ["recnum", "time", "QUALITY", "DATAMEAN", "T_REC"]
    assert str(found.QUALITY.dtype) == "Int64"
    assert len(client.query(ONE, keywords="**all**").columns) == len(client.query(ONE, keywords="**ALL**").columns)
    near = client.nearest(SERIES, "2014.01.01_TAI", "12m", keywords="quality")
    assert near.columns.tolist().count("QUALITY") == 1
    assert "quality" not in near


def test_warnings_that_differ_in_a_day_are_one(client):
    days = ",".join(f"hmi.M_45s[2014.01.{day:02}_00:00:00/1m]" for day in range(1, 13))
    with pytest.warns(jsoclite.JsocWarning, match=r"has no zone.*\(and 11 more like this\)") as seen:
        client.query(days)
    assert len(seen) == 1


def test_names_of_an_export_are_told(client, tmp_path):
    made = client.export(ONE, filename="{seriesname}.{recnum:%d}.mine.{segment}").wait()
    with pytest.warns(jsoclite.JsocWarning, match="those of filename= are JSOC's"):
        made.download(tmp_path)
    assert "mine" in made.files.filename.iloc[0]


def test_foreign_rows_in_a_sentence(client, rows):
    with pytest.raises(SelectionError, match=r"these rows \(columns a, b\) are of no query: pass rows of"):
        client.export(pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(SelectionError, match=r"'record;recnum' of these rows .*read_csv\(…, sep=';'\)"):
        client.export(pd.DataFrame({"record;recnum": ["a;1"]}))
    with pytest.raises(SelectionError, match="no longer say which records") as found:
        client.export(rows.reset_index(drop=True))
    assert len(str(found.value)) < 280


def test_an_address_is_known_by_its_owner(sandbox):
    for address, shown_as in (("nobody@inst.edu", "n…@inst.edu"), ("nobody", r"n… \(no @ in it\)")):
        with pytest.raises(jsoclite.EmailError, match=f"does not know the e-mail address {shown_as}") as found:
            sandbox.client(email=address).export(ONE)
        assert "nobody" not in str(found.value)


@pytest.mark.parametrize("text", ["1.1.2014", "01.01.2014", "31-1-2014"])
def test_the_day_first(text):
    with pytest.raises(RecordSetError, match="the server reads the year first"):
        jsoclite.parse_time(text)


def test_bytes_of_an_export_where_they_are_known(client, tmp_path):
    made = client.export("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}").wait()
    assert made.files.columns.tolist() == ["segment", "url", "filename", "bytes"]
    assert (str(made.files.bytes.dtype), made.files.bytes.isna().all()) == ("Int64", True)
    files = made.download(tmp_path)
    assert made.files.bytes.tolist() == files.bytes.tolist() == [path.stat().st_size for path in map(Path, files.path)]


def test_rows_outside_of_a_range_are_told_once(sandbox):
    mine = sandbox.client()
    ends = "2014.01.01_00:05:00_TAI", "2014.01.01_00:07:00_TAI"
    with pytest.warns(jsoclite.JsocWarning, match="2 of the rows of .* are outside of its range: .* said once"):
        assert len(mine.search(SERIES, *ends)) == 2
    assert len(mine.search(SERIES, *ends)) == 2  # and no word more
    assert (
        len(sandbox.client().search(SERIES, "2014-01-01T00:00:00", "2014-01-01T01:00:00")) == 6
    )  # UTC for TAI is none


def test_a_hint_that_the_server_refuses_is_none():
    with jsoclite.Sandbox(faults=["500@query:2"]) as sandbox, sandbox.client(retries=0) as mine:
        assert len(mine.query(f"{AIA}[2014.01.01_TAI/12s][172]")) == 0
        assert list(sandbox.fault_hits().values()) == [1]
