"""
The one place that talks HTTP.

`Transport` asks over one `requests.Session`, with time-outs on connecting and on silence, a floor on speed, retries
with back-off; what comes is a `Reply`.

What may hold an e-mail address (`checkAddress`, `exp_request`) always goes by POST: a URL ends up in the logs of
servers, proxies and libraries.
"""

from __future__ import annotations

import contextlib
import copy
import ipaddress
import math
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

import requests
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy

from ..display import clean, redact
from ..errors import ArgumentError, ServerError, shown
from . import _drms, limits
from ._drms import ServerConfig
from .reply import Reply, not_json
from .retry import TRANSIENT_STATUS, Again, Clock, Speedometer, is_transient, never_sent, repeat

T = TypeVar("T")

# offers and polls of exports
_EXPORTS = re.compile("(?:^|&)op=exp_")
# what urllib3 decodes of what we offer; one coding inside the other multiplies what a bomb brings
CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class AmbiguousRequest(ServerError):
    """An `exp_request` broke off, and nobody can say whether the server has taken it. It was not sent again."""


def resolve_server(server: str | ServerConfig) -> ServerConfig:
    """
    Turn what users write into a `drms.ServerConfig`.

    Parameters
    ----------
    server : str or drms.ServerConfig
        A name registered with drms ("jsoc", "kis"), or the base URL of a server laid out like JSOC's
        (``http://host/`` with ``cgi-bin/ajax/`` below it). User and password in it are left out: see `Transport`.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if not isinstance(server, str) and not hasattr(server, "to_dict"):
        raise ArgumentError(f"server={shown(server)}: write 'jsoc', 'sandbox', a URL or a drms.ServerConfig")
    if not isinstance(server, str):
        entries = server.to_dict().items()
        return ServerConfig({name: _bare(value)[0] if isinstance(value, str) else value for name, value in entries})
    if "://" in server:
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:  # a port may raise, too
            raise ArgumentError(f"server {redact(server)!r} is no http or https URL")
        base = _bare(server if server.endswith("/") else server + "/")[0]
        return _drms.config(base, parts.netloc.rpartition("@")[2])
    try:
        return _drms.registered(server)
    except KeyError:
        if "@" in server:
            raise ArgumentError("an e-mail address is no server: write Client(email=…)") from None
        raise ArgumentError(
            f"unknown server {server!r}: write 'jsoc', 'sandbox', the name of a server registered with drms, "
            "or a URL such as 'http://jsoc.stanford.edu/'"
        ) from None


Login = tuple[str, str]  # user and password


def _bare(url: str) -> tuple[str, Login | None]:
    """Take user and password out of a URL."""
    if "@" not in url or "://" not in url:
        return url, None
    parts = urlsplit(url)
    user, password = get_auth_from_url(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, (user, password) if user or password else None


def _place(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _stays(here: str, there: str) -> bool:
    """Whether a URL leads to the same server as another, or from its http to its https."""
    scheme, host, port = _place(here)
    allowed = {(scheme, host, port), ("https", host, 443 if (scheme, port) == ("http", 80) else port)}
    return _place(there) in allowed


class _Session(requests.Session):
    """A session that goes around proxies to this machine: an institute's proxy has nothing to say to a sandbox."""

    def merge_environment_settings(self, url: Any, *arguments: Any, **options: Any) -> Any:
        settings = super().merge_environment_settings(url, *arguments, **options)
        return {**settings, "proxies": {}} if _is_loopback(str(url)) else settings


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_in_the_way(url: str) -> str:
    """Name the proxy that a URL goes through, without its password, and the variable that says so; empty for none."""
    found = select_proxy(url, get_environ_proxies(url))
    if not found:
        return ""
    variable = next((name for name, value in os.environ.items() if value == found and "proxy" in name.lower()), "")
    host = urlsplit(found).netloc.rpartition("@")[2]
    return f"the proxy {host}" + (f" of ${variable}" if variable else "")


class Transport:
    """
    HTTP to one JSOC-like server.

    Whatever asks about exports, and however often, no more than 24 such questions a minute leave for one host: they
    wait here for their turn.

    Parameters
    ----------
    server : str or drms.ServerConfig
        Where the endpoints are; see `resolve_server`. User and password of its URLs are sent to this server only.
    timeout : float
        Longest silence, in seconds, on connecting and while reading; see `limits` for what else it bounds.
    retries : int
        How often a request that failed for the moment is repeated.
    connections : int
        Connections kept open to the server. JSOC asks for one.
    session : requests.Session, optional
        One of yours, with your proxies, certificates or authentication. Its adapters are used as they are: look-ups of
        names, and headers that trickle in, have no limit then.
    clock : Clock
        Where the time comes from.
    """

    def __init__(
        self,
        server: str | ServerConfig,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        connections: int = 1,
        session: requests.Session | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.server = resolve_server(server)
        urls = [server] if isinstance(server, str) else server.to_dict().values()
        self._login = next((login for url in urls if (login := _bare(str(url))[1])), None)
        self.timeout, self.retries, self.connections = timeout, retries, connections
        self.clock = clock or Clock()
        self._watch, self._pace = limits.Watch(lambda: self.clock.now()), limits.Pace()
        self._own_session = session is None
        self._session = session
        self._process = os.getpid()

    @property
    def session(self) -> requests.Session:
        """The session, made on first use, and anew in a forked process: two that share a socket read each other's."""
        if self._process != os.getpid():
            self._process = os.getpid()
            # deepcopy gives a session of somebody's own its settings, and connections of its own
            self._session = None if self._own_session else copy.deepcopy(self._session)
        if self._session is None:
            session = _Session()
            session.headers["User-Agent"] = _user_agent()
            # max_retries=0: which failures are worth a retry is decided here, where the kind of request is known
            adapter = limits.WatchedAdapter(
                self._watch, pool_connections=4, pool_maxsize=max(1, self.connections), max_retries=0, pool_block=True
            )
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._session = session
        return self._session

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        if self._own_session and self._session is not None:
            self._session.close()
            self._session = None

    # -- what jsoclite asks for ---------------------------------------------------------------------------------------

    def ask(
        self,
        url: str,
        params: Mapping[str, str],
        *,
        private: bool = False,
        once: bool = False,
        retries: int | None = None,
        most: int = limits.LARGEST_REPLY,
    ) -> Reply:
        """
        Send `params` to the endpoint `url`.

        Parameters
        ----------
        url : str
            An endpoint, such as ``transport.server.url_jsoc_info``.
        params : mapping of str to str
            Its parameters.
        private : bool
            Send by POST, because an e-mail address is among the parameters.
        once : bool
            Never send it twice unless the first surely did not arrive.
        retries : int, optional
            Fewer or more than usual.
        most : int
            Bytes that the answer may have.
        """
        return self.request(url, urlencode(params), post=private, once=once, retries=retries, most=most)

    def file(self, url: str, fault: Callable[[bytearray], str | None]) -> bytes:
        """
        Return the bytes of a file, wherever it is.

        Parameters
        ----------
        url : str
            Where it is.
        fault : callable
            Says what is wrong with what has arrived, None if it is the whole file.

        Raises
        ------
        ServerError
            If there is no such file, or it does not arrive whole.
        """

        def attempt() -> bytes:
            content = self._try(url, "", retries=self.retries).content
            if reason := fault(content):
                raise Again(ServerError(f"{redact(url)}: what arrived is not the file: {reason}", url=url))
            return bytes(content)

        return repeat(attempt, self.retries, self.clock)

    def request(
        self,
        url: str,
        query: str,
        *,
        post: bool = False,
        once: bool = False,
        retries: int | None = None,
        most: int = limits.LARGEST_REPLY,
    ) -> Reply:
        """
        Send an encoded query by GET, or by POST where it is long or private; retry what failed for the moment.

        Raises
        ------
        AmbiguousRequest
            If `once` and the connection broke after sending.
        ServerError
            If there is still no usable answer after all retries, or in the time that they may take, or one of more than
            `most` bytes.
        """
        post = post or len(query) > limits.LONGEST_QUERY
        retries = self.retries if retries is None else retries
        until = self.clock.now() + limits.WHOLE * self.timeout
        # a sandbox on this machine has nobody to spare
        queue = (_EXPORTS.search(query) or url.endswith("manage-request.sh")) and not _is_loopback(url)

        def attempt() -> Reply:
            if queue and (wait := self._pace.wait(urlsplit(url).hostname or "", self.clock.now())):
                self.clock.sleep(wait)
            # every answer of JSOC is a JSON object
            reply = self._try(url, query, post, once, retries, most, until)
            if _is_object(reply.content):
                return reply
            # an HTML page, nothing at all, or half an answer: it passes, as busy CGI servers show
            unreadable = not_json(url, reply.content)
            if once:
                raise AmbiguousRequest(str(unreadable), url=url)
            raise Again(unreadable)

        return repeat(attempt, retries, self.clock, until=until)

    def _try(
        self,
        url: str,
        query: str,
        post: bool = False,
        once: bool = False,
        retries: int = 0,
        most: int = limits.LARGEST_REPLY,
        until: float = math.inf,
    ) -> Reply:
        try:
            status, headers, content = self._send(url, query, post, most, until)
        except Exception as error:
            if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
                raise ServerError(f"{redact(url)} is not a URL that can be asked", url=url) from None
            if once and isinstance(error, ServerError) and error.status is None:
                raise AmbiguousRequest(str(error), url=url) from None
            if not isinstance(error, OSError | requests.exceptions.RequestException) and not is_transient(error):
                raise
            worth, place = is_transient(error), f" ({urlsplit(url).path})"
            if once and not never_sent(error):
                raise AmbiguousRequest(self.why(url, error) + place, url=url) from None
            final = ServerError(self.why(url, error, retries if worth else None) + place, url=url)
            raise Again(final, told=self.why(url, error) + place, worth=worth) from None
        if status == 200:
            return Reply(url, content, headers.get("Server", ""))
        # 429 and 503 say that the request was turned away at the door, so even an exp_request may come again
        worth = status in TRANSIENT_STATUS if not once else status in (429, 503)
        kind = AmbiguousRequest if once and status in TRANSIENT_STATUS and not worth else ServerError
        raise Again(
            kind(_refusal(url, status, content), url=url, status=status),
            told=f"HTTP {status} from {redact(url)}",
            worth=worth,
            headers=headers,
        )

    def _send(
        self, url: str, query: str, post: bool, most: int, until: float
    ) -> tuple[int, Mapping[str, str], bytearray]:
        # no brotli, whose bombs are worse than those of gzip
        headers = {"Accept-Encoding": "gzip"}
        if post:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        target = f"{url}?{query}" if query and not post else url
        with self.open(target, headers=headers, data=query if post else None, until=until) as response:
            coding = response.headers.get("Content-Encoding", "").strip().lower()
            if coding not in CODINGS:
                raise ServerError(f"{redact(url)} answers in coding {coding[:40]!r}; only gzip was offered", url=url)
            content = bytearray()
            for piece in self.body(response, most=most):
                content += piece
            return response.status_code, response.headers, content

    @staticmethod
    def why(url: str, error: BaseException, retries: int | None = None) -> str:
        """
        Say why there was no answer, in words that do not hold the URL: many files that fail alike say the same.

        Parameters
        ----------
        url : str
            What was asked.
        error : BaseException
            What went wrong.
        retries : int, optional
            After how many repetitions.
        """
        return _why(url, error, retries)

    @contextlib.contextmanager
    def open(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: str | None = None,
        login: Login | None = None,
        until: float = math.inf,
    ) -> Iterator[requests.Response]:
        """
        Send one request and return the answer once its headers are here, its body still to be read with `body`.

        Parameters
        ----------
        url : str
            Where to; user and password in it are sent as such.
        headers : mapping, optional
            More of them.
        data : str, optional
            The body of a POST.
        login : tuple of str, optional
            User and password, where these are not in the URL and not those of the server.
        until : float
            When the whole answer has to be here.

        Raises
        ------
        SlowAnswer
            If the headers are not here in time, or later the body.
        ServerError
            If the headers have no end, or redirect to another server.
        """
        moved: list[str] = []

        def hold(response: requests.Response, *_: Any, **__: Any) -> None:
            # or requests would read the whole body, and follow to anywhere
            if response.is_redirect:
                moved.append(response.headers.pop("Location"))

        url, own = _bare(url)
        login = own or login or self.login_for(url)
        self._watch.begin(url.partition("?")[0], limits.FIRST_BYTE * self.timeout)
        try:
            for _ in range(limits.REDIRECTS + 1):
                response = self.session.request(
                    "GET" if data is None else "POST",
                    url,
                    data=data,
                    headers=headers,
                    auth=login,
                    timeout=self.timeout,
                    stream=True,
                    allow_redirects=False,
                    hooks={"response": [*self.session.hooks.get("response", ()), hold]},
                )
                with contextlib.closing(response):
                    if not moved:
                        self._watch.finish(until)
                        yield response
                        return
                url = _redirected(url, moved.pop(), response.status_code, post=data is not None)
            raise ServerError(f"{urlsplit(url).netloc} redirects more than {limits.REDIRECTS} times", url=url)
        finally:
            self._watch.finish()

    def login_for(self, url: str) -> Login | None:
        """Return user and password of the server, if a URL leads to it, and not from its https to http."""
        return self._login if self._login and _stays(str(self.server.url_jsoc_info), url) else None

    def drms_client(self, email: str | None) -> Any:
        """Return a plain `drms.Client` on this connection."""
        return _drms.client(self, email)

    def body(self, response: requests.Response, *, decode: bool = True, most: int | None = None) -> Iterator[bytes]:
        """
        Yield the body in pieces as they arrive.

        `Response.iter_content` waits until a piece is full, so it would never notice a trickle; `read1` returns what is
        there.

        Raises
        ------
        SlowAnswer
            If the bytes come in below the floor on speed, or the time of the question is up.
        ServerError
            If these are more than `most` bytes, by default those of the largest file.
        """
        speed = Speedometer(self.clock)
        left = most = limits.LARGEST_FILE if most is None else most
        decode = decode and "Content-Encoding" in response.headers
        size = limits.PIECE if decode else limits.FILE_PIECE
        while piece := response.raw.read1(size, decode_content=decode):
            left -= len(piece)
            if left < 0:
                url = redact(str(response.url).partition("?")[0])
                raise ServerError(
                    f"{url} sends more than {most:,} bytes, the limit for such an answer; if it lists records, ask "
                    "for fewer of them, or fewer keywords",
                    url=url,
                )
            yield piece
            speed.add(len(piece))
            self._watch.left()


def _redirected(url: str, location: str, status: int, *, post: bool) -> str:
    """Return where a redirect leads, if it may be followed."""
    try:
        there = urljoin(url, location.strip())
        to = f"{_place(there)[0]}://{urlsplit(there).netloc.rpartition('@')[2]}"
        follow = not post and "@" not in urlsplit(there).netloc and _stays(url, there)
    except ValueError:
        follow, to = False, "what is no URL"
    if follow:
        return there
    here = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    raise ServerError(
        f"{here} redirects to {clean(to)[:200]}, which is not followed: only to the same server, or from its http to "
        "its https, and nothing that is sent by POST. If you trust that one, give it as the server",
        url=url,
        status=status,
    )


def _is_object(content: bytes | bytearray) -> bool:
    """Whether a body can be a whole JSON object: every answer of JSOC is one."""
    return content[:64].lstrip().startswith(b"{") and content[-64:].rstrip().endswith(b"}")


def _user_agent() -> str:
    from .. import __version__

    return f"jsoclite/{__version__} (Python {platform.python_version()}; requests {requests.__version__})"


def _why(url: str, error: BaseException, retries: int | None = None) -> str:
    host = urlsplit(url).netloc.rpartition("@")[2]
    tries = "" if not retries else f" after {retries + 1} tries"
    hint = " Is the server up, and the network?" if isinstance(error, requests.exceptions.ConnectionError) else ""
    if isinstance(error, requests.exceptions.SSLError):
        hint = (
            " Its certificate could not be verified; update the CA bundle (package certifi) or set REQUESTS_CA_BUNDLE."
        )
    if isinstance(error, requests.exceptions.ProxyError) and (proxy := proxy_in_the_way(url)):
        return f"no answer from {host}{tries}: {proxy} does not let it through; NO_PROXY names hosts to ask directly"
    reason = type(error).__name__
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else "")
    text = clean(getattr(inner, "reason", None) or inner)
    # urllib3 writes the whole URL and object ids into its texts
    text = text.rpartition(">: ")[2] or text
    text = text.rpartition("): ")[2].rstrip(")'\"") or text
    return f"no answer from {host}{tries}: {reason}: {text}.{hint}"


def _refusal(url: str, status: int, content: bytes | bytearray) -> str:
    start = redact(bytes(content[:200]).decode("latin-1").strip())
    text = f"HTTP {status} from {url}"
    if status == 500 and not start:
        # an empty 500 is what is left when the CGI program died
        text += ": the server program died on this query"
    return f"{text}: {start!r}" if start else text
