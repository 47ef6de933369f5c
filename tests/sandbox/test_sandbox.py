"""The sandbox as a whole: its life, its front page, its log, many clients, and clients that send anything."""

from __future__ import annotations

import ast
import gc
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import tokenize
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from conftest import GOLDEN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jsoclite
from jsoclite.errors import RecordSetError
from jsoclite.sandbox import Sandbox, serve
from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.programs.jsoc_fetch import MAX_WAITING, Addresses

TESTS = GOLDEN.parent
HOUSE = Path(jsoclite.__file__).parent / "sandbox"
RAW = GOLDEN / "jsoc_info_raw.jsonl"
QUERY = "/cgi-bin/ajax/jsoc_info?op=rs_summary&ds=hmi.M_720s[2014.01.01_TAI/1h][3]"


@cache
def _catalog() -> StoredCatalog:
    return StoredCatalog(GOLDEN / "catalog")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(_catalog()) as sandbox:
        yield sandbox
        assert sandbox.errors == []


def port(sandbox) -> int:
    return int(sandbox.url[:-1].rpartition(":")[2])


def get(sandbox, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port(sandbox), timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def ajax(sandbox, program, **params):
    return json.loads(get(sandbox, f"/cgi-bin/ajax/{program}?{urlencode(params)}")[1])


# ---- life
def test_it_listens_on_loopback_only_and_frees_its_port(sandbox):
    assert sandbox.url.startswith("http://127.0.0.1:")
    with Sandbox(_catalog()) as another:
        taken = port(another)
        assert another.start() is another
        with socket.create_connection(("127.0.0.1", taken)):
            pass
    with pytest.raises(OSError, match=r"[Rr]efused"):
        socket.create_connection(("127.0.0.1", taken))
    with pytest.raises(RuntimeError, match="not started"):
        _ = another.url
    with Sandbox(_catalog(), port=taken) as same:
        assert port(same) == taken


def test_it_stops_after_an_exception():
    sandbox = Sandbox(_catalog())
    with pytest.raises(ZeroDivisionError), sandbox:
        raise ZeroDivisionError(port(sandbox))
    with pytest.raises(RuntimeError, match="not started"):
        _ = sandbox.url


def test_one_that_nobody_holds_any_more_stops():
    taken = port(Sandbox(_catalog()).start())
    gc.collect()
    with pytest.raises(OSError, match=r"[Rr]efused"):
        socket.create_connection(("127.0.0.1", taken))


def test_it_ends_with_the_process(tmp_path):
    """Also when nobody stops it, and with clients connected; nothing is left behind."""
    code = (
        "import sys, socket\n"
        "from jsoclite.sandbox import Sandbox\n"
        f"sandbox = Sandbox({str(GOLDEN / 'catalog')!r}).start()\n"
        "one = socket.create_connection(('127.0.0.1', int(sandbox.url[:-1].rpartition(':')[2])))\n"
        "one.sendall(b'GET / HTTP/1.1')\n"
        "print(sandbox.url)\n"
        "raise SystemExit(3)\n"
    )
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (3, "")
    with pytest.raises(OSError, match=r"[Rr]efused"):
        socket.create_connection(("127.0.0.1", int(done.stdout.strip()[:-1].rpartition(":")[2])))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_a_catalogue_is_refused(tmp_path):
    with pytest.raises(RecordSetError, match=r"definition\.json"):
        Sandbox(tmp_path)


def test_a_stored_catalogue_may_bring_its_own_files(tmp_path):
    name = "hmi.M_720s.definition.json"
    (tmp_path / name).write_bytes((GOLDEN / "catalog" / name).read_bytes())
    record = json.loads((GOLDEN / "catalog" / "hmi.M_720s.records.jsonl").read_text().splitlines()[0]) | {"sunum": 7}
    (tmp_path / "hmi.M_720s.records.jsonl").write_text(json.dumps(record) + "\n")
    unit = {"sunum": 7, "series": "hmi.M_720s", "online_loc": "/SUM0/D7", "online": "Y", "archive": "N", "bytes": 11}
    unit |= {"effective_date": "209901010000", "files": {"a.txt": 11, "b.txt": 5}, "mtime": "2026-01-01T00:00:00Z"}
    (tmp_path / "sums.jsonl").write_text(json.dumps(unit) + "\n")
    (tmp_path / "SUM0" / "D7" / "S00000").mkdir(parents=True)
    (tmp_path / "SUM0" / "D7" / "S00000" / "a.txt").write_text("own content")
    with Sandbox(tmp_path) as sandbox:
        status, body, headers = get(sandbox, "/SUM0/D7/S00000/a.txt")
        assert (status, body, headers["Last-Modified"]) == (200, b"own content", "Thu, 01 Jan 2026 00:00:00 GMT")
        assert len(get(sandbox, "/SUM0/D7/S00000/b.txt")[1]) == 5
        assert get(sandbox, "/SUM0/D7/S00000/c.txt")[0] == 404


def test_importing_the_package_loads_no_server():
    code = "import sys, jsoclite.sandbox; print('jsoclite.sandbox.server' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["False", "False"]


# ---- what it serves
def test_front_page(sandbox):
    status, body, headers = get(sandbox, "/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert b"sandbox" in body
    assert get(sandbox, "/", "HEAD")[:2] == (200, b"")


def test_files_are_the_same_each_time(sandbox):
    path = "/SUM0/D500000012/S00000/magnetogram.fits"
    status, body, headers = get(sandbox, path)
    assert (status, len(body), headers["Accept-Ranges"]) == (200, 388_800, "bytes")
    with Sandbox(_catalog()) as another:
        assert get(another, path)[1] == body
    part = get(sandbox, path, headers={"Range": "bytes=1000-1999", "If-Range": headers["ETag"]})
    assert (part[0], part[1]) == (206, body[1000:2000])


@pytest.mark.parametrize(
    "path",
    [
        "/SUM0/D500000012/S00000/other.fits",
        "/SUM0/D500000012/S00001/magnetogram.fits",
        "/SUM1/D500000012/S00000/magnetogram.fits",
        "/SUM0/D500000023/S00000/magnetogram.fits",  # offline
        "/SUM0/D500000009/S00000/magnetogram.fits",  # unknown to SUMS
        "/SUM0/D500000012/S00000/../S00000/magnetogram.fits",
        "/SUM0/../../../../etc/passwd",
        "/SUM0/D500000012/S00000/..%2f..%2f..%2fsums.jsonl",
        "/SUM200/D900000001/S00000/index.json",
        "/etc/passwd",
        "/cgi-bin/ajax/nosuch",
        "/cgi-bin/ajax/",
        "//",
    ],
)
def test_what_is_not_there_is_404(sandbox, path):
    assert get(sandbox, path)[0] == 404


def test_other_methods_are_refused(sandbox):
    status, _, headers = get(sandbox, "/", "DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")


def test_lists_of_series(sandbox):
    answer = ajax(sandbox, "show_series", filter=r"aia\.lev1")
    assert [row["name"] for row in answer["names"]] == ["aia.lev1", "aia.lev1_euv_12s"]
    names = ajax(sandbox, "showextseries", dbhost="hmidb2", filter=r"aia\.lev1")
    assert names == {"errMsg": "", "seriesList": ["aia.lev1", "aia.lev1_euv_12s"]}
    described = ajax(sandbox, "showextseries", dbhost="hmidb2", filter="AIA.LEV1$", info=1)
    assert described["seriesList"] == [{"aia.lev1": {"description": "AIA Level 1 (not slotted)"}}]
    assert ajax(sandbox, "showextseries", dbhost="hmidb2", filter="(")["seriesList"] == []
    assert ajax(sandbox, "showextseries")["errMsg"] != ""
    assert get(sandbox, "/cgi-bin/ajax/show_series?filter=(.*)*(.*)*z")[0] == 500  # would never end
    inverted = ajax(sandbox, "showextseries", dbhost="hmidb2", filter="NOT aia")
    assert not any(name.startswith("aia") for name in inverted["seriesList"])


def test_external_programs_want_a_database(sandbox):
    query = urlencode({"op": "rs_summary", "ds": "hmi.M_720s[2014.01.01_TAI/1h][3]"})
    assert get(sandbox, f"/cgi-bin/ajax/jsocextinfo?{query}")[0] == 500
    assert ajax(sandbox, "jsocextinfo", dbhost="hmidb2", op="rs_summary", ds="hmi.M_720s[:#12]")["count"] == 1


def test_get_and_post_answer_alike(sandbox):
    params = urlencode({"op": "rs_list", "ds": "hmi.M_720s[:#12-#14]", "key": "T_REC,QUALITY"})
    by_get = get(sandbox, f"/cgi-bin/ajax/jsoc_info?{params}")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    by_post = get(sandbox, "/cgi-bin/ajax/jsoc_info", "POST", params, kind)
    assert json.loads(by_get[1])["keywords"] == json.loads(by_post[1])["keywords"]
    assert by_get[2].get_content_type() == "application/json"


@pytest.mark.parametrize("line", [json.loads(text) for text in RAW.read_text().splitlines()], ids=range(15))
def test_recorded_query_strings(sandbox, line):
    """Encodings, doubled and unknown parameters, POST: what the real program made of them."""
    query = line.get("query_string", "").replace(" ", "+")  # HTTP has no blanks there
    if "args" in line:  # recorded by POST
        answer = get(sandbox, "/cgi-bin/ajax/jsoc_info", "POST", urlencode(line["args"]))
    else:
        answer = get(sandbox, f"/cgi-bin/ajax/jsoc_info?{query}")
    body = re.sub(r'("runtime": ?)[\d.]+', r"\g<1>0.000", answer[1].decode("latin-1"))
    assert (answer[0], body) == (200, line["body"])


def test_long_request_lines_are_414_and_posts_are_not(sandbox):
    ds = "hmi.M_720s[:#12" + ",#13" * 2040 + "]"
    query = urlencode({"op": "rs_summary", "ds": ds})
    assert get(sandbox, f"/cgi-bin/ajax/jsoc_info?{query}")[0] == 414
    assert get(sandbox, "/cgi-bin/ajax/jsoc_info", "POST", query)[0] == 200


# ---- addresses
def test_states_of_an_address():
    now = [0.0]
    addresses = Addresses(["a@example.com"], lambda: now[0])

    def check(address: str | None, **params: str) -> tuple:
        given = {} if address is None else {"address": quote(address)}
        answer = addresses.answer(given | params)
        return answer["status"], answer["user_id"]

    assert check("a@example.com", checkonly="1") == (2, 1)
    assert check("b@example.com", checkonly="1") == (4, None)
    assert check("b@example.com") == (1, None)
    assert check("b@example.com") == check("b@example.com", checkonly="1") == (3, None)
    now[0] += 15 * 60 + 1
    assert check("b@example.com", checkonly="1") == (4, None)
    check("b@example.com")
    addresses.register("b@example.com")
    assert check("b@example.com") == (2, 2)
    assert check(None) == check("") == check("not an address") == (-2, None)
    assert addresses.answer({"address": "x"})["msg"] == "Not a valid email address."
    for number in range(MAX_WAITING + 10):
        check(f"c{number}@example.com")
    assert len(addresses._waiting) == MAX_WAITING


# ---- log
def test_the_log_has_no_addresses():
    lines: list[str] = []
    with Sandbox(_catalog(), log=lines.append) as sandbox:
        get(sandbox, "/cgi-bin/ajax/checkAddress.sh?address=me%2540inst.edu&checkonly=1")
        get(sandbox, "/cgi-bin/ajax/jsoc_fetch", "POST", "op=exp_request&notify=me%40inst.edu&ds=me@inst.edu")
        get(sandbox, "/me@inst.edu%0d%0aEVIL")
        get(sandbox, QUERY)
    assert len(lines) == 4
    assert not any("inst.edu" in line or "\n" in line for line in lines)
    assert lines[-1].startswith(
        "GET /cgi-bin/ajax/jsoc_info op=rs_summary ds=hmi.M_720s[2014.01.01_TAI/1h][3] -> 200, "
    )


def test_requests_are_remembered_for_tests():
    with Sandbox(_catalog()) as sandbox:
        get(sandbox, "/cgi-bin/ajax/jsoc_info?op=rs_summary&ds=" + "x" * 5000, headers={"X-Test": "1"})
        get(sandbox, "/nothing")
    first, second = sandbox.requests
    assert (first.method, first.path, first.endpoint) == ("GET", "/cgi-bin/ajax/jsoc_info", "query")
    assert first.params["op"] == "rs_summary"
    assert first.headers["x-test"] == "1"
    assert (second.path, second.status) == ("/nothing", 404)
    assert sandbox.counts == {"query": 1, "page": 1}


def test_serve_tells_how_to_use_it(capsys):
    stop = threading.Event()
    stop.set()
    serve(catalog=GOLDEN / "catalog", until=stop, verbose=True)
    told = capsys.readouterr().out
    assert re.match(r"export http_proxy=(http://127\.0\.0\.1:\d+/) HTTP_PROXY=\1\n", told)  # a shell takes it as it is
    for word in (
        "http://127.0.0.1:",
        "JSOCLITE_SERVER",
        "drms.ServerConfig",
        "sunpy",
        "curl",
        "demo@example.com",
        "are 256 pixels wide",
    ):
        assert word in told


# ---- many and strange clients
def test_fifty_clients_at_once(sandbox):
    expected = json.loads(get(sandbox, QUERY)[1])["count"]
    answers: list[object] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port(sandbox), timeout=60)
        try:
            for _ in range(5):
                connection.request("GET", QUERY)
                answers.append(json.loads(connection.getresponse().read())["count"])
        except Exception as error:
            answers.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 250


# characters that mean something to one of the parsers, and some that do not
_WORDS = st.text(
    alphabet=st.sampled_from(list("hmi.M_720s[]{}#$^@/-,:?!='\"%&+ ;0123TAI\n\x00é\U0001f31e")), max_size=40
)
_OPTIONS = ["op", "ds", "key", "seg", "link", "n", "R", "M", "f", "l", "o", "r", "x"]
_NAMES = st.sampled_from([*_OPTIONS, "notify", "method", "protocol", "process", "requestid", "sunum", "address"])
_OPS = st.sampled_from(["rs_list", "rs_summary", "series_struct", "exp_request", "exp_status", "exp_su"]) | _WORDS
_NAMED = st.sampled_from(["hmi.M_720s[:#12]", "hmi.M_720s[$]", "aia.lev1[$]", "su_test.types[]"])
_SETS = _NAMED | _WORDS.map("hmi.M_720s{}".format)
_INNER = ["jsoc_info", "jsoc_fetch", "show_series", "checkAddress.sh", "manage-request.sh"]
_PROGRAMS = st.sampled_from([*_INNER, "showextseries", "jsocextinfo", "jsocextfetch"])


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")  # of Python about strange regular expressions
@given(
    program=_PROGRAMS,
    params=st.dictionaries(_NAMES, _WORDS, max_size=5),
    op=_OPS,
    ds=_SETS,
    post=st.booleans(),
    raw=st.booleans(),
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_parameters_get_an_answer(sandbox, program, params, op, ds, post, raw):
    params = {"op": op, "ds": ds, "notify": "demo@example.com"} | params
    if raw:  # undecoded, as far as HTTP permits
        form = "&".join(f"{name}={quote(value, safe='[]{}#$^@/-,:?!=%+;')}" for name, value in params.items())
    else:
        form = urlencode(params)
    path = f"/cgi-bin/ajax/{program}"
    before = len(sandbox.errors)
    if post:
        status, body, _ = get(sandbox, path, "POST", form)
    else:
        status, body, _ = get(sandbox, f"{path}?{form}".replace("#", "%23") if raw else f"{path}?{form}")
    assert sandbox.errors[before:] == []
    assert status in (200, 414, 500)
    assert b"Traceback" not in body


@given(path=st.text(max_size=60), headers=st.dictionaries(st.sampled_from(["Range", "If-Range", "Cookie"]), _WORDS))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_path_and_headers_get_an_answer(sandbox, path, headers):
    sent = {
        name: value.encode("latin-1", "replace").replace(b"\n", b"").replace(b"\0", b"")
        for name, value in headers.items()
    }
    for target in (
        "/" + quote(path),
        "/SUM0/D500000012/S00000/" + quote(path),
        "/SUM0/D500000012/S00000/magnetogram.fits",
    ):
        assert get(sandbox, target, headers=sent)[0] in (200, 206, 400, 404, 416)
    assert sandbox.errors == []


@given(
    kind=st.sampled_from(
        ["multipart/form-data; boundary=B", "multipart/form-data", "text/plain", "", "multipart/form-data; boundary="]
    ),
    body=st.binary(max_size=300)
    | st.lists(st.sampled_from([b"--B", b"\r\n", b'name="op"', b"Content-Disposition: form-data;", b"--B--"])).map(
        b"".join
    ),
)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_gets_an_answer(sandbox, kind, body):
    assert get(sandbox, "/cgi-bin/ajax/jsoc_fetch", "POST", body, {"Content-Type": kind})[0] == 200
    assert sandbox.errors == []


# ---- other people's clients
def test_scripts_of_drms_run_unchanged_through_it_as_a_proxy(tmp_path):
    """What they ask of JSOC by its own name is answered here; hosts and methods beside that go nowhere."""
    script = (
        "import drms\n"
        "client = drms.Client()\n"
        "print(client.query('hmi.M_720s[2014.01.01_TAI/1h]', key='T_REC').T_REC.tolist())\n"
        "result = client.export('hmi.M_720s[2014.01.01_TAI]{magnetogram}', email='demo@example.com', protocol='fits')\n"
        "print(result.request_url, result.download('.').download.tolist())\n"
    )
    with Sandbox(staging_s=0) as sandbox:
        environment = dict(os.environ, http_proxy=sandbox.url, HTTP_PROXY=sandbox.url)
        environment.pop("no_proxy", None), environment.pop("NO_PROXY", None)
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert "2014.01.01_00:12:00_TAI" in done.stdout
        assert "http://jsoc.stanford.edu/SUM" in done.stdout
        (file,) = tmp_path.glob("*.fits")
        assert file.read_bytes().startswith(b"SIMPLE")
        assert sandbox.counts["exp_request"] == 1
        assert get(sandbox, "http://elsewhere.example.org/nothing")[0] == 404
        assert get(sandbox, "jsoc.stanford.edu:443", "CONNECT")[0] == 405
        assert sandbox.errors == []


def test_the_tests_of_drms_pass():
    """drms's own tests of JSOC, unchanged, with the sandbox as their "jsoc"."""
    with Sandbox(staging_s=1.0) as sandbox:
        environment = dict(
            os.environ,
            SANDBOX_CONFIG=json.dumps(sandbox.drms_config("JSOC")),
            JSOC_EMAIL=sandbox.email,
            PYTHONPATH=os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        )
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--pyargs",
            "drms.tests",
            "-p",
            "drms_on_sandbox",
            "-p",
            "no:cacheprovider",
        ]
        command += ["-m", "jsoc or (remote_data and not kis)", "-rA", "-q", "-W", "default"]
        done = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
        skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
        assert (len(passed) >= 40, skipped) == (True, [])
        assert sandbox.errors == []
        assert sandbox.counts["exp_request"] >= 5


def test_images_of_another_size(tmp_path):
    with Sandbox(pixels=512, staging_s=0.0) as sandbox, sandbox.client() as client:
        rows = client.query("hmi.M_720s[2014.01.01_TAI]{magnetogram}", keywords="TOTVALS")
        assert rows.TOTVALS.tolist() == [512 * 512]
        assert client.info("hmi.M_720s").segments.dims.tolist() == ["4096x4096"]
        whole, header = jsoclite.read(client.download(rows, tmp_path / "whole").path.iloc[0])
        cutout = jsoclite.Cutout(center=(-300, 150), size=400, t_ref="2014-01-01T00:00:00")
        files = [
            client.download(rows, tmp_path / protocol, process=cutout, protocol=protocol).path.iloc[0]
            for protocol in ("auto", "fits")
        ]
        here, staged = (jsoclite.read(path) for path in files)
        assert np.array_equal(here[0], staged[0], equal_nan=True)
        assert whole.shape == (512, 512)
        # a copy of stored pixels, turned by 180 degrees
        right, top = (round(header[f"CRPIX{axis}"] + here[1][f"CRPIX{axis}"]) - 1 for axis in "12")
        assert here[0][::-1, ::-1] == pytest.approx(whole[top - 100 : top, right - 100 : right], rel=1e-6)
    with pytest.raises(RecordSetError, match="pixels=300: images are 256"):
        Sandbox(pixels=300)


def test_the_mission_and_the_sun_stay_small():
    """Lines of code of both rooms together, without comments and docstrings."""
    total = 0
    for path in (*(HOUSE / "mission").glob("*.py"), *(HOUSE / "sun").glob("*.py")):
        blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
        tree, lines = ast.parse(path.read_text()), set()
        for word in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if word.type not in blank:
                lines |= set(range(word.start[0], word.end[0] + 1))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        total += len(lines)
    assert 1000 < total <= 3500
