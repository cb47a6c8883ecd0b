"""Slates in, rankings out, by one warm child."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from . import _adapters, _program
from ._child import Child, Told
from ._errors import SpectrankError
from ._settings import SHARED, Settings
from ._slates import as_plain, messages, plain

# The program holds five batches: one in each of its three stages, and one between two of them. One more waits in the pipe.
_MOST_PENDING = 6


class Worker:
    """Ranks batches with one child, which stays warm between calls. One call at a time.

    Attributes:
        columns: Columns of the slates that are sent: those that the configuration has a use for.
    """

    def __init__(self, settings: Settings, slate_schema: pa.Schema) -> None:
        """Starts nothing yet.

        Args:
            settings: How to rank.
            slate_schema: Columns of all slates to come.
        """
        self._settings = settings
        needed = settings.needed_columns()
        self.columns = pa.schema([field for field in plain(slate_schema) if field.name in needed])
        self._child: Child | None = None
        self._share: _adapters.Share | None = None
        self._owner = os.getpid()

    @property
    def pid(self) -> int | None:
        """Process id of the child, where there is one."""
        child = self._own_child()
        return None if child is None else child.pid

    def is_warm(self) -> bool:
        """True where the child is up and waits for work."""
        child = self._own_child()
        return child is not None and child.is_alive()

    def start(self) -> pa.Schema:
        """Starts the child if there is none, and gives the columns of the rankings.

        Raises:
            SpectrankError: Catalog, configuration, columns of the slates or the GPU are not as they have to be.
        """
        return self._started().schema

    def rank(self, slates: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rankings of the slates in order, a batch for every batch of at most 1,024 that was sent.

        Each slate needs an id and a list of candidates. A few batches are read ahead. Where the child is killed from
        outside, another one does what has not been answered: answers depend on slates alone.

        Raises:
            SpectrankError: A slate is not as it has to be, or the program failed.
        """
        pending: deque[pa.RecordBatch] = deque()
        waiting = (message for batch in slates for message in messages(as_plain(batch, self.columns)))
        try:
            is_over = False
            while True:
                while not is_over and len(pending) < _MOST_PENDING:
                    message = next(waiting, None)
                    if message is None:
                        is_over = True
                    else:
                        self._started(pending).send(message)
                        pending.append(message)
                if not pending:
                    return
                answer = self._answer(pending)
                _check(pending.popleft(), answer)
                yield answer
        finally:
            if pending:
                # Answers that nobody waits for would be taken for those of the next call.
                self.kill()

    def close(self) -> None:
        """Ends the child."""
        child = self._own_child()
        self._child = None
        if child is not None:
            child.close()
        self._let_go()

    def kill(self) -> None:
        """Ends the child at once."""
        child = self._own_child()
        self._child = None
        if child is not None:
            child.kill()
        self._let_go()

    def _let_go(self) -> None:
        if self._share is not None:
            self._share.release()
            self._share = None

    def _own_child(self) -> Child | None:
        if self._owner != os.getpid():
            # A fork: the child is the parent's.
            self._owner, self._child, self._share = os.getpid(), None, None
        return self._child

    def _started(self, pending: Iterable[pa.RecordBatch] = ()) -> Child:
        child = self._own_child()
        if child is not None and not child.is_alive() and not pending:
            # Killed while it was idle.
            self.kill()
            child = None
        if child is None:
            child = self._spawn()
            self._child = child
        return child

    def _spawn(self) -> Child:
        if self._share is None:
            self._share = share_of(self._settings)
        return start_child(self._settings, self.columns, self._share)

    def _answer(self, pending: deque[pa.RecordBatch]) -> pa.RecordBatch:
        is_again = False
        while True:
            try:
                answer = self._started(pending).receive()
            except SpectrankError as error:
                self.kill()
                if is_again or error.exit_code is None or error.exit_code >= 0:
                    raise self._settings.renamed(error, None) from None
                is_again = True
                child = self._started()
                for message in pending:
                    child.send(message)
            else:
                if isinstance(answer, Told):
                    raise AssertionError("a stream that goes on does not end")
                return answer


def share_of(settings: Settings) -> _adapters.Share:
    """The GPU that a child with these settings takes; to be released after it has ended."""
    if settings.adapter == SHARED:
        return _adapters.share(settings.backend, settings.assigned_gpus)
    return _adapters.Share(settings.adapter, None)


def start_child(settings: Settings, schema: pa.Schema, share: _adapters.Share, *, tells_written: bool = False) -> Child:
    """Starts the program on a stream of slates with these columns.

    Raises:
        SpectrankError: In the caller's terms.
    """
    environment = {} if settings.threads is None else {"RAYON_NUM_THREADS": str(settings.threads)}
    stream = ["--slates", "-", "--output", "-", "--output-format", "arrow"]
    which = [] if share.adapter is None else [f"--adapter={share.adapter}"]
    with _program.config_file(settings.config) as config:
        options = [] if config is None else ["--config", config]
        engine = [*settings.engine_options(), *which]
        arguments = ["rerank", "--catalog", *settings.catalog, *stream, *options, *settings.options(), *engine]
        try:
            return Child([*arguments, *settings.extra_args], schema, environment, tells_written=tells_written)
        except SpectrankError as error:
            raise settings.renamed(error, config) from None


def _check(slates: pa.RecordBatch, answer: pa.RecordBatch) -> None:
    """Holds that this is the answer to those slates; a slate may have no row, and then there is nothing to see of it."""
    if answer.num_rows == 0:
        return
    ids = slates.column("slate_id").cast(pa.string())
    ends = pa.array([answer.column("slate_id")[0].as_py(), answer.column("slate_id")[-1].as_py()])
    if not pc.all(pc.is_in(ends, value_set=ids)).as_py():
        raise SpectrankError(f"the answer is to slate {ends[0].as_py()!r}, which was not asked for: please report this")
