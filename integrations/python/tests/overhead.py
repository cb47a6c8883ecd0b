"""What the way through Python costs: the program by itself, from file to file, beside `rerank` on a table.

Usage: python tests/overhead.py [SLATES]; prints lines for RESULTS.md.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import made
import pyarrow.parquet as pq
import spectrank
from engine_common import machine

REPEATS = 3


def seconds(work: Callable[[], object]) -> float:
    """Median of a few runs."""
    found = []
    for _ in range(REPEATS):
        started = time.monotonic()
        work()
        found.append(time.monotonic() - started)
    return statistics.median(found)


def processor_s() -> float:
    """Of this process, and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(n_slates: int, n_candidates: int, n_positions: int) -> None:
    """Lines for one shape of slates."""
    shape = f"{n_candidates} candidates, {n_positions} positions"
    slates = made.slates(n_slates, n_candidates)
    with tempfile.TemporaryDirectory() as scratch:
        given, ranked = Path(scratch) / "slates.parquet", Path(scratch) / "ranked.parquet"
        pq.write_table(slates, given)
        command = [spectrank.program(), "rerank", "--catalog", str(made.CATALOG), "--config", str(made.CONFIG)]
        command += ["--backend", "cpu", "--quiet", "--slate-size", str(n_positions)]
        command += ["--slates", str(given), "--output", str(ranked)]
        for threads in (1, len(os.sched_getaffinity(0))):
            environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
            rerank = partial(
                spectrank.rerank,
                catalog=made.CATALOG,
                config=made.CONFIG,
                backend="cpu",
                threads=threads,
                slate_size=n_positions,
            )
            rerank(slates.slice(0, 1))
            paths: dict[str, Callable[[], object]] = {
                "program, Parquet to Parquet": partial(subprocess.run, command, check=True, env=environment),
                "`spectrank.rerank`, table to table, warm": partial(rerank, slates),
            }
            for name, work in paths.items():
                before_s = processor_s()
                took_s = seconds(work)
                # A child's time is known once it has ended.
                spectrank.close()
                us = (processor_s() - before_s) / REPEATS / n_slates * 1e6
                print(f"| {shape} | {threads} | {name} | {n_slates / took_s:,.0f} | {us:,.0f} |", flush=True)


def main() -> None:
    n_slates = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{machine()}; {n_slates:,} and {n_slates // 5:,} slates; median of {REPEATS}\n")
    print("| slates | threads | path | slates/s | processor time per slate, µs |\n|---|---|---|---|---|", flush=True)
    measure(n_slates, 100, 12)
    measure(n_slates // 5, 500, 50)
    one = made.slates(1)
    rerank = partial(spectrank.rerank, one, made.CATALOG, config=made.CONFIG, backend="cpu", threads=1)
    rerank()
    took_s = seconds(lambda: [rerank() for _ in range(200)])
    print(f"\nOne slate at a time, warm: {took_s / 200 * 1000:.2f} ms a call.")
    spectrank.close()


if __name__ == "__main__":
    main()
