"""What the fuzzers share: how a call ended, a clock that nobody waits for, and values that no server should send."""

from __future__ import annotations

import contextlib
import json
import random
import re
import resource
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conftest import HandClock

import jsoclite

PACKAGE = Path(jsoclite.__file__).parent

# whether tracebacks of findings are printed
TRACEBACKS = False

# one call of a fuzzer takes milliseconds; other work on the machine makes it slower, but not that much
PATIENCE_S = 20
# more memory than the largest answer and its columns take, and less than what a bomb wants
MEMORY = 3_000_000_000


class Hang(BaseException):
    """A call that does not come to an end; not an `Exception`, so that nothing on the way takes it for its own."""


class BusyClock(HandClock):
    """A clock by hand that notices when somebody sleeps for ever."""

    def __init__(self, longest: float = 10 * 86400.0, most: int = 100_000) -> None:
        super().__init__()
        self._longest, self._most = self.time + longest, most

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.time > self._longest or len(self.slept) > self._most:
            raise Hang("it sleeps and asks for ever")


@contextlib.contextmanager
def bounded(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Raise `Hang` in what takes longer."""

    def ring(_number: int, _frame: object) -> None:
        raise Hang(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def little_memory(size: int = MEMORY) -> Iterator[None]:
    """Let what wants more than `size` bytes beyond what is there end with `MemoryError`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    before = resource.getrlimit(resource.RLIMIT_AS)
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def place(error: BaseException, *, within: tuple[str, ...] = ()) -> str:
    """
    The innermost function of jsoclite that an error came through, ``file:function``.

    Where a package of `within` lies further in, that is the place: then it is not ours.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(PACKAGE):
            return f"{file.relative_to(PACKAGE).as_posix()}:{frame.name}"
        if any(f"/site-packages/{name}/" in frame.filename for name in within):
            return f"{within[0]}"
    return "outside"


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def fault_of_text(text: str, secrets: tuple[str, ...] = ()) -> str:
    """What is wrong with a text that a terminal is going to show, empty where nothing is."""
    if _CONTROL.search(text):
        return "ControlCharacter"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "Surrogate"
    return "Secret" if any(secret in text for secret in secrets) else ""


def verdict(
    call: Callable[[], Any],
    *,
    documented: tuple[type[BaseException], ...] = (jsoclite.JsocError,),
    foreign: tuple[str, ...] = (),
    secrets: tuple[str, ...] = (),
    seconds: float = PATIENCE_S,
) -> tuple[str, str] | None:
    """
    Call something and say how it ended, None where the end is a documented one: a result, or an error of ours.

    Parameters
    ----------
    call : callable
        Returns None, or text that it would show on a terminal.
    documented : tuple of exception types
        Ends that its docstring names.
    foreign : tuple of str
        Packages whose own errors are not counted.
    secrets : tuple of str
        What no text may hold.
    seconds : float
        How long it may take.

    Returns
    -------
    (str, str) or None
        What happened, and where: the type of an exception, or ``Hang``, ``ControlCharacter``, ``Surrogate``, ``Secret``
        for a text that must not be shown; and the file and function.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with bounded(seconds):
                result = call()
            shown = result if isinstance(result, str) else ""
            where = "shown"
        except documented as error:
            shown, where = str(error), place(error)
        except (Exception, Hang, RecursionError) as error:
            where = place(error, within=foreign)
            if TRACEBACKS:
                traceback.print_exception(error)
            return None if foreign and where == foreign[0] else (type(error).__name__, where)
    fault = fault_of_text(shown, secrets)
    if fault:
        return fault, where
    for warning in told:
        if issubclass(warning.category, jsoclite.JsocWarning) and (
            fault := fault_of_text(str(warning.message), secrets)
        ):
            return fault, "a warning"
    return None


class Findings:
    """Undocumented ends, counted by what and where."""

    def __init__(self) -> None:
        self.cases = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.first: dict[tuple[str, str], str] = {}

    def add(self, case: str, found: tuple[str, str] | None) -> None:
        """Count a case; `case` says how to repeat it."""
        self.cases += 1
        if found is not None:
            self.counts[found] += 1
            self.first.setdefault(found, case)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        ends = sum(self.counts.values())
        hangs = sum(count for (what, _), count in self.counts.items() if what == "Hang")
        crashes = sum(count for (what, _), count in self.counts.items() if what.startswith("Crash"))
        lines = [
            f"{self.cases} cases: {ends} undocumented ends at {len(self.counts)} places, "
            f"of them {hangs} hangs, {crashes} crashes"
        ]
        by_type = Counter[str]()
        for (what, _), count in self.counts.items():
            by_type[what] += count
        lines += ["  ".join(f"{what} {count}" for what, count in by_type.most_common())] if ends else []
        lines += [
            f"{count:6}  {what:<22} {where:<52} first: {self.first[what, where]}"
            for (what, where), count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        ]
        return "\n".join(lines)


# -- mutation ---------------------------------------------------------------------------------------------------------


class Raw(str):
    """Text that goes into JSON as it is."""

    __slots__ = ()


DEEP = 100_000

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 4, 5, 6, 7, 25, -1, -5, 12, 99, 1.5, 2**31, 2**63, 2**64, -(2**63), 10**30,
    Raw("1e308"), Raw("-1e308"), Raw("1e999"), Raw("Infinity"), Raw("-Infinity"), Raw("NaN"), Raw("9" * 5000),
    "", " ", "0", "2", "-5", "1e308", "NaN", "Infinity", "inf", "9" * 5000, "²", "٣", "1_000", "0x", "0xfffffffff",
    "\ud800", "a\udfffb", "\x00", "\x1b[31mred\x1b[0m", "\x9b31m", "line\nbreak", "\r", "\u202egnp.exe",
    "é", "Ångström", "<script>alert(1)</script>", "somebody@example.org", "'", '"', "\\", "%", "%s", "{}", "{0}",
    "../../victim", "/etc/passwd", "..", ".", ".bashrc", ".jsoclite.sqlite", ".jsoclite.sqlite-journal", "evil.py",
    "x.part", "x.part.etag", "CON", "nul.fits", "a/b", "a\\b", "C:\\x", "~/x", "//evil.test/x", "http://evil.test/x",
    "file:///etc/passwd", "NoDataFile", "InvalidSegName", "MISSING", "Invalid KeyLink", "VOID", "**ALL**", "*recnum*",
    "[", "]", "{", "}", "x[", "x]", "a.b[1]", "a.b" + "[]" * 2000, "x" * 100_000, "1" * 300,
    "JSOC_20140101_001", "JSOC_20140101_002", "JSOC_1", "JSOC_20140101_" + "9" * 5000,
    "-4712.01.01_11:59:28_TAI", "99999.01.01_00:00:00_TAI", "2014.13.45_99:99:99_TAI", "2014-01-01T00:00:00Z",
    [], {}, [[]], [{}], [None], ["x"], {"name": None}, {"name": {}}, {"values": []}, [1, 2, 3], {"x": "y"},
    list(range(2000)), Raw("[" * DEEP + "]" * DEEP), Raw('{"a":' * DEEP + "1" + "}" * DEEP),
)  # fmt: skip


def _spoilt(value: Any, chance: random.Random) -> Any:
    """A value that is near the one that stood there."""
    if isinstance(value, bool) or value is None:
        return chance.choice(ODD)
    if isinstance(value, int | float):
        return chance.choice(
            [-value, value + 1, value - 1, value * 10**9, str(value), f" {value} ", float(value), [value], value / 3]
        )
    if isinstance(value, str):
        at, other = chance.randint(0, len(value)), chance.choice([one for one in ODD if type(one) is str])
        near = [value[:at], value[at:], value * 2, value[:at] + other + value[at:], other + value, value + other]
        near += [value.upper(), value.swapcase(), value + "\x00", value[::-1]]
        return chance.choice([*near, [value], {"name": value}, None, len(value)])
    return [value] if chance.random() < 0.5 else {"x": value}


def _children(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def _change(parent: Any, key: Any, chance: random.Random) -> None:
    """Spoil one place of an object or a list."""
    value = parent[key]
    operation = chance.randrange(10)
    if operation < 3:
        parent[key] = chance.choice(ODD)
    elif operation < 5:
        parent[key] = _spoilt(value, chance)
    elif operation == 5:
        del parent[key]
    elif operation == 6:  # another place's value
        other = chance.choice(_children(parent))
        parent[key], parent[other] = parent[other], parent[key]
    elif isinstance(parent, dict):
        if operation == 7:
            parent[chance.choice(["status", "count", "name", "values", "error", "x", "", key.upper(), key + "s"])] = (
                chance.choice(ODD)
            )
        else:  # another name
            other = chance.choice([key.upper(), key.title(), key + " ", "", "x", *_children(parent)])
            parent[other] = parent.pop(key)
    elif operation == 7:
        parent.insert(key, chance.choice([value, chance.choice(ODD), None]))
    elif operation == 8:
        del parent[key:]
    else:
        parent[key:] = parent[key:] * chance.choice([2, 3, 50])


def spoil_json(content: bytes, chance: random.Random) -> bytes:
    """A reply with a few wrong places, printed as JSOC prints JSON."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        root = [json.loads(text, strict=False)]
    except ValueError:
        return spoil_bytes(content, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        parent: Any = root
        key: Any = 0
        while (inner := _children(parent[key])) and (parent is root or chance.random() < 0.75):
            if parent is root and chance.random() < 0.02:
                break
            parent, key = parent[key], chance.choice(inner)
        if isinstance(parent[key], Raw):
            continue
        if parent is root:
            root[0] = chance.choice(ODD)
            break
        _change(parent, key, chance)
    return _printed(root[0], chance)


def _printed(value: Any, chance: random.Random) -> bytes:
    raw: list[str] = []

    def marked(one: Any) -> Any:
        if isinstance(one, Raw):
            raw.append(one)
            return f"\x01raw {len(raw) - 1}\x01"
        if isinstance(one, dict):
            return {str(name): marked(inner) for name, inner in one.items()}
        return [marked(inner) for inner in one] if isinstance(one, list) else one

    # JSOC prints without blanks and escapes every slash, and the quick way through a reply counts on it
    ascii_only = chance.random() < 0.7
    text = json.dumps(marked(value), ensure_ascii=ascii_only, separators=(",", ":")).replace("/", "\\/")
    text = re.sub(r'"(?:\\u0001)raw (\d+)(?:\\u0001)"', lambda found: raw[int(found[1])], text)
    return text.encode("utf-8", "surrogatepass")


SNIPPETS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\x00", b"\xff", b"\x1b[2J", b"\\u0000", b"\\ud800", b"null",
    b"-5", b"1e308", b"1e999", b"Infinity", b"NaN", b'"]', b'","', b"]}", b'],"count":', b'],"keywords":[', b"9" * 400,
    b'{"a":' * DEEP, b"[" * DEEP, b"\xc2\xb2", b"\xed\xa0\x80", b"\r\n",
)  # fmt: skip


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """A reply with a few wrong bytes: flipped, cut, put in, doubled, swapped."""
    body = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        at = chance.randint(0, len(body))
        length = min(chance.choice([1, 1, 2, 8, 50, 400]), len(body) - at)
        operation = chance.randrange(7)
        if operation == 0 and at < len(body):
            body[at] ^= 1 << chance.randrange(8)
        elif operation == 1:
            del body[at : at + length]
        elif operation == 2:
            body[at:at] = chance.choice(SNIPPETS)
        elif operation == 3:
            body[at:at] = body[at : at + length]
        elif operation == 4:
            other = chance.randint(0, len(body))
            one, two = body[at : at + length], body[other : other + length]
            body[at : at + len(two)], body[other : other + len(one)] = two, one
        elif operation == 5 and at < len(body):
            body[at] = chance.randrange(256)
        else:
            body[at : at + length] = chance.choice(SNIPPETS)
        if chance.random() < 0.02:
            del body[at:]
    return bytes(body)
