"""One warm child: reuse, large batches, sudden deaths."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spectrank
from conftest import children_of, is_running, wait_for
from fake import fake_program, script
from spectrank._settings import Settings
from spectrank._worker import Worker


def rerank(slates: object, catalog: Path = made.CATALOG) -> pa.Table:
    return spectrank.rerank(slates, catalog, backend="cpu")


def my_children() -> set[int]:
    return set(children_of(os.getpid()))


@pytest.fixture
def worker(settings: Settings, slates: pa.Table) -> Iterator[Worker]:
    worker = Worker(settings, slates.schema)
    yield worker
    worker.close()


def rank(worker: Worker, slates: pa.Table, rows: int = 100) -> pa.Table:
    return pa.Table.from_batches(list(worker.rank(slates.to_batches(max_chunksize=rows))))


def test_the_child_stays_between_calls() -> None:
    slates = made.slates(40)
    first = rerank(slates)
    children = my_children()
    assert len(children) == 1
    for _ in range(3):
        assert rerank(slates).equals(first)
    assert my_children() == children
    # Other settings, another child, and the first one is not kept beside it.
    spectrank.rerank(slates, made.CATALOG, backend="cpu", slate_size=3)
    assert len(my_children()) == 1
    assert my_children() != children
    spectrank.close()
    assert not my_children()


def test_columns_that_may_hold_nulls_and_those_that_may_not_share_a_child() -> None:
    slates = made.slates(40)
    first = rerank(slates)
    children = my_children()
    strict = pa.schema(
        [
            slates.schema.field("slate_id").with_nullable(False),
            slates.schema.field("surface"),
            pa.field("candidates", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False),
            pa.field("scores", pa.list_(pa.field("element", pa.float64(), nullable=False)), {"key": "value"}),
        ]
    )
    named = pa.Table.from_arrays(
        [
            slates.column(0),
            slates.column(1),
            pa.array(slates.column(2).to_pylist(), strict.field(2).type),
            pa.array(slates.column(3).to_pylist(), strict.field(3).type),
        ],
        schema=strict,
    )
    assert rerank(named).equals(first)
    assert my_children() == children


def test_a_child_that_nobody_needs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECTRANK_IDLE_S", "0.3")
    rerank(made.slates(5))
    assert my_children()
    assert wait_for(lambda: not my_children())
    monkeypatch.setenv("SPECTRANK_IDLE_S", "0")
    rerank(made.slates(5))
    assert not my_children()
    monkeypatch.setenv("SPECTRANK_IDLE_S", "soon")
    with pytest.raises(spectrank.SpectrankError, match="SPECTRANK_IDLE_S is 'soon'"):
        rerank(made.slates(5))


def test_a_catalog_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    catalog = tmp_path / "items.parquet"
    items = pq.read_table(made.CATALOG, columns=["item_id", "text"])
    pq.write_table(items, catalog)
    slates = made.slates(3, 10, by_row=True)
    before = rerank(slates, catalog)
    turned = items.take(list(range(items.num_rows - 1, -1, -1)))
    pq.write_table(turned, tmp_path / "new.parquet")
    (tmp_path / "new.parquet").replace(catalog)
    after = rerank(slates, catalog)
    assert not after.equals(before)
    spectrank.close()
    assert rerank(slates, catalog).equals(after)


def test_an_idle_child_that_was_killed_is_replaced() -> None:
    slates = made.slates(10)
    before = rerank(slates)
    (child,) = my_children()
    os.kill(child, signal.SIGKILL)
    assert wait_for(lambda: not is_running(child))
    assert rerank(slates).equals(before)


def test_batches_larger_than_any_pipe() -> None:
    # 40 MB in, 60 MB out; both directions are full at once.
    slates = made.slates(3000, 500)
    few = slates.slice(2000, 20)
    config = {"strategy": "relevance", "slate_size": 500}
    found = spectrank.rerank(slates, made.CATALOG, config=config, backend="cpu")
    sizes = [len(candidates) for candidates in slates.column("candidates").to_pylist()]
    assert found.num_rows == sum(sizes)
    expected = spectrank.rerank(few, made.CATALOG, config=config, backend="cpu")
    assert found.slice(sum(sizes[:2000]), expected.num_rows).equals(expected)


def test_a_child_killed_at_work_costs_nothing_but_time(worker: Worker, slates: pa.Table) -> None:
    expected = rank(worker, slates)
    deaths = []

    def source() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(slates.to_batches(max_chunksize=100)):
            if number in (3, 4, 11, 29):
                child = worker.pid
                assert child is not None
                # Two kills in a row can hit the same child, which may have been buried since the first one.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                deaths.append(child)
            yield batch

    found = pa.Table.from_batches(list(worker.rank(source())))
    assert found.equals(expected)
    assert len(set(deaths)) >= 3


def test_children_killed_at_any_instant(worker: Worker, slates: pa.Table) -> None:
    expected = rank(worker, slates)
    source = random.Random(7)
    n_kills = 0
    for _ in range(40):
        child = worker.pid
        assert child is not None
        # From before the first answer to after the last one.
        timer = threading.Timer(source.uniform(0, 0.4), os.kill, (child, signal.SIGKILL))
        timer.start()
        assert rank(worker, slates).equals(expected)
        timer.cancel()
        timer.join()
        worker.start()
        n_kills += worker.pid != child
    assert n_kills >= 10


def test_slates_that_kill_every_child_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, count = fake_program(tmp_path, "os.kill(os.getpid(), 9)")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    with pytest.raises(spectrank.SpectrankError, match="ended by signal 9; out of memory") as caught:
        rerank(made.slates(5))
    assert caught.value.exit_code == -9
    assert count.read_text() == "xx"


def test_a_program_that_fails_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    act = "sys.stderr.write('noise\\nspectrank: the GPU is gone\\n'); sys.exit(4)"
    program, count = fake_program(tmp_path, act)
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    with pytest.raises(spectrank.SpectrankError, match="^the GPU is gone$") as caught:
        rerank(made.slates(5))
    assert caught.value.exit_code == 4
    assert caught.value.log == ("noise", "spectrank: the GPU is gone")
    assert count.read_text() == "x"


def test_a_program_that_ends_early_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, _ = fake_program(tmp_path, "sys.exit(0)")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    with pytest.raises(spectrank.SpectrankError, match="ended before it had answered everything"):
        rerank(made.slates(5))


def test_a_flood_on_standard_error_blocks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slates = made.slates(50)
    expected = rerank(slates)
    real = spectrank.program()
    text = f'#!/bin/sh\n[ "$1" = schema ] || yes noise | head -c 3000000 >&2\nexec {real} "$@"\n'
    monkeypatch.setenv("SPECTRANK_BIN", str(script(tmp_path, text)))
    spectrank.close()
    assert rerank(slates).equals(expected)


def test_a_reader_that_is_dropped_ends_its_child(slates: pa.Table) -> None:
    reader = spectrank.rerank_batches(slates.to_batches(max_chunksize=100), made.CATALOG, backend="cpu")
    reader.read_next_batch()
    assert my_children()
    del reader
    assert wait_for(lambda: not my_children())


def test_threads_have_children_of_their_own(slates: pa.Table) -> None:
    expected = rerank(slates)
    found: list[pa.Table] = []
    threads = [threading.Thread(target=lambda: found.append(rerank(slates))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(table.equals(expected) for table in found)
    # The threads are gone; one of their children is still there, warm.
    assert len(my_children()) == 1
    assert rerank(slates).equals(expected)


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(spectrank.SpectrankError("a line", 4, ("x",))))  # noqa: S301
    assert (str(error), error.exit_code, error.log) == ("a line", 4, ("x",))
