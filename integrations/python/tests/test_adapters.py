"""Which GPU a worker takes, on machines that are made up."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fake import script
from spectrank import SpectrankError, rerank
from spectrank._adapters import assigned_by_engine, choose, claim_slot, cuda_devices, gpus, share
from spectrank._settings import Settings
from spectrank._worker import Worker


def adapter(
    index: int, pci: str, kind: str = "discrete", backend: str = "vulkan", name: str = "Card"
) -> dict[str, Any]:
    return {"index": index, "name": name, "kind": kind, "backend": backend, "pci_bus_id": pci}


def devices(*adapters: dict[str, Any]) -> dict[str, Any]:
    return {"adapters": list(adapters), "auto": 0}


# Listed in an order that is not that of the bus, as drivers do.
FOUR = devices(
    adapter(0, "0000:41:00.0"),
    adapter(1, "0000:01:00.0"),
    adapter(2, "", kind="cpu", name="llvmpipe"),
    adapter(3, "0000:C1:00.0"),
    adapter(4, "0000:81:00.0"),
)
LISTING = """\
0, GPU-aaaa1111-0000, 00000000:01:00.0
1, GPU-bbbb2222-0000, 00000000:41:00.0
2, GPU-cccc3333-0000, 00000000:81:00.0
3, GPU-dddd4444-0000, 00000000:C1:00.0
"""
BUS = ["0000:01:00.0", "0000:41:00.0", "0000:81:00.0", "0000:c1:00.0"]


def test_gpus_are_those_of_the_bus_in_its_order() -> None:
    assert [gpu.adapter for gpu in gpus(FOUR)] == BUS
    assert gpus(devices()) == []
    assert gpus(devices(adapter(0, "", kind="cpu"), adapter(1, "", kind="other"))) == []


def test_one_gpu_seen_twice_counts_once_and_the_integrated_one_waits() -> None:
    both = devices(
        adapter(0, "0000:01:00.0", backend="dx12"),
        adapter(1, "0000:01:00.0", backend="vulkan"),
        adapter(2, "0000:00:02.0", kind="integrated"),
    )
    assert [gpu.adapter for gpu in gpus(both)] == ["0000:01:00.0"]
    assert [gpu.index for gpu in gpus(both)] == [1]


def test_cards_that_cannot_be_told_apart_go_by_number() -> None:
    same = devices(adapter(0, "0000:01:00.0", backend="dx12"), adapter(1, "0000:01:00.0", backend="dx12"))
    assert [gpu.adapter for gpu in gpus(same)] == ["0", "1"]
    unknown = devices(adapter(0, "", backend="metal"), adapter(1, "", backend="metal"))
    assert [gpu.adapter for gpu in gpus(unknown)] == ["0", "1"]


def test_workers_go_round() -> None:
    taken = [choose(gpus(FOUR), slot) for slot in range(8)]
    assert [gpu.adapter for gpu in taken if gpu] == BUS * 2
    assert choose([], 3) is None


@pytest.mark.parametrize(
    ("assigned", "expected"),
    [
        (["0"], BUS[:1]),
        (["3"], BUS[3:]),
        (["1", "2"], BUS[1:3]),
        (["GPU-cccc"], BUS[2:3]),
        (["GPU-dddd4444-0000", " 0"], [BUS[3], BUS[0]]),
        # Nothing that is there: better shared than none.
        (["9"], BUS),
    ],
)
def test_what_an_engine_gave_is_what_is_taken(assigned: list[str], expected: list[str]) -> None:
    taken = [choose(gpus(FOUR), slot, assigned, cuda_devices(LISTING)) for slot in range(len(expected) * 2)]
    assert [gpu.adapter for gpu in taken if gpu] == expected * 2


def test_without_nvidias_tools_numbers_are_those_of_the_bus() -> None:
    gpu = choose(gpus(FOUR), 0, ["2"])
    assert gpu is not None
    assert gpu.adapter == BUS[2]


def test_what_engines_say() -> None:
    assert assigned_by_engine({"CUDA_VISIBLE_DEVICES": "2, 3"}) == ["2", " 3"]
    assert assigned_by_engine({"CUDA_VISIBLE_DEVICES": "2"}, ["0"]) == ["0"]
    assert assigned_by_engine({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert assigned_by_engine({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert assigned_by_engine({}) == []


def test_places_are_held_by_living_processes_alone(tmp_path: Path) -> None:
    held = [claim_slot(tmp_path) for _ in range(3)]
    assert [slot for slot, _ in held] == [0, 1, 2]
    code = (
        "import sys, pathlib; from spectrank._adapters import claim_slot; "
        "held = claim_slot(pathlib.Path(sys.argv[1])); print(held[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "3\n"
        other.kill()
    assert held[1][1] is not None
    held[1][1].close()
    again = [claim_slot(tmp_path), claim_slot(tmp_path)]
    assert [slot for slot, _ in again] == [1, 3]
    for _, lock in [*held, *again]:
        assert lock is not None
        lock.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpectrankError, match="name a GPU in adapter, or set TMPDIR"):
        claim_slot(tmp_path / "file" / "folder")


def test_workers_of_one_machine_share_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = script(tmp_path, f"#!/bin/sh\ncat <<'END'\n{json.dumps(FOUR)}\nEND\n")
    monkeypatch.setenv("SPECTRANK_BIN", str(program))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shares = [share("auto") for _ in range(5)]
    assert [s.adapter for s in shares] == [*BUS, BUS[0]]
    shares[2].release()
    shares.append(share(None))
    assert shares[-1].adapter == BUS[2]
    for one in shares:
        one.release()
    # Nobody to share with.
    assert share("cpu").adapter is None
    script(tmp_path, '#!/bin/sh\necho \'{"adapters": [], "auto": null}\'\n')
    assert share("gpu").adapter is None


def test_the_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    text = f"""#!/bin/sh
        case "$1" in
            schema) echo '{{"inputs": {{"slates": []}}}}' ;;
            devices) echo '{json.dumps(FOUR)}' ;;
            *) echo "spectrank: $*, $RAYON_NUM_THREADS threads" >&2; exit 4 ;;
        esac
    """
    monkeypatch.setenv("SPECTRANK_BIN", str(script(tmp_path, text)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    settings = Settings.of("items.parquet", {"adapter": "auto-share", "backend": "gpu", "threads": 3})
    workers = [Worker(settings, pa.schema([])) for _ in range(2)]
    rows = pa.table({"slate_id": ["a"], "item": [1], "score": [1.0]})
    with pytest.raises(SpectrankError, match=r"--adapter=0000:01:00\.0"):
        rerank(rows, "items.parquet", adapter="auto-share")
    for worker in workers:
        with pytest.raises(SpectrankError, match=r"--backend=gpu --adapter=0000:01:00\.0, 3 threads"):
            worker.start()
        worker.kill()
