#!/usr/bin/env bash
# The table of speed targets on a machine with a GPU, in one command: names GPU and driver, tests the GPU, measures every row of
# `cargo bench --bench table`, and leaves the results in target/table/. Arguments go to that bench:
#
#     benches/gpu.sh                              the best GPU
#     benches/gpu.sh --adapter 1                  another one; `spectrank devices` lists them
#     benches/gpu.sh --quick --adapter llvmpipe   does everything run? (Mesa's software driver; its figures are not judged)
#
# It needs Rust, a C compiler and the GPU's driver (Linux: with Vulkan; the loader is installed here on Debian and Ubuntu). For the peers
# it needs Python with venv, and gets PyTorch (with CUDA some gigabytes) and pyversity into target/peers/; a Python that has
# them is taken from SPECTRANK_PYTHON, and SPECTRANK_PEERS=none goes without. Takes about 15 minutes beside that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/packages.sh
source tests/packages.sh

# Mesa's device-select layer writes to standard error where there is no desktop.
export NODEVICE_SELECT=1
target=${CARGO_TARGET_DIR:-target}
results=$target/table
mkdir -p "$results"

command -v cargo >/dev/null || { echo "$0: no cargo: install Rust from https://rustup.rs" >&2; exit 1; }
# The bench brings the program along; built by itself, all that both depend on would be built twice.
cargo bench --locked --quiet --no-run --bench table
spectrank=$target/release/spectrank
if [ "$(uname -s)" = Linux ] && "$spectrank" devices --json | grep -q '"adapters":\[\]'; then
    install_packages "install the Vulkan loader" libvulkan1
fi

{
    "$spectrank" devices --check || echo "$0: see above: adapters that fail are not to be used" >&2
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv
    fi
} | tee "$results/devices.txt"

python=${SPECTRANK_PYTHON:-}
if [ -z "$python" ] && [ "${SPECTRANK_PEERS:-}" != none ]; then
    python=$target/peers/bin/python
    # Peers that cannot be had are rows that say so, not the end.
    if ! "$python" -c 'import torch, pyversity' 2>/dev/null; then
        { python3 -m venv "$target/peers" && "$python" -m pip install --quiet torch==2.15.0 pyversity==0.2.0 numpy; } ||
            echo "$0: the peers cannot be installed; name a Python that has them as SPECTRANK_PYTHON" >&2
    fi
fi

cargo bench --locked --quiet --bench table -- --json "$results/table.json" ${python:+--python "$python"} "$@" |
    tee "$results/table.md"
echo "$0: results are in $results/: table.md, table.json, devices.txt" >&2
