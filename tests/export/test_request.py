"""Export requests: one pending at a time, polled with care, submitted once."""

import datetime as dt
import json
import re
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
import requests
import responses
from conftest import GOLDEN

from jsoclite import errors
from jsoclite.download.ledger import Ledger, RequestNote
from jsoclite.export.export import Account, Export
from jsoclite.export.reply import ExportStatus, read_reply, reply_error
from jsoclite.export.request import made_lately, poll_delay
from jsoclite.progress import Silence
from jsoclite.server.http import Transport, resolve_server
from jsoclite.server.jsoc import Jsoc

BASE = "http://jsoc.test/"
FETCH = BASE + "cgi-bin/ajax/jsoc_fetch"
MANAGE = BASE + "cgi-bin/ajax/manage-request.sh"
CHECK = BASE + "cgi-bin/ajax/checkAddress.sh"
ADDRESS = "someone@example.org"
SET = "hmi.M_720s[2014.01.01_TAI]{magnetogram}"


class Answers:
    """Answers export requests from a script, and remembers what it was asked."""

    def __init__(self, mock, hand_clock):
        self.submitted, self.polled, self.managed = [], [], []
        self.on_submit, self.on_poll, self.on_manage = [], {}, []
        self._clock = hand_clock
        mock.add_callback(responses.POST, FETCH, self._post)
        mock.add_callback(responses.GET, FETCH, self._get)
        mock.add_callback(responses.POST, MANAGE, self._manage)
        mock.post(CHECK, json={"status": 2, "msg": "Email address is valid and registered."})
        transport = Transport(resolve_server(BASE), clock=hand_clock.clock, retries=1)
        self.jsoc = Jsoc(transport)
        self.orders = Account(self.jsoc, ADDRESS)

    def export(self, *sets) -> Export:
        return self.orders.export([self.orders.request(one) for one in sets])

    @staticmethod
    def _answer(reply):
        if isinstance(reply, Exception):
            raise reply
        return (reply, {}, "") if isinstance(reply, int) else (200, {}, json.dumps(reply))

    def _post(self, request):
        self.submitted.append({key: value[0] for key, value in parse_qs(request.body).items()})
        number = len(self.submitted)
        reply = (
            self.on_submit.pop(0)
            if self.on_submit
            else {"status": 2, "requestid": f"JSOC_20260101_00{number}", "wait": 10}
        )
        return self._answer(reply)

    def _get(self, request):
        request_id = request.params["requestid"]
        self.polled.append((self._clock.time, request_id))
        script = self.on_poll.get(request_id) or [done(request_id)]
        if callable(script):
            return self._answer(script())
        return self._answer(script.pop(0) if len(script) > 1 else script[0])

    def _manage(self, request):
        self.managed.append(parse_qs(request.body)["operation"][0])
        return self._answer(self.on_manage.pop(0))


def done(request_id):
    rows = [{"record": "hmi.M_720s[2014.01.01_00:00:00_TAI][3]", "filename": "hmi.M_720s.7.magnetogram.fits"}]
    return {"status": "0", "requestid": request_id, "count": "1", "dir": "/SUM1/D1/S00000", "data": rows}


def pending(request_id, status=1):
    return {"status": status, "requestid": request_id, "wait": 5, "rcount": 0}


@pytest.fixture
def jsoc(hand_clock):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Answers(mock, hand_clock)


def test_submit_poll_done(jsoc, hand_clock):
    jsoc.on_poll["JSOC_20260101_001"] = [
        pending("JSOC_20260101_001", 2),
        pending("JSOC_20260101_001"),
        done("JSOC_20260101_001"),
    ]
    export = jsoc.export(SET).wait()
    assert export.ids == ["JSOC_20260101_001"]
    assert export.status is ExportStatus.DONE
    assert export.urls == ["http://jsoc.test/SUM1/D1/S00000/hmi.M_720s.7.magnetogram.fits"]
    (sent,) = jsoc.submitted
    assert sent["ds"] == SET
    assert sent["notify"] == ADDRESS
    assert sent["op"] == "exp_request"
    assert len(jsoc.polled) == 3


def test_polls_are_quick_at_first_and_rare_later(jsoc, hand_clock):
    start = hand_clock.time

    def staged_in_ten_seconds():
        return done("JSOC_20260101_001") if hand_clock.time - start >= 10 else pending("JSOC_20260101_001")

    jsoc.on_poll["JSOC_20260101_001"] = staged_in_ten_seconds
    jsoc.export(SET).wait()
    assert hand_clock.time - start - 10 <= 1
    times = [0.0]
    while times[-1] < 3600:
        times.append(times[-1] + poll_delay(times[-1]))
    late = [b - a for a, b in pairwise(times) if a >= 120]
    assert min(late) > 29.9
    assert max(b - a for a, b in pairwise(times) if a <= 10) <= 1


def test_one_pending_request_at_a_time(jsoc):
    for number in (1, 2, 3):
        key = f"JSOC_20260101_00{number}"
        jsoc.on_poll[key] = [pending(key), done(key)]
    export = jsoc.export("s.a[1]", "s.a[2]", "s.a[3]")
    assert export.advance() is not None
    assert len(jsoc.submitted) == 1
    export.wait()
    assert [sent["ds"] for sent in jsoc.submitted] == ["s.a[1]", "s.a[2]", "s.a[3]"]
    # the second was not submitted before the first had ended
    assert [request_id for _, request_id in jsoc.polled] == [f"JSOC_20260101_00{n}" for n in (1, 1, 2, 2, 3, 3)]


def test_submit_ends_when_the_last_request_is_taken(jsoc):
    for number in (1, 2, 3):
        key = f"JSOC_20260101_00{number}"
        jsoc.on_poll[key] = [pending(key), done(key)]
    export = jsoc.export("s.a[1]", "s.a[2]", "s.a[3]").submit()
    assert export.ids == ["JSOC_20260101_001", "JSOC_20260101_002", "JSOC_20260101_003"]
    assert [request.pending for request in export] == [False, False, True]
    # the last one was not waited for
    assert "JSOC_20260101_003" not in [request_id for _, request_id in jsoc.polled]


def test_what_holds_up_a_request_is_said(jsoc):
    assert jsoc.export(SET).held_up == ""
    jsoc.on_submit = [{"status": 7, "error": "User has 1 pending export requests (JSOC_20260101_777); please wait"}]
    jsoc.on_poll["JSOC_20260101_777"] = [pending("JSOC_20260101_777")]
    export = jsoc.export(SET)
    export.advance()
    assert export.held_up == "waiting for JSOC_20260101_777 of the same address"
    jsoc.on_submit = [{"status": 7, "error": "There are too many requests from 1.2.3.4; please wait"}]
    export = jsoc.export(SET)
    export.advance()
    assert export.held_up == "waiting until JSOC takes another request"


def test_status_7_waits_for_what_is_in_the_way(jsoc, hand_clock):
    said = "User someone@example.org has 1 pending export requests (JSOC_20260101_777); please wait"
    jsoc.on_submit = [{"status": 7, "error": said}]
    other = "JSOC_20260101_777"
    jsoc.on_poll[other] = [pending(other), pending(other), done(other)]
    export = jsoc.export(SET).wait()
    assert len(jsoc.submitted) == 2
    assert [request_id for _, request_id in jsoc.polled[:3]] == [other] * 3
    assert export.ids == ["JSOC_20260101_002"]


def test_status_7_without_ids_is_waited_out(jsoc, hand_clock):
    jsoc.on_submit = [{"status": 7, "error": "There are too many requests from 1.2.3.4; please wait"}] * 2
    start = hand_clock.time
    jsoc.export(SET).wait()
    assert len(jsoc.submitted) == 3
    assert hand_clock.time - start >= 120


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (3, errors.ExportTooLarge, "cutout or rebin"),
        (4, errors.ExportFailed, "no reason"),
        (5, errors.ExportExpired, "seven days"),
        (25, errors.ExportOffline, "jsoc@sun.stanford.edu"),
        (-1, errors.ExportFailed, "status -1"),
        (99, errors.ExportFailed, "unknown status 99"),
    ],
)
@pytest.mark.parametrize("when", ["submitting", "polling"])
def test_each_status_has_its_error(jsoc, when, status, kind, words):
    reply = {"status": status}
    if when == "submitting":
        jsoc.on_submit = [reply]
    else:
        jsoc.on_poll["JSOC_20260101_001"] = [reply]
    with pytest.raises(kind, match=words) as caught:
        jsoc.export(SET).wait()
    assert SET in str(caught.value)
    assert caught.value.record_set == SET
    assert isinstance(caught.value, errors.ExportError)
    if when == "polling":
        assert caught.value.request_id == "JSOC_20260101_001"


def seen_messages():
    """Messages that people have met at JSOC, with their status; `-` marks texts of clients and of rs_list."""
    lines = (GOLDEN / "error-messages.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(int(status), "" if text == "(empty)" else text) for status, text, _ in rows if status not in ("-", "1")]


@pytest.mark.parametrize(("status", "message"), seen_messages())
def test_messages_that_were_seen_at_jsoc(jsoc, status, message):
    jsoc.on_poll["JSOC_20260101_001"] = [{"status": status, "error": message}]
    kinds = {3: errors.ExportTooLarge, 4: errors.ExportFailed}
    if status == 7:
        message = message.replace("<address>", ADDRESS).replace("JSOC_YYYYMMDD_N", "JSOC_20260101_333")
        reply = read_reply({"status": 7, "error": message}, BASE)
        assert reply.pending_ids == ("JSOC_20260101_333",)
        assert "example.org" not in str(reply.error)
        return
    with pytest.raises(kinds[status]) as caught:
        jsoc.export(SET).wait()
    text = str(caught.value)
    assert caught.value.request_id == "JSOC_20260101_001"
    assert "JSOC_20260101_001" in text
    assert SET in text
    assert message.replace("\\n", "").strip("\n ") in text.replace("\\n", "")


def test_one_failure_does_not_stop_the_rest(jsoc):
    jsoc.on_submit = [{"status": 4, "error": "Bad record-set query"}]
    export = jsoc.export("s.a[1]", "s.a[2]")
    with pytest.raises(errors.ExportFailed, match="Bad record-set query"):
        export.wait()
    assert export[1].status is ExportStatus.DONE
    assert export.status is ExportStatus.FAILED


def test_the_status_is_that_of_the_request_furthest_from_done(jsoc, hand_clock):
    for number in (1, 2):
        key = f"JSOC_20260101_00{number}"
        jsoc.on_poll[key] = [pending(key), done(key)]
    export = jsoc.export("s.a[1]", "s.a[2]")
    seen = [export.status]
    while (due := export.advance()) is not None:
        seen += [export.status] if export.status is not seen[-1] else []
        hand_clock.sleep(max(due, 0.1))
    S = ExportStatus
    assert [*seen, export.status] == [S.PLANNED, S.QUEUED, S.PROCESSING, S.QUEUED, S.PROCESSING, S.DONE]
    assert jsoc.export().status is S.DONE  # of nothing, all is there


def test_a_failed_hash_is_a_passing_fault(jsoc):
    jsoc.on_submit = [{"status": 4, "error": "Cant save new export-request hash."}] * 2
    jsoc.export(SET).wait()
    assert len(jsoc.submitted) == 3


def test_not_found_just_after_submission_is_normal(jsoc):
    key = "JSOC_20260101_001"
    unknown = {"status": 4, "error": f"invalid export DRMS record for ID `%s`{key}"}
    jsoc.on_poll[key] = [{"status": 6, "error": "Cant locate export request"}, unknown, done(key)]
    assert jsoc.export(SET).wait().status is ExportStatus.DONE


def test_an_old_id_that_jsoc_does_not_know_is_told_at_once(jsoc, hand_clock):
    start = hand_clock.time
    jsoc.on_poll["JSOC_20141117_001"] = [{"status": 6, "error": "Can't find any export"}]
    with pytest.raises(errors.ExportFailed, match="JSOC_20141117_001"):
        jsoc.orders.export([jsoc.orders.attached("JSOC_20141117_001")]).wait()
    assert hand_clock.time - start < 5


@pytest.mark.parametrize(
    ("request_id", "lately"),
    [
        ("JSOC_20260301_001", True),
        ("JSOC_20260228_2001_IN", True),  # JSOC's clock is Pacific time
        ("JSOC_20260227_001", False),
        ("JSOC_20269999_001", False),
    ],
)
def test_ids_that_may_not_be_in_the_table_yet(request_id, lately):
    assert made_lately(request_id, dt.date(2026, 3, 1)) is lately


def test_not_found_for_ever_ends(jsoc, hand_clock):
    key = "JSOC_20260101_001"
    jsoc.on_poll[key] = [{"status": 6, "error": "Cant locate export request"}]
    start = hand_clock.time
    with pytest.raises(errors.ExportFailed, match="does not know this id"):
        jsoc.export(SET).wait()
    assert hand_clock.time - start < 40


def test_an_outage_while_polling_is_sat_out(jsoc, hand_clock):
    key = "JSOC_20260101_001"
    jsoc.on_poll[key] = [503] * 40 + [done(key)]
    assert jsoc.export(SET).wait().status is ExportStatus.DONE
    assert len(jsoc.submitted) == 1


@pytest.mark.parametrize("times", [1, 20])
def test_an_outage_between_two_submissions_is_sat_out(jsoc, times):
    jsoc.on_submit = [{"status": 2, "requestid": "JSOC_20260101_001", "wait": 10}] + [503] * times
    assert jsoc.export("s.a[1]", "s.a[2]").wait().status is ExportStatus.DONE


def test_an_outage_between_two_submissions_ends_after_half_an_hour(jsoc, hand_clock):
    jsoc.on_submit = [{"status": 2, "requestid": "JSOC_20260101_001", "wait": 10}] + [503] * 10_000
    begin = hand_clock.time
    with pytest.raises(errors.ServerError):
        jsoc.export("s.a[1]", "s.a[2]").wait()
    assert 1800 <= hand_clock.time - begin < 3600


@pytest.mark.parametrize("failed", [False, True])
def test_each_row_of_an_export_in_a_notebook_has_all_its_cells(jsoc, failed):
    export = jsoc.export(*(f"s.a[{n}]" for n in range(200)))
    if failed:
        export[150].fail(errors.ExportError("given up"))
    rows = re.findall("<tr.*?</tr>", export._repr_html_(), re.DOTALL)
    assert {len(re.findall("<t[dh]", row)) for row in rows} == {5 + failed}
    assert any("…" in row for row in rows)  # what is left out shows
    assert len(rows) < 100


def test_a_server_that_stays_away_ends_the_wait_with_the_id_kept(jsoc):
    key = "JSOC_20260101_001"
    jsoc.on_poll[key] = [503]
    export = jsoc.export(SET)
    with pytest.raises(errors.ServerError):
        export.wait()
    assert export.ids == [key]
    jsoc.on_poll[key] = [done(key)]
    assert export.wait().status is ExportStatus.DONE


def test_a_broken_submission_is_looked_up_not_repeated(jsoc):
    other = "JSOC_20260101_555"
    jsoc.on_submit = [requests.exceptions.ReadTimeout("gone"), {"status": 2, "requestid": other}]
    jsoc.on_manage = [
        {"status": "2", "msg": f"existing export request for export user x [ request_id={other}, start_time=now ]"}
    ]
    jsoc.on_poll[other] = [pending(other), done(other)]
    export = jsoc.export(SET).wait()
    assert jsoc.managed == ["check"]
    # it was waited for, and the same set offered then got its own id back
    assert export.ids == [other]
    assert len(jsoc.submitted) == 2


def test_a_broken_submission_that_never_arrived_is_sent_again(jsoc):
    jsoc.on_submit = [requests.exceptions.ReadTimeout("gone")]
    jsoc.on_manage = [{"status": "1", "msg": "no existing export request"}]
    assert jsoc.export(SET).wait().status is ExportStatus.DONE
    assert len(jsoc.submitted) == 2


def test_a_broken_submission_in_doubt_is_told(jsoc):
    jsoc.on_submit = [requests.exceptions.ReadTimeout("gone")]
    jsoc.on_manage = [404]
    with pytest.raises(errors.ExportError, match=r"may or may not.*old id"):
        jsoc.export(SET).wait()
    assert len(jsoc.submitted) == 1


def test_timeout_keeps_the_id(jsoc):
    key = "JSOC_20260101_001"
    jsoc.on_poll[key] = [pending(key)]
    with pytest.raises(errors.StagingTimeout, match=key) as caught:
        jsoc.export(SET).wait(timeout=20)
    assert caught.value.request_id == key
    assert isinstance(caught.value, TimeoutError)


def pends(request_id):
    """What manage-request.sh says."""
    about = f"[ request_id={request_id}, start_time=2026-01-01 00:00:00 ]"
    return {"status": "2", "msg": f"existing export request for export user {ADDRESS} {about}"}


@pytest.mark.parametrize(
    "answer", [pends("JSOC_20260101_888"), {"status": "1", "msg": "none"}, {"status": "-1"}, {"status": "2"}, 404]
)
def test_what_does_not_pend_is_not_cancelled(jsoc, answer):
    """The program knows the address only: cancelling would hit whatever pends."""
    jsoc.on_manage = [answer]
    request = jsoc.orders.attached("JSOC_20260101_777")
    assert not request.cancel()
    assert jsoc.managed == ["check"]
    assert request.pending


@pytest.mark.parametrize("own", [False, True])
def test_what_is_in_the_way_can_be_cancelled(jsoc, hand_clock, own):
    """Also a request of ours that has failed, and that JSOC goes on naming (fact 1)."""
    name = "JSOC_20260101_001" if own else "JSOC_20260101_777"
    first = [{"status": 2, "requestid": name, "wait": 10}] if own else []
    jsoc.on_submit = [*first, {"status": 7, "error": f"pending export requests ({name})"}]
    jsoc.on_poll[name] = [{"status": 4, "requestid": name, "error": "it failed"} if own else pending(name)]
    jsoc.on_manage = [pends(name), {"status": "3", "msg": "cancelled"}]
    asked = []
    jsoc.orders = Account(jsoc.jsoc, ADDRESS, lambda request: asked.append(request.id) or True)
    export = jsoc.export(*["s.a[1]"] * own, SET)
    began = hand_clock.time
    while (delay := export.advance()) is not None:
        hand_clock.sleep(delay)
    assert asked == ([] if own else [name])  # the entry of a request of ours that has failed stands for nothing
    assert jsoc.managed == ["check", "cancel"]
    assert export[-1].status is ExportStatus.DONE
    assert hand_clock.time - began < 90


def test_each_is_asked_about_once(jsoc, hand_clock):
    asked = []
    jsoc.orders = Account(jsoc.jsoc, ADDRESS, lambda request: bool(asked.append(request.id)))
    jsoc.on_submit = [{"status": 7, "error": "pending export requests (JSOC_20260101_777, JSOC_20260101_778)"}] * 100
    export = jsoc.export(SET)
    while (delay := export.advance()) is not None:
        hand_clock.sleep(delay)
    assert asked == ["JSOC_20260101_777", "JSOC_20260101_778"]
    assert jsoc.managed == []


def test_cancel(jsoc):
    jsoc.on_poll["JSOC_20260101_001"] = [pending("JSOC_20260101_001")]
    jsoc.on_manage = [pends("JSOC_20260101_001"), {"status": "3", "msg": "cancelled"}]
    export = jsoc.export("s.a[1]", "s.a[2]")
    export.advance()
    assert export.cancel()
    assert jsoc.managed == ["check", "cancel"]
    assert export.done
    assert len(jsoc.submitted) == 1


def test_no_address_no_export(jsoc, hand_clock):
    transport = Transport(resolve_server(BASE), clock=hand_clock.clock)
    orders = Account(Jsoc(transport), None)
    with pytest.raises(errors.EmailError, match="JSOC_EMAIL"):
        orders.export([orders.request(SET)]).wait()
    assert jsoc.submitted == []


def test_every_step_is_in_the_ledger_before_it_happens(jsoc, tmp_path):
    states = []
    with Ledger(tmp_path) as ledger:
        row = ledger.add_request(BASE, SET, method="url", protocol="fits", process="", filename="")
        request = jsoc.orders.request(SET, observer=RequestNote(ledger, row, Silence()))
        post = jsoc._answer

        def spy(reply):
            states.append(ledger.requests()[0].state)
            return post(reply)

        jsoc._answer = spy
        jsoc.orders.export([request]).wait()
        assert states == ["submitting", "pending"]
        (row,) = ledger.requests()
        assert (row.state, row.request_id, row.status) == ("done", "JSOC_20260101_001", 0)
        assert row.submitted
        assert row.finished


@pytest.mark.parametrize(
    "body",
    [None, [], "x", {"status": "many"}, {"status": 0, "data": "x"}, {"status": 0, "data": [1, {"record": None}]}],
)
def test_replies_of_any_shape_are_read(body):
    assert read_reply(body, BASE).status in (ExportStatus.UNKNOWN_ERROR, ExportStatus.DONE)


def test_files_stay_below_the_server():
    row = {"record": "s.a[1]", "filename": "../../../http://evil.org/x?y#z"}
    reply = read_reply({"status": 0, "dir": "//evil.org/SUM1", "data": [row]}, BASE)
    assert reply.files[0].url.startswith("http://jsoc.test/evil.org/SUM1/../")
    assert "?" not in reply.files[0].url


@pytest.mark.parametrize("kind", ["mpg", "mp4"])
def test_a_movie_is_asked_for_with_its_arguments_and_read(jsoc, kind):
    protocol = f"{kind},CT=aia_171.lut,scaling=SQRT,size=2,min=1,max=900"
    rows = [
        {"record": "movie of the following data", "filename": f"hmi.M_720s.{kind}"},
        {"record": "hmi.M_720s[2014.01.01_00:00:00_TAI][3]{magnetogram}", "filename": "hmi.M_720s.7.magnetogram.jpg"},
    ]
    key = "JSOC_20260101_001"
    jsoc.on_poll[key] = [{"status": "0", "reqid": key, "dir": "/SUM1/D1/S00000", "data": rows}]
    export = jsoc.orders.export([jsoc.orders.request(SET, protocol=protocol)]).wait()
    assert jsoc.submitted[0]["protocol"] == protocol
    assert list(zip(export.files.index, export.files.segment, strict=True)) == [
        (key, "movie"),
        ("hmi.M_720s[2014.01.01_00:00:00_TAI][3]", "magnetogram"),
    ]


def test_messages_among_the_rows():
    rows = [
        {"record": "warning=No FITS files were exported.", "filename": ""},
        {"record": "s.a[1]{x}", "filename": "NoDataFile"},
    ]
    reply = read_reply({"status": "0", "reqid": "JSOC_20260101_9", "data": rows}, BASE)
    assert reply.messages == ("warning=No FITS files were exported.",)
    assert reply.request_id == "JSOC_20260101_9"
    (file,) = reply.files
    assert (file.record, file.segment, file.url) == ("s.a[1]", "x", None)


def test_the_servers_full_stop_is_not_doubled():
    reply = read_reply({"status": 4, "error": "Problem running protocol-export command."}, BASE)
    text = str(reply_error(reply, SET))
    assert text.endswith("Problem running protocol-export command.")


IN_THE_WAY = {
    "pending": pending("JSOC_20260101_777"),
    "done": done("JSOC_20260101_777"),
    "failed": {"status": 4, "requestid": "JSOC_20260101_777", "error": "it failed"},
    "expired": {"status": 5, "requestid": "JSOC_20260101_777"},
    "unknown": {"status": 6, "requestid": "JSOC_20260101_777", "error": "no such id"},
}


@pytest.mark.parametrize("names", ["JSOC_20260101_777", "JSOC_20260101_777, JSOC_20260101_778", ""])
@pytest.mark.parametrize("state", IN_THE_WAY)
def test_what_is_in_the_way_for_ever_makes_no_hot_loop(jsoc, hand_clock, state, names):
    """JSOC has gone on naming requests that had ended long ago; an offer at once, each time, gets a user blocked."""
    jsoc.on_submit = [{"status": 7, "error": f"User has pending export requests ({names}); please wait"}] * 1000
    jsoc.on_poll["JSOC_20260101_777"] = [IN_THE_WAY[state]]
    jsoc.on_poll["JSOC_20260101_778"] = [done("JSOC_20260101_778")]
    export = jsoc.export(SET)
    began = hand_clock.time
    offers = []
    while (delay := export.advance()) is not None and hand_clock.time - began < 4 * 3600:
        offers.append((hand_clock.time - began, len(jsoc.submitted), len(jsoc.polled)))
        hand_clock.sleep(delay)
    first_hour = max(offer for offer in offers if offer[0] <= 3600)
    assert first_hour[1] <= 61
    assert first_hour[2] <= 2 * 125
    # what blocks for longer than anything can pend ends with the reason, and the id where there is one
    assert export.done
    assert "status 7" in str(export[0].error)
    assert names.partition(",")[0] in str(export[0].error)


@pytest.fixture
def calls(monkeypatch, hand_clock):
    """When what was asked, as it left."""
    found = []
    send = requests.Session.request

    def spy(self, method, url, **options):
        operation = re.search(r"op=(\w+)", f"{url}&{options.get('data')}")
        found.append((hand_clock.time, operation[1] if operation else url))
        return send(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", spy)
    return found


def _most_in(times, seconds):
    """The most calls in any stretch of so many seconds."""
    return max((sum(begin <= time < begin + seconds for time in times) for begin in times), default=0)


@pytest.mark.parametrize("names", ["JSOC_20260101_777", "JSOC_20260101_777, JSOC_20260101_778", "", "own"])
@pytest.mark.parametrize("state", IN_THE_WAY)
def test_calls_per_hour_for_all_that_status_7_can_name(jsoc, hand_clock, calls, state, names):
    """All calls that leave the machine, whatever they are about: the transport counts them, not who asks."""
    first = []
    if names == "own":  # the request before has ended here, and JSOC goes on naming it
        names, first = "JSOC_20260101_001", [{"status": 2, "requestid": "JSOC_20260101_001", "wait": 10}]
    blocked = {"status": 7, "error": f"User has pending export requests ({names}); please wait"}
    jsoc.on_submit = first + [blocked] * 1000
    jsoc.on_poll["JSOC_20260101_777"] = [IN_THE_WAY[state]]
    jsoc.on_poll["JSOC_20260101_778"] = [pending("JSOC_20260101_778")]
    export = jsoc.export(*["s.a[1]"] * len(first), SET)
    began = hand_clock.time
    while (delay := export.advance()) is not None:
        hand_clock.sleep(delay)
    offers = [time for time, what in calls if what == "exp_request"]
    # a minute between two refused offers; after an hour the reason and the id
    assert all(later - earlier >= 60 for earlier, later in pairwise(offers[len(first) :]))
    assert 3600 <= hand_clock.time - began <= 3600 + 700
    assert "status 7" in str(export[-1].error)
    assert names.partition(",")[0] in str(export[-1].error)
    times = [time for time, _ in calls]
    assert _most_in(times, 60) <= 24
    assert _most_in(times, 3600) <= 61 + 2 * 160


@pytest.mark.parametrize("new", [False, True])
def test_others_that_go_on_are_waited_for(jsoc, hand_clock, new):
    """An hour is for one that blocks; a colleague's long chain under the same address has a new id each time."""
    ids = [f"JSOC_20260101_{number if new else 500}" for number in range(500, 700)]
    jsoc.on_submit = [{"status": 7, "error": f"User has pending export requests ({one})"} for one in ids]
    for one in ids:
        jsoc.on_poll[one] = [pending(one)] * 20 + [done(one)]
    export = jsoc.export(SET)
    began = hand_clock.time
    while (delay := export.advance()) is not None and hand_clock.time - began < 3 * 3600:
        hand_clock.sleep(delay)
    assert export.done is not new


def test_many_requests_are_polled_no_faster_than_one_client_may(jsoc, calls):
    ids = [f"JSOC_20260101_{number}" for number in range(100, 150)]
    jsoc.on_poll = {one: [pending(one)] for one in ids}
    export = jsoc.orders.export([jsoc.orders.attached(one) for one in ids])
    with pytest.raises(errors.StagingTimeout):
        export.wait(timeout=1800)
    times = [time for time, _ in calls]
    assert _most_in(times, 60) <= 24
    assert {what for _, what in calls} == {"exp_status"}
    assert len({key for _, key in jsoc.polled}) == 50  # each has its turn


def test_the_transport_spaces_whatever_asks(jsoc, calls):
    request = jsoc.orders.attached("JSOC_20260101_777")
    jsoc.on_poll["JSOC_20260101_777"] = [pending("JSOC_20260101_777")]
    jsoc.on_manage = [{"status": "1", "msg": ""}] * 100
    jsoc.on_submit = [{"status": 7, "error": "pending"}] * 100
    other = jsoc.orders.request(SET)
    for _ in range(100):
        request.refresh()
        request.pending_at_server()
        other.submit()
    times = [time for time, what in calls if "checkAddress" not in what]
    assert len(times) == 300
    assert _most_in(times, 60) <= 24
    assert _most_in(times, 1) <= 12


@pytest.mark.parametrize("status", [503, 429])
def test_tries_of_a_busy_server_count_too(jsoc, calls, status):
    jsoc.on_poll["JSOC_20260101_777"] = [status]
    export = jsoc.orders.export([jsoc.orders.attached("JSOC_20260101_777")])
    with pytest.raises(errors.ServerError):
        export.wait()
    assert _most_in([time for time, _ in calls], 60) <= 24


def test_questions_of_other_kinds_do_not_wait(hand_clock):
    with responses.RequestsMock() as mock:
        mock.get(BASE + "cgi-bin/ajax/jsoc_info", json={"status": 0, "count": 1})
        jsoc = Jsoc(Transport(BASE, clock=hand_clock.clock))
        for _ in range(100):
            jsoc.rs_summary(SET)
    assert hand_clock.slept == []


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "1e999", 1e300, [], "²"])
def test_a_status_that_is_no_number(value):
    assert read_reply({"status": value}, BASE).status is ExportStatus.UNKNOWN_ERROR
