"""Which GPU a worker takes, where several work on one machine.

The engine that started the worker may have given it GPUs (Spark: resources of the task; Ray: `num_gpus`). Those it takes, by PCI
id, since numbers of CUDA are not numbers of Vulkan. Where nothing was given, workers count off: each holds a lock on the
lowest number that is free, for as long as it lives, and takes the GPU of that number, going round.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import _program
from ._errors import SpectrankError

_GPU_KINDS = ("discrete", "integrated", "virtual")
# The order in which the program prefers ways to one GPU.
_BACKENDS = ("metal", "vulkan", "dx12")

_MOST_WORKERS = 4096


@dataclass(frozen=True)
class Gpu:
    """A GPU as the program sees it.

    Attributes:
        index: Number in `spectrank devices`.
        name: Name given by the driver.
        pci: `domain:bus:device.function` in lower case; empty where the driver does not say.
    """

    index: int
    name: str
    pci: str

    @property
    def adapter(self) -> str:
        """What `--adapter` takes: the PCI id, which stays when devices are listed in another order."""
        return self.pci or str(self.index)


@dataclass(frozen=True)
class CudaDevice:
    """A GPU as NVIDIA's tools see it."""

    index: str
    uuid: str
    pci: str


def gpus(devices: Mapping[str, Any]) -> list[Gpu]:
    """The GPUs in what `spectrank devices --json` prints: each once, those of the best kind alone, by PCI id.

    Drivers that compute on the CPU are none. Kinds do not mix: a worker on the integrated GPU would keep all others waiting.
    """
    adapters = [adapter for adapter in devices["adapters"] if adapter["kind"] in _GPU_KINDS]
    if not adapters:
        return []
    best = min(_GPU_KINDS.index(adapter["kind"]) for adapter in adapters)
    adapters = [adapter for adapter in adapters if _GPU_KINDS.index(adapter["kind"]) == best]
    # One backend sees every GPU once; where two do not see the same ones, the preferred one is believed.
    first = min(_BACKENDS.index(adapter["backend"]) for adapter in adapters)
    adapters = [adapter for adapter in adapters if _BACKENDS.index(adapter["backend"]) == first]
    ids = [_pci(adapter["pci_bus_id"]) for adapter in adapters]
    # Direct3D looks ids up by model, so equal cards show the same one: then numbers have to do.
    is_told = all(ids) and len(set(ids)) == len(ids)
    found = [Gpu(a["index"], a["name"], pci if is_told else "") for a, pci in zip(adapters, ids)]
    return sorted(found, key=lambda gpu: (gpu.pci, gpu.index))


def _pci(text: str) -> str:
    """A PCI id in one spelling: NVIDIA writes eight digits of domain, others four."""
    domain, _, rest = text.strip().lower().partition(":")
    return f"{domain[-4:]}:{rest}" if rest.count(":") == 1 else ""


def choose(
    found: Sequence[Gpu], slot: int, assigned: Sequence[str] = (), cuda: Sequence[CudaDevice] = ()
) -> Gpu | None:
    """The GPU of a worker; none where there is none.

    Args:
        found: GPUs of the machine.
        slot: Number of this worker among those of the machine that chose the same way.
        assigned: What the engine gave to this worker: numbers of CUDA, or the beginnings of UUIDs. Empty: all are shared.
        cuda: Those numbers and UUIDs, with their PCI ids.
    """
    if not found:
        return None
    given = [gpu for text in assigned for gpu in found if _is_meant(gpu, text.strip(), cuda)]
    if not given and assigned:
        # NVIDIA's tools are not there. CUDA_DEVICE_ORDER=PCI_BUS_ID, which engines assume, is the order of `found`.
        numbers = [int(text) for text in assigned if text.strip().isdigit()]
        given = [found[number] for number in numbers if number < len(found)]
    among = given or list(found)
    return among[slot % len(among)]


def _is_meant(gpu: Gpu, text: str, cuda: Sequence[CudaDevice]) -> bool:
    meant = [c for c in cuda if text and (text == c.index or (not text.isdigit() and c.uuid.startswith(text)))]
    return bool(gpu.pci) and any(device.pci == gpu.pci for device in meant)


def cuda_devices(listing: str) -> list[CudaDevice]:
    """What `nvidia-smi --query-gpu=index,uuid,pci.bus_id --format=csv,noheader` prints."""
    rows = [[part.strip() for part in line.split(",")] for line in listing.splitlines()]
    return [CudaDevice(index, uuid, _pci(pci)) for index, uuid, pci in (row for row in rows if len(row) == 3)]


def assigned_by_engine(environment: Mapping[str, str], given: Sequence[str] = ()) -> list[str]:
    """GPUs that Spark (addresses of the task's resource) or Ray and others (`CUDA_VISIBLE_DEVICES`) gave to this process."""
    if given:
        return list(given)
    return [part for part in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip() not in ("", "-1")]


class Share:
    """A worker's GPU, and the lock by which others know that it is taken.

    Attributes:
        adapter: What `--adapter` takes; None where the program is to choose by itself.
    """

    def __init__(self, adapter: str | None, lock: IO[bytes] | None) -> None:
        self.adapter = adapter
        self._lock = lock
        if lock is not None:
            _held[id(self)] = self

    def release(self) -> None:
        """Lets others have the place."""
        _held.pop(id(self), None)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def forget(self) -> None:
        """In a forked process: the place is the parent's, and has to be free when the parent ends."""
        if self._lock is not None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, self._lock.fileno(), inheritable=False)
            os.close(null)


_held: dict[int, Share] = {}


def _forget_all() -> None:
    shares = list(_held.values())
    _held.clear()
    for share_ in shares:
        share_.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def share(backend: str | None, given: Sequence[str] = ()) -> Share:
    """A GPU of this machine for this worker.

    Raises:
        SpectrankError: The program cannot list the devices.
    """
    if backend == "cpu":
        return Share(None, None)
    found = gpus(_program.ask(["devices", "--json"]))
    if not found:
        # Whether that is an error is for the program to say, by `backend`.
        return Share(None, None)
    assigned = assigned_by_engine(os.environ, given)
    slot, lock = claim_slot(_folder("-".join(assigned)))
    gpu = choose(found, slot, assigned, cuda_devices(_nvidia_listing()) if assigned else ())
    return Share(None if gpu is None else gpu.adapter, lock)


def _folder(group: str) -> Path:
    """Where locks lie: one folder per user, and per group of GPUs that was given out."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    safe = "".join(c if c.isalnum() or c == "-" else "_" for c in group)[:100] or "all"
    return Path(tempfile.gettempdir()) / f"spectrank-{user}" / f"gpu-{safe}"


def claim_slot(folder: Path) -> tuple[int, IO[bytes] | None]:
    """The lowest number that no living process holds in a folder, and the lock that holds it.

    The kernel gives a lock back when its process ends, however that happens.

    Raises:
        SpectrankError: The folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        # Windows: process ids, multiples of four there, spread well enough.
        return os.getpid() // 4, None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for slot in range(_MOST_WORKERS):
            lock = (folder / f"{slot}.lock").open("ab")
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return slot, lock
            lock.close()
    except OSError as error:
        raise SpectrankError(f"{folder}: {error}: name a GPU in adapter, or set TMPDIR to a folder of yours") from error
    raise SpectrankError(f"{folder}: more than {_MOST_WORKERS} workers on one machine")


def _nvidia_listing() -> str:
    query = ["nvidia-smi", "--query-gpu=index,uuid,pci.bus_id", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, check=True, timeout=30, encoding="utf-8").stdout
    except (OSError, subprocess.SubprocessError):
        return ""
