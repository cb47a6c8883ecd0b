"""The package itself: the program is found and passed on to, licences are the project's, text becomes TOML."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import spectrank
from spectrank._toml import toml

PACKAGE = Path(__file__).resolve().parents[1]


def module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "spectrank", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_the_module_is_the_program() -> None:
    direct = subprocess.run([spectrank.program(), "--version"], check=True, capture_output=True, text=True)
    assert module("--version").stdout == direct.stdout
    assert direct.stdout.startswith("spectrank ")
    assert module("rerank", "--nope").returncode == 2
    missing = module("--version", SPECTRANK_BIN="/nowhere/spectrank")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("spectrank: SPECTRANK_BIN is '/nowhere/spectrank', which is no file")


def test_engines_are_imported_only_where_they_are_used() -> None:
    code = (
        "import sys, spectrank, spectrank.spark, spectrank.ray; "
        "print([name for name in ('pyspark', 'ray', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    # pyarrow brings numpy along where it is installed.
    assert done.stdout.strip() in ("[]", "['numpy']")


@pytest.mark.parametrize("name", ["LICENSE-MIT", "LICENSE-APACHE"])
def test_licences_are_the_projects(name: str) -> None:
    # A wheel takes files from this folder only, and links do not survive every checkout.
    assert (PACKAGE / "licenses" / name).read_text() == (PACKAGE.parents[1] / name).read_text()


def test_values_as_toml() -> None:
    config = {
        "a b": 'quote " line\n\x7f',
        "yes": True,
        "n": 3,
        "tiny": 1e-09,
        "huge": 1e300,
        "list": [1, 2.5, "x", {"k": (1, 2)}],
        "table": {"é": False, "inner": {}},
    }
    assert toml(config) == (
        '"a b" = "quote \\" line\\n\\u007f"\n'
        '"yes" = true\n"n" = 3\n"tiny" = 1e-09\n"huge" = 1e+300\n'
        '"list" = [1, 2.5, "x", {"k" = [1, 2]}]\n'
        '"table" = {"é" = false, "inner" = {}}\n'
    )
    if sys.version_info >= (3, 11):
        import tomllib

        assert tomllib.loads(toml(config)) == {**config, "list": [1, 2.5, "x", {"k": [1, 2]}]}
    with pytest.raises(spectrank.SpectrankError, match=r"config: spacing\[0\].values is set: use text, numbers"):
        toml({"spacing": [{"values": {1, 2}}]})


def test_results_have_the_columns_that_are_promised() -> None:
    schema = spectrank.result_schema(item_ids=False)
    assert [str(schema.field(name).type) for name in ("item_id", "position", "utility")] == [
        "uint32",
        "uint32",
        "double",
    ]
    signed = spectrank.result_schema(item_ids=False, signed=True)
    assert [str(signed.field(name).type) for name in ("item_id", "position")] == ["int64", "int32"]
