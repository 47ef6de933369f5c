"""
Whether a server answers as this package expects: small, reading questions, one after the other.

Each `Question` says what is asked, what is expected, and whose word that is. They cost a server no more than a person
with a browser does: one every few seconds (`WAIT_S`), none of them repeated, and the end at the first 429 or 503.
"""

from __future__ import annotations

import datetime as dt
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from . import __version__
from .display import clean
from .errors import UNFIT, JsocError, ServerError
from .server import Clock, Transport

#: Seconds between two requests; above some 25 a minute JSOC turns people away.
WAIT_S = 3.0
#: Where JSOC's files lie below its address; they are none of the reader's business.
_PATH = re.compile(r"(?:/[\w.-]+){2,}/?")
# how many questions in a row may have no answer before the rest is left unasked
_SILENT = 3
_LONGEST = 160

Verdict = Literal["as expected", "different", "no answer"]


class Desk:
    """
    Where questions are asked: a request at a time, and a pause before each but the first.

    Parameters
    ----------
    transport : Transport
        How the server is asked.
    wait : float, optional
        Seconds of the pause; by default `WAIT_S`, and none for a server on this machine.
    clock : Clock, optional
        Where the time comes from.
    """

    def __init__(self, transport: Transport, wait: float | None = None, clock: Clock | None = None) -> None:
        self.transport, self._clock = transport, clock or transport.clock
        self._wait = wait if wait is not None else 0.0 if _is_here(transport) else WAIT_S
        self._asked = False

    def _ask(self, url: str, query: dict[str, str], post: bool = False) -> Any:
        self._pause()
        return self.transport.ask(url, query, private=post, retries=0).data

    def _pause(self) -> None:
        if self._asked and self._wait:
            self._clock.sleep(self._wait)
        self._asked = True

    def series(self, pattern: str) -> dict[str, str]:
        """Ask ``show_series`` for names, and return the prime keys of each."""
        self._pause()
        query = "filter=" + quote(pattern, safe="")
        body = self.transport.request(self.transport.server.url_show_series, query, retries=0).data
        return {one["name"]: one["primekeys"] for one in body["names"]}

    def struct(self, series: str) -> dict[str, Any]:
        """Ask ``op=series_struct``; keywords and segments come by their names."""
        body = self._ask(str(self.transport.server.url_jsoc_info), {"op": "series_struct", "ds": series})
        for part in ("keywords", "segments"):
            body[part] = {one["name"]: one for one in body.get(part, ())}
        return dict(body)

    def count(self, record_set: str, **options: str) -> Any:
        """Ask ``op=rs_summary``: how many records, or the server's refusal."""
        body = self._ask(str(self.transport.server.url_jsoc_info), {"op": "rs_summary", "ds": record_set, **options})
        return body["count"] if body["status"] == 0 else f"status {body['status']}"

    def rows(self, record_set: str, key: str = "**NONE**", *, post: bool = False, **options: str) -> dict[str, Any]:
        """Ask ``op=rs_list``: the values of keywords, segments and links by name, those of ``recinfo`` as `record`."""
        query = {"op": "rs_list", "ds": record_set, "key": key, **options}
        body = self._ask(str(self.transport.server.url_jsoc_info), query, post)
        found = {one["name"]: one["values"] for part in ("keywords", "segments", "links") for one in body.get(part, ())}
        return {**found, "record": [one["name"] for one in body.get("recinfo", ())], "count": body["count"]}

    def request(self, request_id: str) -> int:
        """Ask ``op=exp_status``: the status."""
        query = {"op": "exp_status", "requestid": request_id}
        return int(self._ask(str(self.transport.server.url_jsoc_fetch), query)["status"])

    def beginning(self, path: str) -> tuple[int, str]:
        """Ask for the first ten bytes of a file: the HTTP status, and what they are."""
        server = self.transport.server
        url = str(server.http_download_baseurl or server.cgi_baseurl).rstrip("/") + path
        self._pause()
        with self.transport.open(url, headers={"Range": "bytes=0-9", "Accept-Encoding": "identity"}) as response:
            if response.status_code in (429, 503):
                raise ServerError(f"HTTP {response.status_code}", status=response.status_code)
            return response.status_code, response.raw.read(10).decode("latin-1")


@dataclass(frozen=True)
class Question:
    """
    What is asked of a server.

    Parameters
    ----------
    about : str
        In words.
    ask : callable
        Asks at a `Desk`, and returns what is there.
    expected : object
        What should be there.
    source : str
        Who says so.
    """

    about: str
    ask: Callable[[Desk], object]
    expected: object
    source: str


@dataclass(frozen=True)
class Answer:
    """
    What became of a question.

    Parameters
    ----------
    question : Question
        Which one.
    verdict : str
        ``as expected``, ``different`` or ``no answer``.
    seen : str
        What was there; without addresses and paths.
    stop : bool
        Whether the server has had enough.
    """

    question: Question
    verdict: Verdict
    seen: str = ""
    stop: bool = False

    def __str__(self) -> str:
        if self.verdict == "as expected":
            return f"- ok: {self.question.about}"
        expected = _shown(self.question.expected)
        return (
            f"- **{self.verdict}**: {self.question.about}: expected {expected} ({self.question.source}), "
            f"{'seen' if self.verdict == 'different' else 'but'} {self.seen}"
        )


def put(question: Question, desk: Desk) -> Answer:
    """Ask one question."""
    try:
        seen = question.ask(desk)
    except JsocError as error:
        enough = isinstance(error, ServerError) and error.status in (429, 503)
        return Answer(question, "no answer", _shown(error), stop=enough)
    except UNFIT as error:
        return Answer(question, "different", f"an answer of another shape ({type(error).__name__}: {_shown(error)})")
    except Exception as error:  # of the line, while a file is read
        return Answer(question, "no answer", _shown(error))
    return Answer(question, "as expected" if seen == question.expected else "different", _shown(seen))


def put_all(desk: Desk) -> Iterator[Answer]:
    """Ask all questions; the rest stays unasked after a 429 or 503, and where nobody answers."""
    silent = 0
    for question in QUESTIONS:
        answer = put(question, desk)
        yield answer
        silent = silent + 1 if answer.verdict == "no answer" else 0
        if answer.stop or silent == _SILENT:
            return


def heading(transport: Transport) -> str:
    """Say who asks whom, for the first line of a report; a server that has no name is not named."""
    name = "on this machine" if _is_here(transport) else str(transport.server.name)
    name = name if re.fullmatch("[A-Za-z ]+", name) else "another"
    day = dt.datetime.now(dt.UTC).date()
    return f"jsoclite {__version__}, Python {platform.python_version()}, {platform.system()}; server: {name}; {day}"


def total(answers: Sequence[Answer]) -> str:
    """Count the answers, for the last line of a report."""
    found = Counter(answer.verdict for answer in answers)
    left = len(QUESTIONS) - len(answers)
    words = [f"{found[one]} {one}" for one in ("as expected", "different", "no answer") if found[one]]
    return ", ".join(words) + (f"; {left} not asked: the server wants no more, or is away" if left else "")


def _is_here(transport: Transport) -> bool:
    return urlsplit(str(transport.server.url_jsoc_info)).hostname in ("127.0.0.1", "localhost", "::1")


def _shown(value: object) -> str:
    text = clean(value if isinstance(value, Exception) else repr(value))
    text = _PATH.sub("/…", re.sub(r"https?://\S+", "<URL>", text))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# -- the questions ----------------------------------------------------------------------------------------------------

_TUTORIAL = "the tutorial of drms"
_SUNPY = "the documentation of sunpy"
_PROGRAM = "jsoc_info.c, and answers recorded from it"
_LIST = "show_series.c, and answers recorded from it"
_DEFINITION = "definitions of series in public programs"

_AIA = "aia.lev1_euv_12s"
_DAY = "hmi.v_45s[2016.04.01_TAI/1d@6h]"
_HOUR = "[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI"
_FOUR = [f"2016.04.01_{hour}:00:00_TAI" for hour in ("00", "06", "12", "18")]
_STRANGE = "hmi.B_720s[2013.07.03_08:42_TAI/40m]"


def _of(body: dict[str, Any], *way: str) -> list[Any]:
    """Return what stands at the end of a way through a definition, for several names at once."""
    names = way[-1].split(",")
    for step in way[:-1]:
        body = body[step]
    return [body.get(name) for name in names]


def _same_record(desk: Desk) -> object:
    number = desk.rows("hmi.V_45s[2016.04.01_TAI]", "*recnum*")["*recnum*"][0]
    return type(number).__name__, desk.rows(f"hmi.V_45s[:#{number}]", R="1")["record"]


def _one_file(desk: Desk) -> object:
    path = str(desk.rows("hmi.v_45s[2016.04.01_TAI]", seg="Dopplergram")["Dopplergram"][0])
    return desk.beginning(path) if path.startswith("/") else path


QUESTIONS: tuple[Question, ...] = (
    Question("a list of series has names and prime keys", lambda d: d.series("^hmi[.]M_720s$"),
             {"hmi.M_720s": "T_REC, CAMERA"}, _LIST),
    Question("patterns are read in any case", lambda d: list(d.series("^HMI[.]m_720S$")), ["hmi.M_720s"], _LIST),
    Question("a pattern that no series has", lambda d: d.series("nosuch_series_of_any_name"), {}, _LIST),
    Question("prime keys of hmi.M_720s", lambda d: d.struct("hmi.M_720s")["primekeys"], ["T_REC", "CAMERA"],
             _DEFINITION),
    Question("a definition says how long its slots are",
             lambda d: _of(d.struct("hmi.V_45s"), "keywords", "T_REC_step", "defval,recscope,units"),
             ["45.000000", "constant", "second"], _DEFINITION),
    Question("the type and scale of T_REC", lambda d: _of(d.struct("hmi.M_45s"), "keywords", "T_REC", "type,units"),
             ["time", "TAI"], _DEFINITION),
    Question("the prime key of time is slotted", lambda d: _of(d.struct("hmi.B_720s")["primekeysinfo"][0],
             "name,slotted"), ["T_REC", 1], _PROGRAM),
    Question("the magnetogram's type, unit and size",
             lambda d: _of(d.struct("hmi.M_720s"), "segments", "magnetogram", "type,units,protocol,dims"),
             ["int", "Gauss", "fits", "4096x4096"], _DEFINITION),
    Question("linked segments have no size", lambda d: _of(d.struct(_AIA), "segments", "image",
             "protocol,dims"), ["link via lev1", None], "a printed answer in a public notebook"),
    Question("prime keys of SHARPs", lambda d: d.struct("hmi.sharp_cea_720s")["primekeys"], ["HARPNUM", "T_REC"],
             "notebooks of the SHARP team"),
    Question("a series is found in any case, and spelled in its own",
             lambda d: str(d.struct("HMI.m_720S")["Interval"]["FirstRecord"]).partition("[")[0], "hmi.M_720s",
             _PROGRAM),
    Question("a series that does not exist", lambda d: _of(d.struct("hmi.nosuch_series"), "status,error"),
             [1, "series not found"], _PROGRAM),
    Question("a count without records", lambda d: d.count("hmi.V_45s[2013.07.03_08:42_TAI/4m]"), 5,
             "the tests of drms"),
    Question("a count of a record set that is not closed", lambda d: d.count("hmi.V_45s[2013.07.03_TAI"), "status 1",
             _PROGRAM),
    Question("both ends of a range are rounded to slots", lambda d: d.count(f"hmi.v_45s{_HOUR}]"), 81, _SUNPY),
    Question("a cadence is rounded down to whole slots", lambda d: d.rows(f"hmi.v_45s{_HOUR}@600s]", "T_REC")["T_REC"],
             [f"2014.01.01_{time}_TAI" for time in ("00:00:45", "00:10:30", "00:20:15", "00:30:00", "00:39:45",
              "00:49:30", "00:59:15")], _SUNPY),
    Question("a second prime key stays open", lambda d: d.count(f"{_AIA}{_HOUR}]"), 2107, _SUNPY),
    Question("AIA's times are ISO, of UTC",
             lambda d: d.rows(f"{_AIA}[2014.01.01_00:00:35_TAI-2014.01.01_00:01:11_TAI][171]", "T_REC")["T_REC"],
             [f"2014-01-01T00:00:{second}Z" for second in ("01", "13", "25", "37")], _SUNPY),
    Question("a time in UTC finds the slot of TAI", lambda d: d.rows("hmi.v_45s[2016.04.01_00:00:00_UTC]",
             "T_REC")["T_REC"], ["2016.04.01_00:00:45_TAI"], "drms_keyword.c: the nearest slot"),
    Question("times as HMI writes them", lambda d: d.rows(_DAY, "T_REC")["T_REC"], _FOUR, _TUTORIAL),
    Question("the names of records", lambda d: d.rows(_DAY, R="1")["record"],
             [f"hmi.V_45s[{time}][2]" for time in _FOUR], _TUTORIAL),
    Question("maps of a rotation have no T_REC", lambda d: d.rows("hmi.mrsynop_small_720s[2097]", "T_REC,CAR_ROT"),
             {"T_REC": ["Invalid KeyLink"], "CAR_ROT": ["2097"], "record": [], "count": 1}, "an issue of sunpy"),
    Question("QUALITY is a hexadecimal number", lambda d: [one[:2] for one in d.rows("hmi.v_45s[2016.04.01_TAI]",
             "QUALITY")["QUALITY"]], ["0x"], "definitions of series: its format is 0x%08X"),
    Question("keywords, segments and links that are not there", lambda d: d.rows(_STRANGE, "foo", seg="baz",
             link="bar"), {"foo": ["Invalid KeyLink"] * 3, "baz": ["InvalidSegName"] * 3, "bar": ["Invalid_Link"] * 3,
             "record": [], "count": 3}, "the tests of drms"),
    Question("no record is no error", lambda d: d.rows("hmi.V_45s[1990.01.01_TAI]", "T_REC"), {"record": [],
             "count": 0}, _PROGRAM),
    Question("the first two records", lambda d: d.rows(_DAY, "T_REC", n="2")["T_REC"], _FOUR[:2], _PROGRAM),
    Question("the last two records", lambda d: d.rows(_DAY, "T_REC", n="-2")["T_REC"], _FOUR[2:], _PROGRAM),
    Question("a question by POST", lambda d: d.rows(_DAY, "T_REC", post=True)["T_REC"], _FOUR, _PROGRAM),
    Question("conditions on keywords", lambda d: d.count(f"{_DAY}[? DATAMEAN > 0 ?]"), 3, _TUTORIAL),
    Question("two record sets at once", lambda d: d.count("hmi.v_45s[2016.04.01_TAI],hmi.v_45s[2016.04.02_TAI]"), 2,
             _PROGRAM),
    Question("segments in angle brackets are refused", lambda d: d.count("hmi.v_45s[2016.04.01_TAI]<Dopplergram>"),
             "status 1", _PROGRAM),
    Question("a record number names the record", _same_record, ("int", ["hmi.V_45s[2016.04.01_00:00:00_TAI][2]"]),
             _PROGRAM),
    Question("a piece of a file comes with status 206", _one_file, (206, "SIMPLE  = "), "an issue of sunpy on split "
             "downloads"),
    Question("no export is ready that nobody asked for", lambda d: d.request("JSOC_19700101_001") == 0, False,
             "jsoc_fetch.c"),
)  # fmt: skip
