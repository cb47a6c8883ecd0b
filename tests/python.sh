#!/usr/bin/env bash
# Tests the Python package: format, lint, types, and its tests, with the program inside its wheel or, to save the build,
# the one that SPECTRANK_BIN names. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=integrations/python/tests/environment.sh
source integrations/python/tests/environment.sh

make_environment unit "pyarrow${SPECTRANK_PYARROW:->=15}" pytest ruff mypy typing_extensions
bin=$(realpath "$bin")
cd integrations/python
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/mypy"
"$bin/python" -m pytest "$@"
