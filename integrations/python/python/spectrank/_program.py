"""Finding the program, and asking it short questions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._errors import SpectrankError

VARIABLE = "SPECTRANK_BIN"
"""Environment variable that names the program and goes over everything else."""

_NAME = "spectrank.exe" if os.name == "nt" else "spectrank"

# No question that is asked here takes a second; drivers of GPUs can take some.
_PATIENCE_S = 60


def program() -> str:
    """The path of the `spectrank` program.

    It is looked for in the environment variable `SPECTRANK_BIN`, where the wheel puts it, and on the `PATH`.

    Raises:
        SpectrankError: There is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if Path(named).is_file():
            return named
        raise SpectrankError(f"{VARIABLE} is {named!r}, which is no file: correct it, or unset it")
    for folder in _script_folders():
        if (folder / _NAME).is_file():
            return str(folder / _NAME)
    found = shutil.which(_NAME)
    if found:
        return found
    raise SpectrankError(f"the program {_NAME} is not there: install the wheel anew, or name the program in {VARIABLE}")


def _script_folders() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts"))
    # pip install --user, and pip install --target.
    user_scheme = "nt_user" if os.name == "nt" else "posix_user"
    yield Path(sysconfig.get_path("scripts", scheme=user_scheme))
    yield Path(__file__).resolve().parent.parent / "bin"
    yield Path(sys.executable).parent


def ask(arguments: Sequence[str]) -> Any:
    """What the program answers in JSON.

    Raises:
        SpectrankError: It ended with an error, or did not end.
    """
    try:
        done = subprocess.run(
            [program(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise SpectrankError(f"spectrank {arguments[0]} gave no answer within {_PATIENCE_S} s") from None
    if done.returncode != 0:
        raise failure(done.returncode, tuple(done.stderr.splitlines()))
    return json.loads(done.stdout)


@contextmanager
def config_file(text: str | None) -> Iterator[str | None]:
    """The path of a file with this configuration, for as long as the block runs; nothing where there is none."""
    if text is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="spectrank-") as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8")
        yield str(path)


def failure(exit_code: int, log: tuple[str, ...]) -> SpectrankError:
    """The error of a program that has ended: its own line, where it could still write one."""
    prefix = "spectrank: "
    said = [line for line in log if line.startswith(prefix)]
    if exit_code < 0:
        cure = "; out of memory? Fewer workers per machine, or a smaller catalog, need less" if exit_code == -9 else ""
        return SpectrankError(f"the program was ended by signal {-exit_code}{cure}", exit_code, log)
    if exit_code == 0:
        return SpectrankError("the program ended before it had answered everything", exit_code, log)
    if exit_code == 2 and log:
        # The parser of the command line says more than one line, the first of which names the option.
        return SpectrankError(log[0].removeprefix("error: "), exit_code, log)
    line = said[-1][len(prefix) :] if said else (log[-1] if log else "no word on standard error")
    return SpectrankError(line, exit_code, log)
