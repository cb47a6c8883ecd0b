#!/usr/bin/env bash
# Ranks slates on Spark, in a cluster of several processes on this machine, and kills a Python worker, a child and an executor
# on the way: the rankings have to be those of a single machine, to the last bit. Some minutes; installs what it needs. The
# result goes into integrations/python/RESULTS.md. SPECTRANK_BIN names a program that is built; SPECTRANK_TEST_SLATES is their
# number.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=integrations/python/tests/environment.sh
source integrations/python/tests/environment.sh

command -v java >/dev/null || install_packages "install Java 17" openjdk-17-jre-headless
make_environment spark "pyspark>=4,<5" "pandas<3" pyarrow
export SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$bin/python" PYSPARK_DRIVER_PYTHON="$bin/python"
"$bin/python" integrations/python/tests/spark_job.py
