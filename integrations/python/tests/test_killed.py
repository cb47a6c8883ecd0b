"""Processes that are killed, forked or interrupted: the child ends with them. Each prints the ids of its children and waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import is_running, wait_for

PRELUDE = """
    import os, signal, sys, time
    # Where a shell runs the tests in the background, interrupts are ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, {tests!r})
    import made, spectrank
    from conftest import children_of
    def tell():
        print(*children_of(os.getpid()), flush=True)
    slates = made.slates(200)
"""


def start(code: str) -> subprocess.Popen[str]:
    text = textwrap.dedent(PRELUDE).format(tests=str(Path(__file__).parent)) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"ended: {process.communicate()[1]}")
    return [int(word) for word in line.split()]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=20)
    return process.returncode, err


WARM = """
    spectrank.rerank(slates, made.CATALOG, backend="cpu")
    tell()
    time.sleep(60)
"""

AT_WORK = """
    heavy = made.slates(1500, 2000)
    def source():
        for number, batch in enumerate(heavy.to_batches(max_chunksize=500)):
            yield batch
            if number == 1:
                tell()
    spectrank.rerank(source(), made.CATALOG, backend="cpu", slate_size=500, precision="f64")
    time.sleep(60)
"""

FORKED = """
    spectrank.rerank(slates, made.CATALOG, backend="cpu")
    mine = list(children_of(os.getpid()))
    fork = os.fork()
    if fork == 0:
        time.sleep(60)
        os._exit(0)
    print(*mine, fork, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("code", [WARM, AT_WORK], ids=["warm", "at work"])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_the_process_that_is_killed(code: str, by: signal.Signals) -> None:
    process = start(code)
    (child,) = told(process)
    assert is_running(child)
    process.send_signal(by)
    assert end(process)[0] == -by
    assert wait_for(lambda: not is_running(child)), child


def test_a_child_ends_though_a_fork_of_its_parent_lives() -> None:
    process = start(FORKED)
    child, fork = told(process)
    process.kill()
    process.wait()
    try:
        assert wait_for(lambda: not is_running(child))
        assert is_running(fork)
    finally:
        os.kill(fork, signal.SIGKILL)
        end(process)


def test_a_fork_starts_a_child_of_its_own_and_leaves_the_parents_alone() -> None:
    process = start(
        """
        before = spectrank.rerank(slates, made.CATALOG, backend="cpu")
        mine = children_of(os.getpid())
        fork = os.fork()
        if fork == 0:
            same = spectrank.rerank(slates, made.CATALOG, backend="cpu").equals(before)
            others = not set(children_of(os.getpid())) & set(mine)
            spectrank.close()
            os._exit(0 if same and others and not children_of(os.getpid()) else 1)
        assert os.waitpid(fork, 0)[1] == 0
        assert spectrank.rerank(slates, made.CATALOG, backend="cpu").equals(before)
        assert set(children_of(os.getpid())) == set(mine)
        tell()
        """
    )
    (child,) = told(process)
    assert end(process) == (0, "")
    assert not is_running(child)


def test_an_end_without_close_is_clean() -> None:
    process = start("spectrank.rerank(slates, made.CATALOG, backend='cpu')\ntell()")
    (child,) = told(process)
    assert end(process) == (0, "")
    assert not is_running(child)


def test_an_interrupt_is_pythons_and_takes_the_child_along() -> None:
    process = start(AT_WORK)
    (child,) = told(process)
    process.send_signal(signal.SIGINT)
    code, err = end(process)
    assert code == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert not is_running(child)
