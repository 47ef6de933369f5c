"""
``jsoc_fetch``: export requests, their status, storage units, and the files of what was exported; who may export, with
the states of ``checkAddress.sh`` and ``manage-request.sh``.

Texts, order of checks and order of members are those of jsoc_fetch.c.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

from ...recordset import language
from ..catalog import printer, schema, tables
from ..engine import Engine, EngineCrash, EngineError
from ..exports import Exports, RecordTable, StagedRequest, Staging, State, Steps, Stored, TooManyPending, Wanted
from ..messages import File, Response, text

#: Appended to each element of a series with QUALITY that does not filter by quality itself.
QUALITY_FILTER: Final = "[? drms.image_exists(quality) ?]"
#: What the program copies a record set into; the rest is dropped.
MAX_DS: Final = 8191


class FetchError(Exception):
    """An answer that is only a status and a message."""

    def __init__(self, message: str, status: int = 4) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a request may take.

    Attributes
    ----------
    megabytes : int
        Largest export (status 3 above it).
    record_set : int
        Longest record set of a ``fits`` export, quality filters counted.
    """

    megabytes: int = 100_000
    record_set: int = 4095


class Submission:
    """
    Takes export requests in.

    Parameters
    ----------
    engine : Engine
        Opens record sets.
    staging : Staging
        Requests and their states.
    addresses : Addresses
        Who may export.
    limits : Limits
        Sizes.
    """

    def __init__(self, engine: Engine, staging: Staging, addresses: Addresses, limits: Limits) -> None:
        self.engine, self.staging, self.addresses, self.limits = engine, staging, addresses, limits

    def request(self, params: Mapping[str, str], peer: str, fault: str = "") -> dict[str, printer.Json]:
        """
        Answer one ``exp_request``; parameters as for `Fetch.answer`.

        Raises
        ------
        FetchError
            With the server's words.
        """
        address = params.get("notify")
        if address is None:
            raise FetchError("Email address for notification was not specfied. It is required.")
        status, message, _ = self.addresses.check(address, checkonly=True)
        if status != 2:
            raise FetchError(f"Cannot process your request. {message}")
        try:
            self.staging.admit(address, peer)
        except TooManyPending as pending:
            raise FetchError(str(pending), 7) from None
        ds = self._record_set(params)
        steps, limit = _processing(params)
        records = self._open(ds, limit)
        asked = params.get("process", ""), params.get("protocol", "as-is"), params.get("method", "url")
        wanted = Wanted(ds, records, steps, *asked, params.get("filenamefmt"), fault == "evil-name", self._find)
        if (same := self.staging.same(wanted)) is not None:
            return _submitted(same)
        files = records.files()
        quick = wanted.method == "url_quick" and wanted.protocol in ("as-is", "su-as-is", "su")
        # nothing is too little only for what is answered at once: other requests for it are taken, and fail later
        megabytes = 0 if not (len(records) or quick) else self._survey(records, files, params.get("o") == "0")
        count = len(records)
        ratio = _number(params.get("sizeratio"), 1.0)
        if megabytes * ratio > self.limits.megabytes:
            said = f"Request exceeds max byte limit of {self.limits.megabytes}MB"
            refused: dict[str, printer.Json] = {"requestid": "VOID", **_asked(wanted), "wait": 0, "status": 3}
            return refused | {"count": count, "size": megabytes, "error": said}
        online = all(file.path for file in files)
        if quick and online and not steps:
            return _quick(wanted, files, megabytes)
        try:
            request = self.staging.submit(address, peer, wanted, megabytes)
        except TooManyPending as pending:
            raise FetchError(str(pending), 7) from None
        if fault == "disk-full":
            self.staging.fail(request.id, "Problem running protocol-export command.")
        return _submitted(request)

    def _record_set(self, params: Mapping[str, str]) -> str:
        """The record set as it is opened: cut to length, with the segments of ``seg`` and the quality filter."""
        ds = params.get("ds", "Not Specified")
        if ds == "*file*":
            ds = _uploaded(params.get("file", ""))
        ds = ds[:MAX_DS]
        elements = self._elements(ds)
        series = elements[0].series
        if any(one.series.lower() != series.lower() for one in elements):
            raise FetchError("Cannot specify subsets of records from different series.")
        if series not in self.engine.catalog:
            raise FetchError(f"Cannot export series '{series}' - it does not exist.\n")
        if params.get("seg"):
            if any(one.segments is not None for one in elements):
                raise FetchError("cannot provide both the `seg` argument, and a segment filter in the `in` argument")
            ds = f"{ds}{{{params['seg']}}}"
            elements = self._elements(ds)
        if "quality" in self.engine.catalog[series].definition.keywords and params.get("q", "0") != "1":
            ds = _with_quality(ds, elements)
        return ds

    def _elements(self, ds: str) -> tuple[language.Element, ...]:
        try:
            elements = self.engine.scan(ds)
        except EngineError:
            elements = ()
        if not elements:
            raise FetchError(f"Bad record-set query '{ds}'.\n")
        return elements

    def _open(self, ds: str, limit: int) -> RecordTable:
        try:
            return RecordTable(self.engine.reader, self.engine.open(ds, limit or None))
        except EngineError as error:
            if error.headless:
                raise EngineCrash("an error in front of the header") from None
            raise FetchError(f"Can not open RecordSet, bad query or too many records: {ds}") from None

    def _find(self, ds: str) -> RecordTable | None:
        try:
            return self._open(ds, 0)
        except (FetchError, EngineCrash):
            return None

    def _survey(self, records: RecordTable, files: Sequence[Stored], offline_allowed: bool) -> int:
        """
        Megabytes of the files, at least 1.

        Raises
        ------
        FetchError
            No files, unknown storage units, or (status 25) units that would have to come from tape; the first one in
            the order of the records decides.
        """
        if not len(records) or not files:
            raise FetchError("There are no files in this RecordSet")
        size, seen = 0, set[int]()
        for file in files:
            if file.sunum < 0:
                raise FetchError("One or more records contain no Storage Units")
            unit = file.unit
            if unit is None or (not unit.online and unit.archive != "Y"):
                raise FetchError(f"One or more Storage Units are invalid{file.sunum}")
            if unit.online:
                size += file.size
            elif not offline_allowed:
                raise FetchError(schema.data("server")["offline"] + self.staging.new_id(), 25)
            elif file.sunum not in seen:
                seen.add(file.sunum)
                size += unit.size
        if not size:
            raise FetchError("There are no files in this RecordSet")
        return max(1, size // 2**20)


def checked(params: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """
    Arguments that the program accepts, and what it prints about the others.

    A ``;`` and an odd number of apostrophes are refused, in plain text whatever the format, and the program goes on
    without the argument; other apostrophes become double quotes.
    """
    accepted, refused = {}, b""
    for name, value in params.items():
        if ";" in value:
            refused += b"status=4\nerror=Illegal text in arg: ';' not allowed\n"
        elif value.count("'") % 2:
            refused += b'status=4\nerror=Unbalanced "\'" not allowed.\n'
        else:
            accepted[name] = value.replace("'", '"')
    return accepted, refused


def _number(value: str | None, default: float) -> float:
    try:
        number = float(value) if value else default
    except ValueError:
        return default
    return number if math.isfinite(number) else default


def _whole(value: str | None) -> int:
    return int(max(-(2.0**31), min(_number(value, 0), 2.0**31 - 1)))


def _uploaded(content: str) -> str:
    """The record sets of an uploaded file, one a line, ``#`` begins a comment."""
    lines = (line.partition(" #")[0].strip() for line in content.splitlines())
    ds = ",".join(line for line in lines if line and not line.startswith("#"))
    if not ds or len(content) > MAX_DS:
        raise FetchError("Uploaded file does not contain a valid list of records.")
    return ds


def _with_quality(ds: str, elements: Sequence[language.Element]) -> str:
    """
    The record set with the quality filter of jsoc_fetch.

    Where some elements have a quality filter and others none, the program copies only those without: the others are
    lost.
    """
    parts = []
    for element in elements:
        sql = [raw for raw in element.filters if raw.kind in (language.FilterKind.SQL, language.FilterKind.SQL_ALL)]
        if any("quality" in raw.text.lower() for raw in sql):
            continue
        written = ds[element.start : element.end].rstrip(" ,")
        # in front of the segment list, which is the only brace outside the brackets
        end = written.rfind("{") if element.segments is not None else len(written)
        parts.append(written[:end].rstrip() + QUALITY_FILTER + written[end:])
    return ",".join(parts) if parts else ds


def _processing(params: Mapping[str, str]) -> tuple[Steps, int]:
    """Steps of ``process`` or ``processing``, and the record limit that goes with them."""
    if "processing" in params:
        try:
            steps = json.loads(params["processing"])
            found = [(name, {key: _text(value) for key, value in options.items()}) for name, options in steps.items()]
        except (ValueError, AttributeError):
            raise FetchError("invalid processing list argument") from None
        return found, _whole(params.get("max_recs"))
    limit, found = 0, []
    for part in filter(None, params.get("process", "").split("|")):
        name, _, rest = part.partition(",")
        if name.startswith("n="):
            limit = _whole(name[2:])
            continue
        options = dict(option.partition("=")[::2] for option in rest.split(",") if option)
        if name != "no_op":
            found.append((name.strip(), {key.strip(): value for key, value in options.items()}))
    return found, limit


def _text(value: Any) -> str:
    return {True: "1", False: "0"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _submitted(request: StagedRequest) -> dict[str, printer.Json]:
    about = {"status": 2, "requestid": request.id, **_asked(request.wanted), "wait": 10}
    return about | {"rcount": len(request.wanted.records), "size": request.megabytes}


def _asked(wanted: Wanted) -> dict[str, printer.Json]:
    return {"method": wanted.method, "protocol": wanted.protocol}


def _quick(wanted: Wanted, files: Sequence[Stored], megabytes: int) -> dict[str, printer.Json]:
    """The immediate answer: where the files are already."""
    names = wanted.records.names()
    data: list[printer.Json] = [
        {"record": f"{names[file.row]}{{{file.segment}}}", "filename": _evil(file.path) if wanted.evil else file.path}
        for file in files
    ]
    head: dict[str, printer.Json] = {"rcount": len(wanted.records), "count": len(files), "size": megabytes, "dir": ""}
    return head | {"data": data, "requestid": ""} | _asked(wanted) | {"wait": 0, "status": 0}


def _evil(path: str) -> str:
    return str(PurePosixPath(path).parent / "..%2f..%2f" / "../../../evil.fits")


#: Seconds that a registration waits for the reply to its mail (``REGEMAIL_TIMEOUT``).
REGISTRATION_S = 15 * 60
#: At most this many registrations are kept waiting.
MAX_WAITING = 1000

# as in checkAddress.py: matched at the start only, so that longer top-level domains pass
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,6}")

_MESSAGES: Final[dict[str, str]] = schema.data("server")["addresses"]


class Addresses:
    """
    E-mail addresses of a sandbox.

    Parameters
    ----------
    registered : iterable of str
        Addresses that may export from the start.
    clock : callable
        Unix time.
    """

    def __init__(self, registered: Iterable[str], clock: Callable[[], float]) -> None:
        self._registered = {address: number for number, address in enumerate(registered, start=1)}
        self._waiting: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def register(self, address: str) -> None:
        """Make an address a registered one, as the reply to the mail does."""
        with self._lock:
            self._waiting.pop(address, None)
            self._registered.setdefault(address, len(self._registered) + 1)

    def check(self, address: str | None, *, checkonly: bool) -> tuple[int, str, int | None]:
        """
        State of an address; without `checkonly` an unknown one begins its registration.

        Returns
        -------
        status, message, user id
            Status 1 registration begun, 2 registered, 3 waiting for the reply, 4 unknown, -2 no address.
        """
        if not address:
            return -2, "Missing required argument 'address'.", None
        if not _ADDRESS.match(address):
            return -2, "Not a valid email address.", None
        with self._lock:
            now = self._clock()
            for late in [one for one, since in self._waiting.items() if now - since > REGISTRATION_S]:
                del self._waiting[late]
            if address in self._registered:
                return 2, _MESSAGES["2"], self._registered[address]
            if address in self._waiting:
                return 3, _MESSAGES["3"], None
            if checkonly:
                return 4, _MESSAGES["4"], None
            if len(self._waiting) < MAX_WAITING:
                self._waiting[address] = now
            return 1, _MESSAGES["1"], None

    def answer(self, params: Mapping[str, str]) -> dict[str, printer.Json]:
        """What ``checkAddress.sh`` answers; the address is decoded once more, as clients send it encoded twice."""
        address = params.get("address")
        address = None if address is None else unquote(address, "latin-1")
        status, message, user = self.check(address, checkonly=params.get("checkonly", "0") == "1")
        return {"status": status, "msg": message, "user_id": user}


CONTACT: Final = "jsoc_help@jsoc.stanford.edu"

_ID: Final = re.compile(r"JSOC_[0-9]{8}_[0-9]+(_IN)?")
_FAILURES: Final[dict[str, str]] = schema.data("server")["failures"]


class Fetch:
    """
    The program ``jsoc_fetch``.

    Parameters
    ----------
    engine : Engine
        Opens record sets.
    sums : Sums
        Storage units.
    staging : Staging
        Requests and their states.
    addresses : Addresses
        Who may export.
    limits : Limits
        Sizes.
    """

    def __init__(
        self, engine: Engine, sums: tables.Sums, staging: Staging, addresses: Addresses, limits: Limits
    ) -> None:
        self.sums, self.staging, self.addresses = sums, staging, addresses
        self.submission = Submission(engine, staging, addresses, limits)
        self.exports = Exports(sums, staging, limits.record_set)

    def file(self, path: str) -> File | None:
        """A file of an export, None where `path` is none."""
        return self.exports.file(path)

    def answer(self, params: Mapping[str, str], peer: str, fault: str = "") -> Response:
        """
        Answer one call.

        Parameters
        ----------
        params : mapping of str to str
            Parameters of the query and the form together.
        peer : str
            Address of the client.
        fault : str
            ``expired``, ``disk-full`` or ``evil-name`` to act it out.
        """
        params, refused = checked(params)
        plain = params.get("format", "json") != "json"
        try:
            answer = self._dispatch(params, peer, fault)
        except FetchError as error:
            answer = {"status": error.status, "error": str(error)}
        except EngineCrash as crash:
            return text(500, f"This record set kills the real program: {crash}\n")
        if isinstance(answer, bytes):
            body = answer
        else:
            body = _as_text(answer) if plain else printer.compact(answer)
        kind = "text/plain" if plain else "application/json"
        return Response(200, refused + body, {"Content-Type": kind})

    def _dispatch(self, params: Mapping[str, str], peer: str, fault: str) -> dict[str, printer.Json] | bytes:
        match params.get("op"):
            case "exp_request":
                return self.submission.request(params, peer, fault)
            case "exp_su":
                return self._storage_units(params)
            case "exp_repeat":
                raise FetchError("Re-Export requests temporarily disabled.")
            case "exp_status":
                return self._status(params.get("requestid", ""), fault)
        raise FetchError("RequestID must be provided")

    # ---- exp_status
    def _status(self, id: str, fault: str) -> dict[str, printer.Json] | bytes:
        if not id:
            raise FetchError("RequestID must be provided")
        if not _ID.search(id):
            raise FetchError(f"Bad RequestID '{id}' provided.")
        request = self.staging.get(id)
        if request is None:
            raise FetchError(f"invalid export DRMS record for ID `%s`{id}")
        if fault == "expired":
            self.staging.expire(id)
        elif fault == "disk-full":
            self.staging.fail(id, "Problem running protocol-export command.")
        if self.staging.state(request) is State.DONE:
            packing_list = self.exports.index(request, evil=fault == "evil-name")
            if packing_list is not None:
                return packing_list
        state = self.staging.state(request)
        answer: dict[str, printer.Json] = {"status": int(state), "requestid": request.id, **_asked(request.wanted)}
        answer |= {"wait": self.staging.wait(request), "rcount": 0, "size": request.megabytes}
        if failure := _FAILURES.get(str(int(state))):
            answer["error"] = failure if request.error is None else request.error
            answer["contact"] = CONTACT
        return answer

    # ---- exp_su
    def _storage_units(self, params: Mapping[str, str]) -> dict[str, printer.Json]:
        given = params.get("sunum", "")
        wanted = given or params.get("ds", "Not Specified")
        numbers = [part.strip() for part in wanted.split(",") if part.strip()]
        if given.startswith("-"):  # the program takes a negative number for an absent one
            raise FetchError("Invalid argument in exp_su, 'ds=Not Specified'.\n")
        if not numbers:
            raise FetchError("There are no SUs in sunum or ds params")
        if not all(re.fullmatch(r"\d{1,18}", number) for number in numbers):
            name = "sunum" if given else "ds"
            where = "on entry" if given else "in exp_su"
            raise FetchError(f"Invalid argument {where}, '{name}={wanted}'.\n")
        rows: list[dict[str, printer.Json]] = []
        total = 0
        for number in numbers:
            series, path, state, size = "NA", "NA", "I", 0
            if (found := self.sums.unit(int(number))) is not None:
                series, unit = found
                path = unit.directory if unit.online else "NA"
                state, size = "Y" if unit.online else "N" if unit.archive == "Y" else "X", unit.size
                total += size
            rows.append({"sunum": number, "series": series, "path": path, "sustatus": state, "susize": str(size)})
        keyed = params.get("formatvar") == "dataobj"
        data: printer.Json = {str(row["sunum"]): row for row in rows} if keyed else rows
        head: dict[str, printer.Json] = {"count": len(rows), "size": total, "dir": "", "data": data, "requestid": ""}
        asked = {"method": params.get("method", "url"), "protocol": params.get("protocol", "as-is")}
        return head | asked | {"wait": 0, "status": 0}

    # ---- manage-request
    def manage(self, params: Mapping[str, str]) -> dict[str, printer.Json]:
        """``manage-request.sh``: is a request of an address pending (`check`), let it submit again (`cancel`)."""
        address, operation = params.get("address"), params.get("operation")
        if not address or operation not in ("check", "cancel"):
            missing = "address" if not address else "operation"
            return {"status": "-1", "msg": f"Invalid or missing argument '{missing}'."}
        if self.addresses.check(address, checkonly=True)[0] != 2:
            return {"status": "0", "msg": f"unknown export user {address}"}
        pending = [request for request in self.staging.pending() if request.address == address]
        if not pending:
            return {"status": "1", "msg": f"no existing export request for export user {address}"}
        first = pending[0]
        if operation == "cancel":
            self.staging.cancel(address)
            return {"status": "3", "msg": f"existing export request for export user {address} was canceled"}
        started = datetime.fromtimestamp(int(first.submitted), UTC).strftime("%Y-%m-%d %H:%M:%S")
        told = f"[ request_id={first.id}, start_time={started} ]"
        return {"status": "2", "msg": f"existing export request for export user {address} {told}"}


def _as_text(answer: Mapping[str, printer.Json]) -> bytes:
    """``format=txt``: ``name=value`` lines, then the files."""
    lines = ["# JSOC Export request"]
    lines += [f"{name}={value}" for name, value in answer.items() if name != "data"]
    rows = answer.get("data")
    if isinstance(rows, list):
        lines.append("# DATA")
        lines += ["\t".join(map(str, row.values())) for row in rows if isinstance(row, Mapping)]
    return ("\n".join(lines) + "\n").encode("latin-1", "replace")
