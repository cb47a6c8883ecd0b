# For the scripts that test the package, which source this: an environment with the package and what else they name.
#
# Where SPECTRANK_BIN names a program, the package runs from its source with that one. Else its wheel is built, which takes
# minutes where nothing has been built yet, and installed.

# shellcheck source=tests/packages.sh
source tests/packages.sh

# Usage: make_environment NAME PACKAGE…; sets `bin`, the folder with the environment's programs.
make_environment() {
    local folder="$PWD/target/python/$1"
    shift
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages "install Python's venv" python3-venv
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
