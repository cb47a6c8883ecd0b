"""The main README's example of a pipe, as it stands there, for tables of every kind."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spectrank

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.mark.parametrize(
    "table",
    [
        lambda t: t,
        # What a file of eight row groups gives.
        lambda t: pa.concat_tables([t.slice(start, 150) for start in range(0, 1200, 150)]),
        lambda t: t.slice(0, 500),
        lambda t: t.slice(13, 1),
        lambda t: t.slice(0, 0),
    ],
    ids=["one piece", "chunks", "slice", "slate without candidates", "none"],
)
def test_the_pipe_of_the_readme_gives_every_row(table: Callable[[pa.Table], pa.Table], tmp_path: Path) -> None:
    asked = table(made.slates(1200, 12))
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "Popen" in block)
    pq.write_table(pq.read_table(made.CATALOG), tmp_path / "items.parquet")
    (tmp_path / "spectrank").symlink_to(spectrank.program())
    with pa.OSFile(str(tmp_path / "slates.arrow"), "wb") as file, pa.ipc.new_stream(file, asked.schema) as stream:
        for batch in asked.to_batches():
            stream.write_batch(batch)
        if asked.num_rows == 0:
            stream.write_batch(pa.RecordBatch.from_pylist([], asked.schema))
    given = "import pyarrow as pa\nslates = pa.ipc.open_stream(pa.OSFile('slates.arrow')).read_all()\n"
    kept = "\nwith pa.OSFile('ranked.arrow', 'wb') as f, ipc.new_stream(f, ranked.schema) as s: s.write_table(ranked)\n"
    # A pipe that is full in both directions would hang for ever.
    subprocess.run(
        [sys.executable, "-c", given + code + kept],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "SPECTRANK_GPU_CACHE": "0"},
        check=True,
        timeout=60,
    )
    with pa.OSFile(str(tmp_path / "ranked.arrow")) as file:
        ranked = pa.ipc.open_stream(file).read_all()
    # The rest may have other last digits, where there is a GPU.
    columns = ["slate_id", "position"]
    assert ranked.select(columns).equals(spectrank.rerank(asked, made.CATALOG, backend="cpu").select(columns))
