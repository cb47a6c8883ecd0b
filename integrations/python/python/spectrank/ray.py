"""Re-ranks a Ray data set of slates.

::

    from spectrank.ray import rerank

    ranked = rerank(ray.data.read_parquet("slates/"), "/mnt/models/items.parquet", workers=4, config="feed.toml")

or, with every option of Ray's own::

    ranked = slates.map_batches(
        spectrank.ray.Reranker,
        fn_constructor_kwargs={"catalog": "/mnt/models/items.parquet", "config": "feed.toml"},
        batch_format="pyarrow",
        batch_size=4096,
        num_cpus=4,
        compute=ray.data.ActorPoolStrategy(size=4),
    )

Every actor keeps one warm child. The package has to be installed where the actors run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ._errors import SpectrankError
from ._settings import SHARED, Keywords, Settings, StrPath
from ._slates import is_long, plain, with_ids
from ._worker import Worker

if TYPE_CHECKING:
    import sys

    import ray.data

    if sys.version_info >= (3, 12):
        from typing import Unpack
    else:
        from typing_extensions import Unpack

_BATCH_SLATES = 4096


class Reranker:
    """An actor's part of the work, for `map_batches` with `batch_format="pyarrow"`.

    Slates are rows with `slate_id`, `candidates` and `scores`, and what else the configuration names. The long layout (one row
    per candidate) is refused, for Ray may have cut a slate between two batches.
    """

    def __init__(self, catalog: StrPath | Sequence[StrPath], **keywords: Unpack[Keywords]) -> None:
        """Starts nothing yet.

        Args:
            catalog: Files with your items, on a path that every node has.
            **keywords: As for `spectrank.rerank`. `threads` is the actor's `num_cpus` by default; `adapter` is
                `auto-share`: the actor takes the GPUs that Ray gave it (`num_gpus`), and otherwise the actors of one
                machine spread over its GPUs.

        Raises:
            SpectrankError: The configuration cannot be read.
        """
        self._begin(Settings.of(catalog, keywords))

    def _begin(self, settings: Settings) -> None:
        if settings.adapter is None:
            settings = settings.replaced(adapter=SHARED)
        if settings.threads is None and "RAYON_NUM_THREADS" not in os.environ:
            settings = settings.replaced(threads=_n_cpus())
        self._settings = settings
        self._worker: Worker | None = None
        self._columns: pa.Schema | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Ranks some slates; one row per position comes back.

        Raises:
            SpectrankError: What is wrong, in one line.
        """
        if is_long(batch.schema):
            cure = "group the rows by slate_id into lists first"
            raise SpectrankError(f"slates: one row per candidate, and Ray may cut a slate between two batches: {cure}")
        columns = plain(batch.schema)
        if self._worker is None or columns != self._columns:
            if self._worker is not None:
                self._worker.close()
            self._worker, self._columns = Worker(self._settings, columns), columns
        schema = self._worker.start()
        answers = self._worker.rank(with_ids(part) for part in batch.combine_chunks().to_batches())
        # Its metadata is a configuration's length, for every block.
        return pa.Table.from_batches(list(answers), schema).replace_schema_metadata(None)

    def close(self) -> None:
        """Ends the child. Ray need not call it: the child ends with its actor."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def rerank(
    slates: ray.data.Dataset,
    catalog: StrPath | Sequence[StrPath],
    *,
    workers: int | tuple[int, int] = 1,
    num_cpus: float = 1,
    num_gpus: float = 0,
    batch_size: int = _BATCH_SLATES,
    **keywords: Unpack[Keywords],
) -> ray.data.Dataset:
    """Re-ranks a data set of slates by actors that stay warm.

    Args:
        slates: One row per slate: see `Reranker`.
        catalog: Files with your items, on a path that every node has.
        workers: Actors, or the fewest and the most of them.
        num_cpus: Cores of one actor; its child has as many threads.
        num_gpus: GPUs of one actor, or a share of one.
        batch_size: Slates that an actor takes at a time.
        **keywords: As for `spectrank.rerank`.

    Returns:
        One row per position. Rows of a slate stand together, in order; where slates have to keep theirs, set
        `ray.data.DataContext.get_current().execution_options.preserve_order`.

    Raises:
        SpectrankError: The configuration is not valid, or cannot be read here.
    """
    import ray.data

    settings = Settings.of(catalog, keywords)
    # What is wrong with it is better said here than by every actor.
    settings.needed_columns()
    at = [str(Path(path).absolute()) for path in settings.catalog]
    least, most = (workers, workers) if isinstance(workers, int) else workers
    return slates.map_batches(
        _Configured,
        fn_constructor_args=(settings.replaced(catalog=tuple(at)),),
        batch_format="pyarrow",
        batch_size=batch_size,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
    )


class _Configured(Reranker):
    """The same from settings whose configuration was read by the driver."""

    def __init__(self, settings: Settings) -> None:
        self._begin(settings)


def _n_cpus() -> int | None:
    """The cores that Ray gave to this actor; None outside of Ray."""
    import ray

    if not ray.is_initialized():
        return None
    assigned = ray.get_runtime_context().get_assigned_resources()
    return max(1, int(assigned.get("CPU", 1)))
