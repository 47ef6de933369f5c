"""
How far the sandbox's query engine agrees with the recorded answers of the real server.

``python tests/golden_engine.py`` prints matched / all for each file and explains what differs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from jsoclite.sandbox.catalog.catalog import StoredCatalog
from jsoclite.sandbox.engine import Engine, EngineCrash
from jsoclite.sandbox.programs import jsoc_info, show_series

GOLDEN = Path(__file__).parent / "golden"
FILES = (
    "queries.jsonl",
    "queries_random.jsonl",
    "jsoc_info.jsonl",
    "jsoc_info_raw.jsonl",
    "alias.jsonl",
    "show_series.jsonl",
)
# the server printed memory that it had never written to; a sandbox has no such memory
GARBAGE = re.compile(r"909717556\.3223088\.909717556")


def engine() -> Engine:
    """An engine on the recorded catalogue, whose clock stands still."""
    return Engine(StoredCatalog(GOLDEN / "catalog"), clock=lambda: 0.0)


def lines(name: str) -> Iterator[dict]:
    """The recorded answers of one file."""
    with (GOLDEN / name).open() as file:
        yield from map(json.loads, file)


def ask(on: Engine, params: Mapping[str, str]) -> tuple[int, str]:
    status, body = jsoc_info(on, params)
    return status, b"".join(body).decode("latin-1")


def query(on: Engine, line: dict) -> tuple[object, object]:
    """What a recorded query gave and gives."""
    params = {"op": "rs_list", "ds": line["ds"], "key": "*recnum*", "R": "1"}
    if line.get("n"):
        params["n"] = line["n"]
    status, body = ask(on, params)
    if status == 500 and not body:  # behind an ERROR before the header there is an answer all the same
        got: object = "crash"
    else:
        reply = json.loads(body)
        if reply["status"]:
            got = reply["error"]
        elif reply["count"]:
            got = ([one["name"] for one in reply["recinfo"]], reply["keywords"][0]["values"])
        else:
            got = ([], [])
    wanted = {
        "ok": lambda: (line["records"], line["recnums"]),
        "error": lambda: line["error"],
        "crash": lambda: "crash",
    }
    return wanted[line["outcome"]](), got


def info(on: Engine, line: dict) -> tuple[object, object]:
    """What a recorded call of jsoc_info gave and gives; no body means that the program printed nothing or died."""
    params = line.get("args")
    if params is None:
        params = {}
        for name, value in parse_qsl(line["query_string"], keep_blank_values=True):
            params.setdefault(name, value)
    body = line.get("body")
    wanted = (500, "") if body is None else (200, GARBAGE.sub("   0.00.00", body))
    return wanted, ask(on, params)


def series(on: Engine, line: dict) -> tuple[object, object]:
    """What a recorded call of show_series gave and gives, without the series that the catalogue does not hold."""
    text = line.get("query_string")
    try:
        got = show_series(on.catalog, unquote(text.partition("=")[2]) if text else None).decode("latin-1")
    except EngineCrash:
        got = None
    wanted = line.get("body")
    if wanted is None:
        return None, got
    kept = [
        name.rstrip(",")
        for name in re.findall(r"^  \{.*?\}(?=,\n|\])", wanted, re.MULTILINE)
        if re.search(r'"name":"([^"]*)', name)[1] in on.catalog
    ]
    listed = ",\n".join(kept)
    return f'{{"status":0,\n "names":[\n{listed}],\n"n":{len(kept)}}}\n', got


def comparisons(on: Engine, name: str) -> Iterator[tuple[str, object, object]]:
    """Of each comparable line: what it asks, what the server said, what the engine says."""
    for line in lines(name):
        if name.startswith("queries"):
            yield f"{line['ds']} n={line.get('n')}", *query(on, line)
        elif name == "show_series.jsonl":
            if "query_string" in line or "body" in line:  # of some calls only the exit status was recorded
                yield str(line.get("query_string")), *series(on, line)
        else:
            yield str(line.get("args", line.get("query_string"))), *info(on, line)


def main() -> None:
    """Print the counts."""
    on = engine()
    for name in FILES:
        results = list(comparisons(on, name))
        differing = [one for one in results if one[1] != one[2]]
        print(f"{name}: {len(results) - len(differing)} / {len(results)}")
        for asked, wanted, got in differing:
            print(f"  {asked}\n    server  {str(wanted)[:300]}\n    sandbox {str(got)[:300]}")


if __name__ == "__main__":
    main()
