"""Slates that tests are made of: candidates drawn from the demo's catalog, the same ones on every machine."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ASSETS = Path(__file__).resolve().parents[3] / "assets"
CATALOG = ASSETS / "demo" / "items.parquet"
CONFIG = ASSETS / "demo" / "feed.toml"
DEMO_SLATES = ASSETS / "demo" / "slates.parquet"


def item_ids() -> list[str]:
    ids: list[str] = pq.read_table(CATALOG, columns=["item_id"]).column(0).to_pylist()
    return ids


def slates(n_slates: int, n_candidates: int = 100, seed: int = 1, *, by_row: bool = False) -> pa.Table:
    """So many slates, among them some of one candidate and some of none."""
    source = random.Random(seed)
    ids = item_ids()
    population = range(len(ids))
    offsets: list[int] = [0]
    items: list[Any] = []
    scores: list[float] = []
    for number in range(n_slates):
        n = {7: 1, 13: 0}.get(number % 50, n_candidates)
        chosen = source.sample(population, n)
        items += chosen if by_row else [ids[row] for row in chosen]
        scores += sorted((source.random() for _ in range(n)), reverse=True)
        offsets.append(len(items))
    starts = pa.array(offsets, pa.int32())
    return pa.table(
        {
            "slate_id": [f"q{number:07}" for number in range(n_slates)],
            "surface": [("home", "search", None)[number % 3] for number in range(n_slates)],
            "candidates": pa.ListArray.from_arrays(starts, pa.array(items)),
            "scores": pa.ListArray.from_arrays(starts, pa.array(scores, pa.float64())),
        }
    )


def rows_of(slates_: pa.Table) -> pa.Table:
    """The same slates with one row per candidate."""
    names = ["slate_id", "surface", "item_id", "score"]
    rows = [
        (slate["slate_id"], slate["surface"], item, score)
        for slate in slates_.to_pylist()
        for item, score in zip(slate["candidates"], slate["scores"])
    ]
    columns = list(zip(*rows))
    return pa.table({name: pa.array(column) for name, column in zip(names, columns)})
