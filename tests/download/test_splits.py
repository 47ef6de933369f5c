"""Exports that are larger than JSOC takes: cut by bytes before they are sent, halved where it refuses all the same."""

import pytest

from jsoclite.download import plan as plans
from jsoclite.errors import DownloadError, ExportError, JsocWarning
from jsoclite.sandbox import Sandbox

ROWS = "hmi.M_720s[2014.01.01_TAI/4h]{magnetogram}"  # 20 files of 0.12 MB
MORE = "hmi.M_720s[2014.01.01_TAI/8h]{magnetogram}"


def taken(sandbox):
    """How many records each request has that the sandbox took; it has no public list of them."""
    return [len(one.wanted.records) for one in sandbox.staging._requests.values()]


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("rows", ["a record set", "rows", "scattered rows"])
def test_what_is_refused_as_too_large_is_halved_until_it_is_taken(tmp_path, connections, rows):
    with Sandbox(staging_s=0, size_limit_mb=1) as sandbox:
        client = sandbox.client(connections=connections)
        chosen = client.query(MORE)
        chosen = {
            "a record set": MORE,
            "rows": chosen,
            "scattered rows": chosen.iloc[[*range(0, 40, 2), 1, 5]],
        }
        files = client.download(chosen[rows], tmp_path, protocol="fits")
        assert set(files.status) == {"downloaded"}
        assert max(taken(sandbox)) <= 16  # in whole MB, as the server counts
        assert sum(taken(sandbox)) == len(files)  # each record once
        sent = [one.path for one in sandbox.requests if one.path.startswith("/SUM")]
        assert len(sent) == len(set(sent)) == len(files)
        assert sandbox.counts["exp_request"] <= 12
        # and again: nothing
        assert set(client.download(chosen[rows], tmp_path, protocol="fits").status) == {"present"}
        assert sandbox.counts["exp_request"] <= 12


def test_one_record_that_is_too_large_fails_with_the_reason_and_the_others_come(tmp_path):
    with Sandbox(staging_s=0, size_limit_mb=0) as sandbox, sandbox.client() as client:
        with pytest.raises(DownloadError, match="status 3") as caught:
            client.download("hmi.M_720s[2014.01.01_TAI/36m]{magnetogram}", tmp_path, protocol="fits")
        assert set(caught.value.manifest.status) == {"failed"}
        assert sandbox.counts["exp_request"] <= 6


@pytest.mark.parametrize("how", ["download", "export", "plan"])
def test_requests_are_cut_by_bytes_before_they_are_sent(tmp_path, monkeypatch, how):
    """By the definition, an image has 4096 by 4096 pixels: four of them here."""
    monkeypatch.setattr(plans, "MOST_BYTES", 4 * 4096**2)
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        rows = client.query(ROWS)
        if how == "download":
            client.download(rows, tmp_path, protocol="fits")
            assert taken(sandbox) == [4] * 5
        elif how == "export":
            client.export(rows).wait()
            assert taken(sandbox) == [4] * 5
        else:
            assert len(client.plan(rows, protocol="fits").requests) == 5


def test_steps_that_make_files_smaller_let_more_of_them_into_one(monkeypatch):
    import jsoclite

    monkeypatch.setattr(plans, "MOST_BYTES", 4 * 4096**2)
    with Sandbox(staging_s=0) as sandbox, sandbox.client() as client:
        rows = client.query(ROWS)
        client.export(rows, process=jsoclite.Rebin(0.5)).wait()
        assert taken(sandbox) == [16, 4]


SETS = {
    "a set": ROWS,
    "two sets": f"{ROWS},hmi.M_720s[2014.01.03_TAI/2h]{{magnetogram}}",
    "without segments": "hmi.M_720s[2014.01.01_TAI/4h]",
    "rows": None,
}


@pytest.mark.parametrize("refused", [False, True], ids=["by bytes", "by status 3"])
@pytest.mark.parametrize("name", SETS)
def test_exports_that_are_too_large_are_split_as_downloads_are(tmp_path, monkeypatch, name, refused):
    if not refused:
        monkeypatch.setattr(plans, "MOST_BYTES", 7 * 4096**2)
    with Sandbox(staging_s=0, size_limit_mb=1 if refused else 104_857) as sandbox, sandbox.client() as client:
        rows = SETS[name] or client.query(ROWS)
        names = client.query(SETS[name] or ROWS).index
        export = client.export(rows, filename="{seriesname}.{recnum:%d}.{segment}").wait()
        assert sorted(export.files.index) == sorted(names)
        assert max(taken(sandbox)) <= (16 if refused else 7)
        assert sum(taken(sandbox)) == len(names)
        assert len(export) == len(export.ids) == len(taken(sandbox)) > 1
        assert export.done
        assert {one.filename for one in export} == {"{seriesname}.{recnum:%d}.{segment}"}
        with pytest.warns(JsocWarning, match="those of filename= are JSOC's"):
            assert set(export.download(tmp_path).status) == {"downloaded"}
        assert set(client.attach(*export.ids).download(tmp_path).status) == {"present"}


def test_an_export_of_one_record_that_is_too_large_says_so():
    with Sandbox(staging_s=0, size_limit_mb=0) as sandbox, sandbox.client() as client:
        export = client.export("hmi.M_720s[2014.01.01_TAI/24m]{magnetogram}")
        with pytest.raises(ExportError, match="too large|status 3"):
            export.wait()
        assert len(export) == 2
        assert sandbox.counts["exp_request"] == 3
