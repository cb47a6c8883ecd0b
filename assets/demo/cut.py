"""Cuts the demo's data from the full WordNet evaluation set.

    python3 cut.py SOURCE_FOLDER [TARGET_FOLDER]

SOURCE_FOLDER holds `items.parquet`, `slates.parquet` and `LICENSE` of the full set (12,000 items, 800 slates); the
target is this folder by default. Needs pyarrow and numpy. The files' bytes may differ with the version of pyarrow,
their content does not.
"""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# In the order the demo lists them; it prints the first three in full.
SLATES = [
    "q0414",  # an enclosed yard for keeping poultry
    "q0240",  # any epidemic disease with a high death rate
    "q0436",  # an investigator who is employed to find missing persons or missing goods
    "q0382",  # action mechanism in a modern rifle or shotgun
    "q0658",  # the pictorial representation and manipulation of data by a computer
    "q0664",  # a long heavy sea wave as it advances towards the shore
    "q0118",  # alternate (responsive) singing by a choir in two parts
    "q0618",  # a drug that can produce mood changes and distorted perceptions
    "q0553",  # kitchen appliance consisting of a small electric oven for toasting or warming food
    "q0684",  # a railway yard in which trains are assembled and goods are loaded
    "q0095",  # a feeling of thoughtful sadness
    "q0620",  # the quality of happening accidentally and by lucky chance
]
CANDIDATES = 200
ITEM_COLUMNS = [
    "item_id", "title", "gloss", "category", "popularity", "semantic_id",
    "quality_class", "quality_confidence", "text", "graph",
]  # fmt: skip
# Entries that WordNet itself marks as insults have no place in a demo.
INSULT = re.compile(r"\b(offensive|derogatory|disparaging|slur|ethnic slur|obscene|vulgar|taboo)\b", re.IGNORECASE)


def cut(source: Path, target: Path) -> None:
    items = pq.read_table(source / "items.parquet", columns=ITEM_COLUMNS).combine_chunks()
    slates = pq.read_table(source / "slates.parquet")
    row_of = {slate_id: row for row, slate_id in enumerate(slates["slate_id"].to_pylist())}
    chosen = slates.take([row_of[slate_id] for slate_id in SLATES]).to_pylist()
    is_insult = np.array([bool(INSULT.search(gloss)) for gloss in items["gloss"].to_pylist()])

    kept = []
    for slate in chosen:
        candidates = np.array(slate["candidates"])
        scores = np.array(slate["scores"], dtype=np.float32)
        best = np.argsort(-scores, kind="stable")
        best = best[~is_insult[candidates[best]]][:CANDIDATES]
        kept.append((candidates[best], scores[best]))
    rows = np.unique(np.concatenate([candidates for candidates, _ in kept]))

    cut_items = items.take(rows)
    cut_slates = pa.table(
        {
            "slate_id": pa.array(SLATES),
            "query": pa.array([slate["query"] for slate in chosen]),
            "surface": pa.array([slate["surface"] for slate in chosen]),
            "candidates": pa.array(
                [np.searchsorted(rows, candidates).astype(np.uint32) for candidates, _ in kept], pa.list_(pa.uint32())
            ),
            "scores": pa.array([scores for _, scores in kept], pa.list_(pa.float32())),
        }
    )
    for name, table in [("items", cut_items), ("slates", cut_slates)]:
        table = table.replace_schema_metadata(None)
        pq.write_table(table, target / f"{name}.parquet", compression="zstd", compression_level=19)
    shutil.copyfile(source / "LICENSE", target / "LICENSE")
    n_barred = int(is_insult.sum())
    print(f"{len(rows)} items, {len(kept)} slates of {CANDIDATES} candidates; {n_barred} items of the full set barred")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    cut(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) == 3 else Path(__file__).parent))
