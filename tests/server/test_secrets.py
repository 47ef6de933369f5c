"""Where redirects may lead, and what is shown nowhere: passwords, addresses, control characters. Over real sockets."""

import base64
import contextlib
import copyreg
import http.server
import io
import logging
import os
import pickle
import sqlite3
import stat
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import drms
import pytest
from conftest import HandClock

import jsoclite
from jsoclite import errors
from jsoclite.cli import main
from jsoclite.display import clean, redact
from jsoclite.download import transfer
from jsoclite.errors import DownloadError, ServerError, printable
from jsoclite.progress import Bars, say
from jsoclite.sandbox import Sandbox
from jsoclite.server import AmbiguousRequest, Jsoc, Transport, limits

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
SET = "hmi.M_720s[2014.01.01_TAI]{magnetogram}"
COUNT = b'{"status":0,"count":1}'
USER, PASSWORD = "observer", "p@ss:wor/d"
QUOTED = "p%40ss%3Awor%2Fd"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _answer(body=COUNT, head=OK):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _moved(location, status="301 Moved"):
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode(
        "latin-1"
    )


def _jsoc(url, **options):
    return Jsoc(Transport(url, clock=HandClock().clock, retries=0, **options))


# -- redirects --------------------------------------------------------------------------------------------------------


def test_a_redirect_on_the_same_server_is_followed(hostile):
    server = hostile(lambda head: [_answer() if "/moved" in head else _moved("/moved/to?ds=x")])
    assert _jsoc(server["url"]).rs_summary(SET)["count"] == 1
    assert server["asked"][1].startswith("GET /moved/to?ds=x ")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 There", "308 There"])
@pytest.mark.parametrize("what", ["question", "file"])
def test_a_redirect_to_another_server_is_an_error_that_names_both(hostile, tmp_path, status, what):
    other = hostile(_answer())
    server = hostile(_moved(other["url"] + "a/secret/path", status))
    if what == "file":
        task = transfer.Task(server["url"] + "a.fits", str(tmp_path / "a.fits"))
        said = transfer.fetch(task, Transport(server["url"], clock=HandClock().clock)).error
    else:
        with pytest.raises(ServerError) as caught:
            _jsoc(server["url"]).rs_summary(SET)
        said = str(caught.value)
    assert server["url"].rstrip("/") in said
    assert other["url"].rstrip("/") in said
    assert "secret" not in said
    assert (len(server["asked"]), len(other["asked"])) == (1, 0)


@pytest.mark.parametrize(
    ("here", "there", "followed"),
    [
        ("http://host/a", "https://host/a", True),
        ("http://host:8080/a", "https://host:8080/a", True),
        ("http://host/a", "http://HOST:80/b", True),
        ("http://host/a", "//host/b", True),
        ("https://host/a", "http://host/a", False),
        ("https://host/a", "/b", True),
        ("http://host/a", "https://host:8443/a", False),
        ("http://host/a", "http://host.evil.org/a", False),
        ("http://host/a", "http://host@evil.org/a", False),
        ("http://host/a", "http://me:pw@host/a", False),
        ("http://host/a", "file:///etc/passwd", False),
        ("http://host/a", "http://[::1", False),
        ("http://host/a", "http://host:99999999/a", False),
        ("http://host/a", "http://\x1b[31mhost/", False),
    ],
)
def test_where_redirects_may_lead(monkeypatch, here, there, followed):
    from requests import Response, Session

    asked = []

    def request(self, method, url, **options):
        response = Response()
        response.url, response.raw = url, io.BytesIO()
        response.status_code = 200 if asked else 302
        response.headers["Location"] = there
        asked.append(url)
        for hook in options["hooks"]["response"]:
            hook(response)
        return response

    monkeypatch.setattr(Session, "request", request)
    transport = Transport("http://host/")
    if followed:
        with transport.open(here) as response:
            assert response.status_code == 200
    else:
        with pytest.raises(ServerError, match="redirects to") as caught, transport.open(here):
            pass
        assert str(caught.value).isprintable()
        assert "pw" not in str(caught.value)
    assert len(asked) == 1 + followed


def test_a_circle_of_redirects_ends(hostile):
    server = hostile(_moved("/again"))
    with pytest.raises(ServerError, match="more than 5 times"):
        _jsoc(server["url"]).rs_summary(SET)
    assert len(server["asked"]) == limits.REDIRECTS + 1


def test_an_export_is_not_sent_elsewhere_and_surely_not_taken(hostile):
    server = hostile(_moved("/cgi-bin/other"))
    with pytest.raises(ServerError, match="POST") as caught:
        _jsoc(server["url"]).exp_request({"notify": "me@inst.edu"})
    assert not isinstance(caught.value, AmbiguousRequest)
    assert len(server["asked"]) == 1


def test_the_body_of_a_redirect_is_not_read(hostile):
    def endless(head):
        if "/moved" in head:
            yield _answer()
            return
        yield b"HTTP/1.1 302 Found\r\nLocation: /moved\r\n\r\n"
        while True:
            yield b" " * 100_000

    assert _jsoc(hostile(endless)["url"]).rs_summary(SET)["count"] == 1


# -- passwords --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded():
    """A sandbox behind a door that wants a password; `seen` are the heads of the requests."""
    with Sandbox(staging_s=0) as sandbox:
        seen = []

        class Door(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(f"{self.requestline}\n{self.headers}")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                if self.headers["Authorization"] != AUTHORIZATION:
                    return self.send_error(401)
                kept = {k: v for k, v in self.headers.items() if k.lower() in ("range", "if-range", "content-type")}
                request = urllib.request.Request(sandbox.url.rstrip("/") + self.path, body, kept)
                try:
                    reply = urllib.request.urlopen(request)
                except urllib.error.HTTPError as error:
                    reply = error
                with reply:
                    content = reply.read()
                    self.send_response(reply.status)
                    for name in ("Content-Type", "ETag", "Content-Range", "Last-Modified"):
                        if reply.headers[name]:
                            self.send_header(name, reply.headers[name])
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    return self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=door.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{door.server_port}"
        yield {"url": f"http://{USER}:{QUOTED}@{host}/", "host": host, "seen": seen, "sandbox": sandbox}
        door.shutdown()
        door.server_close()


def _tells(*values):
    """Whether a text holds the password in any form."""
    secrets = (PASSWORD, QUOTED, AUTHORIZATION.split()[1], f"{USER}:")
    return [one for value in values for one in secrets if one in (value if isinstance(value, str) else repr(value))]


@pytest.mark.parametrize("executor", [False, True])
def test_a_password_in_the_server_is_sent_to_it_and_shown_nowhere(guarded, tmp_path, caplog, capsys, executor):
    caplog.set_level(logging.DEBUG)
    client = jsoclite.Client(guarded["url"], email=guarded["sandbox"].email)
    df = client.query(SET, segments="magnetogram")
    export = client.export(SET)
    export.wait()
    listed = client.series("hmi.M_720s")
    with ThreadPoolExecutor(1) as pool:
        files = client.download(df, tmp_path / "data", executor=pool if executor else None)
    staged = client.download(export, tmp_path / "staged")
    assert files.status.tolist() == staged.status.tolist() == ["downloaded"]
    shown = [df, files, staged]
    texts = [
        repr(client),
        repr(client.transport.server.to_dict()),
        repr(export),
        export._repr_html_(),
        listed,
        export.urls,
    ]
    texts += [text for one in shown for text in (one.to_csv(), repr(one), one._repr_html_(), repr(one.attrs))]
    texts += [repr([row.__dict__ for row in _rows(tmp_path / name)]) for name in ("data", "staged")]
    assert not _tells(*texts, caplog.text, *capsys.readouterr())
    for one in shown:
        assert not _tells(pickle.dumps(one).decode("latin-1"))
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or not _tells(path.read_bytes().decode("latin-1"))
    assert all(AUTHORIZATION in head and not _tells(head.replace(AUTHORIZATION, "")) for head in guarded["seen"])


def _rows(directory):
    from jsoclite.download.ledger import Ledger

    with Ledger(directory) as ledger:
        return [*ledger.files(), *ledger.requests()]


def test_a_password_is_in_no_error(guarded, tmp_path):
    client = jsoclite.Client(guarded["url"].replace(QUOTED, "wr%40ng"), retries=0)
    with pytest.raises(ServerError, match="401") as caught:
        client.count(SET)
    assert "ng@" not in str(caught.value)
    assert "wr" not in str(caught.value) + repr(caught.value.url)
    away = jsoclite.Client(f"http://{USER}:{QUOTED}@127.0.0.1:9/", retries=0)
    for ask in (lambda: away.count(SET), lambda: away.drms.series("x"), lambda: away.download(SET, tmp_path)):
        with pytest.raises((ServerError, drms.DrmsError)) as refused:
            ask()
        assert not _tells(str(refused.value), repr(refused.value), refused.value.__dict__)


def test_a_server_configuration_with_a_password(guarded):
    url = guarded["url"]
    config = drms.ServerConfig(
        name="mine", cgi_baseurl=url + "cgi-bin/ajax/", cgi_jsoc_info="jsoc_info", http_download_baseurl=url
    )
    client = jsoclite.Client(config)
    assert client.count(SET) == 1
    assert not _tells(client, client.transport.server.to_dict())


def test_a_session_of_ones_own_is_left_alone(guarded):
    import requests

    session = requests.Session()
    assert jsoclite.Client(guarded["url"], session=session).count(SET) == 1
    assert session.auth is None


@pytest.mark.parametrize("task_has_it", [False, True])
def test_a_password_is_sent_to_no_other_server(hostile, tmp_path, task_has_it):
    server = hostile(_answer(b"no such file", b"HTTP/1.1 404 Not Found\r\n"))
    transport = Transport(f"http://{USER}:{QUOTED}@127.0.0.1:9/", clock=HandClock().clock, retries=0)
    task = transfer.Task(server["url"] + "a.fits", str(tmp_path / "a.fits"), retries=0)
    assert transport.login_for(server["url"]) is None
    assert "404" in transfer.fetch(task, transport).error
    assert "Authorization" not in server["asked"][0]


def test_a_password_is_not_sent_down_to_http():
    transport = Transport(f"https://{USER}:{QUOTED}@host/")
    assert transport.login_for("https://host/a.fits") == (USER, PASSWORD)
    assert transport.login_for("http://host/a.fits") is None


def test_read_takes_a_url_with_a_password(guarded):
    url = jsoclite.Client(guarded["sandbox"].url).query(SET, segments="magnetogram").magnetogram.iloc[0]
    path = url.removeprefix(guarded["sandbox"].url)
    assert jsoclite.read(guarded["url"] + path)[0].ndim == 2
    with pytest.raises(jsoclite.JsocError) as caught:
        jsoclite.read(guarded["url"] + "no/such/file.fits")
    assert not _tells(str(caught.value), caught.value.__dict__)


def test_a_task_shows_no_password():
    task = transfer.Task("http://host/a", "a", login=(USER, PASSWORD))
    assert not _tells(task)
    assert pickle.loads(pickle.dumps(task)) == task


def test_the_command_line_shows_no_password(guarded, capsys, tmp_path):
    assert main(["--server", guarded["url"], "get", SET, "-o", str(tmp_path)]) == 0
    assert main(["--server", guarded["url"].replace(guarded["host"], "127.0.0.1:9"), "count", SET]) == 1
    assert not _tells(*capsys.readouterr())


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_the_password_of_a_proxy(monkeypatch, hostile, variable):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    refusing = hostile(_answer(b"<p>denied", b"HTTP/1.1 407 Proxy Authentication Required\r\n"))
    for url in (refusing["url"], "http://127.0.0.1:9/"):
        monkeypatch.setenv(variable, url.replace("//", f"//{USER}:{QUOTED}@"))
        with pytest.raises(ServerError) as caught:
            _jsoc("http://jsoc.test/").rs_summary(SET)
        assert not _tells(str(caught.value), repr(caught.value), caught.value.__dict__)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no answer from http://me:pw@host/x", "no answer from http://host/x"),
        ("https://me:p@w@inst.edu/x?y=a@12m", "https://inst.edu/x?y=a@12m"),
        ("hmi.M_720s[2014.01.01_TAI/1h@12m] of http://host/", "hmi.M_720s[2014.01.01_TAI/1h@12m] of http://host/"),
    ],
)
def test_passwords_of_urls_are_taken_out_of_texts(text, left):
    assert redact(text) == printable(text) == clean(text) == left


# -- the ledger -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="rights are other things there")
@pytest.mark.parametrize("there", [False, True])
def test_the_ledger_is_for_its_owner_only(tmp_path, there):
    from jsoclite.download.ledger import Ledger

    path = tmp_path / ".jsoclite.sqlite"
    before = os.umask(0)
    try:
        if there:
            Ledger(tmp_path).close()
            path.chmod(0o666)
        with Ledger(tmp_path) as ledger, ledger.transaction():
            ledger.add_request("s", "r", method="", protocol="", process="", filename="")
            rights = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert ".jsoclite.sqlite" in rights
    assert len(rights) > 1  # the journal
    assert set(rights.values()) == {0o660 if there else 0o600}  # to the group, where its owner has given it
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("select count(*) from requests").fetchone() == (1,)


# -- control characters -----------------------------------------------------------------------------------------------

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\b"
KINDS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.JsocError)]


def _harmless(text):
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("kind", [*KINDS, errors.JsocWarning])
def test_errors_and_warnings_bring_no_control_characters(kind, monkeypatch):
    # dask's tests may have put a way of its own there, which does not know errors of two parents
    monkeypatch.delitem(copyreg.dispatch_table, kind, raising=False)
    error = kind(f"the server said {EVIL} of http://me:pw@host/")
    assert _harmless(str(error))
    assert "pw" not in str(error)
    assert _harmless(str(pickle.loads(pickle.dumps(error))))


def test_progress_brings_no_control_characters(capsys):
    say(f"failed: {EVIL}")
    bars = Bars()
    bars.waiting(0, 1, EVIL, EVIL)
    bars.staging(EVIL, EVIL, "")
    bars.staging("JSOC_1", "failed", EVIL)
    bars.close()
    out, err = capsys.readouterr()
    for evil in ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e", "\b"):
        assert evil not in out + err


def _spoilt(sandbox, hostile):
    """A server between us and the sandbox that puts control characters into every text it can."""
    import json

    names = ("note", "error", "units", "description", "type", "values", "record", "filename", "msg", "scope")

    def spoil(value, name=""):
        if isinstance(value, dict):
            return {key: spoil(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [spoil(one, name) for one in value]
        return value + EVIL if isinstance(value, str) and name in names and value else value

    def answer(head):
        path = head.split()[1]
        with urllib.request.urlopen(sandbox.url.rstrip("/") + path) as reply:
            yield _answer(json.dumps(spoil(json.load(reply))).encode())

    return hostile(answer)["url"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        "series hmi",
        "info hmi.M_720s",
        "info hmi.M_720s --keywords",
        "info hmi.M_720s --segments",
        "query hmi.M_720s[2014.01.01_TAI/1h] -k TELESCOP,INSTRUME,HISTORY -s magnetogram",
        "query hmi.M_720s[2014.01.01_TAI/1h] -k TELESCOP --csv",
        "query hmi.M_720s[2014.01.01_TAI/1h] -k TELESCOP --json",
        "query hmi.M_720s[2014.01.01_TAI/1h][?nonsense?]",
        "count hmi.M_720s[2014.01.01_TAI/1h][?nonsense?]",
        "get hmi.M_720s[2014.01.01_TAI/12m] -s magnetogram",
        "status JSOC_20140101_1",
        "attach JSOC_20140101_1",
    ],
)
def test_the_command_line_brings_no_control_characters(
    guarded, hostile, capsys, monkeypatch, tmp_path, hand_clock, command, terminal
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jsoclite.client.Clock", lambda: hand_clock.clock)  # tries of what is no file have a wait
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    url = _spoilt(guarded["sandbox"], hostile)
    main(["--server", url, "--email", guarded["sandbox"].email, *command.split()])
    out, err = capsys.readouterr()
    said = out + err if terminal or "--csv" not in command else err
    for style in ("\x1b[1m", "\x1b[0m"):  # the bold heads of tables are ours
        said = said.replace(style, "")
    assert out + err
    assert _harmless(said), [line for line in said.splitlines() if not _harmless(line)]


def test_html_brings_no_control_characters(guarded, hostile, tmp_path, hand_clock):
    client = jsoclite.Client(_spoilt(guarded["sandbox"], hostile))
    client._clock = hand_clock.clock
    df = client.query("hmi.M_720s[2014.01.01_TAI/12m]", keywords="TELESCOP", segments="magnetogram")
    assert EVIL[:3] in df.TELESCOP.iloc[0]  # the values are the server's own
    with pytest.raises(DownloadError) as caught:
        client.download(df, tmp_path)
    info = client.info("hmi.M_720s")
    for text in (caught.value.manifest._repr_html_(), repr(caught.value.manifest), info._repr_html_(), str(info)):
        assert _harmless(text)
