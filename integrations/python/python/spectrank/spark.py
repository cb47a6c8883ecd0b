"""Re-ranks a Spark data frame of slates.

::

    from spectrank.spark import rerank

    ranked = rerank(slates, "/mnt/models/items.parquet", config="feed.toml")

Every Python worker keeps one warm child, which it uses for all tasks that come to it. The package has to be installed on the
workers; PySpark 3.5 or newer, with pyarrow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._errors import SpectrankError
from ._pool import borrowed
from ._result import has_item_ids, result_schema
from ._settings import SHARED, Keywords, Settings, StrPath
from ._slates import plain, with_ids

if TYPE_CHECKING:
    import sys

    from pyspark.sql import DataFrame

    if sys.version_info >= (3, 12):
        from typing import Unpack
    else:
        from typing_extensions import Unpack

_TYPES = {pa.string(): "string", pa.int32(): "int", pa.int64(): "bigint", pa.float64(): "double"}


def rerank(
    slates: DataFrame,
    catalog: StrPath | Sequence[StrPath],
    *,
    ship_catalog: bool = False,
    item_ids: bool | None = None,
    **keywords: Unpack[Keywords],
) -> DataFrame:
    """Re-ranks slates, one row per slate: `slate_id`, `candidates` and `scores`, and what else the configuration names.

    Slates in the long layout (one row per candidate) are refused, for Spark may have cut them at the border of two
    partitions: `slates_from_rows` puts them together.

    Args:
        slates: The slates. Rows of a partition keep their order.
        catalog: Files with your items, on a path that every worker has.
        ship_catalog: Send the files to the workers, by `SparkContext.addFile`; then only the driver needs them. Spark
            sends a file once: give a changed catalog another name. Spark Connect has no such context.
        item_ids: Whether the catalog has an `item_id` column. Needed only where the driver cannot look.
        **keywords: As for `spectrank.rerank`. `threads` is `spark.task.cpus` by default. `adapter` is `auto-share`: a
            task takes the GPUs that Spark gave it (`spark.task.resource.gpu.amount`), and otherwise the workers of
            one machine spread over its GPUs.

    Returns:
        One row per position. Columns are those of `spectrank.result_schema(item_ids=…, signed=True)`: as in
        `spectrank.rerank`, but signed, as Spark has no other whole numbers.

    Raises:
        SpectrankError: What the driver can see is wrong. What a worker finds ends the job with the same line.
    """
    settings = Settings.of(catalog, keywords)
    if settings.adapter is None:
        settings = settings.replaced(adapter=SHARED)
    columns = _needed(slates.columns, settings)
    has_ids = has_item_ids(settings.catalog) if item_ids is None else item_ids
    if ship_catalog:
        _ship(slates, settings.catalog)
        settings = settings.replaced(catalog=tuple(Path(path).name for path in settings.catalog))
    else:
        settings = settings.replaced(catalog=tuple(str(Path(path).absolute()) for path in settings.catalog))
    schema = result_schema(item_ids=has_ids, signed=True)
    ddl = ", ".join(f"`{field.name}` {_TYPES[field.type]} NOT NULL" for field in schema)
    return slates.select(*columns).mapInArrow(_Task(settings, schema, is_shipped=ship_catalog), ddl)


def slates_from_rows(rows: DataFrame, order_by: str, *, keep: Sequence[str] = ()) -> DataFrame:
    """Puts slates together: from one row per candidate to one row per slate.

    Args:
        rows: `slate_id`, `item_id` (ids, which become text) or `item` (catalog rows), and `score`.
        order_by: The column that orders the candidates of a slate. Spark's rows have no order of their own, and where
            two candidates are as good as each other, the first one wins.
        keep: Columns of the slate (attributes, `recent`, `pinned`, `seen`), read from its first row.

    Returns:
        `slate_id`, `candidates`, `scores`, and the columns to keep.

    Raises:
        SpectrankError: A column is not there.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the name that Spark's users know it by.

    item = "item" if "item" in rows.columns else "item_id"
    for column in ("slate_id", item, "score", order_by, *keep):
        if column not in rows.columns:
            raise SpectrankError(f"slates: there is no column {column!r} among {', '.join(rows.columns)}")
    of_item = F.col("item") if item == "item" else F.col("item_id").cast("string")
    candidate = F.struct(F.col(order_by).alias("order"), of_item.alias("item"), F.col("score").alias("score"))
    kept = [F.min_by(F.col(column), F.col(order_by)).alias(column) for column in keep]
    gathered = rows.groupBy("slate_id").agg(F.sort_array(F.collect_list(candidate)).alias("_candidates"), *kept)
    lists = [F.col("_candidates.item").alias("candidates"), F.col("_candidates.score").alias("scores")]
    return gathered.select("slate_id", *lists, *keep)


def _needed(present: Sequence[str], settings: Settings) -> list[str]:
    """The columns to read; Spark leaves out the others where it reads them from."""
    if "candidates" not in present and "score" in present:
        cure = "spectrank.spark.slates_from_rows makes one row per slate of them"
        raise SpectrankError(f"slates: one row per candidate, and Spark may cut a slate between two tasks: {cure}")
    for column in ("slate_id", "candidates", "scores"):
        if column not in present:
            cure = "slates need the columns slate_id, candidates and scores"
            raise SpectrankError(f"slates: there is no column {column!r} among {', '.join(present)}: {cure}")
    needed = settings.needed_columns() - {"item_id", "item", "score"}
    return [f"`{column}`" for column in present if column in needed]


def _ship(slates: DataFrame, catalog: Sequence[str]) -> None:
    names = [Path(path).name for path in catalog]
    if len(set(names)) < len(names):
        raise SpectrankError(f"catalog: {', '.join(names)}: files to be shipped need different names")
    context = slates.sparkSession.sparkContext
    for path in catalog:
        if not Path(path).is_file():
            raise SpectrankError(f"catalog: {path}: is no file here, so it cannot be shipped: correct the path")
        context.addFile(str(Path(path).absolute()))


class _Task:
    """What runs on a worker, once per task."""

    def __init__(self, settings: Settings, schema: pa.Schema, *, is_shipped: bool) -> None:
        self._settings = settings
        self._schema = schema
        self._is_shipped = is_shipped

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        incoming = iter(batches)
        first = next(incoming, None)
        if first is None:
            return
        with borrowed(self._on_worker(), plain(first.schema)) as worker:
            _check_schema(worker.start(), self._schema)
            for ranked in worker.rank(with_ids(batch) for batch in chain([first], incoming)):
                if ranked.num_rows > 0:
                    columns = [column.cast(field.type) for column, field in zip(ranked.columns, self._schema)]
                    yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _on_worker(self) -> Settings:
        from pyspark import SparkFiles, TaskContext

        settings = self._settings
        if self._is_shipped:
            settings = settings.replaced(catalog=tuple(SparkFiles.get(name) for name in settings.catalog))
        context = TaskContext.get()
        if context is None:
            return settings
        if settings.threads is None and "RAYON_NUM_THREADS" not in os.environ:
            settings = settings.replaced(threads=max(1, int(context.cpus())))
        gpu: Any = context.resources().get("gpu")
        if gpu is not None:
            settings = settings.replaced(assigned_gpus=tuple(gpu.addresses))
        return settings


def _check_schema(found: pa.Schema, expected: pa.Schema) -> None:
    """Holds that rankings have the columns that the driver told the engine of.

    Raises:
        SpectrankError: Items have ids where rows were expected, or the other way round.
    """
    has_ids = found.field("item_id").type == pa.string()
    if found.names != expected.names:
        raise SpectrankError(f"rankings have columns {', '.join(found.names)}: program and package differ in version")
    if has_ids != (expected.field("item_id").type == pa.string()):
        is_so = "has item ids" if has_ids else "has no item ids"
        raise SpectrankError(
            f"the catalog on the worker {is_so}, the driver's is otherwise: correct item_ids, or the path"
        )
