"""The firmware as a device: under MicroPython's unix port. It is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from hil.errors import BenchError


def firmware(folder: Path) -> NoReturn:
    """A device that runs the firmware in `folder`. Raises: BenchError."""
    raise BenchError(f"firmware in {folder}", "comes with part G", "--dut agent, or an executable")
