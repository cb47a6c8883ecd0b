"""Programs that start as the real one does and then do something else."""

from __future__ import annotations

import stat
import sys
import textwrap
from pathlib import Path

import spectrank

FAKE = """
    import os, sys
    real = {real!r}
    if sys.argv[1] == "schema":
        os.execv(real, [real, *sys.argv[1:]])
    import pyarrow as pa, spectrank
    schema = spectrank.result_schema(item_ids=True)

    def tell(ids, n_slates):
        rows = [[slate, 0, "x", 0] + [0.0] * 7 for slate in ids]
        columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            metadata = None if n_slates is None else {{"spectrank.slates": str(n_slates)}}
            stream.write_batch(pa.record_batch(columns, schema=schema), custom_metadata=metadata)
        # Without the schema, which has gone out, and the mark of the end.
        sys.stdout.buffer.write(sink.getvalue().to_pybytes()[schema.serialize().size : -8])
        sys.stdout.buffer.flush()

    sys.stdout.buffer.write(schema.serialize())
    sys.stdout.buffer.flush()
    for batch in pa.ipc.open_stream(sys.stdin.buffer):
        if batch.num_rows:
            open({count!r}, "a").write("x")
            ids = batch.column("slate_id").to_pylist()
            {act}
"""


def fake_program(folder: Path, act: str) -> tuple[Path, Path]:
    """A program that starts as it should and then does something else, and the file with a mark for each batch."""
    count = folder / "count"
    count.touch()
    text = textwrap.dedent(FAKE).format(real=spectrank.program(), count=str(count), act=act)
    return script(folder, f"#!{sys.executable}\n{text}"), count


def script(folder: Path, text: str) -> Path:
    path = folder / "program"
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
