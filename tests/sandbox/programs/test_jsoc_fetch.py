"""jsoc_fetch: what the real program answered, and the states of requests."""

from __future__ import annotations

import json
import re
from functools import cache
from io import BytesIO
from urllib.parse import urlencode

import pytest
from conftest import GOLDEN

from jsoclite.sandbox import Sandbox
from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.exports.directory import State
from jsoclite.sandbox.exports.header import card, header
from jsoclite.sandbox.exports.wanted import FileNameCrashError, FileNameError, Namer, RecordTable
from jsoclite.sandbox.messages import Request

ADDRESS = "test@example.com"
SET = "hmi.M_720s[2014.01.01_00:00:00_TAI/36m][3]{magnetogram}"
NAMES = "hmi.M_720s.{T_REC:A}.{CAMERA}.{segment}"
START = 1_795_329_000.0  # 2026-11-22T06:30:00Z


def golden(name: str) -> list[dict]:
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


@cache
def _catalog() -> StoredCatalog:
    return StoredCatalog(GOLDEN / "catalog")


class Desk:
    """A sandbox without sockets, and its clock."""

    def __init__(self, **options) -> None:
        self.now = START
        options = {"email": ADDRESS, "staging_s": 10.0} | options
        self.sandbox = Sandbox(_catalog(), clock=lambda: self.now, **options)

    def get(self, path: str, body: bytes = b"", peer: str = "127.0.0.1", **headers: str):
        method = "POST" if body else "GET"
        return self.sandbox._app.handle(Request(method, "/" + path, headers, body, peer)).response

    def fetch(self, peer: str = "127.0.0.1", **params: str):
        return json.loads(self.get(f"cgi-bin/ajax/jsoc_fetch?{urlencode(params)}", peer=peer).content())

    def request(self, ds: str = SET, **params: str):
        given = {"op": "exp_request", "ds": ds, "notify": ADDRESS, "method": "url", "protocol": "FITS,compress Rice"}
        return self.fetch(**(given | {"filenamefmt": NAMES, "format": "json"} | params))

    def status(self, id: str):
        return self.fetch(op="exp_status", requestid=id)

    def finished(self, ds: str = SET, **params: str):
        answer = self.request(ds, **params)
        assert answer["status"] == 2, answer
        self.now += 11
        return self.status(answer["requestid"])

    def file(self, answer: dict, name: str) -> bytes:
        response = self.get(answer["dir"][1:] + "/" + name)
        assert response.status == 200
        return response.content()


@pytest.fixture
def desk():
    return Desk()


# ---- recorded answers
def _same(body: str) -> str:
    """Request ids are the clock's and the counter's."""
    return re.sub(r"JSOC_2026\d{4}_\d+(_IN)?", "JSOC_ID", body)


@pytest.mark.parametrize("name", ["jsoc_fetch.jsonl", "export_forms.jsonl"])
def test_recorded_answers(name):
    desk, wrong, last = Desk(pending_limit=0, host_limit=0), [], ""
    for line in golden(name):
        query = line.get("query_string", "")
        if line.get("note") == "status" and "2026" in query:
            query = f"op=exp_status&requestid={last}"  # of the request before
            desk.now += 1
        body = desk.get(f"cgi-bin/ajax/jsoc_fetch?{query}").content().decode("latin-1")
        if _same(body) != _same(line["body"]):
            wrong.append((query, body, line["body"]))
        last = (re.search(r'"requestid":"(JSOC_\w+)","method":"url","protocol":"FITS"', body) or [None, last])[1]
    assert not wrong


@pytest.mark.parametrize("line", golden("export_forms.jsonl"), ids=range(8))
def test_recorded_answers_by_post(desk, line):
    body = desk.get("cgi-bin/ajax/jsoc_fetch", line["query_string"].encode()).content()
    assert body.decode("latin-1") == line["body"]


def test_recorded_states():
    """All states of a request, with the recorded texts."""
    desk = Desk(pending_limit=0)
    recorded = {line["note"]: line["body"] for line in golden("jsoc_fetch_status.jsonl")}
    id = desk.request()["requestid"]

    def body() -> str:
        text = desk.get(f"cgi-bin/ajax/jsoc_fetch?op=exp_status&requestid={id}").content().decode("latin-1")
        return text.replace(id, "ID")

    def expected(note: str, **changes: str) -> str:
        text = re.sub(r"JSOC_20140101_\d+", "ID", recorded[note])
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    assert body() == re.sub(r'"wait":-?\d+', '"wait":10', expected("status 1"))
    desk.now += 2
    assert body() == re.sub(r'"wait":-?\d+', '"wait":8', expected("status 2"))
    desk.now += 9
    done = re.sub(r"D\d{9}", "D", re.sub(r"SUM\d+", "SUM", body()))
    want = re.sub(
        r"D\d{9}", "D", re.sub(r"SUM\d+", "SUM", expected("complete (status 0 in jsoc.export, index.json in SU)"))
    )
    stamp = re.compile(r"2026\.11\.22_\d\d:\d\d:\d\d_UT")
    assert stamp.sub("", done) == stamp.sub("", want)
    desk.sandbox.staging.fail(id, "Request too large", State.TOO_LARGE)
    assert body() == expected("status 3")
    desk.sandbox.staging.fail(id, "RecordSet specified does not exist")
    assert body() == expected("status 4, errmsg NA")
    desk.sandbox.staging.expire(id)
    desk.sandbox.staging.get(id).error = None
    assert body() == expected("status 0 but SU gone")


def _table(desk: Desk, ds: str) -> RecordTable:
    engine = desk.sandbox._app.engine
    return RecordTable(engine.reader, engine.open(ds))


@pytest.mark.parametrize("line", golden("export_filenames.jsonl"), ids=lambda line: line["filenamefmt"])
def test_recorded_file_names(desk, line):
    table = _table(desk, line["recordset"])
    (file,) = table.files()

    def names() -> list[str]:
        return [Namer(line["filenamefmt"], table).filled(0, 0, file.name)]

    if not line["ok"]:
        with pytest.raises(FileNameCrashError):
            names()
    elif not line["files"]:
        with pytest.raises(FileNameError):
            names()
    else:
        assert names() == line["files"]


# of the image and of the library that wrote it
STRUCTURE = ("XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BSCALE")


def test_recorded_fits_header(desk):
    text = (GOLDEN / "export_fits_header.txt").read_text().partition("### HDU 1\n")[2]
    recorded = [f"{line:<80}" for line in text.splitlines() if line[:8].strip() not in STRUCTURE]
    table = _table(desk, "hmi.M_720s[:#12]")
    cards = header(table, 0, "magnetogram")
    assert [f"{one:<80}" for one in cards] == recorded


# ---- requests
def test_an_export_from_request_to_file(desk):
    answer = desk.finished()
    assert answer["status"] == "0"
    assert [row["record"] for row in answer["data"]] == [
        f"hmi.M_720s[2014.01.01_{time}_TAI][3]" for time in ("00:00:00", "00:12:00", "00:24:00")
    ]
    content = desk.file(answer, "hmi.M_720s.20140101_000000_TAI.3.magnetogram.fits")
    from astropy.io import fits

    with fits.open(BytesIO(content), checksum=True) as units:
        units.verify("exception")
        assert len(units) == 1
        assert units[0].header["DRMS_ID"] == "hmi.M_720s:12:magnetogram"
        assert units[0].data.shape == (1608, 120)
    assert (
        desk.get(answer["dir"][1:] + "/index.json").content()
        == desk.get(f"cgi-bin/ajax/jsoc_fetch?op=exp_status&requestid={answer['requestid']}").content()
    )
    assert desk.get(answer["dir"][1:] + "/other.fits").status == 404


def test_as_is_export_keeps_the_bytes_and_has_a_table_of_keywords(desk):
    answer = desk.finished(protocol="as-is")
    assert list(answer) == [
        *("version", "requestid", "method", "protocol", "wait", "count", "size", "status", "dir", "keywords", "data")
    ]
    assert answer["data"][1]["record"].endswith("[3]{magnetogram}")
    stored = desk.get("SUM0/D500000012/S00000/magnetogram.fits").content()
    assert desk.file(answer, answer["data"][1]["filename"]) == stored
    table = desk.get(answer["keywords"][1:]).content().decode().splitlines()
    assert len(table) == 4
    assert dict(zip(table[0].split("\t"), table[1].split("\t"), strict=True))["TELESCOP"] == "SDO/HMI"


def test_tar_export(desk):
    import tarfile

    answer = desk.finished(method="url-tar")
    assert answer["tarfile"] == f"{answer['dir']}/{answer['requestid']}.tar"
    name = answer["data"][0]["filename"]
    assert desk.get(f"{answer['dir'][1:]}/{name}").status == 404
    with tarfile.open(fileobj=BytesIO(desk.get(answer["tarfile"][1:]).content())) as archive:
        assert archive.getnames() == [row["filename"] for row in answer["data"]]
        assert archive.extractfile(name).read(6) == b"SIMPLE"


def test_one_pending_request_per_address(desk):
    first = desk.request()["requestid"]
    answer = desk.request(ds="hmi.M_720s[2014.01.01_01:00:00_TAI][3]")
    assert answer == {
        "status": 7,
        "error": f"User {ADDRESS} has 1 pending export requests ({first}); please wait until at least one request has "
        "completed before submitting a new one.",
    }
    desk.sandbox.staging.finish()
    assert desk.request(ds="hmi.M_720s[2014.01.01_01:00:00_TAI][3]")["status"] == 2


def test_host_limit():
    desk = Desk(email=[f"a{number}@example.com" for number in range(12)])
    sets = [f"hmi.M_720s[2014.01.01_00:{12 * slot:02}:00_TAI][{camera}]" for camera in (1, 3) for slot in range(5)]
    for number, ds in enumerate(sets):
        assert desk.request(ds, notify=f"a{number}@example.com")["status"] == 2
    refused = desk.request("hmi.B_720s[2014.01.01_00:00:00_TAI]", notify="a11@example.com")
    assert refused["status"] == 7
    assert refused["error"].startswith("There are too many requests from 127.0.0.1; please wait")
    assert (
        desk.request("hmi.B_720s[2014.01.01_00:00:00_TAI]", notify="a11@example.com", peer="127.0.0.2")["status"] == 2
    )


def test_an_old_pending_request_no_longer_counts():
    desk = Desk(staging_s=1e9)
    desk.request()
    desk.now += 3601
    assert desk.request("hmi.B_720s[2014.01.01_00:00:00_TAI]")["status"] == 2


def test_a_failed_request_counts_as_pending_for_an_hour():
    desk = Desk()
    joined = "hmi.M_720s[:#12],hmi.M_720s[:#13]"
    failed = desk.request(joined)["requestid"]
    desk.now += 11
    assert desk.status(failed)["status"] == 4
    other = "hmi.B_720s[2014.01.01_00:00:00_TAI]"
    refused = desk.request(other)
    assert refused["status"] == 7
    assert failed in refused["error"]
    desk.now += 3600 - 12
    assert desk.request(other)["status"] == 7
    desk.now += 2
    assert desk.request(other)["status"] == 2


def test_a_set_without_records_is_taken_unless_it_is_answered_at_once():
    desk, nothing = Desk(), "hmi.M_720s[1999.01.01_TAI]"
    refused = desk.request(nothing, method="url_quick", protocol="as-is")
    assert refused["error"] == "There are no files in this RecordSet"
    taken = desk.request(nothing)
    assert (taken["status"], taken["rcount"], taken["size"]) == (2, 0, 0)
    assert desk.request(nothing)["status"] == 7
    desk.now += 11
    failed = desk.status(taken["requestid"])
    assert failed["status"] == 4
    assert failed["error"].endswith("contains no records.")


def test_what_is_done_expired_or_too_large_keeps_nobody_waiting():
    desk = Desk()
    for number, state in enumerate(("DONE", "EXPIRED", "TOO_LARGE")):
        request = desk.request(f"hmi.M_720s[:#{number + 12}]")["requestid"]
        if state == "DONE":
            desk.sandbox.staging.finish(request)
        else:
            desk.sandbox.staging.fail(request, "", State[state])
    assert desk.request("hmi.B_720s[2014.01.01_00:00:00_TAI]")["status"] == 2


@pytest.mark.parametrize(
    "fact", [one for one in json.loads((GOLDEN / "facts.json").read_text()) if "status_sequence" in one],
    ids=lambda fact: fact["requestid"],
)  # fmt: skip
def test_states_as_they_were_printed(fact):
    """Clients of JSOC saw the answer to the request, and seconds later the next states; so it is here."""
    desk = Desk(staging_s=60.0)
    answer = desk.request()
    seen = [answer["status"]]
    for _ in range(12):
        desk.now += 5
        seen.append(int(desk.status(answer["requestid"])["status"]))
    assert (seen[1], seen[-2], seen[-1]) == (1, 1, 0)
    polls = iter(seen)
    assert all(state in polls for state in fact["status_sequence"])
    assert re.fullmatch(r"JSOC_\d{8}_\d{6}", answer["requestid"])


def test_an_export_takes_a_minute_of_its_clock_which_is_a_fast_one(monkeypatch):
    real = [START]
    monkeypatch.setattr("jsoclite.sandbox.sandbox.time.time", lambda: real[0])
    for clock, seconds in ((None, 2.0), (lambda: real[0], 60.0)):
        desk = Desk()
        desk.sandbox = Sandbox(_catalog(), email=ADDRESS, clock=clock)
        request = desk.request()["requestid"]
        real[0] += seconds - 0.1
        assert desk.status(request)["status"] in (1, 2)
        real[0] += 0.2
        assert desk.status(request)["status"] == "0"


def test_equal_requests_within_a_day_are_one():
    desk = Desk(pending_limit=0)
    first = desk.request()
    assert desk.request() == first
    assert desk.request(filenamefmt="{recnum:%d}.fits")["requestid"] != first["requestid"]
    assert desk.request(ds="hmi.M_720s[:#12,#13,#14]{magnetogram}")["requestid"] == first["requestid"]
    desk.now += 86401
    assert desk.request()["requestid"] != first["requestid"]


def test_a_failed_request_is_not_given_again():
    desk = Desk(pending_limit=0)
    first = desk.request()["requestid"]
    desk.sandbox.staging.fail(first, "")
    assert desk.status(first)["error"] == ""
    assert desk.request()["requestid"] != first


def test_the_directory_of_an_export_shows_its_index(desk):
    answer = desk.finished()
    page = desk.get(answer["dir"][1:] + "/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.content() == desk.file(answer, "index.html")
    for row in answer["data"]:
        assert f'href="{row["filename"]}"'.encode() in page.content()
    assert desk.get(answer["dir"][1:].replace("S00000", "S00001") + "/").status == 404


def test_results_are_kept_for_seven_days(desk):
    answer = desk.finished()
    name = answer["data"][0]["filename"]
    desk.now += 7 * 86400 - 100
    assert desk.file(answer, name)
    desk.now += 200
    assert desk.status(answer["requestid"])["status"] == 5
    assert desk.get(f"{answer['dir'][1:]}/{name}").status == 404


def test_ids_count_from_one_each_day(desk):
    assert desk.request()["requestid"] == "JSOC_20261122_000001"
    desk.now += 86400
    assert desk.request(ds="hmi.B_720s[2014.01.01_00:00:00_TAI]")["requestid"] == "JSOC_20261123_000001"


@pytest.mark.parametrize("character_count", [4095, 4096])
def test_long_record_sets_fail_after_submission(character_count):
    desk = Desk()
    head, tail = "hmi.M_720s[:#12", "]"
    filler = ",#12" * ((character_count - len(head) - len(tail) - 32) // 4)
    ds = head + filler + tail
    ds = ds.replace("[:#12", "[:#" + "0" * (character_count - 32 - len(ds)) + "12", 1)
    assert len(ds) + 32 == character_count
    answer = desk.finished(ds)
    if character_count == 4095:
        assert answer["status"] == "0"
    else:
        assert (answer["status"], answer["error"]) == (4, "Record-set specification is too long.")


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"process": "n=0|frobnicate,x=1"}, "Invalid process field value: n=0|frobnicate,x=1."),
        ({"protocol": "JPEG"}, "invalid protocol"),
        ({"ds": f"{SET},{SET.replace('01.01', '01.02')}"}, "Unable to export a list of record sets."),
        ({"filenamefmt": "{nosuch}"}, "Problem running protocol-export command."),
        ({"filenamefmt": "../../{segment}"}, "Problem running protocol-export command."),
        ({"filenamefmt": "{recnum:%999999999d}"}, "Problem running protocol-export command."),
    ],
)
def test_failures_after_submission(desk, params, error):
    answer = desk.finished(**params)
    assert (answer["status"], answer["error"], answer["wait"]) == (4, error, 999999)
    assert answer["contact"] == "jsoc_help@jsoc.stanford.edu"


def test_very_long_record_sets_are_cut_before_they_are_read(desk):
    """What is beyond 8191 characters is dropped without a word; here the closing bracket."""
    ds = "hmi.M_720s[:#12" + ",#13" * 2200 + "]"
    form = urlencode({"op": "exp_request", "ds": ds, "notify": ADDRESS, "format": "json"}).encode()
    answer = json.loads(desk.get("cgi-bin/ajax/jsoc_fetch", form).content())
    assert answer == {"status": 4, "error": f"Bad record-set query '{ds[:8191]}'.\n"}


def test_too_large_requests_are_refused():
    desk = Desk(size_limit_mb=0)
    answer = desk.request()
    assert answer == {
        "requestid": "VOID",
        "method": "url",
        "protocol": "FITS,compress Rice",
        "wait": 0,
        "status": 3,
        "count": 3,
        "size": 1,
        "error": "Request exceeds max byte limit of 0MB",
    }


def test_offline_units_are_staged_on_demand(desk):
    ds = "hmi.M_720s[][? mod(sunum,37)=5 ?]"
    assert desk.request(ds)["status"] == 25
    answer = desk.finished(ds, o="0")
    # what never came back from tape is left out, as by the real program
    assert answer["data"][-1] == {
        "record": "warning=No FITS files were exported. The requested FITS files no longer exist.",
        "filename": "",
    }


def test_the_quality_filter_hides_records_without_an_image(desk):
    ds = "hmi.M_720s[2014.01.01_03:48:00_TAI/36m][3]"
    filtered = desk.request(ds, method="url_quick", protocol="as-is")
    everything = desk.request(ds, method="url_quick", protocol="as-is", q="1")
    assert filtered["rcount"] == everything["rcount"] - 1
    assert not any("04:00:00" in row["record"] for row in filtered["data"])


def test_a_list_with_one_quality_filter_loses_the_elements_that_have_it(desk):
    ds = "hmi.M_720s[:#12][? QUALITY=0 ?],hmi.M_720s[:#14]"
    answer = desk.request(ds, method="url_quick", protocol="as-is")
    assert [row["record"] for row in answer["data"]] == ["hmi.M_720s[2014.01.01_00:24:00_TAI][3]{magnetogram}"]


def test_semicolons_are_refused_in_plain_text(desk):
    query = urlencode({"op": "exp_request", "ds": "a[1];b[2]", "notify": ADDRESS, "format": "json"})
    body = desk.get(f"cgi-bin/ajax/jsoc_fetch?{query}").content().decode()
    assert body.startswith("status=4\nerror=Illegal text in arg: ';' not allowed\n{")


def test_different_series_are_refused(desk):
    answer = desk.request("hmi.M_720s[:#12],hmi.B_720s[:#1]")
    assert answer == {"status": 4, "error": "Cannot specify subsets of records from different series."}


def test_an_uploaded_list_of_record_sets(desk):
    fields = {"op": "exp_request", "ds": "*file*", "notify": ADDRESS, "method": "url_quick", "protocol": "as-is"}
    lines = ["--B"]
    for name, value in fields.items():
        lines += [f'Content-Disposition: form-data; name="{name}"', "", value, "--B"]
    lines += ['Content-Disposition: form-data; name="file"; filename="sets"', "", "# comment", "hmi.M_720s[:#12]"]
    lines += ["hmi.M_720s[:#14] # another", "--B--", ""]
    headers = {"content-type": "multipart/form-data; boundary=B"}
    body = desk.get("cgi-bin/ajax/jsoc_fetch", "\r\n".join(lines).encode(), **headers).content()
    assert json.loads(body)["rcount"] == 2


def test_text_answers(desk):
    query = urlencode({"op": "exp_status", "requestid": "JSOC_20140101_001", "format": "txt"})
    response = desk.get(f"cgi-bin/ajax/jsoc_fetch?{query}")
    assert response.headers["Content-Type"] == "text/plain"
    assert b"status=4\nerror=invalid export DRMS record" in response.content()


def test_crashes_are_http_500_with_a_reason(desk):
    answer = desk.get(
        "cgi-bin/ajax/jsoc_fetch?" + urlencode({"op": "exp_request", "ds": "hmi.M_720s[garbage]", "notify": ADDRESS})
    )
    assert answer.status == 500
    assert b"kills the real program" in answer.content()
    query = urlencode({"op": "exp_request", "ds": "hmi.M_720s ,hmi.M_720s[]", "notify": ADDRESS})
    assert desk.get(f"cgi-bin/ajax/jsoc_fetch?{query}").status == 500  # its scanner would never end


def test_manage_request(desk):
    def manage(operation: str) -> dict:
        query = urlencode({"address": ADDRESS, "operation": operation})
        return json.loads(desk.get(f"cgi-bin/ajax/manage-request.sh?{query}").content())

    assert manage("check")["status"] == "1"
    id = desk.request()["requestid"]
    assert manage("check") == {
        "status": "2",
        "msg": f"existing export request for export user {ADDRESS} [ request_id={id}, start_time=2026-11-22 06:30:00 ]",
    }
    assert manage("cancel")["status"] == "3"
    assert desk.request("hmi.B_720s[2014.01.01_00:00:00_TAI]")["status"] == 2
    desk.now += 20
    assert desk.status(id)["status"] == "0"  # cancelling does not stop the job


def test_many_requests_stay_bounded(monkeypatch):
    from jsoclite.sandbox.exports import directory as staging

    monkeypatch.setattr(staging, "MAX_REQUESTS", 20)
    desk = Desk(pending_limit=0, host_limit=0, staging_s=0.0)
    ids = [desk.request(filenamefmt=f"{number}.{{recnum:%d}}.fits")["requestid"] for number in range(50)]
    assert len(desk.sandbox.staging) == 20
    assert desk.status(ids[0])["error"].startswith("invalid export DRMS record")
    assert desk.status(ids[-1])["status"] == "0"


def test_long_strings_continue():
    cards = card("NAME", "x" * 60 + "'" * 10 + "y" * 30, "comment")
    assert [one[:8] for one in cards] == ["NAME    ", "CONTINUE"]
    assert all(len(one) <= 80 for one in cards)
    from astropy.io import fits

    found = fits.Header.fromstring("".join(f"{one:<80}" for one in cards))
    assert found["NAME"] == "x" * 60 + "'" * 10 + "y" * 30
