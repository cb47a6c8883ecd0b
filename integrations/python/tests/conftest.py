"""What all tests share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made
import spectrank
from spectrank._settings import Settings


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test leaves a program to the next one, or behind it."""
    yield
    spectrank.close()
    assert wait_for(lambda: not children_of(os.getpid())), children_of(os.getpid())


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.of(made.CATALOG, {"config": made.CONFIG, "backend": "cpu"})


@pytest.fixture(scope="session")
def slates() -> pa.Table:
    return made.slates(3000)


def children_of(pid: int) -> dict[int, str]:
    """State of each process that has this parent, zombies included."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == pid:
                found[int(folder.name)] = state
    return found


def is_running(pid: int) -> bool:
    """True for a process that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], bool], patience_s: float = 10) -> bool:
    give_up = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True
