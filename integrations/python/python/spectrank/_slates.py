"""Slates as callers have them, made ready for a stream to the program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Union

import pyarrow as pa
import pyarrow.compute as pc

from ._errors import SpectrankError

MESSAGE_SLATES = 1024
"""Most slates of one message. The program answers a message of so many with one batch, unless its memory is limited."""

_MESSAGE_BYTES = 16 << 20

Slates = Union[pa.Table, pa.RecordBatch, pa.RecordBatchReader, Iterable[Any], Any]
"""What `rerank` takes: a table, a batch, a reader, any object with an Arrow stream (`__arrow_c_stream__`, as data frames of
polars and pandas have), or an iterable of batches or tables."""


def reader_of(slates: Slates) -> pa.RecordBatchReader:
    """Any kind of slates as one reader.

    Raises:
        SpectrankError: Nothing that holds Arrow data; an iterable without any batch.
    """
    if isinstance(slates, pa.RecordBatchReader):
        return slates
    if isinstance(slates, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(slates.schema, [slates])
    if isinstance(slates, pa.Table):
        return pa.RecordBatchReader.from_batches(slates.schema, _gathered(slates))
    if hasattr(slates, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(slates)
    if isinstance(slates, Iterable) and not isinstance(slates, (str, bytes, dict)):
        batches = _batches(slates)
        first = next(batches, None)
        if first is None:
            raise SpectrankError("slates: no batch came, so their columns are not known: pass an empty table instead")
        return pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    raise SpectrankError(f"slates: {type(slates).__name__} holds no Arrow data: pass a table, or batches of one")


def _batches(slates: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    for part in slates:
        if isinstance(part, pa.RecordBatch):
            yield part
        elif isinstance(part, pa.Table):
            yield from _gathered(part) or [pa.RecordBatch.from_pylist([], schema=part.schema)]
        else:
            raise SpectrankError(f"slates: the iterable gave {type(part).__name__}, not a record batch or a table")


def _gathered(table: pa.Table) -> list[pa.RecordBatch]:
    """The rows of a table in batches that are worth sending: tables are often in tiny pieces."""
    batches: list[pa.RecordBatch] = table.to_batches()
    if len(batches) > 1 and table.num_rows < len(batches) * MESSAGE_SLATES // 2:
        # Pieces of this size keep offsets of lists in 32 bits.
        rows = max(1, min(1 << 16, (1 << 30) // max(1, table.nbytes // max(1, table.num_rows))))
        slices = (table.slice(start, rows).combine_chunks() for start in range(0, table.num_rows, rows))
        batches = [batch for part in slices for batch in part.to_batches()]
    return batches


def is_long(schema: pa.Schema) -> bool:
    """True for slates in the long layout: one row per candidate."""
    return "candidates" not in schema.names and "score" in schema.names


def check_columns(schema: pa.Schema) -> None:
    """Looks whether slates have what either layout needs: the program sees only columns that it has a use for.

    Raises:
        SpectrankError: They have not.
    """
    needed = (("score",), ("slate_id",), ("item_id", "item")) if is_long(schema) else (("candidates",), ("scores",))
    for names in needed:
        if not any(name in schema.names for name in names):
            there = ", ".join(schema.names) or "none"
            cure = "slates need candidates and scores, or slate_id, item_id and score with a row per candidate"
            raise SpectrankError(f"slates: there is no column {names[0]} among {there}: {cure}")


def plain(schema: pa.Schema) -> pa.Schema:
    """The same columns in types whose slices are small when they are written: views carry along all they point into.

    All may hold nulls, and elements of lists are called `item`: engines say now this and now that of the same column, and a
    warm child serves both.
    """
    return pa.schema([_plain_field(field) for field in schema])


def _plain_type(of: pa.DataType) -> pa.DataType:
    name = str(of)
    if pa.types.is_dictionary(of):
        return _plain_type(of.value_type)
    if name == "string_view":
        return pa.large_string()
    if name == "binary_view":
        return pa.large_binary()
    if pa.types.is_list(of):
        return pa.list_(_plain_type(of.value_type))
    if pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of) or _is_list_view(of):
        return pa.large_list(_plain_type(of.value_type))
    if pa.types.is_struct(of):
        return pa.struct([_plain_field(of.field(i)) for i in range(of.num_fields)])
    return of


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _plain_type(field.type))


def _is_list_view(of: pa.DataType) -> bool:
    return str(of).startswith(("list_view<", "large_list_view<"))


def as_plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch cast to the columns of a plain schema; others are left out.

    Raises:
        SpectrankError: A column is not there, or not of the type that it had in the batch before.
    """
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        try:
            if index < 0:
                raise SpectrankError(f"slates: column {field.name} is missing, or there twice, in a later batch")
            columns.append(_cast(batch.column(index), field.type))
        except pa.ArrowException as error:
            raise SpectrankError(f"slates: column {field.name}: {' '.join(str(error).split())}") from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, to: pa.DataType) -> pa.Array:
    if column.type == to:
        return column
    if pa.types.is_large_list(to) or pa.types.is_list(to):
        # By hand: Arrow's own casts of views to lists give offsets that are too short (pyarrow 26).
        is_large = pa.types.is_large_list(to)
        lengths = pc.list_value_length(column).fill_null(0).cast(pa.int64())
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
        kind = pa.LargeListArray if is_large else pa.ListArray
        offsets = offsets if is_large else offsets.cast(pa.int32())
        mask = column.is_null() if column.null_count else None
        return kind.from_arrays(offsets, _cast(column.flatten(), to.value_type), type=to, mask=mask)
    if pa.types.is_struct(to):
        parts = [_cast(part, to.field(i).type) for i, part in enumerate(column.flatten())]
        mask = column.is_null() if column.null_count else None
        return pa.StructArray.from_arrays(parts, fields=list(to), mask=mask)
    return column.cast(to)


_ID = pa.field("slate_id", pa.int64())


def with_id_column(schema: pa.Schema) -> pa.Schema:
    """The same columns, and one of ids where there is none."""
    return schema if "slate_id" in schema.names else schema.append(_ID)


class Numbering:
    """Ids for slates that have none: their number, counted from 0, as the program gives them."""

    def __init__(self) -> None:
        self._n_slates = 0

    def numbered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The next rows, each with an id. Ids are not in a dictionary."""
        start, self._n_slates = self._n_slates, self._n_slates + batch.num_rows
        index = batch.schema.get_field_index("slate_id")
        if index >= 0 and batch.column(index).null_count == 0:
            return batch
        numbers = pa.array(range(start, self._n_slates), pa.int64())
        if index < 0:
            return pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=batch.schema.append(_ID))
        columns = batch.columns
        columns[index] = pc.coalesce(columns[index], numbers.cast(columns[index].type))
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def with_ids(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch as it is, each of whose slates has an id.

    Raises:
        SpectrankError: One has none, and no worker can number it.
    """
    index = batch.schema.get_field_index("slate_id")
    if index < 0 or batch.column(index).null_count > 0:
        which = "there is no column slate_id" if index < 0 else "a slate has no slate_id"
        raise SpectrankError(f"slates: {which}: give each one an id, for workers cannot number what they see parts of")
    return batch


def messages(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows of a batch in about equal parts, each small enough to be ranked in one go."""
    if batch.num_rows == 0:
        return
    bytes_per_row = max(1, batch.nbytes // batch.num_rows)
    most = max(1, min(MESSAGE_SLATES, _MESSAGE_BYTES // bytes_per_row))
    n_messages = -(-batch.num_rows // most)
    rows = -(-batch.num_rows // n_messages)
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
