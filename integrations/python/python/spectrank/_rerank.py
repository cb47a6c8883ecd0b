"""`spectrank.rerank` and its relatives, on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _pool
from ._child import Answer, Told
from ._errors import SpectrankError
from ._settings import Keywords, Settings, StrPath
from ._slates import Numbering, Slates, as_plain, check_columns, is_long, plain, reader_of, with_id_column
from ._worker import Worker, share_of, start_child

if TYPE_CHECKING:
    import sys

    if sys.version_info >= (3, 12):
        from typing import Unpack
    else:
        from typing_extensions import Unpack

_MOST_UNWRITTEN = 4


def rerank(slates: Slates, catalog: StrPath | Sequence[StrPath], **keywords: Unpack[Keywords]) -> pa.Table:
    """Re-ranks slates: decides, position by position, what each of them shows.

    Args:
        slates: One row per slate, with the columns `candidates` (list of catalog rows, or of item ids where they are text),
            `scores` (list of numbers), and if you like `slate_id`, `recent`, `pinned`, `seen` and attributes; or one row
            per candidate, with `slate_id`, `item_id` or `item`, and `score`, rows of a slate together. A table, a batch,
            a reader, a data frame of polars or pandas, or an iterable of batches.
        catalog: The file with your items and their embeddings, or several that join by row.
        **keywords: `config`, a TOML file or a dictionary of the same keys, and any of `slate_size`, `strategy`,
            `strength`, `behind`, `ahead`, `scope`, `spectra`, `backend`, `adapter`, `precision`, `threads`,
            `extra_args`, which go over it: see `Settings`.

    Returns:
        One row per position of every slate, slates in the order in which they came: `slate_id`, `position`, `item_id`,
        `candidate` (index into the slate's candidates), `score`, `base`, `utility`, and the terms of the utility.

    Raises:
        SpectrankError: What is wrong, in one line.

    Example:
        >>> slates = pa.table({"slate_id": ["u1"], "candidates": [[17, 4, 230]], "scores": [[0.92, 0.9, 0.4]]})
        >>> spectrank.rerank(slates, "items.parquet", slate_size=2)
    """
    return rerank_batches(slates, catalog, **keywords).read_all()


def rerank_batches(
    slates: Slates, catalog: StrPath | Sequence[StrPath], **keywords: Unpack[Keywords]
) -> pa.RecordBatchReader:
    """The same as `rerank`, batch by batch: memory does not grow with the number of slates.

    Slates are read as rankings are asked for, a few batches ahead.
    """
    settings = Settings.of(catalog, keywords)
    reader = reader_of(slates)
    check_columns(reader.schema)
    if is_long(reader.schema):
        schema, answers = _through(settings, reader)
    else:
        schema, answers = _by_warm_worker(settings, reader)
    return pa.RecordBatchReader.from_batches(schema, answers)


def _by_warm_worker(settings: Settings, reader: pa.RecordBatchReader) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    stack = ExitStack()
    worker = stack.enter_context(_pool.borrowed(settings, with_id_column(plain(reader.schema))))
    # What goes wrong from here on has to pass through the stack, which then ends the worker.
    answers = _ranked(stack, worker, reader)
    return next(answers), answers


def _ranked(stack: ExitStack, worker: Worker, reader: pa.RecordBatchReader) -> Iterator[Any]:
    """First the schema, then the batches."""
    with stack:
        yield worker.start()
        present = pa.schema([field for field in worker.columns if field.name in reader.schema.names])
        numbering = Numbering()
        yield from worker.rank(numbering.numbered(as_plain(batch, present)) for batch in reader)


def _through(settings: Settings, reader: pa.RecordBatchReader) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Slates in the long layout, in one piece: only the end of the input tells that the last slate is whole."""
    needed = settings.needed_columns()
    sent = pa.schema([field for field in plain(reader.schema) if field.name in needed])
    share = share_of(settings)
    try:
        child = start_child(settings, sent, share, tells_written=True)
    except BaseException:
        share.release()
        raise

    def answers() -> Iterator[pa.RecordBatch]:
        n_unwritten, is_over = 0, False
        try:
            while True:
                while not is_over and n_unwritten < _MOST_UNWRITTEN:
                    batch = next(reader, None)
                    if batch is None:
                        is_over = True
                        child.finish()
                    elif batch.num_rows > 0:
                        child.send(as_plain(batch, sent))
                        n_unwritten += 1
                event = child.receive()
                if event is Told.END:
                    return
                if isinstance(event, Answer):
                    yield event.rows
                else:
                    n_unwritten -= 1
        except SpectrankError as error:
            raise settings.renamed(error, None) from None
        finally:
            child.kill()
            share.release()

    return child.schema, answers()
