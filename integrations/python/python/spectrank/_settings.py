"""What a caller asks for, in a form that can be compared and sent to workers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Union

from . import _program
from ._errors import SpectrankError
from ._toml import toml

if TYPE_CHECKING:
    import sys

    if sys.version_info >= (3, 12):
        from typing import Self
    else:
        from typing_extensions import Self

StrPath = Union[str, "os.PathLike[str]"]

SHARED = "auto-share"
"""Value of `adapter` by which workers of one machine spread over its GPUs."""


class Keywords(TypedDict, total=False):
    """Keyword arguments that `rerank` and its relatives share; `Settings` says what each means."""

    config: StrPath | Mapping[str, Any] | None
    slate_size: int | None
    strategy: str | None
    strength: float | None
    behind: int | None
    ahead: int | None
    scope: str | None
    spectra: int | None
    backend: str | None
    adapter: str | None
    precision: str | None
    threads: int | None
    extra_args: Sequence[str]


@dataclass(frozen=True)
class Settings:
    """How to rank. Everything but the catalog has a default, which is the program's.

    Attributes:
        catalog: Files with your items and their embeddings (`.parquet`, `.npy`, `.safetensors`); several join by row.
        config: Configuration: the text of a TOML file.
        config_name: What messages call it.
        slate_size: Positions to fill per slate, 1 to 500.
        strategy: Rule that composes the slate: `spectral`, `mmr`, `msd`, `dpp`, `ssd` or `relevance`.
        strength: How much variety counts against relevance in the spectral strategy, in units of score; 0 is plain
            relevance order.
        behind: Placed items that count as "just seen", 1 to 128.
        ahead: Upcoming candidates that join them.
        scope: Who competes for a position: `pool`, every candidate, or `window`, only those ahead.
        spectra: Themes told apart among the items just seen, 1 to 16.
        backend: Where to compute: `auto`, `gpu` or `cpu`.
        adapter: The GPU: its number in `spectrank devices`, part of its name, its PCI id, or `auto-share`, by which
            the workers of one machine spread over its GPUs.
        precision: `f32`, or `f64`, which is the reference and runs on the CPU only.
        threads: Threads of the CPU; where it is not given, all cores, and on Spark and Ray those of the task.
        extra_args: Any other options of `spectrank rerank`, as on a command line.
        assigned_gpus: With `auto-share`, the GPUs that an engine gave to this worker: numbers of CUDA, or UUIDs.
    """

    catalog: tuple[str, ...]
    config: str | None = None
    config_name: str = "config"
    slate_size: int | None = None
    strategy: str | None = None
    strength: float | None = None
    behind: int | None = None
    ahead: int | None = None
    scope: str | None = None
    spectra: int | None = None
    backend: str | None = None
    adapter: str | None = None
    precision: str | None = None
    threads: int | None = None
    extra_args: tuple[str, ...] = ()
    assigned_gpus: tuple[str, ...] = ()

    @classmethod
    def of(cls, catalog: StrPath | Sequence[StrPath], keywords: Keywords) -> Self:
        """Settings from what a caller passes. A configuration file is read here, once.

        Raises:
            SpectrankError: No catalog, a catalog that is not a local file, a configuration that cannot be read.
            TypeError: An unknown keyword.
        """
        given: dict[str, Any] = dict(keywords)
        unknown = given.keys() - Keywords.__annotations__.keys()
        if unknown:
            raise TypeError(f"unknown keyword {sorted(unknown)[0]!r}: {', '.join(Keywords.__annotations__)} are known")
        paths = [catalog] if isinstance(catalog, (str, os.PathLike)) else list(catalog)
        if not paths:
            raise SpectrankError("catalog: no file is named")
        config, name = _config(given.pop("config", None))
        extra_args = tuple(str(argument) for argument in given.pop("extra_args", ()))
        threads = given.get("threads")
        if threads is not None and threads < 1:
            raise SpectrankError(f"threads is {threads}: 1 or more, or leave it out")
        return cls(tuple(map(_local, paths)), config, name, extra_args=extra_args, **given)

    def replaced(self, **changes: Any) -> Self:
        """The same with some values changed."""
        return replace(self, **changes)

    def options(self) -> list[str]:
        """Options that say how to rank, but for the configuration's file and the GPU."""
        by_name = ("slate_size", "strategy", "strength", "behind", "ahead", "scope", "spectra")
        return self._flags(by_name)

    def engine_options(self) -> list[str]:
        """Options that say where to compute, but for the GPU."""
        return self._flags(("backend", "precision"))

    def _flags(self, names: Sequence[str]) -> list[str]:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name in names}
        given = {name: value for name, value in values.items() if value is not None}
        # `--strength=-1`, so that no value is taken for an option.
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]

    def files(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Marks by which a catalog that was replaced since is told from what it was; None for a missing file."""
        return tuple(_mark(Path(path)) for path in self.catalog)

    def needed_columns(self) -> frozenset[str]:
        """Columns of the slates that the configuration makes use of, in both layouts.

        Raises:
            SpectrankError: The configuration is not valid.
        """
        with _program.config_file(self.config) as path:
            options = [] if path is None else ["--config", path]
            try:
                answer = _program.ask(["schema", *options, *self.options()])
            except SpectrankError as error:
                raise self.renamed(error, path) from None
        columns = answer["inputs"]["slates"]
        return frozenset(column["name"] for column in columns) | {"item_id", "item", "score"}

    def renamed(self, error: SpectrankError, config_path: str | None) -> SpectrankError:
        """The same error in the caller's terms: he knows neither a temporary file nor a standard input."""
        text = str(error)
        if config_path is not None:
            text = text.replace(config_path, self.config_name)
        if text.startswith("standard input"):
            text = "slates" + text[len("standard input") :]
        return SpectrankError(text, error.exit_code, error.log)


def _config(config: StrPath | Mapping[str, Any] | None) -> tuple[str | None, str]:
    if config is None:
        return None, "config"
    if isinstance(config, Mapping):
        return toml(config), "config"
    path = os.fspath(config)
    try:
        return Path(path).read_text(encoding="utf-8"), path
    except (OSError, UnicodeDecodeError) as error:
        raise SpectrankError(f"{path}: cannot be read ({error}): check config") from error


def _local(path: StrPath) -> str:
    text = os.fspath(path)
    if "://" in text:
        raise SpectrankError(f"catalog: {text} is not a local file: copy it to the machine and name the copy")
    return text


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
