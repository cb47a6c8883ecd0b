#!/usr/bin/env bash
# Runs every test with a GPU adapter required. Arguments go to `cargo test`.
#
# A machine needs Rust and a C compiler. Where Linux has no Vulkan adapter, Mesa's software driver is installed
# (Debian, Ubuntu); elsewhere the adapters are part of the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/packages.sh
source tests/packages.sh

# Mesa's device-select layer writes to standard error where there is no desktop.
export NODEVICE_SELECT=1
# Tests leave nothing in the user's folders.
export SPECTRANK_GPU_CACHE=0

has_adapter() {
    ! cargo run --locked --quiet -- devices --json | grep -q '"adapters":\[\]'
}

command -v cargo >/dev/null || { echo "tests/run.sh: no cargo: install Rust from https://rustup.rs" >&2; exit 1; }

# Once by itself, so that a build that fails is not taken for a machine without an adapter.
cargo build --locked
if [ "$(uname -s)" = Linux ] && ! has_adapter; then
    install_packages "install the Vulkan loader and Mesa's software driver (Fedora: vulkan-loader mesa-vulkan-drivers; Arch: \
vulkan-icd-loader vulkan-swrast)" libvulkan1 mesa-vulkan-drivers
    has_adapter || { echo "tests/run.sh: still no Vulkan adapter: $(cargo run --locked --quiet -- devices)" >&2; exit 1; }
fi

export SPECTRANK_REQUIRE_GPU=1
cargo test --locked --no-fail-fast "$@"
