"""
What it takes to name many rows: CPU seconds, record sets and characters; ``python tests/bench/selection.py [--quick]``.

The DataFrames are like those of a query: record names as index, record numbers as a column. Making them is not counted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from jsoclite.selection import to_record_sets

MILLION = 1_000_000
SHAPES = {
    "a tenth at random": (MILLION, lambda n: np.random.default_rng(0).choice(10 * n, n, replace=False)),
    "a tenth at random, in order": (MILLION, lambda n: np.sort(np.random.default_rng(0).choice(10 * n, n, False))),
    "every second": (MILLION, lambda n: 2 * np.arange(n)),
    "contiguous": (10 * MILLION, np.arange),
    "contiguous, 1 % missing": (10 * MILLION, lambda n: np.flatnonzero(np.random.default_rng(0).random(n) > 0.01)),
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--runs", type=int, default=3, help="the shortest of so many runs is told (default 3)")
    options = parser.parse_args()
    print("| rows | | CPU s | record sets | characters |\n|---|---|---|---|---|")
    for shape, (count, numbers) in SHAPES.items():
        recnums = 100_000_000 + numbers(count // 10 if options.quick else count)
        names = [f"hmi.M_720s[2014.01.01_00:00:00_TAI][{number}]" for number in recnums.tolist()]
        rows = pd.DataFrame({"recnum": recnums}, index=pd.Index(names, dtype=str, name="record"))
        del names
        seconds = []
        for _ in range(options.runs):
            begin = time.process_time()
            sets = to_record_sets(rows, segments=["magnetogram"])
            seconds.append(time.process_time() - begin)
        length = sum(len(str(one)) for one in sets)
        print(f"| {len(rows):,} | {shape} | {min(seconds):.2f} | {len(sets):,} | {length:,} |", flush=True)


if __name__ == "__main__":
    main()
