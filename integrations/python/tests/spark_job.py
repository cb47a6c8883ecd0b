"""Spark with several workers, some of them killed: the rankings have to be those of a single machine."""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import made
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import spectrank
import spectrank.spark
from engine_common import (
    HEAD,
    Killer,
    Process,
    Watch,
    machine,
    must_be_gone,
    must_equal,
    programs,
    record,
    single_machine,
    workers,
)
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

N_SLATES = int(os.environ.get("SPECTRANK_TEST_SLATES", "30000"))
N_FILES = 24
MOST_TRIES = 5


def session(n_workers: int) -> SparkSession:
    builder = SparkSession.builder.master(f"local-cluster[{n_workers},1,1024]").appName("spectrank")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "OFF"}
    few = {"spark.sql.shuffle.partitions": "8", "spark.driver.host": "127.0.0.1", "spark.driver.memory": "2g"}
    # A partition per file.
    one_each = {"spark.sql.files.openCostInBytes": "1g", "spark.sql.files.maxPartitionBytes": "1g"}
    for key, value in {**quiet, **few, **one_each}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def rerank(slates: DataFrame, **more: object) -> DataFrame:
    return spectrank.spark.rerank(slates, made.CATALOG, config=made.CONFIG, backend="cpu", **more)  # type: ignore[arg-type]


def n_failed_tasks(spark: SparkSession) -> int:
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(s) for job in tracker.getJobIdsForGroup() for s in tracker.getJobInfo(job).stageIds]
    return sum(stage.numFailedTasks for stage in stages if stage is not None)


def has_done_tasks(spark: SparkSession) -> bool:
    """True while a stage is at work of which some tasks are done."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return any(stage is not None and stage.numCompletedTasks >= 2 for stage in stages)


def timed(ranked: DataFrame) -> Watch:
    """What the work takes where nothing is done with the rows."""
    with Watch() as took:
        ranked.write.format("noop").mode("overwrite").save()
    return took


def executors(family: list[Process]) -> list[int]:
    return [process.pid for process in family if "CoarseGrainedExecutorBackend" in process.command]


def killed(spark: SparkSession, folder: Path, expected: pa.Table) -> list[str]:
    """A job for each kind of victim."""
    victims = {
        "a Python worker": workers,
        "a spectrank child": programs,
        "an executor (JVM)": executors,
    }
    lines = []
    for what, find in victims.items():
        for _ in range(MOST_TRIES):
            before = n_failed_tasks(spark)
            killer = Killer(find, lambda: has_done_tasks(spark))
            killer.start()
            found = rerank(spark.read.parquet(str(folder))).toArrow()
            killer.finish(f"{what} is killed")
            must_equal(found, expected, f"{what} was killed")
            failed = n_failed_tasks(spark) - before
            if failed > 0 or find is programs:
                break
            # It was between two tasks.
        else:
            sys.exit(f"{what} was killed {MOST_TRIES} times, and no task ever failed")
        lines.append(f"| {what} killed (SIGKILL) | tasks that failed and ran again: {failed} | equal |")
    return lines


def layouts(spark: SparkSession, folder: Path) -> list[str]:
    """The long layout, a catalog that is shipped, and errors."""
    small = made.slates(500)
    expected = spectrank.rerank(small, made.CATALOG, config=made.CONFIG, backend="cpu")
    path = folder.parent / "small.parquet"
    pq.write_table(small, path)
    lists = spark.read.parquet(str(path))
    must_equal(rerank(lists.repartition(5), ship_catalog=True).toArrow(), expected, "a catalog that is shipped")
    rows = lists.select(
        "slate_id", "surface", F.posexplode(F.arrays_zip("candidates", "scores")).alias("place", "candidate")
    ).select("slate_id", "surface", "place", F.col("candidate.candidates").alias("item_id"), "candidate.scores")
    rows = rows.withColumnRenamed("scores", "score").repartition(7)
    together = spectrank.spark.slates_from_rows(rows, "place", keep=["surface"])
    must_equal(rerank(together).toArrow(), expected, "one row per candidate")
    # A catalog without ids: items are rows, and Spark has signed numbers only.
    no_ids = folder.parent / "no_ids.parquet"
    pq.write_table(pq.read_table(made.CATALOG, columns=["text", "quality_class"]), no_ids)
    by_row = made.slates(300, by_row=True)
    pq.write_table(by_row, path := folder.parent / "by_row.parquet")
    found = spectrank.spark.rerank(spark.read.parquet(str(path)), no_ids, backend="cpu").toArrow()
    must_equal(found, spectrank.rerank(by_row, no_ids, backend="cpu"), "a catalog without ids")
    refused: dict[str, Callable[[], object]] = {
        "one row per candidate": lambda: rerank(rows),
        "no column 'scores'": lambda: rerank(lists.drop("scores")),
        "no column 'slate_id'": lambda: rerank(lists.drop("slate_id")),
        "unknown field `slate_sise`": lambda: spectrank.spark.rerank(lists, made.CATALOG, config={"slate_sise": 1}),
        "cannot be read": lambda: spectrank.spark.rerank(lists, "nowhere.parquet"),
    }
    for text, call in refused.items():
        try:
            call()
        except spectrank.SpectrankError as error:
            if text not in str(error):
                sys.exit(f"not the error expected ({text}): {error}")
        else:
            sys.exit(f"no error: {text}")
    broken = lists.withColumn("candidates", F.array(F.lit("nobody"))).withColumn("scores", F.array(F.lit(1.0)))
    for text, wrong in {
        "nobody": broken,
        "a slate has no slate_id": lists.withColumn("slate_id", F.lit(None).cast("string")),
    }.items():
        try:
            rerank(wrong).toArrow()
        except Exception as error:
            if "SpectrankError: slates: " not in str(error) or text not in str(error):
                sys.exit(f"a worker's error is not told: {error}")
        else:
            sys.exit(f"no error: {text}")
    print("errors: as they should be", flush=True)
    return [
        "| one row per candidate, put together; catalog shipped; catalog without ids; 7 errors | | equal, as expected |"
    ]


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

        for n_workers in (1, 2, 4):
            spark = session(n_workers)
            frame = spark.read.parquet(str(folder))
            # Everything is warm, in every worker.
            timed(rerank(frame.filter(F.substring("slate_id", -1, 1) == "3")))
            took = timed(rerank(frame))
            n_programs = took.n_programs
            if n_programs != n_workers:
                sys.exit(f"{n_workers} workers, {N_FILES} tasks: {n_programs} programs were seen")
            figures.append(took.row(f"Spark, {n_workers} worker{'s' * (n_workers > 1)} of one core", N_SLATES))
            checks.append(f"| {n_workers} workers, {N_FILES} tasks | {n_programs} programs in all | equal |")
            must_equal(rerank(frame).toArrow(), expected, f"{n_workers} workers")
            if n_workers == 2:
                checks += killed(spark, folder, expected)
                checks += layouts(spark, folder)
            spark.stop()
            spectrank.close()
            must_be_gone(f"{n_workers} workers")
    record(
        "spark",
        [
            f"{datetime.date.today()}, PySpark {pyspark.__version__}, pyarrow {pa.__version__}, {machine()}, `local-cluster`; "
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
    print("spark: passed", flush=True)


if __name__ == "__main__":
    main()
