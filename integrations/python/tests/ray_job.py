"""Ray with several actors, some of them killed: the rankings have to be those of a single machine."""

from __future__ import annotations

import datetime
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import made
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
import spectrank
import spectrank.ray
from engine_common import (
    HEAD,
    Killer,
    Watch,
    machine,
    mine,
    must_be_gone,
    must_equal,
    programs,
    record,
    single_machine,
    workers,
)

N_SLATES = int(os.environ.get("SPECTRANK_TEST_SLATES", "30000"))
N_FILES = 24
BATCH = 1024


def rerank(slates: ray.data.Dataset, n_actors: int, **more: object) -> ray.data.Dataset:
    options = {"config": made.CONFIG, "backend": "cpu", "batch_size": BATCH, **more}
    # Half a core each, so that four find room beside the readers on a machine of two.
    return spectrank.ray.rerank(slates, made.CATALOG, workers=n_actors, num_cpus=0.25, **options)  # type: ignore[arg-type]


def read(folder: Path) -> ray.data.Dataset:
    # Ray reads small files in one go, and then one actor has it all.
    return ray.data.read_parquet(str(folder)).repartition(N_FILES)


def table(ranked: ray.data.Dataset) -> pa.Table:
    tables = [ray.get(ref) for ref in ranked.to_arrow_refs()]
    return pa.concat_tables([t for t in tables if t.num_rows > 0])


class UnderWay:
    """True some moments after the first program was seen; those of the job before are gone by then."""

    def __init__(self) -> None:
        self._first_s: float | None = None

    def __call__(self) -> bool:
        now_s = time.monotonic()
        if self._first_s is None and programs(mine()):
            self._first_s = now_s
        return self._first_s is not None and now_s > self._first_s + 0.3


def killed(folder: Path, expected: pa.Table) -> list[str]:
    """A job for each kind of victim."""
    lines = []
    for what, find in {"an actor": workers, "a spectrank child": programs}.items():
        killer = Killer(find, UnderWay())
        killer.start()
        found = table(rerank(read(folder), 2))
        killer.finish(f"{what} is killed")
        must_equal(found, expected, f"{what} was killed")
        lines.append(f"| {what} killed (SIGKILL) | work done again | equal |")
    return lines


def refusals(folder: Path, expected: pa.Table) -> list[str]:
    """What is wrong is said in one line, by the driver where it can be seen there, else by an actor."""
    small = made.slates(200)
    refused: dict[str, Callable[[], object]] = {
        "unknown field `slate_sise`": lambda: rerank(ray.data.from_arrow(small), 1, config={"slate_sise": 1}),
        "one row per candidate": lambda: table(rerank(ray.data.from_arrow(made.rows_of(small)), 1)),
        "there is no column slate_id": lambda: table(rerank(ray.data.from_arrow(small.drop_columns("slate_id")), 1)),
    }
    for text, call in refused.items():
        try:
            call()
        except Exception as error:
            if text not in str(error) or "SpectrankError" not in f"{type(error).__name__} {error}":
                sys.exit(f"not the error expected ({text}): {error}")
        else:
            sys.exit(f"no error: {text}")
    print("errors: as they should be", flush=True)
    # By Ray's own call, with any of its options.
    found = table(
        read(folder)
        .limit(3000)
        .map_batches(
            spectrank.ray.Reranker,
            fn_constructor_kwargs={"catalog": made.CATALOG, "config": made.CONFIG, "backend": "cpu"},
            batch_format="pyarrow",
            batch_size=100,
            num_cpus=0.25,
            compute=ray.data.ActorPoolStrategy(size=2),
        )
    )
    wanted = set(found.column("slate_id").to_pylist())
    keep = pa.array([slate in wanted for slate in expected.column("slate_id").to_pylist()])
    must_equal(found, expected.filter(keep), "map_batches")
    return ["| `map_batches` with `Reranker`; 3 errors | | equal, as expected |"]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "slates"
        folder.mkdir()
        slates = made.slates(N_SLATES)
        pq.write_table(slates, Path(scratch) / "slates.parquet")
        rows = -(-N_SLATES // N_FILES)
        for number in range(N_FILES):
            pq.write_table(slates.slice(number * rows, rows), folder / f"{number:02}.parquet")
        expected, alone = single_machine(Path(scratch) / "slates.parquet", Path(scratch), N_SLATES)
        checks, figures = [], [alone]

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        for n_workers in (1, 2, 4):
            ranked = rerank(read(folder), n_workers)
            n_rows = 0
            with Watch() as took:
                for block in ranked.iter_batches(batch_format="pyarrow", batch_size=None):
                    n_rows += block.num_rows
            n_programs = took.n_programs
            if n_rows != expected.num_rows:
                sys.exit(f"{n_workers} workers: {n_rows} rows, not {expected.num_rows}")
            if n_programs != n_workers:
                sys.exit(f"{n_workers} workers: {n_programs} programs were seen")
            what = f"Ray, {n_workers} actor{'s' * (n_workers > 1)} of one thread, their start included"
            figures.append(took.row(what, N_SLATES))
            must_equal(table(rerank(read(folder), n_workers)), expected, f"{n_workers} workers")
            checks.append(f"| {n_workers} actors | {n_programs} programs in all | equal |")
        checks += killed(folder, expected)
        checks += refusals(folder, expected)
        ray.shutdown()
        must_be_gone("after the end")
    record(
        "ray",
        [
            f"{datetime.date.today()}, Ray {ray.__version__}, pyarrow {pa.__version__}, {machine()}, `num_cpus=2`; "
            f"{N_SLATES:,} slates of 100 candidates, 448 dimensions, 12 positions.",
            "",
            "| check | | rows |",
            "|---|---|---|",
            *checks,
            "",
            HEAD,
            *figures,
        ],
    )
    print("ray: passed", flush=True)


if __name__ == "__main__":
    main()
