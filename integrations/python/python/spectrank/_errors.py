"""What goes wrong, as one exception."""

from __future__ import annotations


class SpectrankError(Exception):
    """The program, or this package, cannot do what was asked.

    The text is one line that names what is wrong (a file, a slate, an item, a key) and says what to do.

    Attributes:
        exit_code: How the program ended: 1 bad input or configuration, 2 bad option, 3 the output cannot be written,
            4 the GPU cannot be used or failed; negative where a signal ended it (−9 is SIGKILL). None where the
            program never ran.
        log: The last lines that the program wrote to standard error.
    """

    exit_code: int | None
    log: tuple[str, ...]

    def __init__(self, message: str, exit_code: int | None = None, log: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log

    def __reduce__(self) -> tuple[type[SpectrankError], tuple[str, int | None, tuple[str, ...]]]:
        """Engines send exceptions from worker to driver; exit code and log go along."""
        return type(self), (str(self), self.exit_code, self.log)
