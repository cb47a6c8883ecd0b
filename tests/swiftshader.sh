#!/usr/bin/env bash
# The known answers and some generated slates on SwiftShader, the software driver that comes with Chromium: a compiler
# that shares nothing with Mesa's. Takes some seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

library=$(find /usr/lib/chromium* -name libvk_swiftshader.so -print -quit 2>/dev/null || true)
if [ -z "$library" ]; then
    echo "tests/swiftshader.sh: no libvk_swiftshader.so; install chromium, or run spectrank devices --check and" >&2
    echo "tests/swiftshader.sh: spectrank parity on another driver by hand (VK_DRIVER_FILES)" >&2
    exit 1
fi
mkdir -p target
# Its own manifest names the library by a path that the loader does not look into.
printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.0.5"}}\n' "$library" \
    >target/swiftshader.json
export VK_DRIVER_FILES="$PWD/target/swiftshader.json" NODEVICE_SELECT=1

devices=$(cargo run --locked --quiet --release -- devices)
echo "$devices"
grep -q SwiftShader <<<"$devices" || { echo "tests/swiftshader.sh: that is not SwiftShader" >&2; exit 1; }
cargo run --locked --quiet --release -- devices --check
cargo run --locked --quiet --release -- parity --adapter 0 --cases "${1:-64}"
