"""
``jsoc_fetch``: export requests, their status, storage units; and the files of what was exported.

Texts, order of checks and order of members are those of jsoc_fetch.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ..catalog import printer, storage
from ..engine import Engine, EngineCrash
from ..exports import Exports, Staging, State
from ..messages import File, Response, text
from .exp_request import Addresses, FetchError, Limits, Submission, checked

CONTACT: Final = "jsoc_help@jsoc.stanford.edu"

_ID: Final = re.compile(r"JSOC_[0-9]{8}_[0-9]+(_IN)?")
_FAILURES: Final = {
    State.TOO_LARGE: "Request too large",
    State.FAILED: "RecordSet specified does not exist",
    State.EXPIRED: "Request was completed but is now deleted, 7 day limit exceeded",
}


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
        self, engine: Engine, sums: storage.Sums, staging: Staging, addresses: Addresses, limits: Limits
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
        answer: dict[str, printer.Json] = {
            "status": int(state),
            "requestid": request.id,
            "method": request.wanted.method,
            "protocol": request.wanted.protocol,
            "wait": self.staging.wait(request),
            "rcount": 0,
            "size": request.megabytes,
        }
        if state in _FAILURES:
            answer["error"] = _FAILURES[state] if request.error is None else request.error
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
            found = self.sums.unit(int(number))
            row: dict[str, printer.Json] = {
                "sunum": number,
                "series": "NA",
                "path": "NA",
                "sustatus": "I",
                "susize": "0",
            }
            if found is not None:
                series, unit = found
                state = "Y" if unit.online else "N" if unit.archive == "Y" else "X"
                row = {
                    "sunum": number,
                    "series": series,
                    "path": unit.directory if unit.online else "NA",
                    "sustatus": state,
                    "susize": str(unit.size),
                }
                total += unit.size
            rows.append(row)
        keyed = params.get("formatvar") == "dataobj"
        data: printer.Json = {str(row["sunum"]): row for row in rows} if keyed else rows
        return {
            "count": len(rows),
            "size": total,
            "dir": "",
            "data": data,
            "requestid": "",
            "method": params.get("method", "url"),
            "protocol": params.get("protocol", "as-is"),
            "wait": 0,
            "status": 0,
        }

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
        started = _utc(first.submitted)
        return {
            "status": "2",
            "msg": f"existing export request for export user {address} [ request_id={first.id}, start_time={started} ]",
        }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")


def _as_text(answer: Mapping[str, printer.Json]) -> bytes:
    """``format=txt``: ``name=value`` lines, then the files."""
    lines = ["# JSOC Export request"]
    lines += [f"{name}={value}" for name, value in answer.items() if name != "data"]
    rows = answer.get("data")
    if isinstance(rows, list):
        lines.append("# DATA")
        lines += ["\t".join(map(str, row.values())) for row in rows if isinstance(row, Mapping)]
    return ("\n".join(lines) + "\n").encode("latin-1", "replace")
