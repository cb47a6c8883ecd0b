"""Columns of rankings, for engines that have to know them before there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ._errors import SpectrankError

_NUMBERS = ("score", "base", "utility", "diversity", "spacing", "semantic", "balance")


def result_schema(*, item_ids: bool, signed: bool = False) -> pa.Schema:
    """Columns of rankings.

    Args:
        item_ids: Whether the catalog has an `item_id` column; without one, items are catalog rows.
        signed: Whether whole numbers are signed, for engines that have no others (Spark).
    """
    count, row = (pa.int32(), pa.int64()) if signed else (pa.uint32(), pa.uint32())
    fields = [
        pa.field("slate_id", pa.string(), nullable=False),
        pa.field("position", count, nullable=False),
        pa.field("item_id", pa.string() if item_ids else row, nullable=False),
        pa.field("candidate", count, nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in _NUMBERS),
    ]
    return pa.schema(fields)


def has_item_ids(catalog: Sequence[str]) -> bool:
    """True where one of the catalog's files names its items. Only Parquet can, and only its footer is read.

    Raises:
        SpectrankError: A file cannot be read here.
    """
    return any(_has_item_ids(path) for path in catalog)


def _has_item_ids(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            if file.read(4) != b"PAR1":
                return False
            return "item_id" in pq.read_schema(file).names
    except (OSError, pa.ArrowException) as error:
        cure = "correct the path; where the file lies on the workers alone, say item_ids=True or item_ids=False"
        raise SpectrankError(f"catalog: {path}: cannot be read ({error}): {cure}") from error
