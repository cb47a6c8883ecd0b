"""One run of the program: batches of slates go in, rankings come out, in order.

::

    send ──queue──▶ writer thread ──stdin──▶ program ──stdout──▶ reader thread ──queue──▶ receive
                                             program ──stderr──▶ log thread

Writing and reading have threads of their own, so a full pipe in one direction never waits for the other. Standard error is
always drained, and its last lines are kept for messages.

The program ends when its input does. The kernel closes that input with the last process that holds it, however that process
ends, so a worker that is killed takes its child along. Linux's death signal (`PR_SET_PDEATHSIG`) would be quicker by a batch,
but it is sent when the *thread* that started the child ends, and callers may well start it from a thread that does.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import IO, Any, NamedTuple, Union

import pyarrow as pa

from . import _program
from ._errors import SpectrankError

_LOG = logging.getLogger("spectrank")

_LOG_LINES = 40
_SLATES_KEY = b"spectrank.slates"
# How long a child may take to end by itself once its input has ended; what it does then is finish a batch.
_PATIENCE_S = 5.0


class Told(Enum):
    """What the queue of a child holds beside its answers."""

    WRITTEN = "a batch has gone out"
    END = "the output has ended"


class Answer(NamedTuple):
    """A batch of rankings.

    Attributes:
        rows: One row per position.
        n_slates: So many more slates have got all their rows with this batch, those without any among them. None where
            the program does not say.
    """

    rows: pa.RecordBatch
    n_slates: int | None


_Event = Union[pa.Schema, Answer, Told]


class Child:
    """The program at work on one stream of slates.

    Attributes:
        schema: Columns of the answers, with the program's version and the configuration as metadata.
    """

    schema: pa.Schema

    def __init__(
        self, arguments: Sequence[str], schema: pa.Schema, environment: dict[str, str], *, tells_written: bool = False
    ) -> None:
        """Starts the program, and waits until it has read catalog and configuration.

        Args:
            arguments: Those of `spectrank`.
            schema: Columns of every batch that will be sent.
            environment: Variables that go over this process's own.
            tells_written: Whether `receive` also tells of batches that have gone out.

        Raises:
            SpectrankError: The program ended with an error instead.
        """
        self._outbox: queue.SimpleQueue[pa.RecordBatch | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._tells_written = tells_written
        self._is_finished = False
        self._input_error: Exception | None = None
        self._output_error: Exception | None = None
        self._process = subprocess.Popen(
            [_program.program(), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            # Ctrl-C on a terminal is this process's to handle.
            start_new_session=os.name != "nt",
        )
        _alive[id(self)] = self
        stdin, stdout, stderr = self._pipes()
        threads = [
            threading.Thread(target=self._write, args=(stdin, schema), name="spectrank-writer", daemon=True),
            threading.Thread(target=self._read, args=(stdout,), name="spectrank-reader", daemon=True),
            threading.Thread(target=self._listen, args=(stderr,), name="spectrank-log", daemon=True),
        ]
        self._threads = threads
        try:
            for thread in threads:
                thread.start()
            first = self._inbox.get()
            while first is Told.WRITTEN:
                first = self._inbox.get()
            if not isinstance(first, pa.Schema):
                raise self._failure()
        except BaseException:
            self.kill()
            raise
        self.schema = first

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self._process
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("all three were asked for")
        return process.stdin, process.stdout, process.stderr

    @property
    def pid(self) -> int:
        """Process id of the program."""
        return self._process.pid

    def is_alive(self) -> bool:
        """True while the program runs."""
        return self._process.poll() is None

    def send(self, batch: pa.RecordBatch) -> None:
        """Hands over a batch, without waiting. The caller sees to it that few are under way."""
        self._outbox.put(batch)

    def finish(self) -> None:
        """Says that no more batches come."""
        if not self._is_finished:
            self._is_finished = True
            self._outbox.put(None)

    def has_unread(self) -> bool:
        """True where something has come that nobody has received."""
        return not self._inbox.empty()

    def receive(self) -> Answer | Told:
        """Waits for the next answer; `Told.END` after the last one.

        Raises:
            SpectrankError: The program ended before.
        """
        event = self._inbox.get()
        if isinstance(event, pa.Schema):
            raise AssertionError("a stream has one schema, and the start has taken it")
        if event is not Told.END:
            return event
        # Whoever asks again gets the same answer.
        self._inbox.put(event)
        if self._is_finished and self._process.wait() == 0:
            self.close()
            return event
        raise self._failure()

    def close(self) -> None:
        """Ends the input and waits for the program, which is ended if that takes long."""
        self.finish()
        self._reap(_PATIENCE_S)

    def kill(self) -> None:
        """Ends the program at once."""
        self.finish()
        self._process.kill()
        self._reap(None)

    def _reap(self, patience_s: float | None) -> None:
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _alive.pop(id(self), None)
        for thread in self._threads:
            # None waits for anything but pipes whose other end is gone by now.
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(_PATIENCE_S)
        for pipe in self._pipes():
            with contextlib.suppress(OSError, ValueError):
                pipe.close()

    def _failure(self) -> SpectrankError:
        self.finish()
        # A program that closed its output is at its end.
        self._reap(_PATIENCE_S)
        if self._input_error is not None:
            return SpectrankError(f"slates: cannot be written as Arrow: {self._input_error}")
        code, log = self._process.returncode, tuple(self._log)
        if code == 0 and self._output_error is not None:
            return SpectrankError(f"the program's answer cannot be read: {self._output_error}", code, log)
        return _program.failure(code, log)

    def _write(self, stdin: IO[bytes], schema: pa.Schema) -> None:
        try:
            # Where the program is gone, writing fails; its exit code says why, and the reader finds out.
            with contextlib.suppress(BrokenPipeError), pa.ipc.new_stream(stdin, schema) as stream:
                # Arrow holds the columns back until there is a batch. The program passes over one without rows.
                stream.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
                stdin.flush()
                while True:
                    batch = self._outbox.get()
                    if batch is None:
                        break
                    stream.write_batch(batch)
                    stdin.flush()
                    if self._tells_written:
                        self._inbox.put(Told.WRITTEN)
        except Exception as error:
            self._input_error = error
            self._process.kill()
        finally:
            with contextlib.suppress(OSError):
                stdin.close()

    def _read(self, stdout: IO[bytes]) -> None:
        try:
            stream = pa.ipc.open_stream(stdout)
            self._inbox.put(stream.schema)
            while True:
                rows, metadata = stream.read_next_batch_with_custom_metadata()
                told = None if metadata is None else dict(metadata).get(_SLATES_KEY)
                self._inbox.put(Answer(rows, None if told is None else int(told)))
        except StopIteration:
            pass
        except Exception as error:
            # Most often the output just stops, and the exit code says why.
            self._output_error = error
        finally:
            self._inbox.put(Told.END)

    def _listen(self, stderr: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for raw in stderr:
                line = raw.decode("utf-8", "replace").rstrip()
                self._log.append(line)
                _LOG.info("%s", line)

    def forget(self) -> None:
        """In a forked process: lets go of the pipes, which are the parent's.

        Locks may be held by threads that do not exist here, so no object is closed: the null device takes the place of
        each pipe.
        """
        null = os.open(os.devnull, os.O_RDWR)
        for pipe in self._pipes():
            with contextlib.suppress(OSError, ValueError):
                os.dup2(null, pipe.fileno(), inheritable=False)
        os.close(null)


_alive: dict[int, Child] = {}


def _forget_all(*_: Any) -> None:
    children = list(_alive.values())
    _alive.clear()
    for child in children:
        child.forget()


@atexit.register
def _end_all() -> None:
    for child in list(_alive.values()):
        child.kill()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
