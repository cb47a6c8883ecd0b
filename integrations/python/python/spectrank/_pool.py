"""One warm worker per process, kept between calls.

Engines call a function anew for every task, in a process that they keep. The child of the last task waits here for the next
one, as long as it has the same settings, catalog files and columns, and for a minute at most: set `SPECTRANK_IDLE_S` for
another time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ._errors import SpectrankError
from ._settings import Settings
from ._worker import Worker

IDLE_VARIABLE = "SPECTRANK_IDLE_S"
_IDLE_S = 60.0


@dataclass
class _Idle:
    key: Any
    worker: Worker
    timer: threading.Timer


_lock = threading.Lock()
_idle: _Idle | None = None


@contextmanager
def borrowed(settings: Settings, slate_schema: pa.Schema) -> Iterator[Worker]:
    """A worker for these slates, warm if there is one. It is kept after the block, unless that ended in an error.

    Blocks may overlap, in one thread or in several; each has a worker of its own.
    """
    key = (settings, settings.files(), slate_schema.serialize().to_pybytes())
    idle_s = _idle_s()
    worker = _take(key) or Worker(settings, slate_schema)
    try:
        yield worker
    except BaseException:
        worker.kill()
        raise
    _keep(key, worker, idle_s)


def close() -> None:
    """Ends the worker that is kept warm, if there is one."""
    worker = _take(None)
    if worker is not None:
        worker.close()


def _take(key: Any) -> Worker | None:
    """The worker that is kept, where it is of this kind, or of any kind for None."""
    global _idle
    with _lock:
        idle = _idle
        if idle is None or (key is not None and idle.key != key):
            return None
        _idle = None
    idle.timer.cancel()
    if key is None or idle.worker.is_warm():
        return idle.worker
    idle.worker.kill()
    return None


def _keep(key: Any, worker: Worker, idle_s: float) -> None:
    global _idle
    if idle_s <= 0:
        worker.close()
        return
    timer = threading.Timer(idle_s, lambda: _expire(worker))
    timer.daemon = True
    with _lock:
        before, _idle = _idle, _Idle(key, worker, timer)
    timer.start()
    if before is not None:
        before.timer.cancel()
        before.worker.close()


def _expire(worker: Worker) -> None:
    global _idle
    with _lock:
        if _idle is None or _idle.worker is not worker:
            return
        _idle = None
    worker.close()


def _idle_s() -> float:
    text = os.environ.get(IDLE_VARIABLE)
    try:
        return _IDLE_S if text is None else float(text)
    except ValueError:
        raise SpectrankError(f"{IDLE_VARIABLE} is {text!r}: seconds, 0 to keep none") from None


def _forget() -> None:
    global _idle, _lock
    _idle, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
