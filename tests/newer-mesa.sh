#!/usr/bin/env bash
# The known answers and some generated slates on a newer version of Mesa's software driver than the system's: Debian
# bookworm has 22.3, its backports 25.0, and each has its own faults. The newer one is unpacked under target/, beside the
# system's, which stays as it is. Takes a few minutes: that version compiles a kernel for about 50 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=/dev/null
if ! command -v apt-get >/dev/null || [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != bookworm ]; then
    echo "tests/newer-mesa.sh: this needs Debian bookworm; set VK_DRIVER_FILES to another driver and run" >&2
    echo "tests/newer-mesa.sh: spectrank devices --check and spectrank parity by hand" >&2
    exit 1
fi

folder="$PWD/target/newer-mesa"
if [ ! -e "$folder/driver.json" ]; then
    rm -rf "$folder"
    mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/root"
    # From wherever this machine gets its packages; apt tells only of lists that it has.
    find_site() {
        apt-get indextargets --format '$(CODENAME) $(REPO_URI)' | awk '$1 == "bookworm" && !n++ { print $2 }'
    }
    site=$(find_site)
    [ -n "$site" ] || { apt-get -qq update && site=$(find_site); }
    [ -n "$site" ] || { echo "tests/newer-mesa.sh: apt has no source for bookworm" >&2; exit 1; }
    printf 'deb %s bookworm main\ndeb %s bookworm-backports main\n' "$site" "$site" >"$folder/sources.list"
    # Lists and packages of its own: nothing of the system's apt is touched, and nothing is installed.
    own_apt() {
        apt-get -qq -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=- \
            -o Dir::State::lists="$folder/lists" -o Dir::Cache::archives="$folder/archives" \
            -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
    }
    own_apt update
    own_apt -y --download-only --no-install-recommends -t bookworm-backports install mesa-vulkan-drivers
    for package in "$folder"/archives/*.deb; do
        dpkg-deb -x "$package" "$folder/root"
    done
    library=$(find "$folder/root" -name libvulkan_lvp.so)
    manifest=$(find "$folder/root" -name 'lvp_icd*.json')
    sed "s#\"library_path\": \".*\"#\"library_path\": \"$library\"#" "$manifest" >"$folder/driver.json.part"
    mv "$folder/driver.json.part" "$folder/driver.json"
fi

library=$(find "$folder/root" -name libvulkan_lvp.so)
LD_LIBRARY_PATH="$(dirname "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH VK_DRIVER_FILES="$folder/driver.json" NODEVICE_SELECT=1

devices=$(cargo run --locked --quiet --release -- devices)
echo "$devices"
grep -q 'Mesa 2[5-9]\.' <<<"$devices" || { echo "tests/newer-mesa.sh: that is not the newer driver" >&2; exit 1; }
cargo run --locked --quiet --release -- devices --check
cargo run --locked --quiet --release -- parity --adapter 0 --cases "${1:-8}"
