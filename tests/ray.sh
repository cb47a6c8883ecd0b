#!/usr/bin/env bash
# Ranks slates on Ray with several actors, and kills one of them and a child on the way: the rankings have to be those of a
# single machine, to the last bit. Some minutes; installs what it needs. The result goes into integrations/python/RESULTS.md.
# SPECTRANK_BIN names a program that is built; SPECTRANK_TEST_SLATES is their number.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=integrations/python/tests/environment.sh
source integrations/python/tests/environment.sh

make_environment ray "ray[data]>=2.50,<3" pyarrow
export RAY_USAGE_STATS_ENABLED=0
"$bin/python" integrations/python/tests/ray_job.py
