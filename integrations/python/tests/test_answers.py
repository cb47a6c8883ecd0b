"""Answers of the program held against what was asked: none is lost, and none is taken for another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import made
import pyarrow as pa
import pytest
import spectrank
from conftest import children_of, wait_for
from fake import fake_program
from spectrank._adapters import Share
from spectrank._child import Answer, Told
from spectrank._settings import Settings
from spectrank._slates import MESSAGE_SLATES
from spectrank._worker import Worker, start_child
from spectrank.ray import Reranker


def rerank(slates: pa.Table) -> pa.Table:
    return spectrank.rerank(slates, made.CATALOG, backend="cpu")


def my_children() -> set[int]:
    return set(children_of(os.getpid()))


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
        list(worker.rank(slates.to_batches()))
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
        assert [rows.num_rows for rows in worker.rank(slates.to_batches())] == [5]
        assert count.read_text() == "x" * n_children
        (pid,) = my_children()
        child = worker._child
        assert child is not None
        assert wait_for(child.has_unread)
        worker.start()
        assert worker.pid != pid
    worker.close()
