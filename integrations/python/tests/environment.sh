# For the scripts that test the package, which source this: an environment with the package and what else they name.
#
# Where SPECTRANK_BIN names a program, the package runs from its source with that one. Else its wheel is built, which takes
# minutes where nothing has been built yet, and installed.

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "$0: root is needed for: $*" >&2
        return 1
    fi
}

install_packages() {
    command -v apt-get >/dev/null || { echo "$0: no apt-get: install by hand what stands for $*" >&2; return 1; }
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Usage: make_environment NAME PACKAGE…; sets `bin`, the folder with the environment's programs.
make_environment() {
    local folder="$PWD/target/python/$1"
    shift
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
    bin="$folder/bin"
    "$bin/pip" install -q "$@"
    if [ -n "${SPECTRANK_BIN:-}" ]; then
        SPECTRANK_BIN=$(realpath "$SPECTRANK_BIN")
        export SPECTRANK_BIN PYTHONPATH="$PWD/integrations/python/python"
        return
    fi
    rm -rf target/python/wheels
    "$bin/pip" wheel -q --no-deps -w target/python/wheels integrations/python
    "$bin/pip" install -q --no-deps --force-reinstall target/python/wheels/spectrank-*.whl
}
