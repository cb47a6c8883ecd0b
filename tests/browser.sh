#!/usr/bin/env bash
# Tests the HTML reports in a real browser, which has to be there. Arguments go to `cargo test`.
#
# Where there is no Chromium, it is installed (Debian, Ubuntu). Where there is npm, axe-core checks accessibility as well; the
# tests' own checks run in any case. SPECTRANK_SCREENSHOTS=DIR keeps a picture of every page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/packages.sh
source tests/packages.sh

AXE_VERSION=4.14.1

has_browser() {
    [ -n "${SPECTRANK_BROWSER:-}" ] || command -v chromium || command -v chromium-browser || command -v google-chrome
}

if ! has_browser >/dev/null; then
    install_packages "install Chromium, or set SPECTRANK_BROWSER" chromium
fi

if command -v npm >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    (cd "$folder" && npm pack --silent "axe-core@$AXE_VERSION" >/dev/null && tar xzf axe-core-*.tgz)
    export SPECTRANK_AXE="$folder/package/axe.min.js"
else
    echo "tests/browser.sh: SKIPPED: no npm, so axe-core does not look at the pages; the tests' own checks do" >&2
fi

export SPECTRANK_REQUIRE_BROWSER=1
# Each test has a browser of its own; two at a time are enough for a small machine.
cargo test --locked --test browser "$@" -- --test-threads=2
