"""What all processes of a measurement use together: this one, those that it started, and the embedded PostgreSQL."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_PERIOD = 0.1


class Usage:
    """Samples the memory (proportional set size, shared pages counted once) while a block runs; see `peak_mb`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = str(data_dir)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._sampling = 0.0
        self.peak_mb = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()

    def cpu_seconds(self) -> float:
        """Return the CPU time so far of the processes that live and of those that they have waited for.

        That of the sampling itself is not in it.
        """
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in self._processes()) / _TICKS - self._sampling

    def _sample(self) -> None:
        while not self._stopped.wait(_PERIOD):
            self.peak_mb = max(self.peak_mb, sum(map(_pss_kb, self._processes())) // 1024)
            self._sampling = time.thread_time()

    def _processes(self) -> list[int]:
        parents = {int(one.name): _parent(int(one.name)) for one in Path("/proc").iterdir() if one.name.isdigit()}
        ours = {pid for pid in parents if pid == os.getpid() or self._data_dir in _read(pid, "cmdline")}
        while True:
            more = {pid for pid, parent in parents.items() if parent in ours} - ours
            if not more:
                return sorted(ours)
            ours |= more


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Return the fields of `stat` after the program's name, which may hold anything."""
    return _read(pid, "stat").rpartition(")")[2].split() or ["0"] * 20


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _pss_kb(pid: int) -> int:
    lines = _read(pid, "smaps_rollup").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
