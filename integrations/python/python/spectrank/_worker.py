"""Slates in, rankings out, by one warm child."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from . import _adapters, _program
from ._child import Answer, Child
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
        """Rankings of the slates in order, in one batch for every batch of at most 1,024, or in several.

        Each slate needs an id and a list of candidates. A few batches are read ahead. Where the child is killed from
        outside, another one does what has not been answered: answers depend on slates alone. Where anything goes wrong,
        or nobody takes all answers, the child is ended, so that none of its answers can reach the next call.

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
                        child = self._started(pending)
                        pending.append(message)
                        child.send(message)
                if not pending:
                    return
                answer = self._answer(pending)
                # Only now is there nothing more to come for it.
                pending.popleft()
                yield from answer
        finally:
            if pending:
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
        if child is not None and not pending and (child.has_unread() or not child.is_alive()):
            # Killed while it was idle, or at odds with what was asked.
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

    def _answer(self, pending: deque[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """All rows of the first batch that waits. The child is ended where that fails."""
        is_again = False
        while True:
            try:
                return _whole_answer(self._started(pending), pending[0])
            except SpectrankError as error:
                self.kill()
                if is_again or error.exit_code is None or error.exit_code >= 0:
                    raise self._settings.renamed(error, None) from None
                # Parts that have come are left: the other child answers it as a whole.
                is_again = True
                child = self._started()
                for message in pending:
                    child.send(message)


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


def _whole_answer(child: Child, slates: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The answer to a message: one batch, or several where the program's memory is limited.

    Raises:
        SpectrankError: It is not to these slates, or the program ended before.
    """
    parts: list[pa.RecordBatch] = []
    n_answered = 0
    while n_answered < slates.num_rows:
        event = child.receive()
        if not isinstance(event, Answer):
            raise AssertionError("a stream that goes on does not end, and its child does not tell of what went out")
        if event.n_slates is None:
            cure = "install both anew, or unset SPECTRANK_BIN"
            raise SpectrankError(
                f"the program does not say which slates it answers, so it is not this package's: {cure}"
            )
        parts.append(event.rows)
        n_answered += event.n_slates
    if n_answered > slates.num_rows:
        raise SpectrankError(f"{slates.num_rows} slates were sent and {n_answered} answered: please report this")
    _check(slates.column("slate_id").cast(pa.string()), parts)
    return parts


def _check(asked: pa.Array, parts: list[pa.RecordBatch]) -> None:
    """Holds that rankings are of these slates, in this order; a slate may have no row, and then there is nothing to see of it.

    Raises:
        SpectrankError: They are not.
    """
    found = pa.concat_arrays([part.column("slate_id").filter(pc.equal(part.column("position"), 0)) for part in parts])
    if found.equals(asked):
        return
    left = iter(asked.to_pylist())
    for slate in found.to_pylist():
        # Looking for it passes over those that come before it.
        if slate not in left:
            raise SpectrankError(f"the answer is to slate {slate!r}, which was not asked for here: please report this")
