"""Python reads this first wherever its folder stands on PYTHONPATH: it puts the rig's wrong clock
in the place of the one file by which the agent asks the kernel for time, agent/kernel_time.py.

FTU_HIL_CLOCK names the file that says how wrong (faults/clock.py writes it). Nothing else of the
process is touched, so that the monotonic clock and all timers stay right. It stands alone: a copy
of the agent that is judged may have no rig beside it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_SEAM = "agent.kernel_time"
_FILE = Path(os.environ.get("FTU_HIL_CLOCK", ""))


class _Loader(importlib.abc.Loader):
    """The module as it is, with another `read`."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: Any) -> None:
        self._real.exec_module(module)
        right = module.read
        module.read = lambda: _wrong(module, right())
        with _FILE.with_suffix(".taken").open("a") as taken:
            taken.write(f"{os.getpid()}\n")


class _Finder(importlib.abc.MetaPathFinder):
    """Only for that one module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _SEAM:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _wrong(module: Any, reading: Any) -> Any:
    """What the device's clocks say at the instant of a true reading."""
    said = json.loads(_FILE.read_text())
    fast_us = (reading.mono_us - said["since_us"]) * said["fast_ppm"] // 1_000_000
    utc_us = reading.utc_us + said["offset_us"] + fast_us
    if said["from_us"] is not None:  # never set: it has counted from there since the boot
        utc_us = said["from_us"] + said["offset_us"] + reading.mono_us
    kernel = module.Kernel(module.OK, said["synchronised"], said["maxerror_us"])
    return module.Reading(reading.mono_us, utc_us, kernel)


if _FILE.name:
    sys.meta_path.insert(0, _Finder())
