"""What people call: kinds of input, equal results, errors."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spectrank
from conftest import children_of
from spectrank._slates import Numbering, messages


def rerank(slates: Any, **more: Any) -> pa.Table:
    return spectrank.rerank(slates, made.CATALOG, **{"config": made.CONFIG, "backend": "cpu", **more})


def of_the_program(slates: pa.Table, folder: Path) -> pa.Table:
    """From file to file."""
    pq.write_table(slates, folder / "slates.parquet")
    files = ["--slates", str(folder / "slates.parquet"), "--output", str(folder / "ranked.parquet")]
    settings = ["--config", str(made.CONFIG), "--backend", "cpu", "--quiet"]
    subprocess.run([spectrank.program(), "rerank", "--catalog", str(made.CATALOG), *files, *settings], check=True)
    return pq.read_table(folder / "ranked.parquet")


@pytest.fixture(scope="session")
def expected(slates: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return of_the_program(slates, tmp_path_factory.mktemp("program"))


def test_rows_and_metadata_are_the_programs(slates: pa.Table, tmp_path: Path) -> None:
    found = rerank(slates)
    assert found.equals(of_the_program(slates, tmp_path))
    written = pq.read_metadata(tmp_path / "ranked.parquet").metadata
    for key in (b"spectrank.version", b"spectrank.config", b"spectrank.module_info"):
        assert found.schema.metadata[key] == written[key]


def test_slates_of_the_demo_by_row(tmp_path: Path) -> None:
    slates = pq.read_table(made.DEMO_SLATES)
    assert rerank(slates).equals(of_the_program(slates, tmp_path))


@pytest.mark.parametrize(
    "kind",
    [
        lambda t: t.combine_chunks().to_batches()[0],
        lambda t: t.to_reader(max_chunksize=700),
        lambda t: t.to_batches(max_chunksize=100),
        lambda t: iter([t.slice(0, 1), t.slice(1, 0), t.slice(1)]),
        lambda t: pa.concat_tables([t.slice(i, 3) for i in range(0, t.num_rows, 3)]),
        lambda t: Stream(t),
        lambda t: t.append_column("vector", pa.array([[0.5] * 8] * t.num_rows)),
    ],
    ids=["batch", "reader", "batches", "tables", "tiny chunks", "Arrow stream", "a column of no use"],
)
def test_every_kind_of_input(kind: Callable[[pa.Table], Any], slates: pa.Table, expected: pa.Table) -> None:
    assert rerank(kind(slates)).equals(expected)


class Stream:
    """As data frames of polars and pandas are: nothing but an Arrow stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.to_reader(max_chunksize=1000).__arrow_c_stream__(requested_schema)


LISTS: dict[str, Callable[[pa.DataType], pa.DataType]] = {"list": pa.list_, "large_list": pa.large_list}
if hasattr(pa, "list_view"):
    LISTS |= {"list_view": pa.list_view, "large_list_view": pa.large_list_view}
TEXTS = {"large_string": pa.large_string(), "dictionary": pa.dictionary(pa.int32(), pa.string())}
if hasattr(pa, "string_view"):
    TEXTS["string_view"] = pa.string_view()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", LISTS)
def test_every_encoding_of_lists_and_text(kind: str, text: str, slates: pa.Table, expected: pa.Table) -> None:
    slates = slates.slice(0, 1100)
    # Built of Python's values, since not every version of Arrow casts between all of these.
    items = pa.array(slates.column("candidates").to_pylist(), LISTS[kind](pa.string()))
    items = with_values(items, encoded(items.values, TEXTS[text]), kind)
    columns = {
        "slate_id": encoded(slates.column("slate_id").combine_chunks(), TEXTS[text]),
        "surface": encoded(slates.column("surface").combine_chunks(), TEXTS[text]),
        "candidates": items,
        "scores": pa.array(slates.column("scores").to_pylist(), LISTS[kind](pa.float32())),
    }
    found = rerank(pa.table(columns))
    plain = rerank(
        slates.set_column(3, "scores", pa.array(slates.column("scores").to_pylist(), pa.list_(pa.float32())))
    )
    assert found.equals(plain)
    assert found.column("item_id").slice(0, 12).equals(expected.column("item_id").slice(0, 12))


def encoded(values: pa.Array, to: pa.DataType) -> pa.Array:
    return values.dictionary_encode() if pa.types.is_dictionary(to) else pa.array(values.to_pylist(), to)


def with_values(lists: pa.Array, values: pa.Array, kind: str) -> pa.Array:
    """Lists of these values. Views here have the same order and no gaps, so offsets and sizes are the old ones."""
    if kind.endswith("view"):
        array = pa.LargeListViewArray if kind.startswith("large") else pa.ListViewArray
        return array.from_arrays(lists.offsets, lists.sizes, values)
    array = pa.LargeListArray if kind.startswith("large") else pa.ListArray
    return array.from_arrays(lists.offsets, values)


def test_dictionaries_may_change_from_batch_to_batch(slates: pa.Table, expected: pa.Table) -> None:
    index = slates.schema.get_field_index("surface")
    parts = [slates.slice(start, 1000) for start in (0, 1000, 2000)]
    encoded_parts = [
        part.set_column(index, "surface", part.column("surface").combine_chunks().dictionary_encode()) for part in parts
    ]
    assert rerank(iter(encoded_parts)).equals(expected)


def test_a_fixed_size_list(slates: pa.Table) -> None:
    whole = slates.filter([len(c) == 100 for c in slates.column("candidates").to_pylist()]).slice(5, 500)
    fixed = whole.set_column(
        2, "candidates", pa.array(whole.column("candidates").to_pylist(), pa.list_(pa.string(), 100))
    )
    assert rerank(fixed).equals(rerank(whole))


def test_null_lists_and_slices_with_nulls() -> None:
    recent = pa.array([None, [1, 2], [], None, [3]] * 3, pa.list_(pa.int32()))
    slates = made.slates(15, 20, by_row=True).append_column("recent", recent)
    whole = rerank(slates)
    parts = [rerank(slates.slice(start, 4)) for start in range(0, 15, 4)]
    assert pa.concat_tables(parts).equals(whole)
    assert not rerank(slates.drop_columns("recent")).equals(whole)


@pytest.mark.parametrize("chunk", [1, 77, 5000])
def test_one_row_per_candidate(chunk: int, slates: pa.Table, expected: pa.Table) -> None:
    few = slates.slice(0, 200)
    found = rerank(made.rows_of(few).to_reader(max_chunksize=chunk))
    assert found.equals(expected.slice(0, found.num_rows))
    assert found.column("slate_id")[-1].as_py() == "q0000199"


def test_slates_without_ids_are_numbered_anew_in_every_call(slates: pa.Table, tmp_path: Path) -> None:
    nameless = slates.drop_columns("slate_id").slice(0, 1500)
    expected = of_the_program(nameless, tmp_path)
    for _ in range(2):
        assert rerank(nameless.to_batches(max_chunksize=600)).equals(expected)


@pytest.mark.parametrize("ids", [["a", None, "c", None], [7, None, None, 9]])
def test_null_ids_are_numbers(ids: list[Any], tmp_path: Path) -> None:
    slates = made.slates(4, 15)
    slates = slates.set_column(0, "slate_id", pa.array(ids))
    assert rerank(slates).equals(of_the_program(slates, tmp_path))


def test_nothing_in_nothing_out(slates: pa.Table) -> None:
    for empty in (slates.slice(0, 0), iter([slates.slice(0, 0)]), made.rows_of(slates.slice(0, 60)).slice(0, 0)):
        found = rerank(empty)
        assert found.num_rows == 0
        assert found.schema.remove_metadata() == spectrank.result_schema(item_ids=True)


def test_slates_without_candidates_have_no_rows() -> None:
    empty = pa.array([[]] * 5, pa.list_(pa.string()))
    none = pa.table({"slate_id": list("abcde"), "candidates": empty, "scores": empty.cast(pa.list_(pa.float64()))})
    some = made.slates(3, 10).select(["slate_id", "candidates", "scores"])
    whole = rerank(some)
    assert rerank([*none.to_batches(), *some.to_batches(), *none.to_batches()]).equals(whole)


def test_a_dictionary_is_a_configuration(slates: pa.Table, tmp_path: Path) -> None:
    few = slates.slice(0, 50)
    config = {
        "slate_size": 7,
        "signal": [{"name": "text", "weight": 0.7}, {"name": "graph", "weight": 0.3}],
        "spacing": [
            {
                "name": 'sen"sitive',
                "column": "quality_class",
                "values": [1, 2, 3, 4],
                "strength": 1e-3,
                "window": 6,
                "when": {"surface": "home"},
            }
        ],
        "spectral": {"strength": 1},
    }
    text = """
        slate_size = 7
        spectral.strength = 1.0
        [[signal]]
        name = "text"
        weight = 0.7
        [[signal]]
        name = "graph"
        weight = 0.3
        [[spacing]]
        name = 'sen"sitive'
        column = "quality_class"
        values = [1, 2, 3, 4]
        strength = 0.001
        window = 6
        when = { surface = "home" }
    """
    found = rerank(few, config=config)
    (tmp_path / "own.toml").write_text(text)
    with_file = rerank(few, config=tmp_path / "own.toml")
    assert found.equals(with_file)
    assert max(found.column("spacing").to_pylist()) > 0


def test_flags_go_over_the_configuration(slates: pa.Table) -> None:
    found = rerank(
        slates.slice(0, 5), slate_size=3, strategy="mmr", precision="f64", extra_args=["--max-dispatch-ms", 50]
    )
    assert found.num_rows == 15


@pytest.mark.parametrize(
    ("more", "message", "exit_code"),
    [
        ({"config": {"slate_sise": 3}}, "config: line 1: slate_sise: unknown field", 1),
        ({"config": {"slate_size": None}}, "config: slate_size is NoneType: leave the key out", None),
        ({"config": "nowhere.toml"}, "nowhere.toml: cannot be read", None),
        ({"slate_size": 0}, "slate_size = 0 is out of range", 1),
        ({"strength": -1}, "spectral.strength = -1 is out of range", 1),
        ({"strategy": "best"}, "invalid value 'best' for '--strategy <STRATEGY>'", 2),
        ({"extra_args": ["--nope"]}, "unexpected argument '--nope' found", 2),
        ({"threads": 0}, "threads is 0: 1 or more", None),
        ({"backend": "gpu", "adapter": "no such card"}, "no such card", 4),
    ],
)
def test_what_is_wrong_is_one_line(more: dict[str, Any], message: str, exit_code: int | None, slates: pa.Table) -> None:
    with pytest.raises(spectrank.SpectrankError) as caught:
        rerank(slates, **more)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == exit_code


@pytest.mark.parametrize(
    ("slates", "message"),
    [
        ({"candidates": [["nobody"]], "scores": [[1.0]]}, 'slates: slate "0": '),
        ({"candidates": [[1, 1]], "scores": [[1.0, 0.5]]}, "slates: slate"),
        ({"candidates": [[1, 2]], "scores": [[1.0]]}, 'slates: slate "0": '),
        ({"candidates": [1], "scores": [1.0]}, 'slates: column "candidates" holds integers'),
        ({"slate_id": ["a", "b", "a"], "item": [1, 1, 2], "score": [1.0, 1.0, 1.0]}, "slate"),
    ],
)
def test_a_slate_that_is_wrong_is_named(slates: dict[str, Any], message: str) -> None:
    with pytest.raises(spectrank.SpectrankError) as caught:
        rerank(pa.table(slates))
    assert message in str(caught.value)
    assert caught.value.exit_code == 1
    # The next call finds everything in order.
    assert rerank(made.slates(1, 10)).num_rows == 10


@pytest.mark.parametrize(
    ("slates", "missing"),
    [
        ({"candidates": [[1]], "title": ["a"]}, "scores among candidates, title: "),
        ({"slate_id": ["a"], "items": [[1]]}, "candidates among slate_id, items: "),
        ({"slate_id": ["a"], "score": [1.0]}, "item_id among slate_id, score: "),
    ],
)
def test_a_column_that_is_missing_is_named_with_those_that_are_there(slates: dict[str, Any], missing: str) -> None:
    with pytest.raises(spectrank.SpectrankError, match=f"^slates: there is no column {missing}slates need "):
        rerank(pa.table(slates))


@pytest.mark.parametrize("slates", ["slates.parquet", 7, [], [7], {"candidates": [[1]], "scores": [[1.0]]}])
def test_what_is_no_table_is_refused(slates: Any) -> None:
    with pytest.raises(spectrank.SpectrankError, match="^slates: "):
        rerank(slates)


def test_catalogs_that_are_not_there(slates: pa.Table) -> None:
    with pytest.raises(spectrank.SpectrankError, match="nowhere.parquet: no such file"):
        spectrank.rerank(slates, "nowhere.parquet")
    with pytest.raises(spectrank.SpectrankError, match="is not a local file"):
        spectrank.rerank(slates, "s3://bucket/items.parquet")
    with pytest.raises(spectrank.SpectrankError, match="no file is named"):
        spectrank.rerank(slates, [])
    with pytest.raises(TypeError, match="unknown keyword 'slate_sise'"):
        spectrank.rerank(slates, made.CATALOG, slate_sise=3)  # type: ignore[call-arg]


def test_columns_of_batches_go_by_name(slates: pa.Table) -> None:
    few = slates.slice(0, 30)
    turned = few.select(["scores", "candidates", "slate_id"])
    assert rerank(iter([few.slice(0, 10), turned.slice(10)])).equals(rerank(few))
    with pytest.raises(spectrank.SpectrankError, match="slates: column scores is missing"):
        rerank(iter([few, few.drop_columns("scores")]))


def test_an_error_of_the_source_comes_through_and_ends_the_child(slates: pa.Table) -> None:
    def source() -> Any:
        yield from slates.to_batches(max_chunksize=100)
        raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        rerank(source())
    import os

    assert not children_of(os.getpid())


def test_batches_come_as_they_are_asked_for() -> None:
    n_read = 0

    def source() -> Any:
        nonlocal n_read
        while True:
            yield made.slates(2, 5, seed=n_read).to_batches()[0]
            n_read += 1

    reader = spectrank.rerank_batches(source(), made.CATALOG, backend="cpu")
    for _ in range(20):
        assert reader.read_next_batch().num_rows == 10
    assert n_read < 30


def test_two_readers_at_once_do_not_mix(slates: pa.Table, expected: pa.Table) -> None:
    parts = slates.to_batches(max_chunksize=150)
    readers = [spectrank.rerank_batches(iter(parts), made.CATALOG, config=made.CONFIG, backend="cpu") for _ in range(2)]
    found: list[list[pa.RecordBatch]] = [[], []]
    for a, b in zip(*readers):
        found[0].append(a)
        found[1].append(b)
    for batches in found:
        assert pa.Table.from_batches(batches).equals(expected)


def test_messages_cover_every_row_once() -> None:
    batch = made.slates(2500, 3).combine_chunks().to_batches()[0]
    parts = list(messages(batch))
    assert [part.num_rows for part in parts] == [834, 834, 832]
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([batch]))
    assert list(messages(batch.slice(0, 0))) == []
    (wide,) = pa.table({"slate_id": ["x" * (9 << 20)] * 4}).to_batches()
    assert [part.num_rows for part in messages(wide)] == [1, 1, 1, 1]


def test_numbers_go_on_from_batch_to_batch() -> None:
    (batch,) = pa.table({"scores": [1.0, 2.0]}).to_batches()
    numbering = Numbering()
    found = [numbering.numbered(batch).column("slate_id").to_pylist() for _ in range(2)]
    assert found == [[0, 1], [2, 3]]
