# For the test scripts, which source this: what they need of the system, where it can be installed by itself.

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "$0: root is needed for: $*" >&2
        echo "$0: run that command as root, or install what it names in another way, and start again" >&2
        return 1
    fi
}

# Usage: install_packages CURE PACKAGE…; CURE is what to do where there is no apt-get.
install_packages() {
    local cure=$1
    shift
    command -v apt-get >/dev/null || { echo "$0: no apt-get to install $* with: $cure" >&2; return 1; }
    echo "$0: installing $*" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
