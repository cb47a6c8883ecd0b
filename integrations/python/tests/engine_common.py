"""What the two engine tests share: data, the single-machine run, a look at processes, and the record of results."""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import made
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import spectrank

RESULTS = Path(__file__).resolve().parents[1] / "RESULTS.md"


def single_machine(slates: Path, folder: Path, n_slates: int) -> tuple[pa.Table, str]:
    """The rankings that the program gives by itself, from file to file, and what that took."""
    output = folder / "expected.parquet"
    command = [
        spectrank.program(),
        "rerank",
        "--catalog",
        str(made.CATALOG),
        "--slates",
        str(slates),
        "--output",
        str(output),
    ]
    before_s = children_s()
    started = time.monotonic()
    subprocess.run([*command, "--config", str(made.CONFIG), "--backend", "cpu", "--quiet"], check=True)
    took_s = time.monotonic() - started
    us = (children_s() - before_s) / n_slates * 1e6
    row = f"| the program alone, Parquet to Parquet, all cores | {took_s:.1f} | {n_slates / took_s:,.0f} | {us:,.0f} | | |"
    print(row, flush=True)
    return pq.read_table(output), row


def children_s() -> float:
    """Processor time of children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def in_order(rankings: pa.Table) -> pa.Table:
    """Rows by slate and position, without metadata; slate ids of the tests sort as the slates stand in their file."""
    return rankings.replace_schema_metadata(None).sort_by([("slate_id", "ascending"), ("position", "ascending")])


def must_equal(found: pa.Table, expected: pa.Table, what: str) -> None:
    """Ends the test unless both have the same rows, to the last bit of every number."""
    found, expected = in_order(found), in_order(expected)
    found = found.cast(expected.schema)
    if found.num_rows != expected.num_rows:
        sys.exit(f"{what}: {found.num_rows} rows, not {expected.num_rows}")
    for name in expected.schema.names:
        a, b = found.column(name).combine_chunks(), expected.column(name).combine_chunks()
        if pa.types.is_floating(a.type):
            # By bits: 0.0 and -0.0 differ, and NaN is itself.
            a, b = (x.view(pa.int64()) for x in (a, b))
        if not a.equals(b):
            sys.exit(f"{what}: column {name} differs in {pc.sum(pc.not_equal(a, b)).as_py()} of {len(a)} rows")
    print(f"{what}: {found.num_rows} rows, all equal", flush=True)


@dataclass(frozen=True)
class Process:
    """A process that is no zombie."""

    pid: int
    parent: int
    command: str
    processor_s: float

    @property
    def is_program(self) -> bool:
        """True for a `spectrank rerank`."""
        return self.command.startswith(spectrank.program() + " rerank ")


def processes() -> list[Process]:
    """Every process of this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if stat[0] != "Z":
                processor_s = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
                found.append(Process(int(folder.name), int(stat[1]), command, processor_s))
    return found


def mine() -> list[Process]:
    """All descendants of this process."""
    everyone = processes()
    family = {os.getpid()}
    while True:
        more = {process.pid for process in everyone if process.parent in family} - family
        if not more:
            return [process for process in everyone if process.pid in family and process.pid != os.getpid()]
        family |= more


def programs(family: list[Process]) -> list[int]:
    """The children that rank."""
    return [process.pid for process in family if process.is_program]


def workers(family: list[Process]) -> list[int]:
    """The Python processes that the children belong to; this one is none of them."""
    return [process.parent for process in family if process.is_program and process.parent != os.getpid()]


class Watch(threading.Thread):
    """Looks on while a job runs: how long it takes, how many programs there are, and who spends the processor's time.

    Other work on the machine makes jobs slow, but hardly changes processor time.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._is_over = threading.Event()
        self._before: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._kinds: dict[int, str] = {}

    def __enter__(self) -> Watch:
        self._look()
        self._before = dict(self._last)
        self._begun_s = time.monotonic()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun_s
        self._is_over.set()
        self.join()
        self._look()

    def run(self) -> None:
        while not self._is_over.wait(0.1):
            self._look()

    def _look(self) -> None:
        family = mine()
        of_workers = set(workers(family))
        for process in family:
            self._last[process.pid] = process.processor_s
            if process.is_program:
                self._kinds[process.pid] = "program"
            elif process.pid in of_workers:
                self._kinds[process.pid] = "Python"

    @property
    def n_programs(self) -> int:
        """Different ones that were seen."""
        return list(self._kinds.values()).count("program")

    def row(self, what: str, n_slates: int) -> str:
        """A row of the table that `HEAD` begins."""
        spent = {"program": 0.0, "Python": 0.0, "engine": 0.0}
        for pid, last_s in self._last.items():
            spent[self._kinds.get(pid, "engine")] += last_s - self._before.get(pid, 0.0)
        us = [f"{kind_s / n_slates * 1e6:,.0f}" for kind_s in spent.values()]
        return f"| {what} | {self.seconds:.1f} | {n_slates / self.seconds:,.0f} | {' | '.join(us)} |"


HEAD = (
    "| what | seconds | slates/s | processor time per slate, µs: program | Python | engine |\n|---|---|---|---|---|---|"
)


class Killer(threading.Thread):
    """Kills one process while a job runs, once that is well under way."""

    def __init__(self, victims: Callable[[list[Process]], list[int]], is_under_way: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self._victims = victims
        self._is_under_way = is_under_way
        self._is_over = threading.Event()
        self.killed: int | None = None

    def run(self) -> None:
        while not self._is_under_way():
            if self._is_over.wait(0.02):
                return
        while not self._is_over.is_set():
            victims = self._victims(mine())
            if victims:
                os.kill(victims[0], signal.SIGKILL)
                self.killed = victims[0]
                return
            self._is_over.wait(0.02)

    def finish(self, what: str) -> None:
        """Ends the test unless somebody was killed."""
        self._is_over.set()
        self.join()
        if self.killed is None:
            sys.exit(f"{what}: the job was over before anybody was killed")
        print(f"{what}: killed process {self.killed}", flush=True)


def must_be_gone(what: str, patience_s: float = 20) -> None:
    """Ends the test if programs are left behind, orphans too."""
    give_up = time.monotonic() + patience_s
    while True:
        left = programs(processes())
        if not left:
            print(f"{what}: no program is left behind", flush=True)
            return
        if time.monotonic() > give_up:
            sys.exit(f"{what}: programs are left behind: {left}")
        time.sleep(0.1)


def machine() -> str:
    """Cores, system and versions, for the record."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def record(name: str, lines: list[str]) -> None:
    """Puts these lines into the results, in the place of those that the last run of this test left there."""
    start, end = f"<!-- {name}: written by tests/{name}.sh -->\n", f"<!-- end of {name} -->\n"
    text = RESULTS.read_text(encoding="utf-8")
    before, mark, rest = text.partition(start)
    if not mark:
        sys.exit(f"{RESULTS} has no place for {name}")
    RESULTS.write_text(before + start + "\n".join(lines) + "\n" + end + rest.partition(end)[2], encoding="utf-8")
