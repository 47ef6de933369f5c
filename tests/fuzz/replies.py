"""
Replies of a server that is not trusted: each is spoilt in a few places, and every public entrance has to bear it.

A call ends with a result or with a `JsocError`, soon and in little memory; no text that it shows holds control
characters, lone surrogates or the e-mail address, and no file lies where or as it should not. Anything else is a
finding. What is spoilt are the replies of a sandbox to the very questions of the call, or recorded replies of JSOC
to questions of that kind. ::

    python tests/fuzz/replies.py --count 20000 --seed 1
    python tests/fuzz/replies.py --case 1:4711        # one case, with its traceback
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import requests
import urllib3
from conftest import GOLDEN
from fuzz.harness import BusyClock, Findings, little_memory, spoil_bytes, spoil_json, verdict

import jsoclite

BASE = "http://jsoc.test/"
EMAIL = "somebody.secret@example.org"
SET = "hmi.M_720s[2014.01.01_TAI/36m][3]{magnetogram}"
NAMES = ["hmi.M_720s[2014.01.01_00:00:00_TAI][3]", "hmi.M_720s[2014.01.01_00:12:00_TAI][3]"]
# after this long by its own clock the server gives good replies again, so that what waits for it comes to an end
SPOILT_S = 3 * 3600.0


def kind_of(path: str, query: str) -> str:
    """What a request asks for: the operation, or the program."""
    program = path.rpartition("/")[2]
    operation = parse_qs(query).get("op", [""])[0]
    if program in ("jsoc_info", "jsoc_fetch"):
        return operation
    if path.startswith("/SUM"):
        return "index" if program.startswith("index.") else "file"
    return program


def _recorded() -> dict[str, list[bytes]]:
    """Recorded bodies by kind; they were kept as text."""
    found: dict[str, list[bytes]] = {}
    for name in (
        "jsoc_info",
        "jsoc_info_raw",
        "alias",
        "jsoc_fetch",
        "jsoc_fetch_status",
        "export_forms",
        "show_series",
    ):
        for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines():
            entry = json.loads(line)
            query = parse_qs(str(entry.get("query_string", "")))
            kind = (entry.get("args") or {}).get("op") or query.get("op", [""])[0]
            kind = "show_series" if name == "show_series" else "exp_status" if name == "jsoc_fetch_status" else kind
            body = entry.get("body")
            if body and "<html" not in body[:200].lower():
                found.setdefault(kind, []).append(body.encode("utf-8", "surrogateescape"))
    return found


RECORDED = _recorded()


@dataclass
class Wire(requests.adapters.BaseAdapter):
    """
    Answers a client within this process with what a sandbox has said, some of it spoilt.

    Parameters
    ----------
    url : str
        Of the sandbox that is asked what is not known yet.
    """

    url: str
    known: dict[tuple[str, str, bytes], requests.Response] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    spoilt: dict[tuple[str, str, bytes], bytes] = field(default_factory=dict)
    learning: bool = True
    clock: BusyClock | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self._line = requests.Session()

    def close(self) -> None:
        """Stop asking the sandbox."""
        self._line.close()

    def send(self, request: Any, **_: Any) -> requests.Response:
        """Answer one request."""
        path = request.url.removeprefix(BASE.rstrip("/"))
        body = request.body or b""
        key = (request.method, path, body.encode() if isinstance(body, str) else body)
        self.asked.append(key)
        assert len(self.asked) < 100_000, "it asks for ever"
        if self.learning or key not in self.known:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            self.known[key] = self._line.request(
                request.method, self.url.rstrip("/") + path, data=key[2] or None, headers=headers, timeout=60
            )
        answer = self.known[key]
        content = answer.content
        if key in self.spoilt and (self.clock is None or self.clock.time - 1000 < SPOILT_S):
            content = self.spoilt[key]
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "transfer-encoding"}
        raw = urllib3.HTTPResponse(
            io.BytesIO(content),
            headers=headers | {"Content-Length": str(len(content))},
            status=answer.status_code,
            preload_content=False,
        )
        return requests.adapters.HTTPAdapter().build_response(request, raw)


def session_of(wire: Wire) -> requests.Session:
    """A session that reaches nobody but the wire."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", wire)
    session.mount("https://", wire)
    return session


def _shown(*values: Any) -> str:
    """What a terminal and a notebook would show of our own objects."""
    return "\n".join(text for value in values for text in (repr(value), str(value._repr_html_() or "")))


# -- the entrances ----------------------------------------------------------------------------------------------------


def _series(client: jsoclite.Client, _: Path) -> None:
    assert isinstance(client.series("hmi"), list)
    client.series(full=True)


def _info(client: jsoclite.Client, _: Path) -> str:
    info = client.info("hmi.M_720s")
    len(info.keywords), len(info.segments), len(info.links)
    client.keys("hmi.M_720s"), client.pkeys("hmi.M_720s")
    return _shown(info)


def _query(client: jsoclite.Client, _: Path) -> None:
    client.query(SET, keywords="**ALL**", times="utc")


def _query_sharp(client: jsoclite.Client, _: Path) -> None:
    df = client.query("hmi.sharp_cea_720s[377][2011.02.15_TAI/1h]", keywords="T_REC,USFLUX", links="**ALL**", limit=3)
    df.jsoc.record_sets()


def _query_types(client: jsoclite.Client, _: Path) -> None:
    client.query("su_test.types[]", keywords="**ALL**", segments="**ALL**", times="tai")


def _count(client: jsoclite.Client, _: Path) -> None:
    assert isinstance(client.count(SET), int)


def _stream(client: jsoclite.Client, _: Path) -> None:
    for _df in client.stream(SET, size=2, progress=False):
        pass


def _search(client: jsoclite.Client, _: Path) -> None:
    client.search(
        "aia.lev1_euv_12s", "2014-01-01T00:00:00", "2014-01-01T00:01:00", wavelength=[171, 304], segments="image"
    )


def _export(client: jsoclite.Client, _: Path) -> str:
    export = client.export(SET)
    text = _shown(export, export[0])
    try:
        export.wait(timeout=4 * 3600, progress=False)
    finally:
        text += _shown(export, export[0], *[request.error for request in export if isinstance(request.error, str)])
    export.urls, export.files.url.tolist(), export.ids
    return text


def _export_rows(client: jsoclite.Client, _: Path) -> str:
    export = client.export(NAMES, segments="magnetogram", method="url-tar").submit(progress=False)
    export[0].pending_at_server()
    export.cancel()
    return _shown(export)


def _attach(client: jsoclite.Client, directory: Path) -> str:
    export = client.attach("JSOC_20090213_001")
    files = export.download(directory, progress=False, on_error="ignore")
    return _shown(export, files)


def _download(client: jsoclite.Client, directory: Path) -> str:
    return _shown(client.download(NAMES, directory, segments="magnetogram", progress=False))


def _download_fits(client: jsoclite.Client, directory: Path) -> str:
    return _shown(client.download(SET, directory, protocol="fits", progress=False, on_error="ignore"))


def _download_stored(client: jsoclite.Client, directory: Path) -> str:
    return _shown(client.download("su_test.types[]", directory, protocol="as-is", progress=False, on_error="ignore"))


def _download_tar(client: jsoclite.Client, directory: Path) -> str:
    export = client.export(NAMES, segments="magnetogram", method="url-tar")
    return _shown(export.download(directory, progress=False, on_error="ignore"))


def _check_email(client: jsoclite.Client, _: Path) -> None:
    assert client.check_email(EMAIL) in (True, False)


def _nearest(client: jsoclite.Client, _: Path) -> None:
    client.nearest("hmi.M_720s", ["2014-01-01T00:05", "2014-01-01T00:25"], "12m", CAMERA=3)


def _latest(client: jsoclite.Client, _: Path) -> None:
    client.latest("hmi.M_720s", 2)


def _harps(client: jsoclite.Client, _: Path) -> None:
    client.harps(11158, start="2011-02-15", end="2011-02-16")


def _drms(client: jsoclite.Client, _: Path) -> None:
    client.drms.series("hmi")
    client.drms.pkeys("hmi.M_720s")
    client.drms.query(SET.partition("{")[0], key="T_REC,QUALITY", seg="magnetogram")


ENTRANCES: dict[str, Callable[[jsoclite.Client, Path], Any]] = {
    "series": _series,
    "info": _info,
    "query": _query,
    "query links": _query_sharp,
    "query types": _query_types,
    "count": _count,
    "stream": _stream,
    "search": _search,
    "export": _export,
    "export rows": _export_rows,
    "attach": _attach,
    "download": _download,
    "download fits": _download_fits,
    "download as-is": _download_stored,
    "download tar": _download_tar,
    "check_email": _check_email,
    "nearest": _nearest,
    "latest": _latest,
    "harps": _harps,
    "drms": _drms,
}

# files of somebody else, two directories above the one that is downloaded to
VICTIMS = ("victim", "victim.tar", "victim.fits")

# a name that we give begins with a series name (or the id of a request) and is made of plain characters
_NAME = re.compile(r"_?[A-Za-z]\w*[.][\w.~+-]+", re.ASCII)
_NEVER = re.compile(r"\.(py|pyc|pth|sh|bashrc|profile|exe|bat|html?|js|desktop|sqlite)$", re.IGNORECASE)


def _misplaced(root: Path, directory: Path) -> tuple[str, str] | None:
    """Whether something lies beside the directory, or under a name that is none."""
    for base, _, files in os.walk(root):
        for name in files:
            inside = Path(base) == directory
            if not inside and Path(base, name).relative_to(root).as_posix() not in VICTIMS:
                return "EscapedFile", "beside the directory"
            ledger = name.startswith(".jsoclite.sqlite")
            if inside and not ledger and (not _NAME.fullmatch(name) or _NEVER.search(name)):
                return "BadName", "in the directory"
    whole = all((root / victim).is_file() and (root / victim).read_text() == "mine" for victim in VICTIMS)
    return None if whole else ("EscapedFile", "over another file")


RECORDS = (
    "[jsoclite]{sqlite}", "[jsoclite]{sqlite-journal}", "[bashrc]", "{bashrc}", "evil{py}", "evil{}", "", "[]", "[.]",
    "..", "../../victim", "../../victim{}", "/etc/passwd", "hmi.M_720s[../../victim]{x}",
    "hmi.M_720s[1][2]{../../victim}", "CON[1]{x}", "nul.fits", "hmi.M_720s[\x1b[31m]", "hmi.M_720s[\ud800]",
    "hmi.M_720s[\x00]{magnetogram}", "a.b[1]{part}", "a.b{fits.part.etag}",
    "hmi.m_720S[2014.01.01_00:00:00_TAI][3]{MAGNETOGRAM}", "x" * 300, "a.b[" + "x" * 300 + "]", "a.b[" + "]" * 300,
    "warning=\x1b]0;title\x07", "movie of", "error=", "~/x{y}", "a.b[c:/x]{y}", "-rf[1]{x}",
)  # fmt: skip
FILES = (
    "x", "x.", ".", "..", "", "/", "x.py", "x.sh", ".bashrc", "x.sqlite", "x.part", "x.etag", "../../victim",
    "..\\..\\victim", "/SUM0/../../victim", "x\x00.fits", "x\x1b[2J.fits", "\ud800.fits", "x" * 400 + ".fits",
    "x.FITS", "x.fits.exe", "hmi.M_720s.².", "hmi.M_720s.99999999999999999999999.magnetogram.fits", "NoDataFile",
    "http://evil.test/x.fits", "//evil.test/x.fits", "x?y#z", "%2e%2e%2fvictim", "index.json",
)  # fmt: skip
IDS = (
    "../../victim", "..", "/etc/x", "JSOC_20090213_001/../../../victim", "JSOC_20990101_999", "JSOC_20090213_001\n",
    "", "JSOC_20090213_001 ", "jsoc_20090213_001", "JSOC_20090213_" + "9" * 300, "\x1b[31m", "\ud800", "VOID",
    ".jsoclite.sqlite",
)  # fmt: skip


def spoil_names(content: bytes, chance: random.Random) -> bytes:
    """A reply of jsoc_fetch whose records, files, ids and paths lead somewhere else."""
    answer = json.loads(content.decode("latin-1"))
    rows = answer.get("data")
    if isinstance(rows, list):
        if chance.random() < 0.1:  # more files of one name than there are names
            rows[:] = rows[:1] * 1100
        for row in rows if chance.random() < 0.2 else rows[:1]:
            if chance.random() < 0.8:
                row["record"] = chance.choice(RECORDS)
            if chance.random() < 0.6:
                row["filename"] = chance.choice(FILES)
    for name, values in (("requestid", IDS), ("reqid", IDS), ("dir", FILES), ("tarfile", FILES)):
        if (name in answer and chance.random() < 0.3) or chance.random() < 0.05:
            answer[name] = chance.choice(values)
    return json.dumps(answer).encode()


class Fuzzer:
    """
    Spoils replies; everything follows from the seed.

    Parameters
    ----------
    seed : int
        Start of the random numbers.
    scratch : path
        Where files may be written.
    """

    def __init__(self, seed: int, scratch: Path) -> None:
        self.seed, self.scratch = seed, scratch
        self._clock = BusyClock()
        self.sandbox = jsoclite.Sandbox(
            catalog=GOLDEN / "catalog", email=EMAIL, staging_s=0, clock=lambda: 1234567890.0, host_limit=0,
            pending_limit=0,
        ).start()  # fmt: skip
        self.wire = Wire(self.sandbox.url)
        self.questions: dict[str, dict[str, list[tuple[str, str, bytes]]]] = {}
        self._learn()

    def close(self) -> None:
        """Stop the sandbox."""
        self.wire.close()
        self.sandbox.stop()

    def _learn(self) -> None:
        """Let every entrance ask once what it asks, and remember the replies."""
        with self._client() as client:
            # an export that "somebody else" has made
            client.export("hmi.M_720s[2014.01.01_TAI/24m][3]{magnetogram}").wait(progress=False)
        for name in ENTRANCES:
            self.wire.asked.clear()
            found = self._run(name, f"learn-{name}")
            assert found is None, f"{name}, with nothing spoilt: {found}"
            asked: dict[str, list[tuple[str, str, bytes]]] = {}
            for key in dict.fromkeys(self.wire.asked):
                kind = kind_of(urlsplit(key[1]).path, urlsplit(key[1]).query or key[2].decode("latin-1"))
                if kind != "file":
                    asked.setdefault(kind, []).append(key)
            self.questions[name] = asked
        self.wire.learning = False

    def _client(self) -> jsoclite.Client:
        self._clock = self.wire.clock = BusyClock()
        client = jsoclite.Client(BASE, email=EMAIL, retries=1, session=session_of(self.wire))
        client._clock = self._clock.clock
        return client

    def _run(self, name: str, label: str) -> tuple[str, str] | None:
        root = self.scratch / label
        directory = root / "inner" / "data"
        directory.mkdir(parents=True)
        for victim in VICTIMS:
            (root / victim).write_text("mine")
        try:
            with self._client() as client:
                found = verdict(
                    lambda: ENTRANCES[name](client, directory),
                    foreign=("drms", "pandas", "numpy") if name == "drms" else (),
                    secrets=(EMAIL,),
                )
            return found or _misplaced(root, directory)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def case(self, number: int, *, explain: bool = False) -> tuple[str, tuple[str, str] | None]:
        """Run a case; returns what was spoilt, and what came of it."""
        chance = random.Random(f"{self.seed}:{number}")
        name = list(ENTRANCES)[number % len(ENTRANCES)]
        kind = chance.choice(list(self.questions[name]))
        keys = self.questions[name][kind]
        spoil = spoil_json if chance.random() < 0.7 else spoil_bytes
        if kind in ("exp_request", "exp_status") and chance.random() < 0.4:
            self.wire.spoilt = {key: spoil_names(self.wire.known[key].content, chance) for key in keys}
        elif chance.random() < 0.2 and RECORDED.get(kind):
            content = chance.choice(RECORDED[kind])  # the answer to another question, as it is or spoilt
            content = content if chance.random() < 0.3 else spoil(content, chance)
            self.wire.spoilt = dict.fromkeys(keys, content)
        else:
            chosen = chance.choice(keys)
            self.wire.spoilt = {chosen: spoil(self.wire.known[chosen].content, chance)}
        self.wire.asked.clear()
        if explain:
            print(name, kind, *(body[:3000] for body in self.wire.spoilt.values()), sep="\n")
        return f"{self.seed}:{number} {name}/{kind}", self._run(name, f"case-{number}")


def fuzz(
    count: int, seed: int, *, scratch: Path, first: int = 0, told: Callable[[int], object] = lambda _: None
) -> Findings:
    """Run `count` cases and return what was found."""
    findings = Findings()
    fuzzer = Fuzzer(seed, scratch)
    try:
        with little_memory():
            for number in range(first, first + count):
                findings.add(*fuzzer.case(number))
                told(number)
    finally:
        fuzzer.close()
    return findings


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", help="SEED:NUMBER; run this one and show its traceback")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.case:
            from fuzz import harness

            seed, number = map(int, options.case.split(":"))
            harness.TRACEBACKS = True
            fuzzer = Fuzzer(seed, Path(scratch))
            print(*fuzzer.case(number, explain=True))
            fuzzer.close()
            return 0
        findings = fuzz(
            options.count,
            options.seed,
            scratch=Path(scratch),
            first=options.first,
            told=lambda number: print(f"\r{number}", end="", file=sys.stderr) if number % 100 == 0 else None,
        )
    print(f"\nreplies: {findings}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
