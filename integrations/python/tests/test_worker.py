"""One warm child: reuse, large batches, sudden deaths."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import stat
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spectrank
from conftest import children_of, is_running, wait_for
from spectrank._adapters import Share
from spectrank._child import Answer, Told
from spectrank._settings import Settings
from spectrank._slates import MESSAGE_SLATES
from spectrank._worker import Worker, start_child
from spectrank.ray import Reranker


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


def answers_to(messages: list[pa.RecordBatch], settings: Settings) -> list[Answer]:
    """All that the program says to them."""
    child = start_child(settings, messages[0].schema, Share(None, None))
    for message in messages:
        child.send(message)
    child.finish()
    return [event for event in iter(child.receive, Told.END) if isinstance(event, Answer)]


def test_a_message_is_answered_by_one_batch() -> None:
    """What the README promises: up to 1,024 slates, one answer, also where none of them has a row."""
    whole = made.slates(MESSAGE_SLATES, 12).combine_chunks().to_batches()[0]
    empty = whole.slice(13, 1)
    messages = [whole, whole.slice(0, 1), empty, whole.slice(5, 700), whole.slice(0, 0), empty]
    answers = answers_to(messages, Settings.of(made.CATALOG, {"backend": "cpu"}))
    sizes = [sum(len(x) for x in message.column("candidates").to_pylist()) for message in messages]
    # Nothing is asked by a message without slates.
    assert [answer.rows.num_rows for answer in answers] == sizes[:4] + sizes[5:]
    assert [answer.n_slates for answer in answers] == [MESSAGE_SLATES, 1, 1, 700, 1]


# Quick to rank, for what is looked at is how answers come.
QUICK: dict[str, Any] = {"backend": "cpu", "strategy": "relevance"}
LIMITED = ("--memory-limit", "95MiB")


def limited_slates() -> pa.Table:
    """Slates that are too many for that memory at a time; the last ones of a message have no rows, and ids come again."""
    slates = made.slates(1000, 40, by_row=True)
    empty = pa.array([[]] * 40, slates.schema.field("candidates").type)
    columns = [pa.array(["none"] * 40), pa.nulls(40, pa.string()), empty, empty.cast(pa.list_(pa.float64()))]
    slates = pa.concat_tables([slates, pa.table(columns, schema=slates.schema)])
    return slates.set_column(0, "slate_id", pa.array([f"q{number % 7}" for number in range(slates.num_rows)]))


def test_where_memory_is_limited_a_message_is_answered_in_parts_that_say_what_they_answer() -> None:
    message = limited_slates().combine_chunks().to_batches()[0].slice(16)
    settings = Settings.of(made.CATALOG, {"backend": "cpu", "strategy": "relevance", "extra_args": LIMITED})
    answers = answers_to([message], settings)
    assert len(answers) > 1
    assert sum(answer.n_slates or 0 for answer in answers) == message.num_rows == MESSAGE_SLATES


def test_no_row_is_lost_where_memory_is_limited() -> None:
    slates = limited_slates()
    turned = slates.take(list(range(slates.num_rows - 1, -1, -1)))
    sources = (slates, turned, slates.slice(0, 9))
    expected = [spectrank.rerank(source, made.CATALOG, **QUICK) for source in sources]
    children = set()
    for source, whole in zip(sources, expected):
        assert spectrank.rerank(source, made.CATALOG, **QUICK, extra_args=LIMITED).equals(whole)
        children |= my_children()
    # Warm all the while.
    assert len(children) == 1


def test_an_actor_loses_no_row_where_memory_is_limited() -> None:
    actor = Reranker(made.CATALOG, **QUICK, threads=1, extra_args=LIMITED)
    slates = limited_slates()
    expected = spectrank.rerank(slates, made.CATALOG, **QUICK)
    for _ in range(2):
        assert actor(slates).equals(expected)
    actor.close()


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


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("tell(['other'], len(ids))", "'other', which was not asked for"),
        ("tell(ids[1::-1] + ids[2:], len(ids))", "'q0000000', which was not asked for"),
        ("tell(ids + ids[-1:], len(ids))", "'q0000004', which was not asked for"),
        ("tell(ids[:2], 2); tell(ids[:1], 3)", "'q0000000', which was not asked for"),
        ("tell(ids, 2); tell([], 4)", "5 slates were sent and 6 answered"),
        ("tell(ids, None)", "does not say which slates it answers"),
        ("tell(ids[:2], 2); sys.exit(0)", "ended before it had answered everything"),
    ],
)
@pytest.mark.parametrize("is_warm", [False, True])
def test_an_answer_to_other_slates_is_an_error(
    act: str, message: str, is_warm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, count = fake_program(tmp_path, f"if len(ids) < 5: tell(ids, len(ids)); continue\n        {act}")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    if is_warm:
        assert rerank(made.slates(3)).num_rows == 3
    n_before = len(count.read_text())
    with pytest.raises(spectrank.SpectrankError, match=message):
        rerank(made.slates(5))
    # None that has lost count waits for the next call.
    assert not my_children()
    assert len(count.read_text()) == n_before + 1
    assert rerank(made.slates(3)).column("slate_id").to_pylist() == ["q0000000", "q0000001", "q0000002"]


def test_a_worker_whose_answer_was_wrong_is_not_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As actors of engines have it, without the pool around it."""
    program, _ = fake_program(tmp_path, "tell(['other'], len(ids))")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    slates = made.slates(5)
    worker = Worker(Settings.of(made.CATALOG, {"backend": "cpu"}), slates.schema)
    with pytest.raises(spectrank.SpectrankError, match="which was not asked for"):
        rank(worker, slates)
    assert worker.pid is None


def test_an_answer_that_comes_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One has no rows, and neither have the last two slates; the first part makes no slate's answer whole.
    program, _ = fake_program(tmp_path, "tell(ids[:1], 0); tell(ids[1:2], 2); tell([], 1); tell(ids[4:], len(ids) - 3)")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    for n in (7, 9):
        found = rerank(made.slates(n)).column("slate_id").to_pylist()
        assert found == [f"q{number:07}" for number in range(n) if number not in (2, 3)]
    assert len(my_children()) == 1


def test_what_comes_unasked_is_no_answer_to_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, count = fake_program(tmp_path, "tell(ids, len(ids)); tell(ids, len(ids))")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    slates = made.slates(5)
    worker = Worker(Settings.of(made.CATALOG, {"backend": "cpu"}), slates.schema)
    for n_children in (1, 2):
        assert rank(worker, slates).num_rows == 5
        assert count.read_text() == "x" * n_children
        (pid,) = my_children()
        child = worker._child
        assert child is not None
        assert wait_for(child.has_unread)
        worker.start()
        assert worker.pid != pid
    worker.close()


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
