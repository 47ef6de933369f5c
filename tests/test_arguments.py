"""What is wrong with an argument is said in a sentence, whatever call it is given to."""

import gc
import inspect

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.arguments import choice, folder, shown, whole
from jsoclite.cli import main
from jsoclite.errors import ArgumentError, JsocError, RecordSetError, UnknownName, UnknownSeries

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


@pytest.mark.parametrize("wrong", [None, 5, ["hmi.M_720s"], b"x", "rows"])
def test_what_is_no_series(client, rows, wrong):
    value = rows if isinstance(wrong, str) else wrong
    calls = {
        "info": (), "keys": (), "pkeys": (), "latest": (), "search": ("2014.01.01",),
        "nearest": ("2014.01.01", "12m"), "coverage": ("2014.01.01", "2014.01.02"),
    }  # fmt: skip
    for name, arguments in calls.items():
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
    for wrong in ("jpeg", None, 5, ("fits",), ["fits"]):
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
    with pytest.raises(UnknownName, match="notify.*Client"):
        client.search(SERIES, "2014.01.01_TAI", notify="me@example.org")
    with pytest.raises(ArgumentError, match="latest .*where="):
        client.latest(SERIES, where={"QUALITY": 0})


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
