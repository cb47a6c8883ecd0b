"""`python -m spectrank`: the program itself."""

from __future__ import annotations

import os
import subprocess
import sys

from ._errors import SpectrankError
from ._program import program


def _main() -> int:
    try:
        command = [program(), *sys.argv[1:]]
    except SpectrankError as error:
        sys.stderr.write(f"spectrank: {error}\n")
        return 1
    if os.name == "nt":
        return subprocess.run(command, check=False).returncode
    os.execv(command[0], command)  # noqa: S606 - it takes this process's place, with its signals and exit code.
    return 0


if __name__ == "__main__":
    sys.exit(_main())
