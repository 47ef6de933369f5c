"""
Keywords at rest, measured: rows a second, MB on disk, the most MB in memory, of a sync of SHARPs and of the next one.

    PYTHONPATH=. python tests/bench/archive.py [--harps 150 620 2500] [--all]

A sandbox in this process answers; each sync is a process of its own, whose time does not wait for the pace that is kind
to JSOC. HARPs 1 to 150 are some 50,000 records, to 620 some 200,000, to 2500 some 800,000; all of them 4.5 million.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jsoclite

CODE = """
import json, resource, sys, time, warnings
from pathlib import Path
import jsoclite
from jsoclite.server import Clock

url, record_set, directory = sys.argv[1:]
warnings.simplefilter("ignore")
client = jsoclite.Client(url, cache=False)
client._clock = Clock(sleep=lambda seconds: None)
begun = time.perf_counter()
manifest = client.sync(record_set, directory, segments=[], keywords="sharp", progress=False)
seconds = time.perf_counter() - begun
status = Path("/proc/self/status")  # of this process alone: getrusage counts the one that has started it
peak = next((int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")), 0) \\
    if status.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, peak / 1024, len(manifest)]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harps", type=int, nargs="+", default=[150, 620, 2500], help="the last HARP of each set")
    parser.add_argument("--all", action="store_true", help="the whole series, too")
    options = parser.parse_args()
    filters = [f"[1-{last}]" for last in options.harps] + ["[]"] * options.all
    print("      set run   records       s     rows/s requests parquet MB ledger MB  peak MB")
    with jsoclite.Sandbox() as sandbox, tempfile.TemporaryDirectory() as made:
        for one in filters:
            record_set = f"hmi.sharp_cea_720s{one}"
            count = sandbox.client().count(record_set)
            for run in (1, 2):
                sandbox.requests.clear()
                arguments = [sys.executable, "-c", CODE, sandbox.url, record_set, f"{made}/{one}"]
                told = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
                seconds, peak, _ = json.loads(told)
                kinds = ("*.parquet", "*.sqlite")
                tables, ledger = (sum(p.stat().st_size for p in Path(made, one).rglob(kind)) / 1e6 for kind in kinds)
                print(
                    f"{one:>9}{run:4}{count:10,}{seconds:8.1f}{count / seconds:11,.0f}{len(sandbox.requests):9}"
                    f"{tables:11.1f}{ledger:10.1f}{peak:9.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
