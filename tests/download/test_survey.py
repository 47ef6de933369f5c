"""A plan says what a download will do: the route of each file, bytes, export requests; and it fetches nothing."""

import importlib
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jsoclite
from jsoclite.cli import main
from jsoclite.download.ledger import FileRow, Ledger
from jsoclite.errors import SelectionError
from jsoclite.sandbox import Sandbox

pytestmark = pytest.mark.filterwarnings("ignore::jsoclite.JsocWarning")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture(scope="module")
def client(sandbox):
    with sandbox.client() as made:
        yield made


def asked(sandbox, since=0, words=""):
    """Return the paths of requests of the server's programs or of files."""
    paths = [one.path for one in list(sandbox.requests)[since:]]
    return [path for path in paths if words in path]


def chosen(record_set, choose, **options):
    """A job of rows that are chosen from a query."""
    return lambda client, directory: (choose(client.query(record_set)), options)


def plain(record_set, **options):
    return lambda client, directory: (record_set, options)


def begun(record_set, first, **options):
    """A job of which a part was downloaded before."""

    def job(client, directory):
        client.download(first, directory, **options)
        return record_set, options

    return job


def with_a_stranger(client, directory):
    """Somebody else's file has the name of one of ours."""
    path = Path(client.download("hmi.M_720s[2014.01.05_TAI]{magnetogram}", directory).path.iloc[0])
    for one in directory.iterdir():
        one.unlink()
    path.write_text("mine")
    return "hmi.M_720s[2014.01.05_TAI/1h]{magnetogram}", {}


def of_two_series(client, directory):
    first = client.query("hmi.M_720s[2014.01.06_TAI/36m]")
    return pd.concat([first, client.query("mdi.fd_M_96m_lev182[2000.01.02_TAI/5h]")]), {}


def mixed_up_and_twice(client, directory):
    first = client.query("hmi.M_720s[2014.01.06_TAI/36m]")
    rows = pd.concat([first, client.query("mdi.fd_M_96m_lev182[2000.01.02_TAI/5h]")])
    return rows.iloc[[3, 0, 4, 1, 0]], {}


def from_csv(client, directory):
    client.query("hmi.Ic_720s[2014.01.07_TAI/2h]{continuum}").iloc[1::3].to_csv(directory / "rows.csv")
    return pd.read_csv(directory / "rows.csv", index_col="record"), {}


def by_names(client, directory):
    return client.query("hmi.M_720s[2014.01.08_TAI/1h]").index.tolist(), {"segments": "magnetogram"}


REBIN = jsoclite.Rebin(0.25)
JOBS = {
    "online": plain("hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"),
    "eclipse": plain("hmi.M_720s[2014.03.11_06:00:00_TAI/4h]{magnetogram}"),
    "eclipse, staged": plain("hmi.M_720s[2014.03.12_06:00:00_TAI/4h]{magnetogram}", protocol="fits"),
    "two segments": plain("hmi.B_720s[2014.01.01_TAI/1h]{field,azimuth}"),
    "all segments": plain("hmi.B_720s[2014.01.02_TAI]"),
    "partly on tape": plain("hmi.M_720s[2014.03.28_22:00:00_TAI/4h]{magnetogram}"),
    "partly on tape, staged": plain("hmi.M_720s[2014.03.28_22:00:00_TAI/4h]{magnetogram}", protocol="fits"),
    "all on tape": plain("hmi.M_720s[2014.03.29_06:00:00_TAI/1h]{magnetogram}"),
    "seven channels": plain("aia.lev1_euv_12s[2014-01-01T00:00:00Z/36s]{image}"),
    "a channel with spikes": plain("aia.lev1_euv_12s[2014-01-01T00:00:00Z/1m][171]{image,spikes}"),
    "a channel without": plain("aia.lev1_euv_12s[2014-01-01T00:00:00Z/1m][193]"),
    "a patch": plain("hmi.sharp_cea_720s[377][2011.02.15_TAI/2h]{Br,bitmap}"),
    "staged": plain("hmi.M_720s[2014.01.02_TAI/2h]{magnetogram}", protocol="fits"),
    "as stored": plain("hmi.V_45s[2014.01.01_TAI/10m]", protocol="as-is"),
    "of MDI": plain("mdi.fd_M_96m_lev182[2000.01.01_TAI/1d]"),
    "a chart": plain("hmi.Synoptic_Mr_720s[2140]"),
    "scattered rows": chosen("hmi.M_45s[2014.01.01_TAI/2h]{magnetogram}", lambda df: df.sample(30, random_state=1)),
    "one row": chosen("hmi.M_720s[2014.01.04_TAI/1h]{magnetogram}", lambda df: df.iloc[2]),
    "no row": chosen("hmi.M_720s[2014.01.04_TAI/1h]{magnetogram}", lambda df: df.iloc[:0]),
    "two series": of_two_series,
    "mixed up and twice": mixed_up_and_twice,
    "rows of a CSV file": from_csv,
    "names": by_names,
    "half of it here": begun(
        "hmi.M_720s[2014.01.03_TAI/2h]{magnetogram}", "hmi.M_720s[2014.01.03_TAI/1h]{magnetogram}"
    ),
    "all here": begun("hmi.M_720s[2014.01.03_TAI/1h]{magnetogram}", "hmi.M_720s[2014.01.03_TAI/1h]{magnetogram}"),
    "a step, some known": begun(
        "hmi.M_720s[2014.01.09_TAI/2h]{magnetogram}", "hmi.M_720s[2014.01.09_TAI]{magnetogram}", process=REBIN
    ),
    "a stranger": with_a_stranger,
}  # fmt: skip


def finished(directory):
    """Return the record sets of the exports that JSOC has done for a directory."""
    with Ledger(directory, write=False) as ledger:
        return [one.record_set for one in ledger.requests(state=("done",))]


@pytest.mark.parametrize("job", JOBS)
def test_plan_and_result_agree(client, sandbox, tmp_path, job):
    rows, options = JOBS[job](client, tmp_path)
    before, files = len(sandbox.requests), sorted(tmp_path.iterdir())
    earlier = finished(tmp_path)
    plan = client.plan(rows, tmp_path, **options)
    assert asked(sandbox, before, "exp_request") == []
    assert sorted(tmp_path.iterdir()) == files
    done = client.download(plan, tmp_path, on_error="ignore")
    assert plan.files.index.tolist() == done.index.tolist()
    assert plan.files.segment.tolist() == done.segment.tolist()
    became = {"here": {"present"}, "sums": {"downloaded"}, "export": {"downloaded"}, "none": {"missing", "failed"}}
    for route, status in zip(plan.files.route, done.status, strict=True):
        assert status in became[route]
    new = done[done.status == "downloaded"].drop_duplicates("path")
    assert plan.bytes == pytest.approx(new.bytes.sum(), rel=0.02)
    assert list(plan.requests) == finished(tmp_path)[len(earlier) :]
    assert len(plan.requests) == new.request_id.nunique()
    assert (plan.files.route == "export").sum() == done[done.status == "downloaded"].request_id.notna().sum()
    here = plan.files[plan.files.route == "here"]
    assert here.bytes.tolist() == done[done.status == "present"].bytes.tolist()
    assert plan.files[plan.files.route == "none"].reason.notna().all()
    # and the plan is what a download makes by itself
    again = client.plan(rows, tmp_path, **options)
    assert (again.files.route == "here").sum() == done.status.isin(["downloaded", "present"]).sum()
    assert not again.requests
    assert again.bytes == 0


WHEN = "2014-01-01T00:00:00"


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        (DAY := "hmi.M_720s[2014.01.01_TAI/36m]{magnetogram}", jsoclite.Rebin(0.25)),
        (DAY, jsoclite.Rebin(0.5)),
        (DAY, jsoclite.Resize(1.0)),
        (DAY, jsoclite.Resize(2.0)),
        (DAY, [jsoclite.Resize(2.0), jsoclite.Rebin(0.5)]),
        ("aia.lev1_euv_12s[2014-01-01T00:00:00Z/24s][171]{image}", jsoclite.Rebin(0.25)),
        (DAY, jsoclite.Cutout(center=(-300, 150), size=1200, t_ref=WHEN)),
        ("mdi.fd_M_96m_lev182[2000.01.01_TAI/5h]", jsoclite.Cutout(center=(0, 0), size=1000, t_ref="2000-01-01")),
    ],
)
def test_bytes_of_a_first_step_are_a_guess_that_is_told_and_not_far_off(client, tmp_path, rows, step):
    plan = client.plan(rows, tmp_path, process=step, protocol="fits")
    assert plan.sources["bytes"].startswith("a guess from")
    done = client.download(plan, tmp_path)
    assert 0.4 < plan.bytes / done.bytes.sum() < 2.5


def test_scattered_rows_need_the_same_requests_as_their_export(client):
    year = client.query("hmi.M_720s[2014.01.01_TAI/200d]{magnetogram}")
    rows = year[year.online & year.jsoc.good()].sample(900, random_state=2)
    plan = client.plan(rows, protocol="fits")
    export = client.export(rows, segments="magnetogram")
    assert [str(one.record_set) for one in export] == list(plan.requests)
    assert len(plan.requests) > 1
    for request in export:
        request.fail(jsoclite.ExportError("enough"))


@pytest.mark.parametrize(
    ("choose", "most"),
    [
        (lambda df: df, 5),  # 43,800
        (lambda df: df[df.jsoc.good()], 5),
        (lambda df: df.iloc[::7], 1),
        (lambda df: df.iloc[:12_000].sample(3000, random_state=3), 1),
        (lambda df: df.sample(20, random_state=4), 1),
    ],
    ids=["a year", "good ones", "every seventh", "scattered", "a few"],
)
def test_a_request_for_ten_thousand_rows(client, sandbox, choose, most):
    rows = choose(client.query("hmi.M_720s[2014.01.01_TAI/365d]{magnetogram}"))
    before = len(sandbox.requests)
    plan = client.plan(rows)
    assert len(sandbox.requests) - before <= most
    assert len(plan.files) == len(rows)
    routes = plan.files.route.to_numpy()
    online = rows.online & rows.jsoc.good()
    assert np.array_equal(routes == "sums", online.to_numpy())


def test_a_record_set_is_listed_once(client, sandbox):
    client.info("hmi.M_720s")
    before = len(sandbox.requests)
    client.plan("hmi.M_720s[2014.01.01_TAI/5d]{magnetogram}")
    assert len(sandbox.requests) - before == 1


def test_no_address_and_no_directory_are_needed(sandbox, tmp_path):
    with jsoclite.Client(sandbox.url) as client:
        plan = client.plan("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", tmp_path / "new", protocol="fits")
        assert plan.files.route.unique().tolist() == ["export"]
        assert not (tmp_path / "new").exists()
        with pytest.raises(jsoclite.EmailError):
            client.download(plan, tmp_path / "new")


def test_what_is_under_way_is_not_asked_for_again(tmp_path):
    rows = "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}"
    with Sandbox(staging_s=3600) as sandbox, sandbox.client() as client:
        request = client.export(rows)[0]
        with Ledger(tmp_path) as ledger:
            server = client.transport.server.cgi_baseurl
            noted = ledger.add_request(
                server, request.record_set, method="url", protocol="fits", process="", filename=""
            )
            noted.request_id, noted.state, noted.submitted = request.id, "pending", time.time()
            ledger.save_request(noted)
            known = client.query(rows).iloc[:3]
            ledger.save_files(
                FileRow(record, int(number), "magnetogram", "fits", f"{number}.fits", request=noted.key)
                for record, number in known.recnum.items()
            )
        plan = client.plan(rows, tmp_path)
        assert plan.files.route.tolist() == ["export"] * 3 + ["sums"] * 2
        assert plan.requests == ()
        assert request.id in plan.files.reason.iloc[0]
        assert plan.seconds > 70


def test_requests_that_jsoc_has_yet_to_do_take_their_time(tmp_path):
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        sets = ("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "hmi.Ic_720s[2014.01.01_TAI]{continuum}")
        export = client.export(pd.concat(client.query(one) for one in sets))  # the second waits for the first
        assert [len(export), export[1].planned] == [2, True]
        assert client.plan(export, tmp_path).seconds >= 2 * 75
        assert client.plan(export.wait(), tmp_path).seconds < 75


def test_time_is_measured_where_the_ledger_can(client, tmp_path):
    rows = "hmi.M_720s[2014.01.01_TAI/2h]{magnetogram}"
    plan = client.plan(rows, tmp_path, protocol="fits")
    assert plan.sources["seconds"].count("assumed") == 2
    assert plan.seconds == pytest.approx(75 + plan.bytes / 2e6)
    client.download("hmi.M_720s[2014.02.01_TAI/1h]{magnetogram}", tmp_path, protocol="fits")
    with Ledger(tmp_path) as ledger:
        (request,) = ledger.requests()
        request.submitted, request.finished = 1000.0, 1042.0
        ledger.save_request(request)
        files = ledger.files()
        for number, row in enumerate(files):
            row.finished = 2000.0 + 2.0 * number
        ledger.save_files(files)
    plan = client.plan(rows, tmp_path, protocol="fits")
    assert plan.sources["seconds"].count("measured") == 2
    assert plan.seconds == pytest.approx(42 + plan.bytes / (files[0].bytes / 2.0), rel=0.05)


def test_limits_are_told(client, tmp_path, monkeypatch):
    rows = "hmi.M_720s[2014.01.01_TAI/2h]{magnetogram}"
    assert client.plan(rows, tmp_path).limits == ()
    module = importlib.import_module("jsoclite.download.survey")  # the face has a function of that name
    monkeypatch.setattr(module, "MOST_BYTES", 500_000)
    (limit,) = client.plan(rows, tmp_path, protocol="fits").limits
    assert "JSOC takes 100 GB a request" in limit
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    (limit,) = client.plan(rows, tmp_path / "deep" / "down").limits
    assert "make room" in limit


def test_it_shows_itself(client, tmp_path):
    plan = client.plan("hmi.M_720s[2014.03.11_06:00:00_TAI/4h]{magnetogram}", tmp_path, protocol="fits")
    text, html = repr(plan), plan._repr_html_()
    for shown in (text, html):
        for words in ("20 files", "15 by export", "5 not to be had", "1 export request", "*size*", "QUALITY bit 31"):
            assert words in shown
    assert "hmi.M_720s[:#" in html
    assert "no files" in repr(client.plan([], tmp_path))


def test_a_plan_of_requests_made_before(client, tmp_path):
    export = client.export("hmi.M_720s[2014.01.20_TAI/1h]{magnetogram}").wait()
    rows = client.query("hmi.M_720s[2014.01.20_TAI/1h]{magnetogram}")
    of_rows = client.export(rows)
    plan = client.plan(of_rows, tmp_path)
    assert plan.files.index.tolist() == rows.index.tolist()
    assert set(plan.files.route) == {"export"}
    assert plan.requests == ()
    assert (client.download(plan, tmp_path).status == "downloaded").all()
    assert len(export) == 1


def test_plans_that_there_are_not(client, tmp_path):
    plan = client.plan("hmi.M_720s[2014.01.01_TAI]{magnetogram}")
    with pytest.raises(ValueError, match="leave them out"):
        client.download(plan, tmp_path, protocol="fits")
    df = client.query("hmi.M_720s[2014.01.01_TAI/2h]")
    with pytest.raises(SelectionError):
        client.plan(df.assign(recnum=df.recnum.to_numpy()[::-1]))
    with pytest.raises(SelectionError, match=r"df\[mask\]"):
        client.plan(df.jsoc.good())


def test_reading_a_ledger_writes_nothing(client, tmp_path):
    client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o444)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    os.chmod(tmp_path, 0o555)
    try:
        assert client.plan("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path).files.route.tolist() == ["here"]
    finally:
        os.chmod(tmp_path, 0o755)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_on_the_command_line(sandbox, tmp_path, capsys):
    words = ["--server", sandbox.url, "get", "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "-o", str(tmp_path / "new")]
    assert main([*words, "--dry-run"]) == 0
    assert "5 straight from SUMS" in capsys.readouterr().out
    assert main([*words, "--dry-run", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert '"route":"sums"' in lines[0]
    assert not (tmp_path / "new").exists()
    assert main([*words[:3], "hmi.M_720s[1999.01.01_TAI]", "--dry-run"]) == 1
