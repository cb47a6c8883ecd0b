#!/usr/bin/env bash
# Runs every test with a GPU adapter required. Arguments go to `cargo test`.
#
# A machine needs Rust and a C compiler. Where Linux has no Vulkan adapter, Mesa's software driver is installed
# (Debian, Ubuntu); elsewhere the adapters are part of the system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Mesa's device-select layer writes to standard error where there is no desktop.
export NODEVICE_SELECT=1

has_adapter() {
    ! cargo run --locked --quiet -- devices --json | grep -q '"adapters":\[\]'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "tests/run.sh: root is needed for: $*" >&2
        echo "tests/run.sh: run that command as root, or install a Vulkan driver in another way, and start again" >&2
        return 1
    fi
}

install_software_driver() {
    if ! command -v apt-get >/dev/null; then
        echo "tests/run.sh: no Vulkan adapter, and no apt-get to install one with: install the Vulkan loader and Mesa's" >&2
        echo "tests/run.sh: software driver (Fedora: vulkan-loader mesa-vulkan-drivers; Arch: vulkan-icd-loader vulkan-swrast)" >&2
        return 1
    fi
    echo "tests/run.sh: no Vulkan adapter; installing Mesa's software driver" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers
}

command -v cargo >/dev/null || { echo "tests/run.sh: no cargo: install Rust from https://rustup.rs" >&2; exit 1; }

# Once by itself, so that a build that fails is not taken for a machine without an adapter.
cargo build --locked
if [ "$(uname -s)" = Linux ] && ! has_adapter; then
    install_software_driver
    has_adapter || { echo "tests/run.sh: still no Vulkan adapter: $(cargo run --locked --quiet -- devices)" >&2; exit 1; }
fi

export SPECTRANK_REQUIRE_GPU=1
cargo test --locked --no-fail-fast "$@"
